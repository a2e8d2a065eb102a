//! Somebody, or a failing disk, changes one byte of what a node has written: the check names the entry and says what
//! to do, the node goes on, and its log comes back from the members.

use crate::{check_reports, coop, days, enter};

pub(super) fn change(scripts: bool) {
    let mut coop = coop();
    coop.ok(
        0,
        &[
            "ask",
            "--question",
            "mean.toml",
            "--period",
            &days(&coop),
            "--window",
            "20s",
            "--yes",
            "--why",
            "Early words",
        ],
    );
    let auditor = enter(&coop, 0, scripts);
    auditor.follow("Log");
    auditor.press("Check them");
    assert!(auditor.text("#checked").contains("entries check out"), "{}", auditor.text("#checked"));

    let path = coop.node(0).join("journal/00000001");
    let mut journal = std::fs::read(&path).unwrap();
    let words = b"Early words";
    let at = journal.windows(words.len()).position(|window| window == words).expect("it wrote them");
    journal[at] ^= 0x20;
    std::fs::write(&path, &journal).unwrap();

    auditor.press("Check again");
    auditor.look("log-byte-changed");
    let said = auditor.text("#checked");
    for part in [
        "Something does not check out",
        "of s0.example/",
        "no longer on this computer's disk",
        "What to do now",
        "datacoop restore",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Which entry: the one that asks.
    let entry = said.split("Entry ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    auditor.visit(&format!("/log/GB-EDU-000000/{entry}"));
    assert!(auditor.text("main").contains("Early words"), "memory has it whole: {}", auditor.text("main"));
    auditor.visit("/");
    assert!(auditor.text("main").contains("something does not check out"), "{}", auditor.text("main"));
    // It goes on, and answers.
    let day = days(&coop).replace("12-18", "12-16");
    coop.ok(0, &["ask", "--question", "mean.toml", "--period", &day, "--window", "20s", "--yes"]);
    check_reports(&coop, 0);
    drop(auditor);

    // What the page says to do.
    coop.terminate(0);
    assert_ne!(
        coop.run(0, &["run", "--no-pages"]).status.code(),
        Some(0),
        "it does not start on damaged ground"
    );
    coop.ok(0, &["restore", "--yes"]);
    coop.start(0);
    coop.wait_connected(0);
    datacoop_tests::wait_for("the log to come back", || coop.status(0)["starting"].is_null());
    let auditor = enter(&coop, 0, scripts);
    auditor.follow("Log");
    auditor.press("Check them");
    assert!(auditor.text("#checked").contains("entries check out"), "{}", auditor.text("#checked"));
}
