//! Every way to cheat in a round that we know of, what comes of it, and who is blamed for it.
//!
//! Each row plays one round in a simulated co-operative in which one member cheats once, and compares
//! what honest members made of it: how the round ended, which checks of an audit the cheat's log fails,
//! and which alerts about it were raised. For every row `Game::verdict` also asserts that nobody honest
//! fails a check or is named, that nothing is opened twice, and that every honest Ledger says exactly what
//! its log justifies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use datacoop_policy::{PrivacyLoss, Span};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Kind, Round};
use datacoop_tests::cheat::{Act, Cheat, Game, LOSS, PEOPLE_MAX, Strike};

/// A cheat, and what ought to come of it.
struct Row {
    name: &'static str,
    members: usize,
    on: &'static str,
    cheat: Cheat,
    ending: &'static str,
    blamed: &'static [&'static str],
    alerts: &'static [&'static str],
}

/// Plays a row's round in a world of its own.
fn play(row: &Row) -> Game {
    let mut game = Game::new(row.members, 41, row.on, row.cheat, 0, None);
    game.play();
    game
}

/// Plays every row; says all that went another way at once. `also` is asserted of each.
fn check(rows: &[Row], also: impl Fn(&str, &Game)) {
    let mut wrong = vec![];
    for row in rows {
        let game = play(row);
        let verdict = game.verdict();
        also(row.name, &game);
        if (verdict.ending.as_str(), &verdict.blamed[..]) != (row.ending, row.blamed)
            || verdict.alerts != row.alerts
        {
            wrong.push(format!("{}: {verdict:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn opens(round: &Round) -> usize {
    round.all(Kind::Open).count()
}

// --- Contributors ---------------------------------------------------------------------------------

/// Changes a byte of a share, so many bytes from its end or from its start.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

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
    if !strike.is_plain() {
        return Act::Pass;
    }
    let Body::Debit { query, roster, nonce, debit } = strike.entry.body.clone() else { return Act::Pass };
    let roster = Ref { leaf: sha256(&[b"no roster"]), ..roster };
    Act::Vanish(vec![Body::Debit { query, roster, nonce, debit }])
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
        row("copied contribution", "contribution", copied_contribution, &[]),
        row("contribution without a debit", "debit", no_debit, &["A08", "A13"]),
        row("debit for an unknown roster", "debit", unknown_roster, &["A09", "A13"]),
        row("debit of less than the loss", "debit", cheap_debit, &["A08", "A09"]),
        row("another's entry copied", "contribution", copied_entry, &["A05"]),
    ];
    check(&rows, |name, game| {
        let (round, cheat) = (game.round(), game.world_member(game.cheat()));
        let (_, sums) = round.released().unwrap_or_else(|| panic!("{name}: no release"));
        assert!(!sums.accepted.contains(&cheat), "{name}: the cheat's numbers are in the sum");
        assert_eq!(sums.accepted.len(), 11, "{name}: somebody else was left out");
    });
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

// --- The committee --------------------------------------------------------------------------------

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
        row("early open", "close", early_open, "close", &["A09"], &[]),
        row("open without a close", "close", open_without_close, "close", &["A09"], &[]),
        row("open without a seat", "contribution", open_without_seat, "released", &["A09"], &[]),
        row("second open", "open", second_open, "released", &["A09"], &[]),
        row("another share than committed to", "open", other_share, "close", &["A09"], &[]),
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
    game.check_honest();
    assert_ne!(game.ending(), "released");
    assert!(game.split_views() >= 2, "both halves hold the proof: {}", game.split_views());
    assert_eq!(opens(&game.round()), 0);
}

// --- The asker ------------------------------------------------------------------------------------

fn two_rosters(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        verdicts.pop();
    }
    Act::Write(vec![strike.entry.body.clone(), other])
}

/// Each half of the members is shown another Roster.
fn roster_for_each_half(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        verdicts.remove(0);
    }
    Act::Send(vec![vec![strike.bytes(0, &strike.entry.body)], vec![strike.bytes(0, &other)]])
}

fn vary_roster(strike: &Strike<'_>, vary: impl Fn(&mut Vec<Ref>)) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        vary(verdicts);
    }
    Act::Write(vec![other])
}

fn roster_with_a_repeat(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts[1] = verdicts[0].clone())
}

fn roster_of_nobody(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.clear())
}

fn roster_out_of_order(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.swap(0, 1))
}

fn roster_with_an_unknown(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts[2].leaf = sha256(&[b"no verdict"]))
}

fn roster_below_the_minimum(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.truncate(4))
}

#[test]
fn no_unlawful_roster_is_debited() {
    let row = |name, cheat, blamed| Row {
        name,
        members: 8,
        on: "roster",
        cheat,
        ending: "none",
        blamed,
        alerts: &[],
    };
    let rows = [
        row("a member twice", roster_with_a_repeat, &[]),
        row("nobody", roster_of_nobody, &[]),
        row("out of order", roster_out_of_order, &[]),
        row("an unknown verdict", roster_with_an_unknown, &["A13"]),
        row("fewer than the Query promised", roster_below_the_minimum, &[]),
    ];
    check(&rows, |name, game| {
        assert_eq!(game.round().all(Kind::Debit).count(), 0, "{name}");
        assert!(game.honest().into_iter().all(|site| game.spent(site) == 0), "{name}");
    });
}

