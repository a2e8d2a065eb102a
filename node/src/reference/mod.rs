//! Published figures and facts of law, each with its source, for rules and made-up data. Must not know
//! how they are used.
//!
//! Contains public sector information licensed under the Open Government Licence v3.0.

pub mod absence;
pub mod charities;
pub mod codes;
pub mod ks2;
pub mod progress8;
pub mod suspensions;
pub mod transition;

#[cfg(test)]
pub(crate) mod tests;
