//! The audit opening: a committee seat shows the shares it was sent, and an auditor recomputes what the
//! seat said about them. A seat that shifts its aggregate share shifts the sum, which no log shows.
//!
//! Source: ROUND section 8. The auditor then holds one seat's shares and counts as corrupt: either
//! k >= f + 2, or the auditor is one of the f. With two seats one share alone would stand between the
//! auditor and every member's vector, so nothing is opened, and a shift cannot be detected.

use std::fmt;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId, QueryId};
use zeroize::Zeroizing;

use super::BlobSource;
use crate::entry::Body;
use crate::log::tree::sha256;
use crate::member::work::{Item, read_verify_blobs, verification};
use crate::rounds::{Kind, Plan, Round, commitment};
use crate::secagg::Aggregate;

/// Of released rounds one in this many is opened: a seat that shifts ten sums is met once, on average.
const ONE_IN: u64 = 10;
/// Fewest seats of a round that is opened: beside the one that shows its shares, two.
const SEATS_MIN: usize = 3;
/// Bytes of a cell in an aggregate share.
const CELL_BYTES: usize = 16;

/// The seat that an auditor may ask about a round, if about any: of each released round in ten, and of
/// every round that closed and did not open.
pub fn named_seat(round: &Round) -> Option<usize> {
    let seats = round.plan().map(|plan| plan.committee.len()).filter(|seats| *seats >= SEATS_MIN)?;
    round.closed_by_all()?;
    let hash = match round.released() {
        Some((_, sums)) => {
            let bytes: Vec<u8> = sums.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            let hash = opening_hash(&round.id, &bytes);
            number(&hash, 0).is_multiple_of(ONE_IN).then_some(hash)?
        }
        // Opened and not released is decided by the sums, which will be: never two seats of one round.
        None if round.plan().is_some_and(|plan| round.sums(plan, None).is_some()) => return None,
        None => opening_hash(&round.id, &[]),
    };
    usize::try_from(number(&hash, 8) % seats as u64).ok()
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
            Self::Missing => {
                f.write_str("a log or a verify blob of that round is not here; export all seats' logs")
            }
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
    let seat = plan.seat(&opening.seat).ok_or(Wrong::NoOpening)?;
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
