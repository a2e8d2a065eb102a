//! What one sees of a round who holds no key: messages by moment, way and length; refusals; what sealing
//! adds. What this file does *not* know: what is inside a message.
//!
//! The members are the product's own machines on simulated wires, and rounds are made as the node makes
//! them; only the Tallies are given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{CharterDraft, Purpose};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::seal;
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::{Sent, Tables, World};

use crate::report::Figure;
use crate::shape_queries::{Dice, STAFF_VOCABULARY, VOCABULARY, random_query, random_roster};

/// Members of a simulated round.
pub const MEMBERS: usize = 6;
/// The grid on which a node's answers leave unless its person sets another, milliseconds.
pub const ANSWER_GRID: Span = Span(250);
/// Random Queries of SECURITY S21.
pub const QUERIES: u64 = 10_000;
/// What the round that goes before the random Queries costs, billionths of rho.
const LOSS: u64 = 5_000_000;

/// A count of girls and boys.
pub const QUESTION: &str = r#"
    id = "how-many"
    version = 1
    title = "How many?"
    vocabulary = "exam/1"
    figure = { kind = "count", of = "n" }
    loss = 5_000_000
    matters = "10"
    measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
    by = [{ column = "sex", cells = ["F", "M"] }]"#;

/// How many girls and boys each member has: the data of a whole co-operative.
pub type Data = [[i64; 2]; MEMBERS];

/// Nobody is special.
pub const DATA: Data = [[120, 125], [130, 135], [140, 145], [150, 155], [160, 165], [170, 175]];

/// What the first member's data may be instead, and why nobody may see it.
pub fn neighbours() -> Vec<(&'static str, Data)> {
    let with = |first: [i64; 2]| {
        let mut data = DATA;
        data[0] = first;
        data
    };
    vec![
        ("one person gone", with([119, 125])),
        ("one person in another group", with([119, 126])),
        // What the engine gives for an empty table and for no table: see its `neighbour_tests`.
        ("an empty table, or none", with([0, 0])),
        ("a roll above its public bound", with([9_000, 9_000])),
    ]
}

/// How a round is made.
#[derive(Clone)]
pub struct Making {
    /// With secret sharing, or each with the whole noise.
    pub mode: Mode,
    /// The answer grid.
    pub grid: Span,
    /// How long members take to tabulate.
    pub tabulation: Span,
    /// Draws everything: identities, nonces, noise, delays.
    pub seed: u8,
}

impl Making {
    /// As nodes do by default.
    pub fn usual(seed: u8) -> Self {
        Self { mode: Mode::Secure, grid: ANSWER_GRID, tabulation: Span(0), seed }
    }
}

/// A round as one sees it who holds no key, and when each member first answered and contributed.
pub struct Seen {
    /// The world after the round.
    pub world: World,
    /// Its Query.
    pub query: QueryId,
    /// Moments of each member's verdict and contribution.
    pub moments: BTreeMap<(MemberId, &'static str), Time>,
}

impl Seen {
    /// Contributions, and those of them that left between two points of the grid that began when the
    /// Query arrived, which is when the verdict was written.
    pub fn off_grid(&self, grid: Span) -> (u64, u64) {
        let answers = self.moments.iter().filter(|((_, kind), _)| *kind == "contribution");
        let waits: Vec<Span> =
            answers.map(|((member, _), at)| *at - self.moments[&(member.clone(), "verdict")]).collect();
        let off = waits.iter().filter(|wait| wait.0 % grid.0 != 0).count();
        (waits.len() as u64, off as u64)
    }
}

/// A co-operative of `MEMBERS` over made-up data, before any Query.
fn world(data: Data, making: &Making) -> (World, Digest) {
    let seed = Seed::new([making.seed; 32]);
    let read = |text: &str| {
        let vocabulary = Vocabulary::from_toml(text).expect("the vocabulary is one");
        (vocabulary, sha256(&[text.as_bytes()]))
    };
    let [(exam, exam_hash), (staff, staff_hash)] = [VOCABULARY, STAFF_VOCABULARY].map(read);
    let addresses = |n: usize| if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    let founder = |n: usize| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n));
    let founders: Vec<Founder> = (0..MEMBERS).map(founder).collect();
    let today = Day::parse("2025-12-01").expect("a day");
    let mut draft = charter_draft(
        &founders.iter().collect::<Vec<_>>(),
        &[(&exam, exam_hash), (&staff, staff_hash)],
        today,
    );
    tighten(&mut draft, making.mode, today);
    let charter = textless_charter(draft).expect("the charter is lawful");
    let number: BTreeMap<MemberId, usize> =
        founders.iter().enumerate().map(|(n, founder)| (founder.id.clone(), n)).collect();
    let tabulate = Arc::new(move |id: &MemberId, _: &_| data[number[id]].to_vec());
    let now = today.start() + Span(36_000_000);
    let id = charter.hash();
    let mut held = vocabularies(&exam, exam_hash);
    held.extend(vocabularies(&staff, staff_hash));
    let mut world = World::new(seed, now, founders, charter, held, tabulate);
    world.answer_grid = making.grid;
    (0..MEMBERS).for_each(|site| world.set_tables(site, Tables::After(making.tabulation)));
    world.run_until(world.now() + Span(2_000));
    (world, id)
}

