//! The rows a Question is about: a view called `rows`, of the file that its period needs, joined with
//! the table of the people the rows are about, without those who do not count. No `never` column but
//! the unit's own is in it. Of a Question about everyone it holds one more row for each person who counts,
//! whether or not the period has rows of theirs; not where no snapshot of its vocabulary was ever imported.
//!
//! Must not know figures; who counts is told to it, and how many do not is told to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::question::BoundQuestion;
use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Column, Unit, Vocabulary};
use datacoop_policy::{Day, Period};
use datafusion::arrow::array::{BooleanArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::cast::as_string_array;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{
    ColumnarValue, LogicalPlan, LogicalPlanBuilder, ScalarUDF, Volatility, create_udf,
};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::reader::FileReader as _;
use datafusion::parquet::file::serialized_reader::SerializedFileReader;
use datafusion::parquet::file::statistics::Statistics;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::push::{Facts, Split, aggregate_before_join, is_rows};
use super::runs::AddUpRuns;
use super::table::{Part, schema};
use super::who::{WhoCounts, compulsory_age_sql, names_purpose};
use super::{EngineError, UNFINISHED, failed};
use crate::folder::make_dir;

/// Memory the engine may take; beyond, it spills.
pub(super) const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// What a question's rows are called.
pub(super) const ROWS: &str = "rows";

/// Where the engine finds what a Question is about, and who of them counts.
#[derive(Clone, Debug)]
pub struct Sources {
    table: Option<PathBuf>,
    people: Option<(Arc<Vocabulary>, PathBuf)>,
    objections: BTreeSet<String>,
    purpose: String,
    at: Day,
}

impl Sources {
    /// The newest snapshot of the Question's vocabulary; `None` when there is none here.
    pub fn new(table: Option<PathBuf>) -> Self {
        Self { table, people: None, objections: BTreeSet::new(), purpose: String::new(), at: Day(0) }
    }

    /// The table that says who the people of the rows are.
    #[must_use]
    pub fn with_people(self, people: Option<(Arc<Vocabulary>, PathBuf)>) -> Self {
        Self { people, ..self }
    }

    /// Ids of people who object to being counted.
    #[must_use]
    pub fn with_objections(self, objections: BTreeSet<String>) -> Self {
        Self { objections, ..self }
    }

    /// What a consent must name, and on which day it must be live: the Query's own, so that every run
    /// agrees.
    #[must_use]
    pub fn asked(self, purpose: &str, at: Day) -> Self {
        Self { purpose: purpose.to_owned(), at, ..self }
    }
}

/// The name of the vocabulary whose table says who the people of a vocabulary's rows are: the one its
/// columns are `of`, else that of its dataset. There is no other join.
pub fn people_vocabulary(vocabulary: &Vocabulary) -> Option<&str> {
    if *vocabulary.unit() == Unit::Row {
        return None;
    }
    let named = vocabulary.columns().iter().find_map(|column| column.of.as_deref());
    named.or_else(|| WhoCounts::vocabulary_of(vocabulary.dataset()))
}

/// Cores of this computer.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// An engine that knows nothing yet; what does not fit memory it spills into a folder in `beside`.
pub(super) fn context(
    beside: &Path,
    threads: usize,
    memory_bytes: usize,
) -> Result<SessionContext, EngineError> {
    let config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    // Fair, because one sort that takes all leaves the other too little even to spill.
    let pool = Arc::new(FairSpillPool::new(memory_bytes));
    // Why not the system's own folder for temporary files: rows stay in the node's.
    let spill = beside.join(format!("spill.{UNFINISHED}"));
    make_dir(&spill).map_err(failed)?;
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_temp_file_path(spill);
    let runtime = runtime.build_arc().map_err(failed)?;
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    let state = state.with_default_features().with_physical_optimizer_rule(Arc::new(AddUpRuns));
    Ok(SessionContext::new_with_state(state.build()))
}

/// An engine and a Question's rows.
pub(super) struct View {
    context: SessionContext,
    rows: LogicalPlan,
    split: Option<Split>,
}

impl View {
    /// The answer to SQL over `rows`.
    pub(super) async fn sql(&self, sql: &str) -> Result<DataFrame, EngineError> {
        let planned = self.context.sql(sql).await.map_err(failed)?.logical_plan().clone();
        let pushed = match &self.split {
            Some(split) => aggregate_before_join(planned, split).map_err(failed)?,
            None => planned,
        };
        // The name stood for the columns alone; now it gets its rows.
        let whole = pushed.transform_down_with_subqueries(|node| {
            if !is_rows(&node) {
                return Ok(Transformed::no(node));
            }
            let rows = LogicalPlanBuilder::from(self.rows.clone()).alias(ROWS)?.build()?;
            // Its leaves are files, and never the name again.
            Ok(Transformed::new(rows, true, TreeNodeRecursion::Jump))
        });
        let whole = whole.map_err(failed)?.data;
        let whole = whole.transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes));
        Ok(DataFrame::new(self.context.state(), whole.map_err(failed)?.data))
    }
}

