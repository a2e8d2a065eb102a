//! Files on their way into this node: each under a name that nobody can guess, readable by its owner
//! alone, and gone when it is imported, given up, or an hour old. Must not know what is in them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datacoop_policy::Digest;
use serde_json::Value;

use crate::entropy;
use crate::error::CommandError;
use crate::folder::make_dir;
use crate::load::Wish;

/// Largest file that is taken: a year's register of a large school has about 30 MB, so ten years of one
/// and its workbook's overhead fit.
pub(in crate::pages) const UPLOAD_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// All files together, those that still come among them: two of the largest, or a person's or two's usual tables.
const UPLOADS_BYTES_MAX: u64 = 2 * UPLOAD_BYTES_MAX;
/// Files at a time: a person or two, a few tables each.
const UPLOADS_MAX: usize = 8;
/// How long a file waits for the person who brought it.
pub(in crate::pages) const UPLOAD_TIME: Duration = Duration::from_secs(3600);
/// Characters of a file's name that are kept.
const NAME_CHARS_MAX: usize = 80;
/// Hex digits of an id: 128 bits.
const ID_DIGITS: usize = 32;

/// A file that was brought.
#[derive(Clone, Debug)]
pub(in crate::pages) struct Upload {
    /// What is to be done with it.
    pub(in crate::pages) wish: Wish,
    /// What was done with it: the file is gone then.
    pub(in crate::pages) done: Option<Value>,
    began: Instant,
    /// What it takes of the disk; nothing once it is erased.
    room: Option<Arc<Room>>,
}

/// Bytes that a file takes of those that all may take together; given back when it is dropped.
#[derive(Debug)]
struct Room {
    taken: Arc<AtomicU64>,
    bytes: u64,
}

/// All files that are on their way.
pub(in crate::pages) struct Uploads {
    folder: PathBuf,
    inside: Mutex<BTreeMap<String, Upload>>,
    /// Bytes of all files, as they come.
    taken: Arc<AtomicU64>,
    /// Held while one of them is read.
    looking: Arc<tokio::sync::Mutex<()>>,
    /// The folder is ours until what lies in it is erased.
    _lock: File,
}

/// A file that is being received; dropped before it is kept, it is erased.
pub(in crate::pages) struct Incoming {
    id: String,
    path: PathBuf,
    file: File,
    room: Option<Room>,
    kept: bool,
}

impl Uploads {
    /// In this folder, whose lock is held; what an earlier process left there goes.
    pub(in crate::pages) fn new(folder: PathBuf, lock: File) -> Self {
        erase(&folder);
        let (inside, taken, looking) = (Mutex::default(), Arc::default(), Arc::default());
        Self { folder, inside, taken, looking, _lock: lock }
    }

    /// Held by whoever reads a file, one at a time.
    pub(super) fn looking(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&self.looking)
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Upload>> {
        // What it holds is whole after each statement.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a file that a browser calls this.
    ///
    /// Errors: so many wait that it would not be kept, or the disk says no.
    pub(in crate::pages) fn begin(&self, name: &str, now: Instant) -> Result<Incoming, CommandError> {
        self.sweep(now);
        check_number(&self.inside())?;
        let failed =
            |error: &dyn std::fmt::Display| CommandError::failed(format!("the file was not taken: {error}"));
        let id: String = Digest(entropy::bytes()).to_string().chars().take(ID_DIGITS).collect();
        let folder = self.folder.join(&id);
        make_dir(&folder).map_err(|error| failed(&error))?;
        let path = folder.join(plain_name(name));
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(&error))?;
        let room = Some(Room { taken: Arc::clone(&self.taken), bytes: 0 });
        Ok(Incoming { id, path, file, room, kept: false })
    }

    /// Keeps a file that is whole. Returns its id.
    ///
    /// Errors: there are too many; it is erased.
    pub(in crate::pages) fn keep(
        &self,
        mut incoming: Incoming,
        mut wish: Wish,
        now: Instant,
    ) -> Result<String, CommandError> {
        self.sweep(now);
        let mut inside = self.inside();
        check_number(&inside)?;
        wish.file.clone_from(&incoming.path);
        incoming.kept = true;
        let id = incoming.id.clone();
        let room = incoming.room.take().map(Arc::new);
        inside.insert(id.clone(), Upload { wish, done: None, began: now, room });
        Ok(id)
    }

    /// A file that is on its way.
    ///
    /// Errors: there is none of this id any more.
    pub(in crate::pages) fn get(&self, id: &str, now: Instant) -> Result<Upload, CommandError> {
        self.sweep(now);
        self.inside().get(id).cloned().ok_or_else(|| {
            CommandError::usage(
                "this file is not here any more: it was imported, given up, or an hour old".into(),
            )
            .hint("choose the file again")
        })
    }

