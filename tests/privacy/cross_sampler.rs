//! **Claim.** Three samplers that nobody wrote together draw from one distribution: OpenDP's, which
//! nodes use; the one in `prio`; and the integer one that the simulator and made-up data use.
//!
//! **Formula.** For two samples of N = 20,000 draws each, counted in about 30 runs of values,
//! chi-square = sum of (a - b)^2 / (a + b), one degree of freedom less than runs; it stays below its
//! 1 - 1e-6 quantile.
//!
//! **Source.** Two-sample chi-square: Press et al., Numerical Recipes, "Are two distributions
//! different?". Samplers: all three after Canonne, Kamath & Steinke 2020 (arXiv:2004.00010), in three
//! arithmetics (`dashu`, `num-bigint`, `u128`). `prio`'s authors say that theirs was adapted from
//! OpenDP's, so an error in the paper or in that port would be common to both; `noise.rs` therefore
//! compares with the mass function itself.
//!
//! **What would make it fail.** A change in any one of them, of 10 % in scale or more: `prio`'s at
//! sigma x 0.9 is compared below, and must be seen.

use datacoop_tests::noise::{OTHERS, compare, comparison_catches, production};
use datacoop_tests::report::again;

#[test]
fn three_samplers_draw_from_one_distribution() {
    for (what, other) in OTHERS {
        again(|| compare(what, production, other, 1_281)).check();
    }
}

#[test]
fn a_sampler_that_is_ten_percent_off_is_seen() {
    comparison_catches().check();
}
