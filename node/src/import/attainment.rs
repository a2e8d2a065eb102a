//! Attainment: from results to grades and points, Attainment 8 and its elements, key stage 2 averages
//! and Progress 8. Points are counted in halves, as a double award's average may end in one.
//!
//! Source: Department for Education, "Secondary accountability measures" (2024); estimates as in
//! `reference::progress8`. Not modelled: its yearly floor on extremely low scores.

use std::collections::BTreeMap;

use crate::reference::ks2;
use crate::reference::progress8::{ESTIMATES_2024, Estimate};

/// A GCSE grade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grade {
    /// As the vocabulary lists it; of a double award the lower of its two.
    pub(crate) name: &'static str,
    /// In halves of a point; of a double award the average of its two.
    pub(crate) halves: u16,
}

/// Grades by their points: U is worth none.
const GRADES: [&str; 10] = ["U", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Reads a grade on the scale 9 to 1: `7`, `U`, `X` for none, or a double award's `5-4`.
pub(crate) fn grade(value: &str) -> Option<Grade> {
    let value = value.trim().to_ascii_uppercase();
    if value == "X" {
        return Some(Grade { name: "X", halves: 0 });
    }
    let places: Vec<usize> = value
        .chars()
        .filter(|c| !matches!(c, '-' | '/' | ' '))
        .map(|c| GRADES.iter().position(|grade| grade.starts_with(c)))
        .collect::<Option<_>>()?;
    let (first, second) = match places[..] {
        [only] => (only, only),
        [first, second] if first.abs_diff(second) <= 1 => (first, second),
        _ => return None,
    };
    Some(Grade { name: GRADES[first.min(second)], halves: u16::try_from(first + second).ok()? })
}

/// Where a result counts in Attainment 8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    English,
    Maths,
    Ebacc,
    Open,
}

impl Slot {
    /// As the vocabulary writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::Maths => "maths",
            Self::Ebacc => "ebacc",
            Self::Open => "open",
        }
    }
}

/// Subjects of the English Baccalaureate but English and mathematics, in the vocabulary's words.
const EBACC: [&str; 31] = [
    "Combined Science",
    "Biology",
    "Chemistry",
    "Physics",
    "Computer Science",
    "Geography",
    "History",
    "Ancient History",
    "Classical Greek",
    "Latin",
    "Biblical Hebrew",
    "Arabic",
    "Bengali",
    "Chinese",
    "French",
    "German",
    "Gujarati",
    "Italian",
    "Japanese",
    "Modern Greek",
    "Modern Hebrew",
    "Panjabi",
    "Persian",
    "Polish",
    "Portuguese",
    "Russian",
    "Spanish",
    "Turkish",
    "Urdu",
    "Other Modern Languages",
    "Irish",
];

const LANGUAGE: &str = "English Language";
const LITERATURE: &str = "English Literature";
const MATHS: &str = "Mathematics";
/// It is worth two GCSEs.
const DOUBLE: &str = "Combined Science";

/// What a pupil's GCSEs add up to, in halves of a point.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Attainment8 {
    /// Doubled if both English GCSEs were sat: 0 to 36.
    pub(crate) english: u16,
    /// Doubled: 0 to 36.
    pub(crate) maths: u16,
    /// The best three: 0 to 54.
    pub(crate) ebacc: u16,
    /// The best three of the rest: 0 to 54.
    pub(crate) open: u16,
    /// English and mathematics in single points' halves: the lower of the two, if both were sat.
    pub(crate) basics: Option<u16>,
    /// Where each subject counts; those that do not are left out.
    pub(crate) slots: BTreeMap<String, Slot>,
}

impl Attainment8 {
    /// The whole, in halves: 0 to 180.
    pub(crate) fn total(&self) -> u16 {
        self.english + self.maths + self.ebacc + self.open
    }

    /// Adds up a pupil's results: each subject's best, in halves.
    pub(crate) fn of(results: &BTreeMap<String, u16>) -> Self {
        let of = |subject: &str| results.get(subject).copied();
        let mut this = Self::default();
        let (language, literature) = (of(LANGUAGE), of(LITERATURE));
        let english = match language >= literature {
            true => language.map(|points| (LANGUAGE, points)),
            false => literature.map(|points| (LITERATURE, points)),
        };
        if let Some((subject, points)) = english {
            let times = if language.is_some() && literature.is_some() { 2 } else { 1 };
            this.english = times * points;
            this.slots.insert(subject.to_owned(), Slot::English);
        }
        if let Some(points) = of(MATHS) {
            this.maths = 2 * points;
            this.slots.insert(MATHS.to_owned(), Slot::Maths);
        }
        this.basics = english.zip(of(MATHS)).map(|((_, english), maths)| english.min(maths));
        // Best first; of equals, by name, so that everyone fills the same slots.
        let mut rest: Vec<(&str, u16)> = vec![];
        for (subject, points) in results {
            if !this.slots.contains_key(subject) {
                rest.push((subject, *points));
                rest.extend((subject == DOUBLE).then_some((subject.as_str(), *points)));
            }
        }
        rest.sort_by_key(|(subject, points)| (std::cmp::Reverse(*points), *subject));
        this.ebacc = this.fill(Slot::Ebacc, &mut rest, |subject| EBACC.contains(&subject));
        this.open = this.fill(Slot::Open, &mut rest, |_| true);
        this
    }

    /// Takes the best three of those that may count.
    fn fill(&mut self, slot: Slot, rest: &mut Vec<(&str, u16)>, may: impl Fn(&str) -> bool) -> u16 {
        let mut sum = 0;
        for _ in 0..3 {
            let Some(at) = rest.iter().position(|(subject, _)| may(subject)) else { break };
            let (subject, points) = rest.remove(at);
            sum += points;
            self.slots.entry(subject.to_owned()).or_insert(slot);
        }
        sum
    }
}

/// The key stage 2 average in halves: of reading and mathematics, both needed.
pub(crate) fn ks2_average(reading: Option<u16>, maths: Option<u16>) -> Option<u16> {
    let halves = reading? + maths?;
    ks2::HALVES.contains(&halves).then_some(halves)
}

/// What pupils with this average reached in 2024.
pub(crate) fn estimate(halves: u16) -> Option<&'static Estimate> {
    ESTIMATES_2024.get(ks2::group(halves)? - 1)
}

/// Progress 8 and that of each element: English, mathematics, EBacc, open.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Progress8 {
    pub(crate) p8: f64,
    pub(crate) english: f64,
    pub(crate) maths: f64,
    pub(crate) ebacc: f64,
    pub(crate) open: f64,
}

/// How far a pupil is from others of the same start: 1 is a grade in each of the ten slots.
pub(crate) fn progress8(reached: &Attainment8, ks2_halves: u16) -> Option<Progress8> {
    let expected = estimate(ks2_halves)?;
    // Whole hundredths of a point until the one division.
    let away = |halves: u16, hundredths: i32, slots: i32| {
        f64::from(i32::from(halves) * 50 - hundredths) / f64::from(slots * 100)
    };
    Some(Progress8 {
        p8: away(reached.total(), expected.a8, 10),
        english: away(reached.english, expected.english, 2),
        maths: away(reached.maths, expected.maths, 2),
        ebacc: away(reached.ebacc, expected.ebacc, 3),
        open: away(reached.open, expected.open, 3),
    })
}

#[cfg(test)]
#[path = "attainment_tests.rs"]
mod tests;
