//! Rounds: what waits for this member's person, how far each round is, and the person's yes or no. What a yes or
//! no does stands in [`crate::inbox`] and [`crate::staying_out`], as for the command line.

use axum::Json;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::frame::{Frame, Mistake};
use super::part::Part;
use super::words::{columns, days, items, moment, or_not_said, points, said};
use super::{frame_of, stopped};
use crate::api::find_round;
use crate::api::rounds::{listed, summary};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::inbox::{self, DecideRequest};
use crate::staying_out::{self, StayOut};

const HERE: &str = "/rounds";

/// How many of the newest rounds to pass over.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    from: usize,
}

/// What waits, what can still be declined, what is under way, what is over.
pub(super) async fn list(State(handle): State<Handle>, Query(From { from }): Query<From>) -> Response {
    let frame = frame_of(&handle).await;
    let inbox = match inbox::seen(&handle).await {
        Ok(inbox) => inbox,
        Err(error) => return frame.error(HERE, &error),
    };
    let seen = handle.view(move |member| {
        let part = Part::of(member.fold().rounds().len(), from);
        let (all, rounds) = listed(member, clock::now(), part.from());
        (Part::of(all, from), rounds)
    });
    let Some((part, rounds)) = seen.await else { return frame.error(HERE, &stopped()) };
    let (over, open): (Vec<&Value>, Vec<&Value>) = rounds.iter().partition(|round| round["over"] == true);
    let (late, open): (Vec<&Value>, Vec<&Value>) = open.into_iter().partition(|round| round["late"] == true);
    let is_in =
        |list: &str, round: &Value| items(&inbox[list]).iter().any(|one| one["query"] == round["query"]);
    // What waits, or was answered with yes, stands above.
    let above = |round: &Value| is_in("waiting", round) || is_in("accepted", round);
    let under_way: Vec<&Value> = open.iter().copied().filter(|round| !above(round)).collect();
    let stage = |one: &Value| {
        open.iter().find(|round| round["query"] == one["query"]).map(|round| said(&round["stage_text"]))
    };
    let body = html! {
        (held_back(&inbox))
        h2 id="waiting" { "Waiting for this member" }
        @if items(&inbox["waiting"]).is_empty() { p { "No question waits for this member's yes." } }
        @for one in items(&inbox["waiting"]) { (waiting(one, true)) }
        @if !items(&inbox["accepted"]).is_empty() {
            h2 { "Answered with yes" }
            p { "These can still be declined, until our contribution is logged." }
            ul class="list" {
                @for one in items(&inbox["accepted"]) {
                    li {
                        a href={ "/rounds/" (said(&one["query"])) } { (said(&one["title"])) }
                        @if let Some(stage) = stage(one) { p { (stage) } }
                        p class="meta" { "Asked by " (said(&one["asker_name"])) "; costs " (points(&one["points"])) }
                    }
                }
            }
        }
        h2 { "Under way" }
        @if open.is_empty() { p { "No round is open." } }
        @else if under_way.is_empty() { p { "No other round is open." } }
        (lines(&under_way))
        @if !late.is_empty() { h2 { "Past their end, without an answer" } (lines(&late)) }
        @if !over.is_empty() { h2 { "Over" } (lines(&over)) }
        (part.links(HERE))
    };
    frame.page(HERE, "Rounds", &body)
}

/// Why nothing is answered, where nothing is.
fn held_back(inbox: &Value) -> Markup {
    let reasons = [&inbox["starting"], &inbox["clock"], &inbox["rules"]["problem"]];
    html! { @for why in reasons.into_iter().filter_map(Value::as_str) { p class="alert" { (why) } } }
}

fn lines(rounds: &[&Value]) -> Markup {
    html! {
        ul class="list" {
            @for round in rounds {
                li {
                    a href={ "/rounds/" (said(&round["query"])) } { (title(round)) }
                    p { (said(&round["stage_text"])) }
                    p class="meta" {
                        "Asked by " @if round["asked_by_us"] == true { "us" } @else { (said(&round["asker_name"])) }
                        ", " (moment(said(&round["asked"]))) "; " (days(said(&round["period"]))) "; costs " (points(&round["points"]))
                    }
                }
            }
        }
    }
}

