//! Sums with the noise in them, and what is divided out of them.
//!
//! Source: DATA section 8. Where a denominator is under eight of its standard errors the interval is
//! Fieller's, for numerators that share noise with it too; under four it is suppressed.

use super::fixed::{ONE, half_width, hypot, norm, product, ratio, root, root_up};
use crate::query::NoiseScale;
use crate::question::{BoundQuestion, MeanOf, Measure, RateOf, Ratio, Whole};

/// Noisy counts below this are suppressed: they say more about noise than about people.
pub const COUNT_MIN: i128 = 10;
/// A standard error above a quarter of a count suppresses it.
const ERROR_PARTS_MAX: i128 = 4;
/// In billionths: what rounding alone makes of the error of up to 10,000 exact sums. The noise of a
/// Release is larger by far, as no query may cost more than the floor allows.
const EXACT_ERROR_MAX: i128 = 100;
/// Below eight standard errors a denominator bends the interval of what it divides.
const STRAIGHT_PARTS_MIN: i128 = 8;

/// A noisy sum and the standard error of its noise, in billionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sum {
    pub(super) value: i128,
    pub(super) error: i128,
}

impl Sum {
    /// Whether a count may be shown: of our own exact sums nothing is hidden.
    pub(super) fn is_shown(&self) -> bool {
        self.error <= EXACT_ERROR_MAX || self.is_solid()
    }

    /// Whether a sum may divide another.
    pub(super) fn is_solid(&self) -> bool {
        if self.error <= EXACT_ERROR_MAX {
            return self.value > 0;
        }
        self.value >= COUNT_MIN * ONE && self.parts(ERROR_PARTS_MAX)
    }

    /// Whether what this divides has a straight interval.
    pub(super) fn is_straight(&self) -> bool {
        self.is_solid() && self.parts(STRAIGHT_PARTS_MIN)
    }

    /// Whether it is at least so many of its standard errors.
    fn parts(&self, parts: i128) -> bool {
        self.error.checked_mul(parts).is_some_and(|error| error <= self.value)
    }

    /// Whether a spread that divides, which may be a small number, is surely above nothing.
    pub(super) fn is_spread(&self) -> bool {
        self.value > 0 && self.parts(STRAIGHT_PARTS_MIN)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { value: self.value.checked_add(other.value)?, error: hypot(self.error, other.error)? })
    }
}

/// An estimate with half-widths (95 %) in billionths: of noise below and above it, of chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Estimate {
    pub(super) value: i128,
    pub(super) below: i128,
    pub(super) above: i128,
    pub(super) chance: Option<i128>,
    pub(super) assumed: bool,
}

impl Estimate {
    /// With a standard error of noise alone.
    pub(super) fn straight(value: i128, error: i128) -> Option<Self> {
        let half = half_width(error)?;
        Some(Self { value, below: half, above: half, chance: None, assumed: false })
    }

    pub(super) fn of(sum: Sum) -> Option<Self> {
        Self::straight(sum.value, sum.error)
    }

    /// With a standard error of chance.
    pub(super) fn with_chance(self, error: Option<i128>, assumed: bool) -> Option<Self> {
        let chance = match error {
            Some(error) => Some(half_width(error)?),
            None => None,
        };
        Some(Self { chance, assumed: assumed && chance.is_some(), ..self })
    }

    pub(super) fn shifted(self, by: i128) -> Option<Self> {
        Some(Self { value: self.value.checked_add(by)?, ..self })
    }

    /// The difference of two independent estimates: squares of half-widths add up, each side of a bent
    /// interval with the side of the other that it meets (Donner and Zou 2012, MOVER).
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        let chance = match (self.chance, other.chance) {
            (Some(a), Some(b)) => Some(hypot(a, b)?),
            _ => None,
        };
        Some(Self {
            value: self.value.checked_sub(other.value)?,
            below: hypot(self.below, other.above)?,
            above: hypot(self.above, other.below)?,
            chance,
            assumed: chance.is_some() && (self.assumed || other.assumed),
        })
    }
}

