//! Appending to a log's tree, and proving an entry of a large one.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datacoop_protocol::log::tree::{Tree, leaf_hash, verify_inclusion};

fn log(c: &mut Criterion) {
    let entries: Vec<Vec<u8>> = (0..10_000u32).map(|i| vec![u8::try_from(i % 251).unwrap(); 600]).collect();
    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("append 10,000 entries of 600 bytes and take the root", |b| {
        b.iter(|| {
            let mut tree = Tree::default();
            entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
            tree.root()
        });
    });
    group.finish();
    let mut tree = Tree::default();
    (0..1_000_000u64).for_each(|i| tree.push(leaf_hash(&i.to_le_bytes())));
    let (leaf, root) = (tree.leaf(777_777).unwrap(), tree.root());
    c.bench_function("inclusion proof among 1,000,000", |b| {
        b.iter(|| tree.inclusion_proof(777_777, 1_000_000))
    });
    let proof = tree.inclusion_proof(777_777, 1_000_000).unwrap();
    c.bench_function("verify it", |b| b.iter(|| verify_inclusion(leaf, 777_777, 1_000_000, &proof, root)));
}

criterion_group!(benches, log);
criterion_main!(benches);
