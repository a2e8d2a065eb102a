use std::collections::BTreeMap;

use datacoop_policy::question::{Question, QuestionDraft};

use super::*;
use crate::engine::{TableWriter, newest_table, table_path, tabulate};
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::{Cell, kept_columns};

/// The shipped vocabulary of this name; for attendance those of its columns that a person has once are
/// the pupils'.
fn shipped(name: &str) -> Vocabulary {
    let mut read = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
    read.find(|vocabulary| vocabulary.name() == name).unwrap()
}

const MARKS: &str = r#"
    id = "marks"
    version = 1
    title = "Marks"
    dataset = "pupils"
    unit = "child"
    column = [
      { name = "child", type = "text", never = true },
      { name = "date", type = "date" },
      { name = "attended", type = "integer", low = 0, high = 1 },
      { name = "weekday", type = "text", values = ["Monday", "Friday"], group = true, varies = true },
      { name = "nc_year", type = "text", values = ["7", "8"], group = true, of = "pupils/1" },
      { name = "pupil_premium", type = "bool", group = true, of = "pupils/1" },
      { name = "compulsory_age", type = "bool", of = "pupils/1" },
    ]"#;

const HOURS: &str = r#"
    id = "hours"
    version = 1
    title = "Hours"
    dataset = "people"
    unit = "person_id"
    column = [
      { name = "person_id", type = "text", never = true },
      { name = "date", type = "date" },
      { name = "hours", type = "number", low = 0, high = 24 },
      { name = "sex", type = "text", values = ["F", "M", "U"], group = true, of = "vcse_beneficiaries/1" },
    ]"#;

fn marks() -> Vocabulary {
    Vocabulary::from_toml(MARKS).unwrap()
}

/// Writes rows of `column=value` words as the next snapshot; columns that are not named stay empty.
fn write(tables: &Path, vocabulary: &Vocabulary, rows: &[&str]) {
    let snapshot = newest_table(tables, vocabulary).map_or(1, |(number, _)| number + 1);
    let mut writer = TableWriter::create(&table_path(tables, vocabulary, snapshot), vocabulary).unwrap();
    let columns = kept_columns(vocabulary);
    for row in rows {
        let mut cells = vec![Cell::Null; columns.len()];
        for word in row.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap();
            let at = columns.iter().position(|column| column.name == name).unwrap();
            cells[at] = crate::import::read_cell(columns[at], false, value).unwrap();
        }
        writer.push(&cells).unwrap();
    }
    writer.finish().unwrap();
}

fn sources(tables: &Path, vocabulary: &Vocabulary, people: &str) -> Sources {
    let people = Arc::new(shipped(people));
    let folder = newest_table(tables, &people).map(|(_, folder)| (people, folder));
    Sources::new(newest_table(tables, vocabulary).map(|(_, folder)| folder)).with_people(folder)
}

