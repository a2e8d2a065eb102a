//! The second half of a round: freeze, verify, close, open, release.

use std::sync::Arc;

use datacoop_policy::query::Mode;
use datacoop_policy::refusal::Rule;
use datacoop_policy::{MemberId, QueryId};

use super::port::Output;
use super::work::{Check, Decide, Item, Work};
use super::{Member, OPEN_GRACE};
use crate::entry::{Body, Ref};
use crate::log::tree::sha256;
use crate::release::{figures, figures_digest};
use crate::rounds::codes::{AbortCode, AlertCode};
use crate::rounds::{Frozen, Kind, Logged, Plan, Round, commitment};
use crate::standing::keeps_step;

impl Member {
    pub(super) fn step_count(&mut self, round: &Round, plan: &Arc<Plan>) {
        match plan.query.mode {
            Mode::Secure => self.step_committee(round, plan),
            Mode::FullNoise => self.step_full_freeze(round, plan),
        }
        self.step_release(round, plan);
    }

    fn step_committee(&mut self, round: &Round, plan: &Arc<Plan>) {
        let Some(seat) = plan.seat(&self.settings.me) else { return };
        if self.wrote(round, Kind::Abort) || self.wrote(round, Kind::Open) {
            return;
        }
        let frozen = round.frozen(plan);
        let verified = frozen.as_ref().and_then(|frozen| round.verified(plan, frozen));
        // After `close_by` a seat that has not opened ends the round and takes no other step.
        if self.now > plan.query.close_by {
            let code = match (&frozen, &verified) {
                (None, _) => AbortCode::Freeze,
                (Some(_), None) => AbortCode::Verify,
                (Some(_), Some(_)) => AbortCode::Close,
            };
            self.append(Body::Abort { query: round.id, code: code.code().to_owned() });
            return;
        }
        match (frozen, verified) {
            (None, _) if !self.wrote(round, Kind::Freeze) => self.step_freeze(round, plan, seat),
            (Some(frozen), None) if !self.wrote(round, Kind::Verify) => {
                self.step_verify(round, plan, seat, &frozen)
            }
            (Some(frozen), Some((verifies, blobs))) => {
                self.step_close_and_open(round, plan, seat, &frozen, &verifies, &blobs)
            }
            (None, _) | (Some(_), None) => {}
        }
    }

    /// Our sealed share of a contribution, if it is one and we hold it.
    fn holds_share(&mut self, contribution: &Logged, seat: usize) -> bool {
        let Body::Contribution { shares, .. } = &contribution.body else { return false };
        shares.get(seat).is_some_and(|share| self.blobs.holds(&share.blob))
    }

    fn step_freeze(&mut self, round: &Round, plan: &Arc<Plan>, seat: usize) {
        let held: Vec<Ref> = plan
            .members
            .iter()
            .filter_map(|member| round.contribution(plan, member))
            .filter(|contribution| self.holds_share(contribution, seat))
            .map(|contribution| contribution.at.clone())
            .collect();
        let proposed = round.said(Kind::Freeze, &plan.committee[0]);
        let set = if seat == 0 {
            let complete = held.len() == plan.members.len() || self.now > plan.query.contribute_by;
            complete.then_some(held)
        } else {
            // The others repeat the first seat's set, if they hold all of it.
            let Some(Logged { body: Body::Freeze { contributions, .. }, .. }) = proposed else { return };
            contributions.iter().all(|reference| held.contains(reference)).then(|| contributions.clone())
        };
        let lawful = set.filter(|set| round.lawful_set(plan, set).is_some());
        let (Some(contributions), Some(secret)) = (lawful, self.secrets.get(&round.id)) else { return };
        let vk_part = Some(secret.vk_part());
        self.append(Body::Freeze { query: round.id, roster: plan.roster.clone(), contributions, vk_part });
    }

    /// S as the seats compute with it.
    pub(crate) fn items(round: &Round, plan: &Plan, frozen: &Frozen) -> Option<Vec<Item>> {
        frozen.members.iter().map(|member| round.item(plan, member)).collect()
    }

    fn start_check(&mut self, round: &Round, plan: &Arc<Plan>, seat: usize, frozen: &Frozen) {
        let Some(items) = Self::items(round, plan, frozen) else { return };
        let mut sealed = vec![];
        for member in &frozen.members {
            let Some(Logged { body: Body::Contribution { shares, .. }, .. }) =
                round.contribution(plan, member)
            else {
                return;
            };
            let Some(bytes) = self.load_blob(&shares[seat].blob) else { return };
            sealed.push(bytes);
        }
        let Some(secret) = self.secrets.get(&round.id) else { return };
        let job = Check {
            plan: plan.clone(),
            seat,
            verify_key: frozen.verify_key,
            round_key: secret.round_key(),
            items,
            sealed,
        };
        self.effort(round.id).checking = true;
        self.after.push(Output::Compute(Work::Check(Box::new(job))));
    }

