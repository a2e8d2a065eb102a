//! Persons of five real nodes say yes, no, or nothing to what is asked of them, from the command line.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write_rules(coop: &Coop, n: usize, rules: &str) {
    std::fs::write(coop.node(n).join("inbox.toml"), rules).unwrap();
}

fn start_all(coop: &mut Coop) {
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
}

/// Asks, with three days to join, and does not wait for what comes of it. The first digits of its id.
fn ask(coop: &Coop, n: usize, last_day: &str) -> String {
    let period = format!("2026-09-01..{last_day}");
    let ask = ["ask", "--question", "mean.toml", "--period", &period, "--why", "plan lessons", "--yes"];
    let output = coop.run(n, &[&ask[..], &["--wait=0s", "--json"]].concat());
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let open = coop.status(n)["open"].clone();
    open[0]["query"].as_str().unwrap()[..8].to_owned()
}

/// What waits at a node, once one question does.
fn wait_asked(coop: &Coop, n: usize) -> Value {
    let mut seen = Value::Null;
    wait_for("a question in the inbox", || {
        seen = json(&coop.ok(n, &["inbox", "--json"]));
        seen["waiting"][0].is_object()
    });
    seen["waiting"][0].clone()
}

/// How members decided, as a node's log has it: `accepted`, or the rule of a refusal.
fn wait_decided(coop: &Coop, n: usize, id: &str, member: usize, decision: &str) {
    wait_for("a verdict", || {
        // It reads the folder, where others' entries come a little after they were heard.
        let why = coop.run(n, &["charter", "why", id, "--json"]);
        if !why.status.success() {
            return false;
        }
        let why = json(&why);
        let all = why["members"].as_array().unwrap();
        let one = all.iter().find(|one| one["member"] == format!("GB-EDU-{member:06}")).unwrap();
        one["rule"] == decision || one["rule"].is_null() && one["decision"] == decision
    });
}

fn wait_released(coop: &Coop, n: usize, count: u64) {
    wait_for("the release", || coop.status(n)["released"] == count);
}

