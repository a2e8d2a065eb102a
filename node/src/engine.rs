//! The local engine: Parquet tables in, exact Tallies out. Alone imports datafusion. Must not know
//! the network; no text of an asker reaches it, only SQL rendered from our own tree.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::MemberId;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Kind, Unit, Vocabulary};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanBuilder, Date32Builder, Float64Array, Float64Builder, Int64Builder, StringArray,
    StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use crate::folder::sync_dir;
use crate::import::{Cell, ImportError, kept_columns};

/// Memory the engine may take; beyond, it spills.
const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Rows of one Parquet batch while importing.
const BATCH_ROWS: usize = 8_192;

/// The engine failed. Its text may speak of data, so it is for the person here, never for a log.
#[derive(Debug)]
pub struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn failed(error: impl fmt::Display) -> EngineError {
    EngineError(error.to_string())
}

/// Where a node keeps the tables of a vocabulary: `tables/<dataset>/<vocabulary>.<n>.parquet`.
pub fn table_path(tables: &Path, vocabulary: &Vocabulary, snapshot: u64) -> PathBuf {
    let name = vocabulary.name().replace('/', "-");
    tables.join(vocabulary.dataset()).join(format!("{name}.{snapshot:06}.parquet"))
}

/// The newest snapshot of a vocabulary's table, and its number.
pub fn newest_table(tables: &Path, vocabulary: &Vocabulary) -> Option<(u64, PathBuf)> {
    let first = table_path(tables, vocabulary, 0);
    let prefix = format!("{}.", vocabulary.name().replace('/', "-"));
    let files = fs::read_dir(first.parent()?).ok()?.flatten();
    let snapshots = files.filter_map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&prefix)?.strip_suffix(".parquet")?.parse().ok()?;
        Some((number, file.path()))
    });
    snapshots.max()
}

/// The exact Tally of our rows: one integer a cell, in grid steps. No table gives zeros, because a
/// member without such people must not be told apart.
pub async fn tabulate(
    table: Option<&Path>,
    question: &BoundQuestion,
    me: &MemberId,
) -> Result<Vec<i64>, EngineError> {
    let mut tally = vec![0i64; question.cells()];
    let Some(table) = table else { return Ok(tally) };
    let config = SessionConfig::new().with_target_partitions(2).with_information_schema(false);
    let pool = Arc::new(GreedyMemoryPool::new(MEMORY_BYTES_MAX));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().map_err(failed)?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let path = table.to_string_lossy().into_owned();
    context.register_parquet("rows", path, ParquetReadOptions::default()).await.map_err(failed)?;
    let frame = context.sql(&unit_sql(question)).await.map_err(failed)?;
    let mut batches = frame.execute_stream().await.map_err(failed)?;
    while let Some(batch) = futures::StreamExt::next(&mut batches).await {
        add_units(&batch.map_err(failed)?, question, me, &mut tally)?;
    }
    Ok(tally)
}

/// One row a unit: its groups as text, then its measures as floats.
///
/// A unit's groups are one value; where rows of a unit disagree the last in order counts, so a person
/// is in one cell.
fn unit_sql(question: &BoundQuestion) -> String {
    let vocabulary = question.question().vocabulary();
    let groups = question.groupings().iter().filter(|by| !by.is_member_fact).enumerate().map(|(i, by)| {
        let name = identifier(&by.name);
        let is_bool = vocabulary.column(&by.name).is_some_and(|column| column.kind == Kind::Bool);
        let text = match is_bool {
            true => format!("CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' END"),
            false => name,
        };
        match vocabulary.unit() {
            Unit::Row => format!("{text} AS g{i}"),
            Unit::Column(_) => format!("MAX({text}) AS g{i}"),
        }
    });
    let measures = question.measures_sql();
    let measures = measures.iter().enumerate().map(|(i, sql)| format!("CAST({sql} AS DOUBLE) AS m{i}"));
    let columns: Vec<String> = groups.chain(measures).collect();
    let (named, grouping) = match vocabulary.unit() {
        Unit::Row => (None, String::new()),
        // Rows of nobody would make one person of many, whom Delta does not bound.
        Unit::Column(unit) => {
            let unit = identifier(unit);
            (Some(format!("{unit} IS NOT NULL")), format!(" GROUP BY {unit}"))
        }
    };
    let conditions: Vec<String> = question.filter_sql().into_iter().chain(named).collect();
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    format!("SELECT {} FROM rows{filter}{grouping}", columns.join(", "))
}

fn add_units(
    batch: &RecordBatch,
    question: &BoundQuestion,
    me: &MemberId,
    tally: &mut [i64],
) -> Result<(), EngineError> {
    let groupings = question.groupings();
    let columns = groupings.iter().filter(|by| !by.is_member_fact).count();
    let texts = (0..columns)
        .map(|i| cast(batch.column(i), &DataType::Utf8).map_err(failed))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let texts: Vec<&StringArray> = texts.iter().filter_map(|array| array.as_any().downcast_ref()).collect();
    let numbers: Vec<&Float64Array> =
        (columns..batch.num_columns()).filter_map(|i| batch.column(i).as_any().downcast_ref()).collect();
    if texts.len() != columns || numbers.len() != question.measures().len() {
        return Err(failed("the engine gave other columns than were asked for"));
    }
    for row in 0..batch.num_rows() {
        let Some(group) = group_of(question, me, &texts, row) else { continue };
        let Some(steps) = steps_of(question, &numbers, row) else { continue };
        let start = group * steps.len();
        for (cell, step) in tally[start..].iter_mut().zip(steps) {
            *cell = cell.checked_add(step).ok_or_else(|| failed("a sum does not fit 64 bits"))?;
        }
    }
    Ok(())
}

