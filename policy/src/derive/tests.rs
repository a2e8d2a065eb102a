use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::*;
use crate::loss::PrivacyLoss;
use crate::query::{Assumptions, Mode, Terms};
use crate::question::{Question, QuestionDraft};
use crate::time::Period;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::tests::EXAM;

pub(super) fn question(figure: &str, measures: &str) -> BoundQuestion {
    asking(figure, measures, r#"{ column = "sex", cells = ["F", "M"] }"#, r#"matters = "1""#)
}

/// `rest`: what matters, and an assumed spread.
pub(super) fn asking(figure: &str, measures: &str, by: &str, rest: &str) -> BoundQuestion {
    let text = format!(
        r#"id = "q"
        version = 1
        title = "?"
        vocabulary = "exam/1"
        figure = {figure}
        loss = 1
        {rest}
        measure = [{measures}]
        by = [{by}]"#
    );
    let draft = QuestionDraft::from_toml(&text).unwrap();
    let question = Question::admit(draft, &Vocabulary::from_toml(EXAM).unwrap()).unwrap();
    question.bind(&BTreeMap::new(), Period::parse("2025-09-01..2026-08-31").unwrap()).unwrap()
}

const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }"#;
const S: &str = r#"{ name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" }"#;
const Q: &str = r#"{ name = "q", sql = "s * s", clamp = [0, 16], resolution = 1 }"#;

pub(super) fn scale(std: u32, doublings: u32) -> NoiseScale {
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
                    f.chance.as_deref().unwrap_or("-").to_owned() + if f.chance_assumed { "?" } else { "" }
                )
            }
            Status::Suppressed => format!("{} suppressed", f.name),
        })
        .collect();
    format!("{}: {}", key.join(" "), figures.join("; "))
}

pub(super) fn lines(figures: &Figures) -> Vec<String> {
    figures.cells.iter().map(line).collect()
}

