//! Writes one snapshot of a table: a folder with a Parquet file for each academic year, that appears
//! whole or not at all. Must not know what columns mean.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::vocabulary::{Column, Kind, Vocabulary};
use datacoop_policy::{AcademicYear, Day};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int8Builder, Int64Builder, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::UNFINISHED;
use crate::folder::{make_dir, sync_dir};
use crate::import::{Cell, ImportError, kept_columns};

/// Rows of one Parquet batch while importing.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group: what a writer holds in memory, and what a reader can skip or hand to a core.
const GROUP_ROWS: usize = 128 * 1024;
/// Academic years of one table: each is an open file. A life has fewer; more are mistyped dates.
const YEARS_MAX: usize = 130;

/// One file of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    /// Every row of a vocabulary without a date column.
    All,
    /// Rows without a date: they count in no period.
    Undated,
    /// Rows of one academic year.
    Year(AcademicYear),
}

impl Part {
    /// Such as `2025-26.parquet`.
    pub(super) fn file_name(self) -> String {
        match self {
            Self::All => "all.parquet".into(),
            Self::Undated => "undated.parquet".into(),
            Self::Year(year) => format!("{}.parquet", year.to_string().replace('/', "-")),
        }
    }
}

enum Builder {
    Text(StringBuilder),
    Number(Float64Builder),
    Small(Int8Builder),
    Integer(Int64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
}

impl Builder {
    fn new(column: &Column) -> Self {
        match column.kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Number => Self::Number(Float64Builder::new()),
            Kind::Integer if is_small(column) => Self::Small(Int8Builder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
        }
    }

    fn push(&mut self, cell: &Cell) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            // What is no number has no place in an order of numbers.
            (Self::Number(builder), Cell::Number(number)) => {
                builder.append_option(Some(*number).filter(|number| number.is_finite()));
            }
            (Self::Small(builder), Cell::Integer(number)) => {
                builder.append_option(i8::try_from(*number).ok());
            }
            (Self::Integer(builder), Cell::Integer(number)) => builder.append_value(*number),
            (Self::Bool(builder), Cell::Bool(truth)) => builder.append_value(*truth),
            (Self::Date(builder), Cell::Date(day)) => builder.append_value(*day),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Number(builder), _) => builder.append_null(),
            (Self::Small(builder), _) => builder.append_null(),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Date(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Small(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Whether its bounds fit a byte, as those of a 0 or 1 do: eight times fewer bytes to add up.
fn is_small(column: &Column) -> bool {
    let fits = |bound: Option<i64>| bound.is_some_and(|bound| i8::try_from(bound).is_ok());
    fits(column.low) && fits(column.high)
}

fn data_type(column: &Column) -> DataType {
    match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::Number => DataType::Float64,
        Kind::Integer if is_small(column) => DataType::Int8,
        Kind::Integer => DataType::Int64,
        Kind::Bool => DataType::Boolean,
        Kind::Date => DataType::Date32,
    }
}

/// What the files of a vocabulary's table hold.
pub(super) fn schema(vocabulary: &Vocabulary) -> SchemaRef {
    let columns = kept_columns(vocabulary).into_iter();
    let fields: Vec<Field> =
        columns.map(|column| Field::new(&column.name, data_type(column), true)).collect();
    Arc::new(Schema::new(fields))
}

/// How table files are written.
pub(super) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
}

/// A new file for its owner's eyes only.
pub(super) fn create_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}

/// Where a table is written before it is one.
pub(super) fn unfinished_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    folder.with_file_name(name)
}

/// One file being written.
struct PartWriter {
    builders: Vec<Builder>,
    rows: usize,
    writer: ArrowWriter<File>,
}

impl PartWriter {
    fn flush(&mut self, schema: &SchemaRef) -> Result<(), String> {
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        self.rows = 0;
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|error| error.to_string())?;
        self.writer.write(&batch).map_err(|error| error.to_string())
    }
}

/// Writes one snapshot: rows in, a folder that appears whole or not at all. Dropped before its end, it
/// leaves nothing.
pub struct TableWriter {
    folder: PathBuf,
    temporary: PathBuf,
    schema: SchemaRef,
    columns: Vec<Column>,
    date: Option<usize>,
    parts: BTreeMap<Part, PartWriter>,
    done: bool,
}

