//! Blobs: bytes named by their SHA-256. Must not know what is in them.
//!
//! What stays after its round, verifier shares and charter notes, is a file each. Sealed shares come
//! by the hundred and all go when their round ends: one file a round holds them, one after another,
//! so that a round costs one file to make and one to delete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use datacoop_policy::{Digest, QueryId};
use datacoop_protocol::bounds::BLOB_BYTES_MAX;
use datacoop_protocol::log::tree::sha256;

use crate::disk;
use crate::folder::{StoreError, at, list, make_dir, read_optional, sync_dir, write_unsynced};

/// Where the shares of open rounds lie.
const SHARES: &str = "rounds";
/// Before each share: its name and its length, little-endian.
const HEADER_BYTES: usize = 32 + 4;

/// Where a share lies in its round's file.
#[derive(Clone, Copy)]
struct Place {
    round: QueryId,
    offset: u64,
    length: usize,
}

/// One round's file of shares.
struct Pack {
    file: File,
    bytes: u64,
    synced: bool,
}

/// The blobs of a node.
pub struct Blobs {
    folder: PathBuf,
    packs: BTreeMap<QueryId, Pack>,
    places: BTreeMap<Digest, Place>,
}

impl Blobs {
    /// Those in this folder that are a file each: what an audit and an export read.
    pub fn kept(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), packs: BTreeMap::new(), places: BTreeMap::new() }
    }

    /// All in this folder. Of a round's file that a power loss tore, the whole shares before the tear
    /// are held.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut blobs = Self::kept(folder);
        let shares = folder.join(SHARES);
        make_dir(&shares)?;
        // This folder's names too: a crash may have come between making one and syncing it.
        sync_dir(folder)?;
        for name in list(&shares)? {
            let Ok(round) = name.parse::<QueryId>() else { continue };
            blobs.read_pack(round)?;
        }
        Ok(blobs)
    }

    fn path(&self, hash: &Digest) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    fn pack_path(&self, round: &QueryId) -> PathBuf {
        self.folder.join(SHARES).join(round.to_string())
    }

    fn read_pack(&mut self, round: QueryId) -> Result<(), StoreError> {
        let path = self.pack_path(&round);
        let bytes = fs::read(&path).map_err(at(&path))?;
        let mut whole = 0;
        while let Some((hash, length)) = bytes.get(whole..).and_then(header) {
            let start = whole + HEADER_BYTES;
            let Some(share) = bytes.get(start..start + length) else { break };
            whole = start + length;
            // One that is damaged is not held; those after it are.
            if sha256(&[share]) == hash {
                self.places.insert(hash, Place { round, offset: start as u64, length });
            }
        }
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(at(&path))?;
        if whole < bytes.len() {
            disk::cut(&file, &path, whole as u64).map_err(at(&path))?;
        }
        // Found in the page cache is not found on disk: synced before anybody is told that we hold it.
        disk::sync(&file, &path).map_err(at(&path))?;
        self.packs.insert(round, Pack { file, bytes: whole as u64, synced: true });
        Ok(())
    }

    /// Writes a blob durably, as a file of its own.
    pub fn put(&self, hash: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(hash);
        let parent = path.parent().unwrap_or(&self.folder).to_owned();
        if !parent.exists() {
            make_dir(&parent)?;
            sync_dir(&self.folder)?;
        }
        write_unsynced(&path, bytes)?;
        sync_dir(&parent)
    }

    /// Adds a sealed share to its round's file. Durable only after `sync`.
    pub fn put_share(&mut self, round: QueryId, hash: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.pack_path(&round);
        if !self.packs.contains_key(&round) {
            let file = disk::open(&path, OpenOptions::new().append(true).read(true)).map_err(at(&path))?;
            sync_dir(&self.folder.join(SHARES))?;
            self.packs.insert(round, Pack { file, bytes: 0, synced: true });
        }
        let pack = self.packs.get_mut(&round).expect("INVARIANT: it was just opened");
        let length = u32::try_from(bytes.len()).map_err(|_| StoreError::Wrong("a share of 4 GB".into()))?;
        let mut record = Vec::with_capacity(HEADER_BYTES + bytes.len());
        record.extend(hash.0);
        record.extend(length.to_le_bytes());
        record.extend(bytes);
        disk::write(&pack.file, &path, pack.bytes, &record).map_err(at(&path))?;
        pack.synced = false;
        let offset = pack.bytes + HEADER_BYTES as u64;
        pack.bytes += record.len() as u64;
        self.places.insert(*hash, Place { round, offset, length: bytes.len() });
        Ok(())
    }

    /// Shares that were added are on disk before anything else happens.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        for (round, pack) in self.packs.iter_mut().filter(|(_, pack)| !pack.synced) {
            let path = self.folder.join(SHARES).join(round.to_string());
            disk::sync(&pack.file, &path).map_err(at(&path))?;
            pack.synced = true;
        }
        Ok(())
    }

    /// Reads a blob; `None` when it is not there or its bytes are no longer what its name says.
    pub fn get(&self, hash: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = match self.places.get(hash) {
            Some(place) => self.read_place(place, 0, BLOB_BYTES_MAX)?,
            None => read_optional(&self.path(hash))?,
        };
        Ok(bytes.filter(|bytes| sha256(&[bytes]) == *hash))
    }

    fn read_place(
        &self,
        place: &Place,
        offset: u64,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(pack) = self.packs.get(&place.round) else { return Ok(None) };
        let start = offset.min(place.length as u64);
        let rest = place.length - usize::try_from(start).unwrap_or(place.length);
        let mut bytes = vec![0; rest.min(bytes_max)];
        let read = pack.file.read_exact_at(&mut bytes, place.offset + start);
        read.map_err(at(&self.pack_path(&place.round)))?;
        Ok(Some(bytes))
    }

    /// A blob's length and its bytes from `offset` on, at most `bytes_max`; `None` when it is not
    /// there. The hash is not checked: whoever puts the pieces together checks that of the whole, and
    /// reading all of a blob for each of its pieces would hold the node up.
    pub fn piece(
        &self,
        hash: &Digest,
        offset: u64,
        bytes_max: usize,
    ) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        if let Some(place) = self.places.get(hash) {
            let bytes = self.read_place(place, offset, bytes_max)?;
            return Ok(bytes.map(|bytes| (place.length as u64, bytes)));
        }
        let path = self.path(hash);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let total = file.metadata().map_err(at(&path))?.len();
        let rest = usize::try_from(total.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; rest.min(bytes_max)];
        file.read_exact_at(&mut bytes, offset.min(total)).map_err(at(&path))?;
        Ok(Some((total, bytes)))
    }

    /// Names of all blobs.
    pub fn held(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let mut held: BTreeSet<Digest> = self.places.keys().copied().collect();
        for group in list(&self.folder)?.iter().filter(|name| *name != SHARES) {
            let folder = self.folder.join(group);
            held.extend(list(&folder)?.iter().filter_map(|name| name.parse::<Digest>().ok()));
        }
        Ok(held)
    }

    /// Deletes a round's shares. A crash before leaves them for the next start, which asks again.
    pub fn remove_shares(&mut self, round: &QueryId) -> Result<(), StoreError> {
        let path = self.pack_path(round);
        self.places.retain(|_, place| place.round != *round);
        match self.packs.remove(round) {
            Some(_) => disk::remove(&path).map_err(at(&path)),
            None => Ok(()),
        }
    }

    /// Deletes what a crash left: files that nothing names, and rounds of whose shares none is named.
    pub fn remove_unnamed(&mut self, named: &BTreeSet<Digest>) -> Result<(), StoreError> {
        let files = self.held()?;
        for hash in files.iter().filter(|hash| !named.contains(hash) && !self.places.contains_key(hash)) {
            let path = self.path(hash);
            disk::remove(&path).map_err(at(&path))?;
        }
        let of_named = self.places.iter().filter(|(hash, _)| named.contains(hash));
        let live: BTreeSet<QueryId> = of_named.map(|(_, place)| place.round).collect();
        let over: Vec<QueryId> = self.packs.keys().filter(|round| !live.contains(round)).copied().collect();
        over.iter().try_for_each(|round| self.remove_shares(round))
    }
}

