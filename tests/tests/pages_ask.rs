//! Asking from the pages: from a purpose to a round, by raw requests. Source: UI sections 3 and 5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Browser, check_markup, check_page};
use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

const MEMBERS: usize = 5;

/// Five nodes that run and know each other, and a period of this academic year to ask about.
fn coop() -> (Coop, String) {
    let mut coop = Coop::found(MEMBERS, 200);
    (0..MEMBERS).for_each(|n| coop.start(n));
    (0..MEMBERS).for_each(|n| coop.wait_connected(n));
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    (coop, year.to_string())
}

/// What asking, and nothing else, changes.
fn log_sizes(coop: &Coop) -> Value {
    let status = coop.status(0);
    let own: Vec<Value> = status["logs"].as_array().unwrap().clone();
    let own = own.into_iter().find(|log| log["member"] == status["member"]).unwrap();
    serde_json::json!({ "own": own["entries"], "open": status["open"], "ledger": status["ledger"] })
}

/// The question's first release, from the command line: from then on it stands on the pages.
fn release_first(coop: &Coop, year: &str) -> String {
    let days = format!("{year}-09-01..{year}-12-18");
    let ask = ["ask", "--question", "mean.toml", "--period", &days, "--window", "20s", "--json", "--yes"];
    json(&coop.ok(0, &ask))["release"]["query"].as_str().unwrap().to_owned()
}

#[test]
fn a_question_is_found_filled_in_checked_and_asked_once() {
    let (coop, year) = coop();
    let browser = Browser::open(&coop, 0);
    let empty = check_page(&browser, "/ask");
    for said in
        ["What are you trying to change?", "Who does well?", "the charter has no records of attendance/1"]
    {
        assert!(empty.contains(said), "{said}: {empty}");
    }
    assert!(!empty.contains("Answered already"), "{empty}");
    let first = release_first(&coop, &year);
    let page = check_page(&browser, "/ask?words=score&purpose=");
    let (stored, question) = (page.find(&format!("/results/{first}")), page.find("/ask/mean-score"));
    assert!(stored.is_some() && stored < question, "a stored release comes first: {page}");
    assert!(check_page(&browser, "/ask?words=%3Cscript%3E%22").contains("&lt;script&gt;&quot;"));
    check_page(&browser, "/ask/attendance-rate");

    let before = log_sizes(&coop);
    check_the_form(&browser, &year);
    check_mistakes(&browser, &year);
    check_the_plan(&browser, &year, &first);
    assert_eq!(log_sizes(&coop), before, "nothing of this was asked or spent");
    check_asked_once(&coop, &browser, &year, &first);
}

fn check_the_form(browser: &Browser, year: &str) {
    let form = check_page(browser, &format!("/ask/mean-score?why=%3C%2Ftextarea%3E%22&first={year}-09-02"));
    for said in [
        "<label for=\"period\">",
        "<label for=\"why\">",
        "name=\"benefits\"",
        "name=\"pays\"",
        "&lt;/textarea&gt;&quot;",
        &format!("value=\"{year}-09-02\""),
        "action=\"/ask/mean-score/check\"",
        "Check before you ask",
    ] {
        assert!(form.contains(said), "{said}: {form}");
    }
    let none = browser.get("/ask/no-such-question");
    assert!(none.code == 422 && none.body.contains("no such question"), "{}", none.body);
    for path in ["/ask/..%2f..%2fkeys", "/ask/%00", "/ask/mean-score/check"] {
        assert!(browser.get(path).code >= 400, "{path}");
    }
}

/// All that is wrong is told at once, each with its field, and what was typed is kept.
fn check_mistakes(browser: &Browser, year: &str) {
    let sent = format!(
        "first={year}-12-18&last={year}-09-01&points=lots&window=soon&why=a%3Cb%3E&benefits=Everybody"
    );
    let wrong = browser.post("/ask/mean-score/check", &sent);
    assert_eq!(wrong.code, 422, "{}", wrong.body);
    check_markup("mistakes", &wrong.body);
    assert!(wrong.body.contains("<title>Error: "), "{}", wrong.body);
    for field in ["last", "points", "window"] {
        assert!(wrong.body.contains(&format!("href=\"#{field}\"")), "{field}: {}", wrong.body);
        assert!(wrong.body.contains(&format!("id=\"{field}-error\"")), "{field}: {}", wrong.body);
    }
    for kept in
        ["a&lt;b&gt;", "Everybody", "value=\"lots\"", "value=\"soon\"", &format!("value=\"{year}-12-18\"")]
    {
        assert!(wrong.body.contains(kept), "{kept}: {}", wrong.body);
    }
    let long = format!("why={}", "x".repeat(4_097));
    let long = browser.post("/ask/mean-score/check", &long);
    assert!(long.code == 422 && long.body.contains("href=\"#why\""), "{}", long.body);
    let longest = format!("why={0}&benefits={0}&pays={0}", "%c3%a4".repeat(2_048));
    assert_eq!(browser.post("/ask/mean-score/check", &longest).code, 200);
    let endless = format!("why={}", "x".repeat(200_000));
    assert_eq!(browser.post("/ask/mean-score/check", &endless).code, 413);
}

