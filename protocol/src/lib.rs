//! How members converse: keys, signed logs and their proofs, rounds, secret sharing, sync, frames.
//!
//! What this crate does *not* do: it opens no file or socket, reads no clock, starts no task. Time,
//! noise and entropy come in as arguments. The one exception is the share randomness inside
//! `prio`, which never influences a decision.
//!
//! Where to start: [`member::Member`].

// audit
//bounds
//charter_text
//entry
//export
//fold
pub mod json;
pub mod keys;
pub mod log;
//member
//rounds
//sampler
pub mod seal;
pub mod secagg;
pub mod seed;
//sync
//wire
