//! An asker's own SQL, turned into a Question: the part of SQL that is a vector of bounded sums. What
//! lies outside is refused with what to write instead, and what it means here is said back in words.
//!
//! Source: DATA section 6. Means are over people, not rows: each person counts once, with the mean of
//! their own rows, or one person with many rows could move a figure by more than the clip allows.

mod bounds;
mod lex;

use std::collections::BTreeMap;

use crate::question::{QuestionDraft, QuestionError};
use crate::sql::{self, Expr};
use crate::vocabulary::{Column, Kind, Unit, Vocabulary};
use bounds::{Fraction, Range, range_of};
use lex::{Clauses, Item};

/// Longest SQL of an asker in bytes: one SELECT over one table needs less.
pub const ADHOC_BYTES_MAX: usize = 4_000;
/// Default loss, billionths of rho: that of most questions of the catalogue.
pub const ADHOC_LOSS: u64 = 5_000_000;
/// Grid steps from the middle of a mean's range to its end.
const MEAN_STEPS: i64 = 20;
/// Grid steps of the count beside a mean: half as many is near best (DATA section 6).
const COUNT_STEPS: i64 = 10;
/// Grid steps of a sum of numbers with decimals.
const SUM_STEPS: i64 = 256;
/// Without a word of the asker, a difference of this part of a mean's range is taken to matter.
const MATTERS_PART: i64 = 20;

/// Rows one person may have at most, by vocabulary and period: import refuses more (DATA section 1).
const ROWS_MAX: [(&str, [(&str, i64); 5]); 4] = [
    ("attendance/1", [("day", 2), ("week", 10), ("half_term", 80), ("term", 160), ("year", 380)]),
    ("attainment/1", [("day", 96), ("week", 96), ("half_term", 96), ("term", 96), ("year", 96)]),
    ("behaviour/1", [("day", 20), ("week", 20), ("half_term", 20), ("term", 20), ("year", 60)]),
    ("vcse_outcomes/1", [("day", 132), ("week", 132), ("half_term", 132), ("term", 132), ("year", 132)]),
];
/// The most one person's column may sum to, whatever the rows (DATA section 1).
const SUM_MAX: [(&str, &str, i64); 2] =
    [("vcse_participation/1", "hours", 200), ("behaviour/1", "sessions_lost", 90)];

/// A Question made of SQL.
#[derive(Clone, Debug)]
pub struct AdHoc {
    /// Its TOML, to keep and to change.
    pub toml: String,
    /// The same, read.
    pub draft: QuestionDraft,
    /// What it means here, a sentence each.
    pub words: Vec<String>,
}

fn wrong<T>(text: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError(text.into()))
}

/// Makes a Question of one SELECT. `period` is a kind such as `half_term`, and bounds how many rows a
/// person may have; `matters` is the difference worth noticing, if the asker says one.
///
/// Errors: what is outside the subset, and what to write instead.
pub fn compile(
    text: &str,
    vocabularies: &[&Vocabulary],
    period: &str,
    matters: Option<&str>,
) -> Result<AdHoc, QuestionError> {
    if text.len() > ADHOC_BYTES_MAX {
        return wrong(format!("{} bytes of SQL; at most {ADHOC_BYTES_MAX}", text.len()));
    }
    let clauses = lex::clauses(text).map_err(QuestionError)?;
    let vocabulary = find(&clauses.from, vocabularies)?;
    // Rows without dates are those of a year.
    let period = if vocabulary.date_column().is_some() { period } else { "year" };
    let filter = clauses.filter.as_deref().map(sql::parse).transpose();
    let filter = filter.map_err(|error| QuestionError(format!("WHERE: {error}")))?;
    let groups = clauses.group_by.iter().map(|name| grouping(name, vocabulary, filter.as_ref()));
    let groups: Vec<Split> = groups.collect::<Result<_, _>>()?;
    let asked = asked(&clauses, vocabulary)?;
    let made = Maker { vocabulary, period, filtered: filter.is_some() }.make(&asked)?;
    write(&made, &clauses, vocabulary, period, &groups, matters)
}

