//! A Tally of a year of attendance, ours and DuckDB's, over the same Parquet files on the same machine in
//! one run: 200,000 pupils and 76 million sessions unless `DATACOOP_TALLY_PUPILS` says otherwise.
//!
//! DuckDB comes from PyPI into a virtual environment under `target`; without Python or PyPI the bench
//! says so and shows ours alone.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datacoop::engine::{Sources, TableWriter, newest_table, table_path, tabulate};
use datacoop::home::SHIPPED_VOCABULARIES;
use datacoop::import::{Cell, kept_columns};
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period};
use serde_json::Value;

/// DESIGN section 9.
const PUPILS: u32 = 200_000;
/// Mornings and afternoons of a school year.
const DAYS: i32 = 190;
/// Runs of each; halves of ours stand before and after DuckDB's, so that a busy minute hits both.
const RUNS: usize = 6;
/// DESIGN section 9.
const RATIO_MAX: f64 = 1.6;
const PERIOD: &str = "2025-09-01..2026-08-31";
/// Raised when other files would be written: old ones are not used again.
const GENERATION: u32 = 1;

/// Sessions as a register has them; who the pupils are lies in `pupils/1`.
const VOCABULARY: &str = r#"
id = "sessions"
version = 1
title = "Who was in school"
dataset = "pupils"
unit = "pupil_id"
key = ["pupil_id", "date", "session"]
column = [
  { name = "pupil_id", type = "text", never = true },
  { name = "date", type = "date" },
  { name = "session", type = "text", values = ["AM", "PM"] },
  { name = "code", type = "text", sensitive = true },
  { name = "mark_class", type = "text", values = ["present", "authorised"], group = true, varies = true },
  { name = "possible", type = "integer", low = 0, high = 1 },
  { name = "attended", type = "integer", low = 0, high = 1 },
  { name = "absent", type = "integer", low = 0, high = 1 },
  { name = "nc_year", type = "text", values = ["7", "8", "9", "10", "11"], group = true, of = "pupils/1" },
  { name = "pupil_premium", type = "bool", group = true, of = "pupils/1" },
  { name = "compulsory_age", type = "bool", of = "pupils/1" },
]"#;
const QUESTION: &str = r#"
id = "attendance-year"
version = 1
title = "How often are our children in school?"
vocabulary = "sessions/1"
where = "compulsory_age"
figure = { kind = "rate", of = "in_school", against = "away" }
loss = 1
matters = "1 pp"
at_most = { measures = ["in_school", "away"], total = 380 }
measure = [
  { name = "in_school", sql = "SUM(attended)", clamp = [0, 380], resolution = 1 },
  { name = "away", sql = "SUM(absent)", clamp = [0, 380], resolution = 1 },
]
by = [
  { column = "nc_year", cells = ["7", "8", "9", "10", "11"] },
  { column = "pupil_premium", cells = ["true", "false"] },
]"#;

fn pupils_vocabulary() -> Vocabulary {
    let mut shipped = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
    shipped.find(|vocabulary| vocabulary.name() == "pupils/1").unwrap()
}

fn question(vocabulary: &Vocabulary) -> BoundQuestion {
    let question = Question::admit(QuestionDraft::from_toml(QUESTION).unwrap(), vocabulary).unwrap();
    question.bind(&BTreeMap::new(), Period::parse(PERIOD).unwrap()).unwrap()
}

