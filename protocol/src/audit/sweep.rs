//! The checks of large logs in bounded memory: their entries were folded once, and are read again round by round,
//! in about the order in which they were written. A round is held while its steps come, and then let go.
//!
//! What is held at a time: as many rounds as `Entries::rounds_held` says, and what `Fold::for_audit` and the checks
//! say. Rounds whose entries lie far apart, as somebody's that slept long, are read more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::{MemberId, Time};

use super::{BlobSource, LogChecks, LogReport, Notes, Step};
use crate::entry::Ref;
use crate::fold::{Entries, Fold, Log, Places, Vanished};
use crate::rounds::{Kind, Round};

/// Audits the logs with these origins in a fold for audit, whose entries are read again; otherwise as
/// `audit_one_from`. Of one member's they come one after the other, in the order in which they follow each other. `proved` says of each log up to where its range proofs were recomputed earlier, and `seen`
/// is shown each round once, whole.
///
/// Errors: an entry cannot be read again as it was.
pub fn audit_twice(
    fold: &mut Fold,
    logs: &[String],
    entries: &mut dyn Entries,
    blobs: BlobSource<'_>,
    notes: &Notes,
    proved: &dyn Fn(&Log) -> u64,
    seen: &mut dyn FnMut(&Round),
) -> Result<Vec<LogReport>, Vanished> {
    fold.hear_heads(entries)?;
    let logs: Vec<String> = logs.iter().filter(|log| fold.log_named(log).is_some()).cloned().collect();
    let begin = |origin: &String| fold.log_named(origin).map(|log| LogChecks::new(log, proved(log)));
    let mut checks: Vec<LogChecks> = logs.iter().filter_map(begin).collect();
    let mut sweep = Sweep::new(fold, &logs, entries);
    let mut follows: Vec<bool> = (0..logs.len()).map(|which| sweep.follows(which)).collect();
    sweep.run(&mut |at| {
        if at.is_new {
            seen(at.round);
        }
        follow(&mut checks, &mut follows, at.fold, &logs, at.which);
        checks[at.which].take(at.fold, at.log, blobs, at.round, &at.step);
    })?;
    let again: BTreeSet<usize> = (0..checks.len()).filter(|n| checks[*n].references.asks_again()).collect();
    if !again.is_empty() {
        sweep.run(&mut |at| {
            if again.contains(&at.which) {
                checks[at.which].references.look_again(at.fold, &at.step);
            }
        })?;
    }
    let fold = &*sweep.fold;
    for which in 0..logs.len() {
        follow(&mut checks, &mut follows, fold, &logs, which);
    }
    let reports = logs.iter().zip(checks);
    Ok(reports
        .filter_map(|(log, checks)| Some(checks.finish(fold, fold.log_named(log)?, blobs, notes)))
        .collect())
}

/// A log begins that follows the one before it: what its author had done there goes on, and before that what it had
/// done in the one that that one follows.
fn follow(checks: &mut [LogChecks], follows: &mut [bool], fold: &Fold, logs: &[String], which: usize) {
    if !std::mem::replace(&mut follows[which], false) {
        return;
    }
    follow(checks, follows, fold, logs, which - 1);
    let (before, now) = checks.split_at_mut(which);
    let log = fold.log_named(&logs[which]);
    if let (Some(before), Some(now), Some(log)) = (before.last(), now.first_mut(), log) {
        now.go_on_from(before, log);
    }
}

/// Where a sweep is.
struct At<'a> {
    fold: &'a Fold,
    /// Whose log, by its place among those that are audited.
    which: usize,
    log: &'a Log,
    round: &'a Arc<Round>,
    step: Step<'a>,
    /// Whether nobody's step of this round came before.
    is_new: bool,
}

/// A way through all steps of all logs: of each log in the order of its entries, and across logs about in that of
/// their times, so that a round's steps come close together. What times say decides about work only.
struct Sweep<'a> {
    fold: &'a mut Fold,
    logs: &'a [String],
    entries: &'a mut dyn Entries,
    places: Places,
    /// Rounds that are held, and their numbers by when they were last used.
    held: BTreeMap<u32, Held>,
    used: BTreeMap<u64, u32>,
    clock: u64,
}

/// A round that is held.
struct Held {
    used: u64,
    round: Arc<Round>,
    /// Where each step is in it: whoever says the same a thousand times makes nobody look through all of it for
    /// each.
    steps: Arc<Steps>,
}

/// Where a step is in its round.
#[derive(Clone, Copy)]
enum Where {
    Asked,
    Said(Kind),
    Repeat(usize),
    Alert(usize),
}

/// Steps of a round, by the log and the entry that each stands in.
type Steps = BTreeMap<(Arc<str>, u64), Where>;

