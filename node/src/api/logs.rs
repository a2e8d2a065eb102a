//! Logs as the node holds them: checked again, exported, served, followed, and one entry proven.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use datacoop_policy::charter::Charter;
use datacoop_policy::{Day, Digest, MemberId};
use datacoop_protocol::audit::{LogReport, Notes};
use datacoop_protocol::fold::{Entries, Fold, Log};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Shared, stopped};
use crate::blobs::Blobs;
use crate::cli::{audit_json, audit_text, goes_on_json, goes_on_text, releases_json};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::export::{snapshot, snapshot_of, write_export_aside};
use crate::folder::StoreError;
use crate::follow::{news, prove_entry};
use crate::home::Home;
use crate::loss::Books;
use crate::on_disk::{Copy, compare};
use crate::register::{Source, files};
use crate::serve::{LogServer, serve_logs};
use crate::verify::{Audited, audit_on};

/// The one listener that serves logs, if there is one.
pub type LogServers = Arc<tokio::sync::Mutex<Option<LogServer>>>;

/// Held while every log is checked for a page, a program or the command line: each check takes a thread and reads all that is held.
pub(crate) type Auditing = Arc<tokio::sync::Mutex<()>>;

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

pub(super) async fn audit_held(State(handle): State<Handle>) -> Answer {
    audit_alone(handle, None).await
}

/// An audit that goes on from an earlier one of the same reader. What a reader remembers is its own: it
/// decides nothing but what it is told.
pub(super) async fn audit_on_held(State(handle): State<Handle>, Json(request): Json<AuditRequest>) -> Answer {
    audit_alone(handle, request.remembered).await
}

/// Once no other check goes on, and to its end although whoever asked hangs up.
async fn audit_alone(handle: Handle, remembered: Option<Audited>) -> Answer {
    let held = Arc::clone(handle.auditing()).lock_owned().await;
    let audited = tokio::spawn(async move {
        let found = audit(&handle, remembered).await;
        drop(held);
        found
    });
    Ok(Json(audited.await.map_err(|error| CommandError::failed(error.to_string()))??))
}

/// Checks every log that the node holds, from nothing.
///
/// Errors: the node is stopping, what its reader remembers is of another co-operative, or a file does not read.
pub(crate) async fn audit(handle: &Handle, remembered: Option<Audited>) -> Result<Value, CommandError> {
    let held = handle.view(Held::of).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let audited = tokio::task::spawn_blocking(move || held.audit(&home, remembered.as_ref())).await;
    let audited = audited.map_err(|error| CommandError::failed(error.to_string()))?;
    audited.map_err(|error| CommandError::failed(error.to_string()))
}

/// Every log as the node holds it, taken between two inputs: proofs take long, and a node that
/// checked them there would answer nobody meanwhile.
struct Held {
    me: MemberId,
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

impl HeldLog {
    /// What the disk is to have of it.
    fn copy(&self, me: &MemberId) -> Copy {
        Copy { origin: self.origin.clone(), is_ours: self.member == *me, entries: self.entries.clone() }
    }
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
        let logs = logs.collect();
        Self { me: member.me().clone(), charters: fold.charters().to_vec(), rivals, logs }
    }

    /// Folds the logs once more, from nothing, and audits them. The fold is `whole` where it is to hold rounds when all
    /// is read.
    fn replay(self, home: &Home, remembered: Option<&Audited>, whole: bool) -> Result<Replayed, StoreError> {
        let known = home.vocabularies()?.into_iter().map(|(hash, (_, vocabulary))| (hash, vocabulary));
        let begin = if whole { Fold::with_chain } else { Fold::for_audit };
        let mut fold = begin(self.charters, known.collect());
        fold.set_rivals(self.rivals);
        if let Some(remembered) = remembered {
            remembered.check_charter(fold.charters()[0].id())?;
        }
        let mut heads = Notes::new();
        let mut held = InMemory::default();
        // Of a log that goes on from another the first entry says where that one ends.
        for log in &self.logs {
            if let Some(first) = log.entries.first() {
                fold.foretell(&log.origin, first);
            }
        }
        for log in self.logs {
            heads.entry(log.member).or_default().extend(log.heads);
            for entry in &log.entries {
                fold.append_of(&log.origin, Arc::clone(entry));
            }
            if let Some((size, note)) = log.note {
                fold.set_note_named(&log.origin, size, note);
            }
            held.0.insert(log.origin, log.entries);
        }
        let blobs = Blobs::kept(&home.join("blobs"));
        let blobs = |hash: &Digest| blobs.get(hash).ok().flatten();
        // Not one that is gone, if it was there.
        let known = |log: &&Log| remembered.is_some_and(|remembered| remembered.log(&log.origin).is_some());
        let logs = fold.logs().filter(|log| log.size() > 0 || known(log));
        let origins: Vec<String> = logs.map(|log| log.origin.clone()).collect();
        let (mut books, trees) = (Books::default(), BTreeMap::new());
        let seen = &mut |round: &Round| books.take(round);
        let again = (!whole).then_some(&mut held as &mut dyn Entries);
        let reports = audit_on(&mut fold, &origins, again, &blobs, &mut heads, trees, remembered, seen);
        let reports = reports.map_err(|error| StoreError::Wrong(error.to_string()))?;
        Ok(Replayed { fold, heads, reports, books })
    }

