//! Members change their charter by the command line, and nodes that were not given the version fetch it from
//! those that were. Source: CHARTER section 3.

use datacoop_tests::{Coop, json, wait_for};

const ASK: [&str; 6] = ["ask", "--question", "mean.toml", "--period", "2026-09-01..2026-11-20", "--yes"];

fn version(coop: &Coop, n: usize) -> u64 {
    let status = coop.run(n, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
    status["charter"]["version"].as_u64().unwrap_or(0)
}

#[test]
fn a_version_is_proposed_signed_by_a_quorum_and_spreads_by_itself() {
    let mut coop = Coop::found(5, 40);
    coop.fails(0, &["charter", "diff"], 2, "one version only");
    coop.ok(0, &["charter", "propose", "--expires", "2027-08-31", "-o", "v2.txt"]);
    // A text that only tightens: fewer cells, and an earlier end.
    let text = std::fs::read_to_string(coop.path("v2.txt")).unwrap();
    let text = text.replace("max_cells = 200", "max_cells = 50");
    assert!(text.contains("max_cells = 50"), "{text}");
    std::fs::write(coop.path("v2.txt"), &text).unwrap();
    let diff = json(&coop.ok(0, &["charter", "diff", "v2.txt", "--json"]));
    assert_eq!(diff["class"], "tightening", "{diff}");
    for n in 0..4 {
        let signed = json(&coop.ok(n, &["charter", "sign", "v2.txt", "--yes", "--json"]));
        assert_eq!(signed["held"], n == 3, "{signed}");
    }
    // A text that ends soon says so, sixty days ahead.
    let made = text.lines().find_map(|line| line.strip_prefix("made = ")).expect("a day");
    let soon = datacoop_policy::Day::parse(made).map(|day| datacoop_policy::Day(day.0 + 59)).expect("a day");
    std::fs::write(coop.path("soon.txt"), text.replacen("2027-08-31", &soon.to_string(), 1))
        .expect("written");
    let shown = String::from_utf8(coop.ok(0, &["charter", "show", "soon.txt"]).stdout).expect("text");
    assert!(shown.starts_with(&format!("The charter ends in 59 days, on {soon};")), "{shown}");
    assert!(
        !String::from_utf8(coop.ok(0, &["charter", "show", "v2.txt"]).stdout)
            .expect("text")
            .contains("ends in")
    );
    // Of one parent a member signs one text (C4), however the file is called.
    std::fs::write(coop.path("other.txt"), text.replace("max_cells = 50", "max_cells = 40")).unwrap();
    coop.fails(0, &["charter", "sign", "other.txt", "--yes"], 1, "already signed another text");
    // Only the fourth holds it: the others fetch it from its log while they run.
    for n in 0..5 {
        coop.start(n);
    }
    for n in 0..5 {
        wait_for("version 2", || version(&coop, n) == 2);
    }
    for n in 0..5 {
        coop.wait_connected(n);
    }
    let mut ask = ASK.to_vec();
    ask.extend(["--wait", "60s", "--json"]);
    let asked = json(&coop.ok(0, &ask));
    assert_eq!(asked["release"]["roster"], 5, "{asked}");
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");
    let shown = String::from_utf8(coop.ok(4, &["charter", "show"]).stdout).unwrap();
    assert!(shown.contains("version 2"), "{shown}");
}

/// C5, F18: a member that a version drops has 14 days. Its node takes that version, starts with it, asks and
/// answers, and gives its log away.
#[test]
fn whoever_a_version_drops_goes_on_until_it_acts() {
    let mut coop = Coop::found(6, 40);
    (0..6).for_each(|n| coop.start(n));
    (0..6).for_each(|n| coop.wait_connected(n));
    let ask = |coop: &Coop, n: usize, last: &str| {
        let period = format!("2026-09-01..2026-11-{last}");
        let args =
            ["ask", "--question", "mean.toml", "--period", &period, "--yes", "--wait", "60s", "--json"];
        let asked = json(&coop.ok(n, &args));
        asked["release"]["query"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned()
    };
    let before = ask(&coop, 0, "20");
    (0..5).for_each(|n| coop.terminate(n));
    coop.ok(0, &["charter", "propose", "--remove", "GB-EDU-000005", "-o", "v2.txt"]);
    (0..5).for_each(|n| drop(coop.ok(n, &["charter", "sign", "v2.txt", "--yes"])));
    (0..5).for_each(|n| coop.start(n));
    let second = coop.node(5).join("charter/2.note");
    wait_for("the leaver's node to take the version that drops it", || second.exists());
    (0..6).for_each(|n| coop.wait_connected(n));
    let status = coop.status(5);
    assert_eq!(status["charter"]["version"], 1, "{status}");
    // What holds here is the first version; the second waits, and since when is said.
    let limits = json(&coop.ok(0, &["charter", "limits", "--json"]));
    assert_eq!(
        (&limits["charter"]["version"], &limits["waiting"]["version"]),
        (&1.into(), &2.into()),
        "{limits}"
    );
    assert_eq!(
        (&limits["waiting"]["from"], &limits["waiting"]["logged"]),
        (&coop.status(0)["charter"]["later"][0]["from"], &true.into()),
        "{limits}"
    );
    let said = String::from_utf8(coop.ok(0, &["charter", "limits"]).stdout).expect("text");
    assert!(
        said.starts_with("These are the limits of version 1, which is in force. Version 2 acts here from"),
        "{said}"
    );
    // By its hand and with its help.
    let after = ask(&coop, 5, "19");
    let round = json(&coop.ok(0, &["results", &after, "--json"]));
    assert_eq!(round["contributed"], 6, "{round}");
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified}");
    // The witnesses of the first version cosign still, and what they cosigned proves both rounds.
    for query in [&before, &after] {
        let file = format!("{query}.dcert");
        wait_for("witnesses", || coop.run(0, &["certificate", query, "-o", &file]).status.success());
        let checked = json(&coop.ok(0, &["verify", &file, "--json"]));
        assert_ne!(checked["result"], "fail", "{checked}");
    }
}

/// S28 from outside: five members, of whom two sign two texts with another program than ours.
#[test]
fn two_rival_versions_halt_the_nodes_that_hear_of_both() {
    let mut coop = Coop::found(5, 40);
    coop.ok(0, &["charter", "propose", "--expires", "2027-08-31", "-o", "one.txt"]);
    coop.ok(0, &["charter", "propose", "--expires", "2027-07-31", "-o", "two.txt"]);
    for n in 0..4 {
        coop.ok(n, &["charter", "sign", "one.txt", "--yes"]);
    }
    // What C4 remembers is lost with its folder: who deletes it can sign again.
    for n in [0, 1, 2, 4] {
        for file in std::fs::read_dir(coop.node(n).join("charter/signed")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        coop.ok(n, &["charter", "sign", "two.txt", "--yes"]);
    }
    for n in 0..5 {
        coop.start(n);
    }
    for n in 0..5 {
        wait_for("a conflict", || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            let output = coop.run(n, &["status", "--json"]);
            serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok_and(|status| {
                status["charter"]["rivals"].as_array().is_some_and(|found| found.len() == 1)
            })
        });
    }
    let refused = coop.run(0, &ASK);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    assert!(said.contains("charter_conflict"), "{said}");
    let shown = String::from_utf8(coop.ok(3, &["charter", "show"]).stdout).unwrap();
    for n in [0, 1, 2] {
        assert!(shown.contains(&format!("GB-EDU-{n:06} signed both")), "{shown}");
    }
}
