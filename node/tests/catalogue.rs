//! The catalogue: every question against the shipped vocabularies, the table's figures, and whether
//! people find it.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking; sums are small"
)]

use std::collections::{BTreeMap, BTreeSet};

use datacoop::questions::period::{default_period, example_params};
use datacoop::questions::reckon::{Cluster, Reckoned, people_of_groups, reckon};
use datacoop::questions::{THEMES, catalogue, named, search, shipped_vocabulary};
use datacoop_policy::derive::{FigureCell, Figures, derive};
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, Terms};
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::{Day, PrivacyLoss};

/// The catalogue's table: mark, name, Delta^2.
const TABLE: [(&str, &str, u128); 30] = [
    ("A1", "attendance-rate", 6_400),
    ("A2", "persistent-absence", 1),
    ("A3", "severe-absence", 1),
    ("A4", "attendance-gap", 6_400),
    ("A5", "attendance-sen", 6_400),
    ("A6", "attendance-weekday", 1_280),
    ("A7", "event-day", 84),
    ("A8", "birthdays", 84),
    ("A9", "before-the-break", 84),
    ("A10", "term-time-holidays", 12_800),
    ("A11", "lateness", 12_800),
    ("A12", "pupils-like-ours", 6_400),
    ("A13", "absence-spread", 1),
    ("A14", "year-6-to-7", 84),
    ("A15", "authorised-absence", 6_400),
    ("T1", "ks2-to-gcse", 1),
    ("T2", "cluster-progress", 2_206),
    ("T3", "progress-8", 5_376),
    ("T4", "attainment-gap", 2_425),
    ("T5", "attainment-quartiles", 1),
    ("T6", "english-and-maths", 1),
    ("T7", "prior-attainment-slope", 24_576),
    ("B1", "suspensions", 101),
    ("B2", "repeat-incidents", 1),
    ("V1", "people-reached", 1),
    ("V2", "lives-better", 816),
    ("V3", "outcome-cost", 1),
    ("V4", "referral-sources", 1),
    ("V5", "contact-hours", 1),
    ("V6", "referral-wait", 1),
];

fn bind(draft: &QuestionDraft, by: &[&str]) -> BoundQuestion {
    let vocabulary = shipped_vocabulary(&draft.vocabulary).unwrap();
    let question =
        Question::admit(draft.clone(), &vocabulary).unwrap_or_else(|error| panic!("{}: {error}", draft.id));
    let today = Day::parse("2026-11-25").unwrap();
    let kind = draft.period.as_deref().unwrap();
    let (period, _) = default_period(kind, vocabulary.date_column().is_some(), today);
    let mut params = example_params(&question, period);
    let by: Vec<String> = by.iter().map(|name| (*name).to_owned()).collect();
    params.extend(question.choices(&by, &BTreeMap::new()).unwrap());
    question.bind(&params, period).unwrap_or_else(|error| panic!("{}: {error}", draft.id))
}

#[test]
fn each_question_of_the_table_is_there_with_its_sensitivity() {
    for (code, id, sensitivity2) in TABLE {
        let question = named(code).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!(question.about.id, id, "{code}");
        assert_eq!(bind(&question.draft, &[]).sensitivity2(), sensitivity2, "{code} {id}");
    }
    assert_eq!(catalogue().len(), TABLE.len() + 1, "and one that follows attendance by the week");
    assert_eq!(bind(&named("attendance-week").unwrap().draft, &[]).sensitivity2(), 100);
}

#[test]
fn each_question_is_admitted_bound_and_told_about() {
    let ids: BTreeSet<&str> = catalogue().iter().map(|question| question.about.id.as_str()).collect();
    assert_eq!(ids.len(), catalogue().len(), "each name once");
    for question in catalogue() {
        let (about, draft) = (&question.about, &question.draft);
        let all: Vec<&str> =
            draft.by.iter().filter(|by| by.optional).filter_map(|by| by.column.as_deref()).collect();
        for by in [&[][..], &all[..]] {
            let bound = bind(draft, by);
            assert!(bound.cells() <= 2_000, "{}: {}", about.id, bound.cells());
            assert!(bound.sensitive_columns().is_empty(), "{}: any purpose may ask it", about.id);
            assert!(!bound.measures_sql().is_empty());
        }
        assert_eq!(
            bind(draft, &all).sensitivity2(),
            bind(draft, &[]).sensitivity2(),
            "{}: a choice costs nothing",
            about.id
        );
        assert!(draft.cannot_tell.len() >= 2 && draft.title.ends_with('?'), "{}", about.id);
        assert!(THEMES.iter().any(|(theme, _)| *theme == about.theme), "{}", about.id);
        assert!(about.phrases.len() >= 4 && about.problem.ends_with('.') && about.answer.ends_with('.'));
        let unknown =
            about.related.iter().find(|related| !ids.contains(related.as_str()) || **related == about.id);
        assert_eq!(unknown, None, "{}", about.id);
        for shares in about.usual.iter().flat_map(|usual| usual.shares.iter()) {
            let grouping = bind(draft, &[]).groupings().iter().find(|by| by.name == *shares.0).cloned();
            assert_eq!(grouping.map(|by| by.cells.len()), Some(shares.1.len()), "{}: {}", about.id, shares.0);
        }
    }
}

