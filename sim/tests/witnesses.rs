//! Witnesses: who cosigns what, when a head counts as witnessed, and what becomes of a member that signs
//! two histories of its log. Source: LOG section 5.

mod common;

use common::Story;
use datacoop_policy::Span;
use datacoop_policy::charter::name_witnesses;
use datacoop_policy::query::Mode;
use datacoop_protocol::audit::{Notes, Outcome};
use datacoop_protocol::bounds::COSIGN_QUIET;
use datacoop_protocol::entry::Body;
use datacoop_protocol::fold::{Fold, SectionError};
use datacoop_protocol::log::cosignature::{Cosignature, cosignatures, quorum, witness_keys};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::seal::round_keypair;
use datacoop_protocol::wire::{Bytes, Cosigned};
use datacoop_protocol::witness::Witnessed;
use datacoop_sim::audits::{audit, audit_one_with};

const PERIOD: &str = "2025-11-01..2025-11-30";

/// Runs long enough for logs to be quiet, for witnesses to cosign, and for everybody to hear of it.
fn settle(story: &mut Story) {
    story.world.run_until(story.world.now() + COSIGN_QUIET + Span(130_000));
}

#[test]
fn every_member_hears_of_a_quorum_for_every_log_once_logs_are_quiet() {
    let mut story = Story::watched(9, 1);
    story.meet();
    let id = story.ask(1, story.query(Mode::Secure, 5_000_000, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 9));
    settle(&mut story);
    for site in 0..9 {
        let member = story.world.member(site).unwrap();
        for log in member.fold().logs() {
            let (size, note) = member.witnessed().note(log).expect("a witnessed head");
            assert_eq!(size, log.size(), "site {site}, {}", log.origin);
            let checkpoint = Checkpoint { origin: log.origin.clone(), size, root: log.tree().root() };
            let keys = witness_keys(member.fold().charter(), &log.member);
            let found = cosignatures(&note, &checkpoint, &keys).unwrap();
            assert!(found.len() >= quorum(7), "{} of 7", found.len());
        }
    }
    assert_eq!(story.faults(), Vec::<String>::new());
}

/// What a witness cosigned it still knows after a crash, and does not sign again.
#[test]
fn a_witness_remembers_what_it_cosigned() {
    let mut story = Story::watched(5, 2);
    story.meet();
    settle(&mut story);
    let (me, log) = (story.founder(4).id, story.founder(0).id);
    let said = |story: &Story| {
        story
            .world
            .member(4)
            .unwrap()
            .witnessed()
            .said(story.world.member(4).unwrap().fold().log(&log).unwrap(), &me)
            .cloned()
    };
    let before = said(&story).unwrap();
    story.world.crash_before(4, story.world.executed(4) + 1);
    settle(&mut story);
    assert_eq!(said(&story).unwrap(), before);
}

/// Whoever is shown another history writes the proof into its own log; nobody cosigns that history.
#[test]
fn two_histories_become_one_alert_that_everybody_holds() {
    let mut story = Story::watched(5, 3);
    story.meet();
    settle(&mut story);
    story.rewrite(2, 4);
    settle(&mut story);
    let told = story.world.events.iter().filter(|(_, event)| matches!(event, Event::SplitView(_)));
    assert!(told.count() > 0);
    let two = story.founder(2).id;
    for site in 0..5 {
        let member = story.world.member(site).unwrap();
        let (at, evidence) = member.fold().split(&two).expect("the alert reached everybody");
        let log = member.fold().log(&two).unwrap();
        evidence.check(&log.origin, &log.key()).unwrap();
        assert_eq!(*at.log, *member.fold().log(&story.founder(4).id).unwrap().origin);
        for witness in (0..5).filter(|n| *n != 2).map(|n| story.founder(n).id) {
            let said = member.witnessed().said(log, &witness).expect("it cosigned before");
            assert_eq!(log.tree().root_at(said.checkpoint.size), Some(said.checkpoint.root));
        }
    }
}

