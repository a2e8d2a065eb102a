//! The logs as they grow, entry by entry, in plain words; and the proof of one entry. Looks at a fold and
//! changes nothing.

use std::collections::BTreeMap;

use datacoop_policy::refusal::Rule;
use datacoop_policy::{MemberId, PrivacyLoss, QueryId, Time};
use datacoop_protocol::acts::{Act, Outcome};
use datacoop_protocol::entry::{Body, Entry, EntryError, QueryBody, Ref};
use datacoop_protocol::fold::{Fold, Log};
use datacoop_protocol::log::cosignature::policy_text;
use datacoop_protocol::log::proof::TlogProof;
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Ending;
use datacoop_protocol::rounds::codes::{AbortCode, AlertCode, VoidCode};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::loss::{in_points, points_of};

/// Most entries told at a time: about 1 MB of JSON, so that a node is not held up by whoever follows.
const ENTRIES_MAX: usize = 500;
/// Digits of a Query's id that are shown: as many as `status` shows.
const ID_DIGITS: usize = 8;
const DAY_SECONDS: u64 = 86_400;

/// Entries beyond what is known of each log, oldest first by their authors' clocks, at most a page of them;
/// and how many are known with them. With nothing known: no entry, and how many there are.
pub fn news(fold: &Fold, known: Option<&BTreeMap<String, u64>>) -> Value {
    let mut sizes = BTreeMap::new();
    let mut found: Vec<(Option<Time>, Value)> = vec![];
    let mut room = ENTRIES_MAX;
    for log in fold.logs() {
        // Only what its owner signed is in a log.
        let signed = log.note().map_or(0, |(size, _)| size);
        let from = known.map_or(signed, |known| known.get(log.member.as_str()).copied().unwrap_or(0));
        let to = signed.min(from.saturating_add(room as u64)).max(from);
        room -= usize::try_from(to - from).unwrap_or(room);
        found.extend((from..to).filter_map(|index| told(fold, log, index)));
        sizes.insert(log.member.to_string(), to);
    }
    found.sort_by_key(|(at, _)| *at);
    let more = room == 0;
    let list: Vec<Value> = found.into_iter().map(|(_, entry)| entry).collect();
    json!({ "schema": "datacoop.entries/1", "entries": list, "known": sizes, "more": more })
}

/// One entry in plain words: `datacoop.entry/1`. `None` of one that is not here.
pub fn entry_json(fold: &Fold, log: &Log, index: u64) -> Option<Value> {
    let mut json = told(fold, log, index)?.1;
    let bytes = log.entries().get(usize::try_from(index).ok()?)?;
    let entry = Entry::parse(bytes).ok();
    let cost = entry.and_then(|entry| {
        if let Body::Query(query) = entry.body {
            Some(query.loss)
        } else if let Body::Debit { debit, .. } = entry.body {
            Some(debit.loss)
        } else {
            None
        }
    });
    json["points"] = json!(cost.map(points_of));
    Some(json)
}

