//! What is said when a seat of the committee keeps the sum back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ops::Range;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, QueryId, Span, Time};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::audit::opening::named_seat;
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::rounds::{Ending, Kind, Round, commitment};
use datacoop_sim::audits::audit_one;

fn round_at(story: &Story, site: usize, id: QueryId) -> Option<Round> {
    story.world.member(site)?.fold().round(&id).map(|round| round.as_ref().clone())
}

fn site_of(member: &MemberId) -> usize {
    member.as_str()[5..].parse::<usize>().unwrap() - 1
}

/// Crashes a seat for good when another holds its close and it has not opened; which site. `None` when
/// this run gave no such moment.
fn lose_a_seat_that_closed(story: &mut Story) -> Option<(QueryId, usize)> {
    story.world.away = Span(10_000_000);
    for _ in 0..5_000 {
        story.world.run_until(story.world.now() + Span(1));
        let rounds = story.world.member(0)?.fold().rounds();
        let Some((id, seats)) =
            rounds.iter().find_map(|(id, round)| Some((*id, round.plan()?.committee.clone())))
        else {
            continue;
        };
        for (seat, other) in seats.iter().flat_map(|seat| seats.iter().map(move |other| (seat, other))) {
            let site = site_of(seat);
            let (own, told) = (round_at(story, site, id)?, round_at(story, site_of(other), id)?);
            let closed = seat != other && told.said(Kind::Close, seat).is_some();
            if closed && own.said(Kind::Open, seat).is_none() {
                story.world.crash_before(site, story.world.executed(site));
                return Some((id, site));
            }
        }
    }
    None
}

/// A seat closes and does not open: whoever else waits for the sum says so, naming its close, but who slept over the
/// deadline: for all it knows the open is everywhere but here. The asker gives up only after that, and nobody else is
/// named.
#[test]
fn a_seat_that_closed_and_did_not_open_is_named() {
    let mut named = [0; 2];
    for seed in 10..30 {
        let mut story = Story::new(5, seed);
        story.meet();
        let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        let close_by = query.close_by;
        story.world.input(4, Input::Ask { command: 900, query: Box::new(query) });
        let Some((id, gone)) = lose_a_seat_that_closed(&mut story) else { continue };
        let held = (0..5).find(|site| *site != gone).unwrap();
        // In every other world.
        let seats = round_at(&story, held, id).unwrap().plan().unwrap().committee.clone();
        let may =
            |site: &usize| ![gone, held, 4].contains(site) && !seats.iter().any(|id| site_of(id) == *site);
        let slept = (0..5).find(may).filter(|_| seed % 2 == 0);
        if let Some(site) = slept {
            story.world.run_until(Time(close_by.0 - 1_000));
            story.world.sleep(site);
        }
        story.world.run_until(close_by + Span(30_000));
        let round = round_at(&story, held, id).unwrap();
        // Before a minute has passed an open may be on its way, and nobody is named.
        assert!(round.alerts().is_empty(), "seed {seed}");
        story.world.run_until(close_by + Span(130_000));
        if let Some(site) = slept {
            story.world.wake(site);
            story.world.run_until(close_by + Span(140_000));
        }
        let round = round_at(&story, held, id).unwrap();
        if round.all(Kind::Open).count() == 0 {
            // It left before it had told anybody of its close: nothing was kept back.
            assert!(round.alerts().is_empty());
            continue;
        }
        named[usize::from(slept.is_some())] += 1;
        let close = round.said(Kind::Close, &story.founder(gone).id).unwrap().at.clone();
        let authors: Vec<usize> = round.alerts().iter().map(|(by, _)| site_of(by)).collect();
        let others = (0..5).filter(|site| ![Some(gone), slept].contains(&Some(*site))).count();
        assert_eq!(authors.len(), others, "seed {seed}: each of the others, once: {authors:?}");
        assert!(slept.is_none_or(|site| !authors.contains(&site)), "seed {seed}: {authors:?}");
        for (_, alert) in round.alerts() {
            let Body::Alert { code, subject, .. } = &alert.body else { panic!("an alert") };
            assert_eq!((code.as_str(), subject), ("withheld", &close), "seed {seed}");
        }
        // The asker gives up, unless it holds a seat itself: whoever opened never aborts.
        let seated = round.plan().unwrap().seat(&story.founder(4).id).is_some();
        let ending = (!seated).then(|| Ending::Aborted("close".into()));
        assert_eq!(round.ending(), ending.as_ref(), "seed {seed}");
        assert!(!authors.contains(&gone));
    }
    assert!(
        named.iter().all(|worlds| *worlds > 0),
        "in some world a seat was lost after its close: {named:?}"
    );
}

