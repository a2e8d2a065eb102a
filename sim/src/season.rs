//! A co-operative over the days of a calendar: machines go on and off, questions are asked, members leave. What each
//! member sends, hears and keeps is counted. Plans and stories run on it; faults of every other kind, and the laws,
//! are chaos's.
//!
//! Where to start: [`Season::new`], [`Season::ask`], [`Season::run_until`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use datacoop_policy::charter::name_witnesses;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::rounds::{Ending, Round};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::encode;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

use crate::calendar::{DAY, HOUR, Holidays, Hours};
use crate::coop::{Founder, charter_draft, textless_charter, vocabularies};
use crate::scenario::MemberSpec;
use crate::wires::{Trouble, Wires};
use crate::world::{Power, Seen, Tabulate, World};

/// Machines are switched on within so many milliseconds of the hour.
const PUNCTUAL: u64 = 1_500_000;
/// How often members pull over days: deadlines are hours apart, and near one they pull as often as a node does.
pub const PULL_SELDOM: Span = Span(3 * HOUR);
/// The grid on which members answer, as a node does.
const ANSWER_GRID: Span = Span(250);

/// What is asked about, and what each member has.
#[derive(Clone)]
pub struct Topic {
    /// The question.
    pub question: QuestionDraft,
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    /// The vocabulary's name in the charter: the hash of its text.
    pub hash: Digest,
    /// Each member's public roll bound.
    pub people_max: u64,
    /// What a member counts.
    pub tabulate: Tabulate,
}

/// Who they are, and when their machines run.
#[derive(Clone)]
pub struct Crew {
    /// The members, by number.
    pub members: Vec<MemberSpec>,
    /// When schools are closed.
    pub holidays: Holidays,
    /// Fewest members of a Roster, as their charter says.
    pub min_roster: u32,
}

/// One asking, by a member whose person sits at the machine then.
#[derive(Clone, Debug)]
pub struct Asking {
    /// By whom.
    pub by: usize,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// The days it is about.
    pub period: Period,
    /// What it costs.
    pub loss: PrivacyLoss,
    /// Until when members join.
    pub join_by: Time,
    /// Until when they contribute.
    pub contribute_by: Time,
    /// Until when the committee opens.
    pub close_by: Time,
}

enum Act {
    Day,
    Wake(usize),
    Sleep(usize),
    Ask(u64, Box<Asking>),
    Gone(usize),
    Down(usize, Time),
    Back(usize),
}

/// What one member did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Bytes in frames that others got from it.
    pub sent: u64,
    /// Bytes in frames that it got.
    pub heard: u64,
    /// Bytes of its journal and its blobs: sealed shares are gone after their round.
    pub kept: u64,
    /// Milliseconds that its machine ran.
    pub ran: u64,
}

#[derive(Default)]
struct Noted {
    counts: Vec<Counts>,
    shares: BTreeMap<(usize, QueryId), u64>,
    on_since: Vec<Option<Time>>,
    queries: BTreeMap<u64, QueryId>,
    denied: BTreeMap<u64, String>,
    released: BTreeMap<QueryId, Time>,
}

/// How an asking ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// From asking to the first Release that anybody held.
    pub released: Option<Span>,
    /// Members that said yes in time; 0 without a Roster.
    pub roster: usize,
    /// Members in the sum.
    pub counted: usize,
    /// Why there is no sum: a rule's or an abort's code.
    pub why: Option<String>,
}

/// A co-operative while time passes.
pub struct Season {
    /// The world, for who wants to look.
    pub world: World,
    crew: Crew,
    topic: Topic,
    charter: Digest,
    acts: BTreeMap<(Time, u64), Act>,
    count: u64,
    days: ChaCha12Rng,
    due_on: Vec<bool>,
    down: Vec<Time>,
    gone: BTreeSet<usize>,
    asked_at: BTreeMap<u64, Time>,
    noted: Rc<RefCell<Noted>>,
}

