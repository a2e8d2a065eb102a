//! The audit opening: a committee seat shows the shares it was sent, and an auditor recomputes what the
//! seat said about them. A seat that shifts its aggregate share shifts the sum, which no log shows.
//!
//! Source: ROUND section 8. The auditor then holds one seat's shares and counts as corrupt: either
//! k >= f + 2, or the auditor is one of the f. With two seats one share alone would stand between the
//! auditor and every member's vector, so nothing is opened, and a shift cannot be detected.
//!
//! **Two honest seats of one round never both show.** Once every seat opened, the sums name one seat, or
//! none, for ever. Until then it is the turn of the first seat, counted from SHA-256(query id), whose open
//! does not stand, and it shows only once it can open no more (`Member::may_show`). So if it showed, there
//! will be no sums to name another; and a seat further on had its turn only behind an open that will never
//! be written. Entries say this, not clocks.
//!
//! Why: ROUND takes the seat of a round that was not opened from SHA-256(query id) alone. Everybody knows
//! that seat beforehand, so another could see its name in the sums, keep its share back, and send the
//! auditor to a seat with nothing to hide; and shares that arrive late would then name a second seat. Nor
//! may that hash name the seat of every round: whoever knows that its seat is not the one shifts freely.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::{Digest, MemberId, QueryId, Span};
use zeroize::Zeroizing;

use super::BlobSource;
use crate::entry::Body;
use crate::log::tree::sha256;
use crate::member::work::{Item, read_verify_blobs, verification};
use crate::rounds::{Kind, Plan, Round, commitment};
use crate::secagg::Aggregate;

/// Of rounds with sums one in this many is opened: a seat that shifts ten sums is met once, on average.
const ONE_IN: u64 = 10;
/// Fewest seats of a round that is opened: beside the one that shows its shares, two.
pub const SEATS_MIN: usize = 3;
/// How long after `close_by` a seat keeps what it may have to show: a school term, so that an auditor who
/// comes once a term finds it, and no longer, because kept shares age badly.
pub const OPENING_KEPT: Span = Span::from_seconds(90 * 24 * 60 * 60);
/// Largest opening as a file: 200 members' shares of 2,000 cells of 52 bits, as text.
pub const OPENING_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Bytes of a cell in an aggregate share.
const CELL_BYTES: usize = 16;
/// First line of an opening.
const HEADER: &str = "datacoop/opening/v1";

/// What a round says about which of its seats an auditor may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// None, ever: it has no committee, or one of two seats.
    Never,
    /// None so far: not every seat closed with the same set.
    NotClosed,
    /// Every seat opened: this one, or in nine rounds of ten none, for ever.
    Decided(Option<usize>),
    /// Some seat did not open: the turn is this one's, until it does.
    Kept(usize),
}

/// Which seat an auditor may ask about a round. Pure of the logs; of a round that some seat did not open
/// the seat itself knows better whether its turn has come for good.
pub fn choice(round: &Round) -> Choice {
    let Some(plan) = round.plan().filter(|plan| plan.committee.len() >= SEATS_MIN) else {
        return Choice::Never;
    };
    if round.closed_by_all().is_none() {
        return Choice::NotClosed;
    }
    let seats = plan.committee.len();
    let place = |hash: &Digest| usize::try_from(number(hash, 8) % seats as u64).unwrap_or(0);
    if let Some(sums) = round.sums(plan, None) {
        let bytes: Vec<u8> = sums.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let hash = opening_hash(&round.id, &bytes);
        return Choice::Decided(number(&hash, 0).is_multiple_of(ONE_IN).then(|| place(&hash)));
    }
    let first = place(&opening_hash(&round.id, &[]));
    let mut turns = (0..seats).map(|step| (first + step) % seats);
    // Where all opened and there is no sum, an open is wrong, and the audit of its log says so.
    let kept = turns.find(|seat| round.said(Kind::Open, &plan.committee[*seat]).is_none());
    kept.map_or(Choice::Decided(None), Choice::Kept)
}

