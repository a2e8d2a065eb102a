//! Commands about a node of one's own: init, import, run, status, ask, results, audit, log export.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use datacoop_policy::charter::PEOPLE_MAX;
use datacoop_policy::{MemberId, PrivacyLoss};
use serde_json::{Value, json};

use super::demo::{parse_params, parse_period, read};
use super::{Common, Printed, Progress};
use crate::api::{AskRequest, ExportRequest, ImportRequest};
use crate::client::Client;
use crate::driver::{Node, NodeError, Run};
use crate::error::{CommandError, Exit};
use crate::folder::{Folder, StoreError};
use crate::home::{Config, Home, MemberIdText, SHIPPED_QUESTIONS};
use crate::{api, entropy, load, net};

#[derive(Args)]
pub(super) struct InitArgs {
    /// Public register number, such as GB-EDU-100200 or GB-CHC-200300
    #[arg(long)]
    id: String,
    /// Name of the organisation
    #[arg(long)]
    name: String,
    /// Who controls it in law, such as its trust [default: itself]
    #[arg(long)]
    body: Option<String>,
    /// A host name it controls: its key names begin with it
    #[arg(long)]
    host: String,
    /// Public figures: fewest people it has records of
    #[arg(long, default_value_t = 1)]
    people_min: u64,
    /// Most people it has records of: the public roll bound
    #[arg(long)]
    people_max: u64,
    /// Where to listen, such as /ip4/0.0.0.0/tcp/4100; leave out to only dial
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Where others reach it; makes it a meeting point
    #[arg(long, value_name = "MULTIADDR")]
    address: Vec<String>,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The CSV file
    file: PathBuf,
    /// A vocabulary's name, such as attendance/1, or its TOML file
    #[arg(long, value_name = "NAME|FILE")]
    vocabulary: String,
}

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
    #[arg(long, value_name = "TIME", default_value = "3d", value_parser = parse_time)]
    window: Duration,
    /// How long to follow; the round goes on anyway
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    wait: Duration,
}

#[derive(Args)]
pub(super) struct ResultsArgs {
    /// The query whose release to show; leave out to list all
    query: Option<String>,
}

#[derive(Args)]
pub(super) struct ExportArgs {
    /// The folder to write
    folder: PathBuf,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let read = units
        .iter()
        .find_map(|(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<u64>().ok()? * seconds));
    read.filter(|seconds| *seconds <= 10 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a time such as 30s, 5m, 2h or 3d, at most 10d".into())
}

pub(super) fn store_error(error: StoreError) -> CommandError {
    match error {
        StoreError::Locked(_) => CommandError { exit: Exit::NotRunning, text: error.to_string(), hint: None },
        StoreError::Io(..) | StoreError::Wrong(_) => CommandError::failed(error.to_string()),
    }
}

/// The node in the folder that was named.
pub(super) fn home_of(common: &Common) -> Result<Home, CommandError> {
    let home = Home::new(&common.node);
    if home.exists() {
        return Ok(home);
    }
    Err(CommandError {
        exit: Exit::NoNode,
        text: format!("there is no node in {}", common.node.display()),
        hint: Some("set one up with `datacoop init`, or name it with --node DIR".into()),
    })
}

/// Spending asks on a terminal, else needs --yes.
pub(super) fn confirm(common: &Common, what: &str) -> Result<(), CommandError> {
    if common.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CommandError {
            hint: Some("add --yes".into()),
            ..CommandError::usage(format!("{what} needs a yes"))
        });
    }
    eprint!("{what}? [y/N] ");
    std::io::stderr().flush().ok();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok();
    if line.trim().eq_ignore_ascii_case("y") {
        Ok(())
    } else {
        Err(CommandError::usage("not confirmed; nothing was done".into()))
    }
}

