//! One seed: a scenario is played, all is healed, progress is demanded, and every law is kept throughout.
//!
//! Where to start: [`Chaos::new`], then [`Chaos::run`].

mod observer;
mod play;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::Ending;
use datacoop_protocol::seed::Seed;

use crate::disk::Held;
use crate::scenario::Scenario;
use crate::wires::Wires;
use crate::workload::{Cast, tabulate};
use crate::world::{Power, World};
use observer::Observer;
use play::Play;

/// After the longest open window every round has ended within so long (SIM.md, section 4).
const HEALED_FOR: Span = Span(48 * 3_600_000);
/// How often members pull in a scenario of days: deadlines are hours apart, and nearer to one they pull as often
/// as a node does.
const PULL_EVERY: Span = Span(3 * 3_600_000);
/// The grid on which members answer.
const ANSWER_GRID: Span = Span(250);

/// The seed of a number: all that happens follows from it.
pub fn seed(number: u64) -> Seed {
    Seed::new(sha256(&[b"datacoop/sim/1", &number.to_le_bytes()]).0)
}

/// A law that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Such as `L3 never alone`.
    pub law: String,
    /// When.
    pub at: Time,
    /// By whom, if by one.
    pub member: Option<usize>,
    /// How.
    pub text: String,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Hash of the trace.
    pub trace: Digest,
    /// Events in it.
    pub events: u64,
    /// Rounds that ended with sums.
    pub releases: u64,
    /// Rounds that ended without.
    pub aborts: u64,
    /// From asking to the Release, of each.
    pub waits: Vec<Span>,
    /// The law that was broken, if one was.
    pub broken: Option<Broken>,
    /// The last events.
    pub last: Vec<String>,
    /// The trace's lines until something is first opened, if they were kept.
    pub before_release: Vec<String>,
    /// How often each kind of thing happened.
    pub counts: BTreeMap<String, u64>,
}

/// A scenario that is about to be played.
pub struct Chaos {
    /// The world, for whoever wants to break it first.
    pub world: World,
    scenario: Scenario,
    seed: Seed,
    observer: Rc<RefCell<Observer>>,
    disks: Vec<Held>,
    cast: Cast,
}

impl Chaos {
    /// A scenario under a seed. `data` numbers the rows: worlds that differ in nothing else must look the same
    /// until the first Release.
    pub fn new(scenario: &Scenario, seed: &Seed, data: u64) -> Self {
        let mut cast = Cast::new(scenario, seed);
        let founders = std::mem::take(&mut cast.founders);
        let members = founders.len();
        let mut world = World::new(
            seed.clone(),
            scenario.begin(),
            founders,
            cast.charter.clone(),
            cast.vocabularies.clone(),
            tabulate(seed, data),
        );
        let disks: Vec<Held> = (0..members).map(|_| Held::default()).collect();
        for (site, disk) in disks.iter().enumerate() {
            world.set_store(site, Box::new(disk.clone()));
        }
        (world.keeps, world.asks_first) = (false, true);
        (world.pull_every, world.answer_grid) = (PULL_EVERY, ANSWER_GRID);
        world.set_wires(Wires::rough(seed));
        let observer = Rc::new(RefCell::new(Observer::new(members)));
        let seen = Rc::clone(&observer);
        world.watcher = Some(Box::new(move |at, site, what| seen.borrow_mut().see(at, site, &what)));
        Self { world, scenario: scenario.clone(), seed: seed.clone(), observer, disks, cast }
    }

    /// Keeps the trace's lines until something is first opened.
    #[must_use]
    pub fn tracing(self) -> Self {
        self.observer.borrow_mut().trace.whole = Some(vec![]);
        self
    }

    /// Plays it to its end, or until a law is broken.
    pub fn run(self) -> Outcome {
        let Self { world, scenario, seed, observer, disks, cast } = self;
        let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
        play.days(scenario.end());
        if observer.borrow().broken.is_none() {
            play.heal();
            let until = play.world.now().max(observer.borrow().last_window()) + HEALED_FOR;
            play.days(until);
            play.judge_end();
        }
        let world = play.world;
        let mut seen = observer.borrow_mut();
        let (mut releases, mut aborts, mut waits) = (0, 0, vec![]);
        let core = (0..world.members()).filter(|site| seen.book.is_honest(*site));
        let fold = core.filter_map(|site| world.member(site)).next().map(|member| member.fold());
        for round in fold.into_iter().flat_map(|fold| fold.rounds().values()) {
            match round.ending() {
                Some(Ending::Released(_)) => {
                    releases += 1;
                    let (asked, released) = (round.asked(), round.released());
                    waits.extend(asked.zip(released).map(|(asked, (release, _))| release.time - asked.time));
                }
                Some(Ending::Aborted(code)) => {
                    aborts += 1;
                    *seen.counts.entry(format!("abort/{code}")).or_default() += 1;
                }
                None => {}
            }
        }
        Outcome {
            trace: seen.trace.hash(),
            events: seen.trace.events(),
            releases,
            aborts,
            waits,
            broken: seen.broken.clone(),
            last: seen.last.take().unwrap_or_else(|| seen.trace.last()),
            before_release: seen
                .trace
                .whole
                .take()
                .or_else(|| seen.before_release.take())
                .unwrap_or_default(),
            counts: seen.counts(),
        }
    }
}

/// Whether a machine is there and runs.
fn runs(world: &World, site: usize) -> bool {
    world.power(site) == Power::On && world.member(site).is_some()
}
