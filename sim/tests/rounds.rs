//! Whole rounds in the simulated world, told as stories.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Body, Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Ending;
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::World;

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

struct Story {
    world: World,
    charter: Digest,
    asked: u64,
}

impl Story {
    fn new(members: usize, seed: u8) -> Self {
        let seed = Seed::new([seed; 32]);
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let founders: Vec<Founder> = (0..members)
            .map(|n| {
                let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
                Founder::new(&seed, n, &format!("School {n}"), 200, addresses)
            })
            .collect();
        let today = Day::parse("2025-12-01").unwrap();
        let charter =
            textless_charter(charter_draft(&founders.iter().collect::<Vec<_>>(), (&vocabulary, hash), today))
                .unwrap();
        let tabulate = Arc::new(|id: &MemberId, _: &_| {
            let n: i64 = id.as_str()[5..].parse().unwrap();
            vec![100 + n, 50]
        });
        let id = charter.hash();
        let world = World::new(
            seed,
            today.start() + Span(36_000_000),
            founders,
            charter,
            vocabularies(&vocabulary, hash),
            tabulate,
        );
        Self { world, charter: id, asked: 0 }
    }

    fn query(&self, mode: Mode, loss: u64, min_roster: u32, period: &str) -> QueryBody {
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
            charter: self.charter,
        }
    }

    fn ask(&mut self, site: usize, query: QueryBody) -> Option<QueryId> {
        self.asked += 1;
        let command = self.asked;
        self.world.input(site, Input::Ask { command, query: Box::new(query) });
        let until = self.world.now() + Span(1_000);
        self.world.run_until(until);
        self.world.events.iter().rev().find_map(|(_, event)| {
            let Event::Asked { command: c, query } = event else { return None };
            (*c == command).then_some(*query)
        })
    }

    /// Runs until every member that is there knows how the round ended.
    fn finish(&mut self, id: QueryId, members: usize) -> bool {
        let until = self.world.now() + Span(120_000);
        self.world.run_while(until, |world| {
            !(0..members).all(|site| {
                world.member(site).is_some_and(|m| m.fold().round(&id).is_some_and(|r| r.ending().is_some()))
            })
        })
    }

    fn sums(&self, id: QueryId) -> Vec<i64> {
        let round = self.world.member(0).unwrap().fold().round(&id).unwrap().clone();
        let (logged, _) = round.released().expect("a release");
        let Body::Release { sums, .. } = &logged.body else { panic!("a release") };
        let plan = round.plan().unwrap();
        sums.iter().map(|sum| sum >> plan.noise.doublings).collect()
    }

    fn faults(&self) -> Vec<String> {
        let told = self.world.events.iter();
        told.filter(|(_, e)| matches!(e, Event::Fault(..) | Event::Declined(..)))
            .map(|e| format!("{e:?}"))
            .collect()
    }

    fn spent(&self, site: usize) -> u64 {
        let member = self.world.member(site).unwrap();
        member.standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum()
    }
}

fn true_sums(members: i64) -> [i64; 2] {
    [100 * members + members * (members + 1) / 2, 50 * members]
}

fn check_round(members: usize, mode: Mode, seed: u8) {
    let mut story = Story::new(members, seed);
    let min = u32::try_from(members.min(5)).unwrap();
    story.world.run_until(story.world.now() + Span(2_000));
    let query = story.query(mode, 5_000_000, min, "2025-09-01..2025-12-19");
    let id = story.ask(members - 1, query).expect("asked");
    assert!(story.finish(id, members), "the round ends: {:?}", story.world.events);
    assert_eq!(story.faults(), Vec::<String>::new());
    let want = true_sums(i64::try_from(members).unwrap());
    let got = story.sums(id);
    // sigma_i sqrt(n) is at most 13 here (36 in full-noise mode): nine of those never happen.
    for (got, want) in got.iter().zip(want) {
        assert!(
            (got - want).abs() < 9 * if mode == Mode::Secure { 13 } else { 40 },
            "{got} is not near {want}"
        );
    }
    for site in 0..members {
        assert_eq!(story.spent(site), 5_000_000, "site {site}");
    }
}

#[test]
fn five_members_learn_a_sum_and_debit_once() {
    check_round(5, Mode::Secure, 1);
}

#[test]
fn twelve_members_learn_a_sum_and_debit_once() {
    check_round(12, Mode::Secure, 2);
}

#[test]
fn three_members_learn_a_sum_in_full_noise_mode() {
    check_round(3, Mode::FullNoise, 3);
}

#[test]
fn a_repeated_question_is_answered_from_the_stored_release() {
    let mut story = Story::new(5, 4);
    story.world.run_until(story.world.now() + Span(2_000));
    let query = story.query(Mode::Secure, 5_000_000, 5, "2025-09-01..2025-12-19");
    let id = story.ask(3, query.clone()).unwrap();
    assert!(story.finish(id, 5));
    assert_eq!(story.ask(2, story.query(Mode::Secure, 5_000_000, 5, "2025-09-01..2025-12-19")), None);
    assert!(
        story.world.events.iter().any(|(_, e)| matches!(e, Event::Answered { query, .. } if *query == id))
    );
    assert_eq!(story.spent(1), 5_000_000);
}

#[test]
fn a_query_above_a_limit_is_denied_before_anything_is_written() {
    let mut story = Story::new(5, 5);
    story.world.run_until(story.world.now() + Span(2_000));
    assert_eq!(story.ask(3, story.query(Mode::Secure, 50_000_001, 5, "2025-09-01..2025-12-19")), None);
    let denied = |rule: &str| {
        story.world.events.iter().any(|(_, e)| matches!(e, Event::Denied { rule: r, .. } if *r == rule))
    };
    assert!(denied("rho_query"));
}

#[test]
fn a_crash_before_any_output_of_any_member_costs_one_debit_and_no_answer() {
    // How many outputs each kind of member executes in an undisturbed round.
    let mut calm = Story::new(5, 6);
    calm.world.run_until(calm.world.now() + Span(2_000));
    let query = calm.query(Mode::Secure, 5_000_000, 5, "2025-09-01..2025-12-19");
    let before: Vec<u64> = (0..5).map(|site| calm.world.executed(site)).collect();
    let id = calm.ask(4, query).unwrap();
    assert!(calm.finish(id, 5));
    let after: Vec<u64> = (0..5).map(|site| calm.world.executed(site)).collect();
    for site in 0..5 {
        for output in (before[site]..after[site]).step_by(3) {
            let mut story = Story::new(5, 6);
            story.world.run_until(story.world.now() + Span(2_000));
            story.world.crash_before(site, output);
            let query = story.query(Mode::Secure, 5_000_000, 5, "2025-09-01..2025-12-19");
            let Some(id) = story.ask(4, query) else { continue };
            assert!(story.finish(id, 5), "site {site}, output {output}: no end");
            let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
            assert!(
                matches!(round.ending(), Some(Ending::Released(_))),
                "site {site}, output {output}: {:?}",
                round.ending()
            );
            for debtor in 0..5 {
                assert_eq!(story.spent(debtor), 5_000_000, "site {site}, output {output}, debtor {debtor}");
            }
            assert_eq!(story.faults(), Vec::<String>::new(), "site {site}, output {output}");
            assert!(round.repeats().is_empty(), "nothing is said twice");
        }
    }
}
