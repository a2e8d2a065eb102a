//! A question as a sentence with blanks. Must not know what is done with what is typed.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use datacoop_policy::lists;
use datacoop_policy::question::{Grouping, Narrowing, Question};
use datacoop_policy::{Day, PrivacyLoss};
use maud::{Markup, html};
use serde_json::Value;

use super::fields::{Typed, WINDOW, question};
use super::{Askable, Openings};
use crate::acts;
use crate::clock;
use crate::driver::Handle;
use crate::html::day_words;
use crate::loss::points_of;
use crate::pages::form::checked_field;
use crate::pages::frame::{Frame, Mistake, encoded, mistake_of};
use crate::pages::words::{column, days, items, matters, moment, said, value as value_of};
use crate::pages::{frame_of, stopped};
use crate::questions::period::recent_periods;

/// Periods to choose from.
const PERIODS_SHOWN: usize = 6;

/// What the form needs to know of the co-operative.
pub(super) struct Around {
    pub(super) openings: Openings,
    /// Members, by id, with their names: for questions that list some.
    pub(super) members: Vec<(String, String)>,
    /// Leave to ask that this member has: id, who gave it, until when.
    leave: Vec<(String, String)>,
}

impl Around {
    /// `None` when the node has stopped.
    pub(super) async fn of(handle: &Handle) -> Option<Self> {
        let seen = handle.view(|member| {
            let charter = member.fold().charter_at(member.me(), clock::now());
            let asked = charter.members().iter().filter(|member| member.takes_part());
            let members = asked.map(|member| (member.id.to_string(), member.name.clone())).collect();
            let leave = acts::delegations::all_json(member, clock::now());
            let ours = items(&leave["delegations"]).iter();
            let ours = ours.filter(|one| one["open"] == true && one["member"] == leave["member"]);
            let words =
                |one: &Value| format!("{}, until {}", said(&one["by_name"]), moment(said(&one["until"])));
            let leave = ours.map(|one| (said(&one["id"]).to_owned(), words(one))).collect();
            Self { openings: Openings::of(member), members, leave }
        });
        seen.await
    }
}

/// The blanks, filled with what the address says: so a filled form can be gone back to.
pub(in crate::pages) async fn form(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(typed): Query<Vec<(String, String)>>,
) -> Response {
    let frame = frame_of(&handle).await;
    let askable = match Askable::find(&handle, &id).await {
        Ok(askable) => askable,
        Err(error) => return frame.error("/ask", &error),
    };
    let Some(around) = Around::of(&handle).await else { return frame.error("/ask", &stopped()) };
    show(&frame, &askable, &around, &Typed(typed), &[])
}

/// The page, with what is wrong on top.
pub(super) fn show(
    frame: &Frame,
    askable: &Askable,
    around: &Around,
    typed: &Typed,
    mistakes: &[Mistake],
) -> Response {
    let read = match question(askable) {
        Ok(read) => read,
        Err(error) => return frame.error("/ask", &crate::error::CommandError::failed(error.0)),
    };
    let allowed = around.openings.that_allow(&askable.draft);
    let body = html! {
        (about(askable))
        @if allowed.is_empty() {
            p class="note" { "No purpose allows this yet. How to propose one:" }
            pre { "datacoop propose purpose PURPOSE.toml" }
        } @else {
            form method="post" action={ "/ask/" (encoded(&askable.id)) "/check" } class="fields" id="ask" novalidate {
                (correction(typed, mistakes))
                (blanks(&read, askable, typed))
                h2 { "Fill in the question" }
                (period_field(&read, typed, mistakes))
                @for (name, kind) in &askable.draft.param { (param_field(name, kind, around, typed, mistakes)) }
                (splits(&read, typed))
                @for narrowing in read.narrowings() { (narrowing_field(narrowing, typed)) }
                (purpose_field(&around.openings, askable, typed, mistakes))
                (lay_fields(typed, mistakes))
                (leave_field(&around.leave, typed, mistakes))
                (more(askable, typed, mistakes))
                button type="submit" { "Check before you ask" }
                p class="hint" { "Nothing is spent or sent by checking." }
            }
        }
        (cannot_tell(askable))
    };
    frame.form("/ask", &askable.draft.title, mistakes, &body)
}

