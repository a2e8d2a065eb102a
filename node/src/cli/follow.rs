//! `datacoop audit --follow`: the live co-operative, entry by entry.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::ask::parse_time;
use super::node::home_of;
use super::show::plain;
use super::verify::EXIT_EQUIVOCATION;
use super::{Common, Printed};
use crate::api::logs::EntriesRequest;
use crate::client::Client;
use crate::error::CommandError;
use crate::home::Home;

/// How often the node is asked for new entries: soon enough for people, and seldom enough for the node.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct AuditArgs {
    /// Print entries in plain words as they land, until Ctrl-C; alerts and proofs of two histories stand out
    #[arg(long)]
    pub(super) follow: bool,
    /// Begin with the first entry of every log
    #[arg(long, requires = "follow")]
    from_start: bool,
    /// End with exit code 3 once two signed histories of one log are proven
    #[arg(long, requires = "follow")]
    stop_on_equivocation: bool,
    /// Go on from the audit that this file remembers, and remember this one in it; not with --follow
    #[arg(long, conflicts_with = "follow", value_name = "FILE")]
    pub(super) state: Option<PathBuf>,
    /// How often all logs are replayed and checked in full, the first time at once
    #[arg(long, requires = "follow", value_name = "TIME", default_value = "1h", value_parser = parse_time)]
    check_every: Duration,
}

pub(super) async fn follow(common: &Common, args: &AuditArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let mut known = args.from_start.then(BTreeMap::new);
    let mut check_at = Instant::now();
    loop {
        let request = EntriesRequest { known: known.clone() };
        let seen = ask(&home, move |client, home| client.post(home, "entries", &request)).await?;
        let sizes: BTreeMap<String, u64> = serde_json::from_value(seen["known"].clone())
            .map_err(|error| CommandError::failed(error.to_string()))?;
        if known.is_none() && !common.quiet {
            let held: u64 = sizes.values().sum();
            eprintln!(
                "following {} logs; {held} entries are here already (--from-start prints them); Ctrl-C ends it",
                sizes.len()
            );
        }
        known = Some(sizes);
        let entries = seen["entries"].as_array().map_or(&[][..], Vec::as_slice);
        for entry in entries {
            say(&line(common, entry))?;
        }
        let split = entries.iter().find(|entry| entry["equivocation"] == true);
        if let Some(split) = split.filter(|_| args.stop_on_equivocation) {
            let text = String::new();
            return Ok(Printed { json: ended(split), text, code: EXIT_EQUIVOCATION });
        }
        if seen["more"] == true {
            continue;
        }
        if check_at <= Instant::now() {
            let audit = ask(&home, |client, home| client.get(home, "audit")).await?;
            say(&checked(common, &audit))?;
            check_at = Instant::now() + args.check_every.max(LOOK_EVERY);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Asks the node on a thread of its own, so that Ctrl-C ends it at once.
async fn ask(
    home: &Home,
    ask: impl FnOnce(&Client, &Home) -> Result<Value, CommandError> + Send + 'static,
) -> Result<Value, CommandError> {
    let home = home.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&Client::new(&home)?, &home)).await;
    asked.map_err(|error| CommandError::failed(error.to_string()))?
}

/// A line a time, at once, also into a pipe.
fn say(line: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{line}").and_then(|()| out.flush());
    said.map_err(|error| CommandError::failed(format!("nobody reads what is followed: {error}")))
}

fn line(common: &Common, entry: &Value) -> String {
    if common.json {
        return entry.to_string();
    }
    let words = |name: &str| plain(entry[name].as_str().unwrap_or(""));
    let alert = if entry["alert"] == true { "ALERT " } else { "" };
    let time = entry["time"].as_str().map_or_else(|| " ".repeat("2025-12-01 10:02".len()), plain);
    format!("{time} {alert}{}", words("text"))
}

fn checked(common: &Common, audit: &Value) -> String {
    let (result, logs) = (&audit["result"], audit["logs"].as_array().map_or(&[][..], Vec::as_slice));
    if common.json {
        return json!({ "schema": "datacoop.audit-check/1", "result": result, "logs": logs.len() })
            .to_string();
    }
    match result == "pass" {
        true => format!("CHECKED all {} logs from their first entry: pass", logs.len()),
        false => format!("ALERT the check of all {} logs FAILS; see what: datacoop audit", logs.len()),
    }
}

/// The last line, once it ends by itself.
fn ended(split: &Value) -> Value {
    json!({ "schema": "datacoop.follow-ended/1", "result": "equivocation", "log": split["log"], "index": split["index"] })
}
