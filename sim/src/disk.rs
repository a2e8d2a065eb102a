//! Disks in memory: what a member stores, and what a crash, a failing write or an old backup leaves of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Output, RoundSecret, RoundSecrets};
use datacoop_protocol::wire::Record;
use zeroize::Zeroizing;

/// Where a member keeps what must outlive a crash.
pub trait Store {
    /// What a start finds. Errors: the member cannot start now.
    fn open(&mut self) -> Result<Kept, String>;
    /// The member started; these are the blobs that its entries name.
    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String>;
    /// Does what is the disk's of an output and gives back the rest, not before all that was to be
    /// durable is. Errors: the disk failed, which ends this life of the member.
    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String>;
    /// After the last output of an input.
    fn settle(&mut self, now: Time) -> Result<(), String>;
    /// A blob.
    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>>;
    /// The power went: what was not durable may be gone.
    fn crash(&mut self) {}
    /// What is kept for an auditor of a round; `None` where a store keeps none.
    fn opening(&self, _: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}

/// What a start finds.
pub struct Kept {
    /// The journal, in order.
    pub records: Vec<Record>,
    /// The newest head that was signed: entries, and the note.
    pub last_signed: Option<(u64, String)>,
    /// Secrets of open rounds.
    pub secrets: RoundSecrets,
    /// Rounds of which an opening is kept.
    pub openings: BTreeSet<QueryId>,
    /// Names of the blobs.
    pub held: BTreeSet<Digest>,
}

/// A disk in memory. What a crash leaves: whatever was stored, and nothing after the last barrier.
#[derive(Default, Clone)]
pub struct Disk {
    records: Vec<Record>,
    synced: usize,
    last_signed: Option<(u64, String)>,
    secrets: BTreeMap<QueryId, Vec<u8>>,
    openings: BTreeMap<QueryId, Zeroizing<Vec<u8>>>,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    /// Their names as they came: a name hangs on the randomness of shares, and no run could be done again.
    came: Vec<Digest>,
    /// Which of them are sealed shares, and of which round.
    shares: BTreeMap<Digest, QueryId>,
}

impl Store for Disk {
    fn open(&mut self) -> Result<Kept, String> {
        self.records.truncate(self.synced);
        let secrets = self.secrets.iter().filter_map(|(id, bytes)| Some((*id, RoundSecret::parse(bytes)?)));
        Ok(Kept {
            records: self.records.clone(),
            last_signed: self.last_signed.clone(),
            secrets: secrets.collect(),
            openings: self.openings.keys().copied().collect(),
            held: self.blobs.keys().copied().collect(),
        })
    }

    fn started(&mut self, _: &BTreeSet<Digest>) -> Result<(), String> {
        Ok(())
    }

    fn take(&mut self, _: Time, output: Output) -> Result<Option<Output>, String> {
        match output {
            Output::Store(record) => {
                self.records.push(record);
                self.synced = self.records.len();
            }
            Output::Keep(record) => self.records.push(record),
            Output::Sign { size, note } => {
                self.synced = self.records.len();
                self.last_signed = Some((size, note));
            }
            Output::StoreBlob { hash, bytes, round } => {
                if self.blobs.insert(hash, bytes).is_none() {
                    self.came.push(hash);
                }
                self.shares.extend(round.map(|round| (hash, round)));
            }
            Output::RemoveShares(round) => {
                self.blobs.retain(|hash, _| self.shares.get(hash) != Some(&round));
                self.came.retain(|hash| self.blobs.contains_key(hash));
            }
            Output::KeepSecret(id, secret) => {
                self.secrets.insert(id, secret.to_bytes().to_vec());
            }
            Output::EraseSecret(id) => {
                self.secrets.remove(&id);
            }
            Output::KeepOpening(id, bytes) => {
                self.openings.insert(id, bytes);
            }
            Output::EraseOpening(id) => {
                self.openings.remove(&id);
            }
            other @ (Output::LoadBlob(_)
            | Output::Dial(..)
            | Output::Hangup(_)
            | Output::Request { .. }
            | Output::Reply { .. }
            | Output::ReplyPiece { .. }
            | Output::Tabulate(..)
            | Output::Draw { .. }
            | Output::Compute(_)
            | Output::Tell(_)) => return Ok(Some(other)),
        }
        Ok(None)
    }

    fn settle(&mut self, _: Time) -> Result<(), String> {
        Ok(())
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.blobs.get(hash).cloned()
    }

    fn opening(&self, id: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        self.openings.get(id).cloned()
    }
}

impl Disk {
    /// Without secrets of rounds and what may have to be shown: as a backup, which never holds them.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        (self.secrets, self.openings) = (BTreeMap::new(), BTreeMap::new());
        self
    }
}

/// What a write that fails leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The record is there although the disk said no.
    Stored,
    /// It is not.
    Lost,
}

/// A disk that somebody beside its member holds too, to make it fail.
///
/// A frame holds neighbouring records, is written at once and is whole or gone: what tears it takes all of it.
#[derive(Clone, Default)]
pub struct Held(Rc<RefCell<Holding>>);

