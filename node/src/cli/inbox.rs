//! `datacoop inbox | approve | decline`: questions that wait for this node's yes, and what its person says.

use clap::Args;
use serde_json::Value;

use super::means::loss_text;
use super::node::{confirm, home_of};
use super::not_us::{self, NotUs, NotUsCommand};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::client::Client;
use crate::error::CommandError;
use crate::home::Home;
use crate::inbox::DecideRequest;

/// How to write standing rules.
pub(super) const RULES_HELP: &str = "\
What is asked within all limits is answered, and nothing waits, unless inbox.toml in the node's folder says
otherwise. The first rule that fits in all its conditions decides; it can loosen no limit. An example:

  default = \"ask\"                  # accept, ask or never: whatever no rule fits

  [[rule]]                         # cheap questions for a known purpose need nobody
  purposes = [\"attendance-2026\"]
  rho_query = 5_000_000            # costs at most so much, in billionths of rho: 2 points
  then = \"accept\"

  [[rule]]                         # also: questions, datasets; askers are ids of members
  askers = { except = [\"GB-EDU-100200\"] }
  then = \"never\"

It counts from the next start on. If it cannot be read the node answers nothing, and status says why.
A question that somebody objects to waits too, whatever the rules, until that is answered.";

/// Digits of an id that are shown, and the fewest that are taken.
const SHORT_DIGITS: usize = 8;

#[derive(Args)]
pub(super) struct ApproveArgs {
    /// The question's id as `datacoop inbox` shows it, or the beginning of it
    query: String,
}

#[derive(Args)]
#[group(multiple = false)]
struct HowFar {
    /// And never answer this question again, whoever asks
    #[arg(long)]
    question: bool,
    /// And answer nothing more for its purpose
    #[arg(long)]
    purpose: bool,
    /// And answer nothing at all any more
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub(super) struct DeclineArgs {
    /// The question's id as `datacoop inbox` shows it, or the beginning of it
    query: String,
    #[command(flatten)]
    how_far: HowFar,
}

fn words(value: &Value) -> String {
    plain(value.as_str().unwrap_or(""))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn short(one: &Value) -> String {
    words(&one["query"]).chars().take(SHORT_DIGITS).collect()
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn points(n: &Value) -> String {
    count(n.as_u64().unwrap_or(0), "point", "points")
}

fn list(values: &Value) -> String {
    items(values).iter().map(words).collect::<Vec<_>>().join(", ")
}

/// A line for `status`; nothing where nothing waits.
pub(super) fn waiting_text(json: &Value) -> String {
    match json["waits"].as_u64() {
        None | Some(0) => String::new(),
        Some(1) => {
            format!("1 question waits for this node's yes, until {}: datacoop inbox\n", words(&json["until"]))
        }
        Some(n) => format!(
            "{n} questions wait for this node's yes, the first until {}: datacoop inbox\n",
            words(&json["until"])
        ),
    }
}

pub(super) fn inbox(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = seen(&home)?;
    let text = inbox_text(&json);
    Ok(Printed::new(json, text))
}

fn seen(home: &Home) -> Result<Value, CommandError> {
    tokio::task::block_in_place(|| Client::new(home)?.get(home, "inbox"))
}

fn inbox_text(json: &Value) -> String {
    let (waiting, accepted) = (items(&json["waiting"]), items(&json["accepted"]));
    let mut text = String::new();
    for why in [&json["starting"], &json["clock"]].into_iter().filter_map(Value::as_str) {
        text += &format!("{}\n", plain(why));
    }
    text += &match waiting.len() {
        0 => "No question waits for this node's yes\n".to_owned(),
        1 => "1 question waits for this node's yes\n".to_owned(),
        n => format!("{n} questions wait for this node's yes\n"),
    };
    for one in waiting {
        text += &one_text(one);
        text += &format!(
            "  Answer it      datacoop approve {id}\n  Not this time  datacoop decline {id}\n  Never          datacoop decline {id} --question, or --purpose, or --all\n",
            id = short(one)
        );
    }
    if !accepted.is_empty() {
        text += "\nAnswered with yes, and ours to decline until our contribution is logged\n";
    }
    for one in accepted {
        text += &format!(
            "\n{}  {}\n  asked by {}, for {}; costs {}\n  datacoop decline {}\n",
            short(one),
            words(&one["title"]),
            asker(one),
            words(&one["purpose_title"]),
            points(&one["points"]),
            short(one)
        );
    }
    text + &rules_text(&json["rules"])
}

fn asker(one: &Value) -> String {
    let (name, body) = (words(&one["asker_name"]), words(&one["asker_body"]));
    if body.is_empty() || body == name { name } else { format!("{name} ({body})") }
}

/// One question, with all that a person has to know before a yes.
fn one_text(one: &Value) -> String {
    let said = |value: &Value| match words(value) {
        said if said.trim().is_empty() => "not said".to_owned(),
        said => said,
    };
    let split = match list(&one["group_by"]) {
        by if by.is_empty() => String::new(),
        by => format!(", split by {by}"),
    };
    let rows = [
        ("asked by", format!("{}, {}", asker(one), words(&one["asked"]))),
        ("for", format!("{} ({})", words(&one["purpose_title"]), words(&one["purpose"]))),
        ("", words(&one["purpose_plain"])),
        ("why", said(&one["why"])),
        ("who benefits", said(&one["benefits"])),
        ("who pays", said(&one["pays"])),
        (
            "about",
            format!(
                "{}, {}{split}; {}",
                words(&one["dataset"]),
                words(&one["period"]).replace("..", " to "),
                count(one["cells"].as_u64().unwrap_or(0), "figure", "figures")
            ),
        ),
        ("reads", list(&one["columns"])),
        (
            "costs",
            format!(
                "{} of the privacy budget: {}; {} this year, {} for this purpose",
                points(&one["points"]),
                loss_text(&one["cost"]),
                left(&one["left"]["year"]),
                left(&one["left"]["purpose"])
            ),
        ),
        ("our verdict", "yes: every limit allows it".to_owned()),
        ("waits", format!("{}; without a yes this node takes no part", words(&one["hold"]["text"]))),
        ("until", format!("{}, {}", words(&one["join_by"]), time_left(one["minutes_left"].as_u64()))),
    ];
    let mut text = format!("\n{}  {}\n", short(one), words(&one["title"]));
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("  {name:<13}  {value}\n");
    }
    if one["shows_noised_figures"] == true {
        text += "  The other members can see your figures with noise added.\n";
    }
    for objection in items(&one["objections"]) {
        text += &objection_text(objection);
    }
    text
}

fn left(n: &Value) -> String {
    format!("{} left", points(n))
}

fn time_left(minutes: Option<u64>) -> String {
    match minutes.unwrap_or(0) {
        0 => "in less than a minute".to_owned(),
        n @ 1..60 => format!("in {}", count(n, "minute", "minutes")),
        n @ 60..2_880 => format!("in {}", count(n / 60, "hour", "hours")),
        n => format!("in {}", count(n / 1_440, "day", "days")),
    }
}

/// What somebody wrote, marked so that it passes for nothing of ours.
fn objection_text(objection: &Value) -> String {
    let quoted = |value: &Value| match value["text"].as_str() {
        None => "    its text has not arrived here yet\n".to_owned(),
        Some(text) => text.lines().map(|line| format!("    | {}\n", plain(line))).collect(),
    };
    let mut text = format!(
        "  {} objects, {}\n{}",
        words(&objection["name"]),
        words(&objection["time"]),
        quoted(objection)
    );
    let reply = &objection["reply"];
    text += &match reply.is_null() {
        true => "    not answered yet\n".to_owned(),
        false => format!("    answered by {}\n{}", words(&reply["name"]), quoted(reply)),
    };
    text
}

/// By which standing rules this node goes.
fn rules_text(rules: &Value) -> String {
    let default = match rules["default"].as_str() {
        Some("ask") => "waits for a yes",
        Some("never") => "is not answered",
        _ => "is answered within all limits",
    };
    let count = rules["rules"].as_u64().unwrap_or(0);
    let mut text = match count {
        0 => format!("\nWhatever is asked {default} (inbox.toml)\n"),
        1 => format!("\n1 rule of inbox.toml; what it does not fit {default}\n"),
        n => format!("\n{n} rules of inbox.toml; what none of them fits {default}\n"),
    };
    for one in items(&rules["unknown"]) {
        text += &format!(
            "inbox.toml names the {} `{}`, which the charter does not have: check the spelling\n",
            words(&one["what"]),
            words(&one["id"])
        );
    }
    if let Some(problem) = rules["problem"].as_str() {
        text += &format!("{}; from its next start on this node answers nothing\n", plain(problem));
    }
    if rules["changed"] == true {
        text += "inbox.toml was changed: it counts once the node is started again\n";
    }
    text
}

/// The question that begins so, of those in the inbox.
fn find<'a>(json: &'a Value, beginning: &str, lists: &[&str]) -> Option<&'a Value> {
    let hex = beginning.to_ascii_lowercase();
    let all = lists.iter().flat_map(|list| items(&json[*list]));
    let mut found = all.filter(|one| one["query"].as_str().is_some_and(|id| id.starts_with(&hex)));
    found.next().filter(|_| hex.len() >= SHORT_DIGITS)
}

fn show(common: &Common, one: Option<&Value>) {
    if let Some(one) = one.filter(|_| !common.quiet && !common.json && !common.yes) {
        eprint!("{}", plain_lines(&one_text(one)));
    }
}

fn decide(home: &Home, query: &str, yes: bool) -> Result<Value, CommandError> {
    let request = DecideRequest { query: query.to_owned(), yes };
    tokio::task::block_in_place(|| Client::new(home)?.post(home, "inbox", &request))
}

pub(super) fn approve(common: &Common, args: &ApproveArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let seen = seen(&home)?;
    show(common, find(&seen, &args.query, &["waiting"]));
    confirm(common, "Answer it")?;
    let json = decide(&home, &args.query, true)?;
    let text = match json["verdict"].as_str() {
        Some("yes") => format!(
            "Yes: this node takes part. It can still be declined until its contribution is logged:\ndatacoop decline {}\n",
            short(&json)
        ),
        Some(_) => {
            format!("The yes is kept, and a limit refuses it now: datacoop charter why {}\n", short(&json))
        }
        None => "The yes is kept: this node answers once nothing else holds it.\n".to_owned(),
    };
    Ok(Printed::new(json, text))
}

pub(super) fn decline(common: &Common, args: &DeclineArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let seen = seen(&home)?;
    let one = find(&seen, &args.query, &["waiting", "accepted"]);
    show(common, one);
    let HowFar { question, purpose, all } = args.how_far;
    if all {
        return not_us::answer_nothing(common, &home);
    }
    if question || purpose {
        // What narrows our limits takes back what they do not allow any more, this question first.
        let one = one.ok_or_else(|| {
            CommandError::usage(format!("`{}` is no question that can still be declined", plain(&args.query)))
                .hint("list them: datacoop inbox; to stay out of others: datacoop not-us")
        })?;
        let id = |name: &str| NotUs::of(one[name].as_str().unwrap_or_default());
        let command = match question {
            true => NotUsCommand::Question(id("question")),
            false => NotUsCommand::Purpose(id("purpose")),
        };
        return not_us::not_us(common, command);
    }
    confirm(common, "Do not answer it")?;
    let json = decide(&home, &args.query, false)?;
    let text = match json["verdict"].as_str() {
        Some("yes") => {
            "Declined: what this node had promised it takes back, at no cost. The others go on without it.\n"
        }
        _ => {
            "Declined. No reason is asked or told; if enough members are left, they go on without this node.\n"
        }
    };
    Ok(Printed::new(json, text.to_owned()))
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
