//! Nothing from a row leaves: 200 unique strings and as many long numbers are planted in columns that
//! the question reads, and everything sent, logged, written and exported is searched for them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datacoop::demo::{Data, Options, Spreadsheet, run};
use datacoop_tests::{QUESTION, VOCABULARY};

const PLANTED: usize = 200;

fn canary(n: usize) -> String {
    format!("canary-{:08x}", 0x9e37_79b9u32.wrapping_mul(u32::try_from(n + 1).unwrap()))
}

/// A long number beside it: 0x7abb_ccdd in its middle bytes, and 13495.. in decimals.
fn serial(n: usize) -> u64 {
    0x7abb_ccdd_0000 + n as u64
}

/// Searches for what all strings begin with, what all numbers begin with in decimals, and the bytes that
/// all numbers share as a little-endian integer and as a float.
fn holds_canary(bytes: &[u8]) -> bool {
    let decimals = serial(0).to_string();
    let (integer, float) = (serial(0).to_le_bytes(), (serial(0) as f64).to_le_bytes());
    let patterns: [&[u8]; 4] = [b"canary-", &decimals.as_bytes()[..11], &integer[2..], &float[3..]];
    let begins = |at: usize| patterns.iter().any(|pattern| bytes[at..].starts_with(pattern));
    (0..bytes.len()).any(begins)
}

/// Where every node's tracing goes.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Finds the planted values in what it should find them in.
#[test]
fn the_search_finds_what_it_looks_for() {
    for n in [0, 77, PLANTED - 1] {
        assert!(holds_canary(canary(n).as_bytes()));
        assert!(holds_canary(format!("x {} y", serial(n)).as_bytes()));
        assert!(holds_canary(&serial(n).to_le_bytes()));
        assert!(holds_canary(&(serial(n) as f64).to_le_bytes()));
    }
    assert!(!holds_canary(b"an answer of 13495.5 and no row"));
}

/// Every file below a folder, tables aside: those are the rows, and stay.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "tables" {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_raw_value_is_sent_written_or_exported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data.csv");
    let rows: String = (0..PLANTED)
        .map(|i| format!("S{},{},{},{},{}\n", i % 5, ["F", "M"][i / 5 % 2], i % 3, canary(i), serial(i)))
        .collect();
    std::fs::write(&file, format!("school,sex,score,remark,serial\n{rows}")).unwrap();
    assert!(holds_canary(&std::fs::read(&file).unwrap()));

    // The engine reads both: what it says of them must not reach a log either.
    let remark = "  { name = \"remark\", type = \"text\" },\n";
    let vocabulary =
        VOCABULARY.replace(remark, &format!("{remark}  {{ name = \"serial\", type = \"integer\" }},\n"));
    let question = QUESTION
        .replace("figure =", "where = \"remark <> 'x'\"\nfigure =")
        .replace("sql = \"1\"", "sql = \"CASE WHEN serial > 5 THEN 1 ELSE 0 END\"");
    let traced = Traced::default();
    let writer = traced.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();

    let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let record = sent.clone();
    let options = Options {
        keep: Some(dir.path().join("coop")),
        rho: None,
        data: Data::Spreadsheet(Spreadsheet {
            file,
            by: "school".into(),
            vocabulary,
            question,
            params: BTreeMap::new(),
            period: None,
        }),
        recorder: Some(Arc::new(move |frame| record.lock().unwrap().push(frame.to_vec()))),
    };
    let shown = run(options, &|_| ()).await.unwrap();
    assert_eq!((shown.members, shown.accepted), (5, 5));

    let frames = sent.lock().unwrap();
    assert!(frames.len() > 50, "frames were recorded: {}", frames.len());
    assert!(frames.iter().all(|frame| !holds_canary(frame)), "a frame holds a raw value");
    let traced = traced.0.lock().unwrap();
    assert!(traced.len() > 1_000, "tracing was recorded: {}", traced.len());
    assert!(!holds_canary(&traced), "tracing holds a raw value");
    let mut found = vec![];
    files(&dir.path().join("coop"), &mut found);
    assert!(found.iter().any(|path| path.ends_with("entries.jsonl")));
    for path in found {
        assert!(!holds_canary(&std::fs::read(&path).unwrap()), "{} holds a raw value", path.display());
    }
}
