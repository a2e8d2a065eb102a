//! Whether a row's key stood before, in bounded memory.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};

use super::Cell;

/// Keys remembered, 8 bytes each: more pupils than any member has, in at most 100 MB.
pub(super) const KEYS_MAX: usize = 4_000_000;

/// The keys of a file so far, as 64-bit hashes under a secret of this run: of 4 million rows, two
/// look alike by chance in one file of two million.
#[derive(Default)]
pub(super) struct Keys {
    seen: HashSet<u64>,
    secret: RandomState,
}

/// Whether a key is new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It is the first.
    New,
    /// Another row has it.
    Before,
    /// There are too many to tell.
    Full,
}

impl Keys {
    /// Remembers a member's key.
    pub(super) fn add<'a>(&mut self, member: &str, key: impl Iterator<Item = &'a Cell>) -> Seen {
        let mut hasher = self.secret.build_hasher();
        member.hash(&mut hasher);
        for cell in key {
            match cell {
                Cell::Null => 0_u8.hash(&mut hasher),
                Cell::Text(text) => (1_u8, text).hash(&mut hasher),
                Cell::Number(number) => (2_u8, number.to_bits()).hash(&mut hasher),
                Cell::Integer(number) => (3_u8, number).hash(&mut hasher),
                Cell::Bool(truth) => (4_u8, truth).hash(&mut hasher),
                Cell::Date(day) => (5_u8, day).hash(&mut hasher),
            }
        }
        if !self.seen.insert(hasher.finish()) {
            return Seen::Before;
        }
        if self.seen.len() > KEYS_MAX { Seen::Full } else { Seen::New }
    }
}
