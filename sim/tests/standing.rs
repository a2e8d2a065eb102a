//! What one round of a question means for the next one: which rounds are compared, whether another may begin,
//! and what a member's standing is after its whole log.
//!
//! Claim: of two sums of one question nobody reads a difference of fewer than `min_step` bodies. Source:
//! CHARTER section 8. What would make it fail: a round that is left out of the comparison, or one that need
//! not be in it and blocks a question for good.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::OnceLock;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Digest, MemberId, Span, Time};
use datacoop_protocol::entry::{Body, LAST, QueryBody, Ref};
use datacoop_protocol::fold::{Fold, question_value};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Kind, Logged};
use datacoop_protocol::standing::{Judged, Standing, keeps_step, largest_roster, replay};
use datacoop_protocol::wire::{Bytes, decode, encode};

/// Bodies that two sums of one question may set apart at least.
const STEP: u32 = 3;
/// A question with a parameter of each kind.
const QUESTION: &str = r#"
    id = "every-kind"
    version = 1
    title = "How many?"
    vocabulary = "exam/1"
    where = "sex <> :subject"
    param = { subject = "gcse_subjects", least = "number", took_part = "members" }
    figure = { kind = "count", of = "n" }
    loss = 5_000_000
    matters = "10"
    measure = [{ name = "n", sql = "CASE WHEN 1 > :least THEN 1 ELSE 0 END", clamp = [0, 1], resolution = 1 }]
    by = [
      { member = "took_part", cells = ["yes", "no"], optional = true },
      { column = "sex", cells = ["F", "M"] },
    ]"#;

fn asked(story: &Story) -> QueryBody {
    let params = [("subject", "Mathematics"), ("least", "0.5")];
    QueryBody {
        question: question_value(&QuestionDraft::from_toml(QUESTION).unwrap()).unwrap(),
        params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..story.query(Mode::Secure, LOSS, 5, PERIOD)
    }
}

/// A released round of twelve.
fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    Told::once(&TOLD, || Told::of(Story::new(12, 71), 12, asked))
}

/// The same question once more.
fn again(told: &Told) -> Query {
    Query { id: Digest([9; 32]), ..Query::clone(&told.plan.query) }
}

/// The first so many of the Roster's members.
fn first(told: &Told, members: usize) -> Vec<MemberId> {
    told.plan.members[..members].to_vec()
}

fn keeps(fold: &Fold, query: &Query, members: &[MemberId]) -> bool {
    keeps_step(fold, query, members, STEP)
}

#[test]
fn the_same_question_again_keeps_its_distance_from_the_round_before() {
    let told = told();
    let (fold, again) = (told.logs.fold(), again(&told));
    for (members, lawful) in [(12, true), (11, false), (10, false), (9, true), (3, true)] {
        assert_eq!(keeps(&fold, &again, &first(&told, members)), lawful, "{members}");
    }
    let own = &told.plan.query;
    assert!(keeps(&fold, own, &first(&told, 11)), "a round is not compared with itself");
    let roster = largest_roster(&fold, &again, &first(&told, 11), STEP, told.plan.query.at);
    assert_eq!(roster, first(&told, 9), "two more stay away");
    assert_eq!(largest_roster(&fold, own, &first(&told, 11), STEP, told.plan.query.at), first(&told, 11));
    let full_noise = Query { mode: Mode::FullNoise, ..again };
    assert_eq!(
        largest_roster(&fold, &full_noise, &first(&told, 11), STEP, told.plan.query.at),
        first(&told, 11)
    );
}

/// Whatever changes the sum by next to nothing, or cuts it otherwise, is the same question; another subject,
/// or another text, is another.
#[test]
fn lists_choices_and_numbers_tell_no_two_askings_of_a_question_apart() {
    let told = told();
    let fold = told.logs.fold();
    let eleven = first(&told, 11);
    let body = &told.round.asked().unwrap().body;
    let compared = |changed: &[(&str, &str)]| {
        let mut body = body.clone();
        body.params.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let query = fold.bind_draft(&body, told.asker(), told.plan.query.at).unwrap();
        !keeps(&fold, &query, &eleven)
    };
    let list = ("took_part", "DEMO-001,DEMO-002,DEMO-003,DEMO-004");
    assert!(compared(&[]), "unchanged");
    assert!(compared(&[("least", "0.4")]));
    assert!(compared(&[list, ("by.took_part", "yes")]));
    assert!(!compared(&[("subject", "Biology")]));
    let mut other = body.clone();
    let text = QUESTION.replace("How many?", "How many more?");
    other.question = question_value(&QuestionDraft::from_toml(&text).unwrap()).unwrap();
    let query = fold.bind_draft(&other, told.asker(), told.plan.query.at).unwrap();
    assert!(keeps(&fold, &query, &eleven));
}

