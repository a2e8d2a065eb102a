//! What an auditor finds when one thing is not as it was: a round in the simulated world, exported,
//! changed in one place, and verified by the real program.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use datacoop_policy::charter::NamedKey;
use datacoop_policy::ledger::{Account, Debit};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{AcademicYear, Day, Digest, MemberId, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody, Ref};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::note::{Checkpoint, KIND_ED25519, sign_checkpoint, vkey};
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Request, decode};
use datacoop_sim::coop::{Founder, charter_draft, vocabularies};
use datacoop_sim::world::World;
use datacoop_tests::{json, program};
use serde_json::Value;

#[path = "audit/state.rs"]
mod state;

const MEMBERS: usize = 5;
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

/// One log, ready to be written as an export.
#[derive(Clone)]
struct Log {
    id: MemberId,
    entries: Vec<Entry>,
}

/// A finished round, as every member's log tells it.
struct Story {
    charter_note: String,
    charter: Digest,
    logs: Vec<Log>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

fn founders() -> Vec<Founder> {
    let seed = Seed::new([21; 32]);
    let addresses = |n: usize| if n < 2 { vec![format!("/ip4/127.0.0.1/tcp/{}", n + 1)] } else { vec![] };
    (0..MEMBERS).map(|n| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n))).collect()
}

fn keys(n: usize) -> Keys {
    founders()[n].keys()
}

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(tell)
}

fn tell() -> Story {
    let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
    let hash = sha256(&[VOCABULARY.as_bytes()]);
    let today = Day::parse("2025-12-01").unwrap();
    let founders = founders();
    let text =
        charter_toml(&charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today));
    let charter_note =
        founders.iter().fold(text.clone(), |note, f| sign_charter(&note, None, &f.keys()).unwrap());
    let charter = Arc::new(parse_charter(&text).unwrap());
    let id = charter.id();
    let now = today.start() + Span(36_000_000);
    let tabulate = Arc::new(|_: &MemberId, _: &_| vec![100, 50]);
    let mut world =
        World::new(Seed::new([22; 32]), now, founders, charter, vocabularies(&vocabulary, hash), tabulate);
    world.run_until(world.now() + Span(2_000));
    let now = Time::from_seconds(world.now().seconds());
    let query = QueryBody {
        question: question_value(&QuestionDraft::from_toml(QUESTION).unwrap()).unwrap(),
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
        charter: id,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    };
    world.input(4, Input::Ask { command: 1, query: Box::new(query) });
    let until = world.now() + Span(120_000);
    let released = |world: &World| {
        world.events.iter().filter(|(_, event)| matches!(event, Event::Released(_))).count() == MEMBERS
    };
    assert!(world.run_while(until, |world| !released(world)), "{:?}", world.events);
    let logs = (0..MEMBERS).map(|n| {
        let member = world.member(n).unwrap();
        let log = member.fold().log(member.me()).unwrap();
        let entries = log.entries().iter().map(|entry| Entry::parse(entry).unwrap()).collect();
        Log { id: member.me().clone(), entries }
    });
    let mut blobs = BTreeMap::from([(hash, VOCABULARY.as_bytes().to_vec())]);
    for frame in &world.frames {
        if let Ok(Request::BlobPut { pieces }) = decode::<Request>(frame) {
            blobs.extend(pieces.into_iter().map(|piece| (Digest(piece.hash), piece.bytes.0)));
        }
    }
    Story { charter_note, charter: id, logs: logs.collect(), blobs }
}

impl Log {
    fn number(&self) -> usize {
        story().logs.iter().position(|log| log.id == self.id).unwrap()
    }

    /// Changes the first entry of a kind.
    fn change(&mut self, kind: &str, change: impl FnOnce(&mut Body)) {
        let entry = self.entries.iter_mut().find(|entry| entry.body.kind() == kind);
        change(&mut entry.unwrap_or_else(|| panic!("{} wrote no {kind}", self.id)).body);
    }

    fn find(&self, kind: &str) -> usize {
        self.entries.iter().position(|entry| entry.body.kind() == kind).unwrap()
    }

