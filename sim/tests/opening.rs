//! The audit opening: a seat that shifts a sum, which no log shows, is convicted by the shares that it
//! was sent, with the cell; and an honest one passes. Source: ROUND section 8.
//!
//! What would make it fail: an opening that is not compared with the digests in the log, with the
//! seat's verify blob, or with its aggregate share.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, QueryId};
use datacoop_protocol::audit::opening::{Opening, Wrong, auditor_is_inside, check_opening, named_seat};
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::work::{Computed, Work};
use datacoop_protocol::rounds::{Kind, Round};
use zeroize::Zeroizing;

/// Members: f = 3, so four seats.
const MEMBERS: usize = 12;
/// Bytes of a cell of an aggregate share.
const CELL: usize = 16;

#[derive(Default)]
struct Seen {
    shares: BTreeMap<usize, Vec<Zeroizing<Vec<u8>>>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

struct Audited {
    story: Story,
    id: QueryId,
    round: Arc<Round>,
    seen: Arc<Mutex<Seen>>,
}

/// A released round in which the last member with a seat changes this cell of its aggregate share.
fn round_with(shifted: Option<usize>) -> Audited {
    let mut story = Story::new(MEMBERS, 61);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let notes = seen.clone();
    story.world.run_work = Some(Arc::new(move |site, work| {
        if let Work::Check(job) = &work {
            notes.lock().unwrap().shares.insert(site, job.opened_shares());
        }
        let last_seat = matches!(&work, Work::Decide(job) if {
            let seats = &job.plan.committee;
            seats.iter().max() == Some(&job.plan.members[site])
        });
        let mut computed = work.run();
        if let Computed::Checked(_, checked) = &computed {
            notes.lock().unwrap().blobs.insert(sha256(&[&checked.blob]), checked.blob.to_vec());
        }
        if let (Computed::Decided(_, decided), Some(cell), true) = (&mut computed, shifted, last_seat) {
            decided.share[cell * CELL] ^= 1;
        }
        computed
    }));
    story.meet();
    let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    let id = story.ask(0, query).unwrap();
    assert!(story.finish(id, MEMBERS) && story.released(id));
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    Audited { story, id, round, seen }
}

impl Audited {
    fn opening(&self, seat: usize) -> Opening {
        let seat = self.round.plan().unwrap().committee[seat].clone();
        let site = seat.as_str()[5..].parse::<usize>().unwrap() - 1;
        let Body::Open { salt, .. } = self.round.said(Kind::Open, &seat).unwrap().body else {
            panic!("open")
        };
        let shares = self.seen.lock().unwrap().shares[&site].clone();
        Opening { seat, shares, salt }
    }

    fn check(&self, opening: &Opening) -> Result<(), Wrong> {
        let blobs = self.seen.lock().unwrap().blobs.clone();
        check_opening(&self.round, opening, &|hash| blobs.get(hash).cloned())
    }
}

#[test]
fn an_honest_opening_passes_and_a_changed_one_does_not() {
    let audited = round_with(None);
    let plan = audited.round.plan().unwrap();
    assert_eq!((plan.committee.len(), auditor_is_inside(plan)), (4, true));
    for seat in 0..4 {
        assert_eq!(audited.check(&audited.opening(seat)), Ok(()), "seat {seat}, the leader included");
    }
    for of in [0, 5, MEMBERS - 1] {
        let mut opening = audited.opening(1);
        opening.shares[of][0] ^= 1;
        assert_eq!(audited.check(&opening), Err(Wrong::Share(plan.members[of].clone())));
        opening.shares[of].clear();
        assert_eq!(audited.check(&opening), Err(Wrong::Share(plan.members[of].clone())), "it had opened");
    }
    let mut opening = audited.opening(1);
    opening.salt[0] ^= 1;
    assert_eq!(audited.check(&opening), Err(Wrong::Commitment));
    opening.shares.pop();
    assert_eq!(audited.check(&opening), Err(Wrong::NoOpening));
    let mut opening = audited.opening(1);
    opening.seat = plan.members.iter().find(|id| plan.seat(id).is_none()).unwrap().clone();
    assert_eq!(audited.check(&opening), Err(Wrong::NoOpening));
    let nothing = check_opening(&audited.round, &audited.opening(1), &|_| None);
    assert_eq!(nothing, Err(Wrong::Missing));
}

#[test]
fn a_seat_that_shifts_a_sum_passes_the_audit_and_is_convicted_by_its_opening() {
    for cell in [0, 1] {
        let audited = round_with(Some(cell));
        audited.story.audits_clean(0);
        let plan = audited.round.plan().unwrap();
        let liar = plan.committee.iter().max().unwrap();
        for seat in 0..4 {
            let opening = audited.opening(seat);
            let expected = if opening.seat == *liar { Err(Wrong::Cell(cell)) } else { Ok(()) };
            assert_eq!(audited.check(&opening), expected, "seat {seat}");
        }
    }
}

#[test]
fn a_verify_blob_that_does_not_follow_from_the_shares_is_found() {
    let audited = round_with(None);
    let plan = audited.round.plan().unwrap();
    let (frozen, opening) = (audited.round.frozen(plan).unwrap(), audited.opening(2));
    let (_, hashes) = audited.round.verified(plan, &frozen).unwrap();
    let blobs = audited.seen.lock().unwrap().blobs.clone();
    // As if the seat had logged the name of another blob: what it told of its third contribution.
    let told = |hash: &Digest| {
        let mut bytes = blobs.get(hash)?.clone();
        if *hash == hashes[2] {
            let run = (bytes.len() - 8) / MEMBERS;
            bytes[8 + 2 * run + 8] ^= 1;
        }
        Some(bytes)
    };
    let found = check_opening(&audited.round, &opening, &told);
    assert_eq!(found, Err(Wrong::Verifier(plan.members[2].clone())));
}

#[test]
fn the_round_names_its_seat_and_nobody_can_choose_it() {
    let audited = round_with(None);
    let plan = audited.round.plan().unwrap();
    let (_, sums) = audited.round.released().unwrap();
    let bytes: Vec<u8> = sums.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let hash = sha256(&[b"datacoop/opening/v1\n", &audited.id.0, &bytes]);
    let number = |from: usize| u64::from_le_bytes(hash.0[from..from + 8].try_into().unwrap());
    let seat = usize::try_from(number(8) % plan.committee.len() as u64).unwrap();
    assert_eq!(named_seat(&audited.round), number(0).is_multiple_of(10).then_some(seat));
}
