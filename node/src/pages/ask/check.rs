//! "Check before you ask", and the asking.

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::Askable;
use super::fields::{Typed, read};
use super::form::{Around, show, today};
use crate::api::asking::{Again, AskTerms, Asked, ask_members, plan_of};
use crate::driver::Handle;
use crate::error::{CommandError, Exit};
use crate::pages::frame::{Frame, Mistake, encoded};
use crate::pages::words::{column, days, items, matters, or_not_said, points, said, sentence, value};
use crate::pages::{Shared, frame_of, stopped};
use crate::questions::expected::{ExpectedRow, expected_rows};
use crate::view::unanswerable;

/// Lines of a plan on the page; the command line's JSON has all.
const ROWS_MAX: usize = 40;

/// A form that was sent: what it is about, and what was typed.
struct Sent {
    frame: Frame,
    askable: Askable,
    around: Around,
    typed: Typed,
}

impl Sent {
    async fn read(handle: &Handle, id: &str, typed: Vec<(String, String)>) -> Result<Self, Response> {
        let frame = frame_of(handle).await;
        let askable = match Askable::find(handle, id).await {
            Ok(askable) => askable,
            Err(error) => return Err(frame.error("/ask", &error)),
        };
        let Some(around) = Around::of(handle).await else { return Err(frame.error("/ask", &stopped())) };
        Ok(Self { frame, askable, around, typed: Typed(typed) })
    }

    fn terms(&self) -> Result<AskTerms, Vec<Mistake>> {
        read(&self.askable, &self.around.openings, &self.typed, today())
    }

    /// The form as it was typed, with what is wrong on top.
    fn again(&self, mistakes: &[Mistake]) -> Response {
        show(&self.frame, &self.askable, &self.around, &self.typed, mistakes)
    }

    /// The same, for what a rule or the node says.
    fn refused(&self, error: &CommandError) -> Response {
        let hint = error.hint.as_deref().filter(|_| error.exit == Exit::NotRunning);
        let text = match hint {
            Some(hint) => format!("{}: {hint}", error.text),
            None => error.text.clone(),
        };
        self.again(&[Mistake { field: field_of(error), text: sentence(&text) }])
    }
}

/// The field that a rule is about, as far as one is.
fn field_of(error: &CommandError) -> String {
    let field = match error.exit {
        Exit::Budget => "points",
        Exit::Aborted => "members",
        Exit::Usage if error.text.contains("window") => "window",
        Exit::Failed
        | Exit::Usage
        | Exit::Refused
        | Exit::Going
        | Exit::NoNode
        | Exit::NotRunning
        | Exit::Locked
        | Exit::Law => "ask",
    };
    field.to_owned()
}

/// What asking would cost and show. Spends nothing.
pub(in crate::pages) async fn check(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Form(typed): Form<Vec<(String, String)>>,
) -> Response {
    let sent = match Sent::read(&handle, &id, typed).await {
        Ok(sent) => sent,
        Err(response) => return response,
    };
    let terms = match sent.terms() {
        Ok(terms) => terms,
        Err(mistakes) => return sent.again(&mistakes),
    };
    match plan_of(&handle, &sent.askable.draft, terms).await {
        Ok(plan) => plan_page(&sent, &plan),
        Err(error) => sent.refused(&error),
    }
}

/// Asks the members, once however often the button is pressed, and leads to the round; or to the stored release.
pub(in crate::pages) async fn ask(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Form(typed): Form<Vec<(String, String)>>,
) -> Response {
    let handle = &shared.handle;
    let sent = match Sent::read(handle, &id, typed).await {
        Ok(sent) => sent,
        Err(response) => return response,
    };
    let terms = match sent.terms() {
        Ok(terms) => terms,
        Err(mistakes) => return sent.again(&mistakes),
    };
    // Two presses of one button come one after the other: the second finds the first one's round.
    let _one_at_a_time = shared.asking.lock().await;
    let asked = ask_members(handle, &sent.askable.draft, terms, Again::Finds).await;
    match asked {
        Ok(Asked::New(id) | Asked::UnderWay(id)) => Redirect::to(&format!("/rounds/{id}")).into_response(),
        Ok(Asked::Answered(id)) => Redirect::to(&format!("/results/{id}")).into_response(),
        Err(error) => sent.refused(&error),
    }
}

