//! **Claim.** Whoever knows a sum, every other person's number and every member's noise but that of the
//! honest ones gains no more than rho allows when guessing whether one person is in the data; nor does the
//! mean of all rewordings that a year's limit pays for.
//!
//! **Formula.** Advantage = P("in" | in) - P("in" | out) <= 2 Phi(sqrt(rho / 2)) - 1, over 20,000 guesses
//! (2,000 years of 20 rewordings), plus 4.9 standard errors. At rho 0.05 that is 0.126, at 1 it is 0.520.
//!
//! **Source.** Two normals a distance D apart: total variation 2 Phi(D / 2 sigma) - 1; rho = D^2 / 2 sigma^2
//! and rho adds up: Bun & Steinke 2016 (arXiv:1605.02065), proposition 1.6 and lemma 1.7. The best attacker
//! is a threshold: Neyman & Pearson 1933. The noise is `datacoop::noise::draw`, as a node calls it.
//!
//! **What would make it fail.** Noise too small, or sized for all shares where some may collude; noise
//! used twice. Half the noise is fed to the same attacker, and must be seen.
//!
//! Rosters one apart are attacked in `sim/tests/differencing.rs`. That a limit refuses what goes beyond it
//! is `privacy/ledger.rs`; here a year's worth of rewordings is taken as paid for. False alarm: 1e-6, one
//! re-run.

#[test]
fn no_guess_gains_more_than_rho_allows() {
    for figure in datacoop_tests::differencing::figures() {
        println!("{figure}");
        figure.check();
    }
}
