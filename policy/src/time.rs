//! Time as the shell tells it: a value, never a clock.

use std::fmt;
use std::ops::{Add, Sub};

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time(pub u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Span(pub u64);

impl Time {
    /// From whole seconds since 1970, as entries carry them.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The day this moment lies in.
    pub const fn day(self) -> Day {
        Day((self.0 / 86_400_000) as i64)
    }
}

impl Span {
    /// From whole seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub for Time {
    type Output = Span;
    /// Zero when `other` is later.
    fn sub(self, other: Time) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// A civil day in the proleptic Gregorian calendar, counted from 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Day(pub i64);

impl Day {
    /// The day of a civil date; `None` when there is no such date or the year is not 1..=9999.
    ///
    /// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
    pub fn from_civil(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
            return None;
        }
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let made = Self(era * 146_097 + day_of_era - 719_468);
        (made.civil() == (year, month, day)).then_some(made)
    }

    /// Year, month 1..=12, day 1..=31. Source as `from_civil`.
    pub const fn civil(self) -> (i64, i64, i64) {
        let z = self.0.saturating_add(719_468);
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, doy - (153 * mp + 2) / 5 + 1)
    }

    /// Reads `2026-11-24`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let part = text.get(range)?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
        };
        Self::from_civil(number(0..4)?, number(5..7)?, number(8..10)?)
    }

    /// Midnight at the start of this day; days before 1970 give the first moment of 1970.
    pub fn start(self) -> Time {
        Time(u64::try_from(self.0).unwrap_or(0).saturating_mul(86_400_000))
    }

    /// The academic year the day lies in: 1 September to 31 August, written `2025/26`.
    pub fn academic_year(self) -> AcademicYear {
        let (year, month, _) = self.civil();
        AcademicYear(if month >= 9 { year } else { year - 1 })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// 1 September of the named year to 31 August of the next; also the ledger year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct AcademicYear(pub i64);

impl fmt::Display for AcademicYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:02}", self.0, (self.0 + 1) % 100)
    }
}

/// The days a Query is about, both included, inside one academic year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Period {
    first: Day,
    last: Day,
}

impl Period {
    /// `None` when it is empty or crosses into another academic year.
    pub fn new(first: Day, last: Day) -> Option<Self> {
        (first <= last && first.academic_year() == last.academic_year()).then_some(Self { first, last })
    }

    /// Reads `2025-12-01..2025-12-19`.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..")?;
        Self::new(Day::parse(first)?, Day::parse(last)?)
    }

    /// The first day.
    pub fn first(&self) -> Day {
        self.first
    }

    /// The last day.
    pub fn last(&self) -> Day {
        self.last
    }

    /// The school term of its last day: 0 from September, 1 from January, 2 from April. Fixed days, because
    /// Easter moves and what is compared with what must not depend on a calendar that people keep.
    pub fn term(&self) -> (AcademicYear, u8) {
        let (_, month, _) = self.last.civil();
        let term = match month {
            9..=12 => 0,
            1..=3 => 1,
            _ => 2,
        };
        (self.year(), term)
    }

    /// The one academic year it lies in.
    pub fn year(&self) -> AcademicYear {
        self.first.academic_year()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for n in -10_000..140_000 {
            let (year, month, day) = Day(n).civil();
            if year >= 1 {
                assert_eq!(Day::from_civil(year, month, day), Some(Day(n)));
                assert_eq!(Day::parse(&Day(n).to_string()), Some(Day(n)));
            }
        }
        assert_eq!(Day::from_civil(1970, 1, 1), Some(Day(0)));
        assert_eq!(Day::from_civil(2000, 3, 1), Some(Day(11_017)));
    }

    #[test]
    fn there_is_no_31_february() {
        for bad in ["2026-02-31", "2026-13-01", "2026-00-10", "2025-02-29", "2026-1-01", "+026-01-01"] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_period_lies_inside_one_academic_year() {
        assert!(Period::parse("2025-09-01..2026-08-31").is_some());
        assert!(Period::parse("2025-08-31..2025-09-01").is_none());
        assert!(Period::parse("2025-12-02..2025-12-01").is_none());
        let year = Period::parse("2026-01-05..2026-01-09").map(|p| p.year().to_string());
        assert_eq!(year.as_deref(), Some("2025/26"));
    }
}
