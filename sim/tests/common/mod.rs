//! A co-operative in the simulated world, and what a story needs to ask it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its part, and a test fails by panicking"
)]

pub mod acts;
pub mod logs;
pub mod rekeyed;
pub mod restart;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{Charter, CharterDraft, Role, amend_min, name_witnesses};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody};
use datacoop_protocol::fold::{Fold, question_value};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Request, Section, encode};
use datacoop_sim::audits::audit;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::World;

/// What one Query costs here, billionths of rho.
pub const LOSS: u64 = 5_000_000;
/// What it is about.
pub const PERIOD: &str = "2025-09-01..2025-12-19";

const VOCABULARY: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;
const QUESTION: &str = r#"
    id = "how-many"
    version = 1
    title = "How many?"
    vocabulary = "exam/1"
    figure = { kind = "count", of = "n" }
    loss = 5_000_000
    matters = "10"
    measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
    by = [{ column = "sex", cells = ["F", "M"] }]"#;

/// The question with a number in it.
pub fn least_question() -> datacoop_protocol::json::Value {
    let text = QUESTION
        .replace("loss =", "param = { least = \"number\" }\n    loss =")
        .replace("sql = \"1\"", "sql = \"CASE WHEN 1 > :least THEN 1 ELSE 0 END\"");
    question_value(&QuestionDraft::from_toml(&text).unwrap()).unwrap()
}

fn founder(seed: &Seed, n: usize) -> Founder {
    let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    Founder::new(seed, n, &format!("School {n}"), 200, addresses)
}

pub struct Story {
    pub world: World,
    seed: Seed,
    /// Every version so far; a question names the newest, or `named`.
    pub charters: Vec<Arc<Charter>>,
    /// The version that questions name.
    pub named: Digest,
    asked: u64,
}

impl Story {
    pub fn new(members: usize, seed: u8) -> Self {
        Self::founded(members, seed, |_| {})
    }

    /// As `new`, but up to seven members watch each log.
    pub fn watched(members: usize, seed: u8) -> Self {
        Self::founded(members, seed, |draft| name_witnesses(&mut draft.members))
    }

    /// As `new`, but the last member is an auditor and nothing else.
    pub fn audited(members: usize, seed: u8) -> Self {
        Self::founded(members, seed, |draft| {
            let auditor = draft.members.last_mut().unwrap();
            auditor.roles = BTreeSet::from([Role::Auditor]);
            // It may say where it is reached: that makes it no meeting point.
            auditor.addresses = vec!["sim/auditor".into()];
            draft.amend = amend_min(u32::try_from(members - 1).unwrap());
        })
    }

    /// As `new`, under a charter that is changed first. Who is not in it may join later.
    pub fn founded(members: usize, seed: u8, change: impl Fn(&mut CharterDraft)) -> Self {
        let seed = Seed::new([seed; 32]);
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let founders: Vec<Founder> = (0..members).map(|n| founder(&seed, n)).collect();
        let today = Day::parse("2025-12-01").unwrap();
        let mut draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
        change(&mut draft);
        let charter = textless_charter(draft).unwrap();
        let tabulate = Arc::new(|id: &MemberId, _: &_| {
            let n: i64 = id.as_str()[5..].parse().unwrap();
            vec![100 + n, 50]
        });
        let (named, charters) = (charter.hash(), vec![charter.clone()]);
        let world = World::new(
            seed.clone(),
            today.start() + Span(36_000_000),
            founders,
            charter,
            vocabularies(&vocabulary, hash),
            tabulate,
        );
        Self { world, seed, charters, named, asked: 0 }
    }

    /// Makes the next version of the charter; nobody holds it yet, and questions name the one before.
    pub fn amend(&mut self, change: impl Fn(&mut CharterDraft)) -> Arc<Charter> {
        let parent = self.charters.last().unwrap();
        let mut draft = parent.fields().clone();
        (draft.version, draft.prev) = (parent.version() + 1, Some(parent.hash()));
        draft.condemns.clear();
        draft.hash = sha256(&[&parent.hash().0, b"next"]);
        change(&mut draft);
        let next = Arc::new(Charter::admit(draft).unwrap());
        self.charters.push(next.clone());
        next
    }

