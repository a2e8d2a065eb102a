//! Entries as canonical JSON.

use std::collections::BTreeMap;

use datacoop_policy::Digest;
use datacoop_policy::ledger::{Account, Debit};

use super::{Body, Previous, QueryBody, Ref, SPLIT_CODE, SealedShare};
use crate::json::Value;
use crate::log::note::Checkpoint;

pub(crate) fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn text(value: &str) -> Value {
    Value::Str(value.to_owned())
}

pub(crate) fn digest(value: &Digest) -> Value {
    Value::Str(value.to_string())
}

pub(crate) fn reference(value: &Ref) -> Value {
    Value::object([("index", int(value.index)), ("leaf", digest(&value.leaf)), ("log", text(&value.log))])
}

pub(crate) fn refs(values: &[Ref]) -> Value {
    Value::Array(values.iter().map(reference).collect())
}

fn head(value: &Checkpoint) -> Value {
    Value::Array(vec![text(&value.origin), int(value.size), digest(&value.root)])
}

fn previous_value(previous: &Previous) -> Value {
    let ledger =
        previous.ledger.accounts().map(|(account, spent)| (account_name(account), int(spent.nano())));
    Value::object([
        ("ledger", Value::Object(ledger.collect())),
        ("origin", text(&previous.head.origin)),
        ("root", digest(&previous.head.root)),
        ("size", int(previous.head.size)),
    ])
}

fn digests(values: &[Digest]) -> Value {
    Value::Array(values.iter().map(digest).collect())
}

fn strings(map: &BTreeMap<String, String>) -> Value {
    Value::Object(map.iter().map(|(k, v)| (k.clone(), text(v))).collect())
}

fn integers(values: &[i64]) -> Value {
    Value::Array(values.iter().map(|v| Value::Int(*v)).collect())
}

pub(super) fn body_fields(body: &Body) -> Vec<(&'static str, Value)> {
    let mut fields = match body {
        Body::Genesis { origin, charter, keys, proofs, previous } => {
            let mut fields = vec![
                ("charter", digest(charter)),
                ("keys", strings(keys)),
                ("origin", text(origin)),
                ("proofs", strings(proofs)),
            ];
            fields.extend(previous.as_ref().map(|previous| ("previous", previous_value(previous))));
            fields
        }
        Body::Charter { version, hash, note, from } => vec![
            ("from", int(from.seconds())),
            ("hash", digest(hash)),
            ("note", digest(note)),
            ("version", int(u64::from(*version))),
        ],
        Body::Query(query) => query_fields(query),
        Body::Accept { nonce_hash, vk_hash, round_key, .. } => vec![
            ("accept", Value::Int(1)),
            ("nonce_hash", digest(nonce_hash)),
            ("round_key", Value::base64(round_key)),
            ("vk_hash", digest(vk_hash)),
        ],
        Body::Refuse { rule, layer, .. } => {
            vec![("accept", Value::Int(0)), ("layer", text(layer)), ("rule", text(rule))]
        }
        Body::Roster { verdicts, .. } => vec![("verdicts", refs(verdicts))],
        Body::Debit { roster, nonce, debit, .. } => {
            vec![("ledger", ledger(debit)), ("nonce", Value::base64(nonce)), ("roster", reference(roster))]
        }
        Body::Contribution { debit, nonce, public_share, shares, .. } => vec![
            ("debit", reference(debit)),
            ("prio_nonce", Value::base64(nonce)),
            ("public_share", Value::base64(public_share)),
            ("shares", Value::Array(shares.iter().map(sealed).collect())),
        ],
        Body::Commit { debit, commit, .. } => vec![("commit", digest(commit)), ("debit", reference(debit))],
        Body::Freeze { roster, contributions, vk_part, .. } => {
            let mut fields = vec![("contributions", refs(contributions)), ("roster", reference(roster))];
            fields.extend(vk_part.map(|part| ("vk_part", Value::base64(&part))));
            fields
        }
        Body::Verify { freezes, blob, .. } => vec![("blob", digest(blob)), ("freezes", refs(freezes))],
        Body::Close { verifies, accepted, commit, .. } => {
            vec![("accepted", refs(accepted)), ("commit", digest(commit)), ("verifies", refs(verifies))]
        }
        Body::Open { closes, share, salt, .. } => {
            vec![("closes", refs(closes)), ("salt", Value::base64(salt)), ("share", Value::base64(share))]
        }
        Body::Reveal { freeze, vector, salt, .. } => {
            vec![("freeze", reference(freeze)), ("salt", Value::base64(salt)), ("vector", integers(vector))]
        }
        Body::Release { opens, sums, figures, .. } => {
            vec![("figures", digest(figures)), ("opens", refs(opens)), ("sums", integers(sums))]
        }
        Body::Abort { code, .. } => vec![("code", text(code))],
        Body::Void { debit, code, .. } => vec![("code", text(code)), ("debit", reference(debit))],
        Body::Alert { code, subject, .. } => vec![("code", text(code)), ("subject", reference(subject))],
        Body::Head { heads } => vec![("heads", Value::Array(heads.iter().map(head).collect()))],
        Body::Act(act) => act.fields(),
        Body::Split { log, evidence } => vec![
            ("code", text(SPLIT_CODE)),
            ("log", text(log)),
            ("notes", Value::Array(evidence.notes.iter().map(|note| text(note)).collect())),
            ("proofs", Value::Array(evidence.proofs.iter().map(|proof| digests(proof)).collect())),
            ("roots", digests(&evidence.roots)),
            ("size", int(evidence.size)),
        ],
    };
    fields.extend(body.query().map(|query| ("query", digest(&query))));
    fields
}

