//! How long a member works on its answer, and whether that tells what it holds: SECURITY S22 and S23.
//! What this file does *not* know: wires. That answers leave on the grid is `shape`.
//!
//! A sample is a node's own work between a debit and its contribution, on a real clock: `engine::tabulate`
//! over a table on disk, `noise::draw`, and `Work::Prove` (clamp, add noise, prove, share, seal). The two
//! classes are a table and the same table without one person, in random order, so that a machine that
//! slows down slows both.

use std::collections::BTreeMap;
use std::time::Instant;

use datacoop::engine::{Sources, TableWriter, table_path, tabulate};
use datacoop::import::{Cell, kept_columns};
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, Period, Span};
use datacoop_protocol::member::port::{Noise, Tally};
use datacoop_protocol::member::work::{Computed, Prove, Work};
use datacoop_protocol::seed::Seed;
use zeroize::Zeroizing;

use crate::report::Figure;
use crate::shape::{ANSWER_GRID, DATA, Making, QUESTION, round};
use crate::shape_queries::{Dice, VOCABULARY};

/// Samples of each class: what SECURITY S22 asks for.
pub const SAMPLES: usize = 100_000;
/// Above it two classes are told apart. Source: Goodwill et al. 2011, "A testing methodology for
/// side-channel resistance validation" (TVLA).
const T_MAX: f64 = 4.5;
/// SECURITY S23; at 200,000 samples chance alone gives 0.0022 one time in three.
const R_MAX: f64 = 0.01;
/// Pupils of the larger table: a school's.
const PUPILS: u32 = 600;
/// Samples before the first that counts: caches and allocators settle.
const WARM_UP: usize = 20;

fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// Sum of the products of deviations from the means.
fn products(one: &[f64], two: &[f64]) -> f64 {
    let (a, b) = (mean(one), mean(two));
    one.iter().zip(two).map(|(x, y)| (x - a) * (y - b)).sum()
}

/// Welch's t of two samples; 0 when neither varies and their means agree.
///
/// Source: Welch 1947, "The generalization of Student's problem when several different population
/// variances are involved".
pub fn welch(one: &[f64], two: &[f64]) -> f64 {
    let error =
        |samples: &[f64]| products(samples, samples) / (samples.len() as f64 - 1.0) / samples.len() as f64;
    let apart = mean(one) - mean(two);
    if apart == 0.0 { 0.0 } else { apart / (error(one) + error(two)).sqrt() }
}

/// Pearson's correlation; 0 when one of them does not vary.
pub fn correlation(one: &[f64], two: &[f64]) -> f64 {
    let scale = (products(one, one) * products(two, two)).sqrt();
    if scale == 0.0 { 0.0 } else { products(one, two) / scale }
}

/// When an answer leaves that took so many milliseconds: at the next point of the grid.
fn gridded(millis: f64, grid: Span) -> f64 {
    (millis / grid.0 as f64).ceil() * grid.0 as f64
}

/// A school's table with so many pupils, in a folder of its own.
fn table(folder: &std::path::Path, vocabulary: &Vocabulary, pupils: u32) -> Sources {
    let path = table_path(folder, vocabulary, 1);
    let columns = kept_columns(vocabulary);
    let sex = columns.iter().position(|column| column.name == "sex").expect("the vocabulary has it");
    let mut writer = TableWriter::create(&path, vocabulary).expect("a table");
    for pupil in 0..pupils {
        let mut row = vec![Cell::Null; columns.len()];
        row[sex] = Cell::Text(if pupil % 2 == 0 { "F" } else { "M" }.into());
        writer.push(&row).expect("a row");
    }
    writer.finish().expect("a table");
    Sources::new(Some(path))
}

fn question(vocabulary: &Vocabulary) -> BoundQuestion {
    let draft = QuestionDraft::from_toml(QUESTION).expect("the question is one");
    let question = Question::admit(draft, vocabulary).expect("it fits the vocabulary");
    let period = Period::parse("2025-09-01..2025-12-19").expect("a period");
    question.bind(&BTreeMap::new(), period).expect("it binds")
}

/// What was measured: milliseconds and the noise's size, for each sample of each class.
struct Samples {
    millis: [Vec<f64>; 2],
    noise: [Vec<f64>; 2],
}

