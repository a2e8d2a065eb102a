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

/// Every tile of a tree, level by level: path and bytes.
pub fn hash_tiles(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let mut row: Vec<Digest> = (0..tree.size()).filter_map(|index| tree.leaf(index)).collect();
    let mut tiles = vec![];
    for level in 0.. {
        if row.is_empty() {
            return tiles;
        }
        let chunks = row.chunks(256).zip(tiles_of(row.len() as u64));
        tiles.extend(chunks.map(|(hashes, (index, width))| {
            (tile_path(level, index, width), hashes.iter().flat_map(|hash| hash.0).collect())
        }));
        row = row.chunks_exact(256).map(full_root).collect();
    }
    tiles
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
    chunks
        .map(|(entries, (index, width))| {
            let mut bytes = vec![];
            for entry in entries {
                let length = u16::try_from(entry.len()).expect("INVARIANT: an entry is at most 65,535 bytes");
                bytes.extend(length.to_be_bytes());
                bytes.extend_from_slice(entry);
            }
            (bundle_path(index, width), bytes)
        })
        .collect()
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

/// Paths of all bundles of a log of this size.
pub fn bundle_paths(size: u64) -> impl Iterator<Item = String> {
    tiles_of(size).map(|(index, width)| bundle_path(index, width))
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
        assert_eq!(tiles.last().unwrap().1, root.0, "the top tile holds the root of the full part");
    }

    #[test]
    fn bundles_read_back() {
        let entries: Vec<Arc<[u8]>> = (0..300).map(|i| Arc::from(vec![7u8; i])).collect();
        let bundles = entry_bundles(&entries);
        let paths: Vec<_> = bundles.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(paths, bundle_paths(300).collect::<Vec<_>>());
        let read: Vec<_> = bundles.iter().flat_map(|(_, bytes)| read_bundle(bytes).unwrap()).collect();
        assert_eq!(read, entries);
        assert!(read_bundle(&bundles[0].1[..bundles[0].1.len() - 1]).is_none());
        assert!(read_bundle(&[0]).is_none());
    }
}
