//! The JSON interface for programs: who gets in, that its description is its router, and that it asks once.
//! By raw requests. Source: UI section 8.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Answer, Browser};
use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

/// A program with its token.
struct Program<'a> {
    browser: &'a Browser,
    token: String,
}

impl Program<'_> {
    fn send(&self, verb: &str, path: &str, more: &str, body: &str) -> Answer {
        let (host, token) = (&self.browser.address, &self.token);
        self.browser.raw(&format!(
            "{verb} /api/v1{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, "", "");
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        assert!(answer.header("access-control-allow-origin").is_none());
        serde_json::from_str(&answer.body).unwrap()
    }
}

fn token<'a>(coop: &Coop, browser: &'a Browser, scopes: &str) -> (Program<'a>, String) {
    let made = json(&coop.ok(0, &["token", "new", "--scope", scopes, "--name", "reports", "--json"]));
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (Program { browser, token: text("token") }, text("id"))
}

/// Each route of the description is there and asks for a token; what it does not have is not there.
fn check_description(program: &Program<'_>) {
    let document = program.get("/openapi.json");
    let nobody = Program { browser: program.browser, token: String::new() };
    let mut routes = 0;
    for (path, verbs) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "00000000").replace("{member}", "GB-EDU-000000");
        for verb in ["get", "post", "put", "delete", "patch"] {
            let answer = nobody.send(&verb.to_uppercase(), &path, "", "");
            let described = verbs.get(verb).is_some();
            assert_eq!(answer.code, if described { 401 } else { 405 }, "{verb} {path}: {}", answer.body);
            routes += usize::from(described);
        }
    }
    assert!(routes >= 20, "{document:#}");
    for path in ["/", "/rows", "/queries/00000000/rows", "/openapi", "/../enter"] {
        assert_eq!(program.send("GET", path, "", "").code, 404, "{path}");
    }
}

/// Who holds no token of the scope, comes by another name, or from a page, is turned away.
fn check_who(coop: &Coop, program: &Program<'_>, browser: &Browser) {
    assert_eq!(browser.get("/api/v1/status").code, 401, "a session opens nothing here");
    for headers in ["Origin: http://127.0.0.1:9\r\n", "Origin: null\r\n"] {
        assert_eq!(program.send("GET", "/status", headers, "").code, 403, "{headers}");
    }
    let evil = format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        program.token
    );
    assert_eq!(browser.raw(&evil).code, 421);
    for (verb, path) in
        [("POST", "/queries"), ("POST", "/queries/00000000/refuse"), ("GET", "/releases/00000000/own")]
    {
        let answer = program.send(verb, path, "Idempotency-Key: k\r\n", "{}");
        assert!(answer.code == 403 && answer.body.contains("lacks the scope"), "{path}: {}", answer.body);
    }
    let listed = json(&coop.ok(0, &["token", "list", "--json"]));
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&program.token));
}

#[test]
fn a_program_reads_plans_and_asks_once_and_no_more_than_its_token_says() {
    let mut coop = Coop::found(5, 200);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let browser = Browser::open(&coop, 0);
    let (reader, id) = token(&coop, &browser, "read");
    let (asker, _) = token(&coop, &browser, "read,ask,own,admin");
    check_description(&reader);
    check_who(&coop, &reader, &browser);

    assert_eq!(reader.get("/status")["member"], "GB-EDU-000000");
    assert_eq!(reader.get("/members")["members"].as_array().unwrap().len(), 5);
    assert!(reader.get("/charter")["text"].as_str().unwrap().contains("Hill and Vale"));
    assert_eq!(reader.get("/questions")["purposes"][0]["id"], "exams");
    assert_eq!(reader.get("/logs")["logs"].as_array().unwrap().len(), 5);
    assert!(reader.get("/vocabularies")["vocabularies"].to_string().contains("exam/1"));
    assert_eq!(reader.get("/releases")["releases"], serde_json::json!([]));
    assert!(reader.get("/ledger")["accounts"].is_array());
    check_asking(&coop, &reader, &asker);
    assert_eq!(reader.get("/audit")["result"], "pass");

    coop.ok(0, &["token", "revoke", &id, "--yes"]);
    assert_eq!(reader.send("GET", "/status", "", "").code, 401, "taken back");
    coop.fails(0, &["token", "revoke", &id, "--yes"], 2, "there is no token");
    coop.fails(0, &["token", "new", "--scope", "root"], 2, "there is no scope `root`");
}

