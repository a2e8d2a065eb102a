//! The laws, seen from outside: from what members put out and take in, never by a Member's own checks.
//! `Book` is what an observer of everything knows; a law judges one fact at a time, or the end.

mod agreement;
mod blame;
mod bounds;
mod ledger;
mod logs;
mod plain;
mod rounds;

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::entry::{Body, Entry, QueryBody, Ref};
use datacoop_protocol::member::port::Event;
use datacoop_protocol::wire::Cosigned;

use crate::world::World;

/// Something that happened, as a law sees it.
pub enum Fact<'a> {
    /// A member's disk takes an entry of its own log; whether it is then durable.
    Wrote(&'a Told, bool),
    /// A member signed the head of its log: entries, and the note.
    Signed(u64, &'a str),
    /// A witness cosigned.
    Cosigned(&'a Cosigned),
    /// A member asks for noise.
    Draws(QueryId),
    /// A member sends so many bytes to another; whether as a request.
    Sends(&'a [u8], usize, bool),
    /// A request of a member's is over.
    Answered(usize),
    /// A member stores a blob.
    Blob(&'a [u8]),
    /// A member computed its exact Tally.
    Tallied(QueryId, &'a [i64]),
    /// A member dials another.
    Dials(usize),
    /// A member wants a blob from its disk.
    Loads(Digest),
    /// It has it.
    Loaded(Digest),
    /// A member tells its person.
    Says(&'a Event),
    /// A member started with a log of so many entries of its own.
    Starts(u64),
    /// It cannot start.
    Stuck(&'a str),
}

/// An entry and where it stands.
pub struct Told {
    /// The entry.
    pub entry: Entry,
    /// Its leaf hash: its name.
    pub leaf: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What an observer of everything knows.
#[derive(Default)]
pub struct Book {
    /// Members that do not keep the rules, from then on.
    pub rogue: BTreeSet<usize>,
    /// Every entry by its leaf, with its author's number; what a disk lost is not among them.
    pub entries: BTreeMap<Digest, (usize, Body)>,
    /// Queries by their ids.
    pub queries: BTreeMap<QueryId, QueryBody>,
    /// Each honest member's log as it was written: leaves by index.
    pub logs: Vec<Vec<Digest>>,
    /// How many entries of it were signed.
    pub signed: Vec<u64>,
    /// Leaves of the logs that a member wrote before its keys were replaced.
    pub ended: Vec<Vec<Digest>>,
    /// How often they were.
    pub replaced: Vec<u32>,
    /// Members whose next log may begin.
    begins: BTreeSet<usize>,
    /// What each member computed, and drew, last for a Query.
    tallies: BTreeMap<(usize, QueryId), Vec<i64>>,
    noise: BTreeMap<(usize, QueryId), Vec<i64>>,
    /// Both as they stood when its program wrote its contribution: a retry draws anew.
    pub parts: BTreeMap<(usize, QueryId), (Vec<i64>, Vec<i64>)>,
    /// Of those, members whose programs go on and cheat at something.
    pub cheats: BTreeSet<usize>,
    /// Contributions that were made without a proof that holds: nobody may count them.
    pub unproved: BTreeSet<(usize, QueryId)>,
    /// Since when a member is not on, or when it last was not.
    pub last_off: Vec<Option<Time>>,
}

impl Book {
    /// Of so many members.
    pub fn new(members: usize) -> Self {
        let (logs, signed) = (vec![vec![]; members], vec![0; members]);
        let (ended, replaced) = (vec![vec![]; members], vec![0; members]);
        Self { logs, signed, ended, replaced, last_off: vec![None; members], ..Self::default() }
    }

    /// Whether a member keeps the rules.
    pub fn is_honest(&self, site: usize) -> bool {
        !self.rogue.contains(&site)
    }

    /// Whose entry this is, and what it says.
    pub fn entry(&self, at: &Ref) -> Option<&(usize, Body)> {
        self.entries.get(&at.leaf)
    }

    /// A member computed its exact Tally, honest or not.
    pub fn tallied(&mut self, site: usize, query: QueryId, cells: &[i64]) {
        self.tallies.insert((site, query), cells.to_vec());
    }

    /// A member drew noise, honest or not.
    pub fn drew(&mut self, site: usize, query: QueryId, cells: &[i64]) {
        self.noise.insert((site, query), cells.to_vec());
    }

    /// Puts down an entry, honest or not.
    pub fn note(&mut self, site: usize, told: &Told) {
        if let Body::Query(body) = &told.entry.body {
            self.queries.insert(told.leaf, (**body).clone());
        }
        if let Body::Contribution { query, .. } | Body::Commit { query, .. } = &told.entry.body
            && let Some((tally, noise)) =
                self.tallies.get(&(site, *query)).zip(self.noise.get(&(site, *query)))
        {
            self.parts.insert((site, *query), (tally.clone(), noise.clone()));
        }
        self.entries.insert(told.leaf, (site, told.entry.body.clone()));
        if !self.is_honest(site) {
            return;
        }
        let index = usize::try_from(told.entry.seq).unwrap_or(usize::MAX);
        let is_first = index == 0 && self.logs[site].first().is_some_and(|first| *first != told.leaf);
        if is_first && self.begins.remove(&site) {
            let before = std::mem::take(&mut self.logs[site]);
            self.ended[site].extend(before);
            self.signed[site] = 0;
            self.replaced[site] += 1;
        }
        let log = &mut self.logs[site];
        // What a disk lost before anybody saw it may be written anew.
        if log.get(index) != Some(&told.leaf) {
            log.truncate(index);
            log.push(told.leaf);
        }
    }

    /// A member starts with so many entries of its own: what a disk that failed did not keep was never written.
    pub fn starts(&mut self, site: usize, entries: u64) {
        if !self.is_honest(site) || self.begins.contains(&site) {
            return;
        }
        let log = &mut self.logs[site];
        // Under no head that was signed nothing leaves a member: nobody has it.
        let seen = usize::try_from(entries.max(self.signed[site])).unwrap_or(usize::MAX);
        for lost in log.iter().skip(seen) {
            self.entries.remove(lost);
        }
        log.truncate(usize::try_from(entries).unwrap_or(usize::MAX));
    }

    /// A member's keys were replaced: it goes on in a log that is another.
    pub fn rekeyed(&mut self, site: usize) {
        self.begins.insert(site);
    }

    /// Whether an entry was ever there: not what a disk that failed lost before anybody saw it.
    pub fn stands(&self, leaf: &Digest) -> bool {
        self.entries.contains_key(leaf)
    }

    /// Whether it is news: not what came back from others after a restore.
    pub fn is_known(&self, site: usize, told: &Told) -> bool {
        let index = usize::try_from(told.entry.seq).unwrap_or(usize::MAX);
        self.logs[site].get(index) == Some(&told.leaf)
    }

    /// Everything in a member's logs, as they stand.
    pub fn log(&self, site: usize) -> impl Iterator<Item = &Body> {
        self.ended[site]
            .iter()
            .chain(&self.logs[site])
            .filter_map(|leaf| self.entries.get(leaf))
            .map(|(_, body)| body)
    }
}

/// A law, in a sentence; and what breaks it.
pub trait Law {
    /// Such as `L1 never underpaid`.
    fn name(&self) -> &'static str;
    /// One fact. Errors: how it breaks the law.
    fn see(&mut self, _: &Book, _: Time, _: usize, _: &Fact<'_>) -> Result<(), String> {
        Ok(())
    }
    /// What stands at the end, after all was healed. Errors: how it breaks the law.
    fn end(&mut self, _: &Book, _: &World) -> Result<(), String> {
        Ok(())
    }
}

/// Every law, in order. `beyond` what the atlas allows, nothing is excused by who is corrupt.
pub fn all(beyond: bool) -> Vec<Box<dyn Law>> {
    vec![
        Box::new(ledger::NeverUnderpaid::default()),
        Box::new(ledger::DebitFirst),
        Box::new(rounds::NeverAlone::default()),
        Box::new(agreement::Agreement::default()),
        Box::new(agreement::RightSum { always: beyond }),
        Box::new(rounds::CountedOnce),
        Box::new(rounds::OpenedOnce::default()),
        Box::new(logs::NoFork::default()),
        Box::new(plain::NothingPlain::default()),
        Box::new(blame::NoFalseBlame),
        Box::new(logs::SameFold),
        Box::new(agreement::Repeats),
        Box::new(bounds::Bounds::default()),
        Box::new(bounds::Starts),
    ]
}
