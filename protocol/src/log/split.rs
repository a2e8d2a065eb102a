//! Proof that the owner of a log signed two histories of it: anyone can check it with the log's key alone.
//!
//! Source: LOG section 5. We differ: both heads are tied by a consistency proof to a prefix of one size,
//! so one form serves for two heads of one size (both proofs are empty) and of two.

use datacoop_policy::Digest;

use super::note::{Checkpoint, NoteError, fail, open_checkpoint, split_note};
use super::tree::verify_consistency;

/// Hashes of a consistency proof, at most: one up and one down for each level of a tree of 2^64.
pub const PROOF_HASHES_MAX: usize = 128;

/// Two signed heads of one log whose first `size` entries are not the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The heads, as the log's key signed them.
    pub notes: [String; 2],
    /// Entries of the prefix that is not the same in both.
    pub size: u64,
    /// The prefix's two roots.
    pub roots: [Digest; 2],
    /// From each root to its head; empty when the head is the prefix.
    pub proofs: [Vec<Digest>; 2],
}

impl Evidence {
    /// As a text file: the prefix, and for each head its root, its consistency proof and itself.
    pub fn to_text(&self) -> String {
        let parts = self.notes.iter().zip(&self.roots).zip(&self.proofs).map(|((note, root), proof)| {
            let proof: String = proof.iter().map(|hash| format!("proof {hash}\n")).collect();
            format!("root {root}\n{proof}head\n{note}")
        });
        format!("datacoop/split/v1\nsize {}\n{}", self.size, parts.collect::<String>())
    }

    /// Whether it proves what it says. Errors: a head that the key did not sign alone, equal roots, or
    /// proofs that do not hold.
    pub fn check(&self, origin: &str, key: &[u8; 32]) -> Result<(), NoteError> {
        if self.roots[0] == self.roots[1] {
            return fail("both heads have the same entries below");
        }
        for ((note, root), proof) in self.notes.iter().zip(&self.roots).zip(&self.proofs) {
            let head = signed_alone(note, origin, key)?;
            if verify_consistency(self.size, *root, head.size, head.root, proof).is_err() {
                return fail(format!("the head of {} entries does not have that prefix", head.size));
            }
        }
        Ok(())
    }
}

/// A head that the log's key signed, with no other line: nobody who passes it on can make it longer.
pub fn signed_alone(note: &str, origin: &str, key: &[u8; 32]) -> Result<Checkpoint, NoteError> {
    let checkpoint = open_checkpoint(note, origin, key)?;
    match split_note(note) {
        Ok((_, lines)) if lines.len() == 1 => Ok(checkpoint),
        _ => fail("a signed head with lines that are not its log's"),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::log::note::sign_checkpoint;
    use crate::log::tree::{Tree, leaf_hash};

    const ORIGIN: &str = "k.example/datacoop/1";

    fn tree(entries: &[u8]) -> Tree {
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(&[*entry])));
        tree
    }

    fn head(tree: &Tree, key: &SigningKey) -> String {
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
        sign_checkpoint(&checkpoint, key)
    }

    fn evidence(a: &[u8], b: &[u8], size: u64, key: &SigningKey) -> Evidence {
        let trees = [tree(a), tree(b)];
        Evidence {
            notes: trees.each_ref().map(|tree| head(tree, key)),
            size,
            roots: trees.each_ref().map(|tree| tree.root_at(size).unwrap()),
            proofs: trees.each_ref().map(|tree| match tree.size() == size {
                true => vec![],
                false => tree.consistency_proof(size, tree.size()).unwrap(),
            }),
        }
    }

    #[test]
    fn two_heads_of_one_size_or_of_two_convict() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key().to_bytes();
        let (a, b): (Vec<u8>, Vec<u8>) = ((0..9).collect(), vec![0, 1, 9, 3, 4]);
        for size in 3..=5 {
            evidence(&a, &b, size, &key).check(ORIGIN, &public).unwrap();
        }
        let same = evidence(&a, &b, 2, &key);
        assert!(same.check(ORIGIN, &public).is_err(), "the first two are the same");
        let grown = evidence(&a, &a[..5], 5, &key);
        assert!(grown.check(ORIGIN, &public).is_err(), "a log that grew");
    }

    #[test]
    fn nothing_else_does() {
        let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let public = key.verifying_key().to_bytes();
        let (a, b): (Vec<u8>, Vec<u8>) = ((0..9).collect(), vec![0, 1, 9, 3, 4]);
        let good = evidence(&a, &b, 4, &key);
        assert!(good.check("other.example/datacoop/1", &public).is_err());
        assert!(evidence(&a, &b, 4, &other).check(ORIGIN, &public).is_err(), "another key");
        let mut forged = good.clone();
        forged.roots[1].0[0] ^= 1;
        assert!(forged.check(ORIGIN, &public).is_err(), "a root that is in neither");
        let mut forged = good.clone();
        forged.size = 5;
        assert!(forged.check(ORIGIN, &public).is_err());
        let mut forged = good.clone();
        forged.proofs[0].pop();
        assert!(forged.check(ORIGIN, &public).is_err());
        let mut forged = good.clone();
        forged.notes[0].push_str(&format!("{}x AAAAAAA=\n", crate::log::note::DASH));
        assert!(forged.check(ORIGIN, &public).is_err(), "a line more");
        assert!(good.check(ORIGIN, &public).is_ok());
    }
}
