//! Set-up: what a node needs before it runs, as a list that may be done in one sitting or several. Each step does
//! what its command does, in the same functions. Nothing here leaves this computer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{DefaultBodyLimit, Form, FromRef, Multipart, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use datacoop_policy::PrivacyLoss;
use datacoop_policy::charter::Charter;
use datacoop_policy::limits::Limits;
use datacoop_protocol::charter_text::{member_fingerprint, write_card};
use datacoop_protocol::words::{self, Words};
use maud::{Markup, html};
use serde::Deserialize;

use super::charter::{six_groups, text_file, what_it_says};
use super::data::{self, Desk, Uploads};
use super::door::Door;
use super::form::{error_summary, text_area, text_field};
use super::frame::{Frame, Lock};
use super::kept::Kept;
use super::settings::{NewPassphrase, passphrase_form, set_to};
use super::{API, FORM_BYTES_MAX, Wanted, glossary, making};
use crate::cli::{join_checked, may_join, notes_in_order};
use crate::error::CommandError;
use crate::folder::write_durably;
use crate::home::Home;
use crate::html::day_words;
use crate::loss::POINT;
use crate::set_up::{Organisation, set_up};
use crate::{clock, load, passphrase};

const HERE: &str = "/setup";
/// Where one can go before the node runs.
const PLACES: &[(&str, &str)] = &[("/setup", "Set up"), ("/data", "Data")];
/// All versions of a charter at once.
const CHAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Says in the folder that the recovery sheet was printed.
const PRINTED: &str = "recovery-sheet";

/// What the pages of a set-up use.
#[derive(Clone)]
pub(super) struct SetUp {
    pub(super) home: Home,
    pub(super) door: Arc<Door>,
    pub(super) uploads: Arc<Uploads>,
    /// Charters that somebody is about to join.
    pub(super) joining: Arc<Kept<Joining>>,
    /// What the person wants next.
    pub(super) wanted: Wanted,
    /// What is shown while it comes.
    pub(super) behind: Arc<RwLock<Router>>,
    /// What went wrong the last time.
    pub(super) trouble: Option<Arc<CommandError>>,
}

/// A charter that was brought, with the words of a letter.
#[derive(Clone)]
pub(super) struct Joining {
    notes: Vec<String>,
    words: Words,
}

impl FromRef<SetUp> for Desk {
    fn from_ref(set_up: &SetUp) -> Self {
        Self { home: set_up.home.clone(), handle: None, uploads: Arc::clone(&set_up.uploads) }
    }
}

/// What stands around a page before the node runs.
pub(super) fn frame(home: &Home) -> Frame {
    let name = home.config().map_or_else(|_| "A new node".to_owned(), |config| config.name);
    Frame {
        name,
        demo: false,
        sample: false,
        state: "Not running yet".to_owned(),
        lock: Lock::Set,
        places: PLACES,
    }
}

pub(super) fn router(set_up: SetUp) -> Router {
    let join = post(join).layer(DefaultBodyLimit::max(CHAIN_BYTES_MAX));
    Router::new()
        .route("/", get(|| async { Redirect::to(HERE) }))
        .route("/setup", get(tasks))
        .route("/setup/organisation", get(organisation).post(name_organisation))
        .route("/setup/passphrase", get(show_passphrase).post(set_passphrase))
        .route("/setup/charter", get(charter))
        .route("/setup/card", get(card))
        .route("/setup/join", join)
        .route("/setup/join/{id}", get(show_joining).post(confirm_joining))
        .route("/setup/limits", get(limits).post(set_limits))
        .route("/setup/recovery", get(recovery).post(printed))
        .route("/setup/start", post(start))
        .route("/setup/try", post(look_round))
        .route(glossary::HERE, get(words))
        .merge(data::routes())
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(set_up)
}

async fn nowhere(State(set_up): State<SetUp>, uri: Uri) -> Response {
    // Programs come here without a session: they are told nothing.
    if uri.path().starts_with(API) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let error =
        CommandError::usage("there is no such page before this node runs".into()).hint("go on from Set up");
    frame(&set_up.home).error(HERE, &error)
}

