//! Rows in, Parquet out, checked against a Vocabulary row by row. Problems name file, row, column,
//! rule and fix. Must not know the network: what is read here stays on this computer.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::io::Read;
use std::path::Path;

use datacoop_policy::sql::quoted;
use datacoop_policy::vocabulary::{Column, Kind, Unit, Vocabulary};
use datacoop_policy::{Day, Digest, Period};
use datacoop_protocol::log::tree::sha256;

use crate::engine::TableWriter;
use crate::source::{self, Source};

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

/// Passes a file on and notes on which lines rows may begin: those that are not blank.
///
/// Why: a csv reader counts the blank lines before a row to the row.
struct Lines<R> {
    source: R,
    offset: u64,
    line: u64,
    at_start: bool,
    /// Byte and number of each line that is not blank, from the current row on.
    starts: VecDeque<(u64, u64)>,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.source.read(buffer)?;
        for byte in &buffer[..length] {
            let ends = matches!(byte, b'\r' | b'\n');
            if self.at_start && !ends {
                self.starts.push_back((self.offset, self.line));
            }
            self.at_start = ends;
            self.line += u64::from(*byte == b'\n');
            self.offset += 1;
        }
        Ok(length)
    }
}

impl<R> Lines<R> {
    fn new(source: R) -> Self {
        Self { source, offset: 0, line: 1, at_start: true, starts: VecDeque::new() }
    }

    /// The line of the row that the reader found from this byte on.
    fn line_from(&mut self, byte: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }
}

type CsvReader<R> = csv::Reader<Lines<R>>;

fn csv_reader(source: Source) -> CsvReader<Box<dyn Read>> {
    let mut builder = csv::ReaderBuilder::new();
    builder.trim(csv::Trim::All).delimiter(source.delimiter).from_reader(Lines::new(source.reader))
}

fn read_headers<R: Read>(name: &str, reader: &mut CsvReader<R>) -> Result<csv::StringRecord, ImportError> {
    let headers = reader.headers().map_err(|error| unreadable(name, None, &error))?.clone();
    if headers.iter().all(str::is_empty) {
        return Err(ImportError(format!("{name} is empty; it needs a header row and data")));
    }
    Ok(headers)
}

/// Why a file cannot be read as CSV, each cause with its own remedy.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are the operating system's, or never happen")]
fn unreadable(name: &str, row: Option<u64>, error: &csv::Error) -> ImportError {
    let row = row.map_or_else(String::new, |row| format!(" row {row}"));
    ImportError(match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            format!("{name}{row} is not text in UTF-8; save it again as CSV in UTF-8")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "{name}{row} has {len} fields, the header {expected_len}; put text that holds a comma into double quotes"
        ),
        _ => format!("{name}: {error}"),
    })
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

/// Where a column of the vocabulary stands in the file.
struct Field<'a> {
    at: Option<usize>,
    /// The file's own header.
    header: String,
    column: &'a Column,
    /// Whether every row needs a value.
    needed: bool,
}

/// Which field of a record holds which column.
struct Layout<'a> {
    fields: Vec<Field<'a>>,
    key: Vec<usize>,
    /// The column to split by, and its header.
    split: Option<(usize, String)>,
    ignored: Vec<String>,
}

