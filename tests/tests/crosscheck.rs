//! What we export, checked by programs that nobody here wrote: Go's `x/mod/sumdb`, and from PyPI
//! `tlog-scales` and `pymerkle` (`tests/crosscheck`). Each must accept a right export and refuse a wrong
//! one: a changed byte, a history rewritten and signed anew, a quorum one short.
//!
//! Source: LOG sections 1, 6 and 9.
//! What would make it fail: another hash, path or width of a tile; a proof in another order; a note that
//! others read otherwise; a cosignature over another text.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop::export::{snapshot, write_export};
use datacoop::home::Home;
use datacoop_policy::Digest;
use datacoop_policy::query::Mode;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::cosignature::{Cosignature, quorum};
use datacoop_protocol::log::note::{Checkpoint, KIND_COSIGNATURE, KIND_ED25519, sign_checkpoint, vkey};
use datacoop_protocol::log::tile::{entry_bundles, hash_tiles};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_sim::world::Store as _;
use datacoop_tests::crash::{
    Ack, Cast, DiskModel, Image, Left, NodeStore, Step, Trace, begin, folder_in_memory, record, write_image,
};
use datacoop_tests::foreign::{changed, copy, files, note_tools, put, tools};
use datacoop_tests::program;

/// Unix seconds of the first cosignature; the others follow it.
const COSIGNED_AT: u64 = 1_764_600_000;

/// A log that these tests write, with the product's own tree, tiles, notes and cosignatures.
#[derive(Clone)]
struct Log {
    entries: Vec<Arc<[u8]>>,
    tree: Tree,
}

/// The n-th key holder; 0 owns the log, the others are witnesses.
fn keys(n: usize) -> Keys {
    Keys::from_seed([u8::try_from(n).unwrap() + 1; 32], &format!("w{n}.example"), 1)
}

impl Log {
    /// Entries of every length there may be: none, some, the most.
    fn of(size: u64) -> Self {
        let entry = |n: u64| match n {
            3 => vec![],
            5 => vec![b'x'; usize::from(u16::MAX)],
            _ => format!("{{\"n\":{n},\"s\":\"{}\"}}", "\u{e9}".repeat((n % 7) as usize)).into_bytes(),
        };
        Self::from_entries((0..size).map(|n| entry(n).into()).collect())
    }

    fn from_entries(entries: Vec<Arc<[u8]>>) -> Self {
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        Self { entries, tree }
    }

    /// The same with one entry another.
    fn rewritten(&self, at: usize) -> Self {
        let mut entries = self.entries.clone();
        entries[at] = Arc::from(&b"another"[..]);
        Self::from_entries(entries)
    }

    fn head(&self, size: u64) -> Checkpoint {
        let origin = keys(0).public().log.name.clone();
        Checkpoint { origin, size, root: self.tree.root_at(size).unwrap() }
    }

    fn note(&self, size: u64) -> String {
        sign_checkpoint(&self.head(size), keys(0).log())
    }

    /// The newest head with the cosignatures of these witnesses.
    fn cosigned(&self, witnesses: &[usize]) -> String {
        let head = self.head(self.tree.size());
        witnesses.iter().fold(sign_checkpoint(&head, keys(0).log()), |note, n| note + &cosign(&head, *n))
    }

    /// Writes it as an export, with our own proofs for `proven` entries and sizes beside it.
    fn write(&self, folder: &Path, proven: &[u64]) {
        let size = self.tree.size();
        for (name, bytes) in hash_tiles(&self.tree).into_iter().chain(entry_bundles(&self.entries)) {
            put(folder, &name, &bytes);
        }
        let lines: Vec<u8> = self.entries.iter().flat_map(|e| e.iter().copied().chain([b'\n'])).collect();
        put(folder, "entries.jsonl", &lines);
        put(folder, "log.vkey", format!("{}\n", vkey(&keys(0).public().log, KIND_ED25519)).as_bytes());
        put(folder, "checkpoint", self.note(size).as_bytes());
        for n in proven.iter().copied().filter(|n| *n < size) {
            let note = self.note(size);
            let lines = |hashes: Vec<Digest>| {
                hashes.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect::<String>()
            };
            let hashes = lines(self.tree.inclusion_proof(n, size).unwrap());
            let proof = format!("c2sp.org/tlog-proof@v1\nindex {n}\n{hashes}\n{note}");
            put(folder, &format!("proofs/{n}.tlog-proof"), proof.as_bytes());
            let old = n + 1;
            let hashes = lines(self.tree.consistency_proof(old, size).unwrap());
            put(folder, &format!("consistency/{old}"), format!("old {old}\n{hashes}\n{note}").as_bytes());
            put(folder, &format!("checkpoints/{old}"), self.note(old).as_bytes());
        }
    }
}

