//! What witnesses said about every log's heads: the newest word of each, and of each log the largest head
//! that a quorum of them cosigned.
//!
//! Source: LOG section 5. We differ: nobody asks a witness for its word (`add-checkpoint`). A witness
//! copies the logs anyway, and cosigns by itself once a log is quiet; members that are never connected
//! to each other then still hear of it, for cosignatures are passed on as entries are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{Charter, NamedKey};
use datacoop_policy::{Digest, MemberId};

use crate::fold::{Fold, Log, SectionError};
use crate::log::cosignature::{Cosignature, quorum};
use crate::log::note::Checkpoint;
use crate::log::tree::sha256;
use crate::wire::{Bytes, Cosigned};

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// A witness's newest word about a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The head.
    pub checkpoint: Checkpoint,
    /// The head as the log's owner signed it.
    pub note: String,
    /// What the witness added.
    pub cosignature: Cosignature,
}

/// A witness's word as it is kept.
struct Word {
    said: Said,
    /// The key that it is by.
    by: NamedKey,
    /// As a line of the head's note: written once, for every later word about that head.
    line: String,
}

struct OfLog {
    member: MemberId,
    head: [u8; 32],
    /// Of any version of the charter, the newest version's first; of one whose keys were replaced each that it had.
    witnesses: Vec<(MemberId, NamedKey)>,
    /// The newest word of each.
    said: BTreeMap<MemberId, Word>,
    /// A set for each different list of witnesses, that of the newest version last.
    sets: Vec<WitnessSet>,
    /// Of our own log: the last such head of each day, by days since 1970.
    daily: BTreeMap<u64, (u64, String)>,
}

/// The witnesses that some versions of the charter name for a log.
struct WitnessSet {
    versions: BTreeSet<u32>,
    keys: BTreeMap<MemberId, NamedKey>,
    /// The largest head that a quorum of them cosigned, and its note with all lines.
    witnessed: Option<(Checkpoint, String)>,
}

/// What witnesses said, by log.
pub struct Witnessed {
    me: MemberId,
    /// Of each member every log that some version lists, in that order.
    logs: BTreeMap<MemberId, Vec<OfLog>>,
    member_by_head: BTreeMap<[u8; 32], MemberId>,
    /// What `heard` says, but of those who said something since it was last asked for.
    heard: BTreeMap<[u8; 32], [u8; 32]>,
    news: BTreeSet<MemberId>,
    /// How much was taken.
    taken: u64,
}

impl Witnessed {
    /// Nothing said yet, about the logs of these versions of a charter: what witnesses of an earlier one said
    /// still proves what stands under it. Of the log of `me` earlier heads are kept too.
    pub fn new(charters: &[Arc<Charter>], me: &MemberId) -> Self {
        let mut logs: BTreeMap<MemberId, Vec<OfLog>> = BTreeMap::new();
        for charter in charters.iter().rev() {
            for member in charter.members() {
                let head = sha256(&[member.keys.log.name.as_bytes()]).0;
                let listed = logs.entry(member.id.clone()).or_default();
                let at = listed.iter().position(|of| of.head == head).unwrap_or_else(|| {
                    listed.push(OfLog::new(member.id.clone(), head));
                    listed.len() - 1
                });
                let named = member.witnesses.iter().filter_map(|id| charter.member(id));
                listed[at].name(
                    charter.version(),
                    named.map(|named| (named.id.clone(), named.keys.witness.clone())),
                );
            }
        }
        // From the newest on they came.
        for listed in logs.values_mut() {
            listed.reverse();
            listed.iter_mut().for_each(|log| log.sets.reverse());
        }
        let heads = logs.values().flatten().map(|log| (log.head, log.member.clone()));
        let member_by_head = heads.collect();
        Self { me: me.clone(), logs, member_by_head, heard: BTreeMap::new(), news: BTreeSet::new(), taken: 0 }
    }

    fn of(&self, head: &[u8; 32]) -> Option<&OfLog> {
        self.logs.get(self.member_by_head.get(head)?)?.iter().find(|of| of.head == *head)
    }

