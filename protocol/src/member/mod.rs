//! A member of a co-operative, as a machine without a world: inputs in, outputs out, time as an
//! argument. The node and the simulator drive the same one.
//!
//! The driver's contract: after each `handle_input` drain `poll_output` to `None` and execute in
//! order; nothing after a `Store`, `Sign`, `StoreBlob`, `KeepSecret` or `KeepOpening` happens before it is
//! on disk; `now` does not decrease but for a clock that was far ahead; `poll_timeout` says when to wake and for what.

mod act;
mod back;
mod blobs;
mod count;
mod gather;
pub mod inbox;
pub mod opening;
pub mod port;
mod recover;
mod rekey;
mod sync;
mod witness;
pub mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::charter::{Charter, acts_from};
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::limits::Limits;
use datacoop_policy::refusal::Rule;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Span, Time};
use ed25519_dalek::Signer as _;

use crate::checked::Checked;
use crate::clocks::LastWords;
use crate::entry::{Body, Entry, QueryBody, Ref};
use crate::fold::{Fold, Log};
use crate::keys::{Keys, genesis_text, listed_keys};
use crate::log::note::{Checkpoint, sign_checkpoint};
use crate::rounds::codes::{AlertCode, VoidCode};
use crate::rounds::{Ending, Kind, Logged, Round, Withheld, Withholding};
use crate::seed::Seed;
use crate::standing::{self, Standing};
use crate::wire::{Bytes, Record};
use crate::witness::Witnessed;
use blobs::Blobs;
use gather::Effort;
use opening::Openings;
use port::{Event, Input, Output, RoundSecrets};
pub use recover::check_start;
use recover::{BEGIN_ENTRIES, Gate, check_last_signed, check_readable, check_versions};
pub(crate) use recover::{Lost, replay};
use sync::Peers;
use witness::Watch;

/// What a member's person decides, beside the charter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which member of the charter we are.
    pub me: MemberId,
    /// Our own limits; `None` answers nothing, because open by default is how others failed.
    pub limits: Option<Limits>,
    /// What we do with a question that all limits allow.
    pub inbox: InboxRules,
    /// Datasets of which we hold a table.
    pub declared: BTreeSet<String>,
    /// Contributions leave on this grid, counted from the Query's arrival, so that computing time
    /// does not speak. Zero only for made-up data.
    pub answer_grid: Span,
    /// Whether to hear from others how far our own log is before anything is written into it: a folder
    /// may be an old copy and not know it. False only in a world without others.
    pub asks_first: bool,
    /// How often every connected peer is asked for what push lost: `PULL_EVERY`, but in a simulated year.
    pub pull_every: Span,
}

/// What a member starts from.
pub struct Start {
    /// Fresh from the system.
    pub entropy: Seed,
    /// Our keys.
    pub keys: Keys,
    /// Those that are to replace them, oldest first: used once a version of the charter that lists them is in force
    /// here.
    pub later_keys: Vec<Keys>,
    /// What the log that goes on from ours carries over at least, beside what ours shows: after a fork what the other
    /// history of it shows.
    pub carried: Ledger,
    /// The head that our log in the co-operative's predecessor ended with, where the charter says that we bring one.
    pub ended: Option<Checkpoint>,
    /// What our person decided.
    pub settings: Settings,
    /// Every version of the charter, the first first, with the SHA-256 of its signed note: a chain that
    /// `charter_text::open_chain` opened. At least one.
    pub charters: Vec<(Arc<Charter>, Digest)>,
    /// Versions that were validly signed beside one of them: the SHA-256 of the text and of the signed note.
    pub rivals: BTreeMap<Digest, Digest>,
    /// Vocabularies by SHA-256 of their text.
    pub vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    /// The journal, in order.
    pub records: Vec<Record>,
    /// The newest head we signed, as the folder that guards the journal holds it.
    pub last_signed: Option<(u64, String)>,
    /// Secrets of open rounds.
    pub secrets: RoundSecrets,
    /// Rounds of which the disk keeps what our seat may have to show.
    pub openings: BTreeSet<QueryId>,
    /// Blobs on disk.
    pub held: BTreeSet<Digest>,
    /// Signatures that somebody on this machine found to hold: nobody else's word counts.
    pub checked: Checked,
}

