//! Whoever would use the replacement of keys to get rid of what was said, or to stop somebody. Source: LOG section 3.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::rekeyed::{
    DAY, MEMBERS, SITE, ask, begun, begun_with, come_into_force, fold, next_keys, replace, replaced, sizes,
    sleep, wait,
};
use common::{LOSS, Story};
use datacoop_policy::charter::name_witnesses;
use datacoop_policy::ledger::{Account, Debit, Ledger};
use datacoop_policy::time::AcademicYear;
use datacoop_policy::{Digest, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::bounds::{COSIGN_EVERY, COSIGN_QUIET};
use datacoop_protocol::entry::{Body, Entry, Previous, Ref};
use datacoop_protocol::fold::{Fold, Log};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::cosignature::Cosignature;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::port::{Input, Output};
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::wire::{Bytes, Cosigned, Record, Request, Section, encode};
use datacoop_protocol::witness::Witnessed;
use datacoop_sim::world::{Disk, Kept, Store};
use zeroize::Zeroizing;

/// A dataset that no version lists yet.
const LATER: &str = "later";

/// The member whose keys are replaced is gone; whoever has its keys writes for it.
fn away(story: &mut Story, span: Span) {
    story.world.away = span;
    story.world.crash_before(SITE, story.world.executed(SITE));
    story.world.input(SITE, Input::Wake);
    wait(story, Span(5_000));
}

fn push(story: &mut Story, to: usize, section: Section) {
    let bytes = encode(&Request::Push { sections: vec![section] });
    let from = story.founder(if to == 1 { 0 } else { 1 }).id;
    story.world.input(to, Input::Request { from, exchange: 98, bytes });
    wait(story, Span(1_000));
}

/// Pushes the first entry of the member's next log, which goes on from so many entries of its first, to the member
/// at `to`.
fn push_genesis(story: &mut Story, to: usize, size: u64) {
    let keys = next_keys(story);
    push_genesis_by(story, to, size, &keys);
}

/// As `push_genesis`, of the log of these keys.
fn push_genesis_by(story: &mut Story, to: usize, size: u64, keys: &Keys) {
    push_first(story, to, Some(size), keys);
}

/// As `push_genesis_by`, or of a log that goes on from none.
fn push_first(story: &mut Story, to: usize, size: Option<u64>, keys: &Keys) {
    let founder = story.founder(SITE);
    let old = &fold(story, to).logs_of(&founder.id)[0];
    let previous = size.map(|size| {
        let root = old.tree().root_at(size).unwrap();
        let head = Checkpoint { origin: old.origin.clone(), size, root };
        let (standing, _) = datacoop_protocol::standing::replay(fold(story, to), &founder.id);
        Box::new(Previous { head, ledger: standing.ledger().owed(|dataset| dataset != LATER) })
    });
    let origin = keys.public().log.name.clone();
    let log = fold(story, to).log_named(&origin).unwrap().head();
    let body = Body::Genesis {
        origin: origin.clone(),
        charter: fold(story, to).charter().id(),
        keys: Default::default(),
        proofs: Default::default(),
        previous,
    };
    let entry = Entry { at: story.world.now(), by: founder.id, seq: 0, body }.to_bytes();
    let note = sign_checkpoint(&Checkpoint { origin, size: 1, root: leaf_hash(&entry) }, keys.log());
    push(story, to, Section { log, from: 0, entries: vec![Bytes(entry)], note, proof: vec![] });
}

/// Continues the member's first log with these, by its old keys, and pushes them to the member at `to`.
fn push_old(story: &mut Story, to: usize, bodies: Vec<Body>) {
    let founder = story.founder(SITE);
    let log = &fold(story, to).logs_of(&founder.id)[0];
    let (origin, head, from, mut tree) = (log.origin.clone(), log.head(), log.size(), log.tree().clone());
    let mut entries = vec![];
    for (seq, body) in (from..).zip(bodies) {
        let entry = Entry { at: story.world.now(), by: founder.id.clone(), seq, body }.to_bytes();
        tree.push(leaf_hash(&entry));
        entries.push(Bytes(entry));
    }
    let note =
        sign_checkpoint(&Checkpoint { origin, size: tree.size(), root: tree.root() }, founder.keys().log());
    push(story, to, Section { log: head, from, entries, note, proof: vec![] });
}

/// A debit of the largest sum there is, for no question.
fn stolen_debit(story: &Story, year: u64, dataset: &str) -> Body {
    let loss = PrivacyLoss::from_nano((1 << 53) - 1);
    let account = Account { dataset: dataset.into(), year: AcademicYear(i64::try_from(year).unwrap()) };
    let debit = Debit { account, before: loss, loss, after: loss };
    let log = fold(story, 0).log(&story.founder(0).id).unwrap();
    let roster = Ref { log: log.origin.as_str().into(), index: year, leaf: Digest([7; 32]) };
    let query = Digest([u8::try_from(year % 251).unwrap(); 32]);
    Body::Debit { query, roster, nonce: [7; 32], debit }
}

fn refused(story: &Story, site: usize) -> Option<String> {
    fold(story, site).refused().map(|(_, why)| why.to_owned()).next()
}

#[test]
fn a_section_that_claims_to_begin_beyond_all_numbers_stops_nobody() {
    let mut story = replaced(110, 10 * LOSS);
    let of = |story: &Story, n: usize| fold(story, 0).logs_of(&story.founder(SITE).id)[n].head();
    for log in
        [[9; 32], of(&story, 0), of(&story, 1), fold(&story, 0).log(&story.founder(1).id).unwrap().head()]
    {
        let entries = vec![Bytes(vec![1])];
        push(&mut story, 0, Section { log, from: u64::MAX, entries, note: String::new(), proof: vec![] });
        assert!(story.world.member(0).is_some());
    }
    let asked = ask(&mut story, 0, "10").unwrap();
    assert!(story.finish(asked, MEMBERS) && story.released(asked));
}

/// Its Ledger whole, and a head from before what everybody saw it say: its questions, rosters, contributions, pauses
/// and objections would be as if they had never been.
#[test]
fn nobody_takes_back_what_its_witnesses_saw_it_say() {
    let mut story = begun(111, 10 * LOSS);
    wait(&mut story, Span(COSIGN_QUIET.0 + COSIGN_EVERY.0 + 130_000));
    away(&mut story, Span(30 * DAY.0));
    let held = sizes(&story, 0)[0];
    let keys = next_keys(&story);
    push_first(&mut story, 0, None, &keys);
    assert_eq!(sizes(&story, 0), [held, 0]);
    assert!(refused(&story, 0).unwrap().contains("a fresh Ledger"), "{:?}", refused(&story, 0));
    for size in [0, 2, held - 1] {
        push_genesis(&mut story, 0, size);
        assert_eq!(sizes(&story, 0), [held, 0], "{size}");
        let why = refused(&story, 0).unwrap();
        assert!(why.contains("witnesses cosigned"), "{why}");
    }
    // What its old keys wrote since, and a quorum of its witnesses has not seen, may be a thief's.
    let heads = |story: &Story| {
        let log = fold(story, 0).log(&story.founder(1).id).unwrap();
        vec![Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() }]
    };
    let body = Body::Head { heads: heads(&story) };
    push_old(&mut story, 0, vec![body]);
    assert_eq!(sizes(&story, 0), [held + 1, 0]);
    let changes = fold(&story, 0).changes();
    push_genesis(&mut story, 0, held);
    assert_eq!((sizes(&story, 0), refused(&story, 0)), (vec![held + 1, 1], None));
    // All was folded again. It counts on: else nobody would be pushed what is new until it counts as high as before.
    assert!(fold(&story, 0).changes() > changes);
}

