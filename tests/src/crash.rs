//! Crashes: members of the simulated world on the node's real storage, every change of the disk and
//! every acknowledgement in the order in which they happened, and the disks that a crash at any of
//! them could leave. What this file does *not* do: kill a process; `bin/crash-victim` is for that.

#![expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datacoop::disk::{self, Change};
use datacoop::folder::{Folder, StoreError};
use datacoop::storage::Storage;
use datacoop_policy::charter::Charter;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::{BoundQuestion, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::note::open_checkpoint;
use datacoop_protocol::log::tree::{leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input, Output, RoundSecret};
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::seed::Seed;
use datacoop_protocol::standing;
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::{Kept, Store, World};

use crate::PATIENCE;
use crate::report::Figure;

/// What one Query costs here, billionths of rho.
pub const LOSS: u64 = 5_000_000;
/// Exit code of `crash-victim` when the disk refused something.
pub const DISK_FAILED: i32 = 3;
/// Five is the fewest for a committee.
pub const MEMBERS: usize = 5;
const EXAM: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;

/// Question number `n`: each is another one, so none waits for another.
pub fn question(n: u64) -> QuestionDraft {
    QuestionDraft::from_toml(&format!(
        r#"
        id = "how-many-{n}"
        version = 1
        title = "How many?"
        vocabulary = "exam/1"
        figure = {{ kind = "count", of = "n" }}
        loss = 5_000_000
        matters = "10"
        measure = [{{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }}]
        by = [{{ column = "sex", cells = ["F", "M"] }}]"#
    ))
    .expect("a question")
}

/// The co-operative of these tests: the same keys and charter in every process.
pub struct Cast {
    /// Its charter.
    pub charter: Arc<Charter>,
    /// Its vocabulary.
    pub vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    seed: Seed,
}

impl Cast {
    /// Five schools.
    pub fn new() -> Self {
        let seed = Seed::new([41; 32]);
        let vocabulary = Vocabulary::from_toml(EXAM).expect("a vocabulary");
        let hash = sha256(&[EXAM.as_bytes()]);
        let vocabularies = vocabularies(&vocabulary, hash);
        let founders: Vec<Founder> = (0..MEMBERS).map(|n| founder(&seed, n)).collect();
        let founders: Vec<&Founder> = founders.iter().collect();
        let draft = charter_draft(&founders, &[(&vocabulary, hash)], begin().day());
        Self { charter: textless_charter(draft).expect("a charter"), vocabularies, seed }
    }

    /// Member `n` with its keys.
    pub fn founder(&self, n: usize) -> Founder {
        founder(&self.seed, n)
    }

    /// A world of these members at a moment. `life` makes its dice others than those of other lives.
    pub fn world(&self, now: Time, life: u64) -> World {
        let founders = (0..MEMBERS).map(|n| self.founder(n)).collect();
        let tabulate = Arc::new(|_: &MemberId, _: &BoundQuestion| vec![100, 50]);
        let seed = self.seed.derive(&format!("life/{life}"));
        World::new(seed, now, founders, self.charter.clone(), self.vocabularies.clone(), tabulate)
    }

    /// A Query of question `n`, with days to answer in: no deadline ends it.
    pub fn query(&self, now: Time, n: u64, mode: Mode) -> QueryBody {
        let now = Time::from_seconds(now.seconds());
        let day = |days: u64| now + Span(days * 86_400_000);
        QueryBody {
            question: question_value(&question(n)).expect("a question"),
            params: BTreeMap::new(),
            period: Period::parse("2025-09-01..2025-12-19").expect("a period"),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(LOSS),
            mode,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: day(5),
            contribute_by: day(10),
            close_by: day(15),
            charter: self.charter.hash(),
            supersedes: None,
        }
    }

    /// Starts member `site` from what lies in a folder, as the node does.
    pub fn restore(&self, site: usize, kept: Kept, now: Time) -> Result<Member, String> {
        let founder = self.founder(site);
        let settings = Settings {
            me: founder.id.clone(),
            limits: Some(Limits::top()),
            declared: BTreeSet::from(["exam".to_owned()]),
            answer_grid: Span(0),
            asks_first: false,
        };
        let start = Start {
            entropy: Seed::new([9; 32]),
            keys: founder.keys(),
            settings,
            charters: vec![(self.charter.clone(), self.charter.hash())],
            vocabularies: self.vocabularies.clone(),
            records: kept.records,
            last_signed: kept.last_signed,
            secrets: kept.secrets,
            openings: kept.openings,
            held: kept.held,
        };
        Member::restore(now, start).map_err(|error| error.to_string())
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}

fn founder(seed: &Seed, n: usize) -> Founder {
    let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    Founder::new(seed, n, &format!("School {n}"), 200, addresses)
}

/// When these stories begin.
pub fn begin() -> Time {
    Day::parse("2025-12-01").expect("a day").start() + Span(36_000_000)
}

/// What the world outside was told, or may have been: kept outside of every node's folder.
#[derive(Clone, Debug)]
pub enum Ack {
    /// An entry of a member's own log.
    Entry {
        /// Its index.
        seq: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A signed head: entries, and the note.
    Head(u64, String),
    /// A round's secret was written.
    Secret(QueryId, RoundSecret),
    /// A round's secret was to be erased.
    Erased(QueryId),
    /// Noise was asked for.
    Draw(QueryId),
}

/// An acknowledgement as a line for whoever watches from outside. Without a newline inside.
pub fn line(site: usize, ack: &Ack) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("entries are text");
    match ack {
        Ack::Entry { seq, bytes } => format!("{site} entry {seq} {}\n", text(bytes)),
        Ack::Head(size, note) => format!("{site} head {size} {}\n", note.replace('\n', "\t")),
        Ack::Draw(id) => format!("{site} draw {id} -\n"),
        // Secrets are not for the world.
        Ack::Secret(..) | Ack::Erased(_) => format!("{site} secret - -\n"),
    }
}

/// Reads `line`; `None` for what is no whole acknowledgement.
pub fn read_line(line: &str) -> Option<(usize, Ack)> {
    let mut words = line.splitn(4, ' ');
    let site = words.next()?.parse().ok().filter(|site| *site < MEMBERS)?;
    let (kind, number, rest) = (words.next()?, words.next()?, words.next()?);
    let ack = match kind {
        "entry" => Ack::Entry { seq: number.parse().ok()?, bytes: rest.as_bytes().to_vec() },
        "head" => Ack::Head(number.parse().ok()?, rest.replace('\t', "\n")),
        "draw" => Ack::Draw(number.parse().ok()?),
        _ => return None,
    };
    Some((site, ack))
}

/// Who is told of acknowledgements. Called before what they allow happens.
pub type Tell = Box<dyn FnMut(&Ack)>;

/// The node's real storage under a member of the simulated world.
pub struct NodeStore {
    home: PathBuf,
    open: Option<(Folder, Storage)>,
    waiting: Vec<Ack>,
    tell: Tell,
    /// Called before each start: a test frees the disk there.
    heal: Option<Box<dyn FnMut()>>,
    /// For the test of the tests: tells and lets out before anything is stored.
    hasty: bool,
    held_back: Vec<Output>,
}

impl NodeStore {
    /// In this folder, which may be empty or left by an earlier process.
    pub fn new(home: &Path, tell: Tell) -> Self {
        let (open, waiting, held_back) = (None, vec![], vec![]);
        Self { home: home.to_owned(), open, waiting, tell, heal: None, hasty: false, held_back }
    }

    /// Calls this before each start.
    pub fn healed_by(mut self, heal: Box<dyn FnMut()>) -> Self {
        self.heal = Some(heal);
        self
    }

    /// A node that sends before it stores: what these tests must catch.
    pub fn hasty(mut self) -> Self {
        self.hasty = true;
        self
    }

    fn storage(&mut self) -> Result<&mut Storage, String> {
        self.open.as_mut().map(|(_, storage)| storage).ok_or_else(|| "not open".to_owned())
    }

    fn note(&mut self, output: &Output) {
        match output {
            Output::Store(Record::Entry(Bytes(bytes))) => {
                let seq = Entry::parse(bytes).expect("our own entry").seq;
                self.waiting.push(Ack::Entry { seq, bytes: bytes.clone() });
            }
            Output::Sign { size, note } => self.waiting.push(Ack::Head(*size, note.clone())),
            Output::KeepSecret(id, secret) => self.waiting.push(Ack::Secret(*id, secret.clone())),
            Output::EraseSecret(id) => (self.tell)(&Ack::Erased(*id)),
            _ => {}
        }
    }

    fn acknowledge(&mut self) {
        for ack in self.waiting.drain(..) {
            (self.tell)(&ack);
        }
    }
}

/// Locks a folder. A process that this one forks holds our locks until it runs its own program, so a
/// folder that was just let go may be locked for a moment.
pub fn lock(home: &Path) -> Result<Folder, StoreError> {
    let began = Instant::now();
    loop {
        match Folder::open(home) {
            Err(StoreError::Locked(_)) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1))
            }
            other => return other,
        }
    }
}

