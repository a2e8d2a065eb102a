//! A round: what each member said about one Query, and what follows from it. Pure functions of the
//! logs, so the members, the simulator and an auditor cannot disagree.

pub mod codes;
mod lot;
mod withheld;

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::query::{Mode, NoiseScale, Query, Terms};
use datacoop_policy::verdict::judge_round;
use datacoop_policy::{Digest, MemberId, QueryId, Time};

pub(crate) use withheld::{DEBIT_GRACE, ROSTER_GRACE};
pub use withheld::{Withheld, Withholding};

use crate::entry::{Body, QueryBody, Ref};
use crate::log::tree::sha256;
use crate::release::Sums;
use crate::secagg::Circuit;

/// An entry of the round where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    /// Its place and leaf.
    pub at: Ref,
    /// When its author says it wrote it.
    pub time: Time,
    /// What it says.
    pub body: Body,
}

/// The query entry with its meaning.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its place.
    pub at: Ref,
    /// Who asked.
    pub asker: MemberId,
    /// When.
    pub time: Time,
    /// As it stands.
    pub body: QueryBody,
    /// What it means, or why it means nothing.
    pub query: Result<Arc<Query>, String>,
    /// How many entries of the log that its delegation stands in its author had said, earlier, that it held.
    pub held: u64,
}

/// Kinds of round entries of which a member's first counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Accept or refuse.
    Verdict,
    /// By the asker.
    Roster,
    /// By each roster member.
    Debit,
    /// A contribution, or in full-noise mode a commitment.
    Contribution,
    /// By each seat, or in full-noise mode by the asker.
    Freeze,
    /// By each seat.
    Verify,
    /// By each seat.
    Close,
    /// By each seat, or in full-noise mode a reveal by each contributor.
    Open,
    /// By the asker, later anyone.
    Release,
    /// By the asker or a seat.
    Abort,
    /// By a debtor.
    Void,
}

impl Kind {
    fn of(body: &Body) -> Option<Self> {
        Some(match body {
            Body::Genesis { .. }
            | Body::Charter { .. }
            | Body::Query(_)
            | Body::Alert { .. }
            | Body::Head { .. }
            | Body::Act(_)
            | Body::Split { .. } => return None,
            Body::Accept { .. } | Body::Refuse { .. } => Self::Verdict,
            Body::Roster { .. } => Self::Roster,
            Body::Debit { .. } => Self::Debit,
            Body::Contribution { .. } | Body::Commit { .. } => Self::Contribution,
            Body::Freeze { .. } => Self::Freeze,
            Body::Verify { .. } => Self::Verify,
            Body::Close { .. } => Self::Close,
            Body::Open { .. } | Body::Reveal { .. } => Self::Open,
            Body::Release { .. } => Self::Release,
            Body::Abort { .. } => Self::Abort,
            Body::Void { .. } => Self::Void,
        })
    }
}

/// Everything said about one Query.
#[derive(Clone, Debug)]
pub struct Round {
    /// The Query's id.
    pub id: QueryId,
    asked: Option<Asked>,
    said: BTreeMap<Kind, BTreeMap<MemberId, Box<Logged>>>,
    repeats: Vec<(MemberId, Logged)>,
    alerts: Vec<(MemberId, Logged)>,
    plan: Option<Arc<Plan>>,
    ending: Option<Ending>,
    released: Option<(MemberId, Sums)>,
}

/// What follows from the Roster: everyone computes the same.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The Query.
    pub query: Arc<Query>,
    /// The roster entry.
    pub roster: Ref,
    /// Its members, sorted.
    pub members: Vec<MemberId>,
    /// f, d, m, k.
    pub terms: Terms,
    /// Each member's noise.
    pub noise: NoiseScale,
    /// The seats, in committee order; empty in full-noise mode, and until the lot is drawn.
    pub committee: Vec<MemberId>,
    /// Each roster member's public facts and promises, by member.
    pub parts: BTreeMap<MemberId, Part>,
    /// SHA-256 over the roster and the committee's verify-key commitments, once there is a committee.
    pub binding: Digest,
}

/// A roster member's part in the plan.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its public roll bound.
    pub people_max: u64,
    /// What its debit's nonce hashes to.
    pub nonce_hash: Digest,
    /// What its verify-key part hashes to.
    pub vk_hash: Digest,
    /// Its X-Wing public key for this round.
    pub round_key: Vec<u8>,
}

