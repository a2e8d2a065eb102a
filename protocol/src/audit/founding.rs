//! A06: the log was begun under this charter, by whom it says, and puts the charter in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;
use datacoop_policy::charter::{Charter, Member, MemberKeys, SILENT_DAYS, acts_from, renewals};
use datacoop_policy::verdict::CLOCK_SKEW_MAX;
use ed25519_dalek::{Signature, VerifyingKey};

use super::{BlobSource, Check, Findings};
use crate::acts::NoReport;
use crate::charter_text::open_amendment;
use crate::entry::{Body, Entry, Previous};
use crate::fold::{Adopted, Fold, Log};
use crate::keys::{genesis_text, listed_keys};
use crate::log::tree::sha256;

pub(super) fn check_charter(fold: &Fold, log: &Log, blobs: BlobSource<'_>) -> Check {
    let mut findings = Findings::new("A06", "charter");
    let body = |index: usize| Entry::parse(log.entries().get(index)?).ok().map(|entry| entry.body);
    // As it was when it joined, or when this log was first listed: it may have left since.
    let lists = |charter: &&Arc<Charter>| lists(charter, log);
    let listed = fold.charters().iter().find(lists).and_then(|charter| charter.member(&log.member));
    let genesis = match (body(0), listed) {
        (Some(Body::Genesis { origin, charter, keys, proofs, previous }), Some(member)) => {
            if origin == log.origin && charter == fold.charter().id() {
                check_keys(member, &keys, &proofs)
                    .and_then(|()| check_previous(&mut findings, fold, log, previous.as_deref()))
            } else {
                Err("the log was begun under another charter or name".to_owned())
            }
        }
        _ => Err("a log begins with genesis and charter".to_owned()),
    };
    findings.note(Some(0), genesis);
    if log.adopted().first().is_none_or(|first| first.index != 1) {
        // Of a log of one entry, that one shows what is missing.
        let shows = log.size().saturating_sub(1).min(1);
        findings.note(Some(shows), Err("a log begins with genesis and charter".to_owned()));
    }
    let mut before: Option<&Adopted> = None;
    // Of two rivals one is condemned later: who had followed it did no wrong.
    for adopted in log.adopted().iter().filter(|adopted| !fold.condemns(&adopted.hash)) {
        let is_first = fold.logs_of(&log.member).first().is_some_and(|first| first.origin == log.origin);
        let checked = match before {
            None if !is_first => check_listed(fold, log, adopted),
            _ => check_adopted(fold, log, before, adopted),
        };
        match checked {
            Some(result) => findings.note(Some(adopted.index), result),
            None => findings.warn(
                adopted.index,
                format!(
                    "entry {} puts version {} of the charter in force, which is not in the chain here: what its author did since is \
                     not judged by it; ask for its note, {}",
                    adopted.index,
                    adopted.version,
                    adopted.note.short()
                ),
            ),
        }
        check_renewals(fold, log, adopted, blobs, &mut findings);
        before = Some(adopted);
    }
    if let Some((at, text)) = marked_too_soon(fold, log) {
        findings.warn(at, text);
    }
    findings.finish("charter entries; each version has its signatures")
}

/// An entry of the year before a version marked its member dormant, and what that comes to (C14). It convicts
/// nobody: they signed who may not have held it, and its author dated it.
fn marked_too_soon(fold: &Fold, log: &Log) -> Option<(u64, String)> {
    let dormant = |charter: &Charter| charter.member(&log.member).is_some_and(|member| member.dormant);
    let mut steps = fold.charters().iter().zip(fold.charters().iter().skip(1));
    let (_, marks) = steps.find(|(old, new)| !dormant(old) && dormant(new))?;
    let made = marks.fields().made;
    let wrote = log.last_time(made.start())?.day();
    let at = (0..log.size()).rev().find(|at| log.time(*at).is_some_and(|time| time.day() == wrote))?;
    (made.0 - wrote.0 < SILENT_DAYS).then(|| {
        let version = marks.version();
        (at, format!("version {version} of {made} marks it dormant, and it wrote on {wrote}, less than {SILENT_DAYS} days before"))
    })
}

