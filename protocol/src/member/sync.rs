//! Conversation with peers: pull by vector, push of what is new, blobs behind the entries that name
//! them, and whom to dial. Knows nothing of what entries mean.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, MemberId, Span, Time};

use super::Member;
use super::port::{Event, Output};
use crate::bounds::{
    BLOB_RETRY, BLOBS_IN_FLIGHT_MAX, COSIGNED_MAX, FAULTS_MAX, FAULTS_PARDON, PIECE_BYTES_MAX, PULL_EVERY,
    REDIAL_FIRST, REDIAL_MAX, RELAY_WAIT, REQUESTS_IN_FLIGHT_MAX, SECTIONS_MAX,
};
use crate::fold::{Log, SectionError};
use crate::wire::{BlobPiece, Bytes, Head, Heard, Record, Reply, Request, Section, decode, encode};

/// A section's log, index and lengths, beside its entries, note and proof.
const SECTION_HEAD_BYTES: usize = 64;

/// A log's name in frames: SHA-256 of its origin.
type LogHead = [u8; 32];

/// What a request of ours was for.
enum Pending {
    Pull,
    Push(Vec<(LogHead, u64)>),
    Put(Vec<Put>),
    Get(Digest),
    Cosign,
}

/// A blob that waits for its turn, and for the peer to hold the entry that names it.
#[derive(Clone)]
struct Put {
    hash: Digest,
    /// The entry's log, and its index in there.
    log: LogHead,
    index: u64,
    /// Whether the peer is asked first if it holds it: with an empty piece.
    asks: bool,
    offset: u64,
    /// The length that was sent with the last piece.
    total: u64,
    /// Not before this: the peer refused it, or did not answer.
    at: Time,
    /// Since when it is refused, if it is.
    refused: Option<Time>,
    /// Not before this sooner than its wait, whatever the peer is given.
    hurried_until: Time,
}

/// What a peer lacked was judged then.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Judged {
    /// After so many changes of the fold.
    changes: u64,
    /// Whether it waited for everybody's entries.
    follows: bool,
    /// After so many meeting points came or went.
    points: u64,
}

#[derive(Default)]
struct Peer {
    addresses: Vec<String>,
    we_dial: bool,
    connected: bool,
    /// Entries of each log that it is known to hold; `None` until it told us.
    known: Option<BTreeMap<LogHead, u64>>,
    /// When logs were last held against what it has: what did not change since is not again, or every entry of
    /// anybody's would cost a look at every log for every peer.
    judged: Option<Judged>,
    /// Since when it lacks entries that it does not wait for.
    behind_since: Option<Time>,
    pushing: bool,
    /// Not before this: the last push was not answered.
    push_at: Time,
    pulling: bool,
    pull_at: Time,
    puts: VecDeque<Put>,
    putting: bool,
    getting: usize,
    /// Blobs that were queued for it, by the author whose entry names them.
    queued: BTreeSet<(Digest, MemberId)>,
    /// What witnesses said that it has to hear, by log and witness, and since when.
    cosigned: BTreeSet<(LogHead, MemberId)>,
    cosigned_since: Time,
    cosigning: bool,
    redial_at: Option<Time>,
    backoff: Span,
    faults: u32,
    /// When the last one was seen.
    fault_at: Time,
}

