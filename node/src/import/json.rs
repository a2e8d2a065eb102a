//! JSON as the interfaces of school systems give it: a list of objects, perhaps in `data`, with further
//! objects inside. Each becomes a record; a field inside is called by its own name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::Value;

/// Largest file in bytes: it is held as a whole, and takes some ten times as much.
pub(super) const JSON_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Objects inside each other: a pupil's details are 3 deep.
const DEPTH_MAX: usize = 8;
/// Most columns that all objects together may have.
const COLUMNS_MAX: usize = 500;
/// What interfaces wrap lists and objects in.
const WRAPPER: &str = "data";

/// Whether the beginning of a text is that of a list or an object.
pub(super) fn is_json(head: &str) -> bool {
    let mut rest = head.trim_start_matches('\u{feff}').trim_start().chars().filter(|c| !c.is_whitespace());
    match (rest.next(), rest.next()) {
        (Some('['), Some('{' | ']')) | (Some('{'), Some('"')) => true,
        (Some(_) | None, _) => false,
    }
}

/// A file's columns and records. Errors: it is no JSON, or has no list of objects.
pub(super) fn records(text: impl Read) -> Result<(Vec<String>, Vec<Vec<String>>), String> {
    let value: Value = serde_json::from_reader(text.take(JSON_BYTES_MAX)).map_err(|error| {
        if error.is_eof() {
            format!("it stops in the middle, or has over {JSON_BYTES_MAX} bytes; ask for it in parts")
        } else {
            // The reader's own words may repeat what stands in the file.
            format!("it is no JSON at line {} column {}", error.line(), error.column())
        }
    })?;
    let rows = match &value {
        Value::Array(rows) => rows,
        Value::Object(fields) => fields
            .get(WRAPPER)
            .and_then(Value::as_array)
            .ok_or_else(|| format!("it has no list of objects, such as in `{WRAPPER}`"))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err("it has no list of objects".into());
        }
    };
    let mut records: Vec<BTreeMap<Vec<&str>, String>> = vec![];
    let mut columns: Vec<Vec<&str>> = vec![];
    let mut known = BTreeSet::new();
    for row in rows {
        let mut record = BTreeMap::new();
        flatten(row, &mut vec![], &mut record)?;
        for path in record.keys() {
            if known.insert(path.clone()) {
                columns.push(path.clone());
            }
        }
        if columns.len() > COLUMNS_MAX {
            return Err(format!("its objects have more than {COLUMNS_MAX} different fields"));
        }
        records.push(record);
    }
    let text = |record: &BTreeMap<Vec<&str>, String>| -> Vec<String> {
        columns.iter().map(|path| record.get(path).cloned().unwrap_or_default()).collect()
    };
    Ok((headers(&columns), records.iter().map(text).collect()))
}

/// A field's own name, or with those around it where several have that name.
fn headers(columns: &[Vec<&str>]) -> Vec<String> {
    let own = |path: &Vec<&str>| path.last().map_or(String::new(), |name| (*name).to_owned());
    let same = |path: &Vec<&str>| columns.iter().filter(|other| own(other) == own(path)).count();
    columns
        .iter()
        // A field of the object itself keeps its name.
        .map(|path| if same(path) == 1 || path.len() == 1 { own(path) } else { path.join(" ") })
        .collect()
}

fn flatten<'v>(
    value: &'v Value,
    path: &mut Vec<&'v str>,
    record: &mut BTreeMap<Vec<&'v str>, String>,
) -> Result<(), String> {
    if path.len() > DEPTH_MAX {
        return Err(format!("it has more than {DEPTH_MAX} objects inside each other"));
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let wraps = name == WRAPPER && fields.len() <= 2 && !path.is_empty();
                if !wraps {
                    path.push(name);
                }
                flatten(value, path, record)?;
                if !wraps {
                    path.pop();
                }
            }
            return Ok(());
        }
        // Of a list inside a row no value is the row's own.
        Value::Null | Value::Array(_) => return Ok(()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    record.insert(path.clone(), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_records_whose_inner_fields_have_their_own_names() {
        let text = r#"{"data": [
            {"id": "S1", "upn": null, "education_details": {"data": {"admission_number": 17, "current_nc_year": "Year 7"}},
             "extended_details": {"data": {"id": "E1", "premium_pupil_indicator": true}}, "contacts": [{"name": "x"}]},
            {"id": "S2", "code": "/\\"}
        ], "meta": {"pagination": {"more": false}}}"#;
        let (header, records) = records(text.as_bytes()).unwrap();
        assert_eq!(
            header,
            [
                "admission_number",
                "current_nc_year",
                "extended_details id",
                "premium_pupil_indicator",
                "id",
                "code"
            ]
        );
        assert_eq!(records[0], ["17", "Year 7", "E1", "true", "S1", ""]);
        assert_eq!(records[1], ["", "", "", "", "S2", "/\\"]);
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        for (text, said) in [
            ("[{\"a\": 1}, ", "stops in the middle"),
            ("{\"a\": 1}", "has no list of objects, such as in `data`"),
            ("[{\"a\" 1}]", "no JSON at line 1 column 7"),
            (
                &format!("[{}1{}]", "{\"a\":".repeat(10), "}".repeat(10)),
                "more than 8 objects inside each other",
            ),
        ] {
            let error = records(text.as_bytes()).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        for (text, is) in
            [(" [\n{\"a\":1}]", true), ("{\"a\":1}", true), ("a,b", false), ("[x],b", false), ("", false)]
        {
            assert_eq!(is_json(text), is, "{text}");
        }
    }
}
