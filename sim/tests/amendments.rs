//! Members change their charter while they ask and answer. Source: CHARTER section 3, C5, C10, F18.

mod common;

use common::{LOSS, Story};
use datacoop_policy::charter::{NOTICE_DAYS, Role, amend_min, name_witnesses};
use datacoop_policy::query::Mode;
use datacoop_policy::{Day, Digest, QueryId, Span};
use datacoop_protocol::acts::{Act, Subject, Target, text_blob};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::Kind;
use datacoop_sim::audits::audit_one;

const DAY: Span = Span(86_400_000);

fn wait(story: &mut Story, span: Span) {
    let until = story.world.now() + span;
    story.world.run_until(until);
}

/// Days that all members sleep through: nothing happens in them.
fn sleep(story: &mut Story, sites: &[usize], span: Span) {
    let away = std::mem::replace(&mut story.world.away, span);
    sites.iter().for_each(|site| story.world.give_charters(*site, []));
    story.world.away = away;
    wait(story, span);
    story.meet();
}

/// Asks, naming this version; the question's id, or the rule that refuses it at the asker.
fn ask(story: &mut Story, named: Digest, day: &str) -> Result<QueryId, &'static str> {
    story.named = named;
    let query = story.query(Mode::FullNoise, LOSS, 5, &format!("2025-09-01..2025-09-{day}"));
    story.ask(0, query).ok_or_else(|| {
        let denied =
            story.world.events.iter().rev().find_map(|(_, event)| {
                if let Event::Denied { rule, .. } = event { Some(*rule) } else { None }
            });
        denied.expect("a denial")
    })
}

#[test]
fn a_tightening_acts_as_soon_as_it_is_held() {
    let mut story = Story::new(5, 60);
    story.meet();
    let first = story.charters[0].hash();
    let id = ask(&mut story, first, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    assert_eq!(ask(&mut story, first, "11"), Err("charter_version"));
    let id = ask(&mut story, second.hash(), "12").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean(0);
}

#[test]
fn a_loosening_acts_a_fortnight_after_it_was_first_held() {
    let mut story = Story::new(5, 61);
    story.meet();
    let first = story.charters[0].hash();
    // Dated back, which gains nothing.
    let second = story.amend(|draft| draft.restrict = 3);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    assert_eq!(ask(&mut story, second.hash(), "10"), Err("charter_version"));
    let id = ask(&mut story, first, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id), "the first holds meanwhile");
    sleep(&mut story, &[0, 1, 2, 3, 4], Span(13 * DAY.0));
    assert_eq!(ask(&mut story, second.hash(), "11"), Err("charter_version"));
    sleep(&mut story, &[0, 1, 2, 3, 4], DAY);
    assert_eq!(ask(&mut story, first, "11"), Err("charter_version"));
    let id = ask(&mut story, second.hash(), "11").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean(3);
    // A tightening of a loosening that waits waits with it: it holds what the other loosens.
    let third = story.amend(|draft| draft.restrict = 4);
    let fourth = story.amend(|draft| draft.limits.max_cells = 50);
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    assert_eq!(ask(&mut story, fourth.hash(), "12"), Err("charter_version"));
    assert_eq!(ask(&mut story, third.hash(), "12"), Err("charter_version"));
    sleep(&mut story, &[0, 1, 2, 3, 4], Span(15 * DAY.0));
    let id = ask(&mut story, fourth.hash(), "12").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    story.audits_clean(4);
}

#[test]
fn who_goes_by_another_version_refuses_and_the_others_go_on() {
    let mut story = Story::new(7, 62);
    story.meet();
    let first = story.charters[0].hash();
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    story.give_newest(5);
    story.give_newest(6);
    story.meet();
    let id = ask(&mut story, first, "10").unwrap();
    assert!(story.finish(id, 7) && story.released(id));
    for site in 0..7 {
        assert_eq!(story.wrote(id, site, Kind::Debit), site < 5, "{site}");
    }
    (0..5).for_each(|site| story.give_newest(site));
    story.meet();
    let id = ask(&mut story, second.hash(), "11").unwrap();
    assert!(story.finish(id, 7) && story.released(id));
    assert!((0..7).all(|site| story.wrote(id, site, Kind::Debit)));
    (0..7).for_each(|site| story.audits_clean(site));
}