/// A round of five of which one seat is gone for good when it was about to close, and its keys are in
/// other hands: its site, and the round's last deadline.
fn seat_taken_before_its_close() -> (Story, QueryId, usize, Time) {
    taken_before_its_close(2..4)
}

fn taken_before_its_close(sites: Range<usize>) -> (Story, QueryId, usize, Time) {
    let lost = (50..90).find_map(|seed| {
        let (seat, output) = output_before_a_close(seed, &sites)?;
        lose_seat(seed, seat, output)
    });
    lost.expect("in some world the other seat has all it needs to close")
}

fn ask_five(seed: u8) -> (Story, Time) {
    let mut story = Story::new(5, seed);
    story.world.away = Span(10_000_000);
    story.meet();
    let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
    let close_by = query.close_by;
    story.world.input(4, Input::Ask { command: 900, query: Box::new(query) });
    (story, close_by)
}

/// In an undisturbed round: the first to close, if it is one of `sites`, and how many outputs it had
/// executed just before.
fn output_before_a_close(seed: u8, sites: &Range<usize>) -> Option<(usize, u64)> {
    let (mut story, _) = ask_five(seed);
    for _ in 0..3_000 {
        let before: Vec<u64> = (0..5).map(|site| story.world.executed(site)).collect();
        story.world.run_until(story.world.now() + Span(1));
        let Some(id) = story.world.member(0)?.fold().rounds().keys().next().copied() else { continue };
        if let Some(site) = (0..5).find(|site| story.wrote(id, *site, Kind::Close)) {
            return sites.contains(&site).then_some((site, before[site]));
        }
    }
    None
}

fn lose_seat(seed: u8, seat: usize, output: u64) -> Option<(Story, QueryId, usize, Time)> {
    let (mut story, close_by) = ask_five(seed);
    story.world.crash_before(seat, output);
    story.world.run_until(story.world.now() + Span(5_000));
    let id = *story.world.member(0)?.fold().rounds().keys().next()?;
    let closes = round_at(&story, 0, id)?.all(Kind::Close).count();
    (story.world.member(seat).is_none() && closes == 1).then_some((story, id, seat, close_by))
}

/// A close of the lost seat that fits the others' and commits to a share of its own making.
fn forge_close(story: &mut Story, id: QueryId, seat: usize, to: usize) {
    let round = round_at(story, to, id).unwrap();
    let (_, close) = round.all(Kind::Close).next().unwrap();
    let Body::Close { verifies, accepted, .. } = close.body.clone() else { panic!("a close") };
    let commit = commitment("close", &[1; 32], &[0; 32]);
    story.forge(seat, to, Body::Close { query: id, verifies, accepted, commit });
    story.world.run_until(story.world.now() + Span(500));
}

fn alerts(story: &Story, id: QueryId) -> Vec<(usize, String, String)> {
    let there = (0..5).find(|site| story.world.member(*site).is_some()).unwrap();
    let round = round_at(story, there, id).unwrap();
    let alerts = round.alerts().iter().map(|(by, logged)| {
        let Body::Alert { code, subject, .. } = &logged.body else { panic!("an alert") };
        (site_of(by), code.clone(), subject.log.to_string())
    });
    let mut alerts: Vec<_> = alerts.collect();
    alerts.sort();
    alerts
}

fn origin(story: &Story, site: usize) -> String {
    story.founder(site).keys().public().log.name.clone()
}

