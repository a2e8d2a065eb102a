//! The node's pages as a browser, and as a hostile page, sees them: raw requests, so that nothing is
//! helpfully added. Source: SECURITY, web cases; UI section 5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Browser, check_markup, check_page};
use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

const MEMBERS: usize = 5;

/// Whose name resolves to us is not let in, whatever else it sends.
fn check_hosts(browser: &Browser) {
    let cookie = &browser.cookie;
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost"] {
        let sent = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        let answer = browser.raw(&sent);
        assert_eq!((answer.code, answer.body.as_str()), (421, ""), "{host}");
    }
    let twice = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nHost: evil.example\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n",
        browser.address
    );
    assert!(browser.raw(&twice).code >= 400);
}

/// A form of another page, of another port too, does nothing.
fn check_forgery(browser: &Browser) {
    let host = format!("Host: {}\r\n", browser.address);
    for from in [
        "Origin: http://127.0.0.1:9\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let answer = browser.post_as("/leave", "", &format!("{host}{from}"));
        assert_eq!(answer.code, 403, "{from}");
    }
    assert_eq!(browser.get("/").code, 200, "and so we are still signed in");
    assert!(browser.get("/").header("access-control-allow-origin").is_none());
}

fn check_strangers(browser: &Browser) {
    let stranger = Browser { address: browser.address.clone(), cookie: String::new() };
    for path in
        ["/", "/results", "/log", "/privacy", "/nowhere", "/results/../../keys/identity", "/%2e%2e/keys"]
    {
        let answer = stranger.get(path);
        assert_eq!((answer.code, answer.header("location")), (303, Some("/enter")), "{path}");
        assert!(answer.body.is_empty(), "{path}");
    }
    let forged = Browser { cookie: "datacoop_00000000=00".into(), ..stranger };
    assert_eq!(forged.get("/").code, 303);
    for path in ["/../keys/identity", "/assets/../../keys", "/results/..%2f..%2fkeys", "/results/00000000"] {
        let answer = browser.get(path);
        assert!(answer.code == 404 || answer.code == 422, "{path}: {}", answer.head);
        assert!(answer.body.contains("Error"), "{path}");
    }
    let long = "code=".to_owned() + &"0".repeat(64 * 1024);
    assert_eq!(browser.post("/enter", &long).code, 413);
}

/// The numbers of a text, in order, as JSON has them.
fn numbers_in(text: &str) -> Vec<String> {
    let text = text.replace('\u{2212}', "-");
    let apart = text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-')));
    apart.filter(|part| part.contains(|c: char| c.is_ascii_digit())).map(str::to_owned).collect()
}

/// What a page's tables of figures say, a line a number: the value, then its range or its chance.
fn numbers_of(page: &str) -> Vec<Vec<String>> {
    let cells = page.split("class=\"value\" data-label=\"Figure\">").skip(1);
    let lines = cells.map(|cell| {
        let (value, rest) = cell.split_once("</td>").unwrap();
        let range = rest.split_once('>').unwrap().1.split_once("</td>").unwrap().0;
        [numbers_in(value), numbers_in(range)].concat()
    });
    lines.collect()
}

/// Every number that a page shows of a release is the command line's, digit by digit and one for one, and so is every
/// number of its Certificate: which is compared with what all of them were made of.
fn check_numbers(coop: &Coop, page: &str, id: &str) {
    let told = json(&coop.ok(0, &["results", id, "--ours", "--json"]));
    let figures = told["figures"].as_array().unwrap().iter();
    let rows = figures.flat_map(|figure| figure["rows"].as_array().unwrap());
    let fields = |row: &Value| -> Vec<String> {
        let names: &[&str] =
            if row["status"] == "estimated" { &["value", "low", "high"] } else { &["value", "chance"] };
        let counts = row["measure"] == "count";
        // Nobody is counted below zero.
        let shown =
            |text: &str| if counts && text.starts_with('-') { "0".to_owned() } else { text.to_owned() };
        names.iter().filter_map(|name| row[*name].as_str().map(shown)).collect()
    };
    let expected: Vec<Vec<String>> = rows.map(fields).filter(|fields| !fields.is_empty()).collect();
    assert!(expected.len() >= 6, "{told:#}");
    assert_eq!(numbers_of(page), expected, "{page}");
    check_certificate(coop, id);
}

