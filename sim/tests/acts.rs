//! Members propose, support, object, review, report and restrict. Source: CHARTER sections 3 and 4.

mod common;

use std::sync::Arc;

use common::acts::{DAY, act, ask, blob, done, object, propose, propose_with, reply, sleep, state};
use common::{LOSS, Story};
use datacoop_policy::charter::{LOOSENING_WAITS, Licence, Role};
use datacoop_policy::query::Mode;
use datacoop_policy::{Day, Digest, MemberId, Span, Time};
use datacoop_protocol::acts::{
    Act, Findings, Grade, OBJECTION_WAITS, Outcome, RESTRICTION_HOLDS, State, Subject, Target, blob_text,
    findings_hash, receipt_hash, recipient_hash,
};
use datacoop_protocol::audit::{self, Outcome as AuditOutcome, audit, audit_one};
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::entry::{Body, Entry, Ref};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::Kind;

#[test]
fn a_proposal_is_supported_objected_to_answered_and_adopted() {
    let mut story = Story::new(5, 90);
    story.meet();
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    let charter = Subject::Charter("2".into());
    let parent = story.charters[0].hash();
    let text = blob("the text of version 2");
    let proposal = Act::Proposal {
        subject: charter,
        draft: second.hash(),
        text: sha256(&[&text]),
        charter: parent,
        replaces: None,
        reviewers: vec![],
    };
    let at = act(&mut story, 0, proposal.clone(), Some(text.clone())).unwrap();
    assert_eq!(state(&story, 4, &at), Some(State::Open));
    let hash = done(&story, &at).act.text().unwrap();
    let held = story.world.blob(4, &hash).unwrap();
    assert_eq!(blob_text(&held), Some("the text of version 2"), "everybody reads it");
    assert!(act(&mut story, 1, proposal, Some(text)).unwrap_err().contains("proposes the same"));
    // Support, once each, and not by whoever proposed it.
    for site in [1, 2] {
        act(&mut story, site, Act::Cosign { proposal: at.clone() }, None).unwrap();
    }
    assert!(act(&mut story, 1, Act::Cosign { proposal: at.clone() }, None).unwrap_err().contains("already"));
    assert!(act(&mut story, 0, Act::Cosign { proposal: at.clone() }, None).unwrap_err().contains("our own"));
    let fold = story.world.member(3).unwrap().fold();
    assert_eq!(fold.acts().cosigners(fold, fold.acts().get(&at.leaf).unwrap()).len(), 2);
    let blocked = |story: &Story| {
        let fold = story.world.member(2).unwrap().fold();
        fold.acts().blocked(fold, fold.acts().get(&at.leaf).unwrap(), story.world.now())
    };
    // An objection holds it for a week, and until it is answered.
    assert_eq!(blocked(&story), None);
    let objection = object(&mut story, 3, &at, "too few cells for our council").unwrap();
    assert!(object(&mut story, 3, &at, "again").unwrap_err().contains("already"));
    let made = done(&story, &objection).time;
    assert!(blocked(&story).is_some_and(|held| !held.answered && held.until == made + OBJECTION_WAITS));
    assert!(reply(&mut story, 1, &objection).unwrap_err().contains("only whoever proposed"));
    reply(&mut story, 0, &objection).unwrap();
    assert!(blocked(&story).is_some_and(|held| held.answered));
    sleep(&mut story, OBJECTION_WAITS);
    assert_eq!(blocked(&story), None);
    let late = object(&mut story, 4, &at, "we were away").unwrap();
    sleep(&mut story, Span(2 * OBJECTION_WAITS.0));
    assert!(blocked(&story).is_some_and(|held| !held.answered), "it waits for an answer for ever");
    reply(&mut story, 0, &late).unwrap();
    assert_eq!(blocked(&story), None);
    assert_eq!(state(&story, 2, &at), Some(State::Open));
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    assert_eq!(state(&story, 2, &at), Some(State::Adopted));
    assert!(object(&mut story, 1, &at, "too late").unwrap_err().contains("adopted already"));
    story.audits_clean(2);
}

