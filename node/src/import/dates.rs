//! Days as programs and people write them.

use datacoop_policy::Day;

use super::Dates;

/// Excel counts days from here: 25,569 of its days before 1970.
const SERIAL_OF_1970: i64 = 25_569;
/// Numbers taken for Excel's days: 1954 to 2119. Others are numbers that merely look like some.
const SERIALS: std::ops::RangeInclusive<i64> = 20_000..=80_000;
/// Two-digit years up to this are of 2000, as POSIX has it; later ones of 1900.
const CENTURY_ENDS: i64 = 68;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTHS_LONG: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Days of a text: how it reads, and whether only one way round does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reading {
    pub(super) day_first: Option<Day>,
    pub(super) month_first: Option<Day>,
}

impl Reading {
    fn sure(day: Option<Day>) -> Self {
        Self { day_first: day, month_first: day }
    }

    pub(super) fn by(self, dates: Dates) -> Option<Day> {
        match dates {
            Dates::DayFirst => self.day_first,
            Dates::MonthFirst => self.month_first,
        }
    }
}

/// Reads a day: `2025-12-31` with or without a time, 31/12/2025 with any of `/ - .`, two-digit years,
/// `31-Dec-2025`, `20251231`, an Excel day number.
pub(super) fn reading(text: &str) -> Reading {
    let text = text.trim();
    if let Some(day) = Day::parse(text) {
        return Reading::sure(Some(day));
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if let Some(day) = digits.then(|| number_day(text)).flatten() {
        return Reading::sure(Some(day));
    }
    let Some(text) = without_time(text) else { return Reading::default() };
    let separator = |c: char| matches!(c, '/' | '-' | '.' | ',') || c.is_whitespace();
    let mut parts = [""; 4];
    let mut count = 0;
    for part in text.split(separator).filter(|part| !part.is_empty() && weekday(part).is_none()) {
        if count == parts.len() {
            return Reading::default();
        }
        parts[count] = part;
        count += 1;
    }
    if count == 3 { three_parts([parts[0], parts[1], parts[2]]) } else { Reading::default() }
}

/// Which day of the week a word names, from Monday, 0: whole, or its first three letters or four.
pub(super) fn weekday(word: &str) -> Option<i64> {
    let word = word.trim_end_matches(['.', ':', ',']).to_ascii_lowercase();
    let at =
        (3..=9).contains(&word.len()).then(|| WEEKDAYS.iter().position(|day| day.starts_with(&word)))??;
    (word.len() <= 5 || word.len() == WEEKDAYS[at].len()).then(|| i64::try_from(at).unwrap_or(0))
}

/// Which day of the week a day is, from Monday, 0. The first day of 1970 was a Thursday.
pub(super) fn weekday_of(day: Day) -> i64 {
    (day.0 + 3).rem_euclid(7)
}

/// All digits: `20251231`, or Excel's count of days, perhaps with a time as a fraction.
fn number_day(text: &str) -> Option<Day> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    if whole.len() == 8 && part.is_empty() {
        return Day::from_civil(number / 10_000, number / 100 % 100, number % 100);
    }
    (whole.len() == 5 && SERIALS.contains(&number)).then(|| Day(number - SERIAL_OF_1970))
}

/// The text before a time of day. `None` where what looks like a time is none.
fn without_time(text: &str) -> Option<&str> {
    let Some(colon) = text.find(':') else { return Some(text) };
    let before = text[..colon].trim_end_matches(|c: char| c.is_ascii_digit());
    let date = before.trim_end_matches(|c: char| c.is_whitespace() || c == 'T' || c == 't' || c == ',');
    let time = text[before.len()..].to_ascii_lowercase();
    let time = time.trim_end_matches(|c: char| "amp.z ".contains(c));
    let plain = time.bytes().all(|byte| byte.is_ascii_digit() || b":.+-".contains(&byte));
    (plain && before.len() > date.len()).then_some(date)
}

fn three_parts(parts: [&str; 3]) -> Reading {
    if let Some(at) = parts.iter().position(|part| part.starts_with(|c: char| c.is_alphabetic())) {
        return Reading::sure(named_month(parts, at));
    }
    let numbers = parts.map(|part| part.parse::<i64>().ok().filter(|_| part.len() <= 4));
    let [Some(a), Some(b), Some(c)] = numbers else { return Reading::default() };
    if parts[0].len() == 4 {
        return Reading::sure(if parts[1].len() <= 2 { Day::from_civil(a, b, c) } else { None });
    }
    let Some(year) = full_year(parts[2], c) else { return Reading::default() };
    if parts[0].len() > 2 || parts[1].len() > 2 {
        return Reading::default();
    }
    Reading { day_first: Day::from_civil(year, b, a), month_first: Day::from_civil(year, a, b) }
}

fn full_year(text: &str, year: i64) -> Option<i64> {
    match text.len() {
        4 => Some(year),
        2 if year <= CENTURY_ENDS => Some(2_000 + year),
        2 => Some(1_900 + year),
        _ => None,
    }
}

