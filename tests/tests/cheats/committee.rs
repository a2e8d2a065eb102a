//! What a member that holds a seat may try.

use std::sync::Arc;

use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_tests::cheat::{Act, Game, LOSS, Strike};

use crate::{Row, check, flip, opens};

fn second_freeze(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Freeze { contributions, .. } = &mut other {
        contributions.pop();
    }
    Act::Write(vec![strike.entry.body.clone(), other])
}

fn different_freeze(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Freeze { contributions, .. } = &mut other {
        contributions.pop();
    }
    Act::Write(vec![other])
}

fn other_key_part(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Freeze { vk_part, .. } = &mut other {
        *vk_part = Some([9; 32]);
    }
    Act::Write(vec![other])
}

/// Two histories of one log: each half of the members is shown another freeze.
fn freeze_for_each_half(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Freeze { contributions, .. } = &mut other {
        contributions.pop();
    }
    Act::Send(vec![vec![strike.bytes(0, &strike.entry.body)], vec![strike.bytes(0, &other)]])
}

fn junk_verifier_shares(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let junk: Arc<[u8]> = Arc::from(vec![7; 400]);
    let hash = sha256(&[&junk]);
    strike.blobs.insert(hash, junk);
    let Body::Verify { query, freezes, .. } = strike.entry.body.clone() else { return Act::Pass };
    Act::Write(vec![Body::Verify { query, freezes, blob: hash }])
}

/// The verifier shares are whatever the reader is given: never what the entry names.
fn two_faced_verifier_shares(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let Body::Verify { blob, .. } = &strike.entry.body else { return Act::Pass };
    *strike.two_faced = Some(*blob);
    Act::Write(vec![strike.entry.body.clone()])
}

fn false_close(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Close { accepted, .. } = &mut other {
        accepted.pop();
    }
    Act::Write(vec![other])
}

/// Opens something before anybody else has closed.
fn early_open(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let close = strike.entry.body.clone();
    let Some(query) = close.query() else { return Act::Pass };
    let open = Body::Open { query, closes: vec![strike.place(0, &close)], share: vec![0; 32], salt: [0; 32] };
    Act::Write(vec![close, open])
}

fn open_without_close(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let Some(query) = strike.entry.body.query() else { return Act::Pass };
    Act::Write(vec![Body::Open { query, closes: vec![], share: vec![0; 32], salt: [0; 32] }])
}

fn open_without_seat(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Some(query) = strike.entry.body.query() else { return Act::Pass };
    let open = Body::Open { query, closes: vec![], share: vec![0; 32], salt: [0; 32] };
    Act::Write(vec![strike.entry.body.clone(), open])
}

fn second_open(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Open { share, .. } = &mut other {
        flip(share, 0);
    }
    Act::Write(vec![strike.entry.body.clone(), other])
}

fn other_share(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let mut other = strike.entry.body.clone();
    if let Body::Open { share, .. } = &mut other {
        flip(share, 0);
    }
    Act::Write(vec![other])
}

fn open_after_abort(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let Some(query) = strike.entry.body.query() else { return Act::Pass };
    let abort = Body::Abort { query, code: "close".into() };
    Act::Write(vec![abort, strike.entry.body.clone()])
}

fn abort_after_open(strike: &mut Strike<'_>) -> Act {
    if !strike.is_seated() {
        return Act::Pass;
    }
    let Some(query) = strike.entry.body.query() else { return Act::Pass };
    let abort = Body::Abort { query, code: "close".into() };
    Act::Write(vec![strike.entry.body.clone(), abort])
}

fn vanish(strike: &mut Strike<'_>) -> Act {
    if strike.is_seated() { Act::Vanish(vec![]) } else { Act::Pass }
}

fn say_and_vanish(strike: &mut Strike<'_>) -> Act {
    if strike.is_seated() { Act::Vanish(vec![strike.entry.body.clone()]) } else { Act::Pass }
}

/// A seat that says each thing once more, or something else than it ought to, ends the round at worst.
#[test]
fn a_false_seat_opens_nothing_else() {
    let row =
        |name, on, cheat, ending, blamed, alerts| Row { name, members: 5, on, cheat, ending, blamed, alerts };
    let rows = [
        row("a second freeze", "freeze", second_freeze, "released", &["A09"], &[]),
        row("another freeze", "freeze", different_freeze, "freeze", &[], &[]),
        row("another verify-key part", "freeze", other_key_part, "freeze", &["A09"], &[]),
        row("junk verifier shares", "verify", junk_verifier_shares, "accepted", &[], &[]),
        row(
            "verifier shares that differ by reader",
            "verify",
            two_faced_verifier_shares,
            "accepted",
            &[],
            &[],
        ),
        row("another accepted set", "close", false_close, "close", &["A11"], &[]),
        row("early open", "close", early_open, "close", &["A09"], &["withheld"]),
        row("open without a close", "close", open_without_close, "close", &["A09"], &[]),
        row("open without a seat", "contribution", open_without_seat, "released", &["A09"], &[]),
        row("second open", "open", second_open, "released", &["A09"], &[]),
        row("another share than committed to", "open", other_share, "close", &["A09"], &["withheld"]),
        row("open after abort", "open", open_after_abort, "released", &["A09"], &[]),
        row("abort after open", "open", abort_after_open, "released", &["A09"], &[]),
    ];
    check(&rows, |name, game| {
        let sites = game.honest().into_iter().filter(|site| game.spent(*site) != LOSS);
        assert_eq!(sites.count(), 0, "{name}: every honest member contributed and paid once");
    });
}

/// A seat that goes away for good, before and after each thing it has to say. Whoever had not
/// contributed gets its debit back; only after its close is it named.
#[test]
fn a_seat_that_vanishes_costs_an_answer_and_no_more() {
    let row =
        |name, on, cheat, ending, alerts| Row { name, members: 5, on, cheat, ending, blamed: &[], alerts };
    let rows = [
        row("before its debit", "debit", vanish, "freeze", &[]),
        row("after its debit", "debit", say_and_vanish, "freeze", &[]),
        row("before its contribution", "contribution", vanish, "freeze", &[]),
        row("after its contribution", "contribution", say_and_vanish, "freeze", &[]),
        row("before its freeze", "freeze", vanish, "freeze", &[]),
        row("after its freeze", "freeze", say_and_vanish, "verify", &[]),
        row("before its verify", "verify", vanish, "verify", &[]),
        row("after its verify", "verify", say_and_vanish, "close", &[]),
        row("before its close", "close", vanish, "close", &[]),
        row("after its close", "close", say_and_vanish, "close", &["withheld"]),
        row("withheld open", "open", vanish, "close", &["withheld"]),
        row("after its open", "open", say_and_vanish, "released", &[]),
    ];
    check(&rows, |name, game| {
        let honest: Vec<_> = game.honest().into_iter().map(|site| game.spent(site)).collect();
        assert!(honest.iter().all(|spent| *spent == 0 || *spent == LOSS), "{name}: {honest:?}");
    });
}

#[test]
fn two_histories_are_proven_to_all_who_saw_them() {
    let mut game = Game::new(5, 44, "freeze", freeze_for_each_half, 0, None);
    game.play();
    // That its owner signed both stands, with its proof, in the log of whoever first held both.
    let verdict = game.verdict();
    assert_eq!((verdict.ending.as_str(), &verdict.blamed[..]), ("verify", &["A04"][..]), "{verdict:?}");
    for site in game.honest() {
        game.warned(site);
    }
    assert_eq!(game.split_views(), 4, "everybody else holds the proof");
    assert_eq!(opens(&game.round()), 0);
}
