//! The noise of one share, from the production sampler, against its exact distribution and against two
//! other samplers. What this file does *not* know: rounds.

use std::num::NonZeroU32;

use datacoop_policy::PrivacyLoss;
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, Terms};
use datacoop_protocol::sampler::discrete_gaussian;
use prio::dp::Rational;
use prio::dp::distributions::DiscreteGaussian;
use rand::distr::Distribution as _;

use crate::report::{Figure, again, again_all};
use crate::statistics::{Mass, NORMAL_MAX, chi_square_max, tally};

/// Draws for each check: a sum of squares is then known to 1 %, and a scale 5 % too small is seen all
/// but surely (with probability 1 - 1e-7).
pub const DRAWS: usize = 20_000;
/// Runs of values that a chi-square looks at.
const BINS: u32 = 30;

/// Scales in 256ths of a step: the least that a Query may lead to (2 steps), a count's among 5 members
/// (5.004 steps), and that of a sum of values up to 100 among 20 (277.8 steps).
pub const SCALES: [u32; 3] = [512, 1_281, 71_116];

/// Something that draws so many integers of a nominal scale, in 256ths of a step.
pub type Sampler = fn(NonZeroU32, usize) -> Vec<i64>;

/// What a node draws: OpenDP's sampler on the operating system's randomness.
pub fn production(noise_std: NonZeroU32, count: usize) -> Vec<i64> {
    datacoop::noise::draw(noise_std, count).expect("the system gives randomness").to_vec()
}

/// `prio`'s sampler, on fresh randomness.
pub fn of_prio(noise_std: NonZeroU32, count: usize) -> Vec<i64> {
    let scale = Rational::from_unsigned(u128::from(noise_std.get()), 256).expect("256 is not zero");
    let sampler = DiscreteGaussian::new(scale).expect("256 is not zero");
    let mut rng = datacoop::entropy::seed().stream("prio's sampler");
    (0..count).map(|_| i64::try_from(sampler.sample(&mut rng)).expect("a draw fits 64 bits")).collect()
}

/// The simulator's own sampler, on fresh randomness.
pub fn of_simulator(noise_std: NonZeroU32, count: usize) -> Vec<i64> {
    let mut rng = datacoop::entropy::seed().stream("the simulator's sampler");
    (0..count).map(|_| discrete_gaussian(&mut rng, noise_std)).collect()
}

/// Sum of squares over its expectation. The bound is 4.9 standard errors, 4.9 sqrt(2 / N).
pub fn scale(draws: &[i64], noise_std: u32) -> Figure {
    let squares: f64 = draws.iter().map(|x| (*x as f64).powi(2)).sum();
    let ratio = squares / draws.len() as f64 / Mass::of_noise(noise_std).moment(2);
    let margin = NORMAL_MAX * (2.0 / draws.len() as f64).sqrt();
    let claim = format!("variance / nominal, sigma {}", steps(noise_std));
    Figure::between(claim, draws.len() as u64, ratio, 1.0 - margin, 1.0 + margin)
}

/// The mean in its own standard errors.
pub fn centre(draws: &[i64], noise_std: u32) -> Figure {
    let error = Mass::of_noise(noise_std).moment(2).sqrt() * (draws.len() as f64).sqrt();
    let mean = draws.iter().sum::<i64>() as f64 / error;
    let claim = format!("mean in standard errors, sigma {}", steps(noise_std));
    Figure::between(claim, draws.len() as u64, mean, -NORMAL_MAX, NORMAL_MAX)
}

/// The correlation of each draw with the next, in standard errors.
pub fn independence(draws: &[i64], noise_std: u32) -> Figure {
    let products: f64 = draws.windows(2).map(|pair| pair[0] as f64 * pair[1] as f64).sum();
    let error = Mass::of_noise(noise_std).moment(2) * ((draws.len() - 1) as f64).sqrt();
    let claim = format!("lag-1 correlation in standard errors, sigma {}", steps(noise_std));
    Figure::between(claim, draws.len() as u64, products / error, -NORMAL_MAX, NORMAL_MAX)
}

/// Chi-square against the exact mass function.
pub fn shape(draws: &[i64], noise_std: u32) -> Figure {
    let (starts, shares) = Mass::of_noise(noise_std).runs(BINS, draws.len());
    let expected = shares.iter().map(|share| share * draws.len() as f64);
    let chi: f64 =
        tally(draws, &starts).iter().zip(expected).map(|(seen, due)| (seen - due).powi(2) / due).sum();
    let claim = format!("chi-square against the mass function, sigma {}", steps(noise_std));
    Figure::at_most(claim, draws.len() as u64, chi, chi_square_max(shares.len() - 1))
}

/// Chi-square of two samples of one size.
///
/// Source: Press et al., Numerical Recipes, section "Are two distributions different?": with equal
/// sizes the sum of (a - b)^2 / (a + b) has one degree of freedom less than it has bins.
pub fn same(what: &str, one: &[i64], other: &[i64], noise_std: u32) -> Figure {
    assert_eq!(one.len(), other.len());
    let (starts, shares) = Mass::of_noise(noise_std).runs(BINS, one.len());
    let pairs = tally(one, &starts).into_iter().zip(tally(other, &starts));
    let chi: f64 = pairs.map(|(a, b)| if a + b > 0.0 { (a - b).powi(2) / (a + b) } else { 0.0 }).sum();
    let claim = format!("{what}, sigma {}", steps(noise_std));
    Figure::at_most(claim, 2 * one.len() as u64, chi, chi_square_max(shares.len() - 1))
}

