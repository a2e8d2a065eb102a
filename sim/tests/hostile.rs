//! A peer's bytes never panic a member, change its log or get somebody honest blamed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::limits::Limits;
use datacoop_policy::{Day, MemberId, Span, Time};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Head, Reply, Request, Section, decode, encode};
use datacoop_sim::coop::{Founder, charter_draft, textless_charter};

const VOCABULARY: &str = "id = \"exam\"\nversion = 1\ntitle = \"Results\"\ndataset = \"exam\"\nunit = \"row\"\ncolumn = [{ name = \"score\", type = \"number\" }]";

struct Victim {
    member: Member,
    now: Time,
    founders: Vec<Founder>,
}

fn victim() -> Victim {
    let seed = Seed::new([3; 32]);
    let founders: Vec<Founder> =
        (0..5).map(|n| Founder::new(&seed, n, &format!("School {n}"), 100, vec!["sim".into()])).collect();
    let vocabulary = datacoop_policy::vocabulary::Vocabulary::from_toml(VOCABULARY).unwrap();
    let hash = sha256(&[VOCABULARY.as_bytes()]);
    let today = Day::parse("2025-12-01").unwrap();
    let draft = charter_draft(&founders.iter().collect::<Vec<_>>(), (&vocabulary, hash), today);
    let charter = textless_charter(draft).unwrap();
    let now = today.start();
    let start = Start {
        entropy: seed.derive("victim"),
        keys: founders[0].keys(),
        settings: Settings {
            me: founders[0].id.clone(),
            limits: Some(Limits::top()),
            declared: BTreeSet::from(["exam".to_owned()]),
            answer_grid: Span(0),
        },
        charter_note: charter.hash(),
        charter,
        vocabularies: BTreeMap::from([(hash, Arc::new(vocabulary))]),
        records: vec![],
        last_signed: None,
        secrets: BTreeMap::new(),
        held: BTreeSet::new(),
    };
    let mut member = Member::restore(now, start).unwrap();
    while member.poll_output().is_some() {}
    Victim { member, now, founders }
}

impl Victim {
    /// Sends a frame as founder 1; the reply and the faults that were told.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks two outputs out of many")]
    fn send(&mut self, bytes: Vec<u8>) -> (Option<Reply>, Vec<String>) {
        self.now = self.now + Span(1);
        let from = self.founders[1].id.clone();
        self.member.handle_input(self.now, Input::Request { from, exchange: 1, bytes });
        let (mut reply, mut faults) = (None, vec![]);
        while let Some(output) = self.member.poll_output() {
            match output {
                Output::Reply { bytes, .. } => reply = decode(&bytes).ok(),
                Output::Tell(Event::Fault(who, what)) => faults.push(format!("{who}: {what}")),
                _ => {}
            }
        }
        (reply, faults)
    }

    /// A push of one log by founder `author`, signed by founder `signer`.
    fn push(&mut self, author: usize, signer: usize, entries: &[Vec<u8>]) -> (Option<Reply>, Vec<String>) {
        let origin = self.founders[author].keys().public().log.name.clone();
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let head = Checkpoint { origin: origin.clone(), size: entries.len() as u64, root: tree.root() };
        let note = sign_checkpoint(&head, self.founders[signer].keys().log());
        let section = Section {
            log: sha256(&[origin.as_bytes()]).0,
            from: 0,
            entries: entries.iter().cloned().map(Bytes).collect(),
            note,
            proof: vec![],
        };
        self.send(encode(&Request::Push { sections: vec![section] }))
    }

    fn size(&self, of: usize) -> u64 {
        self.member.fold().log(&self.founders[of].id).unwrap().size()
    }
}

fn entry(by: &MemberId, seq: u64, at: Time, code: &str) -> Vec<u8> {
    let body = Body::Abort { query: sha256(&[b"no such query"]), code: code.into() };
    Entry { at, by: by.clone(), seq, body }.to_bytes()
}

#[test]
fn garbage_is_answered_counted_and_changes_nothing() {
    let mut victim = victim();
    let before = victim.size(0);
    for bytes in [vec![], vec![0], vec![0xff; 100], vec![0; 70_000], b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let (reply, faults) = victim.send(bytes);
        assert_eq!(reply, Some(Reply::Incompatible));
        assert_eq!(faults.len(), 1);
    }
    assert_eq!(victim.size(0), before);
    assert_eq!(victim.member.fold().logs().map(|log| log.size()).sum::<u64>(), before);
}

