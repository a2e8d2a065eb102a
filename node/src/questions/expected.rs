//! The figures of a plan as rows, for a terminal or a page.

use serde_json::Value;

use crate::cli::percent;

/// Figures of a plan that are as sure, in one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedRow {
    /// Of whom: groupings and their values; of all, where there are none.
    pub keys: Vec<(String, String)>,
    /// Which figure.
    pub figure: String,
    /// The likely error, such as `\u{b1}1.2 pp`; `None` of a group of too few people.
    pub error: Option<String>,
    /// `green`, `amber` or `red`: clear, rough, not answerable.
    pub colour: String,
}

/// The rows of a plan's `expected`; cells that differ in the last grouping only, and are as sure, are one.
pub fn expected_rows(expected: &Value, matters: &str) -> Vec<ExpectedRow> {
    let pp = matters.trim_end().ends_with("pp");
    let show = |width: &str| if pp { format!("{} pp", percent(width)) } else { width.to_owned() };
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let by = items(&expected["by"]);
    let mut rows: Vec<ExpectedRow> = vec![];
    for figure in items(&expected["figures"]) {
        let value = |name: &str| figure["key"][name].as_str().map(str::to_owned);
        let keys = by.iter().filter_map(|name| Some((name.as_str()?.to_owned(), value(name.as_str()?)?)));
        let keys: Vec<(String, String)> = keys.collect();
        let error = figure["error"].as_str().map(|width| format!("\u{b1}{}", show(width)));
        let [name, colour] = ["name", "colour"].map(|field| figure[field].as_str().unwrap_or("").to_owned());
        let row = ExpectedRow { keys, figure: name, error, colour };
        match rows.last_mut() {
            Some(last) if last.holds(&row) => last.keys.truncate(row.keys.len() - 1),
            _ => rows.push(row),
        }
    }
    rows
}

impl ExpectedRow {
    /// Whether another differs from this one in its last grouping only, and is as sure.
    fn holds(&self, other: &Self) -> bool {
        let same = (&self.figure, &self.error, &self.colour) == (&other.figure, &other.error, &other.colour);
        let Some((_, before)) = other.keys.split_last().filter(|(_, before)| !before.is_empty()) else {
            return false;
        };
        same && before == self.keys.get(..before.len()).unwrap_or(&self.keys)
    }

    /// Of whom, for a command line.
    pub fn group(&self) -> String {
        let words = |text: &str| text.replace('_', " ");
        match self.keys.as_slice() {
            [] => "all".to_owned(),
            keys => {
                let keys = keys.iter().map(|(name, value)| format!("{} {}", words(name), words(value)));
                keys.collect::<Vec<_>>().join(", ")
            }
        }
    }
}
