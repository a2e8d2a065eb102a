//! A member's keys are replaced, and its log goes on in another. Source: LOG section 3, CHARTER section 2.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::acts::{act, object, propose};
use common::rekeyed::{
    DAY, MEMBERS, SITE, ask, begun, fold, next_keys, replace, replaced, sizes, sleep, wait,
};
use common::{LOSS, Story};
use datacoop_policy::charter::{Charter, name_witnesses};
use datacoop_policy::ledger::Ledger;
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, Span, Time};
use datacoop_protocol::acts::{Act, Subject};
use datacoop_protocol::audit::{Check, Notes, Outcome};
use datacoop_protocol::bounds::COSIGN_QUIET;
use datacoop_protocol::entry::{Body, Entry, Previous};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::wire::{Bytes, Request, Section, encode};
use datacoop_sim::audits::{audit, audit_with};

#[test]
fn a_member_whose_keys_are_replaced_goes_on_with_its_ledger() {
    let mut story = replaced(90, 3 * LOSS);
    let id = story.founder(SITE).id;
    assert!(story.world.events.contains(&(id.clone(), Event::Rekeyed)));
    for site in 0..MEMBERS {
        let log = fold(&story, site).log(&id).unwrap();
        assert!(log.origin.ends_with("/datacoop/2") && log.size() >= 2, "{site}: {}", log.origin);
        assert_eq!(sizes(&story, site), sizes(&story, SITE), "{site}");
    }
    let second = ask(&mut story, 0, "10").unwrap();
    assert!(story.finish(second, MEMBERS) && story.released(second), "{:?}", story.faults());
    let round = fold(&story, 0).round(&second).unwrap().clone();
    let debit = round.said(Kind::Debit, &id).unwrap();
    assert!(debit.at.log.ends_with("/datacoop/2"), "{}", debit.at.log);
    let Body::Debit { debit, .. } = &debit.body else { panic!("a debit") };
    assert_eq!((debit.before.nano(), debit.after.nano()), (LOSS, 2 * LOSS), "what its first log spent");
    let third = ask(&mut story, SITE, "11").unwrap();
    assert!(story.finish(third, MEMBERS) && story.released(third), "{:?}", story.faults());
    assert_eq!(story.spent(SITE), 3 * LOSS);
    assert_eq!(ask(&mut story, SITE, "12"), Err("rho_year"), "both logs together have spent the year");
    // A start from the journal finds the same, and the audits of both logs pass everywhere.
    story.world.give_charters(SITE, []);
    story.meet();
    assert_eq!(story.spent(SITE), 3 * LOSS);
    (0..MEMBERS).for_each(|site| story.audits_clean(site));
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}

#[test]
fn no_crash_while_the_log_changes_leaves_two_that_grow() {
    for crash in 0..12 {
        let mut story = begun(91, 10 * LOSS);
        sleep(&mut story, Span(14 * DAY.0 - 60_000), None);
        let next = story.world.executed(SITE) + crash;
        story.world.crash_before(SITE, next);
        wait(&mut story, Span(400_000));
        story.named = story.charters.last().unwrap().hash();
        let asked = ask(&mut story, 0, "10").unwrap();
        assert!(story.finish(asked, MEMBERS) && story.released(asked), "{crash}: {:?}", story.faults());
        assert!(story.wrote(asked, SITE, Kind::Contribution), "{crash}");
        (0..MEMBERS).for_each(|site| assert_eq!(sizes(&story, site), sizes(&story, SITE), "{crash} {site}"));
        story.audits_clean(0);
        assert!(story.faults().is_empty(), "{crash}: {:?}", story.faults());
    }
}

/// A log: its origin, its author, its entries.
type OneLog = (String, MemberId, Vec<Arc<[u8]>>);

/// What an auditor is handed: each log under its origin, and who may sign it.
struct Handed {
    chain: Vec<Arc<Charter>>,
    logs: Vec<OneLog>,
    notes: Notes,
}

