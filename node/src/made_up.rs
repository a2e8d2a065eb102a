//! Made-up pupils for the demo: seeded, so a demo can be repeated. Never near a real node.

use std::path::Path;

use datacoop_policy::Day;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::seed::Seed;
use rand_core::Rng as _;

use crate::engine::TableWriter;
use crate::import::{Cell, ImportError};

/// The day in question, a Friday.
pub const EVENT_DAY: &str = "2025-12-12";
/// Fridays before it.
pub const BASELINE_DAYS: [&str; 2] = ["2025-11-28", "2025-12-05"];
/// The days the question is about.
pub const PERIOD: &str = "2025-11-03..2025-12-19";
/// Pupils of a made-up school.
pub const PUPILS: u32 = 1_000;
/// Of which this many are eligible for the Pupil Premium.
const PREMIUM: u32 = 240;
/// Attendance on an ordinary Friday in 10,000ths: Pupil Premium, others.
const ORDINARY: [u64; 2] = [8_950, 9_420];
/// What the day takes off, in 10,000ths: five points, and 0.8.
const EFFECT: [u64; 2] = [500, 80];

/// Names of made-up schools.
pub const NAMES: [&str; 12] = [
    "Ashdown",
    "Birchwood",
    "Castle Hill",
    "Dale End",
    "Eastgate",
    "Fairfield",
    "Greenbank",
    "Highmoor",
    "Ivybridge",
    "Kingsway",
    "Lakeside",
    "Millbrook",
];

/// Writes one school's sessions: each pupil's mark on the event day and the Fridays before.
pub fn write_school(
    table: &Path,
    vocabulary: &Vocabulary,
    seed: &Seed,
    school: usize,
    took_part: bool,
) -> Result<(), ImportError> {
    let mut rng = seed.stream(&format!("school/{school}"));
    let mut writer = TableWriter::create(table, vocabulary)?;
    let date = |text: &str| {
        Day::parse(text).and_then(|day| i32::try_from(day.0).ok()).map_or(Cell::Null, Cell::Date)
    };
    for pupil in 0..PUPILS {
        let premium = pupil < PREMIUM;
        let group = usize::from(!premium);
        for day in BASELINE_DAYS.iter().chain([&EVENT_DAY]) {
            let effect = if took_part && *day == EVENT_DAY { EFFECT[group] } else { 0 };
            let attended = i64::from(rng.next_u64() % 10_000 < ORDINARY[group] - effect);
            writer.push(&[
                Cell::Text(format!("{school}-{pupil}").into()),
                date(day),
                Cell::Text("AM".into()),
                Cell::Integer(1),
                Cell::Integer(attended),
                Cell::Integer(1 - attended),
                Cell::Bool(true),
                Cell::Text((7 + pupil % 5).to_string().into()),
                Cell::Bool(premium),
            ])?;
        }
    }
    writer.finish()
}
