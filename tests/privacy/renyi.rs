//! **Claim.** A Query that says it costs rho costs no more: the sum of the m noise shares that are
//! certainly honest keeps the Renyi divergence between neighbours below order x rho, at every order;
//! and one share alone, as the committee would see it if all its seats were corrupt, below order x m x
//! rho, with the same possible outputs for both neighbours.
//!
//! **Formula.** D_a(P || Q) = ln( sum of P(x)^a Q(x)^(1 - a) ) / (a - 1), from exact mass functions: P is
//! the convolution of m discrete Gaussians of the scale that `NoiseScale` chooses, Q the same moved by
//! the j steps (j^2 <= Delta^2) by which one person moves a cell. D_a <= a rho j^2 / Delta^2 for a = 1.5
//! to 32, m = 1, 4, 8, 13, rho = 0.005, 0.02, 0.05, Delta^2 = 1, 3, 5, 25. Nothing is drawn: the figures are
//! the same in every run.
//!
//! **Source.** zCDP: Bun & Steinke 2016 (arXiv:1605.02065), definition 1.1. Sums of discrete Gaussians:
//! Kairouz, Liu & Steinke 2021 (arXiv:2102.06387), proposition 14. That more shares than m, or clipping
//! afterwards, cannot raise it: post-processing (Bun & Steinke, lemma 1.8).
//!
//! **What would make it fail.** sigma x 0.95; Delta x 2; m := n; shares of less than 2 steps, whose sum
//! is no Gaussian any more (0.4 steps are tried). Each is fed to the same function, and must show.

use datacoop_tests::renyi::{
    alone, clipped, divergence, faults, keeps_and_is_tight, share, shares_alone, summed,
};
use datacoop_tests::report::Figure;

#[test]
fn the_sum_of_m_shares_costs_at_most_what_is_claimed() {
    keeps_and_is_tight().iter().for_each(Figure::check);
}

#[test]
fn one_share_alone_costs_at_most_m_times_that_and_rules_nothing_out() {
    shares_alone().iter().for_each(Figure::check);
}

#[test]
fn each_fault_in_the_sizing_shows() {
    faults().iter().for_each(Figure::check);
}

#[test]
fn the_divergence_of_a_wide_gaussian_is_its_closed_form() {
    // a j^2 / 2 sigma^2, for one share and for the sum of four (variances add up).
    for (sigma, shares) in [(5.0, 1), (3.0, 4)] {
        let mass = summed(&share(sigma, shares), shares);
        let variance = sigma * sigma * f64::from(shares);
        for (shift, order) in [(1, 1.5), (3, 8.0), (2, 32.0)] {
            let closed = order * (shift * shift) as f64 / 2.0 / variance;
            let found = divergence(&mass, shift, order);
            assert!(
                (found / closed - 1.0).abs() < 1e-9,
                "{sigma} {shares} {shift} {order}: {found} {closed}"
            );
        }
    }
}

#[test]
fn a_clipped_share_is_still_a_distribution() {
    use datacoop_policy::PrivacyLoss;
    use datacoop_policy::query::NoiseScale;
    let noise = NoiseScale::new(1, PrivacyLoss::from_nano(5_000_000), 13).unwrap();
    assert!((clipped(&noise, 5, 10).moment(0) - 1.0).abs() < 1e-12);
    assert!(alone(13, 5_000_000).0 > 0.9, "the claim of m x rho is not idle");
}
