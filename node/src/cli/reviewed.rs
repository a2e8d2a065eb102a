//! What keeps this program from signing a next version: a new purpose that we review and that is not reviewed yet,
//! or an extended one without its report. Source: CHARTER.md section 4.

use datacoop_policy::charter::{Charter, Purpose, renewals, unreviewed};
use datacoop_policy::{Digest, MemberId, Time};
use datacoop_protocol::acts::{Act, Done, NoReport, State, Subject};

use super::blocked::{is_of, named};
use super::show::plain;
use super::why::Seen;
use crate::blobs::Blobs;
use crate::error::{CommandError, Exit};
use crate::home::Home;

fn refused(text: String, hint: String) -> CommandError {
    CommandError { exit: Exit::Refused, text, hint: Some(hint) }
}

/// Refuses a version while what it needs is in no log that this node holds.
pub(super) fn check(
    home: &Home,
    seen: &Seen,
    parent: &Charter,
    version: &Charter,
    now: Time,
) -> Result<(), CommandError> {
    let blobs = Blobs::kept(&home.join("blobs"));
    let ours = unreviewed(parent, version).filter(|purpose| purpose.reviewers.contains(&seen.me));
    for purpose in ours {
        check_review(seen, purpose, version, &blobs, now)?;
    }
    renewals(parent, version).try_for_each(|(purpose, report)| check_report(seen, purpose, &report, now))
}

/// A reviewer signs once both reviews of the purpose, as this version has it, are shown.
fn check_review(
    seen: &Seen,
    purpose: &Purpose,
    version: &Charter,
    blobs: &Blobs,
    now: Time,
) -> Result<(), CommandError> {
    let (fold, id) = (&seen.fold, &purpose.id);
    let proposed: Vec<&Done> = fold
        .acts()
        .proposals()
        .filter(|done| matches!(&done.act, Act::Proposal { subject: Subject::Purpose(of), .. } if of == id))
        .filter(|done| is_of(done, version, blobs))
        .filter(|done| fold.acts().state(fold, done, now).is_some_and(|state| state != State::Withdrawn))
        .collect();
    if proposed.iter().any(|done| fold.acts().is_reviewed(fold, done)) {
        return Ok(());
    }
    let Some(newest) = proposed.into_iter().max_by_key(|done| done.time) else {
        return Err(refused(
            format!("we review the new purpose `{id}`, and nobody proposed it as this version has it"),
            "somebody of another body proposes its text: datacoop propose purpose FILE; then each reviewer: datacoop review ID".to_owned(),
        ));
    };
    let proposal = newest.at.leaf.short();
    let reviewers = fold.acts().reviewers(fold, newest).map_err(|why| {
        let text = format!("the new purpose `{id}` has no valid proposal: of {proposal}, {}", plain(&why));
        refused(text, "it is proposed with other reviewers, or by a member of another body".to_owned())
    })?;
    let reviews = fold.acts().reviews(fold, newest);
    let shown =
        |reviewer: &&MemberId| reviews.iter().any(|review| review.by == *reviewer && review.opened.is_some());
    let waited: Vec<String> =
        reviewers.iter().filter(|reviewer| !shown(reviewer)).map(|id| named(fold, id)).collect();
    Err(refused(
        format!(
            "the new purpose `{id}` is not reviewed yet: the review of {} is not shown",
            waited.join(" and ")
        ),
        format!("start this node and see how it stands: datacoop proposals {proposal}"),
    ))
}

/// No report, no renewal.
fn check_report(seen: &Seen, purpose: &Purpose, report: &Digest, now: Time) -> Result<(), CommandError> {
    let (fold, id) = (&seen.fold, &purpose.id);
    let hint = format!("list reports with their ids: datacoop proposals; make one: datacoop report {id}");
    let wrong = |why: String| {
        let short = report.short();
        refused(format!("the purpose `{id}` is extended by the report {short}, which {why}"), hint.clone())
    };
    let done = fold.acts().report_on(fold, id, report).map_err(|why| match why {
        NoReport::NotHere => wrong("is in no log that this node holds".to_owned()),
        NoReport::Wrong(why) => wrong(plain(&why)),
    })?;
    let suspended = fold.acts().restricted(fold, &seen.me, now).members.contains(&done.by);
    match suspended {
        true => Err(wrong(format!("is by {}, who is suspended", named(fold, &done.by)))),
        false => Ok(()),
    }
}
