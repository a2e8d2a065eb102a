//! A peer's bytes never panic a member, change its log or get somebody honest blamed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::{Day, MemberId, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::checked::Checked;
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody};
use datacoop_protocol::fold::SplitView;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{BlobPiece, Bytes, Head, Record, Reply, Request, Section, decode, encode};
use datacoop_sim::coop::{Founder, charter_draft, textless_charter};

const VOCABULARY: &str = "id = \"exam\"\nversion = 1\ntitle = \"Results\"\ndataset = \"exam\"\nunit = \"row\"\ncolumn = [{ name = \"score\", type = \"number\" }]";

struct Victim {
    member: Member,
    now: Time,
    founders: Vec<Founder>,
    splits: Vec<SplitView>,
    halted: bool,
    kept: Vec<Section>,
    /// Of the last input.
    outputs: usize,
}

fn victim() -> Victim {
    started(false)
}

/// A node with an empty folder that others may know more of.
fn starting() -> Victim {
    started(true)
}

fn started(asks_first: bool) -> Victim {
    let seed = Seed::new([3; 32]);
    let founders: Vec<Founder> =
        (0..5).map(|n| Founder::new(&seed, n, &format!("School {n}"), 100, vec!["sim".into()])).collect();
    let vocabulary = datacoop_policy::vocabulary::Vocabulary::from_toml(VOCABULARY).unwrap();
    let hash = sha256(&[VOCABULARY.as_bytes()]);
    let today = Day::parse("2025-12-01").unwrap();
    let draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
    let charter = textless_charter(draft).unwrap();
    let now = today.start();
    let start = Start {
        entropy: seed.derive("victim"),
        keys: founders[0].keys(),
        later_keys: vec![],
        carried: Ledger::default(),
        ended: None,
        settings: Settings {
            me: founders[0].id.clone(),
            limits: Some(Limits::top()),
            inbox: InboxRules::default(),
            declared: BTreeSet::from(["exam".to_owned()]),
            answer_grid: Span(0),
            asks_first,
            pull_every: datacoop_protocol::bounds::PULL_EVERY,
        },
        charters: vec![(charter.clone(), charter.hash())],
        rivals: BTreeMap::new(),
        vocabularies: BTreeMap::from([(hash, Arc::new(vocabulary))]),
        records: vec![],
        last_signed: None,
        secrets: BTreeMap::new(),
        openings: BTreeSet::new(),
        held: BTreeSet::new(),
        checked: Checked::default(),
    };
    let mut member = Member::restore(now, start).unwrap();
    while member.poll_output().is_some() {}
    Victim { member, now, founders, splits: vec![], halted: false, kept: vec![], outputs: 0 }
}

impl Victim {
    /// Sends a frame as founder 1; the reply and the faults that were told.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks two outputs out of many")]
    fn send(&mut self, bytes: Vec<u8>) -> (Option<Reply>, Vec<String>) {
        self.now = self.now + Span(1);
        let from = self.founders[1].id.clone();
        self.member.handle_input(self.now, Input::Request { from, exchange: 1, bytes });
        let (mut reply, mut faults) = (None, vec![]);
        self.outputs = 0;
        while let Some(output) = self.member.poll_output() {
            self.outputs += 1;
            match output {
                Output::Reply { bytes, .. } => reply = decode(&bytes).ok(),
                Output::Tell(Event::Fault(who, what)) => faults.push(format!("{who}: {what}")),
                Output::Tell(Event::SplitView(split)) => self.splits.push(split),
                Output::Tell(Event::Halted(_)) => self.halted = true,
                Output::Keep(Record::Copied(section)) => self.kept.push(section),
                _ => {}
            }
        }
        (reply, faults)
    }

    /// A section of the whole log of founder `author`, signed by founder `signer`.
    fn section(&self, author: usize, signer: usize, entries: &[Vec<u8>]) -> Section {
        let origin = self.founders[author].keys().public().log.name.clone();
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let head = Checkpoint { origin: origin.clone(), size: entries.len() as u64, root: tree.root() };
        Section {
            log: sha256(&[origin.as_bytes()]).0,
            from: 0,
            entries: entries.iter().cloned().map(Bytes).collect(),
            note: sign_checkpoint(&head, self.founders[signer].keys().log()),
            proof: vec![],
        }
    }

