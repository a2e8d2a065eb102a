//! Whoever would choose the seats of many: an asker by its Roster, the last joiner by its nonce, the last
//! to debit by what it opens.
//!
//! Claim: from 24 members on, each of them, with f members on its side and many tries at each thing it
//! says, gets no more seats than the lot gives anybody. Measured on the production fold over many lots;
//! each reads the seats off the fold where it can, so it gains as soon as something gives them away.
//! Source: ROUND section 2 "Committee", section 9 test 6.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::ledger::Ledger;
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, QueryId, Time};
use datacoop_protocol::entry::{Body, Entry, Ref};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::{Plan, Round};

/// The least Roster whose seats are drawn by lot.
const ROSTER: usize = 24;
/// Who would join: the asker has 276 Rosters to choose from.
const JOINERS: usize = 26;
/// Lots that each plays for.
const GAMES: u32 = 150;
/// What it tries before it says something.
const TRIES: u32 = 16;
/// The asker, on the corrupt side.
const ASKER: usize = 0;
/// Members on the corrupt side: f of 24, those with the first names.
const CORRUPT: usize = 7;
/// The last joiner, and the last to debit, on the corrupt side.
const LAST: usize = CORRUPT - 1;

type Nonce = [u8; 32];

/// One co-operative's logs, as all of them hold them.
#[derive(Clone)]
struct Table {
    members: Arc<Vec<MemberId>>,
    fold: Fold,
    at: Time,
    query: QueryId,
    accepts: Vec<Ref>,
}

impl Table {
    /// The asker has asked, and nobody has answered.
    fn new(story: &Story) -> Self {
        let members = (0..JOINERS).map(|n| story.founder(n).id).collect();
        let charter = story.world.member(ASKER).unwrap().fold().charter().clone();
        let fold = Fold::new(charter, story.vocabularies());
        let (at, query) = (story.world.now(), QueryId::default());
        let mut table = Self { members: Arc::new(members), fold, at, query, accepts: vec![] };
        let body = story.query(Mode::Secure, LOSS, 5, PERIOD);
        table.query = table.write(ASKER, Body::Query(Box::new(body))).leaf;
        table
    }

    fn write(&mut self, by: usize, body: Body) -> Ref {
        let by = self.members[by].clone();
        let seq = self.fold.log(&by).unwrap().size();
        let entry = Entry { at: self.at, by: by.clone(), seq, body };
        self.fold.append(&by, Arc::from(entry.to_bytes())).unwrap()
    }

    /// A verdict that commits to a nonce.
    fn accept(&mut self, by: usize, nonce: Nonce) {
        let (query, nonce_hash) = (self.query, sha256(&[&nonce]));
        let body = Body::Accept { query, nonce_hash, vk_hash: sha256(&[]), round_key: vec![7; 32] };
        let at = self.write(by, body);
        self.accepts.push(at);
    }

    /// The Roster of all that accepted but these.
    fn roster(&mut self, without: &[usize]) {
        let named = (0..self.accepts.len()).filter(|n| !without.contains(n));
        let verdicts = named.map(|n| self.accepts[n].clone()).collect();
        self.write(ASKER, Body::Roster { query: self.query, verdicts });
    }

    fn debit(&mut self, by: usize, nonce: Nonce) {
        let plan = self.plan().clone();
        let debit = Ledger::default().plan(plan.query.account.clone(), plan.query.loss);
        self.write(by, Body::Debit { query: self.query, roster: plan.roster.clone(), nonce, debit });
    }

    fn round(&self) -> &Arc<Round> {
        self.fold.round(&self.query).unwrap()
    }

    fn plan(&self) -> &Arc<Plan> {
        self.round().plan().expect("a lawful Roster")
    }

    /// Seats of the corrupt side, as a seed would give them out.
    fn guess(&self, seed: &[&[u8]]) -> usize {
        let seed = sha256(seed);
        let rank = |n: &usize| sha256(&[&seed.0, self.members[*n].as_str().as_bytes()]);
        let mut drawn: Vec<usize> =
            (0..JOINERS).filter(|n| self.plan().members.contains(&self.members[*n])).collect();
        drawn.sort_by_key(rank);
        drawn[..self.plan().terms.committee as usize].iter().filter(|n| **n < CORRUPT).count()
    }

    /// Seats of the corrupt side, if they are given out.
    fn seats(&self) -> Option<usize> {
        let corrupt = &self.members[..CORRUPT];
        let seats = self.plan().committee.iter();
        (!self.plan().awaits_lot()).then(|| seats.filter(|id| corrupt.contains(id)).count())
    }

    /// What a corrupt member makes of the moment: the seats where it can read them, else what they would
    /// be if the nonces that nobody opened were something that it knows.
    fn outlook(&self, known: &[u8]) -> usize {
        self.seats().unwrap_or_else(|| self.guess(&[known]))
    }
}

/// A member's nonce in a game. Honest ones come from a draw that no player looks at.
fn nonce(game: u32, member: usize, draw: u32) -> Nonce {
    sha256(&[b"nonce", &game.to_le_bytes(), &member.to_le_bytes(), &draw.to_le_bytes()]).0
}

