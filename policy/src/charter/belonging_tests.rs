use super::super::tests::sample;
use super::super::{Role, amend_min, class_of, lacking, name_witnesses, succeed};
use super::*;
use crate::charter::{Class, Lacking, NamedKey};
use crate::id::Digest;
use crate::time::Day;

fn first() -> Charter {
    Charter::admit(sample(6)).unwrap()
}

fn id(n: usize) -> MemberId {
    format!("GB-EDU-{n:06}").parse().unwrap()
}

/// A seventh school, of its own trust, with keys of its own.
fn candidate() -> Member {
    let mut member = sample(1).members.remove(0);
    (member.id, member.name, member.body) = (id(6), "School 6".into(), "Trust 6".into());
    let named = |what: &str, job| NamedKey { name: format!("joins.example/{what}/1"), key: [job; 32] };
    let keys = &mut member.keys;
    (keys.charter, keys.log, keys.witness) =
        (named("charter", 71), named("datacoop", 72), named("witness", 73));
    (keys.peer, keys.seal) = ([74; 32], Digest([75; 32]));
    member.roles = [Role::Coordinator].into();
    member.sponsors = vec![id(0), id(1)];
    member
}

/// The version after this one, with a change; or the rule that refuses it.
fn after(old: &Charter, days: i64, change: impl FnOnce(&mut CharterDraft)) -> Result<Charter, CharterError> {
    let mut draft = old.fields().clone();
    let version = u8::try_from(old.version()).unwrap();
    (draft.version, draft.prev) = (old.version() + 1, Some(old.hash()));
    draft.hash = Digest([version + 100; 32]);
    draft.made = Day(draft.made.0 + days);
    draft.effective = draft.made;
    change(&mut draft);
    let voting = draft.members.iter().filter(|member| member.votes()).count();
    draft.amend = amend_min(u32::try_from(voting).unwrap());
    let new = Charter::admit(draft)?;
    succeed(old, &new)?;
    Ok(new)
}

fn rule(result: Result<Charter, CharterError>) -> &'static str {
    result.map_or_else(|error| error.rule, |_| "ok")
}

fn admits(change: impl FnOnce(&mut CharterDraft, &mut Member)) -> Result<Charter, CharterError> {
    admits_to(&first(), change)
}

fn admits_to(
    old: &Charter,
    change: impl FnOnce(&mut CharterDraft, &mut Member),
) -> Result<Charter, CharterError> {
    after(old, 0, |draft| {
        let mut joins = candidate();
        change(draft, &mut joins);
        draft.members.push(joins);
    })
}

fn refused(result: Result<Charter, CharterError>, text: &str) {
    let error = result.unwrap_err();
    assert!(error.rule == "C13" && error.text.contains(text), "{error}, not {text}");
}

#[test]
fn whoever_joins_names_two_sponsors_of_other_bodies() {
    assert_eq!(rule(admits(|_, _| ())), "ok");
    refused(admits(|_, joins| joins.sponsors.clear()), "joins; write `sponsors`");
    refused(admits(|_, joins| joins.sponsors.truncate(1)), "name 2 different sponsors");
    refused(admits(|_, joins| joins.sponsors.push(id(2))), "name 2 different sponsors");
    refused(admits(|_, joins| joins.sponsors[1] = id(0)), "name 2 different sponsors");
    refused(admits(|_, joins| joins.sponsors[1] = id(9)), "has no vote in version 1");
    // Not itself, nor another that joins with it.
    refused(admits(|_, joins| joins.sponsors[1] = id(6)), "has no vote in version 1");
    // Sponsors vote, before and after.
    refused(admits(|d, _| d.members[1].roles = [Role::Observer].into()), "has no vote in version 2");
    refused(admits(|d, _| drop(d.members.remove(1))), "has no vote in version 2");
    refused(admits(|d, joins| joins.body = d.members[1].body.clone()), "of its own body, Trust 1");
    // Renaming a body in the same version gains nothing: it holds in both.
    refused(
        admits(|d, joins| {
            joins.body = "Trust 1".into();
            d.members[1].body = "Trust 9".into();
        }),
        "of its own body, Trust 1",
    );
    // A member comes once; who comes back is vouched for again; nobody's sponsors change later.
    let second = admits(|_, _| ()).unwrap();
    assert_eq!(rule(after(&second, 0, |d| d.amend = 5)), "ok");
    refused(after(&second, 0, |d| d.members[6].sponsors[0] = id(3)), "leave its `sponsors`");
    refused(after(&second, 0, |d| d.members[6].sponsors.clear()), "leave its `sponsors`");
    refused(after(&second, 0, |d| d.members[3].sponsors = vec![id(0), id(1)]), "leave its `sponsors`");
    let third = after(&second, 0, |d| drop(d.members.pop())).unwrap();
    refused(admits_to(&third, |_, joins| joins.sponsors.clear()), "joins; write `sponsors`");
    assert_eq!(rule(admits_to(&third, |_, _| ())), "ok");
    // A sponsor that leaves later takes nobody with it.
    assert_eq!(rule(after(&second, 0, |d| drop(d.members.remove(0)))), "ok");
}