fn find<'a>(from: &str, vocabularies: &[&'a Vocabulary]) -> Result<&'a Vocabulary, QuestionError> {
    let named = |vocabulary: &&&Vocabulary| {
        vocabulary.name() == from || vocabulary.name().split('/').next() == Some(from)
    };
    if let Some(found) = vocabularies.iter().find(named) {
        return Ok(found);
    }
    let names: Vec<&str> = vocabularies.iter().map(|v| v.name().split('/').next().unwrap_or("")).collect();
    wrong(format!("FROM: there is no vocabulary `{from}`; there are {}", names.join(", ")))
}

/// One grouping: a column and its cells.
struct Split {
    name: String,
    cells: Vec<String>,
    /// A person may stand in this many of them.
    each: usize,
}

fn grouping(name: &str, vocabulary: &Vocabulary, filter: Option<&Expr>) -> Result<Split, QuestionError> {
    let Some(column) = vocabulary.column(name) else {
        let splits = vocabulary.columns().iter().filter(|column| column.group);
        let names: Vec<&str> = splits.map(|column| column.name.as_str()).collect();
        return wrong(format!(
            "GROUP BY: there is no column `{name}`; write a column of {}: {}",
            vocabulary.name(),
            names.join(", ")
        ));
    };
    if !column.group {
        return wrong(format!(
            "GROUP BY: results may not be split by `{name}`; its vocabulary has no closed list for it, or it is private"
        ));
    }
    let all = match column.kind {
        Kind::Bool => vec!["true".to_owned(), "false".to_owned()],
        Kind::Text | Kind::Number | Kind::Integer | Kind::Date => column.values.clone(),
    };
    let kept = filter.and_then(|filter| listed(filter, name));
    let cells: Vec<String> = match kept {
        Some(kept) => all.into_iter().filter(|cell| kept.contains(cell)).collect(),
        None => all,
    };
    if cells.is_empty() {
        return wrong(format!("WHERE leaves no value of `{name}` to group by"));
    }
    let each = if column.varies { cells.len() } else { 1 };
    Ok(Split { name: name.to_owned(), cells, each })
}

