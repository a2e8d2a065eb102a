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
fn a_question_is_shown_with_what_it_reads_costs_and_cannot_tell() {
    let (out, _) = said(&["questions", "show", "ks2-to-gcse"], 0);
    for part in [
        "From this start, what GCSE grade",
        "one person changes the sums by at most 1 steps squared",
        "It cannot tell what one pupil will get.",
        "With the answer: Use the row as a range",
        "See also: cluster-progress",
        "datacoop ask ks2-to-gcse --param subject=... --plan",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let shown = json(&["questions", "show", "A1"]);
    assert_eq!(
        (shown["id"].as_str(), shown["sensitivity2"].as_str()),
        (Some("attendance-rate"), Some("6400"))
    );
    assert_eq!(shown["expected"]["figures"].as_array().unwrap().len(), 10);
    let (out, _) = said(&["questions", "show", "event-day", "--toml"], 0);
    assert_eq!(out.trim_end(), named("event-day").unwrap().toml.trim_end());
    let (_, err) = said(&["questions", "show", "attendance-gaps"], 2);
    assert!(
        err.contains("there is no question `attendance-gaps`") && err.contains("attendance-gap,"),
        "{err}"
    );
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

#[test]
fn without_a_node_a_plan_is_for_the_reference_cluster_and_says_so() {
    let (out, _) = said(&["ask", "ks2-to-gcse", "--param", "subject=Mathematics", "--plan"], 0);
    for part in [
        "From this start, what GCSE grade",
        "no node here: planned for 20 schools of 1,000 pupils",
        "the last academic year",
        "rho 0.02",
        "Nothing was spent.",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let plan = json(&["ask", "ks2-to-gcse", "--param", "subject=Mathematics", "--plan"]);
    assert_eq!((plan["node"].as_bool(), plan["would_ask"].as_u64()), (Some(false), Some(20)));
    assert_eq!(plan["expected"]["figures"].as_array().unwrap().len(), 132);
    assert_eq!((plan["spent"].as_str(), plan["left"].is_null()), (Some("nothing"), true));
    let (_, err) = said(&["ask", "ks2-to-gcse", "--param", "subject=Maths", "--plan"], 2);
    assert!(err.contains("`Maths` is not in the list gcse_subjects"), "{err}");
    let (_, err) = said(&["ask", "ks2-to-gcse", "--plan"], 2);
    assert!(err.contains("the parameter `subject`"), "{err}");
    let (out, _) = said(&["ask", "referral-wait", "--plan", "--schools", "7", "--pupils", "90"], 0);
    assert!(out.contains("planned for 7 charities of 90 people"), "{out}");
    // Asking itself needs one.
    let (_, err) = said(&["ask", "attendance-gap"], 10);
    assert!(err.contains("there is no node in"), "{err}");
}

#[test]
fn choices_are_made_by_flags() {
    let plain = json(&["ask", "attendance-gap", "--plan"]);
    let split = json(&["ask", "attendance-gap", "--plan", "--by", "sen", "--for", "nc_year=7,8"]);
    assert_eq!(plain["cells"].as_u64().unwrap() * 3, split["cells"].as_u64().unwrap());
    assert_eq!(split["params"]["for.nc_year"], "7,8");
    let (_, err) = said(&["ask", "attendance-gap", "--plan", "--by", "tutor_group"], 2);
    assert!(err.contains("no optional grouping `tutor_group`; there are nc_year, sen"), "{err}");
    let (_, err) = said(&["ask", "attendance-gap", "--plan", "--for", "nc_year=77"], 2);
    assert!(err.contains("`77` is no value that `nc_year` may be narrowed to"), "{err}");
    let (_, err) = said(&["ask", "attendance-gap", "--plan", "--for", "nc_year"], 2);
    assert!(err.contains("write COLUMN=VALUE,VALUE"), "{err}");
}

#[test]
fn a_plan_that_cannot_answer_says_what_would() {
    let plan =
        json(&["ask", "attendance-gap", "--plan", "--schools", "12", "--pupils", "1000", "--rho", "0.001"]);
    assert_eq!(plan["expected"]["answerable"], false);
    let levers: Vec<&str> = plan["expected"]["cures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cure| cure["lever"].as_str().unwrap())
        .collect();
    assert!(["loss", "members", "period"].iter().all(|lever| levers.contains(lever)), "{levers:?}");
    let (out, _) = said(
        &["ask", "attendance-gap", "--plan", "--schools", "12", "--pupils", "1000", "--rho", "0.001"],
        0,
    );
    assert!(out.contains("the least loss that serves: --rho"), "{out}");
    // The loss it names serves.
    let cure = |lever: &str| {
        let cures = plan["expected"]["cures"].as_array().unwrap();
        let text = cures.iter().find(|cure| cure["lever"] == lever).unwrap()["text"].as_str().unwrap();
        text.to_owned()
    };
    let text = cure("loss");
    let rho = text.rsplit(' ').next().unwrap();
    let cured =
        json(&["ask", "attendance-gap", "--plan", "--schools", "12", "--pupils", "1000", "--rho", rho]);
    assert_eq!(cured["expected"]["answerable"], true, "{rho}: {cured}");
    assert!(cured["expected"]["figures"].as_array().unwrap().iter().any(|f| f["colour"] == "amber"));
    // So do as many members as it names.
    let text = cure("members");
    let members = text.split(' ').next().unwrap();
    let cured = ["--schools", members, "--pupils", "1000", "--rho", "0.001"];
    let cured = json(&[&["ask", "attendance-gap", "--plan"][..], &cured].concat());
    assert_eq!(cured["expected"]["answerable"], true, "{members}: {cured}");
}