#[test]
fn a_proposal_goes_stale_and_is_taken_back_by_its_author_alone() {
    let mut story = Story::new(5, 91);
    story.meet();
    let purpose = |id: &str| Subject::Purpose(id.into());
    let first = propose(&mut story, 0, purpose("one"), Digest([1; 32])).unwrap();
    let second = propose(&mut story, 1, purpose("two"), Digest([2; 32])).unwrap();
    let question = propose(&mut story, 2, Subject::Question("q".into()), Digest([3; 32])).unwrap();
    assert!(act(&mut story, 1, Act::Withdrawal { proposal: first.clone() }, None).is_err());
    act(&mut story, 0, Act::Withdrawal { proposal: first.clone() }, None).unwrap();
    assert_eq!(state(&story, 3, &first), Some(State::Withdrawn));
    assert!(act(&mut story, 2, Act::Cosign { proposal: first }, None).unwrap_err().contains("withdrawn"));
    let _ = story.amend(|draft| draft.limits.max_cells = 100);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    assert_eq!(state(&story, 3, &second), Some(State::Stale), "its charter was replaced");
    assert_eq!(state(&story, 3, &question), Some(State::Open), "a question's was not");
    sleep(&mut story, Span(61 * DAY.0));
    assert_eq!(state(&story, 3, &question), Some(State::Stale));
    story.audits_clean(3);
}

/// A member's review of a proposal: what binds it, and what shows it.
fn review(by: usize, at: &Ref, salt: u8, text: &[u8]) -> (Act, Act) {
    let text = sha256(&[text]);
    let findings = Findings { benefit: Grade::Good, harm: Grade::Good, least_data: Grade::Doubtful, text };
    let hash = findings_hash(&datacoop_sim::coop::member_id(by), at, &[salt; 32], &findings);
    let bound = Act::Review { proposal: at.clone(), hash };
    (bound, Act::Opened { proposal: at.clone(), salt: [salt; 32], findings })
}

#[test]
fn a_review_is_blind_until_both_are_bound() {
    let mut story = Story::new(5, 92);
    story.meet();
    let at = propose(&mut story, 0, Subject::Purpose("new".into()), Digest([1; 32])).unwrap();
    let text = blob("it helps, and asks for little");
    let ((bound, shown), (other_bound, other_shown)) = (review(1, &at, 1, &text), review(2, &at, 2, &text));
    let early = act(&mut story, 1, shown.clone(), Some(text.clone())).unwrap_err();
    assert!(early.contains("bound"), "{early}");
    act(&mut story, 1, bound.clone(), None).unwrap();
    // Nobody else makes it show what it found: who is not named reviews nothing, also with a program of its own.
    let uncalled = act(&mut story, 3, bound.clone(), None).unwrap_err();
    assert!(uncalled.contains("and not by us"), "{uncalled}");
    (0..5).filter(|site| *site != 3).for_each(|site| story.forge(3, site, Body::Act(bound.clone())));
    story.world.run_until(story.world.now() + Span(1_000));
    assert!(act(&mut story, 1, shown.clone(), Some(text.clone())).unwrap_err().contains("other reviewer"));
    let reviewed = |story: &Story| {
        let fold = story.world.member(4).unwrap().fold();
        let found = fold.acts().get(&at.leaf).unwrap();
        (fold.acts().reviews(fold, found).len(), fold.acts().is_reviewed(fold, found))
    };
    assert_eq!(reviewed(&story), (1, false));
    act(&mut story, 2, other_bound, None).unwrap();
    assert!(act(&mut story, 1, other_shown.clone(), Some(text.clone())).unwrap_err().contains("bound by"));
    act(&mut story, 1, shown, Some(text.clone())).unwrap();
    assert_eq!(reviewed(&story), (2, false));
    // Also once the proposal is over: what one is bound by is not lost.
    act(&mut story, 0, Act::Withdrawal { proposal: at.clone() }, None).unwrap();
    act(&mut story, 2, other_shown, Some(text)).unwrap();
    assert_eq!(reviewed(&story), (2, true));
    let fold = story.world.member(4).unwrap().fold();
    let reviews = fold.acts().reviews(fold, fold.acts().get(&at.leaf).unwrap());
    assert!(reviews.iter().all(|review| review.opened.is_some_and(|(_, said)| said.harm == Grade::Good)));
}