fn said(error: StoreError) -> String {
    error.to_string()
}

impl Store for NodeStore {
    fn open(&mut self) -> Result<Kept, String> {
        self.open = None;
        (self.waiting, self.held_back) = (vec![], vec![]);
        self.heal.iter_mut().for_each(|heal| heal());
        let folder = lock(&self.home).map_err(said)?;
        let (storage, found) = Storage::open(&self.home).map_err(said)?;
        self.open = Some((folder, storage));
        // What a start finds of our own was synced by it, and may be told from now on.
        for record in &found.records {
            if let Record::Entry(Bytes(bytes)) = record {
                let seq = Entry::parse(bytes).map_err(|error| error.to_string())?.seq;
                (self.tell)(&Ack::Entry { seq, bytes: bytes.clone() });
            }
        }
        let (records, last_signed) = (found.records, found.last_signed);
        Ok(Kept { records, last_signed, secrets: found.secrets, openings: found.openings, held: found.held })
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.storage()?.remove_unnamed(named).map_err(said)
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        self.note(&output);
        let stays = matches!(output, Output::Store(_) | Output::Sign { .. });
        if self.hasty && stays {
            self.held_back.push(output);
            return Ok(None);
        }
        let out = self.storage()?.take(output, now).map_err(said)?;
        if let Some(output) = &out {
            self.acknowledge();
            if let Output::Draw { query, .. } = output {
                (self.tell)(&Ack::Draw(*query));
            }
        }
        Ok(out)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        for output in std::mem::take(&mut self.held_back) {
            self.storage()?.take(output, now).map_err(said)?;
        }
        self.storage()?.settle(now).map_err(said)?;
        self.acknowledge();
        Ok(())
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        let (_, storage) = self.open.as_ref()?;
        storage.blobs().get(hash).ok().flatten().map(Arc::from)
    }
}

