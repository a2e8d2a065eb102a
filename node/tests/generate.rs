//! What made-up schools export goes through the importer that nodes use, and a demo asks about it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use datacoop::folder::Folder;
use datacoop::generate::scenario::{BUILT_IN, Scenario};
use datacoop::generate::{Options, generate};
use datacoop::home::Home;
use datacoop::import::Repair;
use datacoop::load::{Choice, Wish, import};
use datacoop_policy::Period;
use serde_json::Value;

/// Twelve schools, one of each layout, over the days of the event and a week before.
fn made(out: &Path, clean: bool) -> Value {
    let options = Options {
        schools: 12,
        charities: 1,
        seed: 7,
        scenario: (Scenario::built_in(), BUILT_IN.to_owned()),
        period: Period::parse("2025-12-05..2025-12-12").unwrap(),
        clean,
    };
    generate(&options, out, &|_| ()).unwrap()
}

fn load(home: &Home, file: &Path, vocabulary: &str) -> Value {
    let choice = Choice::Named(vocabulary.to_owned());
    let wish = Wish { repair: Some(Repair::PmPresent), ..Wish::new(file, choice) };
    import(home, &wish, &mut |_| ()).unwrap_or_else(|error| panic!("{}: {error}", file.display())).json()
}

/// What import says of every file of a member, by vocabulary, and how many rows each should lose.
fn imported(folder: &Path, home: &Path, member: &Value) -> BTreeMap<String, Value> {
    let home = Home::new(home);
    drop(Folder::open(home.path()).unwrap());
    let files = member["files"].as_array().unwrap();
    let mut found = BTreeMap::new();
    for file in files {
        let (name, vocabulary) = (file["file"].as_str().unwrap(), file["vocabulary"].as_str().unwrap());
        let loaded = load(&home, &folder.join(name), vocabulary);
        assert_eq!(
            loaded["rows_refused"],
            file["refused"],
            "{} {name}: {}",
            folder.display(),
            loaded["problems"]
        );
        found.insert(vocabulary.to_owned(), loaded);
    }
    found
}

#[test]
fn every_layout_imports_as_the_plain_one_does_and_loses_only_what_was_spoilt() {
    let dir = tempfile::tempdir().unwrap();
    let (messy, clean) = (dir.path().join("messy"), dir.path().join("clean"));
    let truth = made(&messy, false);
    made(&clean, true);
    for member in truth["members"].as_array().unwrap() {
        let folder = member["folder"].as_str().unwrap();
        let plain: Vec<Value> = ["pupils", "attendance", "attainment", "behaviour"]
            .iter()
            .map(|name| serde_json::json!({ "file": format!("{name}.csv"), "vocabulary": format!("{name}/1"), "refused": 0 }))
            .collect();
        let own = imported(&messy.join(folder), &dir.path().join(format!("a-{folder}")), member);
        let plain = serde_json::json!({ "files": plain });
        let plain = imported(&clean.join(folder), &dir.path().join(format!("b-{folder}")), &plain);
        for vocabulary in ["pupils/1", "attainment/1", "behaviour/1"] {
            assert_eq!(own[vocabulary]["rows_kept"], plain[vocabulary]["rows_kept"], "{folder} {vocabulary}");
        }
        let marks = |of: &BTreeMap<String, Value>, class: &str| {
            of["attendance/1"]["marks_by_class"][class].as_u64().unwrap_or(0)
        };
        let lost = member["files"].as_array().unwrap().iter().any(|file| file["lost_backslash"] == true);
        for class in ["present", "authorised", "unauthorised"] {
            let (own, plain) = (marks(&own, class), marks(&plain, class));
            // Who came only in the afternoon is lost with the mark that said so.
            let least = if lost { plain * 97 / 100 } else { plain };
            assert!((least..=plain).contains(&own), "{folder} {class}: {own} against {plain}");
        }
    }
    for charity in truth["charities"].as_array().unwrap() {
        let folder = charity["folder"].as_str().unwrap();
        imported(&messy.join(folder), &dir.path().join(format!("a-{folder}")), charity);
    }
}

#[test]
fn a_folder_of_exports_is_asked_about_its_planted_day() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("gen");
    let datacoop = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_datacoop")).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let folder = out.to_str().unwrap();
    let days = ["--from", "2025-11-28", "--to", "2025-12-12"];
    let make = ["generate", "--json", "--schools", "6", "--seed", "7", "--vcse", "--out", folder];
    let truth = datacoop(&[&make[..], &days].concat());
    assert_eq!(truth["members"].as_array().unwrap().len(), 6);
    let shown = datacoop(&["demo", "--json", "--data", folder, "--question", "event-day"]);
    // Charities have no attendance to answer with.
    assert_eq!((shown["members"].as_u64(), shown["accepted"].as_u64()), (Some(6), Some(6)));
    let planted = shown["planted"].as_array().unwrap();
    assert_eq!(planted.len(), 2);
    for group in planted {
        let of = |name: &str| group[name].as_f64().unwrap();
        assert_eq!(group["contrast"], true);
        assert_eq!(group["holds"], of("low_pp") <= of("realised_pp") && of("realised_pp") <= of("high_pp"));
        // Twice the range misses once in ten thousand.
        let wide = of("high_pp") - of("low_pp");
        assert!((of("answer_pp") - of("realised_pp")).abs() < wide, "{group}");
    }
    // Schools have no beneficiaries, and results are of August, after the days of the marks.
    for (question, vocabulary) in
        [("people-reached", "beneficiaries"), ("lives-better", "outcomes"), ("progress-8", "attainment")]
    {
        let shown = datacoop(&["demo", "--json", "--data", folder, "--question", question, "--rho", "0.05"]);
        assert_eq!((shown["members"].as_u64(), shown["accepted"].as_u64()), (Some(6), Some(6)), "{question}");
        let left_out = shown["left_out"][0].as_str().unwrap();
        assert!(
            left_out.starts_with(&format!("not asked, because no file of theirs is named {vocabulary}")),
            "{left_out}"
        );
        let cells = shown["release"]["cells"].as_array().unwrap();
        let told = |cell: &Value| cell["figures"][0]["status"] != "suppressed";
        assert!(cells.iter().any(told), "{question}: {cells:?}");
    }
}
