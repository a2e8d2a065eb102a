//! What a contributor may try with its debit and its contribution.

use std::sync::Arc;

use datacoop_policy::PrivacyLoss;
use datacoop_protocol::bounds::HEAD_EVERY;
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Kind, Round};
use datacoop_tests::cheat::{Act, Game, LOSS, PEOPLE_MAX, Strike};

use crate::{Row, check, flip, opens};

fn out_of_range_cell(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    // The leader's share begins with its part of the first cell's lowest bit: the bit is then 2 or 3.
    Act::Write(vec![strike.contribute(|sharing| flip(&mut sharing.shares[0], 1), |_, sealed| sealed)])
}

fn wrong_proof(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    // The last element of the proof, before the 32 bytes of the blind: the joint randomness stays right.
    let body = strike.contribute(
        |sharing| {
            let at = sharing.shares[0].len() - 32 - 16;
            flip(&mut sharing.shares[0], at);
        },
        |_, sealed| sealed,
    );
    Act::Write(vec![body])
}

fn swapped_shares(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    Act::Write(vec![strike.contribute(|sharing| sharing.shares.swap(1, 2), |_, sealed| sealed)])
}

fn junk_for_one_seat(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let junk = |seat, sealed: Vec<u8>| if seat == 2 { vec![0xa5; sealed.len()] } else { sealed };
    Act::Write(vec![strike.contribute(|_| {}, junk)])
}

/// Gives one seat no share: it is nowhere to be had.
fn no_share_for(strike: &mut Strike<'_>, seat: usize) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let body = strike.contribute(|_| {}, |_, sealed| sealed);
    if let Body::Contribution { shares, .. } = &body {
        strike.blobs.remove(&shares[seat].blob);
    }
    Act::Write(vec![body])
}

/// Somebody else's contribution and sealed shares, under the cheat's own debit.
fn copied_contribution(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let round = strike.round();
    let Some((_, other)) = round.all(Kind::Contribution).find(|(by, _)| **by != strike.me) else {
        return Act::Wait;
    };
    let own = round.said(Kind::Debit, &strike.me).unwrap().at.clone();
    let Body::Contribution { query, nonce, public_share, shares, .. } = other.body.clone() else {
        return Act::Pass;
    };
    Act::Write(vec![Body::Contribution { query, debit: own, nonce, public_share, shares }])
}

/// The loss returned to itself although the answer was paid with it.
fn void_after_contributing(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Body::Contribution { query, debit, .. } = strike.entry.body.clone() else { return Act::Pass };
    let void = Body::Void { query, debit, code: "local".into() };
    Act::Write(vec![strike.entry.body.clone(), void])
}

/// A contribution under a debit that stands nowhere.
fn no_debit(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Body::Debit { query, .. } = strike.entry.body else { return Act::Pass };
    let debit = Ref { leaf: sha256(&[b"no debit"]), ..strike.place(0, &strike.entry.body) };
    let body = Body::Contribution { query, debit, nonce: [1; 16], public_share: vec![], shares: vec![] };
    Act::Vanish(vec![body])
}

/// A debit for a Roster that stands nowhere.
fn unknown_roster(strike: &mut Strike<'_>) -> Act {
    let Act::Write(bodies) = unknown_roster_at_work(strike) else { return Act::Pass };
    Act::Vanish(bodies)
}

fn unknown_roster_at_work(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Body::Debit { query, roster, nonce, debit } = strike.entry.body.clone() else { return Act::Pass };
    let roster = Ref { leaf: sha256(&[b"no roster"]), ..roster };
    Act::Write(vec![Body::Debit { query, roster, nonce, debit }])
}

/// Also with a nonce that it never promised: that no history of another's log excuses.
fn unknown_roster_and_nonce(strike: &mut Strike<'_>) -> Act {
    let Act::Write(mut bodies) = unknown_roster_at_work(strike) else { return Act::Pass };
    let Some(Body::Debit { nonce, .. }) = bodies.first_mut() else { return Act::Pass };
    nonce[0] ^= 1;
    Act::Vanish(bodies)
}