/// Case, spaces and punctuation do not tell headers apart.
pub(crate) fn folded(header: &str) -> String {
    header
        .trim_start_matches('\u{feff}')
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

impl<'a> Layout<'a> {
    fn new(
        name: &str,
        headers: &csv::StringRecord,
        vocabulary: &'a Vocabulary,
        by: Option<&str>,
    ) -> Result<Self, ImportError> {
        let found: Vec<String> = headers.iter().map(folded).collect();
        let find = |column: &Column| -> Result<Option<usize>, ImportError> {
            let names: Vec<String> =
                column.synonyms.iter().chain([&column.name]).map(|name| folded(name)).collect();
            let hits: Vec<usize> = (0..found.len()).filter(|at| names.contains(&found[*at])).collect();
            match hits[..] {
                [] => Ok(None),
                [at] => Ok(Some(at)),
                _ => Err(ImportError(format!(
                    "{name}: column `{}` stands {} times; remove all but one",
                    column.name,
                    hits.len()
                ))),
            }
        };
        let missing = |column: &str| {
            ImportError(format!("{name}: there is no column `{column}`; it has {}", listed(headers)))
        };
        let mut fields = vec![];
        let mut used = HashSet::new();
        for column in kept_columns(vocabulary) {
            let at = find(column)?;
            let needed = is_needed(vocabulary, column);
            if at.is_none() && needed {
                return Err(missing(&column.name));
            }
            used.extend(at);
            let header = at.and_then(|at| headers.get(at)).unwrap_or(&column.name).to_owned();
            fields.push(Field { at, header, column, needed });
        }
        if fields.iter().all(|field| field.at.is_none()) {
            return Err(ImportError(format!(
                "{name}: none of its columns is in {}; it has {}",
                vocabulary.name(),
                listed(headers)
            )));
        }
        let split = by
            .map(|by| {
                let at = found.iter().position(|header| *header == folded(by)).ok_or_else(|| {
                    ImportError(format!(
                        "{name}: there is no column `{by}` to split by; it has {}",
                        listed(headers)
                    ))
                })?;
                Ok((at, headers.get(at).unwrap_or(by).to_owned()))
            })
            .transpose()?;
        used.extend(split.as_ref().map(|(at, _)| *at));
        let dropped = |at: &usize| vocabulary.columns().iter().any(|c| find(c).ok().flatten() == Some(*at));
        let ignored = (0..found.len()).filter(|at| !used.contains(at) && !dropped(at));
        let ignored = ignored.filter_map(|at| headers.get(at)).map(str::to_owned).collect();
        let mut key = vec![];
        for column in vocabulary.key() {
            let at = fields.iter().position(|field| field.column.name == *column);
            key.extend(at);
            // Without it every row would look like a copy of the first.
            if at.is_some_and(|at| fields[at].at.is_none()) {
                return Err(missing(column));
            }
        }
        Ok(Self { fields, key, split, ignored })
    }

    /// Columns of the vocabulary that the file does not have.
    fn absent(&self) -> Vec<String> {
        let absent = self.fields.iter().filter(|field| field.at.is_none());
        absent.map(|field| field.column.name.clone()).collect()
    }

    /// A record's member and values. Errors: the column's header, and what is wrong.
    fn read<'r>(
        &self,
        record: &'r csv::StringRecord,
        seen: &mut HashSet<Digest>,
    ) -> Result<(&'r str, Vec<Cell>), (String, String)> {
        let member = match &self.split {
            None => "",
            Some((at, header)) => record.get(*at).filter(|text| !text.is_empty()).ok_or_else(|| {
                (header.clone(), "it is empty, so the row belongs to no member; fill it in".to_owned())
            })?,
        };
        let cells = self.fields.iter().map(|field| {
            let text = field.at.and_then(|at| record.get(at)).unwrap_or("");
            read_cell(field.column, field.needed, text).map_err(|what| (field.header.clone(), what))
        });
        let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
        self.check_key(member, &cells, seen)?;
        Ok((member, cells))
    }

    /// No two rows of a member may have the same key.
    fn check_key(
        &self,
        member: &str,
        cells: &[Cell],
        seen: &mut HashSet<Digest>,
    ) -> Result<(), (String, String)> {
        if self.key.is_empty() {
            return Ok(());
        }
        // A text of values that no two keys share: strings in it are quoted and escaped.
        let values: Vec<&Cell> = self.key.iter().map(|at| &cells[*at]).collect();
        if seen.insert(sha256(&[format!("{member:?} {values:?}").as_bytes()])) {
            return Ok(());
        }
        let names: Vec<&str> = self.key.iter().map(|at| self.fields[*at].column.name.as_str()).collect();
        let header = self.fields[self.key[0]].header.clone();
        Err((header, format!("another row has the same {}; keep one", names.join(", "))))
    }
}

