//! Rows in, Parquet out, checked against a Vocabulary row by row. Problems name file, row, column,
//! rule and fix. Must not know the network: what is read here stays on this computer.

mod ages;
mod attainment;
mod attendance;
mod behaviour;
mod cells;
mod charity;
mod codes;
pub mod context;
mod csv_text;
mod ctf;
mod dates;
mod head;
mod intake;
mod json;
mod keys;
mod layout;
mod meaning;
mod outcomes;
mod pupils;
mod quarantine;
mod register;
mod results;
mod rows;
mod sessions;
pub mod shown;
pub mod source;
mod spelling;
pub mod terms;
mod unpacked;
mod upn;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::vocabulary::{Column, Unit, Vocabulary};
use datacoop_policy::{Day, Period};

pub(crate) use cells::read_cell;
use context::Context;
pub(crate) use head::folded;
use intake::Intake;
use layout::Layout;
use meaning::{Meaning, Settled};
use quarantine::Quarantine;
use rows::Records;
use serde::{Deserialize, Serialize};
use source::Source;
use terms::Terms;

use crate::engine::{TableWriter, decides_who_counts};

/// More bad rows than one in this many refuse the whole file: it is another file than was meant.
const BAD_ROWS_PARTS: u64 = 10;
/// Problems listed by row; more are only counted.
const PROBLEMS_MAX: usize = 20;
/// Members that a demo splits a spreadsheet into: each is a whole node on this computer.
pub const SPLIT_MAX: usize = 100;

/// Why a file was not imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportError(pub String);

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ImportError {}

/// How to read a file, where its own words leave it open.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The file's header for a column of the vocabulary, by the column's name; empty: the file has none.
    pub columns: BTreeMap<String, String>,
    /// Which way round days such as 03/04/2025 are.
    pub dates: Dates,
    /// First and last day that rows may be of; others are refused.
    pub days: Option<(Day, Day)>,
    /// When terms are.
    pub terms: Terms,
    /// The day of rows that have none.
    pub day: Option<Day>,
    /// What to do about marks that a program lost.
    pub repair: Repair,
    /// What the node's other tables say of the rows' people.
    pub context: Arc<Context>,
    /// What the first time through the file told; only for the second.
    pub(crate) settled: Option<Arc<Settled>>,
    /// Where rows that are left out are kept.
    pub quarantine: Option<PathBuf>,
}

/// What to do where the afternoon's `\` is lost in nearly all rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// Stop and ask.
    #[default]
    Ask,
    /// Leave them as they are: there is no afternoon register.
    Nothing,
    /// Whoever was present in the morning was present in the afternoon.
    PmPresent,
}

/// Which way round a day of three numbers is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dates {
    /// 31/12/2025, as people in England write it.
    #[default]
    DayFirst,
    /// 12/31/2025.
    MonthFirst,
}

/// What kind of thing is wrong with a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProblemKind {
    /// A day that is none.
    BadDate,
    /// A register code that is none.
    BadCode,
    /// A unique pupil number whose check letter or form is wrong.
    BadUpn,
    /// Any other value that its column does not allow.
    BadValue,
    /// Another row says the same.
    Duplicate,
    /// More rows or more of something than one person can have.
    OverCap,
    /// About somebody who is not in the unit's own table.
    UnknownPupil,
    /// Of a day outside the academic year.
    OutsideYear,
}

impl ProblemKind {
    /// As programs read it.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadDate => "bad_date",
            Self::BadCode => "bad_code",
            Self::BadUpn => "bad_upn",
            Self::BadValue => "bad_value",
            Self::Duplicate => "duplicate",
            Self::OverCap => "over_cap",
            Self::UnknownPupil => "unknown_pupil",
            Self::OutsideYear => "outside_year",
        }
    }
}

/// What is wrong with a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    /// The vocabulary's column.
    pub(crate) column: String,
    pub(crate) kind: ProblemKind,
    /// What is wrong and what is allowed.
    pub(crate) text: String,
}

