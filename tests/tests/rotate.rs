//! A member's keys are replaced by the command line: its log goes on in the next one, with what it had spent. Source:
//! LOG section 3, CHARTER section 2.

use datacoop_tests::{Coop, json, wait_for};

/// Asks about the autumn that the charter's year begins with, up to this day of December.
fn ask(coop: &Coop, day: &str) -> serde_json::Value {
    let expires = coop.status(0)["charter"]["expires"].as_str().expect("a day").to_owned();
    let (year, month) = (expires[..4].parse::<i64>().expect("a year") - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    let days = format!("{autumn}-09-01..{autumn}-12-{day}");
    let args = ["ask", "--question", "mean.toml", "--period", &days, "--yes", "--wait", "60s", "--json"];
    json(&coop.ok(0, &args))
}

/// Whose keys are replaced.
const SITE: usize = 3;

/// A co-operative that has asked once, and a version that replaces the keys of one member: signed by the others.
fn replaced(coop: &mut Coop, prepare: impl Fn(&mut Coop)) {
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let asked = ask(coop, "18");
    assert_eq!(asked["release"]["roster"], 5, "{asked}");
    (0..5).for_each(|n| coop.terminate(n));
    prepare(coop);
    let made = json(&coop.ok(SITE, &["charter", "rotate", "-o", "new.card", "--yes", "--json"]));
    assert_eq!(made["log"], "s3.example/datacoop/2", "{made}");
    let card = std::fs::read_to_string(coop.path("new.card")).expect("a card");
    coop.ok(SITE, &["charter", "rotate", "-o", "again.card", "--yes"]);
    let again = std::fs::read_to_string(coop.path("again.card")).expect("a card");
    assert_eq!(card, again, "keys that were made and are not used yet stay");
    coop.ok(0, &["charter", "propose", "--add", "new.card", "-o", "v2.txt"]);
    let diff = json(&coop.ok(0, &["charter", "diff", "v2.txt", "--json"]));
    assert!(diff.to_string().contains("its log goes on under the new ones"), "{diff}");
    for n in [0, 1, 2, 4] {
        let signed = json(&coop.ok(n, &["charter", "sign", "v2.txt", "--yes", "--json"]));
        assert_eq!(signed["held"], n == 4, "{signed}");
    }
}

/// A node's status; one that starts again with another version says nothing for a moment.
fn status(coop: &Coop, n: usize) -> serde_json::Value {
    let mut said = serde_json::Value::Null;
    wait_for("a status", || {
        said = serde_json::from_slice(&coop.run(n, &["status", "--json"]).stdout).unwrap_or_default();
        said["schema"] == "datacoop.status/1"
    });
    said
}

fn spent(coop: &Coop, n: usize) -> String {
    status(coop, n)["ledger"][0]["spent"].to_string()
}

#[test]
fn new_keys_wait_beside_the_old_until_the_version_that_lists_them_acts() {
    let mut coop = Coop::found(5, 40);
    let old = |coop: &Coop| std::fs::read(coop.node(SITE).join("keys/identity")).unwrap();
    let before = old(&coop);
    replaced(&mut coop, |_| ());
    coop.ok(SITE, &["charter", "adopt", "v2.txt"]);
    (0..5).for_each(|n| coop.start(n));
    for n in 0..5 {
        // Whoever was not given it fetches it, and starts again with it.
        wait_for("version 2", || status(&coop, n)["charter"]["later"][0]["version"] == 2);
    }
    (0..5).for_each(|n| coop.wait_connected(n));
    assert_eq!(old(&coop), before);
    let status = coop.status(SITE);
    assert_eq!(status["next_log"]["log"], "s3.example/datacoop/2", "{status}");
    let told = String::from_utf8(coop.ok(SITE, &["status"]).stdout).unwrap();
    assert!(told.contains("its log goes on as s3.example/datacoop/2"), "{told}");
    // What is shown says that it waits, and which version holds.
    let shown = String::from_utf8(coop.ok(SITE, &["charter", "show"]).stdout).unwrap();
    for said in
        ["NOT IN FORCE YET: version 2 waits; it acts here from ", ", in force here\n", ", waits: it acts"]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let shown = json(&coop.ok(SITE, &["charter", "show", "--json"]));
    assert_eq!(
        (&shown["version"], &shown["in_force"], &shown["waiting"][0]["version"]),
        (&2.into(), &1.into(), &2.into())
    );
    let first = String::from_utf8(coop.ok(SITE, &["charter", "show", "--version", "1"]).stdout).unwrap();
    assert!(first.starts_with("Hill and Vale, version 1,"), "{first}");
    coop.fails(SITE, &["charter", "show", "--version", "3"], 2, "holds versions 1 to 2, and no version 3");
    // Until then it answers under the old ones.
    let asked = ask(&coop, "17");
    assert_eq!(asked["release"]["roster"], 5, "{asked}");
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");
}

/// The worst of reasons to replace keys: the folder is gone, to a thief, and there was no backup. The others hold the
/// log.
#[test]
fn a_member_that_lost_its_folder_comes_back_with_its_ledger_under_new_keys() {
    let mut coop = Coop::found(5, 40);
    replaced(&mut coop, |coop| {
        std::fs::rename(coop.node(SITE), coop.path("stolen")).unwrap();
        let id = format!("GB-EDU-{SITE:06}");
        coop.ok(
            SITE,
            &["init", "--id", &id, "--name", "School 3", "--host", "s3.example", "--people-max", "500"],
        );
        let shown = json(&coop.ok(0, &["charter", "fingerprint", "charter.txt", "--json"]));
        let words = shown["fingerprints"][0]["words"].as_array().unwrap();
        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
        let join = ["charter", "join", "charter.txt", "--words", &words.join(" "), "--yes"];
        coop.fails(SITE, &join, 6, "the charter holds other keys");
        coop.ok(SITE, &[&join[..], &["--keys-lost"]].concat());
        coop.ok(SITE, &["import", "3.csv", "--vocabulary", "exam.toml"]);
    });
    coop.ok(SITE, &["charter", "adopt", "v2.txt"]);
    (0..5).for_each(|n| coop.start(n));
    let log = |coop: &Coop, n: usize| {
        let status = status(coop, n);
        let logs = status["logs"].as_array().cloned().unwrap_or_default();
        let of = logs.iter().filter(|log| log["member"] == format!("GB-EDU-{SITE:06}")).cloned();
        of.map(|log| (log["origin"].as_str().unwrap().to_owned(), log["entries"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    for n in 0..5 {
        wait_for("the next log", || {
            log(&coop, n).iter().any(|(origin, size)| origin.ends_with("/2") && *size >= 2)
        });
    }
    let before = log(&coop, 0);
    assert!(before[0].0.ends_with("/1") && before[0].1 > 4, "{before:?}");
    assert_eq!(spent(&coop, SITE), spent(&coop, 0), "the first log's debit is carried over");
    let old = ["log", "export", "old3", "--log", "s3.example/datacoop/1"];
    coop.ok(SITE, &old);
    coop.fails(
        SITE,
        &["log", "export", "none", "--log", "s2.example/datacoop/1"],
        2,
        "is no log of this node's",
    );
    let exports = ["out0", "out1", "out2", "out3", "out4"];
    for (n, folder) in exports.iter().enumerate() {
        coop.ok(n, &["log", "export", folder]);
    }
    let verify = |folders: &[&str]| {
        let mut args = vec!["verify", "--json"];
        args.extend(folders);
        json(&coop.run(0, &args))
    };
    let both = verify(&["out0", "out1", "out2", "out3", "out4", "old3"]);
    assert_eq!(both["result"], "pass", "{both:#}");
    assert_eq!(both["logs"].as_array().unwrap().len(), 6, "{both:#}");
    // Without the old one what it carries cannot be told, and nothing fails.
    let alone = verify(&exports);
    assert_eq!(alone["result"], "pass", "{alone:#}");
    // A start finds the same again.
    coop.terminate(SITE);
    coop.start(SITE);
    wait_for("its start", || status(&coop, SITE)["starting"].is_null());
    assert_eq!(spent(&coop, SITE), spent(&coop, 0));
    assert_eq!(log(&coop, SITE)[0], before[0]);
    // Whoever runs on with the old folder is let in nowhere, by no node that ran all the time either.
    coop.terminate(SITE);
    std::fs::rename(coop.node(SITE), coop.path("own")).unwrap();
    std::fs::rename(coop.path("stolen"), coop.node(SITE)).unwrap();
    coop.start(SITE);
    std::thread::sleep(std::time::Duration::from_secs(4));
    // It dials again and again, and is hung up on as soon as a member has seen its key.
    wait_for("nobody to let it in", || {
        status(&coop, SITE)["connected"].as_array().is_some_and(Vec::is_empty)
    });
    let thief = status(&coop, SITE);
    assert!(thief["starting"].as_str().is_some_and(|text| text.contains("0 of ")), "{thief:#}");
}

/// Of a log with two histories the next carries the larger: its person hands in the other.
#[test]
fn what_another_history_of_a_log_had_spent_is_written_down() {
    let mut coop = Coop::found(5, 40);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    ask(&coop, "18");
    let spent = || status(&coop, SITE)["ledger"][0]["spent"]["rho"].to_string();
    wait_for("the debit", || spent() != "null");
    let spent: u64 = spent().replace(['"', '.'], "").parse().unwrap();
    coop.ok(SITE, &["log", "export", "own"]);
    coop.ok(2, &["log", "export", "other"]);
    (0..5).for_each(|n| coop.terminate(n));
    let rotate = |history: &'static str, more: &[&'static str]| {
        [&["charter", "rotate", "-o", "new.card", "--yes", "--history", history], more].concat()
    };
    coop.fails(SITE, &rotate("other", &[]), 2, "it is no export of this member's log");
    coop.fails(SITE, &rotate("none", &[]), 2, "none/log.vkey: there is no such file");
    let tile = coop.path("own/tile/entries/000.p");
    let bundle = std::fs::read_dir(&tile).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&bundle).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, flipped).unwrap();
    coop.fails(SITE, &rotate("own", &[]), 2, "it fails check A0");
    assert!(
        !coop.node(SITE).join("carried.toml").exists() && !coop.node(SITE).join("keys/identity-2").exists()
    );
    std::fs::write(&bundle, whole).unwrap();
    let made = json(&coop.ok(SITE, &rotate("own", &["--json"])));
    assert!(made["carried_at_least"].as_u64() > Some(0), "{made}");
    let carried = std::fs::read_to_string(coop.node(SITE).join("carried.toml")).unwrap();
    assert!(carried.contains(&format!(" = {}\n", made["carried_at_least"])), "{carried}");
    assert_eq!(made["carried_at_least"], spent, "{carried}");
    // Whoever names no other history forgets none.
    let again = json(&coop.ok(SITE, &["charter", "rotate", "-o", "new.card", "--yes", "--json"]));
    assert_eq!(again["carried_at_least"], made["carried_at_least"]);
    coop.start(SITE);
    wait_for("its start", || status(&coop, SITE)["schema"] == "datacoop.status/1");
}
