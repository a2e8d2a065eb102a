//! Virtual time, the queue, one step at a time. Must not know what is inside a Member.

mod links;
mod lives;
mod outputs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::limits::Limits;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};
use datacoop_protocol::bounds::PULL_EVERY;
use datacoop_protocol::checked::Checked;
use datacoop_protocol::log::note::Checkpoint;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::member::work::{Computed, Work};
use datacoop_protocol::member::{Member, RestoreError};
use datacoop_protocol::seed::Seed;
use zeroize::Zeroizing;

use crate::coop::Founder;
pub use crate::disk::{Disk, Kept, Store};
use crate::wires::Wires;

/// A charter's note in this world, where nobody signs: its hash alone.
fn note_of(charter: &Charter) -> [u8; 32] {
    charter.hash().0
}

fn note_name(charter: &Charter) -> Digest {
    sha256(&[&note_of(charter)])
}

/// Computes a member's exact Tally.
pub type Tabulate = Arc<dyn Fn(&MemberId, &BoundQuestion) -> Vec<i64>>;

/// Draws a member's noise: its number, sigma_i in 256ths of a step, how many cells.
pub type DrawNoise = Arc<dyn Fn(usize, NonZeroU32, usize) -> Vec<i64>>;

/// Runs a member's heavy work: its number, and what.
pub type RunWork = Arc<dyn Fn(usize, Work) -> Computed>;

/// How a member's tables answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tables {
    /// After so long, beyond what a message takes.
    After(Span),
    /// Not at all: they cannot be read.
    Unreadable,
}

/// Which way a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From who asks.
    Request,
    /// From who answers.
    Reply,
}

/// Turns what a member sends into what leaves: its number, which way, and the frame; nothing leaves for
/// `None`.
pub type Tamper = Box<dyn FnMut(usize, Way, Vec<u8>) -> Option<Vec<u8>>>;

/// A message as one sees it who listens on the wire: when, whose, to whom and how long, not what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// When it left.
    pub at: Time,
    /// Whose.
    pub from: MemberId,
    /// To whom.
    pub to: MemberId,
    /// Its length.
    pub bytes: usize,
}

