//! A13: every reference to a log that is here resolves; one into another history of somebody else's log is
//! warned of, unless its author contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::{Digest, MemberId};

use super::{Check, Findings, Step};
use crate::cited::references;
use crate::entry::Ref;
use crate::fold::Fold;
use crate::rounds::Logged;

/// A place in somebody's log.
type Place = (String, u64);

/// What is cited at a place and does not stand there.
struct Absent {
    leaf: Digest,
    /// The first entry that cites it.
    by: u64,
}

/// What one member cites. It holds one history of a log, so all that it cites of one lies on one.
pub(super) struct References {
    findings: Findings,
    member: MemberId,
    /// What does not stand here: of logs that are here whole, nothing.
    absent: BTreeMap<Place, Absent>,
    /// Places where something else stands here.
    differing: BTreeSet<Place>,
}

impl References {
    pub(super) fn new(member: &MemberId) -> Self {
        Self {
            findings: Findings::new("A13", "cross-log"),
            member: member.clone(),
            absent: BTreeMap::new(),
            differing: BTreeSet::new(),
        }
    }

    pub(super) fn take(&mut self, fold: &Fold, step: &Step<'_>) {
        let Some(logged) = counted(step) else { return };
        for reference in references(&logged.body) {
            self.cite(fold, logged.at.index, reference);
        }
    }

    fn cite(&mut self, fold: &Fold, entry: u64, reference: &Ref) {
        let Some(held) = fold.log_named(&reference.log) else {
            return self.findings.note(Some(entry), Err(format!("entry {entry} cites a log of no member")));
        };
        let (index, origin) = (reference.index, &reference.log);
        if fold.resolves(reference) {
            return self.findings.note(Some(entry), Ok(()));
        }
        if held.member == self.member {
            // No entry can cite what its own log says later, or never said.
            return self
                .findings
                .note(Some(entry), Err(format!("entry {entry} cites what is not in {origin}")));
        }
        if fold.split_of(&held.origin).is_some() {
            return self.findings.skip(); // Of the history that is not here.
        }
        let place = (held.origin.clone(), index);
        let other = self.absent.get(&place).is_some_and(|absent| absent.leaf != reference.leaf);
        if other || fold.said_heads().agreed_to(&self.member, &held.origin) > index {
            return self.findings.note(Some(entry), Err(contradiction(entry, index, origin)));
        }
        let absent = Absent { leaf: reference.leaf, by: entry };
        self.absent.entry(place.clone()).or_insert(absent);
        if held.size() <= index {
            return self.findings.skip(); // Absent, or an older copy.
        }
        self.differing.insert(place);
        let text = format!(
            "entry {entry} cites entry {index} of {origin} as another than stands here: its author made \
             that up, or that log has two histories; ask its author for its copy of that log, and verify both"
        );
        self.findings.warn(entry, text);
    }

    /// Whether the steps must be gone through again, for what else is cited at the same places.
    pub(super) fn asks_again(&self) -> bool {
        !self.differing.is_empty() && self.findings.bad.is_none()
    }

    /// Whoever cites two leaves at one place holds two histories, or made one up.
    pub(super) fn look_again(&mut self, fold: &Fold, step: &Step<'_>) {
        let Some(logged) = counted(step) else { return };
        for reference in references(&logged.body).into_iter().filter(|reference| fold.resolves(reference)) {
            let place = (reference.log.to_string(), reference.index);
            if let Some(absent) = self.absent.get(&place).filter(|_| self.differing.contains(&place)) {
                let text = contradiction(absent.by, reference.index, &reference.log);
                self.findings.note(Some(absent.by), Err(text));
            }
        }
    }

    pub(super) fn finish(mut self, fold: &Fold) -> Check {
        if let Some((entry, text)) = self.misplaced(fold) {
            self.findings.note(Some(entry), Err(text));
        }
        self.findings.finish("references resolve")
    }

    /// Of what does not stand where it is cited, what stands here at another place: an entry says its own.
    fn misplaced(&self, fold: &Fold) -> Option<(u64, String)> {
        let mut found: Vec<(u64, String)> = vec![];
        for log in fold.logs() {
            let cited = self.absent.range((log.origin.clone(), 0)..).take_while(|(at, _)| at.0 == log.origin);
            let by_leaf: BTreeMap<Digest, (u64, u64)> =
                cited.map(|((_, index), absent)| (absent.leaf, (absent.by, *index))).collect();
            if by_leaf.is_empty() {
                continue;
            }
            let leaves = (0..log.size()).filter_map(|index| Some((index, log.tree().leaf(index)?)));
            for (stands, leaf) in leaves {
                if let Some((entry, index)) = by_leaf.get(&leaf).filter(|_| fold.is_in_round(log, stands)) {
                    found.push((*entry, contradiction(*entry, *index, &log.origin)));
                }
            }
        }
        found.into_iter().min()
    }
}

/// What counts in a round, and alerts: what a repeat cites is not looked at, for it is a wrong by itself.
fn counted<'a>(step: &'a Step<'_>) -> Option<&'a Logged> {
    match step {
        Step::Said(_, logged) | Step::Alert(logged) => Some(logged),
        Step::Asked(_) | Step::Repeat(_) => None,
    }
}

fn contradiction(entry: u64, index: u64, origin: &str) -> String {
    format!(
        "entry {entry} cites entry {index} of {origin} as what no history can have there that also has the rest of \
         what its author says of it"
    )
}
