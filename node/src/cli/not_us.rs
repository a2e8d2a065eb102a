//! `datacoop not-us`: this member stays out of a question, a purpose or a dataset, and gives no reason. Changes
//! its own `limits.toml`, by which a running node goes at once; nothing is logged, and others go on.

use clap::{Args, Subcommand};
use serde_json::json;

use super::node::{confirm, home_of, store_error};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::client::Client;
use crate::error::{CommandError, Exit};
use crate::home::Home;
use crate::limits_file::Edit;
use crate::staying_out::{self, StayOut};

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

impl NotUs {
    pub(super) fn of(id: &str) -> Self {
        Self { id: id.to_owned() }
    }
}

pub(super) fn not_us(common: &Common, command: NotUsCommand) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let out = match command {
        NotUsCommand::Question(args) => StayOut::Question(args.id),
        NotUsCommand::Purpose(args) => StayOut::Purpose(args.id),
        NotUsCommand::Dataset(args) => StayOut::Dataset(args.id),
    };
    let (what, id) = out.parts();
    let id = id.unwrap_or_default();
    let edit = out.edit(&home)?;
    let json = |changed, diff: &[String], at_once| json!({ "schema": "datacoop.not-us/1", "what": what, "id": id, "changed": changed, "diff": diff, "at_once": at_once });
    let Some(edit) = edit else {
        let text =
            format!("This node answers nothing of {what} `{}` already. Nothing was changed.\n", plain(id));
        return Ok(Printed::new(json(false, &[], false), text));
    };
    show_edit(common, &home, &edit);
    let unknown = unknown(&home, what, id)?;
    if let Some(unknown) = unknown.as_ref().filter(|_| !common.quiet && !common.json) {
        eprintln!("{unknown}");
    }
    confirm(common, "Change it so")?;
    let at_once = write_edit(&home, &edit)?;
    let text = format!(
        "Changed. {} this node answers nothing of {what} `{}`.\n{}",
        since(at_once),
        plain(id),
        after_text(&home)
    );
    Ok(Printed::new(json(true, &edit.diff, at_once), text))
}

/// Stays out of everything, by the same file.
pub(super) fn answer_nothing(common: &Common, home: &Home) -> Result<Printed, CommandError> {
    let json = |changed, diff: &[String], at_once| json!({ "schema": "datacoop.not-us/1", "what": "all", "id": null, "changed": changed, "diff": diff, "at_once": at_once });
    let Some(edit) = StayOut::All.edit(home)? else {
        let text = "This node answers nothing already. Nothing was changed.\n".to_owned();
        return Ok(Printed::new(json(false, &[], false), text));
    };
    show_edit(common, home, &edit);
    confirm(common, "Change it so")?;
    let at_once = write_edit(home, &edit)?;
    let text = format!("Changed. {} this node answers nothing.\n{}", since(at_once), after_text(home));
    Ok(Printed::new(json(true, &edit.diff, at_once), text))
}

fn since(at_once: bool) -> &'static str {
    if at_once { "From now on" } else { "From its next start on" }
}

fn after_text(home: &Home) -> String {
    format!(
        "What it had not contributed to yet it leaves. No reason is asked or told; the others go on without you, and\ntheir rounds show that this node refuses. What was released stays. To take it back, edit {} and start the\nnode again.\n",
        home.join("limits.toml").display()
    )
}

fn show_edit(common: &Common, home: &Home, edit: &Edit) {
    let lines: String = edit.diff.iter().map(|line| format!("  {}\n", plain(line))).collect();
    if !common.quiet && !common.json {
        eprint!("{}", plain_lines(&format!("{}\n{lines}", home.join("limits.toml").display())));
    }
}

/// Writes it, and has a running node go by it. Returns whether one does.
fn write_edit(home: &Home, edit: &Edit) -> Result<bool, CommandError> {
    staying_out::write(home, edit)?;
    let told = tokio::task::block_in_place(|| Client::new(home)?.post(home, "limits", &json!({})));
    match told {
        Ok(_) => Ok(true),
        Err(error) if error.exit == Exit::NotRunning => Ok(false),
        Err(error) => Err(CommandError {
            hint: Some("limits.toml is changed: start the node again and it counts".into()),
            ..error
        }),
    }
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
