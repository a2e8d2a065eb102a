//! A member's log: an append-only Merkle tree, its signed head, and the proofs about both.

pub mod cosignature;
pub mod note;
pub mod proof;
pub mod split;
pub mod tile;
pub mod tree;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod vector_tests;
