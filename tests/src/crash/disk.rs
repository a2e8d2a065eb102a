//! Changes of a disk, and what of them a crash leaves: files and names by themselves, blocks of 512 bytes.

#![expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use datacoop::disk::Change;
use datacoop_protocol::log::tree::sha256;

use super::images::Image;

/// A change of the disk, paths below the watched folder.
#[derive(Clone, Debug)]
pub enum Did {
    /// A folder was made.
    MakeDir(PathBuf),
    /// An empty file was made.
    Create(PathBuf),
    /// Bytes were written.
    Write(PathBuf, u64, Vec<u8>),
    /// A file was cut.
    Cut(PathBuf, u64),
    /// A file was synced.
    Sync(PathBuf),
    /// A file was renamed.
    Rename(PathBuf, PathBuf),
    /// A file was removed.
    Remove(PathBuf),
    /// A folder was synced.
    SyncDir(PathBuf),
}

impl std::fmt::Display for Did {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MakeDir(path) => write!(f, "make folder {}", path.display()),
            Self::Create(path) => write!(f, "make {}", path.display()),
            Self::Write(path, offset, bytes) => {
                write!(f, "write {} bytes of {} at {offset}", bytes.len(), path.display())
            }
            Self::Cut(path, length) => write!(f, "cut {} at {length}", path.display()),
            Self::Sync(path) => write!(f, "sync {}", path.display()),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
            Self::SyncDir(path) => write!(f, "sync folder {}", path.display()),
        }
    }
}

impl Did {
    /// What a watcher saw, with paths below `root`.
    pub fn of(change: &Change<'_>, root: &Path) -> Self {
        let below = |path: &Path| path.strip_prefix(root).expect("a path in the folder").to_owned();
        match change {
            Change::MakeDir(path) => Self::MakeDir(below(path)),
            Change::Create(path) => Self::Create(below(path)),
            Change::Write(path, offset, bytes) => Self::Write(below(path), *offset, bytes.to_vec()),
            Change::Cut(path, length) => Self::Cut(below(path), *length),
            Change::Sync(path) => Self::Sync(below(path)),
            Change::Rename(from, to) => Self::Rename(below(from), below(to)),
            Change::Remove(path) => Self::Remove(below(path)),
            Change::SyncDir(path) => Self::SyncDir(below(path)),
        }
    }
}

/// A file's bytes as a process sees them, and as the disk has them.
#[derive(Clone, Default)]
struct FileState {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// Changes since the last sync, in order: a power cut keeps any of them.
    since: Vec<Did>,
}

/// A folder as a process sees it, and as the disk has it: files are numbered, names point at them.
#[derive(Clone, Default)]
pub struct DiskModel {
    files: Vec<FileState>,
    seen: BTreeMap<PathBuf, usize>,
    synced: BTreeMap<PathBuf, usize>,
    seen_dirs: BTreeSet<PathBuf>,
    synced_dirs: BTreeSet<PathBuf>,
    /// Folders that got other names since the folder above was synced, in order.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// Where a path is after a folder got another name.
fn after_move(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}

fn move_names(names: &mut BTreeMap<PathBuf, usize>, from: &Path, to: &Path) {
    let all = std::mem::take(names).into_iter();
    names.extend(all.map(|(path, number)| (after_move(&path, from, to), number)));
}

fn move_dirs(dirs: &mut BTreeSet<PathBuf>, from: &Path, to: &Path) {
    *dirs = dirs.iter().map(|path| after_move(path, from, to)).collect();
}

/// What is left of a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// A killed process: all that was written.
    Written,
    /// A power cut that lost everything that was not synced.
    SyncedOnly,
    /// A power cut that lost a part of it: names of new files or not, bytes of files or not, and of
    /// the last write some blocks, chosen by this number.
    Some(u64),
}

impl DiskModel {
    /// A disk that holds these files and nothing that is not synced.
    pub(crate) fn holding(image: &Image) -> Self {
        let mut disk = Self::default();
        for (path, bytes) in image {
            disk.seen.insert(path.clone(), disk.files.len());
            disk.files.push(FileState { seen: bytes.clone(), synced: bytes.clone(), since: vec![] });
            disk.seen_dirs.extend(path.ancestors().skip(1).map(Path::to_owned));
        }
        (disk.synced, disk.synced_dirs) = (disk.seen.clone(), disk.seen_dirs.clone());
        disk
    }

    fn file(&mut self, path: &Path) -> &mut FileState {
        let number = self.seen[path];
        &mut self.files[number]
    }

