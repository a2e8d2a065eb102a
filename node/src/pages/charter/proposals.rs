//! What is before the members: read it, support it, object with a reason, answer. The same values and the
//! same acts as `datacoop proposals`, `support`, `object` and `reply`.

use std::time::Instant;

use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::HERE;
use super::sign::Text;
use crate::acts::shown::Listed;
use crate::acts::{self, ActRequest, Sought};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::html::capital;
use crate::pages::form::{sentence, text_area};
use crate::pages::frame::Mistake;
use crate::pages::words::{dated, day_of, items, moment};
use crate::pages::{Shared, frame_of, stopped};

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

/// All that members proposed, as `datacoop proposals --json`.
pub(super) async fn list(handle: &Handle) -> Result<Value, CommandError> {
    let listed = handle.view(|member| Listed::all(member, clock::now())).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let read = tokio::task::spawn_blocking(move || {
        Ok(listed.with_titles(&home.join("blobs"), &home.vocabularies().map_err(failed)?))
    });
    read.await.map_err(failed)?
}

/// One proposal with its texts, as `datacoop proposals ID --json`.
async fn one(handle: &Handle, id: String) -> Result<Value, CommandError> {
    let seen = handle.view(move |member| {
        let at = acts::find(member.fold(), &id, Sought::Proposal)?;
        let none = || CommandError::usage(format!("{} is by nobody who may propose", at.leaf.short()));
        Listed::one(member, &at, clock::now()).ok_or_else(none)
    });
    let listed = seen.await.ok_or_else(stopped)??;
    let home = handle.home().clone();
    let read = tokio::task::spawn_blocking(move || {
        Ok(listed.with_texts(&home.join("blobs"), &home.vocabularies().map_err(failed)?))
    });
    read.await.map_err(failed)?
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn can(proposal: &Value, what: &str) -> bool {
    items(&proposal["can"]).iter().any(|can| can == what)
}

fn title(proposal: &Value) -> String {
    let named = format!("The {} {}", word(&proposal["what"]), word(&proposal["names"]));
    proposal["title"].as_str().map_or(named, capital)
}

/// What a draft says, a line each: what it changes, or a few words and what they name.
fn says_html(json: &Value) -> Markup {
    let lines: Vec<&str> = items(&json["lines"]).iter().map(word).collect();
    let changed = |line: &str| match line.split_once(' ') {
        Some(("tightening", what)) => Some(format!("Tightens: {}", dated(what.trim_start()))),
        Some(("loosening", what)) => Some(format!("Loosens: {}", dated(what.trim_start()))),
        _ => None,
    };
    let changes: Vec<String> = lines.iter().filter_map(|line| changed(line)).collect();
    // As the command line sets them: the name, at least two spaces, what it says.
    let named = lines.iter().filter(|line| changed(line).is_none());
    let named: Vec<(&str, &str)> = named.map(|line| line.split_once("  ").unwrap_or((*line, ""))).collect();
    html! {
        @if !named.is_empty() {
            dl class="pairs" { @for (name, said) in &named { dt { (capital(name)) } dd { (dated(said.trim())) } } }
        }
        @if !named.is_empty() && !changes.is_empty() { p { "In the charter that comes to:" } }
        @if !changes.is_empty() { ul { @for change in &changes { li { (change) } } } }
    }
}

/// The list on the charter's page.
pub(super) fn list_html(json: &Value) -> Markup {
    let all = items(&json["proposals"]);
    html! {
        @if all.is_empty() { p { "Nothing is proposed. How to propose something: " code { "datacoop propose --help" } "." } }
        @else {
            ul class="list" {
                @for proposal in all {
                    li {
                        a href={ "/charter/proposals/" (word(&proposal["id"])) } { (title(proposal)) }
                        p class="meta" {
                            "A " (word(&proposal["what"])) ", " (word(&proposal["state"])) "; by " (word(&proposal["name"])) ", " (day_of(word(&proposal["time"]))) ". "
                            (items(&proposal["cosigners"]).len()) " support it, " (items(&proposal["objections"]).len()) " object."
                        }
                        @if proposal["blocked"].is_object() { p class="meta" { (blocked_words(proposal)) } }
                    }
                }
            }
        }
        @let paused = items(&json["restrictions"]);
        @if !paused.is_empty() {
            h3 { "Paused, or wanted to be" }
            ul {
                @for pause in paused {
                    li {
                        "The " (word(&pause["what"])) " " (word(&pause["id"])) ": "
                        @match pause["until"].as_str() {
                            Some(until) => { "paused until " (day_of(until)) }
                            None => { "not yet, members of " (pause["bodies"]) " of the " (pause["needed"]) " bodies that it takes want it" }
                        }
                    }
                }
            }
        }
    }
}

/// Why nobody's program signs it yet.
fn blocked_words(proposal: &Value) -> String {
    let blocked = &proposal["blocked"];
    let answer = if blocked["awaits_answer"] == true { ", nor before it is answered" } else { "" };
    let name = word(&blocked["name"]);
    match proposal["what"] == "question" {
        true => format!("{name} objects: where it is asked, it waits for a person's yes."),
        false => {
            format!(
                "{name} objects: nobody's program signs before {}{answer}.",
                moment(word(&blocked["until"]))
            )
        }
    }
}

pub(super) async fn show(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(Done { done }): Query<Done>,
) -> Response {
    let frame = frame_of(&handle).await;
    match one(&handle, id).await {
        Ok(json) => frame.page(HERE, &title(&json), &detail(&json, "", &done)),
        Err(error) => frame.error(HERE, &error),
    }
}

/// What a person did a moment ago.
#[derive(Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

fn done_words(done: &str) -> Option<&'static str> {
    Some(match done {
        "support" => "Your support stands in your log, for all members.",
        "object" => "Your objection stands in your log, for all members.",
        "reply" => "Your answer stands in your log, for all members.",
        "withdraw" => "Your proposal is taken back.",
        _ => return None,
    })
}

