//! A Question with a Query's parameters, choices and period: what a Tally is computed from.
//!
//! Choices travel as parameters with reserved names, so that a Query's entry, and what makes two
//! Queries the same one, need nothing new: `by.sen` = `yes` asks for an optional grouping,
//! `for.nc_year` = `7,8` narrows. A parameter's own name has no dot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::grouping::{check_cells_max, varying_cells};
use super::{
    DATES_MAX, Figure, Grouping, Measure, Narrowing, PERIODS, Question, QuestionDraft, QuestionError, Source,
    TEXT_BYTES_MAX, wrong,
};
use crate::id::MemberId;
use crate::lists;
use crate::sql::{Bound, Expr};
use crate::time::{Day, Period};

/// Before the name of an optional grouping.
const BY: &str = "by.";
/// Before the name of a narrowed column.
const FOR: &str = "for.";
/// Longest number of a parameter: what an f64 holds exactly.
const NUMBER_BYTES_MAX: usize = 15;

/// Whether a parameter is a choice of groupings or narrowings, not one that the Question declares.
pub fn is_choice(param: &str) -> bool {
    param.starts_with(BY) || param.starts_with(FOR)
}

/// Parameters in the one spelling that a Query takes, from what a person types: lists of days and of
/// members sorted, without spaces, each once. Others stay as they are.
pub fn tidy_params(draft: &QuestionDraft, params: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_list = |name: &String| {
        draft.param.get(name).is_some_and(|kind| matches!(kind.as_str(), "date" | "dates" | "members"))
    };
    let tidy = |(name, text): (&String, &String)| {
        (name.clone(), if is_list(name) { tidy_list(text) } else { text.clone() })
    };
    params.iter().map(tidy).collect()
}

impl Question {
    /// The parameters that carry a Query's choices: optional groupings asked for, and columns narrowed
    /// to some of their listed values. Of one choice there is one spelling.
    ///
    /// Errors: a grouping that is not there or always asked, a column that may not be narrowed, a value
    /// that is not listed.
    pub fn choices(
        &self,
        by: &[String],
        narrow: &BTreeMap<String, Vec<String>>,
    ) -> Result<BTreeMap<String, String>, QuestionError> {
        let mut params = BTreeMap::new();
        for name in by {
            self.optional_grouping(name)?;
            params.insert(format!("{BY}{name}"), "yes".to_owned());
        }
        for (column, values) in narrow {
            let listed = self.narrowing(column)?;
            if let Some(unknown) = values.iter().find(|value| !listed.values.contains(value)) {
                return wrong(not_listed(unknown, listed));
            }
            let kept: Vec<&str> =
                listed.values.iter().filter(|value| values.contains(value)).map(String::as_str).collect();
            if kept.is_empty() {
                return wrong(format!(
                    "for: name a value of `{column}`; allowed: {}",
                    listed.values.join(", ")
                ));
            }
            params.insert(format!("{FOR}{column}"), kept.join(","));
        }
        Ok(params)
    }

    fn optional_grouping(&self, name: &str) -> Result<&Grouping, QuestionError> {
        let optional = || self.groupings.iter().filter(|by| by.optional);
        optional().find(|by| by.name == *name).ok_or_else(|| {
            let names: Vec<&str> = optional().map(|by| by.name.as_str()).collect();
            let name = name.escape_debug();
            QuestionError(match names.as_slice() {
                [] => format!("there is no optional grouping `{name}`, nor any other"),
                names => format!("there is no optional grouping `{name}`; there are {}", names.join(", ")),
            })
        })
    }

    fn narrowing(&self, column: &str) -> Result<&Narrowing, QuestionError> {
        self.narrowings.iter().find(|narrowing| narrowing.column == *column).ok_or_else(|| {
            let names: Vec<&str> = self.narrowings.iter().map(|one| one.column.as_str()).collect();
            let column = column.escape_debug();
            QuestionError(match names.as_slice() {
                [] => format!("this question may not be narrowed by `{column}`, nor by anything else"),
                names => format!("this question may not be narrowed by `{column}`; by {}", names.join(", ")),
            })
        })
    }

