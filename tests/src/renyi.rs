//! Renyi divergence between neighbours, from exact mass functions on small domains, against the loss that
//! is claimed. What this file does *not* know: any draw; nothing here is random.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::query::NoiseScale;

use crate::report::Figure;
use crate::statistics::Mass;

/// Orders from 1.5 to 32.
pub const ORDERS: [f64; 8] = [1.5, 2.0, 3.0, 4.0, 8.0, 12.0, 16.0, 32.0];
/// Noise shares m: of one member alone, and of Rosters of 5, 12 and 20.
pub const SHARES: [u32; 4] = [1, 4, 8, 13];
/// Losses in billionths of rho: a usual one, a dear one, and the most a Query may cost.
pub const LOSSES: [u64; 3] = [5_000_000, 20_000_000, 50_000_000];
/// Delta^2 in steps squared: a count; a person in three cells; a mean with its count; a clip of 5.
pub const SENSITIVITIES: [u128; 4] = [1, 3, 5, 25];
/// Standard deviations of the whole sum to which mass functions reach: at order 32 and rho 0.05 the
/// divergence comes from around 10, and what lies 10 beyond that is below 1e-20 of it.
const REACH: f64 = 20.0;

/// The mass function of a sum of `shares` draws, by convolution, twice as many at a time. All terms are
/// positive, so every value, however small, is exact to about 1e-13 of itself.
pub fn summed(share: &Mass, shares: u32) -> Mass {
    let (mut doubled, mut sum, mut left) = (share.clone(), None, shares);
    while left > 0 {
        if left % 2 == 1 {
            sum = Some(sum.map_or_else(|| doubled.clone(), |sum| convolved(&sum, &doubled)));
        }
        left /= 2;
        if left > 0 {
            doubled = convolved(&doubled, &doubled);
        }
    }
    sum.expect("at least one share")
}

/// The sum of two, cut at the reach that both have.
fn convolved(one: &Mass, other: &Mass) -> Mass {
    let (reach, width) = (usize::try_from(-one.low).expect("centred"), one.of.len());
    let mut of = vec![0.0; width];
    for (i, a) in one.of.iter().enumerate() {
        let (first, last) = (reach.saturating_sub(i), (width + reach - i).min(width));
        let into = of[i + first - reach..].iter_mut();
        into.zip(&other.of[first..last]).for_each(|(sum, b)| *sum += a * b);
    }
    Mass { low: one.low, of }
}

/// D_a(P || Q) = ln( sum over x of P(x)^a Q(x)^(1 - a) ) / (a - 1), for Q the same moved by `shift`.
///
/// Source: Bun & Steinke 2016 (arXiv:1605.02065), definition 1.1 and section 2.1.
pub fn divergence(mass: &Mass, shift: usize, order: f64) -> f64 {
    let logs: Vec<f64> = mass.of.iter().map(|p| p.ln()).collect();
    // P at x beside P at x - shift, as far as both are there.
    let terms = logs.iter().skip(shift).zip(&logs).map(|(p, q)| order * p + (1.0 - order) * q);
    let terms: Vec<f64> = terms.collect();
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
    (largest + sum.ln()) / (order - 1.0)
}

/// Noise of one share at this scale, reaching far enough for a sum of `shares`.
#[expect(clippy::cast_possible_truncation, reason = "a few thousand steps at most")]
pub fn share(sigma: f64, shares: u32) -> Mass {
    Mass::gaussian(sigma, (REACH * sigma * f64::from(shares).sqrt()).ceil() as i64)
}

/// The largest divergence over order x rho, of all orders and of every way in which one person can move
/// one cell: by j steps, which is j^2 / Delta^2 of the loss (over several cells losses add up).
pub fn worst(mass: &Mass, sensitivity2: u128, doublings: u32, rho: f64) -> f64 {
    let farthest = usize::try_from(sensitivity2.isqrt()).expect("small");
    let moves = 1..=farthest;
    let of_move = |j: usize| {
        let part = (j * j) as f64 / sensitivity2 as f64;
        let of_order = move |order: &f64| divergence(mass, j << doublings, *order) / (order * rho * part);
        ORDERS.iter().map(of_order).fold(0.0, f64::max)
    };
    moves.map(of_move).fold(0.0, f64::max)
}

/// Every combination of sensitivity, loss and shares; `of` is the divergence over what is claimed.
fn each(of: impl Fn(u128, u64, u32) -> f64) -> Vec<f64> {
    let mut found = vec![];
    for sensitivity2 in SENSITIVITIES {
        for loss in LOSSES {
            found.extend(SHARES.iter().map(|shares| of(sensitivity2, loss, *shares)));
        }
    }
    found
}

/// A fault in how the noise is sized: what multiplies sigma_i.
type Sizing = fn(shares: u32) -> f64;

fn sized(sizing: Sizing) -> Vec<f64> {
    each(|sensitivity2, nano, shares| {
        let noise = NoiseScale::new(sensitivity2, PrivacyLoss::from_nano(nano), shares).expect("a scale");
        let sigma = f64::from(noise.noise_std.get()) / 256.0 * sizing(shares);
        worst(&summed(&share(sigma, shares), shares), sensitivity2, noise.doublings, nano as f64 / 1e9)
    })
}