/// A reviewer that binds itself by the other's hash, and shows what the other then shows, has looked at nothing.
#[test]
fn another_reviewers_words_are_no_review() {
    let mut story = Story::new(5, 99);
    story.meet();
    let at = propose(&mut story, 0, Subject::Purpose("new".into()), Digest([1; 32])).unwrap();
    let text = blob("it helps, and asks for little");
    let (bound, shown) = review(1, &at, 1, &text);
    act(&mut story, 1, bound.clone(), None).unwrap();
    let forge = |story: &mut Story, act: &Act| {
        (0..5).filter(|site| *site != 2).for_each(|site| story.forge(2, site, Body::Act(act.clone())));
        story.world.run_until(story.world.now() + Span(1_000));
    };
    forge(&mut story, &bound);
    act(&mut story, 1, shown.clone(), Some(text)).unwrap();
    forge(&mut story, &shown);
    let fold = story.world.member(4).unwrap().fold();
    let found = fold.acts().get(&at.leaf).unwrap();
    let opened: Vec<bool> = fold.acts().reviews(fold, found).iter().map(|one| one.opened.is_some()).collect();
    assert_eq!((opened, fold.acts().is_reviewed(fold, found)), (vec![true, false], false));
}

#[test]
fn members_of_other_bodies_review_a_purpose() {
    let mut story = Story::founded(11, 98, |draft| {
        draft.members[2].body = draft.members[1].body.clone();
        draft.members[10].roles = [Role::Observer].into();
        draft.amend = 7;
    });
    story.meet();
    let mut named = |site, reviewers: [usize; 2]| {
        let reviewers = reviewers.map(|n| story.founder(n).id.clone()).to_vec();
        let number = u8::try_from(reviewers.len()).unwrap();
        propose_with(&mut story, site, Subject::Purpose("new".into()), Digest([number; 32]), reviewers)
    };
    for (site, reviewers, why) in [
        (0, [0, 3], "of the body that proposes it"),
        (1, [2, 3], "of the body that proposes it"),
        (0, [1, 2], "of the same body as the other"),
        (0, [3, 10], "is no voting member"),
    ] {
        let refused = named(site, reviewers).unwrap_err();
        assert!(refused.contains(why), "{reviewers:?}: {refused}");
    }
    named(0, [1, 3]).unwrap();
    // A proposal made with another program: its own school's review counts for nobody.
    let text = blob("mine");
    let forged = Act::Proposal {
        subject: Subject::Purpose("mine".into()),
        draft: Digest([9; 32]),
        text: sha256(&[&text]),
        charter: story.charters[0].hash(),
        replaces: None,
        reviewers: [2, 3].map(|n| story.founder(n).id.clone()).to_vec(),
    };
    story.forge(1, 3, Body::Act(forged.clone()));
    story.world.run_until(story.world.now() + Span(1_000));
    let fold = story.world.member(3).unwrap().fold();
    let at = fold.acts().proposals().find(|done| done.act == forged).unwrap().at.clone();
    let refused = act(&mut story, 3, review(3, &at, 1, &text).0, None).unwrap_err();
    assert!(refused.contains("nobody reviews it") && refused.contains("body that proposes"), "{refused}");
}

