//! Production noise, and epsilon of a rho for `loss`. Alone imports opendp. Must not know Tallies or the
//! Ledger: a debit is on disk before anything is drawn here.

use std::fmt;
use std::num::NonZeroU32;

use dashu::rational::RBig;
use opendp::combinators::ConcentratedMeasure as _;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::traits::samplers::sample_discrete_gaussian;
use zeroize::Zeroizing;

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

/// The least epsilon for which whatever has this zCDP rho is (epsilon, delta)-differentially private, rounded
/// up; `None` when it cannot be computed.
///
/// Source: Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), Prop. 12, as OpenDP rounds it.
pub fn epsilon(rho: f64, delta: f64) -> Option<f64> {
    ZeroConcentratedDivergence::convert(rho).ok()?.epsilon(delta).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_a_value_for_each_cell() {
        // Its distribution is tested in `tests/privacy/noise.rs`.
        assert_eq!(draw(NonZeroU32::new(1281).unwrap(), 7).unwrap().len(), 7);
    }
}
