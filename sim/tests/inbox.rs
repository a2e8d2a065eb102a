//! What a member's person decides: questions that wait for a yes, what is declined and until when, standing
//! rules, and objections that hold verdicts.
//!
//! Claim: nothing waits or is answered that the limits refuse; silence is never yes; a no wins until the
//! contribution is logged; a yes that was given outlives a crash. Source: CHARTER sections 4 and 6, F8, F12.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::charter::{Role, amend_min};
use datacoop_policy::inbox::{InboxRule, InboxRules, Way};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, PrivacyLoss, QueryId, Span};
use datacoop_protocol::acts::{Act, Subject, text_blob};
use datacoop_protocol::entry::{Body, QueryBody, Ref};
use datacoop_protocol::inbox::Hold;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_sim::world::Tables;

/// Time for each of joining, contributing and closing: an hour, as people need some.
const WINDOW: Span = Span(3_600_000);
const MINUTE: Span = Span(60_000);

fn wait(story: &mut Story, span: Span) {
    story.world.run_until(story.world.now() + span);
}

fn rules(default: Way) -> InboxRules {
    InboxRules { rules: vec![], default }
}

/// Standing rules of some members, in force.
fn set(story: &mut Story, sites: &[usize], inbox: &InboxRules) {
    for site in sites {
        story.world.set_inbox(*site, inbox.clone());
        story.world.give_charters(*site, []);
    }
    wait(story, Span(5_000));
}

/// Six members, of whom five are enough, as they stand once they have met.
fn six(seed: u8) -> Story {
    let mut story = Story::new(6, seed);
    story.meet();
    story
}

fn slow_query(story: &Story) -> QueryBody {
    let query = story.query(Mode::FullNoise, LOSS, 5, PERIOD);
    let now = query.join_by;
    QueryBody {
        join_by: now + WINDOW,
        contribute_by: now + WINDOW + WINDOW,
        close_by: now + Span(3 * WINDOW.0),
        ..query
    }
}

