//! `datacoop log opening`, and what `datacoop verify --opening` prints.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::node::{confirm, home_of};
use super::{Common, Printed};
use crate::api::papers::OpeningRequest;
use crate::client::Client;
use crate::error::CommandError;
use crate::opening::Checked;

#[derive(Args)]
pub(super) struct OpeningArgs {
    /// The query's id, or its first 8 or more digits
    query: String,
    /// The file to make; only its owner can read it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn opening(common: &Common, args: &OpeningArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let file = std::path::absolute(&args.output).map_err(|error| CommandError::usage(error.to_string()))?;
    confirm(common, "write what this seat was sent, which is secret, into a file for an auditor")?;
    let request = OpeningRequest { query: args.query.clone(), file };
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "opening", &request))?;
    let mut text = format!(
        "Wrote {}: the {} shares that the seat of {} was sent.\n",
        args.output.display(),
        json["shares"],
        json["seat"].as_str().unwrap_or("")
    );
    text += "SECRET: with what the other seats were sent it shows every member's figures. Give it to the auditor alone;\nboth delete it when it is checked.\n";
    text += &counts_text(&json);
    text += &format!(
        "The auditor checks it beside the exports of all members' logs: datacoop verify --opening {} DIR...\n",
        args.output.display()
    );
    Ok(Printed::new(json, text))
}

/// What whoever reads an opening counts as.
fn counts_text(json: &Value) -> String {
    let (seats, colluding) = (&json["seats"], &json["colluding"]);
    match json["auditor_is_one_of_the_colluding"] == true {
        true => format!(
            "The auditor counts as one of the {colluding} members that may collude: with {seats} seats no other\n{colluding} may.\n"
        ),
        false => format!(
            "With {seats} seats the members' figures stay secret although the auditor knows one seat's shares and\n{colluding} members collude.\n"
        ),
    }
}

/// The lines of an opening's check.
pub(super) fn checked_text(checked: &Checked, exposed: bool) -> String {
    let json = &checked.json;
    let word = checked.outcome.code().to_uppercase();
    let place = json["seat_number"].as_u64().map(|number| format!(" ({number} of {})", json["seats"]));
    let mut text = format!(
        "{word} opening          the seat of {}{} in round {}: {}\n",
        json["seat"].as_str().unwrap_or(""),
        place.unwrap_or_default(),
        json["query"].as_str().and_then(|id| id.get(..8)).unwrap_or(""),
        checked.text
    );
    if exposed {
        text += "WARN opening          others can read the file, and it is secret; chmod 600 it\n";
    }
    text + "\n"
}
