//! Blobs: what we hold, what we still need, and who needs what we hold.
//!
//! Every blob is named by an entry; the entry tells its addressees. Whoever holds a blob that a
//! connected addressee lacks sends it; an author whose addressee is not connected leaves it with the
//! meeting points, which do the same when the addressee comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};

use super::Member;
use super::port::{Event, Output};
use crate::acts::{Act, TEXT_BYTES_MAX};
use crate::bounds::{
    ACT_TEXTS_MAX, BLOB_BYTES_MAX, BLOB_RETRY, BLOB_RETRY_MAX, BLOB_RETRY_PART, BLOBS_IN_FLIGHT_MAX,
    CHARTER_NOTE_BYTES_MAX, PARTIAL_BYTES_MAX, RELAY_WAIT, TEXT_RETRY_MAX, TEXTS_CACHED_BYTES_MAX,
    VERSIONS_FETCHED_MAX,
};
use crate::entry::{Body, Ref};
use crate::log::tree::sha256;
use crate::rounds::{Kind, Logged, Plan, Round};

/// A log's name in frames, and an index in it.
type Place = ([u8; 32], u64);

/// Who a blob is from and for. One blob may be named by several: whoever copies another's blob name
/// into an entry of its own takes nothing away from the first.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Need {
    /// The Query; of the text of an act, the entry that names it.
    round: QueryId,
    author: MemberId,
    /// The author's entry that names it, by its log's name in frames and its index: a peer must hold that first.
    at: Place,
    addressees: Vec<MemberId>,
    what: What,
}

/// What a blob is to an entry that names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// A sealed share, for its addressee alone.
    Share,
    /// A seat's verifier shares.
    Verifier,
    /// The text of an act.
    Text,
    /// The note of a version of the charter.
    Version,
}

impl What {
    /// More than that it has not, in bytes.
    fn most(self) -> usize {
        match self {
            Self::Share | Self::Verifier => BLOB_BYTES_MAX,
            Self::Text => TEXT_BYTES_MAX,
            Self::Version => CHARTER_NOTE_BYTES_MAX,
        }
    }
}

impl Need {
    fn is_sealed(&self) -> bool {
        self.what == What::Share
    }
}

/// A blob that is missing here.
#[derive(Clone, Copy)]
struct Wanted {
    /// Since when.
    since: Time,
    /// When somebody was asked for it last.
    asked: Option<Time>,
    /// When it is asked for again.
    at: Time,
    /// How often it was.
    tries: usize,
}

impl Wanted {
    fn new(now: Time) -> Self {
        Self { since: now, asked: None, at: now + BLOB_RETRY, tries: 0 }
    }
}

/// Whether a blob is the text of acts and nothing else.
fn are_texts(needs: &[Need]) -> bool {
    !needs.is_empty() && needs.iter().all(|need| need.what == What::Text)
}

/// How long until a blob is asked for, or offered, again that nobody gave, or took, since then.
fn retry_after(needs: &[Need], since: Time, now: Time) -> Span {
    let most = if are_texts(needs) { TEXT_RETRY_MAX } else { BLOB_RETRY_MAX };
    Span(((now - since).0 / BLOB_RETRY_PART).clamp(BLOB_RETRY.0, most.0))
}

/// Bytes that lie on disk too. Those of open rounds stay while these last, texts of acts while there is room.
#[derive(Default)]
struct Cache {
    /// With whether they may go.
    blobs: BTreeMap<Digest, (Arc<[u8]>, bool)>,
    /// Those that may, the oldest first, and how long they are.
    may_go: VecDeque<(Digest, usize)>,
    may_go_bytes: usize,
}

impl Cache {
    fn get(&self, hash: &Digest) -> Option<&Arc<[u8]>> {
        self.blobs.get(hash).map(|(bytes, _)| bytes)
    }

    fn insert(&mut self, hash: Digest, bytes: Arc<[u8]>) {
        self.blobs.entry(hash).or_insert((bytes, false));
    }

