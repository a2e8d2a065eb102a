//! The public register on the node's own pages: what is shown there is what would be published. By raw requests.

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
}