/// A round that too few debited can be added up by nobody, so it is compared with nothing: with a debit that
/// was voided as with one that never came.
#[test]
fn a_round_that_too_few_debited_is_not_compared() {
    let told = told();
    let again = again(&told);
    let eleven = first(&told, 11);
    let compared = |logs: &Logs| !keeps(&logs.fold(), &again, &eleven);
    let least = told.plan.terms.accepted_min();
    assert_eq!(least, 11);
    let undebited = |count: usize| {
        let members: Vec<&MemberId> = told.plan.members.iter().take(count).collect();
        told.before(&told.logs, Kind::Debit, &members)
    };
    assert!(compared(&undebited(1)));
    assert!(!compared(&undebited(2)));
    let voided = |count: usize| {
        let members = first(&told, count);
        voided_in(
            &told,
            &told.before(&told.logs, Kind::Contribution, &members.iter().collect::<Vec<_>>()),
            count,
        )
    };
    assert!(compared(&voided(1)));
    assert!(!compared(&voided(2)));
}

/// The first so many of the Roster's members void their debits.
fn voided_in(told: &Told, logs: &Logs, count: usize) -> Logs {
    let mut logs = logs.clone();
    for by in &first(told, count) {
        let debit = told.said(Kind::Debit, by).at.clone();
        logs.push(by, told.plan.query.at, Body::Void { query: told.id, debit, code: "veto".into() });
    }
    logs
}

/// A void that comes after a contribution takes nothing back: else whoever wants the next Roster one school
/// short would only have to void what is long added up.
#[test]
fn a_round_is_compared_whatever_is_voided_after_it_was_contributed_to() {
    let told = told();
    let (again, eleven) = (again(&told), first(&told, 11));
    let compared = |logs: &Logs| !keeps(&logs.fold(), &again, &eleven);
    let seats: Vec<&MemberId> = told.plan.committee.iter().collect();
    let unclosed = told.before(&told.logs, Kind::Release, &[told.asker()]);
    let unclosed = told.before(&unclosed, Kind::Close, &seats);
    for logs in [&told.logs, &unclosed] {
        let all = voided_in(&told, logs, 12);
        assert!(compared(&all));
        let nearest = largest_roster(&all.fold(), &again, &eleven, STEP, told.plan.query.at);
        assert_eq!(nearest, first(&told, 9), "the asker's program sees it too");
    }
}

fn applied(fold: &Fold, told: &Told, by: &MemberId, kinds: &[Kind]) -> Standing {
    let mut standing = Standing::default();
    for kind in kinds {
        assert_eq!(standing.apply(fold, told.said(*kind, by)), Ok(()));
    }
    standing
}

fn voided(fold: &Fold, told: &Told, by: &MemberId) -> Standing {
    let mut standing = applied(fold, told, by, &[Kind::Verdict, Kind::Debit]);
    let debit = told.said(Kind::Debit, by);
    let body = Body::Void { query: told.id, debit: debit.at.clone(), code: "veto".into() };
    assert_eq!(standing.apply(fold, &Logged { body, ..debit.clone() }), Ok(()));
    standing
}

