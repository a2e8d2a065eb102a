//! A node's pages as a browser, and as a hostile page, sees them: raw requests, so that nothing is helpfully
//! added.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::{Coop, json};

/// An answer of the pages.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub code: u16,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header, by its name in any spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Where a form that was taken leads on to.
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.code, 303, "{}\n{}", self.head, self.body);
        self.header("location").unwrap()
    }
}

/// A node's pages, with the cookie of whoever signed in.
pub struct Browser {
    /// Host and port.
    pub address: String,
    /// What it sends as `Cookie`.
    pub cookie: String,
}

impl Browser {
    /// Signs in as a person would: `datacoop open`, the link, the button.
    pub fn open(coop: &Coop, n: usize) -> Self {
        let opened = json(&coop.ok(n, &["open", "--json"]));
        Self::open_link(opened["link"].as_str().unwrap())
    }

    /// Signs in by a link.
    pub fn open_link(link: &str) -> Self {
        let (address, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut browser = Self { address: address.to_owned(), cookie: String::new() };
        let code = path.strip_prefix("enter?code=").unwrap();
        let shown = browser.get(&format!("/{path}"));
        assert!(shown.code == 200 && shown.body.contains("Open this node"), "{}", shown.body);
        assert_eq!(shown.header("set-cookie"), None, "looking changes nothing");
        let entered = browser.post("/enter", &format!("code={code}"));
        assert_eq!((entered.code, entered.header("location")), (303, Some("/")));
        let again = browser.post("/enter", &format!("code={code}"));
        assert!(again.code == 403 && again.header("set-cookie").is_none(), "{}", again.head);
        browser.take_cookie(&entered);
        browser
    }

    /// Keeps the cookie that an answer sets.
    pub fn take_cookie(&mut self, answer: &Answer) {
        self.cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    }

    /// Sends exactly this, and reads to the end.
    pub fn raw(&self, request: &str) -> Answer {
        self.send(request.as_bytes())
    }

    fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // Who is refused early may be hung up on while it still sends: the answer counts.
        let _sent = stream.write_all(request);
        let mut all = vec![];
        let _closed_or_reset = stream.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { code, head: head.to_owned(), body: body.to_owned() }
    }

    /// GET, signed in.
    pub fn get(&self, path: &str) -> Answer {
        let (host, cookie) = (&self.address, &self.cookie);
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ))
    }

    /// POST of a form, as a page of ours sends it.
    pub fn post(&self, path: &str, form: &str) -> Answer {
        self.post_as(path, form, &format!("Host: {}\r\nSec-Fetch-Site: same-origin\r\n", self.address))
    }

    /// POST of a form with these headers, each with its line end.
    pub fn post_as(&self, path: &str, form: &str, headers: &str) -> Answer {
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\n{headers}Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            self.cookie,
            form.len()
        ))
    }

    /// POST of a file as a browser sends it, under this name, with the other fields of its form.
    pub fn upload(&self, path: &str, fields: &[(&str, &str)], name: &str, bytes: &[u8]) -> Answer {
        let edge = "----datacoop-edge";
        let mut body = vec![];
        for (field, value) in fields {
            let head = format!("--{edge}\r\nContent-Disposition: form-data; name=\"{field}\"");
            body.extend_from_slice(format!("{head}\r\n\r\n{value}\r\n").as_bytes());
        }
        let head = format!("--{edge}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        body.extend_from_slice(format!("{head}\r\nContent-Type: text/csv\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{edge}--\r\n").as_bytes());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\nContent-Type: multipart/form-data; boundary={edge}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            self.cookie,
            body.len()
        );
        self.send(&[head.as_bytes(), &body].concat())
    }
}

/// A page that is whole: its headers, one heading, nothing inline, each id once. Returns its HTML.
pub fn check_page(browser: &Browser, path: &str) -> String {
    let page = browser.get(path);
    assert_eq!(page.code, 200, "{path}: {}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{path}");
    }
    check_markup(path, &page.body);
    page.body
}

/// Markup as every page has it.
pub fn check_markup(path: &str, body: &str) {
    assert_eq!(body.matches("<h1>").count(), 1, "{path}");
    for banned in ["style=", "<script>", "<style", "onclick", "javascript:", "<i>School"] {
        assert!(!body.contains(banned), "{path} holds {banned}");
    }
    let ids: Vec<&str> = body.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let different: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{path}: {ids:?}");
    // The one script is ours, by its hash.
    assert_eq!(body.matches("<script").count(), body.matches("<script src=\"/assets/").count(), "{path}");
    for label in body.split(" for=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&label), "{path}: a label for `{label}`, which is not there");
    }
    for described in body.split(" aria-describedby=\"").skip(1) {
        for id in described.split('"').next().unwrap().split(' ') {
            assert!(ids.contains(&id), "{path}: described by `{id}`, which is not there");
        }
    }
}