/// How the noise of a numerator X goes with that of its denominator N, for theta = X / N. All are
/// standard errors in billionths, but `tilt`.
pub(super) struct Bend {
    /// Of X - theta N.
    pub(super) whole: i128,
    /// Of the part of X that N does not share: sqrt(var X - cov^2 / var N).
    pub(super) apart: i128,
    /// cov / var N.
    pub(super) tilt: i128,
}

/// theta = X / N with its interval; `None` where N is too noisy to divide.
///
/// Source: Fieller 1954. g = (1.96 s_N / N)^2; centre (theta - g tilt) / (1 - g); half-width
/// 1.96 sqrt(whole^2 - g apart^2) / (N (1 - g)). From eight standard errors on, g is below 0.06 and the
/// delta method's straight interval stands in for it.
pub(super) fn quotient(theta: i128, below: Sum, bend: &Bend) -> Option<Estimate> {
    if !below.is_solid() {
        return None;
    }
    if below.is_straight() {
        return Estimate::straight(theta, ratio(bend.whole, below.value)?);
    }
    let relative = ratio(half_width(below.error)?, below.value)?;
    let g = product(relative, relative)?;
    let rest = ONE.checked_sub(g).filter(|rest| *rest > 0)?;
    let centre = ratio(theta.checked_sub(product(g, bend.tilt)?)?, rest)?;
    let shared = g.checked_mul(bend.apart)?.checked_mul(bend.apart)? / ONE;
    let square = bend.whole.checked_mul(bend.whole)?.checked_sub(shared)?;
    let error = root_up(u128::try_from(square.max(0)).ok()?)?;
    let half = ratio(ratio(half_width(error)?, below.value)?, rest)?.checked_add(1)?;
    Some(Estimate {
        value: theta,
        below: theta.checked_sub(centre)?.checked_add(half)?.max(0),
        above: centre.checked_sub(theta)?.checked_add(half)?.max(0),
        chance: None,
        assumed: false,
    })
}

/// Sums of one group, read by measure name.
pub(super) struct Group<'a> {
    pub(super) question: &'a BoundQuestion,
    pub(super) noise: &'a NoiseScale,
    pub(super) accepted: u32,
    /// Which cell of the first grouping it is in.
    pub(super) first: usize,
    pub(super) sums: &'a [i64],
}

