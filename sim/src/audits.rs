//! Audits for tests: each is done in both ways that there are, over rounds that are held and over entries that are
//! read twice, and must say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{BlobSource, LogReport, Notes, audit_one_from, audit_twice};
use datacoop_protocol::fold::{Entries, Fold};

/// Entries of logs that are in memory.
pub struct InMemory(BTreeMap<MemberId, Vec<Arc<[u8]>>>);

impl Entries for InMemory {
    fn entry(&mut self, member: &MemberId, index: u64) -> Option<Arc<[u8]>> {
        self.0.get(member)?.get(usize::try_from(index).ok()?).cloned()
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
        for entry in log.entries() {
            assert!(shelved.append(&log.member, Arc::clone(entry)).is_some());
        }
        if let Some((size, note)) = log.note() {
            shelved.set_note(&log.member, size, note.to_owned());
        }
        entries.insert(log.member.clone(), log.entries().to_vec());
    }
    (shelved, InMemory(entries))
}

/// Audits every log that holds anything.
pub fn audit(fold: &Fold, blobs: BlobSource<'_>) -> Vec<LogReport> {
    audit_with(fold, blobs, &Notes::new())
}

/// As `audit`, with heads to hold the logs against.
pub fn audit_with(fold: &Fold, blobs: BlobSource<'_>, notes: &Notes) -> Vec<LogReport> {
    let members = fold.logs().filter(|log| log.size() > 0).map(|log| log.member.clone());
    both(fold, &members.collect::<Vec<_>>(), blobs, notes)
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
    both(fold, std::slice::from_ref(member), blobs, notes).pop()
}

fn both(fold: &Fold, members: &[MemberId], blobs: BlobSource<'_>, notes: &Notes) -> Vec<LogReport> {
    let once: Vec<LogReport> =
        members.iter().filter_map(|member| audit_one_from(fold, member, blobs, notes, 0)).collect();
    let (mut shelved, mut entries) = shelved(fold);
    let mut seen: BTreeMap<Digest, usize> = BTreeMap::new();
    let twice = audit_twice(&mut shelved, members, &mut entries, blobs, notes, &|_| 0, &mut |round| {
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
