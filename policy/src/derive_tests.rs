use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::*;
use crate::loss::PrivacyLoss;
use crate::query::{Assumptions, Mode, Terms};
use crate::question::{Question, QuestionDraft};
use crate::time::Period;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::tests::EXAM;

fn question(figure: &str, measures: &str) -> BoundQuestion {
    let text = format!(
        r#"id = "q"
        version = 1
        title = "?"
        vocabulary = "exam/1"
        figure = {figure}
        loss = 1
        matters = "1"
        measure = [{measures}]
        by = [{{ column = "sex", cells = ["F", "M"] }}]"#
    );
    let draft = QuestionDraft::from_toml(&text).unwrap();
    let question = Question::admit(draft, &Vocabulary::from_toml(EXAM).unwrap()).unwrap();
    question.bind(&BTreeMap::new(), Period::parse("2025-09-01..2026-08-31").unwrap()).unwrap()
}

const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }"#;
const S: &str = r#"{ name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" }"#;
const Q: &str = r#"{ name = "q", sql = "s * s", clamp = [0, 16], resolution = 1 }"#;

fn scale(std: u32, doublings: u32) -> NoiseScale {
    NoiseScale { noise_std: NonZeroU32::new(std).unwrap(), doublings }
}

fn line(cell: &FigureCell) -> String {
    let key: Vec<_> = cell.key.iter().map(|(_, value)| value.as_str()).collect();
    let figures: Vec<_> = cell
        .figures
        .iter()
        .map(|f| match f.status {
            Status::Estimated => {
                format!(
                    "{} {} [{}, {}] noise {} chance {}",
                    f.name,
                    f.value,
                    f.low,
                    f.high,
                    f.noise,
                    f.chance.as_deref().unwrap_or("-")
                )
            }
            Status::Suppressed => format!("{} suppressed", f.name),
        })
        .collect();
    format!("{}: {}", key.join(" "), figures.join("; "))
}

fn lines(figures: &Figures) -> Vec<String> {
    figures.cells.iter().map(line).collect()
}

#[test]
fn a_count_is_rounded_to_its_noise() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    // sigma 2, 4 members: SD 4, half-width 7.84, step 1.
    let figures = derive(&count, &scale(512, 0), 4, &[500, 12]);
    assert_eq!(lines(&figures), ["F: count 500 [492, 508] noise 7.9 chance -", "M: count suppressed"]);
}

#[test]
fn a_scaled_sum_is_scaled_back() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    let figures = derive(&count, &scale(512, 2), 4, &[2000, -2000]);
    assert_eq!(lines(&figures)[0], "F: count 500 [498, 502] noise 2.0 chance -");
    assert_eq!(lines(&figures)[1], "M: count suppressed");
}

#[test]
fn a_mean_carries_the_noise_of_both_sums_and_chance() {
    let mean =
        question(r#"{ kind = "mean", of = "s", count = "n", square = "q" }"#, &format!("{N}, {S}, {Q}"));
    // F: n 1000, s 1000 steps of 1/2 = 500, q 1250: mean 0.5, variance 1.
    let figures = derive(&mean, &scale(512, 0), 4, &[1000, 1000, 1250, 5, 0, 0]);
    // noise SD = sqrt(2^2 + (0.5 * 4)^2) / 1000 = 0.002828; chance SD = sqrt(1 / 1000) = 0.0316.
    assert_eq!(
        lines(&figures),
        [
            "F: mean 0.50 [0.43, 0.57] noise 0.006 chance 0.062; count 1000 [992, 1008] noise 7.9 chance -",
            "M: mean suppressed; count suppressed"
        ]
    );
}

#[test]
fn a_rate_and_a_histogram_follow_the_table() {
    let measures = format!("{N}, {}", N.replace("\"n\"", "\"m\""));
    let rate = question(r#"{ kind = "rate", of = "n", against = "m" }"#, &measures);
    let figures = derive(&rate, &scale(512, 0), 4, &[900, 100, 1, 1]);
    // noise SD = 4 sqrt(0.1^2 + 0.9^2) / 1000 = 0.003622.
    assert_eq!(lines(&figures), ["F: rate 0.900 [0.892, 0.908] noise 0.0071 chance -", "M: rate suppressed"]);
    let histogram = question(r#"{ kind = "histogram", of = "n" }"#, N);
    let figures = derive(&histogram, &scale(512, 0), 4, &[750, 250]);
    // p = 0.75: SD = 4 sqrt(0.25^2 + 0.75^2) / 1000 = 0.003162; chance sqrt(0.1875 / 1000) = 0.01369.
    assert_eq!(
        lines(&figures)[0],
        "F: count 750 [742, 758] noise 7.9 chance -; share 0.75 [0.72, 0.78] noise 0.007 chance 0.027"
    );
}

#[test]
fn the_expected_noise_is_that_of_the_published_table() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    for (n, golden) in [(5, "22.0"), (12, "24.1"), (20, "24.4"), (65, "24.2"), (200, "24.4")] {
        let terms = Terms::new(n, Mode::Secure, Assumptions::FLOOR).unwrap();
        let noise = NoiseScale::new(1, PrivacyLoss::from_nano(5_000_000), terms.honest).unwrap();
        // The table rounds to nearest (21.9, 24.0, 24.3, 24.1, 24.3); a plan rounds up.
        assert_eq!(expected_noise(&count, &noise, terms.n, 1).as_deref(), Some(golden), "{n}");
    }
}

#[test]
fn extreme_sums_are_suppressed_or_shown_but_never_panic() {
    let mean =
        question(r#"{ kind = "mean", of = "s", count = "n", square = "q" }"#, &format!("{N}, {S}, {Q}"));
    for a in [i64::MIN, -1, 0, 1, 10, i64::MAX] {
        for b in [i64::MIN, -1, 0, 1, 1000, i64::MAX] {
            for (std, doublings) in [(512, 0), (u32::MAX, 0), (u32::MAX, 20)] {
                let figures = derive(&mean, &scale(std, doublings), 200, &[a, b, a, b, a, b]);
                assert_eq!(figures.cells.len(), 2);
            }
        }
    }
}