    fn push(&mut self, body: Body) {
        let last = self.entries.last().unwrap();
        let (at, by, seq) = (last.at, last.by.clone(), last.seq + 1);
        self.entries.push(Entry { at, by, seq, body });
    }

    /// Writes it as an export, signed with the member's real key.
    fn write(&self, folder: &Path) {
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let keys = keys(self.number());
        let entries: Vec<Arc<[u8]>> = self.entries.iter().map(|entry| Arc::from(entry.to_bytes())).collect();
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        for (name, bytes) in hash_tiles(&tree).into_iter().chain(entry_bundles(&entries)) {
            put(&name, &bytes);
        }
        let lines: Vec<u8> = entries.iter().flat_map(|e| e.iter().copied().chain([b'\n'])).collect();
        put("entries.jsonl", &lines);
        let NamedKey { name, key } = keys.public().log.clone();
        put(
            "log.vkey",
            format!("{}\n", vkey(&NamedKey { name: name.clone(), key }, KIND_ED25519)).as_bytes(),
        );
        put("charter/1.note", story().charter_note.as_bytes());
        for (hash, bytes) in &story().blobs {
            put(&format!("blobs/{hash}"), bytes);
        }
        let head = Checkpoint { origin: name, size: tree.size(), root: tree.root() };
        put("checkpoint", sign_checkpoint(&head, keys.log()).as_bytes());
    }
}

/// Exports of some logs in a folder of their own.
struct Exports {
    dir: tempfile::TempDir,
    folders: Vec<PathBuf>,
}

impl Exports {
    fn of(logs: &[Log]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = (0..logs.len()).map(|n| dir.path().join(n.to_string())).collect();
        logs.iter().zip(&folders).for_each(|(log, folder)| log.write(folder));
        Self { dir, folders }
    }

    fn verify(&self, args: &[&str]) -> (i32, Value, String) {
        let run = |json: &[&str]| {
            Command::new(program()).arg("verify").args(json).args(args).args(&self.folders).output().unwrap()
        };
        let output = run(&["--json"]);
        let said = run(&[]);
        assert_eq!(output.status, said.status);
        let text = String::from_utf8(said.stdout).unwrap();
        let code = output.status.code().unwrap();
        let value = if code == 2 { Value::Null } else { json(&output) };
        (code, value, text)
    }
}

/// Codes of the checks of a log that came out so.
fn codes(verified: &Value, log: usize, result: &str) -> Vec<String> {
    let id = story().logs[log].id.to_string();
    let logs = verified["logs"].as_array().unwrap();
    let report = logs.iter().find(|report| report["member"] == id).unwrap();
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["result"] == result);
    checks.map(|check| check["code"].as_str().unwrap().to_owned()).collect()
}

/// Changes one log's entries, signs it anew, and says what the auditor must find in it.
fn check_entries(log: usize, change: impl FnOnce(&mut Log), expected: &str) {
    let mut logs = story().logs.clone();
    change(&mut logs[log]);
    for (seq, entry) in logs[log].entries.iter_mut().enumerate() {
        entry.seq = seq as u64;
    }
    let (code, verified, text) = Exports::of(&logs).verify(&[]);
    assert_eq!(code, 1, "{text}");
    let failed = codes(&verified, log, "fail");
    assert!(failed.iter().any(|code| code == expected), "wanted {expected}, got {failed:?}\n{text}");
}

/// Changes one file of an export and says what the auditor must find.
fn check_file(name: &str, change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let exports = Exports::of(&story().logs);
    let path = exports.folders[0].join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let (code, verified, text) = exports.verify(&[]);
    assert_eq!(code, 1, "{name}: {text}");
    let failed = codes(&verified, 0, "fail");
    assert!(failed.iter().any(|code| code == expected), "{name}: wanted {expected}, got {failed:?}\n{text}");
    assert_eq!(codes(&verified, 1, "fail"), Vec::<String>::new(), "{name}: no honest member is blamed");
}

/// Changes a byte of a note's last signature, in the middle of its base64.
fn forge(note: &mut [u8]) {
    let at = note.len() - 20;
    note[at] = if note[at] == b'A' { b'B' } else { b'A' };
}

