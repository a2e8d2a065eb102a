//! A co-operative lost its quorum; some of its members found another, and bring their logs. Source: CHARTER.md C15,
//! F4 and F22.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::charter::{amend_min, name_witnesses};
use datacoop_policy::ledger::Ledger;
use datacoop_policy::query::Mode;
use datacoop_policy::{PrivacyLoss, QueryId, Span};
use datacoop_protocol::audit::{Check, Notes, Outcome, audit, check_predecessor};
use datacoop_protocol::entry::{Body, Entry, Previous};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::standing::replay;
use datacoop_protocol::wire::{Bytes, Section};

/// Of the old co-operative's five, those that go on together: the others are not heard of any more.
const MOVE: usize = 4;
/// Members of the new one: one founder was no member of the old.
const MEMBERS: usize = 5;
/// Who was none.
const NEW: usize = 4;

fn next_keys(story: &Story, site: usize) -> Keys {
    let mut founder = story.founder(site);
    founder.later.push([60 + u8::try_from(site).unwrap(); 32]);
    founder.later_keys().pop().unwrap()
}

fn fold(story: &Story, site: usize) -> &Fold {
    story.world.member(site).unwrap().fold()
}

fn ask(story: &mut Story, site: usize, members: u32, months: &str) -> Option<QueryId> {
    let query = story.query(Mode::FullNoise, LOSS, members, months);
    story.ask(site, query)
}

/// The old co-operative, which answered one question.
fn old(seed: u8) -> Story {
    let mut story = Story::founded(6, seed, |draft| {
        draft.limits.rho_year = PrivacyLoss::from_nano(2 * LOSS);
        draft.members.remove(NEW);
        draft.amend = amend_min(u32::try_from(draft.members.len()).unwrap());
        name_witnesses(&mut draft.members);
    });
    story.meet();
    let asked = ask(&mut story, 0, 5, PERIOD).unwrap();
    assert!(story.finish(asked, MOVE) && story.released(asked), "{:?}", story.faults());
    story.world.run_until(story.world.now() + Span(200_000));
    assert_eq!(story.spent(3), LOSS);
    story
}

/// How a member's log ended there, and what it had spent.
fn ended(old: &Story, site: usize) -> (Checkpoint, Ledger) {
    let fold = fold(old, site);
    let log = fold.log(&old.founder(site).id).unwrap();
    let head = Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() };
    (head, replay(fold, &log.member).0.ledger().clone())
}

/// The co-operative that four of them found with a fifth, before anybody runs in it.
fn founded(old: &Story, seed: u8) -> Story {
    Story::founded(MEMBERS, seed, |draft| {
        draft.limits.rho_year = PrivacyLoss::from_nano(2 * LOSS);
        draft.predecessor = Some(old.charters[0].id());
        draft.amend = amend_min(u32::try_from(MEMBERS).unwrap());
        for (site, member) in draft.members.iter_mut().enumerate().take(MOVE) {
            member.goes_on_from = Some(member.keys.log.clone());
            member.keys = next_keys(old, site).public().clone();
        }
        name_witnesses(&mut draft.members);
    })
}

/// The same, running. `brings` says what each brings.
fn new(old: &Story, seed: u8, brings: impl Fn(usize) -> (Checkpoint, Ledger)) -> Story {
    let mut story = founded(old, seed);
    for site in 0..MOVE {
        story.world.give_identity(site, [60 + u8::try_from(site).unwrap(); 32]);
        let (head, ledger) = brings(site);
        story.world.bring(site, head, ledger);
    }
    story.meet();
    story
}

/// The same logs in a fold of their own; `change` may change one genesis.
fn copied(story: &Story, site: usize, change: &dyn Fn(&mut Option<Box<Previous>>)) -> Fold {
    let (held, id) = (fold(story, 0), story.founder(site).id);
    let mut fold = Fold::with_chain(held.charters().to_vec(), story.vocabularies());
    for log in held.logs() {
        for (index, bytes) in log.entries().iter().enumerate() {
            let mut entry = Entry::parse(bytes).unwrap();
            if let (0, true, Body::Genesis { previous, .. }) = (index, log.member == id, &mut entry.body) {
                change(previous);
            }
            fold.append(&log.member, entry.to_bytes().into());
        }
        if let Some((size, note)) = log.note() {
            fold.set_note_named(&log.origin, size, note.to_owned());
        }
    }
    fold
}

