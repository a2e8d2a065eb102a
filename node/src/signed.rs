//! The newest head of our log that we signed, in two slots of a folder of its own: it guards the
//! journal against being replaced by an old copy. Must not know what a head means.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::disk;
use crate::folder::{StoreError, at, read_optional, sync_dir};

/// Length and checksum before the payload.
const HEADER_BYTES: usize = 8;
/// The slots' files.
const NAMES: [&str; 2] = ["a", "b"];

/// The two slots; the older one is overwritten, so a torn write leaves the newer.
pub struct Slots {
    folder: PathBuf,
    files: [File; 2],
    next: usize,
}

fn parse(bytes: &[u8]) -> Option<(u64, String)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (crc32c::crc32c(payload) == u32::from_le_bytes(*checksum)).then_some(())?;
    let (size, note) = payload.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*size), String::from_utf8(note.to_vec()).ok()?))
}

/// Which of two heads is newer: of a member's logs the one whose name has the larger number goes on from the other.
fn order((size, note): &(u64, String)) -> (u32, u64) {
    let number = note.lines().next().and_then(|origin| origin.rsplit_once('/'));
    (number.and_then(|(_, n)| n.parse().ok()).unwrap_or(0), *size)
}

/// The newest valid slot, read only.
pub fn newest(folder: &Path) -> Result<Option<(u64, String)>, StoreError> {
    let mut found = vec![];
    for name in NAMES {
        found.extend(read_optional(&folder.join(name))?.and_then(|bytes| parse(&bytes)));
    }
    Ok(found.into_iter().max_by_key(order))
}

impl Slots {
    /// Opens the slots and reads the newest valid one.
    pub fn open(folder: &Path) -> Result<(Self, Option<(u64, String)>), StoreError> {
        let paths = NAMES.map(|name| folder.join(name));
        let mut found = vec![];
        for path in &paths {
            found.push(read_optional(path)?.and_then(|bytes| parse(&bytes)));
        }
        let open = |path: &Path| disk::open(path, OpenOptions::new().write(true)).map_err(at(path));
        let files = [open(&paths[0])?, open(&paths[1])?];
        sync_dir(folder)?;
        let place = |slot: &Option<(u64, String)>| slot.as_ref().map(order);
        let next = usize::from(place(&found[0]) > place(&found[1]));
        let newest = found.into_iter().flatten().max_by_key(order);
        Ok((Self { folder: folder.to_owned(), files, next }, newest))
    }

    /// Writes a newer head durably, over the older slot.
    pub fn write(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        let mut payload = size.to_le_bytes().to_vec();
        payload.extend(note.as_bytes());
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend(length.to_le_bytes());
        bytes.extend(crc32c::crc32c(&payload).to_le_bytes());
        bytes.extend(payload);
        let path = self.folder.join(NAMES[self.next]);
        let file = &mut self.files[self.next];
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| disk::write(file, &path, 0, &bytes))
            .and_then(|()| disk::sync(file, &path));
        self.next = 1 - self.next;
        written.map_err(at(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (mut slots, none) = Slots::open(dir.path()).unwrap();
        assert_eq!(none, None);
        for size in 1..=5 {
            slots.write(size, &format!("note {size}")).unwrap();
            let newest = Slots::open(dir.path()).unwrap().1;
            assert_eq!(newest, Some((size, format!("note {size}"))));
        }
        let (_, newest) = Slots::open(dir.path()).unwrap();
        assert_eq!(newest.unwrap().0, 5);
        // Tear the newest: size 5 lies in slot a.
        let path = dir.path().join("a");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let (mut slots, newest) = Slots::open(dir.path()).unwrap();
        assert_eq!(newest.unwrap().0, 4);
        slots.write(6, "note 6").unwrap();
        assert_eq!(Slots::open(dir.path()).unwrap().1.unwrap().0, 6);
    }

    #[test]
    fn a_head_of_the_next_log_is_newer_however_small() {
        let dir = tempfile::tempdir().unwrap();
        let (mut slots, _) = Slots::open(dir.path()).unwrap();
        let note = |n: u32, size: u64| format!("m.example/datacoop/{n}\n{size}\n");
        for (n, size) in [(1, 40), (1, 41), (2, 2), (2, 3), (2, 4), (10, 1)] {
            slots.write(size, &note(n, size)).unwrap();
            assert_eq!(newest(dir.path()).unwrap(), Some((size, note(n, size))));
            (slots, _) = Slots::open(dir.path()).unwrap();
        }
    }
}
