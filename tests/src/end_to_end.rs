//! What a Release says about the noise in it, through real `Member`s: measured variance, mean and error
//! against the promises of ROUND section 1. What this file does *not* know: samplers' insides.

use std::num::NonZeroU32;
use std::sync::Arc;

use datacoop_sim::world::DrawNoise;

use crate::noise::production;
use crate::report::Figure;
use crate::rounds::{Coop, Data, Grid, LOSS_NANO, Released, direct, zero};
use crate::statistics::NORMAL_MAX;

/// Cells of a count: the most that a Question may have, for a round's own cost counts once.
pub const COUNTS: Grid = Grid { rows: 40, columns: 50, clip: 1 };
/// Rounds among 20 members: with 2,000 cells each as many sums, 10,000, as 50 Queries of 200 cells.
pub const ROUNDS: usize = 5;
/// Error against a trusted curator, at most (ROUND section 1).
pub const RATIO_MAX: f64 = 1.25;

/// So many rounds among members with no data.
pub fn rounds(members: usize, grid: Grid, count: usize, silent: usize, draw: DrawNoise) -> Vec<Released> {
    let mut coop = Coop::new(members, grid, &datacoop::entropy::seed(), zero, Some(draw));
    (0..silent).for_each(|site| coop.world.silence_noise(site));
    (0..count).map(|_| coop.round()).collect()
}

fn sums(released: &[Released]) -> impl Iterator<Item = f64> {
    released.iter().flat_map(|released| &released.sums).copied()
}

/// Mean square over all sums, how many there are, and 4.9 standard errors of it, relative.
fn spread(released: &[Released]) -> (f64, u64, f64) {
    let count = sums(released).count();
    let square = sums(released).map(|sum| sum * sum).sum::<f64>() / count as f64;
    (square, count as u64, NORMAL_MAX * (2.0 / count as f64).sqrt())
}

/// Variance of the released sums over |A| sigma_i^2: every accepted member added its noise, no more.
pub fn variance(released: &[Released]) -> Figure {
    let (square, count, margin) = spread(released);
    let Released { accepted, plan, .. } = &released[0];
    let terms = plan.terms;
    let nominal = *accepted as f64 * released[0].sigma().powi(2);
    let claim = format!("variance / (n sigma_i^2), {} members, no data", terms.n);
    Figure::between(claim, count, square / nominal, 1.0 - margin, 1.0 + margin)
}

/// Variance over m sigma_i^2, which must not be lacking whatever f members did.
pub fn floor(released: &[Released]) -> Figure {
    let (square, count, margin) = spread(released);
    let terms = released[0].plan.terms;
    let promised = f64::from(terms.honest) * released[0].sigma().powi(2);
    let claim = format!("variance / (m sigma_i^2), {} members, {} add no noise", terms.n, terms.colluding);
    Figure::at_least(claim, count, square / promised, 1.0 - margin)
}

/// Mean of the released sums in its standard errors: nothing is left of the offset B.
pub fn mean(released: &[Released]) -> Figure {
    let count = sums(released).count();
    let error = released[0].sigma() * (released[0].accepted as f64 / count as f64).sqrt();
    let mean = sums(released).sum::<f64>() / count as f64 / error;
    let claim = format!("mean in standard errors, {} members, no data", released[0].plan.terms.n);
    Figure::between(claim, count as u64, mean, -NORMAL_MAX, NORMAL_MAX)
}

/// Root mean square error over that of a curator who sees all data and adds Delta / sqrt(2 rho) once.
/// Measured, so the bound is theory, sqrt(|A| / m), with its 4.9 standard errors.
pub fn ratio(released: &[Released]) -> Vec<Figure> {
    let (square, count, margin) = spread(released);
    let Released { accepted, plan, .. } = &released[0];
    let terms = plan.terms;
    let curator = 1.0 / (2.0 * LOSS_NANO as f64 / 1e9).sqrt();
    let theory = (*accepted as f64 / f64::from(terms.honest)).sqrt();
    let measured = square.sqrt() / curator;
    let claim = format!("error / a curator's, {} members, measured", terms.n);
    let (low, high) = (theory * (1.0 - margin).sqrt(), theory * (1.0 + margin).sqrt());
    vec![
        Figure::between(claim, count, measured, low, high),
        Figure::at_most(
            format!("error / a curator's, {} members, sqrt(accepted / m)", terms.n),
            released.len() as u64,
            theory,
            RATIO_MAX,
        ),
    ]
}

/// A few numbers, to see where one person lands.
const SUMS: Grid = Grid { rows: 4, columns: 5, clip: 5 };
/// The cell of the person that is there or not.
const CELL: usize = 7;

fn everyone(_: usize, cells: usize) -> Vec<i64> {
    vec![40; cells]
}

/// As `everyone`, and one person more at member 3, who adds `clip` = Delta.
pub fn one_more(member: usize, cells: usize) -> Vec<i64> {
    let mut data = everyone(member, cells);
    data[CELL] += if member == 3 { i64::from(SUMS.clip) } else { 0 };
    data
}

