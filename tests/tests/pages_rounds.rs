//! What waits for a person, answered or declined from the pages, by raw requests. Source: UI sections 3 and 5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Browser, check_markup, check_page};
use datacoop_tests::{Coop, wait_for};
use serde_json::Value;

/// The last of five nodes asks its person first.
const SLOW: usize = 4;

fn coop() -> Coop {
    let mut coop = Coop::found(5, 40);
    std::fs::write(coop.node(SLOW).join("inbox.toml"), "default = \"ask\"\n").unwrap();
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    coop
}

/// Asks from the command line, for three days to join. Its id.
fn ask(coop: &Coop, last_day: &str, why: &str) -> String {
    let period = format!("2026-09-01..{last_day}");
    let ask =
        ["ask", "--question", "mean.toml", "--period", &period, "--why", why, "--yes", "--wait=0s", "--json"];
    let asked = coop.run(0, &ask);
    assert_eq!(asked.status.code(), Some(7), "{}", String::from_utf8_lossy(&asked.stderr));
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
    asked["query"].as_str().unwrap().to_owned()
}

fn wait_waiting(coop: &Coop, id: &str) {
    wait_for("a question that waits", || {
        let output = coop.run(SLOW, &["inbox", "--json"]);
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        seen["waiting"].as_array().is_some_and(|list| list.iter().any(|one| one["query"] == id))
    });
}

fn status(browser: &Browser, id: &str) -> Value {
    let answer = browser.get(&format!("/rounds/{id}/status.json"));
    assert_eq!(
        (answer.code, answer.header("content-type")),
        (200, Some("application/json")),
        "{}",
        answer.head
    );
    serde_json::from_str(&answer.body).unwrap()
}

fn wait_status(browser: &Browser, id: &str, what: &str, holds: impl Fn(&Value) -> bool) {
    wait_for(what, || holds(&status(browser, id)));
}

/// Another page's form, and a link, decide nothing.
fn check_forged(browser: &Browser, id: &str) {
    for (path, form) in [("approve", ""), ("decline", "far=all")] {
        for from in ["Sec-Fetch-Site: cross-site\r\n", "Origin: http://127.0.0.1:9\r\n", ""] {
            let headers = format!("Host: {}\r\n{from}", browser.address);
            assert_eq!(
                browser.post_as(&format!("/rounds/{id}/{path}"), form, &headers).code,
                403,
                "{path} {from}"
            );
        }
    }
    assert_eq!(browser.get(&format!("/rounds/{id}/approve")).code, 405);
    assert_eq!(status(browser, id)["ours"]["verdict"], "none");
}

