//! The lot, moment by moment: until when debits and the draw are waited for, when it is lost, and what
//! members write then. Source: ROUND section 2, "Committee".

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Kind, Plan};

/// The least Roster whose seats are drawn by lot.
const MANY: usize = 24;
const MOMENT: Span = Span(1);

fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    Told::once(&TOLD, || {
        Told::of(Story::new(MANY, 67), MANY, |story| {
            let mut query = story.query(Mode::Secure, LOSS, 24, PERIOD);
            // So that halves of halves are whole seconds, and nobody mistakes one for another.
            query.contribute_by = query.join_by + Span(40_000);
            query.close_by = query.contribute_by + Span(24_000);
            query
        })
    })
}

/// The round when all but one had debited: nobody had contributed. Its absent member.
fn undrawn(told: &Told) -> (Logs, MemberId) {
    let absent = told.bystander().clone();
    let mut logs = told.before(&told.logs, Kind::Contribution, &told.plan.members.iter().collect::<Vec<_>>());
    logs.cut(&absent, told.said(Kind::Debit, &absent).at.index);
    (logs, absent)
}

/// Somebody else without a seat that did not ask.
fn another(told: &Told, than: &MemberId) -> MemberId {
    let mut members = told.plan.members.iter();
    members.find(|id| *id != than && *id != told.asker() && told.plan.seat(id).is_none()).unwrap().clone()
}

/// The absent member's debit with a nonce that it never promised.
fn spoil(told: &Told, logs: &mut Logs, absent: &MemberId) {
    let debit = told.said(Kind::Debit, absent);
    let mut body = debit.body.clone();
    let Body::Debit { nonce, .. } = &mut body else { panic!("a debit") };
    nonce[0] ^= 1;
    logs.push(absent, debit.time, body);
}

fn code(bodies: &[Body]) -> Option<(&'static str, &str)> {
    bodies.iter().find_map(|body| {
        let (Body::Void { code, .. } | Body::Abort { code, .. }) = body else { return None };
        Some((body.kind(), code.as_str()))
    })
}

/// Half of the time to contribute is for debits, half of what is left for hearing of the last.
#[test]
fn debits_have_half_the_time_and_the_draw_half_of_the_rest() {
    let told = told();
    let (plan, join_by) = (&told.plan, told.plan.query.join_by);
    assert!(plan.by_lot() && !plan.awaits_lot());
    assert_eq!(plan.query.contribute_by, join_by + Span(40_000));
    assert_eq!(plan.debit_by(), join_by + Span(20_000));
    assert_eq!(plan.lot_by(), join_by + Span(30_000));
    let (logs, absent) = undrawn(&told);
    let round = told.round_in(&logs);
    let waiting: &Plan = round.plan().unwrap();
    assert!(waiting.by_lot() && waiting.awaits_lot() && waiting.committee.is_empty());
    let restart = Restart::new(&told, &logs, &absent);
    let kinds = |now| restart.writes(now).iter().map(Body::kind).collect::<Vec<_>>();
    assert_eq!(kinds(plan.debit_by()), ["debit"]);
    assert_eq!(kinds(plan.debit_by() + MOMENT), [] as [&str; 0]);
}

/// Seats are those of the hash of all nonces, and the round is bound to them.
#[test]
fn the_round_is_bound_to_the_committee_that_was_drawn() {
    let told = told();
    let plan = &told.plan;
    let nonces = plan.members.iter().flat_map(|id| {
        let Body::Debit { nonce, .. } = &told.said(Kind::Debit, id).body else { panic!("a debit") };
        *nonce
    });
    let seed = sha256(&[&nonces.collect::<Vec<u8>>()]);
    let mut ranked: Vec<_> =
        plan.members.iter().map(|id| (sha256(&[&seed.0, id.as_str().as_bytes()]), id.clone())).collect();
    ranked.sort();
    let committee: Vec<MemberId> = ranked.into_iter().take(7).map(|(_, id)| id).collect();
    assert_eq!(plan.committee, committee);
    let mut bytes = b"datacoop/binding/v1\n".to_vec();
    bytes.extend(told.id.0);
    bytes.extend(plan.roster.leaf.0);
    for seat in &committee {
        let Body::Accept { vk_hash, .. } = &told.said(Kind::Verdict, seat).body else { panic!("an accept") };
        bytes.extend(sha256(&[seat.as_str().as_bytes()]).0);
        bytes.extend(vk_hash.0);
    }
    assert_eq!(plan.binding, sha256(&[&bytes]));
}

