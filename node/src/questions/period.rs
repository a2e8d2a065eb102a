//! A period for who gives none: the last whole one of a question's kind.

use std::collections::BTreeMap;

use datacoop_policy::question::Question;
use datacoop_policy::{Day, Period};

use crate::html::day_words;

/// First and last month and day, and what it is called.
type Named = ((i64, i64), (i64, i64), &'static str);

/// Half-terms as most schools keep them: first and last month and day. Authorities differ by a week or
/// two, and Easter moves: whoever asks for real gives days.
const HALF_TERMS: [Named; 6] = [
    ((9, 1), (10, 30), "the first half of the autumn term"),
    ((11, 1), (12, 23), "the second half of the autumn term"),
    ((1, 1), (2, 15), "the first half of the spring term"),
    ((2, 16), (3, 31), "the second half of the spring term"),
    ((4, 1), (5, 28), "the first half of the summer term"),
    ((5, 29), (7, 25), "the second half of the summer term"),
];
/// Terms, likewise.
const TERMS: [Named; 3] = [
    ((9, 1), (12, 23), "the autumn term"),
    ((1, 1), (3, 31), "the spring term"),
    ((4, 1), (7, 25), "the summer term"),
];

/// The last whole period of a kind before today, and what it is called. Rows without dates are asked
/// about in the academic year they are asked in.
pub fn default_period(kind: &str, dated: bool, today: Day) -> (Period, String) {
    let year_of = |start: i64| {
        let (first, last) = (Day::from_civil(start, 9, 1), Day::from_civil(start + 1, 8, 31));
        period(first, last)
    };
    let this_year = today.academic_year().0;
    if !dated {
        return (year_of(this_year), "this academic year".to_owned());
    }
    match kind {
        "day" => (period(Some(Day(today.0 - 1)), Some(Day(today.0 - 1))), "yesterday".to_owned()),
        "week" => {
            // Day 0 was a Thursday, so day 4 a Monday.
            let monday = today.0 - (today.0 - 4).rem_euclid(7) - 7;
            // The week in which an academic year begins has days of two.
            let whole = Period::new(Day(monday), Day(monday + 6));
            let week = whole.unwrap_or_else(|| period(Some(Day(monday - 7)), Some(Day(monday - 1))));
            (week, "last week".to_owned())
        }
        "half_term" => last_of(&HALF_TERMS, today),
        "term" => last_of(&TERMS, today),
        _ => (year_of(this_year - 1), "the last academic year".to_owned()),
    }
}

/// The last whole periods of a kind before today, the latest first, each as people call it.
pub fn recent_periods(kind: &str, dated: bool, today: Day, most: usize) -> Vec<(Period, String)> {
    let mut before = today;
    let mut found = vec![];
    while found.len() < most {
        let (period, name) = default_period(kind, dated, before);
        before = match dated {
            true => period.first(),
            false => Day(period.first().0 - 1),
        };
        let (first, last) = (day_words(period.first()), day_words(period.last()));
        let year = period.first().academic_year();
        let called = match kind {
            "day" => first,
            "week" => format!("the week from {first} to {last}"),
            "half_term" | "term" if dated => format!("{name} {year}: {first} to {last}"),
            _ => format!("the academic year {year}"),
        };
        found.push((period, called));
    }
    found
}

/// Periods of one kind looked for between two releases, at most: a decade of half-terms.
const BETWEEN_MAX: usize = 60;

/// The whole periods of a kind after one day and before another, in order. Of days those on which schools are open.
pub fn whole_between(kind: &str, dated: bool, after: Day, before: Day) -> Vec<Period> {
    let (mut found, mut until) = (vec![], before);
    for _ in 0..BETWEEN_MAX {
        let (period, _) = match dated {
            true => default_period(kind, true, until),
            // The year that the day before is in.
            false => default_period(kind, false, Day(until.0 - 1)),
        };
        if period.first() <= after || period.last() >= until {
            break;
        }
        // Day 0 was a Thursday, so days 2 and 3 were a weekend.
        if kind != "day" || !matches!(period.first().0.rem_euclid(7), 2 | 3) {
            found.push(period);
        }
        until = period.first();
    }
    found.reverse();
    found
}

/// A period in as few letters as still tell it from its neighbours: `Sep-Oct 2026`, `7-11 Sep 2026`, `2025/26`.
pub fn short(period: Period) -> String {
    let (first, last) = (period.first(), period.last());
    let words = |day: Day| {
        let text = day_words(day);
        let mut parts = text.split(' ').map(str::to_owned);
        let (day, month) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        (day, month.chars().take(3).collect::<String>(), parts.next().unwrap_or_default())
    };
    let ((first_day, first_month, first_year), (last_day, last_month, last_year)) =
        (words(first), words(last));
    let days = last.0 - first.0 + 1;
    if days > TERM_DAYS {
        return period.year().to_string();
    }
    let year = if first_year == last_year { String::new() } else { format!(" {first_year}") };
    match (days, first_month == last_month) {
        (1, _) => format!("{first_day} {first_month} {first_year}"),
        (2..WHOLE_MONTHS_DAYS, false) => {
            format!("{first_day} {first_month}{year}-{last_day} {last_month} {last_year}")
        }
        (_, true) => format!("{first_day}-{last_day} {first_month} {first_year}"),
        (_, false) => format!("{first_month}{year}-{last_month} {last_year}"),
    }
}

/// No term is longer.
const TERM_DAYS: i64 = 180;
/// From so many days on, two months name a period: no other of its kind begins in the one and ends in the other.
const WHOLE_MONTHS_DAYS: i64 = 28;

fn last_of(list: &[Named], today: Day) -> (Period, String) {
    let (year, ..) = today.civil();
    let dated = (year - 1..=year).flat_map(|year| {
        list.iter().map(move |(first, last, name)| {
            let whole =
                period(Day::from_civil(year, first.0, first.1), Day::from_civil(year, last.0, last.1));
            (whole, (*name).to_owned())
        })
    });
    let past = dated.filter(|(whole, _)| whole.last() < today);
    past.max_by_key(|(whole, _)| whole.last()).expect("INVARIANT: some period of the year before is past")
}

fn period(first: Option<Day>, last: Option<Day>) -> Period {
    first
        .zip(last)
        .and_then(|(first, last)| Period::new(first, last))
        .expect("INVARIANT: days of one academic year")
}

/// Parameters that stand in for real ones: only to see that a question binds, and what it would show.
pub fn example_params(question: &Question, period: Period) -> BTreeMap<String, String> {
    let draft = question.draft();
    let optional = |name: &str| question.groupings().iter().any(|by| by.optional && by.name == name);
    let needed = draft.param.iter().filter(|(name, _)| !optional(name));
    let example = |(name, kind): (&String, &String)| {
        let value = match kind.as_str() {
            "date" => period.last().to_string(),
            "dates" => period.first().to_string(),
            "members" => "GB-EDU-100000".to_owned(),
            "number" => "1".to_owned(),
            list => {
                let values = datacoop_policy::lists::named(list);
                values.and_then(|values| values.first()).map_or("example", |value| value).to_owned()
            }
        };
        (name.clone(), value)
    };
    needed.map(example).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_between_two_are_whole_and_in_order() {
        let between = |kind: &str, dated: bool, after: &str, before: &str| {
            let found = whole_between(kind, dated, Day::parse(after).unwrap(), Day::parse(before).unwrap());
            found.into_iter().map(short).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(between("half_term", true, "2025-10-30", "2026-01-01"), "Nov-Dec 2025");
        assert_eq!(between("half_term", true, "2025-12-23", "2026-01-01"), "");
        assert_eq!(
            between("half_term", true, "2026-03-31", "2026-11-01"),
            "Apr-May 2026, May-Jul 2026, Sep-Oct 2026"
        );
        assert_eq!(between("day", true, "2026-11-05", "2026-11-11"), "6 Nov 2026, 9 Nov 2026, 10 Nov 2026");
        assert_eq!(between("week", true, "2026-11-08", "2026-11-23"), "9-15 Nov 2026, 16-22 Nov 2026");
        assert_eq!(between("year", false, "2023-08-31", "2025-09-01"), "2023/24, 2024/25");
        assert_eq!(between("term", true, "2020-12-23", "2021-09-01"), "Jan-Mar 2021, Apr-Jul 2021");
        assert!(whole_between("day", true, Day(0), Day(20_000)).len() <= BETWEEN_MAX);
    }

    fn check(kind: &str, today: &str, expected: &str) {
        let (period, _) = default_period(kind, true, Day::parse(today).unwrap());
        assert_eq!(period.to_string(), expected, "{kind} on {today}");
    }

    #[test]
    fn it_is_the_last_whole_one_of_its_kind() {
        check("day", "2026-11-25", "2026-11-24..2026-11-24");
        check("week", "2026-11-25", "2026-11-16..2026-11-22");
        check("week", "2026-11-23", "2026-11-16..2026-11-22");
        check("week", "2026-09-08", "2026-08-24..2026-08-30");
        check("half_term", "2026-11-25", "2026-09-01..2026-10-30");
        check("half_term", "2026-12-23", "2026-09-01..2026-10-30");
        check("half_term", "2026-12-24", "2026-11-01..2026-12-23");
        check("half_term", "2026-01-01", "2025-11-01..2025-12-23");
        check("term", "2026-11-25", "2026-04-01..2026-07-25");
        check("year", "2026-08-31", "2024-09-01..2025-08-31");
        check("year", "2026-09-01", "2025-09-01..2026-08-31");
        let (period, _) = default_period("half_term", false, Day::parse("2026-11-25").unwrap());
        assert_eq!(period.to_string(), "2026-09-01..2027-08-31");
    }

    #[test]
    fn recent_ones_follow_each_other_backwards() {
        let of = |kind, dated| {
            let list = recent_periods(kind, dated, Day::parse("2026-11-25").unwrap(), 3);
            list.into_iter().map(|(_, called)| called).collect::<Vec<_>>()
        };
        assert_eq!(
            of("half_term", true),
            [
                "the first half of the autumn term 2026/27: 1 September 2026 to 30 October 2026",
                "the second half of the summer term 2025/26: 29 May 2026 to 25 July 2026",
                "the first half of the summer term 2025/26: 1 April 2026 to 28 May 2026",
            ]
        );
        assert_eq!(of("week", true)[1], "the week from 9 November 2026 to 15 November 2026");
        assert_eq!(of("day", true)[2], "22 November 2026");
        assert_eq!(
            of("year", true),
            ["2025/26", "2024/25", "2023/24"].map(|y| format!("the academic year {y}"))
        );
        assert_eq!(of("term", false)[1], "the academic year 2025/26");
    }

    #[test]
    fn no_day_lacks_one_and_each_fits_its_kind() {
        for day in 15_000..22_000 {
            for (kind, most) in datacoop_policy::question::PERIODS {
                let (period, _) = default_period(kind, true, Day(day));
                assert!(
                    period.last() < Day(day) && period.last().0 - period.first().0 < most,
                    "{kind} {day}"
                );
            }
        }
    }
}
