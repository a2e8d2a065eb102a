//! What a member sees at home beside a Release: its own exact figures, and how its people compare with
//! people like them elsewhere. Only beside a Release, so that no verdict can depend on it. Must not
//! know sending: nothing here reaches a log, a frame or tracing; what is exact has no `Debug`.
//!
//! Where to start: [`basis`] is what a Release follows from, [`count`] our own Tally of the same
//! question, [`beside`] sets one beside the other, [`like`] weights the cluster's figures by our own mix,
//! [`progress`] reads that for attainment, [`given`] checks figures of ours that others printed.
//!
//! Source: DATA sections 4, 8 and 12. Floats are fine here: nobody else has to compute the same.

use datacoop_policy::question::BoundQuestion;

pub mod basis;
pub mod beside;
pub mod compare;
pub mod count;
pub mod given;
mod level;
pub mod like;
pub mod progress;

/// Fewer of our own people in a group are marked: a figure of theirs may point at one of them.
pub const PEOPLE_FEW: u64 = 10;

/// Standard errors in a 95 % half-width.
const HALF_WIDTH: f64 = 1.96;

/// What the people of a question are called.
pub fn people_word(question: &BoundQuestion) -> &'static str {
    match question.question().draft().per.as_deref() {
        Some("pupil") => "pupils",
        Some("activity") => "activities",
        _ => "people",
    }
}
