//! Virtual time, the queue, one step at a time. Must not know what is inside a Member.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::limits::Limits;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};
use datacoop_protocol::member::port::{Event, Input, Noise, Output, RoundSecret, Tally};
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::sampler::discrete_gaussian;
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Record, piece};
use zeroize::Zeroizing;

use crate::coop::Founder;

/// What a crash leaves: whatever was stored, and nothing after the last barrier.
#[derive(Default)]
pub struct Disk {
    records: Vec<Record>,
    synced: usize,
    last_signed: Option<(u64, String)>,
    secrets: BTreeMap<QueryId, Vec<u8>>,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    /// Which of them are sealed shares, and of which round.
    shares: BTreeMap<Digest, QueryId>,
}

/// Computes a member's exact Tally.
pub type Tabulate = Arc<dyn Fn(&MemberId, &BoundQuestion) -> Vec<i64>>;

struct Site {
    founder: Founder,
    member: Option<Member>,
    disk: Disk,
    starts: u32,
    executed: u64,
    crash_at: Option<u64>,
    links: BTreeSet<usize>,
}

enum Happening {
    Input(usize, u32, Box<Input>),
    Start(usize),
}

/// Members, their disks, and the wires between them.
pub struct World {
    now: Time,
    seed: Seed,
    count: u64,
    queue: BTreeMap<(Time, u64), Happening>,
    sites: Vec<Site>,
    number: BTreeMap<MemberId, usize>,
    charter: Arc<Charter>,
    vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    tabulate: Tabulate,
    noiseless: BTreeSet<usize>,
    /// Everything members told their people, in order.
    pub events: Vec<(MemberId, Event)>,
    /// Every frame that was sent.
    pub frames: Vec<Vec<u8>>,
    /// How long a crashed member stays away.
    pub away: Span,
    /// The grid on which members answer, from their next start on.
    pub answer_grid: Span,
}

impl World {
    /// A world in which all members start now.
    pub fn new(
        seed: Seed,
        now: Time,
        founders: Vec<Founder>,
        charter: Arc<Charter>,
        vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
        tabulate: Tabulate,
    ) -> Self {
        let number = founders.iter().enumerate().map(|(i, founder)| (founder.id.clone(), i)).collect();
        let sites: Vec<Site> = founders
            .into_iter()
            .map(|founder| Site {
                founder,
                member: None,
                disk: Disk::default(),
                starts: 0,
                executed: 0,
                crash_at: None,
                links: BTreeSet::new(),
            })
            .collect();
        let mut world = Self {
            now,
            seed,
            count: 0,
            queue: BTreeMap::new(),
            sites,
            number,
            charter,
            vocabularies,
            tabulate,
            noiseless: BTreeSet::new(),
            events: vec![],
            frames: vec![],
            away: Span(500),
            answer_grid: Span(0),
        };
        for site in 0..world.sites.len() {
            world.schedule(Span(0), Happening::Start(site));
        }
        world
    }

    /// The moment the world is at.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A member as it stands; `None` while it is away.
    pub fn member(&self, site: usize) -> Option<&Member> {
        self.sites[site].member.as_ref()
    }

    /// Outputs that a member has executed so far, over all its lives.
    pub fn executed(&self, site: usize) -> u64 {
        self.sites[site].executed
    }

    /// Crashes a member just before its output of this number; it returns after `away`.
    pub fn crash_before(&mut self, site: usize, output: u64) {
        self.sites[site].crash_at = Some(output);
    }

    /// A member that draws zeros instead of noise: one of those that collude.
    pub fn silence_noise(&mut self, site: usize) {
        self.noiseless.insert(site);
    }

    /// Gives a member an input of its person, a little later.
    pub fn input(&mut self, site: usize, input: Input) {
        let life = self.sites[site].starts;
        self.schedule(Span(1), Happening::Input(site, life, Box::new(input)));
    }

