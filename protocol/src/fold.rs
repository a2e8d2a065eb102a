//! The fold: logs in, rounds out. A node folds what it hears; an auditor folds an export: same code.
//!
//! Entries of one log come in order; logs interleave in any way, and the result is the same: a round
//! is a bag of what each member said first, and everything else is computed from the bag.

mod follow;
mod question;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{Charter, Member};
use datacoop_policy::ledger::{Debit, Ledger};
use datacoop_policy::query::Query;
use datacoop_policy::verdict::CLOCK_SKEW_MAX;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, QueryId, Time};

pub(crate) use question::{Questions, bind};
pub use question::{parse_question, question_hash, question_value};
pub(crate) use shelf::Places;
use shelf::Shelf;
pub use shelf::{Entries, Vanished};

use crate::acts::{Acts, Done};
use crate::bounds::{ADOPTED_MAX, FRESH_FOR, LOGS_MAX, MET_FOR};
use crate::checked::Checked;
use crate::cited::references_mut;
use crate::entry::{Body, Entry, EntryError, LAST, Lay, Order, Previous, QueryBody, Ref, order_of};
use crate::heads::{Claim, Heads};
use crate::json::{ENTRY_BYTES_MAX, Value};
use crate::log::note::{Checkpoint, split_note};
use crate::log::split::{Evidence, signed_alone};
use crate::log::tree::{Edge, Tree, leaf_hash, sha256, verify_consistency};
use crate::rounds::{Logged, Round};
use crate::wire::{Bytes, Head, Section};

/// One member's log as far as we hold it.
#[derive(Clone)]
pub struct Log {
    /// Its author.
    pub member: MemberId,
    /// Its name in checkpoints.
    pub origin: String,
    /// The same, as all references share it.
    cited_as: Arc<str>,
    head: [u8; 32],
    key: [u8; 32],
    /// In a fold for audit only those that begin the log.
    entries: Vec<Arc<[u8]>>,
    /// When each was written, as its author says: `shelf::seconds`.
    times: Vec<u32>,
    /// In a fold for audit, what each is: `shelf::Shelf`.
    shelved: Vec<u32>,
    tree: Tree,
    note: Option<(u64, String)>,
    /// After so many changes of the fold that was set.
    noted_at: u64,
    /// Entries up to here hold all that is no `head` entry.
    told: u64,
    /// Entries up to here hold all that everybody waits for.
    hurried: u64,
    /// The first entry of a newer program: it and what follows count for nothing here.
    stopped: Option<u64>,
    /// The first entry that is none: it counts for nothing anywhere.
    malformed: Option<u64>,
    adopted: Vec<Adopted>,
    /// The log of its author's in the co-operative's predecessor, from which its first log here goes on.
    before_all: Option<String>,
    /// Where the log ended that this one goes on from, as its genesis says.
    previous: Option<Box<Previous>>,
    /// Entries from here on count for nothing: another log goes on from here.
    ends: Option<u64>,
    /// Debits among those.
    beyond: Vec<(u64, Debit)>,
}

impl Log {
    fn new(listed: &Member) -> Self {
        let (member, key) = (&listed.id, &listed.keys.log);
        Self {
            member: member.clone(),
            origin: key.name.clone(),
            cited_as: Arc::from(key.name.as_str()),
            head: sha256(&[key.name.as_bytes()]).0,
            key: key.key,
            entries: vec![],
            times: vec![],
            shelved: vec![],
            tree: Tree::default(),
            note: None,
            noted_at: 0,
            told: 0,
            hurried: 0,
            stopped: None,
            malformed: None,
            adopted: vec![],
            before_all: listed.goes_on_from.as_ref().map(|log| log.name.clone()),
            previous: None,
            ends: None,
            beyond: vec![],
        }
    }

    /// Where the log ended that this one goes on from, and what it carries over.
    pub fn previous(&self) -> Option<&Previous> {
        self.previous.as_deref()
    }

    /// The log of its author's in the co-operative's predecessor: the first that begins here goes on from it, and no
    /// entry of it is here.
    pub fn before_all(&self) -> Option<&str> {
        self.before_all.as_deref()
    }

    /// Entries from here on count for nothing, as another log of the same author goes on from here.
    pub fn ends(&self) -> Option<u64> {
        self.ends
    }

    /// Debits that count for nothing, as another log of the same author goes on from before them.
    pub fn beyond(&self) -> &[(u64, Debit)] {
        &self.beyond
    }

