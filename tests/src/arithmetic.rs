//! Whether (epsilon, delta), as people are shown it, holds: against two other conversions, and against the
//! exact delta of small rounds. What this file does *not* know: how OpenDP converts.

use std::num::NonZeroU32;

use datacoop::loss::{CUT_CHANCE, DELTA, Meaning, Reading, repeated, together};
use datacoop::noise;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, Terms};

use crate::report::Figure;

/// Losses of one Query, in billionths of rho: the least in the catalogue to the most that the floor allows.
const QUERIES: [u64; 4] = [2_000_000, 5_000_000, 20_000_000, 50_000_000];
/// Rosters small enough to sum the mass function exactly in no time; m = 4, 8, 13, 43.
const ROSTERS: [usize; 4] = [5, 12, 20, 65];

/// Losses from a billionth to ten times the floor's year, each about 7 % above the last.
fn losses() -> Vec<u64> {
    std::iter::successors(Some(1u64), |nano| Some(nano + nano / 14 + 1))
        .take_while(|n| *n < 10_000_000_000)
        .collect()
}

/// The upper bound in closed form: epsilon = rho + 2 sqrt(rho ln(1 / delta)).
///
/// Source: Bun & Steinke 2016 (arXiv:1605.02065), Prop. 1.3.
pub fn closed_form(rho: f64, delta: f64) -> f64 {
    rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt()
}

/// The least epsilon over alpha, for a fixed delta, by ternary search on ln(alpha - 1):
/// epsilon(alpha) = alpha rho + (ln(1 / delta) + alpha ln(1 - 1 / alpha) - ln(alpha - 1)) / (alpha - 1),
/// which is delta(alpha, epsilon) of Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), Prop. 12, solved for
/// epsilon. OpenDP goes the other way: it seeks alpha for a fixed epsilon and halves epsilon.
pub fn least_over_alpha(rho: f64, delta: f64) -> f64 {
    let epsilon = |log: f64| {
        let above = log.exp();
        let alpha = 1.0 + above;
        alpha * rho + (-delta.ln() + alpha * (-1.0 / alpha).ln_1p() - log) / above
    };
    let (mut low, mut high) = ((1e-2f64).ln(), (1e9f64).ln());
    for _ in 0..300 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if epsilon(a) < epsilon(b) { high = b } else { low = a }
    }
    epsilon(low).max(0.0)
}

/// OpenDP's epsilon against the closed form: the most by which it lies above.
pub fn below_closed_form() -> Figure {
    let excess = losses().into_iter().map(|nano| {
        let rho = nano as f64 / 1e9;
        noise::epsilon(rho, DELTA).expect("converts") - closed_form(rho, DELTA)
    });
    Figure::at_most(
        "epsilon less its closed form",
        losses().len() as u64,
        excess.fold(f64::MIN, f64::max),
        0.0,
    )
}

/// OpenDP's epsilon against the least over alpha: the most by which they differ, relative.
pub fn as_least_over_alpha() -> Figure {
    let apart = losses().into_iter().map(|nano| {
        let rho = nano as f64 / 1e9;
        let (theirs, ours) = (noise::epsilon(rho, DELTA).expect("converts"), least_over_alpha(rho, DELTA));
        (theirs - ours).abs() / ours.max(1e-3)
    });
    let most = apart.fold(0.0, f64::max);
    Figure::at_most("epsilon against another conversion, relative", losses().len() as u64, most, 1e-9)
}

/// What is shown against what is: never below, and not far above.
pub fn shown_is_no_less() -> [Figure; 2] {
    let all: Vec<f64> = losses()
        .into_iter()
        .filter_map(|nano| {
            let shown = Reading::of(PrivacyLoss::from_nano(nano)).epsilon()?;
            Some(shown - least_over_alpha(nano as f64 / 1e9, DELTA))
        })
        .filter(|apart| apart.is_finite())
        .collect();
    let (least, most) =
        (all.iter().copied().fold(f64::MAX, f64::min), all.iter().copied().fold(f64::MIN, f64::max));
    let trials = all.len() as u64;
    [
        Figure::at_least("epsilon shown less epsilon, least", trials, least, 0.0),
        Figure::at_most("epsilon shown less epsilon, most", trials, most, 0.5),
    ]
}

