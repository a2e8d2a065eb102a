//! A Query, and the numbers that follow from its Roster: who may collude, who may vanish, how much
//! noise each member adds. Source: ROUND section 1; every member computes them itself.

use std::num::NonZeroU32;

use crate::delegation::Cited;
use crate::id::{Digest, MemberId, QueryId};
use crate::ledger::Account;
use crate::loss::PrivacyLoss;
use crate::question::BoundQuestion;
use crate::time::{Period, Span, Time};

/// Floor of `colluding_percent`: fewer would size the noise for friends only.
pub const COLLUDING_PERCENT_MIN: u32 = 30;
/// Floor of `missing_percent`: machines sleep.
pub const MISSING_PERCENT_MIN: u32 = 5;
/// Floor of `committee_max`: at 7 a lot with a third corrupt is all corrupt with probability 3e-4.
pub const COMMITTEE_MAX_MIN: u32 = 7;
/// Largest committee: every seat costs each member a share, and each seat a verify blob.
pub const COMMITTEE_SEATS_MAX: u32 = 15;
/// Largest Roster: the round protocol is quadratic in blobs beyond.
pub const ROSTER_MAX: usize = 200;
/// Below, a member would be one of three or four in the sum: such Rosters use full noise.
pub const SECURE_ROSTER_MIN: u32 = 5;
/// From here on one member may vanish without ending the round.
const MISSING_FROM: u32 = 12;
/// From here on a committee may be all corrupt, with the small chance of a lot; below never.
pub const LOT_FROM: u32 = 24;
/// No deadline lies further ahead.
pub const WINDOW_MAX: Span = Span(30 * 86_400_000);
/// A billionth of rho is kept back for the discrete Gaussian's correction (ROUND section 5).
const SLACK_NANO: u64 = 1;

/// How a round hides what each member adds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mode {
    /// Secret-shared to a committee; the noise is shared out over the Roster.
    Secure,
    /// Each member adds all the noise itself; members see each other's noised vectors.
    FullNoise,
}

impl Mode {
    /// The closed code an entry carries.
    pub fn code(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::FullNoise => "full_noise",
        }
    }

    /// Reads `code`.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Secure, Self::FullNoise].into_iter().find(|mode| mode.code() == code)
    }
}

/// The charter's, or a Query's, assumptions about a Roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assumptions {
    /// Percent of a Roster that may collude with each other and with the asker.
    pub colluding_percent: u32,
    /// Percent that may vanish after the Roster is frozen.
    pub missing_percent: u32,
    /// Most committee seats.
    pub committee_max: u32,
}

impl Assumptions {
    /// The floor's own values.
    pub const FLOOR: Self = Self {
        colluding_percent: COLLUDING_PERCENT_MIN,
        missing_percent: MISSING_PERCENT_MIN,
        committee_max: COMMITTEE_MAX_MIN,
    };

    /// Whether each value is at least the other's: only raising is allowed.
    pub fn covers(&self, other: &Self) -> bool {
        self.colluding_percent >= other.colluding_percent
            && self.missing_percent >= other.missing_percent
            && self.committee_max >= other.committee_max
    }
}

/// What follows from a Roster of n members (ROUND section 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Members in the Roster.
    pub n: u32,
    /// Members that may collude: f = floor(colluding n / 100).
    pub colluding: u32,
    /// Members that may vanish: d.
    pub missing: u32,
    /// Noise shares certainly honest and present: m = n - f - d.
    pub honest: u32,
    /// Committee seats k; 0 in full-noise mode.
    pub committee: u32,
}

