//! `datacoop verify`: exported logs and certificates, offline.

use std::path::{Path, PathBuf};

use clap::Args;
use datacoop_policy::MemberId;
use datacoop_policy::charter::Charter;
use datacoop_protocol::audit::{Check, Outcome, check_predecessor, entry_proof};
use datacoop_protocol::fold::SplitView;
use serde_json::{Value, json};

use super::certificate::verify_files;
use super::means::releases_json;
use super::opening::checked_text;
use super::proof::is_proof;
use super::show::{audit_json, audit_text, plain};
use super::succession::charter_id;
use super::{Common, Printed, Progress};
use crate::error::{CommandError, Exit};
use crate::folder::StoreError;
use crate::opening;
use crate::verify::{self, Audited, Given, Verified, blobs};

/// Somebody signed two stories: worse than any check that failed.
pub(super) const EXIT_EQUIVOCATION: u8 = 3;

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Exported folders and certificates; give several to check what they cite of each other
    #[arg(required = true, value_name = "DIR|FILE")]
    folders: Vec<PathBuf>,
    /// The charter's id, or its first 16 or more digits, from somebody you trust
    #[arg(long, value_name = "ID", value_parser = charter_id)]
    charter: Option<String>,
    /// A head of one of these logs that was shown to you earlier: a file such as `checkpoint`
    #[arg(long, value_name = "FILE")]
    seen: Vec<PathBuf>,
    /// Go on from the audit that this file remembers, and remember this one in it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Exported folders of the co-operative that this one follows: whether its members brought what they spent there;
    /// repeat for more
    #[arg(long, value_name = "DIR")]
    predecessor: Vec<PathBuf>,
    /// Write a proof of each entry that fails into this folder
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Check what a committee seat shows of a round, beside all members' exported logs
    #[arg(long, value_name = "FILE")]
    opening: Option<PathBuf>,
    /// Of a proof of one entry: who must have signed, from somebody you trust; `policy` of an export
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn verify(common: &Common, mut args: VerifyArgs) -> Result<Printed, CommandError> {
    let (files, folders): (Vec<PathBuf>, _) = args.folders.into_iter().partition(|path| path.is_file());
    args.folders = folders;
    let (proofs, files): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|file| is_proof(file));
    if !proofs.is_empty() {
        if !files.is_empty() || !args.folders.is_empty() {
            let text = "a proof of an entry is checked by itself";
            return Err(
                CommandError::usage(text.into()).hint("name only `datacoop log proof` files, or none")
            );
        }
        return super::proof::verify(&proofs, args.policy.as_deref());
    }
    if files.is_empty() {
        return Ok(verify_folders(common, &args)?.0);
    }
    if args.folders.is_empty() && args.opening.is_some() {
        let text = "an opening is checked beside all members' exported logs";
        return Err(CommandError::usage(text.into()).hint("name their folders too"));
    }
    let exports = if args.folders.is_empty() { None } else { Some(verify_folders(common, &args)?) };
    verify_files(&files, args.charter.as_deref(), args.evidence.as_deref(), exports)
}

