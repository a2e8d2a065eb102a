//! A straight line through people: slope, intercept and correlation out of six noisy sums.
//!
//! Source: DATA section 8. Where we differ: the delta method with exact gradients in place of a
//! bootstrap of 2,000 redraws, so that every member gets the same digits from integers alone. Near a
//! vanishing spread of x, where a line means nothing and the two methods part, the figure is
//! suppressed: a count or spread that divides is at least eight of its standard errors.

use super::estimate::{Estimate, Group, Sum};
use super::figures::propagated;
use super::fixed::{ONE, product, ratio, root};
use super::{FigureValue, shown};
use crate::question::FitOf;

/// V = Q/N - m^2 of sums N, X and of squares Q, with the standard error of its noise; and m.
pub(super) fn variance(n: Sum, x: Sum, q: Sum) -> Option<(Sum, i128)> {
    let mean = ratio(x.value, n.value)?;
    let square = product(mean, mean)?;
    let value = ratio(q.value, n.value)?.checked_sub(square)?;
    let parts = [(ONE, q.error), (mean.checked_mul(2)?, x.error), (square.checked_sub(value)?, n.error)];
    Some((Sum { value, error: propagated(&parts, n.value)? }, mean))
}

/// Sums of one cell and what follows from them.
struct Line {
    n: Sum,
    x: Sum,
    y: Sum,
    xx: Sum,
    xy: Sum,
    yy: Sum,
    mean_x: i128,
    mean_y: i128,
    spread_x: i128,
    spread_y: Sum,
    both: i128,
    slope: i128,
}

impl Line {
    fn new(group: &Group<'_>, of: &FitOf) -> Option<Self> {
        let n = Some(group.sum(&of.count)?).filter(Sum::is_straight)?;
        let (x, y) = (group.sum(&of.x)?, group.sum(&of.y)?);
        let (xx, xy, yy) = (group.sum(&of.xx)?, group.sum(&of.xy)?, group.sum(&of.yy)?);
        let (spread_x, mean_x) = variance(n, x, xx).filter(|(spread, _)| spread.is_spread())?;
        let (spread_y, mean_y) = variance(n, y, yy)?;
        let both = ratio(xy.value, n.value)?.checked_sub(product(mean_x, mean_y)?)?;
        let slope = ratio(both, spread_x.value)?;
        Some(Self { n, x, y, xx, xy, yy, mean_x, mean_y, spread_x: spread_x.value, spread_y, both, slope })
    }

    /// Gradients of the slope, x N and the spread of x: by XY, XX, X, Y, N.
    fn slope_gradients(&self) -> Option<[i128; 5]> {
        let twice = product(self.slope, self.mean_x)?.checked_mul(2)?;
        let square = product(self.slope, product(self.mean_x, self.mean_x)?)?;
        Some([
            ONE,
            self.slope.checked_neg()?,
            twice.checked_sub(self.mean_y)?,
            self.mean_x.checked_neg()?,
            product(self.mean_x, self.mean_y)?.checked_sub(square)?,
        ])
    }

    fn errors(&self) -> [i128; 5] {
        [self.xy.error, self.xx.error, self.x.error, self.y.error, self.n.error]
    }

    fn noise(&self, gradients: [i128; 5]) -> Option<i128> {
        let parts: Vec<(i128, i128)> = gradients.into_iter().zip(self.errors()).collect();
        propagated(&parts, self.n.value)
    }

    /// Standard error of chance of the slope: sqrt(residual variance / (spread of x x N)).
    fn slope_chance(&self) -> Option<i128> {
        let residual = self.spread_y.value.checked_sub(product(self.slope, self.both)?)?;
        // Noise can push it to nothing or below: it is never surer than its own noise.
        let residual = residual.max(self.spread_y.error);
        root(ratio(ratio(residual, self.spread_x)?, self.n.value)?)
    }

