//! Blobs: files named by the SHA-256 of their bytes. Must not know what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use datacoop_policy::Digest;
use datacoop_protocol::log::tree::sha256;

use crate::folder::{StoreError, at, list, make_dir, read_optional, sync_dir, write_unsynced};

/// The blobs of a node.
#[derive(Clone)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self, hash: &Digest) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// Writes a blob durably.
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

    /// Reads a blob; `None` when it is not there or its bytes are no longer what its name says.
    pub fn get(&self, hash: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = read_optional(&self.path(hash))?;
        Ok(bytes.filter(|bytes| sha256(&[bytes]) == *hash))
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
        let path = self.path(hash);
        let file = match fs::File::open(&path) {
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
        let mut held = BTreeSet::new();
        for group in list(&self.folder)? {
            let folder = self.folder.join(group);
            held.extend(list(&folder)?.iter().filter_map(|name| name.parse::<Digest>().ok()));
        }
        Ok(held)
    }

    /// Deletes a blob.
    pub fn remove(&self, hash: &Digest) -> Result<(), StoreError> {
        let path = self.path(hash);
        fs::remove_file(&path).map_err(at(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_what_its_name_says_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(dir.path());
        let hash = sha256(&[b"share"]);
        blobs.put(&hash, b"share").unwrap();
        assert_eq!(blobs.get(&hash).unwrap().as_deref(), Some(&b"share"[..]));
        assert_eq!(blobs.held().unwrap(), BTreeSet::from([hash]));
        fs::write(blobs.path(&hash), b"shard").unwrap();
        assert_eq!(blobs.get(&hash).unwrap(), None);
        assert_eq!(blobs.get(&sha256(&[b"other"])).unwrap(), None);
    }

    #[test]
    fn pieces_put_together_are_the_blob() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(dir.path());
        let whole: Vec<u8> = (0..=255).collect();
        let hash = sha256(&[&whole]);
        assert_eq!(blobs.piece(&hash, 0, 100).unwrap(), None);
        blobs.put(&hash, &whole).unwrap();
        for (offset, length) in [(0, 100), (100, 100), (200, 56), (256, 0), (u64::MAX, 0)] {
            let (total, piece) = blobs.piece(&hash, offset, 100).unwrap().unwrap();
            assert_eq!((total, piece.len()), (256, length), "{offset}");
            assert_eq!(
                piece,
                whole.iter().copied().skip(offset.min(256) as usize).take(100).collect::<Vec<_>>()
            );
        }
    }
}