/// No report, no renewal (CHARTER section 4), as A06 sees it.
#[test]
fn a_renewal_by_no_report_is_seen() {
    let mut story = Story::new(5, 99);
    story.meet();
    let text = blob("we moved the breakfast club");
    let report = |purpose: &str| Act::Report {
        purpose: purpose.into(),
        releases: vec![],
        outcome: Outcome::Changed,
        text: sha256(&[&text]),
    };
    let right = act(&mut story, 1, report("demo"), Some(text.clone())).unwrap();
    let wrong = act(&mut story, 1, report("other"), Some(text.clone())).unwrap();
    let found = |story: &Story, leaf: Digest, log: usize, copies: &dyn Fn(&MemberId) -> u64| {
        let mut draft = story.charters[0].fields().clone();
        (draft.version, draft.prev) = (2, Some(draft.hash));
        draft.purposes[0].expires = Day(draft.purposes[0].expires.0 + 1);
        draft.purposes[0].report = Some(leaf);
        let toml = charter_toml(&draft);
        let second = Arc::new(parse_charter(&toml).unwrap());
        let signed = [0, 1, 2, 3].iter().fold(toml, |note, n| {
            sign_charter(&note, Some(&story.charters[0]), &story.founder(*n).keys()).unwrap()
        });
        let note = sha256(&[signed.as_bytes()]);
        let mut fold = Fold::for_audit(vec![story.charters[0].clone(), second.clone()], story.vocabularies());
        let held = story.world.member(0).unwrap().fold();
        for log in held.logs() {
            let copied = usize::try_from(copies(&log.member)).unwrap();
            log.entries().iter().take(copied).for_each(|bytes| drop(fold.append(&log.member, bytes.clone())));
        }
        let member = story.founder(log).id;
        let at = story.world.now();
        let from = at + LOOSENING_WAITS;
        let body = Body::Charter { version: 2, hash: second.hash(), note, from };
        let seq = fold.log(&member).unwrap().size();
        let entry = Entry { at, by: member.clone(), seq, body };
        fold.append(&member, entry.to_bytes().into());
        let blobs = |hash: &Digest| (*hash == note).then(|| signed.clone().into_bytes());
        let report = audit_one(&fold, &member, &blobs).unwrap();
        let check = report.checks.into_iter().find(|check| check.code == "A06").unwrap();
        (check.outcome, check.text)
    };
    let all = |_: &MemberId| u64::MAX;
    let (outcome, text) = found(&story, right.leaf, 0, &all);
    assert_eq!(outcome, AuditOutcome::Pass, "{text}");
    // Whoever signed it did wrong; whoever goes by it is told.
    let (outcome, text) = found(&story, wrong.leaf, 0, &all);
    assert!(outcome == AuditOutcome::Fail && text.contains("about the purpose `other`"), "{text}");
    let (outcome, text) = found(&story, wrong.leaf, 4, &all);
    assert!(outcome == AuditOutcome::Warn && text.contains("about the purpose `other`"), "{text}");
    // Of a report that is nowhere nobody is convicted; where a log is missing nothing is said.
    let (outcome, text) = found(&story, Digest([5; 32]), 0, &all);
    assert!(outcome == AuditOutcome::Warn && text.contains("is in no log here"), "{text}");
    let author = story.founder(1).id;
    let without = |member: &MemberId| if *member == author { 0 } else { u64::MAX };
    assert_eq!(found(&story, right.leaf, 0, &without).0, AuditOutcome::Pass);
}

