//! Every form of a Question over rows of our own making: what one person can change is never above
//! Delta, and the worst one changes nearly as much; and the exact Tally where it can be seen by eye.

use std::collections::BTreeMap;

use datacoop_policy::Period;
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;

use super::*;
use crate::engine::{TableWriter, table_path};
use crate::import::Cell;

const MARKS: &str = r#"
    id = "marks"
    version = 1
    title = "Marks of people"
    dataset = "marks"
    unit = "person"
    column = [
      { name = "person", type = "text", required = true, never = true },
      { name = "day", type = "text", values = ["a", "b", "c", "d", "e"], group = true, varies = true },
      { name = "late", type = "bool", group = true, varies = true },
      { name = "x", type = "number", varies = true },
      { name = "band", type = "text", values = ["low", "high", "none"], group = true },
      { name = "flag", type = "bool", group = true },
      { name = "own", type = "number" },
    ]"#;

/// (person, day, late, x, band, flag, own); an empty text is no value.
type Row = (u32, &'static str, bool, f64, &'static str, bool, f64);

fn write(rows: &[Row], dir: &std::path::Path) -> Sources {
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let table = table_path(dir, &vocabulary, 1);
    let mut writer = TableWriter::create(&table, &vocabulary).unwrap();
    let text = |text: &str| if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned().into()) };
    let number = |number: f64| if number.is_nan() { Cell::Null } else { Cell::Number(number) };
    for (person, day, late, x, band, flag, own) in rows {
        let person = text(&format!("p{person}"));
        let row =
            [person, text(day), Cell::Bool(*late), number(*x), text(band), Cell::Bool(*flag), number(*own)];
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap();
    Sources::new(Some(table))
}

async fn tally(rows: &[Row], question: &BoundQuestion) -> Vec<i64> {
    let dir = tempfile::tempdir().unwrap();
    tabulate(&write(rows, dir.path()), question, &"A".parse().unwrap()).await.unwrap()
}

fn bound(body: &str, params: &[(&str, &str)]) -> BoundQuestion {
    let text = format!(
        "id = \"q\"\nversion = 1\ntitle = \"?\"\nvocabulary = \"marks/1\"\nloss = 1\nmatters = \"1\"\n{body}"
    );
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let draft = QuestionDraft::from_toml(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let question = Question::admit(draft, &vocabulary).unwrap_or_else(|error| panic!("{error}: {text}"));
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    question.bind(&params, Period::parse("2025-09-01..2025-12-19").unwrap()).unwrap()
}

const COUNT: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }"#;
const DAYS: &str = r#"{ column = "day", cells = ["a", "b", "c", "d"] }"#;

#[tokio::test]
async fn a_person_counts_in_the_first_of_their_cells() {
    let rows = [
        // Unlisted e is no cell; d, b, a stand in the listed order a, b, d.
        (1, "e", false, 1.0, "low", true, 0.0),
        (1, "d", false, 2.0, "low", true, 0.0),
        (1, "b", false, 4.0, "low", true, 0.0),
        (1, "a", true, 8.0, "low", true, 0.0),
        (1, "a", false, 16.0, "low", true, 0.0),
        (2, "d", false, 32.0, "low", true, 0.0),
        (2, "c", false, f64::NAN, "low", true, 0.0),
        (3, "", false, 64.0, "low", true, 0.0),
        // Rows of one person that come apart are the same person's.
        (1, "c", false, 128.0, "low", true, 0.0),
    ];
    let asked = |cells: u32| {
        bound(
            &format!(
                r#"figure = {{ kind = "sum", of = "s" }}
                cells_per_unit = {cells}
                measure = [{{ name = "s", sql = "SUM(x)", clamp = [0, 1000], resolution = 1 }}]
                by = [{DAYS}]"#
            ),
            &[],
        )
    };
    assert_eq!(tally(&rows, &asked(1)).await, [24, 0, 0, 32]);
    assert_eq!(tally(&rows, &asked(2)).await, [24, 4, 0, 32]);
    assert_eq!(
        tally(&rows, &asked(3)).await,
        [24, 4, 128, 32],
        "a cell without a value is none of the first"
    );
    assert_eq!(tally(&rows, &asked(4)).await, [24, 4, 128, 34]);
}

