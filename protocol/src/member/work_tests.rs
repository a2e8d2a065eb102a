//! What a contribution is made of (ROUND section 3): the clamp before the noise, the offset and the clip
//! on both sides of the sum, and what binds a contribution to its author, debit, seat and size.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::ledger::Account;
use datacoop_policy::query::{Assumptions, Mode, Query, Terms};
use datacoop_policy::question::{Question, QuestionDraft};
use datacoop_policy::time::AcademicYear;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, Time};
use zeroize::Zeroizing;

use super::*;
use crate::entry::Ref;
use crate::rounds::Part;

const VOCABULARY: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "score", type = "number", low = -4, high = 4 }]"#;
const QUESTION: &str = r#"
    id = "mean-score"
    version = 1
    title = "What do they score?"
    vocabulary = "exam/1"
    figure = { kind = "mean", of = "s", count = "n" }
    loss = 5_000_000
    matters = "0.1"
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" },
      { name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" },
    ]"#;
/// The public roll bound of every member here.
const PEOPLE_MAX: u64 = 100;
/// Steps of a person's largest count: 1 in quarters.
const COUNT_STEPS: i64 = 4;
/// Steps of a person's largest score: 4 in halves.
const SCORE_STEPS: i64 = 8;

fn id(n: usize) -> MemberId {
    format!("GB-EDU-{n:06}").parse().unwrap()
}

fn query() -> Query {
    let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
    let question = Question::admit(QuestionDraft::from_toml(QUESTION).unwrap(), &vocabulary).unwrap();
    Query {
        id: Digest([1; 32]),
        asker: id(0),
        at: Time(0),
        question: question.bind(&BTreeMap::new(), Period::parse("2025-09-01..2025-12-19").unwrap()).unwrap(),
        question_hash: Digest([2; 32]),
        account: Account { dataset: "exam".into(), year: AcademicYear(2025) },
        purpose: "exams".into(),
        loss: PrivacyLoss::from_nano(5_000_000),
        mode: Mode::Secure,
        assumed: Assumptions::FLOOR,
        min_roster: 5,
        join_by: Time(1),
        contribute_by: Time(2),
        close_by: Time(3),
        charter: Digest([3; 32]),
        supersedes: None,
        cosigners: 0,
        delegation: None,
    }
}

/// Twelve members: f = 3, d = 1, m = 8.
fn plan() -> Plan {
    let query = query();
    let members: Vec<MemberId> = (0..12).map(id).collect();
    let terms = Terms::new(12, Mode::Secure, Assumptions::FLOOR).unwrap();
    let part = |_| Part {
        people_max: PEOPLE_MAX,
        nonce_hash: Digest([4; 32]),
        vk_hash: Digest([5; 32]),
        round_key: vec![],
    };
    Plan {
        noise: query.noise(&terms).unwrap(),
        query: Arc::new(query),
        roster: Ref { log: "log".into(), index: 7, leaf: Digest([6; 32]) },
        parts: members.iter().map(|member| (member.clone(), part(member))).collect(),
        committee: members[..4].to_vec(),
        members,
        terms,
        binding: Digest([7; 32]),
    }
}

fn tally(count: i64, score: i64) -> Tally {
    Tally(Zeroizing::new(vec![count, score]))
}

fn noise(count: i64, score: i64) -> Noise {
    Noise(Zeroizing::new(vec![count, score]))
}

/// rho >= Delta^2 4^t / (2 m sigma^2) with Delta of this very Question and m = n - f - d, and no less
/// noise than that asks for. Source: ROUND section 1.
#[test]
fn the_noise_is_for_the_questions_own_sensitivity_and_the_honest_shares_alone() {
    let plan = plan();
    let delta2 = (COUNT_STEPS.pow(2) + SCORE_STEPS.pow(2)) as u128;
    let scaled = delta2 << (2 * plan.noise.doublings);
    let cost = |shares: u32, std| {
        let shares = std::num::NonZeroU32::new(shares).unwrap();
        PrivacyLoss::of_gaussian(scaled, std, shares).nano()
    };
    assert!(
        cost(8, plan.noise.noise_std) < plan.query.loss.nano(),
        "what 8 shares give is all that is counted"
    );
    let less = std::num::NonZeroU32::new(plan.noise.noise_std.get() - 1).unwrap();
    assert!(cost(8, less) > plan.query.loss.nano() - 1, "one 256th of a step less would cost more");
}

#[test]
fn a_roll_above_its_bound_is_clamped_before_the_noise_and_never_after() {
    let (plan, me) = (plan(), id(1));
    assert_eq!(plan.noise.doublings, 0);
    let max = PEOPLE_MAX as i64 * SCORE_STEPS;
    // The offset makes room for negative scores: o = roll bound x 8 steps, none for the count.
    assert_eq!((plan.offset(&me, 0), plan.offset(&me, 1)), (0, max as u64));
    assert_eq!(plan.tally_max(&me), Some(2 * max as u64));
    let vector = |tally, noise| noised(&plan, &me, &tally, &noise).unwrap().to_vec();
    assert_eq!(vector(tally(40, -80), noise(-3, 5)), [37, max - 80 + 5]);
    // Too many people: the sum is cut at its bound and the noise stands on it whole.
    assert_eq!(vector(tally(1 << 40, 1 << 40), noise(9, 9)), [2 * max + 9, 2 * max + 9]);
    assert_eq!(vector(tally(-5, -(1 << 40)), noise(-9, -9)), [-9, -9]);
    assert!(noised(&plan, &me, &Tally(Zeroizing::new(vec![1])), &noise(0, 0)).is_none(), "a cell short");
    assert!(
        noised(&plan, &me, &tally(1, 1), &Noise(Zeroizing::new(vec![0]))).is_none(),
        "noise for each cell"
    );
}

