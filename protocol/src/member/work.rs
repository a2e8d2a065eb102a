//! Heavy pure work that leaves the Member and comes back: proving and sealing, opening and checking,
//! deciding and adding up. Runs on any thread; knows no socket, clock or log.

use std::fmt;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId, QueryId};
use zeroize::Zeroizing;

use super::port::{Noise, Tally};
use crate::audit::opening::SEATS_MIN;
use crate::entry::SealedShare;
use crate::log::tree::sha256;
use crate::rounds::{Plan, seal_aad};
use crate::seal;
use crate::secagg::{Aggregate, Circuit, Verification, VerifyState};
use crate::seed::Seed;
use crate::wire::{Bytes, decode_within, encode};

/// Something to compute.
pub enum Work {
    /// Add noise, prove, share, seal.
    Prove(Box<Prove>),
    /// Open our shares of S and make our verifier shares.
    Check(Box<Check>),
    /// Decide which contributions are accepted and add up our shares of those.
    Decide(Box<Decide>),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prove(_) => "prove",
            Self::Check(_) => "check",
            Self::Decide(_) => "decide",
        })
    }
}

/// What came of it.
pub enum Computed {
    /// Of `Prove`; `None` when the Tally does not fit the Query.
    Proved(QueryId, Option<Box<Proved>>),
    /// Of `Check`.
    Checked(QueryId, Box<Checked>),
    /// Of `Decide`.
    Decided(QueryId, Box<Decided>),
}

/// Add noise to the Tally, prove it in range, share it and seal the shares.
pub struct Prove {
    /// The round.
    pub plan: Arc<Plan>,
    /// Whose contribution.
    pub me: MemberId,
    /// Leaf of its debit.
    pub debit: Digest,
    /// The exact Tally.
    pub tally: Tally,
    /// Fresh noise for this debit alone.
    pub noise: Noise,
    /// Entropy for sealing.
    pub entropy: Seed,
}

/// A contribution, ready to be stored and logged.
pub struct Proved {
    /// Prio3's nonce.
    pub nonce: [u8; 16],
    /// Prio3's public share.
    pub public_share: Vec<u8>,
    /// Digests and blob names, in committee order.
    pub shares: Vec<SealedShare>,
    /// The sealed shares, in committee order.
    pub blobs: Vec<Arc<[u8]>>,
}

/// One contribution of S as a seat sees it.
#[derive(Clone)]
pub struct Item {
    /// Its author.
    pub member: MemberId,
    /// Leaf of the debit it spends.
    pub debit: Digest,
    /// Prio3's nonce.
    pub nonce: [u8; 16],
    /// Prio3's public share.
    pub public_share: Vec<u8>,
    /// Digests of the shares, in committee order.
    pub digests: Vec<Digest>,
}

/// Open our shares of S and make our verifier shares.
pub struct Check {
    /// The round.
    pub plan: Arc<Plan>,
    /// Our seat.
    pub seat: usize,
    /// SHA-256 of the opened parts.
    pub verify_key: [u8; 32],
    /// Seed of our round key.
    pub round_key: Zeroizing<[u8; 32]>,
    /// S, in order of member id.
    pub items: Vec<Item>,
    /// Our sealed share of each.
    pub sealed: Vec<Arc<[u8]>>,
}

/// Our verifier shares and what we need to finish.
pub struct Checked {
    /// For each of S; `None` where the share did not open, fit its digest or decode.
    pub states: Vec<Option<VerifyState>>,
    /// The verify blob: one run of bytes for each of S, empty where there is none.
    pub blob: Arc<[u8]>,
    /// Our opened share of each of S, as an audit opening shows them: empty where none opened. None at
    /// all where there are too few seats for one.
    pub shares: Vec<Zeroizing<Vec<u8>>>,
}

/// Decide about S and add up.
pub struct Decide {
    /// The round.
    pub plan: Arc<Plan>,
    /// S, in order of member id.
    pub items: Vec<Item>,
    /// Ours, of `Checked`.
    pub states: Vec<Option<VerifyState>>,
    /// The verify blobs of all seats, in committee order.
    pub blobs: Vec<Arc<[u8]>>,
}

