//! Rounds that do not go as planned, told as stories: somebody leaves, gives up, asks too often or
//! writes what it should not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story, least_question};
use datacoop_policy::Span;
use datacoop_policy::query::Mode;
use datacoop_policy::verdict::VOIDED_MAX;
use datacoop_protocol::entry::{Body, QueryBody};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind, Round};

impl Story {
    /// Crashes the first member without a seat whose debit `witness` holds and which has not
    /// contributed yet; which one. `None` if all were too quick.
    fn catch_between_debit_and_contribution(&mut self, witness: usize) -> Option<usize> {
        for _ in 0..5_000 {
            self.world.run_until(self.world.now() + Span(1));
            let Some(member) = self.world.member(witness) else { continue };
            let rounds = member.fold().rounds().values().filter(|round| round.ending().is_none());
            for (round, plan) in rounds.filter_map(|round| Some((round, round.plan()?))) {
                let caught = (0..plan.members.len()).filter(|site| *site != witness).find(|site| {
                    let id = &plan.members[*site];
                    let wrote =
                        |kind| self.world.member(*site).is_some() && self.wrote(round.id, *site, kind);
                    plan.query.asker != *id
                        && plan.seat(id).is_none()
                        && round.said(Kind::Debit, id).is_some()
                        && !wrote(Kind::Contribution)
                });
                if let Some(site) = caught {
                    let next = self.world.executed(site);
                    self.world.crash_before(site, next);
                    return Some(site);
                }
            }
        }
        None
    }
}