/// Less than the Query states is debited.
fn cheap_debit(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Body::Debit { query, roster, nonce, mut debit } = strike.entry.body.clone() else {
        return Act::Pass;
    };
    debit.loss = PrivacyLoss::from_nano(1);
    debit.after = debit.before.plus(debit.loss);
    Act::Vanish(vec![Body::Debit { query, roster, nonce, debit }])
}

/// Another member's entry, byte for byte, in the cheat's own log.
fn copied_entry(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    let round = strike.round();
    let Some((by, _)) = round.all(Kind::Contribution).find(|(by, _)| **by != strike.me) else {
        return Act::Wait;
    };
    let bytes = strike.fold.log(by).unwrap().entries().last().unwrap().to_vec();
    Act::Send(vec![vec![bytes]])
}

/// Of twelve members one is left out, whatever it did to its contribution: the others' sum stands.
#[test]
fn a_false_contribution_is_left_out_and_the_rest_is_answered() {
    let row = |name, on, cheat, blamed| Row {
        name,
        members: 12,
        on,
        cheat,
        ending: "released",
        blamed,
        alerts: &[],
    };
    let rows = [
        row("out-of-range cell", "contribution", out_of_range_cell, &[]),
        row("wrong proof", "contribution", wrong_proof, &[]),
        row("swapped shares", "contribution", swapped_shares, &[]),
        row("junk sealed to one seat", "contribution", junk_for_one_seat, &[]),
        row("no share for the first seat", "contribution", |strike| no_share_for(strike, 0), &[]),
        row("copied contribution", "contribution", copied_contribution, &[]),
        row("contribution without a debit", "debit", no_debit, &["A08", "A13"]),
        row("debit for an unknown roster", "debit", unknown_roster, &[]),
        row("unknown roster and nonce", "debit", unknown_roster_and_nonce, &["A09"]),
        row("debit of less than the loss", "debit", cheap_debit, &["A08", "A09"]),
        row("another's entry copied", "contribution", copied_entry, &["A05"]),
    ];
    check(&rows, |name, game| {
        let (round, cheat) = (game.round(), game.world_member(game.cheat()));
        let (_, sums) = round.released().unwrap_or_else(|| panic!("{name}: no release"));
        assert!(!sums.accepted.contains(&cheat), "{name}: the cheat's numbers are in the sum");
        assert_eq!(sums.accepted.len(), 11, "{name}: somebody else was left out");
        // What the asker may have shown it alone is no proof; nobody overlooks it either.
        let warned = game.warned(game.honest()[0]);
        let expected = if name.contains("unknown roster") { vec![(cheat, "A13")] } else { vec![] };
        assert_eq!(warned, expected, "{name}");
    });
}

/// Whoever says that it saw another history of the asker's log must stand by it: what it says an hour later of
/// how far it holds that log gives it away. A debit for what the asker wrote later does not: that may stand in both.
#[test]
fn a_liar_cannot_go_back_to_the_history_it_denied() {
    let mut game = Game::new(12, 48, "debit", unknown_roster_at_work, 0, None);
    game.play();
    assert_eq!(game.verdict().blamed, [""; 0]);
    game.play_another();
    let cheat = game.world_member(game.cheat());
    assert!(game.round().said(Kind::Debit, &cheat).is_some(), "it took part again");
    assert_eq!(game.verdict().blamed, [""; 0]);
    assert!(game.warned(game.honest()[0]).contains(&(cheat, "A13")));
    game.world.run_until(game.world.now() + HEAD_EVERY);
    assert_eq!(game.verdict().blamed, ["A13"]);
}

/// Below twelve members nobody can be spared: the round ends without a sum.
#[test]
fn a_false_contribution_among_five_opens_nothing() {
    let row = |name, cheat| Row {
        name,
        members: 5,
        on: "contribution",
        cheat,
        ending: "accepted",
        blamed: &[],
        alerts: &[],
    };
    let rows = [
        row("out-of-range cell", out_of_range_cell),
        row("wrong proof", wrong_proof),
        row("copied contribution", copied_contribution),
    ];
    check(&rows, |name, game| assert_eq!(opens(&game.round()), 0, "{name}"));
}

