//! Exported logs read back and checked, offline: what an auditor does with the USB stick.

mod bundles;
mod files;
mod remembered;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{Check, LogReport, Notes, Outcome, two_heads};
use datacoop_protocol::charter_text::open_chain;
use datacoop_protocol::fold::{Entries, Fold, Log, SectionError, SplitView};
use datacoop_protocol::log::note::{
    Checkpoint, KIND_ED25519, bare_note, open_checkpoint, parse_vkey, split_note,
};
use datacoop_protocol::log::tile::{TileStream, bundle_paths, read_bundle};
use datacoop_protocol::log::tree::{Edge, leaf_hash, sha256};
use datacoop_protocol::rounds::Round;

use bundles::Bundles;
pub use remembered::{Audited, audit_on};

use crate::chain::versions_by;
use crate::folder::{StoreError, at};
use crate::home::SHIPPED_VOCABULARIES;
use crate::loss::Books;

/// An export: what is read before its entries, and what came of reading those.
struct Export {
    folder: PathBuf,
    note: String,
    /// Entries that its head says there are.
    size: u64,
    /// Earlier heads.
    earlier: Vec<String>,
    charter_notes: Vec<String>,
    origin: String,
}

/// Begins to read an export. Errors: it is none, or the machine cannot read it. Whether its head is signed
/// and its files are right is for the checks to say.
fn read_export(folder: &Path) -> Result<Export, StoreError> {
    let wrong = |text: String| StoreError::Wrong(format!("{}: {text}", folder.display()));
    let vkey = files::read_text(folder, "log.vkey", files::VKEY_BYTES_MAX)?;
    let key = parse_vkey(vkey.trim_end(), KIND_ED25519).map_err(|error| wrong(error.to_string()))?;
    let note = files::read_text(folder, "checkpoint", files::HEAD_BYTES_MAX)?;
    let head = split_note(&note).and_then(|(text, _)| Checkpoint::parse(text));
    let size = head.map_err(|error| wrong(error.to_string()))?.size;
    let charter_notes = versions_by(&folder.join("charter"), |name| {
        files::read(folder, &format!("charter/{name}"), files::CHARTER_BYTES_MAX)
    })?;
    let earlier = read_earlier(folder)?;
    Ok(Export { folder: folder.to_owned(), note, size, earlier, charter_notes, origin: key.name })
}

/// Earlier heads, as far as there are any.
fn read_earlier(folder: &Path) -> Result<Vec<String>, StoreError> {
    let names = files::names(folder, "checkpoints", files::EARLIER_MAX)?;
    // What is no text is no head, and is said to be none; it must not keep the rest from being checked.
    let read = |name: String| {
        let bytes = files::read(folder, &format!("checkpoints/{name}"), files::HEAD_BYTES_MAX)?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    names.into_iter().map(read).collect()
}

/// Reads the entries of an export, one bundle at a time, each into `take`, and says what is wrong with its
/// files: each tile, bundle and line must be what the entries give, and its head theirs. Entries up to the
/// first unreadable bundle, or one of another length than its path says, are taken. Errors: the machine cannot read it.
fn read_entries(export: &Export, take: &mut dyn FnMut(Arc<[u8]>)) -> Result<Option<String>, StoreError> {
    let is_other = |name: &str| format!("{name} is not what the entries give");
    let (mut problem, mut tiles, mut edge) = (None, TileStream::default(), Edge::default());
    let mut lines = Lines::open(&export.folder)?;
    for (name, width) in bundle_paths(export.size) {
        let bundle = files::read(&export.folder, &name, files::BUNDLE_BYTES_MAX)?;
        let Some(entries) = bundle.as_deref().and_then(read_bundle) else {
            return Ok(Some(format!("{name} is absent or no bundle of entries")));
        };
        // What follows one of another length is at another place than its path says.
        let is_last = entries.len() as u64 != width;
        if is_last {
            problem = problem.or_else(|| Some(is_other(&name)));
        }
        for entry in entries {
            let leaf = leaf_hash(&entry);
            edge.push(leaf);
            for (name, bytes) in tiles.push(leaf) {
                // A file is read for nothing once one is wrong.
                if problem.is_none() && !is_file(&export.folder, &name, &bytes)? {
                    problem = Some(is_other(&name));
                }
            }
            if problem.is_none() && !lines.continue_with(&entry)? {
                problem = Some(is_other(LINES));
            }
            take(entry);
        }
        if is_last {
            return Ok(problem);
        }
    }
    for (name, bytes) in tiles.finish() {
        if problem.is_none() && !is_file(&export.folder, &name, &bytes)? {
            problem = Some(is_other(&name));
        }
    }
    if problem.is_none() && !lines.end()? {
        problem = Some(is_other(LINES));
    }
    Ok(problem.or_else(|| check_head(export, &edge)))
}

fn is_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
    Ok(files::read(folder, name, files::TILE_BYTES_MAX)?.as_deref() == Some(bytes))
}

