//! Asking: from what somebody wants to change to a question, its terms, what it would cost, and the asking
//! itself. What it does stands in [`crate::api::asking`], as for the command line.
//!
//! Where to start: this file finds questions; `form` shows the blanks and reads what was typed; `check` shows the
//! plan and asks.

mod check;
mod fields;
mod form;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use datacoop_policy::charter::{Charter, Role};
use datacoop_policy::limits::Limits;
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, PrivacyLoss, QueryId};
use datacoop_protocol::member::Member;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::encoded;
use super::words::days;
use super::{frame_of, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::html::day_words;
use crate::loss::points_of;
use crate::questions::{About, THEMES, catalogue, named, search};

pub(super) use check::{ask, check};
pub(super) use form::form;

/// Stored releases on the page: the newest that fit.
const RELEASES_MAX: usize = 8;

/// What a person is looking for.
#[derive(Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    words: String,
    #[serde(default)]
    purpose: String,
}

/// A question that can be asked from a page.
pub(super) struct Askable {
    /// Its name.
    id: String,
    /// Its definition.
    draft: QuestionDraft,
    /// What the catalogue says of it; `None` of one that only a member of this co-operative wrote.
    about: Option<&'static About>,
    /// What its columns mean.
    vocabulary: Arc<Vocabulary>,
}

impl Askable {
    /// The question of this name: of the catalogue, or else as it was asked here last.
    ///
    /// Errors: there is none, or it is about records that this node knows nothing of.
    pub(super) async fn find(handle: &Handle, id: &str) -> Result<Self, CommandError> {
        let (draft, about) = match named(id).filter(|known| known.about.id == id) {
            Some(known) => (known.draft.clone(), Some(&known.about)),
            None => {
                let wanted = id.to_owned();
                let asked = handle.view(move |member| asked_here(member).remove(&wanted));
                let none =
                    || CommandError::usage("there is no such question".into()).hint("find one from Ask");
                (asked.await.ok_or_else(stopped)?.ok_or_else(none)?, None)
            }
        };
        let known = handle.home().vocabularies().map_err(|error| CommandError::failed(error.to_string()))?;
        let vocabulary = known.into_values().find(|(_, vocabulary)| vocabulary.name() == draft.vocabulary);
        let (_, vocabulary) = vocabulary.ok_or_else(|| {
            CommandError::usage("it is about records that this node has no description of".into())
        })?;
        Ok(Self { id: id.to_owned(), draft, about, vocabulary })
    }
}

/// Questions that were asked in this co-operative, by name; of several of one name the newest.
fn asked_here(member: &Member) -> BTreeMap<String, QuestionDraft> {
    let rounds = member.fold().rounds().values();
    let mut asked: Vec<_> = rounds.filter_map(|round| Some((round.asked()?.time, round.query()?))).collect();
    asked.sort_by_key(|(at, _)| *at);
    let drafts = asked.into_iter().map(|(_, query)| query.question.question().draft().clone());
    drafts.map(|draft| (draft.id.clone(), draft)).collect()
}

/// A purpose of the charter that is open today.
#[derive(Clone)]
pub(super) struct Open {
    id: String,
    title: String,
    plain: String,
    until: Day,
    limits: Limits,
}

/// What the charter opens today, for questions to be held against.
#[derive(Clone)]
pub(super) struct Openings {
    purposes: Vec<Open>,
    vocabularies: BTreeSet<String>,
    /// Whether this member may ask at all.
    may_ask: bool,
}

impl Openings {
    pub(super) fn of(member: &Member) -> Self {
        let (fold, me, now) = (member.fold(), member.me(), clock::now());
        let charter = fold.charter_at(me, now);
        let today = now.day();
        let shared = Limits::floor().meet(&charter.fields().limits);
        let open = charter.fields().purposes.iter().filter(|one| one.starts <= today && today <= one.expires);
        let purposes = open.map(|one| Open {
            id: one.id.clone(),
            title: one.title.clone(),
            plain: one.plain.clone(),
            until: one.expires,
            limits: shared.meet(&one.limits),
        });
        let coordinates = charter.member(me).is_some_and(|own| own.has(Role::Coordinator));
        let may_ask = coordinates || !fold.acts().usable(fold, me, now).is_empty();
        Self { purposes: purposes.collect(), vocabularies: vocabularies_of(charter), may_ask }
    }

    /// The open purposes that allow a question. Whether its loss, its cells or its splits are too many is said
    /// when it is checked: that depends on how it is asked.
    pub(super) fn that_allow(&self, draft: &QuestionDraft) -> Vec<&Open> {
        let known = self.vocabularies.contains(&draft.vocabulary);
        let allow = |open: &&Open| {
            known && open.limits.questions.holds(&draft.id) && open.limits.purposes.holds(&open.id)
        };
        self.purposes.iter().filter(allow).collect()
    }
}