/// Why a member refuses to start: signing on would contradict what it signed before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoreError(pub String);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long after `close_by` an opened share may still be on its way, before it is missed aloud.
const OPEN_GRACE: Span = Span(60_000);
/// How long before `close_by` all closes must have been here for a seat's silence to be its own, at most:
/// twice the time in which a pull brings what no push did. Of short windows, a quarter.
const OPEN_NOTICE_MAX: Span = Span(2 * crate::bounds::PULL_EVERY.0);

/// The machine.
pub struct Member {
    now: Time,
    /// What our clock says: the same, unless it was set back.
    clock: Time,
    settings: Settings,
    keys: Keys,
    entropy: Seed,
    draws: u64,
    fold: Fold,
    standing: Standing,
    /// The log that we write, by its name in frames, and how many entries of it are signed.
    signed: ([u8; 32], u64),
    /// What the next log of ours carries over at least.
    carried: Ledger,
    /// Where our log in the predecessor ended.
    ended: Option<Checkpoint>,
    outputs: VecDeque<Output>,
    /// What waits until our new entries are on disk and signed.
    after: Vec<Output>,
    secrets: RoundSecrets,
    openings: Openings,
    efforts: BTreeMap<QueryId, Effort>,
    /// Rounds that were asked and have not ended: the only ones that are stepped.
    open: BTreeSet<QueryId>,
    /// Open rounds of which something changed since they were last stepped.
    stirred: BTreeSet<QueryId>,
    /// Deadlines up to here were seen to.
    stepped_at: Time,
    /// While the clock is far behind `now`: what others had said last when that was first seen.
    before_back: Option<LastWords>,
    /// Rounds that are over for us, with the kind of ending that was told.
    done: BTreeMap<QueryId, Option<std::mem::Discriminant<Ending>>>,
    peers: Peers,
    blobs: Blobs,
    witnessed: Witnessed,
    /// Logs whose witness we are.
    watches: BTreeMap<MemberId, Watch>,
    /// What of fold and witnesses they were last held against: changes, and words taken.
    watched_at: Option<(u64, u64)>,
    /// After so many changes: whether others' logs hold something of which we have not said that we hold it.
    unsaid: (u64, bool),
    /// Somebody showed us a later head of our own: nothing more may be signed.
    halted: bool,
    /// Whether a verdict waits until enough members were heard of.
    waits_to_hear: bool,
    /// While it is there, nothing may be written yet.
    gate: Option<Gate>,
    /// Whether our log ever came back from others.
    recovered: bool,
    /// Rounds of which this disk lost what it knew: nothing more is said in them.
    left: BTreeSet<QueryId>,
    /// Our person's word about Queries.
    decided: BTreeMap<QueryId, bool>,
    /// SHA-256 of each version's signed note, then of those of rivals.
    charter_notes: Vec<Digest>,
}

