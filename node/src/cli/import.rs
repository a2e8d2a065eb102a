//! `datacoop import`: a data file into one's own node, or a look at what it would be. What is read
//! stays on this computer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::demo::read;
use super::node::{home_of, store_error};
use super::{Common, Printed, Progress};
use crate::client::Client;
use crate::error::{CommandError, Exit};
use crate::folder::{Folder, StoreError};
use crate::home::Home;
use crate::import;
use crate::load::{self, Choice, Wish};

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The data file: CSV, a workbook, Parquet, or a common transfer file
    #[arg(required_unless_present_any = ["undo", "quarantine"])]
    file: Option<PathBuf>,
    /// What it is read as: a vocabulary such as attendance or attendance/1, or a TOML file of one's own
    #[arg(
        long = "as",
        alias = "vocabulary",
        value_name = "NAME|FILE",
        required_unless_present = "quarantine"
    )]
    vocabulary: Option<String>,
    /// Only say what an import would do; needs no node and writes nothing
    #[arg(long, conflicts_with_all = ["undo", "quarantine"])]
    dry_run: bool,
    /// The file's header for a column, if it cannot be told; remembered for files with the same headers
    #[arg(long, value_name = "COLUMN=HEADER")]
    column: Vec<String>,
    /// Which way round days are, if the file's own do not tell
    #[arg(long, value_enum)]
    dates: Option<DateOrder>,
    /// What to do where the afternoon's `\` is lost
    #[arg(long, value_enum)]
    repair: Option<RepairChoice>,
    /// Where the term calendar is from: terms.toml in the node's folder, else England's, or the marks
    #[arg(long, value_enum, default_value = "calendar")]
    terms: TermsChoice,
    /// The file stands for this whole period, such as 2025-09-01..2025-12-19 [default: the days it has]
    #[arg(long, value_name = "PERIOD")]
    replace: Option<String>,
    /// The day of rows that have none, such as that of the results
    #[arg(long, value_name = "DAY")]
    day: Option<String>,
    /// Take the vocabulary's newest import back
    #[arg(long, conflicts_with = "quarantine")]
    undo: bool,
    /// List what was left out of imports and is kept aside
    #[arg(long)]
    quarantine: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum DateOrder {
    /// 31/12/2025
    Dmy,
    /// 12/31/2025
    Mdy,
}

#[derive(Clone, Copy, ValueEnum)]
enum RepairChoice {
    /// Whoever was present in the morning was present in the afternoon
    PmPresent,
    /// Nothing: there is no afternoon register
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TermsChoice {
    /// As written in terms.toml, else by the rule for England
    Calendar,
    /// Breaks are where there are no marks
    Infer,
}

impl ImportArgs {
    fn choice(&self) -> Result<Choice, CommandError> {
        let name = self.vocabulary.clone().unwrap_or_default();
        match name.ends_with(".toml") {
            true => Ok(Choice::Text(read(&PathBuf::from(&name))?)),
            false => Ok(Choice::Named(name)),
        }
    }