/// A change of the disk, paths below the watched folder.
#[derive(Clone, Debug)]
pub enum Did {
    /// A folder was made.
    MakeDir(PathBuf),
    /// An empty file was made.
    Create(PathBuf),
    /// Bytes were written.
    Write(PathBuf, u64, Vec<u8>),
    /// A file was cut.
    Cut(PathBuf, u64),
    /// A file was synced.
    Sync(PathBuf),
    /// A file was renamed.
    Rename(PathBuf, PathBuf),
    /// A file was removed.
    Remove(PathBuf),
    /// A folder was synced.
    SyncDir(PathBuf),
}

impl std::fmt::Display for Did {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MakeDir(path) => write!(f, "make folder {}", path.display()),
            Self::Create(path) => write!(f, "make {}", path.display()),
            Self::Write(path, offset, bytes) => {
                write!(f, "write {} bytes of {} at {offset}", bytes.len(), path.display())
            }
            Self::Cut(path, length) => write!(f, "cut {} at {length}", path.display()),
            Self::Sync(path) => write!(f, "sync {}", path.display()),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
            Self::SyncDir(path) => write!(f, "sync folder {}", path.display()),
        }
    }
}

impl Did {
    /// What a watcher saw, with paths below `root`.
    pub fn of(change: &Change<'_>, root: &Path) -> Self {
        let below = |path: &Path| path.strip_prefix(root).expect("a path in the folder").to_owned();
        match change {
            Change::MakeDir(path) => Self::MakeDir(below(path)),
            Change::Create(path) => Self::Create(below(path)),
            Change::Write(path, offset, bytes) => Self::Write(below(path), *offset, bytes.to_vec()),
            Change::Cut(path, length) => Self::Cut(below(path), *length),
            Change::Sync(path) => Self::Sync(below(path)),
            Change::Rename(from, to) => Self::Rename(below(from), below(to)),
            Change::Remove(path) => Self::Remove(below(path)),
            Change::SyncDir(path) => Self::SyncDir(below(path)),
        }
    }
}

/// One thing that happened, of the disk or to the world.
#[derive(Clone, Debug)]
pub enum Step {
    /// The disk changed.
    Disk(Did),
    /// The world was told.
    Told(Ack),
}

