//! Members join, fall silent, come back and leave by the command line. Source: CHARTER sections 2 and 3, C12 to
//! C14.

use datacoop_policy::{Day, Digest};
use datacoop_protocol::charter_text::{bare_text, parse_charter, sign_charter};
use datacoop_protocol::keys::Keys;
use datacoop_tests::{Coop, json, wait_for};
use serde_json::Value;

/// Sets up a node that is no member yet, with its card in `{n}.card`.
fn candidate(coop: &Coop, n: usize, body: &str, votes: bool) {
    let (id, host) = (format!("GB-EDU-{n:06}"), format!("s{n}.example"));
    let name = format!("School {n}");
    let args = ["init", "--id", &id, "--name", &name, "--body", body, "--host", &host, "--people-max", "500"];
    coop.ok(n, &args);
    let card = format!("{n}.card");
    let args = ["charter", "card", "-o", &card];
    coop.ok(n, &[&args[..], if votes { &[] } else { &["--role", "coordinator"] }].concat());
}

fn words(json: &Value) -> String {
    let words = json["words"].as_array().unwrap_or_else(|| panic!("{json}"));
    words.iter().map(|word| word.as_str().expect("a word")).collect::<Vec<_>>().join(" ")
}

fn sign(coop: &Coop, n: usize, file: &str) -> Value {
    json(&coop.ok(n, &["charter", "sign", file, "--yes", "--json"]))
}

