//! Corrections: a Query that supersedes a Release of the same question, parameters and period.
//!
//! Claim: it is possible once, by name, costs what any Query costs, and gives nobody a second look that is
//! cheaper or finer than one at another question. Source: CHARTER section 8. What would make it fail: a
//! Release that is superseded twice or by a few; attempts that never end; `min_step` not kept between the two.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId, Span};
use datacoop_protocol::entry::{Body, QueryBody, Supersedes};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind, Round};
use datacoop_protocol::standing::superseded_by;

fn correction(story: &Story, old: QueryId, period: &str) -> QueryBody {
    let because = "a school had sent last term's roll".to_owned();
    let supersedes = Some(Supersedes { query: old, because });
    QueryBody { supersedes, ..story.query(Mode::Secure, LOSS, 5, period) }
}

fn round(story: &Story, site: usize, id: QueryId) -> Round {
    Round::clone(story.world.member(site).unwrap().fold().round(&id).unwrap())
}

/// A site goes away for so long.
fn leave(story: &mut Story, site: usize, away: u64) {
    story.world.away = Span(away);
    let next = story.world.executed(site);
    story.world.crash_before(site, next);
    story.world.input(site, Input::Wake);
    // It goes with the next thing that it does: at the latest when it looks for news.
    let until = story.world.now() + Span(90_000);
    story.world.run_while(until, |world| world.member(site).is_some());
    assert!(story.world.member(site).is_none(), "it left");
}

/// The last rule by which a member's own program refused to ask.
fn denied(story: &Story) -> &'static str {
    let rule = story.world.events.iter().rev().find_map(|(_, event)| {
        let Event::Denied { rule, .. } = event else { return None };
        Some(*rule)
    });
    rule.unwrap_or("none")
}

#[test]
fn a_release_is_superseded_once_and_the_new_one_is_the_answer() {
    let mut story = Story::new(5, 81);
    story.meet();
    // Nothing to supersede yet.
    assert_eq!(story.ask(4, correction(&story, Digest([9; 32]), PERIOD)), None);
    assert_eq!(denied(&story), "supersedes");
    let first = story.ask(3, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 5) && story.released(first));
    for (old, period) in [(first, "2025-09-01..2025-12-18"), (Digest([9; 32]), PERIOD)] {
        assert_eq!(story.ask(4, correction(&story, old, period)), None);
        assert_eq!(denied(&story), "supersedes");
    }

    let second = story.ask(4, correction(&story, first, PERIOD)).expect("a correction");
    assert!(story.finish(second, 5) && story.released(second) && story.released(first), "both stay");
    assert!((0..5).all(|site| story.spent(site) == 2 * LOSS), "it is charged in full");
    story.world.run_until(story.world.now() + Span(5_000));
    let member = story.world.member(0).unwrap();
    assert_eq!(superseded_by(member.fold(), &round(&story, 0, first)), Some(second));
    assert_eq!(superseded_by(member.fold(), &round(&story, 0, second)), None);

    // Whoever asks again is given the new one.
    assert_eq!(story.ask(2, story.query(Mode::Secure, LOSS, 5, PERIOD)), None);
    let given = story.world.events.iter().rev().find_map(|(_, event)| {
        let Event::Answered { query, .. } = event else { return None };
        Some(*query)
    });
    assert_eq!(given, Some(second));
    // Neither is superseded again, by an asker's own program or by one that does not care.
    for old in [first, second] {
        assert_eq!(story.ask(4, correction(&story, old, PERIOD)), None);
        assert_eq!(denied(&story), "supersedes");
    }
    leave(&mut story, 4, 100_000_000);
    for old in [first, second] {
        let known: Vec<QueryId> = story.world.member(0).unwrap().fold().rounds().keys().copied().collect();
        story.forge(4, 0, Body::Query(Box::new(correction(&story, old, PERIOD))));
        story.world.run_until(story.world.now() + Span(90_000));
        let rounds = story.world.member(0).unwrap().fold().rounds();
        let forged = rounds.values().find(|round| !known.contains(&round.id)).expect("it arrived");
        for site in 0..4 {
            let me = story.founder(site).id;
            let verdict = forged.said(Kind::Verdict, &me).map(|logged| &logged.body);
            let refused = matches!(verdict, Some(Body::Refuse { rule, .. }) if rule == "supersedes");
            assert!(refused, "{verdict:?}");
        }
    }
    assert!((0..4).all(|site| story.spent(site) == 2 * LOSS));
    (0..4).for_each(|site| story.audits_clean(site));
}