/// What can be done with a plan.
#[derive(Clone, Copy)]
struct May {
    /// Ask it.
    ask: bool,
    /// Only where it is said that it would be paid for nothing: by public numbers of people no figure would answer.
    needs_force: bool,
    /// No figure would answer, by public numbers or by those that are assumed.
    is_rough: bool,
}

fn plan_page(sent: &Sent, plan: &Value) -> Response {
    let refused = plan["refused"]["plain"].as_str().or(plan["refused"]["text"].as_str());
    let answered = plan["answered"].as_str();
    let may = May {
        ask: answered.is_none() && refused.is_none(),
        needs_force: unanswerable(plan).is_some(),
        is_rough: answered.is_none() && plan["expected"]["answerable"] == false,
    };
    let body = html! {
        p class="lead" { (said(&plan["title"])) }
        @if let Some(id) = answered {
            p class="note" { "A release answers this already. Reading it costs nothing, and asking again would give the same numbers." }
            p { a class="button" href={ "/results/" (id) } { "See the stored release" } }
        }
        (facts(sent, plan))
        @if answered.is_none() {
            (expected(plan, may))
            (privacy(plan))
            @if let Some(why) = refused {
                div class="error" id="refused" { h2 { "This node would refuse it" } p { (sentence(why)) } }
            }
        }
        (buttons(sent, may, answered.is_some()))
    };
    sent.frame.page("/ask", "Check before you ask", &body)
}

/// What was chosen of a list: members by their names.
fn listed(sent: &Sent, chosen: &str) -> String {
    let name = |one: &str| {
        let known = sent.around.members.iter().find(|(id, _)| id == one);
        known.map_or_else(|| one.to_owned(), |(_, name)| name.clone())
    };
    chosen.split(',').map(name).collect::<Vec<_>>().join(", ")
}

fn facts(sent: &Sent, plan: &Value) -> Markup {
    let purpose = sent.around.openings.that_allow(&sent.askable.draft).into_iter();
    let mut purpose =
        purpose.filter(|open| sent.typed.one("purpose").is_empty() || open.id == sent.typed.one("purpose"));
    let mut params: Vec<(String, String)> = vec![];
    for (name, chosen) in plan["params"].as_object().into_iter().flatten() {
        params.push(match name.split_once('.') {
            Some(("by", by)) => ("Also split by".to_owned(), column(by)),
            Some(("for", of)) => {
                let values: Vec<String> = said(chosen).split(',').map(|one| value(of, one)).collect();
                ("Only".to_owned(), values.join(", "))
            }
            _ => (column(name), listed(sent, said(chosen))),
        });
    }
    let lay = [("Why", "why"), ("Who benefits", "benefits"), ("Who pays", "pays")];
    html! {
        dl class="pairs" id="plan" {
            dt { "Period" } dd { (days(said(&plan["period"]))) }
            @for (name, value) in &params { dt { (name) } dd { (value) } }
            @if let Some(open) = purpose.next() { dt { "Purpose" } dd { (open.title) } }
            @for (name, field) in lay {
                dt { (name) } dd { (or_not_said(sent.typed.one(field))) }
            }
            dt { "Would be asked" } dd {
                (plan["would_ask"]) " members"
                @if let Some(by) = plan["delegated_by"].as_str() { ", under the leave to ask that " (by) " gave" }
            }
            @if plan["answered"].is_null() {
                dt { "Costs" } dd {
                    (points(&plan["points"])) " of the privacy budget at each member"
                    @if let Some(left) = plan["points_left_after"].as_u64().filter(|_| plan["refused"].is_null()) { "; you would have " (points(&left.into())) " left" }
                }
                dt { "Is logged" } dd { "the question, the purpose, these words and you as asker: for all members, and for good" }
            }
        }
        @if !sent.around.members.is_empty() && plan["answered"].is_null() {
            details { summary { "Who would be asked" } ul { @for (_, name) in &sent.around.members { li { (name) } } } }
        }
    }
}

/// Of whom a figure is.
fn group(keys: &[(String, String)]) -> String {
    match keys {
        [] => "All".to_owned(),
        keys => keys.iter().map(|(name, one)| value(name, one)).collect::<Vec<_>>().join(", "),
    }
}

/// How sure a figure would be; one without an error is of too few people to be shown.
fn sure_words(error: Option<&str>, colour: &str) -> &'static str {
    match (error, colour) {
        (None, _) => "too few people",
        (Some(_), "green") => "clear",
        (Some(_), "amber") => "rough",
        (Some(_), _) => "too rough to tell",
    }
}