fn cosign(head: &Checkpoint, witness: usize) -> String {
    let keys = keys(witness);
    Cosignature::sign(head, COSIGNED_AT + witness as u64, keys.witness()).line(&keys.public().witness)
}

/// The policy of n witnesses, 1 to n.
fn policy(n: usize) -> String {
    let witness = |i: usize| format!("witness w{i} {}\n", vkey(&keys(i).public().witness, KIND_COSIGNATURE));
    let (lines, names): (String, Vec<String>) =
        ((1..=n).map(witness).collect(), (1..=n).map(|i| format!("w{i}")).collect());
    let log = vkey(&keys(0).public().log, KIND_ED25519);
    format!("log {log}\n{lines}group all {} {}\nquorum all\n", quorum(n), names.join(" "))
}

/// Sizes about the ends of tiles at two levels: one full level-1 tile takes 65,536 entries.
const SIZES: [u64; 14] = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_793];

#[test]
fn logs_of_every_shape_are_right() {
    let dir = folder_in_memory();
    let folders = SIZES.map(|size| {
        let folder = dir.path().join(size.to_string());
        Log::of(size).write(&folder, &[0, 1, 2, 3, 6, 254, 255, 256, 511, 700, 65_534, 65_535, 65_536]);
        folder
    });
    for tool in tools() {
        tool.accepts(&[], &folders);
    }
}

#[test]
fn a_changed_byte_is_refused() {
    let dir = folder_in_memory();
    let export = dir.path().join("right");
    let mut log = Log::of(300);
    // Short entries: so that the bytes that are changed lie in many.
    log.entries.iter_mut().for_each(|entry| *entry = entry.iter().copied().take(20).collect());
    let log = Log::from_entries(log.entries);
    log.write(&export, &[7, 255]);
    let tree = |name: &str| !name.starts_with("checkpoint") && name != "log.vkey";
    let bundles = |name: &str| name.starts_with("tile/entries");
    for tool in tools() {
        tool.accepts(&[], std::slice::from_ref(&export));
        let into = dir.path().join(tool.name.replace('/', " "));
        let copies = match tool.name {
            "pymerkle" => changed(&export, &into, 97, bundles),
            "tlog-scales" => changed(&export, &into, 149, |name| tree(name) && name != "entries.jsonl"),
            _ => changed(&export, &into, 61, tree),
        };
        assert!(copies.len() > 60, "{} copies", copies.len());
        tool.refuses(&[], &copies, "");
        fs::remove_dir_all(into).unwrap();
    }
}

#[test]
fn a_changed_byte_of_a_note_key_or_policy_is_refused() {
    let dir = folder_in_memory();
    let export = dir.path().join("right");
    let log = Log::of(3);
    log.write(&export, &[1]);
    // Exactly a quorum, so that a line whose name is changed, and is nobody's, is one too few.
    put(&export, "checkpoint", log.cosigned(&[4, 2, 3]).as_bytes());
    put(&export, "policy", policy(4).as_bytes());
    for tool in note_tools() {
        tool.accepts(&["-quorum"], std::slice::from_ref(&export));
        let stride = if tool.script.is_some() { 7 } else { 1 };
        let into = dir.path().join(tool.name.replace('/', " "));
        let notes = |name: &str| name.starts_with("checkpoint");
        tool.refuses(&["-quorum"], &changed(&export, &into, stride, notes), "");
        let keys = changed(&export, &into, stride, |name| name == "log.vkey");
        // The last byte is the line feed.
        tool.refuses(&["-quorum"], &keys[..keys.len() - 1], "");
        fs::remove_dir_all(into).unwrap();
    }
}

