//! `datacoop sql`: this node's own exact data, for the person at this computer. It opens the tables
//! itself, so no node need run and no running one is asked: snapshots never change.

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use serde_json::{Value as Json, json};

use super::node::{home_of, store_error};
use super::show::plain;
use super::{Common, Printed};
use crate::clock;
use crate::engine::local::{Answer, Value, query};
use crate::error::CommandError;
use crate::safe_csv::safe_csv_field;

/// Rows shown unless more are asked for: what a person reads, or a spreadsheet takes at a glance.
const ROWS: usize = 1_000;
/// Most rows of one answer, which is held in memory.
const ROWS_MAX: usize = 100_000;
/// Decimals of a number in a table for people.
const DECIMALS: usize = 6;
/// What stands under every answer.
const NOTE: &str = "Exact figures of your own people, without privacy noise: for you alone, never to be published or sent on.";

#[derive(Args)]
pub(super) struct SqlArgs {
    /// One SELECT, such as "SELECT nc_year, AVG(attended) FROM attendance GROUP BY nc_year"
    sql: String,
    /// Print as CSV, safe to open in a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Rows to print at most
    #[arg(long, value_name = "N", default_value_t = ROWS)]
    limit: usize,
}

pub(super) async fn sql(common: &Common, args: SqlArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    if args.limit == 0 || args.limit > ROWS_MAX {
        return Err(CommandError::usage(format!("--limit is 1 to {ROWS_MAX}")));
    }
    let tables = home.local_tables().map_err(store_error)?;
    let answer = query(&tables, &home.join("tables"), clock::now().day(), &args.sql, args.limit).await;
    let answer = answer.map_err(|error| {
        CommandError::usage(error.to_string()).hint("columns of a table: datacoop vocabulary show NAME")
    })?;
    let json = json!({
        "schema": "datacoop.sql/1",
        "columns": answer.columns,
        "rows": answer.rows.iter().map(|row| row.iter().map(json_value).collect()).collect::<Vec<Json>>(),
        "has_more": answer.has_more,
        "note": NOTE,
    });
    if args.csv {
        // The file holds rows alone; what is said about them goes where a person sees it.
        if !common.quiet {
            eprintln!("{}{NOTE}", more_text(&answer));
        }
        return Ok(Printed::new(json, csv_text(&answer)?));
    }
    let text = format!("{}\n{}{NOTE}", table(&answer), more_text(&answer));
    Ok(Printed::new(json, text))
}

fn more_text(answer: &Answer) -> String {
    match answer.has_more {
        true => format!("The first {} rows; there are more: raise --limit.\n", answer.rows.len()),
        false => String::new(),
    }
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Number(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::Text(text) => json!(text),
    }
}

fn table(answer: &Answer) -> Table {
    let line = ContentLineStyle::none().junction('┆');
    let under = LineStyle::none().fill('═').junction('╪');
    let style = TableStyle::new().header_lines(line).header_separator(under).content_lines(line);
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(answer.columns.iter().map(|name| plain(name)));
    for row in &answer.rows {
        table.add_row(row.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => decimal_text(*number),
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) => plain(text),
        }));
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        let is_number = |row: &Vec<Value>| matches!(row[at], Value::Integer(_) | Value::Number(_));
        if answer.rows.iter().any(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Without digits that only come from how computers divide.
fn decimal_text(number: f64) -> String {
    let text = format!("{number:.DECIMALS$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn csv_text(answer: &Answer) -> Result<String, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(format!("no CSV: {error}"));
    let mut writer = csv::Writer::from_writer(vec![]);
    let header = answer.columns.iter().map(|name| safe_csv_field(name).into_owned());
    writer.write_record(header).map_err(|error| failed(&error))?;
    for row in &answer.rows {
        let cells = row.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) => safe_csv_field(text).into_owned(),
        });
        writer.write_record(cells).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers() {
        let text = |text: &str| Value::Text(text.into());
        let answer = Answer {
            columns: vec!["=A1".into(), "n".into()],
            rows: vec![
                vec![text("=SUM(A1)"), Value::Integer(-3)],
                vec![text("-"), Value::Number(-0.5)],
                vec![text("@x, \"y\""), Value::Null],
                vec![text("\tx"), Value::Bool(true)],
                vec![text("/"), Value::Integer(1)],
            ],
            has_more: false,
        };
        assert_eq!(
            csv_text(&answer).unwrap(),
            "'=A1,n\n'=SUM(A1),-3\n'-,-0.5\n\"'@x, \"\"y\"\"\",\n'\tx,true\n/,1\n"
        );
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        for (number, text) in [(0.1 + 0.2, "0.3"), (-2.0, "-2"), (1.0 / 3.0, "0.333333"), (100.0, "100")] {
            assert_eq!(decimal_text(number), text);
        }
    }
}