fn sealed(share: &SealedShare) -> Value {
    Value::object([("blob", digest(&share.blob)), ("digest", digest(&share.digest))])
}

fn ledger(debit: &Debit) -> Value {
    Value::object([
        ("account", text(&format!("{}/{}", debit.account.dataset, debit.account.year.0))),
        ("after", int(debit.after.nano())),
        ("before", int(debit.before.nano())),
        ("loss", int(debit.loss.nano())),
    ])
}

fn query_fields(query: &QueryBody) -> Vec<(&'static str, Value)> {
    let mut lay = vec![
        ("benefits", text(&query.lay.benefits)),
        ("pays", text(&query.lay.pays)),
        ("why", text(&query.lay.why)),
    ];
    lay.extend(query.supersedes.as_ref().map(|old| ("because", text(&old.because))));
    let mut fields = vec![
        ("charter", digest(&query.charter)),
        ("close_by", int(query.close_by.seconds())),
        ("colluding_percent", int(u64::from(query.assumed.colluding_percent))),
        ("committee_max", int(u64::from(query.assumed.committee_max))),
        ("contribute_by", int(query.contribute_by.seconds())),
        ("join_by", int(query.join_by.seconds())),
        ("lay", Value::object(lay)),
        ("min_roster", int(u64::from(query.min_roster))),
        ("missing_percent", int(u64::from(query.assumed.missing_percent))),
        ("mode", text(query.mode.code())),
        ("params", strings(&query.params)),
        ("period", text(&query.period.to_string())),
        ("purpose", text(&query.purpose)),
        ("question", query.question.clone()),
        ("rho", int(query.loss.nano())),
        ("vocabulary", text(&query.vocabulary)),
    ];
    fields.extend(query.supersedes.as_ref().map(|old| ("supersedes", digest(&old.query))));
    if !query.cosigners.is_empty() {
        fields.push(("cosigners", refs(&query.cosigners)));
    }
    fields.extend(query.delegation.as_ref().map(|at| ("delegation", reference(at))));
    fields
}

pub(super) fn account_name(account: &Account) -> String {
    format!("{}/{}", account.dataset, account.year.0)
}
