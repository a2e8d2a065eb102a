//! The operating system's randomness, read here and nowhere else.

use datacoop_protocol::seed::Seed;

/// 32 fresh bytes. Without randomness nothing here is safe, so a failure ends the process.
pub fn bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("INVARIANT: the operating system gives randomness");
    bytes
}

/// A fresh seed.
pub fn seed() -> Seed {
    Seed::new(bytes())
}
