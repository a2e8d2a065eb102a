//! A14: a question that comes again, in a member's own log.
//!
//! Claim: whoever released an answer and asks or accepts the same anew, takes part a third time, or helps to
//! add up a set that is less than `min_step` from an earlier one, fails at that entry; who could not know, or
//! corrects, does not. Source: CHARTER section 8, LOG section 7.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, Period, Span, Time};
use datacoop_protocol::audit::{Check, Outcome};
use datacoop_protocol::entry::{Body, QueryBody, Ref, SealedShare, Supersedes};
use datacoop_protocol::rounds::Kind;

/// Within the school year that the Queries are charged to; no check looks at how long it was.
const LATER: Span = Span(60 * 86_400_000);
/// Overlaps with the period of the first round, and is another.
const OVERLAPPING: &str = "2025-09-01..2025-12-18";

fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    assert!(told.plan.committee.len() == 2 && told.plan.seat(told.asker()).is_none());
    told
}

fn later(told: &Told, seconds: u64) -> Time {
    told.plan.query.at + LATER + Span::from_seconds(seconds)
}

/// The Query of the first round, as it would be asked again.
fn again(told: &Told) -> QueryBody {
    let Some(asked) = told.round.asked() else { panic!("it was asked") };
    let shift = |time: Time| time + LATER;
    QueryBody {
        min_roster: 5,
        join_by: shift(asked.body.join_by),
        contribute_by: shift(asked.body.contribute_by),
        close_by: shift(asked.body.close_by),
        ..asked.body.clone()
    }
}

fn overlapping(told: &Told) -> QueryBody {
    QueryBody { period: Period::parse(OVERLAPPING).expect("a period"), ..again(told) }
}

fn ask(told: &Told, logs: &mut Logs, by: &MemberId, n: u64, query: QueryBody) -> Digest {
    logs.push(by, later(told, n), Body::Query(Box::new(query))).leaf
}

fn accept(query: Digest) -> Body {
    Body::Accept { query, nonce_hash: Digest([1; 32]), vk_hash: Digest([2; 32]), round_key: vec![0; 1_216] }
}

fn contribution(query: Digest, debit: Ref) -> Body {
    let share = SealedShare { digest: Digest([3; 32]), blob: Digest([4; 32]) };
    Body::Contribution {
        query,
        debit,
        nonce: [5; 16],
        public_share: vec![0; 32],
        shares: vec![share.clone(), share],
    }
}

fn fails(check: &Check, at: &Ref, text: &str) {
    assert_eq!(check.outcome, Outcome::Fail, "{check:?}");
    assert_eq!(check.entry, Some(at.index), "{check:?}");
    assert!(check.text.contains(text), "{check:?}");
}

fn passes(logs: &Logs, by: &MemberId) {
    let check = logs.check(by, "A14");
    assert_eq!(check.outcome, Outcome::Pass, "{check:?}");
}

#[test]
fn an_honest_round_repeats_nothing_and_says_what_was_looked_at() {
    let told = told();
    for by in &told.plan.members {
        let check = told.logs.check(by, "A14");
        // A verdict and a contribution; the asker's query and roster; a seat's close and open.
        let steps = 2 + u8::from(by == told.asker()) * 2 + u8::from(told.plan.seat(by).is_some()) * 2;
        assert_eq!(check.text, format!("{steps} steps of rounds set beside earlier ones"));
        passes(&told.logs, by);
    }
}

#[test]
fn whoever_released_an_answer_does_not_ask_the_same_again() {
    let told = told();
    let asker = told.asker();
    let mut logs = told.logs.clone();
    let query = logs.push(asker, later(&told, 0), Body::Query(Box::new(again(&told))));
    fails(&logs.check(asker, "A14"), &query, "asks again what its author had released");

    let supersedes = Some(Supersedes { query: told.id, because: "a roll was wrong".into() });
    for query in [QueryBody { supersedes, ..again(&told) }, overlapping(&told)] {
        let mut logs = told.logs.clone();
        ask(&told, &mut logs, asker, 0, query);
        passes(&logs, asker);
    }
    // Another member may not have heard of the Release.
    let mut logs = told.logs.clone();
    ask(&told, &mut logs, told.bystander(), 0, again(&told));
    passes(&logs, told.bystander());
}

#[test]
fn whoever_released_an_answer_does_not_accept_the_same_again() {
    let told = told();
    let (asker, other) = (told.asker(), told.bystander());
    let mut logs = told.logs.clone();
    let id = ask(&told, &mut logs, other, 0, again(&told));
    let refuse = Body::Refuse { query: id, rule: "sticky".into(), layer: "floor".into() };
    let mut refused = logs.clone();
    refused.push(asker, later(&told, 1), refuse);
    passes(&refused, asker);
    logs.push(other, later(&told, 1), accept(id));
    let accepted = logs.push(asker, later(&told, 1), accept(id));
    fails(&logs.check(asker, "A14"), &accepted, "accepts again what its author had released");
    passes(&logs, other);
}

