//! What a member writes in a given moment of a round: it starts there with the logs as they stood, as after a
//! crash, and what it may still do, must do, and must not do any more is read off its log.
//!
//! Source: ROUND sections 2 to 7. A deadline's own moment still counts; entries carry whole seconds.

mod common;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, QueryId, Span, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::rounds::Kind;

const MOMENT: Span = Span(1);

fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let told = Told::once(&TOLD, || {
        Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
    });
    assert!(told.plan.committee.len() == 2 && told.plan.seat(told.asker()).is_none());
    told
}

/// A round of five whose asker holds a seat.
fn asker_seated() -> Told {
    let told = Told::of(Story::new(5, 68), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    assert!(told.plan.seat(told.asker()).is_some());
    told
}

fn full_noise() -> Told {
    Told::of(Story::new(4, 66), 4, |story| story.query(Mode::FullNoise, LOSS, 3, PERIOD))
}

fn seats(told: &Told) -> Vec<&MemberId> {
    told.plan.committee.iter().collect()
}

/// Before anything was released, and these seats wrote an entry of this kind.
fn seats_before(told: &Told, kind: Kind, seats: &[&MemberId]) -> Logs {
    told.before(&told.before(&told.logs, Kind::Release, &[told.asker()]), kind, seats)
}

fn kinds(bodies: &[Body]) -> Vec<&'static str> {
    bodies.iter().map(Body::kind).collect()
}

fn aborts(bodies: &[Body]) -> Option<&str> {
    bodies
        .iter()
        .find_map(|body| if let Body::Abort { code, .. } = body { Some(code.as_str()) } else { None })
}

fn void_code(bodies: &[Body]) -> Option<&str> {
    bodies.iter().find_map(|body| if let Body::Void { code, .. } = body { Some(code.as_str()) } else { None })
}

