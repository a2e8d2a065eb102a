//! A member's standing: its Ledger, what it promised, what it debited before. Replayed from its own
//! log, entry by entry, by the member itself and by an auditor.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::delegation::{Delegation, Known};
use datacoop_policy::ledger::{Account, Debit, Ledger};
use datacoop_policy::limits::{Limits, Restricted};
use datacoop_policy::query::{Answer, Mode, Query};
use datacoop_policy::question::is_choice;
use datacoop_policy::refusal::Refusal;
use datacoop_policy::step::{MemberSet, PastRound, largest_lawful, smallest_step};
use datacoop_policy::verdict::{Facts, Layers, judge, member_sets};
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, QueryId, Time};

use crate::entry::{Body, LAST, Order, order_of};
use crate::fold::{Fold, Log};
use crate::rounds::{Ending, Kind, Logged, Plan, Round};

/// What `Standing::apply` says of a debit whose Query stands in a log that is not here: it is booked,
/// and whether its loss is the Query's own cannot be told.
const NO_QUERY: &str = "a debit for a query that no log here holds";

/// What makes two Queries the same: their answer is then the same stored Release.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sameness {
    question: Digest,
    params: BTreeMap<String, String>,
    period: Period,
}

impl Sameness {
    /// Of a Query.
    pub fn of(query: &Query) -> Self {
        Self {
            question: query.question_hash,
            params: query.question.params().clone(),
            period: query.period(),
        }
    }
}

/// What two debits are attempts of: whether the Query supersedes a Release counts, not which it names, so
/// no name earns a third attempt.
pub(crate) type Attempt = (Sameness, bool);

pub(crate) fn attempt(query: &Query) -> Attempt {
    (Sameness::of(query), query.supersedes.is_some())
}

/// What a debit was for.
#[derive(Clone, Debug)]
struct About {
    purpose: String,
    attempt: Attempt,
    repeats: Digest,
}

impl About {
    fn of(query: &Query) -> Self {
        Self { purpose: query.purpose.clone(), attempt: attempt(query), repeats: repeat_key(query) }
    }

    /// Whether a lot that was spoilt here was one for this Query too: the same days in other words, or a few
    /// of them more or less, are no new question. Days that do not overlap are.
    fn shares_lots_with(&self, query: &Query, repeats: Digest) -> bool {
        let (Sameness { period, .. }, corrects) = &self.attempt;
        let other = query.period();
        let overlap = period.first() <= other.last() && other.first() <= period.last();
        self.repeats == repeats && *corrects == query.supersedes.is_some() && overlap
    }
}

/// A debit, and what it was for.
#[derive(Clone, Debug)]
struct Spent {
    account: Account,
    /// `None` while the Query is not here, as after a recovery from peers of which one withheld the asker's
    /// log: then the fold is asked whenever it matters.
    about: Option<About>,
    loss: PrivacyLoss,
    contributed: bool,
    voided: bool,
    /// Whether seats were by lot in its round, as was known when it was voided.
    by_lot: bool,
}

impl Spent {
    fn about<'a>(&'a self, fold: &Fold, id: &QueryId) -> Option<Cow<'a, About>> {
        let late = || fold.round(id)?.query().map(|query| Cow::Owned(About::of(query)));
        self.about.as_ref().map(Cow::Borrowed).or_else(late)
    }
}

/// What may still be spent in a ledger year.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// In all.
    pub year: PrivacyLoss,
    /// On this purpose.
    pub purpose: PrivacyLoss,
    /// What `year` leaves out for promises that are still open.
    pub promised: PrivacyLoss,
}

/// A member's Ledger and history, up to some entry of its own log.
#[derive(Clone, Default, Debug)]
pub struct Standing {
    ledger: Ledger,
    /// Rounds that were accepted and not debited, by how many had been before.
    promises: BTreeMap<QueryId, u64>,
    /// How many were accepted.
    accepted: u64,
    debits: BTreeMap<QueryId, Spent>,
    /// Of debits whose Query was here when they were booked, those that stand.
    attempts: BTreeMap<Attempt, u32>,
    /// Debits whose Query was not.
    unknown: BTreeSet<QueryId>,
    /// Debits that were voided.
    voided: BTreeSet<QueryId>,
    /// Whether it judges what was written, for which promises count for nothing, and may not find rounds of
    /// earlier in the fold.
    audits: bool,
    /// Rounds of which our own entries so far show that we knew that the whole Roster was added up.
    added_up: BTreeMap<QueryId, PastRound>,
}

