//! What stands around every page: who this is, where one can go, how the node is. Must not know what a
//! page is about.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use datacoop_protocol::log::tree::sha256;
use maud::{DOCTYPE, Markup, html};

use crate::error::CommandError;
use crate::figure::CSS as FIGURE_CSS;

const PAGE_CSS: &str = include_str!("pages.css");
/// An estimate within its two ranges.
pub(super) const ICON: &str = include_str!("icon.svg");

/// Where one can go: path and name.
pub(super) const PLACES: [(&str, &str); 5] = [
    ("/", "Home"),
    ("/results", "Results"),
    ("/privacy", "Privacy"),
    ("/log", "Log"),
    ("/help/figures", "How to read"),
];

/// The one stylesheet.
pub(super) fn stylesheet() -> String {
    format!("{PAGE_CSS}{FIGURE_CSS}")
}

/// Its address, which changes whenever it does.
pub(super) fn stylesheet_path() -> String {
    let hash = sha256(&[stylesheet().as_bytes()]).to_string();
    format!("/assets/{}/pages.css", hash.get(..16).unwrap_or_default())
}

/// What every page says of the node.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The organisation's name.
    pub(super) name: String,
    /// Whether its data are made up.
    pub(super) demo: bool,
    /// How the node is, in a few words.
    pub(super) state: String,
}

impl Frame {
    /// A whole page. `here` is the path of the place it belongs to; `title` stands in its heading too.
    pub(super) fn page(&self, here: &str, title: &str, body: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en-GB" {
                (head(title, &self.name))
                body {
                    a class="skip" href="#main" { "Skip to what this page is about" }
                    header {
                        p class="name" { (self.name) @if self.demo { " " span class="demo" { "Demo: made-up data" } } }
                        p class="state" { (self.state) }
                        nav aria-label="Pages" {
                            ul {
                                @for (path, name) in PLACES {
                                    li { a href=(path) aria-current=[(path == here).then_some("page")] { (name) } }
                                }
                            }
                        }
                    }
                    main id="main" tabindex="-1" {
                        h1 { (title) }
                        (body)
                    }
                    footer {
                        p { "Records stay on this computer. Figures that leave it carry privacy noise, added on purpose." }
                        p { "Whoever can use this computer account can open these pages: there is no passphrase yet." }
                        form method="post" action="/leave" { button type="submit" class="plain" { "Close these pages in this browser" } }
                    }
                }
            }
        };
        html_answer(StatusCode::OK, page)
    }

    /// A page that says what went wrong and what to do.
    pub(super) fn error(&self, here: &str, error: &CommandError) -> Response {
        let body = html! {
            div class="error" role="alert" tabindex="-1" {
                p { (error.text) }
                @if let Some(hint) = &error.hint { p { (hint) } }
            }
        };
        let mut response = self.page(here, "Error: that did not work", &body);
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response
    }
}

fn head(title: &str, name: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " - " (name) }
            link rel="stylesheet" href=(stylesheet_path());
            link rel="icon" type="image/svg+xml" href="/assets/1/icon.svg";
        }
    }
}

/// A page for whoever has not come in yet: it says nothing of the node.
pub(super) fn outside(title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            (head(title, "datacoop"))
            body { main id="main" { h1 { (title) } (body) } }
        }
    };
    html_answer(StatusCode::OK, page)
}

fn html_answer(status: StatusCode, page: Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
}