/// What a Certificate says of each figure is what `results --json` says.
fn check_certificate(coop: &Coop, id: &str) {
    let file = coop.path("release.dcert");
    let file = file.to_str().unwrap();
    wait_for("witnesses", || coop.run(0, &["certificate", id, "-o", file]).status.success());
    let text = std::fs::read_to_string(file).unwrap();
    let certified: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("figure: ")).collect();
    let told = json(&coop.ok(0, &["results", id, "--json"]));
    let mut expected = vec![];
    for cell in told["release"]["cells"].as_array().unwrap() {
        let key = cell["key"].as_object().unwrap().iter();
        let key: Vec<String> =
            key.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
        let key = if key.is_empty() { "all".to_owned() } else { key.join(" ") };
        for figure in cell["figures"].as_array().unwrap() {
            let of = |name: &str| figure[name].as_str().unwrap_or_default();
            expected.push(match of("status") {
                "suppressed" => format!("{key}, {}: suppressed, too few or too noisy", of("name")),
                _ => format!(
                    "{key}, {}: {}, likely range (95 %) {} to {}, noise {}{}",
                    of("name"),
                    of("value"),
                    of("low"),
                    of("high"),
                    of("noise"),
                    figure["chance"].as_str().map_or_else(String::new, |chance| format!(", chance {chance}"))
                ),
            });
        }
    }
    assert!(expected.len() >= 2, "{told:#}");
    assert_eq!(certified, expected, "{text}");
    // Of the figures that page, CSV and JSON show, each is one of those: only the point of a share moves.
    let raw: Vec<String> =
        expected.iter().flat_map(|line| numbers_in(line.split_once(": ").unwrap().1)).collect();
    for row in
        told["figures"].as_array().unwrap().iter().flat_map(|figure| figure["rows"].as_array().unwrap())
    {
        let Some(value) = row["value"].as_str().filter(|_| row["unit"] != "percent") else { continue };
        assert!(raw.iter().any(|number| number == value), "{value} is not in the Certificate: {raw:?}");
    }
}

/// What stands in the one block that is to be copied off a page.
fn shown_once(page: &str) -> &str {
    let block = page.split("class=\"note\" role=\"status\"").nth(1).unwrap().split("<pre data-copy>").nth(1);
    block.unwrap().split("</pre>").next().unwrap()
}

/// Who is let in to audit sees all but own figures, files and settings, checks the logs, and changes nothing.
fn check_auditor(owner: &Browser, id: &str) {
    let made = owner.post("/settings/auditor", "");
    check_markup("/settings/auditor", &made.body);
    let auditor = Browser::open_link(shown_once(&made.body));
    assert!(owner.get("/settings").body.contains("One auditor is signed in"));
    for path in ["/", "/ask", "/rounds", "/results", "/privacy", "/log", "/charter", "/members", "/register"]
    {
        assert_eq!(auditor.get(path).code, 200, "{path}");
    }
    let result = check_page(&auditor, &format!("/results/{id}"));
    assert!(
        result.contains("an auditor does not see the node's own figures") && result.contains("Likely range"),
        "{result}"
    );
    for page in [result, check_page(&auditor, "/")] {
        assert!(!page.contains("exact; chance") && !page.contains(">ours<"), "{page}");
    }
    for path in ["/data", "/settings", "/setup", &format!("/results/{id}/pack")] {
        let answer = auditor.get(path);
        assert_eq!(answer.code, 403, "{path}");
        check_markup(path, &answer.body);
    }
    for path in ["/settings/auditor", "/settings/tokens", "/members/leave", "/settings/passphrase"] {
        assert_eq!(auditor.post(path, "name=x&scope=admin").code, 403, "{path}");
    }
    assert_eq!(auditor.post("/log/check", "").code, 303);
    assert_eq!(owner.post("/settings/auditor/end", "").code, 303);
    assert_eq!((auditor.get("/").code, owner.get("/").code), (303, 200), "signed out, and nobody else");
}