/// A seat that holds its close back until the others have given up, and then opens, names nobody: they
/// never could have opened.
#[test]
fn a_close_that_comes_too_late_to_open_on_blames_nobody() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    story.world.run_until(close_by + Span(3_000));
    forge_close(&mut story, id, gone, 0);
    let closes = round_at(&story, 0, id).unwrap().closed_by_all().expect("all closes stand now").closes;
    story.forge(gone, 0, Body::Open { query: id, closes, share: vec![0; 32], salt: [1; 32] });
    story.world.run_until(close_by + Span(200_000));
    let round = round_at(&story, 0, id).unwrap();
    assert_eq!(round.withheld().len(), 1, "the logs alone look as if the honest seat had kept its share");
    assert_eq!(alerts(&story, id), []);
    assert!((0..5).filter(|site| *site != gone).all(|site| !story.wrote(id, site, Kind::Release)));
    story.audits_clean(0);
}

/// Nor is a seat named that was off when the last close came, at the last moment.
#[test]
fn a_close_at_the_last_moment_blames_no_seat_that_is_off() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    let committee = round_at(&story, 0, id).unwrap().plan().unwrap().committee.clone();
    let sleeper = committee.iter().map(site_of).find(|site| *site != gone).unwrap();
    let to = (0..5).find(|site| *site != gone && *site != sleeper).unwrap();
    story.world.run_until(Time(close_by.0 - 1_000));
    let next = story.world.executed(sleeper);
    story.world.crash_before(sleeper, next);
    forge_close(&mut story, id, gone, to);
    let closes = round_at(&story, to, id).unwrap().closed_by_all().expect("all closes stand").closes;
    story.forge(gone, to, Body::Open { query: id, closes, share: vec![0; 32], salt: [1; 32] });
    story.world.run_until(close_by + Span(200_000));
    assert!(story.world.member(sleeper).is_none());
    let withheld = round_at(&story, to, id).unwrap().withheld();
    assert_eq!(withheld.iter().map(|one| site_of(&one.by)).collect::<Vec<_>>(), [sleeper]);
    assert_eq!(alerts(&story, id), []);
}

/// An abort that claims to be later than it is keeps no honest seat from opening, and who wrote it is
/// named, once by each of the others.
#[test]
fn an_abort_dated_ahead_stops_nobody_and_names_its_author() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    story.forge_at(close_by + Span(9_000), gone, 0, Body::Abort { query: id, code: "close".into() });
    story.world.run_until(story.world.now() + Span(1_000));
    forge_close(&mut story, id, gone, 0);
    assert!(story.world.now() < close_by);
    let honest: Vec<usize> = (0..5).filter(|site| *site != gone).collect();
    let round = round_at(&story, 0, id).unwrap();
    assert_eq!(round.all(Kind::Open).count(), 1, "the other seat opened");
    story.world.run_until(close_by + Span(200_000));
    let named = honest.iter().map(|site| (*site, "withheld".to_owned(), origin(&story, gone)));
    assert_eq!(alerts(&story, id), named.collect::<Vec<_>>());
    assert!(matches!(round_at(&story, 0, id).unwrap().ending(), Some(Ending::Aborted(_))));
}

/// Whoever aborts in time, after all closes and another's open, is named at once; a seat that heard of
/// that abort and opens nothing is not.
#[test]
fn an_abort_in_time_after_all_closes_names_its_author_alone() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    forge_close(&mut story, id, gone, 0);
    story.forge(gone, 0, Body::Abort { query: id, code: "close".into() });
    story.world.run_until(story.world.now() + Span(2_000));
    assert!(story.world.now() < close_by);
    let honest = (0..5).filter(|site| *site != gone);
    let named: Vec<_> = honest.map(|site| (site, "withheld".to_owned(), origin(&story, gone))).collect();
    assert_eq!(alerts(&story, id), named);
    story.world.run_until(close_by + Span(200_000));
    assert_eq!(alerts(&story, id), named, "and once");
    // Of two seats none shows its shares to anybody.
    assert_eq!(named_seat(&round_at(&story, 0, id).unwrap()), None);
    // The audit warns of its log, fails nobody's for that, and fails the log of who alerts for nothing.
    let a15 = |story: &Story, site: usize| {
        let fold = story.world.member(0).unwrap().fold();
        let report = audit_one(fold, &story.founder(site).id, &|_| None).unwrap();
        report.checks.into_iter().find(|check| check.code == "A15").unwrap()
    };
    for site in 0..5 {
        let expected = if site == gone { Outcome::Warn } else { Outcome::Pass };
        assert_eq!(a15(&story, site).outcome, expected, "site {site}");
    }
    assert!(a15(&story, gone).text.contains("4 of 5 members say"), "{}", a15(&story, gone).text);
    let subject = round_at(&story, 0, id).unwrap().roster().unwrap().at.clone();
    story.forge(gone, 0, Body::Alert { query: id, code: "roster".into(), subject });
    story.world.run_until(story.world.now() + Span(1_000));
    assert_eq!(a15(&story, gone).outcome, Outcome::Fail, "the first roster is no second one");
}

