//! A file that a program sends, in one request: taken under the same caps as a person's, looked at or imported by the
//! same import, and answered with the same reconciliation. Source: UI section 8.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::time::Instant;

use axum::Json;
use axum::extract::multipart::{Field, MultipartRejection};
use axum::extract::{Multipart, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use super::files::{cut, file, is_told_too_large};
use super::uploads::{Incoming, too_large};
use crate::api::Failed;
use crate::error::CommandError;
use crate::import::{Dates, Repair};
use crate::load::{self, Choice, Wish};

/// Longest text of how a file is read: a header for each of a vocabulary's columns.
const HOW_BYTES_MAX: usize = 64 * 1024;

/// Whether it is only looked at: `?dry_run`.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    dry_run: Option<String>,
}

/// How a file is read: what `datacoop import` says with options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    /// A vocabulary that this node knows.
    vocabulary: String,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    dates: Option<Dates>,
    repair: Option<Repair>,
    #[serde(default)]
    infer_terms: bool,
    replace: Option<String>,
    day: Option<String>,
}

/// Imports a file, or says what an import of it would do: `datacoop.import/1`.
pub(crate) async fn import(
    State(desk): State<Desk>,
    Query(Wanted { dry_run }): Query<Wanted>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, Failed> {
    if is_told_too_large(&headers) {
        return Err(too_large().into());
    }
    let form =
        form.map_err(|error| CommandError::usage(format!("the form did not arrive whole: {error}")))?;
    let (how, incoming) = receive(&desk, form).await?;
    let wish = Wish {
        columns: how.columns,
        dates: how.dates,
        repair: how.repair,
        infer_terms: how.infer_terms,
        replace: how.replace,
        day: how.day,
        ..Wish::new(FilePath::new(""), Choice::Named(how.vocabulary))
    };
    let id = desk.uploads.keep(incoming, wish, Instant::now())?;
    let wish = desk.uploads.get(&id, Instant::now())?.wish;
    let done = match dry_run.as_deref() {
        None | Some("false") => desk.import(wish).await,
        Some(_) => {
            desk.aside(move |home| load::look(home, &wish, &mut |_| {}).map(|loaded| loaded.json())).await
        }
    };
    // Whatever came of it, the file goes: what was kept of it lies in the node's tables.
    desk.uploads.give_up(&id);
    Ok(Json(done?))
}

/// Reads the form to its end: the part `how`, and the part `file` with its name, whichever comes first.
async fn receive(desk: &Desk, mut form: Multipart) -> Result<(How, Incoming), CommandError> {
    let (mut how, mut incoming) = (None, None);
    while let Some(field) = form.next_field().await.map_err(cut)? {
        match field.name() {
            Some("how") => how = Some(read_how(field).await?),
            Some("file") => incoming = file(desk, field).await?,
            _ => {
                return Err(CommandError::usage(
                    "a part other than `how` and `file`; nothing was taken".into(),
                ));
            }
        }
    }
    let none = |part: &str| {
        CommandError::usage(format!("the part `{part}` is missing; nothing was taken"))
            .hint("send multipart/form-data: how={\"vocabulary\":\"attendance/1\"} and file=@attendance.csv")
    };
    let incoming = incoming.ok_or_else(|| none("file"))?;
    if incoming.bytes() == 0 {
        return Err(CommandError::usage("the file is empty; export it again".into()));
    }
    Ok((how.ok_or_else(|| none("how"))?, incoming))
}

async fn read_how(mut field: Field<'_>) -> Result<How, CommandError> {
    let mut bytes = vec![];
    while let Some(chunk) = field.chunk().await.map_err(cut)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > HOW_BYTES_MAX {
            return Err(CommandError::usage(format!("`how` has more than {HOW_BYTES_MAX} bytes")));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        CommandError::usage(format!("`how` is not understood: {error}"))
            .hint("GET /api/v1/openapi.json says what it is like")
    })
}
