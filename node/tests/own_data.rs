//! A node's own exact data at its command line: looked at, never changed, never sent; and who objects.

use std::path::Path;
use std::process::{Command, Output};

fn datacoop(node: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datacoop"));
    command.arg("--node").arg(node).args(args).output().expect("the program runs")
}

fn ok(node: &Path, args: &[&str]) -> String {
    let output = datacoop(node, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn fails(node: &Path, args: &[&str], exit: i32, said: &str) {
    let output = datacoop(node, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
    assert!(stderr.contains(said), "{args:?}: {stderr}");
}

const BEHAVIOUR: &str = "pupil_id,date,type,points
p1,2025-10-01,positive,3
p1,2025-10-02,negative,-2
p2,2025-10-02,positive,1
";

fn node(folder: &Path) -> std::path::PathBuf {
    let node = folder.join("node");
    let id = ["init", "--id", "GB-EDU-100001", "--name", "A", "--host", "a.example", "--people-max", "50"];
    ok(&node, &id);
    let file = folder.join("behaviour.csv");
    std::fs::write(&file, BEHAVIOUR).expect("written");
    ok(&node, &["import", file.to_str().expect("a path"), "--vocabulary", "behaviour/1"]);
    node
}

#[test]
fn sql_shows_exact_figures_and_says_that_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path());
    let by_pupil = "SELECT pupil_id, SUM(points) AS total FROM behaviour GROUP BY pupil_id ORDER BY pupil_id";
    let text = ok(&node, &["sql", by_pupil]);
    assert!(text.contains("p1") && text.contains("never to be published"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&ok(&node, &["sql", by_pupil, "--json", "--limit", "1"])).expect("one object");
    assert_eq!(json["rows"], serde_json::json!([["p1", 1]]));
    assert_eq!((json["columns"][1].as_str(), json["has_more"].as_bool()), (Some("total"), Some(true)));
    let csv = datacoop(&node, &["sql", by_pupil, "--csv"]);
    assert_eq!(String::from_utf8_lossy(&csv.stdout), "pupil_id,total\np1,1\np2,1\n");
    assert!(String::from_utf8_lossy(&csv.stderr).contains("never to be published"));
    fails(&node, &["sql", "DROP TABLE behaviour"], 2, "only SELECT");
    fails(&node, &["sql", "SELECT * FROM pupils"], 2, "there is no table `pupils`; there are behaviour");
    fails(&node, &["sql", by_pupil, "--limit", "0"], 2, "--limit is 1 to 100000");
    fails(&node, &["sql", by_pupil, "--csv", "--json"], 2, "cannot be used with");
    fails(&folder.path().join("none"), &["sql", by_pupil], 10, "there is no node");
}

#[test]
fn objections_are_kept_listed_and_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = node(folder.path());
    assert!(ok(&node, &["objections", "list"]).contains("Nobody objects"));
    let said = ok(&node, &["objections", "add", "p1", "00012", "--dataset", "pupils"]);
    assert!(said.contains("2 added") && said.contains("No table here has 00012;"), "{said}");
    let list: serde_json::Value =
        serde_json::from_str(&ok(&node, &["objections", "list", "--json"])).expect("one object");
    assert_eq!(list["objections"], serde_json::json!({ "pupils": ["00012", "p1"] }));
    assert!(ok(&node, &["objections", "add", "p1", "--dataset", "pupils"]).contains("0 added"));
    fails(&node, &["objections", "add", "p1", "--dataset", "pupil"], 2, "there is no dataset `pupil`");
    fails(&node, &["objections", "add", " ", "--dataset", "pupils"], 2, "id 1 is empty");
    fails(&node, &["objections", "remove", "p9", "--dataset", "pupils"], 2, "none of them is on the list");
    ok(&node, &["objections", "remove", "p1", "00012", "--dataset", "pupils"]);
    assert!(ok(&node, &["objections", "list"]).contains("Nobody objects"));
}