#[test]
fn answers_leave_on_the_grid_and_the_round_ends() {
    for grid in [250, 999] {
        let mut story = Story::new(5, 21);
        story.world.answer_grid = Span(grid);
        story.meet();
        let id = story.ask(4, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
        assert!(story.finish(id, 5), "grid {grid}");
        assert!(story.released(id), "grid {grid}");
    }
}

/// Whoever sleeps through a round after its debit gets the debit back if it had not contributed, and
/// its log says so; whoever contributed has spent it.
#[test]
fn a_debit_that_nothing_was_contributed_under_returns() {
    let mut calm = Story::new(5, 22);
    calm.meet();
    let before = calm.world.executed(2);
    let id = calm.ask(4, calm.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(calm.finish(id, 5));
    let after = calm.world.executed(2);
    let (mut returned, mut spent) = (0, 0);
    for output in before..after {
        let mut story = Story::new(5, 22);
        story.world.away = Span(100_000);
        story.meet();
        story.world.crash_before(2, output);
        let Some(id) = story.ask(4, story.query(Mode::Secure, LOSS, 5, PERIOD)) else { continue };
        story.world.run_until(story.world.now() + Span(110_000));
        let (debited, contributed) =
            (story.wrote(id, 2, Kind::Debit), story.wrote(id, 2, Kind::Contribution));
        assert_eq!(story.wrote(id, 2, Kind::Void), debited && !contributed, "output {output}");
        assert_eq!(story.spent(2), if contributed { LOSS } else { 0 }, "output {output}");
        returned += u32::from(debited && !contributed);
        spent += u32::from(contributed);
        story.world.run_until(story.world.now() + Span(70_000));
        story.audits_clean(2);
        story.audits_clean(0);
    }
    assert!(returned > 0 && spent > 0, "{returned} returned, {spent} spent");
}

/// Once every seat has opened, everybody can add up: whoever dislikes the sum cannot abort it away.
#[test]
fn an_abort_after_all_opens_ends_nothing() {
    let mut calm = Story::new(5, 23);
    calm.meet();
    let before = calm.world.executed(4);
    let id = calm.ask(4, calm.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(calm.finish(id, 5));
    let after = calm.world.executed(4);
    let mut suppressed = 0;
    for output in before..after {
        let mut story = Story::new(5, 23);
        story.world.away = Span(10_000_000);
        story.meet();
        story.world.crash_before(4, output);
        let Some(id) = story.ask(4, story.query(Mode::Secure, LOSS, 5, PERIOD)) else { continue };
        story.world.run_until(story.world.now() + Span(5_000));
        let round = story.world.member(0).unwrap().fold().round(&id).cloned();
        let Some(round) = round.filter(|round| round.ending().is_none()) else { continue };
        let open = round.plan().is_some_and(|plan| round.sums(plan, None).is_some());
        if !open {
            continue;
        }
        suppressed += 1;
        story.forge(4, 0, Body::Abort { query: id, code: "close".into() });
        story.world.run_until(story.world.now() + Span(90_000));
        for site in 0..4 {
            let member = story.world.member(site).unwrap();
            let ending = member.fold().round(&id).unwrap().ending().cloned();
            assert!(matches!(ending, Some(Ending::Released(_))), "site {site}: {ending:?}");
        }
    }
    assert!(suppressed > 0, "the asker was caught between the last open and its release");
}

/// A member takes part twice in the same question, however many ask it at once.
#[test]
fn identical_queries_at_once_are_debited_twice_at_most() {
    let mut story = Story::new(5, 24);
    story.meet();
    for site in [1, 2, 3, 4] {
        let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        story.world.input(site, Input::Ask { command: 100 + site as u64, query: Box::new(query) });
    }
    story.world.run_until(story.world.now() + Span(150_000));
    for site in 0..5 {
        assert!(story.spent(site) <= 2 * LOSS, "site {site}: {}", story.spent(site));
    }
    story.audits_clean(0);
}

/// Two rounds of one question at once could end with accepted sets that differ: a member accepts one
/// at a time, and whichever do not come about cost nobody anything. Afterwards both are answered.
#[test]
fn of_one_question_one_round_runs_at_a_time() {
    let mut story = Story::new(5, 29);
    story.meet();
    let periods = [(3, PERIOD), (4, "2025-11-03..2025-12-19")];
    for (site, period) in periods {
        let query = story.query(Mode::Secure, LOSS, 5, period);
        story.world.input(site, Input::Ask { command: 300 + site as u64, query: Box::new(query) });
    }
    story.world.run_until(story.world.now() + Span(90_000));
    let rounds = story.world.member(0).unwrap().fold().rounds().clone();
    let is_released = |round: &Round| matches!(round.ending(), Some(Ending::Released(_)));
    let released = rounds.values().filter(|round| is_released(round)).count() as u64;
    for site in 0..5 {
        assert_eq!(story.spent(site), released * LOSS, "site {site}: only answers cost");
    }
    for (site, period) in periods {
        let query = story.query(Mode::Secure, LOSS, 5, period);
        let Some(id) = story.ask(site, query) else { continue };
        assert!(story.finish(id, 5) && story.released(id), "{period}");
    }
    assert!((0..5).all(|site| story.spent(site) == 2 * LOSS), "both are answered, once");
    let rounds = story.world.member(0).unwrap().fold().rounds().clone();
    for site in 0..5 {
        let me = story.founder(site).id;
        let place = |round: &Round, kind| round.said(kind, &me).unwrap().at.index;
        let answered = rounds.values().filter(|round| is_released(round));
        let mut spans: Vec<(u64, u64)> =
            answered.map(|round| (place(round, Kind::Verdict), place(round, Kind::Contribution))).collect();
        spans.sort_unstable();
        assert!(spans[0].1 < spans[1].0, "site {site} accepts one after the other: {spans:?}");
    }
    story.audits_clean(0);
}

/// A Query whose entry nobody could read would end its asker's log: it is not written.
#[test]
fn what_nobody_could_read_is_denied_and_not_written() {
    let mut story = Story::new(5, 25);
    story.meet();
    for why in ["a\ttab".to_owned(), "x".repeat(5_000), "\u{1}".to_owned()] {
        let mut query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        query.lay.why = why;
        assert_eq!(story.ask(3, query), None);
    }
    let denied = |(_, event): &&(_, Event)| matches!(event, Event::Denied { rule: "question", .. });
    assert_eq!(story.world.events.iter().filter(denied).count(), 3);
    let id = story.ask(3, story.query(Mode::Secure, LOSS, 5, PERIOD)).expect("its log goes on");
    assert!(story.finish(id, 5) && story.released(id));
}

/// The asker gives up after the debits: the loss of whoever had not contributed returns at once.
#[test]
fn an_asker_that_gives_up_costs_nothing_to_who_had_not_contributed() {
    let (mut caught, mut returned) = (0, 0);
    for seed in 30..90 {
        if caught == 40 {
            break;
        }
        let mut story = Story::new(5, seed);
        story.world.away = Span(5_000);
        story.meet();
        let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        let contribute_by = query.contribute_by;
        story.world.input(4, Input::Ask { command: 900, query: Box::new(query) });
        let Some(sleeper) = story.catch_between_debit_and_contribution(0) else { continue };
        caught += 1;
        let id = *story.world.member(0).unwrap().fold().rounds().keys().next().unwrap();
        story.forge(4, 0, Body::Abort { query: id, code: "close".into() });
        story.world.run_until(story.world.now() + Span(15_000));
        assert!(story.world.now() < contribute_by, "the window is still open");
        // Back on its feet it may have answered before it heard of the abort.
        let contributed = story.wrote(id, sleeper, Kind::Contribution);
        assert_eq!(story.wrote(id, sleeper, Kind::Void), !contributed, "seed {seed}");
        assert_eq!(story.spent(sleeper), if contributed { LOSS } else { 0 }, "seed {seed}");
        returned += u32::from(!contributed);
        // The asker's own node may have written on: then its log has two histories.
        story.audits_clean_but(sleeper, Some(4));
    }
    assert_eq!(caught, 40, "somebody is caught in 40 worlds");
    assert!(returned > 0, "in some world the abort was heard of in time");
}

/// An asker that freezes fewer members than its Query promised makes no round: nobody debits, and
/// nobody takes what comes of it for an answer.
#[test]
fn a_roster_that_the_query_forbids_makes_no_round() {
    let mut calm = Story::new(8, 27);
    calm.meet();
    let before = calm.world.executed(7);
    let mut caught = 0;
    for output in before..before + 40 {
        let mut story = Story::new(8, 27);
        story.world.away = Span(10_000_000);
        story.meet();
        story.world.crash_before(7, output);
        let Some(id) = story.ask(7, story.query(Mode::Secure, LOSS, 8, PERIOD)) else { continue };
        story.world.run_until(story.world.now() + Span(3_000));
        let round = story.world.member(0).unwrap().fold().round(&id).cloned();
        let Some(round) = round.filter(|round| round.roster().is_none()) else { continue };
        let verdicts: Vec<_> = round.all(Kind::Verdict).map(|(_, logged)| logged.at.clone()).collect();
        if story.world.member(7).is_some() || verdicts.len() < 8 {
            continue;
        }
        caught += 1;
        story.forge(7, 0, Body::Roster { query: id, verdicts: verdicts[..6].to_vec() });
        story.world.run_until(story.world.now() + Span(5_000));
        let round = story.world.member(0).unwrap().fold().round(&id).cloned().unwrap();
        assert!(round.roster().is_some() && round.plan().is_none());
        assert!((0..7).all(|site| !story.wrote(id, site, Kind::Debit)));
    }
    assert!(caught > 0, "the asker was caught between the last verdict and its roster");
}

/// A question asked twice, of two periods or with another number in it: where one member's contribution
/// is missing the second time, the two sums would differ by that member, so the committee opens nothing.
#[test]
fn a_repeated_question_opens_no_other_accepted_set() {
    opens_nothing_else(|story, again| {
        let period = if again { "2025-11-03..2025-12-19" } else { PERIOD };
        story.query(Mode::Secure, LOSS, 5, period)
    });
    opens_nothing_else(|story, again| {
        let mut query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        query.question = least_question();
        query.params.insert("least".into(), if again { "0.5" } else { "0.4" }.into());
        query
    });
}

fn opens_nothing_else(query: impl Fn(&Story, bool) -> QueryBody) {
    let mut story = Story::new(12, 28);
    story.meet();
    let first = story.ask(11, query(&story, false)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    story.world.run_until(story.world.now() + Span(2_000));
    story.world.away = Span(10_000_000);
    let query = query(&story, true);
    story.world.input(11, Input::Ask { command: 900, query: Box::new(query) });
    let sleeper = story.catch_between_debit_and_contribution(0).unwrap();
    story.world.run_until(story.world.now() + Span(150_000));
    let rounds = story.world.member(0).unwrap().fold().rounds().clone();
    let round = rounds.values().find(|round| round.id != first).unwrap();
    assert!(round.said(Kind::Contribution, &story.founder(sleeper).id).is_none());
    assert_eq!(round.ending(), Some(&Ending::Aborted("min_step".into())));
    assert_eq!(round.all(Kind::Open).count(), 0);
}

/// A debit that returns costs nothing, and so it returns only so often for one question: each lot that is
/// spoilt shows somebody its nonces. Where there is no lot nothing shows, and nobody is refused. Another number
/// in it, or a day less, is the same question.
#[test]
fn a_question_whose_lots_come_to_nothing_again_and_again_is_refused() {
    for (members, refused) in [(5, false), (24, true)] {
        let mut story = Story::new(members, 71);
        // Answers leave long after the window to contribute: everybody's debit returns.
        story.world.answer_grid = Span(3_600_000);
        story.meet();
        let worded = |story: &Story, n: u32| {
            let period = format!("2025-09-0{}..2025-12-19", n + 1);
            let params = [("least".to_owned(), format!("0.{}", n + 1))].into();
            QueryBody { question: least_question(), params, ..story.query(Mode::Secure, LOSS, 5, &period) }
        };
        for n in 0..VOIDED_MAX {
            let id = story.ask(1, worded(&story, n)).unwrap();
            story.world.run_until(story.world.now() + Span(130_000));
            assert!((0..members).all(|site| story.wrote(id, site, Kind::Void)));
        }
        let asked = story.ask(1, worded(&story, VOIDED_MAX));
        assert_eq!(asked.is_none(), refused);
        let denied = |(_, event): &(_, Event)| matches!(event, Event::Denied { rule: "attempt", .. });
        assert_eq!(story.world.events.iter().any(denied), refused);
        story.audits_clean(0);
    }
}

/// Who slept through its debit is left out of the next try, and nobody that goes on without it is to blame.
#[test]
fn a_second_try_without_a_sleeper_is_no_step_too_small() {
    let mut caught = 0;
    for output in 0..60 {
        let mut story = Story::new(6, 72);
        story.world.away = Span(10_000_000);
        story.meet();
        let before = story.world.executed(5);
        story.world.crash_before(5, before + output);
        let Some(id) = story.ask(1, story.query(Mode::Secure, LOSS, 5, PERIOD)) else { continue };
        story.world.run_until(story.world.now() + Span(200_000));
        let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
        let Some(plan) = round.plan().cloned() else { continue };
        let sleeper = story.founder(5).id;
        if !plan.members.contains(&sleeper) || round.said(Kind::Debit, &sleeper).is_some() {
            continue;
        }
        caught += 1;
        let again = story.ask(1, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
        story.world.run_until(story.world.now() + Span(200_000));
        assert!(story.released(again), "output {output}");
        story.audits_clean(0);
    }
    assert!(caught > 0, "in some world it slept between its verdict and its debit");
}