/// How a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Completed,
    NotStarted,
    CannotStart,
}

impl Step {
    fn of(done: bool, can: bool) -> Self {
        match (done, can) {
            (true, _) => Self::Completed,
            (false, true) => Self::NotStarted,
            (false, false) => Self::CannotStart,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::NotStarted => "Not started",
            Self::CannotStart => "Cannot start yet",
        }
    }
}

/// The steps in their order: path, what is done, how it stands.
fn steps(home: &Home) -> [(&'static str, &'static str, Step); 6] {
    let named = home.exists();
    let joined = home.charter().ok().flatten().is_some();
    let data = named && load::held(home).is_ok_and(|held| !held.is_empty());
    [
        ("/setup/organisation", "Name your organisation", Step::of(named, true)),
        ("/setup/passphrase", "Choose a passphrase", Step::of(passphrase::is_set(home), named)),
        ("/data", "Import data", Step::of(data, named)),
        ("/setup/charter", "Join a charter", Step::of(joined, named)),
        ("/setup/limits", "Set your own limits", Step::of(joined && home.limits().is_ok(), joined)),
        ("/setup/recovery", "Print your recovery sheet", Step::of(home.join(PRINTED).exists(), named)),
    ]
}

async fn tasks(State(set_up): State<SetUp>) -> Response {
    let home = set_up.home.clone();
    let steps = tokio::task::spawn_blocking(move || steps(&home)).await;
    let frame = frame(&set_up.home);
    let Ok(steps) = steps else {
        return frame.error(HERE, &CommandError::failed("the folder does not read".into()));
    };
    let joined = steps[3].2 == Step::Completed;
    let done = steps.iter().filter(|(.., step)| *step == Step::Completed).count();
    let body = html! {
        @if let Some(trouble) = &set_up.trouble { (error_summary(trouble)) }
        p class="lead" { (done) " of " (steps.len()) " steps are completed. You can stop at any time and go on later." }
        ol class="tasks" {
            @for (path, title, step) in steps {
                li {
                    @if step == Step::CannotStart { (title) } @else { a href=(path) { (title) } }
                    " " span class="meta" { (step.words()) }
                }
            }
        }
        @if joined {
            form method="post" action="/setup/start" id="start-form" { button type="submit" { "Start this node" } }
        } @else {
            p { "The node can start once it belongs to a charter. What has been done stays." }
        }
        (offer())
        p { a href=(glossary::HERE) { "What the words mean" } }
    };
    frame.page(HERE, "Set up this node", &body)
}

/// The words that a newcomer meets.
async fn words(State(set_up): State<SetUp>) -> Response {
    frame(&set_up.home).page(glossary::HERE, "What the words mean", &glossary::list())
}

/// Made-up members to look round among.
fn offer() -> Markup {
    html! {
        section class="card" aria-labelledby="offer" {
            h2 id="offer" { "Or look round first" }
            p { "Five made-up schools on this computer, three answers, and one school's own figures beside them. It is ready within two minutes. Nothing leaves this computer, and nothing of it is kept." }
            form method="post" action="/setup/try" id="try-form" { button type="submit" class="plain" { "Try it with made-up data" } }
        }
    }
}

async fn look_round(State(set_up): State<SetUp>) -> Response {
    // From here on, so that the next page is not this set-up again.
    *set_up.behind.write().unwrap_or_else(PoisonError::into_inner) = making("beginning");
    set_up.wanted.trial.notify_one();
    Redirect::to("/").into_response()
}

/// Runs what reads or writes the folder aside.
async fn aside<T: Send + 'static>(
    home: &Home,
    work: impl FnOnce(&Home) -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let home = home.clone();
    let done = tokio::task::spawn_blocking(move || work(&home)).await;
    done.map_err(|error| CommandError::failed(error.to_string()))?
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Named {
    id: String,
    name: String,
    body: String,
    host: String,
    people_min: String,
    people_max: String,
    listen: String,
    address: String,
}

