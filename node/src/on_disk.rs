//! Whether the journal still has the entries that this node holds in memory: a disk can rot, and a person can write
//! into a file, while the node goes on. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::wire::{Bytes, Record, Section, decode_within};
use serde_json::{Value, json};

use crate::folder::StoreError;
use crate::home::Home;
use crate::journal::{FRAME_BYTES_MAX, Piece, pieces};

/// Entries that are named; more say nothing new.
const NAMED_MAX: usize = 20;

/// A log as memory has it.
pub struct Copy {
    /// Its origin.
    pub origin: String,
    /// Whether this node writes it: then all of it is on disk before anybody hears of it. Copies of others' follow
    /// within a second.
    pub is_ours: bool,
    /// Its entries.
    pub entries: Vec<Arc<[u8]>>,
}

/// What of it the disk has no longer.
#[derive(PartialEq, Eq, Debug)]
pub struct OnDisk {
    /// Where a file is damaged.
    damage: Option<String>,
    /// (origin, index) of entries that are no longer there as they were.
    lost: Vec<(String, u64)>,
}

impl OnDisk {
    /// Whether it has all of it.
    pub fn is_whole(&self) -> bool {
        self.damage.is_none() && self.lost.is_empty()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let lost = self.lost.iter().map(|(log, entry)| json!({ "log": log, "entry": entry }));
        json!({ "damage": self.damage, "entries": lost.collect::<Vec<_>>() })
    }

    /// For people at the command line; nothing where nothing is wrong.
    pub fn text(&self) -> String {
        let mut text =
            self.damage.as_ref().map_or_else(String::new, |damage| format!("DISK FAIL {damage}\n"));
        for (log, entry) in &self.lost {
            text +=
                &format!("DISK FAIL entry {entry} of {log} is not on this disk as its author signed it\n");
        }
        if !self.is_whole() {
            text += "What this node holds in memory is whole. Copy its folder, then stop it and run: datacoop restore\n";
        }
        text
    }
}

/// What was found of a log: whether each entry is as memory has it.
type Found = BTreeMap<u64, bool>;

/// Compares the journal with what memory has. The logs were taken before this reads.
///
/// Errors: the disk does not read.
pub fn compare(home: &Home, logs: &[Copy]) -> Result<OnDisk, StoreError> {
    let mut reading = Reading::new(logs);
    let mut damage = None;
    pieces(&home.join("journal"), &mut |path, piece| match piece {
        Piece::Whole(frame) => drop(reading.frame(&frame)),
        Piece::Damaged { at, payload } => {
            damage.get_or_insert_with(|| damaged_text(path, at));
            // Its bytes are there, only one is another: what they say tells which entry that is.
            let _what_it_says = reading.frame(&payload);
        }
        Piece::Unreadable { at } => drop(damage.get_or_insert_with(|| damaged_text(path, at))),
    })?;
    let mut lost = reading.lost();
    lost.truncate(NAMED_MAX);
    Ok(OnDisk { damage, lost })
}

fn damaged_text(path: &Path, at: u64) -> String {
    format!("{} is damaged at byte {at}", path.display())
}

struct Reading<'a> {
    logs: &'a [Copy],
    by_hash: BTreeMap<[u8; 32], usize>,
    /// Where an entry of ours stands: its frames do not say.
    ours: BTreeMap<&'a [u8], (usize, u64)>,
    found: Vec<Found>,
}

impl<'a> Reading<'a> {
    fn new(logs: &'a [Copy]) -> Self {
        let by_hash =
            logs.iter().enumerate().map(|(n, log)| (sha256(&[log.origin.as_bytes()]).0, n)).collect();
        let own = logs.iter().enumerate().filter(|(_, log)| log.is_ours);
        let ours =
            own.flat_map(|(n, log)| (0..).zip(&log.entries).map(move |(at, entry)| (&**entry, (n, at))));
        Self { logs, by_hash, ours: ours.collect(), found: logs.iter().map(|_| Found::new()).collect() }
    }

    /// Takes what a frame says; nothing of one that says nothing.
    fn frame(&mut self, payload: &[u8]) -> Option<()> {
        let records: Vec<Record> = decode_within(payload, FRAME_BYTES_MAX).ok()?;
        for record in records {
            match record {
                Record::Entry(Bytes(entry)) => {
                    if let Some((log, at)) = self.ours.get(entry.as_slice()) {
                        self.found[*log].insert(*at, true);
                    }
                }
                Record::Copied(section) => self.section(&section),
                Record::Cosigned(_) | Record::Restored | Record::Left(_) | Record::Decided { .. } => {}
            }
        }
        Some(())
    }

