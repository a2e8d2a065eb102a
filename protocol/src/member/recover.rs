//! A start: what the disk must hold, and, before anything is written, what others hold of our own log. A
//! folder from a backup, or a machine's snapshot, looks like any other; whoever writes on from it signs a
//! second history.
//!
//! Source: LOG section 4. We differ: every member copies every log, and members reach each other through
//! meeting points; so whoever is connected is asked, witness or not. As many must answer as there must be of
//! witnesses lest all had missed what a quorum cosigned; but where there are fewer meeting points, all of
//! them but one, or one that is away would keep every other from starting.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datacoop_policy::MemberId;
use datacoop_policy::charter::Charter;

use super::port::Output;
use super::{Member, RestoreError};
use crate::fold::{Fold, SectionError, SplitView};
use crate::log::cosignature::quorum;
use crate::log::note::open_checkpoint;
use crate::standing;
use crate::wire::{Bytes, Record, Section};
use crate::witness::Witnessed;

/// Entries that begin a log: genesis and charter.
const BEGIN_ENTRIES: u64 = 2;

/// Until enough others said how far our log is.
pub(super) struct Gate {
    answered: BTreeSet<MemberId>,
    needed: usize,
    /// Entries under the largest head of ours that anybody showed.
    own_head: u64,
    /// Whether somebody knew more of our log than our disk did.
    recovered: bool,
    /// Proofs against others that wait for our log.
    splits: Vec<SplitView>,
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
        let points = charter.members().iter().filter(|other| other.id != *me && other.is_meeting_point());
        let most = points.count().saturating_sub(1).max(1);
        let needed = (witnesses + 1 - quorum(witnesses)).clamp(1, most);
        Self { answered: BTreeSet::new(), needed, own_head: 0, recovered: false, splits: vec![] }
    }

    /// Keeps a proof until our log may hold it; one against each member.
    pub(super) fn hold(&mut self, split: SplitView) {
        if self.splits.iter().all(|held| held.member != split.member) {
            self.splits.push(split);
        }
    }
}

impl Member {
    /// What a start still waits for; `None` once our log may grow.
    pub fn starting(&self) -> Option<String> {
        self.gate.as_ref().map(Gate::to_string)
    }

    /// A peer told all that it knows. When enough have, and we hold our log as far as anybody showed a head
    /// of it, it goes on from there.
    pub(super) fn on_told_all(&mut self, from: &MemberId) {
        let own = self.own_size();
        let Some(gate) = &mut self.gate else { return };
        gate.answered.insert(from.clone());
        if gate.answered.len() < gate.needed || own < gate.own_head {
            return;
        }
        let Some(Gate { recovered, splits, .. }) = self.gate.take() else { return };
        if recovered {
            // Not entry by entry as they came: what they are about came in any order.
            self.standing = standing::replay(&self.fold, &self.settings.me).0;
        }
        self.begin();
        if recovered {
            self.leave_rounds();
        }
        splits.into_iter().for_each(|split| self.on_split(split));
        self.stirred.extend(self.open.iter().copied());
    }

    /// A head of our own log that somebody showed: one that we signed and that goes beyond what we hold
    /// makes us an old copy. While nothing was written yet that can be mended.
    pub(super) fn hear_own_head(&mut self, note: &str) {
        let (own, me) = (self.own_size(), &self.settings.me);
        let Ok(head) = self.fold.open_head(me, note) else { return };
        let other = self.fold.log(me).and_then(|log| log.tree().root_at(head.size));
        let other = other.is_some_and(|root| root != head.root);
        match &mut self.gate {
            Some(gate) if !other => gate.own_head = gate.own_head.max(head.size),
            _ if other || head.size > own => self.halt(),
            _ => {}
        }
    }

    /// Takes what a peer holds of our own log beyond what we do: byte for byte, signed by us once. What does
    /// not continue ours proves nothing but against who sent it, unless we signed it: then we stop.
    pub(super) fn take_own(&mut self, from: &MemberId, section: &Section) {
        let me = self.settings.me.clone();
        let taken = match self.fold.take(section) {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(SectionError::SplitView(_)) => return self.halt(),
            Err(error) => return self.on_section_error(from, error),
        };
        for bytes in taken.entries {
            self.outputs.push_back(Output::Store(Record::Entry(bytes)));
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
    }

    /// What our disk did not know of rounds under way is lost: what was contributed stays spent, and
    /// nothing more is said in them, for it may have been said already.
    fn leave_rounds(&mut self) {
        let under_way = self.fold.rounds().values().filter(|round| round.ending().is_none());
        let ours = under_way.filter(|round| round.everything().any(|(by, _)| by == &self.settings.me));
        for id in ours.map(|round| round.id).collect::<Vec<_>>() {
            self.drop_secret(id);
            self.open.remove(&id);
            self.done.insert(id, None);
        }
    }
}

pub(crate) fn replay(
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
    asks_first: bool,
) -> Result<u64, RestoreError> {
    let log = fold.log(me).ok_or_else(|| RestoreError("the charter does not hold this node's log".into()))?;
    let Some((size, note)) = last else {
        // Only a log's first two entries are written before its first head is; or a start was cut off that took
        // our entries back, and the next takes the rest.
        let begun = log.size() <= BEGIN_ENTRIES || asks_first;
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
