//! Which column of a file holds which column of a Vocabulary.

use std::collections::HashSet;

use datacoop_policy::vocabulary::{Column, Kind, Vocabulary};

use super::meaning::Meaning;
use super::{Cell, Complaint, ImportError, Options, ProblemKind, is_needed, listed, read_cell, read_columns};

/// Where a column of the vocabulary stands in the file.
pub(super) struct Field<'a> {
    at: Option<usize>,
    /// The file's own header.
    header: String,
    pub(super) column: &'a Column,
    /// Whether every row needs a value.
    needed: bool,
}

/// Stands for the column to split by, which need not be in the vocabulary; no column's name has spaces.
const SPLIT: &str = "the member";

/// Which field of a record holds which column.
pub(super) struct Layout<'a> {
    pub(super) fields: Vec<Field<'a>>,
    /// The columns that no two rows share.
    key: &'a [String],
    /// The column to split by, and its header.
    split: Option<(usize, String)>,
    pub(super) ignored: Vec<String>,
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
    pub(super) fn new(
        name: &str,
        headers: &csv::StringRecord,
        vocabulary: &'a Vocabulary,
        _options: &Options,
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
        for column in read_columns(vocabulary) {
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
        for column in vocabulary.columns().iter().filter(|column| column.role.is_some()) {
            used.extend(find(column).ok().flatten());
        }
        let ignored = (0..found.len()).filter(|at| !used.contains(at));
        let ignored = ignored.filter_map(|at| headers.get(at)).map(str::to_owned).collect();
        for column in vocabulary.key() {
            let field = fields.iter().find(|field| field.column.name == *column);
            // Without it every row would look like a copy of the first.
            if field.is_some_and(|field| field.at.is_none() && !field.column.derived) {
                return Err(missing(column));
            }
        }
        Ok(Self { fields, key: vocabulary.key(), split, ignored })
    }

    /// Columns of the vocabulary that the file does not have.
    pub(super) fn absent_columns(&self) -> impl Iterator<Item = &'a Column> {
        self.fields.iter().filter(|field| field.at.is_none()).map(|field| field.column)
    }

    /// Whether the file has a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.column.name == name && field.at.is_some())
    }

    /// The file's own header of a column.
    pub(super) fn header<'n>(&'n self, column: &'n str) -> &'n str {
        let split = self.split.as_ref().map(|(_, header)| header.as_str()).filter(|_| column == SPLIT);
        let field = self.fields.iter().find(|field| field.column.name == column);
        split.or(field.map(|field| field.header.as_str())).unwrap_or(column)
    }

    /// Reads a record into a row: one cell for each column. Returns the member it belongs to.
    pub(super) fn read<'r>(
        &self,
        record: &'r csv::StringRecord,
        meaning: &Meaning<'_>,
        row: &mut Vec<Cell>,
    ) -> Result<&'r str, Complaint> {
        let member = match &self.split {
            None => "",
            Some((at, _)) => record.get(*at).filter(|text| !text.is_empty()).ok_or_else(|| Complaint {
                column: SPLIT.to_owned(),
                kind: ProblemKind::BadValue,
                text: "it is empty, so the row belongs to no member; fill it in".to_owned(),
            })?,
        };
        row.clear();
        for field in &self.fields {
            let text = field.at.and_then(|at| record.get(at)).unwrap_or("");
            row.push(field.read(text, meaning)?);
        }
        Ok(member)
    }

    /// What to say of a row whose key stood before.
    pub(super) fn copy(&self) -> Complaint {
        let text = format!("another row has the same {}; keep one", self.key.join(", "));
        Complaint { column: self.key[0].clone(), kind: ProblemKind::Duplicate, text }
    }
}

impl Field<'_> {
    fn read(&self, text: &str, meaning: &Meaning<'_>) -> Result<Cell, Complaint> {
        let column = self.column;
        let read = read_cell(column, self.needed, text);
        let read = read.or_else(|error| match meaning.other_spelling(column, text) {
            Some(other) => read_cell(column, self.needed, &other),
            None => Err(error),
        });
        let kind = match column.kind {
            Kind::Date => ProblemKind::BadDate,
            Kind::Text if column.name == "code" => ProblemKind::BadCode,
            Kind::Text | Kind::Number | Kind::Integer | Kind::Bool => ProblemKind::BadValue,
        };
        read.map_err(|text| Complaint { column: column.name.clone(), kind, text })
    }
}
