//! Logs as a C2SP tlog-tiles client reads them: read-only HTTP, on a listener of its own that is off
//! unless somebody turns it on. A running node serves its own log and its copies of the others', each
//! under its member's id. Nothing here opens a file by a name that a client sent.
//!
//! Source: c2sp.org/tlog-tiles. Tiles of every width that the signed head covers are served, so those of
//! earlier checkpoints are too.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use datacoop_policy::MemberId;
use datacoop_policy::charter::NamedKey;
use datacoop_protocol::log::cosignature::policy_text;
use datacoop_protocol::log::note::{KIND_ED25519, vkey};
use datacoop_protocol::log::tile::{TileFile, bundle, bundle_entries, hash_tile};
use datacoop_protocol::member::Member;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::driver::Handle;

/// Connections at a time: an auditor needs a few, and each costs a node at most a bundle's 16 MiB.
const CONNECTIONS_MAX: usize = 32;
/// How long one connection lives, busy or not: a client that is slow on purpose holds its place no longer.
/// A bundle of 256 usual entries, 200 KB, comes through at 7 KB/s; clients connect again for the next.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// Wait after the system would give no socket, as for want of file handles.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// A tile never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// A head is always the newest.
const NO_CACHE: &str = "no-cache";

/// A listener that serves a node's logs until it is dropped.
pub struct LogServer {
    /// Where it listens.
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for LogServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens, and serves the logs that the node holds. Errors: the address is not to be had.
pub async fn serve_logs(handle: Handle, address: SocketAddr) -> std::io::Result<LogServer> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = Router::new().fallback(answer).with_state(handle);
    let task = tokio::spawn(async move {
        let ended = axum::serve(Limited { listener, places, time_max: CONNECTION_TIME_MAX }, router).await;
        if let Err(error) = ended {
            tracing::warn!("logs are no longer served: {error}");
        }
    });
    Ok(LogServer { address, task })
}

/// What a path asks for.
enum Wanted {
    /// Which logs there are.
    List,
    /// Something of a member's log.
    Of(MemberId, Item),
}

enum Item {
    Checkpoint,
    Key,
    Policy,
    Charter(u32),
    Tile(TileFile),
}

/// Reads a path by its grammar alone: no decoding, no dots, nothing that is joined to a folder.
fn parse(path: &str) -> Option<Wanted> {
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some(Wanted::List);
    }
    let (member, rest) = path.split_once('/')?;
    let member = member.parse().ok().filter(|id: &MemberId| id.to_string() == member)?;
    let item = match rest {
        "checkpoint" => Item::Checkpoint,
        "log.vkey" => Item::Key,
        "policy" => Item::Policy,
        rest => match rest.strip_prefix("charter/").and_then(|rest| rest.strip_suffix(".note")) {
            Some(version) => {
                Item::Charter(version.parse().ok().filter(|number: &u32| number.to_string() == version)?)
            }
            None => Item::Tile(TileFile::parse(rest)?),
        },
    };
    Some(Wanted::Of(member, item))
}

/// What the Member gives for it: copied between two inputs, put together later.
enum Found {
    Text(String),
    Hashes(Vec<u8>),
    Entries(Vec<Arc<[u8]>>),
    /// The charter's note, which lies in the node's folder.
    Charter,
}

fn find(member: &Member, id: &MemberId, item: &Item) -> Option<Found> {
    let fold = member.fold();
    let log = fold.log(id)?;
    let text = |text| Some(Found::Text(text));
    match *item {
        Item::Checkpoint => member.witnessed().newest(log).and_then(text),
        Item::Key => {
            let key = NamedKey { name: log.origin.clone(), key: log.key() };
            text(format!("{}\n", vkey(&key, KIND_ED25519)))
        }
        Item::Policy => policy_text(fold.charter(), id).and_then(text),
        Item::Charter(version) => (version == fold.charter().version()).then_some(Found::Charter),
        Item::Tile(TileFile::Hashes { level, index, width }) => {
            let (size, _) = log.note()?;
            hash_tile(log.tree(), size, level, index, width).map(Found::Hashes)
        }
        Item::Tile(TileFile::Entries { index, width }) => {
            let (size, _) = log.note()?;
            bundle_entries(log.entries(), size, index, width).map(|found| Found::Entries(found.to_vec()))
        }
    }
}