/// A row that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file's line on which the row begins: the header is row 1.
    pub row: u64,
    /// The file's own header; empty when the row as a whole is meant.
    pub column: String,
    /// What kind of thing it is.
    pub kind: ProblemKind,
    /// What is wrong and what is allowed.
    pub text: String,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How the file was understood, where it is not plain CSV in UTF-8.
    pub read_as: Option<String>,
    /// Rows in the file; where one line holds many marks, each is a row.
    pub rows_read: u64,
    /// Lines that are no rows: titles, headers, page numbers, totals, blank ones.
    pub lines_skipped: u64,
    /// Rows in the table.
    pub rows_kept: u64,
    /// The first rows that were left out.
    pub problems: Vec<Problem>,
    /// All rows that were left out.
    pub rows_refused: u64,
    /// They by what is wrong with them.
    pub refused_by_kind: BTreeMap<ProblemKind, u64>,
    /// Columns of the file that the vocabulary does not have.
    pub columns_ignored: Vec<String>,
    /// Columns of the vocabulary that the file does not have, and nothing else says: empty in every row.
    pub columns_absent: Vec<String>,
    /// Rows kept of each day, where the vocabulary has a date column.
    pub rows_by_day: BTreeMap<Day, u64>,
    /// Register marks kept by what they count as.
    pub marks_by_class: BTreeMap<String, u64>,
    /// People that the kept rows are about, where that was counted.
    pub people: u64,
    /// Days with a session that somebody could have attended.
    pub open_days: BTreeSet<Day>,
    /// School days of the term calendar between the first and last day of the file that it lacks.
    pub days_missing: Vec<Day>,
    /// Days of the file that are no school days of the term calendar.
    pub days_outside_terms: Vec<Day>,
    /// What else a data manager wants to know, a sentence each.
    pub notes: Vec<String>,
    /// The file must be read again, with this known: nothing that was handed over counts.
    pub(crate) again: Option<Arc<Settled>>,
}

impl Report {
    /// Counts rows of a line that are left out, under the file's own header.
    fn refuse(&mut self, row: u64, column: String, complaint: Complaint, rows: u64) {
        let Complaint { kind, text, .. } = complaint;
        self.rows_refused += rows;
        *self.refused_by_kind.entry(kind).or_default() += rows;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { row, column, kind, text });
        }
    }

    /// Compares the days with marks with the term calendar.
    fn compare_days(&mut self, terms: &Terms) {
        let (Some(first), Some(last)) = (self.rows_by_day.keys().next(), self.newest_day()) else { return };
        let school: BTreeSet<Day> = terms.school_days(*first, last).into_iter().collect();
        self.days_missing =
            school.iter().filter(|day| !self.rows_by_day.contains_key(day)).copied().collect();
        self.days_outside_terms =
            self.rows_by_day.keys().filter(|day| !school.contains(day)).copied().collect();
    }

    /// The newest day of the file.
    pub fn newest_day(&self) -> Option<Day> {
        self.rows_by_day.keys().next_back().copied()
    }

    /// Rows of days that a period does not hold.
    pub fn rows_outside(&self, period: Period) -> u64 {
        let inside = |day: Day| (period.first()..=period.last()).contains(&day);
        self.rows_by_day.iter().filter(|(day, _)| !inside(**day)).map(|(_, rows)| rows).sum()
    }
}

/// One value of a row.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Empty.
    Null,
    /// Text; that of a closed list is shared.
    Text(Arc<str>),
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Bool(bool),
    /// Days since 1970.
    Date(i32),
}

/// Columns that a row is read into: all but those that only say whose it is.
pub(crate) fn read_columns(vocabulary: &Vocabulary) -> Vec<&Column> {
    vocabulary.columns().iter().filter(|column| column.role.is_none()).collect()
}

/// Columns that a table keeps: those a Question may use, the unit's own, what tells who counts, and what
/// import worked out.
pub fn kept_columns(vocabulary: &Vocabulary) -> Vec<&Column> {
    vocabulary.columns().iter().filter(|column| is_kept(vocabulary, column)).collect()
}

