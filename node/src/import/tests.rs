use super::*;

const EXAM: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    key = ["pupil"]
    column = [
      { name = "school", type = "text", role = "member" },
      { name = "pupil", type = "text" },
      { name = "sex", type = "text", values = ["F", "M"], group = true, required = true },
      { name = "score", type = "number", low = -4, high = 4, synonyms = ["Result (z)"] },
      { name = "sat", type = "date" },
      { name = "late", type = "bool" },
    ]"#;

type Rows = Vec<(String, Vec<Cell>)>;

fn check(text: &str, by: Option<&str>) -> (Result<Report, ImportError>, Rows) {
    let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
    let mut rows = vec![];
    let report = read_rows(
        Source::of_bytes(text.as_bytes()),
        &vocabulary,
        &Options::default(),
        by,
        &mut |member, row| {
            rows.push((member.to_owned(), row.to_vec()));
            Ok(())
        },
    );
    (report, rows)
}

#[test]
fn headers_are_found_by_name_or_synonym_in_any_order() {
    let (report, rows) = check(
        "\u{feff}Result Z,SEX,extra,School,sat,late,Pupil\n 1.5 ,f,x,A,31/12/2025,Y,p1\n",
        Some("school"),
    );
    let day = i32::try_from(Day::parse("2025-12-31").unwrap().0).unwrap();
    let row = vec![
        Cell::Text("p1".into()),
        Cell::Text("F".into()),
        Cell::Number(1.5),
        Cell::Date(day),
        Cell::Bool(true),
    ];
    assert_eq!(rows, [("A".to_owned(), row)]);
    assert_eq!(report.unwrap().columns_ignored, ["extra"]);
}

#[test]
fn a_bad_row_is_left_out_and_named() {
    let good: String = (0..20).map(|i| format!("A,p{i},F,1\n")).collect();
    let (report, rows) = check(&format!("school,pupil,sex,score\n{good}A,q,X,1\n"), None);
    let report = report.unwrap();
    assert_eq!((report.rows_read, report.rows_kept, rows.len()), (21, 20, 20));
    assert_eq!(
        problem_text("f.csv", &report.problems[0]),
        "f.csv row 22, sex: \"X\" is not allowed; allowed: F, M"
    );
}

#[test]
fn problems_are_named_by_the_files_own_lines() {
    let good: String = (0..20).map(|i| format!("A,p{i},F,1\n")).collect();
    for ends in ["\n", "\r\n"] {
        let text = format!("school,pupil,sex,score\n\n{good}\n\nA,\"q\nr\",F,1\nA,s,F,9\n\nA,t,X,1");
        let (report, _) = check(&text.replace('\n', ends), None);
        let rows: Vec<u64> = report.unwrap().problems.iter().map(|problem| problem.row).collect();
        assert_eq!(rows, [27, 29]);
    }
}

#[test]
fn a_row_without_its_person_or_its_member_is_left_out() {
    let people = EXAM.replace("unit = \"row\"", "unit = \"pupil\"").replace("key = [\"pupil\"]", "");
    let vocabulary = Vocabulary::from_toml(&people).unwrap();
    let good: String = (0..30).map(|i| format!("A,p{i},F\n")).collect();
    let text = format!("school,pupil,sex\n{good}A, ,F\n,p,F\n");
    let mut members = BTreeSet::new();
    let report = read_rows(
        Source::of_bytes(text.as_bytes()),
        &vocabulary,
        &Options::default(),
        Some("School"),
        &mut |member, _| {
            members.insert(member.to_owned());
            Ok(())
        },
    );
    let report = report.unwrap();
    let said: Vec<String> = report.problems.iter().map(|p| problem_text("f.csv", p)).collect();
    assert_eq!(said[0], "f.csv row 32, pupil: it is empty, and needed");
    assert!(said[1].starts_with("f.csv row 33, school: it is empty, so the row"), "{said:?}");
    assert_eq!((report.rows_kept, members.len()), (30, 1));
}

#[test]
fn a_key_may_repeat_at_another_member() {
    let text = "school,pupil,sex\nA,1,F\nB,1,F\n";
    assert_eq!(check(text, Some("school")).0.unwrap().rows_kept, 2);
    assert!(check(text, None).0.is_err(), "one member's pupil stands twice");
}

#[test]
fn a_report_says_which_columns_are_absent_and_which_days_there_are() {
    let (report, _) = check("school,pupil,sex,sat,x\nA,1,F,2025-12-12,1\n", None);
    let report = report.unwrap();
    assert_eq!(
        (report.columns_absent.join(" "), report.columns_ignored.join(" ")),
        ("score late".into(), "x".into())
    );
    let dated = EXAM.replace("\"sat\"", "\"date\"");
    let vocabulary = Vocabulary::from_toml(&dated).unwrap();
    let text = "pupil,sex,date\n1,F,2025-12-12\n2,F,2024-12-12\n3,F,2025-01-31\n";
    let report =
        read_rows(Source::of_bytes(text.as_bytes()), &vocabulary, &Options::default(), None, &mut |_, _| {
            Ok(())
        })
        .unwrap();
    assert_eq!(report.newest_day(), Day::parse("2025-12-12"));
    assert_eq!(report.rows_outside(Period::parse("2024-09-01..2025-08-31").unwrap()), 1);
}

