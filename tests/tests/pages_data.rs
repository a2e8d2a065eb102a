//! Data on the pages: a messy spreadsheet mended and imported, what it takes to get it wrong, and what a hostile
//! file can do. Source: UI section 3 (Data) and 5 (uploads); SECURITY section 5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use datacoop_tests::pages::{Answer, Browser, check_markup, check_page};
use datacoop_tests::{Coop, json};

fn started() -> (Coop, Browser) {
    let mut coop = Coop::found(3, 20);
    coop.start(0);
    let browser = Browser::open(&coop, 0);
    (coop, browser)
}

/// Files anywhere below the folder of uploads.
fn uploaded(coop: &Coop) -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { below(&path, found) } else { found.push(path) }
        }
    }
    let mut found = vec![];
    below(&coop.node(0).join("run/uploads"), &mut found);
    found
}

fn refused(answer: &Answer, said: &str) {
    assert_eq!(answer.code, 422, "{}\n{}", answer.head, answer.body);
    check_markup("refused", &answer.body);
    assert!(answer.body.contains("<title>Error: "), "{}", answer.body);
    assert!(answer.body.contains("role=\"alert\""), "{}", answer.body);
    assert!(answer.body.contains(said), "does not say {said}: {}", answer.body);
}

/// What a hidden field of a page holds.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    field.split('"').next().unwrap()
}

/// The value of the choice that begins with these words, in the list of this name.
fn choice<'a>(page: &'a str, list: &str, words: &str) -> &'a str {
    let list =
        page.split(&format!("<select id=\"{list}\"")).nth(1).unwrap().split("</select>").next().unwrap();
    let option = list.split("<option value=\"").find(|option| option.contains(&format!(">{words}"))).unwrap();
    option.split('"').next().unwrap()
}

const MESSY: &str = "Hill Primary,,,,\nMarks of the week,,,,\n\nKid,When,Half,What,Remark\n\
    K1,12/01/2025,AM,/,=cmd|calc\nK1,12/01/2025,PM,\\,\nK2,12/01/2025,AM,I,\nK2,12/01/2025,PM,I,\n\
    K3,12/01/2025,AM,/,\nK3,12/01/2025,PM,\\,\nK1,12/17/2025,AM,/,\nK1,12/17/2025,PM,\\,\n\
    K2,12/17/2025,AM,QQ,=1+1\nK2,12/17/2025,PM,\\,\nK3,12/17/2025,AM,/,\nK3,12/17/2025,PM,\\,\n";

#[test]
fn a_messy_spreadsheet_is_mended_in_the_page_and_imported_as_the_command_line_would() {
    let (coop, browser) = started();
    let data = check_page(&browser, "/data");
    assert!(data.contains("Nothing on this page leaves this computer"), "{data}");
    assert!(data.contains("exam/1") && data.contains("Examination results"), "{data}");

    // No file; no vocabulary; neither kept.
    let fields = [("vocabulary", "attendance/1")];
    refused(&browser.upload("/data/files", &fields, "", b""), "Choose a file");
    refused(&browser.upload("/data/files", &[], "marks.csv", MESSY.as_bytes()), "Choose what the file holds");
    refused(&browser.upload("/data/files", &fields, "marks.csv", b"%PDF-1.4"), "is a PDF");
    assert_eq!(uploaded(&coop), Vec::<PathBuf>::new());

    let taken = browser.upload("/data/files", &fields, "../../keys/marks <i>.csv", MESSY.as_bytes());
    let place = taken.leads_to().to_owned();
    let lying = uploaded(&coop);
    assert!(lying.len() == 1 && lying[0].ends_with("marks _i_.csv"), "{lying:?}");
    // Nothing is known of its columns: each is asked for, and no value shown.
    let asks = browser.get(&place);
    refused(&asks, "choose below which is which");
    assert!(
        asks.body.contains("<a href=\"#column.pupil_id\">")
            && asks.body.contains("id=\"column.pupil_id-error\""),
        "{}",
        asks.body
    );
    assert!(!asks.body.contains("--column") && asks.body.contains("Kid"), "{}", asks.body);
    assert!(asks.body.contains("X9") && !asks.body.contains("K1"), "samples are masked: {}", asks.body);

    let of = |list: &str, words: &str| choice(&asks.body, &format!("column.{list}"), words).to_owned();
    let said = format!(
        "column.pupil_id={}&column.date={}&column.session={}&column.code={}",
        of("pupil_id", "Kid"),
        of("date", "When"),
        of("session", "Half"),
        of("code", "What")
    );
    assert_eq!(browser.post(&place, &said).leads_to(), format!("{place}/check"));
    let dates = browser.get(&format!("{place}/check"));
    refused(&dates, "choose month, day, year under Dates");
    assert!(
        dates.body.contains("<a href=\"#dates\">") && dates.body.contains("<select id=\"dates\""),
        "{}",
        dates.body
    );
    browser.post(&place, &format!("{said}&dates=mdy")).leads_to();
    let check = check_page(&browser, &format!("{place}/check"));
    assert!(
        check.contains("11 of 12 rows would be kept") && check.contains("a code that is no register code"),
        "{check}"
    );
    assert!(check.contains("row 13, What"), "file, row, column: {check}");
    let checked = hidden(&check, "checked").to_owned();
    // What was checked is what is imported.
    browser.post(&place, &format!("{said}&dates=mdy&infer-terms=yes")).leads_to();
    refused(
        &browser.post(&format!("{place}/import"), &format!("checked={checked}")),
        "changed after it was checked",
    );
    browser.post(&place, &format!("{said}&dates=mdy")).leads_to();
    let done = browser.post(&format!("{place}/import"), &format!("checked={checked}"));
    assert_eq!(done.leads_to(), format!("{place}/done"));
    assert!(check_page(&browser, &format!("{place}/done")).contains("11 of 12 rows were kept"));
    assert_eq!(uploaded(&coop), Vec::<PathBuf>::new(), "the file is gone");
    // Once more does nothing more.
    browser.post(&format!("{place}/import"), &format!("checked={checked}")).leads_to();

    check_held(&coop, &browser);
}

