//! The loop: wait, one input, drain in order. Must not know what anything means: every decision is
//! the Member's.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use datacoop_policy::charter::{Charter, Member as Listed, MemberKeys};
use datacoop_policy::limits::Limits;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::{Day, Digest, MemberId, QueryId, Span};
use datacoop_protocol::acts::Act;
use datacoop_protocol::bounds::{PIECE_BYTES_MAX, PULL_EVERY};
use datacoop_protocol::checked::Checked;
use datacoop_protocol::entry::{QueryBody, Ref};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input, Noise, Output, Tally};
use datacoop_protocol::member::work::Work;
use datacoop_protocol::member::{Member, Settings, Start};
use datacoop_protocol::wire::{Bytes, Record, Reply, Section, encode};
use tokio::sync::{broadcast, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::api::logs::Auditing;
use crate::chain::{Heard, Versions};
use crate::folder::{Folder, StoreError};
use crate::home::{Config, Home};
use crate::importing::Importing;
use crate::index::Index;
use crate::net::{Carrier, CarrierConfig, NetError, NetEvent, Recorder};
use crate::storage::Storage;
use crate::{clock, engine, entropy, noise};

/// Events a slow listener may fall behind.
const EVENTS_MAX: usize = 4_096;
/// Why a node does not start.
#[derive(Debug)]
pub enum NodeError {
    /// Its folder.
    Store(StoreError),
    /// Its network.
    Net(NetError),
    /// What the folder says does not fit together, with the remedy.
    Wrong(String),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Net(error) => error.fmt(f),
            Self::Wrong(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How this process runs a node, beside what its folder says.
#[derive(Clone, Default)]
pub struct Run {
    /// Nodes in this process.
    pub nodes: usize,
    /// For tests.
    pub recorder: Option<Recorder>,
    /// Whether the charter must be a demo's: real and demo nodes refuse each other.
    pub demo: bool,
    /// Whether the pages ask for no passphrase, although there may be one.
    pub waives_passphrase: bool,
    /// Whether it is there to be looked round in only, and forgotten afterwards.
    pub sample: bool,
}

type View = Box<dyn FnOnce(&Member) + Send>;

enum Message {
    Input(Input),
    View(View),
    Declare(String),
    TakeBack(String),
    Renew,
    Stop,
}

/// Why a node ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// It took another version of the charter: start it again.
    Renewed,
}

/// A running node.
pub struct Node {
    handle: Handle,
    task: tokio::task::JoinHandle<Result<Ended, StoreError>>,
}

/// Talks to a running node.
#[derive(Clone)]
pub struct Handle {
    inbox: mpsc::UnboundedSender<Message>,
    events: broadcast::Sender<Event>,
    addresses: Arc<Vec<String>>,
    home: Home,
    index: Arc<Index>,
    commands: Arc<std::sync::atomic::AtomicU64>,
    importing: Arc<Importing>,
    auditing: Auditing,
    waives_passphrase: bool,
    sample: bool,
}

/// What came of an asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AskReply {
    /// It stands in the log.
    Asked(QueryId),
    /// A Release answers it already.
    Answered(QueryId),
    /// Refused: the rule's code, and why.
    Denied(&'static str, String),
}

/// What came of an act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActReply {
    /// It stands in the log.
    Acted(Ref),
    /// Refused: the rule's code, and why.
    Denied(&'static str, String),
}

/// What came of a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecideReply {
    /// It is kept.
    Kept,
    /// Refused: the rule's code, and why.
    Denied(&'static str, String),
}

impl Handle {
    /// Where the node listens for members.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Whether its pages ask for no passphrase, as the person at the command line wanted.
    pub fn waives_passphrase(&self) -> bool {
        self.waives_passphrase
    }

    /// Whether it is there to be looked round in only: its records are made up and forgotten afterwards.
    pub fn is_sample(&self) -> bool {
        self.sample
    }

    /// The node's folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Released Queries with the names of their Questions, by Query, from the index: without a fold
    /// and without the Member.
    pub fn released(&self) -> Vec<(QueryId, String)> {
        let found = self.index.scan(RELEASE_PREFIX).into_iter();
        found
            .filter_map(|(key, name)| {
                let id = std::str::from_utf8(key.strip_prefix(RELEASE_PREFIX)?).ok()?.parse().ok()?;
                Some((id, String::from_utf8(name).ok()?))
            })
            .collect()
    }

    /// News from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Looks at the Member between two inputs; `None` when the node has stopped.
    pub async fn view<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Member) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, seen) = oneshot::channel();
        let view: View = Box::new(move |member| {
            let _nobody_waits = reply.send(look(member));
        });
        self.inbox.send(Message::View(view)).ok()?;
        seen.await.ok()
    }

    /// Asks the members.
    pub async fn ask(&self, query: QueryBody) -> Option<AskReply> {
        let command = self.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut events = self.events();
        self.inbox.send(Message::Input(Input::Ask { command, query: Box::new(query) })).ok()?;
        loop {
            match events.recv().await {
                Ok(Event::Asked { command: c, query }) if c == command => {
                    return Some(AskReply::Asked(query));
                }
                Ok(Event::Answered { command: c, query }) if c == command => {
                    return Some(AskReply::Answered(query));
                }
                Ok(Event::Denied { command: c, rule, text }) if c == command => {
                    return Some(AskReply::Denied(rule, text));
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Proposes, supports, objects and so on, with the blob of its text if it has one.
    pub async fn act(&self, act: Act, text: Option<Vec<u8>>) -> Option<ActReply> {
        let command = self.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut events = self.events();
        self.inbox.send(Message::Input(Input::Act { command, act: Box::new(act), text })).ok()?;
        loop {
            match events.recv().await {
                Ok(Event::Acted { command: c, at }) if c == command => return Some(ActReply::Acted(at)),
                Ok(Event::Denied { command: c, rule, text }) if c == command => {
                    return Some(ActReply::Denied(rule, text));
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Says whether we answer a Query.
    pub async fn decide(&self, query: QueryId, yes: bool) -> Option<DecideReply> {
        let command = self.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut events = self.events();
        self.inbox.send(Message::Input(Input::Decide { command, query, yes })).ok()?;
        loop {
            match events.recv().await {
                Ok(Event::Decided { command: c }) if c == command => return Some(DecideReply::Kept),
                Ok(Event::Denied { command: c, rule, text }) if c == command => {
                    return Some(DecideReply::Denied(rule, text));
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Narrows our limits from now on; returns once the Member goes by them.
    pub async fn narrow(&self, limits: Option<Limits>) -> Option<()> {
        self.inbox.send(Message::Input(Input::Narrow(limits.map(Box::new)))).ok()?;
        self.view(|_| ()).await
    }

    /// Tells the Member that a table of this dataset lies here now.
    pub fn declare(&self, dataset: String) {
        let _stopped = self.inbox.send(Message::Declare(dataset));
    }

    /// Tells the Member that no table of this dataset lies here any more.
    pub fn take_back(&self, dataset: String) {
        let _stopped = self.inbox.send(Message::TakeBack(dataset));
    }

    /// What imports into this node share.
    pub(crate) fn importing(&self) -> &Importing {
        &self.importing
    }

    /// What whoever checks every log of this node holds.
    pub(crate) fn auditing(&self) -> &Auditing {
        &self.auditing
    }

    /// The folder holds what the Member was not started with: the node starts again.
    pub fn renew(&self) {
        let _stopped = self.inbox.send(Message::Renew);
    }

    /// Asks the node to stop.
    pub fn stop(&self) {
        let _stopped = self.inbox.send(Message::Stop);
    }
}

impl Node {
    /// Starts the node in a folder.
    pub async fn start(home: Home, run: Run) -> Result<Self, NodeError> {
        let config = home.config()?;
        let folder = Folder::open(home.path())?;
        engine::remove_unfinished(&home.join("tables"))?;
        let (charters, mut later_keys) = admitted(&home, &config, &run)?;
        let keys = later_keys.remove(0);
        let chain: Vec<Arc<Charter>> = charters.iter().map(|(_, charter)| charter.clone()).collect();
        let (mut storage, mut found) = Storage::open(home.path())?;
        if found.cut > 0 {
            tracing::warn!(bytes = found.cut, "the journal's last frame was torn and cut");
        }
        let rivals = home.rivals()?;
        // For members that fetch a version from us.
        for note in charters.iter().map(|(note, _)| note).chain(rivals.values()) {
            let hash = sha256(&[note.as_bytes()]);
            if found.held.insert(hash) {
                storage.blobs().put(&hash, note.as_bytes())?;
            }
        }
        let own = home.limits().and_then(|limits| Ok((limits, home.inbox()?)));
        let own = own.inspect_err(|error| tracing::warn!(%error, "this node answers nothing")).ok();
        let (limits, inbox) = own.unzip();
        let settings = Settings {
            me: config.id.0.clone(),
            limits,
            inbox: inbox.unwrap_or_default(),
            declared: home.declared(&chain)?,
            answer_grid: Span(config.answer_grid),
            asks_first: true,
            pull_every: PULL_EVERY,
        };
        let vocabularies: BTreeMap<_, _> =
            home.vocabularies()?.into_iter().map(|(hash, (_, vocabulary))| (hash, vocabulary)).collect();
        let gone_on = home.gone_on()?.filter(|gone| gone.charter == chain[0].id());
        let ended = gone_on.map(|gone| gone.head);
        let importing = Arc::new(Importing::new(vocabularies.keys().copied().collect()));
        let start = Start {
            entropy: entropy::seed(),
            keys,
            later_keys,
            carried: home.carried()?,
            ended,
            settings,
            charters: charters
                .into_iter()
                .map(|(note, charter)| (charter, sha256(&[note.as_bytes()])))
                .collect(),
            rivals: rivals.into_iter().map(|(hash, note)| (hash, sha256(&[note.as_bytes()]))).collect(),
            vocabularies,
            records: found.records,
            last_signed: found.last_signed,
            secrets: found.secrets,
            openings: found.openings,
            held: found.held,
            checked: Checked::default(),
        };
        let member =
            Member::restore(clock::now(), start).map_err(|error| NodeError::Wrong(error.to_string()))?;
        let met = member.fold().met(member.me(), clock::now());
        // What a crash left: blobs whose entry was never written.
        // Which entries there are is not known yet while they are taken back.
        if !member.is_restoring() {
            storage.remove_unnamed(&member.named_blobs())?;
        }
        let index = Arc::new(open_index(&home, storage.position(), &member)?);
        let (net_events, network) = mpsc::unbounded_channel();
        let carrier_config = CarrierConfig {
            secret: *member.transport(),
            charter: chain[0].id().0,
            listen: config.listen.clone(),
            allowed: peers(member.fold(), met, member.me()),
            nodes: run.nodes,
            recorder: run.recorder.clone(),
        };
        let carrier = Carrier::start(carrier_config, net_events).await.map_err(NodeError::Net)?;
        let (inbox, messages) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let handle = Handle {
            inbox: inbox.clone(),
            events: events.clone(),
            addresses: Arc::new(carrier.addresses().to_vec()),
            home: home.clone(),
            index: index.clone(),
            commands: Arc::default(),
            importing,
            auditing: Auditing::default(),
            waives_passphrase: run.waives_passphrase,
            sample: run.sample,
        };
        let driver =
            Driver { _folder: folder, home, member, storage, index, carrier, inbox, events, renewed: false };
        Ok(Self { handle, task: tokio::spawn(driver.run(messages, network)) })
    }

    /// Talks to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until it ends. Errors: the disk failed, so nothing more was promised.
    pub async fn wait(self) -> Result<Ended, StoreError> {
        self.task.await.unwrap_or_else(|error| Err(StoreError::Wrong(format!("the node broke: {error}"))))
    }

    /// Stops it and waits.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.handle.stop();
        self.wait().await.map(drop)
    }
}

/// Every version of the charter with its note, and our keys.
///
/// Errors: there is none, it is not for this program run, or it does not hold our keys.
fn admitted(home: &Home, config: &Config, run: &Run) -> Result<(Versions, Vec<Keys>), NodeError> {
    let wrong = |text: &str| Err(NodeError::Wrong(text.to_owned()));
    let charters = home.charters()?;
    let Some((_, charter)) = charters.last() else {
        return wrong("this node has no charter yet; sign one with `datacoop charter sign`");
    };
    if charter.fields().demo != run.demo {
        return wrong("demo charters run only inside `datacoop demo`, real ones only outside");
    }
    if config.answer_grid == 0 && !run.demo {
        return wrong("answer_grid = 0 is for made-up data only; remove it from config.toml");
    }
    let keys = home.all_keys(config)?;
    // Who left has its time to, and exports its log afterwards; who joins is heard before all go by that version.
    let is_ours = |listed: &MemberKeys| keys.iter().any(|keys| keys.public() == listed);
    let names_us = |charter: &Charter| charter.member(&config.id.0).is_some_and(|m| is_ours(&m.keys));
    if !charters.iter().any(|(_, charter)| names_us(charter)) {
        return Err(NodeError::Wrong(format!(
            "no version of the charter holds `{}` with this node's keys",
            config.id.0
        )));
    }
    Ok((charters, keys))
}

/// Our Tally; `None` when there can be none. Why is told to nobody: the engine's words may speak of rows.
async fn tally_of(
    home: &Home,
    question: &BoundQuestion,
    purpose: &str,
    at: Day,
    under: &Digest,
    me: &MemberId,
) -> Option<Vec<i64>> {
    let sources = home.sources(question.question().vocabulary(), purpose, at, Some(under)).ok()?;
    engine::tabulate(&sources, question, me).await.ok()
}

/// The other members of these versions of the charter, with their transport keys: of one whose keys are replaced the
/// older too, until its next log has begun here.
fn peers(fold: &Fold, met: &[Arc<Charter>], me: &MemberId) -> Vec<(MemberId, [u8; 32])> {
    let others = met.iter().flat_map(|charter| charter.members()).filter(|member| member.id != *me);
    let counts = |member: &&Listed| {
        let listed = fold.log_named(&member.keys.log.name).map(|log| log.order(0));
        listed >= fold.log(&member.id).map(|log| log.order(0))
    };
    let mut all: Vec<(MemberId, [u8; 32])> = vec![];
    for member in others.filter(counts) {
        let pair = (member.id.clone(), member.keys.peer);
        if !all.contains(&pair) {
            all.push(pair);
        }
    }
    all
}

/// Whether a log begins with this that goes on from another: its author's transport key is another from then on.
fn is_next_log(fold: &Fold, section: &Section) -> bool {
    let begins = fold.log_by_head(&section.log).filter(|_| section.from == 0);
    begins
        .is_some_and(|log| fold.logs_of(&log.member).first().is_some_and(|first| first.origin != log.origin))
}

/// Opens the index and fills it if it is not built to the journal's end.
fn open_index(home: &Home, position: u64, member: &Member) -> Result<Index, NodeError> {
    let opened = Index::open(&home.join("index"), position)?;
    if opened.rebuild {
        for round in member.fold().rounds().values() {
            index_release(&opened.index, member, &round.id);
        }
        opened.index.set_built_to(position);
    }
    Ok(opened.index)
}

/// `release/<query>` holds the question's name: what `Handle::released` lists without a fold.
const RELEASE_PREFIX: &[u8] = b"release/";

fn index_release(index: &Index, member: &Member, id: &QueryId) {
    let Some(round) = member.fold().round(id) else { return };
    if let (Some(query), Some(_)) = (round.query(), round.released()) {
        let key = [RELEASE_PREFIX, id.to_string().as_bytes()].concat();
        index.put(&key, query.question.question().id().as_bytes());
    }
}

struct Driver {
    _folder: Folder,
    home: Home,
    member: Member,
    storage: Storage,
    index: Arc<Index>,
    carrier: Carrier,
    inbox: mpsc::UnboundedSender<Message>,
    events: broadcast::Sender<Event>,
    /// Whether it holds another chain of charters than it started with.
    renewed: bool,
}

impl Driver {
    async fn run(
        mut self,
        mut messages: mpsc::UnboundedReceiver<Message>,
        mut network: mpsc::UnboundedReceiver<NetEvent>,
    ) -> Result<Ended, StoreError> {
        loop {
            self.drain().await?;
            if self.renewed {
                break;
            }
            let input = tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Input(input)) => input,
                    Some(Message::View(look)) => {
                        look(&self.member);
                        continue;
                    }
                    Some(Message::Declare(dataset)) => {
                        self.member.declare(dataset);
                        continue;
                    }
                    Some(Message::TakeBack(dataset)) => {
                        self.member.take_back(&dataset);
                        continue;
                    }
                    Some(Message::Renew) => {
                        self.renewed = true;
                        continue;
                    }
                    Some(Message::Stop) | None => break,
                },
                event = network.recv() => match input_of(event)? {
                    Some(input) => input,
                    None => continue,
                },
                () = tokio::time::sleep(self.until_wake()) => Input::Wake,
            };
            self.member.handle_input(clock::now(), input);
        }
        self.storage.close()?;
        self.index.set_built_to(self.storage.position());
        self.index.flush();
        Ok(if self.renewed { Ended::Renewed } else { Ended::Stopped })
    }

    fn until_wake(&self) -> Duration {
        let due = self.member.poll_timeout().map(|(at, _)| at);
        let due = due.into_iter().chain(self.storage.due()).min();
        // At least a millisecond, so that a deadline that cannot be met does not spin.
        let wait = due.map_or(Span(60_000), |due| due - clock::now());
        Duration::from_millis(wait.0.clamp(1, 60_000))
    }

    async fn drain(&mut self) -> Result<(), StoreError> {
        while let Some(output) = self.member.poll_output() {
            if let Output::Keep(Record::Copied(section)) = &output
                && is_next_log(self.member.fold(), section)
            {
                tracing::info!(
                    "a member's keys are replaced: the node starts again, and lets the old ones in no more"
                );
                self.renewed = true;
            }
            if let Some(output) = self.storage.take(output, clock::now())? {
                self.execute(output).await?;
            }
        }
        self.storage.settle(clock::now())
    }

    /// Does what is not the disk's.
    async fn execute(&mut self, output: Output) -> Result<(), StoreError> {
        match output {
            Output::LoadBlob(hash) => {
                let bytes = self.storage.blobs().get(&hash)?.map(Arc::from);
                self.feed(Input::Loaded(hash, bytes));
            }
            Output::Dial(member, addresses) => self.carrier.dial(member, addresses).await,
            Output::Hangup(member) => self.carrier.hang_up(member).await,
            Output::Request { to, exchange, bytes } => self.carrier.request(to, exchange, bytes).await,
            Output::Reply { exchange, bytes, .. } => self.carrier.reply(exchange, bytes).await,
            Output::ReplyPiece { exchange, hash, offset, .. } => {
                self.reply_piece(exchange, hash, offset).await?
            }
            Output::Tabulate(id, question) => self.tabulate(id, *question),
            Output::Draw { query, noise_std, cells } => self.draw(query, noise_std, cells),
            Output::Compute(work) => self.compute(work),
            Output::Tell(Event::Halted(text)) => return Err(StoreError::Wrong(text)),
            Output::Tell(Event::Rekeyed) => {
                tracing::info!("this member's keys are replaced: the node starts again with the new ones");
                self.renewed = true;
            }
            Output::Tell(Event::Version { by, note }) => self.take_version(&by, &note),
            Output::Tell(event) => self.tell(event),
            Output::Store(_)
            | Output::Keep(_)
            | Output::Sign { .. }
            | Output::StoreBlob { .. }
            | Output::RemoveShares(_)
            | Output::KeepSecret(..)
            | Output::EraseSecret(_)
            | Output::KeepOpening(..)
            | Output::EraseOpening(_) => {
                unreachable!("INVARIANT: `Storage::take` keeps what is the disk's")
            }
        }
        Ok(())
    }

    /// A charter version that another member goes by: if it is validly signed this node takes it, or holds it as
    /// a rival, and starts again with what it then knows.
    fn take_version(&mut self, by: &MemberId, note: &[u8]) {
        let taken = match std::str::from_utf8(note) {
            Ok(note) => self.home.hear_charter(note),
            Err(_) => Err(StoreError::Wrong("it is not text".into())),
        };
        match taken {
            Ok(Heard::Known) => {}
            Ok(Heard::Next(version)) => {
                tracing::info!(member = %by, version, "took the next version of the charter from another member");
                self.renewed = true;
            }
            Ok(Heard::Rival(version)) => {
                tracing::error!(member = %by, version, "two rival versions of the charter were signed: nobody answers until members decide");
                self.renewed = true;
            }
            Err(error) => tracing::warn!(member = %by, %error, "a version of the charter was not taken"),
        }
    }

    fn feed(&self, input: Input) {
        let _stopping = self.inbox.send(Message::Input(input));
    }

    async fn reply_piece(&self, exchange: u64, hash: Digest, offset: u64) -> Result<(), StoreError> {
        let reply = match self.storage.blobs().piece(&hash, offset, PIECE_BYTES_MAX)? {
            Some((total, bytes)) => Reply::Piece { total, bytes: Bytes(bytes) },
            None => Reply::Absent,
        };
        self.carrier.reply(exchange, encode(&reply)).await;
        Ok(())
    }

    fn tabulate(&self, id: QueryId, question: BoundQuestion) {
        let asked = self.member.fold().round(&id).and_then(|round| round.query().cloned());
        let (home, me, inbox) = (self.home.clone(), self.member.me().clone(), self.inbox.clone());
        tokio::spawn(async move {
            let tally = match asked {
                Some(asked) => {
                    tally_of(&home, &question, &asked.purpose, asked.at.day(), &asked.charter, &me).await
                }
                None => None,
            };
            if tally.is_none() {
                tracing::error!(query = %id, "the tally could not be computed");
            }
            let _stopping =
                inbox.send(Message::Input(Input::Tabulated(id, tally.map(|t| Tally(Zeroizing::new(t))))));
        });
    }

    fn draw(&self, id: QueryId, noise_std: NonZeroU32, cells: usize) {
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let drawn = noise::draw(noise_std, cells);
            let drawn = drawn.inspect_err(|error| tracing::error!(query = %id, %error, "no noise")).ok();
            let _stopping = inbox.send(Message::Input(Input::Drawn(id, drawn.map(Noise))));
        });
    }

    fn compute(&self, work: Work) {
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let _stopping = inbox.send(Message::Input(Input::Computed(work.run())));
        });
    }

    fn tell(&mut self, event: Event) {
        match &event {
            Event::Step { query, kind } => tracing::debug!(query = %query.short(), kind, "wrote"),
            Event::Released(id) => {
                tracing::info!(query = %id.short(), "released");
                index_release(&self.index, &self.member, id);
            }
            Event::Aborted(id, code) => tracing::info!(query = %id.short(), code, "aborted"),
            Event::Declined(id, why) => tracing::warn!(query = %id.short(), why, "declined"),
            Event::Fault(member, what) => {
                tracing::warn!(%member, what = %what.escape_debug(), "a peer misbehaves")
            }
            Event::SplitView(split) => {
                tracing::error!(member = %split.member, "it signed two histories of its log")
            }
            Event::Waits(id) => {
                tracing::warn!(query = %id.short(), "a question waits for this node's yes: datacoop inbox")
            }
            Event::Version { .. }
            | Event::Rekeyed
            | Event::Asked { .. }
            | Event::Acted { .. }
            | Event::Decided { .. }
            | Event::Answered { .. }
            | Event::Denied { .. }
            | Event::Halted(_) => {}
        }
        let _nobody_listens = self.events.send(event);
    }
}

/// What an event means to the Member, if anything.
///
/// Errors: the carrier is gone. A node that nobody can reach must not look as if it ran.
fn input_of(event: Option<NetEvent>) -> Result<Option<Input>, StoreError> {
    let Some(event) = event else {
        return Err(StoreError::Wrong("the network part of the node broke; start the node again".into()));
    };
    Ok(Some(match event {
        NetEvent::Connected(member) => Input::Connected(member),
        NetEvent::Disconnected(member) => Input::Disconnected(member),
        NetEvent::DialFailed(member) => Input::DialFailed(member),
        NetEvent::Request(from, exchange, bytes) => Input::Request { from, exchange, bytes },
        NetEvent::Reply(from, exchange, bytes) => Input::Reply { from, exchange, bytes },
        NetEvent::NoReply(from, exchange) => Input::NoReply { from, exchange },
        NetEvent::Refused(why) => {
            tracing::debug!(why, "a connection was turned away");
            return Ok(None);
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_that_is_gone_ends_the_node() {
        let error = input_of(None).err().unwrap().to_string();
        assert!(error.contains("start the node again"), "{error}");
        assert!(input_of(Some(NetEvent::Refused("no".into()))).unwrap().is_none());
    }
}
