//! What must happen at least once over a set of seeds: what never happened was never tested.
//!
//! Rules, codes, rogues and deeds come from their own closed lists, frames from a match over all of them: a new one is
//! expected by itself. What the observer counts beside is listed here, and a test reads the observer for what is not.

use std::collections::BTreeMap;

use datacoop_policy::refusal::Rule;
use datacoop_protocol::rounds::codes::{AbortCode, AlertCode, VoidCode};
use datacoop_protocol::wire::{Reply, Request};

use crate::faults::{Cheat, Narrowing, Rogue};

/// From so many seeds on all of it must have happened: the rarest of it happens in two or three of a hundred.
pub const COVERED_FROM: u64 = 200;
/// In worlds of so many members at least: in smaller ones there is no room for some of it.
pub const MEMBERS_COVERED: usize = 12;
/// And of so many days.
pub const DAYS_COVERED: u32 = 30;

/// Frames by their first byte, as requests and as replies.
pub(crate) const REQUESTS: [&str; 5] = ["frame/pull", "frame/push", "frame/put", "frame/get", "frame/cosign"];
pub(crate) const REPLIES: [&str; 6] =
    ["frame/sections", "frame/took", "frame/stored", "frame/piece", "frame/absent", "frame/incompatible"];

/// A request's place among all: a new kind does not compile before it is listed.
pub fn request(request: &Request) -> usize {
    match request {
        Request::Pull { .. } => 0,
        Request::Push { .. } => 1,
        Request::BlobPut { .. } => 2,
        Request::BlobGet { .. } => 3,
        Request::Cosign { .. } => 4,
    }
}

/// A reply's.
pub fn reply(reply: &Reply) -> usize {
    match reply {
        Reply::Sections { .. } => 0,
        Reply::Took { .. } => 1,
        Reply::Stored { .. } => 2,
        Reply::Piece { .. } => 3,
        Reply::Absent => 4,
        Reply::Incompatible => 5,
    }
}

/// Ways in which a rule says no: in a verdict, to who asks, before a debit, and to a Roster.
const WAYS: [&str; 4] = ["refusal", "denied", "declined", "abort"];

/// Inputs, outputs, entries, events and faults that seeds bring about.
const COUNTED: [&str; 105] = [
    "output/reply_piece",
    "input/wake",
    "input/connected",
    "input/disconnected",
    "input/dial_failed",
    "input/request",
    "input/reply",
    "input/no_reply",
    "input/tabulated",
    "input/drawn",
    "input/proved",
    "input/checked",
    "input/decided",
    "input/loaded",
    "input/ask",
    "input/act",
    "input/decide",
    "input/narrow",
    "output/store",
    "output/keep",
    "output/sign",
    "output/store_blob",
    "output/remove_shares",
    "output/load_blob",
    "output/keep_secret",
    "output/erase_secret",
    "output/keep_opening",
    "output/erase_opening",
    "output/dial",
    "output/hangup",
    "output/tabulate",
    "output/draw",
    "output/prove",
    "output/check",
    "output/decide",
    "output/restored",
    "entry/genesis",
    "entry/charter",
    "entry/query",
    "entry/verdict",
    "entry/roster",
    "entry/debit",
    "entry/contribution",
    "entry/freeze",
    "entry/verify",
    "entry/close",
    "entry/open",
    "entry/release",
    "entry/abort",
    "entry/alert",
    "entry/head",
    "entry/proposal",
    "entry/cosign",
    "entry/objection",
    "entry/report",
    "entry/restriction",
    "output/left",
    "output/decided",
    "event/asked",
    "event/waits",
    "event/step",
    "event/released",
    "event/aborted",
    "event/acted",
    "event/decided",
    "event/rekeyed",
    "event/declined",
    "event/answered",
    "event/denied",
    "event/fault",
    "event/split_view",
    "event/version",
    "fault/loss",
    "fault/repeat",
    "fault/reorder",
    "fault/slow_reader",
    "fault/cut",
    "fault/meeting_point_down",
    "fault/crash",
    "fault/write_fails",
    "fault/restore_backup",
    "fault/restore_snapshot",
    "fault/lost_blob",
    "fault/rot_blob",
    "fault/rot_journal",
    "fault/full_disk",
    "fault/skew",
    "fault/drift",
    "fault/wrong_year",
    "fault/lid",
    "fault/off",
    "fault/gone",
    "fault/slow_tables",
    "fault/no_tables",
    "fault/amend",
    "fault/expire",
    "fault/rival_charters",
    "fault/rekey",
    "fault/rogue",
    "fault/cheat",
    "fault/seats",
    "fault/act",
    "fault/decide",
    "fault/narrow",
    "rogue/seat",
];

