//! The charter on the pages of five running nodes: read, propose, support, object, answer, sign and take, as the
//! command line would. Source: UI section 3 (Charter and members); CHARTER sections 3 and 5, C4.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use datacoop_tests::pages::{Answer, Browser, check_markup, check_page};
use datacoop_tests::{Coop, json, wait_for};

const MEMBERS: usize = 5;

fn running() -> Coop {
    let mut coop = Coop::found_under(MEMBERS, 20, &[], &|text| {
        text.replace("name = \"School 1\"", "name = \"<i>School</i> & \\\"1\\\"\"")
    });
    (0..MEMBERS).for_each(|n| coop.start(n));
    (0..MEMBERS).for_each(|n| coop.wait_connected(n));
    coop
}

fn refused(answer: &Answer, said: &str) {
    assert_eq!(answer.code, 422, "{}\n{}", answer.head, answer.body);
    check_markup("refused", &answer.body);
    assert!(
        answer.body.contains("<title>Error: ") && answer.body.contains("role=\"alert\""),
        "{}",
        answer.body
    );
    assert!(answer.body.contains(said), "does not say {said}: {}", answer.body);
}

fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap()
}

/// The lead stands first, and the words are those of the command line.
fn check_reading(coop: &Coop, browser: &Browser) {
    let charter = check_page(browser, "/charter");
    let place = |text: &str| charter.find(text).unwrap_or_else(|| panic!("{text}: {charter}"));
    assert!(place("It is never sold") < place("What holds now"), "{charter}");
    assert!(
        place("the organisation with number 1 in the register of charities") > 0
            && !charter.contains("GB-CHC")
    );
    assert!(place("Who does well?") > place("What holds now"));
    let shown = json(&coop.ok(0, &["charter", "show", "--json"]));
    let groups = |words: &serde_json::Value| -> Vec<String> {
        let words: Vec<&str> = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        words.chunks(2).map(|pair| format!("<li>{}</li>", pair.join(" "))).collect()
    };
    assert!(charter.contains(&groups(&shown["words"]).concat()), "{charter}");
    let members = check_page(browser, "/members");
    assert!(!members.contains("<i>School") && members.contains("&lt;i&gt;School"), "{members}");
    assert!(members.contains("Read these to them on the phone. They must match."));
    for member in shown["members"].as_array().unwrap() {
        assert!(members.contains(&groups(&member["words"]).concat()), "{member}");
    }
    let note = browser.get("/charter/versions/1");
    assert_eq!(note.body.as_bytes(), std::fs::read(coop.node(0).join("charter/1.note")).unwrap());
    refused(&browser.get("/charter/versions/9"), "does not hold version 9");
    assert_eq!(browser.get("/charter/versions/..%2f..%2fkeys%2fidentity").code, 400);
}

/// One member proposes, another supports and objects, the first answers: in the page, with a reason.
fn check_proposal(coop: &Coop, browser: &Browser) {
    coop.ok(1, &["charter", "propose", "--expires", "2027-08-30", "-o", "v2.txt"]);
    let proposed = json(&coop.ok(1, &["propose", "charter", "v2.txt", "--yes", "--json"]));
    let id = proposed["id"].as_str().unwrap();
    let path = format!("/charter/proposals/{id}");
    wait_for("a proposal", || browser.get(&path).body.contains("See what it changes"));
    assert!(check_page(browser, "/charter").contains(&path));
    for act in ["support", "object", "reply", "withdraw"] {
        assert_eq!(browser.get(&format!("{path}/{act}")).code, 405, "no GET changes anything");
        let forged =
            browser.post_as(&format!("{path}/{act}"), "because=x", &format!("Host: {}\r\n", browser.address));
        assert_eq!(forged.code, 403);
    }
    refused(&browser.post(&format!("{path}/sleep"), ""), "no such thing to do");
    let before = check_page(browser, &path);
    let main = before.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
    assert_eq!(main.matches("<button type=\"submit\">").count(), 1, "one button stands out: {main}");
    assert!(main.contains("<li>Tightens: the charter ends on 30 August 2027, not"), "{main}");
    let done = browser.post(&format!("{path}/support"), "").leads_to().to_owned();
    assert_eq!(done, format!("{path}?done=support"));
    let done = check_page(browser, &done);
    let place = |said: &str| done.find(said).unwrap_or_else(|| panic!("{said}: {done}"));
    assert!(
        place("Your support stands in your log") < place("A proposed "),
        "what was done comes first: {done}"
    );
    let shown = check_page(browser, &path);
    assert!(shown.contains("School 0") && !shown.contains("id=\"support-form\""), "{shown}");
    let empty = browser.post(&format!("{path}/object"), "because=+");
    refused(&empty, "The text says nothing");
    assert!(empty.body.contains("<a href=\"#because\">"), "{}", empty.body);
    browser
        .post(&format!("{path}/object"), "because=too+early%3Cscript%3Ealert%281%29%3C%2Fscript%3E")
        .leads_to();
    let shown = check_page(browser, &path);
    assert!(
        shown.contains("too early&lt;script&gt;") && shown.contains("nobody's program signs before"),
        "{shown}"
    );

    // What is objected to is not signed here (the same rule as the command line's).
    let reading = browser.post(&format!("{path}/read"), "").leads_to().to_owned();
    let page = check_page(browser, &reading);
    assert!(page.contains("It cannot be signed here now") && page.contains("Tightens"), "{page}");
    let hash = coop.ok(1, &["charter", "diff", "v2.txt", "--json"]);
    let form = format!("hash={}&confirm=School+0", json(&hash)["hash"].as_str().unwrap());
    refused(&browser.post(&format!("{reading}/sign"), &form), "objects to this version");

    let author = Browser::open(coop, 1);
    wait_for("the objection", || author.get(&path).body.contains("Answer this objection"));
    let page = check_page(&author, &path);
    let objection = hidden(&page, "objection").to_owned();
    refused(
        &author.post(&format!("{path}/reply"), &format!("objection={objection}&reply-{objection}=+")),
        "The text says nothing",
    );
    author
        .post(&format!("{path}/reply"), &format!("objection={objection}&reply-{objection}=it+can+wait"))
        .leads_to();
    assert!(check_page(&author, &path).contains("it can wait"));
}

