//! A coordinator lets a member ask: narrower, for a while, until it takes it back. Source: CHARTER section 4,
//! SECURITY S29.
//!
//! Claim: only who is a coordinator, or holds its delegation as it stands, gets an answer, and the asker's own
//! log shows it. What would make it fail: a delegation that is expired, revoked, another's, given on, or wider
//! than it says, and an answer all the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, Story};
use datacoop_policy::charter::Role;
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::acts::Act;
use datacoop_protocol::audit::{Check, Outcome};
use datacoop_protocol::entry::{Body, Entry, QueryBody, Ref};
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_sim::audits::audit_one;

const HOUR: Span = Span(3_600_000);
const SECOND: Span = Span(1_000);
/// Coordinators are members 0 to 3; 4 and 5 only vote.
const MEMBERS: usize = 6;
const ASKER: usize = 5;
const OTHER: usize = 4;

fn story(seed: u8) -> Story {
    let mut story = Story::founded(MEMBERS, seed, |draft| {
        for site in [OTHER, ASKER] {
            draft.members[site].roles = [Role::Voting].into();
        }
    });
    story.meet();
    story
}

fn act(story: &mut Story, site: usize, act: Act) -> Result<Ref, String> {
    let command = story.command();
    story.world.input(site, Input::Act { command, act: Box::new(act), text: None });
    story.world.run_until(story.world.now() + Span(5_000));
    told(story, command).unwrap().1
}

fn whole(time: Time) -> Time {
    Time::from_seconds(time.seconds())
}

fn delegation(story: &Story, to: usize, limits: Limits, until: Time) -> Act {
    let (audience, charter) = (story.founder(to).id, story.charters[0].hash());
    Act::Delegation { audience, limits: Box::new(limits), until, charter }
}

/// Member 0 lets the asker ask for a day.
fn delegate(story: &mut Story, limits: Limits) -> Ref {
    let until = whole(story.world.now()) + Span(24 * HOUR.0);
    let given = delegation(story, ASKER, limits, until);
    act(story, 0, given).unwrap()
}

fn query(story: &Story, day: u8) -> QueryBody {
    story.query(Mode::FullNoise, LOSS, 5, &format!("2025-09-01..2025-09-{day:02}"))
}

fn ask(story: &mut Story, site: usize, body: impl FnOnce(&Story) -> QueryBody) -> Result<QueryId, String> {
    let body = body(story);
    story.ask(site, body).ok_or_else(|| {
        let last = story.command() - 1;
        let (rule, said) = told(story, last).unwrap();
        format!("{rule}: {}", said.unwrap_err())
    })
}

/// What came of a command, and by which rule it was denied.
fn told(story: &Story, command: u64) -> Option<(&'static str, Result<Ref, String>)> {
    story.world.events.iter().find_map(|(_, event)| {
        if let Event::Acted { command: c, at } = event {
            return (*c == command).then(|| ("", Ok(at.clone())));
        }
        let Event::Denied { command: c, rule, text } = event else { return None };
        (*c == command).then(|| (*rule, Err(text.clone())))
    })
}

fn under(body: QueryBody, at: &Ref) -> QueryBody {
    QueryBody { delegation: Some(at.clone()), ..body }
}

/// From here on somebody else uses this member's keys.
fn lose(story: &mut Story, site: usize) {
    story.world.away = Span(u64::MAX / 4);
    story.world.crash_before(site, story.world.executed(site));
    story.world.input(site, Input::Wake);
    story.world.give_charters(site, []);
    story.world.run_until(story.world.now() + SECOND);
    assert!(story.world.member(site).is_none());
}

/// Has the asker's keys ask, whatever its program would say; returns the round.
fn forge(story: &mut Story, at: Time, author: usize, body: impl FnOnce(&Story) -> QueryBody) -> QueryId {
    let body = body(story);
    let (by, to) = (story.founder(author).id, usize::from(author == 1));
    let log = story.world.member(to).unwrap().fold().log(&by).unwrap();
    let (seq, body) = (log.size(), Body::Query(Box::new(body)));
    let id = leaf_hash(&Entry { at, by, seq, body: body.clone() }.to_bytes());
    story.forge_at(at, author, to, body);
    id
}

fn verdicts(story: &Story, id: QueryId) -> Vec<bool> {
    let round = story.world.member(2).unwrap().fold().round(&id);
    let said = round.into_iter().flat_map(|round| round.all(Kind::Verdict));
    said.map(|(_, logged)| matches!(logged.body, Body::Accept { .. })).collect()
}

fn asking(story: &Story, by: usize) -> Check {
    let member: MemberId = story.founder(by).id;
    let report = audit_one(story.world.member(2).unwrap().fold(), &member, &|_| None).unwrap();
    report.checks.into_iter().find(|check| check.code == "A07").unwrap()
}

