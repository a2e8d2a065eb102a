use datacoop_policy::question::QuestionDraft;

use super::*;

/// Every form that a Question's text may have, as people write it.
const FORMS: &str = r#"
    id = "forms"
    version = 1
    title = "Every form"
    vocabulary = "marks/1"
    period = "term"
    everyone = true
    param = { subject = "gcse_subjects", least = "number" }
    figure = { kind = "quantile", of = "n", across = "bin", edges = [0, "0.5", "7/2"], at = ["1/2"] }
    loss = 1
    matters = "1"
    cells_per_unit = 2
    at_most = { measures = ["n"], total = 1 }
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
      { name = "s", sql = "x", centre = [1, "1/2"], clamp = [-1, 1], resolution = "1/8" },
      { name = "t", sql = "x", centre = "35.46", clamp = [-1, 1], resolution = "1/8" },
    ]
    by = [
      { column = "band", cells = "ks2_bands", optional = true },
      { name = "bin", sql = "'a'", cells = ["a", "b"] },
    ]
    for = [{ column = "band", values = "ks2_bands" }]"#;

/// A Question has one form in the log: what reads back as itself.
#[test]
fn every_form_of_a_question_stands_in_the_log_and_reads_back() {
    let draft = QuestionDraft::from_toml(FORMS).unwrap();
    let value = question_value(&draft).unwrap();
    assert_eq!(parse_question(&value).unwrap(), draft);
    let text = String::from_utf8(value.to_bytes()).unwrap();
    assert!(text.contains("\"optional\":1") && text.contains("\"for\":["), "{text}");
    for (from, to) in [
        ("\"optional\":1", "\"optional\":0"),
        ("\"everyone\":1", "\"everyone\":0"),
        ("\"everyone\":1", "\"everyone\":2"),
        ("\"optional\":1", "\"optional\":2"),
        ("\"optional\":1", "\"optional\":\"yes\""),
        ("\"cells_per_unit\":2", "\"cells_per_unit\":\"2\""),
        ("\"centre\":\"35.46\"", "\"centre\":[[1]]"),
    ] {
        let other = crate::json::parse(text.replacen(from, to, 1).as_bytes()).unwrap();
        assert!(parse_question(&other).is_err(), "{to}");
    }
}