/// What a person usually adds to a measure, in its own unit, the centre taken off, by cell of the first
/// grouping; where nothing is said, a count adds 1, a difference 0, a sum three quarters of its clip.
const USUAL: [(&str, &str, &[f64]); 30] = [
    ("attendance-rate", "in_school", &[55.0]),
    ("attendance-rate", "away", &[7.0]),
    ("attendance-gap", "in_school", &[55.0, 58.0]),
    ("attendance-gap", "away", &[7.0, 4.0]),
    ("attendance-sen", "in_school", &[57.5, 55.0, 53.5]),
    ("attendance-sen", "away", &[4.5, 7.0, 8.5]),
    ("attendance-weekday", "in_school", &[11.4]),
    ("attendance-weekday", "away", &[1.0]),
    ("before-the-break", "q", &[0.02]),
    ("year-6-to-7", "q", &[0.02]),
    ("term-time-holidays", "on_holiday", &[0.6]),
    ("term-time-holidays", "sessions", &[62.0]),
    ("lateness", "times_late", &[1.5]),
    ("lateness", "sessions", &[62.0]),
    ("progress-8", "progress", &[0.0]),
    ("progress-8", "squared", &[2.0]),
    ("attainment-gap", "a8_points", &[-10.0, 3.0]),
    ("suspensions", "suspended", &[0.113]),
    ("lives-better", "measured", &[1.0]),
    ("lives-better", "unmeasured", &[0.0]),
    ("lives-better", "better_by", &[1.6]),
    ("lives-better", "squared", &[8.3]),
    ("cluster-progress", "english_points", &[0.5]),
    ("cluster-progress", "maths_points", &[0.5]),
    ("cluster-progress", "ebacc_points", &[0.5]),
    ("cluster-progress", "open_points", &[0.5]),
    ("authorised-absence", "in_school", &[57.0]),
    ("authorised-absence", "authorised", &[3.2]),
    ("authorised-absence", "unauthorised", &[1.8]),
    ("birthdays", "q", &[0.07]),
];

/// The figures of usual sums in the reference cluster at rho 0.005, through the derivation of real ones.
fn usual_figures(id: &str) -> Figures {
    let bound = bind(&named(id).unwrap().draft, &[]);
    let cluster = Cluster::reference(bound.question().vocabulary().dataset());
    let terms = Terms::new(cluster.members, Mode::Secure, Assumptions::FLOOR).unwrap();
    assert_eq!(terms.honest, 13, "as the table has it");
    let loss = PrivacyLoss::from_nano(5_000_000);
    let noise = NoiseScale::new(bound.sensitivity2(), loss, terms.honest).unwrap();
    let rest: usize = bound.groupings().iter().skip(1).map(|by| by.cells.len()).product();
    let sum = |(at, people): (usize, u64)| {
        let cell = at / rest.max(1);
        bound
            .measures()
            .iter()
            .map(move |measure| {
                let step = measure.resolution.numerator as f64 / measure.resolution.denominator as f64;
                let high = measure.high_steps as f64 * step;
                let known = USUAL.iter().find(|(of, name, _)| *of == id && *name == measure.name);
                let each = match known {
                    Some((.., values)) => values[cell.min(values.len() - 1)],
                    None if measure.low_steps < 0 => 0.0,
                    None if high <= 1.0 => high,
                    None => high * 0.75,
                };
                (people as f64 * each / step).round() as i64 * (1 << noise.doublings)
            })
            .collect::<Vec<i64>>()
    };
    let sums: Vec<i64> = people_of_groups(&bound, &cluster).into_iter().enumerate().flat_map(sum).collect();
    derive(&bound, &noise, terms.n, &sums)
}