/// An entry in plain words, with the time that it says.
fn told(fold: &Fold, log: &Log, index: u64) -> Option<(Option<Time>, Value)> {
    let leaf = log.tree().leaf(index)?;
    let bytes = log.entries().get(usize::try_from(index).ok()?)?;
    let mut json = json!({
        "schema": "datacoop.entry/1",
        "member": log.member.to_string(),
        "log": log.origin,
        "index": index,
    });
    let parsed = Entry::parse(bytes).map(|entry| {
        let own = entry.by == log.member && entry.seq == index;
        (entry, own)
    });
    let is_split = matches!(&parsed, Ok((Entry { body: Body::Split { .. }, .. }, true)));
    let (at, kind, query, alert, text) = match parsed {
        Ok((entry, true)) => {
            let alert = matches!(entry.body, Body::Alert { .. } | Body::Split { .. });
            let query = entry.body.query().or(matches!(entry.body, Body::Query(_)).then_some(leaf));
            (Some(entry.at), entry.body.kind(), query, alert, sentence(fold, leaf, &entry.body))
        }
        Err(EntryError::Newer) => {
            (None, "newer", None, false, "wrote an entry that a newer program understands".to_owned())
        }
        Err(EntryError::UnknownKind) => (
            None,
            "unknown",
            None,
            false,
            "wrote an entry of a kind that this program does not know".to_owned(),
        ),
        Ok((_, false)) | Err(EntryError::Malformed(_)) => (
            None,
            "malformed",
            None,
            true,
            "wrote what is no entry of its log: nothing there counts".to_owned(),
        ),
    };
    json["at"] = json!(at.map(Time::seconds));
    json["kind"] = json!(kind);
    json["query"] = json!(query.map(|id| id.to_string()));
    json["alert"] = json!(alert);
    json["equivocation"] = json!(is_split);
    let joint = if text.starts_with('\'') { "" } else { " " };
    json["text"] = json!(format!("{}{joint}{text}", name(fold, &log.member)));
    json["time"] = json!(at.map(clock_text));
    Some((at, json))
}

/// Such as `2025-12-01 10:02`, UTC.
pub fn clock_text(at: Time) -> String {
    let seconds = at.seconds() % DAY_SECONDS;
    format!("{} {:02}:{:02}", at.day(), seconds / 3600, seconds / 60 % 60)
}

fn name(fold: &Fold, member: &MemberId) -> String {
    fold.member(member).map_or_else(|| member.to_string(), |member| member.name.clone())
}

fn owner(fold: &Fold, origin: &str) -> String {
    fold.member_by_origin(origin).map_or_else(|| "an unknown log".to_owned(), |id| name(fold, id))
}

fn loss(loss: PrivacyLoss) -> String {
    let text = loss.to_string();
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{} (rho {short})", in_points(loss))
}

fn short(id: &QueryId) -> String {
    id.to_string().chars().take(ID_DIGITS).collect()
}

/// A Query by its title, where its log is here.
fn title(fold: &Fold, id: &QueryId) -> String {
    let query = fold.round(id).and_then(|round| round.query().cloned());
    match query {
        Some(query) => format!("\"{}\" ({})", query.question.question().draft().title, short(id)),
        None => format!("query {}", short(id)),
    }
}

fn asked(fold: &Fold, body: &QueryBody, id: QueryId) -> String {
    let question = title(fold, &id);
    let purpose = fold.charter_named(&body.charter).and_then(|charter| charter.purpose(&body.purpose));
    let purpose = purpose.map_or(body.purpose.as_str(), |purpose| purpose.title.as_str());
    let because = if body.lay.why.is_empty() { String::new() } else { format!("; why: {}", body.lay.why) };
    let corrects = match &body.supersedes {
        Some(old) => format!("; it is to supersede release {}", short(&old.query)),
        None => String::new(),
    };
    format!(
        "asked {question} about {}, for \"{purpose}\"; it costs each member {}{because}{corrects}",
        body.period,
        loss(body.loss)
    )
}

/// What a code means, in the midst of a sentence.
fn because(meaning: Option<&str>, what: &str) -> String {
    match meaning {
        Some(meaning) => meaning.trim_end_matches('.').to_lowercase(),
        None => format!("{what} that this program does not know"),
    }
}

/// Why a round ended without a sum, in the midst of a sentence.
pub(crate) fn abort_words(code: &str) -> String {
    let meaning = AbortCode::from_code(code).map(AbortCode::meaning);
    because(meaning.or_else(|| Rule::from_code(code).map(Rule::meaning)), "a reason")
}