#[test]
fn a_member_contributes_to_a_question_at_most_twice_however_long_it_was() {
    let told = told();
    let by = told.bystander();
    let mut logs = told.logs.clone();
    let contribute = |logs: &mut Logs, n: u64, query: QueryBody| {
        let id = ask(&told, logs, told.asker(), n, query);
        logs.push(by, later(&told, n), contribution(id, told.said(Kind::Debit, by).at.clone()))
    };
    contribute(&mut logs, 1, again(&told));
    passes(&logs, by);
    let supersedes = Some(Supersedes { query: told.id, because: "a roll was wrong".into() });
    contribute(&mut logs, 2, QueryBody { supersedes, ..again(&told) });
    contribute(&mut logs, 3, overlapping(&told));
    passes(&logs, by);
    let third = contribute(&mut logs, 4, again(&told));
    fails(&logs.check(by, "A14"), &third, "contribution 3 to the same question; 2 are allowed");
}

/// A second round of an overlapping period that all but one member take part in.
fn one_stays_away(told: &Told, logs: &mut Logs) -> (Digest, Vec<Ref>) {
    let id = ask(told, logs, told.asker(), 0, overlapping(told));
    let others = told.plan.members.iter().filter(|by| *by != told.bystander());
    let verdicts = others.map(|by| logs.push(by, later(told, 1), accept(id))).collect();
    (id, verdicts)
}

#[test]
fn an_asker_keeps_min_step_between_a_roster_and_what_it_released() {
    let told = Told::of(Story::new(6, 65), 6, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let asker = told.asker();
    let mut logs = told.logs.clone();
    let (query, verdicts) = one_stays_away(&told, &mut logs);
    let roster = logs.push(asker, later(&told, 2), Body::Roster { query, verdicts: verdicts.clone() });
    fails(&logs.check(asker, "A14"), &roster, "sets 1 bodies apart");

    // With all members again it is the same set.
    let mut logs = told.logs.clone();
    let (query, _) = one_stays_away(&told, &mut logs);
    let late = logs.push(told.bystander(), later(&told, 1), accept(query));
    let mut verdicts = verdicts;
    let place = told.plan.members.iter().position(|by| by == told.bystander()).unwrap_or_default();
    verdicts.insert(place, late);
    logs.push(asker, later(&told, 2), Body::Roster { query, verdicts });
    assert!(logs.fold().round(&query).is_some_and(|round| round.plan().is_some()), "a lawful roster");
    passes(&logs, asker);
}

#[test]
fn a_seat_closes_with_no_set_that_is_too_near_to_one_that_it_opened() {
    let told = told();
    let seat = &told.plan.committee[0];
    let mut logs = told.logs.clone();
    let close = close_without_one(&told, &mut logs);
    let at = logs.push(seat, later(&told, 3), close);
    fails(&logs.check(seat, "A14"), &at, "sets 1 bodies apart");
    assert_eq!(logs.check(&told.plan.committee[1], "A14").outcome, Outcome::Pass, "it closed with none");
}

/// The close of a second round whose accepted set lacks one member.
fn close_without_one(told: &Told, logs: &mut Logs) -> Body {
    let (query, _) = one_stays_away(told, logs);
    let others = told.plan.members.iter().filter(|by| *by != told.bystander());
    let accepted = others
        .map(|by| logs.push(by, later(told, 2), contribution(query, told.said(Kind::Debit, by).at.clone())));
    let accepted = accepted.collect();
    Body::Close { query, verifies: vec![], accepted, commit: Digest([6; 32]) }
}

/// Two rounds at once: at the close of each nothing was open yet.
#[test]
fn a_seat_opens_no_set_that_is_too_near_to_one_that_it_opened_meanwhile() {
    let told = told();
    let seat = &told.plan.committee[0];
    let first = told.said(Kind::Open, seat);
    let mut logs = told.logs.clone();
    logs.cut(seat, first.at.index);
    let close = close_without_one(&told, &mut logs);
    let Body::Close { query, .. } = close else { panic!("a close") };
    logs.push(seat, later(&told, 3), close);
    passes(&logs, seat);
    logs.push(seat, later(&told, 4), first.body.clone());
    passes(&logs, seat);
    let open = Body::Open { query, closes: vec![], share: vec![0; 32], salt: [7; 32] };
    let second = logs.push(seat, later(&told, 5), open);
    fails(&logs.check(seat, "A14"), &second, "sets 1 bodies apart");
}
