//! The index: releases by question, for reading without a fold. Alone imports sled. Disposable: on
//! any doubt it is set aside and rebuilt from the journal. Must not know what is true.

use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::{StoreError, at};

/// sled's page cache: its default of 1 GiB is for machines that serve.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// The journal position the index was built to.
const BUILT_TO: &[u8] = b"built_to";

/// An open index.
pub struct Index {
    db: sled::Db,
}

/// What opening found.
pub struct Opened {
    /// Ready to read and write.
    pub index: Index,
    /// Whether it is empty and must be filled again.
    pub rebuild: bool,
}

impl Index {
    /// Opens the index, or begins an empty one when it is absent, broken, or not built to the
    /// journal's position.
    pub fn open(path: &Path, journal: u64) -> Result<Opened, StoreError> {
        if path.exists()
            && let Ok(db) = Self::try_open(path)
        {
            let built_to = db.get(BUILT_TO).ok().flatten().and_then(|bytes| bytes.as_ref().try_into().ok());
            if built_to.map(u64::from_be_bytes) == Some(journal) {
                return Ok(Opened { index: Self { db }, rebuild: false });
            }
        }
        if path.exists() {
            set_aside(path)?;
        }
        let db = Self::try_open(path)
            .map_err(|error| StoreError::Wrong(format!("{}: {error}", path.display())))?;
        Ok(Opened { index: Self { db }, rebuild: true })
    }

    fn try_open(path: &Path) -> Result<sled::Db, sled::Error> {
        // Killed while opening, sled leaves this file and takes it for its newest snapshot for ever.
        for name in fs::read_dir(path).into_iter().flatten().flatten() {
            let file = name.file_name().to_string_lossy().into_owned();
            if file.starts_with("snap.") && file.ends_with(".generating") {
                let _already_gone = fs::remove_file(name.path());
            }
        }
        sled::Config::new().path(path).cache_capacity(CACHE_BYTES).mode(sled::Mode::LowSpace).open()
    }

    /// Writes a value. A failure is not the caller's trouble: the next start rebuilds.
    pub fn put(&self, key: &[u8], value: &[u8]) {
        if let Err(error) = self.db.insert(key, value) {
            tracing::warn!(%error, "the index could not be written; the next start rebuilds it");
        }
    }

    /// Reads a value.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.db.get(key).ok().flatten().map(|value| value.to_vec())
    }

    /// Keys and values that begin with a prefix, sorted.
    pub fn scan(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.db.scan_prefix(prefix).flatten().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Says up to which journal position the index is complete.
    pub fn set_built_to(&self, journal: u64) {
        self.put(BUILT_TO, &journal.to_be_bytes());
    }

    /// Writes everything out: called when the node stops.
    pub fn flush(&self) {
        if let Err(error) = self.db.flush() {
            tracing::warn!(%error, "the index could not be flushed; the next start rebuilds it");
        }
    }
}

fn set_aside(path: &Path) -> Result<(), StoreError> {
    for n in 1u32.. {
        let aside: PathBuf = path.with_extension(format!("bad-{n}"));
        if !aside.exists() {
            // Only the last one is kept, for whoever wants to know why.
            if n > 1 {
                let old = path.with_extension(format!("bad-{}", n - 1));
                fs::remove_dir_all(&old).map_err(at(&old))?;
            }
            return fs::rename(path, &aside).map_err(at(path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_built_to_another_position_is_rebuilt() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let opened = Index::open(&path, 3).unwrap();
        assert!(opened.rebuild);
        opened.index.put(b"k", b"v");
        opened.index.set_built_to(3);
        opened.index.flush();
        drop(opened);
        let opened = Index::open(&path, 3).unwrap();
        assert!(!opened.rebuild);
        assert_eq!(opened.index.get(b"k").as_deref(), Some(&b"v"[..]));
        drop(opened);
        let opened = Index::open(&path, 4).unwrap();
        assert!(opened.rebuild && opened.index.get(b"k").is_none());
    }

    #[test]
    fn a_broken_index_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        drop(Index::open(&path, 0).unwrap());
        for file in fs::read_dir(&path).unwrap().flatten().filter(|file| file.path().is_file()) {
            fs::write(file.path(), b"rubbish").unwrap();
        }
        fs::write(path.join("snap.0000000000000001.generating"), b"").unwrap();
        let opened = Index::open(&path, 0).unwrap();
        assert!(opened.rebuild);
        assert!(dir.path().join("index.bad-1").exists());
    }
}
