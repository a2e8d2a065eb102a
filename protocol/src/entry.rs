//! Entries of a member's log: one line of canonical JSON each, integers and strings only.
//!
//! Source: LOG.md section 2. We differ in this: every entry of a round names its Query, so a reader
//! that has only part of the logs can still tell which round an entry belongs to; a Prio3 public
//! share stands in the entry itself (at most 480 bytes); a release carries the SHA-256 of its
//! figures, which everyone derives again from the sums it carries.

mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::ledger::{Debit, Ledger};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, QueryId, Time};

use crate::acts::Act;
use crate::json::{Fields, JsonError, Value};
use crate::log::note::Checkpoint;
use crate::log::split::Evidence;

pub(crate) use read::{code_of, exact, parse_ref, parse_ref_field, parse_refs, unsigned};
pub(crate) use write::{digest, int, reference, refs, text};

/// The code of an alert that a member signed two histories of its log.
const SPLIT_CODE: &str = "split";

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
        let mut fields = write::body_fields(&self.body);
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
        let by = read::member(&fields.string("by")?)?;
        let seq = unsigned(&mut fields, "seq")?;
        let kind = fields.string("kind")?;
        if !KINDS.contains(&kind.as_str()) {
            return Err(EntryError::UnknownKind);
        }
        let body = read::parse_body(&kind, &mut fields)?;
        fields.finish()?;
        Ok(Self { at, by, seq, body })
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
