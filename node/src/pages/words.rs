//! How pages say what the command line's JSON holds. Must not know what a page is about.

use datacoop_policy::{Day, Period};
use serde_json::Value;

use crate::figure::released::key_words;
use crate::html::{day_words, period_words};

/// A text; empty where there is none.
pub(super) fn said(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What somebody wrote, or that nobody did.
pub(super) fn or_not_said(text: &str) -> &str {
    if text.trim().is_empty() { "not said" } else { text }
}

/// The items of a list; none of what is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Points of the privacy budget.
pub(super) fn points(points: &Value) -> String {
    match points.as_u64() {
        Some(1) => "1 point".to_owned(),
        n => format!("{} points", n.unwrap_or(0)),
    }
}

/// Days such as `2025-09-01..2025-12-19`.
pub(super) fn days(text: &str) -> String {
    Period::parse(text).map_or_else(|| text.to_owned(), period_words)
}

/// A day such as `2025-12-19`.
pub(super) fn day(text: &str) -> String {
    Day::parse(text).map_or_else(|| text.to_owned(), day_words)
}

/// How many rows of a file.
pub(super) fn rows_words(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// A column, a grouping or a parameter.
pub(super) fn column(name: &str) -> String {
    key_words(name, "").0
}

/// A value of a column.
pub(super) fn value(name: &str, value: &str) -> String {
    key_words(name, value).1
}

/// Columns one after the other.
pub(super) fn columns(names: &Value) -> String {
    items(names).iter().map(|name| column(said(name))).collect::<Vec<_>>().join(", ")
}

/// The difference that would matter: `2 pp`.
pub(super) fn matters(text: &str) -> String {
    match text.strip_suffix("pp").map(str::trim) {
        Some("1") => "1 percentage point".to_owned(),
        Some(number) => format!("{number} percentage points"),
        None => text.to_owned(),
    }
}

/// A sentence of the command line as a page begins it.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_said_as_people_say_it() {
        assert_eq!(days("2026-09-01..2026-10-30"), "1 September 2026 to 30 October 2026");
        assert_eq!(days("2026-09-01..2026-09-01"), "1 September 2026");
        assert_eq!(days("<b>"), "<b>");
        assert_eq!(
            (matters("2 pp"), matters("1 pp")),
            ("2 percentage points".into(), "1 percentage point".into())
        );
        assert_eq!(matters("0.5"), "0.5");
        assert_eq!((column("nc_year"), value("nc_year", "7")), ("Year group".into(), "Year 7".into()));
        assert_eq!(column("took_part"), "Took part");
        assert_eq!((points(&1.into()), points(&2.into())), ("1 point".into(), "2 points".into()));
        assert_eq!((or_not_said(" "), sentence("it is so")), ("not said", "It is so".into()));
    }
}