    /// A witness's newest word about a log.
    pub fn said(&self, log: &Log, witness: &MemberId) -> Option<&Said> {
        self.of(&log.head())?.said.get(witness).map(|word| &word.said)
    }

    /// A member's name in frames about witnesses: that of its first log, whichever it writes now.
    pub fn name(&self, witness: &MemberId) -> Option<[u8; 32]> {
        Some(self.logs.get(witness)?.first()?.head)
    }

    /// How many witnesses that a version names for a log cosigned its newest witnessed head, how many must, and
    /// how many there are.
    pub fn counts(&self, log: &MemberId, version: u32) -> (usize, usize, usize) {
        let listed = self.logs.get(log).into_iter().flatten();
        let found = listed.filter_map(|of| Some((of, of.set(version)?))).next();
        let Some((of, set)) = found else { return (0, 0, 0) };
        let same = set.witnessed.as_ref().map_or(0, |(head, _)| of.valid(set, head));
        (same, quorum(set.keys.len()), set.keys.len())
    }

    /// The largest head of a log that a quorum cosigned, of the witnesses that any one version names, and that
    /// covers what we hold of it: entries, and the note with the witnesses' lines. `None` also where no witnesses
    /// are named.
    pub fn note(&self, log: &Log) -> Option<(u64, &str)> {
        let sets = self.of(&log.head())?.sets.iter();
        sets.filter_map(|set| set.note(log)).max_by_key(|(size, _)| *size)
    }

    /// As `note`, of the witnesses that this version names.
    pub fn note_under(&self, log: &Log, version: u32) -> Option<(u64, &str)> {
        self.of(&log.head())?.set(version)?.note(log)
    }

    /// Heads of a log of our own that a quorum cosigned: the last of each day.
    pub fn daily(&self, log: &Log) -> impl Iterator<Item = (u64, &str)> {
        let own = self.of(&log.head()).filter(|of| of.member == self.me);
        let daily = own.into_iter().flat_map(|of| of.daily.values());
        daily.map(|(size, note)| (*size, note.as_str()))
    }

    /// The newest head of a log, with the lines of all witnesses that cosigned it: perhaps none.
    pub fn newest(&self, log: &Log) -> Option<String> {
        let (checkpoint, note) = own_copy(log)?;
        let lines = self.of(&log.head()).map(|of| of.lines(&checkpoint)).unwrap_or_default();
        Some(note.to_owned() + &lines)
    }

    /// Heads of a log as an audit wants them: the newest, the largest that a quorum cosigned of each version's
    /// witnesses, and of our own log the last of each day.
    pub fn shown(&self, log: &Log) -> Vec<String> {
        let witnessed = self.witnessed(log).map(|(_, note)| note.to_owned());
        let daily = self.daily(log).map(|(_, note)| note.to_owned());
        self.newest(log).into_iter().chain(witnessed).chain(daily).collect()
    }