impl Terms {
    /// `None` when fewer than half of the noise shares would be certain, n is out of bounds, or a
    /// small Roster's committee could be all corrupt.
    pub fn new(n: usize, mode: Mode, assumed: Assumptions) -> Option<Self> {
        let n = u32::try_from(n).ok().filter(|n| *n >= 3 && *n <= 200)?;
        if assumed.colluding_percent > 100 || assumed.missing_percent > 100 {
            return None;
        }
        let colluding = assumed.colluding_percent * n / 100;
        if mode == Mode::FullNoise {
            return Some(Self { n, colluding, missing: 0, honest: 1, committee: 0 });
        }
        if n < SECURE_ROSTER_MIN {
            return None;
        }
        let mut missing = assumed.missing_percent * n / 100;
        if n >= MISSING_FROM {
            missing = missing.max(1);
        }
        let honest = n.checked_sub(colluding + missing)?;
        let most = assumed.committee_max.clamp(2, COMMITTEE_SEATS_MAX);
        let committee = (colluding + 1).clamp(2, most);
        let safe_seats = committee > colluding || n >= LOT_FROM;
        (2 * honest >= n && safe_seats).then_some(Self { n, colluding, missing, honest, committee })
    }

    /// Fewest contributions a freeze or an accepted set may hold: n - d.
    pub fn accepted_min(&self) -> usize {
        (self.n - self.missing) as usize
    }

    /// Places one body may hold in the Roster: max(1, f).
    pub fn body_places_max(&self) -> u32 {
        self.colluding.max(1)
    }
}

/// The noise each member adds, and the power of two by which vectors are scaled up first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoiseScale {
    /// sigma_i in 256ths of a (scaled) grid step; at least 512.
    pub noise_std: NonZeroU32,
    /// t: vectors, offsets and bounds are multiplied by 2^t.
    pub doublings: u32,
}

/// sigma_i must reach 2 steps, or the discrete Gaussian's correction would matter (ROUND section 5).
const NOISE_STD_MIN: u128 = 2 * 256;
/// A Query that needs more doublings spends absurdly much for its sensitivity.
const DOUBLINGS_MAX: u32 = 20;

impl NoiseScale {
    /// The least t >= 0 for which sigma_i = ceil(256 sqrt(4^t Delta^2 / (2 (rho - 1e-9) m))) / 256
    /// is at least 2. `None` when rho has no room above the slack or sigma_i would not fit.
    pub fn new(sensitivity2: u128, loss: PrivacyLoss, shares: u32) -> Option<Self> {
        let spendable = u128::from(loss.nano().checked_sub(SLACK_NANO).filter(|nano| *nano > 0)?);
        let denominator = 2 * spendable * u128::from(shares);
        for doublings in 0..=DOUBLINGS_MAX {
            let scaled = sensitivity2.checked_mul(1u128 << (2 * doublings))?;
            let numerator = scaled.checked_mul(65_536 * 1_000_000_000)?;
            let std = sqrt_up(numerator.div_ceil(denominator));
            if std >= NOISE_STD_MIN {
                let noise_std = NonZeroU32::new(u32::try_from(std).ok()?)?;
                return Some(Self { noise_std, doublings });
            }
        }
        None
    }

    /// B = ceil(8.5 sigma_i): the clip of one noise draw, in scaled steps; probability < 2^-40.
    pub fn clip(&self) -> u64 {
        (u64::from(self.noise_std.get()) * 17).div_ceil(512)
    }

    /// X_max = roll bound x widest measure x 2^t, in scaled steps.
    pub fn tally_max(&self, people_max: u64, span_steps: u64) -> Option<u64> {
        people_max.checked_mul(span_steps)?.checked_mul(1 << self.doublings).filter(|max| *max < TALLY_MAX)
    }
}

/// A Tally's cell stays below 2^50: the sum over 200 members with noise fits an i64 with room.
pub const TALLY_MAX: u64 = 1 << 50;

/// The least integer whose square is at least `value`.
fn sqrt_up(value: u128) -> u128 {
    let root = value.isqrt();
    if root * root == value { root } else { root + 1 }
}

