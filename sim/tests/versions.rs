//! What a later version of the charter changes of what was said before, and what it does not. Source: CHARTER
//! section 3, C5 and C10: what is under way ends under the version that it was asked under.

mod common;

use std::sync::Arc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::Span;
use datacoop_policy::charter::Charter;
use datacoop_policy::query::Mode;
use datacoop_protocol::audit::{Check, Outcome, audit};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::port::Input;
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
