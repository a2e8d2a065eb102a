//! Secure aggregation: prove a vector in range, share it, verify the shares, add them up. Knows
//! nothing of rounds or the wire. Alone imports prio.
//!
//! Source: draft-irtf-cfrg-vdaf, Prio3SumVec. We differ in two ways. For more than two seats every
//! seat reads all verifier shares (a star topology). And a contribution is accepted only if the
//! joint-randomness parts in the verifier shares equal the public share in the log: prio's own check
//! is private to each seat, so honest seats could disagree and an auditor could not check at all.

use std::fmt;
use std::io::Cursor;

use prio::codec::{Decode as _, Encode as _, ParameterizedDecode as _};
use prio::field::{Field128, FieldElement as _};
use prio::vdaf::prio3::{
    Prio3, Prio3InputShare, Prio3PublicShare, Prio3SumVec, Prio3VerifierShare, Prio3VerifyState,
    optimal_chunk_length,
};
use prio::vdaf::{Aggregator as _, Client as _, OutputShare, VerifyTransition};
use zeroize::Zeroizing;

/// Bytes of a seed, a joint-randomness part and a verify key.
const SEED_BYTES: usize = 32;
/// Bytes of a field element.
const ELEMENT_BYTES: usize = 16;
/// Fewest and most committee seats.
const SEATS: std::ops::RangeInclusive<u8> = 2..=16;
/// Largest value of a cell: the sum over 200 members stays far inside the field and an i64.
const MAX_MAX: u64 = 1 << 52;

/// It does not prove, share, verify or add up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecaggError(String);

impl fmt::Display for SecaggError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong(error: impl fmt::Display) -> SecaggError {
    SecaggError(error.to_string())
}

/// The statement proved: `cells` integers, each in 0..=max, shared among `seats`.
pub struct Circuit {
    vdaf: Prio3SumVec,
    seats: usize,
    max: u64,
    cells: usize,
    /// Tells the codec how long a verifier share is. Holds nobody's share, so an auditor has one too.
    lengths: Prio3VerifyState<Field128, SEED_BYTES>,
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Circuit of {} cells up to {} for {} seats", self.cells, self.max, self.seats)
    }
}

/// A contribution as its author makes it.
pub struct Sharing {
    /// Fresh for this contribution.
    pub nonce: [u8; 16],
    /// For everyone: `seats` joint-randomness parts.
    pub public_share: Vec<u8>,
    /// One for each seat.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
}

/// What a seat keeps of one contribution between verifying and adding up.
pub struct VerifyState(Prio3VerifyState<Field128, SEED_BYTES>);

impl fmt::Debug for VerifyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyState")
    }
}

/// An accepted contribution's combined verifier message.
pub struct Verification(Vec<u8>);

/// A seat's share of one contribution's vector.
pub struct Output(OutputShare<Field128>);

/// A seat's share of the sum so far.
pub struct Aggregate(Vec<Field128>);

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aggregate")
    }
}

impl Circuit {
    /// Errors: outside the bounds above.
    pub fn new(seats: u8, max: u64, cells: usize) -> Result<Self, SecaggError> {
        if !SEATS.contains(&seats) || max == 0 || max > MAX_MAX {
            return Err(wrong(format!("no circuit for {seats} seats and values up to {max}")));
        }
        let bits = (u64::BITS - max.leading_zeros()) as usize;
        let chunk = optimal_chunk_length(bits * cells);
        let vdaf = Prio3::new_sum_vec(seats, u128::from(max), cells, chunk).map_err(wrong)?;
        // A helper's state is a seed and the joint randomness; of zeros, it is nobody's.
        let nobody = [0; 2 * SEED_BYTES];
        let lengths = Prio3VerifyState::get_decoded_with_param(&(&vdaf, 1), &nobody).map_err(wrong)?;
        Ok(Self { vdaf, seats: usize::from(seats), max, cells, lengths })
    }

    /// Proves and shares a vector. `context` binds the contribution to its round and author; the
    /// nonce is fresh for it.
    ///
    /// Errors: another number of cells, or one above max.
    pub fn shard(&self, context: &[u8; 32], nonce: [u8; 16], vector: &[u64]) -> Result<Sharing, SecaggError> {
        let vector: Vec<u128> = vector.iter().map(|value| u128::from(*value)).collect();
        let (public, shares) = self.vdaf.shard(context, &vector, &nonce).map_err(wrong)?;
        let shares = shares.iter().map(|share| share.get_encoded().map(Zeroizing::new));
        Ok(Sharing {
            nonce,
            public_share: public.get_encoded().map_err(wrong)?,
            shares: shares.collect::<Result<_, _>>().map_err(wrong)?,
        })
    }

