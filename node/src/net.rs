//! The carrier: opaque frames between members over libp2p. Alone imports libp2p. Must not know what a
//! frame says.
//!
//! TCP, Noise with a prologue that names the co-operative, Yamux; one request-response protocol; an
//! allow-list of the charter's peers; limits on connections, streams and memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datacoop_policy::MemberId;
use datacoop_protocol::bounds::{FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, Transport as _};
use libp2p::core::upgrade::Version;
use libp2p::request_response::{self, OutboundRequestId, ProtocolSupport, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, allow_block_list, connection_limits, identify, identity,
    memory_connection_limits, noise, ping, tcp, yamux,
};
use tokio::sync::mpsc;

/// The one protocol.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/datacoop/1");
/// Filters in schools are slow.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// 256 KiB at 5 kB/s.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Ten turns of anti-entropy.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// Keeps NAT and proxies warm.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a ping may take.
const PING_MAX: Duration = Duration::from_secs(20);
/// Requests on one connection, theirs and ours: the library's limit is per connection, and 16 frames
/// of 512 KiB are what a peer may make us hold.
const REQUEST_STREAMS_MAX: usize = 16;
/// Streams of the multiplexer: those of requests, those of ping and identify, and what is closing.
const MUX_STREAMS_MAX: usize = 128;
/// Requests of ours that wait for a peer to answer earlier ones; beyond, no answer will come.
const WAITING_MAX: usize = 256;
/// Requests a second that a member may make of us over a long time: bound work at our own border.
const REQUEST_RATE: u32 = 200;
/// Requests it may make at once: catching up after a holiday comes in bursts.
const REQUEST_BURST: u32 = 400;
// The library drops what is over its limit without a word, so half is for each side.
const _: () = assert!(2 * REQUESTS_IN_FLIGHT_MAX <= REQUEST_STREAMS_MAX);
/// Connections: every member of the largest co-operative, twice while both sides dial.
const CONNECTIONS_MAX: u32 = 512;
/// Memory of the whole process beyond which no connection is taken, for one node.
const MEMORY_BYTES_MAX: usize = 640 * 1024 * 1024;
/// Commands that wait for the carrier.
const COMMANDS_MAX: usize = 4_096;

/// Why the carrier does not start.
#[derive(Debug)]
pub struct NetError(String);

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sees every frame that is sent: how tests look for what must not be in one.
pub type Recorder = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// What the carrier starts from.
pub struct CarrierConfig {
    /// Our Ed25519 transport secret.
    pub secret: [u8; 32],
    /// The co-operative: peers of another do not get through the handshake.
    pub charter: [u8; 32],
    /// Where to listen, as multiaddresses; empty for a node that only dials.
    pub listen: Vec<String>,
    /// Members and their transport public keys, ourselves aside; of one whose keys are replaced the older ones first.
    pub allowed: Vec<(MemberId, [u8; 32])>,
    /// Nodes in this process: memory is counted for all of it.
    pub nodes: usize,
    /// For tests.
    pub recorder: Option<Recorder>,
}

/// What happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// The first connection to a member stands.
    Connected(MemberId),
    /// The last one is gone.
    Disconnected(MemberId),
    /// It could not be reached.
    DialFailed(MemberId),
    /// It asks.
    Request(MemberId, u64, Vec<u8>),
    /// It answers our request.
    Reply(MemberId, u64, Vec<u8>),
    /// No answer will come.
    NoReply(MemberId, u64),
    /// A peer that is no member, or not to be let in, was turned away.
    Refused(String),
}

enum Command {
    Dial(MemberId, Vec<String>),
    Hangup(MemberId),
    Request(MemberId, u64, Vec<u8>),
    Reply(u64, Vec<u8>),
}

/// The running carrier; dropping it stops it.
pub struct Carrier {
    commands: mpsc::Sender<Command>,
    addresses: Vec<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(NetworkBehaviour)]
struct Gate {
    members: allow_block_list::Behaviour<allow_block_list::AllowedPeers>,
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    frames: request_response::Behaviour<FrameCodec>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

#[derive(Clone)]
struct FrameCodec {
    recorder: Option<Recorder>,
}

async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(FRAME_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > FRAME_BYTES_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(bytes) }
}

