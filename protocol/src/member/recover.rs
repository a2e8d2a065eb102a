//! A start: what the disk must hold, and, before anything is written, what others hold of our own log. A
//! folder from a backup, or a machine's snapshot, looks like any other; whoever writes on from it signs a
//! second history.
//!
//! Source: LOG section 4. We differ: every member copies every log, and members reach each other through
//! meeting points; so whoever is connected is asked, witness or not. As many must answer as there must be of
//! witnesses lest all had missed what a quorum cosigned; but where there are fewer meeting points, all of
//! them but one, or one that is away would keep every other from starting.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId};

use super::port::Output;
use super::{Member, RestoreError};
use crate::fold::{Fold, SectionError, SplitView};
use crate::log::cosignature::quorum;
use crate::log::note::open_checkpoint;
use crate::standing;
use crate::wire::{Bytes, Record, Section};
use crate::witness::Witnessed;

/// Entries that begin a log: genesis and charter.
pub(super) const BEGIN_ENTRIES: u64 = 2;

/// Until enough others said how far our log is.
pub(super) struct Gate {
    /// Who told all that it knows.
    told: BTreeSet<MemberId>,
    /// How much of our log each peer said first that it holds: later it may be what we gave it ourselves.
    shown: BTreeMap<MemberId, u64>,
    /// Whose word counts, if it holds any of what we signed: our witnesses and the meeting points; with no witnesses
    /// everybody.
    asked: Option<BTreeSet<MemberId>>,
    /// The meeting points, us aside.
    points: BTreeSet<MemberId>,
    /// Words that count, and words of whomever where nobody holds any of our log.
    needed: usize,
    quorum: usize,
    /// Whether we signed anything.
    has_signed: bool,
    /// Entries under the largest head of each log of ours that anybody showed, by the log's name in frames.
    own_heads: BTreeMap<[u8; 32], u64>,
    /// Whether somebody knew more of our log than our disk did, or the disk is known to have lost some.
    recovered: bool,
    /// The newest head that we signed, when the journal does not reach it any more.
    missing: Option<([u8; 32], u64, Digest)>,
    /// Proofs against others that wait for our log.
    splits: Vec<SplitView>,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this node has just started: {} of {} others have said how far its log is; try again in a moment",
            self.counted(),
            self.needed
        )
    }
}

impl Gate {
    /// Of n witnesses, k of them a quorum, n - k + 1 cannot all have missed what a quorum cosigned. A node
    /// that lost its journal, or what it signed last, asks all k, and no meeting point may be away: some may be
    /// stale too. Of the last two versions of the charter that name us the one counts that asks for less: meeting
    /// points may have left, or not come yet; and whom either names is asked.
    pub(super) fn new(
        charters: &[Arc<Charter>],
        me: &MemberId,
        restored: bool,
        unsigned: bool,
        signed: Signed,
    ) -> Self {
        let of_version = |charter: &Arc<Charter>| {
            let named = charter.member(me)?.witnesses.clone();
            let witnesses = named.len();
            let points = charter.members().iter().filter(|other| other.id != *me && other.is_meeting_point());
            let points: BTreeSet<MemberId> = points.map(|point| point.id.clone()).collect();
            let needed = match restored || unsigned {
                true => quorum(witnesses).clamp(1, points.len().max(1)),
                false => (witnesses + 1 - quorum(witnesses)).clamp(1, points.len().saturating_sub(1).max(1)),
            };
            Some((needed, points, named))
        };
        let last: Vec<_> = charters.iter().rev().filter_map(of_version).take(2).collect();
        let asked = last.iter().flat_map(|(_, points, named)| points.iter().chain(named)).cloned().collect();
        let watched = last.iter().all(|(_, _, named)| !named.is_empty());
        let least = last.into_iter().min_by_key(|(needed, ..)| *needed);
        let (needed, points, named) = least.unwrap_or((1, BTreeSet::new(), vec![]));
        Self {
            told: BTreeSet::new(),
            shown: BTreeMap::new(),
            asked: watched.then_some(asked),
            needed,
            // Where there are others, whoever is none of them is connected to no more than they are.
            quorum: if points.is_empty() { quorum(named.len()).max(needed) } else { needed },
            points,
            has_signed: signed.size > 0,
            own_heads: signed.missing.map(|_| (signed.log, signed.size)).into_iter().collect(),
            recovered: restored,
            missing: signed.missing.map(|root| (signed.log, signed.size, root)),
            splits: vec![],
        }
    }

