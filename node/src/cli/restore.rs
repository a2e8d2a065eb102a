//! `datacoop restore`: makes a folder that refuses to start ready to take its log back from the others.

use clap::Args;
use serde_json::json;

use super::node::{confirm, home_of, store_error};
use super::{Common, Printed};
use crate::error::CommandError;
use crate::folder::Folder;
use crate::restore::{Restore, apply, look};

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// Say what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn restore(common: &Common, args: &RestoreArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let Some(restore) = look(&home).map_err(store_error)? else {
        let json = json!({ "schema": "datacoop.restore/1", "needed": false, "done": false });
        return Ok(Printed::new(json, "Nothing to restore: the journal here is whole.\n".to_owned()));
    };
    if !args.dry_run {
        confirm(common, "take this node's log back from the other members at the next start")?;
        apply(&home, &restore).map_err(store_error)?;
    }
    let json = json!({
        "schema": "datacoop.restore/1",
        "needed": true,
        "done": !args.dry_run,
        "why": restore.why,
        "entries_kept": restore.entries,
        "entries_signed": restore.signed,
        "set_aside": restore.aside.as_ref().map(|path| path.display().to_string()),
    });
    Ok(Printed::new(json, text_of(&restore, args.dry_run)))
}

fn text_of(restore: &Restore, dry_run: bool) -> String {
    let mut text = format!("{}\n", restore.why);
    if let Some(aside) = &restore.aside {
        let did = if dry_run { "Would set the journal aside" } else { "Set the journal aside" };
        text += &format!("{did}: {}\n", aside.display());
    }
    text += &match restore.signed {
        Some(signed) => {
            format!("{} of the {signed} entries that this node signed are whole here.\n", restore.entries)
        }
        None => format!("{} entries of this node's log are whole here.\n", restore.entries),
    };
    text += "The next start takes the others back from members that hold them, and writes nothing before.\n\
             Kept: keys, charter, settings, imported data, and the newest head that was signed.\n\
             Lost: this node's part in rounds under way. What it contributed stays spent, and it says nothing more in \
             them.\n";
    text + if dry_run { "Nothing was changed.\n" } else { "Next: datacoop run\n" }
}
