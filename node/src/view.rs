//! Plain values for the command line and its JSON: what a Member's logs say, in words people use.

use datacoop_policy::derive::Figures;
use datacoop_policy::limits::Limits;
use datacoop_policy::query::Query;
use datacoop_policy::query::{Assumptions, Mode, SECURE_ROSTER_MIN, Terms};
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::refusal::{Refusal, Rule};
use datacoop_policy::{Day, MemberId, PrivacyLoss, QueryId, Time};
use datacoop_protocol::entry::{Body, QueryBody};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use datacoop_protocol::release::figures;
use datacoop_protocol::rounds::{Ending, Kind, Logged, Plan, Round};
use datacoop_protocol::standing::{answer, superseded_by};
use serde_json::{Value, json};

use crate::cli::figures_json;
use crate::ending::endings_json;
use crate::error::CommandError;
use crate::html::day_words;
use crate::loss::{Meaning, Reading, account, points_left, points_of, years, years_json};
use crate::questions::reckon::{Cluster, reckon};

/// Group size that a plan's expected noise is shown for when members state no numbers of people.
const PEOPLE_PICTURED: u64 = 100;

/// A Release with what it follows from.
pub struct Release {
    /// The Query.
    pub id: QueryId,
    /// Its Question.
    pub question: BoundQuestion,
    /// What it shows.
    pub figures: Figures,
    /// For programs.
    pub json: Value,
}

/// Whether bad luck of the lot could make every seat corrupt.
pub fn can_be_all_corrupt(mode: Mode, terms: &Terms) -> bool {
    mode == Mode::Secure && terms.committee <= terms.colluding
}

fn reading_json(loss: PrivacyLoss) -> Value {
    Reading::of(loss).json()
}

/// What a round's loss means.
pub fn meaning(plan: &Plan) -> Value {
    let query = &plan.query;
    Meaning::new(query.loss, query.mode, &plan.terms).json(&query.account.dataset)
}

/// The release of a round, if it has one.
pub fn release(round: &Round) -> Option<Release> {
    let plan = round.plan()?;
    let (_, sums) = round.released()?;
    let figures = figures(plan, &sums);
    let query = &plan.query;
    let json = json!({
        "query": round.id.to_string(),
        "question": query.question.question().id(),
        "title": query.question.question().title(),
        "period": query.period().to_string(),
        "params": query.question.params(),
        "purpose": query.purpose,
        "asker": query.asker.to_string(),
        "delegation": query.delegation.as_ref().map(|cited| cited.leaf.to_string()),
        "delegated_by": query.delegation.as_ref().and_then(|cited| Some(cited.by.as_ref()?.to_string())),
        "mode": query.mode.code(),
        "roster": plan.members.len(),
        "committee": plan.committee.len(),
        "committee_can_be_all_corrupt": can_be_all_corrupt(query.mode, &plan.terms),
        "accepted": sums.accepted.len(),
        "loss": meaning(plan),
        "cannot_tell": query.question.question().draft().cannot_tell,
        "clips": query.question.clips(),
        "figure": query.question.question().draft().figure.kind,
        "by": query.question.groupings().iter().map(|by| by.name.as_str()).collect::<Vec<_>>(),
        "cells": figures_json(&figures),
        "supersedes": round.asked()?.body.supersedes.as_ref().map(
            |old| json!({ "query": old.query.to_string(), "because": old.because })),
    });
    Some(Release { id: round.id, question: query.question.clone(), figures, json })
}

/// The release of a round as scripts read it, with what superseded it.
pub fn release_json(fold: &Fold, round: &Round) -> Option<Value> {
    let mut json = release(round)?.json;
    json["superseded_by"] = json!(superseded_by(fold, round).map(|id| id.to_string()));
    Some(json)
}

/// Where a round stands, in one word.
pub fn stage(round: &Round) -> String {
    match round.ending() {
        Some(Ending::Released(_)) => "released".into(),
        Some(Ending::Aborted(code)) => format!("aborted: {code}"),
        None => {
            let stages = [
                (Kind::Open, "opening"),
                (Kind::Close, "closing"),
                (Kind::Verify, "verifying"),
                (Kind::Freeze, "freezing"),
                (Kind::Contribution, "contributing"),
                (Kind::Debit, "debiting"),
                (Kind::Roster, "roster frozen"),
                (Kind::Verdict, "joining"),
            ];
            let reached = stages.into_iter().find(|(kind, _)| round.all(*kind).next().is_some());
            reached.map_or("asked", |(_, stage)| stage).into()
        }
    }
}

