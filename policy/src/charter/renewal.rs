//! Purposes from one version of a charter to the next: a new one is reviewed, an extended one is reported on.
//! Source: CHARTER.md section 4.
//!
//! Which reviews and reports there are stands in logs, which this cannot see: here it is only held that the
//! reviewers signed, and that a report is named. Whoever signs, and A06, look at the rest.

use std::collections::BTreeSet;

use super::form::look;
use super::{Charter, CharterError, Lacking, Publish, Purpose, refuse};
use crate::id::{Digest, MemberId};
use crate::limits::Limits;
use crate::time::Day;

/// Purposes of a version that its reviewers have not judged under the one before: of a new id, or of one that
/// now says it is for something else or takes more data, so that no old name carries a new purpose.
pub fn unreviewed<'a>(old: &'a Charter, new: &'a Charter) -> impl Iterator<Item = &'a Purpose> {
    new.fields()
        .purposes
        .iter()
        .filter(|purpose| old.purpose(&purpose.id).is_none_or(|before| is_another(before, purpose)))
}

/// Whether the reviewers would judge another thing: benefit and harm by the words, whom it touches and who sees
/// the results, least data by the lists.
fn is_another(before: &Purpose, now: &Purpose) -> bool {
    let words = |purpose: &Purpose| (purpose.title.clone(), purpose.plain.clone(), purpose.affected.clone());
    let is_more_public = match (before.publish, now.publish) {
        (_, Publish::Members) => false,
        (Publish::Members, Publish::PublicAfter(_)) => true,
        (Publish::PublicAfter(before), Publish::PublicAfter(now)) => now < before,
    };
    let lists = |limits: &Limits| Limits {
        questions: limits.questions.clone(),
        datasets: limits.datasets.clone(),
        columns: limits.columns.clone(),
        group_by: limits.group_by.clone(),
        ..Limits::top()
    };
    let (held, wanted) = (lists(&before.limits), lists(&now.limits));
    let ruled_out: BTreeSet<&String> = now.not_for.iter().collect();
    words(before) != words(now)
        || is_more_public
        || wanted.meet(&held) != wanted
        || before.not_for.iter().any(|not_for| !ruled_out.contains(not_for))
}

/// What of the reviewers' signatures a version still lacks: all of them sign, of every purpose that is new.
pub(super) fn reviewers_lacking(
    old: &Charter,
    new: &Charter,
    signed: &BTreeSet<MemberId>,
) -> Option<Lacking> {
    let reviewers: BTreeSet<&MemberId> =
        unreviewed(old, new).flat_map(|purpose| &purpose.reviewers).collect();
    let missing: Vec<MemberId> =
        reviewers.iter().filter(|reviewer| !signed.contains(**reviewer)).map(|id| (*id).clone()).collect();
    let needed = u32::try_from(reviewers.len()).unwrap_or(u32::MAX);
    (!missing.is_empty()).then_some(Lacking::Reviewers { needed, missing })
}

/// A new purpose is reviewed by members that vote before it is in force, of different bodies: others could not
/// log a review.
pub(super) fn check_reviewers(old: &Charter, new: &Charter) -> Result<(), CharterError> {
    for purpose in unreviewed(old, new) {
        let mut bodies = BTreeSet::new();
        for reviewer in &purpose.reviewers {
            let Some(member) = old.member(reviewer).filter(|member| member.votes()) else {
                let text = format!(
                    "purpose `{}` is new, and its reviewer `{reviewer}` is no voting member of version {}; name one",
                    purpose.id,
                    old.version()
                );
                return refuse("C7", text);
            };
            if !bodies.insert(&member.body) {
                let text = format!(
                    "purpose `{}` is new, and its reviewers are of one body, {}; name members of different bodies",
                    purpose.id, member.body
                );
                return refuse("C7", text);
            }
        }
    }
    Ok(())
}

