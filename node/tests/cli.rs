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
