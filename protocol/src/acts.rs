//! What members do together beside asking and answering: they propose, support, object, review, report,
//! restrict and delegate. Entries only; what follows from them is worked out here, the same for every reader.
//!
//! Source: CHARTER.md sections 3 and 4, LOG.md section 2. We differ in this: an objection's answer is an entry
//! of its own (`reply`), and so is taking a proposal back (`withdrawal`); a proposal says under which version
//! it is made, so that it goes stale with it; nobody rejects a proposal: whoever is against it does not sign.

pub mod delegations;
mod handovers;
mod purposes;
mod state;

use datacoop_policy::charter::{Member, Role};
use datacoop_policy::limits::Limits;
use datacoop_policy::{Digest, MemberId, Span, Time};

use crate::entry::{
    Ref, code_of, digest, exact, int, parse_ref_field, parse_refs, reference, refs, text, unsigned,
};
use crate::json::{Fields, JsonError, Value};
use crate::log::tree::sha256;

use delegations::{limits_value, parse_limits};
pub use handovers::Handed;
pub(crate) use handovers::{check_handover, released};
pub use purposes::NoReport;
use purposes::{parse_reviewers, reviewers_value};
pub use state::{Acts, Blocked, Objection, Restriction, Reviewed, State, is_entitled};
pub(crate) use state::{has_vote, is_ahead, is_one_too_many};

/// A proposal that is not adopted by then is stale (CHARTER.md section 4).
pub const PROPOSAL_OPEN: Span = Span(60 * 86_400_000);
/// After an objection nobody's program signs for so long: time to hear it.
pub const OBJECTION_WAITS: Span = Span(7 * 86_400_000);
/// How long one restriction holds (CHARTER.md, C11).
pub const RESTRICTION_HOLDS: Span = Span(30 * 86_400_000);
/// A member restricts one and the same at most so often within `RESTRICTIONS_WITHIN` (C11: repeatable once).
pub const RESTRICTIONS_MAX: usize = 2;
/// A year, and not a version of the charter: which one a member went by is its own word.
pub const RESTRICTIONS_WITHIN: Span = Span(365 * 86_400_000);
/// Random bytes before a text in its blob: without the blob nobody can tell what the text was, not even by
/// trying all texts.
pub const TEXT_SALT_BYTES: usize = 32;
/// Longest text: a charter, with room for its salt.
pub const TEXT_BYTES_MAX: usize = 256 * 1_024 + TEXT_SALT_BYTES;
/// Longest id in such an entry, as in charters.
const ID_BYTES_MAX: usize = 64;

/// What is proposed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A question, by its id; adopted once a Query asks it.
    Question(String),
    /// A purpose, by its id; adopted once a version of the charter has it.
    Purpose(String),
    /// The next version of the charter, by its number; adopted once it is one.
    Charter(String),
}

/// What is restricted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// A member is suspended: it neither asks nor takes part.
    Member(MemberId),
    /// A purpose is paused.
    Purpose(String),
    /// A dataset is paused.
    Dataset(String),
}

/// What a reviewer found of one thing it was asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Grade {
    /// It is as it should be.
    Good,
    /// It is, if what the text says is done.
    Doubtful,
    /// It is not.
    Bad,
}

/// A review: of what good a purpose does, what harm, and whether it takes the least data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Findings {
    /// Benefit.
    pub benefit: Grade,
    /// Harm.
    pub harm: Grade,
    /// Least data.
    pub least_data: Grade,
    /// The blob of its reasons.
    pub text: Digest,
}

/// What came of a purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// Something changed for the people whom the records describe.
    Changed,
    /// Something was learnt, and nothing changed yet.
    Learnt,
    /// Nothing came of it.
    Nothing,
}

