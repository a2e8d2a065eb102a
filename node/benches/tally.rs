//! A Tally over 100,000 made-up attendance rows, from Parquet to integers.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;

use criterion::{Criterion, criterion_group, criterion_main};
use datacoop::engine::{Sources, TableWriter, table_path, tabulate};
use datacoop::import::Cell;
use datacoop_policy::question::Question;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period};

fn tally(c: &mut Criterion) {
    let vocabulary = Vocabulary::from_toml(datacoop::home::SHIPPED_VOCABULARIES[0]).unwrap();
    let mut question = datacoop::questions::named("attendance-rate").unwrap().draft.clone();
    question.period = Some("year".into());
    let question = Question::admit(question, &vocabulary).unwrap();
    let bound = question.bind(&BTreeMap::new(), Period::parse("2025-09-01..2026-08-31").unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let table = table_path(dir.path(), &vocabulary, 1);
    let mut writer = TableWriter::create(&table, &vocabulary).unwrap();
    let first = i32::try_from(Day::parse("2025-09-01").unwrap().0).unwrap();
    for pupil in 0..1_000i32 {
        for day in 0..100 {
            let attended = i64::from((pupil + day) % 17 != 0);
            writer
                .push(&[
                    Cell::Text(format!("p{pupil}").into()),
                    Cell::Date(first + day),
                    Cell::Text("AM".into()),
                    Cell::Integer(1),
                    Cell::Integer(attended),
                    Cell::Integer(1 - attended),
                    Cell::Bool(true),
                    Cell::Text((7 + pupil % 5).to_string().into()),
                    Cell::Bool(pupil % 4 == 0),
                ])
                .unwrap();
        }
    }
    writer.finish().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sources = Sources::new(Some(table));
    let me = "GB-EDU-1".parse().unwrap();
    c.bench_function("attendance rate over 100,000 rows", |b| {
        b.iter(|| runtime.block_on(tabulate(&sources, &bound, &me)).unwrap());
    });
}

criterion_group!(benches, tally);
criterion_main!(benches);
