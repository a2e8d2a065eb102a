//! The third step: what an import would do, before it is done; then what it did. The same values as
//! `datacoop import --dry-run` prints.

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_protocol::log::tree::sha256;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::columns::{self, give_up};
use super::{Desk, HERE, in_page, of};
use crate::error::CommandError;
use crate::load::{self, Wish, kind_meaning};
use crate::pages::words::{day, rows_words, vocabulary};

const TITLE: &str = "Check before you import";

pub(super) async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let frame = desk.frame().await;
    let upload = match of(&desk, &id) {
        Ok(upload) => upload,
        Err(error) => return frame.error(HERE, &error),
    };
    let wish = upload.wish.clone();
    let looked =
        desk.aside(move |home| load::look(home, &wish, &mut |_| {}).map(|loaded| loaded.json())).await;
    match looked {
        Ok(json) => {
            let body = html! {
                (reconciliation(&json))
                form method="post" action={ "/data/files/" (id) "/import" } id="import-form" {
                    input type="hidden" name="checked" value=(fingerprint(&upload.wish));
                    button type="submit" { "Import these rows" }
                }
                p { a href={ "/data/files/" (id) } { "Change which column is which" } }
                (give_up(&id))
            };
            frame.page(HERE, TITLE, &body)
        }
        Err(error) => {
            // What mends it is said in the form, where that can be drawn.
            if let Ok(shown) = columns::looked(&desk, upload.wish.clone()).await {
                return columns::again(&frame, &id, &upload, &shown, &in_page(error));
            }
            let body = html! {
                p { "Nothing was imported." }
                p { a href={ "/data/files/" (id) } { "Change which column is which, or how days and marks are meant" } }
                (give_up(&id))
            };
            frame.again(HERE, TITLE, &in_page(error), &body)
        }
    }
}

/// What distinguishes what was checked, so that nothing else is imported.
fn fingerprint(wish: &Wish) -> String {
    sha256(&[&serde_json::to_vec(wish).unwrap_or_default()]).to_string()
}

#[derive(Deserialize)]
pub(super) struct Checked {
    checked: String,
}

pub(super) async fn import(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Form(Checked { checked }): Form<Checked>,
) -> Response {
    match imported(&desk, &id, &checked).await {
        Ok(()) => Redirect::to(&format!("/data/files/{id}/done")).into_response(),
        Err(error) => desk.frame().await.error(HERE, &in_page(error)),
    }
}

async fn imported(desk: &Desk, id: &str, checked: &str) -> Result<(), CommandError> {
    let upload = of(desk, id)?;
    if upload.done.is_some() {
        return Ok(());
    }
    if fingerprint(&upload.wish) != checked {
        return Err(CommandError::usage(
            "what to import was changed after it was checked; nothing was imported".into(),
        )
        .hint("check the rows again"));
    }
    let json = desk.import(upload.wish).await?;
    desk.uploads.finish(id, json);
    Ok(())
}

pub(super) async fn done(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let frame = desk.frame().await;
    let done = of(&desk, &id).map(|upload| upload.done);
    match done {
        Ok(Some(json)) => frame.page(HERE, "Imported", &done_html(&json)),
        Ok(None) => Redirect::to(&format!("/data/files/{id}/check")).into_response(),
        Err(error) => frame.error(HERE, &error),
    }
}

