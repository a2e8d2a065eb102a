//! Finished rounds with their certificates, and certificates taken apart and put together otherwise: what a
//! seller of false ones would do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, CharterDraft, Role};
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::acts::Act;
use datacoop_protocol::certificate::{HEADER, NotCertified, finish, gather};
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody, Ref};
use datacoop_protocol::fold::{Fold, Log, question_value};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::cosignature::{Cosignature, policy_text, witness_keys};
use datacoop_protocol::log::note::{Checkpoint, KIND_ED25519, sign_checkpoint, vkey};
use datacoop_protocol::log::proof::TlogProof;
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::log::tree::{leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, member_id, vocabularies};
use datacoop_sim::world::World;

use crate::foreign::put;

/// The Vocabulary of the Question.
pub const VOCABULARY: &str = r#"
id = "exam"
version = 1
title = "Results"
dataset = "exam"
unit = "row"
column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]
"#;
const QUESTION: &str = r#"
id = "how-many"
version = 1
title = "How many?"
vocabulary = "exam/1"
figure = { kind = "count", of = "n" }
loss = 5_000_000
matters = "10"
cannot_tell = ["why"]
measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
by = [{ column = "sex", cells = ["F", "M"] }]"#;

/// Who takes part, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// Members.
    pub members: usize,
    /// Secure or full noise.
    pub mode: Mode,
    /// Witnesses that the charter names for each log.
    pub witnesses: usize,
    /// A different number for each co-operative: its keys follow from it.
    pub seed: u8,
}

/// What the members of a finished round hold.
#[derive(Clone)]
pub struct Story {
    /// Who took part.
    pub scene: Scene,
    /// The charter, signed by all.
    pub charter_note: String,
    /// The charter.
    pub charter: Arc<Charter>,
    /// The Query of each round, in the order asked.
    pub queries: Vec<QueryId>,
    /// Each member's log, entry by entry.
    pub logs: Vec<Vec<Entry>>,
    /// Sealed shares and verifier shares that were sent.
    pub blobs: Vec<Vec<u8>>,
}

fn founders(scene: Scene) -> Vec<Founder> {
    let seed = Seed::new([scene.seed; 32]);
    let addresses = |n: usize| if n < 2 { vec![format!("/ip4/127.0.0.1/tcp/{}", n + 1)] } else { vec![] };
    let founder = |n: usize| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n));
    (0..scene.members).map(founder).collect()
}

/// Places of the witnesses of a log: those that come after its owner.
fn witnesses_of(scene: Scene, n: usize) -> impl Iterator<Item = usize> {
    (1..=scene.witnesses).map(move |k| (n + k) % scene.members)
}

fn query(scene: Scene, charter: Digest, now: Time, round: i64) -> QueryBody {
    let first = Day::parse("2025-09-01").expect("a day");
    let secure = scene.mode == Mode::Secure;
    QueryBody {
        question: question_value(&QuestionDraft::from_toml(QUESTION).expect("a question"))
            .expect("canonical"),
        params: BTreeMap::new(),
        period: Period::new(first, Day(first.0 + 90 + round)).expect("a period"),
        vocabulary: "exam/1".into(),
        purpose: "demo".into(),
        lay: Lay { why: "To see\nfigure: all, count: 1000000".into(), ..Lay::default() },
        loss: PrivacyLoss::from_nano(5_000_000),
        mode: scene.mode,
        assumed: Assumptions::FLOOR,
        min_roster: if secure { 5 } else { 3 },
        join_by: now + Span(20_000),
        contribute_by: now + Span(40_000),
        close_by: now + Span(60_000),
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    }
}

impl Story {
    /// Runs so many rounds of different periods among simulated members, one after the other.
    pub fn tell(scene: Scene, rounds: usize) -> Self {
        Self::tell_with(scene, rounds, &|_| ())
    }