#[tokio::test]
async fn forms_compile_to_what_they_say() {
    let rows = [
        (1, "a", true, 1.0, "low", true, 2.5),
        (1, "b", false, 2.0, "low", true, 2.5),
        (2, "a", false, 3.0, "high", false, -1.25),
        (3, "a", true, -7.0, "none", true, 0.5),
        (4, "a", true, 5.0, "high", true, f64::NAN),
    ];
    // A person's own number stands bare; its centre follows the band; halves round away from zero.
    let centred = bound(
        r#"figure = { kind = "mean", of = "o", count = "n" }
        measure = [
          { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
          { name = "o", sql = "own", centre = [2, "-0.25"], clamp = [-4, 4], resolution = 1 },
        ]
        by = [{ column = "band", cells = ["low", "high"] }]"#,
        &[],
    );
    // 2.5 - 2 = 0.5 -> 1; -1.25 + 0.25 = -1; who has none is skipped whole, so is the unlisted band.
    assert_eq!(tally(&rows, &centred).await, [1, 1, 1, -1]);
    // A text worked out of all rows of a person; an optional grouping; a narrowing.
    let body = r#"figure = { kind = "histogram", of = "n" }
        param = { much = "number" }
        measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
        by = [
          { name = "sum", sql = "CASE WHEN SUM(x) >= :much THEN 'much' WHEN flag THEN 'little' END", cells = ["little", "much"] },
          { column = "flag", cells = ["true", "false"], optional = true },
        ]
        for = [{ column = "late", values = ["true", "false"] }]"#;
    assert_eq!(tally(&rows, &bound(body, &[("much", "3")])).await, [1, 3]);
    assert_eq!(tally(&rows, &bound(body, &[("much", "3"), ("by.flag", "yes")])).await, [1, 0, 2, 1]);
    // Narrowed to late rows the sums are of those rows.
    assert_eq!(tally(&rows, &bound(body, &[("much", "3"), ("for.late", "true")])).await, [2, 1]);
    assert_eq!(tally(&rows, &bound(body, &[("much", "-7"), ("for.late", "false")])).await, [0, 2]);
    // True and false that vary by row are two cells.
    let late = bound(
        r#"figure = { kind = "sum", of = "n" }
        cells_per_unit = 2
        measure = [{ name = "n", sql = "COUNT(*)", clamp = [0, 5], resolution = 1 }]
        by = [{ column = "late", cells = ["true", "false"] }]"#,
        &[],
    );
    assert_eq!(tally(&rows, &late).await, [3, 2]);
}

/// A group that nobody here is in, and a table that is not there, add zeros like any other.
#[tokio::test]
async fn a_group_that_is_absent_adds_zeros() {
    let body = format!("figure = {{ kind = \"count\", of = \"n\" }}\nmeasure = [{COUNT}]\nby = [{DAYS}]");
    let question = bound(&body, &[]);
    assert_eq!(tally(&[(1, "b", true, 1.0, "low", true, 1.0)], &question).await, [0, 1, 0, 0]);
    assert_eq!(tally(&[], &question).await, [0; 4]);
    assert_eq!(tabulate(&Sources::new(None), &question, &"A".parse().unwrap()).await.unwrap(), [0; 4]);
}

/// One of each form, with its Delta^2.
fn forms() -> Vec<(&'static str, BoundQuestion, u128)> {
    let q = bound;
    let centred = r#"{ name = "s", sql = "SUM(x)", centre = [3, -2], clamp = [-8, 8], resolution = "1/2" }"#;
    let band = r#"{ column = "band", cells = ["low", "high"] }"#;
    let six = r#"
      { name = "n", sql = "1", clamp = [0, 1], resolution = "1/8" },
      { name = "u", sql = "own / 10", clamp = [-1, 1], resolution = "1/8" },
      { name = "v", sql = "AVG(x) / 10", clamp = [-1, 1], resolution = "1/8" },
      { name = "uu", sql = "u * u", clamp = [0, 1], resolution = "1/8" },
      { name = "uv", sql = "u * v", clamp = [-1, 1], resolution = "1/8" },
      { name = "vv", sql = "v * v", clamp = [0, 1], resolution = "1/8" },"#;
    vec![
        (
            "a mean with centres, by days, two cells each",
            q(
                &format!(
                    r#"figure = {{ kind = "mean", of = "s", count = "n", square = "q" }}
              cells_per_unit = 2
              measure = [{COUNT}, {centred}, {{ name = "q", sql = "s * s", clamp = [0, 64], resolution = 4 }}]
              by = [{band}, {DAYS}]"#
                ),
                &[],
            ),
            2 * (1 + 16 * 16 + 16 * 16),
        ),
        (
            "a rate whose parts are bounded together, by days, four cells each",
            q(
                &format!(
                    r#"figure = {{ kind = "rate", of = "p", against = "m" }}
              cells_per_unit = 4
              at_most = {{ measures = ["p", "m"], total = 6 }}
              measure = [
                {{ name = "p", sql = "SUM(ABS(x))", clamp = [0, 6], resolution = 1 }},
                {{ name = "m", sql = "COUNT(x) FILTER (WHERE late)", clamp = [0, 6], resolution = 1 }},
              ]
              by = [{DAYS}]"#
                ),
                &[],
            ),
            4 * 36,
        ),
        (
            "a transition by a column that varies, one cell each",
            q(
                &format!(
                    r#"figure = {{ kind = "transition", rows = "band", columns = "day" }}
              measure = [{COUNT}]
              by = [{band}, {DAYS}]"#
                ),
                &[],
            ),
            1,
        ),
        (
            "a quantile over bands by SQL, narrowed, with an optional grouping",
            q(
                &format!(
                    r#"figure = {{ kind = "quantile", of = "n", across = "bin", edges = [-20, 0, 5, 20], at = ["1/2"] }}
              measure = [{COUNT}]
              by = [
                {{ name = "bin", sql = "CASE WHEN SUM(x) < 0 THEN 'minus' WHEN SUM(x) < 5 THEN 'some' ELSE 'many' END", cells = ["minus", "some", "many"] }},
                {{ column = "flag", cells = ["true", "false"], optional = true }},
              ]
              for = [{{ column = "late", values = ["true"] }}]"#
                ),
                &[("for.late", "true"), ("by.flag", "yes")],
            ),
            1,
        ),
        (
            "a fit of six sums",
            q(
                &format!(
                    r#"figure = {{ kind = "fit", count = "n", x = "u", y = "v", xx = "uu", xy = "uv", yy = "vv" }}
              measure = [{six}]
              by = [{band}]"#
                ),
                &[],
            ),
            6 * 64,
        ),
        (
            "a spread, by two columns that vary, three cells each",
            q(
                &format!(
                    r#"figure = {{ kind = "spread", count = "n", mean = "s", square = "q" }}
              cells_per_unit = 3
              measure = [{COUNT}, {{ name = "s", sql = "MIN(x)", clamp = [-4, 4], resolution = 1 }}, {{ name = "q", sql = "s * s", clamp = [0, 16], resolution = 2 }}]
              by = [{{ column = "late", cells = ["false", "true"] }}, {DAYS}]"#
                ),
                &[],
            ),
            3 * (1 + 16 + 64),
        ),
    ]
}

/// Numbers without pattern, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}

const NUMBERS: [f64; 9] = [-1e300, -9.5, -1.0, -0.5, 0.0, 0.25, 3.0, 11.0, 1e300];

/// A table of chance, with people who do the worst: on every day, late and not, as far out as can be;
/// who have no value; whose own columns disagree between rows.
fn people(case: u64) -> Vec<Row> {
    let mut dice = Dice(case);
    let mut rows = vec![];
    for person in 0..5 {
        for _ in 0..dice.roll(9) {
            rows.push((
                person,
                dice.pick(&["a", "b", "c", "d", "e", ""]),
                dice.pick(&[true, false]),
                dice.pick(&NUMBERS),
                dice.pick(&["low", "high", "none", ""]),
                dice.pick(&[true, false]),
                dice.pick(&[-30.0, -1.0, f64::NAN, 2.5, 10.0, 1e300]),
            ));
        }
    }
    for (person, x, band) in [(10, 500.0, "low"), (11, -500.0, "high"), (12, 10.0, "low")] {
        for (day, late) in ["a", "b", "c", "d", "e"].into_iter().flat_map(|day| [(day, true), (day, false)]) {
            rows.push((person, day, late, x, band, case.is_multiple_of(2), x));
        }
    }
    rows.extend([
        (13, "a", true, f64::NAN, "low", true, f64::NAN),
        (14, "b", true, f64::INFINITY, "high", true, 1.0),
    ]);
    rows
}

#[tokio::test]
async fn no_person_moves_any_form_by_more_than_delta() {
    let forms = forms();
    let mut reached = vec![0u128; forms.len()];
    for case in 0..3 {
        let rows = people(case);
        let everyone: std::collections::BTreeSet<u32> = rows.iter().map(|row| row.0).collect();
        let mut all = vec![];
        for (_, question, _) in &forms {
            all.push(tally(&rows, question).await);
        }
        for person in everyone {
            let rest: Vec<Row> = rows.iter().filter(|row| row.0 != person).copied().collect();
            let dir = tempfile::tempdir().unwrap();
            let sources = write(&rest, dir.path());
            for (at, (name, question, delta2)) in forms.iter().enumerate() {
                assert_eq!(question.sensitivity2(), *delta2, "{name}");
                let without = tabulate(&sources, question, &"A".parse().unwrap()).await.unwrap();
                let squares = all[at].iter().zip(&without).map(|(a, b)| u128::from(a.abs_diff(*b)).pow(2));
                let distance: u128 = squares.sum();
                assert!(distance <= *delta2, "{name}: {distance} of {delta2}, case {case}, person {person}");
                reached[at] = reached[at].max(distance);
            }
        }
    }
    for ((name, _, delta2), reached) in forms.iter().zip(reached) {
        assert!(reached * 100 >= delta2 * 95, "{name}: the bound is nearly reached: {reached} of {delta2}");
    }
}

/// Whatever is admitted is answered: a member with rows that failed would be told from one without.
#[test]
fn the_deepest_expressions_that_are_admitted_are_answered() {
    let nest = |open: &str, inner: &str, close: &str, n: usize| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    let forms: [(&str, &str, &str); 7] = [
        ("", "own", " + 0"),
        ("(0 + ", "own", ")"),
        ("CASE WHEN flag THEN ", "own", " ELSE 1 END"),
        ("NULLIF(", "SUM(x)", ", 7)"),
        ("", "MAX(x)", " - own"),
        ("- (", "COUNT(x)", ")"),
        ("COALESCE(0 + ", "own", ", 1)"),
    ];
    let text = |sql: &str| {
        format!(
            r#"id = "q"
            version = 1
            title = "?"
            vocabulary = "marks/1"
            loss = 1
            matters = "1"
            figure = {{ kind = "mean", of = "s", count = "n" }}
            measure = [
              {{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }},
              {{ name = "s", sql = "{sql}", clamp = [-4, 4], resolution = 1 }},
            ]
            by = [{{ column = "flag", cells = ["true", "false"] }}]"#
        )
    };
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let admit = |sql: &str| Question::admit(QuestionDraft::from_toml(&text(sql)).unwrap(), &vocabulary).ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(crate::engine::STACK_BYTES)
        .enable_all()
        .build()
        .unwrap();
    for (open, inner, close) in forms {
        let deepest = (1..149).rev().find_map(|n| admit(&nest(open, inner, close, n))).unwrap();
        let question =
            deepest.bind(&BTreeMap::new(), Period::parse("2025-09-01..2025-12-19").unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let sources = write(&[(1, "a", true, 1.0, "low", true, 2.0)], dir.path());
        let told = runtime.spawn(async move { tabulate(&sources, &question, &"A".parse().unwrap()).await });
        let tally = runtime.block_on(told).unwrap();
        assert!(tally.is_ok(), "{open}{inner}{close}: {}", tally.unwrap_err());
    }
}
