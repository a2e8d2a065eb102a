//! `datacoop certificate`, and what `verify` says of certificates.

use std::path::{Path, PathBuf};

use clap::Args;
use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::audit::{Check, Outcome};
use datacoop_protocol::certificate::{Checked, NOT_SHOWN, SignedHead, check};
use datacoop_protocol::fold::SplitView;
use datacoop_protocol::log::note::bare_note;
use datacoop_protocol::log::split::Evidence;
use serde_json::{Value, json};

use super::means::meaning_text;
use super::node::home_of;
use super::show::{figures_json, lot_text, plain};
use super::verify::{Anchor, EXIT_EQUIVOCATION, anchor, conflict_json, conflicts_text, write_conflicts};
use super::{Common, Printed};
use crate::api::papers::CertificateRequest;
use crate::certificate::read_certificate;
use crate::client::Client;
use crate::error::{CommandError, Exit};
use crate::verify::Verified;
use crate::view::{can_be_all_corrupt, release};

#[derive(Args)]
pub(super) struct CertificateArgs {
    /// The query whose release to certify, or the first 8 digits of its id
    query: String,
    /// The file to write [default: the first 8 digits of the query's id, and .dcert]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn certificate(common: &Common, args: &CertificateArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let named = || format!("{}.dcert", args.query.chars().take(8).collect::<String>());
    // Nobody names a file by what is no id.
    if args.output.is_none() && !args.query.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage("a query id is hex".into()).hint("list releases: datacoop results"));
    }
    let file = args.output.clone().unwrap_or_else(|| named().into());
    let file = std::path::absolute(&file).map_err(|error| CommandError::usage(error.to_string()))?;
    let request = CertificateRequest { query: args.query.clone(), file: file.clone() };
    let json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "certificate", &request))?;
    let (bytes, file) = (&json["bytes"], file.display());
    let text = format!(
        "Wrote {file} ({bytes} bytes). Whoever knows the charter's id checks it alone:\n  datacoop verify {file} --charter ID\n"
    );
    Ok(Printed::new(json, text))
}

/// A certificate's file and what came of checking it.
struct Read {
    file: String,
    checked: Result<Checked, String>,
    anchor: Option<Anchor>,
}

impl Read {
    fn new(path: &Path, named: Option<&str>) -> Self {
        let bytes = read_certificate(path).map_err(|error| error.to_string());
        let checked = bytes.and_then(|bytes| check(&bytes).map_err(|error| error.0));
        let charter = checked.as_ref().ok().and_then(|checked| checked.charter.as_ref());
        let anchor = charter.map(|charter| anchor(charter, named));
        Self { file: path.display().to_string(), checked, anchor }
    }

    fn code(&self) -> u8 {
        match &self.checked {
            Err(_) => Exit::Usage as u8,
            Ok(checked) if checked.passed() && self.anchor != Some(Anchor::Other) => 0,
            Ok(_) => Exit::Failed as u8,
        }
    }

    /// Heads that count: of logs of this charter, in a certificate that holds.
    fn heads(&self, charter: Digest) -> &[SignedHead] {
        let same = |checked: &&Checked| checked.charter.as_ref().is_some_and(|own| own.id() == charter);
        let checked = self.checked.as_ref().ok().filter(same);
        checked.map_or(&[], |checked| &checked.heads)
    }
}

