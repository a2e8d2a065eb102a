//! What follows from the acts that the logs hold: in any order of arrival the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::limits::Restricted;
use datacoop_policy::query::Query;
use datacoop_policy::verdict::CLOCK_SKEW_MAX;
use datacoop_policy::{Digest, MemberId, Time};

use super::{
    Act, Done, Findings, OBJECTION_WAITS, PROPOSAL_OPEN, RESTRICTION_HOLDS, RESTRICTIONS_MAX,
    RESTRICTIONS_WITHIN, Subject, Target, findings_hash,
};
use crate::entry::Ref;
use crate::fold::Fold;

/// So often a member proposes one and the same draft, so that it can do so again once its 60 days are over; more
/// often adds nothing, and costs a reader nothing.
const SAME_DRAFT_MAX: usize = 8;

/// So often one log says the same of one entry, and is listened to: once counts, and of two reviews or replies the
/// first. More costs every reader of that entry, each time, for nothing.
const SAID_OF_ONE_MAX: usize = 8;

/// What is said of one entry: by log and kind, in the log's order.
type SaidOf = BTreeMap<(Arc<str>, &'static str), Vec<Digest>>;

/// Everything that members did beside rounds.
#[derive(Clone, Default)]
pub struct Acts {
    done: BTreeMap<Digest, Done>,
    /// By what is spoken of, what each log says of it, by kind: either may come first.
    about: BTreeMap<Digest, SaidOf>,
    /// By draft, who proposes it and where: of each member the first so many.
    drafts: BTreeMap<Digest, BTreeMap<MemberId, Vec<Digest>>>,
    fresh: Vec<Digest>,
}

/// How a proposal stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// Members may support it, object to it and adopt it.
    Open,
    /// It came to be.
    Adopted,
    /// Its author took it back.
    Withdrawn,
    /// Its time is over, or the charter that it was made under is.
    Stale,
}

/// A member is against something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Objection<'a> {
    /// The entry that says so.
    pub said: &'a Done,
    /// What whoever proposed or asked it answered, or whoever proposes the same with a vote.
    pub reply: Option<&'a Done>,
}

/// Why nobody's program signs a proposal yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocked {
    /// Who objects.
    pub by: MemberId,
    /// Where it says so.
    pub objection: Ref,
    /// Until when it is waited for in any case.
    pub until: Time,
    /// Whether it was answered.
    pub answered: bool,
    /// Whether it is waited for after that too, until it is answered: not while nobody with a vote wants what it
    /// is about.
    pub awaits_answer: bool,
}

/// A review, bound or shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reviewed<'a> {
    /// Whose.
    pub by: &'a MemberId,
    /// The entry that binds it.
    pub bound: &'a Ref,
    /// The entry that shows it, and what it shows: what it was bound by.
    pub opened: Option<(&'a Ref, &'a Findings)>,
}

/// Something that members want to stop now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restriction<'a> {
    /// What.
    pub target: &'a Target,
    /// What they said, the last of each member that counts, in order of members.
    pub by: Vec<&'a Done>,
    /// Of how many bodies they are.
    pub bodies: usize,
    /// Until when it holds if nobody repeats it; `None` where too few bodies want it.
    pub until: Option<Time>,
}

impl State {
    /// In a word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Adopted => "adopted",
            Self::Withdrawn => "withdrawn",
            Self::Stale => "stale",
        }
    }
}

impl Acts {
    pub(crate) fn add(&mut self, done: Done) {
        let leaf = done.at.leaf;
        if let Some(cited) = done.act.about() {
            let said = self.about.entry(cited.leaf).or_default();
            let own = said.entry((done.at.log.clone(), done.act.kind())).or_default();
            // The entries of a log come in their order: the same ones for every reader.
            if own.len() < SAID_OF_ONE_MAX {
                own.push(leaf);
            }
        }
        if let Act::Proposal { draft, .. } = &done.act {
            let own = self.drafts.entry(*draft).or_default().entry(done.by.clone()).or_default();
            if own.len() < SAME_DRAFT_MAX {
                own.push(leaf);
            }
        }
        self.fresh.push(leaf);
        self.done.insert(leaf, done);
    }