impl Season {
    /// A co-operative that begins now, with all machines on until midnight: its members meet.
    ///
    /// # Panics
    /// If these members make no charter, or the topic no question.
    pub fn new(seed: &Seed, begin: Time, crew: &Crew, topic: &Topic) -> Self {
        let founder = |(n, spec): (usize, &MemberSpec)| {
            let addresses = if spec.meeting_point { vec![format!("sim/{n}")] } else { vec![] };
            Founder::new(seed, n, &format!("Member {}", n + 1), topic.people_max, addresses)
        };
        let founders: Vec<Founder> = crew.members.iter().enumerate().map(founder).collect();
        let named = [(&topic.vocabulary, topic.hash)];
        let mut draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &named, begin.day());
        name_witnesses(&mut draft.members);
        draft.limits = Limits { min_roster: draft.limits.min_roster.max(crew.min_roster), ..draft.limits };
        let charter = textless_charter(draft).expect("INVARIANT: made-up members make a charter");
        let members = founders.len();
        let hash = charter.hash();
        let held = vocabularies(&topic.vocabulary, topic.hash);
        let mut world = World::new(seed.clone(), begin, founders, charter, held, Arc::clone(&topic.tabulate));
        (world.keeps, world.asks_first) = (false, true);
        (world.pull_every, world.answer_grid) = (PULL_SELDOM, ANSWER_GRID);
        let mut wires = Wires::rough(seed);
        let lost: u32 = crew.members.iter().map(|spec| spec.loss).sum();
        wires.begin(0, Trouble::Loss(lost.div_ceil(u32::try_from(members.max(1)).unwrap_or(u32::MAX))));
        world.set_wires(wires);
        let noted = Rc::new(RefCell::new(Noted {
            counts: vec![Counts::default(); members],
            on_since: vec![None; members],
            ..Noted::default()
        }));
        let seen = Rc::clone(&noted);
        let numbers: BTreeMap<_, usize> =
            (0..members).map(|site| (world.founder(site).id.clone(), site)).collect();
        world.watcher = Some(Box::new(move |at, site, what| {
            let from = if let Seen::Input(Input::Request { from, .. } | Input::Reply { from, .. }, _) = &what
            {
                numbers.get(from).copied()
            } else {
                None
            };
            seen.borrow_mut().see(at, site, from, &what);
        }));
        let mut season = Self {
            world,
            crew: crew.clone(),
            topic: topic.clone(),
            charter: hash,
            acts: BTreeMap::new(),
            count: 0,
            days: seed.derive("availability").stream("days"),
            due_on: vec![true; members],
            down: vec![Time(0); members],
            gone: BTreeSet::new(),
            asked_at: BTreeMap::new(),
            noted,
        };
        season.at(Time(begin.day().start().0 + DAY), Act::Day);
        season
    }

    fn at(&mut self, at: Time, act: Act) {
        self.count += 1;
        self.acts.insert((at, self.count), act);
    }

    /// A question will be asked then; its number. Its person switches the machine on for it.
    pub fn ask(&mut self, at: Time, asking: Asking) -> u64 {
        let number = self.count + 1;
        self.at(at, Act::Ask(number, Box::new(asking)));
        number
    }

    /// A member leaves for good.
    pub fn leave(&mut self, at: Time, site: usize) {
        self.at(at, Act::Gone(site));
    }

    /// A machine cannot be reached for a while.
    pub fn keep_down(&mut self, at: Time, site: usize, until: Time) {
        self.at(at, Act::Down(site, until));
        self.at(until, Act::Back(site));
    }

    /// Plays until then.
    pub fn run_until(&mut self, until: Time) {
        while let Some(((at, _), _)) = self.acts.first_key_value() {
            let at = *at;
            if at > until {
                break;
            }
            self.world.run_until(at);
            if let Some((_, act)) = self.acts.pop_first() {
                self.act(act);
            }
        }
        self.world.run_until(until);
    }

    fn act(&mut self, act: Act) {
        let now = self.world.now();
        match act {
            Act::Day => self.plan_day(),
            Act::Wake(site) => {
                self.due_on[site] = true;
                self.settle(site);
            }
            Act::Sleep(site) => {
                self.due_on[site] = false;
                self.settle(site);
            }
            Act::Ask(number, asking) => self.put(number, &asking),
            Act::Gone(site) => {
                self.world.switch_off(site);
                self.gone.insert(site);
            }
            Act::Down(site, until) => {
                self.down[site] = self.down[site].max(until);
                self.settle(site);
            }
            Act::Back(site) if self.down[site] <= now => self.settle(site),
            Act::Back(_) => {}
        }
    }

    fn settle(&mut self, site: usize) {
        if self.gone.contains(&site) {
            return;
        }
        match self.due_on[site] && self.down[site] <= self.world.now() {
            true => self.world.wake(site),
            false => self.world.sleep(site),
        }
    }

    /// Draws who is on when today. Every member draws every day, so that another's hours change nobody's luck.
    fn plan_day(&mut self) {
        let day = self.world.now().day();
        for site in 0..self.crew.members.len() {
            let (dice, spec) = (self.days.next_u64(), &self.crew.members[site]);
            let on = hours_of(spec, day, &self.crew.holidays, dice);
            if on.is_none_or(|(from, _)| from.0 > 0) {
                self.at(day.start(), Act::Sleep(site));
            }
            let Some((from, to)) = on else { continue };
            self.at(day.start() + from, Act::Wake(site));
            if to.0 < DAY {
                self.at(day.start() + to, Act::Sleep(site));
            }
        }
        self.at(Time(day.start().0 + DAY), Act::Day);
    }

    fn put(&mut self, number: u64, asking: &Asking) {
        let site = asking.by;
        if self.gone.contains(&site) {
            self.noted.borrow_mut().denied.insert(number, "the asker left".to_owned());
            return;
        }
        self.world.wake(site);
        let now = self.world.now();
        let whole = |time: Time| Time::from_seconds(time.seconds());
        let members = self.crew.members.len();
        let query = Box::new(QueryBody {
            question: question_value(&self.topic.question).expect("INVARIANT: a topic is a question"),
            params: asking.params.clone(),
            period: asking.period,
            vocabulary: self.topic.vocabulary.name().to_owned(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: asking.loss,
            mode: crate::plan::mode(u32::try_from(members).unwrap_or(u32::MAX)),
            assumed: Assumptions::FLOOR,
            min_roster: self.crew.min_roster,
            join_by: whole(asking.join_by),
            contribute_by: whole(asking.contribute_by),
            close_by: whole(asking.close_by),
            charter: self.charter,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        });
        self.asked_at.insert(number, now);
        self.world.input(site, Input::Ask { command: number, query });
    }

    /// The round of an asking, as whoever is there and knows most of it holds it.
    pub fn round(&self, number: u64) -> Option<Arc<Round>> {
        let id = *self.noted.borrow().queries.get(&number)?;
        let rounds = (0..self.world.members()).filter_map(|site| self.world.member(site)?.fold().round(&id));
        rounds.max_by_key(|round| (round.ending().is_some(), round.everything().count())).cloned()
    }

    /// Whether it is over, one way or another.
    pub fn is_over(&self, number: u64) -> bool {
        self.noted.borrow().denied.contains_key(&number)
            || self.round(number).is_some_and(|round| round.ending().is_some())
    }

    /// How it ended, or stands.
    pub fn outcome(&self, number: u64) -> Outcome {
        let mut outcome = Outcome { released: None, roster: 0, counted: 0, why: None };
        outcome.why = self.noted.borrow().denied.get(&number).cloned();
        let Some(round) = self.round(number) else { return outcome };
        outcome.roster = round.plan().map_or(0, |plan| plan.members.len());
        match round.ending() {
            Some(Ending::Aborted(code)) => outcome.why = Some(code.clone()),
            Some(Ending::Released(_)) => {
                outcome.counted = round.released().map_or(0, |(_, sums)| sums.accepted.len());
                let at = self.noted.borrow().released.get(&round.id).copied();
                let asked = self.asked_at.get(&number).copied();
                outcome.released = asked.zip(at).map(|(asked, at)| at - asked);
            }
            None => outcome.why = Some("open".to_owned()),
        }
        outcome
    }

    /// What each member did so far.
    pub fn counts(&self) -> Vec<Counts> {
        let noted = self.noted.borrow();
        let now = self.world.now();
        let each = noted.counts.iter().zip(&noted.on_since);
        each.map(|(counts, since)| Counts {
            ran: counts.ran + since.map_or(0, |since| (now - since).0),
            ..*counts
        })
        .collect()
    }

    /// Whether a machine runs now.
    pub fn is_on(&self, site: usize) -> bool {
        self.world.power(site) == Power::On && self.world.member(site).is_some()
    }

    /// The mode of a co-operative of so many.
    pub fn mode(&self) -> Mode {
        crate::plan::mode(u32::try_from(self.crew.members.len()).unwrap_or(u32::MAX))
    }
}

