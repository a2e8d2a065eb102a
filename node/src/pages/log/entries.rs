//! One log, entry by entry, and one entry with its exact bytes and its proof.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use datacoop_policy::MemberId;
use datacoop_protocol::fold::{Fold, Log};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::super::words::{dated, moment, points, said, shortened};
use super::super::{frame_of, stopped};
use super::{entry_path, path_of};
use crate::driver::Handle;
use crate::error::CommandError;
use crate::follow::{entry_json, prove_entry};
use crate::view::stage;

/// Entries on a page.
const PAGE: u64 = 50;
/// Bytes in a line of a dump, as such dumps have them.
const DUMP_WIDTH: usize = 16;

/// Which log of a member, and from which entry on downwards.
#[derive(Deserialize)]
pub(in crate::pages) struct Which {
    /// Its origin; the current one, if left out.
    log: Option<String>,
    /// The newest entry to show.
    upto: Option<u64>,
}

/// A member's log. Errors: none of such a member is here.
fn find<'a>(fold: &'a Fold, member: &str, origin: Option<&str>) -> Result<&'a Log, CommandError> {
    let id: Option<MemberId> = member.parse().ok();
    let log = match origin {
        Some(origin) => fold.log_named(origin).filter(|log| Some(&log.member) == id.as_ref()),
        None => id.and_then(|id| fold.log(&id)),
    };
    log.ok_or_else(|| {
        CommandError::usage("there is no such log here".into()).hint("the logs stand under Log")
    })
}

/// A log, newest first.
pub(in crate::pages) async fn one(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Response {
    let frame = frame_of(&handle).await;
    let seen = handle.view(move |member| {
        let fold = member.fold();
        let log = find(fold, &id, which.log.as_deref())?;
        let size = log.note().map_or(0, |(size, _)| size);
        let end = which.upto.map_or(size, |upto| size.min(upto.saturating_add(1)));
        let begin = end.saturating_sub(PAGE);
        let mut entries: Vec<Value> = vec![];
        for index in (begin..end).rev() {
            let Some(mut entry) = entry_json(fold, log, index) else { continue };
            let round = said(&entry["query"]).parse().ok().and_then(|id| fold.round(&id));
            let title = round.and_then(|round| Some(round.query()?.question.question().title().to_owned()));
            entry["title"] = serde_json::json!(title);
            entries.push(entry);
        }
        let name = fold.member(&log.member).map_or_else(|| id.clone(), |known| known.name.clone());
        Ok::<_, CommandError>((name, log.origin.clone(), path_of(member, log), entries, (begin, end, size)))
    });
    let (name, origin, path, entries, (begin, end, size)) = match seen.await {
        Some(Ok(seen)) => seen,
        Some(Err(error)) => return frame.error("/log", &error),
        None => return frame.error("/log", &stopped()),
    };
    let more = |upto: u64| {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}upto={upto}")
    };
    let body = html! {
        p { "Log " code { (origin) } ", " (size) " entries. Times are as its author's clock had them." }
        (table(&path, &entries))
        p class="no-print" {
            @if end < size { a href=(more(end.saturating_add(PAGE - 1).min(size - 1))) { "Newer" } " " }
            @if begin > 0 { a href=(more(begin - 1)) { "Older" } }
        }
        p { a href="/log" { "All logs" } }
    };
    frame.page("/log", &format!("The log of {name}"), &body)
}

fn table(path: &str, entries: &[Value]) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Entries" {
            table class="plain" id="entries" {
                caption { "Entries, the newest first" }
                thead { tr { th scope="col" { "No." } th scope="col" { "When" } th scope="col" { "Kind" } th scope="col" { "Question" } th scope="col" { "Points" } } }
                tbody {
                    @for entry in entries {
                        tr {
                            th scope="row" { a href=(entry_path(path, &entry["index"])) { span class="unseen" { "Entry " } (entry["index"]) } }
                            td { (moment(entry["time"].as_str().unwrap_or("unknown"))) }
                            td { (said(&entry["kind"])) }
                            td { @if let Some(title) = entry["title"].as_str() { a href={ "/rounds/" (said(&entry["query"])) } { (title) } } }
                            td { @if let Some(points) = entry["points"].as_u64() { (points) } }
                        }
                    }
                }
            }
        }
    }
}