/// All that is checked of one scale, on the same draws.
pub fn checks(draws: &[i64], noise_std: u32) -> Vec<Figure> {
    [scale, centre, independence, shape].iter().map(|check| check(draws, noise_std)).collect()
}

/// The checks of a sampler at a scale; those that fail are made once more on fresh draws.
pub fn measure(sampler: Sampler, noise_std: u32) -> Vec<Figure> {
    let std = NonZeroU32::new(noise_std).expect("no zero scale");
    again_all(|| checks(&sampler(std, DRAWS), noise_std))
}

/// Two samplers at a scale.
pub fn compare(what: &str, one: Sampler, other: Sampler, noise_std: u32) -> Figure {
    let std = NonZeroU32::new(noise_std).expect("no zero scale");
    same(what, &one(std, DRAWS), &other(std, DRAWS), noise_std)
}

/// sigma_i of a count at rho 0.005 in a Roster of n, and what it would be if all n shares were taken
/// for honest ones (m := n): in 256ths of a step, at the same number of doublings.
pub fn right_and_greedy(n: usize) -> (u32, u32) {
    let loss = PrivacyLoss::from_nano(5_000_000);
    let terms = Terms::new(n, Mode::Secure, Assumptions::FLOOR).expect("a Roster");
    let right = NoiseScale::new(1, loss, terms.honest).expect("a scale");
    // Before the doublings: sigma / sqrt(n) in place of sigma / sqrt(m).
    let ratio = (f64::from(terms.honest) / f64::from(terms.n)).sqrt();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a smaller scale")]
    let greedy = (f64::from(right.noise_std.get()) * ratio).ceil() as u32;
    (right.noise_std.get(), greedy)
}

/// A scale as people read it.
fn steps(noise_std: u32) -> String {
    format!("{:.3}", f64::from(noise_std) / 256.0).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A fault, by what it does to draws of the production sampler.
pub struct Fault {
    /// What is wrong.
    pub name: &'static str,
    /// The nominal scale, 256ths.
    pub noise_std: u32,
    /// Draws with the fault in them.
    pub draws: fn(u32) -> Vec<i64>,
    /// The check that must see it.
    pub seen_by: fn(&[i64], u32) -> Figure,
}

fn good(noise_std: u32) -> Vec<i64> {
    production(NonZeroU32::new(noise_std).expect("no zero scale"), DRAWS)
}

/// Each check's own fault, which the others may well not see.
pub const FAULTS: [Fault; 5] = [
    Fault { name: "sigma x 0.95", noise_std: 1_281, draws: |std| good(std * 95 / 100), seen_by: scale },
    Fault {
        name: "sigma / sqrt(n), not sqrt(m)",
        noise_std: 711,
        draws: |_| good(right_and_greedy(20).1),
        seen_by: scale,
    },
    Fault {
        name: "an offset of sigma / 10 left in",
        noise_std: 2_560,
        draws: |std| good(std).iter().map(|x| x + 1).collect(),
        seen_by: centre,
    },
    Fault {
        name: "each draw used twice",
        noise_std: 1_281,
        draws: |std| good(std).iter().take(DRAWS / 2).flat_map(|x| [*x, *x]).collect(),
        seen_by: independence,
    },
    Fault {
        name: "a lowest bit that is stuck",
        noise_std: 1_281,
        // Odd values go up and down in turn: mean and variance stay what they were, within 2 %.
        draws: |std| {
            let draws = good(std).into_iter().enumerate();
            draws.map(|(i, x)| if x % 2 == 0 { x } else { x + [1, -1][i % 2] }).collect()
        },
        seen_by: shape,
    },
];

/// Whether a fault is seen, as a figure.
pub fn caught(fault: &Fault) -> Figure {
    Figure::caught(fault.name, &(fault.seen_by)(&(fault.draws)(fault.noise_std), fault.noise_std))
}

/// The samplers that are compared, each with the production one.
pub const OTHERS: [(&str, Sampler); 2] = [
    ("chi-square, OpenDP's sampler and prio's", of_prio),
    ("chi-square, OpenDP's sampler and the simulator's", of_simulator),
];

/// A sampler that is 10 % off: the comparison must see it. (Its chi-square lies 5 standard deviations
/// above the bound then; of two samples neither is exact, so 5 % would take 60,000 draws.)
pub fn comparison_catches() -> Figure {
    let weak: Sampler = |std, count| {
        let weaker = NonZeroU32::new(std.get() * 90 / 100).expect("no zero scale");
        of_prio(weaker, count)
    };
    Figure::caught("prio's sampler at sigma x 0.9", &compare("chi-square", production, weak, 1_281))
}

/// Everything about the noise of one share.
pub fn figures() -> Vec<Figure> {
    let mut figures: Vec<Figure> = SCALES.iter().flat_map(|std| measure(production, *std)).collect();
    figures.extend(FAULTS.iter().map(caught));
    for (what, other) in OTHERS {
        figures.push(again(|| compare(what, production, other, 1_281)));
    }
    figures.push(comparison_catches());
    figures
}
