//! A file's columns before its rows are read, for a person who says which is which. Shows the form of
//! values, never a value: letters and digits are masked.

use std::collections::VecDeque;
use std::path::Path;

use csv::StringRecord;
use datacoop_policy::vocabulary::{Column, Vocabulary};

use super::cells::clean;
use super::head::{HEAD_RECORDS_MAX, Head};
use super::layout::{Layout, Names, told};
use super::rows::Records;
use super::{ImportError, Options, is_needed, open, read_columns};

/// Samples of a column: enough to tell a date from a mark.
const SAMPLES_MAX: usize = 3;
/// Characters of a sample.
const SAMPLE_CHARS_MAX: usize = 24;

/// A file's columns and what is known of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// How the file was understood, where it is not plain CSV in UTF-8.
    pub read_as: Option<String>,
    /// The file's columns, in their order.
    pub headers: Vec<Header>,
    /// Columns of the vocabulary that a file may have.
    pub columns: Vec<Asked>,
    /// Why the file cannot be read as it is.
    pub problem: Option<String>,
}

/// A column of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// What it is called; empty where it is called nothing.
    pub text: String,
    /// The form of its first different values: `X` and `x` for letters, `9` for digits.
    pub samples: Vec<String>,
}

/// A column of the vocabulary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: String,
    /// Whether the file cannot do without it.
    pub needed: bool,
    /// Whether another table says it of the same people, so that this file need not.
    pub elsewhere: bool,
    /// Where it stands in the file.
    pub found: Found,
}

/// Where a column of the vocabulary stands in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nowhere that we know of.
    Nowhere,
    /// Under this header.
    Under(usize),
    /// Under one of these: a person must say which.
    OneOf(Vec<usize>),
    /// A register's headers say it, column by column.
    Register,
}

/// Looks at a file's columns. Errors: it cannot be read, or is empty.
pub fn columns_of(path: &Path, vocabulary: &Vocabulary, options: &Options) -> Result<Shown, ImportError> {
    let source = open(path, vocabulary, options)?;
    let (name, read_as) = (source.name.clone(), source.read_as.clone());
    let mut records = Records::new(source);
    let names = Names::new(vocabulary, options, None);
    let lacks = records.lacks;
    let first = records.peek(HEAD_RECORDS_MAX)?;
    let empty = || ImportError(format!("{name} is empty; it needs a header row and data"));
    let (_, head) = Head::find(first, &|head| names.score(head)).ok_or_else(empty)?;
    // Where no header is known, what looks most like a register's may be its first rows.
    let known = names.knows(&head);
    let head = if known { head } else { Head::widest(first).ok_or_else(empty)? };
    let headers = (0..head.shown.len()).map(|at| header(&head, first, at)).collect();
    let layout = Layout::find(&name, &mut records, vocabulary, options, None);
    let key = |column: &Column| vocabulary.key().contains(&column.name) && !column.derived;
    let needed = |column: &Column| {
        (is_needed(vocabulary, column) || key(column)) && !lacks.contains(&column.name.as_str())
    };
    let asked = |column: &Column, found: Found| Asked {
        name: column.name.clone(),
        description: column.description.clone(),
        needed: needed(column),
        elsewhere: column.of.is_some() || column.derived,
        found,
    };
    let (columns, problem) = match &layout {
        Ok(layout) => {
            let place = |(column, at, by_register): (&Column, Option<usize>, bool)| {
                let nowhere = if by_register { Found::Register } else { Found::Nowhere };
                asked(column, at.map_or(nowhere, Found::Under))
            };
            (layout.places().map(place).collect(), None)
        }
        Err(error) => {
            let told = told(&head, vocabulary, options).unwrap_or_default();
            let place = |column: &Column| {
                let hits: Vec<usize> = match told.get(column.name.as_str()) {
                    Some(at) => at.iter().copied().collect(),
                    None => names.fields(&head, column),
                };
                asked(
                    column,
                    match hits[..] {
                        [] => Found::Nowhere,
                        [at] => Found::Under(at),
                        _ => Found::OneOf(hits),
                    },
                )
            };
            let problem = match known {
                true => error.0.clone(),
                false => format!("{name}: none of its columns is known by name; choose below which is which"),
            };
            (read_columns(vocabulary).into_iter().map(place).collect(), Some(problem))
        }
    };
    Ok(Shown { read_as, headers, columns, problem })
}