/// So many scales, in whole steps, rounded up: beyond 12 the mass is below 1e-31.
fn reach(scales: i64, noise_std: u32) -> i64 {
    scales * i64::from(noise_std) / 256 + 1
}

/// exp(-z^2 / 2 sigma^2), sigma in 256ths.
fn weigh(noise_std: u32) -> impl Fn(i64) -> f64 {
    let sigma = f64::from(noise_std) / 256.0;
    move |z| (-((z * z) as f64) / (2.0 * sigma * sigma)).exp()
}

/// Probabilities of the integers from `first` on.
#[derive(Clone)]
struct Law {
    first: i64,
    mass: Vec<f64>,
}

impl Law {
    /// Of clamp(value + z, low, high), z a discrete Gaussian of scale `noise_std` / 256.
    fn of_share(value: i64, noise_std: u32, low: i64, high: i64) -> Self {
        let (reach, weigh) = (reach(12, noise_std), weigh(noise_std));
        let total: f64 = (-reach..=reach).map(&weigh).sum();
        let mut mass = vec![0.0; usize::try_from(high - low + 1).expect("low < high")];
        for z in -reach..=reach {
            let place = usize::try_from((value + z).clamp(low, high) - low).expect("clamped");
            mass[place] += weigh(z) / total;
        }
        Self { first: low, mass }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut mass = vec![0.0; self.mass.len() + other.mass.len() - 1];
        for (i, a) in self.mass.iter().enumerate() {
            for (j, b) in other.mass.iter().enumerate() {
                mass[i + j] += a * b;
            }
        }
        Self { first: self.first + other.first, mass }
    }

    fn at(&self, y: i64) -> f64 {
        usize::try_from(y - self.first).ok().and_then(|place| self.mass.get(place)).copied().unwrap_or(0.0)
    }

    fn range(&self) -> std::ops::Range<i64> {
        self.first..self.first + i64::try_from(self.mass.len()).expect("short")
    }
}

/// The least delta for which two laws are (epsilon, delta)-close, both ways:
/// delta = sum over y of max(0, P(y) - e^epsilon Q(y)).
fn delta_between(one: &Law, other: &Law, epsilon: f64) -> f64 {
    let way = |p: &Law, q: &Law| p.range().map(|y| (p.at(y) - epsilon.exp() * q.at(y)).max(0.0)).sum::<f64>();
    way(one, other).max(way(other, one))
}

/// What the sum over members says of a count: the law with the person in, and the law without.
struct Neighbours {
    with: Law,
    without: Law,
}

impl Neighbours {
    /// Of `shares` members' shares of this scale, cut as contributions are, when the person is in the records
    /// of `known_to` of them, who have one person each at most.
    fn new(scale: NoiseScale, shares: u32, known_to: u32) -> Self {
        let cut = i64::try_from(scale.clip()).expect("small");
        let person = 1i64 << scale.doublings;
        let share = |value| Law::of_share(value, scale.noise_std.get(), -cut, person + cut);
        let sum = |value: &dyn Fn(u32) -> i64| {
            (0..shares).map(|n| share(value(n))).reduce(|all, one| all.plus(&one)).expect("one share")
        };
        Self { with: sum(&|n| if n < known_to { person } else { 0 }), without: sum(&|_| 0) }
    }

    fn delta(&self, shown: Reading) -> f64 {
        delta_between(&self.with, &self.without, shown.epsilon().expect("converts"))
    }

    /// Of two independent answers together.
    fn delta_of_two(&self, shown: Reading) -> f64 {
        let factor = shown.epsilon().expect("converts").exp();
        let way = |p: &Law, q: &Law| {
            let once = |a: i64| -> f64 {
                p.range().map(|b| (p.at(a) * p.at(b) - factor * q.at(a) * q.at(b)).max(0.0)).sum()
            };
            p.range().map(once).sum::<f64>()
        };
        way(&self.with, &self.without).max(way(&self.without, &self.with))
    }
}

/// The noise of a count at this loss for a Roster of n, sized for `shares` shares.
fn noise_of(nano: u64, shares: u32) -> NoiseScale {
    NoiseScale::new(1, PrivacyLoss::from_nano(nano), shares).expect("a loss with room")
}

fn terms(n: usize) -> Terms {
    Terms::new(n, Mode::Secure, Assumptions::FLOOR).expect("a safe Roster")
}

