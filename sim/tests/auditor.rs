//! The auditor: a member whose only role is to hold all logs. Its node hears every entry and answers
//! nothing; whoever holds its keys can try each step of a round and moves none. Source: CHARTER section 6,
//! LOG section 1.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::ledger::Debit;
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId, Span};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::entry::{Body, Entry, SealedShare};
use datacoop_protocol::log::cosignature::Cosignature;
use datacoop_protocol::log::note::Checkpoint;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::seal::round_keypair;
use datacoop_protocol::wire::{Bytes, Cosigned, Reply, Request, decode, encode};
use datacoop_sim::audits::audit_one;
use datacoop_sim::world::Way;

const MEMBERS: usize = 7;
const AUDITOR: usize = MEMBERS - 1;

fn kinds(story: &Story, site: usize, of: usize) -> Vec<&'static str> {
    let log = story.world.member(site).unwrap().fold().log(&story.founder(of).id).unwrap();
    let kind = |bytes: &std::sync::Arc<[u8]>| Entry::parse(bytes).unwrap().body.kind();
    log.entries().iter().map(kind).collect()
}

/// The digests of all sealed shares of a round.
fn sealed(story: &Story, id: QueryId) -> BTreeSet<Digest> {
    let fold = story.world.member(0).unwrap().fold();
    let round = fold.round(&id).unwrap();
    let shares = |body: &Body| {
        let Body::Contribution { shares, .. } = body else { return vec![] };
        shares.iter().map(|share| share.blob).collect()
    };
    round.all(Kind::Contribution).flat_map(|(_, logged)| shares(&logged.body)).collect()
}

#[test]
fn an_auditor_hears_every_entry_and_its_node_answers_nothing() {
    for mode in [Mode::Secure, Mode::FullNoise] {
        let mut story = Story::audited(MEMBERS, 1);
        story.meet();
        let id = story.ask(1, story.query(mode, LOSS, 5, PERIOD)).unwrap();
        assert!(story.finish(id, MEMBERS));
        story.world.run_until(story.world.now() + Span(130_000));
        assert!(story.released(id), "the others need no auditor");
        let (auditor, other) = (story.world.member(AUDITOR).unwrap(), story.world.member(0).unwrap());
        for log in other.fold().logs() {
            assert_eq!(auditor.fold().log(&log.member).unwrap().size(), log.size(), "{}", log.origin);
        }
        assert_eq!(kinds(&story, 0, AUDITOR), ["genesis", "charter"], "what every log begins with");
        let plan = other.fold().round(&id).unwrap().plan().unwrap().clone();
        assert!(!plan.members.contains(auditor.me()) && plan.members.len() == MEMBERS - 1);
        assert_eq!(story.spent(AUDITOR), 0);
        for hash in sealed(&story, id) {
            assert!(story.world.blob(AUDITOR, &hash).is_none(), "it was sent a sealed share");
        }
        story.audits_clean(AUDITOR);
        assert_eq!(story.faults(), Vec::<String>::new());
    }
}

/// What a node answers just then to a request that comes from `from`, pieces of blobs too.
fn replies(story: &mut Story, from: MemberId, to: usize, request: &Request) -> Vec<Reply> {
    let said = Rc::new(RefCell::new(vec![]));
    let heard = said.clone();
    story.world.tamper = Some(Box::new(move |site, way, bytes| {
        if site == to && way == Way::Reply {
            heard.borrow_mut().push(bytes.clone());
        }
        Some(bytes)
    }));
    story.world.input(to, Input::Request { from, exchange: 7_777, bytes: encode(request) });
    story.world.run_until(story.world.now() + Span(1));
    story.world.tamper = None;
    said.take().iter().filter_map(|bytes| decode::<Reply>(bytes).ok()).collect()
}

