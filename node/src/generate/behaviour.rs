//! Praise, sanctions and suspensions of made-up pupils. A suspension also shows in the register.

use datacoop_policy::Day;

use super::calendar::SchoolDay;
use super::dice::{Dice, Key, MILLION};
use super::school::{Pupil, School};
use crate::reference::suspensions::{FSM_TIMES, PER_100_PUPILS, PRONE, REASONS, YEAR_PERCENT};

/// Suspensions of one pupil in a year: more would be over the cap of an import (DATA section 1).
const SUSPENSIONS_MAX: usize = 5;
/// Longest suspension in school days; most are one or two.
const SUSPENDED_DAYS_MAX: u32 = 5;
/// School days in which a pupil is suspended at most once.
const WEEK: usize = 5;
/// Incidents of one pupil in a year besides suspensions: the cap is 20 a term.
const INCIDENTS_MAX: u32 = 20;
/// Chance that an incident is praise.
const PRAISE: u32 = 600_000;
const SLOTS: [&str; 5] = ["AM", "break", "lunch", "PM", "off_site"];
const SLOT_WEIGHTS: [u32; 5] = [35, 12, 13, 35, 5];

/// Something that was written down about a pupil.
#[derive(Clone, Debug)]
pub struct Incident {
    /// The day.
    pub day: Day,
    /// `positive`, `negative`, `detention` or `suspension`.
    pub kind: &'static str,
    /// Why, of a suspension.
    pub reason: Option<&'static str>,
    /// Points given or taken.
    pub points: i32,
    /// When in the day.
    pub slot: &'static str,
    /// Days lost to a suspension.
    pub out: Vec<Day>,
}

impl Incident {
    /// Sessions lost to it: two a day.
    pub fn sessions_lost(&self) -> usize {
        2 * self.out.len()
    }
}

fn day_of(days: &[SchoolDay], at: usize) -> Day {
    days[at.min(days.len() - 1)].day
}

/// A pupil's suspensions of the year, in order.
pub fn suspensions(key: &Key, school: &School, at: usize) -> Vec<Incident> {
    let mut dice = key.dice(at as u64);
    let pupil = &school.pupils[at];
    let rate = yearly_rate(pupil, *dice.of(&PRONE));
    let weeks = u64::try_from(school.days.len().div_ceil(WEEK)).expect("INVARIANT: a year has few weeks");
    let chance = u32::try_from((rate / weeks).min(u64::from(MILLION))).expect("INVARIANT: at most a million");
    let mut found: Vec<Incident> = vec![];
    if chance == 0 {
        return found;
    }
    let mut free_from = 0;
    for week in (0..school.days.len()).step_by(WEEK) {
        if !dice.chance(chance) {
            continue;
        }
        let n = (week + dice.below(5) as usize).min(school.days.len() - 1);
        if n < free_from || found.len() == SUSPENSIONS_MAX {
            continue;
        }
        let reason = REASONS[dice.pick(&REASONS.map(|(_, weight)| weight))].0;
        let mut length = 1;
        while length < SUSPENDED_DAYS_MAX && dice.chance(MILLION / 2) {
            length += 1;
        }
        let slot = SLOTS[dice.pick(&SLOT_WEIGHTS)];
        let last = (n + 1 + length as usize).min(school.days.len());
        // It begins on the next school day; none is left on the year's last day.
        let out: Vec<Day> = school.days[n + 1..last].iter().map(|day| day.day).collect();
        free_from = last;
        if !out.is_empty() && pupil.on_roll(school.days[n].day) {
            found.push(Incident {
                day: school.days[n].day,
                kind: "suspension",
                reason: Some(reason),
                points: -10,
                slot,
                out,
            });
        }
    }
    found
}

/// Expected suspensions of a pupil in a year, in millionths.
fn yearly_rate(pupil: &Pupil, prone: u32) -> u64 {
    // A quarter of pupils have free school meals: with `FSM_TIMES` 4 the mean weight is 7 / 4.
    let (weight, mean) = (if pupil.fsm_now { FSM_TIMES } else { 1 } * 4, FSM_TIMES + 3);
    let by_year = YEAR_PERCENT[usize::from(pupil.nc_year.max(1)) - 1];
    // Tenths for each 100 pupils are thousandths for one.
    u64::from(PER_100_PUPILS) * u64::from(prone) * u64::from(by_year) * u64::from(weight)
        / (100 * u64::from(mean))
}

/// All that was written down about a pupil in the year, in order.
pub fn incidents(keys: &[Key; 2], school: &School, at: usize) -> Vec<Incident> {
    let [suspended, others] = keys;
    let mut found = suspensions(suspended, school, at);
    let mut dice = others.dice(at as u64);
    let pupil = &school.pupils[at];
    let prone = *dice.of(&PRONE) / 100;
    let most = if pupil.fsm_now { prone + 8 } else { prone + 5 };
    for _ in 0..dice.below(most.min(INCIDENTS_MAX) + 1) {
        found.extend(incident(school, pupil, &mut dice));
    }
    found.sort_by_key(|incident| incident.day);
    found
}

fn incident(school: &School, pupil: &Pupil, dice: &mut Dice) -> Option<Incident> {
    let days = u32::try_from(school.days.len()).expect("INVARIANT: a year has few days");
    let day = day_of(&school.days, dice.below(days) as usize);
    let (praise, detained) = (dice.chance(PRAISE), dice.chance(250_000));
    let points = i32::try_from(dice.between(1, 3)).expect("INVARIANT: at most 3");
    let slot = SLOTS[dice.pick(&SLOT_WEIGHTS)];
    let (kind, points) = match (praise, detained) {
        (true, _) => ("positive", points),
        (false, false) => ("negative", -points),
        (false, true) => ("detention", -points - 2),
    };
    pupil.on_roll(day).then_some(Incident { day, kind, reason: None, points, slot, out: vec![] })
}
