//! The committee: who holds its seats, by lot where all of them could be corrupt.
//!
//! Claim: from 24 members on nobody chooses the seats, neither who chooses the Roster nor who debits
//! last; a lot that is not drawn costs nobody anything. Source: ROUND section 2.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::ledger::Ledger;
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, Span, Time};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::entry::Body;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::{Ending, Kind, Plan, Round};
use datacoop_sim::audits::audit;

/// The least Roster whose seats are drawn by lot.
const MANY: usize = 24;
/// Who asks.
const ASKER: usize = MANY - 1;
/// A member that is neither asker nor meeting point.
const LAST: usize = 5;

impl Story {
    /// The only round, as a member holds it.
    fn round(&self, site: usize) -> Option<Arc<Round>> {
        self.world.member(site)?.fold().rounds().values().next().cloned()
    }

    fn plan(&self, site: usize) -> Option<Arc<Plan>> {
        self.round(site)?.plan().cloned()
    }

    /// Asks and runs on, a moment at a time, until something holds of the round; whether it did.
    fn run_until_holds(&mut self, wait: Span, holds: impl Fn(&Self, &Round) -> bool) -> bool {
        let until = self.world.now() + wait;
        while self.world.now() < until {
            self.world.run_until(self.world.now() + Span(1));
            if (0..MANY).find_map(|site| self.round(site)).is_some_and(|round| holds(self, &round)) {
                return true;
            }
        }
        false
    }

    fn input(&mut self, site: usize) {
        let query = self.query(Mode::Secure, LOSS, 5, PERIOD);
        self.world.input(site, Input::Ask { command: 77, query: Box::new(query) });
    }

    /// A co-operative of many that has just been asked.
    fn asked(seed: u8, away: Span) -> Self {
        let mut story = Self::new(MANY, seed);
        story.world.away = away;
        story.meet();
        story.input(ASKER);
        story
    }

    /// Which outputs of a member surround its writing an entry of this kind, in an undisturbed world:
    /// how many it had executed just before, and just after.
    fn outputs_at(seed: u8, site: usize, kind: Kind) -> (u64, u64) {
        let mut story = Self::asked(seed, Span(500));
        for _ in 0..60_000 {
            let before = story.world.executed(site);
            story.world.run_until(story.world.now() + Span(1));
            if story.round(site).is_some_and(|round| story.wrote(round.id, site, kind)) {
                return (before, story.world.executed(site));
            }
        }
        unreachable!("it never wrote a {kind:?}")
    }
}

/// The k members with the smallest SHA-256(seed, id), written a second time.
fn smallest(seed: Digest, members: &[MemberId], seats: usize) -> Vec<MemberId> {
    let mut ranked: Vec<_> =
        members.iter().map(|id| (sha256(&[&[&seed.0[..], id.as_str().as_bytes()].concat()]), id)).collect();
    ranked.sort();
    ranked[..seats].iter().map(|(_, id)| (*id).clone()).collect()
}

fn nonces(round: &Round, members: &[MemberId]) -> Vec<u8> {
    let opened = members.iter().map(|id| {
        let Body::Debit { nonce, .. } = &round.said(Kind::Debit, id).unwrap().body else { panic!("a debit") };
        *nonce
    });
    opened.flatten().collect()
}

