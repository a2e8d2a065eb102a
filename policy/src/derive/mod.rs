//! From noisy sums to figures, each with its interval. Exact integers throughout (billionths), so every
//! member prints the same digits.
//!
//! `estimate` divides sums, `figures` and `fit` make each kind, `expect` says what a plan may expect.
//! Source: DATA section 8, ROUND section 7.

mod estimate;
mod expect;
mod figures;
mod fit;
mod fixed;

use estimate::{Estimate, Group};
use figures::{Key, Range, contrasts, gap, plain, quantiles, shares, spread};
use fit::fit;
use fixed::{decimal, display_step, exact_step, hypot, round_down, round_to, round_up};

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::query::NoiseScale;
use crate::question::{BoundQuestion, Figure};

pub use estimate::COUNT_MIN;
pub use expect::{Answerable, Cure, Expected, Forecast, expected, expected_chance, expected_noise};
pub use figures::{difference_name, is_difference};

/// In billionths: what rounding alone makes of a figure without noise. Chance rounds no such figure.
const EXACT_NOISE_MAX: i128 = 10_000;

/// Whether a figure is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// With its interval.
    Estimated,
    /// Too small or too noisy to show: never zero.
    Suppressed,
}

impl Status {
    /// The closed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Suppressed => "suppressed",
        }
    }
}

/// What the texts of a number were rounded from, in billionths of its unit: a comparison starts here, or it would
/// round twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unrounded {
    /// The estimate.
    pub value: i128,
    /// Lower end of the likely range.
    pub low: i128,
    /// Upper end.
    pub high: i128,
    /// Half-width of noise; of a bent interval the mean of both sides.
    pub noise: i128,
    /// Half-width of chance, where it is known or assumed.
    pub chance: Option<i128>,
}

impl Unrounded {
    /// The step that this number alone would be rounded to; of one without noise what rounding leaves of it.
    fn step(&self) -> Option<i128> {
        let half = self.value.checked_sub(self.low)?.max(self.high.checked_sub(self.value)?);
        Some(display_step(if self.noise <= EXACT_NOISE_MAX { self.noise } else { half }))
    }

    /// Written in steps: ends outwards, half-widths up and to a tenth of a step.
    fn written(&self, name: &str, assumed: bool, step: i128) -> Option<FigureValue> {
        let fine = (step / 10).max(1);
        let width = |half: i128| Some(decimal(round_up(half, fine)?, fine));
        Some(FigureValue {
            name: name.to_owned(),
            value: decimal(round_to(self.value, step)?, step),
            low: decimal(round_down(self.low, step)?, step),
            high: decimal(round_up(self.high, step)?, step),
            noise: width(self.noise)?,
            chance: match self.chance {
                Some(chance) => Some(width(chance)?),
                None => None,
            },
            chance_assumed: assumed,
            status: Status::Estimated,
            unrounded: Some(*self),
        })
    }
}

/// One number of a cell, as decimal text; every text is empty where it is suppressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureValue {
    /// Such as `mean`.
    pub name: String,
    /// The estimate, rounded to the noise.
    pub value: String,
    /// Lower end of the likely range (95 %, noise and chance).
    pub low: String,
    /// Upper end.
    pub high: String,
    /// Half-width of the privacy noise alone (95 %).
    pub noise: String,
    /// Half-width of ordinary chance alone, where squares were asked for or a spread is assumed.
    pub chance: Option<String>,
    /// Whether chance rests on the Question's own `pupil_sd` and not on what was released.
    pub chance_assumed: bool,
    /// Shown or not.
    pub status: Status,
    /// What these were rounded from; `None` where it is suppressed.
    pub unrounded: Option<Unrounded>,
}

/// All figures of one cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureCell {
    /// (grouping, value), as declared; a contrast says `yes minus no` or `true minus false`.
    pub key: Vec<(String, String)>,
    /// What is shown of it.
    pub figures: Vec<FigureValue>,
}

/// Everything a Release shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Cells in order, then contrasts.
    pub cells: Vec<FigureCell>,
}

/// The same figures of a member's own exact sums, in unscaled steps, for its own eyes: in full digits,
/// however few people they are of; suppressed is only what nobody is in. Chance is as in a Release.
pub fn exact(question: &BoundQuestion, sums: &[i64]) -> Figures {
    // Nobody's noise: each sum keeps the billionth by which errors are rounded up.
    derive(question, &NoiseScale { noise_std: NonZeroU32::MIN, doublings: 0 }, 0, sums)
}