/// A thief of the old keys fills the old log with what no next log could carry.
#[test]
fn a_ledger_of_anything_is_carried_over() {
    let mut story = begun(112, 10 * LOSS);
    away(&mut story, Span(14 * DAY.0 + 1_500_000));
    let debit = |n, dataset: &str| stolen_debit(&story, n, dataset);
    let known = fold(&story, 0).charter().fields().datasets[0].id.clone();
    let mut bodies = vec![debit(1, &"x".repeat(40_000)), debit(2025, &known), debit(2025, &known)];
    bodies.extend((3_000..3_300).map(|n| debit(n, &known)));
    let before = sizes(&story, 0)[0];
    for some in bodies.chunks(50) {
        push_old(&mut story, 0, some.to_vec());
    }
    wait(&mut story, Span(600_000));
    (0..2).for_each(|site| assert_eq!(sizes(&story, site)[0], before + 303));
    sleep(&mut story, Span(14 * DAY.0 + 600_000), Some(SITE));
    wait(&mut story, Span(1_600_000));
    for site in 0..MEMBERS {
        assert_eq!(sizes(&story, site), sizes(&story, SITE), "{site}: {:?}", refused(&story, site));
        assert!(sizes(&story, site)[1] >= 2, "{site}");
    }
}

/// Of a witness whose keys were replaced: whoever has the old ones speaks first, of every head.
#[test]
fn a_thief_of_a_witness_key_that_was_replaced_silences_nobody() {
    let story = begun(113, 10 * LOSS);
    let (charters, id) = (story.charters.clone(), story.founder(1).id);
    let log = fold(&story, 0).log(&id).unwrap();
    let (size, note) = log.note().unwrap();
    let checkpoint = Checkpoint { origin: log.origin.clone(), size, root: log.tree().root_at(size).unwrap() };
    let head = |n: usize| fold(&story, 0).logs_of(&story.founder(n).id)[0].head();
    let say = |witness: usize, keys: &Keys, time: u64| {
        let cosignature = Cosignature::sign(&checkpoint, time, keys.witness());
        let signature = Bytes(cosignature.signature.to_vec());
        Cosigned { log: head(1), witness: head(witness), size, note: note.to_owned(), time, signature }
    };
    let mut witnessed = Witnessed::new(&charters, &story.founder(0).id);
    let mut hear = |said: &Cosigned| witnessed.take(fold(&story, 0), said);
    let witnesses = [0, 2, 4];
    for witness in witnesses {
        assert_eq!(hear(&say(witness, &story.founder(witness).keys(), 7)), Ok(true), "{witness}");
    }
    let (old, new) = (say(SITE, &story.founder(SITE).keys(), 7), say(SITE, &next_keys(&story), 8));
    assert_eq!(hear(&old), Ok(true));
    assert_eq!(hear(&new), Ok(true), "the newest key's word counts");
    assert_eq!(hear(&old), Ok(false), "and goes on to");
    assert_eq!(hear(&new), Ok(false));
    assert_eq!(witnessed.counts(&id, 2).0, 4);
    let mut forgetful = Witnessed::new(&charters, &story.founder(0).id);
    assert_eq!(forgetful.take(fold(&story, 0), &old), Ok(true));
    let of = |witnessed: &mut Witnessed| witnessed.heard().get(&head(SITE)).copied();
    assert_ne!(of(&mut forgetful), of(&mut witnessed), "whoever heard the old one asks for the new");
}

