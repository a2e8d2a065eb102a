//! `datacoop vocabulary`: what data standards there are, what they say, and a first one for a file of
//! one's own. Needs no node; with one, its own vocabularies are listed too.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::{ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use datacoop_policy::vocabulary::{Column, Unit, VOCABULARY_BYTES_MAX, Vocabulary};
use datacoop_protocol::log::tree::sha256;
use serde_json::{Value, json};

use super::node::store_error;
use super::{Common, Printed};
use crate::draft::{Draft, draft, id_from};
use crate::error::CommandError;
use crate::home::{Home, SHIPPED_VOCABULARIES};
use crate::import::folded;
use crate::import::source;

/// Characters of allowed values in a table; the rest is a number.
const ALLOWED_SHOWN: usize = 40;

#[derive(Subcommand)]
pub(super) enum VocabularyCommand {
    /// List the data standards that are shipped and those added to this node
    List,
    /// Show the columns of one: what each allows and what may be done with it
    Show {
        /// Its name, such as attendance or attendance/1
        name: String,
        /// Print the text itself
        #[arg(long)]
        toml: bool,
    },
    /// Say what is wrong with a vocabulary of your own, or what was understood
    Check {
        /// The TOML file
        file: PathBuf,
    },
    /// Propose a vocabulary for a CSV file; prints it, with a comment for what you must decide
    Draft {
        /// The CSV file
        file: PathBuf,
    },
}

/// A vocabulary and where it is from.
struct Known {
    text: String,
    vocabulary: Vocabulary,
    shipped: bool,
}

pub(super) fn vocabulary(common: &Common, command: VocabularyCommand) -> Result<Printed, CommandError> {
    match command {
        VocabularyCommand::List => list(common),
        VocabularyCommand::Show { name, toml } => show(common, &name, toml),
        VocabularyCommand::Check { file } => check(&file),
        VocabularyCommand::Draft { file } => propose(common, &file),
    }
}

/// The shipped ones in their order, then this node's own by name.
fn known(common: &Common) -> Result<Vec<Known>, CommandError> {
    let mut all = Home::new(&common.node).vocabularies().map_err(store_error)?;
    let mut known = vec![];
    for shipped in SHIPPED_VOCABULARIES {
        let found = all.remove(&sha256(&[shipped.as_bytes()]));
        known.extend(found.map(|(text, vocabulary)| Known {
            text,
            vocabulary: vocabulary.as_ref().clone(),
            shipped: true,
        }));
    }
    let mut own: Vec<Known> = all
        .into_values()
        .map(|(text, vocabulary)| Known { text, vocabulary: vocabulary.as_ref().clone(), shipped: false })
        .collect();
    own.sort_by(|a, b| a.vocabulary.name().cmp(b.vocabulary.name()));
    known.extend(own);
    Ok(known)
}

fn list(common: &Common) -> Result<Printed, CommandError> {
    let known = known(common)?;
    let mut table = table(&["name", "title", "unit", "dataset", "columns", "from"]);
    for Known { vocabulary, shipped, .. } in &known {
        table.add_row([
            vocabulary.name(),
            vocabulary.title(),
            unit_text(vocabulary),
            vocabulary.dataset(),
            &vocabulary.columns().len().to_string(),
            from_text(*shipped),
        ]);
    }
    let rows = known.iter().map(|known| summary(&known.text, &known.vocabulary, from_text(known.shipped)));
    let json = json!({ "schema": "datacoop.vocabularies/1", "vocabularies": rows.collect::<Vec<_>>() });
    Ok(Printed::new(json, printable(&format!("{table}\n\nSee one: datacoop vocabulary show NAME\n"))))
}

fn show(common: &Common, name: &str, toml: bool) -> Result<Printed, CommandError> {
    let known = known(common)?;
    let matches = |known: &&Known| {
        let full = known.vocabulary.name();
        full == name || full.split('/').next() == Some(name)
    };
    let Some(Known { text, vocabulary, shipped }) = known.iter().find(matches) else {
        let names: Vec<&str> = known.iter().map(|known| known.vocabulary.name()).collect();
        return Err(CommandError {
            hint: Some("for a file of your own: datacoop vocabulary check FILE".into()),
            ..CommandError::usage(format!("there is no vocabulary `{name}`; there are {}", names.join(", ")))
        });
    };
    let json = described(text, vocabulary, from_text(*shipped));
    Ok(Printed::new(json, if toml { text.clone() } else { described_text(vocabulary) }))
}

