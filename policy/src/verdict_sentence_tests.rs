//! Every rule that `judge` can name, with the sentence that people read.

use super::*;
use crate::refusal::{Numbers, Rule, told};

/// Rules that need more than a Query and its facts: the member names them itself.
const NOT_OF_JUDGE: [Rule; 2] = [Rule::Clock, Rule::TwoHistories];

type Change = Box<dyn FnOnce(&mut Case)>;

struct Said {
    code: &'static str,
    told: &'static str,
    change: Change,
}

fn said(code: &'static str, told: &'static str, change: impl FnOnce(&mut Case) + 'static) -> Said {
    Said { code, told, change: Box::new(change) }
}

/// As `said`, once the Roster is known.
fn of_roster(code: &'static str, told: &'static str, change: impl FnOnce(&mut Case) + 'static) -> Said {
    let change = |case: &mut Case| {
        case.roster = Some((0..12).map(id).collect());
        change(case);
    };
    said(code, told, change)
}

fn of_charter() -> Vec<Said> {
    vec![
        said(
            "charter_version",
            "Refused: The Query names charter 07070707; we hold 00000000. Set by the floor.",
            |c| {
                c.charter.hash = Digest::default();
                c.charter.id = Digest::default();
                c.query.charter = Digest([7; 32]);
            },
        ),
        said(
            "charter_expired",
            "Refused: Our charter is in force from 2025-09-01 to 2025-12-19. Set by the floor.",
            |c| {
                c.charter.effective = Day::parse("2025-09-01").unwrap();
                c.charter.expires = Day::parse("2025-12-19").unwrap();
            },
        ),
        said(
            "charter_stale",
            "Refused: We have not heard from enough members since 2025-12-01. Set by the floor.",
            |c| c.unheard_since = Day::parse("2025-12-01"),
        ),
        said(
            "charter_conflict",
            "Refused: Two rival charters exist; members must decide first. Set by the floor.",
            |c| c.conflict = true,
        ),
        said("asker", "Refused: The asker has no right to ask this. Set by the floor.", |c| {
            c.query.asker = "X".parse().unwrap();
        }),
        said(
            "window",
            "Refused: Its deadlines are past, out of order, or over 30 days ahead. Set by the floor.",
            |c| c.now = c.query.join_by + Span(1),
        ),
        said(
            "window",
            "Refused: Its period lies in 2026/27, which has not begun; ask about 2025/26. Set by the floor.",
            |c| c.query.question = in_year(c, "2026-11-03..2026-12-19"),
        ),
        said("attempt", "Refused: We took part in this twice already. Set by the floor.", |c| c.attempts = 2),
        said(
            "attempt",
            "Refused: 8 rounds of this came to nothing after we had debited. Set by the floor.",
            |c| c.voided = 8,
        ),
    ]
}

fn of_scope() -> Vec<Said> {
    vec![
        said(
            "purposes",
            "Refused: The purpose `attendance-2025` is not open here. Set by our own limits.",
            |c| c.own = own(|l| l.purposes = Set::none()),
        ),
        said("purposes", "Refused: The purpose `other` is not open here. Set by charter version 1.", |c| {
            c.query.purpose = "other".into();
        }),
        said(
            "questions",
            "Refused: The question `event-day` is not answered here. Set by our own limits.",
            |c| c.own = own(|l| l.questions = Set::Except(BTreeSet::from(["event-day".into()]))),
        ),
        said(
            "datasets",
            "Refused: The dataset `pupils` is not open to this. Set by charter version 1.",
            |c| {
                c.charter.limits.datasets = Set::only(["others"]);
            },
        ),
        said("columns", "Refused: The column `attended` may not be used. Set by our own limits.", |c| {
            c.own = own(|l| l.columns = Set::Except(BTreeSet::from(["attended".into()])));
        }),
        said(
            "group_by",
            "Refused: Results may not be split by `pupil_premium`. Set by charter version 1.",
            |c| c.charter.purposes[0].limits.group_by = Set::Except(BTreeSet::from(["pupil_premium".into()])),
        ),
        said("not_before", "Refused: This is open from 2025-12-21. Set by charter version 1.", |c| {
            c.charter.purposes[0].starts = Day::parse("2025-12-21").unwrap();
        }),
        said("not_after", "Refused: This was open until 2025-12-19. Set by charter version 1.", |c| {
            c.charter.purposes[0].expires = Day::parse("2025-12-19").unwrap();
        }),
        said("max_cells", "Refused: 12 cells; at most 11 are allowed. Set by our own limits.", |c| {
            c.own = own(|l| l.max_cells = 11);
        }),
        said(
            "full_noise",
            "Refused: It would show each member's noised figures. Set by charter version 1.",
            |c| c.query.mode = Mode::FullNoise,
        ),
    ]
}

