//! Secrets on disk: the identity seed, and one file a round. Only their owner may read them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use datacoop_policy::{Digest, QueryId};
use datacoop_protocol::member::port::{RoundSecret, RoundSecrets};
use zeroize::Zeroizing;

use crate::folder::{StoreError, at, list, sync_dir, write_durably};

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

/// The secrets of open rounds.
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
    pub fn keep(&self, id: &QueryId, secret: &RoundSecret) -> Result<(), StoreError> {
        write_durably(&self.folder.join(id.to_string()), &secret.to_bytes())
    }

    /// Overwrites and removes a round's secret.
    pub fn erase(&self, id: &QueryId) -> Result<(), StoreError> {
        let path = self.folder.join(id.to_string());
        let Ok(length) = fs::metadata(&path).map(|meta| meta.len()) else { return Ok(()) };
        // Best effort: a disk may keep old copies of a block; the page on security says so.
        fs::write(&path, vec![0; usize::try_from(length).unwrap_or(0)]).map_err(at(&path))?;
        fs::File::open(&path).and_then(|file| file.sync_data()).map_err(at(&path))?;
        fs::remove_file(&path).map_err(at(&path))?;
        sync_dir(&self.folder)
    }

    /// All secrets.
    pub fn read_all(&self) -> Result<RoundSecrets, StoreError> {
        let mut secrets = RoundSecrets::new();
        for name in list(&self.folder)? {
            let path = self.folder.join(&name);
            let bytes = Zeroizing::new(fs::read(&path).map_err(at(&path))?);
            if let (Ok(id), Some(secret)) = (name.parse(), RoundSecret::parse(&bytes)) {
                secrets.insert(id, secret);
            }
        }
        Ok(secrets)
    }
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
        files.keep(&id, &secret).unwrap();
        let back = files.read_all().unwrap();
        assert_eq!(back[&id].vector.as_deref(), Some(&vec![1, -2]));
        files.erase(&id).unwrap();
        assert!(files.read_all().unwrap().is_empty());
        files.erase(&id).unwrap();
    }
}
