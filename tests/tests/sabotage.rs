//! The list of faults fits the code: each stands where it says, and its test is there.
//!
//! That each test sees its fault takes a build for each: `cargo run -p datacoop-tests --bin sabotage`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use datacoop_tests::sabotage::{list, root};

/// The text of every source file below a folder.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_fault_stands_where_the_list_says() {
    let list = list();
    assert!(list.len() >= 30);
    let names: BTreeSet<&str> = list.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(names.len(), list.len(), "names are used once");
    for mutant in &list {
        let changed = mutant.applied(&root()).unwrap();
        assert_ne!(changed, fs::read_to_string(root().join(&mutant.file)).unwrap(), "{}", mutant.name);
    }
}

#[test]
fn every_fault_names_a_test() {
    let mut text = String::new();
    ["policy", "protocol", "sim", "tests"].iter().for_each(|folder| sources(&root().join(folder), &mut text));
    for mutant in list() {
        let name = mutant.test_name().rsplit("::").next().unwrap();
        assert!(
            name.is_empty() || text.contains(&format!("fn {name}(")),
            "{}: no test `{name}`",
            mutant.name
        );
    }
}
