//! The world in a box: members without a network, disk or clock of their own, driven by a queue of
//! events. It drives the same `Member` as the node, on the same bytes.
//!
//! Chaos plays scenarios of faults from a seed, keeps every law that can be seen from outside, heals, and demands
//! progress. What this crate does *not* know: threads, files, a clock. The node runs its seeds in parallel.
//!
//! Where to start: [`world::World`], and [`chaos::Chaos`] over it.

pub mod adversary;
pub mod audits;
pub mod calendar;
pub mod chaos;
pub mod clusters;
pub mod coop;
pub mod coverage;
pub mod disk;
pub mod faults;
pub mod laws;
pub mod plan;
pub mod scenario;
pub mod season;
pub mod shrink;
pub mod stories;
pub mod trace;
pub mod wires;
pub mod workload;
pub mod world;