    /// As `tell`, under a charter that was changed before it was signed. Where the last member, which asks, is
    /// then no coordinator, the first lets it.
    pub fn tell_with(scene: Scene, rounds: usize, change: &dyn Fn(&mut CharterDraft)) -> Self {
        let vocabulary = Vocabulary::from_toml(VOCABULARY).expect("a vocabulary");
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let today = Day::parse("2025-12-01").expect("a day");
        let founders = founders(scene);
        let mut draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
        for (n, member) in draft.members.iter_mut().enumerate() {
            member.witnesses = witnesses_of(scene, n).map(member_id).collect();
        }
        change(&mut draft);
        let text = charter_toml(&draft);
        // The last signs first: a certificate has one order of signatures, whatever the note's.
        let sign =
            |note: String, founder: &Founder| sign_charter(&note, None, &founder.keys()).expect("signed");
        let charter_note = founders.iter().rev().fold(text.clone(), sign);
        let charter = Arc::new(parse_charter(&text).expect("a charter"));
        let now = today.start() + Span(36_000_000);
        let tabulate = Arc::new(|_: &MemberId, _: &_| vec![100, 50]);
        let mut world = World::new(
            Seed::new([scene.seed ^ 0xff; 32]),
            now,
            founders,
            charter.clone(),
            vocabularies(&vocabulary, hash),
            tabulate,
        );
        let met = world.now() + Span(2_000);
        world.run_until(met);
        if charter.member(&member_id(scene.members - 1)).is_some_and(|asker| !asker.has(Role::Coordinator)) {
            delegate(&mut world, &charter, scene.members - 1);
        }
        let mut queries = vec![];
        for round in 0..rounds {
            let now = Time::from_seconds(world.now().seconds());
            let query = query(scene, charter.hash(), now, i64::try_from(round).expect("few"));
            world.input(scene.members - 1, Input::Ask { command: round as u64, query: Box::new(query) });
            let until = world.now() + Span(120_000);
            let all = scene.members * (round + 1);
            let released = |world: &World| {
                world.events.iter().filter(|(_, event)| matches!(event, Event::Released(_))).count() == all
            };
            assert!(world.run_while(until, |world| !released(world)), "{:?}", world.events);
            let last = world.events.iter().rev().find_map(|(_, event)| {
                let Event::Released(id) = event else { return None };
                Some(*id)
            });
            queries.extend(last);
        }
        Self { scene, charter_note, charter, queries, logs: logs(&world, scene), blobs: blobs(&world) }
    }

    /// A member's keys.
    pub fn keys(&self, n: usize) -> Keys {
        founders(self.scene)[n].keys()
    }

    /// The charter's fingerprint.
    pub fn fingerprint(&self) -> String {
        self.charter.id().to_string()
    }

    /// What a node that holds these logs knows: each with a head that its owner signed and these witnesses, by
    /// their place in the charter's list, cosigned.
    pub fn fold(&self, cosigned_by: &[usize]) -> (Fold, BTreeMap<MemberId, String>) {
        let vocabulary = Vocabulary::from_toml(VOCABULARY).expect("a vocabulary");
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let mut fold = Fold::new(self.charter.clone(), vocabularies(&vocabulary, hash));
        let mut heads = BTreeMap::new();
        for (n, entries) in self.logs.iter().enumerate() {
            let member = member_id(n);
            entries.iter().for_each(|entry| {
                fold.append(&member, Arc::from(entry.to_bytes()));
            });
            let log = fold.log(&member).expect("a member");
            let (size, origin, root) = (log.size(), log.origin.clone(), log.tree().root());
            let head = Checkpoint { origin, size, root };
            let mut note = sign_checkpoint(&head, self.keys(n).log());
            fold.set_note(&member, size, note.clone());
            let keys = witness_keys(&self.charter, &member);
            for (at, witness) in
                witnesses_of(self.scene, n).enumerate().filter(|(at, _)| cosigned_by.contains(at))
            {
                let cosignature = Cosignature::sign(&head, 1_764_600_000, self.keys(witness).witness());
                // The newest line first: a certificate has one order of cosignatures too.
                let at_lines = note.rfind("\n\n").expect("a note") + 2;
                note.insert_str(at_lines, &cosignature.line(&keys[at]));
            }
            heads.insert(member, note);
        }
        (fold, heads)
    }