/// A line a log: prefix, origin, and how many entries its signed head covers.
fn list(member: &Member) -> String {
    let line = |log: &datacoop_protocol::fold::Log| {
        let size = log.note().map_or(0, |(size, _)| size);
        format!("/{}/ {} {size}\n", log.member, log.origin)
    };
    member.fold().logs().map(line).collect()
}

async fn answer(State(handle): State<Handle>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let bytes = match parse(request.uri().path()) {
        None => None,
        Some(Wanted::List) => handle.view(list).await.map(|text| (TEXT, NO_CACHE, text.into_bytes())),
        Some(Wanted::Of(id, item)) => {
            let found = handle.view(move |member| find(member, &id, &item)).await.flatten();
            match found {
                None => None,
                Some(Found::Text(text)) => Some((TEXT, NO_CACHE, text.into_bytes())),
                Some(Found::Hashes(bytes)) => Some((BYTES, IMMUTABLE, bytes)),
                Some(Found::Entries(entries)) => Some((BYTES, IMMUTABLE, bundle(&entries))),
                Some(Found::Charter) => {
                    let note = handle.home().charter().ok().flatten();
                    note.map(|(note, _)| (TEXT, NO_CACHE, note.into_bytes()))
                }
            }
        }
    };
    let Some((kind, cache, bytes)) = bytes else {
        return (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, NO_CACHE)]).into_response();
    };
    let length = bytes.len();
    let body = if request.method() == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Accepts no more than there are places, each for a limited time.
struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
    time_max: Duration,
}

impl Listener for Limited {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        loop {
            let place = self.places.clone().acquire_owned().await;
            let place = place.expect("INVARIANT: nobody closes the semaphore");
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let until = Box::pin(tokio::time::sleep(self.time_max));
                    return (Timed { stream, until, _place: place }, from);
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends at its time, and gives its place back.
struct Timed {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Timed {
    fn over(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Err(std::io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.over(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.over(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.over(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_grammar_name_anything() {
        for good in ["/", "/GB-EDU-1/checkpoint", "/GB-EDU-1/charter/1.note", "/GB-EDU-1/tile/0/000.p/3"] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "//",
            "/GB-EDU-1",
            "/GB-EDU-1/",
            "/gb-edu-1/checkpoint",
            "/../checkpoint",
            "/GB-EDU-1/../keys/identity",
            "/GB-EDU-1/%2e%2e/keys/identity",
            "/GB-EDU-1/charter/../../keys/identity.note",
            "/GB-EDU-1/charter/01.note",
            "/GB-EDU-1/charter/+1.note",
            "/GB-EDU-1/charter/1.note/",
            "/GB-EDU-1/checkpoint/",
            "/GB-EDU-1//checkpoint",
            "/GB-EDU-1/keys/identity",
            "/GB-EDU-1/blobs/00",
            "/GB-EDU-1/tile/entries/..\\..\\keys",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_slow_client_loses_its_place_and_no_more_come_in_than_there_are_places() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (places, time_max) = (Arc::new(Semaphore::new(1)), Duration::from_millis(500));
        let router = Router::new().fallback(|| async { "here" });
        let served = tokio::spawn(async move {
            axum::serve(Limited { listener, places, time_max }, router).await.unwrap();
        });
        let began = std::time::Instant::now();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        next.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("here"), "{text}");
        assert!(began.elapsed() >= time_max, "the only place was taken until the slow one's time was over");
        let mut rest = vec![];
        let _closed_or_reset = slow.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
        served.abort();
    }
}
