//! Whole rounds among real `Member`s in the simulated world, for what a Release says about the noise in
//! it. What this file does *not* know: nodes, files, sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::query::{Assumptions, Mode, Terms};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Body, Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input, Noise, Tally};
use datacoop_protocol::member::work::{Check, Checked, Computed, Decide, Decided, Item, Prove, Work};
use datacoop_protocol::rounds::{Ending, Part, Plan};
use datacoop_protocol::seal::round_keypair;
use datacoop_protocol::secagg::unshard;
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, member_id, textless_charter, vocabularies};
use datacoop_sim::world::{DrawNoise, World};
use zeroize::Zeroizing;

/// What each Query costs, billionths of rho: 200 of them fit a year's floor.
pub const LOSS_NANO: u64 = 5_000_000;
/// People at a member, at most: public.
const PEOPLE_MAX: u64 = 100;
/// How long a round may take, in the world's own time.
const PATIENCE: Span = Span(120_000);

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    /// Values of the first grouping.
    pub rows: usize,
    /// Values of the second.
    pub columns: usize,
    /// The clip: what one person can add to a cell at most, and so Delta.
    pub clip: u32,
}

impl Grid {
    /// Cells of the vector.
    pub fn cells(&self) -> usize {
        self.rows * self.columns
    }

    fn values(count: usize) -> String {
        (0..count).map(|i| format!("\"v{i}\"")).collect::<Vec<_>>().join(", ")
    }

    fn vocabulary(&self) -> String {
        let (a, b) = (Self::values(self.rows), Self::values(self.columns));
        format!(
            r#"
            id = "grid"
            version = 1
            title = "A grid"
            dataset = "grid"
            unit = "row"
            column = [
              {{ name = "a", type = "text", values = [{a}], group = true }},
              {{ name = "b", type = "text", values = [{b}], group = true }},
              {{ name = "x", type = "number", low = 0, high = 1000 }},
            ]"#
        )
    }

    fn question(&self) -> QuestionDraft {
        let (a, b, clip) = (Self::values(self.rows), Self::values(self.columns), self.clip);
        let text = format!(
            r#"
            id = "grid"
            version = 1
            title = "How much in each cell?"
            vocabulary = "grid/1"
            figure = {{ kind = "sum", of = "s" }}
            loss = {LOSS_NANO}
            matters = "20"
            measure = [{{ name = "s", sql = "x", clamp = [0, {clip}], resolution = 1 }}]
            by = [{{ column = "a", cells = [{a}] }}, {{ column = "b", cells = [{b}] }}]"#
        );
        QuestionDraft::from_toml(&text).expect("a question")
    }
}

/// What a member's data add up to, cell by cell.
pub type Data = fn(member: usize, cells: usize) -> Vec<i64>;

/// Nobody has data: a Release is noise alone.
pub fn zero(_: usize, cells: usize) -> Vec<i64> {
    vec![0; cells]
}

/// A co-operative that asks itself.
pub struct Coop {
    /// Its members, and what is between them.
    pub world: World,
    grid: Grid,
    charter: Digest,
    members: usize,
    asked: u64,
}

/// What a Release says, and what its Roster promised.
#[derive(Debug, Clone)]
pub struct Released {
    /// The sums, in steps.
    pub sums: Vec<f64>,
    /// Contributions in them.
    pub accepted: usize,
    /// f, d, m, k, and the scale of one share.
    pub plan: Arc<Plan>,
}

impl Released {
    /// sigma_i in steps: the doublings taken off again.
    pub fn sigma(&self) -> f64 {
        f64::from(self.plan.noise.noise_std.get()) / 256.0 / step(&self.plan)
    }

    /// B of the accepted ones, in steps: what is taken off the sums.
    pub fn offset(&self) -> f64 {
        self.plan.noise.clip() as f64 * self.accepted as f64 / step(&self.plan)
    }
}

/// Scaled steps in a step: 2^t.
fn step(plan: &Plan) -> f64 {
    f64::from(1u32 << plan.noise.doublings)
}