/// What happened at one member, in order.
pub type Trace = Vec<Step>;

/// Runs one round of five members on real storage; what happened at each.
pub fn record(mode: Mode, hasty: bool) -> (Cast, Vec<Trace>) {
    let cast = Cast::new();
    let folder = folder_in_memory();
    let traces: Rc<RefCell<Vec<Trace>>> = Rc::new(RefCell::new(vec![vec![]; MEMBERS]));
    let home = |site: usize| folder.path().join(site.to_string());
    let mut world = cast.world(begin(), 0);
    for site in 0..MEMBERS {
        std::fs::create_dir(home(site)).expect("a folder");
        let told = traces.clone();
        let tell: Tell = Box::new(move |ack| told.borrow_mut()[site].push(Step::Told(ack.clone())));
        let store = NodeStore::new(&home(site), tell);
        world.set_store(site, Box::new(if hasty { store.hasty() } else { store }));
    }
    let (root, changes) = (folder.path().to_owned(), traces.clone());
    disk::watch(Some(Box::new(move |change| {
        let first = match change {
            Change::MakeDir(p) | Change::Create(p) | Change::Write(p, ..) | Change::Cut(p, _) => p,
            Change::Sync(p) | Change::Rename(p, _) | Change::Remove(p) | Change::SyncDir(p) => p,
        };
        let below = first.strip_prefix(&root).expect("below");
        let site = below.components().next().expect("a site").as_os_str().to_str().expect("text");
        let did = Did::of(change, &root.join(site));
        changes.borrow_mut()[site.parse::<usize>().expect("a number")].push(Step::Disk(did));
        Ok(())
    })));
    let ended = run_round(&cast, &mut world, 0, mode);
    drop(world);
    disk::watch(None);
    assert!(ended.is_some(), "the recorded round ends");
    let traces = traces.borrow().clone();
    (cast, traces)
}

/// Lets members meet, asks question `n` at the last member if it was not asked, and runs to the end.
/// Returns the Query, or `None` when the round did not end in time.
pub fn run_round(cast: &Cast, world: &mut World, n: u64, mode: Mode) -> Option<QueryId> {
    let asker = MEMBERS - 1;
    let hash = datacoop_protocol::fold::question_hash(&question_value(&question(n)).expect("a question"));
    let asked = |world: &World| {
        let rounds = world.member(asker)?.fold().rounds().values();
        rounds.filter(|round| round.query().is_some_and(|q| q.question_hash == hash)).map(|r| r.id).next()
    };
    let over = |world: &World| {
        let id = asked(world)?;
        let knows = |site| {
            let member: Option<&Member> = world.member(site);
            member.is_some_and(|m| m.fold().round(&id).is_some_and(|round| round.ending().is_some()))
        };
        (0..MEMBERS).all(knows).then_some(id)
    };
    world.run_until(world.now() + Span(500));
    for _ in 0..5 {
        if asked(world).is_none() && world.member(asker).is_some() {
            let query = Box::new(cast.query(world.now(), n, mode));
            world.input(asker, Input::Ask { command: n, query });
        }
        let until = world.now() + Span(20_000);
        if world.run_while(until, |world| over(world).is_none()) {
            // What is still to be erased and removed is.
            world.run_until(world.now() + Span(2_000));
            return over(world);
        }
    }
    None
}

/// Measures for the report: images, failpoints and kills.
pub fn figures() -> Vec<Figure> {
    let (mut images, mut full) = (Tally::default(), Tally::default());
    for mode in [Mode::Secure, Mode::FullNoise] {
        let (cast, traces) = record(mode, false);
        images = images.join(crash_all(&cast, &traces, 2));
        for site in [0, MEMBERS - 1] {
            full = full.join(full_everywhere(&cast, mode, site));
        }
    }
    let kills = crate::kills::kill_on_two(crate::kills::wanted());
    let count = |tally: &Tally| tally.failures.len() as u64;
    vec![
        Figure::never(
            "a crash or power cut at any change of the disk breaks what was told",
            images.images,
            count(&images),
        ),
        Figure::never(
            "a disk that fails at any change lets noise or a message out",
            full.images,
            count(&full),
        ),
        kills.figure(),
    ]
}

