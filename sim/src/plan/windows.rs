//! How long a question must be open: real members over a year's calendar, a question at each of many starts.
//! Must not know threads: whoever calls says how many starts are played at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::seed::Seed;
use rand_core::Rng as _;

use super::presence::Presence;
use crate::calendar::{HOUR, Holidays, Hours};
use crate::scenario::MemberSpec;
use crate::season::{Asking, Crew, Outcome, Season, Topic};

/// Of a hundred starts, how many must end in a Release.
pub const SERVED: u32 = 95;
/// Longest windows that are tried, in school days together: with holidays between more would pass the 30 days that
/// a deadline may lie ahead.
const TOTAL_MAX: u32 = 14;
/// Starts that are played before it is asked whether to go on.
const BATCH: usize = 20;
/// What may still go wrong after enough members contributed is at most this much better than nothing: windows in
/// which too few are there are not played.
const SCREEN: f64 = 0.93;
/// No deadline lies further ahead (`WINDOW_MAX`), with a day to spare.
const AHEAD_MAX: Span = Span(29 * 24 * HOUR);
/// Months in which questions are asked: not in the last weeks before the summer, which no window outlasts.
const FIRST_DAY: &str = "2026-09-07";
const LAST_DAY: &str = "2027-07-02";
/// A break of so many days from one school day to the next is a half-term; Christmas and Easter are longer.
const HALF_TERM: std::ops::RangeInclusive<i64> = 8..=12;
/// A start is before a half-term if at most so many school days are left.
const BEFORE_BREAK: usize = 3;
/// How often it is looked whether a round is over.
const LOOK_EVERY: Span = Span(2 * HOUR);

/// How long each step of a round may take, in school days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Windows {
    /// From asking until members joined.
    pub join: u32,
    /// From there until they contributed.
    pub contribute: u32,
    /// From there until the committee opened the sums.
    pub close: u32,
}

impl Windows {
    /// All three.
    pub fn total(&self) -> u32 {
        self.join + self.contribute + self.close
    }
}

/// What is changed for a what-if.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// Asked in the last days before a half-term; deadlines count school days.
    HalfTerm,
    /// The same, by somebody who forgot about it: deadlines count weekdays.
    HalfTermForgotten,
    /// Three leave for good the day after the question was asked.
    ThreeLeave,
    /// No meeting point can be reached for the first week.
    NoMeetingPoint,
    /// One meeting point only; the others' machines are as everybody's.
    OneMeetingPoint,
}

impl Change {
    /// All, with what each is called.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::HalfTerm, "half_term", "a half-term falls in it"),
        (
            Self::HalfTermForgotten,
            "half_term_forgotten",
            "the same, with deadlines set as if there were none",
        ),
        (Self::ThreeLeave, "three_leave", "three leave for good the day after it is asked"),
        (Self::NoMeetingPoint, "no_meeting_point", "no meeting point can be reached for the first week"),
        (Self::OneMeetingPoint, "one_meeting_point", "there is one meeting point only"),
    ];
}

/// Who is asked what, over and over.
pub struct Study {
    /// Who.
    pub members: Vec<MemberSpec>,
    /// Schools' holidays.
    pub holidays: Holidays,
    /// Fewest members of a Roster.
    pub min_roster: u32,
    /// What: its answer is of no account, its length is.
    pub question: QuestionDraft,
    /// About these columns.
    pub vocabulary: Vocabulary,
    /// The vocabulary's name in the charter.
    pub hash: Digest,
    /// People at each member, at most.
    pub people_max: u64,
    /// For this loss.
    pub loss: PrivacyLoss,
    /// All dice come from it.
    pub seed: Seed,
}

/// What came of windows.
#[derive(Clone, PartialEq, Debug)]
pub struct Tried {
    /// Which.
    pub windows: Windows,
    /// How many starts were played.
    pub starts: usize,
    /// How many of those ended in a Release.
    pub released: usize,
    /// From asking to the Release, sorted.
    pub waits: Vec<Span>,
    /// How many joined, sorted.
    pub rosters: Vec<usize>,
    /// How many were in the sum of those that were released, sorted.
    pub counted: Vec<usize>,
    /// Why the others did not.
    pub why: BTreeMap<String, usize>,
}

impl Tried {
    fn new(windows: Windows) -> Self {
        Self {
            windows,
            starts: 0,
            released: 0,
            waits: vec![],
            rosters: vec![],
            counted: vec![],
            why: BTreeMap::new(),
        }
    }

    fn add(&mut self, outcome: Outcome) {
        self.starts += 1;
        self.rosters.push(outcome.roster);
        match outcome.released {
            Some(wait) => {
                self.released += 1;
                self.waits.push(wait);
                self.counted.push(outcome.counted);
            }
            None => *self.why.entry(outcome.why.unwrap_or_default()).or_default() += 1,
        }
        self.waits.sort_unstable();
        self.rosters.sort_unstable();
        self.counted.sort_unstable();
    }