    /// How many told all whose word counts: not that of somebody who holds nothing of a log that there is.
    fn counted(&self) -> usize {
        let holds = |id: &MemberId| !self.has_signed || self.shown.get(id).is_some_and(|size| *size > 0);
        let asked = |id: &MemberId| self.asked.as_ref().is_none_or(|asked| asked.contains(id));
        self.told.iter().filter(|id| holds(id) && asked(id)).count()
    }

    /// Whether enough told all. What reached nobody before we stopped nobody can show: then all other meeting points
    /// are heard, or, where we are the only one, as many members as a quorum has.
    fn has_heard(&self) -> bool {
        let all = self.points.is_subset(&self.told) && self.told.len() >= self.quorum;
        self.counted() >= self.needed || all
    }

    /// Keeps a proof until our log may hold it; one against each member.
    pub(super) fn hold(&mut self, split: SplitView) {
        if self.splits.iter().all(|held| held.log != split.log) {
            self.splits.push(split);
        }
    }
}

impl Member {
    /// That we left, and with which version of the charter; `None` while we belong, or have time to.
    pub fn left(&self) -> Option<String> {
        let left = self.fold.left_with(&self.settings.me, self.now)?;
        Some(format!(
            "this member left the co-operative with version {} of the charter: nobody answers it any more, and it \
             asks and answers nothing; its log can still be exported with `datacoop log export`",
            left.version()
        ))
    }

    /// What a start still waits for; `None` once our log may grow.
    pub fn starting(&self) -> Option<String> {
        if let Some(left) = self.left() {
            return Some(left);
        }
        let gate = self.gate.as_ref()?;
        let Some((held, signed)) = self.lacks(gate).filter(|_| gate.has_heard()) else {
            return Some(gate.to_string());
        };
        Some(format!(
            "this node signed {signed} entries and holds {held}; nobody who answered holds the others: start the \
             member that does, or bring a newer copy of this folder back"
        ))
    }

    /// How much is held of a log of ours of which a longer head was shown, and how much that covers. Of one that we go
    /// on from nothing more is taken.
    fn lacks(&self, gate: &Gate) -> Option<(u64, u64)> {
        let own = self.fold.logs_of(&self.settings.me);
        let current = own.iter().rposition(|log| log.size() > 0).unwrap_or(0);
        let mut shown =
            own[current..].iter().filter_map(|log| Some((log.size(), *gate.own_heads.get(&log.head())?)));
        shown.find(|(held, shown)| held < shown)
    }

    /// A peer told all that it knows. When enough have, and we hold our log as far as anybody showed a head
    /// of it, it goes on from there.
    pub(super) fn on_told_all(&mut self, from: &MemberId) {
        if let Some(gate) = &mut self.gate {
            gate.told.insert(from.clone());
        }
        self.try_gate();
    }

    /// A peer said how much of our log it holds.
    pub(super) fn on_shown_own(&mut self, from: &MemberId, size: u64) {
        if let Some(gate) = &mut self.gate {
            gate.shown.entry(from.clone()).or_insert(size);
        }
        self.try_gate();
    }

    fn try_gate(&mut self) {
        let Some(gate) = &self.gate else { return };
        if !gate.has_heard() || self.lacks(gate).is_some() {
            return;
        }
        let other = gate.missing.is_some_and(|(log, size, root)| {
            self.fold.log_by_head(&log).and_then(|log| log.tree().root_at(size)) != Some(root)
        });
        if other {
            return self.halt();
        }
        let Some(Gate { recovered, splits, .. }) = self.gate.take() else { return };
        if recovered {
            // Not entry by entry as they came: what they are about came in any order.
            self.standing = standing::replay(&self.fold, &self.settings.me).0;
        }
        if recovered {
            self.recovered = true;
            self.find_left();
        }
        self.begin();
        splits.into_iter().for_each(|split| self.on_split(split));
        self.stirred.extend(self.open.iter().copied());
    }