/// Verifies certificates, each by itself, and their logs' heads against each other and against exports.
pub(super) fn verify_files(
    files: &[PathBuf],
    named: Option<&str>,
    evidence: Option<&Path>,
    exports: Option<(Printed, Verified)>,
) -> Result<Printed, CommandError> {
    let all: Vec<Read> = files.iter().map(|file| Read::new(file, named)).collect();
    let (printed, verified) =
        exports.map_or((None, None), |(printed, verified)| (Some(printed), Some(verified)));
    let found = conflicts(&all, verified.as_ref());
    if let Some(folder) = evidence.filter(|_| !found.is_empty()) {
        write_conflicts(&found, folder)
            .map_err(|error| CommandError::failed(format!("{}: {error}", folder.display())))?;
    }
    let code = all.iter().map(Read::code).chain(printed.as_ref().map(|printed| printed.code));
    let code = code.chain((!found.is_empty()).then_some(EXIT_EQUIVOCATION)).max().unwrap_or(0);
    let mut json =
        printed.as_ref().map_or_else(|| json!({ "schema": "datacoop.verify/1" }), |p| p.json.clone());
    json["result"] = json!(result_word(code));
    json["certificates"] = all.iter().map(read_json).collect();
    let notes: Vec<Value> = found.iter().map(conflict_json).collect();
    match json["conflicts"].as_array_mut() {
        Some(known) => known.extend(notes),
        None => json["conflicts"] = notes.into(),
    }
    let mut text = printed.map_or_else(String::new, |printed| printed.text + "\n");
    text += &conflicts_text(&found);
    text += &all.iter().map(read_text).collect::<Vec<_>>().join("\n");
    Ok(Printed { json, text, code })
}

fn result_word(code: u8) -> &'static str {
    match code {
        0 => "pass",
        1 => "fail",
        EXIT_EQUIVOCATION => "equivocation",
        _ => "unreadable",
    }
}

/// Heads of one log that cannot both be true: of one size in two certificates, or of an export that is as
/// long. A longer head of a certificate than the export's shows nothing by itself.
fn conflicts(all: &[Read], exports: Option<&Verified>) -> Vec<SplitView> {
    // A head with this root, beside another of a log in which the first entries have another.
    let split =
        |charter: &Charter, head: &SignedHead, other: &str, root: Digest, proof: Vec<Digest>| SplitView {
            member: head.member.clone(),
            log: head.checkpoint.origin.clone(),
            evidence: Evidence {
                notes: [head.note.as_str(), other]
                    .map(|note| bare_note(note, &head.checkpoint.origin, &log_key(charter, &head.member))),
                size: head.checkpoint.size,
                roots: [head.checkpoint.root, root],
                proofs: [vec![], proof],
            },
        };
    let mut found = vec![];
    for (at, one) in all.iter().enumerate() {
        let charter = one.checked.as_ref().ok().and_then(|checked| checked.charter.as_ref());
        let Some(charter) = charter else { continue };
        for head in one.heads(charter.id()) {
            let contradicts = |other: &&SignedHead| {
                let (ours, theirs) = (&head.checkpoint, &other.checkpoint);
                ours.origin == theirs.origin && ours.size == theirs.size && ours.root != theirs.root
            };
            let later = all[at + 1..].iter().flat_map(|other| other.heads(charter.id()));
            let same_size =
                |other: &SignedHead| split(charter, head, &other.note, other.checkpoint.root, vec![]);
            found.extend(later.filter(contradicts).map(same_size));
            let log = exports.filter(|exports| exports.charter.id() == charter.id());
            let Some(log) = log.and_then(|exports| signed_log(exports, head)) else { continue };
            let (size, root) = (head.checkpoint.size, log.tree().root_at(head.checkpoint.size));
            let Some((root, (whole, note))) =
                root.filter(|root| *root != head.checkpoint.root).zip(log.note())
            else {
                continue;
            };
            let proof = (size < whole).then(|| log.tree().consistency_proof(size, whole)).flatten();
            found.push(split(charter, head, note, root, proof.unwrap_or_default()));
        }
    }
    found
}

fn log_key(charter: &Charter, member: &MemberId) -> [u8; 32] {
    charter.member(member).map_or([0; 32], |member| member.keys.log.key)
}

/// The exported log of a head, if its own head is signed and covers it.
fn signed_log<'a>(exports: &'a Verified, head: &SignedHead) -> Option<&'a datacoop_protocol::fold::Log> {
    let report = exports.reports.iter().find(|report| report.member == head.member)?;
    let signed = |check: &&Check| check.code == "A01";
    let right = report.checks.iter().find(signed).is_some_and(|check| check.outcome == Outcome::Pass);
    right.then(|| exports.fold.log(&head.member)).flatten()
}