    /// Whether so many of a hundred ended in a Release.
    pub fn serves(&self) -> bool {
        self.starts > 0 && self.released * 100 >= self.starts * SERVED as usize
    }

    /// Whether it cannot serve any more, of so many starts.
    fn is_lost(&self, starts: usize) -> bool {
        (self.starts - self.released) * 100 > starts * (100 - SERVED as usize)
    }

    /// The wait that so many of a hundred do not exceed.
    pub fn wait(&self, of_hundred: usize) -> Option<Span> {
        self.waits.get((self.waits.len() * of_hundred).div_ceil(100).max(1) - 1).copied()
    }
}

/// Plays so many starts, by number, and gives their outcomes in order; perhaps several at once.
pub type Many<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) -> Outcome + Sync)) -> Vec<Outcome>;

impl Study {
    /// The shortest windows of which 95 in a hundred starts end in a Release, and all that were tried before.
    ///
    /// Windows in which too few members are there in time are left out by their exact chance.
    pub fn shortest(
        &self,
        starts: usize,
        many: Many<'_>,
        say: &mut dyn FnMut(&Tried),
    ) -> (Option<Tried>, Vec<Tried>) {
        let mut before = vec![];
        for total in 3..=TOTAL_MAX {
            for close in (1..=total - 2).rev() {
                for join in 1..total - close {
                    let windows = Windows { join, contribute: total - close - join, close };
                    if Presence::new(&self.members, &windows, self.min_roster).enough < SCREEN {
                        continue;
                    }
                    let tried = self.tried(windows, Change::Nothing, starts, true, many);
                    say(&tried);
                    if tried.serves() && tried.starts >= starts {
                        return (Some(tried), before);
                    }
                    before.push(tried);
                }
            }
        }
        (None, before)
    }

    /// These windows under a change.
    pub fn what_if(&self, windows: Windows, change: Change, starts: usize, many: Many<'_>) -> Tried {
        self.tried(windows, change, starts, false, many)
    }

    fn tried(
        &self,
        windows: Windows,
        change: Change,
        starts: usize,
        gives_up: bool,
        many: Many<'_>,
    ) -> Tried {
        let mut tried = Tried::new(windows);
        while tried.starts < starts && !(gives_up && tried.is_lost(starts)) {
            let (first, size) = (tried.starts, BATCH.min(starts - tried.starts));
            for outcome in many(size, &|n| self.play(first + n, windows, change)) {
                tried.add(outcome);
            }
        }
        tried
    }

    /// The crew, with a change.
    fn crew(&self, change: Change) -> Crew {
        let mut members = self.members.clone();
        if change == Change::OneMeetingPoint
            && let Some(other) = members.iter().find(|spec| !spec.meeting_point).cloned()
        {
            for spec in members.iter_mut().filter(|spec| spec.meeting_point).skip(1) {
                *spec = other.clone();
            }
        }
        Crew { members, holidays: self.holidays.clone(), min_roster: self.min_roster }
    }

    pub(super) fn topic(&self) -> Topic {
        Topic {
            question: self.question.clone(),
            vocabulary: self.vocabulary.clone(),
            hash: self.hash,
            people_max: self.people_max,
            tabulate: Arc::new(|_, question| vec![0; question.cells()]),
        }
    }

    /// A day among these for start `n`, a moment in its school hours, and who asks.
    fn start(&self, n: usize, windows: Windows, change: Change, crew: &Crew) -> Option<(Seed, Time, usize)> {
        let seed = self.seed.derive(&format!("start/{n}"));
        let mut dice = seed.stream("start");
        let days = starts(&self.holidays, change);
        let fits = |day: &&Day| {
            let at = day.start() + Span(15 * HOUR);
            deadlines(&self.holidays, at, windows, change)[2] - at <= AHEAD_MAX
        };
        let days: Vec<&Day> = days.iter().filter(fits).collect();
        let pick = |dice: &mut rand_chacha::ChaCha12Rng, n: usize| {
            usize::try_from(dice.next_u64() % (n.max(1) as u64))
        };
        let day = **days.get(pick(&mut dice, days.len()).ok()?)?;
        // Between 9:00 and 15:00.
        let at = day.start() + Span(9 * HOUR + dice.next_u64() % (6 * HOUR));
        let askers: Vec<usize> =
            (0..crew.members.len()).filter(|site| !crew.members[*site].meeting_point).collect();
        let asker = askers.get(pick(&mut dice, askers.len()).ok()?).copied().unwrap_or(0);
        Some((seed, at, asker))
    }