/// The seat that an auditor may ask about a round, if about any: of each round with sums in ten, and of
/// every round that closed and that some seat did not open.
pub fn named_seat(round: &Round) -> Option<usize> {
    match choice(round) {
        Choice::Never | Choice::NotClosed => None,
        Choice::Decided(seat) => seat,
        Choice::Kept(seat) => Some(seat),
    }
}

fn opening_hash(query: &QueryId, sums: &[u8]) -> Digest {
    sha256(&[b"datacoop/opening/v1\n", &query.0, sums])
}

fn number(hash: &Digest, from: usize) -> u64 {
    hash.0[from..from + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Whether the auditor must be one of the f that may be corrupt anyway: k < f + 2.
pub fn auditor_is_inside(plan: &Plan) -> bool {
    plan.terms.committee < plan.terms.colluding + 2
}

/// What a seat shows. Secret: with the other seats' shares it is the members' vectors.
pub struct Opening {
    /// Of which round.
    pub query: QueryId,
    /// Whose seat.
    pub seat: MemberId,
    /// The share of each contribution of S, in order of member id; empty where none opened.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
    /// Opens the close's commitment.
    pub salt: [u8; 32],
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

impl Opening {
    /// As a file: a header, the round, the seat, the salt, how many shares, and each share in base64.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let head = format!("{HEADER}\nquery {}\nseat {}\n", self.query, self.seat);
        let encoded = self.shares.iter().map(|share| share.len().div_ceil(3) * 4 + 1).sum::<usize>();
        // All at once: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(head.len() + encoded + 128));
        text.push_str(&head);
        text.push_str(&Zeroizing::new(format!("salt {}\n", Digest(self.salt))));
        text.push_str(&format!("shares {}\n", self.shares.len()));
        for share in &self.shares {
            STANDARD.encode_string(share.as_slice(), &mut text);
            text.push('\n');
        }
        Zeroizing::new(std::mem::take(&mut *text).into_bytes())
    }

    /// Reads `to_bytes`, and nothing else: every byte of the file counts.
    ///
    /// Errors: which line is wrong, and how it should be. No line's content: it is secret.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let mut lines = text.strip_suffix('\n').ok_or("its last line does not end")?.split('\n');
        let mut field = |n: usize, name: &str| {
            let line = lines.next().ok_or_else(|| format!("line {n} is absent"))?;
            let value = if name.is_empty() { Some(line) } else { line.strip_prefix(name) };
            value.ok_or_else(|| format!("line {n} does not begin with `{}`", name.trim_end()))
        };
        if field(1, "")? != HEADER {
            return Err(format!("its first line is not `{HEADER}`"));
        }
        let query = field(2, "query ")?.parse().map_err(|_| "line 2 holds no query id".to_owned())?;
        let seat = field(3, "seat ")?.parse().map_err(|_| "line 3 holds no member id".to_owned())?;
        let salt: Digest = field(4, "salt ")?.parse().map_err(|_| "line 4 holds no salt".to_owned())?;
        let count: usize = field(5, "shares ")?.parse().map_err(|_| "line 5 holds no number".to_owned())?;
        let mut shares = vec![];
        for (at, line) in lines.enumerate() {
            let share = STANDARD.decode(line).map_err(|_| format!("line {} is no base64", at + 6))?;
            shares.push(Zeroizing::new(share));
        }
        if shares.len() != count {
            return Err(format!("it says {count} shares and holds {}", shares.len()));
        }
        let opening = Self { query, seat, shares, salt: salt.0 };
        if *opening.to_bytes() != bytes {
            return Err("it says the same in other bytes than a node writes".into());
        }
        Ok(opening)
    }
}

/// What an opening shows to be wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// Its author holds no seat, or shows another number of shares.
    NoOpening,
    /// The log, or a verify blob of some seat, is not here: nothing can be said.
    Missing,
    /// The share of this member's contribution is not the one whose digest it logged.
    Share(MemberId),
    /// The verifier share that was logged for this member's contribution is not the one that follows.
    Verifier(MemberId),
    /// The aggregate share is another in this cell, counted from 0, and perhaps in later ones.
    Cell(usize),
    /// The close commits to another aggregate share.
    Commitment,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOpening => f.write_str("this is no opening of a seat of that round"),
            Self::Missing => f.write_str(
                "a log or a verify blob of that round is not here; name the exports of all members' logs",
            ),
            Self::Share(member) => write!(f, "the share of `{member}` is not the one that it logged"),
            Self::Verifier(member) => {
                write!(f, "the verifier share for `{member}` is not the one that follows")
            }
            Self::Cell(cell) => write!(f, "the aggregate share that was opened is another in cell {cell}"),
            Self::Commitment => f.write_str("the close commits to another aggregate share"),
        }
    }
}

