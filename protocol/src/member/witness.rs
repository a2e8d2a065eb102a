//! Witnessing: we cosign the heads of logs that the charter gives us to watch, once we hold every entry
//! under them, and pass on what witnesses say. Knows nothing of what entries mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{MemberId, Time};

use super::Member;
use super::port::{Event, Output};
use crate::bounds::{COSIGN_EVERY, COSIGN_QUIET, COSIGNED_MAX, HEAD_AT_LEAST, HEAD_EVERY, HEADS_MAX};
use crate::cited::references;
use crate::entry::Body;
use crate::fold::{Fold, SectionError, SplitView};
use crate::log::cosignature::Cosignature;
use crate::log::note::Checkpoint;
use crate::wire::{Cosigned, Heard, Record};
use crate::witness::{Said, Witnessed, cosigned, own_copy};

/// A log that we watch.
#[derive(Default)]
pub(super) struct Watch {
    /// The name in frames of the log that its owner wrote when we last looked.
    log: [u8; 32],
    /// Entries under its newest head when we last looked.
    size: u64,
    /// When that changed.
    grown_at: Time,
    /// Since when there is something to cosign.
    since: Option<Time>,
}

impl Watch {
    /// The clock was set back.
    pub(super) fn step_back(&mut self, now: Time) {
        self.grown_at = self.grown_at.min(now);
        self.since = self.since.map(|since| since.min(now));
    }

    fn due(&self) -> Option<Time> {
        self.since.map(|since| (self.grown_at + COSIGN_QUIET).min(since + COSIGN_EVERY))
    }
}

impl Member {
    /// The logs that we watch under one of these versions: under the one before for as long as rounds of it
    /// may end, under the next before it acts, so that no head is without a quorum.
    pub(super) fn watches(met: &[Arc<Charter>], me: &MemberId) -> BTreeMap<MemberId, Watch> {
        let members = met.iter().flat_map(|charter| charter.members());
        let watched = members.filter(|member| member.witnesses.contains(me));
        watched.map(|member| (member.id.clone(), Watch::default())).collect()
    }

    pub(super) fn cosign_timeouts(&self) -> impl Iterator<Item = Time> {
        self.watches.values().filter_map(Watch::due)
    }

    /// Cosigns what is due. What was cosigned is on disk before anybody hears of it: a witness that
    /// forgets what it signed could sign another history.
    pub(super) fn cosign_due(&mut self) {
        let (now, me) = (self.now, self.settings.me.clone());
        let seen = (self.fold.changes(), self.witnessed.taken());
        let is_due = |watch: &Watch| watch.due().is_some_and(|at| at <= now);
        if self.watched_at.replace(seen) == Some(seen) && !self.watches.values().any(is_due) {
            return;
        }
        let mut due = vec![];
        for (member, watch) in &mut self.watches {
            let Some(log) = self.fold.log(member) else { continue };
            if log.head() != watch.log {
                *watch = Watch { log: log.head(), ..Watch::default() };
            }
            let size = log.note().map_or(0, |(size, _)| size);
            if size > watch.size {
                (watch.size, watch.grown_at) = (size, now);
            }
            let signed = self.witnessed.said(log, &me).map_or(0, |said| said.checkpoint.size);
            watch.since = (size > signed).then(|| watch.since.unwrap_or(now));
            if watch.due().is_some_and(|at| at <= now) {
                watch.since = None;
                due.push(member.clone());
            }
        }
        for member in due {
            self.cosign(&member);
        }
    }

    /// Cosigns a log's head, unless its owner shows two histories, or it does not extend what we cosigned.
    fn cosign(&mut self, member: &MemberId) {
        let me = &self.settings.me;
        let (Some(log), Some(own)) = (self.fold.log(member), self.witnessed.name(me)) else { return };
        // Whoever goes on writing a log that the charter replaced may be a thief of its key.
        let vouches = self.fold.split(member).is_none() && !self.is_replaced(log);
        let Some((checkpoint, note)) = own_copy(log).filter(|_| vouches) else { return };
        let before = self.witnessed.said(log, me);
        if before.is_some_and(|said| log.tree().root_at(said.checkpoint.size) != Some(said.checkpoint.root)) {
            return;
        }
        let (now, key) = (self.now.seconds(), self.keys.witness());
        let cosignature = Cosignature::sign_known(&checkpoint, now, key, self.fold.checked());
        let said = Said { note: Arc::from(note), cosignature, checkpoint: Arc::new(checkpoint) };
        let said = cosigned(log.head(), own, &said);
        if self.take_cosigned(&said).is_ok_and(|news| news) {
            self.outputs.push_back(Output::Store(Record::Cosigned(said)));
        }
    }

    /// Takes what a witness said; whether it is news. What is news is passed on.
    fn take_cosigned(&mut self, said: &Cosigned) -> Result<bool, SectionError> {
        let news = hear(&mut self.fold, &mut self.witnessed, said)?;
        if let Some(witness) = self.witnessed.member(&said.witness).filter(|_| news) {
            let witness = witness.clone();
            self.peers.queue_cosigned(&self.settings.me, said.log, &witness, self.now);
        }
        Ok(news)
    }

    /// What a peer passes on of witnesses.
    pub(super) fn on_cosigned(&mut self, from: &MemberId, cosigned: &[Cosigned]) {
        for said in cosigned.iter().take(COSIGNED_MAX) {
            if self.witnessed.member(&said.log) == Some(&self.settings.me) {
                self.hear_own_head(&said.log, &said.note);
            }
            if self.halted {
                return;
            }
            match self.take_cosigned(said) {
                Ok(true) => self.outputs.push_back(Output::Keep(Record::Cosigned(said.clone()))),
                Ok(false) => {}
                Err(error) => self.on_section_error(from, error),
            }
        }
    }