    /// Plays start number `n`.
    fn play(&self, n: usize, windows: Windows, change: Change) -> Outcome {
        let none = |why: &str| Outcome { released: None, roster: 0, counted: 0, why: Some(why.to_owned()) };
        let crew = self.crew(change);
        let Some((seed, at, asker)) = self.start(n, windows, change, &crew) else {
            return none("no day of the year leaves room for such windows");
        };
        let mut season = self.season(&seed, at, &crew);
        match change {
            Change::ThreeLeave => {
                let others = (0..crew.members.len())
                    .filter(|site| *site != asker && !crew.members[*site].meeting_point);
                for site in others.take(3).collect::<Vec<_>>() {
                    season.leave(at + Span(24 * HOUR), site);
                }
            }
            Change::NoMeetingPoint => {
                for site in (0..crew.members.len()).filter(|site| crew.members[*site].meeting_point) {
                    season.keep_down(at + Span(HOUR), site, at + Span(7 * 24 * HOUR));
                }
            }
            Change::Nothing | Change::HalfTerm | Change::HalfTermForgotten | Change::OneMeetingPoint => {}
        }
        let asking = self.asking(asker, at, windows, change);
        let end = asking.close_by + Span(24 * HOUR);
        let number = season.ask(at, asking);
        season.run_until(at + LOOK_EVERY);
        while season.world.now() < end && !season.is_over(number) {
            season.run_until(season.world.now() + LOOK_EVERY);
        }
        season.outcome(number)
    }

    /// A co-operative that met the day before.
    pub(super) fn season(&self, seed: &Seed, at: Time, crew: &Crew) -> Season {
        let eve = Time(at.day().start().0 - 16 * HOUR);
        Season::new(seed, eve, crew, &self.topic())
    }

    pub(super) fn asking(&self, by: usize, at: Time, windows: Windows, change: Change) -> Asking {
        let [join_by, contribute_by, close_by] = deadlines(&self.holidays, at, windows, change);
        let year = at.day().academic_year().0;
        let days = Day::from_civil(year, 9, 1).zip(Day::from_civil(year, 9, 5));
        let period = days.and_then(|(first, last)| Period::new(first, last));
        Asking {
            by,
            params: BTreeMap::new(),
            period: period.expect("INVARIANT: September has days"),
            loss: self.loss,
            join_by,
            contribute_by,
            close_by,
        }
    }
}

/// The three deadlines of a question that is asked then.
fn deadlines(holidays: &Holidays, at: Time, windows: Windows, change: Change) -> [Time; 3] {
    let weekdays = Holidays::named("none").filter(|_| change == Change::HalfTermForgotten);
    let calendar = weekdays.as_ref().unwrap_or(holidays);
    let join_by = calendar.after_school_days(at, windows.join);
    let contribute_by = calendar.after_school_days(join_by, windows.contribute);
    [join_by, contribute_by, calendar.after_school_days(contribute_by, windows.close)]
}

/// The days on which somebody may ask.
fn starts(holidays: &Holidays, change: Change) -> Vec<Day> {
    let (first, last) = (Day::parse(FIRST_DAY), Day::parse(LAST_DAY));
    let (first, last) = first.zip(last).expect("INVARIANT: both are days");
    let days: Vec<Day> = (first.0..=last.0).map(Day).filter(|day| holidays.is_school_day(*day)).collect();
    if !matches!(change, Change::HalfTerm | Change::HalfTermForgotten) {
        return days;
    }
    let breaks = days.windows(2).enumerate().filter(|(_, pair)| HALF_TERM.contains(&(pair[1].0 - pair[0].0)));
    let near: BTreeSet<Day> =
        breaks.flat_map(|(at, _)| days[(at + 1).saturating_sub(BEFORE_BREAK)..=at].to_vec()).collect();
    near.into_iter().collect()
}

/// What is usual of a machine that runs at such hours: of a thousand days on how many it stays off, and of a thousand
/// messages how many are lost. As in the templates of scenarios.
const USUAL: [(Hours, u32, u32); 4] =
    [(Hours::Always, 10, 2), (Hours::Office, 30, 2), (Hours::School, 150, 5), (Hours::Evenings, 250, 10)];

/// So many meeting points, which always run, then members with machines that run at these hours.
pub fn members_of(meeting_points: u32, kinds: &[(Hours, u32)]) -> Vec<MemberSpec> {
    let point = || MemberSpec { hours: Hours::Always, lid: 0, loss: 1, meeting_point: true };
    let others = kinds.iter().flat_map(|(hours, count)| {
        let usual = USUAL.iter().find(|(known, ..)| known == hours).unwrap_or(&USUAL[0]);
        (0..*count).map(|_| MemberSpec { hours: *hours, lid: usual.1, loss: usual.2, meeting_point: false })
    });
    (0..meeting_points).map(|_| point()).chain(others).collect()
}