/// Whether a version lists this log.
fn lists(charter: &Charter, log: &Log) -> bool {
    charter.member(&log.member).is_some_and(|member| member.keys.log.name == log.origin)
}

/// A log that is the first of its author's goes on from none; another goes on from the last that had begun, at a head
/// that this one has. What it carries over is A08's.
fn check_previous(
    findings: &mut Findings,
    fold: &Fold,
    log: &Log,
    previous: Option<&Previous>,
) -> Result<(), String> {
    let all = fold.logs_of(&log.member);
    let place = all.iter().position(|other| other.origin == log.origin).unwrap_or(0);
    let before_all = log.before_all().filter(|_| all[..place].iter().all(|before| before.size() == 0));
    if let Some(origin) = before_all {
        return match previous {
            None => Err(format!(
                "it begins with a fresh Ledger, and the charter says that it goes on from {origin}"
            )),
            Some(previous) if previous.head.origin == *origin => {
                // Its entries are another co-operative's: `predecessor::check_predecessor` reads them.
                findings.skip();
                Ok(())
            }
            Some(previous) => Err(format!(
                "it goes on from `{}`, and the charter says that it goes on from {origin}",
                previous.head.origin
            )),
        };
    }
    let Some(previous) = previous else {
        return match all[..place].iter().rev().find(|before| before.size() > 0) {
            None => Ok(()),
            Some(before) => {
                Err(format!("it begins with a fresh Ledger, and {} is its author's too", before.origin))
            }
        };
    };
    let before = all[..place].iter().rposition(|before| before.origin == previous.head.origin);
    let Some(before) = before else {
        return Err(format!("it goes on from `{}`, no earlier log of its author's", previous.head.origin));
    };
    if let Some(between) = all[before + 1..place].iter().find(|between| between.size() > 0) {
        return Err(format!(
            "it goes on from {}, and {} came after that",
            all[before].origin, between.origin
        ));
    }
    match all[before].tree().root_at(previous.head.size) {
        Some(root) if root == previous.head.root => Ok(()),
        // Of two histories the other may stand here.
        _ if fold.split_of(&all[before].origin).is_some() => Ok(()),
        None => {
            findings.skip();
            Ok(())
        }
        Some(_) => Err(format!(
            "it goes on from another head of {} entries than {} has",
            previous.head.size, all[before].origin
        )),
    }
}

/// The version under which a log begins that goes on from another: one that lists it, in force by then. If its author
/// had put it in force in the last log, from the day that it said there; else, as of somebody who joins, at once.
fn check_listed(fold: &Fold, log: &Log, adopted: &Adopted) -> Option<Result<(), String>> {
    let said = |text: String| Some(Err(format!("entry {}: {text}", adopted.index)));
    let Some(charter) =
        fold.charter_named(&adopted.hash).filter(|charter| charter.version() == adopted.version)
    else {
        // The chain that was given may end before it.
        let is_later = adopted.version > fold.charter().version();
        return if is_later { None } else { said(format!("there is no such version {}", adopted.version)) };
    };
    if !lists(charter, log) {
        return said(format!("version {} does not list this log", adopted.version));
    }
    let earlier = fold.adopted(&log.member).filter(|(order, _)| *order < log.order(0)).map(|(_, said)| said);
    let before = earlier.filter(|said| said.hash == adopted.hash).last();
    let earliest = match before {
        Some(before) => before.from,
        None => charter.fields().effective.start(),
    };
    let is_kept = before.is_none_or(|before| before.from == adopted.from);
    if !is_kept || adopted.from < earliest || adopted.at < adopted.from {
        return said(format!(
            "version {} lists this log from {} on, and the log was begun at {} (unix seconds)",
            adopted.version,
            earliest.seconds().max(adopted.from.seconds()),
            adopted.at.seconds()
        ));
    }
    Some(Ok(()))
}

