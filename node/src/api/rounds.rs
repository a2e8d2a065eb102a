//! Rounds and Releases that the node knows of.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use datacoop_policy::query::Mode;
use datacoop_policy::refusal::Rule;
use datacoop_policy::{MemberId, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::{Ending, Kind, Logged, Round};
use serde_json::{Value, json};

use super::{Answer, Failed, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::follow::{abort_words, clock_text};
use crate::loss::points_of;
use crate::own::basis::{Basis, BasisText};
use crate::view::{release_json, round_json, stage};

/// Digits of a query id that must be given: as many as `status` shows.
const PREFIX_MIN: usize = 8;
/// Rounds in a list: as many as people scroll through.
pub(crate) const LISTED_MAX: usize = 50;

pub(super) async fn results(State(handle): State<Handle>) -> Answer {
    let released = handle.released();
    let list = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let list = rounds.filter_map(|round| release_json(member.fold(), round));
        (member.fold().charter().fields().demo, list.collect::<Vec<_>>())
    });
    let (demo, list) = list.await.ok_or_else(stopped)?;
    Ok(Json(json!({ "schema": "datacoop.results/1", "demo": demo, "releases": list })))
}

pub(super) async fn query(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(told(member, &round, clock::now()))
    });
    Ok(Json(seen.await.ok_or_else(stopped)??))
}

/// Everything about one round: `datacoop.query/1`, with who said what.
pub(crate) fn told(member: &Member, round: &Round, now: Time) -> Value {
    let mut json = round_json(member.fold(), round);
    if let (Some(fields), Value::Object(more)) = (json.as_object_mut(), summary(member, round, now)) {
        fields.extend(more);
    }
    json
}

/// Who said what in a round, and how far it is; without its figures.
pub(crate) fn summary(member: &Member, round: &Round, now: Time) -> Value {
    let (fold, me) = (member.fold(), member.me());
    let name = |id: &MemberId| fold.member(id).map_or_else(|| id.to_string(), |member| member.name.clone());
    let refused = |(by, logged): (&MemberId, &Logged)| {
        let Body::Refuse { rule, layer, .. } = &logged.body else { return None };
        let meaning = Rule::from_code(rule).map(Rule::meaning);
        Some(
            json!({ "member": by.to_string(), "name": name(by), "rule": rule, "layer": layer, "meaning": meaning }),
        )
    };
    let refused: Vec<Value> = round.all(Kind::Verdict).filter_map(refused).collect();
    let count = |kind| round.all(kind).count();
    let plan = round.plan();
    let mut json = json!({
        "query": round.id.to_string(),
        "stage": stage(round),
        "stage_text": stage_text(round, member, now),
        "over": round.ending().is_some(),
        "released": round.released().is_some(),
        "accepted": count(Kind::Verdict) - refused.len(),
        "refused": refused,
        "roster": plan.map(|plan| plan.members.len()),
        "seats": plan.map(|plan| plan.committee.len()),
        "contributed": count(Kind::Contribution),
        "verified": count(Kind::Verify),
        "opened": count(Kind::Open),
        "ours": ours_json(round, me),
    });
    let Some(asked) = round.asked() else { return json };
    let (body, query) = (&asked.body, asked.query.as_ref().ok());
    let charter = fold.charter_of(&body.charter);
    let asked_of = || charter.members().iter().filter(|member| member.takes_part());
    let silent = asked_of().filter(|member| round.said(Kind::Verdict, &member.id).is_none());
    let more = json!({
        "title": query.map(|query| query.question.question().title()),
        "question": query.map(|query| query.question.question().id()),
        "params": body.params,
        "members": asked_of().count(),
        "silent": silent.map(|member| member.name.clone()).collect::<Vec<_>>(),
        "asker": asked.asker.to_string(),
        "asker_name": name(&asked.asker),
        "asked_by_us": asked.asker == *me,
        "asked": clock_text(asked.time),
        "purpose": body.purpose,
        "purpose_title": charter.purpose(&body.purpose).map(|purpose| purpose.title.clone()),
        "period": body.period.to_string(),
        "points": points_of(body.loss),
        "lay": { "why": body.lay.why, "benefits": body.lay.benefits, "pays": body.lay.pays },
        "shows_noised_figures": body.mode == Mode::FullNoise,
        "min_roster": body.min_roster,
        "join_by": clock_text(body.join_by),
        "contribute_by": clock_text(body.contribute_by),
        "close_by": clock_text(body.close_by),
        "late": body.close_by < now,
    });
    if let (Some(fields), Value::Object(more)) = (json.as_object_mut(), more) {
        fields.extend(more);
    }
    json
}

/// What our own log says in a round.
fn ours_json(round: &Round, me: &MemberId) -> Value {
    let wrote = |kind| round.said(kind, me).is_some();
    let (verdict, rule, layer) = match round.said(Kind::Verdict, me).map(|said| &said.body) {
        Some(Body::Refuse { rule, layer, .. }) => ("no", Some(rule.clone()), Some(layer.clone())),
        Some(_) => ("yes", None, None),
        None => ("none", None, None),
    };
    let meaning = rule.as_deref().and_then(Rule::from_code).map(Rule::meaning);
    json!({ "verdict": verdict, "rule": rule, "layer": layer, "meaning": meaning,
            "debited": wrote(Kind::Debit), "contributed": wrote(Kind::Contribution), "void": wrote(Kind::Void) })
}