impl Member {
    /// Starts from what the disk holds; an empty disk starts a log.
    ///
    /// Errors: the journal holds less than, or something else than, what was signed.
    pub fn restore(now: Time, start: Start) -> Result<Self, RestoreError> {
        let Start {
            entropy,
            keys,
            later_keys,
            carried,
            ended,
            settings,
            charters,
            rivals,
            vocabularies,
            records,
            last_signed,
            secrets,
            openings,
            held,
            checked,
        } = start;
        let me = settings.me.clone();
        let (chain, mut charter_notes): (Vec<_>, Vec<_>) = charters.into_iter().unzip();
        let mut fold = Fold::with_chain(chain, vocabularies);
        charter_notes.extend(rivals.values());
        fold.set_rivals(rivals.into_keys().collect());
        fold.set_checked(checked);
        let mut witnessed = Witnessed::new(fold.charters(), &me);
        let mut lost = Lost::default();
        for record in records {
            replay(&mut fold, &mut witnessed, &me, &mut lost, record)?;
        }
        let (keys, others) = rekey::choose(&fold, &me, now, keys, later_keys)?;
        rekey::check_ended(&fold, &me, ended.as_ref(), lost.restored)?;
        let unsure = settings.asks_first || lost.restored;
        let signed = check_last_signed(&fold, &me, last_signed.as_ref(), unsure, lost.restored)?;
        check_readable(&fold, &me)?;
        check_versions(&fold, &me)?;
        // A folder without its newest signed head says of no journal that it is the newest.
        let unsigned = last_signed.is_none() && fold.log(&me).is_some_and(|log| log.size() > BEGIN_ENTRIES);
        let gate = unsure.then(|| Gate::new(fold.charters(), &me, lost.restored, unsigned, signed));
        if let Some((size, note)) = last_signed.filter(|_| signed.missing.is_none()) {
            fold.set_signed(&me, size, note);
        }
        rekey::sign_ended(&mut fold, &me, &others);
        let standing = standing::replay(&fold, &me).0;
        let peers = Peers::new(now, &me, fold.met(&me, now));
        let watches = Self::watches(fold.met(&me, now), &me);
        let mut member = Self {
            waits_to_hear: false,
            gate,
            recovered: lost.recovered,
            left: lost.left,
            decided: lost.decided,
            charter_notes,
            now,
            clock: now,
            settings,
            keys,
            entropy,
            draws: 0,
            fold,
            standing,
            signed: (signed.log, signed.size),
            carried,
            ended,
            outputs: VecDeque::new(),
            after: vec![],
            secrets,
            openings: Openings::new(openings),
            efforts: BTreeMap::new(),
            open: BTreeSet::new(),
            stirred: BTreeSet::new(),
            stepped_at: Time(0),
            before_back: None,
            done: BTreeMap::new(),
            peers,
            blobs: Blobs::default(),
            watches,
            watched_at: None,
            witnessed,
            unsaid: (u64::MAX, false),
            halted: false,
        };
        let named = member.named_blobs();
        // Until others have told what the entries are, no blob is known to be named by none.
        let kept = held.into_iter().filter(|hash| lost.restored || named.contains(hash));
        member.blobs = Blobs::new(kept.collect());
        if member.gate.is_none() {
            member.begin();
        }
        member.advance();
        Ok(member)
    }

    /// Something happened. What to do about it waits in `poll_output`.
    pub fn handle_input(&mut self, now: Time, input: Input) {
        self.take_time(now);
        if self.halted || self.rekeys() {
            return;
        }
        match input {
            Input::Wake => {}
            Input::Connected(peer) => self.on_connected(&peer),
            Input::Disconnected(peer) => self.on_disconnected(&peer),
            Input::DialFailed(peer) => self.on_dial_failed(&peer),
            Input::Request { from, exchange, bytes } => self.on_request(&from, exchange, &bytes),
            Input::Reply { from, exchange, bytes } => self.on_reply(&from, exchange, Some(&bytes)),
            Input::NoReply { from, exchange } => self.on_reply(&from, exchange, None),
            Input::Tabulated(query, tally) => self.on_effort(query, |effort| effort.take_tally(tally)),
            Input::Drawn(query, noise) => self.on_effort(query, |effort| effort.take_noise(noise)),
            Input::Computed(computed) => self.on_computed(computed),
            Input::Loaded(hash, bytes) => self.on_loaded(hash, bytes),
            Input::Ask { command, query } => self.on_ask(command, *query),
            Input::Act { command, act, text } => self.on_act(command, *act, text),
            Input::Decide { command, query, yes } => self.on_decide(command, query, yes),
            Input::Narrow(limits) => self.narrow(limits.as_deref()),
        }
        if !self.halted {
            self.advance();
        }
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake at the latest, and for what.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let blobs = self.blobs.timeout(self.now).map(|at| (at, "missing blob"));
        let rounds = self.round_timeouts().map(|(_, at, what)| (at, what));
        let peers = self.peers.next_timer(self.now, self.clock);
        let openings = self.opening_ends().map(|(_, at)| (at, "opening"));
        let cosign = self.cosign_timeouts().map(|at| (at, "cosign"));
        let heads = self.head_timeout().map(|at| (at, "head"));
        let keys = self.rekey_timeout().map(|at| (at, "new keys"));
        let all = rounds.chain(blobs).chain(openings).chain(cosign).chain(heads).chain(keys);
        // What is due was done, or waits for something else than time.
        all.filter(|(at, _)| *at > self.now).chain(peers).min()
    }

