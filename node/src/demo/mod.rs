//! A whole co-operative on this computer: a folder, keys, journal, index and libp2p listener for each
//! member, real connections, one benchmark, one audit. No way past the wire.

mod alone;
mod exports;
mod made;
mod planted;
mod sample;
mod spreadsheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datacoop_policy::derive::Figures;
use datacoop_policy::query::{Assumptions, Mode, SECURE_ROSTER_MIN, Terms};
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::audit::LogReport;
use datacoop_protocol::certificate::{NotCertified, finish};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::Member;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::release::figures;
use datacoop_protocol::rounds::{Ending, Round};

use crate::certificate::{Shelf, write_certificate};
use crate::clock;
use crate::driver::{AskReply, Node};
use crate::error::{CommandError, Exit};
use crate::export::{snapshot, write_export};
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::SPLIT_MAX;
use crate::net::Recorder;
use crate::pages::{Pages, serve_pages};
use crate::pretend::{PATIENCE, Pretender, start, stopped};
use crate::verify::{Given, verify};
pub use alone::Alone;
pub use exports::Exports;
pub use planted::Planted;
pub use sample::{Sample, sample};
pub use spreadsheet::Spreadsheet;

/// Fewest members a co-operative has.
const MEMBERS_MIN: usize = 3;
/// Fewest bodies that a member fact may set apart, as the floor has it.
const BODIES_MIN: usize = 3;
/// The one purpose of a demo's charter.
const PURPOSE: &str = "demo";

/// What to show.
pub struct Options {
    /// Where the members' rows come from.
    pub data: Data,
    /// Where to keep everything; nothing is kept without.
    pub keep: Option<PathBuf>,
    /// What is lost to each person, unless the question's own default.
    pub rho: Option<PrivacyLoss>,
    /// For tests: sees every frame.
    pub recorder: Option<Recorder>,
}

/// Where the members' rows come from.
pub enum Data {
    /// Made-up schools and an event day.
    MadeUp {
        /// How many.
        members: usize,
        /// Seed of the data.
        seed: u64,
    },
    /// A spreadsheet, split by a column.
    Spreadsheet(Spreadsheet),
    /// A folder of exports, a subfolder a member.
    Exports(Exports),
}

/// What a demo showed.
pub struct Shown {
    /// The question, bound.
    pub question: BoundQuestion,
    /// The Query.
    pub query: String,
    /// Members of the co-operative.
    pub members: usize,
    /// Of the Roster.
    pub roster: usize,
    /// Committee seats.
    pub committee: usize,
    /// What follows from the Roster's size.
    pub terms: Terms,
    /// Contributions in the sum.
    pub accepted: usize,
    /// How shares were hidden.
    pub mode: Mode,
    /// What each person lost.
    pub loss: PrivacyLoss,
    /// The answer.
    pub figures: Figures,
    /// Each school by itself, about an event day; empty for other questions.
    pub alone: Vec<Alone>,
    /// What was planted in made-up data, and whether the answer holds it.
    pub planted: Vec<Planted>,
    /// One report a log.
    pub audit: Vec<LogReport>,
    /// From asking to the release at the asker.
    pub round: Duration,
    /// Where everything was kept.
    pub home: Option<PathBuf>,
    /// The certificate of the answer, if everything was kept.
    pub certificate: Option<PathBuf>,
    /// What an import left out.
    pub import: Vec<String>,
}

/// Says what is being done.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// What is asked about which rows.
struct Script {
    vocabulary: Vocabulary,
    question: QuestionDraft,
    params: BTreeMap<String, String>,
    period: Period,
}

/// Members with their folders and tables.
struct Cast {
    members: Vec<Pretender>,
    /// What of the data did not get into the tables, or not into the period.
    said: Vec<String>,
    /// What `truth.json` says, of made-up data.
    truth: Option<serde_json::Value>,
}

/// The members of a demo, there until it is stopped, and the pages of the one that asked.
pub struct Live {
    nodes: Vec<Node>,
    pages: Pages,
    _folder: tempfile::TempDir,
}

impl Live {
    /// An address that opens the asker's pages once, within a minute.
    pub fn link(&self) -> String {
        self.pages.link()
    }

    /// Stops every member.
    pub async fn stop(self) -> Result<(), CommandError> {
        drop(self.pages);
        stop(self.nodes).await
    }
}

