//! The first page: what stands out, and how the node is.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use datacoop_policy::Day;
use maud::html;
use serde_json::Value;

use super::glossary::words_here;
use super::log::in_short;
use super::privacy::meters;
use super::role::Role;
use super::stands_out::{LOOKED_AT, stands_out};
use super::words::{day, moment, said};
use super::{Shared, frame_of, stopped};
use crate::figure::RANGE_NOTE;
use crate::html::day_words;
use crate::load::imported_on;
use crate::own::basis::Basis;
use crate::view::status_json;
use crate::{clock, inbox};

pub(super) async fn home(State(shared): State<Shared>, Extension(role): Extension<Role>) -> Response {
    let handle = shared.handle;
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let seen = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let mut rounds: Vec<_> = rounds.filter_map(|round| Some((round.query()?.at, round))).collect();
        rounds.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        // What cannot be shown here says so on its own page.
        let newest: Vec<_> =
            rounds.into_iter().take(LOOKED_AT).filter_map(|(_, round)| Basis::of(member, round)).collect();
        (status_json(member, clock::now()), newest, inbox::waiting_json(member), meters(member))
    });
    let Some((status, newest, waiting, meters)) = seen.await else { return frame.error("/", &stopped()) };
    let own = handle.home().clone();
    let imported = tokio::task::spawn_blocking(move || imported_on(&own)).await;
    let imported = imported.ok().and_then(Result::ok).unwrap_or_default();
    let shown = stands_out(&handle, &shared.counted, newest, role).await;
    let body = html! {
        (waits(&waiting))
        h2 { "What stands out" }
        @if shown.is_empty() {
            p { "No releases yet. " a href="/data" { "Import data" } ", " a href="/ask" { "ask a question" } ", or look at the demo (" code { "datacoop demo" } ")." }
        } @else {
            @for one in &shown { (one.html()) }
            p { (RANGE_NOTE) }
            p class="no-print" { a href="/results" { "All results" } }
        }
        h2 { "Your node" }
        (node(&status, &imported))
        p class="no-print" { a href="/log" { (in_short(&*shared.checking.lock().await)) } }
        @for figure in &meters { (figure.html()) }
        @if meters.is_empty() { p { "Nothing of the privacy budget has been spent yet." } }
        (words_here(&["cluster", "likely-range", "exact", "percentage-point", "privacy-budget"]))
    };
    frame.page("/", "Home", &body)
}

/// What waits for this member's person.
fn waits(waiting: &Value) -> maud::Markup {
    let until = waiting["until"].as_str().unwrap_or_default();
    html! {
        @match waiting["waits"].as_u64() {
            None | Some(0) => {},
            Some(n) => p class="note" id="waits" {
                a href="/rounds" {
                    @if n == 1 { "1 question waits for this member's yes" } @else { (n) " questions wait for this member's yes" }
                }
                ", " @if n > 1 { "the first " } "until " (moment(until)) ". Without a yes this node takes no part."
            },
        }
    }
}

/// How the node is, as pairs.
fn node(status: &Value, imported: &BTreeMap<String, Option<Day>>) -> maud::Markup {
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let witnesses = &status["witnesses"];
    let open = status["open"].as_array().map_or(0, Vec::len);
    html! {
        dl class="pairs" {
            dt { "Charter" } dd { (words(&status["charter"]["name"])) ", version " (status["charter"]["version"]) ", until " (day(said(&status["charter"]["expires"]))) }
            dt { "Members" } dd { (status["members"]) }
            dt { "Our records" } dd {
                @match status["datasets"].as_array() {
                    Some(datasets) if !datasets.is_empty() => (datasets.iter().map(words).collect::<Vec<_>>().join(", ")),
                    _ => "none imported yet",
                }
            }
            @if !imported.is_empty() { dt { "Data as of" } dd { (as_of(imported)) } }
            dt { "Questions under way" } dd { @if open == 0 { "none" } @else { (open) } }
            dt { "Results held" } dd { (status["released"]) }
            dt { "Our log" } dd { (witnesses["entries"]) " entries, " (witnesses["witnessed"]) " of them cosigned by " (witnesses["needed"]) " or more witnesses" }
        }
    }
}

/// The day of each dataset's newest import; one day for all where it is the same.
fn as_of(imported: &BTreeMap<String, Option<Day>>) -> String {
    let words = |day: &Option<Day>| day.map_or_else(|| "a day that was not noted".to_owned(), day_words);
    let mut days = imported.values();
    let first = days.next();
    match first {
        Some(first) if days.all(|day| day == first) => words(first),
        _ => imported
            .iter()
            .map(|(dataset, day)| format!("{}: {}", dataset.replace('_', " "), words(day)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_data_is_said_once_where_it_is_one() {
        let said = |days: &[(&str, Option<i64>)]| {
            as_of(&days.iter().map(|(name, day)| ((*name).to_owned(), day.map(Day))).collect())
        };
        assert_eq!(said(&[("pupils", Some(20_000))]), "4 October 2024");
        assert_eq!(said(&[("pupils", Some(20_000)), ("people", Some(20_000))]), "4 October 2024");
        assert_eq!(
            said(&[("pupils", Some(20_001)), ("people", None)]),
            "people: a day that was not noted; pupils: 5 October 2024"
        );
    }
}
