//! The node's pages, on loopback only: what a person sees without the command line. Every page is whole
//! without a script. A page shows what the command line shows: both render the same values.
//!
//! Where to start: [`serve_pages`] is the listener, [`door`] who gets in, [`frame`] what stands around a
//! page; each other file is one place.

mod access;
mod accessibility;
mod ask;
mod charter;
mod data;
pub mod door;
mod form;
mod frame;
mod glossary;
mod home;
mod kept;
mod leave;
mod log;
mod members;
mod pack;
mod part;
mod privacy;
mod recipients;
mod register;
mod results;
pub mod role;
mod rounds;
mod settings;
mod setup;
mod stands_out;
mod told;
mod trial;
mod unlock;
mod words;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Form, FromRef, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use datacoop_protocol::bounds::LAY_BYTES_MAX;
use datacoop_protocol::member::Member;
use maud::html;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower_service::Service as _;

pub(crate) use ask::openings_json;
pub(crate) use data::{Desk, import_sent, upload_limit};

use crate::api::logs::{Auditing, LogServers};
use crate::api::{stopped, v1};
use crate::cli::store_error;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::figure::gallery::named_gallery;
use crate::folder::{StoreError, at, make_dir};
use crate::home::Home;
use crate::{clock, disk, passphrase};
use data::Uploads;
use door::{Door, guard};
use frame::{Frame, Lock, PLACES, outside, stylesheet};
use kept::Kept;
use role::Role;
use setup::SetUp;
use trial::Trial;

/// Where pages are, unless another place is named.
pub const PORT: u16 = 8471;

/// Where on loopback pages are to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At this port and no other: people type it, so whoever else listens there would be taken for this node, and be given
    /// the cookie that opens it. 0 is any that is free.
    At(u16),
    /// At [`PORT`] or, where that is taken, any that is free: of a demo, whose address is read off the screen.
    Anywhere,
}
/// Longest form that is read: a code, or a button.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// Longest form with people's own words: three texts of the log's longest, each byte written as three, and the rest.
const WORDS_BYTES_MAX: usize = 3 * 3 * LAY_BYTES_MAX + FORM_BYTES_MAX;
/// How often files that nobody came back for are looked for.
const SWEEP_TIME: Duration = Duration::from_secs(60);

/// Where programs go, with a token instead of a session.
pub(super) const API: &str = "/api/";

/// What every page may use.
#[derive(Clone)]
struct Shared {
    handle: Handle,
    door: Arc<Door>,
    /// One asking at a time: a button that is pressed twice asks once.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// What the last check of the logs found.
    checking: Arc<tokio::sync::Mutex<log::Checking>>,
    /// Held while they are checked, for a page or for a program.
    auditing: Auditing,
    uploads: Arc<Uploads>,
    /// Charter texts that somebody is reading.
    texts: Arc<Kept<charter::Text>>,
    /// Held by whoever signs or takes a version.
    signing: Arc<tokio::sync::Mutex<()>>,
    /// The public register as it was made last.
    register: Arc<tokio::sync::Mutex<register::Made>>,
    /// The listener that serves logs to everybody, if there is one.
    log_server: LogServers,
    /// Held while this node's log is packed.
    exporting: Arc<tokio::sync::Mutex<()>>,
    /// Our own figures beside releases.
    counted: Arc<stands_out::Counted>,
}

impl FromRef<Shared> for Desk {
    fn from_ref(shared: &Shared) -> Self {
        let home = shared.handle.home().clone();
        Self { home, handle: Some(shared.handle.clone()), uploads: Arc::clone(&shared.uploads) }
    }
}

impl FromRef<Shared> for Handle {
    fn from_ref(shared: &Shared) -> Self {
        shared.handle.clone()
    }
}

/// What stands before every page, whatever is behind.
#[derive(Clone)]
struct Front {
    door: Arc<Door>,
    home: Home,
    behind: Arc<RwLock<Router>>,
}

