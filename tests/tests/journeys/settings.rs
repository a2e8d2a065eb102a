//! What a data manager and a coordinator do now and then: test a backup, let an auditor and a program in, serve the logs, let a member ask, write down
//! who outside has a result, correct one.

use std::path::Path;
use std::process::Command;

use datacoop_tests::{free_port, json, wait_for};

use crate::browser::Browser;
use crate::{check_reports, coop, days, enter};

/// Copies a folder as a person would.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

pub(super) fn look_after(scripts: bool) {
    let mut coop = coop();
    let asked = json(&coop.ok(
        0,
        &["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes", "--json"],
    ));
    let query = asked["release"]["query"].as_str().unwrap().to_owned();
    coop.terminate(0);
    copy(&coop.node(0), &coop.path("copy"));
    copy(&coop.node(0), &coop.path("bad"));
    std::fs::remove_dir_all(coop.path("bad/journal")).unwrap();
    coop.start(0);
    coop.wait_connected(0);
    let person = enter(&coop, 0, scripts);
    test_backups(&person, &coop.path(""));
    let_in(&person);
    serve_logs(&person);
    let_ask(&person, &coop.status(0)["charter"]["expires"].as_str().unwrap()[..4]);
    hand_on(&person, &query);
    correct(&person, &query);
    check_reports(&coop, 0);
}

fn test_backups(person: &Browser, folder: &Path) {
    person.visit("/settings");
    person.look("settings");
    assert!(person.text("#last-restore-test").contains("never"), "{}", person.text("#last-restore-test"));
    person.fill("#copy", &folder.join("bad").display().to_string());
    person.leave("#restore-test-form button");
    person.look("settings-bad-copy");
    assert!(person.text("#error").contains("would not start as it is"), "{}", person.text("#error"));
    assert!(person.text("#last-restore-test").contains("never"), "a bad copy is no test that passed");
    person.fill("#copy", &folder.join("node0").display().to_string());
    person.leave("#restore-test-form button");
    assert!(person.text("#error").contains("no copy of it"), "{}", person.text("#error"));
    person.fill("#copy", &folder.join("copy").display().to_string());
    person.leave("#restore-test-form button");
    let said = person.text("#last-restore-test");
    assert!(said.contains("a copy would serve") && said.contains("1 kind of records"), "{said}");
    assert!(!folder.join("copy/run/api").exists(), "nothing was started");
}

fn let_in(person: &Browser) {
    person.leave("#auditor-form button");
    person.look("settings-auditor");
    assert!(person.text(".note").contains("signs an auditor in, once"), "{}", person.text(".note"));
    person.fill("#name", "Weekly report");
    person.leave("#token-form button");
    person.look("settings-token");
    assert!(person.text(".note pre").starts_with("datacoop_"), "a token is shown once");
    assert!(person.text("main").contains("Weekly report"), "{}", person.text("main"));
}

fn serve_logs(person: &Browser) {
    let address = format!("127.0.0.1:{}", free_port());
    person.fill("#listen", &address);
    person.leave("#serve-form button");
    assert!(person.text("main").contains(&format!("served at http://{address}/")), "{}", person.text("main"));
    let list = || ureq::get(format!("http://{address}/")).call();
    let text = list().unwrap().body_mut().read_to_string().unwrap();
    assert!(text.contains("/GB-EDU-000000/"), "{text}");
    person.leave("#serve-form button");
    assert!(person.text("main").contains("They are not served."), "{}", person.text("main"));
    wait_for("the listener to end", || list().is_err());
}

fn let_ask(person: &Browser, year: &str) {
    person.visit("/members/leave");
    person.look("leave");
    person.choose("#member", "GB-EDU-000003");
    person.leave("#leave-form button");
    person.look("leave-mistake");
    assert!(person.text("#error").contains("day"), "{year}: {}", person.text("#error"));
}

fn hand_on(person: &Browser, query: &str) {
    person.visit(&format!("/results/{query}"));
    person.click("#outside summary");
    person.fill("#to", "Hill Council");
    person.leave("#recipient-form button");
    person.look("result-handed");
    assert!(person.text("#outside").contains("Hill Council"), "{}", person.text("#outside"));
}

fn correct(person: &Browser, query: &str) {
    person.click("#correct summary");
    person.follow("Ask it again, as a correction");
    person.look("correct");
    person.press("Check before you ask");
    assert!(person.text("main").contains("Say why the answer must be corrected"), "{}", person.text("main"));
    person.fill("#because", "School 3 had counted leavers");
    person.press("Check before you ask");
    assert_eq!(person.count("#plan"), 1, "{}", person.text("main"));
    person.press("Ask the members");
    let round = person.reaches("/rounds/");
    person.wait_for(&round, "Released: the answer is here.");
    person.visit(&format!("/results/{query}"));
    person.look("result-superseded");
    assert!(person.text("main").contains("A later answer supersedes this one"), "{}", person.text("main"));
    assert_eq!(person.count("#correct"), 0, "once");
}