fn title(round: &Value) -> &str {
    round["title"].as_str().unwrap_or("A question that cannot be read here")
}

/// A question that waits for a yes, with all that a person has to know before one.
fn waiting(one: &Value, with_link: bool) -> Markup {
    let query = said(&one["query"]);
    html! {
        section class="card" aria-labelledby={ "q-" (query) } {
            @if with_link { h3 id={ "q-" (query) } { a href={ "/rounds/" (query) } { (said(&one["title"])) } } }
            @else { h2 id={ "q-" (query) } { "Waiting for this member's yes" } }
            dl class="pairs" {
                dt { "Asked by" } dd { (said(&one["asker_name"])) ", " (moment(said(&one["asked"]))) }
                dt { "Purpose" } dd { (said(&one["purpose_title"])) @if one["purpose_plain"].is_string() { p class="meta" { (said(&one["purpose_plain"])) } } }
                dt { "Why" } dd { (or_not_said(said(&one["why"]))) }
                dt { "Who benefits" } dd { (or_not_said(said(&one["benefits"]))) }
                dt { "Who pays" } dd { (or_not_said(said(&one["pays"]))) }
                dt { "About" } dd {
                    (said(&one["dataset"])) ", " (days(said(&one["period"]))) "; " (one["cells"]) " figures"
                    @if !items(&one["by"]).is_empty() { ", split by " (columns(&one["by"])) }
                }
                dt { "Reads" } dd { (columns(&one["columns"])) }
                dt { "Costs" } dd {
                    (points(&one["points"])) " of the privacy budget; you have " (points(&one["left"]["year"])) " left this year, "
                    (points(&one["left"]["purpose"])) " for this purpose"
                }
                dt { "Our verdict" } dd { "Yes: every limit allows it. It waits, because " (said(&one["hold"]["plain"])) "." }
                dt { "Answer by" } dd { (moment(said(&one["join_by"]))) "; without a yes this node takes no part" }
            }
            @if one["shows_noised_figures"] == true { p { "The other members can see your figures with noise added." } }
            @for objection in items(&one["objections"]) { (objected(objection)) }
            div class="actions" {
                form method="post" action={ "/rounds/" (query) "/approve" } { button type="submit" { "Answer it" span class="unseen" { ": " (said(&one["title"])) } } }
                a class="button plain" href={ "/rounds/" (query) "/decline" } { "Do not answer it" span class="unseen" { ": " (said(&one["title"])) } }
            }
        }
    }
}

/// What another member wrote: quoted, so that it passes for nothing of ours.
fn objected(objection: &Value) -> Markup {
    let quoted = |value: &Value| {
        html! {
            @match value["text"].as_str() {
                Some(text) => blockquote { @for line in text.lines() { p { (line) } } },
                None => p class="meta" { "Its text has not arrived here yet." },
            }
        }
    };
    let reply = &objection["reply"];
    html! {
        p { strong { (said(&objection["name"])) " objects, " (moment(said(&objection["time"]))) } }
        (quoted(objection))
        @if reply.is_null() { p class="meta" { "Not answered yet." } }
        @else { p { "Answered by " (said(&reply["name"])) } (quoted(reply)) }
    }
}

/// What a person did a moment ago.
#[derive(Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

fn done_words(done: &str) -> Option<&'static str> {
    Some(match done {
        "yes" => "Your yes is kept. It can still be declined until our contribution is logged.",
        "once" => {
            "Declined. No reason is asked or told; if enough members are left, they go on without this node."
        }
        "question" => "Declined, and this question is never answered here again, whoever asks it.",
        "purpose" => "Declined, and nothing more is answered here for this purpose.",
        "all" => "Declined, and this node answers nothing any more.",
        _ => return None,
    })
}

