//! What stands in the logs, in plain words, newest first.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::{frame_of, stopped};
use crate::driver::Handle;
use crate::follow::news;

/// Entries of each log on the page.
const ENTRIES_EACH: u64 = 40;
/// Entries on the page.
const ENTRIES_MAX: usize = 200;

pub(super) async fn log(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    let seen = handle.view(|member| {
        let fold = member.fold();
        let from: BTreeMap<String, u64> = fold
            .logs()
            .map(|log| (log.member.to_string(), log.size().saturating_sub(ENTRIES_EACH)))
            .collect();
        let mut entries = news(fold, Some(&from))["entries"].as_array().cloned().unwrap_or_default();
        entries.reverse();
        entries.truncate(ENTRIES_MAX);
        let logs: Vec<(String, String, u64)> = fold
            .logs()
            .map(|log| {
                let name =
                    fold.member(&log.member).map_or_else(|| log.member.to_string(), |m| m.name.clone());
                (name, log.origin.clone(), log.size())
            })
            .collect();
        let head = fold.log(member.me()).and_then(|log| member.witnessed().newest(log)).unwrap_or_default();
        (entries, logs, head)
    });
    let Some((entries, logs, head)) = seen.await else { return frame.error("/log", &stopped()) };
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = html! {
        p { "Every question, answer, refusal and debit is signed and stands here. Nothing can be taken out later without others noticing." }
        h2 { "Check it yourself" }
        p { "Without trusting this node:" }
        pre { "datacoop log export out\ndatacoop verify out" }
        h2 { "Latest entries" }
        ul class="list" {
            @for entry in &entries {
                li class=[(entry["alert"] == true).then_some("alert")] {
                    (words(&entry["text"]))
                    p class="meta" { (words(&entry["time"])) " UTC, entry " (entry["index"]) " of " (words(&entry["log"])) }
                }
            }
        }
        div class="scroll" role="region" tabindex="0" aria-label="Logs that this node holds" {
            table class="plain" {
                caption { "Logs that this node holds" }
                thead { tr { th scope="col" { "Member" } th scope="col" { "Log" } th scope="col" { "Entries" } } }
                tbody { @for (name, origin, size) in &logs { tr { td { (name) } td { (origin) } td { (size) } } } }
            }
        }
        h2 { "Our latest checkpoint" }
        p { "Signed by us and cosigned by witnesses: keep a copy, and nobody can rewrite what stands below it." }
        pre { (head) }
    };
    frame.page("/log", "Log", &body)
}
