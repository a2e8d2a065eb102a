//! L14: bounds; and that what a crash leaves is enough to start from.

use std::collections::BTreeMap;

use datacoop_policy::Time;
use datacoop_protocol::bounds::{FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};

use super::{Book, Fact, Law};

/// Dials of one peer in an hour at most: the longest wait is 20 s, its jitter halves it, and each fault starts anew.
const DIALS_MAX: u32 = 800;
const HOUR: u64 = 3_600_000;

/// Frames, requests under way, and dials are bounded.
#[derive(Default)]
pub(super) struct Bounds {
    dials: BTreeMap<(usize, usize), (u64, u32)>,
    asked: BTreeMap<usize, usize>,
}

impl Law for Bounds {
    fn name(&self) -> &'static str {
        "L14 bounds"
    }

    fn see(&mut self, book: &Book, at: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Sends(bytes, _, is_request) => {
                if bytes.len() > FRAME_BYTES_MAX {
                    return Err(format!("it sends a frame of {} bytes", bytes.len()));
                }
                let asked = self.asked.entry(site).or_default();
                *asked += usize::from(*is_request);
                let most = REQUESTS_IN_FLIGHT_MAX * book.logs.len();
                if *asked > most {
                    return Err(format!("{asked} requests are under way; at most {most}"));
                }
            }
            Fact::Answered(count) => {
                let asked = self.asked.entry(site).or_default();
                *asked = asked.saturating_sub(*count);
            }
            Fact::Dials(to) => {
                let (hour, dials) = self.dials.entry((site, *to)).or_default();
                if *hour != at.0 / HOUR {
                    (*hour, *dials) = (at.0 / HOUR, 0);
                }
                *dials += 1;
                if *dials > DIALS_MAX {
                    return Err(format!("it dialled member {to} {dials} times in an hour"));
                }
            }
            Fact::Wrote(..)
            | Fact::Signed(..)
            | Fact::Cosigned(_)
            | Fact::Draws(_)
            | Fact::Blob(_)
            | Fact::Tallied(..)
            | Fact::Drew(..)
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
            | Fact::Drew(..)
            | Fact::Dials(_)
            | Fact::Says(_)
            | Fact::Starts(_) => Ok(()),
        }
    }
}
