//! A next version: what it changes, which way, and from when; then a signature, exactly as `datacoop charter
//! sign` gives it, for the text that was shown and no other.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Form, Multipart, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_protocol::charter_text::member_fingerprint;
use datacoop_protocol::words;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{HERE, changes_html, six_groups, text_file};
use crate::cli::{may_sign, open_text, sign_opened};
use crate::error::CommandError;
use crate::home::Home;
use crate::pages::form::{checked_field, text_area};
use crate::pages::frame::Mistake;
use crate::pages::words::dated;
use crate::pages::{Shared, frame_of};

const TITLE: &str = "What this version changes";

/// A text that somebody is reading.
#[derive(Clone, Debug)]
pub(in crate::pages) struct Text {
    /// As it will be signed, or was.
    text: String,
    /// Whether we signed it here.
    signed: bool,
    /// Whether it is held here now.
    held: bool,
}

impl Text {
    /// One that was just brought.
    pub(super) fn new(text: String) -> Self {
        Self { text, signed: false, held: false }
    }
}

/// The form that brings a text.
pub(super) fn read_form(text: &str) -> Markup {
    html! {
        form method="post" action="/charter/read" enctype="multipart/form-data" id="read-form" {
            (text_area("text", "The text, or the note with signatures", "", text, 6))
            div class="field" {
                label for="file" { "Or its file" }
                input type="file" id="file" name="file" accept=".txt,.note,.toml,text/plain";
            }
            button type="submit" { "See what it changes" }
        }
    }
}

pub(super) async fn read(
    State(shared): State<Shared>,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let (text, read) = match form {
        Ok(form) => received(form).await,
        Err(error) => {
            (String::new(), Err(CommandError::usage(format!("the form did not arrive whole: {error}"))))
        }
    };
    let opened = match read {
        Ok(()) => aside(&shared, text.clone(), |home, text| open_text(home, text).map(drop)).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(()) => {
            let id = shared.texts.put(Text::new(text), Instant::now());
            Redirect::to(&format!("/charter/read/{id}")).into_response()
        }
        Err(error) => {
            let frame = frame_of(&shared.handle).await;
            frame.again(HERE, "Read a next version", &error, &read_form(&text))
        }
    }
}

/// The text of a form; a file counts before what was pasted. What browsers make of ends of lines is undone.
async fn received(mut form: Multipart) -> (String, Result<(), CommandError>) {
    let (mut pasted, mut file) = (String::new(), String::new());
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(_) => {
                return (
                    pasted,
                    Err(CommandError::usage("the text did not arrive whole, or is too long".into())),
                );
            }
        };
        let name = field.name().unwrap_or_default().to_owned();
        let Ok(bytes) = field.bytes().await else {
            return (
                pasted,
                Err(CommandError::usage("the text did not arrive whole, or is too long".into())),
            );
        };
        let Ok(text) = String::from_utf8(bytes.to_vec()) else {
            let error = CommandError::usage("the file is no text; choose the charter's text or note".into());
            return (pasted, Err(error));
        };
        match name.as_str() {
            "text" => pasted = text.replace("\r\n", "\n"),
            "file" => file = text.replace("\r\n", "\n"),
            _ => {}
        }
    }
    let text = if file.is_empty() { pasted } else { file };
    let empty = text.trim().is_empty();
    let wrong = || CommandError::usage("paste a charter's text, or choose its file".into());
    (text, if empty { Err(wrong()) } else { Ok(()) })
}

/// Reads the folder aside from what answers others.
async fn aside<T: Send + 'static>(
    shared: &Shared,
    text: String,
    work: impl FnOnce(&Home, String) -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let home = shared.handle.home().clone();
    let done = tokio::task::spawn_blocking(move || work(&home, text)).await;
    done.map_err(|error| CommandError::failed(error.to_string()))?
}

fn kept(shared: &Shared, id: &str) -> Result<Text, CommandError> {
    shared
        .texts
        .get(id, Instant::now())
        .ok_or_else(|| CommandError::usage("this text is not here any more".into()).hint("bring it again"))
}

/// What is shown of a text.
struct Seen {
    json: Value,
    acts: String,
    lacks: String,
    /// What keeps us from signing it.
    against: Option<CommandError>,
    vouches: Vec<(String, String, Vec<String>)>,
    name: String,
    complete: bool,
}

fn look(home: &Home, text: String) -> Result<Seen, CommandError> {
    let config = home.config().map_err(|error| CommandError::failed(error.to_string()))?;
    let opened = open_text(home, text)?;
    let vouches = opened.vouches(&config.id.0).into_iter();
    let vouches = vouches.map(|member| {
        (member.name.clone(), member.id.to_string(), words::pairs(&member_fingerprint(member)))
    });
    Ok(Seen {
        json: opened.json(),
        acts: opened.acts(),
        lacks: opened.lacks(),
        against: may_sign(home, &opened).err(),
        vouches: vouches.collect(),
        name: config.name,
        complete: opened.amendment.lacking.is_empty(),
    })
}

pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let frame = frame_of(&shared.handle).await;
    match shown(&shared, &id, "", &[]).await {
        Ok(body) => frame.page(HERE, TITLE, &body),
        Err(error) => frame.error(HERE, &error),
    }
}

/// A line of what the command line says of signatures, without the rule that asks for them.
fn without_rule(line: &str) -> &str {
    line.rsplit_once(" (").filter(|(_, rule)| rule.ends_with(')')).map_or(line, |(said, _)| said)
}

async fn shown(shared: &Shared, id: &str, typed: &str, mistakes: &[Mistake]) -> Result<Markup, CommandError> {
    let text = kept(shared, id)?;
    if text.held {
        return Ok(held_html(id));
    }
    let seen = aside(shared, text.text.clone(), look).await?;
    let json = &seen.json;
    let changes: Vec<(bool, String)> = json["changes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|change| (change["class"] == "loosening", dated(change["text"].as_str().unwrap_or_default())))
        .collect();
    Ok(html! {
        @if text.signed {
            div class="notice" role="status" { p { "Your organisation signed it. Send this note to a member that has not signed yet, and bring back here what comes back." } }
            p { a class=(if seen.complete { "button plain" } else { "button" }) href={ "/charter/read/" (id) "/note" } { "Save the signed note" } }
        }
        p class="lead" { "Version " (json["version"]) " of the charter." }
        (changes_html(&changes, false))
        h2 { "From when" }
        p { (dated(&seen.acts)) }
        h2 { "Whose signatures it lacks" }
        @for line in seen.lacks.lines() { p { (without_rule(line)) "." } }
        details { summary { "The whole text" } pre { (super::bare(&text.text)) } }
        @if seen.complete { (take_form(id)) }
        @else if !text.signed { (sign_html(id, json, &seen, typed, mistakes)) }
        p { a href="/charter" { "Leave it, and go back to the charter" } }
    })
}

fn sign_html(id: &str, json: &Value, seen: &Seen, typed: &str, mistakes: &[Mistake]) -> Markup {
    html! {
        h2 { "Sign it" }
        @match &seen.against {
            Some(why) => {
                p class="alert" { "It cannot be signed here now: " (dated(&why.text)) "." }
                @if let Some(hint) = &why.hint { p { (hint) } }
            }
            None => {
                @for (name, register, pairs) in &seen.vouches {
                    section class="card" {
                        h3 { "You are a sponsor of " (name) }
                        p { "By signing you say that " (register) " stands in the public register under this name and this body, and that you rang it on a number that you did not have from its card, and it read these words to you:" }
                        (six_groups(pairs))
                    }
                }
                form method="post" action={ "/charter/read/" (id) "/sign" } id="sign-form" {
                    input type="hidden" name="hash" value=(json["hash"].as_str().unwrap_or_default());
                    p { "One text alone can be signed to follow the version before. This cannot be taken back." }
                    (checked_field("confirm", "To sign, type the name of your organisation", &seen.name, mistakes, |described, wrong| html! {
                        input type="text" id="confirm" name="confirm" value=(typed) autocomplete="off" spellcheck="false" aria-describedby=[described] aria-invalid=[wrong.then_some("true")];
                    }))
                    button type="submit" { "Sign this version" }
                }
            }
        }
    }
}

fn take_form(id: &str) -> Markup {
    html! {
        h2 { "Take it" }
        p { "It has all signatures that it needs. This node takes it and starts again with it." }
        form method="post" action={ "/charter/read/" (id) "/take" } id="take-form" { button type="submit" { "Take this version" } }
    }
}

fn held_html(id: &str) -> Markup {
    html! {
        p class="lead" { "This node holds this version now, and starts again with it." }
        p { a href={ "/charter/read/" (id) "/note" } { "Save the note" } ", for members that do not have it yet." }
        p { a href="/charter" { "The charter" } }
    }
}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    #[serde(default)]
    hash: String,
    #[serde(default)]
    confirm: String,
}

/// Whether somebody typed a name, however they spaced it.
fn is_typed(typed: &str, name: &str) -> bool {
    typed.split_whitespace().eq(name.split_whitespace())
}

pub(super) async fn sign(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Form(form): Form<Confirmed>,
) -> Response {
    let typed = form.confirm.clone();
    let named = |home: &Home, _| home.config().map_err(|error| CommandError::failed(error.to_string()));
    let name = match aside(&shared, String::new(), named).await {
        Ok(config) => config.name,
        Err(error) => return again(&shared, &id, &error, &typed).await,
    };
    let signs_already = kept(&shared, &id).is_ok_and(|text| text.signed);
    if !is_typed(&typed, &name) && !signs_already {
        let text = format!("To sign, type the name of your organisation: {name}. Nothing was signed");
        return wrong(&shared, &id, &typed, Mistake { field: "confirm".into(), text }).await;
    }
    match signed(&shared, id.clone(), form).await {
        Ok(()) => Redirect::to(&format!("/charter/read/{id}")).into_response(),
        Err(error) => again(&shared, &id, &error, &typed).await,
    }
}