impl FrameCodec {
    async fn write_frame<T: AsyncWrite + Unpin + Send>(&self, io: &mut T, frame: Vec<u8>) -> io::Result<()> {
        if let Some(recorder) = &self.recorder {
            recorder(&frame);
        }
        io.write_all(&frame).await
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read_frame(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read_frame(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()> {
        self.write_frame(io, frame).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()> {
        self.write_frame(io, frame).await
    }
}

fn failed(what: &str) -> impl FnOnce(&dyn fmt::Display) -> NetError + '_ {
    move |error| NetError(format!("{what}: {error}"))
}

/// TCP, then Noise whose prologue names the co-operative, then Yamux.
fn transport(
    key: &identity::Keypair,
    charter: &[u8; 32],
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetError> {
    let mut prologue = b"datacoop/noise/1".to_vec();
    prologue.extend(charter);
    let noise = noise::Config::new(key).map_err(|error| failed("noise")(&error))?.with_prologue(prologue);
    let mut mux = yamux::Config::default();
    mux.set_max_num_streams(MUX_STREAMS_MAX);
    let upgrade = move |tcp: Boxed<tcp::tokio::TcpStream>| {
        tcp.upgrade(Version::V1Lazy)
            .authenticate(noise)
            .multiplex(mux)
            .timeout(HANDSHAKE_MAX)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed()
    };
    let base = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    // Without a resolver file, names do not resolve and numbers still do.
    let tcp = match libp2p::dns::tokio::Transport::system(base()) {
        Ok(named) => named.boxed(),
        Err(_) => base().boxed(),
    };
    Ok(upgrade(tcp))
}

fn behaviour(key: &identity::Keypair, config: &CarrierConfig) -> Gate {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(32))
        .with_max_pending_outgoing(Some(16))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(2));
    let frames = request_response::Config::default()
        .with_request_timeout(REQUEST_MAX)
        .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
    let identify = identify::Config::new("/datacoop/1".into(), key.public())
        .with_hide_listen_addrs(true)
        .with_push_listen_addr_updates(false);
    Gate {
        members: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_bytes(
            MEMORY_BYTES_MAX.saturating_mul(config.nodes.max(1)),
        ),
        frames: request_response::Behaviour::with_codec(
            FrameCodec { recorder: config.recorder.clone() },
            [(PROTOCOL, ProtocolSupport::Full)],
            frames,
        ),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_MAX)),
    }
}

fn peer_of(public: &[u8; 32]) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(public).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// Whether a text is an address to dial or listen on.
pub fn is_address(text: &str) -> bool {
    text.parse::<Multiaddr>().is_ok()
}

impl Carrier {
    /// Starts the carrier. Events go to `events`.
    ///
    /// Errors: a key or address that is none, or a port that is taken.
    pub async fn start(
        config: CarrierConfig,
        events: mpsc::UnboundedSender<NetEvent>,
    ) -> Result<Self, NetError> {
        let key = identity::Keypair::ed25519_from_bytes(config.secret)
            .map_err(|error| failed("transport key")(&error))?;
        let transport = transport(&key, &config.charter)?;
        let mut net = behaviour(&key, &config);
        let mut member_by_peer = HashMap::new();
        let mut peers_by_member: BTreeMap<MemberId, Vec<PeerId>> = BTreeMap::new();
        for (member, public) in &config.allowed {
            let peer = peer_of(public)
                .ok_or_else(|| NetError(format!("the transport key of `{member}` is none")))?;
            net.members.allow_peer(peer);
            member_by_peer.insert(peer, member.clone());
            peers_by_member.entry(member.clone()).or_default().insert(0, peer);
        }
        let swarm_config =
            libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_MAX);
        let mut swarm = Swarm::new(transport, net, key.public().to_peer_id(), swarm_config);
        for text in &config.listen {
            let address: Multiaddr =
                text.parse().map_err(|error| NetError(format!("`{text}` is no address: {error}")))?;
            swarm
                .listen_on(address)
                .map_err(|error| NetError(format!("cannot listen on {text}: {error}")))?;
        }
        let addresses = listening(&mut swarm, config.listen.len()).await?;
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);

        let carrier = Loop {
            swarm,
            events,
            member_by_peer,
            peers_by_member,
            asked: HashMap::new(),
            sending: HashMap::new(),
            buckets: HashMap::new(),
            to_answer: BTreeMap::new(),
            last: 0,
        };
        let task = tokio::spawn(carrier.run(inbox));
        Ok(Self { commands, addresses, task })
    }

    /// Where we listen, with the ports the system chose.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    async fn command(&self, command: Command) {
        // A carrier that is gone takes the node with it; there is nobody to tell.
        let _gone = self.commands.send(command).await;
    }

    /// Connects to a member.
    pub async fn dial(&self, member: MemberId, addresses: Vec<String>) {
        self.command(Command::Dial(member, addresses)).await;
    }

    /// Closes all connections to a member.
    pub async fn hang_up(&self, member: MemberId) {
        self.command(Command::Hangup(member)).await;
    }

    /// Sends a request to a connected member.
    pub async fn request(&self, member: MemberId, exchange: u64, frame: Vec<u8>) {
        self.command(Command::Request(member, exchange, frame)).await;
    }

    /// Answers a member's request.
    pub async fn reply(&self, exchange: u64, frame: Vec<u8>) {
        self.command(Command::Reply(exchange, frame)).await;
    }
}