fn organisation_form(named: &Named) -> Markup {
    html! {
        form method="post" action="/setup/organisation" id="organisation-form" {
            (text_field("name", "Name of your organisation", "", &named.name))
            (text_field("id", "Public register number", "Such as GB-EDU-100200 for a school in England (its URN), or GB-CHC-200300 for a charity.", &named.id))
            (text_field("body", "Who controls it in law", "Such as its trust. Leave it empty if it is its own body.", &named.body))
            (text_field("host", "A host name that it controls", "Such as hillside.example: the names of its keys begin with it.", &named.host))
            (text_field("people_max", "Most people that it has records of", "A public figure: no answer counts more. It can be raised later by an amendment.", &named.people_max))
            (text_field("people_min", "Fewest people that it has records of", "A public figure, or empty.", &named.people_min))
            details {
                summary { "If other members are to reach each other through this node" }
                (text_field("listen", "Where it listens", "Such as /ip4/0.0.0.0/tcp/4100", &named.listen))
                (text_field("address", "Where others reach it", "Such as /dns4/node.hillside.example/tcp/4100", &named.address))
            }
            button type="submit" { "Set up the node" }
        }
    }
}

async fn organisation(State(set_up): State<SetUp>) -> Response {
    let frame = frame(&set_up.home);
    match set_up.home.config() {
        Ok(config) => {
            let body = html! {
                p { "This node is " strong { (config.name) } ", " (config.id.0.as_str()) ". Its identity is made once; another organisation needs another folder." }
                p { a href="/setup" { "Back to the steps" } }
            };
            frame.page(HERE, "Name your organisation", &body)
        }
        Err(_) => frame.page(HERE, "Name your organisation", &organisation_form(&Named::default())),
    }
}

async fn name_organisation(State(set_up): State<SetUp>, Form(named): Form<Named>) -> Response {
    let wanted = named.clone();
    let made = aside(&set_up.home, move |home| {
        let number = |text: &str, what: &str| match text.trim() {
            "" => Ok(0),
            text => text
                .replace(',', "")
                .parse()
                .map_err(|_| CommandError::usage(format!("`{text}` is no number of people; write {what}"))),
        };
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let name = filled(&wanted.name)
            .ok_or_else(|| CommandError::usage("write the name of your organisation".into()))?;
        set_up_with(
            home,
            Organisation {
                id: wanted.id.trim().to_owned(),
                name,
                body: filled(&wanted.body),
                host: wanted.host.trim().to_owned(),
                people_min: number(&wanted.people_min, "the fewest, or nothing")?,
                people_max: number(&wanted.people_max, "the most, such as 1200")?,
                listen: filled(&wanted.listen).into_iter().collect(),
                addresses: filled(&wanted.address).into_iter().collect(),
            },
        )
    });
    match made.await {
        Ok(()) => Redirect::to(HERE).into_response(),
        Err(error) => {
            frame(&set_up.home).again(HERE, "Name your organisation", &error, &organisation_form(&named))
        }
    }
}

/// Sets the node up, in the words of the form.
fn set_up_with(home: &Home, who: Organisation) -> Result<(), CommandError> {
    set_up(home, who).map(drop).map_err(|error| {
        let text = error.text.replace(
            "write --people-min <= --people-max, at most ",
            "write the most people that it has records of, no fewer than the fewest and at most ",
        );
        CommandError { text, ..error }
    })
}

/// Why a step cannot start before the node has a name.
fn unnamed(home: &Home) -> Option<Response> {
    (!home.exists()).then(|| {
        let error =
            CommandError::usage("this step cannot start yet".into()).hint("name your organisation first");
        frame(home).error(HERE, &error)
    })
}

async fn show_passphrase(State(set_up): State<SetUp>) -> Response {
    unnamed(&set_up.home).unwrap_or_else(|| {
        frame(&set_up.home).page(HERE, "Choose a passphrase", &passphrase_page(&set_up.home))
    })
}