/// The accepted set and our share of its sum.
pub struct Decided {
    /// A, in order of member id.
    pub accepted: Vec<MemberId>,
    /// Our aggregate share.
    pub share: Zeroizing<Vec<u8>>,
}

impl Work {
    /// Does it.
    pub fn run(self) -> Computed {
        match self {
            Self::Prove(job) => Computed::Proved(job.plan.query.id, prove(*job).map(Box::new)),
            Self::Check(job) => Computed::Checked(job.plan.query.id, Box::new(check(*job))),
            Self::Decide(job) => Computed::Decided(job.plan.query.id, Box::new(decide(*job))),
        }
    }
}

/// x' = clamp(x 2^t + o, 0, X_max), cell by cell, before the noise: a roll above its public bound
/// costs accuracy, never noise.
fn clamped<'a>(
    plan: &'a Plan,
    me: &'a MemberId,
    tally: &'a Tally,
) -> Option<impl Iterator<Item = i128> + 'a> {
    let max = i128::from(plan.tally_max(me)?);
    let scaled = tally.0.iter().enumerate().map(move |(cell, x)| {
        let x = (i128::from(*x) << plan.noise.doublings) + i128::from(plan.offset(me, cell));
        x.clamp(0, max)
    });
    (tally.0.len() == plan.query.question.cells()).then_some(scaled)
}

/// The noised vector of full-noise mode: x' + z.
pub fn noised(plan: &Plan, me: &MemberId, tally: &Tally, noise: &Noise) -> Option<Zeroizing<Vec<i64>>> {
    let sums =
        clamped(plan, me, tally)?.zip(noise.0.iter()).map(|(x, z)| i64::try_from(x + i128::from(*z)).ok());
    let vector: Option<Vec<i64>> = sums.collect();
    vector.filter(|vector| vector.len() == plan.query.question.cells()).map(Zeroizing::new)
}

/// y = clamp(x' + z + B, 0, X_max + 2B), as secret sharing wants it.
fn shareable(plan: &Plan, me: &MemberId, tally: &Tally, noise: &Noise) -> Option<Zeroizing<Vec<u64>>> {
    let clip = i128::from(plan.noise.clip());
    let max = i128::from(plan.tally_max(me)?) + 2 * clip;
    let sums = clamped(plan, me, tally)?
        .zip(noise.0.iter())
        .map(|(x, z)| u64::try_from((x + i128::from(*z) + clip).clamp(0, max)).ok());
    let vector: Option<Vec<u64>> = sums.collect();
    vector.filter(|vector| vector.len() == plan.query.question.cells()).map(Zeroizing::new)
}

fn prove(job: Prove) -> Option<Proved> {
    let Prove { plan, me, debit, tally, noise, entropy } = job;
    let vector = shareable(&plan, &me, &tally, &noise)?;
    let circuit = plan.circuit(&me)?;
    let sharing = circuit.shard(&plan.context(&me, &debit)?, prio_nonce(&entropy), &vector).ok()?;
    let digests: Vec<Digest> = sharing.shares.iter().map(|share| sha256(&[share])).collect();
    let aad = seal_aad(&sharing.nonce, &sharing.public_share, &digests);
    let (mut shares, mut blobs) = (vec![], vec![]);
    for (seat, (share, digest)) in sharing.shares.iter().zip(digests).enumerate() {
        let key = &plan.parts.get(plan.committee.get(seat)?)?.round_key;
        let info = plan.seal_info(&me, &debit, seat);
        let once = entropy.derive(&format!("seal/{seat}"));
        // A key that is no key gets an empty blob: its owner cannot open it, and nobody else waits.
        let sealed = seal::seal(key, &info, &aad, share, &once).unwrap_or_default();
        let blob: Arc<[u8]> = Arc::from(sealed);
        shares.push(SealedShare { digest, blob: sha256(&[&blob]) });
        blobs.push(blob);
    }
    Some(Proved { nonce: sharing.nonce, public_share: sharing.public_share, shares, blobs })
}

