use super::super::tests::sample;
use super::super::{CharterDraft, MemberKeys, NamedKey, Role};
use super::*;
use crate::id::Digest;
use crate::loss::PrivacyLoss;
use crate::time::Day;

fn first() -> Charter {
    Charter::admit(sample(6)).unwrap()
}

fn next(change: impl FnOnce(&mut CharterDraft)) -> CharterDraft {
    let mut draft = sample(6);
    (draft.version, draft.prev, draft.hash) = (2, Some(first().hash()), Digest([10; 32]));
    change(&mut draft);
    draft
}

/// What a version changes, as printed; or the rule that refuses it.
fn said(change: impl FnOnce(&mut CharterDraft)) -> Result<String, &'static str> {
    let new = Charter::admit(next(change)).map_err(|error| error.rule)?;
    let changes = succeed(&first(), &new).map_err(|error| error.rule)?;
    Ok(changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn only_the_next_version_of_the_same_cooperative_follows() {
    assert_eq!(said(|_| ()), Ok(String::new()));
    assert_eq!(said(|d| d.version = 3), Err("C1"));
    assert_eq!(said(|d| d.prev = Some(Digest([1; 32]))), Err("C1"));
    assert_eq!(said(|d| d.id = Digest([1; 32])), Err("C1"));
    assert_eq!(said(|d| d.made = Day(d.made.0 - 1)), Err("C1"));
    assert_eq!(said(|d| d.demo = true), Err("C7"));
    assert_eq!(said(|d| d.members[0].keys.peer = [77; 32]), Err("C13"));
    // A log goes to nobody else.
    let heir = |d: &mut CharterDraft| d.members[5].id = "GB-EDU-999999".parse().unwrap();
    assert_eq!(said(heir), Err("C13"));
    let own = |d: &mut CharterDraft| {
        heir(d);
        let named = |name: &str, key| NamedKey { name: format!("new.example/{name}/1"), key: [key; 32] };
        let keys = &mut d.members[5].keys;
        (keys.log, keys.charter, keys.witness) =
            (named("datacoop", 78), named("charter", 79), named("witness", 80));
        (keys.peer, keys.seal) = ([81; 32], Digest([82; 32]));
        d.members[5].sponsors = vec!["GB-EDU-000000".parse().unwrap(), "GB-EDU-000001".parse().unwrap()];
    };
    // Nor one key of it, or a name.
    let held = first().members()[5].keys.clone();
    let shares: [fn(&mut MemberKeys, &MemberKeys); 5] = [
        |keys, held| keys.log.key = held.log.key,
        |keys, held| keys.witness.name = held.witness.name.clone(),
        |keys, held| keys.charter.key = held.charter.key,
        |keys, held| keys.peer = held.peer,
        |keys, held| keys.seal = held.seal,
    ];
    for share in shares {
        let refused = said(|d| {
            own(d);
            share(&mut d.members[5].keys, &held);
        });
        assert_eq!(refused, Err("C13"));
    }
    assert_eq!(
        said(own).unwrap(),
        "loosening: School 5 of Trust 5 (register number GB-EDU-999999) joins, sponsored by School 0 and School 1; loosening: School 5 (register number GB-EDU-000005) leaves"
    );
    // Who left does not come back with other keys: that would be another log, and another Ledger.
    let without = Charter::admit(next(|d| drop(d.members.remove(5)))).unwrap();
    let back = |change: &dyn Fn(&mut CharterDraft)| {
        let mut draft = sample(6);
        (draft.version, draft.prev, draft.hash) = (3, Some(without.hash()), Digest([11; 32]));
        draft.members[5].sponsors = vec!["GB-EDU-000000".parse().unwrap(), "GB-EDU-000001".parse().unwrap()];
        change(&mut draft);
        let new = Charter::admit(draft).unwrap();
        succeed(&without, &new).unwrap();
        keys_follow([&first(), &without], &new).map_err(|error| error.rule)
    };
    assert_eq!(back(&|_| ()), Ok(()));
    assert_eq!(back(&|d| d.members[5].keys.log.key = [78; 32]), Err("C13"));
    assert_eq!(back(&|d| d.members[5].keys = fresh_keys(&held, 2, 90)), Ok(()), "nor with none of its own");
    // The floor is no matter of votes.
    assert_eq!(said(|d| d.asset_lock.clause.push_str(" Or so.")), Err("F15"));
    assert_eq!(said(|d| d.limits.rho_query = PrivacyLoss::from_nano(50_000_001)), Err("F4"));
    assert_eq!(said(|d| d.limits.min_bodies = 2), Err("F4"));
}

#[test]
fn narrower_limits_and_earlier_ends_tighten_and_all_else_loosens() {
    type Edit = (fn(&mut CharterDraft, i32), &'static str);
    // Each with +1 and -1: which of the two tightens.
    let most: [Edit; 5] = [
        (|d, by| d.limits.rho_query = moved(d.limits.rho_query, by.into()), "a question costs at most"),
        (
            |d, by| d.limits.rho_year = moved(d.limits.rho_year, by.into()),
            "all questions of a year cost at most",
        ),
        (|d, by| d.limits.max_cells = d.limits.max_cells.saturating_add_signed(by), "an answer has at most"),
        (|d, by| d.expires = Day(d.expires.0 + i64::from(by)), "charter ends"),
        (
            |d, by| {
                d.purposes[0].expires = Day(d.purposes[0].expires.0 + i64::from(by));
                // Without a report none is renewed.
                d.purposes[0].report = (by > 0).then_some(Digest([4; 32]));
            },
            "for Attendance: it ends",
        ),
    ];
    for (edit, what) in most {
        let less = said(|d| edit(d, -1)).unwrap();
        assert!(less.starts_with("tightening: ") && less.contains(what), "{less}");
        let more = said(|d| edit(d, 1)).unwrap_or_else(|rule| rule.to_owned());
        // Above the floor no version goes.
        assert!(more.starts_with("loosening: ") && more.contains(what) || more == "F4", "{more}");
    }
    let least: [Edit; 4] = [
        (
            |d, by| d.limits.min_roster = d.limits.min_roster.saturating_add_signed(by),
            "members in an answer: at least",
        ),
        (|d, by| d.limits.min_people = 10u32.saturating_add_signed(by), "declare in all: at least"),
        (|d, by| d.limits.min_step = d.limits.min_step.saturating_add_signed(by), "single out: at least"),
        (|d, by| d.limits.min_cosigners = 1u32.saturating_add_signed(by), "the one that asks: at least"),
    ];
    for (edit, what) in least {
        let more = said(|d| edit(d, 1)).unwrap();
        assert!(more.starts_with("tightening: ") && more.contains(what), "{more}");
    }
    assert_eq!(
        said(|d| d.limits.min_roster = 4).unwrap(),
        "loosening: members in an answer: at least 4, not 5"
    );
    assert_eq!(
        said(|d| d.limits.max_cells = 50).unwrap(),
        "tightening: an answer has at most 50 numbers, not at most 2000"
    );
    assert_eq!(
        said(|d| d.limits.rho_query = PrivacyLoss::from_nano(10_000_001)).unwrap(),
        "tightening: a question costs at most 4.0000004 points of the privacy budget, not at most 8"
    );
    let sets = [
        (
            said(|d| d.limits.columns = Set::only(["sex"])),
            "tightening: columns that questions may read: only sex, not all",
        ),
        (
            said(|d| d.purposes[0].limits.datasets = Set::all()),
            "loosening: for Attendance: data that questions may be about: all, not only pupils",
        ),
        (
            said(|d| d.limits.full_noise = false),
            "tightening: members may not see each other's figures with noise added on purpose",
        ),
        (said(|d| d.purposes.clear()), "tightening: the purpose Attendance ends"),
        (
            said(|d| d.purposes[0].plain = "Sale.".into()),
            "loosening: for Attendance: its words or its first day",
        ),
        (said(|d| d.amend = 5), "loosening: 5 members sign an amendment, not 4"),
        (said(|d| d.restrict = 3), "loosening: 3 members suspend another, not 2"),
        (
            said(|d| d.assumed.missing_percent = 6),
            "loosening: rounds are made for up to 30% of members who work together against the others, for 6% who go missing and for at most 7 committee seats, not 30%, 5% and 7",
        ),
        (
            said(|d| d.asset_lock.stricter = "Nor lent.".into()),
            "loosening: what the members add to the asset lock",
        ),
        (
            said(|d| d.members[2].people_max = 1_301),
            "loosening: School 2: it declares 900 to 1301 people, not 900 to 1300",
        ),
        (
            said(|d| d.members[2].roles = [Role::Voting].into()),
            "loosening: School 2: its roles are voting; they were voting, coordinator",
        ),
        (
            said(|d| d.datasets[0].vocabularies.push(("exam/1".into(), Digest([8; 32])))),
            "loosening: data that may be asked about: exam (version 1) as well",
        ),
    ];
    for (got, expected) in sets {
        assert_eq!(got, Ok(expected.to_owned()));
    }
}

fn moved(loss: PrivacyLoss, by: i64) -> PrivacyLoss {
    PrivacyLoss::from_nano(loss.nano().saturating_add_signed(by))
}

#[test]
fn one_loosening_makes_the_version_one() {
    let of = |change: fn(&mut CharterDraft)| {
        let new = Charter::admit(next(change)).unwrap();
        class_of(&succeed(&first(), &new).unwrap())
    };
    assert_eq!(of(|_| ()), Class::Tightening);
    assert_eq!(of(|d| d.limits.max_cells = 100), Class::Tightening);
    assert_eq!(of(|d| (d.limits.max_cells, d.limits.min_roster) = (100, 4)), Class::Loosening);
}

#[test]
fn an_amendment_needs_the_old_quorum_and_the_new_one() {
    let old = first();
    let ids = |places: &[usize]| -> BTreeSet<MemberId> {
        places.iter().map(|place| format!("GB-EDU-{place:06}").parse().unwrap()).collect()
    };
    let lacks = |new: &Charter, places: &[usize]| -> Vec<(&'static str, u32, u32)> {
        let lacks = lacking(&old, new, &ids(places), &ids(places));
        let quorum = |lack| match lack {
            Lacking::Quorum { side, signed, needed, .. } => Some((side, signed, needed)),
            Lacking::Sponsors { .. } | Lacking::Reviewers { .. } => None,
        };
        lacks.into_iter().filter_map(quorum).collect()
    };
    let same = Charter::admit(next(|_| ())).unwrap();
    assert_eq!(lacks(&same, &[0, 1, 2, 3]), []);
    assert_eq!(lacks(&same, &[0, 1, 2]), [("old", 3, 4), ("new", 3, 4)]);
    // Whoever leaves counts among the old only, whoever joins among the new only, a looker-on never.
    let new = Charter::admit(next(|d| {
        d.members[5].id = "GB-EDU-000009".parse().unwrap();
        d.members[5].keys.log = NamedKey { name: "new.example/datacoop/1".into(), key: [78; 32] };
        d.members[0].roles = [Role::Coordinator].into();
        d.amend = 4;
    }))
    .unwrap();
    assert_eq!(lacks(&new, &[0, 1, 2, 5]), [("new", 2, 4)]);
    assert_eq!(lacks(&new, &[1, 2, 3, 9]), [("old", 3, 4)]);
    assert_eq!(lacks(&new, &[1, 2, 3, 4]), []);
    let expected = ids(&[0, 4, 5]).into_iter().collect();
    assert_eq!(
        lacking(&old, &new, &ids(&[1, 2, 3, 9]), &ids(&[1, 2, 3, 9])),
        [Lacking::Quorum { side: "old", signed: 3, needed: 4, missing: expected }]
    );
}

#[test]
fn a_tightening_acts_at_once_and_a_loosening_after_a_fortnight() {
    let of = |change: fn(&mut CharterDraft)| {
        let held = first().fields().effective.start();
        acts_from(&first(), &Charter::admit(next(change)).unwrap(), held).0 - held.0
    };
    const DAY: u64 = 86_400_000;
    assert_eq!(of(|d| d.limits.max_cells = 100), 0);
    assert_eq!(of(|d| d.amend = 5), 14 * DAY);
    // Not before its own first day; and a first day in the past gains nothing.
    assert_eq!(of(|d| (d.limits.max_cells, d.effective) = (100, Day(d.effective.0 + 3))), 3 * DAY);
    assert_eq!(of(|d| (d.amend, d.effective) = (5, Day(d.effective.0 + 3))), 14 * DAY);
    assert_eq!(of(|d| (d.amend, d.effective) = (5, Day(d.effective.0 + 30))), 30 * DAY);
}

/// Five keys that nobody had, under the names of these with this number.
fn fresh_keys(old: &MemberKeys, n: u32, first: u8) -> MemberKeys {
    let named = |old: &NamedKey, key| {
        let (of, _) = old.name.rsplit_once('/').unwrap();
        NamedKey { name: format!("{of}/{n}"), key: [key; 32] }
    };
    MemberKeys {
        charter: named(&old.charter, first),
        log: named(&old.log, first + 1),
        witness: named(&old.witness, first + 2),
        peer: [first + 3; 32],
        seal: Digest([first + 4; 32]),
    }
}

/// Names and titles are free to choose: where two read alike, what is meant is told by what is unique.
#[test]
fn namesakes_are_told_apart() {
    assert_eq!(
        said(|d| d.members[3].name = "Schoo1 2".into()).unwrap(),
        "loosening: Schoo1 2 (register number GB-EDU-000003): its name was School 3"
    );
    let second = |d: &mut CharterDraft| {
        let mut second = d.purposes[0].clone();
        second.id = "sale".into();
        d.purposes.push(second);
        // The parts of the year make room for both.
        d.purposes.iter_mut().for_each(|one| one.limits.rho_purpose = PrivacyLoss::from_nano(1_000));
    };
    let text = said(second).unwrap();
    assert!(text.contains("a new purpose, Attendance (sale), until"), "{text}");
    assert!(text.contains("tightening: for Attendance (attendance-2025): "), "{text}");
}

#[test]
fn all_keys_are_replaced_together_by_new_ones_that_count_on() {
    let held = first().members()[2].keys.clone();
    let two = fresh_keys(&held, 2, 90);
    let replaced = |change: &dyn Fn(&mut MemberKeys)| {
        said(|d| {
            d.members[2].keys = two.clone();
            change(&mut d.members[2].keys);
        })
    };
    assert_eq!(
        replaced(&|_| ()).unwrap(),
        "loosening: School 2: all its keys are replaced, and its log goes on under the new ones"
    );
    // One old key left, a number skipped, or another name's next.
    let wrong: [&dyn Fn(&mut MemberKeys); 7] = [
        &|keys| keys.charter.key = held.charter.key,
        &|keys| keys.peer = held.peer,
        &|keys| keys.seal = held.seal,
        &|keys| keys.witness = held.witness.clone(),
        &|keys| keys.log.name = fresh_keys(&held, 3, 90).log.name,
        &|keys| keys.charter.name = held.charter.name.clone(),
        &|keys| keys.log.name = "other.example/datacoop/2".into(),
    ];
    for change in wrong {
        assert_eq!(replaced(change), Err("C13"));
    }
    // Once replaced, the first ones never come back, and the third follow the second.
    let second = Charter::admit(next(|d| d.members[2].keys = two.clone())).unwrap();
    let third = |keys: MemberKeys| {
        let mut draft = sample(6);
        (draft.version, draft.prev, draft.hash) = (3, Some(second.hash()), Digest([11; 32]));
        draft.members[2].keys = keys;
        keys_follow([&first(), &second], &Charter::admit(draft).unwrap()).map_err(|error| error.rule)
    };
    assert_eq!(third(two.clone()), Ok(()));
    assert_eq!(third(fresh_keys(&held, 3, 100)), Ok(()));
    assert_eq!(third(held.clone()), Err("C13"));
    let with_old = MemberKeys { seal: held.seal, ..fresh_keys(&held, 3, 100) };
    assert_eq!(third(with_old), Err("C13"), "one key of the first comes back");
}

#[test]
fn whose_keys_are_replaced_signs_for_the_old_with_the_old_and_for_the_new_with_the_new() {
    let new = Charter::admit(next(|d| {
        d.members[2].keys = fresh_keys(&first().members()[2].keys, 2, 90);
    }))
    .unwrap();
    let ids = |places: &[usize]| -> BTreeSet<MemberId> {
        places.iter().map(|place| format!("GB-EDU-{place:06}").parse().unwrap()).collect()
    };
    // Of 6, 4 sign (C3). A stolen key counts among the old alone.
    let lacks = |old: &[usize], new_ones: &[usize]| lacking(&first(), &new, &ids(old), &ids(new_ones)).len();
    assert_eq!(lacks(&[0, 1, 2, 3], &[0, 1, 3]), 1);
    assert_eq!(lacks(&[0, 1, 2, 3], &[0, 1, 2, 3]), 0);
    assert_eq!(lacks(&[0, 1, 3, 4], &[0, 1, 3, 4]), 0, "it need not sign");
}
