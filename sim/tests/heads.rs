//! What members say of each other's logs: `head` entries. Source: LOG section 5.
//!
//! Claim: an hour after somebody wrote something, every log names the heads of the others; nobody writes for ever
//! about what others say of it; and such an entry convicts nobody. What would make it fail: entries that beget
//! entries, or an audit that fails a member for what another says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId, Span};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::bounds::{HEAD_EVERY, UNRESPONSIVE_AFTER};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_sim::audits::audit_one_with;

const HOUR: Span = HEAD_EVERY;
/// In which a pull brings what no push did.
const SOON: Span = Span(130_000);

fn rest(story: &mut Story, time: Span) {
    story.world.run_until(story.world.now() + time);
}

/// All `head` entries of a member's log, as another one holds it.
fn heads(fold: &Fold, story: &Story, site: usize) -> Vec<(Entry, Vec<Checkpoint>)> {
    let log = fold.log(&story.founder(site).id).unwrap();
    let entries = log.entries().iter().map(|bytes| Entry::parse(bytes).unwrap());
    let heads = entries.filter_map(|entry| {
        let Body::Head { heads } = entry.body.clone() else { return None };
        Some((entry, heads))
    });
    heads.collect()
}

fn held(story: &Story, site: usize) -> &Fold {
    story.world.member(site).unwrap().fold()
}

fn sizes(story: &Story) -> Vec<u64> {
    held(story, 0).logs().map(datacoop_protocol::fold::Log::size).collect()
}

/// Genesis and charter are something to write about, once; what is written about them is not.
#[test]
fn an_idle_cooperative_says_its_heads_once_and_never_again() {
    let mut story = Story::new(5, 91);
    story.meet();
    rest(&mut story, Span(HOUR.0 - 60_000));
    assert_eq!(sizes(&story), [2; 5], "not within the first hour");
    rest(&mut story, Span(60_000 + SOON.0));
    assert_eq!(sizes(&story), [3; 5]);
    for site in 0..5 {
        let said = heads(held(&story, 0), &story, site);
        let [(_, said)] = &said[..] else { panic!("one entry") };
        assert_eq!(said.len(), 4, "of each other member");
        for head in said {
            let other = held(&story, 0).member_by_origin(&head.origin).unwrap();
            assert_ne!(*other, story.founder(site).id);
            let tree = held(&story, 0).log(other).unwrap().tree();
            assert!(head.size >= 2 && tree.root_at(head.size) == Some(head.root));
        }
    }
    rest(&mut story, Span(4 * HOUR.0));
    assert_eq!(sizes(&story), [3; 5], "nobody writes about what others wrote about it");
    story.audits_clean(0);
}

#[test]
fn a_head_is_said_at_most_once_an_hour_and_after_a_restart_as_before() {
    let mut story = Story::new(5, 92);
    story.meet();
    rest(&mut story, Span(HOUR.0 + SOON.0));
    for away in [500, 100_000] {
        let id = story.ask(1, story.query(Mode::Secure, LOSS, 5, PERIOD));
        assert!(id.is_none() || story.finish(id.unwrap(), 5));
        story.world.away = Span(away);
        story.world.crash_before(4, story.world.executed(4) + 1);
        rest(&mut story, Span(HOUR.0 / 2));
    }
    rest(&mut story, Span(2 * HOUR.0));
    for site in 0..5 {
        let said = heads(held(&story, 0), &story, site);
        assert_eq!(said.len(), 2, "one for the beginning, one for the round");
        assert!(said.windows(2).all(|two| two[0].0.at + HOUR <= two[1].0.at), "{said:?}");
        let begun =
            Entry::parse(&held(&story, 0).log(&story.founder(site).id).unwrap().entries()[0]).unwrap();
        assert!(begun.at + HOUR <= said[0].0.at);
    }
    story.audits_clean(0);
}

/// Forged claims: one of another root, one of entries that nobody has. Each is held against every copy, in
/// whatever order logs come, is a warning that names who said it, and convicts nobody.
#[test]
fn a_head_that_differs_is_a_warning_and_convicts_nobody() {
    let mut story = Story::new(5, 93);
    story.meet();
    story.world.away = Span(1_000_000_000);
    story.world.crash_before(3, story.world.executed(3) + 1);
    rest(&mut story, Span(70_000));
    let claim = |site: usize, size: u64| {
        let origin = story.founder(site).keys().public().log.name.clone();
        Checkpoint { origin, size, root: Digest([9; 32]) }
    };
    let (differing, ahead) = (claim(1, 2), claim(2, 900));
    story.forge(3, 0, Body::Head { heads: vec![differing.clone(), ahead] });
    rest(&mut story, Span(5_000));
    let (liar, one, two) = (story.founder(3), story.founder(1), story.founder(2));
    let suspected = |story: &Story| {
        let all = story.world.member(0).unwrap().unresponsive();
        all.map(|(id, claim)| (id.clone(), claim.by.clone())).collect::<Vec<_>>()
    };
    assert_eq!(suspected(&story), [], "it has a day");
    rest(&mut story, Span(UNRESPONSIVE_AFTER.0 + SOON.0));
    assert_eq!(suspected(&story), [(one.id.clone(), liar.id.clone()), (two.id.clone(), liar.id.clone())]);
    let fold = held(&story, 0);
    let said = fold.said_heads();
    let log = |member: &MemberId| &*fold.log(member).unwrap().origin;
    assert_eq!(
        said.differing(log(&one.id)).map(|claim| (&claim.by, claim.size)).collect::<Vec<_>>(),
        [(&liar.id, 2)]
    );
    assert_eq!(
        said.ahead(log(&two.id)).map(|claim| (&claim.by, claim.size)).collect::<Vec<_>>(),
        [(&liar.id, 900)]
    );
    assert!(fold.split(&one.id).is_none(), "it is no proof");
    story.audits_clean(0);

    // In the other order: the claims before the logs that they are about.
    let mut other = Fold::new(fold.charter().clone(), story.vocabularies());
    for member in [&liar.id, &one.id, &two.id] {
        let entries = fold.log(member).unwrap().entries().to_vec();
        entries.into_iter().for_each(|entry| drop(other.append(member, entry)));
    }
    for member in [&one.id, &two.id] {
        assert!(other.said_heads().differing(log(member)).eq(said.differing(log(member))));
        assert!(other.said_heads().ahead(log(member)).eq(said.ahead(log(member))));
    }

    let history = |notes: &[String]| {
        let notes = [(one.id.clone(), notes.to_vec())].into();
        let report = audit_one_with(fold, &one.id, &|_| None, &notes).unwrap();
        report.checks.into_iter().find(|check| check.code == "A04").unwrap()
    };
    let check = history(&[]);
    assert_eq!((check.outcome, check.entry), (Outcome::Warn, Some(1)));
    assert!(check.text.contains(&liar.keys().public().log.name), "{}", check.text);
    // With a note of the log's own key beside it, it is another matter.
    let signed = sign_checkpoint(&differing, one.keys().log());
    assert_eq!(history(&[signed]).outcome, Outcome::Fail);
    let report = audit_one_with(fold, &two.id, &|_| None, &[].into()).unwrap();
    let check = report.checks.into_iter().find(|check| check.code == "A04").unwrap();
    assert!(check.outcome == Outcome::Warn && check.text.contains("says that 900 entries"), "{}", check.text);
}
