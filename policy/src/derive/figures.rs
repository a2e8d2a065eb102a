//! Each kind of figure, cell by cell.

use std::collections::BTreeMap;

use super::estimate::{Estimate, Group, Sum, share};
use super::fixed::{half_width, hypot, norm, product, ratio, root, root_up};
use super::{FigureCell, FigureValue, fit, shown, shown_between};
use crate::question::{BoundQuestion, Grouping, Level, Ratio};

/// The name and value of a cell in each dimension.
pub(super) type Key = Vec<(String, String)>;

pub(super) fn plain(keys: &[Key], figures: impl Iterator<Item = Vec<FigureValue>>) -> Vec<FigureCell> {
    keys.iter().zip(figures).map(|(key, figures)| FigureCell { key: key.clone(), figures }).collect()
}

/// The rows of one grouping: groups that differ in it only stand in one row, in the order of its cells.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// How many groups stand in a row.
    pub(super) size: usize,
    stride: usize,
    groups: usize,
}

impl Rows {
    /// `None` when there is no such grouping.
    pub(super) fn over(question: &BoundQuestion, grouping: &str) -> Option<Self> {
        let by = question.groupings();
        let at = by.iter().position(|by| by.name == *grouping)?;
        let cells = |by: &[Grouping]| by.iter().map(|by| by.cells.len()).product();
        Some(Self { size: by[at].cells.len(), stride: cells(&by[at + 1..]), groups: cells(by) })
    }

    /// The first group of each row.
    pub(super) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.groups).filter(move |group| (group / self.stride).is_multiple_of(self.size))
    }

    /// The groups of the row that starts here.
    pub(super) fn row(self, start: usize) -> impl Iterator<Item = usize> {
        (0..self.size).map(move |step| start + step * self.stride)
    }

    /// The first group of the row that this group stands in.
    pub(super) fn start_of(self, group: usize) -> usize {
        group - (group / self.stride % self.size) * self.stride
    }

    /// The sum of each row by its first group; `None` of a row that holds none or does not fit.
    pub(super) fn totals(self, sums: &[Option<Sum>]) -> BTreeMap<usize, Sum> {
        let total = |start: usize| {
            self.row(start).try_fold(Sum { value: 0, error: 0 }, |total, at| total.plus((*sums.get(at)?)?))
        };
        self.starts().filter_map(|start| Some((start, total(start)?))).collect()
    }
}