    /// From now on this one goes when there is no room.
    fn let_go(&mut self, hash: &Digest) {
        let Some((bytes, goes)) = self.blobs.get_mut(hash).filter(|(_, goes)| !goes) else { return };
        *goes = true;
        self.may_go.push_back((*hash, bytes.len()));
        self.may_go_bytes += bytes.len();
        while self.may_go_bytes > TEXTS_CACHED_BYTES_MAX
            && let Some((oldest, length)) = self.may_go.pop_front()
        {
            self.may_go_bytes -= length;
            self.blobs.remove(&oldest);
        }
    }
}

#[derive(Default)]
pub(super) struct Blobs {
    held: BTreeSet<Digest>,
    cache: Cache,
    loading: BTreeSet<Digest>,
    needs: BTreeMap<Digest, Vec<Need>>,
    /// Missing blobs.
    wanted: BTreeMap<Digest, Wanted>,
    partial: BTreeMap<(MemberId, Digest), Vec<u8>>,
    /// How many texts of its acts each member named.
    texts: BTreeMap<MemberId, u32>,
    /// Notes of charter versions that are fetched, with who says that it goes by them and the SHA-256 of the text;
    /// and how often one's were.
    versions: BTreeMap<Digest, BTreeSet<(MemberId, Digest)>>,
    fetched: BTreeMap<MemberId, u32>,
}

impl Blobs {
    pub(super) fn new(held: BTreeSet<Digest>) -> Self {
        Self { held, ..Self::default() }
    }

    pub(super) fn holds(&self, hash: &Digest) -> bool {
        self.held.contains(hash)
    }

    pub(super) fn is_needed(&self, hash: &Digest) -> bool {
        self.needs.contains_key(hash)
    }

    fn needs(&self, hash: &Digest) -> &[Need] {
        self.needs.get(hash).map_or(&[], Vec::as_slice)
    }

    /// How long until a blob is offered again that a peer refuses since then.
    pub(super) fn retry_after(&self, hash: &Digest, since: Time, now: Time) -> Span {
        retry_after(self.needs(hash), since, now)
    }

    /// Whether a member may read a blob: a sealed share is for its addressees.
    pub(super) fn concerns(&self, member: &MemberId, hash: &Digest) -> bool {
        self.needs(hash).iter().all(|need| !need.is_sealed()) || self.is_for(member, hash)
    }

    /// The round whose sealed share this is; `None` of what stays after its round.
    fn round_of_share(&self, hash: &Digest) -> Option<QueryId> {
        let needs = self.needs.get(hash)?;
        needs.iter().find(|need| need.is_sealed()).map(|need| need.round)
    }

    /// The rounds that need a blob.
    fn rounds_of(&self, hash: &Digest) -> Vec<QueryId> {
        self.needs(hash).iter().map(|need| need.round).collect()
    }

    /// Who a blob is for: of a sealed share its seat alone, whoever else names it.
    fn needs_of(&self, hash: &Digest) -> impl Iterator<Item = &Need> {
        let needs = self.needs(hash);
        let sealed = needs.iter().any(Need::is_sealed);
        needs.iter().filter(move |need| need.is_sealed() || !sealed)
    }

    /// Whose turn it is among blobs: by the entry that names it first, and of its shares by whom it is for. Never by
    /// its name, which hangs on a share's randomness: no run could be done again.
    fn turn(&self, hash: &Digest) -> Option<(Place, Vec<MemberId>)> {
        let first = self.needs.get(hash)?.first()?;
        Some((first.at, if first.is_sealed() { first.addressees.clone() } else { vec![] }))
    }

    fn is_for(&self, member: &MemberId, hash: &Digest) -> bool {
        self.needs_of(hash).any(|need| need.addressees.contains(member))
    }

    pub(super) fn cached(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.cache.get(hash).cloned()
    }

    /// Keeps bytes at hand that lie on disk too, texts of acts while there is room.
    fn cache(&mut self, hash: Digest, bytes: Arc<[u8]>) {
        self.cache.insert(hash, bytes);
        if are_texts(self.needs(&hash)) {
            self.cache.let_go(&hash);
        }
    }

