//! The node's private door: loopback HTTP for its own command line, opened by a token that lies in a
//! file only its owner reads. No endpoint returns a row.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{FromRef, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use datacoop_policy::charter::Charter;
use datacoop_policy::query::{Mode, WINDOW_MAX};
use datacoop_policy::question::{QuestionDraft, tidy_params};
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::audit::Notes;
use datacoop_protocol::bounds::LAY_BYTES_MAX;
use datacoop_protocol::certificate::{NotCertified, finish};
use datacoop_protocol::entry::{Lay, QueryBody, Supersedes};
use datacoop_protocol::fold::{Entries, Fold, Log, question_value};
use datacoop_protocol::member::Member;
use datacoop_protocol::member::opening::NotShown;
use datacoop_protocol::rounds::Round;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::acts::reviews::{self, ReviewRequest};
use crate::acts::shown::{Listed, waiting};
use crate::acts::{self, ActRequest, ProposeRequest, Sought};
use crate::blobs::Blobs;
use crate::certificate::{Shelf, write_certificate};
use crate::cli::{audit_json, audit_text, goes_on_json, goes_on_text, releases_json};
use crate::driver::{AskReply, Handle};
use crate::error::{CommandError, Exit};
use crate::export::{snapshot, snapshot_of, write_export_aside};
use crate::folder::{StoreError, write_durably};
use crate::follow::{news, prove_entry};
use crate::home::Home;
use crate::load::Wish;
use crate::loss::Books;
use crate::own::basis::BasisText;
use crate::pages::Pages;
use crate::serve::{LogServer, serve_logs};
use crate::verify::{Audited, audit_on};
use crate::view::{default_mode, plan_json, release_json, round_json, stage, status_json, unanswerable};
use crate::{clock, entropy, inbox, load, opening};

/// Digits of a query id that must be given: as many as `status` shows.
const PREFIX_MIN: usize = 8;

/// Where the door is, and its key: `run/api`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Door {
    /// Such as `127.0.0.1:40123`.
    pub address: String,
    /// The bearer token.
    pub token: String,
}

/// What to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskRequest {
    /// The question's TOML.
    pub question: String,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Such as `2025-09-01..2025-12-19`.
    pub period: String,
    /// A purpose of the charter; the only one, if left out.
    pub purpose: Option<String>,
    /// Loss in billionths of rho; the question's own, if left out.
    pub rho: Option<u64>,
    /// Whether members may see each other's noised vectors.
    pub full_noise: bool,
    /// Fewest members; the charter's, if left out.
    pub min_members: Option<u32>,
    /// Seconds for each of joining, contributing and closing.
    pub window: u64,
    /// Plain words for the log.
    pub why: String,
    /// Who benefits.
    pub benefits: String,
    /// Who pays.
    pub pays: String,
    /// The Query whose Release is to be superseded, or the first digits of its id; with `because`.
    #[serde(default)]
    pub supersedes: Option<String>,
    /// Why it is to be superseded.
    #[serde(default)]
    pub because: Option<String>,
    /// The delegation to ask under, or the first digits of its id.
    #[serde(default)]
    pub under: Option<String>,
    /// Whether to ask although not one figure would answer.
    #[serde(default)]
    pub force: bool,
}

/// What every handler may use.
#[derive(Clone)]
struct Shared {
    handle: Handle,
    /// Vocabularies that the Member was started with: it answers questions on no others.
    known: Arc<BTreeSet<Digest>>,
    /// One import at a time: each takes the next snapshot's number.
    importing: Arc<tokio::sync::Mutex<()>>,
    /// One review at a time: what was found lies in a file before it is bound.
    reviewing: Reviewing,
    /// Where logs are served: nowhere, unless somebody asked for it.
    log_server: LogServers,
    /// Where pages are, if anywhere.
    pages: Option<Arc<Pages>>,
}

/// The one listener that serves logs, if there is one.
pub type LogServers = Arc<tokio::sync::Mutex<Option<LogServer>>>;

/// Held by whoever binds or shows a review.
pub type Reviewing = Arc<tokio::sync::Mutex<()>>;

