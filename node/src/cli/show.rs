//! Releases and audits as tables and JSON: the same figures in both.

use comfy_table::{ContentArrangement, Table, presets};
use datacoop_policy::derive::{FigureValue, Figures, Status};
use datacoop_policy::question::{BoundQuestion, Figure};
use datacoop_protocol::audit::{LogReport, Outcome};
use serde_json::{Value, json};

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

/// Whether a figure is a share of one, which people read in percent.
fn in_percent(question: &BoundQuestion, name: &str) -> bool {
    match question.figure() {
        Figure::Rate { .. } | Figure::Event { .. } => true,
        Figure::Histogram { .. } => name == "share",
        Figure::Count { .. } | Figure::Sum { .. } | Figure::Mean { .. } => false,
    }
}

/// A decimal text as percent, its digits kept.
fn percent(text: &str) -> String {
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    let decimals = text.split_once('.').map_or(0, |(_, part)| part.len()).saturating_sub(2);
    format!("{:.*}", decimals, value * 100.0)
}

/// Figures as a table for people.
pub(crate) fn figures_table(question: &BoundQuestion, figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_NO_BORDERS).set_content_arrangement(ContentArrangement::Disabled);
    let mut header: Vec<String> = question.groupings().iter().map(|by| by.name.replace('_', " ")).collect();
    header.extend(
        ["", "estimate", "likely range (95 %)", "privacy noise", "ordinary chance"].map(str::to_owned),
    );
    table.set_header(header);
    for cell in &figures.cells {
        for figure in &cell.figures {
            let show =
                |text: &str| if in_percent(question, &figure.name) { percent(text) } else { text.to_owned() };
            let unit = match (in_percent(question, &figure.name), question.figure()) {
                (true, Figure::Event { .. }) => " pp",
                (true, _) => " %",
                (false, _) => "",
            };
            let mut row: Vec<String> = cell.key.iter().map(|(_, value)| value.clone()).collect();
            row.push(figure.name.clone());
            match figure.status {
                Status::Estimated => row.extend([
                    format!("{}{unit}", show(&figure.value)),
                    format!("{} to {}", show(&figure.low), show(&figure.high)),
                    format!("±{}", show(&figure.noise)),
                    figure.chance.as_deref().map_or_else(String::new, |chance| format!("±{}", show(chance))),
                ]),
                Status::Suppressed => row.push("suppressed: too few or too noisy".into()),
            }
            table.add_row(row);
        }
    }
    table.to_string()
}

/// How to read the ranges of a table.
pub(crate) fn reading_text(figure: &Figure) -> String {
    let mut text = String::from("About 1 in 20 such ranges misses.");
    if let Figure::Event { .. } = figure {
        text += " Ordinary chance is that of pupils: what hits a whole school at once, such as a burst pipe, is not in it.";
    }
    text + "\n"
}

/// What a committee that could be all corrupt means.
pub(crate) fn lot_text(can_be_all_corrupt: bool) -> &'static str {
    match can_be_all_corrupt {
        true => {
            " With so many members all seats could be corrupt by bad luck, and the committee is not yet drawn by lot: an asker could choose among rosters."
        }
        false => "",
    }
}

/// An audit as scripts read it, one object a log.
pub(crate) fn audit_json(reports: &[LogReport]) -> Value {
    let logs = reports.iter().map(|report| {
        let checks: Vec<Value> = report
            .checks
            .iter()
            .map(|check| {
                json!({ "code": check.code, "name": check.name, "result": check.outcome.code(),
                        "text": check.text, "entry": check.entry })
            })
            .collect();
        json!({
            "log": report.origin,
            "member": report.member.to_string(),
            "entries": report.entries,
            "root": report.root.to_string(),
            "result": if report.passed() { "pass" } else { "fail" },
            "checks": checks,
        })
    });
    Value::Array(logs.collect())
}

/// An audit for people: every check of every log.
pub(crate) fn audit_text(reports: &[LogReport]) -> String {
    let mut out = String::new();
    for report in reports {
        out +=
            &format!("LOG  {}   size {}   root {}...\n", report.origin, report.entries, report.root.short());
        for check in &report.checks {
            let word = check.outcome.code().to_uppercase();
            out += &format!("{word} {} {:<10} {}\n", check.code, check.name, check.text);
        }
        out.push('\n');
    }
    out += "NOT SHOWN            that rows are true; that noise was drawn; copies made elsewhere\n";
    let failed: usize =
        reports.iter().flat_map(|report| &report.checks).filter(|c| c.outcome == Outcome::Fail).count();
    out += &if failed == 0 { "RESULT PASS\n".to_owned() } else { format!("RESULT FAIL ({failed})\n") };
    out
}

/// One line a log.
pub(crate) fn audit_lines(reports: &[LogReport]) -> String {
    let line = |report: &LogReport| {
        let result = if report.passed() { "pass" } else { "FAIL" };
        let failed: Vec<&str> = report
            .checks
            .iter()
            .filter(|check| check.outcome == Outcome::Fail)
            .map(|check| check.text.as_str())
            .collect();
        format!(
            "  {result}  {:<24} {:>3} entries, root {}  {}\n",
            report.origin,
            report.entries,
            report.root.short(),
            failed.join("; ")
        )
    };
    reports.iter().map(line).collect()
}
