//! How results are split and narrowed: every cell stands in a closed list, and what a person can be in
//! is bounded.

use std::collections::{BTreeMap, BTreeSet};

use super::admit::{is_grouped, is_name, scope_measures};
use super::{
    ByDraft, CELLS_MAX, CellsDraft, ForDraft, GROUPINGS_MAX, Grouping, Measure, NARROWINGS_MAX, Narrowing,
    QuestionDraft, QuestionError, Source, wrong,
};
use crate::lists;
use crate::sql::{self, Expr, Scope, Type};
use crate::vocabulary::{Column, Kind, NAME_BYTES_MAX, VALUES_MAX, Vocabulary};

/// Refuses a vector that is too long.
pub(super) fn check_cells_max<'a>(
    mut groupings: impl Iterator<Item = &'a Grouping>,
    measures: usize,
) -> Result<(), QuestionError> {
    let cells = groupings.try_fold(measures, |product, by| product.checked_mul(by.cells.len()));
    match cells.filter(|cells| *cells <= CELLS_MAX) {
        Some(_) => Ok(()),
        None => wrong(format!("more than {CELLS_MAX} cells; split by less")),
    }
}

/// A closed list: as written, or by its name.
fn listed(cells: &CellsDraft, what: &str) -> Result<Vec<String>, QuestionError> {
    match cells {
        CellsDraft::Listed(cells) => Ok(cells.clone()),
        CellsDraft::Named(name) => match lists::named(name) {
            Some(values) => Ok(values.iter().map(|value| (*value).to_owned()).collect()),
            None => {
                let known: Vec<&str> = lists::names().collect();
                let name = name.escape_debug();
                wrong(format!("{what}: there is no list `{name}`; there are {}", known.join(", ")))
            }
        },
    }
}

/// The groupings by a column or a member fact; `None` where one is by SQL, which may name measures and
/// is checked after them.
pub(super) fn admit_columns(
    draft: &QuestionDraft,
    vocabulary: &Vocabulary,
) -> Result<Vec<Option<Grouping>>, QuestionError> {
    if draft.by.len() > GROUPINGS_MAX {
        return wrong(format!("at most {GROUPINGS_MAX} groupings"));
    }
    draft.by.iter().map(|by| admit_column(by, draft, vocabulary)).collect()
}

fn admit_column(
    by: &ByDraft,
    draft: &QuestionDraft,
    vocabulary: &Vocabulary,
) -> Result<Option<Grouping>, QuestionError> {
    let (name, source) = match (&by.column, &by.member, &by.name, &by.sql) {
        (Some(name), None, None, None) => {
            let column = vocabulary
                .column(name)
                .ok_or_else(|| QuestionError(format!("by: there is no column `{}`", name.escape_debug())))?;
            check_values(vocabulary, column, &listed(&by.cells, "by")?, "by", "cells")?;
            let varies = column.varies && is_grouped(vocabulary);
            (name, if varies { Source::Varying } else { Source::Column })
        }
        (None, Some(name), None, None) => {
            let is_list = draft.param.get(name).map(String::as_str) == Some("members");
            if !is_list || by.cells != CellsDraft::Listed(vec!["yes".into(), "no".into()]) {
                return wrong(format!(
                    "by: `{}` is a parameter of kind members, and its cells are [\"yes\", \"no\"]",
                    name.escape_debug()
                ));
            }
            (name, Source::Member)
        }
        (None, None, Some(_), Some(_)) => return Ok(None),
        _ => return wrong("by: write either column, or member, or name and sql"),
    };
    let cells = listed(&by.cells, "by")?;
    Ok(Some(Grouping { name: name.clone(), source, cells, optional: by.optional }))
}

pub(super) fn admit_groupings(
    draft: &QuestionDraft,
    vocabulary: &Vocabulary,
    params: &BTreeMap<String, Type>,
    measures: &[Measure],
    columns: Vec<Option<Grouping>>,
) -> Result<Vec<Grouping>, QuestionError> {
    let mut groupings: Vec<Grouping> = vec![];
    let earlier = scope_measures(measures);
    let scope = Scope { vocabulary, params, measures: &earlier, grouped: is_grouped(vocabulary) };
    for (by, column) in draft.by.iter().zip(columns) {
        let grouping = match column {
            Some(grouping) => grouping,
            None => admit_sql_grouping(by, &scope)?,
        };
        if groupings.iter().any(|other| other.name == grouping.name) {
            return wrong(format!("by: `{}` stands twice", grouping.name));
        }
        groupings.push(grouping);
    }
    Ok(groupings)
}

/// A text worked out of a unit's own rows. Values outside the closed list are dropped, so no cell is
/// made of data; columns that may not be a cell may not be hidden in one.
fn admit_sql_grouping(by: &ByDraft, scope: &Scope<'_>) -> Result<Grouping, QuestionError> {
    let (Some(name), Some(text)) = (&by.name, &by.sql) else {
        return wrong("by: write both name and sql");
    };
    let about = |error: String| QuestionError(format!("by `{}`: {error}", name.escape_debug()));
    let taken = scope.vocabulary.column(name).is_some() || scope.measures.iter().any(|m| m.name == *name);
    if !is_name(name) || taken {
        return Err(about(
            "give it a name of its own, of a-z, 0-9 and _, that no column or measure has".into(),
        ));
    }
    let expr = sql::parse(text).map_err(about)?;
    if scope.check(&expr).map_err(about)? != Type::Text {
        return Err(about("it gives no text; write CASE WHEN .. THEN 'yes' ELSE 'no' END".into()));
    }
    if let Some(private) = private_cell(&expr, scope) {
        return Err(about(format!(
            "results may not be split by `{private}`, which is private; use it in `where`, or a private day less another"
        )));
    }
    let cells = listed(&by.cells, "by")?;
    check_list(&cells).map_err(about)?;
    Ok(Grouping { name: name.clone(), source: Source::Sql(expr), cells, optional: by.optional })
}