    /// Changes what is to be done with a file.
    pub(in crate::pages) fn set_wish(&self, id: &str, wish: Wish) {
        if let Some(upload) = self.inside().get_mut(id) {
            upload.wish = wish;
        }
    }

    /// A file is imported: it is erased, and what became of it stays for an hour.
    pub(in crate::pages) fn finish(&self, id: &str, done: Value) {
        if let Some(upload) = self.inside().get_mut(id) {
            upload.done = Some(done);
            upload.room = None;
            erase(&self.folder.join(id));
        }
    }

    /// A file is given up: it is erased.
    pub(in crate::pages) fn give_up(&self, id: &str) {
        if self.inside().remove(id).is_some() {
            erase(&self.folder.join(id));
        }
    }

    /// Files that wait, the newest last: id and name.
    pub(in crate::pages) fn waiting(&self, now: Instant) -> Vec<(String, String)> {
        self.sweep(now);
        let inside = self.inside();
        let mut waiting: Vec<(&String, &Upload)> =
            inside.iter().filter(|(_, upload)| upload.done.is_none()).collect();
        waiting.sort_by_key(|(_, upload)| upload.began);
        waiting.into_iter().map(|(id, upload)| (id.clone(), upload.name())).collect()
    }

    /// Erases what is too old.
    pub(in crate::pages) fn sweep(&self, now: Instant) {
        self.inside().retain(|id, upload| {
            let keeps = now.duration_since(upload.began) < UPLOAD_TIME;
            if !keeps {
                erase(&self.folder.join(id));
            }
            keeps
        });
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        erase(&self.folder);
    }
}

impl Upload {
    /// The file's name.
    pub(in crate::pages) fn name(&self) -> String {
        self.wish.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

impl Incoming {
    /// Writes what came, if there is room for it. Errors: the file is too large, or all together are, or the disk says
    /// no.
    pub(in crate::pages) fn push(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        if self.bytes() + bytes.len() as u64 > UPLOAD_BYTES_MAX {
            return Err(too_large());
        }
        if !self.room.as_mut().is_some_and(|room| room.grow(bytes.len() as u64)) {
            return Err(no_room());
        }
        self.file.write_all(bytes).map_err(|error| {
            let full = error.kind() == io::ErrorKind::StorageFull;
            let text = if full {
                "the disk is full; nothing was taken".to_owned()
            } else {
                format!("the file was not taken: {error}")
            };
            CommandError::failed(text)
        })
    }

    /// Bytes so far.
    pub(in crate::pages) fn bytes(&self) -> u64 {
        self.room.as_ref().map_or(0, |room| room.bytes)
    }
}

impl Room {
    /// Takes so many more, if all together may have them.
    fn grow(&mut self, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= UPLOADS_BYTES_MAX);
        let grown = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept
            && let Some(folder) = self.path.parent()
        {
            erase(folder);
        }
    }
}

fn check_number(inside: &BTreeMap<String, Upload>) -> Result<(), CommandError> {
    let waiting = inside.values().filter(|upload| upload.done.is_none()).count();
    if waiting >= UPLOADS_MAX {
        let text = format!("{waiting} files wait to be imported already; nothing was taken");
        return Err(CommandError::usage(text).hint("import or give up one of them first"));
    }
    Ok(())
}

fn no_room() -> CommandError {
    let most = UPLOADS_BYTES_MAX / (1024 * 1024);
    CommandError::usage(format!(
        "the files that wait to be imported would have more than {most} MB together; nothing was taken"
    ))
    .hint("import or give up one of them first, or use the command line: datacoop import FILE")
}

/// Why a file is not taken.
pub(super) fn too_large() -> CommandError {
    let most = UPLOAD_BYTES_MAX / (1024 * 1024);
    CommandError::usage(format!("the file has more than {most} MB; nothing was taken"))
        .hint("export fewer columns or a shorter time, or use the command line: datacoop import FILE")
}

/// What cannot be erased now is erased at the next start.
fn erase(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: {error}", folder.display());
    }
}

