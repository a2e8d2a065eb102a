use std::collections::BTreeMap;
use std::io::Write as _;

use datacoop_policy::Period;
use datacoop_policy::question::{Question, QuestionDraft};

use std::fs::File;

use datacoop_policy::vocabulary::Vocabulary;

use super::*;
use crate::engine::{TableWriter, newest_table, table_path};
use crate::import::{Cell, Options, import_csv};

const ATTENDANCE: &str = include_str!("../vocab/attendance.toml");
const EVENT_DAY: &str = include_str!("../questions/catalogue/event-day.toml");
const RATE: &str = include_str!("../questions/catalogue/attendance-rate.toml");

fn bound(text: &str, params: &[(&str, &str)]) -> BoundQuestion {
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let question = Question::admit(QuestionDraft::from_toml(text).unwrap(), &vocabulary).unwrap();
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    question.bind(&params, Period::parse("2025-12-01..2025-12-19").unwrap()).unwrap()
}

fn event() -> BoundQuestion {
    bound(
        EVENT_DAY,
        &[("event_day", "2025-12-12"), ("baseline_days", "2025-12-05"), ("took_part", "GB-EDU-1")],
    )
}

/// (pupil, day of December, attended, premium, of compulsory age)
type Row = (u32, u32, bool, bool, bool);

