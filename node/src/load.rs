//! Loading a file into a node's folder: which vocabulary, which snapshot, what to say about it.

use std::path::Path;
use std::sync::Arc;

use datacoop_policy::Digest;
use datacoop_policy::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::table_path;
use crate::error::CommandError;
use crate::folder::StoreError;
use crate::home::Home;
use crate::import::{Options, Report, import_csv, problem_text};

/// What was loaded.
pub struct Loaded {
    /// The dataset that now has a table.
    pub dataset: String,
    /// SHA-256 of the vocabulary's text.
    pub hash: Digest,
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
            "read_as": self.report.read_as,
            "rows_read": self.report.rows_read,
            "rows_kept": self.report.rows_kept,
            "rows_refused": self.report.rows_refused,
            "columns_ignored": self.report.columns_ignored,
            "columns_absent": self.report.columns_absent,
            "problems": problems,
        })
    }
}

/// Which vocabulary a file is read by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// One that this node knows, such as `attendance/1`.
    Named(String),
    /// Exactly this text.
    Text(String),
}

/// Imports a data file as the next snapshot of a vocabulary's table. The folder must be locked by us.
pub fn import(home: &Home, file: &Path, choice: &Choice) -> Result<Loaded, CommandError> {
    let (hash, vocabulary) = match choice {
        Choice::Named(name) => named(home, name)?,
        Choice::Text(text) => {
            let added = home.add_vocabulary(text).map_err(|error| CommandError::usage(error.to_string()))?;
            (added.0, Arc::new(added.1))
        }
    };
    let snapshot = home.table(&vocabulary).map_or(1, |(number, _)| number + 1);
    let table = table_path(&home.join("tables"), &vocabulary, snapshot);
    let report = import_csv(file, &vocabulary, &Options::default(), &table)
        .map_err(|error| CommandError::usage(error.0))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Loaded {
        dataset: vocabulary.dataset().to_owned(),
        hash,
        file: name,
        vocabulary: vocabulary.name().to_owned(),
        report,
    })
}

/// The vocabulary of this name: the charter's text of it, where the charter names one.
fn named(home: &Home, name: &str) -> Result<(Digest, Arc<Vocabulary>), CommandError> {
    let failed = |error: StoreError| CommandError::failed(error.to_string());
    let known = home.vocabularies().map_err(failed)?;
    let charter = home.charter().map_err(failed)?;
    let wanted = charter.and_then(|(_, charter)| charter.vocabulary(name).map(|(hash, _)| hash));
    let mut found = known
        .iter()
        .filter(|(hash, (_, known))| known.name() == name && wanted.is_none_or(|wanted| wanted == **hash));
    if let Some((hash, (_, vocabulary))) = found.next() {
        return Ok((*hash, vocabulary.clone()));
    }
    let names: Vec<&str> = known.values().map(|(_, known)| known.name()).collect();
    let text = match wanted {
        Some(_) => format!("this node lacks the text that the charter calls `{name}`"),
        None => format!("this node knows no vocabulary `{name}`; it knows {}", names.join(", ")),
    };
    Err(CommandError::usage(text).hint("give a file: --vocabulary FILE.toml"))
}
