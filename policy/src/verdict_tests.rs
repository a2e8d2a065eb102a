use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::charter::tests::{sample, suit};
use crate::charter::{CharterDraft, Role};
use crate::id::Digest;
use crate::ledger::Account;
use crate::question::{Question, QuestionDraft};
use crate::time::{AcademicYear, Day, Period, Span};
use crate::vocabulary::Vocabulary;

#[path = "verdict_bounds_tests.rs"]
mod bounds;
#[path = "verdict_delegation_tests.rs"]
mod delegated;
#[path = "inbox_tests.rs"]
mod inbox;
#[path = "verdict_sentence_tests.rs"]
mod sentences;

const ATTENDANCE: &str = include_str!("../../node/src/vocab/attendance.toml");
const EVENT_DAY: &str = include_str!("../../node/src/questions/catalogue/event-day.toml");

fn id(n: usize) -> MemberId {
    format!("GB-EDU-{n:06}").parse().unwrap()
}

/// A Query that a lawful charter of twelve members allows, and what a member knows beside it.
struct Case {
    charter: CharterDraft,
    own: Option<Limits>,
    query: Query,
    roster: Option<Vec<MemberId>>,
    ledger: Ledger,
    reserved: PrivacyLoss,
    purpose_spent: PrivacyLoss,
    attempts: u32,
    voided: u32,
    answer: Option<Answer>,
    past: Vec<PastRound>,
    under_way: bool,
    declared: bool,
    unheard_since: Option<Day>,
    conflict: bool,
    restricted: Restricted,
    given: Option<Delegation>,
    unheld: Known<'static>,
    now: Time,
}

fn took_part(n: usize) -> String {
    (0..n).map(|n| id(n).to_string()).collect::<Vec<_>>().join(",")
}

fn question(members: &str) -> crate::question::BoundQuestion {
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let question = Question::admit(QuestionDraft::from_toml(EVENT_DAY).unwrap(), &vocabulary).unwrap();
    let params = [("event_day", "2025-12-12"), ("baseline_days", "2025-12-05"), ("took_part", members)];
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    question.bind(&params, Period::parse("2025-11-03..2025-12-19").unwrap()).unwrap()
}

/// The case's question, about other days.
fn in_year(case: &Case, period: &str) -> crate::question::BoundQuestion {
    let bound = &case.query.question;
    let period = Period::parse(period).unwrap();
    let mut params = bound.params().clone();
    params.insert("event_day".into(), period.last().to_string());
    params.insert("baseline_days".into(), period.first().to_string());
    bound.question().bind(&params, period).unwrap()
}

impl Case {
    fn new() -> Self {
        let mut charter = sample(12);
        charter.limits.full_noise = false;
        let now = Day::parse("2025-12-20").unwrap().start();
        let query = Query {
            id: Digest([1; 32]),
            asker: id(0),
            at: now,
            question: question(&took_part(9)),
            question_hash: Digest([2; 32]),
            account: Account { dataset: "pupils".into(), year: AcademicYear(2025) },
            purpose: "attendance-2025".into(),
            loss: PrivacyLoss::from_nano(5_000_000),
            mode: Mode::Secure,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: now + Span::from_seconds(60),
            contribute_by: now + Span::from_seconds(120),
            close_by: now + Span::from_seconds(180),
            charter: charter.hash,
            supersedes: None,
            cosigners: 0,
            delegation: None,
        };
        Self {
            charter,
            own: None,
            query,
            roster: None,
            ledger: Ledger::default(),
            reserved: PrivacyLoss::ZERO,
            purpose_spent: PrivacyLoss::ZERO,
            attempts: 0,
            voided: 0,
            answer: None,
            past: vec![],
            under_way: false,
            declared: true,
            unheard_since: None,
            conflict: false,
            restricted: Restricted::default(),
            given: None,
            unheld: Known::Nothing,
            now,
        }
    }

    fn judge(&self) -> String {
        match self.verdict() {
            Ok(()) => "ok".into(),
            Err(refusal) => format!("{} {}", refusal.rule.code(), refusal.layer.code()),
        }
    }

