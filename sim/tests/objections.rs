//! Objections and support that somebody would be rid of, or would make too much of.
//!
//! Claim: an objection holds a draft for its week and until it is answered, by whomever that is handed round, and no
//! longer; support ends with the proposal. What would make it fail: a proposal looked at by itself. Source: CHARTER
//! section 4.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::acts::{DAY, act, ask, blob, done, object, propose, reply, sleep, sleep_of, state};
use common::{LOSS, Story};
use datacoop_policy::charter::Role;
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::acts::{Act, Blocked, OBJECTION_WAITS, State, Subject};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::fold::question_hash;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::Kind;

const DRAFT: Digest = Digest([8; 32]);

/// The next version of the charter, of this text.
fn version(story: &mut Story, site: usize) -> Result<Ref, String> {
    propose(story, site, Subject::Charter("2".into()), DRAFT)
}

fn blocked(story: &Story, at: &Ref) -> Option<Blocked> {
    let fold = story.world.member(0).unwrap().fold();
    fold.acts().blocked(fold, fold.acts().get(&at.leaf).unwrap(), story.world.now())
}

/// Six members with a vote, one without that speaks for those affected, and a helper.
const OBSERVER: usize = 6;
const HELPER: usize = 7;

fn with_helper(seed: u8) -> Story {
    let mut story = Story::founded(8, seed, |draft| {
        draft.members[OBSERVER].roles = [Role::Observer].into();
        draft.members[HELPER].roles = [Role::Helper].into();
        draft.amend = 5;
    });
    story.meet();
    story
}

#[test]
fn taking_a_proposal_back_dodges_no_objection() {
    let mut story = Story::new(5, 110);
    story.meet();
    let at = version(&mut story, 0).unwrap();
    let objection = object(&mut story, 3, &at, "too few cells").unwrap();
    act(&mut story, 0, Act::Withdrawal { proposal: at.clone() }, None).unwrap();
    assert_eq!(state(&story, 2, &at), Some(State::Withdrawn));
    assert!(blocked(&story, &at).is_some_and(|held| held.awaits_answer));
    // Nor does proposing it again, or having it proposed by another.
    let again = version(&mut story, 0).unwrap();
    assert!(blocked(&story, &again).is_some_and(|held| held.awaits_answer && held.objection == objection));
    sleep(&mut story, OBJECTION_WAITS);
    assert!(blocked(&story, &again).is_some_and(|held| held.awaits_answer));
    reply(&mut story, 0, &objection).unwrap();
    assert_eq!(blocked(&story, &again), None, "its week is over, and it is answered");
    // A second word of the same member on the same draft is none.
    object(&mut story, 3, &again, "still too few").unwrap();
    assert_eq!(blocked(&story, &again), None);
    // One of another member is.
    let other = object(&mut story, 4, &again, "we were away").unwrap();
    assert!(blocked(&story, &again).is_some_and(|held| held.awaits_answer && held.objection == other));
    story.audits_clean(2);
}

#[test]
fn two_members_without_a_vote_hold_a_draft_for_a_week_at_most() {
    let mut story = with_helper(111);
    let at = version(&mut story, HELPER).unwrap();
    object(&mut story, OBSERVER, &at, "no").unwrap();
    // Time to hear it, as of any; but the helper need not answer.
    assert!(blocked(&story, &at).is_some_and(|held| !held.awaits_answer && !held.answered));
    sleep_of(&mut story, 8, OBJECTION_WAITS);
    assert_eq!(blocked(&story, &at), None);
    // Once somebody with a vote wants it, somebody with a vote answers.
    act(&mut story, 1, Act::Cosign { proposal: at.clone() }, None).unwrap();
    assert!(blocked(&story, &at).is_some_and(|held| held.awaits_answer));
    story.audits_clean(2);
}

#[test]
fn whoever_proposes_the_same_with_a_vote_answers_for_an_author_that_does_not() {
    let mut story = with_helper(112);
    // One member with a vote is in it.
    let at = version(&mut story, 5).unwrap();
    assert!(version(&mut story, 0).unwrap_err().contains("proposes the same"), "nobody objects to it");
    let objection = object(&mut story, OBSERVER, &at, "no").unwrap();
    sleep_of(&mut story, 8, OBJECTION_WAITS);
    assert!(blocked(&story, &at).is_some_and(|held| held.awaits_answer));
    assert!(reply(&mut story, 0, &objection).unwrap_err().contains("only whoever proposed"));
    assert!(version(&mut story, 5).unwrap_err().contains("proposes the same"), "not its author again");
    // Of no vote, it is no way to answer.
    assert!(version(&mut story, HELPER).unwrap_err().contains("proposes the same"));
    let own = version(&mut story, 0).unwrap();
    assert!(
        blocked(&story, &own).is_some_and(|held| held.awaits_answer),
        "it is the draft that is objected to"
    );
    reply(&mut story, 0, &objection).unwrap();
    assert_eq!((blocked(&story, &own), blocked(&story, &at)), (None, None));
    let fold = story.world.member(0).unwrap().fold();
    let objections = fold.acts().objections(fold, &at, &done(&story, &at).by);
    assert!(objections[0].reply.is_some_and(|reply| reply.by == story.founder(0).id));
    // The two begin again on the other proposal, and get nothing by it.
    object(&mut story, OBSERVER, &own, "no, again").unwrap();
    assert_eq!((blocked(&story, &own), blocked(&story, &at)), (None, None));
    story.audits_clean(2);
}