/// What a judgement is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judged<'a> {
    /// What to do now: a stored Release counts as an answer, and accepted sets as seen.
    Now,
    /// What a member wrote in the entry at this place, of which only its own log tells what it knew.
    Entry(Order<'a>),
}

impl Standing {
    /// For whoever takes entries with their whole rounds, and judges only what was written. Of each debit it keeps
    /// what it was for, and of each round that was added up whom.
    pub(crate) fn for_audit() -> Self {
        Self { audits: true, ..Self::default() }
    }

    /// Takes a close or a release of our own, with its whole round.
    pub(crate) fn add_up(&mut self, round: &Round, me: &MemberId, logged: &Logged) {
        let Some(plan) = round.plan() else { return };
        if let Some(past) = whole_round(round, plan, me, order_of(&logged.at.log, logged.at.index + 1)) {
            self.added_up.insert(round.id, past);
        }
    }

    /// The Ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A log goes on from another, of which it carries this over: no account starts lower.
    pub(crate) fn carry(&mut self, ledger: &Ledger) {
        ledger.accounts().for_each(|(account, spent)| self.ledger.carry(account, spent));
    }

    /// Takes one entry of the member's own log. Returns what is wrong with it as bookkeeping: a
    /// debit that does not add up, comes twice or names no Query, or a void without cause.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    pub fn apply(&mut self, fold: &Fold, logged: &Logged) -> Result<(), &'static str> {
        let Some(id) = logged.body.query() else { return Ok(()) };
        let query = fold.round(&id).and_then(|round| round.query());
        match &logged.body {
            Body::Accept { .. } if self.audits => Ok(()),
            Body::Accept { .. } => {
                self.promises.insert(id, self.accepted);
                self.accepted += 1;
                Ok(())
            }
            Body::Debit { debit, .. } => self.debit(id, debit, query.map(AsRef::as_ref)),
            Body::Contribution { .. } | Body::Commit { .. } => self.contribute(id),
            Body::Void { .. } => {
                let plan = fold.round(&id).and_then(|round| round.plan());
                self.void(id, plan.is_some_and(|plan| plan.by_lot()))
            }
            _ => Ok(()),
        }
    }

    /// Books a debit, whatever is wrong with it: the Ledger of one log needs no other log.
    fn debit(&mut self, id: QueryId, debit: &Debit, query: Option<&Query>) -> Result<(), &'static str> {
        self.promises.remove(&id);
        let adds_up = self.ledger.book(debit);
        let about = query.map(About::of);
        match &about {
            Some(about) => *self.attempts.entry(about.attempt.clone()).or_default() += 1,
            None => drop(self.unknown.insert(id)),
        }
        let account = debit.account.clone();
        let spent =
            Spent { account, about, loss: debit.loss, contributed: false, voided: false, by_lot: false };
        if self.debits.insert(id, spent).is_some() {
            return Err("a second debit for one query");
        }
        if !adds_up {
            return Err("a debit that does not add up");
        }
        let query = query.ok_or(NO_QUERY)?;
        if debit.loss != query.loss || debit.account != query.account {
            return Err("a debit of another loss or account than the query states");
        }
        Ok(())
    }

    fn contribute(&mut self, id: QueryId) -> Result<(), &'static str> {
        match self.debits.get_mut(&id) {
            None => Err("a contribution without a debit"),
            Some(spent) if spent.voided => Err("a contribution after its debit was voided"),
            Some(spent) if spent.contributed => Err("a second contribution for one debit"),
            Some(spent) => {
                spent.contributed = true;
                Ok(())
            }
        }
    }

    fn void(&mut self, id: QueryId, by_lot: bool) -> Result<(), &'static str> {
        match self.debits.get_mut(&id) {
            Some(spent) if !spent.contributed && !spent.voided => {
                (spent.voided, spent.by_lot) = (true, by_lot);
                self.ledger.void(&spent.account, spent.loss);
                let attempts = spent.about.as_ref().and_then(|about| self.attempts.get_mut(&about.attempt));
                attempts.into_iter().for_each(|attempts| *attempts = attempts.saturating_sub(1));
                self.unknown.remove(&id);
                self.voided.insert(id);
                Ok(())
            }
            _ => Err("a void of a debit that was used, voided before, or never made"),
        }
    }

    /// Accepted Queries that may still be debited: one that ended, or whose Roster left the member out,
    /// reserves nothing.
    fn reserved<'a>(
        &'a self,
        fold: &'a Fold,
        me: &'a MemberId,
        now: Time,
    ) -> impl Iterator<Item = &'a Arc<Query>> {
        self.promises.keys().filter_map(move |id| {
            let round = fold.round(id)?;
            let query = round.query()?;
            let over =
                round.ending().is_some() || round.plan().is_some_and(|plan| !plan.members.contains(me));
            (query.contribute_by >= now && !over).then_some(query)
        })
    }

    /// What promises that are still open hold of an account.
    pub fn promised(&self, fold: &Fold, me: &MemberId, account: &Account, now: Time) -> PrivacyLoss {
        let open = self.reserved(fold, me, now).filter(|query| query.account == *account);
        open.fold(PrivacyLoss::ZERO, |sum, query| sum.plus(query.loss))
    }

    /// What the Query's account holds in promises that are still open, and what debits and promises of
    /// its purpose come to; the Query's own promise aside.
    fn taken(&self, fold: &Fold, me: &MemberId, query: &Query, now: Time) -> (PrivacyLoss, PrivacyLoss) {
        let others = self.reserved(fold, me, now);
        let others: Vec<_> =
            others.filter(|other| other.id != query.id && other.account == query.account).collect();
        let sum = |losses: &mut dyn Iterator<Item = &&Arc<Query>>| {
            losses.fold(PrivacyLoss::ZERO, |sum, other| sum.plus(other.loss))
        };
        let of_purpose = &mut others.iter().filter(|other| other.purpose == query.purpose);
        (sum(&mut others.iter()), sum(of_purpose).plus(self.purpose_debits(fold, query)))
    }

    /// Debits of the same attempt that stand.
    fn attempts(&self, fold: &Fold, query: &Query) -> u32 {
        let wanted = attempt(query);
        let known = self.attempts.get(&wanted).copied().unwrap_or(0);
        let late = |id: &&QueryId| {
            let about = self.debits.get(id).and_then(|spent| spent.about(fold, id));
            about.is_some_and(|about| about.attempt == wanted)
        };
        known.saturating_add(count(self.unknown.iter().filter(late)))
    }

    /// Debits that returned because the lot of a round of the same question came to nothing.
    fn spoilt_lots(&self, fold: &Fold, query: &Query) -> u32 {
        let repeats = repeat_key(query);
        count(self.voided.iter().filter(|id| {
            let late = || fold.round(id).and_then(|round| round.plan()).is_some_and(|plan| plan.by_lot());
            let spent = self.debits.get(id).filter(|spent| spent.by_lot || late());
            let about = spent.and_then(|spent| spent.about(fold, id));
            about.is_some_and(|about| about.shares_lots_with(query, repeats))
        }))
    }

    /// What may still be spent on a Query's account and purpose under these limits, before the Query
    /// itself. Promises that are still open count as spent.
    pub fn room(&self, fold: &Fold, me: &MemberId, query: &Query, limits: &Limits, now: Time) -> Room {
        let (reserved, purpose_spent) = self.taken(fold, me, query, now);
        Room {
            year: limits.rho_year.less(self.ledger.spent(&query.account)).less(reserved),
            purpose: limits.rho_purpose.less(purpose_spent),
            promised: reserved,
        }
    }

    /// Judges a Query as this member, from its standing. `own` is `None` for an auditor, who cannot
    /// see the member's own limits.
    #[expect(clippy::too_many_arguments, reason = "each is one public fact; a struct would only rename them")]
    pub fn judge(
        &self,
        fold: &Fold,
        me: &MemberId,
        query: &Query,
        roster: Option<&[MemberId]>,
        own: Option<&Limits>,
        declared: bool,
        judged: Judged<'_>,
        now: Time,
    ) -> Result<(), Refusal> {
        let fresh = judged == Judged::Now;
        let (reserved, purpose_spent) = match fresh {
            true => self.taken(fold, me, query, now),
            // Whether a promise of then was over rests on other logs, as the member held them.
            false => (PrivacyLoss::ZERO, self.purpose_debits(fold, query)),
        };
        let past = match (roster, fresh) {
            (None, _) => vec![],
            (Some(roster), true) => past_rounds(fold, query, roster, Some((me, now))),
            (Some(_), false) => self.own_past_rounds(fold, me, query),
        };
        let answer = if fresh { answer(fold, query) } else { named_answer(fold, query) };
        let charter = match judged {
            Judged::Now => fold.charter_at(me, now),
            Judged::Entry(at) => fold.charter_of_entry(me, now, at),
        };
        // Whether a member had heard of a restriction by then is in no log.
        let restricted = if fresh { fold.acts().restricted(fold, me, now) } else { Restricted::default() };
        let held = held_delegation(fold, query, fresh);
        let delegation = match &held {
            Some(held) => Known::Held(held),
            // A member decides by what it holds; an auditor may hold less than the member did.
            None if fresh || is_other_entry(fold, query) => Known::Nothing,
            None => Known::Unseen,
        };
        let facts = Facts {
            now,
            me,
            charter,
            ledger: &self.ledger,
            reserved,
            purpose_spent,
            attempts: self.attempts(fold, query),
            voided: self.spoilt_lots(fold, query),
            answer: answer.as_ref(),
            past: &past,
            // An auditor may hold less of the other round than the member did.
            under_way: fresh && self.is_under_way(fold, me, query, now),
            declared,
            // What was here to be heard by then is in no log.
            unheard_since: if fresh { fold.unheard_since(me, now) } else { None },
            conflict: fresh && fold.in_conflict(),
            restricted: &restricted,
            cosigners: fold.acts().cosigned(fold, query, fresh),
            delegation,
        };
        let layers = Layers::new(charter, &query.purpose, own).under(&restricted).delegated(held.as_ref());
        judge(&layers, query, roster, &facts)
    }

    /// What an auditor compares a member's debit with: rounds that this member debited itself, of which an earlier
    /// entry of its own shows that it knew that the whole Roster was added up: a close with that set, or the
    /// release. Of what other logs say it may not have heard by then. Nor of a round that it debited for another
    /// Roster than the one here.
    fn own_past_rounds(&self, fold: &Fold, me: &MemberId, query: &Query) -> Vec<PastRound> {
        let key = repeat_key(query);
        let debit = fold.round(&query.id).and_then(|round| round.said(Kind::Debit, me));
        let end = debit.map_or(LAST, |debit| debit.at.order());
        let past = self.repeats(fold, key).filter(|id| **id != query.id).filter_map(|id| {
            if self.audits {
                return self.added_up.get(id).cloned();
            }
            let round = fold.round(id)?;
            whole_round(round, round.plan()?, me, end)
        });
        past.collect()
    }

    /// Debits that stand for rounds of the same question and parameters.
    fn repeats<'a>(&'a self, fold: &'a Fold, key: Digest) -> impl Iterator<Item = &'a QueryId> {
        let same = move |(id, spent): &(&QueryId, &Spent)| {
            !spent.voided && spent.about(fold, id).is_some_and(|about| about.repeats == key)
        };
        self.debits.iter().filter(same).map(|(id, _)| id)
    }

    /// Whether another round that a sum of this Query can be set against, and that we accepted, may still give
    /// one: two at once could end with accepted sets that differ. Not one of full noise, of which each vector
    /// is noised whole; but of two corrections of one Release, whatever their noise, one waits for the other,
    /// or both would stand.
    ///
    /// What we accepted, once we have accepted this one later, waits for this one: it had lapsed by then. Else
    /// an asker that holds its Roster back until then would have each of the two wait for the other.
    pub fn is_under_way(&self, fold: &Fold, me: &MemberId, query: &Query, now: Time) -> bool {
        let key = repeat_key(query);
        let blocks = |id: &QueryId| {
            let Some((round, other)) = fold.round(id).and_then(|round| Some((round, round.query()?))) else {
                return false;
            };
            let ours = round.plan().is_none_or(|plan| plan.members.contains(me));
            let secure = query.mode == Mode::Secure && other.mode == Mode::Secure;
            let compared = PastRound { period: other.period(), sets: vec![] }.counts_for(query.period());
            let corrects = query.supersedes.is_some() && attempt(other) == attempt(query);
            ours && (secure && compared || corrects) && repeat_key(other) == key && round.may_give_sum(now)
        };
        // Not `reserved`: an abort that claims to be of a later time ends a promise, and no round.
        let accepted = self.promises.get(&query.id);
        let promised = self.promises.iter().filter(|(id, at)| {
            let open = fold.round(id).and_then(|round| round.query());
            open.is_some_and(|other| other.contribute_by >= now) && accepted.is_none_or(|own| own < *at)
        });
        let promised = promised.map(|(id, _)| id);
        promised.chain(self.repeats(fold, key)).any(|id| *id != query.id && blocks(id))
    }

    fn purpose_debits(&self, fold: &Fold, query: &Query) -> PrivacyLoss {
        let same = |(id, spent): &(&QueryId, &Spent)| {
            let stands = !spent.voided && spent.account == query.account;
            stands && spent.about(fold, id).is_some_and(|about| about.purpose == query.purpose)
        };
        let same = self.debits.iter().filter(same);
        same.fold(PrivacyLoss::ZERO, |sum, (_, spent)| sum.plus(spent.loss))
    }

    /// Whether a debit of this Query stands that nothing was contributed under.
    pub fn holds_unused_debit(&self, id: &QueryId) -> bool {
        self.debits.get(id).is_some_and(|spent| !spent.voided && !spent.contributed)
    }
}

