//! Replaced keys: which of our keys we go by, the log that goes on from the last one, and what of others' logs still
//! counts once the charter lists another.
//!
//! Nothing is written with new keys before a version that lists them is in force here, and nothing with the old ones
//! from then on: at no time do two of our logs grow. What the journal holds decides which of them it is, so a crash
//! between any two steps changes nothing.

use datacoop_policy::{Digest, MemberId, QueryId, Time};

use super::port::{Event, Output};
use super::{Member, RestoreError, genesis_keys};
use crate::entry::{Body, Previous};
use crate::fold::{Fold, Log};
use crate::keys::Keys;
use crate::log::note::{Checkpoint, sign_checkpoint};
use crate::rounds::Kind;
use crate::rounds::codes::VoidCode;
use crate::wire::{Record, Section};

/// The log that a member is to write now: that of the version that it goes by, unless a later one was begun already.
///
/// One that was split is left as soon as a version lists another: nobody takes anything of it any more.
fn wanted<'a>(fold: &'a Fold, me: &MemberId, now: Time) -> Option<&'a Log> {
    let current = fold.log(me)?;
    // Of two versions the other may come to stand: which log goes on is not known yet.
    if fold.in_conflict() {
        return Some(current);
    }
    let at = |origin: &str| fold.logs_of(me).iter().find(|log| log.origin == origin);
    let listed = fold.charter_at(me, now).member(me).and_then(|member| at(&member.keys.log.name));
    let is_split = fold.split(me).is_some();
    let acting = fold.charters().iter().filter(|charter| charter.fields().effective.start() <= now);
    let newest = acting.filter_map(|charter| at(&charter.member(me)?.keys.log.name)).next_back();
    let listed = if is_split { newest } else { listed };
    Some(listed.filter(|log| log.order(0) > current.order(0)).unwrap_or(current))
}

/// Which of our keys we go by, and the others.
///
/// Errors: none of them are those that the charter lists for the log that is to be written.
pub(super) fn choose(
    fold: &Fold,
    me: &MemberId,
    now: Time,
    keys: Keys,
    later: Vec<Keys>,
) -> Result<(Keys, Vec<Keys>), RestoreError> {
    let Some(wanted) = wanted(fold, me, now) else {
        return Err(RestoreError("the charter does not hold this node's log".into()));
    };
    let own = |keys: &Keys| keys.public().log.name == wanted.origin && keys.public().log.key == wanted.key();
    let mut all: Vec<Keys> = std::iter::once(keys).chain(later).collect();
    if let Some(at) = all.iter().position(own) {
        return Ok((all.swap_remove(at), all));
    }
    // The first of a log that was never begun, or that others hold, may be lost with its folder: then the next goes on.
    let listed = fold.logs_of(me).iter().filter(|log| log.order(0) > wanted.order(0));
    let next =
        listed.filter_map(|log| all.iter().position(|keys| keys.public().log.name == log.origin)).next();
    match next.filter(|_| wanted.size() == 0) {
        Some(at) => Ok((all.swap_remove(at), all)),
        None => Err(RestoreError(format!(
            "this node is to write the log {}, and holds no keys of that name that the charter lists; bring the file \
             back from your backup, or ask the others to replace this member's keys",
            wanted.origin
        ))),
    }
}

/// A log that begins here as the charter has it go on from one in the predecessor needs that one's head, which lies in
/// our folder alone.
///
/// Errors: it is not there, or is of another log. While others are to give our entries back nothing begins.
pub(super) fn check_ended(
    fold: &Fold,
    me: &MemberId,
    ended: Option<&Checkpoint>,
    restored: bool,
) -> Result<(), RestoreError> {
    let Some(log) = fold.log(me).filter(|log| log.size() == 0 && !restored) else { return Ok(()) };
    match (log.before_all(), ended) {
        (Some(origin), Some(ended)) if ended.origin == *origin => Ok(()),
        (Some(origin), _) => Err(RestoreError(format!(
            "the charter says that this member's log goes on from {origin}, and this folder does not hold how that one \
             ended: use the folder that this member ran on in the co-operative before"
        ))),
        (None, Some(ended)) => Err(RestoreError(format!(
            "this member's log was to go on from {}, and the charter does not say so",
            ended.origin
        ))),
        (None, None) => Ok(()),
    }
}

