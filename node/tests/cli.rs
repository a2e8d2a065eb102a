//! The command line as a script sees it: exit codes, streams, errors.

use std::process::{Command, Output};

fn datacoop(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_datacoop");
    Command::new(program).args(args).output().expect("the program runs")
}

fn check(args: &[&str], exit: i32, said: &str) {
    let output = datacoop(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
    assert!(stderr.contains(said), "{args:?}: {stderr}");
}

#[test]
fn bad_usage_exits_with_2_and_says_what_to_do() {
    check(&["demo", "--members", "2"], 2, "a demo runs 3 to 100");
    check(&["demo", "--members", "101"], 2, "a demo runs 3 to 100");
    check(&["demo", "--rho", "lots"], 2, "write rho as a decimal");
    check(&["demo", "--data", "x.csv"], 2, "--by");
    check(&["demo", "--seed", "1", "--data", "x.csv"], 2, "cannot be used with");
    check(&["verify", "/nonexistent"], 2, "No such file");
    check(&["nonsense"], 2, "unrecognized");
}

#[test]
fn a_loss_above_the_floor_exits_with_4_and_names_the_rule() {
    check(&["demo", "--members", "5", "--rho", "0.06"], 4, "rule rho_query, set by the floor");
}

#[test]
fn demo_json_is_one_object_that_scripts_rely_on() {
    let output = datacoop(&["demo", "--members", "6", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(json["schema"], "datacoop.demo/1");
    assert_eq!(
        (json["members"].as_u64(), json["roster"].as_u64(), json["mode"].as_str()),
        (Some(6), Some(6), Some("secure"))
    );
    assert_eq!(json["loss"]["rho"], "0.005000000");
    assert_eq!(json["release"]["question"], "event-day");
    let cell = &json["release"]["cells"][0];
    assert_eq!(cell["key"]["pupil_premium"], "true");
    let figure = &cell["figures"][0];
    assert_eq!(figure["name"], "change");
    for field in ["value", "low", "high", "noise"] {
        assert!(figure[field].as_str().is_some_and(|text| text.parse::<f64>().is_ok()), "{field}: {figure}");
    }
    let audit = json["audit"].as_array().expect("a list");
    assert_eq!(audit.len(), 6);
    assert!(audit.iter().all(|log| log["result"] == "pass"), "{audit:?}");
    assert!(json["round_ms"].as_u64().is_some());
}

const VOCABULARY: &str = r#"
id = "exam"
version = 1
title = "Examination results"
dataset = "exam"
unit = "row"
column = [
  { name = "school", type = "text", role = "member" },
  { name = "sex", type = "text", values = ["F", "M"], group = true },
  { name = "score", type = "number", low = -4, high = 4, synonyms = ["result"] },
]
"#;

/// A question of this figure over the vocabulary.
fn question(figure: &str) -> String {
    format!(
        r#"
id = "q"
version = 1
title = "What do they score?"
vocabulary = "exam/1"
figure = {figure}
loss = 5_000_000
matters = "0.1"
measure = [
  {{ name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" }},
  {{ name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" }},
]
by = [{{ column = "sex", cells = ["F", "M"] }}]
"#
    )
}

struct Sheet {
    folder: tempfile::TempDir,
}

impl Sheet {
    /// Six schools of 300 rows: women score 0.5 on average, men 0.
    fn new() -> Self {
        let sheet = Self { folder: tempfile::tempdir().expect("a folder") };
        let rows: String = (0..1_800)
            .map(|i| {
                let (school, woman) = (i % 6, i / 6 % 2 == 0);
                let score = f64::from(i / 12 % 5) - 2.0 + if woman { 0.5 } else { 0.0 };
                format!("S{school},{},{score}\n", if woman { "F" } else { "M" })
            })
            .collect();
        sheet.write("data.csv", &format!("school,sex,result\n{rows}"));
        sheet.write("v.toml", VOCABULARY);
        sheet.write("q.toml", &question(r#"{ kind = "mean", of = "s", count = "n" }"#));
        sheet
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn demo(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datacoop"));
        command.current_dir(self.folder.path()).args([
            "demo",
            "--data",
            "data.csv",
            "--vocabulary",
            "v.toml",
        ]);
        command.args(["--question", "q.toml", "--rho", "0.05", "--json"]).args(more);
        command.output().expect("the program runs")
    }

    fn figures(&self) -> Vec<(String, String, f64)> {
        let output = self.demo(&["--by", "school"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        let mut found = vec![];
        for cell in json["release"]["cells"].as_array().expect("cells") {
            for figure in cell["figures"].as_array().expect("figures") {
                let value = figure["value"].as_str().expect("a value").parse().expect("a decimal");
                let (key, name) = (cell["key"]["sex"].as_str(), figure["name"].as_str());
                found.push((key.expect("a key").into(), name.expect("a name").into(), value));
            }
        }
        found
    }

    fn near(&self, expected: &[(&str, &str, f64, f64)]) {
        let figures = self.figures();
        assert_eq!(figures.len(), expected.len(), "{figures:?}");
        for ((key, name, value), (want_key, want_name, want, reach)) in figures.iter().zip(expected) {
            assert_eq!((key.as_str(), name.as_str()), (*want_key, *want_name));
            assert!((value - want).abs() <= *reach, "{key} {name}: {value} is not near {want}");
        }
    }

    fn refuses(&self, by: &str, exit: i32, said: &str) {
        let output = self.demo(&["--by", by]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn a_spreadsheet_of_ones_own_gives_means_counts_and_histograms() {
    let sheet = Sheet::new();
    // Nine times the noise: Delta = sqrt(16 + 64) steps, 900 people a cell.
    sheet.near(&[
        ("F", "mean", 0.5, 0.4),
        ("F", "count", 900.0, 150.0),
        ("M", "mean", 0.0, 0.4),
        ("M", "count", 900.0, 150.0),
    ]);
    sheet.write("q.toml", &question(r#"{ kind = "count", of = "n" }"#));
    sheet.near(&[("F", "count", 900.0, 150.0), ("M", "count", 900.0, 150.0)]);
    sheet.write("q.toml", &question(r#"{ kind = "histogram", of = "n" }"#));
    sheet.near(&[
        ("F", "count", 900.0, 150.0),
        ("F", "share", 0.5, 0.1),
        ("M", "count", 900.0, 150.0),
        ("M", "share", 0.5, 0.1),
    ]);
}

#[test]
fn a_spreadsheet_that_does_not_fit_is_refused_by_row_column_and_rule() {
    let sheet = Sheet::new();
    sheet.refuses("colour", 2, "there is no column `colour` to split by");
    sheet.refuses("sex", 2, "2 members; a demo runs 3 to 100");
    let good: String = (0..3).map(|i| format!("S{i},F,1\n")).collect();
    sheet.write("data.csv", &format!("school,sex,result\n{good}S1,X,1\n"));
    sheet.refuses("school", 2, "data.csv row 5, column `sex`: 'X' is not allowed; allowed: F, M");
    sheet.write("data.csv", "school,sex,result\n");
    sheet.refuses("school", 2, "no rows");
    let many: String = (0..101).map(|i| format!("S{i},F,1\n")).collect();
    sheet.write("data.csv", &format!("school,sex,result\n{many}"));
    sheet.refuses("school", 2, "more than 100 different values");
    sheet.write("data.csv", &format!("school,sex,result\n{good}"));
    sheet.write("q.toml", &question(r#"{ kind = "median", of = "n" }"#));
    sheet.refuses("school", 2, "`median` is none of count");
    sheet.write("q.toml", &question(r#"{ kind = "count", of = "n" }"#).replace("\"M\"]", "\"X\"]"));
    sheet.refuses("school", 2, "not in the closed list of `sex`");
    sheet.write("v.toml", &VOCABULARY.replace("group = true", "grouped = true"));
    sheet.refuses("school", 2, "unknown field `grouped`");
}
