//! Logs as a C2SP tlog-tiles client reads them: read-only HTTP, on a listener of its own that is off
//! unless somebody turns it on. A running node serves its own log and its copies of the others', each
//! under its member's id. Nothing here opens a file by a name that a client sent.
//!
//! Source: c2sp.org/tlog-tiles. Tiles of every width that the signed head covers are served, so those of
//! earlier checkpoints are too.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
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
/// Connections at a time from one address: a client reads a few tiles side by side, and a quarter of the places
/// leaves room for others. Whoever comes by a proxy shares the proxy's.
const CONNECTIONS_EACH_MAX: usize = 8;
/// How long one connection lives, busy or not: a client that is slow on purpose holds its place no longer.
/// A bundle of 256 usual entries, 200 KB, comes through at 7 KB/s; clients connect again for the next.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a client may take to begin to be answered, from its connecting: a request is a few hundred bytes,
/// and comes in one packet.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
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
    let router = Router::new().fallback(answer).with_state(Served { handle, address });
    let task = tokio::spawn(async move {
        let ended = axum::serve(Limited::new(listener, Bounds::USUAL), router).await;
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
    /// The note of a version of the charter, which lies in the node's folder.
    Charter(u32),
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
        Item::Policy => policy_text(fold.charter_of_log(log)?, id).and_then(text),
        Item::Charter(version) => {
            let held = fold.charters().iter().any(|charter| charter.version() == version);
            held.then_some(Found::Charter(version))
        }
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
    // Under a member's name the log that it writes now; of an earlier one its author has the export.
    let current = |log: &&datacoop_protocol::fold::Log| {
        member.fold().log(&log.member).is_some_and(|now| now.origin == log.origin)
    };
    member.fold().logs().filter(current).map(line).collect()
}

/// Whose logs are served, and where.
#[derive(Clone)]
struct Served {
    handle: Handle,
    address: SocketAddr,
}

/// What whoever asks by a name that is not ours is told.
const ANOTHER_HOST: &str =
    "this node serves its logs to programs on its own computer: ask for its address, or localhost\n";

/// Whether a request is meant for us. A listener that only this computer reaches is asked by its address or as
/// localhost. A web page can have a name of its own lead to 127.0.0.1, and its reader's browser would then let it
/// read the answers ("DNS rebinding"): but the browser says that name. A listener that others reach has whatever
/// names its owner gave it, and hides nothing.
fn is_for_us(host: Option<&str>, address: SocketAddr) -> bool {
    if !address.ip().is_loopback() {
        return true;
    }
    let Some(host) = host else { return false };
    let (name, port) = match host.rsplit_once(':') {
        // The colons of a bare IPv6 address end in no port.
        Some((name, port)) if !host.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(HTTP_PORT)),
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let named =
        name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    named && port == Some(address.port())
}

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// The host that a request names: in its header, and where a proxy is asked, in its target.
fn host(request: &Request) -> Option<&str> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    let header = first.filter(|_| second.is_none()).and_then(|host| host.to_str().ok());
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    // Two hosts are none: one of us would be fooled.
    header.filter(|host| target.is_none_or(|target| target == *host))
}

async fn answer(State(Served { handle, address }): State<Served>, request: Request) -> Response {
    if !is_for_us(host(&request), address) {
        let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, NO_CACHE)];
        return (StatusCode::FORBIDDEN, headers, ANOTHER_HOST).into_response();
    }
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
                // Not opened with the chain before it: whoever asks would have us check every signature.
                Some(Found::Charter(version)) => {
                    let note = handle.home().charter_note(version).ok().flatten();
                    note.map(|note| (TEXT, NO_CACHE, note))
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

/// What a listener gives its clients.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections at a time, and of one address.
    places: usize,
    each: usize,
    /// How long one lives, and how long it may live before it is answered.
    time_max: Duration,
    header_time_max: Duration,
}

impl Bounds {
    /// Those of readers whom nobody knows.
    pub(crate) const USUAL: Self = Self {
        places: CONNECTIONS_MAX,
        each: CONNECTIONS_EACH_MAX,
        time_max: CONNECTION_TIME_MAX,
        header_time_max: HEADER_TIME_MAX,
    };
}

/// Connections by the address that they come from.
type Guests = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// Accepts no more than there are places, of one address no more than its share, each for a limited time.
pub(crate) struct Limited {
    listener: TcpListener,
    bounds: Bounds,
    places: Arc<Semaphore>,
    guests: Guests,
}

impl Limited {
    pub(crate) fn new(listener: TcpListener, bounds: Bounds) -> Self {
        let places = Arc::new(Semaphore::new(bounds.places));
        Self { listener, bounds, places, guests: Guests::default() }
    }

    /// A place of its share for an address, if one is free.
    fn admit(&self, from: IpAddr) -> Option<Guest> {
        let mut guests = lock(&self.guests);
        let count = guests.entry(from).or_default();
        if *count == self.bounds.each {
            return None;
        }
        *count += 1;
        Some(Guest { from, guests: self.guests.clone() })
    }
}

fn lock(guests: &Guests) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
    guests.lock().expect("INVARIANT: nobody panics while counting")
}

