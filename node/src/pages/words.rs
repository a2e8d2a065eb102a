//! How pages say what the command line's JSON holds. Must not know what a page is about.

use datacoop_policy::{Day, Period};
use serde_json::Value;

use crate::figure::released::key_words;
pub(super) use crate::html::dated;
use crate::html::{day_words, moment_of, period_words};

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

/// A time such as `2026-06-26 10:02`, UTC, as people in the United Kingdom say it.
pub(super) fn moment(text: &str) -> String {
    moment_of(text).unwrap_or_else(|| text.to_owned())
}

/// The day of a time such as `2026-06-26 10:02`, UTC.
pub(super) fn day_of(text: &str) -> String {
    let said = moment_of(text);
    said.and_then(|said| Some(said.split_once(" at ")?.0.to_owned())).unwrap_or_else(|| day(text))
}

/// Digits of a hash that are shown of it where the whole of it is a click away: more than stand in one place by chance.
const SHORT_HASH: usize = 8;

/// A text in which each hash, 64 digits, is shown by its first ones.
pub(super) fn shortened(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_digit) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_digit(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        out += before;
        out += if word.len() == 64 { &word[..SHORT_HASH] } else { word };
        rest = after;
    }
    out + rest
}

/// `exam/1` in words.
pub(super) fn vocabulary(name: &str) -> String {
    name.split_once('/')
        .map_or_else(|| name.to_owned(), |(name, version)| format!("{name} (version {version})"))
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
    fn days_and_times_are_said_as_people_in_the_united_kingdom_say_them() {
        assert_eq!(moment("2026-11-26 23:38"), "26 November 2026 at 23:38");
        // An hour ahead from the last Sunday of March to the last of October, which may be the next day.
        assert_eq!(moment("2026-06-30 23:38"), "1 July 2026 at 00:38");
        for (utc, said) in [
            ("2026-03-29 00:59", "29 March 2026 at 00:59"),
            ("2026-03-29 01:00", "29 March 2026 at 02:00"),
            ("2026-10-25 00:59", "25 October 2026 at 01:59"),
            ("2026-10-25 01:00", "25 October 2026 at 01:00"),
            ("2027-10-31 00:00", "31 October 2027 at 01:00"),
            ("unknown", "unknown"),
            ("2026-13-01 10:00", "2026-13-01 10:00"),
        ] {
            assert_eq!(moment(utc), said);
        }
        assert_eq!(
            (day_of("2026-06-30 23:38"), day_of("2026-06-30")),
            ("1 July 2026".into(), "30 June 2026".into())
        );
        assert_eq!(
            dated("it ends on 2027-08-31, not 2027-11-26; held 2026-11-26 23:38."),
            "it ends on 31 August 2027, not 26 November 2027; held 26 November 2026 at 23:38."
        );
        assert_eq!(
            dated("about 2026-09-01..2026-12-18, for"),
            "about 1 September 2026 to 18 December 2026, for"
        );
        for kept in
            ["attendance-2026-06-26", "12026-06-26", "2026-06-261", "2026-06-26-x", "\u{e4}2026-13-26", ""]
        {
            assert_eq!(dated(kept), kept);
        }
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(
            shortened(&format!("asked {hash}, then a cafe {hash}")),
            "asked 01234567, then a cafe 01234567"
        );
        let other = format!("{hash}0 {}", &hash[1..]);
        assert_eq!(shortened(&other), other, "no hash");
        assert_eq!((vocabulary("exam/1"), vocabulary("x")), ("exam (version 1)".into(), "x".into()));
    }

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
