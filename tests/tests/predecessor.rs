//! A co-operative loses its quorum, and those who are left found another that follows it, by the command line. Source:
//! CHARTER.md C15.

use datacoop_policy::PrivacyLoss;
use datacoop_tests::{Coop, RUN, json, wait_for};
use serde_json::Value;

/// Of five, who goes on; the other two are not heard of any more.
const MOVE: [usize; 3] = [0, 2, 3];

fn id(n: usize) -> String {
    format!("GB-EDU-{n:06}")
}

/// Asks about the autumn that the charter's year begins with, up to this day of December.
fn ask(coop: &Coop, day: &str) -> Value {
    let expires = coop.status(0)["charter"]["expires"].as_str().expect("a day").to_owned();
    let (year, month) = (expires[..4].parse::<i64>().expect("a year") - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    let days = format!("{autumn}-09-01..{autumn}-12-{day}");
    let args = ["ask", "--question", "mean.toml", "--period", &days, "--yes", "--wait", "60s", "--json"];
    json(&coop.ok(0, &args))
}

/// Rho of the first account.
fn spent(coop: &Coop, n: usize) -> PrivacyLoss {
    let status = coop.status(n);
    let spent = status["ledger"][0]["spent"]["rho"].as_str().unwrap_or_else(|| panic!("{status:#}"));
    spent.parse().expect("rho")
}

fn new_charter(coop: &Coop, cards: &[String], predecessor: &str, file: &str) -> std::process::Output {
    let mut args = vec!["charter", "new"];
    args.extend(cards.iter().map(String::as_str));
    args.extend(["--name", "Hill and Vale again", "--vocabulary", "exam.toml", "--purpose", "exams"]);
    args.extend(["--title", "Who does well?", "--affected", "Pupils; their families."]);
    args.extend(["--heard", "The student council.", "--not-for", "ranking schools"]);
    args.extend(["--public-after-days", "0", "--reviewer", "GB-EDU-000000", "--reviewer", "GB-EDU-000002"]);
    args.extend(["--plain", "Who does well?", "--successor", "GB-CHC-1", "-o", file]);
    args.extend(["--predecessor", predecessor]);
    coop.run(0, &args)
}

#[test]
fn who_is_left_founds_another_and_brings_what_was_spent() {
    let mut coop = Coop::found(5, 40);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let asked = ask(&coop, "18");
    assert_eq!(asked["release"]["roster"], 5, "{asked}");
    let before = spent(&coop, 0);
    let old = coop.status(0)["charter"]["id"].as_str().unwrap().to_owned();
    let exports: Vec<String> = (0..5).map(|n| format!("old{n}")).collect();
    (0..5).for_each(|n| drop(coop.ok(n, &["log", "export", &exports[n]])));
    (0..5).for_each(|n| coop.terminate(n));
    let own_charter = std::fs::read(coop.node(4).join("charter/1.note")).unwrap();

    // Cards: of who was a member, with its new keys and its log; of who was none, the plain one.
    let short = &old[..16];
    coop.fails(
        0,
        &["charter", "card", "--leaving", "0123456789abcdef"],
        2,
        "belongs to no co-operative whose id",
    );
    let mut cards = vec![];
    for n in MOVE {
        let card = format!("next{n}.card");
        coop.ok(n, &["charter", "card", "--leaving", short, "-o", &card]);
        let text = std::fs::read_to_string(coop.path(&card)).unwrap();
        assert!(text.contains(&format!("goes_on_from = \"s{n}.example/datacoop/1+")), "{text}");
        cards.push(card);
    }
    let args = ["init", "--id", &id(7), "--name", "School 7", "--host", "s7.example", "--people-max", "500"];
    coop.ok(7, &args);
    coop.ok(7, &["charter", "card", "-o", "7.card"]);
    coop.ok(7, &["import", "1.csv", "--vocabulary", "exam.toml"]);
    cards.push("7.card".into());

    // A member whose card leaves its log out, or a predecessor that is not ours, is refused.
    let forgets: Vec<String> = ["0.card", "next2.card", "next3.card", "7.card"].map(String::from).into();
    let refused = new_charter(&coop, &forgets, short, "no.txt");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("would begin with a fresh Ledger (rule C15)"),
        "{said}"
    );
    let refused = new_charter(&coop, &cards, "0123456789abcdef", "no.txt");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("give the predecessor's id in full"), "{said}");
    let other = "ab".repeat(32);
    assert!(new_charter(&coop, &cards, &other, "other.txt").status.success());
    coop.fails(
        0,
        &["charter", "sign", "other.txt", "--yes", "--leaving", short],
        6,
        "names another predecessor",
    );

    assert!(new_charter(&coop, &cards, short, "again.txt").status.success());
    let shown = String::from_utf8(coop.ok(7, &["charter", "show", "again.txt"]).stdout).unwrap();
    assert!(shown.contains(&format!("Follows the co-operative {old}")), "{shown}");
    assert!(shown.contains("GB-EDU-000007 was no member of it"), "{shown}");
    // Nobody is moved unasked, and by no other name.
    let sign = ["charter", "sign", "again.txt", "--yes", "--json"];
    coop.fails(0, &sign, 2, "by this charter it would leave it");
    coop.fails(0, &[&sign[..], &["--leaving", "0123456789abcdef"]].concat(), 2, "and not to one whose id");
    coop.fails(7, &[&sign[..], &["--leaving", short]].concat(), 2, "belongs to no co-operative");
    let leaving = [&sign[..], &["--leaving", short]].concat();
    for n in MOVE {
        assert_eq!(json(&coop.ok(n, &leaving))["in_force"], false);
    }
    assert!(coop.node(0).join("journal/00000001").exists(), "a signature alone moves nobody");
    assert_eq!(json(&coop.ok(7, &sign))["in_force"], true);
    // Of who is in both none can take it without saying so.
    coop.fails(2, &sign, 2, "by this charter it would leave it");
    for n in MOVE {
        let words = coop.ok(n, &["charter", "sign", "again.txt", "--yes", "--leaving", short]);
        let said = String::from_utf8_lossy(&words.stderr).into_owned();
        assert!(said.contains("This node leaves Hill and Vale"), "{said}");
        assert!(coop.node(n).join(format!("before/{old}/journal/00000001")).exists());
    }
    // It had gone on already: the same command changes nothing.
    assert_eq!(json(&coop.ok(0, &leaving))["in_force"], true);

    for n in [0, 2, 3, 7] {
        coop.start(n);
    }
    for n in [0, 2, 3, 7] {
        wait_for("connections", || {
            let status = coop.run(n, &["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
            status["charter"]["unheard_since"].is_null()
                && status["connected"].as_array().is_some_and(|c| !c.is_empty())
        });
    }
    assert_eq!(coop.status(0)["charter"]["name"], "Hill and Vale again");
    assert_eq!(spent(&coop, 0), before, "what was spent there counts here");
    let again = ask(&coop, "17");
    assert_eq!(again["release"]["roster"], 4, "{again}");
    assert_eq!(spent(&coop, 2), before.plus(before));

    // An auditor: by the new logs alone, and with those of the predecessor.
    let folders: Vec<String> = [0, 2, 3, 7].map(|n| format!("new{n}")).into();
    for (n, folder) in [0, 2, 3, 7].iter().zip(&folders) {
        coop.ok(*n, &["log", "export", folder]);
    }
    let mut args = vec!["verify", "--json"];
    args.extend(folders.iter().map(String::as_str));
    let alone = json(&coop.run(0, &args));
    assert_eq!(alone["result"], "pass", "{alone:#}");
    exports.iter().for_each(|folder| args.extend(["--predecessor", folder]));
    let both = json(&coop.run(0, &args));
    assert_eq!(both["result"], "pass", "{both:#}");
    let checks = both["predecessor"].as_array().unwrap();
    assert_eq!(checks.len(), 3, "{both:#}");
    assert!(checks.iter().all(|check| check["result"] == "pass"), "{both:#}");
    coop.fails(
        0,
        &["verify", "old0", "old2", "--predecessor", "new0"],
        2,
        "the charter names no predecessor",
    );

    // Who did not opt in is where it was.
    assert_eq!(std::fs::read(coop.node(4).join("charter/1.note")).unwrap(), own_charter);
    coop.start(4);
    assert_eq!(coop.status(4)["charter"]["id"], old.as_str());
    coop.terminate(4);
    // It may come later, as a member that joins does, by words and by its own hand.
    (MOVE.iter().chain(&[7])).for_each(|n| coop.terminate(*n));
    coop.ok(4, &["charter", "card", "--leaving", short, "-o", "next4.card"]);
    let propose = [
        "charter",
        "propose",
        "--add",
        "next4.card",
        "--sponsor",
        &id(0),
        "--sponsor",
        &id(2),
        "-o",
        "v2.txt",
    ];
    let proposed = json(&coop.ok(0, &[&propose[..], &["--json"]].concat()));
    assert!(proposed.to_string().contains("brings what it spent in the co-operative before"), "{proposed}");
    for n in [0, 2, 3, 7] {
        coop.ok(n, &["charter", "sign", "v2.txt", "--yes"]);
    }
    let printed = json(&coop.ok(0, &["charter", "fingerprint", "again.txt", "--json"]));
    let words = printed["fingerprints"][0]["words"].as_array().unwrap();
    let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
    let words = words.join(" ");
    let join = ["charter", "join", "again.txt", "v2.txt", "--words", &words, "--yes"];
    coop.fails(4, &join, 2, "belongs to Hill and Vale already");
    coop.ok(4, &[&join[..], &["--leaving", short]].concat());
    coop.start(4);
    wait_for("its start", || {
        let status = coop.run(4, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["charter"]["name"] == "Hill and Vale again"
    });
    coop.terminate(4);
    // Without how its log ended nothing begins.
    std::fs::remove_file(coop.node(4).join("goes_on.toml")).unwrap();
    std::fs::remove_dir_all(coop.node(4).join("journal")).unwrap();
    coop.fails(4, &RUN, 1, "does not hold how that one ended");
}
