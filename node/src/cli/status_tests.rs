//! What `status` says of a member whose log another one says more of than is here.
//!
//! Source: LOG section 5. What would make it fail: a word too early, the wrong member named, none at all, or an
//! accusation.

use std::sync::Arc;

use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Span};
use datacoop_protocol::bounds::UNRESPONSIVE_AFTER;
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{leaf_hash, sha256};
use datacoop_protocol::member::port::Input;
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Request, Section, encode};
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::World;

use super::{clock_text, unresponsive_text};
use crate::home::SHIPPED_VOCABULARIES;
use crate::view::status_json;

const MEMBERS: usize = 3;

fn founders() -> Vec<Founder> {
    let seed = Seed::new([3; 32]);
    let addresses = |n: usize| if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    (0..MEMBERS).map(|n| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n))).collect()
}

fn world(today: Day) -> World {
    let vocabulary = Vocabulary::from_toml(SHIPPED_VOCABULARIES[0]).unwrap();
    let hash = sha256(&[SHIPPED_VOCABULARIES[0].as_bytes()]);
    let founders = founders();
    let draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
    let tabulate = Arc::new(|_: &MemberId, _: &_| vec![]);
    let known = vocabularies(&vocabulary, hash);
    let now = today.start() + Span(36_000_000);
    World::new(Seed::new([4; 32]), now, founders, textless_charter(draft).unwrap(), known, tabulate)
}

/// One member tells another, in an entry of its own log, of so many entries of a third one's log.
fn claim(world: &mut World, by: &Founder, about: &Founder, size: u64) {
    let log = world.member(0).unwrap().fold().log(&by.id).unwrap();
    let (origin, head, from) = (log.origin.clone(), log.head(), log.size());
    let said = Checkpoint { origin: about.keys().public().log.name.clone(), size, root: Digest([9; 32]) };
    let body = Body::Head { heads: vec![said] };
    let entry = Entry { at: world.now(), by: by.id.clone(), seq: from, body }.to_bytes();
    let mut tree = log.tree().clone();
    tree.push(leaf_hash(&entry));
    let head_after = Checkpoint { origin, size: from + 1, root: tree.root() };
    let note = sign_checkpoint(&head_after, by.keys().log());
    let section = Section { log: head, from, entries: vec![Bytes(entry)], note, proof: vec![] };
    let bytes = encode(&Request::Push { sections: vec![section] });
    world.input(0, Input::Request { from: by.id.clone(), exchange: 77, bytes });
}

#[test]
fn who_does_not_show_for_a_day_what_another_holds_is_named_with_who_says_so() {
    let today = Day::parse("2025-12-01").unwrap();
    let (mut world, founders) = (world(today), founders());
    let rest = |world: &mut World, span: Span| world.run_until(world.now() + span);
    let said = |world: &World| unresponsive_text(&status_json(world.member(0).unwrap(), world.now()));
    rest(&mut world, Span(2_000));
    assert_eq!(said(&world), "");
    claim(&mut world, &founders[2], &founders[1], 900);
    rest(&mut world, Span(UNRESPONSIVE_AFTER.0 - 10_000));
    assert_eq!(said(&world), "", "it has a day");
    rest(&mut world, Span(200_000));
    let (silent, teller) = (&founders[1].id, &founders[2].id);
    assert_eq!(
        said(&world),
        format!(
            "unresponsive: {silent}; {teller} says since a day ago that it holds 900 entries of its log, which are \
             not what is here; no proof of anything: ask both\n"
        )
    );
}

/// A clock that is a day off is told of in words that say what to do.
#[test]
fn a_clock_that_is_off_is_said_in_status() {
    let mut world = world(Day::parse("2025-12-01").unwrap());
    let clock = |world: &World| clock_text(&status_json(world.member(0).unwrap(), world.now()));
    world.run_until(world.now() + Span(2_000));
    assert_eq!(clock(&world), "");
    for site in [1, 2] {
        world.set_clock(site, 86_400_000);
        world.give_charters(site, []);
    }
    world.run_until(world.now() + Span(2 * 3_600_000));
    let said = clock(&world);
    assert!(
        said.contains("minutes slow beside those of 2 of 2 members")
            && said.contains("clock right: the node follows it"),
        "{said}"
    );
}
