//! Who is named for a sum that is kept back after every seat had closed, as far as the logs show it: aborts
//! and opens of one finished round are left out, added and dated otherwise. Source: ROUND section 2.
//!
//! What would make it fail: a seat that is named for what another's abort kept it from, or one that is not.

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span, Time};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::rounds::{Kind, Withholding};

/// A round of twelve: four seats, none of them the asker's.
fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        Told::of(Story::new(12, 74), 12, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    assert!(told.plan.committee.len() == 4 && told.plan.seat(told.asker()).is_none());
    told
}

/// Before the release, with the opens of so many seats, and these aborts.
fn kept_back(told: &Told, opened: usize, aborts: &[(&MemberId, Time)]) -> (Logs, Vec<Ref>) {
    let silent: Vec<&MemberId> = told.plan.committee[opened..].iter().collect();
    let mut logs = told.before(&told.logs, Kind::Release, &[told.asker()]);
    logs = told.before(&logs, Kind::Open, &silent);
    let abort = |at| (at, Body::Abort { query: told.id, code: "close".into() });
    let pushed = aborts.iter().map(|(by, time)| {
        let (time, body) = abort(*time);
        logs.push(by, time, body)
    });
    let pushed = pushed.collect();
    (logs, pushed)
}

/// Who is named, how, and by which entry.
fn named(told: &Told, logs: &Logs) -> Vec<(MemberId, Withholding, Ref)> {
    let withheld = told.round_in(logs).withheld().into_iter();
    withheld.map(|one| (one.by, one.how, one.subject)).collect()
}

fn close(told: &Told, seat: usize, how: Withholding) -> (MemberId, Withholding, Ref) {
    let seat = &told.plan.committee[seat];
    (seat.clone(), how, told.said(Kind::Close, seat).at.clone())
}

#[test]
fn seats_are_named_once_another_has_opened_and_they_have_not() {
    let told = told();
    let silent = |opened: usize| named(&told, &kept_back(&told, opened, &[]).0);
    assert_eq!(silent(0), [], "no share was opened, so nobody keeps a sum back");
    let silence = |seats: std::ops::Range<usize>| {
        seats.map(|seat| close(&told, seat, Withholding::Silence)).collect::<Vec<_>>()
    };
    assert_eq!(silent(1), silence(1..4));
    assert_eq!(silent(3), silence(3..4));
    assert_eq!(silent(4), []);
    let (logs, _) = kept_back(&told, 1, &[]);
    let unclosed = told.before(&logs, Kind::Close, &[&told.plan.committee[3]]);
    assert_eq!(named(&told, &unclosed), [], "not every seat had closed");
}

/// An asker that aborts in time is named alone: the seats may have heard it.
#[test]
fn an_asker_that_aborts_in_time_is_named_alone() {
    let told = told();
    let (asker, close_by) = (told.asker(), told.plan.query.close_by);
    let early = Time(close_by.0 - 1_000);
    let (logs, aborts) = kept_back(&told, 2, &[(asker, early)]);
    assert_eq!(named(&told, &logs), [(asker.clone(), Withholding::Abort, aborts[0].clone())]);
    assert_eq!(named(&told, &kept_back(&told, 4, &[(asker, early)]).0), [], "nothing is missing");
    let (late, _) = kept_back(&told, 2, &[(asker, close_by)]);
    let silence = [2, 3].map(|seat| close(&told, seat, Withholding::Silence));
    assert_eq!(named(&told, &late), silence, "the time to open was over");
}

/// A seat that aborts in time is named for it; the others may have heard that, and are not.
#[test]
fn a_seat_that_aborts_in_time_is_named_and_excuses_the_others() {
    let told = told();
    let (seat, other) = (&told.plan.committee[2], &told.plan.committee[3]);
    let close_by = told.plan.query.close_by;
    let early = Time(close_by.0 - 1_000);
    let whom = |aborts: &[(&MemberId, Time)]| named(&told, &kept_back(&told, 2, aborts).0);
    assert_eq!(whom(&[(seat, early)]), [close(&told, 2, Withholding::Abort)]);
    assert_eq!(
        whom(&[(seat, early), (other, early)]),
        [2, 3].map(|seat| close(&told, seat, Withholding::Abort)),
        "no seat's abort excuses another's abort"
    );
    for late in [close_by, close_by + Span::from_seconds(1)] {
        let expected = [close(&told, 2, Withholding::LateAbort), close(&told, 3, Withholding::Silence)];
        assert_eq!(whom(&[(seat, late)]), expected, "an abort at {late:?} kept nobody from opening");
    }
    assert_eq!(
        whom(&[(seat, early), (other, close_by)]),
        [close(&told, 2, Withholding::Abort)],
        "a late abort after another's in time"
    );
    let bystander = told.bystander();
    let silence = [2, 3].map(|seat| close(&told, seat, Withholding::Silence));
    assert_eq!(whom(&[(bystander, early)]), silence, "who holds no seat ends nothing");
}

#[test]
fn a_round_was_aborted_in_time_by_its_asker_or_a_seat_before_the_last_deadline() {
    let told = told();
    let close_by = told.plan.query.close_by;
    let early = Time(close_by.0 - 1_000);
    let seat = &told.plan.committee[0];
    let aborted = |by: &MemberId, time, but: Option<&MemberId>| {
        told.round_in(&kept_back(&told, 2, &[(by, time)]).0).aborted_in_time(but)
    };
    for by in [told.asker(), seat] {
        assert!(aborted(by, early, None) && aborted(by, early, Some(told.bystander())));
        assert!(!aborted(by, early, Some(by)), "other than itself");
        assert!(!aborted(by, close_by, None));
    }
    assert!(!aborted(told.bystander(), early, None));
}

/// Who shows two histories of its own close has no honest seat named that opened on the other one; a share that
/// is not the one committed to is its author's own doing.
#[test]
fn an_open_on_closes_of_another_history_is_held_against_nobody() {
    let told = told();
    let seat = &told.plan.committee[0];
    let changed = |change: &dyn Fn(&mut Body)| {
        let (mut logs, _) = kept_back(&told, 4, &[]);
        logs.change(seat, &told.said(Kind::Open, seat).at, |entry| change(&mut entry.body));
        named(&told, &logs)
    };
    let other_closes = |body: &mut Body| {
        let Body::Open { closes, .. } = body else { panic!("an open") };
        closes[1].leaf.0[0] ^= 1;
    };
    assert_eq!(changed(&other_closes), []);
    let other_share = |body: &mut Body| {
        let Body::Open { share, .. } = body else { panic!("an open") };
        share[0] ^= 1;
    };
    assert_eq!(changed(&other_share), [close(&told, 0, Withholding::FalseOpen)]);
}