#[test]
fn seats_of_many_are_drawn_from_all_opened_nonces_and_the_round_is_answered() {
    let mut story = Story::new(MANY, 41);
    story.meet();
    let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    let id = story.ask(ASKER, query).unwrap();
    assert!(story.finish(id, MANY) && story.released(id));
    assert_eq!(story.faults(), Vec::<String>::new());
    let (round, plan) = (story.round(0).unwrap(), story.plan(0).unwrap());
    assert_eq!((plan.members.len(), plan.committee.len(), plan.by_lot()), (MANY, 7, true));
    let opened = nonces(&round, &plan.members);
    assert_eq!(opened.len(), MANY * 32);
    assert_eq!(plan.committee, smallest(sha256(&[&opened]), &plan.members, 7));
    // A grinding asker chooses among roster hashes: the seats are not theirs.
    assert_ne!(plan.committee, smallest(plan.roster.leaf, &plan.members, 7));
    // A grinding last joiner chooses its nonce: any other would have named others, and it had
    // committed to this one before the asker chose the Roster.
    for member in 0..MANY {
        let mut other = opened.clone();
        other[32 * member] ^= 1;
        assert_ne!(plan.committee, smallest(sha256(&[&other]), &plan.members, 7), "member {member}");
        let at = |kind| round.said(kind, &plan.members[member]).unwrap();
        let Body::Accept { nonce_hash, .. } = &at(Kind::Verdict).body else { panic!("an accept") };
        assert_eq!(*nonce_hash, sha256(&[&opened[32 * member..][..32]]));
    }
    for site in 0..MANY {
        assert_eq!(story.plan(site).unwrap().committee, plan.committee, "site {site} draws the same");
        assert_eq!(story.spent(site), LOSS, "site {site}");
    }
    story.audits_clean(0);
}

/// Below 24 nothing waits: the seats follow from the Roster at once, as they cannot be all corrupt.
#[test]
fn seats_of_few_follow_from_the_roster_at_once() {
    let mut story = Story::new(MANY - 1, 42);
    story.meet();
    story.input(0);
    assert!(story.run_until_holds(Span(9_000), |story, _| story.plan(0).is_some()));
    let plan = story.plan(0).unwrap();
    assert!(!plan.by_lot() && plan.committee.len() > plan.terms.colluding as usize);
    assert_eq!(plan.committee, smallest(plan.roster.leaf, &plan.members, plan.committee.len()));
}

/// Nobody knows the seats, and nobody contributes, before the last debit stands: whatever a member
/// chooses to write before, it chooses blindly. And if that debit never comes, nobody pays.
#[test]
fn a_member_that_withholds_its_debit_ends_the_round_and_costs_nobody_anything() {
    let (before, _) = Story::outputs_at(43, LAST, Kind::Debit);
    let mut story = Story::asked(43, Span(10_000_000));
    story.world.crash_before(LAST, before);
    let lot_by = others_debited(&mut story);
    for site in others() {
        let (round, plan) = (story.round(site).unwrap(), story.plan(site).unwrap());
        assert!(plan.awaits_lot() && plan.committee.is_empty(), "site {site}");
        assert_eq!(round.all(Kind::Contribution).count(), 0, "site {site}");
        assert!(!round.lot_is_spoilt(&plan) && !story.wrote(round.id, site, Kind::Void), "site {site}");
    }
    story.world.run_until(lot_by);
    assert!(story.round(0).unwrap().ending().is_none(), "its own second still counts");
    story.world.run_until(lot_by + Span(5_000));
    ended_for_nothing(&story);
    assert!(story.round(0).unwrap().said(Kind::Debit, &story.founder(LAST).id).is_none());
}

/// A debit that opens another nonce than its verdict committed to can never be made good: the round
/// ends at once, and its author's log shows why.
#[test]
fn a_debit_with_a_wrong_nonce_ends_the_round_at_once() {
    let (before, _) = Story::outputs_at(44, LAST, Kind::Debit);
    let mut story = Story::asked(44, Span(10_000_000));
    story.world.crash_before(LAST, before);
    let lot_by = others_debited(&mut story);
    let (round, plan) = (story.round(0).unwrap(), story.plan(0).unwrap());
    let ledger = Ledger::default().plan(plan.query.account.clone(), plan.query.loss);
    let (query, roster) = (round.id, plan.roster.clone());
    story.forge(LAST, 0, Body::Debit { query, roster, nonce: [7; 32], debit: ledger });
    story.world.run_until(story.world.now() + Span(5_000));
    assert!(story.world.now() < lot_by, "nobody waits for a debit that stands and is wrong");
    let me = story.founder(LAST).id;
    for site in others() {
        let round = story.round(site).unwrap();
        assert!(round.lot_is_spoilt(&plan), "site {site}");
        assert_eq!((round.ending(), story.spent(site)), (Some(&Ending::Aborted("lot".into())), 0));
    }
    let reports = audit(story.world.member(0).unwrap().fold(), &|_| None);
    let failed: Vec<&MemberId> =
        reports.iter().filter(|report| !report.passed()).map(|report| &report.member).collect();
    assert_eq!(failed, [&me], "its author alone is to blame");
}

