//! School days of an academic year: terms, breaks, half-terms and training days, by rule, for any year.
//! Made up, but shaped as in England; two authorities differ in their autumn half-term.

use datacoop_policy::{AcademicYear, Day, Period};

use super::dice::Dice;

/// Training days of a year, on which pupils stay at home: five, as teachers' contracts have it.
const TRAINING_DAYS: usize = 5;

/// A day on which a school is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SchoolDay {
    /// The day.
    pub day: Day,
    /// 0 Monday to 4 Friday.
    pub weekday: usize,
    /// 0 autumn, 1 spring, 2 summer.
    pub term: usize,
    /// Whether it is the last before a break of a week or more.
    pub last_before_break: bool,
}

/// 0 Monday to 6 Sunday.
pub fn weekday(day: Day) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((day.0 + 3).rem_euclid(7)).expect("INVARIANT: less than 7")
}

/// The week's number as ISO 8601 has it: weeks begin on Monday, and week 1 holds 4 January.
pub fn iso_week(day: Day) -> u32 {
    let thursday = Day(day.0 - i64::try_from(weekday(day)).expect("INVARIANT: less than 7") + 3);
    let first = civil(thursday.civil().0, 1, 1);
    u32::try_from((thursday.0 - first.0) / 7 + 1).expect("INVARIANT: 1 to 53")
}

fn civil(year: i64, month: i64, day: i64) -> Day {
    Day::from_civil(year, month, day).expect("INVARIANT: a fixed day of a year that a Period holds")
}

/// The first Monday on or after a day.
fn monday_from(day: Day) -> Day {
    Day(day.0 + (7 - i64::try_from(weekday(day)).expect("INVARIANT: less than 7")) % 7)
}

/// Easter Sunday. Source: the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8).
fn easter(year: i64) -> Day {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let (month, day) = ((h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1);
    civil(year, month, day)
}

/// First and last days of the six half-terms. `late` puts the autumn half-term a week later.
pub fn half_terms(year: AcademicYear, late: bool) -> [(Day, Day); 6] {
    let (autumn, spring) = (year.0, year.0 + 1);
    let october = monday_from(civil(autumn, 10, 25)).0 + if late { 7 } else { 0 };
    let christmas = monday_from(civil(autumn, 12, 15)).0 + 4;
    let january = monday_from(civil(spring, 1, 4)).0;
    let february = monday_from(civil(spring, 2, 15)).0;
    let easter = easter(spring).0;
    let may = monday_from(civil(spring, 5, 25)).0;
    let days = |first: i64, last: i64| (Day(first), Day(last));
    [
        days(monday_from(civil(autumn, 9, 1)).0, october - 3),
        days(october + 7, christmas),
        days(january, february - 3),
        days(february + 7, easter - 9),
        days(easter + 8, may - 3),
        days(may + 7, monday_from(civil(spring, 7, 18)).0 + 1),
    ]
}

/// The half-term that a period begins in, or the next.
pub fn half_term_of(period: Period) -> usize {
    let terms = half_terms(period.year(), false);
    terms.iter().position(|(_, last)| period.first() <= *last).unwrap_or(terms.len() - 1)
}

/// All days on which a school is open in a year, in order. Its training days come from `dice`: the first
/// opens the year, each other is a Monday or Friday that touches a break.
pub fn school_days(year: AcademicYear, late: bool, dice: &mut Dice) -> Vec<SchoolDay> {
    let terms = half_terms(year, late);
    let bank_holiday = monday_from(civil(year.0 + 1, 5, 1));
    let mut training = vec![terms[0].0];
    while training.len() < TRAINING_DAYS {
        // Not the last day of autumn or of the year: those are worth asking about.
        let (at, end) = (dice.between(1, 5) as usize, dice.below(2) == 1);
        let ends_term = at == 1 || at == 5;
        let day = if end && !ends_term { terms[at].1 } else { terms[at].0 };
        if !training.contains(&day) {
            training.push(day);
        }
    }
    let mut days: Vec<SchoolDay> = vec![];
    for (at, (first, last)) in terms.iter().enumerate() {
        let open = (first.0..=last.0)
            .map(Day)
            .filter(|day| weekday(*day) < 5 && *day != bank_holiday && !training.contains(day));
        days.extend(open.map(|day| SchoolDay {
            day,
            weekday: weekday(day),
            term: at / 2,
            last_before_break: false,
        }));
        if let Some(end) = days.last_mut() {
            end.last_before_break = true;
        }
    }
    days
}