fn done_html(json: &Value) -> Markup {
    html! {
        (reconciliation(json))
        @if json["restart_needed"] == true {
            p class="alert" { "The running node did not know this list of columns: stop it and start it again before it answers questions on these data." }
        }
        p { "The file that you chose is erased here. What was kept of it lies in this node's folder." }
        ul {
            li { a href="/data" { "All data, and how to undo this import" } }
            li { a href="/" { "Home" } }
        }
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a data manager checks an import against.
fn reconciliation(json: &Value) -> Markup {
    let word = |name: &str| json[name].as_str().unwrap_or_default();
    if word("outcome") == "unchanged" {
        return html! { p class="lead" { (word("file")) " is imported already, as " (vocabulary(word("vocabulary"))) ": nothing changed." } };
    }
    let looked = word("outcome") == "looked";
    let refused = json["rows_refused"].as_u64().unwrap_or(0);
    html! {
        p class="lead" {
            strong { (json["rows_kept"]) " of " (json["rows_read"]) " rows " @if looked { "would be kept" } @else { "were kept" } }
            " from " (word("file")) ", read as " (vocabulary(word("vocabulary"))) "."
        }
        dl class="pairs" {
            @if let Some(read_as) = json["read_as"].as_str() { dt { "The file" } dd { "is " (read_as) } }
            @if let Some(people) = json["people"].as_u64().filter(|people| *people > 0) { dt { "People" } dd { (people) } }
            @if let (Some(first), Some(last)) = (json["first_day"].as_str(), json["last_day"].as_str()) {
                dt { "Days" } dd { (json["days"]) " from " (day(first)) " to " (day(last)) }
            }
            (days(json, "school_days_missing", "School days without a row"))
            (days(json, "days_outside_terms", "Days with rows outside the terms"))
            (marks(json))
            (replaced(json))
            (columns(json, "columns_ignored", "Columns not asked for, ignored"))
            (columns(json, "columns_absent", "Columns that the file does not have, left empty"))
        }
        @for note in words(&json["notes"]) { p class="alert" { (in_page(CommandError::usage(note.to_owned())).text) } }
        @if refused > 0 { (left_out(json, refused)) } @else { p { "No row is left out." } }
    }
}

fn days(json: &Value, field: &str, title: &str) -> Markup {
    let days = words(&json[field]);
    html! {
        @if !days.is_empty() {
            dt { (title) }
            dd { details { summary { (days.len()) } (days.join(", ")) } }
        }
    }
}

fn marks(json: &Value) -> Markup {
    let marks: Vec<(&String, &Value)> = json["marks_by_class"].as_object().into_iter().flatten().collect();
    html! {
        @if !marks.is_empty() {
            dt { "Marks" }
            dd { @for (at, (class, marks)) in marks.iter().enumerate() { @if at > 0 { ", " } (class.replace('_', " ")) " " (marks) } }
        }
    }
}

fn replaced(json: &Value) -> Markup {
    let number = |name: &str| json[name].as_u64().unwrap_or(0);
    let (all, other) = (number("rows_replaced"), number("rows_replaced_of_other_days"));
    html! {
        @if all > 0 {
            dt { "Replaces" }
            dd { (all) " rows imported before" @if other > 0 { ", " (other) " of them of days that this file has no row of" } }
        }
    }
}

fn columns(json: &Value, field: &str, title: &str) -> Markup {
    let names = words(&json[field]);
    html! {
        @if !names.is_empty() { dt { (title) } dd { details { summary { (names.len()) } (names.join(", ")) } } }
    }
}

/// Rows that are left out: how many of each kind, and the first of them with the remedy.
fn left_out(json: &Value, refused: u64) -> Markup {
    let kinds = json["refused_by_kind"].as_object().into_iter().flatten();
    let problems = words(&json["problems"]);
    html! {
        h2 id="left-out" { (rows_words(refused)) @if refused == 1 { " is" } @else { " are" } " left out" }
        table class="plain" {
            caption { "Why" }
            thead { tr { th scope="col" { "What is wrong" } th scope="col" { "Rows" } } }
            tbody { @for (kind, rows) in kinds { tr { th scope="row" { (kind_meaning(kind)) } td { (rows) } } } }
        }
        h3 { @if problems.len() as u64 == refused { "Each of them" } @else { "The first " (problems.len()) } }
        ul class="problems" { @for problem in &problems { li { (problem) } } }
        @if json["quarantine"].is_string() { p { "All of them lie aside, to correct: see " a href="/data" { "Data" } "." } }
    }
}