fn hypergeometric_mean_variance(members: f64, corrupt: f64, seats: f64) -> (f64, f64) {
    let share = corrupt / members;
    let mean = seats * share;
    (mean, mean * (1.0 - share) * (members - seats) / (members - 1.0))
}

/// The corrupt side's mean number of seats over the games is what a fair lot gives it, within 4.5
/// standard errors: a fair lot goes beyond that less than once in 100,000 runs.
fn is_fair(seats: &[usize], table: &Table) {
    let terms = &table.plan().terms;
    assert_eq!((terms.n as usize, terms.colluding as usize, table.plan().by_lot()), (ROSTER, CORRUPT, true));
    let [members, corrupt, drawn] = [terms.n, terms.colluding, terms.committee].map(f64::from);
    let (mean, variance) = hypergeometric_mean_variance(members, corrupt, drawn);
    let games = f64::from(GAMES);
    let won = seats.iter().map(|n| f64::from(u32::try_from(*n).unwrap())).sum::<f64>() / games;
    let error = (variance / games).sqrt();
    println!("{won:.3} seats a game; a fair lot gives {mean:.3} +- {:.3}", 4.5 * error);
    assert!((won - mean).abs() < 4.5 * error, "{won:.3} seats a game, where a fair lot gives {mean:.3}");
}

fn story() -> Story {
    let mut story = Story::new(JOINERS, 71);
    story.meet();
    story
}

/// The asker knows who accepted, chooses two of the honest ones to leave out, and so the Roster's hash.
#[test]
fn an_asker_that_chooses_among_rosters_gains_no_seat() {
    let (start, mut won) = (Table::new(&story()), vec![]);
    let mut last = start.clone();
    for game in 0..GAMES {
        let mut table = start.clone();
        (0..JOINERS).for_each(|member| table.accept(member, nonce(game, member, 0)));
        let rosters = (0..TRIES).map(|draw| {
            let choice = nonce(game, JOINERS, draw);
            let first = CORRUPT + usize::from(choice[0]) % (JOINERS - CORRUPT);
            let second = CORRUPT + usize::from(choice[1]) % (JOINERS - CORRUPT);
            let second =
                if first == second { CORRUPT + (first + 1 - CORRUPT) % (JOINERS - CORRUPT) } else { second };
            let mut tried = table.clone();
            tried.roster(&[first, second]);
            let leaf = tried.plan().roster.leaf;
            (tried.outlook(&leaf.0), tried, [first, second])
        });
        let (_, mut table, without) = rosters.max_by_key(|(outlook, ..)| *outlook).unwrap();
        for member in (0..JOINERS).filter(|member| !without.contains(member)) {
            table.debit(member, nonce(game, member, 0));
        }
        won.push(table.seats().expect("all debited"));
        last = table;
    }
    is_fair(&won, &last);
}

/// The last joiner has read what everybody else committed to, and chooses its own nonce.
#[test]
fn a_last_joiner_that_chooses_its_nonce_gains_no_seat() {
    let (start, mut won) = (Table::new(&story()), vec![]);
    let mut last = start.clone();
    let others = || (0..ROSTER).filter(|member| *member != LAST);
    for game in 0..GAMES {
        let mut table = start.clone();
        let tries = (0..TRIES).map(|draw| {
            // In the order of names, as a Roster has them.
            let mut tried = table.clone();
            (0..ROSTER).for_each(|member| {
                let draw = if member == LAST { draw } else { 0 };
                tried.accept(member, nonce(game, member, draw));
            });
            tried.roster(&[]);
            let hashes = tried.plan().parts.values().flat_map(|part| part.nonce_hash.0).collect::<Vec<u8>>();
            (tried.outlook(&hashes), tried, draw)
        });
        let (_, chosen, draw) = tries.max_by_key(|(outlook, ..)| *outlook).unwrap();
        table = chosen;
        others().for_each(|member| table.debit(member, nonce(game, member, 0)));
        table.debit(LAST, nonce(game, LAST, draw));
        won.push(table.seats().expect("all debited"));
        last = table;
    }
    is_fair(&won, &last);
}

/// Who debits last has read every other nonce, and opens whichever it likes: any but its own spoils the
/// lot, by its name.
#[test]
fn the_last_to_debit_that_opens_another_nonce_gets_no_seat() {
    let (start, mut won) = (Table::new(&story()), vec![]);
    let mut last = start.clone();
    for game in 0..GAMES {
        let mut table = start.clone();
        (0..ROSTER).for_each(|member| table.accept(member, nonce(game, member, 0)));
        table.roster(&[]);
        (0..ROSTER)
            .filter(|member| *member != LAST)
            .for_each(|member| table.debit(member, nonce(game, member, 0)));
        assert_eq!(table.seats(), None, "nobody knows the seats before the last nonce is open");
        let tries = (0..TRIES).map(|draw| {
            let mut tried = table.clone();
            tried.debit(LAST, nonce(game, LAST, draw));
            let spoilt = tried.round().lot_is_spoilt(tried.plan());
            assert_eq!(spoilt, draw > 0, "game {game}: draw {draw} is not what it promised");
            (tried.seats(), tried)
        });
        let (seats, tried) = tries.max_by_key(|(seats, _)| *seats).unwrap();
        won.push(seats.expect("its own nonce draws the lot"));
        last = tried;
    }
    is_fair(&won, &last);
}
