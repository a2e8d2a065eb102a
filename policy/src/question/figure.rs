//! What a Question shows: the closed list of figures, and which of a figure's fields belong to it.

use std::collections::BTreeSet;

use super::{FigureDraft, Grouping, Measure, QuestionError, Ratio, wrong};
use crate::sql::Expr;

/// Most quantiles of one Question.
const QUANTILES_MAX: usize = 9;

/// How much each: X / N, the centre added back. Names are measures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeanOf {
    /// The sums.
    pub of: Vec<String>,
    /// The count.
    pub count: String,
    /// The sum of squares, for ordinary chance; of one sum only.
    pub square: Option<String>,
    /// What the sum of several means is called.
    pub together: Option<String>,
}

/// What a rate is a part of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whole {
    /// A of A + B, or of A + B + C; these are the others.
    Against(Vec<String>),
    /// A of P; this is P, which holds A.
    Over(String),
}

/// A part of a whole. Names are measures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RateOf {
    /// A.
    pub of: String,
    /// What of.
    pub whole: Whole,
}

/// What a gap is between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Level {
    /// Means.
    Mean(MeanOf),
    /// Rates.
    Rate(RateOf),
}

/// The six sums of a linear fit. Names are measures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FitOf {
    /// How many.
    pub count: String,
    /// What explains.
    pub x: String,
    /// What is explained.
    pub y: String,
    /// x squared.
    pub xx: String,
    /// x times y.
    pub xy: String,
    /// y squared.
    pub yy: String,
}

/// What is shown. Names are measures, or groupings where it says so.
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
    Mean(MeanOf),
    /// A part of a whole.
    Rate(RateOf),
    /// Means or rates, and how the first cell of a grouping differs from each other.
    Gap {
        /// What is compared.
        of: Level,
        /// The grouping.
        across: String,
    },
    /// Counts and shares over the last grouping that every Query has.
    Histogram {
        /// The count.
        of: String,
        /// That grouping.
        over: String,
    },
    /// Shares over the last grouping that every Query has.
    Share {
        /// The count.
        of: String,
        /// That grouping.
        over: String,
    },
    /// Values that a part of the people do not exceed.
    Quantile {
        /// The count.
        of: String,
        /// The grouping of bins.
        across: String,
        /// Edges of the bins, rising, one more than there are bins.
        edges: Vec<Ratio>,
        /// Which quantiles, between 0 and 1.
        at: Vec<Ratio>,
    },
    /// Counts, and shares of where people with one start arrive.
    Transition {
        /// The count.
        of: String,
        /// The grouping people start from.
        rows: String,
        /// The grouping people arrive in.
        columns: String,
    },
    /// Mean, variance and standard deviation.
    Spread {
        /// The count.
        count: String,
        /// The sum.
        mean: String,
        /// The sum of squares.
        square: String,
    },
    /// A straight line: slope, intercept, correlation.
    Fit(FitOf),
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

/// Checks a draft's figure. Errors: a kind, measure or grouping that is not there, a field that belongs
/// to another kind, a count that counts no people, or a square that is none.
pub(super) fn admit_figure(
    draft: &FigureDraft,
    measures: &[Measure],
    groupings: &[Grouping],
) -> Result<Figure, QuestionError> {
    let mut fields = Fields { rest: draft.clone(), measures, groupings };
    let (made, takes) = match draft.kind.as_str() {
        "count" => (Figure::Count { of: fields.one_counting()? }, "of"),
        "sum" => (Figure::Sum { of: fields.one()? }, "of"),
        "mean" => (Figure::Mean(fields.mean()?), "of, count, square, together"),
        "rate" => (Figure::Rate(fields.rate()?), "of and either against or over"),
        "gap" => (fields.gap()?, "the fields of a mean or a rate, and across"),
        "histogram" => {
            let over = fields.last_grouping()?;
            (Figure::Histogram { of: fields.one_counting()?, over }, "of")
        }
        "share" => {
            let over = fields.last_grouping()?;
            (Figure::Share { of: fields.one_counting()?, over }, "of")
        }
        "quantile" => (fields.quantile()?, "of, across, edges, at"),
        "transition" => (fields.transition()?, "of, rows, columns"),
        "spread" => (fields.spread()?, "count, mean, square"),
        "fit" => (fields.fit()?, "count, x, y, xx, xy, yy"),
        "event" => (fields.event()?, "count, mean, square, contrast"),
        other => {
            return wrong(format!(
                "figure: `{}` is none of count, sum, mean, rate, gap, histogram, share, quantile, transition, spread, fit, event",
                other.escape_debug()
            ));
        }
    };
    if fields.rest != (FigureDraft { kind: draft.kind.clone(), ..FigureDraft::default() }) {
        return wrong(format!("figure: a {} takes only {takes}", draft.kind));
    }
    Ok(made)
}