fn check(file: &Path) -> Result<Printed, CommandError> {
    let wrong = |what: String| {
        CommandError {
        hint: Some(
            "see a whole one with `datacoop vocabulary show attendance --toml`, or start from your data: datacoop vocabulary draft FILE.csv"
                .into(),
        ),
        ..CommandError::usage(format!("{}: {what}", file.display()))
    }
    };
    let text = read_text(file).map_err(&wrong)?;
    let vocabulary =
        Vocabulary::from_toml(&text).map_err(|error| wrong(format!("{}{error}", place(&text, &error))))?;
    let notes = notes(&vocabulary);
    let mut json = described(&text, &vocabulary, "file");
    json["notes"] = json!(notes);
    let mut said = described_text(&vocabulary);
    notes.iter().for_each(|note| said += &printable(&format!("note: {note}\n")));
    said += &format!("It reads. Use it: datacoop import DATA.csv --vocabulary {}\n", file.display());
    Ok(Printed::new(json, said))
}

/// A whole text of bounded length. Errors: what is wrong and what to do.
fn read_text(file: &Path) -> Result<String, String> {
    let open = File::open(file).map_err(|error| error.to_string())?;
    let mut bytes = vec![];
    let limit = VOCABULARY_BYTES_MAX as u64 + 1;
    open.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > VOCABULARY_BYTES_MAX {
        return Err(format!("more than {VOCABULARY_BYTES_MAX} bytes; a vocabulary is shorter"));
    }
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty; write id, version, title, dataset, unit and column".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: not UTF-8 text; save it again in UTF-8")
    })
}

/// `line 9: ` where an error names a column or a field that stands in the text.
fn place(text: &str, error: &str) -> String {
    let named = error.split('`').nth(1).unwrap_or("");
    let wanted = if error.starts_with("column `") {
        // The last: where a name stands twice, the second is the mistake.
        columns_in(text).into_iter().rfind(|(name, _)| name == named).map(|(_, at)| at)
    } else if error.starts_with('`') {
        field_in(text, named)
    } else {
        None
    };
    let before = wanted.and_then(|at| text.get(..at));
    before.map_or(String::new(), |before| format!("line {}: ", before.matches('\n').count() + 1))
}

/// Names of columns and where each begins.
fn columns_in(text: &str) -> Vec<(String, usize)> {
    #[derive(serde::Deserialize)]
    struct Places {
        column: Vec<toml::Spanned<toml::Table>>,
    }
    let places: Places = toml::from_str(text).unwrap_or(Places { column: vec![] });
    let named = places.column.into_iter().map(|column| {
        let at = column.span().start;
        let name = column.get_ref().get("name").and_then(toml::Value::as_str).unwrap_or("").to_owned();
        (name, at)
    });
    named.collect()
}

fn field_in(text: &str, name: &str) -> Option<usize> {
    type Fields = std::collections::BTreeMap<String, toml::Spanned<toml::Value>>;
    toml::from_str::<Fields>(text).ok()?.get(name).map(|value| value.span().start)
}

/// What a vocabulary allows that its writer may not have meant.
fn notes(vocabulary: &Vocabulary) -> Vec<String> {
    let mut notes = vec![];
    if let Unit::Column(unit) = vocabulary.unit()
        && vocabulary.column(unit).is_some_and(|column| !column.never)
    {
        notes.push(format!(
            "column `{unit}` names the person; add `never = true`, or questions may filter by it"
        ));
    }
    if vocabulary.date_column().is_none() {
        notes.push("no column `date` of type date: a question counts every row, whatever its period".into());
    }
    if !vocabulary.columns().iter().any(|column| column.group) {
        notes.push("no column has `group = true`: results cannot be split".into());
    }
    let mut headers: Vec<(String, &str)> = vec![];
    for column in vocabulary.columns() {
        for header in column.synonyms.iter().chain([&column.name]) {
            let other = headers.iter().find(|(known, name)| *known == folded(header) && *name != column.name);
            if let Some((_, name)) = other {
                notes.push(format!("header `{header}` means `{name}` and `{}`; remove one", column.name));
            }
            headers.push((folded(header), &column.name));
        }
    }
    notes
}

