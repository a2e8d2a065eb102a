//! What an asker, and whoever wants to choose the seats, may try.

use std::collections::BTreeMap;

use datacoop_policy::charter::{CharterDraft, Role, amend_min};
use datacoop_policy::{MemberId, PrivacyLoss, Span};
use datacoop_protocol::entry::{Body, Ref};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::rounds::Kind;
use datacoop_protocol::wire::Request;
use datacoop_tests::cheat::{Act, Cheat, Game, LOSS, Strike};

use crate::{Row, check, opens};

fn two_rosters(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        verdicts.pop();
    }
    Act::Write(vec![strike.entry.body.clone(), other])
}

/// Each half of the members is shown another Roster.
fn roster_for_each_half(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        verdicts.remove(0);
    }
    Act::Send(vec![vec![strike.bytes(0, &strike.entry.body)], vec![strike.bytes(0, &other)]])
}

fn vary_roster(strike: &Strike<'_>, vary: impl Fn(&mut Vec<Ref>)) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Roster { verdicts, .. } = &mut other {
        vary(verdicts);
    }
    Act::Write(vec![other])
}

fn roster_with_a_repeat(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts[1] = verdicts[0].clone())
}

fn roster_of_nobody(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.clear())
}

fn roster_out_of_order(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.swap(0, 1))
}

fn roster_with_an_unknown(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts[2].leaf = sha256(&[b"no verdict"]))
}

fn roster_below_the_minimum(strike: &mut Strike<'_>) -> Act {
    vary_roster(strike, |verdicts| verdicts.truncate(4))
}

#[test]
fn no_unlawful_roster_is_debited() {
    let row = |name, cheat, blamed| Row {
        name,
        members: 8,
        on: "roster",
        cheat,
        ending: "none",
        blamed,
        alerts: &[],
    };
    let rows = [
        row("a member twice", roster_with_a_repeat, &[]),
        row("nobody", roster_of_nobody, &[]),
        row("out of order", roster_out_of_order, &[]),
        row("an unknown verdict", roster_with_an_unknown, &[]),
        row("fewer than the Query promised", roster_below_the_minimum, &[]),
    ];
    check(&rows, |name, game| {
        assert_eq!(game.round().all(Kind::Debit).count(), 0, "{name}");
        let warned = game.warned(game.honest()[0]);
        let asker = game.world_member(game.cheat());
        assert_eq!(warned.contains(&(asker, "A13")), name == "an unknown verdict", "{name}");
        assert!(game.honest().into_iter().all(|site| game.spent(site) == 0), "{name}");
    });
}

/// The first so many members belong to one body; only one of them votes.
fn one_body(draft: &mut CharterDraft, members: std::ops::Range<usize>) {
    let body = draft.members[members.start].body.clone();
    for member in &mut draft.members[members.start + 1..members.end] {
        member.body.clone_from(&body);
        member.roles.remove(&Role::Voting);
    }
    let votes = draft.members.iter().filter(|member| member.has(Role::Voting)).count();
    draft.amend = amend_min(u32::try_from(votes).unwrap());
    // Who reviewed its purpose is of two bodies.
    let mut of_bodies: BTreeMap<&str, MemberId> = BTreeMap::new();
    for member in &draft.members {
        of_bodies.entry(&member.body).or_insert_with(|| member.id.clone());
    }
    draft.purposes[0].reviewers = of_bodies.into_values().take(2).collect();
}

