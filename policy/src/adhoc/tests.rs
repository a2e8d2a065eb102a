use super::*;
use crate::question::Question;
use crate::vocabulary::tests::EXAM;

const ATTENDANCE: &str = r#"
    id = "attendance"
    version = 1
    title = "Who was in school"
    dataset = "pupils"
    unit = "pupil_id"
    key = ["pupil_id", "date"]
    column = [
      { name = "pupil_id", type = "text", required = true, never = true },
      { name = "date", type = "date", required = true },
      { name = "attended", type = "integer", low = 0, high = 1 },
      { name = "possible", type = "integer", low = 0, high = 1 },
      { name = "minutes_late", type = "integer", low = 0, high = 240 },
      { name = "distance", type = "number" },
      { name = "change", type = "number", low = -10, high = 10 },
      { name = "nc_year", type = "text", values = ["7", "8", "9"], group = true },
      { name = "pupil_premium", type = "bool", group = true },
      { name = "weekday", type = "text", values = ["Monday", "Friday"], group = true, varies = true },
      { name = "code", type = "text", values = ["I", "L"], private = true },
    ]"#;

const PUPILS: &str = r#"
    id = "pupils"
    version = 1
    title = "Who they are"
    dataset = "pupils"
    unit = "pupil_id"
    key = ["pupil_id"]
    column = [
      { name = "pupil_id", type = "text", required = true, never = true },
      { name = "nc_year", type = "text", values = ["7", "8"], group = true },
      { name = "age", type = "integer", low = 4, high = 19 },
    ]"#;

fn ask(text: &str) -> Result<AdHoc, String> {
    let known = [ATTENDANCE, PUPILS, EXAM].map(|text| Vocabulary::from_toml(text).unwrap());
    let known: Vec<&Vocabulary> = known.iter().collect();
    let made = compile(text, &known, "half_term", None).map_err(|error| error.0)?;
    let vocabulary = known.iter().find(|v| v.name() == made.draft.vocabulary).unwrap();
    let admitted = Question::admit(made.draft.clone(), vocabulary);
    admitted.map_err(|error| format!("compiled, and is refused: {error}\n{}", made.toml))?;
    Ok(made)
}