/// An auditor compares a debit with the rounds that its author debited before, and with no other.
#[test]
fn an_auditor_finds_a_debit_for_a_roster_too_near_an_earlier_one_of_its_author() {
    let told = told();
    let (by, again) = (&told.plan.committee[1], again(&told));
    let fold = told.logs.fold();
    let judged = |fold: &Fold, standing: &Standing, query: &Query, members: &[MemberId]| {
        let verdict =
            standing.judge(fold, by, query, Some(members), None, true, Judged::Entry(LAST), query.at);
        verdict.map_err(|refusal| refusal.rule.code())
    };
    let near: Vec<MemberId> = told.plan.members.iter().filter(|id| *id != told.asker()).cloned().collect();
    let debited = applied(&fold, &told, by, &[Kind::Verdict, Kind::Debit]);
    assert_eq!(judged(&fold, &debited, &again, &told.plan.members), Ok(()));
    assert_eq!(judged(&fold, &debited, &again, &near), Err("min_step"));
    let nothing = Standing::default();
    assert_eq!(judged(&fold, &nothing, &again, &near), Ok(()), "it debited no other");
    assert_eq!(judged(&fold, &voided(&fold, &told, by), &again, &near), Ok(()), "it gave its debit back");
    let own = Query::clone(&told.plan.query);
    assert_eq!(judged(&fold, &debited, &own, &near), Ok(()), "a round is not compared with itself");
    let other = Query { question_hash: Digest([8; 32]), ..again.clone() };
    assert_eq!(judged(&fold, &debited, &other, &near), Ok(()), "another question");

    // Nor that it came to a sum, unless it closed with it, or released it, before.
    let bystander = applied(&fold, &told, told.bystander(), &[Kind::Verdict, Kind::Debit]);
    let verdict = |standing: &Standing, by: &MemberId| {
        standing.judge(&fold, by, &again, Some(&near), None, true, Judged::Entry(LAST), again.at).is_ok()
    };
    assert!(verdict(&bystander, told.bystander()));
    assert!(!verdict(&applied(&fold, &told, told.asker(), &[Kind::Verdict, Kind::Debit]), told.asker()));
    // The other debit comes before the close, or after it.
    for known in [false, true] {
        let (mut logs, body) = (told.logs.clone(), told.round.asked().unwrap().body.clone());
        let period = datacoop_policy::Period::parse("2025-11-03..2025-12-19").unwrap();
        let id = logs.push(told.asker(), again.at, Body::Query(Box::new(QueryBody { period, ..body }))).leaf;
        let Logged { at, time, body } = told.said(Kind::Debit, by).clone();
        let Body::Debit { roster, nonce, debit, .. } = body else { panic!("a debit") };
        let body = Body::Debit { query: id, roster, nonce, debit };
        if known {
            logs.push(by, time, body);
        } else {
            logs.change(by, &Ref { index: 1, ..at }, |entry| entry.body = body);
        }
        let fold = logs.fold();
        let query = Query::clone(fold.round(&id).unwrap().query().unwrap());
        let expected = if known { Err("min_step") } else { Ok(()) };
        assert_eq!(judged(&fold, &debited, &query, &near), expected);
    }

    // Which set the other round had accepted by then its author may not have known.
    let mut apart = told.logs.clone();
    for seat in &told.plan.committee {
        apart.change(seat, &told.said(Kind::Close, seat).at, |entry| {
            let Body::Close { accepted, .. } = &mut entry.body else { panic!("a close") };
            accepted.pop();
        });
    }
    let fold = apart.fold();
    assert_eq!(fold.round(&told.id).unwrap().closed_by_all().unwrap().accepted.len(), 11);
    assert_eq!(judged(&fold, &debited, &again, &near), Ok(()));
}