impl Peer {
    /// Tells each time that something of it waits for, and what; nothing does of one that is not connected.
    fn each_timer(&self, mut tell: impl FnMut(Time, &'static str)) {
        if !self.connected {
            return;
        }
        if !self.pulling {
            tell(self.pull_at, "anti-entropy");
        }
        if self.push_at > Time(0) {
            tell(self.push_at, "push again");
        }
        if let Some(since) = self.behind_since {
            tell(since + RELAY_WAIT, "pass on");
        }
        if !self.cosigned.is_empty() && !self.cosigning {
            tell(self.cosigned_since + RELAY_WAIT, "pass on cosignatures");
        }
        self.puts.iter().for_each(|put| tell(put.at, "put again"));
    }

    /// It is given entries, which may tell it what the blobs are for that it refused: once a second at most, for it may
    /// say for ever that it lacks them.
    fn offer_again(&mut self, now: Time) {
        for put in self.puts.iter_mut().filter(|put| put.refused.is_some()) {
            (put.at, put.refused) = (put.at.min(now.max(put.hurried_until)), None);
            put.hurried_until = put.at + BLOB_RETRY;
        }
    }
}

/// All peers, and our requests under way.
pub(super) struct Peers {
    peers: BTreeMap<MemberId, Peer>,
    points: BTreeSet<MemberId>,
    /// Peers to whom there may be something to say; beside them all, if there may to all.
    attention: BTreeSet<MemberId>,
    all_attend: bool,
    /// Timers up to here were seen to.
    attended_at: Time,
    exchanges: BTreeMap<u64, (MemberId, Pending)>,
    last_exchange: u64,
    /// How often a meeting point came or went.
    points_changes: u64,
    /// After so many changes of the fold all peers were last looked at.
    pushed_at: u64,
}

impl Peers {
    /// The other members of these versions: whoever leaves has its time to, and whoever joins is heard before
    /// all go by the version that it joins with. A member's newest addresses come first.
    pub(super) fn new(now: Time, me: &MemberId, met: &[Arc<Charter>]) -> Self {
        let members = || met.iter().rev().flat_map(|charter| charter.members());
        let points: BTreeSet<MemberId> =
            members().filter(|member| member.is_meeting_point()).map(|member| member.id.clone()).collect();
        let mut peers: BTreeMap<MemberId, Peer> = BTreeMap::new();
        for member in members().filter(|member| member.id != *me) {
            // Of two meeting points the one with the smaller id dials, so they share one connection.
            let we_dial = points.contains(&member.id) && (!points.contains(me) || *me < member.id);
            let peer = peers.entry(member.id.clone()).or_insert_with(|| Peer {
                we_dial,
                redial_at: we_dial.then_some(now),
                backoff: REDIAL_FIRST,
                ..Peer::default()
            });
            for address in member.addresses.iter().filter(|_| member.is_meeting_point()) {
                if !peer.addresses.contains(address) {
                    peer.addresses.push(address.clone());
                }
            }
        }
        let (attention, exchanges) = (BTreeSet::new(), BTreeMap::new());
        Self {
            peers,
            points,
            attention,
            all_attend: true,
            attended_at: now,
            exchanges,
            last_exchange: 0,
            points_changes: 0,
            pushed_at: 0,
        }
    }

    /// There may be something to say to this peer.
    fn attend(&mut self, id: &MemberId) {
        if self.peers.contains_key(id) {
            self.attention.insert(id.clone());
        }
    }

    /// There may be something to say to everyone: a blob came.
    pub(super) fn attend_all(&mut self) {
        self.all_attend = true;
    }

    /// Everybody but us.
    pub(super) fn ids(&self) -> impl Iterator<Item = &MemberId> {
        self.peers.keys()
    }

    pub(super) fn is_meeting_point(&self, id: &MemberId) -> bool {
        self.points.contains(id)
    }

    pub(super) fn is_connected(&self, id: &MemberId) -> bool {
        self.peers.get(id).is_some_and(|peer| peer.connected)
    }

    /// Connected meeting points, ourselves aside.
    pub(super) fn meeting_points(&self) -> Vec<MemberId> {
        self.points.iter().filter(|id| self.is_connected(id)).cloned().collect()
    }

    pub(super) fn connected(&self) -> impl Iterator<Item = &MemberId> {
        self.peers.iter().filter(|(_, peer)| peer.connected).map(|(id, _)| id)
    }

    /// Queues a blob for a connected peer, once; whether it is connected.
    pub(super) fn queue_put(
        &mut self,
        to: &MemberId,
        hash: Digest,
        author: &MemberId,
        (log, index): (LogHead, u64),
        at: Time,
        asks: bool,
    ) -> bool {
        let Some(peer) = self.peers.get_mut(to).filter(|peer| peer.connected) else { return false };
        self.attention.insert(to.clone());
        if peer.queued.insert((hash, author.clone())) {
            let (refused, hurried_until) = (None, Time(0));
            peer.puts.push_back(Put {
                hash,
                log,
                index,
                asks,
                offset: 0,
                total: 0,
                at,
                refused,
                hurried_until,
            });
        }
        true
    }

    /// A round is over: what nothing needs any more was queued for nobody.
    pub(super) fn forget_queued(&mut self, is_needed: impl Fn(&Digest) -> bool) {
        self.peers.values_mut().for_each(|peer| peer.queued.retain(|(hash, _)| is_needed(hash)));
    }

    /// What a witness said goes to connected peers: our own word from us, others' from meeting points.
    pub(super) fn queue_cosigned(&mut self, me: &MemberId, log: LogHead, witness: &MemberId, now: Time) {
        if witness != me && !self.points.contains(me) {
            return;
        }
        for peer in self.peers.values_mut().filter(|peer| peer.connected) {
            if peer.cosigned.is_empty() {
                peer.cosigned_since = now;
            }
            peer.cosigned.insert((log, witness.clone()));
        }
    }

