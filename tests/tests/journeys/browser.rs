//! A real browser: Chromium, led by chromedriver over W3C WebDriver, which is JSON over HTTP. The dozen commands
//! that journeys use are written out here: a client library would bring twenty crates for them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use datacoop_tests::{PATIENCE, program};
use serde_json::{Value, json};

/// What a WebDriver element is called in JSON (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How often a driver is started: it takes a port that is free for one kind of address, and ends where that is taken
/// for the other.
const DRIVER_STARTS: usize = 5;
/// Quiet and alone: nothing is fetched, nothing is remembered, nothing is drawn by a graphics card.
const FLAGS: [&str; 10] = [
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// One browser with a profile of its own; ended when dropped.
pub(super) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// Where its session is.
    session: String,
    /// Whether pages may run scripts.
    pub(super) scripts: bool,
    _profile: tempfile::TempDir,
}

/// Whether a browser is there to be led.
///
/// Without `DATACOOP_BROWSER=1` and outside CI, journeys are skipped: a plain `cargo test` needs no browser.
pub(super) fn is_wanted() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let wanted = is("DATACOOP_BROWSER", "1") || is("CI", "true");
    if !wanted {
        eprintln!("skipped: DATACOOP_BROWSER=1 runs it, with Debian's chromium and chromium-driver");
    }
    wanted
}