/// Derives the figures. `sums` are in scaled steps, cells row-major, measures innermost.
pub fn derive(question: &BoundQuestion, noise: &NoiseScale, accepted: u32, sums: &[i64]) -> Figures {
    let keys = question.groups();
    let groups = groups(question, noise, accepted, sums);
    let each = |figures: &dyn Fn(&Group<'_>) -> Vec<FigureValue>| plain(&keys, groups.iter().map(figures));
    let mut cells = match question.figure() {
        Figure::Count { of } => each(&|group| vec![shown("count", group.count(of))]),
        Figure::Sum { of } => each(&|group| vec![shown("sum", group.total(of))]),
        Figure::Mean(mean) => each(&|group| {
            let means = group.means(mean).into_iter().map(|(name, estimate)| shown(&name, estimate));
            means.chain([shown("count", group.count(&mean.count))]).collect()
        }),
        Figure::Rate(rate) => each(&|group| vec![shown("rate", group.rate(rate))]),
        Figure::Gap { of, across } => gap(question, &keys, &groups, of, across),
        Figure::Histogram { of, over } => shares(question, &keys, &groups, of, over, true),
        Figure::Share { of, over } => shares(question, &keys, &groups, of, over, false),
        Figure::Quantile { of, across, edges, at } => {
            quantiles(question, &keys, &groups, (of, across), edges, at)
        }
        Figure::Transition { of, columns, .. } => shares(question, &keys, &groups, of, columns, true),
        Figure::Spread { count, mean, square } => each(&|group| spread(group, count, mean, square)),
        Figure::Fit(of) => each(&|group| fit(group, of)),
        Figure::Event { count, mean, square, contrast } => {
            let effects: Vec<Option<Estimate>> =
                groups.iter().map(|group| group.mean(mean, count, Some(square))).collect();
            let mut cells = plain(&keys, effects.iter().map(|effect| vec![shown("change", *effect)]));
            let differences = contrasts(question, &keys, &effects, contrast.as_deref());
            let cell = |(key, estimate): (Key, Option<Estimate>)| FigureCell {
                key,
                figures: vec![shown("difference", estimate)],
            };
            cells.extend(differences.into_iter().map(cell));
            cells
        }
    };
    align(question, &mut cells);
    Figures { cells }
}

/// Rounds what is drawn together to one step, so that its rows can be read against each other: the step of the
/// narrowest likely range among them. Source: UI section 4.
fn align(question: &BoundQuestion, cells: &mut [FigureCell]) {
    // Quantiles are written as their edges are.
    if matches!(question.figure(), Figure::Quantile { .. }) {
        return;
    }
    let is_gap = matches!(question.figure(), Figure::Gap { .. });
    // A gap stands beside the two levels that it lies between.
    let together = |name: &str| match is_gap && !is_difference(name) {
        true => difference_name(name),
        false => name.to_owned(),
    };
    let mut step_by_figure: BTreeMap<String, i128> = BTreeMap::new();
    for figure in cells.iter().flat_map(|cell| &cell.figures) {
        let Some(step) = figure.unrounded.as_ref().and_then(Unrounded::step) else { continue };
        let least = step_by_figure.entry(together(&figure.name)).or_insert(step);
        *least = step.min(*least);
    }
    for figure in cells.iter_mut().flat_map(|cell| &mut cell.figures) {
        let (Some(unrounded), Some(step)) = (figure.unrounded, step_by_figure.get(&together(&figure.name)))
        else {
            continue;
        };
        if let Some(written) = unrounded.written(&figure.name, figure.chance_assumed, *step) {
            *figure = written;
        }
    }
}

/// The sums of each group, row-major.
fn groups<'a>(
    question: &'a BoundQuestion,
    noise: &'a NoiseScale,
    accepted: u32,
    sums: &'a [i64],
) -> Vec<Group<'a>> {
    let width = question.measures().len();
    let firsts = question.groupings().first().map_or(1, |by| by.cells.len());
    let each_first = (sums.len() / width / firsts).max(1);
    let group = |(at, sums)| Group { question, noise, accepted, first: at / each_first, sums };
    sums.chunks(width).enumerate().map(group).collect()
}

fn suppressed(name: &str) -> FigureValue {
    FigureValue {
        name: name.to_owned(),
        value: String::new(),
        low: String::new(),
        high: String::new(),
        noise: String::new(),
        chance: None,
        chance_assumed: false,
        status: Status::Suppressed,
        unrounded: None,
    }
}

/// An estimate rounded to its noise, or that there is none.
fn shown(name: &str, estimate: Option<Estimate>) -> FigureValue {
    estimate.and_then(|estimate| rounded(name, estimate)).unwrap_or_else(|| suppressed(name))
}

fn rounded(name: &str, estimate: Estimate) -> Option<FigureValue> {
    let chance = estimate.chance.unwrap_or(0);
    let (below, above) = (hypot(estimate.below, chance)?, hypot(estimate.above, chance)?);
    let unrounded = Unrounded {
        value: estimate.value,
        low: estimate.value.checked_sub(below)?,
        high: estimate.value.checked_add(above)?,
        // Of a bent interval both sides together are twice the half-width.
        noise: estimate.below.checked_add(estimate.above)?.checked_add(1)? / 2,
        chance: estimate.chance,
    };
    unrounded.written(name, estimate.assumed, unrounded.step()?)
}

/// A value among edges, written as the edges are.
fn shown_between(name: &str, range: Option<Range>, edges: &[i128]) -> FigureValue {
    let step = exact_step(edges);
    let half = |(low, high): (i128, i128)| (high - low) / 2;
    let width = |half: i128| decimal(half, exact_step(&[half, step]));
    range.map_or_else(
        || suppressed(name),
        |range| FigureValue {
            name: name.to_owned(),
            value: decimal(range.value, step),
            low: decimal(range.both.0, step),
            high: decimal(range.both.1, step),
            noise: width(half(range.noise)),
            chance: Some(width(half(range.chance))),
            chance_assumed: false,
            status: Status::Estimated,
            unrounded: Some(Unrounded {
                value: range.value,
                low: range.both.0,
                high: range.both.1,
                noise: half(range.noise),
                chance: Some(half(range.chance)),
            }),
        },
    )
}

#[cfg(test)]
mod exact_tests;
#[cfg(test)]
mod expect_tests;
#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod tests;