/// No Roster of bodies that are fewer than they seem is debited, whoever wrote it; the same members are
/// answered where the charter gives no reason against it.
#[test]
fn a_roster_of_too_few_bodies_or_too_many_places_of_one_is_not_debited() {
    type Vary = fn(&mut CharterDraft);
    let trusts: Vary = |draft| (0..3).for_each(|trust| one_body(draft, 2 * trust..2 * trust + 2));
    let too_few: Vary = |draft| {
        (0..3).for_each(|trust| one_body(draft, 2 * trust..2 * trust + 2));
        draft.limits.min_bodies = 10;
    };
    let rows: [(&str, usize, Vary, &str); 6] = [
        ("each its own body", 12, |_| {}, "released"),
        ("f places of one body", 12, |draft| one_body(draft, 0..3), "released"),
        ("more than f places of one body", 12, |draft| one_body(draft, 0..4), "none"),
        ("nine bodies", 12, trusts, "released"),
        ("nine bodies where the charter asks for ten", 12, too_few, "none"),
        ("two bodies", 6, |draft| (0..2).for_each(|half| one_body(draft, 3 * half..3 * half + 3)), "none"),
    ];
    for (name, members, vary, ending) in rows {
        let keep: Cheat =
            |strike| if strike.asks() { Act::Write(vec![strike.entry.body.clone()]) } else { Act::Pass };
        let mut game = Game::of_charter(members, 48, "verdict", keep, 0, None, vary);
        if ending == "none" {
            game.play_roster_of_all();
        } else {
            game.play();
        }
        let verdict = game.verdict();
        assert_eq!((verdict.ending.as_str(), &verdict.alerts[..]), (ending, &[][..]), "{name}: {verdict:?}");
        assert_eq!(verdict.blamed, Vec::<&str>::new(), "{name}");
        let round = game.round();
        let Some(Body::Roster { verdicts, .. }) = round.roster().map(|logged| &logged.body) else {
            panic!("{name}: no Roster")
        };
        assert_eq!(verdicts.len(), members, "{name}");
        let (debits, cost) = if ending == "none" { (0, 0) } else { (members, LOSS) };
        assert_eq!(round.all(Kind::Debit).count(), debits, "{name}");
        assert!(game.honest().into_iter().all(|site| game.spent(site) == cost), "{name}");
    }
}

/// SECURITY.md S07: a Query that is sent on a thousand times is one Query.
#[test]
fn a_query_pushed_a_thousand_times_is_answered_and_debited_once() {
    let mut game = Game::new(5, 49, "query", |strike| Act::Write(vec![strike.entry.body.clone()]), 0, None);
    game.play();
    let (asker, members) = (game.cheat(), game.honest());
    let sections = game.own_sections(asker);
    let before: Vec<u64> = members.iter().map(|site| game.entries(*site)).collect();
    for _ in 0..1_000 {
        for site in &members {
            game.request(*site, asker, &Request::Push { sections: sections.clone() });
        }
    }
    game.world.run_until(game.world.now() + Span(60_000));
    let verdict = game.verdict();
    assert_eq!((verdict.ending.as_str(), verdict.blamed.len()), ("released", 0), "{verdict:?}");
    for (site, before) in members.into_iter().zip(before) {
        assert_eq!((game.spent(site), game.entries(site)), (LOSS, before), "site {site} said nothing more");
    }
}

#[test]
fn a_second_roster_is_told_and_not_debited() {
    let rows = [Row {
        name: "two rosters",
        members: 8,
        on: "roster",
        cheat: two_rosters,
        ending: "released",
        blamed: &["A09"],
        alerts: &["roster"],
    }];
    check(&rows, |name, game| {
        assert!(game.honest().into_iter().all(|site| game.spent(site) == LOSS), "{name}");
    });
}

#[test]
fn a_roster_for_each_half_is_debited_once_and_opens_nothing() {
    let mut game = Game::new(8, 45, "roster", roster_for_each_half, 0, None);
    game.play();
    let verdict = game.verdict();
    assert_eq!((verdict.ending.as_str(), &verdict.blamed[..]), ("freeze", &["A04"][..]), "{verdict:?}");
    for site in game.honest() {
        // The two histories are proven, so nobody is doubted who debited for the Roster that it was shown.
        assert_eq!(game.warned(site), [], "{site}");
    }
    assert!(game.split_views() >= 2);
    assert!(game.honest().into_iter().all(|site| game.spent(site) <= LOSS));
    assert_eq!(opens(&game.round()), 0);
}

fn false_release(strike: &mut Strike<'_>) -> Act {
    let mut other = strike.entry.body.clone();
    if let Body::Release { sums, .. } = &mut other {
        sums[0] += 1;
    }
    Act::Write(vec![other])
}