/// No report, no renewal: a purpose that ends later than it last did names a report that renewed nothing yet.
/// Leaving it out for a version starts nothing anew, and neither does another id for the same words.
///
/// `earlier` are all versions before it that are at hand, the first first.
///
/// Errors: it names none, or one that an earlier version was renewed by.
pub fn renewals_reported<'a>(
    earlier: impl IntoIterator<Item = &'a Charter>,
    new: &Charter,
) -> Result<(), CharterError> {
    let earlier: Vec<&Charter> = earlier.into_iter().collect();
    for purpose in &new.fields().purposes {
        let before: Vec<&Purpose> =
            earlier.iter().filter_map(|version| version.purpose(&purpose.id)).collect();
        let Some(last) = before.last() else {
            renamed(&earlier, purpose)?;
            continue;
        };
        if purpose.expires <= last.expires {
            continue;
        }
        let used: BTreeSet<Digest> = before.iter().filter_map(|before| before.report).collect();
        let id = &purpose.id;
        let what = format!("purpose `{id}` would end on {}, not {}", purpose.expires, last.expires);
        match purpose.report {
            None => {
                let text = format!(
                    "{what}: no report, no renewal; report on it (datacoop report {id}) and write that entry's id as `report = \"...\"`"
                );
                return refuse("F17", text);
            }
            Some(report) if used.contains(&report) => {
                let text = format!(
                    "{what}: the report {} renewed it before; report on it again and name that report",
                    report.short()
                );
                return refuse("F17", text);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Errors: a purpose under a new id says what an earlier one said, and ends later.
fn renamed(earlier: &[&Charter], purpose: &Purpose) -> Result<(), CharterError> {
    let plain = look(&purpose.plain);
    let mut known = earlier.iter().rev().flat_map(|version| &version.fields().purposes);
    match known.find(|before| purpose.expires > before.expires && look(&before.plain) == plain) {
        Some(before) => refuse(
            "F17",
            format!(
                "purpose `{}` says what `{1}` says, and ends later: extend `{1}`, and name the report on it",
                purpose.id, before.id
            ),
        ),
        None => Ok(()),
    }
}

/// The purposes that a version extends, with the report that each names.
pub fn renewals<'a>(old: &'a Charter, new: &'a Charter) -> impl Iterator<Item = (&'a Purpose, Digest)> {
    new.fields().purposes.iter().filter_map(|purpose| {
        let before = old.purpose(&purpose.id).and_then(|before| before.report);
        Some((purpose, purpose.report.filter(|report| before != Some(*report))?))
    })
}

/// How long ahead members are warned that a purpose, or the charter, ends: time to report and to sign.
pub const RENEWAL_WARNING_DAYS: i64 = 60;

/// What of a charter ends within the days that are warned of, and has not ended yet, the soonest first: the
/// charter itself as `None`. A purpose that would outlive its charter needs no renewal, and is not named.
pub fn endings(charter: &Charter, today: Day) -> Vec<(Day, Option<&Purpose>)> {
    let fields = charter.fields();
    let purposes = fields.purposes.iter().filter(|purpose| purpose.expires <= fields.expires);
    let all = purposes.map(|purpose| (purpose.expires, Some(purpose))).chain([(fields.expires, None)]);
    let soon = today..=Day(today.0.saturating_add(RENEWAL_WARNING_DAYS));
    let mut all: Vec<_> = all.filter(|(on, _)| soon.contains(on)).collect();
    all.sort_by_key(|(on, _)| *on);
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{CharterDraft, Licence, Publish, Role, lacking, succeed};
    use super::*;
    use crate::limits::Set;

    fn first() -> Charter {
        Charter::admit(sample(6)).unwrap()
    }

    fn after(old: &Charter, change: impl FnOnce(&mut CharterDraft)) -> Charter {
        let mut draft = old.fields().clone();
        (draft.version, draft.prev) = (old.version() + 1, Some(old.hash()));
        draft.hash = Digest([u8::try_from(100 + draft.version).unwrap(); 32]);
        change(&mut draft);
        Charter::admit(draft).unwrap()
    }

    fn id(place: usize) -> MemberId {
        format!("GB-EDU-{place:06}").parse().unwrap()
    }

    /// Adds a purpose that these members review; the parts of the year make room for both.
    fn add(draft: &mut CharterDraft, reviewers: [usize; 2]) {
        let mut new = draft.purposes[0].clone();
        new.id = "exams-2025".into();
        new.reviewers = reviewers.map(id).to_vec();
        draft.purposes.push(new);
        for purpose in &mut draft.purposes {
            purpose.limits.rho_purpose = crate::loss::PrivacyLoss::from_nano(1_000);
        }
    }

    #[test]
    fn a_new_purpose_counts_only_with_both_its_reviewers_signatures() {
        let old = first();
        let new = after(&old, |d| add(d, [4, 5]));
        assert_eq!(succeed(&old, &new).map(|changes| changes.len()), Ok(2));
        let lacks = |new: &Charter, places: &[usize]| {
            let signed = places.iter().map(|place| id(*place)).collect();
            lacking(&old, new, &signed, &signed)
        };
        let reviewers = |places: &[usize]| {
            vec![Lacking::Reviewers { needed: 2, missing: places.iter().map(|place| id(*place)).collect() }]
        };
        // A quorum of others, of one of them, and of both.
        assert_eq!(lacks(&new, &[0, 1, 2, 3]), reviewers(&[4, 5]));
        assert_eq!(lacks(&new, &[0, 1, 2, 3, 4]), reviewers(&[5]));
        assert_eq!(lacks(&new, &[1, 2, 4, 5]), []);
        // What is not new needs no review again, and a narrower one neither.
        assert_eq!(lacks(&after(&old, |d| d.limits.max_cells = 9), &[2, 3, 4, 5]), []);
        let narrower = |d: &mut CharterDraft| {
            d.purposes[0].limits.columns = Set::only(["sex"]);
            d.purposes[0].not_for.push("adverts".into());
        };
        assert_eq!(lacks(&after(&old, narrower), &[2, 3, 4, 5]), []);
    }

    #[test]
    fn an_old_name_carries_no_new_purpose() {
        let old = after(&first(), |d| d.purposes[0].limits.columns = Set::only(["sex"]));
        let edits: [fn(&mut Purpose); 7] = [
            |p| p.affected = "Pupils in care.".into(),
            |p| p.plain = "Who is late?".into(),
            |p| p.title = "Lateness".into(),
            |p| p.limits.columns = Set::only(["sex", "pupil_premium"]),
            |p| p.limits.datasets = Set::all(),
            |p| drop(p.not_for.pop()),
            |p| p.not_for[0] = "ranking pupils".into(),
        ];
        for (at, edit) in edits.into_iter().enumerate() {
            let new = after(&old, |d| edit(&mut d.purposes[0]));
            let signed = [2, 3, 4, 5].map(id).into();
            let lacks = lacking(&old, &new, &signed, &signed);
            assert!(matches!(lacks.first(), Some(Lacking::Reviewers { .. })), "{at}");
        }
        let same = after(&old, |d| d.purposes[0].heard = "The council, again.".into());
        assert_eq!(unreviewed(&old, &same).count(), 0);
    }

    #[test]
    fn members_results_become_public_by_a_review() {
        let members = after(&first(), |d| {
            let purpose = &mut d.purposes[0];
            (purpose.publish, purpose.licence) = (Publish::Members, Licence::Members1);
        });
        assert_eq!(unreviewed(&first(), &members).count(), 0);
        let public = after(&members, |d| {
            let purpose = &mut d.purposes[0];
            (purpose.publish, purpose.licence) = (Publish::PublicAfter(400), Licence::Public1);
        });
        assert_eq!(unreviewed(&members, &public).count(), 1);
        let sooner = after(&public, |d| d.purposes[0].publish = Publish::PublicAfter(399));
        assert_eq!(unreviewed(&public, &sooner).count(), 1);
        let later = after(&sooner, |d| d.purposes[0].publish = Publish::PublicAfter(400));
        assert_eq!(unreviewed(&sooner, &later).count(), 0);
    }

    #[test]
    fn another_id_for_the_same_words_is_no_way_past_the_report() {
        let old = first();
        let renamed = |plain: &str, days: i64| {
            after(&old, |d| {
                let purpose = &mut d.purposes[0];
                (purpose.id, purpose.plain) = ("attendance-2026".into(), plain.into());
                longer(d, days, None);
            })
        };
        let said = |new: &Charter| succeed(&old, new).map(drop).map_err(|error| (error.rule, error.text));
        for plain in [old.fields().purposes[0].plain.as_str(), "which days do  pupils miss"] {
            let (rule, text) = said(&renamed(plain, 1)).unwrap_err();
            assert!(rule == "F17" && text.contains("`attendance-2025`"), "{text}");
        }
        assert_eq!(said(&renamed("Which days do pupils miss?", 0)), Ok(()), "it lasts no longer");
        assert_eq!(said(&renamed("Which lessons do pupils miss?", 1)), Ok(()), "reviewers judge what is new");
        // Nor after a version that left it out.
        let without = after(&old, |d| d.purposes.clear());
        let back = after(&without, |d| {
            d.purposes.clone_from(&renamed("Which days do pupils miss?", 1).fields().purposes);
        });
        assert_eq!(renewals_reported([&old, &without], &back).map_err(|error| error.rule), Err("F17"));
    }

    #[test]
    fn reviewers_vote_already_and_are_of_different_bodies() {
        let old = after(&first(), |d| d.members[5].roles = [Role::Coordinator].into());
        let refused = |old: &Charter, new: &Charter| succeed(old, new).map_err(|error| error.to_string());
        assert!(refused(&old, &after(&old, |d| add(d, [3, 4]))).is_ok());
        let looks_on = refused(&old, &after(&old, |d| add(d, [4, 5]))).unwrap_err();
        assert!(looks_on.contains("`GB-EDU-000005` is no voting member"), "{looks_on}");
        let silent = after(&first(), |d| {
            d.members[5].notice = Some(Day(d.made.0 - 60));
            d.members[5].dormant = true;
        });
        let dormant = refused(&silent, &after(&silent, |d| add(d, [4, 5]))).unwrap_err();
        assert!(dormant.contains("`GB-EDU-000005` is no voting member"), "{dormant}");
        let joins = |d: &mut CharterDraft| {
            d.members[5].roles.insert(Role::Voting);
            add(d, [4, 5]);
        };
        assert!(refused(&old, &after(&old, joins)).is_err(), "whoever gets its vote by this version");
        let stranger = refused(&old, &after(&old, |d| add(d, [4, 99]))).unwrap_err();
        assert!(stranger.contains("`GB-EDU-000099`"), "{stranger}");
        // Two of one body by the version before: no new name makes them two.
        let ten = Charter::admit(sample(10)).unwrap();
        let one = after(&ten, |d| d.members[5].body = d.members[4].body.clone());
        let new = after(&one, |d| {
            d.members[5].body = "Another".into();
            add(d, [4, 5]);
        });
        assert!(refused(&one, &new).unwrap_err().contains("of one body"));
    }

    fn longer(draft: &mut CharterDraft, days: i64, report: Option<u8>) {
        draft.purposes[0].expires = Day(draft.purposes[0].expires.0 + days);
        draft.purposes[0].report = report.map(|report| Digest([report; 32]));
    }

    #[test]
    fn a_purpose_is_extended_by_a_report_and_by_each_report_once() {
        let old = first();
        let said = |old: &Charter, new: &Charter| {
            succeed(old, new).map(drop).map_err(|error| (error.rule, error.to_string()))
        };
        let (rule, text) = said(&old, &after(&old, |d| longer(d, 1, None))).unwrap_err();
        assert_eq!(rule, "F17");
        assert!(text.contains("no report, no renewal") && text.contains("datacoop report"), "{text}");
        assert_eq!(said(&old, &after(&old, |d| longer(d, 0, None))), Ok(()));
        assert_eq!(said(&old, &after(&old, |d| longer(d, -1, None))), Ok(()));
        let second = after(&old, |d| longer(d, 1, Some(1)));
        assert_eq!(said(&old, &second), Ok(()));
        assert_eq!(renewals(&old, &second).map(|(_, report)| report).collect::<Vec<_>>(), [Digest([1; 32])]);
        // It keeps its report, and another renewal needs another.
        assert_eq!(said(&second, &after(&second, |d| d.limits.max_cells = 9)), Ok(()));
        assert_eq!(renewals(&second, &after(&second, |d| d.limits.max_cells = 9)).count(), 0);
        let (rule, text) = said(&second, &after(&second, |d| longer(d, 1, Some(1)))).unwrap_err();
        assert!(rule == "F17" && text.contains("renewed it before"), "{text}");
        assert_eq!(said(&second, &after(&second, |d| longer(d, 1, Some(2)))), Ok(()));
    }

    #[test]
    fn leaving_a_purpose_out_for_a_version_renews_nothing() {
        let old = first();
        let without = after(&old, |d| d.purposes.clear());
        let back = |days, report| {
            let new = after(&without, |d| {
                d.purposes.clone_from(&old.fields().purposes);
                longer(d, days, report);
            });
            renewals_reported([&old, &without], &new).map_err(|error| error.rule)
        };
        assert_eq!(back(0, None), Ok(()));
        assert_eq!(back(1, None), Err("F17"));
        assert_eq!(back(1, Some(1)), Ok(()));
    }

    #[test]
    fn an_end_is_warned_of_sixty_days_ahead() {
        let charter = first();
        let (purpose, last) = (charter.fields().purposes[0].expires, charter.fields().expires);
        let named = |today: i64| -> Vec<Option<&str>> {
            endings(&charter, Day(today)).iter().map(|(_, one)| one.map(|one| one.id.as_str())).collect()
        };
        assert_eq!(named(purpose.0 - 61), []);
        assert_eq!(named(purpose.0 - 60), [Some("attendance-2025")]);
        assert_eq!(named(last.0 - 60), [None], "sixty-five days apart in the sample: the purpose is over");
        assert_eq!(named(purpose.0), [Some("attendance-2025")]);
        assert_eq!((named(last.0), named(last.0 + 1)), (vec![None], vec![]));
        let both = after(&charter, |d| {
            d.purposes.push(Purpose {
                id: "short".into(),
                expires: Day(last.0 - 1),
                ..d.purposes[0].clone()
            });
            d.purposes[0].expires = last;
            d.purposes.iter_mut().for_each(|one| one.limits.rho_purpose = crate::loss::PrivacyLoss::ZERO);
        });
        let soon: Vec<_> =
            endings(&both, Day(last.0 - 9)).iter().map(|(on, one)| (on.0 - last.0, one.is_some())).collect();
        assert_eq!(
            soon,
            [(-1, true), (0, true), (0, false)],
            "what ends with the charter needs its report too"
        );
        let outlives = after(&charter, |d| d.purposes[0].expires = Day(last.0 + 1));
        assert_eq!(endings(&outlives, last).len(), 1);
    }
}