/// A debit that is missing may still come; one that is wrong never can be made good. Where seats follow from
/// the Roster no lot is spoilt by it.
#[test]
fn a_lot_is_spoilt_by_a_wrong_debit_and_not_by_a_missing_one() {
    let told = told();
    let (mut logs, absent) = undrawn(&told);
    let spoilt = |logs: &Logs| {
        let round = told.round_in(logs);
        round.lot_is_spoilt(round.plan().unwrap())
    };
    assert!(!spoilt(&told.logs) && !spoilt(&logs));
    spoil(&told, &mut logs, &absent);
    assert!(spoilt(&logs));
    let few = Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let by = few.bystander().clone();
    let mut logs = few.before(&few.logs, Kind::Debit, &[&by]);
    spoil(&few, &mut logs, &by);
    let round = few.round_in(&logs);
    assert!(round.debit(round.plan().unwrap(), &by).is_none() && !round.lot_is_spoilt(round.plan().unwrap()));
}

/// A lot that was not drawn in time is lost: whoever debited voids, and the asker ends the round. Not where a
/// contribution shows that it was drawn elsewhere.
#[test]
fn a_lot_that_is_not_drawn_in_time_returns_every_debit() {
    let told = told();
    let (logs, absent) = undrawn(&told);
    let (by, asker, lot_by) = (another(&told, &absent), told.asker(), told.plan.lot_by());
    let wrote = |logs: &Logs, by: &MemberId, now: Time| {
        let written = Restart::new(&told, logs, by).writes(now);
        code(&written).map(|(kind, code)| (kind, code.to_owned()))
    };
    let void = |code: &str| Some(("void", code.to_owned()));
    assert_eq!(wrote(&logs, &by, lot_by), None);
    assert_eq!(wrote(&logs, &by, lot_by + MOMENT), void("lot"));
    let ends = |logs: &Logs, now| {
        let written = Restart::new(&told, logs, asker).writes(now);
        written.iter().any(|body| matches!(body, Body::Abort { code, .. } if code == "lot"))
    };
    assert!(!ends(&logs, lot_by) && ends(&logs, lot_by + MOMENT));
    assert_eq!(wrote(&logs, &absent, lot_by + MOMENT), None, "it has nothing to void, and is not the asker");

    let mut drawn = logs.clone();
    let other = &told.plan.committee[0];
    let given = told.said(Kind::Contribution, other);
    drawn.push(other, given.time, given.body.clone());
    assert_eq!(wrote(&drawn, &by, lot_by + MOMENT), None);
    assert_eq!(wrote(&drawn, &by, told.plan.query.contribute_by + MOMENT), void("window"));
    assert!(!ends(&drawn, lot_by + MOMENT));

    let mut spoilt = logs.clone();
    spoil(&told, &mut spoilt, &absent);
    assert_eq!(wrote(&spoilt, &by, told.plan.query.join_by), void("lot"));
    assert!(ends(&spoilt, told.plan.query.join_by));
    let undebited = told.before(&spoilt, Kind::Debit, &[&by]);
    assert_eq!(Restart::new(&told, &undebited, &by).writes(told.plan.query.join_by), [], "it spends nothing");
}