/// A Question's rows; `None` when there is no table.
pub(super) async fn view_of(
    sources: &Sources,
    question: &BoundQuestion,
) -> Result<Option<View>, EngineError> {
    let Some(folder) = &sources.table else { return Ok(None) };
    let vocabulary = question.question().vocabulary();
    let part = match vocabulary.date_column() {
        // A period lies inside one academic year: no other file can hold a row of it.
        Some(_) => Part::Year(question.period().year()),
        None => Part::All,
    };
    let files = vec![folder.join(part.file_name())];
    view(sources, folder, question, &files).await.map(Some)
}

/// Has the engine take in SQL over `rows` where there is no table, and no row to answer it with.
///
/// Why: a member that has no such people must fail on what the others fail on, or its log would tell.
pub(super) async fn plan_without_table(vocabulary: &Vocabulary, sql: &str) -> Result<(), EngineError> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(cores()));
    context.register_table(ROWS, table_of(vocabulary, &[])?).map_err(failed)?;
    let frame = context.sql(sql).await.map_err(failed)?;
    frame.create_physical_plan().await.map_err(failed).map(|_| ())
}

/// The view over these files of a vocabulary's table.
async fn view(
    sources: &Sources,
    folder: &Path,
    question: &BoundQuestion,
    files: &[PathBuf],
) -> Result<View, EngineError> {
    let (vocabulary, period) = (question.question().vocabulary(), question.period());
    let context = context(folder.parent().unwrap_or(folder), cores(), MEMORY_BYTES_MAX)?;
    context.register_udf(names_purpose_function());
    let own = table_of(vocabulary, files)?;
    let (rows, split) = match vocabulary.unit() {
        Unit::Row => {
            context.register_table("own", own).map_err(failed)?;
            (context.sql(&own_sql(vocabulary, None)).await.map_err(failed)?, None)
        }
        Unit::Column(unit) => {
            register_objections(&context, &sources.objections)?;
            if WhoCounts::of(vocabulary) != WhoCounts::Everyone {
                // The rows are the people themselves.
                context.register_table("people", own).map_err(failed)?;
                let sql = people_sql(vocabulary, sources, period, &visible(vocabulary));
                (context.sql(&sql).await.map_err(failed)?, None)
            } else {
                context.register_table("own", own).map_err(failed)?;
                joined(&context, sources, question, unit, files).await?
            }
        }
    };
    let columns = Arc::new(rows.schema().as_arrow().clone());
    context.register_table(ROWS, Arc::new(EmptyTable::new(columns))).map_err(failed)?;
    Ok(View { context, rows: rows.logical_plan().clone(), split })
}