/// Whether the world's events name a fault that an honest member was blamed for, or a split log.
pub fn blamed(world: &World) -> Vec<String> {
    let bad = |event: &&(MemberId, Event)| {
        matches!(event.1, Event::Fault(..) | Event::SplitView(_) | Event::Halted(_))
    };
    world.events.iter().filter(bad).map(|event| format!("{event:?}")).collect()
}

/// A file's bytes as a process sees them, and as the disk has them.
#[derive(Clone, Default)]
struct FileState {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// Changes since the last sync, in order: a power cut keeps any of them.
    since: Vec<Did>,
}

/// A folder as a process sees it, and as the disk has it: files are numbered, names point at them.
#[derive(Clone, Default)]
pub struct DiskModel {
    files: Vec<FileState>,
    seen: BTreeMap<PathBuf, usize>,
    synced: BTreeMap<PathBuf, usize>,
    seen_dirs: BTreeSet<PathBuf>,
    synced_dirs: BTreeSet<PathBuf>,
}

/// What is left of a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// A killed process: all that was written.
    Written,
    /// A power cut that lost everything that was not synced.
    SyncedOnly,
    /// A power cut that lost a part of it: names of new files or not, bytes of files or not, and of
    /// the last write some blocks, chosen by this number.
    Some(u64),
}

impl DiskModel {
    fn file(&mut self, path: &Path) -> &mut FileState {
        let number = self.seen[path];
        &mut self.files[number]
    }

    /// Makes a change.
    pub fn apply(&mut self, did: &Did) {
        match did {
            Did::MakeDir(path) => {
                self.seen_dirs.extend(path.ancestors().map(Path::to_owned));
            }
            Did::Create(path) => {
                self.seen.insert(path.clone(), self.files.len());
                self.files.push(FileState::default());
            }
            Did::Write(path, ..) | Did::Cut(path, _) => {
                let file = self.file(path);
                change_bytes(&mut file.seen, did);
                file.since.push(did.clone());
            }
            Did::Sync(path) => {
                let file = self.file(path);
                file.synced = file.seen.clone();
                file.since.clear();
            }
            Did::Rename(from, to) => {
                let number = self.seen.remove(from).expect("a file that is there");
                self.seen.insert(to.clone(), number);
            }
            Did::Remove(path) => {
                self.seen.remove(path);
            }
            Did::SyncDir(folder) => {
                let inside = |path: &Path| path.parent() == Some(folder);
                self.synced.retain(|path, _| !inside(path));
                let now = self.seen.iter().filter(|(path, _)| inside(path));
                self.synced.extend(now.map(|(path, number)| (path.clone(), *number)));
                self.synced_dirs.insert(folder.clone());
                self.synced_dirs.extend(self.seen_dirs.iter().filter(|path| inside(path)).cloned());
            }
        }
    }

    /// The files that a crash here leaves.
    pub fn left(&self, left: Left) -> BTreeMap<PathBuf, Vec<u8>> {
        let coin = |what: &str| match left {
            Left::Some(number) => sha256(&[&number.to_le_bytes(), what.as_bytes()]).0[0].is_multiple_of(2),
            Left::Written => true,
            Left::SyncedOnly => false,
        };
        let mut names = self.synced.clone();
        for path in self.seen.keys().chain(self.synced.keys()).cloned().collect::<BTreeSet<_>>() {
            // Each name by itself is the old one or the new one.
            if coin(&format!("name {}", path.display())) {
                match self.seen.get(&path) {
                    Some(number) => names.insert(path, *number),
                    None => names.remove(&path),
                };
            }
        }
        let reached = |path: &Path| {
            left == Left::Written || path.ancestors().skip(1).all(|dir| self.has_dir(dir, &coin))
        };
        let named = names.into_iter().filter(|(path, _)| reached(path));
        named.map(|(path, number)| (path, self.bytes_left(number, left, &coin))).collect()
    }

    fn has_dir(&self, dir: &Path, coin: &dyn Fn(&str) -> bool) -> bool {
        dir.as_os_str().is_empty()
            || self.synced_dirs.contains(dir)
            || coin(&format!("dir {}", dir.display()))
    }

