//! The exact discrete Gaussian and the thresholds of the tests on it. What this file does *not* know:
//! any sampler.
//!
//! All thresholds are set to a false alarm of one in a million; a test that fails is run once more on
//! fresh randomness (`report::again`), so a sound system fails once in about 10^12 runs.

/// Standard errors that a normal figure exceeds, either way, with probability 1e-6.
pub const NORMAL_MAX: f64 = 4.9;
/// The same to one side, for the chi-square below.
const NORMAL_MAX_ONE_SIDED: f64 = 4.753;
/// Fewest expected draws of a bin: with fewer, a chi-square's far tail is not the tabulated one.
const EXPECTED_MIN: f64 = 50.0;
/// Beyond these many standard deviations there is no mass that an f64 sum would notice (exp(-72)).
const REACH: f64 = 12.0;

/// A mass function on the integers `low`, `low + 1`, ..
#[derive(Debug, Clone)]
pub struct Mass {
    /// The first integer.
    pub low: i64,
    /// The probability of each from there on.
    pub of: Vec<f64>,
}

impl Mass {
    /// The discrete Gaussian of scale sigma from its definition, exp(-x^2 / 2 sigma^2) / Z, cut at
    /// `reach` on either side.
    ///
    /// Source: Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), definition 1.
    pub fn gaussian(sigma: f64, reach: i64) -> Self {
        let weights: Vec<f64> =
            (-reach..=reach).map(|x| (-(x as f64).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
        // Small ones first: what each adds is not lost in what is there already.
        let half: f64 = weights[..weights.len() / 2].iter().sum();
        let total = 2.0 * half + 1.0;
        Self { low: -reach, of: weights.iter().map(|weight| weight / total).collect() }
    }

    /// The noise of scale `noise_std` / 256 steps, as far as it has mass.
    #[expect(clippy::cast_possible_truncation, reason = "a reach of twelve sigma fits an i64")]
    pub fn of_noise(noise_std: u32) -> Self {
        let sigma = f64::from(noise_std) / 256.0;
        Self::gaussian(sigma, (REACH * sigma).ceil() as i64)
    }

    /// Each integer with its probability.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = (i64, f64)> {
        (self.low..).zip(&self.of).map(|(x, p)| (x, *p)).collect::<Vec<_>>().into_iter()
    }

    /// The mean of x to the power of `order`.
    pub fn moment(&self, order: i32) -> f64 {
        self.points().map(|(x, p)| (x as f64).powi(order) * p).sum()
    }

    /// Cuts the integers into runs that hold at least 1 / `bins` of the mass and at least
    /// `EXPECTED_MIN` of `draws` draws each; gives the first integer of each run but the first (which
    /// has none), and each run's probability.
    pub fn runs(&self, bins: u32, draws: usize) -> (Vec<i64>, Vec<f64>) {
        let least = (1.0 / f64::from(bins)).max(EXPECTED_MIN / draws as f64);
        let (mut starts, mut shares, mut share) = (vec![], vec![], 0.0);
        let mut left: f64 = 1.0;
        for (x, p) in self.points() {
            if share >= least && left >= least {
                shares.push(share);
                starts.push(x);
                share = 0.0;
            }
            share += p;
            left -= p;
        }
        shares.push(share);
        (starts, shares)
    }
}

/// How many draws fall into each run.
pub fn tally(draws: &[i64], starts: &[i64]) -> Vec<f64> {
    let mut seen = vec![0.0; starts.len() + 1];
    for x in draws {
        seen[starts.partition_point(|start| start <= x)] += 1.0;
    }
    seen
}

/// What a chi-square with these degrees of freedom exceeds with probability 1e-6.
///
/// Source: Wilson & Hilferty 1931: the cube root of chi-square / degrees is all but normal. It errs to
/// the quiet side: 0.6e-6 at 10 degrees.
pub fn chi_square_max(degrees: usize) -> f64 {
    let spread = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - spread + NORMAL_MAX_ONE_SIDED * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_are_the_tabulated_ones() {
        // Even degrees have a closed tail: exp(-x/2) times the sum of (x/2)^i / i! for i < df / 2.
        let tail = |x: f64, degrees: i32| -> f64 {
            let term = |i: i32| (1..=i).fold(1.0, |product, j| product * x / 2.0 / f64::from(j));
            (-x / 2.0).exp() * (0..degrees / 2).map(term).sum::<f64>()
        };
        for degrees in [10, 20, 30, 100] {
            let alarm = tail(chi_square_max(degrees as usize), degrees);
            assert!((0.5e-6..=1.1e-6).contains(&alarm), "{degrees}: {alarm}");
        }
    }

    #[test]
    fn a_mass_function_sums_to_one_and_its_runs_are_all_of_it() {
        for std in [100, 512, 1281, 18_102] {
            let mass = Mass::of_noise(std);
            assert!((mass.moment(0) - 1.0).abs() < 1e-12);
            let (starts, shares) = mass.runs(40, 20_000);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(shares.iter().all(|share| share * 20_000.0 >= EXPECTED_MIN));
            assert_eq!(starts.len() + 1, shares.len());
        }
        let sigma = 1281.0 / 256.0;
        assert!((Mass::of_noise(1281).moment(2) / sigma / sigma - 1.0).abs() < 1e-12);
    }

    #[test]
    fn draws_are_counted_where_they_belong() {
        assert_eq!(tally(&[-9, 0, 1, 1, 7], &[0, 1]), [1.0, 1.0, 3.0]);
    }
}
