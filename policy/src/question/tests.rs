use std::collections::BTreeMap;

use super::*;
use crate::id::MemberId;
use crate::time::Period;
use crate::vocabulary::tests::EXAM;

pub(super) const ATTENDANCE: &str = include_str!("../../../node/src/vocab/attendance.toml");
const BEHAVIOUR: &str = include_str!("../../../node/src/vocab/behaviour.toml");
const EVENT_DAY: &str = include_str!("../../../node/src/questions/catalogue/event-day.toml");
const ATTENDANCE_RATE: &str = include_str!("../../../node/src/questions/catalogue/attendance-rate.toml");

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
    ("baseline_days", "2025-11-14,2025-11-21"),
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

/// Delta counts the end that is further from zero, whichever it is.
#[test]
fn a_measure_reaches_as_far_as_its_further_end() {
    let delta2 = |from: &str, to: &str| {
        let text = MEAN.replacen("clamp = [-4, 4]", &format!("clamp = [{from}, {to}]"), 1);
        bind(&text, EXAM, &[]).unwrap().sensitivity2()
    };
    let both = delta2("-4", "4");
    assert!(delta2("-4", "1") == both && delta2("-1", "4") == both, "the nearer end changes nothing");
    assert!(delta2("-3", "1") < both && delta2("-1", "3") < both, "the further end does");
}

/// A text or number of an asker is as long as it may be, or refused.
#[test]
fn free_texts_and_numbers_have_a_length() {
    let given = |kind: &str, sql: &str, value: &str| {
        let param = format!("param = {{ own = \"{kind}\" }}\n    loss =");
        let text = MEAN.replacen("loss =", &param, 1).replacen("sql = \"1\"", &format!("sql = \"{sql}\""), 1);
        bind(&text, EXAM, &[("own", value)]).map(|_| ())
    };
    let (number, text) =
        ("CASE WHEN score > :own THEN 1 ELSE 0 END", "CASE WHEN sex = :own THEN 1 ELSE 0 END");
    assert_eq!(given("number", number, &"1".repeat(15)), Ok(()));
    assert!(given("number", number, &"1".repeat(16)).is_err());
    assert_eq!(given("text", text, &"F".repeat(TEXT_BYTES_MAX)), Ok(()));
    assert!(given("text", text, &"F".repeat(TEXT_BYTES_MAX + 1)).is_err());
    assert!(given("text", text, &"F".repeat(TEXT_BYTES_MAX + 2)).is_err());
}

/// What measures may add up to matters only where it is less than their own clips allow.
#[test]
fn a_joint_bound_never_raises_the_sensitivity() {
    let joint = |total: &str| {
        let text = ATTENDANCE_RATE.replace("total = 80", &format!("total = {total}"));
        bind(&text, ATTENDANCE, &[]).map(|question| question.sensitivity2())
    };
    assert_eq!(joint("40"), Ok(1_600));
    assert_eq!(joint("112"), Ok(12_544));
    assert_eq!(joint("200"), Ok(2 * 6_400));
    assert!(joint("0").is_err() && joint("\"1/2\"").is_err() && joint("1000000000").is_err());
}