async fn samples(count: usize) -> Samples {
    let vocabulary = Vocabulary::from_toml(VOCABULARY).expect("the vocabulary is one");
    let question = question(&vocabulary);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tables = [PUPILS, PUPILS - 1].map(|pupils| {
        let folder = folder.path().join(pupils.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        table(&folder, &vocabulary, pupils)
    });
    let seen = round(DATA, &Making::usual(41));
    let member = seen.world.member(0).expect("nobody crashed");
    let plan = member.fold().round(&seen.query).and_then(|round| round.plan()).expect("a plan").clone();
    let mut dice =
        Dice::new(u64::from_le_bytes(datacoop::entropy::seed().bytes("classes")[..8].try_into().expect("8")));
    let mut found = Samples { millis: [vec![], vec![]], noise: [vec![], vec![]] };
    for turn in 0..WARM_UP + 2 * count {
        // Both classes get their number, in an order nobody knows.
        let class = match found.millis.each_ref().map(|samples| samples.len() < count) {
            [true, true] => usize::from(dice.pick(&[false, true])),
            [first, _] => usize::from(!first),
        };
        let entropy = datacoop::entropy::seed();
        let began = Instant::now();
        let tally = tabulate(&tables[class], &question, member.me()).await.expect("a tally");
        let noise = datacoop::noise::draw(plan.noise.noise_std, question.cells()).expect("noise");
        let size: f64 = noise.iter().map(|x| x.unsigned_abs() as f64).sum();
        let job = Prove {
            plan: plan.clone(),
            me: member.me().clone(),
            debit: Digest([1; 32]),
            tally: Tally(Zeroizing::new(tally)),
            noise: Noise(noise),
            entropy: Seed::clone(&entropy),
        };
        let computed = Work::Prove(Box::new(job)).run();
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert!(matches!(computed, Computed::Proved(_, Some(_))), "it is proved");
        if turn >= WARM_UP {
            found.millis[class].push(took);
            found.noise[class].push(size);
        }
    }
    found
}

/// The claims, and what the grid hides, in words.
pub async fn measure(count: usize) -> (Vec<Figure>, Vec<String>) {
    let Samples { millis: [one, two], noise } = samples(count).await;
    let leave = |millis: &[f64]| -> Vec<f64> { millis.iter().map(|ms| gridded(*ms, ANSWER_GRID)).collect() };
    let (one_leaves, two_leaves) = (leave(&one), leave(&two));
    let (took, sizes) = ([one.clone(), two.clone()].concat(), noise.concat());
    let leaves = [one_leaves.clone(), two_leaves.clone()].concat();
    let trials = 2 * count as u64;
    let t = welch(&one_leaves, &two_leaves).abs();
    let r = correlation(&leaves, &sizes).abs();
    let first = leaves.iter().filter(|at| **at <= ANSWER_GRID.0 as f64).count();
    let notes = vec![
        format!(
            "{first} of {trials} answers are ready before the first point of the grid ({} ms)",
            ANSWER_GRID.0
        ),
        format!(
            "without the grid: mean {:.4} ms with the person and {:.4} ms without; |t| = {:.2}; |r| with the noise's size = {:.4}",
            mean(&one),
            mean(&two),
            welch(&one, &two).abs(),
            correlation(&took, &sizes).abs()
        ),
    ];
    let figures = vec![
        Figure::at_most("|t| of the answers' moments, a table against one person fewer", trials, t, T_MAX),
        Figure::at_most("|r| of the answers' moments and the noise's size", trials, r, R_MAX),
    ];
    (figures, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_and_r_are_those_worked_out_by_hand() {
        // Means 3 and 6, variances 2.5 and 10: t = -3 / sqrt(2.5 / 5 + 10 / 5).
        let t = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!((t + 1.897_366_596_101_028).abs() < 1e-12, "{t}");
        // Sums of products 6, 10 and 6: r = 6 / sqrt(60).
        let r = correlation(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 5.0, 4.0, 5.0]);
        assert!((r - 0.774_596_669_241_483_4).abs() < 1e-12, "{r}");
        assert!(welch(&[1.0, 1.0], &[1.0, 1.0]) == 0.0 && correlation(&[1.0, 2.0], &[3.0, 3.0]) == 0.0);
        assert!(welch(&[1.0, 1.0], &[2.0, 2.0]).is_infinite(), "constant and apart: told apart for certain");
    }

    #[test]
    fn a_leak_is_seen_and_the_grid_hides_it() {
        let one: Vec<f64> = (0..1_000).map(|i| 5.0 + f64::from(i % 10)).collect();
        let two: Vec<f64> = one.iter().map(|ms| ms + 0.7).collect();
        assert!(welch(&one, &two).abs() > T_MAX && correlation(&one, &two) > R_MAX);
        let on_grid = |millis: &[f64]| millis.iter().map(|ms| gridded(*ms, ANSWER_GRID)).collect::<Vec<_>>();
        assert!(welch(&on_grid(&one), &on_grid(&two)) == 0.0);
        // A point of the grid between the two is seen: the grid is a step, not a wall.
        let late: Vec<f64> = two.iter().map(|ms| ms + 243.0).collect();
        assert!(welch(&on_grid(&one), &on_grid(&late)).abs() > T_MAX);
    }
}
