//! What an audit says of an entry whose author was shown another history of somebody else's log: nothing that
//! depends on what that history says, and all that does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::logs::{Logs, Told};
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::bounds::HEAD_EVERY;
use datacoop_protocol::entry::Body;
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
    assert_eq!(blamed(&copied), [owner.clone()], "an entry at a place that it does not say");
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
        let said = written.iter().find_map(|body| match body {
            Body::Head { heads } => Some(heads.iter().map(|head| head.origin.clone()).collect::<Vec<_>>()),
            _ => None,
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
    let text = "1 acceptances and debits replayed; 1 more need logs or blobs that are not here";
    assert_eq!((verdicts.outcome, verdicts.text.as_str()), (Outcome::Pass, text));
    let text = "1 debits and opens of rounds taken part in need logs or blobs that are not here";
    assert_eq!((rounds.outcome, rounds.text.as_str()), (Outcome::Skip, text));
    let (_, rounds) = checks(false);
    assert_eq!((rounds.outcome, rounds.entry), (Outcome::Fail, Some(debit.index)));
    assert!(rounds.text.contains("another roster, loss or nonce"), "{}", rounds.text);
}