/// A question over marks: attended, by year group, in this part of December 2025.
fn question(filter: &str, measure: &str) -> BoundQuestion {
    ask(&marks(), filter, measure, r#"{ column = "nc_year", cells = ["7", "8"] }"#)
}

fn ask(vocabulary: &Vocabulary, filter: &str, measure: &str, by: &str) -> BoundQuestion {
    let text = format!(
        r#"id = "q"
        version = 1
        title = "?"
        vocabulary = "{}"
        {}
        figure = {{ kind = "sum", of = "s" }}
        loss = 1
        matters = "1"
        measure = [{{ name = "s", sql = "{measure}", clamp = [0, 100], resolution = 1 }}]
        by = [{by}]"#,
        vocabulary.name(),
        if filter.is_empty() { String::new() } else { format!("where = \"{filter}\"") },
    );
    let question = Question::admit(QuestionDraft::from_toml(&text).unwrap(), vocabulary).unwrap();
    question.bind(&BTreeMap::new(), Period::parse("2025-12-01..2025-12-19").unwrap()).unwrap()
}

async fn answer(sources: &Sources, question: &BoundQuestion) -> Vec<i64> {
    let joined = tabulate(sources, question, &"A".parse().unwrap()).await.unwrap();
    // The same without moving sums below the join: the short cut changes no answer.
    let mut view = view_of(sources, question).await.unwrap().unwrap();
    view.split = None;
    assert_eq!(super::super::tally::add_up(&view, question, &"A".parse().unwrap()).await.unwrap(), joined);
    joined
}

const PUPILS: [&str; 3] = [
    "pupil_id=a nc_year=7 pupil_premium=true on_roll_from=2024-09-01 enrolment_status=C",
    "pupil_id=b nc_year=8 pupil_premium=false on_roll_from=2024-09-01 enrolment_status=M",
    "pupil_id=c nc_year=8 pupil_premium=true on_roll_from=2024-09-01",
];
const ROWS_OF_MARKS: [&str; 5] = [
    "child=a date=2025-12-01 attended=1",
    "child=a date=2025-12-02 attended=1",
    "child=b date=2025-12-01 attended=1",
    "child=c date=2025-12-01 attended=1",
    "child=c date=2026-01-08 attended=1",
];

#[tokio::test]
async fn a_persons_own_columns_come_from_the_table_of_people() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &marks(), &ROWS_OF_MARKS);
    let attended = question("", "SUM(attended)");
    // Without a table of people nobody has a year group, so nobody is in a cell.
    assert_eq!(answer(&sources(dir.path(), &marks(), "pupils/1"), &attended).await, [0, 0]);
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    let sources = sources(dir.path(), &marks(), "pupils/1");
    assert_eq!(answer(&sources, &attended).await, [2, 2]);
    assert_eq!(answer(&sources, &question("pupil_premium", "SUM(attended)")).await, [2, 1]);
    let mixed = "SUM(CASE WHEN pupil_premium THEN attended ELSE 0 END)";
    assert_eq!(answer(&sources, &question("", mixed)).await, [2, 1]);
    assert_eq!(answer(&sources, &question("pupil_premium OR attended = 0", "SUM(attended)")).await, [2, 1]);
    assert_eq!(answer(&sources, &question("attended = 1", "COUNT(*)")).await, [2, 2]);
}

#[tokio::test]
async fn the_sums_are_made_below_the_join_where_they_can_be() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &marks(), &ROWS_OF_MARKS);
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    let sources = sources(dir.path(), &marks(), "pupils/1");
    for (measure, below) in
        [("SUM(attended)", true), ("SUM(CASE WHEN pupil_premium THEN attended ELSE 0 END)", false)]
    {
        let question = question("pupil_premium", measure);
        let view = view_of(&sources, &question).await.unwrap().unwrap();
        let plan =
            view.sql(&question.unit_sql().text).await.unwrap().logical_plan().display_indent().to_string();
        let (sums, join) = (plan.find("sum(").unwrap(), plan.find("Inner Join").unwrap());
        let aggregate = plan.rfind("Aggregate: groupBy=[[rows.child]]").unwrap();
        assert_eq!(aggregate > join, below, "{sums} {plan}");
    }
}

#[tokio::test]
async fn what_a_file_says_of_all_its_rows_is_asked_of_none() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    for (rows, filtered) in [
        (&ROWS_OF_MARKS[..4], false),
        // A day outside the period.
        (&ROWS_OF_MARKS[..], true),
        (&["child=a date=2025-12-01 attended=1", "child=a date=2025-11-30 attended=1"][..], true),
        // A row of nobody.
        (&["child=a date=2025-12-01 attended=1", "date=2025-12-01 attended=1"][..], true),
    ] {
        write(dir.path(), &marks(), rows);
        let sources = sources(dir.path(), &marks(), "pupils/1");
        let question = question("", "SUM(attended)");
        let view = view_of(&sources, &question).await.unwrap().unwrap();
        let plan =
            view.sql(&question.unit_sql().text).await.unwrap().logical_plan().display_indent().to_string();
        assert_eq!(plan.contains("Filter: rows."), filtered, "{plan}");
        answer(&sources, &question).await;
    }
}

