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
    /// The head. All words about it share it.
    pub checkpoint: Arc<Checkpoint>,
    /// The head as the log's owner signed it, shared too.
    pub note: Arc<str>,
    /// What the witness added.
    pub cosignature: Cosignature,
}

/// A witness's word as it is kept.
struct Word {
    said: Said,
    /// The key that it is by: its place among the log's witnesses.
    by: usize,
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
    /// Their places among the log's witnesses.
    keys: BTreeSet<usize>,
    /// The largest head that a quorum of them cosigned.
    witnessed: Option<Quorate>,
}

/// A head that a quorum cosigned, with the words of all who did, by the places of their keys.
#[derive(Clone)]
struct Quorate {
    checkpoint: Arc<Checkpoint>,
    note: Arc<str>,
    cosignatures: Vec<(usize, Cosignature)>,
}

/// What witnesses said, by log.
pub struct Witnessed {
    me: MemberId,
    /// Of each member every log that some version lists, in that order.
    logs: BTreeMap<MemberId, Vec<OfLog>>,
    member_by_head: BTreeMap<[u8; 32], MemberId>,
    /// The logs of which each member is named as a witness by some version: of whom, and which.
    witnessed_by: BTreeMap<MemberId, Vec<(MemberId, usize)>>,
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
        let mut witnessed_by: BTreeMap<MemberId, Vec<(MemberId, usize)>> = BTreeMap::new();
        for (member, listed) in &logs {
            for (at, of) in listed.iter().enumerate() {
                let named: BTreeSet<&MemberId> = of.witnesses.iter().map(|(id, _)| id).collect();
                for id in named {
                    witnessed_by.entry(id.clone()).or_default().push((member.clone(), at));
                }
            }
        }
        let (me, heard, news) = (me.clone(), BTreeMap::new(), BTreeSet::new());
        Self { me, logs, member_by_head, witnessed_by, heard, news, taken: 0 }
    }

    /// What a witness said, with the logs that it is about, in their order.
    fn words<'a>(&'a self, witness: &'a MemberId) -> impl Iterator<Item = (&'a OfLog, &'a Word)> {
        let places = self.witnessed_by.get(witness).into_iter().flatten();
        let logs = places.filter_map(|(member, at)| self.logs.get(member)?.get(*at));
        logs.filter_map(|of| Some((of, of.said.get(witness)?)))
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
        let same = set.witnessed.as_ref().map_or(0, |found| of.valid(set, &found.checkpoint));
        (same, quorum(set.keys.len()), set.keys.len())
    }

    /// The largest head of a log that a quorum cosigned, of the witnesses that any one version names, and that
    /// covers what we hold of it: entries, and the note with the witnesses' lines. `None` also where no witnesses
    /// are named.
    pub fn note(&self, log: &Log) -> Option<(u64, String)> {
        let of = self.of(&log.head())?;
        let found =
            of.sets.iter().filter_map(|set| set.covered(log)).max_by_key(|found| found.checkpoint.size);
        found.map(|found| of.note(found))
    }

    /// How many entries of a log `note` covers: 0 where there is none.
    pub fn size(&self, log: &Log) -> u64 {
        let sets = self.of(&log.head()).into_iter().flat_map(|of| &of.sets);
        sets.filter_map(|set| Some(set.covered(log)?.checkpoint.size)).max().unwrap_or(0)
    }

    /// As `note`, of the witnesses that this version names.
    pub fn note_under(&self, log: &Log, version: u32) -> Option<(u64, String)> {
        let of = self.of(&log.head())?;
        of.set(version)?.covered(log).map(|found| of.note(found))
    }

    /// How many entries of a log `note_under` covers: 0 where there is none.
    pub fn size_under(&self, log: &Log, version: u32) -> u64 {
        let set = self.of(&log.head()).and_then(|of| of.set(version));
        set.and_then(|set| set.covered(log)).map_or(0, |found| found.checkpoint.size)
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
        let lines = self.of(&log.head()).map(|of| of.lines(&of.cosignatures(&checkpoint)));
        Some(note.to_owned() + &lines.unwrap_or_default())
    }

    /// Heads of a log as an audit wants them: the newest, the largest that a quorum cosigned of each version's
    /// witnesses, and of our own log the last of each day.
    pub fn shown(&self, log: &Log) -> Vec<String> {
        let witnessed = self.witnessed(log).map(|(_, note)| note);
        let daily = self.daily(log).map(|(_, note)| note.to_owned());
        self.newest(log).into_iter().chain(witnessed).chain(daily).collect()
    }

    /// The largest head of a log that a quorum cosigned of each version's witnesses, with its size.
    pub fn witnessed(&self, log: &Log) -> impl Iterator<Item = (u64, String)> {
        let sets = self.of(&log.head()).into_iter().flat_map(|of| of.sets.iter().map(move |set| (of, set)));
        let notes: BTreeSet<_> = sets.filter_map(|(of, set)| Some(of.note(set.covered(log)?))).collect();
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
        // The newest of its keys first.
        let mut keys = of.witnesses.iter().enumerate().filter(|(_, (id, _))| *id == witness).peekable();
        let Some(newest) = keys.peek().map(|(place, _)| *place) else { return Ok(false) };
        let held = of.said.get(&witness).map(|word| (word.said.checkpoint.size, word.by));
        match held {
            Some((size, _)) if cosigned.size < size => return Ok(false),
            Some((size, by)) if cosigned.size == size && by == newest => return Ok(false),
            _ => {}
        }
        // What another witness cosigned was opened then.
        let same = |said: &&Said| said.checkpoint.size == cosigned.size && *said.note == cosigned.note;
        let opened = of.said.values().map(|word| &word.said).find(same);
        let (checkpoint, note, is_first) = match opened {
            Some(said) => (Arc::clone(&said.checkpoint), Arc::clone(&said.note), false),
            None => (Arc::new(fold.open_head(log, &cosigned.note)?), Arc::from(&*cosigned.note), true),
        };
        let signature: [u8; SIGNATURE_BYTES] =
            cosigned.signature.0.as_slice().try_into().map_err(|_| bad("a cosignature of another length"))?;
        let cosignature = Cosignature { time: cosigned.time, signature };
        let holds = |key: &NamedKey| cosignature.holds_once(&checkpoint, &key.key, fold.checked());
        let by = keys.find(|(_, (_, key))| holds(key)).map(|(place, _)| place);
        let by = by.filter(|_| checkpoint.size == cosigned.size);
        let by = by.ok_or_else(|| bad("a cosignature that does not fit its head"))?;
        // Of one head the word by the newest key counts: a thief of one that was replaced would outpace it.
        if held.is_some_and(|(size, before)| size == cosigned.size && before <= by) {
            return Ok(false);
        }
        // Of what another cosigned it was seen then that it fits, and logs only grow.
        if is_first {
            fold.compare_head(log, &cosigned.note, &checkpoint)?;
            if log.size() < checkpoint.size {
                return Ok(false);
            }
        }
        let said = Said { checkpoint: Arc::clone(&checkpoint), note, cosignature };
        of.said.insert(witness.clone(), Word { said, by });
        of.count(&checkpoint, member == self.me);
        self.news.insert(witness);
        self.taken += 1;
        Ok(true)
    }

    /// Everything that a witness said, as it is passed on.
    pub fn by_witness(&self, witness: &MemberId) -> Vec<Cosigned> {
        let Some(name) = self.name(witness) else { return vec![] };
        self.words(witness).map(|(of, word)| cosigned(of.head, name, &word.said)).collect()
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
        let mut bytes = vec![];
        for (of, Word { said, by }) in self.words(witness) {
            bytes.extend(of.head);
            bytes.extend(of.witnesses[*by].1.key);
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
    /// The largest head that a quorum cosigned, if it covers what we hold.
    fn covered(&self, log: &Log) -> Option<&Quorate> {
        let head =
            |found: &&Quorate| log.tree().root_at(found.checkpoint.size) == Some(found.checkpoint.root);
        self.witnessed.as_ref().filter(head)
    }
}

impl OfLog {
    fn new(member: MemberId, head: [u8; 32]) -> Self {
        Self { member, head, witnesses: vec![], said: BTreeMap::new(), sets: vec![], daily: BTreeMap::new() }
    }

    /// A version names these witnesses.
    fn name(&mut self, version: u32, named: impl Iterator<Item = (MemberId, NamedKey)>) {
        let mut newest: BTreeMap<MemberId, usize> = BTreeMap::new();
        for named in named {
            let place =
                self.witnesses.iter().position(|known| *known == named).unwrap_or(self.witnesses.len());
            newest.insert(named.0.clone(), place);
            if place == self.witnesses.len() {
                self.witnesses.push(named);
            }
        }
        let keys: BTreeSet<usize> = newest.into_values().collect();
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
        let said = |word: &&Word| set.keys.contains(&word.by) && *word.said.checkpoint == *checkpoint;
        self.said.values().filter(said).count()
    }

    fn set(&self, version: u32) -> Option<&WitnessSet> {
        self.sets.iter().find(|set| set.versions.contains(&version))
    }

    /// What the witnesses said whose newest word is about this head, in the charter's order.
    fn cosignatures(&self, checkpoint: &Checkpoint) -> Vec<(usize, Cosignature)> {
        let same = self.said.values().filter(|word| *word.said.checkpoint == *checkpoint);
        let mut found: Vec<_> = same.map(|word| (word.by, word.said.cosignature)).collect();
        found.sort_unstable_by_key(|(by, _)| *by);
        found
    }

    /// The same as lines of the head's note.
    fn lines(&self, cosignatures: &[(usize, Cosignature)]) -> String {
        cosignatures.iter().map(|(by, said)| said.line(&self.witnesses[*by].1)).collect()
    }

    /// A head with all lines: entries, and the note.
    fn note(&self, found: &Quorate) -> (u64, String) {
        (found.checkpoint.size, found.note.to_string() + &self.lines(&found.cosignatures))
    }

    /// Somebody cosigned this head: are there enough for it now, of those that any version names?
    fn count(&mut self, checkpoint: &Checkpoint, keep: bool) {
        let counts = |set: &WitnessSet| {
            let newest = set.witnessed.as_ref().is_none_or(|found| found.checkpoint.size <= checkpoint.size);
            let valid = if newest { self.valid(set, checkpoint) } else { 0 };
            valid > 0 && valid >= quorum(set.keys.len())
        };
        let counts: Vec<bool> = self.sets.iter().map(counts).collect();
        let same = self.said.values().map(|word| &word.said).find(|said| *said.checkpoint == *checkpoint);
        let Some(said) = same.filter(|_| counts.contains(&true)).cloned() else { return };
        let cosignatures = self.cosignatures(checkpoint);
        let found = Quorate { checkpoint: said.checkpoint, note: said.note, cosignatures };
        if keep {
            let day = said.cosignature.time / DAY_SECONDS;
            if self.daily.get(&day).is_none_or(|(size, _)| *size <= checkpoint.size) {
                self.daily.insert(day, self.note(&found));
            }
        }
        for (set, _) in self.sets.iter_mut().zip(counts).filter(|(_, counts)| *counts) {
            set.witnessed = Some(found.clone());
        }
    }
}

/// The word of a witness about a head of a log, both by their names in frames, as it is passed on.
pub fn cosigned(log: [u8; 32], witness: [u8; 32], said: &Said) -> Cosigned {
    Cosigned {
        log,
        witness,
        size: said.checkpoint.size,
        note: said.note.to_string(),
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