#[test]
fn a_round_ends_under_the_version_it_was_debited_under() {
    let mut story = Story::new(5, 63);
    story.meet();
    let first = story.charters[0].hash();
    let id = ask(&mut story, first, "10").unwrap();
    let until = story.world.now() + Span(60_000);
    let all = |world: &datacoop_sim::world::World| {
        let gave = |site| {
            let member = world.member(site).unwrap();
            let round = member.fold().round(&id);
            round.is_some_and(|round| round.said(Kind::Contribution, member.me()).is_some())
        };
        (0..5).all(gave)
    };
    assert!(story.world.run_while(until, |world| !all(world)));
    // A version that would have refused it.
    let _ = story.amend(|draft| draft.purposes.clear());
    (0..5).for_each(|site| story.give_newest(site));
    assert!(story.finish(id, 5) && story.released(id));
    assert_eq!(ask(&mut story, first, "11"), Err("charter_version"));
    story.audits_clean(2);
}

/// Not even by a step that grew between a seat's close and its open: it would have closed and then given up.
#[test]
fn a_larger_step_counts_from_the_next_question_on() {
    let mut story = Story::new(12, 70);
    story.meet();
    let secure = |story: &mut Story, named: Digest, period: &str| {
        story.named = named;
        let query = story.query(Mode::Secure, LOSS, 5, period);
        story.ask(0, query).unwrap()
    };
    // Three of twelve are not in the first round: they go by another version.
    let first = story.charters[0].hash();
    let second = story.amend(|draft| draft.limits.max_cells = 100);
    (9..12).for_each(|site| story.give_newest(site));
    story.meet();
    let id = secure(&mut story, first, common::PERIOD);
    assert!(story.finish(id, 12) && story.released(id));
    assert!((0..12).all(|site| story.wrote(id, site, Kind::Debit) == (site < 9)));
    // Answers leave a while after the debits: there is time for a next version.
    story.world.answer_grid = Span(10_000);
    (0..9).for_each(|site| story.give_newest(site));
    story.meet();
    let id = secure(&mut story, second.hash(), "2025-11-03..2025-12-19");
    let until = story.world.now() + Span(60_000);
    let debited = |world: &datacoop_sim::world::World| {
        (0..12).all(|site| {
            let member = world.member(site);
            let round = member.and_then(|member| Some((member.me(), member.fold().round(&id)?)));
            round.is_some_and(|(me, round)| round.said(Kind::Debit, me).is_some())
        })
    };
    assert!(story.world.run_while(until, |world| !debited(world)));
    let third = story.amend(|draft| draft.limits.min_step = 4);
    (0..12).for_each(|site| story.give_newest(site));
    assert!(story.finish(id, 12));
    let round = story.world.member(1).unwrap().fold().round(&id).unwrap().clone();
    assert!(story.released(id), "{:?}", round.ending());
    assert!((0..12).any(|site| {
        let member = story.world.member(site).unwrap();
        let open = round.said(Kind::Open, member.me());
        open.is_some_and(|open| member.fold().charter_at(member.me(), open.time).hash() == third.hash())
    }));
    story.audits_clean(3);
}