#[test]
fn a_question_waits_for_a_yes_is_answered_then_and_a_purpose_is_left_at_once() {
    let mut coop = Coop::found(5, 40);
    write_rules(&coop, 3, "default = \"ask\"   # whatever it is\n");
    write_rules(&coop, 4, "default = \"maybe\"\n");
    start_all(&mut coop);
    // A file that does not read answers nothing, and says where.
    assert_eq!(coop.status(4)["answers"], false);
    let said = text(&coop.ok(4, &["status"]));
    assert!(
        said.contains("answers nothing") && said.contains("inbox.toml: line 1: `default` is not understood"),
        "{said}"
    );
    coop.terminate(4);
    write_rules(&coop, 4, "default = \"never\"\n[[rule]]\npurposes = [\"exams\"]\nthen = \"accept\"\n");
    coop.start(4);
    coop.wait_connected(4);

    let id = ask(&coop, 1, "2026-12-18");
    let one = wait_asked(&coop, 3);
    assert_eq!((&one["title"], &one["asker_name"]), (&"What do they score?".into(), &"School 1".into()));
    assert_eq!((&one["points"], &one["left"]["year"]), (&2.into(), &100.into()));
    wait_decided(&coop, 0, &id, 4, "accepted");
    let said = text(&coop.ok(3, &["inbox"]));
    for expected in [
        "1 question waits for this node's yes\n",
        "costs          2 points of the privacy budget: rho 0.005",
        "why            plan lessons\n",
        "waits          the default of inbox.toml asks first",
        &format!("datacoop approve {id}"),
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(text(&coop.ok(3, &["status"])).contains("1 question waits for this node's yes"));
    assert!(text(&coop.ok(0, &["inbox"])).starts_with("No question waits for this node's yes\n"));
    coop.fails(3, &["approve", &id], 2, "needs a yes");
    coop.fails(3, &["approve", "00000000", "--yes"], 2, "no log here holds this query");
    coop.fails(4, &["approve", &id, "--yes"], 6, "gave its verdict already");
    // It waits through a restart, and nobody's silence is a yes.
    coop.kill(3);
    coop.start(3);
    coop.wait_connected(3);
    wait_asked(&coop, 3);
    let approved = json(&coop.ok(3, &["approve", &id, "--yes", "--json"]));
    assert_eq!((&approved["yes"], &approved["verdict"]), (&true.into(), &"yes".into()));
    wait_released(&coop, 0, 1);
    coop.fails(3, &["decline", &id, "--yes"], 6, "round is over");

    // Declined for good: the file says so, the running node goes by it, and the log gives no reason.
    let id = ask(&coop, 1, "2026-11-30");
    wait_asked(&coop, 3);
    coop.fails(3, &["decline", "00000000", "--purpose", "--yes"], 2, "can still be declined");
    coop.fails(3, &["decline", &id, "--purpose", "--all", "--yes"], 2, "cannot be used with");
    let declined = json(&coop.ok(3, &["decline", &id, "--purpose", "--yes", "--json"]));
    assert_eq!((&declined["id"], &declined["at_once"]), (&"exams".into(), &true.into()));
    wait_decided(&coop, 0, &id, 3, "purposes");
    assert_eq!(coop.status(3)["inbox"]["waits"], 0);
    assert!(std::fs::read_to_string(coop.node(3).join("limits.toml")).unwrap().contains("purposes = []"));
    let own = json(&coop.ok(3, &["charter", "why", &id, "--json"]))["own"].clone();
    assert_eq!((&own["decision"], &own["recomputed"]), (&"refused".into(), &"same".into()), "{own}");

    // Only this one: a no, and the next is asked about again.
    coop.terminate(2);
    write_rules(&coop, 2, "default = \"ask\"\n");
    coop.start(2);
    coop.wait_connected(2);
    let id = ask(&coop, 1, "2026-10-31");
    wait_asked(&coop, 2);
    let declined = json(&coop.ok(2, &["decline", &id, "--yes", "--json"]));
    assert_eq!((&declined["yes"], &declined["verdict"]), (&false.into(), &"no".into()));
    wait_decided(&coop, 0, &id, 2, "questions");
    let own = json(&coop.ok(2, &["charter", "why", &id, "--json"]))["own"].clone();
    assert_eq!(own["recomputed"], "same", "{own}");
    let all = json(&coop.ok(2, &["decline", &id, "--all", "--yes", "--json"]));
    assert_eq!((&all["what"], &all["at_once"]), (&"all".into(), &true.into()));
    assert!(text(&coop.ok(2, &["decline", &id, "--all", "--yes"])).contains("already"));
    assert_eq!(coop.verify_all()["result"], "pass");
}

#[test]
fn an_unanswered_objection_holds_every_node_until_it_is_answered() {
    let mut coop = Coop::found(5, 40);
    start_all(&mut coop);
    let proposed = json(&coop.ok(2, &["propose", "question", "mean.toml", "--yes", "--json"]));
    let proposal = proposed["id"].as_str().unwrap()[..10].to_owned();
    wait_for("the proposal", || coop.run(4, &["proposals", &proposal]).status.success());
    let because = "our council has six children in it";
    let objected = json(&coop.ok(4, &["object", &proposal, "--because", because, "--yes", "--json"]));
    let objection = objected["id"].as_str().unwrap()[..10].to_owned();
    wait_for("the objection everywhere", || {
        (0..5).all(|n| {
            let shown = json(&coop.ok(n, &["proposals", &proposal, "--json"]));
            shown["objections"][0]["text"] == because
        })
    });
    ask(&coop, 1, "2026-12-18");
    for n in [0, 2, 3, 4] {
        let one = wait_asked(&coop, n);
        assert_eq!(one["hold"]["by"], "objection");
        assert_eq!(one["objections"][0]["text"], because);
    }
    let said = text(&coop.ok(3, &["inbox"]));
    assert!(
        said.contains("School 4 objects to it and is not answered yet")
            && said.contains(&format!("    | {because}\n")),
        "{said}"
    );
    coop.ok(2, &["reply", &objection, "--text", "groups under ten are not shown", "--yes"]);
    wait_released(&coop, 0, 1);
    assert_eq!(coop.verify_all()["result"], "pass");
}
