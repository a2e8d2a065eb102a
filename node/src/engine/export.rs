//! A table of texts and numbers as a Parquet file, for programs of others.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;

use super::table::properties;
use super::{EngineError, failed};

/// The file's bytes: columns in this order, of which those in `numbers` hold doubles, empty where a text is none.
/// A double keeps every digit of a decimal of up to 15.
///
/// Errors: a row has more or fewer fields than there are columns.
pub fn parquet_of(
    columns: &[&str],
    numbers: &Range<usize>,
    rows: &[Vec<String>],
) -> Result<Vec<u8>, EngineError> {
    if rows.iter().any(|row| row.len() != columns.len()) {
        return Err(failed("a row has more or fewer fields than there are columns"));
    }
    let column = |at: usize| {
        let texts = rows.iter().map(|row| row[at].as_str());
        let array: ArrayRef = match numbers.contains(&at) {
            true => Arc::new(texts.map(|text| text.parse::<f64>().ok()).collect::<Float64Array>()),
            false => Arc::new(texts.map(Some).collect::<StringArray>()),
        };
        (columns[at], array, numbers.contains(&at))
    };
    let batch = RecordBatch::try_from_iter_with_nullable((0..columns.len()).map(column)).map_err(failed)?;
    let mut bytes = vec![];
    let properties = properties().build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::parquet_rows;

    #[test]
    fn a_file_holds_what_was_put_in() {
        let rows: Vec<Vec<String>> = [["a", "21.58", "x"], ["b", "", ""], ["c", "-0.4", "=1"]]
            .map(|row| row.map(String::from).to_vec())
            .to_vec();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        std::fs::write(&path, parquet_of(&["group", "estimate", "note"], &(1..2), &rows).unwrap()).unwrap();
        let (header, read) = parquet_rows(&path).unwrap();
        assert_eq!(header, ["group", "estimate", "note"]);
        assert_eq!(read.map(Result::unwrap).collect::<Vec<_>>(), rows);
        std::fs::write(&path, parquet_of(&["group"], &(1..1), &[]).unwrap()).unwrap();
        assert_eq!(parquet_rows(&path).unwrap().1.count(), 0, "none is a table too");
        assert!(parquet_of(&["group"], &(0..0), &rows).is_err());
    }
}
