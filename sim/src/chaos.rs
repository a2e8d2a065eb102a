//! One seed: a scenario is played, all is healed, progress is demanded, and every law is kept throughout.
//!
//! Where to start: [`Chaos::new`], then [`Chaos::run`].

mod cheats;
mod liveness;
mod observer;
mod people;
mod play;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Ending, Round};
use datacoop_protocol::seed::Seed;

use crate::disk::Held;
use crate::scenario::Scenario;
use crate::wires::Wires;
use crate::workload::{Cast, tabulate};
use crate::world::{Power, Tabulate, World};
use observer::Observer;
use play::Play;

/// After the longest open window every round has ended within so long (SIM.md, section 4).
const HEALED_FOR: Span = Span(48 * 3_600_000);
/// How often members pull in a scenario of days: deadlines are hours apart, and nearer to one they pull as often
/// as a node does.
const PULL_EVERY: Span = Span(3 * 3_600_000);
/// A process that ended starts again after so long (NETWORK.md section 9: `RestartSec=5`).
const RESTARTS_AFTER: Span = Span(5_000);
/// How often one looks whether everybody holds the sums.
const LOOK_EVERY: Span = Span(10_000);
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

/// The sums of a round, and what they should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Released {
    /// As released.
    pub sums: Vec<i64>,
    /// As the accepted members' figures add up.
    pub exact: Vec<i64>,
    /// Variance of the noise in each, in 65,536ths of a squared unit.
    pub variance: u64,
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
    /// The sums of each round that was released.
    pub released: Vec<Released>,
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
    data: u64,
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
        (world.keeps, world.asks_first, world.away) = (false, true, RESTARTS_AFTER);
        (world.pull_every, world.answer_grid) = (PULL_EVERY, ANSWER_GRID);
        world.set_wires(Wires::rough(seed));
        let observer = Rc::new(RefCell::new(Observer::new(members, scenario.beyond.is_some())));
        let seen = Rc::clone(&observer);
        world.watcher = Some(Box::new(move |at, site, what| seen.borrow_mut().see(at, site, &what)));
        Self { world, scenario: scenario.clone(), seed: seed.clone(), observer, disks, cast, data }
    }

    /// Keeps the trace's lines until something is first opened.
    #[must_use]
    pub fn tracing(self) -> Self {
        self.observer.borrow_mut().trace.whole = Some(vec![]);
        self
    }

    /// Plays it to its end, or until a law is broken.
    pub fn run(self) -> Outcome {
        let Self { world, scenario, seed, observer, disks, cast, data } = self;
        let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
        play.days(scenario.end());
        if observer.borrow().broken.is_none() {
            play.heal();
            let until = play.world.now().max(observer.borrow().last_window()) + HEALED_FOR;
            play.days(until);
            play.judge_end();
        }
        Self::outcome(&play.world, &mut observer.borrow_mut(), &tabulate(&seed, data))
    }

    /// Plays it until everybody holds the sums of a round, or so long. Nothing of its faults is played.
    pub fn until_released(self, most: Span) -> Outcome {
        let Self { world, scenario, seed, observer, disks, cast, data } = self;
        let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
        let until = scenario.begin() + most;
        while play.world.now() < until && observer.borrow().broken.is_none() {
            play.days(play.world.now() + LOOK_EVERY);
            if (0..play.world.members()).all(|site| has_sums(&play.world, site)) {
                break;
            }
        }
        observer.borrow_mut().judge_end(&play.world);
        Self::outcome(&play.world, &mut observer.borrow_mut(), &tabulate(&seed, data))
    }

    fn outcome(world: &World, seen: &mut Observer, tabulate: &Tabulate) -> Outcome {
        let (mut releases, mut aborts, mut waits, mut released) = (0, 0, vec![], vec![]);
        let core = (0..world.members()).filter(|site| seen.book.is_honest(*site));
        let fold = core.filter_map(|site| world.member(site)).next().map(|member| member.fold());
        for round in fold.into_iter().flat_map(|fold| fold.rounds().values()) {
            match round.ending() {
                Some(Ending::Released(_)) => {
                    releases += 1;
                    let (asked, sums) = (round.asked(), round.released());
                    waits.extend(asked.zip(sums).map(|(asked, (release, _))| release.time - asked.time));
                    released.extend(released_of(round, tabulate));
                }
                Some(Ending::Aborted(_)) => aborts += 1,
                None => {}
            }
        }
        Outcome {
            trace: seen.trace.hash(),
            events: seen.trace.events(),
            releases,
            aborts,
            waits,
            released,
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

/// What a round gave, beside what its members' figures add up to.
fn released_of(round: &Round, tabulate: &Tabulate) -> Option<Released> {
    let ((logged, sums), plan) = (round.released()?, round.plan()?);
    let Body::Release { sums: released, .. } = &logged.body else { return None };
    let mut exact = vec![0; released.len()];
    for id in &sums.accepted {
        let figures = tabulate(id, &plan.query.question);
        exact.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    let unit = 1i64 << plan.noise.doublings;
    let each = u64::from(plan.noise.noise_std.get()).pow(2) >> (2 * plan.noise.doublings);
    Some(Released {
        sums: released.iter().map(|sum| sum / unit).collect(),
        exact,
        variance: each * sums.accepted.len() as u64,
    })
}

/// Whether a member holds the sums of a round.
fn has_sums(world: &World, site: usize) -> bool {
    let rounds = world.member(site).map(|member| member.fold().rounds().values());
    rounds.into_iter().flatten().any(|round| matches!(round.ending(), Some(Ending::Released(_))))
}

/// Whether a machine is there and runs.
fn runs(world: &World, site: usize) -> bool {
    world.power(site) == Power::On && world.member(site).is_some()
}
