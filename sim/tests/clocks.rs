//! A member whose clock is off, and members who lie about theirs.
//!
//! Claim: a clock that is more than ten minutes off most others' answers and asks nothing, whichever way; one
//! that is less off, one that slept, and one beside few liars go on. Source: CHARTER section 3.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::acts::{act, object, propose, reply};
use common::{LOSS, PERIOD, Story};
use datacoop_policy::charter::{CharterDraft, Role, amend_min, name_witnesses};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, QueryId, Span, Time};
use datacoop_protocol::acts::{Act, Subject, Target};
use datacoop_protocol::clocks::Off;
use datacoop_protocol::entry::{Body, QueryBody};
use datacoop_protocol::fold::question_hash;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::rounds::Kind;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// What was said is heard by then, and said to be, and nobody has said a word for hours.
const SILENCE: Span = Span(4 * 3_600_000);
/// In which the logs that were begun are quiet, and cosigned.
const QUIET: Span = Span(90_000);

/// Members of which some have another time than the world, from the start on.
fn story(members: usize, seed: u8, ahead: &[(usize, i64)]) -> Story {
    let mut story = Story::watched(members, seed);
    for (site, ahead) in ahead {
        story.world.set_clock(*site, *ahead);
    }
    wait(&mut story, QUIET);
    story
}

fn wait(story: &mut Story, span: Span) {
    story.world.run_until(story.world.now() + span);
}

/// A question with windows of two hours.
fn ask(story: &mut Story, site: usize) -> Option<QueryId> {
    let query = story.query(Mode::FullNoise, LOSS, 5, PERIOD);
    let hours = |n: u64| Time(query.join_by.0 + n * 7_200_000);
    let query = QueryBody { join_by: hours(1), contribute_by: hours(2), close_by: hours(3), ..query };
    let id = story.ask(site, query);
    wait(story, QUIET);
    id
}

