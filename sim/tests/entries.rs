//! Which entries of a round count, and for what: one finished round, in which one entry is left out, added
//! or written otherwise.
//!
//! Source: ROUND section 2. What would make it fail: a rule about who may write what, or in which order,
//! that is not looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span, Time};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::release::{figures, figures_digest};
use datacoop_protocol::rounds::{Ending, Kind, commitment, vector_bytes};

/// A round that five of six members took part in: the fourth refused.
fn five_of_six() -> (Told, MemberId) {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        let mut story = Story::new(6, 65);
        story.world.set_limits(3, Limits { purposes: Set::none(), ..Limits::top() });
        Told::of(story, 6, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    let stranger = told.logs.founders[3].id.clone();
    assert!(told.plan.members.len() == 5 && !told.plan.members.contains(&stranger));
    assert!(told.plan.seat(told.asker()).is_none());
    (told, stranger)
}

/// Four members reveal noised vectors.
fn full_noise() -> Told {
    Told::of(Story::new(4, 66), 4, |story| story.query(Mode::FullNoise, LOSS, 3, PERIOD))
}

fn contributes(told: &Told, logs: &Logs, by: &MemberId) -> bool {
    told.round_in(logs).contribution(&told.plan, by).is_some()
}

/// The logs without what came of the opens.
fn without_release(told: &Told) -> Logs {
    let mut logs = told.logs.clone();
    logs.cut(told.asker(), told.said(Kind::Release, told.asker()).at.index);
    logs
}

fn after_close(told: &Told) -> Time {
    told.plan.query.close_by + Span::from_seconds(1)
}

#[test]
fn a_roster_that_names_one_twice_or_out_of_order_makes_no_round() {
    let (told, _) = five_of_six();
    let roster = told.said(Kind::Roster, told.asker()).at.clone();
    let plans = |change: &dyn Fn(&mut Vec<Ref>)| {
        let mut logs = told.logs.clone();
        logs.change_for_all(told.asker(), &roster, |entry| {
            let Body::Roster { verdicts, .. } = &mut entry.body else { panic!("a roster") };
            change(verdicts);
        });
        told.round_in(&logs).plan().is_some()
    };
    assert!(plans(&|_| ()));
    assert!(!plans(&|verdicts| verdicts.push(verdicts[4].clone())), "one twice");
    assert!(!plans(&|verdicts| verdicts.swap(1, 2)), "out of order");
}

#[test]
fn a_contribution_counts_with_a_share_for_each_seat_under_its_own_debit() {
    let (told, _) = five_of_six();
    let by = told.bystander();
    let at = told.said(Kind::Contribution, by).at.clone();
    let changed = |change: &dyn Fn(&mut Body)| {
        let mut logs = told.logs.clone();
        logs.change(by, &at, |entry| change(&mut entry.body));
        contributes(&told, &logs, by)
    };
    assert!(changed(&|_| ()));
    assert!(!changed(&|body| {
        let Body::Contribution { shares, .. } = body else { panic!("a contribution") };
        shares.pop();
    }));
    assert!(!changed(&|body| {
        let Body::Contribution { debit, .. } = body else { panic!("a contribution") };
        debit.leaf.0[0] ^= 1;
    }));
    let digest = datacoop_policy::Digest([1; 32]);
    assert!(!changed(&|body| {
        let Body::Contribution { query, debit, .. } = body.clone() else { panic!("a contribution") };
        *body = Body::Commit { query, debit, commit: digest };
    }));
}

/// Where vectors are committed to nothing is shared: a contribution without shares is none.
#[test]
fn a_round_of_full_noise_takes_commitments_alone() {
    let told = full_noise();
    let by = told.bystander();
    let at = told.said(Kind::Contribution, by).at.clone();
    assert!(contributes(&told, &told.logs, by));
    let mut logs = told.logs.clone();
    logs.change(by, &at, |entry| {
        let Body::Commit { query, debit, .. } = entry.body.clone() else { panic!("a commitment") };
        let (nonce, public_share, shares) = ([0; 16], vec![], vec![]);
        entry.body = Body::Contribution { query, debit, nonce, public_share, shares };
    });
    assert!(!contributes(&told, &logs, by));
}

/// A void ends a debit that nothing was contributed under, and takes back nothing that was.
#[test]
fn a_void_before_the_contribution_ends_it_and_one_after_it_does_not() {
    let (told, _) = five_of_six();
    let by = told.bystander();
    let (debit, given) = (told.said(Kind::Debit, by), told.said(Kind::Contribution, by));
    let void = || Body::Void { query: told.id, debit: debit.at.clone(), code: "veto".into() };
    let mut after = told.logs.clone();
    after.push(by, given.time, void());
    assert!(contributes(&told, &after, by));
    assert!(told.round_in(&after).released().is_some());
    let mut before = told.logs.clone();
    before.cut(by, given.at.index);
    before.push(by, given.time, void());
    before.push(by, given.time, given.body.clone());
    assert!(!contributes(&told, &before, by));
}

/// A second roster is the asker's, and a roster.
#[test]
fn a_second_roster_is_one_by_the_asker() {
    let (told, _) = five_of_six();
    let (asker, other) = (told.asker(), told.bystander());
    let roster = told.said(Kind::Roster, asker);
    let said_again = |by: &MemberId, bodies: &[&Body]| {
        let mut logs = told.logs.clone();
        let pushed: Vec<Ref> =
            bodies.iter().map(|body| logs.push(by, roster.time, (*body).clone())).collect();
        (told.round_in(&logs).second_roster(), pushed)
    };
    assert_eq!(said_again(other, &[&roster.body, &roster.body]).0, None, "two by another member");
    assert_eq!(said_again(asker, &[&told.said(Kind::Verdict, asker).body]).0, None, "its verdict again");
    let (second, pushed) = said_again(asker, &[&roster.body]);
    assert_eq!(second.as_ref(), pushed.first());
}

/// Whoever asked, or holds a seat, may end a round that cannot be added up yet; nobody else.
#[test]
fn a_round_is_ended_by_its_asker_or_a_seat() {
    let (told, stranger) = five_of_six();
    let seat = &told.plan.committee[1];
    let mut open = without_release(&told);
    open.cut(seat, told.said(Kind::Open, seat).at.index);
    assert_eq!(told.round_in(&open).ending(), None);
    for (by, ends) in [(told.asker(), true), (seat, true), (told.bystander(), false), (&stranger, false)] {
        let mut logs = open.clone();
        logs.push(by, told.plan.query.at, Body::Abort { query: told.id, code: "close".into() });
        let ending = told.round_in(&logs).ending().cloned();
        assert_eq!(ending, ends.then(|| Ending::Aborted("close".into())), "{by}");
    }
}

/// The asker releases when it can; any member of the Roster once `close_by` has passed; nobody else.
#[test]
fn a_release_is_by_the_asker_or_late_by_a_member_of_the_roster() {
    let (told, stranger) = five_of_six();
    let (asker, other) = (told.asker(), told.bystander());
    let release = told.said(Kind::Release, asker).body.clone();
    let (close_by, late) = (told.plan.query.close_by, after_close(&told));
    for (by, at, counts) in [
        (asker, told.plan.query.at, true),
        (other, late, true),
        (&told.plan.committee[0], late, true),
        (other, close_by, false),
        (other, told.plan.query.at, false),
        (&stranger, late, false),
    ] {
        let mut logs = without_release(&told);
        let pushed = logs.push(by, at, release.clone());
        let round = told.round_in(&logs);
        assert_eq!(round.ending(), counts.then_some(Ending::Released(pushed)).as_ref(), "{by} at {at:?}");
        assert_eq!(round.released().is_some(), counts);
    }
}

/// What says other sums than were opened is told, whoever wrote it and whatever else was released; what
/// says the same a second time is no lie, and what rests on opens that are not here is not judged.
#[test]
fn a_false_release_is_told_beside_a_right_one() {
    let (told, stranger) = five_of_six();
    let (asker, other) = (told.asker(), told.bystander());
    let release = told.said(Kind::Release, asker).body.clone();
    let mut lie = release.clone();
    let Body::Release { sums, .. } = &mut lie else { panic!("a release") };
    sums[0] += 1;
    let late = after_close(&told);
    let beside = |by: &MemberId, body: &Body| {
        let mut logs = told.logs.clone();
        let pushed = logs.push(by, late, body.clone());
        (told.round_in(&logs).false_release(), pushed)
    };
    assert_eq!(beside(other, &release).0, None, "the same again");
    let (told_of, lied) = beside(other, &lie);
    assert_eq!(told_of, Some(lied));
    assert_eq!(beside(&stranger, &lie).0, None, "who may write none is not heard");

    let seat = &told.plan.committee[0];
    for body in [&release, &lie] {
        let mut old = without_release(&told);
        old.cut(seat, told.said(Kind::Open, seat).at.index);
        old.push(asker, late, body.clone());
        assert_eq!(told.round_in(&old).false_release(), None);
    }
}

/// A release of these members' vectors.
fn release_of(told: &Told, left_out: &[&MemberId]) -> Body {
    let members = told.plan.members.iter().filter(|id| !left_out.contains(id));
    let opens: Vec<Ref> = members.map(|id| told.said(Kind::Open, id).at.clone()).collect();
    let sums = told.round.sums(&told.plan, Some(&opens)).unwrap();
    let figures = figures_digest(&figures(&told.plan, &sums));
    Body::Release { query: told.id, opens, sums: sums.sums, figures }
}

/// Vectors may be revealed one by one: of two right releases the one with more of them stands, of two with
/// as many the asker's.
#[test]
fn of_full_noise_releases_the_one_with_the_most_vectors_stands() {
    let told = full_noise();
    let (asker, other) = (told.asker(), told.bystander());
    let (all, some) = (release_of(&told, &[]), release_of(&told, &[asker]));
    for (askers, others, stands) in
        [(&all, &all, asker), (&all, &some, asker), (&some, &some, asker), (&some, &all, other)]
    {
        let mut logs = without_release(&told);
        let first = logs.push(asker, told.plan.query.at, askers.clone());
        let second = logs.push(other, after_close(&told), others.clone());
        let round = told.round_in(&logs);
        let expected = if stands == asker { first } else { second };
        assert_eq!(round.ending(), Some(&Ending::Released(expected)));
        assert_eq!(round.false_release(), None, "both are right");
    }
}

/// A release may rest on a vector that is not here yet: it is judged when that has come.
#[test]
fn a_full_noise_release_of_a_vector_that_is_not_here_is_not_judged() {
    let told = full_noise();
    let (asker, absent) = (told.asker(), told.bystander());
    let mut lie = told.logs.clone();
    lie.change(asker, &told.said(Kind::Release, asker).at, |entry| {
        let Body::Release { sums, .. } = &mut entry.body else { panic!("a release") };
        sums[0] += 1;
    });
    assert!(told.round_in(&lie).false_release().is_some());
    for logs in [&told.logs, &lie] {
        let mut old = logs.clone();
        old.cut(absent, told.said(Kind::Open, absent).at.index);
        let round = told.round_in(&old);
        assert!(round.sums(&told.plan, None).is_some(), "the others' vectors are enough");
        assert_eq!(round.false_release(), None);
    }
}

/// A sum stands in an entry as an integer that every reader of JSON holds exactly: below 2^53.
#[test]
fn a_sum_that_no_entry_holds_is_none() {
    let told = full_noise();
    let by = told.bystander();
    let others: i64 = told.plan.members.iter().filter(|id| *id != by).map(|id| vector(&told, id)[0]).sum();
    let Body::Reveal { salt, .. } = told.said(Kind::Open, by).body else { panic!("a reveal") };
    let summed = |total: i64| {
        let lie = vec![total - others, 0];
        let mut logs = told.logs.clone();
        logs.change_for_all(by, &told.said(Kind::Contribution, by).at, |entry| {
            let Body::Commit { commit, .. } = &mut entry.body else { panic!("a commitment") };
            *commit = commitment("vector", &salt, &vector_bytes(&lie));
        });
        logs.change(by, &told.said(Kind::Open, by).at, |entry| {
            let Body::Reveal { vector, .. } = &mut entry.body else { panic!("a reveal") };
            *vector = lie.clone();
        });
        let round = told.round_in(&logs);
        round.sums(round.plan().unwrap(), None).map(|sums| sums.sums[0])
    };
    let limit = 1i64 << 53;
    assert_eq!(summed(limit - 1), Some(limit - 1));
    assert_eq!(summed(limit), None);
}

fn vector(told: &Told, by: &MemberId) -> Vec<i64> {
    let Body::Reveal { vector, .. } = &told.said(Kind::Open, by).body else { panic!("a reveal") };
    vector.clone()
}
