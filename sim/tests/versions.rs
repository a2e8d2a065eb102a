//! What a later version of the charter changes of what was said before, and what it does not. Source: CHARTER
//! section 3, C5 and C10: what is under way ends under the version that it was asked under.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::charter::{Charter, name_witnesses};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::audit::{Check, Notes, Outcome};
use datacoop_protocol::bounds::COSIGN_QUIET;
use datacoop_protocol::entry::Body;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::cosignature::{cosignatures, quorum, witness_keys};
use datacoop_protocol::log::note::Checkpoint;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::Kind;
use datacoop_sim::audits::{audit, audit_one, audit_with};
use datacoop_sim::coop::textless_charter;

/// Drops a member from the world for a long while.
fn lose(story: &mut Story, site: usize) {
    story.world.away = Span(100_000_000);
    let next = story.world.executed(site);
    story.world.crash_before(site, next);
    story.world.input(site, Input::Wake);
    story.world.run_until(story.world.now() + Span(5_000));
}

/// The logs that a member holds, read under this chain.
fn folded(story: &Story, site: usize, chain: Vec<Arc<Charter>>) -> Fold {
    let mut fold = Fold::with_chain(chain, story.vocabularies());
    for log in story.world.member(site).unwrap().fold().logs() {
        for entry in log.entries() {
            fold.append(&log.member, entry.clone());
        }
        let (size, note) = log.note().unwrap();
        fold.set_note(&log.member, size, note.to_owned());
    }
    fold
}

/// Every check of every log that fails.
fn failing(fold: &Fold) -> Vec<Check> {
    let checks = audit(fold, &|_| None).into_iter().flat_map(|report| report.checks);
    checks.filter(|check| check.outcome == Outcome::Fail).collect()
}

#[test]
fn a_later_version_judges_no_roster_of_before() {
    let mut story = Story::new(12, 62);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    lose(&mut story, 3);
    // Three stay away of the second: as many bodies as the first version asks for.
    let second = story.ask(11, story.query(Mode::Secure, LOSS, 5, "2025-11-03..2025-12-19")).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    assert!(story.released(second));
    let held = story.charters.clone();
    assert_eq!(failing(&folded(&story, 0, held.clone())), []);
    let tighter = story.amend(|draft| draft.limits.min_step = 4);
    assert_eq!(failing(&folded(&story, 0, vec![held[0].clone(), tighter])), []);
    story.charters.truncate(1);
    let left = story.founder(3).id;
    let smaller = story.amend(|draft| draft.members.retain(|member| member.id != left));
    assert_eq!(failing(&folded(&story, 0, vec![held[0].clone(), smaller])), []);
    // Nor does one that asks for less acquit anybody: had the first asked for four, three were too few.
    story.charters.truncate(1);
    let later = story.amend(|_| ());
    let mut strict = held[0].fields().clone();
    strict.limits.min_step = 4;
    let strict = textless_charter(strict).unwrap();
    assert_eq!(strict.hash(), held[0].hash());
    assert!(failing(&folded(&story, 0, vec![strict, later])).iter().any(|check| check.code == "A14"));
}

#[test]
fn of_a_version_that_is_not_here_nobody_is_convicted() {
    let mut story = Story::new(5, 71);
    story.meet();
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    story.named = second.hash();
    let id = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    assert_eq!(failing(&folded(&story, 0, story.charters.clone())), []);
    // An auditor that was away holds the first alone.
    assert_eq!(failing(&folded(&story, 0, story.charters[..1].to_vec())), []);
}

/// A version that its author made up is one that is not here: what it did since by the others' rules was not allowed
/// by its own.
#[test]
fn a_made_up_version_hides_nothing() {
    let mut story = Story::new(6, 73);
    story.meet();
    let liar = 5;
    lose(&mut story, liar);
    let (hash, note) = (Digest([9; 32]), Digest([8; 32]));
    story.forge(liar, 0, Body::Charter { version: 2, hash, note, from: Time(0) });
    let id = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, PERIOD)).unwrap();
    let said = |story: &Story, code| {
        let fold = story.world.member(0).unwrap().fold();
        let report = audit_one(fold, &story.founder(liar).id, &|_| None).unwrap();
        report.checks.into_iter().find(|check| check.code == code).unwrap()
    };
    let charter = said(&story, "A06");
    assert_eq!(charter.outcome, Outcome::Warn, "{}", charter.text);
    assert!(
        charter.text.contains("version 2 of the charter in force, which is not in the chain here"),
        "{}",
        charter.text
    );
    let accept = Body::Accept { query: id, nonce_hash: hash, vk_hash: hash, round_key: vec![0; 1_216] };
    story.forge(liar, 0, accept);
    story.world.run_until(story.world.now() + Span(1_000));
    let verdicts = said(&story, "A07");
    assert_eq!(verdicts.outcome, Outcome::Fail, "{}", verdicts.text);
    assert!(verdicts.text.contains("goes by version 2"), "{}", verdicts.text);
}

const DAY: Span = Span(86_400_000);

/// Days that all members sleep through: nothing happens in them.
fn sleep(story: &mut Story, sites: &[usize], span: Span) {
    let away = std::mem::replace(&mut story.world.away, span);
    sites.iter().for_each(|site| story.world.give_charters(*site, []));
    story.world.away = away;
    story.world.run_until(story.world.now() + span);
    story.meet();
}

/// Long enough for logs to be quiet, for witnesses to cosign, and for everybody to hear of it.
fn settle(story: &mut Story) {
    story.world.run_until(story.world.now() + COSIGN_QUIET + Span(130_000));
}