    /// A seat's first step: its state and its verifier share.
    ///
    /// Errors: bytes that are no share of this circuit.
    pub fn verify_init(
        &self,
        verify_key: &[u8; 32],
        context: &[u8; 32],
        seat: usize,
        nonce: &[u8; 16],
        public_share: &[u8],
        share: &[u8],
    ) -> Result<(VerifyState, Vec<u8>), SecaggError> {
        let public = Prio3PublicShare::get_decoded_with_param(&self.vdaf, public_share).map_err(wrong)?;
        let share = Prio3InputShare::get_decoded_with_param(&(&self.vdaf, seat), share).map_err(wrong)?;
        let (state, verifier) =
            self.vdaf.verify_init(verify_key, context, seat, &(), nonce, &public, &share).map_err(wrong)?;
        Ok((VerifyState(state), verifier.get_encoded().map_err(wrong)?))
    }

    /// Decides about a contribution from what is public: all verifier shares, in committee order,
    /// and the logged public share. Everyone decides the same.
    ///
    /// Errors: rejected, with the reason.
    pub fn decide(
        &self,
        context: &[u8; 32],
        public_share: &[u8],
        verifier_shares: &[&[u8]],
    ) -> Result<Verification, SecaggError> {
        if verifier_shares.len() != self.seats || public_share.len() != self.seats * SEED_BYTES {
            return Err(wrong("another number of shares"));
        }
        let mut shares = vec![];
        for (share, part) in verifier_shares.iter().zip(public_share.chunks_exact(SEED_BYTES)) {
            if share.last_chunk::<SEED_BYTES>().is_none_or(|told| told != part) {
                return Err(wrong("joint randomness other than the public share's"));
            }
            let share = Prio3VerifierShare::get_decoded_with_param(&self.lengths, share).map_err(wrong)?;
            shares.push(share);
        }
        let message = self.vdaf.verifier_shares_to_message(context, &(), shares).map_err(wrong)?;
        Ok(Verification(message.get_encoded().map_err(wrong)?))
    }

    /// A seat's last step: its share of the accepted vector.
    pub fn finish(
        &self,
        context: &[u8; 32],
        state: VerifyState,
        accepted: &Verification,
    ) -> Result<Output, SecaggError> {
        let message = prio::vdaf::prio3::Prio3VerifierMessage::get_decoded_with_param(&state.0, &accepted.0)
            .map_err(wrong)?;
        match self.vdaf.verify_next(context, state.0, message).map_err(wrong)? {
            VerifyTransition::Finish(output) => Ok(Output(output)),
            VerifyTransition::Continue(..) => Err(wrong("Prio3 has one round")),
        }
    }
}

impl Aggregate {
    /// Nothing added yet.
    pub fn new(cells: usize) -> Self {
        Self(vec![Field128::zero(); cells])
    }

    /// Adds an accepted contribution. Those of circuits with another max add up just the same.
    pub fn add(&mut self, output: &Output) {
        for (sum, share) in self.0.iter_mut().zip(output.0.as_ref()) {
            *sum += *share;
        }
    }

    /// As it is committed to and opened: 16 bytes a cell.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.0.len() * ELEMENT_BYTES));
        for element in &self.0 {
            element.encode(&mut bytes).expect("INVARIANT: a field element always encodes");
        }
        bytes
    }
}