    /// What came since this was last asked.
    pub(crate) fn take_fresh(&mut self) -> Vec<Digest> {
        std::mem::take(&mut self.fresh)
    }

    /// The act in an entry, by its leaf hash.
    pub fn get(&self, leaf: &Digest) -> Option<&Done> {
        self.done.get(leaf)
    }

    /// All of them, in order of their leaf hashes.
    pub fn all(&self) -> impl Iterator<Item = &Done> {
        self.done.values()
    }

    /// All proposals, in order of their leaf hashes.
    pub fn proposals(&self) -> impl Iterator<Item = &Done> {
        self.all().filter(|done| matches!(done.act, Act::Proposal { .. }))
    }

    /// The proposals of a draft: of each member its first `SAME_DRAFT_MAX`.
    pub(crate) fn of_draft(&self, draft: &Digest) -> impl Iterator<Item = &Done> {
        let leaves = self.drafts.get(draft).into_iter().flat_map(BTreeMap::values).flatten();
        leaves.filter_map(|leaf| self.done.get(leaf))
    }

    /// What speaks of an entry.
    pub fn on<'a>(&'a self, at: &'a Ref) -> impl Iterator<Item = &'a Done> {
        let speaking = self.about.get(&at.leaf).into_iter().flat_map(BTreeMap::values).flatten();
        speaking.filter_map(|leaf| self.done.get(leaf)).filter(move |done| done.act.about() == Some(at))
    }

