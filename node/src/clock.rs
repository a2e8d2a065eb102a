//! The operating system's clock, read here and nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use datacoop_policy::Time;

/// Now, in milliseconds since 1970; a clock before 1970 reads as its first moment.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
