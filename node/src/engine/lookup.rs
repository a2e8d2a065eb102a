//! Values of one snapshot that give another file's rows their meaning. Only for import, on this
//! computer: what is looked up never leaves the process.

use std::path::Path;

use datacoop_policy::vocabulary::Vocabulary;
use datafusion::arrow::array::{Array as _, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use futures::StreamExt as _;

use super::merge::{block_on, parts_of};
use super::view::{MEMORY_BYTES_MAX, context, cores, table_of};
use super::{EngineError, failed};

/// Rows of one look-up: people, or activities; more than any member has.
const ROWS_MAX: usize = 2_000_000;

/// Answers SQL of our own over one snapshot, which is called `t`: each value as text.
///
/// Errors: more than two million rows, or the machine failed.
pub fn lookup(
    folder: &Path,
    vocabulary: &Vocabulary,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, EngineError> {
    let files: Vec<_> = parts_of(folder)?.into_iter().map(|part| folder.join(part)).collect();
    block_on(async {
        let context = context(folder.parent().unwrap_or(folder), cores(), MEMORY_BYTES_MAX)?;
        context.register_table("t", table_of(vocabulary, &files)?).map_err(failed)?;
        let mut batches = context.sql(sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let mut rows = vec![];
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failed)?;
            let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
            let columns: Vec<_> = columns.collect::<Result<_, _>>().map_err(failed)?;
            let texts: Vec<&StringArray> =
                columns.iter().filter_map(|column| column.as_any().downcast_ref()).collect();
            if rows.len() + batch.num_rows() > ROWS_MAX {
                return Err(failed(format!("a table here has more than {ROWS_MAX} people")));
            }
            for at in 0..batch.num_rows() {
                let value = |text: &&StringArray| (!text.is_null(at)).then(|| text.value(at).to_owned());
                rows.push(texts.iter().map(value).collect());
            }
        }
        Ok(rows)
    })
}