/// A version that a member put in force: one of the chain, in its order, and not too soon. `None` when the
/// chain that was given ends before it, or goes on with its rival.
fn check_adopted(
    fold: &Fold,
    log: &Log,
    before: Option<&Adopted>,
    adopted: &Adopted,
) -> Option<Result<(), String>> {
    let said = |text: String| Some(Err(format!("entry {}: {text}", adopted.index)));
    let version = adopted.version;
    let named = fold.charter_named(&adopted.hash);
    if named.is_some_and(|charter| charter.version() != version) {
        return said("another charter was put in force".to_owned());
    }
    let Some(charter) = fold.charters().iter().find(|charter| charter.version() == version) else {
        return match version > fold.charter().version() {
            true => None,
            false => said(format!("there is no version {version}")),
        };
    };
    if fold.is_rival(&adopted.hash) {
        // As validly signed as the one here: as long as none is condemned nobody did wrong.
        return None;
    }
    if charter.hash() != adopted.hash || charter.member(&log.member).is_none() {
        return said("another charter was put in force".to_owned());
    }
    let parent = version
        .checked_sub(1)
        .and_then(|version| fold.charters().iter().find(|charter| charter.version() == version));
    let was_in = |charter: &Arc<Charter>| charter.member(&log.member).is_some();
    let (earliest, follows) = match (before, parent) {
        (Some(before), Some(parent)) => (
            acts_from(parent, charter, adopted.at).max(before.from),
            // Who left and came back skips what it was no member of.
            if was_in(parent) { before.version + 1 == version } else { before.version < version },
        ),
        // Its first: that in which it joined.
        (None, parent) => (adopted.at, parent.is_none_or(|parent| !was_in(parent))),
        (Some(_), None) => (adopted.at, false),
    };
    if !follows {
        return said(format!("version {version} does not follow what was in force before"));
    }
    if adopted.from < earliest {
        let (from, earliest) = (adopted.from.seconds(), earliest.seconds());
        return said(format!(
            "version {version} acts from {from}, and may act from {earliest} (unix seconds)"
        ));
    }
    Some(Ok(()))
}

/// No report, no renewal: what a version names as the report of a purpose that it extends is one. Whoever signed
/// it without looking did wrong; whoever only goes by it did not, and is told.
fn check_renewals(fold: &Fold, log: &Log, adopted: &Adopted, blobs: BlobSource<'_>, findings: &mut Findings) {
    let chain = fold.charters();
    let Some(place) = chain.iter().position(|charter| charter.hash() == adopted.hash) else { return };
    let [.., parent, charter] = &chain[..=place] else { return };
    for (purpose, report) in renewals(parent, charter) {
        let why = match fold.acts().report_on(fold, &purpose.id, &report) {
            Ok(done) if done.time > adopted.at + CLOCK_SKEW_MAX => "was written after that".to_owned(),
            Ok(_) => continue,
            Err(NoReport::Wrong(why)) => why,
            Err(NoReport::NotHere) => {
                let missing = parent
                    .members()
                    .iter()
                    .any(|member| fold.log(&member.id).is_none_or(|log| log.size() == 0));
                match missing {
                    true => findings.skip(),
                    false => findings
                        .warn(adopted.index, renewed(adopted, &purpose.id, &report, "is in no log here")),
                }
                continue;
            }
        };
        let text = renewed(adopted, &purpose.id, &report, &why);
        let note = blobs(&adopted.note).and_then(|note| String::from_utf8(note).ok());
        let opened = note.and_then(|note| open_amendment(&note, &chain[..place]).ok());
        match opened.is_some_and(|opened| opened.signed.contains(&log.member)) {
            true => findings
                .note(Some(adopted.index), Err(format!("entry {}: it signed that {text}", adopted.index))),
            false => findings.warn(adopted.index, text),
        }
    }
}

fn renewed(adopted: &Adopted, purpose: &str, report: &Digest, why: &str) -> String {
    format!(
        "version {} extends the purpose `{purpose}` by the report {}, which {why}",
        adopted.version,
        report.short()
    )
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