    /// From now on whoever hears of a version from another member takes it, as a node does.
    pub fn spread(&mut self) {
        self.charters.iter().for_each(|charter| self.world.sign_charter(charter.clone()));
    }

    /// Gives a member every version that it does not hold yet.
    pub fn give_newest(&mut self, site: usize) {
        let held = self.world.member(site).map_or(0, |member| member.fold().charters().len());
        self.world.give_charters(site, self.charters[held..].to_vec());
    }

    /// The vocabularies that all members hold, by the SHA-256 of their text.
    pub fn vocabularies(&self) -> BTreeMap<Digest, Arc<Vocabulary>> {
        vocabularies(&Vocabulary::from_toml(VOCABULARY).unwrap(), sha256(&[VOCABULARY.as_bytes()]))
    }

    /// Lets the members connect.
    pub fn meet(&mut self) {
        self.world.run_until(self.world.now() + Span(2_000));
    }

    /// A member's name and keys.
    pub fn founder(&self, n: usize) -> Founder {
        founder(&self.seed, n)
    }

    /// Whether the first member holds a release.
    pub fn released(&self, id: QueryId) -> bool {
        let round = self.world.member(0).and_then(|member| member.fold().round(&id).cloned());
        round.is_some_and(|round| matches!(round.ending(), Some(Ending::Released(_))))
    }

    pub fn query(&self, mode: Mode, loss: u64, min_roster: u32, period: &str) -> QueryBody {
        let now = Time::from_seconds(self.world.now().seconds());
        QueryBody {
            question: question_value(&QuestionDraft::from_toml(QUESTION).unwrap()).unwrap(),
            params: BTreeMap::new(),
            period: Period::parse(period).unwrap(),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(loss),
            mode,
            assumed: Assumptions::FLOOR,
            min_roster,
            join_by: now + Span(20_000),
            contribute_by: now + Span(40_000),
            close_by: now + Span(60_000),
            charter: self.named,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        }
    }

