//! Asking the members: what a Question and its terms come to, what that would cost, and the asking itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use datacoop_policy::query::{Mode, WINDOW_MAX};
use datacoop_policy::question::{QuestionDraft, tidy_params};
use datacoop_policy::{Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::bounds::LAY_BYTES_MAX;
use datacoop_protocol::entry::{Lay, QueryBody, Supersedes};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::Member;
use datacoop_protocol::standing::Sameness;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rounds::find_round;
use super::{Answer, stopped};
use crate::acts::{self, Sought};
use crate::clock;
use crate::driver::{AskReply, Handle};
use crate::error::CommandError;
use crate::view::{default_mode, plan_json, unanswerable};

/// What to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskRequest {
    /// The question's TOML.
    pub question: String,
    /// How it is asked.
    #[serde(flatten)]
    pub terms: AskTerms,
}

/// How a Question is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskTerms {
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Such as `2025-09-01..2025-12-19`.
    pub period: String,
    /// A purpose of the charter; the only one, if left out.
    pub purpose: Option<String>,
    /// Loss in billionths of rho; the question's own, if left out.
    pub rho: Option<u64>,
    /// Whether members may see each other's noised vectors.
    pub full_noise: bool,
    /// Fewest members; the charter's, if left out.
    pub min_members: Option<u32>,
    /// Seconds for each of joining, contributing and closing.
    pub window: u64,
    /// Plain words for the log.
    pub why: String,
    /// Who benefits.
    pub benefits: String,
    /// Who pays.
    pub pays: String,
    /// The Query whose Release is to be superseded, or the first digits of its id; with `because`.
    #[serde(default)]
    pub supersedes: Option<String>,
    /// Why it is to be superseded.
    #[serde(default)]
    pub because: Option<String>,
    /// The delegation to ask under, or the first digits of its id.
    #[serde(default)]
    pub under: Option<String>,
    /// Whether to ask although not one figure would answer.
    #[serde(default)]
    pub force: bool,
}

/// Time for each of joining, contributing and closing: the three end within the longest window.
fn window_of(seconds: u64) -> Result<Span, CommandError> {
    let most = WINDOW_MAX.0 / 3;
    let window = Span::from_seconds(seconds);
    if seconds == 0 || window.0 > most {
        let days = most / 86_400_000;
        return Err(CommandError::usage(format!(
            "a window of {seconds} s; each of the three lasts at least 1 s and at most {days} days"
        )));
    }
    Ok(window)
}

/// Which Release is to be superseded, and why: the two come together.
async fn supersedes_of(
    handle: &Handle,
    query: Option<String>,
    because: Option<String>,
) -> Result<Option<Supersedes>, CommandError> {
    let usage = |text: String| Err(CommandError::usage(text));
    let (id, because) = match (query, because) {
        (None, None) => return Ok(None),
        (Some(id), Some(because)) if !because.trim().is_empty() => (id, because),
        _ => {
            return usage("give --supersedes QUERY and --because TEXT together: the reason is logged".into());
        }
    };
    if because.len() > LAY_BYTES_MAX {
        return usage(format!("--because has {} bytes; at most {LAY_BYTES_MAX} fit", because.len()));
    }
    let found = handle.view(move |member| find_round(member.fold(), &id).map(|round| round.id));
    let query = found.await.ok_or_else(stopped)??;
    Ok(Some(Supersedes { query, because }))
}

/// Turns a Question and its terms into a Query's body.
///
/// Errors: which of the terms makes none.
async fn body_of(handle: &Handle, draft: &QuestionDraft, terms: AskTerms) -> Result<QueryBody, CommandError> {
    let in_force = |member: &Member| member.fold().charter_at(member.me(), clock::now()).clone();
    let charter = handle.view(in_force).await.ok_or_else(stopped)?;
    let usage = CommandError::usage;
    let purposes: Vec<&str> = charter.fields().purposes.iter().map(|purpose| purpose.id.as_str()).collect();
    let purpose = match (terms.purpose, purposes.as_slice()) {
        (Some(purpose), _) => purpose,
        (None, [only]) => (*only).to_owned(),
        (None, _) => return Err(usage(format!("name a --purpose: {}", purposes.join(", ")))),
    };
    let supersedes = supersedes_of(handle, terms.supersedes, terms.because).await?;
    let under = terms.under;
    let cited = handle
        .view(move |member| under.map(|id| acts::find(member.fold(), &id, Sought::Delegation)).transpose());
    let delegation = cited.await.ok_or_else(stopped)??;
    let now = Time::from_seconds(clock::now().seconds());
    let window = window_of(terms.window)?;
    let default_loss = u64::try_from(draft.loss).unwrap_or(0);
    let mut body = QueryBody {
        question: question_value(draft).map_err(usage)?,
        vocabulary: draft.vocabulary.clone(),
        params: tidy_params(draft, &terms.params),
        period: Period::parse(&terms.period)
            .ok_or_else(|| usage(format!("`{}` is no period", terms.period)))?,
        purpose,
        lay: Lay { why: terms.why, benefits: terms.benefits, pays: terms.pays },
        loss: PrivacyLoss::from_nano(terms.rho.unwrap_or(default_loss)),
        mode: if terms.full_noise { Mode::FullNoise } else { default_mode(charter.members().len()) },
        assumed: charter.fields().assumed,
        min_roster: terms.min_members.unwrap_or(charter.fields().limits.min_roster),
        join_by: now + window,
        contribute_by: now + window + window,
        close_by: now + window + window + window,
        charter: charter.hash(),
        supersedes,
        cosigners: vec![],
        delegation,
    };
    let chosen = handle.view(move |member| {
        member.choose_delegation(&mut body);
        body
    });
    chosen.await.ok_or_else(stopped)
}

