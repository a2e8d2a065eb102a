//! A Question: what each person contributes, clipped and rounded, and into which cells. It compiles
//! to a vector of bounded integer sums whose sensitivity is exact.
//!
//! Source: DATA section 6. Not built yet, and refused: `cells_per_unit` above 1, `per-unit sql` as a
//! grouping, named lists of cells, and figures beyond [`FigureKind`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::MemberId;
use crate::sql::{self, Bound, Expr, Scope, Type};
use crate::time::{Day, Period};
use crate::vocabulary::{Column, Kind, Unit, Vocabulary};

/// Most cells of a vector: an aggregate share of 16 bytes a cell must fit, base64, in one log entry of
/// 65,535 bytes.
pub const CELLS_MAX: usize = 2_000;
/// Most measures: the richest figure of the catalogue needs six.
pub const MEASURES_MAX: usize = 8;
/// Most dimensions to split by.
pub const GROUPINGS_MAX: usize = 4;
/// Most days in one parameter: a year of weeks.
pub const DATES_MAX: usize = 52;
/// Longest title, text or name in bytes.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// Longest Question in bytes: it stands inside a log entry of 65,535.
pub const QUESTION_BYTES_MAX: usize = 32 * 1024;
/// Largest part of a bound or a resolution: products of four of them fit 128 bits.
const NUMBER_MAX: u64 = 1_000_000;
/// Largest bound of a measure in steps; with a roll of a million people a Tally stays below 2^50.
pub const STEPS_MAX: i64 = 1 << 20;

/// A whole number, or a decimal or fraction as text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NumberText {
    /// Such as `80`.
    Whole(i64),
    /// Such as `"1/8"`.
    Text(String),
}

/// A positive or negative fraction in lowest terms is not needed: only exact multiples are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    /// Above the line.
    pub numerator: i64,
    /// Below; positive.
    pub denominator: i64,
}

impl Ratio {
    fn read(text: &NumberText) -> Option<Self> {
        let small = |n: i64| (n.unsigned_abs() <= NUMBER_MAX).then_some(n);
        match text {
            NumberText::Whole(number) => Some(Self { numerator: small(*number)?, denominator: 1 }),
            NumberText::Text(text) => {
                let (above, below) = text.split_once('/').unwrap_or((text, "1"));
                let read = |text: &str| small(text.parse().ok()?);
                Some(Self { numerator: read(above)?, denominator: read(below).filter(|n| *n > 0)? })
            }
        }
    }

    /// How many steps of `resolution` this is; `None` unless a whole number.
    fn steps(self, resolution: Self) -> Option<i64> {
        let above = self.numerator.checked_mul(resolution.denominator)?;
        let below = self.denominator.checked_mul(resolution.numerator)?;
        (below > 0 && above % below == 0).then(|| above / below)
    }
}

/// `figure` of a Question's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureDraft {
    /// Such as `rate`.
    pub kind: String,
    /// The measure it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Of a rate: the measure it is set against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The measure that counts people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    /// Of an event: the measure of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<String>,
    /// The measure of squares, for ordinary chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub square: Option<String>,
    /// Of an event: the member fact that says who had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<String>,
}

/// A measure of a Question's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDraft {
    /// Its name in the figure and in later measures.
    pub name: String,
    /// What each unit contributes.
    pub sql: String,
    /// Least and greatest value.
    pub clamp: Vec<NumberText>,
    /// The grid step.
    pub resolution: NumberText,
}

/// A grouping of a Question's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByDraft {
    /// A column of the Vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// A parameter that lists members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The closed list; of a member fact `["yes", "no"]`.
    pub cells: Vec<String>,
}

/// Measures whose sum is bounded together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtMostDraft {
    /// Which.
    pub measures: Vec<String>,
    /// Their greatest sum.
    pub total: NumberText,
}

