//! How a round goes on, as it happens: server-sent events, of which every one is a fact of the logs. Nothing here is
//! kept: whoever comes again is told all of it again. Source: HTML Living Standard section 9.2.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::{MemberId, QueryId};
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Kind;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::super::rounds::{find_round, summary};
use super::super::{Failed, stopped};
use super::Api;
use crate::clock;
use crate::driver::Handle;

/// Streams that are open at a time: a few programs, each with the rounds that it asked for. Each is a connection
/// and a look at the Member twice a second.
pub(super) const STREAMS_MAX: usize = 16;
/// How often a stream looks. A round's stages last seconds to days.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Below what proxies and clients take for a dead connection, which are 30 s and more; a client that is gone is
/// noticed, and its stream closed, within two of them.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Longest a stream is open: then its client comes again, with a token that still counts.
const STREAM_TIME: Duration = Duration::from_secs(3600);

/// What a stream has told.
#[derive(Default)]
struct Told {
    stage: Value,
    verdicts: BTreeSet<MemberId>,
    end: bool,
}

impl Told {
    /// What of a round is new since it was told last: `stage`, `verdict`, and as the last of all `end`.
    fn news(&mut self, member: &Member, id: &QueryId) -> Vec<(&'static str, Value)> {
        let Some(round) = member.fold().round(id) else { return vec![] };
        let mut news = vec![];
        for (by, logged) in round.all(Kind::Verdict) {
            if self.verdicts.insert(by.clone()) {
                let name = member.fold().member(by).map(|listed| listed.name.clone());
                let mut verdict = json!({ "member": by.to_string(), "name": name, "verdict": "yes" });
                if let Body::Refuse { rule, layer, .. } = &logged.body {
                    verdict["verdict"] = json!("no");
                    (verdict["rule"], verdict["layer"]) = (json!(rule), json!(layer));
                }
                news.push(("verdict", verdict));
            }
        }
        let whole = summary(member, round, clock::now());
        let fields = ["query", "stage", "stage_text", "roster", "contributed", "verified", "opened"];
        let stage: Value = fields.iter().map(|field| ((*field).to_owned(), whole[field].clone())).collect();
        if stage != self.stage {
            news.push(("stage", stage.clone()));
            self.stage = stage;
        }
        if whole["over"] == true && !self.end {
            let see =
                format!("/api/v1/{}/{id}", if whole["released"] == true { "releases" } else { "queries" });
            news.push((
                "end",
                json!({ "query": id.to_string(), "stage": whole["stage"], "released": whole["released"], "see": see }),
            ));
            self.end = true;
        }
        news
    }
}

/// One client's stream.
struct Stream {
    handle: Handle,
    id: QueryId,
    told: Told,
    waiting: VecDeque<(&'static str, Value)>,
    until: Instant,
    /// Given back when the client is gone.
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// The next event; `None` when the round is over, the node ends, or the stream has been open long enough.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some((name, data)) = self.waiting.pop_front() {
                return Some((Ok(Event::default().event(name).data(data.to_string())), self));
            }
            if self.told.end || Instant::now() >= self.until {
                return None;
            }
            let (id, mut told) = (self.id, std::mem::take(&mut self.told));
            let seen = self.handle.view(move |member| (told.news(member, &id), told)).await?;
            self.told = seen.1;
            self.waiting = seen.0.into();
            if self.waiting.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

pub(super) async fn events(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Failed> {
    let found = api.handle.view(move |member| find_round(member.fold(), &id).map(|round| round.id));
    let id = found.await.ok_or_else(stopped)??;
    let Ok(place) = api.streams.clone().try_acquire_owned() else {
        let text = format!("{STREAMS_MAX} streams are open already; close one, or GET /api/v1/queries/{id}");
        let body = Json(json!({ "error": text }));
        return Ok((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "10")], body).into_response());
    };
    let stream = Stream {
        handle: api.handle,
        id,
        told: Told::default(),
        waiting: VecDeque::new(),
        until: Instant::now() + STREAM_TIME,
        _place: place,
    };
    let events = stream::unfold(stream, Stream::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