impl Plan {
    /// The member's committee seat.
    pub fn seat(&self, member: &MemberId) -> Option<usize> {
        self.committee.iter().position(|id| id == member)
    }

    /// X_max of a member, in scaled steps.
    pub fn tally_max(&self, member: &MemberId) -> Option<u64> {
        self.noise.tally_max(self.parts.get(member)?.people_max, self.query.question.span_steps_max())
    }

    /// The offset o that a member added to a cell, in scaled steps.
    pub fn offset(&self, member: &MemberId, cell: usize) -> u64 {
        let people = self.parts.get(member).map_or(0, |part| part.people_max);
        (people * self.query.question.offset_steps(cell)) << self.noise.doublings
    }

    /// The circuit of a member's contribution: its `max` is X_max + 2B.
    pub fn circuit(&self, member: &MemberId) -> Option<Circuit> {
        let max = self.tally_max(member)? + 2 * self.noise.clip();
        let seats = u8::try_from(self.committee.len()).ok()?;
        Circuit::new(seats, max, self.query.question.cells()).ok()
    }

    /// The context that binds a contribution to its round, author, debit and size.
    pub fn context(&self, member: &MemberId, debit: &Digest) -> Option<[u8; 32]> {
        let max = self.tally_max(member)? + 2 * self.noise.clip();
        let cells = self.query.question.cells() as u64;
        let parts: [&[u8]; 6] = [
            b"datacoop/context/v1\n",
            &self.binding.0,
            &sha256(&[member.as_str().as_bytes()]).0,
            &debit.0,
            &max.to_le_bytes(),
            &cells.to_le_bytes(),
        ];
        Some(sha256(&parts).0)
    }

    /// HPKE `info` of the share for seat `seat`.
    pub fn seal_info(&self, member: &MemberId, debit: &Digest, seat: usize) -> Vec<u8> {
        let mut info = b"datacoop/share/1".to_vec();
        info.extend(self.roster.leaf.0);
        info.extend(sha256(&[member.as_str().as_bytes()]).0);
        info.extend(debit.0);
        info.extend((seat as u64).to_le_bytes());
        info
    }
}

/// HPKE `aad`: what else of the contribution a share is sealed to.
pub fn seal_aad(nonce: &[u8; 16], public_share: &[u8], digests: &[Digest]) -> Vec<u8> {
    let mut aad = nonce.to_vec();
    aad.extend(sha256(&[public_share]).0);
    for digest in digests {
        aad.extend(digest.0);
    }
    aad
}

/// How a round ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With sums, in this entry.
    Released(Ref),
    /// Without, for this reason.
    Aborted(String),
}

impl Round {
    pub(crate) fn new(id: QueryId) -> Self {
        Self {
            id,
            asked: None,
            said: BTreeMap::new(),
            repeats: vec![],
            alerts: vec![],
            plan: None,
            ending: None,
            released: None,
        }
    }

    pub(crate) fn set_query(
        &mut self,
        at: Ref,
        asker: MemberId,
        time: Time,
        body: QueryBody,
        query: Result<Query, String>,
        held: u64,
    ) {
        self.asked = Some(Asked { at, asker, time, body, query: query.map(Arc::new), held });
    }

    /// Adds what a member said. Whether it counts: its first of a kind does. An alert decides nothing.
    pub(crate) fn add(&mut self, by: MemberId, logged: Logged) -> bool {
        if matches!(logged.body, Body::Alert { .. }) {
            self.alerts.push((by, logged));
            return false;
        }
        let Some(kind) = Kind::of(&logged.body) else { return false };
        let of_kind = self.said.entry(kind).or_default();
        let first = !of_kind.contains_key(&by);
        if first {
            of_kind.insert(by, Box::new(logged));
        } else {
            self.repeats.push((by, logged));
        }
        first
    }

    /// The query entry, once its log has it.
    pub fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// The Query, once its entry is here and means something.
    pub fn query(&self) -> Option<&Arc<Query>> {
        self.asked.as_ref()?.query.as_ref().ok()
    }

    /// What a member said first of a kind.
    pub fn said(&self, kind: Kind, by: &MemberId) -> Option<&Logged> {
        self.said.get(&kind)?.get(by).map(|logged| &**logged)
    }

