//! A proof that an entry stands in a log, with the head that says so: what a third party checks without us.
//!
//! Source: c2sp.org/tlog-proof. Stricter: no `extra` line, as nothing signs it; one form only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;

use super::note::{Checkpoint, NoteError, fail};
use super::tree::verify_inclusion;

/// First line of a proof.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
/// Most hashes: the height of the highest tree.
const HASHES_MAX: usize = 64;

/// An inclusion proof with the signed note of the head that it leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlogProof {
    /// Place of the leaf, counted from 0.
    pub index: u64,
    /// From the leaf's neighbour to the root's.
    pub hashes: Vec<Digest>,
    /// The head, as signed.
    pub note: String,
}

impl TlogProof {
    /// Its text.
    pub fn text(&self) -> String {
        let hashes: String = self.hashes.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect();
        format!("{HEADER}index {}\n{hashes}\n{}", self.index, self.note)
    }

    /// Reads `text`, in its only form. Whether the note is one is for whoever opens it to say.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let parts = text.strip_prefix(HEADER).and_then(|rest| rest.split_once("\n\n"));
        let Some((lines, note)) = parts else {
            return fail("a proof begins with its kind and has a blank line before its head");
        };
        let mut lines = lines.split('\n');
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let Some(index) = index else { return fail("the second line of a proof is `index` and a number") };
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok().map(Digest);
        let hashes: Option<Vec<Digest>> = lines.take(HASHES_MAX + 1).map(hash).collect();
        let Some(hashes) = hashes.filter(|hashes| hashes.len() <= HASHES_MAX) else {
            return fail(format!("a proof has at most {HASHES_MAX} hashes, one a line, in base64"));
        };
        let proof = Self { index, hashes, note: note.to_owned() };
        if proof.text() == text { Ok(proof) } else { fail("a proof in another form than its only one") }
    }

    /// Whether the head covers this leaf at this place.
    pub fn holds(&self, leaf: Digest, head: &Checkpoint) -> bool {
        verify_inclusion(leaf, self.index, head.size, &self.hashes, head.root).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::note::{open_checkpoint, sign_checkpoint};
    use crate::log::tree::{Tree, leaf_hash};

    #[test]
    fn a_proof_has_one_form_and_no_changed_byte_of_it_holds() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let mut tree = Tree::default();
        (0..5u64).for_each(|n| tree.push(leaf_hash(&n.to_le_bytes())));
        let origin = "a.example/datacoop/1";
        let head = Checkpoint { origin: origin.into(), size: 5, root: tree.root() };
        let note = sign_checkpoint(&head, &key);
        let public = key.verifying_key().to_bytes();
        for index in 0..5 {
            let hashes = tree.inclusion_proof(index, 5).unwrap();
            let leaf = tree.leaf(index).unwrap();
            let text = TlogProof { index, hashes, note: note.clone() }.text();
            let holds = |text: &str| {
                let Ok(proof) = TlogProof::parse(text) else { return false };
                open_checkpoint(&proof.note, origin, &public).is_ok_and(|head| proof.holds(leaf, &head))
            };
            assert!(holds(&text), "{index}");
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                assert!(!String::from_utf8(bytes).is_ok_and(|text| holds(&text)), "{index}: byte {at}");
                assert!(!text.get(..at).is_some_and(holds), "{index}: cut at {at}");
            }
            assert!(!holds(&text.replacen("index ", "index 0", 1)), "a leading zero");
            assert!(!holds(&text.replacen("index", "extra AA==\nindex", 1)), "an extra line");
        }
    }

    #[test]
    fn a_proof_is_no_longer_than_a_tree_is_high() {
        let proof = |count| TlogProof { index: 0, hashes: vec![leaf_hash(b""); count], note: "x\n".into() };
        assert!(TlogProof::parse(&proof(HASHES_MAX).text()).is_ok());
        assert!(TlogProof::parse(&proof(HASHES_MAX + 1).text()).is_err());
    }
}