#[test]
fn what_is_cut_off_a_person_is_told() {
    assert_eq!(
        bind(ATTENDANCE_RATE, ATTENDANCE, &[]).unwrap().clips(),
        [
            "in_school counts from 0 to 80 for one pupil",
            "away counts from 0 to 80 for one pupil",
            "away and in_school count at most 80 together",
        ]
    );
    assert_eq!(
        bind(FORMS, ATTENDANCE, &FORMS_PARAMS).unwrap().clips(),
        [
            "s counts from -30 to 30 about 30 for one person",
            "e counts from -30 to 30 about its cell's own centre for one person",
        ]
    );
    let odd = FORMS.replace("cells_per_unit = 2\n", "").replacen(
        "centre = 30, clamp = [-30, 30], resolution = 1",
        "centre = \"-0.5\", clamp = [-3, \"7/2\"], resolution = \"1/8\"",
        1,
    );
    let clips = bind(&odd, ATTENDANCE, &FORMS_PARAMS).unwrap().clips();
    assert_eq!(clips[0], "s counts from -3 to 3.5 about -0.5 for one person");
    assert_eq!(clips[2], "one person counts in one cell, the first");
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
        ("event_day", " 2025-12-12", "`event_day` is written `2025-12-12`"),
        ("baseline_days", "2025-11-21,2025-11-14", "is written `2025-11-14,2025-11-21`: sorted"),
        ("baseline_days", "2025-11-14, 2025-11-21", "is written `2025-11-14,2025-11-21`: sorted"),
        ("baseline_days", "2025-11-14,2025-11-14", "each once"),
        ("took_part", "B-2,A-1,B-2", "`took_part` is written `A-1,B-2`: sorted, without spaces, each once"),
        ("took_part", "A-1,", "`took_part` is written `A-1`"),
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

/// By a column that varies a person counts in as many cells as the Question says, each of which adds
/// to what one person can change.
#[test]
fn a_split_by_what_varies_multiplies_the_sensitivity() {
    let by_day = ATTENDANCE_RATE.replace(
        "{ column = \"pupil_premium\", cells = [\"true\", \"false\"] }",
        "{ column = \"weekday\", cells = [\"Monday\", \"Wednesday\", \"Friday\"] }",
    );
    let asked = |cells: &str| bind(&format!("cells_per_unit = {cells}\n{by_day}"), ATTENDANCE, &[]);
    let one = bind(&by_day, ATTENDANCE, &[]).unwrap();
    assert_eq!((one.sensitivity2(), one.cells_per_unit(), one.cuts_cells()), (6_400, 1, true));
    let three = asked("3").unwrap();
    assert_eq!((three.sensitivity2(), three.cells_per_unit(), three.cuts_cells()), (3 * 6_400, 3, false));
    for cells in ["0", "4", "-1", "9999999999"] {
        let error = asked(cells).unwrap_err().0;
        assert!(error.contains("can be in 1 to 3 cells"), "{cells}: {error}");
    }
    let sql = three.unit_sql();
    assert!(sql.text.ends_with("GROUP BY \"pupil_id\", \"weekday\"") && !sql.has_unit, "{}", sql.text);
    let sql = one.unit_sql();
    assert!(
        sql.text.starts_with("SELECT \"pupil_id\", MAX(\"nc_year\") AS g0, \"weekday\" AS g1"),
        "{}",
        sql.text
    );
    assert!(sql.text.ends_with("ORDER BY \"pupil_id\"") && sql.has_unit, "{}", sql.text);
    assert!(sql.text.contains("(\"weekday\" IN ('Monday', 'Wednesday', 'Friday'))"), "{}", sql.text);
}

pub(super) const FORMS: &str = r#"
    id = "forms"
    version = 1
    title = "Every form a question may use"
    vocabulary = "attendance/1"
    period = "half_term"
    where = "compulsory_age AND minutes_late < :most AND session <> :subject"
    param = { most = "number", subject = "gcse_subjects", took_part = "members" }
    figure = { kind = "share", of = "n" }
    loss = 1
    matters = "1 pp"
    cells_per_unit = 2
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
      { name = "s", sql = "SUM(attended)", centre = 30, clamp = [-30, 30], resolution = 1 },
      { name = "e", sql = "SUM(attended)", centre = [30, "30.5"], clamp = [-30, 30], resolution = 1 },
    ]
    by = [
      { column = "nc_year", cells = ["7", "8"] },
      { member = "took_part", cells = ["yes", "no"], optional = true },
      { column = "pupil_premium", cells = ["true", "false"], optional = true },
      { column = "weekday", cells = ["Monday", "Friday"] },
      { name = "often", sql = "CASE WHEN SUM(absent) * 10 >= SUM(possible) AND nc_year = '7' THEN 'yes' ELSE 'no' END", cells = ["yes", "no"] },
    ]
    for = [{ column = "nc_year", values = "nc_years" }, { column = "pupil_premium", values = ["true"] }]"#;

pub(super) const FORMS_PARAMS: [(&str, &str); 2] = [("most", "10.5"), ("subject", "Mathematics")];

