//! A whole secure round over real libp2p on loopback: every entry signed, logged and synced, 200
//! cells, in one process with two meeting points.
//!
//! `cargo bench -p datacoop-tests --bench round [-- MEMBERS..]` prints p50 and p95 from asking to the
//! release at the asker, the disk's own sync latency beside them, and the noise's error against a
//! trusted curator with its theory.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use datacoop::driver::Node;
use datacoop_policy::question::QuestionDraft;
use datacoop_protocol::entry::Body;
use datacoop_tests::pretending::{nodes, nth_day, round};

/// Each round costs this; enough for `ROUNDS` of them within a year's floor.
const RHO_NANO: u64 = 5_000_000;
/// Rounds measured for each size, after one that warms up: with 200 cells each, the noise error is
/// known to 0.8 %, so the 3 % it is held to are four standard errors.
const ROUNDS: usize = 41;
/// How far the noise error may lie from its theory.
const RATIO_TOLERANCE: f64 = 0.03;

/// Two dimensions of 20 and 10 values: 200 cells.
fn vocabulary() -> String {
    let values = |n: usize| (0..n).map(|i| format!("\"v{i}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "id = \"grid\"\nversion = 1\ntitle = \"A grid\"\ndataset = \"grid\"\nunit = \"row\"\ncolumn = [\n  {{ name = \"a\", type = \"text\", values = [{}], group = true }},\n  {{ name = \"b\", type = \"text\", values = [{}], group = true }},\n]\n",
        values(20),
        values(10)
    )
}

fn question() -> QuestionDraft {
    let cells = |n: usize| (0..n).map(|i| format!("\"v{i}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "id = \"grid\"\nversion = 1\ntitle = \"How many in each cell?\"\nvocabulary = \"grid/1\"\nfigure = {{ kind = \"count\", of = \"n\" }}\nloss = {RHO_NANO}\nmatters = \"20\"\nmeasure = [{{ name = \"n\", sql = \"1\", clamp = [0, 1], resolution = 1 }}]\nby = [{{ column = \"a\", cells = [{}] }}, {{ column = \"b\", cells = [{}] }}]\n",
        cells(20),
        cells(10)
    );
    QuestionDraft::from_toml(&text).unwrap()
}

async fn measured_round(nodes: &[Node], number: usize) -> (Duration, Vec<f64>, f64) {
    let began = Instant::now();
    let id = round(nodes, &question(), nth_day(number)).await;
    let took = began.elapsed();
    let asker = nodes.last().unwrap().handle();
    // Nobody has data: the sums are noise alone.
    let (noise, theory) = asker
        .view(move |member| {
            let round = member.fold().round(&id).unwrap();
            let plan = round.plan().unwrap();
            let (logged, sums) = round.released().unwrap();
            let Body::Release { sums: noise, .. } = &logged.body else { panic!("no release") };
            let scale = f64::from(1u32 << plan.noise.doublings);
            let noise: Vec<f64> = noise.iter().map(|sum| *sum as f64 / scale).collect();
            (noise, (sums.accepted.len() as f64 / f64::from(plan.terms.honest)).sqrt())
        })
        .await
        .unwrap();
    (took, noise, theory)
}

/// p50 and p95 of a small synced write, in microseconds: what each durable step costs here at least.
fn disk(folder: &std::path::Path) -> (u128, u128) {
    let mut file = std::fs::File::create(folder.join("probe")).unwrap();
    let mut times: Vec<u128> = (0..200)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 300]).unwrap();
            file.sync_data().unwrap();
            began.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    (times[100], times[190])
}

async fn measure(members: usize) {
    let dir = tempfile::tempdir().unwrap();
    let nodes = nodes(dir.path(), &vocabulary(), members, 1_300, &[]).await;
    let (mut times, mut squares, mut count, mut theory) = (vec![], 0.0, 0, 0.0);
    for number in 0..=ROUNDS {
        let (took, noise, expected) = measured_round(&nodes, number).await;
        if number > 0 {
            times.push(took);
        }
        squares += noise.iter().map(|x| x * x).sum::<f64>();
        count += noise.len();
        theory = expected;
    }
    times.sort_unstable();
    let curator = (1.0 / (2.0 * RHO_NANO as f64 / 1e9)).sqrt();
    let ratio = (squares / count as f64).sqrt() / curator;
    let (p50, p95) = disk(dir.path());
    println!(
        "{members:>3} members, 200 cells: p50 {:>6.1} ms, p95 {:>6.1} ms   sync p50 {p50} us, p95 {p95} us   noise error {ratio:.3} x a curator's (theory {theory:.3})",
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[times.len() * 95 / 100].as_secs_f64() * 1e3,
    );
    assert!((ratio / theory - 1.0).abs() < RATIO_TOLERANCE, "the noise error is that of its theory");
    for node in nodes {
        node.stop().await.unwrap();
    }
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![5, 20, 65] } else { sizes };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_all().build().unwrap();
    for members in sizes {
        runtime.block_on(measure(members));
    }
}
