//! Commands about a node of one's own: init, run, status, audit.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::means::{factor_text, loss_text};
use super::show::plain;
use super::{Common, Printed};
use crate::acts::reviews;
use crate::api::logs::AuditRequest;
use crate::client::Client;
use crate::driver::{Ended, Handle, Node, NodeError, Run};
use crate::ending::endings_text;
use crate::error::{CommandError, Exit};
use crate::folder::StoreError;
use crate::home::Home;
use crate::pages::{PORT, Pages, Place};
use crate::public::{PublicServer, serve_public};
use crate::set_up::{Organisation, set_up};
use crate::verify::Audited;
use crate::{api, demo, passphrase};

#[derive(Args)]
pub(super) struct InitArgs {
    /// Public register number, such as GB-EDU-100200 or GB-CHC-200300
    #[arg(long, required_unless_present = "reset_passphrase")]
    id: Option<String>,
    /// Name of the organisation
    #[arg(long, required_unless_present = "reset_passphrase")]
    name: Option<String>,
    /// Who controls it in law, such as its trust [default: itself]
    #[arg(long)]
    body: Option<String>,
    /// A host name it controls: its key names begin with it
    #[arg(long, required_unless_present = "reset_passphrase")]
    host: Option<String>,
    /// Public figures: fewest people it has records of [default: not stated]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    people_min: u64,
    /// Most people it has records of: the public roll bound
    #[arg(long, required_unless_present = "reset_passphrase")]
    people_max: Option<u64>,
    /// Where to listen, such as /ip4/0.0.0.0/tcp/4100; leave out to only dial
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Where others reach it; makes it a meeting point
    #[arg(long, value_name = "MULTIADDR")]
    address: Vec<String>,
    /// Forget the passphrase of the pages of the node that is here, and change nothing else
    #[arg(long, conflicts_with_all = ["id", "name", "body", "host", "people_max", "listen", "address"])]
    reset_passphrase: bool,
}

#[derive(Args)]
pub(super) struct RunArgs {
    /// Serve the logs over read-only HTTP here from the start, such as 127.0.0.1:8090 [default: off]
    #[arg(long, value_name = "ADDRESS:PORT")]
    serve_logs: Option<SocketAddr>,
    /// Show the public register to everybody here, such as 0.0.0.0:8080 [default: off]
    #[arg(long, value_name = "ADDRESS:PORT")]
    public_listen: Option<SocketAddr>,
    /// Show no pages
    #[arg(long)]
    no_pages: bool,
    /// Port of the pages on this computer; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = PORT, conflicts_with = "no_pages")]
    port: u16,
    /// Ask for no passphrase on the pages; each page says so
    #[arg(long)]
    no_passphrase: bool,
}