/// The page once more, with what is wrong with what was typed.
async fn wrong(shared: &Shared, id: &str, typed: &str, mistake: Mistake) -> Response {
    let (frame, mistakes) = (frame_of(&shared.handle).await, [mistake]);
    match shown(shared, id, typed, &mistakes).await {
        Ok(body) => frame.form(HERE, TITLE, &mistakes, &body),
        Err(error) => frame.error(HERE, &error),
    }
}

/// The page once more, with why it could not be done.
async fn again(shared: &Shared, id: &str, error: &CommandError, typed: &str) -> Response {
    let frame = frame_of(&shared.handle).await;
    let said = CommandError { text: dated(&error.text), ..error.clone() };
    match shown(shared, id, typed, &[]).await {
        Ok(body) => frame.again(HERE, TITLE, &said, &body),
        Err(_) => frame.error(HERE, &said),
    }
}

/// One at a time, and to its end, whoever still waits: a signature is written in steps, and what a browser that hangs up
/// leaves at work must not lose its turn to the next.
async fn in_turn<T: Send + 'static>(
    signing: &Arc<Mutex<()>>,
    work: impl Future<Output = Result<T, CommandError>> + Send + 'static,
) -> Result<T, CommandError> {
    let signing = Arc::clone(signing);
    let done = tokio::spawn(async move {
        let _one_at_a_time = signing.lock().await;
        work.await
    });
    done.await.unwrap_or_else(|error| Err(CommandError::failed(error.to_string())))
}

async fn signed(shared: &Shared, id: String, form: Confirmed) -> Result<(), CommandError> {
    let work = {
        let shared = shared.clone();
        async move { sign_one(&shared, &id, form).await }
    };
    in_turn(&shared.signing, work).await
}

async fn sign_one(shared: &Shared, id: &str, form: Confirmed) -> Result<(), CommandError> {
    let text = kept(shared, id)?;
    if text.signed {
        return Ok(());
    }
    let note = aside(shared, text.text, move |home, text| {
        let opened = open_text(home, text)?;
        if opened.amendment.charter.hash().to_string() != form.hash {
            return Err(CommandError::usage(
                "this is not the text that was shown; nothing was signed".into(),
            )
            .hint("bring it again"));
        }
        may_sign(home, &opened)?;
        sign_opened(home, &opened)
    })
    .await?;
    shared.texts.replace(id, Text { text: note.text, signed: true, held: false });
    Ok(())
}

pub(super) async fn take(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let work = {
        let (shared, id) = (shared.clone(), id.clone());
        async move { take_one(&shared, &id).await }
    };
    match in_turn(&shared.signing, work).await {
        Ok(()) => {
            let body = held_html(&id);
            frame_of(&shared.handle).await.page(HERE, "This version is held", &body)
        }
        Err(error) => again(&shared, &id, &error, "").await,
    }
}

async fn take_one(shared: &Shared, id: &str) -> Result<(), CommandError> {
    let text = kept(shared, id)?;
    aside(shared, text.text.clone(), |home, note| {
        home.adopt_charter(&note).map(drop).map_err(|error| CommandError::usage(error.to_string()))
    })
    .await?;
    shared.texts.replace(id, Text { held: true, ..text });
    shared.handle.renew();
    Ok(())
}

/// The text with the signatures that it has, to be handed on.
pub(super) async fn note(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match kept(&shared, &id) {
        Ok(text) => text_file("charter.note", text.text.into_bytes()),
        Err(error) => frame_of(&shared.handle).await.error(HERE, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_the_rule_is_left_out_and_a_name_is_not() {
        assert_eq!(without_rule("not yet Hill (Upper), Vale (rule C2)"), "not yet Hill (Upper), Vale");
        assert_eq!(
            without_rule("It has the signatures that it needs"),
            "It has the signatures that it needs"
        );
    }

    #[test]
    fn only_the_whole_name_confirms() {
        assert!(is_typed("  Hill   Primary ", "Hill Primary"));
        for typed in ["", "yes", "hill primary", "Hill", "Hill Primary School"] {
            assert!(!is_typed(typed, "Hill Primary"), "{typed}");
        }
    }

    #[tokio::test]
    async fn a_browser_that_hangs_up_leaves_nothing_half_signed_and_no_turn_to_the_next() {
        let (signing, (end, ends)) = (Arc::default(), tokio::sync::oneshot::channel::<()>());
        let done = Arc::new(std::sync::Mutex::new(vec![]));
        let says = |what: &'static str| {
            let done = Arc::clone(&done);
            move || done.lock().unwrap().push(what)
        };
        let said = says("first");
        let first = in_turn(&signing, async move {
            ends.await.unwrap();
            said();
            Ok(())
        });
        // The browser hangs up.
        tokio::time::timeout(std::time::Duration::from_millis(20), first).await.unwrap_err();
        let said = says("second");
        let mut second = std::pin::pin!(in_turn(&signing, async move {
            said();
            Ok(())
        }));
        tokio::time::timeout(std::time::Duration::from_millis(20), &mut second).await.unwrap_err();
        assert!(done.lock().unwrap().is_empty(), "two at once");
        end.send(()).unwrap();
        second.await.unwrap();
        assert_eq!(*done.lock().unwrap(), ["first", "second"]);
    }
}
