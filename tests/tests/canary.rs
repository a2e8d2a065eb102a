//! Nothing from a row leaves: 200 unique strings and as many long numbers are planted in columns that
//! the question reads, and everything sent, logged, written and exported, certificates too, is searched for
//! them: plain, reversed, as UTF-16, hex and base64, and numbers as integers and floats of either byte order.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
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

/// Bytes that every planted value has in common, as a program may hold it: strings by their beginning, numbers
/// as decimals, as integers and as floats, the first byte first or last.
fn beginnings() -> Vec<Vec<u8>> {
    let decimals = serial(0).to_string();
    let (integer, float) = (serial(0), serial(0) as f64);
    vec![
        b"canary-".to_vec(),
        decimals.as_bytes()[..11].to_vec(),
        integer.to_le_bytes()[2..].to_vec(),
        integer.to_be_bytes()[..6].to_vec(),
        float.to_le_bytes()[2..].to_vec(),
        float.to_be_bytes()[..6].to_vec(),
    ]
}

/// The characters of base64 that bytes have wherever they begin among the three of a group.
fn in_base64(bytes: &[u8], engine: &impl Engine) -> Vec<Vec<u8>> {
    let at = |before: usize| {
        let encoded = engine.encode([&vec![0; before][..], bytes].concat());
        // A character holds 6 bits: those that the bytes before and behind have no part in.
        encoded.as_bytes()[(before * 8).div_ceil(6)..(before + bytes.len()) * 8 / 6].to_vec()
    };
    (0..3).map(at).collect()
}

/// Every form in which a planted value could leave, by the byte it begins with.
struct Forms(Vec<Vec<Vec<u8>>>);

impl Forms {
    fn all() -> Self {
        let mut forms = vec![vec![]; 256];
        for bytes in beginnings() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut of_one = vec![
                bytes.iter().rev().copied().collect(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
                bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
                bytes.iter().flat_map(|byte| [0, *byte]).collect(),
            ];
            of_one.extend(in_base64(&bytes, &STANDARD));
            of_one.extend(in_base64(&bytes, &URL_SAFE));
            of_one.push(bytes);
            for form in of_one {
                forms[usize::from(form[0])].push(form);
            }
        }
        Self(forms)
    }

    fn are_in(&self, bytes: &[u8]) -> bool {
        let begins =
            |at: usize| self.0[usize::from(bytes[at])].iter().any(|form| bytes[at..].starts_with(form));
        (0..bytes.len()).any(begins)
    }
}

fn holds_canary(bytes: &[u8]) -> bool {
    static FORMS: OnceLock<Forms> = OnceLock::new();
    FORMS.get_or_init(Forms::all).are_in(bytes)
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

/// A value in every form, whole and between other bytes.
fn every_form(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![];
    for (before, behind) in [(0, 0), (1, 2), (2, 5), (3, 1), (4, 0)] {
        let around = [&vec![b'#'; before][..], value, &vec![b'~'; behind]].concat();
        let hex = around.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let reversed: Vec<u8> = around.iter().rev().copied().collect();
        let wide = |swap: bool| -> Vec<u8> {
            around.iter().flat_map(|byte| if swap { [0, *byte] } else { [*byte, 0] }).collect()
        };
        forms.extend([hex.to_uppercase().into_bytes(), hex.into_bytes(), reversed, wide(false), wide(true)]);
        forms.extend([STANDARD.encode(&around), URL_SAFE.encode(&around)].map(String::into_bytes));
        forms.push(around);
    }
    forms
}

/// Finds the planted values in what it should find them in.
#[test]
fn the_search_finds_what_it_looks_for() {
    for n in [0, 77, PLANTED - 1] {
        let (text, decimals, float) = (canary(n), serial(n).to_string(), serial(n) as f64);
        let numbers =
            [serial(n).to_le_bytes(), serial(n).to_be_bytes(), float.to_le_bytes(), float.to_be_bytes()];
        let values =
            [text.as_bytes(), decimals.as_bytes()].into_iter().chain(numbers.iter().map(<[u8; 8]>::as_slice));
        for value in values {
            for (at, form) in every_form(value).into_iter().enumerate() {
                assert!(holds_canary(&form), "{value:?}, form {at}: {form:?}");
            }
        }
    }
    assert!(!holds_canary(b"an answer of 13495.5 and no row"));
    assert!(!holds_canary(&STANDARD.encode([0; 64]).into_bytes()));
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
    let ends = |end: &str| found.iter().any(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    for searched in ["export/entries.jsonl", "export/checkpoint", ".dcert"] {
        assert!(ends(searched), "there is a {searched} to search");
    }
    for path in found {
        assert!(!holds_canary(&std::fs::read(&path).unwrap()), "{} holds a raw value", path.display());
    }
}