async fn tally(rows: &[Row], question: &BoundQuestion, me: &str) -> Vec<i64> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("rows.csv");
    let mut file = File::create(&source).unwrap();
    writeln!(file, "pupil_id,date,session,possible,attended,absent,compulsory_age,nc_year,pupil_premium")
        .unwrap();
    for (pupil, day, attended, premium, age) in rows {
        let (yes, no) = (u8::from(*attended), u8::from(!*attended));
        writeln!(file, "p{pupil},2025-12-{day:02},AM,1,{yes},{no},{age},7,{premium}").unwrap();
    }
    drop(file);
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let table = table_path(dir.path(), &vocabulary, 1);
    import_csv(&source, &vocabulary, &Options::default(), &table).unwrap();
    assert_eq!(newest_table(dir.path(), &vocabulary).map(|(n, _)| n), Some(1));
    tabulate(&Sources::new(Some(table)), question, &me.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_event_day_is_summed_per_pupil_into_its_cell() {
    let rows = [
        // Premium, stayed away on the day: d = -1, d^2 = 1.
        (1, 12, false, true, true),
        (1, 5, true, true, true),
        // Not premium, came: d = 0.
        (2, 12, true, false, true),
        (2, 5, true, false, true),
        // No mark on the day: d is null, the pupil is skipped.
        (3, 5, true, true, true),
        // Not of compulsory age.
        (4, 12, false, true, false),
    ];
    // Cells: premium x took part x (n of 2, d of 8, q of 4).
    assert_eq!(tally(&rows, &event(), "GB-EDU-1").await, [2, -8, 4, 0, 0, 0, 2, 0, 0, 0, 0, 0]);
    assert_eq!(tally(&rows, &event(), "GB-EDU-2").await, [0, 0, 0, 2, -8, 4, 0, 0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn what_an_engine_cannot_take_in_fails_also_without_a_table() {
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let event = event();
    assert!(plan_without_table(&vocabulary, &event.unit_sql().text).await.is_ok());
    for sql in ["SELECT nobody FROM rows", "SELECT CAST(date AS DOUBLE) FROM rows", "SELEC"] {
        assert!(plan_without_table(&vocabulary, sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn no_table_gives_zeros() {
    assert_eq!(tabulate(&Sources::new(None), &event(), &"A".parse().unwrap()).await.unwrap(), vec![0; 12]);
}

#[tokio::test]
async fn a_joint_bound_cuts_the_last_measure_first() {
    let text = RATE.replace("total = 80", "total = 2").replace("\"attendance-rate\"", "\"r\"");
    let rows: Vec<Row> =
        (1..=3).map(|day| (1, day, true, true, true)).chain([(1, 4, false, true, true)]).collect();
    let question = bound(&text, &[]);
    assert_eq!(question.sensitivity2(), 4);
    assert_eq!(tally(&rows, &question, "A").await[..2], [2, 0]);
    assert_eq!(tally(&rows[2..], &question, "A").await[..2], [1, 1]);
}

/// Sessions of one pupil in school or away: 40 days of November and December, morning and afternoon.
fn sessions(pupil: u32, premium: bool, attended: impl Fn(u32) -> bool) -> Vec<Row> {
    (1..=19).flat_map(|day| [(pupil, day, attended(day), premium, true)]).collect()
}

/// A count and a mean of the same rows, as people write them.
fn exam(figure: &str, measures: &str) -> BoundQuestion {
    let text = format!(
        r#"id = "q"
        version = 1
        title = "?"
        vocabulary = "attendance/1"
        figure = {figure}
        loss = 1
        matters = "1"
        measure = [{measures}]
        by = [{{ column = "pupil_premium", cells = ["true", "false"] }}]"#
    );
    bound(&text, &[])
}

/// Delta is Sigma over measures of (clip / resolution)^2: no pupil moves the Tally further, and the
/// worst one moves it nearly as far.
#[tokio::test]
async fn removing_any_pupil_moves_the_tally_by_at_most_delta() {
    const N: &str = r#"{ name = "n", sql = "1", clamp = [0, 1], resolution = "1/4" }"#;
    const S: &str =
        r#"{ name = "s", sql = "SUM(attended) - SUM(absent)", clamp = [-16, 16], resolution = 2 }"#;
    let rate = RATE.replace("total = 80", "total = 18");
    for (question, delta2) in [
        (event(), 84i64),
        (bound(&rate, &[]), 18 * 18),
        (exam(r#"{ kind = "mean", of = "s", count = "n" }"#, &format!("{N}, {S}")), 16 + 64),
        (exam(r#"{ kind = "histogram", of = "n" }"#, N), 16),
        (exam(r#"{ kind = "count", of = "n" }"#, N), 16),
        (exam(r#"{ kind = "sum", of = "s" }"#, S), 64),
    ] {
        assert_eq!(question.sensitivity2(), u128::from(delta2.unsigned_abs()));
        let mut reached = 0;
        for case in 0u32..4 {
            let mark = |pupil: u32, day: u32| !(pupil * 7 + day * 13 + case * 5).is_multiple_of(3);
            let mut rows: Vec<Row> =
                (0..4).flat_map(|p| sessions(p, p % 2 == 0, |day| mark(p, day))).collect();
            // The worst: always in school, never, or away on the one day.
            rows.extend(sessions(7, true, |_| true));
            rows.extend(sessions(8, false, |_| false));
            rows.extend(sessions(9, true, |day| (day == 12) == (case % 2 == 1)));
            let all = tally(&rows, &question, "GB-EDU-1").await;
            for pupil in [0, 1, 2, 3, 7, 8, 9] {
                let rest: Vec<Row> = rows.iter().filter(|row| row.0 != pupil).copied().collect();
                let without = tally(&rest, &question, "GB-EDU-1").await;
                let distance: i64 = all.iter().zip(&without).map(|(a, b)| (a - b) * (a - b)).sum();
                assert!(distance <= delta2, "{distance} of {delta2}");
                reached = reached.max(distance);
            }
        }
        assert!(reached * 100 >= delta2 * 95, "the bound is nearly reached: {reached} of {delta2}");
    }
}

/// Rows of nobody would make one person of many, whom Delta does not bound.
#[tokio::test]
async fn rows_without_a_person_count_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).unwrap();
    let table = table_path(dir.path(), &vocabulary, 1);
    let mut writer = TableWriter::create(&table, &vocabulary).unwrap();
    for (id, day) in
        [(Cell::Null, 12), (Cell::Null, 5), (Cell::Text("p".into()), 12), (Cell::Text("p".into()), 5)]
    {
        let date = datacoop_policy::Day::from_civil(2025, 12, day).unwrap().0;
        writer
            .push(&[
                id,
                Cell::Date(i32::try_from(date).unwrap()),
                Cell::Text("AM".into()),
                Cell::Integer(1),
                Cell::Integer(1),
                Cell::Integer(0),
                Cell::Bool(true),
                Cell::Text("7".into()),
                Cell::Bool(true),
            ])
            .unwrap();
    }
    writer.finish().unwrap();
    let me = "GB-EDU-1".parse().unwrap();
    let sources = Sources::new(Some(table.clone()));
    assert_eq!(tabulate(&sources, &event(), &me).await.unwrap()[0], 2, "one pupil, in steps of a half");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(table.join("2025-26.parquet")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "rows are their owner's alone");
}
