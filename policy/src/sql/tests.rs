use std::collections::BTreeMap;

use super::*;
use crate::vocabulary::Vocabulary;
use crate::vocabulary::tests::EXAM;

fn measure(expr: Expr) -> ScopeMeasure {
    ScopeMeasure { name: "m".to_owned(), expr, low: "0".to_owned(), high: "1".to_owned() }
}

fn check(text: &str, grouped: bool) -> Result<String, String> {
    let varies = EXAM.replace("low = -4,", "low = -4, varies = true,");
    let vocabulary = Vocabulary::from_toml(&varies).unwrap();
    let params = BTreeMap::from([
        ("day".to_owned(), Type::Date),
        ("days".to_owned(), Type::Dates),
        ("who".to_owned(), Type::Text),
    ]);
    let measures = [measure(Expr::Number("2".into()))];
    let scope = Scope { vocabulary: &vocabulary, params: &params, measures: &measures, grouped };
    let expr = parse(text)?;
    scope.check(&expr)?;
    let bound = BTreeMap::from([("who".to_owned(), Bound::Text("it's".into()))]);
    Ok(scope.render(&expr, &bound))
}

#[test]
fn what_is_allowed_is_rendered_from_the_tree() {
    for (text, sql) in [
        ("score", "CAST(\"score\" AS DOUBLE)"),
        ("score*score", "(CAST(\"score\" AS DOUBLE) * CAST(\"score\" AS DOUBLE))"),
        (
            "sex = 'F' and not score > -1.5",
            "((\"sex\" = 'F') AND (NOT (CAST(\"score\" AS DOUBLE) > (- CAST(1.5 AS DOUBLE)))))",
        ),
        ("sex IN ('F','M')", "(\"sex\" IN ('F', 'M'))"),
        ("sex = :who", "(\"sex\" = 'it''s')"),
        (
            "case when sex is null then 0 else 1 end",
            "(CASE WHEN (\"sex\" IS NULL) THEN CAST(0 AS DOUBLE) ELSE CAST(1 AS DOUBLE) END)",
        ),
        ("1 - 2 - 3", "((CAST(1 AS DOUBLE) - CAST(2 AS DOUBLE)) - CAST(3 AS DOUBLE))"),
    ] {
        assert_eq!(check(text, false).as_deref(), Ok(sql), "{text}");
    }
    let grouped = "MIN(score) FILTER (WHERE sex = 'F')";
    assert_eq!(
        check(grouped, true).unwrap(),
        "MIN(CAST(\"score\" AS DOUBLE)) FILTER (WHERE (\"sex\" = 'F'))"
    );
    // A bare column and the same aggregate written out are one expression, or an engine that names
    // columns without casts takes two for one name.
    let own = |text: &str| {
        let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
        let scope = Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &[], grouped: true };
        scope.render(&parse(text).unwrap(), &BTreeMap::new())
    };
    assert_eq!(own("score"), own("MAX(score)"));
    assert!(check("m * m", true).unwrap().contains("CASE WHEN CAST(2 AS DOUBLE) < 0"));
}

#[test]
fn everything_else_is_refused_with_a_remedy() {
    for (text, grouped, said) in [
        ("SELECT 1", false, "does not fit"),
        ("score; drop", false, "not allowed"),
        ("random()", false, "`random`"),
        ("nobody", false, "there is no column `nobody`"),
        ("note = 'x'", false, "never"),
        ("school = 'x'", false, "never"),
        ("AVG(score)", false, "write the column itself"),
        ("score", true, "write MAX(score)"),
        ("AVG(AVG(score))", true, "inside another"),
        ("AVG(sex)", true, "numbers"),
        ("score + sex", false, "stands where"),
        ("score = 'F'", false, "stands where"),
        ("score AND TRUE", false, "stands where"),
        (":nobody", false, "not declared"),
        (":day = :days", false, "write IN (:days)"),
        ("COUNT(:days) = 1", true, "write IN (:days)"),
        ("sex IN (:days)", false, "beside something else"),
        ("'open", false, "no end"),
        ("1..2", false, "no number"),
        ("(1", false, "expected `)`"),
        ("", false, "too early"),
        ("CASE END", false, "WHEN"),
        ("1 2", false, "does not fit"),
        ("ABS(1, 2)", false, "does not take"),
    ] {
        let error = check(text, grouped).expect_err(text);
        assert!(error.contains(said), "{text}: {error}");
    }
    assert!(check(&"(".repeat(5000), false).is_err());
    assert!(check(&"(".repeat(100), false).unwrap_err().contains("deep"));
    assert!(check(&"- ".repeat(1500), false).is_err());
}

