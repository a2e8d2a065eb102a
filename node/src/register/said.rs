//! What members said beside questions and answers, as far as the public may know it: reports, proposals, pauses
//! and leave to ask. Must not know how pages are written.
//!
//! Reasons of objections and texts of proposals are for members. A report's text is public once its purpose's
//! results would be, and every release that it speaks of is. Objectors are counted, not named: nobody is to be
//! pressed for one.

use datacoop_policy::charter::{Charter, Publish, Purpose};
use datacoop_policy::delegation::Delegation;
use datacoop_policy::{Day, MemberId, Time};
use datacoop_protocol::acts::{
    Act, Done, Findings, Outcome, Restriction, State, Subject, blob_text, is_entitled,
};
use datacoop_protocol::charter_text::parse_purpose_text;
use datacoop_protocol::entry::Ref;

use super::Source;

/// A report on a purpose.
pub(super) struct Report<'a> {
    pub(super) said: &'a Done,
    pub(super) purpose: &'a str,
    pub(super) outcome: Outcome,
    /// How many releases it speaks of.
    pub(super) releases: usize,
    /// What it says, where that is public and was handed in.
    pub(super) text: Text,
}

/// What there is of a report's text.
pub(super) enum Text {
    Shown(String),
    /// Only members see it; or not yet everybody.
    Kept,
    /// It is public, and in no folder that was handed in.
    Missing,
}

/// A proposal, and what was said of it.
pub(super) struct Proposal<'a> {
    pub(super) said: &'a Done,
    pub(super) subject: &'a Subject,
    pub(super) state: State,
    pub(super) supporters: Vec<&'a MemberId>,
    pub(super) objections: usize,
    pub(super) answered: usize,
    /// Of a purpose, what its text says, where that was handed in: for the register to tell whether it is that of
    /// the charter, not to be shown.
    pub(super) purpose: Option<Purpose>,
    /// Who reviews it, and what they found, once both show it.
    pub(super) reviews: Vec<(&'a MemberId, Option<&'a Findings>)>,
}

/// Leave to ask.
pub(super) struct Leave<'a> {
    pub(super) at: &'a Ref,
    pub(super) held: Delegation,
    /// Whether it holds on the register's day.
    pub(super) holds: bool,
}

/// All of it, the newest first.
pub(super) struct Said<'a> {
    pub(super) reports: Vec<Report<'a>>,
    pub(super) proposals: Vec<Proposal<'a>>,
    /// Pauses in force.
    pub(super) pauses: Vec<Restriction<'a>>,
    pub(super) leaves: Vec<Leave<'a>>,
}

impl<'a> Said<'a> {
    pub(super) fn new(source: &'a Source<'a>, charter: &'a Charter) -> Self {
        let (acts, end) = (source.fold.acts(), end_of(source.as_of));
        let mut all: Vec<&Done> = acts.all().filter(|done| is_said(source, done)).collect();
        all.sort_by_key(|done| std::cmp::Reverse((done.time, done.at.leaf)));
        let reports = all.iter().filter_map(|done| report(source, done)).collect();
        let proposals = all.iter().filter_map(|done| proposal(source, done, end)).collect();
        // By the version that the register tells of: as whoever goes by it counts.
        let mut members = charter.members().iter();
        let voice = members.find(|member| source.fold.charter_at(&member.id, end).hash() == charter.hash());
        let pauses = voice.map_or_else(Vec::new, |member| acts.restrictions(source.fold, &member.id, end));
        let pauses =
            pauses.into_iter().filter(|pause| pause.until.is_some_and(|until| until > end)).collect();
        let leaves = all.iter().filter_map(|done| leave(source, charter, done, end)).collect();
        Self { reports, proposals, pauses, leaves }
    }

    /// The reports on a purpose.
    pub(super) fn on<'s>(&'s self, purpose: &'s str) -> impl Iterator<Item = &'s Report<'a>> {
        self.reports.iter().filter(move |report| report.purpose == purpose)
    }
}

/// The last second of the register's day.
pub(super) fn end_of(day: Day) -> Time {
    Time(Day(day.0 + 1).start().0.saturating_sub(1_000))
}

/// By whoever may, and by the register's day.
fn is_said(source: &Source<'_>, done: &Done) -> bool {
    is_entitled(source.fold, done) && done.time.day() <= source.as_of
}