async fn stop(nodes: Vec<Node>) -> Result<(), CommandError> {
    for node in nodes {
        node.stop().await.map_err(|error| CommandError::failed(error.to_string()))?;
    }
    Ok(())
}

/// Runs the demo to its end.
pub async fn run(options: Options, progress: Progress<'_>) -> Result<Shown, CommandError> {
    let (shown, nodes, _folder) = stage(options, progress).await?;
    progress("stopping nodes");
    stop(nodes).await?;
    Ok(shown)
}

/// Runs the demo and leaves its members there, to be looked at and asked.
pub async fn run_live(options: Options, progress: Progress<'_>) -> Result<(Shown, Live), CommandError> {
    let (shown, nodes, folder) = stage(options, progress).await?;
    let asker = nodes.last().ok_or_else(stopped)?.handle().clone();
    Ok((shown, Live { nodes, pages: serve_pages(asker).await?, _folder: folder }))
}

async fn stage(
    options: Options,
    progress: Progress<'_>,
) -> Result<(Shown, Vec<Node>, tempfile::TempDir), CommandError> {
    // Whatever can be wrong with a question or a file's columns is said before anything is written.
    let script = match &options.data {
        Data::MadeUp { members, .. } => made::script(*members)?,
        Data::Spreadsheet(data) => data.script()?,
        Data::Exports(data) => data.script()?,
    };
    let temporary =
        tempfile::tempdir().map_err(|error| CommandError::failed(format!("no temporary folder: {error}")))?;
    let kept = options.keep.as_deref().map(Kept::new).transpose()?;
    let root = options.keep.as_deref().unwrap_or(temporary.path());
    progress("writing members, keys and data");
    let cast = match &options.data {
        Data::MadeUp { members, seed } => made::cast(root, &script, *members, *seed)?,
        Data::Spreadsheet(data) => data.cast(root, &script)?,
        Data::Exports(data) => data.cast(root, &script, progress)?,
    };
    progress("starting nodes and letting them meet");
    let nodes = start(&cast.members, options.recorder.clone()).await?;
    let mut shown = match play(&options, &script, &cast, &nodes, progress).await {
        Ok(shown) => shown,
        Err(error) => {
            stop(nodes).await?;
            return Err(error);
        }
    };
    shown.home = options.keep.clone();
    shown.import = cast.said;
    if let Some(kept) = kept {
        kept.keep();
    }
    Ok((shown, nodes, temporary))
}

fn members_error(members: usize) -> CommandError {
    CommandError::usage(format!("{members} members; a demo runs {MEMBERS_MIN} to {SPLIT_MAX}"))
}

/// The texts of the shipped vocabularies of a dataset: what a charter about it names.
fn shipped_of(dataset: &str) -> Vec<String> {
    let of = |text: &&&str| Vocabulary::from_toml(text).is_ok_and(|known| known.dataset() == dataset);
    SHIPPED_VOCABULARIES.iter().filter(of).map(|text| (*text).to_owned()).collect()
}

/// The public roll bound of a member with so many people: rounded up to 50, so it says little.
fn people_max(people: u64) -> u64 {
    people.max(1).div_ceil(50) * 50
}

/// Takes the split by a member fact out of a question: with so few, it would single members out.
fn without_fact(question: &mut QuestionDraft, params: &mut BTreeMap<String, String>, fact: &str) {
    question.param.remove(fact);
    question.by.retain(|by| by.member.as_deref() != Some(fact));
    if question.figure.contrast.as_deref() == Some(fact) {
        question.figure.contrast = None;
    }
    params.remove(fact);
}

/// A folder to keep. Until the demo is done it is emptied again when dropped, so that a demo that
/// failed can be run once more into the same folder.
struct Kept<'a> {
    folder: &'a Path,
    was_there: bool,
    done: bool,
}

impl<'a> Kept<'a> {
    /// Errors: it holds something, or cannot be read.
    fn new(folder: &'a Path) -> Result<Self, CommandError> {
        let hint = Some("name a new folder: --keep DIR".to_owned());
        let wrong = |text: String| CommandError { hint: hint.clone(), ..CommandError::usage(text) };
        let was_there = folder.exists();
        if was_there {
            let mut files =
                std::fs::read_dir(folder).map_err(|error| wrong(format!("{}: {error}", folder.display())))?;
            if files.next().is_some() {
                return Err(wrong(format!("{} is not empty", folder.display())));
            }
        }
        Ok(Self { folder, was_there, done: false })
    }

