//! What import takes from a date of birth before it is dropped: the month, the day of the year, and
//! the days between which a child must attend school.

use datacoop_policy::Day;

/// The years of a birthday's offset: a mark this many days away or fewer is near it.
pub(crate) const NEAR_DAYS: i64 = 7;

/// The first day of compulsory school age: 31 August, 31 December or 31 March, whichever the fifth
/// birthday is or comes before; a child starts school with the term that follows.
///
/// Source: Education Act 1996, section 8(2); The Education (Start of Compulsory School Age) Order 1998.
/// `None`: a birth outside the calendar.
pub(crate) fn compulsory_from(birth: Day) -> Option<Day> {
    let fifth = birthday_in(birth, birth.civil().0 + 5)?;
    let (year, _, _) = fifth.civil();
    let ends = [(year, 3, 31), (year, 8, 31), (year, 12, 31)];
    let ends = ends.into_iter().filter_map(|(year, month, day)| Day::from_civil(year, month, day));
    ends.into_iter().find(|end| fifth <= *end)
}

/// The last day of compulsory school age: the last Friday in June of the school year in which the
/// child turns sixteen.
///
/// Source: Education Act 1996, section 8(3); The Education (School Leaving Date) Order 1997.
pub(crate) fn compulsory_to(birth: Day) -> Option<Day> {
    let sixteenth = birthday_in(birth, birth.civil().0 + 16)?;
    let july = Day::from_civil(sixteenth.academic_year().0 + 1, 7, 1)?;
    Some(Day((0..7).map(|back| july.0 - 1 - back).find(|day| weekday(Day(*day)) == 4)?))
}

/// The birthday in a year; whoever is born on 29 February has it on 1 March in other years.
fn birthday_in(birth: Day, year: i64) -> Option<Day> {
    let (_, month, day) = birth.civil();
    Day::from_civil(year, month, day).or_else(|| Day::from_civil(year, 3, 1))
}

/// 0 is Monday.
pub(crate) fn weekday(day: Day) -> usize {
    usize::try_from((day.0 + 3).rem_euclid(7)).expect("INVARIANT: 0 to 6")
}

/// The birthday without its year, `12-31`.
pub(crate) fn birthday(birth: Day) -> String {
    let (_, month, day) = birth.civil();
    format!("{month:02}-{day:02}")
}

/// Days from the nearest birthday, written `12-31`, to a day; `None` where it is not near.
pub(crate) fn birthday_offset(birthday: &str, day: Day) -> Option<i64> {
    let (month, date) = birthday.split_once('-')?;
    let (month, date) = (month.parse().ok()?, date.parse().ok()?);
    let (year, _, _) = day.civil();
    let near = |year| {
        let birthday = Day::from_civil(year, month, date).or_else(|| Day::from_civil(year, 3, 1))?;
        Some(day.0 - birthday.0)
    };
    [year - 1, year, year + 1].into_iter().filter_map(near).find(|offset| offset.abs() <= NEAR_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn compulsory_school_age_begins_with_the_term_after_the_fifth_birthday() {
        for (birth, from, to) in [
            ("2015-09-01", "2020-12-31", "2032-06-25"),
            ("2015-12-31", "2020-12-31", "2032-06-25"),
            ("2016-01-01", "2021-03-31", "2032-06-25"),
            ("2016-03-31", "2021-03-31", "2032-06-25"),
            ("2016-04-01", "2021-08-31", "2032-06-25"),
            ("2016-08-31", "2021-08-31", "2032-06-25"),
            ("2016-09-01", "2021-12-31", "2033-06-24"),
            ("2012-02-29", "2017-03-31", "2028-06-30"),
        ] {
            let birth_day = day(birth);
            assert_eq!(compulsory_from(birth_day), Some(day(from)), "{birth}");
            assert_eq!(compulsory_to(birth_day), Some(day(to)), "{birth}");
        }
        assert_eq!(compulsory_from(Day(i64::from(i32::MAX))), None);
    }

    #[test]
    fn a_birthday_is_near_seven_days_before_and_after() {
        for (birth, on, offset) in [
            ("2012-12-08", "2025-12-08", Some(0)),
            ("2012-12-08", "2025-12-01", Some(-7)),
            ("2012-12-08", "2025-12-15", Some(7)),
            ("2012-12-08", "2025-12-16", None),
            ("2012-12-30", "2026-01-02", Some(3)),
            ("2012-01-02", "2025-12-30", Some(-3)),
            ("2012-02-29", "2025-03-01", Some(0)),
            ("2012-02-29", "2024-02-28", Some(-1)),
        ] {
            assert_eq!(birthday_offset(&birthday(day(birth)), day(on)), offset, "{birth} {on}");
        }
        assert_eq!(birthday_offset("nonsense", day("2025-12-08")), None);
    }

    #[test]
    fn weekdays_begin_on_monday() {
        assert_eq!(
            (weekday(day("2025-12-08")), weekday(day("2025-12-14")), weekday(day("1969-12-31"))),
            (0, 6, 2)
        );
    }
}