#[test]
fn a_count_is_rounded_to_its_noise() {
    for kind in ["count", "sum"] {
        let few = derive(
            &question(&format!(r#"{{ kind = "{kind}", of = "n" }}"#), N),
            &scale(512, 0),
            4,
            &[500, 9],
        );
        assert_eq!(lines(&few)[1], format!("M: {kind} suppressed"));
    }
    let scores = question(r#"{ kind = "sum", of = "s" }"#, S);
    assert_eq!(lines(&derive(&scores, &scale(512, 0), 4, &[500, 9]))[1].split(" [").next(), Some("M: sum 5"));
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

const ATTENDANCE: &str = include_str!("../../../node/src/vocab/attendance.toml");
pub(super) const EVENT_DAY: &str = include_str!("../../../node/src/questions/catalogue/event-day.toml");
pub(super) const RATE: &str = include_str!("../../../node/src/questions/catalogue/attendance-rate.toml");

/// The first grouping of the attendance rate.
pub(super) const ATTENDANCE_BY: &str = r#"{ column = "nc_year", cells = ["7", "8", "9", "10", "11"] },"#;

pub(super) fn attendance(text: &str, params: &[(&str, &str)]) -> BoundQuestion {
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let question = Question::admit(QuestionDraft::from_toml(text).unwrap(), &vocabulary).unwrap();
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    question.bind(&params, Period::parse("2025-11-03..2025-12-19").unwrap()).unwrap()
}

pub(super) const DAYS: [(&str, &str); 2] = [("event_day", "2025-12-12"), ("baseline_days", "2025-12-05")];

/// One person's row: n 2 steps of 1/2, d in steps of 1/8, q in steps of 1/4.
fn people(n: i64, d_eighths: i64, q_quarters: i64) -> [i64; 3] {
    [2 * n, n * d_eighths, n * q_quarters]
}

#[test]
fn an_event_shows_changes_contrasts_and_the_gap_with_their_signs() {
    let event = attendance(EVENT_DAY, &[DAYS[0], DAYS[1], ("took_part", "A-1,A-2,A-3")]);
    // Premium with, premium without, others with, others without: -1/2, 0, -1/8, +1/8 each.
    let sums: Vec<i64> =
        [people(1000, -4, 4), people(1000, 0, 0), people(4000, -1, 1), people(4000, 1, 1)].concat();
    let figures = derive(&event, &scale(512, 0), 4, &sums);
    let values: Vec<String> = figures
        .cells
        .iter()
        .map(|cell| {
            let key: Vec<_> = cell.key.iter().map(|(_, value)| value.as_str()).collect();
            format!("{}: {}", key.join(" / "), cell.figures[0].value)
        })
        .collect();
    assert_eq!(
        values,
        [
            "true / yes: -0.500",
            "true / no: 0.000",
            "false / yes: -0.125",
            "false / no: 0.125",
            "true / yes minus no: -0.50",
            "false / yes minus no: -0.25",
            "true minus false / yes: -0.37",
        ]
    );
    // Premium with: noise SD = sqrt((4/8)^2 + (0.5 * 4/2)^2) / 1000 = 0.001118; variance 1 - 0.25.
    let with = &figures.cells[0].figures[0];
    assert_eq!((with.noise.as_str(), with.chance.as_deref()), ("0.0022", Some("0.0537")));
    // Of the contrast the errors of both add up as squares.
    let contrast = &figures.cells[4].figures[0];
    assert!(contrast.low.parse::<f64>().unwrap() < -0.5 && contrast.high.parse::<f64>().unwrap() > -0.5);
    assert!(contrast.chance.is_some());
}

/// With too few members for a contrast the question still is whether poorer children were away more.
#[test]
fn an_event_without_a_contrast_shows_the_gap() {
    let mut draft = QuestionDraft::from_toml(EVENT_DAY).unwrap();
    draft.param.remove("took_part");
    draft.by.retain(|by| by.member.is_none());
    draft.figure.contrast = None;
    let question = Question::admit(draft, &Vocabulary::from_toml(ATTENDANCE).unwrap()).unwrap();
    let params = DAYS.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let event = question.bind(&params, Period::parse("2025-11-03..2025-12-19").unwrap()).unwrap();
    let sums: Vec<i64> = [people(1000, -4, 4), people(4000, -1, 1)].concat();
    let figures = derive(&event, &scale(512, 0), 4, &sums);
    let gap = &figures.cells[2];
    assert_eq!(gap.key, [("pupil_premium".to_owned(), "true minus false".to_owned())]);
    assert_eq!(gap.figures[0].value, "-0.37");
}

/// A spread that noise pushed below nothing does not make an answer surer.
#[test]
fn chance_is_never_smaller_than_its_own_noise() {
    let mean =
        question(r#"{ kind = "mean", of = "s", count = "n", square = "q" }"#, &format!("{N}, {S}, {Q}"));
    let chance = |squares| {
        let figures = derive(&mean, &scale(512, 0), 4, &[1000, 1000, squares, 5, 0, 0]);
        figures.cells[0].figures[0].chance.clone().unwrap().parse::<f64>().unwrap()
    };
    // Mean 0.5: squares of 250 are no spread at all. The noise of q is 4, of the spread 0.004.
    assert!(chance(200) >= 0.0039 && chance(250) >= 0.0039);
    assert!(chance(1250) > chance(250));
}

#[test]
fn the_chance_of_a_rate_is_assumed_and_said_to_be() {
    let rate = attendance(RATE, &[]);
    let mut sums = vec![0; 20];
    (sums[0], sums[1]) = (55_000, 7_000);
    let figures = derive(&rate, &scale(512, 0), 4, &sums);
    let shown = &figures.cells[0].figures[0];
    assert!(shown.chance_assumed);
    // 62,000 sessions are of 775 people at least: 1.96 x 0.14 / sqrt(775) = 0.00986.
    assert_eq!(shown.chance.as_deref(), Some("0.0099"));
    assert_eq!((shown.value.as_str(), shown.low.as_str(), shown.high.as_str()), ("0.887", "0.877", "0.897"));
}

/// Between four and eight standard errors a denominator bends the interval of what it divides.
#[test]
fn a_small_denominator_gives_fiellers_interval() {
    let mean = question(r#"{ kind = "mean", of = "s", count = "n" }"#, &format!("{N}, {S}"));
    // s = 4 for n, 2 for s (steps of 1/2). X = 10, N = 20: theta 0.5, g = (1.96 x 4 / 20)^2 = 0.153664;
    // centre 0.5 / (1 - g) = 0.590782; half 1.96 / (20 x 0.846336) sqrt(4 x 0.846336 + 0.25 x 16)
    // = 0.314680: from 0.276102 to 0.905462, where straight it would be 0.5 +- 0.277186.
    let figures = derive(&mean, &scale(512, 0), 4, &[20, 20, 0, 0]);
    assert_eq!(
        lines(&figures)[0],
        "F: mean 0.5 [0.2, 1.0] noise 0.32 chance -; count 20 [12, 28] noise 7.9 chance -"
    );
    for (count, expected) in [
        (15, "mean suppressed; count suppressed"),
        (16, "mean suppressed; count suppressed"),
        (17, "mean 0.0 "),
        // 1.96 x 2 / (31 (1 - g)) sqrt(1 - g) = 0.130700.
        (31, "mean 0.0 [-0.2, 0.2] noise 0.14"),
        (33, "mean 0.0 [-0.2, 0.2] noise 0.12 "),
    ] {
        let figures = derive(&mean, &scale(512, 0), 4, &[count, 0, 0, 0]);
        assert!(lines(&figures)[0].contains(expected), "{count}: {:?}", lines(&figures)[0]);
    }
}

/// DATA section 7: noise at rho 0.005 with 20 schools of 1,000 pupils, m = 13, a quarter of them
/// eligible for the Pupil Premium, Years 7 to 11.
#[test]
fn what_a_plan_expects_is_the_catalogues_noise() {
    let terms = Terms::new(20, Mode::Secure, Assumptions::FLOOR).unwrap();
    let expected = |question: &BoundQuestion, people: u64| {
        let noise = NoiseScale::new(question.sensitivity2(), PrivacyLoss::from_nano(5_000_000), terms.honest);
        let text = expected_noise(question, &noise.unwrap(), terms.n, people).unwrap();
        text.parse::<f64>().unwrap() * 100.0
    };
    // A1: a year group's Pupil Premium pupils, 2.8 pp. A7: Pupil Premium pupils, 0.8 pp less the
    // count's part. A13: 24 pupils of a histogram.
    let rate = expected(&attendance(RATE, &[]), 1_000);
    assert!((2.5..3.5).contains(&rate), "{rate}");
    let event = attendance(EVENT_DAY, &[DAYS[0], DAYS[1], ("took_part", "A-1,A-2,A-3")]);
    let event = expected(&event, 3_750);
    assert!((0.6..0.9).contains(&event), "{event}");
    let sexes = r#"{ column = "sex", cells = ["F", "M"] }"#;
    let histogram = asking(r#"{ kind = "histogram", of = "n" }"#, N, sexes, r#"matters = "1 pp""#);
    // 10,000 in each of two cells: 24.4 sqrt(1/4 + 1/4) of 20,000.
    let share = expected(&histogram, 10_000);
    assert!((0.086..0.087).contains(&share), "{share}");
    assert_eq!(expected_chance(&attendance(RATE, &[]), 1_000).as_deref(), Some("0.00868"));
    assert_eq!(expected_chance(&histogram, 1_000), None);
}

#[test]
fn the_expected_noise_is_that_of_the_published_table() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    for (n, golden) in [(5, "22.0"), (12, "24.1"), (20, "24.4"), (65, "24.2"), (200, "24.4")] {
        let terms = Terms::new(n, Mode::Secure, Assumptions::FLOOR).unwrap();
        let noise = NoiseScale::new(1, PrivacyLoss::from_nano(5_000_000), terms.honest).unwrap();
        // The table rounds to nearest (21.9, 24.0, 24.3, 24.1, 24.3); a plan rounds up.
        assert_eq!(expected_noise(&count, &noise, terms.n, 1_000).as_deref(), Some(golden), "{n}");
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

/// UI section 4: one step for a whole figure, that of its narrowest likely range.
#[test]
fn rows_of_one_figure_are_rounded_to_one_step() {
    let measures = format!("{N}, {}", N.replace("\"n\"", "\"m\""));
    let rate = question(r#"{ kind = "rate", of = "n", against = "m" }"#, &measures);
    // Half-widths 0.00710 and 0.0710: alone the second would be 0.90 [0.82, 0.98].
    let figures = derive(&rate, &scale(512, 0), 4, &[900, 100, 90, 10]);
    assert_eq!(
        lines(&figures),
        [
            "F: rate 0.900 [0.892, 0.908] noise 0.0071 chance -",
            "M: rate 0.900 [0.829, 0.971] noise 0.0710 chance -"
        ]
    );
    // A gap stands in one figure with its two sides; people in another.
    let gap = question(r#"{ kind = "gap", of = "n", against = "m", across = "sex" }"#, &measures);
    let figures = derive(&gap, &scale(512, 0), 4, &[900, 100, 90, 10]);
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, part)| part.len());
    let all: Vec<usize> = figures
        .cells
        .iter()
        .flat_map(|cell| &cell.figures)
        .flat_map(|figure| [&figure.value, &figure.low, &figure.high].map(|text| decimals(text)))
        .collect();
    assert_eq!(all, [3; 9]);
}

#[test]
fn what_was_rounded_is_kept_beside_it() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    let figures = derive(&count, &scale(512, 0), 4, &[500, 12]);
    let unrounded = figures.cells[0].figures[0].unrounded.unwrap();
    assert_eq!(unrounded.value, 500_000_000_000);
    assert_eq!((unrounded.high - unrounded.value) / 10_000_000, 784, "1.96 x 4, where 8 is shown");
    assert_eq!(figures.cells[1].figures[0].unrounded, None, "of what is suppressed nothing");
}
