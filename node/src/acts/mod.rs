//! What the person here does with other members beside asking: turns a request of the command line into an
//! entry with its text, and has the Member write it. Whether it may be done is the Member's decision.

pub mod delegations;
pub mod draft;
pub mod recipients;
pub mod reviews;
pub mod shown;

use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::acts::{Act, Done, Outcome, TEXT_BYTES_MAX, TEXT_SALT_BYTES, Target, text_blob};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::Member;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::stopped;
use crate::clock;
use crate::driver::{ActReply, Handle};
use crate::entropy;
use crate::error::CommandError;
use draft::{Draft, What};

/// Ids that are named where none fits, or several do.
const NEAREST_MAX: usize = 3;

/// What to propose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposeRequest {
    /// What kind of thing.
    pub what: What,
    /// The draft's text.
    pub text: String,
    /// The proposal whose wording it changes.
    pub instead_of: Option<String>,
}

/// What else to do. Ids are the beginnings of leaf hashes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub enum ActRequest {
    /// Support a proposal.
    Support {
        /// Which.
        id: String,
    },
    /// Take back a proposal of one's own.
    Withdraw {
        /// Which.
        id: String,
    },
    /// Object to a proposal or a question that was asked.
    Object {
        /// Which.
        id: String,
        /// Why.
        because: String,
    },
    /// Answer an objection.
    Reply {
        /// Which.
        id: String,
        /// The answer.
        text: String,
    },
    /// Say what came of a purpose.
    Report {
        /// Its id.
        purpose: String,
        /// `changed`, `learnt` or `nothing`.
        outcome: String,
        /// What it says.
        text: String,
        /// The Queries whose Releases it is about.
        queries: Vec<String>,
    },
    /// Want something to stop for a while.
    Pause {
        /// `member`, `purpose` or `dataset`.
        what: String,
        /// Which.
        id: String,
    },
    /// Let a member ask.
    Delegate(delegations::Wanted),
    /// Take a delegation back.
    Revoke {
        /// Which.
        id: String,
    },
}

/// A text with fresh salt, and its name.
///
/// Errors: it says nothing, or is too long.
pub fn salted(text: &str, salt: &[u8; TEXT_SALT_BYTES]) -> Result<(Digest, Vec<u8>), CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::usage("the text says nothing; say it in a sentence or more".into()));
    }
    let blob = text_blob(salt, text).ok_or_else(|| {
        let most = TEXT_BYTES_MAX - TEXT_SALT_BYTES;
        CommandError::usage(format!("the text has {} bytes; at most {most} are kept", text.len()))
    })?;
    Ok((sha256(&[&blob]), blob))
}

/// Does what is asked. Returns the entry's reference.
pub async fn perform(handle: &Handle, request: ActRequest) -> Result<Value, CommandError> {
    let text = request.text().map(|text| salted(text, &entropy::bytes())).transpose()?;
    let ready = handle.view(move |member| resolve(member, request, text));
    let (act, text) = ready.await.ok_or_else(stopped)??;
    done(handle, act, text).await
}

/// Proposes something. Returns the entry's reference.
pub async fn propose(handle: &Handle, request: ProposeRequest) -> Result<Value, CommandError> {
    let ProposeRequest { what, text, instead_of } = request;
    let seen = handle.view(move |member| {
        let fold = member.fold();
        let replaces = instead_of.map(|id| find(fold, &id, Sought::Proposal)).transpose()?;
        Ok::<_, CommandError>((fold.charter().hash(), fold.charters().to_vec(), replaces))
    });
    let (charter, chain, replaces) = seen.await.ok_or_else(stopped)??;
    let known = handle.home().vocabularies().map_err(|error| CommandError::failed(error.to_string()))?;
    let draft = Draft::read(what, &text, &chain, &known).map_err(CommandError::usage)?;
    let (text, blob) = salted(&draft.text, &entropy::bytes())?;
    let Draft { subject, hash: draft, reviewers, .. } = draft;
    let act = Act::Proposal { subject, draft, text, charter, replaces, reviewers };
    done(handle, act, Some(blob)).await
}