/// Reads one value. Errors: what is wrong and what is allowed.
pub(crate) fn read_cell(column: &Column, needed: bool, text: &str) -> Result<Cell, String> {
    let shown = || quoted(&text.chars().take(40).collect::<String>());
    if text.is_empty() {
        return if needed { Err("it is empty, and needed".into()) } else { Ok(Cell::Null) };
    }
    match column.kind {
        Kind::Text if column.values.is_empty() => Ok(Cell::Text(text.to_owned())),
        Kind::Text => {
            let known = column.values.iter().find(|value| value.eq_ignore_ascii_case(text));
            let allowed = || format!("{} is not allowed; allowed: {}", shown(), column.values.join(", "));
            known.map(|value| Cell::Text(value.clone())).ok_or_else(allowed)
        }
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(Cell::Bool(true)),
            "false" | "f" | "no" | "n" | "0" => Ok(Cell::Bool(false)),
            _ => Err(format!("{} is neither true nor false; write true, false, yes, no, 1 or 0", shown())),
        },
        Kind::Integer => {
            let number = text.parse::<i64>().map_err(|_| format!("{} is no whole number", shown()))?;
            in_range(column, number as f64).map(|()| Cell::Integer(number))
        }
        Kind::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| format!("{} is no number", shown()))?;
            in_range(column, number).map(|()| Cell::Number(number))
        }
        Kind::Date => {
            let day = Day::parse(text).or_else(|| british_day(text));
            let day = day.and_then(|day| i32::try_from(day.0).ok());
            day.map(Cell::Date)
                .ok_or_else(|| format!("{} is not a date; write 2025-12-31 or 31/12/2025", shown()))
        }
    }
}

fn british_day(text: &str) -> Option<Day> {
    let mut parts = text.split('/').map(|part| part.parse::<i64>().ok());
    let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || year < 1000 { None } else { Day::from_civil(year, month, day) }
}

