//! What an auditor reads off the shares that a seat shows: of an aggregate share that has another length than
//! the question has cells the first cell that is missing or too many, and how far the auditor may be trusted.

mod common;

use std::collections::BTreeMap;

use common::logs::Told;
use common::restart::Restart;
use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_protocol::audit::opening::{Opening, Wrong, auditor_is_inside, check_opening};
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::work::{Computed, Work};
use datacoop_protocol::rounds::{Kind, Plan};

/// Bytes of a cell of an aggregate share.
const CELL: usize = 16;

fn told() -> Told {
    Told::of(Story::new(12, 74), 12, |story| story.query(Mode::Secure, LOSS, 5, PERIOD))
}

#[test]
fn an_open_of_another_length_is_wrong_in_the_first_cell_that_is_not_there() {
    let told = told();
    let seat = &told.plan.committee[1];
    let unverified = told.before(&told.logs, Kind::Release, &[told.asker()]);
    let unverified = told.before(&unverified, Kind::Verify, &told.plan.committee.iter().collect::<Vec<_>>());
    let mut awake = Restart::new(&told, &unverified, seat).at(told.plan.query.at);
    let Some(Work::Check(job)) = awake.work.pop() else { panic!("a seat checks") };
    let Computed::Checked(_, checked) = Work::Check(job).run() else { panic!("checked") };
    let open = told.said(Kind::Open, seat);
    let Body::Open { salt, .. } = open.body else { panic!("an open") };
    let opening = Opening { query: told.id, seat: seat.clone(), shares: checked.shares, salt };
    let blobs: BTreeMap<_, _> = told.logs.blobs.clone();
    let found = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut logs = told.logs.clone();
        logs.change(seat, &open.at, |entry| {
            let Body::Open { share, .. } = &mut entry.body else { panic!("an open") };
            change(share);
        });
        check_opening(&told.round_in(&logs), &opening, &|hash| blobs.get(hash).cloned())
    };
    assert_eq!(found(&|_| ()), Ok(()));
    assert_eq!(found(&|share| share.truncate(CELL)), Err(Wrong::Cell(1)));
    assert_eq!(found(&|share| share.extend([0; CELL])), Err(Wrong::Cell(2)));
    assert_eq!(found(&Vec::clear), Err(Wrong::Cell(0)));
}

/// With one seat's shares in hand the auditor counts as corrupt: k >= f + 2, or it is one of the f.
#[test]
fn an_auditor_is_one_of_the_colluding_unless_two_honest_seats_are_left() {
    let told = told();
    let inside = |seats: u32, colluding: u32| {
        let mut plan = Plan::clone(&told.plan);
        (plan.terms.committee, plan.terms.colluding) = (seats, colluding);
        auditor_is_inside(&plan)
    };
    assert_eq!([inside(2, 1), inside(3, 1), inside(4, 1)], [true, false, false]);
    assert_eq!([inside(4, 3), inside(5, 3), inside(6, 3)], [true, false, false]);
}
