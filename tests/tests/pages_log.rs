//! The logs on the pages: checked by a button, each entry with its bytes and its proof; and releases found by
//! year, theme and purpose. By raw requests. Source: UI section 3.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Browser, check_page};
use datacoop_tests::{Coop, json, wait_for};

/// What a page has between two marks, as a reader of the page sees it.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split(from).nth(1).unwrap().split(to).next().unwrap()
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[test]
fn logs_check_out_by_a_button_and_an_entry_elsewhere_by_its_proof() {
    let mut coop = Coop::found(5, 200);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let browser = Browser::open(&coop, 0);
    let before = check_page(&browser, "/log");
    assert!(before.contains("have not been checked since this node started"), "{before}");
    assert!(check_page(&browser, "/").contains("have not been checked since this node started"));
    let forged =
        browser.post_as("/log/check", "", &format!("Host: {}\r\nSec-Fetch-Site: none\r\n", browser.address));
    assert_eq!(forged.code, 403);
    assert_eq!(browser.get("/log/check").code, 405, "a link checks nothing");
    assert!(check_page(&browser, "/log").contains("have not been checked since this node started"));

    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    let days = format!("{year}-09-01..{year}-12-18");
    let ask = [
        "ask",
        "--question",
        "mean.toml",
        "--period",
        &days,
        "--window",
        "20s",
        "--json",
        "--yes",
        "--why",
        "<u>",
    ];
    let released = json(&coop.ok(0, &ask));
    let id = released["release"]["query"].as_str().unwrap().to_owned();

    assert_eq!(browser.post("/log/check", "").header("location"), Some("/log#checked"));
    let checked = check_page(&browser, "/log");
    let audited = json(&coop.ok(0, &["audit", "--json"]));
    let entries: u64 =
        audited["logs"].as_array().unwrap().iter().map(|log| log["entries"].as_u64().unwrap()).sum();
    let said: u64 = between(&checked, "\">All ", " entries check out").parse().unwrap();
    assert!(said > 10 && said <= entries, "{said} of {entries}");
    assert!(checked.contains("Check again") && checked.contains(" of 4 witnesses "), "{checked}");
    assert!(check_page(&browser, "/").contains("entries check out"));
    check_export(&coop, &browser);

    // A proof is under a head that enough witnesses cosigned, once they have.
    wait_for("witnesses", || {
        let status = coop.status(0);
        status["witnesses"]["witnessed"] == status["witnesses"]["entries"]
    });
    // The question stands in our own log: its page has its exact bytes, and a proof that another copy checks.
    let log = check_page(&browser, "/log/GB-EDU-000000");
    let row = log.split("<tr>").find(|row| row.contains("<td>query</td>")).unwrap();
    assert!(row.contains("What do they score?") && row.contains(&format!("/rounds/{id}")), "{row}");
    let path = between(row, "href=\"", "\"");
    let index = path.rsplit('/').next().unwrap();
    let entry = check_page(&browser, path);
    assert!(entry.contains("why: &lt;u&gt;") && entry.contains("id=\"hex\""), "{entry}");
    coop.ok(0, &["log", "proof", index, "-o", "entry.proof"]);
    let exact = std::fs::read_to_string(coop.path("entry.proof.entry")).unwrap();
    assert_eq!(unescaped(between(&entry, "<pre id=\"text\">", "</pre>")), exact);
    let proof = unescaped(between(&entry, "<pre id=\"proof\" data-copy>", "</pre>"));
    std::fs::write(coop.path("entry.proof"), proof).unwrap();
    assert_eq!(json(&coop.ok(1, &["verify", "entry.proof", "--json"]))["result"], "pass");

    for path in
        ["/log/GB-EDU-999999", "/log/GB-EDU-000000/999999", "/log/GB-EDU-000000?log=no", "/log/..%2fkeys"]
    {
        let answer = browser.get(path);
        assert!(answer.code == 422 && answer.body.contains("Error"), "{path}: {}", answer.head);
    }
    check_filters(&browser, &id, year);
}

/// What the page gives as one file, another copy of the program checks; the checkpoint is a click away.
fn check_export(coop: &Coop, browser: &Browser) {
    let log = check_page(browser, "/log");
    assert!(log.contains("href=\"/log/export.zip\"") && log.contains("datacoop verify log<"), "{log}");
    let head = between(&log, "<pre id=\"checkpoint\" data-copy>", "</pre>");
    assert!(
        log.find("<details>").unwrap() < log.find("id=\"checkpoint\"").unwrap()
            && head.contains("datacoop/1")
    );
    assert!(!log.contains("no release") && !log.contains(" UTC"), "{log}");
    let url = format!("http://{}/log/export.zip", browser.address);
    let mut fetched = ureq::get(&url).header("Cookie", &browser.cookie).call().unwrap();
    assert_eq!(fetched.headers()["content-type"], "application/zip");
    assert_eq!(fetched.headers()["content-disposition"], "attachment; filename=\"log.zip\"");
    let archive = std::io::Cursor::new(fetched.body_mut().read_to_vec().unwrap());
    zip::ZipArchive::new(archive).unwrap().extract(coop.path("unpacked")).unwrap();
    let checked = json(&coop.ok(1, &["verify", "unpacked/log", "--json"]));
    assert_eq!(checked["result"], "pass", "{checked}");
    // It is the log as it is now, not a part of it.
    coop.ok(0, &["log", "export", "exported"]);
    let entries = |folder: &str| std::fs::read(coop.path(folder).join("entries.jsonl")).unwrap();
    assert_eq!(entries("unpacked/log"), entries("exported"));
}

/// Releases by year, theme and purpose; what fits none is said.
fn check_filters(browser: &Browser, id: &str, year: i64) {
    let school_year = format!("{year}%2F{:02}", (year + 1) % 100);
    for (query, shown) in [
        (String::new(), true),
        (format!("?year={school_year}&theme=own&purpose=exams"), true),
        ("?year=1999%2F00".to_owned(), false),
        ("?theme=attendance".to_owned(), false),
        ("?purpose=%3Cb%3E".to_owned(), false),
    ] {
        let page = check_page(browser, &format!("/results{query}"));
        assert_eq!(page.contains(&format!("/results/{id}")), shown, "{query}: {page}");
        assert_eq!(page.contains("Nothing released for this choice."), !shown, "{query}");
    }
}
