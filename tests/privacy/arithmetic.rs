//! **Claim.** What people are shown beside a loss rho holds: with chance 1 - 1e-6, whatever anybody learns
//! is at most e^epsilon times as likely as without the person; if everyone else colludes, with m rho in
//! place of rho; for a person at c members, with c^2 rho; over years, with the sum of the rhos.
//!
//! **Formula.** epsilon(rho, delta) = min over alpha > 1 of
//! alpha rho + (ln(1 / delta) + alpha ln(1 - 1 / alpha) - ln(alpha - 1)) / (alpha - 1),
//! at most rho + 2 sqrt(rho ln(1 / delta)). Exactly, for two laws P and Q of what is seen:
//! delta(epsilon) = sum over y of max(0, P(y) - e^epsilon Q(y)). P and Q are here the sum of m discrete
//! Gaussians of the scale that nodes compute, each cut as contributions are, with and without a person
//! who moves a count by one; summed term by term, for m = 4, 8, 13, 43. At the epsilon shown, delta <= 1e-6.
//! Beyond its cut a draw lies with chance 2e-17 at most; what that adds to delta is kept back of it.
//!
//! **Source.** Bun & Steinke 2016 (arXiv:1605.02065), Prop. 1.3, Lemma 1.7, Prop. 1.9; Canonne, Kamath &
//! Steinke 2020 (arXiv:2004.00010), Prop. 12; the sum of shares: Kairouz, Liu & Steinke 2021
//! (arXiv:2102.06387), Prop. 14. Nodes convert by OpenDP; the conversion compared with it is written apart
//! and goes the other way round.
//!
//! **What would make it fail.** Noise for n shares of which m are there; a person at two members stated as
//! one; epsilons added up in place of rhos, or a figure rounded down. The first ones are fed to the exact
//! sum, and must be seen. README's tables are made by the same module, and a digit that differs fails.
//!
//! Nothing here is random: there are no false alarms.

use datacoop::loss::{Reading, repeated};
use datacoop_policy::PrivacyLoss;
use datacoop_tests::arithmetic::{
    as_least_over_alpha, below_closed_form, cuts_are_rare, faults, known_to_several_holds, own_noise_holds,
    shown_is_no_less, stated_holds, two_answers_hold,
};
use datacoop_tests::numbers::{block, block_of};

#[test]
fn two_other_conversions_agree() {
    below_closed_form().check();
    as_least_over_alpha().check();
}

#[test]
fn what_is_shown_is_never_less_than_what_is() {
    shown_is_no_less().iter().for_each(|figure| figure.check());
    cuts_are_rare().check();
}

#[test]
fn the_summed_noise_of_m_shares_keeps_what_is_shown() {
    stated_holds().check();
}

#[test]
fn one_share_alone_keeps_m_times_rho() {
    own_noise_holds().check();
}

#[test]
fn a_person_at_several_members_and_several_answers_keep_what_is_shown() {
    known_to_several_holds().check();
    two_answers_hold().check();
}

#[test]
fn weaker_noise_is_seen() {
    faults().iter().for_each(|figure| figure.check());
}

#[test]
fn a_year_is_read_as_a_sum_of_losses_not_of_epsilons() {
    let query = PrivacyLoss::from_nano(5_000_000);
    let (one, year) = (Reading::of(query).epsilon().unwrap(), repeated(query, 50).epsilon().unwrap());
    assert!(year < 0.2 * 50.0 * one, "{year} is far below 50 times {one}");
    assert!(year > 50f64.sqrt() * one, "and above its root");
}

#[test]
fn readme_says_what_the_module_says() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (found, made) = (block_of(&readme), block());
    assert!(found == Some(made.as_str()), "README's numbers differ; between its markers belongs:\n\n{made}");
}
