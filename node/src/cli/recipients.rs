//! `datacoop recipients`: who outside the co-operative has a result of ours, under which licence, with their receipts.
//! Names stay in this node's folder; its log counts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::acts::read_bounded;
use super::charter::write;
use super::node::{confirm, home_of};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::acts::recipients::{AddRequest, FormRequest};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Subcommand)]
pub(super) enum RecipientsCommand {
    /// Write down that somebody outside was handed a result before it is public, or add their receipt
    Add(AddArgs),
    /// Write the text by which somebody outside acknowledges a result and its licence
    Form(FormArgs),
    /// List who outside has which result
    List(ListArgs),
}

#[derive(Args)]
pub(super) struct AddArgs {
    /// The question's id, or the beginning of it
    query: String,
    /// Who has the result: an organisation, a person, or both; the name stays at this node
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Under which licence: that of the question's purpose
    #[arg(long, value_name = "LICENCE")]
    licence: String,
    /// What they signed: the filled form, as a text file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct FormArgs {
    /// The question's id, or the beginning of it
    query: String,
    /// Who is to sign it
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Show the receipts too
    #[arg(long)]
    receipts: bool,
}

pub(super) fn recipients(common: &Common, command: RecipientsCommand) -> Result<Printed, CommandError> {
    match command {
        RecipientsCommand::Add(args) => add(common, args),
        RecipientsCommand::Form(args) => form(common, args),
        RecipientsCommand::List(args) => list(common, &args),
    }
}

fn add(common: &Common, args: AddArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let receipt = args.receipt.as_deref().map(read_bounded).transpose()?;
    confirm(common, "Write it into our log, for good and without the name")?;
    let request = AddRequest { query: args.query, name: args.to, licence: args.licence, receipt };
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "recipients", &request))?;
    let public = json["public_from"].as_str();
    let mut text = format!(
        "Written down. The name stays at this node; the log counts it{}.\n",
        if json["receipt"] == true { ", with a receipt" } else { "" }
    );
    if let Some(day) = public {
        text += &format!("The result is public from {} on.\n", plain(day));
    }
    if json["receipt"] != true {
        text += "Their receipt can follow: datacoop recipients form QUERY --to NAME, then this command again with --receipt FILE.\n";
    }
    Ok(Printed::new(json, text))
}

fn form(common: &Common, args: FormArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let request = FormRequest { query: args.query, name: args.to };
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "recipients/form", &request))?;
    let text = plain_lines(json["text"].as_str().unwrap_or_default());
    match args.output {
        Some(path) => {
            write(&path, &text)?;
            Ok(Printed::new(json, format!("Wrote {}. They fill in date and signature.\n", path.display())))
        }
        None => Ok(Printed::new(json, text)),
    }
}

fn list(common: &Common, args: &ListArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "recipients"))?;
    let empty = vec![];
    let all = json["recipients"].as_array().unwrap_or(&empty);
    let mut text = String::new();
    for one in all {
        text += &line(one);
        if let Some(receipt) = one["receipt"].as_str().filter(|_| args.receipts) {
            text += &format!("{}\n", plain_lines(receipt));
        }
    }
    if all.is_empty() {
        text += "Nobody outside was handed a result, as far as this node was told.\n";
    }
    Ok(Printed::new(json, text))
}

fn line(one: &Value) -> String {
    let of = |name: &str| plain(one[name].as_str().unwrap_or_default());
    let id: String = of("query").chars().take(8).collect();
    let receipt = match (one["receipt"].is_string(), one["receipt_logged"] == true) {
        (true, true) => "receipt kept",
        (true, false) => "receipt kept, and not in the log: add it again",
        (false, _) => "no receipt yet",
    };
    let logged = if one["logged"] == true { "" } else { "; not in the log: add it again" };
    format!("{}  {} ({id})  {}  {}  {receipt}{logged}\n", of("day"), of("title"), of("licence"), of("name"))
}
