//! What is said when a seat of the committee keeps the sum back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, QueryId, Span};
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::{Ending, Kind, Round};

fn round_at(story: &Story, site: usize, id: QueryId) -> Option<Round> {
    story.world.member(site)?.fold().round(&id).map(|round| round.as_ref().clone())
}

fn site_of(member: &MemberId) -> usize {
    member.as_str()[5..].parse::<usize>().unwrap() - 1
}

/// Crashes a seat for good when another holds its close and it has not opened; which site. `None` when
/// this run gave no such moment.
fn lose_a_seat_that_closed(story: &mut Story) -> Option<(QueryId, usize)> {
    story.world.away = Span(10_000_000);
    for _ in 0..5_000 {
        story.world.run_until(story.world.now() + Span(1));
        let rounds = story.world.member(0)?.fold().rounds();
        let Some((id, seats)) =
            rounds.iter().find_map(|(id, round)| Some((*id, round.plan()?.committee.clone())))
        else {
            continue;
        };
        for (seat, other) in seats.iter().flat_map(|seat| seats.iter().map(move |other| (seat, other))) {
            let site = site_of(seat);
            let (own, told) = (round_at(story, site, id)?, round_at(story, site_of(other), id)?);
            let closed = seat != other && told.said(Kind::Close, seat).is_some();
            if closed && own.said(Kind::Open, seat).is_none() {
                story.world.crash_before(site, story.world.executed(site));
                return Some((id, site));
            }
        }
    }
    None
}

/// A seat closes and does not open: whoever else waits for the sum says so, naming its close. The asker
/// gives up only after that, and nobody else is named.
#[test]
fn a_seat_that_closed_and_did_not_open_is_named() {
    let mut named = 0;
    for seed in 10..30 {
        let mut story = Story::new(5, seed);
        story.meet();
        let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        let close_by = query.close_by;
        story.world.input(4, Input::Ask { command: 900, query: Box::new(query) });
        let Some((id, gone)) = lose_a_seat_that_closed(&mut story) else { continue };
        let held = (0..5).find(|site| *site != gone).unwrap();
        story.world.run_until(close_by + Span(30_000));
        let round = round_at(&story, held, id).unwrap();
        // Before a minute has passed an open may be on its way, and nobody is named.
        assert!(round.alerts().is_empty(), "seed {seed}");
        story.world.run_until(close_by + Span(120_000));
        let round = round_at(&story, held, id).unwrap();
        if round.all(Kind::Open).count() == 0 {
            // It left before it had told anybody of its close: nothing was kept back.
            assert!(round.alerts().is_empty());
            continue;
        }
        named += 1;
        let close = round.said(Kind::Close, &story.founder(gone).id).unwrap().at.clone();
        let authors: Vec<usize> = round.alerts().iter().map(|(by, _)| site_of(by)).collect();
        assert_eq!(authors.len(), 4, "seed {seed}: each of the others, once: {authors:?}");
        for (_, alert) in round.alerts() {
            let Body::Alert { code, subject, .. } = &alert.body else { panic!("an alert") };
            assert_eq!((code.as_str(), subject), ("withheld", &close), "seed {seed}");
        }
        // The asker gives up, unless it holds a seat itself: whoever opened never aborts.
        let seated = round.plan().unwrap().seat(&story.founder(4).id).is_some();
        let ending = (!seated).then(|| Ending::Aborted("close".into()));
        assert_eq!(round.ending(), ending.as_ref(), "seed {seed}");
        assert!(!authors.contains(&gone));
    }
    assert!(named > 0, "in some world a seat was lost after its close was known");
}