/// A token that is made on the page opens what was chosen, until it is taken back there.
fn check_tokens(owner: &Browser) {
    let program = |token: &str, path: &str| {
        let host = &owner.address;
        let sent = format!(
            "GET /api/v1/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        owner.raw(&sent).code
    };
    let made = owner.post("/settings/tokens", "name=weekly+%3Cb%3E&scope=read");
    check_markup("/settings/tokens", &made.body);
    let token = shown_once(&made.body).to_owned();
    assert_eq!(program(&token, "status"), 200);
    let page = check_page(owner, "/settings");
    assert!(page.contains("weekly &lt;b&gt;") && !page.contains(&token), "{page}");
    let revoke = page.split("action=\"/settings/tokens/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(owner.post(&format!("/settings/tokens/{revoke}"), "").code, 303);
    assert_eq!(program(&token, "status"), 401);
    for form in ["name=x", "name=x&scope=all"] {
        let answer = owner.post("/settings/tokens", form);
        assert!(answer.code == 422 && answer.body.contains("Error"), "{form}: {}", answer.head);
    }
}

/// What is told around a release's figures, and what can be saved of it.
fn check_release(coop: &Coop, browser: &Browser, result: &str, id: &str) {
    for said in ["What this measures", "Who is in the cluster", "How sure we are", "What happened next"] {
        assert!(result.contains(&format!("<h2>{said}</h2>")), "{said}: {result}");
    }
    assert!(result.contains("Not shown: this question measures no ordinary chance"), "{result}");
    assert!(result.contains("Female: ours") && !result.contains(">F<"), "{result}");
    let pack = check_page(browser, &format!("/results/{id}/pack"));
    let found = pack.split("id=\"found\">").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(found.contains("5 of 5 members of Hill and Vale") && found.contains("likely range "), "{found}");
    assert!(found.contains("The two are not compared: "), "{found}");
    // Once a quorum has cosigned all of it the page leads to it.
    wait_for("the certificate's link", || {
        browser.get(&format!("/results/{id}")).body.contains(&format!("/results/{id}/certificate\""))
    });
    let certificate = browser.get(&format!("/results/{id}/certificate"));
    let file = coop.node(0).join("saved.dcert");
    std::fs::write(&file, &certificate.body).unwrap();
    let verified = coop.ok(0, &["verify", file.to_str().unwrap()]).stdout;
    let verified = String::from_utf8_lossy(&verified);
    assert!(verified.contains("likely range (95 %)"), "{verified}");
    let home = check_page(browser, "/");
    assert!(home.contains("Data as of") && home.contains("Not shown: "), "{home}");
}

#[test]
fn pages_show_what_the_command_line_shows_and_to_nobody_else() {
    // A member's name is another's text.
    let mut coop = Coop::found_under(MEMBERS, 200, &[], &|text| {
        text.replace("name = \"School 1\"", "name = \"<i>School</i> & \\\"1\\\"\"")
    });
    for n in 0..MEMBERS {
        coop.start(n);
    }
    for n in 0..MEMBERS {
        coop.wait_connected(n);
    }
    let browser = Browser::open(&coop, 0);
    let empty = check_page(&browser, "/");
    assert!(empty.contains("No releases yet") && empty.contains("School 0"), "{empty}");
    check_hosts(&browser);
    check_forgery(&browser);
    check_strangers(&browser);

    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    let days = format!("{year}-09-01..{year}-12-18");
    let ask = ["ask", "--question", "mean.toml", "--period", &days, "--window", "20s", "--json", "--yes"];
    let released = json(&coop.ok(0, &ask));
    let id = released["release"]["query"].as_str().unwrap().to_owned();
    let result = check_page(&browser, &format!("/results/{id}"));
    check_numbers(&coop, &result, &id);
    assert!(result.contains("ours") && result.contains("Likely range (95 %)"), "{result}");
    for (path, said) in [
        ("/", "What stands out"),
        ("/results", "5 of 5 members counted"),
        ("/privacy", "points are left"),
        ("/log", "&lt;i&gt;School&lt;/i&gt; &amp; &quot;1&quot;"),
        ("/help/figures", "made-up numbers"),
    ] {
        let page = check_page(&browser, path);
        assert!(page.contains(said), "{path} does not say {said}: {page}");
    }
    check_release(&coop, &browser, &result, &id);
    check_auditor(&browser, &id);
    check_tokens(&browser);
    let csv = browser.get(&format!("/results/{id}/figures.csv"));
    assert!(
        csv.body.starts_with("release,question,period,group,measure,") && !csv.body.contains(",own,"),
        "{}",
        csv.body
    );

    let style = result.split("href=\"/assets/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(browser.get(&format!("/assets/{style}")).code, 200);
    assert_eq!(reports(&coop), 0);
    let report = browser.post_as("/csp-report", "{}", &format!("Host: {}\r\n", browser.address));
    assert_eq!((report.code, reports(&coop)), (204, 1));

    assert_eq!(browser.post("/leave", "").header("location"), Some("/enter"));
    assert_eq!(browser.get("/").code, 303, "signed out");
}

fn reports(coop: &Coop) -> u64 {
    let opened: Value = json(&coop.ok(0, &["open", "--json"]));
    opened["policy_reports"].as_u64().unwrap()
}
