//! The Merkle tree of a log. Source: RFC 9162 sections 2.1.1 to 2.1.4.

use std::fmt;
use std::sync::OnceLock;

use datacoop_policy::Digest;
use sha2::{Digest as _, Sha256};

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

/// Hash of an entry as a leaf.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256(&[&[0], entry])
}

/// Hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], &left.0, &right.0])
}

/// Root of a tree without leaves.
pub fn empty_root() -> Digest {
    sha256(&[])
}

/// A proof that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProofError;

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proof does not hold")
    }
}

/// The right edge of a tree: roots of its full subtrees, largest first. Enough to append and to
/// compute the root.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edge {
    size: u64,
    peaks: Vec<Digest>,
}

impl Edge {
    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("INVARIANT: one peak for each one bit of the size");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// All hashes of a tree: `levels[l][i]` is the root of leaves i 2^l .. (i + 1) 2^l, full ones only.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    levels: Vec<Vec<Digest>>,
    /// Whether the levels between the leaves and the roots of 256 of them are left out.
    sparse: bool,
    /// The root of all leaves once somebody asked for it, until there is one more: every peer asks.
    whole: OnceLock<Digest>,
}

/// In a sparse tree the first level above the leaves that is held: what lies between is 255 hashes' work.
const SPARSE_LEVEL: usize = 8;
const SPARSE_WIDTH: usize = 1 << SPARSE_LEVEL;

impl Tree {
    /// A tree that takes 32 bytes a leaf in place of 64, and computes again what it leaves out.
    pub fn sparse() -> Self {
        Self { sparse: true, ..Self::default() }
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Digest) {
        self.whole.take();
        if !self.sparse {
            return self.push_at(0, leaf);
        }
        if self.levels.is_empty() {
            self.levels.push(vec![]);
        }
        let leaves = &mut self.levels[0];
        leaves.push(leaf);
        if leaves.len().is_multiple_of(SPARSE_WIDTH) {
            let first = (leaves.len() - SPARSE_WIDTH) as u64;
            let node = self.between(SPARSE_LEVEL, first);
            self.push_at(SPARSE_LEVEL, node);
        }
    }

    /// Appends the root of a full subtree of this level.
    fn push_at(&mut self, first: usize, mut node: Digest) {
        for level in first.. {
            while self.levels.len() < level {
                self.levels.push(vec![]);
            }
            if self.levels.len() == level {
                self.levels.push(vec![]);
            }
            let row = &mut self.levels[level];
            row.push(node);
            if row.len() % 2 == 1 {
                return;
            }
            node = node_hash(&row[row.len() - 2], &node);
        }
    }

    /// A leaf's hash.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// Root of the leaves `index 2^level .. (index + 1) 2^level`, once there are that many.
    pub fn node(&self, level: u32, index: u64) -> Option<Digest> {
        if self.sparse && (1..SPARSE_LEVEL).contains(&(level as usize)) {
            let end = index.checked_add(1)?.checked_mul(1 << level)?;
            return (end <= self.size()).then(|| self.full(level, index << level));
        }
        let row = self.levels.get(usize::try_from(level).ok()?)?;
        row.get(usize::try_from(index).ok()?).copied()
    }

    /// Root of the first `size` leaves.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        if size > self.size() {
            return None;
        }
        Some(match size {
            0 => empty_root(),
            _ if size == self.size() => self.root(),
            _ => self.range_root(0, size),
        })
    }

    /// Root of all leaves.
    pub fn root(&self) -> Digest {
        *self.whole.get_or_init(|| self.edge().root())
    }

    /// The right edge, to append elsewhere.
    pub fn edge(&self) -> Edge {
        let size = self.size();
        let mut peaks = vec![];
        let mut start = 0;
        for level in (0..64).rev() {
            if size >> level & 1 == 1 {
                peaks.push(self.full(level, start));
                start += 1 << level;
            }
        }
        Edge { size, peaks }
    }

    /// Root of the full subtree of 2^level leaves that begins at `start`.
    fn full(&self, level: u32, start: u64) -> Digest {
        if self.sparse && (level as usize) < SPARSE_LEVEL {
            return self.between(level as usize, start);
        }
        let index = usize::try_from(start >> level).expect("INVARIANT: a tree in memory has an index");
        self.levels[level as usize][index]
    }

    /// As `full`, from the leaves.
    fn between(&self, level: usize, start: u64) -> Digest {
        let start = usize::try_from(start).expect("INVARIANT: a tree in memory has an index");
        let mut row = self.levels[0][start..start + (1 << level)].to_vec();
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        row[0]
    }

    /// MTH(D[start:end]) for a range whose start is a multiple of its enclosing power of two.
    fn range_root(&self, start: u64, end: u64) -> Digest {
        let width = end - start;
        if width.is_power_of_two() {
            return self.full(width.trailing_zeros(), start);
        }
        let left = split(width);
        node_hash(&self.range_root(start, start + left), &self.range_root(start + left, end))
    }

    /// PATH(index, D[0:size]); `None` when the leaf is not in the tree of that size.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end, mut proof) = (0, size, vec![]);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                proof.push(self.range_root(middle, end));
                end = middle;
            } else {
                proof.push(self.range_root(start, middle));
                start = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// PROOF(old, D[0:new]); `None` unless 0 < old <= new <= size.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old == 0 || old > new || new > self.size() {
            return None;
        }
        let (mut start, mut end, mut whole, mut proof) = (0, new, true, vec![]);
        while old < end {
            let middle = start + split(end - start);
            if old <= middle {
                proof.push(self.range_root(middle, end));
                end = middle;
            } else {
                proof.push(self.range_root(start, middle));
                start = middle;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range_root(start, end));
        }
        proof.reverse();
        Some(proof)
    }
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