    fn verdict(&self) -> Result<(), Refusal> {
        let mut charter = self.charter.clone();
        suit(&mut charter);
        let charter = Charter::admit(charter).unwrap();
        let me = id(1);
        let facts = Facts {
            now: self.now,
            me: &me,
            charter: &charter,
            ledger: &self.ledger,
            reserved: self.reserved,
            purpose_spent: self.purpose_spent,
            attempts: self.attempts,
            voided: self.voided,
            answer: self.answer.as_ref(),
            past: &self.past,
            under_way: self.under_way,
            declared: self.declared,
            unheard_since: self.unheard_since,
            conflict: self.conflict,
            restricted: &self.restricted,
            cosigners: self.query.cosigners,
            delegation: self.given.as_ref().map_or(self.unheld, Known::Held),
        };
        let layers = Layers::new(&charter, &self.query.purpose, self.own.as_ref())
            .under(&self.restricted)
            .delegated(self.given.as_ref());
        judge(&layers, &self.query, self.roster.as_deref(), &facts)
    }
}

/// The Release of Query `n`, by members 0 to 7.
fn answer(n: u8) -> Answer {
    Answer { query: Digest([n; 32]), corrects: false, members: (0..8).map(id).collect() }
}

#[test]
fn a_release_is_superseded_once_by_name_and_by_most_of_its_members() {
    let case = |answer: Option<Answer>, supersedes: u8, expected: &str| {
        check(
            |c| {
                c.answer = answer.clone();
                c.query.supersedes = Some(Digest([supersedes; 32]));
            },
            expected,
        );
    };
    case(Some(answer(9)), 9, "ok");
    case(Some(answer(9)), 8, "supersedes floor");
    case(None, 9, "supersedes floor");
    for named in [8, 9] {
        case(Some(Answer { corrects: true, ..answer(9) }), named, "supersedes floor");
    }
    // Members 0 to 11 take part in all: of the eight who gave the Release so many.
    for (both, expected) in [(8, "ok"), (5, "ok"), (4, "supersedes floor"), (0, "supersedes floor")] {
        let members = (12 - both..20 - both).map(id).collect();
        with_roster(
            |c| {
                c.answer = Some(Answer { members, ..answer(9) });
                c.query.supersedes = Some(Digest([9; 32]));
            },
            expected,
        );
    }
    // It costs what any Query costs, and is attempted as often.
    check(
        |c| {
            c.answer = Some(answer(9));
            c.query.supersedes = Some(Digest([9; 32]));
            c.attempts = ATTEMPTS_MAX;
        },
        "attempt floor",
    );
    // A round of it stands on its own: what it supersedes is each member's to judge.
    let mut case = Case::new();
    case.query.supersedes = Some(Digest([9; 32]));
    let charter = Charter::admit(case.charter.clone()).unwrap();
    let roster: Vec<MemberId> = (0..12).map(id).collect();
    assert_eq!(judge_round(&charter, &case.query, &roster), Ok(()));
}

fn check(change: impl FnOnce(&mut Case), expected: &str) {
    let mut case = Case::new();
    change(&mut case);
    assert_eq!(case.judge(), expected);
}

fn with_roster(change: impl FnOnce(&mut Case), expected: &str) {
    check(
        |case| {
            case.roster = Some((0..12).map(id).collect());
            change(case);
        },
        expected,
    );
}

fn own(change: impl FnOnce(&mut Limits)) -> Option<Limits> {
    let mut limits = Limits::top();
    change(&mut limits);
    Some(limits)
}

fn nano(n: u64) -> PrivacyLoss {
    PrivacyLoss::from_nano(n)
}

#[test]
fn a_lawful_query_is_accepted_with_and_without_its_roster() {
    check(|_| (), "ok");
    with_roster(|_| (), "ok");
}

