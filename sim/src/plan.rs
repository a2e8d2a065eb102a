//! What a co-operative of so many members would learn, before there is one: formulas over what a Roster and its noise
//! come to (ROUND.md, section 1). Must not know data.
//!
//! `presence` says exactly how many are there in time, `windows` plays real members over a calendar, `upkeep` counts
//! what that costs them.
//!
//! All widths are half-widths of 95 % intervals of the privacy noise alone, of a count of people: one person changes
//! it by one. Another measure's are these times its resolution and its reach.

pub mod presence;
pub mod upkeep;
pub mod windows;

use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::FLOOR_RHO_QUERY;
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, SECURE_ROSTER_MIN, Terms};
use datacoop_protocol::sampler::discrete_gaussian;
use datacoop_protocol::seed::Seed;

/// Standard errors of a 95 % interval to each side.
const WIDTH: f64 = 1.96;
/// Widths that are priced, in people.
const WIDTHS: [u32; 5] = [10, 20, 50, 100, 200];
/// A billionth.
const NANO: f64 = 1e9;

/// How exact a count is for one loss.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exactness {
    /// Members.
    pub members: u32,
    /// Noise shares that count, m; 1 in full-noise mode.
    pub honest: u32,
    /// Committee seats, k; 0 in full-noise mode.
    pub seats: u32,
    /// Each member's noise sigma_i in 256ths of a scaled step, and how often the step is doubled.
    pub noise: NoiseScale,
    /// Half-width if one body held all rows and added noise once.
    pub curator: f64,
    /// Half-width of a round.
    pub secure_sum: f64,
    /// Half-width if every member published a noised count of its own, and those were added up.
    pub each_its_own: f64,
    /// The most that a member loses if everybody else were corrupt, billionths of rho.
    pub floor_nano: u64,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooSmall {
    /// Fewer than three members: each would see the other.
    Members,
    /// The loss leaves no room for noise.
    Loss,
}

/// The mode that so many members use: below five each adds all the noise itself.
pub fn mode(members: u32) -> Mode {
    if members < SECURE_ROSTER_MIN { Mode::FullNoise } else { Mode::Secure }
}

/// How exact a count over so many members is, all of them accepted.
///
/// Source: ROUND.md section 1: SD = sigma_i sqrt(n) / 2^t against Delta / sqrt(2 rho) of one curator.
pub fn exactness(members: u32, loss: PrivacyLoss) -> Result<Exactness, TooSmall> {
    let terms = Terms::new(members as usize, mode(members), Assumptions::FLOOR).ok_or(TooSmall::Members)?;
    let noise = NoiseScale::new(1, loss, terms.honest).ok_or(TooSmall::Loss)?;
    let nano = u32::try_from(loss.nano()).map_err(|_| TooSmall::Loss)?;
    let (root, curator) = (f64::from(members).sqrt(), 1.0 / (2.0 * f64::from(nano) / NANO).sqrt());
    let share = f64::from(noise.noise_std.get()) / 256.0 / f64::from(1u32 << noise.doublings);
    Ok(Exactness {
        members,
        honest: terms.honest,
        seats: terms.committee,
        noise,
        curator: WIDTH * curator,
        secure_sum: WIDTH * share * root,
        each_its_own: WIDTH * curator * root,
        floor_nano: loss.nano().saturating_mul(u64::from(terms.honest)),
    })
}

/// The loss, in billionths of rho, for which a count over so many members is right to within so many people.
///
/// Source: SIM.md section 10, rho = 1.96^2 Delta^2 n / (2 m w^2), rounded up.
pub fn loss_for(members: u32, width: u32) -> Option<u64> {
    let terms = Terms::new(members as usize, mode(members), Assumptions::FLOOR)?;
    let rho = WIDTH * WIDTH * f64::from(members) / (2.0 * f64::from(terms.honest) * f64::from(width).powi(2));
    let nano = (rho * NANO).ceil();
    // A width of one person costs a few rho at most: far below 2^32 billionths times ten.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 < nano < 2^53")]
    (nano.is_finite() && nano > 0.0 && nano < 9e15).then_some(nano as u64)
}

/// What the noise of a count might come to, in people, rounded: draws of what the members add together, which are
/// easier to judge than a width.
pub fn draws(exact: &Exactness, count: usize, seed: &Seed) -> Vec<i64> {
    let mut rng = seed.stream("plan/draws");
    let step = 1i64 << exact.noise.doublings;
    let draw = |_| {
        let noise = (0..exact.members).map(|_| discrete_gaussian(&mut rng, exact.noise.noise_std));
        // Half a step up, so that the division rounds to the nearest.
        (noise.sum::<i64>() + step / 2).div_euclid(step)
    };
    (0..count).map(draw).collect()
}

/// A plan for a co-operative that has not begun.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// How many people they count together.
    pub people: u64,
    /// How exact one question is.
    pub exact: Exactness,
    /// What one question costs, billionths of rho.
    pub loss_nano: u64,
    /// What a year may cost.
    pub year_nano: u64,
    /// Questions of this loss in a year; one in five kept back for rounds that must be asked again.
    pub questions: u64,
    /// What each width costs: people, billionths of rho, how many a year; `None` beyond what one question may cost.
    pub prices: Vec<(u32, Option<(u64, u64)>)>,
    /// The same exactness if three members leave; `None` if too few are left.
    pub three_fewer: Option<Exactness>,
}

