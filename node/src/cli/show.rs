//! Releases and audits as tables and JSON: the same figures in both.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use datacoop_policy::derive::{FigureValue, Figures};
use datacoop_policy::question::BoundQuestion;
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

/// Whether a figure is a share of one, which people read in percent, and its unit.
pub(crate) fn unit_of(kind: &str, name: &str) -> Option<&'static str> {
    match (kind, name) {
        ("event", _) | (_, "rate difference") => Some(" pp"),
        (_, "rate" | "share") => Some(" %"),
        _ => None,
    }
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

/// Figures as a table for people.
pub(crate) fn figures_table(question: &BoundQuestion, figures: &Figures) -> String {
    let by: Vec<&str> = question.groupings().iter().map(|by| by.name.as_str()).collect();
    cells_table(&question.question().draft().figure.kind, &by, &figures_json(figures))
}

/// Cells, as JSON has them, as a table: the dimensions, then the figures.
pub(crate) fn cells_table(kind: &str, by: &[&str], cells: &Value) -> String {
    if let ("transition", [rows @ .., columns]) = (kind, by)
        && !rows.is_empty()
    {
        return matrix(rows, columns, cells);
    }
    let mut header: Vec<String> = by.iter().map(|name| plain(&name.replace('_', " "))).collect();
    header.extend(["", "estimate", "likely range (95 %)", "noise", "chance"].map(str::to_owned));
    let mut rows = vec![];
    for cell in cells.as_array().into_iter().flatten() {
        for figure in cell["figures"].as_array().into_iter().flatten() {
            let key = by.iter().map(|name| plain(cell["key"][*name].as_str().unwrap_or("")));
            rows.push(key.chain(figure_row(kind, figure)).collect());
        }
    }
    table_of(header, rows)
}

/// A transition as people read one: a line a start, a column an end, the row's shares in percent.
fn matrix(by: &[&str], across: &str, cells: &Value) -> String {
    let word = |cell: &Value, name: &str| plain(cell["key"][name].as_str().unwrap_or(""));
    let mut ends: Vec<String> = vec![];
    let (mut starts, mut lines): (Vec<Vec<String>>, Vec<Vec<String>>) = (vec![], vec![]);
    for cell in cells.as_array().into_iter().flatten() {
        let start: Vec<String> = by.iter().map(|name| word(cell, name)).collect();
        let end = word(cell, across);
        if !ends.contains(&end) {
            ends.push(end);
        }
        if starts.last() != Some(&start) {
            lines.push(start.clone());
            starts.push(start);
        }
        let mut figures = cell["figures"].as_array().into_iter().flatten();
        let share = figures.find(|figure| figure["name"] == "share" && figure["status"] == "estimated");
        let show = |text: &Value| percent(text.as_str().unwrap_or(""));
        let share = share.map(|figure| format!("{}\u{b1}{}", show(&figure["value"]), show(&figure["noise"])));
        if let Some(line) = lines.last_mut() {
            line.push(share.unwrap_or_else(|| "\u{b7}".to_owned()));
        }
    }
    let header = by.iter().map(|name| plain(&name.replace('_', " "))).chain(ends).collect();
    let table = table_of(header, lines);
    format!(
        "{table}\n{} of each line, in percent, with the privacy noise (95 %); \u{b7} is too few or too noisy to show.\nCounts, chance and likely ranges: --json",
        plain(&across.replace('_', " "))
    )
}

/// Rows under a header and a line, without borders.
pub(super) fn table_of(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
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

fn figure_row(kind: &str, figure: &Value) -> Vec<String> {
    let name = figure["name"].as_str().unwrap_or("");
    let unit = unit_of(kind, name);
    let show = |field: &str| {
        let text = figure[field].as_str().unwrap_or("");
        if unit.is_some() { percent(text) } else { plain(text) }
    };
    if figure["status"] != "estimated" {
        return vec![plain(name), "suppressed".into(), "too few or too noisy".into()];
    }
    vec![
        plain(name),
        format!("{}{}", show("value"), unit.unwrap_or("")),
        format!("{} to {}", show("low"), show("high")),
        format!("\u{b1}{}", show("noise")),
        figure["chance"].as_str().map_or_else(String::new, |_| format!("\u{b1}{}", show("chance"))),
    ]
}

/// What of a person is cut off, which no range holds; empty where nothing is.
pub(crate) fn clips_text(clips: &[String]) -> String {
    match clips {
        [] => String::new(),
        clips => format!("What lies beyond is cut, and in neither range: {}.\n", plain(&clips.join("; "))),
    }
}

/// How to read the ranges of a table.
pub(crate) fn reading_text(kind: &str) -> String {
    let mut text = String::from(
        "Noise was added for privacy; chance is that of which people there were. About 1 in 20 such ranges misses.",
    );
    if kind == "event" {
        text += "\nWhat hits a whole school at once, such as a burst pipe, is not in the range of ordinary chance.";
    }
    text + "\n"
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

    #[test]
    fn a_transition_is_a_line_a_start_and_a_column_an_end() {
        let cell = |band: &str, grade: &str, share: Option<(&str, &str)>| {
            let share = match share {
                Some((value, noise)) => {
                    json!({ "name": "share", "value": value, "noise": noise, "status": "estimated" })
                }
                None => json!({ "name": "share", "status": "suppressed" }),
            };
            json!({ "key": { "band": band, "grade": grade }, "figures": [{ "name": "count", "status": "suppressed" }, share] })
        };
        let cells = json!([
            cell("low", "1", Some(("0.30", "0.041"))),
            cell("low", "2", None),
            cell("high", "1", None),
            cell("high", "2", Some(("0.6", "0.02"))),
        ]);
        let text = cells_table("transition", &["band", "grade"], &cells);
        let lines: Vec<String> =
            text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "band 1 2");
        assert_eq!(lines[2..4], ["low 30\u{b1}4.1 \u{b7}", "high \u{b7} 60\u{b1}2"]);
        assert!(text.contains("grade of each line, in percent"), "{text}");
    }

    #[test]
    fn a_table_has_a_line_under_its_header_and_fits_100_columns() {
        let figure = json!({ "name": "change", "value": "-0.0412", "low": "-0.0530", "high": "-0.0294",
                             "noise": "0.0110", "chance": "0.0043", "status": "estimated" });
        let hidden = json!({ "name": "change", "status": "suppressed" });
        let cells = json!([
            { "key": { "pupil_premium": "true", "took_part": "yes" }, "figures": [figure] },
            { "key": { "pupil_premium": "false", "took_part": "no" }, "figures": [hidden] },
        ]);
        let text = cells_table("event", &["pupil_premium", "took_part"], &cells);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].chars().all(|c| c == '\u{2500}'), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
        assert!(lines[2].contains("-4.12 pp") && lines[2].contains("-5.30 to -2.94"), "{text}");
        assert!(lines[3].contains("suppressed"), "{text}");
    }
}