/// Recomputes a seat's verifier shares and its aggregate share from the shares that it shows.
///
/// Errors: the first thing that is wrong. A share that did not open is taken as that only where the
/// seat's verify blob said so too, and then the contribution is in no sum.
pub fn check_opening(round: &Round, opening: &Opening, blobs: BlobSource<'_>) -> Result<(), Wrong> {
    let plan = round.plan().ok_or(Wrong::Missing)?;
    let seat = plan.seat(&opening.seat).filter(|_| opening.query == round.id).ok_or(Wrong::NoOpening)?;
    let frozen = round.frozen(plan).ok_or(Wrong::Missing)?;
    let (_, hashes) = round.verified(plan, &frozen).ok_or(Wrong::Missing)?;
    let bytes: Option<Vec<Arc<[u8]>>> = hashes.iter().map(|hash| blobs(hash).map(Arc::from)).collect();
    let runs = read_verify_blobs(&bytes.ok_or(Wrong::Missing)?, frozen.members.len());
    let items: Option<Vec<Item>> = frozen.members.iter().map(|member| round.item(plan, member)).collect();
    let items = items.ok_or(Wrong::Missing)?;
    if opening.shares.len() != items.len() {
        return Err(Wrong::NoOpening);
    }
    let mut sum = Aggregate::new(plan.query.question.cells());
    for (index, (item, share)) in items.iter().zip(&opening.shares).enumerate() {
        let told = &runs[seat][index].0;
        let wrong = || Wrong::Verifier(item.member.clone());
        if share.is_empty() && told.is_empty() {
            continue;
        }
        if item.digests.get(seat) != Some(&sha256(&[share])) {
            return Err(Wrong::Share(item.member.clone()));
        }
        let (circuit, context) =
            plan.circuit(&item.member).zip(plan.context(&item.member, &item.debit)).ok_or(Wrong::Missing)?;
        let begun =
            circuit.verify_init(&frozen.verify_key, &context, seat, &item.nonce, &item.public_share, share);
        let Ok((state, verifier)) = begun else {
            told.is_empty().then_some(()).ok_or_else(wrong)?;
            continue;
        };
        (verifier == *told).then_some(()).ok_or_else(wrong)?;
        let Some((circuit, message)) = verification(plan, item, index, &runs) else { continue };
        sum.add(&circuit.finish(&context, state, &message).map_err(|_| wrong())?);
    }
    check_aggregate(round, opening, &sum.to_bytes())
}

fn check_aggregate(round: &Round, opening: &Opening, share: &[u8]) -> Result<(), Wrong> {
    if let Some(Body::Open { share: opened, .. }) = round.said(Kind::Open, &opening.seat).map(|l| &l.body) {
        let cells = opened.chunks(CELL_BYTES).zip(share.chunks(CELL_BYTES));
        let other = cells.enumerate().find(|(_, (told, is))| told != is).map(|(cell, _)| cell);
        let shorter = (opened.len() != share.len()).then_some(opened.len().min(share.len()) / CELL_BYTES);
        if let Some(cell) = other.or(shorter) {
            return Err(Wrong::Cell(cell));
        }
    }
    let close = round.said(Kind::Close, &opening.seat).ok_or(Wrong::Missing)?;
    let Body::Close { commit, .. } = &close.body else { return Err(Wrong::Missing) };
    (commitment("close", &opening.salt, share) == *commit).then_some(()).ok_or(Wrong::Commitment)
}
