//! What of a node must outlive a crash, written in the order in which the Member says it: journal,
//! signed heads, blobs, round secrets and openings together. Must not know what an entry means, nor a network.

use std::collections::BTreeSet;
use std::path::Path;

use datacoop_policy::{Digest, QueryId, Span, Time};
use datacoop_protocol::member::port::{Output, RoundSecrets};
use datacoop_protocol::wire::{Bytes, Record, decode_within, encode};

use crate::blobs::Blobs;
use crate::folder::StoreError;
use crate::journal::{FRAME_BYTES_MAX, Journal, Survey, read_only, survey};
use crate::keyfile::RoundFiles;
use crate::signed::Slots;

/// How long copies of other logs wait for company before they are written: a power loss costs no
/// more than pulling them again, and a sync for each push would cost every round.
const COPIES_WAIT_MAX: Span = Span(1_000);
/// How many bytes of them wait: far below a frame, so that the next one still fits.
const COPIES_BYTES_MAX: usize = 1024 * 1024;
const _: () = assert!(16 * COPIES_BYTES_MAX <= FRAME_BYTES_MAX);

/// Records that are not written yet: neighbours share one frame and one sync.
#[derive(Default)]
struct Pending {
    records: Vec<Record>,
    bytes: usize,
    /// Something else waits until they are on disk.
    must_sync: bool,
    /// When the first of them came.
    since: Option<Time>,
}

impl Pending {
    fn push(&mut self, record: Record, now: Time) {
        self.bytes += match &record {
            Record::Entry(Bytes(bytes)) => bytes.len(),
            Record::Copied(section) => section.entries.iter().map(|entry| entry.0.len()).sum(),
            Record::Cosigned(said) => said.note.len() + said.signature.0.len(),
            Record::Restored => 0,
            Record::Left(rounds) => 32 * rounds.len(),
            Record::Decided { .. } => 32,
        };
        self.records.push(record);
        self.since.get_or_insert(now);
    }

    /// When they are written even if nothing waits for them.
    fn due(&self) -> Option<Time> {
        self.since.map(|since| since + COPIES_WAIT_MAX)
    }

    fn is_due(&self, now: Time) -> bool {
        self.bytes > COPIES_BYTES_MAX || self.due().is_some_and(|due| due <= now)
    }
}

/// A node's storage, open for writing. The folder must be locked by us.
pub struct Storage {
    journal: Journal,
    pending: Pending,
    slots: Slots,
    blobs: Blobs,
    rounds: RoundFiles,
    openings: RoundFiles,
}

/// What a start finds.
pub struct Found {
    /// The journal, in order.
    pub records: Vec<Record>,
    /// Bytes of a torn last frame that were cut.
    pub cut: u64,
    /// The newest head that was signed: entries, and the note.
    pub last_signed: Option<(u64, String)>,
    /// Secrets of open rounds.
    pub secrets: RoundSecrets,
    /// Rounds of which an opening is kept.
    pub openings: BTreeSet<QueryId>,
    /// Names of the blobs.
    pub held: BTreeSet<Digest>,
}

impl Storage {
    /// Opens what lies in a node's folder. What a crash left half written is finished or taken back.
    ///
    /// Errors: the disk's, or what is there was damaged by something else than a crash.
    pub fn open(home: &Path) -> Result<(Self, Found), StoreError> {
        let opened = Journal::open(&home.join("journal"))?;
        let records = read_records(&opened.frames)?;
        let (slots, last_signed) = Slots::open(&home.join("signed"))?;
        let blobs = Blobs::open(&home.join("blobs"))?;
        let (rounds, opens) = (RoundFiles::new(&home.join("keys/rounds")), openings(home));
        rounds.erase_leftovers()?;
        opens.erase_leftovers()?;
        let (secrets, openings, held) = (rounds.read_all()?, opens.names()?, blobs.held()?);
        let found = Found { records, cut: opened.cut, last_signed, secrets, openings, held };
        let (journal, pending) = (opened.journal, Pending::default());
        Ok((Self { journal, pending, slots, blobs, rounds, openings: opens }, found))
    }

    /// The blobs, to read.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Journal frames so far.
    pub fn position(&self) -> u64 {
        self.journal.position()
    }

    /// Deletes blobs that a crash left: no entry names them.
    pub fn remove_unnamed(&mut self, named: &BTreeSet<Digest>) -> Result<(), StoreError> {
        self.blobs.remove_unnamed(named)
    }

    /// When what waits is written, even if nothing waits for it.
    pub fn due(&self) -> Option<Time> {
        self.pending.due()
    }