/// A member that wrote an entry of this kind.
fn author_of(kind: &str) -> usize {
    let wrote = |log: &Log| log.entries.iter().any(|entry| entry.body.kind() == kind);
    story().logs.iter().position(wrote).unwrap_or_else(|| panic!("nobody wrote a {kind}"))
}

fn debit_of_a_query_not_here(before: u64, loss: u64, after: u64) -> Body {
    let nano = PrivacyLoss::from_nano;
    let account = Account { dataset: "exam".into(), year: AcademicYear(2025) };
    let debit = Debit { account, before: nano(before), loss: nano(loss), after: nano(after) };
    let query = sha256(&[&before.to_le_bytes()]);
    Body::Debit { query, roster: stranger(), nonce: [0; 32], debit }
}

fn stranger() -> Ref {
    Ref { log: keys(1).public().log.name.clone().into(), index: 0, leaf: Digest([1; 32]) }
}

#[test]
fn an_honest_round_passes_with_everything_shown() {
    let (code, verified, text) = Exports::of(&story().logs).verify(&[]);
    assert_eq!(code, 0, "{text}");
    for log in 0..MEMBERS {
        // Without witnesses nobody else's clock is known.
        assert_eq!(codes(&verified, log, "skip"), ["A12"], "{text}");
    }
}

#[test]
fn an_honest_log_does_not_fail_for_want_of_others() {
    for n in 0..MEMBERS {
        let (code, _, text) = Exports::of(&story().logs[n..=n]).verify(&[]);
        assert_eq!(code, 0, "alone: {text}");
        let mut without = story().logs.clone();
        without.remove(n);
        let (code, _, text) = Exports::of(&without).verify(&[]);
        assert_eq!(code, 0, "without {n}: {text}");
    }
}

#[test]
fn an_honest_log_adds_up_though_its_queries_are_not_here() {
    let mut log = story().logs[0].clone();
    for before in [5_000_000, 6_000_000] {
        log.push(debit_of_a_query_not_here(before, 1_000_000, before + 1_000_000));
    }
    let (code, verified, text) = Exports::of(&[log]).verify(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(codes(&verified, 0, "skip").contains(&"A08".to_owned()), "{text}");
}

#[test]
fn an_honest_log_does_not_fail_because_another_copy_is_older() {
    for n in 0..MEMBERS {
        for size in 2..story().logs[n].entries.len() {
            let mut logs = story().logs.clone();
            logs[n].entries.truncate(size);
            let (code, _, text) = Exports::of(&logs).verify(&[]);
            assert_eq!(code, 0, "{n} of size {size}: {text}");
        }
    }
}

#[test]
fn each_changed_file_fails_its_check() {
    check_file("entries.jsonl", |bytes| bytes[10] ^= 1, "A03");
    check_file("entries.jsonl", |bytes| bytes.truncate(bytes.len() - 1), "A03");
    let size = story().logs[0].entries.len();
    check_file(&format!("tile/0/000.p/{size}"), |bytes| bytes[0] ^= 1, "A03");
    let bundle = format!("tile/entries/000.p/{size}");
    check_file(&bundle, |bytes| bytes[40] ^= 1, "A01");
    check_file(&bundle, |bytes| bytes.push(0), "A03");
    check_file(&bundle, |bytes| bytes.extend([0, 1, b'x']), "A01");
    check_file(&bundle, Vec::clear, "A03");
    check_file("checkpoint", |bytes| forge(bytes), "A01");
    let other_size = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size - 1), 1).into_bytes();
    };
    check_file("checkpoint", other_size, "A01");
}

