//! What a member sees of its limits and verdicts, in a kept demo: no node runs there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

struct Kept {
    _folder: tempfile::TempDir,
    coop: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let coop = folder.path().join("coop");
        let output = Command::new(env!("CARGO_BIN_EXE_datacoop"))
            .args(["demo", "--members", "6", "--quiet", "--keep"])
            .arg(&coop)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { _folder: folder, coop }
    }

    fn run(&self, args: &[&str]) -> Output {
        let node = self.coop.join("DEMO-002");
        Command::new(env!("CARGO_BIN_EXE_datacoop")).arg("--node").arg(node).args(args).output().unwrap()
    }

    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[args, &["--json"]].concat())).unwrap()
    }

    fn fails(&self, args: &[&str], exit: i32, said: &str) {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }

    fn limits_toml(&self) -> PathBuf {
        self.coop.join("DEMO-002/limits.toml")
    }
}

/// A row of `charter limits --json`.
fn limit<'a>(limits: &'a Value, name: &str) -> &'a Value {
    limits["limits"].as_array().unwrap().iter().find(|row| row["limit"] == name).unwrap()
}

fn check_limits(kept: &Kept) {
    let text = kept.text(&["charter", "limits"]);
    for row in [
        ("One question costs", "at most rho 0.05 (epsilon 1.48)", "the floor"),
        ("Members in a round", "at least 5", "charter version 1"),
        ("Datasets used", "pupils", "purpose `demo`"),
        ("Purposes answered", "demo", "our own limits"),
    ] {
        let line = text.lines().find(|line| line.starts_with(row.0)).unwrap();
        assert!(line.contains(row.1) && line.ends_with(row.2), "{line}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 110 || line.contains("limits.toml")), "{text}");

    let original = std::fs::read_to_string(kept.limits_toml()).unwrap();
    let ours =
        format!("{original}\nrho_query = 4_000_000\nmin_roster = 5\nquestions = {{ except = [\"x\"] }}\n");
    std::fs::write(kept.limits_toml(), ours).unwrap();
    let json = kept.json(&["charter", "limits", "--purpose", "demo"]);
    assert_eq!((json["answers"].as_bool(), &json["problem"]), (Some(true), &Value::Null));
    let row = limit(&json, "rho_query");
    assert_eq!(
        (row["value"]["rho"].as_str(), row["set_by"][0].as_str()),
        (Some("0.004000000"), Some("member"))
    );
    // The charter came first.
    assert_eq!(limit(&json, "min_roster")["set_by"][0], "charter");
    assert_eq!(limit(&json, "questions")["words"], "all but x");
    assert_eq!(limit(&json, "min_people")["set_by_words"], "nobody");

    std::fs::write(kept.limits_toml(), "purposes = []").unwrap();
    assert!(kept.text(&["charter", "limits"]).contains("ANSWERS NOTHING: its limits.toml opens no purpose"));
    let broken = "purposes = [\"demo\"]\nrho_query = \"little, and nothing of this line is repeated\"\n";
    std::fs::write(kept.limits_toml(), broken).unwrap();
    let text = kept.text(&["charter", "limits"]);
    assert!(text.contains("THIS NODE ANSWERS NOTHING") && !text.contains("little"), "{text}");
    assert!(text.contains("limits.toml: line 2: `rho_query` is not understood; write billionths"), "{text}");
    assert_eq!(limit(&kept.json(&["charter", "limits"]), "rho_query")["set_by"][0], "floor");
    std::fs::remove_file(kept.limits_toml()).unwrap();
    let json = kept.json(&["charter", "limits"]);
    assert_eq!((json["answers"].as_bool(), json["open"].as_array().unwrap().len()), (Some(false), 0));
    assert!(json["problem"].as_str().unwrap().contains("No such file"), "{json:#}");
    std::fs::write(kept.limits_toml(), original).unwrap();
    kept.fails(&["charter", "limits", "--purpose", "other"], 2, "its purposes are: demo");
}

fn query_id(kept: &Kept) -> String {
    let certificate = std::fs::read_dir(&kept.coop).unwrap().map(|file| file.unwrap().path());
    let name = certificate.filter(|path| path.is_file()).map(|path| path.file_stem().unwrap().to_owned());
    name.last().unwrap().to_str().unwrap().rsplit('-').next().unwrap().to_owned()
}

fn check_why(kept: &Kept) {
    let id = query_id(kept);
    let text = kept.text(&["charter", "why", &id]);
    for line in [
        "now: released",
        "cells           12; at most 2000",
        "rho 0.005 (epsilon 0.43); rho 1 (epsilon 7.80) was left",
        "Then we were in the Roster, and debited our Ledger.",
        "5 accepted, 0 refused, 0 without a verdict here",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json = kept.json(&["charter", "why", &id[..1].to_uppercase()]);
    let own = &json["own"];
    assert_eq!((own["decision"].as_str(), own["recomputed"].as_str()), (Some("accepted"), Some("same")));
    assert_eq!((own["debited"].as_bool(), json["members"].as_array().unwrap().len()), (Some(true), 5));
    // Limits that changed since do not change what was decided, and it says so.
    let original = std::fs::read_to_string(kept.limits_toml()).unwrap();
    std::fs::write(kept.limits_toml(), format!("{original}\nmax_cells = 11\n")).unwrap();
    let text = kept.text(&["charter", "why", &id]);
    let today =
        "the decision would be another: Refused: 12 cells; at most 11 are allowed. Set by our own limits.";
    assert!(text.contains("Our own decision (DEMO-002)\nAccepted.\n") && text.contains(today), "{text}");
    std::fs::write(kept.limits_toml(), original).unwrap();
    let other = if id.starts_with('0') { "1" } else { "0" };
    kept.fails(&["charter", "why", other], 2, &format!("the nearest are: {} (Did this day", &id[..8]));
    kept.fails(&["charter", "why", "\u{1b}[2J"], 2, "no query begins with `\\u{1b}[2J`");
    kept.fails(&["charter", "why", ""], 2, "is missing");
}

/// Every file of the node's folder with its bytes.
fn files(folder: &std::path::Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.is_dir() {
            files(&file, into);
        } else {
            into.push((file.clone(), std::fs::read(file).unwrap()));
        }
    }
}

fn check_try(kept: &Kept) {
    let file = kept.coop.join("candidate.toml");
    let path = file.to_str().unwrap();
    let (mut before, mut after) = (vec![], vec![]);
    files(&kept.coop.join("DEMO-002"), &mut before);
    let check = |limits: &str, said: &str| {
        std::fs::write(&file, limits).unwrap();
        let text = kept.text(&["charter", "try", path]);
        assert!(text.contains(said), "{limits}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 110 || line.contains("Refused")), "{text}");
    };
    let open = "purposes = [\"demo\"]";
    check(open, "No difference: 1 of 1 question decided as before.");
    for (limit, rule, told) in [
        ("rho_query = 4_999_999", "rho_query", "It costs rho 0.005000000; at most 0.004999999 is allowed"),
        (
            "rho_year = 4_999_999",
            "rho_year",
            "It costs rho 0.005000000; 0.004999999 is left until 31 August 2026",
        ),
        ("max_cells = 11", "max_cells", "12 cells; at most 11 are allowed"),
        ("min_roster = 6", "min_roster", "It asks for 5 members; 6 are needed"),
        ("columns = { except = [\"attended\"] }", "columns", "The column `attended` may not be used"),
    ] {
        check(&format!("{open}\n{limit}"), &format!("1 of 1 question would now be refused: 1 by {rule}."));
        check(
            &format!("{open}\n{limit}"),
            &format!("    was    accepted\n    would  Refused: {told}. Set by our own limits."),
        );
    }
    // What only a Roster can break is judged with the Roster that there was.
    check(&format!("{open}\nmin_bodies = 6"), "No difference");
    check(
        &format!("{open}\nmin_bodies = 7"),
        "then declined with its Roster. Refused: 6 separate bodies; 7 are needed.",
    );
    // At the limit nothing changes.
    check(
        &format!("{open}\nrho_query = 5_000_000\nrho_year = 5_000_000\nmax_cells = 12\nmin_roster = 5"),
        "No difference",
    );
    std::fs::write(&file, "purposes = []").unwrap();
    let json = kept.json(&["charter", "try", path]);
    assert_eq!((json["questions"].as_u64(), json["now_refused"].as_u64()), (Some(1), Some(1)));
    assert_eq!(json["queries"][0]["would"]["rule"], "purposes");
    std::fs::write(&file, "rho_yaer = 5").unwrap();
    kept.fails(
        &["charter", "try", path],
        2,
        "candidate.toml: line 1: there is no limit `rho_yaer`; did you mean",
    );
    kept.fails(&["charter", "try", "/nonexistent"], 2, "No such file");
    files(&kept.coop.join("DEMO-002"), &mut after);
    assert!(before == after, "nothing is written");
}

#[test]
fn limits_and_verdicts_of_a_kept_demo() {
    let kept = Kept::new();
    check_limits(&kept);
    check_why(&kept);
    check_try(&kept);
}
