//! The term calendar: which half-term and week a day lies in, and how many school days are left until
//! the next break. Dates differ by authority: a node's `terms.toml` says its own, or its marks do.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::{AcademicYear, Day};
use serde::Deserialize;

use super::ages::weekday;

/// Weeks of a term that the vocabulary tells apart; an autumn of 15 counts its last as the 14th.
const WEEKS_MAX: i64 = 14;
/// School days until a break that the vocabulary tells apart.
const DAYS_TO_BREAK_MAX: i64 = 40;
/// So many weekdays in a row without a mark are a break: a half-term has five, snow rarely four.
const BREAK_WEEKDAYS: usize = 4;
/// School days of the year: 190 for pupils, and five for training, whose dates each school chooses.
///
/// Source: The Education (School Day and School Year) (England) Regulations 1999 (SI 1999/3181).
const YEAR_DAYS: usize = 195;

/// Where a day lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// 1 to 6.
    pub(crate) half_term: u8,
    /// 1 to 14, counted through a term's two half-terms.
    pub(crate) term_week: u8,
    /// School days after this one until the break: 0 on the last.
    pub(crate) days_to_break: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct HalfTerm {
    number: u8,
    first: Day,
    last: Day,
}

/// The calendar of one school.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// Years with dates of their own; all others follow the rule for England.
    own: BTreeMap<i64, Vec<HalfTerm>>,
    closed: BTreeSet<Day>,
    /// By academic year, from 1 September.
    places: BTreeMap<i64, Vec<Option<Place>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    half_term: Vec<FileHalfTerm>,
    #[serde(default)]
    closed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHalfTerm {
    number: u8,
    first: String,
    last: String,
}

impl Terms {
    /// Reads a `terms.toml`: `half_term = [{ number = 1, first = "2025-09-03", last = "2025-10-24" }, ...]`,
    /// six of each year that it names, and `closed = ["2025-11-28"]`. Errors: what does not fit, and how to write it.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let day = |text: &String| {
            Day::parse(text).ok_or_else(|| format!("`{text}` is not a date; write 2025-12-31"))
        };
        let mut terms =
            Self { closed: file.closed.iter().map(day).collect::<Result<_, _>>()?, ..Self::default() };
        for FileHalfTerm { number, first, last } in &file.half_term {
            let half = HalfTerm { number: *number, first: day(first)?, last: day(last)? };
            let year = half.first.academic_year();
            if half.first > half.last || half.last.academic_year() != year || !(1..=6).contains(number) {
                return Err(format!(
                    "half-term {number}, {first} to {last}: number it 1 to 6, inside one school year"
                ));
            }
            terms.own.entry(year.0).or_default().push(half);
        }
        for (year, halves) in &mut terms.own {
            halves.sort_by_key(|half| half.first);
            let numbered = halves.iter().map(|half| half.number).eq(1..=6);
            if !numbered || halves.windows(2).any(|pair| pair[0].last >= pair[1].first) {
                let year = AcademicYear(*year);
                return Err(format!("{year}: list its six half-terms, 1 to 6, one after another"));
            }
        }
        Ok(terms)
    }

    /// What days with marks tell: breaks are where there are none. Half-terms that they do not reach
    /// follow the rule.
    pub fn inferred(days: &BTreeSet<Day>) -> Self {
        let weekdays: Vec<Day> = days.iter().copied().filter(|day| weekday(*day) < 5).collect();
        let mut runs: Vec<(Day, Day)> = vec![];
        for day in weekdays {
            match runs.last_mut() {
                Some((_, last)) if weekdays_between(*last, day) < BREAK_WEEKDAYS => *last = day,
                Some(_) | None => runs.push((day, day)),
            }
        }
        let mut terms = Self::default();
        let count = runs.len();
        for (at, (first, last)) in runs.into_iter().enumerate() {
            let year = first.academic_year();
            let halves = terms.own.entry(year.0).or_insert_with(|| england(year));
            let shared = |half: &HalfTerm| half.last.0.min(last.0) - half.first.0.max(first.0);
            let Some(half) = halves.iter_mut().max_by_key(|half| shared(half)) else { continue };
            // A file may begin or end in the middle of a half-term; elsewhere the marks are right.
            let new = first > half.last || last < half.first;
            half.first = if at == 0 && !new { first.min(half.first) } else { first };
            half.last = if at + 1 == count && !new { last.max(half.last) } else { last };
        }
        terms
    }

    /// Where a day lies; `None` in a break.
    pub(crate) fn place(&mut self, day: Day) -> Option<Place> {
        let year = day.academic_year();
        if !self.places.contains_key(&year.0) {
            let places = self.lay_out(year);
            self.places.insert(year.0, places);
        }
        let since = usize::try_from(day.0 - start(year).0).ok()?;
        self.places.get(&year.0)?.get(since).copied().flatten()
    }

    fn lay_out(&self, year: AcademicYear) -> Vec<Option<Place>> {
        let mut places = vec![None; 366];
        let mut weeks_before = 0;
        for half in self.half_terms(year) {
            if half.number % 2 == 1 {
                weeks_before = 0;
            }
            let monday = half.first.0 - i64::try_from(weekday(half.first)).unwrap_or(0);
            let mut left = 0;
            for day in (half.first.0..=half.last.0).rev() {
                let week = (weeks_before + (day - monday) / 7 + 1).min(WEEKS_MAX);
                let small = |number: i64| u8::try_from(number).unwrap_or(u8::MAX);
                if let Some(place) =
                    usize::try_from(day - start(year).0).ok().and_then(|since| places.get_mut(since))
                {
                    *place = Some(Place {
                        half_term: half.number,
                        term_week: small(week),
                        days_to_break: small(left.min(DAYS_TO_BREAK_MAX)),
                    });
                }
                left += i64::from(self.is_school_day(Day(day)));
            }
            weeks_before += (half.last.0 - monday) / 7 + 1;
        }
        places
    }

    fn half_terms(&self, year: AcademicYear) -> Vec<HalfTerm> {
        self.own.get(&year.0).cloned().unwrap_or_else(|| england(year))
    }

    fn is_school_day(&self, day: Day) -> bool {
        weekday(day) < 5 && !self.closed.contains(&day) && !is_bank_holiday(day)
    }

    /// School days of a stretch, both ends included.
    pub(crate) fn school_days(&self, first: Day, last: Day) -> Vec<Day> {
        let years = first.academic_year().0..=last.academic_year().0;
        let halves = years.flat_map(|year| self.half_terms(AcademicYear(year)));
        let days = halves.flat_map(|half| (half.first.0.max(first.0)..=half.last.0.min(last.0)).map(Day));
        days.filter(|day| self.is_school_day(*day)).collect()
    }
}