/// Rows joined with the people they are about. A file's own value of a person's column wins.
async fn joined(
    context: &SessionContext,
    sources: &Sources,
    question: &BoundQuestion,
    unit: &str,
    files: &[PathBuf],
) -> Result<(DataFrame, Option<Split>), EngineError> {
    let (vocabulary, period) = (question.question().vocabulary(), question.period());
    let Some((people, folder)) = &sources.people else {
        // Who consents stands in the table of people: without it nobody is known to.
        let nobody = if WhoCounts::needs_people(vocabulary.dataset()) { " WHERE FALSE" } else { "" };
        let rows = format!("{}{nobody}", own_sql(vocabulary, Some(unit)));
        return Ok((context.sql(&rows).await.map_err(failed)?, None));
    };
    let Unit::Column(person) = people.unit() else {
        return Err(failed("the people's own table does not name them"));
    };
    let shared = shared_columns(vocabulary, people);
    let table = table_of(people, &[folder.join(Part::All.file_name())])?;
    context.register_table("people", table).map_err(failed)?;
    let names: Vec<&Column> = shared.iter().filter_map(|column| people.column(&column.name)).collect();
    let counted = context.sql(&people_sql(people, sources, period, &names)).await.map_err(failed)?;
    let plan = counted.logical_plan().clone();
    context.register_table("counted", counted.into_view()).map_err(failed)?;
    let everyone = WhoCounts::of(people) == WhoCounts::Everyone;
    let has_own = columns_with_values(vocabulary, files)?;
    let column_sql = |column: &Column| {
        let name = identifier(&column.name);
        let is_shared = shared.iter().any(|shared| shared.name == column.name);
        match (is_shared, has_own.contains(&column.name)) {
            (false, _) => format!("own.{name} AS {name}"),
            (true, false) => format!("counted.{name} AS {name}"),
            (true, true) => {
                format!("CASE WHEN own.{name} IS NOT NULL THEN own.{name} ELSE counted.{name} END AS {name}")
            }
        }
    };
    let columns: Vec<String> = visible(vocabulary).into_iter().map(column_sql).collect();
    let (unit_name, person) = (identifier(unit), identifier(person));
    let columns = columns.join(", ");
    // Of people with rules a person who is in no table of theirs does not count.
    let rows = match everyone {
        false => format!("SELECT {columns} FROM own JOIN counted ON own.{unit_name} = counted.{person}"),
        true => format!(
            "SELECT {columns} FROM own LEFT JOIN counted ON own.{unit_name} = counted.{person} \
             LEFT ANTI JOIN objections ON own.{unit_name} = objections.id"
        ),
    };
    if question.question().counts_everyone() {
        let shared: BTreeMap<&str, bool> =
            shared.iter().map(|column| (column.name.as_str(), has_own.contains(&column.name))).collect();
        let extra = everyone_sql(vocabulary, unit, people_unit(people), &shared, period);
        // Sums below the join would miss who has no row.
        return Ok((context.sql(&format!("{rows} UNION ALL {extra}")).await.map_err(failed)?, None));
    }
    let rows = context.sql(&rows).await.map_err(failed)?;
    let own = context.sql(&own_sql(vocabulary, None)).await.map_err(failed)?;
    let of_people = |name: &str| shared.iter().any(|column| column.name == name);
    let split = Split {
        own: own.logical_plan().clone(),
        people: plan,
        unit: unit.to_owned(),
        person: people_unit(people).to_owned(),
        only_people: shared.iter().map(|c| c.name.clone()).filter(|name| !has_own.contains(name)).collect(),
        facts: facts_of(files)?,
        both: has_own.into_iter().filter(|name| of_people(name)).collect(),
    };
    Ok((rows, (!everyone).then_some(split)))
}

/// Columns of a vocabulary whose values the people's table has.
fn shared_columns<'a>(vocabulary: &'a Vocabulary, people: &Vocabulary) -> Vec<&'a Column> {
    let theirs = |column: &&Column| {
        let said = people.column(&column.name);
        let same = said.is_some_and(|said| said.kind == column.kind && !said.never);
        column.of.as_deref() == Some(people.name()) && same
    };
    vocabulary.columns().iter().filter(theirs).collect()
}

