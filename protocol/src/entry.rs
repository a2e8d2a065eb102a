//! Entries of a member's log: one line of canonical JSON each, integers and strings only.
//!
//! Source: LOG.md section 2. We differ in this: every entry of a round names its Query, so a reader
//! that has only part of the logs can still tell which round an entry belongs to; a Prio3 public
//! share stands in the entry itself (at most 480 bytes); a release carries the SHA-256 of its
//! figures, which everyone derives again from the sums it carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::is_line;
use datacoop_policy::ledger::{Account, Debit, Ledger};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::{AcademicYear, Digest, MemberId, Period, PrivacyLoss, QueryId, Time};

use crate::acts::Act;
use crate::bounds::{LAY_BYTES_MAX, PARAMS_MAX};
use crate::json::{Fields, JsonError, Value};
use crate::log::note::{Checkpoint, is_key_name, split_note};
use crate::log::split::{Evidence, PROOF_HASHES_MAX};

/// The code of an alert that a member signed two histories of its log.
const SPLIT_CODE: &str = "split";
/// Longest head in such an alert: an origin twice, a size, a root and one signature.
const HEAD_BYTES_MAX: usize = 1_024;

/// Points at an entry in a log, and binds its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ref {
    /// The log's origin. Copies share it.
    pub log: Arc<str>,
    /// Leaf index.
    pub index: u64,
    /// Leaf hash.
    pub leaf: Digest,
}

/// Why the asker asks, in its own words: the only free text of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lay {
    /// Why.
    pub why: String,
    /// Who benefits.
    pub benefits: String,
    /// Who pays.
    pub pays: String,
}

/// That a Query's Release is to supersede another: a correction, with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Supersedes {
    /// The Query of that Release.
    pub query: QueryId,
    /// Why, in the asker's words; it stands with them, as `because` of `lay`.
    pub because: String,
}

/// A `query` entry as it stands, before the Question in it is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryBody {
    /// The Question's definition, canonical JSON.
    pub question: Value,
    /// Parameter values by name.
    pub params: BTreeMap<String, String>,
    /// The days it is about.
    pub period: Period,
    /// Such as `attendance/1`.
    pub vocabulary: String,
    /// A purpose of the charter.
    pub purpose: String,
    /// Why, who benefits, who pays.
    pub lay: Lay,
    /// What each roster member debits.
    pub loss: PrivacyLoss,
    /// Secure or full noise.
    pub mode: Mode,
    /// What sizes the noise.
    pub assumed: Assumptions,
    /// Fewest members.
    pub min_roster: u32,
    /// Until when verdicts count.
    pub join_by: Time,
    /// Until when contributions are waited for.
    pub contribute_by: Time,
    /// Until when the committee is waited for.
    pub close_by: Time,
    /// The charter version's hash.
    pub charter: Digest,
    /// What it is to supersede, if anything.
    pub supersedes: Option<Supersedes>,
    /// The entries by which other members support its question.
    pub cosigners: Vec<Ref>,
    /// The delegation that it is asked under, by whoever is no coordinator.
    pub delegation: Option<Ref>,
}

/// A sealed share and the digest of what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedShare {
    /// SHA-256 of the share before sealing, so an audit opening can be checked.
    pub digest: Digest,
    /// SHA-256 of the sealed bytes: the blob's name.
    pub blob: Digest,
}

/// Where the log ended that another goes on from, and what it carries over (LOG.md section 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Previous {
    /// Its head.
    pub head: Checkpoint,
    /// Every account with what was spent; after a fork the larger of the two.
    pub ledger: Ledger,
}

/// Where an entry stands among all that its author wrote: by the log's name, of which those of one author differ in
/// a number alone, and the index.
pub type Order<'a> = (usize, &'a str, u64);

/// After every entry.
pub const LAST: Order<'static> = (usize::MAX, "", u64::MAX);