#[test]
fn who_may_do_what_follows_from_its_role() {
    let mut story = Story::founded(6, 93, |draft| {
        draft.members[4].roles = [Role::Observer].into();
        draft.members[5].roles = [Role::Helper].into();
        draft.amend = 4;
    });
    story.meet();
    let at = propose(&mut story, 5, Subject::Purpose("new".into()), Digest([1; 32])).unwrap();
    // For the people affected: without a vote, with a voice.
    object(&mut story, 4, &at, "nobody asked the pupils").unwrap();
    act(&mut story, 4, Act::Cosign { proposal: at.clone() }, None).unwrap();
    // A helper drafts, never signs.
    assert!(act(&mut story, 5, Act::Cosign { proposal: at.clone() }, None).unwrap_err().contains("voting"));
    assert!(object(&mut story, 5, &at, "no").unwrap_err().contains("voting, observer"));
    let target = Target::Purpose("demo".into());
    for site in [4, 5] {
        let stop = Act::Restriction { target: target.clone() };
        assert!(act(&mut story, site, stop, None).unwrap_err().contains("voting"), "{site}");
    }
    let text = blob("nothing came of it");
    let report = Act::Report {
        purpose: "demo".into(),
        releases: vec![],
        outcome: Outcome::Nothing,
        text: sha256(&[&text]),
    };
    assert!(act(&mut story, 4, report.clone(), Some(text.clone())).is_err());
    assert!(act(&mut story, 1, report.clone(), None).unwrap_err().contains("its own text"));
    assert!(act(&mut story, 1, report.clone(), Some(blob("another"))).unwrap_err().contains("its own text"));
    act(&mut story, 1, report, Some(text)).unwrap();
    // Itself a member suspends whatever its role.
    let own = Target::Member(story.founder(5).id.clone());
    act(&mut story, 5, Act::Restriction { target: own }, None).unwrap();
    let member = story.world.member(0).unwrap();
    let restricted = member.fold().acts().restricted(member.fold(), member.me(), story.world.now());
    assert_eq!(restricted.members, [story.founder(5).id.clone()].into());
    // Whoever forges what it may not do is not heard.
    let forged = Act::Restriction { target: Target::Member(story.founder(0).id.clone()) };
    story.forge(4, 0, Body::Act(forged.clone()));
    story.forge(5, 0, Body::Act(forged));
    story.world.run_until(story.world.now() + Span(1_000));
    let member = story.world.member(0).unwrap();
    let restricted = member.fold().acts().restricted(member.fold(), member.me(), story.world.now());
    assert!(!restricted.members.contains(&story.founder(0).id));
}

#[test]
fn members_of_enough_bodies_stop_a_purpose_for_thirty_days_twice() {
    let mut story = Story::new(5, 94);
    story.meet();
    let stop = Act::Restriction { target: Target::Purpose("demo".into()) };
    act(&mut story, 1, stop.clone(), None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id), "one alone stops nothing");
    assert!(act(&mut story, 1, stop.clone(), None).unwrap_err().contains("still holds"));
    let second = act(&mut story, 2, stop.clone(), None).unwrap();
    assert!(ask(&mut story, "11").unwrap_err().starts_with("purposes"));
    let member = story.world.member(0).unwrap();
    let wanted = member.fold().acts().restrictions(member.fold(), member.me(), story.world.now());
    let [wanted] = wanted.as_slice() else { panic!("{wanted:?}") };
    assert_eq!((wanted.target, wanted.bodies, wanted.by.len()), (&Target::Purpose("demo".into()), 2, 2));
    let first = wanted.by.iter().map(|done| done.time).min().unwrap();
    assert!(first < done(&story, &second).time, "the first word runs out first, and then it is over");
    assert_eq!(wanted.until, Some(first + RESTRICTION_HOLDS));
    sleep(&mut story, Span(31 * DAY.0));
    let id = ask(&mut story, "11").unwrap();
    assert!(story.finish(id, 5) && story.released(id), "it ran out");
    for site in [1, 2] {
        act(&mut story, site, stop.clone(), None).unwrap();
    }
    assert!(ask(&mut story, "12").unwrap_err().starts_with("purposes"));
    sleep(&mut story, Span(31 * DAY.0));
    for site in [1, 2] {
        assert!(act(&mut story, site, stop.clone(), None).unwrap_err().contains("twice"), "{site}");
    }
    let id = ask(&mut story, "12").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean(3);
    // Nor under the next version: what they put in force when is their own word.
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    story.named = second.hash();
    for site in [1, 2] {
        assert!(act(&mut story, site, stop.clone(), None).unwrap_err().contains("within a year"), "{site}");
        story.forge(site, 0, Body::Act(stop.clone()));
    }
    story.world.run_until(story.world.now() + Span(1_000));
    let member = story.world.member(0).unwrap();
    let (fold, now) = (member.fold(), story.world.now());
    let said = fold.acts().all().filter(|done| done.act == stop).count();
    assert_eq!(said, 6, "they are here");
    assert!(fold.acts().restricted(fold, member.me(), now).purposes.is_empty());
}

