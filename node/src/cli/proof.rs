//! `datacoop log proof`, and what `datacoop verify` says of such a proof: that one entry stands in a log.

use std::path::{Path, PathBuf};

use clap::Args;
use datacoop_protocol::log::cosignature::{WitnessPolicy, cosignatures};
use datacoop_protocol::log::note::open_checkpoint;
use datacoop_protocol::log::proof::{HEADER, TlogProof};
use datacoop_protocol::log::tree::leaf_hash;
use serde_json::{Value, json};

use super::node::home_of;
use super::show::plain;
use super::{Common, Printed};
use crate::api::logs::ProofRequest;
use crate::client::Client;
use crate::error::{CommandError, Exit};

/// Longest of the three files: 64 hashes and a head with the lines of all witnesses take less.
const FILE_BYTES_MAX: u64 = 1 << 17;

#[derive(Args)]
pub(super) struct ProofArgs {
    /// The entry's index, from 0 on
    index: u64,
    /// Whose log: its origin, or the member's id [default: this node's own]
    #[arg(long, value_name = "ORIGIN")]
    log: Option<String>,
    /// The file to write; the entry goes beside it as FILE.entry, and who must have signed as FILE.policy
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// A file beside a proof.
fn beside(proof: &Path, what: &str) -> PathBuf {
    let mut name = proof.as_os_str().to_owned();
    name.push(what);
    PathBuf::from(name)
}

pub(super) fn write(common: &Common, args: &ProofArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let request = ProofRequest { index: args.index, log: args.log.clone() };
    let mut json = tokio::task::block_in_place(|| Client::new(&home)?.post(&home, "proof", &request))?;
    let files = [("proof", args.output.clone()), ("entry", beside(&args.output, ".entry"))];
    let files = files.into_iter().chain([("policy", beside(&args.output, ".policy"))]);
    let files: Vec<(&str, PathBuf)> = files.collect();
    if let Some((_, file)) = files.iter().find(|(_, file)| file.exists()) {
        return Err(CommandError::usage(format!("{} is there already; name another file", file.display())));
    }
    for (part, file) in &files {
        let text = json[part].as_str().unwrap_or("");
        std::fs::write(file, text)
            .map_err(|error| CommandError::failed(format!("{}: {error}", file.display())))?;
    }
    json["file"] = json!(args.output.display().to_string());
    let text = format!(
        "Wrote {0}: entry {1} of {2} stands under its signed head of {3} entries.\nBeside it {0}.entry and {0}.policy. Anybody checks it with: datacoop verify {0}\n",
        args.output.display(),
        json["index"],
        plain(json["log"].as_str().unwrap_or("")),
        json["size"]
    );
    Ok(Printed::new(json, text))
}

/// Whether a file begins as a proof does.
pub(super) fn is_proof(file: &Path) -> bool {
    read(file).is_ok_and(|text| text.starts_with(HEADER))
}

fn read(file: &Path) -> Result<String, CommandError> {
    use std::io::Read as _;
    let wrong = |error: std::io::Error| CommandError::usage(format!("{}: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(wrong)?;
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(wrong)?;
    Ok(text)
}

/// Checks proofs, each by itself, against `policy`, or the one that came with each.
pub(super) fn verify(files: &[PathBuf], policy: Option<&Path>) -> Result<Printed, CommandError> {
    let checked: Vec<Printed> =
        files.iter().map(|file| verify_one(file, policy)).collect::<Result<_, _>>()?;
    let code = checked.iter().map(|one| one.code).max().unwrap_or(0);
    let result = if code == 0 { "pass" } else { "fail" };
    let proofs: Vec<Value> = checked.iter().map(|one| one.json.clone()).collect();
    let text = checked.into_iter().map(|one| one.text).collect::<Vec<_>>().join("\n");
    Ok(Printed {
        json: json!({ "schema": "datacoop.verify/1", "result": result, "proofs": proofs }),
        text,
        code,
    })
}

fn verify_one(file: &Path, policy: Option<&Path>) -> Result<Printed, CommandError> {
    let unreadable = |file: &Path, error: &dyn std::fmt::Display| {
        CommandError::usage(format!("{}: {error}", file.display()))
    };
    let proof = TlogProof::parse(&read(file)?).map_err(|error| unreadable(file, &error))?;
    let entry = read(&beside(file, ".entry")).map_err(|error| {
        error.hint("a proof holds no entry, only its hash: keep the file FILE.entry beside it")
    })?;
    let named = policy.map_or_else(|| beside(file, ".policy"), Path::to_owned);
    let rules = WitnessPolicy::parse(&read(&named)?).map_err(|error| unreadable(&named, &error))?;
    let mut lines: Vec<(&str, &str, String)> = vec![match policy {
        Some(_) => ("PASS", "policy", "it is the one you named".to_owned()),
        None => (
            "WARN",
            "policy",
            "it came with the proof; compare the key below with one you trust, or name it with --policy"
                .to_owned(),
        ),
    }];
    let head = open_checkpoint(&proof.note, &rules.log.name, &rules.log.key);
    let size = head.as_ref().ok().map(|head| head.size);
    match &head {
        Err(error) => lines.push(("FAIL", "head", error.to_string())),
        Ok(head) => {
            lines.push(("PASS", "head", format!("the log's own key signed it; {} entries", head.size)));
            let (needed, all) = (rules.quorum, rules.witnesses.len());
            lines.push(match cosignatures(&proof.note, head, &rules.witnesses) {
                Err(error) => ("FAIL", "witnesses", error.to_string()),
                Ok(_) if all == 0 => ("WARN", "witnesses", "the policy names none".to_owned()),
                Ok(found) if found.len() >= needed => {
                    ("PASS", "witnesses", format!("{} of {all} cosigned it, {needed} must", found.len()))
                }
                Ok(found) => {
                    ("FAIL", "witnesses", format!("{} of {all} cosigned it, {needed} must", found.len()))
                }
            });
            lines.push(match proof.holds(leaf_hash(entry.as_bytes()), head) {
                true => ("PASS", "inclusion", format!("entry {} stands under this head", proof.index)),
                false => {
                    ("FAIL", "inclusion", format!("entry {} does not stand under this head", proof.index))
                }
            });
        }
    }
    let failed = lines.iter().filter(|(outcome, ..)| *outcome == "FAIL").count();
    let key = datacoop_protocol::log::note::vkey(&rules.log, datacoop_protocol::log::note::KIND_ED25519);
    let mut text = format!("PROOF {}\nLOG {}\n", plain(&file.display().to_string()), plain(&key));
    for (outcome, name, said) in &lines {
        text += &format!("{outcome} {name:<14} {}\n", plain(said));
    }
    if failed == 0 {
        text += &format!("ENTRY {}\nRESULT PASS\n", plain(&entry));
    } else {
        text += &format!("RESULT FAIL ({failed})\n");
    }
    let checks = lines
        .iter()
        .map(|(outcome, name, said)| json!({ "name": name, "result": outcome.to_lowercase(), "text": said }));
    let json = json!({
        "file": file.display().to_string(),
        "result": if failed == 0 { "pass" } else { "fail" },
        "log": rules.log.name,
        "key": key,
        "index": proof.index,
        "size": size,
        "checks": checks.collect::<Vec<_>>(),
        "entry": if failed == 0 { serde_json::from_str(&entry).unwrap_or(Value::Null) } else { Value::Null },
    });
    let code = if failed == 0 { 0 } else { Exit::Failed as u8 };
    Ok(Printed { json, text, code })
}