    /// Whether the bytes are on disk only and nobody asked for them yet.
    fn needs_load(&mut self, hash: &Digest) -> bool {
        self.held.contains(hash) && self.cache.get(hash).is_none() && self.loading.insert(*hash)
    }

    /// The same of what peers lack, of which so much is loaded at one time: all that lies here may be for them.
    pub(super) fn may_load(&mut self, hash: &Digest) -> bool {
        self.loading.len() < BLOBS_IN_FLIGHT_MAX && self.needs_load(hash)
    }

    pub(super) fn partial_len(&self, from: &MemberId, hash: &Digest) -> u64 {
        self.partial.get(&(from.clone(), *hash)).map_or(0, Vec::len) as u64
    }

    /// Forgets what a finished round needed. Whether sealed shares are held that go with it.
    pub(super) fn forget(&mut self, round: &QueryId) -> bool {
        let mut shares = false;
        self.needs.retain(|hash, needs| {
            let sealed = needs.iter().any(|need| need.is_sealed() && need.round == *round);
            let before = needs.len();
            needs.retain(|need| need.round != *round && (!sealed || need.is_sealed()));
            if needs.len() < before {
                self.cache.blobs.remove(hash);
            }
            if needs.is_empty() {
                self.wanted.remove(hash);
                self.partial.retain(|(_, partial), _| partial != hash);
                shares |= sealed && self.held.remove(hash);
            }
            !needs.is_empty()
        });
        shares
    }

    /// A version's note came: whether nothing else names this blob.
    fn forget_version(&mut self, note: &Digest, said: &BTreeSet<(MemberId, Digest)>) -> bool {
        let Some(needs) = self.needs.get_mut(note) else { return true };
        needs.retain(|need| said.iter().all(|(_, text)| need.round != *text));
        let alone = needs.is_empty();
        if alone {
            self.needs.remove(note);
            self.wanted.remove(note);
            self.partial.retain(|(_, partial), _| partial != note);
        }
        alone
    }

    /// A peer came: what it may hold, as the author or a meeting point, is asked for soon. But once somebody was asked
    /// no sooner than after a part of the wait: peers come and go as often as they like.
    pub(super) fn ask_soon(&mut self, now: Time, peer: &MemberId, is_point: bool) {
        for (hash, wanted) in &mut self.wanted {
            let needs = self.needs.get(hash).map_or(&[][..], Vec::as_slice);
            if !is_point && needs.iter().all(|need| need.author != *peer) {
                continue;
            }
            let part = Span(retry_after(needs, wanted.since, now).0 / BLOB_RETRY_PART);
            let asked = wanted.asked.map_or(now, |asked| asked + part);
            wanted.at = wanted.at.min(asked.max(now + BLOB_RETRY));
        }
    }

    /// The clock was set back to `now`: nothing is missing since later than that, and all is asked for soon.
    pub(super) fn step_back(&mut self, now: Time) {
        for wanted in self.wanted.values_mut() {
            wanted.since = now.min(wanted.since);
            wanted.asked = wanted.asked.map(|asked| now.min(asked));
            wanted.at = wanted.at.min(now + BLOB_RETRY);
        }
    }

    /// What a peer began to send is lost with its connection.
    pub(super) fn forget_partial(&mut self, peer: &MemberId) {
        self.partial.retain(|(from, _), _| from != peer);
    }

    /// When a missing blob is asked for again.
    pub(super) fn timeout(&self, now: Time) -> Option<Time> {
        self.wanted.values().map(|wanted| wanted.at).filter(|at| *at > now).min()
    }
}

impl Member {
    /// A blob of our own making, or one that arrived whole: to the disk, and onwards. `round` says
    /// whose sealed share it is.
    pub(super) fn keep_blob(&mut self, hash: Digest, bytes: Arc<[u8]>, round: Option<QueryId>) {
        if self.blobs.held.insert(hash) {
            self.outputs.push_back(Output::StoreBlob { hash, bytes: bytes.clone(), round });
        }
        self.blobs.cache(hash, bytes);
        self.blobs.wanted.remove(&hash);
        self.blobs.partial.retain(|(_, partial), _| *partial != hash);
        self.stirred.extend(self.blobs.rounds_of(&hash));
    }