fn report<'a>(source: &'a Source<'a>, done: &'a Done) -> Option<Report<'a>> {
    let Act::Report { purpose, releases, outcome, text } = &done.act else { return None };
    let is_public = is_public(source, done, purpose, releases);
    let read = || (source.blob)(text).and_then(|blob| blob_text(&blob).map(str::to_owned));
    let text = match is_public {
        false => Text::Kept,
        true => read().map_or(Text::Missing, Text::Shown),
    };
    Some(Report { said: done, purpose, outcome: *outcome, releases: releases.len(), text })
}

/// A purpose as whoever reports on it went by it.
fn purpose_of<'a>(source: &'a Source<'a>, done: &Done, id: &str) -> Option<&'a Purpose> {
    source.fold.charter_of_entry(&done.by, done.time, done.at.order()).purpose(id)
}

/// Whether a report's text is for everybody by now: no sooner than the results of its purpose that it could
/// speak of, and never where one of the releases that it names is for members.
fn is_public(source: &Source<'_>, done: &Done, purpose: &str, releases: &[Ref]) -> bool {
    let by_now =
        |publish: Publish, from: Day| publish.public_from(from).is_some_and(|day| day <= source.as_of);
    let of = purpose_of(source, done, purpose);
    let shown = |at: &Ref| {
        let mut rounds = source.fold.rounds().values();
        rounds.any(|round| {
            let Some((asked, (released, _))) = round.asked().zip(round.released()) else { return false };
            let charter = source.fold.charter_named(&asked.body.charter);
            let purpose = charter.and_then(|charter| charter.purpose(&asked.body.purpose));
            released.at == *at && purpose.is_some_and(|purpose| by_now(purpose.publish, released.time.day()))
        })
    };
    of.is_some_and(|purpose| by_now(purpose.publish, done.time.day())) && releases.iter().all(shown)
}

fn proposal<'a>(source: &'a Source<'a>, done: &'a Done, end: Time) -> Option<Proposal<'a>> {
    let Act::Proposal { subject, reviewers, text, .. } = &done.act else { return None };
    let (fold, acts) = (source.fold, source.fold.acts());
    let state = acts.state(fold, done, end)?;
    let by_now = |said: &&Done| said.time.day() <= source.as_of;
    let supporters = acts.cosigners(fold, done).into_iter().filter(|(_, said)| by_now(said));
    let objections = acts.objections(fold, &done.at, &done.by);
    let objections: Vec<_> = objections.into_iter().filter(|one| by_now(&one.said)).collect();
    let reviews = acts.reviews(fold, done);
    let is_reviewed = acts.is_reviewed(fold, done)
        && reviews.iter().all(|review| {
            let shown = review.opened.and_then(|(at, _)| acts.get(&at.leaf));
            shown.is_some_and(|said| by_now(&said))
        });
    let found = |reviewer: &MemberId| {
        let of = reviews.iter().find(|review| review.by == reviewer).filter(|_| is_reviewed)?;
        of.opened.map(|(_, findings)| findings)
    };
    let is_purpose = matches!(subject, Subject::Purpose(_));
    let blob = is_purpose.then(|| (source.blob)(text)).flatten();
    let purpose = blob.as_deref().and_then(blob_text).and_then(|text| parse_purpose_text(text).ok());
    Some(Proposal {
        purpose,
        said: done,
        subject,
        state,
        supporters: supporters.map(|(by, _)| by).collect(),
        objections: objections.len(),
        answered: objections.iter().filter(|one| one.reply.as_ref().is_some_and(by_now)).count(),
        reviews: reviewers.iter().map(|reviewer| (reviewer, found(reviewer))).collect(),
    })
}

fn leave<'a>(source: &'a Source<'a>, charter: &Charter, done: &'a Done, end: Time) -> Option<Leave<'a>> {
    let mut held = source.fold.acts().delegation(&done.at.leaf)?;
    // Taken back after the register's day: on it, it held.
    let mut said = source.fold.acts().on(&done.at).filter(|said| said.by == done.by);
    held.revoked = said.any(|said| matches!(said.act, Act::Revocation { .. }) && said.time <= end);
    let holds = !held.revoked && held.until >= end && held.check(charter).is_ok();
    Some(Leave { at: &done.at, held, holds })
}
