//! `datacoop charter show`: what a charter says, who signed it, and whether it is in force here.

use std::path::PathBuf;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_protocol::charter_text::{bare_text, parse_charter};
use datacoop_protocol::words;
use serde_json::{Value, json};

use super::charter::describe;
use super::demo::read;
use super::limits::waits;
use super::node::{home_of, store_error};
use super::why::Seen;
use super::{Common, Printed};
use super::{amend, belonging};
use crate::chain::Versions;
use crate::clock;
use crate::ending::{endings_json, endings_text};
use crate::error::CommandError;

/// Which versions act at this node, as its log says.
struct Standing {
    seen: Seen,
    in_force: Arc<Charter>,
}

impl Standing {
    /// `None` where this node is no member, or its journal does not read: a charter is shown all the same.
    fn of(common: &Common) -> Option<Self> {
        let seen = Seen::read(&home_of(common).ok()?, None).ok()?;
        let in_force = seen.in_force()?.0.clone();
        Some(Self { seen, in_force })
    }

    /// How a held version stands, after its line in a list.
    fn state(&self, charter: &Charter) -> String {
        if charter.hash() == self.in_force.hash() {
            return ", in force here".to_owned();
        }
        waits(&self.seen, &self.in_force, charter)
            .map_or_else(String::new, |waits| format!(", waits: it {}", waits.text()))
    }

    /// Before the text of a version that is not the one in force.
    fn warning(&self, charter: &Charter) -> String {
        let (shown, in_force) = (charter.version(), self.in_force.version());
        if charter.hash() == self.in_force.hash() {
            return String::new();
        }
        let state = match waits(&self.seen, &self.in_force, charter) {
            Some(waits) => format!("NOT IN FORCE YET: version {shown} waits; it {}.", waits.text()),
            None => format!("NOT IN FORCE ANY MORE: version {shown} was replaced."),
        };
        format!("{state} In force here is version {in_force}: datacoop charter show --version {in_force}\n\n")
    }
}

/// The version to show: of a file, or one that is held.
fn wanted(
    common: &Common,
    file: Option<&PathBuf>,
    version: Option<u32>,
) -> Result<(Versions, String), CommandError> {
    let chain = home_of(common).and_then(|home| home.charters().map_err(store_error));
    if let Some(path) = file {
        // A file can be read where no node is set up.
        return Ok((chain.unwrap_or_default(), read(path)?));
    }
    let chain = chain?;
    let Some((newest, charter)) = chain.last() else {
        return Err(CommandError::usage("this node has no charter yet".into()));
    };
    let Some(version) = version else {
        let note = newest.clone();
        return Ok((chain, note));
    };
    let held = chain.iter().find(|(_, charter)| charter.version() == version).map(|(note, _)| note.clone());
    let newest = charter.version();
    let note = held.ok_or_else(|| {
        CommandError::usage(format!("this node holds versions 1 to {newest}, and no version {version}"))
    })?;
    Ok((chain, note))
}

pub(super) fn show(
    common: &Common,
    file: Option<PathBuf>,
    version: Option<u32>,
) -> Result<Printed, CommandError> {
    let (chain, note) = wanted(common, file.as_ref(), version)?;
    let place = |error| {
        let path = file.as_ref().map(|path| format!("{}: ", path.display()));
        CommandError::usage(format!("{}{error}", path.unwrap_or_default()))
    };
    let charter = parse_charter(bare_text(&note)).map_err(place)?;
    let (signed, said) = amend::signatures(&chain, &note, &charter)?;
    let held = file.is_none();
    let standing = if held { Standing::of(common) } else { None };
    let rivals = if held { home_of(common)?.rivals().map_err(store_error)? } else { Default::default() };
    let rivals = amend::rivals(&chain, &rivals)?;
    let endings = endings_json(&charter, clock::now().day());
    let mut text = standing.as_ref().map_or_else(String::new, |standing| standing.warning(&charter));
    text += &endings_text(&endings);
    text += &format!("{}\n{said}", describe(&charter));
    text += &rivals.iter().map(amend::Rival::text).collect::<String>();
    if held && chain.len() > 1 {
        let state = |charter: &Charter| {
            standing.as_ref().map_or_else(String::new, |standing| standing.state(charter))
        };
        text += &format!("\nVersions\n{}", amend::history(&chain, &state));
    }
    let signed: Vec<String> = signed.iter().map(ToString::to_string).collect();
    let missing: Vec<String> = match charter.version() {
        1 => charter.members().iter().map(|m| m.id.to_string()).filter(|id| !signed.contains(id)).collect(),
        _ => vec![],
    };
    let json = json!({
        "schema": "datacoop.charter/1",
        "id": charter.id().to_string(),
        "words": words::words(&charter.id()),
        "version": charter.version(),
        "name": charter.fields().name,
        "demo": charter.fields().demo,
        "predecessor": charter.fields().predecessor.map(|id| id.to_string()),
        "members": charter.members().iter().map(belonging::member_json).collect::<Vec<_>>(),
        "purposes": charter.fields().purposes.iter().map(|purpose| purpose.id.clone()).collect::<Vec<_>>(),
        "endings": endings,
        "signed": signed,
        "missing": missing,
        "rivals": rivals.iter().map(amend::Rival::json).collect::<Vec<_>>(),
        "in_force": standing.as_ref().map(|standing| standing.in_force.version()),
        "waiting": waiting_json(&chain, standing.as_ref()),
    });
    Ok(Printed::new(json, text))
}

/// Versions that are held and do not act here yet.
fn waiting_json(chain: &Versions, standing: Option<&Standing>) -> Value {
    let waits =
        |charter: &Charter| standing.and_then(|standing| waits(&standing.seen, &standing.in_force, charter));
    chain.iter().filter_map(|(_, charter)| waits(charter)).map(|waits| waits.json()).collect()
}
