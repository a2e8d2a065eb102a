//! `datacoop demo`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use datacoop_policy::query::Mode;
use datacoop_policy::{Period, PrivacyLoss};
use serde_json::{Value, json};

use super::means::meaning_text;
use super::results::figures_text;
use super::show::{audit_lines, figures_json, lot_text, plain};
use super::{CANCELLED, Common, Printed, Progress};
use crate::demo::{Alone, Data, Exports, Live, Options, Planted, Shown, Spreadsheet, run, run_live};
use crate::error::{CommandError, Exit};
use crate::figure::Terminal;
use crate::figure::released::Released;
use crate::loss::Meaning;
use crate::questions::named;
use crate::view::can_be_all_corrupt;

#[derive(Args)]
pub(super) struct DemoArgs {
    /// How many made-up schools
    #[arg(long, default_value_t = 12, conflicts_with = "data", value_parser = clap::value_parser!(u16).range(3..=100))]
    members: u16,
    /// Keep every member's folder, with its exported log, here
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keep the members running at the end, and show the asker's pages, until Ctrl-C [default: on a terminal]
    #[arg(long, overrides_with = "no_pages")]
    pages: bool,
    /// End at once, without pages
    #[arg(long)]
    no_pages: bool,
    /// Seed of the made-up data; noise and keys are always fresh
    #[arg(long, default_value_t = 1, conflicts_with = "data")]
    seed: u64,
    /// Privacy loss of the question, as zCDP rho such as 0.05
    #[arg(long)]
    rho: Option<PrivacyLoss>,
    /// Instead of made-up schools: a folder of exports, a subfolder a member, or one spreadsheet
    #[arg(long, value_name = "DIR|FILE")]
    data: Option<PathBuf>,
    /// Of a spreadsheet: the column whose values become pretend members
    #[arg(long, value_name = "COLUMN", requires = "data")]
    by: Option<String>,
    /// Of a spreadsheet: what the columns mean (TOML)
    #[arg(long, value_name = "FILE", requires = "data")]
    vocabulary: Option<PathBuf>,
    /// The question: a shipped one such as event-day, or a file (TOML)
    #[arg(long, value_name = "ID|FILE", requires = "data")]
    question: Option<PathBuf>,
    /// A parameter of the question; repeat for more
    #[arg(long = "param", value_name = "NAME=VALUE", requires = "data")]
    params: Vec<String>,
    /// The days it is about [default: what the data say]
    #[arg(long, value_name = "FIRST..LAST", requires = "data")]
    period: Option<String>,
}

impl DemoArgs {
    /// Whether the members stay for somebody to look at.
    pub(super) fn stays(&self, common: &Common) -> bool {
        let watched = !common.json && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        self.pages || (watched && !self.no_pages)
    }
}

pub(super) fn read(path: &PathBuf) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))
}

pub(super) fn parse_params(params: &[String]) -> Result<BTreeMap<String, String>, CommandError> {
    let split = |text: &String| {
        let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| CommandError::usage(format!("`{text}` is no parameter; write --param NAME=VALUE")))
    };
    params.iter().map(split).collect()
}

pub(super) fn parse_period(text: &str) -> Result<Period, CommandError> {
    let said = format!("`{text}` is no period inside one academic year; write 2025-09-01..2025-12-19");
    Period::parse(text).ok_or_else(|| CommandError::usage(said))
}

/// Where the rows come from, as the command line says it.
fn data(args: &DemoArgs) -> Result<Data, CommandError> {
    let Some(path) = &args.data else {
        return Ok(Data::MadeUp { members: usize::from(args.members), seed: args.seed });
    };
    let params = parse_params(&args.params)?;
    let period = args.period.as_deref().map(parse_period).transpose()?;
    if path.is_dir() {
        let single = args.by.as_ref().map(|_| "--by").or(args.vocabulary.as_ref().map(|_| "--vocabulary"));
        if let Some(option) = single {
            let text = format!("{option} is for a single spreadsheet, and {} is a folder", path.display());
            return Err(CommandError::usage(text).hint("leave it out: each subfolder is a member"));
        }
        let question = args.question.as_deref().unwrap_or(Path::new("event-day"));
        return Ok(Data::Exports(Exports {
            folder: path.clone(),
            question: question_text(question)?,
            params,
            period,
        }));
    }
    let (Some(by), Some(vocabulary), Some(question)) = (&args.by, &args.vocabulary, &args.question) else {
        let text = format!("{}: of a spreadsheet also say --by, --vocabulary and --question", path.display());
        return Err(CommandError::usage(text));
    };
    Ok(Data::Spreadsheet(Spreadsheet {
        file: path.clone(),
        by: by.clone(),
        vocabulary: read(vocabulary)?,
        question: question_text(question)?,
        params,
        period,
    }))
}

/// The text of a question: a file's, or that of a shipped one by its id.
fn question_text(question: &Path) -> Result<String, CommandError> {
    if question.exists() {
        return read(&question.to_owned());
    }
    let id = question.to_string_lossy();
    named(&id).map(|known| known.toml.to_owned()).ok_or_else(|| {
        CommandError::usage(format!("`{id}` is neither a file nor a shipped question"))
            .hint("see: datacoop questions list")
    })
}

