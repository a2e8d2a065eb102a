//! `datacoop propose`: puts a question, a purpose or a next version of the charter before the members.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::acts::read_bounded;
use super::node::{confirm, home_of, store_error};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::acts::ProposeRequest;
use crate::acts::draft::{Draft, What};
use crate::client::Client;
use crate::error::CommandError;

#[derive(Subcommand)]
pub(super) enum ProposeCommand {
    /// Propose a question that somebody may then ask; `min_cosigners` of a charter counts who supports it
    Question(Proposed),
    /// Propose a purpose: its table of a charter, with `[[purpose]]` above it
    Purpose(Proposed),
    /// Propose a next version of the charter, as `datacoop charter propose` writes it
    Charter(Proposed),
}

#[derive(Args)]
pub(super) struct Proposed {
    /// The draft
    file: PathBuf,
    /// The proposal whose wording this one changes
    #[arg(long, value_name = "PROPOSAL")]
    instead_of: Option<String>,
}

pub(super) fn propose(common: &Common, command: ProposeCommand) -> Result<Printed, CommandError> {
    let (what, args) = match command {
        ProposeCommand::Question(args) => (What::Question, args),
        ProposeCommand::Purpose(args) => (What::Purpose, args),
        ProposeCommand::Charter(args) => (What::Charter, args),
    };
    let home = home_of(common)?;
    let text = read_bounded(&args.file)?;
    let held = home.charters().map_err(store_error)?;
    let chain: Vec<_> = held.into_iter().map(|(_, charter)| charter).collect();
    if chain.is_empty() {
        return Err(CommandError::usage("this node has no charter yet".into())
            .hint("sign one with `datacoop charter sign`"));
    }
    let known = home.vocabularies().map_err(store_error)?;
    let draft = Draft::read(what, &text, &chain, &known).map_err(|why| {
        let why = plain(why.trim_end()).replace("\\n", " ");
        CommandError::usage(format!("{}: {why}", args.file.display())).hint(how(what))
    })?;
    if !common.quiet && !common.json {
        let lines: Vec<String> = draft.lines.iter().map(|line| format!("  {}\n", plain(line))).collect();
        eprint!("{}", plain_lines(&format!("{}\n{}", plain(&draft.title), lines.concat())));
    }
    confirm(common, "Propose this to all members: its text stays with them for good")?;
    let request = ProposeRequest { what, text, instead_of: args.instead_of };
    let posted = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "proposals", &request));
    let mut json = posted?;
    let id = json["id"].as_str().unwrap_or_default().get(..8).unwrap_or_default();
    let text = format!(
        "Proposed the {} `{}` as {id}. It stays open for 60 days.\nNext: tell the others to run `datacoop proposals {id}`. Nobody's silence is a yes.\n",
        what.code(),
        plain(draft.subject.id()),
    );
    json["draft"] = Value::String(draft.hash.to_string());
    Ok(Printed::new(json, text))
}

fn how(what: What) -> &'static str {
    match what {
        What::Question => "see a whole one with: datacoop questions show attendance-rate --toml",
        What::Purpose => {
            "a purpose is written as in a charter, under `[[purpose]]`; see: datacoop charter show"
        }
        What::Charter => "write the next version with: datacoop charter propose -o FILE",
    }
}