/// What happens at a member, as one sees it who stands beside it.
pub enum Seen<'a> {
    /// It starts.
    Start(&'a Member),
    /// It cannot start from what its disk holds.
    Stuck(&'a RestoreError),
    /// Something happens to it, at so much by its own clock.
    Input(&'a Input, Time),
    /// It does something; the disk has done its part.
    Output(&'a Output),
    /// Its process ends.
    Stop,
    /// Its machine sleeps.
    Sleep,
    /// Its machine wakes.
    Wake,
}

/// A program looks at its clock so often at least. As the node's driver does.
const AWAKE_EVERY: Span = Span(60_000);

/// Who looks on: when, the member's number, and what happens. Of an output it is told once the disk has done its
/// part, and before anything else follows from it.
pub type Watcher = Box<dyn FnMut(Time, usize, Seen<'_>)>;

/// Changes what a member's program puts out after one input: to break it on purpose.
pub type Twist = Box<dyn FnMut(usize, Vec<Output>) -> Vec<Output>>;

/// Whether a machine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// It runs.
    On,
    /// Its lid is closed: the process stands still.
    Asleep,
    /// It is off, and stays so until it is switched on.
    Off,
}

struct Site {
    founder: Founder,
    /// Versions of the charter that its people gave it, the first first; of none it is not a member yet.
    charters: Vec<Arc<Charter>>,
    /// Versions that it found to be signed beside one of those.
    rivals: BTreeSet<Digest>,
    member: Option<Member>,
    disk: Box<dyn Store>,
    limits: Limits,
    inbox: InboxRules,
    /// What its next log carries over at least.
    carried: Ledger,
    /// The head that its log in the predecessor ended with.
    ended: Option<Checkpoint>,
    /// Milliseconds by which its clock is ahead of the world's.
    ahead: i64,
    starts: u32,
    executed: u64,
    /// When it wants to be woken, by its own clock, as it said after its last input.
    due: Option<Time>,
    /// The same by the world's clock, while it runs.
    waits_until: Option<Time>,
    crash_at: Option<u64>,
    tables: Tables,
    links: BTreeSet<usize>,
    /// What a twist made of its outputs and nobody has done yet.
    twisted: VecDeque<Output>,
    power: Power,
    /// Peers that are gone without its knowing yet.
    stale: BTreeSet<usize>,
    /// What its own machine has for it once it wakes.
    deferred: Vec<Input>,
}

enum Happening {
    Input(usize, u32, Box<Input>),
    Start(usize),
    /// A peer's silence is noticed.
    Silence(usize, u32, usize),
}

/// Members, their disks, and the wires between them.
pub struct World {
    now: Time,
    seed: Seed,
    count: u64,
    queue: BTreeMap<(Time, u64), Happening>,
    sites: Vec<Site>,
    number: BTreeMap<MemberId, usize>,
    vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    tabulate: Tabulate,
    noiseless: BTreeSet<usize>,
    /// What draws noise in place of the seeded sampler: the production one when that is what is
    /// measured, or one that is broken on purpose.
    pub draw_noise: Option<DrawNoise>,
    /// What runs heavy work in place of `Work::run`: to look on, or to cheat.
    pub run_work: Option<RunWork>,
    /// What a member whose program lies on the wire sends in place of what it was to send.
    pub tamper: Option<Tamper>,
    /// Everything members told their people, in order.
    pub events: Vec<(MemberId, Event)>,
    /// Every frame that was sent.
    pub frames: Vec<Vec<u8>>,
    /// Every message that was sent, pieces of blobs too, from outside.
    pub sent: Vec<Sent>,
    /// Whether `events`, `frames` and `sent` are filled: over a long time they would fill the memory.
    pub keeps: bool,
    /// Who looks on.
    pub watcher: Option<Watcher>,
    /// What breaks members' programs on purpose.
    pub twist: Option<Twist>,
    /// How members pull, from their next start on.
    pub pull_every: Span,
    wires: Wires,
    /// Signatures that some member found to hold: all of them run on this machine.
    checked: Checked,
    /// When members want to be woken, by the world's time.
    dues: BTreeSet<(Time, usize)>,
    /// How long a crashed member stays away.
    pub away: Span,
    /// The grid on which members answer, from their next start on.
    pub answer_grid: Span,
    /// Versions of the charter that were validly signed, by their notes' names.
    signed: BTreeMap<Digest, Arc<Charter>>,
    /// Whether members hear from others first, from their next start on, how far their log is.
    pub asks_first: bool,
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
                charters: charter.member(&founder.id).map(|_| charter.clone()).into_iter().collect(),
                founder,
                rivals: BTreeSet::new(),
                member: None,
                disk: Box::new(Disk::default()),
                limits: Limits::top(),
                inbox: InboxRules::default(),
                carried: Ledger::default(),
                ended: None,
                ahead: 0,
                starts: 0,
                executed: 0,
                due: None,
                waits_until: None,
                crash_at: None,
                tables: Tables::After(Span(0)),
                links: BTreeSet::new(),
                twisted: VecDeque::new(),
                power: Power::On,
                stale: BTreeSet::new(),
                deferred: vec![],
            })
            .collect();
        let wires = Wires::plain(seed.clone());
        let mut world = Self {
            now,
            seed,
            count: 0,
            queue: BTreeMap::new(),
            sites,
            number,
            vocabularies,
            tabulate,
            noiseless: BTreeSet::new(),
            draw_noise: None,
            run_work: None,
            tamper: None,
            events: vec![],
            frames: vec![],
            sent: vec![],
            keeps: true,
            watcher: None,
            twist: None,
            pull_every: PULL_EVERY,
            wires,
            checked: Checked::default(),
            dues: BTreeSet::new(),
            away: Span(500),
            answer_grid: Span(0),
            signed: BTreeMap::new(),
            asks_first: false,
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

    /// What a member keeps for an auditor of a round.
    pub fn opening(&self, site: usize, id: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        self.sites[site].disk.opening(id)
    }

    /// A blob that lies on a member's disk.
    pub fn blob(&self, site: usize, hash: &Digest) -> Option<Arc<[u8]>> {
        self.sites[site].disk.blob(hash)
    }

    /// Crashes a member just before its output of this number; it returns after `away`.
    pub fn crash_before(&mut self, site: usize, output: u64) {
        self.sites[site].crash_at = Some(output);
    }

    /// Gives a member that has not started yet another disk.
    pub fn set_store(&mut self, site: usize, store: Box<dyn Store>) {
        self.sites[site].disk = store;
    }

    /// Limits of a member's own, from its next start on.
    pub fn set_limits(&mut self, site: usize, limits: Limits) {
        self.sites[site].limits = limits;
    }

    /// Standing rules of a member's own, from its next start on.
    pub fn set_inbox(&mut self, site: usize, inbox: InboxRules) {
        self.sites[site].inbox = inbox;
    }

    /// Gives a member a new identity beside those it has, from its next start on: what a version of the charter has to
    /// list first.
    pub fn give_identity(&mut self, site: usize, identity: [u8; 32]) {
        self.sites[site].founder.later.push(identity);
    }

    /// A member's person takes its tables of a dataset back, until its next start.
    pub fn take_back(&mut self, site: usize, dataset: &str) {
        if let Some(member) = &mut self.sites[site].member {
            member.take_back(dataset);
        }
    }

    /// What the next log of a member carries over at least, from its next start on.
    pub fn carry_over(&mut self, site: usize, ledger: Ledger) {
        self.sites[site].carried = ledger;
    }

    /// Brings a member's log in the predecessor: how it ended, and what it had spent. From its next start on.
    pub fn bring(&mut self, site: usize, ended: Checkpoint, ledger: Ledger) {
        (self.sites[site].ended, self.sites[site].carried) = (Some(ended), ledger);
    }

    /// A version that was validly signed: whoever hears of it from another member takes it.
    pub fn sign_charter(&mut self, charter: Arc<Charter>) {
        self.signed.insert(note_name(&charter), charter);
    }

    /// Sets a member's clock ahead of the world's by so many milliseconds, or back.
    pub fn set_clock(&mut self, site: usize, ahead: i64) {
        self.sites[site].ahead = ahead;
        let soon = self.clock(site) + AWAKE_EVERY;
        let due = &mut self.sites[site].due;
        *due = due.map(|at| at.min(soon));
        self.note_due(site);
    }

    /// How a member's tables answer, from its next question on; at once unless this says otherwise.
    pub fn set_tables(&mut self, site: usize, tables: Tables) {
        self.sites[site].tables = tables;
    }

    /// Puts other wires between the members.
    pub fn set_wires(&mut self, wires: Wires) {
        self.wires = wires;
    }

    /// The wires, to trouble them.
    pub fn wires(&mut self) -> &mut Wires {
        &mut self.wires
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.sites.len()
    }

    /// Whether a member's machine runs.
    pub fn power(&self, site: usize) -> Power {
        self.sites[site].power
    }

    /// How far a member's clock is ahead, in milliseconds.
    pub fn ahead(&self, site: usize) -> i64 {
        self.sites[site].ahead
    }

    /// A member's name and keys.
    pub fn founder(&self, site: usize) -> &Founder {
        &self.sites[site].founder
    }

    /// A member's number by its name.
    pub fn number(&self, id: &MemberId) -> Option<usize> {
        self.number.get(id).copied()
    }

    /// Frames that are on their way.
    pub fn under_way(&self) -> usize {
        self.queue.len()
    }

    fn see(&mut self, site: usize, seen: Seen<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher(self.now, site, seen);
        }
    }

    /// What time it is for a member.
    fn clock(&self, site: usize) -> Time {
        Time(self.now.0.saturating_add_signed(self.sites[site].ahead))
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
        // A member that was woken at its moment names a later one: nobody waits for a quiet wire.
        self.dues.first().map(|(at, site)| ((*at).max(self.now), *site))
    }

    /// Puts down when a member wants to be woken.
    fn note_due(&mut self, number: usize) {
        let site = &mut self.sites[number];
        if let Some(at) = site.waits_until.take() {
            self.dues.remove(&(at, number));
        }
        let due = site.due.filter(|_| site.power == Power::On && site.member.is_some());
        site.waits_until = due.map(|due| Time(due.0.saturating_add_signed(site.ahead.saturating_neg())));
        self.dues.extend(site.waits_until.map(|at| (at, number)));
    }

    fn schedule(&mut self, wait: Span, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + wait, self.count), happening);
    }

    /// How long the next signal takes.
    fn delay(&mut self) -> Span {
        self.wires.delay(self.count)
    }

    fn step(&mut self) {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return };
        self.now = self.now.max(at);
        match happening {
            Happening::Start(site) if self.sites[site].power != Power::On => {}
            Happening::Start(site) => self.start(site),
            Happening::Input(site, life, input) if self.sites[site].starts == life => {
                self.arrive(site, *input)
            }
            Happening::Input(..) => {}
            Happening::Silence(site, life, peer) => {
                let is_life = self.sites[site].starts == life && self.sites[site].power == Power::On;
                if is_life && self.sites[site].stale.remove(&peer) {
                    let id = self.sites[peer].founder.id.clone();
                    self.feed(site, Input::Disconnected(id));
                }
            }
        }
    }

    fn feed(&mut self, site: usize, input: Input) {
        let now = self.clock(site);
        if self.sites[site].member.is_none() {
            return;
        }
        self.see(site, Seen::Input(&input, now));
        if let Some(member) = self.sites[site].member.as_mut() {
            member.handle_input(now, input);
        }
        self.drain(site);
    }

    fn later(&mut self, site: usize, input: Input) {
        let wait = self.delay();
        self.later_by(site, wait, input);
    }

    fn later_by(&mut self, site: usize, wait: Span, input: Input) {
        let life = self.sites[site].starts;
        self.schedule(wait, Happening::Input(site, life, Box::new(input)));
    }
}