#[test]
fn who_asks_when_and_under_which_charter() {
    check(|c| c.query.charter = Digest([7; 32]), "charter_version floor");
    check(|c| c.charter.expires = c.now.day(), "ok");
    check(|c| c.charter.expires = Day(c.now.day().0 - 1), "charter_expired floor");
    check(|c| c.query.asker = "X".parse().unwrap(), "asker floor");
    check(|c| c.charter.members[0].roles = BTreeSet::from([Role::Voting]), "asker floor");
    check(|c| c.now = c.query.join_by, "ok");
    check(|c| c.now = c.query.join_by + Span(1), "window floor");
    check(|c| c.query.join_by = c.query.contribute_by + Span(1), "window floor");
    check(|c| c.query.close_by = c.now + WINDOW_MAX, "ok");
    check(|c| c.query.close_by = c.now + WINDOW_MAX + Span(1), "window floor");
    check(|c| c.query.at = c.now + CLOCK_SKEW_MAX, "window floor");
    check(
        |c| {
            c.query.at = c.now + CLOCK_SKEW_MAX;
            c.query.join_by = c.query.at;
            (c.query.contribute_by, c.query.close_by) = (c.query.at, c.query.at);
        },
        "ok",
    );
    check(
        |c| {
            c.query.at = c.now + CLOCK_SKEW_MAX + Span(1);
            c.query.join_by = c.query.at;
            (c.query.contribute_by, c.query.close_by) = (c.query.at, c.query.at);
        },
        "window floor",
    );
    check(|c| c.attempts = 1, "ok");
    check(|c| c.attempts = 2, "attempt floor");
    check(|c| c.voided = VOIDED_MAX - 1, "ok");
    check(|c| c.voided = VOIDED_MAX, "attempt floor");
    check(|c| c.answer = Some(answer(9)), "answered floor");
}

/// Found by reading: who is on roll without a last day is so in 2040 too, and consent knows no period. A
/// count of everyone splits them by what they are today, so each made-up year would have paid from a
/// Ledger of its own for the same answer.
#[test]
fn a_count_of_everyone_cannot_be_asked_again_in_made_up_years() {
    const BEHAVIOUR: &str = include_str!("../../node/src/vocab/behaviour.toml");
    const REPEATS: &str = include_str!("../../node/src/questions/catalogue/repeat-incidents.toml");
    let vocabulary = Vocabulary::from_toml(BEHAVIOUR).unwrap();
    let about = |year: i64| {
        let question = Question::admit(QuestionDraft::from_toml(REPEATS).unwrap(), &vocabulary).unwrap();
        let period = Period::parse(&format!("{year}-11-03..{year}-12-12")).unwrap();
        question.bind(&BTreeMap::new(), period).unwrap()
    };
    // Asked in 2025/26.
    check(|c| c.query.question = about(2025), "ok");
    check(|c| c.query.question = about(2024), "ok");
    check(|c| c.query.question = about(2023), "window floor");
    check(|c| c.query.question = about(1950), "window floor");
    with_roster(|c| c.query.question = about(2026), "window floor");
    // A demo's people are made up, and of one fixed year.
    let old = |c: &mut Case| {
        c.charter.demo = true;
        c.query.question = about(2023);
    };
    check(old, "ok");
}

/// No year is asked about before it begins, dated rows or not.
#[test]
fn a_year_that_has_not_begun_is_not_asked_about() {
    check(|c| c.query.question = in_year(c, "2026-11-03..2026-12-19"), "window floor");
    check(|c| c.query.question = in_year(c, "2024-11-03..2024-12-19"), "ok");
}

/// Which year it is a member reads from its own clock, and not from the asker's date; what follows its verdict
/// goes by the Query's date, or a round would stop when a year ends.
#[test]
fn a_verdict_goes_by_its_own_authors_year() {
    let (eve, new_year) = (Day::parse("2026-08-31").unwrap(), Day::parse("2026-09-01").unwrap());
    let asked = |c: &mut Case, at: Time, now: Time, period: &str| {
        (c.charter.expires, c.charter.purposes[0].expires) = (new_year, new_year);
        (c.charter.purposes[0].limits.not_after, c.charter.limits.not_after) = (new_year, new_year);
        c.query.question = in_year(c, period);
        let from = at.max(now);
        (c.query.at, c.now) = (at, now);
        c.query.join_by = from + Span::from_seconds(60);
        c.query.contribute_by = from + Span::from_seconds(120);
        c.query.close_by = from + Span::from_seconds(180);
    };
    let moment = Span::from_seconds(60);
    let (before, after) = (Time(new_year.start().0 - moment.0), new_year.start());
    assert_eq!(before.day(), eve);
    let (old, new) = ("2025-11-03..2025-12-19", "2026-09-01..2026-09-30");
    check(|c| asked(c, after, before, new), "window floor");
    with_roster(|c| asked(c, after, before, new), "ok");
    check(|c| asked(c, before, before, old), "ok");
    check(|c| asked(c, before, after, new), "ok");
    with_roster(|c| asked(c, before, after, new), "window floor");
}

