//! Settings, who else gets in: an auditor at this computer, and programs with tokens. What either reaches stands in
//! [`super::role`] and [`crate::tokens`].

use std::collections::BTreeSet;
use std::time::Instant;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};

use super::Shared;
use super::door::SETUP_TIME;
use super::form::text_field;
use super::role::Role;
use super::settings::{done, with};
use crate::error::CommandError;
use crate::folder::StoreError;
use crate::home::Home;
use crate::tokens::{self, Scope};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/settings/auditor", post(let_in))
        .route("/settings/auditor/end", post(end))
        .route("/settings/tokens", post(make))
        .route("/settings/tokens/{id}/revoke", post(revoke))
}

/// How an auditor gets in, and how many are.
pub(super) fn auditors(inside: usize) -> Markup {
    html! {
        h2 id="auditor" { "An auditor at this computer" }
        p { "An auditor sees everything on these pages but the node's own figures, its data files and these settings, checks the logs, and changes nothing." }
        form method="post" action="/settings/auditor" id="auditor-form" {
            button type="submit" class="plain" { "Make a sign-in for an auditor" }
        }
        @if inside > 0 {
            p { @if inside == 1 { "One auditor is signed in." } @else { (inside) " auditors are signed in." } }
            form method="post" action="/settings/auditor/end" id="auditor-end-form" {
                button type="submit" class="plain" { "Sign auditors out" }
            }
        }
    }
}

async fn let_in(State(shared): State<Shared>) -> Response {
    let code = shared.door.new_code_for(Role::Auditor, Instant::now(), SETUP_TIME);
    let once = html! {
        div class="note" role="status" {
            p { "This address signs an auditor in, once, within " (SETUP_TIME.as_secs() / 60) " minutes. Open it in a private window or in another browser: in this one it would take the place of your own sign-in." }
            pre data-copy { (shared.door.link(&code)) }
        }
    };
    with(&shared, &once).await
}

async fn end(State(shared): State<Shared>) -> Response {
    shared.door.end_auditors();
    done(&shared, Ok(()), "auditor").await
}

/// What a scope lets a program do, in words.
fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "See what members see: releases, logs, the charter",
        Scope::Own => "See this node's own figures beside releases, and bring data files",
        Scope::Ask => "Ask the members: this spends the privacy budget",
        Scope::Admin => "Decline questions, and start audits",
    }
}

/// The tokens that programs have, and how to make one.
pub(super) fn programs(home: &Home) -> Markup {
    let listed = tokens::list(home);
    html! {
        h2 id="programs" { "Programs" }
        p { "A program at this computer uses the node by a token, at " code { "/api/v1/" } ". A token is shown once, when it is made." }
        @match &listed {
            Err(error) => p class="alert" { (error) },
            Ok(all) if all.is_empty() => p { "No program has a token." },
            Ok(all) => ul class="list" {
                @for token in all {
                    li {
                        strong { @if token.name.is_empty() { "Without a name" } @else { (token.name) } }
                        p class="meta" { "Made " (token.made) ", id " (token.id) ". " (may(&token.scopes)) }
                        form method="post" action={ "/settings/tokens/" (token.id) "/revoke" } {
                            button type="submit" class="plain" { "Take it back" span class="unseen" { ": " (token.name) } }
                        }
                    }
                }
            },
        }
        form method="post" action="/settings/tokens" id="token-form" {
            (text_field("name", "Name of the program", "Such as: weekly report", ""))
            fieldset class="field" {
                legend { "What it may do" }
                @for scope in Scope::ALL {
                    div class="choice" {
                        input type="checkbox" id={ "scope-" (scope) } name="scope" value=(scope) checked[scope == Scope::Read];
                        label for={ "scope-" (scope) } { (words(scope)) }
                    }
                }
            }
            button type="submit" class="plain" { "Make a token" }
        }
    }
}

fn may(scopes: &BTreeSet<Scope>) -> String {
    let each: Vec<&str> = scopes.iter().map(|scope| words(*scope)).collect();
    format!("{}.", each.join("; "))
}

async fn make(State(shared): State<Shared>, Form(form): Form<Vec<(String, String)>>) -> Response {
    let given =
        |name: &'static str| form.iter().filter(move |(is, _)| is == name).map(|(_, value)| value.trim());
    let scopes: Result<BTreeSet<Scope>, String> = given("scope").map(str::parse).collect();
    let name = given("name").next().unwrap_or_default().to_owned();
    let home = shared.handle.home().clone();
    let made = match scopes {
        Err(why) => Err(why),
        Ok(scopes) if scopes.is_empty() => Err("choose what the program may do".to_owned()),
        Ok(scopes) => aside(move || tokens::make(&home, &name, scopes)).await.map_err(|error| error.text),
    };
    let secret = match made {
        Ok((_, secret)) => secret,
        Err(why) => return done(&shared, Err(CommandError::usage(why)), "programs").await,
    };
    let once = html! {
        div class="note" role="status" {
            p { "This is the new token. It is shown this once: whoever has it may do what you chose." }
            pre data-copy { (secret) }
        }
    };
    with(&shared, &once).await
}

async fn revoke(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let home = shared.handle.home().clone();
    // One that is gone already is what was wanted.
    let revoked = aside(move || tokens::revoke(&home, &id)).await;
    done(&shared, revoked.map(drop), "programs").await
}

/// Off the threads that serve: the list is locked while another process changes it.
async fn aside<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(what).await;
    done.map_err(|error| CommandError::failed(error.to_string()))?
        .map_err(|error| CommandError::failed(error.to_string()))
}
