//! The node's private door: loopback HTTP for its own command line, opened by a token that lies in a
//! file only its owner reads. No endpoint returns a row.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use datacoop_policy::query::Mode;
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Digest, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::audit::audit;
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::blobs::Blobs;
use crate::cli::audit_json;
use crate::driver::{AskReply, Handle};
use crate::error::{CommandError, Exit};
use crate::export::{snapshot, write_export_aside};
use crate::folder::{StoreError, write_durably};
use crate::view::{default_mode, plan_json, release, round_json, status_json};
use crate::{clock, entropy, load};

/// Where the door is, and its key: `run/api`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Door {
    /// Such as `127.0.0.1:40123`.
    pub address: String,
    /// The bearer token.
    pub token: String,
}

/// What to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskRequest {
    /// The question's TOML.
    pub question: String,
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
}

/// A file to import, by its path on this computer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The CSV file.
    pub file: PathBuf,
    /// A vocabulary's name, such as `attendance/1`.
    pub vocabulary: String,
}

/// Where to export to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportRequest {
    /// The folder.
    pub folder: PathBuf,
}

/// An error on its way to the command line.
struct Failed(CommandError);

impl From<CommandError> for Failed {
    fn from(error: CommandError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(CommandError::failed(error.to_string()))
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.0.text, "hint": self.0.hint, "exit": self.0.exit as u8 });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }
}

type Answer = Result<Json<Value>, Failed>;

fn stopped() -> Failed {
    Failed(CommandError { exit: Exit::NotRunning, text: "the node is stopping".into(), hint: None })
}

/// Opens the door and writes where it is.
pub async fn serve(handle: Handle) -> Result<(), StoreError> {
    let wrong = |error: std::io::Error| StoreError::Wrong(format!("the command line's door: {error}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?.to_string();
    let door = Door { address, token: Digest(entropy::bytes()).to_string() };
    let text = serde_json::to_string(&door).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&handle.home().join("run/api"), text.as_bytes())?;
    let token = Arc::new(format!("Bearer {}", door.token));
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/results", get(results))
        .route("/v1/audit", get(audit_held))
        .route("/v1/plan", post(plan))
        .route("/v1/queries", post(ask))
        .route("/v1/queries/{id}", get(query))
        .route("/v1/import", post(import))
        .route("/v1/export", post(export))
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            guard(token.clone(), request, next)
        }))
        .with_state(handle);
    axum::serve(listener, router).await.map_err(wrong)
}

async fn guard(token: Arc<String>, request: Request, next: Next) -> Response {
    if is_admitted(&request, &token) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// Only who holds the token, and only under a loopback name: no page in a browser gets in.
fn is_admitted(request: &Request, token: &str) -> bool {
    let given = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let local = given(header::HOST).is_some_and(|host| host.starts_with("127.0.0.1:"));
    let known = given(header::AUTHORIZATION).is_some_and(|given| same(given.as_bytes(), token.as_bytes()));
    local && known && given(header::ORIGIN).is_none()
}

/// Compares without telling, by its time, how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

async fn status(State(handle): State<Handle>) -> Answer {
    handle.view(status_json).await.map(Json).ok_or_else(stopped)
}

async fn results(State(handle): State<Handle>) -> Answer {
    let released = handle.released();
    let list = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        rounds.filter_map(|round| release(round)).map(|release| release.json).collect::<Vec<_>>()
    });
    let list = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.results/1", "demo": false, "releases": list })))
}

async fn audit_held(State(handle): State<Handle>) -> Answer {
    let blobs = Blobs::kept(&handle.home().join("blobs"));
    let reports = handle.view(move |member| audit(member.fold(), &|hash| blobs.get(hash).ok().flatten()));
    let reports = reports.await.ok_or_else(stopped)?;
    let result = if reports.iter().all(|report| report.passed()) { "pass" } else { "fail" };
    Ok(Json(
        json!({ "schema": "datacoop.audit/1", "demo": false, "result": result, "logs": audit_json(&reports),
                    "text": crate::cli::audit_text(&reports) }),
    ))
}

