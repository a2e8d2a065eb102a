//! Pretend members on this computer, for the demo and for benchmarks: real folders, keys, charter and
//! nodes, only the organisations are made up. Their charter says `demo`, so no real node joins.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::charter_text::{charter_toml, sign_charter};
use datacoop_protocol::log::tree::sha256;
use datacoop_sim::coop::{Founder, charter_draft};

use crate::driver::{Node, Run};
use crate::error::CommandError;
use crate::folder::{Folder, StoreError, at, make_dir};
use crate::home::{Config, Home, MemberIdText};
use crate::net::Recorder;
use crate::{clock, engine, entropy};

/// How long pretend members may take to meet, and a round among them to end.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Members that others can dial: the least that lets one sleep.
const MEETING_POINTS: usize = 2;

/// A pretend member and its folder.
pub struct Pretender {
    /// Its id, name and keys.
    pub founder: Founder,
    /// Its folder.
    pub home: Home,
}

/// Founds a co-operative: for each (name, public roll bound) a folder as `init`, `charter sign` and
/// `import` would leave it. `table` gives the finished table to move in.
pub fn found(
    root: &Path,
    vocabulary_text: &str,
    members: &[(String, u64)],
    table: &dyn Fn(usize) -> Option<PathBuf>,
) -> Result<Vec<Pretender>, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let vocabulary = Vocabulary::from_toml(vocabulary_text).map_err(CommandError::usage)?;
    let mut cast = vec![];
    for (n, (name, people_max)) in members.iter().enumerate() {
        let addresses = match n < MEETING_POINTS {
            true => vec![format!("/ip4/127.0.0.1/tcp/{}", free_port()?)],
            false => vec![],
        };
        // Keys come from the system, whatever a demo's seed: only data is made up.
        let founder = Founder::new(&entropy::seed(), n, name, *people_max, addresses);
        let home = Home::new(&root.join(founder.id.as_str()));
        cast.push(Pretender { founder, home });
    }
    let founders: Vec<&Founder> = cast.iter().map(|member| &member.founder).collect();
    let hash = sha256(&[vocabulary_text.as_bytes()]);
    let mut note = charter_toml(&charter_draft(&founders, (&vocabulary, hash), clock::now().day()));
    for member in &cast {
        note = sign_charter(&note, &member.founder.keys()).map_err(|error| failed(&error))?;
    }
    for (n, member) in cast.iter().enumerate() {
        settle(member, vocabulary_text, &vocabulary, &note, table(n)).map_err(|error| failed(&error))?;
    }
    Ok(cast)
}

fn settle(
    member: &Pretender,
    vocabulary_text: &str,
    vocabulary: &Vocabulary,
    note: &str,
    table: Option<PathBuf>,
) -> Result<(), StoreError> {
    let home = &member.home;
    drop(Folder::open(home.path())?);
    let config = Config {
        id: MemberIdText(member.founder.id.clone()),
        name: member.founder.name.clone(),
        body: member.founder.name.clone(),
        host: member.founder.host.clone(),
        people_min: 0,
        people_max: member.founder.people_max,
        listen: member.founder.addresses.clone(),
        addresses: member.founder.addresses.clone(),
        answer_grid: 0,
    };
    home.create(&config, &member.founder.identity)?;
    home.adopt_charter(note)?;
    home.add_vocabulary(vocabulary_text)?;
    home.write_limits_once(&["demo"])?;
    let Some(table) = table else { return Ok(()) };
    let target = engine::table_path(&home.join("tables"), vocabulary, 1);
    if let Some(parent) = target.parent() {
        make_dir(parent)?;
    }
    std::fs::rename(table, &target).map_err(at(&target))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, CommandError> {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|error| CommandError::failed(format!("no free port: {error}")))
}

/// Starts a node for each, in this process, and waits until all have met.
pub async fn start(cast: &[Pretender], recorder: Option<Recorder>) -> Result<Vec<Node>, CommandError> {
    // Whoever is dialled listens first: meeting points from the last to the first, then the others.
    let (points, others) = cast.split_at(cast.len().min(MEETING_POINTS));
    let points = points.iter().rev().map(|member| (member, true));
    let mut nodes = std::collections::VecDeque::new();
    for (member, first) in points.chain(others.iter().map(|member| (member, false))) {
        let run = Run { nodes: cast.len(), recorder: recorder.clone(), demo: true };
        let node = Node::start(member.home.clone(), run).await;
        let node = node.map_err(|error| CommandError::failed(format!("{}: {error}", member.founder.name)))?;
        if first { nodes.push_front(node) } else { nodes.push_back(node) }
    }
    let nodes: Vec<Node> = nodes.into();
    meet(&nodes).await?;
    Ok(nodes)
}

/// A node ended while others still needed it.
pub fn stopped() -> CommandError {
    CommandError::failed("a node stopped".into())
}

/// Waits until every member is connected to the meeting points and holds the begin of every log.
async fn meet(nodes: &[Node]) -> Result<(), CommandError> {
    let deadline = Instant::now() + PATIENCE;
    for node in nodes {
        loop {
            let whole = node.handle().view(|member| {
                let members = member.fold().charter().members().iter();
                let mut points = members.filter(|m| m.is_meeting_point() && m.id != *member.me());
                let met = points.all(|point| member.connected().any(|peer| *peer == point.id));
                met && member.fold().logs().all(|log| log.size() >= 2)
            });
            if whole.await.ok_or_else(stopped)? {
                break;
            }
            if Instant::now() > deadline {
                let text = "the members did not meet; is loopback TCP allowed here";
                return Err(CommandError::failed(text.into()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}