    fn slope_estimate(&self) -> Option<Estimate> {
        let noise = ratio(self.noise(self.slope_gradients()?)?, self.spread_x)?;
        Estimate::straight(self.slope, noise)?.with_chance(Some(self.slope_chance()?), false)
    }

    /// y where x is 0, both with their centres added back.
    fn intercept(&self, centre_x: i128, centre_y: i128) -> Option<Estimate> {
        let x = self.mean_x.checked_add(centre_x)?;
        let value = self.mean_y.checked_add(centre_y)?.checked_sub(product(self.slope, x)?)?;
        // d(intercept) = d(mean y) - x d(slope) - slope d(mean x).
        let by = self.slope_gradients()?;
        let leaned = |at: usize| ratio(product(x, by[at])?, self.spread_x)?.checked_neg();
        let of_count = product(self.slope, self.mean_x)?.checked_sub(self.mean_y)?;
        let gradients = [
            leaned(0)?,
            leaned(1)?,
            leaned(2)?.checked_sub(self.slope)?,
            leaned(3)?.checked_add(ONE)?,
            leaned(4)?.checked_add(of_count)?,
        ];
        let about = root(self.spread_x.checked_add(product(x, x)?)?)?;
        let chance = product(self.slope_chance()?, about)?;
        Estimate::straight(value, self.noise(gradients)?)?.with_chance(Some(chance), false)
    }

    /// Covariance over the root of both spreads. Noise can push it a little beyond 1: it stays as it is.
    fn correlation(&self) -> Option<Estimate> {
        let spread_y = Some(self.spread_y).filter(Sum::is_spread)?.value;
        let scale = root(product(self.spread_x, spread_y)?).filter(|scale| *scale > 0)?;
        let r = ratio(self.both, scale)?;
        let over = |value: i128, spread: i128| ratio(value, spread);
        let count_x = over(product(self.mean_x, self.mean_x)?.checked_sub(self.spread_x)?, self.spread_x)?;
        let count_y = over(product(self.mean_y, self.mean_y)?.checked_sub(spread_y)?, spread_y)?;
        let shared = product(self.mean_x, self.mean_y)?.checked_sub(self.both)?;
        let by_x = over(product(r, self.mean_x)?, self.spread_x)?.checked_sub(over(self.mean_y, scale)?)?;
        let by_y = over(product(r, self.mean_y)?, spread_y)?.checked_sub(over(self.mean_x, scale)?)?;
        let by_count = over(shared, scale)?.checked_sub(product(r, count_x.checked_add(count_y)?)? / 2)?;
        let parts = [
            (over(ONE, scale)?, self.xy.error),
            (over(r, self.spread_x)? / 2, self.xx.error),
            (over(r, spread_y)? / 2, self.yy.error),
            (by_x, self.x.error),
            (by_y, self.y.error),
            (by_count, self.n.error),
        ];
        let chance = ratio(ONE.checked_sub(product(r, r)?)?.max(0), root(self.n.value)?)?;
        Estimate::straight(r, propagated(&parts, self.n.value)?)?.with_chance(Some(chance), false)
    }
}

/// Slope, intercept and correlation of one cell.
pub(super) fn estimates(group: &Group<'_>, of: &FitOf) -> [(&'static str, Option<Estimate>); 3] {
    let line = Line::new(group, of);
    let line = line.as_ref();
    let (centre_x, centre_y) = (group.centre(&of.x), group.centre(&of.y));
    [
        ("slope", line.and_then(Line::slope_estimate)),
        ("intercept", line.and_then(|line| line.intercept(centre_x, centre_y))),
        ("correlation", line.and_then(Line::correlation)),
    ]
}

/// A cell's line, and how many people it is of.
pub(super) fn fit(group: &Group<'_>, of: &FitOf) -> Vec<FigureValue> {
    let line = estimates(group, of).map(|(name, estimate)| shown(name, estimate));
    line.into_iter().chain([shown("count", group.count(&of.count))]).collect()
}
