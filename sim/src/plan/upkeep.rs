//! What taking part costs a machine in a year: traffic, disk, hours. Counted in runs, frame by frame; what the
//! transport adds around a frame is not in it.

use datacoop_policy::{Day, Span, Time};

use super::windows::{Change, Study, Windows};
use crate::calendar::{DAY, HOUR, Hours};
use crate::season::{Counts, Crew, Season};
use datacoop_protocol::bounds::PULL_EVERY;

/// A Monday without holidays near it, for what a usual day costs.
const USUAL: &str = "2026-11-09";
/// Weeks in which nothing is asked, for what logs grow by all the same.
const QUIET_WEEKS: u64 = 3;
/// Days of a year.
const YEAR_DAYS: f64 = 365.0;
/// School days of a year in England.
pub const SCHOOL_DAYS: f64 = 190.0;

/// What a member of a kind needs in a year.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Upkeep {
    /// Bytes sent and received while nothing is asked.
    pub idle_traffic: f64,
    /// Bytes sent and received for one question.
    pub traffic_each: f64,
    /// Bytes that logs grow by while nothing is asked.
    pub idle_disk: f64,
    /// Bytes that stay of one question.
    pub disk_each: f64,
    /// Hours that its machine runs: for this, where nobody sits at it.
    pub hours: f64,
}

impl Upkeep {
    /// Bytes over the wire in a year of so many questions.
    pub fn traffic(&self, questions: u64) -> f64 {
        self.idle_traffic + self.traffic_each * questions as f64
    }

    /// Bytes more on the disk after a year of so many questions.
    pub fn disk(&self, questions: u64) -> f64 {
        self.idle_disk + self.disk_each * questions as f64
    }
}

/// Of a meeting point, and of any other member; `None` of a kind that there is not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct UpkeepOfAll {
    /// A meeting point.
    pub meeting_point: Option<Upkeep>,
    /// Any other.
    pub other: Option<Upkeep>,
}

impl Study {
    /// Counts it.
    pub fn upkeep(&self, windows: Windows) -> UpkeepOfAll {
        let crew = Crew {
            members: self.members.clone(),
            holidays: self.holidays.clone(),
            min_roster: self.min_roster,
        };
        let monday = Day::parse(USUAL).expect("INVARIANT: it is a day");
        let school_day = self.day(&crew, monday);
        let saturday = self.day(&crew, Day(monday.0 + 5));
        let quiet = self.quiet(&crew, monday);
        let (with, without) =
            (self.round(&crew, monday, windows, true), self.round(&crew, monday, windows, false));
        let of = |is_point: bool| {
            let sites: Vec<usize> =
                (0..crew.members.len()).filter(|n| crew.members[*n].meeting_point == is_point).collect();
            let mean =
                |of: &dyn Fn(usize) -> f64| sites.iter().map(|n| of(*n)).sum::<f64>() / sites.len() as f64;
            let over = |counts: &[Counts], n: usize| (counts[n].sent + counts[n].heard) as f64;
            let days = |n: usize| match crew.members[n].hours {
                Hours::School => (SCHOOL_DAYS, 0.0),
                Hours::Office => (252.0, 0.0),
                Hours::Always | Hours::Evenings => (SCHOOL_DAYS, YEAR_DAYS - SCHOOL_DAYS),
            };
            let year = |n: usize, on: f64, off: f64| on * days(n).0 + off * days(n).1;
            let open = |n: usize| 1.0 - f64::from(crew.members[n].lid) / 1000.0;
            let more = |of: fn(&Counts) -> u64, n: usize| of(&with[n]) as f64 - of(&without[n]) as f64;
            (!sites.is_empty()).then(|| Upkeep {
                idle_traffic: mean(&|n| open(n) * year(n, over(&school_day, n), over(&saturday, n))),
                traffic_each: mean(&|n| (more(|c| c.sent, n) + more(|c| c.heard, n)).max(0.0)),
                idle_disk: mean(&|n| quiet[n].kept as f64 / QUIET_WEEKS as f64 * YEAR_DAYS / 7.0),
                disk_each: mean(&|n| more(|c| c.kept, n).max(0.0)),
                hours: mean(&|n| {
                    open(n) * year(n, school_day[n].ran as f64, saturday[n].ran as f64) / HOUR as f64
                }),
            })
        };
        UpkeepOfAll { meeting_point: of(true), other: of(false) }
    }

    /// A whole day at a node's own pace, with every lid open: what is closed is reckoned with later.
    fn day(&self, crew: &Crew, day: Day) -> Vec<Counts> {
        let mut open = crew.clone();
        open.members.iter_mut().for_each(|spec| spec.lid = 0);
        // An hour is enough to meet: at this pace each more costs as much as it shows.
        let begin = Time(day.start().0 - HOUR);
        let mut season = Season::new(&self.seed.derive("upkeep/day"), begin, &open, &self.topic());
        season.world.pull_every = PULL_EVERY;
        between(&mut season, day.start(), day.start() + Span(DAY))
    }

    /// Weeks in which nothing is asked.
    fn quiet(&self, crew: &Crew, monday: Day) -> Vec<Counts> {
        let mut season =
            self.season(&self.seed.derive("upkeep/quiet"), monday.start() + Span(9 * HOUR), crew);
        let from = monday.start() + Span(DAY);
        between(&mut season, from, from + Span(QUIET_WEEKS * 7 * DAY))
    }

    /// A question from asking to its end, or the same days without it.
    fn round(&self, crew: &Crew, monday: Day, windows: Windows, is_asked: bool) -> Vec<Counts> {
        let at = monday.start() + Span(10 * HOUR);
        let mut open = crew.clone();
        open.members.iter_mut().for_each(|spec| spec.lid = 0);
        let mut season = self.season(&self.seed.derive("upkeep/round"), at, &open);
        let asking = self.asking(crew.members.len() - 1, at, windows, Change::Nothing);
        let end = asking.close_by + Span(DAY);
        if is_asked {
            season.ask(at, asking);
        }
        between(&mut season, at, end)
    }
}

/// What each member did between two moments.
fn between(season: &mut Season, from: Time, until: Time) -> Vec<Counts> {
    season.run_until(from);
    let before = season.counts();
    season.run_until(until);
    let after = season.counts();
    let less = |(after, before): (&Counts, &Counts)| Counts {
        sent: after.sent - before.sent,
        heard: after.heard - before.heard,
        // What an ended round gives back may be more than what came since.
        kept: after.kept.saturating_sub(before.kept),
        ran: after.ran - before.ran,
    };
    after.iter().zip(&before).map(less).collect()
}
