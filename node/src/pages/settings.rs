//! Settings: the passphrase, what others may read of this node, whether a backup would be whole, and what can be
//! erased for good.

use std::net::SocketAddr;
use std::path::Path as StdPath;
use std::time::Instant;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::access;
use super::form::{secret_field, text_field};
use super::{Shared, frame_of};
use crate::api::logs::put_log_server;
use crate::clock;
use crate::error::CommandError;
use crate::folder::write_durably;
use crate::home::Home;
use crate::html::day_words;
use crate::load;
use crate::passphrase;
use crate::restore::{Copied, try_copy};

const HERE: &str = "/settings";
const TITLE: &str = "Settings";
/// What came of the last test of a copy, in this node's folder.
const TRIED: &str = "restore-test";
/// What is typed to erase for good.
const ERASE: &str = "erase";

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/passphrase", post(set_passphrase))
        .route("/settings/erase-left-out", post(erase_left_out))
        .route("/settings/restore-test", post(test_copy))
        .route("/settings/serve-logs", post(serve_logs))
        .merge(access::routes())
}

async fn show(State(shared): State<Shared>) -> Response {
    let body = page(&shared).await;
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

/// The page with something above it that is shown this once.
pub(super) async fn with(shared: &Shared, once: &Markup) -> Response {
    let body = html! { (once) (page(shared).await) };
    frame_of(&shared.handle).await.page(HERE, TITLE, &body)
}

async fn page(shared: &Shared) -> Markup {
    let home = shared.handle.home();
    let served = shared.log_server.lock().await.as_ref().map(|server| server.address);
    let is_set = passphrase::is_set(home);
    let aside = load::quarantine_list(home).unwrap_or_default();
    let files = aside["files"].as_array().map_or(0, Vec::len);
    html! {
        h2 id="passphrase" { "Passphrase" }
        p { "It keeps others at this computer out of these pages. It encrypts nothing: whoever can read this node's folder can read its records, so keep the disk encrypted." }
        @if !is_set { p { "There is none yet." } }
        (passphrase_form(is_set, "/settings/passphrase"))
        @if is_set { p { "If it is lost: " code { "datacoop init --reset-passphrase" } "." } }
        (access::auditors(shared.door.auditors()))
        (access::programs(home))
        (serving(served))
        (backup(home))
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

/// Whether anybody who reaches an address of this computer may read the logs.
fn serving(served: Option<SocketAddr>) -> Markup {
    html! {
        h2 id="serving" { "What others can read of this node" }
        p { "Members keep copies of its log, which holds no records. It can be served to everybody else too, read-only, until the node stops." }
        @match served {
            Some(address) => {
                p { "The logs are served at " strong { "http://" (address) "/" } "." }
                form method="post" action="/settings/serve-logs" id="serve-form" {
                    input type="hidden" name="listen" value="";
                    button type="submit" class="plain" { "Stop serving them" }
                }
            },
            None => {
                p { "They are not served." }
                form method="post" action="/settings/serve-logs" id="serve-form" {
                    (text_field("listen", "Address and port of this computer", "127.0.0.1 is for programs on this computer alone; 0.0.0.0 is for everybody who reaches it.", "127.0.0.1:8090"))
                    button type="submit" class="plain" { "Serve the logs" }
                }
            },
        }
        p { "From each start on: " code { "datacoop run --serve-logs 127.0.0.1:8090" } }
    }
}

/// How a copy is made, and when one was last tried.
fn backup(home: &Home) -> Markup {
    let tried = std::fs::read_to_string(home.join(TRIED)).unwrap_or_default();
    html! {
        h2 id="backup" { "Backup" }
        p { "Stop the node, then copy the whole folder, and keep the copy as safe as the records:" }
        pre data-copy { (home.path().display()) }
        p id="last-restore-test" { "Last restore test: " @if tried.trim().is_empty() { "never. Do one now:" } @else { (tried.trim()) } }
        form method="post" action="/settings/restore-test" id="restore-test-form" {
            (text_field("copy", "Folder of the copy", "Such as /media/disk/node. It is only read, and nothing is started: two running copies of one node would show for ever.", ""))
            button type="submit" class="plain" { "Test whether it would serve" }
        }
        p { "What to do when the folder is lost: " code { "datacoop restore --help" } "." }
    }
}

#[derive(Deserialize)]
struct CopyAt {
    #[serde(default)]
    copy: String,
}

async fn test_copy(State(shared): State<Shared>, Form(CopyAt { copy }): Form<CopyAt>) -> Response {
    let home = shared.handle.home().clone();
    let now = shared.handle.view(|member| member.fold().log(member.me()).map_or(0, |log| log.size()));
    let now = now.await.unwrap_or(0);
    let tested = tokio::task::spawn_blocking(move || {
        if copy.trim().is_empty() {
            return Err(CommandError::usage("name the folder of the copy".into()));
        }
        let Copied { entries, tables } = try_copy(&home, &Home::new(StdPath::new(copy.trim())))?;
        let behind = now.saturating_sub(entries);
        let tables = if tables == 1 { "1 kind".to_owned() } else { format!("{tables} kinds") };
        let said = format!(
            "{}: a copy would serve. It has {entries} entries of our log, {behind} fewer than now, and {tables} of records.\n",
            day_words(clock::now().day())
        );
        write_durably(&home.join(TRIED), said.as_bytes())
            .map_err(|error| CommandError::failed(error.to_string()))
    });
    let tested = tested.await.unwrap_or_else(|error| Err(CommandError::failed(error.to_string())));
    done(&shared, tested, "backup").await
}

#[derive(Deserialize)]
struct Listen {
    #[serde(default)]
    listen: String,
}

async fn serve_logs(State(shared): State<Shared>, Form(Listen { listen }): Form<Listen>) -> Response {
    let address = match listen.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            CommandError::usage(format!("`{text}` is no address with a port")).hint("write 127.0.0.1:8090")
        }),
    };
    let put = match address {
        Ok(address) => put_log_server(&shared.log_server, &shared.handle, address).await.map(drop),
        Err(error) => Err(error),
    };
    done(&shared, put, "serving").await
}

/// Leads back to the part of the page, or says above it what went wrong.
pub(super) async fn done(shared: &Shared, result: Result<(), CommandError>, part: &str) -> Response {
    match result {
        Ok(()) => Redirect::to(&format!("{HERE}#{part}")).into_response(),
        Err(error) => {
            let body = page(shared).await;
            frame_of(&shared.handle).await.again(HERE, TITLE, &error, &body)
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
        Err(error) => done(&shared, Err(error), "passphrase").await,
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
    done(&shared, erased, "erase").await
}
