//! The world in a box: members without a network, disk or clock of their own, driven by a queue of
//! events. It drives the same `Member` as the node, on the same bytes.
//!
//! What this crate does *not* do yet: scenarios, calendars, laws as files, plans. What is here is
//! what the protocol's own tests need: seeded delays, a disk that forgets what was not synced, and a
//! crash between any two outputs.
//!
//! Where to start: [`world::World`].

pub mod audits;
pub mod coop;
pub mod world;
