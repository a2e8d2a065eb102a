//! Pretend members on this computer, for the demo and for benchmarks: real folders, keys, charter and
//! nodes, only the organisations are made up. Their charter says `demo`, so no real node joins.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use datacoop_policy::Digest;
use datacoop_policy::charter::name_witnesses;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::charter_text::{charter_toml, sign_charter};
use datacoop_protocol::log::tree::sha256;
use datacoop_sim::coop::{Founder, charter_draft, member_id};

use crate::driver::{Node, Run};
use crate::error::CommandError;
use crate::folder::{Folder, StoreError, at, make_dir};
use crate::home::{Config, Home, MemberIdText, SHIPPED_VOCABULARIES};
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

impl Pretender {
    /// Where its first table of a vocabulary goes.
    pub fn table_path(&self, vocabulary: &Vocabulary) -> PathBuf {
        engine::table_path(&self.home.join("tables"), vocabulary, 1)
    }

    /// Moves a finished table in as its first of a vocabulary.
    pub fn move_table(&self, vocabulary: &Vocabulary, table: &Path) -> Result<(), StoreError> {
        let target = self.table_path(vocabulary);
        if let Some(parent) = target.parent() {
            make_dir(parent)?;
        }
        std::fs::rename(table, &target).map_err(at(&target))
    }
}

/// What `each` gives for 0 to `n` - 1, in order, worked out on every core.
pub fn in_parallel<T: Send>(n: usize, each: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(n.max(1));
    let mut found: Vec<(usize, T)> = std::thread::scope(|scope| {
        let work = |core: usize| (core..n).step_by(cores).map(|at| (at, each(at))).collect::<Vec<_>>();
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(move || work(core))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().expect("INVARIANT: work returns its errors"));
        joined.flatten().collect()
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, one)| one).collect()
}

/// The folder of the pretend member of this place.
pub fn folder(root: &Path, n: usize) -> PathBuf {
    root.join(member_id(n).as_str())
}

/// Founds a co-operative: for each (name, public roll bound) a folder as `init` and `charter sign` would
/// leave it. The charter names these vocabularies; tables may lie there already.
pub fn found(
    root: &Path,
    vocabulary_texts: &[String],
    members: &[(String, u64)],
) -> Result<Vec<Pretender>, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let read = |text: &String| Ok((Vocabulary::from_toml(text)?, sha256(&[text.as_bytes()])));
    let vocabularies: Vec<(Vocabulary, Digest)> =
        vocabulary_texts.iter().map(read).collect::<Result<_, String>>().map_err(CommandError::usage)?;
    let named: Vec<(&Vocabulary, Digest)> =
        vocabularies.iter().map(|(vocabulary, hash)| (vocabulary, *hash)).collect();
    let mut cast = vec![];
    for (n, (name, people_max)) in members.iter().enumerate() {
        let addresses = match n < MEETING_POINTS {
            true => vec![format!("/ip4/127.0.0.1/tcp/{}", free_port()?)],
            false => vec![],
        };
        // Keys come from the system, whatever a demo's seed: only data is made up.
        let founder = Founder::new(&entropy::seed(), n, name, *people_max, addresses);
        cast.push(Pretender { home: Home::new(&folder(root, n)), founder });
    }
    let founders: Vec<&Founder> = cast.iter().map(|member| &member.founder).collect();
    let mut draft = charter_draft(&founders, &named, clock::now().day());
    name_witnesses(&mut draft.members);
    for member in &mut draft.members {
        member.people_min = people_min(member.people_max);
    }
    let mut note = charter_toml(&draft);
    for member in &cast {
        note = sign_charter(&note, None, &member.founder.keys()).map_err(|error| failed(&error))?;
    }
    for member in &cast {
        settle(member, vocabulary_texts, &note).map_err(|error| failed(&error))?;
    }
    Ok(cast)
}

/// Fewest people of a member whose bound was rounded up to 50: a plan counts with them.
fn people_min(people_max: u64) -> u64 {
    people_max.saturating_sub(50)
}

fn settle(member: &Pretender, vocabulary_texts: &[String], note: &str) -> Result<(), StoreError> {
    let home = &member.home;
    drop(Folder::open(home.path())?);
    let config = Config {
        id: MemberIdText(member.founder.id.clone()),
        name: member.founder.name.clone(),
        body: member.founder.name.clone(),
        host: member.founder.host.clone(),
        people_min: people_min(member.founder.people_max),
        people_max: member.founder.people_max,
        listen: member.founder.addresses.clone(),
        addresses: member.founder.addresses.clone(),
        answer_grid: 0,
    };
    home.create(&config, &member.founder.identity)?;
    home.adopt_charter(note)?;
    for text in vocabulary_texts.iter().filter(|text| !SHIPPED_VOCABULARIES.contains(&text.as_str())) {
        home.add_vocabulary(text)?;
    }
    home.write_limits_once(&["demo"])
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
    start_as(cast, &Run { recorder, demo: true, ..Run::default() }).await
}

/// The same, each run in this way.
pub async fn start_as(cast: &[Pretender], run: &Run) -> Result<Vec<Node>, CommandError> {
    // Whoever is dialled listens first: meeting points from the last to the first, then the others.
    let (points, others) = cast.split_at(cast.len().min(MEETING_POINTS));
    let points = points.iter().rev().map(|member| (member, true));
    let mut nodes = std::collections::VecDeque::new();
    for (member, first) in points.chain(others.iter().map(|member| (member, false))) {
        let run = Run { nodes: cast.len(), ..run.clone() };
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