#[tokio::test]
async fn a_files_own_column_wins_over_the_table_of_people() {
    let dir = tempfile::tempdir().unwrap();
    let own = ["child=a date=2025-12-01 attended=1 nc_year=8", "child=b date=2025-12-01 attended=1"];
    write(dir.path(), &marks(), &own);
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    let sources = sources(dir.path(), &marks(), "pupils/1");
    assert_eq!(answer(&sources, &question("", "SUM(attended)")).await, [0, 2]);
    // One who has no own value anywhere in the year's file.
    write(dir.path(), &marks(), &own[1..]);
    let sources = super::tests::sources(dir.path(), &marks(), "pupils/1");
    assert_eq!(answer(&sources, &question("", "SUM(attended)")).await, [0, 1]);
}

/// DATA section 1: on roll with status C or M on the period's last day; nobody else.
#[tokio::test]
async fn who_is_not_on_roll_on_the_last_day_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &marks(), &ROWS_OF_MARKS);
    for (pupil, counts) in [
        ("on_roll_from=2024-09-01 enrolment_status=C", 2),
        ("on_roll_from=2024-09-01 enrolment_status=M", 2),
        ("on_roll_from=2024-09-01", 2),
        ("on_roll_from=2024-09-01 enrolment_status=S", 0),
        ("on_roll_from=2025-12-19", 2),
        ("on_roll_from=2025-12-20", 0),
        ("on_roll_from=2024-09-01 on_roll_to=2025-12-19", 2),
        ("on_roll_from=2024-09-01 on_roll_to=2025-12-18", 0),
    ] {
        let row = format!("pupil_id=a nc_year=7 pupil_premium=true {pupil}");
        write(dir.path(), &shipped("pupils/1"), &[&row]);
        let sources = sources(dir.path(), &marks(), "pupils/1");
        // b and c have marks, but no place in the table of pupils.
        assert_eq!(answer(&sources, &question("", "SUM(attended)")).await, [counts, 0], "{pupil}");
        // The rule holds for questions about pupils themselves, too.
        let themselves = ask(&shipped("pupils/1"), "", "1", r#"{ column = "nc_year", cells = ["7", "8"] }"#);
        let pupils = Sources::new(newest_table(dir.path(), &shipped("pupils/1")).map(|(_, folder)| folder));
        assert_eq!(answer(&pupils, &themselves).await, [counts.min(1), 0], "{pupil}");
    }
}

#[tokio::test]
async fn a_pupil_who_stands_twice_in_the_table_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &marks(), &ROWS_OF_MARKS);
    write(dir.path(), &shipped("pupils/1"), &[PUPILS[0], PUPILS[0]]);
    let sources = sources(dir.path(), &marks(), "pupils/1");
    assert_eq!(answer(&sources, &question("", "SUM(attended)")).await, [2, 0]);
}

