//! What a third party is shown of each wrong that a log must convict of: exported folders, what the program
//! says of them, the proof that it writes, and what programs that nobody here wrote say of that proof.
//!
//! Source: LOG sections 5, 7 and 9. A proof convicts by itself: of an entry, that the log's key signed it at
//! this place; of two histories, that the key signed both. What would make it fail: a wrong that passes, that
//! is told of another entry, or whose proof only our own program believes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, PrivacyLoss, Span};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_tests::certified::{Scene, Story, relink};
use datacoop_tests::foreign::{Tool, note_tools, put};
use datacoop_tests::program;

const MEMBERS: usize = 5;

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    let scene = Scene { members: MEMBERS, mode: Mode::Secure, witnesses: 4, seed: 51 };
    STORY.get_or_init(|| Story::tell(scene, 1))
}

/// Exports in a folder of their own, and what is written about them.
struct Shown {
    dir: tempfile::TempDir,
    folders: Vec<PathBuf>,
}

/// What the program said.
struct Said {
    code: i32,
    text: String,
    evidence: PathBuf,
}

impl Shown {
    /// Every log of a story.
    fn of(story: &Story) -> Self {
        let mut shown = Self { dir: tempfile::tempdir().unwrap(), folders: vec![] };
        (0..story.logs.len()).for_each(|n| shown.add(story, n));
        shown
    }

    fn add(&mut self, story: &Story, n: usize) {
        let witnesses: Vec<usize> = (0..story.scene.witnesses).collect();
        self.add_cosigned(story, n, &witnesses);
    }

    fn add_cosigned(&mut self, story: &Story, n: usize, cosigned_by: &[usize]) {
        let folder = self.dir.path().join(self.folders.len().to_string());
        story.write_export(n, cosigned_by, &folder);
        self.folders.push(folder);
    }

    fn verify(&self, args: &[&Path]) -> Said {
        let evidence = self.dir.path().join("evidence");
        let mut verify = Command::new(program());
        verify.arg("verify").arg("--evidence").arg(&evidence).args(args).args(&self.folders);
        let output = verify.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        Said { code: output.status.code().unwrap(), text, evidence }
    }
}

/// The line of a check in the report on a log.
fn line<'a>(text: &'a str, story: &Story, log: usize, code: &str) -> &'a str {
    let origin = story.keys(log).public().log.name.clone();
    let report = text.split("LOG ").find(|report| report.trim_start().starts_with(origin.as_str()));
    let report = report.unwrap_or_else(|| panic!("no report on {origin}:\n{text}"));
    let found = report.lines().find(|line| line.split(' ').nth(1) == Some(code));
    found.unwrap_or_else(|| panic!("no {code} of {origin}:\n{report}"))
}