    /// The clock was set back: whom to dial was set by what it said before, and nobody is met until then.
    pub(super) fn dial_by(&mut self, latest: Time) {
        for at in self.peers.values_mut().filter_map(|peer| peer.redial_at.as_mut()) {
            *at = latest.min(*at);
        }
    }

    /// Peers of whom something was due after `seen` and is by now, and those to dial. That goes by the clock as it is:
    /// it may be far behind our time, and who waits for others' words to follow it back has to hear them.
    fn due(&self, seen: Time, now: Time, clock: Time) -> Vec<MemberId> {
        let is_due = |peer: &Peer| {
            let mut is_due = peer.redial_at.is_some_and(|at| at <= clock);
            peer.each_timer(|at, _| is_due |= seen < at && at <= now);
            is_due
        };
        self.peers.iter().filter(|(_, peer)| is_due(peer)).map(|(id, _)| id.clone()).collect()
    }

    /// What comes next that waits for a time: after `now`, or for a dial after the clock as it is.
    pub(super) fn next_timer(&self, now: Time, clock: Time) -> Option<(Time, &'static str)> {
        let mut next: Option<(Time, &'static str)> = None;
        let mut take = |at: Time, what| {
            if next.is_none_or(|next| (at, what) < next) {
                next = Some((at, what));
            }
        };
        for peer in self.peers.values() {
            if let Some(at) = peer.redial_at.filter(|at| *at > clock) {
                take(at, "redial");
            }
            peer.each_timer(|at, what| {
                if at > now {
                    take(at, what);
                }
            });
        }
        next
    }

    /// The clock was set back to `now`: what was to be tried later is tried `soon`.
    pub(super) fn step_back(&mut self, now: Time, soon: Time) {
        self.attended_at = self.attended_at.min(now);
        for peer in self.peers.values_mut() {
            for since in peer.puts.iter_mut().filter_map(|put| put.refused.as_mut()) {
                *since = now.min(*since);
            }
            let puts = peer.puts.iter_mut().flat_map(|put| [&mut put.at, &mut put.hurried_until]);
            for at in
                [&mut peer.push_at, &mut peer.pull_at].into_iter().chain(&mut peer.redial_at).chain(puts)
            {
                *at = soon.min(*at);
            }
            for at in [&mut peer.cosigned_since, &mut peer.fault_at].into_iter().chain(&mut peer.behind_since)
            {
                *at = now.min(*at);
            }
        }
    }

    fn note_known(&mut self, peer: &MemberId, log: LogHead, size: u64) {
        if let Some(known) = self.peers.get_mut(peer).and_then(|peer| peer.known.as_mut()) {
            let held = known.entry(log).or_default();
            *held = size.max(*held);
        }
    }
}

impl Member {
    pub(super) fn on_connected(&mut self, id: &MemberId) {
        let now = self.now;
        if self.peers.is_connected(id) {
            // That the one before was lost nobody said; its replies never come.
            self.on_disconnected(id);
        }
        self.peers.attend(id);
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        if peer.faults >= FAULTS_MAX {
            if now < peer.fault_at + FAULTS_PARDON {
                self.after.push(Output::Hangup(id.clone()));
                return;
            }
            peer.faults = 0;
        }
        peer.connected = true;
        peer.redial_at = None;
        peer.pull_at = now;
        let is_point = self.peers.is_meeting_point(id);
        self.peers.points_changes += u64::from(is_point);
        self.blobs.ask_soon(now, id, is_point);
        self.pass_on_to(id);
    }

    pub(super) fn on_disconnected(&mut self, id: &MemberId) {
        self.peers.attend(id);
        self.peers.points_changes += u64::from(self.peers.is_meeting_point(id));
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        let redial_at = peer.we_dial.then_some(self.clock + peer.backoff);
        // Of the connection nothing is left; who it is, and how it behaved, stays known.
        *peer = Peer {
            addresses: std::mem::take(&mut peer.addresses),
            we_dial: peer.we_dial,
            backoff: peer.backoff,
            faults: peer.faults,
            fault_at: peer.fault_at,
            // Logs only grow; a peer that lost its copies says so when it is pushed to.
            known: peer.known.take(),
            redial_at,
            ..Peer::default()
        };
        self.peers.exchanges.retain(|_, (peer, _)| peer != id);
        self.blobs.forget_partial(id);
    }

