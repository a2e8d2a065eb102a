//! The charter: what can never be changed first, then what holds, how it came about, and what waits. The
//! words are those of `datacoop charter show` and `diff`.

mod proposals;
mod sign;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use datacoop_policy::charter::{Charter, Class, Licence, Publish, Purpose, class_of, succeed};
use datacoop_protocol::charter_text::bare_text;
use datacoop_protocol::words;
use maud::{Markup, html};
use serde_json::Value;

use super::words::{dated, vocabulary};
use super::{Shared, frame_of, stopped};
use crate::chain::Versions;
use crate::clock;
use crate::driver::Handle;
use crate::ending::endings_text;
use crate::error::CommandError;
use crate::html::{day_words, register_words};
use crate::view::status_json;
pub(super) use sign::Text;

/// Largest text of a charter that is taken: its notes are far smaller.
const CHARTER_BYTES_MAX: usize = 4 * 1024 * 1024;
const HERE: &str = "/charter";

pub(super) fn routes() -> Router<Shared> {
    let read = post(sign::read).layer(DefaultBodyLimit::max(CHARTER_BYTES_MAX));
    Router::new()
        .route("/charter", get(show))
        .route("/charter/versions/{version}", get(note))
        .route("/charter/read", read)
        .route("/charter/read/{id}", get(sign::show))
        .route("/charter/read/{id}/sign", post(sign::sign))
        .route("/charter/read/{id}/take", post(sign::take))
        .route("/charter/read/{id}/note", get(sign::note))
        .route("/charter/proposals/{id}", get(proposals::show))
        .route("/charter/proposals/{id}/read", post(proposals::read))
        .route("/charter/proposals/{id}/{act}", post(proposals::act))
}

async fn show(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    match page(&handle).await {
        Ok(body) => frame.page(HERE, "Charter", &body),
        Err(error) => frame.error(HERE, &error),
    }
}

async fn page(handle: &Handle) -> Result<Markup, CommandError> {
    let seen = handle.view(|member| {
        let charter = member.fold().charter_at(member.me(), clock::now()).clone();
        (charter, status_json(member, clock::now()))
    });
    let (charter, status) = seen.await.ok_or_else(stopped)?;
    let proposed = proposals::list(handle).await?;
    let home = handle.home().clone();
    let versions = tokio::task::spawn_blocking(move || home.charters()).await;
    let versions = versions.map_err(|error| CommandError::failed(error.to_string()))?;
    let versions = versions.map_err(|error| CommandError::failed(error.to_string()))?;
    let fields = charter.fields();
    Ok(html! {
        @let warned = warnings(&status, &versions);
        @if !warned.0.is_empty() { div id="now" { (warned) } }
        h2 { "What can never be taken out" }
        (asset_lock(&charter))
        h2 { "What holds now" }
        p { strong { (fields.name) } ", version " (charter.version()) ", from " (day_words(fields.effective)) " until " (day_words(fields.expires)) "." }
        (what_it_says(&charter))
        h2 id="proposals" { "Proposals" }
        (proposals::list_html(&proposed))
        h2 { "Versions, and what each changed" }
        (history(&versions))
        h2 id="leaving" { "Leaving" }
        p { "A member may leave at any time: a next version without it is signed as any other, by the quorum of those that stay too. Its log stays with it and with all copies, and what was released stays released." }
        p { "If this co-operative cannot come to a quorum any more, another can follow it. This node goes over to that one with what its people's privacy has spent, by its own word:" }
        pre data-copy { "datacoop charter join FILES --leaving ID" }
        h2 id="read" { "Read a next version" }
        p { "Before you sign a text, this page says what it changes and which way. Paste it, or choose its file." }
        (sign::read_form(""))
    })
}