#[test]
fn a_member_joins_and_another_leaves() {
    let mut story = Story::founded(7, 64, |draft| {
        draft.members.truncate(6);
        draft.amend = 4;
    });
    story.meet();
    let first = story.charters[0].hash();
    let id = ask(&mut story, first, "09").unwrap();
    assert!(story.finish(id, 6) && story.released(id));
    let (joins, leaves) = (story.founder(6).member(), story.founder(5).id);
    let second = story.amend(|draft| {
        draft.members.retain(|member| member.id != leaves);
        draft.members.push(joins.clone());
    });
    assert_eq!(second.members().len(), 6);
    for site in [0, 1, 2, 3, 4, 6] {
        story.give_newest(site);
    }
    story.meet();
    // Those who were members wait a fortnight; until then nobody can ask the one that joins.
    sleep(&mut story, &[0, 1, 2, 3, 4, 6], Span(14 * DAY.0));
    let id = ask(&mut story, second.hash(), "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id), "{:?}", story.faults());
    for site in [0, 1, 2, 3, 4, 6] {
        assert!(story.wrote(id, site, Kind::Debit), "{site}");
    }
    let round = story.world.member(0).unwrap().fold().round(&id).unwrap().clone();
    assert!(round.said(Kind::Debit, &leaves).is_none());
    let logs = story.world.member(0).unwrap().fold().logs();
    let sizes: Vec<_> = logs.map(|log| (log.member.clone(), log.size())).collect();
    assert!(sizes.iter().any(|(id, size)| *id == leaves && *size >= 2), "its log is still held: {sizes:?}");
    [0, 6].into_iter().for_each(|site| story.audits_clean(site));
    // Who still goes by the version before hears of a log that it does not name, and blames nobody.
    assert!(story.faults().is_empty(), "{:?}", story.faults());
}

/// C14: notice stands from when more members hold it than can lie, whatever day the version says it was made.
#[test]
fn notice_stands_once_members_hold_it() {
    let mut story = Story::new(6, 79);
    story.meet();
    sleep(&mut story, &[0, 1, 2, 3, 4, 5], Span(5 * DAY.0));
    // Dated by whoever wrote it: of the day on which the charter was founded.
    let next = story.amend(|draft| draft.members[5].notice = Some(draft.made));
    let told = |story: &Story, site: usize| {
        let fold = story.world.member(site).unwrap().fold();
        fold.told_since(&next, &next.members()[5])
    };
    story.give_newest(0);
    story.meet();
    assert_eq!(told(&story, 0), None, "one of six may lie");
    sleep(&mut story, &[0, 1, 2, 3, 4, 5], DAY);
    story.give_newest(1);
    story.meet();
    let second = story.world.now().day();
    sleep(&mut story, &[0, 1, 2, 3, 4, 5], DAY);
    assert_eq!(told(&story, 0), Some(second));
    story.give_newest(2);
    sleep(&mut story, &[0, 1, 2, 3, 4, 5], Span(5 * DAY.0));
    assert_eq!(told(&story, 1), Some(second), "when they held it, not when it acts nor when others came to");
    let fold = story.world.member(0).unwrap().fold();
    assert_eq!(fold.told_since(&next, &next.members()[4]), None, "another has no notice");
}

/// C14: whoever is dormant is waited for by nobody, asks nothing and stops nobody, until it is woken.
#[test]
fn a_dormant_member_takes_no_part_until_it_is_woken() {
    let mut story = Story::new(6, 72);
    story.meet();
    let all = [0, 1, 2, 3, 4, 5];
    let hold = |story: &mut Story, days: u64| {
        all.iter().for_each(|site| story.give_newest(*site));
        story.meet();
        sleep(story, &all, Span(days * DAY.0));
    };
    let _ = story.amend(|draft| draft.members[5].notice = Some(draft.made));
    let marks = story.amend(|draft| {
        draft.made = Day(draft.made.0 + NOTICE_DAYS);
        draft.effective = draft.made;
        draft.members[5].dormant = true;
        name_witnesses(&mut draft.members);
        draft.amend = amend_min(5);
    });
    hold(&mut story, 61);
    let id = ask(&mut story, marks.hash(), "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id), "{:?}", story.faults());
    for site in all {
        assert_eq!(story.wrote(id, site, Kind::Debit), site < 5, "{site}");
    }
    // It may ask nobody, and with it nothing is paused; to propose that it be woken is left to it.
    let query = story.query(Mode::FullNoise, LOSS, 5, "2025-09-01..2025-09-11");
    assert_eq!(story.ask(5, query), None);
    let act = |story: &mut Story, act: Act, text: Option<Vec<u8>>| {
        let command = story.command();
        story.world.input(5, Input::Act { command, act: Box::new(act), text });
        story.meet();
        story
            .world
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Acted { command: c, .. } if *c == command))
    };
    let pause = Act::Restriction { target: Target::Purpose("demo".into()) };
    assert!(!act(&mut story, pause.clone(), None));
    let text = text_blob(&Digest([1; 32]).0, "we are back").unwrap();
    let wake = Act::Proposal {
        subject: Subject::Charter("4".into()),
        draft: Digest([4; 32]),
        text: sha256(&[&text]),
        charter: marks.hash(),
        replaces: None,
        reviewers: vec![],
    };
    assert!(act(&mut story, wake, Some(text)));
    // It wrote within the year, which its audit tells, and nobody is convicted by it.
    let report = audit_one(story.world.member(0).unwrap().fold(), &story.founder(5).id, &|_| None).unwrap();
    let check = report.checks.iter().find(|check| check.code == "A06").unwrap();
    assert_eq!(check.outcome, Outcome::Warn, "{check:?}");
    assert!(check.text.contains("marks it dormant, and it wrote on"), "{check:?}");
    story.audits_clean_but(0, None);
    let woken = story.amend(|draft| {
        (draft.members[5].dormant, draft.members[5].notice) = (false, None);
        name_witnesses(&mut draft.members);
    });
    hold(&mut story, 15);
    let id = ask(&mut story, woken.hash(), "12").unwrap();
    assert!(story.finish(id, 6) && story.released(id), "{:?}", story.faults());
    assert!(story.wrote(id, 5, Kind::Debit));
    assert!(act(&mut story, pause, None));
    story.audits_clean(1);
}