/// Waits until every listener has its address.
#[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are many and grow")]
async fn listening(swarm: &mut Swarm<Gate>, listeners: usize) -> Result<Vec<String>, NetError> {
    let mut addresses = vec![];
    while addresses.len() < listeners {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => addresses.push(address.to_string()),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                return Err(NetError(format!("cannot listen: {error}")));
            }
            _ => {}
        }
    }
    Ok(addresses)
}

/// Our requests to one peer: how many it has not answered, and what waits for that.
#[derive(Default)]
struct Sending {
    in_flight: usize,
    waiting: VecDeque<(u64, Vec<u8>)>,
}

/// How many more requests a member may make now: a token bucket.
struct Bucket {
    tokens: u32,
    filled: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: REQUEST_BURST, filled: now }
    }

    /// Takes a token; whether there was one.
    fn take(&mut self, now: Instant) -> bool {
        let one = Duration::from_secs(1) / REQUEST_RATE;
        let new = now.saturating_duration_since(self.filled).as_nanos() / one.as_nanos();
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        if new >= REQUEST_BURST - self.tokens {
            (self.tokens, self.filled) = (REQUEST_BURST, now);
        } else {
            // What is left over of the time counts for the next one.
            self.tokens += new;
            self.filled += one * new;
        }
        let taken = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        taken
    }
}

struct Loop {
    swarm: Swarm<Gate>,
    events: mpsc::UnboundedSender<NetEvent>,
    member_by_peer: HashMap<PeerId, MemberId>,
    /// By newest transport key first.
    peers_by_member: BTreeMap<MemberId, Vec<PeerId>>,
    asked: HashMap<OutboundRequestId, u64>,
    sending: HashMap<PeerId, Sending>,
    buckets: HashMap<PeerId, Bucket>,
    to_answer: BTreeMap<u64, ResponseChannel<Vec<u8>>>,
    last: u64,
}