    /// Binds parameters, choices among them, and period. Errors: a parameter missing, unknown or of
    /// another form; a period longer than the Question is made for.
    pub fn bind(
        &self,
        params: &BTreeMap<String, String>,
        period: Period,
    ) -> Result<BoundQuestion, QuestionError> {
        Arc::new(self.clone()).bind_shared(params, period)
    }

    /// As `bind`, where many Queries ask one Question: they share it.
    pub fn bind_shared(
        self: &Arc<Self>,
        params: &BTreeMap<String, String>,
        period: Period,
    ) -> Result<BoundQuestion, QuestionError> {
        self.check_period(period)?;
        let (groupings, narrowed) = self.read_choices(params)?;
        check_cells_max(groupings.iter(), self.measures.len())?;
        let own = |name: &&String| !is_choice(name);
        if let Some(unknown) = params.keys().filter(own).find(|name| !self.draft.param.contains_key(*name)) {
            return wrong(format!(
                "there is no parameter `{}`; declare it under `param`",
                unknown.escape_debug()
            ));
        }
        let waits = |name: &String| {
            self.groupings.iter().any(|by| by.is_member_fact() && by.optional && by.name == *name)
                && !groupings.iter().any(|by| by.name == *name)
        };
        let (mut values, mut members) = (BTreeMap::new(), BTreeMap::new());
        for (name, kind) in &self.draft.param {
            let text = match params.get(name) {
                Some(_) if waits(name) => {
                    return wrong(format!(
                        "parameter `{name}` is for the grouping `{name}`; ask for it with --by {name}"
                    ));
                }
                None if waits(name) => continue,
                Some(text) => text,
                None => {
                    return wrong(format!(
                        "the parameter `{name}` ({kind}) is missing; give --param {name}=..."
                    ));
                }
            };
            if kind == "members" {
                members.insert(name.clone(), read_members(name, text)?);
            } else {
                values.insert(name.clone(), read_value(name, kind, text, period)?);
            }
        }
        let cells_per_unit = self.cells_per_unit.min(varying_cells(&groupings));
        let figure = figure_of(&self.figure, &groupings);
        let question = Arc::clone(self);
        let params = params.clone();
        Ok(BoundQuestion {
            question,
            params,
            period,
            values,
            members,
            groupings,
            narrowed,
            figure,
            cells_per_unit,
        })
    }

    fn check_period(&self, period: Period) -> Result<(), QuestionError> {
        let name = self.draft.period.as_deref();
        let known = PERIODS.iter().find(|(known, _)| Some(*known) == name);
        let days = period.last().0 - period.first().0 + 1;
        match known {
            Some((name, most)) if days > *most => wrong(format!(
                "the period {period} has {days} days; this question is made for a {name}, at most {most} days, and its bounds would cut more: ask in parts"
            )),
            _ => Ok(()),
        }
    }

    fn read_choices(
        &self,
        params: &BTreeMap<String, String>,
    ) -> Result<(Vec<Grouping>, Vec<Narrowing>), QuestionError> {
        let mut by = vec![];
        let mut narrow = BTreeMap::new();
        for (name, value) in params {
            if let Some(name) = name.strip_prefix(BY) {
                by.push(name.to_owned());
            } else if let Some(column) = name.strip_prefix(FOR) {
                narrow.insert(column.to_owned(), value.split(',').map(str::to_owned).collect());
            }
        }
        // Of one choice there is one spelling: two would buy one answer twice.
        for (name, spelt) in self.choices(&by, &narrow)? {
            if params.get(&name) != Some(&spelt) {
                return wrong(format!("`{name}` is written `{spelt}`, in the order of the question's list"));
            }
        }
        let groupings =
            self.groupings.iter().filter(|grouping| !grouping.optional || by.contains(&grouping.name));
        let narrowed = narrow.into_iter().map(|(column, values)| Narrowing { column, values });
        Ok((groupings.cloned().collect(), narrowed.collect()))
    }
}

fn not_listed(value: &str, listed: &Narrowing) -> String {
    let (value, column) = (value.escape_debug(), &listed.column);
    format!(
        "for: `{value}` is no value that `{column}` may be narrowed to; allowed: {}",
        listed.values.join(", ")
    )
}

/// The figure, without a contrast whose grouping was not asked for.
fn figure_of(figure: &Figure, groupings: &[Grouping]) -> Figure {
    let mut figure = figure.clone();
    if let Figure::Event { contrast, .. } = &mut figure {
        *contrast = contrast.take().filter(|name| groupings.iter().any(|by| by.name == *name));
    }
    figure
}

