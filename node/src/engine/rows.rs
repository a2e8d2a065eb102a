//! Reads the rows of a Parquet file that somebody else wrote, as text.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{EngineError, failed};

/// Rows held at a time: a file of any length is read in the memory of one such batch.
const BATCH_ROWS: usize = 4_096;
/// Most columns of a file: a wide register of a year has 380.
const COLUMNS_MAX: usize = 2_000;

/// Rows as text, one after the other.
pub type TextRows = Box<dyn Iterator<Item = Result<Vec<String>, EngineError>>>;

/// The columns of a Parquet file and its rows as text, empty where there is none: days as 2025-12-31,
/// whole numbers without decimals. Columns of lists and structures, of which no value is one, stay empty.
///
/// Errors: it is no Parquet file, or damaged.
pub fn parquet_rows(path: &Path) -> Result<(Vec<String>, TextRows), EngineError> {
    let file = File::open(path).map_err(failed)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    if names.len() > COLUMNS_MAX {
        return Err(failed(format!("{} columns; at most {COLUMNS_MAX}", names.len())));
    }
    let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(failed)?;
    let rows = batches.flat_map(|batch| match batch.map_err(failed).and_then(|batch| text_of(&batch)) {
        Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    });
    Ok((names, Box::new(rows)))
}

fn text_of(batch: &RecordBatch) -> Result<Vec<Vec<String>>, EngineError> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    let options = FormatOptions::default();
    for column in batch.columns() {
        let kind = column.data_type();
        let kind = if let DataType::Dictionary(_, values) = kind { values } else { kind };
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options).map_err(failed)?;
        for (at, row) in rows.iter_mut().enumerate() {
            let empty = column.is_null(at) || kind.is_nested();
            let text =
                if empty { String::new() } else { formatter.value(at).try_to_string().map_err(failed)? };
            // A whole number that is held with decimals, as programs do where some rows have none.
            let whole = text.strip_suffix(".0").filter(|_| kind.is_floating()).map(str::to_owned);
            row.push(whole.unwrap_or(text));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{
        ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, ListArray,
        StringArray, TimestampMicrosecondArray,
    };
    use datafusion::arrow::datatypes::{Int32Type, Int64Type};
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::basic::Compression;
    use datafusion::parquet::file::properties::WriterProperties;
    use std::sync::Arc;

    #[test]
    fn values_of_every_type_come_as_text() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)]), None]);
        let codes: DictionaryArray<Int32Type> = [Some("/"), Some("\\")].into_iter().collect();
        let columns: [(&str, ArrayRef); 8] = [
            ("id", Arc::new(StringArray::from(vec![Some("a,b"), None]))),
            ("day", Arc::new(Date32Array::from(vec![20_430, 20_431]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_765_152_000_000_000, 0]))),
            ("n", Arc::new(Int64Array::from(vec![Some(-4), None]))),
            ("x", Arc::new(Float64Array::from(vec![7.0, 1.25]))),
            ("truth", Arc::new(BooleanArray::from(vec![true, false]))),
            ("code", Arc::new(codes)),
            ("list", Arc::new(lists)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.parquet");
        for compression in [Compression::SNAPPY, Compression::UNCOMPRESSED] {
            let properties = WriterProperties::builder().set_compression(compression).build();
            let file = File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let (names, rows) = parquet_rows(&path).unwrap();
            let rows: Vec<String> = rows.map(|row| row.unwrap().join("|")).collect();
            assert_eq!(names.join(" "), "id day at n x truth code list");
            assert_eq!(rows[0], "a,b|2025-12-08|2025-12-08T00:00:00|-4|7|true|/|");
            assert_eq!(rows[1], "|2025-12-09|1970-01-01T00:00:00||1.25|false|\\|");
        }
        std::fs::write(&path, b"PAR1 and not more").unwrap();
        assert!(parquet_rows(&path).is_err());
    }
}