async fn done(handle: &Handle, act: Act, text: Option<Vec<u8>>) -> Result<Value, CommandError> {
    let kind = act.kind();
    let at = write(handle, act, text).await?;
    Ok(json!({ "schema": "datacoop.act/1", "kind": kind, "id": at.leaf.to_string(), "log": at.log,
               "index": at.index }))
}

/// Has the Member write an act.
async fn write(handle: &Handle, act: Act, text: Option<Vec<u8>>) -> Result<Ref, CommandError> {
    match handle.act(act, text).await.ok_or_else(stopped)? {
        ActReply::Acted(at) => Ok(at),
        ActReply::Denied(rule, text) => Err(CommandError::refused(rule, text)),
    }
}

impl ActRequest {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Object { because: text, .. } | Self::Reply { text, .. } | Self::Report { text, .. } => {
                Some(text)
            }
            Self::Support { .. }
            | Self::Withdraw { .. }
            | Self::Pause { .. }
            | Self::Delegate(_)
            | Self::Revoke { .. } => None,
        }
    }
}

/// The act that is asked for, with the entries that it cites.
fn resolve(
    member: &Member,
    request: ActRequest,
    text: Option<(Digest, Vec<u8>)>,
) -> Result<(Act, Option<Vec<u8>>), CommandError> {
    let fold = member.fold();
    let (text, blob) = text.map_or((Digest::default(), None), |(hash, blob)| (hash, Some(blob)));
    let act = match request {
        ActRequest::Support { id } => Act::Cosign { proposal: find(fold, &id, Sought::Proposal)? },
        ActRequest::Withdraw { id } => Act::Withdrawal { proposal: find(fold, &id, Sought::Proposal)? },
        ActRequest::Object { id, .. } => {
            Act::Objection { about: find(fold, &id, Sought::ProposalOrQuery)?, text }
        }
        ActRequest::Reply { id, .. } => Act::Reply { objection: find(fold, &id, Sought::Objection)?, text },
        ActRequest::Report { purpose, outcome, queries, .. } => {
            known_purpose(fold, &purpose)?;
            let releases = queries.iter().map(|id| release(fold, id)).collect::<Result<_, _>>()?;
            Act::Report { purpose, releases, outcome: outcome_of(&outcome)?, text }
        }
        ActRequest::Delegate(wanted) => {
            let now = clock::now();
            wanted.act(fold.charter_at(member.me(), now), now)?
        }
        ActRequest::Revoke { id } => Act::Revocation { delegation: find(fold, &id, Sought::Delegation)? },
        ActRequest::Pause { what, id } => Act::Restriction { target: target_of(&what, &id)? },
    };
    Ok((act, blob))
}

fn outcome_of(code: &str) -> Result<Outcome, CommandError> {
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.code() == code);
    known.ok_or_else(|| CommandError::usage(format!("`{code}` is no outcome: changed, learnt or nothing")))
}

fn target_of(what: &str, id: &str) -> Result<Target, CommandError> {
    match what {
        "member" => {
            let id: MemberId = id.parse().map_err(CommandError::usage)?;
            Ok(Target::Member(id))
        }
        "purpose" => Ok(Target::Purpose(id.to_owned())),
        "dataset" => Ok(Target::Dataset(id.to_owned())),
        _ => Err(CommandError::usage(format!("`{what}` cannot be paused: a member, purpose or dataset can"))),
    }
}

/// A report is about a purpose of the charter, of today's or of an earlier version.
fn known_purpose(fold: &Fold, id: &str) -> Result<(), CommandError> {
    if fold.charters().iter().any(|charter| charter.purpose(id).is_some()) {
        return Ok(());
    }
    let ids: Vec<&str> = fold.charter().fields().purposes.iter().map(|known| known.id.as_str()).collect();
    Err(CommandError::usage(format!("the charter has no purpose `{id}`"))
        .hint(&format!("its purposes are: {}", ids.join(", "))))
}

