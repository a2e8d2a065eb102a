//! Registers as people print them: a column for each session, or a text of ten marks for each week.
//! Either becomes the same rows as a list of marks.

use std::ops::Range;

use csv::StringRecord;
use datacoop_policy::Day;
use datacoop_policy::vocabulary::{Kind, Vocabulary};

use super::cells::clean;
use super::dates::{DayReader, reading, weekday, weekday_of};
use super::head::{Head, folded};
use super::{Complaint, ProblemKind};

/// Marks of a week: Monday AM to Friday PM.
const WEEK_MARKS: usize = 10;
/// Headers, folded, of the day on which a week begins.
const WEEKS: [&str; 8] =
    ["weekbeginning", "weekcommencing", "weekstarting", "weekstart", "weekstartdate", "wb", "wc", "weekof"];
/// Headers, folded, of a week's marks besides those of a code.
const WEEK_TEXTS: [&str; 7] =
    ["marks", "attendance", "attendancemarks", "register", "registermarks", "weekmarks", "weeksmarks"];
/// Words of a session, longest first.
const SESSIONS: [(&str, &str); 6] =
    [("afternoon", "PM"), ("morning", "AM"), ("a.m.", "AM"), ("p.m.", "PM"), ("am", "AM"), ("pm", "PM")];
/// Words that may stand after a session's.
const MARK_WORDS: [&str; 4] = ["mark", "marks", "code", "session"];

/// Where the day and the session of a mark and the mark itself are in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) date: usize,
    pub(super) session: usize,
    pub(super) code: usize,
}

impl Places {
    /// Of a vocabulary of register marks, among the columns that a row is read into.
    pub(super) fn of(vocabulary: &Vocabulary) -> Option<Self> {
        let columns = super::read_columns(vocabulary);
        let place = |name: &str, kind: Kind| {
            columns.iter().position(|column| column.name == name && column.kind == kind)
        };
        let (date, session) = (place("date", Kind::Date)?, place("session", Kind::Text)?);
        Some(Self { date, session, code: place("code", Kind::Text)? })
    }
}

/// One mark of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    /// The field that holds it, and where in it.
    pub(super) at: usize,
    pub(super) within: Range<usize>,
    /// Its day, unless the row has one.
    pub(super) day: Option<Day>,
    /// Its session, unless the row has one.
    pub(super) session: Option<&'static str>,
}

/// When a column's marks are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Day(Day),
    /// The row's own date.
    Row,
    /// So many days after the row's week begins.
    Week(i64),
}

/// A field of marks, when they are, and their session, unless the row has it.
type Slot = (usize, When, Option<&'static str>);

/// How a file holds its marks, when not one a row.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Register {
    slots: Vec<Slot>,
    /// Fields with ten marks each, and when their week begins, unless the row says it.
    weeks: Vec<(usize, Option<Day>)>,
    /// The field that says when the row's week begins.
    begins: Option<usize>,
    /// When every row's week begins.
    heading: Option<Day>,
    /// Whether rows have their own date, and their own session.
    pub(super) row_date: bool,
    pub(super) row_session: bool,
}

/// What a header says of when.
#[derive(Default)]
struct Said {
    day: Option<Day>,
    weekday: Option<i64>,
    session: Option<&'static str>,
}

/// How surely a header is one of a register, from 0 to 4: a day and a session are more than either.
pub(super) fn likeness(header: &str) -> usize {
    let name = folded(header);
    let of_week = week_header(header).is_some_and(|day| reading(day).day_first.is_some());
    if of_week || WEEKS.contains(&name.as_str()) || WEEK_TEXTS.contains(&name.as_str()) {
        return 2;
    }
    match said(header, &mut DayReader::default(), 0) {
        Ok(None) => 0,
        Ok(Some(Said { session: None, .. })) => 1,
        Ok(Some(Said { day: None, weekday: None, .. })) => 2,
        Ok(Some(_)) | Err(_) => 4,
    }
}

/// The day that follows a header such as `w/c 08/12/2025`.
fn week_header(header: &str) -> Option<&str> {
    let digit = header.find(|c: char| c.is_ascii_digit())?;
    let begin = header[..digit].trim_end();
    // `w/c Mon 08/12/2025`
    let begin = begin.rsplit_once(' ').filter(|(_, word)| weekday(word).is_some()).map_or(begin, |(b, _)| b);
    WEEKS.contains(&folded(begin).as_str()).then(|| &header[digit..])
}