/// Of the year's loss, what is kept for rounds that end without a sum and are asked again: one in five.
const RETRY_PART: u64 = 5;

impl Plan {
    /// Of so many members with so many people each, for what a question and a year may cost.
    pub fn new(
        members: u32,
        people_each: u64,
        loss: PrivacyLoss,
        year: PrivacyLoss,
    ) -> Result<Self, TooSmall> {
        let exact = exactness(members, loss)?;
        let usable = year.nano() - year.nano() / RETRY_PART;
        let a_year = |nano: u64| usable / nano.max(1);
        let price = |width: &u32| {
            let nano = loss_for(members, *width).filter(|nano| *nano <= FLOOR_RHO_QUERY.nano());
            (*width, nano.map(|nano| (nano, a_year(nano))))
        };
        Ok(Self {
            people: people_each.saturating_mul(u64::from(members)),
            exact,
            loss_nano: loss.nano(),
            year_nano: year.nano(),
            questions: a_year(loss.nano()),
            prices: WIDTHS.iter().map(price).collect(),
            three_fewer: members.checked_sub(3).and_then(|left| exactness(left, loss).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SIM.md section 10.
    #[test]
    fn the_golden_table_comes_out() {
        let table = [
            (5, 4, 2, 5.003_906_25, 1, 19.6, 21.9, 43.8),
            (12, 8, 4, 3.539_062_5, 1, 19.6, 24.0, 67.9),
            (20, 13, 7, 2.777_343_75, 1, 19.6, 24.3, 87.7),
            (65, 43, 7, 3.050_781_25, 2, 19.6, 24.1, 158.0),
            (200, 130, 7, 3.511_718_75, 4, 19.6, 24.3, 277.2),
        ];
        for (n, m, k, sigma, s, curator, secure, own) in table {
            let found = exactness(n, PrivacyLoss::from_nano(5_000_000)).unwrap();
            assert_eq!((found.honest, found.seats, 1 << found.noise.doublings), (m, k, s), "n = {n}");
            let near =
                |found: f64, want: f64| assert!((found - want).abs() < 0.051, "n = {n}: {found}, not {want}");
            assert!((f64::from(found.noise.noise_std.get()) / 256.0 - sigma).abs() < 1e-9, "n = {n}");
            near(found.curator, curator);
            near(found.secure_sum, secure);
            near(found.each_its_own, own);
        }
    }

    /// Paid for, a width is what comes out, but for the rounding of sigma_i upwards.
    #[test]
    fn a_price_buys_its_width() {
        for members in [5, 12, 20, 65] {
            for width in [20, 50, 100] {
                let nano = loss_for(members, width).unwrap();
                let found = exactness(members, PrivacyLoss::from_nano(nano)).unwrap().secure_sum;
                assert!((found / f64::from(width) - 1.0).abs() < 0.01, "{members}, {width}: {found}");
            }
        }
    }

    #[test]
    fn two_are_too_few_and_three_see_each_others_noised_figures() {
        let loss = PrivacyLoss::from_nano(5_000_000);
        assert_eq!(exactness(2, loss), Err(TooSmall::Members));
        let three = exactness(3, loss).unwrap();
        assert_eq!((three.honest, three.seats), (1, 0));
        assert!((three.secure_sum / three.each_its_own - 1.0).abs() < 0.01);
        assert_eq!(exactness(12, PrivacyLoss::from_nano(1)), Err(TooSmall::Loss));
    }

    /// 19 draws of 20 lie within the width; of 2,000 between 93 and 97 in a hundred do, but once in 10,000 seeds.
    #[test]
    fn the_draws_are_as_wide_as_is_said() {
        for members in [4, 12, 65] {
            let exact = exactness(members, PrivacyLoss::from_nano(5_000_000)).unwrap();
            let draws = draws(&exact, 2_000, &Seed::new([7; 32]));
            let inside = draws.iter().filter(|draw| (**draw as f64).abs() <= exact.secure_sum).count();
            assert!((1_860..=1_940).contains(&inside), "{members}: {inside}");
            let mean = draws.iter().sum::<i64>() as f64 / 2_000.0;
            assert!(mean.abs() < exact.secure_sum / 10.0, "{members}: {mean}");
        }
    }

    #[test]
    fn a_year_of_questions_leaves_room_for_retries() {
        let plan =
            Plan::new(12, 1_000, PrivacyLoss::from_nano(5_000_000), PrivacyLoss::from_nano(250_000_000))
                .unwrap();
        assert_eq!((plan.people, plan.questions), (12_000, 40));
        assert_eq!(plan.exact.floor_nano, 40_000_000);
        assert!(plan.three_fewer.unwrap().secure_sum < plan.exact.secure_sum);
        assert_eq!(
            Plan::new(4, 10, PrivacyLoss::from_nano(5_000_000), PrivacyLoss::from_nano(1))
                .unwrap()
                .three_fewer,
            None
        );
    }
}
