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
const ALL_UP_TO: u64 = 64;

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
    (0..end).filter(move |n| end <= ALL_UP_TO || n % 61 == end % 61 || edge(*n))
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

/// Leaves of the tree that tests of Certificate Transparency's logs share, in hexadecimal.
const PUBLISHED_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
/// Its published roots, of sizes 0 to 8. Source: github.com/transparency-dev/merkle, testonly (Apache-2.0).
const PUBLISHED_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn published() -> (Vec<Vec<u8>>, Tree) {
    let byte = |hex: &[u8]| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
    let leaves: Vec<Vec<u8>> =
        PUBLISHED_LEAVES.iter().map(|hex| hex.as_bytes().chunks(2).map(byte).collect()).collect();
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(leaf_hash(leaf)));
    (leaves, tree)
}

#[test]
fn the_published_tree_has_its_published_roots_and_proofs() {
    let (_, tree) = published();
    for (size, root) in PUBLISHED_ROOTS.iter().enumerate() {
        assert_eq!(tree.root_at(size as u64).unwrap().to_string(), *root);
    }
    // Each hash of these proofs is a root of some leaves: 4 alone, 6 and 7, 0 to 3; and 4 and 5.
    let (four, pair) = (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    );
    let begun = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
    let text = |proof: Vec<Digest>| proof.iter().map(Digest::to_string).collect::<Vec<_>>();
    assert_eq!(text(tree.inclusion_proof(5, 8).unwrap()), [four, pair, PUBLISHED_ROOTS[4]]);
    assert_eq!(text(tree.consistency_proof(6, 8).unwrap()), [begun, pair, PUBLISHED_ROOTS[4]]);
}

/// The ways in which the published vectors make a right proof wrong: other numbers, hashes before, after,
/// left out, none, and roots swapped. Which of them still hold (a proof may fit two sizes) both say alike.
#[test]
fn both_say_alike_of_every_claim_about_a_small_tree() {
    let (leaves, tree) = published();
    let mut counts = [0, 0];
    let mut count = |ours: bool, theirs: bool, what: &str| {
        assert_eq!(ours, theirs, "{what}");
        counts[usize::from(ours)] += 1;
    };
    for size in 1..=8 {
        let root = tree.root_at(size).unwrap();
        for index in 0..size {
            let leaf = &leaves[usize::try_from(index).unwrap()];
            for proof in forms(&tree.inclusion_proof(index, size).unwrap(), root) {
                let made = InclusionProof::<Sha256>::try_from_bytes(joined(&proof)).unwrap();
                for (index, size) in (0..=17).flat_map(|i| (0..=17).map(move |s| (i, s))) {
                    let ours = verify_inclusion(leaf_hash(leaf), index, size, &proof, root).is_ok();
                    let theirs = ct_root(root, size).verify_inclusion(leaf, index, &made).is_ok();
                    count(ours, theirs, &format!("{index} of {size}: {proof:?}"));
                }
            }
            let (old, old_root) = (index + 1, tree.root_at(index + 1).unwrap());
            for proof in forms(&tree.consistency_proof(old, size).unwrap(), root) {
                let made = ConsistencyProof::<Sha256>::try_from_bytes(joined(&proof)).unwrap();
                for (old, size) in (1..=17).flat_map(|o| (0..=17).map(move |s| (o, s))) {
                    for (from, to) in [(old_root, root), (root, old_root), (old_root, empty_root())] {
                        let ours = verify_consistency(old, from, size, to, &proof).is_ok();
                        let theirs = ct_root(to, size).verify_consistency(&ct_root(from, old), &made).is_ok();
                        count(ours, theirs, &format!("{old} to {size}: {proof:?}"));
                    }
                }
            }
        }
    }
    assert!(counts[0] > 50_000 && counts[1] > 72, "{counts:?}");
}

/// A proof, and the same with a hash more or less at either end, without any, and turned about.
fn forms(proof: &[Digest], root: Digest) -> Vec<Vec<Digest>> {
    let reversed = proof.iter().rev().copied().collect();
    let mut forms =
        vec![proof.to_vec(), vec![], reversed, [&[root], proof].concat(), [proof, &[root]].concat()];
    if let [first, .., last] = proof {
        forms.extend([proof[1..].to_vec(), proof[..proof.len() - 1].to_vec()]);
        forms.extend([[&[*first], proof].concat(), [proof, &[*last]].concat()]);
    }
    forms
}
