//! The logs that this node holds: whether they check out, where they were witnessed, and each entry with what it
//! takes to check it elsewhere. What it does stands in [`crate::api::logs`] and [`crate::follow`], as for the
//! command line.
//!
//! Where to start: this file is the place itself; `check` the audit that a button starts; `entries` each log and
//! each entry.

mod check;
mod entries;
mod export;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use datacoop_protocol::fold::Log;
use datacoop_protocol::member::Member;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::encoded;
use super::words::{dated, moment, said, shortened};
use super::{Shared, frame_of, stopped};
use crate::figure::{Cell, Figure, Form, Number, Row, Unit, Who};
use crate::follow::news;

pub(super) use check::{Checking, check, in_short};
pub(super) use entries::{entry, one};
pub(super) use export::export;

/// Entries of each log among the latest.
const ENTRIES_EACH: u64 = 20;
/// Entries among the latest.
const ENTRIES_MAX: usize = 30;
/// Weeks of the figure.
const WEEKS: i64 = 26;
/// Days of a week.
const WEEK: i64 = 7;

/// A log as the table lists it.
struct Held {
    name: String,
    /// Where its entries stand.
    path: String,
    origin: String,
    size: u64,
    /// Entries under a head that enough witnesses cosigned.
    witnessed: u64,
}

/// Where a log's entries stand: at its member's address, or for one that was replaced with its origin.
fn path_of(member: &Member, log: &Log) -> String {
    let current = member.fold().log(&log.member).is_some_and(|current| current.origin == log.origin);
    let id = encoded(log.member.as_str());
    if current { format!("/log/{id}") } else { format!("/log/{id}?log={}", encoded(&log.origin)) }
}

/// Where an entry stands.
fn entry_path(log_path: &str, index: &Value) -> String {
    match log_path.split_once('?') {
        Some((path, query)) => format!("{path}/{index}?{query}"),
        None => format!("{log_path}/{index}"),
    }
}

fn held(member: &Member) -> Vec<Held> {
    let fold = member.fold();
    let log = |log: &Log| Held {
        name: fold.member(&log.member).map_or_else(|| log.member.to_string(), |known| known.name.clone()),
        path: path_of(member, log),
        origin: log.origin.clone(),
        size: log.note().map_or(0, |(size, _)| size),
        witnessed: member.witnessed().size(log),
    };
    fold.logs().map(log).collect()
}

/// The place as it is now.
struct Seen {
    latest: Vec<Value>,
    held: Vec<Held>,
    /// Our newest head, and of how many witnesses how many cosigned it and how many must.
    head: String,
    cosigned: (usize, usize, usize),
    refused: Vec<String>,
    weeks: Figure,
}

fn seen(member: &Member) -> Seen {
    let fold = member.fold();
    let from: BTreeMap<String, u64> =
        fold.logs().map(|log| (log.member.to_string(), log.size().saturating_sub(ENTRIES_EACH))).collect();
    let mut latest = news(fold, Some(&from))["entries"].as_array().cloned().unwrap_or_default();
    latest.reverse();
    latest.truncate(ENTRIES_MAX);
    let paths: BTreeMap<&str, String> =
        fold.logs().map(|log| (log.origin.as_str(), path_of(member, log))).collect();
    for entry in &mut latest {
        let path = paths.get(said(&entry["log"])).map(|path| entry_path(path, &entry["index"]));
        entry["path"] = serde_json::json!(path);
    }
    let name = |origin: &str| {
        let owner = fold.member_by_origin(origin).and_then(|id| fold.member(id));
        owner.map_or_else(|| origin.to_owned(), |owner| owner.name.clone())
    };
    let version = fold.charter_at(member.me(), crate::clock::now()).version();
    Seen {
        latest,
        held: held(member),
        head: fold.log(member.me()).and_then(|log| member.witnessed().newest(log)).unwrap_or_default(),
        cosigned: member.witnessed().counts(member.me(), version),
        refused: fold.refused().map(|(origin, why)| format!("{}: {why}", name(origin))).collect(),
        weeks: weeks(member),
    }
}