#[test]
fn every_changed_bit_of_a_push_is_refused_or_changes_nothing() {
    let mut victim = victim();
    let (author, now) = (victim.founders[1].id.clone(), victim.now);
    let entries = [entry(&author, 0, now, "a"), entry(&author, 1, now, "b")];
    let origin = victim.founders[1].keys().public().log.name.clone();
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let head = Checkpoint { origin: origin.clone(), size: 2, root: tree.root() };
    let section = Section {
        log: sha256(&[origin.as_bytes()]).0,
        from: 0,
        entries: entries.iter().cloned().map(Bytes).collect(),
        note: sign_checkpoint(&head, victim.founders[1].keys().log()),
        proof: vec![],
    };
    let good = encode(&Request::Push { sections: vec![section] });
    for at in 0..good.len() {
        for bit in [0, 7] {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            victim.send(bad);
            assert_eq!(victim.size(1), 0, "byte {at}");
        }
    }
    let (reply, faults) = victim.send(good);
    assert!(matches!(reply, Some(Reply::Took { .. })) && faults.is_empty());
    assert_eq!(victim.size(1), 2);
}

#[test]
fn a_log_counts_only_under_its_own_key_and_author() {
    let mut victim = victim();
    let (one, two, now) = (victim.founders[1].id.clone(), victim.founders[2].id.clone(), victim.now);
    // Signed by another member's log key.
    let (_, faults) = victim.push(2, 1, &[entry(&two, 0, now, "a")]);
    assert_eq!((victim.size(2), faults.len()), (0, 1));
    // Another member's entry copied into one's own log: a leaf that counts for nothing, and an end.
    victim.push(1, 1, &[entry(&two, 0, now, "a")]);
    assert_eq!(victim.member.fold().log(&one).unwrap().malformed(), Some(0));
    assert!(victim.member.fold().rounds().is_empty());
    // Our own log is ours alone.
    let me = victim.founders[0].id.clone();
    let before = victim.size(0);
    victim.push(0, 0, &[entry(&me, 0, now, "a"), entry(&me, 1, now, "b"), entry(&me, 2, now, "c")]);
    assert_eq!(victim.size(0), before);
}

#[test]
fn a_rewritten_log_is_told_as_a_split_view() {
    let mut victim = victim();
    let (one, now) = (victim.founders[1].id.clone(), victim.now);
    victim.push(1, 1, &[entry(&one, 0, now, "a")]);
    assert_eq!(victim.size(1), 1);
    let rewritten = [entry(&one, 0, now, "z"), entry(&one, 1, now, "b")];
    let (_, faults) = victim.push(1, 1, &rewritten);
    assert_eq!(victim.size(1), 1, "what is held stands");
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn blobs_that_no_entry_names_are_refused() {
    let mut victim = victim();
    let hash = sha256(&[b"x"]).0;
    for (total, offset) in [(1, 0), (u64::MAX, 0), (1, u64::MAX), (0, 0)] {
        let put = Request::BlobPut { hash, total, offset, bytes: Bytes(b"x".to_vec()) };
        assert_eq!(victim.send(encode(&put)).0, Some(Reply::Refused));
    }
    assert_eq!(victim.send(encode(&Request::BlobGet { hash, offset: u64::MAX })).0, Some(Reply::Absent));
    let have = vec![Head { log: [9; 32], size: u64::MAX, root: [0; 32] }];
    assert!(matches!(victim.send(encode(&Request::Pull { have })).0, Some(Reply::Sections { .. })));
}

#[test]
fn a_flood_of_made_up_rounds_is_not_stepped() {
    let mut victim = victim();
    let (one, now) = (victim.founders[1].id.clone(), victim.now);
    let entries: Vec<Vec<u8>> = (0..2_000u64)
        .map(|seq| {
            let body = Body::Abort { query: sha256(&[&seq.to_le_bytes()]), code: "x".into() };
            Entry { at: now, by: one.clone(), seq, body }.to_bytes()
        })
        .collect();
    victim.push(1, 1, &entries);
    assert_eq!(victim.size(1), 2_000);
    assert_eq!(victim.member.poll_timeout().map(|(_, what)| what), Some("redial"), "no round has a deadline");
}