/// A seat that opens another share than it had committed to keeps its own back: each of the others says so
/// at once, and its audit warns of it.
#[test]
fn a_false_open_is_named_as_silence_is() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    forge_close(&mut story, id, gone, 0);
    let closes = round_at(&story, 0, id).unwrap().closed_by_all().unwrap().closes;
    story.forge(gone, 0, Body::Open { query: id, closes, share: vec![9; 32], salt: [1; 32] });
    story.world.run_until(story.world.now() + Span(2_000));
    assert!(story.world.now() < close_by);
    let honest = (0..5).filter(|site| *site != gone);
    let named: Vec<_> = honest.map(|site| (site, "withheld".to_owned(), origin(&story, gone))).collect();
    assert_eq!(alerts(&story, id), named);
    story.world.run_until(close_by + Span(200_000));
    assert_eq!(alerts(&story, id), named, "and once");
    let fold = story.world.member(0).unwrap().fold();
    for site in 0..5 {
        let report = audit_one(fold, &story.founder(site).id, &|_| None).unwrap();
        let a15 = report.checks.iter().find(|check| check.code == "A15").unwrap();
        let expected = if site == gone { Outcome::Warn } else { Outcome::Pass };
        assert_eq!((a15.outcome, report.passed()), (expected, site != gone), "site {site}: {}", a15.text);
        assert!(site != gone || a15.text.contains("opens another share"), "{}", a15.text);
    }
}

/// No code excuses a seat that read the sum: `min_step` is a reason that a liar may give as well. And who
/// reads the other seat's log in an old copy, without its close, convicts none of those who named it.
#[test]
fn no_code_excuses_and_an_old_copy_convicts_nobody() {
    let (mut story, id, gone, close_by) = seat_taken_before_its_close();
    forge_close(&mut story, id, gone, 0);
    story.forge(gone, 0, Body::Abort { query: id, code: "min_step".into() });
    story.world.run_until(close_by + Span(200_000));
    let honest = || (0..5).filter(|site| *site != gone);
    let named: Vec<_> = honest().map(|site| (site, "withheld".to_owned(), origin(&story, gone))).collect();
    assert_eq!(alerts(&story, id), named);
    let round = round_at(&story, 0, id).unwrap();
    let mut seats = round.plan().unwrap().committee.iter();
    let other = seats.find(|seat| site_of(seat) != gone).unwrap();
    let close = round.said(Kind::Close, other).unwrap().at.index;
    let old = story.copies(0, |member| if member == other { close } else { u64::MAX });
    for site in honest() {
        let report = audit_one(&old, &story.founder(site).id, &|_| None).unwrap();
        let a15 = report.checks.iter().find(|check| check.code == "A15").unwrap();
        assert_ne!(a15.outcome, Outcome::Fail, "site {site}: {}", a15.text);
    }
}

/// An alert about one thing does not use up the alert about another.
#[test]
fn a_second_roster_and_a_withheld_share_are_two_alerts() {
    let (mut story, id, asker, close_by) = taken_before_its_close(4..5);
    let roster = round_at(&story, 0, id).unwrap().roster().unwrap().body.clone();
    story.forge(asker, 0, roster);
    story.world.run_until(story.world.now() + Span(1_000));
    forge_close(&mut story, id, asker, 0);
    story.world.run_until(close_by + Span(200_000));
    let both = |site| ["roster", "withheld"].map(|code| (site, code.to_owned(), origin(&story, asker)));
    assert_eq!(alerts(&story, id), (0..4).flat_map(both).collect::<Vec<_>>());
}