/// Where other people's rows lie decides in which order a person's own are added.
#[test]
fn what_is_added_up_is_added_up_exactly() {
    let grid = |inner: &str| {
        let most = "CAST(1048576 AS DOUBLE)";
        format!(
            "CASE WHEN {inner} > {most} THEN {most} WHEN {inner} < - {most} THEN - {most} ELSE ROUND({inner} * {most}) / {most} END"
        )
    };
    let score = "CAST(\"score\" AS DOUBLE)";
    assert_eq!(check("SUM(score)", true).unwrap(), format!("SUM({})", grid(score)));
    assert_eq!(check("AVG(score)", true).unwrap(), format!("AVG({})", grid(score)));
    // Small whole numbers add up exactly as they are; one value of several needs no sum.
    assert_eq!(
        check("SUM(CASE WHEN sex = 'F' THEN 1 ELSE 0 END)", true).unwrap(),
        "SUM((CASE WHEN (\"sex\" = 'F') THEN CAST(1 AS DOUBLE) ELSE CAST(0 AS DOUBLE) END))"
    );
    assert_eq!(check("MAX(score)", true).unwrap(), format!("MAX({score})"));
    assert!(check("MAX(score / score)", true).unwrap().contains("ELSE"));
}

/// Each ABS writes its value three times: thirty of them would be more than any memory holds.
#[test]
fn what_grows_too_long_is_refused_before_it_is_rendered() {
    let nested = |n: usize| format!("{}score{}", "ABS(".repeat(n), ")".repeat(n));
    let rendered = check(&nested(4), false).unwrap();
    let expr = parse(&nested(4)).unwrap();
    let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
    let scope = Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &[], grouped: false };
    assert!(rendered.len() <= scope.rendered_bytes(&expr), "the bound holds");
    assert!(check(&nested(30), false).unwrap_err().contains("too long"));
    // Measures of measures grow as fast.
    let long = parse(&format!("0{}", " + 1".repeat(140))).unwrap();
    let measures = [measure(long)];
    let scope =
        Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &measures, grouped: true };
    let expr = parse(&format!("m{}", " * m".repeat(140))).unwrap();
    assert!(scope.check(&expr).unwrap_err().contains("too long"));
}

/// Whatever nests is looked at once a level: twice would be two to the power of the depth.
#[test]
fn what_nests_is_checked_in_no_time() {
    for (open, close) in [
        ("COALESCE(", ", 1)"),
        ("NULLIF(", ", 1)"),
        ("CASE WHEN TRUE THEN ", " END"),
        ("(1 - ", ")"),
        ("LEAST(1, ", ")"),
    ] {
        let text = format!("{}score{}", open.repeat(30), close.repeat(30));
        let too_deep = matches!(open, "CASE WHEN TRUE THEN " | "(1 - ");
        assert_eq!(check(&text, false).is_err(), too_deep, "{text}");
    }
}

#[test]
fn no_name_or_text_escapes_its_quotes() {
    assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    assert_eq!(quoted("a'; DROP"), "'a''; DROP'");
}

/// What an engine's parser refuses would be answered only by members without rows, who need no engine.
#[test]
fn what_an_engine_cannot_read_is_refused_before_it_is_asked() {
    let chain = |n: usize| format!("score{}", " + 0".repeat(n));
    assert!(check(&chain(35), false).is_ok());
    let cases = format!("{}score{}", "CASE WHEN TRUE THEN ".repeat(28), " END".repeat(28));
    let or = format!("CASE WHEN score = 0{} THEN 1 END", " OR score = 1".repeat(60));
    for text in [chain(60), cases, or] {
        assert!(check(&text, false).unwrap_err().contains("too deep"), "{text}");
    }
    // Measures of measures go as deep as both.
    let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
    let measures = [measure(parse(&chain(30)).unwrap())];
    let scope =
        Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &measures, grouped: false };
    let sum = |n: usize| parse(&format!("m{}", " + 0".repeat(n))).unwrap();
    assert!(scope.check(&sum(2)).is_ok());
    assert!(scope.check(&sum(20)).unwrap_err().contains("too deep"));
}
