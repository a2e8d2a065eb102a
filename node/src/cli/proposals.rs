//! `datacoop proposals`: what is before the members, who supports it, who objects and why, and what comes next.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::acts::proposal_path;
use super::node::home_of;
use super::show::plain;
use super::{Common, Printed};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct ProposalsArgs {
    /// The proposal's id, or the beginning of it: shows it whole [default: lists all]
    id: Option<String>,
    /// Write the draft's text to a new file: to ask it, to sign it, or to change its wording
    #[arg(short, long, value_name = "FILE", requires = "id")]
    output: Option<PathBuf>,
}

pub(super) fn proposals(common: &Common, args: &ProposalsArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let get = |path: &str| tokio::task::block_in_place(|| Client::new(&home)?.get(&home, path));
    let Some(id) = &args.id else {
        let json = get("proposals")?;
        let text = list_text(&json);
        return Ok(Printed::new(json, text));
    };
    let json = get(&proposal_path(id)?)?;
    let mut text = detail_text(&json);
    if let Some(file) = &args.output {
        save(&json, file)?;
        text = format!("Wrote {}.\n", file.display());
    }
    Ok(Printed::new(json, text))
}

/// Writes the draft where nothing is yet: a file of that name may hold signatures.
fn save(json: &Value, file: &Path) -> Result<(), CommandError> {
    let wrong = |why: String| CommandError::usage(format!("{}: {why}", file.display()));
    if let Some(problem) = json["problem"].as_str() {
        return Err(wrong(format!("not written: {}", plain(problem))));
    }
    let text = json["text"].as_str().unwrap_or_default();
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    made.and_then(|mut made| made.write_all(text.as_bytes())).map_err(|error| wrong(error.to_string()))
}

