//! Files of an export, read as somebody else's: none longer than its kind can be, none through a symbolic link,
//! none that is no file. Else whoever hands in a folder has us fill our memory, wait for ever, or read, and quote,
//! what lies elsewhere on our disk.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use datacoop_protocol::bounds::{BLOB_BYTES_MAX, CHARTER_NOTE_BYTES_MAX};
use datacoop_protocol::json::ENTRY_BYTES_MAX;
use datacoop_protocol::log::note::NOTE_BYTES_MAX;
use datacoop_protocol::log::tile::TILE_WIDTH;

use crate::folder::{StoreError, at};

/// A tile of hashes: 256 of 32 bytes.
pub(super) const TILE_BYTES_MAX: u64 = TILE_WIDTH * 32;
/// A bundle: 256 entries, each with its length of two bytes.
pub(super) const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * (2 + ENTRY_BYTES_MAX as u64);
/// A head with its cosignatures: no reader of notes takes a longer one.
pub(super) const HEAD_BYTES_MAX: u64 = NOTE_BYTES_MAX as u64;
/// A version of the charter with its signatures.
pub(super) const CHARTER_BYTES_MAX: u64 = CHARTER_NOTE_BYTES_MAX as u64;
/// The log's key in one line: the name of a host has at most 253 characters, a key 44.
pub(super) const VKEY_BYTES_MAX: u64 = 1_024;
/// A blob: no member stores a longer one.
pub(super) const BLOB_FILE_BYTES_MAX: u64 = BLOB_BYTES_MAX as u64;
/// Earlier heads in an export: one a day for 27 years. More would be held in memory all at once.
pub(super) const EARLIER_MAX: usize = 10_000;

/// A file of a folder that somebody handed in, open; `None` if it is not there.
///
/// Errors: it, or a folder on the way to it, is a symbolic link; it is no plain file; or the machine cannot
/// read it.
pub(super) fn open(folder: &Path, name: &str) -> Result<Option<File>, StoreError> {
    let mut path = folder.to_owned();
    let mut kind = None;
    for part in name.split('/') {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(link(&path)),
            Ok(found) => kind = Some(found.file_type()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::Io(path, error)),
        }
    }
    if kind.is_some_and(|kind| !kind.is_file()) {
        return Err(StoreError::Wrong(format!(
            "{} is no plain file; an export holds files and folders only: ask for it again",
            path.display()
        )));
    }
    File::open(&path).map(Some).map_err(at(&path))
}

fn link(path: &Path) -> StoreError {
    StoreError::Wrong(format!(
        "{} is a symbolic link, and may lead anywhere on this machine; an export holds plain files: ask for it \
         again, or copy it with what its links lead to (`cp -rL`)",
        path.display()
    ))
}

/// Reads a file of a folder that somebody handed in; `None` if it is not there.
///
/// Errors: as `open`, and if it is longer than `bytes_max`.
pub(super) fn read(folder: &Path, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = open(folder, name)? else { return Ok(None) };
    let path = folder.join(name);
    let mut bytes = vec![];
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(at(&path))?;
    if bytes.len() as u64 > bytes_max {
        return Err(StoreError::Wrong(format!(
            "{} is longer than {bytes_max} bytes, which none of its kind can be: this is no export, or damaged; \
             ask for it again",
            path.display()
        )));
    }
    Ok(Some(bytes))
}

/// As `read`, of a text that must be there.
pub(super) fn read_text(folder: &Path, name: &str, bytes_max: u64) -> Result<String, StoreError> {
    let path = folder.join(name);
    let none = || {
        StoreError::Wrong(format!(
            "{}: there is no such file, and every export of a log has it; write one with `datacoop log export`",
            path.display()
        ))
    };
    let bytes = read(folder, name, bytes_max)?.ok_or_else(none)?;
    String::from_utf8(bytes).map_err(|_| StoreError::Wrong(format!("{} is not text", path.display())))
}

/// Names of what lies in a subfolder, sorted; none if it is not there.
///
/// Errors: it is a symbolic link, holds more than `names_max`, or the machine cannot read it.
pub(super) fn names(folder: &Path, sub: &str, names_max: usize) -> Result<Vec<String>, StoreError> {
    let path: PathBuf = folder.join(sub);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() => return Err(link(&path)),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Ok(_) => {}
        Err(error) => return Err(StoreError::Io(path, error)),
    }
    let mut names = vec![];
    for file in fs::read_dir(&path).map_err(at(&path))? {
        names.push(file.map_err(at(&path))?.file_name().to_string_lossy().into_owned());
        if names.len() > names_max {
            return Err(StoreError::Wrong(format!(
                "{} holds more than {names_max} files; name an export with fewer earlier heads",
                path.display()
            )));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"12345").unwrap();
        assert_eq!(read(dir.path(), "a", 5).unwrap().unwrap(), b"12345");
        let error = read(dir.path(), "a", 4).unwrap_err().to_string();
        assert!(error.contains("/a is longer than 4 bytes"), "{error}");
        assert!(read(dir.path(), "b", 4).unwrap().is_none());
        assert!(read(dir.path(), "a/b", 4).unwrap().is_none(), "under a file there is nothing");
    }

    #[test]
    fn nothing_is_read_through_a_link_or_from_what_is_no_file() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(other.path().join("sub")).unwrap();
        fs::write(other.path().join("sub/secret"), b"s").unwrap();
        std::os::unix::fs::symlink(other.path().join("sub/secret"), dir.path().join("file")).unwrap();
        std::os::unix::fs::symlink(other.path().join("sub"), dir.path().join("tile")).unwrap();
        for name in ["file", "tile/secret"] {
            let error = read(dir.path(), name, 9).unwrap_err().to_string();
            assert!(error.contains("is a symbolic link"), "{error}");
        }
        assert!(names(dir.path(), "tile", 9).unwrap_err().to_string().contains("is a symbolic link"));
        let error = read(other.path(), "sub", 9).unwrap_err().to_string();
        assert!(error.contains("sub is no plain file"), "{error}");
        fs::write(other.path().join("sub/two"), b"").unwrap();
        assert!(names(other.path(), "sub", 1).unwrap_err().to_string().contains("more than 1 files"));
        assert_eq!(names(other.path(), "sub", 2).unwrap(), ["secret", "two"]);
    }
}