/// Adds up the aggregate shares of all seats: the sums, one a cell.
///
/// Errors: a share of another length, or bytes that are no field element.
pub fn unshard(cells: usize, shares: &[&[u8]]) -> Result<Vec<u128>, SecaggError> {
    let mut sums = vec![Field128::zero(); cells];
    for share in shares {
        if share.len() != cells * ELEMENT_BYTES {
            return Err(wrong("an aggregate share of another length"));
        }
        let mut bytes = Cursor::new(*share);
        for sum in &mut sums {
            *sum += Field128::decode(&mut bytes).map_err(wrong)?;
        }
    }
    Ok(sums.into_iter().map(u128::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        sums: Result<Vec<u128>, SecaggError>,
        rejected: usize,
    }

    /// Shares each (max, vector), lets `tamper` change (contribution, seat, share), and adds up.
    fn run(
        seats: u8,
        cells: usize,
        inputs: &[(u64, Vec<u64>)],
        tamper: impl Fn(usize, usize, &mut Vec<u8>),
    ) -> Run {
        let key = [5; 32];
        let mut aggregates: Vec<_> = (0..seats).map(|_| Aggregate::new(cells)).collect();
        let mut rejected = 0;
        for (i, (max, vector)) in inputs.iter().enumerate() {
            let context = [u8::try_from(i).unwrap(); 32];
            let circuit = Circuit::new(seats, *max, cells).unwrap();
            let sharing = circuit.shard(&context, [9; 16], vector).unwrap();
            let (mut states, mut verifiers) = (vec![], vec![]);
            for (seat, share) in sharing.shares.iter().enumerate() {
                let mut share = share.to_vec();
                tamper(i, seat, &mut share);
                let begun =
                    circuit.verify_init(&key, &context, seat, &sharing.nonce, &sharing.public_share, &share);
                let (state, verifier) =
                    begun.map_or((None, vec![]), |(state, verifier)| (Some(state), verifier));
                states.push(state);
                verifiers.push(verifier);
            }
            let verifiers: Vec<&[u8]> = verifiers.iter().map(Vec::as_slice).collect();
            match circuit.decide(&context, &sharing.public_share, &verifiers) {
                Ok(message) => {
                    for (state, aggregate) in states.into_iter().zip(&mut aggregates) {
                        aggregate.add(&circuit.finish(&context, state.unwrap(), &message).unwrap());
                    }
                }
                Err(_) => rejected += 1,
            }
        }
        let bytes: Vec<_> = aggregates.iter().map(Aggregate::to_bytes).collect();
        let shares: Vec<&[u8]> = bytes.iter().map(|share| share.as_slice()).collect();
        Run { sums: unshard(cells, &shares), rejected }
    }

    #[test]
    fn shares_add_up_whatever_the_bounds_of_each_member() {
        for seats in [2, 3, 7] {
            let inputs = [(10, vec![1, 0, 10]), (1_000_000, vec![999_999, 5, 0]), (1, vec![1, 1, 1])];
            let done = run(seats, 3, &inputs, |_, _, _| ());
            assert_eq!((done.sums, done.rejected), (Ok(vec![1_000_001, 6, 11]), 0));
        }
    }

    #[test]
    fn one_changed_share_rejects_that_contribution_only() {
        for seat in 0..3 {
            let done = run(3, 2, &[(10, vec![1, 2]), (10, vec![3, 4])], |i, j, share| {
                if i == 1 && j == seat {
                    share[0] ^= 1;
                }
            });
            assert_eq!((done.sums, done.rejected), (Ok(vec![1, 2]), 1), "seat {seat}");
        }
        let done = run(2, 2, &[(10, vec![1, 2])], |_, _, share| share.truncate(3));
        assert_eq!(done.rejected, 1);
    }

    #[test]
    fn a_value_above_the_maximum_cannot_be_shared() {
        let circuit = Circuit::new(2, 10, 2).unwrap();
        assert!(circuit.shard(&[0; 32], [9; 16], &[0, 11]).is_err());
        assert!(circuit.shard(&[0; 32], [9; 16], &[0]).is_err());
    }

    #[test]
    fn a_wider_circuit_or_another_context_is_rejected() {
        let (wide, narrow) = (Circuit::new(2, 15, 2).unwrap(), Circuit::new(2, 7, 2).unwrap());
        let sharing = wide.shard(&[1; 32], [9; 16], &[15, 15]).unwrap();
        let decide = |circuit: &Circuit, context: [u8; 32]| {
            let mut verifiers = vec![];
            for (seat, share) in sharing.shares.iter().enumerate() {
                let begun = circuit.verify_init(
                    &[5; 32],
                    &context,
                    seat,
                    &sharing.nonce,
                    &sharing.public_share,
                    share,
                )?;
                verifiers.push(begun.1);
            }
            let verifiers: Vec<&[u8]> = verifiers.iter().map(Vec::as_slice).collect();
            circuit.decide(&context, &sharing.public_share, &verifiers).map(|_| ())
        };
        assert_eq!(decide(&wide, [1; 32]), Ok(()));
        assert!(decide(&wide, [2; 32]).is_err(), "a copy under another context");
        assert!(decide(&narrow, [1; 32]).is_err(), "out of the narrower range");
        // Values of the same bit length are proved bit by bit and weighed so that all ones is max:
        // what is accepted can therefore never exceed the circuit that reads it.
        assert_eq!(decide(&Circuit::new(2, 9, 2).unwrap(), [1; 32]), Ok(()));
    }

    #[test]
    fn joint_randomness_other_than_the_logged_is_rejected_by_everybody() {
        let circuit = Circuit::new(2, 10, 2).unwrap();
        let sharing = circuit.shard(&[1; 32], [9; 16], &[1, 2]).unwrap();
        let init = |seat: usize| {
            let share = &sharing.shares[seat];
            circuit.verify_init(&[5; 32], &[1; 32], seat, &sharing.nonce, &sharing.public_share, share)
        };
        let verifiers = [init(0).unwrap().1, init(1).unwrap().1];
        let decide =
            |logged: &[u8]| circuit.decide(&[1; 32], logged, &[&verifiers[0], &verifiers[1]]).map(|_| ());
        assert_eq!(decide(&sharing.public_share), Ok(()));
        for byte in [0, SEED_BYTES - 1, SEED_BYTES, 2 * SEED_BYTES - 1] {
            let mut other = sharing.public_share.clone();
            other[byte] ^= 1;
            assert!(
                decide(&other).is_err(),
                "byte {byte}: prio's own check does not look at what was logged"
            );
        }
    }

    /// What is logged has one form: more bytes after it would be another entry for the same contribution.
    #[test]
    fn a_public_share_with_a_part_too_many_is_none() {
        let circuit = Circuit::new(2, 10, 2).unwrap();
        let sharing = circuit.shard(&[1; 32], [9; 16], &[1, 2]).unwrap();
        let verifiers: Vec<Vec<u8>> = (0..2)
            .map(|seat| {
                let (share, public) = (&sharing.shares[seat], &sharing.public_share);
                circuit.verify_init(&[5; 32], &[1; 32], seat, &sharing.nonce, public, share).unwrap().1
            })
            .collect();
        let decide = |public: &[u8], verifiers: &[&[u8]]| circuit.decide(&[1; 32], public, verifiers).is_ok();
        let both: Vec<&[u8]> = verifiers.iter().map(Vec::as_slice).collect();
        assert!(decide(&sharing.public_share, &both));
        let longer = [&sharing.public_share[..], &[0; SEED_BYTES]].concat();
        assert!(!decide(&longer, &both));
        assert!(!decide(&sharing.public_share, &both[..1]), "a seat short");
        assert!(!decide(&sharing.public_share, &[both[0], both[1], both[1]]), "a seat too many");
    }

    #[test]
    fn swapped_seats_and_junk_are_rejected_without_a_panic() {
        let circuit = Circuit::new(2, 10, 2).unwrap();
        let sharing = circuit.shard(&[1; 32], [9; 16], &[1, 2]).unwrap();
        let init = |seat, share: &[u8]| {
            circuit.verify_init(&[5; 32], &[1; 32], seat, &sharing.nonce, &sharing.public_share, share)
        };
        assert!(init(0, &sharing.shares[1]).is_err());
        let (_, one) = init(0, &sharing.shares[0]).unwrap();
        let (_, two) = init(1, &sharing.shares[1]).unwrap();
        assert!(circuit.decide(&[1; 32], &sharing.public_share, &[&one, &two]).is_ok());
        assert!(circuit.decide(&[1; 32], &sharing.public_share, &[&two, &one]).is_err());
        for length in [0usize, 1, 31, 32, 33, 64, 100, 1000, 100_000] {
            for byte in [0, 0xff] {
                let junk = vec![byte; length];
                assert!(circuit.decide(&[1; 32], &sharing.public_share, &[&one, &junk]).is_err());
                assert!(circuit.decide(&[1; 32], &junk, &[&one, &two]).is_err());
                assert!(init(0, &junk).is_err());
                assert!(length == 0 || unshard(2, &[&junk]).is_err() || length == 32);
            }
        }
        assert!(init(2, &sharing.shares[1]).is_err());
    }
}