/// The values that a filter leaves of a column, where it says so outright.
fn listed(filter: &Expr, name: &str) -> Option<Vec<String>> {
    let texts = |items: &[Expr]| -> Option<Vec<String>> {
        let text = |item: &Expr| if let Expr::Text(text) = item { Some(text.clone()) } else { None };
        items.iter().map(text).collect()
    };
    let is_it = |expr: &Expr| matches!(expr, Expr::Name(found) if found == name);
    if is_it(filter) {
        return Some(vec!["true".to_owned()]);
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few forms out of many")]
    match filter {
        Expr::Binary("AND", a, b) => listed(a, name).or_else(|| listed(b, name)),
        Expr::Binary("=", a, b) if is_it(a) => texts(std::slice::from_ref(b)),
        Expr::In(a, items, false) if is_it(a) => texts(items),
        Expr::Not(a) if is_it(a) => Some(vec!["false".to_owned()]),
        _ => None,
    }
}

/// What one item of SELECT asks for.
enum Asked {
    /// How many people.
    People,
    /// A mean over people.
    Mean(Expr),
    /// A sum over people: of a person's rows, or of an expression of them.
    Sum(Expr, Option<Range>),
    /// One sum over another.
    Rate(Expr, Expr),
}

fn asked(clauses: &Clauses, vocabulary: &Vocabulary) -> Result<Vec<Asked>, QuestionError> {
    let mut all = vec![];
    for item in &clauses.select {
        match item {
            Item::Plain(name) if clauses.group_by.contains(name) => {}
            Item::Plain(name) if vocabulary.column(name).is_some() => {
                return wrong(format!(
                    "SELECT: `{name}` stands alone, so it would show single rows; add GROUP BY {name}, or write AVG({name})"
                ));
            }
            Item::Plain(name) => return wrong(format!("SELECT: there is no column `{name}`")),
            Item::People(name) => {
                let unit = match vocabulary.unit() {
                    Unit::Column(unit) => unit.as_str(),
                    Unit::Row => "unit",
                };
                if name != unit && name != "unit" {
                    return wrong(format!(
                        "COUNT(DISTINCT {name}): only people can be counted once; write COUNT(DISTINCT {unit}), or GROUP BY {name}"
                    ));
                }
                all.push(Asked::People);
            }
            Item::Expression(text) => all.push(read_item(text)?),
        }
    }
    if all.is_empty() {
        return wrong("SELECT: nothing is summed; add COUNT(*), COUNT(DISTINCT ..), SUM(..) or AVG(..)");
    }
    Ok(all)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few forms out of many")]
fn read_item(text: &str) -> Result<Asked, QuestionError> {
    let expr = sql::parse(text).map_err(|error| QuestionError(format!("SELECT: {error}")))?;
    let is_sum = |expr: &Expr| matches!(expr, Expr::Aggregate("SUM" | "COUNT", ..));
    if let Some((inner, range)) = bounds::clamped(&expr)
        && inner.has_aggregate()
    {
        return match inner {
            Expr::Aggregate("AVG", ..) => Ok(Asked::Mean(expr)),
            _ => Ok(Asked::Sum(inner.clone(), Some(range))),
        };
    }
    match &expr {
        Expr::Aggregate("AVG", ..) => Ok(Asked::Mean(expr)),
        Expr::Aggregate("SUM" | "COUNT", ..) => Ok(Asked::Sum(expr, None)),
        Expr::Aggregate(word, ..) => wrong(format!(
            "{word} would show one person; ask for quantiles instead: datacoop questions show attainment-quartiles --toml"
        )),
        Expr::Binary("/", a, b) if is_sum(a) && is_sum(b) => Ok(Asked::Rate((**a).clone(), (**b).clone())),
        other if other.has_aggregate() => wrong(format!(
            "SELECT: `{text}` mixes sums in a way that is no bounded sum; write COUNT, SUM, AVG, or SUM(..) / SUM(..), and calculate further with the answer"
        )),
        _ => wrong(format!("SELECT: `{text}` sums nothing; write AVG({text}) or SUM({text})")),
    }
}

/// A measure as TOML will have it.
struct Made {
    name: String,
    sql: String,
    centre: Option<Fraction>,
    range: Range,
    step: Fraction,
}

/// The measures, the figure, and what it all means.
struct Figure {
    measures: Vec<Made>,
    figure: String,
    words: Vec<String>,
    matters: String,
    title: String,
}

struct Maker<'a> {
    vocabulary: &'a Vocabulary,
    period: &'a str,
    filtered: bool,
}

impl Maker<'_> {
    fn make(&self, asked: &[Asked]) -> Result<Figure, QuestionError> {
        match asked {
            [Asked::People] => Ok(self.people()),
            [Asked::Sum(expr, range)] => self.sum(expr, *range),
            [Asked::Rate(above, below)] => self.rate(above, below),
            _ => {
                let means = asked.iter().filter(|one| !matches!(one, Asked::People));
                let means: Option<Vec<&Expr>> =
                    means.map(|one| if let Asked::Mean(expr) = one { Some(expr) } else { None }).collect();
                match means {
                    Some(means) => self.means(&means),
                    None => wrong(
                        "SELECT: only means stand side by side, with COUNT(DISTINCT ..); ask each sum, count or rate by itself",
                    ),
                }
            }
        }
    }

    /// What one person is called.
    fn person(&self) -> &'static str {
        match self.vocabulary.dataset() {
            "pupils" => "pupil",
            _ => "person",
        }
    }

    fn unused(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.vocabulary.column(&name).is_some() {
            name.push_str("_asked");
        }
        name
    }

    /// The SQL of a measure: a person with one row has no aggregate over rows.
    fn measure_sql(&self, expr: &Expr) -> String {
        let single = *self.vocabulary.unit() == Unit::Row;
        if single { bounds::text(&bounds::of_one_row(expr)) } else { bounds::text(expr) }
    }

    fn people(&self) -> Figure {
        let name = self.unused("people");
        let person = self.person();
        let range = Range { low: Fraction::ZERO, high: Fraction::ONE };
        let made = Made { name: name.clone(), sql: "1".into(), centre: None, range, step: Fraction::ONE };
        Figure {
            measures: vec![made],
            figure: format!("{{ kind = \"count\", of = \"{name}\" }}"),
            words: vec![format!("each {person} with such rows counts once")],
            matters: "5 %".into(),
            title: format!("How many {person}s"),
        }
    }

    fn sum(&self, expr: &Expr, clamp: Option<Range>) -> Result<Figure, QuestionError> {
        let made = self.summed("total", expr, clamp)?;
        let person = self.person();
        // A count is of people; what one of them has several of is a sum.
        let once = made.range.low == Fraction::ZERO && made.range.high == Fraction::ONE;
        let counts = once && matches!(expr, Expr::Aggregate("COUNT", ..));
        let words = format!(
            "for each {person}: {}, clipped to {} to {}; these are added up",
            said(expr),
            made.range.low,
            made.range.high
        );
        Ok(Figure {
            figure: format!(
                "{{ kind = \"{}\", of = \"{}\" }}",
                if counts { "count" } else { "sum" },
                made.name
            ),
            measures: vec![made],
            words: vec![words],
            matters: "5 %".into(),
            title: format!("Sum over {person}s of {}", said(expr)),
        })
    }

    fn rate(&self, above: &Expr, below: &Expr) -> Result<Figure, QuestionError> {
        let (top, bottom) = (self.summed("above", above, None)?, self.summed("below", below, None)?);
        let person = self.person();
        let words = vec![
            format!("for each {person}: {}, clipped to 0 to {}", said(above), top.range.high),
            format!("for each {person}: {}, clipped to 0 to {}", said(below), bottom.range.high),
            "both are added up, and the first sum is divided by the second".to_owned(),
        ];
        if top.range.low < Fraction::ZERO || bottom.range.low < Fraction::ZERO {
            return wrong("SELECT: a rate is of sums that are never negative; write AVG(..) instead");
        }
        Ok(Figure {
            figure: format!("{{ kind = \"rate\", of = \"{}\", over = \"{}\" }}", top.name, bottom.name),
            measures: vec![top, bottom],
            words,
            matters: "1 pp".into(),
            title: format!("{} over {}", said(above), said(below)),
        })
    }

    /// A measure that is a person's sum or count.
    fn summed(&self, name: &str, expr: &Expr, clamp: Option<Range>) -> Result<Made, QuestionError> {
        let range = match clamp {
            Some(range) => range,
            None => self.sum_range(expr)?,
        };
        let (low, high) = (range.low.min(Fraction::ZERO), range.high.max(Fraction::ZERO));
        let whole = self.is_whole(expr);
        let widest = high.max(low.negative());
        let step = if whole { Fraction::ONE } else { widest.over(SUM_STEPS).unwrap_or(Fraction::ONE) };
        Made::new(self.unused(name), self.measure_sql(expr), None, Range { low, high }, step)
    }

    /// What a person's sum may be: the bounds of a row times the most rows.
    fn sum_range(&self, expr: &Expr) -> Result<Range, QuestionError> {
        let Expr::Aggregate(word, inner, _) = expr else {
            return wrong(format!("SELECT: give bounds: CLAMP({}, 0, 100)", bounds::text(expr)));
        };
        let one = match (*word, inner) {
            ("COUNT", _) | (_, None) => Range { low: Fraction::ZERO, high: Fraction::ONE },
            (_, Some(inner)) => {
                if let Expr::Name(column) = &**inner
                    && let Some((.., most)) =
                        SUM_MAX.iter().find(|(v, c, _)| *v == self.vocabulary.name() && c == column)
                {
                    return Ok(Range { low: Fraction::ZERO, high: Fraction::whole(*most) });
                }
                self.bounded(inner)?
            }
        };
        let Some(rows) = self.rows_max() else {
            return wrong(format!(
                "a {} may have any number of rows in {}; give bounds: CLAMP({}, 0, 100)",
                self.person(),
                self.vocabulary.name(),
                bounds::text(expr)
            ));
        };
        let rows = Fraction::whole(rows);
        let range = one.low.times(rows).zip(one.high.times(rows)).map(|(low, high)| Range { low, high });
        range.ok_or_else(|| QuestionError("SELECT: its bounds are too large; use CLAMP".into()))
    }

    fn rows_max(&self) -> Option<i64> {
        let single = match self.vocabulary.unit() {
            Unit::Row => true,
            Unit::Column(unit) => self.vocabulary.key() == std::slice::from_ref(unit),
        };
        if single {
            return Some(1);
        }
        let (_, rows) = ROWS_MAX.iter().find(|(name, _)| *name == self.vocabulary.name())?;
        rows.iter().find(|(kind, _)| *kind == self.period).map(|(_, rows)| *rows)
    }

    /// Whether a sum can only be whole.
    fn is_whole(&self, expr: &Expr) -> bool {
        let Expr::Aggregate(word, inner, _) = expr else { return false };
        let integer =
            |name: &str| self.vocabulary.column(name).is_some_and(|column| column.kind == Kind::Integer);
        let plain = inner.as_deref().is_none_or(|inner| matches!(inner, Expr::Name(name) if integer(name)));
        *word == "COUNT" || plain
    }

    /// The bounds of a value of one row. Errors: a column without, and how to give them.
    fn bounded(&self, expr: &Expr) -> Result<Range, QuestionError> {
        let numbers: BTreeMap<&str, &Column> =
            self.vocabulary.columns().iter().map(|column| (column.name.as_str(), column)).collect();
        range_of(expr, &numbers).map_err(QuestionError)
    }

    fn means(&self, means: &[&Expr]) -> Result<Figure, QuestionError> {
        let person = self.person();
        let count = self.unused("people");
        let unit = Range { low: Fraction::ZERO, high: Fraction::ONE };
        let step = Fraction::ONE.over(COUNT_STEPS).unwrap_or(Fraction::ONE);
        let mut measures = vec![Made::new(count.clone(), "1".into(), None, unit, step)?];
        let (mut words, mut names, mut widest, mut titles) = (vec![], vec![], Fraction::ZERO, vec![]);
        for (at, expr) in means.iter().enumerate() {
            let (inner, range) = self.mean_range(expr)?;
            let name =
                self.unused(&if means.len() == 1 { "value".to_owned() } else { format!("value_{}", at + 1) });
            let half = range.high.less(range.low).and_then(|wide| wide.over(2));
            let half =
                half.ok_or_else(|| QuestionError("SELECT: its bounds are too large; use CLAMP".into()))?;
            let centre = range.low.plus(half).unwrap_or(Fraction::ZERO);
            let step = half.over(MEAN_STEPS).unwrap_or(Fraction::ONE);
            let around = Range { low: half.negative(), high: half };
            measures.push(Made::new(name.clone(), self.measure_sql(inner), Some(centre), around, step)?);
            words.push(format!(
                "for each {person}: {}, clipped to {} to {}; then the mean over {person}s",
                said(inner),
                range.low,
                range.high
            ));
            names.push(format!("\"{name}\""));
            titles.push(said(inner));
            widest = widest.max(half);
        }
        words.push(self.weighing());
        let of = if names.len() == 1 { names.concat() } else { format!("[{}]", names.join(", ")) };
        Ok(Figure {
            measures,
            figure: format!("{{ kind = \"mean\", of = {of}, count = \"{count}\" }}"),
            words,
            matters: widest.over(MATTERS_PART / 2).unwrap_or(Fraction::ONE).to_string(),
            title: format!("Mean over {person}s of {}", titles.join(" and of ")),
        })
    }

    /// How the answer differs from what a database would say.
    fn weighing(&self) -> String {
        let person = self.person();
        let left_out = if self.filtered { " that WHERE keeps" } else { "" };
        match self.vocabulary.unit() {
            Unit::Row => format!("a {person} without a value is left out"),
            Unit::Column(_) => format!(
                "each {person} weighs the same, however many rows{left_out} they have, and one without a value is left out"
            ),
        }
    }

    /// A mean's expression and the bounds of a person's mean.
    fn mean_range<'e>(&self, expr: &'e Expr) -> Result<(&'e Expr, Range), QuestionError> {
        if let Some((inner, range)) = bounds::clamped(expr) {
            return Ok((inner, range));
        }
        let Expr::Aggregate(_, Some(inner), _) = expr else {
            return wrong("AVG runs over one expression: AVG(column)");
        };
        Ok((expr, self.bounded(inner)?))
    }
}

