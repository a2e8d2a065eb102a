//! What members do beside asking, in a story.

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, QueryId, Span};
use datacoop_protocol::acts::{Act, Done, State, Subject, text_blob};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};

use super::{LOSS, Story};

pub const DAY: Span = Span(86_400_000);

#[expect(clippy::wildcard_enum_match_arm, reason = "it picks two events out of many")]
pub fn told(story: &Story, command: u64) -> Result<Ref, String> {
    let found = story.world.events.iter().find_map(|(_, event)| match event {
        Event::Acted { command: c, at } if *c == command => Some(Ok(at.clone())),
        Event::Denied { command: c, text, .. } if *c == command => Some(Err(text.clone())),
        _ => None,
    });
    found.unwrap()
}

pub fn blob(text: &str) -> Vec<u8> {
    text_blob(&sha256(&[text.as_bytes()]).0, text).unwrap()
}

/// Does something, and lets the others hear of it.
pub fn act(story: &mut Story, site: usize, act: Act, text: Option<Vec<u8>>) -> Result<Ref, String> {
    let command = story.command();
    story.world.input(site, Input::Act { command, act: Box::new(act), text });
    story.world.run_until(story.world.now() + Span(5_000));
    told(story, command)
}

/// Proposes something; of a purpose the first two other members after the first are the reviewers.
pub fn propose(story: &mut Story, site: usize, subject: Subject, draft: Digest) -> Result<Ref, String> {
    let others = (1..4).filter(|other| *other != site && matches!(subject, Subject::Purpose(_)));
    let reviewers = others.take(2).map(|other| member_id(story, other)).collect();
    propose_with(story, site, subject, draft, reviewers)
}

pub fn member_id(story: &Story, site: usize) -> MemberId {
    story.world.member(site).unwrap().me().clone()
}

pub fn propose_with(
    story: &mut Story,
    site: usize,
    subject: Subject,
    draft: Digest,
    reviewers: Vec<MemberId>,
) -> Result<Ref, String> {
    let text = blob(&format!("{draft}"));
    let charter = story.charters.last().unwrap().hash();
    let proposal =
        Act::Proposal { subject, draft, text: sha256(&[&text]), charter, replaces: None, reviewers };
    act(story, site, proposal, Some(text))
}

pub fn object(story: &mut Story, site: usize, about: &Ref, why: &str) -> Result<Ref, String> {
    let text = blob(why);
    act(story, site, Act::Objection { about: about.clone(), text: sha256(&[&text]) }, Some(text))
}

pub fn reply(story: &mut Story, site: usize, objection: &Ref) -> Result<Ref, String> {
    let text = blob("we thought of that");
    act(story, site, Act::Reply { objection: objection.clone(), text: sha256(&[&text]) }, Some(text))
}

pub fn done(story: &Story, at: &Ref) -> Done {
    story.world.member(0).unwrap().fold().acts().get(&at.leaf).unwrap().clone()
}

pub fn state(story: &Story, site: usize, at: &Ref) -> Option<State> {
    let fold = story.world.member(site).unwrap().fold();
    fold.acts().state(fold, fold.acts().get(&at.leaf).unwrap(), story.world.now())
}

/// The first five members sleep.
pub fn sleep(story: &mut Story, span: Span) {
    sleep_of(story, 5, span);
}

/// The first so many members sleep: nothing happens while all do.
pub fn sleep_of(story: &mut Story, members: usize, span: Span) {
    let away = std::mem::replace(&mut story.world.away, span);
    (0..members).for_each(|site| story.world.give_charters(site, []));
    story.world.away = away;
    story.world.run_until(story.world.now() + span);
    story.meet();
}

pub fn ask(story: &mut Story, day: &str) -> Result<QueryId, String> {
    let query = story.query(Mode::FullNoise, LOSS, 5, &format!("2025-09-01..2025-09-{day}"));
    story.ask(0, query).ok_or_else(|| {
        let denied = story.world.events.iter().rev().find_map(|(_, event)| {
            let Event::Denied { rule, text, .. } = event else { return None };
            Some(format!("{rule}: {text}"))
        });
        denied.unwrap()
    })
}