pub(super) fn init(common: &Common, args: InitArgs) -> Result<Printed, CommandError> {
    let id: MemberId = args.id.parse().map_err(CommandError::usage)?;
    if !datacoop_protocol::log::note::is_key_name(&args.host) || args.host.contains('/') {
        return Err(CommandError::usage(format!("`{}` is no host name", args.host)));
    }
    if args.people_max == 0 || args.people_max > PEOPLE_MAX || args.people_min > args.people_max {
        return Err(CommandError::usage(format!("write --people-min <= --people-max, at most {PEOPLE_MAX}")));
    }
    if let Some(bad) = args.listen.iter().chain(&args.address).find(|text| !net::is_address(text)) {
        return Err(CommandError::usage(format!(
            "`{bad}` is no address; write one such as /ip4/127.0.0.1/tcp/4100"
        )));
    }
    let home = Home::new(&common.node);
    if home.exists() {
        return Err(CommandError::usage(format!("{} holds a node already", common.node.display())));
    }
    let config = Config {
        id: MemberIdText(id.clone()),
        body: args.body.unwrap_or_else(|| args.name.clone()),
        name: args.name,
        host: args.host,
        people_min: args.people_min,
        people_max: args.people_max,
        listen: args.listen,
        addresses: args.address,
        answer_grid: 250,
    };
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    home.create(&config, &entropy::bytes()).map_err(store_error)?;
    let folder = common.node.display();
    let text = format!(
        "Set up a node for {} ({id}) in {folder}.\nIts keys lie in {folder}/keys: back them up. Next: datacoop charter card\n",
        config.name
    );
    Ok(Printed::new(
        json!({ "schema": "datacoop.init/1", "id": id.to_string(), "node": folder.to_string() }),
        text,
    ))
}

pub(super) async fn import(common: &Common, args: ImportArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let file = std::fs::canonicalize(&args.file)
        .map_err(|error| CommandError::usage(format!("{}: {error}", args.file.display())))?;
    let vocabulary = if args.vocabulary.ends_with(".toml") {
        let text = read(&PathBuf::from(&args.vocabulary))?;
        let parsed =
            datacoop_policy::vocabulary::Vocabulary::from_toml(&text).map_err(CommandError::usage)?;
        // Adding a file beside others disturbs no running node: it reads them when it needs one.
        let (_, added) = home.add_vocabulary(&text).map_err(store_error)?;
        debug_assert_eq!(added, parsed);
        added.name().to_owned()
    } else {
        args.vocabulary.clone()
    };
    let progress = Progress::new(common);
    progress.say("importing");
    let done = match Folder::open(home.path()) {
        Ok(_lock) => {
            let work = tokio::task::spawn_blocking(move || {
                load::import(&home, &file, &vocabulary).map(|loaded| loaded.json())
            });
            work.await.map_err(|error| CommandError::failed(error.to_string()))?
        }
        Err(StoreError::Locked(_)) => {
            Client::new(&home)?.post(&home, "import", &ImportRequest { file, vocabulary })
        }
        Err(error) => Err(store_error(error)),
    };
    progress.done();
    let json = done?;
    let mut text = format!(
        "{} of {} rows imported as {}.\n",
        json["rows_kept"],
        json["rows_read"],
        json["vocabulary"].as_str().unwrap_or("")
    );
    for line in json["problems"].as_array().into_iter().flatten() {
        text += &format!("  left out: {}\n", line.as_str().unwrap_or(""));
    }
    if json["columns_ignored"].as_array().is_some_and(|list| !list.is_empty()) {
        text += &format!("  columns not in the vocabulary, ignored: {}\n", json["columns_ignored"]);
    }
    Ok(Printed::new(json, text))
}

pub(super) async fn run(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let door = home.join("run/api");
    let node = Node::start(home, Run { nodes: 1, ..Run::default() }).await.map_err(|error| match error {
        NodeError::Store(error) => store_error(error),
        NodeError::Net(_) | NodeError::Wrong(_) => CommandError::failed(error.to_string()),
    })?;
    let handle = node.handle().clone();
    let listening = handle.addresses().join(", ");
    if !common.quiet {
        eprintln!(
            "running; listening on {}",
            if listening.is_empty() { "nothing (dials only)" } else { &listening }
        );
    }
    let served = tokio::spawn(api::serve(handle.clone()));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| CommandError::failed(error.to_string()))?;
    let waiting = node.wait();
    tokio::pin!(waiting);
    let ended = tokio::select! {
        ended = &mut waiting => ended,
        _ = terminate.recv() => { handle.stop(); waiting.await }
        _ = tokio::signal::ctrl_c() => { handle.stop(); waiting.await }
    };
    served.abort();
    std::fs::remove_file(door).ok();
    ended.map_err(store_error)?;
    Ok(Printed::new(json!({ "schema": "datacoop.run/1", "stopped": true }), String::new()))
}

fn loss_text(loss: &Value) -> String {
    format!("rho {} (epsilon {})", loss["rho"].as_str().unwrap_or(""), loss["epsilon"].as_str().unwrap_or(""))
}

