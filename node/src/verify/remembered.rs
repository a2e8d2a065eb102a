//! What an audit remembers for the next one: how far it went in each log, and what failed.
//!
//! The next one folds every entry again, for rounds and Ledgers reach back to the first, and their hashes
//! show whether the remembered head is still theirs. What it does not do again are the range proofs of rounds
//! that had closed: a close binds by hashes all that its accepted set follows from. The digest tells damage,
//! not malice: whoever can write the file can write its digest.

use std::collections::BTreeMap;
use std::path::Path;

use datacoop_policy::Digest;
use datacoop_protocol::audit::{BlobSource, Check, LogReport, Notes, Outcome, audit_one_from, audit_twice};
use datacoop_protocol::fold::{Entries, Fold, Log, Vanished};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::Round;
use serde::{Deserialize, Serialize};

use crate::folder::{StoreError, read_optional, write_durably};

const SCHEMA: &str = "datacoop.audited/1";

/// What is remembered of the logs of a charter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audited {
    schema: String,
    charter: String,
    logs: BTreeMap<String, AuditedLog>,
}

/// What is remembered of one log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditedLog {
    /// Entries that were audited.
    pub size: u64,
    root: String,
    /// The head over them; empty if its key had not signed it.
    note: String,
    /// Whether all its accepted sets had been recomputed.
    proved: bool,
    failed: Vec<Failure>,
}

/// A check that failed once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: String,
    entry: Option<u64>,
    text: String,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    audited: Audited,
    /// SHA-256 of `audited` as JSON without blanks.
    sha256: String,
}

impl Audited {
    /// Reads the file; `None` if it is not there. Errors: it cannot be read, is damaged, or of a newer program.
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = read_optional(path)? else { return Ok(None) };
        let wrong = |what: &str| {
            StoreError::Wrong(format!(
                "{}: {what}; restore the file from a copy, or name another and audit from the beginning",
                path.display()
            ))
        };
        let sealed: Sealed = serde_json::from_slice(&bytes)
            .map_err(|_| wrong("is damaged, or not what an audit remembered"))?;
        if sealed.audited.schema != SCHEMA {
            return Err(wrong("was written by another version of this program"));
        }
        if sealed.audited.digest() != sealed.sha256 {
            return Err(wrong("is damaged: its digest is another"));
        }
        Ok(Some(sealed.audited))
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let sealed = Sealed { audited: self.clone(), sha256: self.digest() };
        let mut bytes = serde_json::to_vec(&sealed).expect("INVARIANT: texts and numbers are JSON");
        bytes.push(b'\n');
        let path = std::path::absolute(path).map_err(crate::folder::at(path))?;
        write_durably(&path, &bytes)
    }

    fn digest(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("INVARIANT: texts and numbers are JSON");
        sha256(&[&bytes]).to_string()
    }

    /// Errors: it is of another charter than this.
    pub fn check_charter(&self, id: Digest) -> Result<(), StoreError> {
        if self.charter == id.to_string() {
            return Ok(());
        }
        let text = "the earlier audit was of another charter; remember this one in another file";
        Err(StoreError::Wrong(text.into()))
    }

    /// Of the logs that were audited now, those that this had seen, and how many entries of each.
    pub fn continued<'a>(&self, reports: &'a [LogReport]) -> Vec<(&'a str, u64)> {
        let known = |report: &'a LogReport| Some((report.origin.as_str(), self.log(&report.origin)?.size));
        reports.iter().filter_map(known).collect()
    }

    /// What is remembered of a log, by its origin.
    pub fn log(&self, origin: &str) -> Option<&AuditedLog> {
        self.logs.get(origin)
    }

    /// What to remember now: of logs that were not audited this time what it was.
    pub fn after(old: Option<&Self>, fold: &Fold, reports: &[LogReport]) -> Self {
        let mut logs = old.map(|old| old.logs.clone()).unwrap_or_default();
        for report in reports {
            let note = fold.log_named(&report.origin).and_then(|log| log.note()).map(|(_, note)| note);
            let new = AuditedLog::of(report, note.unwrap_or_default());
            let merged = match logs.remove(&report.origin) {
                Some(old) => old.followed_by(new, report),
                None => new,
            };
            logs.insert(report.origin.clone(), merged);
        }
        Self { schema: SCHEMA.to_owned(), charter: fold.charters()[0].id().to_string(), logs }
    }
}