pub(crate) fn store_error(error: StoreError) -> CommandError {
    match error {
        StoreError::Locked(_) => CommandError {
            exit: Exit::NotRunning,
            text: error.to_string(),
            hint: Some("stop it there (Ctrl-C, or wait until the command ends), then try again".into()),
        },
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
    if args.reset_passphrase {
        return reset_passphrase(common);
    }
    let home = Home::new(&common.node);
    let config = set_up(
        &home,
        Organisation {
            id: args.id.unwrap_or_default(),
            body: args.body,
            name: args.name.unwrap_or_default(),
            host: args.host.unwrap_or_default(),
            people_min: args.people_min,
            people_max: args.people_max.unwrap_or_default(),
            listen: args.listen,
            addresses: args.address,
        },
    )?;
    let (folder, id) = (common.node.display(), &config.id.0);
    let text = format!(
        "Set up a node for {} ({id}) in {folder}.\nIts keys lie in {folder}/keys: back them up. Next: datacoop charter card\n",
        config.name
    );
    Ok(Printed::new(
        json!({ "schema": "datacoop.init/1", "id": id.to_string(), "node": folder.to_string() }),
        text,
    ))
}

/// Whoever may do this may read the folder anyway: the passphrase keeps others at this computer out of the pages.
fn reset_passphrase(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let was = passphrase::is_set(&home);
    confirm(common, "Forget the passphrase of this node's pages")?;
    passphrase::reset(&home).map_err(store_error)?;
    let text = match was {
        true => "The passphrase is forgotten. Set a new one in the pages, under Settings.\n",
        false => "There was no passphrase.\n",
    };
    let json = json!({ "schema": "datacoop.reset-passphrase/1", "was_set": was });
    Ok(Printed::new(json, text.to_owned()))
}

pub(super) async fn run(common: &Common, args: &RunArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let pages = match args.no_pages {
        true => None,
        false => Some(Arc::new(Pages::open(&home, args.no_passphrase, Place::At(args.port)).await?)),
    };
    run_on(common, args, pages).await
}

/// Sets a node up in a browser, where there is none or it belongs to no charter; then runs it.
pub(super) async fn start(common: &Common, args: &RunArgs) -> Result<Printed, CommandError> {
    let home = Home::new(&common.node);
    let pages = Arc::new(Pages::open(&home, args.no_passphrase, Place::At(args.port)).await?);
    if home.charter().map_err(store_error)?.is_none() {
        eprintln!(
            "Set this node up in a browser on this computer. Open this once, within 15 minutes:\n{}\nCtrl-C stops; what was done stays.",
            pages.set_up_link()
        );
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .map_err(|error| CommandError::failed(error.to_string()))?;
        tokio::select! {
            () = set_up_or_look_round(&pages) => pages.show_starting(),
            _ = terminate.recv() => return Ok(stopped()),
            _ = tokio::signal::ctrl_c() => return Ok(stopped()),
        }
    }
    run_on(common, args, Some(pages)).await
}

/// Shows the set-up, and made-up members as often as somebody wants to look round, until the node is to run.
async fn set_up_or_look_round(pages: &Pages) {
    let mut trouble = None;
    loop {
        let wanted = pages.show_set_up(trouble.take());
        tokio::select! {
            () = wanted.start.notified() => return,
            () = wanted.trial.notified() => trouble = look_round(pages).await.err(),
        }
    }
}

/// Made-up members, until somebody has seen enough of them.
async fn look_round(pages: &Pages) -> Result<(), CommandError> {
    let sample = demo::sample(&|what| pages.show_making(what)).await?;
    pages.show_trial(sample.handle().clone()).notified().await;
    sample.stop().await
}

fn stopped() -> Printed {
    Printed::new(json!({ "schema": "datacoop.run/1", "stopped": true }), String::new())
}

/// Runs the node until it is stopped, again with each version of the charter that it takes.
async fn run_on(common: &Common, args: &RunArgs, pages: Option<Arc<Pages>>) -> Result<Printed, CommandError> {
    let mut serves = Serves { logs: args.serve_logs, public: args.public_listen };
    let how = Run { nodes: 1, waives_passphrase: args.no_passphrase, ..Run::default() };
    while let (Ended::Renewed, served) = run_once(common, &how, serves, pages.clone()).await? {
        if !common.quiet {
            eprintln!("took another version of the charter; starting again with it");
        }
        serves = served;
    }
    Ok(stopped())
}

/// Where a node serves what others read of it without being members, if anywhere.
#[derive(Clone, Copy)]
struct Serves {
    /// The logs.
    logs: Option<SocketAddr>,
    /// The public register.
    public: Option<SocketAddr>,
}

/// Serves the public register, and says where.
async fn serve_register(
    common: &Common,
    handle: &Handle,
    address: Option<SocketAddr>,
) -> Result<Option<PublicServer>, CommandError> {
    let Some(address) = address else { return Ok(None) };
    let server = serve_public(handle.clone(), address).await?;
    if !common.quiet {
        eprintln!("the public register is shown to everybody at http://{}/", server.address);
    }
    Ok(Some(server))
}

/// Runs the node until it is stopped or takes another version of the charter: why it ended, and where it served
/// others.
async fn run_once(
    common: &Common,
    how: &Run,
    serves: Serves,
    pages: Option<Arc<Pages>>,
) -> Result<(Ended, Serves), CommandError> {
    let home = home_of(common)?;
    let door = home.join("run/api");
    let node = Node::start(home, how.clone()).await.map_err(|error| match error {
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
    if let Some(left) = handle.view(|member| member.left()).await.flatten() {
        eprintln!("{left}");
    }
    let log_server = api::logs::LogServers::default();
    if let Some(address) = serves.logs {
        let server = api::logs::open_log_server(handle.clone(), address).await?;
        if !common.quiet {
            eprintln!("logs are served at http://{}/", server.address);
        }
        *log_server.lock().await = Some(server);
    }
    let public = serve_register(common, &handle, serves.public).await?;
    let reviewing = api::Reviewing::default();
    if let Some(pages) = &pages {
        pages.show(handle.clone(), Arc::clone(&log_server));
    }
    if let Some(pages) = pages.as_ref().filter(|_| !common.quiet) {
        eprintln!("pages are at http://{}/ on this computer; to get in: datacoop open", pages.address);
    }
    let served = api::serve(handle.clone(), Arc::clone(&log_server), reviewing.clone(), pages.clone());
    let served = tokio::spawn(served);
    let showing = tokio::spawn(reviews::show_when_due(handle.clone(), reviewing));
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
    showing.abort();
    if let Some(pages) = &pages {
        pages.show_starting();
    }
    let logs = log_server.lock().await.take().map(|server| server.address);
    let public = public.map(|server| server.address);
    std::fs::remove_file(door).ok();
    Ok((ended.map_err(store_error)?, Serves { logs, public }))
}

/// Prints an address that opens the running node's pages once.
pub(super) fn open(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "pages", &json!({})))?;
    let link = json["link"].as_str().unwrap_or_default();
    let text = format!("Open this within a minute, once, in a browser on this computer:\n{link}\n");
    Ok(Printed::new(json, text))
}

pub(super) fn status(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "status"))?;
    let words = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let connected = json["connected"].as_array().map_or(0, Vec::len);
    let mut text = format!(
        "{}, charter \"{}\" version {}, in force until {}\n{connected} of {} other members connected; {} releases held{}\n",
        words(&json["member"]),
        words(&json["charter"]["name"]),
        json["charter"]["version"],
        words(&json["charter"]["expires"]),
        json["members"].as_u64().unwrap_or(1) - 1,
        json["released"],
        match json["superseded"].as_u64() {
            None | Some(0) => String::new(),
            Some(superseded) => format!(", {superseded} of them superseded"),
        }
    );
    for later in json["charter"]["later"].as_array().into_iter().flatten() {
        text += &format!(
            "version {} of the charter acts here from {} on\n",
            later["version"],
            words(&later["from"])
        );
    }
    text += &endings_text(&json["charter"]["endings"]);
    if json["charter"]["rivals"].as_array().is_some_and(|rivals| !rivals.is_empty()) {
        text += "Two rival versions of the charter were signed: this node answers nothing until members decide. Who signed both: datacoop charter show\n";
    }
    if let Some(since) = json["charter"]["unheard_since"].as_str() {
        text +=
            &format!("Not heard from enough members since {since}: until then nothing is answered here\n");
    }
    if let Some(starting) = json["starting"].as_str() {
        text += &format!("{starting}\n");
    }
    let witnesses = &json["witnesses"];
    text += &match witnesses["named"].as_u64() {
        _ if json["starting"].is_string() => String::new(),
        None | Some(0) => "The charter names no witnesses of this node's log.\n".to_owned(),
        Some(named) => format!(
            "{} of {} entries of this node's log are witnessed, by {} of {named}; {} must\n",
            witnesses["witnessed"], witnesses["entries"], witnesses["cosigned"], witnesses["needed"]
        ),
    };
    text += &logs_text(&json);
    text += &unresponsive_text(&json);
    if json["answers"] != true {
        text += &answers_nothing_text(&home);
    }
    text += &clock_text(&json);
    text += &super::inbox::waiting_text(&json["inbox"]);
    if json["datasets"].as_array().is_none_or(Vec::is_empty) {
        text += "No data yet: datacoop import FILE --as NAME\n";
    }
    text += &proposals_text(&json["proposals"]);
    text += &ledger_text(&json);
    for open in json["open"].as_array().into_iter().flatten() {
        text += &format!("open: {} {}\n", &words(&open["query"])[..8], words(&open["stage"]));
    }
    Ok(Printed::new(json, text))
}

