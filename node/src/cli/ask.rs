//! `datacoop ask`: plan, ask, follow.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use datacoop_policy::PrivacyLoss;
use serde_json::{Value, json};

use super::demo::{parse_params, parse_period, read};
use super::node::{confirm, home_of};
use super::results::release_text;
use super::show::{lot_text, plain, plain_lines};
use super::{Common, Printed, Progress};
use crate::api::AskRequest;
use crate::client::Client;
use crate::error::{CommandError, Exit};
use crate::home::{Home, SHIPPED_QUESTIONS};

#[derive(Args)]
pub(super) struct AskArgs {
    /// Name of a shipped question; or use --question
    name: Option<String>,
    /// A question definition in TOML
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    question: Option<PathBuf>,
    /// The days it is about
    #[arg(long, value_name = "FIRST..LAST")]
    period: String,
    /// A parameter of the question; repeat for more
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Purpose in the charter [default: the only one]
    #[arg(long)]
    purpose: Option<String>,
    /// Plain words for the log: why
    #[arg(long, default_value = "")]
    why: String,
    /// Plain words for the log: who benefits
    #[arg(long, default_value = "")]
    benefits: String,
    /// Plain words for the log: who pays
    #[arg(long, default_value = "")]
    pays: String,
    /// Privacy loss at each member, as zCDP rho [default: the question's own]
    #[arg(long)]
    rho: Option<PrivacyLoss>,
    /// Release only if this many take part; can only raise the charter's
    #[arg(long, value_name = "N")]
    min_members: Option<u32>,
    /// Let members see each other's noised figures, as clusters of 3 or 4 must
    #[arg(long)]
    full_noise: bool,
    /// Show cost and expected error and stop; spends nothing
    #[arg(long)]
    plan: bool,
    /// Time for each of joining, contributing and closing, such as 30s, 2h or 3d
    #[arg(long, value_name = "TIME", default_value = "3d", value_parser = parse_window)]
    window: Duration,
    /// How long to follow; the round goes on anyway
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    wait: Duration,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let read = units
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*seconds));
    read.filter(|seconds| *seconds <= 10 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a time such as 30s, 5m, 2h or 3d, at most 10d".into())
}

fn parse_window(text: &str) -> Result<Duration, String> {
    let window = parse_time(text)?;
    if window.is_zero() { Err("a window lasts at least 1s".into()) } else { Ok(window) }
}

/// A loss as people read it.
pub(super) fn loss_text(loss: &Value) -> String {
    format!("rho {} (epsilon {})", loss["rho"].as_str().unwrap_or(""), loss["epsilon"].as_str().unwrap_or(""))
}

fn question_text(args: &AskArgs) -> Result<String, CommandError> {
    if let Some(file) = &args.question {
        return read(file);
    }
    let ids: Vec<String> =
        SHIPPED_QUESTIONS.iter().filter_map(|text| text.split('"').nth(1).map(str::to_owned)).collect();
    let Some(name) = &args.name else {
        return Err(CommandError::usage(format!(
            "name a question ({}) or give --question FILE",
            ids.join(", ")
        )));
    };
    let at = ids.iter().position(|id| id == name);
    at.map(|at| SHIPPED_QUESTIONS[at].to_owned()).ok_or_else(|| {
        CommandError::usage(format!("there is no question `{name}`; shipped: {}", ids.join(", ")))
    })
}

