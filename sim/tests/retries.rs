//! What is asked again when a connection is.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::Story;
use datacoop_policy::Span;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::wire::{Reply, decode};
use datacoop_sim::world::Way;

const MINUTE: u64 = 60_000;

#[test]
fn who_is_connected_anew_is_pulled_from_though_nobody_said_that_it_was_gone() {
    let mut story = Story::new(5, 1);
    let (silent, shown) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
    let (is_silent, counted) = (silent.clone(), shown.clone());
    story.world.tamper = Some(Box::new(move |site, way, bytes| {
        if site == 1 && way == Way::Reply {
            counted.set(counted.get() + u32::from(matches!(decode(&bytes), Ok(Reply::Sections { .. }))));
            return (!is_silent.get()).then_some(bytes);
        }
        Some(bytes)
    }));
    let run = |story: &mut Story| {
        shown.set(0);
        let until = story.world.now() + Span(3 * MINUTE);
        story.world.run_until(until);
        shown.get()
    };
    assert!(run(&mut story) > 0, "it is pulled from, and says nothing");
    silent.set(false);
    assert_eq!(run(&mut story), 0, "whoever waits for an answer asks nothing more");
    let id = story.founder(1).id;
    story.world.input(0, Input::Connected(id));
    assert!(run(&mut story) > 1, "and again every minute");
}