/// From when to when a machine runs on a day, with this luck; `None` on a day off.
pub fn hours_of(
    spec: &MemberSpec,
    day: datacoop_policy::Day,
    holidays: &Holidays,
    dice: u64,
) -> Option<(Span, Span)> {
    if dice % 1000 < u64::from(spec.lid) {
        return None;
    }
    if spec.hours == Hours::Always {
        return Some((Span(0), Span(DAY)));
    }
    let late = (dice >> 16) % PUNCTUAL;
    spec.hours.on(day, holidays).map(|(from, to)| (Span(from.0 + late), Span(to.0 + late)))
}

impl Noted {
    fn see(&mut self, at: Time, site: usize, from: Option<usize>, seen: &Seen<'_>) {
        match seen {
            Seen::Start(_) | Seen::Wake => {
                self.on_since[site].get_or_insert(at);
            }
            Seen::Stop | Seen::Sleep => {
                let since = self.on_since[site].take();
                self.counts[site].ran += since.map_or(0, |since| (at - since).0);
            }
            Seen::Input(Input::Request { bytes, .. } | Input::Reply { bytes, .. }, _) => {
                let bytes = bytes.len() as u64;
                self.counts[site].heard += bytes;
                if let Some(from) = from {
                    self.counts[from].sent += bytes;
                }
            }
            Seen::Output(output) => self.see_output(at, site, output),
            Seen::Input(..) | Seen::Stuck(_) => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks what takes room, and two kinds of news")]
    fn see_output(&mut self, at: Time, site: usize, output: &Output) {
        match output {
            Output::Store(record) | Output::Keep(record) => {
                self.counts[site].kept += encode(record).len() as u64;
            }
            Output::StoreBlob { bytes, round, .. } => {
                self.counts[site].kept += bytes.len() as u64;
                if let Some(round) = round {
                    *self.shares.entry((site, *round)).or_default() += bytes.len() as u64;
                }
            }
            Output::RemoveShares(round) => {
                let gone = self.shares.remove(&(site, *round)).unwrap_or(0);
                self.counts[site].kept = self.counts[site].kept.saturating_sub(gone);
            }
            Output::Tell(Event::Asked { command, query }) => {
                self.queries.insert(*command, *query);
            }
            Output::Tell(Event::Answered { command, query }) => {
                self.queries.insert(*command, *query);
            }
            Output::Tell(Event::Denied { command, rule, .. }) => {
                self.denied.insert(*command, (*rule).to_owned());
            }
            Output::Tell(Event::Released(query)) => {
                self.released.entry(*query).or_insert(at);
            }
            _ => {}
        }
    }
}
