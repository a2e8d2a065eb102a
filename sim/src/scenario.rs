//! A scenario: members, questions and faults with their times, from a seed or from a file. Must not know how they
//! are played.

mod file;
mod random;

pub use file::seed_number;

use datacoop_policy::query::Mode;
use datacoop_policy::{Day, Span, Time};

use crate::calendar::{HOUR, Holidays, Hours};
use crate::faults::{Fault, length, moment};

/// Members of a scenario at most: as many as one Roster may hold.
pub const MEMBERS_MAX: usize = datacoop_policy::query::ROSTER_MAX;
/// Days at most: a charter is in force for a year.
pub const DAYS_MAX: u32 = 364;
/// Questions and faults at most: some of each a day.
pub const LINES_MAX: usize = 4_096;

/// Cells of an answer, unless a scenario says otherwise; at most as many as a charter's floor allows.
pub const CELLS: usize = 4;
/// Cells at most: each is a value of one column.
pub const CELLS_MAX: usize = 200;
/// Meeting points of a cluster.
const POINTS: usize = 2;

/// How a member's machine runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberSpec {
    /// At what hours.
    pub hours: Hours,
    /// Of a thousand days on which it would run, on how many it does not.
    pub lid: u32,
    /// Of a thousand messages from or to it, how many are lost.
    pub loss: u32,
    /// Whether others can reach it.
    pub meeting_point: bool,
}

/// A question that is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// When, counted from the scenario's first moment.
    pub at: Span,
    /// By which member.
    pub by: usize,
    /// Its parameter: another is another question.
    pub least: u32,
    /// What it costs, billionths of rho.
    pub loss: u64,
    /// Secure or full noise.
    pub mode: Mode,
    /// From asking to `join_by`.
    pub join: Span,
    /// From there to `contribute_by`.
    pub contribute: Span,
    /// From there to `close_by`.
    pub close: Span,
}

/// What a scenario expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expect {
    /// Of the rounds, at least so many in a hundred end with a Release.
    pub released: Option<u32>,
    /// Of those, 95 in a hundred within this time from asking.
    pub within: Option<Span>,
}

/// A scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The seed that it was found with, or is to be played with.
    pub seed: Option<u64>,
    /// Its first day; it begins at 8:00.
    pub start: Day,
    /// Days of faults, before all is healed.
    pub days: u32,
    /// When schools are closed.
    pub holidays: Holidays,
    /// Cells of each answer.
    pub cells: usize,
    /// The members, by number.
    pub members: Vec<MemberSpec>,
    /// What is asked.
    pub asks: Vec<Ask>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What comes of it.
    pub expect: Expect,
    /// One bound is crossed on purpose: the law, by its number, that then breaks, and no other.
    pub beyond: Option<String>,
}

/// What is wrong with a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError(pub String);

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scenario {
    /// A cluster in which everybody is there, and one question is asked, with short windows.
    pub fn cluster(members: usize, cells: usize) -> Self {
        let spec = |n| MemberSpec { hours: Hours::Always, lid: 0, loss: 0, meeting_point: n < POINTS };
        let minutes = |count: u64| Span(count * 60_000);
        let ask = Ask {
            at: minutes(2),
            by: POINTS,
            least: 0,
            loss: 5_000_000,
            mode: Mode::Secure,
            join: minutes(6),
            contribute: minutes(20),
            close: minutes(20),
        };
        Self {
            name: "cluster".to_owned(),
            seed: None,
            start: Day::from_civil(2026, 9, 1).unwrap_or(Day(0)),
            days: 1,
            holidays: Holidays::default(),
            cells,
            members: (0..members).map(spec).collect(),
            asks: vec![ask],
            faults: vec![],
            expect: Expect::default(),
            beyond: None,
        }
    }

    /// Its first moment.
    pub fn begin(&self) -> Time {
        self.start.start() + Span(8 * HOUR)
    }

    /// When all is healed.
    pub fn end(&self) -> Time {
        self.begin() + Span(u64::from(self.days) * 24 * HOUR)
    }

    /// As a file that says the same, every question and fault on a line of its own.
    pub fn to_toml(&self) -> String {
        let cells = if self.cells == CELLS { String::new() } else { format!("cells = {}\n", self.cells) };
        let mut text = format!(
            "name = \"{}\"\n{}start = \"{}\"\ndays = {}\ncalendar = \"{}\"\n{cells}members = [\n",
            self.name,
            self.seed.map(|seed| format!("seed = \"{seed:#x}\"\n")).unwrap_or_default(),
            self.start,
            self.days,
            self.holidays.name()
        );
        if let Some(law) = &self.beyond {
            text = format!("beyond = \"{law}\"\n{text}");
        }
        for spec in &self.members {
            text += &format!(
                "  {{ hours=\"{}\", lid={}, loss={}, meeting_point={} }},\n",
                spec.hours.name(),
                spec.lid,
                spec.loss,
                spec.meeting_point
            );
        }
        text += "]\nqueries = [\n";
        for ask in &self.asks {
            text += &format!("  {ask},\n");
        }
        text += "]\nfaults = [\n";
        for fault in &self.faults {
            text += &format!("  {fault},\n");
        }
        text += "]\n";
        match (self.expect.released, self.expect.within) {
            (None, None) => {}
            (released, within) => {
                let released = released.map(|least| format!("released=\">= {least} %\""));
                let within = within.map(|most| format!("p95_time_to_release=\"< {}\"", length(most)));
                let all: Vec<String> = released.into_iter().chain(within).collect();
                text += &format!("expect = {{ {} }}\n", all.join(", "));
            }
        }
        text
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{{ at=\"{}\", by={}, least={}, rho_nano={}, mode=\"{}\", join=\"{}\", contribute=\"{}\", close=\"{}\" }}",
            moment(self.at),
            self.by,
            self.least,
            self.loss,
            self.mode.code(),
            length(self.join),
            length(self.contribute),
            length(self.close)
        )
    }
}
