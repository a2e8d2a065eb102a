//! Papers that the node writes to files: a seat's opening and a Release's Certificate.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use datacoop_policy::QueryId;
use datacoop_protocol::certificate::{NotCertified, finish};
use datacoop_protocol::member::opening::NotShown;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rounds::find_round;
use super::{Answer, Failed, stopped};
use crate::certificate::{Shelf, write_certificate};
use crate::driver::Handle;
use crate::error::{CommandError, Exit};
use crate::opening;

/// Which round's opening to write, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpeningRequest {
    /// The query's id, or its beginning.
    pub query: String,
    /// The file to make.
    pub file: PathBuf,
}

/// Which Release to certify, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// The Query's id, or the first digits of it.
    pub query: String,
    /// The file.
    pub file: PathBuf,
}

/// Writes what our seat was sent in a round that names it: only into a file that only its owner reads.
pub(super) async fn opening(State(handle): State<Handle>, Json(request): Json<OpeningRequest>) -> Answer {
    let OpeningRequest { query, file } = request;
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &query)?;
        member.may_show(&round).map_err(|why| not_shown(&why))?;
        Ok::<_, CommandError>(round)
    });
    let round = seen.await.ok_or_else(stopped)??;
    let home = handle.home().clone();
    let written = tokio::task::spawn_blocking(move || opening::write(&home, &round, &file)).await;
    Ok(Json(written.map_err(|error| Failed::from(CommandError::failed(error.to_string())))??))
}

fn not_shown(why: &NotShown) -> CommandError {
    let exit = match why {
        NotShown::UnderWay => Exit::Going,
        NotShown::Gone => Exit::Failed,
        NotShown::NoSeat
        | NotShown::FewSeats(_)
        | NotShown::NotClosed
        | NotShown::NoneNamed
        | NotShown::Named(_)
        | NotShown::Step => Exit::Refused,
    };
    CommandError { exit, text: why.to_string(), hint: None }
}

pub(super) async fn certificate(
    State(handle): State<Handle>,
    Json(request): Json<CertificateRequest>,
) -> Answer {
    let CertificateRequest { query, file } = request;
    let (id, text) = certificate_text(&handle, query).await?;
    let shown = file.display().to_string();
    let written = tokio::task::spawn_blocking(move || {
        write_certificate(&file, &text).map_err(|error| CommandError::usage(error.to_string()))?;
        Ok::<_, CommandError>(text.len())
    });
    let bytes = written.await.map_err(|error| Failed::from(CommandError::failed(error.to_string())))??;
    Ok(Json(
        json!({ "schema": "datacoop.certificate/1", "query": id.to_string(), "file": shown, "bytes": bytes }),
    ))
}

/// The Certificate of a Release. Errors: there is none, or not enough witnesses have seen it yet.
pub(crate) async fn certificate_text(
    handle: &Handle,
    query: String,
) -> Result<(QueryId, String), CommandError> {
    let shelf = Shelf::read(handle.home()).map_err(|error| CommandError::failed(error.to_string()))?;
    let gathered = handle.view(move |member| {
        let round = find_round(member.fold(), &query)?;
        let none =
            |why: NotCertified| CommandError { exit: exit_of(&why), ..CommandError::failed(why.to_string()) };
        Ok::<_, CommandError>((round.id, shelf.gather(member, &round).map_err(none)?))
    });
    let (id, gathered) = gathered.await.ok_or_else(stopped)??;
    let finished = tokio::task::spawn_blocking(move || finish(&gathered));
    let text = finished.await.map_err(|error| CommandError::failed(error.to_string()))?;
    Ok((id, text.map_err(|why| CommandError::failed(why.to_string()))?))
}

/// A Release that enough witnesses have not seen yet may be certified later; another is none to certify.
fn exit_of(why: &NotCertified) -> Exit {
    match why {
        NotCertified::NoRelease => Exit::Usage,
        NotCertified::Unwitnessed { .. } => Exit::Going,
        NotCertified::Missing(_) | NotCertified::TooLong(_) | NotCertified::Fails(..) => Exit::Failed,
    }
}