/// That our clock is off; nothing where it is not.
fn clock_text(json: &Value) -> String {
    json["clock"].as_str().map_or_else(String::new, |off| {
        format!(
            "This node answers nothing: {}. Set this computer's clock right: the node follows it once other members have said \
             something by theirs, and at once when it is started again.\n",
            plain(off)
        )
    })
}

/// Which of its own files keeps a node from answering.
fn answers_nothing_text(home: &Home) -> String {
    match home.limits().err().or_else(|| home.inbox().err()) {
        Some(why) => format!("This node answers nothing: {}. Mend it, then start the node again.\n", plain(&why)),
        None => "This node answers nothing: when it started limits.toml or inbox.toml did not read. They do now: start it again.\n".to_owned(),
    }
}

/// Logs that follow others, as their authors' keys are replaced: our own next one, and those that nobody may take.
fn logs_text(json: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or(""));
    let mut text = String::new();
    if let Some(next) = json.get("next_log").filter(|next| !next.is_null()) {
        let (log, from) = (words(&next["log"]), words(&next["from"]));
        text += &format!("This node's keys are replaced: from {from} on its log goes on as {log}\n");
    }
    for refused in json["refused_logs"].as_array().into_iter().flatten() {
        let (log, why) = (words(&refused["log"]), words(&refused["why"]));
        text += &format!(
            "not taken: the log {log}, for {why}; ask its author, who has to be listed with another log\n"
        );
    }
    text
}