/// Where a round stands that should be over and has no ending: what somebody keeps back may still come.
fn late_text(round: &Round, member: &Member) -> String {
    let name =
        |id: MemberId| member.fold().member(&id).map_or_else(|| id.to_string(), |member| member.name.clone());
    let by: BTreeSet<String> = round.withheld().into_iter().map(|withheld| name(withheld.by)).collect();
    match by.is_empty() {
        true => "Past its end: no answer came, and no word of why has arrived here.".to_owned(),
        false => format!(
            "Withheld: every seat of the committee closed, and no share that can be used came from {}. It may still come; \
             until then nobody can read the answer.",
            Vec::from_iter(by).join(", ")
        ),
    }
}

/// Where a round stands, in a sentence.
fn stage_text(round: &Round, member: &Member, now: Time) -> String {
    let of = |n: usize, all: usize, what: &str| format!("{n} of {all} {what}");
    let roster = round.plan().map_or(0, |plan| plan.members.len());
    let seats = round.plan().map_or(0, |plan| plan.committee.len());
    let count = |kind| round.all(kind).count();
    match round.ending() {
        Some(Ending::Released(_)) => "Released: the answer is here.".to_owned(),
        Some(Ending::Aborted(code)) => format!("Ended without an answer: {}.", abort_words(code)),
        None if round.asked().is_some_and(|asked| asked.body.close_by < now) => late_text(round, member),
        None if count(Kind::Open) > 0 => {
            format!("Opening the sum: {}.", of(count(Kind::Open), seats.max(1), "shares are open"))
        }
        None if count(Kind::Freeze) > 0 => {
            "Checking and adding up: what counts is fixed, and the committee checks each contribution."
                .to_owned()
        }
        None if round.plan().is_some() => {
            format!(
                "Contributing: {}.",
                of(count(Kind::Contribution), roster, "have sent their figures with privacy noise")
            )
        }
        None => {
            let charter = round.asked().map(|asked| member.fold().charter_of(&asked.body.charter));
            let all =
                charter.map_or(0, |charter| charter.members().iter().filter(|m| m.takes_part()).count());
            format!("Joining: {}.", of(count(Kind::Verdict), all, "have answered yes or no"))
        }
    }
}

/// Rounds under way and over, the newest first: how many there are, and of them [`LISTED_MAX`] from this one on.
pub(crate) fn listed(member: &Member, now: Time, from: usize) -> (usize, Vec<Value>) {
    let rounds = member.fold().rounds().values();
    let mut asked: Vec<_> = rounds.filter_map(|round| Some((round.asked()?.time, round))).collect();
    asked.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let shown = asked.iter().skip(from).take(LISTED_MAX);
    (asked.len(), shown.map(|(_, round)| summary(member, round, now)).collect())
}

/// What a release follows from; whoever may compare it with rows of ours reads those itself.
pub(super) async fn basis(State(handle): State<Handle>, Path(id): Path<String>) -> Answer {
    let seen = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        let basis = BasisText::of(member, &round);
        let text = || CommandError::usage(format!("query {} has no release: {}", round.id, stage(&round)));
        basis.ok_or_else(|| text().hint("list releases with their ids: datacoop results"))
    });
    let basis = seen.await.ok_or_else(stopped)??;
    let json =
        serde_json::to_value(basis).map_err(|error| Failed::from(CommandError::failed(error.to_string())))?;
    Ok(Json(json))
}

/// A Release as programs read it, with what it follows from. Errors: no such query here, or it has no Release.
pub(crate) async fn basis_of(handle: &Handle, id: String) -> Result<(Value, Basis), CommandError> {
    let found = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        let none = || CommandError::usage(format!("this question has no release: {}", stage(&round)));
        release_json(member.fold(), &round).zip(Basis::of(member, &round)).ok_or_else(none)
    });
    found.await.ok_or_else(stopped)?
}

/// The round of a query id, or of the only one that begins like this.
pub(crate) fn find_round(fold: &Fold, id: &str) -> Result<Arc<Round>, CommandError> {
    let hex = id.to_ascii_lowercase();
    if hex.len() < PREFIX_MIN || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage(format!("a query id is hex, at least {PREFIX_MIN} digits of it"))
            .hint("list releases with their ids: datacoop results"));
    }
    let mut found = fold.rounds().values().filter(|round| round.id.to_string().starts_with(&hex));
    match (found.next(), found.next()) {
        (Some(round), None) => Ok(round.clone()),
        (Some(_), Some(_)) => {
            Err(CommandError::usage(format!("more than one query begins with `{hex}`; give more digits")))
        }
        (None, _) => Err(CommandError::usage("no log here holds this query".into())),
    }
}
