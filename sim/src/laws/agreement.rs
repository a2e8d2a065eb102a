//! What members must agree on: charters, sets, sums; and what a repeated question may show.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId, Time};
use datacoop_protocol::entry::{Body, Ref};

use super::{Book, Fact, Law};
use crate::world::World;

/// Fewest members that answers to one question may set apart (the floor's `min_step`).
const STEP: usize = 3;

/// L4: honest members hold one freeze, one accepted set and one Release of a Query, answer only under the charter
/// they put in force, and end with one charter.
///
/// In full-noise mode who slept adds up what it holds, so there may be several Releases (ROUND.md section 4): they
/// hold one to stand.
#[derive(Default)]
pub(super) struct Agreement {
    frozen: Said<Vec<Ref>>,
    closed: Said<Vec<Ref>>,
    released: Said<Vec<i64>>,
    /// The versions that each member put in force: from when, and their hashes, and where it says so.
    adopted: BTreeMap<usize, Adopted>,
}

/// Versions by when they are in force and their numbers: their hashes, and the entries that say so.
type Adopted = BTreeMap<(Time, u32), (Digest, Digest)>;

/// What the first entry of a kind says of a Query, and that entry.
type Said<T> = BTreeMap<QueryId, (Digest, T)>;

impl Law for Agreement {
    fn name(&self) -> &'static str {
        "L4 agreement"
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    fn see(&mut self, book: &Book, _: Time, site: usize, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Wrote(told, _) = fact else { return Ok(()) };
        match &told.entry.body {
            Body::Freeze { query, contributions, .. } => {
                same(book, &mut self.frozen, *query, told.leaf, contributions, "another set was frozen")
            }
            Body::Close { query, accepted, .. } => {
                same(book, &mut self.closed, *query, told.leaf, accepted, "another set was accepted")
            }
            Body::Release { query, sums, .. }
                if book.queries.get(query).is_some_and(|body| body.mode == Mode::Secure) =>
            {
                same(book, &mut self.released, *query, told.leaf, sums, "another sum was released")
            }
            Body::Charter { hash, from, version, .. } => {
                let adopted = self.adopted.entry(site).or_default();
                // A rival that it had followed, and that a later version condemns, is as if it had never been.
                adopted.retain(|(_, before), _| before < version);
                adopted.insert((*from, *version), (*hash, told.leaf));
                Ok(())
            }
            Body::Accept { query, .. } => {
                let at = told.entry.at;
                let adopted = self.adopted.get(&site);
                let by_then = adopted.into_iter().flat_map(|all| all.range(..=(at, u32::MAX)).rev());
                let ours =
                    by_then.map(|(_, said)| said).find(|(_, leaf)| book.stands(leaf)).map(|said| said.0);
                let named = book.queries.get(query).map(|body| body.charter);
                match named == ours {
                    true => Ok(()),
                    false => {
                        Err(format!("it accepted {query}, which names a charter that it does not go by"))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let honest = (0..book.logs.len()).filter(|site| book.is_honest(*site));
        let all: BTreeSet<Digest> = honest
            .filter_map(|site| world.member(site))
            // The newest that they hold: each waits for it to act from when it came.
            .map(|member| member.fold().charter().hash())
            .collect();
        if all.len() > 1 {
            return Err(format!("members end with {} charters", all.len()));
        }
        let honest = (0..book.logs.len()).filter(|site| book.is_honest(*site));
        let mut held: BTreeMap<QueryId, &Ref> = BTreeMap::new();
        for round in
            honest.filter_map(|site| world.member(site)).flat_map(|member| member.fold().rounds().values())
        {
            let Some((release, _)) = round.released() else { continue };
            if *held.entry(round.id).or_insert(&release.at) != &release.at {
                return Err(format!("members hold two Releases of {}", round.id));
            }
        }
        Ok(())
    }
}

/// What a disk lost before anybody saw it was not said.
fn same<T: Clone + PartialEq>(
    book: &Book,
    known: &mut Said<T>,
    query: QueryId,
    leaf: Digest,
    found: &T,
    wrong: &str,
) -> Result<(), String> {
    match known.get(&query).filter(|(before, _)| book.stands(before)) {
        Some((_, before)) if before != found => Err(format!("{wrong} in {query} before")),
        Some(_) => Ok(()),
        None => {
            known.insert(query, (leaf, found.clone()));
            Ok(())
        }
    }
}

/// L5: a Release is exactly what the accepted members put in, where every seat is honest.
pub(super) struct RightSum {
    /// Whoever has the seats.
    pub(super) always: bool,
}

impl Law for RightSum {
    fn name(&self) -> &'static str {
        "L5 right sum"
    }

    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let honest = (0..book.logs.len()).find(|site| book.is_honest(*site) && world.member(*site).is_some());
        let Some(member) = honest.and_then(|site| world.member(site)) else { return Ok(()) };
        for round in member.fold().rounds().values() {
            let (Some((logged, sums)), Some(plan)) = (round.released(), round.plan()) else { continue };
            let Body::Release { sums: released, .. } = &logged.body else { continue };
            let number = |id: &MemberId| world.number(id);
            let corrupt = plan.committee.iter().filter_map(number).any(|site| !book.is_honest(site));
            if corrupt && !self.always {
                continue;
            }
            // A stranger has no number, and put in nothing.
            let sites: Vec<usize> = sums.accepted.iter().map(|id| number(id).unwrap_or(usize::MAX)).collect();
            let unseen = |site: &&usize| !book.parts.contains_key(&(**site, round.id));
            match sites.iter().find(unseen) {
                // Somebody who has its keys may have put in anything within its range.
                Some(site) if !book.is_honest(*site) => continue,
                Some(site) => {
                    return Err(format!("{} holds a part that member {site} never put in", round.id));
                }
                None => {}
            }
            let parts = sites.iter().map(|site| &book.parts[&(*site, round.id)]);
            let parts = parts.zip(sums.accepted.iter().map(|id| plan.tally_max(id)));
            let mut want = vec![0i64; released.len()];
            for ((tally, noise), most) in parts {
                let most = i64::try_from(most.unwrap_or(0)).unwrap_or(i64::MAX);
                for ((sum, x), z) in want.iter_mut().zip(tally).zip(noise) {
                    *sum += (x << plan.noise.doublings).clamp(0, most) + z;
                }
            }
            if want != *released {
                return Err(format!("{} releases {released:?}; its members put in {want:?}", round.id));
            }
        }
        Ok(())
    }
}

/// L13: answers to one question, taken together, set apart nobody, or enough members.
///
/// In whatever words it was asked: one more digit asks the same. Not those of full noise: every member's vector is
/// seen there by itself, and noised whole, so what sets two sums apart is seen anyway (CHARTER section 8).
pub(super) struct Repeats;

impl Law for Repeats {
    fn name(&self) -> &'static str {
        "L13 repeats"
    }

    fn end(&mut self, book: &Book, world: &World) -> Result<(), String> {
        let honest = (0..book.logs.len()).find(|site| book.is_honest(*site) && world.member(*site).is_some());
        let Some(member) = honest.and_then(|site| world.member(site)) else { return Ok(()) };
        let mut answers: BTreeMap<(Vec<u8>, String), Vec<BTreeSet<MemberId>>> = BTreeMap::new();
        for round in member.fold().rounds().values() {
            let (Some(asked), Some((_, sums))) = (round.asked(), round.released()) else { continue };
            if asked.body.mode == Mode::FullNoise {
                continue;
            }
            let key = (asked.body.question.to_bytes(), format!("{:?}", asked.body.period));
            answers.entry(key).or_default().push(sums.accepted.iter().cloned().collect());
        }
        match answers.values().filter_map(|sets| smallest_group(sets)).find(|least| *least < STEP) {
            Some(least) => Err(format!("answers to one question set {least} members apart")),
            None => Ok(()),
        }
    }
}

/// Members in the smallest group that these sets tell apart: whatever is added up or taken off shows nothing finer.
fn smallest_group(sets: &[BTreeSet<MemberId>]) -> Option<usize> {
    let mut groups: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
    for id in sets.iter().flatten().collect::<BTreeSet<_>>() {
        *groups.entry(sets.iter().map(|set| set.contains(id)).collect()).or_default() += 1;
    }
    groups.into_values().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coop::member_id;

    fn smallest(sets: &[&[usize]]) -> Option<usize> {
        let id = |n: &usize| member_id(*n);
        let sets: Vec<BTreeSet<MemberId>> = sets.iter().map(|set| set.iter().map(id).collect()).collect();
        smallest_group(&sets)
    }

    #[test]
    fn what_several_sums_set_apart_is_found_though_no_two_of_them_do() {
        assert_eq!(smallest(&[]), None);
        assert_eq!(smallest(&[&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]]), Some(5));
        assert_eq!(smallest(&[&[1, 2, 3, 4, 5, 6], &[1, 2, 3]]), Some(3));
        assert_eq!(smallest(&[&[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4]]), Some(2));
        // Each two differ by four or more; the last two less the first leave {5}.
        let three: [&[usize]; 3] = [&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 2, 3, 4, 5], &[5, 6, 7, 8, 9]];
        assert_eq!(smallest(&three), Some(1));
    }
}
