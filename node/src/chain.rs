//! A node's charter: its versions, one note a version, and their rivals, in the folder `charter`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use datacoop_policy::Digest;
use datacoop_policy::charter::{Charter, VERSIONS_MAX};
use datacoop_protocol::charter_text::{TextError, bare_text, open_chain, parse_charter};

use crate::folder::{StoreError, list, read_optional, sync_dir, write_durably};
use crate::home::Home;

fn wrong<T>(text: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Wrong(text.into()))
}

/// What came of a version that another member goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It is held already.
    Known,
    /// It is the next one, and held now.
    Next(u32),
    /// It was validly signed beside one that is held.
    Rival(u32),
}

/// Every version of a charter with its signed note, the first first.
pub type Versions = Vec<(String, Arc<Charter>)>;

/// The notes of a folder's charter, version 1 first, as far as they follow each other without a gap.
pub fn read_versions(folder: &Path) -> Result<Vec<String>, StoreError> {
    versions_by(folder, |name| read_optional(&folder.join(name)))
}

/// As `read_versions`, of files that `read` gives by their names.
pub fn versions_by(
    folder: &Path,
    mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, StoreError>,
) -> Result<Vec<String>, StoreError> {
    let mut notes = vec![];
    while let Some(bytes) = read(&format!("{}.note", notes.len() + 1))? {
        let text = String::from_utf8(bytes).map_err(|_| {
            StoreError::Wrong(format!("{}/{}.note is not text", folder.display(), notes.len() + 1))
        })?;
        notes.push(text);
        if notes.len() > VERSIONS_MAX {
            break;
        }
    }
    Ok(notes)
}

impl Home {
    /// The newest version of the charter: its note, and what it says. `None` before this node joined one.
    pub fn charter(&self) -> Result<Option<(String, Arc<Charter>)>, StoreError> {
        Ok(self.charters()?.pop())
    }

