//! What one member, or one clock, can make of another's connections, questions and memory.
//!
//! Claim: nobody keeps a node from what others would give it, and texts, had by all or by nobody, cost little for
//! ever. Source: NETWORK sections 5 and 6.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use common::Story;
use common::acts::{act, propose};
use datacoop_policy::{Digest, Span};
use datacoop_protocol::acts::{Act, Outcome, Subject, TEXT_BYTES_MAX};
use datacoop_protocol::bounds::BLOBS_IN_FLIGHT_MAX;
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Input, Output};
use datacoop_protocol::wire::{Bytes, Reply, Request, decode, encode};
use datacoop_sim::world::{Seen, Way};

const DAY: i64 = 86_400_000;
const HOUR: Span = Span(3_600_000);
/// In which the members have met and the logs that were begun are quiet.
const QUIET: Span = Span(90_000);

fn wait(story: &mut Story, span: Span) {
    story.world.run_until(story.world.now() + span);
}

/// Six members, of which the first two are meeting points; the last is gone.
fn story(seed: u8) -> Story {
    let mut story = Story::watched(6, seed);
    wait(&mut story, QUIET);
    story.world.switch_off(5);
    wait(&mut story, QUIET);
    story
}

fn report(text: Digest) -> Act {
    Act::Report { purpose: "p".into(), releases: vec![], outcome: Outcome::Nothing, text }
}

/// The last member names texts that nobody has.
fn name_missing(story: &mut Story, to: usize, count: u32) {
    for n in 0..count {
        story.forge(5, to, Body::Act(report(sha256(&[b"none", &n.to_le_bytes()]))));
        wait(story, Span(5));
    }
}

/// Requests that a member sent, by kind, and the bytes of blobs in them.
#[derive(Default)]
struct Asked {
    gets: usize,
    puts: usize,
    bytes: usize,
}

/// Counts what each member asks from now on.
fn count(story: &mut Story) -> Rc<RefCell<BTreeMap<usize, Asked>>> {
    let counted: Rc<RefCell<BTreeMap<usize, Asked>>> = Rc::default();
    let by_site = counted.clone();
    story.world.tamper = Some(Box::new(move |site, way, bytes| {
        if way == Way::Request {
            let mut by_site = by_site.borrow_mut();
            let asked = by_site.entry(site).or_default();
            if let Ok(Request::BlobPut { pieces }) = decode(&bytes) {
                asked.puts += 1;
                asked.bytes += pieces.iter().map(|piece| piece.bytes.0.len()).sum::<usize>();
            } else if matches!(decode(&bytes), Ok(Request::BlobGet { .. })) {
                asked.gets += 1;
            }
        }
        Some(bytes)
    }));
    counted
}