fn verify_folders(common: &Common, args: &VerifyArgs) -> Result<(Printed, Verified), CommandError> {
    let paths: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    let shown = args.opening.as_deref().map(opening::read).transpose()?;
    let seen: Vec<&Path> = args.seen.iter().map(PathBuf::as_path).collect();
    let unreadable = |error: StoreError| CommandError::usage(error.to_string());
    let remembered = args.state.as_deref().map(Audited::read).transpose().map_err(unreadable)?.flatten();
    let given = Given { seen: &seen, remembered: remembered.as_ref(), whole: shown.is_some() };
    let progress = Progress::new(common);
    progress.say("reading logs");
    let mut told = |entries| progress.say(&format!("{entries} entries"));
    let verified = verify::verify(&paths, &given, &mut told);
    progress.done();
    let verified = verified.map_err(unreadable)?;
    if let Some(folder) = &args.evidence {
        write_evidence(&verified, folder)
            .map_err(|error| CommandError::failed(format!("{}: {error}", folder.display())))?;
    }
    let anchor = anchor(&verified.charter, args.charter.as_deref());
    if let Some(path) = args.state.as_deref().filter(|_| anchor != Anchor::Other) {
        let audited = Audited::after(remembered.as_ref(), &verified.fold, &verified.reports);
        audited.write(path).map_err(|error| CommandError::failed(error.to_string()))?;
    }
    let continued = remembered.as_ref().map(|remembered| remembered.continued(&verified.reports));
    let continued = continued.unwrap_or_default();
    // Of strangers' logs nothing that they say of a seat counts.
    let shown = shown.filter(|_| anchor != Anchor::Other);
    let shown = shown.map(|shown| opening::check(&verified.fold, &shown, &blobs(&paths)));
    let came = shown.as_ref().map_or(Outcome::Pass, |shown| shown.outcome);
    let before = brought(args, &verified)?;
    let short = before.iter().filter(|(_, check)| check.outcome == Outcome::Fail).count();
    let passed =
        short == 0 && verified.reports.iter().all(|report| report.passed()) && anchor != Anchor::Other;
    let (result, code) = match (verified.conflicts.is_empty(), passed, came) {
        (false, _, _) => ("equivocation", EXIT_EQUIVOCATION),
        (true, _, Outcome::Skip) => ("unreadable", Exit::Usage as u8),
        (true, true, Outcome::Pass) => ("pass", 0),
        (true, _, _) => ("fail", Exit::Failed as u8),
    };
    let notes = verified.conflicts.iter().map(conflict_json);
    let json = json!({
        "schema": "datacoop.verify/1",
        "demo": verified.charter.fields().demo,
        "charter": verified.charter.id().to_string(),
        "charter_name": verified.charter.fields().name,
        "charter_check": anchor.code(),
        "result": result,
        "logs": audit_json(&verified.reports, &verified.books),
        "releases": if anchor == Anchor::Other { json!([]) } else { releases_json(&verified.fold) },
        "conflicts": notes.collect::<Vec<_>>(),
        "continued": goes_on_json(&continued),
        "predecessor": before.iter().map(|(member, check)| json!({
            "member": member.to_string(), "code": check.code, "result": check.outcome.code(), "text": plain(&check.text),
        })).collect::<Vec<_>>(),
        "opening": shown.as_ref().map(|shown| &shown.json),
    });
    let mut text = anchor_text(&verified.charter, anchor);
    text += &goes_on_text(&continued);
    text += &conflicts_text(&verified.conflicts);
    if let Some((shown, file)) = shown.as_ref().zip(args.opening.as_deref()) {
        text += &checked_text(shown, opening::is_readable_by_others(file));
    }
    text += &brought_text(&before);
    // Of strangers' logs it does not matter what else is right.
    text += &if anchor == Anchor::Other {
        "RESULT FAIL (1)\n".into()
    } else {
        audit_text(
            &verified.reports,
            &verified.fold,
            &verified.books,
            short + usize::from(came != Outcome::Pass),
        )
    };
    Ok((Printed { json, text, code }, verified))
}

/// What members brought from the co-operative that this one follows, held against its logs.
///
/// Errors: those are none of the predecessor, or not what their members signed.
fn brought(args: &VerifyArgs, verified: &Verified) -> Result<Vec<(MemberId, Check)>, CommandError> {
    let folders: Vec<&Path> = args.predecessor.iter().map(PathBuf::as_path).collect();
    if folders.is_empty() {
        return Ok(vec![]);
    }
    let given = Given { whole: true, ..Given::default() };
    let before = verify::verify(&folders, &given, &mut |_| {})
        .map_err(|error| CommandError::usage(format!("--predecessor: {error}")))?;
    let (id, named) = (before.charter.id(), verified.charter.fields().predecessor);
    if named != Some(id) {
        let text = match named {
            Some(named) => {
                format!("these folders are of the co-operative {id}, and the predecessor is {named}")
            }
            None => "the charter names no predecessor".to_owned(),
        };
        return Err(CommandError::usage(text)
            .hint("leave --predecessor out, or name the exports of the one it follows"));
    }
    for report in &before.reports {
        let broken =
            |check: &&Check| ["A01", "A03", "A05"].contains(&check.code) && check.outcome == Outcome::Fail;
        if let Some(check) = report.checks.iter().find(broken) {
            let text = format!(
                "{} of the predecessor fails check {}, so what it says is not its member's word",
                plain(&report.origin),
                check.code
            );
            return Err(CommandError::usage(text).hint("ask another member of it for that export"));
        }
    }
    Ok(check_predecessor(&verified.fold, &before.fold, &before.heads))
}

