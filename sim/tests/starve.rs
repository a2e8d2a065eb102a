//! What one member, or one clock, can make of another's connections, questions and memory.
//!
//! Claim: nobody keeps a node from what others would give it, and texts, had by all or by nobody, cost little for
//! ever. Source: NETWORK sections 5 and 6.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Story;
use datacoop_policy::Span;

const DAY: i64 = 86_400_000;
/// In which the members have met and the logs that were begun are quiet.
const QUIET: Span = Span(90_000);

fn wait(story: &mut Story, span: Span) {
    story.world.run_until(story.world.now() + span);
}

#[test]
fn a_clock_that_is_set_right_while_nobody_is_reached_keeps_nobody_away() {
    let mut story = Story::watched(6, 9);
    wait(&mut story, QUIET);
    story.world.set_clock(3, 365 * DAY);
    let cut = |story: &mut Story, is_cut| {
        for point in [0, 1] {
            story.world.cut(3, point, is_cut);
            story.world.cut(point, 3, is_cut);
        }
    };
    cut(&mut story, true);
    wait(&mut story, Span(600_000));
    story.world.set_clock(3, 0);
    cut(&mut story, false);
    wait(&mut story, QUIET);
    assert_eq!(story.world.member(3).unwrap().connected().count(), 2);
}
