//! The durable steps of a folder that no member takes: setting up, what its person signs and adds, a journal
//! that is opened or goes on in a new file, and `restore`. Each is crashed before, and amid, every change that
//! it makes of the disk: a start then finds the old or the new, and what was said to be done is done.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use datacoop::disk;
use datacoop::folder::Folder;
use datacoop::home::{Config, Home, MemberIdText};
use datacoop::journal::{FRAME_BYTES_MAX, Journal};
use datacoop::restore;
use datacoop::storage::{Storage, records};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, Span};
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::Record;
use datacoop_sim::coop::{Founder, charter_draft, vocabularies};
use datacoop_sim::world::World;

use crate::crash::{Did, DiskModel, Image, Left, NodeStore, Tally, begin, folder_in_memory, write_image};

const EXAM: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;
/// Frames of this many bytes fill a journal's file soon.
const LARGE_FRAME: usize = FRAME_BYTES_MAX - 1024;

/// A step of a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FolderStep {
    /// `init`: identity and configuration.
    SetUp,
    /// A version of the charter is held.
    Charter,
    /// Which text was signed to follow a version: one alone.
    Signature,
    /// A vocabulary is added.
    Vocabulary,
    /// Limits are written, if there are none.
    Limits,
    /// A journal's torn last frame is cut.
    Cut,
    /// A journal goes on in a new file.
    NextFile,
    /// A journal that is damaged is set aside, and one built in its place.
    Restore,
}

/// All steps of a folder, with what a start finds of each after a crash amid it.
pub const FOLDER_STEPS: [(FolderStep, &str); 8] = [
    (FolderStep::SetUp, "no node, or one with its keys; `init` again goes on with the keys that are there"),
    (FolderStep::Charter, "the versions before, or this one too"),
    (FolderStep::Signature, "no text, or this one; never another"),
    (FolderStep::Vocabulary, "not known, or known"),
    (FolderStep::Limits, "none, and nothing is answered; or these"),
    (FolderStep::Cut, "the torn frame is cut at the next start"),
    (FolderStep::NextFile, "every frame before; the next one not, or whole"),
    (
        FolderStep::Restore,
        "`restore` goes on where it was cut off; nothing was deleted, nothing whole is lost",
    ),
];

type Act = Box<dyn Fn(&Path) -> Result<(), String>>;
type Look = Box<dyn Fn(&Path, bool) -> Result<(), String>>;

/// A node's folder, and what is right and wrong in it.
struct Scene {
    home: Image,
    act: Act,
    /// What must not be after a crash; whether the act had ended is said.
    look: Look,
}

fn founders() -> Vec<Founder> {
    let addresses = |n: usize| if n < 2 { vec![format!("/ip4/127.0.0.1/tcp/{}", n + 1)] } else { vec![] };
    (0..5).map(|n| Founder::new(&Seed::new([92; 32]), n, &format!("School {n}"), 200, addresses(n))).collect()
}

fn config(founder: &Founder) -> Config {
    Config {
        id: MemberIdText(founder.id.clone()),
        name: founder.name.clone(),
        body: founder.name.clone(),
        host: founder.host.clone(),
        people_min: 0,
        people_max: founder.people_max,
        listen: vec![],
        addresses: vec![],
        answer_grid: 250,
    }
}

fn signed_charter() -> String {
    let founders = founders();
    let vocabulary = Vocabulary::from_toml(EXAM).expect("a vocabulary");
    let refs: Vec<&Founder> = founders.iter().collect();
    let mut draft = charter_draft(&refs, &[(&vocabulary, sha256(&[EXAM.as_bytes()]))], begin().day());
    draft.demo = false;
    let text = charter_toml(&draft);
    founders.iter().fold(text, |note, f| sign_charter(&note, None, &f.keys()).expect("a charter"))
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

/// The files below a folder.
fn image_of(folder: &Path) -> Image {
    fn walk(at: &Path, root: &Path, image: &mut Image) {
        for entry in fs::read_dir(at).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => walk(&path, root, image),
                false => {
                    let name = path.strip_prefix(root).expect("below").to_owned();
                    image.insert(name, fs::read(&path).expect("a file"));
                }
            }
        }
    }
    let mut image = Image::new();
    walk(folder, folder, &mut image);
    image
}

/// A node that was set up and follows the charter, without a journal.
fn set_up(with_charter: bool) -> Image {
    let folder = folder_in_memory();
    let home = Home::new(folder.path());
    drop(Folder::open(folder.path()).expect("a folder"));
    let founder = &founders()[0];
    home.create(&config(founder), &founder.identity).expect("set up");
    if with_charter {
        home.add_vocabulary(EXAM).expect("a vocabulary");
        home.adopt_charter(&signed_charter()).expect("a charter");
    }
    image_of(folder.path())
}

