//! Entries out of JSON: every field is there, known and in bounds, or there is no entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::is_line;
use datacoop_policy::ledger::{Account, Debit, Ledger};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::{AcademicYear, Digest, MemberId, Period, PrivacyLoss, QueryId, Time};

use super::write::account_name;
use super::{Body, Lay, Previous, QueryBody, Ref, SPLIT_CODE, SealedShare, Supersedes};
use crate::acts::Act;
use crate::bounds::{LAY_BYTES_MAX, PARAMS_MAX};
use crate::json::{Fields, JsonError, Value};
use crate::log::note::{Checkpoint, is_key_name, split_note};
use crate::log::split::{Evidence, PROOF_HASHES_MAX};

/// Longest head in an alert of two histories: an origin twice, a size, a root and one signature.
const HEAD_BYTES_MAX: usize = 1_024;
/// Lists of references: a Roster has at most 200 members.
const REFS_MAX: usize = 256;

pub(super) fn parse_body(kind: &str, fields: &mut Fields) -> Result<Body, JsonError> {
    match kind {
        "genesis" => Ok(Body::Genesis {
            origin: fields.string("origin")?,
            charter: fields.digest("charter")?,
            keys: parse_strings(fields, "keys")?,
            proofs: parse_strings(fields, "proofs")?,
            previous: fields.optional_object("previous")?.map(parse_previous).transpose()?.map(Box::new),
        }),
        "charter" => Ok(Body::Charter {
            version: small(fields, "version")?,
            hash: fields.digest("hash")?,
            note: fields.digest("note")?,
            from: unsigned(fields, "from").map(Time::from_seconds)?,
        }),
        "query" => parse_query(fields).map(|query| Body::Query(Box::new(query))),
        "head" => parse_heads(fields),
        _ if let Some(act) = Act::parse(kind, fields)? => Ok(Body::Act(act)),
        _ => match fields.optional_digest("query")? {
            Some(query) => parse_round_body(kind, query, fields),
            None if kind == "alert" => parse_split(fields),
            None => Err(JsonError::new("`query` is missing")),
        },
    }
}