fn passphrase_page(home: &Home) -> Markup {
    html! {
        p { "It keeps others at this computer out of these pages. It encrypts nothing." }
        @if passphrase::is_set(home) { p { "There is one. It can be changed under Settings once the node runs." } p { a href="/setup" { "Back to the steps" } } }
        @else { (passphrase_form(false, "/setup/passphrase")) }
    }
}

async fn set_passphrase(
    State(set_up): State<SetUp>,
    headers: HeaderMap,
    Form(form): Form<NewPassphrase>,
) -> Response {
    let home = &set_up.home;
    if let Some(wrong) = unnamed(home) {
        return wrong;
    }
    let set = match passphrase::is_set(home) {
        true => Err(CommandError::usage("there is a passphrase already".into())
            .hint("change it under Settings once the node runs")),
        false => set_to(home, form).await,
    };
    match set {
        Ok(()) => match set_up.door.unlock(&headers, Instant::now(), true) {
            Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(HERE)).into_response(),
            None => Redirect::to("/enter").into_response(),
        },
        Err(error) => frame(home).again(HERE, "Choose a passphrase", &error, &passphrase_page(home)),
    }
}

/// This member's card and the words of its keys.
fn own_card(home: &Home) -> Result<(String, Vec<String>), CommandError> {
    let config = home.config().map_err(failed)?;
    let keys = home.keys(&config).map_err(failed)?;
    let member = home.card_member(&config, &keys);
    Ok((write_card(&member, &keys), words::pairs(&member_fingerprint(&member))))
}

async fn card(State(set_up): State<SetUp>) -> Response {
    match aside(&set_up.home, own_card).await {
        Ok((card, _)) => text_file("member.card", card.into_bytes()),
        Err(error) => frame(&set_up.home).error(HERE, &error),
    }
}

async fn charter(State(set_up): State<SetUp>) -> Response {
    if let Some(wrong) = unnamed(&set_up.home) {
        return wrong;
    }
    let frame = frame(&set_up.home);
    match aside(&set_up.home, |home| charter_page(home, "")).await {
        Ok(body) => frame.page(HERE, "Join a charter", &body),
        Err(error) => frame.error(HERE, &error),
    }
}

fn charter_page(home: &Home, typed: &str) -> Result<Markup, CommandError> {
    if let Some((_, charter)) = home.charter().map_err(failed)? {
        return Ok(html! {
            p { "This node belongs to " strong { (charter.fields().name) } ", version " (charter.version()) "." }
            p { a href="/setup" { "Back to the steps" } }
        });
    }
    let (_, pairs) = own_card(home)?;
    Ok(html! {
        h2 { "First: give them your card" }
        p { "Send it to whoever asked you to join. It holds no secret." }
        p { a href="/setup/card" { "Save your card" } }
        p { "Two members ring you on a number that they did not have from your card. Read these words to them. They must match." }
        (six_groups(&pairs))
        h2 { "Then: join by your letter of admission" }
        p { "The letter has twelve words, which came to you by another way than the charter. The charter comes from any member: every version of it, each its own file." }
        form method="post" action="/setup/join" enctype="multipart/form-data" id="join-form" {
            (text_area("words", "The twelve words of your letter", "In six pairs, however you divide them.", typed, 2))
            div class="field" {
                label for="file" { "The charter's files" }
                p class="hint" id="file-hint" { "1.note, 2.note and so on, all at once." }
                input type="file" id="file" name="file" multiple accept=".note,.txt,text/plain" aria-describedby="file-hint";
            }
            button type="submit" { "See what you would join" }
        }
        p { "To found a co-operative, use the command line: " code { "datacoop charter new --help" } "." }
    })
}

