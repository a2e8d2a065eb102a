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

    #[test]
    fn noise_has_a_value_for_each_cell() {
        // Its distribution is tested in `tests/privacy/noise.rs`.
        assert_eq!(draw(NonZeroU32::new(1281).unwrap(), 7).unwrap().len(), 7);
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
