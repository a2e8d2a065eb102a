//! People who object to being counted: their local ids, in a file that only its owner reads. They are
//! left out before anything is computed; nothing of this file leaves the node, not even how many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::folder::{StoreError, at, make_dir, read_optional, write_durably};

/// Longest id in bytes: register numbers and case numbers are far shorter.
pub const ID_BYTES_MAX: usize = 200;
/// The file, in a node's folder: for each dataset a list of ids.
pub(crate) const FILE: &str = "objections.toml";
const HEADER: &str =
    "# People of each dataset who object to being counted, by this organisation's own ids.\n";

/// Ids by dataset.
pub type Objections = BTreeMap<String, BTreeSet<String>>;

/// Everyone who objects. Errors: the file is not one of ours; then nothing may be computed.
pub fn read(home: &Path) -> Result<Objections, StoreError> {
    let path = home.join(FILE);
    let Some(bytes) = read_optional(&path)? else { return Ok(Objections::new()) };
    let text = String::from_utf8(bytes).map_err(|_| wrong(&path, "it is not text"))?;
    // Why not the parser's words: they quote the line, and a line holds ids.
    toml::from_str(&text).map_err(|_| {
        wrong(&path, "it does not read; each line is a dataset and its ids, such as pupils = [\"1204\"]")
    })
}

fn wrong(path: &Path, what: &str) -> StoreError {
    StoreError::Wrong(format!("{}: {what}", path.display()))
}

/// Changes the list; a node may be running, and two changes wait for each other.
///
/// Errors: as `read`, or the disk says no.
pub fn change<T>(home: &Path, change: impl FnOnce(&mut Objections) -> T) -> Result<T, StoreError> {
    make_dir(home)?;
    let lock_path = home.join("objections.lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let lock: File = options.open(&lock_path).map_err(at(&lock_path))?;
    lock.lock().map_err(at(&lock_path))?;
    let mut held = read(home)?;
    let changed = change(&mut held);
    held.retain(|_, ids| !ids.is_empty());
    let text = toml::to_string_pretty(&held).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&home.join(FILE), format!("{HEADER}{text}").as_bytes())?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_kept_for_its_owner_alone_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
        let add = |id: &str| {
            let id = id.to_owned();
            change(dir.path(), |held| held.entry("pupils".to_owned()).or_default().insert(id)).unwrap()
        };
        assert!(add("0012") && add("o'\"\n12") && !add("0012"));
        let held = read(dir.path()).unwrap();
        assert_eq!(held["pupils"].iter().collect::<Vec<_>>(), ["0012", "o'\"\n12"]);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        change(dir.path(), |held| held.clear()).unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_does_not_read_is_an_error_that_quotes_no_id() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "pupils = [\"secret-17\"").unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("objections.toml") && !error.contains("secret"), "{error}");
        assert!(change(dir.path(), |held| held.clear()).is_err(), "it is not overwritten");
    }
}