    pub(super) fn on_dial_failed(&mut self, id: &MemberId) {
        self.peers.attend(id);
        let jitter = self.draw_seed().bytes("jitter")[0];
        let Some(peer) = self.peers.peers.get_mut(id).filter(|peer| !peer.connected && peer.we_dial) else {
            return;
        };
        // Full jitter: a meeting point that comes back is not met by all at once.
        let wait = Span(peer.backoff.0 * (128 + u64::from(jitter) / 2) / 256);
        peer.redial_at = Some(self.clock + wait);
        peer.backoff = Span((peer.backoff.0 * 2).min(REDIAL_MAX.0));
    }

    fn request(&mut self, to: &MemberId, pending: Pending, request: &Request) {
        self.peers.last_exchange += 1;
        let exchange = self.peers.last_exchange;
        self.peers.exchanges.insert(exchange, (to.clone(), pending));
        self.after.push(Output::Request { to: to.clone(), exchange, bytes: encode(request) });
    }

    /// A peer's program misbehaves: counted, told, and after a while it is hung up on.
    fn fault(&mut self, from: &MemberId, what: &str) {
        self.tell(Event::Fault(from.clone(), what.to_owned()));
        let Some(peer) = self.peers.peers.get_mut(from) else { return };
        peer.faults += 1;
        peer.fault_at = self.now;
        if peer.faults >= FAULTS_MAX {
            self.after.push(Output::Hangup(from.clone()));
        }
    }

    pub(super) fn on_request(&mut self, from: &MemberId, exchange: u64, bytes: &[u8]) {
        if !self.peers.peers.contains_key(from) {
            return;
        }
        self.peers.attend(from);
        let reply = match decode::<Request>(bytes) {
            Ok(Request::Pull { have, heard }) => self.on_pull(from, &have, &heard),
            Ok(Request::Push { sections }) => self.on_push(from, &sections),
            Ok(Request::BlobPut { pieces }) => {
                let pieces = pieces.iter().take(BLOBS_IN_FLIGHT_MAX);
                let held = pieces.map(|p| self.on_piece(from, Digest(p.hash), p.total, p.offset, &p.bytes.0));
                Reply::Stored { held: held.collect() }
            }
            Ok(Request::BlobGet { hash, offset }) => {
                let hash = Digest(hash);
                if self.may_read(from, &hash) {
                    let to = from.clone();
                    self.after.push(Output::ReplyPiece { to, exchange, hash, offset });
                    return;
                }
                Reply::Absent
            }
            Ok(Request::Cosign { cosigned }) => {
                self.on_cosigned(from, &cosigned);
                Reply::Took { sizes: vec![] }
            }
            Err(error) => {
                self.fault(from, &format!("a frame that is none: {error}"));
                Reply::Incompatible
            }
        };
        self.after.push(Output::Reply { to: from.clone(), exchange, bytes: encode(&reply) });
    }

    /// Whether a peer may read a blob we hold: a sealed share its addressee and the meeting points, which
    /// pass it on; all else every member.
    fn may_read(&self, from: &MemberId, hash: &Digest) -> bool {
        self.blobs.holds(hash) && (self.peers.is_meeting_point(from) || self.blobs.concerns(from, hash))
    }

    fn on_pull(&mut self, from: &MemberId, have: &[Head], heard: &[Heard]) -> Reply {
        let (mut known, mut apart) = (BTreeMap::new(), BTreeMap::new());
        for head in have.iter().take(SECTIONS_MAX) {
            let Some(log) = self.fold.log_by_head(&head.log) else { continue };
            let root = log.tree().root_at(head.size);
            // Another history than ours: it gets no more of it, but sees, last, how ours begins, with
            // the head that its owner signed.
            let is_apart = root.is_some_and(|root| root.0 != head.root);
            if is_apart {
                apart.insert(head.log, head.size);
            }
            known.insert(head.log, if is_apart { u64::MAX } else { head.size });
        }
        let (mut sections, more) = self.sections_beyond(&known, PIECE_BYTES_MAX, |_| true);
        if !more {
            // No further than it holds itself: then its own head and this one prove the two histories.
            let room = PIECE_BYTES_MAX / 4 / apart.len().max(1);
            let begin =
                |(log, held): (&LogHead, &u64)| self.fold.log_by_head(log)?.section_within(0, *held, room);
            sections.extend(apart.iter().filter_map(begin));
        }
        let own = self.fold.log(&self.settings.me).and_then(|log| known.get(&log.head()));
        let own = own.copied().unwrap_or(0);
        let now = self.now;
        if let Some(peer) = self.peers.peers.get_mut(from) {
            peer.known = Some(known);
            peer.judged = None;
            if !sections.is_empty() {
                peer.offer_again(now);
            }
        }
        self.on_shown_own(from, own);
        // They fill half a frame by themselves.
        let cosigned = if sections.is_empty() { self.unheard(from, heard) } else { vec![] };
        Reply::Sections { sections, cosigned, more }
    }