/// Six members; then one leaves and another joins.
fn changed(story: &mut Story) -> Arc<Charter> {
    let (joins, leaves) = (story.founder(6).member(), story.founder(5).id);
    story.amend(|draft| {
        draft.members.retain(|member| member.id != leaves);
        draft.members.push(joins.clone());
        name_witnesses(&mut draft.members);
    })
}

#[test]
fn whoever_leaves_has_a_fortnight_to_ask_and_answer_and_is_told_when_it_is_over() {
    let mut story = Story::founded(7, 81, |draft| {
        draft.members.truncate(6);
        draft.amend = 4;
    });
    story.meet();
    let first = story.charters[0].hash();
    let second = changed(&mut story);
    (0..7).for_each(|site| story.give_newest(site));
    story.meet();
    // All have started again since they hold the second version.
    let asked = story.ask(5, story.query(Mode::FullNoise, LOSS, 5, PERIOD)).expect("it may ask");
    assert!(story.finish(asked, 6) && story.released(asked), "{:?}", story.faults());
    for site in 0..6 {
        assert!(story.wrote(asked, site, Kind::Contribution), "{site}");
    }
    let joiner = story.founder(6).id;
    let heard = story.world.member(2).unwrap().fold().log(&joiner).map_or(0, |log| log.size());
    assert!(heard >= 2, "who joins is heard before all go by that version");
    sleep(&mut story, &[0, 1, 2, 3, 4, 5, 6], Span(15 * DAY.0));
    settle(&mut story);
    let left = |story: &Story, site: usize| {
        let member = story.world.member(site).unwrap();
        member.fold().left_with(member.me(), story.world.now()).map(|charter| charter.version())
    };
    assert_eq!((left(&story, 5), left(&story, 6), left(&story, 0)), (Some(2), None, None));
    let told = story.world.member(5).unwrap().starting().expect("it says so");
    assert!(told.contains("left the co-operative with version 2"), "{told}");
    assert_eq!(story.named, first);
    assert_eq!(story.ask(5, story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-12-18")), None);
    story.named = second.hash();
    let asked = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-12-17")).unwrap();
    assert!(story.finish(asked, 5) && story.released(asked), "{:?}", story.faults());
    // What it wrote to the end is with the others.
    let leaver = story.founder(5).id;
    let size = |site: usize| story.world.member(site).unwrap().fold().log(&leaver).unwrap().size();
    assert!((0..5).all(|site| size(site) == size(5)), "{:?}", (0..6).map(size).collect::<Vec<_>>());
    [0, 5, 6].into_iter().for_each(|site| story.audits_clean(site));
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}

/// A change of members names other witnesses for every log. What stands under the heads of before, and what
/// whoever left wrote, is witnessed all the same.
#[test]
fn what_was_witnessed_stays_so_when_witnesses_change() {
    let mut story = Story::founded(7, 82, |draft| {
        draft.members.truncate(6);
        draft.amend = 4;
        name_witnesses(&mut draft.members);
        // Four each, so that the next version's are others.
        draft.members.iter_mut().for_each(|member| drop(member.witnesses.pop()));
    });
    story.meet();
    let first = story.charters[0].clone();
    let id = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 6) && story.released(id));
    settle(&mut story);
    let leaves = story.founder(5).id;
    let joins = story.founder(6).member();
    let second = story.amend(|draft| {
        draft.members.retain(|member| member.id != leaves);
        draft.members.push(joins.clone());
        let ids: Vec<_> = draft.members.iter().map(|member| member.id.clone()).collect();
        for (n, member) in draft.members.iter_mut().enumerate() {
            // The three before it, where those after it were.
            member.witnesses = (3..6).map(|k| ids[(n + k) % 6].clone()).collect();
        }
    });
    (0..7).for_each(|site| story.give_newest(site));
    story.meet();
    sleep(&mut story, &[0, 1, 2, 3, 4, 5, 6], Span(15 * DAY.0));
    story.named = second.hash();
    let later = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-12-18")).unwrap();
    assert!(story.finish(later, 5) && story.released(later), "{:?}", story.faults());
    settle(&mut story);
    for site in 0..5 {
        let member = story.world.member(site).unwrap();
        let fold = member.fold();
        let mut notes = Notes::new();
        for log in fold.logs() {
            notes.insert(log.member.clone(), member.witnessed().shown(log));
        }
        for (round, charter) in [(id, &first), (later, &second)] {
            let round = fold.round(&round).unwrap();
            for named in charter.members() {
                let log = fold.log(&named.id).unwrap();
                let said = round.everything().filter(|(by, _)| **by == named.id);
                let last = said.map(|(_, logged)| logged.at.index).max().unwrap();
                let keys = witness_keys(charter, &named.id);
                let proves = |note: &String| {
                    let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
                    let head = Checkpoint::parse(&text).unwrap();
                    let valid = cosignatures(note, &head, &keys).unwrap().len();
                    head.size > last && valid >= quorum(keys.len())
                };
                assert!(notes[&named.id].iter().any(proves), "{site}: {} of {}", named.id, charter.version());
                let under = member.witnessed().note_under(log, charter.version());
                assert!(under.is_some_and(|(_, note)| proves(&note)), "{site}: {}", named.id);
            }
        }
        for report in audit_with(fold, &|_| None, &notes) {
            let witnesses = report.checks.iter().find(|check| check.code == "A02").unwrap();
            assert_eq!(witnesses.outcome, Outcome::Pass, "{site}: {}: {}", report.member, witnesses.text);
            assert!(report.passed(), "{report:#?}");
        }
    }
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}
