//! Leave to ask: a coordinator lets one member ask, for a while, and takes it back. What it does stands in
//! [`crate::acts::delegations`], as for the command line.

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_policy::charter::Role;
use datacoop_policy::delegation::DELEGATION_MAX;
use datacoop_protocol::member::Member;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::form::{field, select_field};
use super::words::{items, moment, said};
use super::{frame_of, stopped};
use crate::acts::delegations::{Wanted, all_json};
use crate::acts::{ActRequest, perform};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;

const HERE: &str = "/members";
const TITLE: &str = "Leave to ask";
/// A day in ms.
const DAY: u64 = 86_400_000;

/// What the page knows.
struct Seen {
    me: String,
    coordinates: bool,
    listed: Value,
    /// Those that may be let ask: id and name.
    others: Vec<(String, String)>,
    purposes: Vec<(String, String)>,
}

fn seen(member: &Member) -> Seen {
    let (fold, me, now) = (member.fold(), member.me(), clock::now());
    let charter = fold.charter_at(me, now);
    let others = charter.members().iter().filter(|one| one.id != *me && one.takes_part());
    let purposes = charter.fields().purposes.iter();
    Seen {
        me: me.to_string(),
        coordinates: charter.member(me).is_some_and(|own| own.has(Role::Coordinator)),
        listed: all_json(member, now),
        others: others.map(|one| (one.id.to_string(), one.name.clone())).collect(),
        purposes: purposes.map(|purpose| (purpose.id.clone(), purpose.title.clone())).collect(),
    }
}

pub(super) async fn show(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    match handle.view(seen).await {
        Some(seen) => frame.page(HERE, TITLE, &body(&seen)),
        None => frame.error(HERE, &stopped()),
    }
}

fn body(seen: &Seen) -> Markup {
    let all = items(&seen.listed["delegations"]);
    html! {
        p { "Coordinators ask. One of them can let another member ask for a while: within the charter's limits, with its own name in the log. Any answer costs every member the same as if the coordinator had asked." }
        @if all.is_empty() { p { "Nobody has leave to ask." } }
        ul class="list" id="leave" {
            @for one in all {
                li {
                    strong { (said(&one["by_name"])) } " lets " strong { (said(&one["name"])) } " ask"
                    p class="meta" {
                        @match one["why_closed"].as_str() {
                            Some(why) => { "Closed: " (why) },
                            None => { "Until " (moment(said(&one["until"]))) },
                        }
                        ". Asked under it: " (items(&one["asked"]).len()) "."
                    }
                    @if one["open"] == true && one["by"] == seen.me.as_str() {
                        form method="post" action={ "/members/leave/" (said(&one["id"])) "/revoke" } {
                            button type="submit" class="plain" { "Take it back" span class="unseen" { " from " (said(&one["name"])) } }
                        }
                    }
                }
            }
        }
        @if seen.coordinates {
            h2 { "Let a member ask" }
            (give(seen))
            p { "Only for some questions or data, or at a lower price: " code { "datacoop delegate --help" } }
        } @else {
            p { "This member is no coordinator, so it can let nobody ask." }
        }
    }
}

fn give(seen: &Seen) -> Markup {
    let members: Vec<(&str, &str)> =
        seen.others.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    let mut purposes = vec![("", "All that are open")];
    purposes.extend(seen.purposes.iter().map(|(id, title)| (id.as_str(), title.as_str())));
    let days = DELEGATION_MAX.0 / DAY;
    html! {
        form method="post" action="/members/leave" id="leave-form" {
            (select_field("member", "Which member", "", &members, ""))
            (field("until", "Its last day", &format!("At most {days} days from today."), &html! {
                input type="date" id="until" name="until" aria-describedby="until-hint";
            }))
            (select_field("purpose", "For which purpose", "", &purposes, ""))
            button type="submit" { "Let it ask" }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    member: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    purpose: String,
}

pub(super) async fn let_ask(State(handle): State<Handle>, Form(given): Form<Given>) -> Response {
    let purposes = Some(given.purpose).filter(|purpose| !purpose.is_empty());
    let wanted = Wanted {
        member: given.member,
        until: given.until,
        purposes: purposes.into_iter().collect(),
        ..Wanted::default()
    };
    done(&handle, ActRequest::Delegate(wanted)).await
}

pub(super) async fn take_back(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    done(&handle, ActRequest::Revoke { id }).await
}

async fn done(handle: &Handle, request: ActRequest) -> Response {
    let Err(error) = perform(handle, request).await else {
        return Redirect::to("/members/leave").into_response();
    };
    let error: CommandError = error;
    let frame = frame_of(handle).await;
    match handle.view(seen).await {
        Some(seen) => frame.again(HERE, TITLE, &error, &body(&seen)),
        None => frame.error(HERE, &stopped()),
    }
}
