//! A plan for a co-operative that there is not yet: how exact, for how much, how long questions must be open, what it
//! takes. Needs no data, no node and no network. Formulas and runs are the simulator's; here they are put together for
//! the questions of the catalogue, and told. Must not know a folder or a socket.
//!
//! Where to start: [`Wish`], then [`Planned::of`]; `told` says it, `page` draws it, `priced` is about questions.

mod json;
mod page;
mod priced;
mod told;

use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::FLOOR_ROSTER;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use datacoop_sim::calendar::{Holidays, Hours};
use datacoop_sim::chaos::seed;
use datacoop_sim::plan::presence::Presence;
use datacoop_sim::plan::upkeep::UpkeepOfAll;
use datacoop_sim::plan::windows::{Change, Study, Tried, members_of};
use datacoop_sim::plan::{Plan, TooSmall, draws};
use datacoop_sim::scenario::MemberSpec;

pub use priced::{Priced, Width, Within};

use crate::pretend::in_parallel;
use crate::questions::{named, shipped_vocabulary};

/// Sample answers that are shown: enough to see a spread, few enough to read.
pub const DRAWS: usize = 20;
/// The calendar of the runs.
const CALENDAR: &str = "england-2026";
/// What is asked in the runs: a usual question's length, 20 cells.
const ASKED: &str = "attendance-rate";
/// Of the starts that windows are judged by, each what-if has a part.
const WHAT_IF_PART: usize = 4;
/// Fewest starts of a what-if.
const WHAT_IF_MIN: usize = 10;
/// Fewest members of a Roster that hides each of them.
const SECURE_MIN: u32 = datacoop_policy::query::SECURE_ROSTER_MIN;

/// What is to be planned.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Members.
    pub members: u32,
    /// People at each, about.
    pub people: u64,
    /// What one question costs.
    pub loss: PrivacyLoss,
    /// What a year may cost.
    pub year: PrivacyLoss,
    /// How exact answers should be.
    pub within: Option<Width>,
    /// Meeting points among the members: machines that always run and can be reached.
    pub meeting_points: u32,
    /// When the others' machines run, and how many of each.
    pub kinds: Vec<(Hours, u32)>,
    /// Simulated starts; none leaves the runs out.
    pub starts: usize,
    /// All dice come from it.
    pub seed: u64,
}

/// What came of the runs.
pub struct Timing {
    /// The shortest windows that serve; none where no windows of three weeks do.
    pub chosen: Option<Tried>,
    /// Shorter ones that do not.
    pub before: Vec<Tried>,
    /// Exactly, who is there in time in those windows.
    pub presence: Option<Presence>,
    /// Those windows when something is otherwise: code, words, what came of it.
    pub what_if: Vec<(&'static str, &'static str, Tried)>,
    /// What it takes of a machine.
    pub upkeep: Option<UpkeepOfAll>,
}

/// A plan.
pub struct Planned {
    /// What was wished.
    pub wish: Wish,
    /// The formulas.
    pub plan: Plan,
    /// What the noise of a count might come to, in people.
    pub draws: Vec<i64>,
    /// The questions of the catalogue.
    pub questions: Vec<Priced>,
    /// The members' machines.
    pub crew: Vec<MemberSpec>,
    /// The calendar.
    pub holidays: Holidays,
    /// The runs, if there were any.
    pub timing: Option<Timing>,
}

impl Planned {
    /// Plans it. `say` hears how far it is.
    ///
    /// Errors: too few members, or too small a loss.
    pub fn of(wish: Wish, say: &dyn Fn(&str)) -> Result<Self, TooSmall> {
        let plan = Plan::new(wish.members, wish.people, wish.loss, wish.year)?;
        let crew = members_of(wish.meeting_points, &wish.kinds);
        say("questions");
        let catalogue = crate::questions::catalogue();
        let questions = in_parallel(catalogue.len(), &|n| Priced::of(&catalogue[n], &wish));
        let seed = seed(wish.seed);
        Ok(Self {
            draws: draws(&plan.exact, DRAWS, &seed),
            questions: questions.into_iter().flatten().collect(),
            holidays: holidays(),
            timing: (wish.starts > 0).then(|| Timing::of(&wish, &crew, seed, say)),
            wish,
            plan,
            crew,
        })
    }

    /// Fewest members of a Roster.
    pub fn min_roster(&self) -> u32 {
        min_roster(self.wish.members)
    }
}

fn holidays() -> Holidays {
    Holidays::named(CALENDAR).expect("INVARIANT: a test plans with this calendar")
}

/// As many as hide each of them, where there are as many.
fn min_roster(members: u32) -> u32 {
    members.clamp(FLOOR_ROSTER, SECURE_MIN)
}

