//! Loading a file into a node's folder: which vocabulary, which snapshot, what to say about it.

use std::path::Path;

use serde_json::{Value, json};

use crate::engine::table_path;
use crate::error::CommandError;
use crate::home::Home;
use crate::import::{Report, import_csv, problem_text};

/// What was loaded.
pub struct Loaded {
    /// The dataset that now has a table.
    pub dataset: String,
    file: String,
    vocabulary: String,
    report: Report,
}

impl Loaded {
    /// For programs, and for the command line to print.
    pub fn json(&self) -> Value {
        let problems: Vec<String> =
            self.report.problems.iter().map(|p| problem_text(&self.file, p)).collect();
        json!({
            "schema": "datacoop.import/1",
            "file": self.file,
            "vocabulary": self.vocabulary,
            "dataset": self.dataset,
            "rows_read": self.report.rows_read,
            "rows_kept": self.report.rows_kept,
            "rows_refused": self.report.rows_refused,
            "columns_ignored": self.report.columns_ignored,
            "problems": problems,
        })
    }
}

/// Imports a CSV file as the next snapshot of a vocabulary's table.
pub fn import(home: &Home, file: &Path, vocabulary: &str) -> Result<Loaded, CommandError> {
    let known = home.vocabularies().map_err(|error| CommandError::failed(error.to_string()))?;
    let found =
        known.values().find(|(_, known)| known.name() == vocabulary).map(|(_, vocabulary)| vocabulary);
    let Some(found) = found else {
        let names: Vec<&str> = known.values().map(|(_, known)| known.name()).collect();
        let text = format!("this node knows no vocabulary `{vocabulary}`; it knows {}", names.join(", "));
        return Err(CommandError {
            hint: Some("give a file: --vocabulary FILE.toml".into()),
            ..CommandError::usage(text)
        });
    };
    let snapshot = home.table(found).map_or(1, |(number, _)| number + 1);
    let report = import_csv(file, found, &table_path(&home.join("tables"), found, snapshot))
        .map_err(|error| CommandError::usage(error.0))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Loaded { dataset: found.dataset().to_owned(), file: name, vocabulary: vocabulary.to_owned(), report })
}
