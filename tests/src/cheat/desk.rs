//! The disk of a member, which turns at the moment its member cheats.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Time};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::port::{Output, RoundSecret};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::world::{Kept, Store};

use super::{Act, Cheat, Strike};

/// Times a cheat may wait for its moment.
const WAITS_MAX: u32 = 400;

/// What the disks of one world share.
pub(super) struct Plot {
    pub(super) on: &'static str,
    pub(super) cheat: Cheat,
    pub(super) skip: u32,
    pub(super) waits: u32,
    pub(super) site: Option<usize>,
    pub(super) done: bool,
    pub(super) histories: Vec<Vec<Vec<u8>>>,
    pub(super) charter: Arc<Charter>,
    pub(super) vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    pub(super) founders: Vec<MemberId>,
    /// Every blob that any member stored: verifier shares are public.
    pub(super) blobs: BTreeMap<Digest, Arc<[u8]>>,
}

/// A disk that may turn on what was written.
pub(super) struct Desk {
    pub(super) site: usize,
    pub(super) plot: Rc<RefCell<Plot>>,
    pub(super) records: Vec<Record>,
    pub(super) last_signed: Option<(u64, String)>,
    pub(super) secrets: BTreeMap<QueryId, Vec<u8>>,
    pub(super) blobs: BTreeMap<Digest, Arc<[u8]>>,
    pub(super) shares: BTreeMap<Digest, QueryId>,
    pub(super) kept: BTreeMap<Digest, Arc<[u8]>>,
    pub(super) two_faced: Option<Digest>,
    pub(super) gone: bool,
}

impl Desk {
    fn fold(&self, plot: &Plot) -> Fold {
        let mut fold = Fold::new(plot.charter.clone(), plot.vocabularies.clone());
        for record in &self.records {
            match record {
                Record::Entry(Bytes(bytes)) => {
                    fold.append(&plot.founders[self.site], Arc::from(bytes.as_slice()));
                }
                Record::Copied(section) => drop(fold.take(section).expect("a proved section")),
                Record::Cosigned(_) | Record::Restored | Record::Left(_) | Record::Decided { .. } => {}
            }
        }
        fold
    }

    /// Whether the entry is kept as it is; if not, this life of the program ends.
    fn keeps(&mut self, bytes: &[u8]) -> bool {
        let entry = Entry::parse(bytes).expect("what a program writes can be read");
        let plot = self.plot.clone();
        let mut plot = plot.borrow_mut();
        let other = plot.site.is_some_and(|site| site != self.site);
        if plot.done || other || entry.body.kind() != plot.on {
            return true;
        }
        let fold = self.fold(&plot);
        let secret = entry.body.query().and_then(|id| self.secrets.get(&id));
        let secret = secret.and_then(|bytes| RoundSecret::parse(bytes)).map(|secret| Seed::new(*secret.seed));
        let mut strike = Strike {
            site: self.site,
            me: plot.founders[self.site].clone(),
            members: plot.founders.len(),
            entry,
            fold,
            secret,
            blobs: &mut self.blobs,
            kept: &self.kept,
            two_faced: &mut self.two_faced,
        };
        let act = (plot.cheat)(&mut strike);
        if plot.skip > 0 && !matches!(act, Act::Pass) {
            plot.skip -= 1;
            return true;
        }
        let written = |bodies: &[Body]| -> Vec<Record> {
            let entries = (0..).zip(bodies).map(|(ahead, body)| strike.bytes(ahead, body));
            entries.map(|bytes| Record::Entry(Bytes(bytes))).collect()
        };
        match act {
            Act::Pass => return true,
            Act::Wait => {
                plot.site = Some(self.site);
                plot.waits += 1;
                assert!(plot.waits < WAITS_MAX, "a cheat that waits for ever");
                return false;
            }
            Act::Write(bodies) => self.records.extend(written(&bodies)),
            Act::Vanish(bodies) => {
                let records = written(&bodies);
                plot.histories = vec![records.iter().filter_map(own_bytes).collect()];
                self.gone = true;
            }
            Act::Send(histories) => {
                plot.histories = histories;
                self.gone = true;
            }
        }
        plot.blobs.extend(self.blobs.clone());
        plot.site = Some(self.site);
        plot.done = true;
        false
    }
}

fn own_bytes(record: &Record) -> Option<Vec<u8>> {
    match record {
        Record::Entry(Bytes(bytes)) => Some(bytes.clone()),
        Record::Copied(_)
        | Record::Cosigned(_)
        | Record::Restored
        | Record::Left(_)
        | Record::Decided { .. } => None,
    }
}

impl Store for Desk {
    fn open(&mut self) -> Result<Kept, String> {
        if self.gone {
            return Err("gone".into());
        }
        let secrets = self.secrets.iter().filter_map(|(id, bytes)| Some((*id, RoundSecret::parse(bytes)?)));
        Ok(Kept {
            records: self.records.clone(),
            last_signed: self.last_signed.clone(),
            secrets: secrets.collect(),
            openings: BTreeSet::new(),
            held: self.blobs.keys().copied().collect(),
        })
    }

    fn started(&mut self, _: &BTreeSet<Digest>) -> Result<(), String> {
        Ok(())
    }

    fn take(&mut self, _: Time, output: Output) -> Result<Option<Output>, String> {
        match output {
            Output::Store(Record::Entry(Bytes(bytes))) if !self.keeps(&bytes) => return Err("cheat".into()),
            Output::Store(record) | Output::Keep(record) => self.records.push(record),
            Output::Sign { size, note } => self.last_signed = Some((size, note)),
            Output::StoreBlob { hash, bytes, round } => {
                self.blobs.insert(hash, bytes.clone());
                self.kept.insert(hash, bytes.clone());
                self.plot.borrow_mut().blobs.insert(hash, bytes);
                self.shares.extend(round.map(|round| (hash, round)));
            }
            Output::RemoveShares(round) => {
                self.blobs.retain(|hash, _| self.shares.get(hash) != Some(&round));
            }
            Output::KeepSecret(id, secret) => {
                self.secrets.insert(id, secret.to_bytes().to_vec());
            }
            Output::EraseSecret(id) => {
                self.secrets.remove(&id);
            }
            Output::KeepOpening(..) | Output::EraseOpening(_) => {}
            other @ (Output::LoadBlob(_)
            | Output::Dial(..)
            | Output::Hangup(_)
            | Output::Request { .. }
            | Output::Reply { .. }
            | Output::ReplyPiece { .. }
            | Output::Tabulate(..)
            | Output::Draw { .. }
            | Output::Compute(_)
            | Output::Tell(_)) => return Ok(Some(other)),
        }
        Ok(None)
    }

    fn settle(&mut self, _: Time) -> Result<(), String> {
        Ok(())
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        let mut bytes = self.blobs.get(hash)?.to_vec();
        if self.two_faced == Some(*hash) {
            // Of the right length, and never what its name says.
            let last = bytes.last_mut()?;
            *last ^= 1;
        }
        Some(Arc::from(bytes))
    }
}
