//! How fast a node's own log grows, on its own storage: an entry as journal record, leaf of the tree and
//! part of a signed head, durable in the order in which the node makes it so.
//!
//! `cargo bench -p datacoop-tests --bench append [-- FOLDER]` prints entries a second in batches, each batch
//! one journal frame and one signed head; and what a single durable append takes beside two bare syncs of
//! files of the same sizes on the same disk, which bound it from below. FOLDER says which disk.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use datacoop::folder::Folder;
use datacoop::storage::Storage;
use datacoop_policy::{Digest, MemberId, Time};
use datacoop_protocol::entry::{Body, Entry, Ref};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_protocol::member::port::Output;
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::coop::Founder;

/// Entries of a run in batches.
const ENTRIES: u64 = 10_000;
/// Entries that one frame and one head take: what a node answers at once, and what it takes in at once after
/// it was away.
const BATCHES: [u64; 2] = [100, 1_000];
/// Single appends that are measured.
const SINGLES: u64 = 200;
/// Entries a second that the larger batches must reach: an issue asks for it.
const RATE_MIN: f64 = 20_000.0;

/// A node's log and its disk.
struct Log {
    by: MemberId,
    keys: Keys,
    tree: Tree,
    storage: Storage,
    _folder: Folder,
}

impl Log {
    fn new(home: &Path) -> Self {
        let folder = Folder::open(home).unwrap();
        let storage = Storage::open(home).unwrap().0;
        let founder = Founder::new(&Seed::new([7; 32]), 0, "School", 200, vec![]);
        let (by, keys) = (founder.id.clone(), founder.keys());
        Self { by, keys, tree: Tree::default(), storage, _folder: folder }
    }

    /// Appends entries and signs the head over them, durably: when this returns, they may be told.
    fn append(&mut self, entries: u64) {
        let now = Time(1_764_583_200_000);
        for _ in 0..entries {
            let body = Body::Void { query: Digest([1; 32]), debit: reference(), code: "ended".into() };
            let seq = self.tree.size();
            let bytes = Entry { at: now, by: self.by.clone(), seq, body }.to_bytes();
            // As the node does: read back what others must be able to read.
            Entry::parse(&bytes).unwrap();
            self.tree.push(leaf_hash(&bytes));
            self.storage.take(Output::Store(Record::Entry(Bytes(bytes))), now).unwrap();
        }
        let (size, root) = (self.tree.size(), self.tree.root());
        let origin = self.keys.public().log.name.clone();
        let note = sign_checkpoint(&Checkpoint { origin, size, root }, self.keys.log());
        self.storage.take(Output::Sign { size, note }, now).unwrap();
        self.storage.settle(now).unwrap();
    }
}

fn reference() -> Ref {
    Ref { log: "school.example/datacoop/log/1".into(), index: 5, leaf: Digest([2; 32]) }
}

/// p50 of two bare synced writes to two files, of so many bytes each.
fn two_syncs(folder: &Path, bytes: usize) -> Duration {
    let open = |name: &str| {
        let path = folder.join(name);
        std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
    };
    let (mut a, mut b) = (open("bare-a"), open("bare-b"));
    median((0..SINGLES).map(|_| {
        let began = Instant::now();
        for file in [&mut a, &mut b] {
            file.write_all(&vec![7; bytes]).unwrap();
            file.sync_data().unwrap();
        }
        began.elapsed()
    }))
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let made = named.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    let mut log = Log::new(&made.path().join("node"));
    let mut rate = 0.0;
    for batch in BATCHES {
        log.append(batch);
        let began = Instant::now();
        (0..ENTRIES / batch).for_each(|_| log.append(batch));
        rate = ENTRIES as f64 / began.elapsed().as_secs_f64();
        println!("{ENTRIES} entries, {batch} a batch: {rate:.0} entries/s");
    }
    let single = median((0..SINGLES).map(|_| {
        let began = Instant::now();
        log.append(1);
        began.elapsed()
    }));
    let bare = two_syncs(made.path(), 300);
    println!(
        "one durable append: p50 {} us; two bare syncs: p50 {} us; {:.2} times",
        single.as_micros(),
        bare.as_micros(),
        single.as_secs_f64() / bare.as_secs_f64()
    );
    assert!(rate >= RATE_MIN, "{rate:.0} entries/s; at least {RATE_MIN} are asked for");
}