/// One asking of a Question, valid in itself. Whether it may be answered is `judge`'s to say.
#[derive(Clone, Debug)]
pub struct Query {
    /// Leaf hash of its entry.
    pub id: QueryId,
    /// Who asks.
    pub asker: MemberId,
    /// When the asker says it asked.
    pub at: Time,
    /// The Question with its parameters and period.
    pub question: BoundQuestion,
    /// SHA-256 of the Question's canonical JSON.
    pub question_hash: Digest,
    /// What the loss is booked to.
    pub account: Account,
    /// The charter's purpose.
    pub purpose: String,
    /// What every roster member debits.
    pub loss: PrivacyLoss,
    /// Secure or full noise.
    pub mode: Mode,
    /// The assumptions that size the noise.
    pub assumed: Assumptions,
    /// Fewest members; at least the charter's.
    pub min_roster: u32,
    /// Until when verdicts count.
    pub join_by: Time,
    /// Until when contributions are waited for.
    pub contribute_by: Time,
    /// Until when the committee is waited for.
    pub close_by: Time,
    /// Hash of the charter version it was asked under.
    pub charter: Digest,
    /// The Query whose Release its own is to supersede: a correction (CHARTER.md section 8).
    pub supersedes: Option<QueryId>,
    /// How many entries it cites by which others support its question, each of another log.
    pub cosigners: u32,
    /// The delegation that it is asked under; a coordinator needs none.
    pub delegation: Option<Cited>,
}

/// The Release that stands for a question, its parameters and its period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its Query.
    pub query: QueryId,
    /// Whether it superseded another: that happens once.
    pub corrects: bool,
    /// Its Roster.
    pub members: Vec<MemberId>,
}

impl Query {
    /// The days it is about.
    pub fn period(&self) -> Period {
        self.question.period()
    }

    /// The Release that it names to supersede, as it must be: what a reader takes it for who holds nothing else.
    pub fn named_answer(&self) -> Option<Answer> {
        self.supersedes.map(|query| Answer { query, corrects: false, members: vec![] })
    }

