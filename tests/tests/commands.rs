//! What a person types at a node of their own: plans, repeats, audits, limits, and the door behind it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use datacoop_tests::{Coop, QUESTION, VOCABULARY, json, wait_for};
use serde_json::Value;

/// The academic year that we are in: data without dates are asked about in no other.
fn period(coop: &Coop, days: &str) -> String {
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let (year, month) = (expires[..4].parse::<i64>().unwrap() - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    format!("{autumn}-09-01..{autumn}-12-{days}")
}

/// One request at a node's door; its status.
fn knock(door: &Value, headers: &[(&str, &str)]) -> u16 {
    let address = door["address"].as_str().unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(socket, "GET /v1/status HTTP/1.1\r\nConnection: close\r\n{lines}\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn check_door(coop: &Coop) {
    let path = coop.node(0).join("run/api");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let door: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let bearer = format!("Bearer {}", door["token"].as_str().unwrap());
    let (host, known) = (("Host", door["address"].as_str().unwrap()), ("Authorization", bearer.as_str()));
    assert_eq!(knock(&door, &[host, known]), 200);
    for (headers, what) in [
        (vec![host], "no token"),
        (vec![host, ("Authorization", "Bearer 00")], "a wrong token"),
        (vec![("Host", "evil.example"), known], "a foreign name for this computer"),
        (vec![host, known, ("Origin", "https://evil.example")], "a page in a browser"),
    ] {
        assert_eq!(knock(&door, &headers), 401, "{what}");
    }
}

fn check_imports(coop: &Coop) {
    // A running node takes a vocabulary's text through its door.
    std::fs::write(coop.path("other.toml"), VOCABULARY.replace("low = -4", "low = -5")).unwrap();
    coop.fails(0, &["import", "0.csv", "--vocabulary", "other.toml"], 2, "raise its `version`");
    std::fs::write(coop.path("next.toml"), VOCABULARY.replace("version = 1", "version = 2")).unwrap();
    let done = json(&coop.ok(0, &["import", "0.csv", "--vocabulary", "next.toml", "--json"]));
    assert_eq!((done["restart_needed"].as_bool(), done["vocabulary"].as_str()), (Some(true), Some("exam/2")));
    assert_eq!(done["columns_absent"], serde_json::json!(["remark"]));
    let done = json(&coop.ok(0, &["import", "0.csv", "--vocabulary", "exam.toml", "--json"]));
    assert_eq!(done["restart_needed"], false);
    // Its folder is its own.
    let mut new = vec!["charter", "new", "0.card", "1.card", "2.card", "--name", "X", "--purpose", "x"];
    new.extend(["--title", "x", "--affected", "x", "--heard", "x", "--not-for", "x"]);
    new.extend(["--reviewer", "GB-EDU-000000", "--reviewer", "GB-EDU-000001"]);
    new.extend(["--vocabulary", "exam.toml", "--plain", "x", "--successor", "GB-CHC-1", "-o", "x.txt"]);
    coop.fails(0, &new, 11, "hint: stop it");
}

/// A release is superseded once, for its full price, and says so.
fn check_correction(coop: &Coop, ask: &[&str], old: &str) {
    let because = ["--because", "one school had sent last term's roll"];
    let correct = [ask, &["--supersedes", &old[..8], "--rho", "0.002"], &because].concat();
    coop.fails(0, &correct[..correct.len() - 2], 2, "--because");
    coop.fails(0, &[&correct[..correct.len() - 1], &[" "]].concat(), 2, "together");
    let plan = [&correct[..], &["--plan"]].concat();
    let planned = json(&coop.ok(0, &plan));
    assert_eq!((&planned["answered"], planned["supersedes"].as_str()), (&Value::Null, Some(old)));
    assert_eq!(planned["left_after"]["rho"], "0.001000000", "it is charged in full");
    let text: Vec<&str> = plan.iter().filter(|arg| **arg != "--json").copied().collect();
    let text = String::from_utf8(coop.ok(0, &text).stdout).unwrap();
    assert!(text.contains(&format!("Supersedes       release {}", &old[..8])), "{text}");

    let released = json(&coop.ok(0, &[&correct[..], &["--yes"]].concat()));
    let new = released["release"]["query"].as_str().unwrap().to_owned();
    assert_eq!(coop.status(0)["ledger"][0]["left"]["rho"], "0.001000000");
    assert_eq!(json(&coop.ok(0, ask))["release"]["query"], new.as_str());
    let text = |id: &str| String::from_utf8(coop.ok(0, &["results", id]).stdout).unwrap();
    assert!(text(old).contains(&format!("superseded by {new}")), "{}", text(old));
    assert!(text(&new).contains(&format!("supersedes {old}\nbecause: {}", because[1])), "{}", text(&new));
    let status = String::from_utf8(coop.ok(0, &["status"]).stdout).unwrap();
    assert!(status.contains("2 releases held, 1 of them superseded"), "{status}");
    for id in [old, new.as_str()] {
        let again = [ask, &["--supersedes", &id[..8], "--rho", "0.0001"], &because].concat();
        coop.fails(0, &again, 6, "superseded once");
    }
}

/// A node's second audit goes on from its first, and a memory that was touched is refused.
fn check_audit_state(coop: &Coop) {
    let audit = || json(&coop.ok(0, &["audit", "--state", "audited.json", "--json"]));
    let first = audit();
    assert_eq!(first["continued"], serde_json::json!([]), "nothing is remembered yet");
    assert!(first.get("audited").is_none(), "what is remembered is for the file");
    let second = audit();
    let sizes = |list: &serde_json::Value, size: &str| {
        let list = list.as_array().unwrap().iter();
        list.map(|log| (log["log"].clone(), log[size].clone())).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&second["continued"], "size"), sizes(&first["logs"], "entries"));
    let text = String::from_utf8(coop.ok(0, &["audit", "--state", "audited.json"]).stdout).unwrap();
    assert_eq!(text.matches("GOES ON").count(), 6, "{text}");
    let path = coop.path("audited.json");
    let touched = std::fs::read_to_string(&path).unwrap().replacen("\"size\":", "\"size\":1", 1);
    std::fs::write(&path, touched).unwrap();
    coop.fails(0, &["audit", "--state", "audited.json"], 2, "damaged");
}

/// Who refused, by what, and what would have to change: from the journal, while the node runs.
fn check_why(coop: &Coop, id: &str) {
    let others = json(&coop.ok(0, &["charter", "why", &id[..8], "--json"]));
    let said = others["members"].as_array().unwrap();
    let fifth = said.iter().find(|one| one["member"] == "GB-EDU-000005").unwrap();
    assert_eq!((fifth["rule"].as_str(), fifth["layer"].as_str()), (Some("purposes"), Some("member")));
    assert_eq!(fifth["text"], "Refused: The purpose is not open. Set by its own limits.");
    let accepted = said.iter().filter(|one| one["text"] == "Accepted.").count();
    assert_eq!((accepted, others["own"]["recomputed"].as_str()), (4, Some("same")));

    let own = json(&coop.ok(5, &["charter", "why", id, "--json"]))["own"].clone();
    assert_eq!((own["decision"].as_str(), own["recomputed"].as_str()), (Some("refused"), Some("same")));
    assert_eq!((own["rule"].as_str(), own["layer"].as_str()), (Some("purposes"), Some("member")));
    let text = own["text"].as_str().unwrap();
    assert!(text.starts_with("Refused: The purpose `") && text.contains("Set by our own limits."), "{text}");
    assert!(text.contains("`purposes` in limits.toml would have to allow it"), "{text}");
    // Limits that open it: the one question would now be accepted; what was accepted elsewhere, not.
    let purpose = json(&coop.ok(5, &["charter", "limits", "--json"]))["purpose"].as_str().unwrap().to_owned();
    std::fs::write(coop.path("open.toml"), format!("purposes = [\"{purpose}\"]\nrho_query = 4_999_999\n"))
        .unwrap();
    let refused = json(&coop.ok(5, &["charter", "try", "open.toml", "--json"]));
    assert_eq!(
        (refused["now_accepted"].as_u64(), refused["queries"][0]["would"]["rule"].as_str()),
        (Some(0), Some("rho_query"))
    );
    std::fs::write(coop.path("open.toml"), format!("purposes = [\"{purpose}\"]\n")).unwrap();
    let opened = String::from_utf8(coop.ok(5, &["charter", "try", "open.toml"]).stdout).unwrap();
    assert!(opened.starts_with("1 of 1 question would now be accepted."), "{opened}");
    assert!(
        opened.contains("    was    refused (rule purposes, layer member)\n    would  accepted\n"),
        "{opened}"
    );
}

/// Any member's node writes a release's certificate, and never over something else.
fn check_certificate(coop: &Coop, id: &str) {
    let write = ["certificate", &id[..8], "-o", "answer.dcert"];
    // Its own last entries may wait for a signed head.
    wait_for("signed heads", || coop.run(3, &write).status.success());
    let verified = json(&coop.ok(0, &["verify", "answer.dcert", "--json"]));
    let certificate = &verified["certificates"][0];
    assert_eq!((&certificate["result"], &certificate["release"]["query"]), (&"pass".into(), &id.into()));
    coop.ok(3, &write);
    coop.fails(3, &["certificate", &id[..8], "-o", "mean.toml"], 2, "holds something else");
    coop.fails(3, &["certificate", "00000000"], 2, "no log here holds this query");
    coop.fails(3, &["certificate", "what"], 2, "a query id is hex");
}

#[test]
fn plans_repeats_audits_and_limits_of_ones_own() {
    let mut coop = Coop::found(6, 200);
    // Member 0 allows less than the charter does; member 5 has no limits, and so answers nothing.
    let limits = coop.node(0).join("limits.toml");
    let text = std::fs::read_to_string(&limits).unwrap();
    std::fs::write(&limits, format!("{text}\nrho_year = 8_000_000\n")).unwrap();
    std::fs::remove_file(coop.node(5).join("limits.toml")).unwrap();
    for n in 0..6 {
        coop.start(n);
    }
    for n in 0..6 {
        coop.wait_connected(n);
    }
    assert_eq!(
        (coop.status(5)["answers"].as_bool(), coop.status(0)["answers"].as_bool()),
        (Some(false), Some(true))
    );
    check_door(&coop);
    check_imports(&coop);

    // A plan spends nothing, and counts what the strictest layer leaves.
    let days = period(&coop, "18");
    let ask = ["ask", "--question", "mean.toml", "--period", days.as_str(), "--window", "20s", "--json"];
    let before = coop.status(0);
    let plan = json(&coop.ok(0, &[&ask[..], &["--plan"]].concat()));
    assert_eq!(
        (plan["spent"].as_str(), &plan["answered"], &plan["refused"]),
        (Some("nothing"), &Value::Null, &Value::Null)
    );
    assert_eq!(plan["left_after"]["rho"], "0.003000000");
    assert_eq!(
        (plan["group_size_known"].as_bool(), plan["committee_can_be_all_corrupt"].as_bool()),
        (Some(false), Some(false))
    );
    let after = coop.status(0);
    assert_eq!((&before["ledger"], &before["logs"]), (&after["ledger"], &after["logs"]));
    coop.fails(0, &ask, 2, "needs a yes");

    // The answer holds nothing of who has no limits.
    let released = json(&coop.ok(0, &[&ask[..], &["--yes"]].concat()));
    let id = released["release"]["query"].as_str().unwrap().to_owned();
    assert_eq!(released["release"]["accepted"], 5);
    let seen = json(&coop.ok(0, &["results", &id[..8], "--json"]));
    assert_eq!((seen["schema"].as_str(), seen["demo"].as_bool()), (Some("datacoop.query/1"), Some(false)));
    assert_eq!(seen["query"], id.as_str());
    let refused = serde_json::json!([{
        "member": "GB-EDU-000005", "name": "School 5", "rule": "purposes", "layer": "member",
        "meaning": "The purpose is not open.",
    }]);
    assert_eq!(seen["refused"], refused, "and it says so in its log");
    check_why(&coop, &id);
    coop.fails(0, &["results", &id[..7]], 2, "at least 8 digits");
    check_certificate(&coop, &id);
    assert!(coop.status(5)["ledger"].as_array().unwrap().is_empty(), "member 5 spent nothing");
    let text = String::from_utf8(coop.ok(0, &["results"]).stdout).unwrap();
    assert!(text.contains(&id) && text.contains("datacoop results QUERY"), "{text}");
    let text = String::from_utf8(coop.ok(0, &["results", &id]).stdout).unwrap();
    assert!(text.contains(&id) && text.contains("about 95 of the ranges"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    wait_for("every log", || {
        let audit = json(&coop.ok(0, &["audit", "--json"]));
        assert_eq!(audit["result"], "pass", "{audit:#}");
        audit["logs"].as_array().unwrap().len() == 6
    });

    let text = |args: &[&str]| String::from_utf8(coop.ok(0, args).stdout).unwrap();
    let status = text(&["status"]);
    assert!(status.contains("spent rho 0.005 (epsilon 0.43), left rho 0.003 (epsilon 0.33)"), "{status}");
    assert!(status.contains("at most 1.54 times as likely"), "{status}");
    let audit = text(&["audit"]);
    assert!(audit.contains("had all others colluded: rho 0.02 (epsilon 0.90)"), "{audit}");
    assert!(audit.contains(&format!("RELEASE {}", &id[..8])), "{audit}");
    let unspent = String::from_utf8(coop.ok(5, &["audit"]).stdout).unwrap();
    assert!(unspent.contains("SPENT nothing"), "{unspent}");

    check_audit_state(&coop);
    // Asked again, it costs no yes; another period costs more than is left.
    let plan = json(&coop.ok(0, &[&ask[..], &["--plan"]].concat()));
    assert_eq!(plan["answered"], id.as_str());
    assert_eq!(json(&coop.ok(0, &ask))["release"]["query"], id.as_str());
    assert_eq!(coop.status(0)["ledger"][0]["left"]["rho"], "0.003000000");
    check_correction(&coop, &ask, &id);
    let days = period(&coop, "17");
    let other = ["ask", "--question", "mean.toml", "--period", days.as_str()];
    coop.fails(0, &other, 4, "rho_year, set by our own limits");
    std::fs::write(coop.path("tiny.toml"), QUESTION.replace("5_000_000", "1")).unwrap();
    let tiny = ["ask", "--question", "tiny.toml", "--period", days.as_str()];
    coop.fails(0, &tiny, 4, "larger --rho");
}