/// The first member's folder after the five met, with a byte flipped in an early frame of its journal.
fn damaged() -> Image {
    let (founders, note) = (founders(), signed_charter());
    let (bare, _) = note.split_once("\n\n\u{2014}").expect("a signed note");
    let charter = Arc::new(parse_charter(&format!("{bare}\n")).expect("a charter"));
    let vocabulary = Vocabulary::from_toml(EXAM).expect("a vocabulary");
    let known = vocabularies(&vocabulary, sha256(&[EXAM.as_bytes()]));
    let tabulate = Arc::new(|_: &MemberId, _: &_| vec![]);
    let mut world = World::new(Seed::new([93; 32]), begin(), founders, charter, known, tabulate);
    let folder = folder_in_memory();
    write_image(folder.path(), &set_up(true));
    world.set_store(0, Box::new(NodeStore::new(folder.path(), Box::new(|_| {}))));
    world.run_until(begin() + Span(4_000));
    drop(world);
    let mut image = image_of(folder.path());
    let journal = image.get_mut(Path::new("journal/00000001")).expect("a journal");
    let at = journal.len() / 2;
    journal[at] ^= 1;
    image
}

impl FolderStep {
    fn scene(self) -> Scene {
        match self {
            Self::SetUp => set_up_scene(),
            Self::Charter => {
                let note = signed_charter();
                let mut home = set_up(false);
                home.insert(PathBuf::from("vocabulary/exam.toml"), EXAM.into());
                let act = move |home: &Path| Home::new(home).adopt_charter(&note).map(drop).map_err(text);
                let look = |home: &Path, done: bool| {
                    let held = Home::new(home).charters().map_err(text)?.len();
                    if done && held != 1 { Err(format!("{held} versions are held")) } else { Ok(()) }
                };
                Scene { home, act: Box::new(act), look: Box::new(look) }
            }
            Self::Signature => {
                let (parent, one, other) = (Digest([1; 32]), Digest([2; 32]), Digest([3; 32]));
                let act = move |home: &Path| Home::new(home).sign_one(&parent, &one).map_err(text);
                let look = move |home: &Path, done: bool| {
                    let home = Home::new(home);
                    if done && home.sign_one(&parent, &other).is_ok() {
                        return Err("another text could be signed".to_owned());
                    }
                    home.sign_one(&parent, &one).map_err(text)
                };
                Scene { home: set_up(true), act: Box::new(act), look: Box::new(look) }
            }
            Self::Vocabulary => {
                let act = |home: &Path| Home::new(home).add_vocabulary(EXAM).map(drop).map_err(text);
                let look = |home: &Path, done: bool| {
                    let known = Home::new(home).vocabularies().map_err(text)?;
                    let is_known = known.contains_key(&sha256(&[EXAM.as_bytes()]));
                    if done && !is_known { Err("it is not known".to_owned()) } else { Ok(()) }
                };
                Scene { home: set_up(false), act: Box::new(act), look: Box::new(look) }
            }
            Self::Limits => {
                let act = |home: &Path| Home::new(home).write_limits_once(&["demo"]).map_err(text);
                let look = |home: &Path, done: bool| {
                    let none = !home.join("limits.toml").exists();
                    if none && !done { Ok(()) } else { Home::new(home).limits().map(drop) }
                };
                Scene { home: set_up(true), act: Box::new(act), look: Box::new(look) }
            }
            Self::Cut => journal_scene(&[b"one", b"two"], |bytes| bytes.truncate(bytes.len() - 1), None),
            Self::NextFile => {
                let large = vec![7; LARGE_FRAME];
                journal_scene(&[&large, &large, &large, &large, b"last"], |_| {}, Some(b"new"))
            }
            Self::Restore => restore_scene(),
        }
    }
}

fn set_up_scene() -> Scene {
    let act = |home: &Path| {
        drop(Folder::open(home).map_err(text)?);
        let founder = &founders()[0];
        Home::new(home).create(&config(founder), &founder.identity).map_err(text)
    };
    let look = |path: &Path, done: bool| {
        let home = Home::new(path);
        if done && !home.exists() {
            return Err("no node is there".to_owned());
        }
        let before = fs::read(path.join("keys/identity")).ok();
        if !home.exists() {
            drop(Folder::open(path).map_err(text)?);
            home.create(&config(&founders()[0]), &[8; 32]).map_err(text)?;
        }
        home.keys(&home.config().map_err(text)?).map_err(text)?;
        let kept = before.is_none() || before == fs::read(path.join("keys/identity")).ok();
        if kept { Ok(()) } else { Err("another identity took the place of one".to_owned()) }
    };
    Scene { home: Image::new(), act: Box::new(act), look: Box::new(look) }
}

/// A journal of these frames, changed; it is opened, and perhaps a frame appended.
fn journal_scene(frames: &[&[u8]], change: fn(&mut Vec<u8>), append: Option<&'static [u8]>) -> Scene {
    let folder = folder_in_memory();
    let mut journal = Journal::open(folder.path()).expect("a journal").journal;
    frames.iter().for_each(|frame| journal.append(frame).expect("appended"));
    journal.sync().expect("synced");
    let mut home = image_of(folder.path());
    change(home.get_mut(Path::new("00000001")).expect("a file"));
    write_image(folder.path(), &home);
    let before = Journal::open(folder.path()).expect("a journal").frames.len();
    let act = move |home: &Path| {
        let mut journal = Journal::open(home).map_err(text)?.journal;
        append.map_or(Ok(()), |frame| journal.append(frame)).map_err(text)?;
        journal.sync().map_err(text)
    };
    let look = move |home: &Path, done: bool| {
        let found = Journal::open(home).map_err(text)?.frames;
        let added = usize::from(append.is_some());
        let fits = found.len() == before + added || !done && found.len() == before;
        let last = found.get(before).map(Vec::as_slice);
        let whole = last.is_none() || last == append;
        if fits && whole { Ok(()) } else { Err(format!("{} frames of {before}", found.len())) }
    };
    Scene { home, act: Box::new(act), look: Box::new(look) }
}