    /// What a member said of an entry, the first of it: who says it again adds nothing.
    fn firsts<'a>(
        &'a self,
        fold: &'a Fold,
        at: &'a Ref,
        is: impl Fn(&Act) -> bool,
    ) -> BTreeMap<&'a MemberId, &'a Done> {
        let mut firsts: BTreeMap<&MemberId, &Done> = BTreeMap::new();
        for done in self.on(at).filter(|done| is(&done.act) && is_entitled(fold, done)) {
            let first = firsts.entry(&done.by).or_insert(done);
            if done.at.order() < first.at.order() {
                *first = done;
            }
        }
        firsts
    }

    /// Who supports a proposal, its author aside.
    pub fn cosigners<'a>(&'a self, fold: &'a Fold, proposal: &'a Done) -> BTreeMap<&'a MemberId, &'a Done> {
        let mut all = self.firsts(fold, &proposal.at, |act| matches!(act, Act::Cosign { .. }));
        all.remove(&proposal.by);
        all
    }

    /// The entries by which others support a question that is to be asked: for whoever asks it to cite.
    pub fn supporters(&self, fold: &Fold, query: &Query) -> Vec<Ref> {
        let question = &query.question_hash;
        let open = self.proposals().filter(|done| {
            matches!(&done.act, Act::Proposal { subject: Subject::Question(_), draft, .. } if draft == question)
        });
        // One of each member, also of whoever wrote in two logs: its keys were replaced meanwhile.
        let mut refs: BTreeMap<&MemberId, &Ref> = BTreeMap::new();
        for proposal in open {
            let all = self.cosigners(fold, proposal).into_values().chain([proposal]);
            for done in all.filter(|done| self.supports(fold, query, &done.at, true)) {
                refs.entry(&done.by).or_insert(&done.at);
            }
        }
        let mut refs: Vec<Ref> = refs.into_values().cloned().collect();
        refs.sort_by(|one, other| one.log.cmp(&other.log));
        refs
    }

    /// Whether a member supports a Query by an entry: by proposing its question or by co-signing that. Whoever may
    /// under the version that it is asked under: all who judge the Query know that one, and nobody keeps a vote
    /// that it took.
    ///
    /// Support ends with the proposal: once its time is over, by what the entries say of theirs, which is the same
    /// for all; and once it was taken back before the question was asked. That a judge alone heeds, who is `fresh`:
    /// to an auditor a proposer could show later that it had, and so convict whoever had not heard of it.
    fn supports(&self, fold: &Fold, query: &Query, at: &Ref, fresh: bool) -> bool {
        let Some(done) = self.get(&at.leaf).filter(|done| done.at == *at && done.by != query.asker) else {
            return false;
        };
        let found = if let Act::Cosign { proposal } = &done.act {
            self.get(&proposal.leaf).filter(|found| found.at == *proposal)
        } else {
            Some(done)
        };
        let Some(proposal) = found else { return false };
        let Act::Proposal { subject: Subject::Question(_), draft, .. } = &proposal.act else { return false };
        let by_then = |time: Time| time <= query.at + CLOCK_SKEW_MAX;
        let stands =
            by_then(proposal.time) && by_then(done.time) && query.at <= proposal.time + PROPOSAL_OPEN;
        let taken_back = || self.withdrawal(proposal).is_some_and(|said| said.time <= query.at);
        let is_of = *draft == query.question_hash && stands && !(fresh && taken_back());
        is_of && may(fold.charter_of(&query.charter), done)
    }

    /// Whether all that a citation of support rests on is here.
    fn rests_on_what_is_here(&self, fold: &Fold, at: &Ref) -> bool {
        let cites = |done: &Done| done.act.cites().into_iter().all(|cited| fold.resolves(cited));
        fold.resolves(at) && self.get(&at.leaf).is_none_or(cites)
    }

    /// How many other members support a Query's question, of the entries that it cites; of one that is not
    /// asked yet, of all. Whoever is cited from two logs of its own is one. An auditor, who is not `fresh`, believes in
    /// those that rest on logs that are not here.
    pub fn cosigned(&self, fold: &Fold, query: &Query, fresh: bool) -> u32 {
        let cited = match fold.round(&query.id).and_then(|round| round.asked()) {
            Some(asked) => asked.body.cosigners.clone(),
            None => self.supporters(fold, query),
        };
        let counts = |at: &&Ref| {
            self.supports(fold, query, at, fresh) || !fresh && !self.rests_on_what_is_here(fold, at)
        };
        let voices: BTreeSet<&str> = cited
            .iter()
            .filter(counts)
            .map(|at| fold.member_by_origin(&at.log).map_or(&*at.log, |id| id.as_str()))
            .collect();
        u32::try_from(voices.len()).unwrap_or(u32::MAX)
    }

    /// Who is against an entry of `author`, a proposal or a Query, in order of members.
    pub fn objections<'a>(&'a self, fold: &'a Fold, at: &'a Ref, author: &MemberId) -> Vec<Objection<'a>> {
        let said = self.firsts(fold, at, |act| matches!(act, Act::Objection { .. }));
        let others = said.into_values().filter(|said| said.by != *author);
        others
            .map(|said| {
                let replies = self.on(&said.at).filter(|done| matches!(done.act, Act::Reply { .. }));
                let replies = replies.filter(|done| self.may_reply(fold, at, author, &done.by));
                Objection { said, reply: replies.min_by_key(|done| (done.time, &done.at)) }
            })
            .collect()
    }

    /// Whether a member answers an objection to an entry of `author`: it is its own, or it proposes the same draft
    /// and has a vote. Else whoever proposes a draft of others, and never answers, would keep all from signing it.
    pub fn may_reply(&self, fold: &Fold, at: &Ref, author: &MemberId, by: &MemberId) -> bool {
        let Some(Done { act: Act::Proposal { draft, .. }, .. }) = self.get(&at.leaf) else {
            return by == author;
        };
        by == author || self.of_draft(draft).any(|same| same.by == *by && has_vote(fold, same))
    }

    /// Which objection keeps programs from signing a proposal now: the one that does so longest.
    ///
    /// It is the draft that is objected to, by whomever that is proposed.
    pub fn blocked(&self, fold: &Fold, proposal: &Done, now: Time) -> Option<Blocked> {
        let Act::Proposal { subject, draft, .. } = &proposal.act else { return None };
        let same = self.of_draft(draft).filter(
            |same| matches!(&same.act, Act::Proposal { subject: other, .. } if other.code() == subject.code()),
        );
        self.blocked_by(fold, same, now)
    }

    /// As `blocked`, of several proposals of one and the same: a member objects to that once, from its first word
    /// on. One that says it is from later than now holds until it is answered, as any; its week begins with its date.
    pub fn blocked_by<'a>(
        &'a self,
        fold: &'a Fold,
        proposals: impl Iterator<Item = &'a Done>,
        now: Time,
    ) -> Option<Blocked> {
        let mut against: BTreeMap<&MemberId, Blocked> = BTreeMap::new();
        for proposal in proposals.filter(|proposal| self.is_before_members(fold, proposal, now)) {
            for Objection { said, reply } in self.objections(fold, &proposal.at, &proposal.by) {
                let until = if is_ahead(said, now) { now } else { said.time + OBJECTION_WAITS };
                let new = || Blocked {
                    by: said.by.clone(),
                    objection: said.at.clone(),
                    until,
                    answered: false,
                    awaits_answer: false,
                };
                let held = against.entry(&said.by).or_insert_with(new);
                if said.at.index < held.objection.index {
                    (held.objection, held.until) = (said.at.clone(), until);
                }
                held.answered |= reply.is_some();
                held.awaits_answer |= self.is_wanted(fold, proposal);
            }
        }
        against.values_mut().for_each(|held| held.awaits_answer &= !held.answered);
        let holding = against.into_values().filter(|held| held.awaits_answer || now < held.until);
        holding.max_by_key(|held| (held.awaits_answer, held.until))
    }

    /// Whether an objection to a proposal still counts: its time is not over. Taking it back does not end what
    /// others said of the draft.
    fn is_before_members(&self, fold: &Fold, proposal: &Done, now: Time) -> bool {
        let state = self.state(fold, proposal, now);
        matches!(state, Some(State::Open | State::Withdrawn)) && !is_over(fold, proposal, now)
    }

    /// Whether a member with a vote made a proposal or supports it.
    fn is_wanted(&self, fold: &Fold, proposal: &Done) -> bool {
        let mut supports = self.on(&proposal.at).filter(|done| matches!(done.act, Act::Cosign { .. }));
        has_vote(fold, proposal) || supports.any(|done| has_vote(fold, done))
    }

    /// Who is against a Query, or against a proposal of its question, whatever became of that.
    pub fn against<'a>(&'a self, fold: &'a Fold, query: &Query) -> Vec<Objection<'a>> {
        let of_question = |done: &&Done| {
            let Act::Proposal { subject: Subject::Question(_), draft, .. } = &done.act else { return false };
            *draft == query.question_hash && is_entitled(fold, done)
        };
        let proposals = self.proposals().filter(of_question).map(|done| (&done.at, &done.by));
        let asked = fold.round(&query.id).and_then(|round| round.asked());
        let all = proposals.chain(asked.map(|asked| (&asked.at, &asked.asker)));
        all.flat_map(|(at, author)| self.objections(fold, at, author)).collect()
    }

    /// One of those that whoever proposed or asked did not answer, whatever its date: a clock that was ahead takes
    /// nobody's no away.
    pub fn unanswered<'a>(&'a self, fold: &'a Fold, query: &Query) -> Option<&'a Done> {
        self.against(fold, query).into_iter().find(|one| one.reply.is_none()).map(|one| one.said)
    }

    /// The reviews of a proposed purpose by those who review it, in order of members; anybody else's is none.
    pub fn reviews<'a>(&'a self, fold: &'a Fold, proposal: &'a Done) -> Vec<Reviewed<'a>> {
        let reviewers = self.reviewers(fold, proposal).unwrap_or(&[]);
        let mut bound = self.firsts(fold, &proposal.at, |act| matches!(act, Act::Review { .. }));
        bound.retain(|by, _| reviewers.contains(by));
        let opened = |by: &MemberId, bound: &Digest| {
            let shown = self.on(&proposal.at).filter(|done| done.by == *by);
            let mut shown = shown.filter_map(|done| {
                let Act::Opened { salt, findings, .. } = &done.act else { return None };
                Some((&done.at, salt, findings))
            });
            let right =
                shown.find(|(_, salt, findings)| findings_hash(by, &proposal.at, salt, findings) == *bound);
            right.map(|(at, _, findings)| (at, findings))
        };
        let reviews = bound.into_values().filter_map(|done| {
            let Act::Review { hash, .. } = &done.act else { return None };
            Some(Reviewed { by: &done.by, bound: &done.at, opened: opened(&done.by, hash) })
        });
        reviews.collect()
    }

    /// The first entry by which whoever made a proposal took it back.
    fn withdrawal<'a>(&'a self, proposal: &'a Done) -> Option<&'a Done> {
        let own = self.on(&proposal.at).filter(|done| done.by == proposal.by);
        own.filter(|done| matches!(done.act, Act::Withdrawal { .. })).min_by_key(|done| done.at.index)
    }

    /// How a proposal stands; `None` of what is none, or of whoever may make none.
    pub fn state(&self, fold: &Fold, proposal: &Done, now: Time) -> Option<State> {
        let Act::Proposal { subject, draft, charter, .. } = &proposal.act else { return None };
        if !is_entitled(fold, proposal) {
            return None;
        }
        let made_under = fold.charter_named(charter).map_or(0, |charter| charter.version());
        let adopted = match subject {
            Subject::Charter(_) => fold.charter_named(draft).is_some(),
            Subject::Purpose(id) => {
                let mut later = fold.charters().iter().filter(|charter| charter.version() > made_under);
                later.any(|charter| charter.purpose(id).is_some())
            }
            Subject::Question(_) => {
                let mut queries = fold.rounds().values().filter_map(|round| round.query());
                // Asked before it was proposed, it is to be asked again: as after its 60 days, which end its support.
                queries.any(|query| query.question_hash == *draft && query.at >= proposal.time)
            }
        };
        Some(match () {
            () if adopted => State::Adopted,
            () if self.withdrawal(proposal).is_some() => State::Withdrawn,
            () if is_over(fold, proposal, now) => State::Stale,
            () => State::Open,
        })
    }

    /// What members want restricted now, by the charter that a member goes by (CHARTER.md, C11): what a member
    /// says of itself, and what members of so many bodies say of anything. Restrictions combine; each holds
    /// for a while, and counts if it repeats one at most within a year. One that says it is from later than now is not
    /// made yet, but for whoever said it: its own no holds at once, and until as long after its date as any. What was
    /// said again once that clock was set right takes its place.
    pub fn restrictions<'a>(&'a self, fold: &'a Fold, me: &MemberId, now: Time) -> Vec<Restriction<'a>> {
        let charter = fold.charter_at(me, now);
        let mut said: BTreeMap<(&Target, &MemberId), Vec<&Done>> = BTreeMap::new();
        for done in self.all() {
            let Act::Restriction { target } = &done.act else { continue };
            // Under the version that we go by too: nobody keeps a vote by not putting in force what took it.
            if !may(charter, done) || !is_entitled(fold, done) {
                continue;
            }
            said.entry((target, &done.by)).or_default().push(done);
        }
        let mut wanted: BTreeMap<&Target, Vec<(&str, &Done)>> = BTreeMap::new();
        for ((target, by), mut all) in said {
            all.sort_by(|a, b| a.at.order().cmp(&b.at.order()));
            let made = |done: &Done| done.by == *me || !is_ahead(done, now);
            let holds = |done: &&&Done| made(done) && now < done.time + RESTRICTION_HOLDS;
            // Those that hold are within a year of each other: no more than so many of them can count.
            let said_last = not_said_again(&all);
            let holding = said_last.iter().filter(holds).take(RESTRICTIONS_MAX);
            let mut holding = holding.filter(|done| !is_one_too_many(&all, done)).copied();
            let Some((member, first)) = charter.member(by).zip(holding.next()) else { continue };
            let last = holding.fold(first, |last, done| if done.time > last.time { done } else { last });
            wanted.entry(target).or_default().push((&member.body, last));
        }
        let needed = charter.fields().restrict as usize;
        wanted.into_iter().map(|(target, by)| Restriction::of(target, &by, needed)).collect()
    }

    /// What is restricted for a member now.
    pub fn restricted(&self, fold: &Fold, me: &MemberId, now: Time) -> Restricted {
        let mut restricted = Restricted::default();
        let all = self.restrictions(fold, me, now);
        for Restriction { target, .. } in all.iter().filter(|wanted| wanted.until.is_some()) {
            match target {
                Target::Member(id) => drop(restricted.members.insert(id.clone())),
                Target::Purpose(id) => drop(restricted.purposes.insert(id.clone())),
                Target::Dataset(id) => drop(restricted.datasets.insert(id.clone())),
            }
        }
        restricted
    }
}

