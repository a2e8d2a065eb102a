//! What is told around a release's figures: what was measured, who is in it, how sure it is, what came of it. Must not
//! know how a figure is drawn.

use std::collections::BTreeMap;

use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Day, Digest, QueryId};
use datacoop_protocol::acts::{Act, Outcome, blob_text, is_entitled};
use datacoop_protocol::member::Member;
use maud::{Markup, html};
use serde_json::Value;

use super::words::{column, day, days, matters, points, said, value};
use crate::blobs::Blobs;
use crate::cli::{factor_text, meaning_text};
use crate::driver::Handle;
use crate::html::{capital, day_words};
use crate::loss::points_of;
use crate::own::basis::Basis;
use crate::own::people_word;
use crate::questions::named;

/// What the co-operative knows of a release, as people call it.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// Who asked.
    pub(super) asker: String,
    /// The purpose's title.
    pub(super) purpose: String,
    /// The co-operative's name.
    pub(super) cooperative: String,
    /// Members' names by their ids.
    members: BTreeMap<String, String>,
    reports: Vec<Report>,
    /// When a report on the purpose is due.
    report_due: Option<Day>,
}

/// What a member wrote down that came of it.
#[derive(Clone)]
struct Report {
    by: String,
    on: Day,
    outcome: Outcome,
    text: Option<String>,
}

impl Told {
    pub(super) async fn of(handle: &Handle, release: &Value) -> Self {
        let (asker, purpose) = (said(&release["asker"]).to_owned(), said(&release["purpose"]).to_owned());
        let unknown = Self { asker, purpose, ..Self::default() };
        let Ok(query) = said(&release["query"]).parse::<QueryId>() else { return unknown };
        let seen = handle.view(move |member| Self::seen(member, query)).await.flatten();
        let Some((told, reports)) = seen else { return unknown };
        let folder = handle.home().join("blobs");
        let read = move || {
            let blobs = Blobs::kept(&folder);
            let text = |hash: &Digest| Some(blob_text(&blobs.get(hash).ok()??)?.to_owned());
            let read = reports.into_iter().map(|(report, hash)| Report { text: text(&hash), ..report });
            read.collect::<Vec<_>>()
        };
        let reports = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        Self { reports, ..told }
    }

    /// All but the texts of reports, which lie in blobs.
    fn seen(member: &Member, query: QueryId) -> Option<(Self, Vec<(Report, Digest)>)> {
        let fold = member.fold();
        let round = fold.round(&query)?;
        let (query, (released, _)) = (round.query()?, round.released()?);
        let charter = fold.charter_of(&query.charter);
        let name = |id: &datacoop_policy::MemberId| {
            charter.member(id).map_or_else(|| id.to_string(), |one| one.name.clone())
        };
        let purpose = charter.purpose(&query.purpose);
        let reports = fold.acts().all().filter(|done| is_entitled(fold, done)).filter_map(|done| {
            let Act::Report { purpose, releases, outcome, text } = &done.act else { return None };
            // Of this release; or of its purpose as a whole, once it was there.
            let whole = releases.is_empty() && *purpose == query.purpose && done.time >= released.time;
            let report = || Report { by: name(&done.by), on: done.time.day(), outcome: *outcome, text: None };
            (whole || releases.contains(&released.at)).then(|| (report(), *text))
        });
        let mut reports: Vec<(Report, Digest)> = reports.collect();
        reports.sort_by_key(|(report, _)| report.on);
        let told = Self {
            asker: name(&query.asker),
            purpose: purpose.map_or_else(|| query.purpose.clone(), |it| it.title.clone()),
            cooperative: charter.fields().name.clone(),
            members: charter.members().iter().map(|one| (one.id.to_string(), one.name.clone())).collect(),
            reports: vec![],
            report_due: purpose.map(|it| it.report_due),
        };
        Some((told, reports))
    }

    /// A parameter's value as people say it.
    fn param(&self, kind: &str, name: &str, given: &str) -> String {
        let parts = given.split(',').map(str::trim).filter(|part| !part.is_empty());
        let said = |part: &str| match kind {
            "date" | "dates" => day(part),
            "members" => self.members.get(part).cloned().unwrap_or_else(|| part.to_owned()),
            _ => value(name, part),
        };
        parts.map(said).collect::<Vec<_>>().join(", ")
    }
}

/// What a kind of figure is, in a sentence; `people` stands for whom it is about.
fn kind_words(kind: &str) -> &'static str {
    match kind {
        "count" => "How many people there are in each group.",
        "sum" => "A total over all people of a group.",
        "mean" => "A mean: the total over all people of a group, divided by how many they are.",
        "rate" => "A rate: one part of all that was counted, over all people of a group together.",
        "gap" => "A gap: a figure of two groups of people, and the first less the second.",
        "histogram" | "share" => "Shares: which part of the people of a group is in each class.",
        "quantile" => "A spread: what a quarter, half and three quarters of the people have at most.",
        "transition" => "A table: of people with the same start, which part ended where.",
        "spread" => "A mean, and how far people lie from it.",
        "fit" => "A straight line through all people: how much one number rises with another.",
        "event" => {
            "A change: for each of the people, the days in question less the days they are held against; then the mean over a group."
        }
        _ => "",
    }
}

