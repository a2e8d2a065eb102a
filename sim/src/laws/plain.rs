//! L9: what is planted in a Tally occurs nowhere outside.

use std::collections::BTreeMap;

use datacoop_policy::Time;

use super::{Book, Fact, Law};

/// No entry, blob or frame holds a member's exact vector, as integers or as digits. What is put into a frame is
/// one of those; of the frames themselves every sixteenth is read.
#[derive(Default)]
pub(super) struct NothingPlain {
    canaries: BTreeMap<usize, Vec<Vec<u8>>>,
    frames: u64,
}

impl Law for NothingPlain {
    fn name(&self) -> &'static str {
        "L9 nothing plain"
    }

    fn see(&mut self, _: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let bytes: &[u8] = match fact {
            Fact::Tallied(_, cells) => {
                let raw: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
                let digits = cells.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                self.canaries.entry(site).or_default().extend([raw, digits.into_bytes()]);
                return Ok(());
            }
            Fact::Wrote(told, _) => &told.bytes,
            Fact::Blob(bytes) => bytes,
            Fact::Sends(bytes, ..) => {
                self.frames += 1;
                if !self.frames.is_multiple_of(16) {
                    return Ok(());
                }
                bytes
            }
            Fact::Signed(..)
            | Fact::Cosigned(_)
            | Fact::Draws(_)
            | Fact::Answered(_)
            | Fact::Dials(_)
            | Fact::Loads(_)
            | Fact::Loaded(_)
            | Fact::Says(_)
            | Fact::Starts(_)
            | Fact::Stuck(_) => return Ok(()),
        };
        let planted = self.canaries.get(&site).into_iter().flatten();
        match planted.into_iter().any(|canary| holds(bytes, canary)) {
            true => Err("its exact figures left it".to_owned()),
            false => Ok(()),
        }
    }
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    let Some((first, rest)) = canary.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        if bytes[from + at + 1..].starts_with(rest) {
            return true;
        }
        from += at + 1;
    }
    false
}