fn header(head: &Head, records: &VecDeque<(u64, StringRecord)>, at: usize) -> Header {
    let mut samples: Vec<String> = vec![];
    let known = vec![true; head.shown.len()];
    let rows = records.iter().skip(head.records).filter(|(_, record)| !head.is_furniture(record, &known));
    for (_, record) in rows {
        let sample = masked(record.get(at).map_or("", clean));
        if samples.len() < SAMPLES_MAX && !sample.is_empty() && !samples.contains(&sample) {
            samples.push(sample);
        }
    }
    Header { text: head.shown[at].clone(), samples }
}

/// The form of a value, and nothing of what it says.
fn masked(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_uppercase() => 'X',
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '9',
        c if c.is_ascii_punctuation() || c == ' ' => c,
        _ => '.',
    };
    let mut form: String = text.chars().take(SAMPLE_CHARS_MAX).map(mask).collect();
    if text.chars().nth(SAMPLE_CHARS_MAX).is_some() {
        form.push('…');
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::SHIPPED_VOCABULARIES;

    fn shown(text: &str, columns: &[(&str, &str)]) -> Shown {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks.csv");
        std::fs::write(&path, text).unwrap();
        let mut shipped = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
        let vocabulary = shipped.find(|vocabulary| vocabulary.name() == "attendance/1").unwrap();
        let columns = columns.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        columns_of(&path, &vocabulary, &Options { columns, ..Options::default() }).unwrap()
    }

    fn found(shown: &Shown, name: &str) -> Found {
        shown.columns.iter().find(|column| column.name == name).unwrap().found.clone()
    }

    #[test]
    fn samples_tell_the_form_of_values_and_not_one_value() {
        let shown =
            shown("Adno,Date,Session,Mark\nA123,31/12/2025,AM,/\nZoë O'Neill,1 Dec 2025,PM,\\\n", &[]);
        let samples: Vec<&str> = shown.headers[0].samples.iter().map(String::as_str).collect();
        assert_eq!(samples, ["X999", "Xxx X'Xxxxx"]);
        assert_eq!(shown.headers[1].samples, ["99/99/9999", "9 Xxx 9999"]);
        let all = format!("{shown:?}");
        assert!(!all.contains("123") && !all.contains("Neill"), "{all}");
        assert_eq!((found(&shown, "pupil_id"), found(&shown, "code")), (Found::Under(0), Found::Under(3)));
        assert_eq!(shown.problem, None);
        assert_eq!(masked(&"ab".repeat(20)).chars().count(), SAMPLE_CHARS_MAX + 1);
        assert_eq!(masked("a\u{202e}b\u{7}"), "x.x.");
    }

    #[test]
    fn a_file_whose_columns_are_not_known_still_shows_them() {
        let text = "Hill Primary\n\nKid,When,Half,What\nZed,01/12/2025,AM,/\nZed,01/12/2025,PM,/\n";
        let asked = shown(text, &[]);
        assert!(
            asked.problem.as_ref().is_some_and(|problem| problem.contains("which is which")),
            "{asked:?}"
        );
        assert!(!format!("{asked:?}").contains("Zed"), "a row is no header: {asked:?}");
        assert_eq!(found(&asked, "pupil_id"), Found::Nowhere);
        assert!(asked.columns.iter().any(|column| column.name == "pupil_id" && column.needed));
        let said = [("pupil_id", "Kid"), ("date", "When"), ("session", "Half"), ("code", "What")];
        let asked = shown(text, &said);
        assert_eq!((asked.problem.as_deref(), found(&asked, "code")), (None, Found::Under(3)));
    }

    #[test]
    fn a_person_may_say_that_a_file_has_no_such_column() {
        let text = "Adno,Date,Session,Mark,Gender\n1,01/12/2025,AM,/,F\n";
        assert_eq!(found(&shown(text, &[]), "sex"), Found::Under(4));
        assert_eq!(found(&shown(text, &[("sex", "")]), "sex"), Found::Nowhere);
    }
}