/// Turns a request into a Query's body.
async fn body_of(handle: &Handle, request: AskRequest) -> Result<QueryBody, Failed> {
    let charter = handle.view(|member| member.fold().charter().clone()).await.ok_or_else(stopped)?;
    let usage = |text: String| Failed(CommandError::usage(text));
    let draft = QuestionDraft::from_toml(&request.question).map_err(|error| usage(error.to_string()))?;
    let purposes: Vec<&str> = charter.fields().purposes.iter().map(|purpose| purpose.id.as_str()).collect();
    let purpose = match (request.purpose, purposes.as_slice()) {
        (Some(purpose), _) => purpose,
        (None, [only]) => (*only).to_owned(),
        (None, _) => return Err(usage(format!("name a --purpose: {}", purposes.join(", ")))),
    };
    let now = Time::from_seconds(clock::now().seconds());
    let window = Span::from_seconds(request.window);
    let default_loss = u64::try_from(draft.loss).unwrap_or(0);
    Ok(QueryBody {
        question: question_value(&draft).map_err(usage)?,
        vocabulary: draft.vocabulary.clone(),
        params: request.params,
        period: Period::parse(&request.period)
            .ok_or_else(|| usage(format!("`{}` is no period", request.period)))?,
        purpose,
        lay: Lay { why: request.why, benefits: request.benefits, pays: request.pays },
        loss: PrivacyLoss::from_nano(request.rho.unwrap_or(default_loss)),
        mode: if request.full_noise { Mode::FullNoise } else { default_mode(charter.members().len()) },
        assumed: charter.fields().assumed,
        min_roster: request.min_members.unwrap_or(charter.fields().limits.min_roster),
        join_by: now + window,
        contribute_by: now + window + window,
        close_by: now + window + window + window,
        charter: charter.hash(),
    })
}

async fn plan(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let body = body_of(&handle, request).await?;
    let planned =
        handle.view(move |member| plan_json(member, &body, clock::now())).await.ok_or_else(stopped)?;
    planned.map(Json).map_err(|(rule, text)| Failed(CommandError::refused(rule, text)))
}

async fn ask(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let body = body_of(&handle, request).await?;
    match handle.ask(body).await.ok_or_else(stopped)? {
        AskReply::Asked(id) => Ok(Json(json!({ "query": id.to_string(), "answered": false }))),
        AskReply::Answered(id) => Ok(Json(json!({ "query": id.to_string(), "answered": true }))),
        AskReply::Denied(rule, text) => Err(Failed(CommandError::refused(rule, text))),
    }
}

async fn query(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let id: Digest = id.parse().map_err(|error| Failed(CommandError::usage(format!("query id: {error}"))))?;
    let seen = handle.view(move |member| member.fold().round(&id).map(|round| round_json(round)));
    let seen = seen.await.ok_or_else(stopped)?;
    seen.map(Json).ok_or_else(|| Failed(CommandError::usage("no log here holds this query".into())))
}

async fn import(State(handle): State<Handle>, Json(request): Json<ImportRequest>) -> Answer {
    let home = handle.home().clone();
    let loaded = tokio::task::spawn_blocking(move || load::import(&home, &request.file, &request.vocabulary));
    let loaded = loaded.await.map_err(|error| Failed(CommandError::failed(error.to_string())))??;
    handle.declare(loaded.dataset.clone());
    Ok(Json(loaded.json()))
}

async fn export(State(handle): State<Handle>, Json(request): Json<ExportRequest>) -> Answer {
    let taken = handle.view(snapshot).await.flatten().ok_or_else(stopped)?;
    write_export_aside(taken, handle.home().clone(), request.folder.clone()).await?;
    Ok(Json(json!({ "schema": "datacoop.export/1", "folder": request.folder.display().to_string() })))
}
