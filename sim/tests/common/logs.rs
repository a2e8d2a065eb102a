//! The logs of a story as plain entries, which a test changes as their authors could have written them,
//! signs anew and folds: what an auditor is handed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use datacoop_policy::charter::Charter;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Time};
use datacoop_protocol::audit::Check;
use datacoop_protocol::entry::{Body, Entry, QueryBody, Ref};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_protocol::member::port::{Output, RoundSecret};
use datacoop_protocol::rounds::{Kind, Logged, Plan, Round};
use datacoop_sim::audits::audit_one;
use datacoop_sim::coop::Founder;
use datacoop_sim::world::{Disk, Kept, Store};

use super::Story;

type Blobs = BTreeMap<Digest, Vec<u8>>;

/// What members stored beside their logs: the newest secret of each round, and all blobs.
#[derive(Default)]
pub struct Stored {
    pub secrets: BTreeMap<(usize, QueryId), RoundSecret>,
    pub blobs: BTreeMap<Digest, Arc<[u8]>>,
}

/// A disk in memory whose secrets and blobs outlive their rounds.
struct Copying {
    site: usize,
    disk: Disk,
    to: Arc<Mutex<Stored>>,
}

impl Store for Copying {
    fn open(&mut self) -> Result<Kept, String> {
        self.disk.open()
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.disk.started(named)
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        let mut to = self.to.lock().unwrap();
        if let Output::KeepSecret(id, secret) = &output {
            // Of a full-noise round the vector comes later, under the same seed.
            to.secrets.insert((self.site, *id), secret.clone());
        }
        if let Output::StoreBlob { hash, bytes, .. } = &output {
            to.blobs.insert(*hash, bytes.clone());
        }
        self.disk.take(now, output)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        self.disk.settle(now)
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.disk.blob(hash)
    }
}

/// Every member's log.
#[derive(Clone)]
pub struct Logs {
    pub charter: Arc<Charter>,
    pub vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    pub founders: Arc<Vec<Founder>>,
    pub entries: BTreeMap<MemberId, Vec<Arc<[u8]>>>,
    pub blobs: Blobs,
}

/// A round that ended, and the logs that it is in.
#[derive(Clone)]
pub struct Told {
    pub logs: Logs,
    pub id: QueryId,
    pub round: Round,
    pub plan: Arc<Plan>,
    pub stored: Arc<Mutex<Stored>>,
}

impl Told {
    /// The same round for every test of a file.
    pub fn once(told: &'static OnceLock<Self>, make: impl FnOnce() -> Self) -> Self {
        told.get_or_init(make).clone()
    }

    /// A round of the last member's Query, from a story that has not begun.
    pub fn of(mut story: Story, members: usize, query: impl FnOnce(&Story) -> QueryBody) -> Self {
        let stored: Arc<Mutex<Stored>> = Arc::default();
        for site in 0..members {
            let (disk, to) = (Disk::default(), stored.clone());
            story.world.set_store(site, Box::new(Copying { site, disk, to }));
        }
        story.meet();
        let query = query(&story);
        let asked = story.ask(members - 1, query);
        let id = asked.unwrap_or_else(|| panic!("{:?}", story.world.events));
        assert!(story.finish(id, members) && story.released(id));
        story.world.run_until(story.world.now() + datacoop_policy::Span(1_000));
        let blobs =
            stored.lock().unwrap().blobs.iter().map(|(hash, bytes)| (*hash, bytes.to_vec())).collect();
        let logs = Logs { blobs, ..Logs::of(&story, 0, members) };
        let round = Round::clone(logs.fold().round(&id).unwrap());
        let plan = round.plan().unwrap().clone();
        Self { logs, id, round, plan, stored }
    }

    /// What a member said first of a kind.
    pub fn said(&self, kind: Kind, by: &MemberId) -> &Logged {
        self.round.said(kind, by).unwrap()
    }

    pub fn asker(&self) -> &MemberId {
        &self.plan.query.asker
    }

    /// A member without a seat that did not ask.
    pub fn bystander(&self) -> &MemberId {
        let mut members = self.plan.members.iter();
        members.find(|id| *id != self.asker() && self.plan.seat(id).is_none()).unwrap()
    }

    /// These logs as they stood before these members wrote their entries of this kind.
    pub fn before(&self, logs: &Logs, kind: Kind, members: &[&MemberId]) -> Logs {
        let mut logs = logs.clone();
        for by in members {
            logs.cut(by, self.said(kind, by).at.index);
        }
        logs
    }

    /// The round as it reads in other logs.
    pub fn round_in(&self, logs: &Logs) -> Round {
        Round::clone(logs.fold().round(&self.id).unwrap())
    }
}

impl Logs {
    /// What a member holds.
    pub fn of(story: &Story, site: usize, members: usize) -> Self {
        let fold = story.world.member(site).unwrap().fold();
        Self {
            charter: fold.charter().clone(),
            vocabularies: story.vocabularies(),
            founders: Arc::new((0..members).map(|n| story.founder(n)).collect()),
            entries: fold.logs().map(|log| (log.member.clone(), log.entries().to_vec())).collect(),
            blobs: Blobs::new(),
        }
    }