#[test]
fn a_suspended_member_neither_asks_nor_takes_part() {
    let mut story = Story::new(6, 95);
    story.meet();
    let suspend = |story: &Story, site: usize| Act::Restriction {
        target: Target::Member(story.founder(site).id.clone()),
    };
    // Itself, at once and alone.
    let own = suspend(&story, 5);
    act(&mut story, 5, own, None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    assert!(!story.wrote(id, 5, Kind::Debit) && story.wrote(id, 4, Kind::Debit));
    let asker = suspend(&story, 0);
    act(&mut story, 3, asker.clone(), None).unwrap();
    act(&mut story, 4, asker, None).unwrap();
    assert!(ask(&mut story, "11").unwrap_err().starts_with("asker"));
    story.audits_clean(2);
}

/// Of a trust with several schools, all schools together are one body.
#[test]
fn schools_of_one_body_alone_restrict_nothing() {
    let mut story = Story::founded(10, 96, |draft| {
        draft.members[2].body = draft.members[1].body.clone();
        draft.amend = 7;
    });
    story.meet();
    let stop = Act::Restriction { target: Target::Purpose("demo".into()) };
    act(&mut story, 1, stop.clone(), None).unwrap();
    act(&mut story, 2, stop.clone(), None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 10) && story.released(id));
    act(&mut story, 3, stop, None).unwrap();
    assert!(ask(&mut story, "11").unwrap_err().starts_with("purposes"));
}

