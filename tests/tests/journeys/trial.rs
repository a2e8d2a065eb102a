//! Somebody with an empty folder looks round first: how long it takes to a chart of one's own, that nothing leaves
//! this computer, and that nothing stays.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datacoop_tests::{program, wait_for};

use crate::browser::Browser;

/// What a newcomer waits for a first chart of one's own, from the command on.
const FIRST_CHART: Duration = Duration::from_secs(180);
/// And presses until then.
const CLICKS: usize = 2;

/// `datacoop start` in a folder, and where it says to go.
fn start(folder: &Path) -> (Child, String) {
    let scratch = folder.join("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let mut start = Command::new(program())
        .current_dir(folder)
        .env("TMPDIR", &scratch)
        .args(["--node", "node", "start", "--port", "0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(start.stderr.take().unwrap()).lines().map_while(Result::ok);
    let link = lines.find(|line| line.contains("/enter?code=")).expect("it says where to go");
    // Nobody reads on, but what is said must go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    (start, link.trim().to_owned())
}

/// The other ends that a process's TCP connections have, and what its listeners listen at, as the kernel lists them;
/// those of this computer alone are left out.
fn beyond_this_computer(process: u32) -> Vec<String> {
    let mut beyond = vec![];
    for (file, loopback) in [
        ("tcp", &["0100007F"][..]),
        ("tcp6", &["00000000000000000000000001000000", "0000000000000000FFFF00000100007F"][..]),
    ] {
        let Ok(table) = std::fs::read_to_string(format!("/proc/{process}/net/{file}")) else { continue };
        let ours: Vec<String> = sockets(process);
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, remote, inode) = (fields[1], fields[2], fields[9]);
            let host = |end: &str| end.split(':').next().unwrap_or_default().to_owned();
            let is_far = |end: &str| !loopback.contains(&host(end).as_str());
            // A listener has no other end yet.
            let none = host(remote).chars().all(|c| c == '0');
            if ours.iter().any(|own| own == inode) && (is_far(local) || (!none && is_far(remote))) {
                beyond.push(format!("{local} {remote}"));
            }
        }
    }
    beyond
}

fn sockets(process: u32) -> Vec<String> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let named = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let named = named
        .filter_map(|name| Some(name.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()));
    named.collect()
}

pub(super) fn look_round(scripts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (mut process, link) = start(folder.path());
    let person = Browser::start(scripts);
    person.go(&link);
    let mut clicks = 0;
    for button in ["Open this node", "Try it with made-up data"] {
        if clicks == 1 {
            person.look("setup-offer");
        }
        person.press(button);
        clicks += 1;
    }
    // The page looks again by itself, with scripts or without.
    wait_for("the first chart", || person.count(".out figure svg") > 0);
    let took = began.elapsed();
    println!("the first chart of one's own: {clicks} clicks, {} s", took.as_secs());
    assert!(took < FIRST_CHART && clicks <= CLICKS, "{took:?}, {clicks} clicks");
    let waited = person.complaints();
    assert!(waited.iter().all(|said| said.contains("status of 503")), "{waited:?}");

    let page = person.text("body");
    for said in
        ["Sample data: nothing leaves this computer.", "Demo: made-up data", "What stands out", "exact"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    person.look("sample-home");
    assert!(!sockets(process.id()).is_empty());
    assert_eq!(beyond_this_computer(process.id()), Vec::<String>::new(), "nothing leaves this computer");
    try_things(&person);
    leave(&person, folder.path());
    process.kill().unwrap();
    process.wait().unwrap();
}

/// Down the list of what to try.
fn try_things(person: &Browser) {
    person.follow("What to try");
    person.look("sample-try");
    assert!(person.text("main").contains("0 of 8 tried"), "{}", person.text("main"));
    person.visit("/results");
    person.look("sample-results");
    person.leave("#releases a");
    person.look("sample-result");
    assert!(person.text("main").contains("exact"), "ours stand beside it: {}", person.text("main"));
    person.follow("Print the governors' page");
    person.look("sample-governors");
    person.print_sheet("sample-governors");
    for question in ["attendance-rate", "absence-spread"] {
        person.visit(&format!("/ask/{question}"));
        person.fill("#why", "To see how it works");
        person.click("details:has(#first) summary");
        person.set_day("#first", "2025", "11-03");
        person.set_day("#last", "2025", "12-19");
        person.press("Check before you ask");
        person.look(&format!("sample-check-{question}"));
        assert_eq!(
            person.count("#too-rough"),
            usize::from(question == "attendance-rate"),
            "{}",
            person.text("main")
        );
    }
    person.press("Ask the members");
    let round = person.reaches("/rounds/");
    person.wait_for(&round, "Released: the answer is here.");
    person.visit("/log");
    person.press("Check them");
    assert!(person.text("main").contains("entries check out"), "{}", person.text("main"));
    person.visit("/privacy");
    person.look("sample-privacy");
    person.visit("/help/words");
    person.look("words");
    person.visit("/register");
    person.visit("/charter");
    person.visit("/try");
    person.look("sample-tried");
    assert!(person.text("main").contains("8 of 8 tried"), "{}", person.text("main"));
}

/// Back to the set-up, and nothing is left of it.
fn leave(person: &Browser, folder: &Path) {
    person.leave("#end-form button");
    wait_for("the set-up", || person.count("#try-form") > 0);
    drop(person.complaints());
    person.look("setup-again");
    assert!(!person.text("body").contains("Sample data"));
    let left: Vec<_> =
        std::fs::read_dir(folder.join("tmp")).unwrap().flatten().map(|one| one.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!folder.join("node/config.toml").exists(), "the real folder is as it was");
}