fn asset_lock(charter: &Charter) -> Markup {
    let lock = &charter.fields().asset_lock;
    html! {
        blockquote class="clause" {
            @for line in lock.clause.lines() { p { (line) } }
            @for line in lock.stricter.lines() { p { (line) } }
        }
        @let successor = charter.member(&lock.successor).map(|member| member.name.clone());
        p { "If the co-operative ends, what is left goes to " strong { (successor.unwrap_or_else(|| register_words(&lock.successor))) } "." }
    }
}

/// What waits, what ends soon, and what went wrong: before what it says.
fn warnings(status: &Value, versions: &Versions) -> Markup {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let charter = &status["charter"];
    let later: Vec<&Value> = charter["later"].as_array().into_iter().flatten().collect();
    let in_force = charter["version"].as_u64().unwrap_or(0);
    let newest = versions.last().map_or(0, |(_, charter)| u64::from(charter.version()));
    let endings = endings_text(&charter["endings"]);
    html! {
        @for later in &later {
            p class="alert" { "Version " (later["version"]) " waits: this node goes by it from " (dated(&word(&later["from"]))) " on." }
        }
        @if newest > in_force && later.is_empty() {
            p class="alert" { "This node holds version " (newest) " and goes by version " (in_force) ": its log says when that changes." }
        }
        @for line in endings.lines() { p class="alert" { (dated(line)) } }
        @if charter["rivals"].as_array().is_some_and(|rivals| !rivals.is_empty()) {
            p class="alert" { "Two rival versions were signed: this node answers nothing until members decide. Who signed both says " code { "datacoop charter show" } "." }
        }
        @if let Some(since) = charter["unheard_since"].as_str() {
            p class="alert" { "Not heard from enough members since " (dated(since)) ": until then nothing is answered here." }
        }
    }
}

/// A charter in plain words.
pub(super) fn what_it_says(charter: &Charter) -> Markup {
    let fields = charter.fields();
    let limits = &fields.limits;
    let voting = charter.members().iter().filter(|member| member.votes()).count();
    html! {
        h3 { "What questions may be asked for" }
        @for purpose in &fields.purposes { (purpose_html(charter, purpose)) }
        h3 { "About which data" }
        ul {
            @for dataset in &fields.datasets {
                li {
                    strong { (dataset.id) } ", counted by the " (dataset.unit) ": "
                    (dataset.vocabularies.iter().map(|(name, _)| vocabulary(name)).collect::<Vec<_>>().join(", "))
                }
            }
        }
        h3 { "How much at most" }
        dl class="pairs" {
            dt { "A question" } dd { (points(limits.rho_query.nano())) " of the privacy budget, and " (limits.max_cells) " numbers" }
            dt { "A year" } dd { (points(limits.rho_year.nano())) " of the privacy budget" }
            dt { "Members in an answer" } dd { "at least " (limits.min_roster) ", of " (limits.min_bodies) " bodies" }
        }
        details {
            summary { "Details" }
            p { "As the charter has them: a question costs at most rho " (limits.rho_query.to_string().trim_end_matches('0')) ", a year rho " (limits.rho_year.to_string().trim_end_matches('0')) ". A point is rho 0.0025." }
        }
        h3 { "Who decides" }
        p { (fields.amend) " of " (voting) " voting members sign an amendment, of the old version's and of the new one's. " (fields.restrict) " bodies together can pause a member, a purpose or a dataset." }
        p { a href="/members" { "The members, their keys and their witnesses" } }
        h3 { "Which charter this is" }
        p { "Read these words to another member on the phone. They must match." }
        (six_groups(&words::pairs(&charter.id())))
    }
}