#[test]
fn founders_have_no_sponsors_and_no_notice() {
    let admit = |change: fn(&mut CharterDraft)| {
        let mut draft = sample(6);
        change(&mut draft);
        rule(Charter::admit(draft))
    };
    assert_eq!(admit(|_| ()), "ok");
    assert_eq!(admit(|d| d.members[0].sponsors = vec![id(1), id(2)]), "C13");
    assert_eq!(admit(|d| d.members[0].notice = Some(d.made)), "C14");
    assert_eq!(admit(|d| d.members[0].dormant = true), "C14");
}

/// Six schools of one trust are one body: any two of them vouch for nobody, and none of them for a seventh.
#[test]
fn six_schools_of_one_trust_are_one_body_for_sponsors() {
    let mut draft = sample(10);
    for member in &mut draft.members[4..] {
        member.body = "Hill Academy Trust".into();
        member.roles = [Role::Coordinator].into();
    }
    // One seat of the trust votes, and five that have none.
    draft.members[4].roles = [Role::Voting].into();
    draft.amend = amend_min(5);
    let old = Charter::admit(draft.clone()).unwrap();
    let joins = |old: &Charter, body: &str, sponsors: [usize; 2]| {
        admits_to(old, |_, joins| {
            (joins.id, joins.body) = ("GB-EDU-777777".parse().unwrap(), body.into());
            joins.sponsors = sponsors.map(id).to_vec();
        })
    };
    assert_eq!(rule(joins(&old, "Trust 77", [0, 4])), "ok");
    refused(joins(&old, "Trust 77", [0, 5]), "has no vote");
    refused(joins(&old, "Hill Academy Trust", [0, 4]), "of its own body");
    assert_eq!(rule(joins(&old, "Hill Academy Trust", [0, 1])), "ok");
    // Were two of its seats to vote, they would still be one body.
    draft.members.extend((10..16).map(|n| {
        let mut member = sample(16).members.remove(n);
        member.roles = [Role::Voting].into();
        member
    }));
    draft.members[5].roles = [Role::Voting].into();
    draft.amend = amend_min(12);
    let two = Charter::admit(draft.clone()).unwrap();
    refused(joins(&two, "Trust 77", [4, 5]), "both sponsors of `GB-EDU-777777` are of one body");
    // Nor does another spelling make two bodies of one.
    draft.members[5].body = "hill academy  trust".into();
    let error = Charter::admit(draft).unwrap_err();
    assert!(error.rule == "C7" && error.text.contains("read alike"), "{error}");
}

#[test]
fn an_admission_counts_once_both_sponsors_signed() {
    let (old, new) = (first(), admits(|_, _| ()).unwrap());
    let lacks = |signed: &[usize]| {
        let signed = signed.iter().map(|n| id(*n)).collect();
        lacking(&old, &new, &signed, &signed)
    };
    assert_eq!(lacks(&[0, 1, 2, 3, 4]), []);
    assert_eq!(
        lacks(&[0, 2, 3, 4, 5]),
        [Lacking::Sponsors { joins: id(6), missing: vec![id(1)] }],
        "a quorum of others does not stand in for a sponsor"
    );
    assert_eq!(lacks(&[2, 3, 4, 5]), [Lacking::Sponsors { joins: id(6), missing: vec![id(0), id(1)] }]);
    // Of those who stay nobody asks again.
    let third = after(&new, 0, |d| d.limits.max_cells = 7).unwrap();
    assert_eq!(lacking(&new, &third, &[2, 3, 4, 5].map(id).into(), &[2, 3, 4, 5].map(id).into()), []);
}

