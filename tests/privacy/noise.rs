//! **Claim.** The noise that each member adds is an exact discrete Gaussian of the scale that the
//! round's public numbers prescribe, independent from cell to cell and from call to call.
//!
//! **Formula.** P(x) = exp(-x^2 / 2 sigma^2) / Z on the integers. Of N = 20,000 draws of the function
//! that a node itself calls (`datacoop::noise::draw`), at three scales:
//! - the sum of squares over N lies within 4.9 sqrt(2 / N) = 4.9 % of the exact variance;
//! - the mean lies within 4.9 sigma / sqrt(N) of 0;
//! - the correlation of each draw with the next lies within 4.9 / sqrt(N) of 0;
//! - chi-square against P, over about 30 runs of values, stays below its 1 - 1e-6 quantile.
//!
//! **Source.** Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), definition 1 and algorithm 3; the
//! scale: Kairouz, Liu & Steinke 2021 (arXiv:2102.06387), proposition 14.
//!
//! **What would make it fail.** A scale that is 5 % too small; noise sized for n shares in place of the
//! m that are certainly honest; an offset left in; noise used twice; a source of randomness with a bad
//! bit. Each of these is fed to the same checks below, and must be seen.
//!
//! False alarm: 1e-6 a check, and a check that fails is made once more on fresh draws.

use std::num::NonZeroU32;

use datacoop_tests::noise::{
    DRAWS, FAULTS, SCALES, caught, independence, measure, production, right_and_greedy,
};
use datacoop_tests::report::again;

#[test]
fn the_production_sampler_draws_the_exact_distribution() {
    for noise_std in SCALES {
        for figure in measure(production, noise_std) {
            figure.check();
        }
    }
}

#[test]
fn two_calls_never_share_their_noise() {
    let std = NonZeroU32::new(1_281).unwrap();
    // One after the other in turn: what the second call repeats would correlate with its neighbour.
    let woven = || {
        let (one, two) = (production(std, DRAWS / 2), production(std, DRAWS / 2));
        one.into_iter().zip(two).flat_map(|(a, b)| [a, b]).collect::<Vec<_>>()
    };
    again(|| independence(&woven(), std.get())).check();
}

#[test]
fn noise_for_n_shares_is_weaker_than_noise_for_m() {
    let (right, greedy) = right_and_greedy(20);
    assert_eq!(right, 711, "sigma_i of a count among 20 at rho 0.005, in 256ths (m = 13)");
    assert!(f64::from(greedy) < 0.81 * f64::from(right), "sqrt(13 / 20) = 0.806");
}

#[test]
fn each_fault_is_seen_by_its_check() {
    for fault in &FAULTS {
        caught(fault).check();
    }
}
