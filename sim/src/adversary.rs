//! Members that do not keep the rules: somebody has a member's keys, and its program does not run any more. What
//! it says is signed as it must be; what it says is not so.

use std::sync::Arc;

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::bounds::{FAULTS_MAX, FRAME_BYTES_MAX};
use datacoop_protocol::entry::{Body, Entry, QueryBody, Ref, SealedShare, Supersedes};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::cosignature::Cosignature;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint, split_note};
use datacoop_protocol::log::tree::{Tree, leaf_hash, sha256};
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::{Kind, Round};
use datacoop_protocol::wire::{Bytes, Cosigned, Request, Section, encode};
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

use crate::faults::Rogue;
use crate::laws::Told;
use crate::scenario::Ask;
use crate::workload::Cast;
use crate::world::{Power, World};

/// Questions in one flood.
const FLOOD: u32 = 20;
/// Fewest members that its questions ask for, and how many it then freezes: as few as may be at all.
const ROSTER_MIN: u32 = 6;
const FROZEN: usize = 5;
/// More than any version of the charter allows for one question.
const LOSS_TOO_LARGE: PrivacyLoss = PrivacyLoss::from_nano(49_000_000);
/// The parameter of the first question that breaks a rule: no other rogue asks with it.
const FIRST_BREACH: u32 = 80;
/// Bytes of garbage.
const GARBAGE_BYTES: usize = 300;

/// A second history that somebody showed: the log's name in frames, and its signed head.
#[derive(Clone)]
pub struct Shown {
    log: [u8; 32],
    head: Checkpoint,
    note: String,
}

/// Somebody who has a member's keys, and the log that they go on with.
pub struct Puppet {
    site: usize,
    keys: Keys,
    origin: String,
    entries: Vec<Arc<[u8]>>,
    tree: Tree,
    exchange: u64,
    /// What it asked and has not frozen a Roster of.
    asked: Vec<QueryId>,
    rng: ChaCha12Rng,
}

impl Puppet {
    /// Takes over a member: its program stops, and what others hold of its log is gone on with.
    pub fn new(world: &mut World, site: usize, rng: ChaCha12Rng) -> Option<Self> {
        let id = world.founder(site).id.clone();
        let log = holder(world, site).and_then(|fold| fold.log(&id))?;
        let (origin, entries, tree) = (log.origin.clone(), log.entries().to_vec(), log.tree().clone());
        let keys = world.founder(site).keys();
        world.switch_off(site);
        Some(Self { site, keys, origin, entries, tree, exchange: 1 << 40, asked: vec![], rng })
    }

    /// Does something; what it wrote into its log is given back.
    /// `shown` are second histories, its own and those of others that it acts with.
    pub fn act(
        &mut self,
        world: &mut World,
        rogue: Rogue,
        cast: &Cast,
        sent: &[Vec<u8>],
        shown: &mut Vec<Shown>,
    ) -> Vec<Told> {
        match rogue {
            Rogue::Withhold => vec![],
            Rogue::Replay => {
                sent.iter().for_each(|frame| self.send_all(world, frame.clone()));
                vec![]
            }
            Rogue::Garbage => {
                // Until nobody talks to it any more.
                for _ in 0..FAULTS_MAX {
                    let mut bytes = vec![0; GARBAGE_BYTES];
                    self.rng.fill_bytes(&mut bytes);
                    self.send_all(world, bytes);
                }
                // A frame that ends early.
                let whole = sent.last().cloned().unwrap_or_default();
                self.send_all(world, whole[..whole.len() / 2].to_vec());
                vec![]
            }
            Rogue::Oversize => {
                self.send_all(world, vec![1; FRAME_BYTES_MAX + 1]);
                vec![]
            }
            Rogue::TwoHistories => self.fork(world, shown),
            Rogue::LyingWitness => {
                self.lie(world, shown);
                vec![]
            }
            Rogue::ForgedAuthor => self.forge(world),
            Rogue::Flood => {
                let charter = charter_of(world);
                let asks: Vec<Body> = (0..FLOOD).filter_map(|n| self.ask(world, cast, n, charter?)).collect();
                asks.into_iter().flat_map(|body| self.say(world, body)).collect()
            }
            Rogue::StaleCharter => {
                let stale = world.founder(self.site).id.clone();
                let first = holder(world, self.site).and_then(|fold| Some(fold.charters().first()?.hash()));
                // One that never was, and the first, which another may have followed.
                let named = [Some(sha256(&[stale.as_str().as_bytes()])), first];
                let named = (77..).zip(named.into_iter().flatten());
                let asks: Vec<Body> =
                    named.filter_map(|(n, charter)| self.ask(world, cast, n, charter)).collect();
                asks.into_iter().flat_map(|body| self.say(world, body)).collect()
            }
            Rogue::Unlawful => {
                let asks = self.unlawful(world, cast);
                asks.into_iter().flat_map(|body| self.say(world, body)).collect()
            }
            Rogue::SecondRoster | Rogue::SmallRoster => self.freeze_roster(world, cast, rogue),
            Rogue::EarlyOpen | Rogue::FalseRelease | Rogue::TwoContributions => self.jump_ahead(world, rogue),
        }
    }