    fn log(&mut self, by: &MemberId) -> &mut Vec<Arc<[u8]>> {
        self.entries.get_mut(by).unwrap()
    }

    pub fn founder(&self, by: &MemberId) -> &Founder {
        self.founders.iter().find(|founder| founder.id == *by).unwrap()
    }

    /// One entry is written otherwise; nobody who cites it knows.
    pub fn change(&mut self, by: &MemberId, at: &Ref, change: impl FnOnce(&mut Entry)) {
        let bytes = &mut self.log(by)[place(at.index)];
        let mut entry = Entry::parse(bytes).unwrap();
        change(&mut entry);
        *bytes = Arc::from(entry.to_bytes());
    }

    /// One entry is written otherwise, and whatever cites it cites that.
    pub fn change_for_all(&mut self, by: &MemberId, at: &Ref, change: impl FnOnce(&mut Entry)) {
        self.change(by, at, change);
        self.recite(at.leaf, leaf_hash(&self.entries[by][place(at.index)]));
    }

    /// One entry's bytes are others, and whatever cites it cites those.
    pub fn replace_for_all(&mut self, by: &MemberId, at: &Ref, from: &str, to: &str) {
        let bytes = &mut self.log(by)[place(at.index)];
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        *bytes = Arc::from(text.replacen(from, to, 1).into_bytes());
        let leaf = leaf_hash(bytes);
        self.recite(at.leaf, leaf);
    }

    /// Whatever cites one leaf cites another, and whatever cites that, and so on.
    fn recite(&mut self, from: Digest, to: Digest) {
        // In the order of their making: an entry that cites two of them is written twice.
        let mut renamed = VecDeque::from([(from, to)]);
        while let Some((from, to)) = renamed.pop_front() {
            let (from, to) = (from.to_string(), to.to_string());
            for place in self.entries.values_mut().flatten() {
                let text = String::from_utf8(place.to_vec()).unwrap();
                if text.contains(&from) {
                    let other: Arc<[u8]> = Arc::from(text.replace(&from, &to).into_bytes());
                    renamed.push_back((leaf_hash(place), leaf_hash(&other)));
                    *place = other;
                }
            }
        }
    }

    /// The log goes on.
    pub fn push(&mut self, by: &MemberId, at: Time, body: Body) -> Ref {
        let seq = self.log(by).len() as u64;
        let entry: Arc<[u8]> = Arc::from(Entry { at, by: by.clone(), seq, body }.to_bytes());
        let leaf = leaf_hash(&entry);
        self.log(by).push(entry);
        Ref { log: self.founder(by).keys().public().log.name.clone().into(), index: seq, leaf }
    }

    /// An old copy of a log: its first so many entries.
    pub fn cut(&mut self, by: &MemberId, entries: u64) {
        self.log(by).truncate(place(entries));
    }

    /// The head of a log's first so many entries, signed with these keys.
    pub fn head(&self, by: &MemberId, entries: u64) -> Checkpoint {
        let mut tree = Tree::default();
        self.entries[by].iter().take(place(entries)).for_each(|entry| tree.push(leaf_hash(entry)));
        let origin = self.founder(by).keys().public().log.name.clone();
        Checkpoint { origin, size: entries, root: tree.root() }
    }

    /// All logs, each under a head that its owner signed.
    pub fn fold(&self) -> Fold {
        self.fold_into(Fold::new(self.charter.clone(), self.vocabularies.clone()))
    }

    fn fold_into(&self, mut fold: Fold) -> Fold {
        for (by, entries) in &self.entries {
            entries.iter().for_each(|entry| drop(fold.append(by, entry.clone())));
            let size = entries.len() as u64;
            if size > 0 {
                let head = self.head(by, size);
                fold.set_note(by, size, sign_checkpoint(&head, self.founder(by).keys().log()));
            }
        }
        fold
    }

    /// One check of a member's log.
    pub fn check(&self, by: &MemberId, code: &str) -> Check {
        check_in(&self.fold(), by, code, &self.blobs)
    }

    /// Which checks of which logs fail.
    pub fn failures(&self) -> Vec<(MemberId, &'static str)> {
        let fold = self.fold();
        let blobs = |hash: &Digest| self.blobs.get(hash).cloned();
        let reports = datacoop_sim::audits::audit(&fold, &blobs);
        let failed = reports.into_iter().flat_map(|report| {
            let checks = report.checks.into_iter();
            let failed = checks.filter(|check| check.outcome == datacoop_protocol::audit::Outcome::Fail);
            failed.map(move |check| (report.member.clone(), check.code)).collect::<Vec<_>>()
        });
        failed.collect()
    }
}

fn place(index: u64) -> usize {
    usize::try_from(index).unwrap()
}

pub fn check_in(fold: &Fold, by: &MemberId, code: &str, blobs: &Blobs) -> Check {
    let report = audit_one(fold, by, &|hash| blobs.get(hash).cloned()).unwrap();
    report.checks.into_iter().find(|check| check.code == code).unwrap()
}