#[test]
fn a_file_that_is_absent_or_too_long_is_refused() {
    let dir = folder_in_memory();
    let export = dir.path().join("right");
    Log::of(513).write(&export, &[]);
    for tool in note_tools() {
        for name in files(&export) {
            // Lines are for people: tlog-scales does not read them, and Go's check wants none.
            if name.ends_with("entries.jsonl") {
                continue;
            }
            let (absent, longer) = (dir.path().join("absent"), dir.path().join("longer"));
            [&absent, &longer].into_iter().for_each(|folder| copy(&export, folder));
            fs::remove_file(absent.join(&name)).unwrap();
            let bytes = [fs::read(export.join(&name)).unwrap(), b"\0\0".to_vec()].concat();
            put(&longer, name.to_str().unwrap(), &bytes);
            tool.refuses(&[], &[absent.clone(), longer.clone()], "");
            [absent, longer].into_iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
        }
    }
}

#[test]
fn a_rewritten_history_is_refused_by_whoever_saw_the_earlier_one() {
    let dir = folder_in_memory();
    let path = |name: &str| dir.path().join(name);
    let log = Log::of(300);
    fs::write(path("seen"), log.note(200)).unwrap();
    log.write(&path("honest"), &[]);
    // Entry 199 is the last that was seen, 200 the first that was not.
    log.rewritten(200).write(&path("later"), &[]);
    log.rewritten(199).write(&path("rewritten"), &[]);
    log.rewritten(0).write(&path("first"), &[]);
    Log::from_entries(log.entries[..150].to_vec()).write(&path("dropped"), &[]);
    copy(&path("rewritten"), &path("shown"));
    put(&path("shown"), "checkpoints/200", log.note(200).as_bytes());
    let seen = path("seen");
    let options = ["-seen", seen.to_str().unwrap()];
    for tool in tools() {
        tool.accepts(&[], &["honest", "later", "rewritten", "first", "dropped"].map(path));
        tool.accepts(&options, &["honest", "later"].map(path));
        tool.refuses(&options, &["rewritten", "first"].map(path), "history was rewritten");
        tool.refuses(&options, &[path("dropped")], "entries were dropped");
        tool.refuses(&[], &[path("shown")], "history was rewritten");
    }
}

#[test]
fn a_quorum_one_short_is_refused() {
    let dir = folder_in_memory();
    let log = Log::of(5);
    let base = dir.path().join("base");
    log.write(&base, &[]);
    let write = |name: String, n: usize, note: String| {
        let folder = dir.path().join(name);
        copy(&base, &folder);
        put(&folder, "policy", policy(n).as_bytes());
        put(&folder, "checkpoint", note.as_bytes());
        folder
    };
    let (mut right, mut short, mut forged) = (vec![], vec![], vec![]);
    // 15 witnesses a log at most.
    for n in 1..=15 {
        let k = quorum(n);
        let last: Vec<usize> = (n - k + 1..=n).collect();
        right.push(write(format!("{n} k"), n, log.cosigned(&last)));
        right.push(write(format!("{n} all"), n, log.cosigned(&(1..=n).collect::<Vec<_>>())));
        let few = log.cosigned(&last[1..]);
        short.push(write(format!("{n} short"), n, few.clone()));
        // A stranger, the owner as a witness and one that signs twice add nothing.
        let head = log.head(5);
        short.push(write(
            format!("{n} stranger"),
            n,
            few.clone() + &cosign(&head, n + 1) + &cosign(&head, 0),
        ));
        if k > 1 {
            let again = Cosignature::sign(&head, COSIGNED_AT - 1, keys(n).witness());
            let again = again.line(&keys(n).public().witness);
            short.push(write(format!("{n} twice"), n, few.clone() + &again));
        }
        // What the missing one said of another head, or at another time.
        let other = cosign(&log.head(4), last[0]);
        forged.push(write(format!("{n} other head"), n, few.clone() + &other));
        let mut word = Cosignature::sign(&head, COSIGNED_AT, keys(last[0]).witness());
        word.time += 1;
        forged.push(write(format!("{n} other time"), n, few + &word.line(&keys(last[0]).public().witness)));
    }
    for tool in note_tools() {
        tool.accepts(&["-quorum"], &right);
        tool.refuses(&["-quorum"], &short, "no quorum");
        tool.accepts(&[], &short);
        tool.refuses(&["-quorum"], &forged, "");
        tool.refuses(&[], &forged, "");
    }
}

