//! A register of 400,000 marks, from a CSV file to a table: how long it takes, and the most memory that
//! the process ever held. `cargo bench --bench import -- 20000000` for another number of rows.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::io::Write as _;
use std::time::Instant;

use datacoop::import::{Options, import_csv};
use datacoop_policy::Day;
use datacoop_policy::vocabulary::Vocabulary;

const ROWS: u64 = 400_000;
/// Pupils of a school; with 380 sessions a year, 400,000 rows are 1,053 pupils.
const SESSIONS: u64 = 380;

/// The most memory the process ever held, in MB, as Linux tells it.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1_024)
}

fn main() {
    let rows = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(ROWS);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("marks.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    writeln!(file, "Adno,Date,Session,Mark\n").unwrap();
    let first = Day::parse("2025-09-01").unwrap().0;
    for row in 0..rows {
        let (pupil, session) = (row / SESSIONS, row % SESSIONS);
        let (year, month, day) =
            Day(first + i64::try_from(session / 10 * 7 + session % 10 / 2).unwrap()).civil();
        let (name, present) = if session % 2 == 0 { ("AM", "/") } else { ("PM", "\\") };
        let mark = ["I", "L", "N"].get(usize::try_from((row * 7_919) % 40).unwrap()).unwrap_or(&present);
        writeln!(file, "{:06},{day:02}/{month:02}/{year},{name},{mark}", 100_000 + pupil).unwrap();
    }
    file.flush().unwrap();
    drop(file);
    let vocabulary = Vocabulary::from_toml(datacoop::home::SHIPPED_VOCABULARIES[0]).unwrap();
    let before = most_memory().unwrap_or(0);
    let start = Instant::now();
    let report = import_csv(&path, &vocabulary, &Options::default(), &dir.path().join("table")).unwrap();
    let took = start.elapsed();
    assert_eq!((report.rows_kept, report.rows_refused), (rows, 0));
    println!(
        "{rows} rows in {:.2} s; at most {} MB held, {before} MB before",
        took.as_secs_f64(),
        most_memory().unwrap_or(0)
    );
}