fn check_asking(coop: &Coop, reader: &Program<'_>, asker: &Program<'_>) {
    let days = {
        let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
        let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
        format!("{year}-09-01..{year}-12-18")
    };
    let request = serde_json::json!({ "toml": datacoop_tests::QUESTION, "period": days, "purpose": "exams",
                                      "window": "20s", "why": "plan" })
    .to_string();
    let plan = reader.send("POST", "/plan", "", &request);
    let plan: Value = serde_json::from_str(&plan.body).unwrap();
    assert_eq!(
        (&plan["would_ask"], &plan["points"], &plan["spent"]),
        (&5.into(), &2.into(), &"nothing".into())
    );
    for wrong in ["", "{}", "[]", "{\"question\":\"no-such\"}", "{\"rows\":true}"] {
        let answer = asker.send("POST", "/queries", "Idempotency-Key: w\r\n", wrong);
        assert!(answer.code == 422 && answer.body.contains("error"), "{wrong}: {}", answer.body);
    }
    assert_eq!(asker.send("POST", "/queries", "", &request).code, 422, "without a key");
    assert_eq!(coop.status(0)["open"], serde_json::json!([]));

    let asked = asker.send("POST", "/queries", "Idempotency-Key: one\r\n", &request);
    let again = asker.send("POST", "/queries", "Idempotency-Key: one\r\n", &request);
    let other_key = asker.send("POST", "/queries", "Idempotency-Key: two\r\n", &request);
    assert_eq!((asked.code, &asked.body), (202, &again.body));
    assert_eq!(asked.body, other_key.body, "the same round");
    let mixed = asker.send("POST", "/queries", "Idempotency-Key: one\r\n", &request.replace("plan", "other"));
    assert_eq!(mixed.code, 409, "{}", mixed.body);
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    let query = asked["query"].as_str().unwrap().to_owned();
    wait_for("the release", || reader.get(&format!("/queries/{query}"))["stage"] == "released");
    assert_eq!(reader.get("/queries")["queries"].as_array().unwrap().len(), 1);
    let release = reader.get(&format!("/releases/{query}"));
    assert_eq!(release["release"]["accepted"], 5);
    let csv = reader.send("GET", &format!("/releases/{query}.csv"), "", "");
    assert!(csv.body.starts_with("figure,group,whose") && !csv.body.contains(",own,"), "{}", csv.body);
    let own = asker.get(&format!("/releases/{query}/own"));
    assert_eq!(own["with_own"], true, "{own:#}");
    assert_eq!(reader.send("GET", &format!("/releases/{query}/own"), "", "").code, 403);
    let entries = reader.get("/logs/GB-EDU-000000/entries?from=2");
    assert!(entries["entries"][0]["index"] == 2 && entries["entries"][0]["exact"].is_string(), "{entries:#}");
    assert!(
        reader.send("GET", "/logs/GB-EDU-000000/checkpoint", "", "").body.contains("s0.example/datacoop/1")
    );
    let answered = asker.send("POST", "/queries", "Idempotency-Key: three\r\n", &request);
    let answered: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!((&answered["answered"], answered["query"].as_str()), (&true.into(), Some(query.as_str())));
    let late = asker.send("POST", &format!("/queries/{query}/refuse"), "", "");
    assert!(late.code == 422 && late.body.contains("the round is over"), "{}", late.body);
}