    /// Sections of all logs that pass `wanted` and go beyond what is known, up to a page of `room`.
    fn sections_beyond(
        &self,
        known: &BTreeMap<LogHead, u64>,
        mut room: usize,
        wanted: impl Fn(&MemberId) -> bool,
    ) -> (Vec<Section>, bool) {
        let mut sections = vec![];
        for log in self.fold.logs().filter(|log| wanted(&log.member)) {
            let from = known.get(&log.head()).copied().unwrap_or(0);
            let Some((signed, _)) = log.note() else { continue };
            if from >= signed {
                continue;
            }
            let Some(section) = log.section(from, room) else { return (sections, true) };
            let entries: usize = section.entries.iter().map(|entry| entry.0.len() + 8).sum();
            let proof = section.note.len() + section.proof.len() * 32 + SECTION_HEAD_BYTES;
            room = room.saturating_sub(entries + proof);
            let whole = from + section.entries.len() as u64 == signed;
            sections.push(section);
            if !whole || room == 0 {
                return (sections, true);
            }
        }
        (sections, false)
    }

    fn on_push(&mut self, from: &MemberId, sections: &[Section]) -> Reply {
        let mut sizes = vec![];
        for section in sections.iter().take(SECTIONS_MAX) {
            if let Some(head) = self.take_section(from, section) {
                sizes.push(head);
            }
        }
        Reply::Took { sizes }
    }

    /// Takes a section from a peer; what we hold of that log afterwards.
    fn take_section(&mut self, from: &MemberId, section: &Section) -> Option<Head> {
        if self.fold.member_by_head(&section.log) == Some(&self.settings.me) {
            self.hear_own_head(&section.log, &section.note);
            if self.gate.is_some() && !self.halted {
                self.take_own(from, section);
            }
            return self.head_of(&section.log);
        }
        if self.is_closed(section) {
            return self.head_of(&section.log);
        }
        match self.fold.take(section) {
            Ok(taken) => {
                self.fold.log_by_head(&section.log)?;
                self.peers.note_known(from, section.log, section.end());
                if let Some(taken) = taken {
                    self.outputs.push_back(Output::Keep(Record::Copied(taken)));
                }
                self.head_of(&section.log)
            }
            Err(error) => {
                self.on_section_error(from, error);
                None
            }
        }
    }

    pub(super) fn on_section_error(&mut self, from: &MemberId, error: SectionError) {
        match error {
            SectionError::Gap => {
                // Something between was lost: the next pull brings it.
                let now = self.now;
                if let Some(peer) = self.peers.peers.get_mut(from) {
                    peer.pull_at = now;
                }
            }
            // Whoever passes on what a log's owner signed is not to blame for it.
            SectionError::SplitView(split) => self.on_split(*split),
            SectionError::Apart => {}
            SectionError::Bad(what) => self.fault(from, &what),
        }
    }

    fn head_of(&self, log: &LogHead) -> Option<Head> {
        let log = self.fold.log_by_head(log)?;
        Some(Head { log: log.head(), size: log.size(), root: log.tree().root().0 })
    }

    pub(super) fn on_reply(&mut self, from: &MemberId, exchange: u64, bytes: Option<&[u8]>) {
        let Some((peer, pending)) = self.peers.exchanges.remove(&exchange) else { return };
        if peer != *from {
            return;
        }
        self.peers.attend(from);
        let reply = bytes.and_then(|bytes| decode::<Reply>(bytes).ok());
        let settled = self.peers.peers.get_mut(from);
        let Some(settled) = settled else { return };
        if reply.is_some() {
            settled.backoff = REDIAL_FIRST;
        }
        match (pending, reply) {
            (Pending::Pull, reply) => {
                settled.pulling = false;
                self.on_sections(from, reply);
            }
            (Pending::Push(sent), reply) => {
                settled.pushing = false;
                self.on_took(from, &sent, reply);
            }
            (Pending::Put(puts), reply) => {
                settled.putting = false;
                let held = match reply {
                    Some(Reply::Stored { held }) if held.len() == puts.len() => held,
                    _ => vec![None; puts.len()],
                };
                puts.into_iter().zip(held).for_each(|(put, held)| self.on_stored(from, put, held));
            }
            (Pending::Get(hash), Some(Reply::Piece { total, bytes })) => {
                settled.getting -= 1;
                let offset = self.blobs.partial_len(from, &hash);
                let held = self.on_piece(from, hash, total, offset, &bytes.0);
                // All but the last are full: whoever gives less is asked again in its turn, not at once for ever.
                let is_full = bytes.0.len() == PIECE_BYTES_MAX;
                if let Some(held) = held.filter(|held| *held < total && is_full) {
                    let _or_later = self.ask_for_blob(from, hash, held);
                }
            }
            (Pending::Get(_), _) => settled.getting -= 1,
            // What was lost the next pull brings.
            (Pending::Cosign, _) => settled.cosigning = false,
        }
    }

