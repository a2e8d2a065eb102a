//! Forecasts over a calendar: what is said of windows comes from real members, and agrees with what can be reckoned.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::log::tree::sha256;
use datacoop_sim::calendar::{Holidays, Hours};
use datacoop_sim::chaos::seed;
use datacoop_sim::plan::presence::Presence;
use datacoop_sim::plan::windows::{Change, Study, Windows, members_of};
use datacoop_sim::scenario::MemberSpec;
use datacoop_sim::season::Outcome;

const VOCABULARY: &str = include_str!("../../node/src/vocab/attendance.toml");
const QUESTION: &str = include_str!("../../node/src/questions/catalogue/severe-absence.toml");

fn study(members: Vec<MemberSpec>) -> Study {
    Study {
        members,
        holidays: Holidays::named("england-2026").expect("shipped"),
        min_roster: 5,
        question: QuestionDraft::from_toml(QUESTION).expect("shipped"),
        vocabulary: Vocabulary::from_toml(VOCABULARY).expect("shipped"),
        hash: sha256(&[VOCABULARY.as_bytes()]),
        people_max: 1_000,
        loss: PrivacyLoss::from_nano(5_000_000),
        seed: seed(1),
    }
}

fn many(n: usize, each: &(dyn Fn(usize) -> Outcome + Sync)) -> Vec<Outcome> {
    (0..n).map(each).collect()
}

fn never_off(mut members: Vec<MemberSpec>) -> Vec<MemberSpec> {
    members.iter_mut().for_each(|spec| (spec.lid, spec.loss) = (0, 0));
    members
}

#[test]
fn of_machines_that_always_run_the_shortest_windows_serve() {
    let study = study(never_off(members_of(1, &[(Hours::Always, 4)])));
    let (found, before) = study.shortest(2, &many, &mut |_| {});
    let found = found.unwrap();
    assert_eq!((found.windows, before.len()), (Windows { join: 1, contribute: 1, close: 1 }, 0));
    assert_eq!((found.released, found.counted.as_slice()), (2, [5, 5].as_slice()));
    // Nobody is waited for.
    assert!(found.wait(95).unwrap().0 < 3_600_000, "{:?}", found.waits);
}

/// Without a meeting point nobody hears of a question; and it is no flaw of the run: with one it is answered.
#[test]
fn a_week_without_a_meeting_point_outlasts_short_windows() {
    let study = study(never_off(members_of(1, &[(Hours::Always, 4)])));
    let windows = Windows { join: 1, contribute: 1, close: 1 };
    let without = study.what_if(windows, Change::NoMeetingPoint, 1, &many);
    // It goes down an hour after the question: by then all is over.
    assert_eq!(without.released, 1);
    let asleep = Study { members: members_of(1, &[(Hours::Evenings, 4)]), ..self::study(vec![]) };
    assert_eq!(asleep.what_if(windows, Change::NoMeetingPoint, 1, &many).released, 0);
}

/// Half of the lids are closed each day; over a window of a day two days count.
#[test]
fn who_joins_in_runs_is_who_can_be_reckoned_to() {
    let mut members = members_of(1, &[(Hours::School, 8)]);
    members.iter_mut().filter(|spec| !spec.meeting_point).for_each(|spec| spec.lid = 500);
    let windows = Windows { join: 1, contribute: 1, close: 1 };
    let presence = Presence::new(&members, &windows, 5);
    let expected: f64 = presence.join.iter().enumerate().map(|(n, chance)| n as f64 * chance).sum();
    // The asker is there for certain.
    let expected = expected + 0.25;
    let study = study(members);
    let starts = 12;
    let tried = study.what_if(windows, Change::Nothing, starts, &many);
    let joined: Vec<usize> = tried.rosters.iter().copied().filter(|joined| *joined > 0).collect();
    let mean = joined.iter().sum::<usize>() as f64 / joined.len() as f64;
    println!("{expected} expected, {mean} in {joined:?}, {:?}", tried.why);
    assert!(joined.len() >= 8, "{tried:?}");
    // Each start is off by 1.2 on average; twelve by 0.35.
    assert!((mean - expected).abs() < 1.2, "{expected} expected, {mean} in {:?}", tried.rosters);
}

#[test]
fn a_start_is_the_same_twice() {
    let study = study(members_of(1, &[(Hours::School, 5)]));
    let windows = Windows { join: 1, contribute: 2, close: 1 };
    let once = study.what_if(windows, Change::HalfTerm, 2, &many);
    assert_eq!(study.what_if(windows, Change::HalfTerm, 2, &many), once);
    assert_eq!(once.starts, 2);
}