    /// A head of our own log that somebody showed: one that we signed and that goes beyond what we hold
    /// makes us an old copy. While nothing was written yet that can be mended. Of a log that we go on from, or are
    /// about to, as our keys were replaced, another history makes us nothing: whoever has its key may sign what it
    /// likes.
    pub(super) fn hear_own_head(&mut self, log: &[u8; 32], note: &str) {
        let Some(log) = self.fold.log_by_head(log) else { return };
        let Ok(head) = self.fold.open_head(log, note) else { return };
        let is_last = self.fold.log(&self.settings.me).is_some_and(|own| own.order(0) <= log.order(0));
        if !is_last {
            return;
        }
        let other = log.tree().root_at(head.size).is_some_and(|root| root != head.root);
        let (own, name, is_ours) = (log.size(), log.head(), log.origin == self.keys.public().log.name);
        match &mut self.gate {
            Some(_) if other && !is_ours => {}
            Some(gate) if !other => {
                let most = gate.own_heads.entry(name).or_default();
                *most = head.size.max(*most);
            }
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
            Err(SectionError::SplitView(split)) if split.log != self.keys.public().log.name => {
                return self.on_split(*split);
            }
            Err(SectionError::SplitView(_)) => return self.halt(),
            Err(error) => return self.on_section_error(from, error),
        };
        if let Some(gate) = self.gate.as_mut().filter(|gate| !gate.recovered) {
            gate.recovered = true;
            // Before the entries: a start amid them must know that it is not the end of them, and that what
            // they were said with is lost.
            self.outputs.push_back(Output::Store(Record::Restored));
        }
        for bytes in taken.entries {
            self.outputs.push_back(Output::Store(Record::Entry(bytes)));
        }
        // The next log of ours may have begun with it.
        self.note_signed_log();
        let log = self.fold.log(&me).expect("INVARIANT: we have a log in our own charter");
        // A page of a longer log has no head of its own size: the last page does.
        if let Some((size, note)) =
            log.note().filter(|(size, _)| *size == log.size() && *size > self.signed.1)
        {
            let note = note.to_owned();
            self.signed.1 = size;
            self.outputs.push_back(Output::Sign { size, note });
        }
    }

    /// Whether our own log is still being taken back from others.
    pub fn is_restoring(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.recovered)
    }

    /// What our disk did not know of rounds under way is lost: what was contributed stays spent, and
    /// nothing more is said in them, for it may have been said already. The journal says so to later starts.
    fn find_left(&mut self) {
        let under_way = self.fold.rounds().values().filter(|round| !self.is_over(round));
        let ours = under_way.filter(|round| round.everything().any(|(by, _)| by == &self.settings.me));
        let left: Vec<QueryId> = ours.map(|round| round.id).collect();
        self.outputs.push_back(Output::Store(Record::Left(left.iter().map(|id| id.0).collect())));
        self.left.extend(left);
    }

    /// Ends our part in the rounds that are left alone and not over; but that we end those that nobody else may.
    pub(super) fn leave_rounds(&mut self) {
        for id in self.left.clone() {
            if let Some(round) = self.fold.round(&id).cloned().filter(|round| !self.is_over(round)) {
                self.drop_secret(id);
                if !self.ends_alone(&round) {
                    self.open.remove(&id);
                    self.done.insert(id, round.ending().map(std::mem::discriminant));
                }
            }
        }
    }
}

/// What a journal says of an earlier loss of its own.
#[derive(Default)]
pub(crate) struct Lost {
    /// Entries of ours are being taken back.
    pub(crate) restored: bool,
    /// Entries of ours were taken back.
    pub(crate) recovered: bool,
    /// Rounds in which nothing more is said.
    pub(crate) left: BTreeSet<QueryId>,
    /// Our person's word about Queries.
    pub(crate) decided: BTreeMap<QueryId, bool>,
}

/// The newest head that we signed.
#[derive(Clone, Copy)]
pub(crate) struct Signed {
    /// The log that we write, by its name in frames.
    pub(crate) log: [u8; 32],
    /// Entries under it.
    pub(crate) size: u64,
    /// Its root, when the journal does not reach it and the entries are to come from others.
    pub(crate) missing: Option<Digest>,
}