/// Everything about one round.
pub fn round_json(fold: &Fold, round: &Round) -> Value {
    let refusals: Vec<Value> = round
        .all(Kind::Verdict)
        .filter_map(|(by, logged)| {
            let Body::Refuse { rule, layer, .. } = &logged.body else { return None };
            Some(json!({ "member": by.to_string(), "rule": rule, "layer": layer }))
        })
        .collect();
    let accepted = round.all(Kind::Verdict).count() - refusals.len();
    json!({
        "schema": "datacoop.query/1",
        "demo": fold.charter().fields().demo,
        "query": round.id.to_string(),
        "stage": stage(round),
        "accepted": accepted,
        "refused": refusals,
        "contributed": round.all(Kind::Contribution).count(),
        "alerts": round.alerts().iter().filter_map(alert_json).collect::<Vec<_>>(),
        "release": release_json(fold, round),
    })
}

/// What a member says should not be, and the entry that shows it.
fn alert_json((by, logged): &(MemberId, Logged)) -> Option<Value> {
    let Body::Alert { code, subject, .. } = &logged.body else { return None };
    let about = json!({ "log": subject.log, "index": subject.index, "leaf": subject.leaf.to_string() });
    Some(json!({ "by": by.to_string(), "code": code, "about": about }))
}

/// What floor, charter and our own limits allow together in a year, whatever the purpose.
pub fn year_limit(member: &Member, now: Time) -> PrivacyLoss {
    let shared = Limits::floor().meet(&member.fold().charter_at(member.me(), now).fields().limits);
    member.settings().limits.as_ref().map_or(shared.rho_year, |own| shared.meet(own).rho_year)
}

/// How the node is.
pub fn status_json(member: &Member, now: Time) -> Value {
    let today = now.day();
    let fold = member.fold();
    let charter = fold.charter_at(member.me(), now);
    let mut later: Vec<_> = fold.adopted(member.me()).map(|(_, later)| later).collect();
    later.reverse();
    let later: Vec<Value> = later
        .into_iter()
        .filter(|later| later.from > now)
        .map(|later| json!({ "version": later.version, "from": later.from.day().to_string() }))
        .collect();
    let unheard = fold.unheard_since(member.me(), now).map(|day| day.to_string());
    let year_limit = year_limit(member, now);
    let ledger = member.standing().ledger();
    let accounts: Vec<Value> = ledger
        .accounts()
        .map(|(account, spent)| {
            json!({ "account": account.to_string(), "spent": reading_json(spent),
                    "left": reading_json(year_limit.less(spent)) })
        })
        .collect();
    let this_year = member.settings().declared.iter().map(|dataset| account(dataset, today.academic_year()));
    let untouched: Vec<Value> = this_year
        .filter(|account| ledger.accounts().all(|(spent, _)| spent != account))
        .map(|account| json!({ "account": account.to_string(), "left": reading_json(year_limit) }))
        .collect();
    let open: Vec<Value> = member
        .fold()
        .rounds()
        .values()
        .filter(|round| round.ending().is_none())
        .map(|round| json!({ "query": round.id.to_string(), "stage": stage(round) }))
        .collect();
    let released = || member.fold().rounds().values().filter(|round| round.released().is_some());
    let logs: Vec<Value> = member
        .fold()
        .logs()
        .map(|log| json!({ "member": log.member.to_string(), "origin": log.origin, "entries": log.size() }))
        .collect();
    let unresponsive: Vec<Value> = member
        .unresponsive()
        .map(|(id, claim)| json!({ "member": id.to_string(), "by": claim.by.to_string(), "entries": claim.size }))
        .collect();
    let own = member.fold().log(member.me());
    let witnessed = own.map_or(0, |log| member.witnessed().size(log));
    let (cosigned, needed, named) = member.witnessed().counts(member.me(), charter.version());
    json!({
        "starting": member.starting(),
        "witnesses": { "entries": own.map_or(0, |log| log.size()), "witnessed": witnessed,
                       "cosigned": cosigned, "needed": needed, "named": named },
        "schema": "datacoop.status/1",
        "demo": charter.fields().demo,
        "member": member.me().to_string(),
        "charter": { "name": charter.fields().name, "version": charter.version(), "id": charter.id().to_string(),
                     "expires": charter.fields().expires.to_string(), "later": later,
                     // As the newest version has it: what it extends needs no word any more.
                     "endings": endings_json(fold.charter(), today),
                     "rivals": fold.rivals().map(ToString::to_string).collect::<Vec<_>>(), "unheard_since": unheard },
        "members": charter.members().len(),
        "connected": member.connected().map(ToString::to_string).collect::<Vec<_>>(),
        "answers": member.settings().limits.is_some(),
        "clock": member.clock_off().map(|off| off.sentence()),
        "datasets": member.settings().declared,
        "ledger": accounts,
        "untouched": untouched,
        "years": years_json(&years(ledger.accounts())),
        "open": open,
        "released": released().count(),
        "superseded": released().filter(|round| superseded_by(member.fold(), round).is_some()).count(),
        "logs": logs,
        "unresponsive": unresponsive,
        "next_log": member.next_log().map(|(log, from)| json!({ "log": log, "from": from.day().to_string() })),
        "refused_logs": fold.refused().map(|(log, why)| json!({ "log": log, "why": why })).collect::<Vec<_>>(),
    })
}

