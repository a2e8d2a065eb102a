//! Whether a member's clock agrees with the others': from what they signed, whenever it came.
//!
//! What somebody signed bounds its clock beside ours from both sides, however long the words were on their
//! way. It was written before it reached us: dated later than now, our clock is slow beside its author's. And a
//! witness that signs a head of our log does so after the entries under it were written: dated before them, our
//! clock is fast beside its own. Words that are merely old say nothing, so no sleep and no delay stops a node.
//!
//! A few who lie stop nobody: most of those who were heard must say so, and more than may lie. Members without a
//! vote are not asked, and of a body's witnesses one: a body may have as many of either as it likes. Source:
//! CHARTER.md section 3, "clock 10 minutes off the median of peers' signed times". We differ: nobody's clock is
//! asked, and a fast one shows only once witnesses signed what was written by it.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::limits::Layer;
use datacoop_policy::refusal::{Refusal, Rule};
use datacoop_policy::verdict::CLOCK_SKEW_MAX;
use datacoop_policy::{MemberId, Span, Time};

use crate::fold::{Fold, voices};
use crate::witness::Witnessed;

/// Of what was said longer before the newest than this, nothing is set beside it: a clock may have been set since.
const HEARD_FOR: Span = Span(3_600_000);
/// So many others say so at least, whatever the size of the co-operative: one liar stops nobody.
const SAY_SO_MIN: usize = 2;

/// Which way our clock is off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    /// Behind the others'.
    Slow,
    /// Ahead of the others'.
    Fast,
}

/// That our clock disagrees with most others'.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// Which way.
    pub off: Off,
    /// By how much at least, as the middle one of those who were heard has it.
    pub by: Span,
    /// How many others say so.
    pub say_so: usize,
    /// Of how many that were heard.
    pub heard: usize,
}

impl Disagreement {
    /// Why nothing is answered.
    pub fn refusal(&self) -> Refusal {
        Refusal { rule: Rule::Clock, layer: Layer::Member, sentence: self.sentence(), numbers: None }
    }

    /// What is wrong, without a full stop.
    pub fn sentence(&self) -> String {
        let way = match self.off {
            Off::Slow => "slow",
            Off::Fast => "fast",
        };
        let (minutes, say_so, heard) = (self.by.0 / 60_000, self.say_so, self.heard);
        format!(
            "our clock is at least {minutes} minutes {way} beside those of {say_so} of {heard} members that were heard"
        )
    }
}

/// Whether our clock disagrees with most others'.
pub fn disagreement(fold: &Fold, witnessed: &Witnessed, me: &MemberId, now: Time) -> Option<Disagreement> {
    slow(fold, witnessed, me, now).or_else(|| fast(fold, witnessed, me, now))
}

/// Others' words that are dated later than now.
fn slow(fold: &Fold, witnessed: &Witnessed, me: &MemberId, now: Time) -> Option<Disagreement> {
    let (heard, voting) = heard(fold, witnessed, me, now);
    most(Off::Slow, heard.iter().map(|(_, at)| Span(at.0.saturating_sub(now.0))).collect(), voting)
}

/// What each of the others had said last at some moment: how many entries its log had, and when it signed a head of
/// ours.
pub(crate) type LastWords = BTreeMap<MemberId, (u64, Option<u64>)>;

/// What each of the others has said last.
pub(crate) fn last_words(fold: &Fold, witnessed: &Witnessed, me: &MemberId, now: Time) -> LastWords {
    let own = fold.log(me);
    let last = |id: &MemberId| {
        let signed = own.and_then(|own| witnessed.said(own, id)).map(|said| said.cosignature.time);
        (id.clone(), (fold.log(id).map_or(0, |log| log.size()), signed))
    };
    voices(fold.charter_at(me, now), me).map(last).collect()
}

/// Whether others bear out that it is now: more than may lie said something since those last words, dated in the hour
/// until now as far as clocks may differ, and most of those who were heard do not put it later. Their silence bears
/// out nothing, nor does what they said before.
pub(crate) fn bears_out(
    fold: &Fold,
    witnessed: &Witnessed,
    me: &MemberId,
    now: Time,
    before: &LastWords,
) -> bool {
    let (heard, voting) = heard(fold, witnessed, me, now);
    let last = last_words(fold, witnessed, me, now);
    let spoke = |id: &MemberId| last.get(id) != before.get(id);
    let near = heard.iter().filter(|(id, at)| *at <= now + CLOCK_SKEW_MAX && spoke(id)).count();
    near >= say_so_min(voting) && slow(fold, witnessed, me, now).is_none()
}

