//! From a draft to a Question: every rule that can be checked before a Query binds it.

use std::collections::{BTreeMap, BTreeSet};

use super::everyone;
use super::figure::admit_figure;
use super::grouping::{
    admit_cells_per_unit, admit_columns, admit_groupings, admit_narrowings, check_cells_max,
};
use super::{
    Amount, AtMostDraft, CentreDraft, Grouping, MEASURES_MAX, Measure, MeasureDraft, Measured, NumberText,
    PERIODS, Question, QuestionDraft, QuestionError, Ratio, STEPS_MAX, Source, TEXT_BYTES_MAX, wrong,
};
use crate::lists;
use crate::sql::{self, Expr, Scope, ScopeMeasure, Type};
use crate::vocabulary::{Kind, Unit, Vocabulary};

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
        check_params_used(&draft, filter.as_ref(), &measures, &groupings)?;
        let cells_per_unit = admit_cells_per_unit(&draft, &groupings)?;
        let narrowings = admit_narrowings(&draft.narrowing, vocabulary)?;
        let at_most = draft.at_most.as_ref().map(|bound| admit_at_most(bound, &measures)).transpose()?;
        let figure = admit_figure(&draft.figure, &measures, &groupings)?;
        if draft.everyone {
            let narrowed = narrowings.iter().map(|one| one.column.as_str());
            everyone::admit(vocabulary, filter.as_ref(), narrowed.collect(), &measures, &groupings)?;
        }
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
pub(super) fn is_name(text: &str) -> bool {
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

/// Each parameter changes what is computed in every Query that gives it: one that does not would give
/// one Question many spellings, and each spelling an answer with noise of its own.
fn check_params_used(
    draft: &QuestionDraft,
    filter: Option<&Expr>,
    measures: &[Measure],
    groupings: &[Grouping],
) -> Result<(), QuestionError> {
    let by = groupings.iter().filter_map(|by| match &by.source {
        Source::Sql(expr) if !by.optional => Some(expr),
        Source::Sql(_) | Source::Column | Source::Varying | Source::Member => None,
    });
    let read = filter.into_iter().chain(measures.iter().map(|measure| &measure.expr)).chain(by);
    let mut used: BTreeSet<String> = read.flat_map(Expr::params).collect();
    used.extend(groupings.iter().filter(|by| by.is_member_fact()).map(|by| by.name.clone()));
    match draft.param.keys().find(|name| !used.contains(*name)) {
        Some(unused) => wrong(format!(
            "parameter `{unused}` is used by no `where`, no measure and no `by` that is not optional; remove it, or use it"
        )),
        None => Ok(()),
    }
}

fn admit_filter(text: &str, scope: &Scope<'_>) -> Result<Expr, QuestionError> {
    let expr = sql::parse(text).map_err(|error| QuestionError(format!("where: {error}")))?;
    match scope.check(&expr) {
        Ok(Type::Bool) => Ok(expr),
        Ok(_) => wrong("where: write a condition"),
        Err(error) => wrong(format!("where: {error}")),
    }
}

pub(super) fn is_grouped(vocabulary: &Vocabulary) -> bool {
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
