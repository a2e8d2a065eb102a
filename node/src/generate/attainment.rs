//! Results of made-up pupils: key stage 2 scores, and the GCSE grades of Year 11.

use datacoop_policy::{AcademicYear, Day};

use super::dice::{Dice, Key, MILLION, below, pick};
use super::school::{Pupil, School};
use crate::reference::transition::{GRADES, TRANSITIONS, Transition};

/// Chance that a subject's grade comes from the same draw as the pupil's others: grades go together.
const ALIKE: u32 = 600_000;
/// Subjects that all take, by place in [`TRANSITIONS`]' names.
const CORE: [&str; 3] = ["English Language", "Mathematics", "Biology"];
/// Of each pair or more, everybody takes one; the last is also taken a second time by none.
const CHOICES: [&[&str]; 3] = [
    &["History", "Geography"],
    &["French", "Spanish", "Computer Science"],
    &["Art and Design", "Religious Studies"],
];

/// A result as an export has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// `KS2` or `KS4`.
    pub stage: &'static str,
    /// In the Department's words.
    pub subject: &'static str,
    /// `exam` or `teacher`.
    pub assessment: &'static str,
    /// The day it was given out; of old results the export has none.
    pub date: Option<Day>,
    /// `scaled` or `gcse91`.
    pub scale: &'static str,
    /// A score or grade.
    pub value: String,
}

/// The day results of Year 11 are given out: the Thursday from 20 August.
pub fn results_day(year: AcademicYear) -> Day {
    let from = Day::from_civil(year.0 + 1, 8, 20).expect("INVARIANT: a fixed day");
    let weekday = super::calendar::weekday(from);
    Day(from.0 + i64::try_from((10 - weekday) % 7).expect("INVARIANT: less than 7"))
}

/// All results of a pupil.
pub fn results(key: &Key, school: &School, year: AcademicYear, at: usize) -> Vec<Outcome> {
    let pupil = &school.pupils[at];
    let mut dice = key.dice(at as u64);
    let mut found = key_stage_2(pupil, year, &mut dice);
    if pupil.nc_year == 11 {
        found.extend(gcses(pupil, school.grade_effect, results_day(year), &mut dice));
    }
    found
}

/// Reading and maths, whose mean is the pupil's average.
fn key_stage_2(pupil: &Pupil, year: AcademicYear, dice: &mut Dice) -> Vec<Outcome> {
    let apart = dice.below(7);
    let Some(halves) = pupil.ks2_halves else { return vec![] };
    // Twice the average is the sum of the two. Scores lie within 59 and 120.
    let reading = (halves / 2 + apart)
        .saturating_sub(3)
        .clamp(halves.saturating_sub(120).max(59), 120.min(halves - 59));
    let date =
        (pupil.nc_year == 6).then(|| Day::from_civil(year.0 + 1, 7, 7).expect("INVARIANT: a fixed day"));
    let score = |subject, score: u32| Outcome {
        stage: "KS2",
        subject,
        assessment: "exam",
        date,
        scale: "scaled",
        value: score.to_string(),
    };
    vec![score("Reading", reading), score("Mathematics", halves - reading)]
}

fn gcses(pupil: &Pupil, school_effect: i32, date: Day, dice: &mut Dice) -> Vec<Outcome> {
    let own = dice.bits();
    let chosen: Vec<&str> = CHOICES.iter().map(|choices| *dice.of(choices)).collect();
    let subjects = CORE.iter().copied().chain(chosen);
    let mut results: Vec<Outcome> = subjects
        .map(|subject| {
            let table = TRANSITIONS.iter().find(|table| table.subject == subject);
            gcse(
                pupil,
                table.expect("INVARIANT: a subject with a table"),
                subject,
                school_effect,
                own,
                date,
                dice,
            )
        })
        .collect();
    // Literature has no table of its own here; its grades are distributed as the language's.
    let language = TRANSITIONS.iter().find(|table| table.subject == CORE[0]);
    let language = language.expect("INVARIANT: a subject with a table");
    results.push(gcse(pupil, language, "English Literature", school_effect, own, date, dice));
    results
}

fn gcse(
    pupil: &Pupil,
    table: &Transition,
    subject: &'static str,
    school_effect: i32,
    own: u32,
    date: Day,
    dice: &mut Dice,
) -> Outcome {
    let rows = if pupil.premium { &table.disadvantaged } else { &table.others };
    let (alike, other) = (dice.chance(ALIKE), dice.bits());
    // U to 9 stand in order, so one draw for all subjects makes a strong pupil strong in each.
    let grade = pick(if alike { own } else { other }, &rows[pupil.ks2_band]);
    // A third of a grade for all is a whole grade for a third of them.
    let moves = below(dice.bits(), MILLION) < school_effect.unsigned_abs() * 1000;
    let grade = match (grade, school_effect > 0, moves) {
        (0..=8, true, true) => grade + 1,
        (1..=9, false, true) => grade - 1,
        _ => grade,
    };
    Outcome {
        stage: "KS4",
        subject,
        assessment: "exam",
        date: Some(date),
        scale: "gcse91",
        value: GRADES[grade].to_owned(),
    }
}
