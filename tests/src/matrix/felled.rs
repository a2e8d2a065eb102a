//! The node's real storage on a disk that is modelled beside it, whose power goes at one durable step of one
//! member: it then holds what a disk could hold, and the start that follows is seen to find the step or not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use datacoop::disk::{self, Change};
use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::entry::Entry;
use datacoop_protocol::member::port::Output;
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::world::{Kept, Store};
use zeroize::Zeroizing;

use super::steps::{Fate, Step};
use crate::crash::{Did, DiskModel, Image, Left, NodeStore, Tell, write_image};

/// A break of what the steps promise, for the test of the tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// What is to be erased stays.
    KeepsWhatIsErased,
    /// Each secret is written only at the end of an input: after the verdict, or the shares, that rest on it.
    SecretsLast,
    /// The newest signed head is not written.
    ForgetsHeads,
    /// A debit is not written.
    ForgetsDebits,
    /// The journal is not synced before what it says is acted upon.
    NeverSyncsTheJournal,
}

/// Which step ends whose process, and how.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The step.
    pub step: Step,
    /// How.
    pub fate: Fate,
    /// Of how many before, of all members, the process outlives the step.
    pub after: u64,
}

/// What happened at the target.
pub(super) struct Hit {
    /// Whose process ended.
    pub(super) site: usize,
    /// Whether the next start found the step done; `None` before it.
    pub(super) found: Option<bool>,
    mark: Mark,
}

/// What the members of one world share.
#[derive(Default)]
pub(super) struct Shared {
    /// Each member's disk.
    pub(super) disks: Vec<DiskModel>,
    /// Where the power goes.
    pub(super) target: Option<Target>,
    /// What became of it.
    pub(super) hit: Option<Hit>,
    /// How often each step was taken.
    pub(super) taken: BTreeMap<Step, u64>,
    /// Members that end whenever they are about to write an entry of this kind.
    pub(super) asleep: BTreeMap<usize, &'static str>,
    /// What is broken on purpose.
    pub(super) sabotage: Option<Sabotage>,
    pub(super) failing: Option<Fate>,
    pub(super) is_down: bool,
}

/// What a step leaves on a disk.
enum Mark {
    Record(Record),
    Head(u64),
    Held(Digest),
    NoShares(QueryId),
    Secret(QueryId, Zeroizing<Vec<u8>>),
    NoSecret(QueryId),
    Opening(QueryId),
    NoOpening(QueryId),
}

impl Mark {
    #[expect(clippy::wildcard_enum_match_arm, reason = "`Step::of` knows which are the disk's")]
    fn of(output: &Output) -> Self {
        match output {
            Output::Store(record) | Output::Keep(record) => Self::Record(record.clone()),
            Output::Sign { size, .. } => Self::Head(*size),
            Output::StoreBlob { hash, .. } => Self::Held(*hash),
            Output::RemoveShares(id) => Self::NoShares(*id),
            Output::KeepSecret(id, secret) => Self::Secret(*id, secret.to_bytes()),
            Output::EraseSecret(id) => Self::NoSecret(*id),
            Output::KeepOpening(id, _) => Self::Opening(*id),
            Output::EraseOpening(id) => Self::NoOpening(*id),
            _ => unreachable!("INVARIANT: `Step::of` said that it is a durable step"),
        }
    }

    /// Whether a start finds it.
    fn is_found(&self, home: &Path, kept: &Kept) -> bool {
        match self {
            Self::Record(record) => kept.records.contains(record),
            Self::Head(size) => kept.last_signed.as_ref().is_some_and(|(signed, _)| signed >= size),
            Self::Held(hash) => kept.held.contains(hash),
            Self::NoShares(id) => !home.join("blobs/rounds").join(id.to_string()).exists(),
            Self::Secret(id, bytes) => kept.secrets.get(id).is_some_and(|found| found.to_bytes() == *bytes),
            Self::NoSecret(id) => !kept.secrets.contains_key(id),
            Self::Opening(id) => kept.openings.contains(id),
            Self::NoOpening(id) => !kept.openings.contains(id),
        }
    }
}

