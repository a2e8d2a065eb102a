//! The shell: everything that touches the world.
pub mod blobs;
pub mod clock;
pub mod engine;
pub mod entropy;
pub mod folder;
pub mod import;
pub mod index;
pub mod journal;
pub mod keyfile;
pub mod net;
pub mod noise;