/// A Question as its TOML, or its canonical JSON, states it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionDraft {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// The question in plain words.
    pub title: String,
    /// Such as `attendance/1`.
    pub vocabulary: String,
    /// What the privacy unit is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// What a period should be: day, week, half_term, term, year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Which rows count.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Parameters: name to `date`, `dates`, `members` or `text`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub param: BTreeMap<String, String>,
    /// What is shown.
    pub figure: FigureDraft,
    /// Default loss, billionths of rho.
    pub loss: i64,
    /// The difference that would matter.
    pub matters: String,
    /// Assumed spread between people, for ordinary chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pupil_sd: Option<String>,
    /// What the answer does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cannot_tell: Vec<String>,
    /// A joint bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<AtMostDraft>,
    /// What each unit contributes.
    pub measure: Vec<MeasureDraft>,
    /// How results are split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<ByDraft>,
}

impl QuestionDraft {
    /// Reads a Question's TOML. Errors: what is wrong, with its line.
    pub fn from_toml(text: &str) -> Result<Self, QuestionError> {
        if text.len() > QUESTION_BYTES_MAX {
            return Err(QuestionError(format!("{} bytes; at most {QUESTION_BYTES_MAX}", text.len())));
        }
        toml::from_str(text).map_err(|error| QuestionError(format!("not a question: {error}")))
    }
}

/// Why a Question cannot be asked, with the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuestionError(pub String);

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError(text.into()))
}

/// What is shown. Names are measures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Figure {
    /// How many.
    Count {
        /// The count.
        of: String,
    },
    /// How much in all.
    Sum {
        /// The sum.
        of: String,
    },
    /// How much each.
    Mean {
        /// The sum.
        of: String,
        /// The count.
        count: String,
        /// The sum of squares, for ordinary chance.
        square: Option<String>,
    },
    /// A of A + B.
    Rate {
        /// A.
        of: String,
        /// B.
        against: String,
    },
    /// Counts and shares over the last grouping.
    Histogram {
        /// The count.
        of: String,
    },
    /// A mean difference, and the difference of differences between members with and without.
    Event {
        /// The count.
        count: String,
        /// The difference.
        mean: String,
        /// Its squares.
        square: String,
        /// The member fact.
        contrast: Option<String>,
    },
}

/// A measure, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// What each unit contributes.
    pub expr: Expr,
    /// Least value in steps.
    pub low_steps: i64,
    /// Greatest value in steps.
    pub high_steps: i64,
    /// The grid step.
    pub resolution: Ratio,
}

/// One dimension of the cells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouping {
    /// The column or member-fact parameter.
    pub name: String,
    /// Whether it is a member fact.
    pub is_member_fact: bool,
    /// The closed list.
    pub cells: Vec<String>,
}

/// A Question, checked against its Vocabulary.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    draft: QuestionDraft,
    vocabulary: Vocabulary,
    filter: Option<Expr>,
    measures: Vec<Measure>,
    groupings: Vec<Grouping>,
    at_most: Option<(BTreeSet<String>, i64)>,
    figure: Figure,
    columns: BTreeSet<String>,
}

impl Question {
    /// Checks a draft. Errors: the first thing that is wrong, with the remedy.
    pub fn admit(draft: QuestionDraft, vocabulary: &Vocabulary) -> Result<Self, QuestionError> {
        check_texts(&draft, vocabulary)?;
        let params = param_types(&draft)?;
        let row_scope = Scope { vocabulary, params: &params, measures: &[], grouped: false };
        let filter = draft.filter.as_deref().map(|text| admit_filter(text, &row_scope)).transpose()?;
        let measures = admit_measures(&draft, vocabulary, &params)?;
        let groupings = admit_groupings(&draft, vocabulary)?;
        let groups = groupings.iter().try_fold(1usize, |product, by| product.checked_mul(by.cells.len()));
        let cells =
            groups.and_then(|groups| groups.checked_mul(measures.len())).filter(|cells| *cells <= CELLS_MAX);
        if cells.is_none() {
            return wrong(format!("more than {CELLS_MAX} cells; split by less"));
        }
        let at_most = draft.at_most.as_ref().map(|bound| admit_at_most(bound, &measures)).transpose()?;
        let figure = admit_figure(&draft, &measures, &groupings)?;
        let names: BTreeSet<String> = measures.iter().map(|measure| measure.name.clone()).collect();
        let read = filter.iter().chain(measures.iter().map(|measure| &measure.expr)).flat_map(Expr::names);
        let split = groupings.iter().filter(|by| !by.is_member_fact).map(|by| by.name.clone());
        let columns = read.chain(split).filter(|name| !names.contains(name)).collect();
        Ok(Self {
            draft,
            vocabulary: vocabulary.clone(),
            filter,
            measures,
            groupings,
            at_most,
            figure,
            columns,
        })
    }