    /// Every version of the charter with its note, the first first; none before this node joined one.
    pub fn charters(&self) -> Result<Versions, StoreError> {
        let folder = self.join("charter");
        let notes = read_versions(&folder)?;
        if notes.is_empty() {
            return Ok(vec![]);
        }
        // What it holds is whole after each statement.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if !opened.iter().map(|(note, _)| note).eq(&notes) {
            let chain = open_chain(&notes)
                .map_err(|error| StoreError::Wrong(format!("{}: {error}", folder.display())))?;
            *opened = notes.into_iter().zip(chain.into_iter().map(Arc::new)).collect();
        }
        Ok(opened.clone())
    }

    /// The signed note of one version as it lies here, unread: for others, who check it themselves.
    pub fn charter_note(&self, version: u32) -> Result<Option<Vec<u8>>, StoreError> {
        read_optional(&self.join(&format!("charter/{version}.note")))
    }

    /// Takes a charter that founds a co-operative, signed by all, or the next version of the one held, signed
    /// by both quorums; or, of a node that joins with it, a later version given after those before it.
    pub fn adopt_charter(&self, note: &str) -> Result<Charter, StoreError> {
        let mut notes: Vec<String> = self.charters()?.into_iter().map(|(note, _)| note).collect();
        let version =
            parse_charter(bare_text(note)).map_err(|error| StoreError::Wrong(error.to_string()))?.version();
        let place = usize::try_from(version).unwrap_or(usize::MAX);
        if place > notes.len() + 1 {
            return wrong(format!(
                "this is version {version}, and this node holds {}; give it those between first, in order",
                match notes.len() {
                    0 => "none".to_owned(),
                    held => format!("version {held}"),
                }
            ));
        }
        notes.truncate(place - 1);
        notes.push(note.to_owned());
        let chain = open_chain(&notes).map_err(|error| StoreError::Wrong(error.to_string()))?;
        let charter = chain.into_iter().next_back().expect("INVARIANT: a chain has its first version");
        if let Some((_, held)) = self.charters()?.get(place - 1) {
            return match held.hash() == charter.hash() {
                true => Ok(charter),
                false => wrong(format!("this node already follows another version {version} of a charter")),
            };
        }
        write_durably(&self.join(&format!("charter/{version}.note")), note.as_bytes())?;
        Ok(charter)
    }

    /// Takes note of a version that another member goes by: puts the next one of the chain in its place, and
    /// keeps one that was validly signed beside a version held here. Of two rivals the one held gives way once a
    /// later version follows the other and condemns it.
    ///
    /// Errors: it is no charter, or not signed by both quorums of the version that it follows.
    pub fn hear_charter(&self, note: &str) -> Result<Heard, StoreError> {
        let said = |error: TextError| StoreError::Wrong(error.to_string());
        let charter = parse_charter(bare_text(note)).map_err(said)?;
        let (version, chain) = (charter.version(), self.charters()?);
        let place = usize::try_from(version).unwrap_or(usize::MAX);
        match (place.checked_sub(1).and_then(|at| chain.get(at)), chain.last()) {
            (Some((_, held)), _) if held.hash() == charter.hash() => return Ok(Heard::Known),
            (Some(_), _) if place > 1 => {
                let before = chain[..place - 1].iter().map(|(note, _)| note.as_str());
                open_chain(&before.chain([note]).collect::<Vec<_>>()).map_err(said)?;
                write_durably(&self.rival(&charter.hash()), note.as_bytes())?;
                return Ok(Heard::Rival(version));
            }
            (None, Some((_, newest))) if charter.fields().prev != Some(newest.hash()) => {
                self.give_way(note, &charter, chain)?;
            }
            _ => drop(self.adopt_charter(note)?),
        }
        Ok(Heard::Next(version))
    }

    /// Puts a rival of our newest version in its place, and the one that condemns ours after it. A crash between
    /// the two leaves a chain of which the second is the next.
    fn give_way(&self, note: &str, charter: &Charter, chain: Versions) -> Result<(), StoreError> {
        let Some(((our_note, ours), before)) = chain.split_last() else { return wrong("no version is held") };
        let prev = charter.fields().prev.unwrap_or_default();
        let rival = read_optional(&self.rival(&prev))?.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(rival) = rival.filter(|_| charter.fields().condemns.contains(&ours.hash())) else {
            return wrong(format!("version {} follows another version than the one held", charter.version()));
        };
        let notes = before.iter().map(|(note, _)| note.as_str()).chain([rival.as_str(), note]);
        open_chain(&notes.collect::<Vec<_>>()).map_err(|error| StoreError::Wrong(error.to_string()))?;
        write_durably(&self.rival(&ours.hash()), our_note.as_bytes())?;
        write_durably(&self.join(&format!("charter/{}.note", ours.version())), rival.as_bytes())?;
        write_durably(&self.join(&format!("charter/{}.note", charter.version())), note.as_bytes())
    }

    fn rival(&self, hash: &Digest) -> PathBuf {
        self.join(&format!("charter/rival/{hash}.note"))
    }

    /// Versions that were validly signed beside one that is held, by the SHA-256 of their texts.
    pub fn rivals(&self) -> Result<BTreeMap<Digest, String>, StoreError> {
        let folder = self.join("charter/rival");
        if !folder.exists() {
            return Ok(BTreeMap::new());
        }
        let held: Vec<Digest> = self.charters()?.iter().map(|(_, charter)| charter.hash()).collect();
        let mut rivals = BTreeMap::new();
        for name in list(&folder)? {
            let Some(hash) = name.strip_suffix(".note").and_then(|hash| hash.parse::<Digest>().ok()) else {
                continue;
            };
            if let Some(note) =
                read_optional(&folder.join(&name))?.and_then(|bytes| String::from_utf8(bytes).ok())
                && !held.contains(&hash)
            {
                rivals.insert(hash, note);
            }
        }
        Ok(rivals)
    }

    /// Remembers, before it is signed, which text this member signs to follow a version: one alone (C4).
    ///
    /// Errors: it signed another.
    pub fn sign_one(&self, parent: &Digest, text: &Digest) -> Result<(), StoreError> {
        let path = self.join(&format!("charter/signed/{parent}"));
        match read_optional(&path)? {
            None => {
                write_durably(&path, format!("{text}\n").as_bytes())?;
                // A folder that an older program made has just got this subfolder: its name too must last.
                sync_dir(&self.join("charter"))
            }
            Some(bytes) if bytes.trim_ascii() == text.to_string().as_bytes() => Ok(()),
            Some(_) => wrong(
                "this member already signed another text to follow this version; two signed next versions could split the members, so only that one can be signed",
            ),
        }
    }
}