    fn bytes_left(&self, number: usize, left: Left, coin: &dyn Fn(&str) -> bool) -> Vec<u8> {
        let file = &self.files[number];
        if left == Left::Written {
            return file.seen.clone();
        }
        let mut bytes = file.synced.clone();
        for (n, did) in file.since.iter().enumerate() {
            if coin(&format!("file {number} change {n}")) {
                match did {
                    // Blocks of 512 bytes reach the disk one by one.
                    Did::Write(path, offset, new) => {
                        for (block, piece) in new.chunks(512).enumerate() {
                            if coin(&format!("file {number} change {n} block {block}")) {
                                let at = offset + 512 * block as u64;
                                change_bytes(&mut bytes, &Did::Write(path.clone(), at, piece.to_vec()));
                            }
                        }
                    }
                    other => change_bytes(&mut bytes, other),
                }
            }
        }
        bytes
    }
}

fn change_bytes(bytes: &mut Vec<u8>, did: &Did) {
    match did {
        Did::Write(_, offset, new) => {
            let at = usize::try_from(*offset).expect("a small file");
            let end = at + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[at..end].copy_from_slice(new);
        }
        Did::Cut(_, length) => bytes.resize(usize::try_from(*length).expect("a small file"), 0),
        _ => {}
    }
}

/// What the world was told so far by one member.
#[derive(Clone, Default)]
pub struct Told {
    entries: BTreeMap<u64, Vec<u8>>,
    heads: Vec<(u64, String)>,
    secrets: BTreeMap<QueryId, RoundSecret>,
    /// Draws that no debit stood before.
    pub early_draws: u64,
}

impl Told {
    /// Takes one more acknowledgement.
    pub fn add(&mut self, ack: &Ack) {
        match ack {
            Ack::Entry { seq, bytes } => {
                let before = self.entries.insert(*seq, bytes.clone());
                assert!(before.is_none_or(|before| before == *bytes), "one place in the log, two entries");
            }
            Ack::Head(size, note) => self.heads.push((*size, note.clone())),
            Ack::Secret(id, secret) => drop(self.secrets.insert(*id, secret.clone())),
            Ack::Erased(id) => drop(self.secrets.remove(id)),
            Ack::Draw(id) => {
                let debited = self.bodies().any(|b| matches!(b, Body::Debit { query, .. } if query == *id));
                self.early_draws += u64::from(!debited);
            }
        }
    }