/// What Data says of an import, its rows that were left out, and that it can be taken back once.
fn check_held(coop: &Coop, browser: &Browser) {
    let data = check_page(browser, "/data");
    for said in
        ["attendance/1", "11, about 3 people", "1 December 2025 to 17 December 2025", "1 row was left out"]
    {
        assert!(data.contains(said), "Data does not say {said}: {data}");
    }
    let aside = browser.get("/data/left-out/attendance-1-000001.csv");
    assert!(aside.header("content-disposition").is_some_and(|said| said.starts_with("attachment")));
    assert!(aside.body.contains(",'=1+1") && !aside.body.contains(",=1+1"), "no formula: {}", aside.body);
    for path in ["..%2fconfig.toml", "%2e%2e%2f%2e%2e%2fkeys%2fidentity", "nothing.csv"] {
        let answer = browser.get(&format!("/data/left-out/{path}"));
        assert!(matches!(answer.code, 404 | 422), "{path}: {}", answer.head);
    }
    // The command line knows the file as imported already: one import, whoever does it.
    std::fs::write(coop.path("marks _i_.csv"), MESSY).unwrap();
    let again =
        json(&coop.ok(0, &["import", "marks _i_.csv", "--as", "attendance", "--dates", "mdy", "--json"]));
    assert_eq!(again["outcome"], "unchanged", "{again:#}");

    refused(&browser.post("/data/undo", "vocabulary=attendance%2F1&snapshot=7"), "not the newest any more");
    let undone = browser.post("/data/undo", "vocabulary=attendance%2F1&snapshot=1");
    let undone = check_page(browser, undone.leads_to());
    assert!(undone.contains("The newest import as attendance (version 1) is taken back"), "{undone}");
    assert!(!undone.contains("attendance-1-000001.csv"), "what it left out is gone with it: {undone}");
    assert_eq!(browser.get("/data/left-out/attendance-1-000001.csv").code, 422);
    refused(&browser.post("/data/undo", "vocabulary=attendance%2F1&snapshot=1"), "not the newest any more");
    assert!(!check_page(browser, "/data?undone=%3Ci%3E").contains("is taken back"), "no text of a link");
    assert!(!coop.status(0)["datasets"].to_string().contains("pupils"), "{}", coop.status(0));
    // The exam results are those of the running node's charter: taken back, it has none to answer about.
    let answers = |coop: &Coop| coop.status(0)["datasets"].to_string().contains("exam");
    assert!(answers(coop));
    browser.post("/data/undo", "vocabulary=exam%2F1&snapshot=1").leads_to();
    assert!(!answers(coop), "{}", coop.status(0));
}

#[test]
fn a_file_comes_only_from_our_own_page_and_of_whoever_signed_in() {
    let (coop, browser) = started();
    let fields = [("vocabulary", "attendance/1")];
    let stranger = Browser { address: browser.address.clone(), cookie: String::new() };
    let turned_away = stranger.upload("/data/files", &fields, "marks.csv", MESSY.as_bytes());
    assert_eq!(turned_away.header("location"), Some("/enter"));
    for path in ["/data", "/data/files/0/check", "/data/left-out/a.csv"] {
        assert_eq!(stranger.get(path).header("location"), Some("/enter"), "{path}");
    }
    let host = format!("Host: {}\r\n", browser.address);
    for path in ["/data/files", "/data/undo", "/data/files/0/import", "/data/files/0/give-up"] {
        let forged = browser.post_as(path, "", &format!("{host}Sec-Fetch-Site: cross-site\r\n"));
        assert_eq!(forged.code, 403, "{path}");
    }
    assert_eq!(uploaded(&coop), Vec::<PathBuf>::new());

    // Ids of nobody, and no GET that changes anything.
    for id in ["0", "%2e%2e", "00000000000000000000000000000000"] {
        refused(&browser.get(&format!("/data/files/{id}")), "not here any more");
        refused(&browser.get(&format!("/data/files/{id}/check")), "not here any more");
        refused(&browser.post(&format!("/data/files/{id}/import"), "checked=0"), "not here any more");
    }
    let place = browser.upload("/data/files", &fields, "marks.csv", MESSY.as_bytes());
    let place = place.leads_to().to_owned();
    assert!(check_page(&browser, "/data").contains("Go on with marks.csv"));
    assert_eq!(browser.get(&format!("{place}/give-up")).code, 405);
    assert_eq!(uploaded(&coop).len(), 1);
    assert_eq!(browser.post(&format!("{place}/give-up"), "").leads_to(), "/data");
    assert_eq!(uploaded(&coop), Vec::<PathBuf>::new());

    // A form that says it holds far more than is taken is refused before it is read.
    let far = format!(
        "POST /data/files HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n--x\r\n",
        browser.address, browser.cookie
    );
    let answer = browser.raw(&far);
    assert!(answer.code == 413 || answer.code == 422, "{}", answer.head);
    assert_eq!(uploaded(&coop), Vec::<PathBuf>::new());
}
