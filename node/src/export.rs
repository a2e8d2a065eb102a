//! A log as plain C2SP files: what an auditor gets on a USB stick.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::Digest;
use datacoop_policy::charter::Charter;
use datacoop_protocol::audit::public_blobs;
use datacoop_protocol::fold::Log;
use datacoop_protocol::log::cosignature::policy_text;
use datacoop_protocol::log::note::{KIND_ED25519, vkey};
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::member::Member;

use crate::blobs::Blobs;
use crate::folder::{StoreError, at, make_dir};
use crate::home::Home;

/// What of a Member an export is made of: taken between two inputs, written without holding it up.
pub struct Snapshot {
    charters: Vec<Arc<Charter>>,
    origin: String,
    key: [u8; 32],
    entries: Vec<Arc<[u8]>>,
    tree: datacoop_protocol::log::tree::Tree,
    /// Its head, with the lines of the witnesses that cosigned it by now.
    note: String,
    /// Earlier heads that a quorum cosigned: the last of each day.
    witnessed: Vec<(u64, String)>,
    /// Who must cosign it.
    policy: String,
    blobs: Vec<Digest>,
}

/// Takes a snapshot of the log that the member writes; `None` before it has signed anything.
pub fn snapshot(member: &Member) -> Option<Snapshot> {
    snapshot_of(member, member.fold().log(member.me())?)
}

/// Takes a snapshot of this log of the member's own: it may have gone on in another since.
pub fn snapshot_of(member: &Member, log: &Log) -> Option<Snapshot> {
    let (size, _) = log.note()?;
    let entries = log.entries().get(..usize::try_from(size).ok()?)?.to_vec();
    let daily = member.witnessed().daily(log).map(|(size, note)| (size, note.to_owned()));
    let witnessed: BTreeMap<u64, String> = daily.chain(member.witnessed().witnessed(log)).collect();
    Some(Snapshot {
        charters: member.fold().charters().to_vec(),
        origin: log.origin.clone(),
        key: log.key(),
        entries,
        tree: log.tree().clone(),
        note: member.witnessed().newest(log)?,
        witnessed: witnessed.into_iter().collect(),
        policy: policy_text(member.fold().charter_of_log(log)?, member.me())?,
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
    write(&folder.join("policy"), snapshot.policy.as_bytes())?;
    for (size, note) in &snapshot.witnessed {
        write(&folder.join(format!("checkpoints/{size}")), note.as_bytes())?;
    }
    for (note, charter) in home.charters()? {
        write(&folder.join(format!("charter/{}.note", charter.version())), note.as_bytes())?;
    }
    let datasets = snapshot.charters.iter().flat_map(|charter| &charter.fields().datasets);
    let wanted: BTreeSet<Digest> =
        datasets.flat_map(|dataset| dataset.vocabularies.iter().map(|(_, hash)| *hash)).collect();
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