async fn join(State(set_up): State<SetUp>, form: Result<Multipart, MultipartRejection>) -> Response {
    let (typed, brought) = match form {
        Ok(form) => received(form).await,
        Err(error) => {
            (String::new(), Err(CommandError::usage(format!("the form did not arrive whole: {error}"))))
        }
    };
    let checked = match brought {
        Ok(joining) => {
            aside(&set_up.home, move |home| may_join(home, &joining.notes, &joining.words).map(|_| joining))
                .await
        }
        Err(error) => Err(error),
    };
    match checked {
        Ok(joining) => {
            let id = set_up.joining.put(joining, Instant::now());
            Redirect::to(&format!("/setup/join/{id}")).into_response()
        }
        Err(error) => {
            let frame = frame(&set_up.home);
            match aside(&set_up.home, move |home| charter_page(home, &typed)).await {
                Ok(body) => frame.again(HERE, "Join a charter", &error, &body),
                Err(_) => frame.error(HERE, &error),
            }
        }
    }
}

/// The words and the notes of a form.
async fn received(mut form: Multipart) -> (String, Result<Joining, CommandError>) {
    let (mut typed, mut notes) = (String::new(), vec![]);
    loop {
        let cut = || CommandError::usage("the charter did not arrive whole, or is too long".into());
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(_) => return (typed, Err(cut())),
        };
        let is_file = field.name() == Some("file");
        let Ok(bytes) = field.bytes().await else { return (typed, Err(cut())) };
        let Ok(text) = String::from_utf8(bytes.to_vec()) else {
            return (typed, Err(CommandError::usage("a file is no text; choose the charter's notes".into())));
        };
        match is_file {
            true if text.is_empty() => {}
            true => notes.push(text),
            false => typed = text,
        }
    }
    let words = Words::parse(&typed).map_err(|error| {
        CommandError::usage(error).hint("they stand in your letter of admission, in six pairs")
    });
    let joining = words.and_then(|words| Ok(Joining { notes: notes_in_order(notes)?, words }));
    (typed, joining)
}

fn joining_of(set_up: &SetUp, id: &str) -> Result<Joining, CommandError> {
    set_up.joining.get(id, Instant::now()).ok_or_else(|| {
        CommandError::usage("this charter is not here any more".into())
            .hint("bring it again, under Join a charter")
    })
}

async fn show_joining(State(set_up): State<SetUp>, Path(id): Path<String>) -> Response {
    let frame = frame(&set_up.home);
    let page = match joining_of(&set_up, &id) {
        Ok(joining) => {
            let path = format!("/setup/join/{id}");
            aside(&set_up.home, move |home| {
                Ok(joining_html(home, &may_join(home, &joining.notes, &joining.words)?, &path))
            })
            .await
        }
        Err(error) => Err(error),
    };
    match page {
        Ok(body) => frame.page(HERE, "What you would join", &body),
        Err(error) => frame.error(HERE, &error),
    }
}

