//! An asker that tries to learn about one member from several answers: by asking again, by Rosters that
//! differ, by lists that differ.
//!
//! Claim: two answers to one question never differ by fewer than `min_step` bodies; and an answer that was
//! given is given again, byte for byte, at no cost. Source: CHARTER section 8. What would make it fail: the
//! rule `min_step` left out where a member debits, or where a seat closes.

mod common;

use std::collections::BTreeSet;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::step::smallest_step;
use datacoop_policy::{MemberId, QueryId, Span};
use datacoop_protocol::entry::{Body, QueryBody};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind};

/// The members of a round, once it has a plan.
fn roster(story: &Story, id: QueryId) -> Option<Vec<MemberId>> {
    let round = story.world.member(1)?.fold().round(&id)?.clone();
    Some(round.plan()?.members.clone())
}

fn lose(story: &mut Story, site: usize) {
    story.world.away = Span(100_000_000);
    let next = story.world.executed(site);
    story.world.crash_before(site, next);
    story.world.input(site, Input::Wake);
    story.world.run_until(story.world.now() + Span(5_000));
}

/// Averaging: a hundred askings of one question are one answer.
#[test]
fn a_hundred_askings_are_one_answer() {
    let mut story = Story::new(5, 61);
    story.meet();
    let id = story.ask(3, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    let release = |story: &Story, site: usize| {
        let round = story.world.member(site).unwrap().fold().round(&id).unwrap().clone();
        let (logged, _) = round.released().unwrap();
        logged.body.clone()
    };
    let first = release(&story, 0);
    for n in 0..100 {
        assert_eq!(story.ask(n % 5, story.query(Mode::Secure, LOSS, 5, PERIOD)), None);
    }
    let answered =
        |(_, event): &&(MemberId, Event)| matches!(event, Event::Answered { query, .. } if *query == id);
    assert_eq!(story.world.events.iter().filter(answered).count(), 100);
    assert!((0..5).all(|site| story.spent(site) == LOSS && release(&story, site) == first));
    // Whoever ignores its own program and asks anyway gets no verdict.
    let body = story.query(Mode::Secure, LOSS, 5, PERIOD);
    lose(&mut story, 4);
    if story.world.member(4).is_none() {
        story.forge(4, 0, Body::Query(Box::new(body)));
        story.world.run_until(story.world.now() + Span(90_000));
        assert!((0..4).all(|site| story.spent(site) == LOSS), "the same question is paid once");
    }
}

/// Rosters one apart: with a member away the asker takes the largest lawful Roster, which leaves out
/// enough others, and what a hostile asker writes instead is debited by nobody.
#[test]
fn rosters_differ_by_enough_bodies_or_not_at_all() {
    let mut story = Story::new(12, 62);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    lose(&mut story, 0);
    // Overlapping days, so no term ends the comparison.
    let second = story.ask(11, story.query(Mode::Secure, LOSS, 5, "2025-11-03..2025-12-19")).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    let (one, two) = (roster(&story, first).unwrap(), roster(&story, second).unwrap());
    let apart = one.iter().filter(|id| !two.contains(id)).count();
    assert!(!two.contains(&one[0]) && apart == 3 && two.len() == 9, "{two:?}");
    let round = story.world.member(1).unwrap().fold().round(&second).unwrap().clone();
    assert!(matches!(round.ending(), Some(Ending::Released(_))), "{:?}", round.ending());
    assert!((1..12).all(|site| story.spent(site) == if two.contains(&one[site]) { 2 } else { 1 } * LOSS));
    story.audits_clean(1);
}

/// A hostile asker whose own program would choose otherwise: whatever Roster it freezes, no member debits
/// one that sets fewer than three apart.
#[test]
fn no_member_debits_a_roster_one_apart() {
    let mut caught = 0;
    for seed in 63..75 {
        let mut story = Story::new(12, seed);
        story.meet();
        let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
        assert!(story.finish(first, 12) && story.released(first));
        story.world.run_until(story.world.now() + Span(2_000));
        let query: QueryBody = story.query(Mode::Secure, LOSS, 5, "2025-11-03..2025-12-19");
        story.world.away = Span(100_000_000);
        story.world.input(11, Input::Ask { command: 900, query: Box::new(query) });
        // The asker leaves when it has asked; its keys write the Roster.
        let id = loop {
            story.world.run_until(story.world.now() + Span(1));
            let rounds = story.world.member(0).unwrap().fold().rounds();
            if let Some(id) = rounds.keys().find(|id| **id != first) {
                break *id;
            }
        };
        let next = story.world.executed(11);
        story.world.crash_before(11, next);
        story.world.run_until(story.world.now() + Span(5_000));
        let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
        if story.world.member(11).is_some() || round.roster().is_some() {
            continue;
        }
        let verdicts: Vec<_> = round.all(Kind::Verdict).map(|(_, logged)| logged.at.clone()).collect();
        if verdicts.len() < 11 {
            continue;
        }
        caught += 1;
        story.forge(11, 0, Body::Roster { query: id, verdicts: verdicts[..verdicts.len() - 1].to_vec() });
        story.world.run_until(story.world.now() + Span(20_000));
        let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
        assert!(round.plan().is_some(), "a lawful round but for what came before");
        assert_eq!(round.all(Kind::Debit).count(), 0, "seed {seed}");
        let declined: BTreeSet<&MemberId> = story
            .world
            .events
            .iter()
            .filter(|(_, event)| matches!(event, Event::Declined(query, _) if *query == id))
            .map(|(by, _)| by)
            .collect();
        assert!(declined.len() >= 10, "each says why, to its own people: {declined:?}");
    }
    assert!(caught > 0, "in some world the asker left between its query and its roster");
}

/// Another term is another question: a school that left is left out from then on.
#[test]
fn in_another_term_the_roster_may_differ() {
    let mut story = Story::new(12, 80);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    lose(&mut story, 0);
    let second = story.ask(11, story.query(Mode::Secure, LOSS, 5, "2026-01-05..2026-02-13")).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    let (one, two) = (roster(&story, first).unwrap(), roster(&story, second).unwrap());
    assert_eq!((one.len(), two.len()), (12, 11));
}

fn sleep(story: &mut Story, sites: &[usize]) {
    story.world.away = Span(400_000);
    for site in sites {
        let next = story.world.executed(*site);
        story.world.crash_before(*site, next);
        story.world.input(*site, Input::Wake);
    }
    story.world.run_until(story.world.now() + Span(5_000));
}

/// A cover: of all, of some and of most of the rest, asked while others sleep. Nobody is in all three
/// rounds, and the first less the other two would be one school.
#[test]
fn rounds_that_nobody_shares_show_no_member_together() {
    let mut story = Story::new(12, 90);
    story.meet();
    let one = story.ask(0, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(one, 12) && story.released(one));
    sleep(&mut story, &[1, 5, 7, 8, 9, 10, 11]);
    let two = story.ask(0, story.query(Mode::Secure, LOSS, 5, "2025-11-03..2025-12-19")).unwrap();
    story.world.run_until(story.world.now() + Span(750_000));
    sleep(&mut story, &[0, 2, 3, 4, 5, 6]);
    let three = story.ask(7, story.query(Mode::Secure, LOSS, 5, "2025-11-04..2025-12-19")).unwrap();
    story.world.run_until(story.world.now() + Span(750_000));
    let rounds = story.world.member(7).unwrap().fold().rounds().clone();
    let released =
        [one, two, three].into_iter().filter(|id| matches!(rounds[id].ending(), Some(Ending::Released(_))));
    let sets: Vec<BTreeSet<MemberId>> =
        released.map(|id| rounds[&id].released().unwrap().1.accepted.into_iter().collect()).collect();
    assert!(sets.len() >= 2, "the second differs from the first by enough");
    let charter = story.world.member(7).unwrap().fold().charter().clone();
    assert!(smallest_step(&charter, &sets).unwrap() >= 3, "{sets:?}");
}
