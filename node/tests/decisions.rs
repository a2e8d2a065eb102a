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

#[test]
fn limits_and_verdicts_of_a_kept_demo() {
    let kept = Kept::new();
    check_limits(&kept);
}
