//! How long a page takes on a node that holds a year: 200 releases, 10,000 log entries.
//!
//! `cargo bench -p datacoop-tests --bench pages [-- RELEASES]` asks five nodes of this process as many questions as
//! that takes, then gets each page over its own socket and prints how long the first time took, p50 and p95. The first
//! time counts what is remembered afterwards, such as the node's own figures beside a release.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

use datacoop::engine::STACK_BYTES;
use datacoop::import::Cell;
use datacoop::pages::serve_pages;
use datacoop_tests::pages::Browser;
use datacoop_tests::pretending::{KINDS, PAIR, entries, nodes, nth_day, pair_question, round};

/// What a node with a year behind it holds (issue: pages).
const RELEASES: usize = 200;
const ENTRIES: u64 = 10_000;
/// Longest a page may take there.
const PAGE_MAX: Duration = Duration::from_millis(50);
/// Each question costs this: so many fit into a year.
const RHO_NANO: u64 = 500_000;
/// Times each page is got.
const TIMES: usize = 40;
const MEMBERS: usize = 5;
/// Rows of each member, the most that its charter says it may have.
const ROWS: u64 = 200;

fn main() {
    let releases = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(RELEASES);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(releases));
}

async fn measure(releases: usize) {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Vec<Cell>> =
        (0..ROWS).map(|row| vec![Cell::Text(if row % 3 == 0 { "x" } else { "y" }.into())]).collect();
    let nodes = nodes(dir.path(), PAIR, MEMBERS, ROWS, &rows).await;
    let began = Instant::now();
    let mut asked = 0;
    while asked < releases || (releases == RELEASES && entries(nodes.last().unwrap()).await < ENTRIES) {
        round(&nodes, &pair_question(asked, RHO_NANO), nth_day(asked / KINDS)).await;
        asked += 1;
    }
    println!(
        "{asked} releases, {} entries, after {:.0} s",
        entries(nodes.last().unwrap()).await,
        began.elapsed().as_secs_f64()
    );
    let handle = nodes.last().unwrap().handle().clone();
    let newest = handle.released().last().unwrap().0;
    let me = handle.view(|member| member.me().to_string()).await.unwrap();
    let pages = serve_pages(handle).await.unwrap();
    let link = pages.link();
    let paths = [
        "/",
        "/ask",
        "/rounds",
        "/results",
        "/data",
        "/privacy",
        "/log",
        "/charter",
        "/members",
        "/settings",
    ];
    let mut paths = paths.map(str::to_owned).to_vec();
    paths.extend([
        format!("/results/{newest}"),
        format!("/results/{newest}/pack"),
        format!("/rounds/{newest}"),
        format!("/log/{me}"),
    ]);
    let slow = tokio::task::spawn_blocking(move || slow_pages(&Browser::open_link(&link), paths));
    let slow = slow.await.unwrap();
    drop(pages);
    for node in nodes {
        node.stop().await.unwrap();
    }
    assert!(slow.is_empty() || cfg!(debug_assertions), "slower than {PAGE_MAX:?}: {slow:?}");
}

/// Prints how long each page takes, from the connection to its last byte. Returns those that take too long.
fn slow_pages(browser: &Browser, paths: Vec<String>) -> Vec<String> {
    let mut slow = vec![];
    for path in paths {
        let mut times: Vec<Duration> = (0..TIMES)
            .map(|_| {
                let began = Instant::now();
                let page = browser.get(&path);
                let took = began.elapsed();
                assert_eq!(page.code, 200, "{path}: {:.300}", page.body);
                took
            })
            .collect();
        let first = times[0];
        times.sort_unstable();
        let [p50, p95] = [times[TIMES / 2], times[TIMES * 95 / 100]];
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{path:<20.20} p50 {:>6.1} ms, p95 {:>6.1} ms, first {:>6.1} ms",
            ms(p50),
            ms(p95),
            ms(first)
        );
        if p95 > PAGE_MAX {
            slow.push(path);
        }
    }
    slow
}