/// Writes a table of `rows` rows, each of the named cells.
fn write(folder: &Path, vocabulary: &Vocabulary, names: &[&str], rows: impl Iterator<Item = Vec<Cell>>) {
    let columns = kept_columns(vocabulary);
    let at = |name: &&str| columns.iter().position(|column| column.name == **name).unwrap();
    let at: Vec<usize> = names.iter().map(at).collect();
    let mut writer = TableWriter::create(folder, vocabulary).unwrap();
    let mut row = vec![Cell::Null; columns.len()];
    for cells in rows {
        for (at, cell) in at.iter().zip(cells) {
            row[*at] = cell;
        }
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap();
}

fn day(text: &str) -> i32 {
    i32::try_from(Day::parse(text).unwrap().0).unwrap()
}

/// Admission numbers as schools write them.
fn pupil_id(pupil: u32) -> Arc<str> {
    format!("{:06}", 100_000 + pupil).into()
}

fn write_pupils(folder: &Path, pupils: u32) {
    let from = day("2021-09-01");
    let rows = (0..pupils).map(|pupil| {
        vec![
            Cell::Text(pupil_id(pupil)),
            Cell::Text((7 + pupil % 5).to_string().into()),
            Cell::Bool(pupil % 4 == 0),
            Cell::Bool(pupil % 50 != 0),
            Cell::Date(from),
            Cell::Text(if pupil % 100 == 7 { "S" } else { "C" }.into()),
        ]
    });
    let names =
        ["pupil_id", "nc_year", "pupil_premium", "compulsory_age", "on_roll_from", "enrolment_status"];
    write(folder, &pupils_vocabulary(), &names, rows);
}

/// Each pupil's year, one after the other, as an import leaves it.
fn write_sessions(folder: &Path, vocabulary: &Vocabulary, pupils: u32) {
    let first = day("2025-09-01");
    let texts = ["AM", "PM", "/", "\\", "I", "present", "authorised"].map(Arc::<str>::from);
    let [am, pm, came_am, came_pm, ill, present, authorised] = &texts;
    let rows = (0..pupils).flat_map(|pupil| {
        let id = pupil_id(pupil);
        (0..DAYS * 2).map(move |session| {
            let morning = session % 2 == 0;
            // A fixed spread of absence: no two pupils miss the same sessions.
            let mix = (u64::from(pupil) * 380 + u64::from(session.unsigned_abs()))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let away = (mix >> 40) % 100 < 4 + u64::from(pupil % 11);
            let came = if morning { came_am } else { came_pm };
            vec![
                Cell::Text(id.clone()),
                // Five days a week.
                Cell::Date(first + session / 10 * 7 + session % 10 / 2),
                Cell::Text(if morning { am } else { pm }.clone()),
                Cell::Text(if away { ill } else { came }.clone()),
                Cell::Text(if away { authorised } else { present }.clone()),
                Cell::Integer(1),
                Cell::Integer(i64::from(!away)),
                Cell::Integer(i64::from(away)),
            ]
        })
    });
    let names = ["pupil_id", "date", "session", "code", "mark_class", "possible", "attended", "absent"];
    write(folder, vocabulary, &names, rows);
}

/// The tables, written once into `target`.
fn tables(root: &Path, vocabulary: &Vocabulary, pupils: u32) -> PathBuf {
    let tables = root.join(format!("{GENERATION}-{pupils}"));
    let people = pupils_vocabulary();
    if newest_table(&tables, &people).is_none() {
        write_pupils(&table_path(&tables, &people, 1), pupils);
    }
    if newest_table(&tables, vocabulary).is_none() {
        let began = Instant::now();
        println!("writing {} sessions, once ...", rows_text(pupils));
        write_sessions(&table_path(&tables, vocabulary, 1), vocabulary, pupils);
        println!("  written in {:.0} s", began.elapsed().as_secs_f64());
    }
    tables
}

fn rows_text(pupils: u32) -> String {
    format!("{:.1} million", f64::from(pupils) * f64::from(DAYS * 2) / 1e6)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Python's interpreter with DuckDB, or why there is none.
fn python(root: &Path) -> Result<PathBuf, String> {
    let venv = root.join("venv");
    let python = venv.join("bin/python");
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(text.lines().last().unwrap_or("it failed").to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    if run(Command::new(&python).args(["-c", "import duckdb"])).is_ok() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .map_err(|error| format!("no Python environment: {error}"))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb==2.0.1"]))
        .map_err(|error| format!("no DuckDB from PyPI: {error}"))?;
    Ok(python)
}

/// What DuckDB needs for the same, and what it found.
fn duckdb(root: &Path, sessions: &Path, pupils: &Path) -> Result<Value, String> {
    let python = python(root)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tally/duckdb_tally.py");
    let output = Command::new(python)
        .arg(script)
        .args([sessions, pupils])
        .args(PERIOD.split(".."))
        .arg(RUNS.to_string())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn seconds(value: &Value) -> f64 {
    let mut times: Vec<Duration> =
        value.as_array().unwrap().iter().map(|s| Duration::from_secs_f64(s.as_f64().unwrap())).collect();
    median(&mut times)
}

fn main() {
    let pupils = std::env::var("DATACOOP_TALLY_PUPILS").map_or(PUPILS, |text| text.parse().unwrap());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tally");
    let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
    let tables = tables(&root, &vocabulary, pupils);
    let people = Arc::new(pupils_vocabulary());
    let (_, sessions) = newest_table(&tables, &vocabulary).unwrap();
    let (_, roll) = newest_table(&tables, &people).unwrap();
    let question = question(&vocabulary);
    let sources = Sources::new(Some(sessions.clone())).with_people(Some((people, roll.clone())));
    let (sessions, roll) = (sessions.join("2025-26.parquet"), roll.join("all.parquet"));
    let size = std::fs::metadata(&sessions).unwrap().len() / 1_000_000;
    println!("{pupils} pupils, {} sessions, {size} MB of Parquet", rows_text(pupils));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let me = "GB-EDU-1".parse().unwrap();
    let (mut times, mut cells) = (vec![], vec![]);
    let mut ours = |times: &mut Vec<Duration>| {
        for _ in 0..RUNS / 2 {
            let began = Instant::now();
            cells = runtime.block_on(tabulate(&sources, &question, &me)).unwrap();
            times.push(began.elapsed());
        }
    };
    ours(&mut times);
    let theirs = duckdb(&root, &sessions, &roll);
    ours(&mut times);
    let our_median = median(&mut times);
    println!("datacoop         median {our_median:.3} s");
    match theirs {
        Err(why) => println!("DuckDB           not measured: {why}"),
        Ok(theirs) => {
            let found: Vec<i64> =
                theirs["cells"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
            assert_eq!(cells, found, "both count the same");
            let (summed, joined) = (seconds(&theirs["summed_first"]), seconds(&theirs["joined_first"]));
            let version = theirs["version"].as_str().unwrap();
            println!("DuckDB {version:<9} median {summed:.3} s (summed first), {joined:.3} s (joined first)");
            let ratio = our_median / summed.min(joined);
            let verdict = if ratio <= RATIO_MAX { "met" } else { "missed" };
            println!("ratio to the faster  {ratio:.2}   target {RATIO_MAX}: {verdict}");
        }
    }
}