    fn push_section(&mut self, section: Section) -> (Option<Reply>, Vec<String>) {
        self.send(encode(&Request::Push { sections: vec![section] }))
    }

    /// A push of one log by founder `author`, signed by founder `signer`.
    fn push(&mut self, author: usize, signer: usize, entries: &[Vec<u8>]) -> (Option<Reply>, Vec<String>) {
        let section = self.section(author, signer, entries);
        self.push_section(section)
    }

    /// It hears of two others, which is enough to know that it is not cut off.
    fn hears_of_others(&mut self) {
        for author in [3, 4] {
            let origin = self.founders[author].keys().public().log.name.clone();
            let (keys, proofs) = (BTreeMap::new(), BTreeMap::new());
            let body = Body::Genesis {
                origin,
                charter: self.member.fold().charter().id(),
                keys,
                proofs,
                previous: None,
            };
            let by = self.founders[author].id.clone();
            self.push(author, author, &[Entry { at: self.now, by, seq: 0, body }.to_bytes()]);
        }
    }

    /// Founder 1 connects, and answers the pull: it knows nothing more.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks one output out of many")]
    fn is_told_all(&mut self) {
        let from = self.founders[1].id.clone();
        self.now = self.now + Span(120_000);
        self.member.handle_input(self.now, Input::Connected(from.clone()));
        let mut asked = None;
        while let Some(output) = self.member.poll_output() {
            match output {
                Output::Request { to, exchange, .. } if to == from => asked = asked.or(Some(exchange)),
                _ => {}
            }
        }
        let bytes = encode(&Reply::Sections { sections: vec![], cosigned: vec![], more: false });
        let exchange = asked.unwrap();
        self.member.handle_input(self.now, Input::Reply { from, exchange, bytes });
        while self.member.poll_output().is_some() {}
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

/// Two histories of one log, both signed by its owner: proven, and whoever passes them on is not
/// to blame.
#[test]
fn a_rewritten_log_is_told_as_a_split_view() {
    for rewritten in [1, 2] {
        let mut victim = victim();
        let (two, now) = (victim.founders[2].id.clone(), victim.now);
        victim.push(2, 2, &[entry(&two, 0, now, "a")]);
        let entries: Vec<Vec<u8>> = (0..rewritten).map(|seq| entry(&two, seq, now, "z")).collect();
        let (_, faults) = victim.push(2, 2, &entries);
        assert_eq!(victim.size(2), 1, "what is held stands");
        assert_eq!(faults, Vec::<String>::new(), "the relay only passed it on");
        let [split] = victim.splits.as_slice() else { panic!("one proof: {:?}", victim.splits) };
        assert_eq!(split.member, two);
        let log = victim.member.fold().log(&two).unwrap();
        split.evidence.check(&log.origin, &log.key()).unwrap();
        assert_eq!(victim.member.fold().split(&two).map(|(at, _)| at.index), Some(2), "an alert");
    }
}

#[test]
fn entries_made_up_on_the_way_are_their_senders_fault() {
    let mut victim = victim();
    let (two, now) = (victim.founders[2].id.clone(), victim.now);
    let honest = [entry(&two, 0, now, "a"), entry(&two, 1, now, "b")];
    let mut tampered = victim.section(2, 2, &honest);
    tampered.entries[1] = Bytes(entry(&two, 1, now, "z"));
    let (_, faults) = victim.push_section(tampered);
    assert_eq!((victim.size(2), faults.len(), victim.splits.len()), (0, 1, 0));
}

/// Of a peer with another history the heads differ at one size: it is sent ours from the first entry,
/// which is the proof.
#[test]
fn a_peer_with_another_history_is_shown_ours() {
    let mut victim = victim();
    let (two, now) = (victim.founders[2].id.clone(), victim.now);
    victim.push(2, 2, &[entry(&two, 0, now, "a")]);
    let log = victim.section(2, 2, &[]).log;
    let ask =
        |root: [u8; 32]| encode(&Request::Pull { have: vec![Head { log, size: 1, root }], heard: vec![] });
    let of_two = |reply: Option<Reply>| {
        let Some(Reply::Sections { sections, .. }) = reply else { panic!("sections") };
        sections.into_iter().filter(|section| section.log == log).count()
    };
    let root = victim.member.fold().log(&two).unwrap().tree().root().0;
    assert_eq!(of_two(victim.send(ask(root)).0), 0, "equal heads need nothing");
    assert_eq!(of_two(victim.send(ask([1; 32])).0), 1);
}

/// One member's log must not keep the others' from being passed on, nor fill the journal.
#[test]
fn nothing_that_could_not_be_passed_on_is_taken() {
    let mut victim = victim();
    let (two, now) = (victim.founders[2].id.clone(), victim.now);
    let (_, faults) = victim.push(2, 2, &[vec![b'x'; 65_536]]);
    assert_eq!((victim.size(2), faults.len()), (0, 1), "an entry longer than an entry may be");
    let mut padded = victim.section(2, 2, &[entry(&two, 0, now, "a")]);
    let line = padded.note.lines().last().unwrap().replace("m003.demo", "x.example");
    padded.note += &format!("{line}\n");
    let (_, faults) = victim.push_section(padded);
    assert_eq!((victim.size(2), faults.len()), (0, 1), "a head with a line that is not its log's");
    // Of a section that begins with what is held, the journal keeps what is new.
    victim.push(2, 2, &[entry(&two, 0, now, "a")]);
    victim.push(2, 2, &[entry(&two, 0, now, "a"), entry(&two, 1, now, "b")]);
    let kept: Vec<(u64, usize)> = victim.kept.iter().map(|s| (s.from, s.entries.len())).collect();
    assert_eq!(kept, [(0, 1), (1, 1)]);
}

/// A later head of our own log, signed by us: we are the old copy, and say nothing more.
#[test]
fn an_old_copy_of_a_node_stops_when_it_is_shown_its_own_future() {
    let mut victim = victim();
    let (me, now) = (victim.founders[0].id.clone(), victim.now);
    let section = victim.section(0, 0, &[entry(&me, 0, now, "a"), entry(&me, 1, now, "b")]);
    victim.push_section(section);
    assert!(victim.halted);
    victim.send(encode(&Request::Pull { have: vec![], heard: vec![] }));
    assert_eq!(victim.outputs, 0, "nothing is said or signed any more");
}

#[test]
fn a_log_of_a_newer_program_is_kept_and_read_as_far_as_we_can() {
    let mut victim = victim();
    let (two, now) = (victim.founders[2].id.clone(), victim.now);
    let plain = String::from_utf8(entry(&two, 0, now, "a")).unwrap();
    let unknown = plain.replace("\"abort\"", "\"parade\"");
    let malformed = plain.replace("\"seq\":0", "\"seq\":7");
    let newer = plain.replace("\"v\":1", "\"v\":2");
    let entries = [unknown, malformed, newer].map(String::into_bytes);
    victim.push(2, 2, &entries);
    let log = victim.member.fold().log(&two).unwrap();
    assert_eq!((log.size(), log.malformed(), log.stopped()), (3, Some(1), Some(2)));
}

/// Sixteen faults, and a peer is not listened to until ten minutes have passed, however often it
/// comes back.
#[test]
fn a_peer_that_misbehaves_is_hung_up_on_and_stays_so_for_a_while() {
    let mut victim = victim();
    let peer = victim.founders[1].id.clone();
    let connect = |victim: &mut Victim| {
        victim.member.handle_input(victim.now, Input::Connected(peer.clone()));
        let mut hung_up = false;
        while let Some(output) = victim.member.poll_output() {
            hung_up |= matches!(output, Output::Hangup(_));
        }
        hung_up
    };
    assert!(!connect(&mut victim));
    (0..16).for_each(|_| drop(victim.send(vec![0xff; 9])));
    victim.member.handle_input(victim.now, Input::Disconnected(peer.clone()));
    assert!(connect(&mut victim));
    victim.now = victim.now + Span(600_000);
    assert!(!connect(&mut victim), "then it may have been mended");
}

/// A Query entry of any content, by anyone, makes no member panic, and one by a member that may not
/// ask gets no answer at all.
#[test]
fn absurd_questions_are_refused_or_ignored() {
    let mut victim = victim();
    victim.hears_of_others();
    let (one, now) = (victim.founders[1].id.clone(), victim.now);
    let own = victim.size(0);
    let question = |clamp: &str, sql: &str| {
        format!(
            "{{\"figure\":{{\"kind\":\"count\",\"of\":\"n\"}},\"id\":\"q\",\"loss\":1,\"matters\":\"1\",\"measure\":[{{\"clamp\":{clamp},\"name\":\"n\",\"resolution\":1,\"sql\":\"{sql}\"}}],\"title\":\"t\",\"version\":1,\"vocabulary\":\"exam/1\"}}"
        )
    };
    let nested = format!("{}score{}", "ABS(".repeat(30), ")".repeat(30));
    let texts = [
        question("[\"-9223372036854775808\",\"5\"]", "1"),
        question("[-9007199254740991,9007199254740991]", "1"),
        question("[0,1]", &nested),
        question("[0,1]", "1/0"),
    ];
    let charter = victim.member.fold().charter().hash();
    let query = |seq: u64, question: &str| {
        let body = QueryBody {
            question: datacoop_protocol::json::parse(question.as_bytes()).unwrap(),
            params: BTreeMap::new(),
            period: Period::parse("2025-09-01..2025-12-19").unwrap(),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(5_000_000),
            mode: Mode::Secure,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: now + Span(20_000),
            contribute_by: now + Span(40_000),
            close_by: now + Span(60_000),
            charter,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        };
        Entry { at: now, by: one.clone(), seq, body: Body::Query(Box::new(body)) }.to_bytes()
    };
    let entries: Vec<Vec<u8>> = texts.iter().zip(0..).map(|(text, seq)| query(seq, text)).collect();
    victim.push(1, 1, &entries);
    assert_eq!(victim.size(1), 4);
    let verdicts = victim.size(0) - own;
    assert_eq!(verdicts, 4, "each got one verdict");
}

#[test]
fn blobs_that_no_entry_names_are_refused() {
    let mut victim = victim();
    let hash = sha256(&[b"x"]).0;
    for (total, offset) in [(1, 0), (u64::MAX, 0), (1, u64::MAX), (0, 0)] {
        let piece = BlobPiece { hash, total, offset, bytes: Bytes(b"x".to_vec()) };
        let put = Request::BlobPut { pieces: vec![piece] };
        assert_eq!(victim.send(encode(&put)).0, Some(Reply::Stored { held: vec![None] }));
    }
    assert_eq!(victim.send(encode(&Request::BlobGet { hash, offset: u64::MAX })).0, Some(Reply::Absent));
    let have = vec![Head { log: [9; 32], size: u64::MAX, root: [0; 32] }];
    assert!(matches!(
        victim.send(encode(&Request::Pull { have, heard: vec![] })).0,
        Some(Reply::Sections { .. })
    ));
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

/// Junk under a true head of our own stops no start; and while that head goes beyond what we hold, whoever
/// says that there is no more opens nothing.
#[test]
fn a_start_that_was_shown_its_own_later_head_waits_for_what_lies_under_it() {
    let mut victim = starting();
    let (me, now) = (victim.founders[0].id.clone(), victim.now);
    let whole = [entry(&me, 0, now, "a"), entry(&me, 1, now, "b"), entry(&me, 2, now, "c")];
    let section = victim.section(0, 0, &whole);
    let mut junk = section.clone();
    junk.entries[2] = Bytes(entry(&me, 2, now, "z"));
    let (_, faults) = victim.push_section(junk);
    assert_eq!((victim.size(0), faults.len(), victim.halted), (0, 1, false));
    let mut gap = section.clone();
    gap.from = 7;
    victim.push_section(gap);
    victim.is_told_all();
    assert_eq!((victim.size(0), victim.halted), (0, false), "nothing is begun");
    victim.push_section(section);
    victim.is_told_all();
    assert_eq!((victim.size(0), victim.halted), (4, false), "it goes on from there, and says its charter");
    // From here on another of its own heads is its own future.
    let mut later = whole.to_vec();
    later.push(entry(&me, 3, now, "d"));
    victim.push(0, 0, &later);
    assert!(victim.halted);
}

/// With nothing known of it anywhere, a log begins once somebody said so.
#[test]
fn a_new_log_begins_once_another_member_knows_of_none() {
    let mut victim = starting();
    assert_eq!(victim.size(0), 0);
    victim.is_told_all();
    assert_eq!(victim.size(0), 2);
}
