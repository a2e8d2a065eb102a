//! What is planted and how much of it: a TOML file, or the one built in. Must not know how.

use datacoop_policy::{AcademicYear, Day, Period};
use serde::{Deserialize, Deserializer};

use super::calendar::{half_term_of, half_terms};

/// The scenario that is used unless another is named.
pub const BUILT_IN: &str = include_str!("scenario.toml");
/// Days that a baseline may have: as many as the question about an event takes.
const BASELINE_MAX: usize = 4;

/// A size in percentage points, or a share in percent, held in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Points(pub i32);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let points = f64::deserialize(deserializer)?;
        if !(-100.0..=100.0).contains(&points) {
            return Err(serde::de::Error::custom("points and percent lie between -100 and 100"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 1,000,000 either way")]
        let millionths = (points * 10_000.0).round() as i32;
        Ok(Self(millionths))
    }
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Day, D::Error> {
    let text = String::deserialize(deserializer)?;
    Day::parse(&text)
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a date; write 2025-12-31")))
}

fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Day>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = texts.iter().map(|text| {
        let wrong = || serde::de::Error::custom(format!("`{text}` is not a date; write 2025-12-31"));
        Day::parse(text).ok_or_else(wrong)
    });
    read.collect()
}

/// National Curriculum years as systems write them, as numbers: Reception is 0.
fn nc_year<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    year_of(&String::deserialize(deserializer)?)
}

fn nc_years<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|text| year_of(text)).collect()
}

fn year_of<E: serde::de::Error>(text: &str) -> Result<u8, E> {
    let number = if text == "R" { Some(0) } else { text.parse().ok().filter(|year| (1..=11).contains(year)) };
    number.ok_or_else(|| E::custom(format!("`{text}` is no year of made-up schools; write R or 1 to 11")))
}

/// One day that keeps children away.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventDay {
    /// The day.
    #[serde(deserialize_with = "day")]
    pub date: Day,
    /// Earlier days of the same weekday, to compare it with.
    #[serde(deserialize_with = "days")]
    pub baseline: Vec<Day>,
    /// Members that had an ordinary day.
    pub ordinary: Vec<u64>,
    /// Change for Pupil Premium pupils.
    pub pupil_premium: Points,
    /// Change for others.
    pub others: Points,
}

/// Birthdays taken off.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Birthdays {
    /// Change in primary and special schools.
    pub primary: Points,
    /// Change in secondary schools.
    pub secondary: Points,
}

/// The last day before a break.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastDay {
    /// Change for Pupil Premium pupils.
    pub pupil_premium: Points,
    /// Change for others.
    pub others: Points,
}

/// A day on which schools were closed.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snow {
    /// The day.
    #[serde(deserialize_with = "day")]
    pub date: Day,
    /// Members that closed.
    pub members: Vec<u64>,
}

/// A day on which schools let only some years in.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// The day.
    #[serde(deserialize_with = "day")]
    pub date: Day,
    /// Members on strike.
    pub members: Vec<u64>,
    /// Years that stayed at home.
    #[serde(deserialize_with = "nc_years")]
    pub nc_years: Vec<u8>,
}

/// A week in which children come who would be away.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestWeek {
    /// First day.
    #[serde(deserialize_with = "day")]
    pub first: Day,
    /// Last day.
    #[serde(deserialize_with = "day")]
    pub last: Day,
    /// The year that is tested.
    #[serde(deserialize_with = "nc_year")]
    pub nc_year: u8,
    /// Share of absences that do not happen.
    pub recovers: Points,
}

/// A year in which attendance is lower.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferDip {
    /// The year.
    #[serde(deserialize_with = "nc_year")]
    pub nc_year: u8,
    /// Change for all of it, each day.
    pub all: Points,
}

/// A school whose Pupil Premium pupils are away less.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertedGap {
    /// The member.
    pub member: u64,
    /// Share of their absences that do not happen.
    pub recovers: Points,
}

/// Members by number.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Counted from 1.
    pub members: Vec<u64>,
}

/// All that is planted; what is `None` is not.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The academic year begins in this one.
    pub year: i64,
    /// See there, as for all that follow.
    pub event_day: Option<EventDay>,
    /// Birthdays taken off.
    pub birthdays: Option<Birthdays>,
    /// The last day before a break.
    pub last_day: Option<LastDay>,
    /// Closed schools.
    pub snow: Option<Snow>,
    /// Schools open for some.
    pub strike: Option<Strike>,
    /// A week of tests.
    pub test_week: Option<TestWeek>,
    /// A hard first year.
    pub transfer_dip: Option<TransferDip>,
    /// A gap turned round.
    pub inverted_gap: Option<InvertedGap>,
    /// An authority whose autumn half-term is a week later.
    pub other_half_term: Option<Members>,
    /// Registers that lost their afternoon marks on the way out.
    pub lost_backslash: Option<Members>,
}

impl Scenario {
    /// The one that is built in.
    pub fn built_in() -> Self {
        Self::from_toml(BUILT_IN).expect("INVARIANT: a test reads the built-in scenario")
    }

    /// One that plants nothing.
    pub fn empty(year: i64) -> Self {
        Self::from_toml(&format!("year = {year}")).expect("INVARIANT: the year of another scenario")
    }

    /// Reads a scenario's TOML. Errors: a sentence that names the field and the remedy.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| format!("not a scenario: {}", error.message().replace('\n', "; ")))?;
        if !(2000..=2100).contains(&scenario.year) {
            return Err(format!("`year` {}; write the year in which it begins, such as 2025", scenario.year));
        }
        if let Some(event) = &scenario.event_day {
            event.check()?;
        }
        Ok(scenario)
    }

    /// The academic year.
    pub fn academic_year(&self) -> AcademicYear {
        AcademicYear(self.year)
    }

    /// The half-term of the event day; the second of autumn without one.
    pub fn half_term(&self) -> Period {
        let terms = half_terms(self.academic_year(), false);
        let event = self.event_day.as_ref().and_then(|event| Period::new(event.date, event.date));
        let (first, last) = terms[event.map_or(1, half_term_of)];
        Period::new(first, last).expect("INVARIANT: a half-term lies in its year")
    }

    /// From 1 September to 31 August.
    pub fn whole_year(&self) -> Period {
        let day = |year, month, day| Day::from_civil(year, month, day);
        let days = day(self.year, 9, 1).zip(day(self.year + 1, 8, 31));
        days.and_then(|(first, last)| Period::new(first, last)).expect("INVARIANT: both lie in the year")
    }
}

impl EventDay {
    fn check(&self) -> Result<(), String> {
        if self.baseline.is_empty() || self.baseline.len() > BASELINE_MAX {
            return Err(format!("event_day: write 1 to {BASELINE_MAX} baseline days"));
        }
        let wrong = |day: &&Day| **day >= self.date || (self.date.0 - day.0) % 7 != 0;
        match self.baseline.iter().find(wrong) {
            Some(day) => Err(format!("event_day: {day} is no earlier day of the weekday of {}", self.date)),
            None => Ok(()),
        }
    }
}