fn words(value: &Value) -> String {
    plain(value.as_str().unwrap_or(""))
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn short(value: &Value) -> String {
    words(value).chars().take(8).collect()
}

/// What is proposed, in a line.
fn head(one: &Value) -> String {
    let named = format!("{} `{}`", words(&one["what"]), words(&one["names"]));
    match (one["title"].as_str(), one["problem"].as_str()) {
        (Some(title), _) => format!("{named}: {}", plain(title)),
        (None, Some(problem)) => format!("{named} ({})", plain(problem.lines().next().unwrap_or_default())),
        (None, None) => named,
    }
}

/// `1 objects`, or `2 object`.
fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn names(all: &[Value]) -> String {
    all.iter().map(|one| words(&one["name"])).collect::<Vec<_>>().join(", ")
}

fn list_text(json: &Value) -> String {
    let all = items(&json["proposals"]);
    let open = all.iter().filter(|one| one["state"] == "open").count();
    let mut text = match all.len() {
        0 => "Nothing is proposed. Propose something: datacoop propose question|purpose|charter FILE\n"
            .to_owned(),
        n => format!("{}, {open} open\n", count(n, "proposal", "proposals")),
    };
    for one in all {
        text += &line_text(one);
    }
    if !all.is_empty() {
        text += "\nRead one: datacoop proposals ID\n";
    }
    let restrictions = items(&json["restrictions"]);
    if !restrictions.is_empty() {
        text += "\nPaused, or wanted to be\n";
    }
    for one in restrictions {
        text += &restriction_text(one);
    }
    let objections = items(&json["objections_to_questions"]);
    if !objections.is_empty() {
        text += "\nObjections to questions that were asked\n";
    }
    for one in objections {
        let title = one["title"].as_str().map_or_else(|| "a question".to_owned(), plain);
        text += &format!(
            "  {}  {} objects to {title} ({}), {}; {}\n",
            short(&one["id"]),
            words(&one["name"]),
            short(&one["query"]),
            words(&one["time"]),
            if one["reply"].is_null() { "not answered" } else { "answered" }
        );
    }
    let reports = items(&json["reports"]);
    if !reports.is_empty() {
        text += "\nReports\n";
    }
    for one in reports {
        text += &format!(
            "  {}  {} on `{}`, {}: {}\n",
            short(&one["id"]),
            words(&one["name"]),
            words(&one["purpose"]),
            words(&one["time"]),
            words(&one["outcome"])
        );
    }
    text
}

fn line_text(one: &Value) -> String {
    let (cosigners, objections) = (items(&one["cosigners"]), items(&one["objections"]));
    let mut text = format!(
        "\n{}  {}, {}\n  by {}, {}",
        short(&one["id"]),
        words(&one["state"]),
        head(one),
        words(&one["name"]),
        words(&one["time"])
    );
    if one["state"] == "open" {
        text += &format!("; open until {}", words(&one["open_until"]));
    }
    text += &format!("\n  {}", count(cosigners.len(), "supports", "support"));
    if !cosigners.is_empty() {
        text += &format!(" ({})", names(cosigners));
    }
    text += &format!("; {}", count(objections.len(), "objects", "object"));
    if !objections.is_empty() {
        text += &format!(" ({})", names(objections));
    }
    text += "\n";
    if !one["blocked"].is_null() {
        text += &format!("  {}\n", blocked_text(one));
    }
    text
}

/// Why nobody's program signs it yet; a question is asked, not signed.
fn blocked_text(one: &Value) -> String {
    let blocked = &one["blocked"];
    if one["what"] == "question" {
        return format!(
            "{} objects since {}: {}",
            words(&blocked["name"]),
            words(&blocked["since"]),
            match blocked["answered"] == true {
                true => "read why, and the answer, before you ask it or answer it",
                false => "asked before its author answers, it waits at every other node for a person's yes",
            }
        );
    }
    let answer = if blocked["awaits_answer"] == true { ", nor before its author answers" } else { "" };
    format!(
        "{} objects since {}: nobody's program signs before {}{answer}",
        words(&blocked["name"]),
        words(&blocked["since"]),
        words(&blocked["until"])
    )
}

fn restriction_text(one: &Value) -> String {
    let named = format!("{} `{}`", words(&one["what"]), words(&one["id"]));
    let by = names(items(&one["by"]));
    match one["until"].as_str() {
        Some(until) => format!("  {named} until {}: so say {by}\n", plain(until)),
        None => format!(
            "  {named} not yet: so say {by}, of {}; it takes members of {} bodies\n",
            count(usize::try_from(one["bodies"].as_u64().unwrap_or(0)).unwrap_or(0), "body", "bodies"),
            one["needed"]
        ),
    }
}

/// A text of somebody's, each line marked: none of it can pass for ours.
fn quoted(value: &Value, indent: &str) -> String {
    match value.as_str() {
        Some(text) => text.lines().map(|line| format!("{indent}| {}\n", plain(line))).collect(),
        None => format!("{indent}(its text has not arrived here yet)\n"),
    }
}

/// A proposal whole: what it is, who supports it, who objects and why, what comes next.
pub(super) fn detail_text(one: &Value) -> String {
    let version = one["charter"]["version"].as_u64();
    let mut text = format!(
        "{}\nproposal {}, entry {} of {}\nBy {} ({}), {}, under {}; {}\n",
        head(one),
        words(&one["id"]),
        one["index"],
        words(&one["log"]),
        words(&one["name"]),
        words(&one["member"]),
        words(&one["time"]),
        version.map_or_else(
            || "a version of the charter that is not here".to_owned(),
            |n| format!("version {n} of the charter")
        ),
        state_text(one)
    );
    if let Some(old) = one["instead_of"].as_str() {
        text += &format!("Instead of {}\n", plain(old.get(..8).unwrap_or(old)));
    }
    for other in items(&one["other_wordings"]) {
        text += &format!("Another wording of it: datacoop proposals {}\n", short(other));
    }
    if let Some(problem) = one["problem"].as_str() {
        text += "\nWhat it says\n";
        text += &problem.lines().map(|line| format!("  {}\n", plain(line))).collect::<String>();
    }
    let lines = items(&one["lines"]);
    if !lines.is_empty() {
        text += "\nWhat it says\n";
        text += &lines.iter().map(|line| format!("  {}\n", words(line))).collect::<String>();
    }
    text + &said_text(one) + &reviews_text(one) + &next_text(one)
}

fn state_text(one: &Value) -> String {
    match one["why_stale"].as_str() {
        Some(why) => format!("stale: {}", plain(why)),
        None if one["state"] == "open" => format!("open until {}", words(&one["open_until"])),
        None => words(&one["state"]),
    }
}

/// Who supports it, who objects, and what was answered.
fn said_text(one: &Value) -> String {
    let (cosigners, objections) = (items(&one["cosigners"]), items(&one["objections"]));
    let mut text = "\nSupported by\n".to_owned();
    for done in cosigners {
        text += &format!("  {}, {}\n", words(&done["name"]), words(&done["time"]));
    }
    if cosigners.is_empty() {
        text += "  nobody yet, beside its author\n";
    }
    if objections.is_empty() {
        return text + "\nNobody objects\n";
    }
    text += "\nObjections\n";
    for done in objections {
        text += &format!("  {}  {}, {}\n", short(&done["id"]), words(&done["name"]), words(&done["time"]));
        text += &quoted(&done["text"], "    ");
        text += &match present(&done["reply"]) {
            None => "    not answered yet\n".to_owned(),
            Some(reply) => format!(
                "    answered by {}, {}\n{}",
                words(&reply["name"]),
                words(&reply["time"]),
                quoted(&reply["text"], "      ")
            ),
        };
    }
    text
}

fn reviews_text(one: &Value) -> String {
    let reviews = items(&one["reviews"]);
    if reviews.is_empty() {
        return match one["what"] == "purpose" {
            true => format!("\nReviews\n  {}\n", no_review(one)),
            false => String::new(),
        };
    }
    let mut text = "\nReviews\n".to_owned();
    for review in reviews {
        text += &match present(&review["shown"]) {
            None => format!(
                "  {}, {}: bound; what it found is shown once two are\n",
                words(&review["name"]),
                words(&review["time"])
            ),
            Some(shown) => format!(
                "  {}, {}: benefit {}, harm {}, least data {}\n{}",
                words(&review["name"]),
                words(&review["time"]),
                words(&shown["benefit"]),
                words(&shown["harm"]),
                words(&shown["least_data"]),
                quoted(&shown["text"], "    ")
            ),
        };
    }
    text
}

/// Whose reviews a purpose waits for.
fn no_review(one: &Value) -> String {
    match one["unreviewable"].as_str() {
        Some(why) => format!("none can be: {}", plain(why)),
        None => format!(
            "none yet; {} review it, each before it knows what the other found",
            names(items(&one["reviewers"]))
        ),
    }
}

/// What comes next, and what we can do.
fn next_text(one: &Value) -> String {
    let id = short(&one["id"]);
    let mut text = "\nNext\n".to_owned();
    if !one["blocked"].is_null() {
        text += &format!("  {}\n", blocked_text(one));
    }
    text += match (one["state"].as_str(), one["what"].as_str()) {
        (Some("open"), Some("charter")) => "  It is adopted once both quorums sign it: silence is no yes.\n",
        (Some("open"), Some("purpose")) => {
            "  It is adopted once a next version of the charter has it: silence is no yes.\n"
        }
        (Some("open"), _) => "  It is adopted once somebody asks it.\n",
        (Some("adopted"), _) => "  Nothing: it is adopted.\n",
        (_, _) => "  Nothing: propose it anew if it is still wanted.\n",
    };
    for can in items(&one["can"]) {
        let (what, how) = match can.as_str() {
            Some("support") => ("Support it", format!("datacoop support {id}")),
            Some("object") => ("Object", format!("datacoop object {id} --because TEXT")),
            Some("review") => (
                "Review it",
                format!(
                    "datacoop review {id} --benefit GRADE --harm GRADE --least-data GRADE --because TEXT"
                ),
            ),
            Some("withdraw") => ("Take it back", format!("datacoop withdraw {id}")),
            Some("reply") => {
                let mut objections = items(&one["objections"]).iter();
                let open = objections.find(|one| one["reply"].is_null());
                let objection = open.map_or_else(|| "OBJECTION".to_owned(), |one| short(&one["id"]));
                ("Answer", format!("datacoop reply {objection} --text TEXT"))
            }
            Some("sign") => (
                "Sign it",
                format!("datacoop proposals {id} -o FILE, stop this node, datacoop charter sign FILE"),
            ),
            Some("ask") => {
                ("Ask it", format!("datacoop proposals {id} -o FILE, datacoop ask --question FILE"))
            }
            Some(_) | None => continue,
        };
        text += &format!("  {what:<14} {how}\n");
    }
    if one["state"] == "open" {
        let what = words(&one["what"]);
        text += &format!("  {:<14} datacoop propose {what} FILE --instead-of {id}\n", "Other wording");
        if what != "charter" {
            text += &format!("  {:<14} datacoop not-us {what} {}\n", "Not us", words(&one["names"]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proposal() -> Value {
        json!({
            "id": "c0ffee1234567890", "log": "s0.example/log", "index": 3, "name": "Hill", "member": "GB-EDU-1",
            "time": "2026-11-26 10:00", "charter": { "version": 1 }, "what": "purpose", "names": "exams-2",
            "state": "open", "open_until": "2027-01-25 10:00", "title": "Who\u{1b}[2J does well?",
            "lines": ["in short   x"], "problem": null, "instead_of": null, "other_wordings": [],
            "cosigners": [{ "name": "Vale", "time": "2026-11-27 10:00" }],
            "objections": [{ "id": "0badcafe99", "name": "Moor", "time": "2026-11-28 10:00",
                "text": "no\nNext\n\u{1b}[1mit is adopted", "reply": null }],
            "reviews": [], "can": ["support", "object"],
            "blocked": { "name": "Moor", "since": "2026-11-28 10:00", "until": "2026-12-05 10:00",
                "answered": false, "awaits_answer": true },
        })
    }

    #[test]
    fn a_proposal_reads_whole_and_nobodys_text_passes_for_ours() {
        let text = detail_text(&proposal());
        for said in [
            "open until 2027-01-25 10:00",
            "0badcafe  Moor",
            "    | no\n    | Next\n    | \\u{1b}[1mit is adopted",
            "not answered yet",
            "nobody's program signs before 2026-12-05 10:00, nor before its author answers",
            "datacoop object c0ffee12 --because TEXT",
            "datacoop not-us purpose exams-2",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
        assert!(!text.contains('\u{1b}') && text.matches("\nNext\n").count() == 1, "{text}");
    }

    #[test]
    fn what_has_not_arrived_is_said() {
        let mut one = proposal();
        one["objections"][0]["text"] = Value::Null;
        (one["title"], one["problem"], one["lines"]) =
            (Value::Null, json!("its text has not arrived here yet"), json!([]));
        let text = detail_text(&one);
        assert_eq!(text.matches("not arrived here yet").count(), 3, "{text}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("draft");
        assert!(save(&one, &file).unwrap_err().text.contains("not written") && !file.exists());
        (one["problem"], one["text"]) = (Value::Null, json!("the draft"));
        save(&one, &file).unwrap();
        assert!(save(&one, &file).is_err(), "a file that is there is not written over");
    }
}