    /// Where its entry at this index stands among all that its author wrote.
    pub fn order(&self, index: u64) -> Order<'_> {
        order_of(&self.origin, index)
    }

    /// Entries held.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// When an entry was written, as its author says; `None` of what is no entry.
    pub fn time(&self, index: u64) -> Option<Time> {
        self.times.get(usize::try_from(index).ok()?).copied().and_then(shelf::time)
    }

    /// When it last grew, as its author says, of what it dates no later than this.
    pub fn last_time(&self, until: Time) -> Option<Time> {
        self.times.iter().rev().filter_map(|time| shelf::time(*time)).find(|time| *time <= until)
    }

    /// The entries, in order. In a fold for audit only those which begin the log.
    pub fn entries(&self) -> &[Arc<[u8]>] {
        &self.entries
    }

    /// The tree over them.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The newest checkpoint we can show: its size and its signed note.
    pub fn note(&self) -> Option<(u64, &str)> {
        self.note.as_ref().map(|(size, note)| (*size, note.as_str()))
    }

    /// SHA-256 of its origin: its name in frames.
    pub fn head(&self) -> [u8; 32] {
        self.head
    }

    /// Entries up to here hold all that is no `head` entry: what another member has to say something about.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Whether somebody who holds this many entries waits for one of the others, whoever it is.
    pub fn hurries(&self, held: u64) -> bool {
        held < self.hurried
    }

    /// The log key in the charter.
    pub fn key(&self) -> [u8; 32] {
        self.key
    }

    /// The first entry that a newer program wrote: what follows was not read.
    pub fn stopped(&self) -> Option<u64> {
        self.stopped
    }

    /// The first entry that is none, or not its author's own at its place.
    pub fn malformed(&self) -> Option<u64> {
        self.malformed
    }

    /// The charter versions that it put in force, in its order.
    pub fn adopted(&self) -> &[Adopted] {
        &self.adopted
    }

    /// A reference to an entry held.
    pub fn reference(&self, index: u64) -> Option<Ref> {
        let leaf = self.tree.leaf(index)?;
        Some(Ref { log: Arc::clone(&self.cited_as), index, leaf })
    }

    /// The run of entries from `from`, at most `bytes_max`, with its proof; `None` when there is
    /// nothing that a checkpoint covers.
    pub fn section(&self, from: u64, bytes_max: usize) -> Option<Section> {
        self.section_within(from, u64::MAX, bytes_max)
    }

    /// As `section`, with no entry from `to` on.
    pub fn section_within(&self, from: u64, to: u64, bytes_max: usize) -> Option<Section> {
        let (signed, note) = self.note()?;
        let to = usize::try_from(to.min(signed)).ok()?;
        let covered = self.entries.get(usize::try_from(from).ok()?..to)?;
        let mut bytes = 0;
        let page = covered.iter().take_while(|entry| {
            bytes += entry.len() + 8;
            bytes <= bytes_max
        });
        let entries: Vec<Bytes> = page.map(|entry| Bytes(entry.to_vec())).collect();
        let end = from + entries.len() as u64;
        if end == from {
            return None;
        }
        let proof = if end == signed { vec![] } else { self.tree.consistency_proof(end, signed)? };
        let proof = proof.into_iter().map(|hash| hash.0).collect();
        Some(Section { log: self.head(), from, entries, note: note.to_owned(), proof })
    }
}

/// A charter version that a member put in force, as its log says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// The entry that says so.
    pub index: u64,
    /// When it was written.
    pub at: Time,
    /// The version.
    pub version: u32,
    /// SHA-256 of its text.
    pub hash: Digest,
    /// SHA-256 of the signed note that the member holds: the blob's name.
    pub note: Digest,
    /// From when on the member goes by it.
    pub from: Time,
}

/// Of whom a member believes that not all of them can lie: the others that vote. A body has few seats among them, and
/// as many members without a vote as it likes. Where nobody else votes it has the others' word alone.
pub(crate) fn voices<'a>(charter: &'a Charter, me: &MemberId) -> impl Iterator<Item = &'a MemberId> {
    let others = || charter.members().iter().filter(move |member| member.id != *me);
    let alone = !others().any(Member::votes);
    others().filter(move |member| alone || member.votes()).map(|member| &member.id)
}

/// Why a section was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SectionError {
    /// It begins beyond what we hold: ask for what lies between.
    Gap,
    /// It is not what its log's key signed, or no log of this charter: the sender is at fault.
    Bad(String),
    /// Its head is signed and does not extend what we hold, and it is not plain whose fault that is:
    /// ask for the log from its beginning.
    Apart,
    /// Its head is signed and covers other entries than those we hold, which another signed head
    /// covers: the log's owner shows two histories.
    SplitView(Box<SplitView>),
}

/// Who signed two histories of its log, and the proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SplitView {
    /// Whose log.
    pub member: MemberId,
    /// Its origin.
    pub log: String,
    /// The head of what we hold, and the other.
    pub evidence: Evidence,
}

/// All logs of a charter's members, and the rounds in them.
#[derive(Clone)]
pub struct Fold {
    /// Every version, the first first; never empty.
    charters: Vec<Arc<Charter>>,
    /// Other versions that were validly signed beside one of them.
    rivals: BTreeSet<Digest>,
    /// Whether some log put in force, since this was last asked, what is not held here.
    unknown_versions: bool,
    /// Of each member every log that some version lists, in that order; never none.
    logs: BTreeMap<MemberId, Vec<Log>>,
    by_origin: BTreeMap<String, (MemberId, usize)>,
    by_head: BTreeMap<[u8; 32], (MemberId, usize)>,
    /// Logs that were shown and not taken, by their origin, and why.
    refused: BTreeMap<String, String>,
    /// Up to where a log is waited for, as one that was shown goes on from there.
    awaited: BTreeMap<String, u64>,
    /// Entries of each log that a quorum of its witnesses cosigned, by its origin.
    vouched: BTreeMap<String, u64>,
    /// What a member's next log must carry over, and of how many entries of its logs.
    owed: BTreeMap<MemberId, (u64, Ledger)>,
    vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    rounds: BTreeMap<QueryId, Arc<Round>>,
    touched: BTreeSet<QueryId>,
    /// How often a log grew, or its newest head was set.
    changes: u64,
    /// Logs whose newest head was ever set, by when that was, in changes.
    noted: BTreeMap<u64, (MemberId, usize)>,
    /// By the log that was split.
    splits: BTreeMap<String, (Ref, Box<Evidence>)>,
    false_splits: BTreeSet<Ref>,
    heads: Heads,
    acts: Acts,
    questions: Questions,
    checked: Checked,
    /// In a fold for audit: where the entries of each round stand, which then are read again.
    shelf: Option<Box<Shelf>>,
}

