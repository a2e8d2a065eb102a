//! From a draft to a Question: every rule that can be checked before a Query binds it.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::admit_figure;
use super::{
    Amount, AtMostDraft, ByDraft, CELLS_MAX, CellsDraft, CentreDraft, ForDraft, GROUPINGS_MAX, Grouping,
    MEASURES_MAX, Measure, MeasureDraft, Measured, NARROWINGS_MAX, Narrowing, NumberText, PERIODS, Question,
    QuestionDraft, QuestionError, Ratio, STEPS_MAX, Source, TEXT_BYTES_MAX, wrong,
};
use crate::lists;
use crate::sql::{self, Expr, Scope, ScopeMeasure, Type};
use crate::vocabulary::{Column, Kind, NAME_BYTES_MAX, Unit, VALUES_MAX, Vocabulary};

impl Question {
    /// Checks a draft. Errors: the first thing that is wrong, with the remedy.
    pub fn admit(draft: QuestionDraft, vocabulary: &Vocabulary) -> Result<Self, QuestionError> {
        check_texts(&draft, vocabulary)?;
        let (matters, pupil_sd) = admit_amounts(&draft)?;
        let params = param_types(&draft)?;
        let row_scope = Scope { vocabulary, params: &params, measures: &[], grouped: false };
        let filter = draft.filter.as_deref().map(|text| admit_filter(text, &row_scope)).transpose()?;
        let columns = admit_columns(&draft, vocabulary)?;
        let measures = admit_measures(&draft, vocabulary, &params, &columns)?;
        let groupings = admit_groupings(&draft, vocabulary, &params, &measures, columns)?;
        let always = groupings.iter().filter(|by| !by.optional);
        check_cells_max(always, measures.len())?;
        let cells_per_unit = admit_cells_per_unit(&draft, &groupings)?;
        let narrowings = admit_narrowings(&draft.narrowing, vocabulary)?;
        let at_most = draft.at_most.as_ref().map(|bound| admit_at_most(bound, &measures)).transpose()?;
        let figure = admit_figure(&draft.figure, &measures, &groupings)?;
        Ok(Self {
            draft,
            vocabulary: vocabulary.clone(),
            filter,
            measures,
            groupings,
            narrowings,
            at_most,
            figure,
            matters,
            pupil_sd,
            cells_per_unit,
        })
    }
}

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

fn check_texts(draft: &QuestionDraft, vocabulary: &Vocabulary) -> Result<(), QuestionError> {
    if draft.vocabulary != vocabulary.name() {
        return wrong(format!("it is about `{}`, not `{}`", draft.vocabulary, vocabulary.name()));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if draft.id.is_empty() || draft.id.len() > 64 || !draft.id.bytes().all(plain) {
        return wrong("`id` is a name of a-z, 0-9, - and _");
    }
    if draft.version < 1 || draft.loss < 1 {
        return wrong("`version` and `loss` are 1 or more; loss is in billionths of rho");
    }
    let texts = draft
        .cannot_tell
        .iter()
        .chain([&draft.title, &draft.matters])
        .chain(&draft.per)
        .chain(&draft.pupil_sd);
    if texts.clone().any(|text| text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control)) {
        return wrong(format!("texts have at most {TEXT_BYTES_MAX} bytes and no line breaks"));
    }
    if draft.cannot_tell.len() > 16 {
        return wrong("`cannot_tell` has at most 16 lines");
    }
    let known = |period: &String| PERIODS.iter().any(|(name, _)| name == period);
    if draft.period.as_ref().is_some_and(|period| !known(period)) {
        let names: Vec<&str> = PERIODS.iter().map(|(name, _)| *name).collect();
        return wrong(format!("`period` is one of {}", names.join(", ")));
    }
    Ok(())
}

fn admit_amounts(draft: &QuestionDraft) -> Result<(Amount, Option<Amount>), QuestionError> {
    let Some(matters) = Amount::parse(&draft.matters) else {
        return wrong(
            "`matters` is a number and its unit, such as \"2 pp\", \"0.1\", \"1.5 points\" or \"5 %\"",
        );
    };
    if matters.measured == Measured::Percent
        && !matches!(draft.figure.kind.as_str(), "count" | "sum" | "histogram" | "transition")
    {
        return wrong(format!(
            "`matters` of a {} is no percentage of it; write \"pp\" for percentage points, or a plain number",
            draft.figure.kind.escape_debug()
        ));
    }
    let Some(text) = &draft.pupil_sd else { return Ok((matters, None)) };
    match Amount::parse(text).filter(|amount| amount.measured != Measured::Percent) {
        Some(amount) => Ok((matters, Some(amount))),
        None => wrong("`pupil_sd` is a number and its unit, such as \"14 pp\" or \"1.4\""),
    }
}

/// Whether a text is a name that SQL, parameters and figures can carry.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(plain)
}

