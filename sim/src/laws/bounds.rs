//! L14: bounds; and that what a crash leaves is enough to start from.

use std::collections::BTreeMap;

use datacoop_policy::Time;
use datacoop_protocol::bounds::{FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};

use super::{Book, Fact, Law};

/// Dials of one peer in an hour at most: the longest wait is 20 s, its jitter halves it, and each fault starts anew.
const DIALS_MAX: u32 = 800;
/// Requests to one peer in an hour at most: one in two seconds all the time is no news but something tried over and over.
const REQUESTS_MAX: u32 = 1_800;
const HOUR: u64 = 3_600_000;

/// Frames, requests, under way and in an hour, and dials are bounded.
#[derive(Default)]
pub(super) struct Bounds {
    dials: BTreeMap<(usize, usize), (u64, u32)>,
    requests: BTreeMap<(usize, usize), (u64, u32)>,
    asked: BTreeMap<usize, usize>,
}

/// One more in this hour, of so many for each pair of members.
fn one_more(counted: &mut BTreeMap<(usize, usize), (u64, u32)>, pair: (usize, usize), at: Time) -> u32 {
    let (hour, count) = counted.entry(pair).or_default();
    if *hour != at.0 / HOUR {
        (*hour, *count) = (at.0 / HOUR, 0);
    }
    *count += 1;
    *count
}

impl Law for Bounds {
    fn name(&self) -> &'static str {
        "L14 bounds"
    }

    fn see(&mut self, book: &Book, at: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Sends(bytes, to, is_request) => {
                if bytes.len() > FRAME_BYTES_MAX {
                    return Err(format!("it sends a frame of {} bytes", bytes.len()));
                }
                let asked = self.asked.entry(site).or_default();
                *asked += usize::from(*is_request);
                let most = REQUESTS_IN_FLIGHT_MAX * book.logs.len();
                if *asked > most {
                    return Err(format!("{asked} requests are under way; at most {most}"));
                }
                if *is_request && one_more(&mut self.requests, (site, *to), at) > REQUESTS_MAX {
                    return Err(format!("it asks member {to} more than {REQUESTS_MAX} times in an hour"));
                }
            }
            Fact::Answered(count) => {
                let asked = self.asked.entry(site).or_default();
                *asked = asked.saturating_sub(*count);
            }
            Fact::Dials(to) => {
                let dials = one_more(&mut self.dials, (site, *to), at);
                if dials > DIALS_MAX {
                    return Err(format!("it dialled member {to} {dials} times in an hour"));
                }
            }
            Fact::Wrote(..)
            | Fact::Signed(..)
            | Fact::Cosigned(_)
            | Fact::Draws(_)
            | Fact::Blob(_)
            | Fact::Tallied(..)
            | Fact::Says(_)
            | Fact::Starts(_)
            | Fact::Stuck(_) => {}
        }
        Ok(())
    }
}

/// What a crash, or a backup, leaves is enough to start from.
pub(super) struct Starts;

impl Law for Starts {
    fn name(&self) -> &'static str {
        "L8 no fork"
    }

    fn see(&mut self, _: &Book, _: Time, _: usize, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Stuck(error) => Err(format!("it cannot start: {error}")),
            Fact::Wrote(..)
            | Fact::Signed(..)
            | Fact::Cosigned(_)
            | Fact::Draws(_)
            | Fact::Sends(..)
            | Fact::Answered(_)
            | Fact::Blob(_)
            | Fact::Tallied(..)
            | Fact::Dials(_)
            | Fact::Says(_)
            | Fact::Starts(_) => Ok(()),
        }
    }
}
