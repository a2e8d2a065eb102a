//! What an asker may write: damaged, swapped and absurd texts are refused or compile to SQL that holds
//! nothing of theirs outside quotes; never a panic, never a long wait.

use std::collections::BTreeMap;

use super::tests::{ATTENDANCE, FORMS, FORMS_PARAMS};
use super::*;
use crate::time::Period;

/// Words that our own rendering writes.
const OURS: &[&str] = &[
    "SELECT", "FROM", "rows", "WHERE", "GROUP", "ORDER", "BY", "AS", "AND", "OR", "NOT", "IN", "BETWEEN",
    "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "DOUBLE", "DATE", "INT", "true", "false",
    "FILTER", "COUNT", "SUM", "MIN", "MAX", "AVG", "BOOL_OR", "ROUND", "COALESCE", "NULLIF", "LEAST",
    "GREATEST",
];

/// SQL without its quoted texts and names. Panics where a quote has no end.
fn outside_quotes(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"']) {
        out.push_str(&rest[..at]);
        out.push(' ');
        let quote = &rest[at..=at];
        let end = rest[at + 1..].find(quote).unwrap_or_else(|| panic!("a quote has no end: {sql}"));
        // A doubled quote inside is the end of one and the start of the next.
        rest = &rest[at + end + 2..];
    }
    out + rest
}

fn check_sql(sql: &str) {
    let bare = outside_quotes(sql);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    for word in bare.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        let numbered = word.strip_prefix(['g', 'm']).unwrap_or(word);
        let number = numbered.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        assert!(number || OURS.contains(&word), "`{word}` in {sql}");
    }
    let other = |c: char| !is_word(c) && !" ()*<>=+-/,".contains(c);
    assert!(!bare.contains(other) && !bare.contains("--") && !bare.contains("/*"), "{sql}");
}

/// Reads, admits, binds and compiles; what comes through keeps every bound.
fn run(text: &str, params: &[(&str, &str)]) -> bool {
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let Ok(draft) = QuestionDraft::from_toml(text) else { return false };
    let Ok(question) = Question::admit(draft, &vocabulary) else { return false };
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let Ok(bound) = question.bind(&params, Period::parse("2025-11-03..2025-12-19").unwrap()) else {
        return false;
    };
    assert!(bound.cells() <= CELLS_MAX && bound.cells() == bound.groups().len() * bound.measures().len());
    assert!(bound.sensitivity2() > 0 && bound.cells_per_unit() >= 1);
    check_sql(&bound.unit_sql().text);
    true
}

#[test]
fn a_text_that_is_damaged_anywhere_is_refused_or_stays_within_bounds() {
    assert!(run(FORMS, &FORMS_PARAMS));
    let (mut refused, mut passed) = (0, 0);
    for (at, c) in FORMS.char_indices() {
        let (before, after) = (&FORMS[..at], &FORMS[at + c.len_utf8()..]);
        for put in ["", "'", "9", "(", "-"] {
            match run(&format!("{before}{put}{after}"), &FORMS_PARAMS) {
                true => passed += 1,
                false => refused += 1,
            }
        }
    }
    assert!(refused > passed && passed > 0, "{refused} {passed}");
}

#[test]
fn texts_of_an_asker_stay_in_their_quotes() {
    for evil in ["' OR 1=1 --", "'; DROP TABLE rows; --", "\\\"", "a''b", "\u{2028}", "${x}", "/* */", "%27"]
    {
        for (from, to) in [
            ("cells = [\"yes\", \"no\"] },\n    ]", format!("cells = [\"yes\", \"{evil}\"] }},\n    ]")),
            ("THEN 'yes' ELSE 'no'", format!("THEN '{evil}' ELSE 'no'")),
            ("nc_year = '7'", format!("nc_year = '{evil}'")),
            ("title = \"Every form a question may use\"", format!("title = \"{evil}\"")),
        ] {
            assert!(FORMS.contains(from), "{from}");
            run(&FORMS.replacen(from, &to, 1), &FORMS_PARAMS);
        }
        let text = FORMS.replacen("subject = \"gcse_subjects\"", "subject = \"text\"", 1);
        let text = text.replacen("minutes_late < :most", "minutes_late < :most AND session = :subject", 1);
        assert!(run(&text, &[("most", "1"), ("subject", evil)]), "{evil}");
        assert!(!run(FORMS, &[("most", evil), ("subject", "Music")]));
        assert!(!run(FORMS, &[("most", "1"), ("subject", evil)]));
    }
}

/// Parts that each are allowed, as many and as deep as they may be.
#[test]
fn the_largest_question_that_is_allowed_is_not_large() {
    let started = 30;
    let nested = format!("{}SUM(attended){}", "COALESCE(".repeat(started), ", 1)".repeat(started));
    let measure = |n: usize| {
        // The last counts people.
        let clamp = if n + 1 == MEASURES_MAX { "[0, 1]" } else { "[-1000, 1000]" };
        format!("{{ name = \"x{n}\", sql = \"{nested}\", clamp = {clamp}, resolution = \"1/1000\" }},")
    };
    let measures: String = (0..MEASURES_MAX).map(measure).collect();
    let years: Vec<String> = (0..200).map(|n| format!("\"{n}\"")).collect();
    let text = format!(
        r#"id = "large"
        version = 1
        title = "?"
        vocabulary = "attendance/1"
        figure = {{ kind = "mean", of = ["x0", "x1", "x2", "x3", "x4", "x5", "x6"], count = "x7", together = "all" }}
        loss = 1
        matters = "1"
        measure = [{measures}]
        by = [{{ name = "band", sql = "'1'", cells = [{}] }}]"#,
        years.join(",")
    );
    assert!(run(&text, &[]));
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let question = Question::admit(QuestionDraft::from_toml(&text).unwrap(), &vocabulary).unwrap();
    let bound = question.bind(&BTreeMap::new(), Period::parse("2025-11-03..2025-12-19").unwrap()).unwrap();
    assert_eq!((bound.cells(), bound.sensitivity2()), (1_600, 7_000_001_000_000));
    assert!(bound.unit_sql().text.len() < 64 * 1024);
    let figures = crate::derive::derive(
        &bound,
        &crate::query::NoiseScale { noise_std: std::num::NonZeroU32::new(512).unwrap(), doublings: 0 },
        5,
        &vec![1 << 40; bound.cells()],
    );
    assert_eq!(figures.cells.len(), 200);
}