/// A debit that was written in time and arrives when others have given up draws the lot for whoever
/// looks, and brings nothing back: who voided does not contribute.
#[test]
fn a_debit_that_arrives_too_late_brings_no_round_back() {
    let (before, after) = Story::outputs_at(45, LAST, Kind::Debit);
    // The debit is among the last that it does in that moment.
    for output in (before + 1..=after).rev() {
        let mut story = Story::asked(45, Span(37_000));
        story.world.crash_before(LAST, output);
        let alone = story.run_until_holds(Span(4_000), |story, round| {
            round.all(Kind::Debit).count() == MANY - 1 && story.world.member(LAST).is_none()
        });
        story.world.run_until(story.world.now() + Span(1_500));
        if !alone || !story.plan(0).unwrap().awaits_lot() {
            continue; // It was sent before the crash.
        }
        let lot_by = story.plan(0).unwrap().lot_by();
        story.world.run_until(lot_by + Span(1_000));
        ended_for_nothing(&story);
        story.world.run_until(lot_by + Span(12_000));
        let (round, plan) = (story.round(0).unwrap(), story.plan(0).unwrap());
        if plan.awaits_lot() {
            continue; // It was not yet on the disk.
        }
        assert_eq!(round.all(Kind::Contribution).count(), 0, "output {output}");
        assert_eq!(story.spent(LAST), 0, "output {output}: its own returns as well");
        ended_for_nothing(&story);
        story.audits_clean(LAST);
        return;
    }
    panic!("in one world the debit was written and not sent before the crash");
}

/// Whoever reads one log in an old copy, from before its debit, cannot tell the seats: it convicts nobody.
#[test]
fn an_old_copy_of_one_log_convicts_nobody() {
    let mut story = Story::new(MANY, 46);
    story.meet();
    let id = story.ask(LAST, story.query(Mode::Secure, LOSS, 24, PERIOD)).expect("asked");
    assert!(story.finish(id, MANY) && story.released(id));
    let round = story.round(0).unwrap();
    for (old, logged) in round.all(Kind::Debit).take(3) {
        let fold = story.copies(0, |member| if member == old { logged.at.index } else { u64::MAX });
        assert!(fold.round(&id).unwrap().plan().unwrap().awaits_lot());
        for report in audit(&fold, &|_| None).iter().filter(|report| report.member != *old) {
            // Heads are not copied here, so signatures (A01) are not checked.
            let failed = report.checks.iter().find(|c| c.code != "A01" && c.outcome == Outcome::Fail);
            assert_eq!(failed, None, "{old}");
        }
    }
}

fn others() -> impl Iterator<Item = usize> {
    (0..MANY).filter(|site| *site != LAST)
}

/// Runs until every member but LAST debited, and LAST is gone without a debit; until when it may.
fn others_debited(story: &mut Story) -> Time {
    let all = |_: &Story, round: &Round| round.all(Kind::Debit).count() == MANY - 1;
    assert!(story.run_until_holds(Span(9_000), all), "the others debit");
    story.world.run_until(story.world.now() + Span(2_000));
    assert!(story.world.member(LAST).is_none());
    story.plan(0).unwrap().lot_by()
}

/// The round is over without a contribution, and nobody that is there has anything left spent.
fn ended_for_nothing(story: &Story) {
    for site in others() {
        let round = story.round(site).unwrap();
        assert_eq!(round.ending(), Some(&Ending::Aborted("lot".into())), "site {site}");
        assert_eq!(round.all(Kind::Contribution).count(), 0, "site {site}");
        assert!(story.wrote(round.id, site, Kind::Void), "site {site}");
        assert_eq!(story.spent(site), 0, "site {site}");
    }
    story.audits_clean(0);
}
