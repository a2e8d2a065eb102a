//! A member's decisions judged again: its journal replayed record by record, so that each is seen with what
//! the member knew at that moment. For the member's own person, who may ask why, or what other limits would
//! have said. Writes nothing; what limits it judges by is the caller's word, for a log does not hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::limits::{Layer, Limits};
use datacoop_policy::query::Query;
use datacoop_policy::refusal::{Refusal, Rule};
use datacoop_policy::verdict::Layers;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Time};

use crate::clocks::disagreement;
use crate::entry::{Body, Entry};
use crate::fold::Fold;
use crate::inbox;
use crate::member::{Lost, RestoreError, replay};
use crate::rounds::{Kind, Logged, Round};
use crate::standing::{self, Room, Standing, held_delegation};
use crate::wire::{Bytes, Record};
use crate::witness::Witnessed;

/// Whose decisions are judged again, and by what.
pub struct Judge<'a> {
    /// The member.
    pub me: &'a MemberId,
    /// Its own limits; `None` answers nothing.
    pub own: Option<&'a Limits>,
    /// Its standing rules.
    pub inbox: &'a InboxRules,
    /// Datasets of which it holds a table.
    pub declared: &'a BTreeSet<String>,
}

/// What a member had to go by.
struct Knew<'a> {
    fold: &'a Fold,
    standing: &'a Standing,
    witnessed: &'a Witnessed,
    decided: &'a BTreeMap<QueryId, bool>,
}

/// What the rules say of a Query at one moment.
#[derive(Clone, Debug)]
pub struct Judged {
    /// When.
    pub at: Time,
    /// What `judge` says.
    pub said: Result<(), Refusal>,
    /// What could still be spent then, before the Query itself.
    pub room: Room,
}

/// Both times a member decides about a Query. Each is absent where it did not come to it, or where what it
/// knew cannot be told: of a log that was recovered from others, or a Query that means nothing here.
#[derive(Clone, Default, Debug)]
pub struct Hindsight {
    /// When it wrote its verdict.
    pub verdict: Option<Judged>,
    /// With the Roster: when it debited, else when it learned of the Roster.
    pub debit: Option<Judged>,
}

/// Replays a journal under every version of the charter, the first first. Returns what it holds in the end, and each Query that was decided about.
///
/// Errors: the journal holds a copied log that is not proved.
pub fn hindsight(
    charters: Vec<Arc<Charter>>,
    vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    records: Vec<Record>,
    judge: &Judge<'_>,
) -> Result<(Fold, BTreeMap<QueryId, Hindsight>), RestoreError> {
    let mut fold = Fold::with_chain(charters, vocabularies);
    let (mut witnessed, mut lost) = (Witnessed::new(fold.charters(), judge.me), Lost::default());
    let (mut standing, mut now) = (Standing::default(), Time(0));
    let mut found: BTreeMap<QueryId, Hindsight> = BTreeMap::new();
    let own_head = fold.log(judge.me).map(|log| log.head());
    for record in records {
        let recovers = match &record {
            Record::Copied(section) => Some(section.log) == own_head,
            Record::Left(_) => true,
            Record::Entry(_) | Record::Cosigned(_) | Record::Restored | Record::Decided { .. } => false,
        };
        let written = match &record {
            // What others gave back was decided with what they do not tell.
            Record::Entry(Bytes(bytes)) if !lost.restored => Entry::parse(bytes).ok(),
            Record::Entry(_)
            | Record::Copied(_)
            | Record::Cosigned(_)
            | Record::Restored
            | Record::Left(_)
            | Record::Decided { .. } => None,
        };
        if let Some(entry) = &written {
            now = Time::from_seconds(entry.at.seconds());
            let knew =
                Knew { fold: &fold, standing: &standing, witnessed: &witnessed, decided: &lost.decided };
            before_own(&mut found, judge, &knew, &entry.body, now);
        }
        let index = fold.log(judge.me).map_or(0, |log| log.size());
        replay(&mut fold, &mut witnessed, judge.me, &mut lost, record)?;
        if recovers {
            standing = standing::replay(&fold, judge.me).0;
        }
        if let Some(entry) = written
            && let Some(at) = fold.log(judge.me).and_then(|log| log.reference(index))
        {
            let _audited_elsewhere = standing.apply(&fold, &Logged { at, time: now, body: entry.body });
        }
        for id in fold.take_touched() {
            if !lost.restored
                && let Some(round) = fold.round(&id).cloned()
            {
                let knew =
                    Knew { fold: &fold, standing: &standing, witnessed: &witnessed, decided: &lost.decided };
                learn_roster(&mut found, judge, &knew, &round, now);
            }
        }
    }
    Ok((fold, found))
}