    fn ask(&self, world: &World, cast: &Cast, n: u32, charter: Digest) -> Option<Body> {
        let day = Span(86_400_000);
        let least = n % 100;
        let ask = Ask {
            at: Span(0),
            by: self.site,
            least,
            loss: 5_000_000,
            mode: Mode::Secure,
            join: day,
            contribute: day,
            close: day,
        };
        let mut query = cast.query(&ask, world.now(), charter);
        // More than it will freeze, where there are as many.
        query.min_roster = u32::try_from(cast.members).unwrap_or(u32::MAX).min(ROSTER_MIN);
        Some(Body::Query(Box::new(query)))
    }

    /// Questions that each break another rule, and one that was answered.
    fn unlawful(&self, world: &World, cast: &Cast) -> Vec<Body> {
        let Some(charter) = charter_of(world) else { return vec![] };
        let own = Ref { log: self.origin.as_str().into(), index: 0, leaf: leaf_hash(&self.entries[0]) };
        let asked = |n: u32, vary: &dyn Fn(&mut QueryBody)| {
            let mut body = self.ask(world, cast, n, charter)?;
            if let Body::Query(query) = &mut body {
                vary(query);
            }
            Some(body)
        };
        let none = Supersedes { query: Digest([8; 32]), because: "of nothing".to_owned() };
        let breaches: [&dyn Fn(&mut QueryBody); 8] = [
            &|query| query.purpose = "sale".to_owned(),
            &|query| std::mem::swap(&mut query.join_by, &mut query.contribute_by),
            &|query| query.loss = LOSS_TOO_LARGE,
            &|query| query.min_roster = 1,
            &|query| query.assumed.colluding_percent = 0,
            &|query| query.supersedes = Some(none.clone()),
            &|query| query.vocabulary = "unheard-of/1".to_owned(),
            // Its log's first entry gives nobody leave.
            &|query| query.delegation = Some(own.clone()),
        ];
        let answered = rounds_of(world, self.site).into_iter().rfind(|round| round.released().is_some());
        let again = answered.and_then(|round| round.asked().map(|asked| asked.body.params.clone()));
        let again = again.and_then(|params| asked(FIRST_BREACH, &|query| query.params.clone_from(&params)));
        (FIRST_BREACH..).zip(breaches).filter_map(|(n, vary)| asked(n, vary)).chain(again).collect()
    }