impl Handed {
    fn of(story: &Story) -> Self {
        let member = story.world.member(0).unwrap();
        let logs = member.fold().logs();
        let mut notes = Notes::new();
        for log in member.fold().logs() {
            notes.entry(log.member.clone()).or_default().extend(member.witnessed().shown(log));
        }
        Self {
            chain: story.charters.clone(),
            logs: logs.map(|log| (log.origin.clone(), log.member.clone(), log.entries().to_vec())).collect(),
            notes,
        }
    }

    /// The place of the member's log with this number.
    fn place(&self, n: u32) -> usize {
        let ends = format!("m{:03}.demo/datacoop/{n}", SITE + 1);
        self.logs.iter().position(|(origin, ..)| *origin == ends).unwrap()
    }

    fn genesis(&mut self, change: impl FnOnce(&mut Option<Box<Previous>>)) {
        self.change(2, 0, |body| {
            let Body::Genesis { previous, .. } = body else { panic!("a genesis") };
            change(previous);
        });
    }

    /// What an entry of the member's log with this number says is another.
    fn change(&mut self, n: u32, index: usize, change: impl FnOnce(&mut Body)) {
        let at = self.place(n);
        let (origin, member, entries) = &mut self.logs[at];
        let mut entry = Entry::parse(&entries[index]).unwrap();
        change(&mut entry.body);
        entries[index] = entry.to_bytes().into();
        // What was shown of it was of other entries.
        self.notes.get_mut(member).unwrap().retain(|note| !note.starts_with(origin.as_str()));
    }

    /// How a check of a log of the member comes out.
    fn check(&self, story: &Story, n: u32, code: &str) -> Check {
        let keys = |origin: &str, by: usize| {
            if origin.ends_with("/2") { next_keys(story) } else { story.founder(by).keys() }
        };
        let mut fold = Fold::with_chain(self.chain.clone(), story.vocabularies());
        self.logs.iter().for_each(|(origin, _, entries)| fold.foretell(origin, &entries[0]));
        for (origin, member, entries) in &self.logs {
            let mut tree = Tree::default();
            for entry in entries {
                tree.push(leaf_hash(entry));
                fold.append_of(origin, entry.clone());
            }
            let by = (0..MEMBERS).find(|n| story.founder(*n).id == *member).unwrap();
            let head = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root() };
            fold.set_note_named(origin, head.size, sign_checkpoint(&head, keys(origin, by).log()));
        }
        let reports = audit_with(&fold, &|_| None, &self.notes);
        let origin = &self.logs[self.place(n)].0;
        let report = reports.into_iter().find(|report| report.origin == *origin).unwrap();
        report.checks.into_iter().find(|check| check.code == code).unwrap()
    }
}

