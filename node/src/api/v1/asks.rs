//! What a program does: plans, asks, declines.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Digest, Period};
use datacoop_protocol::log::tree::sha256;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::asking::{Again, AskTerms, Asked, ask_members, plan_of};
use super::super::{Answer, Failed};
use super::Api;
use crate::cli::parse_window;
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::inbox::{self, DecideRequest};
use crate::loss::POINT;
use crate::questions::filled::{Given, fill_in};
use crate::questions::named;

/// Longest key of a request.
pub(super) const KEY_BYTES_MAX: usize = 128;
/// Keys that are remembered: a day of a busy program. A node that starts again has forgotten them; then the same
/// question finds its round or its release all the same.
const RECENT_MAX: usize = 1_000;
/// Time for each stage unless the program says otherwise.
const WINDOW: &str = "3d";

/// What was asked under a key.
pub(super) struct Recent {
    key: String,
    /// Of the request's bytes.
    request: Digest,
    answer: Value,
}

/// What to plan or ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    question: Option<String>,
    toml: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default, rename = "for")]
    narrow: BTreeMap<String, Vec<String>>,
    period: Option<String>,
    purpose: Option<String>,
    points: Option<u64>,
    window: Option<String>,
    min_members: Option<u32>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    benefits: String,
    #[serde(default)]
    pays: String,
    #[serde(default)]
    force: bool,
}

impl Asking {
    fn read(body: &[u8]) -> Result<Self, CommandError> {
        serde_json::from_slice(body).map_err(|error| {
            CommandError::usage(format!("the request is not understood: {error}"))
                .hint("GET /api/v1/openapi.json says what one is like")
        })
    }

    /// The question with its terms, filled in as for the command line.
    fn terms(self, handle: &Handle) -> Result<(QuestionDraft, AskTerms), CommandError> {
        let usage = CommandError::usage;
        let draft = match (&self.question, &self.toml) {
            (Some(name), None) => {
                let known = named(name).filter(|known| known.about.id == *name);
                let none =
                    || usage(format!("there is no question `{}` in the catalogue", name.escape_debug()));
                known.ok_or_else(none)?.draft.clone()
            }
            (None, Some(toml)) => QuestionDraft::from_toml(toml).map_err(|error| usage(error.0))?,
            _ => return Err(usage("give `question` or `toml`, one of the two".into())),
        };
        let known = handle.home().vocabularies().map_err(|error| CommandError::failed(error.to_string()))?;
        let vocabulary = known.into_values().find(|(_, vocabulary)| vocabulary.name() == draft.vocabulary);
        let (_, vocabulary) =
            vocabulary.ok_or_else(|| usage(format!("there is no vocabulary `{}` here", draft.vocabulary)))?;
        let period = self.period.as_deref().map(|text| {
            Period::parse(text).ok_or_else(|| usage(format!("`{}` is no period", text.escape_debug())))
        });
        let given =
            Given { period: period.transpose()?, params: self.params, by: self.by, narrow: self.narrow };
        let filled =
            fill_in(draft.clone(), &vocabulary, given, clock::now().day()).map_err(|error| usage(error.0))?;
        let window = parse_window(self.window.as_deref().unwrap_or(WINDOW)).map_err(usage)?;
        let terms = AskTerms {
            params: filled.params,
            period: filled.period.to_string(),
            purpose: self.purpose,
            rho: self.points.map(|points| points.saturating_mul(POINT.nano())),
            full_noise: false,
            min_members: self.min_members,
            window: window.as_secs(),
            why: self.why,
            benefits: self.benefits,
            pays: self.pays,
            supersedes: None,
            because: None,
            under: None,
            force: self.force,
        };
        Ok((draft, terms))
    }
}

pub(super) async fn plan(State(handle): State<Handle>, body: Bytes) -> Answer {
    let (draft, terms) = Asking::read(&body)?.terms(&handle)?;
    Ok(Json(plan_of(&handle, &draft, terms).await?))
}

/// Asks, once for each key: the same request under the same key gets the same answer.
pub(super) async fn ask(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Response, Failed> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let text = format!("give each question a key of your own, of at most {KEY_BYTES_MAX} letters");
        return Err(CommandError::usage(text)
            .hint("header Idempotency-Key: so that asking again asks once")
            .into());
    }
    let request = sha256(&[&body]);
    let _one_at_a_time = api.asking.lock().await;
    if let Some(known) = api.recent.lock().await.iter().find(|known| known.key == key) {
        if known.request != request {
            let text =
                json!({ "error": "this key was used for another question", "hint": "give each its own" });
            return Ok((StatusCode::CONFLICT, Json(text)).into_response());
        }
        return Ok((StatusCode::ACCEPTED, Json(known.answer.clone())).into_response());
    }
    let (draft, terms) = Asking::read(&body)?.terms(&api.handle)?;
    let (id, answered) = match ask_members(&api.handle, &draft, terms, Again::Finds).await? {
        Asked::New(id) | Asked::UnderWay(id) => (id, false),
        Asked::Answered(id) => (id, true),
    };
    let place = if answered { "releases" } else { "queries" };
    let answer = json!({ "schema": "datacoop.asked/1", "query": id.to_string(), "answered": answered,
                         "see": format!("/api/v1/{place}/{id}") });
    let mut recent = api.recent.lock().await;
    if recent.len() >= RECENT_MAX {
        recent.pop_front();
    }
    recent.push_back(Recent { key: key.to_owned(), request, answer: answer.clone() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// Declines, and gives no reason.
pub(super) async fn refuse(State(handle): State<Handle>, Path(query): Path<String>) -> Answer {
    Ok(Json(inbox::decided(&handle, DecideRequest { query, yes: false }).await?))
}
