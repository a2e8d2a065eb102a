//! The local engine: Parquet tables in, exact Tallies out. This folder alone imports datafusion. Must
//! not know the network; no text of an asker reaches it, only SQL rendered from our own tree.
//!
//! Where to start: [`table`] writes a snapshot, [`view`] gives a question its rows, [`tally`] adds up.

mod export;
pub mod local;
mod lookup;
mod merge;
mod push;
mod rows;
mod runs;
mod table;
mod tally;
mod view;
mod who;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use datacoop_policy::vocabulary::Vocabulary;
pub use export::parquet_of;
pub use lookup::lookup;
pub use merge::{SNAPSHOTS_KEPT, merge, order_rows, staging_path, undo};
pub use rows::{TextRows, parquet_rows};
pub use table::TableWriter;
pub use tally::{Take, each_unit, tabulate};
pub use view::{Sources, people_vocabulary};

use crate::folder::{StoreError, at};

/// Stack of the threads that the engine runs on. Of the deepest expression that a Question may hold
/// (`policy::sql::RENDERED_DEPTH_MAX`) each level takes up to 70 KB where nothing is optimised; with the 2 MB
/// that threads have by themselves, one Question would end every node that has rows. Only what is used is held.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What a folder is called that is still being written. Crash here: whatever ends so was never a table.
const UNFINISHED: &str = "tmp";

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

/// Whether a table of this vocabulary needs a column to tell who counts, though no Question may read it.
pub fn decides_who_counts(vocabulary: &Vocabulary, column: &str) -> bool {
    who::WhoCounts::of(vocabulary).reads().contains(&column)
}

/// Where a node keeps a vocabulary's snapshots: `tables/<dataset>/<vocabulary>-<version>`.
fn snapshots_path(tables: &Path, vocabulary: &Vocabulary) -> PathBuf {
    tables.join(vocabulary.dataset()).join(vocabulary.name().replace('/', "-"))
}

/// The folder of one snapshot of a vocabulary's table; in it a Parquet file for each academic year.
pub fn table_path(tables: &Path, vocabulary: &Vocabulary, snapshot: u64) -> PathBuf {
    snapshots_path(tables, vocabulary).join(format!("{snapshot:06}"))
}

/// Snapshots of a vocabulary's table, oldest first. Unfinished ones are none.
fn snapshots(tables: &Path, vocabulary: &Vocabulary) -> Vec<(u64, PathBuf)> {
    let folders = fs::read_dir(snapshots_path(tables, vocabulary)).into_iter().flatten().flatten();
    let numbered =
        folders.filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path())));
    let mut found: Vec<(u64, PathBuf)> = numbered.collect();
    found.sort();
    found
}

/// The newest snapshot of a vocabulary's table: its number and its folder.
pub fn newest_table(tables: &Path, vocabulary: &Vocabulary) -> Option<(u64, PathBuf)> {
    snapshots(tables, vocabulary).pop()
}

/// Removes what a crash left of tables that were being written. The folder must be locked by us, and
/// no import may be running.
pub fn remove_unfinished(tables: &Path) -> Result<(), StoreError> {
    if !tables.exists() {
        return Ok(());
    }
    let folders = |path: &Path| -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(path).map_err(at(path))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        Ok(paths.map_err(at(path))?.into_iter().filter(|path| path.is_dir()).collect())
    };
    let spill = tables.join(format!("spill.{UNFINISHED}"));
    if spill.exists() {
        fs::remove_dir_all(&spill).map_err(at(&spill))?;
    }
    for dataset in folders(tables)? {
        for vocabulary in folders(&dataset)? {
            for left in folders(&vocabulary)?.iter().filter(|path| is_unfinished(path)) {
                fs::remove_dir_all(left).map_err(at(left))?;
            }
        }
    }
    Ok(())
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == UNFINISHED)
}

#[cfg(test)]
mod adversary;
#[cfg(test)]
mod catalogue_tests;
#[cfg(test)]
mod neighbour_tests;
#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