    /// Makes a change.
    pub fn apply(&mut self, did: &Did) {
        match did {
            Did::MakeDir(path) => {
                self.seen_dirs.extend(path.ancestors().map(Path::to_owned));
            }
            Did::Create(path) => {
                self.seen.insert(path.clone(), self.files.len());
                self.files.push(FileState::default());
            }
            Did::Write(path, ..) | Did::Cut(path, _) => {
                let file = self.file(path);
                change_bytes(&mut file.seen, did);
                file.since.push(did.clone());
            }
            Did::Sync(path) => {
                let file = self.file(path);
                file.synced = file.seen.clone();
                file.since.clear();
            }
            Did::Rename(from, to) => match self.seen.remove(from) {
                Some(number) => drop(self.seen.insert(to.clone(), number)),
                None => {
                    move_names(&mut self.seen, from, to);
                    move_dirs(&mut self.seen_dirs, from, to);
                    self.moved.push((from.clone(), to.clone()));
                }
            },
            Did::Remove(path) => {
                self.seen.remove(path);
            }
            Did::SyncDir(folder) => {
                let inside = |path: &Path| path.parent() == Some(folder);
                let (moved, rest) =
                    std::mem::take(&mut self.moved).into_iter().partition(|(_, to)| inside(to));
                self.moved = rest;
                let moved: Vec<(PathBuf, PathBuf)> = moved;
                for (from, to) in &moved {
                    move_names(&mut self.synced, from, to);
                    move_dirs(&mut self.synced_dirs, from, to);
                }
                self.synced.retain(|path, _| !inside(path));
                let now = self.seen.iter().filter(|(path, _)| inside(path));
                self.synced.extend(now.map(|(path, number)| (path.clone(), *number)));
                self.synced_dirs.insert(folder.clone());
                self.synced_dirs.extend(self.seen_dirs.iter().filter(|path| inside(path)).cloned());
            }
        }
    }

    /// The files that a crash here leaves.
    pub fn left(&self, left: Left) -> Image {
        let coin = |what: &str| match left {
            Left::Some(number) => sha256(&[&number.to_le_bytes(), what.as_bytes()]).0[0].is_multiple_of(2),
            Left::Written => true,
            Left::SyncedOnly => false,
        };
        if left == Left::Written {
            let files = self.seen.iter();
            return files.map(|(path, number)| (path.clone(), self.files[*number].seen.clone())).collect();
        }
        let (mut names, mut dirs) = (self.synced.clone(), self.synced_dirs.clone());
        // Folders' names change in order: the later ones need the places of the earlier.
        let moves = self.moved.iter().enumerate().take_while(|(n, _)| coin(&format!("move {n}")));
        moves.for_each(|(_, (from, to))| {
            move_names(&mut names, from, to);
            move_dirs(&mut dirs, from, to);
        });
        let in_moved =
            |path: &Path| self.moved.iter().any(|(from, to)| path.starts_with(from) || path.starts_with(to));
        for path in self.seen.keys().chain(self.synced.keys()).cloned().collect::<BTreeSet<_>>() {
            // Each name by itself is the old one or the new one.
            if !in_moved(&path) && coin(&format!("name {}", path.display())) {
                match self.seen.get(&path) {
                    Some(number) => names.insert(path, *number),
                    None => names.remove(&path),
                };
            }
        }
        let has_dir = |dir: &Path| {
            dir.as_os_str().is_empty() || dirs.contains(dir) || coin(&format!("dir {}", dir.display()))
        };
        let reached = |path: &Path| path.ancestors().skip(1).all(has_dir);
        let named = names.into_iter().filter(|(path, _)| reached(path));
        named.map(|(path, number)| (path, self.bytes_left(number, &coin))).collect()
    }

    fn bytes_left(&self, number: usize, coin: &dyn Fn(&str) -> bool) -> Vec<u8> {
        let file = &self.files[number];
        let mut bytes = file.synced.clone();
        for (n, did) in file.since.iter().enumerate() {
            if coin(&format!("file {number} change {n}")) {
                match did {
                    // Blocks of 512 bytes reach the disk one by one.
                    Did::Write(path, offset, new) => {
                        for (block, piece) in new.chunks(512).enumerate() {
                            if coin(&format!("file {number} change {n} block {block}")) {
                                let at = offset + 512 * block as u64;
                                change_bytes(&mut bytes, &Did::Write(path.clone(), at, piece.to_vec()));
                            }
                        }
                    }
                    other => change_bytes(&mut bytes, other),
                }
            }
        }
        bytes
    }
}

fn change_bytes(bytes: &mut Vec<u8>, did: &Did) {
    match did {
        Did::Write(_, offset, new) => {
            let at = usize::try_from(*offset).expect("a small file");
            let end = at + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[at..end].copy_from_slice(new);
        }
        Did::Cut(_, length) => bytes.resize(usize::try_from(*length).expect("a small file"), 0),
        _ => {}
    }
}