fn param_types(draft: &QuestionDraft) -> Result<BTreeMap<String, Type>, QuestionError> {
    let mut types = BTreeMap::new();
    for (name, kind) in &draft.param {
        if !is_name(name) {
            return wrong(format!("parameter `{}`: a name is a-z, 0-9 and _", name.escape_debug()));
        }
        let found = match kind.as_str() {
            "date" => Type::Date,
            "dates" => Type::Dates,
            "text" => Type::Text,
            "number" => Type::Number,
            "members" => continue,
            list if lists::named(list).is_some() => Type::Text,
            other => {
                let lists: Vec<&str> = lists::names().collect();
                return wrong(format!(
                    "parameter `{name}`: `{}` is none of date, dates, text, number, members, {}",
                    other.escape_debug(),
                    lists.join(", ")
                ));
            }
        };
        types.insert(name.clone(), found);
    }
    Ok(types)
}

fn admit_filter(text: &str, scope: &Scope<'_>) -> Result<Expr, QuestionError> {
    let expr = sql::parse(text).map_err(|error| QuestionError(format!("where: {error}")))?;
    match scope.check(&expr) {
        Ok(Type::Bool) => Ok(expr),
        Ok(_) => wrong("where: write a condition"),
        Err(error) => wrong(format!("where: {error}")),
    }
}

fn is_grouped(vocabulary: &Vocabulary) -> bool {
    *vocabulary.unit() != Unit::Row
}

fn admit_measures(
    draft: &QuestionDraft,
    vocabulary: &Vocabulary,
    params: &BTreeMap<String, Type>,
    columns: &[Option<Grouping>],
) -> Result<Vec<Measure>, QuestionError> {
    if draft.measure.is_empty() || draft.measure.len() > MEASURES_MAX {
        return wrong(format!("{} measures; write 1 to {MEASURES_MAX}", draft.measure.len()));
    }
    let mut measures: Vec<Measure> = vec![];
    for text in &draft.measure {
        let name = &text.name;
        let about = |error: String| QuestionError(format!("measure `{}`: {error}", name.escape_debug()));
        if !is_name(name) || vocabulary.column(name).is_some() {
            return Err(about("give it a name of its own, of a-z, 0-9 and _, that no column has".into()));
        }
        if measures.iter().any(|measure| measure.name == *name) {
            return Err(about("stands twice".into()));
        }
        let earlier = scope_measures(&measures);
        let scope = Scope { vocabulary, params, measures: &earlier, grouped: is_grouped(vocabulary) };
        let expr = sql::parse(&text.sql).map_err(about)?;
        if scope.check(&expr).map_err(about)? != Type::Number {
            return Err(about("it gives no number".into()));
        }
        let centre = admit_centre(text, columns)?;
        let expr = centred(expr, &centre, columns, vocabulary);
        scope.check(&expr).map_err(about)?;
        measures.push(admit_measure(text, expr, centre)?);
    }
    Ok(measures)
}

/// Earlier measures that a later expression may name: those that name none themselves, or each would
/// be written out inside the next.
pub(super) fn scope_measures(measures: &[Measure]) -> Vec<ScopeMeasure> {
    let refers =
        |measure: &&Measure| measure.expr.names().iter().any(|used| measures.iter().any(|m| m.name == *used));
    let clip = |steps: i64, resolution| clip_text(steps, resolution);
    measures
        .iter()
        .filter(|measure| !refers(measure))
        .map(|measure| ScopeMeasure {
            name: measure.name.clone(),
            expr: measure.expr.clone(),
            low: clip(measure.low_steps, measure.resolution),
            high: clip(measure.high_steps, measure.resolution),
        })
        .collect()
}

/// Steps x resolution as an SQL number: exact division, done by the engine in f64 as everything is.
fn clip_text(steps: i64, resolution: Ratio) -> String {
    format!("({}.0 / {}.0)", steps * resolution.numerator, resolution.denominator)
}

/// What is taken off: nothing, one number, or one for each cell of the first grouping, which is then
/// a column of one value a person.
fn admit_centre(text: &MeasureDraft, columns: &[Option<Grouping>]) -> Result<Vec<Ratio>, QuestionError> {
    let name = &text.name;
    let read = |number: &NumberText| {
        Ratio::read(number).ok_or_else(|| {
            QuestionError(format!("measure `{name}`: centre is a number such as 45, \"1/8\" or \"35.46\""))
        })
    };
    match &text.centre {
        None => Ok(vec![]),
        Some(CentreDraft::One(number)) => Ok(vec![read(number)?]),
        Some(CentreDraft::Each(numbers)) => {
            let first = columns.first().and_then(Option::as_ref);
            let first = first.filter(|by| by.source == Source::Column && !by.optional);
            match first {
                Some(by) if by.cells.len() == numbers.len() => numbers.iter().map(read).collect(),
                Some(by) => wrong(format!(
                    "measure `{name}`: {} centres for the {} cells of `{}`; write one for each",
                    numbers.len(),
                    by.cells.len(),
                    by.name
                )),
                None => wrong(format!(
                    "measure `{name}`: a list of centres follows the first grouping, which is a column of one value a person and not optional"
                )),
            }
        }
    }
}

