//! Rounds and Releases that the node knows of.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::rounds::Round;
use serde_json::json;

use super::{Answer, Failed, stopped};
use crate::driver::Handle;
use crate::error::CommandError;
use crate::own::basis::BasisText;
use crate::view::{release_json, round_json, stage};

/// Digits of a query id that must be given: as many as `status` shows.
const PREFIX_MIN: usize = 8;

pub(super) async fn results(State(handle): State<Handle>) -> Answer {
    let released = handle.released();
    let list = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let list = rounds.filter_map(|round| release_json(member.fold(), round));
        (member.fold().charter().fields().demo, list.collect::<Vec<_>>())
    });
    let (demo, list) = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.results/1", "demo": demo, "releases": list })))
}

pub(super) async fn query(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(round_json(member.fold(), &round))
    });
    Ok(Json(seen.await.ok_or_else(stopped)??))
}

/// What a release follows from; whoever may compare it with rows of ours reads those itself.
pub(super) async fn basis(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        let basis = BasisText::of(member, &round);
        let text = || CommandError::usage(format!("query {} has no release: {}", round.id, stage(&round)));
        basis.ok_or_else(|| text().hint("list releases with their ids: datacoop results"))
    });
    let basis = seen.await.ok_or_else(stopped)??;
    let json =
        serde_json::to_value(basis).map_err(|error| Failed::from(CommandError::failed(error.to_string())))?;
    Ok(Json(json))
}

/// The round of a query id, or of the only one that begins like this.
pub(crate) fn find_round(fold: &Fold, id: &str) -> Result<Arc<Round>, CommandError> {
    let hex = id.to_ascii_lowercase();
    if hex.len() < PREFIX_MIN || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage(format!("a query id is hex, at least {PREFIX_MIN} digits of it"))
            .hint("list releases with their ids: datacoop results"));
    }
    let mut found = fold.rounds().values().filter(|round| round.id.to_string().starts_with(&hex));
    match (found.next(), found.next()) {
        (Some(round), None) => Ok(round.clone()),
        (Some(_), Some(_)) => {
            Err(CommandError::usage(format!("more than one query begins with `{hex}`; give more digits")))
        }
        (None, _) => Err(CommandError::usage("no log here holds this query".into())),
    }
}
