//! A06: the log was begun under this charter, by whom it says, and puts the charter in force.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::charter::{Member, MemberKeys};
use ed25519_dalek::{Signature, VerifyingKey};

use super::{Check, Findings};
use crate::entry::{Body, Entry};
use crate::fold::{Fold, Log};
use crate::keys::{genesis_text, listed_keys};
use crate::log::tree::sha256;

pub(super) fn check_charter(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A06", "charter");
    let body = |index: usize| Entry::parse(log.entries().get(index)?).ok().map(|entry| entry.body);
    let genesis = match (body(0), fold.charter().member(&log.member)) {
        (Some(Body::Genesis { origin, charter, keys, proofs }), Some(member)) => {
            if origin == log.origin && charter == fold.charter().id() {
                check_keys(member, &keys, &proofs)
            } else {
                Err("the log was begun under another charter or name".to_owned())
            }
        }
        _ => Err("a log begins with genesis and charter".to_owned()),
    };
    findings.note(Some(0), genesis);
    let in_force = match body(1) {
        Some(Body::Charter { version, hash, .. }) => {
            if hash == fold.charter().hash() && version == fold.charter().version() {
                Ok(())
            } else {
                Err("another charter was put in force".to_owned())
            }
        }
        _ => Err("a log begins with genesis and charter".to_owned()),
    };
    // Of a log of one entry, that one shows what is missing.
    findings.note(Some(log.size().saturating_sub(1).min(1)), in_force);
    findings.finish("charter entries; all founders signed it")
}

/// The keys that a log begins with are those of the charter, and whoever holds them said so.
fn check_keys(
    member: &Member,
    keys: &BTreeMap<String, String>,
    proofs: &BTreeMap<String, String>,
) -> Result<(), String> {
    let seal = keys.get("seal").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    if sha256(&[&seal]) != member.keys.seal || listed_keys(&member.keys, &seal) != *keys {
        return Err("the log was begun with other keys than the charter holds".into());
    }
    let signers = signers(&member.keys);
    if !proofs.keys().map(String::as_str).eq(signers.iter().map(|(label, _)| *label)) {
        return Err("each of the four signing keys proves itself once".into());
    }
    let text = genesis_text(keys);
    for ((label, key), proof) in signers.iter().zip(proofs.values()) {
        let signature = STANDARD.decode(proof).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        let key = VerifyingKey::from_bytes(key).ok();
        let right = key.zip(signature).is_some_and(|(key, sig)| key.verify_strict(&text, &sig).is_ok());
        if !right {
            return Err(format!("the {label} key did not sign the list of keys"));
        }
    }
    Ok(())
}

/// The signing keys by label, in the labels' order.
fn signers(keys: &MemberKeys) -> [(&'static str, [u8; 32]); 4] {
    [
        ("charter", keys.charter.key),
        ("log", keys.log.key),
        ("transport", keys.peer),
        ("witness", keys.witness.key),
    ]
}
