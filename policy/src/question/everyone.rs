//! A Question about everyone who counts, with or without rows. Whoever has none is one row in which all
//! but the person's own columns is empty, so nothing may take that row for one of theirs.

use super::{Grouping, Measure, QuestionError, Source, wrong};
use crate::sql::Expr;
use crate::vocabulary::{Column, Unit, Vocabulary};

/// Checks a Question with `everyone = true`. Errors: rows that are about nobody, or that no table of
/// people stands behind; a condition on rows that drops who has none; a sum that counts the empty row.
pub(super) fn admit(
    vocabulary: &Vocabulary,
    filter: Option<&Expr>,
    narrowed: Vec<&str>,
    measures: &[Measure],
    groupings: &[Grouping],
) -> Result<(), QuestionError> {
    let has_people = vocabulary.columns().iter().any(|column| column.of.is_some());
    if *vocabulary.unit() == Unit::Row || !has_people {
        return wrong(format!(
            "everyone: no table says who the people of `{}` are; leave `everyone` out, or ask a vocabulary \
             with a unit and columns `of` its people",
            vocabulary.name()
        ));
    }
    let of_rows = |name: &str| is_of_rows(vocabulary, name);
    let of_rows_or_date = |name: &String| of_rows(name) || is_date(vocabulary, name);
    if let Some(column) = filter.map(Expr::names).into_iter().flatten().find(of_rows_or_date) {
        return wrong(format!(
            "where: `{column}` is of rows, and `everyone` counts also who has none; write the condition as \
             FILTER (WHERE ...) of a measure"
        ));
    }
    if let Some(column) = narrowed.into_iter().find(|name| of_rows(name)) {
        return wrong(format!(
            "for: `{column}` is of rows, and `everyone` counts also who has none; narrow by a column `of` the people"
        ));
    }
    for measure in measures {
        let about = |error| QuestionError(format!("measure `{}`: {error}", measure.name));
        check(&measure.expr, vocabulary).map_err(about)?;
    }
    for by in groupings {
        let Source::Sql(expr) = &by.source else { continue };
        check(expr, vocabulary).map_err(|error| QuestionError(format!("by `{}`: {error}", by.name)))?;
    }
    Ok(())
}

/// Whether a column is empty where a person has no row.
fn is_of_rows(vocabulary: &Vocabulary, name: &str) -> bool {
    let is_unit = *vocabulary.unit() == Unit::Column(name.to_owned());
    let is_own = is_unit || is_date(vocabulary, name);
    !is_own && vocabulary.column(name).is_some_and(|column| column.of.is_none())
}

fn is_date(vocabulary: &Vocabulary, name: &str) -> bool {
    vocabulary.date_column().is_some_and(|column| column.name == name)
}

/// Refuses a sum over rows that takes the empty row for one more, and a first or last day that may be
/// the empty row's.
fn check(expr: &Expr, vocabulary: &Vocabulary) -> Result<(), String> {
    let Expr::Aggregate(word, inner, filter) = expr else {
        return expr.children().into_iter().try_for_each(|child| check(child, vocabulary));
    };
    let names = |expr: &Option<Box<Expr>>| expr.as_deref().map(Expr::names).unwrap_or_default();
    let has_rows = |expr: &Option<Box<Expr>>| names(expr).iter().any(|name| is_of_rows(vocabulary, name));
    let has_date = names(inner).iter().any(|name| is_date(vocabulary, name));
    let named = |column: &&Column| !column.never && is_of_rows(vocabulary, &column.name);
    let columns = || vocabulary.columns().iter().filter(named);
    let column = columns().find(|column| column.required).or_else(|| columns().next());
    let column = column.map_or("x", |column| &column.name);
    match *word {
        "MIN" | "MAX" if has_date && !has_rows(filter) => Err(format!(
            "with `everyone` this {word} would take the period's last day for who has no row; add \
             FILTER (WHERE {column} IS NOT NULL)"
        )),
        "MIN" | "MAX" => Ok(()),
        _ if has_rows(inner) => Ok(()),
        _ => {
            let what = if inner.is_none() { format!("{word}(*)") } else { format!("this {word}") };
            Err(format!(
                "with `everyone` {what} would count the empty row of who has none; count a column of the \
                 rows, such as COUNT({column})"
            ))
        }
    }
}