fn vocabularies_of(charter: &Charter) -> BTreeSet<String> {
    let datasets = charter.fields().datasets.iter();
    datasets.flat_map(|dataset| dataset.vocabularies.iter().map(|(name, _)| name.clone())).collect()
}

/// The catalogue with the purposes that allow each question now: `datacoop.askable/1`.
pub(crate) fn openings_json(member: &Member) -> Value {
    let openings = Openings::of(member);
    let purposes = openings.purposes.iter().map(|open| {
        json!({ "id": open.id, "title": open.title, "plain": open.plain, "until": open.until.to_string() })
    });
    let questions = catalogue().iter().map(|known| {
        let line = line(&openings, &known.draft, Some(&known.about));
        json!({ "id": line.id, "title": line.title, "problem": line.problem, "theme": line.theme, "points": line.points,
                "vocabulary": known.draft.vocabulary, "period": known.draft.period, "params": known.draft.param,
                "purposes": line.purposes, "closed": line.closed })
    });
    json!({ "schema": "datacoop.askable/1", "demo": member.fold().charter().fields().demo, "may_ask": openings.may_ask,
            "purposes": purposes.collect::<Vec<_>>(), "questions": questions.collect::<Vec<_>>() })
}

/// A question as the list shows it.
struct Line {
    id: String,
    title: String,
    problem: String,
    theme: Option<&'static str>,
    points: u64,
    /// The purposes that allow it.
    purposes: Vec<String>,
    /// Why nobody can ask it here.
    closed: Option<String>,
}

fn line(openings: &Openings, draft: &QuestionDraft, about: Option<&'static About>) -> Line {
    let allow = openings.that_allow(draft);
    let closed = match (allow.is_empty(), openings.vocabularies.contains(&draft.vocabulary)) {
        (false, _) => None,
        (true, true) => Some("no open purpose allows it".to_owned()),
        (true, false) => Some(format!("the charter has no records of {}", draft.vocabulary)),
    };
    Line {
        id: draft.id.clone(),
        title: draft.title.clone(),
        problem: about.map(|about| about.problem.clone()).unwrap_or_default(),
        theme: about.map(|about| about.theme.as_str()),
        points: points_of(PrivacyLoss::from_nano(u64::try_from(draft.loss).unwrap_or(0))),
        purposes: allow.into_iter().map(|open| open.id.clone()).collect(),
        closed,
    }
}

/// A stored release as the list shows it: nothing is derived from its sums here.
struct Stored {
    id: QueryId,
    title: String,
    period: String,
    counted: usize,
}

/// What the page is made of.
struct Start {
    openings: Openings,
    lines: Vec<Line>,
    releases: Vec<Stored>,
}

/// The questions that fit the words, those of the catalogue first; all of them where there are no words.
fn start(member: &Member, released: &[(QueryId, String)], sought: &Sought) -> Start {
    let openings = Openings::of(member);
    let words = sought.words.trim();
    let found: Vec<_> = match words.is_empty() {
        true => catalogue().iter().collect(),
        false => search(words).into_iter().map(|found| found.question).collect(),
    };
    let mut lines: Vec<Line> =
        found.iter().map(|known| line(&openings, &known.draft, Some(&known.about))).collect();
    let low = words.to_lowercase();
    let own = asked_here(member).into_values().filter(|draft| named(&draft.id).is_none());
    let own = own.filter(|draft| draft.title.to_lowercase().contains(&low) || draft.id.contains(&low));
    lines.extend(own.map(|draft| line(&openings, &draft, None)));
    if !sought.purpose.is_empty() {
        lines.retain(|line| line.purposes.contains(&sought.purpose));
    }
    let wanted: BTreeSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
    let rounds = released.iter().filter(|(_, name)| wanted.contains(name.as_str()));
    let rounds = rounds.filter_map(|(id, _)| member.fold().round(id));
    let mut rounds: Vec<_> = rounds.filter_map(|round| Some((round.query()?.at, round))).collect();
    rounds.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let releases = rounds
        .into_iter()
        .filter_map(|(_, round)| Some((round, round.query()?)))
        .filter(|(_, query)| sought.purpose.is_empty() || query.purpose == sought.purpose)
        .filter_map(|(round, query)| {
            let (_, sums) = round.released()?;
            Some(Stored {
                id: round.id,
                title: query.question.question().title().to_owned(),
                period: query.period().to_string(),
                counted: sums.accepted.len(),
            })
        });
    let releases = releases.take(RELEASES_MAX).collect();
    Start { openings, lines, releases }
}