/// What a page on one entry shows.
struct Entry {
    json: Value,
    bytes: Vec<u8>,
    path: String,
    round: Option<String>,
    proof: Result<Value, CommandError>,
}

/// One entry: its sentence, its exact bytes, and the proof that it stands in its log.
pub(in crate::pages) async fn entry(
    State(handle): State<Handle>,
    Path((id, index)): Path<(String, u64)>,
    Query(which): Query<Which>,
) -> Response {
    let frame = frame_of(&handle).await;
    let seen = handle.view(move |member| {
        let fold = member.fold();
        let log = find(fold, &id, which.log.as_deref())?;
        let none = || CommandError::usage(format!("there is no entry {index} in this log"));
        let json = entry_json(fold, log, index).ok_or_else(none)?;
        let bytes =
            usize::try_from(index).ok().and_then(|place| log.entries().get(place)).ok_or_else(none)?;
        let round =
            said(&json["query"]).parse().ok().and_then(|id| fold.round(&id)).map(|round| stage(round));
        let (path, proof) = (path_of(member, log), prove_entry(member, index, Some(&log.origin)));
        Ok::<_, CommandError>(Entry { json, bytes: bytes.to_vec(), path, round, proof })
    });
    match seen.await {
        Some(Ok(seen)) => frame.page("/log", &format!("Entry {index}"), &show(&seen)),
        Some(Err(error)) => frame.error("/log", &error),
        None => frame.error("/log", &stopped()),
    }
}

fn show(seen: &Entry) -> Markup {
    let (json, index) = (&seen.json, &seen.json["index"]);
    html! {
        p class="lead" { (shortened(&dated(said(&json["text"])))) }
        dl class="pairs" {
            dt { "Log" } dd { a href=(seen.path) { (said(&json["log"])) } }
            dt { "Written" } dd { (moment(json["time"].as_str().unwrap_or("unknown"))) ", by its author's clock; in its bytes below by UTC" }
            dt { "Kind" } dd { (said(&json["kind"])) }
            @if seen.round.is_some() { dt { "Round" } dd { a href={ "/rounds/" (said(&json["query"])) } { "How far it is" } } }
            @if json["points"].is_u64() { dt { "Cost" } dd { (points(&json["points"])) " of the privacy budget" } }
        }
        h2 { "Its exact bytes" }
        @if let Ok(text) = std::str::from_utf8(&seen.bytes) { pre id="text" { (text) } }
        details {
            summary { "As hexadecimal, " (seen.bytes.len()) " bytes" }
            pre id="hex" { (dump(&seen.bytes)) }
        }
        h2 { "That it stands in the log" }
        @match &seen.proof {
            Ok(proof) => {
                p { "It stands under a signed checkpoint of " (proof["size"]) " entries. This is the proof, with the checkpoint:" }
                pre id="proof" data-copy { (said(&proof["proof"])) }
                p { "To check it without trusting this node, save it with its entry, and let any copy of the program check it:" }
                pre data-copy { "datacoop log proof " (index) " --log " (said(&json["log"])) " -o entry.proof\ndatacoop verify entry.proof" }
            },
            Err(error) => p class="alert" { "There is no proof of it yet: " (error.text) "." },
        }
    }
}

/// Bytes in lines: where, which, and as letters.
fn dump(bytes: &[u8]) -> String {
    let line = |(n, line): (usize, &[u8])| {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let letters: String = line
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        format!("{:06x}  {hex:<48} {letters}\n", n * DUMP_WIDTH)
    };
    bytes.chunks(DUMP_WIDTH).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_as_they_are() {
        assert_eq!(
            dump(b"{\"a\":\"\xc3\xa4\"}, and more"),
            "000000  7b 22 61 22 3a 22 c3 a4 22 7d 2c 20 61 6e 64 20  {\"a\":\"..\"}, and \n000010  6d 6f 72 65                                      more\n"
        );
    }
}
