//! The public register over HTTP, for everybody: read-only, on a listener of its own that is off unless somebody turns
//! it on (`datacoop run --public-listen`). Whoever asks starts no work here: the register is made in the background and
//! handed out as it is. No cookie, no script, nothing of this node's own. Must not know what the register says.
//!
//! No Host is refused: this is for everybody, under whatever name its owner gave it, and often behind a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::Day;
use datacoop_protocol::member::Member;
use tokio::net::TcpListener;

use crate::api::logs::register;
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::register::kind_of;
use crate::serve::{Bounds, Limited};

/// How often it is looked whether the register would say something else.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a copy of a page may be shown by others: what changes, changes by the day.
const CACHE: &str = "public, max-age=300";
/// Nothing but our own stylesheet.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TEXT: &str = "text/plain; charset=utf-8";

/// The files of a register by their names; `None` until it could be made.
type Files = Arc<RwLock<Option<Arc<BTreeMap<String, String>>>>>;

/// A listener that serves the register until it is dropped.
pub struct PublicServer {
    /// Where it listens.
    pub address: SocketAddr,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for PublicServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Listens, and serves the register that the logs held here make.
///
/// Errors: the address is not to be had.
pub async fn serve_public(handle: Handle, address: SocketAddr) -> Result<PublicServer, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("the public register is not served at {address}: {error}"))
            .hint("name an address of this computer and a free port, such as 0.0.0.0:8080")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let files = Files::default();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&files));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(Limited::new(listener, Bounds::USUAL), router).await {
            tracing::warn!("the public register is no longer served: {error}");
        }
    });
    Ok(PublicServer { address, tasks: [serving, tokio::spawn(keep(handle, files))] })
}

/// What decides what a register says: the logs, the charter in force, and the day.
fn made_of(member: &Member) -> (Vec<u64>, u32, Day) {
    let now = clock::now();
    let fold = member.fold();
    let sizes = fold.logs().map(|log| log.note().map_or(0, |(size, _)| size)).collect();
    (sizes, fold.charter_at(member.me(), now).version(), now.day())
}

/// Makes the register anew whenever it would say something else. What could not be made leaves the last one: it is
/// dated.
async fn keep(handle: Handle, files: Files) {
    let mut last = None;
    loop {
        let Some(seen) = handle.view(made_of).await else { return };
        if last.as_ref() != Some(&seen) {
            match register(&handle).await {
                Ok(made) => {
                    *files.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(made));
                    last = Some(seen);
                }
                Err(error) => tracing::warn!("the public register is not made anew: {}", error.text),
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The file that a path names, by its whole name: nothing is decoded or joined to a folder.
fn named<'a>(files: &'a BTreeMap<String, String>, path: &str) -> Option<(&'a str, &'a str)> {
    let name = path.strip_prefix('/')?;
    let name = if name.is_empty() { "index.html" } else { name };
    files.get_key_value(name).map(|(name, text)| (name.as_str(), text.as_str()))
}

async fn answer(State(files): State<Files>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let made = files.read().unwrap_or_else(PoisonError::into_inner).clone();
    let (code, kind, text) = match &made {
        None => {
            (StatusCode::SERVICE_UNAVAILABLE, TEXT, "The register is being made. Try again in a minute.\n")
        }
        Some(files) => match named(files, request.uri().path()) {
            Some((name, text)) => (StatusCode::OK, kind_of(name), text),
            None => (StatusCode::NOT_FOUND, TEXT, "There is no such page in the register. It begins at /\n"),
        },
    };
    let body = if request.method() == Method::HEAD { Body::empty() } else { Body::from(text.to_owned()) };
    let mut response = (code, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    let cache = if code == StatusCode::OK { CACHE } else { "no-store" };
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_file_of_the_register_and_no_other() {
        let files: BTreeMap<String, String> =
            ["index.html", "register.json"].map(|name| (name.to_owned(), name.to_owned())).into();
        assert_eq!(named(&files, "/"), Some(("index.html", "index.html")));
        assert_eq!(named(&files, "/register.json"), Some(("register.json", "register.json")));
        for path in ["", "index.html", "//index.html", "/../keys", "/%69ndex.html", "/index.html/", "/*"] {
            assert_eq!(named(&files, path), None, "{path}");
        }
    }
}
