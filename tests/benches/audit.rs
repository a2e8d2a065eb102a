//! `datacoop verify` of 1,000,000 entries in ten logs: how long it takes and how much memory at its most.
//!
//! `cargo bench -p datacoop-tests --bench audit [-- ENTRIES]`. The logs are made up, and kept under `target`
//! for the next run. One round of them is real: asked, proved and released in the simulated world. The rest
//! are Queries that came to nothing, each with one verdict of every member, half of them acceptances, and its
//! asker's abort: 12 entries a Query, as many verdicts as a co-operative writes, and no second range proof.
//!
//! Memory is asserted as a slope, between a fifth of the entries and all: what grows, whatever a process takes to
//! begin with. It is 48 bytes an entry (its leaf's hash 32, its time 4, its round 4, its place 8) and about 110 a
//! round. Beside these logs: of each debit what it was for, some 600 bytes at its author, and of each Release what
//! is told of it, some 4 kB; a round that is answered has about five entries a member, so that comes to 150 bytes
//! an entry of theirs. What a log cites of logs that are not handed in: 100 bytes a citation.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use datacoop::verify::{Given, verify};
use datacoop_policy::charter::NamedKey;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::note::{Checkpoint, KIND_ED25519, sign_checkpoint, vkey};
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Request, decode};
use datacoop_sim::coop::{Founder, charter_draft, vocabularies};
use datacoop_sim::world::World;

/// LOG section 7, and what an issue asks for.
const ENTRIES: usize = 1_000_000;
/// How long that may take, seconds.
const SECONDS_MAX: f64 = 60.0;
/// Bytes that an entry more may take: what the head of this file says for 12 entries a round, 57, and what
/// allocation adds. It was 533 when whole rounds were held.
const BYTES_AN_ENTRY_MAX: u64 = 72;
/// Fewer entries than this tell no slope: what a process takes to begin with is larger.
const SLOPE_FROM: usize = 200_000;
const MEMBERS: usize = 10;
/// Between two Queries: all of them within the year of the charter.
const EVERY: Span = Span(120_000);
/// Raised when other logs would be made up.
const GENERATION: u32 = 1;
const VOCABULARY: &str = r#"
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
measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
by = [{ column = "sex", cells = ["F", "M"] }]"#;

/// Logs in the making.
struct Logs {
    charter_note: String,
    founders: Vec<Founder>,
    entries: Vec<Vec<Arc<[u8]>>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    charter: Digest,
}

fn founders() -> Vec<Founder> {
    let seed = Seed::new([21; 32]);
    let addresses = |n: usize| if n < 2 { vec![format!("/ip4/127.0.0.1/tcp/{}", n + 1)] } else { vec![] };
    (0..MEMBERS).map(|n| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n))).collect()
}

fn query(at: Time, period: &str, charter: Digest) -> QueryBody {
    QueryBody {
        question: question_value(&QuestionDraft::from_toml(QUESTION).unwrap()).unwrap(),
        params: BTreeMap::new(),
        period: Period::parse(period).unwrap(),
        vocabulary: "exam/1".into(),
        purpose: "demo".into(),
        lay: Lay::default(),
        loss: PrivacyLoss::from_nano(5_000_000),
        mode: Mode::Secure,
        assumed: Assumptions::FLOOR,
        min_roster: 5,
        join_by: at + Span(20_000),
        contribute_by: at + Span(40_000),
        close_by: at + Span(60_000),
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    }
}

/// The real round.
fn begin() -> (Logs, Time) {
    let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
    let hash = sha256(&[VOCABULARY.as_bytes()]);
    let today = Day::parse("2025-12-01").unwrap();
    let text =
        charter_toml(&charter_draft(&founders().iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today));
    let charter_note =
        founders().iter().fold(text.clone(), |note, f| sign_charter(&note, None, &f.keys()).unwrap());
    let charter = Arc::new(parse_charter(&text).unwrap());
    let id = charter.hash();
    let now = today.start() + Span(36_000_000);
    let tabulate = Arc::new(|_: &MemberId, _: &_| vec![100, 50]);
    let mut world =
        World::new(Seed::new([22; 32]), now, founders(), charter, vocabularies(&vocabulary, hash), tabulate);
    world.run_until(world.now() + Span(2_000));
    let now = Time::from_seconds(world.now().seconds());
    let asked = Box::new(query(now, "2025-09-01..2025-12-19", id));
    world.input(MEMBERS - 1, Input::Ask { command: 1, query: asked });
    let released = |world: &World| {
        world.events.iter().filter(|(_, event)| matches!(event, Event::Released(_))).count() == MEMBERS
    };
    assert!(world.run_while(now + Span(120_000), |world| !released(world)), "{:?}", world.events);
    let entries = (0..MEMBERS).map(|n| {
        let member = world.member(n).unwrap();
        member.fold().log(member.me()).unwrap().entries().to_vec()
    });
    let mut blobs = BTreeMap::from([(hash, VOCABULARY.as_bytes().to_vec())]);
    for frame in &world.frames {
        if let Ok(Request::BlobPut { pieces }) = decode::<Request>(frame) {
            blobs.extend(pieces.into_iter().map(|piece| (Digest(piece.hash), piece.bytes.0)));
        }
    }
    let entries = entries.collect();
    (Logs { charter_note, founders: founders(), entries, blobs, charter: id }, world.now() + Span(60_000))
}

