//! Who outside has a result before it is public: the list of one result, a form to write somebody down, and the text
//! that they sign. What it does stands in [`crate::acts::recipients`], as for the command line.

use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_policy::Day;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::charter::text_file;
use super::form::text_field;
use super::frame::encoded;
use super::frame_of;
use super::words::{items, said};
use crate::acts::recipients::{AddRequest, FormRequest, add, all, form};
use crate::driver::Handle;
use crate::error::CommandError;
use crate::html::day_words;

/// Those that have this result, as far as this node was told.
pub(super) async fn of(handle: &Handle, query: &str) -> Vec<Value> {
    let json = all(handle).await.unwrap_or_default();
    items(&json["recipients"]).iter().filter(|one| one["query"] == query).cloned().collect()
}

/// The part of a result's page that is about them.
pub(super) fn section(query: &str, listed: &[Value]) -> Markup {
    html! {
        details class="no-print" id="outside" open[!listed.is_empty()] {
            summary { "Who outside the co-operative has it" }
            @if listed.is_empty() {
                p { "Nobody, as far as this node was told." }
            } @else {
                ul class="list" {
                    @for one in listed {
                        li {
                            (said(&one["name"]))
                            p class="meta" {
                                "Since " (Day::parse(said(&one["day"])).map_or_else(|| said(&one["day"]).to_owned(), day_words)) ", under " (said(&one["licence"])) "; "
                                @if one["receipt"].is_string() { "their receipt is kept" }
                                @else { "no receipt yet: " a href={ "/results/" (query) "/receipt?to=" (encoded(said(&one["name"]))) } { "the text for them to sign" } }
                            }
                        }
                    }
                }
            }
            p { "Before you hand a result on that is not public yet, write down to whom. The name stays in this node's folder; the log counts that there is one more, for good." }
            form method="post" action={ "/results/" (query) "/recipients" } id="recipient-form" {
                (text_field("to", "Who gets it", "An organisation, a person, or both.", ""))
                button type="submit" class="plain" { "Write it down" }
            }
            p { "Their signed receipt is kept by: " code { "datacoop recipients add --help" } }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct To {
    #[serde(default)]
    to: String,
}

pub(super) async fn write_down(
    State(handle): State<Handle>,
    Path(query): Path<String>,
    Form(To { to }): Form<To>,
) -> Response {
    match written(&handle, &query, to.trim()).await {
        Ok(()) => Redirect::to(&format!("/results/{query}#outside")).into_response(),
        Err(error) => frame_of(&handle).await.error("/results", &error),
    }
}

/// Under the licence of the result's purpose: there is no other.
async fn written(handle: &Handle, query: &str, to: &str) -> Result<(), CommandError> {
    let wanted = FormRequest { query: query.to_owned(), name: to.to_owned() };
    let licence = said(&form(handle, wanted).await?["licence"]).to_owned();
    let request = AddRequest { query: query.to_owned(), name: to.to_owned(), licence, receipt: None };
    add(handle, request).await.map(drop)
}

pub(super) async fn receipt(
    State(handle): State<Handle>,
    Path(query): Path<String>,
    Query(To { to }): Query<To>,
) -> Response {
    match form(&handle, FormRequest { query, name: to }).await {
        Ok(json) => text_file("receipt.txt", said(&json["text"]).as_bytes().to_vec()),
        Err(error) => frame_of(&handle).await.error("/results", &error),
    }
}
