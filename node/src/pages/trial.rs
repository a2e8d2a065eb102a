//! Looking round among made-up members: what to try, what has been tried, and the end of it. The pages are those of
//! every node. Must not know how the members were made up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::html;
use tokio::sync::Notify;

use super::{Shared, frame_of, waiting};

pub(super) const HERE: &str = "/try";

/// Something to try: how it is recognised, what to do, where, and what one sees there.
struct Step {
    method: Method,
    /// The path's pieces; an empty one stands for anything.
    path: &'static [&'static str],
    what: &'static str,
    link: &'static str,
    sees: &'static str,
}

/// In the order in which a head would.
const STEPS: [Step; 8] = [
    Step {
        method: Method::GET,
        path: &["results", ""],
        what: "Read one answer",
        link: "/results",
        sees: "The cluster's figure with its likely range, and your own school's exact figure beside it.",
    },
    Step {
        method: Method::GET,
        path: &["results", "", "pack"],
        what: "Open the page for governors",
        link: "/results",
        sees: "It is under each answer, to print.",
    },
    Step {
        method: Method::POST,
        path: &["ask", "", "check"],
        what: "Check what a question would cost",
        link: "/ask/attendance-rate",
        sees: "How sure the answer would be, and its price. Among five schools this one is too rough; the page says what would help. Checking is free.",
    },
    Step {
        method: Method::POST,
        path: &["ask", ""],
        what: "Ask the members",
        link: "/ask/absence-spread",
        sees: "The four other schools answer by themselves, within a minute.",
    },
    Step {
        method: Method::GET,
        path: &["privacy"],
        what: "See what is left of the privacy budget",
        link: "/privacy",
        sees: "What each answer took of it, and when it begins anew.",
    },
    Step {
        method: Method::POST,
        path: &["log", "check"],
        what: "Check every log",
        link: "/log",
        sees: "Whether anybody changed anything after the fact.",
    },
    Step {
        method: Method::GET,
        path: &["register"],
        what: "Read what the public would",
        link: "/register",
        sees: "The register that a co-operative publishes: every purpose, every question, no school's own figures.",
    },
    Step {
        method: Method::GET,
        path: &["charter"],
        what: "Read the rules",
        link: "/charter",
        sees: "Who belongs, what may be asked, and why it can never be sold.",
    },
];

impl Step {
    fn is(&self, method: &Method, path: &str) -> bool {
        let pieces: Vec<&str> = path.trim_matches('/').split('/').collect();
        let same = self.path.iter().zip(&pieces).all(|(wanted, piece)| wanted.is_empty() || wanted == piece);
        self.method == *method && self.path.len() == pieces.len() && same
    }
}

/// Somebody looks round.
pub(super) struct Trial {
    /// Of [`STEPS`], those that were tried.
    tried: Mutex<BTreeSet<usize>>,
    /// Told when it is over.
    over: Arc<Notify>,
    /// What is shown from then on.
    behind: Arc<RwLock<Router>>,
}

impl Trial {
    pub(super) fn new(over: Arc<Notify>, behind: Arc<RwLock<Router>>) -> Self {
        Self { tried: Mutex::default(), over, behind }
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, BTreeSet<usize>> {
        // What it holds is whole after each statement.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages of a node with what belongs to looking round.
pub(super) fn around(pages: Router, shared: Shared, trial: Arc<Trial>) -> Router {
    let own = Router::new().route(HERE, get(list)).route("/try/end", post(end)).with_state(shared);
    own.fallback_service(pages)
        .layer(middleware::from_fn_with_state(Arc::clone(&trial), note))
        .layer(Extension(trial))
}

/// Notes what was tried once it worked.
async fn note(State(trial): State<Arc<Trial>>, request: Request, next: Next) -> Response {
    let step = STEPS.iter().position(|step| step.is(request.method(), request.uri().path()));
    let response = next.run(request).await;
    if let Some(step) = step.filter(|_| response.status().is_success() || response.status().is_redirection())
    {
        trial.tried().insert(step);
    }
    response
}

async fn list(State(shared): State<Shared>, Extension(trial): Extension<Arc<Trial>>) -> Response {
    let frame = frame_of(&shared.handle).await;
    let tried = trial.tried().clone();
    let body = html! {
        p class="lead" { "You are at " strong { (frame.name) } ", one of five schools that do not exist. The other four run on this computer too." }
        p { "Their registers are made up, with known effects in them. Everything else is as it would be: the rounds, the privacy noise, the logs. None of it leaves this computer, and none of it is kept." }
        p role="status" { (tried.len()) " of " (STEPS.len()) " tried" }
        ol class="tasks" {
            @for (n, step) in STEPS.iter().enumerate() {
                li {
                    a href=(step.link) { (step.what) }
                    " " span class="meta" { @if tried.contains(&n) { "Tried" } @else { "Not yet" } }
                    p class="hint" { (step.sees) }
                }
            }
        }
        p { "A word that you do not know? " a href=(super::glossary::HERE) { "What the words mean" } ". " a href="/help/figures" { "How to read our figures" } "." }
        h2 { "When you have seen enough" }
        form method="post" action="/try/end" id="end-form" { button type="submit" { "End this, and go on with the set-up" } }
    };
    frame.page(HERE, "What to try", &body)
}

async fn end(Extension(trial): Extension<Arc<Trial>>) -> Response {
    // From here on, so that the next page is not of members that are about to end.
    *trial.behind.write().unwrap_or_else(PoisonError::into_inner) =
        waiting("The made-up members stop, and their data are erased.");
    trial.over.notify_one();
    Redirect::to("/").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_known_by_its_address_alone() {
        let which = |method: Method, path: &str| STEPS.iter().position(|step| step.is(&method, path));
        assert_eq!(which(Method::GET, "/results/abc"), Some(0));
        assert_eq!(which(Method::GET, "/results/abc/pack"), Some(1));
        assert_eq!(which(Method::POST, "/ask/q/check"), Some(2));
        assert_eq!(which(Method::POST, "/ask/q"), Some(3));
        assert_eq!(which(Method::GET, "/ask/q"), None);
        assert_eq!((which(Method::GET, "/results"), which(Method::GET, "/")), (None, None));
    }
}
