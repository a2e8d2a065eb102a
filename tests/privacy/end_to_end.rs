//! **Claim.** A Release carries the noise of every accepted member, and never less than that of the m
//! that are certainly honest, whatever f others do; one person moves it by Delta and by nothing else;
//! and its error stays within 1.25 times that of a curator whom everybody would trust with all data.
//!
//! **Formula.** n members without data release sums that are noise alone: variance |A| sigma_i^2, mean
//! 0. Where f members add no noise it is at least m sigma_i^2. Of two co-operatives with the same dice,
//! one of which has one person more, the Releases differ by Delta in one cell and by 0 elsewhere. Error
//! ratio: sqrt(|A| / m), measured as root mean square over Delta / sqrt(2 rho).
//! Bounds: 4.9 standard errors, that is 4.9 sqrt(2 / N) of a variance of N sums.
//!
//! **Source.** Kairouz, Liu & Steinke 2021 (arXiv:2102.06387), section 4 (sums of discrete Gaussians);
//! n, f, d, m: the last table of the README, "What this protects, and what not".
//!
//! **How.** Real members, their logs, proofs and sealed shares, in the simulated world, which draws its
//! noise from the node's own sampler here. 5 rounds of 2,000 cells among 20 members give as many sums,
//! 10,000, as 50 questions of 200 cells, in a third of the time. 200 members: every member's own work
//! (noise, proof, sealing, checking, adding up) without logs and messages, which would take minutes
//! here; `privacy-report --long` runs those too.
//!
//! **What would make it fail.** Noise 5 % too small; sized for n shares in place of m; the offset B
//! forgotten before sharing or after adding up; a person counted twice (Delta x 2). Each of these is fed
//! to the same checks, and must be seen.
//!
//! False alarm: 1e-6 a check, and a check that fails is made once more on fresh noise.

use datacoop_tests::end_to_end::{colluding, faults, greedy_floor, neighbours, one_more, ratios, twenty};
use datacoop_tests::report::{Figure, again, again_all};

fn check(figures: Vec<Figure>) {
    figures.iter().for_each(Figure::check);
}

#[test]
fn twenty_members_release_the_noise_of_all_of_them() {
    check(again_all(twenty));
}

#[test]
fn with_f_members_adding_no_noise_the_noise_of_m_is_still_there() {
    again(colluding).check();
    greedy_floor().check();
}

#[test]
fn one_person_moves_one_cell_by_delta_and_nothing_else() {
    check(neighbours(one_more));
}

#[test]
fn the_error_is_at_most_a_quarter_above_a_trusted_curators() {
    check(again_all(ratios));
}

#[test]
fn each_fault_on_the_way_to_a_release_is_seen() {
    check(faults());
}
