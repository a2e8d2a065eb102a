//! The JSON interface for programs: who gets in, that its description is its router, and that it asks once.
//! By raw requests. Source: UI section 8.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};

use datacoop::engine::parquet_rows;
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

    /// Sends a file with how it is to be read.
    fn import(&self, query: &str, how: &str, name: &str, text: &str) -> Answer {
        let (host, token) = (&self.browser.address, &self.token);
        let body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"how\"\r\n\r\n{how}\r\n--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n--edge--\r\n"
        );
        self.browser.raw(&format!(
            "POST /api/v1/imports{query} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=edge\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
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
    assert!(routes >= 23, "{document:#}");
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
    let evil = evil.replace("GET /api/v1/status", "POST /api/v1/imports");
    assert_eq!(browser.raw(&evil).code, 421);
    let long = program.send("POST", "/plan", "", &" ".repeat(1024 * 1024));
    assert_eq!(long.code, 413, "{}", long.body);
    for (verb, path) in [
        ("POST", "/queries"),
        ("POST", "/queries/00000000/refuse"),
        ("GET", "/releases/00000000/own"),
        ("POST", "/imports"),
        ("POST", "/imports?dry_run"),
        ("POST", "/audit"),
    ] {
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
    check_audit(&reader, &asker);
    check_imports(&coop, &asker);
    check_streams(&mut coop, &reader, &asker);

    coop.ok(0, &["token", "revoke", &id, "--yes"]);
    assert_eq!(reader.send("GET", "/status", "", "").code, 401, "taken back");
    coop.fails(0, &["token", "revoke", &id, "--yes"], 2, "there is no token");
    coop.fails(0, &["token", "new", "--scope", "root"], 2, "there is no scope `root`");
}

/// None yet is an answer; one that was started is found later, by whoever may read.
fn check_audit(reader: &Program<'_>, asker: &Program<'_>) {
    assert_eq!(reader.get("/audit")["state"], "never");
    let started = asker.send("POST", "/audit", "", "");
    assert!(started.code == 202 && started.body.contains("\"running\""), "{}", started.body);
    wait_for("the audit", || reader.get("/audit")["state"] == "done");
    let found = reader.get("/audit");
    assert_eq!(
        (&found["result"], &found["audit"]["schema"]),
        (&"pass".into(), &"datacoop.audit/1".into()),
        "{found:#}"
    );
}

/// A program imports as a person does: a look writes nothing, and what comes back is the same.
fn check_imports(coop: &Coop, asker: &Program<'_>) {
    let how = "{\"vocabulary\":\"exam/1\"}";
    let text = format!("school,sex,result\n{}S,X,3\n", "S,F,1\nS,M,2\n".repeat(10));
    let text = text.as_str();
    let look = asker.import("?dry_run", how, "new.csv", text);
    let looked: Value = serde_json::from_str(&look.body).unwrap();
    assert_eq!(
        (&looked["outcome"], &looked["rows_kept"], &looked["rows_refused"]),
        (&"looked".into(), &20.into(), &1.into()),
        "{looked:#}"
    );
    let done = asker.import("", how, "new.csv", text);
    let done: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!((&done["outcome"], &done["restart_needed"]), (&"imported".into(), &false.into()), "{done:#}");
    for field in ["rows_read", "rows_kept", "rows_refused", "refused_by_kind", "problems", "columns_absent"] {
        assert_eq!(done[field], looked[field], "{field}");
    }
    let again = asker.import("", how, "new.csv", text);
    assert!(again.body.contains("\"unchanged\""), "{}", again.body);
    for (how, name, text, said) in [
        ("{}", "new.csv", text, "vocabulary"),
        ("{\"vocabulary\":\"exam/1\",\"rows\":true}", "new.csv", text, "is not understood"),
        ("{\"vocabulary\":\"no-such/1\"}", "new.csv", text, "no-such"),
        (how, "new.csv", "", "the file is empty"),
        (how, "", text, "the part `file` is missing"),
        (how, "new.csv", "a,b\n1,2\n", "column"),
    ] {
        let answer = asker.import("", how, name, text);
        assert!(answer.code == 422 && answer.body.contains(said), "{said}: {} {}", answer.code, answer.body);
    }
    let left: Vec<_> = std::fs::read_dir(coop.node(0).join("run/uploads")).unwrap().collect();
    assert!(left.is_empty(), "what was brought is erased: {left:?}");
}

/// The events of a round, and no more streams than there may be.
fn check_streams(coop: &mut Coop, reader: &Program<'_>, asker: &Program<'_>) {
    let rounds = reader.get("/queries");
    let over = rounds["queries"][0]["query"].as_str().unwrap();
    let told = reader.send("GET", &format!("/queries/{over}/events"), "", "");
    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    for (event, times) in [("verdict", 5), ("stage", 1), ("end", 1)] {
        assert_eq!(told.body.matches(&format!("event: {event}\n")).count(), times, "{event}: {}", told.body);
    }
    assert!(
        told.body.contains("\"verdict\":\"yes\"") && told.body.contains("\"released\":true"),
        "{}",
        told.body
    );
    assert!(!told.body.contains("\"cells\""), "no figure: {}", told.body);
    assert_eq!(reader.send("GET", "/queries/ffffffff/events", "", "").code, 422);

    // One is asleep, so a round stays open.
    coop.kill(4);
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    let request = serde_json::json!({ "toml": datacoop_tests::QUESTION, "period": format!("{year}-09-02..{year}-09-03"),
                                      "purpose": "exams", "window": "60s" });
    let asked = asker.send("POST", "/queries", "Idempotency-Key: open\r\n", &request.to_string());
    let asked: Value = serde_json::from_str(&asked.body).unwrap();
    let path = format!("/api/v1/queries/{}/events", asked["query"].as_str().unwrap());
    let open = || {
        let mut stream = std::net::TcpStream::connect(&reader.browser.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            reader.browser.address, reader.token
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        (String::from_utf8_lossy(&head[9..]).into_owned(), stream)
    };
    let mut streams: Vec<_> = (0..16).map(|_| open()).collect();
    assert!(streams.iter().all(|(code, _)| code == "200"));
    assert_eq!(open().0, "429", "one more than there may be");
    drop(streams.pop());
    wait_for("a place, once one is gone", || open().0 == "200");
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
    assert!(
        csv.body.starts_with("release,question,period,group,measure,") && !csv.body.contains(",own,"),
        "{}",
        csv.body
    );
    let parquet = reader.send("GET", &format!("/releases/{query}.parquet"), "", "");
    assert_eq!((parquet.code, parquet.header("content-type")), (200, Some("application/vnd.apache.parquet")));
    assert!(parquet.body.starts_with("PAR1") && parquet.body.ends_with("PAR1"));
    assert_eq!(reader.send("GET", &format!("/releases/{query}.xls"), "", "").code, 422);
    let file = coop.path("release.parquet");
    coop.ok(0, &["results", &query, "-o", file.to_str().unwrap()]);
    let (header, rows) = parquet_rows(&file).unwrap();
    assert_eq!(header[..5], ["release", "question", "period", "group", "measure"], "{header:?}");
    let rows: Vec<Vec<String>> = rows.map(Result::unwrap).collect();
    let figures = release["figures"].as_array().unwrap().iter();
    let shown: Vec<&Value> = figures.flat_map(|figure| figure["rows"].as_array().unwrap()).collect();
    assert_eq!(rows.len(), shown.len());
    for (row, shown) in rows.iter().zip(shown) {
        assert_eq!(row[0], query);
        for (at, field) in [(5, "value"), (6, "low"), (7, "high"), (8, "noise")] {
            let number = |text: &str| text.parse::<f64>().ok();
            assert_eq!(number(&row[at]), shown[field].as_str().and_then(number), "{field} of {row:?}");
        }
    }
    coop.fails(0, &["ask", "--question", "mean.toml", "--yes", "-o", "x.xls"], 2, "ends in none of");
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
