//! The rules of a datacoop, as pure functions over plain values.
//!
//! What this crate does *not* do: it reads no file, clock or socket, draws no random number, hashes
//! nothing, verifies no signature and never sees a row of data. It uses integers only: no two
//! members may disagree about a figure because their processors round differently.
//!
//! Where to start: [`verdict::judge`] is the only place where the rules meet.

pub mod adhoc;
pub mod charter;
pub mod delegation;
pub mod derive;
pub mod id;
pub mod inbox;
pub mod ledger;
pub mod limits;
pub mod lists;
pub mod loss;
pub mod query;
pub mod question;
pub mod refusal;
pub mod sql;
pub mod step;
pub mod time;
pub mod verdict;
pub mod vocabulary;

pub use id::{Digest, MemberId, QueryId};
pub use loss::PrivacyLoss;
pub use time::{AcademicYear, Day, Period, Span, Time};