/// "What are you trying to change?": purposes, then stored releases, then questions.
pub(super) async fn begin(State(handle): State<Handle>, Query(sought): Query<Sought>) -> Response {
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let seen = handle.view(move |member| {
        let start = start(member, &released, &sought);
        (start, sought)
    });
    let Some((start, sought)) = seen.await else { return frame.error("/ask", &stopped()) };
    let body = html! {
        @if start.openings.purposes.is_empty() {
            p { "No purpose allows this yet: the charter has none that is open today." }
            p { "How to propose one:" }
            pre { "datacoop propose purpose PURPOSE.toml" }
        } @else {
            (purposes(&start.openings, &sought))
        }
        @if !start.openings.may_ask {
            p class="note" { "This member cannot ask by itself: a coordinator asks, or lets a member ask. You can read what a question would cost." }
        }
        (search_form(&start.openings, &sought))
        (stored(&start.releases))
        (questions(&start.lines, &sought))
    };
    frame.page("/ask", "What are you trying to change?", &body)
}

fn purposes(openings: &Openings, sought: &Sought) -> Markup {
    html! {
        h2 { "What members agreed to work on" }
        ul class="list" id="purposes" {
            @for open in &openings.purposes {
                li {
                    a href={ "/ask?purpose=" (encoded(&open.id)) } aria-current=[(open.id == sought.purpose).then_some("true")] { (open.title) }
                    p class="meta" { (open.plain) }
                    p class="meta" { "Open until " (day_words(open.until)) }
                }
            }
        }
    }
}

fn search_form(openings: &Openings, sought: &Sought) -> Markup {
    html! {
        form method="get" action="/ask" role="search" class="fields" {
            div class="field" {
                label for="words" { "Say it in your own words" }
                p class="hint" id="words-hint" { "Such as: why are children off on Fridays" }
                input type="search" id="words" name="words" value=(sought.words) aria-describedby="words-hint" autocomplete="off";
            }
            @if openings.purposes.len() > 1 {
                div class="field" {
                    label for="purpose" { "Purpose" }
                    select id="purpose" name="purpose" {
                        option value="" { "Any" }
                        @for open in &openings.purposes {
                            option value=(open.id) selected[open.id == sought.purpose] { (open.title) }
                        }
                    }
                }
            }
            button type="submit" { "Find questions" }
            @if !sought.words.is_empty() || !sought.purpose.is_empty() { p { a href="/ask" { "Show all questions" } } }
        }
    }
}

fn stored(releases: &[Stored]) -> Markup {
    html! {
        @if !releases.is_empty() {
            h2 { "Answered already" }
            p { "Reading these costs nothing. Asking again costs nothing and gives the same numbers." }
            ul class="list" id="stored" {
                @for release in releases {
                    li {
                        a href={ "/results/" (release.id) } { (release.title) }
                        p class="meta" { (days(&release.period)) ", " (release.counted) " members counted" }
                    }
                }
            }
        }
    }
}

fn questions(lines: &[Line], sought: &Sought) -> Markup {
    let (open, closed): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.closed.is_none());
    let by_theme = sought.words.trim().is_empty();
    html! {
        h2 { "Questions you can ask" }
        @if open.is_empty() {
            @if sought.words.trim().is_empty() {
                p { "No purpose allows a question of the catalogue yet. A purpose names the questions it is for: see them with " code { "datacoop charter show" } "." }
            } @else {
                p { "Nothing that can be asked here answers to these words. Try others, or " a href="/ask" { "see all questions" } "." }
            }
        } @else if by_theme {
            @for (theme, title) in THEMES {
                (themed(title, open.iter().copied().filter(|line| line.theme == Some(theme)), sought))
            }
            (themed("Written by members here", open.iter().copied().filter(|line| line.theme.is_none()), sought))
        } @else {
            (listed(open.iter().copied(), sought))
        }
        @if !closed.is_empty() {
            details {
                summary { (closed.len()) " more that nobody can ask here yet" }
                ul class="list" {
                    @for line in &closed {
                        li { (line.title) p class="meta" { (line.closed.as_deref().unwrap_or_default()) } }
                    }
                }
            }
        }
    }
}

fn themed<'a>(title: &str, lines: impl Iterator<Item = &'a Line>, sought: &Sought) -> Markup {
    let lines: Vec<&Line> = lines.collect();
    html! { @if !lines.is_empty() { h3 { (title) } (listed(lines.into_iter(), sought)) } }
}

fn listed<'a>(lines: impl Iterator<Item = &'a Line>, sought: &Sought) -> Markup {
    // The purpose that somebody came by is chosen in the form already.
    let with = if sought.purpose.is_empty() {
        String::new()
    } else {
        format!("?purpose={}", encoded(&sought.purpose))
    };
    html! {
        ul class="list questions" {
            @for line in lines {
                li {
                    a href={ "/ask/" (encoded(&line.id)) (with) } { (line.title) }
                    @if !line.problem.is_empty() { p { (line.problem) } }
                    p class="meta" { "Costs " (line.points) " " (if line.points == 1 { "point" } else { "points" }) " of the privacy budget" }
                }
            }
        }
    }
}