    /// Which member we are.
    pub fn me(&self) -> &MemberId {
        &self.settings.me
    }

    /// The transport's secret of the keys that we go by.
    pub fn transport(&self) -> &[u8; 32] {
        self.keys.transport()
    }

    /// What all logs say.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Our Ledger and history.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Every blob that an entry names, sealed shares of ended rounds aside: others on disk are left
    /// over from a crash.
    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    pub fn named_blobs(&self) -> BTreeSet<Digest> {
        let rounds = self.fold.rounds().values();
        let texts = self.fold.acts().all().filter_map(|done| done.act.text());
        let of_rounds = rounds
            .flat_map(|round| round.everything().map(move |(_, logged)| (round.ending().is_some(), logged)))
            .flat_map(|(over, logged)| match &logged.body {
                Body::Contribution { shares, .. } if !over => shares.iter().map(|share| share.blob).collect(),
                Body::Verify { blob, .. } => vec![*blob],
                _ => vec![],
            });
        of_rounds.chain(texts).chain(self.charter_notes.iter().copied()).collect()
    }

    /// What our person decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What we would say to a Query of our own, before it is written.
    pub fn judge_as_asker(
        &self,
        query: &datacoop_policy::query::Query,
    ) -> Result<(), datacoop_policy::refusal::Refusal> {
        self.verdict(query)
    }

    /// What we may still spend on a Query of our own, under all limits that hold here.
    pub fn room(&self, query: &datacoop_policy::query::Query) -> crate::standing::Room {
        self.standing.room(&self.fold, &self.settings.me, query, &self.limits(query), self.now)
    }

    /// All limits that hold here for a Query.
    fn limits(&self, query: &datacoop_policy::query::Query) -> Limits {
        self.limits_under(self.fold.charter_at(&self.settings.me, self.now), query)
    }

    fn limits_under(&self, charter: &Charter, query: &datacoop_policy::query::Query) -> Limits {
        let own = self.settings.limits.as_ref();
        let restricted = self.fold.acts().restricted(&self.fold, &self.settings.me, self.now);
        let held = standing::held_delegation(&self.fold, query, true);
        let layers = datacoop_policy::verdict::Layers::new(charter, &query.purpose, own);
        layers.under(&restricted).delegated(held.as_ref()).effective()
    }

    /// What witnesses said.
    pub fn witnessed(&self) -> &Witnessed {
        &self.witnessed
    }

    /// Other members of whose logs somebody says, since a day ago, what is not here: but those that are proven to
    /// have signed two histories.
    pub fn unresponsive(&self) -> impl Iterator<Item = (&MemberId, &crate::heads::Claim)> {
        // Of a log that another goes on from nothing more comes.
        let others = self.fold.logs().filter(|log| log.member != self.settings.me && log.ends().is_none());
        let open = others.filter(|log| self.fold.split_of(&log.origin).is_none());
        let unanswered = |log: &Log| self.fold.said_heads().unanswered(&log.origin, self.now).next();
        open.filter_map(move |log| Some((&log.member, unanswered(log)?)))
    }

    /// Members we have a connection to.
    pub fn connected(&self) -> impl Iterator<Item = &MemberId> {
        self.peers.connected()
    }

    /// Our person declared a dataset: a table of it now lies here.
    pub fn declare(&mut self, dataset: String) {
        self.settings.declared.insert(dataset);
    }