/// Two rounds of one question at once could end with accepted sets that differ, so one of them waits: while
/// the other was accepted and may still open.
#[test]
fn a_round_is_under_way_until_it_ends_or_its_deadline_passes() {
    let told = told();
    let (by, asker) = (told.bystander(), told.asker());
    let (again, start) = (again(&told), told.plan.query.at);
    let early = told.before(&told.logs, Kind::Roster, &[asker]).fold();
    let late = told.before(&told.logs, Kind::Release, &[asker]);
    let late = told.before(&late, Kind::Open, &told.plan.committee.iter().collect::<Vec<_>>()).fold();
    let under_way = |fold: &Fold, standing: &Standing, query: &Query, now: Time| {
        standing.is_under_way(fold, by, query, now)
    };
    let accepted = applied(&early, &told, by, &[Kind::Verdict]);
    let debited = applied(&late, &told, by, &[Kind::Verdict, Kind::Debit]);
    for (fold, standing) in [(&early, &accepted), (&late, &debited)] {
        assert!(under_way(fold, standing, &again, start));
        assert!(!under_way(fold, standing, &told.plan.query, start), "it does not wait for itself");
        let other = Query { question_hash: Digest([8; 32]), ..again.clone() };
        assert!(!under_way(fold, standing, &other, start), "another question");
    }
    assert!(!under_way(&early, &Standing::default(), &again, start), "it was not accepted here");
    assert!(!under_way(&told.logs.fold(), &debited, &again, start), "it ended");
    assert!(!under_way(&late, &voided(&late, &told, by), &again, start), "its debit was voided");
    let close_by = told.plan.query.close_by;
    assert!(under_way(&late, &debited, &again, close_by));
    assert!(!under_way(&late, &debited, &again, close_by + Span(1)));
}

/// A Query that came while another round of its question ran is neither accepted nor refused until that one
/// has ended. One of full noise does not wait: its vectors are noised whole.
#[test]
fn a_query_waits_for_the_round_of_its_question_that_is_under_way() {
    let told = told();
    let (by, asker) = (told.bystander(), told.asker());
    let start = told.plan.query.at;
    let wrote = |mode: Mode, ended: bool| {
        let mut logs = told.logs.clone();
        if !ended {
            logs = told.before(&logs, Kind::Roster, &[asker]);
            for member in told.plan.members.iter().filter(|id| *id != asker) {
                logs.cut(member, told.said(Kind::Verdict, member).at.index + 1);
            }
        }
        let body = told.round.asked().unwrap().body.clone();
        let period = datacoop_policy::Period::parse("2025-11-03..2025-12-19").unwrap();
        logs.push(asker, start, Body::Query(Box::new(QueryBody { mode, period, ..body })));
        Restart::new(&told, &logs, by).writes(start)
    };
    assert_eq!(wrote(Mode::Secure, false), []);
    assert!(matches!(wrote(Mode::Secure, true)[..], [Body::Accept { .. }]));
    assert_eq!(wrote(Mode::FullNoise, false).len(), 1);
}

/// A seat that finds one member's proof wrong would open a sum one school short of the round before: it
/// gives up instead.
#[test]
fn a_seat_closes_no_set_too_near_that_of_another_round() {
    let mut story = Story::new(12, 72);
    story.meet();
    let first = story.ask(11, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(first, 12) && story.released(first));
    let told = Told::of(story, 12, |story| story.query(Mode::Secure, LOSS, 5, "2025-11-03..2025-12-19"));
    let (seat, other) = (&told.plan.committee[0], &told.plan.committee[1]);
    let seats: Vec<&MemberId> = told.plan.committee.iter().collect();
    let logs = told.before(&told.logs, Kind::Release, &[told.asker()]);
    let logs = told.before(&logs, Kind::Close, &seats);
    let writes = |logs: &Logs| {
        let mut awake = Restart::new(&told, logs, seat).at(told.plan.query.at);
        awake.compute();
        awake.written
    };
    assert!(matches!(&writes(&logs)[..], [Body::Close { accepted, .. }] if accepted.len() == 12));
    let verify = told.said(Kind::Verify, other);
    let Body::Verify { blob, .. } = &verify.body else { panic!("a verify") };
    let mut runs: Vec<Bytes> = decode(&told.logs.blobs[blob]).unwrap();
    runs[3] = Bytes::default();
    let short = encode(&runs);
    let name = sha256(&[&short]);
    told.stored.lock().unwrap().blobs.insert(name, short.into());
    let mut logs = logs;
    logs.change_for_all(other, &verify.at, |entry| {
        let Body::Verify { blob, .. } = &mut entry.body else { panic!("a verify") };
        *blob = name;
    });
    assert_eq!(writes(&logs), [Body::Abort { query: told.id, code: "min_step".into() }]);
}