#[test]
fn a_log_that_does_not_follow_as_it_must_convicts_its_author() {
    let mut story = replaced(92, 10 * LOSS);
    let asked = ask(&mut story, 0, "10").unwrap();
    assert!(story.finish(asked, MEMBERS) && story.released(asked));
    wait(&mut story, Span(COSIGN_QUIET.0 + 130_000));
    let told = |change: &dyn Fn(&mut Option<Box<Previous>>), code: &str| {
        let mut handed = Handed::of(&story);
        handed.genesis(change);
        handed.check(&story, 2, code)
    };
    for code in ["A01", "A02", "A04", "A06", "A07", "A08", "A09", "A13", "A14"] {
        for n in [1, 2] {
            let check = Handed::of(&story).check(&story, n, code);
            assert_eq!(check.outcome, Outcome::Pass, "{n}: {check:?}");
        }
    }
    let fails = |check: Check, text: &str| {
        assert!(check.outcome == Outcome::Fail && check.entry == Some(0), "{check:?}");
        assert!(check.text.contains(text), "{check:?}");
    };
    // A smaller Ledger, none, another head, no head at all.
    fails(
        told(&|previous| previous.as_mut().unwrap().ledger = Ledger::default(), "A08"),
        "had spent 5000000",
    );
    fails(told(&|previous| *previous = None, "A06"), "a fresh Ledger");
    fails(told(&|previous| previous.as_mut().unwrap().head.root.0[0] ^= 1, "A06"), "another head");
    fails(
        told(&|previous| previous.as_mut().unwrap().head.origin = "m001.demo/datacoop/1".into(), "A06"),
        "no earlier log",
    );
    // Of a head that is not here nothing is said.
    let check = told(&|previous| previous.as_mut().unwrap().head.size += 7, "A08");
    assert_ne!(check.outcome, Outcome::Fail, "{check:?}");
    // An older head, from before the debit: the old log's witnesses saw more.
    let handed = Handed::of(&story);
    let old = handed.logs[handed.place(1)].clone();
    let debit = old
        .2
        .iter()
        .position(|entry| Entry::parse(entry).is_ok_and(|entry| matches!(entry.body, Body::Debit { .. })));
    let debit = debit.unwrap() as u64;
    let hides = |previous: &mut Option<Box<Previous>>| {
        let mut tree = Tree::default();
        old.2[..usize::try_from(debit).unwrap()].iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let head = Checkpoint { origin: old.0.clone(), size: debit, root: tree.root() };
        *previous = Some(Box::new(Previous { head, ledger: Ledger::default() }));
    };
    fails(told(&hides, "A08"), "as its witnesses saw");
    // An older head and the whole Ledger: what its witnesses saw it say does not count for nothing.
    let unsays = |previous: &mut Option<Box<Previous>>| {
        let ledger = previous.as_ref().unwrap().ledger.clone();
        hides(previous);
        previous.as_mut().unwrap().ledger = ledger;
    };
    fails(told(&unsays, "A08"), "its witnesses cosigned");
    // Without their word it may be a thief's: a warning, and the entries count for nothing.
    let mut handed = Handed::of(&story);
    handed.genesis(hides);
    handed.notes.clear();
    let check = handed.check(&story, 2, "A08");
    assert!(check.outcome == Outcome::Fail || check.text.contains("count for nothing"), "{check:?}");
}

/// Each check of what a log begins with, A06.
#[test]
fn a_log_that_begins_with_something_else_fails() {
    let story = replaced(97, 10 * LOSS);
    let told = |n: u32, index: usize, change: &dyn Fn(&mut Body), text: &str| {
        let mut handed = Handed::of(&story);
        handed.change(n, index, change);
        let check = handed.check(&story, n, "A06");
        let right = check.outcome == Outcome::Fail && check.entry == Some(index as u64);
        assert!(right && check.text.contains(text), "{text}: {check:?}");
    };
    let genesis = |change: &dyn Fn(&mut Genesis<'_>), text: &str| {
        let change = |body: &mut Body| {
            let Body::Genesis { origin, charter, keys, proofs, .. } = body else { panic!("a genesis") };
            change(&mut Genesis { origin, charter, keys, proofs });
        };
        told(2, 0, &change, text);
    };
    genesis(&|said| *said.origin = "m004.demo/datacoop/3".into(), "under another charter or name");
    genesis(&|said| said.charter.0[0] ^= 1, "under another charter or name");
    genesis(
        &|said| drop(said.keys.insert("seal".into(), "AAAA".into())),
        "other keys than the charter holds",
    );
    genesis(&|said| drop(said.keys.remove("witness")), "other keys than the charter holds");
    genesis(&|said| drop(said.proofs.remove("witness")), "each of the four signing keys");
    for label in ["charter", "log", "transport", "witness"] {
        let other = if label == "log" { "charter" } else { "log" };
        let swap =
            |said: &mut Genesis<'_>| drop(said.proofs.insert(label.into(), said.proofs[other].clone()));
        genesis(&swap, &format!("the {label} key did not sign"));
    }
    // A first log goes on from none.
    let handed = Handed::of(&story);
    let second = Entry::parse(&handed.logs[handed.place(2)].2[0]).unwrap();
    let Body::Genesis { previous, .. } = second.body else { panic!("a genesis") };
    let goes_on = |body: &mut Body| {
        if let Body::Genesis { previous: none, .. } = body {
            *none = previous.clone();
        }
    };
    told(1, 0, &goes_on, "no earlier log of its author's");
    // And the version by which it begins is one that lists it, from when it was to act.
    let first = story.charters[0].hash();
    let listed = |change: &dyn Fn(&mut u32, &mut Digest, &mut Time), text: &str| {
        let change = |body: &mut Body| {
            let Body::Charter { version, hash, from, .. } = body else { panic!("a version") };
            change(version, hash, from);
        };
        told(2, 1, &change, text);
    };
    listed(&|version, hash, _| (*version, *hash) = (1, first), "version 1 does not list this log");
    listed(&|_, hash, _| hash.0[0] ^= 1, "there is no such version 2");
    listed(&|version, _, _| *version = 1, "there is no such version 1");
    listed(&|_, _, from| *from = Time(from.0 - 1_000), "version 2 lists this log from");
    listed(&|_, _, from| *from = Time(from.0 + 30 * DAY.0), "version 2 lists this log from");
    let log = story.founder(1).keys().public().log.name.clone();
    let heads = vec![Checkpoint { origin: log, size: 1, root: first }];
    told(2, 1, &|body| *body = Body::Head { heads: heads.clone() }, "begins with genesis and charter");
    // One whose author never put that version in force before begins once it acts.
    let begins = |early: bool| {
        let mut handed = Handed::of(&story);
        let is_listed =
            |bytes: &Arc<[u8]>| matches!(Entry::parse(bytes).unwrap().body, Body::Charter { version: 2, .. });
        let first = handed.place(1);
        let at = handed.logs[first].2.iter().position(is_listed).unwrap();
        handed.change(1, at, |body| *body = Body::Head { heads: heads.clone() });
        let mut tree = Tree::default();
        handed.logs[first].2.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let sees = |previous: &mut Option<Box<Previous>>| {
            let head = &mut previous.as_mut().unwrap().head;
            head.root = tree.root_at(head.size).unwrap();
        };
        handed.genesis(sees);
        handed.change(2, 1, |body| {
            if let Body::Charter { from, .. } = body {
                *from = if early { Time(0) } else { *from };
            }
        });
        handed.check(&story, 2, "A06")
    };
    assert_eq!(begins(false).outcome, Outcome::Pass, "{:?}", begins(false));
    let check = begins(true);
    assert!(
        check.outcome == Outcome::Fail && check.text.contains("version 2 lists this log from"),
        "{check:?}"
    );
}