/// Watches the disks of all members below a folder, one folder each, named by their numbers.
pub(super) fn watch(root: &Path, shared: &Rc<RefCell<Shared>>) {
    let (root, shared) = (root.to_owned(), shared.clone());
    disk::watch(Some(Box::new(move |change| {
        let first = match change {
            Change::MakeDir(p) | Change::Create(p) | Change::Write(p, ..) | Change::Cut(p, _) => p,
            Change::Sync(p) | Change::Rename(p, _) | Change::Remove(p) | Change::SyncDir(p) => p,
        };
        let below = first.strip_prefix(&root).expect("below");
        let name = below.components().next().expect("a site").as_os_str().to_str().expect("text").to_owned();
        let site: usize = name.parse().expect("a number");
        shared.borrow_mut().see(site, change, &root.join(name))
    })));
}

impl Shared {
    /// A disk changes; an error is what the change then ends with.
    fn see(&mut self, site: usize, change: &Change<'_>, home: &Path) -> std::io::Result<()> {
        let did = Did::of(change, home);
        match (self.failing, change) {
            (Some(Fate::Torn), Change::Write(path, offset, bytes)) if !self.is_down => {
                let half = &bytes[..bytes.len() / 2];
                std::fs::OpenOptions::new().write(true).open(path)?.write_all_at(half, *offset)?;
                if let Did::Write(path, offset, bytes) = did {
                    let half = bytes[..bytes.len() / 2].to_vec();
                    self.disks[site].apply(&Did::Write(path, offset, half));
                }
                self.is_down = true;
            }
            (Some(Fate::Unsynced), Change::Sync(_) | Change::SyncDir(_)) => self.is_down = true,
            (_, Change::Sync(_)) if self.never_syncs(&did) => {}
            _ if !self.is_down => self.disks[site].apply(&did),
            _ => {}
        }
        if self.is_down { Err(std::io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn never_syncs(&self, did: &Did) -> bool {
        let never = self.sabotage == Some(Sabotage::NeverSyncsTheJournal);
        never && matches!(did, Did::Sync(path) if path.starts_with("journal"))
    }

    /// Counts a step; how its process ends, if it does.
    fn take(&mut self, step: Step) -> Option<Fate> {
        let count = self.taken.entry(step).or_default();
        *count += 1;
        let hits = |target: &&Target| target.step == step && target.after + 1 == *count;
        self.target.as_ref().filter(hits).filter(|_| self.hit.is_none()).map(|target| target.fate)
    }
}

/// A member's storage.
pub(super) struct Felled {
    site: usize,
    home: std::path::PathBuf,
    store: NodeStore,
    shared: Rc<RefCell<Shared>>,
    restoring: bool,
    late: Vec<Output>,
}

impl Felled {
    /// In this folder.
    pub(super) fn new(site: usize, home: &Path, shared: &Rc<RefCell<Shared>>, tell: Tell) -> Self {
        let (store, shared) = (NodeStore::new(home, tell), shared.clone());
        Self { site, home: home.to_owned(), store, shared, restoring: false, late: vec![] }
    }

    /// The process ends, and its folder holds what the disk then does.
    fn fall(&mut self, left: Left) {
        self.store.drop_process();
        let image = self.shared.borrow().disks[self.site].left(left);
        put_back(&self.home, &image);
        self.shared.borrow_mut().disks[self.site] = DiskModel::holding(&image);
    }

    fn end(&mut self, now: Time, output: Output, fate: Fate) -> String {
        let mark = Mark::of(&output);
        let mut left = Left::SyncedOnly;
        match fate {
            Fate::Never => {}
            // As far as it knows.
            Fate::Persisted if self.break_it(&output).is_some() => {}
            Fate::Persisted => {
                let done = self.store.take(now, output).and_then(|_| self.store.flush(now));
                done.expect("the disk is well");
            }
            Fate::Torn | Fate::Unsynced => {
                // What waits is not what fails.
                self.store.flush(now).expect("the disk is well");
                self.shared.borrow_mut().failing = Some(fate);
                let _fails = self.store.take(now, output).and_then(|_| self.store.flush(now));
                let mut shared = self.shared.borrow_mut();
                (shared.failing, shared.is_down) = (None, false);
                if fate == Fate::Torn {
                    left = Left::Written;
                }
            }
        }
        self.fall(left);
        self.shared.borrow_mut().hit = Some(Hit { site: self.site, found: None, mark });
        format!("the power went: {fate:?}")
    }

    /// What a broken member does with an output in place of what it should; `None` if as it should.
    fn break_it(&mut self, output: &Output) -> Option<bool> {
        let debit = |record: &Record| matches!(record, Record::Entry(Bytes(bytes)) if Entry::parse(bytes).is_ok_and(|e| e.body.kind() == "debit"));
        let sabotage = self.shared.borrow().sabotage?;
        let breaks = match sabotage {
            Sabotage::NeverSyncsTheJournal => false,
            Sabotage::KeepsWhatIsErased => matches!(output, Output::EraseOpening(_) | Output::EraseSecret(_)),
            Sabotage::SecretsLast => matches!(output, Output::KeepSecret(..) | Output::KeepOpening(..)),
            Sabotage::ForgetsHeads => matches!(output, Output::Sign { .. }),
            Sabotage::ForgetsDebits => matches!(output, Output::Store(record) if debit(record)),
        };
        breaks.then_some(sabotage == Sabotage::SecretsLast)
    }
}

/// Makes a folder hold these files and no others.
pub(super) fn put_back(home: &Path, image: &Image) {
    std::fs::remove_dir_all(home).expect("a folder");
    std::fs::create_dir_all(home).expect("a folder");
    write_image(home, image);
}

impl Store for Felled {
    fn open(&mut self) -> Result<Kept, String> {
        self.late.clear();
        let kept = self.store.open()?;
        let lost = kept.records.iter().rev().find(|r| matches!(r, Record::Restored | Record::Left(_)));
        self.restoring = lost == Some(&Record::Restored);
        if let Some(hit) = self.shared.borrow_mut().hit.as_mut().filter(|hit| hit.site == self.site) {
            hit.found.get_or_insert(hit.mark.is_found(&self.home, &kept));
        }
        Ok(kept)
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        // As the node: which entries name blobs is not known while they are taken back.
        if self.restoring { Ok(()) } else { self.store.started(named) }
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        let Some(step) = Step::of(&output, self.restoring) else { return self.store.take(now, output) };
        if let Output::Store(Record::Entry(Bytes(bytes))) = &output {
            let kind = Entry::parse(bytes).expect("our own entry").body.kind();
            if self.shared.borrow().asleep.get(&self.site) == Some(&kind) {
                // What it said before is said: a close and an open may come of one input, and whoever fell asleep
                // with both would never close.
                self.store.flush(now)?;
                self.store.drop_process();
                return Err("asleep".to_owned());
            }
        }
        let fate = self.shared.borrow_mut().take(step);
        if let Some(fate) = fate {
            return Err(self.end(now, output, fate));
        }
        if let Some(later) = self.break_it(&output) {
            self.late.extend(later.then_some(output));
            return Ok(None);
        }
        self.restoring = step == Step::Restored || self.restoring && step != Step::LeftRounds;
        self.store.take(now, output)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        for output in std::mem::take(&mut self.late) {
            self.store.take(now, output)?;
        }
        self.store.settle(now)
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.store.blob(hash)
    }

    fn opening(&self, id: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        std::fs::read(self.home.join("keys/openings").join(id.to_string())).ok().map(Zeroizing::new)
    }
}