/// `target/screenshots`.
pub(super) fn screenshots() -> PathBuf {
    let program = program();
    let target = program.parent().and_then(Path::parent).expect("target/<profile>/datacoop");
    let folder = target.join("screenshots");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Browser {
    /// Starts one, whose pages may or may not run scripts.
    pub(super) fn start(scripts: bool) -> Self {
        let (driver, port) =
            (0..DRIVER_STARTS).find_map(|_| Self::driver()).expect("chromedriver starts, and says its port");
        let profile = tempfile::tempdir().expect("a folder");
        let mut args: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let mut options = json!({ "args": args });
        if !scripts {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "implicit": 5_000, "pageLoad": 60_000, "script": 60_000 },
        } } });
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut browser =
            Self { driver, agent, session: format!("http://127.0.0.1:{port}"), scripts, _profile: profile };
        let session = browser.post("session", &wanted);
        browser.session += &format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser
    }

    /// A driver with its port; `None` where it ended at once.
    fn driver() -> Option<(Child, String)> {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: apt-get install chromium chromium-driver");
        let said = BufReader::new(driver.stdout.take().expect("it is piped"));
        // "ChromeDriver was started successfully on port 40123."
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        if port.is_none() {
            driver.wait().expect("it has ended");
        }
        port.map(|port| (driver, port))
    }

    fn tried(
        what: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, String> {
        let mut answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().expect("text");
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"));
        match answer.status().is_success() {
            true => Ok(value["value"].clone()),
            false => Err(format!("{what}: {} {}", value["value"]["error"], value["value"]["message"])),
        }
    }

    fn answer(what: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
        Self::tried(what, answer).unwrap_or_else(|error| panic!("{error}"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let what = format!("{path} {body:.200}");
        Self::answer(&what, self.agent.post(format!("{}/{path}", self.session)).send(body.to_string()))
    }

    fn get(&self, path: &str) -> Value {
        Self::answer(path, self.agent.get(format!("{}/{path}", self.session)).call())
    }

    /// A command of the browser's own developer protocol.
    pub(super) fn cdp(&self, command: &str, params: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Goes to an address.
    pub(super) fn go(&self, address: &str) {
        self.post("url", &json!({ "url": address }));
    }

    /// Goes to another path of the same node.
    pub(super) fn visit(&self, path: &str) {
        let here = self.address();
        let end = here.match_indices('/').nth(2).map_or(here.len(), |(at, _)| at);
        self.go(&format!("{}{path}", &here[..end]));
    }

    pub(super) fn address(&self) -> String {
        self.get("url").as_str().expect("an address").to_owned()
    }

    /// The address without the node's own part.
    pub(super) fn path(&self) -> String {
        self.address().splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path")
    }

    /// Waits until it is somewhere under this path, and says where.
    pub(super) fn reaches(&self, path: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.path().starts_with(path) {
            assert!(Instant::now() < deadline, "not at {path} but at {}: {}", self.path(), self.text("main"));
            std::thread::sleep(Duration::from_millis(50));
        }
        self.path()
    }

    pub(super) fn title(&self) -> String {
        self.get("title").as_str().expect("a title").to_owned()
    }

    fn find(&self, using: &str, value: &str) -> String {
        let found = self.post("element", &json!({ "using": using, "value": value }));
        format!("element/{}", found[ELEMENT].as_str().expect("an element"))
    }

    fn css(&self, css: &str) -> String {
        self.find("css selector", css)
    }

    /// How many there are now.
    pub(super) fn count(&self, css: &str) -> usize {
        let found = self.post("elements", &json!({ "using": "css selector", "value": css }));
        found.as_array().expect("a list").len()
    }

    /// What somebody reads in it.
    pub(super) fn text(&self, css: &str) -> String {
        self.get(&format!("{}/text", self.css(css))).as_str().expect("text").to_owned()
    }

    /// What a field holds.
    pub(super) fn value(&self, css: &str) -> String {
        self.get(&format!("{}/property/value", self.css(css))).as_str().expect("text").to_owned()
    }

    /// Writes into a field, in place of what is there.
    pub(super) fn fill(&self, css: &str, text: &str) {
        let element = self.css(css);
        self.post(&format!("{element}/clear"), &json!({}));
        self.post(&format!("{element}/value"), &json!({ "text": text }));
    }

    /// Types a day into a date field, in the order in which this browser wants it.
    pub(super) fn set_day(&self, css: &str, year: &str, rest: &str) {
        let (month, day) = rest.split_once('-').expect("MM-DD");
        self.post(&format!("{}/value", self.css(css)), &json!({ "text": format!("{month}{day}{year}") }));
    }

    /// Hands a file to a file field.
    pub(super) fn attach(&self, css: &str, file: &Path) {
        self.post(&format!("{}/value", self.css(css)), &json!({ "text": file.display().to_string() }));
    }

    /// Clicks it, as soon as it can be seen: a script may have yet to show it.
    fn click_found(&self, using: &str, value: &str) {
        let path = format!("{}/click", self.find(using, value));
        let deadline = Instant::now() + PATIENCE;
        let click = || self.agent.post(format!("{}/{path}", self.session)).send("{}");
        while let Err(error) = Self::tried(value, click()) {
            assert!(error.contains("not interactable") && Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Clicks what leads to another page, and waits for that one.
    fn leave_by(&self, using: &str, value: &str) {
        let page = self.css("html");
        self.click_found(using, value);
        let deadline = Instant::now() + PATIENCE;
        let here = || self.agent.get(format!("{}/{page}/name", self.session)).call();
        while Self::tried("html", here()).is_ok() {
            assert!(Instant::now() < deadline, "{value} leads nowhere: {}", self.text("main"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Clicks what leads to another page, named as in a stylesheet.
    pub(super) fn leave(&self, css: &str) {
        self.leave_by("css selector", css);
    }

    /// Clicks it: a choice, a tick, a link.
    pub(super) fn click(&self, css: &str) {
        self.click_found("css selector", css);
    }

    /// Chooses of a list.
    pub(super) fn choose(&self, select: &str, value: &str) {
        self.click(&format!("{select} option[value=\"{value}\"]"));
    }

    /// Chooses what begins with these words, of the list with this id.
    pub(super) fn choose_words(&self, id: &str, words: &str) {
        let option = format!("//select[@id=\"{id}\"]/option[starts-with(normalize-space(), \"{words}\")]");
        self.click_found("xpath", &option);
    }

    /// Presses the button that says this.
    pub(super) fn press(&self, label: &str) {
        self.leave_by("xpath", &format!("//main//button[normalize-space()=\"{label}\"]"));
    }

    /// Follows the link that says this.
    pub(super) fn follow(&self, label: &str) {
        self.leave_by("xpath", &format!("//a[normalize-space()=\"{label}\"]"));
    }

    /// Runs a script as the driver, whatever pages may.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// What pages complained about since this was last asked.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().expect("a list").iter();
        let bad = lines.filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")));
        // A form that comes back with its mistakes has that status on purpose.
        bad.map(|line| line["message"].to_string()).filter(|said| !said.contains("status of 422")).collect()
    }

    /// Waits until a page of this node says something, looking again as a person would.
    pub(super) fn wait_for(&self, path: &str, said: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.visit(path);
            let text = self.text("main");
            if text.contains(said) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} never said {said}: {text}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// A picture of the whole page as it is now.
    pub(super) fn picture(&self, name: &str) {
        let shot = self.cdp("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(screenshots().join(format!("{name}.png")), bytes).expect("written");
    }

    /// How many pages it prints on, of paper so many inches wide and high.
    pub(super) fn print(&self, name: &str, [wide, high]: [f64; 2]) -> usize {
        let how = json!({ "printBackground": false, "paperWidth": wide, "paperHeight": high, "preferCSSPageSize": true });
        let paper = self.cdp("Page.printToPDF", &how);
        let bytes = BASE64_STANDARD.decode(paper["data"].as_str().expect("a document")).expect("base64");
        std::fs::write(screenshots().join(format!("{name}.pdf")), &bytes).expect("written");
        assert!(bytes.starts_with(b"%PDF"), "a browser prints it");
        // Of the objects of a document those that are pages; `/Pages` is the list of them.
        let text = String::from_utf8_lossy(&bytes).replace("/Type /Pages", "");
        text.matches("/Type /Page").count()
    }

    /// The governors' page as it prints: a sheet of A4 or of Letter, front and back.
    pub(super) fn print_sheet(&self, name: &str) {
        for (paper, inches) in [("a4", [8.27, 11.69]), ("letter", [8.5, 11.0])] {
            assert_eq!(self.print(&format!("{name}-{paper}"), inches), 2, "{name} on {paper}");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with its session.
        self.agent.delete(&self.session).call().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
