//! A node set up in a browser from an empty folder to running, and the passphrase at its door. Source: UI section 3
//! (Sign in, Set up) and 5; SECURITY section 5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use datacoop_tests::pages::{Answer, Browser, check_markup, check_page};
use datacoop_tests::{json, program, wait_for};

const FOUNDERS: usize = 3;
/// The folder that is set up in the browser.
const NEW: usize = FOUNDERS;

/// Folders of members that have not met yet; the last one's process shows pages.
struct Beginning {
    folder: tempfile::TempDir,
    running: Option<Child>,
}

impl Beginning {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, n: usize, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).arg("--node").arg(self.path(&format!("node{n}"))).args(args);
        command.stdin(Stdio::null());
        command
    }

    fn ok(&self, n: usize, args: &[&str]) -> Output {
        let output = self.command(n, args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Starts the set-up and signs in by the link that it prints.
    fn start(&mut self) -> Browser {
        let said = self.path("start.log");
        let log = std::fs::File::create(&said).unwrap();
        self.running = Some(self.command(NEW, &["start", "--port", "0"]).stderr(log).spawn().unwrap());
        let mut link = String::new();
        wait_for("the link", || {
            let text = std::fs::read_to_string(&said).unwrap();
            let line = text.lines().find(|line| line.contains("/enter?code="));
            link = line.unwrap_or_default().to_owned();
            !link.is_empty() && text.contains("what was done stays")
        });
        Browser::open_link(link.trim())
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn refused(answer: &Answer, said: &str) {
    assert_eq!(answer.code, 422, "{}\n{}", answer.head, answer.body);
    check_markup("refused", &answer.body);
    assert!(answer.body.contains("<title>Error: "), "{}", answer.body);
    assert!(answer.body.contains(said), "does not say {said}: {}", answer.body);
}

/// How a step of the list stands.
fn stands(browser: &Browser, step: &str) -> String {
    let page = check_page(browser, "/setup");
    let rest = page.split(step).nth(1).unwrap_or_else(|| panic!("{step}: {page}"));
    let words = rest.split("class=\"meta\">").nth(1).unwrap();
    words.split('<').next().unwrap().to_owned()
}

const ORGANISATION: &str = "name=Hill+%3Ci%3EPrimary&id=GB-EDU-000003&host=s3.example&people_max=1,200&people_min=&body=&listen=&address=";

fn name_it(browser: &mut Browser, node: &Path) {
    assert_eq!(browser.get("/").header("location"), Some("/setup"));
    assert_eq!(stands(browser, "Choose a passphrase"), "Cannot start yet");
    refused(&browser.get("/setup/passphrase"), "cannot start yet");
    refused(&browser.get("/log"), "no such page before this node runs");
    let stranger = Browser { address: browser.address.clone(), cookie: String::new() };
    let asked = stranger.get("/api/v1/status");
    assert!(
        asked.code == 404 && asked.body.is_empty(),
        "a program without a token learns nothing: {}",
        asked.body
    );
    check_page(browser, "/setup/organisation");
    refused(&browser.post("/setup/organisation", &ORGANISATION.replace("GB-EDU-000003", "school")), "school");
    let wrong = browser.post("/setup/organisation", &ORGANISATION.replace("1,200", "many"));
    refused(&wrong, "is no number of people");
    assert!(wrong.body.contains("Hill &lt;i&gt;Primary"), "what was typed stays: {}", wrong.body);
    let forged =
        browser.post_as("/setup/organisation", ORGANISATION, &format!("Host: {}\r\n", browser.address));
    assert_eq!(forged.code, 403);
    assert!(!node.join("config.toml").exists());
    assert_eq!(browser.post("/setup/organisation", ORGANISATION).leads_to(), "/setup");
    refused(&browser.post("/setup/organisation", ORGANISATION), "holds a node already");
    assert_eq!(stands(browser, "Name your organisation"), "Completed");
}

fn choose_passphrase(browser: &mut Browser) {
    check_page(browser, "/setup/passphrase");
    refused(&browser.post("/setup/passphrase", "new=wet+paper+orange+bus&again=wet+paper"), "differ");
    refused(&browser.post("/setup/passphrase", "new=short&again=short"), "at least 12 characters");
    let before = browser.cookie.clone();
    let set = browser.post("/setup/passphrase", "new=wet+paper+orange+bus&again=wet+paper+orange+bus");
    assert_eq!(set.leads_to(), "/setup");
    browser.take_cookie(&set);
    let old = Browser { address: browser.address.clone(), cookie: before };
    assert_eq!(old.get("/setup").header("location"), Some("/enter"), "the session was rotated");
    assert_eq!(stands(browser, "Choose a passphrase"), "Completed");
}

/// Founds a co-operative of all four, by the command line, and signs for the one that is set up.
fn found(beginning: &Beginning, card: &str) {
    let mut cards = vec!["3.card".to_owned()];
    std::fs::write(beginning.path("3.card"), card).unwrap();
    for n in 0..FOUNDERS {
        let (id, host) = (format!("GB-EDU-{n:06}"), format!("s{n}.example"));
        let name = format!("School {n}");
        beginning.ok(n, &["init", "--id", &id, "--name", &name, "--host", &host, "--people-max", "500"]);
        beginning.ok(n, &["charter", "card", "-o", &format!("{n}.card")]);
        cards.push(format!("{n}.card"));
    }
    let mut args = vec!["charter", "new"];
    args.extend(cards.iter().map(String::as_str));
    args.extend(["--name", "Hill and Vale", "--vocabulary", "attendance/1", "--purpose", "absence"]);
    args.extend(["--title", "Who is away?", "--affected", "Pupils.", "--heard", "The council."]);
    args.extend(["--not-for", "ranking schools", "--public-after-days", "0", "--plain", "Who is away?"]);
    args.extend(["--reviewer", "GB-EDU-000000", "--reviewer", "GB-EDU-000001"]);
    args.extend(["--successor", "GB-CHC-1", "-o", "charter.txt"]);
    beginning.ok(0, &args);
    for n in [NEW, 0, 1, 2] {
        beginning.ok(n, &["charter", "sign", "charter.txt", "--yes"]);
    }
}

fn join(beginning: &Beginning, browser: &Browser) {
    check_page(browser, "/setup/charter");
    assert_eq!(stands(browser, "Set your own limits"), "Cannot start yet");
    refused(&browser.get("/setup/limits"), "cannot start yet");
    refused(&browser.post("/setup/start", ""), "belongs to no charter yet");
    let note = std::fs::read(beginning.path("charter.txt")).unwrap();
    let said = json(&beginning.ok(0, &["charter", "fingerprint", "charter.txt", "--json"]));
    let words: Vec<&str> = said["fingerprints"][0]["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let words = words.join(" ");
    let bring = |words: &str, note: &[u8]| browser.upload("/setup/join", &[("words", words)], "1.note", note);
    refused(&bring("", &note), "There is a problem");
    refused(&bring(&words, b""), "Choose the charter");
    refused(
        &bring(
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
            &note,
        ),
        "not the words of the charter",
    );
    let path = bring(&words, &note).leads_to().to_owned();
    let page = check_page(browser, &path);
    assert!(page.contains("Hill and Vale") && page.contains("It is never sold"), "{page}");
    assert_eq!(browser.post(&path, "").leads_to(), "/setup");
    assert_eq!(stands(browser, "Join a charter"), "Completed");
    refused(&browser.post(&path, ""), "belongs to Hill and Vale already");

    check_page(browser, "/setup/limits");
    browser.post("/setup/limits", "").leads_to();
    let limits = std::fs::read_to_string(beginning.path("node3/limits.toml")).unwrap();
    assert!(limits.contains("purposes = []"), "{limits}");
    browser.post("/setup/limits", "purpose-absence=yes&purpose-evil=yes").leads_to();
    let limits = std::fs::read_to_string(beginning.path("node3/limits.toml")).unwrap();
    assert!(limits.contains("purposes = [\"absence\"]"), "{limits}");
    let sheet = check_page(browser, "/setup/recovery");
    assert!(sheet.contains("node3") && sheet.contains("GB-EDU-000003"), "{sheet}");
    browser.post("/setup/recovery", "").leads_to();
    assert_eq!(stands(browser, "Print your recovery sheet"), "Completed");
}

/// A passphrase is asked for once a session, and slower with each wrong one.
fn unlock(beginning: &Beginning, signed_in: &Browser) {
    let opened = json(&beginning.ok(NEW, &["open", "--json"]));
    let mut browser = Browser::open_link(opened["link"].as_str().unwrap());
    for path in ["/", "/data", "/charter", "/settings"] {
        assert_eq!(browser.get(path).header("location"), Some("/unlock"), "{path}");
    }
    assert_eq!(browser.post("/data/undo", "vocabulary=a&snapshot=1").header("location"), Some("/unlock"));
    let asked = browser.get("/unlock");
    assert!(asked.code == 200 && asked.body.contains("type=\"password\""), "{}", asked.body);
    assert!(!asked.body.contains("Hill"), "whoever is outside learns nothing of the node");
    let wrong = browser.post("/unlock", "passphrase=wet+paper");
    assert_eq!(wrong.code, 403, "{}", wrong.body);
    assert!(wrong.body.contains("That passphrase is not right. Try again in 1 second."), "{}", wrong.body);
    let early = browser.post("/unlock", "passphrase=wet+paper+orange+bus");
    assert!(
        early.code == 429 && early.header("retry-after") == Some("1"),
        "even the right one: {}",
        early.head
    );
    assert_eq!(browser.get("/").header("location"), Some("/unlock"));
    assert_eq!(signed_in.get("/").code, 200, "who is in stays in");
    std::thread::sleep(Duration::from_millis(1_100));
    let before = browser.cookie.clone();
    let right = browser.post("/unlock", "passphrase=wet+paper+orange+bus");
    assert_eq!(right.leads_to(), "/");
    browser.take_cookie(&right);
    assert_ne!(browser.cookie, before);
    assert_eq!(
        Browser { address: browser.address.clone(), cookie: before }.get("/").header("location"),
        Some("/enter")
    );
    check_page(&browser, "/settings");
    refused(
        &browser
            .post("/settings/passphrase", "current=wrong&new=another+four+words&again=another+four+words"),
        "not right",
    );
    refused(&browser.post("/settings/erase-left-out", "confirm=yes"), "nothing was erased");
    beginning.ok(NEW, &["init", "--reset-passphrase", "--yes"]);
    let opened = json(&beginning.ok(NEW, &["open", "--json"]));
    let browser = Browser::open_link(opened["link"].as_str().unwrap());
    assert!(check_page(&browser, "/").contains("there is no passphrase yet"));
}

#[test]
fn an_empty_folder_becomes_a_running_node_in_the_browser() {
    let mut beginning = Beginning { folder: tempfile::tempdir().unwrap(), running: None };
    let mut browser = beginning.start();
    name_it(&mut browser, &beginning.path("node3"));
    choose_passphrase(&mut browser);
    let card = browser.get("/setup/card").body;
    assert_eq!(card.as_bytes(), beginning.ok(NEW, &["charter", "card"]).stdout);
    // Data may come before the charter.
    let marks = b"Adno,Date,Session,Mark\n1,01/12/2025,AM,/\n1,01/12/2025,PM,\\\n";
    let place = browser.upload("/data/files", &[("vocabulary", "attendance/1")], "marks.csv", marks);
    let place = place.leads_to().to_owned();
    let check = check_page(&browser, &format!("{place}/check"));
    let checked = check.split("name=\"checked\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    browser.post(&format!("{place}/import"), &format!("checked={checked}")).leads_to();
    assert_eq!(stands(&browser, "Import data"), "Completed");

    found(&beginning, &card);
    join(&beginning, &browser);
    assert_eq!(browser.post("/setup/start", "").code, 200);
    wait_for("the node", || browser.get("/").body.contains("Your node"));
    check_page(&browser, "/data");
    wait_for("its door", || beginning.path("node3/run/api").exists());
    unlock(&beginning, &browser);
}
