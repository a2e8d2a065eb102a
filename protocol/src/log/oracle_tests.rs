//! The tree and its proofs beside other people's, of `ct-merkle`: equal for every size up to 1,000, and a
//! proof or root with one bit changed is refused by both.
//!
//! Source: LOG section 9; RFC 9162 section 2.1. Tiles and notes are compared in `tests/tests/oracles.rs`.
//! What would make it fail: another split of the tree, another order of a proof's hashes, a proof that
//! holds with a hash too many or too few.

use std::sync::OnceLock;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use datacoop_policy::Digest;
use sha2::Sha256;

use super::tree::{Tree, empty_root, leaf_hash, verify_consistency, verify_inclusion};

const SIZE_MAX: u64 = 1_000;
/// Sizes whose proofs are all made.
const ALL_UP_TO: u64 = 130;

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
fn a_changed_bit_of_a_proof_is_refused_by_both() {
    let tree = tree();
    for (index, size) in [(0, 1), (0, 2), (1, 3), (6, 7), (4, 8), (8, 9), (99, 130), (255, 257), (256, 257)] {
        let root = tree.root_at(size).unwrap();
        let leaf = leaf_hash(&entry(index));
        let included = |proof: &[Digest], root: Digest| {
            let made = InclusionProof::<Sha256>::try_from_bytes(joined(proof)).unwrap();
            [
                verify_inclusion(leaf, index, size, proof, root).is_ok(),
                ct_root(root, size).verify_inclusion(&entry(index), index, &made).is_ok(),
            ]
        };
        let proof = tree.inclusion_proof(index, size).unwrap();
        assert_eq!(included(&proof, root), [true; 2], "{index} of {size}");
        assert!(wrong_proofs(&proof).iter().all(|wrong| included(wrong, root) == [false; 2]));
        assert!((0..256).all(|bit| included(&proof, flipped(root, bit)) == [false; 2]));

        let (old, old_root) = (index + 1, tree.root_at(index + 1).unwrap());
        let consistent = |proof: &[Digest], old_root: Digest, root: Digest| {
            let made = ConsistencyProof::<Sha256>::try_from_bytes(joined(proof)).unwrap();
            [
                verify_consistency(old, old_root, size, root, proof).is_ok(),
                ct_root(root, size).verify_consistency(&ct_root(old_root, old), &made).is_ok(),
            ]
        };
        let proof = tree.consistency_proof(old, size).unwrap();
        assert_eq!(consistent(&proof, old_root, root), [true; 2], "{old} to {size}");
        assert!(wrong_proofs(&proof).iter().all(|wrong| consistent(wrong, old_root, root) == [false; 2]));
        for bit in 0..256 {
            assert_eq!(
                consistent(&proof, flipped(old_root, bit), root),
                [false; 2],
                "{old} to {size}, {bit}"
            );
            assert_eq!(
                consistent(&proof, old_root, flipped(root, bit)),
                [false; 2],
                "{old} to {size}, {bit}"
            );
        }
    }
}
