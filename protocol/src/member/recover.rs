//! A start: what the disk must hold, and, before anything is written, what others hold of our own log. A
//! folder from a backup, or a machine's snapshot, looks like any other; whoever writes on from it signs a
//! second history.
//!
//! Source: LOG section 4. We differ: every member copies every log, and members reach each other through
//! meeting points; so we ask whom we are connected to, witness or not, as many as there must be of witnesses,
//! or all meeting points where those are fewer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datacoop_policy::MemberId;
use datacoop_policy::charter::Charter;

use super::port::Output;
use super::{Member, RestoreError};
use crate::entry::Entry;
use crate::fold::{Fold, SectionError};
use crate::log::cosignature::quorum;
use crate::log::note::open_checkpoint;
use crate::rounds::Logged;
use crate::wire::{Bytes, Record, Section};
use crate::witness::Witnessed;

/// Entries that begin a log: genesis and charter.
const BEGIN_ENTRIES: u64 = 2;

/// Until enough others said how far our log is.
pub(super) struct Gate {
    answered: BTreeSet<MemberId>,
    needed: usize,
    /// Whether somebody knew more of our log than our disk did.
    recovered: bool,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this node has just started: {} of {} others have said how far its log is; try again in a moment",
            self.answered.len(),
            self.needed
        )
    }
}

impl Gate {
    /// Of n witnesses, k of them a quorum, n - k + 1 cannot all have missed what a quorum cosigned.
    pub(super) fn new(charter: &Charter, me: &MemberId) -> Self {
        let witnesses = charter.member(me).map_or(0, |member| member.witnesses.len());
        let others = charter.members().iter().filter(|member| member.id != *me);
        let is_point = charter.member(me).is_some_and(|member| member.is_meeting_point());
        let reached = others.filter(|other| is_point || other.is_meeting_point()).count();
        let needed = (witnesses + 1 - quorum(witnesses)).clamp(1, reached.max(1));
        Self { answered: BTreeSet::new(), needed, recovered: false }
    }
}

impl Member {
    /// A peer told all that it knows. When enough have, our log goes on from where it is.
    pub(super) fn on_told_all(&mut self, from: &MemberId) {
        let Some(gate) = &mut self.gate else { return };
        gate.answered.insert(from.clone());
        if gate.answered.len() < gate.needed {
            return;
        }
        let recovered = gate.recovered;
        self.gate = None;
        self.begin();
        if recovered {
            self.leave_rounds();
        }
        self.stirred.extend(self.open.iter().copied());
    }

    /// Takes what a peer holds of our own log beyond what we do: byte for byte, signed by us once.
    /// Errors: it does not continue what we hold.
    pub(super) fn take_own(&mut self, section: &Section) -> Result<(), SectionError> {
        let me = self.settings.me.clone();
        let Some(taken) = self.fold.take(section)? else { return Ok(()) };
        for (n, Bytes(bytes)) in taken.entries.iter().enumerate() {
            let (seq, entry) = (taken.from + n as u64, Entry::parse(bytes));
            self.outputs.push_back(Output::Store(Record::Entry(Bytes(bytes.clone()))));
            let at = self.fold.log(&me).and_then(|log| log.reference(seq));
            let Some((at, entry)) = at.zip(entry.ok()) else { continue };
            let logged = Logged { at, time: entry.at, body: entry.body };
            self.standing
                .apply(&self.fold, &logged)
                .expect("INVARIANT: we wrote no entry that breaks our own bookkeeping");
        }
        let log = self.fold.log(&me).expect("INVARIANT: we have a log in our own charter");
        // A page of a longer log has no head of its own size: the last page does.
        if let Some((size, note)) = log.note().filter(|(size, _)| *size == log.size() && *size > self.signed)
        {
            let note = note.to_owned();
            self.signed = size;
            self.outputs.push_back(Output::Sign { size, note });
        }
        if let Some(gate) = &mut self.gate {
            gate.recovered = true;
        }
        Ok(())
    }

    /// What our disk does not know of rounds under way is lost: what was contributed stays spent, and
    /// nothing more is said in them, for it may have been said already.
    fn leave_rounds(&mut self) {
        let under_way: Vec<_> =
            self.fold.rounds().values().filter(|round| round.ending().is_none()).collect();
        let ours =
            under_way.into_iter().filter(|round| round.everything().any(|(by, _)| by == &self.settings.me));
        for id in ours.map(|round| round.id).collect::<Vec<_>>() {
            self.drop_secret(id);
            self.open.remove(&id);
            self.done.insert(id, None);
        }
    }
}

pub(super) fn replay(
    fold: &mut Fold,
    witnessed: &mut Witnessed,
    me: &MemberId,
    record: Record,
) -> Result<(), RestoreError> {
    match record {
        // Of another charter's witnesses nothing is kept, and other members' words peers have too.
        Record::Cosigned(said) => {
            let _news = witnessed.take(fold, &said);
            Ok(())
        }
        Record::Entry(Bytes(bytes)) => {
            fold.append(me, Arc::from(bytes));
            Ok(())
        }
        Record::Copied(section) => {
            let taken = fold.take(&section);
            taken.map(|_| ()).map_err(|error| {
                RestoreError(format!("the journal holds a copied log that is not proved: {error:?}"))
            })
        }
    }
}

/// Our journal must hold what we signed: shorter or other means an old backup, and signing on would
/// be equivocation.
pub(super) fn check_last_signed(
    fold: &Fold,
    me: &MemberId,
    last: Option<&(u64, String)>,
) -> Result<u64, RestoreError> {
    let log = fold.log(me).ok_or_else(|| RestoreError("the charter does not hold this node's log".into()))?;
    let Some((size, note)) = last else {
        // Only a log's first two entries are written before its first head is.
        let begun = log.size() <= BEGIN_ENTRIES;
        let text = "the folder `signed` is gone, and it guards the journal: restore it from a backup";
        return if begun { Ok(0) } else { Err(RestoreError(text.into())) };
    };
    let checkpoint = open_checkpoint(note, &log.origin, &log.key())
        .map_err(|error| RestoreError(format!("the last signed head is not ours: {error}")))?;
    if log.tree().root_at(*size) != Some(checkpoint.root) || checkpoint.size != *size {
        return Err(RestoreError(format!(
            "the journal holds {} entries and not the {size} that were signed: it is an old copy; restore the newer one",
            log.size()
        )));
    }
    Ok(*size)
}

/// Our own log must be ours to the last entry, or nobody would read what we write after it.
pub(super) fn check_readable(fold: &Fold, me: &MemberId) -> Result<(), RestoreError> {
    let bad = fold.log(me).and_then(|log| log.stopped().or(log.malformed()));
    bad.map_or(Ok(()), |index| {
        Err(RestoreError(format!(
            "entry {index} of this node's log cannot be read by this program; update it"
        )))
    })
}