/// What both audits say of a member: that of the new co-operative by itself, and that of both.
fn said(
    story: &Story,
    old: &Story,
    site: usize,
    change: &dyn Fn(&mut Option<Box<Previous>>),
) -> (Check, Check) {
    let fold_of_new = copied(story, site, change);
    let id = story.founder(site).id;
    let report = audit(&fold_of_new, &|_| None).into_iter().find(|report| report.member == id).unwrap();
    let alone = report.checks.into_iter().find(|check| check.code == "A06").unwrap();
    let both = check_predecessor(&fold_of_new, fold(old, 0), &Notes::new());
    (alone, both.into_iter().find(|(member, _)| *member == id).unwrap().1)
}

#[test]
fn a_debit_of_the_predecessor_counts_and_an_auditor_sees_it() {
    let old = old(71);
    let mut story = new(&old, 71, |site| ended(&old, site));
    assert_eq!((story.spent(0), story.spent(3), story.spent(NEW)), (LOSS, LOSS, 0));
    let asked = ask(&mut story, 1, 5, PERIOD).unwrap();
    assert!(story.finish(asked, MEMBERS) && story.released(asked), "{:?}", story.faults());
    assert_eq!((story.spent(0), story.spent(NEW)), (2 * LOSS, LOSS));
    // The year is spent, though each of the two saw half of it.
    assert_eq!(ask(&mut story, 0, 5, "2026-02-01..2026-03-31"), None);
    let denied = story
        .world
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| if let Event::Denied { rule, .. } = event { Some(*rule) } else { None });
    assert_eq!(denied, Some("rho_year"));
    // Whoever has the new co-operative's logs alone replays the same.
    let alone = copied(&story, 0, &|_| ());
    for site in 0..MEMBERS {
        let ledger = replay(&alone, &story.founder(site).id).0.ledger().clone();
        let spent: u64 = ledger.accounts().map(|(_, spent)| spent.nano()).sum();
        assert_eq!(spent, story.spent(site), "{site}");
    }
    for report in audit(&alone, &|_| None) {
        assert!(report.passed(), "{report:#?}");
    }
    story.audits_clean(0);
    let both = check_predecessor(&alone, fold(&old, 0), &Notes::new());
    assert_eq!(both.len(), MOVE, "{both:?}");
    assert!(both.iter().all(|(_, check)| check.outcome == Outcome::Pass), "{both:#?}");
    // A crash and a start change nothing.
    story.world.crash_before(2, story.world.executed(2));
    story.world.input(2, Input::Wake);
    story.world.run_until(story.world.now() + Span(200_000));
    assert_eq!(story.spent(2), 2 * LOSS);
    assert!(story.wrote(asked, 2, Kind::Contribution));
}

#[test]
fn what_was_spent_is_not_left_behind() {
    let old = old(72);
    let mut story = new(&old, 72, |site| ended(&old, site));
    story.world.run_until(story.world.now() + Span(20_000));
    let fails = |check: &Check, text: &str| {
        assert!(check.outcome == Outcome::Fail && check.text.contains(text), "{check:?}, not {text}");
    };
    let (alone, both) = said(&story, &old, 2, &|_| ());
    assert!(alone.outcome != Outcome::Fail && both.outcome == Outcome::Pass, "{alone:?} {both:?}");
    // None, another log's, a smaller Ledger, another head, an older one, one that is not here.
    let (alone, _) = said(&story, &old, 2, &|previous| *previous = None);
    fails(&alone, "a fresh Ledger");
    let other = |previous: &mut Option<Box<Previous>>| previous.as_mut().unwrap().head.origin = "x/1".into();
    fails(&said(&story, &old, 2, &other).0, "it goes on from `x/1`");
    let less = |previous: &mut Option<Box<Previous>>| previous.as_mut().unwrap().ledger = Ledger::default();
    fails(&said(&story, &old, 2, &less).1, "had spent 5000000");
    let forged = |previous: &mut Option<Box<Previous>>| previous.as_mut().unwrap().head.root.0[0] ^= 1;
    fails(&said(&story, &old, 2, &forged).1, "another head");
    let log = fold(&old, 0).log(&old.founder(2).id).unwrap();
    let older = |previous: &mut Option<Box<Previous>>| {
        let mut tree = Tree::default();
        log.entries()[..2].iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let head = Checkpoint { origin: log.origin.clone(), size: 2, root: tree.root() };
        *previous = Some(Box::new(Previous { head, ledger: Ledger::default() }));
    };
    let both = said(&story, &old, 2, &older).1;
    assert!(both.outcome == Outcome::Warn && both.text.contains("no quorum of witnesses"), "{both:?}");
    // Its witnesses saw the rest.
    let witnessed = old.world.member(0).unwrap().witnessed().newest(log).unwrap();
    let notes = Notes::from([(log.member.clone(), vec![witnessed])]);
    let both = check_predecessor(&copied(&story, 2, &older), fold(&old, 0), &notes);
    let of = both.into_iter().find(|(id, _)| *id == log.member).unwrap().1;
    fails(&of, "as its witnesses saw");
    let beyond = |previous: &mut Option<Box<Previous>>| previous.as_mut().unwrap().head.size += 5;
    assert_eq!(said(&story, &old, 2, &beyond).1.outcome, Outcome::Skip);
}