#[test]
fn a_member_is_marked_dormant_after_sixty_days_of_notice() {
    let old = first();
    let made = old.fields().made;
    let c14 = |result: Result<Charter, CharterError>, text: &str| {
        let error = result.unwrap_err();
        assert!(error.rule == "C14" && error.text.contains(text), "{error}, not {text}");
    };
    let notice = Some(Day(made.0 + 1));
    let told = after(&old, 1, |d| d.members[5].notice = notice).unwrap();
    assert_eq!(told.members().iter().filter(|member| member.votes()).count(), 6, "notice takes no vote");
    let marks = |old: &Charter, days| {
        after(old, days, |d| {
            d.members[5].dormant = true;
            d.members.iter_mut().for_each(|member| member.witnesses.clear());
        })
    };
    assert_eq!(rule(marks(&told, 60)), "ok");
    c14(marks(&told, 59), "60 days later");
    c14(marks(&old, 60), "given no notice");
    // Notice is given by a version, on its day: nobody was told before it was made, nor by none.
    c14(after(&old, 1, |d| d.members[5].notice = Some(made)), "is given notice by this version");
    c14(after(&old, 1, |d| d.members[5].notice = Some(Day(made.0 + 2))), "the day on which");
    c14(
        after(&old, 61, |d| {
            d.members[5].notice = notice;
            d.members[5].dormant = true;
        }),
        "given notice by this version",
    );
    c14(
        after(&told, 60, |d| {
            d.members[5].notice = Some(d.made);
            d.members[5].dormant = true;
        }),
        "60 days later",
    );
    c14(admits(|d, joins| joins.notice = Some(d.made)), "joins; it cannot have fallen silent");
    // It may be taken back.
    assert_eq!(rule(after(&told, 5, |d| d.members[5].notice = None)), "ok");
    // Whoever is dormant watches no log.
    c14(
        after(&told, 60, |d| {
            d.members[5].dormant = true;
            d.members[0].witnesses = vec![id(5)];
        }),
        "is dormant; name another",
    );
}