/// What Delta would have to be twice as large for: that person counted twice.
pub fn one_more_twice(member: usize, cells: usize) -> Vec<i64> {
    let mut data = one_more(member, cells);
    data[CELL] += if member == 3 { i64::from(SUMS.clip) } else { 0 };
    data
}

/// Two co-operatives with the same dice, and in one of them a person more: by how much its cell moves,
/// and whether any other does.
pub fn neighbours(more: Data) -> Vec<Figure> {
    let seed = datacoop::entropy::seed();
    let of = |data: Data| Coop::new(6, SUMS, &seed, data, None).round().sums;
    let moved: Vec<f64> = of(more).iter().zip(of(everyone)).map(|(with, without)| with - without).collect();
    let elsewhere = moved.iter().enumerate().filter(|(cell, by)| *cell != CELL && **by != 0.0).count();
    let delta = f64::from(SUMS.clip);
    vec![
        Figure::between("one person moves one cell by Delta", 1, moved[CELL], delta, delta),
        Figure::never("one person moves any other cell", moved.len() as u64 - 1, elsewhere as u64),
    ]
}

/// A sampler that is broken, for the world.
fn broken(draw: impl Fn(NonZeroU32, usize) -> Vec<i64> + 'static) -> DrawNoise {
    Arc::new(move |_, noise_std, cells| draw(noise_std, cells))
}

fn scaled(noise_std: NonZeroU32, by: f64) -> NonZeroU32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a smaller scale")]
    let std = (f64::from(noise_std.get()) * by).round() as u32;
    NonZeroU32::new(std).expect("a scale")
}

/// Each fault on the way from a share to a Release, and the check that must see it. Among 5 members,
/// whose rounds are cheap: 20,000 sums, for which sigma x 0.95 shows all but surely.
pub fn faults() -> Vec<Figure> {
    let weak = broken(|std, cells| production(scaled(std, 0.95), cells));
    // Among 5, m = 4.
    let greedy = broken(|std, cells| production(scaled(std, (4.0f64 / 5.0).sqrt()), cells));
    // y = clamp(x' + z, 0, max): what is below zero is gone, and there is nothing to take off.
    let clipped = broken(|std, cells| production(std, cells).into_iter().map(|z| z.max(0)).collect());
    let sound = rounds(5, COUNTS, 1, 0, broken(production));
    let left_in: Vec<Released> = sound
        .iter()
        .map(|released| {
            let offset = released.offset();
            let sums = released.sums.iter().map(|sum| sum + offset).collect();
            Released { sums, ..released.clone() }
        })
        .collect();
    vec![
        Figure::caught("sigma x 0.95 in a Release", &variance(&rounds(5, COUNTS, 10, 0, weak))),
        Figure::caught("m := n in a Release", &variance(&rounds(5, COUNTS, 10, 0, greedy))),
        Figure::caught("B forgotten before sharing", &mean(&rounds(5, COUNTS, 1, 0, clipped))),
        Figure::caught("B not taken off a Release", &mean(&left_in)),
        Figure::caught("Delta x 2", &neighbours(one_more_twice)[0]),
    ]
}

/// m := n where f members add no noise: what is left lies below what m shares would be.
pub fn greedy_floor() -> Figure {
    // Among 20, m = 13 and f = 6.
    let greedy = broken(|std, cells| production(scaled(std, (13.0f64 / 20.0).sqrt()), cells));
    Figure::caught("m := n, and f members add no noise", &floor(&rounds(20, COUNTS, 1, 6, greedy)))
}

/// Production noise, for the world.
pub fn honest() -> DrawNoise {
    broken(production)
}

/// Among 20 members, all of whom add their noise.
pub fn twenty() -> Vec<Figure> {
    let released = rounds(20, COUNTS, ROUNDS, 0, honest());
    let mut figures = vec![variance(&released), mean(&released)];
    figures.extend(ratio(&released));
    figures
}

/// Among 20 members, f = 6 of whom add none.
pub fn colluding() -> Figure {
    floor(&rounds(20, COUNTS, 1, 6, honest()))
}

/// Error ratios of Rosters other than 20; 200 without logs (`rounds::direct`).
pub fn ratios() -> Vec<Figure> {
    let mut figures = ratio(&rounds(5, COUNTS, 5, 0, honest()));
    figures.extend(ratio(&rounds(65, Grid { rows: 25, columns: 20, clip: 1 }, 1, 0, honest())));
    figures.extend(ratio(&[direct(200, Grid { rows: 20, columns: 20, clip: 1 })]));
    figures
}

/// 200 members with all that a round is: minutes in the dev profile.
pub fn two_hundred() -> Vec<Figure> {
    ratio(&rounds(200, Grid { rows: 20, columns: 20, clip: 1 }, 1, 0, honest()))
}

/// Everything that a Release shows.
pub fn figures() -> Vec<Figure> {
    let mut figures = twenty();
    figures.push(colluding());
    figures.extend(ratios());
    figures.extend(neighbours(one_more));
    figures.extend(faults());
    figures.push(greedy_floor());
    figures
}
