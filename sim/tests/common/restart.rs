//! One member that starts at a chosen moment with chosen logs, secrets and blobs, as after a crash: what it
//! writes then is what it writes in that moment of a round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::limits::Limits;
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};
use datacoop_protocol::checked::Checked;
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::log::note::sign_checkpoint;
use datacoop_protocol::member::port::{Event, Input, Noise, Output, RoundSecrets, Tally};
use datacoop_protocol::member::work::Work;
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Record, Request, Section, encode};
use zeroize::Zeroizing;

use super::logs::{Logs, Told};

/// How a member starts.
pub struct Restart<'a> {
    pub told: &'a Told,
    pub logs: Logs,
    pub by: MemberId,
    pub limits: Option<Limits>,
    pub grid: Span,
    pub secrets: RoundSecrets,
    pub held: BTreeSet<Digest>,
    /// Whether its log came back from others.
    pub recovered: bool,
}

/// A member that runs; nobody hears it.
pub struct Awake {
    pub member: Member,
    pub now: Time,
    /// What it wrote since it started.
    pub written: Vec<Body>,
    pub events: Vec<Event>,
    /// Rounds whose secret it erased.
    pub erased: Vec<QueryId>,
    /// Heavy work that it gave out and that nobody has done yet.
    pub work: Vec<Work>,
    /// Rounds that it wants a Tally for, and noise for.
    pub tabulating: Vec<QueryId>,
    pub drawing: Vec<QueryId>,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
}

impl<'a> Restart<'a> {
    /// With all that the member had stored.
    pub fn new(told: &'a Told, logs: &Logs, by: &MemberId) -> Self {
        let stored = told.stored.lock().unwrap();
        let site = logs.founders.iter().position(|founder| founder.id == *by).unwrap();
        let own = stored.secrets.iter().filter(|((of, _), _)| *of == site);
        let secrets = own.map(|((_, id), secret)| (*id, secret.clone())).collect();
        let held = stored.blobs.keys().copied().collect();
        let (by, logs, limits) = (by.clone(), logs.clone(), Some(Limits::top()));
        Self { told, logs, by, limits, grid: Span(0), secrets, held, recovered: false }
    }

    /// Starts at this moment and takes every step that needs no answer from outside.
    pub fn at(&self, now: Time) -> Awake {
        let fold = self.logs.fold();
        let own = fold.log(&self.by).unwrap();
        let entries = own.entries().iter().map(|entry| Record::Entry(Bytes(entry.to_vec())));
        let others = fold.logs().filter(|log| log.member != self.by);
        let copied = others.filter_map(|log| log.section(0, usize::MAX)).map(Record::Copied);
        let recovered = self.recovered.then_some(Record::Left(vec![]));
        let head = self.logs.head(&self.by, own.size());
        let founder = self.logs.founder(&self.by);
        let start = Start {
            entropy: Seed::new([77; 32]),
            keys: founder.keys(),
            later_keys: vec![],
            carried: Ledger::default(),
            ended: None,
            settings: Settings {
                me: self.by.clone(),
                limits: self.limits.clone(),
                inbox: InboxRules::default(),
                declared: BTreeSet::from(["exam".to_owned()]),
                answer_grid: self.grid,
                asks_first: false,
                pull_every: datacoop_protocol::bounds::PULL_EVERY,
            },
            charters: vec![(self.logs.charter.clone(), self.logs.charter.hash())],
            rivals: BTreeMap::new(),
            vocabularies: self.logs.vocabularies.clone(),
            records: entries.chain(copied).chain(recovered).collect(),
            last_signed: Some((own.size(), sign_checkpoint(&head, founder.keys().log()))),
            secrets: self.secrets.clone(),
            openings: BTreeSet::new(),
            held: self.held.clone(),
            checked: Checked::default(),
        };
        let blobs = self.told.stored.lock().unwrap().blobs.clone();
        let mut awake = Awake {
            member: Member::restore(now, start).unwrap(),
            now,
            written: vec![],
            events: vec![],
            erased: vec![],
            work: vec![],
            tabulating: vec![],
            drawing: vec![],
            blobs,
        };
        awake.settle();
        awake
    }

    /// What it writes when it starts at this moment.
    pub fn writes(&self, now: Time) -> Vec<Body> {
        self.at(now).written
    }
}

impl Awake {
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few outputs out of many")]
    fn settle(&mut self) {
        while let Some(output) = self.member.poll_output() {
            match output {
                Output::Store(Record::Entry(entry)) => {
                    self.written.push(Entry::parse(&entry.0).unwrap().body);
                }
                Output::LoadBlob(hash) => {
                    let bytes = self.blobs.get(&hash).cloned();
                    self.member.handle_input(self.now, Input::Loaded(hash, bytes));
                }
                Output::Tell(event) => self.events.push(event),
                Output::EraseSecret(id) => self.erased.push(id),
                Output::Compute(work) => self.work.push(work),
                Output::Tabulate(id, _) => self.tabulating.push(id),
                Output::Draw { query, .. } => self.drawing.push(query),
                _ => {}
            }
        }
    }

    pub fn input(&mut self, input: Input) {
        self.member.handle_input(self.now, input);
        self.settle();
    }

    /// Time passes.
    pub fn wake_at(&mut self, now: Time) {
        self.now = now;
        self.input(Input::Wake);
    }

    /// Its heavy work is done, and what follows from that, until there is none.
    pub fn compute(&mut self) {
        while let Some(work) = self.work.pop() {
            self.input(Input::Computed(work.run()));
        }
    }

    /// The Tally and the noise that it asked for arrive.
    pub fn tabulated(&mut self, id: QueryId, tally: Option<Vec<i64>>, noise: Option<Vec<i64>>) {
        self.input(Input::Tabulated(id, tally.map(|tally| Tally(Zeroizing::new(tally)))));
        self.input(Input::Drawn(id, noise.map(|noise| Noise(Zeroizing::new(noise)))));
    }

    /// Hears of another member's log in these logs.
    pub fn hears(&mut self, logs: &Logs, of: &MemberId) {
        let fold = logs.fold();
        let section: Section = fold.log(of).unwrap().section(0, usize::MAX).unwrap();
        let bytes = encode(&Request::Push { sections: vec![section] });
        self.input(Input::Request { from: of.clone(), exchange: 5, bytes });
    }
}
