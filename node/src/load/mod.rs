//! Loading a file into a node's folder: which vocabulary, what the node knows of its people, which days
//! it replaces, and what to say about it. Nothing here leaves this computer.

mod held;
mod known;
mod records;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, Period};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock;
use crate::engine::{TableWriter, lookup, merge, order_rows, staging_path, undo as undo_newest};
use crate::error::CommandError;
use crate::folder::{StoreError, make_dir};
use crate::home::Home;
use crate::import::shown::{Shown, columns_of};
use crate::import::terms::Terms;
use crate::import::{Dates, Options, Repair, Report, header_of, problem_text, read_file};
pub(crate) use held::Known;
pub use held::{Held, LastImport, held, imported_on};
use records::{Record, Records};
pub use text::{erase_left_out, kind_meaning, left_out, page, quarantine_list};

/// The first day that a row may be of: no register in use is older.
const FIRST_DAY: &str = "2000-09-01";

/// What to import, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// The data file.
    pub file: PathBuf,
    /// Which vocabulary it is read by.
    pub vocabulary: Choice,
    /// The file's header for a column, by the column's name; empty: the file has none.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Which way round its days are, if its own do not tell.
    #[serde(default)]
    pub dates: Option<Dates>,
    /// What to do about lost marks; what was said the last time, if left out.
    #[serde(default)]
    pub repair: Option<Repair>,
    /// Take the term calendar from the days with marks.
    #[serde(default)]
    pub infer_terms: bool,
    /// The period that the file stands for: all its days are replaced. Left out: the days it has rows of.
    #[serde(default)]
    pub replace: Option<String>,
    /// The day of rows without one.
    #[serde(default)]
    pub day: Option<String>,
}

impl Wish {
    /// A file as it is, with nothing said about it.
    pub fn new(file: &Path, vocabulary: Choice) -> Self {
        Self {
            file: file.to_owned(),
            vocabulary,
            columns: BTreeMap::new(),
            dates: None,
            repair: None,
            infer_terms: false,
            replace: None,
            day: None,
        }
    }
}

/// Which vocabulary a file is read by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// One that this node knows, such as `attendance/1`, or `attendance` for its newest.
    Named(String),
    /// Exactly this text.
    Text(String),
}

/// What was loaded.
pub struct Loaded {
    /// The dataset that now has a table.
    pub dataset: String,
    /// SHA-256 of the vocabulary's text.
    pub hash: Digest,
    file: String,
    vocabulary: String,
    report: Report,
    /// What became of it.
    outcome: Outcome,
    /// Where rows that were left out are kept.
    quarantine: Option<PathBuf>,
    /// What the node's own figures say about it.
    warnings: Vec<String>,
    /// Rows imported before whose place it takes.
    replaces: Replaces,
}

/// Rows imported before whose place a file takes.
#[derive(Clone, Copy, Default)]
struct Replaces {
    rows: u64,
    /// Of them, those of days that the file has no row of.
    of_other_days: u64,
}

/// What became of an import.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    /// Nothing was written: it was only looked at.
    Looked,
    /// The node has exactly this file already, in this snapshot.
    Unchanged(u64),
    /// It is in this snapshot.
    Imported(u64),
}

