//! Every bound of a question's text: what lies on it is admitted, what lies one beyond is refused.

use std::collections::BTreeMap;

use super::*;
use crate::time::Period;
use crate::vocabulary::tests::EXAM;

const MEAN: &str = r#"
    id = "mean-score"
    version = 1
    title = "What do they score?"
    vocabulary = "exam/1"
    figure = { kind = "mean", of = "s", count = "n", square = "q" }
    loss = 5_000_000
    matters = "0.1"
    cannot_tell = ["why"]
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" },
      { name = "s", sql = "score", clamp = [-4, 4], resolution = "1/2" },
      { name = "q", sql = "s * s", clamp = [0, 16], resolution = 4 },
    ]
    by = [{ column = "sex", cells = ["F", "M"] }]"#;

fn admit(text: &str) -> Result<Question, QuestionError> {
    let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
    Question::admit(QuestionDraft::from_toml(text)?, &vocabulary)
}

/// The question with one part of its text written otherwise.
fn with(from: &str, to: &str) -> Result<Question, QuestionError> {
    assert!(MEAN.contains(from), "{from}");
    admit(&MEAN.replacen(from, to, 1))
}

fn is_refused(from: &str, to: &str, why: &str) {
    let error = with(from, to).expect_err(to).0;
    assert!(error.contains(why), "{to}: {error}");
}

fn sql(question: Question) -> String {
    let period = Period::parse("2025-11-03..2025-12-19").unwrap();
    question.bind(&BTreeMap::new(), period).unwrap().unit_sql().text
}

#[test]
fn names_versions_and_losses_have_bounds() {
    let id = |length: usize| format!("id = \"{}\"", "a".repeat(length));
    assert!(with("id = \"mean-score\"", &id(64)).is_ok());
    is_refused("id = \"mean-score\"", &id(65), "`id` is a name");
    is_refused("id = \"mean-score\"", &id(0), "`id` is a name");
    is_refused("id = \"mean-score\"", "id = \"Mean\"", "`id` is a name");
    assert!(with("version = 1", "version = 2").is_ok());
    is_refused("version = 1", "version = 0", "1 or more");
    assert!(with("loss = 5_000_000", "loss = 1").is_ok());
    is_refused("loss = 5_000_000", "loss = 0", "1 or more");
}

#[test]
fn texts_are_short_and_of_one_line() {
    let title = |length: usize| format!("title = \"{}\"", "a".repeat(length));
    let from = "title = \"What do they score?\"";
    assert!(with(from, &title(TEXT_BYTES_MAX)).is_ok());
    is_refused(from, &title(TEXT_BYTES_MAX + 1), "no line breaks");
    is_refused(from, "title = \"What?\\nWhy?\"", "no line breaks");
    let lines = |count: usize| format!("cannot_tell = [{}]", vec!["\"why\""; count].join(", "));
    let from = "cannot_tell = [\"why\"]";
    assert!(with(from, &lines(16)).is_ok());
    is_refused(from, &lines(17), "at most 16 lines");
}

#[test]
fn measures_are_so_many_and_have_names_of_their_own() {
    let measures = |count: usize| {
        let more = (0..count - 3)
            .map(|n| format!("{{ name = \"m{n}\", sql = \"1\", clamp = [0, 1], resolution = 1 }},"));
        let more: String = more.collect();
        with("resolution = 4 },", &format!("resolution = 4 }}, {more}"))
    };
    let counted = |count: usize| measures(count).map_or_else(|error| error.0, |_| String::new());
    assert!(!counted(MEASURES_MAX).contains("measures; write"), "{}", counted(MEASURES_MAX));
    assert!(counted(MEASURES_MAX + 1).contains("measures; write 1 to"));
    let none = &MEAN[MEAN.find("measure = [").unwrap()..MEAN.find("    by =").unwrap()];
    is_refused(none, "measure = []\n", "0 measures");
    is_refused("name = \"n\"", "name = \"score\"", "a name of its own");
    is_refused("name = \"n\"", "name = \"N\"", "a name of its own");
}

/// Who is not counted adds nothing: 0 lies within the bounds, and something else does.
#[test]
fn a_clamp_holds_nothing_and_more() {
    let clamp = |low: &str, high: &str| format!("clamp = [{low}, {high}], resolution = \"1/2\"");
    let from = "clamp = [-4, 4], resolution = \"1/2\"";
    for (low, high) in [("-4", "0"), ("0", "4"), ("-1", "1")] {
        assert!(with(from, &clamp(low, high)).is_ok(), "{low}..{high}");
    }
    for (low, high) in [("1", "4"), ("-4", "-1"), ("0", "0"), ("4", "-4")] {
        is_refused(from, &clamp(low, high), "clamp holds 0");
    }
}

/// A measure that names an earlier one reads it as it was cut.
#[test]
fn a_measure_that_is_named_stands_within_its_bounds() {
    let text = sql(admit(MEAN).unwrap());
    assert!(text.contains("(-8.0 / 2.0)") && text.contains("(8.0 / 2.0)"), "{text}");
}

#[test]
fn a_centre_is_taken_off_with_its_sign() {
    let centred =
        |centre: &str| sql(with("sql = \"score\"", &format!("sql = \"score\", centre = {centre}")).unwrap());
    assert_ne!(centred("3"), centred("-3"));
    assert_eq!(centred("0"), centred("3").replace("CAST(3 AS", "CAST(0 AS"));
    let from = "sql = \"score\"";
    let each = "sql = \"score\", centre = [1, 2]";
    assert!(with(from, each).is_ok());
    let optional = MEAN.replacen(from, each, 1).replacen(
        "cells = [\"F\", \"M\"]",
        "cells = [\"F\", \"M\"], optional = true",
        1,
    );
    assert!(admit(&optional).unwrap_err().0.contains("not optional"));
}

#[test]
fn at_most_names_measures_that_add_up() {
    let bounded = |names: &str, total: &str| {
        with("loss =", &format!("at_most = {{ measures = [{names}], total = {total} }}\n    loss ="))
            .map_or_else(|error| error.0, |_| String::new())
    };
    assert_eq!(bounded("\"n\"", "1"), "");
    for names in ["", "\"x\"", "\"n\", \"x\""] {
        assert!(bounded(names, "1").contains("names measures of this question"), "{names}");
    }
    assert!(bounded("\"n\", \"q\"", "4").contains("share one resolution"), "quarters and fours");
    assert!(bounded("\"s\"", "1").contains("never negative"));
    assert!(bounded("\"n\"", "0").contains("whole number of steps"));
}

/// Each cell of a yes-or-no column has the centre that stands at its place.
#[test]
fn centres_of_a_truth_value_follow_its_cells() {
    let late = "{ name = \"late\", type = \"bool\", group = true },\n{ name = \"note\"";
    let vocabulary = EXAM.replacen("{ name = \"note\"", late, 1);
    let vocabulary = Vocabulary::from_toml(&vocabulary).unwrap();
    let text = MEAN.replacen("sql = \"score\"", "sql = \"score\", centre = [1, 2]", 1).replacen(
        "column = \"sex\", cells = [\"F\", \"M\"]",
        "column = \"late\", cells = [\"true\", \"false\"]",
        1,
    );
    let question = Question::admit(QuestionDraft::from_toml(&text).unwrap(), &vocabulary).unwrap();
    let text = sql(question);
    for (value, centre) in [(true, 1), (false, 2)] {
        let arm = format!("WHEN (\"late\" = {value}) THEN (CAST({centre} AS DOUBLE)");
        assert!(text.contains(&arm), "{text}");
    }
}
