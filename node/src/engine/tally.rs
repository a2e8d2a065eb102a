//! The exact Tally: one vector of integers a unit, clipped and rounded, summed over cells.

use datacoop_policy::MemberId;
use datacoop_policy::question::{BoundQuestion, UnitSql};
use datafusion::arrow::array::{Array, ArrayRef, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;

use super::view::{Sources, View, plan_without_table, view_of};
use super::{EngineError, failed};

/// The exact Tally of our rows: one integer a cell, in grid steps. No table gives zeros, because a
/// member without such people must not be told apart.
pub async fn tabulate(
    sources: &Sources,
    question: &BoundQuestion,
    me: &MemberId,
) -> Result<Vec<i64>, EngineError> {
    match view_of(sources, question).await? {
        Some(view) => add_up(&view, question, me).await,
        None => {
            plan_without_table(question.question().vocabulary(), &question.unit_sql().text).await?;
            Ok(vec![0; question.cells()])
        }
    }
}

/// The Tally of these rows.
pub(super) async fn add_up(
    view: &View,
    question: &BoundQuestion,
    me: &MemberId,
) -> Result<Vec<i64>, EngineError> {
    let mut tally = vec![0i64; question.cells()];
    for_each_unit(view, question, me, &question.unit_sql(), &mut |_, vectors| {
        for (group, steps) in vectors {
            for (cell, step) in tally[group * steps.len()..].iter_mut().zip(steps) {
                *cell = cell.checked_add(*step).ok_or_else(|| failed("a sum does not fit 64 bits"))?;
            }
        }
        Ok(())
    })
    .await?;
    Ok(tally)
}

/// Takes what a unit of ours adds to a group: the group's index, one number a measure in grid steps.
pub type Take<'a> = &'a mut (dyn FnMut(usize, &[i64]) + Send);

/// Hands over what each unit of ours adds to each of its groups: for its owner's eyes.
pub async fn each_unit(
    sources: &Sources,
    question: &BoundQuestion,
    me: &MemberId,
    take: Take<'_>,
) -> Result<(), EngineError> {
    let Some(view) = view_of(sources, question).await? else { return Ok(()) };
    for_each_unit(&view, question, me, &question.unit_sql(), &mut |_, vectors| {
        vectors.iter().for_each(|(group, steps)| take(*group, steps));
        Ok(())
    })
    .await
}

/// What a unit adds to its groups, in grid steps.
pub(super) type Vectors = [(usize, Vec<i64>)];

/// Takes what a unit adds, with its id where the SQL names it.
type Each<'a> = &'a mut (dyn FnMut(Option<&str>, &Vectors) -> Result<(), EngineError> + Send);

/// Hands over what each unit adds. Without ids a unit of several groups, all of which count, comes in
/// as many parts.
pub(super) async fn for_each_unit(
    view: &View,
    question: &BoundQuestion,
    me: &MemberId,
    sql: &UnitSql,
    each: Each<'_>,
) -> Result<(), EngineError> {
    let mut units = Units { question, me, each, unit: None, vectors: vec![] };
    let frame = view.sql(&sql.text).await?;
    let mut batches = frame.execute_stream().await.map_err(failed)?;
    while let Some(batch) = futures::StreamExt::next(&mut batches).await {
        units.add(&batch.map_err(failed)?, sql.has_unit)?;
    }
    units.close()
}

/// Puts rows together to units.
struct Units<'a> {
    question: &'a BoundQuestion,
    me: &'a MemberId,
    each: Each<'a>,
    /// The unit whose rows are coming in, where the SQL names it, and its vectors by group so far.
    unit: Option<String>,
    vectors: Vec<(usize, Vec<i64>)>,
}

impl Units<'_> {
    /// Adds rows of [`BoundQuestion::unit_sql`].
    fn add(&mut self, batch: &RecordBatch, has_unit: bool) -> Result<(), EngineError> {
        let question = self.question;
        let columns = question.groupings().iter().filter(|by| !by.is_member_fact()).count();
        let first = usize::from(has_unit);
        let texts = (0..first + columns)
            .map(|i| cast(batch.column(i), &DataType::Utf8).map_err(failed))
            .collect::<Result<Vec<ArrayRef>, _>>()?;
        let texts: Vec<&StringArray> =
            texts.iter().filter_map(|array| array.as_any().downcast_ref()).collect();
        let numbers: Vec<&Float64Array> = (first + columns..batch.num_columns())
            .filter_map(|i| batch.column(i).as_any().downcast_ref())
            .collect();
        if texts.len() != first + columns || numbers.len() != question.measures().len() {
            return Err(failed("the engine gave other columns than were asked for"));
        }
        for row in 0..batch.num_rows() {
            if !has_unit {
                self.close()?;
            } else if self.unit.as_deref() != Some(texts[0].value(row)) {
                self.close()?;
                self.unit = Some(texts[0].value(row).to_owned());
            }
            let Some(group) = group_of(question, self.me, &texts[first..], row) else { continue };
            let Some(steps) = steps_of(question, &numbers, row) else { continue };
            self.vectors.push((group, steps));
        }
        Ok(())
    }

    /// Ends a unit. Of one in more groups than may count, the first in cell order stay.
    fn close(&mut self) -> Result<(), EngineError> {
        if self.vectors.is_empty() {
            return Ok(());
        }
        self.vectors.sort_by_key(|(group, _)| *group);
        self.vectors.truncate(self.question.cells_per_unit());
        (self.each)(self.unit.as_deref(), &self.vectors)?;
        self.vectors.clear();
        Ok(())
    }
}

/// Index of a unit's group, row-major; `None` when a value is not in its closed list.
fn group_of(question: &BoundQuestion, me: &MemberId, texts: &[&StringArray], row: usize) -> Option<usize> {
    let mut texts = texts.iter();
    let mut index = 0;
    for by in question.groupings() {
        let value = if by.is_member_fact() {
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

#[cfg(test)]
#[path = "forms_tests.rs"]
mod forms_tests;
#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