/// Exact deltas of whole rounds at the epsilon that is shown; the largest, over Rosters and losses.
fn worst(claim: &str, rosters: &[usize], delta: impl Fn(u64, &Terms) -> f64) -> Figure {
    let cases = rosters.iter().flat_map(|n| QUERIES.map(|nano| (nano, terms(*n))));
    let all: Vec<f64> = cases.map(|(nano, terms)| delta(nano, &terms)).collect();
    let most = all.iter().copied().fold(0.0, f64::max);
    Figure::at_most(format!("exact delta: {claim}"), all.len() as u64, most, DELTA)
}

fn meaning(nano: u64, terms: &Terms) -> Meaning {
    Meaning::new(PrivacyLoss::from_nano(nano), Mode::Secure, terms)
}

/// The m honest shares of a round hide one person as stated.
pub fn stated_holds() -> Figure {
    worst("m honest shares, loss as stated", &ROSTERS, |nano, terms| {
        let scale = noise_of(nano, terms.honest);
        Neighbours::new(scale, terms.honest, 1).delta(meaning(nano, terms).stated)
    })
}

/// One share alone hides one person at m times rho: all others, or the whole committee, colluded.
pub fn own_noise_holds() -> Figure {
    worst("one share alone, m x rho", &ROSTERS[..3], |nano, terms| {
        let scale = noise_of(nano, terms.honest);
        Neighbours::new(scale, 1, 1).delta(meaning(nano, terms).own_noise)
    })
}

/// A person in the records of 2 or 3 members is hidden at 4 or 9 times rho.
pub fn known_to_several_holds() -> Figure {
    worst("a person at 2 or 3 members, c^2 x rho", &ROSTERS[..3], |nano, terms| {
        let scale = noise_of(nano, terms.honest);
        let of = |c| Neighbours::new(scale, terms.honest, c).delta(together(PrivacyLoss::from_nano(nano), c));
        of(2).max(of(3))
    })
}

/// Two answers together hide one person at twice rho.
pub fn two_answers_hold() -> Figure {
    worst("two answers together, 2 x rho", &ROSTERS[..2], |nano, terms| {
        let scale = noise_of(nano, terms.honest);
        let shown = repeated(PrivacyLoss::from_nano(nano), 2);
        Neighbours::new(scale, terms.honest, 1).delta_of_two(shown)
    })
}

/// The chance that a draw lies beyond where it is cut, over all scales from the least on.
pub fn cuts_are_rare() -> Figure {
    let chance = |std: u32| {
        let scale = NoiseScale { noise_std: NonZeroU32::new(std).expect("above 0"), doublings: 0 };
        let (reach, weigh) = (reach(14, std), weigh(std));
        let cut = i64::try_from(scale.clip()).expect("small");
        2.0 * (cut + 1..=reach).map(&weigh).sum::<f64>() / (-reach..=reach).map(&weigh).sum::<f64>()
    };
    let scales: Vec<u32> = (512..8_192).step_by(7).collect();
    let most = scales.iter().map(|std| chance(*std)).fold(0.0, f64::max);
    Figure::at_most("chance that noise is cut", scales.len() as u64, most, CUT_CHANCE)
}

/// A round whose noise is weaker than its loss says, of 20 members at rho 0.005.
fn weak(shares: u32, known_to: u32, present: u32) -> Figure {
    let shown = Reading::of(PrivacyLoss::from_nano(5_000_000));
    let delta = Neighbours::new(noise_of(5_000_000, shares), present, known_to).delta(shown);
    Figure::at_most("exact delta", 1, delta, DELTA)
}

/// Faults that the exact delta must show.
pub fn faults() -> [Figure; 4] {
    let m = terms(20).honest;
    [
        Figure::caught("noise sized for n shares of which m are there", &weak(20, 1, m)),
        Figure::caught("a person at two members, stated as one", &weak(m, 2, m)),
        Figure::caught("fewer shares than the noise is sized for", &weak(m, 1, m / 2)),
        Figure::caught("one share alone, stated as m", &weak(m, 1, 1)),
    ]
}

/// Every claim of this kind.
pub fn figures() -> Vec<Figure> {
    let mut all = vec![below_closed_form(), as_least_over_alpha()];
    all.extend(shown_is_no_less());
    all.extend([
        stated_holds(),
        own_noise_holds(),
        known_to_several_holds(),
        two_answers_hold(),
        cuts_are_rare(),
    ]);
    all.extend(faults());
    all
}
