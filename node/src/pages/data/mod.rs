//! Data: what lies here, and how a file gets in. Nothing on these pages leaves this computer, and all of
//! it goes through the import of the command line.

mod check;
mod columns;
mod files;
mod programs;
mod uploads;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, FromRef, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::form::select_field;
use super::frame::Frame;
use super::frame_of;
use super::words::{day, rows_words, vocabulary};
use crate::driver::Handle;
use crate::error::CommandError;
use crate::folder::Folder;
use crate::home::Home;
use crate::importing;
use crate::load::{self, Choice, Held, Wish};
pub(crate) use programs::import as import_sent;
use uploads::UPLOAD_BYTES_MAX;
pub(super) use uploads::Uploads;

/// What a form adds to a file on its way: the boundaries, the name, the vocabulary.
const FORM_AROUND_BYTES: u64 = 64 * 1024;
/// Longest form that matches columns: a vocabulary has a few dozen.
const COLUMNS_FORM_BYTES_MAX: usize = 256 * 1024;
const HERE: &str = "/data";

/// What these pages work on: a node's folder, and the node where it runs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(super) home: Home,
    pub(super) handle: Option<Handle>,
    pub(super) uploads: Arc<Uploads>,
}

impl Desk {
    /// What stands around these pages.
    pub(super) async fn frame(&self) -> Frame {
        match &self.handle {
            Some(handle) => frame_of(handle).await,
            None => super::setup::frame(&self.home),
        }
    }

    /// Runs what reads a file that was brought, aside from what answers others, and one at a time: some take much
    /// memory, and go on when whoever asked hangs up.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Home) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let held = self.uploads.looking().lock_owned().await;
        self.briefly(move |home| {
            let done = work(home);
            drop(held);
            done
        })
        .await
    }

    /// Runs what reads the folder alone, aside from what answers others.
    async fn briefly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Home) -> Result<T, CommandError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let home = self.home.clone();
        let done = tokio::task::spawn_blocking(move || work(&home)).await;
        done.map_err(|error| CommandError::failed(error.to_string()))?
    }

    async fn import(&self, wish: Wish) -> Result<Value, CommandError> {
        match &self.handle {
            Some(handle) => importing::import(handle, wish).await,
            None => {
                self.aside(move |home| {
                    let _lock =
                        Folder::open(home.path()).map_err(|error| CommandError::failed(error.to_string()))?;
                    load::import(home, &wish, &mut |_| {}).map(|loaded| loaded.json())
                })
                .await
            }
        }
    }

    async fn undo(&self, vocabulary: String, snapshot: u64) -> Result<Value, CommandError> {
        match &self.handle {
            Some(handle) => importing::undo(handle, vocabulary, snapshot).await,
            None => {
                self.aside(move |home| {
                    let _lock =
                        Folder::open(home.path()).map_err(|error| CommandError::failed(error.to_string()))?;
                    load::undo_only(home, &vocabulary, snapshot).map(|(json, _)| json)
                })
                .await
            }
        }
    }
}

/// The routes of Data.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Desk: FromRef<S>,
{
    let take = post(files::take).layer(upload_limit());
    let matching =
        get(columns::show).post(columns::said).layer(DefaultBodyLimit::max(COLUMNS_FORM_BYTES_MAX));
    Router::new()
        .route("/data", get(data))
        .route("/data/undo", post(undo))
        .route("/data/left-out/{name}", get(left_out))
        .route("/data/files", take)
        .route("/data/files/{id}", matching)
        .route("/data/files/{id}/check", get(check::show))
        .route("/data/files/{id}/import", post(check::import))
        .route("/data/files/{id}/done", get(check::done))
        .route("/data/files/{id}/give-up", post(files::give_up))
}

/// Longest form with a file.
pub(crate) fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(usize::try_from(UPLOAD_BYTES_MAX + FORM_AROUND_BYTES).unwrap_or(usize::MAX))
}

#[derive(Deserialize)]
struct Notice {
    #[serde(default)]
    undone: String,
}