fn upload(browser: &Browser, note: &[u8]) -> String {
    browser.upload("/charter/read", &[("text", "")], "charter.note", note).leads_to().to_owned()
}

/// A version goes from page to page, each member signs it, and the last takes it: then all nodes hold it.
fn check_signing(coop: &Coop, browser: &Browser) {
    coop.ok(0, &["charter", "propose", "--expires", "2027-08-31", "-o", "v2b.txt"]);
    let text =
        std::fs::read_to_string(coop.path("v2b.txt")).unwrap().replace("max_cells = 200", "max_cells = 50");
    let other = text.replace("max_cells = 50", "max_cells = 40");
    // A file is text; so is what is pasted.
    refused(&browser.upload("/charter/read", &[("text", "")], "", b""), "Paste a charter");
    refused(
        &browser.upload("/charter/read", &[("text", "nothing\r\nof the kind")], "", b""),
        "There is a problem",
    );
    refused(&browser.upload("/charter/read", &[("text", "")], "x", &[0xff, 0xfe, 0]), "is no text");
    let pasted = browser.upload("/charter/read", &[("text", &text.replace('\n', "\r\n"))], "", b"");
    let reading = pasted.leads_to().to_owned();
    let page = check_page(browser, &reading);
    assert!(page.contains("Tightens") && page.contains("It only tightens"), "{page}");
    let hash = hidden(&page, "hash").to_owned();
    let sign = |confirm: &str, hash: &str| {
        browser.post(&format!("{reading}/sign"), &format!("hash={hash}&confirm={confirm}"))
    };
    for said in ["<li>an answer has at most 50 numbers, not at most 200</li>", "not yet School 0"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    for raw in ["max_cells is", "(rule ", "not yet GB-EDU"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    let unsigned = sign("yes", &hash);
    refused(&unsigned, "Nothing was signed");
    for said in ["<a href=\"#confirm\">", "id=\"confirm-error\"", "aria-invalid=\"true\""] {
        assert!(unsigned.body.contains(said), "{said}: {}", unsigned.body);
    }
    refused(&sign("School+0", "00"), "not the text that was shown");
    let bound = || std::fs::read_dir(coop.node(0).join("charter/signed")).unwrap().count();
    assert_eq!(bound(), 0, "nothing was bound yet");
    sign("School+0", &hash).leads_to();
    assert_eq!(bound(), 1, "C4: durable");
    let signed = check_page(browser, &reading);
    let place = |said: &str| signed.find(said).unwrap_or_else(|| panic!("{said}: {signed}"));
    assert!(place("Your organisation signed it") < place("Version 2 of the charter"), "{signed}");
    let rival = upload(browser, other.as_bytes());
    let page = check_page(browser, &rival);
    let form = format!("hash={}&confirm=School+0", hidden(&page, "hash"));
    let said = browser.post(&format!("{rival}/sign"), &form);
    assert!(said.code == 422 && said.body.contains("already signed another text"), "{}", said.body);

    let mut note = browser.get(&format!("{reading}/note")).body;
    assert!(note.starts_with(text.trim_end()), "{note}");
    for n in 1..4 {
        let member = Browser::open(coop, n);
        let reading = upload(&member, note.as_bytes());
        let page = check_page(&member, &reading);
        let name = if n == 1 { "School+1".to_owned() } else { format!("School+{n}") };
        let form = format!("hash={}&confirm={name}", hidden(&page, "hash"));
        member.post(&format!("{reading}/sign"), &form).leads_to();
        note = member.get(&format!("{reading}/note")).body;
        let complete = check_page(&member, &reading).contains("id=\"take-form\"");
        assert_eq!(complete, n == 3);
        if complete {
            let taken = member.post(&format!("{reading}/take"), "");
            assert!(taken.code == 200 && taken.body.contains("holds this version now"), "{}", taken.body);
        }
    }
    let version = |n: usize| {
        let status = coop.run(n, &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        status["charter"]["version"].as_u64().unwrap_or(0)
    };
    (0..MEMBERS).for_each(|n| wait_for("version 2", || version(n) == 2));
    // Whoever signed in before stays so, though the node started again behind the page.
    wait_for("the page", || browser.get("/charter").code == 200);
    let page = check_page(browser, "/charter");
    assert!(page.contains("Version 2") && page.contains("It only tightens"), "{page}");
}

#[test]
fn members_read_discuss_sign_and_take_a_charter_in_their_pages() {
    let coop = running();
    let browser = Browser::open(&coop, 0);
    let stranger = Browser { address: browser.address.clone(), cookie: String::new() };
    for path in ["/charter", "/members", "/charter/read/0", "/charter/versions/1"] {
        assert_eq!(stranger.get(path).header("location"), Some("/enter"), "{path}");
    }
    check_reading(&coop, &browser);
    check_proposal(&coop, &browser);
    check_signing(&coop, &browser);
}
