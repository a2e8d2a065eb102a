//! Journeys of people through a node's pages, in a real browser, each with scripts and without. Source: UI section 6.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod browser;
mod budget;
mod look;
mod plan;
mod register;
mod settings;
mod tamper;
mod trial;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use browser::{Browser, is_wanted};
use datacoop_tests::{Coop, json, program};

const MEMBERS: usize = 5;
/// Who asks its person first, where somebody does.
const SLOW: usize = 4;

/// Five nodes that run and have met.
fn coop() -> Coop {
    let mut coop = Coop::found(MEMBERS, 200);
    run(&mut coop);
    coop
}

fn run(coop: &mut Coop) {
    (0..MEMBERS).for_each(|n| coop.start(n));
    (0..MEMBERS).for_each(|n| coop.wait_connected(n));
}

/// Signs in by the link that the command line gives.
fn enter(coop: &Coop, n: usize, scripts: bool) -> Browser {
    let browser = Browser::start(scripts);
    let opened = json(&coop.ok(n, &["open", "--json"]));
    browser.go(opened["link"].as_str().unwrap());
    browser.look("enter");
    browser.press("Open this node");
    browser
}

/// The first days of the charter's academic year: what nodes have rows for.
fn days(coop: &Coop) -> String {
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let year = expires[..4].parse::<i64>().unwrap() - if expires[5..7] >= *"09" { 1 } else { 2 };
    format!("{year}-09-01..{year}-12-18")
}

/// The calendar year in which the charter's academic year begins.
fn coop_year(coop: &Coop) -> String {
    days(coop).split('-').next().unwrap().to_owned()
}

/// No browser said that a page broke its policy.
fn check_reports(coop: &Coop, n: usize) {
    let opened = json(&coop.ok(n, &["open", "--json"]));
    assert_eq!(opened["policy_reports"], 0, "a page broke its own policy");
}

/// A head reads: what stands out, one result, the governors' sheet, what is left, the log.
fn read(scripts: bool) {
    let coop = coop();
    let browser = enter(&coop, 0, scripts);
    browser.look("home-empty");
    let asked = ["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes"];
    coop.ok(0, &asked);
    browser.wait_for("/", "What stands out");
    browser.look("home");
    for (page, name) in [("Results", "results"), ("Privacy", "privacy"), ("Log", "log")] {
        browser.follow(page);
        browser.look(name);
    }
    browser.follow("Accessibility");
    browser.look("accessibility");
    assert!(browser.text("main").contains("level AA"), "{}", browser.text("main"));
    browser.follow("Results");
    browser.follow("What do they score?");
    browser.look("result");
    for said in ["Likely range", "What this measures", "What happened next", "Not shown: "] {
        assert!(browser.text("main").contains(said), "{said}: {}", browser.text("main"));
    }
    browser.follow("Print the governors' page");
    browser.look("governors");
    browser.print_sheet("governors");
    browser.visit("/help/figures");
    browser.look("figures");
    check_reports(&coop, 0);
}

/// A coordinator asks: from the problem, over a mistake and the plan, to the answer; a member's person says yes to
/// that, and no to the next.
fn ask(scripts: bool) {
    let mut coop = coop();
    // It is found among the catalogue's once somebody asked it; from here on one member's person is asked first.
    let first = ["ask", "--question", "mean.toml", "--period", &days(&coop), "--window", "20s", "--yes"];
    coop.ok(0, &first);
    coop.terminate(SLOW);
    std::fs::write(coop.node(SLOW).join("inbox.toml"), "default = \"ask\"\n").unwrap();
    coop.start(SLOW);
    coop.wait_connected(SLOW);
    let coordinator = enter(&coop, 0, scripts);
    coordinator.follow("Ask");
    coordinator.look("ask");
    coordinator.visit("/ask/mean-score");
    coordinator.look("ask-question");
    coordinator.fill("#why", "To plan lessons");
    coordinator.click("details:has(#first) summary");
    coordinator.set_day("#first", &coop_year(&coop), "09-01");
    coordinator.set_day("#last", &coop_year(&coop), "12-17");
    coordinator.click("details:has(#points) summary");
    coordinator.fill("#points", "lots");
    coordinator.press("Check before you ask");
    assert!(coordinator.title().starts_with("Error: "), "{}", coordinator.title());
    coordinator.look("ask-mistake");
    assert_eq!(coordinator.value("#why"), "To plan lessons", "what was typed is kept");
    coordinator.fill("#points", "2");
    coordinator.press("Check before you ask");
    coordinator.look("ask-check");
    assert!(coordinator.text("main").contains("2 points of the privacy budget"));
    coordinator.press("Ask the members");
    let round = coordinator.reaches("/rounds/");
    coordinator.look("round");

    let slow = enter(&coop, SLOW, scripts);
    slow.wait_for("/rounds", "To plan lessons");
    slow.look("rounds-waiting");
    slow.press("Answer it: What do they score?");
    assert!(slow.text("main").contains("Your yes is kept"), "{}", slow.text("main"));
    slow.look("round-approved");

    // With scripts the page that was left open says so by itself.
    if !scripts {
        coordinator.wait_for(&round, "Released: the answer is here.");
    }
    coordinator.follow("See the result");
    coordinator.look("result-asked");
    coordinator.follow("Print the governors' page");
    coordinator.look("governors-asked");

    decline(&coop, &slow);
    check_reports(&coop, 0);
    check_reports(&coop, SLOW);
}