async fn data(State(desk): State<Desk>, Query(Notice { undone }): Query<Notice>) -> Response {
    let frame = desk.frame().await;
    match overview(&desk, &undone).await {
        Ok(body) => frame.page(HERE, "Data", &body),
        Err(error) => frame.error(HERE, &error),
    }
}

/// What lies here and the form for a file.
async fn overview(desk: &Desk, undone: &str) -> Result<Markup, CommandError> {
    let (held, aside, names) = desk
        .briefly(|home| Ok((load::held(home)?, load::quarantine_list(home)?, load::vocabularies(home)?)))
        .await?;
    let waiting = desk.uploads.waiting(Instant::now());
    let undone = names.iter().any(|(name, _)| name == undone).then_some(undone);
    let files: Vec<&Value> = aside["files"].as_array().into_iter().flatten().collect();
    Ok(html! {
        p class="lead" { "Nothing on this page leaves this computer." }
        @if let Some(undone) = undone {
            div class="notice" role="status" { p { "The newest import as " (vocabulary(undone)) " is taken back." } }
        }
        h2 { "What lies here" }
        @if held.is_empty() { p { "Nothing yet. Choose a file below." } }
        @for table in &held { (held_html(table)) }
        @if !waiting.is_empty() {
            h2 { "Files that wait for you" }
            p { "They are erased an hour after they came." }
            ul { @for (id, name) in &waiting { li { a href={ "/data/files/" (id) } { "Go on with " (name) } } } }
        }
        h2 { "Import a file" }
        (file_form(&names, ""))
        @if !files.is_empty() {
            h2 { "Rows that were left out" }
            p { "Correct them in the system they are from, or in the file, and import it again. They hold names as they were: keep what you download safe." }
            ul {
                @for file in &files {
                    @let name = file["file"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
                    li { a href={ "/data/left-out/" (name) } { (name) } ": " (rows_words(file["rows"].as_u64().unwrap_or(0))) }
                }
            }
        }
    })
}

/// The first step: which file, and what it holds.
fn file_form(names: &[(String, String)], chosen: &str) -> Markup {
    let words: Vec<(String, String)> =
        names.iter().map(|(name, title)| (name.clone(), format!("{title}: {}", vocabulary(name)))).collect();
    let mut choices = vec![("", "Choose one")];
    choices.extend(words.iter().map(|(name, words)| (name.as_str(), words.as_str())));
    html! {
        form method="post" action="/data/files" enctype="multipart/form-data" id="file-form" {
            (select_field("vocabulary", "What does the file hold?", "Each is a list of columns and what they mean.", &choices, chosen))
            div class="field" {
                label for="file" { "The file" }
                p class="hint" id="file-hint" { "CSV, an Excel or OpenDocument workbook, Parquet, JSON or a common transfer file; at most " (UPLOAD_BYTES_MAX / (1024 * 1024)) " MB. Titles above the table, merged headers and totals may stay." }
                input type="file" id="file" name="file" required aria-describedby="file-hint";
            }
            button type="submit" { "Look at the file" }
        }
    }
}

fn held_html(table: &Held) -> Markup {
    html! {
        section class="card" {
            h3 { (table.title) }
            dl class="pairs" {
                dt { "Read as" } dd { (vocabulary(&table.vocabulary)) }
                dt { "Records" } dd { (table.rows) @if let Some(people) = table.people { ", about " (people) " people" } }
                @if let Some((first, last)) = &table.days { dt { "Period" } dd { (day(first)) " to " (day(last)) } }
                dt { "Last import" }
                dd {
                    @match &table.last {
                        Some(last) => { (last.file) @if let Some(on) = &last.day { ", on " (day(on)) } }
                        None => "not noted",
                    }
                }
                @if let Some(last) = &table.last {
                    dt { "Problems" }
                    dd {
                        @if last.rows_refused == 0 { "none: every row was kept" }
                        @else { (rows_words(last.rows_refused)) @if last.rows_refused == 1 { " was" } @else { " were" } " left out" @if last.kept_aside { "; see below" } }
                    }
                }
            }
            details {
                summary { "Undo this import" }
                p { "The records go back to what they were before this import. If there was none before, none are left, and this node answers no questions about them. The rows that it left out are erased with it." }
                form method="post" action="/data/undo" {
                    input type="hidden" name="vocabulary" value=(table.vocabulary);
                    input type="hidden" name="snapshot" value=(table.snapshot);
                    button type="submit" class="plain" { "Undo the import of " (table.last.as_ref().map_or("this table", |last| last.file.as_str())) }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Undo {
    vocabulary: String,
    snapshot: u64,
}

async fn undo(State(desk): State<Desk>, Form(Undo { vocabulary, snapshot }): Form<Undo>) -> Response {
    match desk.undo(vocabulary, snapshot).await {
        Ok(json) => {
            let name = json["vocabulary"].as_str().unwrap_or_default().replace('/', "%2F");
            Redirect::to(&format!("/data?undone={name}")).into_response()
        }
        Err(error) => desk.frame().await.error(HERE, &error),
    }
}

/// Rows that were left out, as they were written for the person who corrects them.
async fn left_out(State(desk): State<Desk>, Path(name): Path<String>) -> Response {
    let wanted = name.clone();
    let read = desk.briefly(move |home| load::left_out(home, &wanted)).await;
    match read {
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => desk.frame().await.error(HERE, &error),
    }
}

/// A file that is named by the path of a page.
fn of(desk: &Desk, id: &str) -> Result<uploads::Upload, CommandError> {
    desk.uploads.get(id, Instant::now())
}

/// The vocabulary's name that a file is read by.
fn vocabulary_name(wish: &Wish) -> &str {
    match &wish.vocabulary {
        Choice::Named(name) => name,
        Choice::Text(_) => "a vocabulary of our own",
    }
}

/// Words of the command line as a page says them.
///
/// Why: the importer asks in the words of the command line, which most who ask it see; the page has the same
/// as fields.
fn in_page(error: CommandError) -> CommandError {
    const SAID: [(&str, &str); 8] = [
        (
            "import it with `--repair pm-present`, which takes",
            "choose under Lost marks that the pupils were present, which takes",
        ),
        ("or with `--repair none`, if", "or that there is no afternoon register, if"),
        ("as `--repair pm-present` says", "as was chosen"),
        ("say --dates mdy", "choose month, day, year under Dates"),
        ("say --dates dmy", "choose day, month, year under Dates"),
        ("write terms.toml, or use --terms infer", "write terms.toml, or take the terms from the marks"),
        ("leave --replace out", "leave the period empty"),
        ("give a file of your own: --as FILE.toml", "choose what the file holds from the list"),
    ];
    let told = |mut text: String| {
        for (ours, pages) in SAID {
            text = text.replace(ours, pages);
        }
        for (before, pages) in [
            ("if one of them is, say so: --column ", "choose it below"),
            ("say which, such as --column ", "choose which below"),
        ] {
            if let Some((start, rest)) = text.split_once(before) {
                let rest = rest.split_once('\n').map_or(String::new(), |(_, rest)| format!("\n{rest}"));
                text = format!("{start}{pages}{rest}");
            }
        }
        text
    };
    CommandError { text: told(error.text), hint: error.hint.map(told), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_importer_asks_is_asked_in_the_words_of_the_page() {
        for (said, shown) in [
            (
                "a.csv: there is no column `code`; it has `A`; if one of them is, say so: --column code=HEADER",
                "choose it below",
            ),
            ("`A`, `B` may each be `code`; say which, such as --column code=\"B\"", "choose which below"),
            (
                "if all are so, say --dates mdy; if not, correct them",
                "choose month, day, year under Dates; if not",
            ),
            (
                "Export it again, or import it with `--repair pm-present`, which takes those, or with `--repair none`, if there",
                "that there is no afternoon register, if",
            ),
        ] {
            let page = in_page(CommandError::usage(said.into()));
            assert!(page.text.contains(shown) && !page.text.contains("--"), "{}", page.text);
        }
    }
}