/// The largest of all divergences over what is claimed, and how many there were.
fn worst_of(sizing: Sizing) -> (f64, u64) {
    let found = sized(sizing);
    (found.iter().copied().fold(0.0, f64::max), (found.len() * ORDERS.len()) as u64)
}

/// The worst case keeps to the claim.
pub fn keeps(sizing: Sizing) -> Figure {
    let (worst, trials) = worst_of(sizing);
    Figure::at_most("divergence / (order x rho), worst of all sizes", trials, worst, 1.0)
}

/// As `keeps`, and the worst case comes close to the claim, which is thus not idle.
pub fn keeps_and_is_tight() -> Vec<Figure> {
    let (worst, trials) = worst_of(|_| 1.0);
    vec![
        Figure::at_most("divergence / (order x rho), worst of all sizes", trials, worst, 1.0),
        Figure::at_least("the same: the claim is not idle", trials, worst, 0.98),
    ]
}

/// What a single share is against a committee that is corrupt to the last seat: m x rho, clipped as it
/// is before sharing. The outputs of neighbours have the same support, 0 to X_max + 2B, integers all.
///
/// The mass function of y = clamp(x' + z + B, 0, X_max + 2B).
pub fn clipped(noise: &NoiseScale, x: i64, tally_max: i64) -> Mass {
    let clip = i64::try_from(noise.clip()).expect("small");
    let top = tally_max + 2 * clip;
    let sigma = f64::from(noise.noise_std.get()) / 256.0;
    let reach = top + clip;
    let mut of = vec![0.0; usize::try_from(top + 1).expect("positive")];
    for (z, p) in Mass::gaussian(sigma, reach).points() {
        of[usize::try_from((x + z + clip).clamp(0, top)).expect("clamped")] += p;
    }
    Mass { low: 0, of }
}

/// A single share of a count, with someone and without: the largest divergence over order x m x rho,
/// either way round; and how many outputs only one of the two can have.
pub fn alone(shares: u32, nano: u64) -> (f64, u64) {
    let noise = NoiseScale::new(1, PrivacyLoss::from_nano(nano), shares).expect("a scale");
    let (roll, step) = (10, 1i64 << noise.doublings);
    let tally_max = roll * step;
    let (mut worst, mut only_one): (f64, u64) = (0.0, 0);
    for people in 0..roll {
        let without = clipped(&noise, people * step, tally_max);
        let with = clipped(&noise, (people + 1) * step, tally_max);
        let pairs: Vec<(f64, f64)> = without.of.iter().copied().zip(with.of.iter().copied()).collect();
        only_one += pairs.iter().filter(|(p, q)| (*p > 0.0) != (*q > 0.0)).count() as u64;
        for order in ORDERS {
            let sum = |(p, q): &(f64, f64)| (order * p.ln() + (1.0 - order) * q.ln()).exp();
            let back = |(p, q): &(f64, f64)| sum(&(*q, *p));
            let one = pairs.iter().map(sum).sum::<f64>().ln() / (order - 1.0);
            let other = pairs.iter().map(back).sum::<f64>().ln() / (order - 1.0);
            let claimed = order * f64::from(shares) * nano as f64 / 1e9;
            worst = worst.max(one / claimed).max(other / claimed);
        }
    }
    (worst, only_one)
}

/// `alone` for Rosters of 5, 12 and 20 at each loss.
pub fn shares_alone() -> Vec<Figure> {
    let cases = SHARES.iter().flat_map(|shares| LOSSES.iter().map(|loss| alone(*shares, *loss)));
    let (worst, only_one): (Vec<f64>, Vec<u64>) = cases.unzip();
    let trials = (worst.len() * ORDERS.len()) as u64;
    let worst = worst.into_iter().fold(0.0, f64::max);
    vec![
        Figure::at_most("one clipped share / (order x m x rho), worst", trials, worst, 1.0),
        Figure::never("an output that only one neighbour can have", trials, only_one.iter().sum()),
    ]
}

/// Why sigma_i is at least 2 steps: shares of half a step add up to something that is no Gaussian.
pub fn without_the_least_scale() -> Figure {
    let (shares, sigma) = (13, 0.4);
    let rho = 1.0 / (2.0 * f64::from(shares) * sigma * sigma);
    let found = worst(&summed(&share(sigma, shares), shares), 1, 0, rho);
    Figure::caught("shares of 0.4 steps", &Figure::at_most("", ORDERS.len() as u64, found, 1.0))
}

/// Faults in the sizing, each of which must show.
pub fn faults() -> Vec<Figure> {
    vec![
        Figure::caught("sigma x 0.95, in the divergence", &keeps(|_| 0.95)),
        Figure::caught("Delta x 2, in the divergence", &keeps(|_| 0.5)),
        // Rosters of 5, 12 and 20 have m = 4, 8 and 13.
        Figure::caught(
            "m := n, in the divergence",
            &keeps(|m| {
                let n = [(4, 5.0), (8, 12.0), (13, 20.0)].iter().find(|(honest, _)| *honest == m);
                n.map_or(1.0, |(_, n)| (f64::from(m) / n).sqrt())
            }),
        ),
        without_the_least_scale(),
    ]
}

/// All of it.
pub fn figures() -> Vec<Figure> {
    let mut figures = keeps_and_is_tight();
    figures.extend(shares_alone());
    figures.extend(faults());
    figures
}
