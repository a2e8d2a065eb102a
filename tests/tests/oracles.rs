//! Tiles, proofs and notes beside other people's, of `tlog_tiles` and `signed_note`: equal for every size up
//! to 1,000, and what one bit is changed of is refused by both.
//!
//! Source: LOG section 9; c2sp.org/tlog-tiles, signed-note. Roots and proofs are compared with `ct-merkle` in
//! `protocol`. These are here because what those crates ask of others would have the node's network built
//! twice, once for tests.
//! What would make it fail: another path or width of a tile, another order of a proof's hashes, a note that
//! others read otherwise.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::Digest;
use datacoop_policy::charter::NamedKey;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::note::{
    Checkpoint, KIND_ED25519, open_checkpoint, open_note, sign_checkpoint, sign_note, vkey,
};
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256, verify_consistency, verify_inclusion};
use tlog_tiles::{Hash, HashReader, Tile, TileHashReader, TileReader};

const SIZE_MAX: u64 = 1_000;
const TILE_HEIGHT: u8 = 8;

fn entry(n: u64) -> Vec<u8> {
    vec![n.to_le_bytes()[0]; (n % 40) as usize]
}

/// Numbers below `end`: all of a small tree's, some of a large one's and those at its edges.
fn some(end: u64) -> impl Iterator<Item = u64> {
    let edge = move |n: u64| n.is_power_of_two() || (n + 1).is_power_of_two() || end - n < 3;
    (0..end).filter(move |n| end <= 130 || n % 29 == end % 29 || edge(*n))
}

/// All hashes of a tree, as `tlog_tiles` numbers and computes them.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// The path of a tile without its height, which C2SP leaves out of Go's form.
fn path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

/// Our tiles, for their reader, which holds them against the root.
struct OurTiles(BTreeMap<String, Vec<u8>>);

