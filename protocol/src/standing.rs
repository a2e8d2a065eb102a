//! A member's standing: its Ledger, what it promised, what it debited before. Replayed from its own
//! log, entry by entry, by the member itself and by an auditor.

use std::collections::BTreeMap;

use datacoop_policy::ledger::{Account, Ledger};
use datacoop_policy::limits::Limits;
use datacoop_policy::query::Query;
use datacoop_policy::refusal::Refusal;
use datacoop_policy::verdict::{Facts, Layers, PastRoster, judge};
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, QueryId, Time};

use crate::entry::Body;
use crate::fold::Fold;
use crate::rounds::{Ending, Kind, Logged, Round};

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

/// A round of ours whose loss is not settled.
#[derive(Clone, Debug)]
struct Promise {
    account: Account,
    purpose: String,
    loss: PrivacyLoss,
    lapses: Time,
}

/// A debit and what it was for.
#[derive(Clone, Debug)]
struct Spent {
    account: Account,
    purpose: String,
    loss: PrivacyLoss,
    contributed: bool,
    voided: bool,
}

/// A member's Ledger and history, up to some entry of its own log.
#[derive(Clone, Default, Debug)]
pub struct Standing {
    ledger: Ledger,
    promises: BTreeMap<QueryId, Promise>,
    debits: BTreeMap<QueryId, Spent>,
    attempts: BTreeMap<Sameness, u32>,
    past: BTreeMap<Digest, Vec<PastRoster>>,
}

