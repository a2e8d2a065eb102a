//! What an audit says of an entry whose author was shown another history of somebody else's log: nothing that
//! depends on what that history says, and all that does not.

mod common;

use common::logs::Told;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::entry::Body;
use datacoop_protocol::rounds::Kind;

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