/// Replaying a log gives what its author spent, and names each entry that breaks its own bookkeeping.
#[test]
fn a_replayed_log_gives_its_standing_and_what_is_wrong_in_it() {
    let told = told();
    let (by, other) = (told.bystander(), &told.plan.committee[0]);
    let spent = |logs: &Logs| {
        let (standing, wrong) = replay(&logs.fold(), by);
        let total: u64 = standing.ledger().accounts().map(|(_, spent)| spent.nano()).sum();
        (total, wrong.into_iter().map(|(logged, what)| (logged.at.index, what)).collect::<Vec<_>>())
    };
    assert_eq!(spent(&told.logs), (LOSS, vec![]));
    let mut repeated = told.logs.clone();
    let debit = told.said(Kind::Debit, other);
    repeated.push(other, debit.time, debit.body.clone());
    assert_eq!(spent(&repeated), (LOSS, vec![]), "another's fault");
    let own = told.said(Kind::Debit, by);
    let twice = repeated.push(by, own.time, own.body.clone());
    assert_eq!(spent(&repeated), (2 * LOSS, vec![(twice.index, "a second debit for one query")]));
    let unused = told.before(&told.logs, Kind::Contribution, &[by]);
    assert!(replay(&unused.fold(), by).0.holds_unused_debit(&told.id));
    assert!(!replay(&told.logs.fold(), by).0.holds_unused_debit(&told.id));
}

/// After a recovery in which somebody withholds the asker's log a member knows what it debited and not for what:
/// it counts for the purpose, and keeps the next round waiting, as soon as the Query is here.
#[test]
fn what_a_member_debited_counts_once_its_query_is_here() {
    let told = told();
    let (by, again, start) = (told.bystander(), again(&told), told.plan.query.at);
    let whole = told.before(&told.logs, Kind::Release, &[told.asker()]);
    let whole = told.before(&whole, Kind::Open, &told.plan.committee.iter().collect::<Vec<_>>());
    let mut without = whole.clone();
    without.cut(told.asker(), told.round.asked().unwrap().at.index);
    let limits = datacoop_policy::limits::Limits::top();
    for kind in [Kind::Verdict, Kind::Debit] {
        let (mut known, mut unknown) = (Standing::default(), Standing::default());
        let firsts =
            [Kind::Verdict, Kind::Debit].into_iter().take_while(|first| *first != kind).chain([kind]);
        for first in firsts {
            assert_eq!(known.apply(&whole.fold(), told.said(first, by)), Ok(()));
            let booked = unknown.apply(&without.fold(), told.said(first, by));
            assert_eq!(booked.is_ok(), first == Kind::Verdict, "{booked:?}");
        }
        let fold = whole.fold();
        let room = |standing: &Standing| standing.room(&fold, by, &again, &limits, start);
        assert_eq!(room(&unknown), room(&known), "{kind:?}");
        assert_ne!(room(&unknown).purpose, room(&Standing::default()).purpose, "{kind:?}");
        assert!(unknown.is_under_way(&fold, by, &again, start), "{kind:?}");
    }
}

/// Nor is a question that came to nothing twice tried a third time because its Queries came late.
#[test]
fn attempts_count_once_their_queries_are_here() {
    let told = told();
    let (asker, by, start) = (told.asker(), told.bystander(), told.plan.query.at);
    let mut whole = told.before(&told.logs, Kind::Release, &[asker]);
    let body = told.round.asked().unwrap().body.clone();
    let second = whole.push(asker, start, Body::Query(Box::new(body))).leaf;
    let Body::Debit { roster, nonce, debit, .. } = told.said(Kind::Debit, by).body.clone() else { panic!() };
    let mut twice = debit.clone();
    (twice.before, twice.after) = (debit.after, debit.after.plus(debit.loss));
    whole.push(by, start, Body::Debit { query: second, roster, nonce, debit: twice });
    let mut without = whole.clone();
    without.cut(asker, told.round.asked().unwrap().at.index);
    let standing = replay(&without.fold(), by).0;
    let judged = |fold: &Fold| {
        let verdict = standing.judge(fold, by, &again(&told), None, None, true, Judged::Now, start);
        verdict.map_err(|refusal| refusal.rule.code())
    };
    assert_eq!(judged(&whole.fold()), Err("attempt"));
    assert_ne!(judged(&without.fold()), Err("attempt"), "what it was for is not known");
}