    /// Our person took the last table of a dataset back.
    pub fn take_back(&mut self, dataset: &str) {
        self.settings.declared.remove(dataset);
    }

    fn own_size(&self) -> u64 {
        self.fold.log(&self.settings.me).map_or(0, crate::fold::Log::size)
    }

    /// Fresh secret bytes for one use.
    fn draw_seed(&mut self) -> Seed {
        self.draws += 1;
        self.entropy.derive(&format!("draw/{}", self.draws))
    }

    fn tell(&mut self, event: Event) {
        self.after.push(Output::Tell(event));
    }

    /// The bytes of our next entry; `None` when nobody could read them: signed, they would end our
    /// log for everyone.
    fn readable(&self, body: &Body) -> Option<Vec<u8>> {
        let (by, seq) = (self.settings.me.clone(), self.next_index(body));
        let bytes = Entry { at: self.now, by, seq, body: body.clone() }.to_bytes();
        Entry::parse(&bytes).is_ok_and(|entry| entry.body == *body).then_some(bytes)
    }

    /// Writes an entry into our log: it goes to the disk before anything that waits in `after`.
    fn append(&mut self, body: Body) {
        let me = self.settings.me.clone();
        let bytes = self.readable(&body).expect("INVARIANT: what we write of our own can be read");
        let entry = Entry { at: self.now, by: me.clone(), seq: self.next_index(&body), body };
        self.outputs.push_back(Output::Store(Record::Entry(Bytes(bytes.clone()))));
        // Crash here: the entry is on disk and unsigned. A restart signs it and goes on.
        let at =
            self.fold.append(&me, Arc::from(bytes)).expect("INVARIANT: we have a log in our own charter");
        let (query, kind) = (entry.body.query(), entry.body.kind());
        let logged = Logged { at, time: Time::from_seconds(entry.at.seconds()), body: entry.body };
        self.standing
            .apply(&self.fold, &logged)
            .expect("INVARIANT: we write no entry that breaks our own bookkeeping");
        if let Some(query) = query {
            self.tell(Event::Step { query, kind });
        }
    }

    /// Lets every round of which something changed, or a deadline came, take every step it can, then
    /// releases what waited for the disk.
    fn advance(&mut self) {
        let (seen, now) = (self.stepped_at, self.now);
        let due = self.round_timeouts().filter(|(_, at, _)| seen < *at && *at <= now);
        if due.count() > 0 {
            // A round of the same question may have waited for this deadline.
            self.stirred.extend(self.open.iter().copied());
        }
        self.stepped_at = now;
        if self.waits_to_hear && self.fold.unheard_since(&self.settings.me, now).is_none() {
            self.waits_to_hear = false;
            self.stirred.extend(self.open.iter().copied());
        }
        self.notice_touched();
        while self.gate.is_none()
            && let Some(id) = self.stirred.pop_first()
        {
            if self.open.contains(&id) {
                self.step(id);
            }
            self.notice_touched();
        }
        self.settle_openings();
        if self.gate.is_none() {
            self.say_heads();
            self.sign_new();
            self.cosign_due();
        }
        self.note_unsaid();
        self.outputs.extend(self.after.drain(..));
        self.converse();
        self.outputs.extend(self.after.drain(..));
    }

    /// Rounds with new entries: those that were asked are open; what they name may concern us.
    fn notice_touched(&mut self) {
        self.notice_acts();
        self.notice_versions();
        for id in self.fold.take_touched() {
            self.openings.stir(id);
            let Some(round) = self.fold.round(&id).cloned() else { continue };
            // An ending that a late entry turned into another is news again.
            let ended = round.ending().map(std::mem::discriminant);
            if self.done.get(&id).is_some_and(|told| *told == ended) || !self.concerns_us(&round) {
                continue;
            }
            self.done.remove(&id);
            self.open.insert(id);
            self.stirred.insert(id);
            self.learn_needs(&round);
        }
    }