/// What no seed brings about: why not, and the test that does.
pub const ELSEWHERE: [(&str, &str, &str); 8] = [
    (
        "output/unreadable",
        "no member writes what it cannot read",
        "sim/tests/entries.rs::a_contribution_counts_with_a_share_for_each_seat_under_its_own_debit",
    ),
    (
        "event/halted",
        "a disk that is put back says so: none is run twice",
        "sim/tests/hostile.rs::an_old_copy_of_a_node_stops_when_it_is_shown_its_own_future",
    ),
    (
        "rule/member_fact",
        "the one question here lists no members",
        "policy/src/verdict_sentence_tests.rs::each_rule_has_its_sentence",
    ),
    (
        "rule/body_share",
        "each member here is a body of its own",
        "tests/tests/cheats/asker.rs::a_roster_of_too_few_bodies_or_too_many_places_of_one_is_not_debited",
    ),
    (
        "abort/lot",
        "a lot names the seats from 24 members on",
        "sim/tests/lot.rs::a_lot_that_is_not_drawn_in_time_returns_every_debit",
    ),
    (
        "void/lot",
        "a lot names the seats from 24 members on",
        "sim/tests/lot.rs::a_lot_that_is_not_drawn_in_time_returns_every_debit",
    ),
    (
        "void/ended",
        "what ends a round before its contributions are in comes before its debits, nearly always",
        "sim/tests/stories.rs::a_debit_that_nothing_was_contributed_under_returns",
    ),
    (
        "alert/release",
        "a rogue releases before anybody opened: seldom after",
        "sim/tests/conduct.rs::an_alert_holds_for_the_entry_that_is_what_it_says_and_for_no_other",
    ),
];

/// All that is expected of so many seeds: names in the counts, any of which will do.
fn expected() -> Vec<(String, Vec<String>)> {
    let one = |name: String| (name.clone(), vec![name]);
    let of = |what: &str, codes: Vec<&str>| -> Vec<(String, Vec<String>)> {
        codes.into_iter().map(|code| one(format!("{what}/{code}"))).collect()
    };
    let rules = Rule::ALL.iter().map(|rule| {
        let ways = WAYS.iter().map(|way| format!("{way}/{}", rule.code())).collect();
        (format!("rule/{}", rule.code()), ways)
    });
    let all = [REQUESTS.as_slice(), &REPLIES, &COUNTED].concat();
    all.into_iter()
        .map(|name| one(name.to_owned()))
        .chain(rules)
        .chain(of("abort", AbortCode::ALL.iter().map(|code| code.code()).collect()))
        .chain(of("void", VoidCode::ALL.iter().map(|code| code.code()).collect()))
        .chain(of("alert", AlertCode::ALL.iter().map(|code| code.code()).collect()))
        .chain(of("rogue", Rogue::ALL.iter().map(|one| one.name()).collect()))
        .chain(of("cheat", Cheat::ALL.iter().map(|one| one.name()).collect()))
        .chain(of("narrow", Narrowing::ALL.iter().map(|one| one.name()).collect()))
        .filter(|(name, _)| ELSEWHERE.iter().all(|(known, ..)| known != name))
        .collect()
}

