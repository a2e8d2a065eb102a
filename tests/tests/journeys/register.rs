//! The public register: before it is published, in the node's own pages; afterwards, as anybody has it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use datacoop_tests::Coop;
use serde_json::json;

use crate::browser::Browser;
use crate::{check_reports, coop, days, enter};

/// Links and what else takes the focus, in the order in which Tab comes to them.
const FOCUSABLE: &str = "arguments[0]([...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].map(e => e.outerHTML.slice(0, 80)));";
/// What has the focus, and whether one sees that.
const FOCUSED: &str = "
    const e = document.activeElement, s = getComputedStyle(e);
    arguments[0]([e.outerHTML.slice(0, 80), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]);";

pub(super) fn read(scripts: bool) {
    let coop = coop();
    coop.ok(0, &["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes"]);
    let head = enter(&coop, 0, scripts);
    head.visit("/register");
    head.look("register");
    head.follow("Read the preview");
    head.look("register-preview");
    assert!(head.text("main").contains("Nothing of this is published"), "{}", head.text("main"));
    head.follow("What do they score?");
    head.look("register-preview-result");
    head.follow("Back to this node");
    head.reaches("/register");
    check_reports(&coop, 0);
    drop(head);

    let site = publish(&coop);
    let at = serve(&site);
    let public = Browser::start(scripts);
    let mut pages: Vec<_> = std::fs::read_dir(&site).unwrap().flatten().map(|file| file.path()).collect();
    pages.retain(|page| page.extension().is_some_and(|end| end == "html"));
    pages.sort();
    assert!(pages.len() >= 9, "{pages:?}");
    for page in &pages {
        let name = page.file_stem().unwrap().to_string_lossy();
        public.go(&format!("{at}/{name}.html"));
        let name = if name.starts_with("result-") { "result" } else { &name };
        public.look(&format!("public-{name}"));
        assert_eq!(public.count("script, form, input, iframe, img"), 0, "{name}");
    }
    let cookies = public.cdp("Network.getAllCookies", &json!({}));
    assert_eq!(cookies["cookies"], json!([]), "it sets none");
    public.go(&format!("{at}/index.html"));
    by_keyboard(&public);
}

/// The register as every member's export gives it.
fn publish(coop: &Coop) -> std::path::PathBuf {
    let mut args = vec!["register".to_owned(), "export".to_owned(), "site".to_owned(), "--from".to_owned()];
    for n in 0..crate::MEMBERS {
        let folder = format!("public-{n}");
        coop.ok(n, &["log", "export", &folder]);
        args.push(folder);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    coop.ok(0, &args);
    coop.path("site")
}

/// The folder on a plain web server, as anybody's would serve it, until the test ends.
fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_err() {
                continue;
            }
            let name = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let kind = if name.ends_with(".css") { "text/css" } else { "text/html; charset=utf-8" };
            let (code, body) = match std::fs::read(folder.join(name)) {
                Ok(body) => ("200 OK", body),
                // A browser asks for an icon of its own accord.
                Err(_) => ("204 No Content", vec![]),
            };
            let head = format!(
                "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _hung_up = (&stream).write_all(&[head.as_bytes(), &body].concat());
        }
    });
    at
}

/// Tab comes to everything, each time to be seen, and Enter goes there.
fn by_keyboard(public: &Browser) {
    let press = |key: &str, code: u8, text: &str| {
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            public.cdp("Input.dispatchKeyEvent", &event);
        }
    };
    let all = public.run(FOCUSABLE);
    let all = all.as_array().unwrap();
    assert!(all.len() > 8, "{all:?}");
    for wanted in all {
        press("Tab", 9, "");
        let found = public.run(FOCUSED);
        assert_eq!(&found[0], wanted, "in the order of the page");
        assert_eq!(found[1], true, "the focus is seen on {wanted}");
    }
    // Round again: first past the header, then by it to another page.
    public.go(&public.address());
    press("Tab", 9, "");
    press("Enter", 13, "\r");
    assert!(public.address().ends_with("#main"), "{}", public.address());
    public.go(public.address().trim_end_matches("#main"));
    (0..3).for_each(|_| press("Tab", 9, ""));
    press("Enter", 13, "\r");
    datacoop_tests::wait_for("the results", || public.address().ends_with("results.html"));
}