    /// The draft it was made of.
    pub fn draft(&self) -> &QuestionDraft {
        &self.draft
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.draft.id
    }

    /// The question in plain words.
    pub fn title(&self) -> &str {
        &self.draft.title
    }

    /// Its Vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Binds parameters and period. Errors: a parameter missing, unknown or of another form.
    pub fn bind(
        &self,
        params: &BTreeMap<String, String>,
        period: Period,
    ) -> Result<BoundQuestion, QuestionError> {
        if let Some(unknown) = params.keys().find(|name| !self.draft.param.contains_key(*name)) {
            return wrong(format!("there is no parameter `{unknown}`; declare it under `param`"));
        }
        let (mut values, mut members) = (BTreeMap::new(), BTreeMap::new());
        for (name, kind) in &self.draft.param {
            let text = params.get(name).ok_or_else(|| {
                QuestionError(format!("the parameter `{name}` ({kind}) is missing; give --param {name}=..."))
            })?;
            match kind.as_str() {
                "members" => {
                    members.insert(name.clone(), read_members(name, text)?);
                }
                "text" if text.len() > TEXT_BYTES_MAX => {
                    return wrong(format!("parameter `{name}` is too long"));
                }
                "text" => {
                    values.insert(name.clone(), Bound::Text(text.clone()));
                }
                _ => {
                    let days = read_days(name, text, if kind == "date" { 1 } else { DATES_MAX }, period)?;
                    values.insert(name.clone(), Bound::Dates(days));
                }
            }
        }
        Ok(BoundQuestion { question: self.clone(), params: params.clone(), period, values, members })
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
    Ok(())
}

fn param_types(draft: &QuestionDraft) -> Result<BTreeMap<String, Type>, QuestionError> {
    let mut types = BTreeMap::new();
    for (name, kind) in &draft.param {
        match kind.as_str() {
            "date" => types.insert(name.clone(), Type::Date),
            "dates" => types.insert(name.clone(), Type::Dates),
            "text" => types.insert(name.clone(), Type::Text),
            "members" => None,
            other => {
                return wrong(format!("parameter `{name}`: `{other}` is none of date, dates, text, members"));
            }
        };
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

fn admit_measures(
    draft: &QuestionDraft,
    vocabulary: &Vocabulary,
    params: &BTreeMap<String, Type>,
) -> Result<Vec<Measure>, QuestionError> {
    if draft.measure.is_empty() || draft.measure.len() > MEASURES_MAX {
        return wrong(format!("{} measures; write 1 to {MEASURES_MAX}", draft.measure.len()));
    }
    let grouped = *vocabulary.unit() != Unit::Row;
    let mut measures: Vec<Measure> = vec![];
    let mut scope_measures = vec![];
    for text in &draft.measure {
        let name = &text.name;
        let about = |error: String| QuestionError(format!("measure `{name}`: {error}"));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) || vocabulary.column(name).is_some()
        {
            return Err(about("give it a name of its own, of a-z, 0-9 and _, that no column has".into()));
        }
        if measures.iter().any(|measure| measure.name == *name) {
            return Err(about("stands twice".into()));
        }
        let scope = Scope { vocabulary, params, measures: &scope_measures, grouped };
        let expr = sql::parse(&text.sql).map_err(about)?;
        if scope.check(&expr).map_err(about)? != Type::Number {
            return Err(about("it gives no number".into()));
        }
        let measure = admit_measure(text, expr)?;
        let refers =
            measure.expr.names().iter().any(|used| measures.iter().any(|earlier| earlier.name == *used));
        if !refers {
            let clip = |steps: i64| clip_text(steps, measure.resolution);
            let entry =
                (name.clone(), measure.expr.clone(), clip(measure.low_steps), clip(measure.high_steps));
            scope_measures.push(entry);
        }
        measures.push(measure);
    }
    Ok(measures)
}

/// Steps x resolution as an SQL number: exact division, done by the engine in f64 as everything is.
fn clip_text(steps: i64, resolution: Ratio) -> String {
    format!("({}.0 / {}.0)", steps * resolution.numerator, resolution.denominator)
}

fn admit_measure(text: &MeasureDraft, expr: Expr) -> Result<Measure, QuestionError> {
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
    Ok(Measure { name: name.clone(), expr, low_steps, high_steps, resolution })
}

fn admit_groupings(draft: &QuestionDraft, vocabulary: &Vocabulary) -> Result<Vec<Grouping>, QuestionError> {
    if draft.by.len() > GROUPINGS_MAX {
        return wrong(format!("at most {GROUPINGS_MAX} groupings"));
    }
    let mut groupings: Vec<Grouping> = vec![];
    for by in &draft.by {
        let grouping = match (&by.column, &by.member) {
            (Some(name), None) => {
                let column = vocabulary
                    .column(name)
                    .ok_or_else(|| QuestionError(format!("by: there is no column `{name}`")))?;
                check_cells(column, &by.cells)?;
                Grouping { name: name.clone(), is_member_fact: false, cells: by.cells.clone() }
            }
            (None, Some(name)) => {
                if draft.param.get(name).map(String::as_str) != Some("members") || by.cells != ["yes", "no"] {
                    return wrong(format!(
                        "by: `{name}` is a parameter of kind members, and its cells are [\"yes\", \"no\"]"
                    ));
                }
                Grouping { name: name.clone(), is_member_fact: true, cells: by.cells.clone() }
            }
            _ => return wrong("by: write either column or member"),
        };
        if groupings.iter().any(|other| other.name == grouping.name) {
            return wrong(format!("by: `{}` stands twice", grouping.name));
        }
        groupings.push(grouping);
    }
    Ok(groupings)
}

fn check_cells(column: &Column, cells: &[String]) -> Result<(), QuestionError> {
    let name = &column.name;
    if !column.group {
        return wrong(format!("by: results may not be split by `{name}`; its vocabulary does not allow it"));
    }
    if column.varies {
        return wrong(format!(
            "by: `{name}` differs between the rows of one person, who may stand in one cell only; use it in `where`"
        ));
    }
    let truths = ["true".to_owned(), "false".to_owned()];
    let allowed = if column.kind == Kind::Bool { &truths[..] } else { &column.values[..] };
    if let Some(unknown) = cells.iter().find(|cell| !allowed.contains(cell)) {
        return wrong(format!(
            "by: `{unknown}` is not in the closed list of `{name}`; allowed: {}",
            allowed.join(", ")
        ));
    }
    let distinct: BTreeSet<_> = cells.iter().collect();
    if cells.is_empty() || distinct.len() != cells.len() {
        return wrong(format!("by: list the cells of `{name}`, each once"));
    }
    Ok(())
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
    let total =
        Ratio::read(&bound.total).and_then(|total| total.steps(resolution)).filter(|steps| *steps > 0);
    total
        .map(|total| (names, total))
        .ok_or_else(|| QuestionError("at_most: total is a whole number of steps".into()))
}

fn admit_figure(
    draft: &QuestionDraft,
    measures: &[Measure],
    groupings: &[Grouping],
) -> Result<Figure, QuestionError> {
    let figure = &draft.figure;
    let named = |what: &str, name: &Option<String>| -> Result<String, QuestionError> {
        let name = name.clone().ok_or_else(|| QuestionError(format!("figure: `{what}` is missing")))?;
        if measures.iter().any(|measure| measure.name == name) {
            Ok(name)
        } else {
            wrong(format!("figure: there is no measure `{name}`"))
        }
    };
    let optional = |what: &str, name: &Option<String>| name.as_ref().map(|_| named(what, name)).transpose();
    let made = match figure.kind.as_str() {
        "count" => Figure::Count { of: named("of", &figure.of)? },
        "sum" => Figure::Sum { of: named("of", &figure.of)? },
        "mean" => Figure::Mean {
            of: named("of", &figure.of)?,
            count: named("count", &figure.count)?,
            square: optional("square", &figure.square)?,
        },
        "rate" => Figure::Rate { of: named("of", &figure.of)?, against: named("against", &figure.against)? },
        "histogram" if groupings.is_empty() => {
            return wrong("figure: a histogram needs a `by` to count over");
        }
        "histogram" => Figure::Histogram { of: named("of", &figure.of)? },
        "event" => {
            let fact = |name: &&String| groupings.iter().any(|by| by.is_member_fact && by.name == **name);
            if figure.contrast.as_ref().is_some_and(|name| !fact(&name)) {
                return wrong("figure: `contrast` names a member fact under `by`");
            }
            Figure::Event {
                count: named("count", &figure.count)?,
                mean: named("mean", &figure.mean)?,
                square: named("square", &figure.square)?,
                contrast: figure.contrast.clone(),
            }
        }
        other => {
            return wrong(format!("figure: `{other}` is none of count, sum, mean, rate, histogram, event"));
        }
    };
    Ok(made)
}

fn read_members(name: &str, text: &str) -> Result<BTreeSet<MemberId>, QuestionError> {
    let mut members = BTreeSet::new();
    for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        members.insert(id.parse().map_err(|error| QuestionError(format!("parameter `{name}`: {error}")))?);
    }
    if members.is_empty() {
        wrong(format!("parameter `{name}`: list member ids, separated by commas"))
    } else {
        Ok(members)
    }
}

fn read_days(name: &str, text: &str, most: usize, period: Period) -> Result<Vec<String>, QuestionError> {
    let days: Vec<&str> = text.split(',').map(str::trim).collect();
    for day in &days {
        let inside = Day::parse(day).is_some_and(|day| period.first() <= day && day <= period.last());
        if !inside {
            return wrong(format!(
                "parameter `{name}`: `{}` is no day of the period {period}",
                day.escape_debug()
            ));
        }
    }
    let distinct: BTreeSet<&&str> = days.iter().collect();
    if days.len() > most || distinct.len() != days.len() {
        return wrong(format!("parameter `{name}`: at most {most} days, each once"));
    }
    Ok(days.into_iter().map(str::to_owned).collect())
}

/// A Question with its parameters and period: what a Tally is computed from.
#[derive(Clone, PartialEq, Debug)]
pub struct BoundQuestion {
    question: Question,
    params: BTreeMap<String, String>,
    period: Period,
    values: BTreeMap<String, Bound>,
    members: BTreeMap<String, BTreeSet<MemberId>>,
}

impl BoundQuestion {
    /// The Question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Parameters as given.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// The days it is about.
    pub fn period(&self) -> Period {
        self.period
    }