impl Loop {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = inbox.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return,
                },
            }
        }
    }

    fn tell(&self, event: NetEvent) {
        let _gone = self.events.send(event);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial(member, addresses) => {
                let addresses: Vec<Multiaddr> =
                    addresses.iter().filter_map(|text| text.parse().ok()).collect();
                self.dial(&member, &addresses);
            }
            Command::Hangup(member) => {
                for peer in self.peers_by_member.get(&member).into_iter().flatten() {
                    let _not_connected = self.swarm.disconnect_peer_id(*peer);
                }
            }
            Command::Request(member, exchange, frame) => {
                // `send_request` would dial a peer that is gone, past our own dialler.
                match self.connected(&member) {
                    Some(peer) if self.has_room(&peer) => {
                        self.sending.entry(peer).or_default().waiting.push_back((exchange, frame));
                        self.send_waiting(peer);
                    }
                    Some(_) | None => self.tell(NetEvent::NoReply(member, exchange)),
                }
            }
            Command::Reply(exchange, frame) => {
                if let Some(channel) = self.to_answer.remove(&exchange) {
                    let _asker_left = self.swarm.behaviour_mut().frames.send_response(channel, frame);
                }
            }
        }
    }

    /// The peer that a member is connected as.
    fn connected(&self, member: &MemberId) -> Option<PeerId> {
        let mut peers = self.peers_by_member.get(member)?.iter();
        peers.find(|peer| self.swarm.is_connected(peer)).copied()
    }

    /// Dials a member under each of its transport keys: which of two it goes by, only it knows.
    fn dial(&mut self, member: &MemberId, addresses: &[Multiaddr]) {
        if self.connected(member).is_some() {
            return;
        }
        for peer in self.peers_by_member.get(member).cloned().unwrap_or_default() {
            let dial = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses.to_vec())
                .build();
            if let Err(error) = self.swarm.dial(dial) {
                tracing::debug!(%member, %error, "not dialled");
                if !matches!(error, libp2p::swarm::DialError::DialPeerConditionFalse(_)) {
                    self.tell(NetEvent::DialFailed(member.clone()));
                }
            }
        }
    }

    fn has_room(&self, peer: &PeerId) -> bool {
        self.sending.get(peer).is_none_or(|sending| sending.waiting.len() < WAITING_MAX)
    }

    /// Sends what waits for a peer, as far as its answers allow.
    fn send_waiting(&mut self, peer: PeerId) {
        let Some(sending) = self.sending.get_mut(&peer) else { return };
        while sending.in_flight < REQUESTS_IN_FLIGHT_MAX
            && let Some((exchange, frame)) = sending.waiting.pop_front()
        {
            let id = self.swarm.behaviour_mut().frames.send_request(&peer, frame);
            self.asked.insert(id, exchange);
            sending.in_flight += 1;
        }
    }

    /// A request of ours is over, answered or not. Returns the exchange it was for.
    fn on_over(&mut self, peer: PeerId, request: OutboundRequestId) -> Option<u64> {
        let exchange = self.asked.remove(&request)?;
        if let Some(sending) = self.sending.get_mut(&peer) {
            sending.in_flight = sending.in_flight.saturating_sub(1);
        }
        if self.swarm.is_connected(&peer) {
            self.send_waiting(peer);
        }
        Some(exchange)
    }

    /// A peer is gone: what waited for it gets no answer. What was in flight is told one by one.
    fn on_gone(&mut self, peer: PeerId) {
        let waiting = self.sending.get_mut(&peer).map(|sending| std::mem::take(&mut sending.waiting));
        for (exchange, _) in waiting.into_iter().flatten() {
            self.tell_of(peer, |member| NetEvent::NoReply(member, exchange));
        }
        if self.member_by_peer.get(&peer).is_some_and(|member| self.connected(member).is_none()) {
            self.tell_of(peer, NetEvent::Disconnected);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are many and grow")]
    fn on_event(&mut self, event: SwarmEvent<GateEvent>) {
        match event {
            SwarmEvent::Behaviour(GateEvent::Frames(event)) => self.on_frame(event),
            SwarmEvent::Behaviour(GateEvent::Ping(ping::Event { connection, result: Err(_), .. })) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::ConnectionEstablished { peer_id, num_established, .. }
                if num_established.get() == 1 =>
            {
                self.tell_of(peer_id, NetEvent::Connected);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.on_gone(peer_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                tracing::debug!(%peer, %error, "dial failed");
                if self.member_by_peer.get(&peer).is_some_and(|member| self.connected(member).is_none()) {
                    self.tell_of(peer, NetEvent::DialFailed);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                // A peer's text never goes to a log as it stands.
                self.tell(NetEvent::Refused(error.to_string().escape_debug().to_string()));
            }
            _ => {}
        }
    }

    fn tell_of(&self, peer: PeerId, event: impl FnOnce(MemberId) -> NetEvent) {
        if let Some(member) = self.member_by_peer.get(&peer) {
            self.tell(event(member.clone()));
        }
    }

    fn on_frame(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        match event {
            request_response::Event::Message { peer, message, .. } => {
                let Some(member) = self.member_by_peer.get(&peer).cloned() else { return };
                match message {
                    request_response::Message::Request { request, channel, .. } => {
                        let now = Instant::now();
                        if !self.buckets.entry(peer).or_insert_with(|| Bucket::full(now)).take(now) {
                            tracing::debug!(%member, "too many requests: one is dropped");
                            // Dropping the channel answers with an empty reply: no answer.
                            return;
                        }
                        self.last += 1;
                        self.to_answer.insert(self.last, channel);
                        self.tell(NetEvent::Request(member, self.last, request));
                    }
                    request_response::Message::Response { request_id, response } => {
                        let Some(exchange) = self.on_over(peer, request_id) else { return };
                        // A request that was refused or dropped reaches its sender as an empty reply.
                        self.tell(match response.is_empty() {
                            true => NetEvent::NoReply(member, exchange),
                            false => NetEvent::Reply(member, exchange, response),
                        });
                    }
                }
            }
            request_response::Event::OutboundFailure { peer, request_id, .. } => {
                let Some(exchange) = self.on_over(peer, request_id) else { return };
                self.tell_of(peer, |member| NetEvent::NoReply(member, exchange));
            }
            request_response::Event::InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {
                self.to_answer.retain(|_, channel| channel.is_open());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_may_ask_in_bursts_but_not_for_ever() {
        let began = Instant::now();
        let mut bucket = Bucket::full(began);
        let mut taken = |millis: u64, asked: usize| {
            (0..asked).filter(|_| bucket.take(began + Duration::from_millis(millis))).count()
        };
        assert_eq!(taken(0, 1_000), 400);
        assert_eq!(taken(4, 10), 0);
        assert_eq!(taken(5, 10), 1);
        assert_eq!(taken(1_005, 1_000), 200);
        assert_eq!(taken(60_000, 1_000), 400);
        // A clock that stands still or goes back gives nothing.
        assert_eq!(taken(1_000, 10), 0);
    }
}
