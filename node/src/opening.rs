//! The audit opening as a file: made on the seat's node, checked beside exported logs. Decides nothing:
//! which seat may show is the `Member`'s, what its shares prove is the audit's.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use datacoop_policy::Digest;
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::audit::opening::{
    Choice, OPENING_BYTES_MAX, Opening, Wrong, auditor_is_inside, check_opening, choice,
};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::rounds::{Plan, Round};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::CommandError;
use crate::folder::{at, sync_dir};
use crate::home::Home;
use crate::storage;

/// Writes what a node keeps of a round into a new file that only its owner reads.
///
/// Errors: nothing is kept, the file is there already, or the disk's.
pub fn write(home: &Home, round: &Round, file: &Path) -> Result<Value, CommandError> {
    let failed = |error: crate::folder::StoreError| CommandError::failed(error.to_string());
    let gone = || CommandError::failed("what this seat could show of that round is gone".into());
    let bytes = storage::openings(home.path()).read(&round.id).map_err(failed)?.ok_or_else(gone)?;
    // A file that is being erased is none.
    let opening = Opening::parse(&bytes).map_err(|_| gone())?;
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file).map_err(|error| {
        let there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let hint =
            if there { "name a file that is not there yet" } else { "name a folder that you may write to" };
        CommandError::failed(at(file)(error).to_string()).hint(hint)
    })?;
    let written = (&made).write_all(&bytes).and_then(|()| made.sync_all());
    if let Err(error) = written {
        fs::remove_file(file).ok();
        return Err(CommandError::failed(at(file)(error).to_string()));
    }
    file.parent().map_or(Ok(()), sync_dir).map_err(failed)?;
    let plan = round.plan().ok_or_else(gone)?;
    let mut json = facts(plan, &opening);
    json["schema"] = "datacoop.opening/1".into();
    json["file"] = file.display().to_string().into();
    Ok(json)
}

/// What anybody may know of an opening: whose, of which round, and what its reader counts as.
fn facts(plan: &Plan, opening: &Opening) -> Value {
    json!({
        "query": opening.query.to_string(),
        "seat": opening.seat.to_string(),
        "seat_number": plan.seat(&opening.seat).map(|seat| seat + 1),
        "seats": plan.committee.len(),
        "shares": opening.shares.len(),
        "colluding": plan.terms.colluding,
        "auditor_is_one_of_the_colluding": auditor_is_inside(plan),
    })
}

/// An opening file, read.
///
/// Errors: it cannot be read, or is none.
pub fn read(file: &Path) -> Result<Opening, CommandError> {
    let wrong = |text: String| {
        CommandError::usage(format!("{}: {text}", file.display()))
            .hint("write it on the seat's node: datacoop log opening QUERY -o FILE")
    };
    let length = fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if length > OPENING_BYTES_MAX {
        return Err(wrong(format!("{length} bytes; an opening has at most {OPENING_BYTES_MAX}")));
    }
    let bytes = Zeroizing::new(fs::read(file).map_err(|error| wrong(error.to_string()))?);
    Opening::parse(&bytes).map_err(|text| wrong(format!("this is no opening: {text}")))
}

/// Whether others than its owner can read a file.
pub fn is_readable_by_others(file: &Path) -> bool {
    File::open(file).and_then(|file| file.metadata()).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

/// What came of checking an opening.
pub struct Checked {
    /// Pass; fail; or skip, when a log or a blob is missing and nothing can be said.
    pub outcome: Outcome,
    /// For people: the seat, and what is wrong.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// Checks an opening beside the logs that were exported: that the round names this seat, and that the seat
/// said what follows from its shares.
pub fn check(fold: &Fold, opening: &Opening, blobs: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Checked {
    let Some((round, plan)) = fold.round(&opening.query).and_then(|round| Some((round, round.plan()?)))
    else {
        let text =
            format!("no log here holds the round {} with its roster; {EXPORT_ALL}", opening.query.short());
        let json = json!({ "query": opening.query.to_string(), "seat": opening.seat.to_string() });
        return checked(Outcome::Skip, text, json, None);
    };
    let json = facts(plan, opening);
    let named = match choice(round) {
        Choice::Never => Err("the round has too few committee seats for any to be shown".to_owned()),
        Choice::NotClosed => {
            return checked(
                Outcome::Skip,
                format!("not every seat's close is here; {EXPORT_ALL}"),
                json,
                None,
            );
        }
        Choice::Decided(None) => Err("the round's sums name no seat".to_owned()),
        Choice::Decided(Some(seat)) | Choice::Kept(seat) => match plan.committee.get(seat) {
            Some(id) if *id == opening.seat => Ok(()),
            named => Err(format!("the round names the seat of `{}`", named.map_or("", |id| id.as_str()))),
        },
    };
    if let Err(why) = named {
        let text = format!("refused: {why}; two seats of one round never show their shares: delete the file");
        return checked(Outcome::Fail, text, json, None);
    }
    match check_opening(round, opening, blobs) {
        Ok(()) => {
            let text = format!("all it said follows from the {} shares it was sent", opening.shares.len());
            checked(Outcome::Pass, text, json, None)
        }
        Err(Wrong::Missing) => checked(Outcome::Skip, Wrong::Missing.to_string(), json, None),
        Err(wrong) => {
            let cell = if let Wrong::Cell(cell) = wrong { Some(cell) } else { None };
            checked(Outcome::Fail, wrong.to_string(), json, cell)
        }
    }
}

const EXPORT_ALL: &str = "name the exports of all members' logs";

fn checked(outcome: Outcome, text: String, mut json: Value, cell: Option<usize>) -> Checked {
    json["result"] = outcome.code().into();
    json["text"] = text.as_str().into();
    json["cell"] = cell.into();
    Checked { outcome, text, json }
}