    fn wish(&self) -> Result<Wish, CommandError> {
        let file = self.file.clone().unwrap_or_default();
        let file = std::fs::canonicalize(&file)
            .map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?;
        if file.is_dir() {
            let text = format!("{} is a folder; name one file in it", file.display());
            return Err(CommandError::usage(text));
        }
        let mut columns = BTreeMap::new();
        for said in &self.column {
            let (column, header) = said.split_once('=').ok_or_else(|| {
                CommandError::usage(format!("`{said}` is not COLUMN=HEADER, such as --column code=Mark"))
            })?;
            columns.insert(column.trim().to_owned(), header.trim().to_owned());
        }
        Ok(Wish {
            file,
            vocabulary: self.choice()?,
            columns,
            dates: self.dates.map(|order| match order {
                DateOrder::Dmy => import::Dates::DayFirst,
                DateOrder::Mdy => import::Dates::MonthFirst,
            }),
            repair: self.repair.map(|repair| match repair {
                RepairChoice::PmPresent => import::Repair::PmPresent,
                RepairChoice::None => import::Repair::Nothing,
            }),
            infer_terms: self.terms == TermsChoice::Infer,
            replace: self.replace.clone(),
            day: self.day.clone(),
        })
    }
}

pub(super) async fn import(common: &Common, args: ImportArgs) -> Result<Printed, CommandError> {
    if args.quarantine {
        return quarantine(&home_of(common)?);
    }
    if args.undo {
        return undo(&home_of(common)?, &args.choice()?);
    }
    let wish = args.wish()?;
    let progress = Arc::new(Progress::new(common));
    progress.say(if args.dry_run { "reading" } else { "importing" });
    let done = match args.dry_run {
        true => look(Home::new(&common.node), wish, progress.clone()).await,
        false => load(home_of(common)?, wish, progress.clone()).await,
    };
    progress.done();
    let json = done?;
    let mut text = load::page(&json);
    if json["restart_needed"] == true {
        text += "The running node did not know this vocabulary: stop it and start it again (datacoop run), before\nit answers questions on these data.\n";
    }
    Ok(Printed::new(json, text))
}

fn rows_so_far(progress: &Progress) -> impl FnMut(u64) + '_ {
    move |rows| progress.say(&format!("{rows} rows"))
}

async fn look(home: Home, wish: Wish, progress: Arc<Progress>) -> Result<Value, CommandError> {
    let work = tokio::task::spawn_blocking(move || {
        load::look(&home, &wish, &mut rows_so_far(&progress)).map(|loaded| loaded.json())
    });
    work.await.map_err(|error| CommandError::failed(error.to_string()))?
}

async fn load(home: Home, wish: Wish, progress: Arc<Progress>) -> Result<Value, CommandError> {
    match Folder::open(home.path()) {
        Ok(_lock) => {
            let work = tokio::task::spawn_blocking(move || {
                load::import(&home, &wish, &mut rows_so_far(&progress)).map(|loaded| loaded.json())
            });
            work.await.map_err(|error| CommandError::failed(error.to_string()))?
        }
        Err(StoreError::Locked(_)) => {
            let through = || Client::new(&home)?.post(&home, "import", &wish);
            tokio::task::block_in_place(through)
                .map_err(|error| if error.exit == Exit::NotRunning { busy(&home) } else { error })
        }
        Err(error) => Err(store_error(error)),
    }
}

/// The folder is locked, and no door is open.
fn busy(home: &Home) -> CommandError {
    let text = format!("another command works in {}, or its node is starting", home.path().display());
    CommandError {
        exit: Exit::NotRunning,
        text,
        hint: Some("try again when it has ended, or when the node runs".into()),
    }
}

fn undo(home: &Home, choice: &Choice) -> Result<Printed, CommandError> {
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let json = tokio::task::block_in_place(|| load::undo(home, choice))?;
    let vocabulary = json["vocabulary"].as_str().unwrap_or("").to_owned();
    let file = json["file"].as_str().map_or_else(String::new, |file| format!(" of {file}"));
    let now = match json["snapshot"].as_u64() {
        Some(number) => format!("snapshot {number} is in force again"),
        None => "there is none left".to_owned(),
    };
    Ok(Printed::new(json, format!("The newest import{file} as {vocabulary} is taken back; {now}.\n")))
}

fn quarantine(home: &Home) -> Result<Printed, CommandError> {
    let json = load::quarantine_list(home)?;
    let mut text = String::new();
    for file in json["files"].as_array().into_iter().flatten() {
        let kinds = file["by_kind"].as_object().into_iter().flatten();
        let kinds: Vec<String> = kinds.map(|(kind, rows)| format!("{rows} {kind}")).collect();
        let path = file["file"].as_str().unwrap_or("");
        text += &format!("{path}: {} rows ({})\n", file["rows"], kinds.join(", "));
    }
    if text.is_empty() {
        text += "Nothing was left out of an import.\n";
    }
    Ok(Printed::new(json!(json), text))
}
