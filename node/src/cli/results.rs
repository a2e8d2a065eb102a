//! `datacoop results`: releases that this node holds.

use clap::Args;
use serde_json::{Value, json};

use super::means::{loss_text, meaning_text};
use super::node::home_of;
use super::own::{beside_json, beside_text, exact_text, given_json, given_text, like_json, like_text};
use super::show::{cells_table, clips_text, lot_text, plain, reading_text};
use super::{Common, Printed};
use crate::client::Client;
use crate::error::CommandError;
use crate::home::Home;
use crate::own::basis::BasisText;
use crate::own::beside::beside;
use crate::own::given::{Given, check_given};
use crate::own::like::like_ours;

#[derive(Args)]
pub(super) struct ResultsArgs {
    /// The query whose release to show, or the first 8 digits of its id; leave out to list all
    query: Option<String>,
    /// Set our own exact figures beside the cluster's
    #[arg(long, requires = "query")]
    ours: bool,
    /// Compare our own people with people like them: the release weighted by our own mix
    #[arg(long, requires = "query")]
    like_ours: bool,
    /// A figure of ours that others printed, such as english=9.42: check it; repeat for more
    #[arg(long, value_name = "NAME=VALUE", requires = "like_ours")]
    given: Vec<Given>,
}

/// What a release answers, from its JSON.
fn head_text(release: &Value) -> String {
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
    if release["superseded_by"].is_string() {
        text += &format!("superseded by {}\n", words(&release["superseded_by"]));
    }
    if release["supersedes"].is_object() {
        let old = &release["supersedes"];
        text += &format!("supersedes {}\nbecause: {}\n", words(&old["query"]), words(&old["because"]));
    }
    text
}

/// A release as text, from its JSON.
pub(super) fn release_text(release: &Value) -> String {
    let words = |value: &Value| plain(value.as_str().unwrap_or(""));
    let mut text = head_text(release);
    let by: Vec<&str> = release["by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let kind = release["figure"].as_str().unwrap_or("");
    text += &format!("{}\n{}", cells_table(kind, &by, &release["cells"]), reading_text(kind));
    let clips: Vec<String> = release["clips"].as_array().into_iter().flatten().map(words).collect();
    text += &clips_text(&clips);
    text += &meaning_text(&release["loss"]);
    if release["committee_can_be_all_corrupt"] == true {
        text += &format!("{}\n", lot_text(true).trim_start());
    }
    for line in release["cannot_tell"].as_array().into_iter().flatten() {
        text += &format!("It cannot tell {}.\n", words(line));
    }
    text
}

pub(super) async fn results(common: &Common, args: &ResultsArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    match &args.query {
        Some(query) if args.ours || args.like_ours => own(&home, query, args).await,
        _ => held(&home, args),
    }
}

/// What we know of a release that others do not: read here, from our own tables.
async fn own(home: &Home, query: &str, args: &ResultsArgs) -> Result<Printed, CommandError> {
    let told =
        tokio::task::block_in_place(|| Client::new(home)?.get(home, &format!("queries/{query}/basis")))?;
    let told: BasisText =
        serde_json::from_value(told).map_err(|error| CommandError::failed(error.to_string()))?;
    let basis = told.read(home).map_err(CommandError::failed)?;
    let ours = basis.count(home).await?;
    let mut text = head_text(&told.release);
    let mut json = json!({ "schema": "datacoop.own/1", "demo": told.demo, "release": told.release });
    if args.ours {
        let all = beside(&basis, &ours);
        text += &format!("\n{}", beside_text(&basis, &all));
        json["ours"] = beside_json(&all);
    }
    if args.like_ours {
        let likes = like_ours(&basis, &ours).map_err(|error| CommandError::usage(error.to_string()))?;
        text += &format!("\n{}", like_text(&basis, &likes));
        json["like_ours"] = like_json(&basis.question, &likes);
        if !args.given.is_empty() {
            let checked = check_given(&basis, home, &likes, &args.given).await?;
            text += &format!("\n{}", given_text(&basis, &checked));
            json["given"] = given_json(&checked);
        }
    }
    text += &exact_text(&basis);
    Ok(Printed::new(json, text))
}

/// Releases as every member holds them.
fn held(home: &Home, args: &ResultsArgs) -> Result<Printed, CommandError> {
    tokio::task::block_in_place(|| {
        let client = Client::new(home)?;
        if let Some(id) = &args.query {
            let seen = client.get(home, &format!("queries/{id}"))?;
            let text = match seen["release"].is_null() {
                true => format!("No release: {}\n", seen["stage"].as_str().unwrap_or("")),
                false => release_text(&seen["release"]),
            };
            return Ok(Printed::new(seen, text));
        }
        let json = client.get(home, "results")?;
        let releases = json["releases"].as_array().cloned().unwrap_or_default();
        let text = if releases.is_empty() {
            "No releases yet.\n".to_owned()
        } else {
            releases.iter().map(release_text).collect::<Vec<_>>().join("\n")
        };
        Ok(Printed::new(json, text))
    })
}