/// The order of the entry at this index of a log.
pub fn order_of(origin: &str, index: u64) -> Order<'_> {
    // A number without leading zeros is the larger the longer it is.
    (origin.len(), origin, index)
}

impl Ref {
    /// Where it stands among all that its author wrote.
    pub fn order(&self) -> Order<'_> {
        order_of(&self.log, self.index)
    }
}

/// What an entry says, by kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Seq 0 of every log: whose it is and under which keys.
    Genesis {
        /// The log's own origin.
        origin: String,
        /// Id of the charter it was started under.
        charter: Digest,
        /// Public keys by label.
        keys: BTreeMap<String, String>,
        /// A signature of each signing key over the key list, by label, base64.
        proofs: BTreeMap<String, String>,
        /// Of a log that goes on from another of its author's, whose keys were replaced: where that one ended.
        previous: Option<Box<Previous>>,
    },
    /// A charter version this member put in force.
    Charter {
        /// Its version.
        version: u32,
        /// SHA-256 of its text.
        hash: Digest,
        /// SHA-256 of the signed note that this member holds.
        note: Digest,
        /// From when on this member goes by it.
        from: Time,
    },
    /// A question to the members. Boxed: it is much larger than the rest.
    Query(Box<QueryBody>),
    /// This member will answer.
    Accept {
        /// Which Query.
        query: QueryId,
        /// SHA-256 of the nonce that the debit opens.
        nonce_hash: Digest,
        /// SHA-256 of the verify-key part that a freeze opens.
        vk_hash: Digest,
        /// A fresh X-Wing public key.
        round_key: Vec<u8>,
    },
    /// This member will not.
    Refuse {
        /// Which Query.
        query: QueryId,
        /// The rule's code.
        rule: String,
        /// The layer's code.
        layer: String,
    },
    /// The frozen set of members that said yes.
    Roster {
        /// Which Query.
        query: QueryId,
        /// Their accepting verdicts, in order of member id.
        verdicts: Vec<Ref>,
    },
    /// The Ledger's debit, before any noise.
    Debit {
        /// Which Query.
        query: QueryId,
        /// The Roster it is for.
        roster: Ref,
        /// Opens the verdict's nonce.
        nonce: [u8; 32],
        /// Account, before, loss, after.
        debit: Debit,
    },
    /// The sealed, noised Tally.
    Contribution {
        /// Which Query.
        query: QueryId,
        /// The debit it spends.
        debit: Ref,
        /// Prio3's nonce.
        nonce: [u8; 16],
        /// Prio3's public share.
        public_share: Vec<u8>,
        /// One for each committee seat, in committee order.
        shares: Vec<SealedShare>,
    },
    /// Full noise: the commitment to the noised vector.
    Commit {
        /// Which Query.
        query: QueryId,
        /// The debit it spends.
        debit: Ref,
        /// SHA-256(salt, noised vector).
        commit: Digest,
    },
    /// The set S that counts.
    Freeze {
        /// Which Query.
        query: QueryId,
        /// The Roster.
        roster: Ref,
        /// S, in order of member id.
        contributions: Vec<Ref>,
        /// This seat's part of the verify key; absent in full-noise mode.
        vk_part: Option<[u8; 32]>,
    },
    /// This seat's verifier shares for all of S.
    Verify {
        /// Which Query.
        query: QueryId,
        /// The k equal freezes.
        freezes: Vec<Ref>,
        /// SHA-256 of the verifier shares: a blob.
        blob: Digest,
    },
    /// The accepted set, and a commitment to this seat's aggregate share.
    Close {
        /// Which Query.
        query: QueryId,
        /// The k verify entries.
        verifies: Vec<Ref>,
        /// A, in order of member id.
        accepted: Vec<Ref>,
        /// SHA-256(salt, aggregate share).
        commit: Digest,
    },
    /// This seat's aggregate share. At most once, ever.
    Open {
        /// Which Query.
        query: QueryId,
        /// The k equal closes.
        closes: Vec<Ref>,
        /// The aggregate share.
        share: Vec<u8>,
        /// Opens the close's commitment.
        salt: [u8; 32],
    },
    /// Full noise: this member's noised vector.
    Reveal {
        /// Which Query.
        query: QueryId,
        /// The asker's freeze.
        freeze: Ref,
        /// The noised vector, in scaled grid steps.
        vector: Vec<i64>,
        /// Opens the commitment.
        salt: [u8; 32],
    },
    /// The sums.
    Release {
        /// Which Query.
        query: QueryId,
        /// Every open (or reveal) that was added up.
        opens: Vec<Ref>,
        /// Noisy sums in scaled grid steps, offsets taken off, cell by cell.
        sums: Vec<i64>,
        /// SHA-256 of the derived figures' canonical JSON.
        figures: Digest,
    },
    /// The round ends without a sum.
    Abort {
        /// Which Query.
        query: QueryId,
        /// Which deadline or check failed: a closed code.
        code: String,
    },
    /// An unused debit returns.
    Void {
        /// Which Query.
        query: QueryId,
        /// The debit.
        debit: Ref,
        /// `local`, `window`, `veto`, `lot` or `ended`.
        code: String,
    },
    /// Something that should not be: seen, and here is where.
    Alert {
        /// Which Query, if one.
        query: QueryId,
        /// A closed code.
        code: String,
        /// The entry that shows it.
        subject: Ref,
    },
    /// What its author holds of other members' logs, so that each log vouches for the others. Sorted by
    /// origin, no log twice.
    Head {
        /// The heads; none of an empty log.
        heads: Vec<Checkpoint>,
    },
    /// What members do together beside rounds: proposals and all that is said about them.
    Act(Act),
    /// A member signed two histories of its log: the proof, which needs nothing else.
    Split {
        /// Its log.
        log: String,
        /// The two heads.
        evidence: Box<Evidence>,
    },
}

