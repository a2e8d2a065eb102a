//! A contribution of 200 cells: shared by its author, checked by a seat, decided by everyone; and what
//! sealing its shares with X-Wing costs, in time here and in bytes as `seal::OVERHEAD_BYTES`.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use datacoop_protocol::seal::{OVERHEAD_BYTES, open, round_keypair, seal};
use datacoop_protocol::secagg::Circuit;
use datacoop_protocol::seed::Seed;

fn contribution(c: &mut Criterion) {
    for (seats, max) in [(2, 1_400), (7, 1_400), (7, (1 << 24) - 1)] {
        let circuit = Circuit::new(seats, max, 200).unwrap();
        let vector: Vec<u64> = (0..200).map(|i| i % max).collect();
        let context = [1; 32];
        let name = |what: &str| format!("{what}, {seats} seats, 200 cells up to {max}");
        c.bench_function(&name("shard"), |b| b.iter(|| circuit.shard(&context, [2; 16], &vector).unwrap()));
        let sharing = circuit.shard(&context, [2; 16], &vector).unwrap();
        let init = |seat: usize| {
            circuit
                .verify_init(
                    &[3; 32],
                    &context,
                    seat,
                    &sharing.nonce,
                    &sharing.public_share,
                    &sharing.shares[seat],
                )
                .unwrap()
        };
        c.bench_function(&name("verify, first seat"), |b| b.iter(|| init(0)));
        c.bench_function(&name("verify, another seat"), |b| b.iter(|| init(1)));
        let verifiers: Vec<Vec<u8>> = (0..usize::from(seats)).map(|seat| init(seat).1).collect();
        let verifiers: Vec<&[u8]> = verifiers.iter().map(Vec::as_slice).collect();
        c.bench_function(&name("decide"), |b| {
            b.iter(|| circuit.decide(&context, &sharing.public_share, &verifiers).map(|_| ()).unwrap());
        });
    }
}

/// One share: the leader's, the longest at 24 bits a cell, and one of the others'.
fn sealing(c: &mut Criterion) {
    let (key, public) = round_keypair(&[1; 32]);
    c.bench_function("X-Wing, a round's key pair", |b| b.iter(|| round_keypair(&[1; 32])));
    for bytes in [64, 81_328] {
        let (share, once) = (vec![7; bytes], Seed::new([2; 32]));
        let name = |what: &str| format!("{what} a share of {bytes} bytes (sealed: {OVERHEAD_BYTES} more)");
        c.bench_function(&name("seal"), |b| {
            b.iter(|| seal(&public, b"info", b"aad", &share, &once).unwrap());
        });
        let sealed = seal(&public, b"info", b"aad", &share, &once).unwrap();
        c.bench_function(&name("open"), |b| b.iter(|| open(&key, b"info", b"aad", &sealed).unwrap()));
    }
}

criterion_group!(benches, contribution, sealing);
criterion_main!(benches);
