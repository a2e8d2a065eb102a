//! Who holds the seats: by the roster's hash while no committee can be all corrupt, and by lot where
//! one could. Source: ROUND section 2, "Committee".

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};

use super::{Kind, Logged, Part, Plan, Round};
use crate::entry::Body;
use crate::log::tree::sha256;

impl Plan {
    /// Whether every seat could be corrupt: then nobody may choose the seed that names them.
    pub fn by_lot(&self) -> bool {
        self.query.mode == Mode::Secure && self.terms.committee <= self.terms.colluding
    }

    /// Whether the lot decides about the seats and is not drawn: a debit is missing still.
    pub fn awaits_lot(&self) -> bool {
        self.by_lot() && self.committee.is_empty()
    }

    /// Until when a member debits. In a round with a lot: half way between `join_by` and
    /// `contribute_by`, so that who drew it has as long again to contribute.
    pub fn debit_by(&self) -> Time {
        let (from, to) = (self.query.join_by, self.query.contribute_by);
        if self.by_lot() { from + Span((to - from).0 / 2) } else { to }
    }

    /// Until when a lot is waited for: half of what is left after `debit_by`. Who draws it by a debit of
    /// the last moment, and who hears of that debit a little later, then both contribute: nobody's loss
    /// is spent for a round that the others gave up.
    pub fn lot_by(&self) -> Time {
        let (from, to) = (self.debit_by(), self.query.contribute_by);
        from + Span((to - from).0 / 2)
    }

    /// Seats the committee that a seed names, and binds the round to it.
    pub(super) fn seat_committee(&mut self, seed: &Digest) {
        self.committee = committee(seed, &self.members, self.terms.committee as usize);
        self.binding = binding(&self.query.id, &self.roster.leaf, &self.committee, &self.parts);
    }
}

impl Round {
    /// Draws the lot once all n debits stand: seed = SHA-256(the n nonces that they open, in roster
    /// order). Each verdict committed to its nonce before there was a Roster, so neither who chose
    /// the Roster nor who debits last can steer it; who debits last can only spoil it, by name.
    ///
    /// A `void` takes no nonce back: a lot once drawn stays, whatever is said later.
    pub(super) fn draw_lot(&mut self) {
        let Some(plan) = self.plan.as_ref().filter(|plan| plan.awaits_lot()) else { return };
        // Each nonce is hashed: not anew for every debit that comes before the last.
        if plan.members.iter().any(|member| self.said(Kind::Debit, member).is_none()) {
            return;
        }
        let nonces = plan.members.iter().map(|member| self.nonce(plan, member));
        let Some(nonces) = nonces.collect::<Option<Vec<&[u8]>>>() else { return };
        let mut drawn = Plan::clone(plan);
        drawn.seat_committee(&sha256(&nonces));
        self.plan = Some(Arc::new(drawn));
    }

    fn nonce(&self, plan: &Plan, member: &MemberId) -> Option<&[u8]> {
        let Body::Debit { nonce, .. } = &self.debit(plan, member)?.body else { return None };
        Some(nonce)
    }

    /// Whether the lot can never be drawn.
    pub fn lot_is_spoilt(&self, plan: &Plan) -> bool {
        self.spoiling_debits(plan).next().is_some()
    }

    /// While a lot is to be drawn, the debits for which it never can be: of each member the first counts, and it
    /// is not the one that its verdict and the Query call for.
    pub(crate) fn spoiling_debits<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Logged> {
        let members = plan.members.iter().filter(|_| plan.awaits_lot());
        members.filter_map(|id| self.said(Kind::Debit, id).filter(|_| self.debit(plan, id).is_none()))
    }
}

/// The k members with the smallest SHA-256(seed, member id), in that order.
///
/// The seed is the roster's leaf hash while k > f: such a committee cannot be all corrupt, so there
/// is nothing to gain by grinding. Otherwise it is the lot's.
fn committee(seed: &Digest, members: &[MemberId], seats: usize) -> Vec<MemberId> {
    let mut ranked: Vec<(Digest, &MemberId)> =
        members.iter().map(|id| (sha256(&[&seed.0, id.as_str().as_bytes()]), id)).collect();
    ranked.sort();
    ranked.into_iter().take(seats).map(|(_, id)| id.clone()).collect()
}

/// SHA-256 over query, roster, committee and its verify-key commitments.
fn binding(
    query: &QueryId,
    roster: &Digest,
    committee: &[MemberId],
    parts: &BTreeMap<MemberId, Part>,
) -> Digest {
    let mut bytes = b"datacoop/binding/v1\n".to_vec();
    bytes.extend(query.0);
    bytes.extend(roster.0);
    for member in committee {
        bytes.extend(sha256(&[member.as_str().as_bytes()]).0);
        bytes.extend(parts.get(member).map_or([0; 32], |part| part.vk_hash.0));
    }
    sha256(&[&bytes])
}