/// What a member did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// It proposes something.
    Proposal {
        /// What.
        subject: Subject,
        /// SHA-256 of the draft: a charter's text, a purpose's or a question's.
        draft: Digest,
        /// The blob of the draft.
        text: Digest,
        /// The charter version under which it is made.
        charter: Digest,
        /// The proposal whose wording it changes.
        replaces: Option<Ref>,
        /// Of a purpose, the two members that review it, as its text names them; else nobody.
        reviewers: Vec<MemberId>,
    },
    /// It supports a proposal.
    Cosign {
        /// Which.
        proposal: Ref,
    },
    /// It takes its proposal back.
    Withdrawal {
        /// Which.
        proposal: Ref,
    },
    /// It is against a proposal or a Query.
    Objection {
        /// Which.
        about: Ref,
        /// The blob of its reasons.
        text: Digest,
    },
    /// It answers an objection to what it proposed or asked.
    Reply {
        /// Which.
        objection: Ref,
        /// The blob of the answer.
        text: Digest,
    },
    /// It has reviewed a proposal, and does not yet show how.
    Review {
        /// Which.
        proposal: Ref,
        /// `findings_hash` of what it found.
        hash: Digest,
    },
    /// What it found: shown once the other reviewer is bound too.
    Opened {
        /// Which proposal.
        proposal: Ref,
        /// Opens the hash.
        salt: [u8; 32],
        /// What it found.
        findings: Findings,
    },
    /// What the members learnt under a purpose, and what changed: without it a purpose is not renewed.
    Report {
        /// The purpose's id.
        purpose: String,
        /// Releases it is about.
        releases: Vec<Ref>,
        /// What came of it.
        outcome: Outcome,
        /// The blob of what it says.
        text: Digest,
    },
    /// It handed a Release to somebody outside the co-operative; or has their receipt for that. Who they are nobody
    /// reads here.
    Handover {
        /// The Release.
        release: Ref,
        /// SHA-256 of the licence under which they have it.
        licence: Digest,
        /// `recipient_hash` of who they are: the same in both entries where the receipt came later.
        to: Digest,
        /// `receipt_hash` of what they signed.
        receipt: Option<Digest>,
    },
    /// It wants something to stop, now and for a while.
    Restriction {
        /// What.
        target: Target,
    },
    /// It lets one member ask, for a while. Source: CHARTER.md section 4.
    Delegation {
        /// Which member.
        audience: MemberId,
        /// What may be asked.
        limits: Box<Limits>,
        /// Its last second.
        until: Time,
        /// The charter version under which it is given.
        charter: Digest,
    },
    /// It takes a delegation back.
    Revocation {
        /// Which.
        delegation: Ref,
    },
}

/// What a review is bound by before it is shown: whose it is and of what, too. Else a reviewer could bind itself by
/// the other's hash, and show what the other then shows, having looked at nothing.
pub fn findings_hash(by: &MemberId, proposal: &Ref, salt: &[u8; 32], findings: &Findings) -> Digest {
    let said = Value::object(findings_fields(findings)).to_bytes();
    let by = format!("{by}\n");
    sha256(&[b"datacoop/review/v1\n", by.as_bytes(), &proposal.leaf.0, salt, &said])
}

/// What stands in a log of whom a Release was handed to: the member keeps name and salt, and can show them later. Without
/// the salt nobody can tell, not even by trying all names.
pub fn recipient_hash(salt: &[u8; TEXT_SALT_BYTES], release: &Digest, name: &str) -> Digest {
    sha256(&[b"datacoop/handover/v1\n", salt, &release.0, name.as_bytes()])
}

/// As `recipient_hash`, of the receipt.
pub fn receipt_hash(salt: &[u8; TEXT_SALT_BYTES], text: &str) -> Digest {
    sha256(&[b"datacoop/receipt/v1\n", salt, text.as_bytes()])
}

/// A text as its blob: random bytes, then the text. `None` when it is too long.
pub fn text_blob(salt: &[u8; TEXT_SALT_BYTES], text: &str) -> Option<Vec<u8>> {
    let blob = [&salt[..], text.as_bytes()].concat();
    (blob.len() <= TEXT_BYTES_MAX).then_some(blob)
}

/// The text in a blob; `None` of what is no such blob.
pub fn blob_text(blob: &[u8]) -> Option<&str> {
    let whole = (blob.len() <= TEXT_BYTES_MAX).then_some(blob)?;
    std::str::from_utf8(whole.get(TEXT_SALT_BYTES..)?).ok()
}

