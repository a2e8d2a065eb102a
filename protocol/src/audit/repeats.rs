//! A14: what a member's own log shows of a question that comes again, however many years later: what it
//! released it does not ask anew, it takes part at most twice, and no set that it helped to add up sets
//! apart fewer than `min_step` bodies. Source: CHARTER.md section 8.
//!
//! Only what stands earlier in the same log convicts: of what others wrote a member may not have heard.
//! Debits against whole Rosters are A07's.

use std::collections::BTreeMap;

use datacoop_policy::charter::Charter;
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::step::{PastRound, smallest_step};
use datacoop_policy::verdict::{ATTEMPTS_MAX, Layers, member_sets};
use datacoop_policy::{Digest, MemberId};

use super::{Check, Findings, Step};
use crate::entry::{Body, Ref};
use crate::fold::Fold;
use crate::rounds::{Kind, Logged, Round};
use crate::standing::{Attempt, Sameness, attempt, compared, repeat_key};

/// What the entries so far show that their author knew.
#[derive(Clone, Default)]
struct Known {
    /// Where it released the answer.
    released: BTreeMap<Sameness, u64>,
    contributions: BTreeMap<Attempt, u32>,
    /// Rounds that it helped to add up, by what is compared.
    summed: BTreeMap<Digest, Vec<(Digest, PastRound)>>,
}

pub(super) struct Repeats {
    findings: Findings,
    known: Known,
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { findings: Findings::new("A14", "repeats"), known: Known::default() }
    }

    /// The log goes on from one of which that is told.
    pub(super) fn go_on_from(&mut self, before: &Self) {
        self.known = before.known.clone();
    }

    pub(super) fn finish(self) -> Check {
        self.findings.finish("steps of rounds set beside earlier ones")
    }

    pub(super) fn take(&mut self, fold: &Fold, member: &MemberId, round: &Round, step: &Step<'_>) {
        let (kind, logged) = match step {
            Step::Asked(asked) => (None, Err(asked.at.index)),
            Step::Said(kind, logged) => (Some(*kind), Ok(*logged)),
            Step::Repeat(_) | Step::Alert(_) => return,
        };
        let is_full_noise = round.query().is_some_and(|query| query.mode == Mode::FullNoise);
        match kind {
            // Full noise: each vector is seen whole, so the rule of sets is off.
            Some(Kind::Roster | Kind::Close | Kind::Open) if is_full_noise => return,
            Some(Kind::Debit | Kind::Freeze | Kind::Verify | Kind::Abort | Kind::Void) => return,
            Some(
                Kind::Verdict | Kind::Roster | Kind::Contribution | Kind::Close | Kind::Open | Kind::Release,
            )
            | None => {}
        }
        let held = round.query().and_then(|query| Some((query, fold.charter_named(&query.charter)?)));
        let Some((query, charter)) = held else { return self.findings.skip() };
        match logged {
            Err(entry) => self.findings.note(Some(entry), self.known.check_new(entry, "asks", query)),
            Ok(logged) => self.take_said(charter, member, round, query, logged),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    fn take_said(
        &mut self,
        charter: &Charter,
        member: &MemberId,
        round: &Round,
        query: &Query,
        logged: &Logged,
    ) {
        let (findings, known, entry) = (&mut self.findings, &mut self.known, logged.at.index);
        match &logged.body {
            Body::Contribution { .. } | Body::Commit { .. } => {
                findings.note(Some(entry), known.check_contribution(entry, query));
            }
            Body::Accept { .. } => findings.note(Some(entry), known.check_new(entry, "accepts", query)),
            Body::Refuse { .. } => {}
            Body::Release { .. } => known.release(logged, round, query),
            body => {
                let Some(members) = set_of(round, member, body) else { return findings.skip() };
                findings.note(Some(entry), known.check_set(charter, entry, round.id, query, &members));
                if matches!(body, Body::Open { .. }) {
                    known.sum(round, query);
                }
            }
        }
    }
}

/// The members whose sum an entry has a part in. `None`: what it rests on is not here.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn set_of(round: &Round, author: &MemberId, body: &Body) -> Option<Vec<MemberId>> {
    let close = match body {
        Body::Roster { .. } => return round.plan().map(|plan| plan.members.clone()),
        Body::Open { .. } => &round.said(Kind::Close, author)?.body,
        body => body,
    };
    let Body::Close { accepted, .. } = close else { return None };
    let by_ref: BTreeMap<&Ref, &MemberId> =
        round.all(Kind::Contribution).map(|(by, logged)| (&logged.at, by)).collect();
    accepted.iter().map(|at| by_ref.get(at).map(|by| (*by).clone())).collect()
}

impl Known {
    /// What its author released is the answer, and stays it: nobody pays for it twice.
    fn check_new(&self, entry: u64, does: &str, query: &Query) -> Result<(), String> {
        match self.released.get(&Sameness::of(query)).filter(|_| query.supersedes.is_none()) {
            Some(old) => {
                Err(format!("entry {entry} {does} again what its author had released with entry {old}"))
            }
            None => Ok(()),
        }
    }

    fn check_contribution(&mut self, entry: u64, query: &Query) -> Result<(), String> {
        let count = self.contributions.entry(attempt(query)).or_default();
        *count += 1;
        if *count > ATTEMPTS_MAX {
            return Err(format!(
                "entry {entry} is contribution {count} to the same question; {ATTEMPTS_MAX} are allowed"
            ));
        }
        Ok(())
    }

    /// A set of members beside all that its author had helped to add up, by the rules that the Query names.
    fn check_set(
        &self,
        charter: &Charter,
        entry: u64,
        id: Digest,
        query: &Query,
        members: &[MemberId],
    ) -> Result<(), String> {
        let mut sets = member_sets(query, members);
        let of_question = self.summed.get(&repeat_key(query)).into_iter().flatten();
        let before = of_question.filter(|(_, past)| past.counts_for(query.period()));
        // What shares no member with it can show nothing of it.
        let near = |past: &PastRound| past.sets.iter().flatten().any(|member| members.contains(member));
        let before: Vec<&(Digest, PastRound)> =
            before.filter(|(round, past)| *round != id && near(past)).collect();
        if before.is_empty() {
            return Ok(());
        }
        sets.extend(before.iter().flat_map(|(_, past)| past.sets.iter().cloned()));
        let step = Layers::new(charter, &query.purpose, None).effective().min_step;
        match smallest_step(charter, &sets) {
            Some(bodies) if bodies < step as usize => Err(format!(
                "entry {entry} sets {bodies} bodies apart from what its author had helped to add up; {step} are needed"
            )),
            _ => Ok(()),
        }
    }

    fn release(&mut self, logged: &Logged, round: &Round, query: &Query) {
        if round.released().is_some_and(|(standing, _)| standing.at == logged.at) {
            self.released.entry(Sameness::of(query)).or_insert(logged.at.index);
            self.sum(round, query);
        }
    }

    /// Whoever opened or released knew which set every seat had closed with.
    fn sum(&mut self, round: &Round, query: &Query) {
        if query.mode == Mode::FullNoise || round.closed_by_all().is_none() {
            return;
        }
        if let Some(past) = compared(round) {
            self.summed.entry(repeat_key(query)).or_default().push((round.id, past));
        }
    }
}