/// Entries that begin a log, whose bytes are always kept: genesis and charter, which are no part of a round.
const BEGINNING: u64 = 2;

impl Fold {
    /// Empty logs of every member of this charter. Vocabularies come by the SHA-256 of their text.
    pub fn new(charter: Arc<Charter>, vocabularies: BTreeMap<Digest, Arc<Vocabulary>>) -> Self {
        Self::with_chain(vec![charter], vocabularies)
    }

    /// Empty logs of every member of these versions of a charter, the first first: whoever left is still
    /// cited, and a member keeps its log key from version to version. At least one version.
    pub fn with_chain(charters: Vec<Arc<Charter>>, vocabularies: BTreeMap<Digest, Arc<Vocabulary>>) -> Self {
        let mut logs: BTreeMap<MemberId, Vec<Log>> = BTreeMap::new();
        for member in charters.iter().flat_map(|charter| charter.members()) {
            if !logs.contains_key(&member.id) && logs.len() == LOGS_MAX {
                continue;
            }
            let listed = logs.entry(member.id.clone()).or_default();
            if listed.iter().all(|log| log.origin != member.keys.log.name) {
                listed.push(Log::new(member));
            }
        }
        let places = || {
            let all = logs.values().flat_map(|listed| listed.iter().enumerate());
            all.map(|(at, log)| (log, (log.member.clone(), at)))
        };
        let by_origin = places().map(|(log, place)| (log.origin.clone(), place)).collect();
        let by_head = places().map(|(log, place)| (log.head, place)).collect();
        Self {
            charters,
            rivals: BTreeSet::new(),
            unknown_versions: false,
            logs,
            by_origin,
            by_head,
            refused: BTreeMap::new(),
            awaited: BTreeMap::new(),
            vouched: BTreeMap::new(),
            owed: BTreeMap::new(),
            vocabularies,
            rounds: BTreeMap::new(),
            touched: BTreeSet::new(),
            changes: 0,
            noted: BTreeMap::new(),
            splits: BTreeMap::new(),
            false_splits: BTreeSet::new(),
            heads: Heads::default(),
            acts: Acts::default(),
            questions: Questions::default(),
            checked: Checked::default(),
            shelf: None,
        }
    }

    /// Empty logs for an auditor of large ones, who reads them twice: `audit::audit_twice`. It has no sections to
    /// show, and before it is audited no rounds; after it only those that were released, as `rounds` says.
    ///
    /// Of each entry 48 bytes are kept: its leaf's hash, its time, which round it is of, and where it stands
    /// among that round's; of each round about 100; acts, charter entries and proven splits whole.
    pub fn for_audit(chain: Vec<Arc<Charter>>, vocabularies: BTreeMap<Digest, Arc<Vocabulary>>) -> Self {
        let mut fold = Self::with_chain(chain, vocabularies);
        fold.shelf = Some(Box::default());
        fold.heads.be_brief();
        fold.logs.values_mut().flatten().for_each(|log| log.tree = Tree::sparse());
        fold
    }

    /// Empty logs of the same members, for an auditor who reads twice.
    pub fn emptied_for_audit(&self) -> Self {
        let mut emptied = Self::for_audit(self.charters.clone(), self.vocabularies.clone());
        emptied.rivals = self.rivals.clone();
        emptied
    }

    /// Signatures that were checked before need not be again.
    pub fn set_checked(&mut self, checked: Checked) {
        self.checked = checked;
    }

    /// Signatures that were found to hold.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// The newest version of the charter: who belongs. Which rules hold, `charter_at` and `charter_of` say.
    pub fn charter(&self) -> &Arc<Charter> {
        self.charters.last().expect("INVARIANT: a fold is made with a charter")
    }

    /// Every version that we hold, the first first.
    pub fn charters(&self) -> &[Arc<Charter>] {
        &self.charters
    }

    /// The version of this hash.
    pub fn charter_named(&self, hash: &Digest) -> Option<&Arc<Charter>> {
        self.charters.iter().find(|charter| charter.hash() == *hash)
    }

    /// The version that a member goes by at a time: the highest that its log had put in force by then. Before
    /// that, the first.
    pub fn charter_at(&self, member: &MemberId, time: Time) -> &Arc<Charter> {
        self.charter_of_entry(member, time, LAST)
    }

