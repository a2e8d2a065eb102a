//! Every way to cheat in a round that we know of, what comes of it, and who is blamed for it.
//!
//! Each row plays one round in a simulated co-operative in which one member cheats once, and compares
//! what honest members made of it: how the round ended, which checks of an audit the cheat's log fails,
//! and which alerts about it were raised. For every row `Game::verdict` also asserts that nobody honest
//! fails a check or is named, that nothing is opened twice, and that every honest Ledger says exactly what
//! its log justifies.
//!
//! Where each attack of SECURITY.md section 3 is tried (files of `tests/` unless they say otherwise):
//!
//! | attack | test |
//! |-|-|
//! | S01, S02 | `probe::a_foreign_key_hears_nothing`, `probe::a_members_malformed_frames_leave_the_node_as_it_was` |
//! | S03 | `nesting`, `probe`, `protocol/src/wire.rs::a_claim_of_many_items_allocates_nothing`; its time is not measured |
//! | S04 | `protocol/src/wire.rs`, `protocol/src/json.rs::every_other_form_is_refused` |
//! | S05, S06 | `protocol/src/log/strict_tests.rs`, `protocol/src/log/note.rs` |
//! | S07 | `asker::a_query_pushed_a_thousand_times_is_answered_and_debited_once` |
//! | S08 | `contributor` "another's entry copied", `sim/tests/hostile.rs::a_log_counts_only_under_its_own_key_and_author` |
//! | S09, S10, S18 | `asker::no_member_answers_an_absurd_query`, `policy/src/verdict_tests.rs` |
//! | S11 | `policy/src/verdict_tests.rs::what_may_be_asked_and_by_whose_rule` |
//! | S12, S21, S24 | `privacy/shape.rs` |
//! | S13 | `privacy/differencing.rs::no_guess_gains_more_than_rho_allows` |
//! | S14 | `sim/tests/differencing.rs::a_hundred_askings_are_one_answer`, `tests/src/differencing.rs` |
//! | S15 | `privacy/ledger.rs::of_sixty_four_queries_at_once_of_two_fifths_each_two_are_accepted` |
//! | S16 | `crash.rs` |
//! | S17 | `sim/tests/hostile.rs::an_old_copy_of_a_node_stops_when_it_is_shown_its_own_future`; that it fetches its own entries first: not yet |
//! | S19 | `asker::no_unlawful_roster_is_debited`, `asker::a_roster_of_too_few_bodies_or_too_many_places_of_one_is_not_debited`; suspended and dormant members: not yet, no charter can say it |
//! | S20 | `sim/tests/differencing.rs::rosters_differ_by_enough_bodies_or_not_at_all` |
//! | S22, S23 | `tests/src/timing.rs`, on demand |
//! | S25 | `privacy/noise.rs`, `privacy/end_to_end.rs`, `privacy/renyi.rs`, `privacy/sabotage.toml` |
//! | S26 | `committee::two_histories_are_proven_to_all_who_saw_them`, `sim/tests/hostile.rs::a_rewritten_log_is_told_as_a_split_view` |
//! | S27 | `policy/src/charter.rs::each_rule_refuses_its_own_breach`, `protocol/src/charter_text.rs`; what amends a charter: not yet |
//! | S28, S29 | not yet: no amendments, no delegations |
//! | S30 | `probe`: a member that floods, one that stalls, 500 silent connections; 10,000 and 1,000,000: not yet |
//! | S31 to S36 | not yet: no pages |
//! | S37 | `certificates.rs::a_changed_byte_never_passes` |
//! | S38 | `canary.rs::no_raw_value_is_sent_written_or_exported` |
//! | S39 | `policy/src/charter.rs::an_address_leads_to_the_member_and_not_into_the_dialler` |
//! | S40 | `contributor`, `committee` |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asker;
mod committee;
mod contributor;
mod nesting;
mod reply;

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
