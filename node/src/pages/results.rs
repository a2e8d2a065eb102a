//! Releases: the list, one with ours beside it, what a governor reads, and its numbers as CSV.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::QueryId;
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::frame::encoded;
use super::glossary::words_here;
use super::words::{days, points, said};
use super::{Shared, frame_of, stopped};
use crate::api::rounds::basis_of;
use crate::cli::{factor_text, meaning_text};
use crate::driver::Handle;
use crate::figure::{Figure, RANGE_NOTE, csv_of};
use crate::loss::points_of;
use crate::own::beside::Beside;
use crate::questions::{THEMES, named};
use crate::view::release_json;

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

pub(super) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let handle = shared.handle;
    let frame = frame_of(&handle).await;
    let (text, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let own = shared.counted.beside(&handle, &basis).await;
    let figures = basis.figures(&own);
    let release = &text.release;
    let names = Names::of(&handle, release).await;
    let query = release["query"].as_str().unwrap_or_default();
    let outside = super::recipients::of(&handle, query).await;
    let body = html! {
        @if let Some(newer) = release["superseded_by"].as_str() {
            p class="alert" { "A later answer supersedes this one: " a href={ "/results/" (newer) } { "see it" } }
        }
        div class="titled" { @for figure in &figures { (figure.html()) } }
        p { (RANGE_NOTE) }
        @if own.is_empty() {
            p { "Ours do not stand beside these: this node has no records that the question is about." }
        } @else {
            p { "Ours are exact, were counted here, and are neither sent nor logged. Do not publish them beside the release." }
        }
        (about(release, &names))
        p class="no-print" {
            a href={ "/results/" (query) "/pack" } { "Print the governors' page" } " \u{b7} "
            a href={ "/results/" (query) "/figures.csv" } { "Save the numbers (CSV)" } " \u{b7} "
            "Certificate: " code { "datacoop certificate " (query.get(..8).unwrap_or_default()) }
        }
        (super::recipients::section(query, &outside))
        (correction(release))
        (words_here(&["cluster", "privacy-noise", "ordinary-chance", "likely-range", "exact", "certificate"]))
    };
    let title = figures.first().map_or("Release", |figure| figure.title.as_str());
    frame.page("/results", title, &body)
}

/// Where the same question is asked once more because something was wrong; nothing once that was done.
fn correction(release: &Value) -> Markup {
    let mut typed = vec![("supersedes".to_owned(), said(&release["query"]).to_owned())];
    if let Some((first, last)) = said(&release["period"]).split_once("..") {
        typed.extend([("first".to_owned(), first.to_owned()), ("last".to_owned(), last.to_owned())]);
    }
    typed.push(("purpose".to_owned(), said(&release["purpose"]).to_owned()));
    for (name, value) in release["params"].as_object().into_iter().flatten() {
        match name.split_once('.') {
            Some(("by", by)) => typed.push(("by".to_owned(), by.to_owned())),
            Some(("for", column)) => {
                typed.extend(said(value).split(',').map(|one| (format!("for.{column}"), one.to_owned())));
            }
            _ => typed.extend(said(value).split(',').map(|one| (format!("param.{name}"), one.to_owned()))),
        }
    }
    let query: Vec<String> =
        typed.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    html! {
        @if release["superseded_by"].is_null() {
            details class="no-print" id="correct" {
                summary { "If something was wrong with it" }
                p { "A member may have found wrong records. Then the same question can be asked once more, with a reason: it costs the same again, and the new answer supersedes this one. This one stays in the log." }
                p { a href={ "/ask/" (encoded(said(&release["question"]))) "?" (query.join("&")) } { "Ask it again, as a correction" } }
            }
        }
    }
}

/// Who asked and for what, as people call them.
struct Names {
    asker: String,
    purpose: String,
}

impl Names {
    async fn of(handle: &Handle, release: &Value) -> Self {
        let query = said(&release["query"]).parse::<QueryId>();
        let (asker, purpose) = (said(&release["asker"]).to_owned(), said(&release["purpose"]).to_owned());
        let seen = handle.view(move |member| {
            let fold = member.fold();
            let query = fold.round(&query.ok()?)?.query()?;
            let charter = fold.charter_of(&query.charter);
            Some(Self {
                asker: charter
                    .member(&query.asker)
                    .map_or_else(|| query.asker.to_string(), |one| one.name.clone()),
                purpose: charter
                    .purpose(&query.purpose)
                    .map_or_else(|| query.purpose.clone(), |one| one.title.clone()),
            })
        });
        seen.await.flatten().unwrap_or(Self { asker, purpose })
    }
}

/// Who is in the cluster, how sure it is, what a person lost.
fn about(release: &Value, names: &Names) -> Markup {
    let loss = &release["loss"];
    let cost = said(&loss["rho"]).parse().map_or(0, points_of);
    html! {
        h2 { "Who is in the cluster" }
        p {
            (release["accepted"]) " of the " (release["roster"]) " members that took part are counted. Asked by "
            (names.asker) " for the purpose \"" (names.purpose) "\"."
        }
        h2 { "How sure we are, and what it cost" }
        p {
            "It cost " (points(&cost.into())) " of the privacy budget. Whatever anybody learns from this answer is at most "
            (factor_text(loss)) " as likely as if that person's record had been left out."
        }
        details {
            summary { "Details" }
            @for line in meaning_text(loss).trim().split(".\n") { p { (line.replace('\n', " ").trim_end_matches('.')) "." } }
        }
    }
}

/// Two pages for people who were not there: what was found, how sure, how it was done. Without our own
/// figures where a group has too few of our people.
pub(super) async fn pack(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let handle = shared.handle;
    let frame = frame_of(&handle).await;
    let (text, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let own = shared.counted.beside(&handle, &basis).await;
    let own: Vec<Beside> = own.iter().filter(|one| !one.is_few()).cloned().collect();
    let figures = basis.figures(&own);
    let release = &text.release;
    let names = Names::of(&handle, release).await;
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
            (about(release, &names))
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
