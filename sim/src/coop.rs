//! A made-up co-operative: keys, charter and vocabulary for tests and for the demo. Its charter says
//! `demo`, so no real node takes part in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{
    ASSET_LOCK_CLAUSE, AssetLock, Charter, CharterDraft, CharterError, Dataset, Licence, Member, Publish,
    Purpose, REVIEWERS, Role, amend_min,
};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Assumptions;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;

/// A made-up member.
pub struct Founder {
    /// Its id.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// Its public roll bound.
    pub people_max: u64,
    /// Where it listens, if it is a meeting point.
    pub addresses: Vec<String>,
    /// Its identity seed.
    pub identity: [u8; 32],
    /// Those that replace it, one after the other.
    pub later: Vec<[u8; 32]>,
    /// The host its key names begin with.
    pub host: String,
}

/// The id of made-up member `n`, counted from 0.
pub fn member_id(n: usize) -> MemberId {
    format!("DEMO-{:03}", n + 1).parse().expect("INVARIANT: a demo id is a member id")
}

impl Founder {
    /// Number `n` of a co-operative grown from a seed.
    pub fn new(seed: &Seed, n: usize, name: &str, people_max: u64, addresses: Vec<String>) -> Self {
        let identity = seed.bytes(&format!("identity/{n}"));
        Self {
            id: member_id(n),
            name: name.to_owned(),
            people_max,
            addresses,
            identity,
            later: vec![],
            host: format!("m{:03}.demo", n + 1),
        }
    }

    /// Its keys.
    pub fn keys(&self) -> Keys {
        Keys::from_seed(self.identity, &self.host, 1)
    }

    /// The keys that replace those, one set after the other.
    pub fn later_keys(&self) -> Vec<Keys> {
        let all = self.later.iter().zip(2..);
        all.map(|(identity, n)| Keys::from_seed(*identity, &self.host, n)).collect()
    }

    /// Its place in a charter.
    pub fn member(&self) -> Member {
        Member {
            id: self.id.clone(),
            name: self.name.clone(),
            body: self.name.clone(),
            roles: BTreeSet::from([Role::Voting, Role::Coordinator]),
            keys: self.keys().public().clone(),
            addresses: self.addresses.clone(),
            witnesses: vec![],
            people_min: 0,
            people_max: self.people_max,
            sponsors: vec![],
            goes_on_from: None,
            notice: None,
            dormant: false,
        }
    }
}

/// The fields of a demo charter for these members and vocabularies; its hash is not yet known.
pub fn charter_draft(
    founders: &[&Founder],
    vocabularies: &[(&Vocabulary, Digest)],
    today: Day,
) -> CharterDraft {
    let voting = u32::try_from(founders.len()).unwrap_or(u32::MAX);
    let mut datasets: BTreeMap<&str, Vec<(String, Digest)>> = BTreeMap::new();
    for (vocabulary, hash) in vocabularies {
        datasets.entry(vocabulary.dataset()).or_default().push((vocabulary.name().to_owned(), *hash));
    }
    let names: Vec<String> = datasets.keys().map(|name| (*name).to_owned()).collect();
    let dataset = |(name, vocabularies): (&str, Vec<(String, Digest)>)| Dataset {
        id: name.to_owned(),
        unit: "person".into(),
        vocabularies,
    };
    CharterDraft {
        id: Digest::default(),
        hash: Digest::default(),
        version: 1,
        prev: None,
        condemns: vec![],
        predecessor: None,
        name: "A made-up co-operative".into(),
        made: today,
        effective: today,
        expires: Day(today.0 + 365),
        demo: true,
        amend: amend_min(voting),
        restrict: 2,
        assumed: Assumptions::FLOOR,
        limits: Limits { min_roster: if voting < 5 { 3 } else { 5 }, full_noise: true, ..Limits::floor() },
        members: founders.iter().map(|founder| founder.member()).collect(),
        datasets: datasets.into_iter().map(dataset).collect(),
        purposes: vec![Purpose {
            id: "demo".into(),
            title: "To see how it works".into(),
            plain: "Made-up members ask a question of made-up data.".into(),
            affected: "Nobody: the people in the records are made up.".into(),
            heard: "Whoever runs the demo on this computer.".into(),
            not_for: ["conclusions about real schools", "ranking members", "sale"].map(String::from).into(),
            funders: vec![],
            publish: Publish::PublicAfter(0),
            licence: Licence::Public1,
            reviewers: founders.iter().take(REVIEWERS).map(|founder| founder.id.clone()).collect(),
            report_due: Day(today.0 + 365),
            report: None,
            limits: Limits { datasets: Set::only(names), ..Limits::top() },
            starts: today,
            expires: Day(today.0 + 365),
        }],
        asset_lock: AssetLock {
            clause: ASSET_LOCK_CLAUSE.into(),
            stricter: String::new(),
            successor: "DEMO-000".parse().expect("INVARIANT: a demo id is a member id"),
        },
    }
}

/// A charter without a text, for worlds that need none: its hash is that of its members' keys.
pub fn textless_charter(mut draft: CharterDraft) -> Result<Arc<Charter>, CharterError> {
    let keys: Vec<u8> = draft.members.iter().flat_map(|member| member.keys.log.key).collect();
    draft.id = sha256(&[&keys]);
    draft.hash = draft.id;
    Charter::admit(draft).map(Arc::new)
}

/// Vocabularies by hash, as a Member wants them.
pub fn vocabularies(vocabulary: &Vocabulary, hash: Digest) -> BTreeMap<Digest, Arc<Vocabulary>> {
    BTreeMap::from([(hash, Arc::new(vocabulary.clone()))])
}