    fn keep(mut self) {
        self.done = true;
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // The reason for the failure matters more than one in tidying up.
        std::fs::remove_dir_all(self.folder).ok();
        if self.was_there {
            std::fs::create_dir(self.folder).ok();
        }
    }
}

async fn play(
    options: &Options,
    script: &Script,
    cast: &Cast,
    nodes: &[Node],
    progress: Progress<'_>,
) -> Result<Shown, CommandError> {
    // An ordinary member asks: it reaches the others through the meeting points.
    let asker = nodes.last().ok_or_else(|| CommandError::failed("no member".into()))?;
    let charter = asker.handle().view(|member| member.fold().charter().hash()).await.ok_or_else(stopped)?;
    let query = query_body(options.rho, script, nodes.len(), charter)?;
    let (loss, mode) = (query.loss, query.mode);
    progress("asking the question");
    let began = Instant::now();
    let mut events = asker.handle().events();
    let id = match asker.handle().ask(query).await.ok_or_else(stopped)? {
        AskReply::Asked(id) => id,
        AskReply::Answered(_) => {
            return Err(CommandError::failed("a new co-operative has an old answer".into()));
        }
        AskReply::Denied(rule, text) => return Err(CommandError::refused(rule, text)),
    };
    follow(id, &mut events, progress).await?;
    let round = began.elapsed();
    progress("waiting for every member to hold the release");
    let ended = everywhere(nodes, id).await?;
    let plan = ended.plan().ok_or_else(|| CommandError::failed("a release without a plan".into()))?;
    let Some((_, sums)) = ended.released() else {
        return Err(CommandError {
            exit: Exit::Aborted,
            text: "the round ended without a release".into(),
            hint: Some("run it again with -vv to see why".into()),
        });
    };
    progress("waiting for witnesses to cosign the logs");
    witnessed(nodes).await?;
    progress("exporting and auditing logs");
    let audit = audit_all(&cast.members, nodes).await?;
    let certificate = match &options.keep {
        Some(folder) => Some(certify(folder, &cast.members, nodes, &ended).await?),
        None => None,
    };
    let (question, figures) = (plan.query.question.clone(), figures(plan, &sums));
    let planted =
        cast.truth.as_ref().map_or_else(Vec::new, |truth| planted::compare(truth, &question, &figures));
    Ok(Shown {
        query: id.to_string(),
        members: nodes.len(),
        roster: plan.members.len(),
        committee: plan.committee.len(),
        terms: plan.terms,
        accepted: sums.accepted.len(),
        mode,
        loss,
        alone: match options.data {
            Data::Spreadsheet(_) => vec![],
            Data::MadeUp { .. } | Data::Exports(_) => alone::alone(&cast.members, &question).await?,
        },
        question,
        figures,
        planted,
        audit,
        round,
        home: None,
        certificate,
        import: vec![],
    })
}

fn query_body(
    rho: Option<PrivacyLoss>,
    script: &Script,
    members: usize,
    charter: Digest,
) -> Result<QueryBody, CommandError> {
    let usage = |error: &dyn std::fmt::Display| CommandError::usage(format!("question: {error}"));
    let question =
        Question::admit(script.question.clone(), &script.vocabulary).map_err(|error| usage(&error))?;
    question.bind(&script.params, script.period).map_err(|error| usage(&error))?;
    let default = PrivacyLoss::from_nano(u64::try_from(script.question.loss).unwrap_or(0));
    let now = Time::from_seconds(clock::now().seconds());
    let secure = members >= SECURE_ROSTER_MIN as usize;
    Ok(QueryBody {
        question: question_value(&script.question).map_err(|error| usage(&error))?,
        params: script.params.clone(),
        period: script.period,
        vocabulary: script.vocabulary.name().to_owned(),
        purpose: PURPOSE.into(),
        lay: Lay {
            why: "To show how it works".into(),
            benefits: "Whoever looks on".into(),
            pays: "Nobody".into(),
        },
        loss: rho.unwrap_or(default),
        mode: if secure { Mode::Secure } else { Mode::FullNoise },
        assumed: Assumptions::FLOOR,
        min_roster: if secure { SECURE_ROSTER_MIN } else { 3 },
        join_by: now + Span::from_seconds(30),
        contribute_by: now + Span::from_seconds(60),
        close_by: now + Span::from_seconds(90),
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    })
}