/// LOG section 5: with seven witnesses two that lie cannot show two histories, however the five honest ones
/// are divided; three can, and whoever compares the two heads has the evidence.
#[test]
fn two_liars_of_seven_cannot_split_the_view_and_three_are_found_out_by_comparing() {
    let dir = folder_in_memory();
    let views = [Log::of(5), Log::of(5).rewritten(4)];
    // Both views of one split: `divided` says which view each honest witness saw first, and signed.
    let split = |liars: usize, divided: usize| {
        [0, 1].map(|view| {
            let signs = |w: &usize| *w > 7 - liars || divided >> (w - 1) & 1 == view;
            let folder = dir.path().join(format!("{liars}-{divided}-{view}"));
            views[view].write(&folder, &[]);
            put(&folder, "policy", policy(7).as_bytes());
            let signers: Vec<usize> = (1..=7).filter(signs).collect();
            put(&folder, "checkpoint", views[view].cosigned(&signers).as_bytes());
            folder
        })
    };
    let by_two: Vec<PathBuf> = (0..1 << 5).flat_map(|divided| split(2, divided)).collect();
    let by_three = split(3, 0b0011);
    let other = by_three[0].join("checkpoint");
    for tool in note_tools() {
        let said = tool.check(&["-quorum"], &by_two);
        assert!(said.chunks(2).all(|views| views.iter().any(Result::is_err)), "{}: {said:?}", tool.name);
        assert!(said.iter().any(Result::is_ok), "{}: all five honest on one side", tool.name);
        tool.accepts(&["-quorum"], &by_three);
        let options = ["-quorum", "-seen", other.to_str().unwrap()];
        tool.refuses(&options, &by_three[1..], "history was rewritten");
    }
}

/// The exports of a co-operative of whole nodes.
fn demo(dir: &Path) -> Vec<PathBuf> {
    let kept = dir.join("coop");
    let mut demo = Command::new(program());
    let output = demo.args(["demo", "--members", "5", "--keep"]).arg(&kept).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let nodes = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path().join("export"));
    let exports: Vec<PathBuf> = nodes.filter(|path| path.join("checkpoint").exists()).collect();
    assert_eq!(exports.len(), 5);
    exports
}

#[test]
fn the_exports_of_a_co_operative_are_right_and_a_changed_byte_of_them_is_refused() {
    let dir = folder_in_memory();
    let exports = demo(dir.path());
    // Without the witnesses' lines: of one whose name is changed nothing is known, and the rest may do.
    let unwitnessed = dir.path().join("unwitnessed");
    copy(&exports[0], &unwitnessed);
    let note = fs::read_to_string(exports[0].join("checkpoint")).unwrap();
    put(&unwitnessed, "checkpoint", lines_of(&note, 0).as_bytes());
    for tool in tools() {
        tool.accepts(&[], &exports);
        let into = dir.path().join("changed");
        let stride = if tool.script.is_some() { 401 } else { 37 };
        let wanted = |name: &str| match tool.name {
            "pymerkle" => name.starts_with("tile/entries"),
            "tlog-scales" => name.starts_with("tile") || name == "checkpoint",
            _ => ["tile", "blobs", "entries.jsonl", "checkpoint"]
                .iter()
                .any(|part| name.split('/').next() == Some(part)),
        };
        tool.refuses(&[], &changed(&unwitnessed, &into, stride, wanted), "");
        fs::remove_dir_all(into).unwrap();
    }
}

/// A checkpoint with the log's own signature and the first so many others.
fn lines_of(note: &str, others: usize) -> String {
    let text = note.find("\n\n").unwrap() + 2;
    note[..text].to_owned() + &note[text..].split_inclusive('\n').take(1 + others).collect::<String>()
}

