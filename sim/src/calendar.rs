//! When people's machines run: hours of the day, school days, holidays. Times are UTC.

use datacoop_policy::{Day, Span, Time};

/// Milliseconds of an hour.
pub const HOUR: u64 = 3_600_000;
/// Milliseconds of a day.
pub const DAY: u64 = 24 * HOUR;

/// At what hours a machine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hours {
    /// Day and night.
    Always,
    /// Working days, 8 to 18, bank holidays aside.
    Office,
    /// School days, 8 to 16.
    School,
    /// Every day, 18 to 23.
    Evenings,
}

impl Hours {
    /// All, with their names in a scenario.
    pub const ALL: [(&'static str, Self); 4] = [
        ("always", Self::Always),
        ("office", Self::Office),
        ("school_hours", Self::School),
        ("evenings", Self::Evenings),
    ];

    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, hours)| *hours == self).map_or("always", |(name, _)| name)
    }

    /// The name's hours.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(said, _)| *said == name).map(|(_, hours)| *hours)
    }

    /// From when to when it runs on that day; `None` on a day off, and of a machine that always runs.
    pub fn on(self, day: Day, holidays: &Holidays) -> Option<(Span, Span)> {
        let (from, to, runs) = match self {
            Self::Always => return None,
            Self::Office => (8, 18, is_weekday(day) && !holidays.is_bank_holiday(day)),
            Self::School => (8, 16, holidays.is_school_day(day)),
            Self::Evenings => (18, 23, true),
        };
        runs.then_some((Span(from * HOUR), Span(to * HOUR)))
    }
}

/// Monday to Friday.
fn is_weekday(day: Day) -> bool {
    // 1970-01-01 was a Thursday.
    (day.0 + 3).rem_euclid(7) < 5
}

/// Days on which schools are closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holidays {
    name: &'static str,
    closed: Vec<(Day, Day)>,
}

/// Of a scenario's calendar: (name, first and last day of each closure).
type Preset = (&'static str, &'static [(&'static str, &'static str)]);

/// What is common in England; each school sets its own. The first entry of a list is the summer before.
const PRESETS: [Preset; 2] = [
    ("none", &[]),
    (
        "england-2026",
        &[
            ("2026-07-22", "2026-08-31"),
            ("2026-10-26", "2026-10-30"),
            ("2026-12-21", "2027-01-01"),
            ("2027-02-15", "2027-02-19"),
            ("2027-03-26", "2027-04-09"),
            ("2027-05-03", "2027-05-03"),
            ("2027-05-31", "2027-06-04"),
            ("2027-07-22", "2027-08-31"),
        ],
    ),
];

/// Bank holidays of 2026/27 in England.
const BANK_HOLIDAYS: [&str; 9] = [
    "2026-08-31",
    "2026-12-25",
    "2026-12-28",
    "2027-01-01",
    "2027-03-26",
    "2027-03-29",
    "2027-05-03",
    "2027-05-31",
    "2027-08-30",
];

impl Default for Holidays {
    /// None.
    fn default() -> Self {
        Self { name: "none", closed: vec![] }
    }
}

impl Holidays {
    /// A calendar by its name.
    pub fn named(name: &str) -> Option<Self> {
        let (name, closed) = PRESETS.iter().find(|(said, _)| *said == name)?;
        let days = |(first, last): &(&str, &str)| Some((Day::parse(first)?, Day::parse(last)?));
        Some(Self { name, closed: closed.iter().filter_map(days).collect() })
    }

    /// The names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether schools are open.
    pub fn is_school_day(&self, day: Day) -> bool {
        is_weekday(day) && !self.closed.iter().any(|(first, last)| *first <= day && day <= *last)
    }

    fn is_bank_holiday(&self, day: Day) -> bool {
        !self.closed.is_empty() && BANK_HOLIDAYS.iter().any(|held| Day::parse(held) == Some(day))
    }

    /// The moment after so many school days, counted from the next: the end of the last one's morning hour.
    pub fn after_school_days(&self, from: Time, days: u32) -> Time {
        let (mut day, mut left) = (from.day(), days);
        while left > 0 {
            day = Day(day.0 + 1);
            left -= u32::from(self.is_school_day(day));
        }
        day.start() + Span(from.0 % DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn schools_are_closed_at_half_term_and_at_weekends() {
        let holidays = Holidays::named("england-2026").unwrap();
        let open = ["2026-10-23", "2026-11-02", "2027-02-12"];
        let closed = ["2026-10-24", "2026-10-28", "2026-12-25", "2027-07-22"];
        assert!(open.iter().all(|text| holidays.is_school_day(day(text))));
        assert!(!closed.iter().any(|text| holidays.is_school_day(day(text))));
        assert_eq!(Hours::School.on(day("2026-10-28"), &holidays), None);
        assert_eq!(
            Hours::Evenings.on(day("2026-10-28"), &holidays),
            Some((Span(18 * HOUR), Span(23 * HOUR)))
        );
        assert_eq!(Hours::Office.on(day("2026-12-25"), &holidays), None);
        assert!(Hours::Office.on(day("2026-10-28"), &holidays).is_some());
    }

    #[test]
    fn three_school_days_after_the_thursday_before_half_term_are_a_tuesday() {
        let holidays = Holidays::named("england-2026").unwrap();
        let from = day("2026-10-22").start() + Span(10 * HOUR);
        assert_eq!(holidays.after_school_days(from, 3), day("2026-11-03").start() + Span(10 * HOUR));
    }
}