fn expected(plan: &Value, may: May) -> Markup {
    let worth = said(&plan["matters"]);
    let rows = expected_rows(&plan["expected"], worth);
    let more = rows.len().saturating_sub(ROWS_MAX);
    html! {
        h2 { "How sure the answer would be" }
        p {
            "A difference of " strong { (matters(worth)) } " is worth noticing. "
            @if plan["group_size_known"] == true {
                "The likely errors below follow from public numbers of people and usual shares, never from records."
            } @else {
                "The charter states no numbers of people, so the likely errors below are for groups of " (plan["group_size_assumed"]) " people."
            }
        }
        @if may.is_rough { (cure(plan, may)) }
        div class="scroll" role="region" tabindex="0" aria-label="Likely error of each figure" {
            table class="plain" id="expected" {
                caption { "Likely error (95 %) of each figure" }
                thead { tr { th scope="col" { "Of" } th scope="col" { "Figure" } th scope="col" { "Likely error" } th scope="col" { "That is" } } }
                tbody {
                    @for ExpectedRow { keys, figure, error, colour } in rows.iter().take(ROWS_MAX) {
                        tr { th scope="row" { (group(keys)) } td { (figure.replace('_', " ")) } td { (error.as_deref().unwrap_or("not shown")) } td { (sure_words(error.as_deref(), colour)) } }
                    }
                }
            }
        }
        @if more > 0 { p { "And " (more) " lines more: the command line has all." } }
    }
}

/// What would help, and how to go on all the same.
fn cure(plan: &Value, may: May) -> Markup {
    html! {
        div class="note" id="too-rough" {
            h3 { "Too rough to be worth it" }
            p { "The likely range is wider than the difference that would matter. Try a larger group, a longer period or fewer splits." }
            @if !items(&plan["expected"]["cures"]).is_empty() {
                p { "What would help:" }
                ul { @for cure in items(&plan["expected"]["cures"]) { li { (said(&cure["plain"])) } } }
            }
            @if may.ask && may.needs_force {
                p { "To go on all the same, tick the box " a href="#force" { "beside the button that asks" } "." }
            } @else if may.ask {
                p { "If you know that the groups are larger than assumed here, " a href="#ask-members" { "ask all the same" } "." }
            }
        }
    }
}

fn privacy(plan: &Value) -> Markup {
    let loss = &plan["loss"];
    html! {
        h2 { "What it means for each person" }
        p {
            "Whatever anybody learns from the answer is at most "
            (loss["factor"].as_str().unwrap_or("over a million")) " times as likely as if that person's record had been left out."
        }
        p {
            @if plan["mode"] == "secure" {
                "Nobody sees a member's own figures as long as any 1 of " (plan["committee"]) " committee members is honest."
            } @else {
                "The other members can see your figures with noise added."
            }
        }
        details {
            summary { "Details" }
            p { "Privacy loss: rho " (said(&loss["rho"]).trim_end_matches('0').trim_end_matches('.')) ", epsilon " (said(&loss["epsilon"])) " at delta " (said(&loss["delta"])) "." }
            @if plan["committee_can_be_all_corrupt"] == true { p { "With so few members a draw could give every seat to dishonest ones." } }
        }
    }
}

/// What was typed goes along, to be asked or to be changed.
fn buttons(sent: &Sent, may: May, is_answered: bool) -> Markup {
    let action = format!("/ask/{}", encoded(&sent.askable.id));
    let hidden = html! {
        @for (name, value) in sent.typed.0.iter().filter(|(name, _)| name != "force") {
            input type="hidden" name=(name) value=(value);
        }
    };
    // One button stands out: what is best done next.
    let best_asked = may.ask && !may.is_rough;
    let best_changed = !best_asked && !is_answered;
    html! {
        @if may.ask {
            form method="post" action=(action) id="ask-members" class="fields" {
                (hidden)
                @if may.needs_force {
                    div class="choice" {
                        input type="checkbox" id="force" name="force" value="yes";
                        label for="force" { "Ask all the same, although it would be paid for nothing" }
                    }
                }
                button type="submit" class=[(!best_asked).then_some("plain")] { "Ask the members" }
                p class="hint" { "Pressing twice asks once. What is asked cannot be taken back from the log." }
            }
        }
        form method="get" action=(action) id="change" {
            (hidden)
            button type="submit" class=[(!best_changed).then_some("plain")] { "Change something" }
        }
    }
}
