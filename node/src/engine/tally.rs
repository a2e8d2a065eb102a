//! The exact Tally: one vector of integers a unit, clipped and rounded, summed over cells.

use datacoop_policy::MemberId;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Kind, Unit};
use datafusion::arrow::array::{Array, ArrayRef, Float64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;

use super::view::{Sources, rows_of};
use super::{EngineError, failed};

/// The exact Tally of our rows: one integer a cell, in grid steps. No table gives zeros, because a
/// member without such people must not be told apart.
pub async fn tabulate(
    sources: &Sources,
    question: &BoundQuestion,
    me: &MemberId,
) -> Result<Vec<i64>, EngineError> {
    let mut tally = vec![0i64; question.cells()];
    let Some(context) = rows_of(sources, question)? else { return Ok(tally) };
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

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