    /// A blob came from the disk, or is gone from it: then somebody may send it again.
    pub(super) fn on_loaded(&mut self, hash: Digest, bytes: Option<Arc<[u8]>>) {
        self.blobs.loading.remove(&hash);
        // It goes to peers, or what waited until fewer are loaded is.
        self.peers.attend_all();
        if let Some(bytes) = bytes {
            if self.blobs.is_needed(&hash) {
                self.blobs.cache(hash, bytes);
            }
            self.stirred.extend(self.blobs.rounds_of(&hash));
            return;
        }
        self.blobs.held.remove(&hash);
        if self.blobs.is_for(&self.settings.me, &hash) {
            self.blobs.wanted.insert(hash, Wanted::new(self.now));
        }
    }

    /// A blob's bytes; if they are on disk only, asks for them and gives `None` for now.
    pub(super) fn load_blob(&mut self, hash: &Digest) -> Option<Arc<[u8]>> {
        if self.blobs.needs_load(hash) {
            self.after.push(Output::LoadBlob(*hash));
        }
        self.blobs.cached(hash)
    }

    /// Learns what the entries of a round ask of us: blobs to fetch, blobs to pass on.
    pub(super) fn learn_needs(&mut self, round: &Round) {
        let Some(plan) = round.plan().cloned() else { return };
        let me = self.settings.me.clone();
        let all = plan.seat(&me).is_some() || self.peers.is_meeting_point(&me);
        let mut found = vec![];
        for (author, logged) in round.all(Kind::Contribution).chain(round.all(Kind::Verify)) {
            if all || *author == me {
                found.extend(named(&plan, author, logged, round.id));
            }
        }
        for (hash, need) in found {
            self.learn_need(hash, need);
        }
    }

    fn learn_need(&mut self, hash: Digest, need: Need) {
        let for_me = need.addressees.contains(&self.settings.me);
        let needs = self.blobs.needs.entry(hash).or_default();
        if needs.contains(&need) {
            return;
        }
        needs.push(need);
        if self.blobs.holds(&hash) {
            if are_texts(self.blobs.needs(&hash)) {
                self.blobs.cache.let_go(&hash);
            }
            self.pass_on(&hash);
        } else if for_me {
            // Whoever names it again does not put it off.
            self.blobs.wanted.entry(hash).or_insert(Wanted::new(self.now));
        }
    }

    /// Learns of charter versions that others go by and we do not hold: the next one, or a rival of one that
    /// we hold. Whoever joins is given the chain by its sponsors; what came since it fetches step by step.
    pub(super) fn notice_versions(&mut self) {
        if !self.fold.take_unknown_versions() {
            return;
        }
        let next = self.fold.charter().version() + 1;
        let all = self.fold.logs().flat_map(|log| log.adopted().iter().map(move |adopted| (log, adopted)));
        let unknown = all.filter(|(log, adopted)| {
            let hash = &adopted.hash;
            let known = self.fold.charter_named(hash).is_some() || self.fold.condemns(hash);
            log.member != self.settings.me && adopted.version <= next && !known && !self.fold.is_rival(hash)
        });
        let unknown: Vec<_> = unknown
            .map(|(log, adopted)| {
                (log.member.clone(), (log.head(), adopted.index), adopted.hash, adopted.note)
            })
            .collect();
        for (author, at, hash, note) in unknown {
            let said = (author.clone(), hash);
            let fetched = self.blobs.fetched.entry(author.clone()).or_default();
            let is_known = self.blobs.versions.get(&note).is_some_and(|known| known.contains(&said));
            if is_known || *fetched >= VERSIONS_FETCHED_MAX {
                continue;
            }
            *fetched += 1;
            // Of everyone who names it: whoever names another's note first need not have it.
            self.blobs.versions.entry(note).or_default().insert(said);
            let addressees = vec![self.settings.me.clone()];
            let need = Need { round: hash, author: author.clone(), at, addressees, what: What::Version };
            self.learn_need(note, need);
        }
    }