impl FromRef<Shared> for Handle {
    fn from_ref(shared: &Shared) -> Self {
        shared.handle.clone()
    }
}

/// Where to export to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportRequest {
    /// The folder.
    pub folder: PathBuf,
    /// The origin of an earlier log of this node's, if not of the one that it writes.
    #[serde(default)]
    pub log: Option<String>,
}

/// Which entry to prove.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofRequest {
    /// Its index.
    pub index: u64,
    /// The log's origin, or the member's id; the node's own, if left out.
    pub log: Option<String>,
}

/// Which entries are known already.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EntriesRequest {
    /// How many of each member's log; `None` asks only how many there are.
    pub known: Option<BTreeMap<String, u64>>,
}

/// An audit of what the node holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditRequest {
    /// What its reader's last one left, to go on from.
    pub remembered: Option<Audited>,
}

/// Where to serve logs; nowhere any more, if left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServeLogsRequest {
    /// The address, port included.
    pub listen: Option<SocketAddr>,
}

/// Which round's opening to write, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpeningRequest {
    /// The query's id, or its beginning.
    pub query: String,
    /// The file to make.
    pub file: PathBuf,
}

/// Which Release to certify, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// The Query's id, or the first digits of it.
    pub query: String,
    /// The file.
    pub file: PathBuf,
}

/// An error on its way to the command line.
pub(crate) struct Failed(CommandError);

impl From<CommandError> for Failed {
    fn from(error: CommandError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(CommandError::failed(error.to_string()))
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.0.text, "hint": self.0.hint, "exit": self.0.exit as u8 });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }
}

pub(crate) type Answer = Result<Json<Value>, Failed>;

pub(crate) fn stopped() -> Failed {
    Failed(CommandError { exit: Exit::NotRunning, text: "the node is stopping".into(), hint: None })
}

/// Opens the door and writes where it is.
pub async fn serve(
    handle: Handle,
    log_server: LogServers,
    reviewing: Reviewing,
    pages: Option<Arc<Pages>>,
) -> Result<(), StoreError> {
    let wrong = |error: std::io::Error| StoreError::Wrong(format!("the command line's door: {error}"));
    let known = Arc::new(handle.home().vocabularies()?.into_keys().collect());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?.to_string();
    let door = Door { address, token: Digest(entropy::bytes()).to_string() };
    let text = serde_json::to_string(&door).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&handle.home().join("run/api"), text.as_bytes())?;
    let token = Arc::new(format!("Bearer {}", door.token));
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/results", get(results))
        .route("/v1/audit", get(audit_held).post(audit_on_held))
        .route("/v1/plan", post(plan))
        .route("/v1/queries", post(ask))
        .route("/v1/queries/{id}", get(query))
        .route("/v1/queries/{id}/basis", get(basis))
        .route("/v1/import", post(import))
        .route("/v1/pages", post(open_pages))
        .route("/v1/export", post(export))
        .route("/v1/proof", post(prove))
        .route("/v1/entries", post(entries))
        .route("/v1/serve-logs", post(serve_held_logs))
        .route("/v1/opening", post(opening))
        .route("/v1/certificate", post(certificate))
        .route("/v1/acts", post(act))
        .route("/v1/reviews", post(review))
        .route("/v1/proposals", get(proposals).post(propose))
        .route("/v1/proposals/{id}", get(proposal))
        .route("/v1/delegations", get(delegations))
        .merge(inbox::routes())
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            guard(token.clone(), request, next)
        }))
        .with_state(Shared { handle, known, importing: Arc::default(), reviewing, log_server, pages });
    axum::serve(listener, router).await.map_err(wrong)
}