    /// Whether a round is worth our steps: asked by a member that may ask under the version that it names, or
    /// one we took part in.
    fn concerns_us(&self, round: &Round) -> bool {
        let Some(asked) = round.asked() else { return false };
        let charter = self.fold.charter_of(&asked.body.charter);
        // Until it is here, who cites a delegation is a stranger: it wakes nobody by naming one.
        let delegated = || {
            let cited = asked.body.delegation.as_ref()?;
            let held = self.fold.acts().delegation(&cited.leaf)?;
            Some(held.audience == asked.asker && charter.may_ask(&held.by))
        };
        charter.may_ask(&asked.asker) || delegated() == Some(true) || self.wrote(round, Kind::Verdict)
    }

    /// Signs the head of our log if it grew.
    fn sign_new(&mut self) {
        self.note_signed_log();
        let size = self.own_size();
        if size == self.signed.1 {
            return;
        }
        let me = self.settings.me.clone();
        let log = self.fold.log(&me).expect("INVARIANT: we have a log in our own charter");
        let checkpoint = Checkpoint { origin: log.origin.clone(), size, root: log.tree().root() };
        let note = sign_checkpoint(&checkpoint, self.keys.log());
        self.fold.set_note(&me, size, note.clone());
        self.signed.1 = size;
        self.outputs.push_back(Output::Sign { size, note });
    }

    /// From here on our log may grow.
    fn begin(&mut self) {
        self.begin_log();
        self.adopt_charters();
        self.mark_past_rounds();
        self.leave_rounds();
    }

    /// Puts each version that we hold, are a member of and had not put in force yet into our log: at once if
    /// it only tightens, else once the members had time to leave (C5), and never before those before it.
    fn adopt_charters(&mut self) {
        let me = self.settings.me.clone();
        // A rival of the one we hold, that we had followed, is as if it had never been.
        let mut adopted = self.fold.adopted(&me).map(|(_, adopted)| adopted);
        let last = adopted.find(|adopted| self.fold.charter_named(&adopted.hash).is_some());
        let (mut held, mut from) = last.map_or((0, Time(0)), |last| (last.version, last.from));
        drop(adopted);
        let chain = self.fold.charters().to_vec();
        for (at, charter) in chain.iter().enumerate() {
            if charter.version() <= held || charter.member(&me).is_none() {
                continue;
            }
            let before = at.checked_sub(1).map(|before| &*chain[before]);
            let joins = held == 0 && before.is_none_or(|before| before.member(&me).is_none());
            from = from.max(self.acts_from(before.filter(|_| !joins), charter));
            held = charter.version();
            let (version, hash, note) = (charter.version(), charter.hash(), self.charter_notes[at]);
            self.append(Body::Charter { version, hash, note, from });
        }
    }

    /// From when on a version acts whose quorum we first hold now: whoever joins with it, and was never a member
    /// before, is bound by nothing before.
    fn acts_from(&self, before: Option<&Charter>, charter: &Charter) -> Time {
        let now = Time::from_seconds(self.now.seconds());
        match before {
            Some(before) => acts_from(before, charter, now),
            None => now,
        }
    }

    /// Rounds that ended before we started are not told as news.
    fn mark_past_rounds(&mut self) {
        let over = self.fold.rounds().values().filter(|round| self.is_over(round));
        let past: Vec<QueryId> = over.map(|round| round.id).collect();
        for id in past {
            self.forget(id);
        }
    }

    /// Whether a round ended. An abort that is no reason to stop while we run is none at a start.
    fn is_over(&self, round: &Round) -> bool {
        let close_by = round.asked().map(|asked| asked.body.close_by);
        let is_abort = matches!(round.ending(), Some(Ending::Aborted(_)));
        let goes_on = is_abort && close_by.is_some_and(|at| self.outlives_abort(round, at));
        round.ending().is_some() && !goes_on
    }