impl Loaded {
    /// For programs, and for the command line to print.
    pub fn json(&self) -> Value {
        let report = &self.report;
        let problems: Vec<String> = report.problems.iter().map(|p| problem_text(&self.file, p)).collect();
        let kinds: BTreeMap<&str, u64> =
            report.refused_by_kind.iter().map(|(kind, rows)| (kind.code(), *rows)).collect();
        let days = |days: &[Day]| days.iter().map(Day::to_string).collect::<Vec<_>>();
        let (outcome, snapshot) = match self.outcome {
            Outcome::Looked => ("looked", None),
            Outcome::Unchanged(number) => ("unchanged", Some(number)),
            Outcome::Imported(number) => ("imported", Some(number)),
        };
        let notes: Vec<&String> = self.warnings.iter().chain(&report.notes).collect();
        json!({
            "schema": "datacoop.import/1",
            "file": self.file,
            "vocabulary": self.vocabulary,
            "dataset": self.dataset,
            "outcome": outcome,
            "snapshot": snapshot,
            "read_as": report.read_as,
            "rows_read": report.rows_read,
            "rows_kept": report.rows_kept,
            "rows_refused": report.rows_refused,
            "rows_replaced": self.replaces.rows,
            "rows_replaced_of_other_days": self.replaces.of_other_days,
            "refused_by_kind": kinds,
            "columns_ignored": report.columns_ignored,
            "columns_absent": report.columns_absent,
            "problems": problems,
            "quarantine": self.quarantine.as_ref().map(|path| path.display().to_string()),
            "people": report.people,
            "marks_by_class": report.marks_by_class,
            "first_day": report.rows_by_day.keys().next().map(Day::to_string),
            "last_day": report.newest_day().map(|day| day.to_string()),
            "days": report.rows_by_day.len(),
            "school_days_missing": days(&report.days_missing),
            "days_outside_terms": days(&report.days_outside_terms),
            "notes": notes,
        })
    }
}