#[test]
fn a_version_put_in_force_too_soon_fails_the_log() {
    let mut story = Story::new(5, 65);
    story.meet();
    let second = story.amend(|draft| draft.restrict = 3);
    let third = story.amend(|draft| draft.restrict = 4);
    (0..5).for_each(|site| story.give_newest(site));
    wait(&mut story, Span(60_000));
    let held = story.world.member(0).unwrap().fold();
    let liar = story.founder(1).id;
    let with_chain = |versions: usize, change: &dyn Fn(&mut Entry)| {
        let mut fold = Fold::with_chain(held.charters()[..versions].to_vec(), story.vocabularies());
        for log in held.logs() {
            for bytes in log.entries() {
                let mut entry = Entry::parse(bytes).unwrap();
                if log.member == liar {
                    change(&mut entry);
                }
                fold.append(&log.member, entry.to_bytes().into());
            }
        }
        let report = audit_one(&fold, &liar, &|_| None).unwrap();
        report.checks.into_iter().find(|check| check.code == "A06").unwrap()
    };
    let with = |change: &dyn Fn(&mut Entry)| with_chain(3, change);
    let right = with(&|_| ());
    assert_eq!(right.outcome, Outcome::Pass, "{right:?}");
    let edit = |number: u32, edit: &dyn Fn(&mut Body)| {
        with(&|entry| {
            if matches!(&entry.body, Body::Charter { version, .. } if *version == number) {
                edit(&mut entry.body);
            }
        })
    };
    let sooner = edit(2, &|body| {
        let Body::Charter { from, .. } = body else { return };
        from.0 -= 1_000;
    });
    assert!(sooner.outcome == Outcome::Fail && sooner.text.contains("may act from"), "{sooner:?}");
    let skips = edit(2, &|body| {
        let Body::Charter { version, hash, .. } = body else { return };
        (*version, *hash) = (third.version(), third.hash());
    });
    assert!(skips.outcome == Outcome::Fail && skips.text.contains("does not follow"), "{skips:?}");
    let other = edit(2, &|body| {
        let Body::Charter { hash, .. } = body else { return };
        hash.0[0] ^= 1;
    });
    assert!(other.outcome == Outcome::Fail && other.text.contains("another charter"), "{other:?}");
    // An old version under a new number is known at once, whatever the chain here.
    let first = story.charters[0].hash();
    let old = with_chain(1, &|entry| {
        if let Body::Charter { version: 2, hash, .. } = &mut entry.body {
            *hash = first;
        }
    });
    assert!(old.outcome == Outcome::Fail && old.text.contains("another charter"), "{old:?}");
    assert_eq!(second.version(), 2);
}

#[test]
fn twenty_members_amend_while_some_sleep() {
    let mut story = Story::new(20, 66);
    story.meet();
    for step in 0..3_u32 {
        let _ = story.amend(|draft| draft.limits.max_cells = 100 - step);
        // Each hears of it at another time: the others stay on, or are away just then.
        for site in 0..20 {
            let held = (site + step as usize) % 3;
            if held == 0 || step == 2 {
                story.give_newest(site);
            }
            wait(&mut story, Span(200 + 137 * site as u64 % 900));
        }
    }
    story.meet();
    let newest = story.charters.last().unwrap().hash();
    let id = ask(&mut story, newest, "10").unwrap();
    assert!(story.finish(id, 20) && story.released(id));
    assert!((0..20).all(|site| story.wrote(id, site, Kind::Debit)));
    story.audits_clean(7);
}

#[test]
fn whoever_is_behind_gets_the_chain_from_the_others() {
    let mut story = Story::new(7, 67);
    story.meet();
    let _ = story.amend(|draft| draft.limits.max_cells = 100);
    let third = story.amend(|draft| draft.limits.max_cells = 90);
    story.spread();
    story.give_newest(3);
    story.meet();
    wait(&mut story, Span(20_000));
    for site in 0..7 {
        let held = story.world.member(site).unwrap().fold().charters().len();
        assert_eq!(held, 3, "{site}");
    }
    let id = ask(&mut story, third.hash(), "10").unwrap();
    assert!(story.finish(id, 7) && story.released(id));
    assert!((0..7).all(|site| story.wrote(id, site, Kind::Debit)));
    (0..7).for_each(|site| story.audits_clean(site));
}