/// Index of a unit's group, row-major; `None` when a value is not in its closed list.
fn group_of(question: &BoundQuestion, me: &MemberId, texts: &[&StringArray], row: usize) -> Option<usize> {
    let mut texts = texts.iter();
    let mut index = 0;
    for by in question.groupings() {
        let value = if by.is_member_fact {
            if question.has_fact(&by.name, me) { "yes" } else { "no" }
        } else {
            let column = texts.next()?;
            if column.is_null(row) {
                return None;
            }
            column.value(row)
        };
        index = index * by.cells.len() + by.cells.iter().position(|cell| cell == value)?;
    }
    Some(index)
}

/// A unit's measures: clamped, divided by the resolution, rounded half away from zero, cut to the
/// joint bound. `None` when one is missing, infinite or not a number: the unit is skipped.
#[expect(clippy::cast_possible_truncation, reason = "clamped to bounds far inside an i64")]
fn steps_of(question: &BoundQuestion, numbers: &[&Float64Array], row: usize) -> Option<Vec<i64>> {
    let mut steps = vec![];
    for (measure, column) in question.measures().iter().zip(numbers) {
        let value = Some(column.value(row)).filter(|value| !column.is_null(row) && value.is_finite())?;
        let scaled = value * measure.resolution.denominator as f64 / measure.resolution.numerator as f64;
        let clamped = scaled.clamp(measure.low_steps as f64, measure.high_steps as f64);
        steps.push(clamped.round() as i64);
    }
    if let Some((names, total)) = question.at_most() {
        let mut over = -total;
        let joint =
            || question.measures().iter().enumerate().filter(|(_, measure)| names.contains(&measure.name));
        over += joint().map(|(i, _)| steps[i]).sum::<i64>();
        for (i, _) in joint().collect::<Vec<_>>().into_iter().rev() {
            let cut = over.clamp(0, steps[i]);
            steps[i] -= cut;
            over -= cut;
        }
    }
    Some(steps)
}

enum Builder {
    Text(StringBuilder),
    Number(Float64Builder),
    Integer(Int64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
        }
    }

    fn push(&mut self, cell: &Cell) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Number(builder), Cell::Number(number)) => builder.append_value(*number),
            (Self::Integer(builder), Cell::Integer(number)) => builder.append_value(*number),
            (Self::Bool(builder), Cell::Bool(truth)) => builder.append_value(*truth),
            (Self::Date(builder), Cell::Date(day)) => builder.append_value(*day),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Number(builder), _) => builder.append_null(),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Date(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
        }
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Number => DataType::Float64,
        Kind::Integer => DataType::Int64,
        Kind::Bool => DataType::Boolean,
        Kind::Date => DataType::Date32,
    }
}

/// Writes one table: rows in, a Parquet file that appears whole or not at all.
pub struct TableWriter {
    path: PathBuf,
    temporary: PathBuf,
    schema: Arc<Schema>,
    builders: Vec<Builder>,
    rows: usize,
    writer: ArrowWriter<File>,
}

impl TableWriter {
    /// Begins a table at this path.
    pub fn create(path: &Path, vocabulary: &Vocabulary) -> Result<Self, ImportError> {
        let wrong = |error: &dyn fmt::Display| ImportError(format!("{}: {error}", path.display()));
        let columns = kept_columns(vocabulary);
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.name, data_type(column.kind), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let temporary = path.with_extension("tmp");
        if let Some(parent) = path.parent() {
            crate::folder::make_dir(parent).map_err(|error| wrong(&error))?;
        }
        // Rows: only their owner reads them.
        let options = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).clone();
        let file = options.open(&temporary).map_err(|error| wrong(&error))?;
        let writer = ArrowWriter::try_new(file, schema.clone(), None).map_err(|error| wrong(&error))?;
        let builders = columns.iter().map(|column| Builder::new(column.kind)).collect();
        Ok(Self { path: path.to_owned(), temporary, schema, builders, rows: 0, writer })
    }

    /// Adds a row, one cell for each kept column in order; columns beyond its end stay empty.
    pub fn push(&mut self, row: &[Cell]) -> Result<(), ImportError> {
        for (at, builder) in self.builders.iter_mut().enumerate() {
            builder.push(row.get(at).unwrap_or(&Cell::Null));
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn wrong(&self, error: impl fmt::Display) -> ImportError {
        ImportError(format!("{}: {error}", self.path.display()))
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        self.rows = 0;
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(|error| self.wrong(error))?;
        self.writer.write(&batch).map_err(|error| self.wrong(error))
    }

    /// Ends the table: synced, then renamed into place.
    pub fn finish(mut self) -> Result<(), ImportError> {
        self.flush()?;
        let path = self.path.clone();
        let wrong = |error: &dyn fmt::Display| ImportError(format!("{}: {error}", path.display()));
        let file = self.writer.into_inner().map_err(|error| wrong(&error))?;
        file.sync_all().and_then(|()| fs::rename(&self.temporary, &path)).map_err(|error| wrong(&error))?;
        sync_dir(path.parent().unwrap_or(Path::new("."))).map_err(|error| wrong(&error))
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