/// What asking would cost and show. From public facts only; nothing is spent.
///
/// Errors: why the question cannot be asked, with the rule's code.
pub fn plan_json(
    member: &Member,
    body: &QueryBody,
    now: datacoop_policy::Time,
) -> Result<Value, (&'static str, String)> {
    let me = member.me();
    let query = member.fold().bind_draft(body, me, now).map_err(|text| ("question", text))?;
    let charter = member.fold().charter_of(&query.charter);
    let answering: Vec<_> = charter.members().iter().filter(|m| m.votes()).collect();
    let people: u64 = answering.iter().map(|member| member.people_min).sum();
    let groups: usize = query.question.groupings().iter().map(|by| by.cells.len()).product();
    // Public lower bounds; where members state none, groups of a size that people can picture.
    let known = people > 0;
    let people = if known { people } else { PEOPLE_PICTURED * groups.max(1) as u64 };
    let facts = query.question.groupings().iter().filter(|by| by.is_member_fact());
    let listed = facts.map(|by| {
        let with = answering.iter().filter(|member| query.question.has_fact(&by.name, &member.id));
        (by.name.clone(), with.count())
    });
    let cluster = Cluster { members: answering.len(), people, listed: listed.collect() };
    let mut plan = reckoned_json(&query.question, &cluster, query.mode, query.assumed, query.loss)?;
    let answered = answer(member.fold(), &query).filter(|_| query.supersedes.is_none());
    let refusal = member.judge_as_asker(&query).err().filter(|_| answered.is_none());
    let room = member.room(&query);
    plan["node"] = json!(true);
    plan["group_size_known"] = json!(known);
    plan["left"] = json!({
        "year": reading_json(room.year), "purpose": reading_json(room.purpose), "promised": reading_json(room.promised),
    });
    let left_after = room.year.min(room.purpose).less(query.loss);
    plan["left_after"] = reading_json(left_after);
    plan["points_left_after"] = json!(points_left(left_after));
    let by = query.delegation.as_ref().and_then(|cited| cited.by.as_ref());
    plan["delegation"] = json!(query.delegation.as_ref().map(|cited| cited.leaf.to_string()));
    plan["delegated_by"] = json!(by.and_then(|by| charter.member(by)).map(|member| member.name.clone()));
    plan["answered"] = json!(answered.map(|answer| answer.query.to_string()));
    plan["supersedes"] = json!(query.supersedes.map(|id| id.to_string()));
    plan["points_left"] = json!({ "year": points_left(room.year), "purpose": points_left(room.purpose) });
    plan["refused"] = json!(refusal.map(|no| {
        let plain = budget_words(&no, &query, [room.year, room.purpose]);
        json!({ "rule": no.rule.code(), "text": no.to_string(), "plain": plain })
    }));
    Ok(plan)
}