/// Counts, if wanted, and shares of the row over one grouping.
pub(super) fn shares(
    question: &BoundQuestion,
    keys: &[Key],
    groups: &[Group<'_>],
    of: &str,
    over: &str,
    with_counts: bool,
) -> Vec<FigureCell> {
    let counts: Vec<Option<Sum>> = groups.iter().map(|group| group.sum(of)).collect();
    let each = share_of_rows(question, &counts, over);
    let figures = counts.iter().zip(each).map(|(count, share)| {
        let count = with_counts.then(|| shown("count", count.filter(Sum::is_shown).and_then(Estimate::of)));
        count.into_iter().chain([shown("share", share)]).collect()
    });
    plain(keys, figures)
}

/// Each count as a share of its row.
pub(super) fn share_of_rows(
    question: &BoundQuestion,
    counts: &[Option<Sum>],
    over: &str,
) -> Vec<Option<Estimate>> {
    let Some(rows) = Rows::over(question, over) else { return vec![None; counts.len()] };
    let totals = rows.totals(counts);
    let each = question.cells_per_unit();
    let of_row = |(at, count): (usize, &Option<Sum>)| {
        share((*count)?, *totals.get(&rows.start_of(at))?, rows.size, each)
    };
    counts.iter().enumerate().map(of_row).collect()
}

/// Each cell's level, and how the first cell of a grouping differs from each other.
pub(super) fn gap(
    question: &BoundQuestion,
    keys: &[Key],
    groups: &[Group<'_>],
    of: &Level,
    across: &str,
) -> Vec<FigureCell> {
    let levels = |group: &Group<'_>| match of {
        Level::Mean(mean) => group.means(mean),
        Level::Rate(rate) => vec![("rate".to_owned(), group.rate(rate))],
    };
    let levels: Vec<Vec<(String, Option<Estimate>)>> = groups.iter().map(levels).collect();
    let show = |row: &Vec<(String, Option<Estimate>)>| row.iter().map(|(name, e)| shown(name, *e)).collect();
    let mut cells = plain(keys, levels.iter().map(show));
    let named: Vec<String> =
        levels.first().map_or_else(Vec::new, |row| row.iter().map(|(name, _)| name.clone()).collect());
    let values = question.groupings().iter().find(|by| by.name == *across).map(|by| by.cells.as_slice());
    let Some([first, others @ ..]) = values else { return cells };
    for other in others {
        let each: Vec<Vec<(Key, Option<Estimate>)>> = (0..named.len())
            .map(|at| {
                let column: Vec<Option<Estimate>> =
                    levels.iter().map(|row| row.get(at).and_then(|(_, estimate)| *estimate)).collect();
                difference(question, keys, &column, across, (first, other))
            })
            .collect();
        let Some(keys) = each.first() else { continue };
        for (row, (key, _)) in keys.iter().enumerate() {
            let figures = named.iter().zip(&each).map(|(name, column)| {
                let label = difference_name(name);
                shown(&label, column.get(row).and_then(|(_, estimate)| *estimate))
            });
            cells.push(FigureCell { key: key.clone(), figures: figures.collect() });
        }
    }
    cells
}

/// What the difference of two figures of this name is called: of rates it is in percentage points.
pub fn difference_name(level: &str) -> String {
    match level.split_once(' ') {
        Some((_, measure)) => format!("difference {measure}"),
        None if level == "rate" => "rate difference".to_owned(),
        None => "difference".to_owned(),
    }
}

/// The difference of differences: with minus without; and where people are split true or false, the
/// gap between them, among members that took part if a contrast says who did.
pub(super) fn contrasts(
    question: &BoundQuestion,
    keys: &[Key],
    effects: &[Option<Estimate>],
    contrast: Option<&str>,
) -> Vec<(Key, Option<Estimate>)> {
    let mut cells = contrast
        .map_or_else(Vec::new, |contrast| difference(question, keys, effects, contrast, ("yes", "no")));
    for by in question.groupings().iter().filter(|by| !by.is_member_fact() && by.cells == ["true", "false"]) {
        let gaps = difference(question, keys, effects, &by.name, ("true", "false"));
        let took_part = |(key, _): &(Key, Option<Estimate>)| {
            key.iter().all(|(name, value)| Some(&**name) != contrast || value == "yes")
        };
        cells.extend(gaps.into_iter().filter(took_part));
    }
    cells
}

/// Whether a figure of this name is the difference of two others.
pub fn is_difference(name: &str) -> bool {
    name == "rate difference" || name == "difference" || name.starts_with("difference ")
}

/// For each row of a grouping, the effect where it is `plus` less the effect where it is `minus`.
pub(super) fn difference(
    question: &BoundQuestion,
    keys: &[Key],
    effects: &[Option<Estimate>],
    name: &str,
    (plus, minus): (&str, &str),
) -> Vec<(Key, Option<Estimate>)> {
    let cells = question.groupings().iter().find(|by| by.name == *name).map(|by| by.cells.as_slice());
    let at = |value: &str| cells.and_then(|cells| cells.iter().position(|cell| cell == value));
    let (Some(rows), Some(plus_at), Some(minus_at)) = (Rows::over(question, name), at(plus), at(minus))
    else {
        return vec![];
    };
    let label = format!("{plus} minus {minus}");
    let effect = |at: Option<usize>| effects.get(at?).copied().flatten();
    let of_row = |start: usize| {
        let key = keys
            .get(start)?
            .iter()
            .map(|(n, value)| (n.clone(), if n == name { label.clone() } else { value.clone() }));
        let (with, without) = (rows.row(start).nth(plus_at), rows.row(start).nth(minus_at));
        let estimate = effect(with).zip(effect(without)).and_then(|(a, b)| a.minus(b));
        Some((key.collect(), estimate))
    };
    rows.starts().filter_map(of_row).collect()
}

/// Quantiles of each row of bins, one cell a row.
///
/// The value is the first edge where the noisy cumulative count reaches qN. The range runs from the
/// lower edge of the first bin that is not surely too low to the upper edge of the last that is not
/// surely too high, so bins whose noisy counts fall below zero only widen it.
/// Source: DATA section 8, which takes 1.96 s sqrt(bins summed). Where we differ: N is noisy too, and
/// C_k - qN has variance s^2 (k (1 - q)^2 + (K - k) q^2), which is larger for the first bins.
pub(super) fn quantiles(
    question: &BoundQuestion,
    keys: &[Key],
    groups: &[Group<'_>],
    (of, across): (&str, &str),
    edges: &[Ratio],
    at: &[Ratio],
) -> Vec<FigureCell> {
    let counts: Vec<Option<Sum>> = groups.iter().map(|group| group.sum(of)).collect();
    let edges: Vec<i128> = edges.iter().map(|edge| edge.billionths()).collect();
    let Some(rows) = Rows::over(question, across) else { return vec![] };
    rows.starts()
        .map(|start| {
            let bins =
                rows.row(start).map(|at| counts.get(at).copied().flatten()).collect::<Option<Vec<Sum>>>();
            let key = keys[start].iter().filter(|(name, _)| name != across).cloned().collect();
            let figure = |q: &Ratio| {
                let range =
                    bins.as_deref().and_then(|bins| quantile(bins, &edges, *q, question.cells_per_unit()));
                shown_between(&quantile_name(*q), range, &edges)
            };
            FigureCell { key, figures: at.iter().map(figure).collect() }
        })
        .collect()
}

/// Such as `quantile 1/4`, in lowest terms.
pub(super) fn quantile_name(q: Ratio) -> String {
    let (mut a, mut b) = (q.numerator, q.denominator);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    format!("quantile {}/{}", q.numerator / a, q.denominator / a)
}

/// A value among edges, and the edges between which it lies: for noise, for chance, for both.
pub(super) struct Range {
    pub(super) value: i128,
    pub(super) noise: (i128, i128),
    pub(super) chance: (i128, i128),
    pub(super) both: (i128, i128),
}

/// `each`: in how many bins a person may be, so that many fewer people chance is of.
fn quantile(bins: &[Sum], edges: &[i128], q: Ratio, each: usize) -> Option<Range> {
    let total = bins.iter().try_fold(Sum { value: 0, error: 0 }, |sum, bin| sum.plus(*bin))?;
    let total = Some(total).filter(Sum::is_solid)?;
    let (above, below) = (i128::from(q.numerator), i128::from(q.denominator));
    let target = total.value.checked_mul(above)? / below;
    let mut cumulative: Vec<i128> = vec![0];
    for bin in bins {
        cumulative.push(cumulative.last()?.checked_add(bin.value)?);
    }
    let one = bins.first()?.error;
    let noise = (0..cumulative.len())
        .map(|k| half_width(rank_error(one, k, bins.len(), q)?))
        .collect::<Option<Vec<i128>>>()?;
    let spread = total.value.checked_mul(above.checked_mul(below - above)?)? / below.checked_mul(below)?;
    let chance = half_width(root(spread.checked_mul(i128::try_from(each).ok()?)?)?)?;
    let first = cumulative.iter().skip(1).position(|count| *count >= target)?;
    let between = |half: &dyn Fn(usize) -> Option<i128>| -> Option<(i128, i128)> {
        let mut range = None;
        for bin in 0..bins.len() {
            let not_low = cumulative[bin + 1].checked_add(half(bin + 1)?)? >= target;
            let not_high = cumulative[bin].checked_sub(half(bin)?)? <= target;
            if range.is_none() && not_low {
                range = Some((bin, bin));
            }
            if let Some((_, last)) = &mut range
                && not_high
            {
                *last = bin;
            }
        }
        range.map(|(low, high)| (edges[low], edges[high + 1]))
    };
    Some(Range {
        value: edges[first + 1],
        noise: between(&|k| Some(noise[k]))?,
        chance: between(&|_| Some(chance))?,
        both: between(&|k| hypot(noise[k], chance))?,
    })
}

/// Standard error of C_k - qN, of K bins with noise `one` each, rounded up.
pub(super) fn rank_error(one: i128, k: usize, bins: usize, q: Ratio) -> Option<i128> {
    let square = |n: i64| u128::from(n.unsigned_abs()).pow(2);
    let parts = square(q.denominator - q.numerator).checked_mul(u128::try_from(k).ok()?)?;
    let rest = square(q.numerator).checked_mul(u128::try_from(bins.checked_sub(k)?).ok()?)?;
    // In billionths, so that the division by q's denominator loses nothing that shows.
    let root = root_up(parts.checked_add(rest)?.checked_mul(1_000_000_000_000_000_000)?)?;
    product(one, root / i128::from(q.denominator) + 1)?.checked_add(1)
}

/// Mean, variance and standard deviation.
///
/// Source: DATA section 8. Where we differ: the delta method with exact gradients in place of a
/// bootstrap of 2,000 redraws: every member gets the same digits from integers alone, and a figure
/// whose count is under eight of its standard errors, where the two part, is suppressed.
pub(super) fn spread(group: &Group<'_>, count: &str, mean: &str, square: &str) -> Vec<FigureValue> {
    let variance = variance_of(group, count, mean, square);
    let sd = variance.filter(Sum::is_spread).and_then(|variance| {
        let sd = root(variance.value)?;
        Estimate::straight(sd, ratio(variance.error, sd.checked_mul(2)?)?)
    });
    vec![
        shown("mean", group.mean(mean, count, Some(square))),
        shown("variance", variance.and_then(Estimate::of)),
        shown("standard deviation", sd),
        shown("count", group.count(count)),
    ]
}

/// V = Q/N - m^2 with the standard error of its noise.
fn variance_of(group: &Group<'_>, count: &str, mean: &str, square: &str) -> Option<Sum> {
    let (n, x, q) = (group.sum(count)?, group.sum(mean)?, group.sum(square)?);
    let n = Some(n).filter(Sum::is_straight)?;
    fit::variance(n, x, q).map(|(variance, _)| variance)
}

/// sqrt(sum of (gradient x error)^2) / N, rounded up.
pub(super) fn propagated(parts: &[(i128, i128)], n: i128) -> Option<i128> {
    let each = parts.iter().map(|(slope, error)| product(*slope, *error)).collect::<Option<Vec<i128>>>()?;
    ratio(norm(&each)?, n)?.checked_add(1)
}