/// Limits that a random Query can meet: one purpose with little left, one that begins later, one that
/// holds no more than the charter does.
fn tighten(draft: &mut CharterDraft, mode: Mode, today: Day) {
    draft.limits.rho_year = PrivacyLoss::from_nano(20_000_000);
    draft.limits.max_cells = 12;
    draft.limits.full_noise = mode == Mode::FullNoise;
    let purpose = draft.purposes[0].clone();
    let limits = &mut draft.purposes[0].limits;
    limits.datasets = Set::only(["exam".to_owned()]);
    limits.rho_purpose = PrivacyLoss::from_nano(12_000_000);
    limits.questions = Set::only(["how-many", "again"].map(String::from));
    limits.group_by = Set::only(["sex", "year", "made"].map(String::from));
    for (id, starts, left) in [("later", Day(today.0 + 100), 1_000_000), ("wide", today, 7_000_000)] {
        let limits = Limits { rho_purpose: PrivacyLoss::from_nano(left), ..Limits::top() };
        draft.purposes.push(Purpose { id: id.into(), starts, limits, ..purpose.clone() });
    }
}

/// A lawful Query of this charter.
pub fn lawful_query(now: Time, charter: Digest, mode: Mode) -> QueryBody {
    let draft = QuestionDraft::from_toml(QUESTION).expect("the question is one");
    QueryBody {
        question: question_value(&draft).expect("a question is a value"),
        params: BTreeMap::new(),
        period: Period::parse("2025-09-01..2025-12-19").expect("a period"),
        vocabulary: "exam/1".into(),
        purpose: "demo".into(),
        lay: Lay::default(),
        loss: PrivacyLoss::from_nano(LOSS),
        mode,
        assumed: Assumptions::FLOOR,
        min_roster: 5,
        join_by: now + Span(20_000),
        contribute_by: now + Span(40_000),
        close_by: now + Span(60_000),
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    }
}

/// Runs one round to its end, millisecond by millisecond.
pub fn round(data: Data, making: &Making) -> Seen {
    let (mut world, charter) = world(data, making);
    let now = Time::from_seconds(world.now().seconds());
    let query = lawful_query(now, charter, making.mode);
    world.input(MEMBERS - 1, Input::Ask { command: 1, query: Box::new(query) });
    let (mut moments, mut read, mut released) = (BTreeMap::new(), world.events.len(), BTreeSet::new());
    let (mut asked, until) = (None, world.now() + Span(90_000));
    while released.len() < MEMBERS {
        assert!(world.now() < until, "the round does not end: {:?}", world.events);
        world.run_until(world.now() + Span(1));
        for (member, event) in &world.events[read..] {
            match event {
                Event::Asked { query, .. } => asked = Some(*query),
                Event::Step { kind, .. } => {
                    moments.entry((member.clone(), *kind)).or_insert(world.now());
                }
                Event::Released(_) => {
                    released.insert(member.clone());
                }
                Event::Acted { .. }
                | Event::Decided { .. }
                | Event::Waits(_)
                | Event::Version { .. }
                | Event::Rekeyed
                | Event::Answered { .. }
                | Event::Denied { .. }
                | Event::Aborted(..)
                | Event::Declined(..)
                | Event::Fault(..)
                | Event::SplitView(_)
                | Event::Halted(_) => panic!("{member}: {event:?}"),
            }
        }
        read = world.events.len();
    }
    world.run_until(world.now() + Span(5_000));
    Seen { world, query: asked.expect("the Query was asked"), moments }
}

/// Messages of two runs, and how many of them differ in moment, way or length, missing ones too.
pub fn differing(one: &[Sent], two: &[Sent]) -> (u64, u64) {
    let most = one.len().max(two.len());
    let differ = (0..most).filter(|n| one.get(*n) != two.get(*n)).count();
    (most as u64, differ as u64)
}

/// What two neighbouring co-operatives show on the wire and in their entries' kinds.
pub fn on_the_wire(what: &str, making: &Making, data: Data) -> Figure {
    let (one, two) = (round(DATA, making), round(data, making));
    let (messages, mut differ) = differing(&one.world.sent, &two.world.sent);
    // The same entries of the same kinds in the same order, debits and Queries' ids included.
    differ += u64::from(one.world.events != two.world.events || one.moments != two.moments);
    for n in 0..MEMBERS {
        let logged = |seen: &Seen| {
            let member = seen.world.member(n).expect("nobody crashed");
            let accounts = member.standing().ledger().accounts().map(|(_, spent)| spent.nano());
            (member.fold().log(member.me()).map(datacoop_protocol::fold::Log::size), accounts.sum::<u64>())
        };
        differ += u64::from(logged(&one) != logged(&two));
    }
    Figure::never(format!("messages that differ in moment, way or length: {what}"), messages, differ)
}

