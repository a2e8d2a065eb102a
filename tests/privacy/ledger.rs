//! Claim: the Ledger never lets a member spend more than its limit, however many Queries come at once
//! and whatever its clock says (SECURITY.md S15 and R6, ROUND.md section 5).
//!
//! Formula: a Query of loss rho is accepted only if debits + promises still open + rho <= limit. With
//! 64 Queries of 40 % of what is left each, exactly floor(1 / 0.4) = 2 are accepted. A loss is booked to
//! the academic year of the Query's *period*, so no clock moves it to another account.
//!
//! What would make it fail: promises that are not reserved between verdict and debit; an account that
//! follows the clock; a deadline that a member with a wrong clock takes for passed and answers early.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_policy::PrivacyLoss;
use datacoop_policy::Span;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::Mode;
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::Kind;
use datacoop_sim::world::World;
use datacoop_tests::crash::{Cast, LOSS, MEMBERS, begin, blamed, run_round};

const QUERIES: u64 = 64;
const DAY: i64 = 86_400_000;

fn spent(world: &World, site: usize) -> u64 {
    world.member(site).unwrap().standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum()
}

/// The asker may spend much, each of the others 2.5 Queries' worth: 64 come at once.
#[test]
fn of_sixty_four_queries_at_once_of_two_fifths_each_two_are_accepted() {
    let cast = Cast::new();
    let mut world = cast.world(begin(), 1);
    let limit = LOSS * 5 / 2;
    for site in 0..MEMBERS - 1 {
        world.set_limits(site, Limits { rho_year: PrivacyLoss::from_nano(limit), ..Limits::top() });
    }
    world.run_until(world.now() + Span(2_000));
    for n in 0..QUERIES {
        let query = Box::new(cast.query(world.now(), n, Mode::Secure));
        world.input(MEMBERS - 1, Input::Ask { command: n, query });
    }
    world.run_until(world.now() + Span(10_000));
    for site in 0..MEMBERS - 1 {
        let member = world.member(site).unwrap();
        let rounds = member.fold().rounds().values();
        let verdicts = rounds.filter_map(|round| round.said(Kind::Verdict, member.me()));
        let (yes, no): (Vec<_>, Vec<_>) = verdicts.partition(|v| matches!(v.body, Body::Accept { .. }));
        assert_eq!((yes.len(), no.len()), (2, 62), "member {site}");
        assert!(spent(&world, site) <= limit);
    }
}

/// One member's clock is wrong from before the round on, or from its midst on: by a day back, a year
/// ahead, or over the boundary of the academic year.
#[test]
fn a_wrong_clock_publishes_nothing_early_and_resets_no_budget() {
    let cast = Cast::new();
    for ahead in [-DAY, 270 * DAY, 365 * DAY] {
        for site in [0, MEMBERS - 1] {
            for midst in [0, 520, 560, 600, 700] {
                let what = format!("member {site}, {ahead} ms ahead after {midst} ms");
                let mut world = cast.world(begin(), 2);
                // A first round, with clocks that are right, spends something.
                assert!(run_round(&cast, &mut world, 0, Mode::Secure).is_some(), "{what}");
                let before = spent(&world, site);
                assert_eq!(before, LOSS, "{what}");
                let query = Box::new(cast.query(world.now(), 1, Mode::Secure));
                world.input(MEMBERS - 1, Input::Ask { command: 9, query });
                world.run_until(world.now() + Span(midst));
                world.set_clock(site, ahead);
                world.run_until(world.now() + Span(30_000));
                // Nothing that was spent came back, under any account.
                assert!(spent(&world, site) >= before, "{what}");
                for of in 0..MEMBERS {
                    let member = world.member(of).unwrap();
                    assert!(spent(&world, of) <= 2 * LOSS, "{what}");
                    assert_eq!(member.standing().ledger().accounts().count(), 1, "{what}: one year");
                    for round in member.fold().rounds().values() {
                        // A release stands on every seat's open, whoever wrote it and when.
                        let Some(plan) = round.plan().filter(|_| round.released().is_some()) else {
                            continue;
                        };
                        let opens =
                            plan.committee.iter().filter(|seat| round.said(Kind::Open, seat).is_some());
                        assert_eq!(opens.count(), plan.committee.len(), "{what}");
                    }
                }
                assert!(blamed(&world).is_empty(), "{what}: {:?}", blamed(&world));
            }
        }
    }
}