/// Rows without dates are the same rows in every year, and there is one Ledger for them.
#[test]
fn undated_data_is_asked_about_in_the_year_it_is_asked_in() {
    let exam = Vocabulary::from_toml(crate::vocabulary::tests::EXAM).unwrap();
    let text = r#"
        id = "how-many"
        version = 1
        title = "How many?"
        vocabulary = "exam/1"
        figure = { kind = "count", of = "n" }
        loss = 5_000_000
        matters = "10"
        measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]"#;
    let about = |period: &str| {
        let question = Question::admit(QuestionDraft::from_toml(text).unwrap(), &exam).unwrap();
        question.bind(&BTreeMap::new(), Period::parse(period).unwrap()).unwrap()
    };
    check(|c| c.query.question = about("2025-09-01..2025-12-19"), "ok");
    check(|c| c.query.question = about("1925-09-01..1925-12-19"), "window floor");
    check(|c| c.query.question = about("2026-09-01..2026-12-19"), "window floor");
    with_roster(|c| c.query.question = about("2024-09-01..2024-12-19"), "window floor");
}

#[test]
fn a_sensitive_column_is_open_to_a_purpose_that_names_it() {
    let text = ATTENDANCE.replace("name = \"attended\", type", "name = \"attended\", sensitive = true, type");
    let vocabulary = Vocabulary::from_toml(&text).unwrap();
    let admitted = Question::admit(QuestionDraft::from_toml(EVENT_DAY).unwrap(), &vocabulary).unwrap();
    let bound = question(&took_part(9));
    let sensitive = admitted.bind(bound.params(), bound.period()).unwrap();
    assert_eq!(sensitive.sensitive_columns(), BTreeSet::from(["attended".to_owned()]));
    check(|c| c.query.question = sensitive.clone(), "columns floor");
    let all = sensitive.columns();
    check(
        |c| {
            c.query.question = sensitive.clone();
            c.charter.purposes[0].limits.columns = Set::Only(all.clone());
        },
        "ok",
    );
    check(
        |c| {
            c.query.question = sensitive.clone();
            c.charter.purposes[0].limits.columns = Set::Except(BTreeSet::new());
            c.own = own(|l| l.columns = Set::Only(all.clone()));
        },
        "columns floor",
    );
}

/// What no standing of any member can make a round.
#[test]
fn a_round_that_floor_or_charter_forbid_is_none() {
    let round = |change: &dyn Fn(&mut Case), members: usize| {
        let mut case = Case::new();
        change(&mut case);
        let roster: Vec<MemberId> = (0..members).map(id).collect();
        let charter = Charter::admit(case.charter.clone()).unwrap();
        judge_round(&charter, &case.query, &roster).map_err(|refusal| refusal.rule.code())
    };
    assert_eq!(round(&|_| (), 12), Ok(()));
    assert_eq!(round(&|c| c.charter.members[0].roles = BTreeSet::from([Role::Voting]), 12), Err("asker"));
    assert_eq!(round(&|c| c.query.mode = Mode::FullNoise, 12), Err("full_noise"));
    assert_eq!(round(&|c| c.query.loss = nano(20_000_001), 12), Err("rho_query"));
    assert_eq!(round(&|c| c.query.assumed.missing_percent = 4, 12), Err("roster"));
    assert_eq!(round(&|c| c.charter.limits.min_roster = 13, 12), Err("min_roster"));
    assert_eq!(round(&|c| c.query.charter = Digest([7; 32]), 12), Err("charter_version"));
    assert_eq!(round(&|_| (), 0), Err("roster"));
}

#[test]
fn what_may_be_asked_and_by_whose_rule() {
    check(|c| c.query.purpose = "other".into(), "purposes charter");
    check(|c| c.own = own(|l| l.purposes = Set::none()), "purposes member");
    check(
        |c| c.own = own(|l| l.questions = Set::Except(BTreeSet::from(["event-day".into()]))),
        "questions member",
    );
    check(|c| c.charter.purposes[0].limits.datasets = Set::none(), "datasets charter");
    check(
        |c| c.charter.limits.columns = Set::only(["attended", "date", "possible", "compulsory_age"]),
        "columns charter",
    );
    check(|c| c.own = own(|l| l.group_by = Set::only(["pupil_premium"])), "group_by member");
    check(|c| c.charter.purposes[0].starts = c.now.day(), "ok");
    check(|c| c.charter.purposes[0].starts = Day(c.now.day().0 + 1), "not_before charter");
    check(|c| c.charter.purposes[0].expires = Day(c.now.day().0 - 1), "not_after charter");
    check(|c| c.own = own(|l| l.max_cells = 12), "ok");
    check(|c| c.own = own(|l| l.max_cells = 11), "max_cells member");
    check(|c| c.query.mode = Mode::FullNoise, "full_noise charter");
    check(|c| c.own = own(|l| l.min_cosigners = 1), "min_cosigners member");
    check(|c| (c.own, c.query.cosigners) = (own(|l| l.min_cosigners = 2), 1), "min_cosigners member");
    check(|c| (c.own, c.query.cosigners) = (own(|l| l.min_cosigners = 2), 2), "ok");
    check(|c| c.declared = false, "no_data member");
    check(|c| c.query.question = question(&format!("GB-CHC-9,{}", took_part(8))), "member_fact member");
}