/// A place of its address's share, given back when dropped.
struct Guest {
    from: IpAddr,
    guests: Guests,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = lock(&self.guests);
        if let Some(count) = guests.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.from);
            }
        }
    }
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
                    // Whoever has its share is hung up on, and whoever comes next is not kept waiting for it.
                    let Some(guest) = self.admit(from.ip()) else { continue };
                    let until = Box::pin(tokio::time::sleep(self.bounds.header_time_max));
                    let rest = self.bounds.time_max.saturating_sub(self.bounds.header_time_max);
                    return (Timed { stream, until, rest: Some(rest), _place: place, _guest: guest }, from);
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
pub(crate) struct Timed {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    /// How much longer it lives once something is answered.
    rest: Option<Duration>,
    _place: OwnedSemaphorePermit,
    _guest: Guest,
}

impl Timed {
    fn over(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Err(std::io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Something is answered: the first time, it lives for the rest of its time.
    fn answered(&mut self) {
        if let Some(rest) = self.rest.take() {
            let until = self.until.deadline() + rest;
            self.until.as_mut().reset(until);
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
        self.answered();
        self.over(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.over(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.over(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

    #[test]
    fn a_listener_of_this_computer_alone_is_asked_by_its_own_names() {
        let at = |host: &str, address: &str| is_for_us(Some(host), address.parse().unwrap());
        for good in ["127.0.0.1:8090", "localhost:8090", "LOCALHOST:8090", "[::1]:8090", "127.0.0.2:8090"] {
            assert!(at(good, "127.0.0.1:8090"), "{good}");
            assert!(at(good, "[::1]:8090"), "{good}");
        }
        for bad in [
            "",
            ":8090",
            "evil.example",
            "evil.example:8090",
            "localhost.evil.example:8090",
            "127.0.0.1.evil.example:8090",
            "localhost:8091",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:",
            "10.0.0.1:8090",
            "0.0.0.0:8090",
            "[::]:8090",
            "localhost:8090:8090",
            "user@localhost:8090",
        ] {
            assert!(!at(bad, "127.0.0.1:8090"), "{bad}");
        }
        assert!(at("localhost", "127.0.0.1:80") && at("[::1]", "[::1]:80"), "the port of HTTP is left out");
        assert!(!is_for_us(None, "127.0.0.1:8090".parse().unwrap()), "no host is none of ours");
        // What everybody may reach has names of its owner's.
        assert!(at("logs.school.example", "192.0.2.7:8090") && at("logs.school.example", "0.0.0.0:8090"));
    }

    #[test]
    fn a_request_that_names_two_hosts_names_none() {
        let named = |target: &str, hosts: &[&str]| {
            let request = hosts
                .iter()
                .fold(Request::builder().uri(target), |built, host| built.header(header::HOST, *host));
            host(&request.body(Body::empty()).unwrap()).map(str::to_owned)
        };
        assert_eq!(named("/", &["localhost:1"]).as_deref(), Some("localhost:1"));
        assert_eq!(named("http://localhost:1/", &["localhost:1"]).as_deref(), Some("localhost:1"));
        assert_eq!(named("/", &[]), None);
        assert_eq!(named("/", &["localhost:1", "evil.example"]), None);
        assert_eq!(named("http://evil.example/", &["localhost:1"]), None);
    }

    /// A server that answers `here`, with these bounds.
    async fn served(bounds: Bounds) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(|| async { "here" });
        let task =
            tokio::spawn(async move { axum::serve(Limited::new(listener, bounds), router).await.unwrap() });
        (address, task)
    }

    async fn begin_slowly(address: SocketAddr) -> TcpStream {
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        slow
    }

    async fn get(address: SocketAddr) -> String {
        let mut next = TcpStream::connect(address).await.unwrap();
        let _sent = next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut text = String::new();
        let _closed_or_reset = next.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn a_slow_client_loses_its_place_and_no_more_come_in_than_there_are_places() {
        let header_time_max = Duration::from_millis(500);
        let (address, server) = served(Bounds { places: 1, each: 1, header_time_max, ..Bounds::USUAL }).await;
        let began = std::time::Instant::now();
        let mut slow = begin_slowly(address).await;
        let text = get(address).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("here"), "{text}");
        let waited = began.elapsed();
        assert!(waited >= header_time_max, "the only place was taken until the slow one's time was over");
        assert!(waited < CONNECTION_TIME_MAX, "who says nothing has less time than who is answered");
        let mut rest = vec![];
        let _closed_or_reset = slow.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
        server.abort();
    }

    /// Who is answered lives on beyond the time to ask in, and no longer than any.
    #[tokio::test]
    async fn a_client_that_was_answered_may_ask_again_until_its_time_is_over() {
        let (header_time_max, time_max) = (Duration::from_millis(400), Duration::from_millis(1_500));
        let (address, server) = served(Bounds { header_time_max, time_max, ..Bounds::USUAL }).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        for pause in [0, 800] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut answer = [0; 12];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200", "after {pause} ms");
            let mut rest = [0; 1024];
            assert!(client.read(&mut rest).await.unwrap() > 0);
        }
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "its time was over");
        server.abort();
    }

    /// One that takes all it can get leaves places for others, and is hung up on beyond its share.
    #[tokio::test]
    async fn one_address_has_no_more_than_its_share() {
        let (address, server) = served(Bounds { places: 3, each: 2, ..Bounds::USUAL }).await;
        let (_one, other) = (begin_slowly(address).await, begin_slowly(address).await);
        assert_eq!(get(address).await, "", "its share is taken");
        drop(other);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let text = get(address).await;
        assert!(text.ends_with("here"), "what it gave up it has again: {text}");
        // From another address of this computer.
        let _one_again = begin_slowly(address).await;
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stranger = socket.connect(address).await.unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stranger.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("here"), "a place is left for another: {text}");
        server.abort();
    }
}