#[test]
fn what_is_shared_carries_offset_noise_and_clip_and_fits_its_circuit() {
    let (plan, me) = (plan(), id(1));
    let clip = plan.noise.clip() as i64;
    let bound = 2 * PEOPLE_MAX as i64 * SCORE_STEPS;
    let shared = |tally, noise| shareable(&plan, &me, &tally, &noise).unwrap().to_vec();
    let offset = PEOPLE_MAX as i64 * SCORE_STEPS;
    assert_eq!(
        shared(tally(40, -80), noise(-3, 5)),
        [40 - 3 + clip, offset - 80 + 5 + clip].map(|value| value as u64)
    );
    // Noise beyond its clip is cut where the circuit ends, on both sides.
    assert_eq!(shared(tally(0, -offset), noise(-clip - 1, -clip)), [0, 0]);
    let most = (bound + 2 * clip) as u64;
    assert_eq!(shared(tally(1 << 40, 1 << 40), noise(clip, clip + 1)), [most, most]);
    let circuit = plan.circuit(&me).unwrap();
    assert!(circuit.shard(&[0; 32], [0; 16], &[most, most]).is_ok());
    assert!(circuit.shard(&[0; 32], [0; 16], &[most + 1, 0]).is_err());
}

#[test]
fn a_doubled_vector_is_doubled_everywhere() {
    let (mut plan, me) = (plan(), id(1));
    plan.noise.doublings = 3;
    let offset = 8 * PEOPLE_MAX * SCORE_STEPS as u64;
    assert_eq!((plan.offset(&me, 1), plan.tally_max(&me)), (offset, Some(2 * offset)));
    let vector = noised(&plan, &me, &tally(40, -80), &noise(1, 1)).unwrap().to_vec();
    assert_eq!(vector, [8 * 40 + 1, offset as i64 - 8 * 80 + 1]);
}

/// Another implementation computes the same 32 bytes. Source: ROUND section 3.
#[test]
fn the_context_is_the_hash_of_binding_author_debit_largest_value_and_cells() {
    let (plan, debit) = (plan(), Digest([8; 32]));
    let largest = 2 * PEOPLE_MAX * SCORE_STEPS as u64 + 2 * plan.noise.clip();
    let author = sha256(&[b"GB-EDU-000001"]);
    let bytes = [
        &b"datacoop/context/v1\n"[..],
        &[7; 32],
        &author.0,
        &debit.0,
        &largest.to_le_bytes(),
        &2u64.to_le_bytes(),
    ]
    .concat();
    assert_eq!(plan.context(&id(1), &debit), Some(sha256(&[&bytes]).0));
}

/// A copied contribution would count one member's pupils twice. Its context and the texts that its shares are
/// sealed to differ in author, debit and seat, so the copy neither opens nor verifies.
#[test]
fn a_contribution_is_bound_to_author_debit_seat_and_size() {
    let plan = plan();
    let debit = Digest([8; 32]);
    let context = |plan: &Plan, n: usize, debit: &Digest| plan.context(&id(n), debit).unwrap();
    let ours = context(&plan, 1, &debit);
    assert_ne!(ours, context(&plan, 2, &debit), "author");
    assert_ne!(ours, context(&plan, 1, &Digest([9; 32])), "debit");
    let changed = |change: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        context(&other, 1, &debit)
    };
    assert_ne!(ours, changed(&|plan| plan.binding = Digest([9; 32])), "round and committee");
    assert_ne!(ours, changed(&|plan| plan.parts.get_mut(&id(1)).unwrap().people_max += 1), "size");
    assert_eq!(ours, changed(&|plan| plan.parts.get_mut(&id(2)).unwrap().people_max += 1), "nobody else's");

    let info = plan.seal_info(&id(1), &debit, 0);
    assert_ne!(info, plan.seal_info(&id(2), &debit, 0), "author");
    assert_ne!(info, plan.seal_info(&id(1), &Digest([9; 32]), 0), "debit");
    assert_ne!(info, plan.seal_info(&id(1), &debit, 1), "seat");
    let mut other = plan.clone();
    other.roster.leaf = Digest([9; 32]);
    assert_ne!(info, other.seal_info(&id(1), &debit, 0), "roster");
    let aad = seal_aad(&[1; 16], b"public", &[debit]);
    assert_ne!(aad, seal_aad(&[2; 16], b"public", &[debit]), "nonce");
    assert_ne!(aad, seal_aad(&[1; 16], b"Public", &[debit]), "public share");
    assert_ne!(aad, seal_aad(&[1; 16], b"public", &[Digest([9; 32])]), "digests of the shares");
}
