//! L14: bounds; and that what a crash leaves is enough to start from.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::{Digest, Time};
use datacoop_protocol::bounds::{BLOBS_IN_FLIGHT_MAX, FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};

use super::{Book, Fact, Law};

/// Dials of one peer in an hour at most: the longest wait is 20 s, its jitter halves it, and each fault starts anew.
const DIALS_MAX: u64 = 800;
/// Requests to one peer in an hour at most: one in two seconds all the time is no news but something tried over and over.
const REQUESTS_MAX: u64 = 1_800;
/// Bytes to one peer in an hour at most: five times what a round of 167 members takes. More is the same again and again.
const SENT_BYTES_MAX: u64 = 32 << 20;
/// Blobs on their way from a member's disk at most: those for peers, and as many more for its own work.
const LOADS_MAX: usize = 2 * BLOBS_IN_FLIGHT_MAX;
const HOUR: u64 = 3_600_000;

/// For each pair of members the last hour in which something was counted, and how much.
type Hourly = BTreeMap<(usize, usize), (u64, u64)>;

/// Frames, requests, under way and in an hour, and dials are bounded.
#[derive(Default)]
pub(super) struct Bounds {
    dials: Hourly,
    requests: Hourly,
    sent: Hourly,
    asked: BTreeMap<usize, usize>,
    loading: BTreeMap<usize, BTreeSet<Digest>>,
}

/// So many more in this hour, of what is counted for each pair of members.
fn more(counted: &mut Hourly, pair: (usize, usize), at: Time, more: u64) -> u64 {
    let (hour, count) = counted.entry(pair).or_default();
    if *hour != at.0 / HOUR {
        (*hour, *count) = (at.0 / HOUR, 0);
    }
    *count += more;
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
                if more(&mut self.sent, (site, *to), at, bytes.len() as u64) > SENT_BYTES_MAX {
                    return Err(format!("it sends member {to} more than {SENT_BYTES_MAX} bytes in an hour"));
                }
                if *is_request && more(&mut self.requests, (site, *to), at, 1) > REQUESTS_MAX {
                    return Err(format!("it asks member {to} more than {REQUESTS_MAX} times in an hour"));
                }
            }
            Fact::Answered(count) => {
                let asked = self.asked.entry(site).or_default();
                *asked = asked.saturating_sub(*count);
            }
            Fact::Loads(hash) => {
                let loading = self.loading.entry(site).or_default();
                if !loading.insert(*hash) {
                    return Err("it wants a blob from its disk that is on its way".into());
                }
                if loading.len() > LOADS_MAX {
                    return Err(format!(
                        "{} blobs are on their way from its disk; at most {LOADS_MAX}",
                        loading.len()
                    ));
                }
            }
            Fact::Loaded(hash) => drop(self.loading.entry(site).or_default().remove(hash)),
            Fact::Starts(_) => drop(self.loading.remove(&site)),
            Fact::Dials(to) => {
                let dials = more(&mut self.dials, (site, *to), at, 1);
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
            | Fact::Loads(_)
            | Fact::Loaded(_)
            | Fact::Says(_)
            | Fact::Starts(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(facts: impl IntoIterator<Item = (u64, Fact<'static>)>) -> Option<String> {
        let mut law = Bounds::default();
        let book = Book { logs: vec![vec![]; 2], ..Book::default() };
        let mut seen = facts.into_iter().map(|(at, fact)| law.see(&book, Time(at), 0, &fact));
        seen.find_map(Result::err)
    }

    #[test]
    fn what_is_sent_in_an_hour_is_bounded_and_begins_anew_with_the_next() {
        static FRAME: [u8; 1 << 16] = [0; 1 << 16];
        let sent =
            |hours: u64| (0..hours * 512).map(move |n| (n * HOUR / 512, Fact::Sends(&FRAME, 1, false)));
        assert_eq!(broken(sent(3)), None);
        let once_more = || std::iter::once((HOUR - 1, Fact::Sends(&FRAME, 1, false)));
        assert!(broken(sent(1).chain(once_more())).is_some_and(|why| why.contains("bytes in an hour")));
    }

    #[test]
    fn blobs_on_their_way_from_a_disk_are_bounded_and_none_is_wanted_twice() {
        let wants = |many: usize| (0..many).map(|n| (0, Fact::Loads(Digest([u8::try_from(n).unwrap(); 32]))));
        let got = || std::iter::once((0, Fact::Loaded(Digest([0; 32]))));
        assert_eq!(broken(wants(LOADS_MAX)), None);
        assert!(broken(wants(LOADS_MAX + 1)).is_some_and(|why| why.contains("at most 128")));
        assert!(broken(wants(1).chain(wants(1))).is_some_and(|why| why.contains("on its way")));
        assert_eq!(broken(wants(1).chain(got()).chain(wants(1))), None);
        assert_eq!(broken(wants(1).chain([(0, Fact::Starts(0))]).chain(wants(1))), None, "a new process");
    }
}
