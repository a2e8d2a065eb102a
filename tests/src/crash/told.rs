//! What the world was told, and whether a member that started again stands by it.

#![expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]

use std::collections::BTreeMap;

use datacoop_policy::{Digest, QueryId};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::log::note::open_checkpoint;
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::Member;
use datacoop_protocol::member::port::RoundSecret;
use datacoop_protocol::standing;

use super::store::Ack;

/// What the world was told so far by one member.
#[derive(Clone, Default)]
pub struct Told {
    entries: BTreeMap<u64, Vec<u8>>,
    heads: Vec<(u64, String)>,
    pub(super) secrets: BTreeMap<QueryId, RoundSecret>,
    /// Secrets of a round that took the place of those that an entry was bound to: a seed, or a vector with its
    /// noise.
    pub second_secrets: u64,
    /// Draws that no debit stood before.
    pub early_draws: u64,
}

impl Told {
    /// Takes one more acknowledgement.
    pub fn add(&mut self, ack: &Ack) {
        match ack {
            Ack::Entry { seq, bytes } => {
                let before = self.entries.insert(*seq, bytes.clone());
                assert!(before.is_none_or(|before| before == *bytes), "one place in the log, two entries");
            }
            Ack::Head(size, note) => self.heads.push((*size, note.clone())),
            Ack::Secret(id, secret) => {
                let before = self.secrets.insert(*id, secret.clone());
                let said = |kind| self.bodies().any(|b| b.query() == Some(*id) && b.kind() == kind);
                // What no entry is bound to may be drawn again.
                let second = before.is_some_and(|before| {
                    said("verdict") && before.seed != secret.seed
                        || said("contribution") && before.vector != secret.vector
                });
                self.second_secrets += u64::from(second);
            }
            Ack::Erased(id) => drop(self.secrets.remove(id)),
            Ack::Draw(id) => {
                let debited = self.bodies().any(|b| matches!(b, Body::Debit { query, .. } if query == *id));
                self.early_draws += u64::from(!debited);
            }
        }
    }

    /// Leaf hashes of the entries that were told, by index.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, Digest)> {
        let at = |seq: &u64| usize::try_from(*seq).expect("a short log");
        self.entries.iter().map(move |(seq, bytes)| (at(seq), leaf_hash(bytes)))
    }

    fn bodies(&self) -> impl Iterator<Item = Body> {
        self.entries.values().map(|bytes| Entry::parse(bytes).expect("our own").body)
    }

    /// Debits less voids, billionths of rho: what the Ledger must hold at least.
    pub fn spent(&self) -> u64 {
        let mut open = BTreeMap::new();
        for body in self.bodies() {
            match body {
                Body::Debit { query, debit, .. } => drop(open.insert(query, debit.loss.nano())),
                Body::Void { query, .. } => drop(open.remove(&query)),
                _ => {}
            }
        }
        open.values().sum()
    }

    /// Entries of one kind that a round may hold once of a member, and holds more of.
    pub fn said_twice(&self) -> Vec<String> {
        let mut said: BTreeMap<(QueryId, &str), u64> = BTreeMap::new();
        for body in self.bodies() {
            let body_of = body.query().filter(|_| !matches!(body, Body::Alert { .. }));
            body_of.into_iter().for_each(|id| *said.entry((id, body.kind())).or_default() += 1);
        }
        let twice = said.into_iter().filter(|(_, count)| *count > 1);
        twice.map(|((id, kind), count)| format!("{count} entries `{kind}` on {}", id.short())).collect()
    }

    /// What a member that started again broke of what it had told; nothing, if all is well.
    pub fn broken_by(&self, member: &Member) -> Option<String> {
        let log = member.fold().log(member.me()).expect("its own log");
        for (seq, bytes) in &self.entries {
            let at = usize::try_from(*seq).expect("a short log");
            if log.entries().get(at).map(AsRef::as_ref) != Some(bytes.as_slice()) {
                return Some(format!("entry {seq}, which was told, is gone or another"));
            }
        }
        for (size, note) in &self.heads {
            let head = open_checkpoint(note, &log.origin, &log.key()).expect("its own signature");
            if log.tree().root_at(*size) != Some(head.root) {
                return Some(format!("the head of {size} entries, which was signed, is not of this log"));
            }
        }
        let spent: u64 = member.standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum();
        if spent < self.spent() {
            return Some(format!("{spent} spent, {} acknowledged", self.spent()));
        }
        let (_, wrong) = standing::replay(member.fold(), member.me());
        wrong.first().map(|(_, what)| (*what).to_owned())
    }

    /// Blobs that an acknowledged contribution of an open round promised.
    pub(super) fn promised(&self, member: &Member) -> Vec<Digest> {
        let open = |id: &QueryId| member.fold().round(id).is_none_or(|round| round.ending().is_none());
        let shares = self.bodies().filter_map(|body| match body {
            Body::Contribution { query, shares, .. } if open(&query) => Some(shares),
            _ => None,
        });
        shares.flatten().map(|share| share.blob).collect()
    }
}
