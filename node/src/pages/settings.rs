//! Settings: the passphrase, what others may read of this node, whether a backup would be whole, and what can be
//! erased for good.

use std::time::Instant;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::form::{secret_field, text_field};
use super::{Shared, frame_of};
use crate::error::CommandError;
use crate::home::Home;
use crate::load;
use crate::passphrase;

const HERE: &str = "/settings";
const TITLE: &str = "Settings";
/// What is typed to erase for good.
const ERASE: &str = "erase";

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/passphrase", post(set_passphrase))
        .route("/settings/erase-left-out", post(erase_left_out))
}

async fn show(State(shared): State<Shared>) -> Response {
    let body = page(shared.handle.home());
    frame_of(&shared.handle).await.page(HERE, TITLE, &body)
}

/// The form that sets or changes the passphrase.
pub(super) fn passphrase_form(is_set: bool, action: &str) -> Markup {
    html! {
        form method="post" action=(action) id="passphrase-form" {
            @if is_set { (secret_field("current", "The passphrase now", "", "current-password")) }
            (secret_field("new", "New passphrase", &format!("At least {} characters: four words that nobody would put together.", passphrase::PASSPHRASE_CHARS_MIN), "new-password"))
            (secret_field("again", "New passphrase, once more", "", "new-password"))
            button type="submit" { @if is_set { "Change the passphrase" } @else { "Set the passphrase" } }
        }
    }
}

fn page(home: &Home) -> Markup {
    let is_set = passphrase::is_set(home);
    let aside = load::quarantine_list(home).unwrap_or_default();
    let files = aside["files"].as_array().map_or(0, Vec::len);
    html! {
        h2 id="passphrase" { "Passphrase" }
        p { "It keeps others at this computer out of these pages. It encrypts nothing: whoever can read this node's folder can read its records, so keep the disk encrypted." }
        @if !is_set { p { "There is none yet." } }
        (passphrase_form(is_set, "/settings/passphrase"))
        @if is_set { p { "If it is lost: " code { "datacoop init --reset-passphrase" } "." } }
        h2 { "What others can read of this node" }
        p { "Members keep copies of its log, which holds no records. Whether it is served to everybody else says " code { "datacoop log serve --help" } "." }
        h2 { "Backup" }
        p { "Copy the whole folder " code { (home.path().display()) } " while the node is stopped, and keep the copy as safe as the records. What to do when the folder is lost: " code { "datacoop restore --help" } "." }
        h2 id="erase" { "Erase for good" }
        @if files == 0 { p { "There is nothing here that was left out of imports." } }
        @else {
            p { @if files == 1 { "One file holds" } @else { (files) " files hold" } " rows that were left out of imports, with names as they were. Once they are corrected, nothing needs them." }
            form method="post" action="/settings/erase-left-out" id="erase-form" {
                (text_field("confirm", &format!("To erase them, type {ERASE}"), "It cannot be taken back.", ""))
                button type="submit" { "Erase these files" }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewPassphrase {
    #[serde(default)]
    pub(super) current: String,
    #[serde(default)]
    pub(super) new: String,
    #[serde(default)]
    pub(super) again: String,
}

/// Sets a passphrase that was typed twice.
pub(super) async fn set_to(home: &Home, form: NewPassphrase) -> Result<(), CommandError> {
    let (new, again) = (Zeroizing::new(form.new), Zeroizing::new(form.again));
    if *new != *again {
        return Err(CommandError::usage("the two new passphrases differ; nothing was changed".into()));
    }
    let home = home.clone();
    let set = tokio::task::spawn_blocking(move || passphrase::set(&home, &new)).await;
    set.map_err(|error| CommandError::failed(error.to_string()))?
}

async fn set_passphrase(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(mut form): Form<NewPassphrase>,
) -> Response {
    let home = shared.handle.home().clone();
    let current = Zeroizing::new(std::mem::take(&mut form.current));
    let allowed = match passphrase::is_set(&home) {
        true => confirmed(&shared, &home, current).await,
        false => Ok(()),
    };
    let set = match allowed {
        Ok(()) => set_to(&home, form).await,
        Err(error) => Err(error),
    };
    match set {
        // Whoever had another session has to give the new one.
        Ok(()) => match shared.door.unlock(&headers, Instant::now(), true) {
            Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(HERE)).into_response(),
            None => Redirect::to("/enter").into_response(),
        },
        Err(error) => frame_of(&shared.handle).await.again(HERE, TITLE, &error, &page(&home)),
    }
}

/// Whether the passphrase as it is was given: at the same pace as at the door.
async fn confirmed(shared: &Shared, home: &Home, given: Zeroizing<String>) -> Result<(), CommandError> {
    let seconds = |left: std::time::Duration| left.as_secs() + u64::from(left.subsec_nanos() > 0);
    shared.door.begin_try(Instant::now()).map_err(|left| {
        CommandError::usage(format!("it is too early to try again: wait {} seconds", seconds(left)))
    })?;
    let home = home.clone();
    let right = tokio::task::spawn_blocking(move || passphrase::matches(&home, &given)).await;
    let right = right.map_err(|error| CommandError::failed(error.to_string()))?;
    match right.map_err(|error| CommandError::failed(error.to_string()))? {
        true => Ok(()),
        false => {
            let left = seconds(shared.door.wait(Instant::now()));
            let text = format!("that passphrase is not right; try again in {left} seconds");
            Err(CommandError::usage(text))
        }
    }
}

#[derive(Deserialize)]
struct Confirmed {
    #[serde(default)]
    confirm: String,
}

async fn erase_left_out(
    State(shared): State<Shared>,
    Form(Confirmed { confirm }): Form<Confirmed>,
) -> Response {
    let home = shared.handle.home().clone();
    let erased = match confirm.trim() == ERASE {
        true => load::erase_left_out(&home),
        false => Err(CommandError::usage(format!("type {ERASE} to erase them; nothing was erased"))),
    };
    match erased {
        Ok(()) => Redirect::to("/settings#erase").into_response(),
        Err(error) => frame_of(&shared.handle).await.again(HERE, TITLE, &error, &page(&home)),
    }
}