/// A private column that would decide a cell, itself or through a measure. How many days lie between
/// two private days may.
fn private_cell(expr: &Expr, scope: &Scope<'_>) -> Option<String> {
    let column = |name: &String| scope.vocabulary.column(name);
    let days = |name: &String| column(name).is_some_and(|column| column.kind == Kind::Date);
    let is_private = |name: &String| column(name).is_some_and(|column| column.private);
    let measures = scope.measures.iter().filter(|measure| expr.names().contains(&measure.name));
    let read: Vec<&Expr> = measures.map(|measure| &measure.expr).chain([expr]).collect();
    let beside: BTreeSet<String> =
        read.iter().flat_map(|expr| expr.names_beside_differences(&is_private)).collect();
    let all: BTreeSet<String> = read.iter().flat_map(|expr| expr.names()).collect();
    all.into_iter().find(|name| is_private(name) && (!days(name) || beside.contains(name)))
}

/// Values of a closed list: some, each once, short and printable.
fn check_list(values: &[String]) -> Result<(), String> {
    let distinct: BTreeSet<_> = values.iter().collect();
    let plain = |value: &String| {
        !value.is_empty() && value.len() <= NAME_BYTES_MAX && !value.chars().any(char::is_control)
    };
    if values.is_empty() || values.len() > VALUES_MAX || distinct.len() != values.len() {
        return Err(format!("list its cells, each once, at most {VALUES_MAX}"));
    }
    if !values.iter().all(plain) {
        return Err(format!("a cell has 1 to {NAME_BYTES_MAX} bytes and no line break"));
    }
    Ok(())
}

/// Values of a column that results may be split by, or narrowed to.
fn check_values(
    vocabulary: &Vocabulary,
    column: &Column,
    cells: &[String],
    place: &str,
    what: &str,
) -> Result<(), QuestionError> {
    let name = &column.name;
    if !column.group || vocabulary.names_unit(name) {
        return wrong(format!(
            "{place}: results may not be split by `{name}`; its vocabulary does not allow it"
        ));
    }
    let truths = ["true".to_owned(), "false".to_owned()];
    let allowed = if column.kind == Kind::Bool { &truths[..] } else { &column.values[..] };
    if let Some(unknown) = cells.iter().find(|cell| !allowed.contains(cell)) {
        return wrong(format!(
            "{place}: `{}` is not in the closed list of `{name}`; allowed: {}",
            unknown.escape_debug(),
            allowed.join(", ")
        ));
    }
    let distinct: BTreeSet<_> = cells.iter().collect();
    if cells.is_empty() || distinct.len() != cells.len() {
        return wrong(format!("{place}: list the {what} of `{name}`, each once"));
    }
    Ok(())
}

/// In how many cells one person may count: no more than the columns that vary make cells.
pub(super) fn admit_cells_per_unit(
    draft: &QuestionDraft,
    groupings: &[Grouping],
) -> Result<usize, QuestionError> {
    let most = varying_cells(groupings);
    let asked = draft.cells_per_unit.unwrap_or(1);
    usize::try_from(asked).ok().filter(|cells| (1..=most).contains(cells)).map_or_else(
        || {
            wrong(format!(
                "`cells_per_unit` is {asked}; one person can be in 1 to {most} cells of this question, one for each value of the columns that vary"
            ))
        },
        Ok,
    )
}

/// In how many cells the rows of one person can be; saturating.
pub(super) fn varying_cells(groupings: &[Grouping]) -> usize {
    let varying = groupings.iter().filter(|by| by.source == Source::Varying);
    varying.fold(1usize, |product, by| product.saturating_mul(by.cells.len()))
}

pub(super) fn admit_narrowings(
    drafts: &[ForDraft],
    vocabulary: &Vocabulary,
) -> Result<Vec<Narrowing>, QuestionError> {
    if drafts.len() > NARROWINGS_MAX {
        return wrong(format!("for: at most {NARROWINGS_MAX} columns"));
    }
    let mut narrowings: Vec<Narrowing> = vec![];
    for draft in drafts {
        let name = &draft.column;
        let column = vocabulary
            .column(name)
            .ok_or_else(|| QuestionError(format!("for: there is no column `{}`", name.escape_debug())))?;
        let values = listed(&draft.values, "for")?;
        check_values(vocabulary, column, &values, "for", "values")?;
        if values.iter().any(|value| value.contains(',')) {
            return wrong(format!(
                "for: values of `{name}` hold commas, which separate them; leave those out"
            ));
        }
        if narrowings.iter().any(|other| other.column == *name) {
            return wrong(format!("for: `{name}` stands twice"));
        }
        narrowings.push(Narrowing { column: name.clone(), values });
    }
    Ok(narrowings)
}