fn read_json(read: &Read) -> Value {
    let checked = match &read.checked {
        Ok(checked) => checked,
        Err(text) => return json!({ "file": read.file, "result": "unreadable", "error": text }),
    };
    let checks = checked.checks.iter().map(|check| {
        json!({ "code": check.code, "name": check.name, "result": check.outcome.code(), "text": plain(&check.text) })
    });
    // What does not hold, or is of strangers, is no release.
    let shown = checked.round.as_ref().filter(|_| read.code() == 0).and_then(release);
    json!({
        "file": read.file,
        "result": result_word(read.code()),
        "charter": checked.charter.as_ref().map(|charter| charter.id().to_string()),
        "charter_name": checked.charter.as_ref().map(|charter| charter.fields().name.clone()),
        "charter_check": read.anchor.map(Anchor::code),
        "demo": checked.charter.as_ref().map(|charter| charter.fields().demo),
        "checks": checks.collect::<Vec<_>>(),
        "release": shown.as_ref().map(|shown| shown.json.clone()),
        "cells": shown.as_ref().map(|shown| figures_json(&shown.figures)),
        "not_shown": NOT_SHOWN,
    })
}

fn read_text(read: &Read) -> String {
    let mut text = format!("CERTIFICATE {}\n", plain(&read.file));
    let checked = match &read.checked {
        Ok(checked) => checked,
        Err(error) => return text + &format!("UNREADABLE            {}\nRESULT FAIL (1)\n", plain(error)),
    };
    if let (Some(charter), Some(anchor)) = (&checked.charter, read.anchor) {
        let demo = if charter.fields().demo { " DEMO" } else { "" };
        text += &format!(
            "CHARTER {} {}{demo}\n{}",
            charter.id(),
            plain(&charter.fields().name),
            anchored(anchor)
        );
    }
    // Of strangers' logs it does not matter what else is right.
    if read.anchor == Some(Anchor::Other) {
        return text + "RESULT FAIL (1)\n";
    }
    if read.code() == 0 {
        let lines = checked.summary.lines().map(|line| format!("  {}\n", plain(line)));
        text += &format!("\n{}\n", lines.collect::<String>());
    }
    for check in &checked.checks {
        text += &format!(
            "{} {} {:<10} {}\n",
            check.outcome.code().to_uppercase(),
            check.code,
            check.name,
            plain(&check.text)
        );
    }
    text += &what_it_means(read, checked);
    for (at, line) in NOT_SHOWN.iter().enumerate() {
        text += &format!("{:<20} {line}\n", if at == 0 { "NOT SHOWN" } else { "" });
    }
    let failed = checked.checks.iter().filter(|check| check.outcome == Outcome::Fail).count();
    text + &if read.code() == 0 { "RESULT PASS\n".to_owned() } else { format!("RESULT FAIL ({failed})\n") }
}

fn anchored(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Same => "PASS charter          it is the one you named\n",
        Anchor::Other => {
            "FAIL charter          it is another one than you named: this is a release of strangers\n"
        }
        Anchor::None => {
            "WARN charter          it comes from the file itself, so this shows only that the file agrees with itself;\n                      compare its id with your letter of admission, or name it with --charter\n"
        }
    }
}

/// What the loss comes to for a person: shown beside a certificate, never in it.
fn what_it_means(read: &Read, checked: &Checked) -> String {
    let shown = checked.round.as_ref().filter(|_| read.code() == 0);
    let Some((round, release)) = shown.and_then(|round| Some((round, release(round)?))) else {
        return String::new();
    };
    let corrupt = round.plan().is_some_and(|plan| can_be_all_corrupt(plan.query.mode, &plan.terms));
    format!("\n{}{}\n", meaning_text(&release.json["loss"]), lot_text(corrupt).trim_start())
}