async fn guard(token: Arc<String>, request: Request, next: Next) -> Response {
    if is_admitted(&request, &token) {
        next.run(request).await
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

/// Only who holds the token, and only under a loopback name: no page in a browser gets in.
fn is_admitted(request: &Request, token: &str) -> bool {
    let given = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let local = given(header::HOST).is_some_and(|host| host.starts_with("127.0.0.1:"));
    let known = given(header::AUTHORIZATION).is_some_and(|given| same(given.as_bytes(), token.as_bytes()));
    local && known && given(header::ORIGIN).is_none()
}

/// Compares without telling, by its time, how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

async fn status(State(handle): State<Handle>) -> Answer {
    let seen = handle.view(|member| {
        let mut json = status_json(member, clock::now());
        json["proposals"] = waiting(member, clock::now());
        json["inbox"] = inbox::waiting_json(member);
        json
    });
    seen.await.map(Json).ok_or_else(stopped)
}

/// A new address that opens the pages once. It is told to whoever holds the token, and logged nowhere.
async fn open_pages(State(shared): State<Shared>) -> Answer {
    let none =
        || CommandError::usage("this node runs without pages".into()).hint("start it without --no-pages");
    let pages = shared.pages.as_ref().ok_or_else(none)?;
    let json = json!({ "schema": "datacoop.pages/1", "address": format!("http://{}/", pages.address),
                       "link": pages.link(), "policy_reports": pages.reports() });
    Ok(Json(json))
}

async fn results(State(handle): State<Handle>) -> Answer {
    let released = handle.released();
    let list = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let list = rounds.filter_map(|round| release_json(member.fold(), round));
        (member.fold().charter().fields().demo, list.collect::<Vec<_>>())
    });
    let (demo, list) = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.results/1", "demo": demo, "releases": list })))
}

async fn audit_held(State(handle): State<Handle>) -> Answer {
    audit_of(handle, AuditRequest { remembered: None }).await
}

/// An audit that goes on from an earlier one of the same reader. What a reader remembers is its own: it
/// decides nothing but what it is told.
async fn audit_on_held(State(handle): State<Handle>, Json(request): Json<AuditRequest>) -> Answer {
    audit_of(handle, request).await
}

