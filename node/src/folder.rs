//! A node's folder: its format, its lock, its files written so that a crash leaves old or new.
//! Must not know what the files mean.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::disk;

/// What the FORMAT file says.
const FORMAT: &str = "datacoop 1\n";

/// The machine failed, or the folder is not one of ours.
#[derive(Debug)]
pub enum StoreError {
    /// The operating system said no, about this path.
    Io(PathBuf, io::Error),
    /// What is there is not what it should be, with the remedy.
    Wrong(String),
    /// Another process holds the folder.
    Locked(PathBuf),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error)
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                write!(
                    f,
                    "{}: the disk is full ({error}); nothing acknowledged is lost: free some space, or copy \
                     the whole folder to a larger disk and never run both copies, then start the node again",
                    path.display()
                )
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Wrong(text) => f.write_str(text),
            Self::Locked(path) => {
                write!(f, "another node runs on {}; stop it, or use its command line", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// Names the path in an error of the operating system.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |error| StoreError::Io(path.to_owned(), error)
}

/// An open node folder; its lock is held as long as this lives.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder and its subfolders, or takes one that is there, and locks it.
    ///
    /// Errors: locked by another process, or of a newer format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_folders(path)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => StoreError::Locked(path.to_owned()),
            fs::TryLockError::Error(error) => StoreError::Io(lock_path, error),
        })?;
        let format = path.join("FORMAT");
        match fs::read_to_string(&format) {
            Ok(text) if text == FORMAT => {}
            Ok(text) => {
                return Err(StoreError::Wrong(format!(
                    "{} is of format `{}`; this program knows `{}`: use the newer program",
                    path.display(),
                    text.trim().escape_debug(),
                    FORMAT.trim()
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&format, FORMAT.as_bytes())?
            }
            Err(error) => return Err(StoreError::Io(format, error)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A node's folder and its subfolders, as far as they are not there.
pub fn make_folders(path: &Path) -> Result<(), StoreError> {
    let subs = [
        "",
        "journal",
        "signed",
        "keys",
        "keys/rounds",
        "keys/openings",
        "charter",
        "charter/signed",
        "charter/rival",
        "vocabulary",
        "blobs",
        "tables",
        "run",
    ];
    subs.iter().try_for_each(|sub| make_dir(&path.join(sub)))
}

/// A folder that only its owner reads.
pub fn make_dir(path: &Path) -> Result<(), StoreError> {
    disk::make_dir(path).map_err(at(path))
}

/// Writes a file so that a crash leaves the old one or the new one: temporary name, sync, rename,
/// sync of the folder. Only its owner reads it.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_unsynced(path, bytes)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// As `write_durably`, but the folder is left to the caller to sync, once for many files.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("tmp");
    let options = &mut OpenOptions::new();
    let file = disk::open(&temporary, options.truncate(true).write(true)).map_err(at(&temporary))?;
    disk::write(&file, &temporary, 0, bytes)
        .and_then(|()| disk::sync(&file, &temporary))
        .map_err(at(&temporary))?;
    disk::rename(&temporary, path).map_err(at(path))
}

/// Makes renames and removals in a folder durable.
pub fn sync_dir(path: &Path) -> Result<(), StoreError> {
    disk::sync_dir(path).map_err(at(path))
}

/// Reads a file that may not be there.
pub fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::Io(path.to_owned(), error)),
    }
}

/// Files of a folder, by name, sorted; temporary ones aside.
pub fn list(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = vec![];
    for entry in fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".tmp") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path()).unwrap();
        assert!(matches!(Folder::open(dir.path()), Err(StoreError::Locked(_))));
        drop(first);
        assert!(Folder::open(dir.path()).is_ok());
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("FORMAT"), "datacoop 2\n").unwrap();
        let error = Folder::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("datacoop 2") && error.contains("newer program"), "{error}");
    }
}