/// All entries as lines, beside the bundles.
const LINES: &str = "entries.jsonl";

/// `entries.jsonl`, compared as it is read.
struct Lines {
    path: PathBuf,
    /// `None`: it is not there.
    reader: Option<BufReader<fs::File>>,
    line: Vec<u8>,
}

impl Lines {
    fn open(folder: &Path) -> Result<Self, StoreError> {
        let reader = files::open(folder, LINES)?.map(BufReader::new);
        Ok(Self { path: folder.join(LINES), reader, line: vec![] })
    }

    /// Whether this entry and the end of a line come next. What was asked for is read, and no more: a file
    /// without ends of lines is not read whole.
    fn continue_with(&mut self, entry: &[u8]) -> Result<bool, StoreError> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        self.line.resize(entry.len() + 1, 0);
        match reader.read_exact(&mut self.line) {
            Ok(()) => Ok(self.line.split_last() == Some((&b'\n', entry))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(StoreError::Io(self.path.clone(), error)),
        }
    }

    /// Whether nothing follows.
    fn end(&mut self) -> Result<bool, StoreError> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        reader.fill_buf().map(<[u8]>::is_empty).map_err(at(&self.path))
    }
}

/// What is wrong with the head of a copy: whether its log's key signed it is A01's.
fn check_head(export: &Export, edge: &Edge) -> Option<String> {
    let head = split_note(&export.note).and_then(|(text, _)| Checkpoint::parse(text)).ok()?;
    let right = head.size == edge.size() && head.root == edge.root();
    (!right).then(|| "its signed head is not the head of its entries".to_owned())
}

/// What came of verifying exports.
pub struct Verified {
    /// A report for each log.
    pub reports: Vec<LogReport>,
    /// The newest version of the charter all of them follow.
    pub charter: Arc<Charter>,
    /// Every version as signed, the first first.
    pub charter_notes: Vec<String>,
    /// Heads of each log, with the lines of whoever cosigned them.
    pub heads: Notes,
    /// The fold, for proofs of what failed: with rounds only if it is whole, else with Releases.
    pub fold: Fold,
    /// What each member spent.
    pub books: Books,
    /// Who signed two histories of its log, with the proof: from an alert in some log, or from heads here.
    pub conflicts: Vec<SplitView>,
}

/// What verifying goes by beside the folders.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// Files with heads that were shown earlier.
    pub seen: &'a [&'a Path],
    /// What an earlier audit left.
    pub remembered: Option<&'a Audited>,
    /// Whether the fold is to hold entries and rounds when all is read: for certificates and openings, and far more
    /// memory.
    pub whole: bool,
}

