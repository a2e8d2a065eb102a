//! Exported logs read back and checked, offline: what an auditor does with the USB stick.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{Check, LogReport, Notes, Outcome, audit_one_with, two_heads};
use datacoop_protocol::charter_text::open_signed_charter;
use datacoop_protocol::fold::{Fold, SectionError, SplitView};
use datacoop_protocol::log::note::{Checkpoint, KIND_ED25519, bare_note, parse_vkey, split_note};
use datacoop_protocol::log::tile::{bundle_paths, entry_bundles, hash_tiles, read_bundle};
use datacoop_protocol::log::tree::{Edge, Tree, leaf_hash, sha256};

use crate::folder::{StoreError, at, read_optional};
use crate::home::SHIPPED_VOCABULARIES;

/// An export as read back from its files.
struct Export {
    folder: PathBuf,
    note: String,
    /// Earlier heads.
    earlier: Vec<String>,
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
    let earlier = read_earlier(&folder.join("checkpoints"))?;
    Ok(Export { folder: folder.to_owned(), note, earlier, charter_note, entries, origin: key.name, problem })
}

/// Earlier heads, as far as there are any.
fn read_earlier(folder: &Path) -> Result<Vec<String>, StoreError> {
    if !folder.exists() {
        return Ok(vec![]);
    }
    let files = fs::read_dir(folder).map_err(at(folder))?;
    // What is no text is no head, and is said to be none; it must not keep the rest from being checked.
    let read = |file: std::io::Result<fs::DirEntry>| {
        let bytes = file.and_then(|file| fs::read(file.path())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(files.map(read).collect())
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

/// What is wrong with the head of a copy: whether its log's key signed it is A01's.
fn check_head(export: &Export) -> Option<String> {
    let mut edge = Edge::default();
    export.entries.iter().for_each(|entry| edge.push(leaf_hash(entry)));
    let head = split_note(&export.note).and_then(|(text, _)| Checkpoint::parse(text)).ok()?;
    let right = head.size == edge.size() && head.root == edge.root();
    (!right).then(|| "its signed head is not the head of its entries".to_owned())
}

/// What came of verifying exports.
pub struct Verified {
    /// A report for each log.
    pub reports: Vec<LogReport>,
    /// The charter all of them follow.
    pub charter: Charter,
    /// The charter as signed.
    pub charter_note: String,
    /// Heads of each log, with the lines of whoever cosigned them.
    pub heads: Notes,
    /// The fold, for proofs of what failed.
    pub fold: Fold,
    /// Who signed two histories of its log, with the proof: from an alert in some log, or from heads here.
    pub conflicts: Vec<SplitView>,
}

/// Verifies exported folders offline, together: what one log cites of another is looked up there. Of
/// a log that is given more than once the longest copy counts, and the others must be its beginning, as
/// must every head in `seen`: files with heads that were shown earlier.
///
/// Errors: a folder or file that cannot be read, or logs of different charters. Wrong contents are
/// failures in the reports.
pub fn verify(folders: &[&Path], seen: &[&Path]) -> Result<Verified, StoreError> {
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
    let charter_note = first.charter_note.clone();
    let mut fold = Fold::new(Arc::new(charter.clone()), read_vocabularies(folders, &charter)?);
    let copies_by_owner = copies_by_owner(&fold, exports)?;
    let mut notes = Notes::new();
    for (owner, copies) in &copies_by_owner {
        for entry in &copies[0].entries {
            fold.append(owner, entry.clone());
        }
        let key = fold.log(owner).expect("INVARIANT: every owner is a member with a log").key();
        let note = bare_note(&copies[0].note, &copies[0].origin, &key);
        fold.set_note(owner, copies[0].entries.len() as u64, note);
        let heads = copies.iter().flat_map(|copy| std::iter::once(&copy.note).chain(&copy.earlier));
        notes.insert(owner.clone(), heads.cloned().collect());
    }
    for path in seen {
        let note = read_text(path)?;
        let origin = note.lines().next().unwrap_or_default();
        let owner = fold.member_by_origin(origin).ok_or_else(|| {
            StoreError::Wrong(format!("{}: no head of a log of this charter", path.display()))
        })?;
        notes.entry(owner.clone()).or_default().push(note);
    }
    let source = blobs(folders);
    let mut reports = vec![];
    for (owner, copies) in &copies_by_owner {
        let mut report = audit_one_with(&fold, owner, &source, &notes)
            .expect("INVARIANT: every owner is a member with a log");
        let at = report.checks.iter().position(|check| check.code > "A03").unwrap_or(0);
        report.checks.insert(at, check_copies(copies)?);
        reports.push(report);
    }
    let conflicts = conflicts(&fold, &notes);
    Ok(Verified { reports, charter, charter_note, heads: notes, fold, conflicts })
}

/// The blobs that lie in exported folders: each is what its name says, or is not there.
pub fn blobs<'a>(folders: &'a [&Path]) -> impl Fn(&Digest) -> Option<Vec<u8>> + 'a {
    |hash| {
        let found = folders.iter().find_map(|folder| fs::read(folder.join(format!("blobs/{hash}"))).ok());
        found.filter(|bytes| sha256(&[bytes]) == *hash)
    }
}

/// Who signed two histories: proven by an alert, or by a head that does not fit the entries here.
fn conflicts(fold: &Fold, all: &Notes) -> Vec<SplitView> {
    let by_alert = fold.logs().filter_map(|log| {
        let (_, evidence) = fold.split(&log.member)?;
        Some(SplitView { member: log.member.clone(), evidence: (**evidence).clone() })
    });
    let mut found: Vec<SplitView> = by_alert.collect();
    for (owner, notes) in all {
        let Some(log) = fold.log(owner) else { continue };
        let heads = notes.iter().filter_map(|note| {
            let note = bare_note(note, &log.origin, &log.key());
            let head = fold.open_head(owner, &note).ok()?;
            match fold.compare_head(owner, &note, &head) {
                Err(SectionError::SplitView(split)) => Some(*split),
                Ok(()) | Err(SectionError::Gap | SectionError::Apart | SectionError::Bad(_)) => None,
            }
        });
        // Only what stands by itself: the entries here may not be what their head covers.
        let proven = |split: &SplitView| split.evidence.check(&log.origin, &log.key()).is_ok();
        if !found.iter().any(|split| split.member == *owner) {
            let two = two_heads(log, all).map(|evidence| SplitView { member: owner.clone(), evidence });
            found.extend(two.into_iter().chain(heads).find(proven));
        }
    }
    found
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
        let problem = match check_files(export)? {
            None => check_head(export),
            problem => problem,
        };
        if let Some(problem) = problem {
            let problem = format!("{}: {problem}", export.folder.display());
            return Ok(check("A03", "tree", Some(problem), ""));
        }
    }
    Ok(check("A03", "tree", None, "tiles, bundles and lines are what the entries give"))
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