pub(super) async fn demo(common: &Common, args: DemoArgs) -> Result<Printed, CommandError> {
    let data = data(&args)?;
    let origin = match &data {
        Data::MadeUp { .. } => "Demo: made-up schools".to_owned(),
        Data::Spreadsheet(_) => {
            "Demo: your spreadsheet split into pretend members on this computer".to_owned()
        }
        Data::Exports(data) => format!(
            "Demo: the exports in {}, each folder a pretend member on this computer",
            data.folder.display()
        ),
    };
    let stays = args.stays(common);
    let options = Options { data, keep: args.keep, rho: args.rho, recorder: None };
    let progress = Progress::new(common);
    let said = |what: &str| progress.say(what);
    let played = match stays {
        true => tokio::select! {
            played = run_live(options, &said) => played.map(|(shown, live)| (shown, Some(live))),
            _ = tokio::signal::ctrl_c() => return Ok(Printed { text: String::new(), json: Value::Null, code: CANCELLED }),
        },
        false => run(options, &said).await.map(|shown| (shown, None)),
    };
    progress.done();
    let (shown, live) = played?;
    if !common.quiet {
        shown.import.iter().for_each(|line| eprintln!("{}", plain(line)));
    }
    let passed = shown.audit.iter().all(|report| report.passed());
    let mut printed = Printed::new(json_of(&shown), text_of(&shown, &origin, common.terminal()));
    printed.code = if passed { 0 } else { Exit::Failed as u8 };
    let Some(live) = live else {
        printed.text += "To look at it in a browser: datacoop demo --pages\n";
        return Ok(printed);
    };
    let link = live.link();
    printed.text += &format!("\nThe same in a browser on this computer, once, within a minute:\n{link}\n");
    printed.json["pages"] = link.into();
    printed.text += "Another address: Enter. End: Ctrl-C.\n";
    let failed = |error: std::io::Error| CommandError::failed(format!("the result was not written: {error}"));
    printed.write(common).map_err(failed)?;
    show(&live).await;
    live.stop().await?;
    Ok(Printed { text: String::new(), json: Value::Null, code: printed.code })
}

/// Gives another address at each Enter, until Ctrl-C or a request to end.
async fn show(live: &Live) {
    // A thread of its own: it waits for the keyboard until the program ends.
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        while std::io::stdin().read_line(&mut String::new()).is_ok_and(|read| read > 0) {
            if sender.blocking_send(()).is_err() {
                break;
            }
        }
    });
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::pin!(terminate);
    loop {
        tokio::select! {
            // What was started without a keyboard goes on.
            Some(()) = lines.recv() => println!("{}", live.link()),
            _ = tokio::signal::ctrl_c() => return,
            _ = &mut terminate => return,
        }
    }
}

fn json_of(shown: &Shown) -> serde_json::Value {
    let audit: Vec<_> = shown
        .audit
        .iter()
        .map(|report| {
            let result = if report.passed() { "pass" } else { "fail" };
            json!({ "log": report.origin, "entries": report.entries, "result": result })
        })
        .collect();
    json!({
        "schema": "datacoop.demo/1",
        "demo": true,
        "members": shown.members,
        "mode": shown.mode.code(),
        "roster": shown.roster,
        "committee": shown.committee,
        "accepted": shown.accepted,
        "committee_can_be_all_corrupt": can_be_all_corrupt(shown.mode, &shown.terms),
        "loss": meaning(shown),
        "release": { "question": shown.question.question().id(), "cells": figures_json(&shown.figures) },
        "audit": audit,
        "round_ms": u64::try_from(shown.round.as_millis()).unwrap_or(u64::MAX),
        "planted": planted_json(&shown.planted),
        "alone": alone_json(&shown.alone),
        "left_out": shown.import,
        "certificate": shown.certificate.as_ref().map(|path| path.display().to_string()),
        "home": shown.home.as_ref().map(|path| path.display().to_string()),
    })
}

fn planted_json(planted: &[Planted]) -> serde_json::Value {
    let groups = planted.iter().map(|group| {
        json!({
            "pupil_premium": group.pupil_premium,
            "intended_pp": group.intended,
            "realised_pp": group.realised,
            "answer_pp": group.answer.map(|[value, ..]| value),
            "low_pp": group.answer.map(|[_, low, _]| low),
            "high_pp": group.answer.map(|[.., high]| high),
            "contrast": group.contrast,
            "holds": group.holds(),
        })
    });
    groups.collect()
}

fn alone_json(alone: &[Alone]) -> serde_json::Value {
    let schools = alone.iter().map(|school| {
        json!({
            "name": school.name,
            "took_part": school.took_part,
            "gap_pp": school.gap.is_finite().then_some(school.gap),
            "chance_pp": school.chance.is_finite().then_some(school.chance),
        })
    });
    schools.collect()
}