/// Entries of all logs by week, by their authors' clocks, of the last half year.
fn weeks(member: &Member) -> Figure {
    let today = crate::clock::now().day();
    // Day 0 was a Thursday, so day 4 a Monday.
    let monday = today.0 - (today.0 - 4).rem_euclid(WEEK);
    let first = monday - WEEK * (WEEKS - 1);
    let mut counts: BTreeMap<i64, u64> = (0..WEEKS).map(|week| (first + WEEK * week, 0)).collect();
    for log in member.fold().logs() {
        // By the times that the fold keeps: no entry is read again.
        for time in (0..log.size()).rev().filter_map(|index| log.time(index)) {
            let Some((_, count)) = counts.range_mut(..=time.day().0).next_back() else { break };
            *count += 1;
        }
    }
    let all: u64 = counts.values().sum();
    let row = |(day, count): (i64, u64)| {
        Row::new(
            [("Week from", datacoop_policy::Day(day).to_string().as_str())],
            Who::Plain,
            Cell::Exact { value: Number::whole(count), chance: None },
        )
    };
    Figure {
        id: "log-weeks".into(),
        title: format!("{all} entries in {WEEKS} weeks"),
        subtitle: "Entries of all logs that this node holds, by week".into(),
        unit: Unit::Of("entries".into()),
        form: Form::Ticks,
        rows: counts.into_iter().map(row).collect(),
        notes: vec![],
        source: "The logs that this node holds".into(),
        certificate: String::new(),
        demo: member.fold().charter().fields().demo,
    }
}

pub(super) async fn log(State(shared): State<Shared>) -> Response {
    let frame = frame_of(&shared.handle).await;
    let Some(seen) = shared.handle.view(seen).await else { return frame.error("/log", &stopped()) };
    let entries: u64 = seen.held.iter().map(|held| held.size).sum();
    let body = html! {
        p { "Every question, answer, refusal and debit is signed and stands here. Nothing can be taken out later without others noticing." }
        (check::said_of(&*shared.checking.lock().await, entries))
        p { a class="button plain" href=(export::PATH) { "Export" } " This node's log as one file, with all that it takes to check it elsewhere." }
        (checkpoint(&seen))
        h2 { "Consistency" }
        @if seen.refused.is_empty() {
            p { "Every log here goes on from what this node had seen of it: a log whose new checkpoint did not would be refused, and shown here." }
        } @else {
            p class="alert" { "These logs were refused, and are not followed any further:" }
            ul { @for why in &seen.refused { li { (why) } } }
        }
        h2 { "Check it yourself" }
        p { "Without trusting this node: save the export, open the archive where you can, and let any copy of the program check it. So you can check what another member gave you:" }
        pre data-copy { "datacoop verify " (export::FOLDER) }
        p { "By command, the same folder is written by:" }
        pre data-copy { "datacoop log export " (export::FOLDER) }
        (logs(&seen.held))
        (latest(&seen.latest))
        (seen.weeks.html())
    };
    frame.page("/log", "Log", &body)
}

fn checkpoint(seen: &Seen) -> Markup {
    let (cosigned, needed, named) = seen.cosigned;
    html! {
        h2 { "Latest checkpoint" }
        @if named == 0 {
            p { "The charter names no witnesses for our log." }
        } @else if cosigned >= needed {
            p { (cosigned) " of " (named) " witnesses cosigned it; " (needed) " must. Keep a copy, and nobody can rewrite what stands below it." }
        } @else {
            p { (cosigned) " of " (named) " witnesses have cosigned it so far; " (needed) " must." }
        }
        details {
            summary { "The checkpoint itself, as it is signed" }
            pre id="checkpoint" data-copy { (seen.head) }
        }
    }
}

fn logs(held: &[Held]) -> Markup {
    html! {
        div class="scroll" role="region" tabindex="0" aria-label="Logs that this node holds" {
            table class="plain" id="logs" {
                caption { "Logs that this node holds" }
                thead { tr { th scope="col" { "Member" } th scope="col" { "Log" } th scope="col" { "Entries" } th scope="col" { "Witnessed" } } }
                tbody {
                    @for Held { name, path, origin, size, witnessed } in held {
                        tr { th scope="row" { a href=(path) { (name) } } td { (origin) } td { (size) } td { (witnessed) } }
                    }
                }
            }
        }
    }
}

fn latest(entries: &[Value]) -> Markup {
    html! {
        h2 { "Latest entries" }
        ul class="list" {
            @for entry in entries {
                li class=[(entry["alert"] == true).then_some("alert")] {
                    (shortened(&dated(said(&entry["text"]))))
                    p class="meta" {
                        (moment(said(&entry["time"]))) ", "
                        @match entry["path"].as_str() {
                            Some(path) => a href=(path) { "entry " (entry["index"]) " of " (said(&entry["log"])) },
                            None => { "entry " (entry["index"]) " of " (said(&entry["log"])) },
                        }
                    }
                }
            }
        }
    }
}