pub(super) async fn status(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "status"))?;
    let words = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let connected = json["connected"].as_array().map_or(0, Vec::len);
    let mut text = format!(
        "{}, charter \"{}\" version {}, in force until {}\n{connected} of {} other members connected; {} releases held\n",
        words(&json["member"]),
        words(&json["charter"]["name"]),
        json["charter"]["version"],
        words(&json["charter"]["expires"]),
        json["members"].as_u64().unwrap_or(1) - 1,
        json["released"]
    );
    if json["answers"] != true {
        text += "This node answers nothing: limits.toml is missing or unreadable.\n";
    }
    if json["datasets"].as_array().is_none_or(Vec::is_empty) {
        text += "No data yet: datacoop import FILE --vocabulary NAME\n";
    }
    for account in json["ledger"].as_array().into_iter().flatten() {
        text += &format!(
            "{}: spent {}, left {}\n",
            words(&account["account"]),
            loss_text(&account["spent"]),
            loss_text(&account["left"])
        );
    }
    for open in json["open"].as_array().into_iter().flatten() {
        text += &format!("open: {} {}\n", &words(&open["query"])[..8], words(&open["stage"]));
    }
    Ok(Printed::new(json, text))
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

pub(super) async fn ask(common: &Common, args: AskArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    parse_period(&args.period)?;
    let request = AskRequest {
        question: question_text(&args)?,
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
            let text = plan_text(&plan) + "Nothing was spent.\n";
            return Ok(Printed::new(plan, text));
        }
        if !common.quiet && !common.json {
            eprint!("{}", plan_text(&plan));
        }
        confirm(common, "Ask the members, at this cost to each")?;
        let asked = client.post(&home, "queries", &request)?;
        let id = asked["query"].as_str().unwrap_or("").to_owned();
        follow(common, &client, &home, &id, args.wait)
    })
}

fn plan_text(plan: &Value) -> String {
    let words = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let mut text = format!("{}\n  Would ask        {} members\n", words(&plan["title"]), plan["would_ask"]);
    text += &format!(
        "  Expected noise   ±{} (95 %), if a group has {} people\n",
        words(&plan["expected_noise"]),
        plan["group_size_assumed"]
    );
    text += &format!("  Worth noticing   {}\n", words(&plan["matters"]));
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
    if plan["committee_by_lot"] == false {
        text += "                   the committee follows from the roster alone: an asker could choose among rosters\n";
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

/// A release as text, from its JSON.
fn release_text(release: &Value) -> String {
    let words = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut text = format!(
        "{}\n{}, {} of {} members in the sum, {}\n",
        words(&release["title"]),
        words(&release["period"]),
        release["accepted"],
        release["roster"],
        loss_text(&release["loss"])
    );
    for cell in release["cells"].as_array().into_iter().flatten() {
        let key: Vec<String> = cell["key"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{}={}", name, words(value)))
            .collect();
        for figure in cell["figures"].as_array().into_iter().flatten() {
            let shown = match figure["status"].as_str() {
                Some("estimated") => format!(
                    "{}  ({} to {})",
                    words(&figure["value"]),
                    words(&figure["low"]),
                    words(&figure["high"])
                ),
                _ => "suppressed: too few or too noisy".to_owned(),
            };
            text += &format!("  {:<40} {:<10} {shown}\n", key.join(" "), words(&figure["name"]));
        }
    }
    for line in release["cannot_tell"].as_array().into_iter().flatten() {
        text += &format!("It cannot tell {}.\n", words(line));
    }
    text
}

pub(super) async fn results(common: &Common, args: ResultsArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    tokio::task::block_in_place(|| {
        let client = Client::new(&home)?;
        if let Some(id) = &args.query {
            let seen = client.get(&home, &format!("queries/{id}"))?;
            let text = match seen["release"].is_null() {
                true => format!("No release: {}\n", seen["stage"].as_str().unwrap_or("")),
                false => release_text(&seen["release"]),
            };
            return Ok(Printed::new(seen, text));
        }
        let json = client.get(&home, "results")?;
        let releases = json["releases"].as_array().cloned().unwrap_or_default();
        let text = if releases.is_empty() {
            "No releases yet.\n".to_owned()
        } else {
            releases.iter().map(release_text).collect::<Vec<_>>().join("\n")
        };
        Ok(Printed::new(json, text))
    })
}

pub(super) async fn audit(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let mut json = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "audit"))?;
    let text = json["text"].as_str().unwrap_or("").to_owned();
    json.as_object_mut().map(|object| object.remove("text"));
    let code = if json["result"] == "pass" { 0 } else { Exit::Failed as u8 };
    Ok(Printed { json, text, code })
}

pub(super) async fn export(common: &Common, args: ExportArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let folder = std::path::absolute(&args.folder).map_err(|error| CommandError::usage(error.to_string()))?;
    let json =
        tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "export", &ExportRequest { folder }))?;
    let text = format!("Exported. Check it anywhere with: datacoop verify {}\n", args.folder.display());
    Ok(Printed::new(json, text))
}