fn about(askable: &Askable) -> Markup {
    html! {
        @if let Some(about) = askable.about {
            p class="lead" { (about.problem) }
            p { "With the answer: " (about.answer) }
        }
        p { "A difference of " (matters(&askable.draft.matters)) " would be worth noticing." }
    }
}

/// The question as a sentence: each blank leads to where it is filled in.
fn blanks(read: &Question, askable: &Askable, typed: &Typed) -> Markup {
    let kind = read.draft().period.as_deref().unwrap_or("year");
    let dated = read.vocabulary().date_column().is_some();
    let options = recent_periods(kind, dated, clock::now().day(), PERIODS_SHOWN);
    let (first, last, chosen) = (typed.one("first"), typed.one("last"), typed.one("period"));
    let period = match (first.is_empty() || last.is_empty(), chosen.is_empty()) {
        (false, _) => days(&format!("{first}..{last}")),
        (true, false) => options
            .iter()
            .find(|(period, _)| period.to_string() == chosen)
            .map_or_else(|| days(chosen), |(_, called)| called.clone()),
        (true, true) => options.first().map_or_else(|| "a period".to_owned(), |(_, called)| called.clone()),
    };
    let only: Vec<(String, String)> = read
        .narrowings()
        .iter()
        .map(|narrowing| {
            let field = format!("for.{}", narrowing.column);
            let values: Vec<String> = typed.all(&field).map(|one| value_of(&narrowing.column, one)).collect();
            (field.replace('.', "-"), values.join(" or "))
        })
        .collect();
    let chosen = only.iter().filter(|(_, values)| !values.is_empty());
    let chosen: Vec<&(String, String)> = chosen.collect();
    let split: Vec<String> = read
        .groupings()
        .iter()
        .filter(|by| !by.optional || typed.has("by", &by.name))
        .map(|by| column(&by.name).to_lowercase())
        .collect();
    let splits_more = read.groupings().iter().any(|by| by.optional);
    html! {
        p class="blanks" id="sentence" {
            (askable.draft.title) " In " a href="#period" { (period) }
            ", of "
            @if chosen.is_empty() {
                @match only.first() { Some((field, _)) => a href={ "#" (field) } { "everybody" }, None => { "everybody" } }
            }
            @for (n, (field, values)) in chosen.iter().enumerate() { @if n > 0 { " and " } a href={ "#" (field) } { (values) } }
            @if !split.is_empty() {
                ", by "
                @if splits_more { a href="#by" { (split.join(" and ")) } } @else { (split.join(" and ")) }
            } @else if splits_more { ", " a href="#by" { "not split" } }
            "."
        }
    }
}

/// Of a question that is asked again because its answer was wrong.
fn correction(typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let old = typed.one("supersedes");
    html! {
        @if !old.is_empty() {
            input type="hidden" name="supersedes" value=(old);
            div class="notice" {
                h2 { "A correction" }
                p { "This asks the question of " a href={ "/results/" (encoded(old)) } { "an earlier answer" } " once more. It must be the same question, period and splits; it can be done once, and costs the same again." }
            }
            (checked_field("because", "Why must it be corrected?", "It stands in the log for good.", mistakes, |described, wrong| html! {
                textarea id="because" name="because" rows="2" aria-describedby=[described] aria-invalid=[wrong.then_some("true")] { (typed.one("because")) }
            }))
        }
    }
}

/// Under whose leave, where this member has some.
fn leave_field(leave: &[(String, String)], typed: &Typed, mistakes: &[Mistake]) -> Markup {
    html! {
        @if !leave.is_empty() {
            (checked_field("under", "Under whose leave do you ask?", "", mistakes, |described, wrong| html! {
                select id="under" name="under" aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                    option value="" { "Whichever allows it; none for a coordinator" }
                    @for (id, words) in leave { option value=(id) selected[id == typed.one("under")] { (words) } }
                }
            }))
        }
    }
}

fn cannot_tell(askable: &Askable) -> Markup {
    html! {
        @if !askable.draft.cannot_tell.is_empty() {
            h2 { "What the answer cannot tell" }
            ul { @for one in &askable.draft.cannot_tell { li { (one) } } }
        }
        @if let Some(about) = askable.about {
            @if let Some(note) = &about.note { p { (note) } }
            @if !about.related.is_empty() {
                p { "See also: " @for (n, other) in about.related.iter().enumerate() {
                    @if n > 0 { ", " } a href={ "/ask/" (other) } { (crate::questions::named(other).map_or(other.as_str(), |known| known.draft.title.as_str())) }
                } }
            }
        }
    }
}

