//! Asking under a delegation: each of its rules at its edge, and one beyond.

use super::*;
use crate::delegation::{Cited, DELEGATION_MAX, Delegation};

const SECOND: Span = Span::from_seconds(1);

fn earlier(time: Time, by: Span) -> Time {
    Time(time.0 - by.0)
}

/// Member 0 is no coordinator and asks; member 2, which is one, gave it leave an hour ago, for a day.
fn given(case: &mut Case) {
    case.charter.members[0].roles = BTreeSet::from([Role::Voting]);
    case.query.delegation = Some(Cited { by: Some(id(2)), index: 7, leaf: Digest([7; 32]) });
    let at = earlier(case.now, Span::from_seconds(3_600));
    case.given = Some(Delegation {
        by: id(2),
        audience: id(0),
        limits: Limits::top(),
        at,
        until: at + Span::from_seconds(86_400),
        charter: case.charter.hash,
        revoked: false,
    });
}

/// The same, with the delegation changed.
fn with(change: impl FnOnce(&mut Delegation), expected: &str) {
    asked(|case| change(case.given.as_mut().unwrap()), expected);
}

fn asked(change: impl FnOnce(&mut Case), expected: &str) {
    check(
        |case| {
            given(case);
            change(case);
        },
        expected,
    );
}

#[test]
fn who_is_no_coordinator_asks_under_a_delegation_and_only_so() {
    asked(|_| (), "ok");
    asked(|case| case.query.delegation = None, "asker floor");
    // A coordinator needs none; what it cites counts all the same.
    check(|_| (), "ok");
    with(|given| given.revoked = true, "asker floor");
    asked(
        |case| {
            case.charter.members[0].roles.insert(Role::Coordinator);
            case.given.as_mut().unwrap().revoked = true;
        },
        "asker floor",
    );
    // Whoever is no member is given nothing.
    asked(|case| case.query.asker = "GB-EDU-999999".parse().unwrap(), "asker floor");
}

#[test]
fn what_is_cited_is_a_delegation_in_the_log_of_a_coordinator() {
    asked(|case| case.given = None, "asker floor");
    // Readers who hold less agree that there is a round; no member decides so.
    let unseen = |case: &mut Case| (case.given, case.unheld) = (None, Known::Unseen);
    asked(unseen, "ok");
    for by in [None, Some(id(0)), Some("GB-EDU-999999".parse().unwrap())] {
        let cite = |case: &mut Case| case.query.delegation.as_mut().unwrap().by = by.clone();
        asked(cite, "asker floor");
        asked(
            |case| {
                unseen(case);
                cite(case);
            },
            "asker floor",
        );
    }
}

#[test]
fn it_is_for_one_member_that_may_ask_for_others() {
    with(|given| given.audience = id(1), "asker floor");
    with(|given| given.audience = "GB-EDU-999999".parse().unwrap(), "asker floor");
    // Nor for whoever gives it, even where that one asks.
    asked(
        |case| {
            case.query.asker = id(2);
            case.given.as_mut().unwrap().audience = id(2);
        },
        "asker floor",
    );
    asked(
        |case| {
            case.query.asker = id(3);
            case.given.as_mut().unwrap().audience = id(3);
        },
        "ok",
    );
    for (roles, expected) in [
        (&[Role::Voting][..], "ok"),
        (&[], "ok"),
        (&[Role::Observer], "ok"),
        (&[Role::Observer, Role::Helper], "ok"),
        (&[Role::Voting, Role::Auditor], "ok"),
        (&[Role::Auditor], "asker floor"),
        (&[Role::Helper], "asker floor"),
        (&[Role::Auditor, Role::Helper, Role::Witness], "asker floor"),
    ] {
        asked(
            |case| {
                case.charter.members[0].roles = roles.iter().copied().collect();
                let voting = case.charter.members.iter().filter(|m| m.has(Role::Voting)).count();
                case.charter.amend = crate::charter::amend_min(u32::try_from(voting).unwrap());
            },
            expected,
        );
    }
}

/// Member 0 has one and gives leave on: it is no coordinator, whatever it holds.
#[test]
fn it_takes_one_step_only() {
    asked(
        |case| {
            case.charter.members[3].roles = BTreeSet::from([Role::Voting]);
            let (held, cited) = (case.given.as_mut().unwrap(), case.query.delegation.as_mut().unwrap());
            (held.by, held.audience, cited.by) = (id(0), id(3), Some(id(0)));
            case.query.asker = id(3);
        },
        "asker floor",
    );
    // Nor is it another's than whose log it stands in.
    with(|given| given.by = id(0), "asker floor");
    with(|given| given.by = id(3), "asker floor");
}

