//! Every bound of a charter: what lies on it is lawful, what lies one beyond is refused by its rule.

use super::form::ADDRESS_BYTES_MAX;
use super::tests::{sample, suit};
use super::*;
use crate::loss::PrivacyLoss;

fn admit(members: usize, change: impl FnOnce(&mut CharterDraft)) -> &'static str {
    let mut draft = sample(members);
    change(&mut draft);
    suit(&mut draft);
    Charter::admit(draft).map_or_else(|error| error.rule, |_| "ok")
}

fn digest(n: usize) -> Digest {
    let mut bytes = [6; 32];
    bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
    Digest(bytes)
}

fn check(change: impl FnOnce(&mut CharterDraft), expected: &str) {
    assert_eq!(admit(6, change), expected);
}

#[test]
fn a_charter_lasts_a_day_at_least() {
    check(|d| d.expires = d.effective, "ok");
    check(|d| (d.effective, d.expires) = (Day(d.made.0 + 1), d.made), "C8");
}

#[test]
fn a_text_has_as_many_bytes_as_a_text_may_have() {
    let (most, more) = ("x".repeat(TEXT_BYTES_MAX), "x".repeat(TEXT_BYTES_MAX + 1));
    for (text, expected) in [(most, "ok"), (more, "C7")] {
        check(|d| d.name = text.clone(), expected);
        check(|d| d.members[0].name = text.clone(), expected);
        check(|d| d.members[0].body = text.clone(), expected);
        check(|d| d.purposes[0].plain = text.clone(), expected);
        check(|d| d.asset_lock.stricter = text.clone(), expected);
    }
    check(|d| d.name.clear(), "C7");
    check(|d| d.members[0].body.clear(), "C7");
    let address = |bytes: usize| format!("/dns4/{}/tcp/1", "a".repeat(bytes - "/dns4//tcp/1".len()));
    check(|d| d.members[0].addresses = vec![address(ADDRESS_BYTES_MAX)], "ok");
    check(|d| d.members[0].addresses = vec![address(ADDRESS_BYTES_MAX + 1)], "C7");
}

#[test]
fn a_member_says_how_many_people_it_has_within_bounds() {
    let people = |least: u64, most: u64| {
        admit(6, |d| (d.members[0].people_min, d.members[0].people_max) = (least, most))
    };
    assert_eq!([people(0, 1), people(1, 1), people(2, 1)], ["ok", "ok", "C7"]);
    assert_eq!([people(0, PEOPLE_MAX), people(0, PEOPLE_MAX + 1), people(0, 0)], ["ok", "C7", "C7"]);
}

#[test]
fn a_witness_is_another_member_of_the_charter() {
    check(|d| d.members[0].witnesses = vec![d.members[1].id.clone()], "ok");
    check(|d| d.members[0].witnesses = vec!["GB-EDU-999999".parse().unwrap()], "C7");
}

#[test]
fn so_many_members_and_no_more_are_meeting_points() {
    let meeting_points = |count: usize| {
        admit(MEETING_POINTS_MAX + 1, |d| {
            let chosen = d.members.iter_mut().take(count);
            chosen.for_each(|member| member.addresses = vec!["/dns4/a.example/tcp/1".into()]);
            assert_eq!(d.members.iter().filter(|member| member.is_meeting_point()).count(), count);
        })
    };
    assert_eq!(meeting_points(MEETING_POINTS_MAX), "ok");
    assert_eq!(meeting_points(MEETING_POINTS_MAX + 1), "C7");
}

/// A fifth of the votes, and one vote always.
#[test]
fn no_body_holds_more_than_a_fifth_of_the_votes() {
    let held = |members: usize, seats: usize| {
        admit(members, |d| d.members.iter_mut().take(seats).for_each(|member| member.body = "One".into()))
    };
    assert_eq!([held(9, 1), held(9, 2)], ["ok", "C2"]);
    assert_eq!([held(10, 2), held(10, 3)], ["ok", "C2"]);
    assert_eq!([held(14, 2), held(14, 3)], ["ok", "C2"]);
    check(|d| d.amend = 6, "ok");
}

#[test]
fn datasets_and_purposes_are_so_many_and_no_more() {
    let datasets = |count: usize| {
        admit(6, |d| {
            let dataset = |n: usize| Dataset {
                id: format!("d{n}"),
                unit: "pupil".into(),
                vocabularies: vec![(format!("v{n}/1"), digest(n))],
            };
            d.datasets = (0..count).map(dataset).collect();
            d.purposes.clear();
        })
    };
    assert_eq!([datasets(0), datasets(PURPOSES_MAX), datasets(PURPOSES_MAX + 1)], ["C7", "ok", "C7"]);
    let purposes = |count: usize| {
        admit(6, |d| {
            let purpose = Purpose {
                limits: Limits { rho_purpose: PrivacyLoss::from_nano(1), ..d.purposes[0].limits.clone() },
                ..d.purposes[0].clone()
            };
            d.purposes = (0..count).map(|n| Purpose { id: format!("p{n}"), ..purpose.clone() }).collect();
        })
    };
    assert_eq!([purposes(0), purposes(PURPOSES_MAX), purposes(PURPOSES_MAX + 1)], ["ok", "ok", "C7"]);
}

#[test]
fn a_purpose_ends_after_it_starts_and_within_four_hundred_days() {
    let lasts = |days: i64| admit(6, |d| d.purposes[0].expires = Day(d.purposes[0].starts.0 + days));
    assert_eq!([lasts(-1), lasts(0), lasts(400), lasts(401)], ["F17", "ok", "ok", "F17"]);
}

#[test]
fn an_admitted_charter_says_what_was_written() {
    let charter = Charter::admit(sample(6)).unwrap();
    assert_eq!((charter.id(), charter.version()), (Digest([9; 32]), 1));
    let (hash, dataset) = charter.vocabulary("attendance/1").unwrap();
    assert_eq!((hash, dataset.id.as_str()), (Digest([7; 32]), "pupils"));
    assert!(charter.vocabulary("attendance/2").is_none());
    let codes = ["voting", "coordinator", "witness", "auditor", "observer", "helper"];
    assert_eq!(Role::ALL.map(Role::code), codes);
}
