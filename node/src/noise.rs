//! Production noise and the reading of a loss. Alone imports opendp. Must not know Tallies or the
//! Ledger: a debit is on disk before anything here is called.

use std::fmt;
use std::num::NonZeroU32;

use dashu::rational::RBig;
use opendp::combinators::ConcentratedMeasure as _;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::traits::samplers::sample_discrete_gaussian;
use zeroize::Zeroizing;

/// The delta at which pages and certificates show epsilon.
pub const DELTA: f64 = 1e-6;

/// The source of randomness failed, or a draw did not fit.
#[derive(Debug)]
pub struct NoiseError(String);

impl fmt::Display for NoiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Draws exact discrete Gaussians of scale `noise_std` / 256 steps from the system's randomness.
///
/// There is no seed here and no way to pass one.
pub fn draw(noise_std: NonZeroU32, cells: usize) -> Result<Zeroizing<Vec<i64>>, NoiseError> {
    let scale = RBig::from_parts(noise_std.get().into(), 256u16.into());
    let mut draws = Zeroizing::new(Vec::with_capacity(cells));
    for _ in 0..cells {
        let drawn = sample_discrete_gaussian(scale.clone()).map_err(|error| NoiseError(error.to_string()))?;
        draws.push(i64::try_from(drawn).map_err(|_| NoiseError("a draw does not fit 64 bits".into()))?);
    }
    Ok(draws)
}

/// Epsilon at `DELTA` of a loss in billionths of rho; `None` when it cannot be computed.
pub fn epsilon(rho_nano: u64) -> Option<f64> {
    // Up: a reading may overstate the loss, never understate it.
    let rho = (rho_nano as f64 / 1e9).next_up();
    ZeroConcentratedDivergence::convert(rho).ok()?.epsilon(DELTA).ok()
}

/// Epsilon as people read it: two decimals, rounded up.
pub fn epsilon_text(rho_nano: u64) -> String {
    epsilon(rho_nano)
        .map_or_else(|| "unknown".into(), |epsilon| format!("{:.2}", (epsilon * 100.0).ceil() / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum of squares of draws against the nominal scale, in units of its own standard error.
    fn excess(draws: &[i64], noise_std: u32) -> f64 {
        let sigma2 = (f64::from(noise_std) / 256.0).powi(2);
        let mean: f64 = draws.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean / sigma2 - 1.0) / (2.0 / draws.len() as f64).sqrt()
    }

    #[test]
    fn the_scale_is_the_nominal_one_and_a_smaller_one_would_show() {
        let std = 1281;
        let draws = draw(NonZeroU32::new(std).unwrap(), 20_000).unwrap();
        // 4.9 standard errors: a false alarm has probability 1e-6.
        let off = excess(&draws, std);
        assert!(off.abs() < 4.9, "{off}");
        let weak: Vec<i64> = draw(NonZeroU32::new(std * 95 / 100).unwrap(), 20_000).unwrap().to_vec();
        assert!(excess(&weak, std) < -4.9, "noise at 0.95 of its scale must be seen");
        let mean = draws.iter().sum::<i64>() as f64 / draws.len() as f64;
        assert!(mean.abs() < 4.9 * 5.0 / (draws.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn our_seeded_sampler_draws_from_the_same_distribution() {
        let std = NonZeroU32::new(700).unwrap();
        let count = 20_000;
        let ours: Vec<i64> = {
            let mut rng = datacoop_protocol::seed::Seed::new([1; 32]).stream("compare");
            (0..count).map(|_| datacoop_protocol::sampler::discrete_gaussian(&mut rng, std)).collect()
        };
        let theirs = draw(std, count).unwrap();
        let bins = -8i64..=8;
        let tally = |draws: &[i64], x: i64| draws.iter().filter(|d| **d == x).count() as f64;
        let chi: f64 = bins
            .clone()
            .map(|x| {
                let (a, b) = (tally(&ours, x), tally(&theirs, x));
                if a + b > 0.0 { (a - b).powi(2) / (a + b) } else { 0.0 }
            })
            .sum();
        // 17 bins: a chi-square above 60 has probability below 1e-6.
        assert!(chi < 60.0, "{chi}");
    }

    #[test]
    fn epsilon_is_that_of_the_published_table() {
        for (rho, golden) in
            [(2_000_000, 0.26), (50_000_000, 1.47), (250_000_000, 3.54), (1_000_000_000, 7.77)]
        {
            let got = epsilon(rho).unwrap();
            assert!((got - golden).abs() < 0.01, "{rho}: {got}");
        }
    }
}
