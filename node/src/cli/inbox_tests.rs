//! What a person reads before a yes.

use serde_json::json;

use super::*;

fn waiting() -> Value {
    json!({
        "query": "c0ffee1234567890", "title": "Who is away?\u{1b}[2J", "asker_name": "Hill", "asker_body": "Hill Trust",
        "asked": "2026-11-26 10:00", "purpose": "days", "purpose_title": "Which days are missed?",
        "purpose_plain": "We compare attendance.", "why": "\u{202e}plan", "benefits": "", "pays": "Nobody",
        "dataset": "pupils", "period": "2026-09-01..2026-11-01", "columns": ["absent"], "group_by": ["sex"], "cells": 2,
        "points": 1, "cost": { "rho": "0.0025", "epsilon": "0.30" }, "left": { "year": 99, "purpose": 1 },
        "hold": { "text": "rule 1 of inbox.toml asks first" }, "join_by": "2026-11-28 10:00", "minutes_left": 2_880,
        "shows_noised_figures": true,
        "objections": [{ "name": "Moor", "time": "2026-11-26 11:00", "text": "no\nour verdict    no", "reply": null }],
    })
}

#[test]
fn a_question_reads_whole_and_nobodys_text_passes_for_ours() {
    let rules = json!({ "default": "ask", "rules": 1, "unknown": [{ "what": "member", "id": "GB-EDU-X" }], "problem": null, "changed": true });
    let text = inbox_text(&json!({ "waiting": [waiting()], "accepted": [], "rules": rules }));
    for said in [
        "1 question waits for this node's yes\n",
        "c0ffee12  Who is away?\\u{1b}[2J\n",
        "asked by       Hill (Hill Trust), 2026-11-26 10:00\n",
        "for            Which days are missed? (days)\n",
        "why            \\u{202e}plan\n",
        "who benefits   not said\n",
        "about          pupils, 2026-09-01 to 2026-11-01, split by sex; 2 figures\n",
        "costs          1 point of the privacy budget: rho 0.0025 (epsilon 0.30); 99 points left this year, 1 point left for this purpose\n",
        "our verdict    yes: every limit allows it\n",
        "waits          rule 1 of inbox.toml asks first; without a yes this node takes no part\n",
        "until          2026-11-28 10:00, in 2 days\n",
        "The other members can see your figures with noise added.\n",
        "  Moor objects, 2026-11-26 11:00\n    | no\n    | our verdict    no\n    not answered yet\n",
        "datacoop approve c0ffee12\n",
        "1 rule of inbox.toml; what it does not fit waits for a yes\n",
        "names the member `GB-EDU-X`, which the charter does not have",
        "it counts once the node is started again",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn an_empty_inbox_says_so_and_status_says_nothing() {
    let rules = json!({ "default": "accept", "rules": 0, "unknown": [], "problem": null, "changed": false });
    let text = inbox_text(&json!({ "waiting": [], "accepted": [], "rules": rules }));
    assert_eq!(
        text,
        "No question waits for this node's yes\n\nWhatever is asked is answered within all limits (inbox.toml)\n"
    );
    assert_eq!(waiting_text(&json!({ "waits": 0, "until": null })), "");
    assert!(waiting_text(&json!({ "waits": 1, "until": "noon" })).starts_with("1 question waits"));
    assert!(waiting_text(&json!({ "waits": 2, "until": "noon" })).contains("the first until noon"));
}

#[test]
fn a_time_is_said_in_the_largest_unit_that_is_whole() {
    for (minutes, said) in [
        (0, "less than a minute"),
        (1, "1 minute"),
        (59, "59 minutes"),
        (60, "1 hour"),
        (2_879, "47 hours"),
        (2_880, "2 days"),
    ] {
        assert!(time_left(Some(minutes)).ends_with(said), "{minutes}");
    }
}

#[test]
fn an_id_is_found_by_its_first_eight_digits_or_more() {
    let json = json!({ "waiting": [waiting()], "accepted": [] });
    let all = ["waiting", "accepted"];
    assert!(find(&json, "C0FFEE12", &all).is_some() && find(&json, "c0ffee1234567890", &all).is_some());
    assert!(find(&json, "c0ffee1", &all).is_none() && find(&json, "c0ffee12", &all[1..]).is_none());
}