    /// Does what is the disk's of an output. Anything else is given back, and not before all that was
    /// to be durable is.
    ///
    /// Errors: the disk failed. Nothing may be done or promised after it: the process must end.
    pub fn take(&mut self, output: Output, now: Time) -> Result<Option<Output>, StoreError> {
        let leans_on_copies = matches!(
            output,
            Output::StoreBlob { .. }
                | Output::RemoveShares(_)
                | Output::EraseSecret(_)
                | Output::EraseOpening(_)
        );
        if leans_on_copies {
            // The copied entry that names a blob comes before it: a start deletes what no entry
            // names, and the peer that is told we hold it may switch off. So does the one that ends a
            // round: without it a start would want the shares and the secret again.
            self.write_pending()?;
        } else if !matches!(output, Output::Store(_) | Output::Keep(_)) {
            self.barrier()?;
        }
        match output {
            Output::Store(record) => {
                self.pending.push(record, now);
                self.pending.must_sync = true;
            }
            Output::Keep(record) => {
                self.pending.push(record, now);
                // One input can bring many pages: they must not grow beyond a frame.
                if self.pending.is_due(now) {
                    self.write_pending()?;
                }
            }
            Output::Sign { size, note } => self.slots.write(size, &note)?,
            Output::StoreBlob { hash, bytes, round: Some(round) } => {
                self.blobs.put_share(round, &hash, &bytes)?
            }
            Output::StoreBlob { hash, bytes, round: None } => self.blobs.put(&hash, &bytes)?,
            Output::RemoveShares(round) => self.blobs.remove_shares(&round)?,
            Output::KeepSecret(id, secret) => self.rounds.keep(&id, &secret.to_bytes())?,
            Output::EraseSecret(id) => self.rounds.erase(&id)?,
            Output::KeepOpening(id, bytes) => self.openings.keep(&id, &bytes)?,
            Output::EraseOpening(id) => self.openings.erase(&id)?,
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

    /// After the last output of an input.
    pub fn settle(&mut self, now: Time) -> Result<(), StoreError> {
        self.barrier()?;
        if self.pending.is_due(now) { self.write_pending() } else { Ok(()) }
    }

    /// Writes what waits: the node stops.
    pub fn close(&mut self) -> Result<(), StoreError> {
        self.write_pending()
    }

    /// What was stored so far is on disk before anything else happens.
    fn barrier(&mut self) -> Result<(), StoreError> {
        // A peer that is told we hold a share may switch off.
        self.blobs.sync()?;
        if self.pending.must_sync { self.write_pending() } else { Ok(()) }
    }

    /// Writes what waits as one frame, durably.
    fn write_pending(&mut self) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.records.is_empty() {
            // Shares before the entry that names them.
            self.blobs.sync()?;
            self.journal.append(&encode(&pending.records))?;
            // Crash before: the frame is torn or absent, and nothing that it says was acted upon.
            self.journal.sync()?;
        }
        Ok(())
    }
}

/// What a node keeps for auditors, beside its round secrets.
pub fn openings(home: &Path) -> RoundFiles {
    RoundFiles::new(&home.join("keys/openings"))
}

/// What a node's journal holds, whether or not the node runs.
pub fn records(home: &Path) -> Result<Vec<Record>, StoreError> {
    read_records(&read_only(&home.join("journal"))?)
}

fn read_frame(n: usize, frame: &[u8]) -> Result<Vec<Record>, String> {
    decode_within(frame, FRAME_BYTES_MAX)
        .map_err(|error| format!("journal frame {n} is not one of ours: {error}"))
}

fn read_records(frames: &[Vec<u8>]) -> Result<Vec<Record>, StoreError> {
    let mut records = vec![];
    for (n, frame) in frames.iter().enumerate() {
        let read = read_frame(n, frame);
        records.extend(read.map_err(|text| StoreError::Wrong(format!("{text}; run `datacoop restore`")))?);
    }
    Ok(records)
}

/// A journal up to its first damage.
pub struct Whole {
    /// Frames that are ours.
    pub frames: Vec<Vec<u8>>,
    /// What they say.
    pub records: Vec<Record>,
    /// What is wrong behind them that no crash explains.
    pub damage: Option<String>,
}

/// Reads a journal as far as it is whole. Changes nothing.
pub fn read_whole(folder: &Path) -> Result<Whole, StoreError> {
    let Survey { frames, mut damage, .. } = survey(folder)?;
    let (mut whole, mut records) = (vec![], vec![]);
    for (n, frame) in frames.into_iter().enumerate() {
        match read_frame(n, &frame) {
            Ok(read) => records.extend(read),
            Err(text) => {
                damage = Some(text);
                break;
            }
        }
        whole.push(frame);
    }
    Ok(Whole { frames: whole, records, damage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_wait_for_company_but_not_for_long_and_not_in_bulk() {
        let entry = |length| Record::Entry(Bytes(vec![0; length]));
        let mut pending = Pending::default();
        pending.push(entry(10), Time(5_000));
        pending.push(entry(10), Time(5_500));
        assert!(!pending.is_due(Time(5_999)) && pending.is_due(Time(6_000)));
        pending.push(entry(COPIES_BYTES_MAX), Time(5_600));
        assert!(pending.is_due(Time(5_600)));
    }
}