/// Who gives its share to the first seat and not to another keeps the seats from one set: nothing is
/// opened, and as a wire that lost the share looks the same, nobody is blamed. It costs every member the
/// loss of an answer that it does not get; a question has two attempts.
#[test]
fn a_share_that_one_of_the_seats_never_gets_ends_the_round() {
    let rows = [Row {
        name: "no share for the last seat",
        members: 12,
        on: "contribution",
        cheat: |strike| no_share_for(strike, 3),
        ending: "freeze",
        blamed: &[],
        alerts: &[],
    }];
    check(&rows, |_, game| {
        assert_eq!(opens(&game.round()), 0);
        assert!(game.honest().into_iter().all(|site| game.spent(site) == LOSS), "it is spent, once");
    });
}

#[test]
fn nobody_takes_a_debit_back_that_it_contributed_under() {
    let rows = [Row {
        name: "void after contributing",
        members: 12,
        on: "contribution",
        cheat: void_after_contributing,
        ending: "released",
        blamed: &["A08"],
        alerts: &[],
    }];
    check(&rows, |_, game| {
        let (_, sums) = game.round().released().map(|(l, s)| (l.clone(), s)).unwrap();
        assert_eq!(sums.accepted.len(), 12, "what was contributed counts");
    });
}

/// A contribution of an earlier round, with its sealed shares, in a later one.
fn replayed_contribution(strike: &mut Strike<'_>) -> Act {
    let now = strike.round();
    let first =
        |round: &&Arc<Round>| round.id != now.id && round.said(Kind::Contribution, &strike.me).is_some();
    // In the first round there is nothing to replay yet.
    let Some(earlier) = strike.fold.rounds().values().find(first).cloned() else { return Act::Pass };
    if !strike.is_plain() {
        return Act::Pass;
    }
    let own = now.said(Kind::Debit, &strike.me).unwrap().at.clone();
    let old = earlier.said(Kind::Contribution, &strike.me).unwrap();
    let Body::Contribution { nonce, public_share, shares, .. } = old.body.clone() else { return Act::Pass };
    for share in &shares {
        strike.blobs.insert(share.blob, strike.kept[&share.blob].clone());
    }
    Act::Write(vec![Body::Contribution { query: now.id, debit: own, nonce, public_share, shares }])
}

#[test]
fn a_contribution_of_an_earlier_round_is_left_out() {
    let mut game = Game::new(12, 42, "contribution", replayed_contribution, 0, None);
    game.play();
    assert_eq!(game.rounds().len(), 1);
    game.play_another();
    let verdict = game.verdict();
    assert_eq!((verdict.ending.as_str(), verdict.blamed.len()), ("released", 0), "{verdict:?}");
    let (round, cheat) = (game.round(), game.world_member(game.cheat()));
    let (_, sums) = round.released().unwrap();
    assert!(!sums.accepted.contains(&cheat) && sums.accepted.len() == 11);
    assert!(game.honest().into_iter().all(|site| game.spent(site) == 2 * LOSS), "two rounds, two debits");
}

/// A member whose table holds a million people adds its public bound and no more, and its noise is as
/// large as everybody's: the sum over all is far below what it claims.
#[test]
fn a_roll_above_its_bound_adds_its_bound() {
    let mut game = Game::new(12, 43, "contribution", |_| Act::Pass, 0, Some(3));
    game.play();
    let round = game.round();
    let (_, sums) = round.released().expect("a release");
    let plan = round.plan().unwrap();
    for (sum, exact) in sums.sums.iter().zip([11 * 100, 11 * 50]) {
        let sum = sum >> plan.noise.doublings;
        let noise = 8 * 12 * i64::from(plan.noise.noise_std.get()) / 256;
        let most = exact + i64::try_from(PEOPLE_MAX).unwrap();
        assert!(sum <= most + noise, "{sum} > {most} + {noise}");
    }
    // A program of its own cannot prove more either.
    let member = &plan.members[3];
    let circuit = plan.circuit(member).unwrap();
    let max = plan.tally_max(member).unwrap() + 2 * plan.noise.clip();
    assert!(circuit.shard(&[0; 32], [0; 16], &[max, max]).is_ok());
    assert!(circuit.shard(&[0; 32], [0; 16], &[max + 1, 0]).is_err());
}