/// A round, and whether its question still waits for our person or can be declined.
struct Seen {
    round: Value,
    waiting: Option<Value>,
    declinable: bool,
}

async fn seen(handle: &Handle, id: String) -> Result<Seen, CommandError> {
    let round = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(summary(member, &round, clock::now()))
    });
    let round = round.await.ok_or_else(stopped)??;
    let inbox = inbox::seen(handle).await?;
    let of = |list: &str| items(&inbox[list]).iter().find(|one| one["query"] == round["query"]).cloned();
    let (waiting, accepted) = (of("waiting"), of("accepted"));
    let declinable = waiting.is_some() || accepted.is_some();
    Ok(Seen { round, waiting, declinable })
}

/// One round in words and counts.
pub(super) async fn one(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(Done { done }): Query<Done>,
) -> Response {
    let frame = frame_of(&handle).await;
    let Seen { round, waiting: held, declinable } = match seen(&handle, id).await {
        Ok(seen) => seen,
        Err(error) => return frame.error(HERE, &error),
    };
    let query = said(&round["query"]);
    let over = round["over"] == true;
    let poll = (!over).then(|| format!("/rounds/{query}/status.json"));
    let body = html! {
        @if let Some(words) = done_words(&done) { p class="note" role="status" { (words) } }
        div id="live" data-poll=[poll] {
            p class="stage" aria-live="polite" data-live="stage_text" { (said(&round["stage_text"])) }
            p data-when="released" hidden[round["released"] != true] { a class="button" href={ "/results/" (query) } { "See the result" } }
            @if !over {
                p class="no-print" { "Rounds can take days. You can close this page. " a href={ "/rounds/" (query) } { "Look again" } }
            }
        }
        @if let Some(one) = &held { (waiting(one, false)) }
        (stages(&round))
        (ours(&round))
        @if held.is_none() && declinable {
            p { a class="button plain" href={ "/rounds/" (query) "/decline" } { "Do not answer it after all" } }
        }
        (question(&round))
    };
    frame.page(HERE, title(&round), &body)
}

/// How far a round is, in counts that the script keeps up to date.
fn stages(round: &Value) -> Markup {
    let count = |field: &str| html! { span data-live=(field) { (round[field].as_u64().unwrap_or(0)) } };
    let refused = items(&round["refused"]);
    let silent = items(&round["silent"]);
    // What is not known yet the script shows once it is.
    let later = |name: &str, when: &str, what: Markup| {
        let hidden = round[when].as_u64().unwrap_or(0) == 0;
        html! { dt data-when=(when) hidden[hidden] { (name) } dd data-when=(when) hidden[hidden] { (what) } }
    };
    html! {
        h2 { "How far it is" }
        dl class="pairs" id="stages" {
            dt { "Joined" } dd { (count("accepted")) " of " (round["members"].as_u64().unwrap_or(0)) " members" }
            dt { "Refused" } dd { span data-live="refused" { (refused.len()) } }
            dt { "Not heard from" } dd { span data-live="silent" { (silent.len()) } }
            (later("Take part", "roster", count("roster")))
            (later("Contributed", "roster", html! { (count("contributed")) " of " (count("roster")) }))
            (later("Checked by the committee", "seats", html! { (count("verified")) " of " (count("seats")) " seats" }))
            (later("Opened", "seats", html! { (count("opened")) " of " (count("seats")) " seats" }))
            dt { "Joining ends" } dd { (moment(said(&round["join_by"]))) }
            dt { "Contributing ends" } dd { (moment(said(&round["contribute_by"]))) }
            dt { "All ends" } dd { (moment(said(&round["close_by"]))) }
        }
        @if !refused.is_empty() {
            div class="scroll" role="region" tabindex="0" aria-label="Who refused" {
                table class="plain" id="refused" {
                    caption { "Who refused" }
                    thead { tr { th scope="col" { "Member" } th scope="col" { "Rule" } th scope="col" { "Set by" } } }
                    tbody {
                        @for one in refused {
                            tr {
                                th scope="row" { (said(&one["name"])) }
                                td { (one["meaning"].as_str().unwrap_or("a rule that this program does not know")) " (" (said(&one["rule"])) ")" }
                                td { (layer_words(said(&one["layer"]))) }
                            }
                        }
                    }
                }
            }
        }
        @if !silent.is_empty() && round["over"] != true {
            details { summary { "Not heard from" } ul { @for name in silent { li { (said(name)) } } } }
        }
    }
}

