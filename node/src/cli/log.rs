//! `datacoop log`: what others check this node by.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::node::home_of;
use super::show::plain;
use super::{Common, Printed, opening, proof};
use crate::api::logs::{ExportRequest, ServeLogsRequest};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Subcommand)]
pub(super) enum LogCommand {
    /// Write the log, its proofs and what an auditor needs into a folder
    Export(ExportArgs),
    /// Write a proof that an entry stands in a log, for anybody to check without us
    Proof(proof::ProofArgs),
    /// Have the running node serve its log and its copies of the others' as tiles over read-only HTTP
    Serve(ServeArgs),
    /// Write the shares that this node's seat was sent in a round, for an auditor: only if the round names it
    Opening(opening::OpeningArgs),
}

#[derive(Args)]
pub(super) struct ExportArgs {
    /// The folder to write
    folder: PathBuf,
    /// The origin of an earlier log of this node's, from before its keys were replaced [default: the one it writes]
    #[arg(long, value_name = "ORIGIN")]
    log: Option<String>,
}

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Where; whoever reaches this address reads the logs
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Serve no longer
    #[arg(long, conflicts_with = "listen")]
    stop: bool,
}

pub(super) fn log(common: &Common, command: LogCommand) -> Result<Printed, CommandError> {
    match command {
        LogCommand::Export(args) => export(common, &args),
        LogCommand::Proof(args) => proof::write(common, &args),
        LogCommand::Serve(args) => serve(common, &args),
        LogCommand::Opening(args) => opening::opening(common, &args),
    }
}

fn export(common: &Common, args: &ExportArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let folder = std::path::absolute(&args.folder).map_err(|error| CommandError::usage(error.to_string()))?;
    let json = tokio::task::block_in_place(|| {
        Client::new(&home)?.post(&home, "export", &ExportRequest { folder, log: args.log.clone() })
    })?;
    let text = format!("Exported. Check it anywhere with: datacoop verify {}\n", args.folder.display());
    Ok(Printed::new(json, text))
}

fn serve(common: &Common, args: &ServeArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let request = ServeLogsRequest { listen: (!args.stop).then_some(args.listen) };
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "serve-logs", &request))?;
    let Some(address) = json["listening"].as_str() else {
        let text = match json["was"].as_str() {
            Some(was) => format!("Logs are no longer served at http://{}/\n", plain(was)),
            None => "Logs were not being served.\n".to_owned(),
        };
        return Ok(Printed::new(json, text));
    };
    let count = json["logs"].as_array().map_or(0, Vec::len);
    let mut text = format!(
        "Serving {count} logs at http://{}/ until the node stops; turn it off with: datacoop log serve --stop\n",
        plain(address)
    );
    if !args.listen.ip().is_loopback() {
        text += "Whoever reaches this address reads who asked what of whom. No row of anybody's data stands in a log.\n";
    }
    Ok(Printed::new(json, text))
}