impl Made {
    fn new(
        name: String,
        sql: String,
        centre: Option<Fraction>,
        range: Range,
        step: Fraction,
    ) -> Result<Self, QuestionError> {
        if range.low >= range.high || step <= Fraction::ZERO {
            return wrong(format!("`{sql}` can only be {}; there is nothing to ask", range.low));
        }
        Ok(Self { name, sql, centre, range, step })
    }

    fn toml(&self) -> String {
        let centre = self
            .centre
            .filter(|centre| *centre != Fraction::ZERO)
            .map_or(String::new(), |centre| format!(", centre = {}", centre.toml()));
        format!(
            "  {{ name = \"{}\", sql = {}{centre}, clamp = [{}, {}], resolution = {} }},\n",
            self.name,
            quoted(&self.sql),
            self.range.low.toml(),
            self.range.high.toml(),
            self.step.toml()
        )
    }
}

/// A TOML text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An aggregate in words.
fn said(expr: &Expr) -> String {
    let Expr::Aggregate(word, inner, filter) = expr else { return bounds::text(expr) };
    let only = filter.as_ref().map_or(String::new(), |filter| format!(" where {}", bounds::text(filter)));
    let spoken = |inner: &Expr| match bounds::clamped(inner) {
        Some((x, range)) => format!("{} (cut to {} to {})", bounds::text(x), range.low, range.high),
        None => bounds::text(inner),
    };
    let inner = inner.as_deref().map(spoken);
    match (*word, inner) {
        ("COUNT", None) => format!("the number of rows{only}"),
        ("COUNT", Some(inner)) => format!("the number of rows with {inner}{only}"),
        ("AVG", Some(inner)) => format!("the mean of {inner}{only}"),
        (_, Some(inner)) => format!("the sum of {inner}{only}"),
        (word, None) => word.to_lowercase(),
    }
}

