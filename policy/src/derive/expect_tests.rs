//! What a plan expects against DATA section 7, and what would help against asking again with it.

use super::fixed::ONE;
use super::tests::{ATTENDANCE_BY, DAYS, EVENT_DAY, RATE, asking, attendance};
use super::*;
use crate::loss::PrivacyLoss;
use crate::query::{Assumptions, Mode, Terms};

const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }"#;

/// The reference cluster: 20 schools of 1,000 pupils, m = 13.
fn cluster() -> Terms {
    Terms::new(20, Mode::Secure, Assumptions::FLOOR).unwrap()
}

fn forecast(question: &BoundQuestion, nano: u64, people: &[u64]) -> Forecast {
    expected(question, PrivacyLoss::from_nano(nano), &cluster(), people).unwrap()
}

/// Half-widths in hundredths of the figure's unit.
fn hundredths(width: Option<i128>) -> f64 {
    width.unwrap() as f64 / ONE as f64 * 100.0
}

fn measure(name: &str, clamp: &str, resolution: &str) -> String {
    let sql = match name {
        "xx" => "x * x",
        "xy" => "x * y",
        "yy" => "y * y",
        _ => "score",
    };
    format!(r#"{{ name = "{name}", sql = "{sql}", clamp = {clamp}, resolution = {resolution} }}"#)
}

fn bins(n: usize) -> String {
    let cells: Vec<String> = (0..n).map(|n| format!("\"{n}\"")).collect();
    format!(r#"{{ name = "bin", sql = "'0'", cells = [{}] }}"#, cells.join(","))
}

#[test]
fn rates_and_gaps_are_those_of_the_catalogue() {
    let mut people = [1_000, 3_000].repeat(5);
    let rate = forecast(&attendance(RATE, &[]), 5_000_000, &people);
    assert_eq!(rate.figures.len(), 10);
    // A1: a year group's Pupil Premium pupils 2.8 pp (the rate's own part of the noise aside).
    let premium = &rate.figures[0];
    assert!((2.5..3.5).contains(&hundredths(premium.noise)), "{premium:?}");
    // Chance does not count for a level: 14 pp among 1,000.
    assert!((0.86..0.88).contains(&hundredths(premium.chance)) && premium.error == premium.noise);
    assert_eq!((premium.matters, premium.answerable), (ONE / 100, Answerable::Red));
    // Three times the people are not enough either, so all are red and a cure is named.
    assert!(rate.cure.is_some());
    people = [4_000, 12_000].repeat(5);
    let answers: Vec<_> = forecast(&attendance(RATE, &[]), 5_000_000, &people).figures;
    let codes: Vec<_> = answers.iter().take(2).map(|figure| figure.answerable.code()).collect();
    assert_eq!(codes, ["amber", "green"]);
    // A4: of all years together the gap is sure to 0.6 pp of noise, more with chance.
    let gap = RATE
        .replace("kind = \"rate\"", "across = \"pupil_premium\", kind = \"gap\"")
        .replace(ATTENDANCE_BY, "");
    let gap = forecast(&attendance(&gap, &[]), 5_000_000, &[5_000, 15_000]);
    let [only] = gap.figures.as_slice() else { panic!("{gap:?}") };
    assert_eq!(only.key[0].1, "true minus false");
    assert!((0.5..0.75).contains(&hundredths(only.noise)), "{only:?}");
    assert!(only.error > only.noise, "a gap counts chance");
}

#[test]
fn events_quantiles_fits_and_counts_are_those_of_the_catalogue() {
    let event = attendance(EVENT_DAY, &[DAYS[0], DAYS[1], ("took_part", "A-1,A-2,A-3")]);
    // 4 of 20 schools had none: Pupil Premium pupils with and without, then others.
    let event = forecast(&event, 5_000_000, &[4_000, 1_000, 12_000, 3_000]);
    let names: Vec<String> = event.figures.iter().map(|f| f.name.clone()).collect();
    assert_eq!(names, [["change"; 4].as_slice(), ["difference"; 3].as_slice()].concat());
    assert!((0.6..0.9).contains(&hundredths(event.figures[0].noise)));
    // A7: the contrast of Pupil Premium pupils 2.4 pp, mostly of the smaller group.
    assert!((2.4..3.2).contains(&hundredths(event.figures[4].noise)), "{:?}", event.figures[4]);
    // T5 at 4,000 pupils: 1 to 2 points of 90; half a bin at least.
    let edges: Vec<String> = (0..=32).map(|n| format!("\"{}\"", f64::from(n) * 90.0 / 32.0)).collect();
    let kind = format!(
        r#"{{ kind = "quantile", of = "n", across = "bin", edges = [{}], at = ["1/2"] }}"#,
        edges.join(",")
    );
    let quartiles = asking(&kind, N, &bins(32), r#"matters = "2 points""#);
    let quartiles = forecast(&quartiles, 5_000_000, &[125; 32]);
    assert!((1.4..2.0).contains(&(hundredths(quartiles.figures[0].noise) / 100.0)), "{quartiles:?}");
    // T7 at 4,000 pupils: slope 0.14, chance 0.025.
    let fit = ["x", "y", "xy"].map(|name| measure(name, "[-1, 1]", "\"1/64\""));
    let squares = ["n", "xx", "yy"].map(|name| measure(name, "[0, 1]", "\"1/64\""));
    let kind = r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#;
    let by = r#"{ column = "sex", cells = ["F", "M"] }"#;
    let fit = asking(kind, &[fit, squares].concat().join(","), by, r#"matters = "0.1""#);
    assert_eq!(fit.sensitivity2(), 24_576);
    let fit = forecast(&fit, 5_000_000, &[4_000, 4_000]);
    assert!((12.0..17.0).contains(&hundredths(fit.figures[0].noise)), "{fit:?}");
    assert!((2.2..2.8).contains(&hundredths(fit.figures[0].chance)), "{fit:?}");
    // Counts: 24 people whoever they are; five in a hundred of 1,000 matter, and of 100 cannot be told.
    let counts = asking(r#"{ kind = "count", of = "n" }"#, N, by, r#"matters = "5 %""#);
    let counts = forecast(&counts, 5_000_000, &[1_000, 100]);
    let codes: Vec<_> = counts.figures.iter().map(|figure| figure.answerable.code()).collect();
    assert_eq!((codes, counts.cure), (vec!["green", "red"], None));
}

/// Figures stand in a plan under the names that a Release gives them, and in its order.
#[test]
fn a_plan_names_what_a_release_shows() {
    let by =
        r#"{ column = "sex", cells = ["F", "M"] }, { name = "bin", sql = "'0'", cells = ["0", "1", "2"] }"#;
    let measures: Vec<String> = ["x", "y", "xx", "xy", "yy"]
        .iter()
        .map(|name| measure(name, if name.len() > 1 { "[0, 16]" } else { "[0, 4]" }, "1"))
        .collect();
    let measures = format!("{N}, {}", measures.join(","));
    for kind in [
        r#"{ kind = "count", of = "n" }"#,
        r#"{ kind = "mean", of = ["x", "y"], count = "n", together = "both" }"#,
        r#"{ kind = "gap", of = ["x", "y"], count = "n", together = "both", across = "bin" }"#,
        r#"{ kind = "gap", of = "n", over = "xx", across = "sex" }"#,
        r#"{ kind = "rate", of = "n", against = "xx" }"#,
        r#"{ kind = "share", of = "n" }"#,
        r#"{ kind = "histogram", of = "n" }"#,
        r#"{ kind = "transition", rows = "bin", columns = "sex" }"#,
        r#"{ kind = "quantile", of = "n", across = "bin", edges = [0, 1, 2, 3], at = ["1/4", "2/4"] }"#,
        r#"{ kind = "spread", count = "n", mean = "x", square = "xx" }"#,
        r#"{ kind = "fit", count = "n", x = "x", y = "y", xx = "xx", xy = "xy", yy = "yy" }"#,
    ] {
        let question = asking(kind, &measures, by, r#"matters = "1 pp""#);
        let noise =
            crate::query::NoiseScale::new(question.sensitivity2(), PrivacyLoss::from_nano(5_000_000), 13);
        let release = derive(&question, &noise.unwrap(), 20, &vec![1_000; question.cells()]);
        let shown: Vec<(String, &Vec<(String, String)>)> = release
            .cells
            .iter()
            .flat_map(|cell| cell.figures.iter().map(|figure| (figure.name.clone(), &cell.key)))
            .collect();
        for figure in forecast(&question, 5_000_000, &[1_000; 6]).figures {
            assert!(shown.contains(&(figure.name.clone(), &figure.key)), "{kind}: {figure:?}");
        }
    }
}

/// What would help does: at the loss named, or with the people named, some figure serves; with a
/// little less none does.
#[test]
fn a_cure_is_the_least_that_serves() {
    let by = r#"{ column = "sex", cells = ["F", "M"] }"#;
    let mean = format!("{N}, {}", measure("s", "[-4, 4]", "\"1/2\""));
    let cases = [
        (asking(r#"{ kind = "mean", of = "s", count = "n" }"#, &mean, by, r#"matters = "0.1""#), [500, 400]),
        (asking(r#"{ kind = "share", of = "n" }"#, N, by, r#"matters = "1 pp""#), [500, 400]),
        (
            asking(
                r#"{ kind = "gap", of = "s", count = "n", across = "sex" }"#,
                &mean,
                by,
                "matters = \"0.3\"\npupil_sd = \"1\"",
            ),
            [400, 300],
        ),
        (attendance(RATE, &[]), [300, 900]),
    ];
    for (question, people) in cases {
        let groups = question.groups().len() / 2;
        let people = people.repeat(groups);
        let all_red = |nano: u64, people: &[u64]| {
            forecast(&question, nano, people).figures.iter().all(|f| f.answerable == Answerable::Red)
        };
        let nano = 1_000_000;
        let cure = forecast(&question, nano, &people).cure.unwrap();
        let loss = cure.loss.unwrap().nano();
        assert!(!all_red(loss + loss / 100, &people) && all_red(loss - loss / 50, &people), "{cure:?}");
        let named = cure.people.unwrap();
        let rests_on = forecast(&question, nano, &people);
        let largest = *people.iter().max().unwrap();
        assert!(named > largest.min(people[0]), "{named} {rests_on:?}");
        let grown = |percent: u64| -> Vec<u64> {
            // The group that first serves is one of these; all grow alike.
            let served = |f: u64| {
                let grown: Vec<u64> = people.iter().map(|n| n * f / 1_000).collect();
                !all_red(nano, &grown)
            };
            let least = (1_000..10_000_000).step_by(50).find(|f| served(*f)).unwrap();
            people.iter().map(|n| n * least * percent / 100_000).collect()
        };
        assert!(!all_red(nano, &grown(101)) && all_red(nano, &grown(90)));
    }
    // Where chance alone is more than matters no loss serves, and more people do.
    let gap = r#"{ kind = "gap", of = "s", count = "n", across = "sex" }"#;
    let chancy = asking(gap, &mean, by, "matters = \"0.1\"\npupil_sd = \"1\"");
    let cure = forecast(&chancy, 1_000_000, &[400, 300]).cure.unwrap();
    assert!(cure.loss.is_none() && cure.people.unwrap() > 768, "{cure:?}");
    // A figure that would be suppressed is red, and without people nothing serves.
    let none = forecast(&chancy, 1_000_000, &[0, 0]);
    assert!(none.figures[0].noise.is_none() && none.cure == Some(Cure { loss: None, people: None }));
}

/// Absurd numbers of people, losses and bounds are red or green, never a panic.
#[test]
fn a_forecast_stays_within_its_numbers() {
    for people in [0, 1, 10, 1_000_000, u64::MAX] {
        for nano in [2, 5_000_000, u64::MAX] {
            let Some(forecast) =
                expected(&attendance(RATE, &[]), PrivacyLoss::from_nano(nano), &cluster(), &[people; 3])
            else {
                continue;
            };
            assert_eq!(forecast.figures.len(), 10);
        }
    }
}
