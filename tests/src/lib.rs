//! Whole nodes, from outside.
//!
//! What this crate does *not* do: look inside a `Member`; `sim` does that.
