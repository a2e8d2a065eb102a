//! A whole co-operative on this computer: a folder, keys, journal, index and libp2p listener for each
//! member, real connections, one benchmark, one audit. No way past the wire.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datacoop_policy::derive::Figures;
use datacoop_policy::query::{Assumptions, Mode, SECURE_ROSTER_MIN, Terms};
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::audit::LogReport;
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::port::Event;
use datacoop_protocol::release::figures;
use datacoop_protocol::rounds::{Ending, Round};
use datacoop_protocol::seed::Seed;

use crate::driver::{AskReply, Node};
use crate::error::{CommandError, Exit};
use crate::export::{snapshot, verify, write_export};
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::{Report, SPLIT_MAX, check_columns, import_split, newest_day, problem_text};
use crate::net::Recorder;
use crate::pretend::{PATIENCE, Pretender, found, start, stopped};
use crate::{clock, engine, made_up};

/// Fewest members a co-operative has.
const MEMBERS_MIN: usize = 3;
/// Below, a split by who took part would set fewer than three bodies apart.
const CONTRAST_MIN: usize = 6;
/// Made-up schools that had an ordinary day.
const ORDINARY_SCHOOLS: usize = 3;

/// The one purpose of a demo's charter.
const PURPOSE: &str = "demo";

/// What to show.
pub struct Options {
    /// How many made-up members; with `data` the values of a column decide.
    pub members: usize,
    /// Where to keep everything; nothing is kept without.
    pub keep: Option<PathBuf>,
    /// Seed of the made-up data.
    pub seed: u64,
    /// What is lost to each person, unless the question's own default.
    pub rho: Option<PrivacyLoss>,
    /// A spreadsheet instead of made-up data.
    pub data: Option<Spreadsheet>,
    /// For tests: sees every frame.
    pub recorder: Option<Recorder>,
}

/// A spreadsheet to split into pretend members.
pub struct Spreadsheet {
    /// The CSV file.
    pub file: PathBuf,
    /// The column whose values are the members.
    pub by: String,
    /// Its vocabulary's TOML.
    pub vocabulary: String,
    /// The question's TOML.
    pub question: String,
    /// Parameters of the question.
    pub params: BTreeMap<String, String>,
    /// The period, unless the academic year of the newest date; of data without dates, this one.
    pub period: Option<Period>,
}

/// What one made-up school could have said alone.
pub struct Alone {
    /// Its name.
    pub name: String,
    /// Whether it held the day.
    pub took_part: bool,
    /// Its own exact gap, in percentage points.
    pub gap: f64,
    /// Ordinary chance around it (95 %), in percentage points.
    pub chance: f64,
}

/// What a demo showed.
pub struct Shown {
    /// The question, bound.
    pub question: BoundQuestion,
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
    /// Each school by itself; empty with a spreadsheet.
    pub alone: Vec<Alone>,
    /// One report a log.
    pub audit: Vec<LogReport>,
    /// From asking to the release at the asker.
    pub round: Duration,
    /// Where everything was kept.
    pub home: Option<PathBuf>,
    /// What an import left out.
    pub import: Vec<String>,
}

/// Says what is being done.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

struct Script {
    vocabulary_text: String,
    vocabulary: Vocabulary,
    question: QuestionDraft,
    params: BTreeMap<String, String>,
    period: Period,
}