#[derive(Default)]
struct Holding {
    disk: Disk,
    /// Ends of frames among the records, those that are not yet durable last.
    frames: Vec<usize>,
    failure: Option<Failure>,
    /// No room is left.
    full: bool,
    /// How many frames that were not synced the next crash keeps.
    keeps: usize,
}

impl Held {
    /// The disk as it is now, as a copy of the folder holds it.
    pub fn copy(&self) -> Disk {
        let mut held = self.0.borrow().disk.clone();
        held.records.truncate(held.synced);
        held
    }

    /// Puts an older copy in its place. The member must be off.
    pub fn put_back(&self, disk: Disk) {
        let mut held = self.0.borrow_mut();
        held.frames.clear();
        held.disk = disk;
    }

    /// The next record that must be durable fails.
    pub fn fail_next(&self, failure: Failure) {
        self.0.borrow_mut().failure = Some(failure);
    }

    /// No room is left from now on, or there is again. What starts writes first, so nothing starts.
    pub fn fill(&self, full: bool) {
        self.0.borrow_mut().full = full;
    }

    /// A byte flips in the nth blob; whether there was one.
    pub fn rot_blob(&self, nth: usize) -> bool {
        let disk = &mut self.0.borrow_mut().disk;
        let Some(nth) = nth.checked_rem(disk.came.len()) else { return false };
        let Some(bytes) = disk.blobs.get_mut(&disk.came[nth]) else { return false };
        let mut rotten = bytes.to_vec();
        let Some(byte) = rotten.first_mut() else { return false };
        *byte ^= 1;
        *bytes = rotten.into();
        true
    }

    /// A byte flips in the journal, before its nth record from the end: its frames say so at the next start, and the
    /// person here restores the folder, which keeps what came before. The member must be off.
    pub fn rot_journal(&self, nth: usize) {
        let mut held = self.0.borrow_mut();
        held.frames.clear();
        let disk = &mut held.disk;
        let kept = disk.synced.saturating_sub(nth + 1);
        disk.records.truncate(kept);
        disk.records.push(Record::Restored);
        disk.synced = disk.records.len();
    }

    /// Of what is not synced a crash keeps so many whole frames.
    pub fn keep_unsynced(&self, frames: usize) {
        self.0.borrow_mut().keeps = frames;
    }

    /// Loses the nth blob of those on disk that are no sealed shares; whether there was one.
    pub fn lose_blob(&self, nth: usize) -> bool {
        let disk = &mut self.0.borrow_mut().disk;
        let names: Vec<Digest> =
            disk.came.iter().filter(|name| !disk.shares.contains_key(*name)).copied().collect();
        let Some(name) = nth.checked_rem(names.len()).map(|at| names[at]) else { return false };
        disk.came.retain(|came| *came != name);
        disk.blobs.remove(&name).is_some()
    }
}

impl Store for Held {
    fn open(&mut self) -> Result<Kept, String> {
        let mut held = self.0.borrow_mut();
        if held.full {
            return Err("the disk is full".to_owned());
        }
        held.frames.clear();
        held.disk.open()
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.0.borrow_mut().disk.started(named)
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        let mut held = self.0.borrow_mut();
        let is_record = matches!(output, Output::Store(_) | Output::Keep(_));
        let durable = matches!(output, Output::Store(_));
        if durable && let Some(failure) = held.failure.take() {
            if failure == Failure::Stored {
                held.disk.take(now, output)?;
            }
            return Err("the disk is full".to_owned());
        }
        if held.full && is_for_disk(&output) {
            return Err("the disk is full".to_owned());
        }
        let left = held.disk.take(now, output)?;
        if is_record {
            let end = held.disk.records.len();
            held.frames.push(end);
        }
        if held.disk.synced == held.disk.records.len() {
            held.frames.clear();
        }
        Ok(left)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        self.0.borrow_mut().disk.settle(now)
    }

    /// As a node reads one: what is not what its name says is not there.
    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.0.borrow().disk.blob(hash).filter(|bytes| sha256(&[bytes]) == *hash)
    }

    fn opening(&self, id: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        self.0.borrow().disk.opening(id)
    }

    fn crash(&mut self) {
        let mut held = self.0.borrow_mut();
        let keeps = std::mem::take(&mut held.keeps);
        let end =
            keeps.checked_sub(1).and_then(|last| held.frames.get(last.min(held.frames.len().max(1) - 1)));
        if let Some(end) = end.copied() {
            held.disk.synced = held.disk.synced.max(end);
        }
        held.frames.clear();
    }
}

/// Whether a store does this and gives nothing back: whoever looks on sees it before.
pub(crate) fn is_for_disk(output: &Output) -> bool {
    match output {
        Output::Store(_)
        | Output::Keep(_)
        | Output::Sign { .. }
        | Output::StoreBlob { .. }
        | Output::RemoveShares(_)
        | Output::KeepSecret(..)
        | Output::EraseSecret(_)
        | Output::KeepOpening(..)
        | Output::EraseOpening(_) => true,
        Output::LoadBlob(_)
        | Output::Dial(..)
        | Output::Hangup(_)
        | Output::Request { .. }
        | Output::Reply { .. }
        | Output::ReplyPiece { .. }
        | Output::Tabulate(..)
        | Output::Draw { .. }
        | Output::Compute(_)
        | Output::Tell(_) => false,
    }
}
