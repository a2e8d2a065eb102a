//! Tiles: the same tree as plain files that anyone can serve. Source: c2sp.org/tlog-tiles.

use std::sync::Arc;

use datacoop_policy::Digest;

use super::tree::{Tree, node_hash};

/// Hashes, or entries, in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Bits of an index that one tile level spans.
const TILE_HEIGHT: u32 = 8;

/// Path of a tile: `tile/<level>/<index>[.p/<width>]`.
pub fn tile_path(level: u32, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", numbered(index, width))
}

/// Path of a bundle of entries: `tile/entries/<index>[.p/<width>]`.
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", numbered(index, width))
}

/// 1234067 is `x001/x234/067`; a partial one ends in `.p/<width>`.
fn numbered(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH { format!("{path}.p/{width}") } else { path }
}

/// Index and width of each tile of `hashes` hashes, the last one partial if need be.
fn tiles_of(hashes: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..hashes.div_ceil(TILE_WIDTH)).map(move |index| (index, TILE_WIDTH.min(hashes - index * TILE_WIDTH)))
}

/// Every tile of a tree: path and bytes.
pub fn hash_tiles(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let mut stream = TileStream::default();
    let leaves = (0..tree.size()).filter_map(|index| tree.leaf(index));
    let mut tiles: Vec<_> = leaves.flat_map(|leaf| stream.push(leaf)).collect();
    tiles.extend(stream.finish());
    tiles
}

/// Tiles of a tree as its leaves come: each when it is full, so that no more than one a level is held.
#[derive(Default)]
pub struct TileStream {
    /// By level: how many tiles were full, and the hashes of the next one.
    rows: Vec<(u64, Vec<Digest>)>,
}

impl TileStream {
    /// Takes the next leaf. Returns the tiles that it fills: path and bytes.
    pub fn push(&mut self, leaf: Digest) -> Vec<(String, Vec<u8>)> {
        let (mut tiles, mut hash) = (vec![], leaf);
        for level in 0.. {
            if self.rows.len() == level as usize {
                self.rows.push((0, vec![]));
            }
            let (full, row) = &mut self.rows[level as usize];
            row.push(hash);
            if (row.len() as u64) < TILE_WIDTH {
                break;
            }
            tiles.push((tile_path(level, *full, TILE_WIDTH), tile_bytes(row)));
            hash = full_root(row);
            *full += 1;
            row.clear();
        }
        tiles
    }

    /// The partial tiles that are left: path and bytes, level by level.
    pub fn finish(self) -> Vec<(String, Vec<u8>)> {
        let rows = (0..).zip(self.rows).filter(|(_, (_, row))| !row.is_empty());
        rows.map(|(level, (full, row))| (tile_path(level, full, row.len() as u64), tile_bytes(&row)))
            .collect()
    }
}

fn tile_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn full_root(hashes: &[Digest]) -> Digest {
    let mut row = hashes.to_vec();
    for _ in 0..TILE_HEIGHT {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row[0]
}

/// Every bundle of a log's entries: path and bytes, each entry as `u16be length || entry`.
pub fn entry_bundles(entries: &[Arc<[u8]>]) -> Vec<(String, Vec<u8>)> {
    let chunks = entries.chunks(256).zip(tiles_of(entries.len() as u64));
    chunks.map(|(entries, (index, width))| (bundle_path(index, width), bundle(entries))).collect()
}

/// A file under `tile/`, as its path names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TileFile {
    /// Hashes of a level.
    Hashes {
        /// 0 for leaves; of each next level every hash is the root of 256 of this one.
        level: u32,
        /// Which tile of its level.
        index: u64,
        /// Hashes in it, 1 to 256.
        width: u64,
    },
    /// Entries.
    Entries {
        /// Which bundle.
        index: u64,
        /// Entries in it, 1 to 256.
        width: u64,
    },
}

impl TileFile {
    /// What a path names; `None` for any other text, also for another spelling of the same tile.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for digits in number.split('/') {
            let digits: u64 = digits.strip_prefix('x').unwrap_or(digits).parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let file = match level {
            "entries" => Self::Entries { index, width },
            level => Self::Hashes { level: level.parse().ok()?, index, width },
        };
        (width > 0 && file.path() == path).then_some(file)
    }

    /// Its path.
    pub fn path(&self) -> String {
        match *self {
            Self::Hashes { level, index, width } => tile_path(level, index, width),
            Self::Entries { index, width } => bundle_path(index, width),
        }
    }
}

/// The bytes of a tile of the tree's first `size` leaves, of any width that they fill: also of one that was
/// partial at an earlier size. `None` for a tile that they do not fill.
pub fn hash_tile(tree: &Tree, size: u64, level: u32, index: u64, width: u64) -> Option<Vec<u8>> {
    let row = TILE_HEIGHT.checked_mul(level)?;
    let hashes = size.checked_shr(row)?;
    let first = index.checked_mul(TILE_WIDTH)?;
    let end = first.checked_add(width).filter(|end| *end <= hashes)?;
    let found: Option<Vec<[u8; 32]>> =
        (first..end).map(|place| tree.node(row, place).map(|hash| hash.0)).collect();
    found.map(|hashes| hashes.concat())
}

/// The entries in a bundle of this width, of the log's first `size`. `None` for one that they do not fill.
pub fn bundle_entries(entries: &[Arc<[u8]>], size: u64, index: u64, width: u64) -> Option<&[Arc<[u8]>]> {
    let first = index.checked_mul(TILE_WIDTH)?;
    let end = first.checked_add(width).filter(|end| *end <= size)?;
    entries.get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
}

