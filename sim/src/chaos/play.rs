//! Plays a scenario's lines on the world, then heals it and demands progress.

mod strike;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::member::port::Input;
use datacoop_protocol::seed::Seed;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

use super::cheats::{Cheats, cheating};
use super::liveness::unended;
use super::observer::Observer;
use super::runs;
use crate::adversary::{Puppet, Shown};
use crate::calendar::{DAY, Hours};
use crate::disk::{Disk, Held};
use crate::faults::FaultKind;
use crate::scenario::{Ask, Scenario};
use crate::workload::Cast;
use crate::world::{Tables, World};

/// How often a drifting clock is moved on.
const DRIFT_EVERY: Span = Span(3 * 3_600_000);
/// Machines are switched on within so many milliseconds of the hour.
const PUNCTUAL: u64 = 1_500_000;

/// Whoever cannot ask tries again after so long, and so often.
const ASK_AGAIN: Span = Span(3_600_000);
const ASK_TRIES: u32 = 96;
/// After the last window the logs are equal at some hour of a day: what is written every hour is on its way then.
const EQUAL_WITHIN: u32 = 24;

/// Roots of logs, by the logs' names in frames.
type Heads = BTreeMap<[u8; 32], [u8; 32]>;

enum Act {
    /// A new day: whose machine runs when.
    Day,
    Wake(usize),
    Sleep(usize),
    Ask(usize, Ask, u32),
    Fault(FaultKind),
    /// A trouble of the wires is over.
    End(u64),
    Mend(usize, usize),
    Drift(usize, i64, Time),
    Clock(usize, i64),
    Backup(usize, u64),
    PutBack(usize, u64, bool),
    /// Back from being down, unless the calendar has it off.
    Back(usize),
    /// There is room on a disk again.
    Room(usize),
    /// Tables answer again, at once.
    Tables(usize),
    /// A version that follows the first of these and condemns the second.
    Condemn(Arc<Charter>, Digest),
    /// A person's act, once the machine runs.
    Person(FaultKind, u32),
}

