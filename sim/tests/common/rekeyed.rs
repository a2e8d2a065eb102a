//! A co-operative in which the keys of one member are replaced.

use std::sync::Arc;

use datacoop_policy::QueryId;
use datacoop_policy::Span;
use datacoop_policy::charter::{Charter, name_witnesses};
use datacoop_policy::query::Mode;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::member::port::Event;

use super::{LOSS, PERIOD, Story};

pub const DAY: Span = Span(86_400_000);
/// Whose keys are replaced.
pub const SITE: usize = 3;
pub const MEMBERS: usize = 6;
/// Its next identity.
pub const NEXT: [u8; 32] = [77; 32];

pub fn wait(story: &mut Story, span: Span) {
    story.world.run_until(story.world.now() + span);
}

/// A while that all members but one sleep through.
pub fn sleep(story: &mut Story, span: Span, but: Option<usize>) {
    let away = std::mem::replace(&mut story.world.away, span);
    (0..MEMBERS).filter(|site| Some(*site) != but).for_each(|site| story.world.give_charters(site, []));
    story.world.away = away;
    wait(story, span);
    story.meet();
}

pub fn next_keys(story: &Story) -> Keys {
    let mut founder = story.founder(SITE);
    founder.later.push(NEXT);
    founder.later_keys().pop().unwrap()
}

/// A version that replaces the member's keys; the member holds the new ones too.
pub fn replace(story: &mut Story) -> Arc<Charter> {
    let keys = next_keys(story).public().clone();
    story.world.give_identity(SITE, NEXT);
    story.amend(|draft| draft.members[SITE].keys = keys.clone())
}

/// A story in which everybody debited once, and a version that replaces the keys of one is held by all.
pub fn begun(seed: u8, rho_year: u64) -> Story {
    begun_with(seed, rho_year, |_| ())
}

/// As `begun`, in a world that is prepared first.
pub fn begun_with(seed: u8, rho_year: u64, prepare: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::founded(MEMBERS, seed, |draft| {
        name_witnesses(&mut draft.members);
        draft.limits.rho_year = datacoop_policy::PrivacyLoss::from_nano(rho_year);
    });
    story.world.asks_first = true;
    prepare(&mut story);
    story.meet();
    let id = story.ask(0, story.query(Mode::FullNoise, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(id, MEMBERS) && story.released(id), "{:?}", story.faults());
    replace(&mut story);
    (0..MEMBERS).for_each(|site| story.give_newest(site));
    story.meet();
    story
}

/// As `begun`, and the version acts.
pub fn replaced(seed: u8, rho_year: u64) -> Story {
    let mut story = begun(seed, rho_year);
    come_into_force(&mut story);
    story
}

/// The version that replaces the keys acts.
pub fn come_into_force(story: &mut Story) {
    sleep(story, Span(14 * DAY.0 - 60_000), None);
    wait(story, Span(600_000));
    story.named = story.charters.last().unwrap().hash();
}

pub fn ask(story: &mut Story, site: usize, day: &str) -> Result<QueryId, &'static str> {
    let query = story.query(Mode::FullNoise, LOSS, 5, &format!("2025-09-01..2025-09-{day}"));
    story.ask(site, query).ok_or_else(|| {
        let told = story.world.events.iter().rev();
        let mut denied = told
            .filter_map(|(_, event)| if let Event::Denied { rule, .. } = event { Some(*rule) } else { None });
        denied.next().unwrap()
    })
}

pub fn fold(story: &Story, site: usize) -> &Fold {
    story.world.member(site).unwrap().fold()
}

pub fn sizes(story: &Story, site: usize) -> Vec<u64> {
    fold(story, site).logs_of(&story.founder(SITE).id).iter().map(|log| log.size()).collect()
}