/// A bundle of these entries, each as `u16be length || entry`.
pub fn bundle(entries: &[Arc<[u8]>]) -> Vec<u8> {
    let mut bytes = vec![];
    for entry in entries {
        let length = u16::try_from(entry.len()).expect("INVARIANT: an entry is at most 65,535 bytes");
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// Reads a bundle; `None` when a length runs past its end or it holds more than a tile.
pub fn read_bundle(mut bytes: &[u8]) -> Option<Vec<Arc<[u8]>>> {
    let mut entries = vec![];
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(Arc::from(entry));
        bytes = rest;
    }
    (bytes.is_empty() && entries.len() as u64 <= TILE_WIDTH).then_some(entries)
}

/// Paths of all bundles of a log of this size, each with how many entries it holds.
pub fn bundle_paths(size: u64) -> impl Iterator<Item = (String, u64)> {
    tiles_of(size).map(|(index, width)| (bundle_path(index, width), width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tree::leaf_hash;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 17), "tile/1/000.p/17");
        assert_eq!(bundle_path(999, 256), "tile/entries/999");
        assert_eq!(bundle_path(1000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn a_tree_of_70_000_leaves_has_the_published_tiles() {
        let mut tree = Tree::default();
        (0..70_000u64).for_each(|i| tree.push(leaf_hash(&i.to_le_bytes())));
        let tiles = hash_tiles(&tree);
        let count = |prefix: &str| tiles.iter().filter(|(path, _)| path.starts_with(prefix)).count();
        assert_eq!((count("tile/0/"), count("tile/1/"), count("tile/2/")), (274, 2, 1));
        let last = |prefix: &str| {
            tiles.iter().rfind(|(p, _)| p.starts_with(prefix)).map(|(p, b)| (p.as_str(), b.len()))
        };
        assert_eq!(last("tile/0/"), Some(("tile/0/273.p/112", 112 * 32)));
        assert_eq!(last("tile/1/"), Some(("tile/1/001.p/17", 17 * 32)));
        assert_eq!(last("tile/2/"), Some(("tile/2/000.p/1", 32)));
        let root = tree.root_at(65_536).unwrap();
        let top = tiles.iter().find(|(path, _)| path == "tile/2/000.p/1").unwrap();
        assert_eq!(top.1, root.0, "the top tile holds the root of the full part");
    }

    #[test]
    fn a_path_names_a_tile_in_one_spelling() {
        for (index, width) in [(0, 256), (0, 1), (999, 255), (1000, 256), (1_234_067, 17), (u64::MAX, 256)] {
            let files = [0, 1, 7].map(|level| TileFile::Hashes { level, index, width });
            for file in files.into_iter().chain([TileFile::Entries { index, width }]) {
                assert_eq!(TileFile::parse(&file.path()), Some(file));
            }
        }
        for bad in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/x1/000",
            "tile/00/000",
            "tile/+0/000",
            "tile/-1/000",
            "tile/0/+00",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/+1",
            "tile/0/000.p/01",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/000/",
            "tile//0/000",
            "/tile/0/000",
            "tile/../000",
            "tile/0/../000",
            "tile/0/..",
            "tile/entries/../../log.vkey",
            "tile/entries/x018/x446/x744/x073/x709/x551/616",
            "tile/Entries/000",
            "tile/0/%30%30%30",
        ] {
            assert_eq!(TileFile::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_tile_is_what_all_tiles_hold_at_its_size() {
        let entries: Vec<Arc<[u8]>> = (0..70_000u32).map(|i| Arc::from(i.to_le_bytes())).collect();
        let mut whole = Tree::default();
        entries.iter().for_each(|entry| whole.push(leaf_hash(entry)));
        for size in [0, 1, 255, 256, 257, 511, 600, 65_536, 65_537, 70_000usize] {
            let mut tree = Tree::default();
            entries[..size].iter().for_each(|entry| tree.push(leaf_hash(entry)));
            for (path, bytes) in hash_tiles(&tree).into_iter().chain(entry_bundles(&entries[..size])) {
                // Of the tree as it is now, and of the whole that came later.
                for end in [size as u64, 70_000] {
                    let found = match TileFile::parse(&path).unwrap() {
                        TileFile::Hashes { level, index, width } => {
                            hash_tile(&whole, end, level, index, width)
                        }
                        TileFile::Entries { index, width } => {
                            bundle_entries(&entries, end, index, width).map(bundle)
                        }
                    };
                    assert_eq!(found.as_ref(), Some(&bytes), "{path} of {end}");
                }
            }
        }
        assert_eq!(hash_tile(&whole, 255, 0, 0, 256), None, "beyond what the size covers");
        assert_eq!(hash_tile(&whole, 70_000, 0, 273, 113), None);
        assert_eq!(hash_tile(&whole, 70_000, 3, 0, 1), None);
        assert_eq!(hash_tile(&whole, 70_000, 8, 0, 1), None);
        assert_eq!(hash_tile(&whole, 70_000, u32::MAX, 0, 1), None);
        assert_eq!(hash_tile(&whole, 70_000, 0, u64::MAX, 256), None);
        assert_eq!(bundle_entries(&entries, 70_000, u64::MAX, 256), None);
        assert_eq!(bundle_entries(&entries, 255, 0, 256), None);
    }

    #[test]
    fn bundles_read_back() {
        let entries: Vec<Arc<[u8]>> = (0..300).map(|i| Arc::from(vec![7u8; i])).collect();
        let bundles = entry_bundles(&entries);
        let paths: Vec<_> = bundles.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(paths, bundle_paths(300).map(|(path, _)| path).collect::<Vec<_>>());
        let read: Vec<_> = bundles.iter().flat_map(|(_, bytes)| read_bundle(bytes).unwrap()).collect();
        assert_eq!(read, entries);
        assert!(read_bundle(&bundles[0].1[..bundles[0].1.len() - 1]).is_none());
        assert!(read_bundle(&[0]).is_none());
    }
}