/// Our logs that we went on from are shown to their ends, under the heads that were signed then: Ed25519 gives the same
/// signature again, and only what the next log's genesis cites is signed.
pub(super) fn sign_ended(fold: &mut Fold, me: &MemberId, keys: &[Keys]) {
    for keys in keys {
        let own = &keys.public().log;
        let log = fold.log_named(&own.name).filter(|log| log.member == *me && log.key() == own.key);
        let Some(log) = log.filter(|log| log.note().is_none() && log.ends() == Some(log.size())) else {
            continue;
        };
        let head = Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() };
        let follows = fold.logs_of(me).iter().filter_map(Log::previous).any(|previous| previous.head == head);
        if follows {
            fold.set_note_named(&own.name, head.size, sign_checkpoint(&head, keys.log()));
        }
    }
}

impl Member {
    /// Whether we go by keys that were replaced: told once, and then nothing more is said with them. A start with the
    /// new ones goes on.
    pub(super) fn rekeys(&mut self) -> bool {
        let wanted = wanted(&self.fold, &self.settings.me, self.now);
        let own = &self.keys.public().log.name;
        if wanted.is_none_or(|log| log.origin == *own || log.order(0) < crate::entry::order_of(own, 0)) {
            return false;
        }
        self.halted = true;
        self.outputs.push_back(Output::Tell(Event::Rekeyed));
        true
    }

    /// When a version comes into force that lists another log for us.
    pub(super) fn rekey_timeout(&self) -> Option<Time> {
        let me = &self.settings.me;
        let own = &self.keys.public().log.name;
        let lists_other = |hash: &Digest| {
            let member = self.fold.charter_named(hash).and_then(|charter| charter.member(me));
            member.is_some_and(|member| member.keys.log.name != *own)
        };
        let adopted = self.fold.adopted(me).map(|(_, adopted)| adopted);
        adopted
            .filter(|adopted| adopted.from > self.now && lists_other(&adopted.hash))
            .map(|said| said.from)
            .min()
    }

    /// The log that is to go on from ours, and from when on, once a version lists it.
    pub fn next_log(&self) -> Option<(&str, Time)> {
        let me = &self.settings.me;
        let current = self.fold.log(me)?;
        let of = |hash: &Digest| Some(self.fold.charter_named(hash)?.member(me)?.keys.log.name.as_str());
        let adopted = self.fold.adopted(me).map(|(_, adopted)| adopted);
        let next = adopted.filter_map(|adopted| Some((of(&adopted.hash)?, adopted.from)));
        next.filter(|(name, _)| crate::entry::order_of(name, 0) > current.order(0))
            .min_by_key(|(_, from)| *from)
    }

    /// Whether the version that we go by lists a later log for its author.
    pub(super) fn is_replaced(&self, log: &Log) -> bool {
        let listed = self.fold.charter_at(&self.settings.me, self.now).member(&log.member);
        listed.is_some_and(|member| log.order(0) < crate::entry::order_of(&member.keys.log.name, 0))
    }

    /// Whether a section is of a log that counts for nothing any more: one that the charter in force replaced, and
    /// that the next one, as far as it was shown, does not go on from beyond what is held.
    pub(super) fn is_closed(&self, section: &Section) -> bool {
        let Some(log) = self.fold.log_by_head(&section.log).filter(|log| self.is_replaced(log)) else {
            return false;
        };
        self.fold.awaited(log).is_none_or(|awaited| section.end() > awaited)
    }

    /// The index that this entry of ours gets: a genesis begins a log.
    pub(super) fn next_index(&self, body: &Body) -> u64 {
        if matches!(body, Body::Genesis { .. }) { 0 } else { self.own_size() }
    }

    /// Our log may be another than the one of which we know how far it is signed.
    pub(super) fn note_signed_log(&mut self) {
        if let Some(log) = self.fold.log(&self.settings.me).filter(|log| log.head() != self.signed.0) {
            self.signed = (log.head(), 0);
        }
    }

