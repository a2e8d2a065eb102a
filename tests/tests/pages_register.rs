//! The public register on the node's own pages, and where everybody reads it: what is shown there is what is published.
//! By raw requests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Browser, check_page};
use datacoop_tests::{Coop, wait_for};

/// What each page of the preview says of itself, and nothing else is changed.
const MARK: &str = "<p class=\"note\"><strong>Preview.</strong> Nothing of this is published. <a href=\"/register\">Back to this node</a></p>\n";

#[test]
fn the_preview_is_what_would_be_published() {
    let mut coop = Coop::found(5, 200);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let browser = Browser::open(&coop, 0);
    let empty = check_page(&browser, "/register");
    assert!(empty.contains("none yet") && empty.contains("1 purpose"), "{empty}");
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    let days = format!("{year}-09-01..{year}-12-18");
    coop.ok(
        0,
        &["ask", "--question", "mean.toml", "--period", &days, "--window", "20s", "--yes", "--why", "<u>"],
    );
    // Every log is whole here, and witnessed here as at home: a copy that is behind would show less.
    wait_for("every log to be witnessed everywhere", || {
        (0..5).all(|n| {
            let status = coop.status(n);
            status["witnesses"]["witnessed"] == status["witnesses"]["entries"]
        })
    });
    let mut args = vec!["register".to_owned(), "export".to_owned(), "site".to_owned(), "--from".to_owned()];
    for n in 0..5 {
        let folder = format!("export-{n}");
        coop.ok(n, &["log", "export", &folder]);
        args.push(folder);
    }
    coop.ok(0, &args.iter().map(String::as_str).collect::<Vec<_>>());

    let shown = check_page(&browser, "/register");
    assert!(shown.contains("1 result") && shown.contains("Preview."), "{shown}");
    let mut pages = 0;
    for file in std::fs::read_dir(coop.path("site")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if name == "datacoop-register.txt" {
            continue;
        }
        let published = std::fs::read_to_string(file.path()).unwrap();
        let preview = browser.get(&format!("/register/preview/{name}"));
        assert_eq!(preview.code, 200, "{name}");
        let is_page = name.ends_with(".html");
        pages += usize::from(is_page);
        assert_eq!(preview.body.matches(MARK).count(), usize::from(is_page), "{name}");
        assert_eq!(preview.body.replace(MARK, ""), published, "{name}");
        assert!(preview.header("content-security-policy").unwrap().contains("default-src 'none'"), "{name}");
        assert_eq!(preview.header("set-cookie"), None, "{name}");
    }
    assert!(pages >= 9, "{pages}");
    assert_eq!(browser.get("/register/preview/..%2fconfig.toml").code, 404);
    assert_eq!(browser.get("/register/preview/config.toml").code, 404);
    let outside = Browser { address: browser.address.clone(), cookie: String::new() };
    assert_eq!(outside.get("/register/preview/index.html").code, 303, "it is for whoever signed in");
    check_public(&mut coop);
}

/// Restarted with an address for everybody, the node shows the same there to whoever comes: without a cookie, under any
/// name, read-only, and nothing else of its own.
fn check_public(coop: &mut Coop) {
    let published = std::fs::read_to_string(coop.path("site/index.html")).unwrap();
    assert!(published.contains("It is published by School 0, of "), "{published}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    coop.terminate(0);
    coop.start_with(0, &["--public-listen", &address]);
    let reader = Browser { address, cookie: String::new() };
    wait_for("the register", || reader.get("/").code == 200);
    for name in ["", "index.html", "privacy.html", "register.json", "register.csv", "feed.xml", "style.css"] {
        let file = if name.is_empty() { "index.html" } else { name };
        let answer = reader.get(&format!("/{name}"));
        let published = std::fs::read_to_string(coop.path("site").join(file)).unwrap();
        assert_eq!((answer.code, answer.body), (200, published), "{name}");
        assert!(!answer.head.to_lowercase().contains("set-cookie"), "{name}");
    }
    let page = reader.get("/");
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
        assert_eq!(page.header(name), Some(value));
    }
    assert!(
        page.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'self';")
    );
    for path in
        ["/data", "/settings", "/api/v1/status", "/../config.toml", "/%2e%2e/config.toml", "/keys/identity"]
    {
        assert_eq!(reader.get(path).code, 404, "{path}");
    }
    assert_eq!(reader.post("/", "x=1").code, 405);
    let named = reader.raw("HEAD / HTTP/1.1\r\nHost: register.example\r\nConnection: close\r\n\r\n");
    assert!(named.code == 200 && named.body.is_empty(), "{}", named.head);
}