/// One row for each person who counts, whatever rows they have: their own columns (`true`: the file has
/// some value of it), the date, and nothing else.
///
/// Why the file's own value comes first here too: a person of rows stays in the cell they were in.
fn everyone_sql(
    vocabulary: &Vocabulary,
    unit: &str,
    person: &str,
    shared: &BTreeMap<&str, bool>,
    period: Period,
) -> String {
    let date = vocabulary.date_column().map(|column| column.name.as_str());
    let day = |day: Day| format!("CAST('{day}' AS DATE)");
    let column_sql = |column: &Column| {
        let name = identifier(&column.name);
        let value = match shared.get(column.name.as_str()) {
            _ if column.name == unit => format!("counted.{}", identifier(person)),
            _ if date == Some(&column.name) => day(period.last()),
            Some(true) => {
                format!("CASE WHEN said.{name} IS NOT NULL THEN said.{name} ELSE counted.{name} END")
            }
            Some(false) => format!("counted.{name}"),
            None => "NULL".to_owned(),
        };
        format!("{value} AS {name}")
    };
    let columns: Vec<String> = visible(vocabulary).into_iter().map(column_sql).collect();
    let columns = columns.join(", ");
    let own = shared.iter().filter(|(_, has_own)| **has_own).map(|(name, _)| identifier(name));
    let own: Vec<String> = own.map(|name| format!("MAX(own.{name}) AS {name}")).collect();
    if own.is_empty() {
        return format!("SELECT {columns} FROM counted");
    }
    let unit = identifier(unit);
    let inside = date.map_or(String::new(), |date| {
        let (date, first, last) = (identifier(date), day(period.first()), day(period.last()));
        format!(" WHERE own.{date} BETWEEN {first} AND {last}")
    });
    format!(
        "SELECT {columns} FROM counted LEFT JOIN (SELECT own.{unit} AS {unit}, {} FROM own{inside} \
         GROUP BY own.{unit}) AS said ON counted.{} = said.{unit}",
        own.join(", "),
        identifier(person)
    )
}

fn people_unit(people: &Vocabulary) -> &str {
    match people.unit() {
        Unit::Row => "",
        Unit::Column(unit) => unit,
    }
}

/// Columns a Question may see, and the unit's own.
fn visible(vocabulary: &Vocabulary) -> Vec<&Column> {
    let is_unit = |column: &Column| people_unit(vocabulary) == column.name;
    let seen = |column: &&Column| column.role.is_none() && (!column.never || is_unit(column));
    vocabulary.columns().iter().filter(seen).collect()
}

/// The rows as they are; without those of people who object, where `unit` names people.
fn own_sql(vocabulary: &Vocabulary, unit: Option<&str>) -> String {
    let columns: Vec<String> = visible(vocabulary)
        .into_iter()
        .map(|column| format!("own.{0} AS {0}", identifier(&column.name)))
        .collect();
    let without = unit.map_or(String::new(), |unit| {
        format!(" LEFT ANTI JOIN objections ON own.{} = objections.id", identifier(unit))
    });
    format!("SELECT {} FROM own{without}", columns.join(", "))
}

/// One row for each person who counts, with these columns.
///
/// Why grouped: a person who stood twice in the table would be two in every sum, which no clip bounds.
fn people_sql(people: &Vocabulary, sources: &Sources, period: Period, columns: &[&Column]) -> String {
    let unit = identifier(people_unit(people));
    let value = |column: &&&Column| {
        let name = identifier(&column.name);
        let sql = match column.name.as_str() {
            "compulsory_age" => compulsory_age_sql(people, period.last()),
            _ => format!("people.{name}"),
        };
        format!("MAX({sql}) AS {name}")
    };
    let others = columns.iter().filter(|column| column.name != people_unit(people));
    let chosen: Vec<String> =
        [format!("people.{unit} AS {unit}")].into_iter().chain(others.map(|c| value(&c))).collect();
    let rule = WhoCounts::of(people).sql(period.last(), &sources.purpose, sources.at);
    let rule = rule.map_or(String::new(), |rule| format!(" AND {rule}"));
    format!(
        "SELECT {} FROM people LEFT ANTI JOIN objections ON people.{unit} = objections.id \
         WHERE people.{unit} IS NOT NULL{rule} GROUP BY people.{unit}",
        chosen.join(", ")
    )
}

