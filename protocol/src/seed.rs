//! One seed, split by label: a stream for each concern, so touching one shifts no other.

use std::fmt;

use hkdf::Hkdf;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;
use sha2::Sha256;
use zeroize::Zeroize;

/// 32 secret bytes. Does not print; erased when dropped.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// From the system's entropy, or a test's number.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The seed for a concern: HKDF-SHA256 with the label as info.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        Self(derive(&self.0, b"datacoop/seed/v1", label))
    }

    /// The bytes for a concern.
    pub fn bytes(&self, label: &str) -> [u8; 32] {
        derive(&self.0, b"datacoop/seed/v1", label)
    }

    /// A stream of randomness for a concern.
    pub fn stream(&self, label: &str) -> ChaCha12Rng {
        ChaCha12Rng::from_seed(self.bytes(label))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

/// HKDF-SHA256 of a secret, 32 bytes.
pub(crate) fn derive(secret: &[u8], salt: &[u8], label: &str) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(label.as_bytes(), &mut out)
        .expect("INVARIANT: 32 bytes are within what HKDF-SHA256 gives");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_give_independent_seeds_that_do_not_print() {
        let seed = Seed::new([1; 32]);
        assert_ne!(seed.bytes("a"), seed.bytes("b"));
        assert_eq!(seed.bytes("a"), Seed::new([1; 32]).bytes("a"));
        assert_eq!(format!("{seed:?}"), "Seed");
    }
}
