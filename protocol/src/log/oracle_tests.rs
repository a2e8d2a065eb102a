//! The tree, its proofs, its tiles and its notes beside other people's: `ct-merkle`, `tlog_tiles` and
//! `signed_note`. Equal for every size up to 1,000, and what one bit is changed of is refused by both.
//!
//! Source: LOG section 9; RFC 9162 section 2.1; c2sp.org/tlog-tiles, signed-note.
//! What would make it fail: another split of the tree, another order of a proof's hashes, a proof that
//! holds with a hash too many or too few, another path or width of a tile.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use datacoop_policy::Digest;
use datacoop_policy::charter::NamedKey;
use ed25519_dalek::SigningKey;
use sha2::Sha256;
use tlog_tiles::{Hash, HashReader, Tile, TileHashReader, TileReader};

use super::note::{Checkpoint, KIND_ED25519, open_checkpoint, open_note, sign_checkpoint, sign_note, vkey};
use super::tile::{entry_bundles, hash_tiles};
use super::tree::{Tree, empty_root, leaf_hash, verify_consistency, verify_inclusion};

const SIZE_MAX: u64 = 1_000;
/// Sizes whose proofs are all made.
const ALL_UP_TO: u64 = 130;
const TILE_HEIGHT: u8 = 8;

fn entry(n: u64) -> Vec<u8> {
    vec![n.to_le_bytes()[0]; (n % 40) as usize]
}

/// Our tree of `SIZE_MAX` entries.
fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let mut tree = Tree::default();
        (0..SIZE_MAX).for_each(|n| tree.push(leaf_hash(&entry(n))));
        tree
    })
}

/// Numbers from 0 to below `end`: all of a small tree's, some of a large one's and those at its edges.
fn some(end: u64) -> impl Iterator<Item = u64> {
    let edge = move |n: u64| n.is_power_of_two() || (n + 1).is_power_of_two() || end - n < 3;
    (0..end).filter(move |n| end <= ALL_UP_TO || n % 29 == end % 29 || edge(*n))
}

fn joined(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn ct_root(root: Digest, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let (ours, mut theirs) = (tree(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    assert_eq!(ours.root_at(0).unwrap().0, theirs.root().as_bytes()[..]);
    for size in 1..=SIZE_MAX {
        theirs.push(entry(size - 1));
        let root = ours.root_at(size).unwrap();
        assert_eq!(root.0, theirs.root().as_bytes()[..], "size {size}");
        for index in some(size) {
            let proof = ours.inclusion_proof(index, size).unwrap();
            let made = theirs.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(joined(&proof), made.as_bytes(), "{index} of {size}");
            ct_root(root, size).verify_inclusion(&entry(index), index, &made).unwrap();
            let old = index + 1;
            let proof = ours.consistency_proof(old, size).unwrap();
            let made = theirs.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(joined(&proof), made.as_bytes(), "{old} to {size}");
            let old_root = ct_root(ours.root_at(old).unwrap(), old);
            ct_root(root, size).verify_consistency(&old_root, &made).unwrap();
        }
    }
}

/// Every hash list that is another than the proof by one bit, or by one hash more or less.
fn wrong_proofs(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let mut wrong = vec![[proof, &[empty_root()]].concat()];
    for at in 0..proof.len() {
        wrong.push([&proof[..at], &proof[at + 1..]].concat());
        wrong.extend((0..256).map(|bit| {
            let mut proof = proof.to_vec();
            proof[at] = flipped(proof[at], bit);
            proof
        }));
    }
    wrong
}

fn flipped(mut hash: Digest, bit: usize) -> Digest {
    hash.0[bit / 8] ^= 1 << (bit % 8);
    hash
}

#[test]
fn a_changed_bit_of_a_proof_is_refused_by_all() {
    let tree = tree();
    for (index, size) in [(0, 1), (0, 2), (1, 3), (6, 7), (4, 8), (8, 9), (99, 130), (255, 257), (256, 257)] {
        let root = tree.root_at(size).unwrap();
        let leaf = leaf_hash(&entry(index));
        let hash = |digest: Digest| Hash(digest.0);
        let list = |proof: &[Digest]| proof.iter().copied().map(hash).collect::<Vec<Hash>>();
        let included = |proof: &[Digest], root: Digest| {
            let made = InclusionProof::<Sha256>::try_from_bytes(joined(proof)).unwrap();
            [
                verify_inclusion(leaf, index, size, proof, root).is_ok(),
                ct_root(root, size).verify_inclusion(&entry(index), index, &made).is_ok(),
                tlog_tiles::check_record(&list(proof), size, hash(root), index, hash(leaf)).is_ok(),
            ]
        };
        let proof = tree.inclusion_proof(index, size).unwrap();
        assert_eq!(included(&proof, root), [true; 3], "{index} of {size}");
        assert!(wrong_proofs(&proof).iter().all(|wrong| included(wrong, root) == [false; 3]));
        assert!((0..256).all(|bit| included(&proof, flipped(root, bit)) == [false; 3]));

        let (old, old_root) = (index + 1, tree.root_at(index + 1).unwrap());
        let consistent = |proof: &[Digest], old_root: Digest, root: Digest| {
            let made = ConsistencyProof::<Sha256>::try_from_bytes(joined(proof)).unwrap();
            [
                verify_consistency(old, old_root, size, root, proof).is_ok(),
                ct_root(root, size).verify_consistency(&ct_root(old_root, old), &made).is_ok(),
                tlog_tiles::check_tree(&list(proof), size, hash(root), old, hash(old_root)).is_ok(),
            ]
        };
        let proof = tree.consistency_proof(old, size).unwrap();
        assert_eq!(consistent(&proof, old_root, root), [true; 3], "{old} to {size}");
        assert!(wrong_proofs(&proof).iter().all(|wrong| consistent(wrong, old_root, root) == [false; 3]));
        for bit in 0..256 {
            assert_eq!(
                consistent(&proof, flipped(old_root, bit), root),
                [false; 3],
                "{old} to {size}, {bit}"
            );
            assert_eq!(
                consistent(&proof, old_root, flipped(root, bit)),
                [false; 3],
                "{old} to {size}, {bit}"
            );
        }
    }
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

fn digests(hashes: &[Hash]) -> Vec<Digest> {
    hashes.iter().map(|hash| Digest(hash.0)).collect()
}

fn signer() -> (SigningKey, NamedKey) {
    let signing = SigningKey::from_bytes(&[5; 32]);
    let key = signing.verifying_key().to_bytes();
    (signing, NamedKey { name: "a.example/datacoop/1".into(), key })
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
    let (signing, key) = signer();
    let head = Checkpoint { origin: key.name.clone(), size: 70_000, root: tree().root() };
    for text in ["x\n".to_owned(), "a\n\nb\n".to_owned(), head.text()] {
        let note = sign_note(&text, &key.name, &signing);
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
    let (signing, key) = signer();
    for size in [0, 1, 9, 10, 1_000, u64::from(u32::MAX)] {
        let head = Checkpoint { origin: key.name.clone(), size, root: tree().root() };
        let note = sign_checkpoint(&head, &signing);
        assert_eq!(open_checkpoint(&note, &key.name, &key.key).unwrap(), head);
        let theirs = tlog_tiles::Checkpoint::from_bytes(head.text().as_bytes()).unwrap();
        let read = (theirs.origin(), theirs.size(), Digest(theirs.hash().0), theirs.extension());
        assert_eq!(read, (head.origin.as_str(), size, head.root, ""));
        assert_eq!(theirs.to_bytes(), head.text().into_bytes());
    }
}
