//! When one round of a question keeps the next one waiting, and what no liar makes of that.
//!
//! Claim: a round waits while another one that it can be compared with may still give a sum, and no longer.
//! What would make it fail: an abort dated ahead that lets a second round begin, or a round that can give no
//! sum and blocks its question for everybody.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::{Digest, MemberId, Period, Span, Time};
use datacoop_protocol::entry::{Body, QueryBody};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::standing::{Judged, Standing, largest_roster, replay};

/// Days that overlap with the round's, and a term that does not.
const OVERLAPPING: &str = "2025-11-03..2025-12-19";
const NEXT_TERM: &str = "2026-01-05..2026-02-13";
/// Bodies that two sums of one question may set apart at least.
const STEP: u32 = 3;
/// Later than any entry of a round may be on its way.
const LONG_AFTER: Span = Span(600_000);

/// A round of twelve, with an hour between its deadlines.
fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    Told::once(&TOLD, || Told::of(Story::new(12, 81), 12, |story| long(story, Mode::Secure)))
}

fn long(story: &Story, mode: Mode) -> QueryBody {
    let mut query = story.query(mode, LOSS, 5, PERIOD);
    query.contribute_by = query.join_by + Span(3_600_000);
    query.close_by = query.contribute_by + Span(3_600_000);
    query
}

fn again(told: &Told, period: &str) -> Query {
    let mut body = told.round.asked().unwrap().body.clone();
    body.period = Period::parse(period).unwrap();
    let query = told.logs.fold().bind_draft(&body, told.asker(), told.plan.query.at).unwrap();
    Query { id: Digest([9; 32]), ..query }
}

/// Before anybody opened.
fn unopened(told: &Told) -> Logs {
    let logs = told.before(&told.logs, Kind::Release, &[told.asker()]);
    told.before(&logs, Kind::Open, &told.plan.committee.iter().collect::<Vec<_>>())
}

fn undebited(told: &Told, count: usize) -> Logs {
    told.before(&unopened(told), Kind::Debit, &told.plan.members.iter().rev().take(count).collect::<Vec<_>>())
}

/// Whether a member that accepted, and maybe debited, keeps another round of the question waiting.
fn waits(told: &Told, logs: &Logs, kinds: &[Kind], query: &Query, now: Time) -> bool {
    let by = told.bystander();
    let fold = logs.fold();
    let mut standing = Standing::default();
    for kind in kinds {
        assert_eq!(standing.apply(&fold, told.said(*kind, by)), Ok(()));
    }
    standing.is_under_way(&fold, by, query, now)
}

const ACCEPTED: &[Kind] = &[Kind::Verdict];
const DEBITED: &[Kind] = &[Kind::Verdict, Kind::Debit];

#[test]
fn an_abort_dated_ahead_lets_no_second_round_begin() {
    let told = told();
    let query = again(&told, OVERLAPPING);
    let (start, close_by) = (told.plan.query.at, told.plan.query.close_by);
    let aborted = |by: &MemberId, at: Time| {
        let mut logs = unopened(&told);
        logs.push(by, at, Body::Abort { query: told.id, code: "close".into() });
        logs
    };
    for by in [told.asker(), &told.plan.committee[0]] {
        for kinds in [ACCEPTED, DEBITED] {
            for ahead in [close_by, close_by + Span(9_000)] {
                let logs = aborted(by, ahead);
                assert!(told.round_in(&logs).ending().is_some(), "the logs alone look as if it had ended");
                assert!(waits(&told, &logs, kinds, &query, start), "{by} at {ahead:?}");
            }
            let in_time = aborted(by, Time(close_by.0 - 1_000));
            assert!(!waits(&told, &in_time, kinds, &query, start), "it is over");
        }
    }
    let logs = aborted(told.asker(), close_by + Span(9_000));
    assert!(!waits(&told, &logs, DEBITED, &query, close_by + Span(1)), "no longer than its deadline");
    assert!(!waits(&told, &aborted(told.bystander(), close_by), DEBITED, &query, close_by + Span(1)));
}

