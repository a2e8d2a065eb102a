//! Signatures that were found to hold, so that nobody computes the same one again: each witness's word brings the
//! same head, and a start reads what was checked before. Remembered, never assumed: what was not seen to hold is
//! checked. Must not know whose signatures they are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use datacoop_policy::Digest;

use crate::log::tree::sha256;

/// Remembered at least, and at most twice as many: two months of a cluster's heads and cosignatures, about 4 MiB.
const CHECKED_MAX: usize = 32_768;

/// What was seen lately, and what before that: when the one is full it becomes the other, which is forgotten.
#[derive(Default)]
struct Known {
    lately: BTreeSet<Digest>,
    before: BTreeSet<Digest>,
}

/// What was seen to hold. Copies share what they remember, as the members of a simulated world do.
///
/// Why a lock, in a crate that has none: a node's pages read copies of its logs on other threads.
#[derive(Clone, Default)]
pub struct Checked(Arc<Mutex<Known>>);

impl Checked {
    /// Whether a check that hangs on these bytes alone succeeds: it is done unless it succeeded before.
    pub fn once(&self, parts: &[&[u8]], check: impl FnOnce() -> bool) -> bool {
        let lengths: Vec<u8> = parts.iter().flat_map(|part| part.len().to_le_bytes()).collect();
        let all: Vec<&[u8]> = std::iter::once(lengths.as_slice()).chain(parts.iter().copied()).collect();
        let name = sha256(&all);
        let is_known = |known: &Known| known.lately.contains(&name) || known.before.contains(&name);
        if self.0.lock().is_ok_and(|known| is_known(&known)) {
            return true;
        }
        let holds = check();
        if holds && let Ok(mut known) = self.0.lock() {
            if known.lately.len() == CHECKED_MAX {
                known.before = std::mem::take(&mut known.lately);
            }
            known.lately.insert(name);
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
        for n in 0..=2 * CHECKED_MAX {
            assert!(checked.once(&[&n.to_le_bytes()], || true));
        }
        let held = |checked: &Checked| {
            let known = checked.0.lock().unwrap();
            (known.lately.len(), known.before.len())
        };
        assert_eq!(held(&checked), (1, CHECKED_MAX));
        assert!(checked.once(&[&CHECKED_MAX.to_le_bytes()], || false), "the newer half is remembered");
        assert!(!checked.once(&[&0_usize.to_le_bytes()], || false), "the older is not");
    }
}
