//! A file arrives, or is given up.

use std::path::Path as FilePath;
use std::time::Instant;

use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::uploads::too_large;
use super::{Desk, FORM_AROUND_BYTES, HERE, UPLOAD_BYTES_MAX, file_form, in_page};
use crate::error::CommandError;
use crate::load::{self, Choice, Wish};

/// Longest name of a vocabulary that is read.
const NAME_BYTES_MAX: usize = 256;

/// Takes a file and leads on to its columns.
pub(super) async fn take(
    State(desk): State<Desk>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let taken = match form {
        Ok(_) if is_told_too_large(&headers) => Err((String::new(), too_large())),
        Ok(form) => receive(&desk, form).await,
        Err(error) => {
            Err((String::new(), CommandError::usage(format!("the form did not arrive whole: {error}"))))
        }
    };
    match taken {
        Ok(id) => Redirect::to(&format!("/data/files/{id}")).into_response(),
        Err((chosen, error)) => {
            let names = desk.briefly(load::vocabularies).await.unwrap_or_default();
            let frame = desk.frame().await;
            frame.again(HERE, "Import a file", &in_page(error), &file_form(&names, &chosen))
        }
    }
}

/// Whether a form says of itself that it is more than is taken: said before it is read, so that nobody waits for
/// that.
pub(super) fn is_told_too_large(headers: &HeaderMap) -> bool {
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    told.is_some_and(|bytes| bytes > UPLOAD_BYTES_MAX + FORM_AROUND_BYTES)
}

/// Reads the form to its end. Errors: with the vocabulary that was chosen, so that it stays chosen.
async fn receive(desk: &Desk, mut form: Multipart) -> Result<String, (String, CommandError)> {
    let (mut vocabulary, mut incoming) = (String::new(), None);
    loop {
        let next = form.next_field().await.map_err(cut);
        let Some(field) = next.map_err(|error| (vocabulary.clone(), error))? else { break };
        let taken = match field.name() {
            Some("vocabulary") => text(field).await.map(|text| vocabulary = text),
            Some("file") => file(desk, field).await.map(|file| incoming = file),
            _ => Ok(()),
        };
        taken.map_err(|error| (vocabulary.clone(), error))?;
    }
    let wrong = |text: &str| (vocabulary.clone(), CommandError::usage(text.into()));
    let incoming = incoming.ok_or_else(|| wrong("choose a file"))?;
    if vocabulary.is_empty() {
        return Err(wrong("choose what the file holds, and the file once more"));
    }
    if incoming.bytes() == 0 {
        return Err(wrong("the file is empty; export it again"));
    }
    let wish = Wish::new(FilePath::new(""), Choice::Named(vocabulary.clone()));
    let id =
        desk.uploads.keep(incoming, wish, Instant::now()).map_err(|error| (vocabulary.clone(), error))?;
    // What cannot be read at all is said at once, and not kept.
    let wish = desk.uploads.get(&id, Instant::now()).map_err(|error| (vocabulary.clone(), error))?.wish;
    if let Err(error) = desk.aside(move |home| load::columns(home, &wish)).await {
        desk.uploads.give_up(&id);
        return Err((vocabulary, error));
    }
    Ok(id)
}

/// The browser stopped, or sent more than is taken.
pub(super) fn cut(error: MultipartError) -> CommandError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    CommandError::usage("the file did not arrive whole; nothing was taken".into()).hint("choose it again")
}

async fn text(mut field: Field<'_>) -> Result<String, CommandError> {
    let mut bytes = vec![];
    while let Some(chunk) = field.chunk().await.map_err(cut)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > NAME_BYTES_MAX {
            return Err(CommandError::usage("choose what the file holds from the list".into()));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// A file as it comes, straight to the disk; nothing where none was chosen.
pub(super) async fn file(
    desk: &Desk,
    mut field: Field<'_>,
) -> Result<Option<super::uploads::Incoming>, CommandError> {
    let Some(name) = field.file_name().filter(|name| !name.is_empty()).map(str::to_owned) else {
        return Ok(None);
    };
    let mut incoming = desk.uploads.begin(&name, Instant::now())?;
    while let Some(chunk) = field.chunk().await.map_err(cut)? {
        incoming.push(&chunk)?;
    }
    Ok(Some(incoming))
}

/// Erases a file that is not to be imported after all.
pub(super) async fn give_up(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    desk.uploads.give_up(&id);
    Redirect::to("/data").into_response()
}