#[test]
fn who_signed_two_histories_joins_no_round() {
    let mut story = Story::watched(7, 4);
    story.meet();
    story.rewrite(2, 5);
    story.world.run_until(story.world.now() + Span(5_000));
    let asked = story.ask(2, story.query(Mode::Secure, 5_000_000, 5, PERIOD));
    assert_eq!(asked, None, "it may not ask");
    let id = story.ask(1, story.query(Mode::Secure, 5_000_000, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 7));
    assert!(story.released(id), "the others go on");
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    assert!(!round.plan().unwrap().members.contains(&story.founder(2).id));
    let verdict = round.said(Kind::Verdict, &story.founder(2).id);
    let refused = |rule: &str| rule == "two_histories";
    assert!(verdict.is_some_and(|v| matches!(&v.body, Body::Refuse { rule, .. } if refused(rule))));
    assert_eq!(story.spent(2), 0);
    for report in audit(story.world.member(0).unwrap().fold(), &|_| None) {
        assert_eq!(report.passed(), report.member != story.founder(2).id, "{report:#?}");
    }
}

/// Nor if its program accepts all the same.
#[test]
fn who_signed_two_histories_is_put_into_no_roster() {
    let mut story = Story::watched(7, 7);
    story.meet();
    story.world.away = Span(1_000_000);
    story.world.crash_before(2, story.world.executed(2) + 1);
    story.world.run_until(story.world.now() + Span(70_000));
    story.rewrite(2, 5);
    story.world.run_until(story.world.now() + Span(5_000));
    let id = story.ask(1, story.query(Mode::Secure, 5_000_000, 5, PERIOD)).unwrap();
    let hash = datacoop_policy::Digest([3; 32]);
    let round_key = round_keypair(&[4; 32]).1;
    story.forge(2, 1, Body::Accept { query: id, nonce_hash: hash, vk_hash: hash, round_key });
    assert!(story.finish(id, 2));
    let round = story.world.member(1).unwrap().fold().round(&id).unwrap().clone();
    assert!(round.said(Kind::Verdict, &story.founder(2).id).is_some(), "it was heard");
    assert!(!round.plan().unwrap().members.contains(&story.founder(2).id));
    assert!(story.released(id));
}

/// Whoever accuses without proof is the one that an audit fails.
#[test]
fn an_alert_that_proves_nothing_convicts_its_author() {
    let mut story = Story::watched(5, 5);
    story.meet();
    story.rewrite(2, 4);
    story.world.run_until(story.world.now() + Span(5_000));
    let member = story.world.member(0).unwrap();
    let (_, good) = member.fold().split(&story.founder(2).id).unwrap();
    let (mut evidence, log) = (good.clone(), member.fold().log(&story.founder(1).id).unwrap().origin.clone());
    evidence.roots.swap(0, 1);
    story.world.crash_before(3, story.world.executed(3) + 1);
    story.world.away = Span(1_000_000);
    story.world.run_until(story.world.now() + Span(60_000));
    story.forge(3, 0, Body::Split { log, evidence });
    story.world.run_until(story.world.now() + Span(5_000));
    let fold = story.world.member(0).unwrap().fold();
    assert!(fold.split(&story.founder(1).id).is_none());
    for report in audit(fold, &|_| None) {
        let guilty = [2, 3].map(|n| story.founder(n).id);
        assert_eq!(report.passed(), !guilty.contains(&report.member), "{report:#?}");
    }
}

