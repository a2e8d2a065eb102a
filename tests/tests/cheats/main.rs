//! Every way to cheat in a round that we know of, what comes of it, and who is blamed for it.
//!
//! Each row plays one round in a simulated co-operative in which one member cheats once, and compares
//! what honest members made of it: how the round ended, which checks of an audit the cheat's log fails,
//! and which alerts about it were raised. For every row `Game::verdict` also asserts that nobody honest
//! fails a check or is named, that nothing is opened twice, and that every honest Ledger says exactly what
//! its log justifies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asker;
mod committee;
mod contributor;

use datacoop_protocol::rounds::{Kind, Round};
use datacoop_tests::cheat::{Cheat, Game};

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

/// Changes a byte of a share, so many bytes from its end or from its start.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}
