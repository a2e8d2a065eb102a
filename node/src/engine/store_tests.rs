use std::collections::BTreeMap;

use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::{Day, Period};

use super::*;
use crate::import::Cell;

/// Sessions of a person, dated; a name may hold what other programs read as a pattern.
fn vocabulary(dated: bool) -> Vocabulary {
    let date = if dated { r#"{ name = "date", type = "date" },"# } else { "" };
    let text = format!(
        r#"id = "marks"
        version = 1
        title = "Marks"
        dataset = "marks"
        unit = "who"
        column = [
          {{ name = "who", type = "text", never = true }},
          {date}
          {{ name = "n", type = "integer", low = 0, high = 1 }},
        ]"#
    );
    Vocabulary::from_toml(&text).unwrap()
}

fn row(who: &str, day: Option<&str>) -> Vec<Cell> {
    let day = day.map(|day| Cell::Date(i32::try_from(Day::parse(day).unwrap().0).unwrap()));
    vec![Cell::Text(who.into()), day.unwrap_or(Cell::Null), Cell::Integer(1)]
}

fn how_many(period: &str) -> BoundQuestion {
    let text = r#"id = "q"
        version = 1
        title = "?"
        vocabulary = "marks/1"
        figure = { kind = "sum", of = "total" }
        loss = 1
        matters = "1"
        measure = [{ name = "total", sql = "SUM(n)", clamp = [0, 100], resolution = 1 }]"#;
    let question = Question::admit(QuestionDraft::from_toml(text).unwrap(), &vocabulary(true)).unwrap();
    question.bind(&BTreeMap::new(), Period::parse(period).unwrap()).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    crate::folder::list(folder).unwrap()
}

#[tokio::test]
async fn rows_lie_in_the_file_of_their_academic_year_and_a_question_reads_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path().join("a [b] *?%41/tables");
    let folder = table_path(&tables, &vocabulary(true), 1);
    let mut writer = TableWriter::create(&folder, &vocabulary(true)).unwrap();
    for day in ["2025-08-31", "2025-09-01", "2026-08-31", "2026-09-01"] {
        writer.push(&row("a", Some(day))).unwrap();
    }
    writer.push(&row("a", None)).unwrap();
    assert_eq!(newest_table(&tables, &vocabulary(true)), None, "not before it is whole");
    writer.finish().unwrap();
    assert_eq!(files(&folder), ["2024-25.parquet", "2025-26.parquet", "2026-27.parquet", "undated.parquet"]);
    let sources = Sources::new(newest_table(&tables, &vocabulary(true)).map(|(_, folder)| folder));
    let me = "A".parse().unwrap();
    let whole = how_many("2025-09-01..2026-08-31");
    assert_eq!(tabulate(&sources, &whole, &me).await.unwrap(), [2]);
    let late = how_many("2026-08-31..2026-08-31");
    assert_eq!(tabulate(&sources, &late, &me).await.unwrap(), [1]);
    // No file of that year: zeros, as without a table.
    let absent = how_many("2023-09-01..2024-08-31");
    assert_eq!(tabulate(&sources, &absent, &me).await.unwrap(), [0]);
    // Other years' files are not even opened.
    std::fs::write(folder.join("2024-25.parquet"), "not Parquet").unwrap();
    assert_eq!(tabulate(&sources, &whole, &me).await.unwrap(), [2]);
}

#[test]
fn without_a_date_column_one_file_holds_all_rows() {
    let dir = tempfile::tempdir().unwrap();
    let folder = table_path(dir.path(), &vocabulary(false), 7);
    let mut writer = TableWriter::create(&folder, &vocabulary(false)).unwrap();
    writer.push(&[Cell::Text("a".into()), Cell::Integer(1)]).unwrap();
    writer.finish().unwrap();
    assert_eq!(files(&folder), ["all.parquet"]);
    assert_eq!(newest_table(dir.path(), &vocabulary(false)), Some((7, folder.clone())));
    let error = TableWriter::create(&folder, &vocabulary(false)).err().unwrap();
    assert!(error.0.contains("a table already"), "{error}");
}

#[test]
fn what_a_crash_left_is_no_table_and_goes_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let vocabulary = vocabulary(true);
    let whole = table_path(dir.path(), &vocabulary, 1);
    TableWriter::create(&whole, &vocabulary).unwrap().finish().unwrap();
    let left = whole.with_file_name("000002.tmp");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("2025-26.parquet"), "half").unwrap();
    assert_eq!(newest_table(dir.path(), &vocabulary), Some((1, whole.clone())));
    remove_unfinished(dir.path()).unwrap();
    assert!(whole.exists() && !left.exists());
    // An import that fails tidies up after itself.
    let mut writer = TableWriter::create(&table_path(dir.path(), &vocabulary, 2), &vocabulary).unwrap();
    writer.push(&row("a", Some("2025-09-01"))).unwrap();
    assert!(left.exists());
    drop(writer);
    assert!(!left.exists());
}