#[test]
fn a_dormant_member_is_not_counted_until_a_version_wakes_it() {
    let old = first();
    let told = after(&old, 1, |d| d.members[5].notice = Some(d.made)).unwrap();
    let mark = |d: &mut CharterDraft| d.members[5].dormant = true;
    let silent = after(&told, 60, mark).unwrap();
    let dormant = silent.member(&id(5)).unwrap();
    assert!(!dormant.votes() && !dormant.takes_part() && !silent.may_ask(&id(5)));
    assert!(!dormant.may_act_for_others() && silent.may_ask(&id(4)));
    // Nor does it speak for others, lead anybody to it, or watch logs, whatever else it is.
    let address = vec!["/dns4/a.example/tcp/1".to_owned()];
    let looks_on = |dormant| Member {
        roles: [Role::Observer].into(),
        addresses: address.clone(),
        dormant,
        ..candidate()
    };
    assert!(looks_on(false).may_act_for_others() && looks_on(false).is_meeting_point());
    assert!(!looks_on(true).may_act_for_others() && !looks_on(true).is_meeting_point());
    let mut members = silent.members().to_vec();
    name_witnesses(&mut members);
    assert!(members.iter().all(|member| member.witnesses.len() >= 4 && !member.witnesses.contains(&id(5))));
    // Five count where six did, and it is the old quorum of six that agreed to it.
    assert_eq!(silent.fields().amend, amend_min(5));
    let counted = |old, new, signed: &[usize]| {
        let signed = signed.iter().map(|n| id(*n)).collect();
        lacking(old, new, &signed, &signed)
    };
    assert_eq!(counted(&told, &silent, &[0, 1, 2, 3]), []);
    assert_ne!(counted(&told, &silent, &[0, 1, 2, 5]), [], "its own signature is none of the new quorum");
    let later = after(&silent, 1, |d| d.limits.max_cells = 7).unwrap();
    assert_eq!(counted(&silent, &later, &[0, 1, 2, 3]), []);
    assert_eq!(counted(&silent, &later, &[0, 1, 2, 5]).len(), 2);
    // It cannot vouch for anybody meanwhile.
    refused(admits_to(&silent, |_, joins| joins.sponsors = vec![id(0), id(5)]), "has no vote");
    // Woken, with a new notice or none: the old one is spent.
    let wake = |notice: Option<i64>| {
        after(&silent, 1, |d| {
            d.members[5].dormant = false;
            d.members[5].notice = notice.map(|days| Day(d.made.0 + days));
        })
    };
    assert_eq!(rule(wake(None)), "ok");
    assert_eq!(rule(wake(Some(0))), "ok");
    assert_eq!(rule(after(&silent, 1, |d| d.members[5].dormant = false)), "C14");
    let said = |old: &Charter, new: &Charter| {
        let changes = succeed(old, new).unwrap();
        assert_eq!(class_of(&changes), Class::Loosening, "time to leave, and to answer");
        changes.iter().map(|change| change.text.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(said(&old, &told).contains("School 5: it has notice that it may be marked dormant"));
    assert!(said(&told, &silent).contains("School 5: it is dormant: it takes no part"));
    assert!(said(&silent, &wake(None).unwrap()).contains("School 5: it is woken"));
}

/// A log of the predecessor's, under its key.
fn log_before(n: usize, job: u8) -> NamedKey {
    NamedKey { name: format!("old{n}.example/datacoop/1"), key: [job; 32] }
}

#[test]
fn a_founding_text_names_its_predecessor_and_the_logs_that_go_on() {
    let founds = |change: &dyn Fn(&mut CharterDraft)| {
        let mut draft = sample(6);
        draft.predecessor = Some(Digest([200; 32]));
        draft.members[1].goes_on_from = Some(log_before(1, 201));
        draft.members[2].goes_on_from = Some(log_before(2, 202));
        change(&mut draft);
        Charter::admit(draft)
    };
    let first = founds(&|_| ()).unwrap();
    let c15 = |result: Result<Charter, CharterError>, text: &str| {
        let error = result.unwrap_err();
        assert!(error.rule == "C15" && error.text.contains(text), "{error}, not {text}");
    };
    c15(founds(&|d| d.predecessor = None), "the charter names none");
    c15(founds(&|d| d.predecessor = Some(d.id)), "its own predecessor");
    // One log has one member, and goes on under another key and name.
    c15(founds(&|d| d.members[2].goes_on_from = Some(log_before(2, 201))), "no two logs share one");
    c15(
        founds(&|d| d.members[2].goes_on_from = Some(d.members[2].keys.log.clone())),
        "no two logs share one",
    );
    let twice = |d: &mut CharterDraft| d.members[2].goes_on_from = Some(log_before(1, 202));
    assert_eq!(rule(founds(&twice)), "C7");
    // Both stay what they are, in every later version.
    after(&first, 1, |d| d.limits.max_cells -= 1).unwrap();
    let forgets = |d: &mut CharterDraft| {
        d.predecessor = None;
        d.members.iter_mut().for_each(|member| member.goes_on_from = None);
    };
    c15(after(&first, 1, forgets), "never changes");
    c15(after(&first, 1, |d| d.predecessor = Some(Digest([7; 32]))), "never changes");
    c15(after(&first, 1, |d| d.members[1].goes_on_from = None), "leave its `goes_on_from`");
    c15(after(&first, 1, |d| d.members[3].goes_on_from = Some(log_before(3, 203))), "logs of its own");
    let mut plain = sample(6);
    plain.predecessor = None;
    let plain = Charter::admit(plain).unwrap();
    c15(after(&plain, 1, |d| d.predecessor = Some(Digest([200; 32]))), "only a founding text");
    // Whoever opts in later joins like anybody else, and brings its log.
    let joins = |d: &mut CharterDraft| {
        d.members.push(Member { goes_on_from: Some(log_before(9, 209)), ..candidate() });
    };
    let second = after(&first, 1, joins).unwrap();
    let said: Vec<String> = succeed(&first, &second).unwrap().into_iter().map(|change| change.text).collect();
    assert!(
        said.iter().any(|text| text.contains("brings what it spent in the co-operative before")),
        "{said:?}"
    );
    // Who left and comes back brings no other.
    let gone = after(&second, 2, |d| d.members.truncate(6)).unwrap();
    let back = |d: &mut CharterDraft| d.members.push(candidate());
    let again = after(&gone, 3, back).unwrap();
    let chain = [&first, &second, &gone];
    assert_eq!(super::super::keys_follow(chain, &again).unwrap_err().rule, "C15");
}

/// A body is the same one however it is written: in one version, and from one to the next.
#[test]
fn no_spelling_makes_one_body_two() {
    let written = |body: &str| {
        let mut draft = sample(6);
        draft.members[0].body = "Hill Trust 10".into();
        draft.members[1].body = body.into();
        Charter::admit(draft).map(drop).map_err(|error| error.text)
    };
    for alike in [
        "hill trust 10",
        "Hill  Trust 10",
        "Hill-Trust 10",
        "HiII Trust 10",
        "Hi1l Trust 10",
        "Hill Trust lO",
        "H\u{131}ll Trust 10",
    ] {
        let said = written(alike).unwrap_err();
        assert!(said.contains("read alike"), "{alike}: {said}");
    }
    let rn = |one: &str, other: &str| {
        let mut draft = sample(6);
        (draft.members[0].body, draft.members[1].body) = (one.into(), other.into());
        rule(Charter::admit(draft))
    };
    assert_eq!((rn("Barnet Trust", "Bamet Trust"), rn("Vvale", "Wale")), ("C7", "C7"));
    // Letters of other alphabets that look like these, accents written apart, digits of other scripts.
    for foreign in
        ["H\u{456}ll Trust", "\u{397}ill Trust", "Hill\u{301} Trust", "Hill Trust \u{661}", "Hill \u{2113}"]
    {
        let said = written(foreign).unwrap_err();
        assert!(said.contains("Latin letters"), "{foreign}: {said}");
    }
    for other in
        ["Hill Trust 11", "Vale Trust", "Ysgol T\u{177} Hafan", "St John\u{2019}s \u{2013} \u{c9}cole & Co."]
    {
        assert_eq!(written(other), Ok(()), "{other}");
    }
    // Between two versions too: a trust that renames its school, and vouches for another under its old name.
    let renamed = |body: &str| {
        admits(|d, joins| {
            joins.body = body.into();
            d.members[1].body = "Vale Trust".into();
        })
    };
    refused(renamed("Trust  1"), "of its own body");
    refused(renamed("TRUST 1"), "of its own body");
    assert_eq!(rule(renamed("Trust 17")), "ok");
    let mut draft = sample(10);
    draft.members[1].body = "Trust 0".into();
    draft.purposes[0].reviewers = vec![id(2), id(3)];
    let old = Charter::admit(draft).unwrap();
    let parted = admits_to(&old, |d, joins| {
        (joins.id, joins.body) = (id(777_777), "Trust 88".into());
        d.members[1].body = "Trust 77".into();
    });
    refused(parted, "of one body");
}

/// One member per register number, however many zeros are before it.
#[test]
fn no_spelling_makes_one_register_number_two() {
    let second = |number: &str| {
        let mut draft = sample(6);
        draft.members[1].id = number.parse().unwrap();
        draft.purposes[0].reviewers = vec![id(2), id(3)];
        Charter::admit(draft).map(drop).map_err(|error| (error.rule, error.text))
    };
    for same in ["GB-EDU-2", "GB-EDU-0000002", "GB--EDU-000002", "GB-EDU-000002-", "GB-EDU-OOOOO2"] {
        let (rule, text) = second(same).unwrap_err();
        assert!(rule == "C13" && text.contains("`GB-EDU-000002`"), "{same}: {text}");
    }
    for other in ["GB-CHC-2", "GB-EDU-20", "GB-EDU-102", "GB-EDU-C2"] {
        assert_eq!(second(other), Ok(()), "{other}");
    }
}