    /// What is shown.
    pub fn figure(&self) -> &Figure {
        &self.question.figure
    }

    /// The measures, innermost in a cell's index.
    pub fn measures(&self) -> &[Measure] {
        &self.question.measures
    }

    /// The dimensions, row-major.
    pub fn groupings(&self) -> &[Grouping] {
        &self.question.groupings
    }

    /// Each group as (name, value) pairs, row-major as declared.
    pub fn groups(&self) -> Vec<Vec<(String, String)>> {
        let mut groups: Vec<Vec<(String, String)>> = vec![vec![]];
        for by in &self.question.groupings {
            let extend = |group: &Vec<(String, String)>| -> Vec<Vec<(String, String)>> {
                let with =
                    |cell: &String| group.iter().cloned().chain([(by.name.clone(), cell.clone())]).collect();
                by.cells.iter().map(with).collect()
            };
            groups = groups.iter().flat_map(extend).collect();
        }
        groups
    }

    /// Length of the vector: groups x measures.
    pub fn cells(&self) -> usize {
        self.question.groupings.iter().map(|by| by.cells.len()).product::<usize>()
            * self.question.measures.len()
    }

    /// Delta^2 in steps: what one person can change, exactly.
    ///
    /// Source: DATA section 6. A person is in one cell; measures under one `at_most` count together.
    pub fn sensitivity2(&self) -> u128 {
        let joint = self.question.at_most.as_ref();
        let alone = self
            .question
            .measures
            .iter()
            .filter(|m| !joint.is_some_and(|(names, _)| names.contains(&m.name)));
        let square = |steps: i64| u128::from(steps.unsigned_abs()).pow(2);
        let sum: u128 = alone.map(|measure| square(measure.low_steps).max(square(measure.high_steps))).sum();
        sum + joint.map_or(0, |(_, total)| square(*total))
    }