fn steps_of(round: &Round) -> Steps {
    let place = |at: &Ref| (Arc::clone(&at.log), at.index);
    let asked = round.asked().map(|asked| (place(&asked.at), Where::Asked));
    let said = round.firsts().map(|(kind, _, logged)| (place(&logged.at), Where::Said(kind)));
    let repeats = round.repeats().iter().enumerate();
    let repeats = repeats.map(|(n, (_, logged))| (place(&logged.at), Where::Repeat(n)));
    let alerts = round.alerts().iter().enumerate();
    let alerts = alerts.map(|(n, (_, logged))| (place(&logged.at), Where::Alert(n)));
    asked.into_iter().chain(said).chain(repeats).chain(alerts).collect()
}

fn step_at<'a>(round: &'a Round, by: &MemberId, at: Where) -> Option<Step<'a>> {
    Some(match at {
        Where::Asked => Step::Asked(round.asked()?),
        Where::Said(kind) => Step::Said(kind, round.said(kind, by)?),
        Where::Repeat(n) => Step::Repeat(&round.repeats().get(n)?.1),
        Where::Alert(n) => Step::Alert(&round.alerts().get(n)?.1),
    })
}

impl<'a> Sweep<'a> {
    fn new(fold: &'a mut Fold, logs: &'a [String], entries: &'a mut dyn Entries) -> Self {
        let places = fold.places();
        Self { fold, logs, entries, places, used: BTreeMap::new(), held: BTreeMap::new(), clock: 0 }
    }

    fn run(&mut self, each: &mut dyn FnMut(At<'_>)) -> Result<(), Vanished> {
        // Steps that a round has still to come.
        let counts = (0..).zip(0..self.places.rounds()).map(|(number, _)| self.places.count(number));
        let mut left: Vec<u32> = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let mut queue: BTreeSet<(Time, usize, u64)> =
            (0..self.logs.len()).filter(|n| !self.follows(*n)).filter_map(|n| self.next(n, 0)).collect();
        while let Some((_, which, index)) = queue.pop_first() {
            let origin = &self.logs[which];
            let log = self.fold.log_named(origin);
            let Some(number) = log.and_then(|log| Fold::shelved_round(log, index)) else { continue };
            let (round, steps) = self.hold(number)?;
            // What it corrects is asked about.
            let old = round.query().and_then(|query| self.fold.number_of(&query.supersedes?));
            if let Some(old) = old {
                self.hold(old)?;
            }
            let count = &mut left[number as usize];
            let is_new = u64::from(*count) == self.places.count(number);
            *count -= 1;
            let is_last = *count == 0;
            let log = self.fold.log_named(origin);
            let place = steps.get(&(Arc::from(origin.as_str()), index));
            let step = log.zip(place).and_then(|(log, place)| step_at(&round, &log.member, *place));
            if let Some((step, log)) = step.zip(log) {
                each(At { fold: self.fold, which, log, round: &round, step, is_new });
            }
            if is_last {
                self.let_go(number);
            }
            queue.extend(self.next(which, index + 1));
        }
        let held: Vec<u32> = self.held.keys().copied().collect();
        held.into_iter().for_each(|number| self.let_go(number));
        Ok(())
    }

    /// Whether a log goes on from the one before it.
    fn follows(&self, which: usize) -> bool {
        let author = |n: usize| self.fold.member_by_origin(self.logs.get(n)?);
        which.checked_sub(1).is_some_and(|before| author(before) == author(which))
    }

    /// The next step of a log, from this entry on, or of the one that goes on from it.
    fn next(&self, which: usize, from: u64) -> Option<(Time, usize, u64)> {
        let log = self.fold.log_named(self.logs.get(which)?)?;
        match (from..log.size()).find(|index| Fold::shelved_round(log, *index).is_some()) {
            Some(index) => Some((log.time(index).unwrap_or(Time(0)), which, index)),
            None if self.follows(which + 1) => self.next(which + 1, 0),
            None => None,
        }
    }

    /// A round, which then is in the fold, and where its steps are.
    fn hold(&mut self, number: u32) -> Result<(Arc<Round>, Arc<Steps>), Vanished> {
        self.clock += 1;
        if let Some(held) = self.held.get_mut(&number) {
            self.used.remove(&held.used);
            held.used = self.clock;
            self.used.insert(self.clock, number);
            return Ok((Arc::clone(&held.round), Arc::clone(&held.steps)));
        }
        while self.held.len() + 1 > self.entries.rounds_held().max(2)
            && let Some((_, oldest)) = self.used.first_key_value()
        {
            self.let_go(*oldest);
        }
        let round = self.fold.load(&self.places, number, self.entries)?;
        let steps = Arc::new(steps_of(&round));
        self.used.insert(self.clock, number);
        self.held
            .insert(number, Held { used: self.clock, round: Arc::clone(&round), steps: Arc::clone(&steps) });
        Ok((round, steps))
    }

    fn let_go(&mut self, number: u32) {
        if let Some(held) = self.held.remove(&number) {
            self.used.remove(&held.used);
        }
        self.fold.unload(&self.places.id(number));
    }
}