fn draft_of(toml: &str) -> Result<QuestionDraft, CommandError> {
    QuestionDraft::from_toml(toml).map_err(|error| CommandError::usage(error.to_string()))
}

/// What asking so would cost and show: `datacoop.plan/1`. Spends nothing.
///
/// Errors: why so it cannot be asked at all.
pub(crate) async fn plan_of(
    handle: &Handle,
    draft: &QuestionDraft,
    terms: AskTerms,
) -> Result<Value, CommandError> {
    let body = body_of(handle, draft, terms).await?;
    let planned = handle.view(move |member| plan_json(member, &body, clock::now()));
    planned.await.ok_or_else(stopped)?.map_err(|(rule, text)| CommandError::refused(rule, text))
}

/// What came of an asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// It stands in our log.
    New(QueryId),
    /// A Release answers it already; nothing was spent.
    Answered(QueryId),
    /// We asked the same, and that round is not over; nothing was asked again.
    UnderWay(QueryId),
}

/// Whether asking what we ask already, in a round that is not over, leads to that round or asks once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Again {
    /// To that round: for whoever may press a button twice.
    Finds,
    /// Asks: for whoever types a command twice. Members judge it.
    Asks,
}

/// Asks the members.
///
/// Errors: no figure of it would be sure enough to matter and it is not forced, or a rule forbids it.
pub(crate) async fn ask_members(
    handle: &Handle,
    draft: &QuestionDraft,
    terms: AskTerms,
    again: Again,
) -> Result<Asked, CommandError> {
    let force = terms.force;
    let body = body_of(handle, draft, terms).await?;
    let planned = body.clone();
    let seen = handle.view(move |member| {
        let under_way = under_way(member, &planned).filter(|_| again == Again::Finds);
        // What cannot be planned is refused below, by the rule it breaks.
        (under_way, plan_json(member, &planned, clock::now()).unwrap_or_default())
    });
    let (under_way, plan) = seen.await.ok_or_else(stopped)?;
    if let Some(id) = under_way {
        return Ok(Asked::UnderWay(id));
    }
    if let Some(refusal) = unanswerable(&plan).filter(|_| !force && plan["refused"].is_null()) {
        return Err(refusal);
    }
    match handle.ask(body).await.ok_or_else(stopped)? {
        AskReply::Asked(id) => Ok(Asked::New(id)),
        AskReply::Answered(id) => Ok(Asked::Answered(id)),
        AskReply::Denied(rule, text) => Err(CommandError::refused(rule, text)),
    }
}

/// A round of ours that asks the same for the same purpose and is not over.
fn under_way(member: &Member, body: &QueryBody) -> Option<QueryId> {
    let (fold, me, now) = (member.fold(), member.me(), clock::now());
    let query = fold.bind_draft(body, me, now).ok()?;
    let mut open = fold.rounds().values().filter(|round| round.ending().is_none());
    let same = open.find(|round| {
        round.query().is_some_and(|other| {
            other.asker == *me
                && other.close_by > now
                && Sameness::of(other) == Sameness::of(&query)
                && other.purpose == query.purpose
                && other.supersedes == query.supersedes
        })
    });
    same.map(|round| round.id)
}

pub(super) async fn plan(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let AskRequest { question, terms } = request;
    Ok(Json(plan_of(&handle, &draft_of(&question)?, terms).await?))
}

pub(super) async fn ask(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let AskRequest { question, terms } = request;
    let (id, answered) = match ask_members(&handle, &draft_of(&question)?, terms, Again::Asks).await? {
        Asked::New(id) | Asked::UnderWay(id) => (id, false),
        Asked::Answered(id) => (id, true),
    };
    Ok(Json(json!({ "query": id.to_string(), "answered": answered })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn three_windows_end_within_thirty_days() {
        assert_eq!(window_of(1).unwrap(), Span::from_seconds(1));
        assert_eq!(window_of(864_000).unwrap(), Span::from_seconds(864_000));
        for bad in [0, 864_001, u64::MAX] {
            let error = window_of(bad).unwrap_err();
            assert!(error.exit == Exit::Usage && error.text.contains("at most 10 days"), "{error}");
        }
    }
}
