//! Each kind of figure against numbers worked out elsewhere: the delta method by numerical
//! differentiation, Fieller's intervals from his formula with its covariance.

use super::estimate::{Bend, Sum, quotient, share};
use super::fixed::ONE;
use super::tests::{asking, lines, question, scale};
use super::*;

const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }"#;

/// What a measure is, by its name.
fn sql(name: &str) -> &'static str {
    match name {
        "q" | "xx" => "x * x",
        "xy" => "x * y",
        "yy" => "y * y",
        _ => "score",
    }
}

/// A measure with steps of 1, so that a sum's standard error is 4 below.
fn measure(name: &str) -> String {
    let most = if sql(name) == "score" { 20 } else { 400 };
    format!(r#"{{ name = "{name}", sql = "{}", clamp = [-{most}, {most}], resolution = 1 }}"#, sql(name))
}

fn measures(names: &[&str]) -> String {
    std::iter::once(N.to_owned()).chain(names.iter().map(|name| measure(name))).collect::<Vec<_>>().join(",")
}

/// Lines of a question's figures, four members, each sum with a standard error of 4.
fn check(question: &BoundQuestion, sums: &[i64], expected: &[&str]) {
    assert_eq!(lines(&derive(question, &scale(512, 0), 4, sums)), expected);
}

fn near(value: i128, expected: f64) {
    let found = value as f64 / ONE as f64;
    assert!((found - expected).abs() < 2e-6, "{found} for {expected}");
}

#[test]
fn fiellers_intervals_are_his() {
    let sum = |value: i128, error: i128| Sum { value: value * ONE, error: error * ONE };
    // X = 10 +- 2, N = 20 +- 4, independent.
    let mean = quotient(ONE / 2, sum(20, 4), &Bend { whole: 2_828_427_125, apart: 2 * ONE, tilt: 0 });
    let mean = mean.unwrap();
    near(mean.value - mean.below, 0.276_102_285);
    near(mean.value + mean.above, 0.905_461_538);
    // x = 15 of 40 in a row of four cells, 4 each: x shares a quarter of the row's variance.
    let part = share(sum(15, 4), sum(40, 8), 4, 1).unwrap();
    near(part.value - part.below, 0.204_316_998);
    near(part.value + part.above, 0.591_073_957);
    // Under four standard errors nothing is shown, from eight on the interval is straight.
    let bend = Bend { whole: 2 * ONE, apart: 2 * ONE, tilt: 0 };
    assert_eq!(quotient(0, sum(15, 4), &bend), None);
    let straight = quotient(0, sum(32, 4), &bend).unwrap();
    near(straight.above, 1.96 * 2.0 / 32.0);
}

#[test]
fn a_small_rate_against_bends_by_what_its_parts_share() {
    let rate = question(
        r#"{ kind = "rate", of = "n", against = "m" }"#,
        &format!("{N}, {}", N.replace("\"n\"", "\"m\"")),
    );
    // A = 30, B = 10, 5 each (sigma 2.5): from 0.5748 to 0.9934.
    let figures = derive(&rate, &scale(640, 0), 4, &[30, 10, 0, 0]);
    assert_eq!(lines(&figures)[0], "F: rate 0.8 [0.5, 1.0] noise 0.21 chance -");
}

#[test]
fn a_rate_over_its_whole_has_the_noise_of_both() {
    let rate = question(
        r#"{ kind = "rate", of = "n", over = "m" }"#,
        &format!("{N}, {}", N.replace("\"n\"", "\"m\"")),
    );
    // 1.96 x 4 sqrt(1 + 0.01) / 1000 = 0.007879.
    check(
        &rate,
        &[100, 1000, 1, 1],
        &["F: rate 0.100 [0.092, 0.108] noise 0.0079 chance -", "M: rate suppressed"],
    );
}

#[test]
fn several_means_share_a_count_and_add_up_to_one() {
    let figure = r#"{ kind = "mean", of = ["x", "y"], count = "n", together = "both" }"#;
    let centred = format!(
        "{N}, {}, {}",
        measure("x").replace("clamp", "centre = [40, 10], clamp"),
        measure("y").replace("clamp", "centre = \"2.5\", clamp"),
    );
    let mean = question(figure, &centred);
    // x: 0.1 + 40 or 10, +- 1.96 sqrt(16 + 0.01 x 16) / 1000 = 0.00788; both: 0.3 + 42.5,
    // +- 1.96 sqrt(16 + 16 + 0.09 x 16) / 1000 = 0.01134.
    check(
        &mean,
        &[1000, 100, 200, 1000, 100, 200],
        &[
            "F: mean x 40.100 [40.092, 40.108] noise 0.0079 chance -; mean y 2.700 [2.692, 2.708] noise 0.0080 chance -; mean both 42.80 [42.78, 42.82] noise 0.012 chance -; count 1000 [992, 1008] noise 7.9 chance -",
            "M: mean x 10.100 [10.092, 10.108] noise 0.0079 chance -; mean y 2.700 [2.692, 2.708] noise 0.0080 chance -; mean both 12.80 [12.78, 12.82] noise 0.012 chance -; count 1000 [992, 1008] noise 7.9 chance -",
        ],
    );
}

#[test]
fn a_gap_is_the_first_cell_less_each_other() {
    let by = r#"{ name = "band", sql = "CASE WHEN score < 0 THEN 'low' WHEN score = 0 THEN 'mid' ELSE 'high' END", cells = ["low", "mid", "high"] }"#;
    let two = format!("{N}, {}", N.replace("\"n\"", "\"m\""));
    let rest = "matters = \"1 pp\"\npupil_sd = \"10 pp\"";
    let gap = asking(r#"{ kind = "gap", of = "n", against = "m", across = "band" }"#, &two, by, rest);
    // Noise 0.0071 and 0.01293, together 0.014751. People: 500 at least of 1000 sums of at most 2 each;
    // chance 1.96 x 0.1 / sqrt(500) = 0.008765 and / sqrt(250) = 0.012396, together 0.015182.
    check(
        &gap,
        &[900, 100, 400, 100, 2, 1],
        &[
            "low: rate 0.90 [0.88, 0.92] noise 0.008 chance 0.009?",
            "mid: rate 0.80 [0.78, 0.82] noise 0.013 chance 0.013?",
            "high: rate suppressed",
            "low minus mid: rate difference 0.10 [0.07, 0.13] noise 0.015 chance 0.016?",
            "low minus high: rate difference suppressed",
        ],
    );
    let mean = question(r#"{ kind = "gap", of = "x", count = "n", across = "sex" }"#, &measures(&["x"]));
    check(
        &mean,
        &[1000, 100, 1000, -100],
        &[
            "F: mean 0.100 [0.092, 0.108] noise 0.0079 chance -",
            "M: mean -0.100 [-0.108, -0.092] noise 0.0079 chance -",
            "F minus M: difference 0.200 [0.188, 0.212] noise 0.0112 chance -",
        ],
    );
}

const BINS: &str = r#"{ column = "sex", cells = ["F", "M"] }, { name = "bin", sql = "CASE WHEN score < -2 THEN 'a' WHEN score < 0 THEN 'b' WHEN score < 2 THEN 'c' ELSE 'd' END", cells = ["a", "b", "c", "d"] }"#;

#[test]
fn a_share_is_of_its_row() {
    let rest = r#"matters = "1 pp""#;
    let shares = asking(r#"{ kind = "share", of = "n" }"#, N, BINS, rest);
    // p = 0.4 of 1000: 1.96 x 4 sqrt(0.36 + 3 x 0.16) / 1000 = 0.007186; chance 0.030364.
    let figures = derive(&shares, &scale(512, 0), 4, &[100, 300, 400, 200, 1, 2, 3, 4]);
    let lines = lines(&figures);
    assert_eq!(lines[2], "F c: share 0.40 [0.36, 0.44] noise 0.008 chance 0.031");
    assert_eq!(lines[4..], ["M a", "M b", "M c", "M d"].map(|key| format!("{key}: share suppressed")));
}

#[test]
fn a_transition_has_counts_and_shares_of_where_people_started() {
    let kind = r#"{ kind = "transition", rows = "bin", columns = "sex" }"#;
    let transition = asking(kind, N, BINS, r#"matters = "1 pp""#);
    // Rows are bins, though the columns' grouping stands first: 100 of 100 + 300, and so on.
    let sums = [100, 300, 4, 200, 300, 100, 3, 200];
    let figures = derive(&transition, &scale(512, 0), 4, &sums);
    let lines = lines(&figures);
    // 1.96 x 4 sqrt(0.5625 + 0.0625) / 400 = 0.015495; chance 1.96 sqrt(0.1875 / 400) = 0.042435.
    assert_eq!(
        lines[0],
        "F a: count 100 [92, 108] noise 7.9 chance -; share 0.25 [0.20, 0.30] noise 0.016 chance 0.043"
    );
    assert_eq!(
        lines[4],
        "M a: count 300 [292, 308] noise 7.9 chance -; share 0.75 [0.70, 0.80] noise 0.016 chance 0.043"
    );
    assert_eq!(lines[2], "F c: count suppressed; share suppressed");
}

#[test]
fn a_quantile_is_the_first_edge_that_the_noisy_count_reaches() {
    let kind = r#"{ kind = "quantile", of = "n", across = "bin", edges = [0, 10, 20, 30, "40.5"], at = ["1/4", "0.50", "3/4"] }"#;
    let quantile = asking(kind, N, BINS, r#"matters = "1 point""#);
    // F: N = 1000. 250 lies 10 above the first bin, whose noise is 6.8 and chance 26.8.
    let sums = [240, 20, 500, 240, 3, 2, 1, 4];
    check(
        &quantile,
        &sums,
        &[
            "F: quantile 1/4 20.0 [0.0, 30.0] noise 5.0 chance 15.0; quantile 1/2 30.0 [20.0, 30.0] noise 5.0 chance 5.0; quantile 3/4 30.0 [20.0, 40.5] noise 5.0 chance 10.25",
            "M: quantile 1/4 suppressed; quantile 1/2 suppressed; quantile 3/4 suppressed",
        ],
    );
    // Bins below zero widen the range, and the value stays the first edge that is reached.
    let sums = [-6, 260, -15, 761, 0, 0, 0, 0];
    let figures = derive(&quantile, &scale(512, 0), 4, &sums);
    assert!(lines(&figures)[0].starts_with("F: quantile 1/4 20.0 [10.0, 40.5]"), "{:?}", lines(&figures));
}

/// Without noise the quantile is the edge above the person who stands there.
#[test]
fn a_quantile_of_exact_counts_is_exact() {
    let kind = r#"{ kind = "quantile", of = "n", across = "bin", edges = [-4, -2, 0, 2, 4], at = ["1/10", "1/2", "9/10"] }"#;
    let quantile = asking(kind, N, BINS, r#"matters = "1""#);
    for counts in
        [[1000i64, 0, 0, 0], [1, 2, 3, 1000], [250, 250, 250, 250], [0, 0, 1000, 1], [99, 1, 800, 100]]
    {
        let mut sums = counts.to_vec();
        sums.extend([0; 4]);
        let figures = derive(&quantile, &scale(1, 20), 1, &sums.iter().map(|n| n << 20).collect::<Vec<_>>());
        let total: i64 = counts.iter().sum();
        for (figure, (above, below)) in figures.cells[0].figures.iter().zip([(1, 10), (1, 2), (9, 10)]) {
            let mut people = 0;
            let bin = counts.iter().position(|n| {
                people += n;
                people * below >= total * above
            });
            let edge = -4 + 2 * (i64::try_from(bin.unwrap()).unwrap() + 1);
            assert_eq!(figure.value, edge.to_string(), "{counts:?} {}", figure.name);
        }
    }
}

#[test]
fn a_spread_carries_its_noise_into_the_deviation() {
    let spread =
        question(r#"{ kind = "spread", count = "n", mean = "x", square = "q" }"#, &measures(&["x", "q"]));
    // Variance 0.39 +- 0.008532, deviation 0.6245 +- 0.006831.
    let figures = derive(&spread, &scale(512, 0), 4, &[1000, 100, 400, 1000, 0, 4]);
    let lines = lines(&figures);
    assert_eq!(
        lines[0],
        "F: mean 0.100 [0.060, 0.140] noise 0.0079 chance 0.0388; variance 0.390 [0.381, 0.399] noise 0.0086 chance -; standard deviation 0.624 [0.617, 0.632] noise 0.0069 chance -; count 1000 [992, 1008] noise 7.9 chance -"
    );
    // A variance of a standard error is no deviation, but it is a variance.
    assert!(
        lines[1].contains("variance 0.004 [-0.004, 0.012]")
            && lines[1].contains("standard deviation suppressed"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_fit_is_the_line_and_its_doubts() {
    let kind = r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#;
    let plain = measures(&["x", "y", "xx", "xy", "yy"]);
    let fit = question(kind, &plain);
    let sums = [1000, 100, 50, 400, 200, 500, 1000, 0, 0, 20, 0, 500];
    // Slope 0.5 +- 0.022587, chance 0.062770; intercept 0 +- 0.009267, chance 0.039699; correlation
    // 0.442696 +- 0.018730, chance 0.049834.
    check(
        &fit,
        &sums,
        &[
            "F: slope 0.50 [0.43, 0.57] noise 0.023 chance 0.063; intercept 0.00 [-0.05, 0.05] noise 0.010 chance 0.040; correlation 0.44 [0.38, 0.50] noise 0.019 chance 0.050; count 1000 [992, 1008] noise 7.9 chance -",
            "M: slope suppressed; intercept suppressed; correlation suppressed; count 1000 [992, 1008] noise 7.9 chance -",
        ],
    );
    // Centred by 10 and 3 the line is the same, and where x is 0 it lies far from the people: -2 +-
    // 0.229171, chance 0.635190.
    let centred = plain
        .replace("\"x\", sql = \"score\", clamp", "\"x\", sql = \"score\", centre = 10, clamp")
        .replace("\"y\", sql = \"score\", clamp", "\"y\", sql = \"score\", centre = 3, clamp");
    let figures = derive(&question(kind, &centred), &scale(512, 0), 4, &sums);
    let line = &lines(&figures)[0];
    assert!(line.starts_with("F: slope 0.50 [0.43, 0.57]"), "{line}");
    assert!(line.contains("intercept -2.0 [-2.7, -1.3] noise 0.23 chance 0.64;"), "{line}");
}

/// Exact sums give the exact line, to the last digit that fixed point holds.
#[test]
fn a_fit_of_exact_sums_is_exact() {
    let kind = r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#;
    let fit = question(kind, &measures(&["x", "y", "xx", "xy", "yy"]));
    // y = 3 x - 2, of x = -5..5 a thousand times each.
    let (mut n, mut x, mut y, mut xx, mut xy, mut yy) = (0i64, 0i64, 0i64, 0i64, 0i64, 0i64);
    for v in -5i64..=5 {
        let w = 3 * v - 2;
        n += 1000;
        (x, y) = (x + 1000 * v, y + 1000 * w);
        (xx, xy, yy) = (xx + 1000 * v * v, xy + 1000 * v * w, yy + 1000 * w * w);
    }
    let sums: Vec<i64> = [n, x, y, xx, xy, yy, 0, 0, 0, 0, 0, 0].iter().map(|sum| sum << 20).collect();
    let figures = derive(&fit, &scale(1, 20), 1, &sums);
    let value = |at: usize| figures.cells[0].figures[at].value.parse::<f64>().unwrap();
    assert!(
        (value(0) - 3.0).abs() < 1e-6 && (value(1) + 2.0).abs() < 1e-6 && (value(2) - 1.0).abs() < 1e-6,
        "{figures:?}"
    );
}

/// Every kind, with sums at the ends of what 64 bits hold.
#[test]
fn no_kind_panics_or_lies_at_the_ends() {
    let kinds = [
        r#"{ kind = "mean", of = ["x", "y"], count = "n", together = "both" }"#,
        r#"{ kind = "gap", of = "x", count = "n", square = "xx", across = "sex" }"#,
        r#"{ kind = "gap", of = "n", over = "xx", across = "bin" }"#,
        r#"{ kind = "rate", of = "n", against = "xx" }"#,
        r#"{ kind = "share", of = "n" }"#,
        r#"{ kind = "histogram", of = "n" }"#,
        r#"{ kind = "transition", rows = "sex", columns = "bin" }"#,
        r#"{ kind = "quantile", of = "n", across = "bin", edges = [-1000000, 0, "1/1000000", 2, 1000000], at = ["1/1000000", "999999/1000000"] }"#,
        r#"{ kind = "spread", count = "n", mean = "x", square = "xx" }"#,
        r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#,
    ];
    let wide = |name: &str, low: i64| {
        let sql = sql(name);
        let centre = if sql == "score" { "centre = 1000, " } else { "" };
        let most = if sql == "score" { 1_000 } else { 1_000_000 };
        format!(r#"{{ name = "{name}", sql = "{sql}", {centre}clamp = [{low}, {most}], resolution = 1 }}"#)
    };
    let all = [N.to_owned(), wide("x", -1), wide("y", -1), wide("xx", 0), wide("xy", -1_000), wide("yy", 0)]
        .join(",");
    let ends = [i64::MIN, -(1 << 53), -1, 0, 1, 11, 1000, 1 << 40, 1 << 53, i64::MAX];
    for kind in kinds {
        let question = asking(kind, &all, BINS, "matters = \"1 pp\"\npupil_sd = \"1000000\"");
        for (a, b) in ends.iter().flat_map(|a| ends.map(|b| (*a, b))) {
            for (std, doublings) in [(1, 0), (512, 0), (u32::MAX, 0), (u32::MAX, 20)] {
                let sums: Vec<i64> = (0..48).map(|at| if at % 5 < 3 { a } else { b }).collect();
                let figures = derive(&question, &scale(std, doublings), 200, &sums);
                for figure in figures.cells.iter().flat_map(|cell| &cell.figures) {
                    let read = |text: &str| text.parse::<f64>().unwrap();
                    if figure.status == Status::Estimated {
                        let (low, value, high) = (read(&figure.low), read(&figure.value), read(&figure.high));
                        assert!(low <= value && value <= high, "{kind} {a} {b}: {figure:?}");
                    } else {
                        assert_eq!((figure.value.as_str(), figure.low.as_str()), ("", ""));
                    }
                }
            }
        }
    }
}

/// Two cells of a person make a row of 1,000 one of 500 people: chance is larger by the root of two.
#[test]
fn who_counts_in_several_cells_is_one_person_to_chance() {
    let asked = |figure: &str, cells: u8| {
        let text = format!(
            r#"id = "q"
            version = 1
            title = "?"
            vocabulary = "attendance/1"
            figure = {figure}
            loss = 1
            matters = "1 pp"
            cells_per_unit = {cells}
            measure = [{N}]
            by = [{{ column = "weekday", cells = ["Monday", "Friday"] }}]"#
        );
        let figures = derive(&super::tests::attendance(&text, &[]), &scale(512, 0), 4, &[500, 500]);
        figures.cells[0].figures[0].chance.clone().unwrap().parse::<f64>().unwrap()
    };
    let share = r#"{ kind = "share", of = "n" }"#;
    assert_eq!((asked(share, 1), asked(share, 2)), (0.031, 0.044));
    let quantile = |at: &str| {
        format!(r#"{{ kind = "quantile", of = "n", across = "weekday", edges = [0, 1, 2], at = ["{at}"] }}"#)
    };
    // 460 is 40 from the edge at 500: half-widths are 31 and 44, so two bins may hold it.
    assert!(asked(&quantile("46/100"), 2) > asked(&quantile("46/100"), 1));
}

/// Noise like that of a release: nearly normal, whole steps, the same each time.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard deviation `std` steps.
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
    fn draw(&mut self, std: f64) -> i64 {
        let sum: f64 = (0..12).map(|_| self.uniform()).sum();
        ((sum - 6.0) * std).round() as i64
    }
}

/// Of a thousand releases of the same truth, for how many the interval of noise holds it.
fn coverage(question: &BoundQuestion, exact: &[i64], inside: impl Fn(&[Group<'_>]) -> bool) -> usize {
    let mut dice = Noise(20_261_125);
    let noise = scale(2_048, 0);
    (0..1_000)
        .filter(|_| {
            // sigma 8, 4 members: 16.
            let sums: Vec<i64> = exact.iter().map(|sum| sum + dice.draw(16.0)).collect();
            inside(&groups(question, &noise, 4, &sums))
        })
        .count()
}

/// Intervals of 95 % hold the truth about 95 times of 100, bent ones and those of shared noise too.
#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let holds = |estimate: Option<Estimate>, truth: f64| {
        let truth = truth * 1e9;
        estimate.is_some_and(|e| (e.value - e.below) as f64 <= truth && truth <= (e.value + e.above) as f64)
    };
    let about = |found: usize, what: &str| assert!((930..=970).contains(&found), "{what}: {found} of 1000");
    let two = format!("{N}, {}", measure("x"));
    let mean = question(r#"{ kind = "mean", of = "x", count = "n" }"#, &two);
    // Six standard errors of the count: Fieller's. Sixty: straight.
    for (n, x) in [(96, 50), (960, 500)] {
        let found = coverage(&mean, &[n, x, 0, 0], |groups| {
            holds(groups[0].mean("x", "n", None), x as f64 / n as f64)
        });
        about(found, &format!("mean of {n}"));
    }
    let pair = format!("{N}, {}", N.replace("\"n\"", "\"m\""));
    let rate = question(r#"{ kind = "rate", of = "n", against = "m" }"#, &pair);
    let crate::question::Figure::Rate(of) = rate.figure().clone() else { panic!() };
    for (a, b) in [(120, 30), (900, 100)] {
        let truth = a as f64 / (a + b) as f64;
        about(coverage(&rate, &[a, b, 0, 0], |groups| holds(groups[0].rate(&of), truth)), "rate");
    }
    let shares = asking(r#"{ kind = "share", of = "n" }"#, N, BINS, r#"matters = "1 pp""#);
    for (row, what) in [([60, 70, 40, 30], "share of 200"), ([600, 700, 400, 300], "share of 2,000")] {
        let exact: Vec<i64> = row.into_iter().chain([0; 4]).collect();
        let found = coverage(&shares, &exact, |groups| {
            let counts: Vec<Option<Sum>> = groups.iter().map(|group| group.sum("n")).collect();
            holds(figures::share_of_rows(&shares, &counts, "bin")[0], 0.3)
        });
        about(found, what);
    }
    let kind = r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#;
    let fit = question(kind, &measures(&["x", "y", "xx", "xy", "yy"]));
    let crate::question::Figure::Fit(of) = fit.figure().clone() else { panic!() };
    let exact = [2_000, 1_000, 600, 2_500, 1_300, 1_800, 0, 0, 0, 0, 0, 0];
    // Variances 1 and 0.81, covariance 0.5: slope 0.5, intercept 0.05, correlation 0.5556.
    for (name, truth) in [("slope", 0.5), ("intercept", 0.05), ("correlation", 0.5 / 0.9)] {
        let found = coverage(&fit, &exact, |groups| {
            let found = fit::estimates(&groups[0], &of).into_iter().find(|(other, _)| *other == name);
            holds(found.unwrap().1, truth)
        });
        about(found, name);
    }
    // A quantile is an edge: its range holds the true bin at least as often.
    let kind = r#"{ kind = "quantile", of = "n", across = "bin", edges = [0, 1, 2, 3, 4], at = ["1/2"] }"#;
    let quantile = asking(kind, N, BINS, r#"matters = "1""#);
    let crate::question::Figure::Quantile { edges, at, .. } = quantile.figure().clone() else { panic!() };
    let keys = quantile.groups();
    for row in [[100, 95, 10, 190], [10, 180, 15, 195], [199, 100, 50, 50]] {
        let exact: Vec<i64> = row.into_iter().chain([0; 4]).collect();
        let half = row.iter().sum::<i64>() / 2;
        let mut sum = 0;
        let bin = row.iter().position(|n| {
            sum += n;
            sum >= half
        });
        let middle = bin.unwrap() as f64 + 0.5;
        let found = coverage(&quantile, &exact, |groups| {
            let cells = quantiles(&quantile, &keys, groups, ("n", "bin"), &edges, &at);
            let figure = &cells[0].figures[0];
            let read = |text: &str| text.parse::<f64>().unwrap();
            read(&figure.low) <= middle && middle <= read(&figure.high)
        });
        assert!(found >= 950, "{row:?}: {found}");
    }
}