/// Whose logs are said to hold what is not here: suspicion, so it says whom to ask and accuses nobody.
fn unresponsive_text(json: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or(""));
    let line = |one: &Value| {
        format!(
            "unresponsive: {}; {} says since a day ago that it holds {} entries of its log, which are not what is here; \
             no proof of anything: ask both\n",
            words(&one["member"]),
            words(&one["by"]),
            one["entries"]
        )
    };
    json["unresponsive"].as_array().into_iter().flatten().map(line).collect()
}

/// What waits for a word of ours; nothing, where nothing is proposed or paused.
fn proposals_text(json: &Value) -> String {
    let count = |name: &str| json[name].as_u64().unwrap_or(0);
    let parts = [
        (count("open"), "open"),
        (count("silent"), "of others without a word of ours"),
        (count("unanswered"), "objections to ours not answered"),
        (count("paused"), "pauses in force"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if said.is_empty() {
        String::new()
    } else {
        format!("proposals: {}; see datacoop proposals\n", said.join(", "))
    }
}

/// What was spent and is left by account, and over the years.
fn ledger_text(json: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or(""));
    let mut text = String::new();
    for account in json["ledger"].as_array().into_iter().flatten() {
        text += &format!(
            "{}: spent {}, left {}\n  what anybody learned of a person there is at most {} as likely as without their record\n",
            words(&account["account"]),
            loss_text(&account["spent"]),
            loss_text(&account["left"]),
            factor_text(&account["spent"])
        );
    }
    for account in json["untouched"].as_array().into_iter().flatten() {
        text +=
            &format!("{}: nothing spent, left {}\n", words(&account["account"]), loss_text(&account["left"]));
    }
    for sum in json["years"].as_array().into_iter().flatten().filter(|sum| sum["years"] != 1) {
        text += &format!(
            "{}, all {} years: {}, {} as likely, for a person that was there in all of them\n",
            words(&sum["dataset"]),
            sum["years"],
            loss_text(&sum["spent"]),
            factor_text(&sum["spent"])
        );
    }
    text
}

/// What the node holds, audited by the node itself; `state` names what an earlier one left.
pub(super) fn audit(common: &Common, state: Option<&Path>) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let unreadable = |error: StoreError| CommandError::usage(error.to_string());
    let remembered = state.map(Audited::read).transpose().map_err(unreadable)?.flatten();
    let request = AuditRequest { remembered };
    let mut json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "audit", &request))?;
    let text = json["text"].as_str().unwrap_or("").to_owned();
    let object = json.as_object_mut();
    let audited = object.and_then(|object| (object.remove("text"), object.remove("audited")).1);
    if let Some(path) = state {
        let failed = |error: String| CommandError::failed(format!("{}: {error}", path.display()));
        let audited: Audited = serde_json::from_value(audited.unwrap_or_default())
            .map_err(|error| failed(format!("the node told nothing to remember: {error}")))?;
        audited.write(path).map_err(|error| failed(error.to_string()))?;
    }
    let code = if json["result"] == "pass" { 0 } else { Exit::Failed as u8 };
    Ok(Printed { json, text, code })
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod status_tests;