impl Group<'_> {
    fn measure(&self, name: &str) -> Option<(&Measure, i64)> {
        let at = self.question.measures().iter().position(|measure| measure.name == name)?;
        Some((&self.question.measures()[at], *self.sums.get(at)?))
    }

    /// A sum and the standard error of its noise; `None` on overflow.
    pub(super) fn sum(&self, name: &str) -> Option<Sum> {
        let (measure, sum) = self.measure(name)?;
        let below = i128::from(measure.resolution.denominator) << self.noise.doublings;
        let step = i128::from(measure.resolution.numerator);
        let value = i128::from(sum).checked_mul(step)?.checked_mul(ONE)? / below;
        Some(Sum { value, error: noise_of(measure, self.noise, self.accepted)? })
    }

    /// A sum that counts people: suppressed when small or noisy.
    pub(super) fn count(&self, name: &str) -> Option<Estimate> {
        self.sum(name).filter(Sum::is_shown).and_then(Estimate::of)
    }

    /// A sum; one of ones is a count, by whatever name.
    pub(super) fn total(&self, name: &str) -> Option<Estimate> {
        match self.measure(name)?.0.counts_people() {
            true => self.count(name),
            false => self.sum(name).and_then(Estimate::of),
        }
    }

    /// What was taken off a measure here.
    pub(super) fn centre(&self, name: &str) -> i128 {
        self.measure(name).map_or(0, |(measure, _)| centre_of(measure, self.first))
    }

    /// The mean of each measure, and of their sum where that has a name.
    pub(super) fn means(&self, mean: &MeanOf) -> Vec<(String, Option<Estimate>)> {
        let each = mean
            .of
            .iter()
            .map(|of| (mean_name(mean, of), self.mean(of, &mean.count, mean.square.as_deref())));
        let together = mean.together.iter().map(|name| (mean_name(mean, name), self.mean_together(mean)));
        each.chain(together).collect()
    }

    /// X / N, with noise of both and, given squares, the chance of who happened to be there.
    pub(super) fn mean(&self, of: &str, count: &str, square: Option<&str>) -> Option<Estimate> {
        let (x, n) = (self.sum(of)?, self.sum(count)?);
        let mean = divided(x, n)?;
        let estimate = mean_estimate(mean, x.error, n)?;
        let chance = match square {
            None => None,
            Some(square) => {
                let squares = self.sum(square)?;
                let spread = ratio(squares.value, n.value)?.checked_sub(product(mean, mean)?)?;
                // Noise can push the spread to nothing or below: it is never surer than its own noise.
                let least = ratio(squares.error, n.value)?;
                Some(root(ratio(spread.max(least), n.value)?)?)
            }
        };
        estimate.with_chance(chance, false)?.shifted(self.centre(of))
    }

    fn mean_together(&self, mean: &MeanOf) -> Option<Estimate> {
        let sums = mean.of.iter().map(|of| self.sum(of)).collect::<Option<Vec<Sum>>>()?;
        let zero = Sum { value: 0, error: 0 };
        let x = sums.into_iter().try_fold(zero, Sum::plus)?;
        let n = self.sum(&mean.count)?;
        let centre = mean.of.iter().try_fold(0i128, |sum, of| sum.checked_add(self.centre(of)))?;
        mean_estimate(divided(x, n)?, x.error, n)?.shifted(centre)
    }

    /// A / (A + B) or A / P. Chance is assumed: the Question's `pupil_sd` over the fewest people that
    /// these sums can be of.
    pub(super) fn rate(&self, rate: &RateOf) -> Option<Estimate> {
        let a = self.sum(&rate.of)?;
        let (whole, share, bend) = match &rate.whole {
            Whole::Against(others) => {
                let others = others.iter().map(|other| self.sum(other)).collect::<Option<Vec<Sum>>>()?;
                let b = others.into_iter().try_fold(Sum { value: 0, error: 0 }, Sum::plus)?;
                let whole = a.plus(b)?;
                let share = divided(a, whole)?;
                let parts = [product(ONE.checked_sub(share)?, a.error)?, product(share, b.error)?];
                let tilt = ratio(a.error, whole.error)?;
                let apart = product(ratio(a.error, whole.error)?, b.error)?;
                (whole, share, Bend { whole: norm(&parts)?, apart, tilt: product(tilt, tilt)? })
            }
            Whole::Over(p) => {
                let whole = self.sum(p)?;
                let share = divided(a, whole)?;
                let bend =
                    Bend { whole: hypot(a.error, product(share, whole.error)?)?, apart: a.error, tilt: 0 };
                (whole, share, bend)
            }
        };
        let people = ratio(whole.value, most_of(self.question, rate)?)?;
        let chance = match (self.question.question().pupil_sd(), people) {
            (Some(sd), people) if people > 0 => Some(ratio(sd.billionths, root(people)?)?),
            _ => None,
        };
        quotient(share, whole, &bend)?.with_chance(chance, true)
    }
}

/// What the mean of a measure is called; of several each says which.
pub(super) fn mean_name(mean: &MeanOf, of: &str) -> String {
    if mean.of.len() == 1 { "mean".to_owned() } else { format!("mean {of}") }
}

/// X / N where N may divide.
fn divided(x: Sum, n: Sum) -> Option<i128> {
    Some(n).filter(Sum::is_solid).and_then(|n| ratio(x.value, n.value))
}

/// A mean of sums whose noise is independent of the count's.
fn mean_estimate(mean: i128, error: i128, n: Sum) -> Option<Estimate> {
    let whole = hypot(error, product(mean, n.error)?)?;
    quotient(mean, n, &Bend { whole, apart: error, tilt: 0 })
}