#[test]
fn each_problem_says_what_is_allowed() {
    for (line, said) in [
        ("A,p,F,abc,,", "is no number"),
        ("A,p,F,5,,", "5 is outside -4 to 4"),
        ("A,p,F,NaN,,", "is no number"),
        ("A,p,,1,,", "it is empty, and needed"),
        ("A,p,F,1,2025-02-31,", "is not a date"),
        ("A,p,F,1,,maybe", "neither true nor false"),
        ("A,p0,F,1,,", "another row has the same pupil"),
    ] {
        let good: String = (0..10).map(|i| format!("A,p{i},F,1,,\n")).collect();
        let (report, _) = check(&format!("school,pupil,sex,score,sat,late\n{good}{line}\n"), None);
        let text = report.unwrap().problems[0].text.clone();
        assert!(text.contains(said), "{line}: {text}");
    }
}

#[test]
fn a_file_that_is_another_file_is_refused_as_a_whole() {
    for (text, said) in [
        ("", "is empty"),
        ("pupil,sex\n", "no rows"),
        ("a,b\n1,2\n", "there are no columns `pupil`, `sex`; it has `a`, `b`"),
        ("sex,sex\nF,F\n", "stands 2 times"),
        ("sex\nF\n", "there is no column `pupil`"),
        ("pupil,sex\n1,F\n2,X\n", "1 of 2 rows do not fit"),
        ("pupil,sex\n1,F\n\n2,M,1\n", "f.csv row 4: it has 3 fields, the header 2; put text"),
    ] {
        let error = check(text, None).0.expect_err(text).0;
        assert!(error.contains(said) && !error.contains("UTF-8"), "{text:?}: {error}");
    }
    let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
    let latin: &[u8] = b"pupil,sex\n\xe9,F\n";
    let error =
        read_rows(Source::of_bytes(latin), &vocabulary, &Options::default(), None, &mut |_, _| Ok(()))
            .unwrap_err()
            .0;
    assert!(error.contains("f.csv row 2 is not text in UTF-8; save it again"), "{error}");
    let error = check("sex\nF\n", Some("school")).0.unwrap_err().0;
    assert!(error.contains("there is no column `school` to split by"), "{error}");
}

/// A person's own columns, from the pupils' table, and those that import works out need not be there.
#[test]
fn what_others_say_or_import_works_out_may_be_absent() {
    let vocabulary = EXAM
        .replace("group = true, required = true", "group = true, of = \"pupils/1\"")
        .replace("\"score\", type = \"number\"", "\"score\", derived = true, type = \"number\"");
    let vocabulary = Vocabulary::from_toml(&vocabulary).unwrap();
    let text = "school,pupil\nA,1\n";
    let mut rows = vec![];
    let source = Source::of_bytes(text.as_bytes());
    let report = read_rows(source, &vocabulary, &Options::default(), None, &mut |_, row| {
        rows.push(row.to_vec());
        Ok(())
    });
    assert_eq!(report.unwrap().columns_absent, ["sat", "late"]);
    assert_eq!(rows, [[Cell::Text("1".into()), Cell::Null, Cell::Null, Cell::Null, Cell::Null]]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.csv");
    std::fs::write(&path, text).unwrap();
    let wanted = |name: &str| BTreeSet::from([name.to_owned()]);
    check_columns(&path, &vocabulary, "school", &wanted("score")).unwrap();
    let error = check_columns(&path, &vocabulary, "school", &wanted("sex")).unwrap_err().0;
    assert!(error.contains("reads `sex`, and there is no such column"), "{error}");
}

/// Columns that no Question may use are read for import to work with, and not kept.
#[test]
fn never_columns_are_read_and_dropped() {
    let vocabulary = EXAM.replace("\"sat\", type = \"date\"", "\"sat\", never = true, type = \"date\"");
    let vocabulary = Vocabulary::from_toml(&vocabulary).unwrap();
    let good: String = (0..20).map(|i| format!("p{i},F,2025-12-01\n")).collect();
    let text = format!("pupil,sex,sat\n{good}q,F,2025-13-01\n");
    let mut widths = BTreeSet::new();
    let source = Source::of_bytes(text.as_bytes());
    let report = read_rows(source, &vocabulary, &Options::default(), None, &mut |_, row| {
        widths.insert(row.len());
        Ok(())
    });
    let report = report.unwrap();
    assert_eq!((report.rows_kept, report.problems[0].kind), (20, ProblemKind::BadDate));
    assert_eq!(report.refused_by_kind, BTreeMap::from([(ProblemKind::BadDate, 1)]));
    assert_eq!(widths, BTreeSet::from([4]));
}
