//! Members of five real nodes propose, support, object, answer, review, report and pause, from the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

/// A reason that would clear a terminal, and pass for a line of the program's own.
const REASON: &str = "too few cells for our council\nNext\n\u{1b}[2J\u{202e}adopted";

fn running(members: usize) -> Coop {
    let mut coop = Coop::found(members, 40);
    (0..members).for_each(|n| coop.start(n));
    (0..members).for_each(|n| coop.wait_connected(n));
    coop
}

fn id(output: &std::process::Output) -> String {
    json(output)["id"].as_str().unwrap().to_owned()
}

/// A proposal as a node shows it, once it holds it and this is so.
fn wait_shown(coop: &Coop, n: usize, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut shown = Value::Null;
    wait_for("a proposal", || {
        let output = coop.run(n, &["proposals", id, "--json"]);
        shown = if output.status.success() { json(&output) } else { Value::Null };
        shown.is_object() && shown["problem"].is_null() && holds(&shown)
    });
    shown
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The purpose of the founding charter, under another id.
fn write_purpose(coop: &Coop) {
    let charter = std::fs::read_to_string(coop.path("charter.txt")).unwrap();
    let from = charter.find("[[purpose]]").unwrap();
    let to = charter.find("\n[asset_lock]").unwrap();
    let reviewers = "reviewers = [\"GB-EDU-000000\", \"GB-EDU-000001\"]";
    assert!(charter.contains(reviewers));
    let purpose = charter[from..to].replace("id = \"exams\"", "id = \"exams-again\"");
    let purpose = purpose.replace(reviewers, "reviewers = [\"GB-EDU-000001\", \"GB-EDU-000002\"]");
    std::fs::write(coop.path("purpose.toml"), purpose).unwrap();
}

/// All that a folder holds, blobs aside.
fn all_but_blobs(folder: &std::path::Path) -> Vec<u8> {
    let mut all = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("blobs") {
            all.extend(all_but_blobs(&path));
        } else if path.is_file() {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_version_is_proposed_objected_to_answered_and_only_then_signed() {
    let mut coop = running(5);
    coop.ok(0, &["charter", "propose", "-o", "v2.txt"]);
    coop.fails(0, &["propose", "charter", "v2.txt", "--yes"], 2, "changes nothing");
    let draft = std::fs::read_to_string(coop.path("v2.txt")).unwrap();
    std::fs::write(coop.path("v2.txt"), draft.replace("max_cells = 200", "max_cells = 100")).unwrap();
    let proposed = coop.ok(0, &["propose", "charter", "v2.txt", "--yes", "--json"]);
    let at = id(&proposed);
    let short = &at[..8];
    let seen = wait_shown(&coop, 3, short, |_| true);
    assert_eq!((&seen["state"], &seen["names"]), (&Value::from("open"), &Value::from("2")));
    assert_eq!(seen["draft"], json(&proposed)["draft"], "the entry names what the proposer saw");
    assert_eq!(seen["means"]["changes"][0]["class"], "tightening");
    assert_eq!(seen["text"], std::fs::read_to_string(coop.path("v2.txt")).unwrap());
    coop.fails(0, &["propose", "charter", "v2.txt", "--yes"], 6, "proposes the same");
    coop.fails(0, &["object", short, "--because", "x", "--yes"], 6, "our own");
    wait_shown(&coop, 2, short, |_| true);
    coop.ok(2, &["support", short, "--yes"]);
    coop.fails(2, &["support", short, "--yes"], 6, "support it already");
    let objection = id(&coop.ok(3, &["object", short, "--because", REASON, "--yes", "--json"]));
    let seen =
        wait_shown(&coop, 0, short, |one| !one["blocked"].is_null() && one["cosigners"][0].is_object());
    assert_eq!(seen["objections"][0]["text"], REASON);
    assert_eq!(seen["blocked"]["answered"], false);
    assert!(seen["can"].as_array().unwrap().iter().all(|can| can != "sign"), "{seen:#}");
    // What others wrote is shown, marked, and inert.
    let shown = text(&coop.ok(0, &["proposals", short]));
    assert!(shown.contains("    | Next\n") && shown.contains("\\u{1b}[2J\\u{202e}adopted"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']) && shown.contains("School 2"), "{shown}");
    assert!(shown.contains(&format!("datacoop reply {}", &objection[..8])), "{shown}");

    // No program signs: the author's neither, nor the objector's.
    for n in [0, 3] {
        coop.terminate(n);
        coop.fails(n, &["charter", "sign", "v2.txt", "--yes"], 6, "School 3 objects to this version since");
        coop.fails(n, &["charter", "sign", "v2.txt", "--yes"], 6, "is not answered");
        coop.start(n);
        coop.wait_connected(n);
    }
    assert!(!std::fs::read_to_string(coop.path("v2.txt")).unwrap().contains('\u{2014}'), "nobody signed");
    let waiting = coop.status(0)["proposals"].clone();
    assert_eq!((&waiting["open"], &waiting["unanswered"]), (&1.into(), &1.into()), "{waiting}");
    assert!(text(&coop.ok(4, &["status"])).contains("1 of others without a word of ours"));
    coop.fails(1, &["reply", &objection, "--text", "x", "--yes"], 6, "only whoever proposed");
    coop.ok(0, &["reply", &objection[..10], "--text", "a council can ask twice", "--yes"]);
    wait_shown(&coop, 3, short, |one| one["objections"][0]["reply"]["text"] == "a council can ask twice");
    coop.terminate(0);
    coop.fails(0, &["charter", "sign", "v2.txt", "--yes"], 6, "it was answered, and members have until");
    coop.start(0);
    coop.wait_connected(0);

    // Another wording is another proposal; the first is taken back, and what was said of it stands: else whoever
    // is objected to would hand the same round again.
    let other = draft.replace("max_cells = 200", "max_cells = 150");
    std::fs::write(coop.path("other.txt"), other).unwrap();
    let instead = ["propose", "charter", "other.txt", "--instead-of", short, "--yes", "--json"];
    let second = id(&coop.ok(1, &instead));
    let seen = wait_shown(&coop, 0, &second, |_| true);
    assert_eq!(seen["instead_of"], at.as_str());
    coop.fails(1, &["withdraw", short, "--yes"], 6, "only whoever made");
    coop.ok(0, &["withdraw", short, "--yes"]);
    let seen = wait_shown(&coop, 4, short, |one| one["state"] == "withdrawn");
    wait_shown(&coop, 2, short, |one| one["state"] == "withdrawn");
    assert_eq!(seen["other_wordings"][0], second.as_str());
    coop.fails(2, &["object", short, "--because", "late", "--yes"], 6, "withdrawn already");
    coop.terminate(0);
    coop.fails(0, &["charter", "sign", "v2.txt", "--yes"], 6, "it was answered, and members have until");
    // The other wording is another draft, and nobody objects to that.
    coop.ok(0, &["charter", "sign", "other.txt", "--yes"]);
    coop.start(0);
    coop.wait_connected(0);

    // The log says what was done; only blobs hold the words.
    for (n, kind) in [(0, "reply"), (1, "proposal"), (3, "objection")] {
        let folder = format!("exported{n}");
        coop.ok(n, &["log", "export", &folder]);
        let entries = all_but_blobs(&coop.path(&folder));
        assert!(holds(&entries, &format!("\"{kind}\"")), "{kind}");
        for words in ["too few cells", "council can ask twice", "max_cells = 1"] {
            assert!(!holds(&entries, words), "{words}");
        }
    }
    assert_eq!(coop.verify_all()["result"], "pass");
    assert_eq!(json(&coop.ok(3, &["audit", "--json"]))["result"], "pass");
}

#[test]
fn a_question_is_supported_and_asked_a_purpose_reviewed_reported_on_and_paused() {
    let mut coop = running(5);
    let at = id(&coop.ok(0, &["propose", "question", "mean.toml", "--yes", "--json"]));
    wait_shown(&coop, 2, &at, |_| true);
    coop.ok(2, &["support", &at, "--yes"]);
    wait_shown(&coop, 1, &at, |one| one["cosigners"][0]["member"] == "GB-EDU-000002");
    // Whoever reads it has the draft itself.
    coop.ok(1, &["proposals", &at, "-o", "got.toml"]);
    assert_eq!(std::fs::read(coop.path("got.toml")).unwrap(), std::fs::read(coop.path("mean.toml")).unwrap());
    coop.fails(1, &["proposals", &at, "-o", "got.toml"], 2, "exists");
    let ask = ["ask", "--question", "got.toml", "--period", "2026-09-01..2026-12-18", "--yes", "--json"];
    let query = json(&coop.ok(1, &ask))["release"]["query"].as_str().unwrap().to_owned();
    wait_shown(&coop, 0, &at, |one| one["state"] == "adopted");

    // Blind double review: what the first found stays home until the second is bound, also if it is killed.
    write_purpose(&coop);
    let at = id(&coop.ok(0, &["propose", "purpose", "purpose.toml", "--yes", "--json"]));
    for n in 1..5 {
        let seen = wait_shown(&coop, n, &at, |one| one["names"] == "exams-again");
        let first = seen["means"]["but_first"].as_str().unwrap();
        assert!(first.contains("rho_purpose"), "the other purpose leaves it no room yet: {first}");
    }
    let review = |harm, because| {
        [
            "review",
            &at,
            "--benefit",
            "good",
            "--harm",
            harm,
            "--least-data",
            "good",
            "--because",
            because,
            "--yes",
            "--json",
        ]
        .map(str::to_owned)
    };
    coop.fails(1, &["review", &at, "--show"], 2, "we have not reviewed");
    let uncalled = review("good", "we were not asked");
    let uncalled: Vec<&str> = uncalled.iter().map(String::as_str).collect();
    coop.fails(3, &uncalled, 6, "reviewed by GB-EDU-000001 and GB-EDU-000002, and not by us");
    assert!(text(&coop.ok(3, &["proposals", &at])).contains("School 1, School 2 review it"));
    let first = review("doubtful", "small groups could be seen");
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let bound = json(&coop.ok(1, &first));
    assert_eq!((&bound["bound"], &bound["shown"]), (&Value::from(1), &Value::from(false)));
    let file = coop.node(1).join("reviews").join(&at);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    coop.fails(1, &first, 6, "reviewed it already");
    assert!(file.exists(), "a second review does not lose the first");
    coop.kill(1);
    coop.start(1);
    coop.wait_connected(1);
    let seen = wait_shown(&coop, 2, &at, |one| one["reviews"][0].is_object());
    assert_eq!(seen["reviews"][0]["shown"], Value::Null);
    let second = review("good", "it asks for little");
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    coop.ok(2, &second);
    let seen =
        wait_shown(&coop, 4, &at, |one| (0..2).all(|n| one["reviews"][n]["shown"]["text"].is_string()));
    assert_eq!(seen["reviews"][0]["shown"]["harm"], "doubtful");
    assert_eq!(seen["reviews"][0]["shown"]["text"], "small groups could be seen");
    wait_for("the kept review to go", || !file.exists());

    std::fs::write(coop.path("report.txt"), "We moved the revision classes.\n").unwrap();
    let report =
        ["report", "exams", "--outcome", "changed", "--text", "report.txt", "--yes", "--json", "--release"];
    coop.fails(0, &[&report[..], &[&at]].concat(), 2, "not of a question");
    coop.ok(0, &[&report[..], &[&query]].concat());
    coop.fails(
        0,
        &["report", "nothing", "--outcome", "changed", "--text", "report.txt", "--yes"],
        2,
        "exams",
    );

    // One body stops nothing, two do.
    coop.fails(1, &["pause", "purpose", "nothing", "--yes"], 6, "has no purpose `nothing`");
    let paused = coop.ok(1, &["pause", "purpose", "exams", "--yes"]);
    assert!(text(&paused).contains("1 other body"), "{}", text(&paused));
    wait_for("the first word", || !json(&coop.ok(2, &["proposals", "--json"]))["restrictions"][0].is_null());
    let paused = coop.ok(2, &["pause", "purpose", "exams", "--yes"]);
    assert!(text(&paused).contains("is paused"), "{}", text(&paused));
    coop.fails(2, &["pause", "purpose", "exams", "--yes"], 6, "still holds");
    let seen = json(&coop.ok(2, &["proposals", "--json"]));
    assert_eq!(
        (&seen["restrictions"][0]["in_force"], &seen["restrictions"][0]["bodies"]),
        (&true.into(), &2.into())
    );
    assert!(seen["restrictions"][0]["until"].is_string());
    wait_for("the report", || !json(&coop.ok(2, &["proposals", "--json"]))["reports"][0].is_null());
    let listed = text(&coop.ok(2, &["proposals"]));
    for said in ["purpose `exams` until", "School 0 on `exams`", "question `mean-score`: What do they score?"]
    {
        assert!(listed.contains(said), "{said}\n{listed}");
    }
    let ask = ["ask", "--question", "mean.toml", "--period", "2026-09-01..2026-11-18", "--yes"];
    coop.fails(2, &ask, 6, "purpose");
    assert_eq!(coop.verify_all()["result"], "pass");
}

/// No review, no purpose; no report, no renewal (CHARTER section 4): by the programs of those who sign.
#[test]
fn a_reviewer_signs_what_was_reviewed_and_everybody_what_was_reported() {
    let mut coop = running(5);
    let founding = std::fs::read_to_string(coop.path("charter.txt")).unwrap();
    write_purpose(&coop);
    let own = std::fs::read_to_string(coop.path("purpose.toml")).unwrap();
    std::fs::write(coop.path("own.toml"), own.replace("GB-EDU-000002", "GB-EDU-000000")).unwrap();
    coop.fails(0, &["propose", "purpose", "own.toml", "--yes"], 6, "of the body that proposes it");
    let last = |text: &str| {
        let purpose = &text[text.find("[[purpose]]").unwrap()..];
        let at = purpose.find("expires = ").unwrap();
        purpose[at + 10..at + 20].to_owned()
    };
    // A version with the new purpose; the old one leaves it room.
    (0..5).for_each(|n| coop.terminate(n));
    coop.ok(0, &["charter", "propose", "-o", "v2.txt"]);
    let second = std::fs::read_to_string(coop.path("v2.txt")).unwrap();
    let small = |text: &str| text.replace("\n[asset_lock]", "limits.rho_purpose = 1000000\n\n[asset_lock]");
    let added = std::fs::read_to_string(coop.path("purpose.toml")).unwrap();
    let added = format!("{}limits.rho_purpose = 1000000\n", added.trim_end().to_owned() + "\n");
    std::fs::write(coop.path("purpose.toml"), &added).unwrap();
    let second = small(&second).replace("\n[asset_lock]", &format!("\n{added}\n[asset_lock]"));
    std::fs::write(coop.path("v2.txt"), &second).unwrap();
    coop.fails(1, &["charter", "sign", "v2.txt", "--yes"], 6, "nobody proposed it as this version has it");
    coop.ok(0, &["charter", "sign", "v2.txt", "--yes"]);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let at = id(&coop.ok(0, &["propose", "purpose", "purpose.toml", "--yes", "--json"]));
    let review = |coop: &Coop, n: usize| {
        wait_shown(coop, n, &at, |_| true);
        let grades =
            ["--benefit", "good", "--harm", "good", "--least-data", "good", "--because", "fine", "--yes"];
        coop.ok(n, &[&["review", &at], &grades[..]].concat());
    };
    review(&coop, 1);
    wait_shown(&coop, 2, &at, |one| one["reviews"][0].is_object());
    coop.terminate(2);
    coop.fails(
        2,
        &["charter", "sign", "v2.txt", "--yes"],
        6,
        "the review of School 1 and School 2 is not shown",
    );
    coop.start(2);
    coop.wait_connected(2);
    review(&coop, 2);
    for n in [1, 2, 3] {
        wait_shown(&coop, n, &at, |one| (0..2).all(|n| one["reviews"][n]["shown"]["text"].is_string()));
    }
    std::fs::write(coop.path("report.txt"), "We moved the revision classes.\n").unwrap();
    let report = ["report", "exams", "--outcome", "changed", "--text", "report.txt", "--yes", "--json"];
    let report = id(&coop.ok(0, &report));
    wait_for("the report", || !json(&coop.ok(3, &["proposals", "--json"]))["reports"][0].is_null());
    (0..5).for_each(|n| coop.terminate(n));
    for n in [3, 4] {
        coop.ok(n, &["charter", "sign", "v2.txt", "--yes"]);
    }
    let signed = json(&coop.ok(1, &["charter", "sign", "v2.txt", "--yes", "--json"]));
    assert_eq!(signed["lacking"][0]["side"], "reviewers", "{signed}");
    assert_eq!(json(&coop.ok(2, &["charter", "sign", "v2.txt", "--yes", "--json"]))["held"], true);

    // The purpose of the founders goes on, by a report that is one.
    let ends = last(&founding);
    coop.ok(2, &["charter", "propose", "-o", "v3.txt"]);
    let third = std::fs::read_to_string(coop.path("v3.txt")).unwrap();
    let place = third.find("[[purpose]]").unwrap();
    let (head, purposes) = third.split_at(place);
    let later = datacoop_policy::Day(datacoop_policy::Day::parse(&ends).unwrap().0 + 1);
    let renewed = |report: &str| {
        let report = if report.is_empty() { String::new() } else { format!("report = \"{report}\"\n") };
        head.to_owned()
            + &purposes.replacen(&format!("expires = {ends}\n"), &format!("expires = {later}\n{report}"), 1)
    };
    let sign = |coop: &Coop, n, report: &str| {
        std::fs::write(coop.path("v3.txt"), renewed(report)).unwrap();
        let output = coop.run(n, &["charter", "sign", "v3.txt", "--yes"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = sign(&coop, 2, "");
    assert!(code == Some(2) && said.contains("no report, no renewal"), "{said}");
    let (code, said) = sign(&coop, 2, &"0".repeat(64));
    assert!(code == Some(6) && said.contains("is in no log that this node holds"), "{said}");
    let (code, said) = sign(&coop, 2, &at);
    assert!(code == Some(6) && said.contains("is a proposal, no report"), "{said}");
    let (code, said) = sign(&coop, 2, &report);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_cannot_be_said_is_refused_and_nothing_is_logged() {
    let mut coop = Coop::found(5, 40);
    coop.fails(0, &["proposals"], 11, "is not running");
    coop.fails(0, &["propose", "question", "mean.toml", "--yes"], 11, "is not running");
    coop.fails(0, &["support", "ab", "--yes"], 11, "is not running");
    // Not us: our own limits, whether or not the node runs.
    let limits = coop.node(0).join("limits.toml");
    let before = std::fs::read_to_string(&limits).unwrap();
    coop.fails(0, &["not-us", "question", "mean-score"], 2, "needs a yes");
    assert_eq!(std::fs::read_to_string(&limits).unwrap(), before);
    let changed = json(&coop.ok(0, &["not-us", "question", "mean-score", "--yes", "--json"]));
    assert_eq!(changed["diff"][0], "+ questions = { except = [\"mean-score\"] }");
    assert_eq!(
        std::fs::read_to_string(&limits).unwrap(),
        format!("{before}questions = {{ except = [\"mean-score\"] }}\n")
    );
    assert_eq!(json(&coop.ok(0, &["not-us", "question", "mean-score", "--yes", "--json"]))["changed"], false);
    coop.fails(0, &["not-us", "question", "a\nb", "--yes"], 2, "no id");
    for n in 0..3 {
        coop.start(n);
    }
    let size = |coop: &Coop| coop.status(0)["logs"][0]["entries"].clone();
    wait_for("the first entries", || size(&coop).as_u64().unwrap_or(0) >= 2);
    let entries = size(&coop);
    std::fs::write(coop.path("bytes"), [0xff, 0xfe]).unwrap();
    std::fs::write(coop.path("long"), vec![b'a'; 300 * 1024]).unwrap();
    coop.fails(0, &["propose", "question", "mean.toml"], 2, "needs a yes");
    coop.fails(0, &["propose", "question", "nothing.toml", "--yes"], 2, "nothing.toml");
    coop.fails(0, &["propose", "question", "charter.txt", "--yes"], 2, "charter.txt");
    coop.fails(0, &["propose", "purpose", "mean.toml", "--yes"], 2, "not a purpose");
    coop.fails(0, &["propose", "charter", "charter.txt", "--yes"], 2, "charter.txt");
    coop.fails(0, &["propose", "question", "bytes", "--yes"], 2, "UTF-8");
    coop.fails(0, &["propose", "question", "long", "--yes"], 2, "more than 262144 bytes");
    coop.fails(0, &["report", "exams", "--outcome", "learnt", "--text", "long", "--yes"], 2, "262144");
    coop.fails(
        0,
        &["propose", "question", "mean.toml", "--instead-of", "abcd", "--yes"],
        2,
        "no id of a proposal",
    );
    for id in ["abcd", "0000000000"] {
        coop.fails(0, &["support", id, "--yes"], 2, "no id of a proposal here begins with");
        coop.fails(0, &["proposals", id], 2, "no id of a proposal here begins with");
        coop.fails(0, &["object", id, "--because", "no", "--yes"], 2, "here begins with");
        coop.fails(0, &["reply", id, "--text", "no", "--yes"], 2, "no id of an objection");
    }
    std::fs::write(coop.path("next.txt"), "# datacoop/charter/v1\nversion = 2\n").unwrap();
    coop.fails(4, &["charter", "sign", "next.txt", "--yes"], 2, "next.txt: not a charter");
    coop.fails(0, &["support", "../status", "--yes"], 2, "is no id");
    coop.fails(0, &["object", "\u{1b}[2J", "--because", "no", "--yes"], 2, "is no id");
    coop.fails(0, &["object", "ab", "--because", " ", "--yes"], 2, "says nothing");
    coop.fails(0, &["review", "ab", "--benefit", "good"], 2, "--harm");
    coop.fails(0, &["pause", "member", "GB-EDU-999999", "--yes"], 6, "has no member");
    assert_eq!(size(&coop), entries, "nothing was logged");
    // Two ids that begin alike: sixteen proposals and one more share a first digit.
    for n in 0..17 {
        let question = datacoop_tests::QUESTION.replace("mean-score", &format!("mean-{n}"));
        std::fs::write(coop.path("q.toml"), question).unwrap();
        coop.ok(0, &["propose", "question", "q.toml", "--yes"]);
    }
    let all = json(&coop.ok(0, &["proposals", "--json"]));
    let ids: Vec<&str> =
        all["proposals"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let digit = ids
        .iter()
        .map(|id| &id[..1])
        .find(|digit| ids.iter().filter(|id| id.starts_with(*digit)).count() > 1);
    coop.fails(0, &["withdraw", digit.unwrap(), "--yes"], 2, "give more digits");
    coop.fails(
        0,
        &["reply", &ids[0][..10], "--text", "x", "--yes"],
        2,
        "of kind proposal, not of an objection",
    );
}
