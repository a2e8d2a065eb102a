//! Releases: the list, one with ours beside it, and what can be saved of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

use super::charter::text_file;
use super::frame::encoded;
use super::glossary::words_here;
use super::part::Part;
use super::role::Role;
use super::stands_out::why_not_counted;
use super::told::{Told, cluster, cost, measures, next};
use super::words::{days, said};
use super::{Shared, frame_of, stopped};
use crate::api::papers::certificate_text;
use crate::api::rounds::basis_of;
use crate::api::series::series_of;
use crate::driver::Handle;
use crate::engine::parquet_of;
use crate::error::CommandError;
use crate::figure::series::over_weeks;
use crate::figure::{COLUMNS, Figure, NUMBERS, RANGE_NOTE, csv_of, lines_of};
use crate::own::basis::{Basis, NOT_WITNESSED};
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

/// A release that somebody looks at, with what this node and the co-operative know of it.
pub(super) struct Looked {
    pub(super) release: Value,
    pub(super) basis: Basis,
    pub(super) own: Arc<Vec<Beside>>,
    pub(super) told: Told,
}

impl Looked {
    /// Errors: no such query here, or it has no release.
    pub(super) async fn at(shared: &Shared, role: Role, id: String) -> Result<Self, CommandError> {
        let (release, basis) = basis_of(&shared.handle, id).await?;
        let own = shared.counted.beside(&shared.handle, &basis, role).await;
        let told = Told::of(&shared.handle, &release).await;
        Ok(Self { release, basis, own, told })
    }
}

pub(super) async fn one(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Response {
    let frame = frame_of(&shared.handle).await;
    let Looked { release, basis, own, told } = match Looked::at(&shared, role, id).await {
        Ok(looked) => looked,
        Err(error) => return frame.error("/results", &error),
    };
    let handle = shared.handle;
    let figures = basis.figures(&own);
    let weeks: Vec<Figure> = figures.iter().filter_map(over_weeks).collect();
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
        @if !(series.is_empty() && weeks.is_empty()) {
            h2 { "Over time" }
            @for figure in &weeks { (figure.html()) }
            @for figure in &series { (figure.html()) }
        }
        (measures(&basis, &told))
        (cluster(&release, &told))
        h2 { "How sure we are" }
        p { (RANGE_NOTE) }
        @if own.is_empty() {
            p { "Ours is not shown beside it: " (why_not_counted(role)) "." }
        } @else {
            p { "Ours are exact, were counted here, and are neither sent nor logged. Do not publish them beside the release." }
        }
        (cost(&release))
        (next(&basis, &told))
        (saves(query, &basis.certificate))
        (super::recipients::section(query, &outside))
        (correction(&release))
        (words_here(&["cluster", "privacy-noise", "ordinary-chance", "likely-range", "exact", "certificate"]))
    };
    let title = figures.first().map_or("Release", |figure| figure.title.as_str());
    frame.page("/results", title, &body)
}

/// What can be taken away: a sheet, the numbers, and the proof of them once enough witnesses have seen it.
fn saves(query: &str, certificate: &str) -> Markup {
    html! {
        h2 class="no-print" { "Print or save it" }
        ul class="no-print" {
            li { a href={ "/results/" (query) "/pack" } { "Print the governors' page" } }
            li { a href={ "/results/" (query) "/figures.csv" } { "Save the numbers (CSV)" } }
            li { a href={ "/results/" (query) "/figures.parquet" } { "Save the numbers (Parquet)" } }
            @if certificate == NOT_WITNESSED {
                li { "The certificate can be saved once enough witnesses have seen all of it." }
            } @else {
                li { a href={ "/results/" (query) "/certificate" } { "Save the certificate" } ", which anybody can check offline: " code { "datacoop verify FILE" } }
            }
        }
    }
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

/// What proves a release to whoever knows the co-operative's fingerprint.
pub(super) async fn certificate(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    match certificate_text(&handle, id).await {
        Ok((id, text)) => {
            let name = format!("release-{}.dcert", id.to_string().get(..8).unwrap_or("x"));
            text_file(&name, text.into_bytes())
        }
        Err(error) => frame_of(&handle).await.error("/results", &error),
    }
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
