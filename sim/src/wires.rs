//! What becomes of a message: how late it is, whether it is lost or comes twice, and which ways are cut.
//! Must not know what it carries.

use std::collections::BTreeMap;

use datacoop_policy::Span;
use datacoop_protocol::seed::Seed;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

/// How long a request waits for its reply (NETWORK.md, section 3).
pub const REQUEST_WAIT: Span = Span(60_000);
/// How long a silent peer is believed to be there: two pings (NETWORK.md, section 3).
pub const SILENCE: Span = Span(40_000);
/// How long a dial waits for who does not answer (NETWORK.md, section 3).
pub const HANDSHAKE: Span = Span(20_000);
/// Doublings of a delay at most: from 10 ms to 10 s.
const DOUBLINGS_MAX: u32 = 10;

/// Something is wrong with the wires for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// So many messages in a thousand are lost.
    Loss(u32),
    /// So many in a thousand come twice.
    Repeat(u32),
    /// Delays vary by so many doublings more: what was sent first comes last.
    Jitter(u32),
    /// This member reads so many bytes a millisecond.
    Slow(usize, u32),
}

enum Kind {
    /// 1 to 16 ms, nothing lost: what the protocol's own tests need.
    Plain(Seed),
    /// Long-tailed delays from a stream, and troubles.
    Rough(Box<ChaCha12Rng>),
}

/// The wires of a world.
pub struct Wires {
    kind: Kind,
    troubles: BTreeMap<u64, Trouble>,
    cuts: BTreeMap<(usize, usize), u32>,
}

impl Wires {
    /// Wires on which nothing goes wrong.
    pub fn plain(seed: Seed) -> Self {
        Self { kind: Kind::Plain(seed), troubles: BTreeMap::new(), cuts: BTreeMap::new() }
    }

    /// Wires as they are outside, from the stream `network`.
    pub fn rough(seed: &Seed) -> Self {
        let kind = Kind::Rough(Box::new(seed.stream("network")));
        Self { kind, troubles: BTreeMap::new(), cuts: BTreeMap::new() }
    }

    /// Whether they are as they are outside: then requests time out, and silence is noticed late.
    pub fn is_rough(&self) -> bool {
        matches!(self.kind, Kind::Rough(_))
    }

    /// A trouble begins, under a number.
    pub fn begin(&mut self, number: u64, trouble: Trouble) {
        self.troubles.insert(number, trouble);
    }

    /// It is over.
    pub fn end(&mut self, number: u64) {
        self.troubles.remove(&number);
    }

    /// All is well again.
    pub fn heal(&mut self) {
        self.troubles.clear();
        self.cuts.clear();
    }

    /// Nothing passes from one to the other, or one cut less.
    pub fn cut(&mut self, from: usize, to: usize, is_cut: bool) {
        let cuts = self.cuts.entry((from, to)).or_default();
        *cuts = if is_cut { *cuts + 1 } else { cuts.saturating_sub(1) };
        self.cuts.retain(|_, cuts| *cuts > 0);
    }

    /// Whether nothing passes that way.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// How long a signal takes that cannot be lost; `count` numbers it.
    pub fn delay(&mut self, count: u64) -> Span {
        match &mut self.kind {
            Kind::Plain(seed) => Span(1 + u64::from(seed.bytes(&format!("network/{count}"))[0] % 16)),
            Kind::Rough(rng) => Span(rough(rng, 2)),
        }
    }

    /// When a message arrives, once for each copy that does.
    pub fn fate(&mut self, count: u64, from: usize, to: usize, bytes: usize) -> Vec<Span> {
        if self.is_cut(from, to) {
            return vec![];
        }
        let Kind::Rough(rng) = &mut self.kind else { return vec![self.delay(count)] };
        let (mut loss, mut repeat, mut jitter, mut slow) = (0, 0, 2, 0);
        for trouble in self.troubles.values() {
            match *trouble {
                Trouble::Loss(permille) => loss = permille.max(loss),
                Trouble::Repeat(permille) => repeat = permille.max(repeat),
                Trouble::Jitter(doublings) => jitter = (2 + doublings).max(jitter),
                Trouble::Slow(site, rate) if site == to => slow = bytes as u64 / u64::from(rate.max(1)),
                Trouble::Slow(..) => {}
            }
        }
        let dice = rng.next_u64();
        if dice % 1000 < u64::from(loss) {
            return vec![];
        }
        let mut copies = vec![Span(rough(rng, jitter) + slow)];
        if (dice >> 32) % 1000 < u64::from(repeat) {
            copies.push(Span(rough(rng, jitter + 4) + slow));
        }
        copies
    }
}

/// A long-tailed delay in milliseconds: 5 to 15, doubled while a coin falls one way, at most so often.
fn rough(rng: &mut ChaCha12Rng, doublings: u32) -> u64 {
    let dice = rng.next_u64();
    let tail = (dice >> 32).trailing_ones().min(doublings).min(DOUBLINGS_MAX);
    (5 + dice % 11) << tail
}
