//! A seeded exact discrete Gaussian for the simulator and for made-up data. Production noise is
//! OpenDP's, drawn in the node from the system's randomness; nothing there reaches this one.
//!
//! Source: Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), algorithms 1 to 3; integers only.

use std::num::NonZeroU32;

use rand_core::Rng;

/// Largest scale in 256ths of a step: beyond, the acceptance probability leaves 128 bits.
pub const NOISE_STD_MAX: u32 = 1 << 24;

/// A number below `bound`, uniform.
fn below(rng: &mut impl Rng, bound: u128) -> u128 {
    let mask = u128::MAX >> (bound - 1).leading_zeros().min(127);
    loop {
        let drawn = (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) & mask;
        if drawn < bound {
            return drawn;
        }
    }
}

/// True with probability exp(-above / under), for above <= under.
fn exp_up_to_one(rng: &mut impl Rng, above: u128, under: u128) -> bool {
    let mut k = 1;
    while below(rng, under * k) < above {
        k += 1;
    }
    k % 2 == 1
}

/// True with probability exp(-above / under).
fn exp(rng: &mut impl Rng, mut above: u128, under: u128) -> bool {
    while above > under {
        if !exp_up_to_one(rng, 1, 1) {
            return false;
        }
        above -= under;
    }
    exp_up_to_one(rng, above, under)
}

/// A discrete Laplace of scale t.
fn laplace(rng: &mut impl Rng, t: u128) -> i128 {
    loop {
        let rest = below(rng, t);
        if !exp(rng, rest, t) {
            continue;
        }
        let mut whole = 0;
        while exp_up_to_one(rng, 1, 1) {
            whole += 1;
        }
        let size =
            i128::try_from(rest + t * whole).expect("INVARIANT: a geometric draw stays far below 2^127");
        match below(rng, 2) == 0 {
            true if size == 0 => {}
            true => return -size,
            false => return size,
        }
    }
}

/// One draw of scale `noise_std` / 256 steps, at most `NOISE_STD_MAX` (larger ones are cut to it).
pub fn discrete_gaussian(rng: &mut impl Rng, noise_std: NonZeroU32) -> i64 {
    let s2 = u128::from(noise_std.get().min(NOISE_STD_MAX)).pow(2);
    let t = u128::from(noise_std.get().min(NOISE_STD_MAX)) / 256 + 1;
    loop {
        let y = laplace(rng, t);
        // exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)) in 65,536ths of sigma^2.
        let Some(distance) = y.unsigned_abs().checked_mul(t * 65_536).map(|y| y.abs_diff(s2)) else {
            continue;
        };
        let Some(above) = distance.checked_mul(distance) else { continue };
        if exp(rng, above, 2 * t * t * 65_536 * s2) {
            return i64::try_from(y).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test statistics")]
    fn draws_follow_the_exact_mass_function() {
        for std in [512u32, 1281, 100] {
            let mut rng = Seed::new([7; 32]).stream("sampler");
            let count = 20_000;
            let sigma = f64::from(std) / 256.0;
            let reach = (4.0 * sigma).ceil() as i64;
            let mass = |x: i64| (-(x as f64).powi(2) / (2.0 * sigma * sigma)).exp();
            let total: f64 = (-200..=200).map(mass).sum();
            let mut seen = vec![0u32; (2 * reach + 1) as usize];
            let mut squares = 0.0;
            for _ in 0..count {
                let x = discrete_gaussian(&mut rng, NonZeroU32::new(std).unwrap());
                squares += (x * x) as f64;
                if x.abs() <= reach {
                    seen[(x + reach) as usize] += 1;
                }
            }
            let exact: f64 = (-200..=200).map(|x: i64| mass(x) * (x * x) as f64).sum::<f64>() / total;
            let off = squares / f64::from(count) / exact - 1.0;
            assert!(off.abs() < 4.9 * (2.0 / f64::from(count)).sqrt(), "{std}: variance off by {off}");
            let chi: f64 = (-reach..=reach)
                .map(|x| (x, mass(x) / total * f64::from(count)))
                .filter(|(_, expected)| *expected >= 5.0)
                .map(|(x, expected)| (f64::from(seen[(x + reach) as usize]) - expected).powi(2) / expected)
                .sum();
            assert!(chi < 3.0 * f64::from(2 * reach as i32 + 1), "{std}: chi-square {chi}");
        }
    }
}