#[test]
fn a_person_answers_one_question_and_declines_others_as_far_as_it_likes() {
    let coop = coop();
    let (asker, browser) = (Browser::open(&coop, 0), Browser::open(&coop, SLOW));
    let empty = check_page(&browser, "/rounds");
    assert!(empty.contains("No round is open.") && empty.contains("No question waits"), "{empty}");

    let id = ask(&coop, "2026-12-18", "<img src=x>\u{202e} plan");
    wait_waiting(&coop, &id);
    let list = check_page(&browser, "/rounds");
    for said in [
        "Waiting for this member",
        "What do they score?",
        "School 0",
        "Who does well?",
        "2 points of the privacy budget",
        "Yes: every limit allows it. It waits, because this node answers no question before its person said yes.",
        "&lt;img src=x&gt;",
    ] {
        assert!(list.contains(said), "{said}: {list}");
    }
    assert!(!list.contains('\u{202e}'), "what turns the line round is shown as what it is");
    assert!(check_page(&browser, "/").contains("1 question waits for this member's yes"));
    let waits = list.find("Waiting for this member").unwrap();
    assert!(waits < list.find("Under way").unwrap(), "what waits comes first");
    let under_way = list.split("Under way").nth(1).unwrap();
    assert!(!under_way.contains("What do they score?"), "what waits is listed once: {under_way}");
    assert!(under_way.contains("No other round is open.") && !list.contains(" UTC"), "{list}");
    check_forged(&browser, &id);
    wait_status(&asker, &id, "four verdicts", |round| round["accepted"] == 4);
    let seen = check_page(&asker, &format!("/rounds/{id}"));
    assert!(seen.contains("Joining: 4 of 5 have answered yes or no.") && seen.contains("School 4"), "{seen}");

    let yes = browser.post(&format!("/rounds/{id}/approve"), "");
    assert_eq!(yes.header("location"), Some(format!("/rounds/{id}?done=yes").as_str()), "{}", yes.body);
    assert!(check_page(&browser, &format!("/rounds/{id}?done=yes")).contains("Your yes is kept"));
    assert!(!check_page(&browser, &format!("/rounds/{id}?done=%3Cb%3Eowned")).contains("owned"));
    wait_status(&browser, &id, "the release", |round| round["released"] == true);
    let over = check_page(&browser, &format!("/rounds/{id}"));
    assert!(
        over.contains("Released: the answer is here.") && over.contains(&format!("/results/{id}")),
        "{over}"
    );
    let late = browser.post(&format!("/rounds/{id}/approve"), "");
    assert!(late.code == 422 && late.body.contains("gave its verdict already"), "{}", late.body);
    let late = browser.get(&format!("/rounds/{id}/decline"));
    assert!(late.code == 422 && late.body.contains("can no longer be declined"), "{}", late.body);

    check_declined(&coop, &asker, &browser);
    for path in ["/rounds/0", "/rounds/..%2f..%2fkeys", "/rounds/zzzzzzzz", "/rounds/00000000/decline"] {
        assert_eq!(browser.get(path).code, 422, "{path}");
    }
    assert_eq!(browser.get("/rounds/00000000/status.json").code, 404);
}

/// Once, then for good; neither without being asked how far.
fn check_declined(coop: &Coop, asker: &Browser, browser: &Browser) {
    let limits = || std::fs::read_to_string(coop.node(SLOW).join("limits.toml")).unwrap();
    let before = limits();
    let once = ask(coop, "2026-12-17", "again");
    wait_waiting(coop, &once);
    let form = check_page(browser, &format!("/rounds/{once}/decline"));
    assert!(form.contains("No reason is asked or told") && form.contains("value=\"purpose\""), "{form}");
    let unsaid = browser.post(&format!("/rounds/{once}/decline"), "");
    check_markup("decline", &unsaid.body);
    assert!(unsaid.code == 422 && unsaid.body.contains("href=\"#far\""), "{}", unsaid.body);
    assert_eq!(status(browser, &once)["ours"]["verdict"], "none");
    let no = browser.post(&format!("/rounds/{once}/decline"), "far=once");
    assert_eq!(no.header("location"), Some(format!("/rounds/{once}?done=once").as_str()), "{}", no.body);
    wait_status(asker, &once, "a refusal", |round| round["refused"][0]["name"] == "School 4");
    let seen = check_page(asker, &format!("/rounds/{once}"));
    assert!(seen.contains("Who refused") && seen.contains("its own limits"), "{seen}");
    assert_eq!(limits(), before, "a single no changes no limit");

    let never = ask(coop, "2026-12-16", "once more");
    wait_waiting(coop, &never);
    let no = browser.post(&format!("/rounds/{never}/decline"), "far=question");
    assert_eq!(no.header("location"), Some(format!("/rounds/{never}?done=question").as_str()), "{}", no.body);
    assert!(limits().contains("mean-score"), "{}", limits());
    wait_status(asker, &never, "a refusal", |round| round["refused"][0]["rule"] == "questions");
    let ours = check_page(browser, &format!("/rounds/{never}"));
    assert!(ours.contains("Our verdict: no. The question is not answered."), "{ours}");
    let log = check_page(browser, "/log");
    assert!(log.contains("the question is not answered (rule questions, set by the member)"), "{log}");
}
