//! Rows in, Parquet out, checked against a Vocabulary row by row. Problems name file, row, column,
//! rule and fix. Must not know the network: what is read here stays on this computer.

mod cells;
mod layout;
mod rows;
pub mod source;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::Path;

use datacoop_policy::vocabulary::{Column, Unit, Vocabulary};
use datacoop_policy::{Day, Period};

pub(crate) use cells::read_cell;
use layout::Layout;
pub(crate) use layout::folded;
use rows::{csv_reader, read_headers, unreadable};
use source::Source;

use crate::engine::TableWriter;

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

/// A row that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file's line on which the row begins: the header is row 1.
    pub row: u64,
    /// The file's own header.
    pub column: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How the file was understood, where it is not plain CSV in UTF-8.
    pub read_as: Option<String>,
    /// Rows in the file, its header aside.
    pub rows_read: u64,
    /// Rows in the table.
    pub rows_kept: u64,
    /// The first rows that were left out.
    pub problems: Vec<Problem>,
    /// All rows that were left out.
    pub rows_refused: u64,
    /// Columns of the file that the vocabulary does not have.
    pub columns_ignored: Vec<String>,
    /// Columns of the vocabulary that the file does not have: empty in every row.
    pub columns_absent: Vec<String>,
    /// Rows kept of each day, where the vocabulary has a date column.
    pub rows_by_day: BTreeMap<Day, u64>,
}

impl Report {
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
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Bool(bool),
    /// Days since 1970.
    Date(i32),
}

/// Columns that a table keeps: those a Question may use, and the unit's own.
pub fn kept_columns(vocabulary: &Vocabulary) -> Vec<&Column> {
    let kept = |column: &&Column| column.role.is_none() && (!column.never || is_unit(vocabulary, column));
    vocabulary.columns().iter().filter(kept).collect()
}

/// Whether a column says whom a row is about.
fn is_unit(vocabulary: &Vocabulary, column: &Column) -> bool {
    *vocabulary.unit() == Unit::Column(column.name.clone())
}

/// Whether every row needs a value. Blank units would all be one person, whose rows together could
/// weigh more than the sensitivity of a Question allows for.
fn is_needed(vocabulary: &Vocabulary, column: &Column) -> bool {
    column.required || is_unit(vocabulary, column)
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
    let source = source::open(source)?;
    let name = source.name.clone();
    let mut reader = csv_reader(source);
    let headers = read_headers(&name, &mut reader)?;
    let layout = Layout::new(&name, &headers, vocabulary, Some(by))?;
    let absent: Vec<String> = layout.absent().into_iter().filter(|column| wanted.contains(column)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(ImportError(format!(
        "{name}: the question reads {}, and there is no such column; it has {}",
        backticked(&absent),
        listed(&headers)
    )))
}

/// The newest day of a file that can be read and split. Errors: as an import would.
pub fn newest_day(source: &Path, vocabulary: &Vocabulary, by: &str) -> Result<Option<Day>, ImportError> {
    Ok(read_file(source, vocabulary, Some(by), &mut |_, _| Ok(()))?.newest_day())
}

fn backticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn listed(headers: &csv::StringRecord) -> String {
    backticked(&headers.iter().map(str::to_owned).collect::<Vec<_>>())
}

/// Imports a data file into one Parquet table.
pub fn import_csv(source: &Path, vocabulary: &Vocabulary, table: &Path) -> Result<Report, ImportError> {
    let mut writer = TableWriter::create(table, vocabulary)?;
    let report = read_file(source, vocabulary, None, &mut |_, row| writer.push(row))?;
    writer.finish()?;
    Ok(report)
}

/// Imports a data file into one Parquet table for each value of a column; `table` gives its path.
/// Returns the report and the rows of each value.
pub fn import_split(
    source: &Path,
    vocabulary: &Vocabulary,
    by: &str,
    table: &dyn Fn(usize) -> std::path::PathBuf,
) -> Result<(Report, Vec<(String, u64)>), ImportError> {
    let mut writers: BTreeMap<String, (usize, u64, TableWriter)> = BTreeMap::new();
    let report = read_file(source, vocabulary, Some(by), &mut |value, row| {
        if !writers.contains_key(value) {
            if writers.len() == SPLIT_MAX {
                return Err(ImportError(format!(
                    "`{by}` has more than {SPLIT_MAX} different values; a demo runs at most {SPLIT_MAX} members"
                )));
            }
            let number = writers.len();
            writers.insert(value.to_owned(), (number, 0, TableWriter::create(&table(number), vocabulary)?));
        }
        let (_, rows, writer) = writers.get_mut(value).expect("INVARIANT: it was just inserted");
        *rows += 1;
        writer.push(row)
    })?;
    let mut members: Vec<(usize, String, u64)> = vec![];
    for (value, (number, rows, writer)) in writers {
        writer.finish()?;
        members.push((number, value, rows));
    }
    members.sort();
    Ok((report, members.into_iter().map(|(_, value, rows)| (value, rows)).collect()))
}

type Each<'a> = &'a mut dyn FnMut(&str, &[Cell]) -> Result<(), ImportError>;

fn read_file(
    source: &Path,
    vocabulary: &Vocabulary,
    by: Option<&str>,
    each: Each<'_>,
) -> Result<Report, ImportError> {
    let source = source::open(source)?;
    let read_as = source.read_as.clone();
    let report = read_rows(source, vocabulary, by, each)?;
    Ok(Report { read_as, ..report })
}

/// Reads rows, hands good ones over and counts the rest.
fn read_rows(
    source: Source,
    vocabulary: &Vocabulary,
    by: Option<&str>,
    each: Each<'_>,
) -> Result<Report, ImportError> {
    let name = &source.name.clone();
    let mut reader = csv_reader(source);
    let headers = read_headers(name, &mut reader)?;
    let layout = Layout::new(name, &headers, vocabulary, by)?;
    let mut report = Report {
        columns_ignored: layout.ignored.clone(),
        columns_absent: layout.absent(),
        ..Report::default()
    };
    let date = layout.fields.iter().position(|field| field.column.name == "date");
    let mut seen = HashSet::new();
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let row = error.position().map(|at| reader.get_mut().line_from(at.byte()));
                return Err(unreadable(name, row, &error));
            }
        }
        report.rows_read += 1;
        let row = record.position().map_or(0, |at| reader.get_mut().line_from(at.byte()));
        match layout.read(&record, &mut seen) {
            Ok((member, cells)) => {
                if let Some(Cell::Date(day)) = date.map(|at| &cells[at]) {
                    *report.rows_by_day.entry(Day(i64::from(*day))).or_default() += 1;
                }
                each(member, &cells)?;
                report.rows_kept += 1;
            }
            Err((column, text)) => {
                report.rows_refused += 1;
                if report.problems.len() < PROBLEMS_MAX {
                    report.problems.push(Problem { row, column, text });
                }
            }
        }
    }
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
    format!("{file} row {}, column `{}`: {}", problem.row, problem.column, problem.text)
}

#[cfg(test)]
mod tests;