/// `08 Dec 2025` or `Dec 8 2025`.
fn named_month(parts: [&str; 3], at: usize) -> Option<Day> {
    let word = parts[at].to_ascii_lowercase();
    let named = |names: &[&str; 12]| names.iter().position(|name| *name == word);
    let month = named(&MONTHS).or_else(|| named(&MONTHS_LONG)).or_else(|| (word == "sept").then_some(8))?;
    let day = match at {
        0 => parts[1],
        1 => parts[0],
        _ => return None,
    };
    let day = day.trim_end_matches(|c: char| c.is_alphabetic());
    let year = full_year(parts[2], parts[2].parse().ok()?)?;
    Day::from_civil(year, i64::try_from(month).ok()? + 1, day.parse().ok().filter(|_| day.len() <= 2)?)
}

/// Reads the days of one file, and keeps count of those that only one way round makes days.
#[derive(Default)]
pub(super) struct DayReader {
    dates: Dates,
    day_first_only: u64,
    month_first_only: u64,
    /// A line whose day reads only the way that was not asked for.
    other_line: u64,
}

impl DayReader {
    pub(super) fn new(dates: Dates) -> Self {
        Self { dates, ..Self::default() }
    }

    /// Reads the day of a text on this line.
    pub(super) fn read(&mut self, line: u64, text: &str) -> Option<Day> {
        let reading = reading(text);
        match (reading.day_first, reading.month_first) {
            (Some(_), None) => self.day_first_only += 1,
            (None, Some(_)) => self.month_first_only += 1,
            (Some(_), Some(_)) | (None, None) => {}
        }
        let day = reading.by(self.dates);
        if day.is_none() && reading != Reading::default() && self.other_line == 0 {
            self.other_line = line;
        }
        day
    }

    /// At a file's end. Errors: its days read only the other way round.
    pub(super) fn finish(&self) -> Result<(), String> {
        let (right, wrong, order, option) = match self.dates {
            Dates::DayFirst => (self.day_first_only, self.month_first_only, "month/day/year", "mdy"),
            Dates::MonthFirst => (self.month_first_only, self.day_first_only, "day/month/year", "dmy"),
        };
        if wrong == 0 || right > 0 {
            return Ok(());
        }
        Err(format!(
            "{wrong} of its dates read only as {order}, the first in row {}, and none only the other way \
             round; if all are so, say --dates {option}; if not, correct them",
            self.other_line
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_however_it_is_written() {
        for text in [
            "2025-12-08",
            "2025-12-08T00:00:00",
            "2025-12-08T09:30:00.000Z",
            "2025-12-08 00:00:00+00:00",
            "2025/12/08",
            "20251208",
            "45999",
            "45999.0",
            "45999.375",
            "08/12/2025",
            "8/12/2025",
            "08-12-2025",
            "08.12.2025",
            "08/12/25",
            "08/12/2025 00:00",
            "08/12/2025 8:45:00 AM",
            "08-Dec-2025",
            "8 Dec 25",
            "8th December 2025",
            "Mon 8 Dec 2025",
            "Monday, 08/12/2025",
            "December 8, 2025",
        ] {
            let day = reading(text).day_first.map(|day| day.to_string());
            assert_eq!(day.as_deref(), Some("2025-12-08"), "{text}");
        }
        let year = |text| reading(text).day_first.unwrap().civil().0;
        assert_eq!((year("31/12/68"), year("31/12/69"), year("01-Sept-09")), (2068, 1969, 2009));
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "",
            "/",
            "31/02/2025",
            "2025-02-31",
            "31/12",
            "12345",
            "99999",
            "459990",
            "1.5",
            "31/12/2025/1",
            "31/12/205",
            "Dec 2025",
            "31-Foo-2025",
            "Monday",
            "8:45",
            "08/12/2025 soon:ish",
            "C1",
            "20251301",
        ] {
            assert_eq!(reading(text), Reading::default(), "{text}");
        }
    }

    #[test]
    fn a_file_whose_days_read_only_the_other_way_round_is_asked_about() {
        let check = |dates, texts: &[&str]| {
            let mut reader = DayReader::new(dates);
            for (at, text) in texts.iter().enumerate() {
                reader.read(at as u64 + 2, text);
            }
            reader.finish().err().unwrap_or_default()
        };
        let said = check(Dates::DayFirst, &["01/02/2025", "12/31/2025", "12/30/2025"]);
        assert!(said.starts_with("2 of its dates read only as month/day/year, the first in row 3"), "{said}");
        assert!(said.contains("say --dates mdy"), "{said}");
        assert_eq!(check(Dates::DayFirst, &["31/12/2025", "12/31/2025"]), "");
        assert_eq!(check(Dates::DayFirst, &["01/02/2025"]), "");
        assert_eq!(check(Dates::MonthFirst, &["12/31/2025", "01/02/2025"]), "");
        assert!(check(Dates::MonthFirst, &["31/12/2025"]).contains("say --dates dmy"));
        let mut reader = DayReader::new(Dates::MonthFirst);
        assert_eq!(reader.read(1, "01/02/2025"), Day::parse("2025-01-02"));
    }

    #[test]
    fn weekdays_are_known_by_name_and_by_day() {
        assert_eq!(
            (weekday("Mon"), weekday("thurs"), weekday("FRIDAY"), weekday("Sund.")),
            (Some(0), Some(3), Some(4), Some(6))
        );
        assert_eq!((weekday("mo"), weekday("month"), weekday("fridays")), (None, None, None));
        assert_eq!(weekday_of(Day::parse("2025-12-08").unwrap()), 0);
    }
}