/// What a genesis says, its head aside.
struct Genesis<'a> {
    origin: &'a mut String,
    charter: &'a mut Digest,
    keys: &'a mut BTreeMap<String, String>,
    proofs: &'a mut BTreeMap<String, String>,
}

#[test]
fn whoever_goes_on_with_the_old_keys_convicts_nobody_and_is_not_heard() {
    let mut story = replaced(93, 10 * LOSS);
    let before = sizes(&story, 0);
    let act = |story: &Story| {
        let log = fold(story, 0).log(&story.founder(1).id).unwrap();
        Body::Head {
            heads: vec![Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() }],
        }
    };
    // With the old keys, to the end of the old log.
    push_old(&mut story, 0, act);
    wait(&mut story, Span(5_000));
    assert_eq!(sizes(&story, 0), before);
    assert!(story.faults().is_empty(), "{:?}", story.faults());
    // An auditor who is shown it warns.
    let mut handed = Handed::of(&story);
    let at = handed.place(1);
    let seq = handed.logs[at].2.len() as u64;
    let entry = Entry { at: story.world.now(), by: handed.logs[at].1.clone(), seq, body: act(&story) };
    handed.logs[at].2.push(entry.to_bytes().into());
    let check = handed.check(&story, 2, "A08");
    assert!(check.outcome == Outcome::Warn && check.text.contains("count for nothing"), "{check:?}");
}

/// Continues the member's old log with its old keys, and pushes it to the member at `to`.
fn push_old(story: &mut Story, to: usize, body: impl Fn(&Story) -> Body) {
    let founder = story.founder(SITE);
    let log = &fold(story, to).logs_of(&founder.id)[0];
    let (origin, head, size, mut tree) = (log.origin.clone(), log.head(), log.size(), log.tree().clone());
    let entry =
        Entry { at: story.world.now(), by: founder.id.clone(), seq: size, body: body(story) }.to_bytes();
    tree.push(leaf_hash(&entry));
    let note =
        sign_checkpoint(&Checkpoint { origin, size: size + 1, root: tree.root() }, founder.keys().log());
    let section = Section { log: head, from: size, entries: vec![Bytes(entry)], note, proof: vec![] };
    let bytes = encode(&Request::Push { sections: vec![section] });
    let from = story.founder(if to == 1 { 0 } else { 1 }).id;
    story.world.input(to, Input::Request { from, exchange: 99, bytes });
}

