//! What a program reads: the same values as pages and the command line.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::MemberId;
use datacoop_protocol::member::Member;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::papers::certificate_text;
use super::super::rounds::{basis_of, find_round, listed, told};
use super::super::series::series_of;
use super::super::{Answer, Failed, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::engine::parquet_of;
use crate::error::CommandError;
use crate::figure::{COLUMNS, Figure, NUMBERS, csv_of, lines_of};
use crate::follow::entry_json;
use crate::own::beside::beside;
use crate::pages::openings_json;
use crate::view::{release_json, status_json};

/// Entries of a log at a time.
const ENTRIES_MAX: u64 = 500;

/// Looks at the Member.
async fn seen(handle: &Handle, look: impl FnOnce(&Member) -> Value + Send + 'static) -> Answer {
    Ok(Json(handle.view(look).await.ok_or_else(stopped)?))
}

pub(super) async fn status(State(handle): State<Handle>) -> Answer {
    seen(&handle, |member| status_json(member, clock::now())).await
}

pub(super) async fn ledger(State(handle): State<Handle>) -> Answer {
    let of = |member: &Member| {
        let status = status_json(member, clock::now());
        json!({ "schema": "datacoop.ledger/1", "demo": status["demo"], "accounts": status["ledger"],
                "untouched": status["untouched"], "years": status["years"] })
    };
    seen(&handle, of).await
}

pub(super) async fn charter(State(handle): State<Handle>) -> Answer {
    let of = |member: &Member| {
        let charter = member.fold().charter_at(member.me(), clock::now()).clone();
        let fields = charter.fields();
        json!({ "schema": "datacoop.charter/1", "demo": fields.demo, "name": fields.name, "id": charter.id().to_string(),
                "hash": charter.hash().to_string(), "version": charter.version(),
                "effective": fields.effective.to_string(), "expires": fields.expires.to_string() })
    };
    let Json(mut json) = seen(&handle, of).await?;
    let hash = json["hash"].as_str().unwrap_or_default().to_owned();
    let held = handle.home().charters().map_err(Failed::from)?;
    let text = held.into_iter().find(|(_, held)| held.hash().to_string() == hash).map(|(text, _)| text);
    json["text"] = json!(text);
    Ok(Json(json))
}

pub(super) async fn members(State(handle): State<Handle>) -> Answer {
    let of = |member: &Member| {
        let charter = member.fold().charter_at(member.me(), clock::now());
        let each = charter.members().iter().map(|one| {
            json!({ "id": one.id.to_string(), "name": one.name, "body": one.body,
                    "roles": one.roles.iter().map(|role| role.code()).collect::<Vec<_>>(),
                    "people_min": one.people_min, "people_max": one.people_max, "dormant": one.dormant })
        });
        json!({ "schema": "datacoop.members/1", "demo": charter.fields().demo, "members": each.collect::<Vec<_>>() })
    };
    seen(&handle, of).await
}

pub(super) async fn vocabularies(State(handle): State<Handle>) -> Answer {
    let known = handle.home().vocabularies().map_err(Failed::from)?;
    let each = known.into_iter().map(|(hash, (text, vocabulary))| {
        json!({ "name": vocabulary.name(), "dataset": vocabulary.dataset(), "sha256": hash.to_string(), "text": text })
    });
    Ok(Json(json!({ "schema": "datacoop.vocabularies/1", "vocabularies": each.collect::<Vec<_>>() })))
}

pub(super) async fn questions(State(handle): State<Handle>) -> Answer {
    seen(&handle, openings_json).await
}

pub(super) async fn queries(State(handle): State<Handle>, Query(From { from }): Query<From>) -> Answer {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let of = move |member: &Member| {
        let demo = member.fold().charter().fields().demo;
        let (all, queries) = listed(member, clock::now(), from);
        let more = from.saturating_add(queries.len()) < all;
        json!({ "schema": "datacoop.queries/1", "demo": demo, "queries": queries, "size": all, "more": more })
    };
    seen(&handle, of).await
}

pub(super) async fn query(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let found = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(told(member, &round, clock::now()))
    });
    Ok(Json(found.await.ok_or_else(stopped)??))
}