fn text_of(shown: &Shown, origin: &str, terminal: Terminal) -> String {
    let mut out = format!("{origin}\n\n{}\n", shown.question.question().title());
    let params = shown.question.params();
    if let Some(day) = params.get("event_day").filter(|_| !shown.alone.is_empty()) {
        let took_part = shown.alone.iter().filter(|school| school.took_part).count();
        let before = params.get("baseline_days").map_or("", String::as_str).replace(',', " and ");
        out += &format!(
            "{} members. {took_part} held the event on {day}; {} had an ordinary day. Compared with {before}.\n",
            shown.members,
            shown.members - took_part
        );
    }
    out += &format!(
        "\nWhat the co-operative learned, and no member could have computed alone:\n{}\n",
        figures_text(&released(shown).figures(), terminal)
    );
    out += &planted_text(&shown.planted);
    out += &alone_text(shown);
    out += &loss_text(shown);
    out += &format!("\nAudit of every exported log, offline:\n{}", audit_lines(&shown.audit));
    out += &format!(
        "\nThe round took {} ms over real connections, every step signed, logged and on disk.\n",
        shown.round.as_millis()
    );
    match &shown.home {
        Some(home) => {
            let home = home.display();
            out += &format!("Kept in {home}; check it again with: datacoop verify {home}/*/export\n");
            if let Some(file) = &shown.certificate {
                let file = file.display();
                out +=
                    &format!("The answer alone, for anybody who knows the charter: datacoop verify {file}\n");
            }
        }
        None => out += "Nothing was kept; --keep DIR keeps every member's folder and exported log.\n",
    }
    out
}

/// The answer as figures.
fn released(shown: &Shown) -> Released<'_> {
    Released {
        question: &shown.question,
        figures: &shown.figures,
        accepted: shown.accepted,
        roster: shown.roster,
        query: shown.query.clone(),
        certificate: match &shown.certificate {
            Some(_) => shown.query.get(..16).unwrap_or_default().to_owned(),
            None => "none was kept".into(),
        },
        demo: true,
        own: &[],
    }
}

/// What was planted beside the answer: the numbers a real co-operative can never see.
fn planted_text(planted: &[Planted]) -> String {
    let mut out = String::new();
    for group in planted {
        let who = if group.pupil_premium { "Pupil Premium pupils" } else { "other pupils" };
        let meant =
            group.intended.map_or_else(String::new, |points| format!("{points:+.1} pp, which came to "));
        out += &format!("  {who:<21} planted {meant}{:+.1} pp: ", group.realised);
        out += &match (group.answer, group.holds()) {
            (Some([value, low, high]), Some(holds)) => {
                let word = if holds { "holds it" } else { "does not hold it" };
                format!("the answer {value:+.1} pp ({low:+.1} to {high:+.1}) {word}\n")
            }
            (_, _) => "the answer is suppressed\n".to_owned(),
        };
    }
    if out.is_empty() {
        return out;
    }
    let against = match planted.iter().any(|group| group.contrast) {
        true => "as the difference between members that held the event and those that did not",
        false => "as the change from the days before, so the season is in it too",
    };
    format!("\nThe data are made up, so what was planted is known ({against}):\n{out}")
}

fn alone_text(shown: &Shown) -> String {
    let schools: Vec<_> = shown.alone.iter().filter(|school| school.took_part).collect();
    if schools.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\nWhat each school that took part could have said alone, from its own exact figures\n(Pupil Premium less others, change in percentage points):\n",
    );
    let mut told = 0;
    for school in &schools {
        let sure = school.gap.abs() > school.chance;
        told += usize::from(sure);
        let word = if sure { "could tell" } else { "could not tell: the range holds 0" };
        if !(school.gap.is_finite() && school.chance.is_finite()) {
            out += &format!("  {:<30} has no pupils of one of the groups\n", school.name);
            continue;
        }
        out += &format!(
            "  {:<30} {:>5.1}  ({:.1} to {:.1})   {word}\n",
            school.name,
            school.gap,
            school.gap - school.chance,
            school.gap + school.chance
        );
    }
    out += &format!(
        "  {told} of {} could tell from its own pupils; none could tell the day from the season.\n",
        schools.len()
    );
    out
}

fn loss_text(shown: &Shown) -> String {
    let secrecy = match shown.mode {
        Mode::Secure => format!(
            "Each member's figures were split into {0} sealed shares; they stay secret while 1 of\nthe {0} committee members is honest.{1}",
            shown.committee,
            lot_text(can_be_all_corrupt(shown.mode, &shown.terms))
        ),
        Mode::FullNoise => {
            "So few members: each added all the noise itself, and members saw each other's noised figures."
                .into()
        }
    };
    format!(
        "\n{}{secrecy}\n{} of {} contributions are in the sum.\n",
        meaning_text(&meaning(shown)),
        shown.accepted,
        shown.roster
    )
}

fn meaning(shown: &Shown) -> serde_json::Value {
    let dataset = shown.question.question().vocabulary().dataset();
    Meaning::new(shown.loss, shown.mode, &shown.terms).json(dataset)
}