/// When each of the others last said something, of those who did in the hour before now or later; and how many
/// members vote.
fn heard<'a>(
    fold: &'a Fold,
    witnessed: &Witnessed,
    me: &MemberId,
    now: Time,
) -> (Vec<(&'a MemberId, Time)>, usize) {
    let charter = fold.charter_at(me, now);
    let voting = charter.members().iter().filter(|member| member.votes()).count();
    let own = fold.log(me);
    let newest = voices(charter, me).filter_map(|id| {
        let wrote = fold.log(id).and_then(|log| log.time(log.size().checked_sub(1)?));
        let signed = own.and_then(|own| witnessed.said(own, id));
        Some((id, wrote.max(signed.map(|said| Time::from_seconds(said.cosignature.time)))?))
    });
    (newest.filter(|(_, at)| now < *at + HEARD_FOR).collect(), voting)
}

/// Witnesses' words about our log that are dated before what they are about. Of entries that we dated later than
/// now, our clock was set back since.
fn fast(fold: &Fold, witnessed: &Witnessed, me: &MemberId, now: Time) -> Option<Disagreement> {
    let log = fold.log(me)?;
    let charter = fold.charter_at(me, now);
    let witnesses: Vec<(&str, &MemberId)> = charter
        .member(me)?
        .witnesses
        .iter()
        .filter_map(|id| Some((&*charter.member(id)?.body, id)))
        .collect();
    let said = witnesses.iter().filter_map(|(body, id)| {
        let said = witnessed.said(log, id)?;
        let wrote = log.time(said.checkpoint.size.checked_sub(1)?)?;
        (wrote <= now).then_some((*body, wrote, Time::from_seconds(said.cosignature.time)))
    });
    let said: Vec<(&str, Time, Time)> = said.collect();
    let newest = said.iter().map(|(_, wrote, _)| *wrote).max()?;
    // A body speaks once, however many of its members watch us, and the kindest of them for it: it cannot sway the
    // rest by their number, and one of them that lies proves nothing.
    let mut heard: BTreeMap<&str, Span> = BTreeMap::new();
    for (body, wrote, signed) in said.into_iter().filter(|(_, wrote, _)| newest < *wrote + HEARD_FOR) {
        let off = Span(wrote.0.saturating_sub(signed.0));
        heard.entry(body).and_modify(|least| *least = (*least).min(off)).or_insert(off);
    }
    let bodies: BTreeSet<&str> = witnesses.iter().map(|(body, _)| *body).collect();
    most(Off::Fast, heard.into_values().collect(), bodies.len())
}

/// How many are more than may lie of so many.
fn say_so_min(of: usize) -> usize {
    SAY_SO_MIN.max(of.saturating_sub(1) / 3 + 1)
}

/// Whether most of those who were heard put us off too far, and more than may lie of so many.
fn most(off: Off, mut heard: Vec<Span>, of: usize) -> Option<Disagreement> {
    heard.sort_unstable();
    let say_so = heard.iter().filter(|span| **span > CLOCK_SKEW_MAX).count();
    // Of an even number the lower middle: more than half of them are at least so far off.
    let by = *heard.get(heard.len().saturating_sub(1) / 2)?;
    let enough = say_so >= say_so_min(of) && by > CLOCK_SKEW_MAX;
    enough.then_some(Disagreement { off, by, say_so, heard: heard.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(minutes: &[u64], of: usize) -> Option<(u64, usize, usize)> {
        let heard = minutes.iter().map(|minutes| Span(minutes * 60_000)).collect();
        most(Off::Slow, heard, of).map(|found| (found.by.0 / 60_000, found.say_so, found.heard))
    }

    #[test]
    fn most_of_those_heard_and_more_than_may_lie_must_say_so() {
        assert_eq!(said(&[], 5), None);
        assert_eq!(said(&[600], 5), None, "one liar stops nobody");
        assert_eq!(said(&[600, 0], 3), None);
        assert_eq!(said(&[20, 600], 3), Some((20, 2, 2)), "the lower middle: no liar makes it larger");
        assert_eq!(said(&[600, 600, 0, 0], 5), None, "half are not most");
        assert_eq!(said(&[600, 600, 20, 0], 5), Some((20, 3, 4)));
        assert_eq!(said(&[600, 600, 600, 0, 0, 0, 0], 10), None, "three of ten may lie");
        assert_eq!(said(&[600, 600, 600], 10), None, "also where nobody else was heard");
        assert_eq!(said(&[600, 600, 600, 15], 10), Some((600, 4, 4)));
    }

    #[test]
    fn ten_minutes_are_allowed_and_not_a_moment_more() {
        let heard = |extra| vec![Span(CLOCK_SKEW_MAX.0 + extra); 3];
        assert_eq!(most(Off::Fast, heard(0), 4), None);
        let found = most(Off::Fast, heard(1), 4).unwrap();
        assert_eq!((found.by, found.say_so), (Span(600_001), 3));
        assert!(
            found.sentence().contains("10 minutes fast beside those of 3 of 3 members"),
            "{}",
            found.sentence()
        );
    }
}