    fn step_verify(&mut self, round: &Round, plan: &Arc<Plan>, seat: usize, frozen: &Frozen) {
        let effort = self.effort(round.id);
        if effort.checking {
            return;
        }
        let Some(blob) = effort.checked.as_ref().map(|checked| checked.blob.clone()) else {
            self.start_check(round, plan, seat, frozen);
            return;
        };
        let hash = sha256(&[&blob]);
        self.keep_blob(hash, blob, None);
        self.append(Body::Verify { query: round.id, freezes: frozen.freezes.clone(), blob: hash });
    }

    fn step_close_and_open(
        &mut self,
        round: &Round,
        plan: &Arc<Plan>,
        seat: usize,
        frozen: &Frozen,
        verifies: &[Ref],
        blobs: &[datacoop_policy::Digest],
    ) {
        let effort = self.effort(round.id);
        if effort.checking || effort.deciding {
            return;
        }
        if effort.decided.is_none() {
            if effort.checked.is_none() {
                // A restart: our states are gone; the same shares give the same ones.
                self.start_check(round, plan, seat, frozen);
            } else {
                self.start_decision(round, plan, frozen, blobs);
            }
            return;
        }
        if self.wrote(round, Kind::Close) {
            self.step_open(round, plan, verifies)
        } else {
            self.step_close(round, plan, verifies)
        }
    }

    fn start_decision(
        &mut self,
        round: &Round,
        plan: &Arc<Plan>,
        frozen: &Frozen,
        hashes: &[datacoop_policy::Digest],
    ) {
        let mut blobs = vec![];
        for hash in hashes {
            let Some(bytes) = self.load_blob(hash) else { return };
            blobs.push(bytes);
        }
        let Some(items) = Self::items(round, plan, frozen) else { return };
        let effort = self.effort(round.id);
        let Some(checked) = effort.checked.take() else { return };
        effort.deciding = true;
        let job = Decide { plan: plan.clone(), items, states: checked.states, blobs };
        self.after.push(Output::Compute(Work::Decide(Box::new(job))));
    }

    fn step_close(&mut self, round: &Round, plan: &Arc<Plan>, verifies: &[Ref]) {
        let Some(secret) = self.secrets.get(&round.id).cloned() else { return };
        let Some(decided) = self.effort(round.id).decided.as_ref() else { return };
        let commit = commitment("close", &secret.salt(), &decided.share);
        let members = decided.accepted.clone();
        let accepted: Vec<Ref> = members
            .iter()
            .filter_map(|member| round.contribution(plan, member))
            .map(|contribution| contribution.at.clone())
            .collect();
        let few = round.lawful_set(plan, &accepted).is_none();
        if few || !self.keeps_step(plan, &members) {
            let code = if few { AbortCode::Accepted.code() } else { Rule::MinStep.code() };
            self.append(Body::Abort { query: round.id, code: code.to_owned() });
            return;
        }
        self.keep_opening(round.id, plan, secret.salt());
        // Crash here: an opening without a close. A restart closes, and keeps the same again.
        self.append(Body::Close { query: round.id, verifies: verifies.to_vec(), accepted, commit });
    }

    /// By the version that the Query names, and not by a later one: a round ends as it was debited (C10), and a seat
    /// that had closed would else abort.
    pub(super) fn keeps_step(&self, plan: &Plan, accepted: &[MemberId]) -> bool {
        let query = &plan.query;
        let step = self.limits_under(self.fold.charter_of(&query.charter), query).min_step;
        query.mode == Mode::FullNoise || keeps_step(&self.fold, query, accepted, step)
    }

    /// Opens our aggregate share: at most once, ever. The open entry is its own durable mark.
    fn step_open(&mut self, round: &Round, plan: &Arc<Plan>, verifies: &[Ref]) {
        let Some(closed) = round.closed(plan, verifies) else { return };
        if !self.keeps_step(plan, &closed.accepted) {
            // Another round of this question closed meanwhile.
            self.append(Body::Abort { query: round.id, code: Rule::MinStep.code().to_owned() });
            return;
        }
        let Some(secret) = self.secrets.get(&round.id).cloned() else { return };
        let Some(decided) = self.effort(round.id).decided.as_ref() else { return };
        let share = decided.share.to_vec();
        self.append(Body::Open { query: round.id, closes: closed.closes, share, salt: secret.salt() });
        // Crash here: the open is on disk and was not sent. A restart sends it; it is never made anew.
    }

    /// Full noise: the asker freezes what was committed.
    fn step_full_freeze(&mut self, round: &Round, plan: &Arc<Plan>) {
        let spoken = self.wrote(round, Kind::Freeze) || self.wrote(round, Kind::Abort);
        if plan.query.asker != self.settings.me || spoken {
            return;
        }
        let committed = plan.members.iter().filter_map(|member| round.contribution(plan, member));
        let set: Vec<Ref> = committed.map(|logged| logged.at.clone()).collect();
        let complete = set.len() == plan.members.len() || self.now > plan.query.contribute_by;
        if complete && round.lawful_set(plan, &set).is_some() {
            let roster = plan.roster.clone();
            self.append(Body::Freeze { query: round.id, roster, contributions: set, vk_part: None });
        } else if self.now > plan.query.contribute_by {
            self.append(Body::Abort { query: round.id, code: AbortCode::Few.code().to_owned() });
        }
    }

