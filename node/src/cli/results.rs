//! `datacoop results`: releases that this node holds.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::means::{loss_text, meaning_text};
use super::node::home_of;
use super::own::{beside_json, exact_text, given_json, given_text, like_json, like_text};
use super::show::{lot_text, plain};
use super::{Common, Printed};
use crate::client::Client;
use crate::engine::parquet_of;
use crate::error::CommandError;
use crate::figure::{COLUMNS, Figure, NUMBERS, RANGE_NOTE, Terminal, csv_of, lines_of, page_of};
use crate::home::Home;
use crate::own::basis::{Basis, BasisText};
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
    /// Also save the figures (.csv, .parquet, .json, .html)
    #[arg(short, long, value_name = "FILE", requires = "query")]
    output: Option<PathBuf>,
    /// Leave our own exact figures in what is saved
    #[arg(long, requires = "output", requires = "ours")]
    with_own: bool,
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

/// What a release of this node shows, with its figures as this node works them out of the sums.
pub(super) struct Told {
    text: BasisText,
    basis: Basis,
}

impl Told {
    /// Asks the running node.
    pub(super) fn get(client: &Client, home: &Home, query: &str) -> Result<Self, CommandError> {
        let told = client.get(home, &format!("queries/{query}/basis"))?;
        let text: BasisText =
            serde_json::from_value(told).map_err(|error| CommandError::failed(error.to_string()))?;
        let basis = text.read(home).map_err(CommandError::failed)?;
        Ok(Self { text, basis })
    }

    /// For people: figures, and what they mean.
    pub(super) fn release_text(&self, figures: &[Figure], common: &Common) -> String {
        let release = &self.text.release;
        let mut text = format!("{}\n{}", head_text(release), figures_text(figures, common.terminal()));
        text += &meaning_text(&release["loss"]);
        if release["committee_can_be_all_corrupt"] == true {
            text += &format!("{}\n", lot_text(true).trim_start());
        }
        text
    }

    /// The figures as every member has them.
    pub(super) fn figures(&self) -> Vec<Figure> {
        self.basis.figures(&[])
    }
}

/// Figures one under the other, and how to read their ranges.
pub(super) fn figures_text(figures: &[Figure], terminal: Terminal) -> String {
    let each: String = figures.iter().map(|figure| figure.terminal(terminal) + "\n\n").collect();
    let read = "Noise was added on purpose, for privacy; chance is that of which people there were.";
    format!("{each}{RANGE_NOTE}\n{read}\n")
}

/// Figures as programs read them.
fn all_json(figures: &[Figure]) -> Value {
    figures.iter().map(Figure::json).collect()
}

pub(super) async fn results(common: &Common, args: &ResultsArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    match &args.query {
        Some(query) if args.ours || args.like_ours => own(common, &home, query, args).await,
        _ => held(common, &home, args),
    }
}

/// What we know of a release that others do not: read here, from our own tables.
async fn own(common: &Common, home: &Home, query: &str, args: &ResultsArgs) -> Result<Printed, CommandError> {
    let told = tokio::task::block_in_place(|| Told::get(&Client::new(home)?, home, query))?;
    let (basis, release) = (&told.basis, &told.text.release);
    let ours = basis.count(home).await?;
    let mut text = head_text(release);
    let mut json = json!({ "schema": "datacoop.own/1", "demo": told.text.demo, "release": release });
    if args.ours {
        let all = beside(basis, &ours);
        let figures = basis.figures(&all);
        text += &format!("\n{}", figures_text(&figures, common.terminal()));
        json["ours"] = beside_json(&all);
        json["figures"] = all_json(&figures);
        save_asked(&figures, args)?;
    }
    if args.like_ours {
        let likes = like_ours(basis, &ours).map_err(|error| CommandError::usage(error.to_string()))?;
        text += &format!("\n{}", like_text(basis, &likes));
        json["like_ours"] = like_json(&basis.question, &likes);
        if !args.given.is_empty() {
            let checked = check_given(basis, home, &likes, &args.given).await?;
            text += &format!("\n{}", given_text(basis, &checked));
            json["given"] = given_json(&checked);
        }
    }
    text += &exact_text(basis);
    Ok(Printed::new(json, text))
}

/// Releases as every member holds them.
fn held(common: &Common, home: &Home, args: &ResultsArgs) -> Result<Printed, CommandError> {
    tokio::task::block_in_place(|| {
        let client = Client::new(home)?;
        if let Some(id) = &args.query {
            let mut seen = client.get(home, &format!("queries/{id}"))?;
            if seen["release"].is_null() {
                let text = format!("No release: {}\n", seen["stage"].as_str().unwrap_or(""));
                return Ok(Printed::new(seen, text));
            }
            let told = Told::get(&client, home, id)?;
            let figures = told.figures();
            seen["figures"] = all_json(&figures);
            save_asked(&figures, args)?;
            return Ok(Printed::new(seen, told.release_text(&figures, common)));
        }
        let json = client.get(home, "results")?;
        let releases = json["releases"].as_array().cloned().unwrap_or_default();
        let text = match releases.is_empty() {
            true => "No releases yet.\n".to_owned(),
            false => {
                let heads: Vec<String> = releases.iter().map(head_text).collect();
                format!("{}\nShow one: datacoop results QUERY\n", heads.join("\n"))
            }
        };
        Ok(Printed::new(json, text))
    })
}

/// Writes figures to the file that was asked for, if one was.
fn save_asked(figures: &[Figure], args: &ResultsArgs) -> Result<(), CommandError> {
    args.output.as_deref().map_or(Ok(()), |file| save(figures, file, args.with_own))
}

/// Writes figures to a file, in the form its name says.
///
/// Errors: another ending, or the file cannot be written.
pub(super) fn save(figures: &[Figure], file: &Path, with_own: bool) -> Result<(), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(format!("{}: {error}", file.display()));
    let bytes = match form_of(file)? {
        SavedAs::Csv => csv_of(figures, with_own).into_bytes(),
        SavedAs::Parquet => {
            parquet_of(&COLUMNS, &NUMBERS, &lines_of(figures, with_own)).map_err(|error| failed(&error))?
        }
        SavedAs::Json => format!("{:#}\n", all_json(figures)).into_bytes(),
        SavedAs::Html => page_of(figures).into_bytes(),
    };
    std::fs::write(file, bytes).map_err(|error| failed(&error))
}

/// How figures are saved.
pub(super) enum SavedAs {
    Csv,
    Parquet,
    Json,
    Html,
}

/// What a file's name says. Errors: nothing that is known.
pub(super) fn form_of(file: &Path) -> Result<SavedAs, CommandError> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(SavedAs::Csv),
        Some("parquet") => Ok(SavedAs::Parquet),
        Some("json") => Ok(SavedAs::Json),
        Some("html") => Ok(SavedAs::Html),
        _ => {
            let text = format!("`{}` ends in none of .csv, .parquet, .json, .html", file.display());
            Err(CommandError::usage(text).hint("name the form by the file's ending: -o result.csv"))
        }
    }
}
