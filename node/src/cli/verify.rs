//! `datacoop verify`: exported logs, offline.

use std::path::{Path, PathBuf};

use clap::Args;
use datacoop_protocol::audit::{Outcome, entry_proof};
use serde_json::json;

use super::Printed;
use super::show::{audit_json, audit_text};
use crate::error::{CommandError, Exit};
use crate::export;

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Exported folders; give several to check what they cite of each other
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Write a proof of each entry that fails into this folder
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

pub(super) fn verify(args: VerifyArgs) -> Result<Printed, CommandError> {
    let paths: Vec<&Path> = args.folders.iter().map(PathBuf::as_path).collect();
    let verified = export::verify(&paths).map_err(|error| CommandError::usage(error.to_string()))?;
    if let Some(folder) = &args.evidence {
        write_evidence(&verified, folder)?;
    }
    let passed = verified.reports.iter().all(|report| report.passed());
    let result = if passed { "pass" } else { "fail" };
    let json = json!({
        "schema": "datacoop.verify/1",
        "demo": verified.charter.fields().demo,
        "charter": verified.charter.id().to_string(),
        "result": result,
        "logs": audit_json(&verified.reports),
    });
    let code = if passed { 0 } else { Exit::Failed as u8 };
    Ok(Printed { json, text: audit_text(&verified.reports), code })
}

fn write_evidence(verified: &export::Verified, folder: &Path) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| CommandError::failed(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    for report in &verified.reports {
        let Some(log) = verified.fold.log(&report.member) else { continue };
        for check in report.checks.iter().filter(|check| check.outcome == Outcome::Fail) {
            let Some(proof) = check.entry.and_then(|entry| entry_proof(log, entry)) else { continue };
            let name = format!("{}-{}.tlog-proof", report.member, check.entry.unwrap_or_default());
            std::fs::write(folder.join(name), proof).map_err(failed)?;
        }
    }
    Ok(())
}
