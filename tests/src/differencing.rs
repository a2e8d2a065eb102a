//! An attacker that guesses whether one person is in the data, from a sum and everything else. What this
//! file does *not* know: rounds; that rewordings are charged and stop is the Ledger's test.

use std::num::NonZeroU32;

use datacoop_policy::limits::{FLOOR_RHO_QUERY, FLOOR_RHO_YEAR};
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, Terms};

use crate::noise::production;
use crate::report::{Figure, again};
use crate::statistics::NORMAL_MAX;

/// Guesses from one answer, half of them with the person in the data (SECURITY S13).
pub const TRIALS: usize = 20_000;
/// Guesses from a year's rewordings; each takes a year of noise.
const YEARS: usize = 2_000;

/// 2 Phi(x) - 1 for 0 <= x <= 2, from the series of the normal integral; its terms fall below 1e-16.
fn inside(x: f64) -> f64 {
    let (mut power, mut sum) = (x, 0.0);
    for k in 0..40 {
        let k = f64::from(k);
        sum += power / (2.0 * k + 1.0);
        power *= -x * x / (2.0 * (k + 1.0));
    }
    sum * (2.0 / std::f64::consts::PI).sqrt()
}

/// The most that any guess may gain at this rho: total variation between N(0, s^2) and N(D, s^2) is
/// 2 Phi(D / 2s) - 1, and rho = D^2 / 2s^2, so D / 2s = sqrt(rho / 2).
pub fn advantage_max(rho: f64) -> f64 {
    inside((rho / 2.0).sqrt())
}

/// The best attacker's advantage, P("in" | in) - P("in" | out), from the mean of `answers` answers that
/// each cost the dearest lawful rho, in a Roster of `n`. It knows all other numbers and the noise of every
/// member that may collude or vanish; what is left is the person's own step and the honest shares' noise.
/// The likelihood ratio of two normals of one scale rises with the answer, so a threshold in the middle is
/// the best test there is (Neyman & Pearson 1933). `noise_percent` is 100 but for a fault.
fn advantage(n: usize, answers: usize, trials: usize, noise_percent: u32) -> f64 {
    let terms = Terms::new(n, Mode::Secure, Assumptions::FLOOR).expect("a Roster");
    let scale = NoiseScale::new(1, FLOOR_RHO_QUERY, terms.honest).expect("a scale");
    let std = NonZeroU32::new(scale.noise_std.get() * noise_percent / 100).expect("no zero scale");
    let step = 1i64 << scale.doublings;
    let shares = terms.honest as usize * answers;
    let noise = production(std, shares * trials);
    let total = i64::try_from(answers).expect("a few") * step;
    let guesses_in = |(trial, noise): (usize, &[i64])| {
        let person = if trial % 2 == 0 { total } else { 0 };
        2 * (person + noise.iter().sum::<i64>()) > total
    };
    let guesses: Vec<bool> = noise.chunks(shares).enumerate().map(guesses_in).collect();
    let said_in = |world: usize| guesses.iter().skip(world).step_by(2).filter(|guess| **guess).count();
    (said_in(0) as f64 - said_in(1) as f64) / (trials / 2) as f64
}

/// What a rate's difference over this many trials may be off by: 4.9 standard errors of two halves.
fn margin(trials: usize) -> f64 {
    NORMAL_MAX * (1.0 / trials as f64).sqrt()
}

fn within(claim: &str, n: usize, answers: usize, trials: usize, noise_percent: u32) -> Figure {
    let rho = FLOOR_RHO_QUERY.nano() as f64 * answers as f64 / 1e9;
    let claim = format!("{claim}, {n} members, rho {rho}");
    let bound = advantage_max(rho);
    let seen = advantage(n, answers, trials, noise_percent);
    Figure::at_most(claim, trials as u64, seen, bound + margin(trials))
}

/// Rewordings that a year has room for, each at the dearest lawful rho.
fn rewordings() -> usize {
    usize::try_from(FLOOR_RHO_YEAR.nano() / FLOOR_RHO_QUERY.nano()).expect("twenty")
}

/// Whether the person is in the data, from one answer.
pub fn membership(n: usize, noise_percent: u32) -> Figure {
    within("in the data or not, advantage", n, 1, TRIALS, noise_percent)
}

/// The same from the mean of all rewordings of a year.
pub fn reworded(n: usize, noise_percent: u32) -> Figure {
    within("the mean of a year's rewordings, advantage", n, rewordings(), YEARS, noise_percent)
}

/// The attacks, and that a sound attacker is one: with half the noise each must be seen.
pub fn figures() -> Vec<Figure> {
    vec![
        again(|| membership(5, 100)),
        again(|| membership(20, 100)),
        again(|| reworded(5, 100)),
        Figure::caught("one answer at half the noise", &membership(5, 50)),
        Figure::caught("a year's rewordings at half the noise", &reworded(5, 50)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_integral_is_the_tabulated_one() {
        for (x, tabulated) in [(0.0, 0.0), (0.5, 0.382_924_9), (1.0, 0.682_689_5), (1.96, 0.950_004_2)] {
            assert!((inside(x) - tabulated).abs() < 1e-7, "{x}");
        }
        // Pinsker's inequality is weaker: KL <= rho, so the advantage is at most sqrt(rho / 2).
        assert!([0.005, 0.05, 1.0].iter().all(|rho| advantage_max(*rho) < (rho / 2.0f64).sqrt()));
    }
}