/// How often a member asked for blobs in such a time, while something is done to it every second.
fn gets(story: &mut Story, site: usize, span: Span, mut each: impl FnMut(&mut Story)) -> usize {
    let counted = count(story);
    for _ in 0..span.0 / 1_000 {
        each(story);
        wait(story, Span(1_000));
    }
    story.world.tamper = None;
    counted.take().remove(&site).unwrap_or_default().gets
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

/// A meeting point that answers no question for a blob, while 24 texts are missing, delays no version that the other
/// one has.
#[test]
fn a_busy_holder_does_not_keep_the_turn() {
    let mut story = story(12);
    name_missing(&mut story, 3, 24);
    wait(&mut story, QUIET);
    story.world.switch_off(3);
    let next = story.amend(|draft| draft.limits.min_roster += 1);
    for point in [0, 1] {
        story.world.give_charters(point, [next.clone()]);
    }
    wait(&mut story, QUIET);
    story.spread();
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks two outputs out of many")]
    let answers = |out: &Output| match out {
        Output::Reply { bytes, .. } => *bytes != encode(&Reply::Absent),
        Output::ReplyPiece { .. } => false,
        _ => true,
    };
    story.world.twist = Some(Box::new(move |site, all| {
        let kept = all.into_iter().filter(|out| site != 0 || answers(out));
        kept.collect()
    }));
    story.world.wake(3);
    wait(&mut story, QUIET);
    assert_eq!(story.world.member(3).unwrap().fold().charters().len(), 2);
}

/// Whoever gives a byte at a time is asked no more often for that.
#[test]
fn a_holder_that_gives_crumbs_is_not_asked_over_and_over() {
    let mut story = story(15);
    name_missing(&mut story, 3, 8);
    let crumb = encode(&Reply::Piece { total: 200_000, bytes: Bytes(vec![7]) });
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks one output out of many")]
    let crumbs = move |out: Output| match out {
        Output::Reply { to, exchange, bytes } if bytes == encode(&Reply::Absent) => {
            Output::Reply { to, exchange, bytes: crumb.clone() }
        }
        other => other,
    };
    story.world.twist = Some(Box::new(move |site, all| match site {
        0 => all.into_iter().map(&crumbs).collect(),
        _ => all,
    }));
    let asked = gets(&mut story, 3, Span(600_000), |_| {});
    assert!(asked < 8 * 40, "{asked} questions");
}

/// Texts that nobody has are asked for ever more rarely, and a peer that comes and goes changes little in that.
#[test]
fn texts_that_nobody_has_cost_less_and_less() {
    let mut story = story(10);
    name_missing(&mut story, 3, 100);
    wait(&mut story, Span(6 * HOUR.0));
    let idle = gets(&mut story, 3, HOUR, |_| {});
    assert!(idle <= 2 * 100, "{idle} questions of an idle member in an hour");
    for visitor in [4, 5] {
        let id = story.founder(visitor).id;
        let flapping = gets(&mut story, 3, HOUR, |story| {
            story.world.input(3, Input::Connected(id.clone()));
            story.world.input(3, Input::Disconnected(id.clone()));
        });
        assert!(flapping <= 4 * 100, "{flapping} questions while {visitor} comes and goes");
    }
}

/// What a member began to miss by a clock that was ahead it does not miss since just now for a year.
#[test]
fn a_text_missing_since_next_year_is_not_asked_for_every_second() {
    let mut story = story(13);
    story.world.set_clock(3, 365 * DAY);
    wait(&mut story, QUIET);
    name_missing(&mut story, 3, 1);
    wait(&mut story, QUIET);
    story.world.set_clock(3, 0);
    wait(&mut story, QUIET);
    propose(&mut story, 0, Subject::Charter("2".into()), Digest([5; 32])).unwrap();
    wait(&mut story, HOUR);
    let asked = gets(&mut story, 3, HOUR, |_| {});
    assert!(asked <= 10, "{asked} questions in an hour");
}

/// A peer that refuses a text and lacks some log is offered the text once a second at most, however often it pulls.
#[test]
fn a_peer_that_refuses_and_pulls_is_not_offered_a_text_each_time() {
    let mut story = story(16);
    story.world.twist = Some(Box::new(|site, all| {
        let refuse = |out: Output| {
            let Output::Reply { to, exchange, bytes } = out else { return out };
            let bytes = match decode::<Reply>(&bytes) {
                Ok(Reply::Stored { held }) => encode(&Reply::Stored { held: vec![None; held.len()] }),
                Ok(_) | Err(_) => bytes,
            };
            Output::Reply { to, exchange, bytes }
        };
        if site == 4 { all.into_iter().map(refuse).collect() } else { all }
    }));
    let text = vec![7; 100];
    act(&mut story, 1, report(sha256(&[&text])), Some(text)).unwrap();
    wait(&mut story, QUIET);
    let (id, lacks) = (story.founder(4).id, story.founder(2).id);
    let fold = story.world.member(0).unwrap().fold();
    let lacked = fold.log(&lacks).unwrap().head();
    let have: Vec<_> = fold.heads().into_iter().filter(|head| head.log != lacked).collect();
    let pull = encode(&Request::Pull { have, heard: vec![] });
    let counted = count(&mut story);
    for exchange in 0..600 {
        story.world.input(0, Input::Request { from: id.clone(), exchange, bytes: pull.clone() });
        wait(&mut story, Span(100));
    }
    let asked = counted.take().remove(&0).unwrap_or_default();
    assert!((2..=70).contains(&asked.puts), "{} offers in a minute", asked.puts);
}

/// What both ends hold does not go whole with each connection again.
#[test]
fn texts_that_a_peer_holds_do_not_go_to_it_again() {
    let mut story = story(14);
    let texts: Vec<Vec<u8>> = (0..20u32).map(|n| n.to_le_bytes().repeat(50_000)).collect();
    for text in &texts {
        act(&mut story, 1, report(sha256(&[text])), Some(text.clone())).unwrap();
    }
    wait(&mut story, QUIET);
    assert!(texts.iter().all(|text| story.world.blob(3, &sha256(&[text])).is_some()));
    let counted = count(&mut story);
    for is_cut in [true, false, true, false] {
        for point in [0, 1] {
            story.world.cut(3, point, is_cut);
            story.world.cut(point, 3, is_cut);
        }
        wait(&mut story, QUIET);
    }
    assert!(story.world.member(3).unwrap().connected().count() == 2);
    let bytes: usize = counted.take().values().map(|asked| asked.bytes).sum();
    assert_eq!(bytes, 0);
}

/// Of many long texts few are in memory, and few are loaded at one time; whoever was away gets all of them.
#[test]
fn texts_do_not_fill_the_memory() {
    let mut story = story(17);
    story.world.keeps = false;
    let away = [3, 4];
    away.iter().for_each(|site| story.world.switch_off(*site));
    let texts: Vec<Vec<u8>> = (0..80u32).map(|n| n.to_le_bytes().repeat(TEXT_BYTES_MAX / 4)).collect();
    for text in &texts {
        let (act, command) = (Box::new(report(sha256(&[text]))), story.command());
        story.world.input(1, Input::Act { command, act, text: Some(text.clone()) });
        wait(&mut story, Span(5));
    }
    wait(&mut story, QUIET);
    // How many blobs the author loads, how many of them at present, and how many at most at one time.
    let loads: Rc<RefCell<(usize, usize, usize)>> = Rc::default();
    let loaded = loads.clone();
    story.world.watcher = Some(Box::new(move |_, site, seen| {
        let (all, now, most) = &mut *loaded.borrow_mut();
        if site == 1 && matches!(seen, Seen::Output(Output::LoadBlob(_))) {
            (*all, *now) = (*all + 1, *now + 1);
            *most = (*most).max(*now);
        } else if site == 1 && matches!(seen, Seen::Input(Input::Loaded(..), _)) {
            *now -= 1;
        }
    }));
    let holds_all =
        |story: &Story, site| texts.iter().all(|text| story.world.blob(site, &sha256(&[text])).is_some());
    story.world.wake(4);
    wait(&mut story, QUIET);
    assert!(holds_all(&story, 4));
    let (all, ..) = *loads.borrow();
    assert!(all > 0, "all texts stay in memory");
    // After a start nothing is in memory.
    story.world.give_charters(1, []);
    wait(&mut story, QUIET);
    story.world.wake(3);
    wait(&mut story, QUIET);
    assert!(holds_all(&story, 3));
    let (_, now, most) = *loads.borrow();
    assert!(now == 0 && most <= BLOBS_IN_FLIGHT_MAX, "{most} blobs are loaded at one time");
}