#[test]
fn what_members_restricted_is_closed() {
    let roster = || Some((0..12).map(id).collect::<Vec<_>>());
    check(|c| c.restricted.members.extend([id(2)]), "ok");
    check(|c| c.restricted.members.extend([c.query.asker.clone()]), "asker floor");
    check(
        |c| {
            c.restricted.members.insert(id(2));
            c.roster = roster();
        },
        "roster floor",
    );
    check(
        |c| {
            c.restricted.members.insert(id(13));
            c.roster = roster();
        },
        "ok",
    );
    check(|c| c.restricted.purposes.extend([c.query.purpose.clone()]), "purposes charter");
    check(|c| c.restricted.purposes.extend(["another".into()]), "ok");
    check(|c| c.restricted.datasets.extend([c.query.account.dataset.clone()]), "datasets charter");
    check(|c| c.restricted.datasets.extend(["another".into()]), "ok");
}

#[test]
fn what_it_costs_is_held_to_each_limit_exactly() {
    check(|c| c.query.loss = nano(20_000_000), "ok");
    check(|c| c.query.loss = nano(20_000_001), "rho_query charter");
    check(|c| c.query.loss = PrivacyLoss::ZERO, "rho_query floor");
    check(|c| c.query.loss = nano(u64::MAX), "rho_query floor");
    check(|c| c.own = own(|l| l.rho_query = nano(4_999_999)), "rho_query member");
    check(|c| (c.charter.limits.rho_purpose, c.purpose_spent) = (nano(10_000_000), nano(5_000_000)), "ok");
    check(
        |c| (c.charter.limits.rho_purpose, c.purpose_spent) = (nano(10_000_000), nano(5_000_001)),
        "rho_purpose charter",
    );
    let spent = |c: &mut Case, amount: u64| {
        c.ledger.book(&c.ledger.plan(c.query.account.clone(), nano(amount)));
    };
    check(|c| spent(c, 245_000_000), "ok");
    check(|c| spent(c, 245_000_001), "rho_year charter");
    check(|c| c.reserved = nano(245_000_001), "rho_year charter");
    check(
        |c| {
            spent(c, 200_000_000);
            c.reserved = nano(45_000_001);
        },
        "rho_year charter",
    );
    check(|c| c.own = own(|l| l.rho_year = nano(5_000_000)), "ok");
    check(|c| c.own = own(|l| l.rho_year = nano(4_999_999)), "rho_year member");
}

/// Gives one body so many places; its seats must not vote, or the charter falls.
fn trust(case: &mut Case, places: usize) {
    for member in &mut case.charter.members[..places] {
        member.body = "One Trust".into();
        member.roles = BTreeSet::from([Role::Coordinator]);
    }
    case.charter.amend = crate::charter::amend_min(u32::try_from(12 - places).unwrap());
}