/// The pages, at one address until this is dropped: whoever signed in stays so while the node behind them starts again.
pub struct Pages {
    /// Where.
    pub address: SocketAddr,
    front: Front,
    uploads: Arc<Uploads>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Pages {
    /// Opens the pages of the node in a folder on loopback. Until something is shown they say that the node starts. A
    /// passphrase that is set is asked for unless it is waived. What an earlier process left of files that were brought
    /// goes, so the folder's pages are locked first: another process may be showing them.
    ///
    /// Errors: another process shows them, the port is taken, or the folder cannot be read.
    pub async fn open(home: &Home, waives_passphrase: bool, place: Place) -> Result<Self, CommandError> {
        let lock = lock(home).map_err(store_error)?;
        let listener = listen(place).await?;
        let address = listener
            .local_addr()
            .map_err(|error| CommandError::failed(format!("the pages' address: {error}")))?;
        let node = match home.exists() {
            true => home.config().map_err(|error| CommandError::failed(error.to_string()))?.id.0.to_string(),
            false => home.path().display().to_string(),
        };
        let asks_for = (!waives_passphrase).then(|| home.clone());
        let door = Arc::new(Door::new(address, &node, asks_for));
        let behind = Arc::new(RwLock::new(waiting(STARTING)));
        let front = Front { door, home: home.clone(), behind };
        let uploads = Arc::new(Uploads::new(home.join("run/uploads"), lock));
        let old = tokio::spawn(erase_old(Arc::clone(&uploads)));
        let router = front_router(front.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!("pages are no longer served: {error}");
            }
        });
        Ok(Self { address, front, uploads, tasks: [task, old] })
    }

    /// Shows a running node from now on, and where it serves its logs.
    pub fn show(&self, handle: Handle, log_server: LogServers) {
        self.put(router(self.shared(handle, log_server)));
    }

    /// Shows a made-up member from now on, with what to try. What it returns is told when somebody has seen enough.
    pub fn show_trial(&self, handle: Handle) -> Arc<Notify> {
        let (shared, over) = (self.shared(handle, LogServers::default()), Arc::new(Notify::new()));
        let trial = Trial::new(Arc::clone(&over), Arc::clone(&self.front.behind));
        self.put(trial::around(router(shared.clone()), shared, Arc::new(trial)));
        over
    }

    fn shared(&self, handle: Handle, log_server: LogServers) -> Shared {
        let auditing = Arc::clone(handle.auditing());
        Shared {
            handle,
            door: Arc::clone(&self.front.door),
            asking: Arc::default(),
            checking: Arc::default(),
            auditing,
            uploads: Arc::clone(&self.uploads),
            texts: Arc::default(),
            signing: Arc::default(),
            register: Arc::default(),
            log_server,
            exporting: Arc::default(),
            counted: Arc::default(),
        }
    }

    /// Shows the set-up from now on, with what went wrong before it. What it returns is told when the node is to run,
    /// or somebody wants to look round first.
    pub fn show_set_up(&self, trouble: Option<CommandError>) -> Wanted {
        let wanted = Wanted::default();
        let set_up = SetUp {
            home: self.front.home.clone(),
            door: Arc::clone(&self.front.door),
            uploads: Arc::clone(&self.uploads),
            joining: Arc::default(),
            wanted: wanted.clone(),
            behind: Arc::clone(&self.front.behind),
            trouble: trouble.map(Arc::new),
        };
        self.put(setup::router(set_up));
        wanted
    }

    /// Says from now on that the node starts.
    pub fn show_starting(&self) {
        self.put(waiting(STARTING));
    }

    /// Says from now on how far made-up members are.
    pub fn show_making(&self, what: &str) {
        self.put(making(what));
    }

    fn put(&self, router: Router) {
        *self.front.behind.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// An address that opens the pages once, within a minute.
    pub fn link(&self) -> String {
        self.front.door.link(&self.front.door.new_code(Instant::now()))
    }

    /// An address that opens the set-up once, within [`door::SETUP_TIME`].
    pub fn set_up_link(&self) -> String {
        let door = &self.front.door;
        door.link(&door.new_code_for(Role::Manager, Instant::now(), door::SETUP_TIME))
    }

    /// How often a browser said that a page broke its policy.
    pub fn reports(&self) -> u64 {
        self.front.door.reports()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Held by whoever shows a folder's pages. The node's own lock does not do: set-up runs before there is a node, and
/// pages stay while it starts again.
fn lock(home: &Home) -> Result<File, StoreError> {
    let run = home.join("run");
    make_dir(&run)?;
    let path = run.join("pages.lock");
    let file = disk::open(&path, OpenOptions::new().truncate(false).write(true)).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(home.path().to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::Io(path, error)),
    }
}

async fn listen(place: Place) -> Result<TcpListener, CommandError> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let (bound, port) = match place {
        Place::At(port) => (bind(port).await, port),
        Place::Anywhere => match bind(PORT).await {
            Ok(listener) => (Ok(listener), PORT),
            Err(_) => (bind(0).await, 0),
        },
    };
    bound.map_err(|error| {
        let why = match error.kind() == ErrorKind::AddrInUse {
            true => "is taken by another program".to_owned(),
            false => format!("cannot be used: {error}"),
        };
        CommandError::failed(format!("port {port} of this computer, where this node's pages are to be, {why}"))
            .hint("stop what listens there, such as another node or a demo, or choose another port: --port N, 0 for any that is free")
    })
}