/// Three logs in a row, of which somebody holds back one: to whoever has another of them already, it is told.
#[test]
fn of_two_logs_that_would_both_follow_the_first_the_one_that_is_left_out_is_told() {
    let mut story = begun(114, 10 * LOSS);
    away(&mut story, Span(30 * DAY.0));
    let mut founder = story.founder(SITE);
    founder.later.extend([common::rekeyed::NEXT, [78; 32]]);
    let third = founder.later_keys().pop().unwrap();
    story.amend(|draft| draft.members[SITE].keys = third.public().clone());
    story.world.away = Span(1_000);
    story.give_newest(0);
    wait(&mut story, Span(5_000));
    let held = sizes(&story, 0)[0];
    push_genesis_by(&mut story, 0, held, &third);
    assert_eq!(sizes(&story, 0), [held, 0, 1]);
    let second = next_keys(&story);
    push_genesis_by(&mut story, 0, held, &second);
    assert_eq!(sizes(&story, 0), [held, 0, 1]);
    assert!(refused(&story, 0).unwrap().contains("a later log"), "{:?}", refused(&story, 0));
}

/// What a log was taken with is not asked again of a journal: by then the charter may list what a thief made up.
#[test]
fn a_log_that_was_taken_is_taken_at_every_start() {
    let mut story = begun(115, 10 * LOSS);
    away(&mut story, Span(60 * DAY.0));
    let stolen = stolen_debit(&story, 2025, LATER);
    push_old(&mut story, 0, vec![stolen]);
    let held = sizes(&story, 0)[0];
    push_genesis(&mut story, 0, held);
    assert_eq!(sizes(&story, 0), [held, 1]);
    wait(&mut story, Span(600_000));
    story.amend(|draft| {
        let mut later = draft.datasets[0].clone();
        later.id = LATER.into();
        later.vocabularies.clear();
        draft.datasets.push(later);
    });
    story.world.away = Span(1_000);
    story.give_newest(0);
    wait(&mut story, Span(5_000));
    assert_eq!(sizes(&story, 0), [held, 1]);
}

