//! `datacoop register`: the public register as static files, from exported logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use datacoop_policy::Digest;
use datacoop_protocol::log::tree::sha256;
use serde_json::json;

use super::purpose::day;
use super::{Common, Printed};
use crate::clock;
use crate::error::CommandError;
use crate::home::{Home, SHIPPED_VOCABULARIES};
use crate::register::{Source, files, write};
use crate::verify::{Given, blobs, verify};

#[derive(Subcommand)]
pub(super) enum RegisterCommand {
    /// Write the public register as a small web site, from exported logs that all pass their checks
    Export(RegisterArgs),
}

#[derive(clap::Args)]
pub(super) struct RegisterArgs {
    /// Folder to write: empty, or an older register
    folder: PathBuf,
    /// An exported log (datacoop log export); give one of each member
    #[arg(long, required = true, num_args = 1.., value_name = "EXPORT")]
    from: Vec<PathBuf>,
    /// Day as of which results count as public [default: today]
    #[arg(long, value_name = "DAY")]
    as_of: Option<String>,
}

pub(super) fn register(common: &Common, command: RegisterCommand) -> Result<Printed, CommandError> {
    let RegisterCommand::Export(args) = command;
    let as_of = args.as_of.as_deref().map(day).transpose()?.unwrap_or_else(|| clock::now().day());
    let paths: Vec<&Path> = args.from.iter().map(PathBuf::as_path).collect();
    let verified = verify(&paths, &Given { whole: true, ..Given::default() }, &mut |_| {});
    let verified = verified.map_err(|error| CommandError::usage(error.to_string()))?;
    let failed = verified.reports.iter().find(|report| !report.passed()).map(|report| report.member.clone());
    let split = verified.conflicts.first().map(|split| split.member.clone());
    if let Some(member) = split.or(failed) {
        return Err(CommandError::failed(format!(
            "the log of `{member}` does not pass its checks; a register is made of logs that do"
        ))
        .hint("see what is wrong: datacoop verify, with the same folders"));
    }
    let source = blobs(&paths);
    let shipped: BTreeMap<Digest, &str> =
        SHIPPED_VOCABULARIES.iter().map(|text| (sha256(&[text.as_bytes()]), *text)).collect();
    let vocabulary = |hash: &Digest| {
        let known = shipped.get(hash).map(|text| (*text).to_owned());
        known.or_else(|| source(hash).and_then(|bytes| String::from_utf8(bytes).ok()))
    };
    // Whose node it is says that it publishes this; an auditor's computer has none.
    let home = Home::new(&common.node);
    let by = home.exists().then(|| home.config()).and_then(Result::ok).map(|config| config.id.0);
    let files = files(&Source {
        fold: &verified.fold,
        charter_notes: &verified.charter_notes,
        heads: &verified.heads,
        vocabulary: &vocabulary,
        blob: &source,
        as_of,
        by: by.as_ref(),
    });
    write(&args.folder, &files).map_err(|error| CommandError::failed(error.to_string()))?;
    let shown = args.folder.display();
    let missing = verified.charter.members().len() - verified.reports.len();
    let mut text = format!("Wrote {} files as of {as_of}. Open {shown}/index.html\n", files.len());
    if missing > 0 {
        text += &format!("The logs of {missing} members are not among them; the register says so.\n");
    }
    let json = json!({ "schema": "datacoop.register/1", "folder": shown.to_string(), "as_of": as_of.to_string(),
                       "files": files.keys().collect::<Vec<_>>(), "logs_missing": missing });
    Ok(Printed::new(json, text))
}
