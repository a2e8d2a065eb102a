//! Audits for tests: each is done in both ways that there are, over rounds that are held and over entries that are
//! read twice, and must say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{BlobSource, LogReport, Notes, audit_one_from, audit_twice};
use datacoop_protocol::fold::{Entries, Fold};

/// Entries of logs that are in memory.
pub struct InMemory(BTreeMap<String, Vec<Arc<[u8]>>>);

impl Entries for InMemory {
    fn entry(&mut self, log: &str, index: u64) -> Option<Arc<[u8]>> {
        self.0.get(log)?.get(usize::try_from(index).ok()?).cloned()
    }

    /// As few as can be: what is read again must say the same.
    fn rounds_held(&self) -> usize {
        2
    }
}

/// A fold for audit of the same logs, and their entries.
///
/// # Panics
/// If an entry is not taken.
pub fn shelved(fold: &Fold) -> (Fold, InMemory) {
    let mut shelved = fold.emptied_for_audit();
    let mut entries = BTreeMap::new();
    for log in fold.logs() {
        if let Some(first) = log.entries().first() {
            shelved.foretell(&log.origin, first);
        }
    }
    for log in fold.logs() {
        for entry in log.entries() {
            assert!(shelved.append_of(&log.origin, Arc::clone(entry)).is_some());
        }
        if let Some((size, note)) = log.note() {
            shelved.set_note_named(&log.origin, size, note.to_owned());
        }
        entries.insert(log.origin.clone(), log.entries().to_vec());
    }
    (shelved, InMemory(entries))
}

/// Audits every log that holds anything.
pub fn audit(fold: &Fold, blobs: BlobSource<'_>) -> Vec<LogReport> {
    audit_with(fold, blobs, &Notes::new())
}

/// As `audit`, with heads to hold the logs against.
pub fn audit_with(fold: &Fold, blobs: BlobSource<'_>, notes: &Notes) -> Vec<LogReport> {
    let logs = fold.logs().filter(|log| log.size() > 0).map(|log| log.origin.clone());
    both(fold, &logs.collect::<Vec<_>>(), blobs, notes)
}

/// Audits one member's log.
pub fn audit_one(fold: &Fold, member: &MemberId, blobs: BlobSource<'_>) -> Option<LogReport> {
    audit_one_with(fold, member, blobs, &Notes::new())
}

/// As `audit_one`, with heads to hold the log against.
pub fn audit_one_with(
    fold: &Fold,
    member: &MemberId,
    blobs: BlobSource<'_>,
    notes: &Notes,
) -> Option<LogReport> {
    let log = fold.log(member)?.origin.clone();
    both(fold, &[log], blobs, notes).pop()
}

fn both(fold: &Fold, logs: &[String], blobs: BlobSource<'_>, notes: &Notes) -> Vec<LogReport> {
    let once: Vec<LogReport> = logs
        .iter()
        .filter_map(|log| Some(audit_one_from(fold, fold.log_named(log)?, blobs, notes, 0)))
        .collect();
    let (mut shelved, mut entries) = shelved(fold);
    let mut seen: BTreeMap<Digest, usize> = BTreeMap::new();
    let twice = audit_twice(&mut shelved, logs, &mut entries, blobs, notes, &|_| 0, &mut |round| {
        *seen.entry(round.id).or_default() += 1;
    });
    let twice = twice.expect("INVARIANT: what is in memory does not change");
    assert_eq!(once, twice, "read twice, the same logs say something else");
    assert!(seen.values().all(|times| *times == 1), "each round is shown once");
    // What is left of the rounds is what was released.
    let released =
        fold.rounds().values().filter(|round| round.released().is_some() && seen.contains_key(&round.id));
    assert!(released.map(|round| &round.id).eq(shelved.rounds().keys()), "the Releases are told of");
    once
}