/// Runs the demo.
pub async fn run(options: Options, progress: Progress<'_>) -> Result<Shown, CommandError> {
    // Whatever can be wrong with a question or a file's columns is said before anything is written.
    let script = script(&options)?;
    let temporary =
        tempfile::tempdir().map_err(|error| CommandError::failed(format!("no temporary folder: {error}")))?;
    let kept = options.keep.as_deref().map(Kept::new).transpose()?;
    let root = options.keep.as_deref().unwrap_or(temporary.path());
    progress("writing members, keys and data");
    let (cast, import) = cast(&options, &script, root)?;
    progress("starting nodes and letting them meet");
    let nodes = start(&cast, options.recorder.clone()).await?;
    let outcome = play(&options, &script, &cast, &nodes, progress).await;
    progress("stopping nodes");
    for node in nodes {
        node.stop().await.map_err(|error| CommandError::failed(error.to_string()))?;
    }
    let mut shown = outcome?;
    shown.home = options.keep.clone();
    shown.import = import;
    if let Some(kept) = kept {
        kept.keep();
    }
    Ok(shown)
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

/// The script of a spreadsheet: vocabulary, question, parameters, period and columns fit together.
fn spreadsheet_script(data: &Spreadsheet) -> Result<Script, CommandError> {
    let usage = CommandError::usage;
    let vocabulary =
        Vocabulary::from_toml(&data.vocabulary).map_err(|error| usage(format!("vocabulary: {error}")))?;
    let shipped = SHIPPED_VOCABULARIES
        .iter()
        .find(|text| Vocabulary::from_toml(text).is_ok_and(|shipped| shipped.name() == vocabulary.name()));
    if shipped.is_some_and(|text| *text != data.vocabulary) {
        return Err(CommandError {
            hint: Some("raise `version`, or give it another `id`".into()),
            ..usage(format!("vocabulary: another text called `{}` is shipped", vocabulary.name()))
        });
    }
    let draft =
        QuestionDraft::from_toml(&data.question).map_err(|error| usage(format!("question: {error}")))?;
    let question =
        Question::admit(draft.clone(), &vocabulary).map_err(|error| usage(format!("question: {error}")))?;
    let today = clock::now().day();
    let newest = match (data.period, vocabulary.date_column()) {
        (None, Some(_)) => newest_day(&data.file, &vocabulary, &data.by).map_err(|error| usage(error.0))?,
        (Some(_), _) | (None, None) => None,
    };
    let year = newest.unwrap_or(today).academic_year();
    let whole_year = Period::parse(&format!("{}-09-01..{}-08-31", year.0, year.0 + 1));
    let period = data.period.or(whole_year).ok_or_else(|| usage("name a --period".into()))?;
    if vocabulary.date_column().is_none() && period.year() != today.academic_year() {
        let now = today.academic_year();
        return Err(CommandError {
            hint: Some("leave out --period, or give the vocabulary a `date` column".into()),
            ..usage(format!("data without dates is asked about in the academic year we are in, {now}"))
        });
    }
    let bound = question.bind(&data.params, period).map_err(|error| usage(format!("question: {error}")))?;
    check_columns(&data.file, &vocabulary, &data.by, &bound.columns()).map_err(|error| usage(error.0))?;
    let params = data.params.clone();
    Ok(Script { vocabulary_text: data.vocabulary.clone(), vocabulary, question: draft, params, period })
}

fn script(options: &Options) -> Result<Script, CommandError> {
    let usage = CommandError::usage;
    if let Some(data) = &options.data {
        return spreadsheet_script(data);
    }
    if !(MEMBERS_MIN..=SPLIT_MAX).contains(&options.members) {
        return Err(members_error(options.members));
    }
    let vocabulary_text = include_str!("vocab/attendance.toml").to_owned();
    let vocabulary = Vocabulary::from_toml(&vocabulary_text).map_err(usage)?;
    let mut question = QuestionDraft::from_toml(include_str!("questions/catalogue/event-day.toml"))
        .map_err(|error| usage(error.to_string()))?;
    let mut params = BTreeMap::from([
        ("event_day".to_owned(), made_up::EVENT_DAY.to_owned()),
        ("baseline_days".to_owned(), made_up::BASELINE_DAYS.join(",")),
    ]);
    if options.members >= CONTRAST_MIN {
        let ids = (0..options.members - ORDINARY_SCHOOLS).map(|n| format!("DEMO-{:03}", n + 1));
        params.insert("took_part".to_owned(), ids.collect::<Vec<_>>().join(","));
    } else {
        // With so few, a split by who took part would single members out.
        question.param.remove("took_part");
        question.by.retain(|by| by.member.is_none());
        question.figure.contrast = None;
    }
    let period = Period::parse(made_up::PERIOD).ok_or_else(|| usage("the demo's period is none".into()))?;
    Ok(Script { vocabulary_text, vocabulary, question, params, period })
}

/// Members with their folders and data; two of them are meeting points.
fn cast(
    options: &Options,
    script: &Script,
    root: &Path,
) -> Result<(Vec<Pretender>, Vec<String>), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let data_seed = Seed::new(seed).derive("data");
    let tables = root.join("tables.tmp");
    let table = |n: usize| tables.join(n.to_string());
    let (members, import) = match &options.data {
        Some(data) => {
            let (report, members) = import_split(&data.file, &script.vocabulary, &data.by, &table)
                .map_err(|error| CommandError::usage(error.0))?;
            let said = import_said(data, script, &report);
            (members, said)
        }
        None => {
            for n in 0..options.members {
                let took_part = options.members < CONTRAST_MIN || n < options.members - ORDINARY_SCHOOLS;
                made_up::write_school(&table(n), &script.vocabulary, &data_seed, n, took_part)
                    .map_err(|error| failed(&error))?;
            }
            let name = |n: usize| match made_up::NAMES.get(n) {
                Some(name) => format!("{name} School"),
                None => format!("School {}", n + 1),
            };
            ((0..options.members).map(|n| (name(n), u64::from(made_up::PUPILS))).collect(), vec![])
        }
    };
    if !(MEMBERS_MIN..=SPLIT_MAX).contains(&members.len()) {
        return Err(members_error(members.len()));
    }
    // Public bound: the roll rounded up to 50, so it says little about the data.
    let bounded: Vec<(String, u64)> =
        members.iter().map(|(name, rows)| (name.clone(), rows.div_ceil(50) * 50)).collect();
    let cast = found(root, &script.vocabulary_text, &bounded, &|n| Some(table(n)))?;
    std::fs::remove_dir_all(&tables).map_err(|error| failed(&error))?;
    Ok((cast, import))
}

