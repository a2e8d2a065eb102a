//! What an audit says of an entry whose author was shown another history of somebody else's log: nothing that
//! depends on what that history says, and all that does not.

mod common;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::bounds::HEAD_EVERY;
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::rounds::Kind;

/// Whose logs fail, each once.
fn blamed(logs: &Logs) -> Vec<MemberId> {
    let mut blamed: Vec<MemberId> = logs.failures().into_iter().map(|(by, _)| by).collect();
    blamed.dedup();
    blamed
}

/// A seat whose verdict its owner wrote otherwise, and nobody who cites it knows. What follows in its log are
/// the same bytes at the same places: an entry does not name the history that it stands in.
fn another_history(told: &Told) -> (MemberId, Logs) {
    let (owner, mut logs) = (told.plan.committee[0].clone(), told.logs.clone());
    logs.change(&owner, &told.said(Kind::Verdict, &owner).at, |entry| entry.at = entry.at + Span(1_000));
    (owner, logs)
}

/// Who cites one entry of a history that is not here, and a later one that stands in both, has not lied.
#[test]
fn what_stands_in_two_histories_of_a_log_convicts_nobody_who_saw_one_of_them() {
    let told = Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let (owner, logs) = another_history(&told);
    let asker = told.asker();
    let check = logs.check(asker, "A13");
    assert_eq!(check.outcome, Outcome::Warn, "{}", check.text);
    assert_eq!(blamed(&logs), [], "of one history alone nothing shows");
    // The bytes of the one that was cited, where nobody takes them for an entry.
    let mut copied = logs.clone();
    let at = &told.said(Kind::Verdict, &owner).at;
    let bytes = told.logs.entries[&owner][usize::try_from(at.index).unwrap()].clone();
    copied.entries.get_mut(&owner).unwrap().push(bytes);
    let check = copied.check(asker, "A13");
    assert_eq!(check.outcome, Outcome::Warn, "{}", check.text);
    assert_eq!(blamed(&copied), std::slice::from_ref(&owner), "an entry at a place that it does not say");
}