    /// Learns of what members did beside rounds: every other member reads its text.
    pub(super) fn notice_acts(&mut self) {
        let mut delegations = BTreeSet::new();
        for leaf in self.fold.take_fresh_acts() {
            let Some(done) = self.fold.acts().get(&leaf) else { continue };
            if matches!(done.act, Act::Delegation { .. }) {
                delegations.insert(leaf);
                continue;
            }
            if matches!(done.act, Act::Reply { .. }) {
                // What it answers may have held a verdict.
                self.stirred.extend(self.open.iter().copied());
            }
            let Some(hash) = done.act.text().filter(|_| crate::acts::is_entitled(&self.fold, done)) else {
                continue;
            };
            let texts = self.blobs.texts.entry(done.by.clone()).or_default();
            *texts += 1;
            if *texts > ACT_TEXTS_MAX {
                continue;
            }
            let members = self.peers.ids().cloned().chain([self.settings.me.clone()]);
            let need = Need {
                round: leaf,
                author: done.by.clone(),
                at: place(&done.at),
                addressees: members.filter(|id| *id != done.by).collect(),
                what: What::Text,
            };
            self.learn_need(hash, need);
        }
        self.fold.touch_delegated(&delegations);
    }

    /// Queues a blob we hold for everyone who needs it from us.
    pub(super) fn pass_on(&mut self, hash: &Digest) {
        self.offer(hash, None);
    }

    /// Queues a blob we hold for whoever needs it from us; if a peer came, for that one, and of our own blobs for those
    /// too who hold it for others that left. A peer that came may hold it already: then it is asked first.
    fn offer(&mut self, hash: &Digest, came: Option<&MemberId>) {
        let me = self.settings.me.clone();
        for need in self.blobs.needs_of(hash).cloned().collect::<Vec<_>>() {
            let mut left_over = false;
            let concerned = |id: &&MemberId| need.author == me || came.is_none_or(|came| came == *id);
            let others = need.addressees.iter().filter(|id| **id != me && **id != need.author);
            for addressee in others.filter(concerned) {
                // Another meeting point's turn: ours comes a while later, if the round is still open.
                let turn = need.author == me
                    || self.fold.log(&need.author).is_some_and(|log| self.passes_on(log, addressee));
                let at = if turn { self.now } else { self.now + RELAY_WAIT };
                let queued =
                    self.peers.queue_put(addressee, *hash, &need.author, need.at, at, came.is_some());
                left_over |= !queued;
            }
            if left_over && need.author == me {
                for point in self.peers.meeting_points() {
                    self.peers.queue_put(&point, *hash, &need.author, need.at, self.now, came.is_some());
                }
            }
        }
    }

    /// A peer came: everything it needs that we hold.
    pub(super) fn pass_on_to(&mut self, peer: &MemberId) {
        let me = &self.settings.me;
        let concerned = |need: &Need| need.author == *me || need.addressees.contains(peer);
        let held = self.blobs.needs.keys().filter(|hash| self.blobs.holds(hash));
        let held = held.filter(|hash| self.blobs.needs_of(hash).any(concerned));
        let mut held: Vec<Digest> = held.copied().collect();
        held.sort_by_cached_key(|hash| self.blobs.turn(hash));
        for hash in held {
            self.offer(&hash, Some(peer));
        }
    }

