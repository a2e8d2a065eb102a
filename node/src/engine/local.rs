//! This node's own exact data, for the person at this computer: one view for each vocabulary, read
//! only. Must not be reachable from the network or from the node's door.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::Day;
use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Unit, Vocabulary};
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use futures::StreamExt as _;

use super::merge::parts_of;
use super::view::{MEMORY_BYTES_MAX, context, cores, table_of};
use super::who::compulsory_age_sql;
use super::{EngineError, failed};
use crate::import::kept_columns;

/// A table of this node: its vocabulary, its newest snapshot, and the table of the people it is about.
pub struct LocalTable {
    /// What its columns mean.
    pub vocabulary: Arc<Vocabulary>,
    /// Where its files lie.
    pub folder: PathBuf,
    /// The vocabulary of the people, and where their table lies.
    pub people: Option<(Arc<Vocabulary>, PathBuf)>,
}

/// One value of an answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Anything else, as text.
    Text(String),
}

/// What came out.
pub struct Answer {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Rows, a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than were wanted.
    pub has_more: bool,
}

/// Answers one SELECT over the node's own tables: a view for each, called as its vocabulary without the
/// version, of the newest version that has a table. `today` decides on compulsory age.
///
/// Errors: it is no SELECT, does not fit the tables, or needs more memory than the engine may take.
pub async fn query(
    tables: &[LocalTable],
    beside: &Path,
    today: Day,
    sql: &str,
    rows_max: usize,
) -> Result<Answer, EngineError> {
    let context = context(beside, cores(), MEMORY_BYTES_MAX)?;
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for table in tables {
        let (name, version) = table.vocabulary.name().split_once('/').unwrap_or_default();
        // Names of vocabularies may hold a dash, which SQL would take for a minus.
        let (name, version) = (name.replace('-', "_"), version.parse().unwrap_or(0));
        if names.get(&name).is_some_and(|held| *held > version) {
            continue;
        }
        names.insert(name.clone(), version);
        let view = view(table, today).await?;
        context.deregister_table(&name).map_err(failed)?;
        context.register_table(&name, view).map_err(failed)?;
    }
    let names: Vec<&str> = names.keys().map(String::as_str).collect();
    let plan = planned(&context, sql, &names).await?;
    collect(plan, rows_max).await
}

/// Functions that make tables: none of them reads a table of ours.
const TABLE_FUNCTIONS: [&str; 2] = ["generate_series", "range"];

/// Only one SELECT, and only over tables that are registered: no statement that writes, sets or loads,
/// and no file by its name.
async fn planned(context: &SessionContext, sql: &str, names: &[&str]) -> Result<DataFrame, EngineError> {
    for function in TABLE_FUNCTIONS {
        context.deregister_udtf(function);
    }
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect).map_err(|error| said(&error, names))?;
    if !matches!(&statement, Statement::Statement(sql) if matches!(**sql, Sql::Query(_))) {
        return Err(failed("only SELECT, perhaps with WITH before it; nothing here changes data"));
    }
    let plan = state.statement_to_plan(statement).await.map_err(|error| said(&error, names))?;
    let only_reads =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reads.verify_plan(&plan).map_err(|_| failed("only SELECT; nothing here changes data"))?;
    Ok(DataFrame::new(state, plan))
}

/// The engine's error in words.
fn said(error: &DataFusionError, names: &[&str]) -> EngineError {
    let root = error.find_root();
    let text = root.message().to_string();
    let text = text.lines().next().unwrap_or_default().trim_end_matches('.');
    if let Some(table) =
        text.strip_prefix("table 'datafusion.public.").and_then(|text| text.split('\'').next())
    {
        return failed(format!("there is no table `{table}`; {}", listed(names)));
    }
    if text.contains("table function") {
        return failed(format!("no function may stand for a table; {}", listed(names)));
    }
    if matches!(root, DataFusionError::ResourcesExhausted(_)) {
        return failed("this needs more memory than the engine may take; ask for fewer rows or columns");
    }
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
    failed(format!("{first}{}", chars.as_str()))
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "this node has no table yet: import a file first".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}