/// Audits logs of a fold, going on from what is remembered of them: each must still begin with that, proofs of
/// then are not recomputed, and what had failed is told again. `trees` is what A03 said of the files of those that
/// lay in any. Remembered heads join `notes`. `entries` gives those of a fold for audit again; `seen` is shown each
/// round once.
///
/// Errors: an entry cannot be read again as it was.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing that an audit goes by; a struct would only rename them"
)]
pub fn audit_on(
    fold: &mut Fold,
    logs: &[String],
    entries: Option<&mut dyn Entries>,
    blobs: BlobSource<'_>,
    notes: &mut Notes,
    mut trees: BTreeMap<String, Check>,
    remembered: Option<&Audited>,
    seen: &mut dyn FnMut(&Round),
) -> Result<Vec<LogReport>, Vanished> {
    let known = |origin: &str| remembered.and_then(|remembered| remembered.log(origin));
    for log in logs.iter().filter_map(|log| fold.log_named(log)) {
        if let Some(head) = known(&log.origin).and_then(AuditedLog::note) {
            notes.entry(log.member.clone()).or_default().push(head.to_owned());
        }
    }
    let proved =
        |log: &Log| known(&log.origin).map_or(0, |known| known.proved(|size| log.tree().root_at(size)));
    let mut reports = match entries {
        Some(entries) => audit_twice(fold, logs, entries, blobs, notes, &proved, seen)?,
        None => {
            fold.rounds().values().for_each(|round| seen(round));
            let logs = logs.iter().filter_map(|log| fold.log_named(log));
            logs.map(|log| audit_one_from(fold, log, blobs, notes, proved(log))).collect()
        }
    };
    for report in &mut reports {
        let at = report.checks.iter().position(|check| check.code > "A03").unwrap_or(0);
        report.checks.splice(at..at, trees.remove(&report.origin));
        if let Some(known) = known(&report.origin) {
            known.remind(&mut report.checks);
        }
    }
    Ok(reports)
}

/// Whether what failed is held against the log's author for good: only what its key signed is. A copy that is
/// damaged, or that somebody made up, says nothing of the next one; nor does a note of another's making beside it.
fn is_kept(report: &LogReport, check: &Check) -> bool {
    let is_signed = !failed(report, "A01") && !failed(report, "A03");
    let by_a_note = check.code == "A02" || check.code == "A04" && check.entry.is_none();
    check.outcome == Outcome::Fail && is_signed && !by_a_note
}

fn failed(report: &LogReport, code: &str) -> bool {
    report.checks.iter().any(|check| check.code == code && check.outcome == Outcome::Fail)
}

impl AuditedLog {
    fn of(report: &LogReport, note: &str) -> Self {
        let failed_checks = report.checks.iter().filter(|check| is_kept(report, check));
        let failure =
            |check: &Check| Failure { code: check.code.into(), entry: check.entry, text: check.text.clone() };
        Self {
            size: report.entries,
            root: report.root.to_string(),
            note: if failed(report, "A01") { String::new() } else { note.to_owned() },
            proved: report.is_proved,
            failed: failed_checks.map(failure).collect(),
        }
    }

    /// What failed once has failed; the longer head counts, unless it is of another history.
    fn followed_by(self, new: Self, report: &LogReport) -> Self {
        let mut failures = self.failed.clone();
        failures.extend(
            new.failed.iter().filter(|new| !self.failed.iter().any(|old| old.is_told_by(&new.text))).cloned(),
        );
        failures.sort();
        failures.dedup();
        let goes_on = new.size >= self.size && !failed(report, "A04") && !failed(report, "A01");
        Self { failed: failures, ..if goes_on { new } else { self } }
    }

    /// The head that was audited, to hold the log against.
    pub fn note(&self) -> Option<&str> {
        (!self.note.is_empty()).then_some(self.note.as_str())
    }

    /// Entries whose proofs need not be recomputed, if these still have this root.
    pub fn proved(&self, root_at: impl Fn(u64) -> Option<Digest>) -> u64 {
        let same = root_at(self.size).is_some_and(|root| root.to_string() == self.root);
        if self.proved && same { self.size } else { 0 }
    }

    /// Puts what failed earlier, and does not fail now, among the checks.
    pub fn remind(&self, checks: &mut Vec<Check>) {
        for old in &self.failed {
            if checks.iter().any(|check| check.outcome == Outcome::Fail && check.text == old.text) {
                continue;
            }
            let of_code = checks.iter().position(|check| check.code == old.code);
            let (place, name) = of_code.map_or((checks.len(), "history"), |n| (n + 1, checks[n].name));
            let code = of_code.map_or("A04", |n| checks[n].code);
            let check = Check { code, name, outcome: Outcome::Fail, text: old.told(), entry: old.entry };
            checks.insert(place, check);
        }
    }
}

impl Failure {
    fn told(&self) -> String {
        format!("found by an earlier audit: {}", self.text)
    }

    fn is_told_by(&self, text: &str) -> bool {
        self.told() == text
    }
}