/// Opens the pages of a running node.
///
/// Errors: as [`Pages::open`].
pub async fn serve_pages(handle: Handle) -> Result<Pages, CommandError> {
    let pages = Pages::open(handle.home(), handle.waives_passphrase(), Place::Anywhere).await?;
    pages.show(handle, LogServers::default());
    Ok(pages)
}

/// Files that nobody came back for go, whether or not anybody looks.
async fn erase_old(uploads: Arc<Uploads>) {
    loop {
        tokio::time::sleep(SWEEP_TIME).await;
        uploads.sweep(Instant::now());
    }
}

/// The door, and whatever is behind it.
fn front_router(front: Front) -> Router {
    Router::new()
        .route("/enter", get(show_enter).post(enter))
        .route("/leave", post(leave))
        .route("/assets/{hash}/pages.css", get(style))
        .route("/assets/1/icon.svg", get(icon))
        .route("/assets/{hash}/pages.js", get(script))
        .route("/csp-report", post(csp_report))
        .route("/unlock", get(unlock::show).post(unlock::unlock))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .fallback(behind)
        .layer(middleware::from_fn_with_state(Arc::clone(&front.door), guard))
        .with_state(front)
}

/// Hands a request to what is behind the door now.
async fn behind(State(front): State<Front>, request: Request) -> Response {
    let mut router = front.behind.read().unwrap_or_else(PoisonError::into_inner).clone();
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What is said while a node starts.
const STARTING: &str = "This node is starting.";

/// While no node is behind: a page that looks again by itself.
fn waiting(what: &str) -> Router {
    let what = what.to_owned();
    Router::new().fallback(move || async move {
        let body = html! { p role="status" { (what) } p { "This page looks again by itself." } };
        let mut response = outside("One moment", &body);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("2"));
        response
    })
}

/// While members are made up.
fn making(what: &str) -> Router {
    waiting(&format!("Five made-up schools are on their way, within two minutes. Now: {what}."))
}

/// What a person in front of the set-up may want.
#[derive(Clone, Default)]
pub struct Wanted {
    /// The node is to run.
    pub start: Arc<Notify>,
    /// To look round among made-up members first.
    pub trial: Arc<Notify>,
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(home::home))
        .route("/ask", get(ask::begin))
        .route("/ask/{question}", get(ask::form).post(ask::ask).layer(long_forms()))
        .route("/ask/{question}/check", post(ask::check).layer(long_forms()))
        .route("/rounds", get(rounds::list))
        .route("/rounds/{query}", get(rounds::one))
        .route("/rounds/{query}/status.json", get(rounds::status))
        .route("/rounds/{query}/approve", post(rounds::approve))
        .route("/rounds/{query}/decline", get(rounds::ask_decline).post(rounds::decline))
        .route("/results", get(results::list))
        .route("/results/{id}", get(results::one))
        .route("/results/{id}/pack", get(pack::show))
        .route("/results/{id}/certificate", get(results::certificate))
        .route("/results/{id}/figures.csv", get(results::csv))
        .route("/results/{id}/recipients", post(recipients::write_down))
        .route("/results/{id}/receipt", get(recipients::receipt))
        .route("/results/{id}/figures.parquet", get(results::parquet))
        .route("/privacy", get(privacy::privacy))
        .route("/log", get(log::log))
        .route("/log/check", post(log::check))
        .route("/log/export.zip", get(log::export))
        .route("/log/{member}", get(log::one))
        .route("/log/{member}/{index}", get(log::entry))
        .merge(data::routes())
        .merge(charter::routes())
        .route("/members", get(members::members))
        .route("/members/leave", get(leave::show).post(leave::let_ask))
        .route("/members/leave/{id}/revoke", post(leave::take_back))
        .route("/register", get(register::show))
        .route("/register/preview/{name}", get(register::file))
        .merge(settings::routes())
        .route("/help/figures", get(figures))
        .route(glossary::HERE, get(glossary::words))
        .route(accessibility::HERE, get(accessibility::statement))
        .nest("/api/v1", api_router(&shared))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(shared)
}

/// What programs come through, sharing with the pages what is done once at a time.
fn api_router(shared: &Shared) -> Router<Shared> {
    let (asking, auditing) = (shared.asking.clone(), shared.auditing.clone());
    v1::router(shared.handle.clone(), asking, auditing, Desk::from_ref(shared))
}

/// A form with people's own words is longer.
fn long_forms() -> DefaultBodyLimit {
    DefaultBodyLimit::max(WORDS_BYTES_MAX)
}

/// Whether the data are made up, and how the node is. On every page, so nothing here grows with the logs.
fn state_of(member: &Member) -> (bool, String) {
    let charter = member.fold().charter_at(member.me(), clock::now());
    let (connected, others) = (member.connected().count(), charter.members().len().saturating_sub(1));
    let state = match (member.starting(), member.settings().limits.is_some()) {
        (Some(waits), _) => words::sentence(&waits),
        (None, false) => "Answers nothing: this member's own limits are missing or cannot be read".to_owned(),
        (None, true) => format!("Running, connected to {connected} of {others} other members"),
    };
    (charter.fields().demo, state)
}