    /// A piece of a blob from a peer. Returns how many bytes we now hold of it, or `None` when no
    /// entry we hold names it for us or to pass on.
    pub(super) fn on_piece(
        &mut self,
        from: &MemberId,
        hash: Digest,
        total: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Option<u64> {
        if self.blobs.holds(&hash) {
            return Some(total);
        }
        let most = self.blobs.needs(&hash).iter().map(|need| need.what.most()).max()?;
        let total_bytes = usize::try_from(total).ok().filter(|total| *total <= most)?;
        if bytes.is_empty() && total > 0 {
            return Some(0); // It only asks whether we hold it.
        }
        let key = (from.clone(), hash);
        let under_way = self.blobs.partial.iter().filter(|((peer, _), _)| peer == from);
        let (count, sum) = under_way.fold((0, 0), |(count, sum), (_, part)| (count + 1, sum + part.len()));
        let is_new = !self.blobs.partial.contains_key(&key);
        if is_new && count >= BLOBS_IN_FLIGHT_MAX || sum + bytes.len() > PARTIAL_BYTES_MAX {
            return None;
        }
        let partial = self.blobs.partial.entry(key.clone()).or_default();
        if partial.len() as u64 == offset && partial.len() + bytes.len() <= total_bytes {
            partial.extend(bytes);
        }
        if partial.len() < total_bytes {
            return Some(partial.len() as u64);
        }
        let whole = self.blobs.partial.remove(&key)?;
        if sha256(&[&whole]) != hash {
            return None;
        }
        if let Some(said) = self.blobs.versions.remove(&hash) {
            // Not kept here, unless something else names it too: whoever opens it keeps it if it is what it says.
            let alone = self.blobs.forget_version(&hash, &said);
            self.tell(Event::Version { by: from.clone(), note: whole.clone() });
            if alone {
                return Some(total);
            }
        }
        let round = self.blobs.round_of_share(&hash);
        self.keep_blob(hash, Arc::from(whole), round);
        self.pass_on(&hash);
        Some(total)
    }

    /// Asks again for blobs that have been missing for a while.
    pub(super) fn fetch_missing(&mut self) {
        let overdue = self.blobs.wanted.iter().filter(|(_, wanted)| wanted.at <= self.now);
        let mut overdue: Vec<(Digest, Wanted)> = overdue.map(|(hash, wanted)| (*hash, *wanted)).collect();
        // Who waits longest is first: so many that nobody has, or one that is busy, keep no other back.
        overdue.sort_by_cached_key(|(hash, wanted)| (wanted.at, self.blobs.turn(hash)));
        for (hash, wanted) in overdue.into_iter().take(BLOBS_IN_FLIGHT_MAX) {
            let Wanted { since, tries, .. } = wanted;
            let needs = self.blobs.needs(&hash);
            // The author first, then its meeting points in turn.
            let holders: Vec<MemberId> = needs
                .iter()
                .map(|need| need.author.clone())
                .chain(self.peers.meeting_points())
                .filter(|id| self.peers.is_connected(id))
                .collect();
            // Of whoever is busy the turn goes on to the next: a peer may be so for ever.
            let asked = (0..holders.len()).position(|turn| {
                let peer = &holders[(tries + turn) % holders.len()];
                let offset = self.blobs.partial_len(peer, &hash);
                self.ask_for_blob(peer, hash, offset)
            });
            let all_busy = asked.is_none() && !holders.is_empty();
            let wait = if all_busy { BLOB_RETRY } else { self.blobs.retry_after(&hash, since, self.now) };
            let at = self.now + wait;
            let tries = tries + asked.map_or(0, |turn| turn + 1);
            let asked = asked.map_or(wanted.asked, |_| Some(self.now));
            self.blobs.wanted.insert(hash, Wanted { since, asked, at, tries });
        }
    }
}

/// Where an entry stands, by the name of its log in frames.
fn place(at: &Ref) -> Place {
    (sha256(&[at.log.as_bytes()]).0, at.index)
}

/// The blobs that an entry names, and for whom.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn named(plan: &Plan, author: &MemberId, logged: &Logged, round: QueryId) -> Vec<(Digest, Need)> {
    let at = place(&logged.at);
    let need = |addressees, what| Need { round, author: author.clone(), at, addressees, what };
    match &logged.body {
        Body::Contribution { shares, .. } if plan.members.contains(author) => {
            let seats = shares.iter().zip(&plan.committee);
            seats.map(|(share, seat)| (share.blob, need(vec![seat.clone()], What::Share))).collect()
        }
        Body::Verify { blob, .. } if plan.seat(author).is_some() => {
            vec![(*blob, need(plan.committee.clone(), What::Verifier))]
        }
        _ => vec![],
    }
}