impl Logs {
    fn push(&mut self, n: usize, at: Time, body: Body) -> Digest {
        let seq = self.entries[n].len() as u64;
        let entry = Entry { at, by: self.founders[n].id.clone(), seq, body };
        let bytes: Arc<[u8]> = Arc::from(entry.to_bytes());
        let leaf = leaf_hash(&bytes);
        self.entries[n].push(bytes);
        leaf
    }

    /// A Query that came to nothing. Of another period than the real round's, whose answer stands.
    fn fail(&mut self, number: usize, at: Time) {
        let asker = number % MEMBERS;
        let body = query(at, "2025-09-01..2025-12-18", self.charter);
        let id = self.push(asker, at, Body::Query(Box::new(body)));
        for n in 0..MEMBERS {
            let body = if (number + n).is_multiple_of(2) {
                let mut round_key = vec![0; 1_216];
                round_key[..32].copy_from_slice(&sha256(&[&id.0, &[0xff]]).0);
                Body::Accept { query: id, nonce_hash: sha256(&[&id.0]), vk_hash: id, round_key }
            } else {
                Body::Refuse { query: id, rule: "purposes".into(), layer: "member".into() }
            };
            self.push(n, at + Span(1_000), body);
        }
        self.push(asker, at + Span(20_000), Body::Abort { query: id, code: "roster".into() });
    }

    fn write(&self, n: usize, folder: &Path) {
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let (keys, entries) = (self.founders[n].keys(), &self.entries[n]);
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        for (name, bytes) in hash_tiles(&tree).into_iter().chain(entry_bundles(entries)) {
            put(&name, &bytes);
        }
        let lines: Vec<u8> = entries.iter().flat_map(|e| e.iter().copied().chain([b'\n'])).collect();
        put("entries.jsonl", &lines);
        let NamedKey { name, key } = keys.public().log.clone();
        let named = NamedKey { name: name.clone(), key };
        put("log.vkey", format!("{}\n", vkey(&named, KIND_ED25519)).as_bytes());
        put("charter/1.note", self.charter_note.as_bytes());
        self.blobs.iter().for_each(|(hash, bytes)| put(&format!("blobs/{hash}"), bytes));
        let head = Checkpoint { origin: name, size: tree.size(), root: tree.root() };
        put("checkpoint", sign_checkpoint(&head, keys.log()).as_bytes());
    }
}

fn generate(folder: &Path, entries: usize) {
    let (mut logs, start) = begin();
    let mut at = Time::from_seconds(start.seconds());
    for number in 0.. {
        if logs.entries.iter().map(Vec::len).sum::<usize>() >= entries {
            break;
        }
        logs.fail(number, at);
        at = at + EVERY;
    }
    (0..MEMBERS).for_each(|n| logs.write(n, &folder.join(n.to_string())));
    fs::write(folder.join("done"), "").unwrap();
}

/// The most memory that this process held, as Linux tells it.
fn peak_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// How long the one thread of this process ran on a core, as Linux tells it.
fn busy_seconds() -> Option<f64> {
    let told = fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(told.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
}

/// Verifies in a process of its own, so that its memory is its own.
fn measure(folder: &Path) {
    let folders: Vec<PathBuf> = (0..MEMBERS).map(|n| folder.join(n.to_string())).collect();
    let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let began = Instant::now();
    let verified = verify(&paths, &Given::default(), &mut |_| {}).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let entries: u64 = verified.reports.iter().map(|report| report.entries).sum();
    for report in &verified.reports {
        assert!(report.passed(), "{report:#?}");
    }
    let per_entry = peak_kb().map_or_else(
        || "peak memory is not told here".into(),
        |kb| format!("peak {} MB, {} bytes an entry", kb * 1_024 / 1_000_000, kb * 1_024 / entries),
    );
    // Of one thread: what a machine takes that does nothing else.
    let busy = busy_seconds().unwrap_or(seconds);
    eprintln!("{entries} entries in {MEMBERS} logs: {seconds:.1} s, {busy:.1} s of one core; {per_entry}");
    println!("{entries} {}", peak_kb().unwrap_or(0) * 1_024);
    let right = entries < ENTRIES as u64 || busy < SECONDS_MAX;
    assert!(right, "{busy:.1} s of one core; {SECONDS_MAX} are allowed");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    if let [word, folder] = &arguments[..]
        && word == "measure"
    {
        return measure(Path::new(folder));
    }
    let entries = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(ENTRIES);
    let (few, peak_of_few) = peak_of(entries / 5);
    let (all, peak_of_all) = peak_of(entries);
    if entries < SLOPE_FROM || peak_of_few == 0 {
        return;
    }
    let slope = peak_of_all.saturating_sub(peak_of_few) / (all - few);
    println!("{slope} bytes for each entry more; {BYTES_AN_ENTRY_MAX} are allowed");
    assert!(slope <= BYTES_AN_ENTRY_MAX, "memory grows by {slope} bytes an entry");
}

/// Verifies so many entries, in a process of its own. Returns how many there were, and the most bytes it held.
fn peak_of(entries: usize) -> (u64, u64) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("audit-{GENERATION}-{entries}"));
    if !folder.join("done").exists() {
        println!("making up {entries} entries under {}", folder.display());
        generate(&folder, entries);
    }
    let mut measured = Command::new(std::env::current_exe().unwrap());
    let output =
        measured.arg("measure").arg(&folder).stderr(std::process::Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let (entries, peak) = said.trim().split_once(' ').unwrap();
    (entries.parse().unwrap(), peak.parse().unwrap())
}
