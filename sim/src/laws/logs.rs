//! What a log is: it grows and never forks, witnesses vouch for one history of it, and an audit reads the same.

use std::collections::BTreeMap;

use datacoop_policy::{Digest, Time};
use datacoop_protocol::log::note::{Checkpoint, split_note};

use super::{Book, Fact, Law};
use crate::audits::audit;
use crate::world::World;

/// L8: an honest log never shrinks or forks, restores included; and no honest witness cosigns two histories.
#[derive(Default)]
pub(super) struct NoFork {
    /// Roots that a member signed, by log and size.
    roots: BTreeMap<(usize, u32, u64), Digest>,
    /// Sizes up to which each log was signed with the leaf that stood there.
    leaves: BTreeMap<(usize, u32, u64), Digest>,
    /// Roots that a witness cosigned, by log and size.
    cosigned: BTreeMap<(usize, [u8; 32], u64), Digest>,
}

fn checkpoint(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse(split_note(note).ok()?.0).ok()
}

impl Law for NoFork {
    fn name(&self) -> &'static str {
        "L8 no fork"
    }

    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let epoch = book.replaced[site];
        match fact {
            Fact::Signed(size, note) => {
                let Some(head) = checkpoint(note) else { return Err("it signed no head".to_owned()) };
                if *self.roots.entry((site, epoch, *size)).or_insert(head.root) != head.root {
                    return Err(format!("it signed two heads over {size} entries"));
                }
                let from = book.signed[site];
                for (index, leaf) in (0..).zip(&book.logs[site]).skip(usize::try_from(from).unwrap_or(0)) {
                    if *self.leaves.entry((site, epoch, index)).or_insert(*leaf) != *leaf {
                        return Err(format!("its entry {index} is another than the one it signed"));
                    }
                }
                Ok(())
            }
            Fact::Wrote(told, _) => match self.leaves.get(&(site, epoch, told.entry.seq)) {
                Some(leaf) if *leaf != told.leaf => {
                    Err(format!("it writes another entry {} than the one it signed", told.entry.seq))
                }
                _ => Ok(()),
            },
            Fact::Cosigned(said) => {
                let Some(head) = checkpoint(&said.note) else { return Err("it cosigned no head".to_owned()) };
                let known = *self.cosigned.entry((site, said.log, said.size)).or_insert(head.root);
                if known != head.root {
                    return Err(format!("it cosigned two histories of one log, at {} entries", said.size));
                }
                Ok(())
            }
            Fact::Draws(_)
            | Fact::Sends(..)
            | Fact::Answered(_)
            | Fact::Blob(_)
            | Fact::Tallied(..)
            | Fact::Dials(_)
            | Fact::Loads(_)
            | Fact::Loaded(_)
            | Fact::Says(_)
            | Fact::Starts(_)
            | Fact::Stuck(_) => Ok(()),
        }
    }

    /// What a witness cosigned lies on one history: the one that it holds.
    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        for ((site, log, size), root) in &self.cosigned {
            let Some(member) = world.member(*site).filter(|_| book.is_honest(*site)) else { continue };
            let held = member.fold().heads().into_iter().find(|head| head.log == *log);
            let held = held.and_then(|head| member.fold().logs().find(|held| held.head() == head.log));
            let stands = held.and_then(|held| held.tree().root_at(*size));
            if stands.is_some_and(|stands| stands != *root) {
                return Err(format!(
                    "member {site} cosigned {size} entries of a log that it holds otherwise"
                ));
            }
        }
        Ok(())
    }
}

/// L12: an audit of the logs finds nothing wrong with an honest one, and adds up what its owner does.
pub(super) struct SameFold;

impl Law for SameFold {
    fn name(&self) -> &'static str {
        "L12 same fold"
    }

    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let honest = (0..book.logs.len()).find(|site| book.is_honest(*site) && world.member(*site).is_some());
        let Some((at, member)) = honest.and_then(|site| Some((site, world.member(site)?))) else {
            return Ok(());
        };
        for report in audit(member.fold(), &|hash| world.blob(at, hash).map(|bytes| bytes.to_vec())) {
            let Some(site) = world.number(&report.member).filter(|site| book.is_honest(*site)) else {
                continue;
            };
            if let Some(check) =
                report.checks.iter().find(|check| check.outcome == datacoop_protocol::audit::Outcome::Fail)
            {
                return Err(format!("the audit of member {site}'s log fails {}: {}", check.code, check.text));
            }
            let Some(owner) = world.member(site) else { continue };
            if report.entries == owner.fold().log(owner.me()).map_or(0, |log| log.size())
                && report.ledger != *owner.standing().ledger()
            {
                return Err(format!("the audit adds up another Ledger of member {site} than it does itself"));
            }
        }
        Ok(())
    }
}
