//! Which sessions of a pupil stood before, in half a byte each: a file may have millions of marks. Must
//! not know rows or columns.

use std::collections::HashMap;

use datacoop_policy::Day;

use crate::reference::codes::Class;

/// Marks of one pupil in a week, and in a year of 190 days: more is another register's count.
///
/// Source: The Education (School Day and School Year) (England) Regulations 1999 (SI 1999/3181).
const WEEK_MAX: usize = 10;
const YEAR_MAX: u16 = 380;
/// Pupils times academic years of one file, 366 bytes each: more than any member has, in 150 MB.
const PUPIL_YEARS_MAX: usize = 400_000;
/// Fewer mornings than these tell nothing about a file's afternoons.
const MORNINGS_MIN: usize = 20;

/// Half a byte: 0 not seen, 1 to 6 a class, 7 a plain `/` or `\`; the highest bit: it has been taken.
const PLAIN: u8 = 7;
const TAKEN: u8 = 8;
/// No row says it, and a repair makes it up: seen only before its morning's row.
const TO_ADD: u8 = 8;

/// What to do with a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// It is the session's first.
    New,
    /// It is of a higher class than the one before, which must go.
    Better,
    /// Another mark of the session counts.
    Copy,
    /// The pupil has too many marks in this week.
    OverWeek,
    /// The pupil has too many marks in this year.
    OverYear,
    /// There are too many pupils to tell.
    Full,
}

/// The sessions of a file's pupils.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sessions {
    years: HashMap<(Box<str>, i64), usize>,
    marks: Vec<([u8; 366], u16)>,
}

/// Morning or afternoon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Half {
    Morning,
    Afternoon,
}

fn get(byte: u8, half: Half) -> u8 {
    match half {
        Half::Morning => byte & 15,
        Half::Afternoon => byte >> 4,
    }
}

fn set(byte: &mut u8, half: Half, value: u8) {
    *byte = match half {
        Half::Morning => (*byte & 0xf0) | value,
        Half::Afternoon => (*byte & 0x0f) | (value << 4),
    };
}

/// 1 to 6 by class, 7 a plain mark.
fn rank(class: Class, plain: bool) -> u8 {
    match class {
        _ if plain => PLAIN,
        Class::Missing => 1,
        Class::NotRequired => 2,
        Class::Unauthorised => 3,
        Class::Authorised => 4,
        Class::Activity => 5,
        Class::Present => 6,
    }
}

/// A plain mark is of the same class as another that says present.
fn class_of(rank: u8) -> u8 {
    (rank & 7).min(6)
}

impl Sessions {
    /// Where a pupil's days of a year are, and the day's place in them.
    fn find(&mut self, pupil: &str, day: Day, add: bool) -> Option<(usize, usize)> {
        let year = day.academic_year().0;
        let start = Day::from_civil(year, 9, 1)?;
        let since = usize::try_from(day.0 - start.0).ok().filter(|since| *since < 366)?;
        let next = self.marks.len();
        // Why: a key of borrowed text would need a map of maps; a short string costs less.
        let key = (Box::from(pupil), year);
        let at = match self.years.get(&key) {
            Some(at) => *at,
            None if !add || next == PUPIL_YEARS_MAX => return None,
            None => {
                self.years.insert(key, next);
                self.marks.push(([0; 366], 0));
                next
            }
        };
        Some((at, since))
    }

    /// Notes a mark, the first time through a file.
    pub(super) fn note(&mut self, pupil: &str, day: Day, half: Half, class: Class, plain: bool) -> Found {
        let Some((at, since)) = self.find(pupil, day, true) else { return Found::Full };
        let (days, count) = &mut self.marks[at];
        let (new, before) = (rank(class, plain), get(days[since], half));
        if before != 0 {
            if class_of(new) <= class_of(before) {
                return Found::Copy;
            }
            set(&mut days[since], half, new);
            return Found::Better;
        }
        if *count == YEAR_MAX {
            return Found::OverYear;
        }
        let monday = since.saturating_sub(super::ages::weekday(day));
        let week = &days[monday..(monday + 7).min(366)];
        let marks = week.iter().map(|day| usize::from(day & 15 != 0) + usize::from(day >> 4 != 0));
        if marks.sum::<usize>() >= WEEK_MAX {
            return Found::OverWeek;
        }
        *count += 1;
        set(&mut days[since], half, new);
        Found::New
    }

    /// The second time through: takes the first mark of the class that counts.
    pub(super) fn take(&mut self, pupil: &str, day: Day, half: Half, class: Class, plain: bool) -> Found {
        let Some((at, since)) = self.find(pupil, day, false) else { return Found::OverYear };
        let byte = &mut self.marks[at].0[since];
        let held = get(*byte, half);
        if held == 0 {
            // It was one too many the first time.
            return Found::OverYear;
        }
        if held & TAKEN != 0 || class_of(rank(class, plain)) != class_of(held) {
            return Found::Copy;
        }
        set(byte, half, held | TAKEN);
        Found::New
    }

    /// How many pupils there are.
    pub(super) fn pupils(&self) -> u64 {
        let pupils: std::collections::BTreeSet<&str> = self.years.keys().map(|(pupil, _)| &**pupil).collect();
        pupils.len() as u64
    }

    /// Days with a plain mark in the morning, and those of them without any in the afternoon.
    pub(super) fn afternoons_lost(&self) -> Option<(usize, usize)> {
        let mornings = self.marks.iter().flat_map(|(days, _)| days).filter(|day| *day & 15 == PLAIN);
        let (mut count, mut blank, mut rows) = (0, 0, 0);
        for day in mornings {
            count += 1;
            blank += usize::from(day >> 4 <= 1);
            rows += usize::from(day >> 4 != 0);
        }
        // A list of mornings alone has lost nothing.
        (rows > 0 && count >= MORNINGS_MIN && blank * 10 > count * 9).then_some((count, blank))
    }