    fn on_sections(&mut self, from: &MemberId, reply: Option<Reply>) {
        let Some(Reply::Sections { sections, cosigned, more }) = reply else {
            let again = self.now + REDIAL_FIRST;
            if let Some(peer) = self.peers.peers.get_mut(from) {
                peer.pull_at = again;
            }
            return;
        };
        let before = self.fold.entries_held();
        for section in sections.iter().take(SECTIONS_MAX) {
            self.take_section(from, section);
        }
        self.on_cosigned(from, &cosigned);
        let grew = self.fold.entries_held() > before;
        if !more && !grew && !self.halted {
            self.on_told_all(from);
        }
        // A peer that says `more` and brings nothing new is asked again in its turn.
        let again = grew && (more || self.gate.is_some());
        let next = if again { self.now } else { self.now + self.pull_wait() };
        if let Some(peer) = self.peers.peers.get_mut(from) {
            // A gap may have asked for a pull meanwhile.
            peer.pull_at = peer.pull_at.min(next);
        }
    }

    fn on_took(&mut self, from: &MemberId, sent: &[(LogHead, u64)], reply: Option<Reply>) {
        let Some(Reply::Took { sizes }) = reply else {
            // The push may or may not have arrived: what is held already costs the peer nothing.
            let again = self.now + REDIAL_FIRST;
            if let Some(peer) = self.peers.peers.get_mut(from) {
                (peer.push_at, peer.judged) = (again, None);
            }
            return;
        };
        let now = self.now;
        if let Some(peer) = self.peers.peers.get_mut(from) {
            peer.offer_again(now);
        }
        let took: BTreeMap<[u8; 32], u64> = sizes.iter().map(|head| (head.log, head.size)).collect();
        for (log, size) in sent {
            let held = took.get(log).copied();
            // What it did not take it is not offered again before it pulls, and says what it has.
            self.peers.note_known(from, *log, held.unwrap_or(0).max(*size));
        }
    }

    /// A put was answered: the rest goes next; refused, unanswered or not grown, it goes again later,
    /// for the peer may not yet hold all the entries that tell it what the blob is for.
    fn on_stored(&mut self, from: &MemberId, put: Put, held: Option<u64>) {
        let now = self.now;
        if !self.blobs.is_needed(&put.hash) {
            return;
        }
        let Some(peer) = self.peers.peers.get_mut(from) else { return };
        let (asks, offset, at, refused) = match held {
            Some(held) if held == put.total => return,
            Some(0) if put.asks => (false, 0, Time(0), put.refused),
            Some(held) if held > put.offset && held < put.total => (false, held, Time(0), put.refused),
            _ => {
                let since = put.refused.unwrap_or(now);
                (true, 0, now + self.blobs.retry_after(&put.hash, since, now), Some(since))
            }
        };
        peer.puts.push_front(Put { asks, offset, at, refused, ..put });
    }

    /// Asks a connected peer for a blob.
    /// Whether it was asked: not while too much is asked of that peer already.
    pub(super) fn ask_for_blob(&mut self, from: &MemberId, hash: Digest, offset: u64) -> bool {
        let Some(peer) = self.peers.peers.get_mut(from) else { return false };
        let free = peer.getting < REQUESTS_IN_FLIGHT_MAX;
        if free {
            peer.getting += 1;
            self.request(from, Pending::Get(hash), &Request::BlobGet { hash: hash.0, offset });
        }
        free
    }