/// Everything about one proposal; `said` is a text that was not taken, `done` what was done a moment ago.
fn detail(json: &Value, said: &str, done: &str) -> Markup {
    let (supporters, objections) = (items(&json["cosigners"]), items(&json["objections"]));
    html! {
        @if let Some(words) = done_words(done) { div class="notice" role="status" { p { (words) } } }
        p {
            "A proposed " strong { (word(&json["what"])) } " by " (word(&json["name"])) ", " (day_of(word(&json["time"]))) "; "
            @if json["state"] == "open" { "open until " (day_of(word(&json["open_until"]))) } @else { (word(&json["state"])) @if let Some(why) = json["why_stale"].as_str() { ": " (why) } }
            "."
        }
        @if json["blocked"].is_object() { p class="alert" { (blocked_words(json)) } }
        @if let Some(problem) = json["problem"].as_str() { p class="alert" { (problem) } }
        h2 { "What it says" }
        (says_html(json))
        @if let Some(text) = json["text"].as_str() { details { summary { "The whole text" } pre { (text) } } }
        h2 { "Who supports it" }
        @if supporters.is_empty() { p { "Nobody yet, beside its author." } }
        @else { ul { @for done in supporters { li { (word(&done["name"])) ", " (day_of(word(&done["time"]))) } } } }
        h2 { "Who objects" }
        @if objections.is_empty() { p { "Nobody." } }
        @for objection in objections { (objection_html(json, objection, said)) }
        (reviews(json))
        h2 { "What you can do" }
        (acts_html(json, said))
        p { a href="/charter#proposals" { "All proposals" } }
    }
}

fn quoted(value: &Value) -> Markup {
    html! {
        @match value.as_str() {
            Some(text) => blockquote { @for line in text.lines() { p { (line) } } },
            None => p { "Its text has not arrived here yet." },
        }
    }
}

fn objection_html(json: &Value, objection: &Value, said: &str) -> Markup {
    let id = word(&objection["id"]);
    html! {
        section class="card" {
            h3 { (word(&objection["name"])) ", " (day_of(word(&objection["time"]))) }
            (quoted(&objection["text"]))
            @if objection["reply"].is_object() {
                p { "Answered by " (word(&objection["reply"]["name"])) ", " (day_of(word(&objection["reply"]["time"]))) ":" }
                (quoted(&objection["reply"]["text"]))
            } @else {
                p { "Not answered yet." }
                @if can(json, "reply") {
                    form method="post" action={ "/charter/proposals/" (word(&json["id"])) "/reply" } class="reply-form" {
                        input type="hidden" name="objection" value=(id);
                        (text_area(&format!("reply-{id}"), "Your answer", "All members read it.", said, 4))
                        button type="submit" class="plain" { "Answer this objection" }
                    }
                }
            }
        }
    }
}

fn reviews(json: &Value) -> Markup {
    let reviews = items(&json["reviews"]);
    let reviewers: Vec<&str> = items(&json["reviewers"]).iter().map(|one| word(&one["name"])).collect();
    html! {
        @if json["what"] == "purpose" {
            h2 { "Reviews" }
            @if let Some(why) = json["unreviewable"].as_str() { p { "None can be: " (why) "." } }
            @else if reviews.is_empty() { p { (reviewers.join(" and ")) " review it, each before it knows what the other found." } }
            @for review in reviews {
                @match review["shown"].as_object() {
                    None => p { (word(&review["name"])) " bound a review on " (day_of(word(&review["time"]))) "; it is shown once two are." },
                    Some(shown) => {
                        p { (word(&review["name"])) ": benefit " (word(&shown["benefit"])) ", harm " (word(&shown["harm"])) ", least data " (word(&shown["least_data"])) "." }
                        (quoted(&shown["text"]))
                    }
                }
            }
        }
    }
}