/// A line to type in.
fn input(
    id: &str,
    name: &str,
    kind: &str,
    value: &str,
    (described, wrong): (Option<String>, bool),
) -> Markup {
    html! {
        input type=(kind) id=(id) name=(name) value=(value) aria-describedby=[described] aria-invalid=[wrong.then_some("true")] autocomplete="off";
    }
}

/// Boxes to tick under one name.
fn boxes(
    legend: &str,
    hint: &str,
    name: &str,
    values: &[(String, String)],
    typed: &Typed,
    mistake: Option<&Mistake>,
) -> Markup {
    let id = name.replace('.', "-");
    html! {
        fieldset id=(id) tabindex=[mistake.map(|_| "-1")] class=(if mistake.is_some() { "field wrong" } else { "field" }) aria-describedby=[(!hint.is_empty()).then(|| format!("{id}-hint"))] {
            legend { (legend) }
            @if !hint.is_empty() { p class="hint" id={ (id) "-hint" } { (hint) } }
            @if let Some(mistake) = mistake { p class="mistake" id={ (id) "-error" } { span class="unseen" { "Error: " } (mistake.text) } }
            @for (n, (value, label)) in values.iter().enumerate() {
                div class="choice" {
                    input type="checkbox" id={ (id) "-" (n) } name=(name) value=(value) checked[typed.has(name, value)];
                    label for={ (id) "-" (n) } { (label) }
                }
            }
        }
    }
}

fn period_field(read: &Question, typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let kind = read.draft().period.as_deref().unwrap_or("year");
    let dated = read.vocabulary().date_column().is_some();
    let options = recent_periods(kind, dated, clock::now().day(), PERIODS_SHOWN);
    let chosen = typed.one("period");
    let listed = options.iter().any(|(period, _)| period.to_string() == chosen);
    let other = !typed.one("first").is_empty() || !typed.one("last").is_empty();
    let own_days = other || mistake_of(mistakes, "first").is_some() || mistake_of(mistakes, "last").is_some();
    let hint = "Terms as most schools keep them. Data are often corrected for ten school days after a period ends, and a stored answer stands.";
    html! {
        (checked_field("period", "In which period?", hint, mistakes, |described, wrong| html! {
            select id="period" name="period" aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                @if !listed && !chosen.is_empty() { option value=(chosen) selected { (days(chosen)) } }
                @for (period, called) in &options {
                    option value=(period.to_string()) selected[period.to_string() == chosen] { (called) }
                }
            }
        }))
        details open[own_days] {
            summary { "Other days" }
            p class="hint" { "At most a " (kind.replace('_', "-")) ". These count instead of the period above." }
            div class="pair" {
                (checked_field("first", "First day", "", mistakes, |described, wrong| input("first", "first", "date", typed.one("first"), (described, wrong))))
                (checked_field("last", "Last day", "", mistakes, |described, wrong| input("last", "last", "date", typed.one("last"), (described, wrong))))
            }
        }
    }
}

fn param_field(name: &str, kind: &str, around: &Around, typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let (id, field_name) = (format!("param-{name}"), format!("param.{name}"));
    let label = column(name);
    let value = typed.one(&field_name).to_owned();
    match kind {
        "members" => {
            let hint = "Tick the members that this is true of. Each member checks it for itself.";
            let mistake = mistake_of(mistakes, &id);
            boxes(&label, hint, &field_name, &around.members, typed, mistake)
        }
        "date" => checked_field(&id, &label, "", mistakes, |described, wrong| {
            input(&id, &field_name, "date", &value, (described, wrong))
        }),
        "dates" => checked_field(
            &id,
            &label,
            "Days such as 2026-10-02, with commas between them",
            mistakes,
            |d, w| input(&id, &field_name, "text", &value, (d, w)),
        ),
        "number" => {
            checked_field(&id, &label, "", mistakes, |d, w| input(&id, &field_name, "text", &value, (d, w)))
        }
        list => match lists::named(list) {
            Some(values) => checked_field(&id, &label, "", mistakes, |described, wrong| {
                html! {
                    select id=(id) name=(field_name) aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                        option value="" { "Choose one" }
                        @for one in values { option value=(one) selected[*one == value] { (one) } }
                    }
                }
            }),
            None => checked_field(&id, &label, "", mistakes, |d, w| {
                input(&id, &field_name, "text", &value, (d, w))
            }),
        },
    }
}