/// Who holds a seat is not known yet, so nothing can be shared; a contribution written all the same is none.
#[test]
fn nothing_is_contributed_before_the_lot_is_drawn() {
    let told = told();
    let (mut logs, absent) = undrawn(&told);
    let by = another(&told, &absent);
    let awake = Restart::new(&told, &logs, &by).at(told.plan.query.join_by);
    assert!(awake.written.is_empty() && awake.tabulating.is_empty() && awake.drawing.is_empty());
    let given = told.said(Kind::Contribution, &by);
    let mut body = given.body.clone();
    let Body::Contribution { shares, .. } = &mut body else { panic!("a contribution") };
    shares.clear();
    logs.push(&by, given.time, body);
    let round = told.round_in(&logs);
    assert!(round.contribution(round.plan().unwrap(), &by).is_none());
}

/// The round when all seats had closed without the asker's contribution and some had opened.
fn closed_without_the_asker(told: &Told) -> Logs {
    let asker = told.asker();
    assert!(told.plan.members.last() == Some(asker) && told.plan.seat(asker).is_none());
    let mut logs = told.before(&told.logs, Kind::Release, &[asker]);
    logs = told.before(&logs, Kind::Open, &told.plan.committee[3..].iter().collect::<Vec<_>>());
    for seat in &told.plan.committee {
        logs.change_for_all(seat, &told.said(Kind::Freeze, seat).at, |entry| {
            let Body::Freeze { contributions, .. } = &mut entry.body else { panic!("a freeze") };
            contributions.pop();
        });
    }
    for seat in &told.plan.committee {
        let close = told.round_in(&logs).said(Kind::Close, seat).unwrap().at.clone();
        logs.change_for_all(seat, &close, |entry| {
            let Body::Close { accepted, .. } = &mut entry.body else { panic!("a close") };
            accepted.pop();
        });
    }
    logs
}

/// An asker that never heard of the last debit gives the lot up in good faith while others go on: it is not
/// named for keeping the sum back, and no seat that heard it is. Whoever cannot have meant that is named.
#[test]
fn an_asker_that_missed_the_last_debit_is_not_named() {
    let told = told();
    let (asker, plan) = (told.asker(), &told.plan);
    let named = |contributed: bool, code: &str, at: Time| {
        let mut logs = closed_without_the_asker(&told);
        if !contributed {
            logs.cut(asker, told.said(Kind::Contribution, asker).at.index);
        }
        logs.push(asker, at, Body::Abort { query: told.id, code: code.into() });
        let round = told.round_in(&logs);
        assert_eq!(round.closed_by_all().expect("all closed").accepted.len(), MANY - 1);
        round.withheld().into_iter().map(|one| one.by).collect::<Vec<_>>()
    };
    let second = Span(1_000);
    let (lot_by, contribute_by) = (plan.lot_by(), plan.query.contribute_by);
    for at in [lot_by, lot_by + second, contribute_by] {
        assert_eq!(named(false, "lot", at), [], "{at:?}");
    }
    let alone = [asker.clone()];
    assert_eq!(named(false, "lot", Time(lot_by.0 - 1_000)), alone, "nobody gave a lot up by then");
    assert_eq!(named(false, "lot", contribute_by + second), alone, "nor later");
    assert_eq!(named(false, "close", lot_by + second), alone);
    assert_eq!(named(true, "lot", lot_by + second), alone, "it had seen the lot drawn");
}

/// An asker that slept until the time to contribute was over gives no lot up from logs of before.
#[test]
fn an_asker_that_slept_gives_no_lot_up() {
    let told = told();
    let (logs, _) = undrawn(&told);
    let contribute_by = told.plan.query.contribute_by;
    let aborts = |now| {
        let written = Restart::new(&told, &logs, told.asker()).writes(now);
        written.iter().any(|body| matches!(body, Body::Abort { .. }))
    };
    assert!(aborts(contribute_by));
    assert!(!aborts(contribute_by + MOMENT));
    assert!(aborts(told.plan.query.close_by + Span(600_000)), "it ends it when it is over");
}