/// Which two groups a gap lies between.
fn gap_words(basis: &Basis) -> Option<String> {
    let across = basis.question.question().draft().figure.across.as_ref()?;
    let by = basis.question.groupings().iter().find(|by| by.name == *across)?;
    let [first, second, ..] = by.cells.as_slice() else { return None };
    let [first, second] = [first, second].map(|cell| value(across, cell));
    Some(format!("The gap is {first}, less {second}: below zero, the first is lower."))
}

/// What was asked: of whom, when, with which parameters, in words; and exactly.
pub(super) fn measures(basis: &Basis, told: &Told) -> Markup {
    let (question, draft) = (&basis.question, basis.question.question().draft());
    let people = people_word(question);
    let only: Vec<String> = question
        .narrowed()
        .iter()
        .map(|only| only.values.iter().map(|one| value(&only.column, one)).collect::<Vec<_>>().join(" or "))
        .collect();
    let split: Vec<String> = question.groupings().iter().map(|by| column(&by.name).to_lowercase()).collect();
    let params = draft.param.iter().filter_map(|(name, kind)| {
        Some((column(name), told.param(kind, name, question.params().get(name)?)))
    });
    html! {
        h2 { "What this measures" }
        p { (kind_words(&draft.figure.kind).replace("people", people)) @if let Some(gap) = gap_words(basis) { " " (gap) } }
        dl class="pairs" id="asked-for" {
            dt { "Days" } dd { (days(&question.period().to_string())) }
            @for (name, given) in params { dt { (name) } dd { (given) } }
            dt { (capital(people)) } dd { @if only.is_empty() { "all that the records are about" } @else { "only " (only.join(", ")) } }
            @if !split.is_empty() { dt { "Split by" } dd { (split.join(", ")) } }
            dt { "Worth noticing" } dd { "a difference of " (matters(&draft.matters)) }
        }
        (exactly(draft))
    }
}

/// The definition that was hashed, for whoever explains a difference from another system.
fn exactly(draft: &QuestionDraft) -> Markup {
    html! {
        details class="no-print" {
            summary { "Exactly what is counted" }
            p { "From records as " code { (draft.vocabulary) } ":" }
            ul {
                @for measure in &draft.measure { li { (column(&measure.name)) ": " code { (measure.sql) } } }
                @if let Some(filter) = &draft.filter { li { "only where " code { (filter) } } }
            }
        }
    }
}

/// Who is in the cluster.
pub(super) fn cluster(release: &Value, told: &Told) -> Markup {
    html! {
        h2 { "Who is in the cluster" }
        p {
            (release["accepted"]) " of the " (release["roster"]) " members that took part are counted. Asked by "
            (told.asker) " for the purpose \"" (told.purpose) "\"."
        }
    }
}

/// What an answer costs whoever is in the records.
pub(super) fn cost(release: &Value) -> Markup {
    let loss = &release["loss"];
    let cost = said(&loss["rho"]).parse().map_or(0, points_of);
    html! {
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

fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "something changed for the people concerned",
        Outcome::Learnt => "something was learnt, and nothing changed yet",
        Outcome::Nothing => "nothing came of it",
    }
}

/// What members wrote down that came of it, and what to do with the answer.
pub(super) fn next(basis: &Basis, told: &Told) -> Markup {
    let known = named(basis.question.question().id());
    html! {
        h2 { "What happened next" }
        @for report in &told.reports {
            p { (report.by) ", on " (day_words(report.on)) ": " (outcome_words(report.outcome)) "." }
            @if let Some(text) = &report.text { blockquote { @for line in text.lines().filter(|line| !line.trim().is_empty()) { p { (line) } } } }
        }
        @if told.reports.is_empty() {
            p {
                "No member has written down yet what came of it."
                @if let Some(due) = told.report_due { " A report on its purpose is due by " (day_words(due)) "." }
            }
        }
        @if let Some(known) = known {
            p { "With the answer: " (known.about.answer) }
            @let related: Vec<_> = known.about.related.iter().filter_map(|id| named(id)).collect();
            @if !related.is_empty() {
                p class="no-print" {
                    "Questions to look at next:"
                    @for other in related { " " a href={ "/ask/" (other.about.id) } { (other.draft.title) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_said_in_words() {
        let members = [("A-1".to_owned(), "Hill School".to_owned())].into();
        let told = Told { members, ..Told::default() };
        assert_eq!(told.param("date", "event_day", "2025-12-12"), "12 December 2025");
        assert_eq!(
            told.param("dates", "days", "2025-12-05, 2025-11-28"),
            "5 December 2025, 28 November 2025"
        );
        assert_eq!(told.param("members", "took_part", "A-1,B-2"), "Hill School, B-2");
        assert_eq!(told.param("nc_years", "nc_year", "7,8"), "Year 7, Year 8");
    }

    #[test]
    fn every_kind_of_figure_has_its_words() {
        for known in crate::questions::catalogue() {
            let kind = &known.draft.figure.kind;
            assert!(!kind_words(kind).is_empty(), "{kind} of {}", known.about.id);
        }
    }
}