/// Whoever hands in the second and the third log, and not the first, is held to what the second had spent.
#[test]
fn a_log_that_is_not_here_hides_nothing_between_those_that_are() {
    let mut story = begun(116, 10 * LOSS);
    let mut founder = story.founder(SITE);
    founder.later.extend([common::rekeyed::NEXT, [78; 32]]);
    let [second, third] = founder.later_keys().try_into().unwrap_or_else(|_| unreachable!());
    story.amend(|draft| draft.members[SITE].keys = third.public().clone());
    let mut audited = Fold::with_chain(story.charters.clone(), story.vocabularies());
    let mut begin = |keys: &Keys, head: Checkpoint, spent: u64| {
        let (mut ledger, origin) = (Ledger::default(), keys.public().log.name.clone());
        let dataset = story.charters[0].fields().datasets[0].id.clone();
        ledger.carry(&Account { dataset, year: AcademicYear(2025) }, PrivacyLoss::from_nano(spent));
        let body = Body::Genesis {
            origin: origin.clone(),
            charter: story.charters[0].id(),
            keys: Default::default(),
            proofs: Default::default(),
            previous: Some(Box::new(Previous { head, ledger })),
        };
        let entry = Entry { at: story.world.now(), by: founder.id.clone(), seq: 0, body }.to_bytes();
        let root = leaf_hash(&entry);
        audited.append_of(&origin, entry.into()).unwrap();
        Checkpoint { origin, size: 1, root }
    };
    let first = founder.keys().public().log.name.clone();
    let head = begin(&second, Checkpoint { origin: first, size: 7, root: Digest([7; 32]) }, 5_000_000);
    begin(&third, head, 4_999_999);
    let reports = datacoop_sim::audits::audit(&audited, &|_| None);
    let report = reports.iter().find(|report| report.origin.ends_with("/3")).unwrap();
    let check = report.checks.iter().find(|check| check.code == "A08").unwrap();
    assert!(check.outcome == Outcome::Fail && check.text.contains("had spent 5000000"), "{check:?}");
}

/// While two versions stand of which one replaces the keys, the log goes on; it ends once the other is condemned.
#[test]
fn of_two_versions_that_stand_none_begins_a_log() {
    let mut story = Story::founded(MEMBERS, 117, |draft| name_witnesses(&mut draft.members));
    story.world.asks_first = true;
    story.meet();
    let first = story.charters[0].clone();
    let right = replace(&mut story);
    story.charters.truncate(1);
    story.world.sign_charter(right.clone());
    let wrong = story.amend(|draft| (draft.limits.max_cells, draft.hash.0[0]) = (99, 7));
    story.spread();
    story.world.give_charters(1, [right.clone()]);
    story.world.give_charters(SITE, [right.clone()]);
    story.meet();
    story.world.give_charters(2, [wrong.clone()]);
    story.meet();
    wait(&mut story, Span(20_000));
    assert!(fold(&story, SITE).in_conflict() && fold(&story, SITE).charter().hash() == right.hash());
    sleep(&mut story, Span(15 * DAY.0), None);
    wait(&mut story, Span(60_000));
    assert_eq!(sizes(&story, SITE)[1], 0, "nobody knows yet which log is to be written");
    story.charters = vec![first, right];
    let third = story.amend(|draft| draft.condemns = vec![wrong.hash()]);
    story.spread();
    story.world.give_charters(1, [third]);
    story.meet();
    wait(&mut story, Span(30_000));
    sleep(&mut story, Span(15 * DAY.0), None);
    wait(&mut story, Span(60_000));
    for site in 0..MEMBERS {
        assert!(sizes(&story, site)[1] >= 2, "{site}: {:?}", sizes(&story, site));
        story.audits_clean(site);
    }
}

