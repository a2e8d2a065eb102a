//! What witnesses said about every log's heads: the newest word of each, and of each log the largest head
//! that a quorum of them cosigned.
//!
//! Source: LOG section 5. We differ: nobody asks a witness for its word (`add-checkpoint`). A witness
//! copies the logs anyway, and cosigns by itself once a log is quiet; members that are never connected
//! to each other then still hear of it, for cosignatures are passed on as entries are.

use std::collections::BTreeMap;

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

struct OfLog {
    head: [u8; 32],
    witnesses: Vec<(MemberId, NamedKey)>,
    said: BTreeMap<MemberId, Said>,
    /// The largest head that a quorum cosigned, and its note with their lines.
    witnessed: Option<(Checkpoint, String)>,
    /// Of our own log: the last such head of each day, by days since 1970.
    daily: BTreeMap<u64, (u64, String)>,
}

/// What witnesses said, by log.
pub struct Witnessed {
    me: MemberId,
    logs: BTreeMap<MemberId, OfLog>,
    member_by_head: BTreeMap<[u8; 32], MemberId>,
}

impl Witnessed {
    /// Nothing said yet, about the logs of this charter. Of the log of `me` earlier heads are kept too.
    pub fn new(charter: &Charter, me: &MemberId) -> Self {
        let of_log = |member: &datacoop_policy::charter::Member| {
            let named = member.witnesses.iter().filter_map(|id| charter.member(id));
            let witnesses = named.map(|witness| (witness.id.clone(), witness.keys.witness.clone())).collect();
            let head = sha256(&[member.keys.log.name.as_bytes()]).0;
            (
                member.id.clone(),
                OfLog { head, witnesses, said: BTreeMap::new(), witnessed: None, daily: BTreeMap::new() },
            )
        };
        let logs: BTreeMap<_, _> = charter.members().iter().map(of_log).collect();
        let member_by_head = logs.iter().map(|(member, log)| (log.head, member.clone())).collect();
        Self { me: me.clone(), logs, member_by_head }
    }

    /// The logs whose witness a member is.
    pub fn duties(&self, witness: &MemberId) -> Vec<MemberId> {
        let named = self.logs.iter().filter(|(_, log)| log.witnesses.iter().any(|(id, _)| id == witness));
        named.map(|(member, _)| member.clone()).collect()
    }

    /// A witness's newest word about a log.
    pub fn said(&self, log: &MemberId, witness: &MemberId) -> Option<&Said> {
        self.logs.get(log)?.said.get(witness)
    }

    /// How many witnesses of a log cosigned its newest witnessed head, how many must, and how many there are.
    pub fn counts(&self, log: &MemberId) -> (usize, usize, usize) {
        let Some(of) = self.logs.get(log) else { return (0, 0, 0) };
        let at = of.witnessed.as_ref().map(|(head, _)| head);
        let same = of.said.values().filter(|said| Some(&said.checkpoint) == at).count();
        (same, quorum(of.witnesses.len()), of.witnesses.len())
    }

    /// The largest head of a log that a quorum cosigned and that covers what we hold of it: entries, and
    /// the note with the witnesses' lines. `None` also where no witnesses are named.
    pub fn note(&self, log: &Log) -> Option<(u64, &str)> {
        let of = self.logs.get(&log.member)?;
        let (head, note) = of.witnessed.as_ref()?;
        (log.tree().root_at(head.size) == Some(head.root)).then_some((head.size, note))
    }

    /// Heads of our own log that a quorum cosigned: the last of each day.
    pub fn daily(&self) -> impl Iterator<Item = (u64, &str)> {
        let own = self.logs.get(&self.me).into_iter().flat_map(|of| of.daily.values());
        own.map(|(size, note)| (*size, note.as_str()))
    }

    /// The newest head of a log, with the lines of all witnesses that cosigned it: perhaps none.
    pub fn newest(&self, log: &Log) -> Option<String> {
        let (checkpoint, note) = own_copy(log)?;
        let lines = self.logs.get(&log.member).map(|of| of.lines(&checkpoint)).unwrap_or_default();
        Some(note.to_owned() + &lines.concat())
    }

    /// Heads of a log as an audit wants them: the newest, the largest that a quorum cosigned, and of our
    /// own log the last of each day.
    pub fn shown(&self, log: &Log) -> Vec<String> {
        let witnessed = self.note(log).map(|(_, note)| note.to_owned());
        let daily = self.daily().filter(|_| log.member == self.me).map(|(_, note)| note.to_owned());
        self.newest(log).into_iter().chain(witnessed).chain(daily).collect()
    }