    /// The first entries of a log: whose it is, and under which charter; of one that goes on from another also where
    /// that one ended, with its Ledger. A start that was cut off amid them goes on with the next.
    ///
    /// The rounds that our last log had a part in end for us with it: a certificate proves each member's entries from
    /// one log, and under the version that the round was asked under that is the old one. The journal says so before
    /// the new log begins; what was debited and not used returns.
    pub(super) fn begin_log(&mut self) {
        let me = self.settings.me.clone();
        let origin = self.keys.public().log.name.clone();
        let last = self.fold.log(&me).expect("INVARIANT: we have a log in our own charter");
        let is_first = self.fold.logs_of(&me).first().is_some_and(|first| first.origin == origin);
        if last.origin != origin || last.size() == 0 {
            let goes_on = last.size() > 0;
            if goes_on {
                self.leave_with_log();
            }
            let body = self.genesis(origin.clone());
            self.append(body);
        }
        let adopted = self.fold.log(&me).is_some_and(|log| !log.adopted().is_empty());
        if let Some(listed) = self.listed(&origin).filter(|_| !is_first && !adopted) {
            self.append(listed);
        }
        let unused: Vec<QueryId> =
            self.left.iter().filter(|id| self.standing.holds_unused_debit(id)).copied().collect();
        for id in unused.into_iter().filter(|_| !is_first) {
            let debit = self.fold.round(&id).and_then(|round| round.said(Kind::Debit, &me));
            if let Some(at) = debit.map(|debit| debit.at.clone()) {
                self.append(Body::Void { query: id, debit: at, code: VoidCode::Ended.code().to_owned() });
            }
        }
    }

    /// What our log begins with: of one that goes on from another with the head of that and its Ledger.
    fn genesis(&mut self, origin: String) -> Body {
        let last = self.fold.log(&self.settings.me).filter(|last| last.size() > 0);
        let head = last.map_or_else(
            || self.ended.clone(),
            |last| {
                Some(Checkpoint { origin: last.origin.clone(), size: last.size(), root: last.tree().root() })
            },
        );
        let previous = head.map(|head| {
            let mut ledger = self.standing.ledger().clone();
            self.carried.accounts().for_each(|(account, spent)| ledger.carry(account, spent));
            Box::new(Previous { head, ledger: self.fold.carried(&ledger) })
        });
        if let Some(previous) = &previous {
            self.standing.carry(&previous.ledger);
        }
        let charter = self.fold.charter().id();
        let (keys, proofs) = genesis_keys(&self.keys);
        Body::Genesis { origin, charter, keys, proofs, previous }
    }

    /// What puts the version in force that lists a log: as it was in the last one, or, where that never was, as for
    /// somebody who joins.
    fn listed(&self, origin: &str) -> Option<Body> {
        let me = &self.settings.me;
        let lists = |hash: &Digest| {
            let member = self.fold.charter_named(hash).and_then(|charter| charter.member(me));
            member.is_some_and(|member| member.keys.log.name == origin)
        };
        let mut adopted = self.fold.adopted(me).map(|(_, adopted)| adopted);
        if let Some(said) = adopted.find(|said| said.from <= self.now && lists(&said.hash)) {
            return Some(Body::Charter {
                version: said.version,
                hash: said.hash,
                note: said.note,
                from: said.from,
            });
        }
        let now = Time::from_seconds(self.now.seconds());
        let acting = |charter: &&std::sync::Arc<datacoop_policy::charter::Charter>| {
            lists(&charter.hash()) && charter.fields().effective.start() <= now
        };
        let held = self.fold.charters();
        let charter = held.iter().rev().find(acting)?;
        let at = held.iter().position(|held| held.hash() == charter.hash())?;
        let note = *self.charter_notes.get(at)?;
        Some(Body::Charter { version: charter.version(), hash: charter.hash(), note, from: now })
    }

    /// Nothing more is said in the rounds that our last log had a part in and that are not over.
    fn leave_with_log(&mut self) {
        let me = &self.settings.me;
        let under_way = self.fold.rounds().values().filter(|round| !self.is_over(round));
        let ours = under_way.filter(|round| round.everything().any(|(by, _)| by == me));
        let left: Vec<QueryId> = ours.map(|round| round.id).collect();
        self.outputs.push_back(Output::Store(Record::Left(left.iter().map(|id| id.0).collect())));
        self.left.extend(left);
    }
}
