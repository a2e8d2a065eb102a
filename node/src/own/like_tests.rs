use std::collections::BTreeMap;
use std::num::NonZeroU32;

use datacoop_policy::query::NoiseScale;
use datacoop_policy::question::{Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period};

use super::*;

const VOCABULARY: &str = r#"
id = "v"
version = 1
title = "V"
dataset = "v"
unit = "row"
column = [
  { name = "year", type = "text", values = ["7", "8"], group = true },
  { name = "premium", type = "bool", group = true },
  { name = "grade", type = "text", values = ["low", "high"], group = true },
  { name = "here", type = "number", low = 0, high = 100 },
  { name = "away", type = "number", low = 0, high = 100 },
]
"#;

pub(in crate::own) const RATE: &str = r#"
figure = { kind = "rate", of = "a", against = "b" }
measure = [
  { name = "a", sql = "here", clamp = [0, 100], resolution = 1 },
  { name = "b", sql = "away", clamp = [0, 100], resolution = 1 },
]
by = [{ column = "year", cells = ["7", "8"] }, { column = "premium", cells = ["true", "false"] }]
"#;

pub(in crate::own) const MEANS: &str = r#"
figure = { kind = "mean", of = ["a", "b"], count = "n", together = "both" }
measure = [
  { name = "n", sql = "1", clamp = [0, 1], resolution = "1/10" },
  { name = "a", sql = "here", centre = [10, 20], clamp = [-50, 50], resolution = "1/2" },
  { name = "b", sql = "away", centre = 5, clamp = [-50, 50], resolution = 1 },
]
by = [{ column = "year", cells = ["7", "8"] }, { column = "premium", cells = ["true", "false"] }]
"#;

pub(in crate::own) const GRADES: &str = r#"
figure = { kind = "transition", rows = "year", columns = "grade" }
measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
by = [{ column = "year", cells = ["7", "8"] }, { column = "grade", cells = ["low", "high"] }]
"#;

fn question(text: &str) -> BoundQuestion {
    bound(text, &[])
}

pub(in crate::own) fn bound(text: &str, params: &[(&str, &str)]) -> BoundQuestion {
    let head =
        "id = \"q\"\nversion = 1\ntitle = \"Q?\"\nvocabulary = \"v/1\"\nloss = 5_000_000\nmatters = \"1\"\n";
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
    let draft = QuestionDraft::from_toml(&format!("{head}{text}")).unwrap();
    let period = Period::parse("2025-09-01..2025-10-01").unwrap();
    Question::admit(draft, &vocabulary).unwrap().bind(&params, period).unwrap()
}

/// Sums of the cluster as they are released: scaled up by 2, each with a standard error of 2 steps.
pub(in crate::own) fn basis(text: &str, sums: &[i64]) -> Basis {
    Basis {
        me: "A".parse().unwrap(),
        counts_us: true,
        question: question(text),
        purpose: "p".into(),
        asked: Day(20_000),
        noise: NoiseScale { noise_std: NonZeroU32::new(512).unwrap(), doublings: 1 },
        accepted: 4,
        roster: 4,
        query: "ab".repeat(32),
        certificate: "not yet witnessed".into(),
        demo: false,
        sums: sums.iter().map(|sum| sum * 2).collect(),
    }
}