pub(super) struct Play<'a> {
    pub(super) world: World,
    scenario: &'a Scenario,
    observer: Rc<RefCell<Observer>>,
    disks: Vec<Held>,
    cast: Cast,
    acts: BTreeMap<(Time, u64), Act>,
    count: u64,
    backups: BTreeMap<u64, Disk>,
    puppets: BTreeMap<usize, Puppet>,
    /// Second histories that puppets showed.
    shown: Vec<Shown>,
    days: ChaCha12Rng,
    seed: Seed,
    /// Members whose calendar has them on.
    due_on: Vec<bool>,
    /// Members that something keeps off until then.
    down: Vec<Time>,
    gone: Vec<bool>,
    healed: bool,
    commands: u64,
    cheats: Rc<RefCell<Cheats>>,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        world: World,
        scenario: &'a Scenario,
        seed: &Seed,
        observer: Rc<RefCell<Observer>>,
        disks: Vec<Held>,
        cast: Cast,
    ) -> Self {
        let members = scenario.members.len();
        let mut play = Self {
            world,
            scenario,
            observer,
            disks,
            cast,
            acts: BTreeMap::new(),
            count: 0,
            backups: BTreeMap::new(),
            puppets: BTreeMap::new(),
            shown: vec![],
            days: seed.derive("availability").stream("days"),
            seed: seed.clone(),
            due_on: vec![true; members],
            down: vec![Time(0); members],
            gone: vec![false; members],
            healed: false,
            commands: 0,
            cheats: Rc::default(),
        };
        play.world.run_work = Some(cheating(Rc::clone(&play.observer), Rc::clone(&play.cheats)));
        let begin = scenario.begin();
        // Everybody is there on the first day: the members meet.
        for day in 1..=u64::from(scenario.days) {
            play.at(Time(scenario.start.start().0 + day * DAY), Act::Day);
        }
        for ask in &scenario.asks {
            play.at(begin + ask.at, Act::Ask(ask.by, ask.clone(), ASK_TRIES));
        }
        for (n, fault) in (0..).zip(&scenario.faults) {
            let at = begin + fault.at;
            if let FaultKind::Restore(site, age, with_secrets) = fault.kind {
                let taken = Time(at.0.saturating_sub(age.0).max(begin.0 + 3_600_000));
                play.at(taken, Act::Backup(site, n));
                play.at(at, Act::PutBack(site, n, with_secrets));
            } else {
                play.at(at, Act::Fault(fault.kind.clone()));
            }
        }
        play
    }

    fn at(&mut self, at: Time, act: Act) {
        self.count += 1;
        self.acts.insert((at, self.count), act);
    }

    fn after(&mut self, wait: Span, act: Act) {
        self.at(self.world.now() + wait, act);
    }

    /// Plays until then, or until a law is broken.
    pub(super) fn days(&mut self, until: Time) {
        while self.observer.borrow().broken.is_none() {
            // What comes later stays for later.
            let next = self.acts.first_entry().filter(|next| next.key().0 <= until);
            let Some(((at, _), act)) = next.map(|next| next.remove_entry()) else {
                self.world.run_until(until);
                return;
            };
            self.world.run_until(at);
            if self.observer.borrow().broken.is_none() {
                self.act(act);
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Day if !self.healed => self.plan_day(),
            Act::Day => {}
            Act::Wake(site) => {
                self.due_on[site] = true;
                self.settle(site);
            }
            Act::Sleep(site) => {
                self.due_on[site] = false;
                self.settle(site);
            }
            Act::Ask(site, ask, tries) => self.ask(site, ask, tries),
            Act::Fault(kind) if !self.healed => self.fault(kind),
            Act::Fault(_) => {}
            Act::End(number) => self.world.wires().end(number),
            Act::Mend(from, to) => self.world.cut(from, to, false),
            Act::Drift(site, daily, until) => {
                if self.world.now() < until && !self.healed {
                    let step = daily * i64::try_from(DRIFT_EVERY.0).unwrap_or(0) / 86_400_000;
                    self.world.set_clock(site, self.world.ahead(site) + step);
                    self.after(DRIFT_EVERY, Act::Drift(site, daily, until));
                }
            }
            Act::Clock(site, ahead) => self.world.set_clock(site, ahead),
            Act::Backup(site, number) => {
                self.backups.insert(number, self.disks[site].copy());
            }
            Act::PutBack(site, number, with_secrets) => self.put_back(site, number, with_secrets),
            Act::Back(site) => self.settle(site),
            Act::Room(site) => self.disks[site].fill(false),
            Act::Tables(site) => self.world.set_tables(site, Tables::After(Span(0))),
            Act::Condemn(right, wrong) => self.condemn(&right, wrong),
            Act::Person(kind, tries) => self.person(kind, tries),
        }
    }

    /// A machine runs if its calendar says so and nothing keeps it off.
    fn settle(&mut self, site: usize) {
        if self.gone[site] || self.puppets.contains_key(&site) {
            return;
        }
        let is_on = self.due_on[site] && self.down[site] <= self.world.now();
        match is_on {
            true => self.world.wake(site),
            false => self.world.sleep(site),
        }
    }

    fn plan_day(&mut self) {
        let day = self.world.now().day();
        for (site, spec) in self.scenario.members.iter().enumerate() {
            let dice = self.days.next_u64();
            if spec.hours == Hours::Always && spec.lid == 0 {
                continue;
            }
            let closed = dice % 1000 < u64::from(spec.lid);
            let all_day = (spec.hours == Hours::Always).then_some((Span(0), Span(DAY)));
            let on = all_day.or_else(|| spec.hours.on(day, &self.scenario.holidays));
            let Some((from, to)) = on.filter(|_| !closed) else {
                self.at(day.start(), Act::Sleep(site));
                continue;
            };
            let late = Span((dice >> 16) % PUNCTUAL);
            self.at(day.start(), Act::Sleep(site));
            self.at(day.start() + from + late, Act::Wake(site));
            if to.0 < DAY {
                self.at(day.start() + to + late, Act::Sleep(site));
            }
        }
    }

    fn ask(&mut self, site: usize, ask: Ask, tries: u32) {
        if self.puppets.contains_key(&site) || self.gone[site] {
            return;
        }
        if !runs(&self.world, site) {
            // Its person asks once the machine runs.
            if tries > 0 {
                self.after(ASK_AGAIN, Act::Ask(site, ask, tries - 1));
            }
            return;
        }
        let Some(member) = self.world.member(site) else { return };
        let charter: Digest = member.fold().charter_at(member.me(), self.world.now()).hash();
        let query = Box::new(self.cast.query(&ask, self.world.now(), charter));
        self.commands += 1;
        self.world.input(site, Input::Ask { command: self.commands, query });
    }

    /// From now on nothing goes wrong any more. Who is gone stays away, and whose keys are stolen too.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.world.wires().heal();
        for site in 0..self.scenario.members.len() {
            self.due_on[site] = true;
            self.down[site] = Time(0);
            self.disks[site].fill(false);
            self.world.set_tables(site, Tables::After(Span(0)));
            self.world.set_clock(site, 0);
            self.settle(site);
        }
        self.acts.retain(|_, act| !matches!(act, Act::Sleep(_) | Act::Clock(..)));
    }

    /// L15: every round has ended, and the core holds the same logs. Then every law looks at the end.
    pub(super) fn judge_end(&mut self) {
        let mut apart = self.apart();
        for _ in 0..EQUAL_WITHIN {
            if apart.is_none() {
                break;
            }
            self.days(self.world.now() + Span(3_600_000));
            apart = self.apart();
        }
        let mut seen = self.observer.borrow_mut();
        if let Some((site, text)) = apart {
            return seen.fail("L15 liveness", self.world.now(), Some(site), text);
        }
        seen.judge_end(&self.world);
    }

    /// A member of the core that is behind, and how.
    fn apart(&self) -> Option<(usize, String)> {
        let seen = self.observer.borrow();
        let now = self.world.now();
        let mut heads: Option<(usize, Heads)> = None;
        let members = 0..self.scenario.members.len();
        for site in members.filter(|site| seen.book.is_honest(*site) && !self.gone[*site]) {
            let Some(member) = self.world.member(site) else {
                return Some((site, "it does not run".to_owned()));
            };
            if let Some(text) = member.starting() {
                return Some((site, text));
            }
            if let Some(text) = unended(&seen.book, &self.gone, member, now) {
                return Some((site, text));
            }
            let is_honest = |id| self.world.number(id).is_some_and(|author| seen.book.is_honest(author));
            let logs = member.fold().logs().filter(|log| is_honest(&log.member));
            let held: Heads = logs.map(|log| (log.head(), log.tree().root().0)).collect();
            match &heads {
                Some((other, logs)) if *logs != held => {
                    let apart =
                        member.fold().logs().filter(|log| logs.get(&log.head()) != held.get(&log.head()));
                    let apart: Vec<String> =
                        apart.map(|log| format!("{} to {}", log.origin, log.size())).collect();
                    let text = format!("it holds other logs than member {other}: {}", apart.join(", "));
                    return Some((site, text));
                }
                Some(_) => {}
                None => heads = Some((site, held)),
            }
        }
        None
    }
}
