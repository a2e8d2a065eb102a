//! The JSON interface for programs, under `/api/v1` on the pages' listener: what pages show and do, opened by a
//! token instead of a session. No endpoint returns a row. Source: UI section 8.
//!
//! One table, [`ROUTES`], makes both the router and its description, so that neither has what the other lacks.

mod asks;
mod audits;
mod events;
mod openapi;
mod reads;

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use datacoop_policy::question::QUESTION_BYTES_MAX;
use datacoop_protocol::bounds::LAY_BYTES_MAX;
use serde_json::json;

use super::logs::Auditing;
use crate::driver::Handle;
use crate::pages::{Desk, import_sent, upload_limit};
use crate::tokens::{self, Scope};

/// Longest request: a question's text, three texts for the log, and the rest.
const BODY_BYTES_MAX: usize = QUESTION_BYTES_MAX + 3 * LAY_BYTES_MAX + 16 * 1024;

/// What every endpoint may use.
#[derive(Clone)]
pub(crate) struct Api {
    handle: Handle,
    /// One asking at a time, shared with the pages.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// One audit at a time, shared with the pages.
    auditing: Auditing,
    /// What was asked lately, by key: so that a program that lost an answer asks again without asking twice.
    recent: Arc<tokio::sync::Mutex<VecDeque<asks::Recent>>>,
    /// A place for each stream of events that may be open.
    streams: Arc<tokio::sync::Semaphore>,
    /// What the last audit found.
    audit: Arc<tokio::sync::Mutex<audits::Audit>>,
    /// Where files are imported, shared with the pages.
    desk: Desk,
}

impl FromRef<Api> for Desk {
    fn from_ref(api: &Api) -> Self {
        api.desk.clone()
    }
}

impl FromRef<Api> for Handle {
    fn from_ref(api: &Api) -> Self {
        api.handle.clone()
    }
}

/// How an endpoint is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verb {
    Get,
    Post,
}

/// What a request brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sends {
    /// Nothing.
    Nothing,
    /// What to ask, as JSON.
    Asking,
    /// A file and how to read it, as a form.
    File,
}

/// An endpoint: how and where it is asked, by whom, with what, and what it does.
struct Route {
    verb: Verb,
    path: &'static str,
    scope: Scope,
    sends: Sends,
    about: &'static str,
    handler: fn() -> MethodRouter<Api>,
}

const fn get_route(path: &'static str, about: &'static str, handler: fn() -> MethodRouter<Api>) -> Route {
    Route { verb: Verb::Get, path, scope: Scope::Read, sends: Sends::Nothing, about, handler }
}

/// Every endpoint.
static ROUTES: [Route; 23] = [
    get_route("/status", "How the node is", || get(reads::status)),
    get_route("/charter", "The charter in force here, with its text", || get(reads::charter)),
    get_route("/members", "Members, their bodies and roles", || get(reads::members)),
    get_route("/vocabularies", "What records may be like", || get(reads::vocabularies)),
    get_route("/questions", "The catalogue, and the purposes that allow each question now", || {
        get(reads::questions)
    }),
    get_route("/ledger", "What was spent of the privacy budget, and what is left", || get(reads::ledger)),
    get_route("/queries", "Rounds, the newest first", || get(reads::queries)),
    get_route("/queries/{id}", "One round: its stage and who said what", || get(reads::query)),
    get_route("/queries/{id}/events", "How it goes on, as server-sent events: stage, verdict, end", || {
        get(events::events)
    }),
    get_route("/releases", "Releases that the node holds", || get(reads::releases)),
    get_route("/releases/{id}", "One release; as id.csv or id.parquet its figures", || get(reads::release)),
    get_route("/releases/{id}/certificate", "Its Certificate", || get(reads::certificate)),
    Route {
        verb: Verb::Get,
        path: "/releases/{id}/own",
        scope: Scope::Own,
        sends: Sends::Nothing,
        about: "Its figures with our own exact ones beside them",
        handler: || get(reads::own),
    },
    get_route("/logs", "The logs that the node holds", || get(reads::logs)),
    get_route("/logs/{member}/checkpoint", "A log's newest checkpoint with its witnesses", || {
        get(reads::checkpoint)
    }),
    get_route("/logs/{member}/entries", "Entries of a log, from `from` on", || get(reads::entries)),
    get_route("/audit", "What the last audit found that a program started", || get(audits::last)),
    Route {
        verb: Verb::Post,
        path: "/audit",
        scope: Scope::Admin,
        sends: Sends::Nothing,
        about: "Starts an audit of every log that the node holds, unless one goes on",
        handler: || post(audits::start),
    },
    Route {
        verb: Verb::Post,
        path: "/plan",
        scope: Scope::Read,
        sends: Sends::Asking,
        about: "What asking would cost, and the error to expect; spends nothing",
        handler: || post(asks::plan),
    },
    Route {
        verb: Verb::Post,
        path: "/queries",
        scope: Scope::Ask,
        sends: Sends::Asking,
        about: "Asks the members, once for each Idempotency-Key",
        handler: || post(asks::ask),
    },
    Route {
        verb: Verb::Post,
        path: "/queries/{id}/refuse",
        scope: Scope::Admin,
        sends: Sends::Nothing,
        about: "Declines a question, until our contribution is logged",
        handler: || post(asks::refuse),
    },
    Route {
        verb: Verb::Post,
        path: "/imports",
        scope: Scope::Own,
        sends: Sends::File,
        about: "Imports a data file, or with `?dry_run` says what that would do",
        handler: || post(import_sent).layer(upload_limit()),
    },
    get_route("/openapi.json", "This description", || get(openapi::shown)),
];

/// The endpoints, for `/api/v1`.
pub(crate) fn router<S>(
    handle: Handle,
    asking: Arc<tokio::sync::Mutex<()>>,
    auditing: Auditing,
    desk: Desk,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let streams = Arc::new(tokio::sync::Semaphore::new(events::STREAMS_MAX));
    let (recent, audit) = (Arc::default(), Arc::default());
    let api = Api { handle, asking, auditing, recent, streams, audit, desk };
    let mut router = Router::new();
    for route in &ROUTES {
        let guarded = middleware::from_fn_with_state((api.handle.clone(), route.scope), guard);
        router = router.route(route.path, (route.handler)().route_layer(guarded));
    }
    router.fallback(nowhere).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(api)
}

/// What is said of an address that no endpoint has.
pub(crate) async fn nowhere() -> Response {
    let text = "there is no such endpoint; GET /api/v1/openapi.json lists them";
    (StatusCode::NOT_FOUND, Json(json!({ "error": text }))).into_response()
}

/// Only who holds a token of this scope. A browser's page never does: what comes from one is turned away.
async fn guard(State((handle, scope)): State<(Handle, Scope)>, request: Request, next: Next) -> Response {
    let no = |status: StatusCode, text: String| (status, Json(json!({ "error": text }))).into_response();
    if request.headers().contains_key(header::ORIGIN) {
        return no(StatusCode::FORBIDDEN, "this is for programs, not for pages".into());
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = given.and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let home = handle.home().clone();
    let found = tokio::task::spawn_blocking(move || tokens::find(&home, &secret)).await;
    let token = match found {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => return no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => return no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    match token {
        None => {
            let text = "no token, or one that was taken back: Authorization: Bearer TOKEN, made by `datacoop token new`";
            let mut response = no(StatusCode::UNAUTHORIZED, text.into());
            let challenge = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        Some(token) if !token.scopes.contains(&scope) => {
            no(StatusCode::FORBIDDEN, format!("this token lacks the scope `{scope}`"))
        }
        Some(_) => next.run(request).await,
    }
}