fn usage(text: String) -> CommandError {
    CommandError::usage(text)
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

/// A wish with all that the node adds to it.
struct Plan {
    hash: Digest,
    vocabulary: Arc<Vocabulary>,
    options: Options,
    replace: Option<Period>,
    /// What distinguishes it from every other import.
    fingerprint: Digest,
}

/// Looks at a file's columns as an import would read them: with what was said, now or the last time.
///
/// Errors: as an import's, of a file that has no columns to speak of.
pub fn columns(home: &Home, wish: &Wish) -> Result<Shown, CommandError> {
    let (hash, vocabulary) = chosen(home, &wish.vocabulary)?;
    let plan = plan(home, wish, hash, vocabulary)?;
    columns_of(&wish.file, &plan.vocabulary, &plan.options).map_err(|error| usage(error.0))
}

/// Vocabularies that this node knows: names and titles, those of the charter first.
pub fn vocabularies(home: &Home) -> Result<Vec<(String, String)>, CommandError> {
    let charter = home.charter().map_err(failed)?.map(|(_, charter)| charter);
    let known = home.vocabularies().map_err(failed)?;
    let mut all: Vec<(bool, String, String)> = known
        .into_iter()
        .filter_map(|(hash, (_, vocabulary))| {
            let wanted = charter.as_ref().and_then(|charter| charter.vocabulary(vocabulary.name()));
            // Another text of a name that the charter has is of no use here.
            let fits = wanted.is_none_or(|(wanted, _)| wanted == hash);
            fits.then(|| (wanted.is_none(), vocabulary.name().to_owned(), vocabulary.title().to_owned()))
        })
        .collect();
    all.sort();
    Ok(all.into_iter().map(|(_, name, title)| (name, title)).collect())
}

/// The vocabulary that was chosen; nothing is written.
fn chosen(home: &Home, choice: &Choice) -> Result<(Digest, Arc<Vocabulary>), CommandError> {
    match choice {
        Choice::Named(name) => known::named(home, name),
        Choice::Text(text) => {
            let vocabulary = Vocabulary::from_toml(text).map_err(usage)?;
            Ok((datacoop_protocol::log::tree::sha256(&[text.as_bytes()]), Arc::new(vocabulary)))
        }
    }
}

/// Looks at a file as an import would, and writes nothing. Needs no node.
pub fn look(home: &Home, wish: &Wish, progress: &mut dyn FnMut(u64)) -> Result<Loaded, CommandError> {
    let (hash, vocabulary) = chosen(home, &wish.vocabulary)?;
    let plan = plan(home, wish, hash, vocabulary)?;
    let report = read(&plan, wish, None, progress)?;
    let replaces = replaces(home, &plan, &report)?;
    Ok(Loaded { replaces, ..loaded(home, wish, &plan, report, Outcome::Looked, None) })
}

/// Imports a data file as part of the next snapshot of a vocabulary's table. The folder must be locked
/// by us. Importing a file that is there already changes nothing.
pub fn import(home: &Home, wish: &Wish, progress: &mut dyn FnMut(u64)) -> Result<Loaded, CommandError> {
    let (hash, vocabulary) = match &wish.vocabulary {
        Choice::Named(name) => known::named(home, name)?,
        Choice::Text(text) => {
            let added = home.add_vocabulary(text).map_err(|error| usage(error.to_string()))?;
            (added.0, Arc::new(added.1))
        }
    };
    let mut plan = plan(home, wish, hash, vocabulary)?;
    let mut records = Records::read(home).map_err(failed)?;
    let newest = home.table(&plan.vocabulary).map(|(number, _)| number);
    if let (Some(record), Some(newest)) = (records.holds(plan.vocabulary.name(), &plan.fingerprint), newest) {
        let report = record.report();
        return Ok(loaded(home, wish, &plan, report, Outcome::Unchanged(newest), None));
    }
    let quarantine = home.join("quarantine");
    make_dir(&quarantine).map_err(failed)?;
    let kept_aside = quarantine.join("unfinished.csv");
    plan.options.quarantine = Some(kept_aside.clone());
    let tables = home.join("tables");
    let staged = staging_path(&tables, &plan.vocabulary).map_err(failed)?;
    let stem = plan.vocabulary.name().replace('/', "-");
    let report = read(&plan, wish, Some(&staged), progress).map_err(|error| {
        let refused = quarantine.join(format!("{stem}-refused.csv"));
        match fs::rename(&kept_aside, &refused) {
            Ok(()) => CommandError {
                hint: Some(format!("every row that does not fit: {}", refused.display())),
                ..error
            },
            Err(_) => error,
        }
    })?;
    order_rows(&staged, &plan.vocabulary).map_err(failed)?;
    let days = replaced(&plan, &report);
    let replaces = replaces(home, &plan, &report)?;
    let number = merge(&tables, &plan.vocabulary, &staged, days.as_deref()).map_err(failed)?;
    let aside = quarantine.join(format!("{stem}-{number:06}.csv"));
    let aside = fs::rename(&kept_aside, &aside).ok().map(|()| aside);
    records.add(Record::new(wish, &plan.fingerprint, plan.vocabulary.name(), number, days, &report));
    records.write(home).map_err(failed)?;
    remember(home, wish, &plan)?;
    Ok(Loaded { replaces, ..loaded(home, wish, &plan, report, Outcome::Imported(number), aside) })
}

/// Takes a vocabulary's newest import back, with the rows that it left out. Returns what is in force now, in words.
pub fn undo(home: &Home, choice: &Choice) -> Result<Value, CommandError> {
    let (_, vocabulary) = chosen(home, choice)?;
    let gone = home.table(&vocabulary).map(|(number, _)| number);
    let now = undo_newest(&home.join("tables"), &vocabulary).map_err(|error| usage(error.to_string()))?;
    if let Some(gone) = gone {
        text::erase_of(home, vocabulary.name(), gone)?;
    }
    let mut records = Records::read(home).map_err(failed)?;
    let file = gone.and_then(|gone| records.remove(vocabulary.name(), gone));
    records.write(home).map_err(failed)?;
    Ok(json!({
        "schema": "datacoop.undo/1",
        "vocabulary": vocabulary.name(),
        "taken_back": gone,
        "file": file,
        "snapshot": now,
    }))
}

/// Takes a vocabulary's import back if it is the newest. Returns what is in force now, and the dataset.
///
/// Errors: another is the newest by now.
pub fn undo_only(home: &Home, vocabulary: &str, snapshot: u64) -> Result<(Value, String), CommandError> {
    let (_, known) = known::named(home, vocabulary)?;
    if home.table(&known).map(|(number, _)| number) != Some(snapshot) {
        let text =
            format!("import {snapshot} of {vocabulary} is not the newest any more; nothing was taken back");
        return Err(usage(text).hint("look at Data again: it shows the newest"));
    }
    Ok((undo(home, &Choice::Named(vocabulary.to_owned()))?, known.dataset().to_owned()))
}

fn plan(home: &Home, wish: &Wish, hash: Digest, vocabulary: Arc<Vocabulary>) -> Result<Plan, CommandError> {
    let mut options = Options {
        columns: wish.columns.clone(),
        dates: wish.dates.unwrap_or_default(),
        repair: wish.repair.unwrap_or_default(),
        ..Options::default()
    };
    let header = header_of(&wish.file, &vocabulary).map_err(|error| usage(error.0))?;
    if let Some(profile) =
        records::profiles(home).map_err(failed)?.get(&records::profile_key(&vocabulary, &header))
    {
        for (column, header) in &profile.columns {
            options.columns.entry(column.clone()).or_insert_with(|| header.clone());
        }
        options.dates = wish.dates.or(profile.dates).unwrap_or_default();
        options.repair = wish.repair.or(profile.repair).unwrap_or_default();
    }
    let today = clock::now().day();
    let replace = wish.replace.as_deref().map(|text| {
        Period::parse(text).ok_or_else(|| {
            usage(format!("`{text}` is no period in one school year; write 2025-09-01..2025-12-19"))
        })
    });
    let replace = replace.transpose()?;
    if replace.is_some() && vocabulary.date_column().is_none() {
        let text = format!("{} has no dates: an import of it replaces all that was there", vocabulary.name());
        return Err(usage(text).hint("leave --replace out"));
    }
    options.days = match replace {
        Some(period) => Some((period.first(), period.last())),
        None => Day::parse(FIRST_DAY).map(|first| (first, last_day(today))),
    };
    let day = wish.day.as_deref().map(|text| {
        Day::parse(text).ok_or_else(|| usage(format!("`{text}` is not a date; write 2025-08-21")))
    });
    options.day = day.transpose()?;
    options.terms = terms(home)?;
    options.context = Arc::new(known::context(home, &vocabulary, today)?);
    let fingerprint = records::fingerprint(&wish.file, &hash, wish, &options).map_err(failed)?;
    Ok(Plan { hash, vocabulary, options, replace, fingerprint })
}

/// Registers and timetables are written ahead to the year's end, not beyond.
fn last_day(today: Day) -> Day {
    Day::from_civil(today.academic_year().0 + 1, 8, 31).unwrap_or(today)
}

/// The node's own calendar; without a `terms.toml` that of England.
fn terms(home: &Home) -> Result<Terms, CommandError> {
    let path = home.join("terms.toml");
    match crate::folder::read_optional(&path).map_err(failed)? {
        None => Ok(Terms::default()),
        Some(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            Terms::from_toml(&text).map_err(|what| usage(format!("{}: {what}", path.display())))
        }
    }
}

/// Reads the file as often as it asks for; writes its rows into a staged table, or nowhere.
fn read(
    plan: &Plan,
    wish: &Wish,
    staged: Option<&Path>,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, CommandError> {
    let mut options = plan.options.clone();
    let vocabulary = &plan.vocabulary;
    if wish.infer_terms {
        let asides = Options { quarantine: None, ..options.clone() };
        let report = read_file(&wish.file, vocabulary, &asides, None, &mut |_, _| Ok(()));
        options.terms = Terms::inferred(&report.map_err(|error| usage(error.0))?.open_days);
    }
    loop {
        let mut writer = match staged {
            Some(staged) => Some(TableWriter::create(staged, vocabulary).map_err(|error| failed(error.0))?),
            None => None,
        };
        let mut rows = 0;
        let report = read_file(&wish.file, vocabulary, &options, None, &mut |_, row| {
            rows += 1;
            if rows % 50_000 == 0 {
                progress(rows);
            }
            writer.as_mut().map_or(Ok(()), |writer| writer.push(row))
        });
        let mut report = report.map_err(|error| usage(error.0))?;
        match report.again.take() {
            // What was written so far is dropped.
            Some(settled) => options.settled = Some(settled),
            None => {
                if let Some(writer) = writer {
                    writer.finish().map_err(|error| failed(error.0))?;
                }
                return Ok(report);
            }
        }
    }
}

/// The stretches of days that the file replaces; `None` where it replaces all there is.
fn replaced(plan: &Plan, report: &Report) -> Option<Vec<RangeInclusive<Day>>> {
    plan.vocabulary.date_column()?;
    if let Some(period) = plan.replace {
        return Some(vec![period.first()..=period.last()]);
    }
    let mut stretches: Vec<RangeInclusive<Day>> = vec![];
    for day in report.rows_by_day.keys() {
        match stretches.last_mut() {
            Some(last) if last.end().0 + 1 == day.0 => *last = *last.start()..=*day,
            Some(_) | None => stretches.push(*day..=*day),
        }
    }
    Some(stretches)
}

/// How many rows of the newest snapshot a file takes the place of.
fn replaces(home: &Home, plan: &Plan, report: &Report) -> Result<Replaces, CommandError> {
    let Some((_, folder)) = home.table(&plan.vocabulary) else { return Ok(Replaces::default()) };
    let rows = |sql: &str| lookup(&folder, &plan.vocabulary, sql).map_err(failed);
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (Some(date), Some(stretches)) = (plan.vocabulary.date_column(), replaced(plan, report)) else {
        let all = rows("SELECT COUNT(*) FROM t")?;
        let rows = all.first().and_then(|row| row.first()).map_or(0, number);
        return Ok(Replaces { rows, of_other_days: 0 });
    };
    let name = &date.name;
    let mut replaces = Replaces::default();
    for row in rows(&format!("SELECT CAST({name} AS VARCHAR), COUNT(*) FROM t GROUP BY 1"))? {
        let [Some(day), rows] = row.as_slice() else { continue };
        let Some(day) = Day::parse(day).filter(|day| stretches.iter().any(|days| days.contains(day))) else {
            continue;
        };
        replaces.rows += number(rows);
        if !report.rows_by_day.contains_key(&day) {
            replaces.of_other_days += number(rows);
        }
    }
    Ok(replaces)
}

/// Keeps what a person said about this kind of file, for the next one.
fn remember(home: &Home, wish: &Wish, plan: &Plan) -> Result<(), CommandError> {
    let said = !wish.columns.is_empty() || wish.dates.is_some();
    if !said {
        return Ok(());
    }
    let header = header_of(&wish.file, &plan.vocabulary).map_err(|error| usage(error.0))?;
    let mut profiles = records::profiles(home).map_err(failed)?;
    let key = records::profile_key(&plan.vocabulary, &header);
    let profile = records::Profile { columns: plan.options.columns.clone(), dates: wish.dates, repair: None };
    profiles.insert(key, profile);
    records::write_profiles(home, &profiles).map_err(failed)
}

fn loaded(
    home: &Home,
    wish: &Wish,
    plan: &Plan,
    report: Report,
    outcome: Outcome,
    quarantine: Option<PathBuf>,
) -> Loaded {
    let name = wish.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let warnings = known::roll_warning(home, &plan.vocabulary, &report).into_iter();
    let warnings = warnings.chain(known::pupils_warning(home, &plan.vocabulary)).collect();
    Loaded {
        dataset: plan.vocabulary.dataset().to_owned(),
        hash: plan.hash,
        file: name,
        vocabulary: plan.vocabulary.name().to_owned(),
        report,
        outcome,
        quarantine,
        warnings,
        replaces: Replaces::default(),
    }
}

/// A folder's error in a command's words.
fn store(error: StoreError) -> CommandError {
    failed(error)
}
