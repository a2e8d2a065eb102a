//! The shell of a node: everything that touches the world. It decides nothing; every decision is the
//! `Member`'s, in `datacoop-protocol`.
//!
//! What this crate does *not* do: hold a rule, judge a question, or keep state that its journal does
//! not. One file imports each heavy library: `net` libp2p, `index` sled, `engine` datafusion, `noise`
//! opendp.
//!
//! Where to start: [`driver`], the loop.

pub mod acts;
pub mod api;
pub mod blobs;
pub mod certificate;
pub mod chain;
pub mod cli;
pub mod client;
pub mod clock;
pub mod demo;
pub mod disk;
pub mod draft;
pub mod driver;
mod ending;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod export;
pub mod figure;
pub mod folder;
pub mod follow;
pub mod generate;
pub mod home;
mod html;
pub mod import;
pub mod importing;
pub mod inbox;
pub mod index;
pub mod journal;
pub mod keyfile;
pub mod limits_file;
pub mod load;
pub mod loss;
pub mod net;
pub mod noise;
pub mod objections;
pub mod on_disk;
pub mod opening;
pub mod own;
pub mod pages;
pub mod papers;
pub mod passphrase;
pub mod planner;
pub mod pretend;
pub mod public;
pub mod qr;
pub mod questions;
pub mod reference;
pub mod register;
pub mod restore;
pub mod safe_csv;
pub mod serve;
pub mod set_up;
pub mod signed;
pub mod staying_out;
pub mod storage;
pub mod succession;
pub mod tokens;
pub mod verify;
pub mod view;