/// Reads a header as a day, a weekday, a session. Errors: it says two things that cannot both be.
fn said(header: &str, days: &mut DayReader, line: u64) -> Result<Option<Said>, String> {
    let (rest, session) = split_session(header);
    if rest.is_empty() {
        return Ok(session.map(|session| Said { session: Some(session), ..Said::default() }));
    }
    if let Some(day) = weekday(rest) {
        return Ok(session.map(|session| Said {
            weekday: Some(day),
            session: Some(session),
            ..Said::default()
        }));
    }
    // A number alone is no day here: `45999` heads no register, and `20251208` may be anything.
    if !rest.contains(['/', '-', '.', ' ']) || reading(rest) == super::dates::Reading::default() {
        return Ok(None);
    }
    let Some(day) = days.read(line, rest) else { return Ok(None) };
    let named = rest.split_whitespace().find_map(weekday);
    if named.is_some_and(|named| named != weekday_of(day)) {
        return Err(format!(
            "`{header}` names a day of the week that {day} is not; correct it, or say --dates mdy"
        ));
    }
    Ok(Some(Said { day: Some(day), session, ..Said::default() }))
}

fn split_session(header: &str) -> (&str, Option<&'static str>) {
    let separators = |c: char| c.is_whitespace() || "-_:|(),/.".contains(c);
    let mut text = header.trim();
    for word in MARK_WORDS {
        if let Some(at) =
            text.len().checked_sub(word.len()).filter(|at| *at > 0 && text.is_char_boundary(*at))
            && text[at..].eq_ignore_ascii_case(word)
            && text[..at].ends_with(separators)
        {
            text = text[..at].trim_end_matches(separators);
        }
    }
    let text = text.trim_end_matches([')', ' ']);
    for (word, session) in SESSIONS {
        let end = text.len().checked_sub(word.len()).filter(|at| text.is_char_boundary(*at));
        if let Some(at) = end.filter(|at| text[*at..].eq_ignore_ascii_case(word)) {
            let before = &text[..at];
            if before.is_empty() || before.ends_with(|c: char| !c.is_alphabetic()) {
                return (before.trim_end_matches(separators), Some(session));
            }
        }
        if text.is_char_boundary(word.len()) && text.len() > word.len() {
            let (start, after) = text.split_at(word.len());
            if start.eq_ignore_ascii_case(word) && after.starts_with(separators) {
                return (after.trim_start_matches(separators), Some(session));
            }
        }
    }
    (text, None)
}

impl Register {
    /// How a file holds its marks; `None` where each row is one mark. `date`, `session` and `code` are
    /// the fields of those names; `free` tells fields that no other column has.
    pub(super) fn find(
        head: &Head,
        [date, session, code]: [Option<usize>; 3],
        free: &dyn Fn(usize) -> bool,
        days: &mut DayReader,
    ) -> Result<Option<Self>, String> {
        if date.is_some() && session.is_some() && code.is_some() {
            return Ok(None);
        }
        let columns = || head.shown.iter().enumerate().filter(|(at, _)| free(*at) || Some(*at) == code);
        let begins = columns().find(|(_, text)| WEEKS.contains(&folded(text).as_str())).map(|(at, _)| at);
        let heading = heading(head, days)?;
        let row = (date.is_some(), session.is_some());
        let mut found =
            Self { slots: vec![], weeks: vec![], begins, heading, row_date: row.0, row_session: row.1 };
        for (at, header) in columns() {
            if let Some(text) = week_header(header) {
                let day = days.read(head.line, text).ok_or_else(|| format!("`{header}` names no day"))?;
                found.weeks.push((at, Some(monday(day, header)?)));
            } else if let Some(said) = said(header, days, head.line)? {
                found.slots.extend(found.slot(at, header, &said)?);
            }
        }
        let week_known = begins.is_some() || heading.is_some();
        if found.slots.is_empty() && found.weeks.is_empty() && week_known {
            let text = |text: &str| WEEK_TEXTS.contains(&folded(text).as_str());
            let marks = code.or_else(|| columns().find(|(_, header)| text(header)).map(|(at, _)| at));
            found.weeks.extend(marks.map(|at| (at, None)));
        }
        if found.slots.is_empty() && found.weeks.is_empty() {
            return Ok(None);
        }
        for (n, (at, when, session)) in found.slots.iter().enumerate() {
            if found.slots[..n].iter().any(|(_, other, also)| (other, also) == (when, session)) {
                return Err(format!("`{}` stands twice; remove one", head.shown[*at]));
            }
        }
        Ok(Some(found))
    }

    fn slot(&self, at: usize, header: &str, said: &Said) -> Result<Option<Slot>, String> {
        if said.session.is_none() && !self.row_session {
            return Err(format!("`{header}` names no session; write AM or PM after the day"));
        }
        let when = match (said.day, said.weekday) {
            (Some(day), _) => When::Day(day),
            (None, Some(day)) if self.begins.is_some() || self.heading.is_some() => When::Week(day),
            (None, Some(_)) => {
                return Err(format!(
                    "`{header}` is in no week; add a column `Week beginning`, or write the date"
                ));
            }
            (None, None) if self.row_date => When::Row,
            // `AM` without any day: not a register's column, or one that nothing can be made of.
            (None, None) => return Ok(None),
        };
        Ok(Some((at, when, said.session)))
    }

