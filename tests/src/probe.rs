//! A probe: it speaks to a real node's process over the real wire, under any key, and says what no honest
//! node says. It never looks into the node.

use std::time::Duration;

use datacoop::home::Home;
use datacoop::net::{Carrier, CarrierConfig, NetEvent};
use datacoop_policy::MemberId;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{Coop, PATIENCE};

/// How long a node may take to say nothing.
const SILENCE: Duration = Duration::from_secs(3);

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
