//! Neighbouring rows of the same person are added up before the person is looked up. Files lie in the
//! order of persons, so there is one look-up for a person's year, not one for each row. Must not change
//! any answer, whatever the order of the rows.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, RecordBatchOptions, StringViewArray,
};
use datafusion::arrow::compute::partition;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt as _;

/// Lets every first step of an aggregation by one column go by runs of equal values.
#[derive(Debug)]
pub(super) struct AddUpRuns;

impl PhysicalOptimizerRule for AddUpRuns {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = plan.transform_up(|node| {
            let Some(partial) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            if !can_go_by_runs(partial) {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(RunsExec { partial: partial.clone() }) as Arc<dyn ExecutionPlan>))
        });
        replaced.data()
    }

    fn name(&self) -> &str {
        "AddUpRuns"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The second step takes a group in any number of parts; the first may give it so. By two columns runs
/// are too short to help.
fn can_go_by_runs(aggregate: &AggregateExec) -> bool {
    let by = aggregate.group_expr();
    let unordered = aggregate
        .aggr_expr()
        .iter()
        .all(|call| call.groups_accumulator_supported() && call.order_bys().is_empty());
    *aggregate.mode() == AggregateMode::Partial
        && by.is_single()
        && by.num_group_exprs() == 1
        && aggregate.limit_options().is_none()
        && unordered
}

/// Stands for the first step of an aggregation: one row for each run of rows of the same group.
#[derive(Debug)]
struct RunsExec {
    partial: AggregateExec,
}

impl DisplayAs for RunsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunsExec")
    }
}

impl ExecutionPlan for RunsExec {
    fn name(&self) -> &'static str {
        "RunsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.partial.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![self.partial.input()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.partial.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("RunsExec has one input");
        };
        let old = &self.partial;
        let partial = AggregateExec::try_new(
            AggregateMode::Partial,
            old.group_expr().clone(),
            old.aggr_expr().to_vec(),
            old.filter_expr().to_vec(),
            input,
            old.input_schema(),
        )?;
        Ok(Arc::new(Self { partial }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batches = self.partial.input().execute(partition, context)?;
        let mut runs = Runs::new(&self.partial)?;
        let added = batches.map(move |batch| runs.add_up(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), added)))
    }
}

/// Adds up one batch after the other.
struct Runs {
    partial: AggregateExec,
    sums: Vec<Box<dyn GroupsAccumulator>>,
    /// Of each row of a batch, which run it is in.
    run_of: Vec<usize>,
}

impl Runs {
    fn new(partial: &AggregateExec) -> Result<Self> {
        let sums = partial.aggr_expr().iter().map(|call| call.create_groups_accumulator());
        Ok(Self { partial: partial.clone(), sums: sums.collect::<Result<_>>()?, run_of: vec![] })
    }

    /// One row for each run, as the second step takes it.
    fn add_up(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(self.partial.schema()));
        }
        let values = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        let group = values(&self.partial.group_expr().expr()[0].0)?;
        let runs = runs_of(&group)?;
        self.run_of.clear();
        let firsts = runs.iter().map(|rows| rows.start as u64);
        let firsts = datafusion::arrow::array::UInt64Array::from_iter_values(firsts);
        let mut columns = vec![datafusion::arrow::compute::take(&group, &firsts, None)?];
        let calls = self.partial.aggr_expr().iter().zip(self.partial.filter_expr());
        for ((call, filter), sum) in calls.zip(&mut self.sums) {
            let inputs: Vec<ArrayRef> = call.expressions().iter().map(values).collect::<Result<_>>()?;
            let filter = filter.as_ref().map(values).transpose()?;
            let filter = filter.as_ref().map(|truths| as_boolean_array(truths)).transpose()?;
            if let Some(whole) = whole_sums(call, &inputs, filter, &runs) {
                columns.push(whole);
                continue;
            }
            if self.run_of.is_empty() {
                for (run, rows) in runs.iter().enumerate() {
                    self.run_of.resize(rows.end, run);
                }
            }
            sum.update_batch(&inputs, &self.run_of, filter, runs.len())?;
            columns.extend(sum.state(EmitTo::All)?);
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(runs.len()));
        Ok(RecordBatch::try_new_with_options(self.partial.schema(), columns, &rows)?)
    }
}

/// Runs of neighbouring equal values.
///
/// Why not arrow's `partition` for texts: it compares the bytes of every two neighbours, and that was a fifth
/// of a tally. Short texts lie in their views, and of equal long ones most views point to the same bytes.
fn runs_of(group: &ArrayRef) -> Result<Vec<Range<usize>>> {
    let texts = group.as_any().downcast_ref::<StringViewArray>().filter(|texts| texts.null_count() == 0);
    let Some(texts) = texts else {
        return Ok(partition(std::slice::from_ref(group))?.ranges());
    };
    let views = texts.views();
    let (mut runs, mut start) = (vec![], 0);
    for row in 1..views.len() {
        if views[row] != views[row - 1] && texts.value(row) != texts.value(row - 1) {
            runs.push(start..row);
            start = row;
        }
    }
    runs.push(start..views.len());
    Ok(runs)
}

/// What `SUM` comes to in each run, as its own accumulator would say it: the sum is all the state it has.
/// `None` where it is anything else, or some row has no number.
///
/// Why: most of a tally is such sums, and a run is a slice that a processor adds up in a breath, while
/// an accumulator looks up each row's group.
fn whole_sums(
    call: &AggregateFunctionExpr,
    inputs: &[ArrayRef],
    filter: Option<&BooleanArray>,
    runs: &[Range<usize>],
) -> Option<ArrayRef> {
    let [input] = inputs else { return None };
    let plain = call.fun().name() == "sum" && !call.is_distinct() && filter.is_none();
    if !plain || input.null_count() > 0 {
        return None;
    }
    // From zero on and in the order of the rows, as the accumulator adds: the same to the last bit.
    let sum = |numbers: &Float64Array, rows: &Range<usize>| {
        numbers.values()[rows.clone()].iter().fold(0.0, |sum, number| sum + number)
    };
    let numbers = input.as_any().downcast_ref::<Float64Array>()?;
    Some(Arc::new(Float64Array::from_iter_values(runs.iter().map(|rows| sum(numbers, rows)))))
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