    /// `at_most`, as measure names and a total in steps.
    pub fn at_most(&self) -> Option<(&BTreeSet<String>, i64)> {
        self.question.at_most.as_ref().map(|(names, total)| (names, *total))
    }

    /// Columns it reads.
    pub fn columns(&self) -> BTreeSet<String> {
        self.question.columns.clone()
    }

    /// Columns it reads that tell of health, belief or need: a charter's purpose must name them.
    pub fn sensitive_columns(&self) -> BTreeSet<String> {
        let is_sensitive =
            |name: &String| self.question.vocabulary.column(name).is_some_and(|column| column.sensitive);
        self.question.columns.iter().filter(|name| is_sensitive(name)).cloned().collect()
    }

    /// Columns and member facts it splits by.
    pub fn group_by(&self) -> BTreeSet<String> {
        self.question.groupings.iter().map(|by| by.name.clone()).collect()
    }

    /// |low| of a cell's measure in steps: each member adds roll bound x this, to stay non-negative.
    pub fn offset_steps(&self, cell: usize) -> u64 {
        let measure = &self.question.measures[cell % self.question.measures.len()];
        measure.low_steps.unsigned_abs()
    }

    /// The widest measure, high - low, in steps.
    pub fn span_steps_max(&self) -> u64 {
        let spans =
            self.question.measures.iter().map(|measure| measure.high_steps.abs_diff(measure.low_steps));
        spans.max().unwrap_or(0)
    }

