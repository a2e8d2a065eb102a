//! Which column of a file holds which column of a Vocabulary.

use std::collections::HashSet;

use datacoop_policy::Digest;
use datacoop_policy::vocabulary::{Column, Vocabulary};
use datacoop_protocol::log::tree::sha256;

use super::{Cell, ImportError, is_needed, kept_columns, listed, read_cell};

/// Where a column of the vocabulary stands in the file.
pub(super) struct Field<'a> {
    at: Option<usize>,
    /// The file's own header.
    header: String,
    pub(super) column: &'a Column,
    /// Whether every row needs a value.
    needed: bool,
}

/// Which field of a record holds which column.
pub(super) struct Layout<'a> {
    pub(super) fields: Vec<Field<'a>>,
    key: Vec<usize>,
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
    pub(super) fn absent(&self) -> Vec<String> {
        let absent = self.fields.iter().filter(|field| field.at.is_none());
        absent.map(|field| field.column.name.clone()).collect()
    }

    /// A record's member and values. Errors: the column's header, and what is wrong.
    pub(super) fn read<'r>(
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
