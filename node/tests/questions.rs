//! `datacoop questions`, and planning without a node, as a person meets them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use datacoop::questions::period::{default_period, example_params};
use datacoop::questions::{THEMES, named, shipped_vocabulary};
use datacoop_policy::Day;
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use serde_json::Value;

fn bind(draft: &QuestionDraft) -> BoundQuestion {
    let vocabulary = shipped_vocabulary(&draft.vocabulary).unwrap();
    let question = Question::admit(draft.clone(), &vocabulary).unwrap();
    let (period, _) =
        default_period(draft.period.as_deref().unwrap(), true, Day::parse("2026-11-25").unwrap());
    question.bind(&example_params(&question, period), period).unwrap()
}

fn datacoop(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_datacoop")).env_remove("DATACOOP_NODE").args(args).output().unwrap()
}

/// Runs it in a place without a node.
fn said(args: &[&str], exit: i32) -> (String, String) {
    let output = datacoop(&[args, &["--node", "/nonexistent/node"]].concat());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {out}{err}");
    (out, err)
}

fn json(args: &[&str]) -> Value {
    let (out, _) = said(&[args, &["--json"]].concat(), 0);
    serde_json::from_str(&out).unwrap()
}

#[test]
fn questions_are_listed_by_theme_and_found_by_words() {
    let (out, _) = said(&["questions", "list"], 0);
    assert!(THEMES.iter().all(|(_, title)| out.contains(title)) && out.contains("attendance-weekday"));
    let list = json(&["questions", "list", "--theme", "people"]);
    let list = list["questions"].as_array().unwrap();
    assert!(list.len() == 6 && list.iter().all(|question| question["theme"] == "people"));
    let (_, err) = said(&["questions", "list", "--theme", "dogs"], 2);
    assert!(err.contains("there are attendance, attainment, behaviour, people"), "{err}");

    let (out, _) = said(&["questions", "search", "holidays in term time"], 0);
    assert!(out.starts_with("term-time-holidays\n"), "{out}");
    assert!(out.contains("datacoop ask term-time-holidays --param other_dates=... --plan"), "{out}");
    let (out, _) = said(&["questions", "search", "quantum", "chromodynamics"], 0);
    assert!(out.contains("Nothing in the catalogue is about \"quantum chromodynamics\""), "{out}");
    assert!(out.contains("attendance") && out.contains("behaviour"), "it says what themes there are: {out}");
    let found = json(&["questions", "search", "why are children off on Fridays"]);
    assert_eq!(found["found"][0]["id"], "attendance-weekday");
}

#[test]
fn a_file_is_checked_and_each_mistake_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().unwrap();
    let good = named("attendance-rate").unwrap().toml;
    std::fs::write(&file, good).unwrap();
    let (out, _) = said(&["questions", "check", path], 0);
    assert!(out.contains("It reads. Plan it: datacoop ask --question"), "{out}");
    let checked = json(&["questions", "check", path]);
    assert_eq!((checked["cells"].as_u64(), checked["sensitivity2"].as_str()), (Some(20), Some("6400")));
    assert_eq!(checked["reads"].as_array().unwrap().len(), 5);
    for (from, to, said_) in [
        ("id = \"attendance-rate\"", "id = \"Attendance rate\"", "line 1: `id` is a name"),
        ("\"attendance/1\"", "\"attendence/1\"", "line 4: vocabulary: there is no `attendence/1`"),
        ("SUM(attended)", "SUM(attend)", "measure `in_school`: there is no column `attend`"),
        ("\"10\", \"11\"]", "\"10\", \"15\"]", "by: `15` is not in the closed list of `nc_year`"),
        ("kind = \"rate\"", "kind = \"median\"", "line 8: figure: `median` is none of count"),
        ("loss = 6_000_000", "loss = 6_000_000\ncolour = 3", "line 10"),
        ("where = \"compulsory_age\"", "where = \"age > 5\"", "line 7: where: there is no column `age`"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&file, good.replacen(from, to, 1)).unwrap();
        let (_, err) = said(&["questions", "check", path], 2);
        assert!(err.contains(said_) && err.contains("mine.toml"), "{to}: {err}");
    }
    let (_, err) = said(&["questions", "check", "/nonexistent"], 2);
    assert!(err.contains("No such file"), "{err}");
}

#[test]
fn sql_is_said_back_in_words_or_refused_with_what_to_write() {
    let sql = "SELECT nc_year, AVG(attended) FROM attendance WHERE compulsory_age AND nc_year IN ('7','8') GROUP BY nc_year";
    let (out, _) = said(&["questions", "check", "--sql", sql], 0);
    assert!(
        out.contains("for each pupil: the mean of attended, clipped to 0 to 1; then the mean over pupils"),
        "{out}"
    );
    let (toml, _) = said(&["questions", "check", "--sql", sql, "--toml"], 0);
    let draft = QuestionDraft::from_toml(&toml).unwrap();
    assert_eq!(bind(&draft).cells(), 4);
    let checked = json(&["questions", "check", "--sql", sql]);
    assert_eq!(checked["sensitivity2"], "500");
    let (_, err) = said(&["questions", "check", "--sql", "SELECT code FROM attendance ORDER BY code"], 2);
    assert!(err.contains("--sql: ORDER is outside of what can be asked: leave ORDER BY"), "{err}");
    // Every numeric column of every shipped vocabulary has bounds, or the refusal says how to give them.
    for name in ["attendance/1", "attainment/1", "behaviour/1", "vcse_participation/1", "vcse_outcomes/1"] {
        let vocabulary = shipped_vocabulary(name).unwrap();
        for column in vocabulary.columns().iter().filter(|column| column.low.is_some() && !column.never) {
            let sql = format!("SELECT AVG({}) FROM {name}", column.name);
            let made = datacoop_policy::adhoc::compile(&sql, &[&vocabulary], "term", None).unwrap();
            assert!(bind(&made.draft).sensitivity2() == 500, "{sql}");
        }
    }
}
