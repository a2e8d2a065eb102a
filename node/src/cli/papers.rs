//! `datacoop papers`: the papers of this member, from its charter and its own limits. Reads the node's
//! folder, so it needs no running node, and writes nothing into it.

use std::path::PathBuf;

use datacoop_policy::Time;
use datacoop_policy::charter::Charter;
use datacoop_policy::delegation::Delegation;
use serde_json::json;

use super::node::{home_of, store_error};
use super::why::Seen;
use super::{Common, Printed};
use crate::clock;
use crate::error::CommandError;
use crate::home::Home;
use crate::loss::spent;
use crate::papers::{Paused, Source, Standard, State, check, papers as draw_up, write};

#[derive(clap::Args)]
pub(super) struct PapersArgs {
    /// Folder to write, new or empty; with --check, a folder of papers
    folder: PathBuf,
    /// Write nothing; say which papers in the folder are out of date, and exit with 1 if any is
    #[arg(long)]
    check: bool,
}

/// The data standards of the charter, as far as this node knows them.
fn standards(home: &Home, charter: &Charter) -> Result<Vec<Standard>, CommandError> {
    let known = home.vocabularies().map_err(store_error)?;
    let datasets = charter.fields().datasets.iter();
    let named = datasets.flat_map(|dataset| dataset.vocabularies.iter().map(|named| (&dataset.id, named)));
    let standards = named.map(|(dataset, (name, hash))| {
        let vocabulary = known.get(hash).map(|(_, vocabulary)| vocabulary.clone());
        let is_held = vocabulary.as_deref().is_some_and(|vocabulary| home.table(vocabulary).is_some());
        Standard { name: name.clone(), dataset: dataset.clone(), vocabulary, is_held }
    });
    Ok(standards.collect())
}

/// What members stopped, as far as our journal holds it and it holds now.
fn pauses(seen: &Seen, now: Time) -> Vec<Paused> {
    let all = seen.fold.acts().restrictions(&seen.fold, &seen.me, now);
    let holds = all.into_iter().filter_map(|wanted| {
        let until = wanted.until.filter(|until| *until > now)?;
        Some(Paused { target: wanted.target.clone(), until: until.day() })
    });
    holds.collect()
}

/// Leave to ask that holds now, whoever has it.
fn leaves(seen: &Seen, charter: &Charter, now: Time) -> Vec<Delegation> {
    let all = seen.fold.acts().delegations().map(|(_, held)| held);
    let mut all: Vec<Delegation> =
        all.filter(|held| !held.revoked && held.until >= now && held.check(charter).is_ok()).collect();
    all.sort_by(|a, b| (&a.audience, a.until, a.at).cmp(&(&b.audience, b.until, b.at)));
    all
}

pub(super) fn papers(common: &Common, args: &PapersArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let own = home.limits();
    let seen = Seen::read(&home, own.as_ref().ok())?;
    let (charter, me) = seen.in_force().ok_or_else(|| {
        CommandError::usage(format!("`{}` is no member of the charter, so it has no papers", seen.me))
    })?;
    let now = clock::now();
    let source = Source {
        pauses: &pauses(&seen, now),
        leaves: &leaves(&seen, charter, now),
        charter,
        me,
        own: own.as_ref().ok(),
        standards: &standards(&home, charter)?,
        spent: &spent(&seen.fold, &seen.me).accounts,
        today: now.day(),
    };
    let drawn = draw_up(&source);
    let shown = args.folder.display().to_string();
    let mut text = String::new();
    if let Err(problem) = &own {
        text += &format!("This node answers nothing: {problem}\n");
    }
    let newest = seen.charter.version();
    if newest > charter.version() {
        text += &format!(
            "Version {newest} is held and not in force here yet; these papers tell of version {}.\n",
            charter.version()
        );
    }
    let mut json = json!({
        "schema": "datacoop.papers/1",
        "folder": shown,
        "as_of": source.today.to_string(),
        "charter": { "version": charter.version(), "hash": charter.hash().to_string(), "newest": newest },
        "problem": own.as_ref().err(),
    });
    if args.check {
        let states = check(&args.folder, &drawn).map_err(store_error)?;
        return Ok(checked(json, text, &shown, states));
    }
    write(&args.folder, &drawn).map_err(store_error)?;
    drawn.keys().for_each(|name| text += &format!("wrote {shown}/{name}\n"));
    text += "They are drafts: fill in what stands in [square brackets], and have them read before they are used.\n";
    text += &format!("When rules change: datacoop papers --check {shown}\n");
    json["papers"] = drawn.iter().map(|(name, paper)| json!({ "file": name, "mark": paper.mark })).collect();
    Ok(Printed::new(json, text))
}

fn checked(
    mut json: serde_json::Value,
    mut text: String,
    folder: &str,
    states: std::collections::BTreeMap<String, State>,
) -> Printed {
    for (name, state) in &states {
        text += &format!(
            "{name:<28} {}\n",
            match state {
                State::Current => "says what is in force",
                State::OutOfDate =>
                    "OUT OF DATE: the rules, what is paused, who may ask, our limits, our data, the day or the program changed",
                State::Missing => "MISSING",
                State::Unmarked =>
                    "UNKNOWN: it carries no mark; it was not written by this program, or lost its last line",
            }
        );
    }
    let is_current = states.values().all(|state| *state == State::Current);
    if !is_current {
        text +=
            &format!("Write them anew into another folder, and carry over what you filled in in {folder}.\n");
    }
    json["current"] = json!(is_current);
    json["papers"] =
        states.iter().map(|(name, state)| json!({ "file": name, "state": state.code() })).collect();
    Printed { code: u8::from(!is_current), ..Printed::new(json, text) }
}