pub(crate) fn replay(
    fold: &mut Fold,
    witnessed: &mut Witnessed,
    me: &MemberId,
    lost: &mut Lost,
    record: Record,
) -> Result<(), RestoreError> {
    match record {
        Record::Restored => {
            lost.restored = true;
            Ok(())
        }
        Record::Left(rounds) => {
            (lost.restored, lost.recovered) = (false, true);
            lost.left.extend(rounds.into_iter().map(Digest));
            Ok(())
        }
        Record::Decided { query, yes } => {
            lost.decided.insert(Digest(query), yes);
            Ok(())
        }
        // Of no version's witnesses nothing is kept, and other members' words peers have too.
        Record::Cosigned(said) => {
            let _news = super::witness::hear(fold, witnessed, &said);
            Ok(())
        }
        Record::Entry(Bytes(bytes)) => {
            fold.append(me, Arc::from(bytes));
            Ok(())
        }
        Record::Copied(section) => {
            let taken = fold.take_again(&section);
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
    restored: bool,
) -> Result<Signed, RestoreError> {
    let own = fold.log(me).ok_or_else(|| RestoreError("the charter does not hold this node's log".into()))?;
    let none = Signed { log: own.head(), size: 0, missing: None };
    let Some((size, note)) = last else {
        // Only a log's first two entries are written before its first head is; or a start was cut off that took
        // our entries back, and the next takes the rest.
        let is_first = fold.logs_of(me).first().is_some_and(|first| first.origin == own.origin);
        let begun = own.size() <= BEGIN_ENTRIES && is_first || asks_first;
        let text = "the folder `signed` is gone, and it guards the journal: run `datacoop restore`";
        return if begun { Ok(none) } else { Err(RestoreError(text.into())) };
    };
    // Of the log that we write, or of the one that it goes on from and no head of it was signed yet.
    let origin = note.lines().next().unwrap_or_default();
    let log = fold.log_named(origin).filter(|log| log.member == *me).unwrap_or(own);
    let checkpoint = open_checkpoint(note, &log.origin, &log.key())
        .map_err(|error| RestoreError(format!("the last signed head is not ours: {error}")))?;
    let signed = Signed { log: log.head(), size: *size, missing: None };
    if restored && log.size() < *size && checkpoint.size == *size {
        return Ok(Signed { missing: Some(checkpoint.root), ..signed });
    }
    if log.tree().root_at(*size) != Some(checkpoint.root) || checkpoint.size != *size {
        return Err(RestoreError(format!(
            "the journal holds {} entries and not the {size} that were signed: it is an old copy; bring the newer \
             one back, or run `datacoop restore`",
            log.size()
        )));
    }
    Ok(if log.origin == own.origin { signed } else { none })
}

/// Whether a start from these records would be refused: it holds all that was signed, and can be read.
///
/// Returns our entries. Errors: as a start's.
pub fn check_start(
    charters: &[Arc<Charter>],
    vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    me: &MemberId,
    records: Vec<Record>,
    last: Option<&(u64, String)>,
) -> Result<u64, RestoreError> {
    let mut fold = Fold::with_chain(charters.to_vec(), vocabularies);
    let (mut witnessed, mut lost) = (Witnessed::new(charters, me), Lost::default());
    for record in records {
        replay(&mut fold, &mut witnessed, me, &mut lost, record)?;
    }
    check_last_signed(&fold, me, last, false, lost.restored)?;
    check_readable(&fold, me)?;
    Ok(fold.log(me).map_or(0, crate::fold::Log::size))
}

/// What our log says we put in force must be here, or we would go by an older version than the others.
pub(super) fn check_versions(fold: &Fold, me: &MemberId) -> Result<(), RestoreError> {
    let mut adopted = fold.adopted(me).map(|(_, adopted)| adopted);
    let known = |hash| fold.charter_named(hash).is_some() || fold.condemns(hash) || fold.is_rival(hash);
    match adopted.find(|adopted| !known(&adopted.hash)) {
        None => Ok(()),
        Some(adopted) => Err(RestoreError(format!(
            "this node's log goes by version {} of the charter, and its folder `charter` holds only {}: bring {}.note back",
            adopted.version,
            fold.charter().version(),
            adopted.version
        ))),
    }
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
