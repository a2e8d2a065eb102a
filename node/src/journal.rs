//! The journal: the truth. Append-only frames; one frame, one write, one sync, so that only the last
//! frame can ever be torn. A torn last frame is cut at start; anything else wrong refuses to start.
//! Must not know what a frame says.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::disk;
use crate::folder::{StoreError, at, list, sync_dir};

/// Largest frame.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A new file begins beyond this, so old ones are never touched again.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Length, checksum of the length, checksum of the payload. The length has its own, or a flipped bit
/// in it would look like a torn end and cost every frame behind it.
const HEADER_BYTES: usize = 12;

/// An open journal.
pub struct Journal {
    folder: PathBuf,
    file: File,
    number: u64,
    length: u64,
    position: u64,
    dirty: bool,
}

/// What opening found.
pub struct Opened {
    /// Ready to append.
    pub journal: Journal,
    /// Payloads of every frame, in order.
    pub frames: Vec<Vec<u8>>,
    /// Bytes of a torn last frame that were cut.
    pub cut: u64,
}

/// What lies in a journal's folder.
pub struct Survey {
    /// Payloads of the whole frames, up to the damage if there is some.
    pub frames: Vec<Vec<u8>>,
    /// What is wrong that no torn last write explains.
    pub damage: Option<String>,
    number: u64,
    length: u64,
    cut: u64,
}

/// Reads a journal's folder and changes nothing.
pub fn survey(folder: &Path) -> Result<Survey, StoreError> {
    let names = if folder.exists() { list(folder)? } else { vec![] };
    let mut found = Survey { frames: vec![], damage: None, number: 0, length: 0, cut: 0 };
    for (i, name) in names.iter().enumerate() {
        let path = folder.join(name);
        found.number = i as u64 + 1;
        if name.parse() != Ok(found.number) {
            found.damage = Some(format!("{}: a journal file is missing or foreign", path.display()));
            break;
        }
        let bytes = fs::read(&path).map_err(at(&path))?;
        let whole = read_frames(&bytes, &mut found.frames);
        found.length = whole as u64;
        if whole < bytes.len() {
            if i + 1 < names.len() || !is_torn(&bytes[whole..]) {
                let text = "and not by a torn last write";
                found.damage = Some(format!("{} is damaged at byte {whole}, {text}", path.display()));
                break;
            }
            found.cut = (bytes.len() - whole) as u64;
        }
    }
    Ok(found)
}

fn file_name(number: u64) -> String {
    format!("{number:08}")
}

impl Journal {
    /// Opens or begins the journal in a folder.
    ///
    /// Errors: a frame that is not the last does not fit its checksum.
    pub fn open(folder: &Path) -> Result<Opened, StoreError> {
        let Survey { frames, damage, number, length, cut } = survey(folder)?;
        if let Some(damage) = damage {
            return Err(StoreError::Wrong(format!("{damage}; run `datacoop restore`")));
        }
        let number = number.max(1);
        let path = folder.join(file_name(number));
        let file = disk::open(&path, OpenOptions::new().append(true)).map_err(at(&path))?;
        if cut > 0 {
            disk::cut(&file, &path, length).map_err(at(&path))?;
        }
        // Always: after a killed process the frames may have come from the page cache alone, and
        // whoever signs on from here promises that they are on disk.
        disk::sync(&file, &path).map_err(at(&path))?;
        sync_dir(folder)?;
        let position = frames.len() as u64;
        let journal = Self { folder: folder.to_owned(), file, number, length, position, dirty: false };
        Ok(Opened { journal, frames, cut })
    }

    /// Writes a frame. It is durable after `sync`.
    pub fn append(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        // INVARIANT: at most one frame is not on disk. Disks reorder writes: of two, the first could
        // be lost and the second not, and a damaged middle is refused at start.
        self.sync()?;
        if self.length > FILE_BYTES_MAX {
            self.next_file()?;
        }
        let path = self.folder.join(file_name(self.number));
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|length| *length as usize <= FRAME_BYTES_MAX)
            .ok_or_else(|| {
            StoreError::Wrong(format!("a journal frame of {} bytes is too large", payload.len()))
        })?;
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        frame.extend(length.to_le_bytes());
        frame.extend(crc32c::crc32c(&length.to_le_bytes()).to_le_bytes());
        frame.extend(crc32c::crc32c(payload).to_le_bytes());
        frame.extend(payload);
        disk::write(&self.file, &path, self.length, &frame).map_err(at(&path))?;
        self.length += frame.len() as u64;
        self.position += 1;
        self.dirty = true;
        Ok(())
    }

    /// Makes every frame so far durable. A failed sync must end the process: a second one may report
    /// success for pages that are lost.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.dirty {
            let path = self.folder.join(file_name(self.number));
            disk::sync(&self.file, &path).map_err(at(&path))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Frames so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn next_file(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        self.number += 1;
        let path = self.folder.join(file_name(self.number));
        self.file = disk::open(&path, OpenOptions::new().append(true)).map_err(at(&path))?;
        self.length = 0;
        sync_dir(&self.folder)
    }
}