/// Fields of a figure that are not taken yet, and what they may name.
struct Fields<'a> {
    rest: FigureDraft,
    measures: &'a [Measure],
    groupings: &'a [Grouping],
}

impl Fields<'_> {
    fn measure(&self, what: &str, name: Option<String>) -> Result<String, QuestionError> {
        let name = name.ok_or_else(|| QuestionError(format!("figure: `{what}` is missing")))?;
        if self.measures.iter().any(|measure| measure.name == name) {
            Ok(name)
        } else {
            wrong(format!("figure: there is no measure `{}`", name.escape_debug()))
        }
    }

    /// The measure that is one measure times another, all of it: of another thing, or cut off below
    /// what the two allow, spreads and chance would come out smaller than they are.
    fn times(&self, what: &str, name: Option<String>, a: &str, b: &str) -> Result<String, QuestionError> {
        let name = self.measure(what, name)?;
        let find = |name: &str| self.measures.iter().find(|measure| measure.name == *name);
        let (Some(product), Some(left), Some(right)) = (find(&name), find(a), find(b)) else {
            return wrong(format!("figure: `{what}` is missing"));
        };
        let of = |a: &str, b: &str| {
            Expr::Binary("*", Box::new(Expr::Name(a.into())), Box::new(Expr::Name(b.into())))
        };
        if product.expr != of(a, b) && product.expr != of(b, a) {
            return wrong(format!(
                "figure: `{what}` is `{a}` times `{b}`; write the measure `{name}` as sql = \"{a} * {b}\", without a centre"
            ));
        }
        if holds_product(product, left, right) != Some(true) {
            return wrong(format!(
                "figure: the clamp of `{name}` cuts `{a} * {b}`; widen it to all that the clamps of `{a}` and `{b}` allow"
            ));
        }
        Ok(name)
    }

    /// A measure that counts people: of other things, or of one person several times, what is said of
    /// chance and of small groups would not be true.
    fn counting(&self, what: &str, name: Option<String>) -> Result<String, QuestionError> {
        let name = self.measure(what, name)?;
        match self.measures.iter().find(|measure| measure.name == name) {
            Some(measure) if measure.counts_people() => Ok(name),
            _ => wrong(format!(
                "figure: `{what}` counts people, each of whom adds 0 to 1; write clamp = [0, 1] for the measure `{name}`, or show it as a sum or a rate"
            )),
        }
    }

    /// `of`, one measure that counts people.
    fn one_counting(&mut self) -> Result<String, QuestionError> {
        let one = self.one()?;
        self.counting("of", Some(one))
    }

    /// `of`, one measure.
    fn one(&mut self) -> Result<String, QuestionError> {
        match self.several()?.as_slice() {
            [one] => Ok(one.clone()),
            _ => wrong(format!("figure: a {} is of one measure", self.rest.kind)),
        }
    }

    /// `of`, one measure or several, each once.
    fn several(&mut self) -> Result<Vec<String>, QuestionError> {
        let names = self.rest.of.take().map_or_else(Vec::new, |names| names.list().to_vec());
        let mut checked: Vec<String> = vec![];
        for name in names {
            let name = self.measure("of", Some(name))?;
            if checked.contains(&name) {
                return wrong(format!("figure: `of` names `{name}` twice"));
            }
            checked.push(name);
        }
        if checked.is_empty() { wrong("figure: `of` is missing") } else { Ok(checked) }
    }

    /// A grouping that every Query has.
    fn grouping(&self, what: &str, name: Option<String>) -> Result<String, QuestionError> {
        let name = name.ok_or_else(|| QuestionError(format!("figure: `{what}` is missing")))?;
        match self.groupings.iter().find(|by| by.name == name) {
            Some(by) if by.optional => {
                wrong(format!("figure: `{what}` needs the grouping `{name}`; remove its `optional`"))
            }
            Some(_) => Ok(name),
            None => wrong(format!(
                "figure: `{what}` names no grouping; write `{}` under `by`",
                name.escape_debug()
            )),
        }
    }

    fn last_grouping(&self) -> Result<String, QuestionError> {
        let last = self.groupings.iter().rev().find(|by| !by.optional).map(|by| by.name.clone());
        let kind = &self.rest.kind;
        last.ok_or_else(|| {
            QuestionError(format!(
                "figure: a {kind} counts over the last `by` that is not optional; write one"
            ))
        })
    }

    fn mean(&mut self) -> Result<MeanOf, QuestionError> {
        let of = self.several()?;
        let count = self.rest.count.take();
        let square = self.rest.square.take();
        let together = self.rest.together.take();
        if square.is_some() && of.len() > 1 {
            return wrong("figure: `square` belongs to a mean of one measure");
        }
        let plain =
            |name: &String| !name.is_empty() && name.len() <= 32 && !name.chars().any(char::is_control);
        if together.as_ref().is_some_and(|name| of.len() < 2 || !plain(name)) {
            return wrong("figure: `together` is a short name for the sum of several means");
        }
        let square = match (square, of.as_slice()) {
            (Some(square), [one]) => Some(self.times("square", Some(square), one, one)?),
            _ => None,
        };
        Ok(MeanOf { count: self.counting("count", count)?, square, of, together })
    }

    fn rate(&mut self) -> Result<RateOf, QuestionError> {
        let of = self.one()?;
        let whole = match (self.rest.against.take(), self.rest.over.take()) {
            (Some(names), None) => {
                let each = names.list().iter().map(|name| self.measure("against", Some(name.clone())));
                Whole::Against(each.collect::<Result<_, _>>()?)
            }
            (None, Some(name)) => Whole::Over(self.measure("over", Some(name))?),
            _ => return wrong("figure: a rate is `of` one measure, either `against` or `over` another"),
        };
        let others = match &whole {
            Whole::Against(others) => others.as_slice(),
            Whole::Over(whole) => std::slice::from_ref(whole),
        };
        let negative = |name: &String| self.measures.iter().any(|m| m.name == *name && m.low_steps < 0);
        let named: BTreeSet<&String> = others.iter().chain([&of]).collect();
        if others.is_empty() || named.len() != others.len() + 1 || named.into_iter().any(negative) {
            return wrong("figure: a rate is of two measures or more, each once, that are never negative");
        }
        Ok(RateOf { of, whole })
    }

    fn gap(&mut self) -> Result<Figure, QuestionError> {
        let across = self.rest.across.take();
        let across = self.grouping("across", across)?;
        if self.groupings.iter().any(|by| by.name == across && by.cells.len() < 2) {
            return wrong(format!("figure: a gap needs two cells of `{across}` or more"));
        }
        let of =
            if self.rest.count.is_some() { Level::Mean(self.mean()?) } else { Level::Rate(self.rate()?) };
        Ok(Figure::Gap { of, across })
    }

    fn quantile(&mut self) -> Result<Figure, QuestionError> {
        let of = self.one_counting()?;
        let across = self.rest.across.take();
        let across = self.grouping("across", across)?;
        let bins = self.groupings.iter().find(|by| by.name == across).map_or(0, |by| by.cells.len());
        let read = |list: Option<Vec<super::NumberText>>, what: &str| {
            let list = list.ok_or_else(|| QuestionError(format!("figure: `{what}` is missing")))?;
            list.iter()
                .map(Ratio::read)
                .collect::<Option<Vec<Ratio>>>()
                .ok_or_else(|| QuestionError(format!("figure: `{what}` is a list of numbers")))
        };
        let edges = read(self.rest.edges.take(), "edges")?;
        if edges.len() != bins + 1 || !edges.windows(2).all(|pair| pair[0].is_below(pair[1])) {
            return wrong(format!(
                "figure: `edges` rise, and there are {} of them for {bins} bins",
                bins + 1
            ));
        }
        let at = read(self.rest.at.take(), "at")?;
        let one = Ratio { numerator: 1, denominator: 1 };
        let inside = |q: &Ratio| Ratio::ZERO.is_below(*q) && q.is_below(one);
        if at.is_empty() || at.len() > QUANTILES_MAX || !at.iter().all(inside) {
            return wrong(format!(
                "figure: `at` has 1 to {QUANTILES_MAX} numbers between 0 and 1, such as \"1/2\""
            ));
        }
        Ok(Figure::Quantile { of, across, edges, at })
    }

    fn transition(&mut self) -> Result<Figure, QuestionError> {
        if self.rest.of.is_none() {
            self.rest.of = self.measures.first().map(|measure| super::Names::One(measure.name.clone()));
        }
        let of = self.one_counting()?;
        let (rows, columns) = (self.rest.rows.take(), self.rest.columns.take());
        let (rows, columns) = (self.grouping("rows", rows)?, self.grouping("columns", columns)?);
        if rows == columns {
            return wrong("figure: `rows` and `columns` are two groupings");
        }
        Ok(Figure::Transition { of, rows, columns })
    }

    fn spread(&mut self) -> Result<Figure, QuestionError> {
        let (count, mean, square) = (self.rest.count.take(), self.rest.mean.take(), self.rest.square.take());
        let count = self.counting("count", count)?;
        let mean = self.measure("mean", mean)?;
        let square = self.times("square", square, &mean, &mean)?;
        distinct("spread", &[&count, &mean, &square])?;
        Ok(Figure::Spread { count, mean, square })
    }

    fn fit(&mut self) -> Result<Figure, QuestionError> {
        let rest = &mut self.rest;
        let (count, x, y) = (rest.count.take(), rest.x.take(), rest.y.take());
        let (xx, xy, yy) = (rest.xx.take(), rest.xy.take(), rest.yy.take());
        let (count, x, y) = (self.counting("count", count)?, self.measure("x", x)?, self.measure("y", y)?);
        distinct("fit", &[&count, &x, &y])?;
        let fit = FitOf {
            xx: self.times("xx", xx, &x, &x)?,
            xy: self.times("xy", xy, &x, &y)?,
            yy: self.times("yy", yy, &y, &y)?,
            count,
            x,
            y,
        };
        distinct("fit", &[&fit.count, &fit.x, &fit.y, &fit.xx, &fit.xy, &fit.yy])?;
        Ok(Figure::Fit(fit))
    }

    fn event(&mut self) -> Result<Figure, QuestionError> {
        let contrast = self.rest.contrast.take();
        let fact = |name: &String| self.groupings.iter().any(|by| by.is_member_fact() && by.name == *name);
        if contrast.as_ref().is_some_and(|name| !fact(name)) {
            return wrong("figure: `contrast` names a member fact under `by`");
        }
        let (count, mean, square) = (self.rest.count.take(), self.rest.mean.take(), self.rest.square.take());
        let mean = self.measure("mean", mean)?;
        let square = self.times("square", square, &mean, &mean)?;
        Ok(Figure::Event { count: self.counting("count", count)?, mean, square, contrast })
    }
}