    /// Writes a member's log as its node exports it, with the cosignatures of these witnesses.
    pub fn write_export(&self, n: usize, cosigned_by: &[usize], folder: &Path) {
        let (fold, heads) = self.fold(cosigned_by);
        let (id, key) = (member_id(n), self.keys(n).public().log.clone());
        let log = fold.log(&id).expect("a member");
        for (name, bytes) in hash_tiles(log.tree()).into_iter().chain(entry_bundles(log.entries())) {
            put(folder, &name, &bytes);
        }
        let lines: Vec<u8> = log.entries().iter().flat_map(|e| e.iter().copied().chain([b'\n'])).collect();
        put(folder, "entries.jsonl", &lines);
        put(folder, "log.vkey", format!("{}\n", vkey(&key, KIND_ED25519)).as_bytes());
        put(folder, "policy", policy_text(&self.charter, &id).expect("a member").as_bytes());
        put(folder, "charter/1.note", self.charter_note.as_bytes());
        put(folder, "checkpoint", heads[&id].as_bytes());
        for blob in self.blobs.iter().map(Vec::as_slice).chain([VOCABULARY.as_bytes()]) {
            put(folder, &format!("blobs/{}", sha256(&[blob])), blob);
        }
    }

    /// The certificate of a round's Release, as an honest node writes it, with every witness's cosignature.
    pub fn certificate(&self, round: usize) -> String {
        let all: Vec<usize> = (0..self.scene.witnesses).collect();
        self.certify(round, &all).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The certificate of a round's Release with the cosignatures of these witnesses of each log.
    pub fn certify(&self, round: usize, cosigned_by: &[usize]) -> Result<String, NotCertified> {
        let (fold, heads) = self.fold(cosigned_by);
        let round = fold.round(&self.queries[round]).expect("the round").clone();
        let vocabulary = |_: &Digest| Some(VOCABULARY.to_owned());
        let head = |log: &Log| Some((log.size(), heads.get(&log.member)?.clone()));
        finish(&gather(&fold, &round, std::slice::from_ref(&self.charter_note), &vocabulary, &head)?)
    }

    /// The first entry of a kind in a round, by anybody: whose, and where.
    pub fn find(&self, round: usize, kind: &str) -> (usize, usize) {
        let of = |entry: &Entry| entry.body.query() == Some(self.queries[round]) && entry.body.kind() == kind;
        let found = self.logs.iter().enumerate().find_map(|(n, log)| Some((n, log.iter().position(of)?)));
        found.unwrap_or_else(|| panic!("nobody wrote a {kind}"))
    }

    /// A certificate with the entries of these logs, signed anew by their owners, in place of its own: what a
    /// member makes of it that signs whatever it likes.
    pub fn resigned(&self, certificate: &str) -> String {
        let all: Vec<usize> = (0..self.scene.witnesses).collect();
        let (fold, heads) = self.fold(&all);
        let mut parts = Parts::of(certificate);
        for at in 0..parts.0.len() {
            let (name, text) = parts.0[at].clone();
            let Some(of) = name.strip_prefix("entry/") else { continue };
            let entry = Entry::parse(text.trim_end().as_bytes()).expect("an entry");
            let log = fold.log(&entry.by).expect("a member");
            let hashes = log.tree().inclusion_proof(entry.seq, log.size()).expect("a proof");
            let stands = &log.entries()[usize::try_from(entry.seq).expect("few")];
            let proof = TlogProof { index: entry.seq, hashes, note: heads[&entry.by].clone() };
            parts.0[at].1 = format!("{}\n", String::from_utf8(stands.to_vec()).expect("text"));
            parts.set(&format!("proof/{of}"), &proof.text());
        }
        parts.text()
    }
}

/// The first member lets another ask for a day.
fn delegate(world: &mut World, charter: &Charter, to: usize) {
    let act = Act::Delegation {
        audience: member_id(to),
        limits: Box::new(Limits::top()),
        until: Time::from_seconds(world.now().seconds()) + Span(86_400_000),
        charter: charter.hash(),
    };
    world.input(0, Input::Act { command: u64::MAX, act: Box::new(act), text: None });
    world.run_until(world.now() + Span(2_000));
    assert!(world.events.iter().any(|(_, event)| matches!(event, Event::Acted { .. })), "{:?}", world.events);
}

fn logs(world: &World, scene: Scene) -> Vec<Vec<Entry>> {
    let log = |n: usize| {
        let member = world.member(n).expect("a site");
        let log = member.fold().log(member.me()).expect("its own log");
        log.entries().iter().map(|entry| Entry::parse(entry).expect("an entry")).collect()
    };
    (0..scene.members).map(log).collect()
}

fn blobs(world: &World) -> Vec<Vec<u8>> {
    use datacoop_protocol::wire::{Request, decode};
    let pieces = world.frames.iter().filter_map(|frame| match decode::<Request>(frame) {
        Ok(Request::BlobPut { pieces }) => Some(pieces),
        _ => None,
    });
    pieces.flatten().map(|piece| piece.bytes.0).collect()
}

/// A certificate's parts by name, to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts(pub Vec<(String, String)>);

impl Parts {
    /// Takes a good certificate apart.
    pub fn of(certificate: &str) -> Self {
        let mut rest = certificate.strip_prefix(HEADER).expect("a certificate");
        let mut parts = vec![];
        while let Some((head, after)) = rest.strip_prefix("--- ").and_then(|rest| rest.split_once('\n')) {
            let (name, length) = head.split_once(' ').expect("a head");
            let (part, next) = after.split_at(length.parse().expect("a length"));
            parts.push((name.to_owned(), part.to_owned()));
            rest = next;
        }
        assert!(rest.is_empty(), "{rest}");
        Self(parts)
    }