/// An entry with its envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When its author says it wrote it, unix seconds.
    pub at: Time,
    /// Its author.
    pub by: MemberId,
    /// Its leaf index.
    pub seq: u64,
    /// What it says.
    pub body: Body,
}

/// Why bytes are no entry that this program understands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EntryError {
    /// Written by a newer program, `v` above ours: what follows in its log may mean something else.
    Newer,
    /// Of a kind that this program does not know: it counts for nothing here.
    UnknownKind,
    /// Not an entry: it counts for nothing anywhere.
    Malformed(JsonError),
}

impl std::fmt::Display for EntryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer => f.write_str("`v` is not 1: written by a newer program"),
            Self::UnknownKind => f.write_str("unknown `kind`"),
            Self::Malformed(error) => error.fmt(f),
        }
    }
}

impl From<JsonError> for EntryError {
    fn from(error: JsonError) -> Self {
        Self::Malformed(error)
    }
}

/// The format's version: a reader stops folding a log at one it does not know.
const VERSION: i64 = 1;
/// Every `kind` of this version.
const KINDS: [&str; 27] = [
    "abort",
    "alert",
    "charter",
    "close",
    "contribution",
    "cosign",
    "debit",
    "delegation",
    "freeze",
    "genesis",
    "handover",
    "head",
    "objection",
    "open",
    "proposal",
    "query",
    "release",
    "reply",
    "report",
    "restriction",
    "review",
    "revocation",
    "roster",
    "verdict",
    "verify",
    "void",
    "withdrawal",
];
/// Lists of references: a Roster has at most 200 members.
const REFS_MAX: usize = 256;