/// Whether a line names this entry, and not another that begins with its digits.
fn names(line: &str, at: usize) -> bool {
    let rest = line.split_once(&format!("entry {at}")).map(|(_, rest)| rest);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// One member wrote this entry, and signed it: the report names it, and the proof that is written is right
/// for whoever holds the log's key, and wrong with any byte of its hashes changed.
fn convicted(story: &Story, log: usize, at: usize, code: &str) {
    let shown = Shown::of(story);
    let said = shown.verify(&[]);
    assert_eq!(said.code, 1, "{}", said.text);
    let found = line(&said.text, story, log, code);
    assert!(found.starts_with("FAIL") && names(found, at), "entry {at}: {found}");
    let id = &story.logs[log][at].by;
    let proof = fs::read(said.evidence.join(format!("{id}-{at}.tlog-proof"))).unwrap();
    let file = format!("proofs/{at}.tlog-proof");
    put(&shown.folders[log], &file, &proof);
    for tool in note_tools() {
        tool.accepts(&["-quorum"], &shown.folders[log..=log]);
    }
    let mut wrong = proof.clone();
    let hash = proof.iter().position(|byte| *byte == b'\n').unwrap() + 14;
    wrong[hash] = if wrong[hash] == b'A' { b'B' } else { b'A' };
    put(&shown.folders[log], &file, &wrong);
    for tool in note_tools() {
        tool.refuses(&[], &shown.folders[log..=log], "");
    }
}

/// A member's log is shown in two ways: the program writes a proof that Go believes with the log's key alone,
/// with neither log at hand, and believes no longer with any byte changed.
fn two_histories(shown: &Shown, story: &Story, log: usize, seen: &[&Path]) {
    let args: Vec<&Path> = seen.iter().flat_map(|path| [Path::new("--seen"), path]).collect();
    let said = shown.verify(&args);
    assert_eq!(said.code, 3, "{}", said.text);
    assert!(said.text.contains(&format!("EQUIVOCATION {}", story.keys(log).public().log.name)));
    let id = &story.logs[log][0].by;
    let file = said.evidence.join(format!("{id}.split"));
    let (proof, key) = (fs::read(&file).unwrap(), fs::read(shown.folders[0].join("log.vkey")).unwrap());
    let Some(go) = note_tools().find(|tool| tool.script.is_none()) else { return };
    let with_key = |name: String, bytes: &[u8], key: &[u8]| {
        put(shown.dir.path(), &name, bytes);
        put(shown.dir.path(), &format!("{name}.vkey"), key);
        shown.dir.path().join(name)
    };
    go.accepts(&["-split"], &[with_key("split".into(), &proof, &key)]);
    let changed = (0..proof.len()).step_by(3).map(|at| {
        let mut bytes = proof.clone();
        bytes[at] ^= 1 << (at % 7);
        with_key(format!("changed/{at}"), &bytes, &key)
    });
    go.refuses(&["-split"], &changed.collect::<Vec<_>>(), "");
    let others = vkey_of(story, (log + 1) % story.logs.len());
    go.refuses(&["-split"], &[with_key("others".into(), &proof, others.as_bytes())], "");
}

fn vkey_of(story: &Story, n: usize) -> String {
    let dir = tempfile::tempdir().unwrap();
    story.write_export(n, &[], dir.path());
    fs::read_to_string(dir.path().join("log.vkey")).unwrap()
}

/// A head as somebody kept it: the note that the log's key signed at this size, with nobody's cosignature.
fn kept_head(shown: &Shown, story: &Story, log: usize, size: usize) -> PathBuf {
    let mut earlier = story.clone();
    earlier.logs[log].truncate(size);
    let folder = shown.dir.path().join(format!("kept-{size}"));
    earlier.write_export(log, &[], &folder);
    folder.join("checkpoint")
}

/// Writes each entry's place anew, after one came or went.
fn renumber(entries: &mut [Entry]) {
    entries.iter_mut().enumerate().for_each(|(seq, entry)| entry.seq = seq as u64);
}

fn all_refuse(options: &[&str], folder: &Path, why: &str) {
    note_tools().for_each(|tool: &Tool| tool.refuses(options, &[folder.to_owned()], why));
}

#[test]
fn an_honest_co_operative_convicts_nobody() {
    let said = Shown::of(story()).verify(&[]);
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(!said.evidence.exists() || fs::read_dir(&said.evidence).unwrap().next().is_none());
}

/// In place and not signed anew: the signed head is not that of these entries, whoever looks.
#[test]
fn an_entry_rewritten_under_its_signed_head_is_seen_by_everybody() {
    let (log, _) = story().find(0, "release");
    let (shown, mut other) = (Shown::of(story()), story().clone());
    other.logs[log][2].at = other.logs[log][2].at + Span(1_000);
    let written = shown.dir.path().join("written");
    other.write_export(log, &[0, 1, 2, 3], &written);
    fs::copy(shown.folders[log].join("checkpoint"), written.join("checkpoint")).unwrap();
    fs::remove_dir_all(&shown.folders[log]).unwrap();
    fs::rename(&written, &shown.folders[log]).unwrap();
    let said = shown.verify(&[]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(line(&said.text, story(), log, "A03").starts_with("FAIL"), "{}", said.text);
    all_refuse(&[], &shown.folders[log], "");
}

/// Signed anew, as its owner can: whoever kept one earlier head has the proof.
#[test]
fn an_entry_rewritten_and_signed_anew_convicts_its_owner_by_an_earlier_head() {
    let mut other = story().clone();
    other.logs[0][2].at = other.logs[0][2].at + Span(1_000);
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    shown.add(&other, 0);
    let seen = kept_head(&shown, story(), 0, 3);
    all_refuse(&["-seen", seen.to_str().unwrap()], &shown.folders[0], "history was rewritten");
    two_histories(&shown, story(), 0, &[&seen]);
    // A head from before the entry is right in both.
    let before = kept_head(&shown, story(), 0, 2);
    assert_eq!(shown.verify(&[Path::new("--seen"), &before]).code, 0);
}

/// Left out of the middle and signed anew: the same, and those that cite what went are told of too.
#[test]
fn a_dropped_entry_convicts_its_owner_by_an_earlier_head() {
    let mut other = story().clone();
    let (log, at) = story().find(0, "debit");
    other.logs[log].remove(at);
    renumber(&mut other.logs[log]);
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    shown.add(&other, log);
    let seen = kept_head(&shown, story(), log, at + 1);
    all_refuse(&["-seen", seen.to_str().unwrap()], &shown.folders[0], "history was rewritten");
    two_histories(&shown, story(), log, &[&seen]);
    // With no earlier head the other logs show it: they cite what is not there.
    let said = Shown::of(&other).verify(&[]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.text.contains("FAIL A13"), "{}", said.text);
}

/// Cut off at the end: an older copy is no wrong, and a head of more entries is what shows that some are kept
/// back. Go and Python say it of the folder; both copies together are no conflict.
#[test]
fn a_tail_kept_back_is_no_second_history_and_is_seen_by_a_later_head() {
    let mut other = story().clone();
    let size = story().logs[0].len();
    other.logs[0].truncate(size - 1);
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    shown.add(&other, 0);
    let seen = kept_head(&shown, story(), 0, size);
    all_refuse(&["-seen", seen.to_str().unwrap()], &shown.folders[0], "entries were dropped");
    let said = shown.verify(&[Path::new("--seen"), &seen]);
    assert_eq!(said.code, 0, "{}", said.text);
    // It is no wrong, and no silence either: whoever was shown more is told that it is not here.
    let told = format!("WARN A04 history    a head of {size} entries was signed; only {} are here", size - 1);
    assert!(line(&said.text, story(), 0, "A04").starts_with(&told), "{}", said.text);
}

/// A size is anybody's word until the log's key signed it: a copy with a larger head of somebody's making, or with
/// the true head and without the entries, hides nothing of the copy beside it, in whatever order they come.
#[test]
fn the_copy_that_counts_is_the_longest_signed_one_that_is_whole() {
    let size = story().logs[0].len();
    let head = format!("LOG  {}   size {size} ", story().keys(0).public().log.name);
    for first in [true, false] {
        let mut other = story().clone();
        other.logs[0].truncate(size - 2);
        let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
        if first {
            shown.add(story(), 0);
        }
        shown.add(&other, 0);
        shown.add(story(), 0);
        // The true head over a bundle that is not there.
        shown.add(story(), 0);
        fs::remove_dir_all(shown.folders.last().unwrap().join("tile")).unwrap();
        let forged = shown.folders[usize::from(first)].join("checkpoint");
        let note = fs::read_to_string(&forged).unwrap();
        let mut lines: Vec<&str> = note.split('\n').collect();
        lines[1] = "9999999";
        fs::write(&forged, lines.join("\n")).unwrap();
        let said = shown.verify(&[]);
        assert_eq!(said.code, 1, "{}", said.text);
        assert!(said.text.contains(&head), "the whole copy is folded: {}", said.text);
        assert!(line(&said.text, story(), 0, "A01").starts_with("PASS"), "{}", said.text);
        assert!(line(&said.text, story(), 0, "A03").starts_with("FAIL"), "{}", said.text);
        let history = line(&said.text, story(), 0, "A04");
        assert!(history.starts_with("FAIL") && history.contains("its key did not sign"), "{history}");
    }
}

/// An export is somebody else's: a link in it leads nowhere, and no file of it fills the memory.
#[test]
fn an_export_with_links_or_endless_files_is_refused_by_name() {
    let files = ["checkpoint", "log.vkey", "charter/1.note", "tile/entries/000.p", "entries.jsonl"];
    let secret = tempfile::NamedTempFile::new().unwrap();
    for name in files {
        let shown = Shown::of(story());
        let path = shown.folders[1].join(name);
        let moved = shown.dir.path().join("moved");
        fs::rename(&path, &moved).unwrap();
        // Even to the same bytes: what a link leads to is another's choice.
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        let said = shown.verify(&[]);
        assert_eq!(said.code, 2, "{name}: {}", said.text);
        assert!(said.text.contains(&format!("{name} is a symbolic link")), "{name}: {}", said.text);
    }
    let (log, at) = story().find(0, "verify");
    let Body::Verify { blob, .. } = story().logs[log][at].body else { panic!("a verify entry") };
    let shown = Shown::of(story());
    for folder in &shown.folders {
        let path = folder.join(format!("blobs/{blob}"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(secret.path(), &path).unwrap();
    }
    let said = shown.verify(&[]);
    assert_eq!(said.code, 2, "{}", said.text);
    assert!(said.text.contains(&format!("{blob} is a symbolic link")), "{}", said.text);
    for (name, length) in [("checkpoint", 600_000), ("log.vkey", 2_000), ("tile/0/000.p", 0)] {
        let shown = Shown::of(story());
        let mut path = shown.folders[0].join(name);
        if length == 0 {
            path = fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
        }
        fs::File::options().append(true).open(&path).unwrap().set_len(length.max(9_000)).unwrap();
        let said = shown.verify(&[]);
        assert_eq!(said.code, 2, "{name}: {}", said.text);
        assert!(said.text.contains("is longer than"), "{name}: {}", said.text);
    }
}

#[test]
fn a_forged_answer_convicts_who_released_it() {
    let (log, at) = story().find(0, "release");
    for forge in [
        (|body: &mut Body| {
            let Body::Release { sums, .. } = body else { panic!("a release") };
            sums[0] += 100;
        }) as fn(&mut Body),
        |body| {
            let Body::Release { figures, .. } = body else { panic!("a release") };
            figures.0[0] ^= 1;
        },
        // Mismatch of release and opens: one of them left out.
        |body| {
            let Body::Release { opens, .. } = body else { panic!("a release") };
            opens.pop();
        },
    ] {
        let mut forged = story().clone();
        forge(&mut forged.logs[log][at].body);
        convicted(&forged, log, at, "A10");
    }
}

/// Mismatch of release and opens: a seat says another share than it closed with, and the rest is written as
/// if it fitted.
#[test]
fn an_open_other_than_its_commitment_convicts_the_seat() {
    let (log, at) = story().find(0, "open");
    let mut forged = story().clone();
    let Body::Open { share, .. } = &mut forged.logs[log][at].body else { panic!("an open") };
    share[0] ^= 1;
    relink(&mut forged);
    convicted(&forged, log, at, "A09");
}

/// More than the year's limit, with sums that add up; and sums that do not.
#[test]
fn an_overspend_convicts_who_debited() {
    let (log, at) = story().find(0, "debit");
    let Body::Debit { debit, roster, .. } = &story().logs[log][at].body else { panic!("a debit") };
    for (before, loss) in [(debit.after, 2_000_000_000), (PrivacyLoss::ZERO, 1_000_000)] {
        let (mut spent, mut debit) = (story().clone(), debit.clone());
        debit.before = before;
        debit.loss = PrivacyLoss::from_nano(loss);
        debit.after = before.plus(debit.loss);
        // Of a query that no log here holds: what is spent counts all the same.
        let body = Body::Debit { query: Digest([9; 32]), roster: roster.clone(), nonce: [0; 32], debit };
        let last = spent.logs[log].last().unwrap().clone();
        spent.logs[log].push(Entry { seq: last.seq + 1, body, ..last });
        let at = spent.logs[log].len() - 1;
        convicted(&spent, log, at, "A08");
    }
}

/// Two heads of one size, without a single entry: the heads convict by themselves.
#[test]
fn two_checkpoints_of_one_size_convict_their_owner() {
    let mut other = story().clone();
    let last = other.logs[0].last_mut().unwrap();
    last.at = last.at + Span(1_000);
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    // All that is here of the log is its beginning.
    let mut short = story().clone();
    short.logs[0].truncate(2);
    shown.add(&short, 0);
    let size = story().logs[0].len();
    let one = kept_head(&shown, story(), 0, size);
    let kept = shown.dir.path().join("one");
    fs::rename(&one, &kept).unwrap();
    let two = kept_head(&shown, &other, 0, size);
    assert_eq!(shown.verify(&[Path::new("--seen"), &kept]).code, 0, "one head is no wrong");
    two_histories(&shown, story(), 0, &[&kept, &two]);
}

/// A node put back to an old copy that writes on without asking how far its log was: the second history.
#[test]
fn a_restored_backup_that_writes_on_convicts_itself() {
    let mut restored = story().clone();
    let size = story().logs[0].len();
    restored.logs[0].truncate(size - 2);
    let last = restored.logs[0].last().unwrap().clone();
    for n in 1..=4 {
        let body = Body::Abort { query: Digest([7; 32]), code: "window".into() };
        restored.logs[0].push(Entry { seq: last.seq + n, body, ..last.clone() });
    }
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    shown.add(&restored, 0);
    let seen = kept_head(&shown, story(), 0, size);
    all_refuse(&["-seen", seen.to_str().unwrap()], &shown.folders[0], "history was rewritten");
    two_histories(&shown, story(), 0, &[&seen]);
}

/// An entry that says a later time than its witnesses did when they cosigned a head that holds it. Clocks are
/// no proof, so it is a warning, and names the entry.
#[test]
fn a_clock_that_lies_is_told_by_the_witnesses_times() {
    let said = Shown::of(story()).verify(&[]);
    assert!(line(&said.text, story(), 0, "A12").starts_with("PASS"), "{}", said.text);
    let mut lying = story().clone();
    let last = lying.logs[0].last_mut().unwrap();
    last.at = last.at + Span(86_400_000);
    let at = lying.logs[0].len() - 1;
    let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
    shown.add(&lying, 0);
    let said = shown.verify(&[]);
    let found = line(&said.text, story(), 0, "A12");
    assert!(found.starts_with("WARN") && names(found, at), "{found}");
    assert_eq!(said.code, 0, "a warning changes no code: {}", said.text);
}

/// LOG section 5: two witnesses that lie with the owner have two histories witnessed at n = 2 and 4, where
/// each reader alone sees a full quorum, and not at 7, where three can. Comparing the two convicts the owner
/// in every case: what is not caught is a split that nobody compares.
#[test]
fn colluding_witnesses_split_a_view_as_the_table_says_and_comparing_heads_convicts() {
    for (witnesses, liars, splits) in [(2, 2, true), (4, 2, true), (7, 2, false), (7, 3, true)] {
        let members = MEMBERS.max(witnesses + 1);
        let told = Story::tell(Scene { members, mode: Mode::Secure, witnesses, seed: 52 }, 1);
        let mut other = told.clone();
        let last = other.logs[0].last_mut().unwrap();
        last.at = last.at + Span(1_000);
        // The honest ones sign what they are shown first: half of them each, as even as can be.
        let honest = witnesses - liars;
        let by = |seen: std::ops::Range<usize>| seen.chain(honest..witnesses).collect::<Vec<_>>();
        let views = [(&told, by(0..honest / 2)), (&other, by(honest / 2..honest))];
        let mut both = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
        let mut witnessed = 0;
        for (view, signers) in &views {
            let mut shown = Shown { dir: tempfile::tempdir().unwrap(), folders: vec![] };
            shown.add_cosigned(view, 0, signers);
            both.add_cosigned(view, 0, signers);
            let said = shown.verify(&[]);
            assert_eq!(said.code, 0, "each alone is no wrong: {}", said.text);
            let a02 = line(&said.text, view, 0, "A02");
            let full = a02.starts_with("PASS");
            witnessed += usize::from(full);
            for tool in note_tools() {
                let found = &tool.check(&["-quorum"], &shown.folders)[0];
                assert_eq!(found.is_ok(), full, "{}: {found:?}; {a02}", tool.name);
            }
        }
        assert_eq!(witnessed == 2, splits, "{liars} of {witnesses} lie: {witnessed} views have a quorum");
        two_histories(&both, &told, 0, &[]);
    }
}