#[test]
fn a_member_with_a_delegation_asks_and_everybody_answers() {
    let mut story = story(120);
    assert_eq!(ask(&mut story, ASKER, |s| query(s, 10)).unwrap_err().split(':').next(), Some("asker"));
    let at = delegate(&mut story, Limits { purposes: Set::only(["demo"]), ..Limits::top() });
    let id = ask(&mut story, ASKER, |s| query(s, 10)).unwrap();
    let round = story.world.member(1).unwrap().fold().round(&id).unwrap().clone();
    assert_eq!(round.asked().unwrap().body.delegation, Some(at), "its program names the one that fits");
    assert!(story.finish(id, MEMBERS) && story.released(id));
    // A coordinator asks as before, and names none.
    let other = ask(&mut story, 1, |s| query(s, 11)).unwrap();
    let round = story.world.member(2).unwrap().fold().round(&other).unwrap().clone();
    assert_eq!(round.asked().unwrap().body.delegation, None);
    assert!(story.finish(other, MEMBERS) && story.released(other));
    assert_eq!(asking(&story, ASKER).text, "5 queries, acceptances and debits replayed");
    story.audits_clean(3);
    // Whoever has the delegator's log no further says so, and blames nobody.
    let delegator = story.founder(0).id;
    let copies = story.copies(3, |id| if *id == delegator { 2 } else { u64::MAX });
    let report = audit_one(&copies, &story.founder(ASKER).id, &|_| None).unwrap();
    let check = report.checks.iter().find(|check| check.code == "A07").unwrap();
    assert!(check.outcome == Outcome::Pass && check.text.contains("more need logs"), "{check:?}");
    // Copies have no signed heads.
    let mut others = report.checks.iter().filter(|check| check.code != "A01");
    assert!(others.all(|check| check.outcome != Outcome::Fail), "{report:#?}");
}

#[test]
fn who_may_give_one_to_whom_and_for_how_long() {
    let mut story = Story::founded(7, 121, |draft| {
        for (site, role) in [(4, Role::Voting), (5, Role::Helper), (6, Role::Observer)] {
            draft.members[site].roles = [role].into();
        }
        draft.amend = 4;
    });
    story.meet();
    let last = whole(story.world.now()) + Span(30 * 24 * HOUR.0);
    let given = |story: &Story, to, until| delegation(story, to, Limits::top(), until);
    let mut gives = |by: usize, to: usize, until: Time| {
        let given = given(&story, to, until);
        act(&mut story, by, given)
    };
    assert!(gives(4, 1, last).unwrap_err().contains("coordinator"));
    assert!(gives(0, 5, last).unwrap_err().contains("only audits or drafts"));
    assert!(gives(0, 0, last).unwrap_err().contains("another member"));
    assert!(gives(0, 4, last + HOUR).unwrap_err().contains("within 30 days"));
    assert!(gives(0, 4, Time(1_000)).unwrap_err().contains("ends after it is given"));
    gives(0, 4, last).unwrap();
    gives(0, 6, last).unwrap();
    let stranger = Act::Delegation {
        audience: "DEMO-999".parse().unwrap(),
        limits: Box::new(Limits::top()),
        until: last,
        charter: story.charters[0].hash(),
    };
    assert!(act(&mut story, 0, stranger.clone()).unwrap_err().contains("no member"));
    let Act::Delegation { audience: _, limits, until, .. } = stranger else { panic!() };
    let charter = datacoop_policy::Digest([1; 32]);
    let of_another = Act::Delegation { audience: story.founder(4).id, limits, until, charter };
    assert!(act(&mut story, 0, of_another).unwrap_err().contains("charter"));
    // Who speaks for the people affected asks too.
    let id = ask(&mut story, 6, |s| query(s, 10)).unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean(3);
}

#[test]
fn it_ends_after_its_last_second() {
    let mut story = story(122);
    let until = whole(story.world.now()) + Span(600_000);
    let given = delegation(&story, ASKER, Limits::top(), until);
    act(&mut story, 0, given).unwrap();
    // A round takes under a minute; one asked in time is debited in time.
    story.world.run_until(Time(until.0 - 60_000));
    let id = ask(&mut story, ASKER, |s| query(s, 10)).unwrap();
    assert!(story.finish(id, MEMBERS) && story.released(id));
    story.world.run_until(until + SECOND);
    assert!(ask(&mut story, ASKER, |s| query(s, 11)).unwrap_err().starts_with("asker"));
    story.audits_clean(3);
    // Its program would not ask; whoever has its keys dates it back, or not.
    let at = story
        .world
        .member(1)
        .unwrap()
        .fold()
        .round(&id)
        .unwrap()
        .asked()
        .unwrap()
        .body
        .delegation
        .clone()
        .unwrap();
    lose(&mut story, ASKER);
    let (now, body) = (whole(story.world.now()), under(query(&story, 12), &at));
    let late = forge(&mut story, now, ASKER, |_| body.clone());
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, late), [false; 5]);
    let said = asking(&story, ASKER);
    assert!(said.outcome == Outcome::Fail && said.text.contains("the delegation ended"), "{said:?}");
    let early = forge(&mut story, until, ASKER, |s| under(query(s, 13), &at));
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, early), [false; 5], "members go by their own clocks");
}