impl Coop {
    /// Members with these data, after they met. Without `draw` noise is that of the seeded sampler.
    pub fn new(members: usize, grid: Grid, seed: &Seed, data: Data, draw: Option<DrawNoise>) -> Self {
        let text = grid.vocabulary();
        let vocabulary = Vocabulary::from_toml(&text).expect("a vocabulary");
        let hash = sha256(&[text.as_bytes()]);
        let founder = |n: usize| {
            let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
            Founder::new(seed, n, &format!("School {n}"), PEOPLE_MAX, addresses)
        };
        let founders: Vec<Founder> = (0..members).map(founder).collect();
        let today = Day::parse("2025-12-01").expect("a day");
        let draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
        let charter = textless_charter(draft).expect("a charter");
        let numbers: BTreeMap<MemberId, usize> = (0..members).map(|n| (member_id(n), n)).collect();
        let cells = grid.cells();
        let id = charter.hash();
        let mut world = World::new(
            seed.clone(),
            today.start() + Span(36_000_000),
            founders,
            charter,
            vocabularies(&vocabulary, hash),
            Arc::new(move |member: &MemberId, _: &_| data(numbers[member], cells)),
        );
        world.draw_noise = draw;
        let met = world.now() + Span(2_000);
        world.run_until(met);
        Self { world, grid, charter: id, members, asked: 0 }
    }

    fn query(&self) -> QueryBody {
        let now = Time::from_seconds(self.world.now().seconds());
        // Another period each time: the same one would be answered from the stored Release.
        let first = Day::parse("2025-09-01").expect("a day");
        let last = Day(first.0 + i64::try_from(self.asked).expect("few"));
        QueryBody {
            question: question_value(&self.grid.question()).expect("a question"),
            params: BTreeMap::new(),
            period: Period::new(first, last).expect("a period"),
            vocabulary: "grid/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(LOSS_NANO),
            mode: Mode::Secure,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: now + Span(20_000),
            contribute_by: now + Span(40_000),
            close_by: now + Span(60_000),
            charter: self.charter,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        }
    }

    fn ask(&mut self) -> QueryId {
        self.asked += 1;
        let (command, query) = (self.asked, Box::new(self.query()));
        self.world.input(self.members - 1, Input::Ask { command, query });
        let until = self.world.now() + Span(1_000);
        self.world.run_until(until);
        let asked = self.world.events.iter().rev().find_map(|(_, event)| {
            let Event::Asked { command: c, query } = event else { return None };
            (*c == command).then_some(*query)
        });
        asked.unwrap_or_else(|| panic!("not asked: {:?}", self.world.events.last()))
    }

    /// One round, from asking to the Release at the asker.
    pub fn round(&mut self) -> Released {
        let id = self.ask();
        let asker = self.members - 1;
        let until = self.world.now() + PATIENCE;
        let ended = self.world.run_while(until, |world| {
            let round = world.member(asker).and_then(|member| member.fold().round(&id));
            round.is_none_or(|round| round.ending().is_none())
        });
        assert!(ended, "the round ends in {PATIENCE:?}");
        // Nobody looks at what was sent: it would only fill memory.
        self.world.frames.clear();
        let member = self.world.member(asker).expect("the asker is there");
        let round = member.fold().round(&id).expect("the round");
        let Some(Ending::Released(_)) = round.ending() else { panic!("aborted: {:?}", round.ending()) };
        let plan = round.plan().expect("a plan").clone();
        let (logged, sums) = round.released().expect("a release");
        let Body::Release { sums: said, .. } = &logged.body else { panic!("no release") };
        let sums_in_steps = said.iter().map(|sum| *sum as f64 / step(&plan)).collect();
        Released { sums: sums_in_steps, accepted: sums.accepted.len(), plan }
    }
}

