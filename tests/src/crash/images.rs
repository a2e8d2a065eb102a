//! Every disk that a crash could leave of a recorded round, and what a start makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use datacoop_policy::{Digest, Span};
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::port::RoundSecret;
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::world::Store as _;

use super::cast::{Cast, begin};
use super::disk::{Did, DiskModel, Left};
use super::record::{Step, Trace};
use super::store::NodeStore;
use super::told::Told;

/// A temporary folder, in memory where there is one: syncs cost nothing there, and what a crash
/// leaves is computed here, not by the disk.
pub fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Files of a folder after a crash.
pub type Image = BTreeMap<PathBuf, Vec<u8>>;

/// Writes an image into an empty folder.
pub fn write_image(folder: &Path, image: &Image) {
    for (path, bytes) in image {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its owner's alone");
    }
}

/// Starts a member from an image. `Ok` with what it broke; `Err` when it refuses to start. After damage
/// that is no crash, the ends of rounds may be forgotten until peers tell them again: then secrets and
/// shares of those rounds are not looked at.
pub fn start_from(
    cast: &Cast,
    site: usize,
    image: &Image,
    told: &Told,
    damaged: bool,
) -> Result<Option<String>, String> {
    let folder = folder_in_memory();
    write_image(folder.path(), image);
    let mut store = NodeStore::new(folder.path(), Box::new(|_| {}));
    let kept = store.open()?;
    let (secrets, held) = (kept.secrets.clone(), kept.held.clone());
    let member = cast.restore(site, kept, begin() + Span(60_000))?;
    store.started(&member.named_blobs())?;
    let broken = told.broken_by(&member);
    if broken.is_some() || damaged {
        return Ok(broken);
    }
    for (id, secret) in &told.secrets {
        // A vector that nobody was told of may lie there already.
        let same = |found: &RoundSecret| {
            *found.seed == *secret.seed && (secret.vector.is_none() || found.vector == secret.vector)
        };
        let accepted = member.fold().round(id).is_some_and(|r| r.said(Kind::Verdict, member.me()).is_some());
        if accepted && !secrets.get(id).is_some_and(same) {
            return Ok(Some("the secret of an open round is gone or another".to_owned()));
        }
    }
    let lost = told.promised(&member).iter().any(|blob| !held.contains(blob));
    let zeroed = secrets.values().any(|secret| *secret.seed == [0; 32]);
    Ok(match (lost, zeroed) {
        (true, _) => Some("a sealed share that an entry names is gone".to_owned()),
        (_, true) => Some("a secret that was half erased is taken for one".to_owned()),
        (false, false) => None,
    })
}

/// Leaf hashes of a member's own entries in a journal's records, in order: for looking at a folder
/// without starting from it.
pub fn own_leaves(records: &[Record]) -> Vec<Digest> {
    let own = records.iter().filter_map(|record| match record {
        Record::Entry(Bytes(bytes)) => Some(leaf_hash(bytes)),
        Record::Copied(_)
        | Record::Cosigned(_)
        | Record::Restored
        | Record::Left(_)
        | Record::Decided { .. } => None,
    });
    own.collect()
}

/// What came of many images.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Images that were tried.
    pub images: u64,
    /// Started, and nothing that was told is broken.
    pub started: u64,
    /// Refused to start.
    pub refused: u64,
    /// Refused or broken where that must not be: what, and where.
    pub failures: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, at: &str, outcome: Result<Option<String>, String>, may_refuse: bool) {
        self.images += 1;
        match outcome {
            Ok(None) => self.started += 1,
            Ok(Some(broken)) => self.failures.push(format!("{at}: {broken}")),
            Err(_) if may_refuse => self.refused += 1,
            Err(error) => self.failures.push(format!("{at}: does not start: {error}")),
        }
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.images += other.images;
        self.started += other.started;
        self.refused += other.refused;
        self.failures.extend(other.failures);
        self
    }
}

