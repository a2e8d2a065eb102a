//! Rows that were left out, kept for the person who must correct them: a file that only its owner
//! reads. Must not be reachable from the network.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::{ImportError, ProblemKind};
use crate::safe_csv::safe_csv_line;

/// A file being written; it appears with its first row.
pub(super) struct Quarantine {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    /// The record that is being read.
    record: StringRecord,
    failed: Option<String>,
}

impl Quarantine {
    /// Begins one; what lay there goes.
    pub(super) fn new(path: &Path) -> Self {
        fs::remove_file(path).ok();
        Self { path: path.to_owned(), file: None, record: StringRecord::new(), failed: None }
    }

    /// The record that rows are taken from now.
    pub(super) fn at(&mut self, record: &StringRecord) {
        self.record.clone_from(record);
    }

    /// Keeps the record, and why a row of it was left out.
    pub(super) fn keep(&mut self, row: u64, column: &str, kind: ProblemKind, what: &str) {
        let written = self.write(row, column, kind, what);
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(format!("{}: {error}", self.path.display()));
        }
    }

    fn write(&mut self, row: u64, column: &str, kind: ProblemKind, what: &str) -> std::io::Result<()> {
        let row = row.to_string();
        let said = [row.as_str(), column, kind.code(), what];
        let line = safe_csv_line(said.into_iter().chain(&self.record));
        if self.file.is_none() {
            let options = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).clone();
            let mut file = BufWriter::new(options.open(&self.path)?);
            file.write_all(safe_csv_line(["row", "column", "rule", "what", "the row as it was"]).as_bytes())?;
            self.file = Some(file);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }

    /// Ends the file. Errors: what was left out could not be kept.
    pub(super) fn finish(self) -> Result<(), ImportError> {
        if let Some(failed) = self.failed {
            return Err(ImportError(failed));
        }
        let Some(file) = self.file else { return Ok(()) };
        let ended = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        ended
            .and_then(|file| file.sync_all())
            .map_err(|error| ImportError(format!("{}: {error}", self.path.display())))
    }
}