fn acts_html(json: &Value, said: &str) -> Markup {
    let base = format!("/charter/proposals/{}", word(&json["id"]));
    let is_charter = json["what"] == "charter" && json["text"].is_string();
    // One button stands out: to sign, where that can be, else to support.
    let quiet = |best: bool| (!best).then_some("plain");
    html! {
        @if items(&json["can"]).is_empty() && !is_charter { p { "Nothing, now." } }
        @if can(json, "support") {
            form method="post" action={ (base) "/support" } id="support-form" {
                p { "Support says that your organisation is for it. It signs nothing." }
                button type="submit" class=[quiet(!is_charter)] { "Support it" }
            }
        }
        @if can(json, "object") {
            form method="post" action={ (base) "/object" } id="object-form" {
                (text_area("because", "Why you object", "All members read it. Nobody's program signs until members had time to hear it and its author answered.", said, 4))
                button type="submit" class="plain" { "Object" }
            }
        }
        @if can(json, "review") { p { "Your organisation reviews this purpose: " code { "datacoop review --help" } "." } }
        @if can(json, "withdraw") {
            form method="post" action={ (base) "/withdraw" } id="withdraw-form" { button type="submit" class="plain" { "Take your proposal back" } }
        }
        @if is_charter {
            form method="post" action={ (base) "/read" } id="read-proposal-form" { button type="submit" { "See what it changes, and sign it" } }
        }
        @if can(json, "ask") { p { a href="/ask" { "Ask it" } ", or let another member do so." } }
    }
}

#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    because: String,
    #[serde(default)]
    objection: String,
    #[serde(flatten)]
    others: std::collections::BTreeMap<String, String>,
}

/// Does what a button says.
pub(super) async fn act(
    State(handle): State<Handle>,
    Path((id, act)): Path<(String, String)>,
    Form(said): Form<Said>,
) -> Response {
    let reply = said.others.iter().find(|(name, _)| name.starts_with("reply-")).map(|(_, text)| text.clone());
    let text = if act == "reply" { reply.unwrap_or_default() } else { said.because.clone() };
    let request = match act.as_str() {
        "support" => ActRequest::Support { id: id.clone() },
        "object" => ActRequest::Object { id: id.clone(), because: text.clone() },
        "reply" => ActRequest::Reply { id: said.objection, text: text.clone() },
        "withdraw" => ActRequest::Withdraw { id: id.clone() },
        _ => {
            let error = CommandError::usage("there is no such thing to do about a proposal".into());
            return frame_of(&handle).await.error(HERE, &error);
        }
    };
    // What is wrong with a text leads to where it is typed.
    let field = match act.as_str() {
        "object" => Some("because".to_owned()),
        "reply" => said.others.keys().find(|name| name.starts_with("reply-")).cloned(),
        _ => None,
    };
    let Err(error) = acts::perform(&handle, request).await else {
        return Redirect::to(&format!("/charter/proposals/{id}?done={act}")).into_response();
    };
    let frame = frame_of(&handle).await;
    match one(&handle, id).await {
        Ok(json) => {
            let body = detail(&json, &text, "");
            let field = field.filter(|field| body.0.contains(&format!("id=\"{field}\"")));
            match field {
                Some(field) => {
                    let text = sentence(&error.text).trim_end_matches('.').to_owned();
                    frame.form(HERE, &title(&json), &[Mistake { field, text }], &body)
                }
                None => frame.again(HERE, &title(&json), &error, &body),
            }
        }
        Err(_) => frame.error(HERE, &error),
    }
}

/// Takes a proposed charter to the page that says what it changes.
pub(super) async fn read(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let taken = match one(&shared.handle, id).await {
        Ok(json) => match (json["problem"].as_str(), json["text"].as_str(), json["what"].as_str()) {
            (None, Some(text), Some("charter")) => Ok(text.to_owned()),
            (Some(problem), ..) => Err(CommandError::failed(problem.to_owned())),
            _ => Err(CommandError::usage("this proposes no next version of the charter".into())),
        },
        Err(error) => Err(error),
    };
    match taken {
        Ok(text) => {
            let id = shared.texts.put(Text::new(text), Instant::now());
            Redirect::to(&format!("/charter/read/{id}")).into_response()
        }
        Err(error) => frame_of(&shared.handle).await.error(HERE, &error),
    }
}