/// Source: DATA section 7, last column, at rho 0.005 in the reference cluster, where it follows from one
/// formula of section 8.
#[test]
fn the_noise_is_that_of_the_catalogues_table() {
    // Question, name of the figure, part of its cell, half-width, and how far rounding may put it off: the
    // table is rounded to its last digit, and a Release rounds up.
    for (id, name, cell, expected, off) in [
        ("attendance-rate", "rate", "true", 0.028, 0.0015),
        ("persistent-absence", "share", "yes", 0.005, 0.0005),
        ("severe-absence", "share", "yes", 0.005, 0.0005),
        ("attendance-gap", "difference", "", 0.006, 0.0005),
        ("attendance-sen", "rate", "K", 0.010, 0.0011),
        ("attendance-sen", "rate", "E", 0.031, 0.002),
        ("attendance-weekday", "rate", "Friday", 0.003, 0.0005),
        ("before-the-break", "change", "true", 0.006, 0.0005),
        ("term-time-holidays", "rate", "yes", 0.001, 0.0005),
        ("lateness", "rate", "7", 0.006, 0.0005),
        ("absence-spread", "count", "0 to 5 %", 24.3, 1.0),
        ("year-6-to-7", "change", "", 0.007, 0.0005),
        ("authorised-absence", "rate", "7", 0.008, 0.0006),
        ("ks2-to-gcse", "count", "105 - 107", 24.3, 1.0),
        ("progress-8", "mean", "true", 0.11, 0.01),
        ("attainment-gap", "difference", "", 1.4, 0.05),
        ("english-and-maths", "share", "5 or more", 0.02, 0.0015),
        ("suspensions", "mean", "true", 0.025, 0.0015),
        ("repeat-incidents", "share", "11+", 0.006, 0.0006),
        ("people-reached", "count", "25-49", 24.3, 1.0),
        ("lives-better", "mean", "", 0.2, 0.04),
        ("outcome-cost", "count", "achieved", 24.3, 1.0),
        ("referral-sources", "count", "gp", 24.3, 1.0),
    ] {
        let figures = usual_figures(id);
        let is_it = |found: &&FigureCell| cell.is_empty() || found.key.iter().any(|(_, value)| value == cell);
        let cells = figures.cells.iter().filter(is_it);
        let found =
            cells.flat_map(|cell| &cell.figures).find(|f| f.name.ends_with(name) && !f.noise.is_empty());
        let found = found.unwrap_or_else(|| panic!("{id} shows no {name} of `{cell}`: {figures:?}"));
        let noise: f64 = found.noise.parse().unwrap();
        assert!((noise - expected).abs() <= off, "{id}, {name} of `{cell}`: {noise}, not {expected}");
    }
}

fn reckoned(id: &str, nano: u64) -> Reckoned {
    let bound = bind(&named(id).unwrap().draft, &[]);
    let cluster = Cluster::reference(bound.question().vocabulary().dataset());
    reckon(&bound, &cluster, Mode::Secure, Assumptions::FLOOR, PrivacyLoss::from_nano(nano)).unwrap()
}

#[test]
fn each_question_answers_in_the_cluster_it_is_made_for() {
    let mut red = vec![];
    for question in catalogue() {
        let loss = u64::try_from(question.draft.loss).unwrap();
        let reckoned = reckoned(&question.about.id, loss);
        assert!(!reckoned.figures.is_empty(), "{}", question.about.id);
        assert_eq!(reckoned.is_all_red(), !reckoned.remedies.is_empty(), "{}", question.about.id);
        if reckoned.is_all_red() {
            red.push(question.about.id.as_str());
        }
    }
    assert_eq!(red, [""; 0]);
}

#[test]
fn who_says_it_in_their_own_words_finds_the_question() {
    // What somebody says, the question, and up to which place it may stand.
    for (words, id, place) in [
        ("why are children off on Fridays", "attendance-weekday", 1),
        ("did our mentoring help", "lives-better", 1),
        ("how many bullies have we", "repeat-incidents", 3),
        ("attendance of children with sen", "attendance-sen", 1),
        ("who sends people to us", "referral-sources", 1),
        ("holidays in term time", "term-time-holidays", 1),
        ("which kids are skiving on Mondays", "attendance-weekday", 1),
        ("do poor pupils miss more school", "attendance-gap", 1),
        ("pupil premium attendance", "attendance-gap", 1),
        ("persistent absentees", "persistent-absence", 1),
        ("pupils who never come to school", "severe-absence", 1),
        ("SEND children attendance", "attendance-sen", 1),
        ("did World Book Day keep children at home", "event-day", 1),
        ("strike day", "event-day", 1),
        ("absent on her birthday", "birthdays", 1),
        ("last week before Christmas", "before-the-break", 1),
        ("punctuality in the morning", "lateness", 1),
        ("how do schools like ours do", "pupils-like-ours", 3),
        ("a few pupils away a lot or many a little", "absence-spread", 1),
        ("moving from primary to secondary", "year-6-to-7", 1),
        ("truancy", "authorised-absence", 1),
        ("what GCSE grade from these SATs results", "ks2-to-gcse", 1),
        ("target grades in maths", "ks2-to-gcse", 1),
        ("value added without Progress 8", "cluster-progress", 2),
        ("P8", "progress-8", 1),
        ("disadvantaged pupils' exam results", "attainment-gap", 1),
        ("median Attainment 8", "attainment-quartiles", 1),
        ("how many pass English and maths", "english-and-maths", 1),
        ("exclusions of SEN pupils", "suspensions", 1),
        ("detentions and naughty pupils", "repeat-incidents", 1),
        ("how many clients do charities have", "people-reached", 1),
        ("does wellbeing improve", "lives-better", 1),
        ("social return on investment", "outcome-cost", 1),
        ("GP referrals", "referral-sources", 1),
        ("how many hours does each client get", "contact-hours", 1),
        ("people wait too long", "referral-wait", 1),
    ] {
        let found: Vec<&str> = search(words).iter().map(|found| found.question.about.id.as_str()).collect();
        let at = found.iter().position(|found| *found == id);
        assert!(at.is_some_and(|at| at < place), "{words}: {found:?}");
    }
    assert!(search("quantum chromodynamics").is_empty());
    assert!(search("").is_empty() && search("why is it the").is_empty());
}
