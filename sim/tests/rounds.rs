//! Whole rounds in the simulated world, told as stories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::rounds::Ending;

fn true_sums(members: i64) -> [i64; 2] {
    [100 * members + members * (members + 1) / 2, 50 * members]
}

fn check_round(members: usize, mode: Mode, seed: u8) {
    let mut story = Story::new(members, seed);
    let min = u32::try_from(members.min(5)).unwrap();
    story.meet();
    let query = story.query(mode, LOSS, min, PERIOD);
    let id = story.ask(members - 1, query).expect("asked");
    assert!(story.finish(id, members), "the round ends: {:?}", story.world.events);
    assert_eq!(story.faults(), Vec::<String>::new());
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    assert!(round.repeats().is_empty(), "nothing is said twice");
    let want = true_sums(i64::try_from(members).unwrap());
    let got = story.sums(id);
    // sigma_i sqrt(n) is at most 13 here (18 in full-noise mode): nine of those never happen, and the
    // first sum of the fewest members is 306.
    for (got, want) in got.iter().zip(want) {
        assert!(
            (got - want).abs() < 9 * if mode == Mode::Secure { 13 } else { 18 },
            "{got} is not near {want}"
        );
    }
    for site in 0..members {
        assert_eq!(story.spent(site), LOSS, "site {site}");
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
    story.meet();
    let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    let id = story.ask(3, query.clone()).unwrap();
    assert!(story.finish(id, 5));
    assert_eq!(story.ask(2, story.query(Mode::Secure, LOSS, 5, PERIOD)), None);
    assert!(
        story.world.events.iter().any(|(_, e)| matches!(e, Event::Answered { query, .. } if *query == id))
    );
    assert_eq!(story.spent(1), LOSS);
}

#[test]
fn a_query_above_a_limit_is_denied_before_anything_is_written() {
    let mut story = Story::new(5, 5);
    story.meet();
    assert_eq!(story.ask(3, story.query(Mode::Secure, 50_000_001, 5, PERIOD)), None);
    let denied = |rule: &str| {
        story.world.events.iter().any(|(_, e)| matches!(e, Event::Denied { rule: r, .. } if *r == rule))
    };
    assert!(denied("rho_query"));
}

#[test]
fn a_crash_before_any_output_of_any_member_costs_one_debit_and_no_answer() {
    // How many outputs each kind of member executes in an undisturbed round.
    let mut calm = Story::new(5, 6);
    calm.meet();
    let query = calm.query(Mode::Secure, LOSS, 5, PERIOD);
    let before: Vec<u64> = (0..5).map(|site| calm.world.executed(site)).collect();
    let id = calm.ask(4, query).unwrap();
    assert!(calm.finish(id, 5));
    let after: Vec<u64> = (0..5).map(|site| calm.world.executed(site)).collect();
    for site in 0..5 {
        for output in (before[site]..after[site]).step_by(3) {
            let mut story = Story::new(5, 6);
            story.meet();
            story.world.crash_before(site, output);
            let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
            let Some(id) = story.ask(4, query) else { continue };
            assert!(story.finish(id, 5), "site {site}, output {output}: no end");
            let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
            assert!(
                matches!(round.ending(), Some(Ending::Released(_))),
                "site {site}, output {output}: {:?}",
                round.ending()
            );
            for debtor in 0..5 {
                assert_eq!(story.spent(debtor), LOSS, "site {site}, output {output}, debtor {debtor}");
            }
            assert_eq!(story.faults(), Vec::<String>::new(), "site {site}, output {output}");
            assert!(round.repeats().is_empty(), "nothing is said twice");
        }
    }
}