impl Standing {
    /// The Ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes one entry of the member's own log. Returns what is wrong with it as bookkeeping: a
    /// debit that does not add up, comes twice or names no Query, or a void without cause.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    pub fn apply(&mut self, fold: &Fold, logged: &Logged) -> Result<(), &'static str> {
        let Some(id) = logged.body.query() else { return Ok(()) };
        let round = fold.round(&id);
        let query = round.and_then(|round| round.query());
        match &logged.body {
            Body::Accept { .. } => {
                if let Some(query) = query {
                    self.promise(id, query);
                }
                Ok(())
            }
            Body::Debit { debit, .. } => {
                self.promises.remove(&id);
                let adds_up = self.ledger.book(debit);
                let query = query.ok_or("a debit for a query that no log holds")?;
                let spent = Spent {
                    account: debit.account.clone(),
                    purpose: query.purpose.clone(),
                    loss: debit.loss,
                    contributed: false,
                    voided: false,
                };
                let again = self.debits.insert(id, spent).is_some();
                self.remember_roster(round, query);
                match (again, adds_up, debit.loss == query.loss && debit.account == query.account) {
                    (true, _, _) => Err("a second debit for one query"),
                    (_, false, _) => Err("a debit that does not add up"),
                    (_, _, false) => Err("a debit of another loss or account than the query states"),
                    (false, true, true) => Ok(()),
                }
            }
            Body::Contribution { .. } | Body::Commit { .. } => self.contribute(id, query.map(AsRef::as_ref)),
            Body::Void { .. } => self.void(id),
            _ => Ok(()),
        }
    }

    fn promise(&mut self, id: QueryId, query: &Query) {
        let promise = Promise {
            account: query.account.clone(),
            purpose: query.purpose.clone(),
            loss: query.loss,
            lapses: query.contribute_by,
        };
        self.promises.insert(id, promise);
    }

    fn remember_roster(&mut self, round: Option<&std::sync::Arc<Round>>, query: &Query) {
        if let Some(plan) = round.and_then(|round| round.plan()) {
            let groups = query.question.member_groups(&plan.members);
            let past = PastRoster { members: plan.members.clone(), groups };
            self.past.entry(repeat_key(query)).or_default().push(past);
        }
    }

    fn contribute(&mut self, id: QueryId, query: Option<&Query>) -> Result<(), &'static str> {
        if let Some(query) = query {
            *self.attempts.entry(Sameness::of(query)).or_default() += 1;
        }
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

    fn void(&mut self, id: QueryId) -> Result<(), &'static str> {
        match self.debits.get_mut(&id) {
            Some(spent) if !spent.contributed && !spent.voided => {
                spent.voided = true;
                self.ledger.void(&spent.account, spent.loss);
                Ok(())
            }
            _ => Err("a void of a debit that was used, voided before, or never made"),
        }
    }

    /// Loss of accepted Queries on an account that may still be debited: a Query that ended, or
    /// whose Roster left the member out, reserves nothing.
    fn reserved<'a>(
        &'a self,
        fold: &'a Fold,
        me: &'a MemberId,
        now: Time,
    ) -> impl Iterator<Item = &'a Promise> {
        self.promises.iter().filter_map(move |(id, promise)| {
            let round = fold.round(id);
            let over = round.is_some_and(|round| round.ending().is_some())
                || round.and_then(|round| round.plan()).is_some_and(|plan| !plan.members.contains(me));
            (promise.lapses > now && !over).then_some(promise)
        })
    }

    /// Judges a Query as this member, from its standing. `own` is `None` for an auditor, who cannot
    /// see the member's own limits; `fresh` says whether a stored Release counts as an answer.
    #[expect(clippy::too_many_arguments, reason = "each is one public fact; a struct would only rename them")]
    pub fn judge(
        &self,
        fold: &Fold,
        me: &MemberId,
        query: &Query,
        roster: Option<&[MemberId]>,
        own: Option<&Limits>,
        declared: bool,
        fresh: bool,
        now: Time,
    ) -> Result<(), Refusal> {
        let others = || {
            self.reserved(fold, me, now)
                .filter(|promise| promise.account == query.account)
                .map(|promise| (promise.purpose.as_str(), promise.loss))
        };
        let own_promise = self.promises.contains_key(&query.id);
        let sum =
            |losses: &mut dyn Iterator<Item = PrivacyLoss>| losses.fold(PrivacyLoss::ZERO, PrivacyLoss::plus);
        let mut reserved = sum(&mut others().map(|(_, loss)| loss));
        let of_purpose = &mut others().filter(|(purpose, _)| *purpose == query.purpose).map(|(_, loss)| loss);
        let mut purpose_spent = sum(of_purpose).plus(self.purpose_debits(query));
        if own_promise {
            reserved = reserved.less(query.loss);
            purpose_spent = purpose_spent.less(query.loss);
        }
        let none = vec![];
        let facts = Facts {
            now,
            me,
            charter: fold.charter(),
            ledger: &self.ledger,
            reserved,
            purpose_spent,
            attempts: self.attempts.get(&Sameness::of(query)).copied().unwrap_or(0),
            answered: fresh && released(fold, query).is_some(),
            past: self.past.get(&repeat_key(query)).unwrap_or(&none),
            declared,
        };
        judge(&Layers::new(fold.charter(), &query.purpose, own), query, roster, &facts)
    }

    fn purpose_debits(&self, query: &Query) -> PrivacyLoss {
        let same = |spent: &&Spent| {
            !spent.voided && spent.account == query.account && spent.purpose == query.purpose
        };
        self.debits.values().filter(same).fold(PrivacyLoss::ZERO, |sum, spent| sum.plus(spent.loss))
    }

    /// Whether a debit of this Query stands and was not voided.
    pub fn holds_debit(&self, id: &QueryId) -> bool {
        self.debits.get(id).is_some_and(|spent| !spent.voided)
    }
}

/// Rosters of the same question and parameters are compared, lists of members aside: those are
/// compared as groups.
fn repeat_key(query: &Query) -> Digest {
    let listed = query.question.listed_params();
    let params = query.question.params().iter().filter(|(name, _)| !listed.contains(name.as_str()));
    let mut bytes = query.question_hash.0.to_vec();
    for (name, value) in params {
        for text in [name, value] {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    crate::log::tree::sha256(&[&bytes])
}

/// The Query whose Release answers the same question, parameters and period.
pub fn released(fold: &Fold, query: &Query) -> Option<QueryId> {
    let wanted = Sameness::of(query);
    fold.rounds().values().find_map(|round| {
        let same = round.query().is_some_and(|other| Sameness::of(other) == wanted);
        (same && matches!(round.ending(), Some(Ending::Released(_)))).then_some(round.id)
    })
}

/// Replays a whole log of a member. Returns its standing and each entry that is wrong.
pub fn replay(fold: &Fold, member: &MemberId) -> (Standing, Vec<(Logged, &'static str)>) {
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
    entries.sort_by_key(|logged| logged.at.index);
    for logged in entries {
        if let Err(what) = standing.apply(fold, logged) {
            wrong.push((logged.clone(), what));
        }
    }
    (standing, wrong)
}