    /// Leaf hashes of the entries that were told, by index.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, Digest)> {
        let at = |seq: &u64| usize::try_from(*seq).expect("a short log");
        self.entries.iter().map(move |(seq, bytes)| (at(seq), leaf_hash(bytes)))
    }

    fn bodies(&self) -> impl Iterator<Item = Body> {
        self.entries.values().map(|bytes| Entry::parse(bytes).expect("our own").body)
    }

    /// Debits less voids, billionths of rho: what the Ledger must hold at least.
    pub fn spent(&self) -> u64 {
        let mut open = BTreeMap::new();
        for body in self.bodies() {
            match body {
                Body::Debit { query, debit, .. } => drop(open.insert(query, debit.loss.nano())),
                Body::Void { query, .. } => drop(open.remove(&query)),
                _ => {}
            }
        }
        open.values().sum()
    }

    /// What a member that started again broke of what it had told; nothing, if all is well.
    pub fn broken_by(&self, member: &Member) -> Option<String> {
        let log = member.fold().log(member.me()).expect("its own log");
        for (seq, bytes) in &self.entries {
            let at = usize::try_from(*seq).expect("a short log");
            if log.entries().get(at).map(AsRef::as_ref) != Some(bytes.as_slice()) {
                return Some(format!("entry {seq}, which was told, is gone or another"));
            }
        }
        for (size, note) in &self.heads {
            let head = open_checkpoint(note, &log.origin, &log.key()).expect("its own signature");
            if log.tree().root_at(*size) != Some(head.root) {
                return Some(format!("the head of {size} entries, which was signed, is not of this log"));
            }
        }
        let spent: u64 = member.standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum();
        if spent < self.spent() {
            return Some(format!("{spent} spent, {} acknowledged", self.spent()));
        }
        let (_, wrong) = standing::replay(member.fold(), member.me());
        wrong.first().map(|(_, what)| (*what).to_owned())
    }

    /// Blobs that an acknowledged contribution of an open round promised.
    fn promised(&self, member: &Member) -> Vec<Digest> {
        let open = |id: &QueryId| member.fold().round(id).is_none_or(|round| round.ending().is_none());
        let shares = self.bodies().filter_map(|body| match body {
            Body::Contribution { query, shares, .. } if open(&query) => Some(shares),
            _ => None,
        });
        shares.flatten().map(|share| share.blob).collect()
    }
}

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
        std::fs::write(path, bytes).expect("written");
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
        Record::Copied(_) | Record::Cosigned(_) | Record::Restored | Record::Left(_) => None,
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
    fn add(&mut self, at: &str, outcome: Result<Option<String>, String>, may_refuse: bool) {
        self.images += 1;
        match outcome {
            Ok(None) => self.started += 1,
            Ok(Some(broken)) => self.failures.push(format!("{at}: {broken}")),
            Err(_) if may_refuse => self.refused += 1,
            Err(error) => self.failures.push(format!("{at}: does not start: {error}")),
        }
    }

    fn join(mut self, other: Self) -> Self {
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
fn on_two<T: Sync>(items: &[T], measure: impl Fn(&T) -> Tally + Sync) -> Tally {
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

/// Which changes of one member's disk fail, from when on, and what is seen meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Full {
    /// Whose disk.
    pub site: usize,
    /// The first change that fails, counted from the start.
    pub from: u64,
}

/// What a full disk did to a round.
#[derive(Clone, Debug, Default)]
pub struct Survived {
    /// Changes of the member's disk in all.
    pub changes: u64,
    /// What must not be.
    pub failures: Vec<String>,
}

/// Runs a round in which one member's disk is full from one change on: that write gets half of its
/// bytes down, and everything after it fails until the member starts again, when space was freed. The
/// round must end with a release, and nothing that was told may break.
pub fn full_disk(cast: &Cast, mode: Mode, full: Option<Full>) -> Survived {
    let folder = folder_in_memory();
    let home = folder.path().to_owned();
    let site = full.map_or(0, |full| full.site);
    let told = Rc::new(RefCell::new(Told::default()));
    let (count, blocked) = (Rc::new(RefCell::new(0u64)), Rc::new(RefCell::new(false)));
    let (asks, late) = (told.clone(), Rc::new(RefCell::new(0u64)));
    let (is_full, late_draws) = (blocked.clone(), late.clone());
    let tell: Tell = Box::new(move |ack| {
        asks.borrow_mut().add(ack);
        // Nothing may be told, and no noise drawn, after the first change that failed.
        *late_draws.borrow_mut() += u64::from(*is_full.borrow() && !matches!(ack, Ack::Erased(_)));
    });
    let freed = blocked.clone();
    let store = NodeStore::new(&home, tell).healed_by(Box::new(move || *freed.borrow_mut() = false));
    let mut world = cast.world(begin(), full.map_or(0, |full| full.from));
    world.set_store(site, Box::new(store));
    let (counted, blocks) = (count.clone(), blocked.clone());
    disk::watch(Some(Box::new(move |change| {
        *counted.borrow_mut() += 1;
        let now = full.is_some_and(|full| full.from < u64::MAX && full.from + 1 == *counted.borrow());
        if now && let Change::Write(path, offset, bytes) = change {
            let file = std::fs::OpenOptions::new().write(true).open(path)?;
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..bytes.len() / 2], *offset)?;
        }
        *blocks.borrow_mut() |= now;
        if *blocks.borrow() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    })));
    let ended = run_round(cast, &mut world, 0, mode);
    disk::watch(None);
    let mut failures = blamed(&world);
    let told = told.borrow();
    match ended.and_then(|id| Some((world.member(site)?, id))) {
        None => failures.push("the round does not end".to_owned()),
        Some((member, id)) => {
            failures.extend(told.broken_by(member));
            if member.fold().round(&id).is_none_or(|round| round.released().is_none()) {
                failures.push("the round ends without a release".to_owned());
            }
        }
    }
    if told.early_draws + *late.borrow() > 0 {
        failures.push("noise was drawn, or something told, after a write that failed".to_owned());
    }
    Survived { changes: *count.borrow(), failures }
}

/// `full_disk` at every change of a member's disk.
pub fn full_everywhere(cast: &Cast, mode: Mode, site: usize) -> Tally {
    let changes = full_disk(cast, mode, Some(Full { site, from: u64::MAX - 1 })).changes;
    let all: Vec<u64> = (0..changes).collect();
    on_two(&all, |from| {
        let survived = full_disk(cast, mode, Some(Full { site, from: *from }));
        let mut tally = Tally { images: 1, ..Tally::default() };
        match survived.failures.as_slice() {
            [] => tally.started = 1,
            bad => tally.failures.push(format!("member {site}, full at change {from} of {changes}: {bad:?}")),
        }
        tally
    })
}
