//! Dice that fall the same on every machine: one stream a concern, whole numbers only. Must not know
//! what is drawn with them.

use datacoop_protocol::log::tree::sha256;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// One in a million, as chances are counted.
pub const MILLION: u32 = 1_000_000;

/// 64 equally likely values of a standard normal, in thousandths.
///
/// Why: a table, because logarithms and roots of floats differ between machines. Its variance is 1.
const NORMAL: [i32; 64] = [
    -2442, -2007, -1780, -1617, -1488, -1380, -1286, -1201, -1124, -1053, -988, -926, -867, -811, -758, -706,
    -657, -608, -562, -516, -472, -428, -385, -342, -301, -260, -219, -179, -139, -99, -60, -20, 20, 60, 99,
    139, 179, 219, 260, 301, 342, 385, 428, 472, 516, 562, 608, 657, 706, 758, 811, 867, 926, 988, 1053,
    1124, 1201, 1286, 1380, 1488, 1617, 1780, 2007, 2442,
];

/// The key of one concern: SHA-256 of the seed, the member, the table and the effect.
///
/// So another member, table or effect shifts no stream but its own (DATA section 9).
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// `effect` is empty for what is there without any.
    pub fn new(seed: u64, member: u64, table: &str, effect: &str) -> Self {
        let parts = [seed.to_be_bytes(), member.to_be_bytes()].concat();
        // Names hold no zero byte, so no two concerns hash alike.
        Self(sha256(&[&parts, table.as_bytes(), &[0], effect.as_bytes()]).0)
    }

    /// A stream for each pupil, person or row of the concern.
    pub fn dice(&self, stream: u64) -> Dice {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        rng.set_stream(stream);
        Dice(rng)
    }
}

/// A stream of draws.
pub struct Dice(ChaCha20Rng);

impl Dice {
    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 0 to `n` - 1, by multiplication: unequal by less than `n` in 2^32, and always one draw.
    pub fn below(&mut self, n: u32) -> u32 {
        below(self.bits(), n)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// Whether something of this chance in a million happens.
    pub fn chance(&mut self, per_million: u32) -> bool {
        self.below(MILLION) < per_million
    }

    /// An index, as likely as its weight; 0 when all weights are 0.
    pub fn pick(&mut self, weights: &[u32]) -> usize {
        pick(self.bits(), weights)
    }

    /// One of these.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let n = u32::try_from(choices.len()).expect("INVARIANT: lists to choose from are short");
        &choices[self.below(n) as usize]
    }

    /// A standard normal value in thousandths, from -2,442 to 2,442.
    pub fn normal(&mut self) -> i32 {
        *self.of(&NORMAL)
    }
}

/// 0 to `n` - 1 out of 32 random bits.
pub fn below(bits: u32, n: u32) -> u32 {
    u32::try_from((u64::from(bits) * u64::from(n)) >> 32).expect("INVARIANT: less than n")
}

/// An index out of 32 random bits, as likely as its weight; 0 when all weights are 0.
pub fn pick(bits: u32, weights: &[u32]) -> usize {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut left = (u64::from(bits) * total) >> 32;
    for (at, weight) in weights.iter().enumerate() {
        let weight = u64::from(*weight);
        if left < weight {
            return at;
        }
        left -= weight;
    }
    0
}