/// S28: two valid successors. Over a third of the members signed both, which no program of ours does.
#[test]
fn two_rivals_halt_everybody_until_one_is_condemned() {
    let mut story = Story::new(5, 68);
    story.meet();
    let first = story.charters[0].clone();
    let right = story.amend(|draft| draft.limits.max_cells = 100);
    story.charters.truncate(1);
    story.world.sign_charter(right.clone());
    let wrong = story.amend(|draft| (draft.limits.max_cells, draft.hash.0[0]) = (99, 7));
    story.spread();
    assert_ne!(right.hash(), wrong.hash());
    story.world.give_charters(1, [right.clone()]);
    story.world.give_charters(2, [wrong.clone()]);
    story.meet();
    wait(&mut story, Span(20_000));
    for site in 0..5 {
        assert!(story.world.member(site).unwrap().fold().in_conflict(), "{site}");
    }
    let newest = story.world.member(0).unwrap().fold().charter().hash();
    assert!(newest != first.hash());
    assert_eq!(ask(&mut story, newest, "10"), Err("charter_conflict"));
    // Whoever put the other one in force did no wrong.
    (0..5).for_each(|site| story.audits_clean(site));
    // The members decide: a version that follows one and condemns the other.
    story.charters = vec![first, right.clone()];
    let third = story.amend(|draft| draft.condemns = vec![wrong.hash()]);
    story.spread();
    story.world.give_charters(1, [third.clone()]);
    story.meet();
    wait(&mut story, Span(30_000));
    for site in 0..5 {
        let fold = story.world.member(site).unwrap().fold();
        assert!(!fold.in_conflict(), "{site}");
        assert_eq!(fold.charter().hash(), third.hash(), "{site}");
    }
    sleep(&mut story, &[0, 1, 2, 3, 4], Span(15 * DAY.0));
    let id = ask(&mut story, third.hash(), "11").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    assert!((0..5).all(|site| story.wrote(id, site, Kind::Debit)));
    (0..5).for_each(|site| story.audits_clean(site));
}

/// C9: who hears of nobody for a fortnight answers nobody, and goes on once it hears.
#[test]
fn a_member_that_was_cut_off_notices() {
    let mut story = Story::new(5, 69);
    story.meet();
    let first = story.charters[0].hash();
    // The others are away; this one stays.
    let away = std::mem::replace(&mut story.world.away, Span(15 * DAY.0));
    (1..5).for_each(|site| story.world.give_charters(site, []));
    story.world.away = away;
    wait(&mut story, Span(13 * DAY.0));
    let unheard = |story: &Story| {
        let member = story.world.member(0).unwrap();
        member.fold().unheard_since(member.me(), story.world.now())
    };
    assert_eq!(unheard(&story), None);
    wait(&mut story, Span(2 * DAY.0 - 60_000));
    assert!(unheard(&story).is_some());
    assert_eq!(ask(&mut story, first, "10"), Err("charter_stale"));
    wait(&mut story, Span(120_000));
    assert_eq!(unheard(&story), None, "they came back, and said so");
    let id = ask(&mut story, first, "10").unwrap();
    assert!(story.finish(id, 5) && story.released(id));
    (0..5).for_each(|site| story.audits_clean(site));
}

/// C9: a trust's schools without a vote, the only ones that get through to a member, do not show it that it is not
/// cut off.
#[test]
fn members_without_a_vote_do_not_show_that_we_are_not_cut_off() {
    let mut story = Story::founded(11, 78, |draft| {
        for member in &mut draft.members[5..] {
            (member.body, member.roles) = ("Hill Trust".into(), [Role::Coordinator].into());
        }
        draft.amend = amend_min(5);
    });
    story.meet();
    let away = std::mem::replace(&mut story.world.away, Span(40 * DAY.0));
    (1..11).for_each(|site| story.world.give_charters(site, []));
    story.world.away = away;
    sleep(&mut story, &[0], Span(15 * DAY.0));
    let unheard = |story: &Story, site: usize| {
        let member = story.world.member(site).unwrap();
        member.fold().unheard_since(member.me(), story.world.now())
    };
    for school in 5..11 {
        let paused = Act::Restriction { target: Target::Purpose("none".into()) };
        story.forge(school, 0, Body::Act(paused));
    }
    story.meet();
    assert!(unheard(&story, 0).is_some());
    let trust = story.world.member(0).unwrap().fold().log(&story.founder(5).id).unwrap();
    assert!(trust.last_time(story.world.now()).unwrap() + DAY + DAY > story.world.now(), "it was heard of");
}