fn purpose_html(charter: &Charter, purpose: &Purpose) -> Markup {
    let name = |id: &datacoop_policy::MemberId| {
        charter.member(id).map_or_else(|| id.to_string(), |member| member.name.clone())
    };
    let reviewers: Vec<String> = purpose.reviewers.iter().map(name).collect();
    let published = match purpose.publish {
        Publish::Members => "the members alone".to_owned(),
        Publish::PublicAfter(0) => "everybody, at once".to_owned(),
        Publish::PublicAfter(days) => format!("everybody, {days} days after the members"),
    };
    html! {
        section class="card" {
            h4 { (purpose.title) }
            @for line in purpose.plain.lines() { p { (line) } }
            dl class="pairs" {
                dt { "Whom it touches" } dd { (purpose.affected) }
                dt { "Who of them was heard" } dd { (purpose.heard) }
                dt { "Not for" } dd { (purpose.not_for.join("; ")) }
                dt { "Who sees results" } dd { (published) ", " (licence_words(purpose.licence)) }
                dt { "Who pays" } dd { @if purpose.funders.is_empty() { "the members themselves" } @else { (purpose.funders.join(", ")) } }
                dt { "Reviewed by" } dd { (reviewers.join(" and ")) }
                dt { "Until" } dd { (day_words(purpose.expires)) "; its report is due on " (day_words(purpose.report_due)) }
            }
        }
    }
}

fn licence_words(licence: Licence) -> String {
    format!("under {}", licence.code())
}

/// A privacy loss in points, rounded up; one point is rho 0.0025.
fn points(nano: u64) -> String {
    const POINT: u64 = 2_500_000;
    match nano.div_ceil(POINT) {
        1 => "1 point".to_owned(),
        points => format!("{points} points"),
    }
}

/// Twelve words as they are read aloud.
pub(super) fn six_groups(pairs: &[String]) -> Markup {
    html! { ol class="words" { @for pair in pairs { li { (pair) } } } }
}

/// What a version changed, by which way; `within` a section of its own.
pub(super) fn changes_html(changes: &[(bool, String)], within: bool) -> Markup {
    html! {
        @for (loosens, title) in [(false, "Tightens"), (true, "Loosens")] {
            @if changes.iter().any(|(class, _)| *class == loosens) {
                @if within { h4 { (title) } } @else { h2 { (title) } }
                ul { @for (_, text) in changes.iter().filter(|(class, _)| *class == loosens) { li { (text) } } }
            }
        }
        @if changes.is_empty() { p { "It changes nothing." } }
    }
}

fn history(versions: &Versions) -> Markup {
    let mut rows = vec![];
    let mut before: Option<&Charter> = None;
    for (_, charter) in versions {
        let changes = before.map(|before| succeed(before, charter).unwrap_or_default());
        rows.push((charter, changes));
        before = Some(charter);
    }
    html! {
        @for (charter, changes) in rows.iter().rev() {
            section class="card" {
                h3 { "Version " (charter.version()) }
                p {
                    "Made on " (day_words(charter.fields().made)) ". "
                    @match changes {
                        None => "The founders' own.",
                        Some(changes) => @match class_of(changes) {
                            Class::Tightening => "It only tightens.",
                            Class::Loosening => "It loosens.",
                        },
                    }
                }
                @if let Some(changes) = changes {
                    (changes_html(&changes.iter().map(|change| (change.class == Class::Loosening, dated(&change.text))).collect::<Vec<_>>(), true))
                }
                p { a href={ "/charter/versions/" (charter.version()) } { "The signed text of version " (charter.version()) } }
            }
        }
    }
}

/// A version's signed note, as it lies here.
async fn note(State(handle): State<Handle>, Path(version): Path<u32>) -> Response {
    match handle.home().charter_note(version) {
        Ok(Some(note)) => text_file(&format!("charter-{version}.note"), note),
        Ok(None) => {
            let error = CommandError::usage(format!("this node does not hold version {version}"));
            frame_of(&handle).await.error(HERE, &error)
        }
        Err(error) => frame_of(&handle).await.error(HERE, &CommandError::failed(error.to_string())),
    }
}

/// A text for the person here to keep. The name is ours.
pub(super) fn text_file(name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, bytes).into_response()
}

/// A text without its signatures.
fn bare(text: &str) -> &str {
    bare_text(text)
}
