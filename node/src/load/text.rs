//! The reconciliation page: what a data manager checks an import against.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::error::CommandError;
use crate::folder::list;
use crate::home::Home;

/// Days named one by one; more are only counted.
const DAYS_NAMED_MAX: usize = 8;

/// What each rule's name means.
const KINDS: [(&str, &str); 8] = [
    ("bad_date", "no date"),
    ("bad_code", "a code that is no register code"),
    ("bad_upn", "no unique pupil number"),
    ("bad_value", "a value that is not allowed"),
    ("duplicate", "another row says the same"),
    ("over_cap", "more than one person can have"),
    ("unknown_pupil", "about nobody we know"),
    ("outside_year", "of a day this import is not for"),
];

/// The page, from an import's JSON.
pub fn page(json: &Value) -> String {
    let word = |name: &str| json[name].as_str().unwrap_or("").to_owned();
    let number = |name: &str| json[name].as_u64().unwrap_or(0);
    let mut text = String::new();
    let mut line = |words: String| {
        let _written = writeln!(text, "{words}");
    };
    if word("outcome") == "unchanged" {
        line(format!(
            "{} is imported already, as {}: nothing changed (snapshot {}).",
            word("file"),
            word("vocabulary"),
            number("snapshot")
        ));
        return text;
    }
    let done = if word("outcome") == "looked" { "would be imported" } else { "imported" };
    line(format!(
        "{} of {} rows {done} as {}.",
        number("rows_kept"),
        number("rows_read"),
        word("vocabulary")
    ));
    if let Some(read_as) = json["read_as"].as_str() {
        line(format!("  read as {read_as}"));
    }
    if number("people") > 0 {
        line(format!("  people: {}", number("people")));
    }
    coverage(json, &mut line);
    replaced(json, &mut line);
    refused(json, &mut line);
    for (field, what) in [
        ("columns_ignored", "columns not in the vocabulary, ignored"),
        ("columns_absent", "columns of the vocabulary that the file does not have, left empty"),
    ] {
        let names: Vec<&str> = words(&json[field]).collect();
        if !names.is_empty() {
            line(format!("  {what}: {}", names.join(", ")));
        }
    }
    for note in words(&json["notes"]) {
        line(format!("  note: {note}"));
    }
    if word("outcome") == "looked" {
        line("Nothing was written: this was a dry run.".into());
    }
    text
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Days with rows, against the term calendar, and marks by what they count as.
fn coverage(json: &Value, line: &mut dyn FnMut(String)) {
    if let (Some(first), Some(last)) = (json["first_day"].as_str(), json["last_day"].as_str()) {
        line(format!("  days: {} from {first} to {last}", json["days"]));
        for (field, what) in [
            ("school_days_missing", "school days of the term calendar without a row"),
            ("days_outside_terms", "days with rows that the term calendar does not have"),
        ] {
            let days: Vec<&str> = words(&json[field]).collect();
            if !days.is_empty() {
                let more = days.len().saturating_sub(DAYS_NAMED_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let named = days.iter().take(DAYS_NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
                line(format!("  {what}: {} ({named}{more})", days.len()));
            }
        }
    }
    let marks = json["marks_by_class"].as_object();
    let marks: Vec<String> =
        marks.into_iter().flatten().map(|(class, marks)| format!("{class} {marks}")).collect();
    if !marks.is_empty() {
        line(format!("  marks: {}", marks.join(", ")));
    }
}

/// Rows imported before that are gone from the figures: `--undo` brings them back.
fn replaced(json: &Value, line: &mut dyn FnMut(String)) {
    let number = |name: &str| json[name].as_u64().unwrap_or(0);
    let (all, of_other_days) = (number("rows_replaced"), number("rows_replaced_of_other_days"));
    if all == 0 {
        return;
    }
    let undo = if json["outcome"] == "looked" { "" } else { "; --undo brings them back" };
    let other = match of_other_days {
        0 => String::new(),
        rows => format!(", {rows} of them of days that this file has no row of"),
    };
    line(format!("  replaces: {all} rows imported before{other}{undo}"));
}

/// Rows that were left out, by rule, and the first of them.
fn refused(json: &Value, line: &mut dyn FnMut(String)) {
    if json["rows_refused"].as_u64().unwrap_or(0) == 0 {
        return;
    }
    line(format!("  left out: {} rows", json["rows_refused"]));
    for (kind, rows) in json["refused_by_kind"].as_object().into_iter().flatten() {
        line(format!("    {rows} {kind}: {}", kind_meaning(kind)));
    }
    for problem in words(&json["problems"]) {
        line(format!("  left out: {problem}"));
    }
    if let Some(path) = json["quarantine"].as_str() {
        line(format!("  all of them, to correct and import again: {path}"));
    }
}

/// What a rule's name means; nothing of a name that is none.
pub fn kind_meaning(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, _)| *name == kind).map_or("", |(_, meaning)| meaning)
}

/// A file of rows that were left out, for the person who corrects them.
///
/// Errors: there is none of this name.
pub fn left_out(home: &Home, name: &str) -> Result<Vec<u8>, CommandError> {
    let folder = home.join("quarantine");
    let known = if folder.exists() { list(&folder).map_err(super::failed)? } else { vec![] };
    // Only a name that stands in the folder, so never a path.
    match known.iter().any(|known| known == name && name.ends_with(".csv")) {
        true => std::fs::read(folder.join(name)).map_err(super::failed),
        false => Err(CommandError::usage("there is no such file of rows that were left out".into())),
    }
}

/// Erases the rows that an import left out: the next import under its number is another.
///
/// Errors: the disk says no.
pub(super) fn erase_of(home: &Home, vocabulary: &str, snapshot: u64) -> Result<(), CommandError> {
    let folder = home.join("quarantine");
    let path = folder.join(format!("{}-{snapshot:06}.csv", vocabulary.replace('/', "-")));
    match path.exists() {
        true => {
            crate::disk::remove(&path).map_err(super::failed)?;
            crate::folder::sync_dir(&folder).map_err(super::failed)
        }
        false => Ok(()),
    }
}

/// Erases every file of rows that were left out.
///
/// Errors: the disk says no.
pub fn erase_left_out(home: &Home) -> Result<(), CommandError> {
    let folder = home.join("quarantine");
    let known = if folder.exists() { list(&folder).map_err(super::failed)? } else { vec![] };
    for name in known.iter().filter(|name| name.ends_with(".csv") && *name != "unfinished.csv") {
        crate::disk::remove(&folder.join(name)).map_err(super::failed)?;
    }
    match folder.exists() {
        true => crate::folder::sync_dir(&folder).map_err(super::failed),
        false => Ok(()),
    }
}

/// Files of rows that were left out.
pub fn quarantine_list(home: &Home) -> Result<Value, CommandError> {
    let folder = home.join("quarantine");
    let names = if folder.exists() { list(&folder).map_err(super::failed)? } else { vec![] };
    let mut files = vec![];
    for name in names.into_iter().filter(|name| name.ends_with(".csv") && name != "unfinished.csv") {
        let path = folder.join(&name);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&path).map_err(super::failed)?;
        let mut kinds: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(super::failed)?;
            *kinds.entry(record.get(2).unwrap_or("").to_owned()).or_default() += 1;
        }
        let rows: u64 = kinds.values().sum();
        files.push(json!({ "file": path.display().to_string(), "rows": rows, "by_kind": kinds }));
    }
    Ok(json!({ "schema": "datacoop.quarantine/1", "files": files }))
}