fn in_range(column: &Column, number: f64) -> Result<(), String> {
    let (low, high) = (column.low.map(|low| low as f64), column.high.map(|high| high as f64));
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let end = |end: Option<i64>| end.map_or("any".into(), |end| end.to_string());
        return Err(format!("{number} is outside {} to {}", end(column.low), end(column.high)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAM: &str = r#"
        id = "exam"
        version = 1
        title = "Results"
        dataset = "exam"
        unit = "row"
        key = ["pupil"]
        column = [
          { name = "school", type = "text", role = "member" },
          { name = "pupil", type = "text" },
          { name = "sex", type = "text", values = ["F", "M"], group = true, required = true },
          { name = "score", type = "number", low = -4, high = 4, synonyms = ["Result (z)"] },
          { name = "sat", type = "date" },
          { name = "late", type = "bool" },
        ]"#;

    type Rows = Vec<(String, Vec<Cell>)>;

    fn check(text: &str, by: Option<&str>) -> (Result<Report, ImportError>, Rows) {
        let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
        let mut rows = vec![];
        let report = read_rows(Source::of_bytes(text.as_bytes()), &vocabulary, by, &mut |member, row| {
            rows.push((member.to_owned(), row.to_vec()));
            Ok(())
        });
        (report, rows)
    }

    #[test]
    fn headers_are_found_by_name_or_synonym_in_any_order() {
        let (report, rows) = check(
            "\u{feff}Result Z,SEX,extra,School,sat,late,Pupil\n 1.5 ,f,x,A,31/12/2025,Y,p1\n",
            Some("school"),
        );
        let day = i32::try_from(Day::parse("2025-12-31").unwrap().0).unwrap();
        let row = vec![
            Cell::Text("p1".into()),
            Cell::Text("F".into()),
            Cell::Number(1.5),
            Cell::Date(day),
            Cell::Bool(true),
        ];
        assert_eq!(rows, [("A".to_owned(), row)]);
        assert_eq!(report.unwrap().columns_ignored, ["extra"]);
    }

    #[test]
    fn a_bad_row_is_left_out_and_named() {
        let good: String = (0..20).map(|i| format!("A,p{i},F,1\n")).collect();
        let (report, rows) = check(&format!("school,pupil,sex,score\n{good}A,q,X,1\n"), None);
        let report = report.unwrap();
        assert_eq!((report.rows_read, report.rows_kept, rows.len()), (21, 20, 20));
        assert_eq!(
            problem_text("f.csv", &report.problems[0]),
            "f.csv row 22, column `sex`: 'X' is not allowed; allowed: F, M"
        );
    }

    #[test]
    fn problems_are_named_by_the_files_own_lines() {
        let good: String = (0..20).map(|i| format!("A,p{i},F,1\n")).collect();
        for ends in ["\n", "\r\n"] {
            let text = format!("school,pupil,sex,score\n\n{good}\n\nA,\"q\nr\",F,1\nA,s,F,9\n\nA,t,X,1");
            let (report, _) = check(&text.replace('\n', ends), None);
            let rows: Vec<u64> = report.unwrap().problems.iter().map(|problem| problem.row).collect();
            assert_eq!(rows, [27, 29]);
        }
    }

    #[test]
    fn a_row_without_its_person_or_its_member_is_left_out() {
        let people = EXAM.replace("unit = \"row\"", "unit = \"pupil\"").replace("key = [\"pupil\"]", "");
        let vocabulary = Vocabulary::from_toml(&people).unwrap();
        let good: String = (0..30).map(|i| format!("A,p{i},F\n")).collect();
        let text = format!("school,pupil,sex\n{good}A, ,F\n,p,F\n");
        let mut members = HashSet::new();
        let report =
            read_rows(Source::of_bytes(text.as_bytes()), &vocabulary, Some("School"), &mut |member, _| {
                members.insert(member.to_owned());
                Ok(())
            });
        let report = report.unwrap();
        let said: Vec<String> = report.problems.iter().map(|p| problem_text("f.csv", p)).collect();
        assert_eq!(said[0], "f.csv row 32, column `pupil`: it is empty, and needed");
        assert!(said[1].starts_with("f.csv row 33, column `school`: it is empty, so the row"), "{said:?}");
        assert_eq!((report.rows_kept, members.len()), (30, 1));
    }

    #[test]
    fn a_key_may_repeat_at_another_member() {
        let text = "school,pupil,sex\nA,1,F\nB,1,F\n";
        assert_eq!(check(text, Some("school")).0.unwrap().rows_kept, 2);
        assert!(check(text, None).0.is_err(), "one member's pupil stands twice");
    }

    #[test]
    fn a_report_says_which_columns_are_absent_and_which_days_there_are() {
        let (report, _) = check("school,pupil,sex,sat,x\nA,1,F,2025-12-12,1\n", None);
        let report = report.unwrap();
        assert_eq!(
            (report.columns_absent.join(" "), report.columns_ignored.join(" ")),
            ("score late".into(), "x".into())
        );
        let dated = EXAM.replace("\"sat\"", "\"date\"");
        let vocabulary = Vocabulary::from_toml(&dated).unwrap();
        let text = "pupil,sex,date\n1,F,2025-12-12\n2,F,2024-12-12\n3,F,2025-01-31\n";
        let report =
            read_rows(Source::of_bytes(text.as_bytes()), &vocabulary, None, &mut |_, _| Ok(())).unwrap();
        assert_eq!(report.newest_day(), Day::parse("2025-12-12"));
        assert_eq!(report.rows_outside(Period::parse("2024-09-01..2025-08-31").unwrap()), 1);
    }

    #[test]
    fn each_problem_says_what_is_allowed() {
        for (line, said) in [
            ("A,p,F,abc,,", "is no number"),
            ("A,p,F,5,,", "5 is outside -4 to 4"),
            ("A,p,F,NaN,,", "is no number"),
            ("A,p,,1,,", "it is empty, and needed"),
            ("A,p,F,1,2025-02-31,", "is not a date"),
            ("A,p,F,1,,maybe", "neither true nor false"),
            ("A,p0,F,1,,", "another row has the same pupil"),
        ] {
            let good: String = (0..10).map(|i| format!("A,p{i},F,1,,\n")).collect();
            let (report, _) = check(&format!("school,pupil,sex,score,sat,late\n{good}{line}\n"), None);
            let text = report.unwrap().problems[0].text.clone();
            assert!(text.contains(said), "{line}: {text}");
        }
    }

    #[test]
    fn a_file_that_is_another_file_is_refused_as_a_whole() {
        for (text, said) in [
            ("", "is empty"),
            ("pupil,sex\n", "no rows"),
            ("a,b\n1,2\n", "there is no column `sex`; it has `a`, `b`"),
            ("sex,sex\nF,F\n", "stands 2 times"),
            ("sex\nF\n", "there is no column `pupil`"),
            ("pupil,sex\n1,F\n2,X\n", "1 of 2 rows do not fit"),
            ("pupil,sex\n1,F\n\n2,M,1\n", "f.csv row 4 has 3 fields, the header 2; put text"),
        ] {
            let error = check(text, None).0.expect_err(text).0;
            assert!(error.contains(said) && !error.contains("UTF-8"), "{text:?}: {error}");
        }
        let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
        let latin: &[u8] = b"pupil,sex\n\xe9,F\n";
        let error = read_rows(Source::of_bytes(latin), &vocabulary, None, &mut |_, _| Ok(())).unwrap_err().0;
        assert!(error.contains("f.csv row 2 is not text in UTF-8; save it again"), "{error}");
        let error = check("sex\nF\n", Some("school")).0.unwrap_err().0;
        assert!(error.contains("there is no column `school` to split by"), "{error}");
    }
}