#[test]
fn an_auditor_is_given_logs_and_no_sealed_share() {
    let mut story = Story::audited(MEMBERS, 2);
    story.meet();
    let query = Box::new(story.query(Mode::Secure, LOSS, 5, PERIOD));
    story.world.input(1, Input::Ask { command: 1, query });
    // While shares are under way, and a meeting point holds them for whoever has the seat.
    let held = |story: &Story| {
        let rounds: Vec<QueryId> = story.world.member(0).unwrap().fold().rounds().keys().copied().collect();
        let found = rounds.into_iter().flat_map(|id| sealed(story, id));
        found.filter(|hash| story.world.blob(0, hash).is_some()).collect::<Vec<_>>()
    };
    for _ in 0..4_000 {
        if held(&story).len() > 1 {
            break;
        }
        story.world.run_until(story.world.now() + Span(5));
    }
    let shares = held(&story);
    assert!(shares.len() > 1, "a meeting point holds shares while the round goes on");
    let (auditor, point) = (story.founder(AUDITOR).id, story.founder(1).id);
    for hash in &shares {
        let get = Request::BlobGet { hash: hash.0, offset: 0 };
        let got = replies(&mut story, auditor.clone(), 0, &get);
        assert!(got.contains(&Reply::Absent), "{got:?}");
        assert!(!got.iter().any(|reply| matches!(reply, Reply::Piece { .. })), "{got:?}");
    }
    // The same request of one that may have it: the test can fail.
    let get = Request::BlobGet { hash: shares[0].0, offset: 0 };
    let got = replies(&mut story, point, 0, &get);
    assert!(got.iter().any(|reply| matches!(reply, Reply::Piece { .. })), "{got:?}");
    let got = replies(&mut story, auditor, 0, &Request::Pull { have: vec![], heard: vec![] });
    let logs = got.iter().find_map(|reply| {
        let Reply::Sections { sections, .. } = reply else { return None };
        Some(sections.len())
    });
    assert!(logs.is_some_and(|logs| logs > 1), "{got:?}");
}

#[test]
fn an_auditor_may_not_ask() {
    let mut story = Story::audited(MEMBERS, 3);
    story.meet();
    let body = story.query(Mode::Secure, LOSS, 5, PERIOD);
    assert_eq!(story.ask(AUDITOR, body.clone()), None);
    let denied = story.world.events.iter().find_map(|(who, event)| {
        let Event::Denied { rule, .. } = event else { return None };
        Some((who.clone(), *rule))
    });
    assert_eq!(denied, Some((story.founder(AUDITOR).id, "asker")));
    assert_eq!(kinds(&story, AUDITOR, AUDITOR), ["genesis", "charter"]);
    // One that writes it all the same is not answered.
    story.forge(AUDITOR, 0, Body::Query(Box::new(body)));
    story.world.run_until(story.world.now() + Span(80_000));
    for site in 0..AUDITOR {
        assert_eq!(kinds(&story, site, site), ["genesis", "charter"], "site {site}");
    }
    assert_eq!(story.spent(0), 0);
}