#[test]
fn it_is_taken_back_by_whoever_gave_it() {
    let mut story = story(123);
    let at = delegate(&mut story, Limits::top());
    let back = Act::Revocation { delegation: at.clone() };
    assert!(act(&mut story, 1, back.clone()).unwrap_err().contains("only whoever gave"));
    assert!(act(&mut story, ASKER, back.clone()).unwrap_err().contains("coordinator"));
    let id = ask(&mut story, ASKER, |s| query(s, 10)).unwrap();
    assert!(story.finish(id, MEMBERS) && story.released(id));
    act(&mut story, 0, back.clone()).unwrap();
    assert!(act(&mut story, 0, back).unwrap_err().contains("already"));
    let body = query(&story, 11);
    assert!(ask(&mut story, ASKER, |_| body.clone()).unwrap_err().starts_with("asker"));
    let told = ask(&mut story, ASKER, |_| under(body, &at)).unwrap_err();
    assert!(told.contains("took the delegation back"), "{told}");
    story.audits_clean(3);
    // Asked all the same, it may not have heard of it: its log does not say that it had.
    lose(&mut story, ASKER);
    let (now, body) = (whole(story.world.now()), under(query(&story, 12), &at));
    let late = forge(&mut story, now, ASKER, |_| body);
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, late), [false; 5]);
    let said = asking(&story, ASKER);
    assert!(said.outcome == Outcome::Warn && said.text.contains("may not have heard"), "{said:?}");
}

#[test]
fn whoever_said_that_it_had_heard_is_to_blame() {
    let mut story = story(124);
    let at = delegate(&mut story, Limits::top());
    act(&mut story, 0, Act::Revocation { delegation: at.clone() }).unwrap();
    // Every log says how far it holds the others.
    story.world.run_until(story.world.now() + Span(HOUR.0 + 130_000));
    lose(&mut story, ASKER);
    let (now, body) = (whole(story.world.now()), under(query(&story, 10), &at));
    forge(&mut story, now, ASKER, |_| body);
    story.world.run_until(story.world.now() + Span(30_000));
    let said = asking(&story, ASKER);
    assert!(said.outcome == Outcome::Fail && said.text.contains("had heard"), "{said:?}");
    story.audits_clean_but(2, Some(ASKER));
}

/// Its coordinator shows it one history, and an auditor another, shorter one in which it was taken back.
#[test]
fn whoever_was_shown_another_history_had_not_heard() {
    let mut story = story(128);
    let at = delegate(&mut story, Limits::top());
    for cells in [10, 11] {
        delegate(&mut story, Limits { max_cells: cells, ..Limits::top() });
    }
    story.world.run_until(story.world.now() + Span(HOUR.0 + 130_000));
    let id = ask(&mut story, ASKER, |s| under(query(s, 10), &at)).unwrap();
    assert!(story.finish(id, MEMBERS) && story.released(id));
    let giver = story.founder(0).id;
    let mut shown = story.copies(3, |id| if *id == giver { at.index + 1 } else { u64::MAX });
    let back = Body::Act(Act::Revocation { delegation: at.clone() });
    let time = whole(story.world.now());
    let back = Entry { at: time, by: giver.clone(), seq: at.index + 1, body: back };
    shown.append(&giver, back.to_bytes().into()).unwrap();
    assert!(shown.acts().delegation(&at.leaf).unwrap().revoked);
    let report = audit_one(&shown, &story.founder(ASKER).id, &|_| None).unwrap();
    let said = report.checks.iter().find(|check| check.code == "A07").unwrap();
    assert_ne!(said.outcome, Outcome::Fail, "{}", said.text);
}