    /// What a peer passes on; whether it is news. Of a head beyond what we hold of the log nothing is kept:
    /// it is heard again once we do. Errors: the sender's, or the log's owner signed two histories.
    pub fn take(&mut self, fold: &Fold, cosigned: &Cosigned) -> Result<bool, SectionError> {
        let bad = |text: &str| SectionError::Bad(text.to_owned());
        let by_head = |head| self.member_by_head.get(head).cloned();
        // Another version of the charter may name them.
        let (Some(member), Some(witness)) = (by_head(&cosigned.log), by_head(&cosigned.witness)) else {
            return Ok(false);
        };
        let of = self.logs.get_mut(&member).expect("INVARIANT: every head has its log");
        let Some((_, key)) = of.witnesses.iter().find(|(id, _)| *id == witness) else { return Ok(false) };
        let key = key.key;
        let held = of.said.get(&witness).map_or(0, |said| said.checkpoint.size);
        if cosigned.size <= held {
            return Ok(false);
        }
        let checkpoint = fold.open_head(&member, &cosigned.note)?;
        let signature: [u8; SIGNATURE_BYTES] =
            cosigned.signature.0.as_slice().try_into().map_err(|_| bad("a cosignature of another length"))?;
        let cosignature = Cosignature { time: cosigned.time, signature };
        if checkpoint.size != cosigned.size || !cosignature.holds(&checkpoint, &key) {
            return Err(bad("a cosignature that does not fit its head"));
        }
        fold.compare_head(&member, &cosigned.note, &checkpoint)?;
        if fold.log(&member).is_none_or(|log| log.size() < checkpoint.size) {
            return Ok(false);
        }
        let note = cosigned.note.clone();
        of.said.insert(witness, Said { checkpoint: checkpoint.clone(), note, cosignature });
        of.count(&checkpoint, member == self.me);
        Ok(true)
    }

    /// Everything that a witness said, as it is passed on.
    pub fn by_witness(&self, witness: &MemberId) -> Vec<Cosigned> {
        self.logs.keys().filter_map(|log| self.one(log, witness)).collect()
    }

    /// What a witness said about a log, as it is passed on.
    pub fn one(&self, log: &MemberId, witness: &MemberId) -> Option<Cosigned> {
        let (of, said) = (self.logs.get(log)?, self.said(log, witness)?);
        Some(cosigned(of.head, self.logs.get(witness)?.head, said))
    }

    /// For each witness what was heard of it, as one hash: who hears the same has nothing to tell.
    pub fn heard(&self) -> BTreeMap<[u8; 32], [u8; 32]> {
        let witnesses = self.logs.iter().filter_map(|(witness, own)| {
            let said = self.logs.values().filter_map(|of| Some((of.head, of.said.get(witness)?)));
            let mut bytes = vec![];
            for (log, said) in said {
                bytes.extend(log);
                bytes.extend(said.checkpoint.size.to_be_bytes());
                bytes.extend(said.checkpoint.root.0);
            }
            (!bytes.is_empty()).then(|| (own.head, sha256(&[&bytes]).0))
        });
        witnesses.collect()
    }

    /// Whom a name in frames means.
    pub fn member(&self, head: &[u8; 32]) -> Option<&MemberId> {
        self.member_by_head.get(head)
    }
}

impl OfLog {
    /// The lines of the witnesses whose newest word is about this head, in the charter's order.
    fn lines(&self, checkpoint: &Checkpoint) -> Vec<String> {
        let lines = self.witnesses.iter().filter_map(|(id, key)| {
            let said = self.said.get(id).filter(|said| said.checkpoint == *checkpoint)?;
            Some(said.cosignature.line(key))
        });
        lines.collect()
    }

    /// Somebody cosigned this head: are there enough for it now?
    fn count(&mut self, checkpoint: &Checkpoint, keep: bool) {
        let lines = self.lines(checkpoint);
        let newest = self.witnessed.as_ref().is_none_or(|(head, _)| head.size <= checkpoint.size);
        if !newest || lines.len() < quorum(self.witnesses.len()) {
            return;
        }
        let Some(said) = self.said.values().find(|said| said.checkpoint == *checkpoint) else { return };
        let note = said.note.clone() + &lines.concat();
        if keep {
            self.daily.insert(said.cosignature.time / DAY_SECONDS, (checkpoint.size, note.clone()));
        }
        self.witnessed = Some((checkpoint.clone(), note));
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