impl<'a> Restriction<'a> {
    fn of(target: &'a Target, said: &[(&str, &'a Done)], needed: usize) -> Self {
        let mut ends: BTreeMap<&str, Time> = BTreeMap::new();
        for (body, done) in said {
            let end = ends.entry(body).or_insert(Time(0));
            *end = (*end).max(done.time + RESTRICTION_HOLDS);
        }
        let bodies = ends.len();
        let mut ends: Vec<Time> = ends.into_values().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        // As long as so many bodies still say so; of itself, as long as the member does.
        let together = needed.checked_sub(1).and_then(|last| ends.get(last)).copied();
        let own = said.iter().filter(|(_, done)| *target == Target::Member(done.by.clone()));
        let own = own.map(|(_, done)| done.time + RESTRICTION_HOLDS).max();
        Self { target, by: said.iter().map(|(_, done)| *done).collect(), bodies, until: together.max(own) }
    }
}

/// Whether it says it is from later than clocks may differ: what ran ahead was set right since, or its author lies.
pub(crate) fn is_ahead(done: &Done, now: Time) -> bool {
    done.time > now + CLOCK_SKEW_MAX
}

/// Without those that the same member said again later, in the order of its log, and dated earlier by more than clocks
/// may differ: the clock by which they were dated was ahead, and was set right since.
fn not_said_again<'a>(same: &[&'a Done]) -> Vec<&'a Done> {
    let (mut last, mut earliest) = (vec![], None);
    for done in same.iter().rev() {
        if earliest.is_none_or(|earliest: Time| done.time <= earliest + CLOCK_SKEW_MAX) {
            last.push(*done);
        }
        earliest = Some(earliest.map_or(done.time, |earliest| earliest.min(done.time)));
    }
    last.reverse();
    last
}

