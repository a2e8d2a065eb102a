//! `min_step`: what Rosters of a repeated Question may set apart. One Release minus another must not show
//! one member.
//!
//! Source: CHARTER section 8. A rule on pairs of Rosters would not do: of {1..9}, {1..5} and {5..9} the
//! second and third less the first leave {5}. Members are therefore sorted by which of all the sets held
//! them; sums and differences of the sets' totals reach nothing finer than these groups. Friends inside a
//! group can subtract themselves; a wary charter asks for larger ones.
//!
//! What this file does *not* do: find the sets. Must not know entries.

use std::collections::{BTreeMap, BTreeSet};

use crate::charter::Charter;
use crate::id::MemberId;
use crate::time::Period;

/// A set of members whose total somebody may learn: a Roster, an accepted set, or a part of one that a
/// member fact or a list of members makes.
pub type MemberSet = BTreeSet<MemberId>;

/// A round that a member debited, as later rounds of the same Question are compared with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastRound {
    /// The days it is about.
    pub period: Period,
    /// Its Roster, or once it closed its accepted set; and the groups that member facts make of it.
    pub sets: Vec<MemberSet>,
}

impl PastRound {
    /// Whether a round of another period is compared with this one: while their days overlap always, else
    /// within one term.
    pub fn counts_for(&self, period: Period) -> bool {
        let overlap = self.period.first() <= period.last() && period.first() <= self.period.last();
        overlap || self.period.term() == period.term()
    }
}

/// Groups of members that the sets tell apart: those with the same sets, each inside at least one.
fn groups(sets: &[MemberSet]) -> BTreeMap<Vec<bool>, MemberSet> {
    let everybody: MemberSet = sets.iter().flatten().cloned().collect();
    let mut groups: BTreeMap<Vec<bool>, MemberSet> = BTreeMap::new();
    for member in everybody {
        let held = sets.iter().map(|set| set.contains(&member)).collect();
        groups.entry(held).or_default().insert(member);
    }
    groups
}

/// Bodies in the smallest group that the sets tell apart; `None` where there is nobody.
pub fn smallest_step(charter: &Charter, sets: &[MemberSet]) -> Option<usize> {
    groups(sets).values().map(|group| charter.bodies(group).len()).min()
}

/// The most of these candidates, in order of id, that a new round may have without setting apart fewer than
/// `step` bodies from what the past sets hold; none where no Roster of them is lawful.
///
/// A pure function of public facts, so everybody can see that the asker chose nobody. Of a group that
/// cannot come whole the last by id stay away. Whoever wants the largest of all would have to look at
/// bodies with several members one by one; here each member counts alone.
pub fn largest_lawful(
    charter: &Charter,
    past: &[MemberSet],
    candidates: &MemberSet,
    step: usize,
) -> MemberSet {
    let bodies = |members: &MemberSet| charter.bodies(members).len();
    let before: MemberSet = past.iter().flatten().cloned().collect();
    let new: MemberSet = candidates.difference(&before).cloned().collect();
    let mut chosen = if bodies(&new) >= step { new } else { MemberSet::new() };
    for group in groups(past).into_values() {
        let mut come: MemberSet = group.intersection(candidates).cloned().collect();
        let mut stay: MemberSet = group.difference(candidates).cloned().collect();
        while !stay.is_empty() && bodies(&stay) < step {
            let Some(last) = come.pop_last() else { break };
            stay.insert(last);
        }
        if bodies(&come) >= step {
            chosen.append(&mut come);
        }
    }
    chosen
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