    /// Ends our part in a round: a debit that nothing was contributed under returns, its secret and
    /// the sealed shares go, and it is stepped no more.
    fn forget(&mut self, id: QueryId) {
        let me = self.settings.me.clone();
        if self.standing.holds_unused_debit(&id)
            && let Some(debit) = self.fold.round(&id).and_then(|round| round.said(Kind::Debit, &me)).cloned()
        {
            self.append(Body::Void { query: id, debit: debit.at, code: VoidCode::Ended.code().to_owned() });
        }
        self.drop_secret(id);
        self.efforts.remove(&id);
        if self.blobs.forget(&id) {
            self.after.push(Output::RemoveShares(id));
        }
        self.peers.forget_queued(|hash| self.blobs.is_needed(hash));
        self.open.remove(&id);
        self.openings.stir(id);
        // A round of the same question may have waited for this one to end.
        self.stirred.extend(self.open.iter().copied());
        let ended = self.fold.round(&id).and_then(|round| round.ending().map(std::mem::discriminant));
        self.done.insert(id, ended);
    }

    fn drop_secret(&mut self, id: QueryId) {
        if self.secrets.remove(&id).is_some() {
            self.after.push(Output::EraseSecret(id));
        }
    }

    /// A later head of our own log, signed by us: we are an old copy, restored or started twice.
    fn halt(&mut self) {
        self.halted = true;
        self.outputs.clear();
        self.after.clear();
        let text = "another member holds a later head of this node's own log: this folder is an old copy; \
                    bring the newest one back, or run `datacoop restore` here before it runs again";
        self.outputs.push_back(Output::Tell(Event::Halted(text.to_owned())));
    }

    fn on_ask(&mut self, command: u64, query: QueryBody) {
        match self.try_ask(query) {
            Ok(query) => self.tell(Event::Asked { command, query }),
            Err(Denial::Answered(query)) => self.tell(Event::Answered { command, query }),
            Err(Denial::Refused(rule, text)) => self.tell(Event::Denied { command, rule, text }),
        }
    }

    /// Whether our log may grow by what the person here wants.
    fn may_write(&self) -> Result<(), Denial> {
        if let Some(text) = self.starting() {
            return Err(Denial::Refused("starting", text));
        }
        match self.fold.split(&self.settings.me) {
            None => Ok(()),
            Some((at, _)) => {
                let text = format!(
                    "this node's log has two histories, as entry {} of {} proves; ask the others for a new log",
                    at.index, at.log
                );
                Err(Denial::Refused(Rule::TwoHistories.code(), text))
            }
        }
    }

    fn try_ask(&mut self, mut body: QueryBody) -> Result<QueryId, Denial> {
        let me = self.settings.me.clone();
        self.may_write()?;
        self.choose_delegation(&mut body);
        let draft =
            self.fold.bind_draft(&body, &me, self.now).map_err(|text| Denial::Refused("question", text))?;
        let answer = standing::answer(&self.fold, &draft).filter(|_| draft.supersedes.is_none());
        if let Some(answer) = answer {
            return Err(Denial::Answered(answer.query));
        }
        body.cosigners = self.fold.acts().supporters(&self.fold, &draft);
        self.verdict(&draft).map_err(|refusal| Denial::Refused(refusal.rule.code(), refusal.to_string()))?;
        let index = self.own_size();
        let body = Body::Query(Box::new(body));
        if self.readable(&body).is_none() {
            let text = "the question and its texts do not fit one log entry; shorten them, without tabs";
            return Err(Denial::Refused("question", text.to_owned()));
        }
        self.append(body);
        let at = self.fold.log(&me).and_then(|log| log.reference(index));
        Ok(at.expect("INVARIANT: the entry was just appended").leaf)
    }