/// SQL, and what its Question must contain.
fn check(text: &str, parts: &[&str]) {
    let made = ask(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let all = format!("{}\n{}", made.toml, made.words.join("\n"));
    parts.iter().for_each(|part| assert!(all.contains(part), "{text}: `{part}` is not in\n{all}"));
}

#[test]
fn a_mean_is_over_people_each_with_the_mean_of_their_own_rows() {
    check(
        "SELECT nc_year, AVG(attended) FROM attendance GROUP BY nc_year",
        &[
            "sql = \"AVG(attended)\", centre = \"1/2\", clamp = [\"-1/2\", \"1/2\"], resolution = \"1/40\"",
            "clamp = [0, 1], resolution = \"1/10\"",
            "cells = [\"7\", \"8\", \"9\"]",
            "for each pupil: the mean of attended, clipped to 0 to 1; then the mean over pupils",
            "each pupil weighs the same, however many rows they have",
        ],
    );
    check(
        "select avg(clamp(minutes_late, 0, 30)) as lateness from attendance/1 where nc_year in ('7','8') group by nc_year;",
        &[
            "clamp = [-15, 15]",
            "where = \"nc_year in ('7','8')\"",
            "cells = [\"7\", \"8\"]",
            "clipped to 0 to 30",
        ],
    );
    check(
        "SELECT AVG(attended), AVG(change), COUNT(DISTINCT pupil_id) FROM attendance",
        &["of = [\"value_1\", \"value_2\"], count = \"people\""],
    );
    check("SELECT AVG(score) FROM exam GROUP BY sex", &["sql = \"score\"", "clamp = [-4, 4]"]);
}

#[test]
fn counts_sums_and_rates_take_their_bounds_from_the_vocabulary_and_the_period() {
    check(
        "SELECT COUNT(DISTINCT pupil_id) FROM attendance WHERE NOT pupil_premium GROUP BY pupil_premium",
        &["kind = \"count\"", "sql = \"1\", clamp = [0, 1]", "cells = [\"false\"]", "counts once"],
    );
    check("SELECT COUNT(*) FROM attendance", &["sql = \"COUNT(*)\", clamp = [0, 80], resolution = 1"]);
    check("SELECT COUNT(*) FROM pupils", &["sql = \"COUNT(*)\", clamp = [0, 1]"]);
    check("SELECT COUNT(*) FROM exam", &["sql = \"1\", clamp = [0, 1]", "period = \"year\""]);
    check("SELECT SUM(age) FROM pupils GROUP BY nc_year", &["clamp = [0, 19]"]);
    check("SELECT SUM(change) FROM attendance", &["clamp = [-800, 800]"]);
    check(
        "SELECT CLAMP(SUM(distance), 0, 50) FROM attendance",
        &["sql = \"SUM(distance)\", clamp = [0, 50]"],
    );
    check(
        "SELECT weekday, SUM(attended) / SUM(possible) FROM attendance GROUP BY weekday",
        &["kind = \"rate\"", "over = \"below\"", "cells_per_unit = 2", "up to 2 of these groups"],
    );
    check(
        "SELECT COUNT(*) FILTER (WHERE code = 'I') / COUNT(*) FROM attendance",
        &["COUNT(*) FILTER (WHERE code = 'I')", "the number of rows where code = 'I'"],
    );
}

#[test]
fn bounds_follow_from_arithmetic() {
    for (expr, clamp) in [
        ("attended * 2 - 1", "centre = 0"),
        ("ABS(change)", "clamp = [-5, 5]"),
        ("change / 4", "clamp = [\"-5/2\", \"5/2\"]"),
        ("-minutes_late", "centre = -120"),
        ("CASE WHEN nc_year = '7' THEN 3 ELSE attended END", "centre = \"3/2\""),
        ("COALESCE(change, 20)", "centre = 5"),
        ("minutes_late * 0.5", "clamp = [-60, 60]"),
    ] {
        let made = ask(&format!("SELECT AVG({expr}) FROM attendance")).unwrap();
        let zero = clamp == "centre = 0" && !made.toml.contains("centre");
        assert!(zero || made.toml.contains(clamp), "{expr}: {}", made.toml);
    }
}

#[test]
fn what_is_outside_is_refused_with_what_to_write_instead() {
    for (text, said) in [
        ("SELECT AVG(attended) FROM attendance JOIN pupils ON TRUE", "there is no JOIN"),
        ("SELECT AVG(attended) FROM attendance, pupils", "there is no JOIN"),
        ("SELECT AVG(attended) FROM (SELECT attended FROM attendance)", "no subquery"),
        ("SELECT AVG(attended) FROM attendance WHERE EXISTS (1)", "no subquery"),
        ("SELECT COUNT(*) FROM attendance GROUP BY nc_year HAVING COUNT(*) > 5", "leave HAVING out"),
        ("SELECT COUNT(*) FROM attendance ORDER BY 1", "sort and cut the answer yourself"),
        ("SELECT COUNT(*) FROM attendance LIMIT 5", "sort and cut the answer yourself"),
        ("SELECT DISTINCT nc_year FROM attendance", "groups are distinct already"),
        ("SELECT COUNT(DISTINCT nc_year) FROM attendance", "write COUNT(DISTINCT pupil_id)"),
        ("SELECT SUM(attended) OVER (PARTITION BY nc_year) FROM attendance", "no window"),
        ("SELECT MEDIAN(minutes_late) FROM attendance", "counts in bands"),
        ("SELECT MAX(minutes_late) FROM attendance", "would show one person"),
        ("SELECT STDDEV(minutes_late) FROM attendance", "figure kind \"spread\""),
        ("SELECT CORR(attended, possible) FROM attendance", "six sums"),
        ("SELECT STRING_AGG(code) FROM attendance", "never leave a member"),
        ("SELECT AVG(distance) FROM attendance", "CLAMP(distance, 0, 100)"),
        ("SELECT SUM(distance * 2) FROM attendance", "CLAMP(distance, 0, 100)"),
        ("SELECT AVG(code) FROM attendance", "is a text"),
        ("SELECT AVG(pupil_premium) FROM attendance", "CASE WHEN pupil_premium THEN 1 ELSE 0 END"),
        ("SELECT AVG(date) FROM attendance", "is a day"),
        ("SELECT AVG(attended / possible) FROM attendance", "divide by a plain number"),
        ("SELECT AVG(attended) - AVG(possible) FROM attendance", "calculate further with the answer"),
        ("SELECT SUM(attended), SUM(possible) FROM attendance", "ask each sum"),
        ("SELECT * FROM attendance", "rows never leave"),
        ("SELECT nc_year FROM attendance", "add GROUP BY nc_year"),
        ("SELECT nc_year FROM attendance GROUP BY nc_year", "nothing is summed"),
        ("SELECT attended + 1 FROM attendance", "sums nothing"),
        ("SELECT nobody FROM attendance", "no column `nobody`"),
        ("SELECT AVG(nobody) FROM attendance", "no column `nobody`"),
        ("SELECT AVG(attended) FROM marks", "there are attendance, pupils, exam"),
        ("SELECT AVG(a.attended) FROM attendance a", "without another name"),
        ("SELECT AVG(attended)", "FROM is missing"),
        ("DELETE FROM attendance", "only SELECT"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SELECT COUNT(*) FROM pupils UNION SELECT COUNT(*) FROM pupils", "one SELECT at a time"),
        ("WITH x AS (SELECT 1) SELECT 1 FROM x", "without WITH"),
        ("SELECT AVG(attended) FROM attendance GROUP BY code", "may not be split by `code`"),
        ("SELECT AVG(attended) FROM attendance GROUP BY nobody", "nc_year, pupil_premium, weekday"),
        ("SELECT AVG(attended) FROM attendance GROUP BY nc_year + 1", "takes columns"),
        ("SELECT AVG(attended) FROM attendance GROUP BY nc_year WHERE TRUE", "in this order"),
        ("SELECT AVG(attended) FROM attendance WHERE code LIKE 'I%'", "closed list"),
        ("SELECT AVG(attended) FROM attendance WHERE date > CURRENT_DATE", "chosen by --period"),
        ("SELECT AVG(\"attended\") FROM attendance", "without quotes"),
        ("SELECT AVG(attended) FROM attendance -- all", "no comments"),
        ("SELECT AVG(CLAMP(distance, 0)) FROM attendance", "two bounds"),
        ("SELECT AVG(CLAMP(distance, attended, 9)) FROM attendance", "plain numbers"),
        ("SELECT AVG(:x) FROM attendance", "takes no parameters"),
        ("SELECT AVG(3) FROM attendance", "nothing to ask"),
        ("SELECT COUNT(*) FROM attendance WHERE nc_year = '12' GROUP BY nc_year", "leaves no value"),
        ("", "write SELECT"),
        ("SELECT 'open", "no end"),
    ] {
        let error = ask(text).map(|made| made.toml).expect_err(text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains("compiled, and is refused"), "{text}: {error}");
    }
}

/// Whatever is typed gives a Question or a sentence, and never ends the program.
#[test]
fn no_text_makes_it_panic() {
    let words = [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "BY",
        "AVG",
        "SUM",
        "COUNT",
        "(",
        ")",
        "*",
        ",",
        "attended",
        "CLAMP",
        "attendance",
        "1",
        "-",
        "/",
        "'7'",
        "nc_year",
        "DISTINCT",
        "FILTER",
        "CASE",
        "WHEN",
        "END",
        ";",
        "é",
    ];
    let known = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text += words[usize::try_from(state % words.len() as u64).unwrap()];
            text.push(' ');
        }
        let _ = compile(&text, &[&known], "week", None);
    }
}