#[test]
fn a_release_of_other_sums_is_told() {
    let row = Row {
        name: "false release",
        members: 5,
        on: "release",
        cheat: false_release,
        ending: "released",
        blamed: &["A10"],
        alerts: &["release"],
    };
    check(&[row], |_, game| {
        let (logged, _) = game.round().released().map(|(l, s)| (l.clone(), s)).unwrap();
        assert_ne!(*logged.at.log, *game.origin(game.cheat()), "somebody else's release stands");
    });
}

fn vary_query(strike: &Strike<'_>, vary: impl Fn(&mut datacoop_protocol::entry::QueryBody)) -> Act {
    let Body::Query(mut query) = strike.entry.body.clone() else { return Act::Pass };
    vary(&mut query);
    Act::Write(vec![Body::Query(query)])
}

fn loss_of(strike: &Strike<'_>, nano: u64) -> Act {
    vary_query(strike, |query| query.loss = PrivacyLoss::from_nano(nano))
}

/// What a Query may not say is refused by every honest member with this rule, and costs nobody anything.
#[test]
fn no_member_answers_an_absurd_query() {
    let rows: [(&str, Cheat, &str); 9] = [
        ("rho 0", |s| loss_of(s, 0), "rho_query"),
        ("rho 1", |s| loss_of(s, 1), "rho_query"),
        ("rho above the limit", |s| loss_of(s, 50_000_001), "rho_query"),
        ("the largest rho an entry can say", |s| loss_of(s, (1 << 53) - 1), "rho_query"),
        ("join_by 1 s past", |s| vary_query(s, |q| q.join_by = past(s, 1_000)), "window"),
        ("out of order", |s| vary_query(s, |q| q.close_by = q.join_by), "window"),
        ("31 days ahead", |s| vary_query(s, |q| q.close_by = q.close_by + Span(31 * 86_400_000)), "window"),
        ("another purpose", |s| vary_query(s, |q| q.purpose = "sale".into()), "purposes"),
        ("another charter", |s| vary_query(s, |q| q.charter = sha256(&[b"none"])), "charter_version"),
    ];
    for (name, cheat, rule) in rows {
        let mut game = Game::new(5, 46, "query", cheat, 0, None);
        game.play();
        game.verdict();
        let round = game.round();
        for site in game.honest() {
            let said = round.said(Kind::Verdict, &game.world_member(site)).map(|logged| &logged.body);
            match said {
                // After its time a Query is not answered at all.
                None => assert_eq!(name, "join_by 1 s past"),
                Some(Body::Refuse { rule: told, .. }) => assert_eq!(told, rule, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(game.spent(site), 0, "{name}");
        }
    }
}

fn past(strike: &Strike<'_>, by: u64) -> datacoop_policy::Time {
    datacoop_policy::Time(strike.entry.at.0 - by)
}

/// A joiner that draws its promise again and again until it likes the entry, and so the Roster's hash:
/// below 24 members the committee is larger than all who may collude, so none it can get is all corrupt.
fn grind(strike: &mut Strike<'_>) -> Act {
    let Body::Accept { query, round_key, .. } = strike.entry.body.clone() else { return Act::Pass };
    if strike.site != 2 {
        return Act::Pass;
    }
    let nonces = (0..64_u8).map(|draw| sha256(&[&sha256(&[&[draw]]).0]));
    let body = |nonce_hash| Body::Accept {
        query,
        nonce_hash,
        vk_hash: sha256(&[&[1]]),
        round_key: round_key.clone(),
    };
    let least = nonces.min_by_key(|hash| strike.place(0, &body(*hash)).leaf).unwrap();
    Act::Write(vec![body(least)])
}

#[test]
fn a_joiner_that_grinds_gains_no_committee_and_no_debit() {
    let mut game = Game::new(8, 47, "verdict", grind, 0, None);
    game.play();
    game.verdict();
    let round = game.round();
    let plan = round.plan().expect("a plan");
    assert!(plan.terms.committee > plan.terms.colluding, "no committee is all corrupt");
    // It cannot open what it made up: it debits nothing, and nothing is opened without it.
    assert!(round.debit(plan, &game.world_member(game.cheat())).is_none());
    assert_eq!(opens(&round), 0);
}