/// A02 and A12 say what heads show: too few lines are a warning, and so is an entry that says another time
/// than its witnesses do.
#[test]
fn an_audit_counts_witnesses_and_holds_clocks_against_theirs() {
    let mut story = Story::watched(5, 8);
    story.meet();
    settle(&mut story);
    story.world.away = Span(100_000_000);
    story.world.crash_before(3, story.world.executed(3) + 1);
    story.world.run_until(story.world.now() + Span(70_000));
    let late = story.world.now() + Span(3_600_000);
    let query = datacoop_policy::Digest([5; 32]);
    story.forge_at(late, 3, 0, Body::Abort { query, code: "window".into() });
    settle(&mut story);
    let member = story.world.member(0).unwrap();
    let outcome = |notes: &Notes, member: &datacoop_policy::MemberId, code: &str| {
        let fold = story.world.member(0).unwrap().fold();
        let report = audit_one_with(fold, member, &|_| None, notes).unwrap();
        let check = report.checks.into_iter().find(|check| check.code == code).unwrap();
        (check.outcome, check.entry)
    };
    let shown = |log| {
        (
            member.fold().log(log).unwrap().member.clone(),
            member.witnessed().shown(member.fold().log(log).unwrap()),
        )
    };
    let (honest, liar) = (story.founder(1).id, story.founder(3).id);
    let notes = Notes::from([shown(&honest), shown(&liar)]);
    assert_eq!(outcome(&notes, &honest, "A02"), (Outcome::Pass, None));
    assert_eq!(outcome(&notes, &honest, "A12"), (Outcome::Pass, None));
    let last = member.fold().log(&liar).unwrap().size() - 1;
    assert_eq!(outcome(&notes, &liar, "A12"), (Outcome::Warn, Some(last)));
    // Of four witnesses three must have cosigned: the log's line and two more are too few.
    let short = |note: &String| note.lines().take(7).map(|line| format!("{line}\n")).collect::<String>();
    let few = Notes::from([(honest.clone(), notes[&honest].iter().map(short).collect())]);
    assert_eq!(outcome(&few, &honest, "A02").0, Outcome::Warn);
    let forged = notes[&honest].iter().map(|note| note.replacen("witness/1 ", "witness/1 A", 1)).collect();
    assert_eq!(outcome(&Notes::from([(honest.clone(), forged)]), &honest, "A02").0, Outcome::Fail);
}

/// With seven witnesses two that lie with the owner cannot have two histories witnessed; three can, and
/// comparing the two heads then proves it.
#[test]
fn two_liars_of_seven_cannot_show_two_histories_and_three_are_found_out() {
    let mut story = Story::watched(8, 6);
    story.meet();
    let charter = story.world.member(0).unwrap().fold().charter().clone();
    let mut members = charter.members().to_vec();
    name_witnesses(&mut members);
    assert_eq!(members, charter.members(), "seven witnesses each");
    let owner = story.founder(0);
    let head_of = |entry: &[u8]| {
        let origin = owner.keys().public().log.name.clone();
        Checkpoint { origin, size: 1, root: leaf_hash(entry) }
    };
    let say = |checkpoint: &Checkpoint, witness: usize| {
        let cosignature = Cosignature::sign(checkpoint, 1, story.founder(witness).keys().witness());
        let head = |n: usize| {
            let name = story.founder(n).keys().public().log.name.clone();
            datacoop_protocol::log::tree::sha256(&[name.as_bytes()]).0
        };
        Cosigned {
            log: head(0),
            witness: head(witness),
            size: 1,
            note: sign_checkpoint(checkpoint, owner.keys().log()),
            time: 1,
            signature: Bytes(cosignature.signature.to_vec()),
        }
    };
    // Of seven witnesses `liars` sign both histories, and each other one that which it was shown.
    for liars in 0..=3_usize {
        let shown = (7 - liars).div_ceil(2);
        let mut witnessed = 0;
        for (entry, honest) in [(b"a", 1..=shown), (b"b", shown + 1..=7 - liars)] {
            let mut fold = Fold::new(charter.clone(), story.vocabularies());
            fold.append(&owner.id, entry.as_slice().into());
            let mut heard = Witnessed::new(std::slice::from_ref(&charter), &owner.id);
            let head = head_of(entry);
            for witness in honest.chain(8 - liars..=7) {
                assert_eq!(heard.take(&fold, &say(&head, witness)), Ok(true));
            }
            witnessed += usize::from(heard.note(fold.log(&owner.id).unwrap()).is_some());
        }
        assert_eq!(witnessed == 2, liars >= 3, "{liars} liars");
    }
    // Whoever holds one history is shown the other's head.
    let mut fold = Fold::new(charter.clone(), story.vocabularies());
    fold.append(&owner.id, b"a".as_slice().into());
    fold.set_note(&owner.id, 1, sign_checkpoint(&head_of(b"a"), owner.keys().log()));
    let told = Witnessed::new(std::slice::from_ref(&charter), &owner.id).take(&fold, &say(&head_of(b"b"), 7));
    let Err(SectionError::SplitView(split)) = told else { panic!("{told:?}") };
    let log = fold.log(&owner.id).unwrap();
    split.evidence.check(&log.origin, &log.key()).unwrap();
}