    /// A Roster for what it asked: the accepting verdicts but some, or too few. Asks first where it has not.
    fn freeze_roster(&mut self, world: &mut World, cast: &Cast, rogue: Rogue) -> Vec<Told> {
        let rounds: Vec<Arc<Round>> = rounds_of(world, self.site);
        let of_mine = |round: &&Arc<Round>| {
            round.asked().is_some_and(|asked| asked.asker == world.founder(self.site).id)
        };
        let accepts = |round: &Round| -> Vec<Ref> {
            let all = round.all(Kind::Verdict);
            all.filter(|(_, logged)| matches!(logged.body, Body::Accept { .. }))
                .map(|(_, logged)| logged.at.clone())
                .collect()
        };
        let open = |round: &&Arc<Round>| round.ending().is_none() && !accepts(round).is_empty();
        let Some(round) = rounds.iter().filter(of_mine).rfind(open) else {
            let charter = charter_of(world);
            let first = charter.and_then(|charter| self.ask(world, cast, 40, charter));
            return first.into_iter().flat_map(|body| self.say(world, body)).collect();
        };
        let (id, all) = (round.id, accepts(round));
        let few = all[..all.len().min(FROZEN)].to_vec();
        let less = all[1..].to_vec();
        let rosters = if rogue == Rogue::SmallRoster { vec![few] } else { vec![all, less] };
        let bodies = rosters.into_iter().map(|verdicts| Body::Roster { query: id, verdicts });
        bodies.collect::<Vec<_>>().into_iter().flat_map(|body| self.say(world, body)).collect()
    }

    /// Says in an open round what it may not say yet.
    fn jump_ahead(&mut self, world: &mut World, rogue: Rogue) -> Vec<Told> {
        let rounds = rounds_of(world, self.site);
        let Some(round) = rounds.iter().rfind(|round| round.ending().is_none()) else { return vec![] };
        let id = round.id;
        let me = world.founder(self.site).id.clone();
        let nothing = Digest([7; 32]);
        let body = if rogue == Rogue::EarlyOpen {
            Body::Open { query: id, closes: vec![], share: vec![1; 64], salt: [2; 32] }
        } else if rogue == Rogue::FalseRelease {
            Body::Release { query: id, opens: vec![], sums: vec![1, 2, 3, 4], figures: nothing }
        } else {
            let Some(debit) = round.said(Kind::Debit, &me).map(|debit| debit.at.clone()) else {
                return vec![];
            };
            let shares = vec![SealedShare { digest: nothing, blob: nothing }];
            Body::Contribution { query: id, debit, nonce: [3; 16], public_share: vec![4; 64], shares }
        };
        let again = body.clone();
        let mut said = self.say(world, body);
        said.extend(self.say(world, again));
        said
    }

    /// Goes on with its log, and pushes what it wrote to everybody who is on.
    fn say(&mut self, world: &mut World, body: Body) -> Vec<Told> {
        let seq = self.entries.len() as u64;
        let Some((told, section)) = self.section(world, seq, body) else { return vec![] };
        self.tree.push(told.leaf);
        self.entries.push(told.bytes.clone().into());
        if let Body::Query(_) = &told.entry.body {
            self.asked.push(told.leaf);
        }
        self.send_all(world, encode(&Request::Push { sections: vec![section] }));
        vec![told]
    }

    /// An entry at this place, with the section that brings it: all entries before it are as they were.
    fn section(&self, world: &World, seq: u64, body: Body) -> Option<(Told, Section)> {
        let by = world.founder(self.site).id.clone();
        let entry = Entry { at: Time::from_seconds(world.now().seconds()), by, seq, body };
        let bytes = entry.to_bytes();
        let kept = usize::try_from(seq).ok()?;
        let mut tree = Tree::default();
        self.entries[..kept].iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let leaf = leaf_hash(&bytes);
        tree.push(leaf);
        let head = Checkpoint { origin: self.origin.clone(), size: seq + 1, root: tree.root() };
        let note = sign_checkpoint(&head, self.keys.log());
        let log = sha256(&[self.origin.as_bytes()]).0;
        let before = self.entries[..kept].iter().map(|entry| Bytes(entry.to_vec()));
        let entries = before.chain([Bytes(bytes.clone())]).collect();
        Some((Told { entry, leaf, bytes }, Section { log, from: 0, entries, note, proof: vec![] }))
    }