impl Act {
    /// The entry's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Proposal { .. } => "proposal",
            Self::Cosign { .. } => "cosign",
            Self::Withdrawal { .. } => "withdrawal",
            Self::Objection { .. } => "objection",
            Self::Reply { .. } => "reply",
            Self::Review { .. } | Self::Opened { .. } => "review",
            Self::Report { .. } => "report",
            Self::Handover { .. } => "handover",
            Self::Restriction { .. } => "restriction",
            Self::Delegation { .. } => "delegation",
            Self::Revocation { .. } => "revocation",
        }
    }

    /// The blob of its text.
    pub fn text(&self) -> Option<Digest> {
        match self {
            Self::Proposal { text, .. }
            | Self::Objection { text, .. }
            | Self::Reply { text, .. }
            | Self::Opened { findings: Findings { text, .. }, .. }
            | Self::Report { text, .. } => Some(*text),
            Self::Cosign { .. }
            | Self::Withdrawal { .. }
            | Self::Review { .. }
            | Self::Handover { .. }
            | Self::Restriction { .. }
            | Self::Delegation { .. }
            | Self::Revocation { .. } => None,
        }
    }

    /// What it is about, if that is an entry.
    pub fn about(&self) -> Option<&Ref> {
        match self {
            Self::Proposal { replaces, .. } => replaces.as_ref(),
            Self::Cosign { proposal }
            | Self::Withdrawal { proposal }
            | Self::Review { proposal, .. }
            | Self::Opened { proposal, .. } => Some(proposal),
            Self::Objection { about, .. } => Some(about),
            Self::Reply { objection, .. } => Some(objection),
            Self::Revocation { delegation } => Some(delegation),
            Self::Handover { release, .. } => Some(release),
            Self::Report { .. } | Self::Restriction { .. } | Self::Delegation { .. } => None,
        }
    }

    /// Every entry that it cites.
    pub fn cites(&self) -> Vec<&Ref> {
        match self {
            Self::Report { releases, .. } => releases.iter().collect(),
            Self::Proposal { .. }
            | Self::Cosign { .. }
            | Self::Withdrawal { .. }
            | Self::Objection { .. }
            | Self::Reply { .. }
            | Self::Review { .. }
            | Self::Opened { .. }
            | Self::Handover { .. }
            | Self::Restriction { .. }
            | Self::Delegation { .. }
            | Self::Revocation { .. } => self.about().into_iter().collect(),
        }
    }

    /// Who may do it, by role: one of these is enough. Whoever is affected objects and supports without a
    /// vote; a helper drafts, and never signs (CHARTER.md section 2). That a member suspends itself needs no role.
    pub fn roles(&self) -> &'static [Role] {
        match self {
            Self::Proposal { .. } | Self::Withdrawal { .. } | Self::Reply { .. } => {
                &[Role::Voting, Role::Coordinator, Role::Observer, Role::Helper]
            }
            Self::Cosign { .. } | Self::Objection { .. } => &[Role::Voting, Role::Observer],
            Self::Review { .. } | Self::Opened { .. } | Self::Restriction { .. } => &[Role::Voting],
            Self::Report { .. } => &[Role::Voting, Role::Coordinator],
            Self::Delegation { .. } | Self::Revocation { .. } => &[Role::Coordinator],
            // Whoever reads results can hand them on.
            Self::Handover { .. } => {
                &[Role::Voting, Role::Coordinator, Role::Witness, Role::Auditor, Role::Observer]
            }
        }
    }

    /// Whether this member may do it. Who is dormant may still speak, as whoever drafts does; it has no vote
    /// to cast (CHARTER.md C14).
    pub fn is_for(&self, member: &Member) -> bool {
        let roles = self.roles();
        roles.iter().any(|role| member.has(*role)) && (!member.dormant || roles.contains(&Role::Helper))
    }

    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Proposal { subject, draft, text: blob, charter, replaces, reviewers } => {
                let (what, id) = match subject {
                    Subject::Question(id) => ("question", id),
                    Subject::Purpose(id) => ("purpose", id),
                    Subject::Charter(id) => ("charter", id),
                };
                let mut fields = vec![
                    ("charter", digest(charter)),
                    ("draft", digest(draft)),
                    ("id", text(id)),
                    ("text", digest(blob)),
                    ("what", text(what)),
                ];
                fields.extend(replaces.as_ref().map(|old| ("replaces", reference(old))));
                if matches!(subject, Subject::Purpose(_)) {
                    fields.push(("reviewers", reviewers_value(reviewers)));
                }
                fields
            }
            Self::Cosign { proposal } | Self::Withdrawal { proposal } => {
                vec![("proposal", reference(proposal))]
            }
            Self::Objection { about, text } => vec![("about", reference(about)), ("text", digest(text))],
            Self::Reply { objection, text } => {
                vec![("objection", reference(objection)), ("text", digest(text))]
            }
            Self::Review { proposal, hash } => {
                vec![("hash", digest(hash)), ("proposal", reference(proposal))]
            }
            Self::Opened { proposal, salt, findings } => vec![
                ("findings", Value::object(findings_fields(findings))),
                ("proposal", reference(proposal)),
                ("salt", Value::base64(salt)),
            ],
            Self::Report { purpose, releases, outcome, text: blob } => vec![
                ("outcome", text(outcome.code())),
                ("purpose", text(purpose)),
                ("releases", refs(releases)),
                ("text", digest(blob)),
            ],
            Self::Handover { release, licence, to, receipt } => {
                let mut fields =
                    vec![("licence", digest(licence)), ("release", reference(release)), ("to", digest(to))];
                fields.extend(receipt.as_ref().map(|receipt| ("receipt", digest(receipt))));
                fields
            }
            Self::Restriction { target } => {
                let (what, id) = target.parts();
                vec![("id", text(id)), ("what", text(what))]
            }
            Self::Delegation { audience, limits, until, charter } => vec![
                ("audience", text(audience.as_str())),
                ("charter", digest(charter)),
                ("limits", limits_value(limits)),
                ("until", int(until.seconds())),
            ],
            Self::Revocation { delegation } => vec![("delegation", reference(delegation))],
        }
    }

    /// Reads the fields of an act of this kind; `None` where the kind is none of an act.
    pub(crate) fn parse(kind: &str, fields: &mut Fields) -> Result<Option<Self>, JsonError> {
        Ok(Some(match kind {
            "proposal" => parse_proposal(fields)?,
            "cosign" => Self::Cosign { proposal: parse_ref_field(fields, "proposal")? },
            "withdrawal" => Self::Withdrawal { proposal: parse_ref_field(fields, "proposal")? },
            "objection" => {
                Self::Objection { about: parse_ref_field(fields, "about")?, text: fields.digest("text")? }
            }
            "reply" => {
                Self::Reply { objection: parse_ref_field(fields, "objection")?, text: fields.digest("text")? }
            }
            "review" => parse_review(fields)?,
            "report" => Self::Report {
                purpose: id(fields, "purpose")?,
                releases: parse_refs(fields, "releases")?,
                outcome: one_of(&Outcome::ALL, Outcome::code, &code_of(fields, "outcome")?)?,
                text: fields.digest("text")?,
            },
            "handover" => Self::Handover {
                release: parse_ref_field(fields, "release")?,
                licence: fields.digest("licence")?,
                to: fields.digest("to")?,
                receipt: fields.optional_digest("receipt")?,
            },
            "restriction" => Self::Restriction { target: parse_target(fields)? },
            "delegation" => Self::Delegation {
                audience: parse_member(&fields.string("audience")?, "audience")?,
                limits: Box::new(parse_limits(fields.object("limits")?)?),
                until: Time::from_seconds(unsigned(fields, "until")?),
                charter: fields.digest("charter")?,
            },
            "revocation" => Self::Revocation { delegation: parse_ref_field(fields, "delegation")? },
            _ => return Ok(None),
        }))
    }
}

