//! A coordinator of five real nodes lets a member ask, and takes it back, from the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

const ASK: [&str; 8] = [
    "ask",
    "--question",
    "mean.toml",
    "--period",
    "2026-09-01..2026-12-18",
    "--yes",
    "--json",
    "--window=20s",
];

/// The last member only votes.
fn running() -> Coop {
    let mut coop = Coop::found_under(5, 40, &[], &|text| {
        let at = text.rfind("roles = [").unwrap();
        let end = at + text[at..].find('\n').unwrap();
        format!("{}roles = [\"voting\"]{}", &text[..at], &text[end..])
    });
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    coop
}

fn today(coop: &Coop) -> String {
    // As the program reads the clock: the charter was made today.
    let charter = std::fs::read_to_string(coop.path("charter.txt")).unwrap();
    let made = charter.lines().find_map(|line| line.strip_prefix("made = ")).unwrap();
    made.to_owned()
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The delegations as a node lists them, once this is so.
fn wait_listed(coop: &Coop, n: usize, holds: impl Fn(&Value) -> bool) -> Value {
    let mut listed = Value::Null;
    wait_for("the delegation", || {
        listed = json(&coop.ok(n, &["delegations", "--json"]));
        holds(&listed["delegations"][0])
    });
    listed["delegations"][0].clone()
}

#[test]
fn a_member_asks_for_a_coordinator_until_it_takes_that_back() {
    let coop = running();
    let today = today(&coop);
    coop.fails(4, &ASK, 6, "the asker has no right to ask this");
    coop.fails(4, &ASK, 6, "a coordinator asks, or lets a member ask");
    let to = |member, more: &[&'static str]| {
        let mut args = vec!["delegate", member, "--until", &*today, "--yes", "--json"];
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let fails = |n, args: Vec<String>, exit, said| {
        coop.fails(n, &args.iter().map(String::as_str).collect::<Vec<_>>(), exit, said);
    };
    fails(4, to("GB-EDU-000001", &[]), 6, "coordinator");
    fails(0, to("GB-EDU-999999", &[]), 6, "is no member");
    fails(0, to("no id", &[]), 2, "datacoop charter show");
    fails(0, to("GB-EDU-000004", &["--purpose", "exam"]), 2, "the charter has no purpose `exam`");
    coop.fails(0, &["delegate", "GB-EDU-000004", "--until", "2020-01-01", "--yes"], 2, "within 30 days");
    coop.fails(0, &["revoke", "abcd", "--yes"], 2, "list them: datacoop delegations");
    assert!(text(&coop.ok(0, &["delegations"])).contains("datacoop delegate MEMBER"));

    let args = to("GB-EDU-000004", &["--purpose", "exams", "--max-cells", "8"]);
    let given = json(&coop.ok(0, &args.iter().map(String::as_str).collect::<Vec<_>>()));
    let id = given["id"].as_str().unwrap();
    let listed = wait_listed(&coop, 4, |one| one["id"] == id);
    assert_eq!((&listed["open"], &listed["by_name"]), (&Value::from(true), &Value::from("School 0")));
    assert_eq!(listed["limits"]["purposes"]["only"][0], "exams");
    let shown = text(&coop.ok(4, &["delegations"]));
    assert!(shown.contains("School 0 lets School 4 ask, until "), "{shown}");
    assert!(shown.contains("Cells of one answer: at most 8") && shown.contains("--under ID"), "{shown}");
    let plan = [&ASK[..5], &["--plan"]].concat();
    assert!(text(&coop.ok(4, &plan)).contains("under the delegation by School 0"));
    // Read from the folder, where others' entries come a little after.
    let limits = ["charter", "limits", "--under", &id[..8], "--json"];
    wait_for("the delegation in the folder", || coop.run(4, &limits).status.success());
    let limits = json(&coop.ok(4, &limits));
    let cells = limits["limits"].as_array().unwrap().iter().find(|one| one["limit"] == "max_cells").unwrap();
    assert_eq!((&cells["value"], &cells["set_by"][0]), (&8.into(), &"delegation".into()), "{cells}");
    let plan = [&plan[..], &["--under", &id[..8], "--json"]].concat();
    assert_eq!(json(&coop.ok(4, &plan))["delegation"], id);
    coop.fails(4, &[&plan[..6], &["--under", "0123456789"]].concat(), 2, "no id of a delegation");

    let answered = json(&coop.ok(4, &ASK));
    let query = answered["release"]["query"].as_str().unwrap().to_owned();
    wait_listed(&coop, 0, |one| one["asked"][0] == query.as_str());
    coop.fails(1, &["revoke", id, "--yes"], 6, "only whoever gave");
    coop.ok(0, &["revoke", &id[..8], "--yes"]);
    let closed = wait_listed(&coop, 4, |one| one["open"] == false);
    assert_eq!(closed["why_closed"], "taken back by School 0");
    let other = ["ask", "--question", "mean.toml", "--period", "2026-09-01..2026-12-11", "--yes"];
    coop.fails(4, &other, 6, "no right to ask");
    coop.fails(4, &[&other[..], &["--under", id]].concat(), 6, "took the delegation back");
    let limits = ["charter", "limits", "--under", id];
    wait_for("the revocation in the folder", || coop.run(4, &limits).status.code() == Some(6));
    coop.fails(4, &limits, 6, "it was taken back");

    assert_eq!(coop.verify_all()["result"], "pass");
    assert_eq!(json(&coop.ok(3, &["audit", "--json"]))["result"], "pass");
}