    /// Runs until nothing happens before `until`.
    pub fn run_until(&mut self, until: Time) {
        loop {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = self.next_wake();
            match (next, wake) {
                (Some(at), wake) if at <= until && wake.is_none_or(|(due, _)| at <= due) => self.step(),
                (_, Some((due, site))) if due <= until => {
                    self.now = self.now.max(due);
                    self.feed(site, Input::Wake);
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
    }

    /// Runs until the condition holds or `until` passes; whether it holds.
    pub fn run_while(&mut self, until: Time, mut going: impl FnMut(&Self) -> bool) -> bool {
        while going(self) {
            if self.now >= until {
                return false;
            }
            let soon = Time((self.now + Span(20)).0.min(until.0));
            self.run_until(soon);
        }
        true
    }

    fn next_wake(&self) -> Option<(Time, usize)> {
        let due = |(i, site): (usize, &Site)| {
            let (at, _) = site.member.as_ref()?.poll_timeout()?;
            Some((at.max(self.now + Span(1)), i))
        };
        self.sites.iter().enumerate().filter_map(due).min()
    }

    fn schedule(&mut self, wait: Span, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + wait, self.count), happening);
    }

    /// A wire's delay for the next message: 1 to 16 ms.
    fn delay(&mut self) -> Span {
        Span(1 + u64::from(self.seed.bytes(&format!("network/{}", self.count))[0] % 16))
    }

    fn step(&mut self) {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return };
        self.now = self.now.max(at);
        match happening {
            Happening::Start(site) => self.start(site),
            Happening::Input(site, life, input) if self.sites[site].starts == life => self.feed(site, *input),
            Happening::Input(..) => {}
        }
    }

    fn start(&mut self, number: usize) {
        let site = &mut self.sites[number];
        site.starts += 1;
        site.disk.records.truncate(site.disk.synced);
        let entropy = self.seed.derive(&format!("member/{number}/{}", site.starts));
        let declared = self.charter.fields().datasets.iter().map(|dataset| dataset.id.clone()).collect();
        let secrets =
            site.disk.secrets.iter().filter_map(|(id, bytes)| Some((*id, RoundSecret::parse(bytes)?)));
        let start = Start {
            entropy,
            keys: site.founder.keys(),
            settings: Settings {
                me: site.founder.id.clone(),
                limits: Some(Limits::top()),
                declared,
                answer_grid: self.answer_grid,
            },
            charter: self.charter.clone(),
            charter_note: self.charter.hash(),
            vocabularies: self.vocabularies.clone(),
            records: site.disk.records.clone(),
            last_signed: site.disk.last_signed.clone(),
            secrets: secrets.collect(),
            held: site.disk.blobs.keys().copied().collect(),
        };
        let member =
            Member::restore(self.now, start).expect("LAW: what a crash leaves is enough to start from");
        self.sites[number].member = Some(member);
        self.drain(number);
    }

    fn feed(&mut self, site: usize, input: Input) {
        let now = self.now;
        let Some(member) = self.sites[site].member.as_mut() else { return };
        member.handle_input(now, input);
        self.drain(site);
    }

    fn drain(&mut self, site: usize) {
        while let Some(output) = self.sites[site].member.as_mut().and_then(Member::poll_output) {
            if self.sites[site].crash_at == Some(self.sites[site].executed) {
                self.crash(site);
                return;
            }
            self.sites[site].executed += 1;
            self.execute(site, output);
        }
    }

    fn crash(&mut self, site: usize) {
        self.sites[site].crash_at = None;
        self.sites[site].member = None;
        let id = self.sites[site].founder.id.clone();
        for other in std::mem::take(&mut self.sites[site].links) {
            self.sites[other].links.remove(&site);
            let life = self.sites[other].starts;
            self.schedule(Span(1), Happening::Input(other, life, Box::new(Input::Disconnected(id.clone()))));
        }
        let away = self.away;
        self.schedule(away, Happening::Start(site));
    }

    fn later(&mut self, site: usize, input: Input) {
        let (life, wait) = (self.sites[site].starts, self.delay());
        self.schedule(wait, Happening::Input(site, life, Box::new(input)));
    }