/// Answers that leave between two points of the grid, and messages whose moments differ, when computing
/// time depends on the data.
pub fn on_the_grid(seed: u8) -> [Figure; 2] {
    let slow = |takes| -> Seen { round(DATA, &Making { tabulation: Span(takes), ..Making::usual(seed) }) };
    let seen: Vec<Seen> = [3, 40, 90, 140, 230].map(slow).into();
    let (answers, off) =
        seen.iter().map(|seen| seen.off_grid(ANSWER_GRID)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    // The last one misses its first point, with the messages on the way. Beyond the contributions the
    // simulated wire draws its delays in another order.
    let pairs = seen[1..4].iter().map(|other| {
        let answers = seen[0].moments.iter().filter(|((_, kind), _)| *kind == "contribution");
        let equal = answers.clone().filter(|(what, at)| other.moments.get(what) == Some(at)).count();
        (MEMBERS as u64, (answers.count() - equal) as u64)
    });
    let (moments, differ) = pairs.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    [
        Figure::never("answers that leave off the 250 ms grid, tabulation in 3 to 230 ms", answers, off),
        Figure::never("answers at another moment, tabulation in 3 or 40, 90, 140 ms", moments, differ),
    ]
}

/// Verdicts that differ between two members whose data differ by a person, over random Queries, and
/// the codes that were given.
pub fn verdicts(queries: u64, seed: u8) -> (Figure, BTreeMap<String, u64>) {
    let making = Making::usual(seed);
    let one = round(DATA, &making);
    let two = round(neighbours()[0].1, &making);
    let (mut differ, mut codes) = (0, BTreeMap::new());
    let charter = one.world.member(1).expect("nobody crashed").fold().charter().hash();
    let mut dice = Dice::new(u64::from(seed));
    for _ in 0..queries {
        let (body, asker) = random_query(&mut dice, one.world.now(), charter);
        let (roster, declared) = random_roster(&mut dice);
        let [a, b] =
            [&one, &two].map(|seen| verdict(seen, body.as_ref(), &asker, roster.as_deref(), declared));
        differ += u64::from(a != b);
        let code = a.split(':').next().unwrap_or_default().to_owned();
        *codes.entry(code).or_insert(0) += 1;
    }
    let claim = "verdicts and refusals that differ on neighbouring data, random Queries";
    (Figure::never(claim, queries, differ), codes)
}

/// The verdict of the second member as its node comes to it, whole: code, layer and sentence.
fn verdict(
    seen: &Seen,
    body: Result<&QueryBody, &String>,
    asker: &MemberId,
    roster: Option<&[MemberId]>,
    declared: bool,
) -> String {
    let body = match body {
        Ok(body) => body,
        Err(error) => return format!("no question: {error}"),
    };
    let member = seen.world.member(1).expect("nobody crashed");
    let (fold, standing, now) = (member.fold(), member.standing(), seen.world.now());
    let query = match fold.bind_draft(body, asker, now) {
        Ok(query) => query,
        Err(error) => return format!("not bound: {error}"),
    };
    let own = member.settings().limits.as_ref();
    let judged = match roster {
        None => member.judge_as_asker(&query),
        Some(roster) => standing.judge(
            fold,
            member.me(),
            &query,
            Some(roster),
            own,
            declared,
            datacoop_protocol::standing::Judged::Now,
            now,
        ),
    };
    match judged {
        Ok(()) => "accepted".into(),
        Err(refusal) => format!("{}: {refusal}", refusal.rule.code()),
    }
}

/// What X-Wing adds to a share, bytes and microseconds: the median of 101 measurements.
pub fn sealing() -> Vec<Figure> {
    let (key, public) = seal::round_keypair(&[1; 32]);
    let share = vec![7; 64];
    let (mut sealing, mut opening, mut added) = (vec![], vec![], 0);
    for n in 0..101 {
        let once = Seed::new([n; 32]);
        let began = std::time::Instant::now();
        let sealed = seal::seal(&public, b"info", b"aad", &share, &once).expect("it seals");
        sealing.push(began.elapsed());
        let began = std::time::Instant::now();
        seal::open(&key, b"info", b"aad", &sealed).expect("it opens");
        opening.push(began.elapsed());
        added = sealed.len() - share.len();
    }
    sealing.sort();
    opening.sort();
    let micros = |times: &[std::time::Duration]| times[times.len() / 2].as_secs_f64() * 1e6;
    vec![
        Figure::at_most("X-Wing: bytes that sealing adds to a share", 1, added as f64, 1_140.0),
        Figure::at_most("X-Wing: microseconds to seal a share, median", 101, micros(&sealing), 50_000.0),
        Figure::at_most("X-Wing: microseconds to open a share, median", 101, micros(&opening), 50_000.0),
    ]
}

/// All of them, for the page.
pub fn figures() -> Vec<Figure> {
    let mut figures: Vec<Figure> =
        neighbours().into_iter().map(|(what, data)| on_the_wire(what, &Making::usual(31), data)).collect();
    figures.extend(on_the_grid(32));
    figures.push(verdicts(QUERIES, 33).0);
    figures.extend(sealing());
    figures
}
