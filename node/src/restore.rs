//! A folder whose journal is lost, damaged or too old: what its next start needs to take the log back from
//! the others. Deletes nothing of it: what was there gets another name. Must not know a network.
//!
//! Source: LOG section 4, "Start".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datacoop_protocol::member::check_start;
use datacoop_protocol::wire::{Record, encode};

use crate::disk;
use crate::error::CommandError;
use crate::folder::{StoreError, at, list, make_dir, sync_dir};
use crate::home::{Config, Home};
use crate::journal::Journal;
use crate::signed;
use crate::storage::{read_whole, records};

/// Where the next journal is built.
const NEXT: &str = "journal.next";
/// What one that was set aside is named, before its number.
const ASIDE: &str = "journal.set-aside";

/// What a restore does.
pub struct Restore {
    /// Why a start as it is would be refused, or lose something.
    pub why: String,
    /// Entries of our own log before the damage: they stay.
    pub entries: u64,
    /// Entries under the newest head that we signed, if the folder `signed` is there.
    pub signed: Option<u64>,
    /// Where the journal goes; `None` when there is none.
    pub aside: Option<PathBuf>,
    frames: Vec<Vec<u8>>,
    built: bool,
}

/// Whether a journal says last that entries of ours are still to come from others.
fn is_waiting(records: &[Record]) -> bool {
    let lost = records.iter().rev().find(|record| matches!(record, Record::Restored | Record::Left(_)));
    lost == Some(&Record::Restored)
}

/// Looks at a folder, which must be locked by us; `None` when it starts as it is. Changes nothing.
///
/// Errors: the disk's, or its keys or charter are missing too.
pub fn look(home: &Home) -> Result<Option<Restore>, StoreError> {
    let config = home.config()?;
    // A start needs them; so does whoever asks others for the log of these keys.
    home.all_keys(&config)?;
    let charters: Vec<_> = home.charters()?.into_iter().map(|(_, charter)| charter).collect();
    if charters.is_empty() {
        return Err(StoreError::Wrong(
            "the charter is missing too: put it back first with `datacoop charter sign FILE`".into(),
        ));
    }
    let vocabularies: BTreeMap<_, _> =
        home.vocabularies()?.into_iter().map(|(hash, (_, one))| (hash, one)).collect();
    let last = signed::newest(&home.join("signed"))?;
    let (journal, next) = (home.join("journal"), home.join(NEXT));
    let is_there = journal.exists() && !list(&journal)?.is_empty();
    // An earlier restore was cut off after it had set the journal aside.
    let mut found = read_whole(&journal)?;
    // A start that was refused left an empty file there.
    let is_empty = found.frames.is_empty() && found.damage.is_none();
    let built = is_empty && next.exists() && is_waiting(&read_whole(&next)?.records);
    if built {
        found = read_whole(&next)?;
    }
    let check = |records: &[Record]| {
        check_start(&charters, vocabularies.clone(), &config.id.0, records.to_vec(), last.as_ref())
    };
    let waiting = is_waiting(&found.records);
    let why = match (found.damage.take(), check(&found.records)) {
        (Some(damage), _) => damage,
        (None, Err(error)) => error.to_string(),
        (None, Ok(0)) if !waiting => "this folder holds no journal".to_owned(),
        (None, Ok(_)) if built => "an earlier restore was cut off".to_owned(),
        (None, Ok(_)) => return Ok(None),
    };
    let mut records = found.records;
    records.push(Record::Restored);
    // What contradicts the newest head that we signed is no history of ours: all comes from the others.
    let entries = check(&records).unwrap_or_else(|_| {
        found.frames.clear();
        0
    });
    let aside = is_there.then(|| free_name(home));
    let signed = last.map(|(size, _)| size);
    Ok(Some(Restore { why, entries, signed, aside, frames: found.frames, built }))
}

/// A copy of a node's folder that a start would take.
pub struct Copied {
    /// Entries of our own log in it.
    pub entries: u64,
    /// Kinds of records in it.
    pub tables: usize,
}

/// Tries whether a copy of this node's folder would serve if the folder were lost: the same identity, keys, charter
/// and a whole journal. Starts nothing and changes nothing.
///
/// Errors: it would not serve, and why.
pub fn try_copy(home: &Home, copy: &Home) -> Result<Copied, CommandError> {
    let wrong = |text: String| {
        CommandError::failed(text).hint("make another copy of the whole folder, while the node is stopped")
    };
    let read = |error: StoreError| wrong(error.to_string());
    let same = std::fs::canonicalize(copy.path()).ok() == std::fs::canonicalize(home.path()).ok();
    if same {
        let text = format!("{} is this node's own folder, and no copy of it", copy.path().display());
        return Err(CommandError::usage(text).hint("name the folder that you copied it to"));
    }
    if !copy.exists() {
        let text = format!("{} holds no copy of a node", copy.path().display());
        return Err(CommandError::usage(text).hint("name the folder in which config.toml lies"));
    }
    let (ours, theirs) = (home.config().map_err(read)?, copy.config().map_err(read)?);
    let public = |home: &Home, config: &Config| -> Result<Vec<_>, StoreError> {
        Ok(home.all_keys(config)?.iter().map(|keys| keys.public().clone()).collect())
    };
    if ours.id.0 != theirs.id.0
        || public(home, &ours).map_err(read)? != public(copy, &theirs).map_err(read)?
    {
        return Err(wrong(format!("the copy is of {} ({}), with other keys", theirs.name, theirs.id.0)));
    }
    if let Some(restore) = look(copy).map_err(read)? {
        return Err(wrong(format!("the copy would not start as it is: {}", restore.why)));
    }
    let records = records(copy.path()).map_err(read)?;
    let entries = records.iter().filter(|record| matches!(record, Record::Entry(_))).count() as u64;
    let known = copy.vocabularies().map_err(read)?;
    let tables = known.values().filter(|(_, vocabulary)| copy.table(vocabulary).is_some()).count();
    Ok(Copied { entries, tables })
}

fn free_name(home: &Home) -> PathBuf {
    let mut names = (1u32..).map(|number| home.join(&format!("{ASIDE}-{number}")));
    names.find(|path| !path.exists()).expect("INVARIANT: some number is free")
}

/// Does it. A crash in the midst of it leaves a folder that refuses to start, and that this mends.
pub fn apply(home: &Home, restore: &Restore) -> Result<(), StoreError> {
    let (journal, next) = (home.join("journal"), home.join(NEXT));
    if !restore.built {
        build(&next, &restore.frames)?;
    }
    match &restore.aside {
        Some(aside) => disk::rename(&journal, aside).map_err(at(&journal))?,
        // An empty folder, or none: a folder takes the place of an empty one.
        None => make_dir(&journal)?,
    }
    disk::rename(&next, &journal).map_err(at(&next))?;
    sync_dir(home.path())
}

fn build(next: &Path, frames: &[Vec<u8>]) -> Result<(), StoreError> {
    // What an earlier restore left half built is a copy.
    if next.exists() {
        for name in list(next)? {
            let path = next.join(name);
            disk::remove(&path).map_err(at(&path))?;
        }
    }
    make_dir(next)?;
    let mut journal = Journal::open(next)?.journal;
    frames.iter().try_for_each(|frame| journal.append(frame))?;
    journal.append(&encode(&vec![Record::Restored]))?;
    journal.sync()
}
