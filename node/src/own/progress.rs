//! Cluster Progress: our pupils' mean distance from what pupils with the same start reach in the
//! cluster. The comparison is [`super::like`]'s; here is what is particular to attainment.
//!
//! Source: DATA section 4; slots as in Department for Education, "Secondary accountability measures".

use datacoop_policy::Period;
use datacoop_policy::question::{BoundQuestion, Figure};

/// The grouping that says where a pupil started.
const START: &str = "ks2_band";
/// Summers without an official Progress 8: key stage 2 tests were not taken in 2020 and 2021.
const SUMMERS_WITHOUT: std::ops::RangeInclusive<i64> = 2025..=2026;
/// How many slots of Attainment 8 an element fills; all four fill ten.
const SLOTS: [(&str, f64); 4] = [("english", 2.0), ("maths", 2.0), ("ebacc", 3.0), ("open", 3.0)];

/// Whether a question releases means by starting point.
pub fn is_progress(question: &BoundQuestion) -> bool {
    let starts = question.groupings().first().is_some_and(|by| by.name == START);
    starts && matches!(question.figure(), Figure::Mean(_))
}

/// The slots that a mean is of: of an element by its name, of all elements together ten.
pub fn slots(question: &BoundQuestion, name: &str) -> Option<f64> {
    let Figure::Mean(mean) = question.figure() else { return None };
    let element = |name: &str| SLOTS.iter().find(|(element, _)| name.starts_with(element)).map(|(_, n)| *n);
    if mean.together.as_deref() == Some(name) {
        return mean.of.iter().map(|of| element(of)).sum();
    }
    element(name)
}

/// What a distance is not.
pub fn official_text(period: Period) -> String {
    let summer = period.year().0 + 1;
    let official = match SUMMERS_WITHOUT.contains(&summer) {
        true => {
            "No official Progress 8 exists for summer 2025 and 2026: the key stage 2 tests it would start from were not taken in 2020 and 2021."
        }
        false => "This is not the official Progress 8.",
    };
    format!("{official} This is a distance from this cluster, not from England.")
}

#[cfg(test)]
#[path = "progress_tests.rs"]
pub(crate) mod tests;