/// The delegation that a Query cites. An auditor cannot tell when a member heard that it was taken back.
pub(crate) fn held_delegation(fold: &Fold, query: &Query, fresh: bool) -> Option<Delegation> {
    let held = fold.acts().cited(query.delegation.as_ref()?)?;
    Some(Delegation { revoked: held.revoked && fresh, ..held })
}

/// Whether a Query cites as its delegation an entry that is here and is none.
fn is_other_entry(fold: &Fold, query: &Query) -> bool {
    let Some(cited) = &query.delegation else { return true };
    let log = cited.by.as_ref().and_then(|by| fold.log(by));
    log.is_some_and(|log| log.tree().leaf(cited.index) == Some(cited.leaf))
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Rosters of the same question and parameters are compared. Lists of members aside: those are compared
/// as groups. Choices of groupings and narrowings aside too: one choice's cells add up to another's, so
/// between them a Roster that changed would show as well. And free texts and numbers: one more digit
/// asks the same.
pub(crate) fn repeat_key(query: &Query) -> Digest {
    let listed = query.question.listed_params();
    let kept = |name: &str| !listed.contains(name) && !is_choice(name) && !query.question.is_free_param(name);
    let params = query.question.params().iter().filter(|(name, _)| kept(name));
    let mut bytes = query.question_hash.0.to_vec();
    for (name, value) in params {
        for text in [name, value] {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    crate::log::tree::sha256(&[&bytes])
}

/// A round as later ones are compared with it: by its Roster, or once it closed by its accepted set.
fn past_round(round: &Round, accepted: Option<Vec<MemberId>>) -> Option<PastRound> {
    let plan = round.plan()?;
    let members = accepted.unwrap_or_else(|| plan.members.clone());
    Some(PastRound { period: plan.query.period(), sets: member_sets(&plan.query, &members) })
}

/// A round as later ones are compared with it, unless too few debited, so far as is known here, to add
/// anything up. A debit that was contributed under stays one, whatever void comes after.
pub(crate) fn compared(round: &Round) -> Option<PastRound> {
    let plan = round.plan()?;
    let closed = round.closed_by_all();
    let contributed = |id: &MemberId| round.contribution(plan, id).is_some();
    let debited = |id: &&MemberId| {
        round.debit(plan, id).is_some() && (round.said(Kind::Void, id).is_none() || contributed(id))
    };
    let enough = plan.members.iter().filter(debited).count() >= round.accepted_min(plan);
    if closed.is_some() || enough { past_round(round, closed.map(|closed| closed.accepted)) } else { None }
}

/// A round that a member debited itself, once its own entries before `end` show that it knew that the whole Roster
/// was added up.
fn whole_round(round: &Round, plan: &Plan, me: &MemberId, end: Order<'_>) -> Option<PastRound> {
    round.debit(plan, me)?;
    let whole = known_sum(round, plan, me, end)? == plan.members;
    if whole { past_round(round, Some(plan.members.clone())) } else { None }
}

/// Whose contributions a member had seen added up, as its own entries before `end` say: by a close, or by the
/// release that stands.
fn known_sum(round: &Round, plan: &Plan, me: &MemberId, end: Order<'_>) -> Option<Vec<MemberId>> {
    let before = |kind| round.said(kind, me).filter(|said| said.at.order() < end);
    if let Some(Logged { body: Body::Close { accepted, .. }, .. }) = before(Kind::Close) {
        return round.lawful_set(plan, accepted);
    }
    let (release, sums) = round.released()?;
    (before(Kind::Release)?.at == release.at).then_some(sums.accepted)
}

/// As `compared`; and a round that this member contributed to itself, while it may still come to a sum: who else
/// debited may show it to others first. A lapse that only some can see frees nobody. Source: CHARTER section 8.
fn compared_by(round: &Round, own: Option<(&MemberId, Time)>) -> Option<PastRound> {
    compared(round).or_else(|| {
        let ((me, now), plan) = (own?, round.plan()?);
        let open = now <= plan.query.close_by && !round.aborted_in_time(None);
        round.contribution(plan, me).filter(|_| open)?;
        past_round(round, None)
    })
}

/// Rounds of the same question and parameters whose sums can be set against a sum over these members: those
/// with a member of theirs, those with a member of one of those, and so on. Not those that too few debited,
/// so far as is known here, to add anything up: nobody spoils a question with a Roster that nobody took.
///
/// CHARTER section 8 speaks of rounds that a member itself debited. That would not do: of {1..5}, {7..11} and
/// {1..11} no member need have debited all three, and together they show {6}. `own` is who takes part in the new
/// round, and when.
fn past_rounds(
    fold: &Fold,
    query: &Query,
    members: &[MemberId],
    own: Option<(&MemberId, Time)>,
) -> Vec<PastRound> {
    let key = repeat_key(query);
    let same = |round: &&Arc<Round>| {
        round.id != query.id && round.query().is_some_and(|other| repeat_key(other) == key)
    };
    let past = fold.rounds().values().filter(same).filter_map(|round| compared_by(round, own));
    let mut others: Vec<PastRound> = past.filter(|past| past.counts_for(query.period())).collect();
    let mut reach: MemberSet = members.iter().cloned().collect();
    let mut linked = vec![];
    loop {
        let (near, far): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|past| past.sets.iter().any(|set| !set.is_disjoint(&reach)));
        if near.is_empty() {
            return linked;
        }
        reach.extend(near.iter().flat_map(|past| past.sets.iter().flatten().cloned()));
        linked.extend(near);
        others = far;
    }
}

/// Whether an accepted set may be opened: beside every round of the same question and parameters that its sum
/// can be set against it sets apart nothing smaller than `step` bodies.
pub fn keeps_step(fold: &Fold, query: &Query, accepted: &[MemberId], step: u32) -> bool {
    let mut sets = member_sets(query, accepted);
    sets.extend(past_rounds(fold, query, accepted, None).into_iter().flat_map(|past| past.sets));
    smallest_step(fold.charter_of(&query.charter), &sets).is_none_or(|bodies| bodies >= step as usize)
}

/// The most of the members that accepted a Query who make a lawful Roster beside the rounds of the same
/// question and parameters: what an asker writes down at this time. Public facts only.
pub fn largest_roster(
    fold: &Fold,
    query: &Query,
    accepts: &[MemberId],
    step: u32,
    now: Time,
) -> Vec<MemberId> {
    let past: Vec<MemberSet> = past_rounds(fold, query, accepts, Some((&query.asker, now)))
        .into_iter()
        .flat_map(|past| past.sets)
        .collect();
    let candidates: MemberSet = accepts.iter().cloned().collect();
    match query.mode {
        Mode::Secure => largest_lawful(fold.charter_of(&query.charter), &past, &candidates, step as usize)
            .into_iter()
            .collect(),
        Mode::FullNoise => accepts.to_vec(),
    }
}

/// The Release that stands for a Query's question, parameters and period: one that superseded another as it
/// may, else one that supersedes none. Of several, asked at once, the first by id.
pub fn answer(fold: &Fold, query: &Query) -> Option<Answer> {
    let wanted = Sameness::of(query);
    let released = fold.rounds().values().filter_map(|round| {
        let plan = round.plan()?;
        let same = matches!(round.ending(), Some(Ending::Released(_))) && Sameness::of(&plan.query) == wanted;
        same.then(|| {
            let corrects = plan.query.supersedes.is_some();
            (plan.query.supersedes, Answer { query: round.id, corrects, members: plan.members.clone() })
        })
    });
    let (corrections, firsts): (Vec<_>, Vec<_>) = released.partition(|(_, answer)| answer.corrects);
    let may = |old: &Option<QueryId>, new: &Answer| {
        let first = firsts.iter().find(|(_, first)| Some(first.query) == *old);
        first.is_some_and(|(_, first)| {
            let both = first.members.iter().filter(|id| new.members.contains(id)).count();
            2 * both > first.members.len()
        })
    };
    let correction = corrections.into_iter().find(|(old, new)| may(old, new));
    correction.or_else(|| firsts.first().cloned()).map(|(_, answer)| answer)
}

/// What an auditor takes for the Release that a Query supersedes: the one it names, unless that Query is here
/// and another, or supersedes one itself. What had been released by then, as a member saw it, cannot be told.
fn named_answer(fold: &Fold, query: &Query) -> Option<Answer> {
    let known = fold.round(&query.supersedes?).and_then(|round| round.asked());
    let fits = known.is_none_or(|asked| {
        let same = |other: &Arc<Query>| Sameness::of(other) == Sameness::of(query);
        asked.query.as_ref().is_ok_and(|other| same(other) && other.supersedes.is_none())
    });
    query.named_answer().filter(|_| fits)
}

/// The Query whose Release supersedes that of this round, if one does.
pub fn superseded_by(fold: &Fold, round: &Round) -> Option<QueryId> {
    let names_it = |other: &Arc<Round>| {
        other.query().is_some_and(|query| query.supersedes == Some(round.id)) && other.released().is_some()
    };
    round.released().filter(|_| fold.rounds().values().any(names_it))?;
    let answer = answer(fold, round.query()?)?;
    (answer.corrects && answer.query != round.id).then_some(answer.query)
}

/// Replays what a member wrote, in all its logs. Returns its standing and each entry that is wrong.
pub fn replay(fold: &Fold, member: &MemberId) -> (Standing, Vec<(Logged, &'static str)>) {
    replay_until(fold, member, LAST)
}

/// As `replay`, up to this entry and without it.
pub fn replay_until(
    fold: &Fold,
    member: &MemberId,
    end: Order<'_>,
) -> (Standing, Vec<(Logged, &'static str)>) {
    let mut standing = Standing::default();
    let mut wrong = vec![];
    let mut entries: Vec<&Logged> = fold
        .rounds()
        .values()
        .flat_map(|round| {
            let firsts = [Kind::Verdict, Kind::Debit, Kind::Contribution, Kind::Void];
            let said = firsts.into_iter().filter_map(|kind| round.said(kind, member));
            said.chain(round.repeats().iter().filter(|(by, _)| by == member).map(|(_, logged)| logged))
        })
        .collect();
    entries.retain(|logged| logged.at.order() < end);
    entries.sort_by_key(|logged| logged.at.order());
    let mut carried = Carried::of(fold, member);
    for logged in entries {
        carried.until(&mut standing, logged.at.order());
        if let Err(what) = standing.apply(fold, logged) {
            wrong.push((logged.clone(), what));
        }
    }
    carried.until(&mut standing, end);
    (standing, wrong)
}

/// What a member's logs carry over from those before them, for a replay to take up in its place.
pub(crate) struct Carried<'a>(Vec<&'a Log>);

impl<'a> Carried<'a> {
    pub(crate) fn of(fold: &'a Fold, member: &MemberId) -> Self {
        Self(fold.logs_of(member).iter().rev().filter(|log| log.previous().is_some()).collect())
    }

    /// Carries over what logs that begin before this place carry.
    pub(crate) fn until(&mut self, standing: &mut Standing, end: Order<'_>) {
        while let Some(log) = self.0.pop_if(|log| log.order(0) < end) {
            if let Some(previous) = log.previous() {
                standing.carry(&previous.ledger);
            }
        }
    }
}
