//! S16 and R1, step by step: every durable step of a member persists or does not, and the co-operative goes on
//! as if nothing had happened. The table is `datacoop_tests::matrix::Step::row`.

use datacoop_tests::matrix::{FOLDER_STEPS, Fate, Sabotage, Step, Target, all, crash, play};

#[test]
fn every_step_persists_or_not_and_nothing_that_was_told_breaks() {
    let tally = all(Step::ALL, 1);
    println!("{} cells, {} green", tally.images, tally.started);
    assert!(tally.failures.is_empty(), "{} failures: {:#?}", tally.failures.len(), tally.failures);
    assert_eq!(tally.images, (Step::ALL.len() * Fate::ALL.len()) as u64);
}

/// Not only the first time: `cargo test -p datacoop-tests --test matrix -- --ignored`, 2,304 worlds.
#[test]
#[ignore = "2,304 worlds"]
fn every_step_persists_or_not_however_often_it_was_taken() {
    let tally = all(Step::ALL, 16);
    println!("{} cells, {} green, {} not so often", tally.images, tally.started, tally.refused);
    assert!(tally.failures.is_empty(), "{} failures: {:#?}", tally.failures.len(), tally.failures);
}

/// Members that close a round, at most.
const SEATS: u64 = 4;

/// The test of the test: each promise that a step rests on, broken, turns its row red.
#[test]
fn a_broken_promise_turns_its_row_red() {
    let broken = [
        (Sabotage::KeepsWhatIsErased, Step::EraseSecret, Fate::Persisted, 1),
        (Sabotage::KeepsWhatIsErased, Step::EraseOpening, Fate::Never, 1),
        (Sabotage::SecretsLast, Step::Accept, Fate::Persisted, 1),
        // One of the seats will be asked what it was sent.
        (Sabotage::SecretsLast, Step::Close, Fate::Persisted, SEATS),
        (Sabotage::ForgetsHeads, Step::Sign, Fate::Persisted, 1),
        (Sabotage::ForgetsDebits, Step::Debit, Fate::Persisted, 1),
        (Sabotage::NeverSyncsTheJournal, Step::Debit, Fate::Persisted, 1),
        (Sabotage::NeverSyncsTheJournal, Step::Sign, Fate::Persisted, 1),
        (Sabotage::NeverSyncsTheJournal, Step::LeftRounds, Fate::Never, 1),
    ];
    for (sabotage, step, fate, times) in broken {
        let is_red = |after| {
            let cell = play(Target { step, fate, after }, Some(sabotage));
            println!("{sabotage:?}, {step:?} {fate:?} {after}: {:?}", cell.failures.first());
            cell.happened && !cell.failures.is_empty()
        };
        assert!((0..times).any(is_red), "{sabotage:?} at {step:?} {fate:?}");
    }
}

#[test]
fn every_step_of_a_folder_leaves_the_old_or_the_new() {
    let mut failures = vec![];
    for (step, _) in FOLDER_STEPS {
        let tally = crash(step);
        println!("{step:?}: {} disks, {} failures", tally.images, tally.failures.len());
        assert!(tally.images > 3, "{step:?} changes something");
        failures.extend(tally.failures);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