/// The first day of the academic year that begins in a civil year.
pub(crate) fn first_day(year: i64) -> Day {
    Day::from_civil(year, 9, 1).expect("INVARIANT: every year has a 1 September")
}

/// A refusal for want of privacy budget as people read it: points, and the day on which it begins anew. `None` of
/// another.
fn budget_words(no: &Refusal, query: &Query, [year, purpose]: [PrivacyLoss; 2]) -> Option<String> {
    let points = |n: u64| if n == 1 { "1 point".to_owned() } else { format!("{n} points") };
    let left = |n: u64| format!("{} {} left", points(n), if n == 1 { "is" } else { "are" });
    let why = if no.rule == Rule::RhoYear {
        let begins = day_words(first_day(query.account.year.0 + 1));
        format!("and {} until it begins anew on {begins}", left(points_left(year)))
    } else if no.rule == Rule::RhoPurpose {
        format!("and of its part for this purpose {}", left(points_left(purpose)))
    } else {
        return None;
    };
    Some(format!(
        "It would cost {} of the privacy budget, {why}. Set by {}. Ask with fewer points for a wider range, or read what was answered already.",
        points(points_of(query.loss)),
        no.layer
    ))
}

/// The part of a plan that follows from the question and a cluster, with or without a node.
///
/// Errors: no safe round, or no noise, follows; with the rule's code.
pub fn reckoned_json(
    question: &BoundQuestion,
    cluster: &Cluster,
    mode: Mode,
    assumed: Assumptions,
    loss: PrivacyLoss,
) -> Result<Value, (&'static str, String)> {
    let few = || ("min_roster", format!("{} members are too few for this kind of round", cluster.members));
    let terms = Terms::new(cluster.members, mode, assumed).ok_or_else(few)?;
    let reckoned = reckon(question, cluster, mode, assumed, loss)
        .ok_or(("rho_query", "the loss is too small for any noise to serve".to_owned()))?;
    let groups: usize = question.groupings().iter().map(|by| by.cells.len()).product();
    let of = question.question();
    Ok(json!({
        "schema": "datacoop.plan/1",
        "node": false,
        "question": of.id(),
        "title": of.title(),
        "period": question.period().to_string(),
        "params": question.params(),
        "would_ask": cluster.members,
        "people": cluster.people,
        "mode": mode.code(),
        "committee": terms.committee,
        "colluding": terms.colluding,
        "cells": question.cells(),
        "sensitivity2": question.sensitivity2().to_string(),
        "loss": Meaning::new(loss, mode, &terms).json(of.vocabulary().dataset()),
        "points": points_of(loss),
        "left": null,
        "left_after": null,
        "points_left_after": null,
        "expected": reckoned.json(),
        "group_size_assumed": (cluster.people / groups.max(1) as u64).max(1),
        "group_size_known": true,
        "answered": null,
        "supersedes": null,
        "matters": of.draft().matters,
        "cannot_tell": of.draft().cannot_tell,
        "refused": null,
        "committee_can_be_all_corrupt": can_be_all_corrupt(mode, &terms),
        "spent": "nothing",
    }))
}

/// Why a question is not worth its cost, if not one figure of its plan would answer, with the cure.
/// Where members state no numbers of people nobody can tell, so nothing is held against it.
pub fn unanswerable(plan: &Value) -> Option<CommandError> {
    let expected = &plan["expected"];
    if expected["answerable"] != false || plan["group_size_known"] != true || !plan["answered"].is_null() {
        return None;
    }
    let matters = plan["matters"].as_str().unwrap_or("");
    let cures = expected["cures"].as_array().into_iter().flatten();
    let cures: Vec<&str> = cures.filter_map(|cure| cure["text"].as_str()).collect();
    let text = format!(
        "no figure would be sure to {matters}, the difference that matters; it would be paid for nothing"
    );
    let hint = format!("what would help: {}; ask all the same with --force", cures.join("; or "));
    Some(CommandError { hint: Some(hint), ..CommandError::refused("unanswerable", text) })
}

/// The mode a co-operative of this size uses unless told.
pub fn default_mode(members: usize) -> Mode {
    if members >= SECURE_ROSTER_MIN as usize { Mode::Secure } else { Mode::FullNoise }
}