fn layer_words(layer: &str) -> &str {
    match layer {
        "floor" => "this program's own floor",
        "charter" => "the charter",
        "member" => "its own limits",
        "delegation" => "the asker's leave to ask",
        other => other,
    }
}

/// What this node did in it.
fn ours(round: &Value) -> Markup {
    let ours = &round["ours"];
    let aborted = round["over"] == true && round["released"] != true;
    html! {
        h2 { "Our part" }
        p id="ours" {
            @match said(&ours["verdict"]) {
                "yes" => "Our verdict: yes, every limit allows it.",
                "no" => {
                    "Our verdict: no. " (ours["meaning"].as_str().unwrap_or("A rule forbids it.")) " Set by " (layer_words(said(&ours["layer"]))) "."
                },
                _ => "This node has not said yes or no.",
            }
        }
        @if ours["contributed"] == true {
            p { "Our contribution is logged, so its points are spent" @if aborted { ", although there is no answer" } "." }
        } @else if ours["void"] == true || aborted && ours["debited"] == true {
            p { "Our contribution was never logged, so our points come back." }
        }
    }
}

/// What is asked.
fn question(round: &Value) -> Markup {
    let lay = &round["lay"];
    html! {
        h2 { "The question" }
        dl class="pairs" {
            dt { "Asked by" } dd { @if round["asked_by_us"] == true { "us" } @else { (said(&round["asker_name"])) } ", " (moment(said(&round["asked"]))) }
            dt { "Purpose" } dd { (round["purpose_title"].as_str().unwrap_or(said(&round["purpose"]))) }
            dt { "Period" } dd { (days(said(&round["period"]))) }
            dt { "Why" } dd { (or_not_said(said(&lay["why"]))) }
            dt { "Who benefits" } dd { (or_not_said(said(&lay["benefits"]))) }
            dt { "Who pays" } dd { (or_not_said(said(&lay["pays"]))) }
            dt { "Costs" } dd { (points(&round["points"])) " of the privacy budget at each member that takes part" }
            dt { "Needs" } dd { "at least " (round["min_roster"].as_u64().unwrap_or(0)) " members" }
            dt { "Query" } dd { code { (said(&round["query"])) } }
        }
    }
}

