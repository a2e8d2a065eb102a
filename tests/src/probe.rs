//! A probe: it speaks to a real node's process over the real wire, under any key, and says what no honest
//! node says. It never looks into the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datacoop::home::Home;
use datacoop::net::{Carrier, CarrierConfig, NetEvent};
use datacoop_policy::MemberId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

use crate::{Coop, PATIENCE};

/// How long a node may take to say nothing.
const SILENCE: Duration = Duration::from_secs(3);

/// Requests that a flood keeps waiting for an answer: more than are ever under way.
const FLOOD_DEPTH: usize = 32;

/// One end of a connection to a node.
pub struct Probe {
    carrier: Carrier,
    events: UnboundedReceiver<NetEvent>,
    target: MemberId,
    addresses: Vec<String>,
    exchange: u64,
}

impl Probe {
    /// Speaks to node `target` with the key of node `like`, which must not run meanwhile, or with a key
    /// of nobody.
    pub async fn new(coop: &Coop, target: usize, like: Option<usize>) -> Self {
        let home = Home::new(&coop.node(target));
        let config = home.config().expect("a configuration");
        let keys = home.keys(&config).expect("keys");
        let (_, charter) = home.charter().expect("a charter").expect("in force");
        let id = home.card_member(&config, &keys).id;
        let member = charter.member(&id).expect("its place");
        let secret = like.map_or([77; 32], |like| {
            let home = Home::new(&coop.node(like));
            *home.keys(&home.config().expect("a configuration")).expect("keys").transport()
        });
        let (sender, events) = unbounded_channel();
        let config = CarrierConfig {
            secret,
            charter: charter.id().0,
            listen: vec![],
            allowed: vec![(id.clone(), member.keys.peer)],
            nodes: 1,
            recorder: None,
        };
        let carrier = Carrier::start(config, sender).await.expect("a carrier");
        Self { carrier, events, target: id, addresses: member.addresses.clone(), exchange: 0 }
    }

    /// Where the node listens.
    pub fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// Dials this address from now on.
    pub fn by_way_of(&mut self, address: &str) {
        self.addresses = vec![address.to_owned()];
    }

    /// Throws frames as fast as the node takes them, until a moment; how many were answered, and how many
    /// the node let drop.
    pub async fn flood(&mut self, frame: &[u8], until: Instant) -> (usize, usize) {
        let (mut answered, mut dropped) = (0, 0);
        for _ in 0..FLOOD_DEPTH {
            self.throw(frame.to_vec()).await;
        }
        while let Ok(Some(event)) = tokio::time::timeout_at(until.into(), self.events.recv()).await {
            match event {
                NetEvent::Reply(..) => answered += 1,
                NetEvent::NoReply(..) => dropped += 1,
                NetEvent::Connected(_)
                | NetEvent::Disconnected(_)
                | NetEvent::DialFailed(_)
                | NetEvent::Request(..)
                | NetEvent::Refused(_) => continue,
            }
            self.throw(frame.to_vec()).await;
        }
        (answered, dropped)
    }

    /// Dials, and waits until the connection stands or fails; whether it stands.
    pub async fn dial(&mut self) -> bool {
        self.carrier.dial(self.target.clone(), self.addresses.clone()).await;
        matches!(self.next().await, Some(NetEvent::Connected(_)))
    }

    /// The next thing that happens but the node's own requests, which a probe leaves unanswered.
    pub async fn next(&mut self) -> Option<NetEvent> {
        loop {
            let event = tokio::time::timeout(SILENCE, self.events.recv()).await.ok().flatten()?;
            if !matches!(event, NetEvent::Request(..)) {
                return Some(event);
            }
        }
    }

    /// Whatever happens until nothing does, the node's requests too.
    pub async fn everything(&mut self) -> Vec<NetEvent> {
        let mut seen = vec![];
        while let Ok(Some(event)) = tokio::time::timeout(SILENCE, self.events.recv()).await {
            seen.push(event);
        }
        seen
    }

    /// Sends a frame as it stands, whatever comes of it.
    pub async fn throw(&mut self, frame: Vec<u8>) {
        self.exchange += 1;
        self.carrier.request(self.target.clone(), self.exchange, frame).await;
    }

    /// Sends a frame and waits for its answer; `None` when none will come.
    pub async fn ask(&mut self, frame: Vec<u8>) -> Option<Vec<u8>> {
        self.throw(frame).await;
        let own = self.exchange;
        let answer = async {
            loop {
                let event = self.events.recv().await?;
                if let NetEvent::Reply(_, exchange, bytes) = event {
                    if exchange == own {
                        return Some(bytes);
                    }
                } else if matches!(event, NetEvent::NoReply(_, exchange) if exchange == own) {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
    }
}

/// Resident memory of a process, bytes.
pub fn resident(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
    kib * 1_024
}

/// A wire between a probe and a node that somebody may hold up: bytes go both ways until it is stalled,
/// and then none do, while both ends stay open.
pub struct Strait {
    /// Where to dial instead.
    pub address: String,
    stalled: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Strait {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Strait {
    /// A wire to whoever listens at an address of this machine.
    pub async fn to(address: &str) -> Self {
        let port: u16 = address.rsplit('/').next().and_then(|port| port.parse().ok()).expect("a TCP port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let own = listener.local_addr().expect("an address").port();
        let stalled = Arc::new(AtomicBool::new(false));
        let held = stalled.clone();
        let task = tokio::spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", port)).await.expect("the node listens");
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                wires.spawn(carry(near_in, far_out, held.clone()));
                wires.spawn(carry(far_in, near_out, held.clone()));
            }
        });
        Self { address: format!("/ip4/127.0.0.1/tcp/{own}"), stalled, task }
    }

    /// From now on nothing passes.
    pub fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stalled: Arc<AtomicBool>) {
    let mut buffer = vec![0; 4_096];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        while stalled.load(Ordering::Relaxed) {
            tokio::time::sleep(SILENCE).await;
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