impl Timing {
    fn of(wish: &Wish, crew: &[MemberSpec], seed: Seed, say: &dyn Fn(&str)) -> Self {
        let asked = named(ASKED).expect("INVARIANT: the catalogue has it");
        let vocabulary = shipped_vocabulary(&asked.draft.vocabulary).expect("INVARIANT: it is shipped");
        let study = Study {
            members: crew.to_vec(),
            holidays: holidays(),
            min_roster: min_roster(wish.members),
            question: asked.draft.clone(),
            hash: sha256(&[vocabulary.name().as_bytes()]),
            vocabulary,
            people_max: wish.people,
            loss: wish.loss,
            seed,
        };
        let many =
            |n: usize, each: &(dyn Fn(usize) -> datacoop_sim::season::Outcome + Sync)| in_parallel(n, each);
        let (chosen, before) = study.shortest(wish.starts, &many, &mut |tried| {
            let w = tried.windows;
            say(&format!(
                "windows of {} + {} + {} school days: {} of {} starts",
                w.join, w.contribute, w.close, tried.released, tried.starts
            ));
        });
        let Some(found) = chosen else {
            return Self { chosen: None, before, presence: None, what_if: vec![], upkeep: None };
        };
        let windows = found.windows;
        let starts = (wish.starts / WHAT_IF_PART).max(WHAT_IF_MIN);
        let fits = |change: &Change| match change {
            Change::OneMeetingPoint => wish.meeting_points > 1,
            Change::HalfTerm | Change::HalfTermForgotten | Change::ThreeLeave | Change::NoMeetingPoint => {
                true
            }
            Change::Nothing => false,
        };
        let what_if =
            Change::ALL.into_iter().filter(|(change, ..)| fits(change)).map(|(change, code, words)| {
                say(words);
                (code, words, study.what_if(windows, change, starts, &many))
            });
        let what_if = what_if.collect();
        say("traffic and disk");
        let upkeep = study.upkeep(windows);
        let presence = Presence::new(crew, &windows, study.min_roster);
        Self { chosen: Some(found), before, presence: Some(presence), what_if, upkeep: Some(upkeep) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(members: u32, people: u64, within: Option<&str>) -> Planned {
        let wish = Wish {
            members,
            people,
            loss: PrivacyLoss::from_nano(5_000_000),
            year: PrivacyLoss::from_nano(250_000_000),
            within: within.and_then(Width::parse),
            meeting_points: 1,
            kinds: vec![(Hours::School, members - 1)],
            starts: 0,
            seed: 1,
        };
        Planned::of(wish, &|_| {}).unwrap()
    }

    fn question<'a>(planned: &'a Planned, id: &str) -> &'a Priced {
        planned.questions.iter().find(|priced| priced.id == id).unwrap()
    }

    /// Half of a width costs four times as much where noise is all there is.
    #[test]
    fn each_question_is_reckoned_as_a_plan_of_one_does() {
        let planned = planned(20, 1_000, Some("1pp"));
        assert_eq!(planned.questions.len(), crate::questions::catalogue().len());
        let severe = question(&planned, "severe-absence");
        assert!(severe.answers(), "{severe:?}");
        let narrow = self::planned(20, 1_000, Some("0.5pp"));
        let loss = |planned: &Planned| {
            question(planned, "severe-absence").within.unwrap().every.unwrap().nano() as f64
        };
        let ratio = loss(&narrow) / loss(&planned);
        assert!((ratio - 4.0).abs() < 0.1, "{ratio}");
        // Of another kind.
        assert_eq!(question(&planned, "people-reached").within, None);
        assert_eq!(Width::parse("3 points").map(|width| width.unit), Some("points".to_owned()));
        assert_eq!(Width::parse("much"), None);
    }

    /// Twelve villages of 30 pupils: what cannot be answered says what would help.
    #[test]
    fn the_small_are_told_what_would_help() {
        let planned = planned(12, 30, None);
        let red: Vec<&Priced> = planned.questions.iter().filter(|priced| !priced.answers()).collect();
        assert!(!red.is_empty() && red.iter().any(|priced| !priced.cures.is_empty()));
        let text = planned.text();
        assert!(text.contains("not answerable") && text.contains("would help: "), "{text}");
        assert!(matches!(
            Planned::of(Wish { members: 2, ..planned.wish.clone() }, &|_| {}),
            Err(TooSmall::Members)
        ));
    }

    #[test]
    fn a_page_stands_alone_and_says_what_the_text_says() {
        let planned = planned(12, 1_000, Some("2pp"));
        let (page, text, json) = (planned.page(), planned.text(), planned.json());
        for outside in ["<script", "http:", "https:", "src=", "@import", "url(", "style=\""] {
            assert!(!page.contains(outside), "{outside}");
        }
        let numbers = ["24.0", "19.6", "67.9"];
        assert!(numbers.iter().all(|number| page.contains(number) && text.contains(number)));
        assert_eq!(json["exact"]["half_width"]["datacoop"], 24.0);
        assert_eq!(
            (json["schema"].as_str(), json["draws"].as_array().unwrap().len()),
            (Some("datacoop.plan/1"), DRAWS)
        );
        for word in
            ["anonymous", "100 % safe", "significant", "confidence", "outlier", "underperforming", "league"]
        {
            assert!(!page.to_lowercase().contains(word) && !text.to_lowercase().contains(word), "{word}");
        }
    }
}