/// The whole frames of a journal that somebody else may be writing: nothing is opened for writing, cut or
/// synced, and where the last file ends amid a frame, that frame is not there yet.
///
/// Errors: a file is missing or foreign, or damaged before the last one.
pub fn read_only(folder: &Path) -> Result<Vec<Vec<u8>>, StoreError> {
    let Survey { frames, damage, .. } = survey(folder)?;
    match damage {
        Some(damage) => Err(StoreError::Wrong(format!("{damage}; run `datacoop restore`"))),
        None => Ok(frames),
    }
}

/// A piece of a journal that is read in spite of damage.
pub enum Piece {
    /// The payload of a frame.
    Whole(Vec<u8>),
    /// What lies between a frame's intact header and the next one, and does not fit its checksum.
    Damaged {
        /// Where in the file the frame begins.
        at: u64,
        /// The bytes.
        payload: Vec<u8>,
    },
    /// From here to the end of its file nothing tells where a frame begins.
    Unreadable {
        /// Where in the file.
        at: u64,
    },
}

/// Gives each piece of a journal to `each`, with its file, one file at a time. The end of the last file, if it can be
/// what is being written now, is left out. Changes nothing.
///
/// Errors: the disk does not read.
pub fn pieces(folder: &Path, each: &mut dyn FnMut(&Path, Piece)) -> Result<(), StoreError> {
    let names = if folder.exists() { list(folder)? } else { vec![] };
    for (n, name) in names.iter().enumerate() {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(at(&path))?;
        let (mut from, is_last) = (0, n + 1 == names.len());
        while from < bytes.len() {
            let mut whole = vec![];
            let end = from + read_frames(&bytes[from..], &mut whole);
            whole.into_iter().for_each(|frame| each(&path, Piece::Whole(frame)));
            if end == bytes.len() || (is_last && is_torn(&bytes[end..])) {
                break;
            }
            let at = end as u64;
            let payload = header(&bytes[end..])
                .and_then(|(length, _)| bytes.get(end + HEADER_BYTES..end + HEADER_BYTES + length));
            match payload {
                Some(payload) => {
                    from = end + HEADER_BYTES + payload.len();
                    each(&path, Piece::Damaged { at, payload: payload.to_vec() });
                }
                None => {
                    each(&path, Piece::Unreadable { at });
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Reads whole frames; returns how many bytes they take.
fn read_frames(bytes: &[u8], frames: &mut Vec<Vec<u8>>) -> usize {
    let mut at = 0;
    while let Some((length, checksum)) = header(&bytes[at..]) {
        let start = at + HEADER_BYTES;
        let Some(payload) = bytes.get(start..start + length) else { break };
        if crc32c::crc32c(payload) != checksum {
            break;
        }
        frames.push(payload.to_vec());
        at = start + length;
    }
    at
}

fn header(bytes: &[u8]) -> Option<(usize, u32)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let (fields, _) = header.as_chunks::<4>();
    let right = crc32c::crc32c(&fields[0]) == u32::from_le_bytes(fields[1]);
    right.then(|| (u32::from_le_bytes(fields[0]) as usize, u32::from_le_bytes(fields[2])))
}

/// Whether a rest can be one torn frame: nothing valid follows its beginning.
///
/// A power loss leaves it short, full of zeros (the length reached the disk, the bytes did not), or
/// whole in length with some of its blocks missing. Cutting is safe: what we signed is guarded by the
/// last signed head, and what we copied can be copied again.
fn is_torn(rest: &[u8]) -> bool {
    match header(rest) {
        Some((length, _)) => rest.len() <= HEADER_BYTES + length,
        None => (1..rest.len()).all(|at| !begins_a_frame(&rest[at..])),
    }
}

fn begins_a_frame(bytes: &[u8]) -> bool {
    header(bytes).is_some_and(|(length, checksum)| {
        let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + length);
        payload.is_some_and(|payload| crc32c::crc32c(payload) == checksum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(payloads: &[&[u8]]) -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap().journal;
        for payload in payloads {
            journal.append(payload).unwrap();
        }
        journal.sync().unwrap();
        let bytes = fs::read(dir.path().join("00000001")).unwrap();
        (dir, bytes)
    }

    /// A node may be writing: what is torn is not there yet, and stays as it is.
    #[test]
    fn a_journal_is_read_beside_who_writes_it() {
        let (dir, bytes) = journal(&[b"one", b"two"]);
        let path = dir.path().join("00000001");
        assert_eq!(read_only(dir.path()).unwrap(), [b"one".to_vec(), b"two".to_vec()]);
        for torn in 1..HEADER_BYTES + 3 {
            fs::write(&path, &bytes[..bytes.len() - torn]).unwrap();
            assert_eq!(read_only(dir.path()).unwrap(), [b"one".to_vec()], "{torn}");
            assert_eq!(fs::read(&path).unwrap().len(), bytes.len() - torn, "nothing is cut");
        }
        let mut damaged = bytes.clone();
        damaged[HEADER_BYTES] ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(read_only(dir.path()).is_err(), "not by a torn last write");
        fs::write(&path, &bytes).unwrap();
        fs::write(dir.path().join("00000003"), b"").unwrap();
        assert!(read_only(dir.path()).unwrap_err().to_string().contains("00000003"));
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let (dir, _) = journal(&[b"one", b"", b"three"]);
        let opened = Journal::open(dir.path()).unwrap();
        assert_eq!((opened.frames, opened.cut), (vec![b"one".to_vec(), vec![], b"three".to_vec()], 0));
        assert_eq!(opened.journal.position(), 3);
    }

    #[test]
    fn a_tail_cut_anywhere_loses_only_the_last_frame() {
        let (dir, bytes) = journal(&[b"one", b"two", b"three"]);
        let last = bytes.len() - HEADER_BYTES - 5;
        for length in last..bytes.len() {
            fs::write(dir.path().join("00000001"), &bytes[..length]).unwrap();
            let mut opened = Journal::open(dir.path()).unwrap();
            assert_eq!(opened.frames.len(), 2, "cut at {length}");
            opened.journal.append(b"new").unwrap();
            opened.journal.sync().unwrap();
            assert_eq!(Journal::open(dir.path()).unwrap().frames.last().unwrap(), b"new");
        }
    }

    #[test]
    fn a_flipped_bit_before_the_last_frame_refuses_to_start() {
        let (dir, bytes) = journal(&[b"one", b"two", b"three"]);
        let last = bytes.len() - HEADER_BYTES - 5;
        for at in 0..last {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(dir.path().join("00000001"), &bad).unwrap();
            match Journal::open(dir.path()) {
                Err(error) => assert!(error.to_string().contains("run `datacoop restore`")),
                Ok(opened) => panic!("byte {at}: {} frames", opened.frames.len()),
            }
        }
    }

    /// Writes these bytes as the journal and opens it: how many frames, or `None` when it refuses.
    fn frames_of(dir: &tempfile::TempDir, bytes: &[u8]) -> Option<usize> {
        fs::write(dir.path().join("00000001"), bytes).unwrap();
        Journal::open(dir.path()).ok().map(|opened| opened.frames.len())
    }

    #[test]
    fn a_tail_of_zeros_is_cut() {
        let (dir, bytes) = journal(&[b"one", b"two"]);
        for zeros in [1, HEADER_BYTES, HEADER_BYTES + 1, 4_096] {
            let padded = [&bytes[..], &vec![0; zeros]].concat();
            assert_eq!(frames_of(&dir, &padded), Some(2), "{zeros}");
            assert_eq!(fs::read(dir.path().join("00000001")).unwrap(), bytes);
        }
        // The length of the last frame reached the disk, and only the end of its bytes.
        let last = bytes.len() - HEADER_BYTES - 3;
        let mut holed = bytes.clone();
        holed[last..bytes.len() - 2].fill(0);
        assert_eq!(frames_of(&dir, &holed), Some(1));
    }

    #[test]
    fn a_flipped_byte_costs_the_last_frame_or_refuses() {
        let (dir, bytes) = journal(&[b"one", b"two", b"three", b"four"]);
        let last = bytes.len() - HEADER_BYTES - 4;
        for at in 0..bytes.len() {
            for mask in [0x01, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= mask;
                let expected = (at >= last).then_some(3);
                assert_eq!(frames_of(&dir, &bad), expected, "byte {at}");
            }
        }
    }

    #[test]
    fn a_hole_in_the_middle_refuses_to_start() {
        let (dir, bytes) = journal(&[b"one", b"two", b"three"]);
        let second = HEADER_BYTES + 3;
        let mut holed = bytes.clone();
        holed[second..2 * second].fill(0);
        assert_eq!(frames_of(&dir, &holed), None);
        assert_eq!(frames_of(&dir, &bytes), Some(3));
    }
}
