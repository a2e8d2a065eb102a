//! What members say of each other's logs: `head` entries, which tie the logs together. Source: LOG section 5.
//!
//! A `head` entry is the word of its author, under its author's key: where it differs from our copy, its author
//! made it up or that log has two histories. It convicts nobody; a note that the log's own key signed does.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId, Time};

use crate::bounds::UNRESPONSIVE_AFTER;
use crate::entry::Ref;
use crate::log::tree::Tree;

/// What an entry says of somebody else's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who says it.
    pub by: MemberId,
    /// In which entry.
    pub at: Ref,
    /// When it says that it was written.
    pub time: Time,
    /// Entries of the log.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

/// Claims about one log.
#[derive(Clone, Default, Debug)]
struct OfLog {
    /// Of more entries than are here, by how many.
    ahead: BTreeMap<(u64, Ref), Claim>,
    /// Of another root than our copy has at that size.
    differing: BTreeMap<Ref, Claim>,
    /// How many agree with our copy.
    agreed: u64,
    /// Of each member's claims that do, the one of the most entries.
    agreed_to: BTreeMap<MemberId, u64>,
    /// The most entries that each member said it held.
    said: BTreeMap<MemberId, u64>,
}

/// Every `head` entry, held against the logs that are here. The same in whatever order logs come.
#[derive(Clone, Default, Debug)]
pub struct Heads {
    /// By origin.
    logs: BTreeMap<Arc<str>, OfLog>,
    /// When each member last spoke, or began its log.
    spoke: BTreeMap<MemberId, Time>,
    /// Whether of what each member claims of a log one claim is kept that differs, and one that is ahead.
    brief: bool,
}

impl Heads {
    /// Keeps one claim where a member makes many: an auditor tells of one.
    pub(crate) fn be_brief(&mut self) {
        self.brief = true;
    }

    /// A member says that it holds so many entries of a log.
    pub(crate) fn say(&mut self, log: &Arc<str>, by: &MemberId, size: u64) {
        let of = self.logs.entry(Arc::clone(log)).or_default();
        let most = of.said.entry(by.clone()).or_default();
        *most = size.max(*most);
    }

    /// A member began its log, or wrote a `head` entry.
    pub(crate) fn speaks(&mut self, by: &MemberId, time: Time) {
        self.spoke.insert(by.clone(), time);
    }

    /// Takes a claim about a log of which we hold this.
    pub(crate) fn claim(&mut self, log: &Arc<str>, tree: &Tree, claim: Claim) {
        self.say(log, &claim.by, claim.size);
        let of = self.logs.entry(Arc::clone(log)).or_default();
        let by = claim.by.clone();
        of.ahead.insert((claim.size, claim.at.clone()), claim);
        of.compare(tree);
        if self.brief {
            of.keep_one(&by);
        }
    }

    /// A log grew.
    pub(crate) fn grown(&mut self, log: &str, tree: &Tree) {
        if let Some(of) = self.logs.get_mut(log) {
            of.compare(tree);
        }
    }

    /// Claims of another root than our copy of this log has at that size.
    pub fn differing(&self, log: &str) -> impl Iterator<Item = &Claim> {
        self.logs.get(log).into_iter().flat_map(|of| of.differing.values())
    }

    /// Claims of more entries of this log than are here.
    pub fn ahead(&self, log: &str) -> impl Iterator<Item = &Claim> {
        self.logs.get(log).into_iter().flat_map(|of| of.ahead.values())
    }

    /// Claims of a day ago about this log that nothing here bears out. Its owner may be unresponsive, or the
    /// claim, or its time, made up: suspicion, never evidence, so it is shown and no entry is written.
    pub fn unanswered(&self, log: &str, now: Time) -> impl Iterator<Item = &Claim> {
        let open = self.differing(log).chain(self.ahead(log));
        open.filter(move |claim| claim.time + UNRESPONSIVE_AFTER <= now)
    }

    /// How many claims about this log our copy of it bears out.
    pub fn agreed(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |of| of.agreed)
    }

    /// How many entries of this log a member said that it held as they stand in our copy: none as long as it said
    /// nothing.
    pub fn agreed_to(&self, by: &MemberId, log: &str) -> u64 {
        self.logs.get(log).and_then(|of| of.agreed_to.get(by)).copied().unwrap_or(0)
    }

    /// The most entries of a log that a member said it held: none as long as it said nothing.
    pub fn said(&self, by: &MemberId, log: &str) -> u64 {
        self.logs.get(log).and_then(|of| of.said.get(by)).copied().unwrap_or(0)
    }

    /// When a member last wrote a `head` entry, or began its log.
    pub fn spoke(&self, by: &MemberId) -> Option<Time> {
        self.spoke.get(by).copied()
    }
}

impl OfLog {
    /// Of what this member claims, the furthest that is ahead and the first that differs.
    fn keep_one(&mut self, by: &MemberId) {
        let furthest = self.ahead.iter().rfind(|(_, claim)| claim.by == *by).map(|(key, _)| key.clone());
        self.ahead.retain(|key, claim| claim.by != *by || Some(key) == furthest.as_ref());
        let first = self.differing.iter().find(|(_, claim)| claim.by == *by).map(|(at, _)| at.clone());
        self.differing.retain(|at, claim| claim.by != *by || Some(at) == first.as_ref());
    }

    fn compare(&mut self, tree: &Tree) {
        while let Some(entry) = self.ahead.first_entry().filter(|entry| entry.key().0 <= tree.size()) {
            let claim = entry.remove();
            match tree.root_at(claim.size) {
                Some(root) if root == claim.root => {
                    self.agreed += 1;
                    let most = self.agreed_to.entry(claim.by).or_default();
                    *most = claim.size.max(*most);
                }
                _ => drop(self.differing.insert(claim.at.clone(), claim)),
            }
        }
    }
}