/// A table with the columns of the people it is about. A file's own value wins.
async fn view(table: &LocalTable, today: Day) -> Result<Arc<dyn TableProvider>, EngineError> {
    let LocalTable { vocabulary, folder, people } = table;
    let files: Vec<PathBuf> = parts_of(folder)?.iter().map(|part| folder.join(part)).collect();
    // Names of its own: what is registered here no query of a person can name.
    let context = SessionContext::new();
    context.register_table("own", table_of(vocabulary, &files)?).map_err(failed)?;
    let joined = match (people, vocabulary.unit()) {
        (Some((people, folder)), Unit::Column(unit)) => {
            let parts = parts_of(folder)?;
            let files: Vec<PathBuf> = parts.iter().map(|part| folder.join(part)).collect();
            context.register_table("people", table_of(people, &files)?).map_err(failed)?;
            Some((people, unit))
        }
        _ => None,
    };
    let columns = kept_columns(vocabulary).into_iter().map(|column| {
        let name = identifier(&column.name);
        let own = match column.name.as_str() {
            "compulsory_age" => compulsory_age_sql(vocabulary, today).replace("people.", "own."),
            _ => format!("own.{name}"),
        };
        let of_people = joined.filter(|(people, _)| column.of.as_deref() == Some(people.name()));
        let said = of_people.and_then(|(people, _)| people.column(&column.name));
        match said.filter(|said| said.kind == column.kind) {
            Some(_) => format!("CASE WHEN {own} IS NOT NULL THEN {own} ELSE counted.{name} END AS {name}"),
            None => format!("{own} AS {name}"),
        }
    });
    let columns: Vec<String> = columns.collect();
    let mut sql = format!("SELECT {} FROM own", columns.join(", "));
    if let Some((people, unit)) = joined {
        sql += &format!(
            " LEFT JOIN ({}) AS counted ON own.{} = counted.person",
            one_each(people, today),
            identifier(unit)
        );
    }
    Ok(context.sql(&sql).await.map_err(failed)?.into_view())
}

/// One row for each person of a table of people.
fn one_each(people: &Vocabulary, today: Day) -> String {
    let unit = match people.unit() {
        Unit::Column(unit) => identifier(unit),
        Unit::Row => "NULL".to_owned(),
    };
    let values = kept_columns(people).into_iter().map(|column| {
        let name = identifier(&column.name);
        let value = match column.name.as_str() {
            "compulsory_age" => compulsory_age_sql(people, today),
            _ => format!("people.{name}"),
        };
        format!("MAX({value}) AS {name}")
    });
    let values: Vec<String> = values.collect();
    format!(
        "SELECT {unit} AS person, {} FROM people WHERE {unit} IS NOT NULL GROUP BY {unit}",
        values.join(", ")
    )
}

async fn collect(frame: DataFrame, rows_max: usize) -> Result<Answer, EngineError> {
    let columns = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    let limited = frame.limit(0, Some(rows_max.saturating_add(1))).map_err(failed)?;
    let mut batches = limited.execute_stream().await.map_err(|error| said(&error, &[]))?;
    let mut rows = vec![];
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| said(&error, &[]))?;
        let read = batch.columns().iter().map(values).collect::<Result<Vec<Vec<Value>>, _>>()?;
        rows.extend((0..batch.num_rows()).map(|row| read.iter().map(|column| column[row].clone()).collect()));
    }
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    Ok(Answer { columns, rows, has_more })
}

/// The values of one column.
fn values(array: &ArrayRef) -> Result<Vec<Value>, EngineError> {
    let kind = array.data_type();
    let as_type = |kind: &DataType| cast(array, kind).map_err(failed);
    let typed = |array: &dyn Array, value: &dyn Fn(usize) -> Value| {
        (0..array.len()).map(|at| if array.is_null(at) { Value::Null } else { value(at) }).collect()
    };
    if kind.is_integer() {
        let array = as_type(&DataType::Int64)?;
        let numbers = array.as_any().downcast_ref::<Int64Array>();
        let numbers = numbers.ok_or_else(|| failed("a whole number is none"))?;
        return Ok(typed(numbers, &|at| Value::Integer(numbers.value(at))));
    }
    if kind.is_floating() || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        let array = as_type(&DataType::Float64)?;
        let numbers = array.as_any().downcast_ref::<Float64Array>();
        let numbers = numbers.ok_or_else(|| failed("a number is none"))?;
        return Ok(typed(numbers, &|at| Value::Number(numbers.value(at))));
    }
    if let Some(truths) = array.as_any().downcast_ref::<BooleanArray>() {
        return Ok(typed(truths, &|at| Value::Bool(truths.value(at))));
    }
    let options = FormatOptions::default();
    let texts = ArrayFormatter::try_new(array.as_ref(), &options).map_err(failed)?;
    Ok(typed(array.as_ref(), &|at| Value::Text(texts.value(at).to_string())))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