/// In the history that an auditor is handed a liar had said, earlier, something else of the same kind, or taken
/// its debit back: what others cite still stands at its place, and counts for nothing.
#[test]
fn what_others_cite_and_what_counts_for_nothing_here_convicts_nobody_else() {
    let mut wrong = vec![];
    for mode in [Mode::Secure, Mode::FullNoise] {
        let told = Told::of(Story::new(5, 64), 5, |story| story.query(mode, LOSS, 5, PERIOD));
        assert_eq!(blamed(&told.logs), []);
        let said: Vec<_> = told.round.everything().collect();
        assert!(said.len() >= 17, "each kind is tried");
        for (by, logged) in said {
            let mut bodies = vec![otherwise(&logged.body)];
            if let Body::Contribution { debit, .. } | Body::Commit { debit, .. } = &logged.body {
                let debit = debit.clone();
                bodies.push(Body::Void { query: told.id, debit, code: "veto".into() });
            }
            for body in bodies {
                let (mut logs, what) = (told.logs.clone(), body.kind());
                logs.change(by, &Ref { index: 1, ..logged.at.clone() }, |entry| entry.body = body);
                assert!(told.round_in(&logs).plan().is_none() || logs.fold().resolves(&logged.at));
                let others = logs.failures().into_iter().filter(|(id, _)| id != by);
                wrong.extend(
                    others.map(|(id, code)| format!("{mode:?}: another {what} of {by}: {id} {code}")),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Another entry of the same kind.
#[expect(clippy::wildcard_enum_match_arm, reason = "it changes what members say in rounds")]
fn otherwise(body: &Body) -> Body {
    let mut body = body.clone();
    match &mut body {
        Body::Accept { nonce_hash, .. } => nonce_hash.0[0] ^= 1,
        Body::Roster { verdicts, .. } => drop(verdicts.pop()),
        Body::Debit { nonce, .. } => nonce[0] ^= 1,
        Body::Contribution { nonce, .. } => nonce[0] ^= 1,
        Body::Commit { commit, .. } | Body::Close { commit, .. } => commit.0[0] ^= 1,
        Body::Freeze { contributions, .. } => drop(contributions.pop()),
        Body::Verify { blob, .. } => blob.0[0] ^= 1,
        Body::Open { salt, .. } | Body::Reveal { salt, .. } => salt[0] ^= 1,
        Body::Release { sums, .. } => sums[0] += 1,
        body => panic!("{body:?}"),
    }
    body
}

/// A member's own word for a whole history binds it: it holds one of each log.
#[test]
fn whoever_says_that_it_holds_the_history_here_cites_nothing_else_of_it() {
    let told = Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let (owner, logs) = another_history(&told);
    let (asker, place) = (told.asker(), told.said(Kind::Verdict, &owner).at.index);
    let with_head = |size: u64| {
        let (mut logs, head) = (logs.clone(), logs.head(&owner, size));
        logs.push(asker, told.plan.query.close_by, Body::Head { heads: vec![head] });
        logs.check(asker, "A13")
    };
    assert_eq!(with_head(place).outcome, Outcome::Warn, "of what both histories have");
    let check = with_head(place + 1);
    let roster = told.said(Kind::Roster, asker).at.index;
    assert_eq!((check.outcome, check.entry), (Outcome::Fail, Some(roster)), "{}", check.text);
}

/// A member whose log came back from others may find that it cites another history than they hold. It says
/// nothing of how far it holds that one.
#[test]
fn a_restored_member_says_nothing_of_a_log_that_it_cites_otherwise() {
    let told = Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let (owner, logs) = another_history(&told);
    let origin = logs.head(&owner, 1).origin;
    let says = |logs: &Logs| {
        let restart = Restart { recovered: true, ..Restart::new(&told, logs, told.asker()) };
        let written = restart.writes(told.plan.query.close_by + HEAD_EVERY);
        let said = written.iter().find_map(|body| {
            let Body::Head { heads } = body else { return None };
            Some(heads.iter().map(|head| head.origin.clone()).collect::<Vec<_>>())
        });
        said.unwrap()
    };
    assert_eq!((says(&told.logs).len(), says(&told.logs).contains(&origin)), (4, true));
    assert_eq!((says(&logs).len(), says(&logs).contains(&origin)), (3, false));
}

/// A debit for a Roster that stands in no log here was judged with what is not here; that it opens the nonce
/// which its author promised is seen all the same.
#[test]
fn a_debit_for_a_roster_of_another_history_is_checked_for_its_nonce_alone() {
    let told = Told::of(Story::new(5, 64), 5, |story| story.query(Mode::Secure, LOSS, 5, PERIOD));
    let by = told.bystander();
    let debit = told.said(Kind::Debit, by).at.clone();
    let checks = |honest: bool| {
        let mut logs = told.logs.clone();
        logs.change_for_all(by, &debit, |entry| {
            let Body::Debit { roster, nonce, .. } = &mut entry.body else { panic!("a debit") };
            roster.leaf.0[0] ^= 1;
            nonce[0] ^= u8::from(!honest);
        });
        (logs.check(by, "A07"), logs.check(by, "A09"))
    };
    let (verdicts, rounds) = checks(true);
    let text = "1 queries, acceptances and debits replayed; 1 more need logs or blobs that are not here";
    assert_eq!((verdicts.outcome, verdicts.text.as_str()), (Outcome::Pass, text));
    let text = "1 debits and opens of rounds taken part in need logs or blobs that are not here";
    assert_eq!((rounds.outcome, rounds.text.as_str()), (Outcome::Skip, text));
    let (_, rounds) = checks(false);
    assert_eq!((rounds.outcome, rounds.entry), (Outcome::Fail, Some(debit.index)));
    assert!(rounds.text.contains("another roster, loss or nonce"), "{}", rounds.text);
}
