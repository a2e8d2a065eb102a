//! A log as plain C2SP files, and back: what an auditor gets on a USB stick.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{Check, LogReport, Outcome, audit_one, public_blobs};
use datacoop_protocol::charter_text::open_signed_charter;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::note::{Checkpoint, KIND_ED25519, open_checkpoint, parse_vkey, split_note, vkey};
use datacoop_protocol::log::tile::{bundle_paths, entry_bundles, hash_tiles, read_bundle};
use datacoop_protocol::log::tree::{Edge, Tree, leaf_hash, sha256};
use datacoop_protocol::member::Member;

use crate::blobs::Blobs;
use crate::folder::{StoreError, at, make_dir, read_optional};
use crate::home::{Home, SHIPPED_VOCABULARIES};

/// What of a Member an export is made of: taken between two inputs, written without holding it up.
pub struct Snapshot {
    charter: Arc<Charter>,
    origin: String,
    key: [u8; 32],
    entries: Vec<Arc<[u8]>>,
    tree: datacoop_protocol::log::tree::Tree,
    note: String,
    blobs: Vec<Digest>,
}

/// Takes a snapshot of the member's own log; `None` before it has signed anything.
pub fn snapshot(member: &Member) -> Option<Snapshot> {
    let log = member.fold().log(member.me())?;
    let (size, note) = log.note()?;
    let entries = log.entries().get(..usize::try_from(size).ok()?)?.to_vec();
    Some(Snapshot {
        charter: member.fold().charter().clone(),
        origin: log.origin.clone(),
        key: log.key(),
        entries,
        tree: log.tree().clone(),
        note: note.to_owned(),
        blobs: public_blobs(member.fold(), member.me()).into_keys().collect(),
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    fs::write(path, bytes).map_err(at(path))
}

/// Writes the export of a log into an empty or older export folder.
pub fn write_export(snapshot: &Snapshot, home: &Home, folder: &Path) -> Result<(), StoreError> {
    if folder.exists()
        && fs::read_dir(folder).map_err(at(folder))?.next().is_some()
        && !folder.join("log.vkey").exists()
    {
        return Err(StoreError::Wrong(format!(
            "{} holds other files; name an empty folder",
            folder.display()
        )));
    }
    for (path, bytes) in hash_tiles(&snapshot.tree).into_iter().chain(entry_bundles(&snapshot.entries)) {
        write(&folder.join(path), &bytes)?;
    }
    let lines: Vec<u8> =
        snapshot.entries.iter().flat_map(|entry| entry.iter().copied().chain([b'\n'])).collect();
    write(&folder.join("entries.jsonl"), &lines)?;
    let key = datacoop_policy::charter::NamedKey { name: snapshot.origin.clone(), key: snapshot.key };
    write(&folder.join("log.vkey"), format!("{}\n", vkey(&key, KIND_ED25519)).as_bytes())?;
    if let Some((note, charter)) = home.charter()? {
        write(&folder.join(format!("charter/{}.note", charter.version())), note.as_bytes())?;
    }
    let wanted: Vec<Digest> = snapshot
        .charter
        .fields()
        .datasets
        .iter()
        .flat_map(|d| d.vocabularies.iter().map(|(_, hash)| *hash))
        .collect();
    for (hash, (text, _)) in home.vocabularies()?.into_iter().filter(|(hash, _)| wanted.contains(hash)) {
        write(&folder.join(format!("blobs/{hash}")), text.as_bytes())?;
    }
    let blobs = Blobs::kept(&home.join("blobs"));
    for hash in &snapshot.blobs {
        if let Some(bytes) = blobs.get(hash)? {
            write(&folder.join(format!("blobs/{hash}")), &bytes)?;
        }
    }
    // Last, so that a reader never finds a head without what lies under it.
    write(&folder.join("checkpoint"), snapshot.note.as_bytes())
}

/// As `write_export`, off the threads that answer members.
pub async fn write_export_aside(snapshot: Snapshot, home: Home, folder: PathBuf) -> Result<(), StoreError> {
    let written = tokio::task::spawn_blocking(move || write_export(&snapshot, &home, &folder)).await;
    written.unwrap_or_else(|error| Err(StoreError::Wrong(format!("the export broke: {error}"))))
}

/// An export as read back from its files.
struct Export {
    folder: PathBuf,
    note: String,
    charter_note: String,
    entries: Vec<Arc<[u8]>>,
    origin: String,
    /// What is wrong with its bundles, if they could not all be read.
    problem: Option<String>,
}

fn read_text(path: &Path) -> Result<String, StoreError> {
    fs::read_to_string(path).map_err(at(path))
}

/// Reads an export. Errors: it is none, or the machine cannot read it. Whether its head is signed and
/// its files are right is for the checks to say.
fn read_export(folder: &Path) -> Result<Export, StoreError> {
    let wrong = |text: String| StoreError::Wrong(format!("{}: {text}", folder.display()));
    let key = parse_vkey(read_text(&folder.join("log.vkey"))?.trim_end(), KIND_ED25519)
        .map_err(|error| wrong(error.to_string()))?;
    let note = read_text(&folder.join("checkpoint"))?;
    let head = split_note(&note).and_then(|(text, _)| Checkpoint::parse(text));
    let head = head.map_err(|error| wrong(error.to_string()))?;
    let (mut entries, mut problem) = (vec![], None);
    for name in bundle_paths(head.size) {
        let Some(bundle) = read_optional(&folder.join(&name))?.and_then(|bytes| read_bundle(&bytes)) else {
            problem = Some(format!("{name} is absent or no bundle of entries"));
            break;
        };
        entries.extend(bundle);
    }
    let charter_note = read_text(&folder.join("charter/1.note"))?;
    Ok(Export { folder: folder.to_owned(), note, charter_note, entries, origin: key.name, problem })
}

/// What is wrong with the files of an export beside its entries: each tile, bundle and line must be
/// what the entries give.
fn check_files(export: &Export) -> Result<Option<String>, StoreError> {
    if export.problem.is_some() {
        return Ok(export.problem.clone());
    }
    let mut tree = Tree::default();
    export.entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let lines: Vec<u8> =
        export.entries.iter().flat_map(|entry| entry.iter().copied().chain([b'\n'])).collect();
    let derived = hash_tiles(&tree).into_iter().chain(entry_bundles(&export.entries));
    for (name, bytes) in derived.chain([("entries.jsonl".to_owned(), lines)]) {
        if read_optional(&export.folder.join(&name))?.as_deref() != Some(&bytes) {
            return Ok(Some(format!("{name} is not what the entries give")));
        }
    }
    Ok(None)
}

/// Two heads of one log that its key signed and that cannot both be true: proof that its author told
/// two stories.
pub struct Conflict {
    /// Whose log.
    pub member: MemberId,
    /// The log.
    pub origin: String,
    /// Both signed notes, the smaller size first.
    pub notes: [String; 2],
    /// Of two sizes: the other prefix root, and its consistency proof to the larger head.
    pub prefix: Option<(Digest, Vec<Digest>)>,
}

/// What came of verifying exports.
pub struct Verified {
    /// A report for each log.
    pub reports: Vec<LogReport>,
    /// The charter all of them follow.
    pub charter: Charter,
    /// The fold, for proofs of what failed.
    pub fold: Fold,
    /// Equivocations that two exports of one log prove.
    pub conflicts: Vec<Conflict>,
}

/// Verifies exported folders offline, together: what one log cites of another is looked up there. Of
/// a log that is given more than once the longest copy counts, and the others must be its beginning.
///
/// Errors: a folder that cannot be read, or logs of different charters. Wrong contents are failures
/// in the reports.
pub fn verify(folders: &[&Path]) -> Result<Verified, StoreError> {
    let exports: Vec<Export> = folders.iter().map(|folder| read_export(folder)).collect::<Result<_, _>>()?;
    let first =
        exports.first().ok_or_else(|| StoreError::Wrong("name at least one exported folder".into()))?;
    let charter = open_signed_charter(&first.charter_note)
        .map_err(|error| StoreError::Wrong(format!("{}: {error}", first.folder.display())))?;
    if let Some(other) = exports.iter().find(|export| export.charter_note != first.charter_note) {
        return Err(StoreError::Wrong(format!(
            "{} follows another charter than {}; verify them apart",
            other.folder.display(),
            first.folder.display()
        )));
    }
    let mut fold = Fold::new(Arc::new(charter.clone()), read_vocabularies(folders, &charter)?);
    let copies_by_owner = copies_by_owner(&fold, exports)?;
    for (owner, copies) in &copies_by_owner {
        for entry in &copies[0].entries {
            fold.append(owner, entry.clone());
        }
        fold.set_note(owner, copies[0].entries.len() as u64, copies[0].note.clone());
    }
    let source = blobs(folders);
    let (mut reports, mut conflicts) = (vec![], vec![]);
    for (owner, copies) in &copies_by_owner {
        let mut report =
            audit_one(&fold, owner, &source).expect("INVARIANT: every owner is a member with a log");
        report.checks.insert(1, check_copies(copies)?);
        if copies.len() > 1 {
            let (check, found) = check_history(&fold, owner, copies);
            report.checks.insert(2, check);
            conflicts.extend(found);
        }
        reports.push(report);
    }
    Ok(Verified { reports, charter, fold, conflicts })
}

/// The blobs that lie in exported folders: each is what its name says, or is not there.
pub fn blobs<'a>(folders: &'a [&Path]) -> impl Fn(&Digest) -> Option<Vec<u8>> + 'a {
    |hash| {
        let found = folders.iter().find_map(|folder| fs::read(folder.join(format!("blobs/{hash}"))).ok());
        found.filter(|bytes| sha256(&[bytes]) == *hash)
    }
}

