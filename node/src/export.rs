//! A log as plain C2SP files, and back: what an auditor gets on a USB stick.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{LogReport, audit, public_blobs};
use datacoop_protocol::charter_text::open_signed_charter;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::note::{KIND_ED25519, open_checkpoint, vkey};
use datacoop_protocol::log::tile::{bundle_paths, entry_bundles, hash_tiles, read_bundle};
use datacoop_protocol::log::tree::sha256;
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
    let blobs = Blobs::new(&home.join("blobs"));
    for hash in &snapshot.blobs {
        if let Some(bytes) = blobs.get(hash)? {
            write(&folder.join(format!("blobs/{hash}")), &bytes)?;
        }
    }
    // Last, so that a reader never finds a head without what lies under it.
    write(&folder.join("checkpoint"), snapshot.note.as_bytes())
}

/// An export as read back from its files.
struct Export {
    note: String,
    charter_note: String,
    entries: Vec<Arc<[u8]>>,
    origin: String,
}

fn read_text(path: &Path) -> Result<String, StoreError> {
    fs::read_to_string(path).map_err(at(path))
}

fn read_export(folder: &Path) -> Result<Export, StoreError> {
    let wrong = |text: String| StoreError::Wrong(format!("{}: {text}", folder.display()));
    let key = datacoop_protocol::log::note::parse_vkey(
        read_text(&folder.join("log.vkey"))?.trim_end(),
        KIND_ED25519,
    )
    .map_err(|error| wrong(error.to_string()))?;
    let note = read_text(&folder.join("checkpoint"))?;
    let head = open_checkpoint(&note, &key.name, &key.key).map_err(|error| wrong(error.to_string()))?;
    let mut entries = vec![];
    for path in bundle_paths(head.size) {
        let path = folder.join(path);
        let bytes = fs::read(&path).map_err(at(&path))?;
        entries.extend(
            read_bundle(&bytes)
                .ok_or_else(|| wrong(format!("{} is no bundle of entries", path.display())))?,
        );
    }
    Ok(Export { note, charter_note: read_text(&folder.join("charter/1.note"))?, entries, origin: key.name })
}

/// What is wrong with the files of an export beside its entries: each tile, bundle and line must be
/// what the entries give.
fn check_files(folder: &Path, fold: &Fold, member: &MemberId) -> Result<Option<String>, StoreError> {
    let Some(log) = fold.log(member) else { return Ok(None) };
    let mut expected = hash_tiles(log.tree());
    let lines: Vec<u8> =
        log.entries().iter().flat_map(|entry| entry.iter().copied().chain([b'\n'])).collect();
    expected.push(("entries.jsonl".into(), lines));
    for (name, bytes) in expected {
        let path = folder.join(&name);
        if read_optional(&path)?.as_deref() != Some(&bytes) {
            return Ok(Some(format!("{name} is not what the entries give")));
        }
    }
    Ok(None)
}

/// What came of verifying exports.
pub struct Verified {
    /// A report for each log.
    pub reports: Vec<LogReport>,
    /// The charter all of them follow.
    pub charter: Charter,
    /// The fold, for proofs of what failed.
    pub fold: Fold,
}

/// Verifies exported folders offline, together: what one log cites of another is looked up there.
///
/// Errors: a folder that cannot be read, or logs of different charters. Wrong contents are failures
/// in the reports.
pub fn verify(folders: &[&Path]) -> Result<Verified, StoreError> {
    let exports: Vec<(&Path, Export)> = folders
        .iter()
        .map(|folder| Ok((*folder, read_export(folder)?)))
        .collect::<Result<_, StoreError>>()?;
    let first =
        exports.first().ok_or_else(|| StoreError::Wrong("name at least one exported folder".into()))?;
    let charter = open_signed_charter(&first.1.charter_note)
        .map_err(|error| StoreError::Wrong(format!("{}: {error}", first.0.display())))?;
    if let Some((folder, _)) = exports.iter().find(|(_, export)| export.charter_note != first.1.charter_note)
    {
        return Err(StoreError::Wrong(format!(
            "{} follows another charter than {}",
            folder.display(),
            first.0.display()
        )));
    }
    let mut fold = Fold::new(Arc::new(charter.clone()), read_vocabularies(folders, &charter)?);
    let mut owners = vec![];
    for (folder, export) in &exports {
        let owner = fold.member_by_origin(&export.origin).cloned();
        let owner = owner.ok_or_else(|| {
            StoreError::Wrong(format!(
                "{}: `{}` is the log of no member of the charter",
                folder.display(),
                export.origin.escape_debug()
            ))
        })?;
        if fold.log(&owner).is_some_and(|log| log.size() > 0) {
            return Err(StoreError::Wrong(format!(
                "{}: the log of `{owner}` is given twice",
                folder.display()
            )));
        }
        for entry in &export.entries {
            fold.append(&owner, entry.clone());
        }
        fold.set_note(&owner, export.entries.len() as u64, export.note.clone());
        owners.push((*folder, owner));
    }
    let source = |hash: &Digest| {
        let found = folders.iter().find_map(|folder| fs::read(folder.join(format!("blobs/{hash}"))).ok());
        found.filter(|bytes| sha256(&[bytes]) == *hash)
    };
    let mut reports = audit(&fold, &source);
    for (folder, owner) in owners {
        let Some(report) = reports.iter_mut().find(|report| report.member == owner) else { continue };
        report.checks.insert(1, files_check(check_files(folder, &fold, &owner)?));
    }
    Ok(Verified { reports, charter, fold })
}

fn files_check(problem: Option<String>) -> datacoop_protocol::audit::Check {
    use datacoop_protocol::audit::{Check, Outcome};
    let outcome = if problem.is_some() { Outcome::Fail } else { Outcome::Pass };
    let text = problem.unwrap_or_else(|| "tiles, bundles and lines are what the entries give".into());
    Check { code: "A03", name: "tree", outcome, text, entry: None }
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