    /// Another last entry than the one that others hold, shown to half of them, and then gone on with.
    fn fork(&mut self, world: &mut World, shown: &mut Vec<Shown>) -> Vec<Told> {
        let Some(last) = (self.entries.len() as u64).checked_sub(1).filter(|last| *last > 1) else {
            return vec![];
        };
        let hash = Digest([1; 32]);
        let body = Body::Charter { version: 9, hash, note: hash, from: world.now() };
        let Some((told, section)) = self.section(world, last, body) else { return vec![] };
        if let Some(head) = split_note(&section.note).ok().and_then(|(text, _)| Checkpoint::parse(text).ok())
        {
            shown.push(Shown { log: section.log, head, note: section.note.clone() });
        }
        let frame = encode(&Request::Push { sections: vec![section] });
        for to in targets(world, self.site).into_iter().step_by(2) {
            self.send(world, to, frame.clone());
        }
        vec![told]
    }

    /// Cosigns every second history, without having looked, and a head of another's log that its owner never signed.
    fn lie(&mut self, world: &mut World, shown: &[Shown]) {
        let victim = targets(world, self.site).into_iter().next().unwrap_or(0);
        let id = world.founder(victim).id.clone();
        let made_up = holder(world, victim).and_then(|fold| fold.log(&id)).map(|log| {
            let head = Checkpoint { origin: log.origin.clone(), size: log.size() + 5, root: Digest([9; 32]) };
            Shown { log: log.head(), note: sign_checkpoint(&head, self.keys.log()), head }
        });
        let witness = sha256(&[self.origin.as_bytes()]).0;
        let time = world.now().seconds();
        let word = |shown: &Shown| {
            let signature = Cosignature::sign(&shown.head, time, self.keys.witness()).signature;
            let (log, size, note) = (shown.log, shown.head.size, shown.note.clone());
            Cosigned { log, witness, size, note, time, signature: Bytes(signature.to_vec()) }
        };
        // One that does not hold hides what comes after it: it comes last.
        let cosigned: Vec<Cosigned> = shown.iter().chain(&made_up).map(word).collect();
        self.send_all(world, encode(&Request::Cosign { cosigned }));
    }

    /// An entry in another's log, signed with its own key.
    fn forge(&mut self, world: &mut World) -> Vec<Told> {
        let victim = targets(world, self.site).into_iter().next().unwrap_or(0);
        let id = world.founder(victim).id.clone();
        let Some(log) = holder(world, victim).and_then(|fold| fold.log(&id)) else { return vec![] };
        let (origin, seq, head, mut tree) = (log.origin.clone(), log.size(), log.head(), log.tree().clone());
        let hash = Digest([5; 32]);
        let body = Body::Charter { version: 9, hash, note: hash, from: world.now() };
        let bytes = Entry { at: world.now(), by: id, seq, body }.to_bytes();
        tree.push(leaf_hash(&bytes));
        let note = sign_checkpoint(&Checkpoint { origin, size: seq + 1, root: tree.root() }, self.keys.log());
        let section = Section { log: head, from: seq, entries: vec![Bytes(bytes)], note, proof: vec![] };
        self.send_all(world, encode(&Request::Push { sections: vec![section] }));
        vec![]
    }

    fn send_all(&mut self, world: &mut World, frame: Vec<u8>) {
        for to in targets(world, self.site) {
            self.send(world, to, frame.clone());
        }
    }

    fn send(&mut self, world: &mut World, to: usize, bytes: Vec<u8>) {
        self.exchange += 1;
        let from = world.founder(self.site).id.clone();
        world.input(to, Input::Request { from, exchange: self.exchange, bytes });
    }
}

/// Who is on and can be spoken to.
fn targets(world: &World, but: usize) -> Vec<usize> {
    let on = |site: &usize| *site != but && world.power(*site) == Power::On && world.member(*site).is_some();
    (0..world.members()).filter(on).collect()
}

/// What somebody who is on holds of all logs: the member itself first.
fn holder(world: &World, site: usize) -> Option<&Fold> {
    let all = std::iter::once(site).chain(targets(world, site));
    all.filter_map(|site| world.member(site)).next().map(|member| member.fold())
}

fn rounds_of(world: &World, site: usize) -> Vec<Arc<Round>> {
    holder(world, site).map(|fold| fold.rounds().values().cloned().collect()).unwrap_or_default()
}

fn charter_of(world: &World) -> Option<Digest> {
    let first = (0..world.members()).find_map(|site| world.member(site))?;
    Some(first.fold().charter_at(first.me(), world.now()).hash())
}