fn check_the_plan(browser: &Browser, year: &str, first: &str) {
    let sent = format!("period={year}-09-01..{year}-12-17&why=Plan+%3Clessons%3E&window=3d&purpose=exams");
    let plan = browser.post("/ask/mean-score/check", &sent);
    assert_eq!(plan.code, 200, "{}", plan.body);
    check_markup("plan", &plan.body);
    for said in [
        "<h1>Check before you ask</h1>",
        "5 members",
        "2 points of the privacy budget at each member",
        "you would have",
        "Plan &lt;lessons&gt;",
        "is worth noticing",
        "Likely error (95 %)",
        "Is logged",
        "name=\"why\" value=\"Plan &lt;lessons&gt;\"",
        "Ask the members",
        "<td>not shown</td><td>too few people</td>",
        "<a href=\"#ask-members\">ask all the same</a>",
    ] {
        assert!(plan.body.contains(said), "{said}: {}", plan.body);
    }
    let place = |said: &str| plan.body.find(said).unwrap_or_else(|| panic!("{said}: {}", plan.body));
    assert!(place("id=\"too-rough\"") < place("id=\"expected\""), "the cure stands before the table");
    assert!(place("What would help") < place("id=\"expected\""), "{}", plan.body);
    let main = plan.body.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
    assert_eq!(main.matches("<button type=\"submit\">").count(), 1, "one button stands out: {main}");
    assert!(main.contains("<button type=\"submit\">Change something"), "{main}");
    // Asked before: the stored release, at no cost, and no button to ask again.
    let again = format!("period={year}-09-01..{year}-12-18&purpose=exams");
    let answered = browser.post("/ask/mean-score/check", &again);
    assert!(
        answered.code == 200 && answered.body.contains(&format!("/results/{first}")),
        "{}",
        answered.body
    );
    assert!(!answered.body.contains("Ask the members"), "{}", answered.body);
    let stored = browser.post("/ask/mean-score", &again);
    assert_eq!((stored.code, stored.header("location")), (303, Some(format!("/results/{first}").as_str())));
    // Another page's form checks nothing and asks nothing.
    for path in ["/ask/mean-score", "/ask/mean-score/check"] {
        let forged = browser.post_as(
            path,
            &sent,
            &format!("Host: {}\r\nSec-Fetch-Site: cross-site\r\n", browser.address),
        );
        assert_eq!(forged.code, 403, "{path}");
    }
    // A rule's no is told on the form.
    let other =
        browser.post("/ask/mean-score/check", &format!("period={year}-09-01..{year}-12-17&purpose=other"));
    assert!(
        other.body.contains("would refuse it") && !other.body.contains("Ask the members"),
        "{}",
        other.body
    );
    let refused =
        browser.post("/ask/mean-score", &format!("period={year}-09-01..{year}-12-17&purpose=other"));
    assert!(refused.code == 422 && refused.body.contains("<title>Error: "), "{}", refused.body);
}

/// A button that is pressed twice at once asks once, and so does a form that is sent again later.
fn check_asked_once(coop: &Coop, browser: &Browser, year: &str, first: &str) {
    let sent = format!("period={year}-09-01..{year}-12-16&why=Plan&window=20s&purpose=exams");
    let places: Vec<String> = std::thread::scope(|scope| {
        let pressed: Vec<_> =
            (0..4).map(|_| scope.spawn(|| browser.post("/ask/mean-score", &sent))).collect();
        pressed.into_iter().map(|one| one.join().unwrap().header("location").unwrap().to_owned()).collect()
    });
    assert!(
        places[0].starts_with("/rounds/") && places.iter().all(|place| *place == places[0]),
        "{places:?}"
    );
    let id = places[0].strip_prefix("/rounds/").unwrap();
    assert_ne!(id, first);
    let round = check_page(browser, &places[0]);
    assert!(round.contains("data-poll=\"/rounds/") && round.contains("Look again"), "{round}");
    wait_for("the release", || coop.status(0)["released"] == 2);
    let later = browser.post("/ask/mean-score", &sent);
    assert_eq!(later.header("location"), Some(format!("/results/{id}").as_str()));
    let over = check_page(browser, &places[0]);
    assert!(over.contains(&format!("/results/{id}")) && !over.contains("data-poll"), "{over}");
    assert_eq!(coop.status(0)["open"], serde_json::json!([]), "one round, and it is over");
}