pub(in crate::own) fn ours(question: &BoundQuestion, people: &[(usize, u32, &[i64])]) -> Ours {
    let mut ours = Ours::none(question);
    for (group, times, steps) in people {
        (0..*times).for_each(|_| ours.add(*group, steps));
    }
    ours
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

/// (year 7, premium) .8, (7, not) .95, (8, premium) .7, (8, not) .9 in school.
const CLUSTER: [i64; 8] = [800, 200, 1900, 100, 700, 300, 1800, 200];
/// A quarter, a quarter and half of our sessions; 60 %, 90 % and all of them in school.
const PUPILS: [(usize, u32, &[i64]); 3] = [(0, 5, &[6, 4]), (1, 5, &[9, 1]), (3, 10, &[10, 0])];

#[test]
fn the_clusters_rates_are_weighted_by_our_own_mix() {
    let basis = basis(RATE, &CLUSTER);
    let all = like_ours(&basis, &ours(&basis.question, &PUPILS)).ok().unwrap();
    let [rate] = all.as_slice() else { panic!("one figure") };
    // .25 x .8 + .25 x .95 + .5 x .9
    near(rate.expected, 0.8875);
    near(rate.actual, 175.0 / 200.0);
    near(rate.difference(), -0.0125);
    // SD of a stratum: 2 sqrt((1 - r)^2 + r^2) / (A + B); weighted by 1/4, 1/4, 1/2, and 1.96 of it.
    near(rate.noise, 1.96 * 0.000_656_93);
    // Each pupil's sessions less those of a pupil like it, less our difference: -1.875, -.375, 1.125;
    // their squares add up to 30.9375; x 20 / 19, the root, over our 200 sessions.
    near(rate.chance.unwrap(), 1.96 * 0.028_533_2);
    near(rate.part, 200.0 / 6000.0);
    assert_eq!((rate.people, rate.name.as_str(), rate.fell_back.len()), (20, "rate", 0));
    assert_eq!(rate.verdict(), Verdict::NotToldApart);
}

#[test]
fn a_group_that_noise_drowns_is_read_off_a_coarser_one() {
    let mut sums = CLUSTER;
    (sums[0], sums[1]) = (6, 2);
    let basis = basis(RATE, &sums);
    let all = like_ours(&basis, &ours(&basis.question, &PUPILS)).ok().unwrap();
    // Year 7 with the premium is read off year 7.
    near(all[0].expected, 0.25 * 1906.0 / 2008.0 + 0.25 * 0.95 + 0.5 * 0.9);
    let year = FellBack { groupings: vec!["year".into()], weight: 0.25 };
    assert_eq!(all[0].fell_back, [year]);
}

#[test]
fn a_year_that_noise_drowns_is_read_off_the_whole() {
    let basis = basis(RATE, &[3, 1, 0, -2, 700, 300, 1800, 200]);
    let all = like_ours(&basis, &ours(&basis.question, &PUPILS)).ok().unwrap();
    near(all[0].expected, 0.5 * 2503.0 / 3002.0 + 0.5 * 0.9);
    assert_eq!(all[0].fell_back, [FellBack { groupings: vec![], weight: 0.5 }]);
}

/// What noise does to the expected figure, by moving each sum by one standard error.
fn noise_by_moving(text: &str, sums: &[i64], people: &[(usize, u32, &[i64])], figure: usize) -> f64 {
    let expected = |sums: &[i64]| {
        let basis = basis(text, sums);
        like_ours(&basis, &ours(&basis.question, people)).ok().unwrap()[figure].expected
    };
    let squares = (0..sums.len()).map(|at| {
        let moved = |by: i64| {
            let mut sums = sums.to_vec();
            sums[at] += by;
            expected(&sums)
        };
        ((moved(2) - moved(-2)) / 2.0).powi(2)
    });
    1.96 * squares.sum::<f64>().sqrt()
}

#[test]
fn the_noise_of_the_expected_is_that_of_every_sum_once() {
    let drowned = [9, 2, 1900, 100, 700, 300, 1800, 200];
    for sums in [&CLUSTER, &drowned] {
        let basis = basis(RATE, sums);
        let like = like_ours(&basis, &ours(&basis.question, &PUPILS)).ok().unwrap();
        let moved = noise_by_moving(RATE, sums, &PUPILS, 0);
        assert!((like[0].noise / moved - 1.0).abs() < 1e-3, "{} {moved}", like[0].noise);
    }
    // Counts in tenths of a person, a in halves.
    let sums = [9_000, -400, 300, 20_000, 900, -2_000, 15_000, 500, 70, 8_000, 60, 60];
    let people: [(usize, u32, &[i64]); 2] = [(0, 30, &[10, 4, 2]), (3, 10, &[10, -8, 1])];
    for figure in 0..3 {
        let basis = basis(MEANS, &sums);
        let like = like_ours(&basis, &ours(&basis.question, &people)).ok().unwrap();
        let moved = noise_by_moving(MEANS, &sums, &people, figure);
        assert!((like[figure].noise / moved - 1.0).abs() < 1e-3, "{} {moved}", like[figure].noise);
    }
}

#[test]
fn means_get_their_centres_back_and_are_added_together() {
    // 100 people a group (a tenth of a person a step). a: +3 of 10 in year 7, -1 of 20 in year 8.
    let sums = [1000, 600, 0, 1000, 600, 0, 1000, -200, 200, 1000, -200, 200];
    let basis = basis(MEANS, &sums);
    // Ours: ten in year 7 at a = 14, b = 5; ten in year 8 at a = 19, b = 8.
    let ours = ours(&basis.question, &[(0, 10, &[10, 8, 0]), (2, 10, &[10, -2, 3])]);
    let all = like_ours(&basis, &ours).ok().unwrap();
    let seen: Vec<(&str, f64, f64)> = all.iter().map(|l| (l.name.as_str(), l.expected, l.actual)).collect();
    assert_eq!(seen.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), ["a", "b", "both"]);
    for ((_, expected, actual), (e, a)) in seen.into_iter().zip([(16.0, 16.5), (6.0, 6.5), (22.0, 23.0)]) {
        near(expected, e);
        near(actual, a);
    }
}