/// What the others debited may have been shown to some and not to us: who contributed compares the next Roster
/// with that round until it is aborted or past, though it has lapsed for all that is known here.
#[test]
fn who_contributed_to_a_round_that_seems_to_have_lapsed_keeps_its_distance_from_it() {
    let told = told();
    let (by, query) = (told.bystander(), again(&told, OVERLAPPING));
    let close_by = told.plan.query.close_by;
    let late = told.plan.query.contribute_by + LONG_AFTER;
    let eleven: Vec<MemberId> = told.plan.members.iter().filter(|id| *id != told.asker()).cloned().collect();
    // The asker and one more: neither is `by`.
    let silent: Vec<&MemberId> = told.plan.members.iter().rev().filter(|id| *id != by).take(2).collect();
    assert!(silent.contains(&told.asker()));
    let lapsed = told.before(&unopened(&told), Kind::Debit, &silent);
    let judged = |logs: &Logs, now: Time| {
        let (fold, standing) = (logs.fold(), replay(&logs.fold(), by).0);
        let verdict = standing.judge(&fold, by, &query, Some(&eleven), None, true, Judged::Now, now);
        let asked = largest_roster(&fold, &Query { asker: by.clone(), ..query.clone() }, &eleven, STEP, now);
        assert_eq!(verdict.is_ok(), asked == eleven, "the asker's program sees it too");
        verdict.map_err(|refusal| refusal.rule.code())
    };
    assert_eq!(judged(&lapsed, late), Err("min_step"));
    assert_eq!(judged(&lapsed, close_by), Err("min_step"));
    assert_eq!(judged(&lapsed, close_by + Span(1)), Ok(()), "it can come to no sum any more");
    let uncontributed = told.before(&lapsed, Kind::Contribution, &[by]);
    assert_eq!(judged(&uncontributed, late), Ok(()), "what others took alone blocks nobody");
    for (at, freed) in [(late, true), (close_by + Span(9_000), false)] {
        let mut aborted = lapsed.clone();
        aborted.push(&told.plan.committee[0], at, Body::Abort { query: told.id, code: "few".into() });
        assert_eq!(judged(&aborted, late).is_ok(), freed, "an abort at {at:?}");
    }
}

#[test]
fn what_is_not_compared_keeps_nobody_waiting() {
    let told = told();
    let (start, logs) = (told.plan.query.at, unopened(&told));
    assert!(waits(&told, &logs, DEBITED, &again(&told, PERIOD), start));
    assert!(waits(&told, &logs, DEBITED, &again(&told, OVERLAPPING), start));
    assert!(!waits(&told, &logs, DEBITED, &again(&told, NEXT_TERM), start), "another term");
}

#[test]
fn a_round_of_full_noise_keeps_nobody_waiting() {
    let told = Told::of(Story::new(5, 82), 5, |story| long(story, Mode::FullNoise));
    let logs = told.before(&told.logs, Kind::Release, &[told.asker()]);
    let query = Query { mode: Mode::Secure, ..again(&told, OVERLAPPING) };
    let by = &told.plan.members[0];
    let fold = logs.fold();
    let mut standing = Standing::default();
    for kind in DEBITED {
        assert_eq!(standing.apply(&fold, told.said(*kind, by)), Ok(()));
    }
    assert!(fold.round(&told.id).unwrap().ending().is_none());
    assert!(!standing.is_under_way(&fold, by, &query, told.plan.query.at));
}

/// How long after `join_by` a Roster may still be on its way.
const ROSTER_GRACE: Span = Span(120_000);

/// Or an asker could keep a question from everybody with a Query that it lets hang.
#[test]
fn a_query_that_gets_no_roster_keeps_others_waiting_as_long_as_it_lets_members_join() {
    let told = told();
    let query = again(&told, OVERLAPPING);
    let logs = told.before(&told.logs, Kind::Roster, &[told.asker()]);
    let until = told.plan.query.join_by + ROSTER_GRACE;
    assert!(until < told.plan.query.contribute_by);
    assert!(waits(&told, &logs, ACCEPTED, &query, until));
    assert!(!waits(&told, &logs, ACCEPTED, &query, until + Span(1)));
}

