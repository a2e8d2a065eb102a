//! The co-operative whose members crash: five schools, and a round of theirs from its Query to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{Charter, CharterDraft};
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::{BoundQuestion, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::checked::Checked;
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::{Kept, World};

/// What one Query costs here, billionths of rho.
pub const LOSS: u64 = 5_000_000;
/// Exit code of `crash-victim` when the disk refused something.
pub const DISK_FAILED: i32 = 3;
/// Five is the fewest for a committee.
pub const MEMBERS: usize = 5;
const EXAM: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;

/// Question number `n`: each is another one, so none waits for another.
pub fn question(n: u64) -> QuestionDraft {
    QuestionDraft::from_toml(&format!(
        r#"
        id = "how-many-{n}"
        version = 1
        title = "How many?"
        vocabulary = "exam/1"
        figure = {{ kind = "count", of = "n" }}
        loss = 5_000_000
        matters = "10"
        measure = [{{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }}]
        by = [{{ column = "sex", cells = ["F", "M"] }}]"#
    ))
    .expect("a question")
}

/// The co-operative of these tests: the same keys and charter in every process.
pub struct Cast {
    /// Its charter.
    pub charter: Arc<Charter>,
    /// Its vocabulary.
    pub vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    seed: Seed,
    members: usize,
}

impl Cast {
    /// Five schools.
    pub fn new() -> Self {
        Self::of(MEMBERS, |_| {})
    }

    /// So many schools, under a charter that is changed first.
    pub fn of(members: usize, change: impl Fn(&mut CharterDraft)) -> Self {
        let seed = Seed::new([41; 32]);
        let vocabulary = Vocabulary::from_toml(EXAM).expect("a vocabulary");
        let hash = sha256(&[EXAM.as_bytes()]);
        let vocabularies = vocabularies(&vocabulary, hash);
        let founders: Vec<Founder> = (0..members).map(|n| founder(&seed, n)).collect();
        let founders: Vec<&Founder> = founders.iter().collect();
        let mut draft = charter_draft(&founders, &[(&vocabulary, hash)], begin().day());
        change(&mut draft);
        Self { charter: textless_charter(draft).expect("a charter"), vocabularies, seed, members }
    }

    /// Member `n` with its keys.
    pub fn founder(&self, n: usize) -> Founder {
        founder(&self.seed, n)
    }

    /// A world of these members at a moment. `life` makes its dice others than those of other lives.
    pub fn world(&self, now: Time, life: u64) -> World {
        let founders = (0..self.members).map(|n| self.founder(n)).collect();
        let tabulate = Arc::new(|_: &MemberId, _: &BoundQuestion| vec![100, 50]);
        let seed = self.seed.derive(&format!("life/{life}"));
        World::new(seed, now, founders, self.charter.clone(), self.vocabularies.clone(), tabulate)
    }

    /// A Query of question `n`, with days to answer in: no deadline ends it.
    pub fn query(&self, now: Time, n: u64, mode: Mode) -> QueryBody {
        let now = Time::from_seconds(now.seconds());
        let day = |days: u64| now + Span(days * 86_400_000);
        QueryBody {
            question: question_value(&question(n)).expect("a question"),
            params: BTreeMap::new(),
            period: Period::parse("2025-09-01..2025-12-19").expect("a period"),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(LOSS),
            mode,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: day(5),
            contribute_by: day(10),
            close_by: day(15),
            charter: self.charter.hash(),
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        }
    }

    /// Starts member `site` from what lies in a folder, as the node does.
    pub fn restore(&self, site: usize, kept: Kept, now: Time) -> Result<Member, String> {
        let founder = self.founder(site);
        let settings = Settings {
            me: founder.id.clone(),
            limits: Some(Limits::top()),
            inbox: InboxRules::default(),
            declared: BTreeSet::from(["exam".to_owned()]),
            answer_grid: Span(0),
            asks_first: false,
            pull_every: datacoop_protocol::bounds::PULL_EVERY,
        };
        let start = Start {
            entropy: Seed::new([9; 32]),
            keys: founder.keys(),
            later_keys: vec![],
            carried: Ledger::default(),
            ended: None,
            settings,
            charters: vec![(self.charter.clone(), self.charter.hash())],
            rivals: BTreeMap::new(),
            vocabularies: self.vocabularies.clone(),
            records: kept.records,
            last_signed: kept.last_signed,
            secrets: kept.secrets,
            openings: kept.openings,
            held: kept.held,
            checked: Checked::default(),
        };
        Member::restore(now, start).map_err(|error| error.to_string())
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}

fn founder(seed: &Seed, n: usize) -> Founder {
    let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    Founder::new(seed, n, &format!("School {n}"), 200, addresses)
}

/// When these stories begin.
pub fn begin() -> Time {
    Day::parse("2025-12-01").expect("a day").start() + Span(36_000_000)
}

/// Lets members meet, asks question `n` at the last member if it was not asked, and runs to the end.
/// Returns the Query, or `None` when the round did not end in time.
pub fn run_round(cast: &Cast, world: &mut World, n: u64, mode: Mode) -> Option<QueryId> {
    let asker = MEMBERS - 1;
    let hash = datacoop_protocol::fold::question_hash(&question_value(&question(n)).expect("a question"));
    let asked = |world: &World| {
        let rounds = world.member(asker)?.fold().rounds().values();
        rounds.filter(|round| round.query().is_some_and(|q| q.question_hash == hash)).map(|r| r.id).next()
    };
    let over = |world: &World| {
        let id = asked(world)?;
        let knows = |site| {
            let member: Option<&Member> = world.member(site);
            member.is_some_and(|m| m.fold().round(&id).is_some_and(|round| round.ending().is_some()))
        };
        (0..MEMBERS).all(knows).then_some(id)
    };
    world.run_until(world.now() + Span(500));
    for _ in 0..5 {
        if asked(world).is_none() && world.member(asker).is_some() {
            let query = Box::new(cast.query(world.now(), n, mode));
            world.input(asker, Input::Ask { command: n, query });
        }
        let until = world.now() + Span(20_000);
        if world.run_while(until, |world| over(world).is_none()) {
            // What is still to be erased and removed is.
            world.run_until(world.now() + Span(2_000));
            return over(world);
        }
    }
    None
}

/// Whether the world's events name a fault that an honest member was blamed for, or a split log.
pub fn blamed(world: &World) -> Vec<String> {
    let bad = |event: &&(MemberId, Event)| {
        matches!(event.1, Event::Fault(..) | Event::SplitView(_) | Event::Halted(_))
    };
    world.events.iter().filter(bad).map(|event| format!("{event:?}")).collect()
}
