//! A fold that does not keep rounds, and knows where each of their entries stands: an auditor of large logs reads
//! those again, round by round. Knows nothing of files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datacoop_policy::{MemberId, QueryId, Time};

use super::{Fold, Log};
use crate::entry::{Body, Entry, Ref};
use crate::log::note::Checkpoint;
use crate::log::tree::leaf_hash;
use crate::rounds::Round;

/// Of what is no entry. Times are kept as seconds in 32 bits; what claims to be of later than the year 2106 is of
/// that year, which no witness's clock shows either.
pub(super) const NO_TIME: u32 = u32::MAX;
/// Of an entry that is of no round.
pub(super) const NO_ROUND: u32 = u32::MAX;
/// Of a `head` entry, which is read again once all logs are here.
const HEADS: u32 = u32::MAX - 1;
/// Rounds that can be told apart: 2^32 less these two. Their entries fill no memory of today.
const ROUNDS_MAX: u32 = HEADS;

/// A time as it is kept.
pub(super) fn seconds(time: Time) -> u32 {
    u32::try_from(time.seconds()).unwrap_or(NO_TIME).min(NO_TIME - 1)
}

/// A time that was kept.
pub(super) fn time(seconds: u32) -> Option<Time> {
    (seconds != NO_TIME).then(|| Time::from_seconds(seconds.into()))
}

/// Rounds that an audit holds at a time: more than are ever under way at once in a co-operative of hundreds of
/// members, at some tens of kilobytes each.
const ROUNDS_HELD: usize = 256;

/// Gives entries of logs once more.
pub trait Entries {
    /// An entry of the log with this origin that was folded before; `None` if it cannot be read any more.
    fn entry(&mut self, log: &str, index: u64) -> Option<Arc<[u8]>>;

    /// How many rounds are held at a time, at least two; what is more is read again when it is asked for.
    fn rounds_held(&self) -> usize {
        ROUNDS_HELD
    }
}

/// An entry that was folded, and when it was to be read again was gone, or another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vanished {
    /// The log's origin.
    pub log: String,
    /// Which entry.
    pub index: u64,
}

impl fmt::Display for Vanished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "entry {} of the log `{}` changed while it was read; see that nothing writes there, and begin again",
            self.index, self.log
        )
    }
}

impl std::error::Error for Vanished {}

/// Rounds by the numbers that `Log::shelved` has.
#[derive(Clone, Default, Debug)]
pub(super) struct Shelf {
    numbers: BTreeMap<QueryId, u32>,
    /// `Asked::held` of Queries under a delegation, which follows from what stood before them.
    held: BTreeMap<QueryId, u64>,
}

/// Where the entries of each round stand: those of round n are `of[starts[n]..starts[n + 1]]`.
pub(crate) struct Places {
    ids: Vec<QueryId>,
    starts: Vec<u64>,
    /// The number of the log, and the entry, by both.
    of: Vec<(u32, u32)>,
    /// Logs by their numbers: their authors and origins.
    logs: Vec<(MemberId, Arc<str>)>,
}

impl Places {
    pub(crate) fn id(&self, number: u32) -> QueryId {
        self.ids[number as usize]
    }

    pub(crate) fn rounds(&self) -> usize {
        self.ids.len()
    }

    /// How many entries a round has.
    pub(crate) fn count(&self, number: u32) -> u64 {
        self.starts[number as usize + 1] - self.starts[number as usize]
    }

    fn of(&self, number: u32) -> impl Iterator<Item = (&(MemberId, Arc<str>), u32)> {
        let at = |n: usize| usize::try_from(self.starts[n]).expect("INVARIANT: an index of a list");
        let places = &self.of[at(number as usize)..at(number as usize + 1)];
        places.iter().map(|(log, index)| (&self.logs[*log as usize], *index))
    }
}

impl Fold {
    pub(super) fn shelve(&mut self, at: &Ref, by: &MemberId, id: QueryId, held: u64) {
        let place = self.by_origin.get(&*at.log).map_or(0, |(_, place)| *place);
        let log = self.logs.get_mut(by).and_then(|listed| listed.get_mut(place));
        let (Some(shelf), Some(log)) = (&mut self.shelf, log) else { return };
        let next = u32::try_from(shelf.numbers.len()).unwrap_or(ROUNDS_MAX).min(ROUNDS_MAX);
        let number = *shelf.numbers.entry(id).or_insert(next);
        if let Some(last) = log.shelved.last_mut() {
            *last = number;
        }
        if held > 0 && at.leaf == id {
            shelf.held.insert(id, held);
        }
    }

    /// What a `head` entry says counts once all logs are here. How far its author said that it held a log must be
    /// known to what it writes next.
    pub(super) fn shelve_heads(&mut self, at: &Ref, by: &MemberId, heads: &[Checkpoint]) {
        for head in heads {
            let place = self.by_origin.get(&head.origin).filter(|(owner, _)| owner != by);
            if let Some(log) = place.and_then(|(owner, at)| self.logs.get(owner)?.get(*at)) {
                self.heads.say(&log.cited_as, by, head.size);
            }
        }
        let place = self.by_origin.get(&*at.log).map_or(0, |(_, place)| *place);
        let log = self.logs.get_mut(by).and_then(|listed| listed.get_mut(place));
        let log = log.filter(|log| log.size() == at.index + 1);
        if let Some(last) = log.and_then(|log| log.shelved.last_mut()) {
            *last = HEADS;
        }
    }

