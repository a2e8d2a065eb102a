use std::collections::BTreeMap;
use std::num::NonZeroU32;

use datacoop_policy::Day;
use datacoop_policy::query::NoiseScale;
use datacoop_policy::question::{Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;

use super::super::basis::Basis;
use super::super::count::Ours;
use super::super::like::{Verdict, like_ours};
use super::*;

#[test]
fn summers_without_key_stage_2_have_no_official_progress_8() {
    let said = |days: &str| official_text(Period::parse(days).unwrap());
    assert!(said("2024-09-01..2025-08-31").starts_with("No official Progress 8 exists for summer 2025"));
    assert!(said("2025-09-01..2026-08-31").starts_with("No official Progress 8 exists"));
    assert!(said("2026-09-01..2027-08-31").starts_with("This is not the official"));
    assert!(said("2023-09-01..2024-08-31").starts_with("This is not the official"));
}

/// The catalogue's own question.
fn question() -> BoundQuestion {
    let draft =
        QuestionDraft::from_toml(include_str!("../questions/catalogue/cluster-progress.toml")).unwrap();
    let vocabulary = Vocabulary::from_toml(include_str!("../vocab/attainment.toml")).unwrap();
    let period = Period::parse("2025-09-01..2026-08-31").unwrap();
    Question::admit(draft, &vocabulary).unwrap().bind(&BTreeMap::new(), period).unwrap()
}

/// A pupil's steps in a band: a person is ten; points less the band's centres.
fn pupil(question: &BoundQuestion, band: usize, points: [i64; 4]) -> [i64; 5] {
    let centre = |at: usize| question.measures()[at].centre[band].numerator;
    let [english, maths, ebacc, open] = points;
    [10, english - centre(1), maths - centre(2), ebacc - centre(3), open - centre(4)]
}

/// A cluster of two bands, and 40 pupils of ours.
pub(crate) fn school() -> (Basis, Ours) {
    let question = question();
    // The cluster: 1,000 pupils in band 4 (96 - 99.5) at 8, 7, 10, 11; 2,000 in band 9 (110 - 113) at
    // 14, 13, 19, 19.
    let mut sums = vec![0; question.cells()];
    let mut ours = Ours::none(&question);
    for (band, times, points) in [(3, 1000, [8, 7, 10, 11]), (8, 2000, [14, 13, 19, 19])] {
        for (at, step) in pupil(&question, band, points).into_iter().enumerate() {
            sums[band * 5 + at] = step * times;
        }
    }
    // Ours: 30 in band 4, a point better in English and two in maths; 10 in band 9, two worse in EBacc.
    (0..30).for_each(|_| ours.add(3, &pupil(&question, 3, [9, 9, 10, 11])));
    (0..10).for_each(|_| ours.add(8, &pupil(&question, 8, [14, 13, 17, 19])));
    let basis = Basis {
        me: "A".parse().unwrap(),
        counts_us: true,
        question,
        purpose: "p".into(),
        asked: Day(20_000),
        noise: NoiseScale { noise_std: NonZeroU32::new(512).unwrap(), doublings: 0 },
        accepted: 4,
        roster: 4,
        query: "ab".repeat(32),
        certificate: "not yet witnessed".into(),
        demo: false,
        sums,
    };
    (basis, ours)
}

#[test]
fn cluster_progress_is_the_mean_distance_from_pupils_of_the_same_start() {
    let (basis, ours) = school();
    let question = &basis.question;
    assert!(is_progress(question));
    let all = like_ours(&basis, &ours).ok().unwrap();
    let names: Vec<&str> = all.iter().map(|like| like.name.as_str()).collect();
    assert_eq!(names, ["english_points", "maths_points", "ebacc_points", "open_points", "attainment_8"]);
    let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-9, "{value} {expected}");
    // Of 40 pupils: 30 x 1, 30 x 2, 10 x -2, nothing; together (30 x 3 - 10 x 2) / 40.
    for (like, distance) in all.iter().zip([0.75, 1.5, -0.5, 0.0, 1.75]) {
        near(like.difference(), distance);
    }
    // 30 of 36 and 10 of 65 points on average.
    near(all[4].expected, (30.0 * 36.0 + 10.0 * 65.0) / 40.0);
    // As Progress 8 counts: over 2, 2, 3, 3 and 10 slots.
    let each: Vec<f64> =
        all.iter().map(|like| like.difference() / slots(question, &like.name).unwrap()).collect();
    for (each, expected) in each.into_iter().zip([0.375, 0.75, -0.5 / 3.0, 0.0, 0.175]) {
        near(each, expected);
    }
    assert_eq!((all[0].verdict(), all[2].verdict()), (Verdict::Above, Verdict::Below));
    assert_eq!(slots(question, "n"), None);
}