    /// What is kept back from the members of a round, once nothing can be on its way any more. Not of our
    /// own share: the others say that.
    ///
    /// Of a seat that wrote no abort in time it is said only if all closes were here long enough before
    /// `close_by` for every seat that was awake to have them too. Or a seat could hold its own close back
    /// until the others had given up, open, and have them named. Nor is silence told by whoever slept meanwhile: what was
    /// opened in time may be anywhere by then but here.
    fn withheld(&mut self, round: &Round) -> Vec<Ref> {
        let Some(plan) = round.plan().filter(|plan| plan.members.contains(&self.settings.me)) else {
            return vec![];
        };
        let (now, query) = (self.now, &plan.query);
        if round.closed_by_all().is_some() {
            self.effort(round.id).closed_at.get_or_insert(now);
        }
        let notice = Span(((query.close_by - query.contribute_by).0 / 4).min(OPEN_NOTICE_MAX.0));
        let closed_at = self.effort(round.id).closed_at;
        let could_open = closed_at.is_some_and(|at| at + notice <= query.close_by);
        let (late, over) = (now > query.close_by, now >= query.close_by + OPEN_GRACE);
        let effort = self.effort(round.id);
        effort.was_there |= late && !over;
        let over_at = over.then(|| *effort.over_at.get_or_insert(now));
        let in_time = |at: Time| at < query.close_by + Span(2 * OPEN_GRACE.0);
        let was_awake = effort.was_there && over_at.is_some_and(in_time);
        let is_said = |withheld: &Withheld| match withheld.how {
            Withholding::Abort | Withholding::FalseOpen => true,
            Withholding::LateAbort => could_open && late,
            Withholding::Silence => could_open && was_awake,
        };
        let others = round.withheld().into_iter().filter(|withheld| withheld.by != self.settings.me);
        others.filter(is_said).map(|withheld| withheld.subject).collect()
    }

    /// Whether a round that somebody aborted goes on for us: until its last deadline if that abort claims
    /// to be later, and a while longer if an opened share may still be on its way.
    fn outlives_abort(&self, round: &Round, close_by: Time) -> bool {
        let waits = !round.withheld().is_empty() && self.now < close_by + OPEN_GRACE;
        !round.aborted_in_time(None) && (self.now <= close_by || waits)
    }

    /// Whether a round ended, and how, told once. A release that says something else than what was
    /// opened ends nothing: it is an alert.
    fn note_ending(&mut self, id: QueryId) -> bool {
        let Some(round) = self.fold.round(&id).cloned() else { return false };
        if let Some(subject) = round.false_release() {
            self.alert_once(id, AlertCode::Release, subject);
        }
        // After our log came back from others we may hold another history of the asker's than we debited in.
        let own = round.said(Kind::Debit, &self.settings.me).map(|debit| &debit.body);
        let debited = |at: &Ref| matches!(own, Some(Body::Debit { roster, .. }) if roster == at);
        if let Some(subject) = round.second_roster().filter(|at| !debited(at)) {
            self.alert_once(id, AlertCode::Roster, subject);
        }
        for subject in self.withheld(&round) {
            self.alert_once(id, AlertCode::Withheld, subject);
        }
        let Some(ending) = round.ending().cloned() else { return false };
        let close_by = round.asked().map(|asked| asked.body.close_by);
        if matches!(ending, Ending::Aborted(_)) && close_by.is_some_and(|at| self.outlives_abort(&round, at))
        {
            return false;
        }
        match ending {
            Ending::Released(_) => self.tell(Event::Released(id)),
            Ending::Aborted(code) => self.tell(Event::Aborted(id, code)),
        }
        true
    }
}

enum Denial {
    Answered(QueryId),
    Refused(&'static str, String),
}

/// Our public keys by label, and for each signing key a signature over their list.
fn genesis_keys(keys: &Keys) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let listed = listed_keys(keys.public(), keys.seal_public());
    let signed = genesis_text(&listed);
    let transport = ed25519_dalek::SigningKey::from_bytes(keys.transport());
    let signers = [
        ("charter", keys.charter()),
        ("log", keys.log()),
        ("transport", &transport),
        ("witness", keys.witness()),
    ];
    let proofs =
        signers.map(|(label, key)| (label.to_owned(), STANDARD.encode(key.sign(&signed).to_bytes())));
    (listed, BTreeMap::from(proofs))
}