impl TableWriter {
    /// Begins a snapshot in this folder. Errors: there is one already, or the disk says no.
    pub fn create(folder: &Path, vocabulary: &Vocabulary) -> Result<Self, ImportError> {
        let wrong = |error: &dyn fmt::Display| ImportError(format!("{}: {error}", folder.display()));
        if folder.exists() {
            return Err(wrong(&"there is a table already; write the next snapshot"));
        }
        let temporary = unfinished_path(folder);
        if temporary.exists() {
            // Crash here: what an import left that never ended.
            fs::remove_dir_all(&temporary).map_err(|error| wrong(&error))?;
        }
        make_dir(&temporary).map_err(|error| wrong(&error))?;
        let columns: Vec<Column> = kept_columns(vocabulary).into_iter().cloned().collect();
        let date = vocabulary.date_column().map(|date| date.name.as_str());
        let mut writer = Self {
            folder: folder.to_owned(),
            temporary,
            schema: schema(vocabulary),
            date: columns.iter().position(|column| Some(column.name.as_str()) == date),
            columns,
            parts: BTreeMap::new(),
            done: false,
        };
        if writer.date.is_none() {
            writer.open(Part::All)?;
        }
        Ok(writer)
    }

    /// Adds a row, one cell for each kept column in order; columns beyond its end stay empty.
    pub fn push(&mut self, row: &[Cell]) -> Result<(), ImportError> {
        let part = match self.date.map(|at| row.get(at)) {
            None => Part::All,
            Some(Some(Cell::Date(day))) => Part::Year(Day(i64::from(*day)).academic_year()),
            Some(_) => Part::Undated,
        };
        if !self.parts.contains_key(&part) {
            self.open(part)?;
        }
        let writer = self.parts.get_mut(&part).expect("INVARIANT: it was just opened");
        for (at, builder) in writer.builders.iter_mut().enumerate() {
            builder.push(row.get(at).unwrap_or(&Cell::Null));
        }
        writer.rows += 1;
        if writer.rows < BATCH_ROWS {
            return Ok(());
        }
        let flushed = writer.flush(&self.schema);
        flushed.map_err(|error| self.wrong(error))
    }

    fn open(&mut self, part: Part) -> Result<(), ImportError> {
        if self.parts.len() == YEARS_MAX {
            return Err(self.wrong(format!("dates of more than {YEARS_MAX} academic years; check them")));
        }
        let path = self.temporary.join(part.file_name());
        let file = create_file(&path).map_err(|error| self.wrong(error))?;
        let writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties().build()))
            .map_err(|error| self.wrong(error))?;
        let builders = self.columns.iter().map(Builder::new).collect();
        self.parts.insert(part, PartWriter { builders, rows: 0, writer });
        Ok(())
    }

    fn wrong(&self, error: impl fmt::Display) -> ImportError {
        ImportError(format!("{}: {error}", self.folder.display()))
    }

    /// Ends the table: every file synced, then the folder renamed into place.
    pub fn finish(mut self) -> Result<(), ImportError> {
        for (_, mut part) in std::mem::take(&mut self.parts) {
            part.flush(&self.schema).map_err(|error| self.wrong(error))?;
            let file = part.writer.into_inner().map_err(|error| self.wrong(error))?;
            file.sync_all().map_err(|error| self.wrong(error))?;
        }
        appear(&self.temporary, &self.folder).map_err(|error| self.wrong(error))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if !self.done {
            // Why it was not finished matters more than a failure to tidy up: the next start does.
            fs::remove_dir_all(&self.temporary).ok();
        }
    }
}

/// Makes a finished folder, whose files are synced, a snapshot.
pub(super) fn appear(temporary: &Path, folder: &Path) -> Result<(), crate::folder::StoreError> {
    sync_dir(temporary)?;
    // Crash here: an unfinished folder, removed at the next start. After it: a whole table.
    fs::rename(temporary, folder).map_err(crate::folder::at(folder))?;
    sync_dir(folder.parent().unwrap_or(Path::new(".")))
}
