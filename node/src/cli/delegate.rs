//! `datacoop delegate | delegations | revoke`: a coordinator lets one member ask, for a while.

use clap::Args;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::Limits;
use datacoop_protocol::acts::delegations::parse_limits;
use datacoop_protocol::json::parse;
use serde_json::Value;

use super::acts::do_act;
use super::limits::in_words;
use super::node::{confirm, home_of};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::acts::ActRequest;
use crate::acts::delegations::Wanted;
use crate::client::Client;
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct DelegateArgs {
    /// Register number of the member that may ask, as `datacoop charter show` lists it
    member: String,
    /// Its last day, at most 30 days from now
    #[arg(long, value_name = "DATE")]
    until: String,
    /// Only for this purpose; repeat for more [default: all]
    #[arg(long, value_name = "ID")]
    purpose: Vec<String>,
    /// Only this question, by its id; repeat for more [default: all]
    #[arg(long, value_name = "ID")]
    question: Vec<String>,
    /// Only about this dataset; repeat for more [default: all]
    #[arg(long, value_name = "ID")]
    dataset: Vec<String>,
    /// One question costs at most this much, as zCDP rho [default: what the charter allows]
    #[arg(long, value_name = "RHO")]
    rho_query: Option<PrivacyLoss>,
    /// One answer has at most so many cells [default: what the charter allows]
    #[arg(long, value_name = "N")]
    max_cells: Option<u32>,
}

#[derive(Args)]
pub(super) struct RevokeArgs {
    /// The delegation's id, or the beginning of it
    id: String,
}

pub(super) fn delegate(common: &Common, args: &DelegateArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let wanted = Wanted {
        member: args.member.clone(),
        until: args.until.clone(),
        purposes: args.purpose.clone(),
        questions: args.question.clone(),
        datasets: args.dataset.clone(),
        rho_query: args.rho_query.map(PrivacyLoss::nano),
        max_cells: args.max_cells,
    };
    let member = plain(&args.member);
    confirm(common, &format!("Let `{member}` ask until {}", plain(&args.until)))?;
    let json = do_act(&home, &ActRequest::Delegate(wanted))?;
    let id = short(&json["id"]);
    let text = format!(
        "`{member}` may ask, as {id}: within these limits, the charter's and every member's own; it gives leave to nobody.\nTake it back at any time: datacoop revoke {id}\n"
    );
    Ok(Printed::new(json, text))
}

pub(super) fn revoke(common: &Common, args: &RevokeArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    confirm(common, "Take the delegation back, for good")?;
    let json = do_act(&home, &ActRequest::Revoke { id: args.id.clone() })?;
    let text = "Taken back. Whoever hears of it answers nothing under it any more, and debits nothing for what was asked; what was released stays.\n";
    Ok(Printed::new(json, text.into()))
}

pub(super) fn delegations(common: &Common) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let json = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "delegations"))?;
    let text = list_text(&json);
    Ok(Printed::new(json, text))
}

fn words(value: &Value) -> String {
    plain(value.as_str().unwrap_or("unknown"))
}

fn short(value: &Value) -> String {
    words(value).chars().take(8).collect()
}

fn list_text(json: &Value) -> String {
    let all = json["delegations"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        return "Nobody asks for a coordinator. A coordinator lets a member ask: datacoop delegate MEMBER --until DATE\n".into();
    }
    let open = all.iter().filter(|one| one["open"] == true).count();
    let mut text = format!("{} delegations, {open} open\n", all.len());
    for one in all {
        let state = match one["why_closed"].as_str() {
            Some(why) => format!("closed: {}", plain(why)),
            None => format!("until {}", words(&one["until"])),
        };
        text += &format!(
            "  {}  {} lets {} ask, {state}\n",
            short(&one["id"]),
            words(&one["by_name"]),
            words(&one["name"])
        );
        for (about, limit) in limits_of(one) {
            text += &format!("            {about}: {}\n", plain(&limit));
        }
        let asked = one["asked"].as_array().map_or(0, Vec::len);
        if asked > 0 {
            text += &format!("            Asked under it: {asked}\n");
        }
    }
    if all.iter().any(|one| one["open"] == true && one["by"] == json["member"]) {
        text += "\nTake one of ours back: datacoop revoke ID\n";
    }
    if all.iter().any(|one| one["open"] == true && one["member"] == json["member"]) {
        text += "\nAsk under one of them: datacoop ask picks it, or name it with --under ID\n";
    }
    plain_lines(&text)
}

/// What it narrows, in words.
fn limits_of(one: &Value) -> Vec<(&'static str, String)> {
    let read = parse(one["limits"].to_string().as_bytes()).and_then(parse_limits);
    let (limits, top) = (read.unwrap_or_else(|_| Limits::top()), Limits::top());
    let narrowed = limits.values().into_iter().zip(top.values()).filter(|(ours, free)| ours != free);
    narrowed.map(|((name, value), _)| in_words(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_given_is_listed_with_what_it_narrows() {
        let one = |more: Value| {
            let mut one = json!({ "id": "0123456789abcdef", "by": "GB-EDU-1", "by_name": "Hill", "open": true,
                "member": "GB-EDU-2", "name": "Vale\u{1b}[2J", "until": "2026-10-01 00:00", "why_closed": null,
                "limits": { "max_cells": 12, "purposes": { "only": ["exams"] } }, "asked": ["ab", "cd"] });
            if let (Some(fields), Value::Object(more)) = (one.as_object_mut(), more) {
                fields.extend(more);
            }
            one
        };
        let all = json!({ "member": "GB-EDU-1", "delegations": [
            one(json!({})), one(json!({ "open": false, "why_closed": "taken back by Hill", "asked": [] })),
        ] });
        let text = list_text(&all);
        assert!(text.starts_with("2 delegations, 1 open\n  01234567  Hill lets Vale"), "{text}");
        assert!(text.contains("Cells of one answer: at most 12") && text.contains(": exams\n"), "{text}");
        assert!(text.contains("Asked under it: 2") && text.contains("closed: taken back by Hill"), "{text}");
        assert!(text.contains("datacoop revoke") && !text.contains("--under") && !text.contains('\u{1b}'));
        assert!(list_text(&json!({ "delegations": [] })).contains("datacoop delegate MEMBER"));
    }
}