fn joining_html(home: &Home, charter: &Charter, path: &str) -> Markup {
    let fields = charter.fields();
    let name = home.config().map(|config| config.name).unwrap_or_default();
    html! {
        p class="lead" { "The words of your letter are those of " strong { (fields.name) } ", version " (charter.version()) ", until " (day_words(fields.expires)) "." }
        @for line in fields.asset_lock.clause.lines() { p { (line) } }
        p { "Members: " (charter.members().iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ")) }
        (what_it_says(charter))
        form method="post" action=(path) id="confirm-join-form" { button type="submit" { "Join as " (name) } }
        p { a href="/setup/charter" { "Do not join" } }
    }
}

async fn confirm_joining(State(set_up): State<SetUp>, Path(id): Path<String>) -> Response {
    let joined = match joining_of(&set_up, &id) {
        Ok(joining) => {
            aside(&set_up.home, move |home| join_checked(home, &joining.notes, &joining.words)).await
        }
        Err(error) => Err(error),
    };
    match joined {
        Ok(()) => Redirect::to(HERE).into_response(),
        Err(error) => frame(&set_up.home).error(HERE, &error),
    }
}

/// The purposes of the charter, and which of them our limits answer.
fn purposes(home: &Home) -> Result<Vec<(String, String, bool)>, CommandError> {
    let charter = home.charter().map_err(failed)?.map(|(_, charter)| charter);
    let charter = charter.ok_or_else(|| {
        CommandError::usage("this step cannot start yet".into()).hint("join a charter first")
    })?;
    let limits = home.limits().ok();
    let answered = |id: &str| limits.as_ref().is_none_or(|limits| limits.purposes.holds(id));
    let each = charter.fields().purposes.iter();
    Ok(each.map(|purpose| (purpose.id.clone(), purpose.title.clone(), answered(&purpose.id))).collect())
}

/// What the charter and the program allow at most, in points and as what they stand for.
fn most(home: &Home) -> Result<Vec<(&'static str, String)>, CommandError> {
    let charter = home.charter().map_err(failed)?.map(|(_, charter)| charter);
    let Some(charter) = charter else { return Ok(vec![]) };
    let limits = Limits::floor().meet(&charter.fields().limits);
    let loss = |loss: PrivacyLoss| {
        // What may be used rounds down.
        let points = loss.nano() / POINT.nano();
        format!("{points} points (rho {})", loss.to_string().trim_end_matches('0').trim_end_matches('.'))
    };
    Ok(vec![
        ("One question", loss(limits.rho_query)),
        ("One year", loss(limits.rho_year)),
        ("Numbers in an answer", limits.max_cells.to_string()),
        ("Members in an answer", format!("at least {}, of {} bodies", limits.min_roster, limits.min_bodies)),
    ])
}

fn limits_form(purposes: &[(String, String, bool)], most: &[(&'static str, String)]) -> Markup {
    html! {
        p { "The charter says what may be asked of everybody. Here you can only allow less. What these limits allow is answered without asking you." }
        form method="post" action="/setup/limits" id="limits-form" {
            fieldset {
                legend { "Which purposes does this node answer?" }
                @for (id, title, answered) in purposes {
                    div class="tick" {
                        input type="checkbox" id={ "purpose-" (id) } name={ "purpose-" (id) } value="yes" checked[*answered];
                        label for={ "purpose-" (id) } { (title) }
                    }
                }
            }
            button type="submit" { "Write these limits" }
        }
        details {
            summary { "Details: what is allowed at most" }
            p { "The charter and the program allow no more than this. A point of the privacy budget is rho 0.0025. To allow less, write it into " code { "limits.toml" } " in this node's folder." }
            dl class="pairs" { @for (name, value) in most { dt { (name) } dd { (value) } } }
        }
        p { "All that limits can say: " code { "datacoop charter limits --help" } "." }
    }
}

async fn limits(State(set_up): State<SetUp>) -> Response {
    let frame = frame(&set_up.home);
    match aside(&set_up.home, |home| Ok((purposes(home)?, most(home)?))).await {
        Ok((purposes, most)) => frame.page(HERE, "Set your own limits", &limits_form(&purposes, &most)),
        Err(error) => frame.error(HERE, &error),
    }
}

async fn set_limits(
    State(set_up): State<SetUp>,
    Form(ticked): Form<std::collections::BTreeMap<String, String>>,
) -> Response {
    let written = aside(&set_up.home, move |home| {
        let known = purposes(home)?;
        let wanted = known.iter().filter(|(id, ..)| ticked.contains_key(&format!("purpose-{id}")));
        home.write_limits(&wanted.map(|(id, ..)| id.as_str()).collect::<Vec<_>>()).map_err(failed)
    });
    match written.await {
        Ok(()) => Redirect::to(HERE).into_response(),
        Err(error) => frame(&set_up.home).error(HERE, &error),
    }
}

async fn recovery(State(set_up): State<SetUp>) -> Response {
    if let Some(wrong) = unnamed(&set_up.home) {
        return wrong;
    }
    let frame = frame(&set_up.home);
    match aside(&set_up.home, recovery_html).await {
        Ok(body) => frame.page(HERE, "Recovery sheet", &body),
        Err(error) => frame.error(HERE, &error),
    }
}

/// What to keep on paper: nothing on it is secret, but where the secret lies.
fn recovery_html(home: &Home) -> Result<Markup, CommandError> {
    let config = home.config().map_err(failed)?;
    let (_, pairs) = own_card(home)?;
    let charter = home.charter().map_err(failed)?.map(|(_, charter)| charter);
    let folder = std::fs::canonicalize(home.path()).unwrap_or_else(|_| home.path().to_owned());
    Ok(html! {
        p class="no-print" { "Print this page and keep it where your organisation keeps its deeds. Nothing on it is secret." }
        dl class="pairs" {
            dt { "Organisation" } dd { (config.name) ", " (config.id.0.as_str()) }
            dt { "Folder" } dd { (folder.display()) }
            dt { "Printed" } dd { (day_words(clock::now().day())) }
            @if let Some(charter) = &charter { dt { "Co-operative" } dd { (charter.fields().name) } }
        }
        h2 { "Keep a copy of the folder" }
        ol {
            li { "Stop the node. Copy the whole folder to a disk that is kept elsewhere, encrypted." }
            li { "Do so after each change of the charter, and at least once a term." }
            li { "Never run two copies at once: a log with two histories shows for ever." }
        }
        h2 { "If the computer is lost" }
        ol {
            li { "Install the program on another computer and copy the folder there." }
            li { "Run " code { "datacoop --node FOLDER restore" } ": it says what to do next." }
            li { "If no copy is left, ring two members: they put new keys for you into the charter." }
        }
        h2 { "The words of this node's keys" }
        (six_groups(&pairs))
        @if let Some(charter) = &charter {
            h2 { "The words of the charter" }
            (six_groups(&words::pairs(&charter.id())))
        }
        form method="post" action="/setup/recovery" id="printed-form" class="no-print" { button type="submit" { "I have printed it" } }
    })
}

async fn printed(State(set_up): State<SetUp>) -> Response {
    if let Some(wrong) = unnamed(&set_up.home) {
        return wrong;
    }
    let noted = aside(&set_up.home, |home| {
        write_durably(&home.join(PRINTED), format!("{}\n", clock::now().day()).as_bytes()).map_err(failed)
    });
    match noted.await {
        Ok(()) => Redirect::to(HERE).into_response(),
        Err(error) => frame(&set_up.home).error(HERE, &error),
    }
}

async fn start(State(set_up): State<SetUp>) -> Response {
    let frame = frame(&set_up.home);
    match set_up.home.charter() {
        Ok(Some(_)) => {
            set_up.wanted.start.notify_one();
            let body = html! { p { "This node starts now." } p { a href="/" { "Go on to Home" } } };
            frame.page(HERE, "Starting", &body)
        }
        Ok(None) => {
            let error =
                CommandError::usage("this node belongs to no charter yet".into()).hint("join one first");
            frame.error(HERE, &error)
        }
        Err(error) => frame.error(HERE, &failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_starts_once_what_it_needs_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&dir.path().join("node"));
        let stand = |home: &Home| steps(home).map(|(.., step)| step);
        use Step::{CannotStart, Completed, NotStarted};
        assert_eq!(
            stand(&home),
            [NotStarted, CannotStart, CannotStart, CannotStart, CannotStart, CannotStart]
        );
        let who = Organisation {
            id: "GB-EDU-100200".into(),
            name: "Hill".into(),
            host: "hill.example".into(),
            people_max: 10,
            ..Organisation::default()
        };
        set_up_with(&home, who.clone()).unwrap();
        assert_eq!(stand(&home), [Completed, NotStarted, NotStarted, NotStarted, CannotStart, NotStarted]);
        assert!(set_up_with(&home, who).is_err(), "an identity is made once");
        passphrase::set(&home, "wet paper orange bus").unwrap();
        assert_eq!(stand(&home)[1], Completed);
    }
}