/// What an entry with this leaf hash says, after its author's name.
fn sentence(fold: &Fold, leaf: QueryId, body: &Body) -> String {
    let of = |id: &QueryId| title(fold, id);
    match body {
        Body::Genesis { .. } => "began its log".into(),
        Body::Charter { version, .. } => format!("put version {version} of the charter in force"),
        Body::Query(query) => asked(fold, query, leaf),
        Body::Accept { query, .. } => format!("will answer {}", of(query)),
        Body::Refuse { query, rule, layer } => {
            let meaning = Rule::from_code(rule).map(Rule::meaning);
            format!("refused {}: {} (rule {rule}, set by the {layer})", of(query), because(meaning, "a rule"))
        }
        Body::Roster { query, verdicts } => {
            format!("fixed who takes part in {}: {} members", of(query), verdicts.len())
        }
        Body::Debit { query, debit, .. } => format!(
            "'s ledger pays {} from {} for {}: {} spent",
            loss(debit.loss),
            debit.account,
            of(query),
            loss(debit.after)
        ),
        Body::Contribution { query, .. } => {
            format!("sent its figures with privacy noise in sealed shares to {}", of(query))
        }
        Body::Commit { query, .. } => {
            format!("bound itself to its figures with privacy noise for {}", of(query))
        }
        Body::Freeze { query, contributions, .. } => {
            format!("fixed which {} contributions count in {}", contributions.len(), of(query))
        }
        Body::Verify { query, .. } => format!("checked the proofs of the contributions to {}", of(query)),
        Body::Close { query, accepted, .. } => {
            format!("closed {} with {} accepted contributions", of(query), accepted.len())
        }
        Body::Open { query, .. } => format!("opened its share of the sum of {}", of(query)),
        Body::Reveal { query, .. } => format!("showed its figures with privacy noise for {}", of(query)),
        Body::Release { query, sums, .. } => format!("released {}: {} sums", of(query), sums.len()),
        Body::Abort { query, code } => {
            format!("ended {} without a sum: {} (code {code})", of(query), abort_words(code))
        }
        Body::Void { query, code, .. } => {
            let meaning = VoidCode::from_code(code).map(VoidCode::meaning);
            format!("took back its debit for {}: {} (code {code})", of(query), because(meaning, "a reason"))
        }
        Body::Alert { query, code, subject } => {
            let meaning = AlertCode::from_code(code).map(AlertCode::meaning);
            format!(
                "warns of entry {} of {}, in {}: {} (code {code})",
                subject.index,
                owner(fold, &subject.log),
                of(query),
                because(meaning, "a reason")
            )
        }
        Body::Act(act) => act_said(fold, leaf, act),
        Body::Head { heads } => format!("says how far it holds the logs of {} others", heads.len()),
        Body::Split { log, .. } => {
            format!("shows that {} signed two histories of its log", owner(fold, log))
        }
    }
}

/// What a member speaks of: a proposal, an objection or a Query, by the id that commands take.
fn spoken_of(fold: &Fold, at: &Ref) -> String {
    let id = short(&at.leaf);
    let found = fold.acts().get(&at.leaf).filter(|done| done.at == *at);
    match found.map(|done| (&done.by, &done.act)) {
        Some((_, Act::Proposal { subject, .. })) => {
            format!("the proposed {} `{}` ({id})", subject.code(), subject.id())
        }
        Some((by, Act::Objection { .. })) => format!("the objection of {} ({id})", name(fold, by)),
        None if fold.round(&at.leaf).is_some() => title(fold, &at.leaf),
        Some(_) | None => format!("entry {} of {} ({id})", at.index, owner(fold, &at.log)),
    }
}

