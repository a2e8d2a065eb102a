//! How long a page takes on a node that holds a year: 200 releases, 10,000 log entries.
//!
//! `cargo bench -p datacoop-tests --bench pages [-- RELEASES]` asks five nodes of this process as many questions as
//! that takes, then gets each page over its own socket and prints p50 and p95.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use datacoop::driver::{AskReply, Node};
use datacoop::engine::{STACK_BYTES, TableWriter};
use datacoop::pages::serve_pages;
use datacoop::pretend::{found, start};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::port::Event;

/// What a node with a year behind it holds (issue: pages).
const RELEASES: usize = 200;
const ENTRIES: u64 = 10_000;
/// Longest a page may take there.
const PAGE_MAX: Duration = Duration::from_millis(50);
/// Days of an academic year that questions are about, one each: the same days would be answered from the release.
const DAYS: usize = 330;
/// Each question costs this: so many fit into a year.
const RHO_NANO: u64 = 700_000;
/// Times each page is got.
const TIMES: usize = 40;
const MEMBERS: usize = 5;

const VOCABULARY: &str = "id = \"pair\"\nversion = 1\ntitle = \"A pair\"\ndataset = \"pair\"\nunit = \"row\"\ncolumn = [\n  { name = \"a\", type = \"text\", values = [\"x\", \"y\"], group = true },\n]\n";

/// One of a few questions, so that a list of results is one of different titles.
fn question(number: usize) -> QuestionDraft {
    let text = format!(
        "id = \"pair-{0}\"\nversion = 1\ntitle = \"How many of kind {0}?\"\nvocabulary = \"pair/1\"\nfigure = {{ kind = \"count\", of = \"n\" }}\nloss = {RHO_NANO}\nmatters = \"20\"\nmeasure = [{{ name = \"n\", sql = \"1\", clamp = [0, 1], resolution = 1 }}]\nby = [{{ column = \"a\", cells = [\"x\", \"y\"] }}]\n",
        number % 7
    );
    QuestionDraft::from_toml(&text).unwrap()
}

async fn round(nodes: &[Node], number: usize) {
    let asker = nodes.last().unwrap().handle();
    let charter = asker.view(|member| member.fold().charter().hash()).await.unwrap();
    let year = datacoop::clock::now().day().academic_year();
    let first = Day::from_civil(year.0, 9, 1).unwrap();
    let days = i64::try_from(number % DAYS).unwrap();
    let now = Time::from_seconds(datacoop::clock::now().seconds());
    let body = QueryBody {
        question: question_value(&question(number)).unwrap(),
        params: BTreeMap::new(),
        period: Period::new(first, Day(first.0 + days)).unwrap(),
        vocabulary: "pair/1".into(),
        purpose: "demo".into(),
        lay: Lay::default(),
        loss: PrivacyLoss::from_nano(RHO_NANO),
        mode: Mode::Secure,
        assumed: Assumptions::FLOOR,
        min_roster: 5,
        join_by: now + Span::from_seconds(60),
        contribute_by: now + Span::from_seconds(120),
        close_by: now + Span::from_seconds(180),
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    };
    let mut events = asker.events();
    let id = match asker.ask(body).await.unwrap() {
        AskReply::Asked(id) => id,
        AskReply::Answered(_) => panic!("asked before"),
        AskReply::Denied(rule, text) => panic!("{rule}: {text}"),
    };
    loop {
        match events.recv().await {
            Ok(Event::Released(done)) if done == id => break,
            Ok(Event::Aborted(_, code)) => panic!("aborted: {code}"),
            _ => {}
        }
    }
}

/// Entries of all logs that a node holds.
async fn entries(node: &Node) -> u64 {
    node.handle().view(|member| member.fold().logs().map(|log| log.size()).sum()).await.unwrap()
}

/// What a node's pages answer, and when the last byte of it was here.
fn send(address: &str, request: &str) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut all = vec![];
    stream.read_to_end(&mut all).unwrap();
    (String::from_utf8_lossy(&all).into_owned(), began.elapsed())
}

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
    let members: Vec<(String, u64)> = (0..MEMBERS).map(|n| (format!("School {n}"), 200)).collect();
    let cast = found(dir.path(), &[VOCABULARY.to_owned()], &members).unwrap();
    for member in &cast {
        // An empty table declares the dataset.
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let table = member.table_path(&vocabulary);
        TableWriter::create(&table, &vocabulary).unwrap().finish().unwrap();
    }
    let nodes = start(&cast, None).await.unwrap();
    let began = Instant::now();
    let mut asked = 0;
    while asked < releases || (releases == RELEASES && entries(nodes.last().unwrap()).await < ENTRIES) {
        round(&nodes, asked).await;
        asked += 1;
    }
    println!(
        "{asked} releases, {} entries, after {:.0} s",
        entries(nodes.last().unwrap()).await,
        began.elapsed().as_secs_f64()
    );
    let handle = nodes.last().unwrap().handle().clone();
    let newest = handle.released().last().unwrap().0.to_string();
    let pages = serve_pages(handle).await.unwrap();
    let address = pages.address.to_string();
    let code = pages.link().split_once("code=").unwrap().1.to_owned();
    let paths = ["/", "/results", &format!("/results/{newest}"), "/privacy", "/log"].map(str::to_owned);
    let slow = tokio::task::spawn_blocking(move || {
        let entered = format!(
            "POST /enter HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\ncode={code}",
            code.len() + 5
        );
        let (answer, _) = send(&address, &entered);
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let mut slow = vec![];
        for path in paths {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
            );
            let mut times: Vec<Duration> = (0..TIMES)
                .map(|_| {
                    let (answer, took) = send(&address, &request);
                    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer:.300}");
                    took
                })
                .collect();
            times.sort_unstable();
            let [p50, p95] = [times[TIMES / 2], times[TIMES * 95 / 100]];
            println!(
                "{path:<20.20} p50 {:>6.1} ms, p95 {:>6.1} ms",
                p50.as_secs_f64() * 1e3,
                p95.as_secs_f64() * 1e3
            );
            if p50 > PAGE_MAX {
                slow.push(path);
            }
        }
        slow
    });
    let slow = slow.await.unwrap();
    drop(pages);
    for node in nodes {
        node.stop().await.unwrap();
    }
    assert!(slow.is_empty() || cfg!(debug_assertions), "slower than {PAGE_MAX:?}: {slow:?}");
}
