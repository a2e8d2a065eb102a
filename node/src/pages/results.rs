//! Releases: the list, one with ours beside it, what a governor reads, and its numbers as CSV.

use std::collections::{BTreeMap, BTreeSet};

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use datacoop_policy::{Period, QueryId};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use datacoop_protocol::standing::superseded_by;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::frame::encoded;
use super::glossary::words_here;
use super::part::Part;
use super::role::Role;
use super::words::{days, points, said};
use super::{Shared, frame_of, stopped};
use crate::api::rounds::basis_of;
use crate::api::series::series_of;
use crate::cli::{factor_text, meaning_text};
use crate::driver::Handle;
use crate::engine::parquet_of;
use crate::error::CommandError;
use crate::figure::{COLUMNS, Figure, NUMBERS, RANGE_NOTE, csv_of, lines_of};
use crate::loss::points_of;
use crate::own::beside::Beside;
use crate::questions::{THEMES, named};

/// Which releases somebody wants to see.
#[derive(Default, Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    year: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    purpose: String,
    /// How many of the newest to pass over.
    #[serde(default)]
    from: usize,
}

/// A release in the list, with what it is found by. Nothing is derived from its sums: only its own page does that.
#[derive(Clone)]
struct Line {
    id: QueryId,
    title: String,
    period: Period,
    counted: usize,
    roster: usize,
    year: String,
    theme: &'static str,
    purpose: String,
    purpose_title: String,
}

/// What questions of no theme of the catalogue are found by.
const OWN: &str = "own";

fn line(member: &Member, round: &Round) -> Option<Line> {
    let (plan, (_, sums)) = (round.plan()?, round.released()?);
    let query = &plan.query;
    let charter = member.fold().charter_of(&query.charter);
    let question = query.question.question();
    Some(Line {
        id: round.id,
        title: question.title().to_owned(),
        period: query.period(),
        counted: sums.accepted.len(),
        roster: plan.members.len(),
        year: query.period().year().to_string(),
        theme: named(question.id()).map_or(OWN, |known| known.about.theme.as_str()),
        purpose: query.purpose.clone(),
        purpose_title: charter
            .purpose(&query.purpose)
            .map_or_else(|| query.purpose.clone(), |it| it.title.clone()),
    })
}

/// The releases here, and which of those that are shown were superseded.
struct Listed {
    all: Vec<Line>,
    part: Part,
    shown: Vec<(Line, bool)>,
}

fn listed(member: &Member, released: &[(QueryId, String)], sought: &Sought) -> Listed {
    let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
    let mut all: Vec<_> =
        rounds.filter_map(|round| Some((round.query()?.at, line(member, round)?))).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let all: Vec<Line> = all.into_iter().map(|(_, line)| line).collect();
    let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    let fitting: Vec<&Line> = all
        .iter()
        .filter(|line| {
            fits(&sought.year, &line.year)
                && fits(&sought.theme, line.theme)
                && fits(&sought.purpose, &line.purpose)
        })
        .collect();
    let part = Part::of(fitting.len(), sought.from);
    let shown = fitting[part.range()].iter().map(|line| {
        let superseded = member.fold().round(&line.id).and_then(|round| superseded_by(member.fold(), round));
        ((*line).clone(), superseded.is_some())
    });
    Listed { shown: shown.collect(), part, all }
}

pub(super) async fn list(State(handle): State<Handle>, Query(sought): Query<Sought>) -> Response {
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let seen = handle.view(move |member| (listed(member, &released, &sought), sought));
    let Some((Listed { all, part, shown }, sought)) = seen.await else {
        return frame.error("/results", &stopped());
    };
    let body = html! {
        @if all.is_empty() {
            p { "Nothing has been released yet." }
            p { a class="button" href="/ask" { "Ask a question" } }
        } @else {
            (filters(&all, &sought))
            p role="status" {
                @match part.all() {
                    0 => "Nothing released for this choice.",
                    1 => "1 release",
                    all => { (all) " releases" @if part.is_cut() { ", of which " (part.words()) } },
                }
            }
        }
        ul class="list" id="releases" {
            @for (line, superseded) in &shown {
                li {
                    a href={ "/results/" (line.id) } { (line.title) }
                    p class="meta" {
                        (days(&line.period.to_string())) ", "
                        (line.counted) " of " (line.roster) " members counted, for \"" (line.purpose_title) "\""
                        @if *superseded { ", superseded" }
                    }
                }
            }
        }
        (part.links(&here(&sought)))
    };
    frame.page("/results", "Results", &body)
}

