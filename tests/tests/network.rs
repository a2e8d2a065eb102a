//! Five real processes on loopback, joined through cards and a charter file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::{Coop, RUN, json, wait_for};
use std::time::{Duration, Instant};

const ASK: [&str; 7] =
    ["ask", "--question", "mean.toml", "--period", "2026-09-01..2026-12-18", "--yes", "--json"];

#[test]
fn five_processes_answer_and_two_that_are_killed_in_the_middle_lose_nothing() {
    let mut coop = Coop::found(5, 200);
    // The last member answers on a slow grid: the others have contributed long before, and the
    // committee waits for it, so that there is time to kill somebody in between.
    let config = coop.node(4).join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("answer_grid = 250", "answer_grid = 6000")).unwrap();
    for n in 0..5 {
        coop.start(n);
    }
    for n in 0..5 {
        coop.wait_connected(n);
    }
    let mut ask = ASK.to_vec();
    ask.extend(["--window", "60s", "--wait", "0s"]);
    let asked = coop.run(2, &ask);
    assert_eq!(asked.status.code(), Some(7), "{}", String::from_utf8_lossy(&asked.stderr));
    let id = json(&asked)["query"].as_str().unwrap().to_owned();
    // A meeting point and an ordinary member have written: genesis, charter, verdict, debit, contribution.
    wait_for("contributions", || {
        let logs = coop.status(2)["logs"].clone();
        [1, 3].iter().all(|n| logs[n]["entries"].as_u64().unwrap() >= 5)
    });
    coop.kill(1);
    coop.kill(3);
    let stage = json(&coop.ok(2, &["results", &id, "--json"]))["stage"].clone();
    assert_ne!(stage, "released", "the kill came in time");
    coop.start(1);
    coop.start(3);
    for n in 0..5 {
        wait_for("the release everywhere", || {
            let seen = coop.run(n, &["results", &id, "--json"]);
            seen.status.success() && json(&seen)["stage"] == "released"
        });
        assert_eq!(coop.status(n)["ledger"][0]["spent"]["rho"], "0.005000000", "member {n} is debited once");
    }
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");

    // Asking again returns the stored release and spends nothing.
    let again = json(&coop.ok(3, &ASK));
    assert_eq!(again["release"]["query"], id.as_str());
    assert_eq!(coop.status(3)["ledger"][0]["spent"]["rho"], "0.005000000");

    // The index is disposable.
    let before = coop.status(0);
    let listed = json(&coop.ok(0, &["results", "--json"]));
    assert_eq!(listed["releases"].as_array().unwrap().len(), 1);
    coop.terminate(0);
    std::fs::remove_dir_all(coop.node(0).join("index")).unwrap();
    coop.start(0);
    let after = coop.status(0);
    for field in ["ledger", "released", "logs"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(json(&coop.ok(0, &["results", "--json"])), listed);
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_lost() {
    let mut coop = Coop::found(5, 40);
    coop.fails(0, &["status"], 11, "is not running");
    coop.fails(
        0,
        &["init", "--id", "X", "--name", "X", "--host", "x.example", "--people-max", "5"],
        2,
        "holds a node already",
    );
    coop.fails(0, &["import", "charter.txt", "--vocabulary", "exam.toml"], 2, "charter.txt");
    coop.fails(0, &["import", "0.csv", "--vocabulary", "nothing/1"], 2, "knows no vocabulary");
    // A charter signed by the wrong key: another member's signature under this one's name.
    let note = std::fs::read_to_string(coop.path("charter.txt")).unwrap();
    let lines: Vec<&str> = note.lines().filter(|line| line.starts_with('\u{2014}')).collect();
    let signature = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    let forged = note.replace(&signature(lines[0]), &signature(lines[1]));
    std::fs::write(coop.path("forged.txt"), forged).unwrap();
    coop.fails(0, &["charter", "show", "forged.txt"], 2, "by another key than its name's");
    let victim = lines[0].split(' ').nth(1).unwrap();
    let other = if victim.starts_with("s1.example") { 2 } else { 1 };
    coop.fails(other, &["charter", "sign", "forged.txt", "--yes"], 2, "by another key than its name's");
    let held = coop.node(other).join("charter/1.note");
    let good = std::fs::read(&held).unwrap();
    std::fs::copy(coop.path("forged.txt"), &held).unwrap();
    coop.fails(other, &RUN, 1, "version 1: a signature line");
    std::fs::write(&held, good).unwrap();

    // Three of five: fewer hear of too few to answer (C9).
    (0..3).for_each(|n| coop.start(n));
    coop.wait_connected(0);
    coop.fails(0, &RUN, 11, "another node runs on");
    let mut ask = ASK.to_vec();
    ask.extend(["--rho", "0.06"]);
    coop.fails(0, &ask, 4, "rho_query");
    std::fs::write(
        coop.path("bad.toml"),
        datacoop_tests::QUESTION.replace("[\"F\", \"M\"]", "[\"F\", \"X\"]"),
    )
    .unwrap();
    let bad = ["ask", "--question", "bad.toml", "--period", "2026-09-01..2026-12-18", "--yes"];
    coop.fails(0, &bad, 2, "not in the closed list of `sex`; allowed: F, M");
    assert!(coop.status(0)["ledger"].as_array().unwrap().is_empty(), "nothing was spent");
    coop.terminate(2);

    // A port in use is a clear error, and the node's folder is free again afterwards.
    coop.terminate(1);
    let config = std::fs::read_to_string(coop.node(1).join("config.toml")).unwrap();
    let port: u16 = config.split("tcp/").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    coop.fails(1, &RUN, 1, "cannot listen");
    drop(taken);
    coop.start(1);

    // A torn last frame is cut; everything before it stands.
    let whole = begun(&coop, 1);
    coop.terminate(1);
    let journal = coop.node(1).join("journal/00000001");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend([7, 0, 0]);
    std::fs::write(&journal, &bytes).unwrap();
    coop.start(1);
    assert_eq!(coop_entries(&coop, 1), whole);

    // An older journal than what was signed refuses to start.
    coop.terminate(1);
    std::fs::write(&journal, []).unwrap();
    coop.fails(1, &RUN, 1, "old copy");
}

/// The entries of a node's own log, once another has told it that there are no more.
fn begun(coop: &Coop, n: usize) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let entries = coop_entries(coop, n);
        if entries > 0 && coop.status(n)["starting"].is_null() {
            return entries;
        }
        assert!(Instant::now() < deadline, "node {n} begins no log");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn coop_entries(coop: &Coop, n: usize) -> u64 {
    coop.status(n)["logs"][n]["entries"].as_u64().unwrap()
}