impl Subject {
    /// As written in an entry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Question(_) => "question",
            Self::Purpose(_) => "purpose",
            Self::Charter(_) => "charter",
        }
    }

    /// Which one.
    pub fn id(&self) -> &str {
        match self {
            Self::Question(id) | Self::Purpose(id) | Self::Charter(id) => id,
        }
    }
}

impl Target {
    /// What it is, as written in an entry, and which one.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Member(id) => ("member", id.as_str()),
            Self::Purpose(id) => ("purpose", id),
            Self::Dataset(id) => ("dataset", id),
        }
    }
}

impl Grade {
    /// Every grade.
    pub const ALL: [Self; 3] = [Self::Good, Self::Doubtful, Self::Bad];

    /// As written in an entry.
    pub fn code(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Changed, Self::Learnt, Self::Nothing];

    /// As written in an entry.
    pub fn code(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Learnt => "learnt",
            Self::Nothing => "nothing",
        }
    }
}

/// Who did something, when it says it did, and where that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// The entry.
    pub at: Ref,
    /// Its author.
    pub by: MemberId,
    /// When, as its author says.
    pub time: Time,
    /// What.
    pub act: Act,
}

fn findings_fields(findings: &Findings) -> Vec<(&'static str, Value)> {
    vec![
        ("benefit", text(findings.benefit.code())),
        ("harm", text(findings.harm.code())),
        ("least_data", text(findings.least_data.code())),
        ("text", digest(&findings.text)),
    ]
}