impl Body {
    /// The entry's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Charter { .. } => "charter",
            Self::Query(_) => "query",
            Self::Accept { .. } | Self::Refuse { .. } => "verdict",
            Self::Roster { .. } => "roster",
            Self::Debit { .. } => "debit",
            Self::Contribution { .. } | Self::Commit { .. } => "contribution",
            Self::Freeze { .. } => "freeze",
            Self::Verify { .. } => "verify",
            Self::Close { .. } => "close",
            Self::Open { .. } | Self::Reveal { .. } => "open",
            Self::Release { .. } => "release",
            Self::Abort { .. } => "abort",
            Self::Void { .. } => "void",
            Self::Head { .. } => "head",
            Self::Alert { .. } | Self::Split { .. } => "alert",
            Self::Act(act) => act.kind(),
        }
    }

    /// Whether every member waits for it, and not only who asked and who holds a seat.
    pub fn hurries_everybody(&self) -> bool {
        match self {
            Self::Query(_) | Self::Roster { .. } | Self::Release { .. } | Self::Abort { .. } => true,
            // Of a full-noise round: everyone in it reveals.
            Self::Freeze { vk_part, .. } => vk_part.is_none(),
            Self::Genesis { .. }
            | Self::Charter { .. }
            | Self::Accept { .. }
            | Self::Refuse { .. }
            | Self::Debit { .. }
            | Self::Contribution { .. }
            | Self::Commit { .. }
            | Self::Verify { .. }
            | Self::Close { .. }
            | Self::Open { .. }
            | Self::Reveal { .. }
            | Self::Void { .. }
            | Self::Alert { .. }
            | Self::Head { .. }
            | Self::Act(_)
            | Self::Split { .. } => false,
        }
    }

    /// The Query it belongs to; `None` for entries that belong to no round, and for `query` itself,
    /// whose leaf hash is the id.
    pub fn query(&self) -> Option<QueryId> {
        match self {
            Self::Genesis { .. }
            | Self::Charter { .. }
            | Self::Query(_)
            | Self::Head { .. }
            | Self::Act(_)
            | Self::Split { .. } => None,
            Self::Accept { query, .. }
            | Self::Refuse { query, .. }
            | Self::Roster { query, .. }
            | Self::Debit { query, .. }
            | Self::Contribution { query, .. }
            | Self::Commit { query, .. }
            | Self::Freeze { query, .. }
            | Self::Verify { query, .. }
            | Self::Close { query, .. }
            | Self::Open { query, .. }
            | Self::Reveal { query, .. }
            | Self::Release { query, .. }
            | Self::Abort { query, .. }
            | Self::Void { query, .. }
            | Self::Alert { query, .. } => Some(*query),
        }
    }
}

impl Entry {
    /// The entry's one line of canonical JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut fields = body_fields(&self.body);
        fields.push(("at", int(self.at.seconds())));
        fields.push(("by", text(self.by.as_str())));
        fields.push(("kind", text(self.body.kind())));
        fields.push(("seq", int(self.seq)));
        fields.push(("v", Value::Int(VERSION)));
        Value::object(fields).to_bytes()
    }

    /// Reads an entry. Errors: not canonical, an unknown kind or version, a missing, unknown or
    /// malformed field.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut fields = Fields::new(crate::json::parse(bytes)?)?;
        if fields.integer("v")? != VERSION {
            return Err(EntryError::Newer);
        }
        let at = Time::from_seconds(unsigned(&mut fields, "at")?);
        let by = member(&fields.string("by")?)?;
        let seq = unsigned(&mut fields, "seq")?;
        let kind = fields.string("kind")?;
        if !KINDS.contains(&kind.as_str()) {
            return Err(EntryError::UnknownKind);
        }
        let body = parse_body(&kind, &mut fields)?;
        fields.finish()?;
        Ok(Self { at, by, seq, body })
    }
}

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

fn body_fields(body: &Body) -> Vec<(&'static str, Value)> {
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

fn parse_body(kind: &str, fields: &mut Fields) -> Result<Body, JsonError> {
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

fn account_name(account: &Account) -> String {
    format!("{}/{}", account.dataset, account.year.0)
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

fn member(text: &str) -> Result<MemberId, JsonError> {
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

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
