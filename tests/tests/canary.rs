//! Nothing from a row leaves: 200 unique strings are planted in the data, and everything sent,
//! written and exported is searched for them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datacoop::demo::{Options, Spreadsheet, run};
use datacoop_tests::{QUESTION, VOCABULARY};

const PLANTED: usize = 200;

fn canary(n: usize) -> String {
    format!("canary-{:08x}", 0x9e37_79b9u32.wrapping_mul(u32::try_from(n + 1).unwrap()))
}

fn holds_canary(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"canary-")
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
        .map(|i| format!("S{},{},{},{}\n", i % 5, ["F", "M"][i / 5 % 2], i % 3, canary(i)))
        .collect();
    std::fs::write(&file, format!("school,sex,score,remark\n{rows}")).unwrap();
    assert!(holds_canary(&std::fs::read(&file).unwrap()));

    let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let record = sent.clone();
    let options = Options {
        members: 0,
        keep: Some(dir.path().join("coop")),
        seed: 0,
        rho: None,
        data: Some(Spreadsheet {
            file,
            by: "school".into(),
            vocabulary: VOCABULARY.into(),
            question: QUESTION.into(),
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
    let mut found = vec![];
    files(&dir.path().join("coop"), &mut found);
    assert!(found.iter().any(|path| path.ends_with("entries.jsonl")));
    for path in found {
        assert!(!holds_canary(&std::fs::read(&path).unwrap()), "{} holds a raw value", path.display());
    }
}
