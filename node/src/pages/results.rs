//! Releases: the list, one with ours beside it, what a governor reads, and its numbers as CSV.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::words::{days, said};
use super::{frame_of, stopped};
use crate::api::rounds::basis_of;
use crate::cli::meaning_text;
use crate::driver::Handle;
use crate::figure::{Figure, RANGE_NOTE, csv_of};
use crate::own::basis::Basis;
use crate::own::beside::{Beside, beside};
use crate::questions::{THEMES, named};
use crate::view::release_json;

/// Ours beside a release: counted here and shown here. Nothing where we have no such rows.
async fn ours(handle: &Handle, basis: &Basis) -> Vec<Beside> {
    match basis.count(handle.home()).await {
        Ok(ours) => beside(basis, &ours),
        Err(_) => vec![],
    }
}

/// Which releases somebody wants to see.
#[derive(Default, Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    year: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    purpose: String,
}

/// A release in the list, with what it is found by.
struct Line {
    release: Value,
    year: String,
    theme: &'static str,
    purpose_title: String,
}

/// What questions of no theme of the catalogue are found by.
const OWN: &str = "own";

fn line(member: &Member, round: &Round) -> Option<Line> {
    let (fold, query) = (member.fold(), round.query()?);
    let charter = fold.charter_of(&query.charter);
    let known = named(query.question.question().id());
    Some(Line {
        release: release_json(fold, round)?,
        year: query.period().year().to_string(),
        theme: known.map_or(OWN, |known| known.about.theme.as_str()),
        purpose_title: charter
            .purpose(&query.purpose)
            .map_or_else(|| query.purpose.clone(), |it| it.title.clone()),
    })
}

pub(super) async fn list(State(handle): State<Handle>, Query(sought): Query<Sought>) -> Response {
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let list = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let mut list: Vec<_> =
            rounds.filter_map(|round| Some((round.query()?.at, line(member, round)?))).collect();
        list.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        list.into_iter().map(|(_, line)| line).collect::<Vec<Line>>()
    });
    let Some(list) = list.await else { return frame.error("/results", &stopped()) };
    let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    let shown: Vec<&Line> = list
        .iter()
        .filter(|line| {
            fits(&sought.year, &line.year)
                && fits(&sought.theme, line.theme)
                && fits(&sought.purpose, said(&line.release["purpose"]))
        })
        .collect();
    let body = html! {
        @if list.is_empty() {
            p { "Nothing has been released yet." }
            p { a class="button" href="/ask" { "Ask a question" } }
        } @else {
            (filters(&list, &sought))
            p role="status" { @if shown.is_empty() { "Nothing released for this choice." } @else if shown.len() == 1 { "1 release" } @else { (shown.len()) " releases" } }
        }
        ul class="list" id="releases" {
            @for Line { release, purpose_title, .. } in &shown {
                li {
                    a href={ "/results/" (said(&release["query"])) } { (said(&release["title"])) }
                    p class="meta" {
                        (days(said(&release["period"]))) ", "
                        (release["accepted"]) " of " (release["roster"]) " members counted, for \"" (purpose_title) "\""
                        @if release["superseded_by"].is_string() { ", superseded" }
                    }
                }
            }
        }
    };
    frame.page("/results", "Results", &body)
}

/// By year, theme and purpose, as far as there is something to choose.
fn filters(list: &[Line], sought: &Sought) -> Markup {
    let years: BTreeSet<(&str, &str)> =
        list.iter().map(|line| (line.year.as_str(), line.year.as_str())).collect();
    let titles = |theme: &'static str| THEMES.iter().find(|(id, _)| *id == theme).map(|(_, title)| *title);
    let themes: BTreeSet<(&str, &str)> = list
        .iter()
        .map(|line| (line.theme, titles(line.theme).unwrap_or("Written by members here")))
        .collect();
    let purposes: BTreeMap<&str, &str> =
        list.iter().map(|line| (said(&line.release["purpose"]), line.purpose_title.as_str())).collect();
    let choices = [
        ("year", "School year", years.into_iter().rev().collect::<Vec<_>>(), &sought.year),
        ("theme", "Theme", themes.into_iter().collect(), &sought.theme),
        ("purpose", "Purpose", purposes.into_iter().collect(), &sought.purpose),
    ];
    html! {
        form method="get" action="/results" class="fields no-print" {
            div class="pair" {
                @for (id, label, values, chosen) in &choices {
                    div class="field" {
                        label for=(id) { (label) }
                        select id=(id) name=(id) {
                            option value="" { "All" }
                            @for (value, text) in values { option value=(value) selected[value == chosen] { (text) } }
                        }
                    }
                }
            }
            button type="submit" class="plain" { "Show" }
        }
    }
}