    /// Whether nobody but us may end a round without a sum: one of full noise has no seats, nor has one whose lot was
    /// not drawn.
    pub(super) fn ends_alone(&self, round: &Round) -> bool {
        let of_full_noise = round.query().is_some_and(|query| query.mode == Mode::FullNoise);
        let has_no_seats = round.plan().map_or(of_full_noise, |plan| plan.committee.is_empty());
        has_no_seats && round.asked().is_some_and(|asked| asked.asker == self.settings.me)
    }

    /// The asker ends such a round, though it left it alone, once nothing can come of it any more: whatever it may have
    /// said before. It adds nothing up: the others do, and no certificate holds the word of a next log.
    pub(super) fn step_left(&mut self, round: &Round) {
        let over = round.asked().is_some_and(|asked| self.now.seconds() > asked.body.close_by.seconds());
        let spoken = self.wrote(round, Kind::Release) || self.wrote(round, Kind::Abort);
        let summed = || round.plan().is_some_and(|plan| round.sums(plan, None).is_some());
        if over && self.ends_alone(round) && !spoken && !summed() {
            self.append(Body::Abort { query: round.id, code: AbortCode::Close.code().to_owned() });
        }
    }

    /// Full noise: reveals our vector once the asker froze it, whatever others released already: our
    /// debit is spent.
    pub(super) fn step_reveal(&mut self, round: &Round, plan: &Plan) {
        let me = &self.settings.me;
        let Some(frozen) = round.frozen(plan).filter(|frozen| frozen.members.contains(me)) else { return };
        if self.wrote(round, Kind::Open) || self.now > plan.query.close_by {
            return;
        }
        let Some((vector, salt)) = self
            .secrets
            .get(&round.id)
            .and_then(|secret| Some((secret.vector.clone()?.to_vec(), secret.salt())))
        else {
            return;
        };
        let freeze = frozen.freezes[0].clone();
        self.append(Body::Reveal { query: round.id, freeze, vector, salt });
    }

    /// The asker adds up; after `close_by` any roster member may.
    fn step_release(&mut self, round: &Round, plan: &Arc<Plan>) {
        // As it stands now, after what this very step wrote.
        let Some(round) = self.fold.round(&round.id).cloned() else { return };
        let me = self.settings.me.clone();
        // Entries carry whole seconds: a release by another than the asker says it came later.
        let late = self.now.seconds() > plan.query.close_by.seconds();
        let mine = plan.query.asker == me || late && plan.members.contains(&me);
        if !mine || self.wrote(&round, Kind::Release) || self.wrote(&round, Kind::Abort) {
            return;
        }
        let sums = round.sums(plan, None).filter(|sums| match plan.query.mode {
            Mode::Secure => true,
            Mode::FullNoise => {
                late || round.frozen(plan).is_some_and(|frozen| frozen.members == sums.accepted)
            }
        });
        let Some(sums) = sums else {
            // Who opened an aggregate share never aborts.
            let opened = plan.query.mode == Mode::Secure && self.wrote(&round, Kind::Open);
            // A share that was opened in time may still be on its way.
            let waits = !round.withheld().is_empty() && self.now < plan.query.close_by + OPEN_GRACE;
            if late && plan.query.asker == me && !opened && !waits {
                self.append(Body::Abort { query: round.id, code: AbortCode::Close.code().to_owned() });
            }
            return;
        };
        let figures = figures_digest(&figures(plan, &sums));
        let release = Body::Release { query: round.id, opens: sums.opens, sums: sums.sums, figures };
        // Sums of absurd size, which a false vector can make, do not fit an entry.
        if self.readable(&release).is_some() {
            self.append(release);
        }
    }

    /// Raises an alert about an entry, once for each entry and reason.
    pub(super) fn alert_once(&mut self, id: QueryId, code: AlertCode, subject: Ref) {
        let Some(round) = self.fold.round(&id) else { return };
        let said = |(by, logged): &(MemberId, Logged)| {
            let Body::Alert { code: said, subject: about, .. } = &logged.body else { return false };
            *by == self.settings.me && said == code.code() && *about == subject
        };
        if !round.alerts().iter().any(said) {
            self.append(Body::Alert { query: id, code: code.code().to_owned(), subject });
        }
    }
}

impl Round {
    /// A contribution as the seats, and an auditor, compute with it.
    pub fn item(&self, plan: &Plan, member: &MemberId) -> Option<Item> {
        let debit = self.debit(plan, member)?.at.leaf;
        let Body::Contribution { nonce, public_share, shares, .. } = &self.contribution(plan, member)?.body
        else {
            return None;
        };
        Some(Item {
            member: member.clone(),
            debit,
            nonce: *nonce,
            public_share: public_share.clone(),
            digests: shares.iter().map(|share| share.digest).collect(),
        })
    }
}