    /// The largest head of a log that a quorum cosigned of each version's witnesses, with its size.
    pub fn witnessed<'a>(&'a self, log: &'a Log) -> impl Iterator<Item = (u64, &'a str)> {
        let sets = self.of(&log.head()).into_iter().flat_map(|of| &of.sets);
        let notes: BTreeSet<(u64, &str)> = sets.filter_map(|set| set.note(log)).collect();
        notes.into_iter().rev()
    }

    /// What a peer passes on; whether it is news. Of a head beyond what we hold of the log nothing is kept:
    /// it is heard again once we do. Errors: the sender's, or the log's owner signed two histories.
    pub fn take(&mut self, fold: &Fold, cosigned: &Cosigned) -> Result<bool, SectionError> {
        let bad = |text: &str| SectionError::Bad(text.to_owned());
        let by_head = |head| self.member_by_head.get(head).cloned();
        // A version of the charter that is not here may name them.
        let (Some(member), Some(witness)) = (by_head(&cosigned.log), by_head(&cosigned.witness)) else {
            return Ok(false);
        };
        let of = self.logs.get_mut(&member).and_then(|all| all.iter_mut().find(|of| of.head == cosigned.log));
        let of = of.expect("INVARIANT: every head has its log");
        let Some(log) = fold.log_by_head(&cosigned.log) else { return Ok(false) };
        let mut keys = of.witnesses.iter().filter(|(id, _)| *id == witness).map(|(_, key)| key).peekable();
        if keys.peek().is_none() {
            return Ok(false);
        }
        let held = of.said.get(&witness).map(|word| (word.said.checkpoint.size, word.by.clone()));
        let newest = keys.peek().copied();
        match &held {
            Some((size, _)) if cosigned.size < *size => return Ok(false),
            Some((size, by)) if cosigned.size == *size && Some(by) == newest => return Ok(false),
            _ => {}
        }
        // What another witness cosigned was opened then.
        let same = |said: &&Said| said.checkpoint.size == cosigned.size && said.note == cosigned.note;
        let opened = of.said.values().map(|word| &word.said).find(same);
        let (checkpoint, is_first) = match opened {
            Some(said) => (said.checkpoint.clone(), false),
            None => (fold.open_head(log, &cosigned.note)?, true),
        };
        let signature: [u8; SIGNATURE_BYTES] =
            cosigned.signature.0.as_slice().try_into().map_err(|_| bad("a cosignature of another length"))?;
        let cosignature = Cosignature { time: cosigned.time, signature };
        let key = keys.find(|key| cosignature.holds_once(&checkpoint, &key.key, fold.checked())).cloned();
        let key = key.filter(|_| checkpoint.size == cosigned.size);
        let key = key.ok_or_else(|| bad("a cosignature that does not fit its head"))?;
        // Of one head the word by the newest key counts: a thief of one that was replaced would outpace it.
        let place = |key: &NamedKey| of.witnesses.iter().position(|(id, by)| *id == witness && by == key);
        if held.is_some_and(|(size, by)| size == cosigned.size && place(&by) <= place(&key)) {
            return Ok(false);
        }
        // Of what another cosigned it was seen then that it fits, and logs only grow.
        if is_first {
            fold.compare_head(log, &cosigned.note, &checkpoint)?;
            if log.size() < checkpoint.size {
                return Ok(false);
            }
        }
        let line = cosignature.line(&key);
        let said = Said { checkpoint: checkpoint.clone(), note: cosigned.note.clone(), cosignature };
        of.said.insert(witness.clone(), Word { said, by: key, line });
        of.count(&checkpoint, member == self.me);
        self.news.insert(witness);
        self.taken += 1;
        Ok(true)
    }

    /// Everything that a witness said, as it is passed on.
    pub fn by_witness(&self, witness: &MemberId) -> Vec<Cosigned> {
        self.logs.values().flatten().filter_map(|of| self.one(&of.head, witness)).collect()
    }

    /// What a witness said about a log, by its name in frames, as it is passed on.
    pub fn one(&self, log: &[u8; 32], witness: &MemberId) -> Option<Cosigned> {
        Some(cosigned(*log, self.name(witness)?, &self.of(log)?.said.get(witness)?.said))
    }

    /// For each witness what was heard of it, as one hash: who hears the same has nothing to tell.
    pub fn heard(&mut self) -> &BTreeMap<[u8; 32], [u8; 32]> {
        while let Some(witness) = self.news.pop_first() {
            self.hear(&witness);
        }
        &self.heard
    }

    /// How much was taken so far: while that stands, nobody said anything new.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// A witness said something new.
    fn hear(&mut self, witness: &MemberId) {
        let said = self.logs.values().flatten();
        let said = said.filter_map(|of| Some((of.head, of.said.get(witness)?)));
        let mut bytes = vec![];
        for (log, Word { said, by, .. }) in said {
            bytes.extend(log);
            bytes.extend(by.key);
            bytes.extend(said.checkpoint.size.to_be_bytes());
            bytes.extend(said.checkpoint.root.0);
        }
        if let Some(name) = self.name(witness) {
            self.heard.insert(name, sha256(&[&bytes]).0);
        }
    }

    /// Whom a name in frames means.
    pub fn member(&self, head: &[u8; 32]) -> Option<&MemberId> {
        self.member_by_head.get(head)
    }
}

