//! Rows are added up for each person before they meet the person: the join is then over people, not
//! over rows. Must not change any answer.

use std::collections::{BTreeMap, BTreeSet};

use super::view::ROWS;
use datacoop_policy::Day;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, JoinType, Result, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder};

/// The two sides of the rows, and which column is whose.
pub(super) struct Split {
    /// The rows as the file has them, with the unit's column.
    pub(super) own: LogicalPlan,
    /// One row for each person who counts: rows of others go.
    pub(super) people: LogicalPlan,
    /// The column of `own` that names a person.
    pub(super) unit: String,
    /// The same of `people`.
    pub(super) person: String,
    /// Columns that `people` alone has values of: one value for each person.
    pub(super) only_people: BTreeSet<String>,
    /// Columns made of both sides.
    pub(super) both: BTreeSet<String>,
    /// What the files of `own` say of themselves.
    pub(super) facts: Facts,
}

/// What is true of every row, by the files' own statistics.
#[derive(Clone, Default, Debug)]
pub(super) struct Facts {
    /// Columns without an empty value.
    pub(super) never_null: BTreeSet<String>,
    /// First and last day of date columns.
    pub(super) days: BTreeMap<String, (Day, Day)>,
}

impl Facts {
    /// Whether every row is known to meet a condition. Asking each of 76 million took as long as adding
    /// them up.
    fn hold(&self, condition: &Expr) -> bool {
        let never_null = |expr: &Expr| {
            let column = expr.try_as_col().map(|column| column.name.clone());
            column.filter(|name| self.never_null.contains(name))
        };
        if let Expr::IsNotNull(value) = condition {
            return never_null(value).is_some();
        }
        let Expr::Between(between) = condition else { return false };
        let days = never_null(&between.expr).and_then(|name| self.days.get(&name));
        match (days, day_of(&between.low), day_of(&between.high)) {
            (Some((first, last)), Some(low), Some(high)) => {
                !between.negated && low <= *first && *last <= high
            }
            _ => false,
        }
    }
}

/// The day of `CAST('2025-12-01' AS DATE)`.
fn day_of(expr: &Expr) -> Option<Day> {
    let Expr::Cast(cast) = expr else { return None };
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = cast.expr.as_ref() else { return None };
    Day::parse(text)
}

#[derive(PartialEq, Eq)]
enum Side {
    Own,
    People,
    Both,
}

impl Split {
    fn side(&self, expr: &Expr) -> Side {
        let columns = expr.column_refs();
        let theirs = columns.iter().filter(|column| self.only_people.contains(&column.name)).count();
        if columns.iter().any(|column| self.both.contains(&column.name)) {
            return Side::Both;
        }
        match theirs {
            0 => Side::Own,
            all if all == columns.len() => Side::People,
            _ => Side::Both,
        }
    }
}

/// The same plan with each aggregation over joined rows moved below the join, where that can be done:
/// where it groups by the person, and no filter or sum mixes the sides.
pub(super) fn aggregate_before_join(plan: LogicalPlan, split: &Split) -> Result<LogicalPlan> {
    let moved = plan.transform_up(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
        let moved = below_join(aggregate, split)?;
        Ok(moved.map_or_else(|| Transformed::no(node), Transformed::yes))
    })?;
    Ok(moved.data)
}

fn below_join(aggregate: &Aggregate, split: &Split) -> Result<Option<LogicalPlan>> {
    let Some(conditions) = conditions_on_rows(&aggregate.input) else { return Ok(None) };
    let unit = Expr::Column(Column::new(Some(ROWS), &split.unit));
    let own_only = |expr: &Expr| split.side(expr) == Side::Own && !matches!(expr, Expr::GroupingSet(_));
    if !aggregate.group_expr.contains(&unit) || !aggregate.group_expr.iter().all(own_only) {
        return Ok(None);
    }
    let mut own = LogicalPlanBuilder::from(split.own.clone()).alias(ROWS)?;
    let mut people = LogicalPlanBuilder::from(split.people.clone()).alias(ROWS)?;
    for condition in conditions {
        match split.side(&condition) {
            Side::Own if split.facts.hold(&condition) => {}
            Side::Own => own = own.filter(condition)?,
            Side::People => people = people.filter(condition)?,
            Side::Both => return Ok(None),
        }
    }
    // The columns above, in the old order and under the old names.
    let fields: Vec<(Option<_>, String)> = aggregate
        .schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()))
        .collect();
    let (mut sums, mut values, mut above) = (vec![], vec![], vec![]);
    let sums_from = aggregate.group_expr.len();
    for (at, (qualifier, name)) in fields.into_iter().enumerate() {
        let Some(expr) = at.checked_sub(sums_from).map(|sum| &aggregate.aggr_expr[sum]) else {
            above.push(Expr::Column(Column::new(qualifier, name)));
            continue;
        };
        match (split.side(expr), value_of(expr)) {
            (Side::Own, _) => {
                sums.push(expr.clone());
                above.push(Expr::Column(Column::new(qualifier, name)));
            }
            (Side::People, Some(value)) => {
                let called = format!("v{}", values.len());
                values.push(value.alias(&called));
                above.push(Expr::Column(Column::new(Some(PEOPLE), called)).alias_qualified(qualifier, name));
            }
            (Side::People, None) | (Side::Both, _) => return Ok(None),
        }
    }
    let person = Expr::Column(Column::new(Some(ROWS), &split.person)).alias(PERSON);
    let people = people.project([person].into_iter().chain(values))?.alias(PEOPLE)?.build()?;
    let on = (vec![Column::new(Some(ROWS), &split.unit)], vec![Column::new(Some(PEOPLE), PERSON)]);
    let summed = own.aggregate(aggregate.group_expr.clone(), sums)?;
    let joined = summed.join(people, JoinType::Inner, on, None)?;
    Ok(Some(joined.project(above)?.build()?))
}

/// What the people's side is called above the join, and the person there.
const PEOPLE: &str = "people_side";
const PERSON: &str = "person";

/// The filters between an aggregation and the rows; `None` when something else is there.
fn conditions_on_rows(plan: &LogicalPlan) -> Option<Vec<Expr>> {
    if is_rows(plan) {
        return Some(vec![]);
    }
    let LogicalPlan::Filter(filter) = plan else { return None };
    let mut conditions = conditions_on_rows(&filter.input)?;
    conditions.extend(split_conjunction_owned(filter.predicate.clone()));
    Some(conditions)
}

/// Whether this is the name that stands for the rows.
pub(super) fn is_rows(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::TableScan(scan) if scan.table_name.table() == ROWS)
}

/// The value whose greatest or least this is, of truths whether any: of one value for each person, it is
/// the value itself.
fn value_of(expr: &Expr) -> Option<Expr> {
    let Expr::AggregateFunction(call) = expr else { return None };
    let is_value = matches!(call.func.name(), "max" | "min" | "bool_or") && call.params.filter.is_none();
    match call.params.args.as_slice() {
        [value] if is_value => Some(value.clone()),
        _ => None,
    }
}