/// Names of all kinds of faults.
pub fn faults() -> impl Iterator<Item = &'static str> {
    COUNTED.iter().filter_map(|name| name.strip_prefix("fault/"))
}

/// Whether a set of seeds is large enough to bring all of it about.
pub fn is_due(seeds: u64, members: usize, days: u32) -> bool {
    seeds >= COVERED_FROM && members >= MEMBERS_COVERED && days >= DAYS_COVERED
}

/// What should have happened and did not.
pub fn missing(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let happened = |name: &String| counts.get(name).is_some_and(|count| *count > 0);
    let never = expected().into_iter().filter(|(_, ways)| !ways.iter().any(happened));
    never.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_protocol::wire::encode;

    fn all() -> BTreeMap<String, u64> {
        expected().into_iter().map(|(_, ways)| (ways[0].clone(), 1)).collect()
    }

    #[test]
    fn what_never_happened_is_named() {
        assert_eq!(missing(&all()), Vec::<String>::new());
        for (name, ways) in expected() {
            let mut counts = all();
            counts.insert(ways[0].clone(), 0);
            assert_eq!(missing(&counts), [name]);
        }
        assert_eq!(missing(&BTreeMap::new()).len(), expected().len());
    }

    #[test]
    fn every_rule_and_code_is_expected_or_is_tested_elsewhere() {
        let names: Vec<String> = expected().into_iter().map(|(name, _)| name).collect();
        for rule in Rule::ALL {
            let name = format!("rule/{}", rule.code());
            assert!(names.contains(&name) || ELSEWHERE.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }

    /// The observer counts nothing that this list leaves out.
    #[test]
    fn what_the_observer_counts_is_expected_or_is_tested_elsewhere() {
        let known: Vec<&str> = COUNTED.into_iter().chain(ELSEWHERE.iter().map(|(name, ..)| *name)).collect();
        let files = [
            include_str!("chaos/observer.rs"),
            include_str!("chaos/play.rs"),
            include_str!("chaos/play/strike.rs"),
            include_str!("chaos/cheats.rs"),
        ];
        let sources = files.concat();
        let texts = sources.split('"').skip(1).step_by(2);
        let counted = texts.filter(|text| {
            let kinds = ["input/", "output/", "event/", "rogue/"];
            kinds.iter().any(|kind| text.starts_with(kind)) && !text.contains('{')
        });
        for name in counted {
            assert!(known.contains(&name), "`{name}` is counted and not expected");
        }
        let faults = include_str!("faults.rs");
        let names = faults.split("fn name(&self)").nth(1).unwrap().split("fn member").next().unwrap();
        for name in names.split('"').skip(1).step_by(2) {
            let name = format!("fault/{name}");
            assert!(known.contains(&name.as_str()), "`{name}` is counted and not expected");
        }
    }

    #[test]
    fn frames_are_counted_by_what_they_are() {
        for one in [
            Request::Pull { have: vec![], heard: vec![] },
            Request::Push { sections: vec![] },
            Request::BlobPut { pieces: vec![] },
            Request::BlobGet { hash: [0; 32], offset: 0 },
            Request::Cosign { cosigned: vec![] },
        ] {
            assert_eq!(usize::from(encode(&one)[0]), request(&one));
            assert!(request(&one) < REQUESTS.len());
        }
        let piece = Reply::Piece { total: 0, bytes: datacoop_protocol::wire::Bytes(vec![]) };
        for one in [
            Reply::Sections { sections: vec![], cosigned: vec![], more: false },
            Reply::Took { sizes: vec![] },
            Reply::Stored { held: vec![] },
            piece,
            Reply::Absent,
            Reply::Incompatible,
        ] {
            assert_eq!(usize::from(encode(&one)[0]), reply(&one));
            assert!(reply(&one) < REPLIES.len());
        }
    }
}