    /// Everything there is to say to peers now: after every input, once rounds have settled.
    pub(super) fn converse(&mut self) {
        self.fetch_missing();
        let (seen, now) = (self.peers.attended_at, self.now);
        let due = self.peers.due(seen, now, self.clock);
        self.peers.attention.extend(due);
        self.peers.attended_at = now;
        let attention = std::mem::take(&mut self.peers.attention);
        let attention: Vec<MemberId> = match std::mem::take(&mut self.peers.all_attend) {
            true => self.peers.ids().cloned().collect(),
            false => attention.into_iter().collect(),
        };
        for id in attention {
            self.dial(&id);
            self.pull(&id);
            self.push(&id);
            self.put(&id);
            self.pass_on_cosigned(&id);
        }
        let changes = self.fold.changes();
        if std::mem::replace(&mut self.peers.pushed_at, changes) != changes {
            let free = self.peers.peers.iter().filter(|(_, peer)| peer.connected && !peer.pushing);
            let free: Vec<MemberId> = free.map(|(id, _)| id.clone()).collect();
            free.iter().for_each(|id| self.push(id));
        }
    }

    fn dial(&mut self, id: &MemberId) {
        let now = self.clock;
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        if peer.connected || peer.redial_at.is_none_or(|at| at > now) {
            return;
        }
        // Set again if it fails; a dial that hangs is tried again after the longest wait.
        peer.redial_at = Some(now + REDIAL_MAX);
        let addresses = peer.addresses.clone();
        self.after.push(Output::Dial(id.clone(), addresses));
    }

    /// How long until a peer is pulled from again: from a while before a deadline on as often as others count on
    /// (`DEBIT_GRACE`), else as seldom as our settings say.
    fn pull_wait(&self) -> Span {
        let every = self.settings.pull_every;
        if every <= PULL_EVERY {
            return every;
        }
        let early = Span(3 * PULL_EVERY.0);
        let deadlines = self.round_timeouts().map(|(_, at, _)| at).filter(|at| *at > self.now);
        let soon = deadlines.min().map_or(every, |at| Span((at - self.now).0.saturating_sub(early.0)));
        soon.min(every).max(PULL_EVERY)
    }

    fn pull(&mut self, id: &MemberId) {
        let (now, wait) = (self.now, self.pull_wait());
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        if !peer.connected || peer.pulling || peer.pull_at > now {
            return;
        }
        peer.pulling = true;
        peer.pull_at = now + wait;
        let (have, heard) = (self.fold.heads(), self.heard());
        self.request(id, Pending::Pull, &Request::Pull { have, heard });
    }

    /// New entries go to a peer at once if it waits for one of them: our own from us, others' from the
    /// meeting point whose turn it is. What nobody waits for goes along with what somebody does, or a
    /// while later. One push is under way at a time, and what arrives meanwhile goes in the next.
    fn push(&mut self, id: &MemberId) {
        let Some(peer) = self.peers.peers.get(id) else { return };
        let free = peer.connected && !peer.pushing && peer.push_at <= self.now;
        let Some(known) = peer.known.as_ref().filter(|_| free) else { return };
        let (now, relays) = (self.now, self.peers.is_meeting_point(&self.settings.me));
        let ours = |log: &MemberId| (relays || *log == self.settings.me) && log != id;
        let changes = self.fold.changes();
        let judged = Judged { changes, follows: self.follows(id), points: self.peers.points_changes };
        let since = match peer.judged {
            Some(before) if Judged { changes, ..before } == judged => before.changes,
            Some(_) | None => 0,
        };
        let held = |log: &Log| known.get(&log.head()).copied().unwrap_or(0);
        let waits_for_all = judged.follows || self.peers.is_meeting_point(id);
        let waits_for = |log: &Log| {
            (waits_for_all || log.hurries(held(log)))
                && (log.member == self.settings.me || self.passes_on(log, id))
        };
        let (mut lacks, mut goes) = (since > 0 && peer.behind_since.is_some(), false);
        for log in self.fold.noted_since(since) {
            if ours(&log.member) && log.note().is_some_and(|(signed, _)| held(log) < signed) {
                lacks = true;
                goes = goes || waits_for(log);
            }
        }
        let behind_since = lacks.then(|| peer.behind_since.unwrap_or(now));
        goes |= behind_since.is_some_and(|since| since + RELAY_WAIT <= now);
        let (sections, more) =
            if goes { self.sections_beyond(known, PIECE_BYTES_MAX, ours) } else { (vec![], false) };
        let sent: Vec<_> = sections.iter().map(|section| (section.log, section.end())).collect();
        if let Some(peer) = self.peers.peers.get_mut(id) {
            peer.behind_since = behind_since.filter(|_| !goes);
            peer.judged = Some(judged).filter(|_| !more);
            peer.pushing = !sections.is_empty();
            peer.push_at = Time(0);
        }
        if !sections.is_empty() {
            self.request(id, Pending::Push(sent), &Request::Push { sections });
        }
    }