/// An asker that holds its Roster back until members have accepted the next round of the question stops none of
/// them, and has none of them in both.
#[test]
fn a_roster_that_comes_after_the_next_round_was_accepted_waits_for_that_one() {
    let told = told();
    let (asker, by, start) = (told.asker(), told.bystander(), told.plan.query.at);
    let mut logs = undebited(&told, 12);
    let ours = |logs: &Logs| {
        let fold = logs.fold();
        let standing = replay(&fold, by).0;
        let query = |id: &Digest| Query::clone(fold.round(id).unwrap().query().unwrap());
        let waits = |id: &Digest| standing.is_under_way(&fold, by, &query(id), start);
        fold.rounds().keys().map(|id| (*id == told.id, waits(id))).collect::<Vec<_>>()
    };
    let debits = |logs: &Logs| {
        let written = Restart::new(&told, logs, by).writes(start);
        written.iter().filter(|body| matches!(body, Body::Debit { .. })).count()
    };
    assert_eq!(debits(&logs), 1, "alone it is debited");
    let mut body = told.round.asked().unwrap().body.clone();
    body.period = Period::parse(OVERLAPPING).unwrap();
    let query = logs.push(asker, start, Body::Query(Box::new(body))).leaf;
    let Body::Accept { nonce_hash, vk_hash, round_key, .. } = told.said(Kind::Verdict, by).body.clone()
    else {
        panic!("an acceptance")
    };
    logs.push(by, start, Body::Accept { query, nonce_hash, vk_hash, round_key });
    let mut waiting = ours(&logs);
    waiting.sort();
    assert_eq!(waiting, [(false, false), (true, true)], "the first waits for the second, and not both");
    assert_eq!(debits(&logs), 0);
}

/// With one missing of twelve the others are still added up, with two they are not.
#[test]
fn a_round_that_too_few_debited_keeps_nobody_waiting_for_its_close() {
    let told = told();
    let query = again(&told, OVERLAPPING);
    let (at, late) = (told.plan.query.at, told.plan.query.contribute_by + LONG_AFTER);
    assert_eq!(told.plan.terms.accepted_min(), 11);
    assert!(late < told.plan.query.close_by);
    assert!(waits(&told, &undebited(&told, 1), DEBITED, &query, late));
    let few = undebited(&told, 2);
    assert!(waits(&told, &few, DEBITED, &query, at), "their debits may come");
    assert!(
        waits(&told, &few, DEBITED, &query, told.plan.query.contribute_by + Span(1)),
        "or be on their way"
    );
    assert!(!waits(&told, &few, DEBITED, &query, late));

    let voided = |count: usize, unused: bool| {
        let mut logs = unopened(&told);
        for by in told.plan.members.iter().rev().take(count) {
            if unused {
                logs.cut(by, told.said(Kind::Contribution, by).at.index);
            }
            let debit = told.said(Kind::Debit, by).at.clone();
            logs.push(by, at, Body::Void { query: told.id, debit, code: "veto".into() });
        }
        waits(&told, &logs, DEBITED, &query, at)
    };
    assert!(voided(1, true) && !voided(2, true));
    assert!(voided(2, false), "what was contributed is added up, whatever its author says later");
}

/// A Query that waited for one left hanging is answered when that one can get no Roster any more, without
/// anything else happening.
#[test]
fn a_query_that_waited_for_one_left_hanging_goes_on_by_itself() {
    let told = told();
    let (asker, by) = (told.asker(), told.bystander());
    let (start, contribute_by) = (told.plan.query.at, told.plan.query.contribute_by);
    let until = told.plan.query.join_by + ROSTER_GRACE;
    let mut logs = told.before(&told.logs, Kind::Roster, &[asker]);
    for member in told.plan.members.iter().filter(|id| *id != asker) {
        logs.cut(member, told.said(Kind::Verdict, member).at.index + 1);
    }
    let mut body = told.round.asked().unwrap().body.clone();
    body.period = Period::parse(OVERLAPPING).unwrap();
    (body.join_by, body.contribute_by) = (contribute_by + LONG_AFTER, contribute_by + LONG_AFTER);
    logs.push(asker, start, Body::Query(Box::new(body)));
    let mut awake = Restart::new(&told, &logs, by).at(start);
    for within in [0, 1, 999] {
        awake.wake_at(until + Span(within));
        assert_eq!(awake.written, [], "the other may still get a Roster: that second counts");
    }
    let (at, _) = awake.member.poll_timeout().expect("it waits for something");
    assert!(at <= until + Span(1_000), "and wakes by itself");
    awake.wake_at(until + Span(1_000));
    assert!(matches!(awake.written[..], [Body::Accept { .. }]), "{:?}", awake.written);
}
