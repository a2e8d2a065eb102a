use super::*;
use crate::engine::TableWriter;
use crate::import::Cell;

const MARKS: &str = r#"
    id = "marks"
    version = 1
    title = "Marks"
    dataset = "pupils"
    unit = "child"
    key = ["child", "date"]
    column = [
      { name = "child", type = "text", never = true },
      { name = "date", type = "date" },
      { name = "code", type = "text" },
    ]"#;

fn marks() -> Vocabulary {
    Vocabulary::from_toml(MARKS).unwrap()
}

/// Stages rows of `child day code`.
fn stage(tables: &Path, rows: &[&str]) -> PathBuf {
    let staged = staging_path(tables, &marks()).unwrap();
    let mut writer = TableWriter::create(&staged, &marks()).unwrap();
    for row in rows {
        let [child, day, code] = row.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let day = Day::parse(day).map_or(Cell::Null, |day| Cell::Date(i32::try_from(day.0).unwrap()));
        writer.push(&[Cell::Text((*child).into()), day, Cell::Text((*code).into())]).unwrap();
    }
    writer.finish().unwrap();
    staged
}

/// The rows of a table in the order of its files, as `child day code`.
fn rows(folder: &Path) -> Vec<String> {
    let files: Vec<PathBuf> = parts_of(folder).unwrap().iter().map(|part| folder.join(part)).collect();
    block_on(async {
        let mut found = vec![];
        for file in files {
            // One reader: two would each begin somewhere.
            let one = datafusion::prelude::SessionConfig::new().with_target_partitions(1);
            let context = datafusion::prelude::SessionContext::new_with_config(one);
            context.register_table("t", table_of(&marks(), &[file])?).map_err(failed)?;
            let batches = context
                .sql("SELECT child || ' ' || COALESCE(CAST(date AS VARCHAR), '-') || ' ' || code AS row FROM t")
                .await
                .map_err(failed)?
                .collect()
                .await
                .map_err(failed)?;
            for batch in batches {
                let texts = datafusion::arrow::compute::cast(
                    batch.column(0),
                    &datafusion::arrow::datatypes::DataType::Utf8,
                );
                let texts = texts.map_err(failed)?;
                let texts = datafusion::common::cast::as_string_array(&texts).map_err(failed)?;
                found.extend(texts.iter().flatten().map(str::to_owned));
            }
        }
        Ok(found)
    })
    .unwrap()
}

fn newest(tables: &Path) -> Vec<String> {
    rows(&newest_table(tables, &marks()).unwrap().1)
}

fn days(first: &str, last: &str) -> [RangeInclusive<Day>; 1] {
    [Day::parse(first).unwrap()..=Day::parse(last).unwrap()]
}

#[test]
fn files_lie_in_the_order_of_person_and_day_and_lose_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path();
    let given = ["b 2025-12-02 /", "b 2025-12-01 N", "a 2025-12-01 I", "a 2026-09-01 N", "c - N"];
    let staged = stage(tables, &given);
    order_rows(&staged, &marks()).unwrap();
    let ordered = ["a 2025-12-01 I", "b 2025-12-01 N", "b 2025-12-02 /", "a 2026-09-01 N", "c - N"];
    assert_eq!(rows(&staged), ordered);
    order_rows(&staged, &marks()).unwrap();
    assert_eq!(rows(&staged), ordered);
}

#[test]
fn an_import_replaces_its_days_and_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path();
    let first = ["a 2024-12-01 /", "a 2025-12-01 /", "a 2025-12-02 /", "b 2025-12-03 /", "c - /"];
    assert_eq!(merge(tables, &marks(), &stage(tables, &first), None).unwrap(), 1);
    let second = ["a 2025-12-02 I", "b 2025-12-02 I"];
    let replaced = days("2025-12-02", "2025-12-03");
    assert_eq!(merge(tables, &marks(), &stage(tables, &second), Some(&replaced)).unwrap(), 2);
    let whole = ["a 2024-12-01 /", "a 2025-12-01 /", "a 2025-12-02 I", "b 2025-12-02 I", "c - /"];
    assert_eq!(newest(tables), whole);
    // The year that nothing touched is one file in both.
    use std::os::unix::fs::MetadataExt as _;
    let inode = |number| {
        let file = table_path(tables, &marks(), number).join("2024-25.parquet");
        fs::metadata(file).unwrap().ino()
    };
    assert_eq!(inode(1), inode(2));
    // The same import again gives the same rows.
    merge(tables, &marks(), &stage(tables, &second), Some(&replaced)).unwrap();
    assert_eq!(newest(tables), whole);
    // Days of which nothing came are empty; a year may end so.
    merge(tables, &marks(), &stage(tables, &[]), Some(&days("2024-09-01", "2025-12-01"))).unwrap();
    assert_eq!(newest(tables), whole[2..]);
    // Without days to replace all is new.
    merge(tables, &marks(), &stage(tables, &second), None).unwrap();
    assert_eq!(newest(tables), second);
}

#[test]
fn undo_goes_back_one_import_at_a_time_through_those_that_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path();
    for number in 1..=SNAPSHOTS_KEPT + 2 {
        let row = format!("a 2025-12-01 {number}");
        merge(tables, &marks(), &stage(tables, &[&row]), None).unwrap();
    }
    for number in (4..=SNAPSHOTS_KEPT + 2).rev() {
        assert_eq!(newest(tables), [format!("a 2025-12-01 {number}")]);
        assert_eq!(undo(tables, &marks()).unwrap(), Some(number as u64 - 1));
    }
    assert_eq!(undo(tables, &marks()).unwrap(), None);
    let error = undo(tables, &marks()).unwrap_err().to_string();
    assert!(error.contains("no import of marks/1"), "{error}");
    assert!(newest_table(tables, &marks()).is_none());
}

#[test]
fn what_a_crash_left_of_a_merge_is_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let tables = dir.path();
    merge(tables, &marks(), &stage(tables, &["a 2025-12-01 /"]), None).unwrap();
    // Staged, half merged, and half removed.
    let staged = stage(tables, &["a 2025-12-01 I"]);
    let half = unfinished_path(&table_path(tables, &marks(), 2));
    fs::create_dir(&half).unwrap();
    fs::write(half.join("2025-26.parquet"), "half").unwrap();
    assert_eq!(newest(tables), ["a 2025-12-01 /"]);
    assert_eq!(merge(tables, &marks(), &staged, Some(&days("2025-12-01", "2025-12-01"))).unwrap(), 2);
    assert_eq!(newest(tables), ["a 2025-12-01 I"]);
    stage(tables, &["a 2025-12-01 N"]);
    super::super::remove_unfinished(tables).unwrap();
    assert_eq!(crate::folder::list(&snapshots_path(tables, &marks())).unwrap(), ["000001", "000002"]);
    assert!(!staged.exists());
}

#[test]
fn more_rows_than_memory_holds_are_ordered_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let staged = staging_path(dir.path(), &marks()).unwrap();
    let mut writer = TableWriter::create(&staged, &marks()).unwrap();
    let first = i32::try_from(Day::parse("2025-09-01").unwrap().0).unwrap();
    for n in 0..120_000i32 {
        let child = Cell::Text(format!("pupil-{:06}", (n * 7_919) % 120_000).into());
        writer.push(&[child, Cell::Date(first), Cell::Text(format!("{n:0300}").into())]).unwrap();
    }
    writer.finish().unwrap();
    order_within(&staged, &marks(), 24 * 1024 * 1024).unwrap();
    assert_eq!(rows(&staged).len(), 120_000);
    assert!(rows(&staged).is_sorted());
}