/// The exports by whose log they are, the longest copy first.
fn copies_by_owner(fold: &Fold, exports: Vec<Export>) -> Result<BTreeMap<MemberId, Vec<Export>>, StoreError> {
    let mut copies_by_owner: BTreeMap<MemberId, Vec<Export>> = BTreeMap::new();
    for export in exports {
        let owner = fold.member_by_origin(&export.origin).cloned().ok_or_else(|| {
            StoreError::Wrong(format!(
                "{}: `{}` is the log of no member of the charter",
                export.folder.display(),
                export.origin.escape_debug()
            ))
        })?;
        copies_by_owner.entry(owner).or_default().push(export);
    }
    for copies in copies_by_owner.values_mut() {
        copies.sort_by_key(|export| std::cmp::Reverse(export.entries.len()));
    }
    Ok(copies_by_owner)
}

fn check(code: &'static str, name: &'static str, problem: Option<String>, good: &str) -> Check {
    let outcome = if problem.is_some() { Outcome::Fail } else { Outcome::Pass };
    Check { code, name, outcome, text: problem.unwrap_or_else(|| good.to_owned()), entry: None }
}

/// A03 of all copies of a log.
fn check_copies(copies: &[Export]) -> Result<Check, StoreError> {
    for export in copies {
        if let Some(problem) = check_files(export)? {
            let problem = format!("{}: {problem}", export.folder.display());
            return Ok(check("A03", "tree", Some(problem), ""));
        }
    }
    Ok(check("A03", "tree", None, "tiles, bundles and lines are what the entries give"))
}