/// A fresh nonce for this contribution.
fn prio_nonce(entropy: &Seed) -> [u8; 16] {
    let bytes = entropy.bytes("prio");
    bytes.first_chunk().copied().unwrap_or_default()
}

fn check(job: Check) -> Checked {
    let private = seal::round_keypair(&job.round_key).0;
    let shown = job.plan.committee.len() >= SEATS_MIN;
    let (mut states, mut runs, mut shares) = (vec![], vec![], vec![]);
    for (item, sealed) in job.items.iter().zip(&job.sealed) {
        let share = open_share(&job, &private, item, sealed);
        let begun = share.as_ref().and_then(|share| begin(&job, item, share));
        let (state, run) = begun.map_or((None, vec![]), |(state, run)| (Some(state), run));
        states.push(state);
        runs.push(Bytes(run));
        shares.extend(shown.then(|| share.unwrap_or_default()));
    }
    Checked { states, blob: Arc::from(encode(&runs)), shares }
}

fn begin(job: &Check, item: &Item, share: &[u8]) -> Option<(VerifyState, Vec<u8>)> {
    let circuit = job.plan.circuit(&item.member)?;
    let context = job.plan.context(&item.member, &item.debit)?;
    circuit.verify_init(&job.verify_key, &context, job.seat, &item.nonce, &item.public_share, share).ok()
}

/// Our share of a contribution, if it opens and is the one that was logged.
fn open_share(
    job: &Check,
    private: &seal::RoundKey,
    item: &Item,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let info = job.plan.seal_info(&item.member, &item.debit, job.seat);
    let aad = seal_aad(&item.nonce, &item.public_share, &item.digests);
    let share = seal::open(private, &info, &aad, sealed).ok()?;
    (sha256(&[&share]) == *item.digests.get(job.seat)?).then_some(share)
}

/// The verify blobs of all seats, read: `[seat][item]`, empty where there is no verifier share.
/// A blob that is not one counts as all empty: its author proved nothing.
pub fn read_verify_blobs(blobs: &[Arc<[u8]>], items: usize) -> Vec<Vec<Bytes>> {
    let read = |blob: &Arc<[u8]>| {
        let runs: Vec<Bytes> = decode_within(blob, crate::bounds::BLOB_BYTES_MAX).unwrap_or_default();
        if runs.len() == items { runs } else { vec![Bytes::default(); items] }
    };
    blobs.iter().map(read).collect()
}

/// Whether a contribution is accepted: public, so an auditor computes the same.
pub fn verification(
    plan: &Plan,
    item: &Item,
    index: usize,
    runs: &[Vec<Bytes>],
) -> Option<(Circuit, Verification)> {
    let circuit = plan.circuit(&item.member)?;
    let context = plan.context(&item.member, &item.debit)?;
    let shares: Vec<&[u8]> = runs.iter().map(|seat| seat.get(index).map_or(&[][..], |run| &run.0)).collect();
    let message = circuit.decide(&context, &item.public_share, &shares).ok()?;
    Some((circuit, message))
}

fn decide(job: Decide) -> Decided {
    let runs = read_verify_blobs(&job.blobs, job.items.len());
    let mut accepted = vec![];
    let mut sum = Aggregate::new(job.plan.query.question.cells());
    for (index, (item, state)) in job.items.iter().zip(job.states).enumerate() {
        let Some((circuit, message)) = verification(&job.plan, item, index, &runs) else { continue };
        // INVARIANT: a contribution that everyone accepts has all k verifier shares, ours included,
        // and ours came from this state.
        let Some(output) =
            state.and_then(|state| circuit.finish(&plan_context(&job.plan, item)?, state, &message).ok())
        else {
            continue;
        };
        sum.add(&output);
        accepted.push(item.member.clone());
    }
    Decided { accepted, share: sum.to_bytes() }
}

fn plan_context(plan: &Plan, item: &Item) -> Option<[u8; 32]> {
    plan.context(&item.member, &item.debit)
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