#[tokio::test]
async fn who_objects_does_not_count_with_or_without_a_table_of_people() {
    let dir = tempfile::tempdir().unwrap();
    let own: Vec<String> = ROWS_OF_MARKS.iter().map(|row| format!("{row} nc_year=7")).collect();
    write(dir.path(), &marks(), &own.iter().map(String::as_str).collect::<Vec<_>>());
    let objecting = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    let attended = question("", "SUM(attended)");
    for table in [false, true] {
        if table {
            write(dir.path(), &shipped("pupils/1"), &PUPILS);
        }
        let sources = sources(dir.path(), &marks(), "pupils/1");
        assert_eq!(answer(&sources, &attended).await, [4, 0]);
        let without = sources.clone().with_objections(objecting(&["a", "nobody", "' OR 1=1"]));
        assert_eq!(answer(&without, &attended).await, [2, 0], "{table}");
        let nobody = sources.with_objections(objecting(&["a", "b", "c"]));
        assert_eq!(answer(&nobody, &attended).await, [0, 0], "{table}");
    }
    let themselves = ask(&shipped("pupils/1"), "", "1", r#"{ column = "nc_year", cells = ["7", "8"] }"#);
    let pupils = Sources::new(newest_table(dir.path(), &shipped("pupils/1")).map(|(_, folder)| folder));
    let pupils = pupils.with_objections(objecting(&["b"]));
    assert_eq!(answer(&pupils, &themselves).await, [1, 1]);
}

/// Which pupils have so many incidents, in this part of December 2025: none by year group, some by year group.
fn incidents() -> BoundQuestion {
    let by = r#"{ column = "nc_year", cells = ["7", "8"] },
      { name = "incidents", sql = "CASE WHEN COUNT(type) FILTER (WHERE type <> 'positive') = 0 THEN '0' ELSE '1+' END", cells = ["0", "1+"] }"#;
    let text = r#"id = "q"
      version = 1
      title = "Q"
      vocabulary = "behaviour/1"
      period = "term"
      everyone = true
      figure = { kind = "count", of = "n" }
      loss = 1
      matters = "1"
      measure = [
        { name = "n", sql = "1", clamp = [0, 1], resolution = 1 },
        { name = "lost", sql = "COALESCE(SUM(sessions_lost), 0)", clamp = [0, 10], resolution = 1 },
      ]
      by = ["#;
    let draft = QuestionDraft::from_toml(&format!("{text}{by}]")).unwrap();
    let question = Question::admit(draft, &shipped("behaviour/1")).unwrap();
    question.bind(&BTreeMap::new(), Period::parse("2025-12-01..2025-12-19").unwrap()).unwrap()
}

#[tokio::test]
async fn everyone_who_counts_is_counted_with_or_without_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let behaviour = shipped("behaviour/1");
    let rows = [
        "pupil_id=a date=2025-12-02 type=suspension sessions_lost=4",
        "pupil_id=a date=2025-12-03 type=positive",
        // Of the same year's file, outside the period.
        "pupil_id=b date=2025-11-03 type=detention sessions_lost=1",
        "pupil_id=gone date=2025-12-02 type=detention",
    ];
    write(dir.path(), &behaviour, &rows);
    // Nobody has a year group without a table of pupils; who has no row is not made up.
    assert_eq!(answer(&sources(dir.path(), &behaviour, "pupils/1"), &incidents()).await, [0; 8]);
    let pupils = [
        PUPILS[0],
        PUPILS[1],
        PUPILS[2],
        "pupil_id=d nc_year=8 on_roll_from=2024-09-01 on_roll_to=2025-12-18",
        "pupil_id=e nc_year=8 on_roll_from=2024-09-01 enrolment_status=S",
        "pupil_id=gone nc_year=8 on_roll_from=2020-09-01 on_roll_to=2024-07-31",
    ];
    write(dir.path(), &shipped("pupils/1"), &pupils);
    let sources = sources(dir.path(), &behaviour, "pupils/1");
    // a lost four sessions; b and c of Year 8 have nothing; d, e and the one who left are not on roll.
    assert_eq!(answer(&sources, &incidents()).await, [0, 0, 1, 4, 2, 0, 0, 0]);
    let objecting = sources.clone().with_objections(BTreeSet::from(["b".to_owned(), "a".to_owned()]));
    assert_eq!(answer(&objecting, &incidents()).await, [0, 0, 0, 0, 1, 0, 0, 0]);
    // A year without a file is one in which nobody has a row; where nothing was ever imported nobody counts.
    let later = incidents().question().clone();
    let later = later.bind(&BTreeMap::new(), Period::parse("2026-10-01..2026-10-31").unwrap()).unwrap();
    assert_eq!(answer(&sources, &later).await, [1, 0, 0, 0, 2, 0, 0, 0]);
    let nothing = Sources { table: None, ..sources };
    assert_eq!(tabulate(&nothing, &incidents(), &"A".parse().unwrap()).await.unwrap(), [0; 8]);
}

#[tokio::test]
async fn the_files_own_value_puts_a_person_in_the_same_cell_when_everyone_counts() {
    let dir = tempfile::tempdir().unwrap();
    let behaviour = shipped("behaviour/1");
    let rows = [
        "pupil_id=b date=2025-12-02 type=detention nc_year=7",
        // Outside the period nothing is said.
        "pupil_id=c date=2025-11-03 type=detention nc_year=7",
    ];
    write(dir.path(), &behaviour, &rows);
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    let sources = sources(dir.path(), &behaviour, "pupils/1");
    assert_eq!(answer(&sources, &incidents()).await, [1, 0, 1, 0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn everyone_whose_consent_lives_has_hours_of_contact() {
    let dir = tempfile::tempdir().unwrap();
    let participation = shipped("vcse_participation/1");
    let rows = ["person_id=p date=2025-12-03 hours=2", "person_id=p date=2025-12-04 hours=0.5"];
    write(dir.path(), &participation, &rows);
    let consent = "first_contact=2025-01-01 consent_purposes=learn";
    let people = [
        format!("person_id=p age_band=18-24 {consent}"),
        format!("person_id=q age_band=18-24 {consent}"),
        format!("person_id=r age_band=65+ {consent} consent_expires=2025-12-30"),
        "person_id=s age_band=65+ first_contact=2025-01-01".to_owned(),
    ];
    write(dir.path(), &shipped("vcse_beneficiaries/1"), &people.each_ref().map(String::as_str));
    let question = crate::questions::named("contact-hours").unwrap();
    let question = Question::admit(question.draft.clone(), &participation).unwrap();
    let period = Period::parse("2025-09-01..2026-08-31").unwrap();
    let sources = sources(dir.path(), &participation, "vcse_beneficiaries/1")
        .asked("learn", Day::parse("2025-12-31").unwrap());
    let hours = answer(&sources, &question.bind(&BTreeMap::new(), period).unwrap()).await;
    assert_eq!(hours, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0], "q has none");
    let older = BTreeMap::from([("for.age_band".to_owned(), "65+".to_owned())]);
    assert_eq!(answer(&sources, &question.bind(&older, period).unwrap()).await, [0; 10]);
}

#[tokio::test]
async fn people_count_while_their_consent_names_the_purpose_and_lives() {
    let dir = tempfile::tempdir().unwrap();
    let beneficiaries = shipped("vcse_beneficiaries/1");
    let participation = Vocabulary::from_toml(HOURS).unwrap();
    write(dir.path(), &participation, &["person_id=p date=2025-12-03 hours=2"]);
    let today = Day::parse("2025-12-31").unwrap();
    for (consent, counts) in [
        ("consent_purposes=benchmarking", 1),
        ("consent_purposes=funding;benchmarking", 1),
        ("consent_purposes=funding,benchmarking,other", 1),
        ("consent_purposes=benchmarking consent_expires=2025-12-31", 1),
        ("consent_purposes=benchmarking consent_expires=2025-12-30", 0),
        ("consent_purposes=benchmarking2", 0),
        ("consent_purposes=funding", 0),
        ("", 0),
    ] {
        let row = format!("person_id=p sex=F first_contact=2025-01-01 {consent}");
        write(dir.path(), &beneficiaries, &[&row]);
        let hours = ask(&participation, "", "SUM(hours)", r#"{ column = "sex", cells = ["F"] }"#);
        let sources =
            sources(dir.path(), &participation, "vcse_beneficiaries/1").asked("benchmarking", today);
        assert_eq!(answer(&sources, &hours).await, [2 * counts], "{consent}");
    }
}

/// The day on which a child comes to compulsory age lies in the pupils' table; the period's end decides.
#[tokio::test]
async fn compulsory_age_is_that_of_the_periods_last_day() {
    let dir = tempfile::tempdir().unwrap();
    // As import leaves it of a date of birth.
    let text = SHIPPED_VOCABULARIES.iter().find(|text| text.contains("id = \"pupils\"")).unwrap();
    let hidden = ["compulsory_from", "compulsory_to"].into_iter().filter(|name| !text.contains(name));
    let hidden: String = hidden
        .map(|name| format!("{{ name = \"{name}\", type = \"date\", never = true, derived = true }},\n"))
        .collect();
    let (head, tail) = text.rsplit_once(']').unwrap();
    let pupils = Vocabulary::from_toml(&format!("{head}{hidden}]{tail}")).unwrap();
    write(dir.path(), &marks(), &ROWS_OF_MARKS[..2]);
    for (dates, counts) in [
        ("compulsory_from=2025-12-19 compulsory_to=2036-06-26", 2),
        ("compulsory_from=2025-12-20 compulsory_to=2036-06-26", 0),
        ("compulsory_from=2015-01-01 compulsory_to=2025-12-19", 2),
        ("compulsory_from=2015-01-01 compulsory_to=2025-12-18", 0),
        ("compulsory_age=true", 2),
        ("", 0),
    ] {
        let row = format!("pupil_id=a nc_year=7 pupil_premium=true on_roll_from=2024-09-01 {dates}");
        write(dir.path(), &pupils, &[&row]);
        let folder = newest_table(dir.path(), &pupils).map(|(_, folder)| (Arc::new(pupils.clone()), folder));
        let sources =
            Sources::new(newest_table(dir.path(), &marks()).map(|(_, folder)| folder)).with_people(folder);
        assert_eq!(
            answer(&sources, &question("compulsory_age", "SUM(attended)")).await,
            [counts, 0],
            "{dates}"
        );
    }
}

#[tokio::test]
async fn a_view_holds_no_column_that_is_never_in_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let beneficiaries = shipped("vcse_beneficiaries/1");
    write(dir.path(), &beneficiaries, &["person_id=p first_contact=2025-01-01 consent_purposes=x"]);
    let question = ask(&beneficiaries, "", "1", r#"{ column = "sex", cells = ["F"] }"#);
    let sources = Sources::new(newest_table(dir.path(), &beneficiaries).map(|(_, folder)| folder));
    let view = view_of(&sources, &question).await.unwrap().unwrap();
    for column in beneficiaries.columns().iter().filter(|column| column.name != "person_id") {
        let read = view.sql(&format!("SELECT {} FROM rows", identifier(&column.name))).await;
        assert_eq!(read.is_ok(), !column.never, "{}", column.name);
    }
}

#[tokio::test]
async fn every_form_of_a_split_is_the_same_above_and_below_the_join() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        "child=a date=2025-12-05 attended=1 weekday=Friday",
        "child=a date=2025-12-01 attended=1 weekday=Monday",
        "child=b date=2025-12-05 attended=1 weekday=Friday",
        "child=c date=2025-12-01 attended=0 weekday=Monday",
    ];
    write(dir.path(), &marks(), &rows);
    write(dir.path(), &shipped("pupils/1"), &PUPILS);
    let sources = sources(dir.path(), &marks(), "pupils/1");
    let year = r#"{ column = "nc_year", cells = ["7", "8"] }"#;
    let day = r#"{ column = "weekday", cells = ["Monday", "Friday"] }"#;
    let often = r#"{ name = "often", sql = "CASE WHEN SUM(attended) >= 2 AND pupil_premium AND nc_year = '7' THEN 'x' ELSE 'y' END", cells = ["x", "y"] }"#;
    for (measure, by, expected) in [
        // Each child in the first of its days.
        ("SUM(attended)", day.to_owned(), vec![1, 1]),
        ("SUM(attended)", format!("{year}, {day}"), vec![1, 0, 0, 1]),
        // A child's own columns and sums of its rows decide a cell together.
        ("SUM(attended)", often.to_owned(), vec![2, 1]),
        ("CASE WHEN pupil_premium THEN 1 ELSE 0 END", year.to_owned(), vec![1, 1]),
    ] {
        assert_eq!(answer(&sources, &ask(&marks(), "", measure, &by)).await, expected, "{measure} {by}");
    }
}

/// Participation without the table that says who consented: taken back, or never imported.
#[tokio::test]
async fn nobody_consents_where_no_table_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let hours = Vocabulary::from_toml(HOURS).unwrap();
    write(dir.path(), &hours, &["person_id=a date=2025-11-10 hours=2 sex=F"]);
    let table = newest_table(dir.path(), &hours).map(|(_, folder)| folder);
    let asked = ask(&hours, "", "1", r#"{ column = "sex", cells = ["F", "M"] }"#);
    assert_eq!(answer(&Sources::new(table), &asked).await, [0, 0]);
}
