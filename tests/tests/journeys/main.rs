//! Journeys of people through a node's pages, in a real browser, each with scripts and without. Source: UI section 6.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod browser;
mod look;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use browser::{Browser, is_wanted};
use datacoop_tests::{Coop, json, program};

const MEMBERS: usize = 5;

/// Five nodes that run and have met.
fn coop() -> Coop {
    let mut coop = Coop::found(MEMBERS, 200);
    for n in 0..MEMBERS {
        coop.start(n);
    }
    for n in 0..MEMBERS {
        coop.wait_connected(n);
    }
    coop
}

/// Signs in by the link that the command line gives.
fn enter(coop: &Coop, n: usize, scripts: bool) -> Browser {
    let browser = Browser::start(scripts);
    let opened = json(&coop.ok(n, &["open", "--json"]));
    browser.go(opened["link"].as_str().unwrap());
    browser.look("enter");
    browser.press("Open this node");
    browser
}

/// The first days of the charter's academic year: what nodes have rows for.
fn days(coop: &Coop) -> String {
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    format!("{year}-09-01..{year}-12-18")
}

/// No browser said that a page broke its policy.
fn check_reports(coop: &Coop, n: usize) {
    let opened = json(&coop.ok(n, &["open", "--json"]));
    assert_eq!(opened["policy_reports"], 0, "a page broke its own policy");
}

/// A head reads: what stands out, one result, the governors' sheet, what is left, the log.
fn read(scripts: bool) {
    let coop = coop();
    let browser = enter(&coop, 0, scripts);
    browser.look("home-empty");
    let asked = ["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes"];
    coop.ok(0, &asked);
    browser.wait_for("/", "What stands out");
    browser.look("home");
    for (page, name) in [("Results", "results"), ("Privacy", "privacy"), ("Log", "log")] {
        browser.follow(page);
        browser.look(name);
    }
    browser.follow("Results");
    browser.follow("What do they score?");
    browser.look("result");
    assert!(browser.text("main").contains("Likely range"));
    browser.follow("Print the governors' page");
    browser.look("governors");
    let paper = browser.print("governors");
    assert!(paper.starts_with(b"%PDF"), "a browser prints it");
    browser.visit("/help/figures");
    browser.look("figures");
    check_reports(&coop, 0);
}

/// What `datacoop demo --pages` shows at its end, and that it ends well.
fn watch_demo(scripts: bool) {
    let mut demo = Command::new(program())
        .args(["demo", "--members", "5", "--pages", "--json", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let link = lines
        .find_map(|line| line.trim().strip_prefix("\"pages\": \"")?.split('"').next().map(str::to_owned));
    let link = link.expect("the demo says where its pages are");
    let browser = Browser::start(scripts);
    browser.go(&link);
    browser.press("Open this node");
    let home = browser.text("body");
    assert!(home.contains("What stands out") && home.contains("Demo: made-up data"), "{home}");
    browser.look("demo");
    Command::new("kill").arg(demo.id().to_string()).status().unwrap();
    assert!(demo.wait().unwrap().success(), "a demo that is asked to end ends well");
}

#[test]
fn a_demo_ends_with_its_page_with_scripts() {
    if is_wanted() {
        watch_demo(true);
    }
}

#[test]
fn a_demo_ends_with_its_page_without_scripts() {
    if is_wanted() {
        watch_demo(false);
    }
}

#[test]
fn a_head_reads_with_scripts() {
    if is_wanted() {
        read(true);
    }
}

#[test]
fn a_head_reads_without_scripts() {
    if is_wanted() {
        read(false);
    }
}
