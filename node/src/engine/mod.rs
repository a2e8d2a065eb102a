//! The local engine: Parquet tables in, exact Tallies out. This folder alone imports datafusion. Must
//! not know the network; no text of an asker reaches it, only SQL rendered from our own tree.

mod table;
mod tally;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use datacoop_policy::vocabulary::Vocabulary;
pub use table::TableWriter;
pub use tally::tabulate;

/// The engine failed. Its text may speak of data, so it is for the person here, never for a log.
#[derive(Debug)]
pub struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn failed(error: impl fmt::Display) -> EngineError {
    EngineError(error.to_string())
}

/// Where a node keeps the tables of a vocabulary: `tables/<dataset>/<vocabulary>.<n>.parquet`.
pub fn table_path(tables: &Path, vocabulary: &Vocabulary, snapshot: u64) -> PathBuf {
    let name = vocabulary.name().replace('/', "-");
    tables.join(vocabulary.dataset()).join(format!("{name}.{snapshot:06}.parquet"))
}

/// The newest snapshot of a vocabulary's table, and its number.
pub fn newest_table(tables: &Path, vocabulary: &Vocabulary) -> Option<(u64, PathBuf)> {
    let first = table_path(tables, vocabulary, 0);
    let prefix = format!("{}.", vocabulary.name().replace('/', "-"));
    let files = fs::read_dir(first.parent()?).ok()?.flatten();
    let snapshots = files.filter_map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&prefix)?.strip_suffix(".parquet")?.parse().ok()?;
        Some((number, file.path()))
    });
    snapshots.max()
}
