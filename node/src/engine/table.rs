//! Writes Parquet tables that appear whole or not at all.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::vocabulary::{Kind, Vocabulary};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;

use crate::folder::sync_dir;
use crate::import::{Cell, ImportError, kept_columns};

/// Rows of one Parquet batch while importing.
const BATCH_ROWS: usize = 8_192;

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