#[test]
fn every_form_is_read_bound_and_rendered() {
    let plain = bind(FORMS, ATTENDANCE, &FORMS_PARAMS).unwrap();
    assert_eq!(plain.cells(), 2 * 2 * 2 * 3);
    let delta2 = 2 * (1 + 30 * 30 + 30 * 30);
    assert_eq!(plain.sensitivity2(), delta2);
    let sql = plain.unit_sql().text;
    for part in [
        "MAX(\"nc_year\") AS g0",
        "\"weekday\" AS g1",
        "(CASE WHEN (((SUM(CAST(\"absent\" AS DOUBLE)) * CAST(10 AS DOUBLE)) >= SUM(CAST(\"possible\" AS DOUBLE))) AND (MAX(\"nc_year\") = '7')) THEN 'yes' ELSE 'no' END) AS g2",
        "CAST((SUM(CAST(\"attended\" AS DOUBLE)) - (CAST(30 AS DOUBLE) / CAST(1 AS DOUBLE))) AS DOUBLE) AS m1",
        "(CASE WHEN (MAX(\"nc_year\") = '7') THEN (CAST(30 AS DOUBLE) / CAST(1 AS DOUBLE)) WHEN (MAX(\"nc_year\") = '8') THEN (CAST(305 AS DOUBLE) / CAST(10 AS DOUBLE)) END)",
        "< CAST(10.5 AS DOUBLE)",
    ] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
    let narrow = BTreeMap::from([("nc_year".to_owned(), vec!["8".to_owned(), "7".to_owned()])]);
    let choices = plain.question().choices(&["took_part".into(), "pupil_premium".into()], &narrow).unwrap();
    let mut params: Vec<(&str, &str)> = choices.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(params, [("by.pupil_premium", "yes"), ("by.took_part", "yes"), ("for.nc_year", "7,8")]);
    params.extend(FORMS_PARAMS);
    params.push(("took_part", "A-1"));
    let chosen = bind(FORMS, ATTENDANCE, &params).unwrap();
    assert_eq!(chosen.cells(), 4 * plain.cells());
    assert_eq!(chosen.sensitivity2(), delta2, "a split by what a person has one of costs nothing");
    assert!(chosen.filter_sql().unwrap().contains("(\"nc_year\" IN ('7', '8'))"));
    let names: Vec<String> = chosen.group_by().into_iter().collect();
    assert_eq!(names, ["absent", "nc_year", "possible", "pupil_premium", "took_part", "weekday"]);
    let mut params = FORMS_PARAMS.to_vec();
    params.push(("for.pupil_premium", "true"));
    let premium = bind(FORMS, ATTENDANCE, &params).unwrap();
    assert!(premium.filter_sql().unwrap().contains("(\"pupil_premium\" IN (true))"));
}