#[test]
fn it_is_not_for_another_member_and_not_given_on() {
    let mut story = story(125);
    let at = delegate(&mut story, Limits::top());
    let told = ask(&mut story, OTHER, |s| under(query(s, 10), &at)).unwrap_err();
    assert!(told.contains("is for `DEMO-006`, not for `DEMO-005`"), "{told}");
    // What is no delegation is none, and what nobody wrote neither.
    let log = story.world.member(0).unwrap().fold().log(&story.founder(0).id).unwrap();
    let charter = log.reference(1).unwrap();
    let nothing = Ref { index: log.size(), ..charter.clone() };
    for other in [charter, nothing] {
        let told = ask(&mut story, OTHER, |s| under(query(s, 10), &other)).unwrap_err();
        assert!(told.contains("cites as a delegation is none"), "{told}");
    }
    let until = whole(story.world.now()) + HOUR;
    let on = delegation(&story, OTHER, Limits::top(), until);
    assert!(act(&mut story, ASKER, on.clone()).unwrap_err().contains("coordinator"));
    // With their keys, past their programs: nobody answers, and their logs show it.
    lose(&mut story, ASKER);
    lose(&mut story, OTHER);
    let (now, body) = (whole(story.world.now()), under(query(&story, 10), &at));
    let anothers = forge(&mut story, now, OTHER, |_| body.clone());
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, anothers), [false; 0], "by who is no asker nobody is woken");
    let said = asking(&story, OTHER);
    assert!(said.outcome == Outcome::Fail && said.text.contains("not for"), "{said:?}");
    story.forge(ASKER, 0, Body::Act(on));
    let log = story.world.member(0).unwrap().fold().log(&story.founder(ASKER).id).unwrap();
    let second = log.reference(log.size() - 1).unwrap();
    let two_steps = forge(&mut story, now, OTHER, |_| under(body, &second));
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, two_steps), [false; 0]);
    let by_asker = forge(&mut story, now, ASKER, |s| query(s, 11));
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, by_asker), [false; 0], "who cites none is a stranger");
    let said = asking(&story, ASKER);
    assert!(said.outcome == Outcome::Fail && said.text.contains("gives its author no right to"), "{said:?}");
}

/// Over its issuer: what it says beyond the charter's limits it does not give; what it says below them holds.
#[test]
fn it_only_narrows() {
    let mut story = Story::founded(MEMBERS, 126, |draft| {
        draft.members[ASKER].roles = [Role::Voting].into();
        draft.limits.rho_query = PrivacyLoss::from_nano(LOSS);
    });
    story.meet();
    let wide = delegate(&mut story, Limits::top());
    let with = |story: &Story, nano, at: &Ref| {
        under(QueryBody { loss: PrivacyLoss::from_nano(nano), ..query(story, 10) }, at)
    };
    let told = ask(&mut story, ASKER, |s| with(s, LOSS + 1, &wide)).unwrap_err();
    assert!(told.contains("rho_query") && told.contains("charter version 1"), "{told}");
    let narrow =
        delegate(&mut story, Limits { rho_query: PrivacyLoss::from_nano(LOSS - 1), ..Limits::top() });
    let told = ask(&mut story, ASKER, |s| with(s, LOSS, &narrow)).unwrap_err();
    assert!(told.contains("rho_query") && told.contains("set by the delegation"), "{told}");
    // With its keys past its program: the others hold it to that too.
    lose(&mut story, ASKER);
    let (now, body) = (whole(story.world.now()), with(&story, LOSS, &narrow));
    let id = forge(&mut story, now, ASKER, |_| body);
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, id), [false; 5]);
    let body = with(&story, LOSS - 1, &narrow);
    let id = forge(&mut story, now, ASKER, |_| body);
    story.world.run_until(story.world.now() + Span(30_000));
    assert_eq!(verdicts(&story, id), [true; 5]);
}

/// The Query is here and the delegation that it cites is not yet: it is waited for, as long as one may join.
#[test]
fn a_delegation_that_comes_later_is_waited_for() {
    // A coordinator that cites one is held to it as well.
    for (asker, wait, joins) in
        [(ASKER, Span(10_000), true), (ASKER, Span(21_000), false), (3, Span(10_000), true)]
    {
        let mut story = story(127);
        lose(&mut story, asker);
        lose(&mut story, 0);
        let (now, by) = (whole(story.world.now()), story.founder(0).id);
        let given = delegation(&story, asker, Limits::top(), now + HOUR);
        let log = story.world.member(1).unwrap().fold().log(&by).unwrap();
        let (seq, body) = (log.size(), Body::Act(given));
        let leaf = leaf_hash(&Entry { at: now, by, seq, body: body.clone() }.to_bytes());
        let at = Ref { log: log.origin.as_str().into(), index: seq, leaf };
        let asked = under(query(&story, 10), &at);
        let to = Body::Query(Box::new(asked.clone()));
        let author = story.founder(asker).id;
        let log = story.world.member(1).unwrap().fold().log(&author).unwrap();
        let id = leaf_hash(&Entry { at: now, by: author, seq: log.size(), body: to.clone() }.to_bytes());
        story.forge_at(now, asker, 1, to);
        story.world.run_until(now + wait);
        assert_eq!(verdicts(&story, id), [false; 0]);
        assert!(story.world.member(2).unwrap().fold().round(&id).is_some(), "it is here");
        story.forge_at(now, 0, 1, body);
        story.world.run_until(now + wait + Span(9_000));
        assert_eq!(verdicts(&story, id), vec![true; if joins { 4 } else { 0 }]);
    }
}