#[test]
fn shares_are_weighted_by_where_our_people_start() {
    // Year 7: 30 % high of 1,000; year 8: 80 % of 500. Ours: 20 in year 7, 5 of them high; 20 in year 8, all.
    let basis = basis(GRADES, &[700, 300, 100, 400]);
    let ours = ours(&basis.question, &[(0, 15, &[1]), (1, 5, &[1]), (3, 20, &[1])]);
    let all = like_ours(&basis, &ours).ok().unwrap();
    assert_eq!(all.iter().map(|like| like.name.as_str()).collect::<Vec<_>>(), ["low", "high"]);
    near(all[1].expected, 0.55);
    near(all[1].actual, 0.625);
    near(all[0].expected + all[1].expected, 1.0);
    // e = 1 - .3 or 0 - .3 in year 7, 1 - .8 in year 8, less .075.
    let squares = 15.0 * 0.375f64.powi(2) + 5.0 * 0.625f64.powi(2) + 20.0 * 0.125f64.powi(2);
    near(all[1].chance.unwrap(), 1.96 * (squares * 40.0 / 39.0).sqrt() / 40.0);
}

#[test]
fn without_noise_and_with_all_members_alike_the_expected_is_our_own() {
    let mut state = 7u64;
    let mut dice = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % below).unwrap()
    };
    for text in [RATE, MEANS, GRADES] {
        let question = question(text);
        let width = question.measures().len();
        let mut ours = Ours::none(&question);
        for _ in 0..400 {
            let group = usize::try_from(dice(4)).unwrap();
            let mut steps: Vec<i64> = (0..width).map(|_| dice(40)).collect();
            if text != RATE {
                steps[0] = if text == MEANS { 10 } else { 1 };
            }
            ours.add(group, &steps);
        }
        let mut basis = basis(text, &ours.sums().iter().map(|sum| sum * 9).collect::<Vec<_>>());
        basis.noise.noise_std = NonZeroU32::MIN;
        for like in like_ours(&basis, &ours).ok().unwrap() {
            near(like.expected, like.actual);
            assert_eq!((like.verdict(), like.fell_back.len()), (Verdict::NotToldApart, 0), "{}", like.name);
            near(like.part, 1.0 / 9.0);
        }
    }
}

#[test]
fn above_or_below_needs_the_whole_interval() {
    let basis = basis(RATE, &CLUSTER);
    let verdict = |people: &[(usize, u32, &[i64])]| {
        like_ours(&basis, &ours(&basis.question, people)).ok().unwrap()[0].verdict()
    };
    assert_eq!(verdict(&[(3, 12, &[95, 5])]), Verdict::Above);
    assert_eq!(verdict(&[(3, 12, &[85, 15])]), Verdict::Below);
    assert_eq!(verdict(&[(3, 6, &[95, 5]), (3, 6, &[85, 15])]), Verdict::NotToldApart);
    // Nine people give no interval, however far away they are.
    assert_eq!(verdict(&[(3, 9, &[0, 100])]), Verdict::TooFew);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let check = |basis: &Basis, people: &[(usize, u32, &[i64])], said: NoLike| {
        assert_eq!(like_ours(basis, &ours(&basis.question, people)).err(), Some(said));
    };
    check(&basis(RATE, &CLUSTER), &[], NoLike::Nobody);
    check(&basis(RATE, &[5, 1, 4, 0, 6, -3, 2, 1]), &PUPILS, NoLike::TooNoisy);
    let counted = RATE.replace("rate\", of = \"a\", against = \"b\"", "count\", of = \"a\"");
    let counted = counted.replacen("clamp = [0, 100]", "clamp = [0, 1]", 1);
    check(&basis(&counted, &CLUSTER), &PUPILS, NoLike::Kind("count".into()));
}