    fn execute(&mut self, site: usize, output: Output) {
        let from = self.sites[site].founder.id.clone();
        let disk = &mut self.sites[site].disk;
        match output {
            Output::Store(record) => {
                disk.records.push(record);
                disk.synced = disk.records.len();
            }
            Output::Keep(record) => disk.records.push(record),
            Output::Sign { size, note } => {
                disk.synced = disk.records.len();
                disk.last_signed = Some((size, note));
            }
            Output::StoreBlob { hash, bytes, round } => {
                disk.blobs.insert(hash, bytes);
                disk.shares.extend(round.map(|round| (hash, round)));
            }
            Output::RemoveShares(round) => {
                disk.blobs.retain(|hash, _| disk.shares.get(hash) != Some(&round));
            }
            Output::KeepSecret(id, secret) => {
                disk.secrets.insert(id, secret.to_bytes().to_vec());
            }
            Output::EraseSecret(id) => {
                disk.secrets.remove(&id);
            }
            Output::LoadBlob(hash) => {
                let bytes = disk.blobs.get(&hash).cloned();
                self.later(site, Input::Loaded(hash, bytes));
            }
            Output::Dial(to, _) => self.dial(site, &to),
            Output::Hangup(to) => self.hang_up(site, &to),
            Output::Request { to, exchange, bytes } => {
                self.frames.push(bytes.clone());
                self.carry(site, &to, Input::Request { from, exchange, bytes });
            }
            Output::Reply { to, exchange, bytes } => {
                self.frames.push(bytes.clone());
                self.carry(site, &to, Input::Reply { from, exchange, bytes });
            }
            Output::ReplyPiece { to, exchange, hash, offset } => {
                let piece = piece(disk.blobs.get(&hash).map(AsRef::as_ref), offset);
                self.carry(site, &to, Input::Reply { from, exchange, bytes: piece });
            }
            Output::Tabulate(id, question) => {
                let tally = (self.tabulate)(&from, &question);
                self.later(site, Input::Tabulated(id, Some(Tally(Zeroizing::new(tally)))));
            }
            Output::Draw { query, noise_std, cells } => {
                let noise = self.draw(site, query, noise_std, cells);
                self.later(site, Input::Drawn(query, Some(Noise(Zeroizing::new(noise)))));
            }
            Output::Compute(work) => {
                let computed = work.run();
                self.later(site, Input::Computed(computed));
            }
            Output::Tell(event) => self.events.push((from, event)),
        }
    }

    fn draw(&self, site: usize, query: QueryId, noise_std: NonZeroU32, cells: usize) -> Vec<i64> {
        if self.noiseless.contains(&site) {
            return vec![0; cells];
        }
        // Fresh in each life: a retry after a crash draws anew.
        let label = format!("noise/{site}/{}/{query}", self.sites[site].starts);
        let mut rng = self.seed.stream(&label);
        (0..cells).map(|_| discrete_gaussian(&mut rng, noise_std)).collect()
    }

    fn dial(&mut self, site: usize, to: &MemberId) {
        let Some(other) = self.number.get(to).copied() else { return };
        if self.sites[other].member.is_none() {
            self.later(site, Input::DialFailed(to.clone()));
            return;
        }
        let from = self.sites[site].founder.id.clone();
        self.sites[site].links.insert(other);
        self.sites[other].links.insert(site);
        self.later(site, Input::Connected(to.clone()));
        self.later(other, Input::Connected(from));
    }

    fn hang_up(&mut self, site: usize, to: &MemberId) {
        let Some(other) = self.number.get(to).copied() else { return };
        let from = self.sites[site].founder.id.clone();
        if self.sites[site].links.remove(&other) {
            self.sites[other].links.remove(&site);
            self.later(site, Input::Disconnected(to.clone()));
            self.later(other, Input::Disconnected(from));
        }
    }

    fn carry(&mut self, site: usize, to: &MemberId, input: Input) {
        let Some(other) = self.number.get(to).copied() else { return };
        if self.sites[site].links.contains(&other) {
            self.later(other, input);
        }
    }
}
