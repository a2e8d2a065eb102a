//! A member (being written).
pub mod port;
pub mod work;
