//! The same answers with and without runs, of rows in any order.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int8Array, StringViewArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::engine::view::{MEMORY_BYTES_MAX, context};

const SQL: &str = "SELECT who, SUM(CAST(n AS DOUBLE)) AS s, COUNT(*) AS c, MIN(n) AS low, MAX(n) AS high, \
     AVG(CAST(n AS DOUBLE)) AS mean, COUNT(DISTINCT n) AS d, SUM(n) FILTER (WHERE n > 1) AS some, \
     BOOL_OR(n = 3) AS three, SUM(CAST(m AS DOUBLE)) AS whole, SUM(CAST(m AS DOUBLE)) FILTER (WHERE m > 2) AS part \
     FROM t GROUP BY who ORDER BY who NULLS LAST";

/// Rows of 40 people and of nobody, a third of them without a number; `stride` 1 has them in order.
fn batches(stride: usize) -> Vec<Vec<RecordBatch>> {
    let rows: Vec<(Option<String>, Option<i8>)> = (0..4_100usize)
        .map(|at| {
            let row = at * stride % 4_100;
            let person = row / 100;
            let number = i8::try_from(row * 7 % 11).unwrap();
            // Some names are too long to lie in the view itself.
            let name = if person.is_multiple_of(2) {
                format!("{person:03}")
            } else {
                format!("pupil-number-{person:03}")
            };
            ((person < 40).then_some(name), (!row.is_multiple_of(3)).then_some(number))
        })
        .collect();
    let batch = |rows: &[(Option<String>, Option<i8>)]| {
        let who = StringViewArray::from_iter(rows.iter().map(|(who, _)| who.as_deref()));
        let n: Int8Array = rows.iter().map(|(_, n)| *n).collect();
        let m: Int8Array = rows.iter().map(|(_, n)| Some(n.unwrap_or(5))).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("who", Arc::new(who) as ArrayRef, true),
            ("n", Arc::new(n) as ArrayRef, true),
            ("m", Arc::new(m) as ArrayRef, true),
        ])
        .unwrap()
    };
    // Runs end at a batch's end and go on in the next, also of the other part.
    let (left, right) = rows.split_at(2_050);
    [left, right].map(|rows| rows.chunks(130).map(batch).collect()).to_vec()
}

async fn answer(context: &SessionContext, stride: usize) -> (String, String) {
    let batches = batches(stride);
    let table = MemTable::try_new(batches[0][0].schema(), batches).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    let frame = context.sql(SQL).await.unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    let plan = displayable(plan.as_ref()).indent(false).to_string();
    let rows = frame.collect().await.unwrap();
    let rows = concat_batches(&rows[0].schema(), &rows).unwrap();
    (pretty_format_batches(&[rows]).unwrap().to_string(), plan)
}

#[tokio::test]
async fn runs_change_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    // 1 has runs as long as can be, 1001 none at all.
    for stride in [1, 7, 1001] {
        let ours = context(folder.path(), 2, MEMORY_BYTES_MAX).unwrap();
        let theirs = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let ((found, plan), (expected, plain)) = (answer(&ours, stride).await, answer(&theirs, stride).await);
        assert!(plan.contains("RunsExec") && !plain.contains("RunsExec"), "{plan}");
        assert_eq!(found, expected, "stride {stride}");
        assert_eq!(found.lines().count(), 41 + 4, "40 people, and rows of nobody");
    }
}
