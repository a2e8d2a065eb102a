//! Signatures that were found to hold, so that nobody computes the same one again: each witness's word brings the
//! same head, and a start reads what was checked before. Remembered, never assumed: what was not seen to hold is
//! checked. Must not know whose signatures they are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use datacoop_policy::Digest;

use crate::log::tree::sha256;

/// Remembered at most: a month of a cluster's heads and cosignatures, about 1 MiB. Then it begins anew.
const CHECKED_MAX: usize = 16_384;

/// What was seen to hold. Copies share what they remember, as the members of a simulated world do.
///
/// Why a lock, in a crate that has none: a node's pages read copies of its logs on other threads.
#[derive(Clone, Default)]
pub struct Checked(Arc<Mutex<BTreeSet<Digest>>>);

impl Checked {
    /// Whether a check that hangs on these bytes alone succeeds: it is done unless it succeeded before.
    pub fn once(&self, parts: &[&[u8]], check: impl FnOnce() -> bool) -> bool {
        let lengths: Vec<u8> = parts.iter().flat_map(|part| part.len().to_le_bytes()).collect();
        let all: Vec<&[u8]> = std::iter::once(lengths.as_slice()).chain(parts.iter().copied()).collect();
        let name = sha256(&all);
        if self.0.lock().is_ok_and(|known| known.contains(&name)) {
            return true;
        }
        let holds = check();
        if holds && let Ok(mut known) = self.0.lock() {
            if known.len() == CHECKED_MAX {
                known.clear();
            }
            known.insert(name);
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_held_is_not_checked_again_and_what_did_not_is() {
        let (checked, mut asked) = (Checked::default(), 0);
        let mut ask = |parts: &[&[u8]], holds: bool| {
            checked.clone().once(parts, || {
                asked += 1;
                holds
            })
        };
        assert!(!ask(&[b"a", b"bc"], false), "a forgery fails");
        assert!(!ask(&[b"a", b"bc"], false), "and again");
        assert!(ask(&[b"a", b"bc"], true));
        assert!(ask(&[b"a", b"bc"], false), "it held before");
        assert!(!ask(&[b"ab", b"c"], false), "other parts of the same bytes are something else");
        assert_eq!(asked, 4);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let checked = Checked::default();
        for n in 0..=CHECKED_MAX {
            assert!(checked.once(&[&n.to_le_bytes()], || true));
        }
        assert_eq!(checked.0.lock().unwrap().len(), 1);
    }
}