/// 1 September.
fn start(year: AcademicYear) -> Day {
    Day::from_civil(year.0, 9, 1).unwrap_or(Day(0))
}

fn weekdays_between(first: Day, last: Day) -> usize {
    (first.0 + 1..last.0).filter(|day| weekday(Day(*day)) < 5).count()
}

/// The first Monday from a day of the year on.
fn monday_from(year: i64, month: i64, day: i64) -> Day {
    let from = Day::from_civil(year, month, day).unwrap_or(Day(0));
    Day((from.0..).find(|day| weekday(Day(*day)) == 0).unwrap_or(from.0))
}

/// Easter Sunday of the Gregorian calendar.
///
/// Source: J. Meeus, "Astronomical Algorithms", chapter 8 (the method printed in Nature, 1876).
fn easter(year: i64) -> Day {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let march = h + l - 7 * m + 114;
    Day::from_civil(year, march / 31, march % 31 + 1).unwrap_or(Day(0))
}

/// Bank holidays that fall into terms: Good Friday, Easter Monday, the first Monday in May.
fn is_bank_holiday(day: Day) -> bool {
    let (year, month, _) = day.civil();
    let sunday = easter(year);
    let may = (month == 5).then(|| monday_from(year, 5, 1));
    day.0 == sunday.0 - 2 || day.0 == sunday.0 + 1 || may == Some(day)
}

