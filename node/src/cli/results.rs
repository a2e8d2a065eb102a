//! `datacoop results`: releases that this node holds.

use clap::Args;
use serde_json::Value;

use super::ask::loss_text;
use super::node::home_of;
use super::show::{cells_table, lot_text, plain, reading_text};
use super::{Common, Printed};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct ResultsArgs {
    /// The query whose release to show, or the first 8 digits of its id; leave out to list all
    query: Option<String>,
}

/// A release as text, from its JSON.
pub(super) fn release_text(release: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or(""));
    let mut text = format!(
        "{}\nquery {}\n{}, {} of {} members in the sum, {}\n",
        words(&release["title"]),
        words(&release["query"]),
        words(&release["period"]),
        release["accepted"],
        release["roster"],
        loss_text(&release["loss"])
    );
    let by: Vec<&str> = release["by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let kind = release["figure"].as_str().unwrap_or("");
    text += &format!("{}\n{}", cells_table(kind, &by, &release["cells"]), reading_text(kind));
    if release["committee_can_be_all_corrupt"] == true {
        text += &format!("{}\n", lot_text(true).trim_start());
    }
    for line in release["cannot_tell"].as_array().into_iter().flatten() {
        text += &format!("It cannot tell {}.\n", words(line));
    }
    text
}

pub(super) fn results(common: &Common, args: &ResultsArgs) -> Result<Printed, CommandError> {
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
