use super::*;
use crate::vocabulary::tests::EXAM;

const ATTENDANCE: &str = include_str!("../../node/src/vocab/attendance.toml");
const EVENT_DAY: &str = include_str!("../../node/src/questions/catalogue/event-day.toml");
const ATTENDANCE_RATE: &str = include_str!("../../node/src/questions/catalogue/attendance-rate.toml");

const MEAN: &str = r#"
    id = "mean-score"
    version = 1
    title = "What do they score?"
    vocabulary = "exam/1"
    figure = { kind = "mean", of = "s", count = "n", square = "q" }
    loss = 5_000_000
    matters = "0.1"
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" },
      { name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" },
      { name = "q", sql = "s * s", clamp = [0, 16], resolution = 4 },
    ]
    by = [{ column = "sex", cells = ["F", "M"] }]"#;

fn admit(text: &str, vocabulary: &str) -> Result<Question, QuestionError> {
    let vocabulary = Vocabulary::from_toml(vocabulary).unwrap();
    Question::admit(QuestionDraft::from_toml(text)?, &vocabulary)
}

fn bind(text: &str, vocabulary: &str, params: &[(&str, &str)]) -> Result<BoundQuestion, QuestionError> {
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    admit(text, vocabulary)?.bind(&params, Period::parse("2025-11-03..2025-12-19").unwrap())
}

const EVENT: [(&str, &str); 3] = [
    ("event_day", "2025-12-12"),
    ("baseline_days", "2025-11-14, 2025-11-21"),
    ("took_part", "GB-EDU-000001,GB-EDU-000002"),
];

#[test]
fn sensitivity_is_that_of_the_catalogue() {
    let event = bind(EVENT_DAY, ATTENDANCE, &EVENT).unwrap();
    assert_eq!((event.sensitivity2(), event.cells()), (84, 12));
    let rate = bind(ATTENDANCE_RATE, ATTENDANCE, &[]).unwrap();
    assert_eq!((rate.sensitivity2(), rate.cells()), (6400, 20));
    let mean = bind(MEAN, EXAM, &[]).unwrap();
    assert_eq!((mean.sensitivity2(), mean.cells()), (16 + 64 + 16, 6));
    assert_eq!(
        (mean.span_steps_max(), mean.offset_steps(1), mean.offset_steps(4), mean.offset_steps(0)),
        (16, 8, 8, 0)
    );
}

#[test]
fn cells_are_row_major_with_measures_innermost() {
    let event = bind(EVENT_DAY, ATTENDANCE, &EVENT).unwrap();
    let keys: Vec<String> = event
        .groups()
        .iter()
        .map(|group| group.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(keys, ["true yes", "true no", "false yes", "false no"]);
    let members: Vec<MemberId> = (1..=3).map(|i| format!("GB-EDU-00000{i}").parse().unwrap()).collect();
    let groups = event.member_groups(&members);
    assert_eq!(groups, [members[..2].to_vec(), members[2..].to_vec()]);
}

#[test]
fn rendered_sql_holds_the_parameters_and_the_period() {
    let event = bind(EVENT_DAY, ATTENDANCE, &EVENT).unwrap();
    let filter = event.filter_sql().unwrap();
    assert!(
        filter.contains("\"compulsory_age\"") && filter.contains("BETWEEN CAST('2025-11-03' AS DATE)"),
        "{filter}"
    );
    let measures = event.measures_sql();
    assert_eq!(measures[0], "CAST(1 AS DOUBLE)");
    assert!(
        measures[1].contains("IN (CAST('2025-11-14' AS DATE), CAST('2025-11-21' AS DATE))"),
        "{}",
        measures[1]
    );
    assert!(measures[2].contains("CASE WHEN"), "an earlier measure is used clipped: {}", measures[2]);
}

#[test]
fn a_parameter_is_checked_at_the_border() {
    for (name, value, said) in [
        ("event_day", "2025-12-12,2025-12-13", "at most 1"),
        ("event_day", "2026-12-12", "no day of the period"),
        ("event_day", "'; DROP", "no day of the period"),
        ("took_part", "", "list member ids"),
        ("took_part", "nobody", "not a member id"),
        ("colour", "red", "no parameter `colour`"),
    ] {
        let mut params = EVENT.to_vec();
        params.retain(|(known, _)| *known != name);
        params.push((name, value));
        let error = bind(EVENT_DAY, ATTENDANCE, &params).unwrap_err();
        assert!(error.0.contains(said), "{name}={value}: {error}");
    }
    assert!(bind(EVENT_DAY, ATTENDANCE, &EVENT[1..]).unwrap_err().0.contains("is missing"));
}

#[test]
fn each_mistake_is_named() {
    for (from, to, said) in [
        ("exam/1", "exams/1", "it is about"),
        ("mean-score", "Mean score", "a name of a-z"),
        ("loss = 5_000_000", "loss = 0", "1 or more"),
        ("loss = 5_000_000", "loss = 5_000_000\ncolour = 1", "unknown field"),
        ("sql = \"score\"", "sql = \"scores\"", "there is no column `scores`"),
        ("sql = \"score\"", "sql = \"sex\"", "no number"),
        ("sql = \"score\"", "sql = \"note = 'x'\"", "never"),
        ("sql = \"score\"", "sql = \"AVG(score)\"", "write the column itself"),
        ("[-4, 4]", "[4, -4]", "holds 0"),
        ("[-4, 4]", "[1, 4]", "holds 0"),
        ("[-4, 4]", "[\"1/3\", 4]", "whole multiples"),
        ("resolution = \"1/2\"", "resolution = 0", "positive"),
        ("resolution = \"1/2\"", "resolution = \"1/0\"", "positive"),
        ("[\"F\", \"M\"]", "[\"F\", \"X\"]", "closed list of `sex`; allowed: F, M"),
        ("[\"F\", \"M\"]", "[\"F\", \"F\"]", "each once"),
        ("column = \"sex\"", "column = \"score\"", "may not be split by `score`"),
        ("column = \"sex\"", "member = \"sex\"", "kind members"),
        ("kind = \"mean\"", "kind = \"median\"", "none of count"),
        ("of = \"s\"", "of = \"z\"", "no measure `z`"),
        ("name = \"s\"", "name = \"n\"", "stands twice"),
    ] {
        let error = admit(&MEAN.replacen(from, to, 1), EXAM).expect_err(to);
        assert!(error.0.contains(said), "{to}: {error}");
    }
}

#[test]
fn references_to_measures_do_not_nest() {
    let text = MEAN.replacen(
        "resolution = 4 },",
        "resolution = 4 }, { name = \"z\", sql = \"q * q\", clamp = [0, 1], resolution = 1 },",
        1,
    );
    assert!(admit(&text, EXAM).unwrap_err().0.contains("no column `q`"));
}

/// A person stands in one cell: a split by what differs between a person's rows would add all of
/// them to one of its cells.
#[test]
fn what_varies_between_a_persons_rows_does_not_split() {
    let by_day = ATTENDANCE_RATE.replace(
        "{ column = \"pupil_premium\", cells = [\"true\", \"false\"] }",
        "{ column = \"weekday\", cells = [\"Monday\", \"Friday\"] }",
    );
    let error = admit(&by_day, ATTENDANCE).unwrap_err().0;
    assert!(error.contains("`weekday` differs between the rows of one person"), "{error}");
    let one_day = ATTENDANCE_RATE.replace("\"compulsory_age\"", "\"compulsory_age AND weekday = 'Friday'\"");
    assert!(admit(&one_day, ATTENDANCE).is_ok());
}