impl WitnessSet {
    fn note(&self, log: &Log) -> Option<(u64, &str)> {
        let (head, note) = self.witnessed.as_ref()?;
        (log.tree().root_at(head.size) == Some(head.root)).then_some((head.size, note))
    }
}

impl OfLog {
    fn new(member: MemberId, head: [u8; 32]) -> Self {
        Self { member, head, witnesses: vec![], said: BTreeMap::new(), sets: vec![], daily: BTreeMap::new() }
    }

    /// A version names these witnesses.
    fn name(&mut self, version: u32, named: impl Iterator<Item = (MemberId, NamedKey)>) {
        let mut keys = BTreeMap::new();
        for (id, key) in named {
            keys.insert(id.clone(), key.clone());
            if !self.witnesses.contains(&(id.clone(), key.clone())) {
                self.witnesses.push((id, key));
            }
        }
        match self.sets.iter_mut().find(|set| set.keys == keys) {
            Some(set) => drop(set.versions.insert(version)),
            None => {
                let versions = BTreeSet::from([version]);
                self.sets.push(WitnessSet { versions, keys, witnessed: None });
            }
        }
    }

    /// How many of a version's witnesses have this head as their newest word, by the key that it lists for them.
    fn valid(&self, set: &WitnessSet, checkpoint: &Checkpoint) -> usize {
        let said = |(id, key): &(&MemberId, &NamedKey)| {
            self.said.get(*id).is_some_and(|word| word.said.checkpoint == *checkpoint && word.by == **key)
        };
        set.keys.iter().filter(said).count()
    }

    fn set(&self, version: u32) -> Option<&WitnessSet> {
        self.sets.iter().find(|set| set.versions.contains(&version))
    }

    /// The lines of the witnesses whose newest word is about this head, in the charter's order.
    fn lines(&self, checkpoint: &Checkpoint) -> String {
        let lines = self.witnesses.iter().filter_map(|(id, key)| {
            let word =
                self.said.get(id).filter(|word| word.said.checkpoint == *checkpoint && word.by == *key);
            Some(word?.line.as_str())
        });
        lines.collect()
    }

    /// Somebody cosigned this head: are there enough for it now, of those that any version names?
    fn count(&mut self, checkpoint: &Checkpoint, keep: bool) {
        let counts = |set: &WitnessSet| {
            let newest = set.witnessed.as_ref().is_none_or(|(head, _)| head.size <= checkpoint.size);
            let valid = if newest { self.valid(set, checkpoint) } else { 0 };
            valid > 0 && valid >= quorum(set.keys.len())
        };
        let counts: Vec<bool> = self.sets.iter().map(counts).collect();
        if !counts.contains(&true) {
            return;
        }
        let lines = self.lines(checkpoint);
        let same = self.said.values().map(|word| &word.said).find(|said| said.checkpoint == *checkpoint);
        let Some(said) = same.cloned() else { return };
        let note = said.note.clone() + &lines;
        for (set, _) in self.sets.iter_mut().zip(counts).filter(|(_, counts)| *counts) {
            let day = said.cosignature.time / DAY_SECONDS;
            if keep && self.daily.get(&day).is_none_or(|(size, _)| *size <= checkpoint.size) {
                self.daily.insert(day, (checkpoint.size, note.clone()));
            }
            set.witnessed = Some((checkpoint.clone(), note.clone()));
        }
    }
}

/// The word of a witness about a head of a log, both by their names in frames, as it is passed on.
pub fn cosigned(log: [u8; 32], witness: [u8; 32], said: &Said) -> Cosigned {
    Cosigned {
        log,
        witness,
        size: said.checkpoint.size,
        note: said.note.clone(),
        time: said.cosignature.time,
        signature: Bytes(said.cosignature.signature.to_vec()),
    }
}

/// The head that we would cosign: what we hold and hashed ourselves, as far as its owner signed it.
pub fn own_copy(log: &Log) -> Option<(Checkpoint, &str)> {
    let (size, note) = log.note()?;
    let root: Digest = log.tree().root_at(size)?;
    Some((Checkpoint { origin: log.origin.clone(), size, root }, note))
}