#[test]
fn a_blob_that_is_not_what_its_name_says_shows_nothing() {
    let exports = Exports::of(&story().logs);
    let seat = author_of("verify");
    let at = story().logs[seat].find("verify");
    let Body::Verify { blob, .. } = &story().logs[seat].entries[at].body else { panic!("a verify") };
    for folder in &exports.folders {
        let path = folder.join(format!("blobs/{blob}"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (code, verified, text) = exports.verify(&[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(codes(&verified, seat, "skip"), ["A11", "A12"]);
}

#[test]
fn a_log_begun_otherwise_fails_its_charter_check() {
    check_entries(
        0,
        |log| {
            log.change("charter", |body| {
                if let Body::Charter { hash, .. } = body {
                    *hash = Digest([1; 32]);
                }
            })
        },
        "A06",
    );
    check_entries(
        0,
        |log| {
            log.change("genesis", |body| {
                if let Body::Genesis { charter, .. } = body {
                    *charter = Digest([1; 32]);
                }
            })
        },
        "A06",
    );
    check_entries(
        0,
        |log| {
            log.change("genesis", |body| {
                if let Body::Genesis { keys: listed, .. } = body {
                    listed.insert("seal".into(), "AAAA".into());
                }
            })
        },
        "A06",
    );
    check_entries(
        0,
        |log| {
            log.change("genesis", |body| {
                if let Body::Genesis { proofs, .. } = body {
                    let other = proofs["log"].clone();
                    proofs.insert("charter".into(), other);
                }
            })
        },
        "A06",
    );
    check_entries(0, |log| log.entries.truncate(1), "A06");
    check_entries(
        0,
        |log| {
            log.entries.remove(1);
        },
        "A06",
    );
}

/// Else whoever makes up a version, or leaves one out of its export, is not judged by any from there on.
#[test]
fn a_version_whose_note_is_nowhere_fails_its_files() {
    let made_up = |log: &mut Log| {
        let (hash, at) = (Digest([9; 32]), log.entries.last().unwrap().at);
        log.push(Body::Charter { version: 2, hash, note: hash, from: at });
    };
    check_entries(2, made_up, "A03");
    let mut logs = story().logs.clone();
    made_up(&mut logs[2]);
    let (_, verified, text) = Exports::of(&logs).verify(&[]);
    assert!(text.contains("charter/2.note is absent, and entry"), "{text}");
    (0..MEMBERS)
        .filter(|n| *n != 2)
        .for_each(|n| assert!(codes(&verified, n, "fail").is_empty(), "{n}: {text}"));
}

#[test]
fn an_entry_in_anothers_name_fails_its_grammar() {
    check_entries(0, |log| log.entries[2].by = story().logs[1].id.clone(), "A05");
}

#[test]
fn a_debit_that_is_not_right_fails() {
    check_entries(
        0,
        |log| {
            let again = log.entries[log.find("debit")].body.clone();
            log.push(again);
        },
        "A08",
    );
    check_entries(
        0,
        |log| {
            let again = log.entries[log.find("debit")].body.clone();
            log.push(again);
        },
        "A09",
    );
    // Of a query that no log holds: what it adds up to is known all the same.
    let overspent =
        |before, loss, after| move |log: &mut Log| log.push(debit_of_a_query_not_here(before, loss, after));
    check_entries(0, overspent(5_000_000, 2_000_000_000, 2_005_000_000), "A08");
    check_entries(0, overspent(0, 1, 1), "A08");
    check_entries(
        0,
        |log| {
            log.change("debit", |body| {
                if let Body::Debit { nonce, .. } = body {
                    nonce[0] ^= 1;
                }
            })
        },
        "A09",
    );
    check_entries(
        0,
        |log| {
            let at = log.find("debit");
            let Body::Debit { query, .. } = log.entries[at].body else { panic!("a debit") };
            let debit = Ref {
                log: keys(0).public().log.name.clone().into(),
                index: at as u64,
                leaf: leaf_hash(&log.entries[at].to_bytes()),
            };
            log.push(Body::Void { query, debit, code: "local".into() });
        },
        "A08",
    );
}

#[test]
fn a_debit_for_a_roster_that_is_not_lawful_fails() {
    // The asker leaves out a verdict's order: no plan follows from such a roster, and all of it is here.
    let mut logs = story().logs.clone();
    logs[4].change("roster", |body| {
        if let Body::Roster { verdicts, .. } = body {
            verdicts.reverse();
        }
    });
    let at = logs[4].find("roster");
    let leaf = leaf_hash(&logs[4].entries[at].to_bytes());
    logs[0].change("debit", |body| {
        if let Body::Debit { roster, .. } = body {
            roster.leaf = leaf;
        }
    });
    let (code, verified, text) = Exports::of(&logs).verify(&[]);
    assert_eq!(code, 1);
    assert!(codes(&verified, 0, "fail").contains(&"A07".to_owned()), "{text}");
    // A verdict that is not here may be what makes it lawful.
    logs.remove(1);
    let (_, verified, text) = Exports::of(&logs).verify(&[]);
    assert!(!codes(&verified, 0, "fail").contains(&"A07".to_owned()), "{text}");
}

#[test]
fn an_open_that_is_false_or_early_fails() {
    let seat = author_of("open");
    let open = |change: fn(&mut Vec<Ref>, &mut Vec<u8>, &mut [u8; 32])| {
        move |log: &mut Log| {
            log.change("open", |body| {
                if let Body::Open { closes, share, salt, .. } = body {
                    change(closes, share, salt);
                }
            });
        }
    };
    check_entries(seat, open(|_, share, _| share[0] ^= 1), "A09");
    check_entries(seat, open(|_, _, salt| salt[0] ^= 1), "A09");
    check_entries(
        seat,
        open(|closes, _, _| {
            closes.pop();
        }),
        "A09",
    );
    check_entries(
        seat,
        |log| {
            let (close, open) = (log.find("close"), log.find("open"));
            log.entries.swap(close, open);
        },
        "A09",
    );
    check_entries(
        seat,
        |log| {
            let at = log.find("close");
            log.entries.remove(at);
        },
        "A09",
    );
}

#[test]
fn a_release_of_other_sums_or_figures_fails() {
    let author = author_of("release");
    check_entries(
        author,
        |log| {
            log.change("release", |body| {
                if let Body::Release { sums, .. } = body {
                    sums[0] += 1;
                }
            })
        },
        "A10",
    );
    check_entries(
        author,
        |log| {
            log.change("release", |body| {
                if let Body::Release { figures, .. } = body {
                    figures.0[0] ^= 1;
                }
            })
        },
        "A10",
    );
}

#[test]
fn an_accepted_set_that_the_proofs_do_not_give_fails() {
    let seat = author_of("close");
    check_entries(
        seat,
        |log| {
            log.change("close", |body| {
                if let Body::Close { accepted, .. } = body {
                    accepted.pop();
                }
            })
        },
        "A11",
    );
}

#[test]
fn a_reference_to_what_is_not_there_fails() {
    check_entries(
        0,
        |log| {
            log.change("contribution", |body| {
                if let Body::Contribution { debit, .. } = body {
                    debit.leaf.0[0] ^= 1;
                }
            })
        },
        "A13",
    );
    check_entries(
        0,
        |log| {
            log.change("contribution", |body| {
                if let Body::Contribution { debit, .. } = body {
                    debit.index = 1_000;
                }
            })
        },
        "A13",
    );
}

#[test]
fn each_failure_leaves_a_proof_that_others_can_check() {
    let author = author_of("release");
    let mut logs = story().logs.clone();
    logs[author].change("release", |body| {
        if let Body::Release { sums, .. } = body {
            sums[0] += 1;
        }
    });
    let at = logs[author].find("release");
    let exports = Exports::of(&logs);
    let evidence = exports.dir.path().join("evidence");
    let (code, ..) = exports.verify(&["--evidence", evidence.to_str().unwrap()]);
    assert_eq!(code, 1);
    let proof = fs::read_to_string(evidence.join(format!("{}-{at}.tlog-proof", logs[author].id))).unwrap();
    let note = fs::read_to_string(exports.folders[author].join("checkpoint")).unwrap();
    assert!(proof.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {at}\n")) && proof.ends_with(&note));
}

#[test]
fn two_stories_of_one_log_are_an_equivocation() {
    let one = story().logs[0].clone();
    let mut same_size = one.clone();
    same_size.entries.last_mut().unwrap().at = Time::from_seconds(1);
    let mut longer = same_size.clone();
    longer.push(Body::Abort { query: Digest([5; 32]), code: "window".into() });
    for other in [same_size, longer] {
        let exports = Exports::of(&[one.clone(), other]);
        let evidence = exports.dir.path().join("evidence");
        let (code, verified, text) = exports.verify(&["--evidence", evidence.to_str().unwrap()]);
        assert_eq!((code, &verified["result"]), (3, &Value::from("equivocation")), "{text}");
        assert!(codes(&verified, 0, "fail").contains(&"A04".to_owned()));
        let proof = fs::read_to_string(evidence.join(format!("{}.split", one.id))).unwrap();
        for folder in &exports.folders {
            let note = fs::read_to_string(folder.join("checkpoint")).unwrap();
            assert!(text.contains(&note) && proof.contains(&note));
        }
    }
}

/// Two heads that are both longer than what is here convict by themselves, whatever else stands on them.
#[test]
fn two_heads_of_one_size_are_an_equivocation_without_their_entries() {
    let exports = Exports::of(&story().logs);
    let author = &story().logs[0];
    let seen: Vec<String> = [1, 2]
        .map(|byte| {
            let origin = keys(0).public().log.name.clone();
            let head = Checkpoint { origin, size: 1_000, root: Digest([byte; 32]) };
            let note = sign_checkpoint(&head, keys(0).log());
            let line = note.lines().last().unwrap().to_owned();
            let path = exports.dir.path().join(format!("seen-{byte}"));
            fs::write(&path, format!("{note}{line}\n")).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .to_vec();
    let (code, _, text) = exports.verify(&["--seen", &seen[0]]);
    assert_eq!(code, 0, "one longer head is no wrong: {text}");
    assert!(text.contains("WARN A04") && text.contains("a head of 1000 entries was signed; only"), "{text}");
    // Of a log that nobody handed in the head can be held against nothing: that is said, not passed over.
    let others: Vec<&str> = exports.folders[1..].iter().map(|folder| folder.to_str().unwrap()).collect();
    let args = [&["verify", "--seen", &seen[0]], &others[..]].concat();
    let output = Command::new(program()).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("none of these folders is of that log"), "{said}");
    let (code, verified, text) = exports.verify(&["--seen", &seen[0], "--seen", &seen[1]]);
    assert_eq!((code, &verified["result"]), (3, &Value::from("equivocation")), "{text}");
    assert!(codes(&verified, 0, "fail").contains(&"A04".to_owned()), "{}", author.id);
}

#[test]
fn an_older_copy_of_a_log_beside_a_newer_is_no_story_of_its_own() {
    let mut older = story().logs[0].clone();
    older.entries.truncate(3);
    let mut logs = story().logs.clone();
    logs.insert(0, older);
    logs.push(story().logs[0].clone());
    let exports = Exports::of(&logs);
    let (code, _, text) = exports.verify(&[]);
    assert_eq!(code, 0, "{text}");
    // A head that the log's key did not sign proves nothing against it, and is wrong.
    let path = exports.folders[0].join("checkpoint");
    let mut note = fs::read(&path).unwrap();
    forge(&mut note);
    fs::write(&path, note).unwrap();
    let (code, verified, text) = exports.verify(&[]);
    assert_eq!(code, 1, "{text}");
    assert_eq!(codes(&verified, 0, "fail"), ["A04"]);
}

#[test]
fn the_charter_is_named_and_can_be_trusted_from_elsewhere() {
    let exports = Exports::of(&story().logs[..1]);
    let id = story().charter.to_string();
    let (code, verified, text) = exports.verify(&[]);
    assert_eq!((code, &verified["charter"]), (0, &Value::from(id.clone())));
    assert!(text.starts_with(&format!("CHARTER {id} A made-up co-operative DEMO\nWARN")), "{text}");
    for (named, expected) in [(&id[..], 0), (&id[..16], 0), (&id[..15], 2), (&"0".repeat(16), 1), ("x", 2)] {
        assert_eq!(exports.verify(&["--charter", named]).0, expected, "{named}");
    }
    let (_, verified, text) = exports.verify(&["--charter", &"0".repeat(64)]);
    assert_eq!(verified["result"], "fail");
    assert!(text.contains("RESULT FAIL") && !text.contains("PASS"), "{text}");
}