/// The entry of the Release that answers a Query.
fn release(fold: &Fold, id: &str) -> Result<Ref, CommandError> {
    let query = find(fold, id, Sought::Query)?;
    let released = fold.round(&query.leaf).and_then(|round| Some(round.released()?.0.at.clone()));
    released.ok_or_else(|| {
        CommandError::usage(format!("query {} has no release", query.leaf.short()))
            .hint("list releases with their ids: datacoop results")
    })
}

/// What a beginning of an id may stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// A proposal.
    Proposal,
    /// A proposal, or a Query.
    ProposalOrQuery,
    /// A Query.
    Query,
    /// An objection.
    Objection,
    /// A delegation.
    Delegation,
}

impl Sought {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Proposal => ("a proposal", "list them: datacoop proposals"),
            Self::ProposalOrQuery => {
                ("a proposal or question", "list them: datacoop proposals, or datacoop results")
            }
            Self::Query => ("a question", "list those that were answered: datacoop results"),
            Self::Delegation => ("a delegation", "list them: datacoop delegations"),
            Self::Objection => ("an objection", "a proposal's objections are in: datacoop proposals ID"),
        }
    }
}

/// The entry that is sought, by the beginning of its leaf hash.
///
/// Errors: none begins so, or several do.
pub fn find(fold: &Fold, beginning: &str, sought: Sought) -> Result<Ref, CommandError> {
    let hex = beginning.to_ascii_lowercase();
    let (what, hint) = sought.words();
    if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        let shown = beginning.chars().take(64).collect::<String>();
        return Err(CommandError::usage(format!(
            "`{}` is no id of {what}: an id is hex, or the beginning of it",
            shown.escape_debug()
        ))
        .hint(hint));
    }
    let begins = |at: &&Ref| at.leaf.to_string().starts_with(&hex);
    let all = candidates(fold, sought);
    let found: Vec<&Ref> = all.iter().filter(begins).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(none_begins(fold, beginning, sought)),
        several => {
            let shown: Vec<String> =
                several.iter().take(NEAREST_MAX).map(|at| at.leaf.to_string()[..16].to_owned()).collect();
            let count = several.len();
            Err(CommandError::usage(format!("{count} entries begin with `{hex}`; give more digits"))
                .hint(&format!("among them: {}", shown.join(", "))))
        }
    }
}

fn candidates(fold: &Fold, sought: Sought) -> Vec<Ref> {
    let acts = fold.acts();
    let proposals = || acts.proposals().map(|done| done.at.clone());
    let queries = || fold.rounds().values().filter_map(|round| Some(round.asked()?.at.clone()));
    let objections = || acts.all().filter(|done| matches!(done.act, Act::Objection { .. }));
    match sought {
        Sought::Proposal => proposals().collect(),
        Sought::ProposalOrQuery => proposals().chain(queries()).collect(),
        Sought::Query => queries().collect(),
        Sought::Delegation => acts.delegations().map(|(at, _)| at.clone()).collect(),
        Sought::Objection => objections().map(|done| done.at.clone()).collect(),
    }
}

/// Says what the id is of, if it is of something else.
fn none_begins(fold: &Fold, beginning: &str, sought: Sought) -> CommandError {
    let (what, hint) = sought.words();
    let hex = beginning.to_ascii_lowercase();
    let mut others = fold.acts().all().filter(|done| done.at.leaf.to_string().starts_with(&hex));
    let other = others.next().map(|Done { act, .. }| act.kind());
    let text = match other {
        Some(kind) if hex.len() >= 8 => {
            format!("`{hex}` is the id of another entry, of kind {kind}, not of {what}")
        }
        Some(_) | None => format!("no id of {what} here begins with `{hex}`"),
    };
    CommandError::usage(text).hint(hint)
}