/// x of the sum of a row of so many cells, whose noise is independent and of one size, with chance.
pub(super) fn share(x: Sum, total: Sum, cells: usize, each: usize) -> Option<Estimate> {
    let p = divided(x, total)?;
    let cells = i128::try_from(cells).ok().filter(|cells| *cells > 0)?;
    let rest = ONE.checked_sub(p)?;
    let spread = product(rest, rest)?.checked_add((cells - 1).checked_mul(product(p, p)?)?)?;
    let tilt = ONE / cells;
    let bend =
        Bend { whole: product(root(spread)?, x.error)?, apart: product(root(ONE - tilt)?, x.error)?, tilt };
    let inside = p.clamp(0, ONE);
    // A person enters the total up to `each` times, so it is of that many fewer people.
    let spread = product(inside, ONE - inside)?.checked_mul(i128::try_from(each).ok()?)?;
    let chance = root(ratio(spread, total.value)?)?;
    quotient(p, total, &bend)?.with_chance(Some(chance), false)
}

/// The centre of a measure in a cell of the first grouping.
pub(super) fn centre_of(measure: &Measure, first: usize) -> i128 {
    let centre = match measure.centre.as_slice() {
        [] => None,
        [one] => Some(one),
        each => each.get(first),
    };
    centre.map_or(0, |centre| centre.billionths())
}

/// The most that one person adds to a rate's whole, in billionths.
pub(super) fn most_of(question: &BoundQuestion, rate: &RateOf) -> Option<i128> {
    let names: Vec<&str> = match &rate.whole {
        Whole::Against(others) => others.iter().chain([&rate.of]).map(String::as_str).collect(),
        Whole::Over(whole) => vec![whole],
    };
    let parts: Vec<&Measure> =
        question.measures().iter().filter(|measure| names.contains(&&*measure.name)).collect();
    let steps = |steps: i64, resolution: Ratio| -> Option<i128> {
        let above = i128::from(steps).checked_mul(i128::from(resolution.numerator))?.checked_mul(ONE)?;
        above.checked_div(i128::from(resolution.denominator))
    };
    let alone = parts
        .iter()
        .try_fold(0i128, |sum, measure| sum.checked_add(steps(measure.high_steps, measure.resolution)?))?;
    let together = question.at_most().filter(|(joint, _)| names.iter().all(|name| joint.contains(*name)));
    let joint = together.and_then(|(_, total)| steps(total, parts.first()?.resolution));
    Some(joint.map_or(alone, |joint| joint.min(alone))).filter(|most| *most > 0)
}

/// s_X = sigma_i sqrt(|A|) x resolution / 2^t, rounded up.
pub(super) fn noise_of(measure: &Measure, noise: &NoiseScale, accepted: u32) -> Option<i128> {
    // Parts of a thousandth of a billionth keep the division exact enough; then x sqrt(accepted).
    let base = i128::from(noise.noise_std.get()) * i128::from(measure.resolution.numerator) * ONE * 1_000;
    let one = base.checked_div((256 * i128::from(measure.resolution.denominator)) << noise.doublings)? + 1;
    let root = root_up(u128::from(accepted) * 1_000_000_000_000_000_000)?;
    one.checked_mul(root).map(|value| value / (ONE * 1_000) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decided on the noisy value and its public error alone: nothing here knows an exact one.
    #[test]
    fn a_count_is_shown_from_ten_on_and_from_four_standard_errors() {
        let shown = |value: i128, error: i128| Sum { value, error }.is_shown();
        assert!(shown(10 * ONE, ONE));
        assert!(!shown(10 * ONE - 1, ONE), "below ten");
        assert!(shown(40 * ONE, 10 * ONE));
        assert!(!shown(40 * ONE, 10 * ONE + 1), "its standard error is above a quarter of it");
        assert!(!shown(-40 * ONE, ONE));
    }
}