/// Verifies exported folders offline, together: what one log cites of another is looked up there. Of
/// a log that is given more than once the longest copy counts that its key signed and that is whole, and the
/// others must be its beginning, as must every head in `seen`.
///
/// Entries are read bundle by bundle, and `progress` is told how many so far. Unless the fold is to be `whole`,
/// they are read twice: first for trees and files, and to learn which round each is of; then round by round, as
/// `audit_twice` does. So memory is 48 bytes an entry and about 100 a round, and what `audit_twice` keeps of debits
/// and Releases; never what files hold.
///
/// It goes on from what is `remembered` of an earlier audit: each log must still begin with what that had
/// seen, proofs of then are not recomputed, and what had failed is told again.
///
/// Errors: a folder or file that cannot be read, logs of different charters, or of another than is
/// remembered. Wrong contents are failures in the reports.
pub fn verify(
    folders: &[&Path],
    given: &Given<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, StoreError> {
    let remembered = given.remembered;
    let exports: Vec<Export> = folders.iter().map(|folder| read_export(folder)).collect::<Result<_, _>>()?;
    let first =
        exports.first().ok_or_else(|| StoreError::Wrong("name at least one exported folder".into()))?;
    let (charter_notes, chain) = read_chain(first, &exports)?;
    if let Some(remembered) = remembered {
        remembered.check_charter(chain[0].id())?;
    }
    let begin = if given.whole { Fold::with_chain } else { Fold::for_audit };
    let mut fold = begin(chain.clone(), read_vocabularies(folders, &chain)?);
    let copies_by_log = copies_by_log(&fold, exports)?;
    foretell(&mut fold, &copies_by_log)?;
    let mut notes = Notes::new();
    let mut trees = BTreeMap::new();
    for copies in &copies_by_log {
        let origin = &copies[0].origin;
        trees.insert(origin.clone(), read_copies(&mut fold, copies, progress)?);
        let log = fold.log_named(origin).expect("INVARIANT: every export is of a log of the fold");
        let (owner, size) = (log.member.clone(), log.size());
        let note = bare_note(&copies[0].note, origin, &log.key());
        fold.set_note_named(origin, size, note);
        let heads = copies.iter().flat_map(|copy| std::iter::once(&copy.note).chain(&copy.earlier));
        notes.entry(owner).or_default().extend(heads.cloned());
    }
    add_seen(&fold, given.seen, &trees, &mut notes)?;
    let refused = RefCell::new(None);
    let source = |hash: &Digest| match read_blob(folders, hash) {
        Ok(found) => found,
        Err(error) => {
            refused.borrow_mut().get_or_insert(error);
            None
        }
    };
    let origins: Vec<String> = copies_by_log.iter().map(|copies| copies[0].origin.clone()).collect();
    let mut again = Bundles::new(copies_by_log.iter().map(|copies| &copies[0]));
    let mut books = Books::default();
    let again: Option<&mut dyn Entries> = if given.whole { None } else { Some(&mut again) };
    let seen = &mut |round: &Round| books.take(round);
    let reports = audit_on(&mut fold, &origins, again, &source, &mut notes, trees, remembered, seen);
    let reports = reports.map_err(|error| StoreError::Wrong(error.to_string()))?;
    if let Some(error) = refused.into_inner() {
        return Err(error);
    }
    let conflicts = conflicts(&fold, &notes);
    let charter = fold.charter().clone();
    Ok(Verified { reports, charter, charter_notes, heads: notes, fold, books, conflicts })
}

/// Adds heads that were shown earlier to those of the logs that are here. Errors: one cannot be read, or is of a
/// log that is not here.
fn add_seen<T>(
    fold: &Fold,
    seen: &[&Path],
    trees: &BTreeMap<String, T>,
    notes: &mut Notes,
) -> Result<(), StoreError> {
    for path in seen {
        let note = read_head(path)?;
        let origin = note.lines().next().unwrap_or_default();
        let owner = fold.member_by_origin(origin).ok_or_else(|| {
            StoreError::Wrong(format!("{}: no head of a log of this charter", path.display()))
        })?;
        // Else nobody would say that a log which somebody saw is not here at all.
        if !trees.contains_key(origin) {
            return Err(StoreError::Wrong(format!(
                "{}: a head of `{origin}`, and none of these folders is of that log; name its export too, or \
                 leave the head out",
                path.display()
            )));
        }
        notes.entry(owner.clone()).or_default().push(note);
    }
    Ok(())
}

/// The longest chain of charter versions among exports: a member that was away may hold fewer. `first` is the
/// first export.
///
/// Errors: a chain that does not hold, or two that part.
fn read_chain(first: &Export, exports: &[Export]) -> Result<(Vec<String>, Vec<Arc<Charter>>), StoreError> {
    let wrong = |export: &Export, text: String| {
        Err(StoreError::Wrong(format!("{}: {text}", export.folder.display())))
    };
    let mut longest = (first, vec![]);
    for export in exports {
        let chain = match open_chain(&export.charter_notes) {
            Ok(chain) => chain,
            Err(error) => return wrong(export, error.to_string()),
        };
        let apart =
            chain.iter().zip(&longest.1).any(|(one, other): (&Charter, &Charter)| one.hash() != other.hash());
        if apart {
            let text =
                format!("follows another charter than {}; verify them apart", longest.0.folder.display());
            return wrong(export, text);
        }
        if chain.len() > longest.1.len() {
            longest = (export, chain);
        }
    }
    Ok((longest.0.charter_notes.clone(), longest.1.into_iter().map(Arc::new).collect()))
}

/// The blobs that lie in exported folders: each is what its name says, or is not there. One that is no plain
/// file, or too long, is not.
pub fn blobs<'a>(folders: &'a [&Path]) -> impl Fn(&Digest) -> Option<Vec<u8>> + 'a {
    move |hash| read_blob(folders, hash).ok().flatten()
}