/// A04 as far as it can be seen from several copies of one log: each is the beginning of the longest.
fn check_history(fold: &Fold, owner: &MemberId, copies: &[Export]) -> (Check, Vec<Conflict>) {
    let log = fold.log(owner).expect("INVARIANT: every owner is a member with a log");
    let signed = |export: &Export| open_checkpoint(&export.note, &log.origin, &log.key()).ok();
    let longest = signed(&copies[0]).filter(|head| Some(head.root) == log.tree().root_at(head.size));
    let (mut problem, mut conflicts) = (None, vec![]);
    for copy in &copies[1..] {
        let mut edge = Edge::default();
        copy.entries.iter().for_each(|entry| edge.push(leaf_hash(entry)));
        let text = match signed(copy) {
            Some(head) if head.size == edge.size() && head.root == edge.root() => {
                if log.tree().root_at(head.size) == Some(head.root) {
                    continue;
                }
                let Some(longest) = &longest else { continue };
                conflicts.push(Conflict {
                    member: owner.clone(),
                    origin: log.origin.clone(),
                    notes: [copy.note.clone(), copies[0].note.clone()],
                    prefix: (head.size < longest.size)
                        .then(|| {
                            let root = log.tree().root_at(head.size)?;
                            Some((root, log.tree().consistency_proof(head.size, longest.size)?))
                        })
                        .flatten(),
                });
                format!("two signed heads contradict each other, of sizes {} and {}", head.size, longest.size)
            }
            Some(_) => "its signed head is not the head of its entries".to_owned(),
            None => "its head is not signed by the log's key".to_owned(),
        };
        problem.get_or_insert(format!("{}: {text}", copy.folder.display()));
    }
    (check("A04", "history", problem, "each shorter copy is the beginning of the longest"), conflicts)
}

fn read_vocabularies(
    folders: &[&Path],
    charter: &Charter,
) -> Result<BTreeMap<Digest, Arc<Vocabulary>>, StoreError> {
    let mut texts: Vec<String> = SHIPPED_VOCABULARIES.iter().map(|text| (*text).to_owned()).collect();
    let named = charter
        .fields()
        .datasets
        .iter()
        .flat_map(|dataset| dataset.vocabularies.iter().map(|(_, hash)| *hash));
    for hash in named {
        let found =
            folders.iter().find_map(|folder| fs::read_to_string(folder.join(format!("blobs/{hash}"))).ok());
        texts.extend(found.filter(|text| sha256(&[text.as_bytes()]) == hash));
    }
    let read = texts.into_iter().map(|text| {
        let vocabulary = Vocabulary::from_toml(&text).map_err(StoreError::Wrong)?;
        Ok((sha256(&[text.as_bytes()]), Arc::new(vocabulary)))
    });
    read.collect()
}