fn header(bytes: &[u8]) -> Option<(Digest, usize)> {
    let (hash, rest) = bytes.split_first_chunk::<32>()?;
    let length = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    Some((Digest(*hash), usize::try_from(length).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_what_its_name_says_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let hash = sha256(&[b"verifier"]);
        blobs.put(&hash, b"verifier").unwrap();
        assert_eq!(blobs.get(&hash).unwrap().as_deref(), Some(&b"verifier"[..]));
        assert_eq!(blobs.held().unwrap(), BTreeSet::from([hash]));
        fs::write(blobs.path(&hash), b"verifies").unwrap();
        assert_eq!(blobs.get(&hash).unwrap(), None);
        assert_eq!(blobs.get(&sha256(&[b"other"])).unwrap(), None);
    }

    #[test]
    fn pieces_put_together_are_the_blob_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::open(dir.path()).unwrap();
        let whole: Vec<u8> = (0..=255).collect();
        let hash = sha256(&[&whole]);
        assert_eq!(blobs.piece(&hash, 0, 100).unwrap(), None);
        blobs.put(&hash, &whole).unwrap();
        let other = Blobs::kept(dir.path());
        blobs.put_share(Digest([1; 32]), &sha256(&[b"first"]), b"first").unwrap();
        blobs.put_share(Digest([1; 32]), &hash, &whole).unwrap();
        for blobs in [&other, &blobs] {
            for (offset, length) in [(0, 100), (100, 100), (200, 56), (256, 0), (u64::MAX, 0)] {
                let (total, piece) = blobs.piece(&hash, offset, 100).unwrap().unwrap();
                assert_eq!((total, piece.len()), (256, length), "{offset}");
                let skipped = usize::try_from(offset.min(256)).unwrap();
                assert_eq!(piece, whole.iter().copied().skip(skipped).take(100).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn shares_go_with_their_round_and_a_torn_file_holds_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let shares: Vec<(Digest, Vec<u8>)> = (0..3u8).map(|n| (sha256(&[&[n; 9]]), vec![n; 9])).collect();
        let mut blobs = Blobs::open(dir.path()).unwrap();
        for (round, (hash, bytes)) in [one, one, two].iter().zip(&shares) {
            blobs.put_share(*round, hash, bytes).unwrap();
        }
        blobs.sync().unwrap();
        let names: Vec<Digest> = shares.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(Blobs::open(dir.path()).unwrap().held().unwrap(), names.iter().copied().collect());
        // Every cut of the first round's file: whole shares stand, and the file goes on after them.
        let path = blobs.pack_path(&one);
        let bytes = fs::read(&path).unwrap();
        let record = HEADER_BYTES + 9;
        for cut in 0..=bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let mut torn = Blobs::open(dir.path()).unwrap();
            assert_eq!(torn.held().unwrap().len(), cut / record + 1, "cut at {cut}");
            torn.put_share(one, &names[1], &shares[1].1).unwrap();
            torn.sync().unwrap();
            let again = Blobs::open(dir.path()).unwrap();
            assert_eq!(again.get(&names[1]).unwrap().as_deref(), Some(&shares[1].1[..]), "cut at {cut}");
        }
        fs::write(&path, &bytes).unwrap();
        let mut blobs = Blobs::open(dir.path()).unwrap();
        blobs.remove_shares(&one).unwrap();
        assert_eq!((blobs.held().unwrap(), path.exists()), (BTreeSet::from([names[2]]), false));
        // What nothing names is left from a crash.
        blobs.put(&sha256(&[b"lost"]), b"lost").unwrap();
        blobs.remove_unnamed(&BTreeSet::new()).unwrap();
        assert!(blobs.held().unwrap().is_empty());
    }
}