/// A disk that is put back, at the start after it was told so, to where it was with so many entries of the log.
struct Backup {
    disk: Disk,
    entries: usize,
    kept: Vec<Output>,
    saved: bool,
    put_back: Arc<AtomicBool>,
}

impl Store for Backup {
    fn open(&mut self) -> Result<Kept, String> {
        if self.put_back.swap(false, Ordering::Relaxed) {
            self.disk = Disk::default();
            for output in self.kept.drain(..) {
                self.disk.take(Time(0), output)?;
            }
        }
        self.disk.open()
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.disk.started(named)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it looks at a few outputs of many")]
    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        let copy = match &output {
            Output::Store(record) | Output::Keep(record) => Some(Output::Store(record.clone())),
            Output::Sign { size, note } => Some(Output::Sign { size: *size, note: note.clone() }),
            _ => None,
        };
        if !self.saved {
            self.entries += usize::from(matches!(copy, Some(Output::Store(Record::Entry(_)))));
            self.saved = self.entries == 3 && matches!(copy, Some(Output::Sign { .. }));
            self.kept.extend(copy);
        }
        self.disk.take(now, output)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        self.disk.settle(now)
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.disk.blob(hash)
    }

    fn opening(&self, id: &QueryId) -> Option<Zeroizing<Vec<u8>>> {
        self.disk.opening(id)
    }
}

/// It holds less of the first log than the second goes on from, and nothing of the second.
#[test]
fn a_folder_of_before_the_keys_were_replaced_comes_back_with_both_logs() {
    let put_back = Arc::new(AtomicBool::new(false));
    let store = Backup {
        disk: Disk::default(),
        entries: 0,
        kept: vec![],
        saved: false,
        put_back: Arc::clone(&put_back),
    };
    let mut story = begun_with(118, 10 * LOSS, |story| story.world.set_store(SITE, Box::new(store)));
    come_into_force(&mut story);
    let second = ask(&mut story, 0, "10").unwrap();
    assert!(story.finish(second, MEMBERS) && story.released(second));
    wait(&mut story, Span(200_000));
    let (held, spent) = (sizes(&story, 0), story.spent(SITE));
    assert!(held[0] > 3 && held[1] > 4 && spent == 2 * LOSS, "{held:?} {spent}");
    put_back.store(true, Ordering::Relaxed);
    story.world.away = Span(1_000);
    story.world.give_charters(SITE, []);
    wait(&mut story, Span(300_000));
    assert!(story.world.member(SITE).unwrap().starting().is_none());
    assert_eq!((sizes(&story, SITE)[0], story.spent(SITE)), (held[0], spent));
    assert!(sizes(&story, SITE)[1] >= held[1]);
    let id = story.founder(SITE).id;
    let split = |log: &Log| fold(&story, 0).split_of(&log.origin).is_some();
    assert!(!fold(&story, 0).logs_of(&id).iter().any(split), "it signed nothing twice");
    let third = ask(&mut story, 0, "11").unwrap();
    assert!(story.finish(third, MEMBERS) && story.released(third));
    assert!(story.wrote(third, SITE, Kind::Contribution));
    (0..MEMBERS).for_each(|site| story.audits_clean(site));
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}