#[test]
fn a_question_needs_its_cosigners() {
    let mut story = Story::founded(5, 97, |draft| draft.limits.min_cosigners = 2);
    story.meet();
    assert!(ask(&mut story, "10").unwrap_err().contains("0 members co-signed; 2 are needed"));
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-10");
    let draft = datacoop_protocol::fold::question_hash(&query.question);
    let at = propose(&mut story, 1, Subject::Question("q".into()), draft).unwrap();
    assert!(ask(&mut story, "10").unwrap_err().contains("1 members co-signed"));
    // The asker's own voice is none.
    act(&mut story, 0, Act::Cosign { proposal: at.clone() }, None).unwrap();
    assert!(ask(&mut story, "10").unwrap_err().contains("1 members co-signed"));
    act(&mut story, 2, Act::Cosign { proposal: at.clone() }, None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    assert_eq!(state(&story, 3, &at), Some(State::Adopted));
    story.audits_clean(4);
    // Whoever has the proposer's log no further cannot tell what was co-signed, and blames nobody.
    let proposer = story.founder(1).id;
    let copies = story.copies(4, |id| if *id == proposer { 2 } else { u64::MAX });
    for report in audit(&copies, &|_| None) {
        let verdicts = report.checks.iter().find(|check| check.code == "A07").unwrap();
        assert_ne!(verdicts.outcome, audit::Outcome::Fail, "{}: {}", report.member, verdicts.text);
    }
}

/// Whoever has no vote any more does not keep it by leaving the version that took it out of its log.
#[test]
fn whoever_lost_its_vote_supports_objects_and_restricts_no_more() {
    let mut story = Story::founded(7, 99, |draft| {
        draft.limits.min_cosigners = 1;
        draft.amend = 5;
    });
    story.meet();
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-10");
    let draft = datacoop_protocol::fold::question_hash(&query.question);
    let at = propose(&mut story, 0, Subject::Question("q".into()), draft).unwrap();
    // Its keys are used from outside from here on.
    let liar = 6;
    let away = std::mem::replace(&mut story.world.away, Span(400 * DAY.0));
    story.world.give_charters(liar, []);
    story.world.away = away;
    let second = story.amend(|draft| draft.members[liar].roles = [Role::Auditor].into());
    (0..liar).for_each(|site| story.give_newest(site));
    story.meet();
    sleep(&mut story, Span(15 * DAY.0));
    story.named = second.hash();
    let stop = Act::Restriction { target: Target::Purpose("demo".into()) };
    story.forge(liar, 0, Body::Act(Act::Cosign { proposal: at.clone() }));
    story.forge(liar, 0, Body::Act(Act::Objection { about: at.clone(), text: Digest([7; 32]) }));
    story.forge(liar, 0, Body::Act(stop.clone()));
    story.world.run_until(story.world.now() + Span(5_000));
    act(&mut story, 1, stop, None).unwrap();
    let member = story.world.member(0).unwrap();
    let (fold, acts, now) = (member.fold(), member.fold().acts(), story.world.now());
    assert!(acts.all().any(|said| said.by == story.founder(liar).id), "they are here");
    let proposal = acts.get(&at.leaf).unwrap();
    assert!(acts.cosigners(fold, proposal).is_empty());
    assert!(acts.objections(fold, &at, &proposal.by).is_empty());
    assert!(acts.restricted(fold, member.me(), now).purposes.is_empty());
    assert!(ask(&mut story, "10").unwrap_err().contains("0 members co-signed"));
    act(&mut story, 2, Act::Cosign { proposal: at }, None).unwrap();
    let id = ask(&mut story, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean_but(3, Some(liar));
}

/// Whoever names another's sealed share as the text of an act, or as a charter's note, neither gets it to anybody
/// else nor keeps it from its seat.
#[test]
fn a_sealed_share_is_for_its_seat_whoever_else_names_it() {
    let mut story = Story::new(7, 98);
    story.meet();
    // Its keys are used from outside from here on.
    let liar = 6;
    let away = std::mem::replace(&mut story.world.away, Span(400 * DAY.0));
    story.world.give_charters(liar, []);
    story.world.away = away;
    let query = story.query(Mode::Secure, LOSS, 5, "2025-09-01..2025-09-10");
    let id = story.ask(0, query).unwrap();
    let (author, until) = (3, story.world.now() + Span(60_000));
    let shares = |story: &Story| {
        let member = story.world.member(author).unwrap();
        let round = member.fold().round(&id)?.clone();
        let Body::Contribution { shares, .. } = &round.said(Kind::Contribution, member.me())?.body else {
            panic!("a secure round")
        };
        Some((round.plan()?.committee.clone(), shares.clone()))
    };
    while shares(&story).is_none() && story.world.now() < until {
        story.world.run_until(story.world.now() + Span(1));
    }
    // The seats hear of the names before the shares arrive.
    let (committee, shares) = shares(&story).unwrap();
    let about = Ref { log: "x.example/datacoop/1".into(), index: 0, leaf: Digest([1; 32]) };
    let at = (0..6).find(|site| *site != author && committee.contains(&story.founder(*site).id)).unwrap();
    let place = committee.iter().position(|seat| *seat == story.founder(at).id).unwrap();
    let (share, now) = (shares[place].blob, story.world.now());
    story.forge_at(
        now,
        liar,
        at,
        Body::Charter { version: 2, hash: Digest([9; 32]), note: share, from: now },
    );
    story.world.run_until(now + Span(1));
    story.forge_at(now, liar, at, Body::Act(Act::Objection { about, text: share }));
    assert!(story.finish(id, 6) && story.released(id), "each seat got its shares");
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    let plan = round.plan().unwrap();
    assert_eq!(round.all(Kind::Close).count(), plan.committee.len());
    for site in (2..6).filter(|site| *site != author && *site != at) {
        assert!(story.world.blob(site, &share).is_none(), "{site} holds it");
    }
}

/// Who has a result outside the co-operative stands in the log as a salted hash, under the licence of its purpose.
#[test]
fn a_result_that_is_handed_on_is_counted_and_nobody_is_named() {
    let mut story = Story::new(5, 99);
    story.meet();
    let asked = ask(&mut story, "10").unwrap();
    assert!(story.finish(asked, 5) && story.released(asked), "{:?}", story.faults());
    let fold = story.world.member(0).unwrap().fold();
    let release = fold.round(&asked).unwrap().released().unwrap().0.at.clone();
    let query = fold.round(&asked).unwrap().asked().unwrap().at.clone();
    let licence = Licence::Public1.sha256().parse().unwrap();
    let (one, other) =
        (recipient_hash(&[1; 32], &release.leaf, "A"), recipient_hash(&[2; 32], &release.leaf, "A"));
    assert!(one != other && one != recipient_hash(&[1; 32], &release.leaf, "B"));
    let handed = |to, receipt| Act::Handover { release: release.clone(), licence, to, receipt };
    act(&mut story, 1, handed(one, None), None).unwrap();
    act(&mut story, 1, handed(other, Some(receipt_hash(&[3; 32], "I have it"))), None).unwrap();
    act(&mut story, 2, handed(one, None), None).unwrap();
    // The receipt of the first comes later; and nothing twice.
    let receipt = Some(receipt_hash(&[4; 32], "I have it too"));
    act(&mut story, 1, handed(one, receipt), None).unwrap();
    for again in [handed(one, None), handed(one, receipt), handed(other, None)] {
        assert!(act(&mut story, 1, again, None).unwrap_err().contains("already"));
    }
    // Only of a release, and under its licence.
    let licence_of_members = Licence::Members1.sha256().parse().unwrap();
    let wrong =
        Act::Handover { release: release.clone(), licence: licence_of_members, to: one, receipt: None };
    assert!(act(&mut story, 3, wrong.clone(), None).unwrap_err().contains("under the licence dc-public-1"));
    let no_release = Act::Handover { release: query, licence, to: one, receipt: None };
    assert!(act(&mut story, 3, no_release, None).unwrap_err().contains("is no release here"));
    let made_up = Ref { index: 999, ..release.clone() };
    let nowhere = Act::Handover { release: made_up, licence, to: one, receipt: None };
    assert!(act(&mut story, 3, nowhere, None).unwrap_err().contains("there is no entry"));
    for site in 0..5 {
        let fold = story.world.member(site).unwrap().fold();
        let all = fold.acts().handed(fold, &release, story.world.now());
        let (receipts, none) = (all.iter().filter(|one| one.receipt).count(), Time(0));
        assert_eq!(
            (all.len(), receipts, fold.acts().handed(fold, &release, none).len()),
            (3, 2, 0),
            "{site}"
        );
    }
    story.audits_clean(0);
    // Who writes it all the same fails A10: whoever audits sees another licence, or no release.
    let genesis =
        story.world.member(0).unwrap().fold().log(&story.founder(3).id).unwrap().reference(0).unwrap();
    let none = Act::Handover { release: genesis, licence, to: one, receipt: None };
    for (act, said) in [(wrong, "under the licence dc-public-1"), (none, "what is no release")] {
        let mut fold = story.copies(0, |_| u64::MAX);
        let (id, size) = (story.founder(3).id, fold.log(&story.founder(3).id).unwrap().size());
        let entry = Entry { at: story.world.now(), by: id.clone(), seq: size, body: Body::Act(act) };
        fold.append(&id, entry.to_bytes().into());
        let report = audit_one(&fold, &id, &|_| None).unwrap();
        let check = report.checks.into_iter().find(|check| check.code == "A10").unwrap();
        assert!(check.outcome == AuditOutcome::Fail && check.text.contains(said), "{check:?}");
    }
}
