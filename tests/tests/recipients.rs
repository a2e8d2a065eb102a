//! A result is handed to somebody outside: the log counts it, and nobody's name leaves the node. Source: CHARTER
//! section 5.

use std::path::Path;

use datacoop_tests::{Coop, json};
use serde_json::Value;

const NAME: &str = "The Hill Times, Agatha Reader";

/// Asks about the autumn that the charter's year begins with.
fn ask(coop: &Coop) -> String {
    let expires = coop.status(0)["charter"]["expires"].as_str().expect("a day").to_owned();
    let (year, month) = (expires[..4].parse::<i64>().expect("a year") - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    let days = format!("{autumn}-09-01..{autumn}-12-18");
    let args = ["ask", "--question", "mean.toml", "--period", &days, "--yes", "--wait", "60s", "--json"];
    json(&coop.ok(0, &args))["release"]["query"].as_str().expect("a query").to_owned()
}

/// Whether a file below this folder, one of these aside, holds the words.
fn holds(folder: &Path, words: &str, but: &str) -> Option<String> {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != but)
                && let Some(found) = holds(&path, words, but)
            {
                return Some(found);
            }
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
        {
            return Some(path.display().to_string());
        }
    }
    None
}

fn listed(coop: &Coop) -> Vec<Value> {
    let all = json(&coop.ok(1, &["recipients", "list", "--json"]));
    all["recipients"].as_array().expect("a list").clone()
}

#[test]
fn who_has_a_result_outside_is_written_down_at_home_and_counted_in_the_log() {
    let mut coop = Coop::found(5, 40);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let query = ask(&coop);
    let short = &query[..8];
    assert!(listed(&coop).is_empty());
    let add = ["recipients", "add", short, "--to", NAME, "--yes", "--licence"];
    coop.fails(1, &[&add[..], &["dc-members-1"]].concat(), 2, "this result is under the licence dc-public-1");
    coop.fails(1, &[&add[..], &["cc-by"]].concat(), 2, "`cc-by` is no licence");
    coop.fails(
        1,
        &["recipients", "add", "00000000", "--to", NAME, "--licence", "dc-public-1", "--yes"],
        2,
        "no id of a question",
    );
    assert!(listed(&coop).is_empty(), "what was refused leaves no file");
    coop.ok(1, &[&add[..], &["dc-public-1"]].concat());
    coop.fails(1, &[&add[..], &["dc-public-1"]].concat(), 6, "it is written down already");
    let other = ["recipients", "add", short, "--to", "A council", "--yes", "--licence", "dc-public-1"];
    coop.ok(1, &other);
    // A receipt: the form, filled in.
    coop.ok(1, &["recipients", "form", short, "--to", NAME, "-o", "form.txt"]);
    let form = std::fs::read_to_string(coop.path("form.txt")).expect("a form");
    assert!(form.contains(&query) && form.contains("School 1") && form.contains(NAME), "{form}");
    let with = [&add[..], &["dc-public-1", "--receipt", "form.txt"]].concat();
    coop.fails(1, &with, 2, "lacks something on its line `Date:`");
    let filled = form
        .replace("\nDate:\n", "\nDate: 3 May 2027\n")
        .replace("\nSignature:\n", "\nSignature: A. Reader\n");
    std::fs::write(coop.path("form.txt"), &filled).expect("written");
    let added = json(&coop.ok(1, &[&with[..], &["--json"]].concat()));
    assert_eq!((&added["known"], &added["receipt"]), (&true.into(), &true.into()), "{added}");
    let all = listed(&coop);
    assert_eq!(all.len(), 2, "{all:?}");
    let named = all.iter().find(|one| one["name"] == NAME).expect("the first");
    assert_eq!((&named["logged"], &named["receipt_logged"]), (&true.into(), &true.into()), "{named}");
    let shown = String::from_utf8(coop.ok(1, &["recipients", "list", "--receipts"]).stdout).expect("text");
    assert!(shown.contains("Signature: A. Reader") && shown.contains("A council  no receipt yet"), "{shown}");
    // A start finds the same; nobody else has the name, nor does anything but the one folder.
    coop.terminate(1);
    coop.start(1);
    coop.wait_connected(1);
    assert_eq!(listed(&coop), all);
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");
    let exports: Vec<String> = (0..5).map(|n| format!("out{n}")).collect();
    for (n, export) in exports.iter().enumerate() {
        coop.ok(n, &["log", "export", export]);
        assert_eq!(holds(&coop.path(export), "Agatha", ""), None);
        assert_eq!(holds(&coop.node(n), "Agatha", "recipients"), None);
    }
    assert!(holds(&coop.node(1), "Agatha", "").is_some(), "the search finds what is there");
    // The public register has the counts, by purpose and by result.
    let mut args = vec!["register", "export", "site", "--from"];
    args.extend(exports.iter().map(String::as_str));
    coop.ok(0, &args);
    let csv = std::fs::read_to_string(coop.path("site/register.csv")).expect("a table");
    for line in ["times an answer was handed to somebody outside,2", "receipts that they gave,1"] {
        assert!(csv.contains(line), "{line}: {csv}");
    }
    let page = std::fs::read_to_string(coop.path(&format!("site/result-{query}.html"))).expect("a page");
    assert!(
        page.contains("handed it to 2 outside the co-operative") && page.contains("1 gave a receipt"),
        "{page}"
    );
    assert_eq!(holds(&coop.path("site"), "Agatha", ""), None);
}