async fn follow(
    id: QueryId,
    events: &mut tokio::sync::broadcast::Receiver<Event>,
    progress: Progress<'_>,
) -> Result<(), CommandError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event = tokio::time::timeout_at(deadline.into(), events.recv()).await;
        match event {
            Ok(Ok(Event::Released(done))) if done == id => return Ok(()),
            Ok(Ok(Event::Aborted(done, code))) if done == id => {
                let text = format!("the round was aborted (`{code}`)");
                let hint = Some("run it again with -vv to see why".into());
                return Err(CommandError { exit: Exit::Aborted, text, hint });
            }
            Ok(Ok(Event::Step { query, kind })) if query == id => progress(&format!("the round: {kind}")),
            Ok(Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_))) => {}
            Ok(Err(_)) => return Err(stopped()),
            Err(_) => return Err(CommandError::failed("the round took too long".into())),
        }
    }
}

/// Waits until the release has reached every member; the round as the last of them sees it.
async fn everywhere(nodes: &[Node], id: QueryId) -> Result<Round, CommandError> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    for node in nodes {
        loop {
            let seen = node
                .handle()
                .view(move |member| member.fold().round(&id).map(|round| (**round).clone()))
                .await
                .ok_or_else(stopped)?;
            if let Some(round) = seen.filter(|round| matches!(round.ending(), Some(Ending::Released(_)))) {
                last = Some(round);
                break;
            }
            if Instant::now() > deadline {
                return Err(CommandError::failed("the release did not reach every member".into()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    last.ok_or_else(stopped)
}

/// Waits until of every log the whole is cosigned by a quorum of its witnesses, as its owner sees it.
async fn witnessed(nodes: &[Node]) -> Result<(), CommandError> {
    let deadline = Instant::now() + PATIENCE;
    let is_whole = |member: &Member| {
        let log = member.fold().log(member.me())?;
        Some(member.witnessed().size(log) == log.size())
    };
    for node in nodes {
        while !node.handle().view(is_whole).await.ok_or_else(stopped)?.unwrap_or(false) {
            if Instant::now() > deadline {
                return Err(CommandError::failed("the witnesses did not cosign every log".into()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

async fn audit_all(cast: &[Pretender], nodes: &[Node]) -> Result<Vec<LogReport>, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let mut folders = vec![];
    for (member, node) in cast.iter().zip(nodes) {
        let taken = node.handle().view(snapshot).await.flatten().ok_or_else(stopped)?;
        let folder = member.home.join("export");
        write_export(&taken, &member.home, &folder).map_err(|error| failed(&error))?;
        folders.push(folder);
    }
    let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    Ok(verify(&paths, &Given::default(), &mut |_| {}).map_err(|error| failed(&error))?.reports)
}

/// Writes the answer's certificate, by the asker's node, once enough witnesses have seen every log in it.
async fn certify(
    folder: &Path,
    cast: &[Pretender],
    nodes: &[Node],
    round: &Round,
) -> Result<PathBuf, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let (asker, node) = cast.last().zip(nodes.last()).ok_or_else(stopped)?;
    let shelf = Shelf::read(&asker.home).map_err(|error| failed(&error))?;
    let (id, deadline) = (round.id, Instant::now() + PATIENCE);
    let gathered = loop {
        let shelf = shelf.clone();
        let gathered = node.handle().view(move |member| {
            let round = member.fold().round(&id).ok_or(NotCertified::NoRelease)?;
            shelf.gather(member, round)
        });
        match gathered.await.ok_or_else(stopped)? {
            Err(NotCertified::Unwitnessed { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            gathered => break gathered.map_err(|error| failed(&error))?,
        }
    };
    let text = finish(&gathered).map_err(|error| failed(&error))?;
    let question = round.query().map_or("release", |query| query.question.question().id());
    let file = folder.join(format!("{question}-{}.dcert", id.short()));
    write_certificate(&file, &text).map_err(|error| failed(&error))?;
    Ok(file)
}