    /// Everyone's first of a kind, by member.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (&MemberId, &Logged)> {
        self.said.get(&kind).into_iter().flatten().map(|(by, logged)| (by, &**logged))
    }

    /// Everything that counts, with its author, and every alert.
    pub fn everything(&self) -> impl Iterator<Item = (&MemberId, &Logged)> {
        let alerts = self.alerts.iter().map(|(by, logged)| (by, logged));
        self.said.values().flatten().map(|(by, logged)| (by, &**logged)).chain(alerts)
    }

    /// Everyone's first of every kind.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (Kind, &MemberId, &Logged)> {
        self.said.iter().flat_map(|(kind, all)| all.iter().map(move |(by, logged)| (*kind, by, &**logged)))
    }

    /// Of a round that was released, what is told of a Release: what was asked, of whom, and how it ended. Neither
    /// what its members said nor its sums.
    pub(crate) fn release_alone(&self) -> Option<Self> {
        let (by, sums) = self.released.as_ref()?;
        let asked = self.asked.clone()?;
        let mut release = self.said(Kind::Release, by)?.clone();
        if let Body::Release { opens, .. } = &mut release.body {
            *opens = vec![];
        }
        let told = Sums { opens: vec![], accepted: sums.accepted.clone(), sums: vec![] };
        let plan = Plan { parts: BTreeMap::new(), ..Plan::clone(self.plan.as_ref()?) };
        Some(Self {
            asked: Some(asked),
            said: BTreeMap::from([(Kind::Release, BTreeMap::from([(by.clone(), Box::new(release))]))]),
            plan: Some(Arc::new(plan)),
            ending: self.ending.clone(),
            released: Some((by.clone(), told)),
            ..Self::new(self.id)
        })
    }

    /// What members saw in this round that should not be.
    pub fn alerts(&self) -> &[(MemberId, Logged)] {
        &self.alerts
    }

    /// Entries that repeat a kind their author wrote before: they count for nothing.
    pub fn repeats(&self) -> &[(MemberId, Logged)] {
        &self.repeats
    }

    /// Whether the entry here repeats a kind that its author wrote before.
    pub(crate) fn is_repeat(&self, at: &Ref) -> bool {
        self.repeats.iter().any(|(_, logged)| logged.at == *at)
    }

    /// Whether this is a contribution whose debit its author had voided before.
    pub(crate) fn is_taken_back(&self, by: &MemberId, logged: &Logged) -> bool {
        let void = self.said(Kind::Void, by).filter(|void| void.at.order() < logged.at.order());
        matches!(Kind::of(&logged.body), Some(Kind::Contribution)) && void.is_some()
    }

    /// The roster entry, if the asker wrote one.
    pub fn roster(&self) -> Option<&Logged> {
        self.said(Kind::Roster, &self.asked.as_ref()?.asker)
    }

    /// A second roster by the asker: no member debits it, and it shows that two were tried.
    pub fn second_roster(&self) -> Option<Ref> {
        let asker = &self.asked.as_ref()?.asker;
        let is_roster =
            |(by, logged): &&(MemberId, Logged)| by == asker && matches!(logged.body, Body::Roster { .. });
        self.repeats.iter().find(is_roster).map(|(_, logged)| logged.at.clone())
    }

    /// What follows from the Roster.
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    /// Draws the consequences of a new entry: the plan, once every verdict that the Roster names is
    /// here; the ending, once a release is right or somebody entitled gave up.
    ///
    /// Nothing is kept from before: an entry that arrives late may still turn an abort into a
    /// release, and every order of arrival ends alike. `charter` is the version that the Query names; under
    /// another nothing follows.
    pub(crate) fn refresh(&mut self, charter: Option<&Charter>) {
        if self.plan.is_none() {
            self.plan = charter.and_then(|charter| self.planned(charter)).map(Arc::new);
        }
        self.draw_lot();
        self.released = self.find_release();
        self.ending = self.find_ending();
    }

    fn planned(&self, charter: &Charter) -> Option<Plan> {
        let query = self.query()?.clone();
        let roster = self.roster()?;
        let Body::Roster { verdicts, .. } = &roster.body else { return None };
        // Sorted by author, and nobody twice: so they stand among all verdicts in that order.
        let mut all = self.all(Kind::Verdict);
        let named = verdicts.iter().map(|reference| all.find(|(_, logged)| logged.at == *reference));
        let named: Vec<(&MemberId, &Logged)> = named.collect::<Option<_>>()?;
        let mut parts = BTreeMap::new();
        for (by, logged) in named {
            let Body::Accept { nonce_hash, vk_hash, round_key, .. } = &logged.body else { return None };
            let part = Part {
                people_max: charter.member(by)?.people_max,
                nonce_hash: *nonce_hash,
                vk_hash: *vk_hash,
                round_key: round_key.clone(),
            };
            parts.insert(by.clone(), part);
        }
        let members: Vec<MemberId> = parts.keys().cloned().collect();
        judge_round(charter, &query, &members).ok()?;
        let terms = Terms::new(members.len(), query.mode, query.assumed)?;
        let noise = query.noise(&terms)?;
        let (committee, binding, roster) = (vec![], Digest::default(), roster.at.clone());
        let mut plan = Plan { query, roster, members, terms, noise, committee, parts, binding };
        if !plan.by_lot() {
            let seed = plan.roster.leaf;
            plan.seat_committee(&seed);
        }
        Some(plan)
    }

    /// A member's debit, if it is exactly what the plan asks for.
    pub fn debit(&self, plan: &Plan, member: &MemberId) -> Option<&Logged> {
        let logged = self.said(Kind::Debit, member)?;
        let Body::Debit { roster, nonce, debit, .. } = &logged.body else { return None };
        let part = plan.parts.get(member)?;
        let right = *roster == plan.roster
            && sha256(&[nonce]) == part.nonce_hash
            && debit.loss == plan.query.loss
            && debit.account == plan.query.account;
        right.then_some(logged)
    }

    /// A member's contribution, if it spends the right debit and has a share for each seat.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    pub fn contribution(&self, plan: &Plan, member: &MemberId) -> Option<&Logged> {
        let logged = self.said(Kind::Contribution, member)?;
        let debit = self.debit(plan, member)?;
        let (spends, fits) = match &logged.body {
            Body::Contribution { debit, shares, .. } => {
                let seated = plan.query.mode == Mode::Secure && !plan.awaits_lot();
                (debit, seated && shares.len() == plan.committee.len())
            }
            Body::Commit { debit, .. } => (debit, plan.query.mode == Mode::FullNoise),
            _ => return None,
        };
        (*spends == debit.at && fits && !self.is_taken_back(member, logged)).then_some(logged)
    }

    /// The frozen set S with the verify key, once every seat wrote the same freeze.
    ///
    /// Errors: `None` while one is missing, differs, names no lawful set or opens another part.
    pub fn frozen(&self, plan: &Plan) -> Option<Frozen> {
        let asker = [self.asked.as_ref()?.asker.clone()];
        let authors = if plan.query.mode == Mode::Secure { &plan.committee[..] } else { &asker };
        let mut set: Option<&Vec<Ref>> = None;
        let (mut refs, mut key) = (vec![], vec![]);
        for author in authors {
            let logged = self.said(Kind::Freeze, author)?;
            let Body::Freeze { roster, contributions, vk_part, .. } = &logged.body else { return None };
            if *roster != plan.roster || *set.get_or_insert(contributions) != contributions {
                return None;
            }
            if plan.query.mode == Mode::Secure {
                let part = vk_part.as_ref()?;
                (sha256(&[part]) == plan.parts.get(author)?.vk_hash).then_some(())?;
                key.extend(part);
            }
            refs.push(logged.at.clone());
        }
        let members = self.lawful_set(plan, set?)?;
        Some(Frozen { members, freezes: refs, verify_key: sha256(&[&key]).0 })
    }

    /// The authors of these contributions, if they are distinct, lawful, sorted and enough.
    pub fn lawful_set(&self, plan: &Plan, contributions: &[Ref]) -> Option<Vec<MemberId>> {
        let mut all = self.all(Kind::Contribution);
        let mut members: Vec<MemberId> = vec![];
        for reference in contributions {
            let (member, _) = all.find(|(_, logged)| logged.at == *reference)?;
            self.contribution(plan, member)?;
            members.push(member.clone());
        }
        (members.len() >= self.accepted_min(plan)).then_some(members)
    }

    /// Fewest contributions that may be added up.
    pub fn accepted_min(&self, plan: &Plan) -> usize {
        match plan.query.mode {
            Mode::Secure => plan.terms.accepted_min(),
            Mode::FullNoise => plan.query.min_roster as usize,
        }
    }

    /// The verify entries of all seats that cite these freezes, with their blobs, in committee order.
    pub fn verified(&self, plan: &Plan, frozen: &Frozen) -> Option<(Vec<Ref>, Vec<Digest>)> {
        let mut found = (vec![], vec![]);
        for author in &plan.committee {
            let logged = self.said(Kind::Verify, author)?;
            let Body::Verify { freezes, blob, .. } = &logged.body else { return None };
            (*freezes == frozen.freezes).then_some(())?;
            found.0.push(logged.at.clone());
            found.1.push(*blob);
        }
        Some(found)
    }

    /// The accepted set, once every seat closed with the same one; with the closes and commitments.
    pub fn closed(&self, plan: &Plan, verifies: &[Ref]) -> Option<Closed> {
        let mut set: Option<&Vec<Ref>> = None;
        let (mut closes, mut commits) = (vec![], vec![]);
        for author in &plan.committee {
            let logged = self.said(Kind::Close, author)?;
            let Body::Close { verifies: cited, accepted, commit, .. } = &logged.body else { return None };
            if cited != verifies || *set.get_or_insert(accepted) != accepted {
                return None;
            }
            closes.push(logged.at.clone());
            commits.push(*commit);
        }
        let accepted = self.lawful_set(plan, set?)?;
        Some(Closed { accepted, closes, commits })
    }

    /// The release that stands, with whose contributions are in it.
    pub fn released(&self) -> Option<(&Logged, Sums)> {
        let (by, sums) = self.released.as_ref()?;
        Some((self.said(Kind::Release, by)?, sums.clone()))
    }

    /// How the round ended, if it did: with a release that says what was opened, or with an abort
    /// by the asker or a seat.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    fn find_ending(&self) -> Option<Ending> {
        if let Some((logged, _)) = self.released() {
            return Some(Ending::Released(logged.at.clone()));
        }
        let asker = &self.asked.as_ref()?.asker;
        let (_, logged) = self
            .all(Kind::Abort)
            .find(|(by, _)| *by == asker || self.plan.as_ref().is_some_and(|plan| plan.seat(by).is_some()))?;
        // What everybody can add up is an answer: whoever dislikes the sum cannot abort it away.
        if self.plan.as_ref().is_some_and(|plan| self.sums(plan, None).is_some()) {
            return None;
        }
        let Body::Abort { code, .. } = &logged.body else { return None };
        Some(Ending::Aborted(code.clone()))
    }

    /// A release, by somebody who may write one, that says something else than what was opened. It
    /// is judged once every open that it cites is here.
    pub fn false_release(&self) -> Option<Ref> {
        let plan = self.plan.as_ref()?;
        let held = |at: &Ref| self.all(Kind::Open).any(|(_, open)| open.at == *at);
        let releases = self.releases().map(|(_, logged)| logged);
        let right = self.released().map(|(logged, _)| &logged.at);
        let mut others = releases.filter(|logged| Some(&logged.at) != right);
        let wrong = others.find(|logged| {
            let Body::Release { opens, .. } = &logged.body else { return false };
            opens.iter().all(held)
                && self.sums(plan, None).is_some()
                && self.check_release(plan, logged).is_none()
        });
        wrong.map(|logged| logged.at.clone())
    }

    /// Releases by those who may write one: the asker, and once `close_by` has passed any roster
    /// member.
    pub(crate) fn releases(&self) -> impl Iterator<Item = (&MemberId, &Logged)> {
        let query = self.plan.as_ref().map(|plan| (&plan.query, &plan.members));
        let by_asker =
            query.and_then(|(query, _)| Some((&query.asker, self.said(Kind::Release, &query.asker)?)));
        let late = self.all(Kind::Release).filter(move |(by, logged)| {
            query.is_some_and(|(query, members)| {
                **by != query.asker && members.contains(by) && logged.time > query.close_by
            })
        });
        by_asker.into_iter().chain(late)
    }
}

/// The frozen set S.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frozen {
    /// Whose contributions count, sorted.
    pub members: Vec<MemberId>,
    /// The equal freezes, in committee order.
    pub freezes: Vec<Ref>,
    /// SHA-256 of the parts in committee order.
    pub verify_key: [u8; 32],
}

/// The accepted set A.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Whose contributions are added up, sorted.
    pub accepted: Vec<MemberId>,
    /// The equal closes, in committee order.
    pub closes: Vec<Ref>,
    /// Commitments to the aggregate shares, in committee order.
    pub commits: Vec<Digest>,
}

/// A commitment that cannot be guessed: `SHA-256("datacoop/<kind>/v1\n" || salt || value)`.
pub fn commitment(kind: &str, salt: &[u8; 32], value: &[u8]) -> Digest {
    sha256(&[format!("datacoop/{kind}/v1\n").as_bytes(), salt, value])
}

/// A noised vector's bytes as they are committed to.
pub fn vector_bytes(vector: &[i64]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}
