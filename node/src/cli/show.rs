//! Releases and audits as tables and JSON: the same figures in both.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use datacoop_policy::derive::{FigureValue, Figures};
use datacoop_protocol::audit::{LogReport, Outcome};
use datacoop_protocol::fold::Fold;
use serde_json::{Value, json};

use super::means::{releases_text, spent_text};
use crate::loss::Books;

/// Figures as scripts read them.
pub(crate) fn figures_json(figures: &Figures) -> Value {
    let cells = figures.cells.iter().map(|cell| {
        let key: serde_json::Map<String, Value> =
            cell.key.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        let figures: Vec<Value> = cell.figures.iter().map(figure_json).collect();
        json!({ "key": key, "figures": figures })
    });
    Value::Array(cells.collect())
}

fn figure_json(figure: &FigureValue) -> Value {
    let shown = |text: &str| if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) };
    json!({
        "name": figure.name,
        "value": shown(&figure.value),
        "low": shown(&figure.low),
        "high": shown(&figure.high),
        "noise": shown(&figure.noise),
        "chance": figure.chance,
        "status": figure.status.code(),
    })
}

/// Whether a character does something to the lines around it and is no letter: a control character, a mark that
/// turns the direction of writing, a separator of lines.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
        )
}

/// What stands in the text of others cannot move the cursor or turn the line round here.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if acts(c) => out.extend(c.escape_default()),
            _ => out.push(c),
        }
    }
    out
}

/// The text of JSON on the way to a terminal or a file: the same values, with no such character in it as `plain` escapes but
/// the ends of our own lines.
pub(crate) fn plain_json(text: String) -> String {
    if !text.contains(|c| c != '\n' && acts(c)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            // Such a character stands in strings only, where JSON knows this form of it.
            _ if acts(c) => {
                let mut units = [0; 2];
                out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            _ => out.push(c),
        }
    }
    out
}

/// As `plain`, but our own line breaks stay.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// A decimal text as percent, its digits kept.
pub(crate) fn percent(text: &str) -> String {
    let Ok(value) = text.parse::<f64>() else { return plain(text) };
    let decimals = text.split_once('.').map_or(0, |(_, part)| part.len()).saturating_sub(2);
    format!("{:.*}", decimals, value * 100.0)
}

/// Widest line of prose.
const COLUMNS: usize = 100;

/// A paragraph in lines.
pub(crate) fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word.to_owned(),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                *line += &format!(" {word}");
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

/// Rows under a header and a line, without borders.
pub(crate) fn table_of(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::none().fill('\u{2500}').junction('\u{2500}'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 1));
    });
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What a committee that could be all corrupt means. The chance: 0.3^7 = 2.2e-4 at the fewest seats
/// that a lot may draw, and no more of a finite roster (ROUND section 1).
pub(crate) fn lot_text(can_be_all_corrupt: bool) -> &'static str {
    match can_be_all_corrupt {
        true => {
            "\nWith so many members every seat could be corrupt. The seats are drawn by lot, so while at most 30 % of\nmembers are corrupt the chance of that is below 3 in 10,000."
        }
        false => "",
    }
}

/// An audit as scripts read it, one object a log.
pub(crate) fn audit_json(reports: &[LogReport], books: &Books) -> Value {
    let logs = reports.iter().map(|report| {
        let checks: Vec<Value> = report
            .checks
            .iter()
            .map(|check| {
                json!({ "code": check.code, "name": check.name, "result": check.outcome.code(),
                        // A script may print it.
                        "text": plain(&check.text), "entry": check.entry })
            })
            .collect();
        json!({
            "log": plain(&report.origin),
            "member": report.member.to_string(),
            "entries": report.entries,
            "root": report.root.to_string(),
            "result": if report.passed() { "pass" } else { "fail" },
            "checks": checks,
            "spent": books.spent(&report.member, &report.ledger).json(),
        })
    });
    Value::Array(logs.collect())
}

/// An audit for people: every check of every log, what each spent, and what that means. `others` is how
/// many checks failed beside those of the logs.
pub(crate) fn audit_text(reports: &[LogReport], fold: &Fold, books: &Books, others: usize) -> String {
    let mut out = String::new();
    for report in reports {
        out += &format!(
            "LOG  {}   size {}   root {}...\n",
            plain(&report.origin),
            report.entries,
            report.root.short()
        );
        for check in &report.checks {
            let word = check.outcome.code().to_uppercase();
            // It may quote what the log's author wrote.
            out += &format!("{word} {} {:<10} {}\n", check.code, check.name, plain(&check.text));
        }
        out += &format!("{}\n", spent_text(&books.spent(&report.member, &report.ledger)));
    }
    out += &releases_text(fold);
    out += "NOT SHOWN            that rows are true; that noise was drawn; copies made elsewhere\n";
    let failed: usize =
        reports.iter().flat_map(|report| &report.checks).filter(|c| c.outcome == Outcome::Fail).count();
    let failed = failed + others;
    out += &if failed == 0 { "RESULT PASS\n".to_owned() } else { format!("RESULT FAIL ({failed})\n") };
    out
}

/// One line a log.
pub(crate) fn audit_lines(reports: &[LogReport]) -> String {
    let line = |report: &LogReport| {
        let result = if report.passed() { "pass" } else { "FAIL" };
        let failed = report.checks.iter().filter(|check| check.outcome == Outcome::Fail);
        let failed: Vec<String> = failed.map(|check| plain(&check.text)).collect();
        format!(
            "  {result}  {:<24} {:>3} entries, root {}  {}\n",
            plain(&report.origin),
            report.entries,
            report.root.short(),
            failed.join("; ")
        )
    };
    reports.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use datacoop_protocol::audit::Check;

    use super::*;

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
        assert_eq!(plain_lines("a\nb\r"), "a\nb\\r");
    }

    /// A terminal shows what a program prints, and a script what it reads there.
    #[test]
    fn json_carries_no_character_that_acts() {
        let hostile = "a\u{1b}]0;x\u{7}\u{7f}\u{9b}2J\u{202e}b\u{2028}\n\u{1f600}";
        let json = json!({ "name": hostile, "\u{9d}key": [hostile] });
        let text = plain_json(format!("{json:#}"));
        assert!(!text.contains(|c| c != '\n' && acts(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json, "the values are the same");
        assert!(text.contains('\u{1f600}') && text.contains("\\u202e"), "{text}");
        assert_eq!(plain_json("{ \"a\": 1 }".into()), "{ \"a\": 1 }");
    }

    /// What a check quotes stays on the check's line, whoever wrote it.
    #[test]
    fn an_audit_prints_no_line_of_anothers_making() {
        let text = "purpose `x\nRESULT PASS\u{9b}2J\u{61c}` is not open".to_owned();
        let check = Check { code: "A07", name: "verdicts", outcome: Outcome::Fail, text, entry: None };
        let report = LogReport {
            origin: "a.example/datacoop/1\nLOG".into(),
            member: "DEMO-001".parse().unwrap(),
            entries: 3,
            root: datacoop_policy::Digest([7; 32]),
            checks: vec![check],
            ledger: Default::default(),
            is_proved: false,
        };
        let line = audit_lines(std::slice::from_ref(&report));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains("`x\\nRESULT PASS\\u{9b}2J\\u{61c}`"), "{line}");
    }
}