#[test]
fn a_member_joins_by_two_sponsors_and_twelve_words() {
    let coop = Coop::found(5, 5);
    candidate(&coop, 5, "Trust 5", true);
    // The words that its card shows are those that the others see in the charter's text.
    let heard = json(&coop.ok(5, &["charter", "card", "--json"]));
    let own = json(&coop.ok(0, &["charter", "fingerprint", "5.card", "--json"]));
    assert_eq!(words(&heard), words(&own["fingerprints"][0]));
    let propose = |sponsors: &[&str], exit: i32, said: &str| {
        let mut args = vec!["charter", "propose", "--add", "5.card", "-o", "no.txt"];
        sponsors.iter().for_each(|id| args.extend(["--sponsor", id]));
        coop.fails(0, &args, exit, said);
    };
    propose(&[], 2, "it needs 2");
    propose(&["GB-EDU-000000"], 2, "it needs 2");
    propose(&["GB-EDU-000000", "GB-EDU-000000"], 2, "(rule C13)");
    propose(&["GB-EDU-000000", "GB-EDU-000005"], 2, "(rule C13)");
    let (first, second) = ("GB-EDU-000000", "GB-EDU-000004");
    let args =
        ["charter", "propose", "--add", "5.card", "--sponsor", first, "--sponsor", second, "-o", "v2.txt"];
    let proposed = json(&coop.ok(0, &[&args[..], &["--json"]].concat()));
    assert_eq!(words(&proposed["joins"][0]), words(&heard));
    // A quorum signs, and one sponsor: it is not held.
    for n in [1, 2, 3, 0] {
        assert_eq!(sign(&coop, n, "v2.txt")["held"], false);
    }
    let lacks = json(&coop.ok(1, &["charter", "diff", "v2.txt", "--json"]))["lacking"].clone();
    assert_eq!(
        lacks,
        serde_json::json!([{ "side": "sponsors", "joins": "GB-EDU-000005", "missing": [second] }])
    );
    coop.fails(1, &["charter", "adopt", "v2.txt"], 2, "did not sign as its sponsor (rule C13)");
    coop.fails(0, &["charter", "invite", "GB-EDU-000005"], 2, "no version that this node holds admits");
    let signing = coop.ok(4, &["charter", "sign", "v2.txt", "--yes"]);
    let said = String::from_utf8_lossy(&signing.stderr).into_owned();
    assert!(said.contains("You are a sponsor of School 5, GB-EDU-000005 (Trust 5)"), "{said}");
    // The letter.
    let letter = json(&coop.ok(4, &["charter", "invite", "GB-EDU-000005", "--json"]));
    let twelve = words(&letter);
    coop.ok(4, &["charter", "invite", "GB-EDU-000005", "-o", "letter.html"]);
    let page = std::fs::read_to_string(coop.path("letter.html")).unwrap();
    for said in ["School 0 and School 4 vouched for you", "<svg", "/ip4/127.0.0.1/tcp/"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for pair in twelve.split(' ').collect::<Vec<_>>().chunks(2) {
        assert!(page.contains(&format!("<li>{}</li>", pair.join(" "))), "{pair:?}");
    }
    // Joining: never without the words, nor by wrong ones.
    for version in [1, 2] {
        let from = coop.node(4).join(format!("charter/{version}.note"));
        std::fs::copy(from, coop.path(&format!("{version}.note"))).unwrap();
    }
    let join = |words: &str, exit: i32, said: &str| {
        coop.fails(5, &["charter", "join", "1.note", "2.note", "--words", words, "--yes"], exit, said);
    };
    coop.fails(5, &["charter", "adopt", "1.note", "2.note", "--yes"], 2, "(rule C12)");
    coop.fails(5, &["charter", "join", "1.note", "2.note", "--yes"], 2, "needs the twelve words");
    join("zoo", 2, "these are 1 words");
    join(
        &twelve.replacen(twelve.split(' ').next().unwrap(), "qqqqqq", 1),
        2,
        "word 1, `qqqqqq`, is not on the list",
    );
    let another = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    join(another, 6, "these are not the words of the charter of Hill and Vale");
    coop.fails(5, &["charter", "join", "2.note", "--words", &twelve, "--yes"], 2, "(rule C1)");
    // Without a member's version between, or with a letter of it changed.
    let note = std::fs::read_to_string(coop.path("2.note")).unwrap();
    std::fs::write(coop.path("forged.note"), note.replacen("School 5", "School 6", 1)).unwrap();
    coop.fails(5, &["charter", "join", "1.note", "forged.note", "--words", &twelve, "--yes"], 2, "(rule C2)");
    assert!(!coop.node(5).join("charter/1.note").exists(), "what was refused left nothing");
    let joined = coop.ok(5, &["charter", "join", "1.note", "2.note", "--words", &twelve, "--yes", "--json"]);
    assert_eq!(json(&joined)["member"], true);
    coop.fails(
        5,
        &["charter", "join", "1.note", "--words", &twelve, "--yes"],
        2,
        "belongs to Hill and Vale already",
    );
    // Another folder with that number: its keys are not the ones that were admitted.
    std::fs::remove_dir_all(coop.node(5)).unwrap();
    candidate(&coop, 5, "Trust 5", true);
    join(&twelve, 6, "holds other keys for GB-EDU-000005");
}

/// Whoever founded needs no words: it signed version 1 itself.
#[test]
fn a_founder_takes_the_charter_it_signed() {
    let coop = Coop::found(3, 5);
    let note = coop.node(0).join("charter/1.note");
    let held = std::fs::read_to_string(&note).unwrap();
    std::fs::write(coop.path("1.note"), &held).unwrap();
    std::fs::remove_file(&note).unwrap();
    coop.ok(0, &["charter", "adopt", "1.note", "--yes"]);
    assert_eq!(std::fs::read_to_string(&note).unwrap(), held);
}

/// A charter's day, moved so that a year and notice have passed.
fn dated(text: &str, field: &str, day: Day) -> String {
    let line = text.lines().find(|line| line.starts_with(&format!("{field} = "))).expect("the field");
    text.replacen(line, &format!("{field} = {day}"), 1)
}

fn today() -> Day {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Day(i64::try_from(now.as_secs() / 86_400).expect("a day"))
}

#[test]
fn a_member_that_fell_silent_is_told_then_marked_and_may_be_woken() {
    let long_ago = |text: String| {
        let text = dated(&text, "made", Day(today().0 - 380));
        dated(&dated(&text, "effective", Day(today().0 - 380)), "expires", Day(today().0 + 10))
    };
    let mut coop = Coop::found_under(5, 5, &[], &long_ago);
    let (silent, loud) = ("GB-EDU-000004", "GB-EDU-000003");
    // One of them writes today; the other never began its log.
    [0, 1, 3].into_iter().for_each(|n| coop.start(n));
    wait_for("its log", || {
        coop.status(3)["logs"].as_array().is_some_and(|logs| {
            logs.iter().any(|log| log["member"] == loud && log["entries"].as_u64() > Some(1))
        })
    });
    [0, 1, 3].into_iter().for_each(|n| coop.terminate(n));
    for id in [silent, loud] {
        coop.ok(0, &["charter", "propose", "--dormant", id, "-o", "told.txt"]);
        let text = std::fs::read_to_string(coop.path("told.txt")).unwrap();
        assert!(text.contains(&format!("notice = {}", today())), "{text}");
    }
    coop.fails(0, &["charter", "propose", "--wake", "GB-EDU-000009", "-o", "no.txt"], 2, "is no member");
    // A version of 70 days ago told both: back then nobody had to be silent yet.
    coop.ok(0, &["charter", "propose", "--dormant", silent, "--dormant", loud, "-o", "v2.txt"]);
    let text = std::fs::read_to_string(coop.path("v2.txt")).unwrap();
    let told = Day(today().0 - 70);
    let text = dated(&dated(&text, "made", told), "effective", told);
    let text = text.replace(&format!("notice = {}", today()), &format!("notice = {told}"));
    std::fs::write(coop.path("v2.txt"), &text).unwrap();
    (0..4).for_each(|n| drop(sign(&coop, n, "v2.txt")));
    [0, 1, 2].into_iter().for_each(|n| drop(coop.ok(n, &["charter", "adopt", "v2.txt"])));
    let shown = String::from_utf8(coop.ok(0, &["charter", "show"]).stdout).unwrap();
    assert!(shown.contains(&format!("has notice since {told}")), "{shown}");
    // Its own word on its day counts for nothing: no log shows that members held it so long.
    coop.ok(0, &["charter", "propose", "--dormant", silent, "-o", "early.txt"]);
    coop.fails(0, &["charter", "sign", "early.txt", "--yes"], 6, "the logs here do not show");
    // The one that wrote: whoever holds its log does not sign.
    coop.ok(3, &["charter", "propose", "--dormant", loud, "-o", "loud.txt"]);
    coop.fails(3, &["charter", "sign", "loud.txt", "--yes"], 6, "wrote in its log on");
    // One dated tomorrow and later is signed by nobody.
    coop.ok(0, &["charter", "propose", "--dormant", silent, "-o", "v3.txt"]);
    let text_of = |file: &str| std::fs::read_to_string(coop.path(file)).unwrap();
    let text = std::fs::read_to_string(coop.path("v3.txt")).unwrap();
    let later = dated(&dated(&text, "made", Day(today().0 + 2)), "effective", Day(today().0 + 2));
    std::fs::write(coop.path("later.txt"), later).unwrap();
    coop.fails(0, &["charter", "sign", "later.txt", "--yes"], 6, "which is not yet");
    // The other is marked by members whose programs did not look, by the old quorum of five, and counts no more.
    let diff = json(&coop.ok(0, &["charter", "diff", "v3.txt", "--json"]));
    assert_eq!(diff["class"], "loosening", "{diff}");
    let said = diff["changes"].to_string();
    assert!(said.contains("it is dormant: it takes no part and is not counted"), "{said}");
    let parent = parse_charter(bare_text(&text_of("v2.txt"))).unwrap();
    let signed = (0..4).fold(text_of("v3.txt"), |note, n| {
        let identity = std::fs::read_to_string(coop.node(n).join("keys/identity")).unwrap();
        let seed: Digest = identity.lines().last().unwrap().parse().unwrap();
        let keys = Keys::from_seed(seed.0, &format!("s{n}.example"), 1);
        sign_charter(&note, Some(&parent), &keys).unwrap()
    });
    std::fs::write(coop.path("v3.txt"), signed).unwrap();
    coop.ok(0, &["charter", "adopt", "v3.txt"]);
    let shown = String::from_utf8(coop.ok(0, &["charter", "show"]).stdout).unwrap();
    assert!(shown.contains("dormant, not counted") && shown.contains("3 of 4 sign an amendment"), "{shown}");
    coop.fails(0, &["charter", "propose", "--dormant", silent, "-o", "no.txt"], 2, "dormant already");
    // Woken, it is counted again, and signs for the new side.
    coop.ok(0, &["charter", "propose", "--wake", silent, "-o", "v4.txt"]);
    let text = std::fs::read_to_string(coop.path("v4.txt")).unwrap();
    assert!(!text.contains("dormant") && text.contains("amend = 4"), "{text}");
    let said = coop.ok(0, &["charter", "diff", "v4.txt"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("it is woken"));
}

/// Six schools of one trust: two of them are one sponsor.
#[test]
fn two_schools_of_one_trust_do_not_sponsor_a_third() {
    let one_trust = |text: String| {
        (4..10).fold(text, |text, n| {
            let text = text.replacen(&format!("body = \"School {n}\""), "body = \"Hill Academy Trust\"", 1);
            // One of its seats votes, of six.
            let member = text.find(&format!("id = \"GB-EDU-{n:06}\"")).unwrap();
            let (before, after) = text.split_at(member);
            let roles = if n == 4 { "roles = [\"voting\"]" } else { "roles = [\"coordinator\"]" };
            let line = after.lines().find(|line| line.starts_with("roles")).unwrap();
            let text = format!("{before}{}", after.replacen(line, roles, 1));
            if n == 9 { text.replacen("amend = 7", "amend = 4", 1) } else { text }
        })
    };
    let coop = Coop::found_under(10, 2, &[], &one_trust);
    let shown = String::from_utf8(coop.ok(0, &["charter", "show"]).stdout).unwrap();
    assert_eq!(shown.matches("(Hill Academy Trust)").count(), 6, "{shown}");
    candidate(&coop, 10, "Hill Academy Trust", false);
    candidate(&coop, 11, "Vale Trust", true);
    let refused = |card: &str, sponsors: [&str; 2], said: &str| {
        let args = ["charter", "propose", "--add", card, "--sponsor", sponsors[0], "--sponsor", sponsors[1]];
        coop.fails(0, &[&args[..], &["-o", "no.txt"]].concat(), 2, said);
    };
    refused("10.card", ["GB-EDU-000000", "GB-EDU-000004"], "of its own body, Hill Academy Trust");
    refused("11.card", ["GB-EDU-000004", "GB-EDU-000005"], "has no vote in version 1");
    // Nor by another spelling of the same body.
    candidate(&coop, 12, "HILL ACADEMY-TRUST", false);
    refused("12.card", ["GB-EDU-000000", "GB-EDU-000004"], "read alike; write one body one way");
}

/// C11: one body's word stops nobody; two bodies' do at once, without a version.
#[test]
fn two_bodies_suspend_a_member_that_then_neither_asks_nor_answers() {
    let mut coop = Coop::found(6, 40);
    (0..6).for_each(|n| coop.start(n));
    (0..6).for_each(|n| coop.wait_connected(n));
    let args = |period: &str| {
        let args = ["ask", "--question", "mean.toml", "--period", period, "--yes", "--wait", "60s", "--json"];
        args.map(str::to_owned)
    };
    let ask = |n: usize, last: &str| {
        let args = args(&format!("2026-09-01..2026-11-{last}"));
        coop.run(n, &args.each_ref().map(String::as_str))
    };
    let pause = |n: usize| coop.ok(n, &["pause", "member", "GB-EDU-000005", "--yes"]);
    let said = String::from_utf8(pause(1).stdout).unwrap();
    assert!(said.contains("other body"), "{said}");
    let seen =
        |what: &str| json(&coop.ok(0, &["proposals", "--json"]))["restrictions"].to_string().contains(what);
    wait_for("word of one", || seen("GB-EDU-000001"));
    assert!(!seen("\"in_force\":true"), "one body stops nobody");
    pause(2);
    wait_for("word of both", || seen("\"in_force\":true"));
    let asked = ask(0, "20");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    assert_eq!(json(&asked)["release"]["roster"], 5);
    let refused = ask(5, "19");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    assert!(said.contains("suspended"), "{said}");
    let verified = coop.verify_all();
    assert_eq!(verified["result"], "pass", "{verified:#}");
}