/// Where a round stands, for the script.
pub(super) async fn status(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(summary(member, &round, clock::now()))
    });
    match seen.await {
        Some(Ok(json)) => Json(json).into_response(),
        Some(Err(error)) => (StatusCode::NOT_FOUND, Json(json!({ "error": error.text }))).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The person says yes.
pub(super) async fn approve(State(handle): State<Handle>, Path(query): Path<String>) -> Response {
    match inbox::decided(&handle, DecideRequest { query, yes: true }).await {
        Ok(decided) => Redirect::to(&format!("/rounds/{}?done=yes", said(&decided["query"]))).into_response(),
        Err(error) => frame_of(&handle).await.error(HERE, &error),
    }
}

/// How far a no goes.
#[derive(Deserialize)]
pub(super) struct HowFar {
    #[serde(default)]
    far: String,
}

/// Asks how far a no goes, before anything is changed.
pub(super) async fn ask_decline(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    let frame = frame_of(&handle).await;
    match seen(&handle, id).await {
        Ok(seen) if seen.declinable => decline_form(&frame, &seen.round, &[]),
        Ok(seen) => frame.error(HERE, &too_late(&seen.round)),
        Err(error) => frame.error(HERE, &error),
    }
}

fn too_late(round: &Value) -> CommandError {
    let text = format!(
        "this question can no longer be declined: {}",
        said(&round["stage_text"]).trim_end_matches('.')
    );
    CommandError::usage(text).hint("to stay out of others like it: datacoop not-us")
}

fn decline_form(frame: &Frame, round: &Value, mistakes: &[Mistake]) -> Response {
    let query = said(&round["query"]);
    let purpose = round["purpose_title"].as_str().unwrap_or(said(&round["purpose"]));
    let choices = [
        ("once", "Not this question, this time".to_owned()),
        ("question", "Not this question, whoever asks it and whenever".to_owned()),
        ("purpose", format!("Not this purpose: nothing more for \"{purpose}\"")),
        ("all", "Answer nothing: stay out of everything".to_owned()),
    ];
    let wrong = mistakes.first();
    let body = html! {
        p { "No reason is asked or told. If enough members are left, they go on without this node, and their rounds show that it refuses." }
        form method="post" action={ "/rounds/" (query) "/decline" } class="fields" {
            fieldset id="far" tabindex=[wrong.map(|_| "-1")] class=(if wrong.is_some() { "field wrong" } else { "field" }) {
                legend { "How far does your no go?" }
                @if let Some(wrong) = wrong { p class="mistake" { span class="unseen" { "Error: " } (wrong.text) } }
                @for (value, label) in &choices {
                    div class="choice" {
                        input type="radio" id={ "far-" (value) } name="far" value=(value) aria-describedby=[(*value != "once").then_some("far-note")];
                        label for={ "far-" (value) } { (label) }
                    }
                }
            }
            p class="hint" id="far-note" { "The last three change this member's own limits (limits.toml) from now on. To take them back, edit that file and start the node again." }
            button type="submit" { "Do not answer" }
            p { a href={ "/rounds/" (query) } { "Go back" } }
        }
    };
    frame.form(HERE, &format!("Do not answer: {}", title(round)), mistakes, &body)
}

/// The person says no.
pub(super) async fn decline(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Form(HowFar { far }): Form<HowFar>,
) -> Response {
    let frame = frame_of(&handle).await;
    let seen = match seen(&handle, id).await {
        Ok(seen) => seen,
        Err(error) => return frame.error(HERE, &error),
    };
    let query = said(&seen.round["query"]).to_owned();
    let id = |field: &str| said(&seen.round[field]).to_owned();
    let out = match far.as_str() {
        "once" if seen.declinable => None,
        "question" => Some(StayOut::Question(id("question"))),
        "purpose" => Some(StayOut::Purpose(id("purpose"))),
        "all" => Some(StayOut::All),
        "once" => return frame.error(HERE, &too_late(&seen.round)),
        _ => {
            let text = "Choose how far your no goes".to_owned();
            return decline_form(&frame, &seen.round, &[Mistake { field: "far".into(), text }]);
        }
    };
    let done = match out {
        None => inbox::decided(&handle, DecideRequest { query: query.clone(), yes: false }).await.map(|_| ()),
        // To its end, whoever still waits: limits.toml must not say no while the node says yes.
        Some(out) => {
            let staying = tokio::spawn(async move { stay_out(&handle, out).await });
            staying.await.unwrap_or_else(|error| Err(CommandError::failed(error.to_string())))
        }
    };
    match done {
        Ok(()) => Redirect::to(&format!("/rounds/{query}?done={far}")).into_response(),
        Err(error) => frame.error(HERE, &error),
    }
}

/// Changes our own limits, by which the node goes at once.
async fn stay_out(handle: &Handle, out: StayOut) -> Result<(), CommandError> {
    let home = handle.home().clone();
    let changed = tokio::task::spawn_blocking(move || match out.edit(&home)? {
        Some(edit) => staying_out::write(&home, &edit),
        // Our limits say so already.
        None => Ok(()),
    });
    changed.await.map_err(|error| CommandError::failed(error.to_string()))??;
    match inbox::narrowed(handle).await? {
        None => Ok(()),
        Some(problem) => {
            Err(CommandError::failed(problem)
                .hint("limits.toml is changed; start the node again and it counts"))
        }
    }
}