#[test]
fn what_a_thief_wrote_before_the_keys_were_replaced_is_carried_over_and_after_that_nothing() {
    let mut story = begun(94, 10 * LOSS);
    let id = story.founder(SITE).id;
    // The member is away; whoever has its keys writes on, to everybody that listens.
    story.world.away = Span(14 * DAY.0 + 1_500_000);
    story.world.crash_before(SITE, story.world.executed(SITE));
    story.world.input(SITE, Input::Wake);
    wait(&mut story, Span(5_000));
    let act = |story: &Story| {
        let log = fold(story, 0).log(&story.founder(1).id).unwrap();
        Body::Head {
            heads: vec![Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() }],
        }
    };
    let before = sizes(&story, 0)[0];
    push_old(&mut story, 0, act);
    wait(&mut story, Span(600_000));
    assert_eq!(sizes(&story, 0)[0], before + 1, "the keys still count");
    sleep(&mut story, Span(14 * DAY.0 + 600_000), Some(SITE));
    push_old(&mut story, 0, act);
    wait(&mut story, Span(5_000));
    assert_eq!(sizes(&story, 0)[0], before + 1, "they do not any more");
    wait(&mut story, Span(1_200_000));
    let genesis = fold(&story, 0).log(&id).unwrap().previous().expect("it is back").clone();
    assert_eq!(genesis.head.size, before + 1, "it goes on from all that others hold");
    story.audits_clean(0);
    story.audits_clean(SITE);
}

/// A log that is to follow, as its keys' holder could write it: nobody takes it with less than the old log shows.
#[test]
fn nobody_takes_a_log_that_starts_with_less() {
    let mut story = begun(95, 10 * LOSS);
    story.world.away = Span(30 * DAY.0);
    story.world.crash_before(SITE, story.world.executed(SITE));
    story.world.input(SITE, Input::Wake);
    wait(&mut story, Span(5_000));
    let (founder, keys) = (story.founder(SITE), next_keys(&story));
    let push = |story: &mut Story, change: &dyn Fn(&mut Previous)| {
        let old = &fold(story, 0).logs_of(&founder.id)[0];
        let head = Checkpoint { origin: old.origin.clone(), size: old.size(), root: old.tree().root() };
        let (standing, _) = datacoop_protocol::standing::replay(fold(story, 0), &founder.id);
        let mut previous = Previous { head, ledger: standing.ledger().clone() };
        change(&mut previous);
        let origin = keys.public().log.name.clone();
        let log = fold(story, 0).log_named(&origin).unwrap().head();
        let body = Body::Genesis {
            origin: origin.clone(),
            charter: fold(story, 0).charter().id(),
            keys: Default::default(),
            proofs: Default::default(),
            previous: Some(Box::new(previous)),
        };
        let entry = Entry { at: story.world.now(), by: founder.id.clone(), seq: 0, body }.to_bytes();
        let note = sign_checkpoint(&Checkpoint { origin, size: 1, root: leaf_hash(&entry) }, keys.log());
        let section = Section { log, from: 0, entries: vec![Bytes(entry)], note, proof: vec![] };
        let bytes = encode(&Request::Push { sections: vec![section] });
        let from = story.founder(1).id;
        story.world.input(0, Input::Request { from, exchange: 98, bytes });
        story.world.run_until(story.world.now() + Span(1_000));
    };
    let refused = |story: &Story| fold(story, 0).refused().map(|(_, why)| why.to_owned()).next();
    push(&mut story, &|previous| previous.ledger = Ledger::default());
    assert_eq!(sizes(&story, 0)[1], 0);
    assert!(refused(&story).unwrap().contains("had spent 5000000"), "{:?}", refused(&story));
    push(&mut story, &|previous| previous.head.root.0[0] ^= 1);
    assert!(refused(&story).unwrap().contains("another head"), "{:?}", refused(&story));
    push(&mut story, &|previous| previous.head.origin = "other.demo/datacoop/1".into());
    assert!(refused(&story).unwrap().contains("not the last log"), "{:?}", refused(&story));
    push(&mut story, &|previous| previous.head.size += 5);
    assert_eq!(sizes(&story, 0)[1], 0, "its end is waited for");
    push(&mut story, &|_| ());
    assert_eq!((sizes(&story, 0)[1], refused(&story)), (1, None));
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}

