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
    check(&["demo", "--members", "2"], 2, "2 is not in 3..=100");
    check(&["demo", "--members", "101"], 2, "101 is not in 3..=100");
    check(&["demo", "--rho", "lots"], 2, "write rho as a decimal");
    check(&["demo", "--data", "x.csv"], 2, "--by");
    check(&["demo", "--by", "school"], 2, "--data");
    check(&["ask", "q", "--period", "x", "--window", "0s"], 2, "at least 1s");
    check(&["ask", "q", "--period", "x", "--window", "11d"], 2, "at most 10d");
    check(&["ask", "q", "--period", "x", "--window", "9999999999999999999d"], 2, "at most 10d");
    check(&["demo", "--seed", "1", "--data", "x.csv"], 2, "cannot be used with");
    check(&["verify", "/nonexistent"], 2, "there is no such file");
    check(&["nonsense"], 2, "unrecognized");
}

#[test]
fn a_loss_above_the_floor_exits_with_4_and_names_the_rule() {
    check(&["demo", "--members", "5", "--rho", "0.06"], 4, "rule rho_query, set by the floor");
}

fn demo_json(args: &[&str]) -> serde_json::Value {
    let output = datacoop(&[&["demo", "--json"], args].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one object")
}

#[test]
fn three_members_add_all_the_noise_themselves() {
    let json = demo_json(&["--members", "3"]);
    assert_eq!(json["mode"], "full_noise");
    assert_eq!((json["committee"].as_u64(), json["accepted"].as_u64()), (Some(0), Some(3)));
    assert_eq!(json["committee_can_be_all_corrupt"], false);
}

#[test]
fn a_kept_demo_can_be_verified_and_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("coop");
    let kept = home.to_str().expect("a path");
    let json = demo_json(&["--members", "3", "--keep", kept]);
    assert_eq!(json["home"], kept);
    let certificate = json["certificate"].as_str().expect("a file").to_owned();
    let exports: Vec<String> = std::fs::read_dir(&home)
        .expect("kept")
        .map(|member| member.expect("an entry").path())
        .filter(|member| member.is_dir())
        .map(|member| member.join("export").display().to_string())
        .collect();
    assert_eq!(exports.len(), 3);
    let mut args = vec!["verify"];
    args.extend(exports.iter().map(String::as_str));
    let verified = datacoop(&args);
    assert!(verified.status.success());
    let text = String::from_utf8(verified.stdout).expect("text");
    assert_eq!(
        text.matches("rho 0.005 (epsilon 0.43), at most 1.54 times as likely, in 1 debit").count(),
        3,
        "{text}"
    );
    assert!(text.contains("The same holds if everyone else colludes"), "{text}");
    args.push("--json");
    let json: serde_json::Value = serde_json::from_slice(&datacoop(&args).stdout).expect("one object");
    assert_eq!(json["releases"][0]["loss"]["factor"], "1.54", "{json:#}");
    assert_eq!(json["releases"].as_array().map(Vec::len), Some(1), "one release, held by three logs");
    let spent = &json["logs"][2]["spent"];
    assert_eq!(
        (&spent["accounts"][0]["spent"]["rho"], &spent["years"][0]["years"]),
        (&"0.005000000".into(), &1.into())
    );
    check(&["demo", "--members", "3", "--keep", kept], 2, "hint: name a new folder");
    check_certificate(&certificate, &args);
    check_register(&exports, folder.path());
}