fn ask(story: &mut Story) -> QueryId {
    let query = slow_query(story);
    let id = story.ask(0, query).unwrap_or_else(|| panic!("{:?}", story.world.events));
    wait(story, MINUTE);
    id
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks two events out of many")]
fn decide(story: &mut Story, site: usize, query: QueryId, yes: bool) -> Result<(), String> {
    let command = story.command();
    story.world.input(site, Input::Decide { command, query, yes });
    wait(story, Span(5_000));
    let told = story.world.events.iter().find_map(|(_, event)| match event {
        Event::Decided { command: c } if *c == command => Some(Ok(())),
        Event::Denied { command: c, text, .. } if *c == command => Some(Err(text.clone())),
        _ => None,
    });
    told.expect("an answer")
}

/// What a member said to a Query: `yes`, the rule and layer of a no, or nothing.
#[expect(clippy::wildcard_enum_match_arm, reason = "a verdict is one of two")]
fn verdict(story: &Story, site: usize, id: QueryId) -> Option<String> {
    let member = story.world.member(site).unwrap();
    let round = member.fold().round(&id)?;
    round.said(Kind::Verdict, member.me()).map(|said| match &said.body {
        Body::Accept { .. } => "yes".to_owned(),
        Body::Refuse { rule, layer, .. } => format!("{rule} {layer}"),
        other => panic!("{other:?}"),
    })
}

fn held(story: &Story, site: usize) -> Vec<(QueryId, Option<Hold>)> {
    let inbox = story.world.member(site).unwrap().inbox();
    inbox.into_iter().map(|one| (one.round.id, one.hold)).collect()
}

fn wrote(story: &Story, site: usize, id: QueryId, kind: Kind) -> Option<Body> {
    let member = story.world.member(site).unwrap();
    member.fold().round(&id)?.said(kind, member.me()).map(|said| said.body.clone())
}

#[test]
fn a_question_waits_for_a_yes_and_is_answered_at_once_then() {
    let mut story = six(120);
    set(&mut story, &[3], &rules(Way::Ask));
    let before = story.world.member(3).unwrap().fold().log(&story.founder(3).id).unwrap().size();
    let id = ask(&mut story);
    assert_eq!(held(&story, 3), [(id, Some(Hold::Rule(None)))]);
    assert_eq!((verdict(&story, 3, id), verdict(&story, 4, id)), (None, Some("yes".into())));
    let after = story.world.member(3).unwrap().fold().log(&story.founder(3).id).unwrap().size();
    assert_eq!(after, before, "nothing is logged while it waits");
    let waits = |story: &Story| {
        story.world.events.iter().filter(|(_, event)| matches!(event, Event::Waits(q) if *q == id)).count()
    };
    assert_eq!(waits(&story), 1, "its person is told once");
    decide(&mut story, 3, id, true).unwrap();
    assert_eq!(verdict(&story, 3, id), Some("yes".into()));
    assert!(decide(&mut story, 3, id, true).unwrap_err().contains("verdict already"));
    assert!(decide(&mut story, 4, id, true).unwrap_err().contains("verdict already"));
    assert!(decide(&mut story, 3, Digest([9; 32]), true).unwrap_err().contains("no query of this id"));
    wait(&mut story, MINUTE);
    assert!(story.finish(id, 6) && story.released(id));
    assert_eq!(story.spent(3), LOSS);
    assert_eq!(held(&story, 3), []);
    story.audits_clean(1);
}

#[test]
fn silence_is_no_yes_and_the_others_go_on_without() {
    let mut story = six(121);
    set(&mut story, &[3], &rules(Way::Ask));
    let id = ask(&mut story);
    wait(&mut story, WINDOW);
    wait(&mut story, MINUTE);
    assert!(decide(&mut story, 3, id, true).unwrap_err().contains("time to join is over"));
    assert!(decide(&mut story, 3, id, false).is_err());
    assert!(story.finish(id, 6) && story.released(id));
    assert_eq!((verdict(&story, 3, id), story.spent(3), story.spent(4)), (None, 0, LOSS));
    story.audits_clean(1);
}

/// Wherever a crash comes: the yes is lost with its command, or kept with its verdict; never half.
#[test]
fn a_yes_outlives_a_crash() {
    let (mut lost, mut kept) = (0, 0);
    for output in 0..8 {
        let mut story = six(122);
        set(&mut story, &[3], &rules(Way::Ask));
        let id = ask(&mut story);
        let at = story.world.executed(3) + output;
        story.world.crash_before(3, at);
        story.world.input(3, Input::Decide { command: 99, query: id, yes: true });
        wait(&mut story, MINUTE);
        match verdict(&story, 3, id) {
            None => {
                lost += 1;
                assert_eq!(held(&story, 3), [(id, Some(Hold::Rule(None)))]);
                decide(&mut story, 3, id, true).unwrap();
            }
            Some(said) => {
                kept += 1;
                assert_eq!(said, "yes");
            }
        }
        assert!(story.finish(id, 6) && story.released(id));
        assert_eq!(story.spent(3), LOSS);
    }
    // Before the word itself, and at each output after it.
    assert_eq!((lost, kept), (1, 7));
}

#[test]
fn rules_never_loosen_and_never_is_a_no_of_the_members_own() {
    let mut story = six(123);
    let never = InboxRules {
        rules: vec![InboxRule { purposes: Set::only(["demo"]), ..InboxRule::any(Way::Never) }],
        default: Way::Accept,
    };
    set(&mut story, &[2], &never);
    // Whatever the rules say of it, what the limits refuse is refused at once and waits for nobody.
    let small = Limits { rho_query: PrivacyLoss::from_nano(1), ..Limits::top() };
    for (site, way) in [(3, Way::Accept), (4, Way::Ask)] {
        story.world.set_limits(site, small.clone());
        set(&mut story, &[site], &rules(way));
    }
    let id = ask(&mut story);
    assert_eq!(verdict(&story, 2, id).unwrap(), "questions member");
    for site in [3, 4] {
        assert_eq!(verdict(&story, site, id).unwrap(), "rho_query member");
        assert!(decide(&mut story, site, id, true).is_err());
    }
    assert!([2, 3, 4].iter().all(|site| held(&story, *site).is_empty()));
    // What is never answered is not asked from here either; what would wait is, for asking is a yes.
    let query = slow_query(&story);
    assert_eq!(story.ask(2, query), None);
    story.audits_clean(1);
    let mut story = six(124);
    set(&mut story, &[0], &rules(Way::Ask));
    let id = ask(&mut story);
    assert_eq!(verdict(&story, 0, id).unwrap(), "yes");
}

#[test]
fn a_no_wins_before_the_verdict_and_after_it() {
    let mut story = six(125);
    set(&mut story, &[3, 4], &rules(Way::Ask));
    let id = ask(&mut story);
    decide(&mut story, 3, id, false).unwrap();
    assert_eq!(verdict(&story, 3, id).unwrap(), "questions member");
    assert!(decide(&mut story, 3, id, false).unwrap_err().contains("refused it already"));
    assert!(decide(&mut story, 3, id, true).is_err());
    // Member 5 joined by itself and may still say no: the Roster, once it comes, finds it unwilling.
    assert_eq!(held(&story, 5), [(id, None)]);
    decide(&mut story, 5, id, false).unwrap();
    assert!(decide(&mut story, 5, id, false).unwrap_err().contains("already"));
    assert_eq!(held(&story, 5), []);
    story.world.give_charters(5, []);
    wait(&mut story, Span(5_000));
    decide(&mut story, 4, id, true).unwrap();
    wait(&mut story, MINUTE);
    assert_eq!((wrote(&story, 5, id, Kind::Debit), story.spent(5)), (None, 0));
    story.audits_clean(1);
}

/// Between its debit and its contribution the loss returns; after it nothing does.
#[test]
fn a_no_after_the_debit_returns_it_until_the_contribution_is_logged() {
    for narrows in [false, true] {
        let mut story = six(126);
        story.world.set_tables(3, Tables::After(Span(600_000)));
        let id = ask(&mut story);
        assert!(
            wrote(&story, 3, id, Kind::Debit).is_some() && wrote(&story, 3, id, Kind::Contribution).is_none()
        );
        assert!(wrote(&story, 4, id, Kind::Contribution).is_some());
        assert!(decide(&mut story, 4, id, false).unwrap_err().contains("contribution is logged"));
        if narrows {
            let limits = Limits { purposes: Set::Except(["demo".to_owned()].into()), ..Limits::top() };
            story.world.input(3, Input::Narrow(Some(Box::new(limits))));
        } else {
            decide(&mut story, 3, id, false).unwrap();
        }
        wait(&mut story, Span(5_000));
        let Some(Body::Void { code, .. }) = wrote(&story, 3, id, Kind::Void) else { panic!("no void") };
        assert_eq!((code.as_str(), story.spent(3)), ("veto", 0));
        wait(&mut story, Span(700_000));
        assert_eq!(wrote(&story, 3, id, Kind::Contribution), None, "the late Tally leaves nowhere");
        story.audits_clean(1);
    }
}

#[test]
fn narrower_limits_count_at_once_and_wider_ones_do_not() {
    let mut story = six(127);
    let only = Limits { purposes: Set::only(["another"]), ..Limits::top() };
    story.world.input(3, Input::Narrow(Some(Box::new(only))));
    story.world.input(3, Input::Narrow(Some(Box::new(Limits::top()))));
    story.world.input(4, Input::Narrow(None));
    wait(&mut story, Span(5_000));
    let id = ask(&mut story);
    for site in [3, 4] {
        assert_eq!(verdict(&story, site, id).unwrap(), "purposes member");
    }
    assert_eq!(verdict(&story, 5, id).unwrap(), "yes");
}

fn blob(text: &str) -> Vec<u8> {
    text_blob(&sha256(&[text.as_bytes()]).0, text).unwrap()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks two events out of many")]
fn act(story: &mut Story, site: usize, act: Act, text: Option<Vec<u8>>) -> Result<Ref, String> {
    let command = story.command();
    story.world.input(site, Input::Act { command, act: Box::new(act), text });
    wait(story, Span(5_000));
    let told = story.world.events.iter().find_map(|(_, event)| match event {
        Event::Acted { command: c, at } if *c == command => Some(Ok(at.clone())),
        Event::Denied { command: c, text, .. } if *c == command => Some(Err(text.clone())),
        _ => None,
    });
    told.expect("an answer")
}

fn propose(story: &mut Story, site: usize) -> Ref {
    let query = slow_query(story);
    let draft = sha256(&[&query.question.to_bytes()]);
    let text = blob("a question");
    let charter = story.charters[0].hash();
    let subject = Subject::Question("how-many".into());
    let proposal =
        Act::Proposal { subject, draft, text: sha256(&[&text]), charter, replaces: None, reviewers: vec![] };
    act(story, site, proposal, Some(text)).unwrap()
}

fn object(story: &mut Story, site: usize, about: &Ref) -> Result<Ref, String> {
    let text = blob("it could show our council");
    act(story, site, Act::Objection { about: about.clone(), text: sha256(&[&text]) }, Some(text))
}

fn reply(story: &mut Story, site: usize, objection: &Ref) -> Result<Ref, String> {
    let text = blob("groups of ten and more only");
    act(story, site, Act::Reply { objection: objection.clone(), text: sha256(&[&text]) }, Some(text))
}

/// Seven members, of whom the last, number 6, represents the people affected and has no vote and no data.
fn with_observer(seed: u8) -> Story {
    let mut story = Story::founded(7, seed, |draft| {
        let observer = draft.members.last_mut().unwrap();
        observer.roles = BTreeSet::from([Role::Observer]);
        draft.amend = amend_min(6);
    });
    story.meet();
    story
}

#[test]
fn an_objection_to_its_proposal_holds_a_question_until_it_is_answered() {
    let mut story = with_observer(128);
    let proposal = propose(&mut story, 1);
    // Whoever represents the people affected may object, and neither vote nor answer.
    let objection = object(&mut story, 6, &proposal).unwrap();
    let observer = story.founder(6).id;
    let id = ask(&mut story);
    assert_eq!(verdict(&story, 0, id).unwrap(), "yes", "whoever asks has decided");
    for site in 1..6 {
        let Some(Hold::Objection { by, at }) = held(&story, site)[0].1.clone() else { panic!("{site}") };
        assert_eq!((by, at), (observer.clone(), objection.clone()));
        assert_eq!(verdict(&story, site, id), None);
    }
    assert!(held(&story, 6).is_empty() && decide(&mut story, 6, id, true).is_err());
    // A person may go on all the same; and a restart forgets no objection.
    decide(&mut story, 2, id, true).unwrap();
    story.world.give_charters(3, []);
    wait(&mut story, Span(5_000));
    assert_eq!((verdict(&story, 2, id), verdict(&story, 3, id)), (Some("yes".into()), None));
    assert!(reply(&mut story, 0, &objection).is_err(), "only whoever proposed it answers");
    reply(&mut story, 1, &objection).unwrap();
    assert!((1..6).all(|site| verdict(&story, site, id) == Some("yes".into())));
    assert!(story.finish(id, 6) && story.released(id));
    story.audits_clean(1);
}

#[test]
fn an_objection_to_a_question_holds_whoever_has_not_answered_and_never_beyond_its_time() {
    for answered in [true, false] {
        let mut story = with_observer(129);
        story.world.away = MINUTE;
        story.world.give_charters(3, []);
        let query = slow_query(&story);
        let id = story.ask(0, query).unwrap();
        wait(&mut story, Span(5_000));
        let asked = story.world.member(1).unwrap().fold().round(&id).unwrap().asked().unwrap().at.clone();
        let objection = object(&mut story, 6, &asked).unwrap();
        assert!(object(&mut story, 0, &asked).unwrap_err().contains("our own"));
        wait(&mut story, MINUTE);
        assert!(matches!(held(&story, 3)[..], [(_, Some(Hold::Objection { .. }))]));
        assert_eq!(verdict(&story, 4, id).unwrap(), "yes", "it had answered before");
        if answered {
            assert!(reply(&mut story, 1, &objection).is_err());
            reply(&mut story, 0, &objection).unwrap();
            assert_eq!(verdict(&story, 3, id).unwrap(), "yes");
        }
        wait(&mut story, WINDOW);
        assert!(story.finish(id, 6) && story.released(id));
        assert_eq!(story.spent(3), if answered { LOSS } else { 0 });
        story.audits_clean(1);
    }
}
