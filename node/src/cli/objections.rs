//! `datacoop objections`: people who object to being counted. Their ids stay in the node's folder; a
//! running node heeds a change from its next question on.

use clap::{Args, Subcommand};
use datacoop_policy::sql::{identifier, quoted};
use datacoop_policy::vocabulary::Unit;
use serde_json::json;

use super::node::{home_of, store_error};
use super::show::plain;
use super::{Common, Printed};
use crate::engine::lookup;
use crate::error::CommandError;
use crate::home::Home;
use crate::objections::{ID_BYTES_MAX, change, read};

#[derive(Subcommand)]
pub(super) enum ObjectionsCommand {
    /// Leave people out of everything this node computes
    Add(People),
    /// Count people again
    Remove(People),
    /// List whom this node leaves out
    List,
}

#[derive(Args)]
pub(super) struct People {
    /// Your own ids of them, as your files have them
    #[arg(required = true)]
    id: Vec<String>,
    /// Whose: pupils, people, or another dataset of your vocabularies
    #[arg(long)]
    dataset: String,
}

pub(super) fn objections(common: &Common, command: ObjectionsCommand) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    match command {
        ObjectionsCommand::Add(people) => add(&home, &people),
        ObjectionsCommand::Remove(people) => remove(&home, &people),
        ObjectionsCommand::List => list(&home),
    }
}

fn add(home: &Home, people: &People) -> Result<Printed, CommandError> {
    let known = home.vocabularies().map_err(store_error)?;
    let mut datasets: Vec<&str> = known.values().map(|(_, known)| known.dataset()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    if !datasets.contains(&people.dataset.as_str()) {
        return Err(CommandError::usage(format!(
            "there is no dataset `{}`; there are {}",
            people.dataset,
            datasets.join(", ")
        )));
    }
    if let Some(bad) = people.id.iter().position(|id| id.trim().is_empty() || id.len() > ID_BYTES_MAX) {
        let nth = bad + 1;
        return Err(CommandError::usage(format!("id {nth} is empty or longer than {ID_BYTES_MAX} bytes")));
    }
    let ids = people.id.iter().cloned();
    let added = change(home.path(), |held| {
        let held = held.entry(people.dataset.clone()).or_default();
        ids.map(|id| held.insert(id)).filter(|new| *new).count()
    });
    let added = added.map_err(store_error)?;
    let mut text = format!("{added} added. They are left out from the next question on.\n");
    if added < people.id.len() {
        text += "The others were on the list already.\n";
    }
    // A mistyped id would leave the person who objects counted.
    let unknown = unknown_ids(home, people)?;
    if !unknown.is_empty() {
        let ids: Vec<String> = unknown.iter().map(|id| plain(id)).collect();
        text += &format!("No table here has {}; check the spelling.\n", ids.join(", "));
    }
    let json = json!({ "schema": "datacoop.objections/1", "added": added, "unknown": unknown });
    Ok(Printed::new(json, text))
}

/// Those of the ids that no table of the dataset has. Without a table nothing is known of any.
fn unknown_ids(home: &Home, people: &People) -> Result<Vec<String>, CommandError> {
    let known = home.vocabularies().map_err(store_error)?;
    let list: Vec<String> = people.id.iter().map(|id| quoted(id)).collect();
    let (mut unknown, mut tables) = (people.id.clone(), 0);
    for (_, vocabulary) in known.values().filter(|(_, known)| known.dataset() == people.dataset) {
        let (Unit::Column(unit), Some((_, table))) = (vocabulary.unit(), home.table(vocabulary)) else {
            continue;
        };
        tables += 1;
        let unit = identifier(unit);
        let sql = format!("SELECT DISTINCT {unit} FROM t WHERE {unit} IN ({})", list.join(", "));
        let found =
            lookup(&table, vocabulary, &sql).map_err(|error| CommandError::failed(error.to_string()))?;
        let found: Vec<String> = found.into_iter().flatten().flatten().collect();
        unknown.retain(|id| !found.contains(id));
    }
    Ok(if tables == 0 { vec![] } else { unknown })
}

fn remove(home: &Home, people: &People) -> Result<Printed, CommandError> {
    let removed = change(home.path(), |held| {
        let held = held.entry(people.dataset.clone()).or_default();
        people.id.iter().filter(|id| held.remove(*id)).count()
    });
    let removed = removed.map_err(store_error)?;
    if removed == 0 {
        return Err(CommandError::usage(format!("none of them is on the list of `{}`", people.dataset))
            .hint("see the list: datacoop objections list"));
    }
    let text = format!("{removed} removed. They count from the next question on.\n");
    Ok(Printed::new(json!({ "schema": "datacoop.objections/1", "removed": removed }), text))
}

fn list(home: &Home) -> Result<Printed, CommandError> {
    let held = read(home.path()).map_err(store_error)?;
    let mut text = String::new();
    for (dataset, ids) in &held {
        let ids: Vec<String> = ids.iter().map(|id| plain(id)).collect();
        text += &format!("{dataset}: {}\n", ids.join(", "));
    }
    if held.is_empty() {
        text += "Nobody objects.\n";
    }
    Ok(Printed::new(json!({ "schema": "datacoop.objections/1", "objections": held }), text))
}