/// A round among so many members with no data, without logs and messages, which grow with the square of
/// the Roster: each member's own `Work` with production noise, proofs, sealing and all.
pub fn direct(members: usize, grid: Grid) -> Released {
    let seed = datacoop::entropy::seed();
    let few = Coop::new(5, grid, &seed, zero, None).round();
    let plan = Arc::new(wider(&few.plan, members, &seed));
    let (mut items, mut sealed) = (vec![], vec![vec![]; plan.committee.len()]);
    for (n, me) in plan.members.iter().enumerate() {
        let noise = crate::noise::production(plan.noise.noise_std, grid.cells());
        let job = Prove {
            plan: plan.clone(),
            me: me.clone(),
            debit: Digest(seed.bytes(&format!("debit/{n}"))),
            tally: Tally(Zeroizing::new(zero(n, grid.cells()))),
            noise: Noise(Zeroizing::new(noise)),
            entropy: seed.derive(&format!("entropy/{n}")),
        };
        let (member, debit) = (job.me.clone(), job.debit);
        let Computed::Proved(_, Some(proved)) = Work::Prove(Box::new(job)).run() else { panic!("no proof") };
        sealed.iter_mut().zip(proved.blobs).for_each(|(seat, blob)| seat.push(blob));
        let digests = proved.shares.iter().map(|share| share.digest).collect();
        items.push(Item { member, debit, nonce: proved.nonce, public_share: proved.public_share, digests });
    }
    let (accepted, totals) = add_up(&plan, &seed, &items, sealed);
    let offset = i128::from(plan.noise.clip()) * i128::try_from(accepted).expect("few");
    let sums = totals.into_iter().map(|total| i128::try_from(total).expect("small") - offset);
    Released { sums: sums.map(|sum| sum as f64 / step(&plan)).collect(), accepted, plan }
}

/// What every seat does: open and check, then decide and add up; the aggregate of all seats.
fn add_up(plan: &Arc<Plan>, seed: &Seed, items: &[Item], sealed: Vec<Vec<Arc<[u8]>>>) -> (usize, Vec<u128>) {
    let check = |(seat, sealed): (usize, Vec<Arc<[u8]>>)| {
        let owner = plan.members.iter().position(|id| *id == plan.committee[seat]).expect("a member");
        let job = Check {
            plan: plan.clone(),
            seat,
            verify_key: seed.bytes("verify key"),
            round_key: Zeroizing::new(round_seed(seed, owner)),
            items: items.to_vec(),
            sealed,
        };
        let Computed::Checked(_, checked) = Work::Check(Box::new(job)).run() else { panic!("no check") };
        *checked
    };
    let checked: Vec<Checked> = sealed.into_iter().enumerate().map(check).collect();
    let blobs: Vec<Arc<[u8]>> = checked.iter().map(|checked| checked.blob.clone()).collect();
    let decide = |checked: Checked| {
        let (items, blobs) = (items.to_vec(), blobs.clone());
        let job = Decide { plan: plan.clone(), items, states: checked.states, blobs };
        let Computed::Decided(_, decided) = Work::Decide(Box::new(job)).run() else { panic!("no decision") };
        *decided
    };
    let decided: Vec<Decided> = checked.into_iter().map(decide).collect();
    let shares: Vec<&[u8]> = decided.iter().map(|decided| decided.share.as_slice()).collect();
    let totals = unshard(plan.query.question.cells(), &shares).expect("shares of one length");
    (decided[0].accepted.len(), totals)
}

/// A member's round key, by its number.
fn round_seed(seed: &Seed, n: usize) -> [u8; 32] {
    seed.bytes(&format!("round key/{n}"))
}

/// The same Query among more members. Who has a seat says nothing about the noise: the first ones do.
fn wider(few: &Plan, members: usize, seed: &Seed) -> Plan {
    let query = few.query.clone();
    let terms = Terms::new(members, query.mode, query.assumed).expect("a Roster");
    let ids: Vec<MemberId> = (0..members).map(member_id).collect();
    let part = |n: usize| Part {
        people_max: PEOPLE_MAX,
        nonce_hash: Digest::default(),
        vk_hash: Digest::default(),
        round_key: round_keypair(&round_seed(seed, n)).1,
    };
    Plan {
        noise: query.noise(&terms).expect("a scale"),
        query,
        roster: few.roster.clone(),
        committee: ids[..terms.committee as usize].to_vec(),
        parts: ids.iter().enumerate().map(|(n, id)| (id.clone(), part(n))).collect(),
        members: ids,
        terms,
        binding: few.binding,
    }
}