    fn section(&mut self, section: &Section) {
        let Some(log) = self.by_hash.get(&section.log) else { return };
        for (at, Bytes(entry)) in (section.from..).zip(&section.entries) {
            let same = usize::try_from(at).ok().and_then(|at| self.logs[*log].entries.get(at));
            let same = same.map(|known| **known == **entry);
            // What came after memory was looked at is not compared.
            if let Some(same) = same {
                let found = self.found[*log].entry(at).or_default();
                *found |= same;
            }
        }
    }

    /// Entries that are changed or missing: of ours any, of copies those before another that is there.
    fn lost(&self) -> Vec<(String, u64)> {
        let mut lost = vec![];
        for (log, found) in self.logs.iter().zip(&self.found) {
            let last = found.keys().next_back().map_or(0, |last| last + 1);
            let end = if log.is_ours { log.entries.len() as u64 } else { last };
            let is_there: BTreeSet<u64> =
                found.iter().filter(|(_, same)| **same).map(|(at, _)| *at).collect();
            lost.extend((0..end).filter(|at| !is_there.contains(at)).map(|at| (log.origin.clone(), at)));
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;
    use datacoop_protocol::wire::encode;

    fn entries(names: &[&str]) -> Vec<Arc<[u8]>> {
        names.iter().map(|name| name.as_bytes().into()).collect()
    }

    fn logs() -> Vec<Copy> {
        vec![
            Copy { origin: "ours".into(), is_ours: true, entries: entries(&["own-0", "own-1", "own-2"]) },
            Copy { origin: "theirs".into(), is_ours: false, entries: entries(&["copy-0", "copy-1", "late"]) },
        ]
    }

    fn section(from: u64, names: &[&str]) -> Record {
        let entries = names.iter().map(|name| Bytes(name.as_bytes().to_vec())).collect();
        Record::Copied(Section {
            log: sha256(&[b"theirs"]).0,
            from,
            entries,
            note: String::new(),
            proof: vec![],
        })
    }

    /// A folder whose journal has a frame for each entry of ours, and the copies between.
    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        std::fs::create_dir(home.join("journal")).unwrap();
        let mut journal = Journal::open(&home.join("journal")).unwrap().journal;
        let own = |name: &str| Record::Entry(Bytes(name.as_bytes().to_vec()));
        for records in
            [vec![own("own-0")], vec![section(0, &["copy-0", "copy-1"]), own("own-1")], vec![own("own-2")]]
        {
            journal.append(&encode(&records)).unwrap();
        }
        journal.sync().unwrap();
        (dir, home)
    }

    /// What is said after one byte of the text `of` has become another, its checksum mended or not.
    fn after(of: &str, mend: bool) -> OnDisk {
        let (_dir, home) = home();
        let path = home.join("journal/00000001");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(of.len()).position(|window| window == of.as_bytes()).unwrap();
        bytes[at] ^= 1;
        if mend {
            let mut start = 0;
            loop {
                let length = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
                let end = start + 12 + length;
                if at < end {
                    let sum = crc32c::crc32c(&bytes[start + 12..end]).to_le_bytes();
                    bytes[start + 8..start + 12].copy_from_slice(&sum);
                    break;
                }
                start = end;
            }
        }
        std::fs::write(&path, bytes).unwrap();
        compare(&home, &logs()).unwrap()
    }

    #[test]
    fn a_whole_disk_has_all_and_copies_that_came_just_now_may_wait() {
        let (_dir, home) = home();
        let disk = compare(&home, &logs()).unwrap();
        assert!(disk.is_whole() && disk.text().is_empty(), "{disk:?}");
    }

    #[test]
    fn a_byte_that_changed_names_its_entry() {
        for (of, log, entry) in [("own-0", "ours", 0), ("own-1", "ours", 1), ("copy-1", "theirs", 1)] {
            let disk = after(of, false);
            assert!(disk.damage.is_some(), "{of}");
            assert_eq!(disk.lost, [(log.to_owned(), entry)], "{of}");
            assert!(disk.text().contains(&format!("entry {entry} of {log}")));
        }
    }

    #[test]
    fn a_checksum_that_was_mended_hides_nothing() {
        for (of, log, entry) in [("own-2", "ours", 2), ("copy-0", "theirs", 0)] {
            let disk = after(of, true);
            assert_eq!(
                (disk.damage.as_ref(), disk.lost.as_slice()),
                (None, &[(log.to_owned(), entry)][..]),
                "{of}"
            );
        }
    }

    /// The end of what is being written is no damage; of our own log it is missed.
    #[test]
    fn the_end_of_ours_is_missed() {
        let disk = after("own-2", false);
        assert_eq!((disk.damage.as_ref(), disk.lost), (None, vec![("ours".to_owned(), 2)]));
    }
}