/// The expression less its centre, as a tree, so that its length and rendering are bounded with it.
fn centred(expr: Expr, centre: &[Ratio], columns: &[Option<Grouping>], vocabulary: &Vocabulary) -> Expr {
    let minus = |taken: Expr| Expr::Binary("-", Box::new(expr.clone()), Box::new(taken));
    match (centre, columns.first().and_then(Option::as_ref)) {
        ([], _) => expr,
        ([one], _) => minus(number_expr(*one)),
        (each, Some(by)) => {
            let is_bool = vocabulary.column(&by.name).is_some_and(|column| column.kind == Kind::Bool);
            let arm = |(cell, ratio): (&String, &Ratio)| {
                let value = match is_bool {
                    true => Expr::Bool(cell == "true"),
                    false => Expr::Text(cell.clone()),
                };
                let is = Expr::Binary("=", Box::new(Expr::Name(by.name.clone())), Box::new(value));
                (is, number_expr(*ratio))
            };
            minus(Expr::Case(by.cells.iter().zip(each).map(arm).collect(), None))
        }
        (_, None) => expr,
    }
}

fn number_expr(ratio: Ratio) -> Expr {
    let digits = |n: u64| Box::new(Expr::Number(n.to_string()));
    let above = digits(ratio.numerator.unsigned_abs());
    let above = if ratio.numerator < 0 { Box::new(Expr::Negative(above)) } else { above };
    Expr::Binary("/", above, digits(ratio.denominator.unsigned_abs()))
}

fn admit_measure(text: &MeasureDraft, expr: Expr, centre: Vec<Ratio>) -> Result<Measure, QuestionError> {
    let name = &text.name;
    let resolution = Ratio::read(&text.resolution).filter(|ratio| ratio.numerator > 0);
    let Some(resolution) = resolution else {
        return wrong(format!("measure `{name}`: resolution is a positive number such as 1 or \"1/8\""));
    };
    let [low, high] = text.clamp.as_slice() else {
        return wrong(format!("measure `{name}`: clamp is [least, greatest]"));
    };
    let steps = |bound: &NumberText| {
        let steps = Ratio::read(bound)
            .and_then(|bound| bound.steps(resolution))
            .filter(|steps| steps.unsigned_abs() <= STEPS_MAX.unsigned_abs());
        steps.ok_or_else(|| {
            QuestionError(format!(
                "measure `{name}`: bounds are whole multiples of the resolution, at most {STEPS_MAX} steps"
            ))
        })
    };
    let (low_steps, high_steps) = (steps(low)?, steps(high)?);
    if low_steps > 0 || high_steps < 0 || low_steps == high_steps {
        return wrong(format!("measure `{name}`: clamp holds 0 (who is not counted adds nothing) and more"));
    }
    Ok(Measure { name: name.clone(), expr, centre, low_steps, high_steps, resolution })
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
fn admit_columns(
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
            check_values(column, &listed(&by.cells, "by")?, "by", "cells")?;
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

fn admit_groupings(
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
            "results may not be split by `{private}`, which is private; use it in `where`, or a day less another"
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
    let beside: BTreeSet<String> = read.iter().flat_map(|expr| expr.names_beside_differences()).collect();
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
fn check_values(column: &Column, cells: &[String], place: &str, what: &str) -> Result<(), QuestionError> {
    let name = &column.name;
    if !column.group {
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
fn admit_cells_per_unit(draft: &QuestionDraft, groupings: &[Grouping]) -> Result<usize, QuestionError> {
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

fn admit_narrowings(drafts: &[ForDraft], vocabulary: &Vocabulary) -> Result<Vec<Narrowing>, QuestionError> {
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
        check_values(column, &values, "for", "values")?;
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

fn admit_at_most(
    bound: &AtMostDraft,
    measures: &[Measure],
) -> Result<(BTreeSet<String>, i64), QuestionError> {
    let names: BTreeSet<String> = bound.measures.iter().cloned().collect();
    let named: Vec<&Measure> = measures.iter().filter(|measure| names.contains(&measure.name)).collect();
    if named.len() != names.len() || named.is_empty() {
        return wrong("at_most: it names measures of this question");
    }
    let resolution = named[0].resolution;
    if named.iter().any(|measure| measure.resolution != resolution || measure.low_steps < 0) {
        return wrong("at_most: its measures share one resolution and are never negative");
    }
    let total = Ratio::read(&bound.total)
        .and_then(|total| total.steps(resolution))
        .filter(|steps| *steps > 0 && *steps <= STEPS_MAX);
    total
        .map(|total| (names, total))
        .ok_or_else(|| QuestionError("at_most: total is a whole number of steps".into()))
}