/// Whoever holds an auditor's keys writes an entry of each kind of a round into its log: the round ends as
/// if it had not, without it, and nothing is debited to it.
#[test]
fn no_entry_of_an_auditor_moves_a_round() {
    let none = Digest([9; 32]);
    let mut story = Story::audited(MEMBERS, 4);
    story.meet();
    let id = story.ask(1, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    let asked = story.world.member(0).unwrap().fold().round(&id).unwrap().asked().unwrap().clone();
    let account = asked.query.as_ref().unwrap().account.clone();
    let at = asked.at.clone();
    let share = || SealedShare { digest: none, blob: none };
    let loss = datacoop_policy::PrivacyLoss::from_nano(LOSS);
    let debit = Debit { account, before: datacoop_policy::PrivacyLoss::ZERO, loss, after: loss };
    let bodies = [
        Body::Accept { query: id, nonce_hash: none, vk_hash: none, round_key: round_keypair(&[3; 32]).1 },
        Body::Roster { query: id, verdicts: vec![at.clone()] },
        Body::Debit { query: id, roster: at.clone(), nonce: [1; 32], debit },
        Body::Contribution {
            query: id,
            debit: at.clone(),
            nonce: [1; 16],
            public_share: vec![],
            shares: vec![share(), share(), share()],
        },
        Body::Freeze {
            query: id,
            roster: at.clone(),
            contributions: vec![at.clone()],
            vk_part: Some([1; 32]),
        },
        Body::Verify { query: id, freezes: vec![at.clone()], blob: none },
        Body::Close { query: id, verifies: vec![at.clone()], accepted: vec![at.clone()], commit: none },
        Body::Open { query: id, closes: vec![at.clone()], share: vec![], salt: [1; 32] },
        Body::Release { query: id, opens: vec![at], sums: vec![1, 1], figures: none },
        Body::Abort { query: id, code: "deadline".into() },
    ];
    for body in bodies {
        story.forge(AUDITOR, 0, body);
        story.world.run_until(story.world.now() + Span(50));
    }
    assert!(story.finish(id, AUDITOR));
    assert!(story.released(id));
    let auditor = story.founder(AUDITOR).id;
    let fold = story.world.member(0).unwrap().fold();
    assert!(fold.log(&auditor).unwrap().size() > 4, "its entries were heard");
    let plan = fold.round(&id).unwrap().plan().unwrap().clone();
    assert!(!plan.members.contains(&auditor) && !plan.committee.contains(&auditor));
    assert_eq!(plan.members.len(), MEMBERS - 1);
    let honest: BTreeMap<usize, u64> = (0..AUDITOR).map(|site| (site, story.spent(site))).collect();
    assert!(honest.values().all(|spent| *spent == LOSS), "{honest:?}");
}

#[test]
fn an_auditor_that_is_no_witness_cosigns_nothing() {
    let mut story = Story::audited(MEMBERS, 5);
    story.meet();
    let (auditor, keys) = (story.founder(AUDITOR).id, story.founder(AUDITOR).keys());
    let log = story.world.member(0).unwrap().fold().log(&story.founder(0).id).unwrap();
    let (size, note) = log.note().map(|(size, note)| (size, note.to_owned())).unwrap();
    let root = log.tree().root_at(size).unwrap();
    let checkpoint = Checkpoint { origin: log.origin.clone(), size, root };
    let word = Cosignature::sign(&checkpoint, story.world.now().seconds(), keys.witness());
    let own = story.world.member(0).unwrap().fold().log(&auditor).unwrap().head();
    let cosigned = Cosigned {
        log: log.head(),
        witness: own,
        size,
        note,
        time: word.time,
        signature: Bytes(word.signature.to_vec()),
    };
    let request = Request::Cosign { cosigned: vec![cosigned] };
    story.world.input(0, Input::Request { from: auditor, exchange: 9, bytes: encode(&request) });
    story.world.run_until(story.world.now() + Span(10));
    let member = story.world.member(0).unwrap();
    let log = member.fold().log(&story.founder(0).id).unwrap();
    let newest = member.witnessed().newest(log).unwrap();
    assert!(!newest.contains(&keys.public().witness.name), "{newest}");
}

/// A Query by whoever may not ask is its author's wrong, at its entry, and nobody else's: none answers it.
#[test]
fn a_query_of_a_member_that_may_not_ask_fails_in_its_own_log() {
    let mut story = Story::audited(MEMBERS, 8);
    story.meet();
    let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    assert!(story.ask(AUDITOR, query.clone()).is_none(), "its own node writes none");
    story.forge(AUDITOR, 0, Body::Query(Box::new(query)));
    story.world.run_until(story.world.now() + Span(5_000));
    let auditor = story.founder(AUDITOR).id;
    let fold = story.world.member(0).unwrap().fold();
    let at = fold.log(&auditor).unwrap().size() - 1;
    for log in fold.logs() {
        let report = audit_one(fold, &log.member, &|_| None).unwrap();
        let failed: Vec<_> = report.checks.iter().filter(|check| check.outcome == Outcome::Fail).collect();
        if log.member != auditor {
            assert!(failed.is_empty(), "{}: {failed:?}", log.origin);
            continue;
        }
        let [check] = failed[..] else { panic!("{failed:?}") };
        assert_eq!((check.code, check.entry), ("A07", Some(at)));
        assert!(check.text.contains("asks, and version 1 gives its author no right to"), "{}", check.text);
    }
}