/// Whether a member had said the same so often before, within a year of what this says of its time: by the order of
/// its log, so that no time that it writes down makes room for more.
pub(crate) fn is_one_too_many(same: &[&Done], done: &Done) -> bool {
    let before = same.iter().filter(|other| other.at.index < done.at.index);
    before.filter(|other| other.time.0.abs_diff(done.time.0) < RESTRICTIONS_WITHIN.0).count()
        >= RESTRICTIONS_MAX
}

/// Whether a proposal's time is over, or the charter that it was made under is; a question's does not end with that.
fn is_over(fold: &Fold, proposal: &Done, now: Time) -> bool {
    let Act::Proposal { subject, charter, .. } = &proposal.act else { return true };
    let outlived = !matches!(subject, Subject::Question(_)) && fold.charter().hash() != *charter;
    outlived || now > proposal.time + PROPOSAL_OPEN
}

/// Whether whoever did it may, under the charter that it then went by, as its own log says; and under each later
/// one that others went by already: nobody keeps a role by not putting in force what took it.
pub fn is_entitled(fold: &Fold, done: &Done) -> bool {
    under_each(fold, done, |charter| may(charter, done))
}

/// Whether whoever did it had a vote, under the same versions.
pub(crate) fn has_vote(fold: &Fold, done: &Done) -> bool {
    under_each(fold, done, |charter| charter.member(&done.by).is_some_and(|member| member.votes()))
}

fn under_each(fold: &Fold, done: &Done, holds: impl Fn(&Charter) -> bool) -> bool {
    let own = fold.charter_of_entry(&done.by, done.time, done.at.order());
    let later = fold.charters().iter().filter(|charter| charter.version() > own.version());
    let mut acting = later.filter(|charter| fold.is_gone_by(charter, done.time));
    holds(own) && acting.all(|charter| holds(charter))
}

/// Whether a version of the charter gives whoever did it a role for that.
fn may(charter: &Charter, done: &Done) -> bool {
    let member = charter.member(&done.by);
    // Itself a member suspends whatever its role: its keys may be stolen.
    let itself = matches!(&done.act, Act::Restriction { target: Target::Member(id) } if *id == done.by);
    member.is_some_and(|member| itself || done.act.is_for(member))
}