    /// Gives every plain morning without an afternoon the afternoon's mark.
    pub(super) fn repair_afternoons(&mut self) {
        for day in self.marks.iter_mut().flat_map(|(days, _)| days).filter(|day| **day & 15 == PLAIN) {
            match *day >> 4 {
                0 => set(day, Half::Afternoon, TO_ADD),
                1 => set(day, Half::Afternoon, PLAIN),
                _ => {}
            }
        }
    }

    /// Whether the repair has an afternoon's mark for a row that has none.
    pub(super) fn is_repaired(&mut self, pupil: &str, day: Day) -> bool {
        let found = self.find(pupil, day, false);
        found.is_some_and(|(at, since)| self.marks[at].0[since] >> 4 == PLAIN)
    }

    /// Whether a morning that was just taken needs an afternoon that no row has; only once.
    pub(super) fn adds_afternoon(&mut self, pupil: &str, day: Day) -> bool {
        let Some((at, since)) = self.find(pupil, day, false) else { return false };
        let byte = &mut self.marks[at].0[since];
        let adds = *byte >> 4 == TO_ADD && *byte & 15 == PLAIN | TAKEN;
        if adds {
            set(byte, Half::Afternoon, PLAIN | TAKEN);
        }
        adds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn of_two_marks_the_higher_class_stays() {
        let mut sessions = Sessions::default();
        let monday = day("2025-12-08");
        let mut note = |class, plain| sessions.note("p", monday, Half::Morning, class, plain);
        assert_eq!(note(Class::Unauthorised, false), Found::New);
        assert_eq!(note(Class::NotRequired, false), Found::Copy);
        assert_eq!(note(Class::Present, true), Found::Better);
        assert_eq!(note(Class::Present, false), Found::Copy);
        assert_eq!(sessions.note("p", monday, Half::Afternoon, Class::Missing, false), Found::New);
        let mut take = |class, plain| sessions.take("p", monday, Half::Morning, class, plain);
        assert_eq!(take(Class::Unauthorised, false), Found::Copy);
        assert_eq!(take(Class::Present, true), Found::New);
        assert_eq!(take(Class::Present, true), Found::Copy);
        assert_eq!(sessions.take("q", monday, Half::Morning, Class::Present, true), Found::OverYear);
    }

    #[test]
    fn ten_marks_a_week_and_380_a_year() {
        let mut sessions = Sessions::default();
        let mut found = vec![];
        for day in day("2025-09-01").0..day("2025-09-08").0 {
            for half in [Half::Morning, Half::Afternoon] {
                found.push(sessions.note("p", Day(day), half, Class::Present, true));
            }
        }
        assert_eq!(found.iter().filter(|found| **found == Found::New).count(), 10);
        assert_eq!(found[10..], [Found::OverWeek; 4]);
        let mut sessions = Sessions::default();
        let weekdays = (day("2025-09-01").0..=day("2026-08-31").0).map(Day);
        let weekdays = weekdays.filter(|day| super::super::ages::weekday(*day) < 5);
        let found: Vec<Found> = weekdays
            .flat_map(|day| [(day, Half::Morning), (day, Half::Afternoon)])
            .map(|(day, half)| sessions.note("p", day, half, Class::Present, true))
            .collect();
        assert_eq!(found.iter().filter(|found| **found == Found::New).count(), 380);
        assert_eq!(found[380..].iter().filter(|found| **found == Found::OverYear).count(), found.len() - 380);
        assert_eq!(sessions.note("p", day("2026-09-01"), Half::Morning, Class::Present, true), Found::New);
        // A week that began in August.
        assert_eq!(sessions.note("p", day("2026-09-02"), Half::Morning, Class::Present, true), Found::New);
    }

    #[test]
    fn lost_afternoons_are_seen_and_repaired() {
        let mut sessions = Sessions::default();
        let monday = day("2025-12-08");
        for pupil in 0..100 {
            let pupil = pupil.to_string();
            sessions.note(&pupil, monday, Half::Morning, Class::Present, true);
            if pupil.len() == 1 {
                sessions.note(&pupil, monday, Half::Afternoon, Class::Missing, false);
            }
        }
        assert_eq!(sessions.afternoons_lost(), Some((100, 100)));
        sessions.repair_afternoons();
        assert_eq!(sessions.afternoons_lost(), None);
        assert!(sessions.is_repaired("5", monday) && !sessions.is_repaired("50", monday));
        assert!(!sessions.adds_afternoon("50", monday), "the morning's row comes first");
        assert_eq!(sessions.take("50", monday, Half::Morning, Class::Present, true), Found::New);
        assert!(sessions.adds_afternoon("50", monday) && !sessions.adds_afternoon("50", monday));
        assert_eq!(sessions.take("5", monday, Half::Morning, Class::Present, true), Found::New);
        assert!(!sessions.adds_afternoon("5", monday));
        // One in ten with an afternoon: not lost.
        let mut sessions = Sessions::default();
        for pupil in 0..100 {
            let class = if pupil % 10 == 0 { Class::Present } else { Class::Missing };
            sessions.note(&pupil.to_string(), monday, Half::Morning, Class::Present, true);
            sessions.note(&pupil.to_string(), monday, Half::Afternoon, class, pupil % 10 == 0);
        }
        assert_eq!(sessions.afternoons_lost(), None);
    }
}