/// Whether a table keeps a column.
fn is_kept(vocabulary: &Vocabulary, column: &Column) -> bool {
    let decides = decides_who_counts(vocabulary, &column.name);
    column.role.is_none() && (!column.never || column.derived || decides || is_unit(vocabulary, column))
}

/// Whether a column says whom a row is about.
fn is_unit(vocabulary: &Vocabulary, column: &Column) -> bool {
    *vocabulary.unit() == Unit::Column(column.name.clone())
}

/// Whether every row needs a value. Blank units would all be one person, whose rows together could
/// weigh more than the sensitivity of a Question allows for. What no table keeps may be left out.
fn is_needed(vocabulary: &Vocabulary, column: &Column) -> bool {
    column.required && is_kept(vocabulary, column) || is_unit(vocabulary, column)
}

/// Checks that a file has every one of these columns of its vocabulary, before anything is written.
///
/// Errors: those that are absent, with the file's own headers.
pub fn check_columns(
    source: &Path,
    vocabulary: &Vocabulary,
    by: &str,
    wanted: &BTreeSet<String>,
) -> Result<(), ImportError> {
    let options = Options::default();
    let source = open(source, vocabulary, &options)?;
    let name = source.name.clone();
    let layout = Layout::find(&name, &mut Records::new(source), vocabulary, &options, Some(by))?;
    // What another table says of a person is not in this file alone.
    let absent = layout.absent_columns().filter(|column| !column.derived && wanted.contains(&column.name));
    let absent: Vec<String> = absent.map(|column| column.name.clone()).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(ImportError(format!(
        "{name}: the question reads {}, and there is no such column; it has {}",
        backticked(&absent),
        backticked(layout.headers())
    )))
}

/// A file's headers, as well as they can be told before anybody says which is which.
pub(crate) fn header_of(source: &Path, vocabulary: &Vocabulary) -> Result<Vec<String>, ImportError> {
    let options = Options::default();
    let source = open(source, vocabulary, &options)?;
    layout::header_of(&mut Records::new(source), vocabulary)
}

/// The newest day of a file that can be read and split. Errors: as an import would.
pub fn newest_day(source: &Path, vocabulary: &Vocabulary, by: &str) -> Result<Option<Day>, ImportError> {
    Ok(read_file(source, vocabulary, &Options::default(), Some(by), &mut |_, _| Ok(()))?.newest_day())
}

fn backticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Imports a data file into one Parquet table.
pub fn import_csv(
    source: &Path,
    vocabulary: &Vocabulary,
    options: &Options,
    table: &Path,
) -> Result<Report, ImportError> {
    let mut options = options.clone();
    loop {
        let mut writer = TableWriter::create(table, vocabulary)?;
        let mut report = read_file(source, vocabulary, &options, None, &mut |_, row| writer.push(row))?;
        match report.again.take() {
            // What was written so far is dropped.
            Some(settled) => options.settled = Some(settled),
            None => {
                writer.finish()?;
                return Ok(report);
            }
        }
    }
}

/// Imports a data file into one Parquet table for each value of a column; `table` gives its path.
/// Returns the report and the rows of each value.
pub fn import_split(
    source: &Path,
    vocabulary: &Vocabulary,
    by: &str,
    table: &dyn Fn(usize) -> std::path::PathBuf,
) -> Result<(Report, Vec<(String, u64)>), ImportError> {
    let mut options = Options::default();
    loop {
        let mut writers: BTreeMap<String, (usize, u64, TableWriter)> = BTreeMap::new();
        let mut report = read_file(source, vocabulary, &options, Some(by), &mut |value, row| {
            if !writers.contains_key(value) {
                if writers.len() == SPLIT_MAX {
                    return Err(ImportError(format!(
                        "`{by}` has more than {SPLIT_MAX} different values; a demo runs at most {SPLIT_MAX} members"
                    )));
                }
                let number = writers.len();
                let writer = TableWriter::create(&table(number), vocabulary)?;
                writers.insert(value.to_owned(), (number, 0, writer));
            }
            let (_, rows, writer) = writers.get_mut(value).expect("INVARIANT: it was just inserted");
            *rows += 1;
            writer.push(row)
        })?;
        if let Some(settled) = report.again.take() {
            options.settled = Some(settled);
            continue;
        }
        let mut members: Vec<(usize, String, u64)> = vec![];
        for (value, (number, rows, writer)) in writers {
            writer.finish()?;
            members.push((number, value, rows));
        }
        members.sort();
        return Ok((report, members.into_iter().map(|(_, value, rows)| (value, rows)).collect()));
    }
}

