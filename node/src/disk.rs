//! Every change of what must outlive a crash, one function for each kind of change. Must not know what
//! any file means.
//!
//! With the feature `failpoints`, which only the tests turn on, a watcher sees each change before it
//! is made and can stop it, as a crash or a full disk would. Without it these are the plain calls.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// One change, before it is made.
#[derive(Debug)]
pub enum Change<'a> {
    /// A folder, and those above it that are missing.
    MakeDir(&'a Path),
    /// An empty file.
    Create(&'a Path),
    /// Bytes of a file from an offset on.
    Write(&'a Path, u64, &'a [u8]),
    /// A file is cut to a length.
    Cut(&'a Path, u64),
    /// A file's bytes so far are on disk from here on.
    Sync(&'a Path),
    /// A file takes the place of another.
    Rename(&'a Path, &'a Path),
    /// A file goes.
    Remove(&'a Path),
    /// The names in a folder are on disk from here on.
    SyncDir(&'a Path),
}

/// Sees each change of this thread before it is made; an error is what the change then ends with.
#[cfg(feature = "failpoints")]
pub type Watcher = Box<dyn FnMut(&Change<'_>) -> io::Result<()>>;

#[cfg(feature = "failpoints")]
thread_local! {
    static WATCHER: std::cell::RefCell<Option<Watcher>> = const { std::cell::RefCell::new(None) };
}

/// Sets this thread's watcher, or takes it away. Returns the one before.
#[cfg(feature = "failpoints")]
pub fn watch(watcher: Option<Watcher>) -> Option<Watcher> {
    WATCHER.with(|place| place.replace(watcher))
}

#[cfg(feature = "failpoints")]
fn pass(change: &Change<'_>) -> io::Result<()> {
    WATCHER.with(|place| place.borrow_mut().as_mut().map_or(Ok(()), |watcher| watcher(change)))
}

#[cfg(not(feature = "failpoints"))]
fn pass(_: &Change<'_>) -> io::Result<()> {
    Ok(())
}

/// A folder that only its owner reads, and those above it that are missing. Not durable before the
/// folder above is synced.
pub fn make_dir(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        pass(&Change::MakeDir(path))?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file that only its owner reads; one that is not there is made.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if !path.exists() {
        pass(&Change::Create(path))?;
    }
    options.create(true).mode(0o600).open(path)
}

/// Writes bytes where the file stands, which is at `offset`.
pub fn write(mut file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
    pass(&Change::Write(path, offset, bytes))?;
    file.write_all(bytes)
}

/// Cuts a file.
pub fn cut(file: &File, path: &Path, length: u64) -> io::Result<()> {
    pass(&Change::Cut(path, length))?;
    file.set_len(length)
}

/// Makes a file's bytes, and its length, durable.
pub fn sync(file: &File, path: &Path) -> io::Result<()> {
    pass(&Change::Sync(path))?;
    file.sync_data()
}

/// Renames a file over another.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    pass(&Change::Rename(from, to))?;
    fs::rename(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    pass(&Change::Remove(path))?;
    fs::remove_file(path)
}

/// Makes a folder's names durable: what was made, renamed or removed in it.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    pass(&Change::SyncDir(path))?;
    File::open(path)?.sync_all()
}