fn parse_proposal(fields: &mut Fields) -> Result<Act, JsonError> {
    let named = id(fields, "id")?;
    let subject = match fields.string("what")?.as_str() {
        "question" => Subject::Question(named),
        "purpose" => Subject::Purpose(named),
        "charter" => Subject::Charter(named),
        _ => return Err(JsonError::new("`what` is question, purpose or charter")),
    };
    let reviewers = match subject {
        Subject::Purpose(_) => parse_reviewers(fields)?,
        Subject::Question(_) | Subject::Charter(_) => vec![],
    };
    Ok(Act::Proposal {
        subject,
        reviewers,
        draft: fields.digest("draft")?,
        text: fields.digest("text")?,
        charter: fields.digest("charter")?,
        replaces: fields.optional_object("replaces")?.map(crate::entry::parse_ref).transpose()?,
    })
}

fn parse_review(fields: &mut Fields) -> Result<Act, JsonError> {
    let proposal = parse_ref_field(fields, "proposal")?;
    if let Some(hash) = fields.optional_digest("hash")? {
        return Ok(Act::Review { proposal, hash });
    }
    let salt = exact(&fields.bytes("salt")?, "salt")?;
    let mut said = Fields::new(fields.object("findings")?)?;
    let mut grade = |name| one_of(&Grade::ALL, Grade::code, &code_of(&mut said, name)?);
    let (benefit, harm, least_data) = (grade("benefit")?, grade("harm")?, grade("least_data")?);
    let findings = Findings { benefit, harm, least_data, text: said.digest("text")? };
    said.finish()?;
    Ok(Act::Opened { proposal, salt, findings })
}

fn parse_target(fields: &mut Fields) -> Result<Target, JsonError> {
    let named = id(fields, "id")?;
    match fields.string("what")?.as_str() {
        "member" => Ok(Target::Member(parse_member(&named, "id")?)),
        "purpose" => Ok(Target::Purpose(named)),
        "dataset" => Ok(Target::Dataset(named)),
        _ => Err(JsonError::new("`what` is member, purpose or dataset")),
    }
}

fn one_of<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str, said: &str) -> Result<T, JsonError> {
    all.iter().copied().find(|value| code(*value) == said).ok_or_else(|| JsonError::new("an unknown code"))
}

/// An id of a charter or question: letters, digits and signs, so that no log can smuggle text.
fn id(fields: &mut Fields, name: &str) -> Result<String, JsonError> {
    plain_id(fields.string(name)?, name)
}

fn plain_id(id: String, name: &str) -> Result<String, JsonError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(JsonError::new(&format!("`{name}` is no id")));
    }
    Ok(id)
}

fn parse_member(named: &str, name: &str) -> Result<MemberId, JsonError> {
    named.parse().map_err(|_| JsonError::new(&format!("`{name}` is no member id")))
}

#[cfg(test)]
#[path = "acts_tests.rs"]
mod tests;