/// A member's person declines, without a reason.
fn decline(coop: &Coop, slow: &Browser) {
    let (year, _) =
        days(coop).split_once('-').map(|(year, rest)| (year.to_owned(), rest.to_owned())).unwrap();
    let other = format!("{year}-09-01..{year}-12-16");
    let asked = coop.run(
        0,
        &["ask", "--question", "mean.toml", "--period", &other, "--why", "Another", "--yes", "--wait=0s"],
    );
    assert_eq!(asked.status.code(), Some(7));
    slow.wait_for("/rounds", "Another");
    slow.follow("Do not answer it: What do they score?");
    slow.press("Do not answer");
    slow.look("decline-mistake");
    slow.click("#far-once");
    slow.press("Do not answer");
    slow.look("declined");
    slow.follow("Log");
    slow.look("log-declined");
}

#[test]
fn a_coordinator_asks_with_scripts() {
    if is_wanted() {
        ask(true);
    }
}

#[test]
fn a_coordinator_asks_without_scripts() {
    if is_wanted() {
        ask(false);
    }
}

/// Register marks as somebody keeps them: titles above, headings of their own, American dates, a mark of none.
const MESSY: &str = "Hill Primary,,,\nMarks of the week,,,\n\nKid,When,Half,What\n\
    K1,12/01/2025,AM,/\nK1,12/01/2025,PM,\\\nK2,12/01/2025,AM,I\nK2,12/01/2025,PM,I\n\
    K3,12/17/2025,AM,/\nK3,12/17/2025,PM,\\\nK1,12/17/2025,AM,QQ\nK1,12/17/2025,PM,\\\n\
    K2,12/17/2025,AM,/\nK2,12/17/2025,PM,\\\nK3,12/01/2025,AM,/\nK3,12/01/2025,PM,\\\n";

/// A data manager imports a messy spreadsheet, mends what is asked about, and takes it back.
fn import(scripts: bool) {
    let mut coop = Coop::found(3, 20);
    coop.start(0);
    let manager = enter(&coop, 0, scripts);
    manager.follow("Data");
    manager.look("data");
    let file = coop.path("marks.csv");
    std::fs::write(&file, MESSY).unwrap();
    manager.attach("#file", &file);
    manager.choose("#vocabulary", "attendance/1");
    manager.press("Look at the file");
    manager.reaches("/data/files/");
    manager.look("data-columns");
    for (column, words) in [("pupil_id", "Kid"), ("date", "When"), ("session", "Half"), ("code", "What")] {
        manager.choose_words(&format!("column.{column}"), words);
    }
    manager.press("Check the rows");
    manager.look("data-dates");
    assert!(manager.text("main").contains("month, day, year"), "{}", manager.text("main"));
    manager.choose("#dates", "mdy");
    manager.press("Check the rows");
    manager.look("data-check");
    assert!(manager.text("main").contains("11 of 12 rows would be kept"), "{}", manager.text("main"));
    manager.press("Import these rows");
    manager.look("data-done");
    assert!(manager.text("main").contains("11 of 12 rows were kept"), "{}", manager.text("main"));
    manager.follow("Data");
    manager.look("data-imported");
    manager.click("details:has([value=\"attendance/1\"]) summary");
    manager.press("Undo the import of marks.csv");
    assert!(manager.text("main").contains("is taken back"), "{}", manager.text("main"));
    manager.look("data-undone");
    check_reports(&coop, 0);
}

#[test]
fn a_data_manager_imports_with_scripts() {
    if is_wanted() {
        import(true);
    }
}

#[test]
fn a_data_manager_imports_without_scripts() {
    if is_wanted() {
        import(false);
    }
}

/// A head reads the charter, what a version would change, and signs it; an auditor checks the log and one entry.
fn sign(scripts: bool) {
    let coop = coop();
    coop.ok(1, &["charter", "propose", "--expires", "2027-08-31", "-o", "v2.txt"]);
    let text = std::fs::read_to_string(coop.path("v2.txt")).unwrap();
    std::fs::write(coop.path("v2.txt"), text.replace("max_cells = 200", "max_cells = 50")).unwrap();
    coop.ok(1, &["propose", "charter", "v2.txt", "--yes"]);
    let head = enter(&coop, 0, scripts);
    head.visit("/members");
    head.look("members");
    head.wait_for("/charter", "School 1");
    head.look("charter");
    head.leave("a[href^=\"/charter/proposals/\"]");
    head.look("proposal");
    head.press("Support it");
    head.press("See what it changes, and sign it");
    head.look("charter-read");
    head.press("Sign this version");
    head.look("charter-unsigned");
    head.fill("#confirm", "School 0");
    head.press("Sign this version");
    head.look("charter-signed");
    assert!(head.text("main").contains("Your organisation signed it"), "{}", head.text("main"));

    head.follow("Log");
    head.press("Check them");
    head.look("log-checked");
    assert!(head.text("main").contains("check out"), "{}", head.text("main"));
    head.leave("#logs a");
    head.look("log-one");
    head.leave("#entries a");
    head.look("log-entry");
    check_reports(&coop, 0);
}

