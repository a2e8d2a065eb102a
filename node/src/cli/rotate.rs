//! `datacoop charter rotate`: new keys for this member, and the card by which the others put them into the charter.

use std::path::{Path, PathBuf};

use datacoop_policy::ledger::Ledger;
use datacoop_policy::{MemberId, PrivacyLoss};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::charter_text::write_card;
use serde_json::json;

use super::charter::write;
use super::node::{confirm, home_of, store_error};
use super::{Common, Printed};
use crate::entropy;
use crate::error::CommandError;
use crate::folder::Folder;
use crate::verify::{Given, verify};

#[derive(clap::Args)]
pub(super) struct RotateArgs {
    /// Where to write the card with the new keys
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// An export of another history of this member's log: the new log carries over no less than it had spent; repeat
    /// for more
    #[arg(long, value_name = "FOLDER")]
    history: Vec<PathBuf>,
}

pub(super) fn rotate(common: &Common, args: &RotateArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let config = home.config().map_err(store_error)?;
    let charter = home.charter().map_err(store_error)?.map(|(_, charter)| charter);
    let listed = charter.as_ref().and_then(|charter| charter.member(&config.id.0)).ok_or_else(|| {
        CommandError::usage("the newest version of the charter does not list this member".into())
            .hint("a member that is in no charter yet, or left, sends `datacoop charter card`")
    })?;
    let mut carried = home.carried().map_err(store_error)?;
    for folder in &args.history {
        for (account, spent) in spent_in(folder, &config.id.0)?.accounts() {
            carried.carry(account, spent);
        }
    }
    confirm(common, "Make new keys to replace all that the charter lists for this member")?;
    if !args.history.is_empty() {
        home.write_carried(&carried).map_err(store_error)?;
    }
    let keys = home.make_next_identity(&config, &entropy::bytes()).map_err(store_error)?;
    let mut member = listed.clone();
    member.keys = keys.public().clone();
    write(&args.output, &write_card(&member, &keys))?;
    let (path, log) = (args.output.display().to_string(), keys.public().log.name.clone());
    let text = format!(
        "Made new keys in {}, beside those in use: back both up.\nWrote {path}: once a version of the charter lists them, \
         this node's log goes on as {log}, with what it has spent.\nNext: datacoop charter propose --add {path} -o next.toml. \
         This member need not sign it.\n\
         If the keys in use may be stolen, let two members of other bodies pause this one first: datacoop pause member {}\n",
        home.join("keys").display(),
        config.id.0
    );
    let most = carried.accounts().map(|(_, spent)| spent).max().unwrap_or(PrivacyLoss::ZERO);
    let json =
        json!({ "schema": "datacoop.rotate/1", "card": path, "log": log, "carried_at_least": most.nano() });
    Ok(Printed::new(json, text))
}

/// What an export of a log of ours had spent.
///
/// Errors: it is none, or its entries are not what our key signed.
fn spent_in(folder: &Path, me: &MemberId) -> Result<Ledger, CommandError> {
    let wrong = |what: String| CommandError::usage(format!("{}: {what}", folder.display()));
    let found =
        verify(&[folder], &Given::default(), &mut |_| {}).map_err(|error| wrong(error.to_string()))?;
    let report = found.reports.iter().find(|report| report.member == *me);
    let report = report.ok_or_else(|| wrong("it is no export of this member's log".into()))?;
    let broken = |code: &&&str| {
        report.checks.iter().any(|check| check.code == **code && check.outcome == Outcome::Fail)
    };
    match ["A01", "A03", "A05"].iter().find(broken) {
        Some(code) => {
            Err(wrong(format!("it fails check {code}, so what it says was spent is not this member's word")))
        }
        None => Ok(report.ledger.clone()),
    }
}