fn off(story: &Story, site: usize) -> Option<Off> {
    story.world.member(site).unwrap().clock_off().map(|found| found.off)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a verdict is one of two")]
fn verdict(story: &Story, site: usize, id: QueryId) -> String {
    let member = story.world.member(site).unwrap();
    let said = member.fold().round(&id).and_then(|round| round.said(Kind::Verdict, member.me()));
    said.map_or_else(
        || "nothing".to_owned(),
        |said| match &said.body {
            Body::Accept { .. } => "yes".to_owned(),
            Body::Refuse { rule, layer, .. } => format!("{rule} {layer}"),
            other => panic!("{other:?}"),
        },
    )
}

#[test]
fn a_clock_more_than_ten_minutes_off_answers_and_asks_nothing_and_one_of_nine_does() {
    for (seed, ahead, expected) in [
        // Its others' last words are some minutes old by then, and say the less.
        (140, -15 * MINUTE, Some(Off::Slow)),
        (141, 11 * MINUTE, Some(Off::Fast)),
        (142, -9 * MINUTE, None),
        (143, 9 * MINUTE, None),
    ] {
        let mut story = story(6, seed, &[(3, ahead)]);
        assert_eq!(off(&story, 3), expected, "{ahead}");
        assert!([0, 1, 2, 4, 5].iter().all(|site| off(&story, *site).is_none()), "{ahead}");
        if expected.is_some() {
            assert_eq!(ask(&mut story, 3), None);
            let denied = |event: &Event| matches!(event, Event::Denied { rule: "clock", text, .. } if text.contains(" minutes "));
            assert!(story.world.events.iter().any(|(_, event)| denied(event)));
        }
        let id = ask(&mut story, 0).unwrap();
        let said = if expected.is_some() { "clock member" } else { "yes" };
        assert_eq!(verdict(&story, 3, id), said, "{ahead}");
        assert_eq!(verdict(&story, 4, id), "yes");
        assert_eq!(story.spent(3), if expected.is_some() { 0 } else { LOSS });
        story.audits_clean(1);
        if expected.is_some() {
            // It is set right, and the node started again: nothing of before holds it.
            story.world.set_clock(3, 0);
            story.world.give_charters(3, []);
            wait(&mut story, Span(5_000));
            assert_eq!(off(&story, 3), None, "{ahead}");
        }
    }
}

/// What a member slept through is old, and says nothing about clocks.
#[test]
fn no_sleep_makes_a_clock_wrong() {
    let mut story = story(5, 144, &[]);
    for away in [DAY.unsigned_abs(), 3 * DAY.unsigned_abs()] {
        story.world.away = Span(away);
        story.world.give_charters(3, []);
        wait(&mut story, Span(away));
        wait(&mut story, QUIET);
        assert!((0..5).all(|site| off(&story, site).is_none()), "{away}");
    }
    let id = ask(&mut story, 0).unwrap();
    assert!((0..5).all(|site| verdict(&story, site, id) == "yes"));
}

/// Five members vote, and a trust has six schools without a vote beside them.
fn beside_a_trust(draft: &mut CharterDraft) {
    for member in &mut draft.members[5..] {
        (member.body, member.roles) = ("Hill Trust".into(), [Role::Coordinator].into());
    }
    draft.amend = amend_min(5);
    name_witnesses(&mut draft.members);
}

/// However many members one body has, it stops nobody by its clocks.
#[test]
fn the_many_members_of_one_body_stop_nobody() {
    for (seed, ahead) in [(148, 3 * DAY), (149, -3 * DAY)] {
        let mut story = Story::founded(11, seed, beside_a_trust);
        (5..11).for_each(|site| story.world.set_clock(site, ahead));
        wait(&mut story, QUIET);
        // Of the last that votes six of seven witnesses are the trust's.
        let own = story.charters[0].members()[4].witnesses.clone();
        assert_eq!(story.charters[0].bodies(&own).len(), 2);
        let stopped: Vec<usize> = (0..5).filter(|site| off(&story, *site).is_some()).collect();
        assert_eq!(stopped, [0; 0], "{ahead}");
        assert!((5..11).all(|site| off(&story, site).is_some()), "{ahead}");
    }
}

/// Two of seven may lie; they stop nobody, whatever they date, and themselves.
#[test]
fn few_liars_stop_nobody_and_most_do() {
    for (seed, ahead) in [(145, 3 * DAY), (146, -3 * DAY)] {
        let mut story = story(7, seed, &[(2, ahead), (5, ahead)]);
        let honest = [0, 1, 3, 4, 6];
        assert!(honest.iter().all(|site| off(&story, *site).is_none()), "{ahead}");
        assert!([2, 5].iter().all(|site| off(&story, *site).is_some()), "{ahead}");
        let id = ask(&mut story, 0).unwrap();
        assert!(honest.iter().all(|site| verdict(&story, *site, id) == "yes"), "{ahead}");
    }
    // Whoever most others contradict cannot tell that they are wrong.
    let far = [(0, DAY), (1, DAY), (2, DAY), (5, DAY), (6, DAY)];
    let story = story(7, 147, &far);
    assert_eq!((off(&story, 3), off(&story, 4)), (Some(Off::Slow), Some(Off::Slow)));
    assert!([0, 1, 2, 5, 6].iter().all(|site| off(&story, *site).is_none()));
}

/// A clock that was a year ahead and is set right is followed by the program that runs: its timers are due again,
/// and it answers.
#[test]
fn a_clock_that_comes_back_from_next_year_is_followed_without_a_start() {
    let mut story = story(6, 150, &[]);
    story.world.set_clock(3, 365 * DAY);
    wait(&mut story, Span(3_600_000));
    let due = |story: &Story| story.world.member(3).unwrap().poll_timeout().unwrap().0;
    assert!(due(&story) > story.world.now() + Span(300 * 86_400_000), "its clock was not ahead");
    story.world.set_clock(3, 0);
    wait(&mut story, QUIET);
    all_speak(&mut story, 5);
    assert!(due(&story) < story.world.now() + Span(3_600_000));
    let id = ask(&mut story, 0).unwrap();
    assert_eq!(verdict(&story, 3, id), "yes");
}

/// A running clock that is set back beside the others' takes no deadline back.
#[test]
fn a_clock_that_is_set_back_from_the_right_time_is_not_followed() {
    let mut story = story(6, 151, &[]);
    let before = story.world.now();
    story.world.set_clock(3, -DAY);
    wait(&mut story, QUIET);
    let (due, _) = story.world.member(3).unwrap().poll_timeout().unwrap();
    assert!(due > before, "its time went back");
}

/// One says something, and the others that they hold it.
fn all_speak(story: &mut Story, draft: u8) {
    propose(story, 0, Subject::Charter("2".into()), Digest([draft; 32])).unwrap();
    wait(story, QUIET);
}

fn due(story: &Story, site: usize) -> Time {
    story.world.member(site).unwrap().poll_timeout().unwrap().0
}

/// That nobody has spoken for long is no reason to take a deadline back.
#[test]
fn a_clock_that_is_set_back_while_others_are_silent_is_not_followed() {
    let mut story = story(6, 152, &[]);
    all_speak(&mut story, 1);
    wait(&mut story, SILENCE);
    let before = story.world.now();
    story.world.set_clock(3, -90 * MINUTE);
    wait(&mut story, QUIET);
    assert!(due(&story, 3) > before, "its time went back");
}

/// Nor is it one to a time at which they had just spoken: what they said before tells nothing of it.
#[test]
fn a_clock_that_is_set_back_to_the_last_words_of_others_is_not_followed() {
    let mut story = story(6, 157, &[]);
    all_speak(&mut story, 6);
    wait(&mut story, SILENCE);
    let near = |story: &Story, at: Time| due(story, 3) + Span(HOUR.unsigned_abs()) > at;
    let before = story.world.now();
    story.world.set_clock(3, -(4 * HOUR - 10 * MINUTE));
    wait(&mut story, QUIET);
    assert!(near(&story, before), "its time went back");
    // They speak, and say that it is slow.
    all_speak(&mut story, 7);
    assert!(near(&story, before), "its time went back");
    assert_eq!(off(&story, 3), None, "its time stays what it was");
}

/// One that was ahead while others were silent is followed once they speak.
#[test]
fn a_clock_that_comes_back_while_others_are_silent_is_followed_once_they_speak() {
    let mut story = story(6, 153, &[]);
    all_speak(&mut story, 2);
    wait(&mut story, SILENCE);
    story.world.set_clock(3, DAY);
    wait(&mut story, QUIET);
    story.world.set_clock(3, 0);
    wait(&mut story, QUIET);
    assert!(due(&story, 3) > story.world.now() + Span(20 * HOUR.unsigned_abs()), "it had no reason yet");
    all_speak(&mut story, 3);
    assert!(due(&story, 3) < story.world.now() + Span(2 * HOUR.unsigned_abs()));
    let id = ask(&mut story, 1).unwrap();
    assert_eq!(verdict(&story, 3, id), "yes");
}

/// Ahead by so much while the member does something, and then set right.
fn while_ahead<T>(story: &mut Story, site: usize, ahead: i64, does: impl FnOnce(&mut Story) -> T) -> T {
    story.world.set_clock(site, ahead);
    wait(story, QUIET);
    let done = does(story);
    wait(story, QUIET);
    story.world.set_clock(site, 0);
    wait(story, QUIET);
    done
}

/// A member's own no holds whatever its clock did; others hear it said again.
#[test]
fn a_pause_from_next_year_holds_for_whoever_said_it_and_is_said_again_for_the_others() {
    let mut story = story(6, 154, &[]);
    let own = Act::Restriction { target: Target::Member(story.founder(3).id.clone()) };
    while_ahead(&mut story, 3, 400 * DAY, |story| act(story, 3, own.clone(), None)).unwrap();
    let id = ask(&mut story, 0).unwrap();
    assert_ne!(verdict(&story, 3, id), "yes", "it had paused itself");
    let paused_at = |story: &Story, site: usize, now: Time| {
        let member = story.world.member(site).unwrap();
        member.fold().acts().restricted(member.fold(), member.me(), now).members
    };
    let paused = |story: &Story| paused_at(story, 0, story.world.now());
    assert!(paused(&story).is_empty(), "to the others it is not said yet");
    act(&mut story, 3, own.clone(), None).unwrap();
    assert_eq!(paused(&story), [story.founder(3).id].into());
    // It holds for 30 days from what was said last: for nobody again when the other date comes.
    let days = |n: i64| story.world.now() + Span((n * DAY).unsigned_abs());
    for site in [0, 3] {
        for (day, holds) in [(0, true), (29, true), (31, false), (401, false)] {
            assert_eq!(!paused_at(&story, site, days(day)).is_empty(), holds, "{site}, day {day}");
        }
    }
    assert!(act(&mut story, 3, own, None).unwrap_err().contains("still holds"));
    story.audits_clean(1);
}

#[test]
fn an_objection_from_the_future_holds_until_it_is_answered() {
    let mut story = story(6, 155, &[]);
    let draft = Digest([8; 32]);
    let at = propose(&mut story, 0, Subject::Charter("2".into()), draft).unwrap();
    let query = story.query(Mode::FullNoise, LOSS, 5, PERIOD);
    let asked =
        propose(&mut story, 1, Subject::Question("q".into()), question_hash(&query.question)).unwrap();
    let said = while_ahead(&mut story, 3, 20 * DAY, |story| {
        object(story, 3, &asked, "we do not").unwrap();
        object(story, 3, &at, "we do not").unwrap()
    });
    let blocked = |story: &Story, site: usize| {
        let fold = story.world.member(site).unwrap().fold();
        fold.acts().blocked(fold, fold.acts().get(&at.leaf).unwrap(), story.world.now())
    };
    for site in [0, 3] {
        assert!(blocked(&story, site).is_some_and(|held| held.awaits_answer && held.objection == said));
    }
    reply(&mut story, 0, &said).unwrap();
    assert_eq!(blocked(&story, 0), None, "it was answered, and its week is not now");
    let id = ask(&mut story, 0).unwrap();
    assert!((1..6).all(|site| verdict(&story, site, id) == "nothing"), "somebody objects to the question");
    story.audits_clean(2);
}

/// What a member said of others' logs by a clock that was ahead does not silence it until then.
#[test]
fn a_member_that_was_ahead_says_what_it_holds_at_once() {
    let mut story = story(6, 156, &[]);
    let spoke = |story: &Story| {
        let member = story.world.member(3).unwrap();
        member.fold().said_heads().spoke(member.me()).unwrap()
    };
    while_ahead(&mut story, 3, 365 * DAY, |story| {
        assert!(spoke(story) > story.world.now() + Span(300 * DAY.unsigned_abs()), "it said nothing");
    });
    all_speak(&mut story, 4);
    wait(&mut story, Span(2 * 3_600_000));
    assert!(spoke(&story) <= story.world.now(), "it is silent for a year");
}