#[test]
fn a_roster_is_sorted_entitled_large_and_spread() {
    let roster = |ids: &[usize]| Some(ids.iter().copied().map(id).collect::<Vec<_>>());
    check(|c| c.query.min_roster = 4, "min_roster charter");
    check(|c| c.query.assumed.colluding_percent = 29, "roster floor");
    check(|c| c.query.assumed.missing_percent = 60, "roster floor");
    with_roster(|c| c.roster = roster(&[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), "roster floor");
    with_roster(|c| c.roster = roster(&[1, 0, 2, 3, 4, 5, 6, 7, 8]), "roster floor");
    with_roster(|c| c.roster = roster(&[0, 1, 1, 2, 3, 4, 5, 6, 7]), "roster floor");
    with_roster(|c| c.roster = roster(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 99]), "roster floor");
    with_roster(|c| c.query.min_roster = 12, "ok");
    let looks_on = |c: &mut Case| {
        c.charter.members[11].roles = BTreeSet::from([Role::Observer]);
        c.charter.amend = crate::charter::amend_min(11);
    };
    with_roster(looks_on, "roster floor");
    with_roster(|c| c.query.min_roster = 13, "min_roster floor");
    with_roster(|c| c.own = own(|l| l.min_roster = 13), "min_roster member");
    with_roster(|c| c.own = own(|l| l.min_bodies = 13), "min_bodies member");
    with_roster(|c| c.own = own(|l| l.min_people = 10_800), "ok");
    with_roster(|c| c.own = own(|l| l.min_people = 10_801), "min_people member");
    // Of twelve, f = 3 places at most for one body.
    with_roster(|c| trust(c, 3), "ok");
    with_roster(|c| trust(c, 4), "body_share floor");
}

#[test]
fn nobody_is_singled_out() {
    // Nine took part, three did not: allowed. Ten and two: not.
    with_roster(|c| c.query.question = question(&took_part(10)), "min_step floor");
    with_roster(|c| c.query.question = question(&took_part(12)), "ok");
    with_roster(|c| c.query.question = question(&took_part(2)), "min_step floor");
    let set = |ids: std::ops::Range<usize>| ids.map(id).collect::<MemberSet>();
    let past = |members: std::ops::Range<usize>, took_part: usize, period: &str| {
        let sets = vec![set(members.clone()), set(0..took_part), set(took_part..members.end)];
        vec![PastRound { period: Period::parse(period).unwrap(), sets }]
    };
    let same = "2025-11-03..2025-12-19";
    with_roster(|c| c.past = past(0..12, 9, same), "ok");
    // Three more members than before, or three fewer: a group of its own. Two: too few.
    with_roster(|c| c.past = past(0..9, 9, same), "ok");
    with_roster(|c| c.past = past(0..10, 9, same), "min_step floor");
    with_roster(|c| c.past = past(1..12, 9, same), "min_step floor");
    // A list of those who took part that is one apart.
    with_roster(|c| c.past = past(0..12, 8, same), "min_step floor");
    with_roster(|c| c.past = past(0..12, 6, same), "ok");
    // In another term other days are another question; the same days never are.
    with_roster(|c| c.past = past(1..12, 9, "2025-09-01..2025-10-24"), "min_step floor");
    with_roster(|c| c.past = past(1..12, 9, "2026-01-05..2026-02-13"), "ok");
    with_roster(|c| c.past = past(1..12, 9, "2025-12-19..2026-02-13"), "min_step floor");
    with_roster(|c| c.own = own(|l| l.min_step = 4), "min_step member");
    let full_noise = |c: &mut Case| {
        c.query.mode = Mode::FullNoise;
        c.charter.limits.full_noise = true;
        c.past = past(1..12, 9, same);
    };
    with_roster(full_noise, "ok");
    check(|c| c.under_way = true, "min_step floor");
    with_roster(|c| c.under_way = true, "ok");
}

#[test]
fn a_veto_is_a_change_of_ones_own_limits() {
    let case = Case::new();
    let allowed = |limits: Limits| in_scope(&limits, &case.query, case.now);
    assert!(allowed(Limits::top()));
    assert!(!allowed(Limits { purposes: Set::none(), ..Limits::top() }));
    assert!(!allowed(Limits { datasets: Set::none(), ..Limits::top() }));
}

/// The last day, the first day and the next one, each where it decides.
#[test]
fn every_bound_is_exact() {
    check(|c| c.charter.purposes[0].expires = c.now.day(), "ok");
    check(|c| c.charter.effective = c.now.day(), "ok");
    check(|c| c.charter.effective = Day(c.now.day().0 + 1), "charter_expired floor");
    // No weaker than the floor is not enough where the charter asks for more.
    check(|c| c.charter.assumed.colluding_percent = 31, "roster floor");
    with_roster(
        |c| {
            let roster = c.roster.as_mut().unwrap();
            roster[11] = roster[10].clone();
        },
        "roster floor",
    );
    assert_eq!(question(&took_part(9)).listed_params(), BTreeSet::from(["took_part"]));
}