pub(super) async fn one(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    let frame = frame_of(&handle).await;
    let (text, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let own = ours(&handle, &basis).await;
    let figures = basis.figures(&own);
    let release = &text.release;
    let query = release["query"].as_str().unwrap_or_default();
    let body = html! {
        @if let Some(newer) = release["superseded_by"].as_str() {
            p class="alert" { "A later answer supersedes this one: " a href={ "/results/" (newer) } { "see it" } }
        }
        @for figure in &figures { (figure.html()) }
        p { (RANGE_NOTE) }
        @if own.is_empty() {
            p { "Ours do not stand beside these: this node has no records that the question is about." }
        } @else {
            p { "Ours are exact, were counted here, and are neither sent nor logged. Do not publish them beside the release." }
        }
        (about(release))
        p class="no-print" {
            a href={ "/results/" (query) "/pack" } { "Print the governors' page" } " \u{b7} "
            a href={ "/results/" (query) "/figures.csv" } { "Save the numbers (CSV)" } " \u{b7} "
            "Certificate: " code { "datacoop certificate " (query.get(..8).unwrap_or_default()) }
        }
    };
    let title = figures.first().map_or("Release", |figure| figure.title.as_str());
    frame.page("/results", title, &body)
}

/// Who is in the cluster, how sure it is, what a person lost.
fn about(release: &Value) -> Markup {
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    html! {
        h2 { "Who is in the cluster" }
        p {
            (release["accepted"]) " of the " (release["roster"]) " members that took part are counted. Asked by "
            (words(&release["asker"])) " for the purpose \"" (words(&release["purpose"])) "\"."
        }
        h2 { "How sure we are, and what it cost" }
        p { (meaning_text(&release["loss"])) }
    }
}

/// Two pages for people who were not there: what was found, how sure, how it was done. Without our own
/// figures where a group has too few of our people.
pub(super) async fn pack(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    let frame = frame_of(&handle).await;
    let (text, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let mut own = ours(&handle, &basis).await;
    own.retain(|one| !one.is_few());
    let figures = basis.figures(&own);
    let release = &text.release;
    let body = html! {
        p class="no-print" { "Print this page with your browser, to paper or as a PDF." }
        h2 { "What was found" }
        @for figure in &figures { p { (figure.sentence()) } }
        @for figure in figures.iter().take(2) { (figure.html()) }
        div class="sheet" {
            h2 { "How it was done" }
            p {
                "Each member counted its own records on its own computer, added privacy noise on purpose, and only the sum over "
                (release["accepted"]) " members was ever opened. No record left a school."
            }
            (about(release))
            h2 { "How to check it" }
            p { "Certificate " (figures.first().map_or("", |figure| figure.certificate.as_str())) ". Anybody who knows the co-operative's fingerprint checks it without asking us: " code { "datacoop verify FILE.dcert" } }
            p { (RANGE_NOTE) }
        }
    };
    let title = figures.first().map_or("Release", |figure| figure.title.as_str());
    frame.page("/results", title, &body)
}

/// The numbers that every member has; ours stay here.
pub(super) async fn csv(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    match basis_of(&handle, id).await {
        Ok((_, basis)) => {
            let figures: Vec<Figure> = basis.figures(&[]);
            let name =
                format!("attachment; filename=\"release-{}.csv\"", basis.query.get(..8).unwrap_or("x"));
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, csv_of(&figures, false)).into_response()
        }
        Err(error) => frame_of(&handle).await.error("/results", &error),
    }
}
