//! Questions that wait for a person here, and what the person says, behind the node's private door: what each
//! asks, who asks and pays, what it costs and leaves, and why it waits. Public facts only, no row and no figure
//! of ours: a yes or no cannot rest on what the answer would be.

use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::limits::Set;
use datacoop_policy::query::Mode;
use datacoop_policy::{QueryId, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::inbox::{Hold, rule_words};
use datacoop_protocol::member::Member;
use datacoop_protocol::member::inbox::Waiting;
use datacoop_protocol::rounds::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::acts::shown::{add_texts, name, objection_json};
use crate::api::{Answer, find_round, stopped};
use crate::blobs::Blobs;
use crate::clock;
use crate::driver::{DecideReply, Handle};
use crate::error::CommandError;
use crate::follow::clock_text;
use crate::home::Home;
use crate::loss::{Reading, points_left, points_of};

/// What the person decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecideRequest {
    /// The Query's id, or its beginning.
    pub query: String,
    /// Whether this node answers it.
    pub yes: bool,
}

/// The doors of this module.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Handle: FromRef<S>,
{
    Router::new().route("/v1/inbox", get(inbox).post(decide)).route("/v1/limits", post(narrow))
}

async fn inbox(State(handle): State<Handle>) -> Answer {
    Ok(Json(seen(&handle).await?))
}

async fn decide(State(handle): State<Handle>, Json(request): Json<DecideRequest>) -> Answer {
    Ok(Json(decided(&handle, request).await?))
}

async fn narrow(State(handle): State<Handle>) -> Answer {
    Ok(Json(json!({ "schema": "datacoop.limits-read/1", "problem": narrowed(&handle).await? })))
}

/// What waits here, and what can still be declined: `datacoop.inbox/1`.
pub(crate) async fn seen(handle: &Handle) -> Result<Value, CommandError> {
    let home = handle.home().clone();
    let seen = handle.view(|member| (inbox_json(member, clock::now()), member.settings().inbox.clone()));
    let (mut json, running) = seen.await.ok_or_else(stopped)?;
    let read = tokio::task::spawn_blocking(move || {
        add_texts(&mut json, &Blobs::kept(&home.join("blobs")));
        json["rules"] = rules_json(&home, &running);
        json
    });
    read.await.map_err(|error| CommandError::failed(error.to_string()))
}

/// The person says yes or no. Errors: no such question, or it is too late.
pub(crate) async fn decided(handle: &Handle, request: DecideRequest) -> Result<Value, CommandError> {
    let DecideRequest { query, yes } = request;
    let found = handle.view(move |member| find_round(member.fold(), &query).map(|round| round.id));
    let here = |error: CommandError| error.hint("list them: datacoop inbox");
    let id = found.await.ok_or_else(stopped)?.map_err(here)?;
    match handle.decide(id, yes).await.ok_or_else(stopped)? {
        DecideReply::Kept => {}
        DecideReply::Denied(rule, text) => return Err(CommandError::refused(rule, text)),
    }
    let seen = handle.view(move |member| verdict_json(member, id));
    let verdict = seen.await.ok_or_else(stopped)?;
    Ok(json!({ "schema": "datacoop.decision/1", "query": id.to_string(), "yes": yes, "verdict": verdict }))
}

/// The person changed `limits.toml`: what it narrows counts from now on. One that does not read answers nothing,
/// and is what this returns.
pub(crate) async fn narrowed(handle: &Handle) -> Result<Option<String>, CommandError> {
    let home = handle.home().clone();
    let read = tokio::task::spawn_blocking(move || home.limits());
    let limits = read.await.map_err(|error| CommandError::failed(error.to_string()))?;
    let problem = limits.as_ref().err().cloned();
    handle.narrow(limits.ok()).await.ok_or_else(stopped)?;
    Ok(problem)
}

/// What our log says of a Query: `yes`, `no`, or nothing yet.
fn verdict_json(member: &Member, id: QueryId) -> Value {
    let said = member.fold().round(&id).and_then(|round| round.said(Kind::Verdict, member.me()));
    json!(said.map(|said| if matches!(said.body, Body::Accept { .. }) { "yes" } else { "no" }))
}

/// How many questions wait, and until when the first of them does, for `status`.
pub fn waiting_json(member: &Member) -> Value {
    let inbox = member.inbox();
    let mut waits = inbox.iter().filter(|one| one.hold.is_some());
    let first = waits.next();
    json!({ "waits": usize::from(first.is_some()) + waits.count(),
            "until": first.map(|one| clock_text(one.query.join_by)) })
}