/// Where a real export's head is witnessed, both tools say so, and one line fewer than a quorum is refused.
#[test]
fn the_witnesses_of_a_co_operative_are_counted_alike() {
    let dir = folder_in_memory();
    let exports = demo(dir.path());
    let said: Vec<Vec<bool>> = note_tools()
        .map(|tool| tool.check(&["-quorum"], &exports).iter().map(Result::is_ok).collect())
        .collect();
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    let Some(said) = said.first() else { return };
    for (n, export) in exports.iter().enumerate().filter(|(n, _)| said[*n]) {
        let policy = fs::read_to_string(export.join("policy")).unwrap();
        let witnesses = policy.lines().filter(|line| line.starts_with("witness ")).count();
        if witnesses == 0 {
            continue;
        }
        let note = fs::read_to_string(export.join("checkpoint")).unwrap();
        let short = dir.path().join(format!("short{n}"));
        copy(export, &short);
        put(&short, "checkpoint", lines_of(&note, quorum(witnesses) - 1).as_bytes());
        note_tools().for_each(|tool| tool.refuses(&["-quorum"], std::slice::from_ref(&short), "no quorum"));
    }
}

/// Starts a member from what a crash left, lets it store what it does first, as the node does, and exports
/// its log with every head that it had told of before. `None` when it refuses to start, or signed nothing.
fn export_after_crash(
    cast: &Cast,
    site: usize,
    image: &Image,
    told: &[(u64, String)],
    to: &Path,
) -> Option<()> {
    let home = folder_in_memory();
    write_image(home.path(), image);
    let mut store = NodeStore::new(home.path(), Box::new(|_| {}));
    let mut member = cast.restore(site, store.open().ok()?, begin()).ok()?;
    while let Some(output) = member.poll_output() {
        store.take(begin(), output).unwrap();
    }
    store.settle(begin()).unwrap();
    write_export(&snapshot(&member)?, &Home::new(home.path()), to).unwrap();
    for (size, note) in told {
        put(to, &format!("checkpoints/{size}"), note.as_bytes());
    }
    Some(())
}

/// Exports of a member after crashes at every fifth change of its disk, of each kind in turn.
fn exports_after_crashes(cast: &Cast, site: usize, trace: &Trace, dir: &Path) -> Vec<PathBuf> {
    const EVERY: usize = 5;
    let (mut disk, mut told, mut exports) = (DiskModel::default(), vec![], vec![]);
    for (n, step) in trace.iter().enumerate() {
        match step {
            Step::Told(Ack::Head(size, note)) => told.push((*size, note.clone())),
            Step::Told(_) => {}
            Step::Disk(did) => disk.apply(did),
        }
        let image = disk.left([Left::Written, Left::SyncedOnly, Left::Some(n as u64)][n / EVERY % 3]);
        let folder = dir.join(format!("{site}-{n}"));
        if n % EVERY == 0 && export_after_crash(cast, site, &image, &told, &folder).is_some() {
            exports.push(folder);
        }
    }
    exports
}

#[test]
fn an_export_after_a_crash_is_right_and_holds_every_head_that_was_told() {
    let dir = folder_in_memory();
    let (cast, traces) = record(Mode::Secure, false);
    let of_site = |site: &usize| exports_after_crashes(&cast, *site, &traces[*site], dir.path());
    let exports: Vec<PathBuf> = [0, 4].iter().flat_map(of_site).collect();
    let with_heads = exports.iter().filter(|export| export.join("checkpoints").exists());
    assert!(with_heads.count() > 20, "{} exports", exports.len());
    for tool in tools() {
        tool.accepts(&[], &exports);
    }
}

/// The test of the test: a node that tells before it stores loses what it told, and each tool sees it.
#[test]
fn a_node_that_tells_before_it_stores_is_found_out() {
    let dir = folder_in_memory();
    let (cast, traces) = record(Mode::Secure, true);
    let exports = exports_after_crashes(&cast, 0, &traces[0], dir.path());
    for tool in tools() {
        let said = tool.check(&[], &exports);
        assert!(said.iter().any(Result::is_err), "{} accepts all {}", tool.name, said.len());
    }
}
