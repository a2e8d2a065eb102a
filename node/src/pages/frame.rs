//! What stands around every page: who this is, where one can go, how the node is. Must not know what a
//! page is about.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use datacoop_protocol::log::tree::sha256;
use maud::{DOCTYPE, Markup, html};

use super::form::error_summary;
use crate::cli::plain;
use crate::error::CommandError;
use crate::figure::CSS as FIGURE_CSS;

const PAGE_CSS: &str = include_str!("pages.css");
/// An estimate within its two ranges.
pub(super) const ICON: &str = include_str!("icon.svg");

/// Where one can go: path and name.
pub(super) const PLACES: &[(&str, &str)] = &[
    ("/", "Home"),
    ("/ask", "Ask"),
    ("/rounds", "Rounds"),
    ("/results", "Results"),
    ("/data", "Data"),
    ("/privacy", "Privacy"),
    ("/log", "Log"),
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

const PAGE_SCRIPT: &str = include_str!("pages.js");

/// The one script: every page is whole without it.
pub(super) fn script() -> &'static str {
    PAGE_SCRIPT
}

/// Its address, which changes whenever it does.
pub(super) fn script_path() -> String {
    let hash = sha256(&[PAGE_SCRIPT.as_bytes()]).to_string();
    format!("/assets/{}/pages.js", hash.get(..16).unwrap_or_default())
}

/// Something that was typed and does not fit: the id of its field, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mistake {
    /// The id of the control, or of the form where it is about the whole.
    pub(super) field: String,
    /// A sentence without a full stop.
    pub(super) text: String,
}

/// What is wrong with a field.
pub(super) fn mistake_of<'a>(mistakes: &'a [Mistake], field: &str) -> Option<&'a Mistake> {
    mistakes.iter().find(|mistake| mistake.field == field)
}

/// A text as part of an address. Source: RFC 3986 section 2.3.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What every page says of the node.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The organisation's name.
    pub(super) name: String,
    /// Whether its data are made up.
    pub(super) demo: bool,
    /// Whether it is there to be looked round in only.
    pub(super) sample: bool,
    /// How the node is, in a few words.
    pub(super) state: String,
    /// Whether a passphrase keeps others out.
    pub(super) lock: Lock,
    /// Where one can go from here.
    pub(super) places: &'static [(&'static str, &'static str)],
}

/// Whether a passphrase keeps others out of the pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lock {
    /// There is one.
    Set,
    /// There is none yet.
    Unset,
    /// Whoever started the node wanted none asked for.
    Waived,
}

impl Frame {
    /// A whole page. `here` is the path of the place it belongs to; `title` stands in its heading too.
    pub(super) fn page(&self, here: &str, title: &str, body: &Markup) -> Response {
        self.whole(StatusCode::OK, here, title, title, body)
    }

    /// A page with a form: what is wrong with it stands on top, each line leading to its field.
    pub(super) fn form(&self, here: &str, title: &str, mistakes: &[Mistake], body: &Markup) -> Response {
        if mistakes.is_empty() {
            return self.page(here, title, body);
        }
        let body = html! {
            div class="error" role="alert" tabindex="-1" autofocus aria-labelledby="wrong" {
                h2 id="wrong" { "There is a problem" }
                ul { @for mistake in mistakes { li { a href={ "#" (mistake.field) } { (mistake.text) } } } }
            }
            (body)
        };
        self.whole(StatusCode::UNPROCESSABLE_ENTITY, here, &format!("Error: {title}"), title, &body)
    }

    /// A page once more, with what was wrong on top of it and in focus.
    pub(super) fn again(&self, here: &str, title: &str, error: &CommandError, body: &Markup) -> Response {
        let body = html! { (error_summary(error)) (body) };
        self.whole(StatusCode::UNPROCESSABLE_ENTITY, here, &format!("Error: {title}"), title, &body)
    }

    fn whole(&self, status: StatusCode, here: &str, title: &str, heading: &str, body: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en-GB" {
                (head(title, &self.name))
                body {
                    a class="skip" href="#main" { "Skip to what this page is about" }
                    header {
                        p class="name" { (self.name) @if self.demo { " " span class="demo" { "Demo: made-up data" } } }
                        @if self.sample { p class="sample" { strong { "Sample data: nothing leaves this computer." } " " a href=(super::trial::HERE) { "What to try" } } }
                        p class="state" { (self.state) }
                        @if self.lock == Lock::Waived { p class="alert" { "No passphrase is asked for: this node was started with --no-passphrase." } }
                        nav aria-label="Pages" {
                            ul {
                                @for (path, name) in self.places {
                                    li { a href=(path) aria-current=[(*path == here).then_some("page")] { (name) } }
                                }
                            }
                        }
                    }
                    main id="main" tabindex="-1" {
                        h1 { (heading) }
                        (body)
                    }
                    footer {
                        @if self.places == PLACES { ul class="more" {
                            li { a href="/charter" { "Charter" } }
                            li { a href="/members" { "Members" } }
                            li { a href="/register" { "Public register" } }
                            li { a href="/settings" { "Settings" } }
                            li { a href=(super::glossary::HERE) { "What the words mean" } }
                            li { a href="/help/figures" { "How to read figures" } }
                            li { a href=(super::accessibility::HERE) { "Accessibility" } }
                        } }
                        p { "Records stay on this computer. Figures that leave it carry privacy noise, added on purpose." }
                        @if self.lock == Lock::Unset { p { "Whoever can use this computer account can open these pages: there is no passphrase yet. " a href="/settings#passphrase" { "Set one" } "." } }
                        form method="post" action="/leave" { button type="submit" class="plain" { "Close these pages in this browser" } }
                    }
                }
            }
        };
        html_answer(status, page)
    }

    /// A page that says what went wrong and what to do.
    pub(super) fn error(&self, here: &str, error: &CommandError) -> Response {
        self.again(here, "That did not work", error, &html! {})
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
            script src=(script_path()) defer {}
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
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], shown(&page.into_string())).into_response()
}

/// A page in which nothing that others wrote turns the line round or hides: such characters are shown as what
/// they are. Ends of lines and tabs stay.
fn shown(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    for piece in page.split_inclusive(['\n', '\t', '\r']) {
        let text = piece.trim_end_matches(['\n', '\t', '\r']);
        out.push_str(&plain(text));
        out.push_str(&piece[text.len()..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_line_round_is_shown_and_lines_stay() {
        assert_eq!(shown("a\u{202e}b\r\n\tc\n\u{1b}"), "a\\u{202e}b\r\n\tc\n\\u{1b}");
    }

    #[test]
    fn an_address_holds_only_what_an_address_may() {
        assert_eq!(encoded("a-b_c.1~"), "a-b_c.1~");
        assert_eq!(encoded("a/b ?\u{e4}"), "a%2Fb%20%3F%C3%A4");
    }
}
