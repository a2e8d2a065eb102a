//! The node's real storage under a member of the simulated world, and what the world outside is told.

#![expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datacoop::folder::{Folder, StoreError};
use datacoop::storage::Storage;
use datacoop_policy::{Digest, QueryId, Time};
use datacoop_protocol::entry::Entry;
use datacoop_protocol::member::port::{Output, RoundSecret};
use datacoop_protocol::wire::{Bytes, Record};
use datacoop_sim::world::{Kept, Store};

use super::cast::MEMBERS;
use crate::PATIENCE;

/// What the world outside was told, or may have been: kept outside of every node's folder.
#[derive(Clone, Debug)]
pub enum Ack {
    /// An entry of a member's own log.
    Entry {
        /// Its index.
        seq: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A signed head: entries, and the note.
    Head(u64, String),
    /// A round's secret was written.
    Secret(QueryId, RoundSecret),
    /// A round's secret was to be erased.
    Erased(QueryId),
    /// Noise was asked for.
    Draw(QueryId),
}

/// An acknowledgement as a line for whoever watches from outside. Without a newline inside.
pub fn line(site: usize, ack: &Ack) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("entries are text");
    match ack {
        Ack::Entry { seq, bytes } => format!("{site} entry {seq} {}\n", text(bytes)),
        Ack::Head(size, note) => format!("{site} head {size} {}\n", note.replace('\n', "\t")),
        Ack::Draw(id) => format!("{site} draw {id} -\n"),
        // Secrets are not for the world.
        Ack::Secret(..) | Ack::Erased(_) => format!("{site} secret - -\n"),
    }
}

/// Reads `line`; `None` for what is no whole acknowledgement.
pub fn read_line(line: &str) -> Option<(usize, Ack)> {
    let mut words = line.splitn(4, ' ');
    let site = words.next()?.parse().ok().filter(|site| *site < MEMBERS)?;
    let (kind, number, rest) = (words.next()?, words.next()?, words.next()?);
    let ack = match kind {
        "entry" => Ack::Entry { seq: number.parse().ok()?, bytes: rest.as_bytes().to_vec() },
        "head" => Ack::Head(number.parse().ok()?, rest.replace('\t', "\n")),
        "draw" => Ack::Draw(number.parse().ok()?),
        _ => return None,
    };
    Some((site, ack))
}

/// Who is told of acknowledgements. Called before what they allow happens.
pub type Tell = Box<dyn FnMut(&Ack)>;

/// The node's real storage under a member of the simulated world.
pub struct NodeStore {
    home: PathBuf,
    open: Option<(Folder, Storage)>,
    waiting: Vec<Ack>,
    tell: Tell,
    /// Called before each start: a test frees the disk there.
    heal: Option<Box<dyn FnMut()>>,
    /// For the test of the tests: tells and lets out before anything is stored.
    hasty: bool,
    held_back: Vec<Output>,
}

impl NodeStore {
    /// In this folder, which may be empty or left by an earlier process.
    pub fn new(home: &Path, tell: Tell) -> Self {
        let (open, waiting, held_back) = (None, vec![], vec![]);
        Self { home: home.to_owned(), open, waiting, tell, heal: None, hasty: false, held_back }
    }

    /// Calls this before each start.
    pub fn healed_by(mut self, heal: Box<dyn FnMut()>) -> Self {
        self.heal = Some(heal);
        self
    }

    /// A node that sends before it stores: what these tests must catch.
    pub fn hasty(mut self) -> Self {
        self.hasty = true;
        self
    }

    /// Writes all that waits, as a node does that stops.
    pub(crate) fn flush(&mut self, now: Time) -> Result<(), String> {
        self.settle(now)?;
        self.storage()?.close().map_err(said)
    }

    /// The process is gone: its lock, and what it had not written.
    pub(crate) fn drop_process(&mut self) {
        self.open = None;
    }

    fn storage(&mut self) -> Result<&mut Storage, String> {
        self.open.as_mut().map(|(_, storage)| storage).ok_or_else(|| "not open".to_owned())
    }

    fn note(&mut self, output: &Output) {
        match output {
            Output::Store(Record::Entry(Bytes(bytes))) => {
                let seq = Entry::parse(bytes).expect("our own entry").seq;
                self.waiting.push(Ack::Entry { seq, bytes: bytes.clone() });
            }
            Output::Sign { size, note } => self.waiting.push(Ack::Head(*size, note.clone())),
            Output::KeepSecret(id, secret) => self.waiting.push(Ack::Secret(*id, secret.clone())),
            Output::EraseSecret(id) => (self.tell)(&Ack::Erased(*id)),
            _ => {}
        }
    }

    fn acknowledge(&mut self) {
        for ack in self.waiting.drain(..) {
            (self.tell)(&ack);
        }
    }
}

/// Locks a folder. A process that this one forks holds our locks until it runs its own program, so a
/// folder that was just let go may be locked for a moment.
pub fn lock(home: &Path) -> Result<Folder, StoreError> {
    let began = Instant::now();
    loop {
        match Folder::open(home) {
            Err(StoreError::Locked(_)) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1))
            }
            other => return other,
        }
    }
}

fn said(error: StoreError) -> String {
    error.to_string()
}

impl Store for NodeStore {
    fn open(&mut self) -> Result<Kept, String> {
        self.open = None;
        (self.waiting, self.held_back) = (vec![], vec![]);
        self.heal.iter_mut().for_each(|heal| heal());
        let folder = lock(&self.home).map_err(said)?;
        let (storage, found) = Storage::open(&self.home).map_err(said)?;
        self.open = Some((folder, storage));
        // What a start finds of our own was synced by it, and may be told from now on.
        for record in &found.records {
            if let Record::Entry(Bytes(bytes)) = record {
                let seq = Entry::parse(bytes).map_err(|error| error.to_string())?.seq;
                (self.tell)(&Ack::Entry { seq, bytes: bytes.clone() });
            }
        }
        let (records, last_signed) = (found.records, found.last_signed);
        Ok(Kept { records, last_signed, secrets: found.secrets, openings: found.openings, held: found.held })
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.storage()?.remove_unnamed(named).map_err(said)
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        self.note(&output);
        let stays = matches!(output, Output::Store(_) | Output::Sign { .. });
        if self.hasty && stays {
            self.held_back.push(output);
            return Ok(None);
        }
        let out = self.storage()?.take(output, now).map_err(said)?;
        if let Some(output) = &out {
            self.acknowledge();
            if let Output::Draw { query, .. } = output {
                (self.tell)(&Ack::Draw(*query));
            }
        }
        Ok(out)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        for output in std::mem::take(&mut self.held_back) {
            self.storage()?.take(output, now).map_err(said)?;
        }
        self.storage()?.settle(now).map_err(said)?;
        self.acknowledge();
        Ok(())
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        let (_, storage) = self.open.as_ref()?;
        storage.blobs().get(hash).ok().flatten().map(Arc::from)
    }
}