/// Source: RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == root { Ok(()) } else { Err(ProofError) }
}

/// Source: RFC 9162 section 2.1.4.2; from an empty tree everything follows, without a proof.
pub fn verify_consistency(
    old: u64,
    old_root: Digest,
    new: u64,
    new_root: Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError);
    }
    if old == new || old == 0 {
        let same = if old == 0 { old_root == empty_root() } else { old_root == new_root };
        return if same && proof.is_empty() { Ok(()) } else { Err(ProofError) };
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { &old_root } else { steps.next().ok_or(ProofError)? };
    let (mut from_old, mut from_new) = (*first, *first);
    for step in steps {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            from_old = node_hash(step, &from_old);
            from_new = node_hash(step, &from_new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && from_old == old_root && from_new == new_root { Ok(()) } else { Err(ProofError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(usize::try_from(split(leaves.len() as u64)).unwrap());
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    fn leaves(n: u64) -> Vec<Digest> {
        (0..n).map(|i| leaf_hash(&i.to_le_bytes())).collect()
    }

    #[test]
    fn the_empty_leaf_has_its_published_hash() {
        let golden = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(leaf_hash(b"").to_string(), golden);
        assert_eq!(
            empty_root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn edge_and_tree_have_the_root_of_the_definition() {
        let (mut edge, mut tree) = (Edge::default(), Tree::default());
        for (i, leaf) in leaves(300).into_iter().enumerate() {
            assert_eq!(edge.root(), naive(&leaves(i as u64)));
            assert_eq!(tree.edge(), edge);
            // Asked for while it grows.
            assert_eq!(tree.root(), edge.root());
            edge.push(leaf);
            tree.push(leaf);
        }
        for size in 0..=300 {
            assert_eq!(tree.root_at(size), Some(naive(&leaves(size))));
        }
        assert_eq!(tree.root_at(301), None);
    }

    #[test]
    fn every_proof_holds_and_no_changed_one_does() {
        let mut tree = Tree::default();
        leaves(70).into_iter().for_each(|leaf| tree.push(leaf));
        for size in 1..=70 {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let leaf = tree.leaf(index).unwrap();
                let proof = tree.inclusion_proof(index, size).unwrap();
                assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));
                assert!(verify_inclusion(leaf, index ^ 1, size, &proof, root).is_err());
                for i in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[i].0[i % 32] ^= 1;
                    assert!(verify_inclusion(leaf, index, size, &bad, root).is_err());
                }
                let mut longer = proof.clone();
                longer.push(leaf);
                assert!(verify_inclusion(leaf, index, size, &longer, root).is_err());
            }
            for old in 1..=size {
                let old_root = tree.root_at(old).unwrap();
                let proof = tree.consistency_proof(old, size).unwrap();
                assert_eq!(verify_consistency(old, old_root, size, root, &proof), Ok(()), "{old} {size}");
                for i in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[i].0[i % 32] ^= 1;
                    assert!(verify_consistency(old, old_root, size, root, &bad).is_err());
                    assert!(verify_consistency(old, old_root, size, root, &proof[..i]).is_err());
                }
                if old < size {
                    assert!(verify_consistency(old, root, size, root, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn a_sparse_tree_says_the_same() {
        let (mut sparse, mut tree) = (Tree::sparse(), Tree::default());
        for (n, leaf) in leaves(1_100).into_iter().enumerate() {
            sparse.push(leaf);
            tree.push(leaf);
            assert_eq!(sparse.root(), tree.root(), "{n}");
        }
        let size = tree.size();
        for at in (0..=size).step_by(7).chain([255, 256, 257, 1_023, 1_024]) {
            assert_eq!(sparse.root_at(at), tree.root_at(at));
            assert_eq!(sparse.leaf(at), tree.leaf(at));
            assert_eq!(sparse.inclusion_proof(at, size), tree.inclusion_proof(at, size));
            assert_eq!(sparse.consistency_proof(at, size), tree.consistency_proof(at, size));
        }
        for level in 0..12 {
            for index in 0..(size >> level) + 2 {
                assert_eq!(sparse.node(level, index), tree.node(level, index), "{level} {index}");
            }
        }
        assert!(sparse.levels[1..SPARSE_LEVEL].iter().all(Vec::is_empty), "that is what is saved");
    }

    #[test]
    fn absurd_sizes_are_refused_without_a_panic() {
        let hash = leaf_hash(b"");
        for index in [0, 1, u64::MAX - 1, u64::MAX] {
            for size in [0, 1, 2, u64::MAX] {
                for length in [0usize, 1, 63, 64, 65, 200] {
                    assert!(verify_inclusion(hash, index, size, &vec![hash; length], empty_root()).is_err());
                    let _ = verify_consistency(index, hash, size, empty_root(), &vec![hash; length]);
                }
            }
        }
    }
}
