//! Secrets on disk: the identity seed, and one file a round. Only their owner may read them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use datacoop_policy::{Digest, QueryId};
use datacoop_protocol::member::port::{RoundSecret, RoundSecrets};
use zeroize::Zeroizing;

use crate::disk;
use crate::folder::{StoreError, at, list, read_optional, sync_dir, write_durably};

/// First line of an identity file.
const HEADER: &str = "datacoop/identity/v1";

/// Writes a new identity. Errors: there is one already.
pub fn create(path: &Path, seed: &[u8; 32]) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::Wrong(format!("{} exists; a node has one identity", path.display())));
    }
    let text = Zeroizing::new(format!("{HEADER}\n{}\n", Digest(*seed)));
    write_durably(path, text.as_bytes())
}

/// Reads the identity. Errors: absent, readable by others, or not one.
pub fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mode = fs::metadata(path).map_err(at(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::Wrong(format!("others can read {0}; run: chmod 600 {0}", path.display())));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(at(path))?);
    let seed = text.strip_prefix(HEADER).and_then(|rest| rest.trim().parse::<Digest>().ok());
    seed.map(|seed| Zeroizing::new(seed.0)).ok_or_else(|| {
        StoreError::Wrong(format!("{} is no identity; restore it from your backup", path.display()))
    })
}

/// Secrets of rounds, a file each: of open ones, or what may be shown to an auditor of those that ended.
#[derive(Clone)]
pub struct RoundFiles {
    folder: PathBuf,
}

impl RoundFiles {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Writes a round's secret durably.
    pub fn keep(&self, id: &QueryId, secret: &[u8]) -> Result<(), StoreError> {
        write_durably(&self.folder.join(id.to_string()), secret)
    }

    /// A round's secret; `None` if there is none.
    pub fn read(&self, id: &QueryId) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(read_optional(&self.folder.join(id.to_string()))?.map(Zeroizing::new))
    }

    /// The rounds that there is a file of.
    pub fn names(&self) -> Result<BTreeSet<QueryId>, StoreError> {
        Ok(list(&self.folder)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Overwrites and removes a round's secret.
    pub fn erase(&self, id: &QueryId) -> Result<(), StoreError> {
        let path = self.folder.join(id.to_string());
        if !path.exists() {
            return Ok(());
        }
        // First another name: a crash in the midst of it must not leave half a secret that is taken
        // for one.
        let going = path.with_extension("tmp");
        disk::rename(&path, &going).map_err(at(&path))?;
        overwrite_and_remove(&going)?;
        sync_dir(&self.folder)
    }

    /// Erases what a crash left between a temporary name and its rename: it holds a seed too.
    pub fn erase_leftovers(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.folder).map_err(at(&self.folder))? {
            let path = entry.map_err(at(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                overwrite_and_remove(&path)?;
            }
        }
        sync_dir(&self.folder)
    }

    /// All secrets.
    pub fn read_all(&self) -> Result<RoundSecrets, StoreError> {
        let mut secrets = RoundSecrets::new();
        for name in list(&self.folder)? {
            let path = self.folder.join(&name);
            let bytes = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
            let (Ok(id), Some(secret)) = (name.parse(), RoundSecret::parse(&bytes)) else { continue };
            if *secret.seed == [0; 32] {
                // A power cut brought the name back and not the bytes.
                self.erase(&id)?;
            } else {
                secrets.insert(id, secret);
            }
        }
        Ok(secrets)
    }
}

/// Writes zeros over a file's bytes where they lie, then removes it. Returns whether it was there.
///
/// Best effort: a disk may keep old copies of a block; the page on security says so.
fn overwrite_and_remove(path: &Path) -> Result<bool, StoreError> {
    // Not truncated: a truncated file gives its blocks back, and the zeros go to other ones.
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(at(path)(error)),
    };
    let length = file.metadata().map_err(at(path))?.len();
    let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
    disk::write(&file, path, 0, &zeros).and_then(|()| disk::sync(&file, path)).map_err(at(path))?;
    disk::remove(path).map_err(at(path))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        create(&path, &[7; 32]).unwrap();
        assert_eq!(*read(&path).unwrap(), [7; 32]);
        assert!(create(&path, &[8; 32]).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn an_erased_secret_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let files = RoundFiles::new(dir.path());
        let id = Digest([1; 32]);
        let secret = RoundSecret { seed: Zeroizing::new([9; 32]), vector: Some(Zeroizing::new(vec![1, -2])) };
        files.keep(&id, &secret.to_bytes()).unwrap();
        let back = files.read_all().unwrap();
        assert_eq!(back[&id].vector.as_deref(), Some(&vec![1, -2]));
        files.erase(&id).unwrap();
        assert!(files.read_all().unwrap().is_empty());
        files.erase(&id).unwrap();
    }

    #[test]
    fn zeros_go_where_the_secret_lay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, kept) = (dir.path().join("secret"), dir.path().join("kept"));
        fs::write(&path, [9; 40]).unwrap();
        // A second name of the same blocks shows what removing leaves of them.
        fs::hard_link(&path, &kept).unwrap();
        assert!(overwrite_and_remove(&path).unwrap());
        assert_eq!(fs::read(&kept).unwrap(), [0; 40]);
        assert!(!overwrite_and_remove(&path).unwrap());
    }

    #[test]
    fn what_a_crash_left_of_a_secret_is_erased_at_start() {
        let dir = tempfile::tempdir().unwrap();
        let files = RoundFiles::new(dir.path());
        let id = Digest([1; 32]);
        files.keep(&id, &[9; 32]).unwrap();
        let left = dir.path().join(format!("{}.tmp", Digest([2; 32])));
        fs::write(&left, [9; 32]).unwrap();
        files.erase_leftovers().unwrap();
        assert!(!left.exists());
        assert_eq!(files.read_all().unwrap().len(), 1);
    }
}