fn restore_scene() -> Scene {
    let home = damaged();
    let bad = home[Path::new("journal/00000001")].clone();
    let signed: BTreeMap<PathBuf, Vec<u8>> = home
        .iter()
        .filter(|(path, _)| path.starts_with("signed"))
        .map(|(p, b)| (p.clone(), b.clone()))
        .collect();
    let (mended, whole) = mend(&home);
    let act = |home: &Path| apply(home).map(drop);
    let look = move |home: &Path, done: bool| {
        // Whoever looks first is a start: it refuses, or it knows that it must ask the others.
        let _lock = Folder::open(home).map_err(text)?;
        if let Err(error) = Storage::open(home) {
            let said = error.to_string();
            if done || !said.contains("datacoop restore") {
                return Err(format!("it refuses: {said}"));
            }
        }
        let again = apply(home)?;
        if done && again {
            return Err("what was restored is restored again".to_owned());
        }
        let found = records(home).map_err(text)?;
        if found != whole || found.last() != Some(&Record::Restored) {
            return Err(format!("{} records of {}", found.len(), whole.len()));
        }
        let image = image_of(home);
        let aside = image.iter().any(|(path, bytes)| !path.starts_with("journal") && *bytes == bad);
        let names: BTreeSet<&PathBuf> = mended.keys().filter(|path| !image.contains_key(*path)).collect();
        let kept = signed.iter().all(|(path, bytes)| image.get(path) == Some(bytes));
        match (aside, kept, names.is_empty()) {
            (true, true, true) => Ok(()),
            _ => Err(format!(
                "the damaged journal is there: {aside}, signed heads: {kept}, missing: {names:?}"
            )),
        }
    };
    Scene { home, act: Box::new(act), look: Box::new(look) }
}

/// `datacoop restore`; whether there was something to do.
fn apply(home: &Path) -> Result<bool, String> {
    let home = Home::new(home);
    match restore::look(&home).map_err(text)? {
        None => Ok(false),
        Some(found) => restore::apply(&home, &found).map(|()| true).map_err(text),
    }
}

/// The folder after a restore that nothing cuts off, and its journal's records.
fn mend(before: &Image) -> (Image, Vec<Record>) {
    let folder = laid_out(before);
    assert_eq!(apply(folder.path()), Ok(true), "it is damaged");
    (image_of(folder.path()), records(folder.path()).expect("a journal"))
}

/// A folder that holds these files; if it is a node's, as each of its commands finds it.
fn laid_out(image: &Image) -> tempfile::TempDir {
    let folder = folder_in_memory();
    write_image(folder.path(), image);
    if image.contains_key(Path::new("FORMAT")) {
        drop(Folder::open(folder.path()).expect("a folder"));
    }
    folder
}

/// Crashes a step before and amid each of its changes, and after the last.
pub fn crash(step: FolderStep) -> Tally {
    let Scene { home, act, look } = step.scene();
    let folder = laid_out(&home);
    let changes: Rc<RefCell<Vec<Did>>> = Rc::default();
    let (root, seen) = (folder.path().to_owned(), changes.clone());
    disk::watch(Some(Box::new(move |change| {
        seen.borrow_mut().push(Did::of(change, &root));
        Ok(())
    })));
    let acted = act(folder.path());
    disk::watch(None);
    let (mut model, mut tally) = (DiskModel::holding(&home), Tally::default());
    let mut try_one = |at: String, image: Image, done: bool| {
        let folder = laid_out(&image);
        tally.add(&format!("{step:?}, {at}"), look(folder.path(), done).map(|()| None), false);
    };
    for (n, did) in changes.borrow().iter().enumerate() {
        let parts = [Left::Written, Left::SyncedOnly, Left::Some(2 * n as u64), Left::Some(2 * n as u64 + 1)];
        // A journal of 64 MiB is slow to write again and again.
        let count = if step == FolderStep::NextFile { 2 } else { parts.len() };
        for left in parts.into_iter().take(count) {
            try_one(format!("before {did}, {left:?}"), model.left(left), false);
        }
        if let Did::Write(path, offset, bytes) = did {
            let mut torn = model.clone();
            torn.apply(&Did::Write(path.clone(), *offset, bytes[..bytes.len() / 2].to_vec()));
            try_one(format!("amid {did}"), torn.left(Left::Written), false);
        }
        model.apply(did);
    }
    try_one("at the end".to_owned(), model.left(Left::SyncedOnly), true);
    if let Err(error) = acted {
        tally.failures.push(format!("{step:?}: {error}"));
    }
    tally
}