/// Every disk that a crash between, or in the midst of, two changes of a trace leaves: all that was
/// written; all that was synced and nothing else; `cuts` parts of the rest; and each write torn at
/// its first byte, its middle and before its last.
pub fn crash_everywhere(cast: &Cast, site: usize, trace: &Trace, cuts: u64) -> Tally {
    let (mut disk, mut told, mut tally) = (DiskModel::default(), Told::default(), Tally::default());
    for (n, step) in trace.iter().enumerate() {
        let did = match step {
            Step::Told(ack) => {
                told.add(ack);
                continue;
            }
            Step::Disk(did) => did,
        };
        // A killed process and a full sync leave the same: no change, no new image.
        let kinds = [Left::Written, Left::SyncedOnly].into_iter();
        let parts = (0..cuts).map(|cut| Left::Some(n as u64 * 1_000 + cut));
        for left in kinds.chain(parts) {
            let outcome = start_from(cast, site, &disk.left(left), &told, false);
            tally.add(&format!("member {site}, before step {n} ({did}), {left:?}"), outcome, false);
        }
        if let Did::Write(path, offset, bytes) = did {
            for length in BTreeSet::from([1, bytes.len() / 2, bytes.len().saturating_sub(1)]) {
                let mut torn = disk.clone();
                torn.apply(&Did::Write(path.clone(), *offset, bytes[..length].to_vec()));
                let outcome = start_from(cast, site, &torn.left(Left::Written), &told, false);
                tally.add(&format!("member {site}, step {n} torn at {length}"), outcome, false);
            }
        }
        disk.apply(did);
    }
    let outcome = start_from(cast, site, &disk.left(Left::SyncedOnly), &told, false);
    tally.add(&format!("member {site}, at the end"), outcome, false);
    tally
}

/// Calls `measure` for each item on two threads.
pub(crate) fn on_two<T: Sync>(items: &[T], measure: impl Fn(&T) -> Tally + Sync) -> Tally {
    let run = |part: usize| {
        let mine = items.iter().skip(part).step_by(2).map(&measure);
        mine.fold(Tally::default(), Tally::join)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        run(0).join(other.join().expect("it ran"))
    })
}

/// `crash_everywhere` for all members.
pub fn crash_all(cast: &Cast, traces: &[Trace], cuts: u64) -> Tally {
    let sites: Vec<usize> = (0..traces.len()).collect();
    on_two(&sites, |site| crash_everywhere(cast, *site, &traces[*site], cuts))
}

/// The journal's last bytes damaged: each of the last frame flipped, and of the last 64 KiB every
/// `stride`th; every prefix that ends in the last frame; zeros from any of these places on. The
/// member starts with all that it told, or refuses.
pub fn damage_tail(cast: &Cast, site: usize, trace: &Trace, stride: usize) -> Tally {
    let (mut disk, mut told) = (DiskModel::default(), Told::default());
    let mut last = (PathBuf::new(), 0);
    for step in trace {
        match step {
            Step::Disk(did) => {
                if let Did::Write(path, offset, _) = did
                    && path.starts_with("journal")
                {
                    last = (path.clone(), usize::try_from(*offset).expect("a small file"));
                }
                disk.apply(did);
            }
            Step::Told(ack) => told.add(ack),
        }
    }
    let (path, frame) = last;
    let image = disk.left(Left::Written);
    let length = image[&path].len();
    let tail = length.saturating_sub(64 * 1024);
    let places: Vec<usize> =
        (tail..length).filter(|at| (at - tail) % stride == 0 || *at < frame + 40 && *at >= frame).collect();
    on_two(&places, |at| {
        let mut tally = Tally::default();
        for (what, change) in DAMAGE {
            let mut bad = image.clone();
            change(bad.get_mut(&path).expect("the journal"), *at);
            let outcome = start_from(cast, site, &bad, &told, true);
            tally.add(&format!("member {site}, journal {what} at {at} of {length}"), outcome, true);
        }
        tally
    })
}

type Damage = (&'static str, fn(&mut Vec<u8>, usize));
const DAMAGE: [Damage; 4] = [
    ("bit flipped", |bytes, at| bytes[at] ^= 1),
    ("byte flipped", |bytes, at| bytes[at] ^= 0xff),
    ("cut", |bytes, at| bytes.truncate(at)),
    ("zeroed", |bytes, at| bytes[at..].fill(0)),
];