    /// The noise of one share for a Roster with these terms.
    pub fn noise(&self, terms: &Terms) -> Option<NoiseScale> {
        NoiseScale::new(self.question.sensitivity2(), self.loss, terms.honest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(n: usize) -> Option<(u32, u32, u32)> {
        Terms::new(n, Mode::Secure, Assumptions::FLOOR).map(|t| (t.missing, t.honest, t.committee))
    }

    #[test]
    fn the_terms_are_those_of_the_published_table() {
        assert_eq!(terms(5), Some((0, 4, 2)));
        assert_eq!(terms(12), Some((1, 8, 4)));
        assert_eq!(terms(20), Some((1, 13, 7)));
        assert_eq!(terms(65), Some((3, 43, 7)));
        assert_eq!(terms(200), Some((10, 130, 7)));
        assert_eq!(terms(4), None);
        assert_eq!(terms(201), None);
    }

    #[test]
    fn in_full_noise_mode_each_member_carries_it_all() {
        for (n, colluding) in [(3, 0), (4, 1), (20, 6), (200, 60)] {
            let terms = Terms::new(n, Mode::FullNoise, Assumptions::FLOOR).unwrap();
            assert_eq!((terms.honest, terms.missing, terms.committee), (1, 0, 0), "{n}");
            assert_eq!(terms.colluding, colluding, "{n}");
            assert_eq!(terms.accepted_min(), n, "{n}");
        }
        assert_eq!(Terms::new(2, Mode::FullNoise, Assumptions::FLOOR), None);
        assert_eq!(Terms::new(201, Mode::FullNoise, Assumptions::FLOOR), None);
    }

    #[test]
    fn a_freeze_holds_all_but_the_missing() {
        let least = |n| Terms::new(n, Mode::Secure, Assumptions::FLOOR).map(|terms| terms.accepted_min());
        assert_eq!([5, 11, 12, 20, 200].map(least), [Some(5), Some(11), Some(11), Some(19), Some(190)]);
    }

    #[test]
    fn a_tally_is_bounded_in_scaled_steps() {
        let noise = |doublings| NoiseScale { noise_std: NonZeroU32::new(512).unwrap(), doublings };
        assert_eq!(noise(0).tally_max(200, 8), Some(1_600));
        assert_eq!(noise(3).tally_max(200, 8), Some(12_800));
        assert_eq!(noise(1).tally_max(TALLY_MAX / 4, 2), None, "the bound itself is out");
        assert_eq!(noise(1).tally_max(TALLY_MAX / 4 - 1, 2), Some(TALLY_MAX - 4));
        assert_eq!(noise(0).tally_max(u64::MAX, 2), None);
    }

    #[test]
    fn a_root_is_rounded_up() {
        let roots = [0, 1, 2, 4, 5, 9, 10, 65_536, 65_537].map(sqrt_up);
        assert_eq!(roots, [0, 1, 2, 2, 3, 3, 4, 256, 257]);
    }

    #[test]
    fn a_mode_has_one_code() {
        for (mode, code) in [(Mode::Secure, "secure"), (Mode::FullNoise, "full_noise")] {
            assert_eq!((mode.code(), Mode::from_code(code)), (code, Some(mode)));
        }
        assert_eq!(Mode::from_code("Secure"), None);
    }

    #[test]
    fn up_to_23_members_no_committee_can_be_all_corrupt() {
        for n in 5..=23 {
            let t = Terms::new(n, Mode::Secure, Assumptions::FLOOR).unwrap();
            assert!(t.committee > t.colluding, "{n}");
        }
        let t = Terms::new(24, Mode::Secure, Assumptions::FLOOR).unwrap();
        assert_eq!((t.committee, t.colluding), (7, 7));
        let wary = Assumptions { colluding_percent: 45, ..Assumptions::FLOOR };
        assert_eq!(Terms::new(20, Mode::Secure, wary), None, "7 seats, 9 that may collude");
    }

    #[test]
    fn at_least_half_of_the_noise_is_certain() {
        let greedy = Assumptions { colluding_percent: 51, ..Assumptions::FLOOR };
        assert_eq!(Terms::new(20, Mode::Secure, greedy), None);
        for n in 5..=200 {
            assert!(Terms::new(n, Mode::Secure, Assumptions::FLOOR).is_some(), "{n}");
        }
    }

    #[test]
    fn sigma_is_that_of_the_published_table() {
        // Delta 1, rho 0.005; sigma in 256ths, t doublings (SIM section 10).
        let golden = [(4, 1281, 0), (8, 906, 0), (13, 711, 0), (43, 781, 1), (130, 899, 2)];
        for (shares, std, doublings) in golden {
            let noise = NoiseScale::new(1, PrivacyLoss::from_nano(5_000_000), shares).unwrap();
            assert_eq!((noise.noise_std.get(), noise.doublings), (std, doublings), "{shares}");
        }
    }

    #[test]
    fn the_stated_loss_covers_the_noise() {
        for sensitivity2 in [1u128, 2, 84, 6400, 24_576] {
            for nano in [2u64, 1_000, 5_000_000, 50_000_000] {
                for shares in [1u32, 4, 13, 130] {
                    let loss = PrivacyLoss::from_nano(nano);
                    let Some(noise) = NoiseScale::new(sensitivity2, loss, shares) else { continue };
                    let scaled = sensitivity2 << (2 * noise.doublings);
                    let all = NonZeroU32::new(shares).unwrap();
                    let cost = PrivacyLoss::of_gaussian(scaled, noise.noise_std, all);
                    assert!(cost.nano() < nano, "{sensitivity2} {nano} {shares}: {cost}");
                }
            }
        }
    }

    #[test]
    fn no_loss_gives_no_noise_scale() {
        assert_eq!(NoiseScale::new(1, PrivacyLoss::ZERO, 4), None);
        assert_eq!(NoiseScale::new(1, PrivacyLoss::from_nano(1), 4), None);
        assert_eq!(NoiseScale::new(u128::MAX, PrivacyLoss::from_nano(5), 4), None);
    }

    #[test]
    fn the_clip_is_eight_and_a_half_sigma_rounded_up() {
        let noise = NoiseScale { noise_std: NonZeroU32::new(512).unwrap(), doublings: 0 };
        assert_eq!(noise.clip(), 17);
        let noise = NoiseScale { noise_std: NonZeroU32::new(513).unwrap(), doublings: 0 };
        assert_eq!(noise.clip(), 18);
    }
}
