//! A14: what a member's own log shows of a question that comes again, however many years later: what it
//! released it does not ask anew, it takes part at most twice, and no set that it helped to add up sets
//! apart fewer than `min_step` bodies. Source: CHARTER.md section 8.
//!
//! Only what stands earlier in the same log convicts: of what others wrote a member may not have heard.
//! Debits against whole Rosters are A07's.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::step::{PastRound, smallest_step};
use datacoop_policy::verdict::{ATTEMPTS_MAX, Layers, member_sets};
use datacoop_policy::{Digest, MemberId};

use super::{Check, Findings};
use crate::entry::{Body, Ref};
use crate::fold::{Fold, Log};
use crate::rounds::{Kind, Logged, Round};
use crate::standing::{Attempt, Sameness, attempt, compared, repeat_key};

/// What a member wrote that repeats may touch; a Query is no `Logged`.
enum Step<'a> {
    Query,
    Said(&'a Logged),
}

/// What the entries so far show that their author knew.
#[derive(Default)]
struct Known {
    /// Where it released the answer.
    released: BTreeMap<Sameness, u64>,
    contributions: BTreeMap<Attempt, u32>,
    /// Rounds that it helped to add up, by what is compared.
    summed: BTreeMap<Digest, Vec<(Digest, PastRound)>>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
pub(super) fn check_repeats(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A14", "repeats");
    let mut known = Known::default();
    for (entry, round, step) in steps(fold, &log.member) {
        let held = round.query().and_then(|query| Some((query, fold.charter_named(&query.charter)?)));
        let Some((query, charter)) = held else {
            findings.skip();
            continue;
        };
        match step {
            Step::Query => findings.note(Some(entry), known.check_new(entry, "asks", query)),
            Step::Said(logged) => match &logged.body {
                Body::Contribution { .. } | Body::Commit { .. } => {
                    findings.note(Some(entry), known.check_contribution(entry, query));
                }
                Body::Accept { .. } => {
                    findings.note(Some(entry), known.check_new(entry, "accepts", query));
                }
                Body::Refuse { .. } => {}
                Body::Release { .. } => known.release(logged, round, query),
                body => {
                    let Some(members) = set_of(round, &log.member, body) else {
                        findings.skip();
                        continue;
                    };
                    findings.note(Some(entry), known.check_set(charter, entry, round.id, query, &members));
                    if matches!(body, Body::Open { .. }) {
                        known.sum(round, query);
                    }
                }
            },
        }
    }
    findings.finish("steps of rounds set beside earlier ones")
}

/// What a member wrote of these kinds, in the order it wrote it.
fn steps<'a>(fold: &'a Fold, member: &MemberId) -> Vec<(u64, &'a Arc<Round>, Step<'a>)> {
    let kinds = [Kind::Verdict, Kind::Roster, Kind::Contribution, Kind::Close, Kind::Open, Kind::Release];
    let mut steps = vec![];
    for round in fold.rounds().values() {
        let is_full_noise = round.query().is_some_and(|query| query.mode == Mode::FullNoise);
        if let Some(asked) = round.asked().filter(|asked| asked.asker == *member) {
            steps.push((asked.at.index, round, Step::Query));
        }
        for kind in kinds {
            // Full noise: each vector is seen whole, so the rule of sets is off.
            let is_set = matches!(kind, Kind::Roster | Kind::Close | Kind::Open);
            let said = round.said(kind, member).filter(|_| !(is_set && is_full_noise));
            steps.extend(said.map(|logged| (logged.at.index, round, Step::Said(logged))));
        }
    }
    steps.sort_by_key(|(entry, ..)| *entry);
    steps
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
