//! CSV in, Parquet out, checked against a Vocabulary row by row. Problems name file, row, column,
//! rule and fix. Must not know the network: what is read here stays on this computer.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read;
use std::path::Path;

use datacoop_policy::Day;
use datacoop_policy::sql::quoted;
use datacoop_policy::vocabulary::{Column, Kind, Unit, Vocabulary};

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
    /// Line number as a spreadsheet shows it: the header is row 1.
    pub row: u64,
    /// The file's own header.
    pub column: String,
    /// What is wrong and what is allowed.
    pub text: String,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
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
    let is_unit = |column: &Column| *vocabulary.unit() == Unit::Column(column.name.clone());
    vocabulary.columns().iter().filter(|c| c.role.is_none() && (!c.never || is_unit(c))).collect()
}

/// Imports a CSV file into one Parquet table.
pub fn import_csv(source: &Path, vocabulary: &Vocabulary, table: &Path) -> Result<Report, ImportError> {
    let mut writer = TableWriter::create(table, vocabulary)?;
    let report = read_file(source, vocabulary, None, &mut |_, row| writer.push(row))?;
    writer.finish()?;
    Ok(report)
}

/// Imports a CSV file into one Parquet table for each value of a column; `table` gives its path.
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
    let name = source
        .file_name()
        .map_or_else(|| source.display().to_string(), |name| name.to_string_lossy().into_owned());
    let file = File::open(source).map_err(|error| ImportError(format!("{}: {error}", source.display())))?;
    read_rows(&name, file, vocabulary, by, each)
}

/// Reads rows, hands good ones over and counts the rest.
fn read_rows(
    name: &str,
    source: impl Read,
    vocabulary: &Vocabulary,
    by: Option<&str>,
    each: Each<'_>,
) -> Result<Report, ImportError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let headers = reader.headers().map_err(|error| ImportError(format!("{name}: {error}")))?.clone();
    if headers.iter().all(str::is_empty) {
        return Err(ImportError(format!("{name} is empty; it needs a header row and data")));
    }
    let layout = Layout::new(name, &headers, vocabulary, by)?;
    let mut report = Report { columns_ignored: layout.ignored.clone(), ..Report::default() };
    let mut seen = HashSet::new();
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => return Err(ImportError(format!("{name}: {error}; save it again as CSV in UTF-8"))),
        }
        report.rows_read += 1;
        let row = report.rows_read + 1;
        let read = layout.read(&record).and_then(|cells| layout.check_key(&cells, &mut seen).map(|()| cells));
        match read {
            Ok(cells) => {
                each(layout.split.map_or("", |at| record.get(at).unwrap_or("")), &cells)?;
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

/// Which field of a record holds which column.
struct Layout<'a> {
    fields: Vec<(Option<usize>, String, &'a Column)>,
    key: Vec<usize>,
    split: Option<usize>,
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
        let listed = || headers.iter().map(|header| format!("`{header}`")).collect::<Vec<_>>().join(", ");
        let mut fields = vec![];
        let mut used = HashSet::new();
        for column in kept_columns(vocabulary) {
            let at = find(column)?;
            if at.is_none() && (column.required || *vocabulary.unit() == Unit::Column(column.name.clone())) {
                return Err(ImportError(format!(
                    "{name}: there is no column `{}`; it has {}",
                    column.name,
                    listed()
                )));
            }
            used.extend(at);
            let header = at.and_then(|at| headers.get(at)).unwrap_or(&column.name);
            fields.push((at, header.to_owned(), column));
        }
        if fields.iter().all(|(at, ..)| at.is_none()) {
            return Err(ImportError(format!(
                "{name}: none of its columns is in {}; it has {}",
                vocabulary.name(),
                listed()
            )));
        }
        let split = by
            .map(|by| {
                let at = found.iter().position(|header| *header == folded(by));
                at.ok_or_else(|| {
                    ImportError(format!("{name}: there is no column `{by}` to split by; it has {}", listed()))
                })
            })
            .transpose()?;
        used.extend(split);
        let dropped = |at: &usize| vocabulary.columns().iter().any(|c| find(c).ok().flatten() == Some(*at));
        let ignored = (0..found.len()).filter(|at| !used.contains(at) && !dropped(at));
        let ignored = ignored.filter_map(|at| headers.get(at)).map(str::to_owned).collect();
        let key = vocabulary
            .key()
            .iter()
            .filter_map(|name| fields.iter().position(|(_, _, c)| c.name == *name))
            .collect();
        Ok(Self { fields, key, split, ignored })
    }

    fn read(&self, record: &csv::StringRecord) -> Result<Vec<Cell>, (String, String)> {
        let cells = self.fields.iter().map(|(at, header, column)| {
            let text = at.and_then(|at| record.get(at)).unwrap_or("");
            read_cell(column, text).map_err(|what| (header.clone(), what))
        });
        cells.collect()
    }

    /// No two rows may have the same key.
    fn check_key(&self, cells: &[Cell], seen: &mut HashSet<u64>) -> Result<(), (String, String)> {
        if self.key.is_empty() {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        for at in &self.key {
            format!("{:?}", cells[*at]).hash(&mut hasher);
        }
        if seen.insert(hasher.finish()) {
            return Ok(());
        }
        let names: Vec<&str> = self.key.iter().map(|at| self.fields[*at].2.name.as_str()).collect();
        let header = self.fields[self.key[0]].1.clone();
        Err((header, format!("another row has the same {}; keep one", names.join(", "))))
    }
}

/// Reads one value. Errors: what is wrong and what is allowed.
pub(crate) fn read_cell(column: &Column, text: &str) -> Result<Cell, String> {
    let shown = || quoted(&text.chars().take(40).collect::<String>());
    if text.is_empty() {
        return if column.required { Err("it is empty, and needed".into()) } else { Ok(Cell::Null) };
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
        let report = read_rows("f.csv", text.as_bytes(), &vocabulary, by, &mut |member, row| {
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
            ("sex,score\n", "no rows"),
            ("a,b\n1,2\n", "there is no column `sex`; it has `a`, `b`"),
            ("sex,sex\nF,F\n", "stands 2 times"),
            ("sex\nF\nX\n", "1 of 2 rows do not fit"),
            ("sex\nF,1\n", "f.csv"),
        ] {
            let error = check(text, None).0.expect_err(text).0;
            assert!(error.contains(said), "{text:?}: {error}");
        }
        let error = check("sex\nF\n", Some("school")).0.unwrap_err().0;
        assert!(error.contains("there is no column `school` to split by"), "{error}");
    }
}