#[test]
fn a_second_roster_is_told_and_not_debited() {
    let rows = [Row {
        name: "two rosters",
        members: 8,
        on: "roster",
        cheat: two_rosters,
        ending: "released",
        blamed: &["A09"],
        alerts: &["roster"],
    }];
    check(&rows, |name, game| {
        assert!(game.honest().into_iter().all(|site| game.spent(site) == LOSS), "{name}");
    });
}

#[test]
fn a_roster_for_each_half_is_debited_once_and_opens_nothing() {
    let mut game = Game::new(8, 45, "roster", roster_for_each_half, 0, None);
    game.play();
    game.check_honest();
    assert_ne!(game.ending(), "released");
    assert!(game.split_views() >= 2);
    assert!(game.honest().into_iter().all(|site| game.spent(site) <= LOSS));
    assert_eq!(opens(&game.round()), 0);
}

fn false_release(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Release { sums, .. } = &mut other {
        sums[0] += 1;
    }
    Act::Write(vec![other])
}

#[test]
fn a_release_of_other_sums_is_told() {
    let row = Row {
        name: "false release",
        members: 5,
        on: "release",
        cheat: false_release,
        ending: "released",
        blamed: &["A10"],
        alerts: &["release"],
    };
    check(&[row], |_, game| {
        let (logged, _) = game.round().released().map(|(l, s)| (l.clone(), s)).unwrap();
        assert_ne!(logged.at.log, game.origin(game.cheat()), "somebody else's release stands");
    });
}

fn vary_query(strike: &Strike<'_>, vary: impl Fn(&mut datacoop_protocol::entry::QueryBody)) -> Act {
    let Body::Query(mut query) = strike.entry.body.clone() else { return Act::Pass };
    vary(&mut query);
    Act::Write(vec![Body::Query(query)])
}

fn loss_of(strike: &Strike<'_>, nano: u64) -> Act {
    vary_query(strike, |query| query.loss = PrivacyLoss::from_nano(nano))
}

/// What a Query may not say is refused by every honest member with this rule, and costs nobody anything.
#[test]
fn no_member_answers_an_absurd_query() {
    let rows: [(&str, Cheat, &str); 9] = [
        ("rho 0", |s| loss_of(s, 0), "rho_query"),
        ("rho 1", |s| loss_of(s, 1), "rho_query"),
        ("rho above the limit", |s| loss_of(s, 50_000_001), "rho_query"),
        ("the largest rho an entry can say", |s| loss_of(s, (1 << 53) - 1), "rho_query"),
        ("join_by 1 s past", |s| vary_query(s, |q| q.join_by = past(s, 1_000)), "window"),
        ("out of order", |s| vary_query(s, |q| q.close_by = q.join_by), "window"),
        ("31 days ahead", |s| vary_query(s, |q| q.close_by = q.close_by + Span(31 * 86_400_000)), "window"),
        ("another purpose", |s| vary_query(s, |q| q.purpose = "sale".into()), "purposes"),
        ("another charter", |s| vary_query(s, |q| q.charter = sha256(&[b"none"])), "charter_version"),
    ];
    for (name, cheat, rule) in rows {
        let mut game = Game::new(5, 46, "query", cheat, 0, None);
        game.play();
        game.verdict();
        let round = game.round();
        for site in game.honest() {
            let said = round.said(Kind::Verdict, &game.world_member(site)).map(|logged| &logged.body);
            match said {
                // After its time a Query is not answered at all.
                None => assert_eq!(name, "join_by 1 s past"),
                Some(Body::Refuse { rule: told, .. }) => assert_eq!(told, rule, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(game.spent(site), 0, "{name}");
        }
    }
}

fn past(strike: &Strike<'_>, by: u64) -> datacoop_policy::Time {
    datacoop_policy::Time(strike.entry.at.0 - by)
}

/// A joiner that draws its promise again and again until it likes the entry, and so the Roster's hash:
/// below 24 members the committee is larger than all who may collude, so none it can get is all corrupt.
fn grind(strike: &mut Strike<'_>) -> Act {
    let Body::Accept { query, round_key, .. } = strike.entry.body.clone() else { return Act::Pass };
    if strike.site != 2 {
        return Act::Pass;
    }
    let nonces = (0..64_u8).map(|draw| sha256(&[&sha256(&[&[draw]]).0]));
    let body = |nonce_hash| Body::Accept {
        query,
        nonce_hash,
        vk_hash: sha256(&[&[1]]),
        round_key: round_key.clone(),
    };
    let least = nonces.min_by_key(|hash| strike.place(0, &body(*hash)).leaf).unwrap();
    Act::Write(vec![body(least)])
}

#[test]
fn a_joiner_that_grinds_gains_no_committee_and_no_debit() {
    let mut game = Game::new(8, 47, "verdict", grind, 0, None);
    game.play();
    game.verdict();
    let round = game.round();
    let plan = round.plan().expect("a plan");
    assert!(plan.terms.committee > plan.terms.colluding, "no committee is all corrupt");
    // It cannot open what it made up: it debits nothing, and nothing is opened without it.
    assert!(round.debit(plan, &game.world_member(game.cheat())).is_none());
    assert_eq!(opens(&round), 0);
}