/// What stands around a page, as the node is now.
async fn frame_of(handle: &Handle) -> Frame {
    let config = handle.home().config();
    let (demo, state) = handle.view(state_of).await.unwrap_or_else(|| (false, "Stopping".to_owned()));
    Frame {
        name: config.map_or_else(|_| "This node".to_owned(), |config| config.name),
        demo,
        state,
        sample: handle.is_sample(),
        lock: match (handle.waives_passphrase(), passphrase::is_set(handle.home())) {
            // What is forgotten tonight needs none.
            _ if handle.is_sample() => Lock::Set,
            (true, _) => Lock::Waived,
            (false, true) => Lock::Set,
            (false, false) => Lock::Unset,
        },
        places: PLACES,
    }
}

#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    code: String,
}

/// Opening a page changes nothing: the code is burnt by the button.
async fn show_enter(Query(Code { code }): Query<Code>) -> Response {
    let body = match code.is_empty() {
        false => html! {
            form method="post" action="/enter" {
                input type="hidden" name="code" value=(code);
                button type="submit" { "Open this node" }
            }
        },
        true => html! {
            p { "To see these pages, use this computer's command line:" }
            pre { "datacoop open" }
            p { "It shows an address that opens them once, within a minute." }
        },
    };
    outside("Open this node", &body)
}

async fn enter(State(front): State<Front>, Form(Code { code }): Form<Code>) -> Response {
    match front.door.enter(&code, Instant::now()) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        None => {
            let body = html! { div class="error" role="alert" { p { "This link is used or too old." } p { "Get a new one: datacoop open" } } };
            let mut response = outside("Error: the node was not opened", &body);
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
    }
}

async fn leave(State(front): State<Front>, headers: HeaderMap) -> Response {
    ([(header::SET_COOKIE, front.door.leave(&headers))], Redirect::to("/enter")).into_response()
}

/// Named by its hash, so it never changes at one address.
async fn style(Path(_hash): Path<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    (headers, stylesheet()).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], frame::ICON).into_response()
}

/// Likewise.
async fn script(Path(_hash): Path<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    (headers, frame::script()).into_response()
}

async fn csp_report(State(front): State<Front>) -> StatusCode {
    front.door.report();
    StatusCode::NO_CONTENT
}

/// Every form of figure with how to read it.
async fn figures(State(handle): State<Handle>) -> Response {
    let body = html! {
        p { "One figure of every kind, of made-up numbers. Every mark also stands as a number beside it or below." }
        p { (crate::figure::RANGE_NOTE) }
        @for (name, figure) in named_gallery() { h2 { (name) } (figure.html()) }
    };
    frame_of(&handle).await.page("/help/figures", "How to read our figures", &body)
}

async fn nowhere(State(handle): State<Handle>, uri: Uri) -> Response {
    // Programs come here without a session: they are told nothing of the node.
    if uri.path().starts_with(API) {
        return v1::nowhere().await;
    }
    let error = CommandError::usage("there is no such page".into()).hint("go on from Home");
    let mut response = frame_of(&handle).await.error("", &error);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    /// People type the address: whoever listens there first must not be taken for this node.
    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Pages::open(&Home::new(folder.path()), true, Place::At(port)).await.err().unwrap();
        assert!(
            error.text.contains(&format!("port {port}")) && error.text.contains("taken"),
            "{}",
            error.text
        );
        assert!(error.hint.unwrap().contains("--port"));
        drop(taken);
        let pages = Pages::open(&Home::new(folder.path()), true, Place::At(port)).await.unwrap();
        assert_eq!(pages.address.port(), port);
    }

    #[tokio::test]
    async fn whoever_opens_the_pages_of_a_folder_second_erases_nothing_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let first = Pages::open(&home, true, Place::At(0)).await.unwrap();
        let file = home.join("run/uploads/1/marks.csv");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "a,b").unwrap();
        let error = Pages::open(&home, true, Place::At(0)).await.err().unwrap();
        assert!(matches!(error.exit, Exit::NotRunning) && error.text.contains("another node runs on"));
        assert!(file.exists(), "what the first was brought");
        // What still answers for them when they are closed erases what it was brought before another may begin.
        let uploads = Arc::clone(&first.uploads);
        drop(first);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(Pages::open(&home, true, Place::At(0)).await.is_err() && file.exists());
        drop(uploads);
        assert!(!file.exists());
        assert!(Pages::open(&home, true, Place::At(0)).await.is_ok());
    }
}