#[test]
fn a_head_signs_and_checks_with_scripts() {
    if is_wanted() {
        sign(true);
    }
}

#[test]
fn a_head_signs_and_checks_without_scripts() {
    if is_wanted() {
        sign(false);
    }
}

/// A folder with nothing in it, set up in the browser as far as one gets alone.
fn set_up(scripts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut start = Command::new(program())
        .current_dir(folder.path())
        .args(["--node", "node", "start", "--port", "0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(start.stderr.take().unwrap()).lines().map_while(Result::ok);
    let link = lines.find(|line| line.contains("/enter?code=")).expect("it says where to go");
    let person = Browser::start(scripts);
    person.go(link.trim());
    person.press("Open this node");
    person.reaches("/setup");
    person.look("setup");
    person.follow("Name your organisation");
    person.fill("[name=name]", "Hill Primary");
    person.fill("[name=id]", "school");
    person.fill("[name=host]", "hill.example");
    person.fill("[name=people_max]", "1,200");
    person.leave("#organisation-form button");
    person.look("setup-mistake");
    assert_eq!(person.value("[name=host]"), "hill.example", "what was typed is kept");
    person.fill("[name=id]", "GB-EDU-000003");
    person.leave("#organisation-form button");
    person.look("setup-named");
    person.follow("Choose a passphrase");
    person.fill("[name=new]", "wet paper orange bus");
    person.fill("[name=again]", "wet paper orange bus");
    person.look("setup-passphrase");
    person.leave("#passphrase-form button");
    person.look("setup-list");
    for (step, name) in [
        ("Import data", "setup-data"),
        ("Join a charter", "setup-charter"),
        ("Print your recovery sheet", "setup-recovery"),
    ] {
        person.visit("/setup");
        person.follow(step);
        person.look(name);
    }
    start.kill().unwrap();
    start.wait().unwrap();
}

#[test]
fn a_node_is_set_up_with_scripts() {
    if is_wanted() {
        set_up(true);
    }
}

#[test]
fn a_node_is_set_up_without_scripts() {
    if is_wanted() {
        set_up(false);
    }
}

/// What `datacoop demo --pages` shows at its end, and that it ends well.
fn watch_demo(scripts: bool) {
    let mut demo = Command::new(program())
        .args(["demo", "--members", "5", "--pages", "--json", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let link = lines
        .find_map(|line| line.trim().strip_prefix("\"pages\": \"")?.split('"').next().map(str::to_owned));
    let link = link.expect("the demo says where its pages are");
    let browser = Browser::start(scripts);
    browser.go(&link);
    browser.press("Open this node");
    let home = browser.text("body");
    assert!(home.contains("What stands out") && home.contains("Demo: made-up data"), "{home}");
    browser.look("demo");
    Command::new("kill").arg(demo.id().to_string()).status().unwrap();
    assert!(demo.wait().unwrap().success(), "a demo that is asked to end ends well");
}

#[test]
fn a_demo_ends_with_its_page_with_scripts() {
    if is_wanted() {
        watch_demo(true);
    }
}

#[test]
fn a_demo_ends_with_its_page_without_scripts() {
    if is_wanted() {
        watch_demo(false);
    }
}

/// A journey with scripts, and once more without.
macro_rules! journeys {
    ($($with:ident, $without:ident => $journey:path;)*) => { $(
        #[test]
        fn $with() {
            if is_wanted() {
                $journey(true);
            }
        }

        #[test]
        fn $without() {
            if is_wanted() {
                $journey(false);
            }
        }
    )* };
}

journeys! {
    somebody_looks_round_first_with_scripts, somebody_looks_round_first_without_scripts => trial::look_round;
    the_public_reads_the_register_with_scripts, the_public_reads_the_register_without_scripts => register::read;
    a_plan_is_read_with_scripts, a_plan_is_read_without_scripts => plan::read;
    a_budget_is_used_up_with_scripts, a_budget_is_used_up_without_scripts => budget::use_up;
    a_node_is_looked_after_with_scripts, a_node_is_looked_after_without_scripts => settings::look_after;
    a_byte_of_the_log_changes_with_scripts, a_byte_of_the_log_changes_without_scripts => tamper::change;
}

#[test]
fn a_head_reads_with_scripts() {
    if is_wanted() {
        read(true);
    }
}

#[test]
fn a_head_reads_without_scripts() {
    if is_wanted() {
        read(false);
    }
}
