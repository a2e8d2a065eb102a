//! An audit on demand: every log that the node holds, from nothing, one audit at a time. It goes on whoever waits for
//! it, and what the last one found is remembered until the node stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::Time;
use serde_json::{Value, json};

use super::super::logs::audit;
use super::Api;
use crate::clock;
use crate::error::CommandError;
use crate::follow::clock_text;

/// When to ask again for an audit while another goes on, in seconds: as long as one of a year's logs takes or so.
const AUDIT_WAITS_SECONDS: &str = "5";

/// What is known of the last audit that a program started.
#[derive(Default)]
pub(super) enum Audit {
    /// None since the node started.
    #[default]
    Never,
    /// It goes on.
    Since(Time),
    /// It ended.
    Done(Done),
}

/// An audit that ended.
pub(super) struct Done {
    at: Time,
    took: Duration,
    found: Result<Value, CommandError>,
}

impl Audit {
    fn json(&self) -> Value {
        let schema = "datacoop.audited/1";
        match self {
            Self::Never => json!({ "schema": schema, "state": "never", "result": null }),
            Self::Since(at) => {
                json!({ "schema": schema, "state": "running", "began": clock_text(*at), "result": null })
            }
            Self::Done(Done { at, took, found: Ok(found) }) => {
                json!({ "schema": schema, "state": "done", "ended": clock_text(*at), "seconds": took.as_secs(),
                        "result": found["result"], "audit": found })
            }
            Self::Done(Done { at, found: Err(error), .. }) => {
                json!({ "schema": schema, "state": "failed", "ended": clock_text(*at), "result": null,
                        "error": error.text, "hint": error.hint })
            }
        }
    }
}

/// What the last audit found; that there was none is an answer too.
pub(super) async fn last(State(api): State<Api>) -> Json<Value> {
    Json(api.audit.lock().await.json())
}

/// Starts one, unless one goes on that a program started. While one goes on that a page started, whoever comes is
/// told to come again.
pub(super) async fn start(State(api): State<Api>) -> Response {
    let mut known = api.audit.lock().await;
    if !matches!(*known, Audit::Since(_)) {
        let Ok(held) = Arc::clone(&api.auditing).try_lock_owned() else { return busy() };
        *known = Audit::Since(clock::now());
        let (handle, audits) = (api.handle.clone(), Arc::clone(&api.audit));
        // Goes on although nobody waits for it: a thread at work is not called back.
        tokio::spawn(async move {
            let began = Instant::now();
            let found = audit(&handle, None).await;
            drop(held);
            *audits.lock().await = Audit::Done(Done { at: clock::now(), took: began.elapsed(), found });
        });
    }
    (StatusCode::ACCEPTED, Json(known.json())).into_response()
}

fn busy() -> Response {
    let text = "the logs are being checked already, one check at a time: ask again once it has ended";
    let wait = [(header::RETRY_AFTER, AUDIT_WAITS_SECONDS)];
    (StatusCode::TOO_MANY_REQUESTS, wait, Json(json!({ "error": text }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_yet_is_an_answer_and_so_is_a_failure() {
        assert_eq!(
            (&Audit::Never.json()["state"], &Audit::Never.json()["result"]),
            (&"never".into(), &Value::Null)
        );
        let done = |found| Audit::Done(Done { at: Time(0), took: Duration::from_secs(3), found }).json();
        let passed = done(Ok(json!({ "result": "pass" })));
        assert_eq!(
            (&passed["state"], &passed["result"], &passed["seconds"]),
            (&"done".into(), &"pass".into(), &3.into())
        );
        let failed = done(Err(CommandError::failed("a disk".into())));
        assert_eq!((&failed["state"], &failed["error"]), (&"failed".into(), &"a disk".into()));
    }

    #[test]
    fn whoever_asks_while_an_audit_goes_on_is_told_when_to_ask_again() {
        let answer = busy();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
}