fn members_error(members: usize) -> CommandError {
    CommandError::usage(format!("{members} members; a demo runs {MEMBERS_MIN} to {SPLIT_MAX}"))
}

/// What of a spreadsheet is not in the members' tables, or not in the period.
fn import_said(data: &Spreadsheet, script: &Script, report: &Report) -> Vec<String> {
    let file = data.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut said: Vec<String> = report.problems.iter().map(|problem| problem_text(&file, problem)).collect();
    said.extend(report.read_as.as_ref().map(|read_as| format!("read as {read_as}")));
    if report.rows_refused > 0 {
        said.push(format!("{} of {} rows were left out", report.rows_refused, report.rows_read));
    }
    if !report.columns_ignored.is_empty() {
        let ignored = report.columns_ignored.join(", ");
        said.push(format!("columns not in the vocabulary, ignored: {ignored}"));
    }
    let outside = report.rows_outside(script.period);
    if outside > 0 {
        said.push(format!(
            "{outside} of {} rows lie outside the period {} and do not count",
            report.rows_kept, script.period
        ));
    }
    said
}

async fn play(
    options: &Options,
    script: &Script,
    cast: &[Pretender],
    nodes: &[Node],
    progress: Progress<'_>,
) -> Result<Shown, CommandError> {
    // An ordinary member asks: it reaches the others through the meeting points.
    let asker = nodes.last().ok_or_else(|| CommandError::failed("no member".into()))?;
    let charter = asker.handle().view(|member| member.fold().charter().hash()).await.ok_or_else(stopped)?;
    let query = query_body(options, script, nodes.len(), charter)?;
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
    progress("exporting and auditing logs");
    let audit = audit_all(cast, nodes).await?;
    let alone = match options.data {
        Some(_) => vec![],
        None => alone(cast, &plan.query.question).await?,
    };
    Ok(Shown {
        question: plan.query.question.clone(),
        members: nodes.len(),
        roster: plan.members.len(),
        committee: plan.committee.len(),
        terms: plan.terms,
        accepted: sums.accepted.len(),
        mode,
        loss,
        figures: figures(plan, &sums),
        alone,
        audit,
        round,
        home: None,
        import: vec![],
    })
}

fn query_body(
    options: &Options,
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
        loss: options.rho.unwrap_or(default),
        mode: if secure { Mode::Secure } else { Mode::FullNoise },
        assumed: Assumptions::FLOOR,
        min_roster: if secure { SECURE_ROSTER_MIN } else { 3 },
        join_by: now + Span::from_seconds(30),
        contribute_by: now + Span::from_seconds(60),
        close_by: now + Span::from_seconds(90),
        charter,
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
    Ok(verify(&paths).map_err(|error| failed(&error))?.reports)
}

/// What each school sees in its own exact figures: its gap, and the chance around it.
async fn alone(cast: &[Pretender], question: &BoundQuestion) -> Result<Vec<Alone>, CommandError> {
    let mut alone = vec![];
    for member in cast {
        let id: MemberId = member.founder.id.clone();
        let vocabulary = question.question().vocabulary();
        let sources = member.home.sources(vocabulary, PURPOSE, clock::now().day());
        let sources = sources.map_err(|error| CommandError::failed(error.to_string()))?;
        let tally = engine::tabulate(&sources, question, &id).await;
        let tally = tally.map_err(|error| CommandError::failed(error.to_string()))?;
        let took_part = question.listed_params().is_empty() || question.has_fact("took_part", &id);
        let (gap, chance) = own_gap(question, &tally);
        alone.push(Alone { name: member.founder.name.clone(), took_part, gap, chance });
    }
    Ok(alone)
}

/// Pupil Premium less others, of the mean change, in percentage points; and 1.96 standard errors of
/// who happened to be ill. Own figures, shown only here.
fn own_gap(question: &BoundQuestion, tally: &[i64]) -> (f64, f64) {
    let unit = |at: usize| {
        let resolution = question.measures()[at].resolution;
        resolution.numerator as f64 / resolution.denominator as f64
    };
    let mut by_premium = [[0.0; 3]; 2];
    for (key, sums) in question.groups().iter().zip(tally.chunks(3)) {
        let premium = key.iter().any(|(name, value)| name == "pupil_premium" && value == "true");
        for (at, sum) in sums.iter().enumerate() {
            by_premium[usize::from(!premium)][at] += *sum as f64 * unit(at);
        }
    }
    let [(a, va), (b, vb)] = by_premium.map(|[n, d, q]| {
        let mean = d / n;
        (mean, (q / n - mean * mean).max(0.0) / n)
    });
    ((a - b) * 100.0, 196.0 * (va + vb).sqrt())
}