fn propose(common: &Common, file: &Path) -> Result<Printed, CommandError> {
    let known: Vec<Vocabulary> = known(common)?.into_iter().map(|known| known.vocabulary).collect();
    let wrong = |what: &dyn std::fmt::Display| CommandError::usage(format!("{}: {what}", file.display()));
    let source = source::open(file).map_err(|error| CommandError::usage(error.to_string()))?;
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let Draft { toml, columns, fits, left_out } =
        draft(&id_from(&stem, &known), source, &known).map_err(|error| wrong(&error))?;
    let columns = columns.iter().map(|proposed| {
        let mut json = column_json(&proposed.column);
        json["header"] = json!(proposed.header);
        json["known"] = json!(proposed.known);
        json["decide"] = json!(proposed.decide);
        json
    });
    let json = json!({
        "schema": "datacoop.vocabulary-draft/1",
        "toml": toml,
        "columns": columns.collect::<Vec<_>>(),
        "fits": fits,
        "columns_left_out": left_out,
    });
    Ok(Printed::new(json, toml))
}

/// A vocabulary may be a stranger's: what would steer a terminal is shown, not obeyed.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "?")
}

fn from_text(shipped: bool) -> &'static str {
    if shipped { "shipped" } else { "this node" }
}

fn unit_text(vocabulary: &Vocabulary) -> &str {
    match vocabulary.unit() {
        Unit::Row => "a row",
        Unit::Column(name) => name,
    }
}

/// Values in a list, or the bounds of a number.
fn allowed_text(column: &Column) -> String {
    match (column.low, column.high) {
        (Some(low), Some(high)) => return format!("{low} to {high}"),
        (Some(low), None) => return format!("from {low}"),
        (None, Some(high)) => return format!("up to {high}"),
        (None, None) => {}
    }
    let mut text = String::new();
    for (at, value) in column.values.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        if at > 0 && text.len() + value.len() > ALLOWED_SHOWN {
            return format!("{text}, ... {} in all", column.values.len());
        }
        text += &format!("{comma}{value}");
    }
    text
}

/// A line a row: long lists of columns are read, not measured.
fn table(header: &[&str]) -> Table {
    let line = ContentLineStyle::none().junction('┆');
    let under = LineStyle::none().fill('═').junction('╪');
    let style = TableStyle::new().header_lines(line).header_separator(under).content_lines(line);
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

fn described_text(vocabulary: &Vocabulary) -> String {
    let mut table = table(&["column", "type", "allowed", "flags", "in words"]);
    for column in vocabulary.columns() {
        let role = column.role.as_deref();
        let flags: Vec<&str> = column.flags().into_iter().chain(role).collect();
        table.add_row([
            &column.name,
            column.kind.code(),
            &allowed_text(column),
            &flags.join(", "),
            &column.description,
        ]);
    }
    let unit = match vocabulary.unit() {
        Unit::Row => "each row is one person".to_owned(),
        Unit::Column(name) => format!("`{name}` says whom a row is about"),
    };
    printable(&format!(
        "{}: {}\nDataset {}; {unit}.\n\n{table}\n\n{FLAGS}\n",
        vocabulary.name(),
        vocabulary.title(),
        vocabulary.dataset()
    ))
}

/// What the flags mean, under each table.
const FLAGS: &str = "group: results may be split by it.  required: a file must have it.
sensitive: only for a purpose that names it.  private: filters and measures, never splits.
never: in no question.  derived: worked out at import.  member: says whose row it is.";

fn summary(text: &str, vocabulary: &Vocabulary, from: &str) -> Value {
    json!({
        "name": vocabulary.name(),
        "title": vocabulary.title(),
        "dataset": vocabulary.dataset(),
        "unit": match vocabulary.unit() { Unit::Row => "row", Unit::Column(name) => name },
        "columns": vocabulary.columns().len(),
        "from": from,
        "hash": sha256(&[text.as_bytes()]).to_string(),
    })
}

fn described(text: &str, vocabulary: &Vocabulary, from: &str) -> Value {
    let mut json = summary(text, vocabulary, from);
    json["schema"] = json!("datacoop.vocabulary/1");
    json["owner"] = json!(vocabulary.owner());
    json["licence"] = json!(vocabulary.licence());
    json["key"] = json!(vocabulary.key());
    json["columns"] = vocabulary.columns().iter().map(column_json).collect();
    json["toml"] = json!(text);
    json
}

fn column_json(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.kind.code(),
        "description": column.description,
        "values": column.values,
        "low": column.low,
        "high": column.high,
        "flags": column.flags(),
        "synonyms": column.synonyms,
        "role": column.role,
    })
}