pub(super) async fn releases(State(handle): State<Handle>) -> Answer {
    let released = handle.released();
    let of = move |member: &Member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let list = rounds.filter_map(|round| release_json(member.fold(), round));
        json!({ "schema": "datacoop.results/1", "demo": member.fold().charter().fields().demo,
                "releases": list.collect::<Vec<_>>() })
    };
    seen(&handle, of).await
}

/// As `id` or `id.json` the release; as `id.csv` and `id.parquet` its figures.
pub(super) async fn release(
    State(handle): State<Handle>,
    Path(name): Path<String>,
) -> Result<Response, Failed> {
    let (id, form) = name.rsplit_once('.').unwrap_or((name.as_str(), "json"));
    let (release, basis) = basis_of(&handle, id.to_owned()).await?;
    let figures: Vec<Figure> = basis.figures(&[]);
    match form {
        "json" => {
            let series = series_of(&handle, basis.query.clone()).await?;
            let json = json!({
                "schema": "datacoop.release/1", "demo": figures.iter().any(|figure| figure.demo), "release": release,
                "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
                "series": series.iter().map(Figure::json).collect::<Vec<_>>(),
            });
            Ok(Json(json).into_response())
        }
        "csv" => {
            let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
            Ok((headers, csv_of(&figures, false)).into_response())
        }
        "parquet" => {
            let bytes = parquet_of(&COLUMNS, &NUMBERS, &lines_of(&figures, false));
            let bytes = bytes.map_err(|error| CommandError::failed(error.to_string()))?;
            Ok(([(header::CONTENT_TYPE, "application/vnd.apache.parquet")], bytes).into_response())
        }
        other => {
            let text =
                format!("a release is there as .json, .csv and .parquet, not as .{}", other.escape_debug());
            Err(CommandError::usage(text).into())
        }
    }
}

/// The figures with ours beside them: counted here, and sent nowhere else.
pub(super) async fn own(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let (_, basis) = basis_of(&handle, id).await?;
    let own = basis.count(handle.home()).await.map(|ours| beside(&basis, &ours)).unwrap_or_default();
    let figures = basis.figures(&own);
    Ok(Json(json!({ "schema": "datacoop.own/1", "query": basis.query, "with_own": !own.is_empty(),
                    "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() })))
}

pub(super) async fn certificate(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Response, Failed> {
    let (_, text) = certificate_text(&handle, id).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

pub(super) async fn logs(State(handle): State<Handle>) -> Answer {
    let of = |member: &Member| {
        let each = member.fold().logs().map(|log| {
            json!({ "member": log.member.to_string(), "log": log.origin,
                    "entries": log.note().map_or(0, |(size, _)| size),
                    "witnessed": member.witnessed().size(log) })
        });
        json!({ "schema": "datacoop.logs/1", "logs": each.collect::<Vec<_>>() })
    };
    seen(&handle, of).await
}

fn no_log() -> CommandError {
    CommandError::usage("there is no log of such a member here".into()).hint("GET /api/v1/logs lists them")
}

pub(super) async fn checkpoint(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Response, Failed> {
    let found = handle.view(move |member| {
        let id: Option<MemberId> = id.parse().ok();
        let log = id.and_then(|id| member.fold().log(&id))?;
        member.witnessed().newest(log)
    });
    let note = found.await.ok_or_else(stopped)?.ok_or_else(no_log)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// From which entry on.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    from: u64,
}

pub(super) async fn entries(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(From { from }): Query<From>,
) -> Answer {
    let found = handle.view(move |member| {
        let id: Option<MemberId> = id.parse().ok();
        let log = id.and_then(|id| member.fold().log(&id)).ok_or_else(no_log)?;
        let size = log.note().map_or(0, |(size, _)| size);
        let end = size.min(from.saturating_add(ENTRIES_MAX));
        let each = (from..end).filter_map(|index| {
            let mut json = entry_json(member.fold(), log, index)?;
            let bytes = log.entries().get(usize::try_from(index).ok()?)?;
            json["exact"] = json!(std::str::from_utf8(bytes).ok());
            Some(json)
        });
        let each: Vec<Value> = each.collect();
        Ok::<_, CommandError>(
            json!({ "schema": "datacoop.entries/1", "entries": each, "size": size, "more": end < size }),
        )
    });
    Ok(Json(found.await.ok_or_else(stopped)??))
}
