//! What a member spends.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::ledger::Account;
use datacoop_policy::limits::FLOOR_RHO_YEAR;
use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::entry::Body;

use super::{Book, Fact, Law};
use crate::world::World;

/// L1: durable debits, less voids, are at least the loss of all that was contributed, and at most the limit.
#[derive(Default)]
pub(super) struct NeverUnderpaid {
    /// Contributions of each member, by Query.
    contributed: BTreeSet<(usize, QueryId, Digest)>,
}

/// Debits less voids by account, and the Queries they are for, as a log stands.
fn debited(book: &Book, site: usize) -> (BTreeMap<Account, u64>, BTreeSet<QueryId>) {
    let (mut debits, mut spent) = (BTreeMap::new(), BTreeMap::<Account, u64>::new());
    for body in book.log(site) {
        if let Body::Debit { query, debit, .. } = body {
            debits.insert(*query, debit.clone());
            *spent.entry(debit.account.clone()).or_default() += debit.loss.nano();
        }
        if let Body::Void { query, .. } = body
            && let Some(debit) = debits.remove(query)
        {
            *spent.entry(debit.account).or_default() -= debit.loss.nano();
        }
    }
    (spent, debits.into_keys().collect())
}

impl NeverUnderpaid {
    fn has_contributed(&self, book: &Book, site: usize, query: QueryId) -> bool {
        let all = self.contributed.range((site, query, Digest([0; 32]))..=(site, query, Digest([255; 32])));
        all.into_iter().any(|(_, _, leaf)| book.stands(leaf))
    }
}

impl Law for NeverUnderpaid {
    fn name(&self) -> &'static str {
        "L1 never underpaid"
    }

    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Wrote(told, _) = fact else { return Ok(()) };
        match &told.entry.body {
            Body::Contribution { query, .. } | Body::Commit { query, .. } => {
                self.contributed.insert((site, *query, told.leaf));
                let (_, paid) = debited(book, site);
                if !paid.contains(query) {
                    return Err(format!("it contributed to {query} without a debit"));
                }
            }
            Body::Void { query, .. } if self.has_contributed(book, site, *query) => {
                return Err(format!("it took back its debit for {query}, to which it had contributed"));
            }
            Body::Debit { debit, .. } => {
                let (spent, _) = debited(book, site);
                let all = spent.get(&debit.account).copied().unwrap_or(0);
                if all > FLOOR_RHO_YEAR.nano() || debit.after.nano() < all {
                    return Err(format!("its debits add up to {all}; it says {}", debit.after.nano()));
                }
            }
            Body::Genesis { .. }
            | Body::Charter { .. }
            | Body::Query(_)
            | Body::Accept { .. }
            | Body::Refuse { .. }
            | Body::Roster { .. }
            | Body::Freeze { .. }
            | Body::Verify { .. }
            | Body::Close { .. }
            | Body::Open { .. }
            | Body::Reveal { .. }
            | Body::Release { .. }
            | Body::Abort { .. }
            | Body::Void { .. }
            | Body::Alert { .. }
            | Body::Head { .. }
            | Body::Act(_)
            | Body::Split { .. } => {}
        }
        Ok(())
    }

    /// And each member's own books say the same at the end, whatever its disk went through.
    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let contributed = self.contributed.iter().filter(|(_, _, leaf)| book.stands(leaf));
        for (site, query, _) in contributed.filter(|(site, ..)| book.is_honest(*site)) {
            let (spent, paid) = debited(book, *site);
            if !paid.contains(query) {
                return Err(format!("member {site} contributed to {query}, and no debit stands for it"));
            }
            let Some(member) = world.member(*site) else { continue };
            for (account, spent) in spent {
                let own = member.standing().ledger().spent(&account).nano();
                if own < spent {
                    return Err(format!(
                        "member {site} believes it spent {own} of {account}; it spent {spent}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// L2: no noise is handed over before its debit is durable.
pub(super) struct DebitFirst;

impl Law for DebitFirst {
    fn name(&self) -> &'static str {
        "L2 debit first"
    }

    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Wrote(told, false) if matches!(told.entry.body, Body::Debit { .. }) => {
                Err("a debit is on its way to the disk, and nothing waits for it".to_owned())
            }
            Fact::Draws(query) if !debited(book, site).1.contains(query) => {
                Err(format!("it draws noise for {query} without a durable debit"))
            }
            Fact::Wrote(..)
            | Fact::Draws(_)
            | Fact::Signed(..)
            | Fact::Cosigned(_)
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
}