/// Errors: what lies there under its name is no plain file, or longer than a blob can be.
fn read_blob(folders: &[&Path], hash: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
    for folder in folders {
        let found = files::read(folder, &format!("blobs/{hash}"), files::BLOB_FILE_BYTES_MAX)?;
        if let Some(bytes) = found.filter(|bytes| sha256(&[bytes]) == *hash) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// A head that the reader names itself: the path is its own, so a link is too.
fn read_head(path: &Path) -> Result<String, StoreError> {
    let mut bytes = vec![];
    let file = fs::File::open(path).map_err(at(path))?;
    file.take(files::HEAD_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(at(path))?;
    let wrong = |what: &str| {
        StoreError::Wrong(format!("{}: {what}; name a file such as `checkpoint`", path.display()))
    };
    if bytes.len() as u64 > files::HEAD_BYTES_MAX {
        return Err(wrong("longer than a head can be"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("not text"))
}

/// Who signed two histories: proven by an alert, or by a head that does not fit the entries here.
fn conflicts(fold: &Fold, all: &Notes) -> Vec<SplitView> {
    let by_alert = fold.logs().filter_map(|log| {
        let (_, evidence) = fold.split_of(&log.origin)?;
        let (member, log) = (log.member.clone(), log.origin.clone());
        Some(SplitView { member, log, evidence: (**evidence).clone() })
    });
    let mut found: Vec<SplitView> = by_alert.collect();
    for (owner, notes) in all {
        for log in fold.logs_of(owner).iter().filter(|log| log.size() > 0) {
            let heads = notes.iter().filter_map(|note| {
                let note = bare_note(note, &log.origin, &log.key());
                let head = fold.open_head(log, &note).ok()?;
                match fold.compare_head(log, &note, &head) {
                    Err(SectionError::SplitView(split)) => Some(*split),
                    Ok(()) | Err(SectionError::Gap | SectionError::Apart | SectionError::Bad(_)) => None,
                }
            });
            // Only what stands by itself: the entries here may not be what their head covers.
            let proven = |split: &SplitView| split.evidence.check(&log.origin, &log.key()).is_ok();
            if !found.iter().any(|split| split.log == log.origin) {
                let two = two_heads(log, all);
                let two = two.map(|evidence| SplitView {
                    member: owner.clone(),
                    log: log.origin.clone(),
                    evidence,
                });
                found.extend(two.into_iter().chain(heads).find(proven));
            }
        }
    }
    found
}

/// What a copy of a log counts for beside others. Its size is anybody's word until the log's key signed it, and
/// the signed head of entries that are not in the folder hides those that are in another.
fn rank(log: &Log, export: &Export) -> Result<(bool, bool, u64), StoreError> {
    let note = bare_note(&export.note, &log.origin, &log.key());
    let Ok(head) = open_checkpoint(&note, &log.origin, &log.key()) else {
        return Ok((false, false, export.size));
    };
    let mut edge = Edge::default();
    read_entries(export, &mut |entry| edge.push(leaf_hash(&entry)))?;
    Ok((true, (edge.size(), edge.root()) == (head.size, head.root), head.size))
}

/// The exports by whose log they are, of one member in the order in which its logs follow each other; of each that
/// first which counts: the longest of those that its key signed and that are whole.
fn copies_by_log(fold: &Fold, exports: Vec<Export>) -> Result<Vec<Vec<Export>>, StoreError> {
    let mut copies_by_log: BTreeMap<(MemberId, usize), Vec<Export>> = BTreeMap::new();
    for export in exports {
        let Some(owner) = fold.member_by_origin(&export.origin).cloned() else {
            return Err(StoreError::Wrong(format!(
                "{}: `{}` is the log of no member of the charter",
                export.folder.display(),
                export.origin.escape_debug()
            )));
        };
        let place = fold.logs_of(&owner).iter().position(|log| log.origin == export.origin);
        copies_by_log.entry((owner, place.unwrap_or(0))).or_default().push(export);
    }
    for copies in copies_by_log.values_mut().filter(|copies| copies.len() > 1) {
        let origin = &copies[0].origin;
        let log = fold.log_named(origin).expect("INVARIANT: every export is of a log of the fold");
        let mut ranked = vec![];
        for export in copies.drain(..) {
            ranked.push((rank(log, &export)?, export));
        }
        ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        copies.extend(ranked.into_iter().map(|(_, export)| export));
    }
    Ok(copies_by_log.into_values().collect())
}

/// Of a log that goes on from another its first entry says where that one ends, which is folded before it.
fn foretell(fold: &mut Fold, copies_by_log: &[Vec<Export>]) -> Result<(), StoreError> {
    for export in copies_by_log.iter().filter_map(|copies| copies.first()) {
        let follows =
            fold.member_by_origin(&export.origin).is_some_and(|owner| fold.logs_of(owner).len() > 1);
        if !follows {
            continue;
        }
        let mut first = None;
        // What is wrong with it is told when it is read to be folded.
        let _told_then = read_entries(export, &mut |entry| {
            first.get_or_insert(entry);
        })?;
        if let Some(first) = first {
            fold.foretell(&export.origin, &first);
        }
    }
    Ok(())
}

fn check(code: &'static str, name: &'static str, problem: Option<String>, good: &str) -> Check {
    let outcome = if problem.is_some() { Outcome::Fail } else { Outcome::Pass };
    Check { code, name, outcome, text: problem.unwrap_or_else(|| good.to_owned()), entry: None }
}

/// Reads all copies of a log and folds the first. Returns A03 of all of them.
fn read_copies(
    fold: &mut Fold,
    copies: &[Export],
    progress: &mut dyn FnMut(u64),
) -> Result<Check, StoreError> {
    let mut wrong = None;
    for (n, export) in copies.iter().enumerate() {
        let problem = read_entries(export, &mut |entry| {
            if n == 0 {
                fold.append_of(&export.origin, entry);
                let held = fold.entries_held();
                if held.is_multiple_of(PROGRESS_EVERY) {
                    progress(held);
                }
            }
        })?;
        wrong = wrong.or_else(|| problem.map(|problem| format!("{}: {problem}", export.folder.display())));
    }
    wrong = wrong.or_else(|| copies.first().and_then(|export| absent_version(fold, export)));
    Ok(check("A03", "tree", wrong, "tiles, bundles and lines are what the entries give"))
}

/// A version of the charter that a log puts in force, and that neither its own export holds nor another here. A
/// node exports every version that it goes by: its author left the note out, or made the version up, and would be
/// judged by none.
fn absent_version(fold: &Fold, export: &Export) -> Option<String> {
    let newest = fold.charter().version();
    let is_here = |hash: &Digest| fold.charter_named(hash).is_some() || fold.condemns(hash);
    let mut adopted = fold.log_named(&export.origin)?.adopted().iter();
    let said = adopted.find(|said| said.version > newest && !is_here(&said.hash))?;
    let (folder, version, index) = (export.folder.display(), said.version, said.index);
    Some(format!("{folder}: charter/{version}.note is absent, and entry {index} puts that version in force"))
}

/// Entries between two words of progress: some tens of milliseconds.
const PROGRESS_EVERY: u64 = 1_000;

fn read_vocabularies(
    folders: &[&Path],
    chain: &[Arc<Charter>],
) -> Result<BTreeMap<Digest, Arc<Vocabulary>>, StoreError> {
    let mut texts: Vec<String> = SHIPPED_VOCABULARIES.iter().map(|text| (*text).to_owned()).collect();
    let datasets = chain.iter().flat_map(|charter| &charter.fields().datasets);
    let named: BTreeSet<Digest> =
        datasets.flat_map(|dataset| dataset.vocabularies.iter().map(|(_, hash)| *hash)).collect();
    for hash in named {
        texts.extend(read_blob(folders, &hash)?.and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    let read = texts.into_iter().map(|text| {
        let vocabulary = Vocabulary::from_toml(&text).map_err(StoreError::Wrong)?;
        Ok((sha256(&[text.as_bytes()]), Arc::new(vocabulary)))
    });
    read.collect()
}
