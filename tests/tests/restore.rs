//! A node that refuses to start: `datacoop restore`, and the same log byte for byte from the others, with
//! nothing spent less. Real processes, real folders.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use datacoop_tests::{Coop, RUN, json, wait_for};

const ASK: [&str; 7] =
    ["ask", "--question", "mean.toml", "--period", "2026-09-01..2026-12-18", "--yes", "--json"];
/// Who is damaged: no meeting point.
const SITE: usize = 3;

/// Files below a folder that hold a log's entries, with their bytes.
fn entries(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(entries(&path)),
            false if path.to_str().unwrap().contains("tile/entries") => {
                found
                    .push((path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
            }
            false => {}
        }
    }
    found.sort();
    found
}

fn export(coop: &Coop, name: &str) -> Vec<(String, Vec<u8>)> {
    coop.ok(SITE, &["log", "export", name]);
    let found = entries(&coop.path(name));
    assert!(!found.is_empty());
    found
}

/// Starts it and waits until it has all back.
fn comes_back(coop: &mut Coop, name: &str, whole: &[(String, Vec<u8>)], before: &serde_json::Value) {
    coop.start(SITE);
    wait_for("its own log from the others", || coop.status(SITE)["starting"].is_null());
    assert_eq!(export(coop, name), whole, "{name}");
    assert_eq!(coop.status(SITE)["ledger"], before["ledger"], "{name}");
}

#[test]
fn a_node_that_refuses_to_start_takes_its_log_back_and_spends_on_from_there() {
    let mut coop = Coop::found(5, 200);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let asked = coop.run(2, &ASK);
    assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
    wait_for("the release", || coop.status(SITE)["released"] == 1);
    let before = coop.status(SITE);
    assert_eq!(before["ledger"][0]["spent"]["rho"], "0.005000000");
    let size = |coop: &Coop| coop.status(0)["logs"][SITE]["entries"].as_u64().unwrap();
    wait_for("its entries elsewhere", || size(&coop) == before["logs"][SITE]["entries"].as_u64().unwrap());
    let whole = export(&coop, "before");
    coop.fails(SITE, &["restore", "--yes"], 11, "another node runs on");
    coop.terminate(SITE);
    assert_eq!(json(&coop.ok(SITE, &["restore", "--yes", "--json"]))["needed"], false);

    // A frame in the middle: those before it stay.
    let home = coop.node(SITE);
    let journal = home.join("journal/00000001");
    let good = fs::read(&journal).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&journal, &bad).unwrap();
    coop.fails(SITE, &RUN, 1, "datacoop restore");
    let plan = json(&coop.ok(SITE, &["restore", "--dry-run", "--json"]));
    assert_eq!((&plan["done"], &plan["needed"]), (&false.into(), &true.into()));
    assert_eq!(fs::read(&journal).unwrap(), bad, "nothing was changed");
    coop.fails(SITE, &["restore"], 2, "needs a yes");
    let done = json(&coop.ok(SITE, &["restore", "--yes", "--json"]));
    assert!(done["entries_kept"].as_u64() < done["entries_signed"].as_u64(), "{done}");
    assert_eq!(fs::read(home.join("journal.set-aside-1/00000001")).unwrap(), bad, "nothing is deleted");
    comes_back(&mut coop, "frame", &whole, &before);
    coop.terminate(SITE);

    // The journal as it was before the round, beside a newer head.
    fs::write(&journal, &good[..good.len() / 3]).unwrap();
    coop.fails(SITE, &RUN, 1, "datacoop restore");
    coop.ok(SITE, &["restore", "--yes"]);
    comes_back(&mut coop, "old", &whole, &before);
    coop.terminate(SITE);

    // Cut off between its two renames.
    fs::write(&journal, &bad).unwrap();
    coop.ok(SITE, &["restore", "--yes"]);
    fs::rename(home.join("journal"), home.join("journal.next")).unwrap();
    coop.fails(SITE, &RUN, 1, "datacoop restore");
    let done = json(&coop.ok(SITE, &["restore", "--yes", "--json"]));
    assert_eq!(done["why"], "an earlier restore was cut off");
    comes_back(&mut coop, "cut off", &whole, &before);
    coop.terminate(SITE);

    // Nothing but keys, charter and settings.
    for gone in ["journal", "signed", "blobs", "index", "keys/rounds", "keys/openings"] {
        fs::remove_dir_all(home.join(gone)).ok();
    }
    coop.ok(SITE, &["restore", "--yes"]);
    comes_back(&mut coop, "keys", &whole, &before);
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");
}