    /// What we heard of witnesses, as a pull says it.
    pub(super) fn heard(&mut self) -> Vec<Heard> {
        let heard = self.witnessed.heard().iter();
        heard.map(|(witness, hash)| Heard { witness: *witness, hash: *hash }).collect()
    }

    /// What a peer that heard this has to hear: first what it said itself, which it may have lost.
    pub(super) fn unheard(&mut self, peer: &MemberId, heard: &[Heard]) -> Vec<Cosigned> {
        let theirs: BTreeMap<[u8; 32], [u8; 32]> =
            heard.iter().take(COSIGNED_MAX).map(|heard| (heard.witness, heard.hash)).collect();
        let ours = self.witnessed.heard().iter();
        let differ: Vec<[u8; 32]> = ours
            .filter(|(witness, hash)| theirs.get(*witness) != Some(*hash))
            .map(|(witness, _)| *witness)
            .collect();
        let members = differ.iter().filter_map(|witness| self.witnessed.member(witness));
        let (own, others): (Vec<_>, Vec<_>) = members.partition(|witness| *witness == peer);
        own.into_iter()
            .chain(others)
            .flat_map(|witness| self.witnessed.by_witness(witness))
            .take(COSIGNED_MAX)
            .collect()
    }

    /// Logs that wrote something since we last said what we hold of them, as far as their owners signed it.
    fn unsaid_heads(&self) -> impl Iterator<Item = Checkpoint> {
        let me = &self.settings.me;
        let news = self.fold.logs().filter(move |log| {
            let said = self.fold.said_heads().said(me, &log.origin);
            log.member != *me
                && log.ends().is_none()
                && log.told() > said
                && log.note().is_some_and(|(size, _)| size > said)
        });
        news.filter_map(|log| Some(own_copy(log)?.0))
    }

    /// When we last said what we hold of others' logs. What we dated later than now, as our clock was ahead, was long
    /// ago: else we would be silent until then.
    fn spoke(&self) -> Option<Time> {
        let spoke = self.fold.said_heads().spoke(&self.settings.me)?;
        Some(if spoke > self.now { Time(0) } else { spoke })
    }

    /// When we next say what we hold of others' logs: if there is nothing new, once a week, or idle members
    /// would write about each other for ever.
    pub(super) fn head_timeout(&self) -> Option<Time> {
        let spoke = self.spoke()?;
        let quiet = if self.has_unsaid() { HEAD_EVERY } else { HEAD_AT_LEAST };
        Some(spoke + quiet)
    }

    fn has_unsaid(&self) -> bool {
        match self.unsaid {
            (at, known) if at == self.fold.changes() => known,
            _ => self.unsaid_heads().next().is_some(),
        }
    }

    /// Looks once for as long as no log changes: it is asked after every input.
    pub(super) fn note_unsaid(&mut self) {
        self.unsaid = (self.fold.changes(), self.has_unsaid());
    }

    /// Says what we hold of others' logs, once an hour has passed since we last did; after a week also if
    /// nothing is new, for others to see that we are there.
    pub(super) fn say_heads(&mut self) {
        let spoke = self.spoke();
        if spoke.is_none_or(|spoke| self.now < spoke + HEAD_EVERY) {
            return;
        }
        let cited = self.cited_otherwise();
        let fits = |head: &Checkpoint| !cited.contains(head.origin.as_str());
        let mut heads: Vec<Checkpoint> = self.unsaid_heads().filter(fits).take(HEADS_MAX).collect();
        if heads.is_empty() && spoke.is_some_and(|spoke| self.now >= spoke + HEAD_AT_LEAST) {
            let others = self
                .fold
                .logs()
                .filter(|log| log.member != self.settings.me && log.size() > 0 && log.ends().is_none());
            let held = others.filter_map(|log| Some(own_copy(log)?.0));
            heads = held.filter(fits).take(HEADS_MAX).collect();
        }
        heads.sort_by(|a, b| a.origin.cmp(&b.origin));
        if !heads.is_empty() {
            self.append(Body::Head { heads });
        }
    }

    /// Logs of which we hold another history than an entry of ours cites: that can be once ours came back from
    /// others. Of those we say nothing, or an audit would take us for a liar.
    fn cited_otherwise(&self) -> BTreeSet<&str> {
        let rounds = self.fold.rounds().values().filter(|_| self.recovered);
        let own = rounds.flat_map(|round| round.everything()).filter(|(by, _)| **by == self.settings.me);
        let cited = own.flat_map(|(_, logged)| references(&logged.body));
        cited.filter(|at| !self.fold.resolves(at)).map(|at| &*at.log).collect()
    }

    /// A member signed two histories of its log: told, and the proof goes into our log unless some log
    /// has one already. From then on it joins no round of ours; both histories are kept, and people decide.
    pub(super) fn on_split(&mut self, split: SplitView) {
        if let Some(gate) = &mut self.gate {
            gate.hold(split);
        } else if self.fold.split_of(&split.log).is_none() {
            let log = split.log.clone();
            self.append(Body::Split { log, evidence: Box::new(split.evidence.clone()) });
            self.tell(Event::SplitView(split));
        }
    }
}

/// Takes what a witness said; whether it is news. The fold learns what a quorum vouches for.
pub(super) fn hear(
    fold: &mut Fold,
    witnessed: &mut Witnessed,
    said: &Cosigned,
) -> Result<bool, SectionError> {
    let news = witnessed.take(fold, said)?;
    let log = fold.log_by_head(&said.log).filter(|_| news);
    let vouched = log.map(|log| (log.origin.clone(), witnessed.size(log)));
    if let Some((origin, size)) = vouched {
        fold.vouch(&origin, size);
    }
    Ok(news)
}