/// A register is made of logs that pass: one changed byte of one, and nothing is written.
fn check_register(exports: &[String], folder: &std::path::Path) {
    let site = |name: &str| folder.join(name).display().to_string();
    let made = |site: &str| {
        let mut args = vec!["register", "export", site, "--from"];
        args.extend(exports.iter().map(String::as_str));
        datacoop(&args)
    };
    assert!(made(&site("whole")).status.success());
    let lines = std::path::Path::new(&exports[1]).join("entries.jsonl");
    let mut bytes = std::fs::read(&lines).expect("entries");
    bytes[0] ^= 1;
    std::fs::write(&lines, bytes).expect("written");
    let refused = made(&site("broken"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("does not pass its checks"), "{said}");
    assert!(folder.join("whole/index.html").exists() && !folder.join("broken").exists());
}

/// The answer's certificate passes alone and beside exports, under the charter that it is of and no other.
fn check_certificate(file: &str, verify_exports: &[&str]) {
    let charter = &json_of(&["verify", file, "--json"])["certificates"][0]["charter"];
    let charter = charter.as_str().expect("an id").to_owned();
    let json = json_of(&[verify_exports, &[file, "--charter", &charter]].concat());
    let certificate = &json["certificates"][0];
    assert_eq!((&json["result"], &certificate["result"]), (&"pass".into(), &"pass".into()), "{json:#}");
    assert_eq!((&certificate["charter_check"], &json["charter_check"]), (&"pass".into(), &"pass".into()));
    assert_eq!(certificate["release"]["loss"]["epsilon"], "0.43");
    let text = String::from_utf8(datacoop(&["verify", file]).stdout).expect("text");
    assert!(text.contains("WARN charter") && text.contains("RESULT PASS"), "{text}");
    assert!(text.contains("PASS C11 summary") && text.contains("(epsilon 0.43)"), "{text}");
    let held = std::fs::read_to_string(file).expect("a text");
    assert!(held.contains("rho 0.005000000") && !held.contains("epsilon"), "epsilon is shown beside it only");
    check(&["verify", file, "--charter", &"0".repeat(64)], 1, "");
    std::fs::write(file, held.replacen("School", "Schooi", 1)).expect("written");
    check(&["verify", file], 1, "");
    std::fs::write(file, "something else").expect("written");
    check(&["verify", file], 2, "");
}

fn json_of(args: &[&str]) -> serde_json::Value {
    serde_json::from_slice(&datacoop(args).stdout).expect("one object")
}

#[test]
fn demo_json_is_one_object_that_scripts_rely_on() {
    let json = demo_json(&["--members", "5"]);
    assert_eq!((json["schema"].as_str(), json["demo"].as_bool()), (Some("datacoop.demo/1"), Some(true)));
    let count = |field: &str| json[field].as_u64();
    assert_eq!(
        (count("members"), count("roster"), json["mode"].as_str()),
        (Some(5), Some(5), Some("secure"))
    );
    assert_eq!((count("committee"), count("accepted")), (Some(2), Some(5)));
    assert_eq!(
        (json["loss"]["epsilon"].as_str(), json["loss"]["delta"].as_str()),
        (Some("0.43"), Some("1e-6"))
    );
    let own = &json["loss"]["own_noise"];
    assert_eq!((own["rho"].as_str(), own["shares"].as_u64()), (Some("0.020000000"), Some(4)), "m x rho");
    assert!(json["home"].is_null());
    assert_eq!(json["loss"]["rho"], "0.005000000");
    assert_eq!(json["release"]["question"], "event-day");
    let cell = &json["release"]["cells"][0];
    assert_eq!(cell["key"]["pupil_premium"], "true");
    let figure = &cell["figures"][0];
    assert_eq!(figure["name"], "change");
    for field in ["value", "low", "high", "noise"] {
        assert!(figure[field].as_str().is_some_and(|text| text.parse::<f64>().is_ok()), "{field}: {figure}");
    }
    assert!(figure["chance"].as_str().is_some() && figure["status"] == "estimated", "{figure}");
    let audit = json["audit"].as_array().expect("a list");
    assert_eq!(audit.len(), 5);
    assert!(audit.iter().all(|log| log["result"] == "pass"), "{audit:?}");
    assert!(
        audit.iter().all(|log| log["log"].is_string() && log["entries"].as_u64() >= Some(5)),
        "{audit:?}"
    );
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
        let error: serde_json::Value =
            serde_json::from_str(stderr.lines().last().unwrap_or("")).expect("an error is one line of JSON");
        assert!(error["error"].as_str().is_some_and(|text| text.contains(said)), "{stderr}");
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
    sheet.refuses("school", 2, "data.csv row 5, sex: \"X\" is not allowed; allowed: F, M");
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

#[test]
fn what_a_spreadsheet_lacks_is_said_before_anything_is_written() {
    let sheet = Sheet::new();
    let mean = question(r#"{ kind = "mean", of = "s", count = "n" }"#);
    let kept = ["--by", "school", "--keep", "coop"];
    let stderr = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let fails = |said: &str| {
        let output = sheet.demo(&kept);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(!sheet.folder.path().join("coop").exists(), "{said}");
    };
    // The column that the question reads.
    sheet.write("data.csv", "school,sex,mark\nA,F,1\n");
    fails("the question reads `score`, and there is no such column; it has `school`, `sex`, `mark`");
    // The question itself.
    sheet.write("q.toml", &mean.replace("\"score\"", "\"nothing\""));
    fails("nothing");
    sheet.write(
        "q.toml",
        &mean.replace("id = \"q\"", "id = \"q\"\nwhere = \"score < :most\"\nparam = { most = \"number\" }"),
    );
    fails("the parameter `most` (number) is missing");
    // What is only seen when rows are read is written and removed again.
    sheet.write("q.toml", &mean);
    sheet.write("data.csv", "school,sex,score\nA,F,1\nB,F,1\n");
    fails("2 members; a demo runs 3 to 100");
    // Data without dates are asked about in the academic year we are in.
    let output = sheet.demo(&["--by", "school", "--period", "2001-09-01..2002-08-31"]);
    assert!(stderr(&output).contains("the academic year we are in"), "{}", stderr(&output));
    // A retry into the same folder works, and says what did not count.
    let rows: String = (0..60).map(|i| format!("S{},{},1,x\n", i % 3, ["F", "M"][i / 3 % 2])).collect();
    sheet.write("data.csv", &format!("school,sex,score,colour\n{rows},F,1,x\n"));
    let output = sheet.demo(&kept);
    assert!(output.status.success(), "{}", stderr(&output));
    for said in ["data.csv row 62, school: it is empty", "1 of 61 rows", "ignored: colour"] {
        assert!(stderr(&output).contains(said), "{said}: {}", stderr(&output));
    }
}

#[test]
fn a_dated_spreadsheet_is_asked_about_in_the_year_of_its_newest_date() {
    let sheet = Sheet::new();
    let row = "{ name = \"sex\"";
    let vocabulary = VOCABULARY.replace(row, &format!("{{ name = \"date\", type = \"date\" }},\n  {row}"));
    // The same pupil numbers in every school are no duplicates.
    let vocabulary = vocabulary.replace(row, &format!("{{ name = \"pupil\", type = \"text\" }},\n  {row}"));
    sheet.write("v.toml", &vocabulary.replace("unit = \"row\"", "unit = \"row\"\nkey = [\"pupil\"]"));
    let day = |i: usize| if i < 3 { "2020-05-05" } else { "2021-05-05" };
    let rows: String = (0..90).map(|i| format!("S{},{},{},F,1\n", i % 3, i / 3, day(i))).collect();
    sheet.write("data.csv", &format!("school,pupil,date,sex,score\n{rows}"));
    let output = sheet.demo(&["--by", "school"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("3 of 90 rows lie outside the period 2020-09-01..2021-08-31"), "{stderr}");
}

#[test]
fn an_import_beside_another_command_says_that_the_folder_is_busy() {
    let sheet = Sheet::new();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datacoop"));
        command.current_dir(sheet.folder.path()).args(["--node", "n"]).args(args);
        command.output().expect("the program runs")
    };
    let init = ["init", "--id", "GB-EDU-1", "--name", "A", "--host", "a.example", "--people-max", "5"];
    assert!(run(&init).status.success());
    let import = ["import", "data.csv", "--vocabulary", "v.toml"];
    let lock = std::fs::File::open(sheet.folder.path().join("n/lock")).expect("a lock");
    lock.try_lock().expect("free");
    let output = run(&import);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(11), "{stderr}");
    assert!(stderr.contains("another command works in") && !stderr.contains("datacoop run"), "{stderr}");
    drop(lock);
    // Windows-1252 with semicolons, as a spreadsheet program of 2014 saves it.
    std::fs::write(sheet.folder.path().join("data.csv"), b"sex;score\nF;1\nM;2\n;\xe9\n").expect("written");
    let output = run(&import);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("data.csv row 4, score: \"\u{e9}\" is no number"), "{stderr}");
    std::fs::write(sheet.folder.path().join("data.csv"), "sex;score\nF;1\nM;2\n").expect("written");
    let output = run(&import);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("2 of 2 rows") && stdout.contains("split by semicolons"), "{stdout}");
    // Alone it works, and says what the file has more and less than the vocabulary.
    sheet.write("data.csv", "sex,colour\nF,x\n");
    let output = run(&import);
    let stdout = String::from_utf8_lossy(&output.stdout);
    for said in ["1 of 1 rows", "ignored: colour", "does not have, left empty: score"] {
        assert!(stdout.contains(said), "{said}: {stdout}");
    }
    let again = run(&init);
    assert!(String::from_utf8_lossy(&again.stderr).contains("hint: name another folder"));
}