#[test]
fn a_member_whose_log_has_two_histories_comes_back_with_the_next_log_and_the_larger_ledger() {
    let mut story = begun(96, 10 * LOSS);
    let id = story.founder(SITE).id;
    story.rewrite(SITE, 1);
    wait(&mut story, Span(200_000));
    assert!((0..3).all(|site| fold(&story, site).split(&id).is_some()), "all know");
    // The other history had spent three times as much: its people say so.
    let (mut larger, held) = (Ledger::default(), datacoop_protocol::standing::replay(fold(&story, 0), &id).0);
    let (account, spent) = held.ledger().accounts().next().unwrap();
    larger.carry(account, spent.plus(spent).plus(spent));
    story.world.carry_over(SITE, larger);
    sleep(&mut story, Span(14 * DAY.0 + 60_000), None);
    wait(&mut story, Span(300_000));
    for site in 0..MEMBERS {
        let log = fold(&story, site).log(&id).unwrap();
        assert!(log.origin.ends_with("/2") && log.size() >= 2, "{site}: {}", log.origin);
        assert!(fold(&story, site).split(&id).is_none(), "{site}");
    }
    assert_eq!(story.spent(SITE), 3 * LOSS);
    story.named = story.charters.last().unwrap().hash();
    let asked = ask(&mut story, 0, "10").unwrap();
    assert!(story.finish(asked, MEMBERS) && story.released(asked), "{:?}", story.faults());
    assert!(story.wrote(asked, SITE, Kind::Contribution));
    let old = &fold(&story, 0).logs_of(&id)[0].origin;
    for report in audit(fold(&story, 0), &|_| None) {
        assert_eq!(report.passed(), report.origin != *old, "{report:#?}");
    }
}

/// Whoever supported a question in both its logs is one voice.
#[test]
fn two_logs_of_one_member_support_a_question_once() {
    let mut story = Story::founded(MEMBERS, 96, |draft| {
        name_witnesses(&mut draft.members);
        draft.limits.min_cosigners = 3;
    });
    story.world.asks_first = true;
    story.meet();
    replace(&mut story);
    (0..MEMBERS).for_each(|site| story.give_newest(site));
    story.meet();
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-10");
    let draft = datacoop_protocol::fold::question_hash(&query.question);
    let question = || Subject::Question("q".into());
    let first = propose(&mut story, SITE, question(), draft).unwrap();
    // Not answered, so that another may propose the same.
    object(&mut story, 5, &first, "why?").unwrap();
    let second = propose(&mut story, 1, question(), draft).unwrap();
    sleep(&mut story, Span(14 * DAY.0 - 60_000), None);
    wait(&mut story, Span(600_000));
    story.named = story.charters.last().unwrap().hash();
    let again = act(&mut story, SITE, Act::Cosign { proposal: second }, None).unwrap();
    assert!(again.log.ends_with("/datacoop/2") && first.log.ends_with("/datacoop/1"));
    assert_eq!(ask(&mut story, 0, "10"), Err("min_cosigners"));
    act(&mut story, 2, Act::Cosign { proposal: first }, None).unwrap();
    let id = ask(&mut story, 0, "10").unwrap();
    let asked = fold(&story, 0).round(&id).unwrap().asked().unwrap().body.cosigners.clone();
    assert!(
        asked.len() == 3
            && asked.iter().filter(|at| at.log.starts_with(&*story.founder(SITE).host)).count() == 1
    );
}
