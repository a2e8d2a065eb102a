//! What a member sees at home beside a release: its own exact figures, and nobody else sees them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use datacoop_tests::{Coop, json};
use serde_json::Value;

const MEMBERS: usize = 5;

fn period(coop: &Coop) -> String {
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let (year, month) = (expires[..4].parse::<i64>().unwrap() - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    format!("{autumn}-09-01..{autumn}-12-18")
}

/// Rows of member 0: as many girls as boys, all with this score.
fn import(coop: &Coop, rows: usize, score: &str) {
    let rows: String = (0..rows).map(|i| format!("S,{},{score}\n", ["F", "M"][i % 2])).collect();
    fs::write(coop.path("new.csv"), format!("school,sex,result\n{rows}")).unwrap();
    coop.ok(0, &["import", "new.csv", "--vocabulary", "exam.toml"]);
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// Every file of the co-operative that holds this text, but for tables and what was imported.
fn holders(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let ours = path.extension().is_some_and(|extension| extension == "csv");
        if path.is_dir() && entry.file_name() != "tables" {
            holders(&path, text, found);
        } else if path.is_file() && !ours {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

fn check_like_ours(coop: &Coop, id: &str) {
    let ask = ["results", &id[..8], "--like-ours", "--json"];
    let seen = json(&coop.ok(0, &ask));
    assert_eq!(
        (seen["schema"].as_str(), seen["release"]["query"].as_str()),
        (Some("datacoop.own/1"), Some(id))
    );
    let mean = &seen["like_ours"][0];
    assert_eq!((mean["people"].as_u64(), mean["verdict"].as_str()), (Some(200), Some("not_told_apart")));
    // All members' rows are alike: 0 on average, and what the cluster reaches is off by noise alone.
    assert_eq!(number(&mean["ours"]), 0.0);
    assert!(number(&mean["expected"]).abs() < 2.0 * number(&mean["noise"]), "{mean}");
    assert!((number(&mean["part_of_cluster"]) - 0.2).abs() < 0.05, "{mean}");

    // Of the newest rows, in steps of half a point.
    import(coop, 60, "2.7");
    let mean = &json(&coop.ok(0, &ask))["like_ours"][0];
    assert_eq!((mean["people"].as_u64(), number(&mean["ours"])), (Some(60), 2.5));
    assert_eq!(mean["verdict"], "above");
    import(coop, 9, "2.7");
    let mean = &json(&coop.ok(0, &ask))["like_ours"][0];
    assert_eq!((mean["verdict"].as_str(), &mean["low"]), (Some("too_few"), &Value::Null));
    let text = String::from_utf8(coop.ok(0, &ask[..3]).stdout).unwrap();
    assert!(text.contains("fewer than 10 of ours") && text.contains("Do not publish it"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
}

fn check_ours(coop: &Coop, id: &str) {
    // 60 of ours are left in the tables, half of them girls, all at 2.5 in steps of a half.
    import(coop, 60, "2.7");
    let seen = json(&coop.ok(0, &["results", id, "--ours", "--json"]));
    let girls = &seen["ours"][0];
    assert_eq!((girls["key"]["sex"].as_str(), girls["name"].as_str()), (Some("F"), Some("mean")));
    assert_eq!((number(&girls["ours"]), girls["people"].as_u64()), (2.5, Some(30)));
    assert_eq!((girls["place"].as_str(), girls["few"].as_bool()), (Some("above"), Some(false)));
    // A count is a part of the cluster's, and lies nowhere by it.
    assert_eq!((&seen["ours"][1]["place"], number(&seen["ours"][1]["ours"])), (&Value::Null, 30.0));
    assert!(seen["like_ours"].is_null());

    // Printed elsewhere: 2.7 follows from the rows as they are, not as the question rounds them.
    let given = ["results", id, "--like-ours", "--given", "mean=2.70", "--given", "mean=2.6", "--json"];
    let checked = json(&coop.ok(0, &given));
    let follows = |at: usize| checked["given"][at]["follows_from_our_rows"].as_bool();
    assert_eq!((follows(0), follows(1)), (Some(true), Some(false)));
    assert_eq!(
        (number(&checked["given"][0]["ours"]), &checked["given"][0]["likely"]),
        (2.7, &Value::Bool(false))
    );
    coop.fails(0, &["results", id, "--like-ours", "--given", "median=1"], 2, "there are mean");
    coop.fails(0, &["results", id, "--like-ours", "--given", "mean=much"], 2, "NAME=VALUE");
    let text = String::from_utf8(coop.ok(0, &given[..7]).stdout).unwrap();
    assert!(text.contains("DOES NOT FOLLOW") && text.contains("an error in data or in a rule"), "{text}");
    import(coop, 1, "0");
    let text = String::from_utf8(coop.ok(0, &["results", id, "--ours", "--like-ours"]).stdout).unwrap();
    assert!(text.contains("exact, 0.0") && text.contains("fewer than 10 people"), "{text}");
    assert!(
        text.contains("ours")
            && text.contains("nothing measured")
            && text.matches("Ours is exact").count() == 1,
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    // A member without such data has a release all the same, and nobody to set beside it.
    fs::remove_dir_all(coop.node(1).join("tables")).unwrap();
    let none = json(&coop.ok(1, &["results", id, "--ours", "--json"]));
    assert_eq!((&none["ours"][0]["ours"], none["ours"][0]["people"].as_u64()), (&Value::Null, Some(0)));
    coop.fails(1, &["results", id, "--like-ours"], 2, "none of our own people");
}

#[test]
fn own_figures_stand_beside_a_release_and_nowhere_else() {
    let mut coop = Coop::found(MEMBERS, 200);
    for n in 0..MEMBERS {
        coop.start(n);
    }
    for n in 0..MEMBERS {
        coop.wait_connected(n);
    }
    let days = period(&coop);
    let ask =
        ["ask", "--question", "mean.toml", "--period", days.as_str(), "--window", "20s", "--json", "--yes"];
    let released = json(&coop.ok(0, &ask));
    let id = released["release"]["query"].as_str().unwrap().to_owned();
    coop.fails(0, &["results", "--like-ours"], 2, "QUERY");
    coop.fails(0, &["results", "0123456789", "--like-ours"], 2, "no log here holds this query");
    check_like_ours(&coop, &id);
    check_ours(&coop, &id);

    // A figure that is nowhere by accident: 7 of 90 with half a point more.
    let rows: String = (0..90).map(|i| format!("S,F,{}\n", if i < 7 { "1.5" } else { "1" })).collect();
    fs::write(coop.path("new.csv"), format!("school,sex,result\n{rows}")).unwrap();
    coop.ok(0, &["import", "new.csv", "--vocabulary", "exam.toml"]);
    let seen = json(&coop.ok(0, &["results", &id, "--like-ours", "--json"]));
    assert_eq!(seen["like_ours"][0]["ours"], "1.038889");
    for n in 0..MEMBERS {
        coop.terminate(n);
    }
    let mut found = vec![];
    holders(&coop.path(""), "1.0388", &mut found);
    assert!(found.is_empty(), "{found:?}");
}
