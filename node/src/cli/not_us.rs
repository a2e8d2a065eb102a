//! `datacoop not-us`: this member stays out of a question, a purpose or a dataset, and gives no reason. Changes
//! its own `limits.toml`; nothing is logged, and others go on.

use clap::{Args, Subcommand};
use serde_json::json;

use super::node::{confirm, home_of, store_error};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::error::CommandError;
use crate::folder::write_durably;
use crate::limits_file::{Field, leave_out};

/// Longest id: as in charters.
const ID_BYTES_MAX: usize = 64;

#[derive(Subcommand)]
pub(super) enum NotUsCommand {
    /// Never answer a question of this id
    Question(NotUs),
    /// Answer nothing for a purpose
    Purpose(NotUs),
    /// Answer nothing about a dataset
    Dataset(NotUs),
}

#[derive(Args)]
pub(super) struct NotUs {
    /// Its id
    id: String,
}

pub(super) fn not_us(common: &Common, command: NotUsCommand) -> Result<Printed, CommandError> {
    let (what, field, args) = match command {
        NotUsCommand::Question(args) => ("question", Field::Questions, args),
        NotUsCommand::Purpose(args) => ("purpose", Field::Purposes, args),
        NotUsCommand::Dataset(args) => ("dataset", Field::Datasets, args),
    };
    let home = home_of(common)?;
    let id = args.id.as_str();
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(CommandError::usage(format!("`{}` is no id of a {what}", plain(id))));
    }
    let path = home.join("limits.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CommandError::usage(format!("{}: {error}", path.display()))
            .hint("without that file this node answers nothing at all; `datacoop charter sign` writes one")
    })?;
    let edit = leave_out(&text, field, id)
        .map_err(|why| CommandError::usage(format!("{}: {why}", path.display())))?;
    let json = |changed, diff: &[String]| json!({ "schema": "datacoop.not-us/1", "what": what, "id": id, "changed": changed, "diff": diff });
    let Some(edit) = edit else {
        let text =
            format!("This node answers nothing of {what} `{}` already. Nothing was changed.\n", plain(id));
        return Ok(Printed::new(json(false, &[]), text));
    };
    let lines: String = edit.diff.iter().map(|line| format!("  {}\n", plain(line))).collect();
    let shown = format!("{}\n{lines}", path.display());
    if !common.quiet && !common.json {
        eprint!("{}", plain_lines(&shown));
    }
    let unknown = unknown(&home, what, id)?;
    if let Some(unknown) = unknown.as_ref().filter(|_| !common.quiet && !common.json) {
        eprintln!("{unknown}");
    }
    confirm(common, "Change it so")?;
    write_durably(&path, edit.text.as_bytes()).map_err(store_error)?;
    let text = format!(
        "Changed. From its next start on this node answers nothing of {what} `{}`: stop it, then datacoop run.\nNo reason is asked or told; the others go on without you, and their rounds show that this node refuses.\nWhat was released stays. To take it back, edit {}.\n",
        plain(id),
        path.display()
    );
    Ok(Printed::new(json(true, &edit.diff), text))
}

/// A word of warning, where the charter has no such purpose or dataset: a mistyped id keeps nothing out.
fn unknown(home: &crate::home::Home, what: &str, id: &str) -> Result<Option<String>, CommandError> {
    let Some((_, charter)) = home.charter().map_err(store_error)? else { return Ok(None) };
    let fields = charter.fields();
    let known: Vec<&str> = match what {
        "purpose" => fields.purposes.iter().map(|purpose| purpose.id.as_str()).collect(),
        "dataset" => fields.datasets.iter().map(|dataset| dataset.id.as_str()).collect(),
        _ => return Ok(None),
    };
    let is_known = known.contains(&id);
    Ok((!is_known).then(|| {
        format!(
            "The charter has no {what} `{}` yet; it has {}. Check the spelling.",
            plain(id),
            known.join(", ")
        )
    }))
}
