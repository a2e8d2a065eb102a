//! What a round may do: never alone, counted once, opened once.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::query::{Mode, Terms};
use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::entry::{Body, Ref};

use super::{Book, Fact, Law};
use crate::world::World;

/// L3: no Roster under the minimum is debited, and no sum of fewer than n - d is released.
#[derive(Default)]
pub(super) struct NeverAlone {
    /// The Roster that each member debited for a Query, and the debit.
    debited: BTreeMap<(usize, QueryId), (Digest, Digest)>,
}

/// Whose accepting verdicts a Roster names.
fn roster<'a>(book: &'a Book, at: &Ref, query: &QueryId) -> BTreeSet<usize> {
    let Some((_, Body::Roster { verdicts, .. })) = book.entry(at) else { return BTreeSet::new() };
    let author = |at: &'a Ref| match book.entry(at) {
        Some((site, Body::Accept { query: of, .. })) if of == query => Some(*site),
        _ => None,
    };
    verdicts.iter().filter_map(author).collect()
}

impl Law for NeverAlone {
    fn name(&self) -> &'static str {
        "L3 never alone"
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks two kinds out of many")]
    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Wrote(told, _) = fact else { return Ok(()) };
        match &told.entry.body {
            Body::Debit { query, roster: at, .. } => {
                let members = roster(book, at, query);
                let least = book.queries.get(query).map_or(u32::MAX, |body| body.min_roster) as usize;
                if members.len() < least || !members.contains(&site) {
                    return Err(format!(
                        "it debited a Roster of {}; at least {least}, with itself",
                        members.len()
                    ));
                }
                match self.debited.insert((site, *query), (at.leaf, told.leaf)) {
                    Some((before, debit)) if before != at.leaf && book.stands(&debit) => {
                        Err(format!("it debited two Rosters of {query}"))
                    }
                    _ => Ok(()),
                }
            }
            Body::Open { query, closes, .. } => {
                let Some((accepted, n)) = closed(book, site, query, closes) else {
                    return Err(format!("it opened {query} without equal closes"));
                };
                let missing =
                    Terms::new(n, Mode::Secure, book.queries[query].assumed).map_or(0, |t| t.missing);
                match accepted.len() + missing as usize >= n {
                    true => Ok(()),
                    false => Err(format!("it opened a sum of {} of {n}", accepted.len())),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The accepted contributions that these closes agree on, and how many the Roster holds; `None` where they do not
/// agree, are not of this Query, or are not everybody's of the committee that the Roster gives. An asker may have
/// written two Rosters: it is the one that this seat debited, or froze where it did not contribute itself.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks one kind out of many")]
fn closed(book: &Book, site: usize, query: &QueryId, closes: &[Ref]) -> Option<(Vec<Ref>, usize)> {
    let mut agreed: Option<&Vec<Ref>> = None;
    let mut authors = BTreeSet::new();
    for at in closes {
        let (site, Body::Close { query: of, accepted, .. }) = book.entry(at)? else { return None };
        if of != query || *agreed.get_or_insert(accepted) != accepted {
            return None;
        }
        authors.insert(*site);
    }
    let (mut debited, mut frozen) = (None, None);
    for body in book.log(site) {
        match body {
            Body::Debit { query: of, roster, .. } if of == query => debited = Some(roster),
            Body::Freeze { query: of, roster, .. } if of == query => frozen = Some(roster),
            _ => {}
        }
    }
    let (_, Body::Roster { verdicts, .. }) = book.entry(debited.or(frozen)?)? else { return None };
    let n = verdicts.len();
    let seats = Terms::new(n, Mode::Secure, book.queries.get(query)?.assumed)?.committee as usize;
    (authors.len() == seats).then_some((agreed?.clone(), n))
}

/// L6: nobody is counted twice, no stranger, and nobody without a proof that holds.
pub(super) struct CountedOnce;

impl Law for CountedOnce {
    fn name(&self) -> &'static str {
        "L6 counted once"
    }

    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let core = (0..book.logs.len()).filter(|site| book.is_honest(*site));
        for member in core.filter_map(|site| world.member(site)) {
            for round in member.fold().rounds().values() {
                let Some((_, sums)) = round.released() else { continue };
                let distinct: BTreeSet<_> = sums.accepted.iter().collect();
                if distinct.len() != sums.accepted.len() {
                    return Err(format!("somebody is twice in the sum of {}", round.id));
                }
                for id in &sums.accepted {
                    let contributed = |site: usize| {
                        book.log(site).any(|body| {
                            let is_part = matches!(body, Body::Contribution { .. } | Body::Commit { .. });
                            is_part && body.query() == Some(round.id)
                        })
                    };
                    let site = world.number(id);
                    if site.is_some_and(|site| book.unproved.contains(&(site, round.id))) {
                        return Err(format!("`{id}` is in the sum of {} without a proof", round.id));
                    }
                    if !site.is_some_and(|site| !book.is_honest(site) || contributed(site)) {
                        return Err(format!("`{id}` is in the sum of {}, and contributed nothing", round.id));
                    }
                }
            }
        }
        Ok(())
    }
}

/// L7: a member opens a Query at most once, ever, never after it gave up, and only after equal closes.
#[derive(Default)]
pub(super) struct OpenedOnce {
    opened: BTreeMap<(usize, QueryId), BTreeSet<Digest>>,
    /// Opened in full-noise mode: for all to see from then on.
    revealed: BTreeSet<(usize, QueryId)>,
    aborted: BTreeMap<(usize, QueryId), Digest>,
}

impl Law for OpenedOnce {
    fn name(&self) -> &'static str {
        "L7 opened once"
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks three kinds out of many")]
    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Wrote(told, _) = fact else { return Ok(()) };
        match &told.entry.body {
            Body::Open { query, closes, .. } => {
                if closed(book, site, query, closes).is_none() {
                    return Err(format!("it opened {query} before all seats had closed alike"));
                }
                self.once(book, site, *query, told.leaf)
            }
            Body::Reveal { query, freeze, .. } => {
                if !matches!(book.entry(freeze), Some((_, Body::Freeze { query: of, .. })) if of == query) {
                    return Err(format!("it revealed its part of {query} before the freeze"));
                }
                self.revealed.insert((site, *query));
                self.once(book, site, *query, told.leaf)
            }
            // In full-noise mode too few may have been opened in time: whoever asked says so, though it opened its own.
            Body::Abort { query, .. } if self.revealed.contains(&(site, *query)) => Ok(()),
            Body::Abort { query, .. } => {
                self.aborted.insert((site, *query), told.leaf);
                let opened = self.opened.get(&(site, *query)).into_iter().flatten();
                match opened.into_iter().any(|leaf| book.stands(leaf)) {
                    true => Err(format!("it gave {query} up after it had opened")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl OpenedOnce {
    /// What a disk lost before anybody saw it was not opened.
    fn once(&mut self, book: &Book, site: usize, query: QueryId, leaf: Digest) -> Result<(), String> {
        if self.aborted.get(&(site, query)).is_some_and(|abort| book.stands(abort)) {
            return Err(format!("it opened {query} after it had given up"));
        }
        let opened = self.opened.entry((site, query)).or_default();
        opened.insert(leaf);
        match opened.iter().any(|before| *before != leaf && book.stands(before)) {
            true => Err(format!("it opened {query} a second time")),
            false => Ok(()),
        }
    }
}
