//! How members converse: keys, signed logs and their proofs, rounds, secret sharing, sync, frames.
//!
//! What this crate does *not* do: it opens no file or socket, reads no clock, starts no task. Time,
//! noise and entropy come in as arguments. The one exception is the share randomness inside
//! `prio`, which never influences a decision.
//!
//! Where to start: [`member::Member`].

pub mod acts;
pub mod audit;
pub mod bounds;
pub mod certificate;
pub mod charter_text;
pub mod checked;
mod cited;
pub mod clocks;
pub mod entry;
pub mod fold;
pub mod heads;
pub mod hindsight;
pub mod inbox;
pub mod json;
pub mod keys;
pub mod log;
pub mod member;
pub mod release;
pub mod rounds;
pub mod sampler;
pub mod seal;
pub mod secagg;
pub mod seed;
pub mod standing;
pub mod wire;
pub mod witness;
pub mod words;