/// What a member did beside rounds; its texts are blobs, and not told here.
fn act_said(fold: &Fold, leaf: QueryId, act: &Act) -> String {
    let of = |at: &Ref| spoken_of(fold, at);
    match act {
        Act::Proposal { subject, replaces, .. } => {
            let instead = replaces.as_ref().map_or(String::new(), |old| format!(", instead of {}", of(old)));
            format!("proposes the {} `{}` ({}){instead}", subject.code(), subject.id(), short(&leaf))
        }
        Act::Cosign { proposal } => format!("supports {}", of(proposal)),
        Act::Withdrawal { proposal } => format!("takes back {}", of(proposal)),
        Act::Objection { about, .. } => format!("objects to {}: {}", of(about), short(&leaf)),
        Act::Reply { objection, .. } => format!("answers {}", of(objection)),
        Act::Review { proposal, .. } => {
            format!("has reviewed {}, and shows how once another reviewer has", of(proposal))
        }
        Act::Opened { proposal, findings, .. } => format!(
            "shows its review of {}: benefit {}, harm {}, least data {}",
            of(proposal),
            findings.benefit.code(),
            findings.harm.code(),
            findings.least_data.code()
        ),
        Act::Report { purpose, releases, outcome, .. } => {
            format!(
                "reports on the purpose `{purpose}` and {} of its releases: {}",
                releases.len(),
                match outcome {
                    Outcome::Changed => "something changed",
                    Outcome::Learnt => "something was learnt",
                    Outcome::Nothing => "nothing came of it",
                }
            )
        }
        Act::Handover { release, receipt, .. } => {
            let query = fold
                .rounds()
                .values()
                .find(|round| matches!(round.ending(), Some(Ending::Released(at)) if at == release));
            let what = query.map_or_else(|| of(release), |round| title(fold, &round.id));
            match receipt {
                None => format!("handed the result of {what} to somebody outside"),
                Some(_) => format!("has the receipt of somebody outside for the result of {what}"),
            }
        }
        Act::Restriction { target } => {
            let (what, id) = target.parts();
            format!("wants the {what} `{id}` to stop for 30 days")
        }
        Act::Delegation { audience, until, .. } => {
            format!("lets {audience} ask, within limits of its own, to the end of {}", until.day())
        }
        Act::Revocation { delegation } => format!("takes back the delegation at {}", of(delegation)),
    }
}

/// A proof that an entry stands in a log, under the largest head that a quorum of witnesses cosigned if that
/// covers it, else under the newest. Errors: no such log, or no signed head covers the entry.
pub fn prove_entry(member: &Member, index: u64, named: Option<&str>) -> Result<Value, CommandError> {
    let fold = member.fold();
    let log = match named {
        None => fold.log(member.me()),
        Some(text) => fold.log_named(text).or_else(|| fold.log(&text.parse().ok()?)),
    };
    let log = log.ok_or_else(|| {
        CommandError::usage(format!("`{}` is the log of no member here", named.unwrap_or_default()))
            .hint("name the member's id, as `datacoop charter show` lists it, or its log's origin")
    })?;
    let newest = || Some((log.note()?.0, member.witnessed().newest(log)?));
    let charter = fold.charter_of_log(log);
    let witnessed = charter.and_then(|charter| member.witnessed().note_under(log, charter.version()));
    let head = witnessed.filter(|(size, _)| *size > index).or_else(newest);
    let none = || {
        let size = log.note().map_or(0, |(size, _)| size);
        CommandError::usage(format!("the signed head of {} covers {size} entries, from 0 on", log.origin))
    };
    let (size, note) = head.filter(|(size, _)| *size > index).ok_or_else(none)?;
    let hashes = log.tree().inclusion_proof(index, size).ok_or_else(none)?;
    let place = usize::try_from(index).ok();
    let entry = place.and_then(|place| log.entries().get(place)).ok_or_else(none)?;
    Ok(json!({
        "schema": "datacoop.log-proof/1",
        "log": log.origin,
        "member": log.member.to_string(),
        "index": index,
        "size": size,
        "proof": TlogProof { index, hashes, note }.text(),
        // Whoever wrote it, the hash is of these bytes: what is no text has no proof that people can check.
        "entry": std::str::from_utf8(entry).map_err(|_| CommandError::failed("the entry is no text".into()))?,
        "policy": charter.and_then(|charter| policy_text(charter, &log.member)),
    }))
}
