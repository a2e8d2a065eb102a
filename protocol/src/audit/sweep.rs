//! The checks of large logs in bounded memory: their entries were folded once, and are read again round by round,
//! in about the order in which they were written. A round is held while its steps come, and then let go.
//!
//! What is held at a time: as many rounds as `Entries::rounds_held` says, and what `Fold::for_audit` and the checks
//! say. Rounds whose entries lie far apart, as somebody's that slept long, are read more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::{MemberId, Time};

use super::{BlobSource, LogChecks, LogReport, Notes, Step};
use crate::fold::{Entries, Fold, Log, Places, Vanished};
use crate::rounds::{Kind, Logged, Round};

/// Audits the logs of these members in a fold for audit, whose entries are read again; otherwise as
/// `audit_one_from`. `proved` says of each log up to where its range proofs were recomputed earlier, and `seen`
/// is shown each round once, whole.
///
/// Errors: an entry cannot be read again as it was.
pub fn audit_twice(
    fold: &mut Fold,
    members: &[MemberId],
    entries: &mut dyn Entries,
    blobs: BlobSource<'_>,
    notes: &Notes,
    proved: &dyn Fn(&Log) -> u64,
    seen: &mut dyn FnMut(&Round),
) -> Result<Vec<LogReport>, Vanished> {
    fold.hear_heads(entries)?;
    let members: Vec<MemberId> = members.iter().filter(|id| fold.log(id).is_some()).cloned().collect();
    let begin = |id: &MemberId| fold.log(id).map(|log| LogChecks::new(log, proved(log)));
    let mut checks: Vec<LogChecks> = members.iter().filter_map(begin).collect();
    let mut sweep = Sweep::new(fold, &members, entries);
    sweep.run(&mut |at| {
        if at.is_new {
            seen(at.round);
        }
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
    let reports = members.iter().zip(checks);
    Ok(reports.filter_map(|(id, checks)| Some(checks.finish(fold, fold.log(id)?, blobs, notes))).collect())
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
    members: &'a [MemberId],
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

/// Steps of a round, by who took each and in which entry of its log.
type Steps = BTreeMap<(MemberId, u64), Where>;

fn steps_of(round: &Round) -> Steps {
    let asked = round.asked().map(|asked| ((asked.asker.clone(), asked.at.index), Where::Asked));
    let place = |by: &MemberId, logged: &Logged| (by.clone(), logged.at.index);
    let said = round.firsts().map(|(kind, by, logged)| (place(by, logged), Where::Said(kind)));
    let repeats = round.repeats().iter().enumerate();
    let repeats = repeats.map(|(n, (by, logged))| (place(by, logged), Where::Repeat(n)));
    let alerts = round.alerts().iter().enumerate();
    let alerts = alerts.map(|(n, (by, logged))| (place(by, logged), Where::Alert(n)));
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
    fn new(fold: &'a mut Fold, members: &'a [MemberId], entries: &'a mut dyn Entries) -> Self {
        let places = fold.places();
        Self { fold, members, entries, places, used: BTreeMap::new(), held: BTreeMap::new(), clock: 0 }
    }

    fn run(&mut self, each: &mut dyn FnMut(At<'_>)) -> Result<(), Vanished> {
        // Steps that a round has still to come.
        let counts = (0..).zip(0..self.places.rounds()).map(|(number, _)| self.places.count(number));
        let mut left: Vec<u32> = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let mut queue: BTreeSet<(Time, usize, u64)> =
            (0..self.members.len()).filter_map(|which| self.next(which, 0)).collect();
        while let Some((_, which, index)) = queue.pop_first() {
            let member = &self.members[which];
            let Some(number) = self.fold.shelved_round(member, index) else { continue };
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
            let place = steps.get(&(member.clone(), index));
            let step = place.and_then(|place| step_at(&round, member, *place));
            if let Some((step, log)) = step.zip(self.fold.log(member)) {
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

    /// The next step of a log, from this entry on.
    fn next(&self, which: usize, from: u64) -> Option<(Time, usize, u64)> {
        let member = &self.members[which];
        let log = self.fold.log(member)?;
        let index = (from..log.size()).find(|index| self.fold.shelved_round(member, *index).is_some())?;
        Some((log.time(index).unwrap_or(Time(0)), which, index))
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