async fn audit_of(handle: Handle, request: AuditRequest) -> Answer {
    let held = handle.view(Held::of).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let audited = tokio::task::spawn_blocking(move || held.audit(&home, request.remembered.as_ref())).await;
    Ok(Json(audited.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

/// Every log as the node holds it, taken between two inputs: proofs take long, and a node that
/// checked them there would answer nobody meanwhile.
struct Held {
    charters: Vec<Arc<Charter>>,
    rivals: BTreeSet<Digest>,
    logs: Vec<HeldLog>,
}

struct HeldLog {
    member: MemberId,
    origin: String,
    entries: Vec<Arc<[u8]>>,
    /// The signed head, and the size it covers.
    note: Option<(u64, String)>,
    /// Heads with witnesses' lines.
    heads: Vec<String>,
}

/// Entries that are in memory, once more.
#[derive(Default)]
struct InMemory(BTreeMap<String, Vec<Arc<[u8]>>>);

impl Entries for InMemory {
    fn entry(&mut self, log: &str, index: u64) -> Option<Arc<[u8]>> {
        self.0.get(log)?.get(usize::try_from(index).ok()?).cloned()
    }
}

impl Held {
    fn of(member: &Member) -> Self {
        let (fold, witnessed) = (member.fold(), member.witnessed());
        let logs = fold.logs().map(|log| HeldLog {
            member: log.member.clone(),
            origin: log.origin.clone(),
            entries: log.entries().to_vec(),
            note: log.note().map(|(size, note)| (size, note.to_owned())),
            heads: witnessed.shown(log),
        });
        let rivals = fold.rivals().copied().collect();
        Self { charters: fold.charters().to_vec(), rivals, logs: logs.collect() }
    }

    /// Folds the logs once more, from nothing, and audits them.
    fn audit(self, home: &Home, remembered: Option<&Audited>) -> Result<Value, StoreError> {
        let known = home.vocabularies()?.into_iter().map(|(hash, (_, vocabulary))| (hash, vocabulary));
        let mut fold = Fold::for_audit(self.charters, known.collect());
        fold.set_rivals(self.rivals);
        if let Some(remembered) = remembered {
            remembered.check_charter(fold.charters()[0].id())?;
        }
        let mut notes = Notes::new();
        let mut held = InMemory::default();
        // Of a log that goes on from another the first entry says where that one ends.
        for log in &self.logs {
            if let Some(first) = log.entries.first() {
                fold.foretell(&log.origin, first);
            }
        }
        for HeldLog { member, origin, entries, note, heads } in self.logs {
            notes.entry(member).or_default().extend(heads);
            for entry in &entries {
                fold.append_of(&origin, Arc::clone(entry));
            }
            if let Some((size, note)) = note {
                fold.set_note_named(&origin, size, note);
            }
            held.0.insert(origin, entries);
        }
        let blobs = Blobs::kept(&home.join("blobs"));
        let blobs = |hash: &Digest| blobs.get(hash).ok().flatten();
        // Not one that is gone, if it was there.
        let known = |log: &&Log| remembered.is_some_and(|remembered| remembered.log(&log.origin).is_some());
        let logs = fold.logs().filter(|log| log.size() > 0 || known(log));
        let origins: Vec<String> = logs.map(|log| log.origin.clone()).collect();
        let (mut books, trees) = (Books::default(), BTreeMap::new());
        let seen = &mut |round: &Round| books.take(round);
        let again = Some(&mut held as &mut dyn Entries);
        let reports = audit_on(&mut fold, &origins, again, &blobs, &mut notes, trees, remembered, seen);
        let reports = reports.map_err(|error| StoreError::Wrong(error.to_string()))?;
        let continued = remembered.map(|remembered| remembered.continued(&reports)).unwrap_or_default();
        let result = if reports.iter().all(|report| report.passed()) { "pass" } else { "fail" };
        Ok(json!({
            "schema": "datacoop.audit/1",
            "demo": false,
            "result": result,
            "logs": audit_json(&reports, &books),
            "releases": releases_json(&fold),
            "continued": goes_on_json(&continued),
            "audited": Audited::after(remembered, &fold, &reports),
            "text": goes_on_text(&continued) + &audit_text(&reports, &fold, &books, 0),
        }))
    }
}

/// Time for each of joining, contributing and closing: the three end within the longest window.
fn window_of(seconds: u64) -> Result<Span, CommandError> {
    let most = WINDOW_MAX.0 / 3;
    let window = Span::from_seconds(seconds);
    if seconds == 0 || window.0 > most {
        let days = most / 86_400_000;
        return Err(CommandError::usage(format!(
            "a window of {seconds} s; each of the three lasts at least 1 s and at most {days} days"
        )));
    }
    Ok(window)
}

/// Which Release is to be superseded, and why: the two come together.
async fn supersedes_of(
    handle: &Handle,
    query: Option<String>,
    because: Option<String>,
) -> Result<Option<Supersedes>, Failed> {
    let usage = |text: String| Err(Failed(CommandError::usage(text)));
    let (id, because) = match (query, because) {
        (None, None) => return Ok(None),
        (Some(id), Some(because)) if !because.trim().is_empty() => (id, because),
        _ => {
            return usage("give --supersedes QUERY and --because TEXT together: the reason is logged".into());
        }
    };
    if because.len() > LAY_BYTES_MAX {
        return usage(format!("--because has {} bytes; at most {LAY_BYTES_MAX} fit", because.len()));
    }
    let found = handle.view(move |member| find_round(member.fold(), &id).map(|round| round.id));
    let query = found.await.ok_or_else(stopped)?.map_err(Failed)?;
    Ok(Some(Supersedes { query, because }))
}

/// Turns a request into a Query's body.
async fn body_of(handle: &Handle, request: AskRequest) -> Result<QueryBody, Failed> {
    let in_force = |member: &Member| member.fold().charter_at(member.me(), clock::now()).clone();
    let charter = handle.view(in_force).await.ok_or_else(stopped)?;
    let usage = |text: String| Failed(CommandError::usage(text));
    let draft = QuestionDraft::from_toml(&request.question).map_err(|error| usage(error.to_string()))?;
    let purposes: Vec<&str> = charter.fields().purposes.iter().map(|purpose| purpose.id.as_str()).collect();
    let purpose = match (request.purpose, purposes.as_slice()) {
        (Some(purpose), _) => purpose,
        (None, [only]) => (*only).to_owned(),
        (None, _) => return Err(usage(format!("name a --purpose: {}", purposes.join(", ")))),
    };
    let supersedes = supersedes_of(handle, request.supersedes, request.because).await?;
    let under = request.under;
    let cited = handle
        .view(move |member| under.map(|id| acts::find(member.fold(), &id, Sought::Delegation)).transpose());
    let delegation = cited.await.ok_or_else(stopped)?.map_err(Failed)?;
    let now = Time::from_seconds(clock::now().seconds());
    let window = window_of(request.window)?;
    let default_loss = u64::try_from(draft.loss).unwrap_or(0);
    let mut body = QueryBody {
        question: question_value(&draft).map_err(usage)?,
        vocabulary: draft.vocabulary.clone(),
        params: tidy_params(&draft, &request.params),
        period: Period::parse(&request.period)
            .ok_or_else(|| usage(format!("`{}` is no period", request.period)))?,
        purpose,
        lay: Lay { why: request.why, benefits: request.benefits, pays: request.pays },
        loss: PrivacyLoss::from_nano(request.rho.unwrap_or(default_loss)),
        mode: if request.full_noise { Mode::FullNoise } else { default_mode(charter.members().len()) },
        assumed: charter.fields().assumed,
        min_roster: request.min_members.unwrap_or(charter.fields().limits.min_roster),
        join_by: now + window,
        contribute_by: now + window + window,
        close_by: now + window + window + window,
        charter: charter.hash(),
        supersedes,
        cosigners: vec![],
        delegation,
    };
    let chosen = handle.view(move |member| {
        member.choose_delegation(&mut body);
        body
    });
    chosen.await.ok_or_else(stopped)
}

async fn plan(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let body = body_of(&handle, request).await?;
    let planned =
        handle.view(move |member| plan_json(member, &body, clock::now())).await.ok_or_else(stopped)?;
    planned.map(Json).map_err(|(rule, text)| Failed(CommandError::refused(rule, text)))
}

async fn ask(State(handle): State<Handle>, Json(request): Json<AskRequest>) -> Answer {
    let force = request.force;
    let body = body_of(&handle, request).await?;
    if !force {
        let planned = body.clone();
        let planned = handle.view(move |member| plan_json(member, &planned, clock::now()));
        // What cannot be planned is refused below, by the rule it breaks.
        let plan = planned.await.ok_or_else(stopped)?.unwrap_or_default();
        if let Some(refusal) = unanswerable(&plan).filter(|_| plan["refused"].is_null()) {
            return Err(Failed(refusal));
        }
    }
    match handle.ask(body).await.ok_or_else(stopped)? {
        AskReply::Asked(id) => Ok(Json(json!({ "query": id.to_string(), "answered": false }))),
        AskReply::Answered(id) => Ok(Json(json!({ "query": id.to_string(), "answered": true }))),
        AskReply::Denied(rule, text) => Err(Failed(CommandError::refused(rule, text))),
    }
}

async fn act(State(handle): State<Handle>, Json(request): Json<ActRequest>) -> Answer {
    Ok(Json(acts::perform(&handle, request).await?))
}

async fn propose(State(handle): State<Handle>, Json(request): Json<ProposeRequest>) -> Answer {
    Ok(Json(acts::propose(&handle, request).await?))
}

async fn review(State(shared): State<Shared>, Json(request): Json<ReviewRequest>) -> Answer {
    let _one_at_a_time = shared.reviewing.lock().await;
    Ok(Json(reviews::review(&shared.handle, request).await?))
}

async fn proposals(State(handle): State<Handle>) -> Answer {
    let listed = handle.view(|member| Listed::all(member, clock::now())).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let read = move || Ok::<_, StoreError>(listed.with_titles(&home.join("blobs"), &home.vocabularies()?));
    let read = tokio::task::spawn_blocking(read).await;
    Ok(Json(read.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

async fn delegations(State(handle): State<Handle>) -> Answer {
    let all = handle.view(|member| acts::delegations::all_json(member, clock::now()));
    Ok(Json(all.await.ok_or_else(stopped)?))
}

async fn proposal(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let at = acts::find(member.fold(), &id, Sought::Proposal)?;
        let none = || CommandError::usage(format!("{} is by nobody who may propose", at.leaf.short()));
        Listed::one(member, &at, clock::now()).ok_or_else(none)
    });
    let listed = seen.await.ok_or_else(stopped)??;
    let home = handle.home().clone();
    let read = move || Ok::<_, StoreError>(listed.with_texts(&home.join("blobs"), &home.vocabularies()?));
    let read = tokio::task::spawn_blocking(read).await;
    Ok(Json(read.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

async fn query(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok(round_json(member.fold(), &round))
    });
    seen.await.ok_or_else(stopped)?.map(Json).map_err(Failed)
}

/// What a release follows from; whoever may compare it with rows of ours reads those itself.
async fn basis(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        let basis = BasisText::of(member, &round);
        let text = || CommandError::usage(format!("query {} has no release: {}", round.id, stage(&round)));
        basis.ok_or_else(|| text().hint("list releases with their ids: datacoop results"))
    });
    let basis = seen.await.ok_or_else(stopped)??;
    let json =
        serde_json::to_value(basis).map_err(|error| Failed(CommandError::failed(error.to_string())))?;
    Ok(Json(json))
}

/// The round of a query id, or of the only one that begins like this.
pub(crate) fn find_round(fold: &Fold, id: &str) -> Result<Arc<Round>, CommandError> {
    let hex = id.to_ascii_lowercase();
    if hex.len() < PREFIX_MIN || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage(format!("a query id is hex, at least {PREFIX_MIN} digits of it"))
            .hint("list releases with their ids: datacoop results"));
    }
    let mut found = fold.rounds().values().filter(|round| round.id.to_string().starts_with(&hex));
    match (found.next(), found.next()) {
        (Some(round), None) => Ok(round.clone()),
        (Some(_), Some(_)) => {
            Err(CommandError::usage(format!("more than one query begins with `{hex}`; give more digits")))
        }
        (None, _) => Err(CommandError::usage("no log here holds this query".into())),
    }
}

async fn import(State(shared): State<Shared>, Json(wish): Json<Wish>) -> Answer {
    let _one_at_a_time = shared.importing.lock().await;
    let home = shared.handle.home().clone();
    let loaded = tokio::task::spawn_blocking(move || load::import(&home, &wish, &mut |_| {}));
    let loaded = loaded.await.map_err(|error| Failed(CommandError::failed(error.to_string())))??;
    let known = shared.known.contains(&loaded.hash);
    if known {
        shared.handle.declare(loaded.dataset.clone());
    }
    let mut json = loaded.json();
    json["restart_needed"] = Value::Bool(!known);
    Ok(Json(json))
}

async fn export(State(handle): State<Handle>, Json(request): Json<ExportRequest>) -> Answer {
    let wanted = request.log.clone();
    let taken = handle.view(move |member| match &wanted {
        None => snapshot(member).map(Some),
        Some(origin) => {
            let log = member.fold().log_named(origin).filter(|log| log.member == *member.me());
            Some(log.and_then(|log| snapshot_of(member, log)))
        }
    });
    let taken = taken.await.flatten().ok_or_else(stopped)?.ok_or_else(|| {
        CommandError::usage(format!("`{}` is no log of this node's", request.log.clone().unwrap_or_default()))
            .hint("`datacoop status --json` lists the logs that it holds, by origin")
    });
    let taken = taken.map_err(Failed)?;
    write_export_aside(taken, handle.home().clone(), request.folder.clone()).await?;
    Ok(Json(json!({ "schema": "datacoop.export/1", "folder": request.folder.display().to_string() })))
}

/// A proof of an entry, with all that checking it takes.
async fn prove(State(handle): State<Handle>, Json(request): Json<ProofRequest>) -> Answer {
    let proved = handle.view(move |member| prove_entry(member, request.index, request.log.as_deref()));
    proved.await.ok_or_else(stopped)?.map(Json).map_err(Failed)
}

async fn entries(State(handle): State<Handle>, Json(request): Json<EntriesRequest>) -> Answer {
    let seen = handle.view(move |member| news(member.fold(), request.known.as_ref()));
    Ok(Json(seen.await.ok_or_else(stopped)?))
}

async fn serve_held_logs(State(shared): State<Shared>, Json(request): Json<ServeLogsRequest>) -> Answer {
    let mut server = shared.log_server.lock().await;
    // The old listener goes first: it may hold the address that is asked for.
    let was = server.take().map(|server| server.address.to_string());
    if let Some(address) = request.listen {
        *server = Some(open_log_server(shared.handle.clone(), address).await?);
    }
    let address = server.as_ref().map(|server| server.address.to_string());
    let list = shared.handle.view(|member| member.fold().logs().map(|log| log.member.to_string()).collect());
    let logs: Vec<String> = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.log-serve/1", "listening": address, "was": was, "logs": logs })))
}

/// Opens the listener that serves logs. Errors: the address is not to be had.
pub async fn open_log_server(handle: Handle, address: SocketAddr) -> Result<LogServer, CommandError> {
    serve_logs(handle, address).await.map_err(|error| {
        CommandError::failed(format!("logs are not served at {address}: {error}"))
            .hint("name an address of this computer and a free port, such as 127.0.0.1:8090")
    })
}

/// Writes what our seat was sent in a round that names it: only into a file that only its owner reads.
async fn opening(State(handle): State<Handle>, Json(request): Json<OpeningRequest>) -> Answer {
    let OpeningRequest { query, file } = request;
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &query)?;
        member.may_show(&round).map_err(|why| not_shown(&why))?;
        Ok::<_, CommandError>(round)
    });
    let round = seen.await.ok_or_else(stopped)??;
    let home = handle.home().clone();
    let written = tokio::task::spawn_blocking(move || opening::write(&home, &round, &file)).await;
    Ok(Json(written.map_err(|error| Failed(CommandError::failed(error.to_string())))??))
}