/// A parameter that SQL may hold.
fn read_value(name: &str, kind: &str, text: &str, period: Period) -> Result<Bound, QuestionError> {
    match kind {
        "date" => Ok(Bound::Dates(read_days(name, text, 1, period)?)),
        "dates" => Ok(Bound::Dates(read_days(name, text, DATES_MAX, period)?)),
        "number" => read_number(name, text),
        "text" if text.len() > TEXT_BYTES_MAX => wrong(format!("parameter `{name}` is too long")),
        "text" => Ok(Bound::Text(text.to_owned())),
        list => match lists::named(list) {
            Some(values) if values.contains(&text) => Ok(Bound::Text(text.to_owned())),
            Some(values) => wrong(format!(
                "parameter `{name}`: `{}` is not in the list {list}; it has {}",
                text.escape_debug(),
                values.join(", ")
            )),
            None => wrong(format!("parameter `{name}`: there is no list `{list}`")),
        },
    }
}

/// A decimal number in its one spelling: no plus sign, no leading or trailing zeros to no purpose.
fn read_number(name: &str, text: &str) -> Result<Bound, QuestionError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "1"));
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let plain = all_digits(whole)
        && all_digits(part)
        && (whole == "0" || !whole.starts_with('0'))
        && !part.ends_with('0')
        && text != "-0";
    if !plain || text.len() > NUMBER_BYTES_MAX {
        return wrong(format!(
            "parameter `{name}`: `{}` is no plain number such as 12, -3 or 0.5, of at most {NUMBER_BYTES_MAX} signs",
            text.escape_debug()
        ));
    }
    Ok(Bound::Number(text.to_owned()))
}

/// The parts of a list, tidied: no spaces, sorted, each once.
fn tidy_list(text: &str) -> String {
    let parts: BTreeSet<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.into_iter().collect::<Vec<_>>().join(",")
}

/// Of one list there is one spelling: two would buy one answer twice.
fn check_spelling(name: &str, text: &str) -> Result<(), QuestionError> {
    let tidy = tidy_list(text);
    if tidy == text {
        Ok(())
    } else {
        wrong(format!(
            "parameter `{name}` is written `{}`: sorted, without spaces, each once",
            tidy.escape_debug()
        ))
    }
}

fn read_members(name: &str, text: &str) -> Result<BTreeSet<MemberId>, QuestionError> {
    let mut members = BTreeSet::new();
    for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        members.insert(id.parse().map_err(|error| QuestionError(format!("parameter `{name}`: {error}")))?);
    }
    if members.is_empty() {
        return wrong(format!("parameter `{name}`: list member ids, separated by commas"));
    }
    check_spelling(name, text)?;
    Ok(members)
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
    check_spelling(name, text)?;
    Ok(days.into_iter().map(str::to_owned).collect())
}

/// A Question with its parameters, choices and period: what a Tally is computed from.
#[derive(Clone, PartialEq, Debug)]
pub struct BoundQuestion {
    pub(super) question: Arc<Question>,
    params: BTreeMap<String, String>,
    period: Period,
    pub(super) values: BTreeMap<String, Bound>,
    members: BTreeMap<String, BTreeSet<MemberId>>,
    groupings: Vec<Grouping>,
    narrowed: Vec<Narrowing>,
    figure: Figure,
    cells_per_unit: usize,
}

impl BoundQuestion {
    /// The Question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Parameters as given, choices included.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// The days it is about.
    pub fn period(&self) -> Period {
        self.period
    }

    /// What is shown.
    pub fn figure(&self) -> &Figure {
        &self.figure
    }

    /// The measures, innermost in a cell's index.
    pub fn measures(&self) -> &[Measure] {
        &self.question.measures
    }

    /// The dimensions this Query has, row-major.
    pub fn groupings(&self) -> &[Grouping] {
        &self.groupings
    }

    /// What this Query is narrowed to.
    pub fn narrowed(&self) -> &[Narrowing] {
        &self.narrowed
    }

    /// L: in how many cells one person may count; beyond, the first L in cell order stay.
    pub fn cells_per_unit(&self) -> usize {
        self.cells_per_unit
    }