/// The list's address with the choice that was made, to which a place in it is added.
fn here(sought: &Sought) -> String {
    let (year, theme, purpose) = (encoded(&sought.year), encoded(&sought.theme), encoded(&sought.purpose));
    format!("/results?year={year}&theme={theme}&purpose={purpose}")
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
        list.iter().map(|line| (line.purpose.as_str(), line.purpose_title.as_str())).collect();
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

pub(super) async fn one(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Response {
    let handle = shared.handle;
    let frame = frame_of(&handle).await;
    let (release, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let own = shared.counted.beside(&handle, &basis, role).await;
    let figures = basis.figures(&own);
    let names = Names::of(&handle, &release).await;
    let series = match series_of(&handle, basis.query.clone()).await {
        Ok(series) => series,
        Err(error) => return frame.error("/results", &error),
    };
    let query = release["query"].as_str().unwrap_or_default();
    let outside = super::recipients::of(&handle, query).await;
    let body = html! {
        @if let Some(newer) = release["superseded_by"].as_str() {
            p class="alert" { "A later answer supersedes this one: " a href={ "/results/" (newer) } { "see it" } }
        }
        div class="titled" { @for figure in &figures { (figure.html()) } }
        p { (RANGE_NOTE) }
        @if role == Role::Auditor {
            p { "The node's own figures are not shown to an auditor." }
        } @else if own.is_empty() {
            p { "Ours do not stand beside these: this node has no records that the question is about." }
        } @else {
            p { "Ours are exact, were counted here, and are neither sent nor logged. Do not publish them beside the release." }
        }
        @if !series.is_empty() {
            h2 { "Over time" }
            @for figure in &series { (figure.html()) }
        }
        (about(&release, &names))
        p class="no-print" {
            a href={ "/results/" (query) "/pack" } { "Print the governors' page" } " \u{b7} "
            a href={ "/results/" (query) "/figures.csv" } { "Save the numbers (CSV)" } " \u{b7} "
            a href={ "/results/" (query) "/figures.parquet" } { "as Parquet" } " \u{b7} "
            "Certificate: " code { "datacoop certificate " (query.get(..8).unwrap_or_default()) }
        }
        (super::recipients::section(query, &outside))
        (correction(&release))
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

/// A sheet for people who were not there: what was found, how sure, how it was done. Without our own
/// figures where a group has too few of our people.
pub(super) async fn pack(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Response {
    let handle = shared.handle;
    let frame = frame_of(&handle).await;
    let (release, basis) = match basis_of(&handle, id).await {
        Ok(read) => read,
        Err(error) => return frame.error("/results", &error),
    };
    let own = shared.counted.beside(&handle, &basis, role).await;
    let own: Vec<Beside> = own.iter().filter(|one| !one.is_few()).cloned().collect();
    let figures = basis.figures(&own);
    let names = Names::of(&handle, &release).await;
    let body = html! {
        p class="no-print" { "Print this page with your browser, to paper or as a PDF." }
        h2 { "What was found" }
        @for figure in &figures { p { (figure.sentence()) } }
        @for figure in figures.iter().take(2) { (figure.html()) }
        h2 { "How it was done" }
        p {
            "Each member counted its own records on its own computer, added privacy noise on purpose, and only the sum over "
            (release["accepted"]) " members was ever opened. No record left a school."
        }
        (about(&release, &names))
        h2 { "How to check it" }
        p { "Certificate " (figures.first().map_or("", |figure| figure.certificate.as_str())) ". Anybody who knows the co-operative's fingerprint checks it without asking us: " code { "datacoop verify FILE.dcert" } }
        p { (RANGE_NOTE) }
    };
    let title = figures.first().map_or("Release", |figure| figure.title.as_str());
    frame.page("/results", title, &body)
}

/// The numbers that every member has, as CSV; ours stay here.
pub(super) async fn csv(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    saved(&handle, id, "csv", "text/csv; charset=utf-8", |figures| Ok(csv_of(figures, false).into_bytes()))
        .await
}

/// The same as Parquet.
pub(super) async fn parquet(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    saved(&handle, id, "parquet", "application/vnd.apache.parquet", |figures| {
        let bytes = parquet_of(&COLUMNS, &NUMBERS, &lines_of(figures, false));
        bytes.map_err(|error| CommandError::failed(error.to_string()))
    })
    .await
}

async fn saved(
    handle: &Handle,
    id: String,
    ending: &str,
    kind: &'static str,
    write: fn(&[Figure]) -> Result<Vec<u8>, CommandError>,
) -> Response {
    let made =
        basis_of(handle, id).await.and_then(|(_, basis)| Ok((write(&basis.figures(&[]))?, basis.query)));
    match made {
        Ok((bytes, query)) => {
            let name = format!("attachment; filename=\"release-{}.{ending}\"", query.get(..8).unwrap_or("x"));
            let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
            (headers, bytes).into_response()
        }
        Err(error) => frame_of(handle).await.error("/results", &error),
    }
}