fn not_shown(why: &NotShown) -> CommandError {
    let exit = match why {
        NotShown::UnderWay => Exit::Going,
        NotShown::Gone => Exit::Failed,
        NotShown::NoSeat
        | NotShown::FewSeats(_)
        | NotShown::NotClosed
        | NotShown::NoneNamed
        | NotShown::Named(_)
        | NotShown::Step => Exit::Refused,
    };
    CommandError { exit, text: why.to_string(), hint: None }
}

async fn certificate(State(handle): State<Handle>, Json(request): Json<CertificateRequest>) -> Answer {
    let CertificateRequest { query, file } = request;
    let shelf = Shelf::read(handle.home())?;
    let gathered = handle.view(move |member| {
        let round = find_round(member.fold(), &query)?;
        let none =
            |why: NotCertified| CommandError { exit: exit_of(&why), ..CommandError::failed(why.to_string()) };
        Ok::<_, CommandError>((round.id, shelf.gather(member, &round).map_err(none)?))
    });
    let (id, gathered) = gathered.await.ok_or_else(stopped)??;
    let shown = file.display().to_string();
    let written = tokio::task::spawn_blocking(move || {
        let text = finish(&gathered).map_err(|why| CommandError::failed(why.to_string()))?;
        write_certificate(&file, &text).map_err(|error| CommandError::usage(error.to_string()))?;
        Ok::<_, CommandError>(text.len())
    });
    let bytes = written.await.map_err(|error| Failed(CommandError::failed(error.to_string())))??;
    Ok(Json(
        json!({ "schema": "datacoop.certificate/1", "query": id.to_string(), "file": shown, "bytes": bytes }),
    ))
}

/// A Release that enough witnesses have not seen yet may be certified later; another is none to certify.
fn exit_of(why: &NotCertified) -> Exit {
    match why {
        NotCertified::NoRelease => Exit::Usage,
        NotCertified::Unwitnessed { .. } => Exit::Going,
        NotCertified::Missing(_) | NotCertified::TooLong(_) | NotCertified::Fails(..) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_windows_end_within_thirty_days() {
        assert_eq!(window_of(1).unwrap(), Span::from_seconds(1));
        assert_eq!(window_of(864_000).unwrap(), Span::from_seconds(864_000));
        for bad in [0, 864_001, u64::MAX] {
            let error = window_of(bad).unwrap_err();
            assert!(error.exit == Exit::Usage && error.text.contains("at most 10 days"), "{error}");
        }
    }
}