    /// Whether a person's rows can fall into more cells than may count.
    pub fn cuts_cells(&self) -> bool {
        self.cells_per_unit < varying_cells(&self.groupings)
    }

    /// Each group as (name, value) pairs, row-major as declared.
    pub fn groups(&self) -> Vec<Vec<(String, String)>> {
        let mut groups: Vec<Vec<(String, String)>> = vec![vec![]];
        for by in &self.groupings {
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
        self.groupings.iter().map(|by| by.cells.len()).product::<usize>() * self.question.measures.len()
    }

    /// Delta^2 in steps: what one person can change, exactly.
    ///
    /// Source: DATA section 6: L x the sum over measures of their greatest square. Measures under one
    /// `at_most` count together, with the lesser of its total squared and what their own clips allow.
    pub fn sensitivity2(&self) -> u128 {
        let joint = self.question.at_most.as_ref();
        let square = |steps: i64| u128::from(steps.unsigned_abs()).pow(2);
        let widest = |measure: &Measure| square(measure.low_steps).max(square(measure.high_steps));
        let is_joint = |measure: &&Measure| joint.is_some_and(|(names, _)| names.contains(&measure.name));
        let (together, alone): (Vec<&Measure>, Vec<&Measure>) =
            self.question.measures.iter().partition(is_joint);
        let sum = |measures: Vec<&Measure>| measures.into_iter().map(widest).sum::<u128>();
        let total = joint.map_or(0, |(_, total)| square(*total));
        (sum(alone) + sum(together).min(total)) * self.cells_per_unit as u128
    }

    /// `at_most`, as measure names and a total in steps.
    pub fn at_most(&self) -> Option<(&BTreeSet<String>, i64)> {
        self.question.at_most.as_ref().map(|(names, total)| (names, *total))
    }

    /// Columns it reads.
    pub fn columns(&self) -> BTreeSet<String> {
        let vocabulary = &self.question.vocabulary;
        let by = self.groupings.iter().filter_map(|by| match &by.source {
            Source::Sql(expr) => Some(expr),
            Source::Column | Source::Varying | Source::Member => None,
        });
        let measures = self.question.measures.iter().map(|measure| &measure.expr);
        let read = self.question.filter.iter().chain(measures).chain(by).flat_map(Expr::names);
        read.chain(self.group_by()).filter(|name| vocabulary.column(name).is_some()).collect()
    }

    /// Columns it reads that tell of health, belief or need: a charter's purpose must name them.
    pub fn sensitive_columns(&self) -> BTreeSet<String> {
        let vocabulary = &self.question.vocabulary;
        let is_sensitive = |name: &String| vocabulary.column(name).is_some_and(|column| column.sensitive);
        self.columns().into_iter().filter(is_sensitive).collect()
    }

    /// Columns and member facts it splits by, or is narrowed by, which shows the same. Of a grouping
    /// by SQL they are the columns that decide the cell.
    pub fn group_by(&self) -> BTreeSet<String> {
        let measures = &self.question.measures;
        let mut names: BTreeSet<String> = self.narrowed.iter().map(|one| one.column.clone()).collect();
        for by in &self.groupings {
            match &by.source {
                Source::Column | Source::Varying | Source::Member => {
                    names.insert(by.name.clone());
                }
                Source::Sql(expr) => {
                    for name in expr.names() {
                        match measures.iter().find(|measure| measure.name == name) {
                            Some(measure) => names.extend(measure.expr.names()),
                            None => {
                                names.insert(name);
                            }
                        }
                    }
                }
            }
        }
        names
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

    /// Whether a parameter takes any text or number: a value that changes next to nothing is easily
    /// found, so such a value tells no two Queries apart where their Rosters are compared.
    pub fn is_free_param(&self, name: &str) -> bool {
        let kind = self.question.draft.param.get(name).map(String::as_str);
        matches!(kind, Some("text" | "number"))
    }

    /// Every member that a parameter lists.
    pub fn listed_members(&self) -> BTreeSet<MemberId> {
        self.members.values().flatten().cloned().collect()
    }

    /// Members by value of each member fact the Question splits by: yes, then no.
    pub fn member_groups(&self, members: &[MemberId]) -> Vec<Vec<MemberId>> {
        let facts = self.groupings.iter().filter(|by| by.is_member_fact());
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
}