/// Whoever accepts what another Query's members would have refused is told by an audit.
#[test]
fn an_audit_tells_who_accepted_a_correction_of_something_else() {
    let mut story = Story::new(5, 82);
    story.meet();
    let first = story.ask(3, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 5) && story.released(first));
    leave(&mut story, 4, 100_000_000);
    leave(&mut story, 3, 100_000_000);
    story.forge(4, 0, Body::Query(Box::new(correction(&story, first, "2025-09-01..2025-12-18"))));
    story.world.run_until(story.world.now() + Span(2_000));
    let rounds = story.world.member(0).unwrap().fold().rounds();
    let id = *rounds.keys().find(|id| **id != first).unwrap();
    let accept = Body::Accept {
        query: id,
        nonce_hash: Digest([1; 32]),
        vk_hash: Digest([2; 32]),
        round_key: vec![0; 1_216],
    };
    story.forge(3, 0, accept);
    story.world.run_until(story.world.now() + Span(2_000));
    let fold = story.world.member(0).unwrap().fold();
    for report in datacoop_sim::audits::audit(fold, &|_| None) {
        assert_eq!(report.passed(), report.member != story.founder(3).id, "{report:#?}");
    }
}

/// A correction that comes to nothing may be tried once more, whatever the first question was tried.
#[test]
fn a_correction_is_attempted_twice() {
    let mut story = Story::new(5, 83);
    story.meet();
    let first = story.ask(4, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 5) && story.released(first));
    for attempt in 1..=2 {
        let id = story.world.member(0).unwrap().fold().rounds().len();
        let query = correction(&story, first, PERIOD);
        story.world.input(4, Input::Ask { command: 900, query: Box::new(query) });
        let started = loop {
            story.world.run_until(story.world.now() + Span(1));
            let fold = story.world.member(0).unwrap().fold();
            let new = fold.rounds().values().find(|r| r.ending().is_none() && r.asked().is_some());
            if let Some(round) = new
                && round.all(Kind::Contribution).count() == 5
                && fold.rounds().len() == id + 1
            {
                break round.id;
            }
        };
        // A seat sleeps through the rest.
        let plan = round(&story, 0, started).plan().unwrap().clone();
        let sites = 1..4;
        let seat = sites.into_iter().find(|site| plan.seat(&story.founder(*site).id).is_some());
        let seat = seat.expect("a seat of neither the asker nor the reader");
        leave(&mut story, seat, 100_000);
        story.world.run_until(story.world.now() + Span(150_000));
        let ended = round(&story, 0, started).ending().cloned();
        assert!(matches!(ended, Some(Ending::Aborted(_))), "attempt {attempt}: {ended:?}");
        assert!((0..5).all(|site| story.spent(site) == (1 + attempt) * LOSS), "attempt {attempt}");
    }
    assert_eq!(story.ask(4, correction(&story, first, PERIOD)), None);
    assert_eq!(denied(&story), "attempt");
    assert!(story.released(first), "it stands");
    (0..5).for_each(|site| story.audits_clean(site));
}

/// One member gone between the two answers: the difference is that of a lawful group, never its own.
#[test]
fn two_answers_to_one_question_keep_the_step() {
    let mut story = Story::new(12, 84);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    leave(&mut story, 0, 100_000_000);
    let second = story.ask(11, correction(&story, first, PERIOD)).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    let members = |id| round(&story, 1, id).plan().unwrap().members.clone();
    let (one, two): (Vec<MemberId>, Vec<MemberId>) = (members(first), members(second));
    let apart = one.iter().filter(|id| !two.contains(id)).count();
    assert!(!two.contains(&one[0]) && apart == 3 && two.len() == 9, "{two:?}");
    assert!(matches!(round(&story, 1, second).ending(), Some(Ending::Released(_))));
    story.audits_clean(1);
}

/// Five of twelve cannot put their own figures in the place of all twelve's.
#[test]
fn a_few_cannot_supersede_what_many_gave() {
    let mut story = Story::new(12, 85);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    (2..9).for_each(|site| leave(&mut story, site, 100_000_000));
    let second = story.ask(11, correction(&story, first, PERIOD)).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    assert_eq!(round(&story, 0, second).ending(), Some(&Ending::Aborted("supersedes".into())));
    assert!([0, 1, 9, 10, 11].into_iter().all(|site| story.spent(site) == LOSS), "nobody paid for it");
}

/// Vectors of full noise are noised whole, so rounds of it do not wait for each other; but of two corrections
/// that are asked at once one is released at most, and none by halves.
#[test]
fn of_two_corrections_at_once_one_is_released_at_most() {
    for seed in 86..90 {
        let mut story = Story::new(12, seed);
        story.meet();
        let full = |story: &Story| story.query(Mode::FullNoise, LOSS, 5, PERIOD);
        let first = story.ask(3, full(&story)).unwrap();
        assert!(story.finish(first, 12) && story.released(first));
        for site in [0, 1] {
            let query = QueryBody { mode: Mode::FullNoise, ..correction(&story, first, PERIOD) };
            story.world.input(site, Input::Ask { command: 900, query: Box::new(query) });
        }
        story.world.run_until(story.world.now() + Span(150_000));
        let rounds = story.world.member(2).unwrap().fold().rounds();
        assert_eq!(rounds.len(), 3, "both were asked");
        let released = rounds.values().filter(|round| round.id != first && round.released().is_some());
        assert!(released.count() <= 1, "seed {seed}");
        story.audits_clean(2);
    }
}