fn parse_previous(value: Value) -> Result<Previous, JsonError> {
    let mut fields = Fields::new(value)?;
    let Value::Object(accounts) = fields.object("ledger")? else {
        return Err(JsonError::new("`ledger` is not an object"));
    };
    if accounts.len() > REFS_MAX {
        return Err(JsonError::new("`ledger` has too many accounts"));
    }
    let mut ledger = Ledger::default();
    for (name, spent) in accounts {
        let account = account_of(&name)?;
        let spent = match spent {
            Value::Int(nano) if account_name(&account) == name => u64::try_from(nano).ok(),
            Value::Int(_) | Value::Str(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let spent =
            spent.ok_or_else(|| JsonError::new("`ledger` is of accounts and what they have spent"))?;
        ledger.carry(&account, PrivacyLoss::from_nano(spent));
    }
    let origin = fields.string("origin")?;
    if !is_key_name(&origin) {
        return Err(JsonError::new("`origin` is no name of a log"));
    }
    let head = Checkpoint { origin, size: unsigned(&mut fields, "size")?, root: fields.digest("root")? };
    fields.finish()?;
    Ok(Previous { head, ledger })
}

/// An account as entries name it.
fn account_of(name: &str) -> Result<Account, JsonError> {
    let parts = name.rsplit_once('/').and_then(|(dataset, year)| Some((dataset, year.parse().ok()?)));
    let (dataset, year) = parts.ok_or_else(|| JsonError::new("`account` is dataset/year"))?;
    Ok(Account { dataset: dataset.to_owned(), year: AcademicYear(year) })
}

fn parse_heads(fields: &mut Fields) -> Result<Body, JsonError> {
    let wrong = || JsonError::new("`heads` are of origin, size and root, sorted by origin");
    let heads = bounded(fields.array("heads")?)?.into_iter().map(|value| {
        let Value::Array(parts) = value else { return Err(wrong()) };
        let [Value::Str(origin), Value::Int(size), Value::Str(root)] = &parts[..] else {
            return Err(wrong());
        };
        let size = u64::try_from(*size).ok().filter(|size| *size > 0).ok_or_else(wrong)?;
        let root = root.parse().map_err(|_| wrong())?;
        is_key_name(origin).then(|| Checkpoint { origin: origin.clone(), size, root }).ok_or_else(wrong)
    });
    let heads: Vec<Checkpoint> = heads.collect::<Result<_, _>>()?;
    if heads.is_empty() || !heads.is_sorted_by(|a, b| a.origin < b.origin) {
        return Err(wrong());
    }
    Ok(Body::Head { heads })
}

fn parse_split(fields: &mut Fields) -> Result<Body, JsonError> {
    if code(fields)? != SPLIT_CODE {
        return Err(JsonError::new("an alert about no query is about a split log"));
    }
    let notes = fields.array("notes")?.into_iter().map(|note| match note {
        Value::Str(note) if is_head(&note) => Ok(note),
        Value::Str(_) | Value::Int(_) | Value::Array(_) | Value::Object(_) => {
            Err(JsonError::new("`notes` are two signed heads"))
        }
    });
    let notes: Vec<String> = notes.collect::<Result<_, _>>()?;
    let proofs = fields.array("proofs")?.into_iter().map(parse_digests);
    let proofs: Vec<Vec<Digest>> = proofs.collect::<Result<_, _>>()?;
    let roots = parse_digests(Value::Array(fields.array("roots")?))?;
    let two = |name: &str| JsonError::new(&format!("`{name}` are two"));
    Ok(Body::Split {
        log: fields.string("log")?,
        evidence: Box::new(Evidence {
            notes: notes.try_into().map_err(|_| two("notes"))?,
            size: unsigned(fields, "size")?,
            roots: roots.try_into().map_err(|_| two("roots"))?,
            proofs: proofs.try_into().map_err(|_| two("proofs"))?,
        }),
    })
}

/// Whether a text has the form of a signed head and no room for anything else.
fn is_head(note: &str) -> bool {
    let parts = split_note(note);
    note.len() <= HEAD_BYTES_MAX
        && parts.is_ok_and(|(text, lines)| lines.len() == 1 && Checkpoint::parse(text).is_ok())
}

fn parse_digests(value: Value) -> Result<Vec<Digest>, JsonError> {
    let wrong = || JsonError::new("expected hashes");
    let Value::Array(values) = value else { return Err(wrong()) };
    if values.len() > PROOF_HASHES_MAX {
        return Err(JsonError::new("a proof is too long"));
    }
    let parsed = values.into_iter().map(|value| match value {
        Value::Str(text) => text.parse().map_err(|_| wrong()),
        Value::Int(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    });
    parsed.collect()
}

fn parse_round_body(kind: &str, query: QueryId, fields: &mut Fields) -> Result<Body, JsonError> {
    Ok(match kind {
        "verdict" => parse_verdict(query, fields)?,
        "roster" => Body::Roster { query, verdicts: parse_refs(fields, "verdicts")? },
        "debit" => parse_debit(query, fields)?,
        "contribution" => parse_contribution(query, fields)?,
        "freeze" => Body::Freeze {
            query,
            roster: parse_ref_field(fields, "roster")?,
            contributions: parse_refs(fields, "contributions")?,
            vk_part: fields.optional_bytes("vk_part")?.map(|bytes| exact(&bytes, "vk_part")).transpose()?,
        },
        "verify" => {
            Body::Verify { query, freezes: parse_refs(fields, "freezes")?, blob: fields.digest("blob")? }
        }
        "close" => Body::Close {
            query,
            verifies: parse_refs(fields, "verifies")?,
            accepted: parse_refs(fields, "accepted")?,
            commit: fields.digest("commit")?,
        },
        "open" => parse_open(query, fields)?,
        "release" => Body::Release {
            query,
            opens: parse_refs(fields, "opens")?,
            sums: parse_integers(fields, "sums")?,
            figures: fields.digest("figures")?,
        },
        "abort" => Body::Abort { query, code: code(fields)? },
        "void" => Body::Void { query, debit: parse_ref_field(fields, "debit")?, code: code(fields)? },
        "alert" => Body::Alert { query, subject: parse_ref_field(fields, "subject")?, code: code(fields)? },
        _ => return Err(JsonError::new("a `kind` of no round")),
    })
}

fn parse_verdict(query: QueryId, fields: &mut Fields) -> Result<Body, JsonError> {
    match fields.integer("accept")? {
        1 => Ok(Body::Accept {
            query,
            nonce_hash: fields.digest("nonce_hash")?,
            vk_hash: fields.digest("vk_hash")?,
            round_key: fields.bytes("round_key")?,
        }),
        0 => Ok(Body::Refuse { query, rule: code_of(fields, "rule")?, layer: code_of(fields, "layer")? }),
        _ => Err(JsonError::new("`accept` is 0 or 1")),
    }
}

fn parse_debit(query: QueryId, fields: &mut Fields) -> Result<Body, JsonError> {
    let roster = parse_ref_field(fields, "roster")?;
    let nonce = exact(&fields.bytes("nonce")?, "nonce")?;
    let mut ledger = Fields::new(fields.object("ledger")?)?;
    let account = account_of(&ledger.string("account")?)?;
    let mut loss = |name| unsigned(&mut ledger, name).map(PrivacyLoss::from_nano);
    let (before, cost, after) = (loss("before")?, loss("loss")?, loss("after")?);
    ledger.finish()?;
    Ok(Body::Debit { query, roster, nonce, debit: Debit { account, before, loss: cost, after } })
}

fn parse_contribution(query: QueryId, fields: &mut Fields) -> Result<Body, JsonError> {
    let debit = parse_ref_field(fields, "debit")?;
    if let Some(commit) = fields.optional_digest("commit")? {
        return Ok(Body::Commit { query, debit, commit });
    }
    let nonce = exact(&fields.bytes("prio_nonce")?, "prio_nonce")?;
    let public_share = fields.bytes("public_share")?;
    let shares = bounded(fields.array("shares")?)?.into_iter().map(|share| {
        let mut share = Fields::new(share)?;
        let sealed = SealedShare { digest: share.digest("digest")?, blob: share.digest("blob")? };
        share.finish()?;
        Ok(sealed)
    });
    let shares = shares.collect::<Result<_, JsonError>>()?;
    Ok(Body::Contribution { query, debit, nonce, public_share, shares })
}

fn parse_open(query: QueryId, fields: &mut Fields) -> Result<Body, JsonError> {
    let salt = exact(&fields.bytes("salt")?, "salt")?;
    if let Some(share) = fields.optional_bytes("share")? {
        return Ok(Body::Open { query, closes: parse_refs(fields, "closes")?, share, salt });
    }
    let freeze = parse_ref_field(fields, "freeze")?;
    Ok(Body::Reveal { query, freeze, vector: parse_integers(fields, "vector")?, salt })
}

fn parse_query(fields: &mut Fields) -> Result<QueryBody, JsonError> {
    let mut lay = Fields::new(fields.object("lay")?)?;
    let supersedes = fields.optional_digest("supersedes")?;
    let mut words = |name| {
        let words = lay.string(name)?;
        if words.len() > LAY_BYTES_MAX { Err(JsonError::new("`lay` text is too long")) } else { Ok(words) }
    };
    let spoken = Lay { why: words("why")?, benefits: words("benefits")?, pays: words("pays")? };
    let supersedes = supersedes.map(|query| {
        let because = words("because")?;
        let said = !because.trim().is_empty();
        if said { Ok(Supersedes { query, because }) } else { Err(JsonError::new("`because` says nothing")) }
    });
    let supersedes = supersedes.transpose()?;
    lay.finish()?;
    let params = parse_strings(fields, "params")?;
    if params.len() > PARAMS_MAX {
        return Err(JsonError::new("too many parameters"));
    }
    let mut moment = |name| unsigned(fields, name).map(Time::from_seconds);
    let (join_by, contribute_by, close_by) =
        (moment("join_by")?, moment("contribute_by")?, moment("close_by")?);
    Ok(QueryBody {
        question: fields.object("question")?,
        params,
        period: Period::parse(&fields.string("period")?)
            .ok_or_else(|| JsonError::new("`period` is no period"))?,
        vocabulary: line(fields, "vocabulary")?,
        purpose: line(fields, "purpose")?,
        lay: spoken,
        loss: PrivacyLoss::from_nano(unsigned(fields, "rho")?),
        mode: Mode::from_code(&fields.string("mode")?).ok_or_else(|| JsonError::new("unknown `mode`"))?,
        assumed: Assumptions {
            colluding_percent: small(fields, "colluding_percent")?,
            missing_percent: small(fields, "missing_percent")?,
            committee_max: small(fields, "committee_max")?,
        },
        min_roster: small(fields, "min_roster")?,
        join_by,
        contribute_by,
        close_by,
        charter: fields.digest("charter")?,
        supersedes,
        cosigners: parse_cosigners(fields)?,
        delegation: fields.optional_object("delegation")?.map(parse_ref).transpose()?,
    })
}

/// One form for none: no field. Sorted, each of another log.
fn parse_cosigners(fields: &mut Fields) -> Result<Vec<Ref>, JsonError> {
    let cosigners = match fields.optional_array("cosigners")? {
        None => return Ok(vec![]),
        Some(values) => bounded(values)?.into_iter().map(parse_ref).collect::<Result<Vec<_>, _>>()?,
    };
    if cosigners.is_empty() || !cosigners.is_sorted_by(|a, b| a.log < b.log) {
        return Err(JsonError::new("`cosigners` are sorted, one of each log"));
    }
    Ok(cosigners)
}

pub(super) fn member(text: &str) -> Result<MemberId, JsonError> {
    text.parse().map_err(|_| JsonError::new("`by` is no member id"))
}

pub(crate) fn unsigned(fields: &mut Fields, name: &str) -> Result<u64, JsonError> {
    u64::try_from(fields.integer(name)?).map_err(|_| JsonError::new(&format!("`{name}` is negative")))
}

fn small(fields: &mut Fields, name: &str) -> Result<u32, JsonError> {
    u32::try_from(fields.integer(name)?).map_err(|_| JsonError::new(&format!("`{name}` is out of range")))
}

/// Codes are closed lists elsewhere; here they must at least be short and plain, so that no log
/// can smuggle text.
pub(crate) fn code_of(fields: &mut Fields, name: &str) -> Result<String, JsonError> {
    let code = fields.string(name)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
    if code.is_empty() || code.len() > 32 || !code.bytes().all(plain) {
        return Err(JsonError::new(&format!("`{name}` is no code")));
    }
    Ok(code)
}

/// A name as a charter may hold one: refusals quote it.
fn line(fields: &mut Fields, name: &str) -> Result<String, JsonError> {
    let line = fields.string(name)?;
    if is_line(&line) { Ok(line) } else { Err(JsonError::new(&format!("`{name}` is no line"))) }
}

fn code(fields: &mut Fields) -> Result<String, JsonError> {
    code_of(fields, "code")
}

pub(crate) fn exact<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], JsonError> {
    bytes.try_into().map_err(|_| JsonError::new(&format!("`{name}` has another length")))
}

fn bounded(values: Vec<Value>) -> Result<Vec<Value>, JsonError> {
    if values.len() > REFS_MAX { Err(JsonError::new("a list is too long")) } else { Ok(values) }
}

pub(crate) fn parse_ref(value: Value) -> Result<Ref, JsonError> {
    let mut fields = Fields::new(value)?;
    let found = Ref {
        index: unsigned(&mut fields, "index")?,
        leaf: fields.digest("leaf")?,
        log: Arc::from(fields.string("log")?),
    };
    fields.finish()?;
    Ok(found)
}

pub(crate) fn parse_ref_field(fields: &mut Fields, name: &str) -> Result<Ref, JsonError> {
    parse_ref(fields.object(name)?)
}

pub(crate) fn parse_refs(fields: &mut Fields, name: &str) -> Result<Vec<Ref>, JsonError> {
    bounded(fields.array(name)?)?.into_iter().map(parse_ref).collect()
}

fn parse_integers(fields: &mut Fields, name: &str) -> Result<Vec<i64>, JsonError> {
    let values = fields.array(name)?.into_iter();
    values
        .map(|value| match value {
            Value::Int(number) => Ok(number),
            Value::Str(_) | Value::Array(_) | Value::Object(_) => Err(JsonError::new("expected integers")),
        })
        .collect()
}

fn parse_strings(fields: &mut Fields, name: &str) -> Result<BTreeMap<String, String>, JsonError> {
    let Value::Object(map) = fields.object(name)? else {
        return Err(JsonError::new(&format!("`{name}` is not an object")));
    };
    map.into_iter()
        .map(|(key, value)| match value {
            Value::Str(text) => Ok((key, text)),
            Value::Int(_) | Value::Array(_) | Value::Object(_) => Err(JsonError::new("expected strings")),
        })
        .collect()
}