#[test]
fn it_ends_with_its_last_second() {
    let until = Case::new().now;
    with(|given| given.until = until, "ok");
    with(|given| given.until = earlier(until, SECOND), "asker floor");
    // By the asker's own time, however early a member looks.
    asked(|case| case.query.at = case.given.as_ref().unwrap().until, "window floor");
    asked(|case| case.query.at = case.given.as_ref().unwrap().until + SECOND, "asker floor");
    // And by whoever looks, however early the asker says it was.
    asked(|case| case.now = case.given.as_ref().unwrap().until + SECOND, "asker floor");
    asked(
        |case| {
            case.given.as_mut().unwrap().until = case.now;
            case.now = case.now + SECOND;
        },
        "asker floor",
    );
    // A round that is under way when it ends is debited by nobody any more.
    with_roster(
        |case| {
            given(case);
            case.given.as_mut().unwrap().until = case.now;
        },
        "ok",
    );
    with_roster(
        |case| {
            given(case);
            case.given.as_mut().unwrap().until = case.now;
            case.now = case.now + SECOND;
        },
        "asker floor",
    );
}

#[test]
fn it_holds_for_thirty_days_at_most() {
    with(|given| given.until = given.at + DELEGATION_MAX, "ok");
    with(|given| given.until = given.at + DELEGATION_MAX + SECOND, "asker floor");
    with(|given| given.until = Time(u64::MAX), "asker floor");
    with(|given| given.until = earlier(given.at, SECOND), "asker floor");
    let now = Case::new().now;
    with(|given| (given.at, given.until) = (now + SECOND, now + SECOND), "ok");
    with(|given| (given.at, given.until) = (now + SECOND, now), "asker floor");
    // Dated ahead it would hold longer, by more than clocks differ.
    let ahead = |by: Span| {
        move |given: &mut Delegation| (given.at, given.until) = (now + by, now + by + DELEGATION_MAX)
    };
    with(ahead(CLOCK_SKEW_MAX), "ok");
    with(ahead(Span(CLOCK_SKEW_MAX.0 + SECOND.0)), "asker floor");
}

#[test]
fn it_ends_with_its_charter_and_when_it_is_taken_back() {
    with(|given| given.charter = Digest([8; 32]), "asker floor");
    with(|given| given.revoked = true, "asker floor");
    asked(|case| case.restricted.members.extend([id(2)]), "asker floor");
    asked(|case| case.restricted.members.extend([id(0)]), "asker floor");
    asked(|case| case.restricted.members.extend([id(3)]), "ok");
    asked(|case| case.charter.members[2].roles = [Role::Voting].into(), "asker floor");
}

#[test]
fn its_limits_are_one_more_layer() {
    let limits = |change: fn(&mut Limits), expected: &str| {
        with(|given| change(&mut given.limits), expected);
    };
    limits(|l| l.purposes = Set::only(["attendance-2025"]), "ok");
    limits(|l| l.purposes = Set::only(["another"]), "purposes delegation");
    limits(|l| l.questions = Set::only(["event-day"]), "ok");
    limits(|l| l.questions = Set::none(), "questions delegation");
    limits(|l| l.rho_query = nano(5_000_000), "ok");
    limits(|l| l.rho_query = nano(4_999_999), "rho_query delegation");
    limits(|l| l.max_cells = 12, "ok");
    limits(|l| l.max_cells = 11, "max_cells delegation");
    limits(|l| l.not_after = Day(0), "not_after delegation");
    // It only tightens: what the charter refuses it cannot give.
    asked(
        |case| {
            case.charter.limits.rho_query = nano(4_999_999);
            case.given.as_mut().unwrap().limits.rho_query = nano(u64::MAX);
        },
        "rho_query charter",
    );
    let mut case = Case::new();
    given(&mut case);
    case.given.as_mut().unwrap().limits.max_cells = 11;
    let said = case.verdict().unwrap_err().to_string();
    assert_eq!(said, "12 cells; at most 11 are allowed (rule max_cells, set by the delegation)");
}