fn splits(read: &Question, typed: &Typed) -> Markup {
    let always: Vec<String> =
        read.groupings().iter().filter(|by| !by.optional).map(|by| column(&by.name)).collect();
    let optional: Vec<&Grouping> = read.groupings().iter().filter(|by| by.optional).collect();
    let values: Vec<(String, String)> =
        optional.iter().map(|by| (by.name.clone(), column(&by.name))).collect();
    html! {
        @if !always.is_empty() { p { "The answer is split by " (always.join(", ")) "." } }
        @if !values.is_empty() { (boxes("Split it further by", "Each split widens the ranges.", "by", &values, typed, None)) }
    }
}

fn narrowing_field(narrowing: &Narrowing, typed: &Typed) -> Markup {
    let values: Vec<(String, String)> =
        narrowing.values.iter().map(|value| (value.clone(), value_of(&narrowing.column, value))).collect();
    let legend = format!("Only some: {}", column(&narrowing.column));
    boxes(
        &legend,
        "Tick none to count everybody.",
        &format!("for.{}", narrowing.column),
        &values,
        typed,
        None,
    )
}

fn purpose_field(openings: &Openings, askable: &Askable, typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let allowed = openings.that_allow(&askable.draft);
    match allowed.as_slice() {
        [only] => html! {
            input type="hidden" name="purpose" value=(only.id);
            p { "Asked for: " strong { (only.title) } " (open until " (day_words(only.until)) ")" }
        },
        several => checked_field("purpose", "For which purpose?", "", mistakes, |described, wrong| {
            html! {
                select id="purpose" name="purpose" aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                    option value="" { "Choose one" }
                    @for open in several { option value=(open.id) selected[open.id == typed.one("purpose")] { (open.title) } }
                }
            }
        }),
    }
}

fn lay_fields(typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let area = |id: &'static str, label: &str, hint: &str| {
        checked_field(id, label, hint, mistakes, |described, wrong| {
            html! {
                textarea id=(id) name=(id) rows="2" aria-describedby=[described] aria-invalid=[wrong.then_some("true")] { (typed.one(id)) }
            }
        })
    };
    html! {
        h2 { "Say it to the others" }
        p { "These words stand in the log for good, and every member's people read them before they answer. Name no pupil." }
        (area("why", "Why do you ask?", ""))
        (area("benefits", "Who benefits?", ""))
        (area("pays", "Who pays for the work?", ""))
    }
}

/// What hardly anybody changes.
fn more(askable: &Askable, typed: &Typed, mistakes: &[Mistake]) -> Markup {
    let own = points_of(PrivacyLoss::from_nano(u64::try_from(askable.draft.loss).unwrap_or(0)));
    let changed = ["points", "members", "window"]
        .iter()
        .any(|id| !typed.one(id).is_empty() && typed.one(id) != WINDOW || mistake_of(mistakes, id).is_some());
    let window = if typed.one("window").is_empty() { WINDOW } else { typed.one("window") };
    let points_hint =
        format!("Leave it empty for the question's own: {own}. More points give a narrower range.");
    html! {
        details open[changed] {
            summary { "How exact, and how long" }
            (checked_field("points", "Points of the privacy budget to spend at each member", &points_hint, mistakes, |d, w| input("points", "points", "text", typed.one("points"), (d, w))))
            (checked_field("members", "Fewest members that must take part", "Leave it empty for the charter's own number. It can only be raised.", mistakes, |d, w| input("members", "members", "text", typed.one("members"), (d, w))))
            (checked_field("window", "Time for each of joining, contributing and adding up", "Such as 30m, 2h or 3d; at most 10d", mistakes, |d, w| input("window", "window", "text", window, (d, w))))
        }
    }
}

/// Today, for whoever reads a form.
pub(super) fn today() -> Day {
    clock::now().day()
}