/// Whoever was in the predecessor and does not say so begins with a fresh Ledger: only both sets of logs tell.
#[test]
fn whoever_was_a_member_of_it_and_brings_nothing_is_seen() {
    let old = old(73);
    let mut story = Story::founded(MEMBERS, 73, |draft| {
        draft.predecessor = Some(old.charters[0].id());
        draft.members[4].id = "GB-EDU-009999".parse().unwrap();
    });
    story.meet();
    let both = check_predecessor(fold(&story, 0), fold(&old, 0), &Notes::new());
    assert_eq!(both.len(), 4);
    for (id, check) in both {
        assert!(check.outcome == Outcome::Fail && check.text.contains("fresh Ledger"), "{id} {check:?}");
    }
}

/// By two moves, and no word in between, nothing that was spent is left behind.
#[test]
fn whoever_brought_what_it_spent_and_never_ran_does_not_begin_afresh_after_it() {
    let first = Story::founded(MEMBERS, 75, |_| ());
    let second = founded(&first, 75);
    let third = Story::founded(MEMBERS, 75, |draft| draft.predecessor = Some(second.charters[0].id()));
    let nothing_written = |story: &Story| Fold::with_chain(story.charters.clone(), story.vocabularies());
    let both = check_predecessor(&nothing_written(&third), &nothing_written(&second), &Notes::new());
    assert_eq!(both.len(), MEMBERS);
    for (site, (id, check)) in both.iter().enumerate() {
        assert_eq!(*id, third.founder(site).id);
        // One was a member of neither before, and spent nothing.
        let expected = if site == NEW { Outcome::Pass } else { Outcome::Fail };
        assert_eq!(check.outcome, expected, "{id} {check:?}");
        assert_eq!(check.text.contains("had gone on from"), site != NEW, "{check:?}");
    }
}

/// A log that does not go on as the charter says is taken by nobody.
#[test]
fn nobody_takes_a_log_that_does_not_go_on() {
    let old = old(74);
    let mut story = new(&old, 74, |site| ended(&old, site));
    let (founder, keys) = (story.founder(2), next_keys(&old, 2));
    story.world.run_until(story.world.now() + Span(5_000));
    // To a member that has not heard of the log yet.
    let held = fold(&story, 0);
    let mut apart = Fold::with_chain(held.charters().to_vec(), story.vocabularies());
    let mut push = |previous: Option<Box<Previous>>| {
        let origin = keys.public().log.name.clone();
        let body = Body::Genesis {
            origin: origin.clone(),
            charter: held.charter().id(),
            keys: Default::default(),
            proofs: Default::default(),
            previous,
        };
        let entry = Entry { at: story.world.now(), by: founder.id.clone(), seq: 0, body }.to_bytes();
        let note = sign_checkpoint(
            &Checkpoint { origin: origin.clone(), size: 1, root: leaf_hash(&entry) },
            keys.log(),
        );
        let log = apart.log_named(&origin).unwrap().head();
        let section = Section { log, from: 0, entries: vec![Bytes(entry)], note, proof: vec![] };
        apart.take(&section).unwrap();
        (apart.log_named(&origin).unwrap().size(), apart.refused().map(|(_, why)| why.to_owned()).next())
    };
    let (size, why) = push(None);
    assert!(size == 0 && why.as_ref().unwrap().contains("a fresh Ledger"), "{why:?}");
    let (head, ledger) = ended(&old, 2);
    let other = Checkpoint { origin: "x.example/datacoop/1".into(), ..head.clone() };
    let (size, why) = push(Some(Box::new(Previous { head: other, ledger: ledger.clone() })));
    assert!(size == 0 && why.as_ref().unwrap().contains("not the last log"), "{why:?}");
    assert_eq!(push(Some(Box::new(Previous { head, ledger }))), (1, None));
}
