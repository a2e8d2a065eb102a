//! A member's own exact sums as figures.

use super::tests::{asking, question};
use super::*;

const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = "1/2" }"#;
const SCORES: &str = r#"
  { name = "n", sql = "1", clamp = [0, 1], resolution = "1/2" },
  { name = "s", sql = "score", centre = 1, clamp = [-20, 20], resolution = "1/4" },
  { name = "q", sql = "s * s", clamp = [0, 400], resolution = 1 }"#;
const BINS: &str = r#"{ column = "sex", cells = ["F", "M"] }, { name = "bin", sql = "CASE WHEN score < -2 THEN 'a' WHEN score < 0 THEN 'b' WHEN score < 2 THEN 'c' ELSE 'd' END", cells = ["a", "b", "c", "d"] }"#;

/// Cells and figures as text: numbers to six decimals, `-` where nobody is.
fn check(question: &BoundQuestion, sums: &[i64], expected: &[&str]) {
    let figures = exact(question, sums);
    let number = |figure: &FigureValue| match figure.status {
        Status::Estimated => format!("{:.6}", figure.value.parse::<f64>().unwrap()),
        Status::Suppressed => "-".to_owned(),
    };
    let figure = |figure: &FigureValue| format!("{} {}", figure.name, number(figure));
    let cell = |cell: &FigureCell| cell.figures.iter().map(figure).collect::<Vec<_>>().join(", ");
    assert_eq!(figures.cells.iter().map(cell).collect::<Vec<_>>(), expected);
}

#[test]
fn few_people_are_shown_to_their_owner_in_full_digits() {
    let count = question(r#"{ kind = "count", of = "n" }"#, N);
    check(&count, &[6, 0], &["count 3.000000", "count 0.000000"]);
    // Three of -1, 0 and 2.25 above the centre of 1: mean 1 + 1.25 / 3.
    let mean = question(r#"{ kind = "mean", of = "s", count = "n", square = "q" }"#, SCORES);
    check(&mean, &[6, 5, 12, 0, 0, 0], &["mean 1.416667, count 3.000000", "mean -, count 0.000000"]);
    let rate = question(
        r#"{ kind = "rate", of = "n", against = "m" }"#,
        &format!("{N},{}", N.replace("\"n\"", "\"m\"")),
    );
    check(&rate, &[2, 4, 0, 0], &["rate 0.333333", "rate -"]);
}

#[test]
fn differences_shares_and_quantiles_are_of_the_same_cells() {
    let gap = question(r#"{ kind = "gap", of = "s", count = "n", across = "sex" }"#, SCORES);
    check(&gap, &[6, 5, 0, 4, 4, 0], &["mean 1.416667", "mean 1.500000", "difference -0.083333"]);
    // The boys are nobody: there is no difference, not one of nothing.
    check(&gap, &[6, 5, 0, 0, 0, 0], &["mean 1.416667", "mean -", "difference -"]);
    let share = asking(r#"{ kind = "share", of = "n" }"#, N, BINS, r#"matters = "1 pp""#);
    let shares = ["share 0.500000", "share 0.250000", "share 0.250000", "share 0.000000"];
    let nobody = ["share -"; 4];
    check(&share, &[4, 2, 2, 0, 0, 0, 0, 0], &[shares, nobody].concat());
    let histogram = asking(r#"{ kind = "histogram", of = "n" }"#, N, BINS, r#"matters = "1 pp""#);
    let counted = |n: u8, share: &str| format!("count {n}.000000, share {share}");
    let some =
        [counted(2, "0.500000"), counted(1, "0.250000"), counted(1, "0.250000"), counted(0, "0.000000")];
    let none = vec![counted(0, "-"); 4];
    let cells: Vec<&str> = some.iter().chain(&none).map(String::as_str).collect();
    check(&histogram, &[4, 2, 2, 0, 0, 0, 0, 0], &cells);
    let kind =
        r#"{ kind = "quantile", of = "n", across = "bin", edges = [0, 10, 20, 30, 40], at = ["1/2"] }"#;
    let quantile = asking(kind, N, BINS, r#"matters = "1 point""#);
    check(&quantile, &[2, 4, 2, 0, 0, 0, 0, 0], &["quantile 1/2 20.000000", "quantile 1/2 -"]);
}

#[test]
fn a_spread_of_three_people_is_exact() {
    let kind = r#"{ kind = "spread", count = "n", mean = "s", square = "q" }"#;
    let spread = question(kind, &SCORES.replace("centre = 1, ", ""));
    // 0, 1 and 5: mean 2, variance 26 / 3 - 4.
    check(
        &spread,
        &[6, 24, 26, 0, 0, 0],
        &[
            "mean 2.000000, variance 4.666667, standard deviation 2.160247, count 3.000000",
            "mean -, variance -, standard deviation -, count 0.000000",
        ],
    );
}

#[test]
fn ordinary_chance_is_as_in_a_release_and_rounds_nothing() {
    let mean = question(
        r#"{ kind = "mean", of = "s", count = "n", square = "q" }"#,
        &SCORES.replace("centre = 1, ", ""),
    );
    let figures = exact(&mean, &[6, 24, 26, 0, 0, 0]);
    let figure = &figures.cells[0].figures[0];
    // 1.96 sqrt((26 / 3 - 4) / 3)
    let chance: f64 = figure.chance.as_ref().unwrap().parse().unwrap();
    assert!((chance - 2.444_541).abs() < 1e-5, "{chance}");
    assert_eq!(figure.value.parse::<f64>().unwrap(), 2.0);
}
