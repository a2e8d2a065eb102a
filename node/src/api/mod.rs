//! The node's private door: loopback HTTP for its own command line, opened by a token that lies in a
//! file only its owner reads. No endpoint returns a row.
//!
//! What an endpoint does stands in functions that pages call too, so that a page and the command line cannot
//! differ: `asking`, `rounds`, `logs`, `papers`.

pub mod asking;
pub mod logs;
pub mod papers;
pub mod rounds;
pub(crate) mod series;
pub(crate) mod v1;

use std::sync::Arc;

use axum::extract::{FromRef, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use datacoop_policy::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::acts::recipients::{self, AddRequest, FormRequest};
use crate::acts::reviews::{self, ReviewRequest};
use crate::acts::shown::{Listed, waiting};
use crate::acts::{self, ActRequest, ProposeRequest, Sought};
use crate::driver::Handle;
use crate::error::{CommandError, Exit};
use crate::folder::{StoreError, write_durably};
use crate::load::Wish;
use crate::pages::Pages;
use crate::view::status_json;
use crate::{clock, entropy, importing, inbox};

use logs::LogServers;
pub(crate) use rounds::find_round;

/// Where the door is, and its key: `run/api`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Door {
    /// Such as `127.0.0.1:40123`.
    pub address: String,
    /// The bearer token.
    pub token: String,
}

/// What every handler may use.
#[derive(Clone)]
struct Shared {
    handle: Handle,
    /// One review at a time: what was found lies in a file before it is bound.
    reviewing: Reviewing,
    /// Where logs are served: nowhere, unless somebody asked for it.
    log_server: LogServers,
    /// Where pages are, if anywhere.
    pages: Option<Arc<Pages>>,
}

/// Held by whoever binds or shows a review.
pub type Reviewing = Arc<tokio::sync::Mutex<()>>;

impl FromRef<Shared> for Handle {
    fn from_ref(shared: &Shared) -> Self {
        shared.handle.clone()
    }
}

/// An error on its way to the command line.
pub(crate) struct Failed(CommandError);

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

pub(crate) type Answer = Result<Json<Value>, Failed>;

/// What whoever asks a node learns that is ending.
pub(crate) fn stopped() -> CommandError {
    CommandError {
        exit: Exit::NotRunning,
        text: "the node is stopping".into(),
        hint: Some(
            "it starts again by itself when a new charter version reached it: try in a few seconds".into(),
        ),
    }
}

/// Opens the door and writes where it is.
pub async fn serve(
    handle: Handle,
    log_server: LogServers,
    reviewing: Reviewing,
    pages: Option<Arc<Pages>>,
) -> Result<(), StoreError> {
    let wrong = |error: std::io::Error| StoreError::Wrong(format!("the command line's door: {error}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?.to_string();
    let door = Door { address, token: Digest(entropy::bytes()).to_string() };
    let text = serde_json::to_string(&door).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&handle.home().join("run/api"), text.as_bytes())?;
    let token = Arc::new(format!("Bearer {}", door.token));
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/results", get(rounds::results))
        .route("/v1/audit", get(logs::audit_held).post(logs::audit_on_held))
        .route("/v1/plan", post(asking::plan))
        .route("/v1/queries", post(asking::ask))
        .route("/v1/queries/{id}", get(rounds::query))
        .route("/v1/queries/{id}/basis", get(rounds::basis))
        .route("/v1/import", post(import))
        .route("/v1/pages", post(open_pages))
        .route("/v1/export", post(logs::export))
        .route("/v1/proof", post(logs::prove))
        .route("/v1/entries", post(logs::entries))
        .route("/v1/serve-logs", post(logs::serve_held_logs))
        .route("/v1/opening", post(papers::opening))
        .route("/v1/certificate", post(papers::certificate))
        .route("/v1/acts", post(act))
        .route("/v1/reviews", post(review))
        .route("/v1/recipients", get(recipients).post(hand_on))
        .route("/v1/recipients/form", post(receipt_form))
        .route("/v1/proposals", get(proposals).post(propose))
        .route("/v1/proposals/{id}", get(proposal))
        .route("/v1/delegations", get(delegations))
        .merge(inbox::routes())
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            guard(token.clone(), request, next)
        }))
        .with_state(Shared { handle, reviewing, log_server, pages });
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
    let seen = handle.view(|member| {
        let mut json = status_json(member, clock::now());
        json["proposals"] = waiting(member, clock::now());
        json["inbox"] = inbox::waiting_json(member);
        json
    });
    Ok(Json(seen.await.ok_or_else(stopped)?))
}

/// A new address that opens the pages once. It is told to whoever holds the token, and logged nowhere.
async fn open_pages(State(shared): State<Shared>) -> Answer {
    let none =
        || CommandError::usage("this node runs without pages".into()).hint("start it without --no-pages");
    let pages = shared.pages.as_ref().ok_or_else(none)?;
    let json = json!({ "schema": "datacoop.pages/1", "address": format!("http://{}/", pages.address),
                       "link": pages.link(), "policy_reports": pages.reports() });
    Ok(Json(json))
}

async fn act(State(handle): State<Handle>, Json(request): Json<ActRequest>) -> Answer {
    Ok(Json(acts::perform(&handle, request).await?))
}

async fn propose(State(handle): State<Handle>, Json(request): Json<ProposeRequest>) -> Answer {
    Ok(Json(acts::propose(&handle, request).await?))
}

async fn review(State(shared): State<Shared>, Json(request): Json<ReviewRequest>) -> Answer {
    let _one_at_a_time = shared.reviewing.lock().await;
    Ok(Json(reviews::review(&shared.handle, request).await?))
}

async fn recipients(State(handle): State<Handle>) -> Answer {
    Ok(Json(recipients::all(&handle).await?))
}

async fn hand_on(State(shared): State<Shared>, Json(request): Json<AddRequest>) -> Answer {
    let _one_at_a_time = shared.reviewing.lock().await;
    Ok(Json(recipients::add(&shared.handle, request).await?))
}

async fn receipt_form(State(handle): State<Handle>, Json(request): Json<FormRequest>) -> Answer {
    Ok(Json(recipients::form(&handle, request).await?))
}

async fn proposals(State(handle): State<Handle>) -> Answer {
    let listed = handle.view(|member| Listed::all(member, clock::now())).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let read = move || Ok::<_, StoreError>(listed.with_titles(&home.join("blobs"), &home.vocabularies()?));
    let read = tokio::task::spawn_blocking(read).await;
    Ok(Json(read.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

async fn delegations(State(handle): State<Handle>) -> Answer {
    let all = handle.view(|member| acts::delegations::all_json(member, clock::now()));
    Ok(Json(all.await.ok_or_else(stopped)?))
}

async fn proposal(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let at = acts::find(member.fold(), &id, Sought::Proposal)?;
        let none = || CommandError::usage(format!("{} is by nobody who may propose", at.leaf.short()));
        Listed::one(member, &at, clock::now()).ok_or_else(none)
    });
    let listed = seen.await.ok_or_else(stopped)??;
    let home = handle.home().clone();
    let read = move || Ok::<_, StoreError>(listed.with_texts(&home.join("blobs"), &home.vocabularies()?));
    let read = tokio::task::spawn_blocking(read).await;
    Ok(Json(read.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

async fn import(State(handle): State<Handle>, Json(wish): Json<Wish>) -> Answer {
    Ok(Json(importing::import(&handle, wish).await?))
}