    /// Parameters that list members.
    pub fn listed_params(&self) -> BTreeSet<&str> {
        self.members.keys().map(String::as_str).collect()
    }

    /// Every member that a parameter lists.
    pub fn listed_members(&self) -> BTreeSet<MemberId> {
        self.members.values().flatten().cloned().collect()
    }

    /// Members by value of each member fact the Question splits by: yes, then no.
    pub fn member_groups(&self, members: &[MemberId]) -> Vec<Vec<MemberId>> {
        let facts = self.question.groupings.iter().filter(|by| by.is_member_fact);
        facts
            .flat_map(|by| {
                let split = members.iter().cloned().partition(|id| self.has_fact(&by.name, id));
                let (yes, no): (Vec<MemberId>, Vec<MemberId>) = split;
                [yes, no]
            })
            .collect()
    }

    /// Whether a member is listed under a member fact.
    pub fn has_fact(&self, name: &str, member: &MemberId) -> bool {
        self.members.get(name).is_some_and(|members| members.contains(member))
    }

    /// The row filter as SQL, the period included; `None` when every row counts.
    pub fn filter_sql(&self) -> Option<String> {
        let scope = self.scope(&[], false);
        let written = self.question.filter.as_ref().map(|expr| scope.render(expr, &self.values));
        let period = self.question.vocabulary.date_column().map(|column| {
            let day = |day: Day| format!("CAST('{day}' AS DATE)");
            let name = sql::identifier(&column.name);
            format!("({name} BETWEEN {} AND {})", day(self.period.first()), day(self.period.last()))
        });
        let parts: Vec<String> = written.into_iter().chain(period).collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// Each measure as SQL over a unit's rows, in order.
    pub fn measures_sql(&self) -> Vec<String> {
        let entries: Vec<(String, Expr, String, String)> = self
            .measures()
            .iter()
            .map(|measure| {
                let clip = |steps| clip_text(steps, measure.resolution);
                (
                    measure.name.clone(),
                    measure.expr.clone(),
                    clip(measure.low_steps),
                    clip(measure.high_steps),
                )
            })
            .collect();
        let render = |(index, measure): (usize, &Measure)| {
            self.scope(&entries[..index], true).render(&measure.expr, &self.values)
        };
        self.measures().iter().enumerate().map(render).collect()
    }

    fn scope<'a>(&'a self, measures: &'a [(String, Expr, String, String)], grouped: bool) -> Scope<'a> {
        static NONE: BTreeMap<String, Type> = BTreeMap::new();
        Scope { vocabulary: &self.question.vocabulary, params: &NONE, measures, grouped }
    }
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