/// `names_purpose(list, purpose)` for SQL.
fn names_purpose_function() -> ScalarUDF {
    let types = vec![DataType::Utf8, DataType::Utf8];
    let named = |values: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(values)?;
        let (lists, purposes) = (as_string_array(&arrays[0])?, as_string_array(&arrays[1])?);
        let both = lists.iter().zip(purposes);
        let truths: BooleanArray =
            both.map(|(list, purpose)| Some(names_purpose(list.unwrap_or(""), purpose?))).collect();
        Ok(ColumnarValue::Array(Arc::new(truths)))
    };
    create_udf("names_purpose", types, DataType::Boolean, Volatility::Immutable, Arc::new(named))
}

fn register_objections(context: &SessionContext, ids: &BTreeSet<String>) -> Result<(), EngineError> {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, false)]));
    let array = Arc::new(StringArray::from_iter_values(ids));
    let batch = RecordBatch::try_new(schema.clone(), vec![array]).map_err(failed)?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(failed)?;
    context.register_table("objections", Arc::new(table)).map_err(failed)?;
    Ok(())
}

/// The rows of these files, as far as they exist.
pub(super) fn table_of(
    vocabulary: &Vocabulary,
    files: &[PathBuf],
) -> Result<Arc<dyn TableProvider>, EngineError> {
    // Views of text spare the engine a copy of every value.
    let fields = schema(vocabulary);
    let fields = fields.fields().iter().map(|field| {
        let is_text = *field.data_type() == DataType::Utf8;
        let kind = if is_text { DataType::Utf8View } else { field.data_type().clone() };
        Field::new(field.name(), kind, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let files: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(schema)));
    }
    let urls = files.into_iter().map(|file| url_of(file)).collect::<Result<Vec<_>, _>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    Ok(Arc::new(ListingTable::try_new(config.with_schema(schema)).map_err(failed)?))
}

/// Why: a path as it is would be read as a pattern where it holds `*`, `?` or `[`.
fn url_of(file: &Path) -> Result<ListingTableUrl, EngineError> {
    let file = file.canonicalize().map_err(failed)?;
    let mut url = String::from("file://");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                url.push(char::from(*byte))
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    ListingTableUrl::parse(url).map_err(failed)
}

/// What a file says of itself.
pub(super) fn metadata_of(file: &Path) -> Result<ParquetMetaData, EngineError> {
    let reader = SerializedFileReader::new(File::open(file).map_err(failed)?).map_err(failed)?;
    Ok(reader.metadata().clone())
}

/// What is true of every row of these files.
fn facts_of(files: &[PathBuf]) -> Result<Facts, EngineError> {
    let mut facts = Facts::default();
    let (mut may_be_null, mut may_be_any) = (BTreeSet::new(), BTreeSet::new());
    for file in files.iter().filter(|file| file.exists()) {
        for column in metadata_of(file)?.row_groups().iter().flat_map(RowGroupMetaData::columns) {
            let name = column.column_path().string();
            facts.never_null.insert(name.clone());
            if column.statistics().and_then(Statistics::null_count_opt) != Some(0) {
                may_be_null.insert(name.clone());
            }
            // Days are whole numbers since 1970. Other whole numbers nobody asks for here.
            let days = column.statistics().and_then(|statistics| {
                let Statistics::Int32(days) = statistics else { return None };
                days.min_opt().zip(days.max_opt())
            });
            let Some((first, last)) = days else {
                may_be_any.insert(name);
                continue;
            };
            let (first, last) = (Day(i64::from(*first)), Day(i64::from(*last)));
            let known = facts.days.entry(name).or_insert((first, last));
            *known = (known.0.min(first), known.1.max(last));
        }
    }
    facts.never_null.retain(|name| !may_be_null.contains(name));
    facts.days.retain(|name, _| !may_be_any.contains(name));
    Ok(facts)
}

/// Columns of which some row of these files has a value, by the files' own statistics.
fn columns_with_values(vocabulary: &Vocabulary, files: &[PathBuf]) -> Result<BTreeSet<String>, EngineError> {
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| file.exists()) {
        for group in metadata_of(file)?.row_groups() {
            for column in group.columns() {
                let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
                if nulls.is_none_or(|nulls| i64::try_from(nulls) != Ok(group.num_rows())) {
                    found.insert(column.column_path().string());
                }
            }
        }
    }
    found.retain(|name| vocabulary.column(name).is_some());
    Ok(found)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