    /// As `charter_at`, for an entry of the member's: only entries before it count, whatever their times say.
    pub fn charter_of_entry(&self, member: &MemberId, time: Time, at: Order<'_>) -> &Arc<Charter> {
        let before = self.adopted(member).filter(|(order, _)| *order < at).map(|(_, adopted)| adopted);
        let in_force = before.filter(|adopted| adopted.from <= time);
        let held = in_force.filter_map(|adopted| self.charter_named(&adopted.hash)).next();
        held.unwrap_or(&self.charters[0])
    }

    /// As `charter_of_entry`, for whoever judges another: `None` where the member went by a version that is not
    /// here, so that nothing can be said of what it was allowed.
    pub fn charter_gone_by(&self, member: &MemberId, time: Time, at: Order<'_>) -> Option<&Arc<Charter>> {
        let before = self.adopted(member).filter(|(order, _)| *order < at).map(|(_, adopted)| adopted);
        let mut in_force = before.filter(|said| said.from <= time);
        // A rival that was condemned is as if it had never been.
        let known = |hash: &Digest| self.charter_named(hash).is_some() || !self.condemns(hash);
        match in_force.find(|adopted| known(&adopted.hash)) {
            Some(adopted) => self.charter_named(&adopted.hash),
            None => Some(&self.charters[0]),
        }
    }

    /// The version that a Query names, and under which its round ends (C10); of one that nobody holds the
    /// newest, which then refuses it.
    pub fn charter_of(&self, query: &Digest) -> &Arc<Charter> {
        self.charter_named(query).unwrap_or_else(|| self.charter())
    }

    /// The versions that a member has to do with: from the one that it went by a while ago, under which a round
    /// may still end (`MET_FOR`), to the newest, which may not act yet.
    pub fn met(&self, me: &MemberId, now: Time) -> &[Arc<Charter>] {
        let then = self.charter_at(me, Time(now.0.saturating_sub(MET_FOR.0))).version();
        let joined = self.charters.iter().find(|charter| charter.member(me).is_some());
        let oldest = joined.map_or(0, |joined| joined.version()).max(then);
        let at = self.charters.iter().position(|charter| charter.version() >= oldest);
        &self.charters[at.unwrap_or(0)..]
    }

    /// The version that a log is read by: the one that its member went by when it last wrote there; before it put
    /// any in force, the first that lists the log.
    pub fn charter_of_log(&self, log: &Log) -> Option<&Arc<Charter>> {
        let last = log.last_time(Time(u64::MAX)).unwrap_or(Time(0));
        let lists = |charter: &&Arc<Charter>| {
            charter.member(&log.member).is_some_and(|member| member.keys.log.name == log.origin)
        };
        let then = self.charter_of_entry(&log.member, last, log.order(log.size()));
        Some(then).filter(lists).or_else(|| self.charters.iter().find(lists))
    }

    /// The version that a member left with: the next after its own that does not name it, once so many go by
    /// that or a later one that not all of them can lie. `None` while the newest names it, or before.
    pub fn left_with(&self, me: &MemberId, now: Time) -> Option<&Arc<Charter>> {
        if self.charter().member(me).is_some() {
            return None;
        }
        let own = self.charter_at(me, now).version();
        let mut later = self.charters.iter().filter(|charter| charter.version() > own);
        let left = later.find(|charter| charter.member(me).is_none())?;
        self.is_gone_by(left, now).then_some(left)
    }

    /// Whether so many of a version's voting members go by it, or by a later one, that not all of them can lie.
    pub fn is_gone_by(&self, charter: &Charter, time: Time) -> bool {
        let voting: Vec<_> = charter.members().iter().filter(|member| member.votes()).collect();
        let goes = |member: &&&Member| self.charter_at(&member.id, time).version() >= charter.version();
        voting.iter().filter(goes).count() > voting.len().saturating_sub(1) / 3
    }

    /// Since when a member's notice stands in a version that more of a charter's voting members hold than can lie, as
    /// their logs say; `None` while too few do. What the version says of its own day is its author's word.
    pub fn told_since(&self, charter: &Charter, member: &Member) -> Option<Day> {
        let says = |version: &&Arc<Charter>| {
            version
                .member(&member.id)
                .is_some_and(|told| told.notice.is_some() && told.notice == member.notice)
        };
        let told = self.charters.iter().find(says)?.version();
        let voting: Vec<_> = charter.members().iter().filter(|other| other.votes()).collect();
        let first = |other: &&Member| {
            let since = self.adopted(&other.id).filter(|(_, adopted)| adopted.version >= told);
            since.map(|(_, adopted)| adopted.at).min()
        };
        let mut held: Vec<Time> = voting.iter().filter_map(first).collect();
        held.sort_unstable();
        held.get(voting.len().saturating_sub(1) / 3).map(|at| at.day())
    }

