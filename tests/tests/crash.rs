//! R1, R2 and S16: a crash at any write, sync, rename or removal of a node's folder costs no debit that
//! was told to anybody, and gives no second answer.
//!
//! How: one round of five members in each mode is run on the node's own storage, and every change of
//! the disk and every acknowledgement is recorded in order. From that record each disk is made that a
//! crash at any point could leave: a killed process (all writes, the last one torn), and a power cut
//! (what was not synced is lost, wholly or in parts, names and bytes and 512-byte blocks each by itself).
//! The member starts from each, and must hold every entry, signed head, secret and sealed share that it
//! told of.
//!
//! What would make it fail: a message sent before its entry is stored; an entry stored without a sync;
//! a new file or a rename whose folder is not synced; a secret after the verdict that binds it.
use datacoop_policy::query::Mode;
use datacoop_tests::crash::{Cast, Step, Told, crash_all, damage_tail, full_everywhere, record};
use datacoop_tests::full::fill;
use datacoop_tests::kills::{kill_on_two, wanted};

#[test]
fn a_crash_at_any_change_of_the_disk_breaks_nothing_that_was_told() {
    for mode in [Mode::Secure, Mode::FullNoise] {
        let (cast, traces) = record(mode, false);
        let tally = crash_all(&cast, &traces, 2);
        println!("{mode:?}: {} images, {} started", tally.images, tally.started);
        let first: Vec<&String> = tally.failures.iter().step_by(tally.failures.len() / 20 + 1).collect();
        assert!(first.is_empty(), "{} of {} failed: {first:#?}", tally.failures.len(), tally.images);
        assert!(tally.images > 1_000, "{} images", tally.images);
        // Every draw of noise came after its debit was durable.
        for trace in &traces {
            let mut told = Told::default();
            trace.iter().for_each(|step| {
                if let Step::Told(ack) = step {
                    told.add(ack);
                }
            });
            assert_eq!(told.early_draws, 0);
            assert!(told.spent() > 0);
        }
    }
}

#[test]
fn a_damaged_tail_starts_with_everything_that_was_told_or_refuses() {
    let (cast, traces) = record(Mode::Secure, false);
    for (site, trace) in traces.iter().enumerate().skip(3) {
        let tally = damage_tail(&cast, site, trace, 197);
        println!("{} images, {} started, {} refused", tally.images, tally.started, tally.refused);
        assert!(tally.failures.is_empty(), "{:#?}", tally.failures.first().unwrap());
        assert!(tally.refused > 0 && tally.images > 500);
    }
}

/// The test of the test: a node that sends before it stores is caught.
#[test]
fn a_node_that_sends_before_it_stores_is_caught() {
    let (cast, traces) = record(Mode::Secure, true);
    let tally = crash_all(&cast, &traces[..2], 0);
    assert!(!tally.failures.is_empty(), "nobody noticed in {} images", tally.images);
}

/// 1,000 kills of a process that holds five members, at moments drawn evenly over the life of one that
/// nobody kills.
#[test]
fn a_thousand_kills_lose_no_debit_and_give_no_second_answer() {
    let kills = kill_on_two(wanted());
    println!("{}", kills.said());
    assert!(kills.failures.is_empty(), "{:#?}", kills.failures);
    assert!(kills.kills >= wanted() && kills.rounds > 0, "{kills:?}");
}

/// R4 and R1's named points: the disk fails at the k-th change, for every k of the round's whole life,
/// with half of that write on disk. The member ends, starts again when space was freed, and goes on.
#[test]
fn a_disk_that_fails_at_any_change_draws_no_noise_and_the_round_still_ends() {
    let cast = Cast::new();
    for (mode, site) in [Mode::Secure, Mode::FullNoise].into_iter().flat_map(|mode| [(mode, 0), (mode, 4)]) {
        let tally = full_everywhere(&cast, mode, site);
        println!("{mode:?}, member {site}: {} failpoints, {} survived", tally.images, tally.started);
        let first: Vec<&String> = tally.failures.iter().take(5).collect();
        assert!(first.is_empty(), "{} of {} failed: {first:#?}", tally.failures.len(), tally.images);
        assert!(tally.images > 50, "{} failpoints", tally.images);
    }
}

/// R4 on a real disk: a tmpfs of 8 MiB fills up in the midst of rounds. The process ends and says what to
/// do, ends again while the disk is full, and goes on once its folder lies on a larger one.
#[test]
fn a_full_disk_ends_the_process_and_a_larger_one_goes_on() {
    match fill() {
        Ok(filled) => {
            println!("{} small disks filled, {} amid rounds", filled.disks, filled.amid_rounds);
            assert!(filled.failures.is_empty(), "{:#?}", filled.failures);
            assert!(filled.amid_rounds >= 3, "{filled:?}");
        }
        Err(why) if std::env::var("CI").is_err() => {
            eprintln!("not tested: no small disk can be mounted here ({why}); CI must be able to");
        }
        Err(why) => panic!("CI must test a full disk: allow user namespaces, or run as root ({why})"),
    }
}