/// Whether a clip holds each product of two clipped values; `None` where that is beyond 128 bits.
fn holds_product(product: &Measure, a: &Measure, b: &Measure) -> Option<bool> {
    let step = |measure: &Measure| i128::from(measure.resolution.numerator);
    let parts = |measure: &Measure| i128::from(measure.resolution.denominator);
    let below = parts(a).checked_mul(parts(b))?;
    let bound = |steps: i64| i128::from(steps).checked_mul(step(product))?.checked_mul(below);
    let (low, high) = (bound(product.low_steps)?, bound(product.high_steps)?);
    let scale = step(a).checked_mul(step(b))?.checked_mul(parts(product))?;
    let square = a.name == b.name;
    for left in [a.low_steps, a.high_steps] {
        for right in [b.low_steps, b.high_steps] {
            let right = if square { left } else { right };
            let corner = i128::from(left).checked_mul(i128::from(right))?.checked_mul(scale)?;
            if corner < low || high < corner {
                return Some(false);
            }
        }
    }
    Some(true)
}

/// Sums whose noise is taken to be independent are different sums.
fn distinct(kind: &str, names: &[&String]) -> Result<(), QuestionError> {
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted.len() == names.len() {
        Ok(())
    } else {
        wrong(format!("figure: a {kind} is of different measures"))
    }
}