    /// A member as the last version has it that names it.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.charters.iter().rev().find_map(|charter| charter.member(id))
    }

    /// Whether a version that we hold condemns the one of this hash.
    pub fn condemns(&self, hash: &Digest) -> bool {
        self.charters.iter().any(|charter| charter.fields().condemns.contains(hash))
    }

    /// Notes versions that were validly signed beside one that we hold.
    pub fn set_rivals(&mut self, rivals: BTreeSet<Digest>) {
        self.rivals = rivals;
    }

    /// Versions that were validly signed beside one that we hold, and that no version condemns.
    pub fn rivals(&self) -> impl Iterator<Item = &Digest> {
        self.rivals.iter().filter(|rival| !self.condemns(rival))
    }

    /// Whether this is one of those.
    pub fn is_rival(&self, hash: &Digest) -> bool {
        self.rivals.contains(hash)
    }

    /// Whether two rival versions stand, of which no later one condemns any: then nobody answers.
    pub fn in_conflict(&self) -> bool {
        self.rivals().next().is_some()
    }

    /// Whether some log put in force what is not held here, since this was last asked.
    pub(crate) fn take_unknown_versions(&mut self) -> bool {
        std::mem::take(&mut self.unknown_versions)
    }

    /// Since when too few others were heard of that go by the version that `me` goes by: more than a third of
    /// the voting members can be cut off, or lie, with us (C9). `None` while enough of them are.
    pub fn unheard_since(&self, me: &MemberId, now: Time) -> Option<Day> {
        let charter = self.charter_at(me, now);
        let voting = charter.members().iter().filter(|member| member.votes()).count();
        let colluding = voting.saturating_sub(1) / 3;
        let ours = |id: &MemberId| self.charter_at(id, now).hash() == charter.hash();
        let others = voices(charter, me).filter(|id| ours(id));
        let last = |id: &MemberId| self.log(id).and_then(|log| log.last_time(now + CLOCK_SKEW_MAX));
        let mut heard: Vec<Time> = others.filter_map(last).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        match heard.get(colluding) {
            Some(at) if now <= *at + FRESH_FOR => None,
            Some(at) => Some(at.day()),
            None => Some(charter.fields().effective),
        }
    }

    /// All rounds, by Query. Of a fold for audit those that were released, each with what is told of a Release
    /// and no more.
    pub fn rounds(&self) -> &BTreeMap<QueryId, Arc<Round>> {
        &self.rounds
    }

    /// One round.
    pub fn round(&self, query: &QueryId) -> Option<&Arc<Round>> {
        self.rounds.get(query)
    }

    /// What we hold of every log, sorted.
    pub fn heads(&self) -> Vec<Head> {
        let head = |log: &Log| Head { log: log.head, size: log.size(), root: log.tree.root().0 };
        let mut heads: Vec<Head> = self.logs().map(head).collect();
        heads.sort_unstable_by_key(|head| head.log);
        heads
    }

    /// Whether a reference resolves to the entry it names.
    pub fn resolves(&self, reference: &Ref) -> bool {
        let leaf = self.log_named(&reference.log).and_then(|log| log.tree.leaf(reference.index));
        leaf == Some(reference.leaf)
    }

    /// Adds an entry to a member's log, proved or our own, and folds it. A genesis that goes on from the log begins
    /// the next. Returns its reference; `None` of no log here, and in a fold for audit of the 2^32nd of a log.
    pub fn append(&mut self, member: &MemberId, bytes: Arc<[u8]>) -> Option<Ref> {
        let at = self.place_of(member, &bytes)?;
        self.append_to(member, at, bytes)
    }

    /// As `append`, to the log at this place among the member's.
    fn append_to(&mut self, member: &MemberId, place: usize, bytes: Arc<[u8]>) -> Option<Ref> {
        let log = self.logs.get_mut(member)?.get_mut(place)?;
        self.changes += 1;
        let index = log.size();
        if self.shelf.is_some() && u32::try_from(index).is_err() {
            // Places are kept in 32 bits: some 200 GB of memory, and hours, from here.
            return None;
        }
        let leaf = leaf_hash(&bytes);
        log.tree.push(leaf);
        if self.shelf.is_none() || index < BEGINNING {
            log.entries.push(Arc::clone(&bytes));
        }
        log.times.push(shelf::NO_TIME);
        if self.shelf.is_some() {
            log.shelved.push(shelf::NO_ROUND);
        }
        let at = Ref { log: Arc::clone(&log.cited_as), index, leaf };
        self.heads.grown(&log.cited_as, &log.tree);
        let parsed = Entry::parse(&bytes);
        if let (Ok(entry), Some(time)) = (&parsed, log.times.last_mut()) {
            *time = shelf::seconds(entry.at);
        }
        if log.ends.is_some_and(|ends| index >= ends) {
            if let Ok(Entry { body: Body::Debit { debit, .. }, .. }) = parsed {
                log.beyond.push((index, debit));
            }
            return Some(at);
        }
        if !parsed.as_ref().is_ok_and(|entry| matches!(entry.body, Body::Head { .. })) {
            log.told = index + 1;
        }
        if log.stopped.is_some() {
            return Some(at);
        }
        match parsed {
            Ok(entry) if entry.by == *member && entry.seq == index => {
                if entry.body.hurries_everybody() {
                    log.hurried = index + 1;
                }
                // Its author's name as the log has it: every entry shares that.
                let by = log.member.clone();
                if let Body::Genesis { previous: Some(previous), .. } = &entry.body
                    && index == 0
                {
                    self.begin_after(member, place, previous.clone());
                }
                self.fold_entry(at.clone(), Entry { by, ..entry });
            }
            Err(EntryError::Newer) => log.stopped = Some(index),
            Err(EntryError::UnknownKind) => {}
            Ok(_) | Err(EntryError::Malformed(_)) => log.malformed = log.malformed.or(Some(index)),
        }
        Some(at)
    }

    /// Sets the newest signed head of a member's log.
    pub fn set_note(&mut self, member: &MemberId, size: u64, note: String) {
        let place = self.current(member);
        self.set_note_of(member, place, size, note);
    }

    /// As `set_note`, of whichever of a member's logs this head names.
    pub(crate) fn set_signed(&mut self, member: &MemberId, size: u64, note: String) {
        let origin = note.lines().next().unwrap_or_default();
        let place = self.logs_of(member).iter().position(|log| log.origin == origin);
        self.set_note_of(member, place.unwrap_or(0), size, note);
    }

    fn set_note_of(&mut self, member: &MemberId, place: usize, size: u64, note: String) {
        if let Some(log) = self.logs.get_mut(member).and_then(|listed| listed.get_mut(place)) {
            self.changes += 1;
            self.noted.remove(&log.noted_at);
            self.noted.insert(self.changes, (member.clone(), place));
            (log.note, log.noted_at) = (Some((size, note)), self.changes);
        }
    }

    /// Logs whose newest head was set after so many changes.
    pub(crate) fn noted_since(&self, changes: u64) -> impl Iterator<Item = &Log> {
        self.noted.range(changes + 1..).filter_map(|(_, place)| self.at(place))
    }

    /// While this stands, every log is as long as it was, and has the same newest head.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Checks a section against its log's key and tree, and takes what is new in it.
    ///
    /// Returns what was taken, as the journal keeps it: from the first new entry on.
    pub fn take(&mut self, section: &Section) -> Result<Option<Section>, SectionError> {
        self.take_if(section, Self::may_take)
    }

    /// As `take`, of what the journal holds: a log that was taken is not asked again whether it follows as it must. What
    /// is known by now may say otherwise, and all that came after rests on it.
    pub(crate) fn take_again(&mut self, section: &Section) -> Result<Option<Section>, SectionError> {
        self.take_if(section, |_, _, _, _| true)
    }

    fn take_if(
        &mut self,
        section: &Section,
        may_take: impl FnOnce(&mut Self, &MemberId, usize, &[Bytes]) -> bool,
    ) -> Result<Option<Section>, SectionError> {
        let bad = |text: &str| SectionError::Bad(text.to_owned());
        // Of no version that we hold: whoever sends it may hold a later one.
        let Some((member, place)) = self.by_head.get(&section.log).cloned() else { return Ok(None) };
        let log = &self.logs[&member][place];
        if section.entries.iter().any(|entry| entry.0.len() > ENTRY_BYTES_MAX) {
            return Err(bad("an entry longer than an entry may be"));
        }
        let size = log.size();
        if section.from > size {
            return Err(SectionError::Gap);
        }
        let held = usize::try_from(size - section.from).map_err(|_| bad("an endless section"))?;
        let (known, new) = section.entries.split_at(held.min(section.entries.len()));
        let first = usize::try_from(section.from).map_err(|_| bad("an endless section"))?;
        let ours = log.entries.get(first..).unwrap_or_default();
        let same =
            known.len() <= ours.len() && known.iter().zip(ours).all(|(entry, held)| **held == *entry.0);
        if same && new.is_empty() && !section.entries.is_empty() && section.from > 0 {
            return Ok(None);
        }
        let checkpoint = self.open_head(log, &section.note)?;
        if !same || log.tree.root_at(checkpoint.size).is_some_and(|root| root != checkpoint.root) {
            return Err(self.contradiction(log, section, &checkpoint));
        }
        if new.is_empty() {
            return Ok(None);
        }
        let mut edge = log.tree.edge();
        for entry in new {
            edge.push(leaf_hash(&entry.0));
        }
        if !covers(&checkpoint, &edge, &section.proof) {
            return Err(self.contradiction(log, section, &checkpoint));
        }
        if !may_take(self, &member, place, new) {
            return Ok(None);
        }
        let (note, proof) = (section.note.clone(), section.proof.clone());
        let taken = Section { log: section.log, from: size, entries: new.to_vec(), note, proof };
        let (size, note) = (edge.size(), section.note.clone());
        for entry in new {
            self.append_to(&member, place, Arc::from(entry.0.as_slice()));
        }
        if checkpoint.size == size {
            self.set_note_of(&member, place, size, note);
        }
        Ok(Some(taken))
    }

    /// A signed head of a log: the log's own signature and no other line.
    pub fn open_head(&self, log: &Log, note: &str) -> Result<Checkpoint, SectionError> {
        let mut opened = None;
        let parts = [b"head".as_slice(), &log.key, log.origin.as_bytes(), note.as_bytes()];
        self.checked.once(&parts, || opened.insert(signed_alone(note, &log.origin, &log.key)).is_ok());
        // One that was opened before is only read.
        let read = || Checkpoint::parse(split_note(note)?.0);
        opened.unwrap_or_else(read).map_err(|error| SectionError::Bad(error.to_string()))
    }

    /// Whether a signed head fits what we hold, as far as that can be told. Errors: its log's owner
    /// signed two histories, or it cannot yet be told who is at fault.
    pub fn compare_head(&self, log: &Log, note: &str, checkpoint: &Checkpoint) -> Result<(), SectionError> {
        match log.tree.root_at(checkpoint.size) {
            Some(root) if root != checkpoint.root => {
                let prefix = (checkpoint.size, checkpoint.root);
                Err(self.split_view(log, note, prefix, vec![]).unwrap_or(SectionError::Apart))
            }
            _ => Ok(()),
        }
    }

    /// A signed head that does not fit what we hold. If the section shows entries from the first on
    /// and the head covers them, or the head is no longer than what we hold, its owner signed two
    /// histories. If it shows them from the first on and the head does not cover them, its sender
    /// made them up. Else it cannot be told yet.
    fn contradiction(&self, log: &Log, section: &Section, checkpoint: &Checkpoint) -> SectionError {
        if let Err(split) = self.compare_head(log, &section.note, checkpoint) {
            return split;
        }
        if section.from > 0 || section.entries.is_empty() {
            return SectionError::Apart;
        }
        let mut shown = Tree::default();
        section.entries.iter().for_each(|entry| shown.push(leaf_hash(&entry.0)));
        if !covers(checkpoint, &shown.edge(), &section.proof) {
            return SectionError::Bad("entries that its signed head does not cover".into());
        }
        let signed = log.note().map_or(0, |(size, _)| size);
        let size = signed.min(shown.size());
        let proof = match size == shown.size() {
            true => Some(section.proof.iter().map(|hash| Digest(*hash)).collect()),
            // Of a prefix of what it shows only if it shows all that its head covers.
            false if shown.size() == checkpoint.size => shown.consistency_proof(size, checkpoint.size),
            false => None,
        };
        let split = shown.root_at(size).zip(proof);
        let split = split.and_then(|(root, p)| self.split_view(log, &section.note, (size, root), p));
        split.unwrap_or(SectionError::Apart)
    }

    /// The proof that a signed head, which has this prefix, is of another history than the head we hold.
    /// `None` where our own head does not reach so far.
    fn split_view(
        &self,
        log: &Log,
        note: &str,
        (size, root): (u64, Digest),
        proof: Vec<Digest>,
    ) -> Option<SectionError> {
        let (signed, ours) = log.note()?;
        let own = log.tree.root_at(size).filter(|own| *own != root)?;
        let own_proof = if size == signed { vec![] } else { log.tree.consistency_proof(size, signed)? };
        let evidence = Evidence {
            notes: [ours.to_owned(), note.to_owned()],
            size,
            roots: [own, root],
            proofs: [own_proof, proof],
        };
        Some(SectionError::SplitView(Box::new(SplitView {
            member: log.member.clone(),
            log: log.origin.clone(),
            evidence,
        })))
    }

    /// The proof, as some log holds it, that a member signed two histories of the log that it writes now.
    pub fn split(&self, member: &MemberId) -> Option<&(Ref, Box<Evidence>)> {
        self.split_of(&self.log(member)?.origin)
    }

    /// As `split`, of the log with this origin: one that another goes on from may have two, and its author came back.
    pub fn split_of(&self, origin: &str) -> Option<&(Ref, Box<Evidence>)> {
        self.splits.get(origin)
    }

    /// What members say of each other's logs.
    pub fn said_heads(&self) -> &Heads {
        &self.heads
    }

    /// Acts that came since this was last asked.
    pub(crate) fn take_fresh_acts(&mut self) -> Vec<Digest> {
        self.acts.take_fresh()
    }

    /// What members did beside rounds.
    pub fn acts(&self) -> &Acts {
        &self.acts
    }

    /// Alerts that accuse a member of two histories and prove nothing.
    pub fn false_splits(&self) -> &BTreeSet<Ref> {
        &self.false_splits
    }

    fn fold_split(&mut self, at: Ref, origin: &str, evidence: Box<Evidence>) {
        let accused = self.log_named(origin);
        match accused.filter(|log| evidence.check(origin, &log.key).is_ok()) {
            // Which of several alerts stands here must not depend on which came first.
            Some(_) => match self.splits.get(origin) {
                Some((known, _)) if *known <= at => {}
                _ => drop(self.splits.insert(origin.to_owned(), (at, evidence))),
            },
            None => drop(self.false_splits.insert(at)),
        }
    }

    fn fold_heads(&mut self, at: &Ref, time: Time, by: &MemberId, heads: Vec<Checkpoint>) {
        for Checkpoint { origin, size, root } in heads {
            // Of its own log, and of one that is no member's any more, it says nothing here.
            let place = self.by_origin.get(&origin).filter(|(owner, _)| owner != by);
            if let Some(log) = place.and_then(|(owner, at)| self.logs.get(owner)?.get(*at)) {
                let claim = Claim { by: by.clone(), at: at.clone(), time, size, root };
                self.heads.claim(&log.cited_as, &log.tree, claim);
            }
        }
    }

    fn fold_entry(&mut self, at: Ref, entry: Entry) {
        let Entry { at: time, by, body, .. } = entry;
        if matches!(body, Body::Genesis { .. } | Body::Head { .. }) {
            self.heads.speaks(&by, time);
        }
        if let Body::Head { heads } = body {
            return match self.shelf {
                Some(_) => self.shelve_heads(&at, &by, &heads),
                None => self.fold_heads(&at, time, &by, heads),
            };
        }
        if let Body::Act(act) = body {
            return self.acts.add(Done { at, by, time, act });
        }
        if let Body::Split { log, evidence } = body {
            return self.fold_split(at, &log, evidence);
        }
        if let Body::Charter { version, hash, note, from } = body {
            let unknown = self.charter_named(&hash).is_none() && !self.condemns(&hash);
            // More than a chain has, with a rival of each, its author makes up: they would all be searched for ever.
            let place = self.by_origin.get(&*at.log);
            let log = place.and_then(|(owner, at)| self.logs.get_mut(owner)?.get_mut(*at));
            if let Some(log) = log.filter(|log| log.adopted.len() < ADOPTED_MAX) {
                self.unknown_versions |= unknown;
                log.adopted.push(Adopted { index: at.index, at: time, version, hash, note, from });
            }
            return;
        }
        let is_query = matches!(body, Body::Query(_));
        let Some(id) = body.query().or(is_query.then_some(at.leaf)) else { return };
        let held = self.said_to_hold(&by, &body);
        if self.shelf.is_some() {
            return self.shelve(&at, &by, id, held);
        }
        let mut round = self.rounds.remove(&id).unwrap_or_else(|| Arc::new(Round::new(id)));
        let inner = Arc::make_mut(&mut round);
        // What counts for nothing changes nothing: whoever repeats it keeps nobody busy.
        if self.enter(inner, at, by, time, body, held) {
            self.refresh(inner);
        }
        self.rounds.insert(id, round);
        self.touched.insert(id);
    }

    /// Puts an entry into its round. Returns whether it changes anything.
    fn enter(
        &mut self,
        round: &mut Round,
        at: Ref,
        by: MemberId,
        time: Time,
        mut body: Body,
        held: u64,
    ) -> bool {
        for cited in references_mut(&mut body) {
            let log = self.by_origin.get(&*cited.log).and_then(|(owner, at)| self.logs.get(owner)?.get(*at));
            cited.log = log.map_or_else(|| Arc::clone(&cited.log), |log| Arc::clone(&log.cited_as));
        }
        let Body::Query(mut query) = body else {
            if self.shelf.is_some() {
                forget(&mut body);
            }
            return round.add(by, Logged { at, time, body });
        };
        let charter = Arc::clone(self.charter_of(&query.charter));
        let bound = bind(&charter, &self.vocabularies, &mut self.questions, &query, at.leaf, &by, time);
        if self.shelf.is_some() {
            query.question = Value::Object(BTreeMap::new());
            query.lay = Lay::default();
        }
        round.set_query(at, by, time, *query, bound, held);
        true
    }

    /// Draws the consequences of what came into a round.
    fn refresh(&self, round: &mut Round) {
        let named = round.asked().map(|asked| asked.body.charter);
        let charter = named.and_then(|hash| self.charter_named(&hash));
        round.refresh(charter.map(AsRef::as_ref));
    }

    /// How far the author of a Query had said, in entries before it, that it held the log of whoever delegates.
    fn said_to_hold(&self, by: &MemberId, body: &Body) -> u64 {
        let Body::Query(query) = body else { return 0 };
        query.delegation.as_ref().map_or(0, |cited| self.heads.said(by, &cited.log))
    }

    /// Rounds that got an entry since this was last asked.
    pub fn take_touched(&mut self) -> BTreeSet<QueryId> {
        std::mem::take(&mut self.touched)
    }

    /// A delegation came: the rounds that cite it get on, as if an entry of theirs had come.
    pub(crate) fn touch_delegated(&mut self, leaves: &BTreeSet<Digest>) {
        if leaves.is_empty() {
            return;
        }
        let cites = |round: &&Arc<Round>| {
            let cited = round.asked().and_then(|asked| asked.body.delegation.as_ref());
            cited.is_some_and(|cited| leaves.contains(&cited.leaf))
        };
        let citing = self.rounds.values().filter(cites).map(|round| round.id);
        self.touched.extend(citing);
    }

    /// The Query that a query entry by `asker` would be: to judge it before it is written.
    pub fn bind_draft(&self, body: &QueryBody, asker: &MemberId, at: Time) -> Result<Query, String> {
        let known = &mut Questions::default();
        bind(self.charter_of(&body.charter), &self.vocabularies, known, body, Digest::default(), asker, at)
    }
}

/// Drops what no check of an audit reads.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn forget(body: &mut Body) {
    match body {
        Body::Accept { round_key, .. } => *round_key = vec![],
        // A veto needs no reason.
        Body::Refuse { rule, layer, .. } => (*rule, *layer) = (String::new(), String::new()),
        _ => {}
    }
}

/// Whether the signed head covers the tree with this right edge.
fn covers(checkpoint: &Checkpoint, edge: &Edge, proof: &[[u8; 32]]) -> bool {
    if checkpoint.size == edge.size() {
        return proof.is_empty() && checkpoint.root == edge.root();
    }
    let proof: Vec<Digest> = proof.iter().map(|hash| Digest(*hash)).collect();
    verify_consistency(edge.size(), edge.root(), checkpoint.size, checkpoint.root, &proof).is_ok()
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
