//! The audit that a button starts: every log that the node holds, from nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use datacoop_policy::Time;
use maud::{Markup, html};
use serde_json::Value;

use super::super::Shared;
use super::super::words::{items, moment, said, sentence};
use crate::api::logs::audit;
use crate::clock;
use crate::error::CommandError;
use crate::follow::clock_text;

/// How long a person waits for the answer before the page says that it goes on: below what a page may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of the last check since this node started.
#[derive(Default)]
pub(in crate::pages) enum Checking {
    /// None yet.
    #[default]
    Never,
    /// It goes on.
    Since(Time),
    /// It ended.
    Done(Done),
}

/// A check that ended.
pub(in crate::pages) struct Done {
    at: Time,
    took: Duration,
    found: Result<Value, CommandError>,
}

/// Checks every log, one check at a time. Who presses again meanwhile is told that it goes on.
pub(in crate::pages) async fn check(State(shared): State<Shared>) -> Response {
    let began = {
        let mut checking = shared.checking.lock().await;
        let idle = !matches!(*checking, Checking::Since(_));
        if idle {
            *checking = Checking::Since(clock::now());
        }
        idle
    };
    if began {
        let (handle, checking) = (shared.handle.clone(), Arc::clone(&shared.checking));
        let auditing = Arc::clone(&shared.auditing);
        // Goes on although nobody waits for it any more.
        let ends = tokio::spawn(async move {
            // One that a program asked for ends first.
            let held = auditing.lock().await;
            let start = Instant::now();
            let found = audit(&handle, None).await;
            drop(held);
            *checking.lock().await = Checking::Done(Done { at: clock::now(), took: start.elapsed(), found });
        });
        let _goes_on = tokio::time::timeout(PATIENCE, ends).await;
    }
    Redirect::to("/log#checked").into_response()
}

/// What the last check found; `entries` is how many there are now.
pub(super) fn said_of(checking: &Checking, entries: u64) -> Markup {
    html! {
        section id="checked" aria-labelledby="checked-heading" tabindex="-1" {
            @match checking {
                Checking::Never => {
                    h2 id="checked-heading" { (entries) " entries are here" }
                    p { "They have not been checked since this node started." }
                    (button("Check them"))
                },
                Checking::Since(at) => {
                    h2 id="checked-heading" { "The check goes on" }
                    p { "It began on " (moment(&clock_text(*at))) ". " a href="/log" { "Look again" } }
                },
                Checking::Done(Done { at, took, found: Ok(found) }) => {
                    (result(found))
                    p class="meta" { "Checked on " (moment(&clock_text(*at))) ", in " (seconds(*took)) "." }
                    (button("Check again"))
                },
                Checking::Done(Done { at, found: Err(error), .. }) => {
                    h2 id="checked-heading" { "The check could not be made" }
                    p class="alert" { (sentence(&error.text)) " (on " (moment(&clock_text(*at))) ")" }
                    (button("Check again"))
                },
            }
        }
    }
}

/// The same in a line, for another page.
pub(in crate::pages) fn in_short(checking: &Checking) -> String {
    match checking {
        Checking::Never => "The logs have not been checked since this node started".to_owned(),
        Checking::Since(at) => format!("The logs are being checked since {}", moment(&clock_text(*at))),
        Checking::Done(Done { at, found: Ok(found), .. }) if found["result"] == "pass" => {
            let entries = items(&found["logs"]).iter().filter_map(|log| log["entries"].as_u64());
            format!(
                "Log checked on {}: all {} entries check out",
                moment(&clock_text(*at)),
                entries.sum::<u64>()
            )
        }
        Checking::Done(Done { at, .. }) => {
            format!("Log checked on {}: something does not check out", moment(&clock_text(*at)))
        }
    }
}

fn button(name: &str) -> Markup {
    html! { form method="post" action="/log/check" { button type="submit" { (name) } } }
}

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0 => "less than a second".to_owned(),
        1 => "1 second".to_owned(),
        n => format!("{n} seconds"),
    }
}

/// That this computer's disk has no longer what the node holds.
fn disk(disk: &Value) -> Markup {
    let lost = items(&disk["entries"]);
    html! {
        @if !lost.is_empty() || disk["damage"].is_string() {
            ul class="alert" id="disk" {
                @for entry in lost {
                    li { "Entry " (entry["entry"]) " of " (said(&entry["log"])) " is no longer on this computer's disk as its author signed it." }
                }
                @if let Some(damage) = disk["damage"].as_str() { li { (sentence(damage)) "." } }
            }
            h3 { "What to do now" }
            ol {
                li { "Nothing is lost yet: what this node holds in memory is whole, other members hold copies, and the node goes on." }
                li { "Copy this node's folder as it is, to see later what happened. A disk that does this once may do it again: have it checked." }
                li { "Then stop the node and have it take its log back from the members:" }
            }
            pre data-copy { "datacoop restore" }
        }
    }
}

fn result(found: &Value) -> Markup {
    let logs = items(&found["logs"]);
    let entries: u64 = logs.iter().filter_map(|log| log["entries"].as_u64()).sum();
    let failed = || {
        logs.iter()
            .flat_map(|log| items(&log["checks"]).iter().map(move |check| (log, check)))
            .filter(|(_, check)| check["result"] == "fail")
    };
    html! {
        @if found["result"] == "pass" {
            h2 id="checked-heading" { "All " (entries) " entries check out" }
            p { "Each stands under a checkpoint that its author signed, and every rule that an auditor can check was kept." }
        } @else {
            h2 id="checked-heading" { "Something does not check out" }
            (disk(&found["disk"]))
            @if failed().next().is_some() {
            ul class="alert" {
                @for (log, check) in failed() {
                    li {
                        @if let Some(entry) = check["entry"].as_u64() { "Entry " (entry) " of " } (said(&log["log"])) ": " (said(&check["text"]))
                    }
                }
            }
            h3 { "What to do now" }
            ul {
                li { "Keep the evidence: export the logs before anything else." }
                li { "Tell the member whose log it is, and the other members: they hold copies and can check the same." }
                li { "Do not delete this node's folder." }
            }
            pre data-copy { "datacoop log export evidence" }
            }
        }
        details {
            summary { "What was checked, log by log" }
            @for log in logs {
                h3 { (said(&log["log"])) ", " (log["entries"]) " entries" }
                ul { @for check in items(&log["checks"]) { li { (said(&check["result"])) ": " (said(&check["text"])) } } }
            }
        }
    }
}