pub(super) fn ask(common: &Common, args: &AskArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    parse_period(&args.period)?;
    let request = AskRequest {
        question: question_text(args)?,
        params: parse_params(&args.params)?,
        period: args.period.clone(),
        purpose: args.purpose.clone(),
        rho: args.rho.map(PrivacyLoss::nano),
        full_noise: args.full_noise,
        min_members: args.min_members,
        window: args.window.as_secs(),
        why: args.why.clone(),
        benefits: args.benefits.clone(),
        pays: args.pays.clone(),
    };
    tokio::task::block_in_place(|| {
        let client = Client::new(&home)?;
        let plan = client.post(&home, "plan", &request)?;
        if args.plan {
            let end = if plan["answered"].is_null() { "Nothing was spent.\n" } else { ANSWERED };
            let text = plan_text(&plan) + end;
            return Ok(Printed::new(plan, text));
        }
        // A stored answer costs nothing, and a refused question is not worth a yes.
        if let Some(id) = plan["answered"].as_str() {
            return follow(common, &client, &home, id, args.wait);
        }
        if let Some(rule) = plan["refused"]["rule"].as_str() {
            let text = plan["refused"]["text"].as_str().unwrap_or("refused").to_owned();
            return Err(CommandError::refused(rule, text));
        }
        if !common.quiet && !common.json {
            eprint!("{}", plain_lines(&plan_text(&plan)));
        }
        confirm(common, "Ask the members, at this cost to each")?;
        let asked = client.post(&home, "queries", &request)?;
        let id = asked["query"].as_str().unwrap_or("").to_owned();
        follow(common, &client, &home, &id, args.wait)
    })
}

/// The end of a plan of what was answered before.
const ANSWERED: &str = "Nothing was spent. Leave out --plan to see the stored release.\n";

fn plan_text(plan: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or("unknown"));
    let mut text = format!("{}\n  Would ask        {} members\n", words(&plan["title"]), plan["would_ask"]);
    text += &format!(
        "  Expected noise   ±{} (95 %), if a group has {} people{}\n",
        words(&plan["expected_noise"]),
        plan["group_size_assumed"],
        if plan["group_size_known"] == true {
            ""
        } else {
            "; the charter states no numbers, so real sizes are unknown"
        }
    );
    text += &format!("  Worth noticing   {}\n", words(&plan["matters"]));
    if !plan["answered"].is_null() {
        return text + "  Costs            nothing: a release answers it already\n";
    }
    text += &format!(
        "  Costs            {} at each member; you would have {} left\n",
        loss_text(&plan["loss"]),
        loss_text(&plan["left_after"])
    );
    text += &match plan["mode"].as_str() {
        Some("secure") => format!(
            "  Secrecy          holds if any 1 of {} committee members is honest\n",
            plan["committee"]
        ),
        _ => "  Secrecy          members see each other's noised figures\n".to_owned(),
    };
    if plan["committee_can_be_all_corrupt"] == true {
        text += &format!("{}\n", lot_text(true).trim_start());
    }
    text += "  Logged           question, purpose and you as asker, for all members\n";
    if let Some(why) = plan["refused"]["text"].as_str() {
        text += &format!("  Refused          {why}\n");
    }
    text
}

/// Follows a round until it ends or patience does.
fn follow(
    common: &Common,
    client: &Client,
    home: &Home,
    id: &str,
    wait: Duration,
) -> Result<Printed, CommandError> {
    let progress = Progress::new(common);
    let deadline = Instant::now() + wait;
    loop {
        let seen = client.get(home, &format!("queries/{id}"))?;
        let stage = seen["stage"].as_str().unwrap_or("").to_owned();
        progress.say(&stage);
        if stage == "released" {
            progress.done();
            let text = release_text(&seen["release"]);
            let json = json!({ "schema": "datacoop.release/1", "demo": false, "release": seen["release"] });
            return Ok(Printed::new(json, text));
        }
        if let Some(code) = stage.strip_prefix("aborted: ") {
            progress.done();
            let refused = seen["refused"].as_array().map_or(0, Vec::len);
            let text = format!("the round ended without a release (`{code}`); {refused} members refused");
            let hint = Some(format!("see why: datacoop --json results {id}"));
            return Err(CommandError { exit: Exit::Aborted, text, hint });
        }
        if Instant::now() >= deadline {
            progress.done();
            let text =
                format!("Asked; the round goes on ({stage}). Look again with: datacoop results {id}\n");
            let mut printed = Printed::new(
                json!({ "schema": "datacoop.asked/1", "demo": false, "query": id, "stage": stage }),
                text,
            );
            printed.code = Exit::Going as u8;
            return Ok(printed);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