/// A file's own name as one name in a folder of ours: no path, no control or direction mark, nothing hidden.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '(' | ')') { c } else { '_' })
        .take(NAME_CHARS_MAX)
        .collect();
    let plain = plain.trim().trim_start_matches('.').trim();
    if plain.is_empty() { "file".to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Choice;
    use std::os::unix::fs::PermissionsExt as _;

    fn wish() -> Wish {
        Wish::new(Path::new(""), Choice::Named("attendance".into()))
    }

    fn uploads_in(dir: &tempfile::TempDir) -> Uploads {
        Uploads::new(dir.path().join("uploads"), tempfile::tempfile().unwrap())
    }

    fn brought(uploads: &Uploads, name: &str, now: Instant) -> (String, PathBuf) {
        let mut incoming = uploads.begin(name, now).unwrap();
        incoming.push(b"a,b\n1,2\n").unwrap();
        let path = incoming.path.clone();
        (uploads.keep(incoming, wish(), now).unwrap(), path)
    }

    #[test]
    fn a_name_is_never_a_path() {
        for (name, plain) in [
            ("marks.csv", "marks.csv"),
            ("../../keys/identity", "identity"),
            ("/etc/passwd", "passwd"),
            ("C:\\Users\\me\\Marks (1).xlsx", "Marks (1).xlsx"),
            ("..", "file"),
            ("...", "file"),
            (".ssh", "ssh"),
            ("", "file"),
            ("a\u{0}b\n\u{202e}c", "a_b__c"),
            ("<script>.csv", "_script_.csv"),
            ("Présence été.csv", "Présence été.csv"),
        ] {
            assert_eq!(plain_name(name), plain, "{name:?}");
        }
        assert_eq!(plain_name(&"x".repeat(500)).chars().count(), NAME_CHARS_MAX);
    }

    #[test]
    fn a_file_is_its_owners_alone_and_gone_when_it_is_done_with() {
        let dir = tempfile::tempdir().unwrap();
        let (uploads, now) = (uploads_in(&dir), Instant::now());
        let (id, path) = brought(&uploads, "../marks.csv", now);
        assert!(path.starts_with(dir.path().join("uploads")) && id.len() == ID_DIGITS);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(uploads.get(&id, now).unwrap().name(), "marks.csv");
        uploads.finish(&id, Value::Null);
        assert!(!path.exists() && uploads.get(&id, now).unwrap().done.is_some());
        let (id, path) = brought(&uploads, "b.csv", now);
        uploads.give_up(&id);
        assert!(!path.exists() && uploads.get(&id, now).is_err());
        let (id, path) = brought(&uploads, "c.csv", now);
        assert!(uploads.get(&id, now + UPLOAD_TIME - Duration::from_secs(1)).is_ok());
        assert!(uploads.get(&id, now + UPLOAD_TIME).is_err() && !path.exists(), "an hour is enough");
        for bad in ["", "..", "../keys", &id] {
            assert!(uploads.get(bad, now).is_err(), "{bad}");
        }
        let mut cut = uploads.begin("cut.csv", now).unwrap();
        cut.push(b"half").unwrap();
        let path = cut.path.clone();
        drop(cut);
        assert!(!path.exists(), "what was cut off is erased");
    }

    #[test]
    fn neither_too_much_nor_too_many_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (uploads, now) = (uploads_in(&dir), Instant::now());
        let mut large = uploads.begin("large.csv", now).unwrap();
        assert!(large.room.as_mut().unwrap().grow(UPLOAD_BYTES_MAX));
        assert!(large.push(b"").is_ok() && large.push(b"x").unwrap_err().text.contains("512 MB"));
        assert_eq!(large.bytes(), UPLOAD_BYTES_MAX, "what is not taken is not counted, nor written");
        // All together, while they still come.
        let mut other = uploads.begin("other.csv", now).unwrap();
        assert!(other.room.as_mut().unwrap().grow(UPLOAD_BYTES_MAX - 1));
        let mut third = uploads.begin("third.csv", now).unwrap();
        assert!(third.push(b"x").is_ok() && third.push(b"y").unwrap_err().text.contains("1024 MB together"));
        assert_eq!(fs::metadata(&third.path).unwrap().len(), 1);
        // What one gives back another has.
        drop(large);
        assert!(third.push(b"y").is_ok());
        let id = uploads.keep(other, wish(), now).unwrap();
        uploads.finish(&id, Value::Null);
        drop(third);
        assert_eq!(uploads.taken.load(Ordering::Relaxed), 0);
        let mut ids: Vec<String> =
            (0..UPLOADS_MAX).map(|n| brought(&uploads, &format!("{n}.csv"), now).0).collect();
        assert!(uploads.begin("more.csv", now).is_err(), "it is refused before it comes");
        uploads.give_up(&ids.pop().unwrap());
        let [last, one_more] = ["last.csv", "more.csv"].map(|name| uploads.begin(name, now).unwrap());
        uploads.keep(last, wish(), now).unwrap();
        let path = one_more.path.clone();
        assert!(uploads.keep(one_more, wish(), now).is_err() && !path.exists());
        let later = now + UPLOAD_TIME;
        brought(&uploads, "later.csv", later);
        assert_eq!(uploads.waiting(later).len(), 1);
        drop(uploads);
        assert!(!dir.path().join("uploads").exists(), "and nothing outlives the pages");
    }
}