fn inbox_json(member: &Member, now: Time) -> Value {
    let (waiting, accepted): (Vec<_>, Vec<_>) =
        member.inbox().into_iter().partition(|one| one.hold.is_some());
    let all = |list: &[Waiting<'_>]| list.iter().map(|one| one_json(member, one, now)).collect::<Vec<_>>();
    json!({
        "schema": "datacoop.inbox/1",
        "demo": member.fold().charter().fields().demo,
        "member": member.me().to_string(),
        "starting": member.starting(),
        "clock": member.clock_off().map(|off| off.sentence()),
        "waiting": all(&waiting),
        "accepted": all(&accepted),
    })
}

fn one_json(member: &Member, one: &Waiting<'_>, now: Time) -> Value {
    let (fold, query) = (member.fold(), one.query);
    let charter = fold.charter_of(&query.charter);
    let purpose = charter.purpose(&query.purpose);
    let asker = charter.member(&query.asker);
    let asked = one.round.asked();
    let lay = asked.map(|asked| &asked.body.lay);
    let room = member.room(query);
    let question = query.question.question();
    let objections = fold.acts().against(fold, query);
    json!({
        "query": one.round.id.to_string(),
        "title": question.title(),
        "question": question.id(),
        "asker": query.asker.to_string(),
        "asker_name": asker.map(|asker| asker.name.clone()),
        "asker_body": asker.map(|asker| asker.body.clone()),
        "asked": clock_text(query.at),
        "purpose": query.purpose,
        "purpose_title": purpose.map(|purpose| purpose.title.clone()),
        "purpose_plain": purpose.map(|purpose| purpose.plain.clone()),
        "why": lay.map(|lay| lay.why.clone()),
        "benefits": lay.map(|lay| lay.benefits.clone()),
        "pays": lay.map(|lay| lay.pays.clone()),
        "dataset": query.account.dataset,
        "period": query.period().to_string(),
        "columns": query.question.columns(),
        "group_by": query.question.group_by(),
        "by": query.question.groupings().iter().map(|by| by.name.as_str()).collect::<Vec<_>>(),
        "params": query.question.params(),
        "cells": query.question.cells(),
        "shows_noised_figures": query.mode == Mode::FullNoise,
        "cost": Reading::of(query.loss).json(),
        "points": points_of(query.loss),
        "left": { "year": points_left(room.year), "purpose": points_left(room.purpose) },
        "left_after": points_left(room.year.min(room.purpose).less(query.loss)),
        "verdict": "yes",
        "hold": one.hold.as_ref().map(|hold| hold_json(fold, hold)),
        "join_by": clock_text(query.join_by),
        "minutes_left": query.join_by.0.saturating_sub(now.0) / 60_000,
        "contribute_by": clock_text(query.contribute_by),
        "objections": objections.iter().map(|objection| objection_json(fold, objection)).collect::<Vec<_>>(),
    })
}

/// Why it waits, although every limit allows it.
fn hold_json(fold: &Fold, hold: &Hold) -> Value {
    match hold {
        Hold::Rule(place) => json!({
            "by": "rule",
            "text": format!("{} asks first", rule_words(*place)),
            "plain": match place {
                Some(place) => format!("rule {} of those that this node's person wrote asks first", place + 1),
                None => "this node answers no question before its person said yes".to_owned(),
            },
        }),
        Hold::Objection { by, at } => json!({
            "by": "objection",
            "member": by.to_string(),
            "objection": at.leaf.to_string(),
            "text": format!("{} objects to it and is not answered yet", name(fold, by)),
            "plain": format!("{} objects to it and is not answered yet", name(fold, by)),
        }),
    }
}

/// What `inbox.toml` says, whether the running node goes by it, and names in it that the charter does not have.
fn rules_json(home: &Home, running: &InboxRules) -> Value {
    let read = home.inbox();
    let charter = home.charter().ok().flatten().map(|(_, charter)| charter);
    let mut unknown = vec![];
    for rule in &running.rules {
        let Some(charter) = &charter else { break };
        let fields = charter.fields();
        let purposes = fields.purposes.iter().map(|purpose| purpose.id.as_str()).collect::<Vec<_>>();
        let datasets = fields.datasets.iter().map(|dataset| dataset.id.as_str()).collect::<Vec<_>>();
        let members = charter.members().iter().map(|member| member.id.as_str()).collect::<Vec<_>>();
        let known = [
            ("purpose", &rule.purposes, purposes),
            ("dataset", &rule.datasets, datasets),
            ("member", &rule.askers, members),
        ];
        for (what, set, known) in known {
            let (Set::Only(names) | Set::Except(names)) = set;
            let strangers = names.iter().filter(|name| !known.contains(&name.as_str()));
            unknown.extend(strangers.map(|name| json!({ "what": what, "id": name })));
        }
    }
    json!({
        "default": running.default.code(),
        "rules": running.rules.len(),
        "problem": read.as_ref().err(),
        "changed": read.as_ref().is_ok_and(|read| read != running),
        "unknown": unknown,
    })
}