    /// A number for a command of its own.
    pub fn command(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    pub fn ask(&mut self, site: usize, query: QueryBody) -> Option<QueryId> {
        let command = self.command();
        self.world.input(site, Input::Ask { command, query: Box::new(query) });
        let until = self.world.now() + Span(1_000);
        self.world.run_until(until);
        self.world.events.iter().rev().find_map(|(_, event)| {
            let Event::Asked { command: c, query } = event else { return None };
            (*c == command).then_some(*query)
        })
    }

    /// Runs until every member that is there knows how the round ended.
    pub fn finish(&mut self, id: QueryId, members: usize) -> bool {
        let until = self.world.now() + Span(120_000);
        self.world.run_while(until, |world| {
            !(0..members).all(|site| {
                world.member(site).is_some_and(|m| m.fold().round(&id).is_some_and(|r| r.ending().is_some()))
            })
        })
    }

    pub fn sums(&self, id: QueryId) -> Vec<i64> {
        let round = self.world.member(0).unwrap().fold().round(&id).unwrap().clone();
        let (logged, _) = round.released().expect("a release");
        let Body::Release { sums, .. } = &logged.body else { panic!("a release") };
        let plan = round.plan().unwrap();
        sums.iter().map(|sum| sum >> plan.noise.doublings).collect()
    }

    pub fn faults(&self) -> Vec<String> {
        let told = self.world.events.iter();
        told.filter(|(_, e)| matches!(e, Event::Fault(..) | Event::Declined(..)))
            .map(|e| format!("{e:?}"))
            .collect()
    }

    pub fn spent(&self, site: usize) -> u64 {
        let member = self.world.member(site).unwrap();
        member.standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum()
    }

    /// Continues the log of a member that is gone, as whoever holds its keys could, and pushes it to
    /// the member at `to`.
    pub fn forge(&mut self, author: usize, to: usize, body: Body) {
        self.forge_at(self.world.now(), author, to, body);
    }

    /// As `forge`, in an entry that says it was written at `at`.
    pub fn forge_at(&mut self, at: Time, author: usize, to: usize, body: Body) {
        let founder = self.founder(author);
        let (keys, id) = (founder.keys(), founder.id);
        let member = self.world.member(to).unwrap();
        let log = member.fold().log(&id).unwrap();
        let (origin, head, size) = (log.origin.clone(), log.head(), log.size());
        let entry = Entry { at, by: id.clone(), seq: size, body }.to_bytes();
        let mut tree = log.tree().clone();
        tree.push(leaf_hash(&entry));
        let checkpoint = Checkpoint { origin, size: size + 1, root: tree.root() };
        let note = sign_checkpoint(&checkpoint, keys.log());
        let section = Section { log: head, from: size, entries: vec![Bytes(entry)], note, proof: vec![] };
        let bytes = encode(&Request::Push { sections: vec![section] });
        self.world.input(to, Input::Request { from: id, exchange: 77, bytes });
    }

    /// Pushes to the member at `to` another history of a log: its newest entry is another there.
    pub fn rewrite(&mut self, author: usize, to: usize) {
        let founder = self.founder(author);
        let (keys, id) = (founder.keys(), founder.id);
        let log = self.world.member(to).unwrap().fold().log(&id).unwrap();
        let (origin, head, size) = (log.origin.clone(), log.head(), log.size());
        let mut entries = log.entries()[..log.entries().len() - 1].to_vec();
        let hash = Digest([1; 32]);
        let body = Body::Charter { version: 1, hash, note: hash, from: self.world.now() };
        let other = Entry { at: self.world.now(), by: id.clone(), seq: size - 1, body };
        entries.push(other.to_bytes().into());
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let note = sign_checkpoint(&Checkpoint { origin, size, root: tree.root() }, keys.log());
        let entries = entries.iter().map(|entry| Bytes(entry.to_vec())).collect();
        let section = Section { log: head, from: 0, entries, note, proof: vec![] };
        let bytes = encode(&Request::Push { sections: vec![section] });
        // Whoever brings it only passes it on.
        let from = self.founder(if to == 1 { 0 } else { 1 }).id;
        self.world.input(to, Input::Request { from, exchange: 78, bytes });
    }

    pub fn wrote(&self, id: QueryId, site: usize, kind: Kind) -> bool {
        let member = self.world.member(site).unwrap();
        member.fold().round(&id).is_some_and(|round| round.said(kind, member.me()).is_some())
    }

    /// The logs that a member holds, each to so many entries: what an auditor with old copies reads.
    pub fn copies(&self, site: usize, entries: impl Fn(&MemberId) -> u64) -> Fold {
        let held = self.world.member(site).unwrap().fold();
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let known = vocabularies(&vocabulary, sha256(&[VOCABULARY.as_bytes()]));
        let mut fold = Fold::with_chain(held.charters().to_vec(), known);
        for log in held.logs() {
            let count = usize::try_from(entries(&log.member).min(log.size())).unwrap();
            for entry in &log.entries()[..count] {
                fold.append(&log.member, entry.clone());
            }
        }
        fold
    }

    /// Every log that a member holds passes its audit.
    pub fn audits_clean(&self, site: usize) {
        self.audits_clean_but(site, None);
    }

    /// As `audits_clean`, whatever comes of one member's log: whose keys somebody else used too.
    pub fn audits_clean_but(&self, site: usize, but: Option<usize>) {
        let but = but.map(|site| self.founder(site).id);
        for report in audit(self.world.member(site).unwrap().fold(), &|_| None) {
            assert!(report.passed() || Some(&report.member) == but.as_ref(), "{report:#?}");
        }
    }
}