    /// Audits the logs, and says whether the disk still has them.
    fn audit(self, home: &Home, remembered: Option<&Audited>) -> Result<Value, StoreError> {
        let copies: Vec<Copy> = self.logs.iter().map(|log| log.copy(&self.me)).collect();
        let demo = self.charters.last().is_some_and(|charter| charter.fields().demo);
        let Replayed { fold, reports, books, .. } = self.replay(home, remembered, false)?;
        let disk = compare(home, &copies)?;
        let continued = remembered.map(|remembered| remembered.continued(&reports)).unwrap_or_default();
        let passes = disk.is_whole() && reports.iter().all(|report| report.passed());
        Ok(json!({
            "schema": "datacoop.audit/1",
            "demo": demo,
            "result": if passes { "pass" } else { "fail" },
            "logs": audit_json(&reports, &books),
            "disk": disk.json(),
            "releases": releases_json(&fold),
            "continued": goes_on_json(&continued),
            "audited": Audited::after(remembered, &fold, &reports),
            "text": goes_on_text(&continued) + &disk.text() + &audit_text(&reports, &fold, &books, 0),
        }))
    }

    /// The public register of this day, as its files.
    ///
    /// Errors: a log does not pass its checks.
    fn register(self, home: &Home, as_of: Day) -> Result<BTreeMap<String, String>, CommandError> {
        let me = self.me.clone();
        let Replayed { fold, heads, reports, .. } = self.replay(home, None, true).map_err(failed)?;
        if let Some(report) = reports.iter().find(|report| !report.passed()) {
            let text = format!(
                "the log of `{}` does not pass its checks; a register is made of logs that do",
                report.member
            );
            return Err(CommandError::failed(text).hint("see what is wrong: under Log, check them"));
        }
        let vocabularies = home.vocabularies().map_err(failed)?;
        let blobs = Blobs::kept(&home.join("blobs"));
        let charters = home.charters().map_err(failed)?;
        let charter_notes: Vec<String> = charters.into_iter().map(|(note, _)| note).collect();
        Ok(files(&Source {
            fold: &fold,
            charter_notes: &charter_notes,
            heads: &heads,
            vocabulary: &|hash| vocabularies.get(hash).map(|(text, _)| text.clone()),
            blob: &|hash| blobs.get(hash).ok().flatten(),
            as_of,
            by: Some(&me),
        }))
    }
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

/// Logs that were folded once more.
struct Replayed {
    fold: Fold,
    heads: Notes,
    reports: Vec<LogReport>,
    books: Books,
}

/// The public register as it would be published today from the logs that this node holds: name and text of each file.
///
/// Errors: the node is stopping, a log does not pass its checks, or a file does not read.
pub(crate) async fn register(handle: &Handle) -> Result<BTreeMap<String, String>, CommandError> {
    let held = handle.view(Held::of).await.ok_or_else(stopped)?;
    let home = handle.home().clone();
    let today = clock::now().day();
    let made = tokio::task::spawn_blocking(move || held.register(&home, today)).await;
    made.map_err(failed)?
}

pub(super) async fn export(State(handle): State<Handle>, Json(request): Json<ExportRequest>) -> Answer {
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
    let taken = taken?;
    write_export_aside(taken, handle.home().clone(), request.folder.clone()).await?;
    Ok(Json(json!({ "schema": "datacoop.export/1", "folder": request.folder.display().to_string() })))
}

/// A proof of an entry, with all that checking it takes.
pub(super) async fn prove(State(handle): State<Handle>, Json(request): Json<ProofRequest>) -> Answer {
    let proved = handle.view(move |member| prove_entry(member, request.index, request.log.as_deref()));
    Ok(Json(proved.await.ok_or_else(stopped)??))
}

pub(super) async fn entries(State(handle): State<Handle>, Json(request): Json<EntriesRequest>) -> Answer {
    let seen = handle.view(move |member| news(member.fold(), request.known.as_ref()));
    Ok(Json(seen.await.ok_or_else(stopped)?))
}

pub(super) async fn serve_held_logs(
    State(shared): State<Shared>,
    Json(request): Json<ServeLogsRequest>,
) -> Answer {
    let (address, was) = put_log_server(&shared.log_server, &shared.handle, request.listen).await?;
    let (address, was) = (address.map(|at| at.to_string()), was.map(|at| at.to_string()));
    let list = shared.handle.view(|member| member.fold().logs().map(|log| log.member.to_string()).collect());
    let logs: Vec<String> = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.log-serve/1", "listening": address, "was": was, "logs": logs })))
}

/// Serves logs at this address from now on, or nowhere: where, and where before.
///
/// Errors: the address is not to be had; then they are served nowhere.
pub(crate) async fn put_log_server(
    servers: &LogServers,
    handle: &Handle,
    listen: Option<SocketAddr>,
) -> Result<(Option<SocketAddr>, Option<SocketAddr>), CommandError> {
    let mut server = servers.lock().await;
    // The old listener goes first: it may hold the address that is asked for.
    let was = server.take().map(|server| server.address);
    if let Some(address) = listen {
        *server = Some(open_log_server(handle.clone(), address).await?);
    }
    Ok((server.as_ref().map(|server| server.address), was))
}

/// Opens the listener that serves logs. Errors: the address is not to be had.
pub async fn open_log_server(handle: Handle, address: SocketAddr) -> Result<LogServer, CommandError> {
    serve_logs(handle, address).await.map_err(|error| {
        CommandError::failed(format!("logs are not served at {address}: {error}"))
            .hint("name an address of this computer and a free port, such as 127.0.0.1:8090")
    })
}