    /// Whether an entry of a log was taken into a round.
    pub(crate) fn is_in_round(&self, log: &Log, index: u64) -> bool {
        let Ok(at) = usize::try_from(index) else { return false };
        if self.shelf.is_some() {
            return log.shelved.get(at).is_some_and(|number| *number < HEADS);
        }
        let read = log.entries.get(at).and_then(|bytes| Entry::parse(bytes).ok());
        let ends = log.stopped.into_iter().chain(log.ends).min();
        let is_before = ends.is_none_or(|ends| index < ends);
        read.is_some_and(|entry| {
            let is_of_round = entry.body.query().is_some() || matches!(entry.body, Body::Query(_));
            is_before && is_of_round && entry.by == log.member && entry.seq == index
        })
    }

    /// The number of the round that an entry is of.
    pub(crate) fn shelved_round(log: &Log, index: u64) -> Option<u32> {
        log.shelved.get(usize::try_from(index).ok()?).copied().filter(|number| *number < HEADS)
    }

    /// Where all rounds' entries stand.
    pub(crate) fn places(&self) -> Places {
        let numbers = self.shelf.iter().flat_map(|shelf| &shelf.numbers);
        let mut ids = vec![QueryId::default(); self.shelf.as_ref().map_or(0, |shelf| shelf.numbers.len())];
        numbers.for_each(|(id, number)| ids[*number as usize] = *id);
        let all = || self.logs.values().flatten();
        let logs = all().map(|log| (log.member.clone(), Arc::clone(&log.cited_as))).collect();
        let entries = || {
            let logs = (0..).zip(all());
            logs.flat_map(|(log, held)| {
                let entries = (0..).zip(&held.shelved).filter(|(_, number)| **number < HEADS);
                entries.map(move |(index, number)| (*number as usize, (log, index)))
            })
        };
        let mut starts = vec![0u64; ids.len() + 1];
        entries().for_each(|(number, _)| starts[number + 1] += 1);
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let mut next = starts.clone();
        let mut of = vec![(0u32, 0u32); entries().count()];
        for (number, place) in entries() {
            if let Some(slot) = usize::try_from(next[number]).ok().and_then(|at| of.get_mut(at)) {
                *slot = place;
            }
            next[number] += 1;
        }
        Places { ids, starts, of, logs }
    }

    fn again(&self, entries: &mut dyn Entries, origin: &str, index: u64) -> Result<(Ref, Entry), Vanished> {
        let vanished = || Vanished { log: origin.to_owned(), index };
        let at = self.log_named(origin).and_then(|log| log.reference(index)).ok_or_else(vanished)?;
        let bytes = entries.entry(origin, index).filter(|bytes| leaf_hash(bytes) == at.leaf);
        let entry = bytes.and_then(|bytes| Entry::parse(&bytes).ok()).ok_or_else(vanished)?;
        Ok((at, entry))
    }

    /// Holds what `head` entries say against the logs, which are here now.
    pub(crate) fn hear_heads(&mut self, entries: &mut dyn Entries) -> Result<(), Vanished> {
        let heads = |log: &Log| {
            let told = (0u64..).zip(&log.shelved).filter(|(_, number)| **number == HEADS);
            told.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let all = self.logs.values().flatten();
        let logs: Vec<_> =
            all.map(|log| (log.member.clone(), Arc::clone(&log.cited_as), heads(log))).collect();
        for (member, origin, told) in logs {
            for index in told {
                let (at, entry) = self.again(entries, &origin, index)?;
                if let Body::Head { heads } = entry.body {
                    self.fold_heads(&at, entry.at, &member, heads);
                }
            }
        }
        Ok(())
    }

    /// Reads a round again, whole, and holds it until `unload`.
    pub(crate) fn load(
        &mut self,
        places: &Places,
        number: u32,
        entries: &mut dyn Entries,
    ) -> Result<Arc<Round>, Vanished> {
        let id = places.id(number);
        let mut round = Round::new(id);
        for ((by, origin), index) in places.of(number) {
            let (at, entry) = self.again(entries, origin, index.into())?;
            let held = self.shelf.as_ref().and_then(|shelf| shelf.held.get(&id)).copied().unwrap_or(0);
            self.enter(&mut round, at, by.clone(), entry.at, entry.body, held);
        }
        self.refresh(&mut round);
        let round = Arc::new(round);
        self.rounds.insert(id, Arc::clone(&round));
        Ok(round)
    }

    /// Keeps of a round what is told of a Release, if it is one.
    pub(crate) fn unload(&mut self, id: &QueryId) {
        let Some(round) = self.rounds.remove(id) else { return };
        if let Some(release) = round.release_alone() {
            self.rounds.insert(*id, Arc::new(release));
        }
    }

    /// The number of a round, if any entry is of it.
    pub(crate) fn number_of(&self, id: &QueryId) -> Option<u32> {
        self.shelf.as_ref()?.numbers.get(id).copied()
    }
}