fn brought_text(before: &[(MemberId, Check)]) -> String {
    if before.is_empty() {
        return String::new();
    }
    let line = |(member, check): &(MemberId, Check)| {
        let word = check.outcome.code().to_uppercase();
        format!("{word} {} {:<10} {member}: {}\n", check.code, check.name, plain(&check.text))
    };
    before.iter().map(line).collect::<String>() + "\n"
}

/// The logs that an earlier audit had seen, and how many entries of each.
pub(crate) fn goes_on_text(continued: &[(&str, u64)]) -> String {
    let line = |(log, size): &(&str, u64)| format!("GOES ON  {log}   from {size} entries audited earlier\n");
    continued.iter().map(line).collect()
}

/// As `goes_on_text`.
pub(crate) fn goes_on_json(continued: &[(&str, u64)]) -> Value {
    continued.iter().map(|(log, size)| json!({ "log": log, "size": size })).collect()
}

/// What the reader's own knowledge of the charter says of these exports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It is the charter that was named.
    Same,
    /// It is another one.
    Other,
    /// None was named: the exports speak for themselves.
    None,
}

impl Anchor {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Same => "pass",
            Self::Other => "fail",
            Self::None => "warn",
        }
    }
}

pub(super) fn anchor(charter: &Charter, named: Option<&str>) -> Anchor {
    match named {
        None => Anchor::None,
        Some(id) if charter.id().to_string().starts_with(id) => Anchor::Same,
        Some(_) => Anchor::Other,
    }
}

fn anchor_text(charter: &Charter, anchor: Anchor) -> String {
    let demo = if charter.fields().demo { " DEMO" } else { "" };
    let name = charter.fields().name.escape_debug();
    let said = match anchor {
        Anchor::Same => "PASS charter          it is the one you named",
        Anchor::Other => {
            "FAIL charter          it is another one than you named: these are logs of strangers"
        }
        Anchor::None => {
            "WARN charter          it comes from the export itself; compare its id with your letter of admission, or name it with --charter"
        }
    };
    format!("CHARTER {} {name}{demo}\n{said}\n\n", charter.id())
}

pub(super) fn conflict_json(split: &SplitView) -> serde_json::Value {
    let origin = split.evidence.notes[0].lines().next();
    json!({ "log": origin, "member": split.member.to_string(), "notes": split.evidence.notes })
}

pub(super) fn conflicts_text(conflicts: &[SplitView]) -> String {
    let both = |split: &SplitView| {
        let [one, other] = &split.evidence.notes;
        let origin = one.lines().next().unwrap_or_default();
        format!("EQUIVOCATION {origin}: two signed heads cannot both be true\n\n{one}\n{other}\n")
    };
    conflicts.iter().map(both).collect()
}

fn write_evidence(verified: &Verified, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for report in &verified.reports {
        let Some(log) = verified.fold.log_named(&report.origin) else { continue };
        for check in report.checks.iter().filter(|check| check.outcome == Outcome::Fail) {
            let Some(proof) = check.entry.and_then(|entry| entry_proof(log, entry)) else { continue };
            let name = format!("{}-{}.tlog-proof", report.member, check.entry.unwrap_or_default());
            std::fs::write(folder.join(name), proof)?;
        }
    }
    write_conflicts(&verified.conflicts, folder)
}

/// What proves to anybody that a log's owner signed two stories.
pub(super) fn write_conflicts(conflicts: &[SplitView], folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for split in conflicts {
        std::fs::write(folder.join(format!("{}.split", split.member)), split.evidence.to_text())?;
    }
    Ok(())
}