    /// Rows that each record stands for.
    pub(super) fn marks_per_record(&self) -> usize {
        self.slots.len() + self.weeks.len() * WEEK_MARKS
    }

    /// Whether a field holds marks, or the day their week begins.
    pub(super) fn uses(&self, at: usize) -> bool {
        self.slots.iter().any(|(slot, ..)| *slot == at)
            || self.weeks.iter().any(|(week, _)| *week == at)
            || self.begins == Some(at)
    }

    /// A record's marks, and what is wrong with some: the field, the complaint, the marks it costs.
    pub(super) fn marks(
        &self,
        line: u64,
        record: &StringRecord,
        days: &mut DayReader,
        marks: &mut Vec<Mark>,
    ) -> Vec<(usize, Complaint, usize)> {
        marks.clear();
        let mut wrong = vec![];
        let by_week = |week: &(usize, Option<Day>)| week.1.is_none();
        let needs_week = self.weeks.iter().any(by_week)
            || self.slots.iter().any(|(_, when, _)| matches!(when, When::Week(_)));
        let week = if needs_week { self.week_of(line, record, days) } else { Ok(Day(0)) };
        for (at, when, session) in &self.slots {
            let day = match (when, &week) {
                (When::Day(day), _) => Some(*day),
                (When::Row, _) => None,
                (When::Week(after), Ok(week)) => Some(Day(week.0 + after)),
                (When::Week(_), Err((field, complaint))) => {
                    wrong.push((*field, complaint.clone(), 1));
                    continue;
                }
            };
            let within = 0..record.get(*at).map_or(0, str::len);
            marks.push(Mark { at: *at, within, day, session: *session });
        }
        for (at, fixed) in &self.weeks {
            let week = fixed.map_or_else(|| week.clone(), Ok);
            match week.and_then(|week| week_marks(*at, record, week)) {
                Ok(ten) => marks.extend(ten),
                Err((field, complaint)) => wrong.push((field, complaint, WEEK_MARKS)),
            }
        }
        wrong
    }

    fn week_of(
        &self,
        line: u64,
        record: &StringRecord,
        days: &mut DayReader,
    ) -> Result<Day, (usize, Complaint)> {
        let Some(at) = self.begins else { return Ok(self.heading.unwrap_or(Day(0))) };
        let text = clean(record.get(at).unwrap_or(""));
        let wrong = |text| (at, Complaint { column: "date".to_owned(), kind: ProblemKind::BadDate, text });
        let day = days.read(line, text);
        let day =
            day.ok_or_else(|| wrong(format!("\"{text}\" is not a date; write 2025-12-31 or 31/12/2025")))?;
        monday(day, text).map_err(wrong)
    }
}

/// The day on which the week of the lines above a table begins.
fn heading(head: &Head, days: &mut DayReader) -> Result<Option<Day>, String> {
    for (n, text) in head.above.iter().enumerate() {
        let next = || head.above.get(n + 1).map(String::as_str);
        let day = week_header(text).or_else(|| WEEKS.contains(&folded(text).as_str()).then(next).flatten());
        if let Some(day) = day.and_then(|day| days.read(head.line, day)) {
            return monday(day, text).map(Some);
        }
    }
    Ok(None)
}

fn monday(day: Day, text: &str) -> Result<Day, String> {
    if weekday_of(day) == 0 {
        return Ok(day);
    }
    Err(format!("\"{text}\": a week begins on a Monday, and {day} is none; correct it"))
}

/// The ten marks of a week's text.
fn week_marks(at: usize, record: &StringRecord, week: Day) -> Result<Vec<Mark>, (usize, Complaint)> {
    let raw = record.get(at).unwrap_or("");
    // Blanks at its ends are marks not made, unless there are ten without them.
    let text = if raw.chars().count() == WEEK_MARKS { raw } else { clean(raw) };
    let count = text.chars().count();
    if count != WEEK_MARKS {
        let text = format!(
            "it has {count} marks, and a week has {WEEK_MARKS}, Monday AM to Friday PM, one letter or sign each; \
             export a list of marks instead"
        );
        return Err((at, Complaint { column: "code".to_owned(), kind: ProblemKind::BadCode, text }));
    }
    let start = raw.find(text).unwrap_or(0);
    let marks = text.char_indices().zip(0_i64..).map(|((from, mark), n)| Mark {
        at,
        within: start + from..start + from + mark.len_utf8(),
        day: Some(Day(week.0 + n / 2)),
        session: Some(if n % 2 == 0 { "AM" } else { "PM" }),
    });
    Ok(marks.collect())
}