/// Our own next entry is about to be written: if it decides something, that is judged with what is known.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn before_own(
    found: &mut BTreeMap<QueryId, Hindsight>,
    judge: &Judge<'_>,
    knew: &Knew<'_>,
    body: &Body,
    now: Time,
) {
    let Some(round) = body.query().and_then(|id| knew.fold.round(&id)) else { return };
    let Some(query) = round.query() else { return };
    match body {
        Body::Accept { .. } | Body::Refuse { .. } if round.said(Kind::Verdict, judge.me).is_none() => {
            let judged = judge.judge(knew, query, None, now);
            found.entry(round.id).or_default().verdict = Some(judged);
        }
        Body::Debit { .. } => {
            let Some(plan) = round.plan() else { return };
            let judged = judge.judge(knew, query, Some(&plan.members), now);
            found.entry(round.id).or_default().debit = Some(judged);
        }
        _ => {}
    }
}

/// A Roster that names us came: a member that declines then writes nothing, so this is all there is to see.
fn learn_roster(
    found: &mut BTreeMap<QueryId, Hindsight>,
    judge: &Judge<'_>,
    knew: &Knew<'_>,
    round: &Round,
    now: Time,
) {
    let (Some(plan), Some(roster)) = (round.plan(), round.roster()) else { return };
    let known = found.get(&round.id).is_some_and(|seen| seen.debit.is_some());
    if known || round.said(Kind::Debit, judge.me).is_some() || !plan.members.contains(judge.me) {
        return;
    }
    let at = now.max(Time::from_seconds(roster.time.seconds()));
    let judged = judge.judge(knew, &plan.query, Some(&plan.members), at);
    found.entry(round.id).or_default().debit = Some(judged);
}

impl Judge<'_> {
    fn judge(&self, knew: &Knew<'_>, query: &Query, roster: Option<&[MemberId]>, now: Time) -> Judged {
        let Knew { fold, standing, witnessed, decided } = knew;
        let nothing = Limits { purposes: datacoop_policy::limits::Set::none(), ..Limits::top() };
        let own = self.own.unwrap_or(&nothing);
        let declared = self.declared.contains(&query.account.dataset);
        let limits = Layers::new(fold.charter_at(self.me, now), &query.purpose, Some(own));
        let limits = limits.delegated(held_delegation(fold, query, true).as_ref()).effective();
        let judged =
            || standing.judge(fold, self.me, query, roster, Some(own), declared, standing::Judged::Now, now);
        let own_word =
            || inbox::refusal(self.inbox, decided.get(&query.id).copied(), query).map_or(Ok(()), Err);
        let off = || disagreement(fold, witnessed, self.me, now).map(|off| off.refusal());
        let said = match two_histories(fold, self.me, query, roster).or_else(off) {
            Some(refusal) => Err(refusal),
            None if roster.is_some() => own_word().and_then(|()| judged()),
            None => judged().and_then(|()| own_word()),
        };
        Judged { at: now, said, room: standing.room(fold, self.me, query, &limits, now) }
    }
}

/// Whoever signed two histories is joined in nothing: the asker or we, and then anybody in the Roster.
fn two_histories(fold: &Fold, me: &MemberId, query: &Query, roster: Option<&[MemberId]>) -> Option<Refusal> {
    let first = [&query.asker, me].into_iter();
    let split = first.chain(roster.into_iter().flatten()).find(|member| fold.split(member).is_some())?;
    let sentence = format!("`{split}` signed two histories of its log");
    Some(Refusal { rule: Rule::TwoHistories, layer: Layer::Member, sentence, numbers: None })
}