/// The six half-terms of most authorities in England, by rule: from the first Monday in September;
/// breaks of a week from the last Monday up to 28 October, the first from 12 February and the spring
/// bank holiday; two weeks after the last Friday up to 22 December, and from the first of the three
/// Mondays about Easter (13 and 6 days before, 1 after) that is not before 29 March.
fn england(year: AcademicYear) -> Vec<HalfTerm> {
    let (autumn, spring) = (year.0, year.0 + 1);
    let october = monday_from(autumn, 10, 22);
    let christmas = monday_from(autumn, 12, 19);
    let february = monday_from(spring, 2, 12);
    let sunday = easter(spring).0;
    let from = Day::from_civil(spring, 3, 29).unwrap_or(Day(0));
    let april = [sunday - 13, sunday - 6, sunday + 1].into_iter().find(|monday| *monday >= from.0);
    let april = Day(april.unwrap_or(sunday + 1));
    let whitsun = monday_from(spring, 5, 25);
    let breaks = [(october, 7), (christmas, 14), (february, 7), (april, 14), (whitsun, 7)];
    let mut first = monday_from(autumn, 9, 1);
    let mut halves = vec![];
    for (number, (monday, days)) in (1..).zip(breaks) {
        // The Friday before.
        halves.push(HalfTerm { number, first, last: Day(monday.0 - 3) });
        first = Day(monday.0 + days);
    }
    let open = |day: &Day| weekday(*day) < 5 && !is_bank_holiday(*day);
    let so_far: usize =
        halves.iter().map(|half| (half.first.0..=half.last.0).map(Day).filter(open).count()).sum();
    let left = YEAR_DAYS.saturating_sub(so_far + 1);
    let last = (first.0..).map(Day).filter(open).nth(left).unwrap_or(first);
    halves.push(HalfTerm { number: 6, first, last });
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn dates(year: i64) -> String {
        let halves = england(AcademicYear(year));
        halves.iter().map(|half| format!("{}..{} ", half.first, half.last)).collect()
    }

    #[test]
    fn the_rule_gives_the_dates_of_most_authorities() {
        assert_eq!(
            dates(2024),
            "2024-09-02..2024-10-25 2024-11-04..2024-12-20 2025-01-06..2025-02-14 2025-02-24..2025-04-04 \
             2025-04-21..2025-05-23 2025-06-02..2025-07-22 "
        );
        assert_eq!(
            dates(2025),
            "2025-09-01..2025-10-24 2025-11-03..2025-12-19 2026-01-05..2026-02-13 2026-02-23..2026-03-27 \
             2026-04-13..2026-05-22 2026-06-01..2026-07-20 "
        );
        assert_eq!(
            [2024, 2025, 2026, 2038].map(|year| easter(year).to_string()),
            ["2024-03-31", "2025-04-20", "2026-04-05", "2038-04-25"]
        );
        for year in 2000..2060 {
            let halves = england(AcademicYear(year));
            assert!(halves.windows(2).all(|pair| pair[0].last < pair[1].first), "{year}");
            let terms = Terms::default();
            let year = AcademicYear(year);
            let days = terms.school_days(start(year), Day(start(AcademicYear(year.0 + 1)).0 - 1));
            assert_eq!(days.len(), YEAR_DAYS, "{year}");
            assert!(halves[5].last <= day(&format!("{}-07-31", year.0 + 1)), "{year}: {}", halves[5].last);
        }
    }

    fn place(terms: &mut Terms, text: &str) -> Option<(u8, u8, u8)> {
        terms.place(day(text)).map(|place| (place.half_term, place.term_week, place.days_to_break))
    }

    #[test]
    fn a_day_has_its_half_term_week_and_days_until_the_break() {
        let mut terms = Terms::default();
        for (text, expected) in [
            ("2025-09-01", Some((1, 1, 39))),
            ("2025-10-24", Some((1, 8, 0))),
            ("2025-10-27", None),
            ("2025-11-03", Some((2, 9, 34))),
            ("2025-12-12", Some((2, 14, 5))),
            ("2025-12-19", Some((2, 14, 0))),
            ("2026-01-05", Some((3, 1, 29))),
            ("2026-03-27", Some((4, 11, 0))),
            // The May bank holiday is no school day.
            ("2026-05-01", Some((5, 3, 14))),
            ("2026-08-31", None),
        ] {
            assert_eq!(place(&mut terms, text), expected, "{text}");
        }
    }

    #[test]
    fn a_school_writes_its_own_dates() {
        let text = r#"
            half_term = [
              { number = 1, first = "2025-09-03", last = "2025-10-17" },
              { number = 2, first = "2025-11-03", last = "2025-12-19" },
              { number = 3, first = "2026-01-05", last = "2026-02-13" },
              { number = 4, first = "2026-02-23", last = "2026-03-27" },
              { number = 5, first = "2026-04-13", last = "2026-05-22" },
              { number = 6, first = "2026-06-01", last = "2026-07-22" },
            ]
            closed = ["2025-10-17"]"#;
        let mut terms = Terms::from_toml(text).unwrap();
        assert_eq!(place(&mut terms, "2025-10-16"), Some((1, 7, 0)));
        assert_eq!(place(&mut terms, "2025-10-21"), None);
        assert_eq!(place(&mut terms, "2024-10-21"), Some((1, 8, 4)), "other years follow the rule");
        for (from, to, said) in [
            ("number = 2", "number = 1", "list its six"),
            ("2025-11-03", "2025-10-03", "one after another"),
            ("2025-11-03", "2025-13-03", "is not a date"),
            ("2026-07-22", "2026-09-22", "inside one school year"),
            ("number = 6", "number = 7", "number it 1 to 6"),
            ("closed", "open", "unknown field"),
        ] {
            let error = Terms::from_toml(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
    }

    #[test]
    fn marks_tell_a_school_with_another_half_term() {
        let mut days: BTreeSet<Day> = BTreeSet::new();
        for (first, last) in
            [("2025-09-03", "2025-10-17"), ("2025-10-27", "2025-12-19"), ("2026-01-05", "2026-01-16")]
        {
            days.extend((day(first).0..=day(last).0).map(Day).filter(|day| weekday(*day) < 5));
        }
        // Snow, and a training day.
        for closed in ["2025-11-18", "2025-11-19", "2025-11-20"] {
            days.remove(&day(closed));
        }
        let mut terms = Terms::inferred(&days);
        assert_eq!(place(&mut terms, "2025-10-17"), Some((1, 7, 0)));
        assert_eq!(place(&mut terms, "2025-10-22"), None);
        assert_eq!(place(&mut terms, "2025-10-28").map(|(half, week, _)| (half, week)), Some((2, 8)));
        assert_eq!(place(&mut terms, "2025-11-19").map(|(half, ..)| half), Some(2));
        // The file ends in January: the half-term goes on, by the rule.
        assert_eq!(place(&mut terms, "2026-02-13"), Some((3, 6, 0)));
        assert_eq!(place(&mut terms, "2026-04-20").map(|(half, ..)| half), Some(5));
    }
}