    /// What witnesses said goes on a while after the first of it came, in one frame.
    fn pass_on_cosigned(&mut self, id: &MemberId) {
        let now = self.now;
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        let due = !peer.cosigned.is_empty() && peer.cosigned_since + RELAY_WAIT <= now;
        if !peer.connected || peer.cosigning || !due {
            return;
        }
        peer.cosigning = true;
        let pairs: Vec<_> = std::iter::from_fn(|| peer.cosigned.pop_first()).take(COSIGNED_MAX).collect();
        let cosigned = pairs.iter().filter_map(|(log, witness)| self.witnessed.one(log, witness)).collect();
        self.request(id, Pending::Cosign, &Request::Cosign { cosigned });
    }

    /// Whether a member waits for every entry of an open round: who asked, and who holds a seat or may.
    fn follows(&self, id: &MemberId) -> bool {
        let mut open = self.open.iter().filter_map(|open| self.fold.round(open));
        open.any(|round| {
            let asks = round.asked().is_some_and(|asked| asked.asker == *id);
            asks || round.plan().is_some_and(|plan| match plan.awaits_lot() {
                // The lot that names the seats waits for every debit.
                true => plan.members.binary_search(id).is_ok(),
                false => plan.committee.contains(id),
            })
        })
    }

    /// Whether it is our turn to pass a log on to a peer at once: of the meeting points that we know to
    /// be there one has it, by the names of log and peer. Authors reach every meeting point themselves.
    pub(super) fn passes_on(&self, log: &Log, peer: &MemberId) -> bool {
        let Some(other) = self.fold.log(peer).filter(|_| !self.peers.is_meeting_point(peer)) else {
            return false;
        };
        let me = &self.settings.me;
        let there = |point: &&MemberId| *point == me || self.peers.is_connected(point);
        let points = self.peers.points.iter().filter(|point| **point != log.member).filter(there);
        let points: Vec<&MemberId> = points.collect();
        let turn = usize::from(log.head()[0]) + usize::from(other.head()[0]);
        points.get(turn % points.len().max(1)).is_some_and(|point| *point == me)
    }

    /// Blobs for a peer that holds the entries which name them: as many as fit a frame, and while one
    /// frame is under way the rest gathers for the next.
    fn put(&mut self, id: &MemberId) {
        let now = self.now;
        let Some(peer) = self.peers.peers.get_mut(id) else { return };
        let Some(known) = peer.known.as_ref().filter(|_| peer.connected && !peer.putting) else { return };
        let ready = |put: &Put| put.at <= now && known.get(&put.log).is_some_and(|size| *size > put.index);
        let (mut puts, mut pieces, mut room) = (vec![], vec![], PIECE_BYTES_MAX);
        let mut left = VecDeque::new();
        for mut put in std::mem::take(&mut peer.puts) {
            if !self.blobs.is_needed(&put.hash) {
                continue; // Its round ended meanwhile.
            }
            if room == 0 || pieces.len() == BLOBS_IN_FLIGHT_MAX || !ready(&put) {
                left.push_back(put);
                continue;
            }
            if put.asks {
                // Of any length but none.
                (put.offset, put.total) = (0, 1);
                let bytes = Bytes(vec![]);
                pieces.push(BlobPiece { hash: put.hash.0, total: put.total, offset: 0, bytes });
                puts.push(put);
                continue;
            }
            let Some(bytes) = self.blobs.cached(&put.hash) else {
                if self.blobs.may_load(&put.hash) {
                    self.after.push(Output::LoadBlob(put.hash));
                }
                // Its turn comes when it is loaded; if it never is, the round goes on without.
                left.push_back(put);
                continue;
            };
            let start = usize::try_from(put.offset).unwrap_or(usize::MAX).min(bytes.len());
            let piece = &bytes[start..bytes.len().min(start + room)];
            room -= piece.len();
            put.total = bytes.len() as u64;
            pieces.push(BlobPiece {
                hash: put.hash.0,
                total: put.total,
                offset: put.offset,
                bytes: Bytes(piece.to_vec()),
            });
            puts.push(put);
        }
        peer.puts = left;
        peer.putting = !puts.is_empty();
        if !puts.is_empty() {
            self.request(id, Pending::Put(puts), &Request::BlobPut { pieces });
        }
    }
}