#[test]
fn what_a_person_types_is_tidied() {
    let draft = QuestionDraft::from_toml(EVENT_DAY).unwrap();
    let typed = [
        ("event_day", " 2025-12-12"),
        ("baseline_days", "2025-11-21, 2025-11-14,2025-11-21"),
        ("took_part", "GB-EDU-000002 , GB-EDU-000001,"),
        ("colour", " b, a"),
    ];
    let typed = typed.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut tidy = tidy_params(&draft, &BTreeMap::from(typed));
    assert_eq!(tidy.remove("colour").as_deref(), Some(" b, a"), "what is no list stays");
    assert_eq!(tidy, EVENT.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

/// Or `tag` = a and `tag` = b would be two Queries with one answer.
#[test]
fn a_parameter_that_changes_nothing_is_refused() {
    let unused = |text: &str| admit(text, ATTENDANCE).unwrap_err().0;
    for kind in ["text", "number", "date", "dates", "gcse_subjects", "members"] {
        let error = unused(&FORMS.replacen("param = {", &format!("param = {{ tag = \"{kind}\","), 1));
        assert!(error.contains("parameter `tag` is used by no `where`"), "{kind}: {error}");
    }
    // Of any text or number there are as many spellings as one likes: no Roster is told apart by one.
    let text = FORMS.replacen("subject = \"gcse_subjects\"", "subject = \"text\"", 1);
    let free = bind(&text, ATTENDANCE, &FORMS_PARAMS).unwrap();
    assert!(free.is_free_param("most") && free.is_free_param("subject") && !free.is_free_param("took_part"));
    assert!(!bind(FORMS, ATTENDANCE, &FORMS_PARAMS).unwrap().is_free_param("subject"));
    let text = FORMS.replacen(" AND session <> :subject", "", 1);
    let used = text.replacen("nc_year = '7' THEN", "nc_year <> :subject THEN", 1);
    assert!(admit(&used, ATTENDANCE).is_ok());
    let optional = used.replacen(
        "cells = [\"yes\", \"no\"] },\n    ]",
        "cells = [\"yes\", \"no\"], optional = true },\n    ]",
        1,
    );
    assert!(unused(&optional).contains("parameter `subject` is used by no `where`"));
}

#[test]
fn a_choice_has_one_spelling_and_stands_in_the_question() {
    for (extra, said) in [
        (("by.weekday", "yes"), "no optional grouping `weekday`; there are took_part, pupil_premium"),
        (("by.pupil_premium", "true"), "`by.pupil_premium` is written `yes`"),
        (("by.pupil_premium", ""), "is written `yes`"),
        (("by.", "yes"), "no optional grouping ``"),
        (("for.nc_year", "8,7"), "`for.nc_year` is written `7,8`"),
        (("for.nc_year", "7,7"), "is written `7`"),
        (("for.nc_year", "7,"), "`` is no value"),
        (("for.nc_year", ""), "`` is no value"),
        (("for.nc_year", "17"), "`17` is no value that `nc_year` may be narrowed to; allowed: N1, N2, R"),
        (("for.pupil_premium", "false"), "allowed: true"),
        (("for.weekday", "Monday"), "may not be narrowed by `weekday`; by nc_year, pupil_premium"),
        (("took_part", "A-1"), "ask for it with --by took_part"),
        (("by.took_part", "yes"), "`took_part` (members) is missing"),
        (("other", "1"), "no parameter `other`"),
    ] {
        let mut params = FORMS_PARAMS.to_vec();
        params.push(extra);
        let error = bind(FORMS, ATTENDANCE, &params).expect_err(said);
        assert!(error.0.contains(said), "{extra:?}: {error}");
    }
    for (name, value, said) in [
        ("subject", "Maths", "`Maths` is not in the list gcse_subjects; it has Ancient History"),
        ("most", "1e3", "no plain number"),
        ("most", "1.", "no plain number"),
        ("most", "01", "no plain number"),
        ("most", "1.50", "no plain number"),
        ("most", "-0", "no plain number"),
        ("most", "1) OR (1", "no plain number"),
        ("most", "1234567890.12345", "no plain number"),
    ] {
        let params = FORMS_PARAMS.map(|(known, old)| (known, if known == name { value } else { old }));
        let error = bind(FORMS, ATTENDANCE, &params).expect_err(value);
        assert!(error.0.contains(said), "{name}={value}: {error}");
    }
    assert!(bind(FORMS, ATTENDANCE, &[("most", "-3"), ("subject", "Physics")]).is_ok());
}

#[test]
fn each_mistake_in_a_form_is_named() {
    for (from, to, said) in [
        ("cells_per_unit = 2", "cells_per_unit = 3", "can be in 1 to 2 cells"),
        ("\"number\"", "\"integer\"", "none of date, dates, text, number, members, gcse_grades"),
        ("param = { most", "param = { \"by.x\" = \"text\", most", "parameter `by.x`: a name is a-z"),
        ("values = \"nc_years\"", "values = \"years\"", "no list `years`; there are gcse_grades"),
        (
            "{ column = \"nc_year\", values",
            "{ column = \"minutes_late\", values",
            "not be split by `minutes_late`",
        ),
        ("values = [\"true\"]", "values = [\"yes\"]", "for: `yes` is not in the closed list"),
        ("values = [\"true\"]", "values = []", "list the values of `pupil_premium`"),
        ("name = \"often\", sql", "sql", "write either column, or member, or name and sql"),
        ("name = \"often\"", "name = \"late\"", "that no column or measure has"),
        ("name = \"often\"", "name = \"n\"", "that no column or measure has"),
        ("THEN 'yes' ELSE 'no'", "THEN 1 ELSE 0", "it gives no text"),
        ("AND nc_year = '7' THEN", "AND weekday = 'Monday' THEN", "`weekday` differs between the rows"),
        (
            "SUM(absent) * 10",
            "SUM(birthday_offset) * 10",
            "by `often`: results may not be split by `birthday_offset`",
        ),
        (
            "ELSE 'no' END\", cells = [\"yes\", \"no\"]",
            "ELSE 'no' END\", cells = [\"yes\", \"yes\"]",
            "each once",
        ),
        ("ELSE 'no' END\", cells = [\"yes\", \"no\"]", "ELSE 'no' END\", cells = []", "list its cells"),
        (
            "ELSE 'no' END\", cells = [\"yes\", \"no\"]",
            "ELSE 'no' END\", cells = [\"a\\nb\"]",
            "no line break",
        ),
        ("[30, \"30.5\"]", "[30]", "1 centres for the 2 cells of `nc_year`"),
        ("[30, \"30.5\"]", "[30, \"x\"]", "centre is a number"),
        ("[30, \"30.5\"]", "30.5", "a number, or a list"),
        (
            "{ column = \"nc_year\", cells = [\"7\", \"8\"] },",
            "",
            "a list of centres follows the first grouping",
        ),
        ("clamp = [0, 1]", "clamp = [0, 1.5]", "a whole number, or a text such as"),
        (
            "period = \"half_term\"",
            "period = \"month\"",
            "`period` is one of day, week, half_term, term, year",
        ),
        ("matters = \"1 pp\"", "matters = \"a lot\"", "`matters` is a number and its unit"),
        ("matters = \"1 pp\"", "matters = \"5 %\"", "no percentage of it"),
        ("optional = true", "optional = 2", "a flag is true or false"),
    ] {
        assert!(FORMS.contains(from), "{from}");
        let error = bind(&FORMS.replacen(from, to, 1), ATTENDANCE, &FORMS_PARAMS).expect_err(to);
        assert!(error.0.contains(said), "{to}: {error}");
    }
}

#[test]
fn a_period_is_no_longer_than_the_question_is_made_for() {
    let question = admit(ATTENDANCE_RATE, ATTENDANCE).unwrap();
    let bind = |period: &str| question.bind(&BTreeMap::new(), Period::parse(period).unwrap());
    assert!(bind("2025-11-01..2025-12-30").is_ok(), "60 days");
    let error = bind("2025-11-01..2025-12-31").unwrap_err().0;
    assert!(error.contains("has 61 days; this question is made for a half_term, at most 60"), "{error}");
    let week = ATTENDANCE_RATE.replace("half_term", "week");
    let question = admit(&week, ATTENDANCE).unwrap();
    let bind = |period: &str| question.bind(&BTreeMap::new(), Period::parse(period).unwrap());
    assert!(bind("2025-11-03..2025-11-09").is_ok() && bind("2025-11-03..2025-11-10").is_err());
}

/// Too many cells only together: each choice is refused when it is made, not silently cut.
#[test]
fn optional_groupings_count_towards_the_cells_when_asked_for() {
    let years: Vec<String> = (0..40).map(|n| format!("\"{n}\"")).collect();
    let by = |name: &str| {
        format!("{{ name = \"{name}\", sql = \"'1'\", cells = [{}], optional = true }}", years.join(","))
    };
    let text = ATTENDANCE_RATE.replace("by = [", &format!("by = [{}, {},", by("a"), by("b")));
    assert_eq!(bind(&text, ATTENDANCE, &[]).unwrap().cells(), 20);
    assert_eq!(bind(&text, ATTENDANCE, &[("by.a", "yes")]).unwrap().cells(), 800);
    let error = bind(&text, ATTENDANCE, &[("by.a", "yes"), ("by.b", "yes")]).unwrap_err().0;
    assert!(error.contains("more than 2000 cells"), "{error}");
}

#[test]
fn each_kind_of_figure_takes_its_own_fields() {
    let base = r#"
        id = "f"
        version = 1
        title = "?"
        vocabulary = "exam/1"
        figure = FIGURE
        loss = 1
        matters = "1"
        measure = [
          { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
          { name = "x", sql = "score", clamp = [-4, 4], resolution = 1 },
          { name = "a", sql = "ABS(score)", clamp = [0, 4], resolution = 1 },
          { name = "b", sql = "x * x", clamp = [0, 16], resolution = 1 },
          { name = "c", sql = "x * a", clamp = [-16, 16], resolution = 1 },
          { name = "d", sql = "a * a", clamp = [0, 16], resolution = 1 },
        ]
        by = [
          { column = "sex", cells = ["F", "M"] },
          { name = "band", sql = "CASE WHEN score < 0 THEN 'low' ELSE 'high' END", cells = ["low", "high"] },
        ]"#;
    let check =
        |figure: &str| admit(&base.replace("FIGURE", figure), EXAM).map(|q| q.figure).map_err(|e| e.0);
    for figure in [
        r#"{ kind = "count", of = "n" }"#,
        r#"{ kind = "mean", of = ["x", "a"], count = "n", together = "both" }"#,
        r#"{ kind = "rate", of = "a", over = "n" }"#,
        r#"{ kind = "rate", of = "a", against = ["n"] }"#,
        r#"{ kind = "gap", of = "x", count = "n", across = "sex" }"#,
        r#"{ kind = "gap", of = "n", against = "a", across = "band" }"#,
        r#"{ kind = "share", of = "n" }"#,
        r#"{ kind = "quantile", of = "n", across = "band", edges = [-4, 0, "4.5"], at = ["1/4", "0.5"] }"#,
        r#"{ kind = "transition", rows = "sex", columns = "band" }"#,
        r#"{ kind = "spread", count = "n", mean = "x", square = "b" }"#,
        r#"{ kind = "fit", count = "n", x = "x", y = "a", xx = "b", xy = "c", yy = "d" }"#,
    ] {
        check(figure).unwrap_or_else(|error| panic!("{figure}: {error}"));
    }
    for (figure, said) in [
        (r#"{ kind = "count" }"#, "`of` is missing"),
        (r#"{ kind = "count", of = ["n", "a"] }"#, "is of one measure"),
        (r#"{ kind = "count", of = "n", square = "a" }"#, "a count takes only of"),
        (r#"{ kind = "mean", of = ["x", "x"], count = "n" }"#, "names `x` twice"),
        (r#"{ kind = "mean", of = ["x", "a"], count = "n", square = "a" }"#, "belongs to a mean of one"),
        (r#"{ kind = "mean", of = "x", count = "n", together = "all" }"#, "of several means"),
        (r#"{ kind = "rate", of = "a", over = "n", against = "x" }"#, "either `against` or `over`"),
        (r#"{ kind = "rate", of = "x", over = "n" }"#, "never negative"),
        (r#"{ kind = "rate", of = "n", against = "n" }"#, "two measures"),
        (r#"{ kind = "gap", of = "x", count = "n" }"#, "`across` is missing"),
        (r#"{ kind = "gap", of = "x", count = "n", across = "age" }"#, "`across` names no grouping"),
        (
            r#"{ kind = "quantile", of = "n", across = "band", edges = [0, 1], at = ["1/2"] }"#,
            "there are 3 of them",
        ),
        (
            r#"{ kind = "quantile", of = "n", across = "band", edges = [0, 2, 1], at = ["1/2"] }"#,
            "`edges` rise",
        ),
        (
            r#"{ kind = "quantile", of = "n", across = "band", edges = [0, 1, 2], at = [1] }"#,
            "between 0 and 1",
        ),
        (r#"{ kind = "transition", rows = "sex", columns = "sex" }"#, "two groupings"),
        (r#"{ kind = "fit", count = "n", x = "x" }"#, "`y` is missing"),
        (r#"{ kind = "count", of = "a" }"#, "`of` counts people, each of whom adds 0 to 1; write clamp"),
        (r#"{ kind = "histogram", of = "x" }"#, "`of` counts people"),
        (r#"{ kind = "share", of = "a" }"#, "`of` counts people"),
        (
            r#"{ kind = "quantile", of = "a", across = "band", edges = [-4, 0, 4], at = ["1/2"] }"#,
            "`of` counts people",
        ),
        (r#"{ kind = "transition", of = "d", rows = "sex", columns = "band" }"#, "`of` counts people"),
        (r#"{ kind = "mean", of = "x", count = "a" }"#, "`count` counts people"),
        (r#"{ kind = "gap", of = "x", count = "x", across = "sex" }"#, "`count` counts people"),
        (r#"{ kind = "spread", count = "a", mean = "x", square = "b" }"#, "`count` counts people"),
        (r#"{ kind = "event", count = "d", mean = "x", square = "b" }"#, "`count` counts people"),
        (
            r#"{ kind = "fit", count = "x", x = "x", y = "a", xx = "b", xy = "c", yy = "d" }"#,
            "`count` counts people",
        ),
        (
            r#"{ kind = "spread", count = "n", mean = "x", square = "x" }"#,
            "write the measure `x` as sql = \"x * x\", without a centre",
        ),
        (r#"{ kind = "mean", of = "x", count = "n", square = "d" }"#, "`square` is `x` times `x`"),
        (r#"{ kind = "gap", of = "x", count = "n", square = "c", across = "sex" }"#, "`x` times `x`"),
        (r#"{ kind = "event", count = "n", mean = "a", square = "b" }"#, "`square` is `a` times `a`"),
        (
            r#"{ kind = "fit", count = "n", x = "x", y = "a", xx = "b", xy = "d", yy = "c" }"#,
            "`xy` is `x` times `a`",
        ),
        (
            r#"{ kind = "fit", count = "n", x = "x", y = "x", xx = "b", xy = "c", yy = "d" }"#,
            "different measures",
        ),
        (r#"{ kind = "median", of = "n" }"#, "`median` is none of count"),
    ] {
        let error = check(figure).expect_err(figure);
        assert!(error.contains(said), "{figure}: {error}");
    }
    let fit = r#"{ kind = "fit", count = "n", x = "a", y = "x", xx = "d", xy = "c", yy = "b" }"#;
    assert!(check(fit).is_ok(), "x * a is a * x");
    let cut = base.replace("x * x\", clamp = [0, 16]", "x * x\", clamp = [0, 15]");
    let error = admit(&cut.replace("FIGURE", fit), EXAM).unwrap_err().0;
    assert!(error.contains("the clamp of `b` cuts `x * x`"), "{error}");
    let cut = base.replace("x * a\", clamp = [-16, 16]", "x * a\", clamp = [-15, 16]");
    let error = admit(&cut.replace("FIGURE", fit), EXAM).unwrap_err().0;
    assert!(error.contains("the clamp of `c` cuts `a * x`"), "{error}");
    // The last grouping may wait for the Query: shares are then of the one before.
    let optional = base.replace("\"high\"] },", "\"high\"], optional = true },");
    let share = admit(&optional.replace("FIGURE", r#"{ kind = "share", of = "n" }"#), EXAM).unwrap();
    assert_eq!(share.figure, Figure::Share { of: "n".into(), over: "sex".into() });
    let none = optional.replace("cells = [\"F\", \"M\"]", "cells = [\"F\", \"M\"], optional = true");
    let error = admit(&none.replace("FIGURE", r#"{ kind = "share", of = "n" }"#), EXAM).unwrap_err().0;
    assert!(error.contains("that is not optional; write one"), "{error}");
}

/// A band of days between two private days tells neither; a band of the days themselves would.
#[test]
fn private_days_split_only_by_how_far_apart_they_are() {
    const PEOPLE: &str = include_str!("../../../node/src/vocab/vcse_beneficiaries.toml");
    let text = |sql: &str| {
        format!(
            r#"id = "wait"
            version = 1
            title = "?"
            vocabulary = "vcse_beneficiaries/1"
            figure = {{ kind = "count", of = "n" }}
            loss = 1
            matters = "1"
            measure = [
              {{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }},
              {{ name = "late", sql = "CASE WHEN first_contact IS NULL THEN 1 ELSE 0 END", clamp = [0, 1], resolution = 1 }},
            ]
            by = [{{ name = "band", sql = "CASE WHEN {sql} THEN 'long' ELSE 'short' END", cells = ["long", "short"] }}]"#
        )
    };
    let open = "column = [\n  { name = \"met_on\", type = \"date\" },";
    let people = PEOPLE.replacen("column = [", open, 1);
    let wait = bind(&text("first_contact - referred_on > 28"), &people, &[]).unwrap();
    let sql = wait.unit_sql().text;
    let days = "(CAST(CAST(MAX(\"first_contact\") AS INT) AS DOUBLE) - CAST(CAST(MAX(\"referred_on\") AS INT) AS DOUBLE))";
    assert!(sql.contains(days), "{sql}");
    for (sql, said) in [
        ("first_contact = referred_on", "by `first_contact`, which is private"),
        ("first_contact - referred_on > 28 AND referred_on IS NULL", "by `referred_on`, which is private"),
        ("first_contact - MAX(referred_on) > 28", "by `first_contact`, which is private"),
        ("late = 1", "by `first_contact`, which is private"),
        ("first_contact - met_on > 28", "by `first_contact`, which is private"),
        ("first_contact - 28 > 0", "only a day can be taken"),
        ("28 - first_contact > 0", "a date stands where a number is needed"),
    ] {
        let error = admit(&text(sql), &people).expect_err(sql).0;
        assert!(error.contains(said), "{sql}: {error}");
    }
}

/// A vocabulary may have forgotten `never` on the column that names a person.
#[test]
fn a_unit_is_never_in_a_question() {
    let careless = ATTENDANCE.replacen("required = true, never = true", "required = true", 1);
    let grouped = ATTENDANCE.replacen(
        "required = true, never = true",
        "required = true, values = [\"7\"], group = true",
        1,
    );
    assert!(careless != ATTENDANCE && grouped != careless);
    for text in [
        FORMS.replacen("SUM(attended)", "COUNT(pupil_id)", 1),
        FORMS.replacen("compulsory_age", "pupil_id = '7'", 1),
    ] {
        let error = admit(&text, &careless).unwrap_err().0;
        assert!(error.contains("the column `pupil_id` may never stand in a question"), "{error}");
    }
    for from in
        ["column = \"nc_year\", cells = [\"7\", \"8\"]", "column = \"nc_year\", values = \"nc_years\""]
    {
        let to = from.replace("nc_year\"", "pupil_id\"").replace("[\"7\", \"8\"]", "[\"7\"]");
        let to = to.replace("\"nc_years\"", "[\"7\"]");
        let text = FORMS.replacen(", centre = [30, \"30.5\"]", "", 1).replacen(from, &to, 1);
        let error = admit(&text, &grouped).unwrap_err().0;
        assert!(error.contains("results may not be split by `pupil_id`"), "{error}");
    }
}

/// A chain of minus signs is read once, not twice at each of its levels.
#[test]
fn a_long_chain_is_checked_in_no_time() {
    let chain = format!("score{}", " - 1".repeat(30));
    assert!(admit(&MEAN.replacen("sql = \"score\"", &format!("sql = \"{chain}\""), 1), EXAM).is_ok());
}

const EVERYONE: &str = r#"
    id = "everyone"
    version = 1
    title = "Who has incidents?"
    vocabulary = "behaviour/1"
    where = "compulsory_age"
    everyone = true
    figure = { kind = "count", of = "n" }
    loss = 1
    matters = "1"
    measure = [
      { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
      { name = "k", sql = "COUNT(type) FILTER (WHERE type = 'detention' AND date > :from)", clamp = [0, 5], resolution = 1 },
      { name = "last", sql = "MAX(date) FILTER (WHERE type = 'detention') - :from", clamp = [0, 5], resolution = 1 },
    ]
    param = { from = "date" }
    by = [{ column = "nc_year", cells = ["7", "8"] }, { name = "some", sql = "CASE WHEN k > 0 THEN 'yes' ELSE 'no' END", cells = ["yes", "no"] }]
    for = [{ column = "nc_year", values = ["7"] }]"#;

#[test]
fn a_question_about_everyone_counts_nobodys_empty_row() {
    assert!(admit(EVERYONE, BEHAVIOUR).unwrap().counts_everyone());
    for (from, to, said) in [
        ("COUNT(type)", "COUNT(*)", "measure `k`: with `everyone` COUNT(*) would count the empty row"),
        (
            "COUNT(type)",
            "COUNT(nc_year)",
            "this COUNT would count the empty row of who has none; count a column of the rows, such as COUNT(type)",
        ),
        ("COUNT(type)", "SUM(1)", "measure `k`: with `everyone` this SUM would count"),
        ("COUNT(type)", "COUNT(date)", "this COUNT would count"),
        ("COUNT(type)", "1 + COUNT(*)", "COUNT(*) would count"),
        ("k > 0", "COUNT(*) > 0", "by `some`: with `everyone` COUNT(*) would count"),
        (
            "MAX(date) FILTER (WHERE type = 'detention')",
            "MAX(date)",
            "measure `last`: with `everyone` this MAX would take the period's last day for who has no row; add FILTER (WHERE type IS NOT NULL)",
        ),
        (
            "where = \"compulsory_age\"",
            "where = \"compulsory_age AND type = 'detention'\"",
            "where: `type` is of rows",
        ),
        ("where = \"compulsory_age\"", "where = \"date > :from\"", "where: `date` is of rows"),
        (
            "for = [{ column = \"nc_year\", values = [\"7\"] }]",
            "for = [{ column = \"slot\", values = [\"AM\"] }]",
            "for: `slot` is of rows",
        ),
        ("everyone = true", "everyone = 2", "a flag is true or false"),
    ] {
        let text = EVERYONE.replacen(from, to, 1);
        assert_ne!(text, EVERYONE);
        let error = admit(&text, BEHAVIOUR).expect_err(to).0;
        assert!(error.contains(said), "{to}: {error}");
        let plain = text.replacen("everyone = true", "everyone = false", 1);
        assert!(said.starts_with("a flag") || admit(&plain, BEHAVIOUR).is_ok(), "{to}: allowed without");
    }
    // Rows about nobody, and people of whom no table tells.
    let row = MEAN.replacen("version = 1", "version = 1\neveryone = true", 1);
    let error = admit(&row, EXAM).unwrap_err().0;
    assert!(
        error.contains("everyone: no table says who the people of `exam/1` are; leave `everyone` out"),
        "{error}"
    );
    let alone: String = BEHAVIOUR
        .lines()
        .filter(|line| !line.contains("of = \"pupils/1\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let text = EVERYONE
        .replace("where = \"compulsory_age\"\n", "")
        .replace("nc_year", "type")
        .replace("[\"7\"", "[\"positive\"")
        .replace(", \"8\"]", "]");
    let error = admit(&text, &alone).unwrap_err().0;
    assert!(error.contains("everyone: no table says who the people of `behaviour/1` are"), "{error}");
}