fn of_standing() -> Vec<Said> {
    vec![
        said(
            "answered",
            "Refused: Already answered: read the Release with `datacoop results`. Set by the floor.",
            |c| c.answer = Some(answer(9)),
        ),
        said(
            "supersedes",
            "Refused: The Release was superseded once; that one stands. Set by the floor.",
            |c| {
                c.answer = Some(Answer { corrects: true, ..answer(9) });
                c.query.supersedes = Some(Digest([9; 32]));
            },
        ),
        said("min_cosigners", "Refused: 0 members co-signed; 2 are needed. Set by our own limits.", |c| {
            c.own = own(|l| l.min_cosigners = 2);
        }),
        said(
            "rho_query",
            "Refused: It costs rho 0.050000001; at most 0.020000000 is allowed. Set by the floor.",
            |c| c.query.loss = nano(50_000_001),
        ),
        said(
            "rho_query",
            "Refused: It costs rho 0.020000001; at most 0.020000000 is allowed. Set by charter version 1.",
            |c| c.query.loss = nano(20_000_001),
        ),
        said(
            "rho_query",
            "Refused: Rho 0.000000001 is too small for any noise to serve. Set by the floor.",
            |c| c.query.loss = nano(1),
        ),
        said(
            "rho_purpose",
            "Refused: It costs rho 0.005000000; this purpose has 0.004999999 left. Set by our own limits.",
            |c| {
                c.own = own(|l| l.rho_purpose = nano(9_999_999));
                c.purpose_spent = nano(5_000_000);
            },
        ),
        said(
            "rho_year",
            "Refused: It costs rho 0.005000000; 0.004999999 is left until 31 August 2026. Set by our own limits.",
            |c| c.own = own(|l| l.rho_year = nano(4_999_999)),
        ),
        said("no_data", "Refused: We declared no pupils data. Set by our own limits.", |c| {
            c.declared = false
        }),
        said("member_fact", "Refused: `GB-CHC-9` is no member. Set by our own limits.", |c| {
            c.query.question = question(&format!("GB-CHC-9,{}", took_part(8)));
        }),
    ]
}

fn of_rosters() -> Vec<Said> {
    vec![
        said("min_roster", "Refused: It asks for 5 members; 6 are needed. Set by our own limits.", |c| {
            c.own = own(|l| l.min_roster = 6);
        }),
        said("roster", "Refused: It assumes less collusion than the charter does. Set by the floor.", |c| {
            c.query.assumed.colluding_percent = 29
        }),
        of_roster(
            "roster",
            "Refused: The Roster repeats, omits us, or names a member not entitled. Set by the floor.",
            |c| drop(c.roster.as_mut().unwrap().remove(1)),
        ),
        of_roster("min_roster", "Refused: 12 members; 13 are needed. Set by our own limits.", |c| {
            c.own = own(|l| l.min_roster = 13);
        }),
        of_roster("min_bodies", "Refused: 12 separate bodies; 13 are needed. Set by our own limits.", |c| {
            c.own = own(|l| l.min_bodies = 13);
        }),
        of_roster("body_share", "Refused: One body holds 4 places; 3 are allowed. Set by the floor.", |c| {
            trust(c, 4);
        }),
        of_roster(
            "min_people",
            "Refused: Members declare 10800 people; 10801 are needed. Set by our own limits.",
            |c| c.own = own(|l| l.min_people = 10_801),
        ),
        of_roster(
            "min_step",
            "Refused: With earlier rounds of this question, or by its own lists, this sets 2 bodies apart; groups need 3. Set by the floor.",
            |c| c.query.question = question(&took_part(10)),
        ),
        said(
            "min_step",
            "Refused: Another round of this question is under way; wait until it ends. Set by the floor.",
            |c| c.under_way = true,
        ),
    ]
}

#[test]
fn each_rule_has_its_sentence() {
    let all = [of_charter(), of_scope(), of_standing(), of_rosters()];
    let mut seen = BTreeSet::from(NOT_OF_JUDGE);
    for Said { code, told, change } in all.into_iter().flatten() {
        let mut case = Case::new();
        change(&mut case);
        let refusal = case.verdict().expect_err(told);
        assert_eq!((refusal.rule.code(), refusal.told().as_str()), (code, told));
        seen.insert(refusal.rule);
    }
    let unseen: Vec<_> = Rule::ALL.iter().filter(|rule| !seen.contains(rule)).collect();
    assert!(unseen.is_empty(), "no sentence is tested of {unseen:?}");
}

/// Of a refusal in another's log only its rule is known: each rule speaks for itself.
#[test]
fn each_rule_has_a_meaning_of_its_own() {
    let meanings: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.meaning()).collect();
    assert_eq!(meanings.len(), Rule::ALL.len(), "no two rules mean the same");
    for meaning in meanings {
        assert!(meaning.ends_with('.') && meaning.starts_with(char::is_uppercase), "{meaning}");
    }
    assert_eq!(
        told(Rule::TwoHistories.meaning(), "its own limits"),
        "Refused: The asker signed two histories of its log, or the member did. Set by its own limits."
    );
    assert_eq!(told("", "x"), "Refused: . Set by x.");
}

/// The numbers of a refusal are those of its sentence.
#[test]
fn a_refusal_carries_what_it_compared() {
    let numbers = |change: fn(&mut Case)| {
        let mut case = Case::new();
        case.roster = Some((0..12).map(id).collect());
        change(&mut case);
        case.verdict().unwrap_err().numbers
    };
    let is = |asked, limit| Some(Numbers { asked, limit });
    assert_eq!(numbers(|c| c.query.loss = nano(u64::MAX)), is(u64::MAX, 20_000_000));
    assert_eq!(numbers(|c| c.reserved = nano(245_000_001)), is(5_000_000, 4_999_999));
    assert_eq!(numbers(|c| c.purpose_spent = nano(u64::MAX)), is(5_000_000, 0));
    assert_eq!(numbers(|c| c.own = own(|l| l.max_cells = 0)), is(12, 0));
    assert_eq!(numbers(|c| c.own = own(|l| l.min_cosigners = 1)), is(0, 1));
    assert_eq!(numbers(|c| c.own = own(|l| l.min_roster = 13)), is(12, 13));
    assert_eq!(numbers(|c| c.own = own(|l| l.min_bodies = u32::MAX)), is(12, u64::from(u32::MAX)));
    assert_eq!(numbers(|c| c.own = own(|l| l.min_people = 10_801)), is(10_800, 10_801));
    assert_eq!(numbers(|c| c.own = own(|l| l.min_step = 4)), is(3, 4));
    assert_eq!(numbers(|c| trust(c, 4)), is(4, 3));
    assert_eq!(numbers(|c| c.declared = false), None);
}
