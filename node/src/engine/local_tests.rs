use super::*;
use crate::engine::{TableWriter, newest_table, table_path};
use crate::import::read_cell;

const MARKS: &str = r#"
    id = "our-marks"
    version = 1
    title = "Marks"
    dataset = "pupils"
    unit = "child"
    column = [
      { name = "child", type = "text", never = true },
      { name = "date", type = "date" },
      { name = "attended", type = "integer", low = 0, high = 1 },
      { name = "hours", type = "number" },
      { name = "nc_year", type = "text", values = ["7", "8"], group = true, of = "roll/1" },
    ]"#;
const ROLL: &str = r#"
    id = "roll"
    version = 1
    title = "Roll"
    dataset = "pupils"
    unit = "pupil"
    column = [
      { name = "pupil", type = "text", never = true },
      { name = "nc_year", type = "text", values = ["7", "8"], group = true },
      { name = "premium", type = "bool", group = true },
    ]"#;

fn write(tables: &Path, text: &str, rows: &[&str]) -> (Arc<Vocabulary>, PathBuf) {
    let vocabulary = Vocabulary::from_toml(text).unwrap();
    let folder = table_path(tables, &vocabulary, 1);
    let mut writer = TableWriter::create(&folder, &vocabulary).unwrap();
    for row in rows {
        let columns = kept_columns(&vocabulary);
        let cells = columns.iter().zip(row.split(','));
        let cells: Vec<_> = cells.map(|(column, text)| read_cell(column, false, text).unwrap()).collect();
        writer.push(&cells).unwrap();
    }
    writer.finish().unwrap();
    (Arc::new(vocabulary.clone()), newest_table(tables, &vocabulary).unwrap().1)
}

/// Rows as text, a line each.
async fn ask(sql: &str, rows_max: usize) -> Result<(Vec<String>, bool), String> {
    let dir = tempfile::tempdir().unwrap();
    let marks = ["a,2025-12-01,1,1.5,", "a,2024-12-01,0,,", "b,2025-12-01,1,2,7", "c,,1,2,"];
    let (vocabulary, folder) = write(dir.path(), MARKS, &marks);
    let people = write(dir.path(), ROLL, &["a,8,true", "b,8,false"]);
    let roll = LocalTable { vocabulary: people.0.clone(), folder: people.1.clone(), people: None };
    let tables = [LocalTable { vocabulary, folder, people: Some(people) }, roll];
    let today = Day::parse("2025-12-24").unwrap();
    let answer = query(&tables, dir.path(), today, sql, rows_max).await.map_err(|error| error.to_string())?;
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => format!("{number:?}"),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => format!("'{text}'"),
    };
    let rows = answer.rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" "));
    Ok((rows.collect(), answer.has_more))
}

#[tokio::test]
async fn all_years_are_seen_and_joined_with_who_people_are() {
    let (rows, more) = ask("SELECT * FROM our_marks ORDER BY child, date", 10).await.unwrap();
    let all = [
        "'a' '2024-12-01' 0 - '8'",
        "'a' '2025-12-01' 1 1.5 '8'",
        "'b' '2025-12-01' 1 2.0 '7'",
        "'c' - 1 2.0 -",
    ];
    assert_eq!((rows, more), (all.map(str::to_owned).to_vec(), false));
    let sql = "WITH y AS (SELECT nc_year, SUM(attended) AS n FROM our_marks GROUP BY nc_year)
               SELECT nc_year, n, n > 1 AS many FROM y ORDER BY nc_year";
    assert_eq!(ask(sql, 10).await.unwrap().0, ["'7' 1 false", "'8' 1 false", "- 1 false"]);
    let sql = "SELECT COUNT(*), AVG(hours) FROM our_marks JOIN roll ON child = pupil WHERE premium";
    assert_eq!(ask(sql, 10).await.unwrap().0, ["2 1.5"]);
}

#[tokio::test]
async fn no_more_rows_come_than_were_wanted() {
    let (rows, more) = ask("SELECT child FROM our_marks ORDER BY child", 3).await.unwrap();
    assert_eq!((rows.len(), more), (3, true));
    assert!(!ask("SELECT child FROM our_marks", 4).await.unwrap().1);
    assert!(!ask("SELECT child FROM our_marks LIMIT 2", 2).await.unwrap().1);
}

#[tokio::test]
async fn whatever_is_no_select_over_our_tables_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.csv");
    std::fs::write(&secret, "a,b\n1,2\n").unwrap();
    let file = secret.display();
    let copy = format!("COPY our_marks TO '{file}'");
    let external = format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{file}'");
    for (sql, said) in [
        (copy.as_str(), "only SELECT"),
        (external.as_str(), "only SELECT"),
        ("CREATE TABLE t AS SELECT 1", "only SELECT"),
        ("CREATE VIEW t AS SELECT 1", "only SELECT"),
        ("INSERT INTO roll VALUES ('x', '7', true)", "only SELECT"),
        ("DELETE FROM roll", "only SELECT"),
        ("UPDATE roll SET premium = true", "only SELECT"),
        ("DROP TABLE roll", "only SELECT"),
        ("SET datafusion.catalog.information_schema = true", "only SELECT"),
        ("EXPLAIN SELECT 1", "only SELECT"),
        ("SHOW TABLES", "only SELECT"),
        ("SELECT 1; SELECT 2", ""),
        ("SELECT * INTO t FROM roll", ""),
        ("SELECT * FROM nothing", "there is no table `nothing`; there are our_marks, roll"),
        ("SELECT * FROM own", "there is no table `own`"),
        ("SELECT * FROM information_schema.tables", ""),
        ("SELECT * FROM generate_series(1, 9)", "no function may stand for a table"),
        ("SELECT * FROM read_csv('x')", "no function may stand for a table"),
        ("SELECT colour FROM roll", "colour"),
        ("SELEC 1", ""),
        ("", ""),
    ] {
        let error = ask(sql, 10).await.expect_err(sql);
        assert!(error.contains(said), "{sql}: {error}");
        assert!(error.starts_with(|c: char| !c.is_uppercase()) && !error.ends_with('.'), "{sql}: {error}");
    }
    for sql in [format!("SELECT * FROM '{file}'"), format!("SELECT * FROM \"{file}\"")] {
        assert!(ask(&sql, 10).await.unwrap_err().contains("there is no table"), "{sql}");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "a,b\n1,2\n");
}