fn write(
    made: &Figure,
    clauses: &Clauses,
    vocabulary: &Vocabulary,
    period: &str,
    groups: &[Split],
    matters: Option<&str>,
) -> Result<AdHoc, QuestionError> {
    let by: Vec<&str> = groups.iter().map(|split| split.name.as_str()).collect();
    let split = if by.is_empty() { String::new() } else { format!(", by {}", by.join(" and ")) };
    let each: usize = groups.iter().map(|split| split.each).product();
    let mut words = made.words.clone();
    if each > 1 {
        words.push(format!(
            "one person may stand in up to {each} of these groups, which makes the noise larger; keep fewer with WHERE .. IN (..)"
        ));
    }
    if !by.is_empty() {
        words.push(format!("each group of {} is answered, also an empty one", by.join(" and ")));
    }
    let mut toml = format!(
        "id = \"ad-hoc\"\nversion = 1\ntitle = {}\nvocabulary = \"{}\"\nperiod = \"{period}\"\n",
        quoted(&format!("{}{split}", made.title)),
        vocabulary.name()
    );
    if let Some(filter) = &clauses.filter {
        toml += &format!("where = {}\n", quoted(filter));
    }
    if each > 1 {
        toml += &format!("cells_per_unit = {each}\n");
    }
    toml += &format!(
        "figure = {}\nloss = {ADHOC_LOSS}\nmatters = {}\ncannot_tell = [\"why figures differ\", \"anything about one person or member\"]\nmeasure = [\n",
        made.figure,
        quoted(matters.unwrap_or(&made.matters)),
    );
    made.measures.iter().for_each(|measure| toml += &measure.toml());
    toml += "]\n";
    if !groups.is_empty() {
        let row = |split: &Split| {
            let cells: Vec<String> = split.cells.iter().map(|cell| quoted(cell)).collect();
            format!("  {{ column = \"{}\", cells = [{}] }},\n", split.name, cells.join(", "))
        };
        toml += &format!("by = [\n{}]\n", groups.iter().map(row).collect::<String>());
    }
    let draft = QuestionDraft::from_toml(&toml)?;
    Ok(AdHoc { toml, draft, words })
}

#[cfg(test)]
mod tests;