    /// Puts them together.
    pub fn text(&self) -> String {
        self.0.iter().fold(HEADER.to_owned(), |mut text, (name, part)| {
            write!(text, "--- {name} {}\n{part}", part.len()).expect("a string");
            text
        })
    }

    /// The part of this name.
    pub fn get(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no part {name}")).1
    }

    /// Changes the part of this name.
    pub fn set(&mut self, name: &str, text: &str) {
        let part = self.0.iter_mut().find(|(known, _)| known == name);
        part.unwrap_or_else(|| panic!("no part {name}")).1 = text.to_owned();
    }
}

/// Makes every reference cite what now stands at its place: what all members together could write.
pub fn relink(story: &mut Story) {
    let origins: Vec<String> =
        (0..story.logs.len()).map(|n| story.keys(n).public().log.name.clone()).collect();
    // Each pass makes one more step of a round right; then nothing changes.
    loop {
        let leaves: Vec<Vec<Digest>> = story
            .logs
            .iter()
            .map(|log| log.iter().map(|entry| leaf_hash(&entry.to_bytes())).collect())
            .collect();
        let before = story.logs.clone();
        for entry in story.logs.iter_mut().flatten() {
            for reference in cited(&mut entry.body) {
                let log =
                    origins.iter().position(|origin| **origin == *reference.log).expect("a member's log");
                reference.leaf = leaves[log][usize::try_from(reference.index).expect("few")];
            }
        }
        if story.logs == before {
            return;
        }
    }
}

fn cited(body: &mut Body) -> Vec<&mut Ref> {
    match body {
        Body::Genesis { .. }
        | Body::Charter { .. }
        | Body::Accept { .. }
        | Body::Refuse { .. }
        | Body::Abort { .. }
        | Body::Head { .. }
        | Body::Split { .. } => vec![],
        Body::Query(query) => query.cosigners.iter_mut().chain(&mut query.delegation).collect(),
        Body::Act(_) => vec![],
        Body::Roster { verdicts, .. } => verdicts.iter_mut().collect(),
        Body::Debit { roster, .. } => vec![roster],
        Body::Contribution { debit, .. } | Body::Commit { debit, .. } | Body::Void { debit, .. } => {
            vec![debit]
        }
        Body::Freeze { roster, contributions, .. } => std::iter::once(roster).chain(contributions).collect(),
        Body::Verify { freezes, .. } => freezes.iter_mut().collect(),
        Body::Close { verifies, accepted, .. } => verifies.iter_mut().chain(accepted).collect(),
        Body::Open { closes, .. } => closes.iter_mut().collect(),
        Body::Reveal { freeze, .. } => vec![freeze],
        Body::Release { opens, .. } => opens.iter_mut().collect(),
        Body::Alert { subject, .. } => vec![subject],
    }
}
