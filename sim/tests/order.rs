//! What must come before what in a round, and what one changed entry makes of it. Each test here is the one
//! that a fault in `tests/privacy/sabotage.toml` must turn red.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::ledger::Debit;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Digest, MemberId, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Body, Entry, LAST, Ref};
use datacoop_protocol::fold::{Fold, question_value};
use datacoop_protocol::member::port::Output;
use datacoop_protocol::member::work::Work;
use datacoop_protocol::release::{Sums, figures, figures_digest};
use datacoop_protocol::rounds::{Kind, Logged, Round};
use datacoop_protocol::standing::{Judged, Standing};
use datacoop_protocol::wire::Record;
use datacoop_sim::world::{Disk, Kept, Store};

/// Another period of the same question.
const EARLIER: &str = "2025-09-01..2025-10-24";

/// What passed a member's disk, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Stored(Kind, QueryId),
    Signed,
    Drawn(QueryId),
}

#[derive(Default)]
struct Watched {
    seen: Vec<(Time, Seen)>,
    /// The noise in each contribution.
    noise: Vec<Vec<i64>>,
}

/// A disk that remembers what passed it.
struct Watch {
    disk: Disk,
    to: Rc<RefCell<Watched>>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn kind_of(entry: &[u8]) -> Option<(Kind, QueryId)> {
    let body = Entry::parse(entry).ok()?.body;
    let kind = match &body {
        Body::Accept { .. } => Kind::Verdict,
        Body::Debit { .. } => Kind::Debit,
        Body::Contribution { .. } => Kind::Contribution,
        _ => return None,
    };
    Some((kind, body.query()?))
}

impl Store for Watch {
    fn open(&mut self) -> Result<Kept, String> {
        self.disk.open()
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.disk.started(named)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few outputs out of many")]
    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        let mut to = self.to.borrow_mut();
        let seen = match &output {
            Output::Store(Record::Entry(entry)) => kind_of(&entry.0).map(|(kind, id)| Seen::Stored(kind, id)),
            Output::Sign { .. } => Some(Seen::Signed),
            Output::Draw { query, .. } => Some(Seen::Drawn(*query)),
            _ => None,
        };
        to.seen.extend(seen.map(|seen| (now, seen)));
        if let Output::Compute(Work::Prove(job)) = &output {
            to.noise.push(job.noise.0.to_vec());
        }
        self.disk.take(now, output)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        self.disk.settle(now)
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.disk.blob(hash)
    }
}

/// Five members whose disks are watched.
fn watched(seed: u8, grid: Span) -> (Story, Vec<Rc<RefCell<Watched>>>) {
    let mut story = Story::new(5, seed);
    story.world.answer_grid = grid;
    let watches: Vec<_> = (0..5).map(|_| Rc::new(RefCell::new(Watched::default()))).collect();
    for (site, to) in watches.iter().enumerate() {
        story.world.set_store(site, Box::new(Watch { disk: Disk::default(), to: to.clone() }));
    }
    story.meet();
    (story, watches)
}

fn finished(story: &mut Story, period: &str) -> QueryId {
    let id = story.ask(4, story.query(Mode::Secure, LOSS, 5, period)).unwrap();
    assert!(story.finish(id, 5));
    assert!(story.released(id));
    id
}

#[test]
fn nothing_is_drawn_before_the_debit_is_on_disk() {
    let (mut story, watches) = watched(41, Span(0));
    let id = finished(&mut story, PERIOD);
    for watch in watches {
        let seen: Vec<Seen> = watch.borrow().seen.iter().map(|(_, seen)| *seen).collect();
        let at = |what: Seen| seen.iter().position(|seen| *seen == what).unwrap();
        let (debit, drawn) = (at(Seen::Stored(Kind::Debit, id)), at(Seen::Drawn(id)));
        assert!(debit < drawn, "stored first: {seen:?}");
        assert!(seen[debit..drawn].contains(&Seen::Signed), "and under a signed head: {seen:?}");
        assert_eq!(seen.iter().filter(|seen| **seen == Seen::Drawn(id)).count(), 1, "{seen:?}");
        assert!(drawn < at(Seen::Stored(Kind::Contribution, id)), "{seen:?}");
    }
}

#[test]
fn a_second_round_draws_noise_of_its_own() {
    let (mut story, watches) = watched(42, Span(0));
    finished(&mut story, PERIOD);
    finished(&mut story, EARLIER);
    let noise: Vec<Vec<i64>> = watches.iter().flat_map(|watch| watch.borrow().noise.clone()).collect();
    assert_eq!(noise.len(), 10);
    let distinct: BTreeSet<&Vec<i64>> = noise.iter().collect();
    // Two draws of scale 5 fall together about once in 300 times.
    assert!(distinct.len() >= 8, "{noise:?}");
    assert!(watches.iter().all(|watch| watch.borrow().noise[0] != watch.borrow().noise[1]), "{noise:?}");
}

#[test]
fn an_answer_leaves_on_the_grid() {
    let grid = 997;
    let (mut story, watches) = watched(43, Span(grid));
    let id = finished(&mut story, PERIOD);
    for watch in watches {
        let watch = watch.borrow();
        let at = |kind| {
            let mut found = watch.seen.iter().filter(|(_, seen)| *seen == Seen::Stored(kind, id));
            found.next().unwrap().0
        };
        // A verdict is written in the moment a Query arrives.
        let waited = (at(Kind::Contribution) - at(Kind::Verdict)).0;
        assert!(waited >= grid && waited % grid <= 1, "{waited} ms on a grid of {grid}");
    }
}

/// A mean of something from -1 to 1: the vector carries an offset, and the sums do not.
#[test]
fn signed_sums_come_out_where_they_are() {
    let text = r#"
        id = "balance"
        version = 1
        title = "How many more?"
        vocabulary = "exam/1"
        figure = { kind = "mean", of = "s", count = "n" }
        loss = 5_000_000
        matters = "0.1"
        measure = [
          { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
          { name = "s", sql = "CASE WHEN sex = 'F' THEN 1 ELSE -1 END", clamp = [-1, 1], resolution = 1 },
        ]"#;
    let mut story = Story::new(5, 44);
    story.meet();
    let mut query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    query.question = question_value(&QuestionDraft::from_toml(text).unwrap()).unwrap();
    let id = story.ask(4, query).unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    let round = round(&story, id);
    let plan = round.plan().unwrap();
    assert!(plan.offset(&plan.members[0], 1) > 0, "the second cell is signed");
    // Delta^2 = 2: sigma_i sqrt(5) is 15.9; nine of those never happen, and one offset is 200.
    for (got, want) in story.sums(id).into_iter().zip([100 * 5 + 15, 50 * 5]) {
        assert!((got - want).abs() < 9 * 16, "{got} is not near {want}");
    }
}

fn round(story: &Story, id: QueryId) -> Round {
    Round::clone(story.world.member(0).unwrap().fold().round(&id).unwrap())
}

fn logged(round: &Round, kind: Kind, by: &MemberId) -> Logged {
    round.said(kind, by).unwrap().clone()
}

fn void_of(round: &Round, by: &MemberId) -> Logged {
    let debit = logged(round, Kind::Debit, by);
    let at = Ref { index: debit.at.index + 1, ..debit.at.clone() };
    let body = Body::Void { query: round.id, debit: debit.at, code: "veto".into() };
    Logged { at, time: debit.time, body }
}

#[test]
fn a_void_returns_a_debit_once_and_only_if_nothing_was_contributed() {
    let mut story = Story::new(5, 45);
    story.meet();
    let first = finished(&mut story, PERIOD);
    let second = finished(&mut story, EARLIER);
    let (first, second) = (round(&story, first), round(&story, second));
    let (fold, me) = (story.world.member(0).unwrap().fold(), story.founder(0).id);
    let spent =
        |standing: &Standing| -> u64 { standing.ledger().accounts().map(|(_, spent)| spent.nano()).sum() };
    let mut standing = Standing::default();
    for round in [&first, &second] {
        assert_eq!(standing.apply(fold, &logged(round, Kind::Debit, &me)), Ok(()));
    }
    assert_eq!(spent(&standing), 2 * LOSS);
    assert!(standing.holds_unused_debit(&first.id) && standing.holds_unused_debit(&second.id));

    assert_eq!(standing.apply(fold, &void_of(&second, &me)), Ok(()));
    assert_eq!(spent(&standing), LOSS);
    assert!(!standing.holds_unused_debit(&second.id));
    assert!(standing.apply(fold, &void_of(&second, &me)).is_err(), "a second void");
    assert_eq!(spent(&standing), LOSS, "a second void returns nothing");
    assert!(standing.apply(fold, &logged(&second, Kind::Contribution, &me)).is_err(), "after its void");

    assert_eq!(standing.apply(fold, &logged(&first, Kind::Contribution, &me)), Ok(()));
    assert!(!standing.holds_unused_debit(&first.id));
    assert!(standing.apply(fold, &logged(&first, Kind::Contribution, &me)).is_err(), "a second contribution");
    assert!(standing.apply(fold, &void_of(&first, &me)).is_err(), "what was contributed under is spent");
    assert_eq!(spent(&standing), LOSS);

    assert!(standing.apply(fold, &logged(&first, Kind::Debit, &me)).is_err(), "a second debit");
    let mut nothing = Standing::default();
    assert!(nothing.apply(fold, &logged(&first, Kind::Contribution, &me)).is_err(), "without a debit");
    assert!(nothing.apply(fold, &void_of(&first, &me)).is_err(), "of no debit");
}

/// The first member's logs again, with one entry of `by` changed and what follows it in that log left out.
fn changed(story: &Story, by: &MemberId, at: &Ref, change: impl Fn(&mut Body)) -> Fold {
    let fold = story.world.member(0).unwrap().fold();
    let vocabularies: BTreeMap<_, _> = story.vocabularies();
    let mut other = Fold::new(fold.charter().clone(), vocabularies);
    for log in fold.logs() {
        for (index, bytes) in log.entries().iter().enumerate() {
            if log.member != *by || (index as u64) < at.index {
                other.append(&log.member, bytes.clone());
            } else if index as u64 == at.index {
                let mut entry = Entry::parse(bytes).unwrap();
                change(&mut entry.body);
                other.append(&log.member, Arc::from(entry.to_bytes()));
            }
        }
    }
    other
}

#[test]
fn a_debit_of_less_than_the_query_costs_is_none() {
    let mut story = Story::new(5, 46);
    story.meet();
    let id = finished(&mut story, PERIOD);
    let (round, me) = (round(&story, id), story.founder(2).id);
    let at = logged(&round, Kind::Debit, &me).at;
    let counts = |change: &dyn Fn(&mut Body)| {
        let fold = changed(&story, &me, &at, change);
        let round = fold.round(&id).unwrap();
        round.debit(round.plan().unwrap(), &me).is_some()
    };
    assert!(counts(&|_| ()), "unchanged it counts");
    assert!(!counts(&|body| {
        let Body::Debit { debit, .. } = body else { panic!("a debit") };
        debit.loss = PrivacyLoss::from_nano(1);
    }));
    assert!(!counts(&|body| {
        let Body::Debit { debit, .. } = body else { panic!("a debit") };
        debit.account.dataset = "elsewhere".into();
    }));
    assert!(!counts(&|body| {
        let Body::Debit { nonce, .. } = body else { panic!("a debit") };
        nonce[0] ^= 1;
    }));
    assert!(!counts(&|body| {
        let Body::Debit { roster, .. } = body else { panic!("a debit") };
        roster.index += 1;
    }));
}

#[test]
fn a_changed_entry_of_a_finished_round_makes_it_none() {
    let mut story = Story::new(5, 47);
    story.meet();
    let id = finished(&mut story, PERIOD);
    let round = round(&story, id);
    let plan = round.plan().unwrap();
    let last = plan.committee.last().unwrap().clone();
    let with = |by: &MemberId, kind, change: &dyn Fn(&mut Body)| {
        let fold = changed(&story, by, &logged(&round, kind, by).at, change);
        Round::clone(fold.round(&id).unwrap())
    };
    let frozen = |change: &dyn Fn(&mut Body)| with(&last, Kind::Freeze, change).frozen(plan).is_some();
    assert!(frozen(&|_| ()));
    assert!(!frozen(&|body| {
        let Body::Freeze { contributions, .. } = body else { panic!("a freeze") };
        contributions.pop();
    }));
    assert!(!frozen(&|body| {
        let Body::Freeze { vk_part: Some(part), .. } = body else { panic!("a freeze") };
        part[0] ^= 1;
    }));

    let sums = |change: &dyn Fn(&mut Body)| with(&last, Kind::Open, change).sums(plan, None);
    assert!(sums(&|_| ()).is_some());
    assert_eq!(
        sums(&|body| {
            let Body::Open { share, .. } = body else { panic!("an open") };
            share[0] ^= 1;
        }),
        None
    );
    assert_eq!(
        sums(&|body| {
            let Body::Open { closes, .. } = body else { panic!("an open") };
            closes.swap(0, 1);
        }),
        None
    );

    let asker = plan.query.asker.clone();
    let released = |change: &dyn Fn(&mut Body)| with(&asker, Kind::Release, change).released().is_some();
    assert!(released(&|_| ()));
    assert!(!released(&|body| {
        let Body::Release { sums, .. } = body else { panic!("a release") };
        sums[0] += 1;
    }));
    assert!(!released(&|body| {
        let Body::Release { figures, .. } = body else { panic!("a release") };
        figures.0[0] ^= 1;
    }));
    let wrong = with(&asker, Kind::Release, &|body| {
        let Body::Release { sums, .. } = body else { panic!("a release") };
        sums[0] += 1;
    });
    assert!(wrong.false_release().is_some() && wrong.ending().is_none());
    assert!(round.false_release().is_none());
}

#[test]
fn a_set_of_too_few_is_none() {
    let mut story = Story::new(5, 48);
    story.meet();
    let id = finished(&mut story, PERIOD);
    let round = round(&story, id);
    let plan = round.plan().unwrap();
    let all: Vec<Ref> =
        plan.members.iter().map(|member| logged(&round, Kind::Contribution, member).at).collect();
    assert_eq!(round.lawful_set(plan, &all).as_ref(), Some(&plan.members));
    assert_eq!(round.lawful_set(plan, &all[1..]), None, "d = 0 below twelve members");
    let mut twice = all.clone();
    twice[1] = twice[0].clone();
    assert_eq!(round.lawful_set(plan, &twice), None, "one twice");
    let mut swapped = all.clone();
    swapped.swap(0, 1);
    assert_eq!(round.lawful_set(plan, &swapped), None, "out of order");
}

/// The first member's logs again, each up to its first entry that `keep` does not want.
fn up_to(story: &Story, keep: impl Fn(&Body) -> bool) -> Fold {
    let fold = story.world.member(0).unwrap().fold();
    let mut other = Fold::new(fold.charter().clone(), story.vocabularies());
    for log in fold.logs() {
        let kept = log.entries().iter().take_while(|bytes| keep(&Entry::parse(bytes).unwrap().body));
        for bytes in kept {
            other.append(&log.member, bytes.clone());
        }
    }
    other
}

/// What was promised and may still be debited counts as spent, for its account and its purpose.
#[test]
fn a_promise_counts_until_it_is_debited_ended_or_lapsed() {
    let mut story = Story::new(5, 49);
    story.meet();
    let id = finished(&mut story, PERIOD);
    let ended = story.world.member(0).unwrap().fold();
    let asked = |body: &Body| {
        matches!(body, Body::Genesis { .. } | Body::Charter { .. } | Body::Query(_) | Body::Accept { .. })
    };
    let promised = up_to(&story, asked);
    let rostered = up_to(&story, |body| asked(body) || matches!(body, Body::Roster { .. }));
    assert!(rostered.round(&id).unwrap().plan().is_some() && promised.round(&id).unwrap().plan().is_none());

    let (round, me) = (round(&story, id), story.founder(0).id);
    let mut standing = Standing::default();
    assert_eq!(standing.apply(&promised, &logged(&round, Kind::Verdict, &me)), Ok(()));
    let own = Query::clone(round.query().unwrap());
    let other = Query { id: Digest([9; 32]), ..own.clone() };
    let full = Limits::floor().rho_year.nano();
    let room = |standing: &Standing, fold: &Fold, me: &MemberId, query: &Query, now: Time| {
        let room = standing.room(fold, me, query, &Limits::floor(), now);
        (room.year.nano(), room.purpose.nano(), room.promised.nano())
    };
    let (held, free) = ((full - LOSS, full - LOSS, LOSS), (full, full, 0));
    let at = own.at;
    assert_eq!(room(&standing, &promised, &me, &other, at), held);
    assert_eq!(room(&standing, &promised, &me, &own, at), free, "its own promise aside");
    let mut elsewhere = other.clone();
    elsewhere.account.dataset = "elsewhere".into();
    assert_eq!(room(&standing, &promised, &me, &elsewhere, at), free, "another account");
    let purpose = Query { purpose: "another".into(), ..other.clone() };
    assert_eq!(room(&standing, &promised, &me, &purpose, at), (full - LOSS, full, LOSS), "another purpose");
    assert_eq!(room(&standing, &promised, &me, &other, own.contribute_by), held);
    assert_eq!(room(&standing, &promised, &me, &other, own.contribute_by + Span(1)), free, "it lapsed");
    assert_eq!(room(&standing, &rostered, &me, &other, at), held, "its Roster has us");
    let stranger: MemberId = "GB-EDU-999999".parse().unwrap();
    assert_eq!(room(&standing, &rostered, &stranger, &other, at), free, "its Roster has us not");
    assert_eq!(room(&standing, ended, &me, &other, at), free, "it ended");

    assert_eq!(standing.apply(&promised, &logged(&round, Kind::Debit, &me)), Ok(()));
    let spent = (full - LOSS, full - LOSS, 0);
    assert_eq!(room(&standing, &promised, &me, &other, at), spent, "debited: once, not twice");
    assert_eq!(room(&standing, &promised, &me, &purpose, at), (full - LOSS, full, 0));
    assert_eq!(standing.apply(&promised, &void_of(&round, &me)), Ok(()));
    assert_eq!(room(&standing, &promised, &me, &other, at), free, "voided");
}

#[test]
fn a_debit_is_of_its_querys_loss_and_account_and_counts_as_an_attempt() {
    let mut story = Story::new(5, 50);
    story.meet();
    let id = finished(&mut story, PERIOD);
    let (round, me) = (round(&story, id), story.founder(0).id);
    let fold = story.world.member(0).unwrap().fold();
    let right = logged(&round, Kind::Debit, &me);
    let applied = |change: &dyn Fn(&mut Debit)| {
        let mut changed = right.clone();
        let Body::Debit { debit, .. } = &mut changed.body else { unreachable!("a debit") };
        change(debit);
        Standing::default().apply(fold, &changed)
    };
    assert_eq!(applied(&|_| ()), Ok(()));
    let less = PrivacyLoss::from_nano(1);
    assert!(applied(&|debit| (debit.loss, debit.after) = (less, less)).is_err(), "another loss");
    assert!(applied(&|debit| debit.account.dataset = "elsewhere".into()).is_err(), "another account");
    assert!(applied(&|debit| debit.after = less).is_err(), "it does not add up");

    let again = Query { id: Digest([9; 32]), ..Query::clone(round.query().unwrap()) };
    let judged = |standing: &Standing| {
        let own = Limits::top();
        let verdict =
            standing.judge(fold, &me, &again, None, Some(&own), true, Judged::Entry(LAST), again.at);
        verdict.map_err(|refusal| refusal.rule.code())
    };
    let mut standing = Standing::default();
    assert_eq!(judged(&standing), Ok(()));
    assert_eq!(standing.apply(fold, &right), Ok(()));
    assert_eq!(judged(&standing), Ok(()), "a second attempt");
    assert!(standing.apply(fold, &right).is_err(), "booked all the same");
    assert_eq!(judged(&standing), Err("attempt"));
    assert_eq!(standing.apply(fold, &void_of(&round, &me)), Ok(()));
    assert_eq!(judged(&standing), Ok(()), "a void gives its attempt back");
}

/// Full noise: a vector counts if it opens its commitment, and a release adds up what it cites.
#[test]
fn a_changed_reveal_counts_for_nothing() {
    let mut story = Story::new(3, 51);
    story.meet();
    let id = story.ask(2, story.query(Mode::FullNoise, LOSS, 3, PERIOD)).unwrap();
    assert!(story.finish(id, 3) && story.released(id));
    let round = round(&story, id);
    let (plan, by) = (round.plan().unwrap(), story.founder(1).id);
    let counts = |change: &dyn Fn(&mut Body)| {
        let fold = changed(&story, &by, &logged(&round, Kind::Open, &by).at, change);
        fold.round(&id).unwrap().reveal(plan, &by).is_some()
    };
    assert!(counts(&|_| ()));
    assert!(!counts(&|body| {
        let Body::Reveal { vector, .. } = body else { unreachable!("a reveal") };
        vector[0] += 1;
    }));
    assert!(!counts(&|body| {
        let Body::Reveal { salt, .. } = body else { unreachable!("a reveal") };
        salt[0] ^= 1;
    }));

    let whole = round.sums(plan, None).unwrap();
    assert_eq!(round.sums(plan, Some(&whole.opens)), Some(whole.clone()));
    assert_eq!(round.sums(plan, Some(&whole.opens[1..])), None, "fewer than the Query's minimum");
    let mut swapped = whole.opens.clone();
    swapped.swap(0, 1);
    assert_eq!(round.sums(plan, Some(&swapped)), None, "out of order");
    let vectors = plan.members.iter().map(|member| {
        let Body::Reveal { vector, .. } = logged(&round, Kind::Open, member).body else { unreachable!() };
        vector
    });
    let totals = vectors.reduce(|one, two| one.iter().zip(two).map(|(a, b)| a + b).collect()).unwrap();
    assert_eq!(whole.sums, totals, "no offset and no clip here");
    let more = Sums { sums: totals.iter().map(|sum| sum + 100).collect(), ..whole.clone() };
    let released = figures(plan, &whole);
    assert_ne!(figures_digest(&released), figures_digest(&figures(plan, &more)));
    // Written otherwise it is the same release; with another number it is not.
    let (mut written, mut other) = (released.clone(), released.clone());
    written.cells[0].figures[0].value += "0";
    assert_eq!(figures_digest(&released), figures_digest(&written));
    other.cells[0].figures[0].unrounded.as_mut().unwrap().low -= 1;
    assert_ne!(figures_digest(&released), figures_digest(&other));
}