/// Nothing that one member derived for one use serves another use, another member or another round.
#[test]
fn every_nonce_key_part_and_salt_of_every_member_is_its_own() {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    let mut fresh = |bytes: &[u8]| {
        count += 1;
        seen.insert(bytes.to_vec());
    };
    for told in [told(), asker_seated()] {
        for member in &told.plan.members {
            for kind in [Kind::Debit, Kind::Contribution, Kind::Freeze, Kind::Open] {
                match told.round.said(kind, member).map(|logged| &logged.body) {
                    Some(Body::Debit { nonce, .. }) => fresh(nonce),
                    Some(Body::Contribution { nonce, .. }) => fresh(nonce),
                    Some(Body::Freeze { vk_part: Some(part), .. }) => fresh(part),
                    Some(Body::Open { salt, .. }) => fresh(salt),
                    None => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!(count, 2 * (5 + 5 + 2 + 2));
    assert_eq!(seen.len(), count);
}

#[test]
fn a_query_is_answered_until_its_join_deadline_by_members_whose_limits_allow_it() {
    let told = told();
    let by = told.bystander();
    let join_by = told.plan.query.join_by;
    let mut asked = told.before(&told.logs, Kind::Verdict, &told.plan.members.iter().collect::<Vec<_>>());
    let query = told.round.asked().unwrap().at.index;
    asked.entries.insert(told.asker().clone(), told.logs.entries[told.asker()].clone());
    asked.cut(told.asker(), query + 1);
    let mut restart = Restart::new(&told, &asked, by);
    assert!(matches!(restart.writes(join_by)[..], [Body::Accept { .. }]));
    assert_eq!(restart.writes(join_by + MOMENT), []);
    restart.limits = None;
    let [Body::Refuse { rule, layer, .. }] = &restart.writes(join_by)[..] else { panic!("a refusal") };
    assert_eq!((rule.as_str(), layer.as_str()), ("purposes", "member"), "no limits allow nothing");
}

/// The asker waits for every member until the time to join is over, and not longer.
#[test]
fn the_roster_is_frozen_when_all_answered_or_the_time_is_over() {
    let mut story = Story::new(6, 65);
    story.world.set_limits(3, Limits { purposes: Set::none(), ..Limits::top() });
    let refuser = story.founder(3).id;
    let told = Told::of(story, 6, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let join_by = told.plan.query.join_by;
    let early = told.before(&told.logs, Kind::Roster, &[told.asker()]);
    let roster = |logs: &Logs, now| {
        let written = Restart::new(&told, logs, told.asker()).writes(now);
        matches!(&written[..], [Body::Roster { verdicts, .. }, ..] if verdicts.len() == 5)
    };
    assert!(roster(&early, told.plan.query.at), "all answered");
    let mut waiting = early.clone();
    waiting.cut(&refuser, told.said(Kind::Verdict, &refuser).at.index);
    assert!(!roster(&waiting, Time(join_by.0 - 1)));
    assert!(roster(&waiting, join_by));
}

#[test]
fn a_debit_is_written_until_the_time_to_contribute_is_over() {
    let told = told();
    let by = told.bystander();
    let until = told.plan.debit_by();
    assert_eq!(until, told.plan.query.contribute_by, "nobody waits for a lot here");
    let logs = told.before(&told.logs, Kind::Debit, &[by]);
    let logs = told.before(&logs, Kind::Freeze, &seats(&told));
    let logs = told.before(&logs, Kind::Release, &[told.asker()]);
    let restart = Restart::new(&told, &logs, by);
    assert_eq!(kinds(&restart.writes(until)), ["debit"]);
    assert_eq!(restart.writes(until + MOMENT), []);
}

/// What somebody cannot or will not answer after its debit, it voids, and says why.
#[test]
fn a_debit_that_cannot_be_used_is_voided_with_the_reason() {
    let told = told();
    let by = told.bystander();
    let (id, until) = (told.id, told.plan.query.contribute_by);
    let logs = told.before(&told.logs, Kind::Contribution, &[by]);
    let logs = told.before(&logs, Kind::Freeze, &seats(&told));
    let logs = told.before(&logs, Kind::Release, &[told.asker()]);
    let mut restart = Restart::new(&told, &logs, by);
    assert_eq!(restart.writes(until), [], "its own moment still counts");
    assert_eq!(void_code(&restart.writes(until + MOMENT)), Some("window"));

    let after = |tally: Option<Vec<i64>>, noise: Option<Vec<i64>>| {
        let mut awake = restart.at(told.plan.query.at);
        assert_eq!((awake.tabulating.as_slice(), awake.drawing.as_slice()), (&[id][..], &[id][..]));
        awake.tabulated(id, tally, noise);
        awake.compute();
        awake.written
    };
    assert_eq!(kinds(&after(Some(vec![1, 2]), Some(vec![0, 0]))), ["contribution"]);
    assert_eq!(void_code(&after(None, Some(vec![0, 0]))), Some("local"), "no Tally");
    assert_eq!(void_code(&after(Some(vec![1, 2]), None)), Some("local"), "no noise");
    assert_eq!(void_code(&after(Some(vec![1]), Some(vec![0, 0]))), Some("local"), "a Tally of other cells");

    restart.limits = Some(Limits { purposes: Set::none(), ..Limits::top() });
    assert_eq!(void_code(&restart.writes(told.plan.query.at)), Some("veto"));
    restart.limits = None;
    assert_eq!(void_code(&restart.writes(told.plan.query.at)), Some("veto"));
}

/// The moment at which an answer leaves does not tell how long it took to compute.
#[test]
fn an_answer_leaves_at_the_next_point_of_the_grid() {
    let told = told();
    let by = told.bystander();
    let logs = told.before(&told.logs, Kind::Contribution, &[by]);
    let logs = told.before(&logs, Kind::Freeze, &seats(&told));
    let logs = told.before(&logs, Kind::Release, &[told.asker()]);
    let mut restart = Restart::new(&told, &logs, by);
    restart.grid = Span(1_000);
    let start = told.plan.query.at;
    for (ready, leaves) in [(1, 1_000), (999, 1_000), (1_000, 1_000), (1_001, 2_000), (2_500, 3_000)] {
        let mut awake = restart.at(start);
        awake.now = start + Span(ready);
        awake.tabulated(told.id, Some(vec![1, 2]), Some(vec![0, 0]));
        awake.compute();
        if ready < leaves {
            awake.wake_at(start + Span(leaves - 1));
            assert_eq!(awake.written, [], "ready after {ready} ms");
            let next = awake.member.poll_timeout().unwrap();
            assert_eq!(next, (start + Span(leaves), "answer grid"), "ready after {ready} ms");
        }
        awake.wake_at(start + Span(leaves));
        assert_eq!(kinds(&awake.written), ["contribution"], "ready after {ready} ms");
    }
}

/// A secret goes as soon as it is needed no more: recorded shares stay closed even if the node is stolen.
#[test]
fn a_rounds_secret_is_erased_when_nothing_needs_it_any_more() {
    let told = told();
    let (by, seat) = (told.bystander(), &told.plan.committee[0]);
    let erased = |told: &Told, logs: &Logs, by: &MemberId, now| Restart::new(told, logs, by).at(now).erased;
    let start = told.plan.query.at;
    let unopened = seats_before(&told, Kind::Open, &seats(&told));
    assert_eq!(erased(&told, &unopened, by, start), [told.id], "it contributed and holds no seat");
    let unfrozen = seats_before(&told, Kind::Freeze, &seats(&told));
    assert_eq!(erased(&told, &unfrozen, seat, start), [] as [QueryId; 0], "a seat opens shares with it yet");
    let other = &told.plan.committee[1];
    assert_eq!(
        erased(&told, &seats_before(&told, Kind::Open, &[other]), seat, start),
        [told.id],
        "it opened"
    );

    let joined = told.before(&told.logs, Kind::Debit, &[by]);
    let joined = told.before(&joined, Kind::Roster, &[told.asker()]);
    let close_by = told.plan.query.close_by;
    assert_eq!(erased(&told, &joined, by, close_by), [] as [QueryId; 0]);
    assert_eq!(erased(&told, &joined, by, close_by + MOMENT), [told.id], "nobody froze a Roster in time");

    let told = full_noise();
    let by = told.bystander();
    let committed = told.before(&told.logs, Kind::Open, &told.plan.members.iter().collect::<Vec<_>>());
    let committed = told.before(&committed, Kind::Freeze, &[told.asker()]);
    assert_eq!(erased(&told, &committed, by, start), [] as [QueryId; 0], "it has its vector to reveal");
}

/// The first seat proposes a set when every member contributed, or the time to is over; of what it can read.
#[test]
fn a_freeze_waits_for_every_contribution_and_its_share_until_the_time_is_over() {
    let told = Told::of(Story::new(12, 69), 12, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let leader = &told.plan.committee[0];
    let (until, start) = (told.plan.query.contribute_by, told.plan.query.at);
    let unfrozen = seats_before(&told, Kind::Freeze, &seats(&told));
    let frozen = |restart: &Restart<'_>, now| {
        let written = restart.writes(now);
        let body = written.into_iter().find(|body| matches!(body, Body::Freeze { .. }))?;
        let Body::Freeze { contributions, .. } = body else { panic!("a freeze") };
        Some(contributions.len())
    };
    assert_eq!(frozen(&Restart::new(&told, &unfrozen, leader), start), Some(12));
    let absent = told.bystander();
    let missing = told.before(&unfrozen, Kind::Contribution, &[absent]);
    let restart = Restart::new(&told, &missing, leader);
    assert_eq!(frozen(&restart, until), None);
    assert_eq!(frozen(&restart, until + MOMENT), Some(11));

    let Body::Contribution { shares, .. } = &told.said(Kind::Contribution, absent).body else {
        panic!("a contribution")
    };
    let mut unread = Restart::new(&told, &unfrozen, leader);
    unread.held.remove(&shares[0].blob);
    assert_eq!(frozen(&unread, until), None, "a share that is not here cannot be verified");
    assert_eq!(frozen(&unread, until + MOMENT), Some(11));
    let mut follower = Restart::new(
        &told,
        &told.before(&told.logs, Kind::Freeze, &seats(&told)[1..]),
        &told.plan.committee[1],
    );
    assert_eq!(frozen(&follower, start), Some(12));
    follower.held.remove(&shares[1].blob);
    assert_eq!(frozen(&follower, start), None, "nor one that another seat can read");
}

/// After the last deadline a seat that has not opened ends the round, and says how far it had come.
#[test]
fn a_seat_that_has_not_opened_gives_up_after_the_last_deadline() {
    let told = told();
    let seat = &told.plan.committee[0];
    let close_by = told.plan.query.close_by;
    for (kind, code) in [(Kind::Freeze, "freeze"), (Kind::Verify, "verify"), (Kind::Close, "close")] {
        let logs = seats_before(&told, kind, &seats(&told));
        let restart = Restart::new(&told, &logs, seat);
        assert_eq!(aborts(&restart.writes(close_by)), None, "{code}");
        assert_eq!(aborts(&restart.writes(close_by + MOMENT)), Some(code));
        let mut ended = logs.clone();
        ended.push(seat, close_by, Body::Abort { query: told.id, code: "freeze".into() });
        let restart = Restart::new(&told, &ended, seat);
        assert_eq!(restart.writes(close_by), [], "{code}: who gave up takes no other step");
        assert_eq!(restart.writes(close_by + MOMENT), [], "{code}");
    }
    let opened = seats_before(&told, Kind::Open, &[&told.plan.committee[1]]);
    let restart = Restart::new(&told, &opened, seat);
    assert_eq!(aborts(&restart.writes(close_by + MOMENT)), None, "who opened never aborts");
}

/// What a member computes it computes once, however much it hears meanwhile.
#[test]
fn a_member_gives_out_each_piece_of_work_once() {
    let told = told();
    let (seat, other) = (&told.plan.committee[0], told.bystander());
    let start = told.plan.query.at;
    let mut louder = told.logs.clone();
    let subject = told.said(Kind::Debit, other).at.clone();
    louder.push(other, start, Body::Void { query: told.id, debit: subject, code: "veto".into() });
    for kind in [Kind::Verify, Kind::Close] {
        let logs = seats_before(&told, kind, &seats(&told));
        let mut awake = Restart::new(&told, &logs, seat).at(start);
        assert_eq!(awake.work.len(), 1, "{kind:?}");
        awake.hears(&louder, other);
        assert_eq!(awake.work.len(), 1, "{kind:?}: checked once");
        awake.compute();
        let wrote = if kind == Kind::Verify { "verify" } else { "close" };
        assert_eq!(kinds(&awake.written), [wrote]);
    }
    // A member's own proof, likewise.
    let logs = seats_before(&told, Kind::Freeze, &seats(&told));
    let logs = told.before(&logs, Kind::Contribution, &[seat]);
    let mut awake = Restart::new(&told, &logs, seat).at(start);
    awake.tabulated(told.id, Some(vec![1, 2]), Some(vec![0, 0]));
    awake.hears(&louder, other);
    assert_eq!((awake.work.len(), awake.tabulating.len(), awake.drawing.len()), (1, 1, 1));
    // Between checking and deciding, too.
    let logs = seats_before(&told, Kind::Close, &seats(&told));
    let mut awake = Restart::new(&told, &logs, seat).at(start);
    let check = awake.work.pop().unwrap();
    awake.input(datacoop_protocol::member::port::Input::Computed(check.run()));
    assert_eq!(awake.work.len(), 1, "the decision");
    awake.hears(&louder, other);
    assert_eq!(awake.work.len(), 1, "decided once");
}

/// A proof that fails takes its contribution out; where too few are left nothing is closed.
#[test]
fn a_seat_gives_up_when_too_few_contributions_are_proved() {
    let told = told();
    let (seat, other) = (&told.plan.committee[0], &told.plan.committee[1]);
    let mut logs = seats_before(&told, Kind::Close, &seats(&told));
    let empty = datacoop_protocol::log::tree::sha256(&[b"nothing proved"]);
    logs.change_for_all(other, &told.said(Kind::Verify, other).at, |entry| {
        let Body::Verify { blob, .. } = &mut entry.body else { panic!("a verify") };
        *blob = empty;
    });
    told.stored.lock().unwrap().blobs.insert(empty, b"nothing proved".as_slice().into());
    let mut awake = Restart::new(&told, &logs, seat).at(told.plan.query.at);
    awake.compute();
    assert_eq!(aborts(&awake.written), Some("accepted"));
    assert_eq!(kinds(&awake.written), ["abort"]);
}

/// The asker of a full-noise round freezes what was committed: all of it, or after the deadline enough.
#[test]
fn a_full_noise_round_is_frozen_by_its_asker_when_all_committed_or_the_time_is_over() {
    let told = full_noise();
    let (asker, until) = (told.asker(), told.plan.query.contribute_by);
    let all: Vec<&MemberId> = told.plan.members.iter().collect();
    let unfrozen = told.before(&told.before(&told.logs, Kind::Open, &all), Kind::Freeze, &[asker]);
    let others: Vec<&MemberId> = all.iter().copied().filter(|id| *id != asker).collect();
    let at = |logs: &Logs, by: &MemberId, now| {
        Restart::new(&told, logs, by)
            .writes(now)
            .into_iter()
            .find(|body| matches!(body, Body::Freeze { .. } | Body::Abort { .. }))
    };
    let set = |body: Option<Body>| match body {
        Some(Body::Freeze { contributions, vk_part: None, .. }) => contributions.len(),
        other => panic!("a freeze, not {other:?}"),
    };
    assert_eq!(set(at(&unfrozen, asker, told.plan.query.at)), 4);
    assert_eq!(at(&unfrozen, others[0], until + MOMENT), None, "nobody else");
    let three = told.before(&unfrozen, Kind::Contribution, &others[..1]);
    assert_eq!(at(&three, asker, until), None);
    assert_eq!(set(at(&three, asker, until + MOMENT)), 3);
    let two = told.before(&unfrozen, Kind::Contribution, &others[..2]);
    assert_eq!(at(&two, asker, until), None);
    let few = Body::Abort { query: told.id, code: "few".into() };
    assert_eq!(at(&two, asker, until + MOMENT), Some(few.clone()));
    let mut aborted = unfrozen.clone();
    aborted.push(asker, told.plan.query.at, few);
    assert_eq!(at(&aborted, asker, told.plan.query.at), None, "who gave up freezes nothing");
}

/// A vector is revealed once, under the freeze, until the last deadline.
#[test]
fn a_vector_is_revealed_once_until_the_last_deadline() {
    let told = full_noise();
    let (by, close_by) = (told.bystander(), told.plan.query.close_by);
    let hidden = told.before(&told.logs, Kind::Open, &[by]);
    let hidden = told.before(&hidden, Kind::Release, &[told.asker()]);
    let reveals = |logs: &Logs, now| {
        let written = Restart::new(&told, logs, by).writes(now);
        written.iter().filter(|body| matches!(body, Body::Reveal { .. })).count()
    };
    assert_eq!(reveals(&hidden, close_by), 1);
    assert_eq!(reveals(&hidden, close_by + MOMENT), 0);
    let shown = told.before(&told.logs, Kind::Release, &[told.asker()]);
    assert_eq!(reveals(&shown, told.plan.query.at), 0, "it did already");
}

fn releases(told: &Told, logs: &Logs, by: &MemberId, now: Time) -> Option<usize> {
    let written = Restart::new(told, logs, by).writes(now);
    written
        .into_iter()
        .find_map(|body| if let Body::Release { opens, .. } = body { Some(opens.len()) } else { None })
}

#[test]
fn a_sum_is_released_by_the_asker_at_once_and_by_any_member_later() {
    let mut story = Story::new(6, 65);
    story.world.set_limits(3, Limits { purposes: Set::none(), ..Limits::top() });
    let stranger = story.founder(3).id;
    let told = Told::of(story, 6, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let (asker, by) = (told.asker(), told.bystander());
    let (start, close_by) = (told.plan.query.at, told.plan.query.close_by);
    let late = close_by + Span::from_seconds(1);
    let opened = told.before(&told.logs, Kind::Release, &[asker]);
    assert_eq!(releases(&told, &opened, asker, start), Some(2));
    for (now, expected) in [(start, None), (close_by, None), (Time(late.0 - 1), None), (late, Some(2))] {
        assert_eq!(releases(&told, &opened, by, now), expected, "{now:?}");
        assert_eq!(releases(&told, &opened, &stranger, now), None, "{now:?}");
    }
    let mut aborted = opened.clone();
    aborted.push(asker, start, Body::Abort { query: told.id, code: "close".into() });
    assert_eq!(releases(&told, &aborted, asker, late), None, "who gave up releases nothing");
    assert_eq!(releases(&told, &aborted, by, late), Some(2), "the others have their sum");
    let mut lied = told.logs.clone();
    lied.change(asker, &told.said(Kind::Release, asker).at, |entry| {
        let Body::Release { sums, .. } = &mut entry.body else { panic!("a release") };
        sums[0] += 1;
    });
    assert_eq!(releases(&told, &lied, asker, late), None, "nobody releases twice");
}

/// In full noise the asker waits for every vector that it froze, and after the last deadline takes what is
/// there.
#[test]
fn a_full_noise_sum_waits_for_all_frozen_vectors_until_the_last_deadline() {
    let told = full_noise();
    let (asker, by, start) = (told.asker(), told.bystander(), told.plan.query.at);
    let close_by = told.plan.query.close_by;
    let late = close_by + Span::from_seconds(1);
    let whole = told.before(&told.logs, Kind::Release, &[asker]);
    assert_eq!(releases(&told, &whole, asker, start), Some(4));
    let short = told.before(&whole, Kind::Open, &[by]);
    assert_eq!(releases(&told, &short, asker, start), None);
    assert_eq!(releases(&told, &short, asker, Time(late.0 - 1)), None);
    assert_eq!(releases(&told, &short, asker, late), Some(3));
    // Too few: whoever revealed its own vector gives up all the same, for there is nothing to add up.
    let others: Vec<&MemberId> = told.plan.members.iter().filter(|id| *id != asker).collect();
    let few = told.before(&whole, Kind::Open, &others[..2]);
    let written = Restart::new(&told, &few, asker).writes(late);
    assert_eq!(aborts(&written), Some("close"));
}

/// The asker alone gives up, once nothing can be on its way any more; not if it opened itself.
#[test]
fn an_asker_waits_a_minute_for_an_open_that_may_be_on_its_way() {
    let told = told();
    let (asker, by) = (told.asker(), told.bystander());
    let close_by = told.plan.query.close_by;
    let late = close_by + Span::from_seconds(1);
    let gives_up = |told: &Told, logs: &Logs, by: &MemberId, now| {
        aborts(&Restart::new(told, logs, by).writes(now)).map(str::to_owned)
    };
    let half = seats_before(&told, Kind::Open, &[&told.plan.committee[1]]);
    let patience = close_by + Span::from_seconds(60);
    assert_eq!(gives_up(&told, &half, asker, late), None);
    assert_eq!(gives_up(&told, &half, asker, Time(patience.0 - 1)), None);
    assert_eq!(gives_up(&told, &half, asker, patience), Some("close".into()));
    assert_eq!(gives_up(&told, &half, by, patience), None, "nobody else does");
    let none = seats_before(&told, Kind::Open, &seats(&told));
    assert_eq!(gives_up(&told, &none, asker, Time(late.0 - 1)), None);
    assert_eq!(gives_up(&told, &none, asker, late), Some("close".into()), "no share was opened");

    let told = asker_seated();
    let other = told.plan.committee.iter().find(|seat| *seat != told.asker()).unwrap();
    let half = seats_before(&told, Kind::Open, &[other]);
    let patience = told.plan.query.close_by + Span::from_seconds(60);
    assert_eq!(gives_up(&told, &half, told.asker(), patience), None, "who opened never aborts");
}

/// A member that will not go along says so to its own people, once.
#[test]
fn a_roster_that_is_declined_is_told_once() {
    let told = told();
    let by = told.bystander();
    let logs = told.before(&told.logs, Kind::Debit, &[by]);
    let logs = told.before(&logs, Kind::Freeze, &seats(&told));
    let logs = told.before(&logs, Kind::Release, &[told.asker()]);
    let mut restart = Restart::new(&told, &logs, by);
    restart.limits = Some(Limits { purposes: Set::none(), ..Limits::top() });
    let mut awake = restart.at(told.plan.query.at);
    let mut louder = told.logs.clone();
    let other = &told.plan.committee[0];
    let debit = told.said(Kind::Debit, other).at.clone();
    louder.push(other, told.plan.query.at, Body::Void { query: told.id, debit, code: "veto".into() });
    awake.hears(&louder, other);
    let declined = awake.events.iter().filter(|event| matches!(event, Event::Declined(..))).count();
    assert_eq!((declined, awake.written.as_slice()), (1, &[][..]));
}