impl TileReader for OurTiles {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles.iter().map(|tile| self.0.get(&path(tile)).cloned().unwrap_or_default()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tiles_and_proofs_are_those_of_tlog_tiles() {
    let mut stored = Stored(vec![]);
    let mut ours = Tree::default();
    for size in 1..=SIZE_MAX {
        let new = tlog_tiles::stored_hashes(size - 1, &entry(size - 1), &stored).unwrap();
        stored.0.extend(new);
        ours.push(leaf_hash(&entry(size - 1)));
        let root = tlog_tiles::tree_hash(size, &stored).unwrap();
        assert_eq!(ours.root(), Digest(root.0), "size {size}");
        let made = Tile::new_tiles(TILE_HEIGHT, 0, size);
        let made = made.iter().map(|tile| (path(tile), tile.read_data(&stored).unwrap()));
        let tiles: BTreeMap<_, _> = hash_tiles(&ours).into_iter().collect();
        assert_eq!(tiles, made.collect(), "size {size}");
        let tiles = OurTiles(tiles);
        let reader = TileHashReader::new(size, root, &tiles);
        for index in some(size) {
            // From our tiles where one begins or ends; there it hashes every tile on the way anew.
            let near_a_tile = (size + 2) % 256 < 4;
            let (record, prefix) = if near_a_tile && index % 8 == 7 {
                let record = tlog_tiles::prove_record(size, index, &reader).unwrap();
                (record, tlog_tiles::prove_tree(size, index + 1, &reader).unwrap())
            } else {
                let record = tlog_tiles::prove_record(size, index, &stored).unwrap();
                (record, tlog_tiles::prove_tree(size, index + 1, &stored).unwrap())
            };
            let (record, prefix) = (digests(&record), digests(&prefix));
            assert_eq!(ours.inclusion_proof(index, size).unwrap(), record, "{index} of {size}");
            assert_eq!(ours.consistency_proof(index + 1, size).unwrap(), prefix, "{index} of {size}");
        }
    }
    let entries: Vec<Arc<[u8]>> = (0..SIZE_MAX).map(|n| entry(n).into()).collect();
    let names: Vec<String> = entry_bundles(&entries).into_iter().map(|(name, _)| name).collect();
    let made = Tile::new_tiles(TILE_HEIGHT, 0, SIZE_MAX).into_iter().filter(|tile| tile.level() == 0);
    let made = made.map(|mut tile| {
        tile.set_is_data();
        path(&tile)
    });
    assert_eq!(names, made.collect::<Vec<_>>());
}

#[test]
fn a_changed_bit_of_a_proof_is_refused_by_both() {
    let mut tree = Tree::default();
    (0..300).for_each(|n| tree.push(leaf_hash(&entry(n))));
    let list = |proof: &[Digest]| proof.iter().map(|hash| Hash(hash.0)).collect::<Vec<Hash>>();
    for (index, size) in [(0, 1), (1, 3), (6, 7), (8, 9), (99, 130), (255, 257), (256, 257)] {
        let (leaf, root) = (leaf_hash(&entry(index)), tree.root_at(size).unwrap());
        let (old, old_root) = (index + 1, tree.root_at(index + 1).unwrap());
        let included = |proof: &[Digest]| {
            let theirs =
                tlog_tiles::check_record(&list(proof), size, Hash(root.0), index, Hash(leaf.0)).is_ok();
            [verify_inclusion(leaf, index, size, proof, root).is_ok(), theirs]
        };
        let consistent = |proof: &[Digest]| {
            let theirs =
                tlog_tiles::check_tree(&list(proof), size, Hash(root.0), old, Hash(old_root.0)).is_ok();
            [verify_consistency(old, old_root, size, root, proof).is_ok(), theirs]
        };
        let proof = tree.inclusion_proof(index, size).unwrap();
        assert_eq!(included(&proof), [true; 2], "{index} of {size}");
        wrong_proofs(&proof).for_each(|wrong| assert_eq!(included(&wrong), [false; 2], "{index} of {size}"));
        let proof = tree.consistency_proof(old, size).unwrap();
        assert_eq!(consistent(&proof), [true; 2], "{old} to {size}");
        wrong_proofs(&proof).for_each(|wrong| assert_eq!(consistent(&wrong), [false; 2], "{old} to {size}"));
    }
}

/// The proof with each of its bits changed, and with a hash more.
fn wrong_proofs(proof: &[Digest]) -> impl Iterator<Item = Vec<Digest>> {
    let longer = [proof, &[Digest([0; 32])]].concat();
    let changed = (0..proof.len() * 256).map(|bit| {
        let mut wrong = proof.to_vec();
        wrong[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        wrong
    });
    changed.chain([longer])
}

fn digests(hashes: &[Hash]) -> Vec<Digest> {
    hashes.iter().map(|hash| Digest(hash.0)).collect()
}

fn signer() -> (Keys, NamedKey) {
    let keys = Keys::from_seed([5; 32], "a.example", 1);
    let key = keys.public().log.clone();
    (keys, key)
}

/// What `signed_note` says of a note by this key: its text.
fn their_text(note: &[u8], key: &NamedKey) -> Option<Vec<u8>> {
    let verifier = signed_note::StandardVerifier::new(&vkey(key, KIND_ED25519)).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let note = signed_note::Note::from_bytes(note).ok()?;
    note.verify(&known).ok().map(|_| note.text().to_vec())
}

#[test]
fn notes_are_those_of_signed_note_and_a_changed_bit_is_refused_by_both() {
    let (keys, key) = signer();
    let head = Checkpoint { origin: key.name.clone(), size: 70_000, root: sha256(&[b"a root"]) };
    for text in ["x\n".to_owned(), "a\n\nb\n".to_owned(), head.text()] {
        let note = sign_note(&text, &key.name, keys.log());
        assert_eq!(their_text(note.as_bytes(), &key), Some(text.clone().into_bytes()));
        for bit in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(their_text(&bytes, &key), None, "bit {bit}");
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(open_note(&text, std::slice::from_ref(&key)).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn checkpoints_are_those_of_tlog_tiles() {
    let (keys, key) = signer();
    for size in [0, 1, 9, 10, 1_000, u64::from(u32::MAX)] {
        let head = Checkpoint { origin: key.name.clone(), size, root: sha256(&[b"a root"]) };
        let note = sign_checkpoint(&head, keys.log());
        assert_eq!(open_checkpoint(&note, &key.name, &key.key).unwrap(), head);
        let theirs = tlog_tiles::Checkpoint::from_bytes(head.text().as_bytes()).unwrap();
        let read = (theirs.origin(), theirs.size(), Digest(theirs.hash().0), theirs.extension());
        assert_eq!(read, (head.origin.as_str(), size, head.root, ""));
        assert_eq!(theirs.to_bytes(), head.text().into_bytes());
    }
}