/// Takes a row: the member it belongs to, where the file is split, and a cell for each kept column.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&str, &[Cell]) -> Result<(), ImportError>;

/// Reads a data file to its end and hands its good rows over. Errors: why nothing of it may be kept,
/// perhaps only after some rows were handed over.
pub(crate) fn read_file(
    source: &Path,
    vocabulary: &Vocabulary,
    options: &Options,
    by: Option<&str>,
    each: Each<'_>,
) -> Result<Report, ImportError> {
    let source = open(source, vocabulary, options)?;
    let read_as = source.read_as.clone();
    let report = read_rows(source, vocabulary, options, by, each)?;
    Ok(Report { read_as, ..report })
}

/// Opens a file; of a workbook the sheet that fits the vocabulary best.
fn open(path: &Path, vocabulary: &Vocabulary, options: &Options) -> Result<Source, ImportError> {
    source::open_for(path, &|records| layout::score(records, vocabulary, options))
}

/// Reads rows, hands good ones over and counts the rest.
fn read_rows(
    source: Source,
    vocabulary: &Vocabulary,
    options: &Options,
    by: Option<&str>,
    each: Each<'_>,
) -> Result<Report, ImportError> {
    let name = &source.name.clone();
    let mut records = Records::new(source);
    let layout = Layout::find(name, &mut records, vocabulary, options, by)?;
    let absent = layout.absent_columns().filter(|column| !column.derived && column.of.is_none());
    let mut report = Report {
        columns_ignored: layout.ignored.clone(),
        columns_absent: absent.map(|column| column.name.clone()).collect(),
        ..Report::default()
    };
    let meaning = Meaning::new(vocabulary, read_columns(vocabulary), &|name| layout.has(name), options)
        .map_err(|error| ImportError(format!("{name}: {error}; it has {}", backticked(layout.headers()))))?;
    let mut intake =
        Intake::new(vocabulary, layout, meaning, each, options.quarantine.as_deref().map(Quarantine::new));
    let mut record = csv::StringRecord::new();
    while let Some(line) = records.next(&mut record)? {
        intake.take(line, &record, &mut report)?;
    }
    intake.finish(name, &mut report)?;
    judge_report(name, &report)?;
    Ok(report)
}

/// A file with no row, or with too many bad ones, is refused as a whole.
fn judge_report(name: &str, report: &Report) -> Result<(), ImportError> {
    if report.rows_read == 0 {
        return Err(ImportError(format!("{name} has a header and no rows; is it the right file?")));
    }
    if report.rows_refused * BAD_ROWS_PARTS > report.rows_read {
        let listed: Vec<String> = report.problems.iter().map(|problem| problem_text(name, problem)).collect();
        return Err(ImportError(format!(
            "{} of {} rows do not fit, more than one in {BAD_ROWS_PARTS}; nothing was imported\n{}",
            report.rows_refused,
            report.rows_read,
            listed.join("\n")
        )));
    }
    Ok(())
}

/// A problem as one line for the person here.
pub fn problem_text(file: &str, problem: &Problem) -> String {
    if problem.column.is_empty() {
        return format!("{file} row {}: {}", problem.row, problem.text);
    }
    format!("{file} row {}, {}: {}", problem.row, problem.column, problem.text)
}

#[cfg(test)]
mod mess_tests;
#[cfg(test)]
mod tests;

#[cfg(test)]
mod meaning_tests;