/// A Query that cites this support by hand, from whoever uses an asker's keys from outside; who accepts it.
fn ask_by_hand(story: &mut Story, asker: usize, day: &str, cosigners: Vec<Ref>) -> usize {
    let mut query = story.query(Mode::FullNoise, LOSS, 5, &format!("2025-09-01..2025-09-{day}"));
    query.cosigners = cosigners;
    story.forge(asker, 0, Body::Query(Box::new(query)));
    story.world.run_until(story.world.now() + Span(10_000));
    let fold = story.world.member(0).unwrap().fold();
    let by = story.founder(asker).id;
    let asked = fold.rounds().values().filter(|round| round.asked().is_some_and(|asked| asked.asker == by));
    let round = asked.max_by_key(|round| round.asked().unwrap().at.index).unwrap();
    let accepts = round.all(Kind::Verdict);
    accepts.filter(|(_, said)| matches!(said.body, Body::Accept { .. })).count()
}

#[test]
fn support_ends_with_the_proposal() {
    let mut story = Story::founded(7, 113, |draft| draft.limits.min_cosigners = 2);
    story.meet();
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-10");
    let draft = question_hash(&query.question);
    let question = || Subject::Question("q".into());
    let first = propose(&mut story, 1, question(), draft).unwrap();
    let support = act(&mut story, 2, Act::Cosign { proposal: first.clone() }, None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 7) && story.released(id));
    // Its keys are used from outside from here on.
    let liar = 6;
    let away = std::mem::replace(&mut story.world.away, Span(400 * DAY.0));
    story.world.give_charters(liar, []);
    story.world.away = away;
    assert_eq!(ask_by_hand(&mut story, liar, "11", vec![first.clone(), support.clone()]), 6);
    sleep_of(&mut story, 6, Span(60 * DAY.0));
    assert!(ask(&mut story, "12").unwrap_err().contains("0 members co-signed"));
    assert_eq!(ask_by_hand(&mut story, liar, "13", vec![first, support]), 0, "sixty days are over");
    // Then it is proposed and supported anew, though it was asked before; and taken back.
    let second = propose(&mut story, 3, question(), draft).unwrap();
    assert_eq!(state(&story, 0, &second), Some(State::Open));
    let support = act(&mut story, 4, Act::Cosign { proposal: second.clone() }, None).unwrap();
    act(&mut story, 3, Act::Withdrawal { proposal: second.clone() }, None).unwrap();
    assert!(ask(&mut story, "15").unwrap_err().contains("0 members co-signed"));
    assert_eq!(ask_by_hand(&mut story, liar, "16", vec![second, support]), 0, "it was taken back");
    story.audits_clean_but(2, Some(liar));
}

/// Whoever shows only later that it had taken its proposal back convicts nobody who had not heard of it.
#[test]
fn a_proposal_that_is_taken_back_in_hindsight_convicts_nobody() {
    let mut story = Story::founded(6, 114, |draft| draft.limits.min_cosigners = 1);
    story.meet();
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-10");
    // Its keys are used from outside from here on.
    let liar = 5;
    let away = std::mem::replace(&mut story.world.away, Span(400 * DAY.0));
    let charter = story.charters[0].hash();
    let text = blob("the question");
    let (subject, draft) = (Subject::Question("q".into()), question_hash(&query.question));
    let text = sha256(&[&text]);
    let proposal = Act::Proposal { subject, draft, text, charter, replaces: None, reviewers: vec![] };
    story.world.give_charters(liar, []);
    story.world.away = away;
    let proposed = story.world.now();
    story.forge(liar, 0, Body::Act(proposal));
    story.world.run_until(story.world.now() + Span(5_000));
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    let fold = story.world.member(0).unwrap().fold();
    let at = fold.acts().proposals().next().unwrap().at.clone();
    let then = Time(proposed.0 + 1_000);
    story.forge_at(then, liar, 0, Body::Act(Act::Withdrawal { proposal: at.clone() }));
    story.world.run_until(story.world.now() + Span(5_000));
    let fold = story.world.member(2).unwrap().fold();
    assert!(fold.acts().on(&at).any(|said| said.time == Time::from_seconds(then.seconds())), "it is here");
    story.audits_clean_but(2, Some(liar));
    assert!(story.wrote(id, 2, Kind::Debit));
}
