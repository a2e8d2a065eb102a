//! The register for programs: one object, with all that its pages say. Fields are only added.

use datacoop_policy::derive::Status;
use datacoop_policy::refusal::Rule;
use serde_json::{Map, Value, json};

use super::said::Text;
use super::{Counts, Public, Register};
use crate::loss::{DELTA_TEXT, Reading, points_left, points_of, spent};

pub(super) fn json(register: &Register<'_>) -> String {
    let (charter, fields) = (register.charter, register.charter.fields());
    let value = json!({
        "schema": "datacoop.public-register/1",
        "demo": fields.demo,
        "as_of": register.source.as_of.to_string(),
        "published_by": register.source.by.map(ToString::to_string),
        "charter": {
            "name": fields.name, "id": charter.id().to_string(), "version": charter.version(),
            "hash": charter.hash().to_string(), "expires": fields.expires.to_string(),
        },
        "members": register.charter.members().iter().map(|member| {
            json!({ "id": member.id.to_string(), "name": member.name, "body": member.body })
        }).collect::<Vec<_>>(),
        "data": fields.datasets.iter().map(|dataset| {
            let names: Vec<&str> = dataset.vocabularies.iter().map(|(name, _)| name.as_str()).collect();
            json!({ "id": dataset.id, "unit": dataset.unit, "vocabularies": names })
        }).collect::<Vec<_>>(),
        "limits": {
            "question": most(Reading::of(fields.limits.rho_query)),
            "year": most(Reading::of(fields.limits.rho_year)),
            "members_min": fields.limits.min_roster, "bodies_min": fields.limits.min_bodies,
            "cells_max": fields.limits.max_cells,
        },
        "purposes": register.purposes.iter().map(|purpose| {
            json!({
                "id": purpose.id, "title": purpose.title, "plain": purpose.plain, "affected": purpose.affected,
                "funders": purpose.funders, "licence": purpose.licence.code(),
                "starts": purpose.starts.to_string(), "expires": purpose.expires.to_string(),
                "in_force": charter.purpose(&purpose.id).is_some(),
                "counts": counts(&register.counts_by_purpose[purpose.id.as_str()]),
            })
        }).collect::<Vec<_>>(),
        "counts": counts(&register.counts()),
        "months": register.months.iter().map(|(month, asked)| {
            json!({ "month": month, "counts": counts(asked) })
        }).collect::<Vec<_>>(),
        "refusals": register.refusals_by_rule.iter().map(|(rule, times)| {
            json!({ "rule": rule, "meaning": Rule::from_code(rule).map(Rule::meaning), "times": times })
        }).collect::<Vec<_>>(),
        "results": register.results.iter().filter_map(result).collect::<Vec<_>>(),
        "reports": register.said.reports.iter().map(|report| {
            let text = if let Text::Shown(text) = &report.text { Some(text) } else { None };
            json!({ "purpose": report.purpose, "by": report.said.by.to_string(), "on": report.said.time.day().to_string(),
                    "outcome": report.outcome.code(), "text": text })
        }).collect::<Vec<_>>(),
        "spent": spending(register),
    });
    value.to_string() + "\n"
}

/// What may be lost at most: points round down.
fn most(reading: Reading) -> Value {
    json!({ "points": points_left(reading.loss), "rho": reading.rho_text(), "epsilon": reading.epsilon_text(), "delta": DELTA_TEXT })
}

/// What was lost: points round up.
fn lost(reading: Reading) -> Value {
    json!({ "points": points_of(reading.loss), "rho": reading.rho_text(), "epsilon": reading.epsilon_text(), "delta": DELTA_TEXT })
}

fn counts(counts: &Counts) -> Value {
    let Counts { asked, answered, public, null: nothing, ended, open, invalid, refusals, handed, receipts } =
        *counts;
    json!({ "asked": asked, "answered": answered, "public": public, "nothing_shown": nothing, "ended": ended, "open": open,
            "invalid": invalid, "refusals": refusals, "handed": handed, "receipts": receipts })
}

fn result(result: &Public<'_>) -> Option<Value> {
    let (asked, plan) = (result.round.asked()?, result.round.plan()?);
    let lay = &asked.body.lay;
    let cells = result.release.figures.cells.iter();
    let figures = cells.flat_map(|cell| {
        let group: Map<String, Value> =
            cell.key.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        cell.figures.iter().map(move |figure| {
            let told = |value: &String| (figure.status != Status::Suppressed).then(|| value.clone());
            json!({ "group": group, "figure": figure.name, "status": figure.status.code(), "value": told(&figure.value),
                    "low_95": told(&figure.low), "high_95": told(&figure.high), "noise_95": told(&figure.noise) })
        })
    });
    Some(json!({
        "query": result.release.id.to_string(),
        "title": result.release.question.question().title(),
        "period": plan.query.period().to_string(),
        "purpose": result.purpose.id,
        "asked_by": asked.asker.to_string(),
        "asked_on": asked.time.day().to_string(),
        "answered_on": result.released.to_string(),
        "why": lay.why, "benefits": lay.benefits, "pays": lay.pays,
        "cost": lost(Reading::of(plan.query.loss)),
        "certificate": result.certificate.is_ok().then(|| result.file()),
        "figures": figures.collect::<Vec<_>>(),
    }))
}

fn spending(register: &Register<'_>) -> Vec<Value> {
    let fold = register.source.fold;
    let logs = fold.logs().filter(|log| log.size() > 0);
    let all = logs.flat_map(|log| {
        let accounts = spent(fold, &log.member).accounts.into_iter();
        accounts.map(move |account| {
            json!({ "member": log.member.to_string(), "account": account.account.to_string(),
                    "answers": account.debits, "lost": lost(account.spent) })
        })
    });
    all.collect()
}
