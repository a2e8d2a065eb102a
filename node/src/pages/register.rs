//! What the public register would say if it were published today, for this node's people to read before anybody does.
//! The files are those that `register export` writes; each page says that it is a preview.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::{Shared, frame_of};
use crate::api::logs::register;
use crate::error::CommandError;
use crate::register::kind_of;

const HERE: &str = "/register";
const TITLE: &str = "Public register";
/// Where a page of the register begins, below which the mark stands.
const MAIN: &str = "<main id=\"main\">\n";
/// On each page of the preview.
const MARK: &str = "<p class=\"note\"><strong>Preview.</strong> Nothing of this is published. <a href=\"/register\">Back to this node</a></p>\n";

/// As long as this it is shown once more as it is.
const FRESH: Duration = Duration::from_secs(2);
/// And as long as this its pages belong together.
const KEPT: Duration = Duration::from_secs(3_600);

/// A register by its files' names.
pub(super) type Files = BTreeMap<String, String>;

/// What was made, and when.
pub(super) type Made = Option<(Instant, Arc<Files>)>;

/// Makes it anew and keeps it for the pages that follow, one at a time: it reads all logs.
async fn made(shared: &Shared, old: Duration) -> Result<Arc<Files>, CommandError> {
    let mut kept = shared.register.lock().await;
    if let Some((_, files)) = kept.as_ref().filter(|(at, _)| at.elapsed() < old) {
        return Ok(Arc::clone(files));
    }
    let files = Arc::new(register(&shared.handle).await?);
    *kept = Some((Instant::now(), Arc::clone(&files)));
    Ok(files)
}

pub(super) async fn show(State(shared): State<Shared>) -> Response {
    let frame = frame_of(&shared.handle).await;
    match made(&shared, FRESH).await {
        Ok(files) => frame.page(HERE, TITLE, &body(&files)),
        Err(error) => frame.error(HERE, &error),
    }
}

fn body(files: &Files) -> Markup {
    let begin = |prefix: &str| {
        files.keys().filter(|name| name.starts_with(prefix) && name.ends_with(".html")).count()
    };
    let (purposes, results) = (begin("purpose-"), begin("result-"));
    let plural = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    html! {
        p class="lead" { "What parents, governors and reporters would read: every purpose, every question with refusals, and the results that the charter makes public." }
        p class="note" { strong { "Preview." } " Nothing of this is published. It is made from the logs that this node holds, as of today." }
        dl class="pairs" {
            dt { "Purposes" } dd { (plural(purposes, "purpose")) }
            dt { "Public results" } dd { @if results == 0 { "none yet" } @else { (plural(results, "result")) } }
            dt { "Never in it" } dd { "records, own figures, one member's figures, who refused, or why in their own words" }
        }
        p { a class="button" href="/register/preview/index.html" { "Read the preview" } }
        p {
            "The same as data: " a href="/register/preview/register.csv" { "register.csv" } ", "
            a href="/register/preview/register.json" { "register.json" } ", "
            a href="/register/preview/feed.xml" { "feed.xml" }
        }
        h2 { "To publish it" }
        p { "Export the logs, write the register as a folder of plain files, and put that folder on a web site. It has no script and sets no cookie." }
        pre data-copy { "datacoop log export our-log\ndatacoop register export register --from our-log" }
        p { "Of each other member's log name the export that it gave you, or the register says that they are missing." }
        p { "Or let this node serve it to everybody who reaches an address of this computer, as of each day, for as long as it runs:" }
        pre data-copy { "datacoop run --public-listen 0.0.0.0:8080" }
    }
}

pub(super) async fn file(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let files = made(&shared, KEPT).await;
    let found = files.and_then(|files| {
        let none = || {
            CommandError::usage("there is no such page in the register".into())
                .hint("begin at its first page")
        };
        files.get(&name).map(|text| shown(&name, text)).ok_or_else(none)
    });
    match found {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            let mut response = frame_of(&shared.handle).await.error(HERE, &error);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// A file as it is published, but that a page says what it is.
fn shown(name: &str, text: &str) -> (&'static str, String) {
    let text = match name.ends_with(".html") {
        true => text.replacen(MAIN, &format!("{MAIN}{MARK}"), 1),
        false => text.to_owned(),
    };
    (kind_of(name), text)
}
