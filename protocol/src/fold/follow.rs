//! Logs that follow each other: a member whose keys were replaced goes on in the next log that the charter lists for
//! it (LOG.md section 3). One member, one Ledger, whichever log it writes.
//!
//! The next log's genesis cites the head of the last and carries its Ledger. Here it is taken once the last is held
//! up to that head, and only if no account starts lower than all that is held of it shows: of what was spent nobody
//! gets rid by citing an older head. Nor of what was said: a head older than one that a quorum of the log's witnesses
//! cosigned is refused. What stands in the last log beyond the cited head, written by whoever stole its key, counts for
//! nothing from then on; it stays a leaf.
//!
//! A log that was split has no head that all hold. Its follower is taken by everybody who knows of the split, whatever
//! head it cites, and again only if its Ledger starts no lower than what is held here: so it has to carry the larger
//! of the two.

use std::sync::Arc;

use datacoop_policy::MemberId;
use datacoop_policy::charter::Charter;
use datacoop_policy::ledger::Ledger;

use super::{Adopted, Fold, Log};
use crate::entry::{Body, Entry, Order, Previous, Ref};
use crate::standing;
use crate::wire::Bytes;

/// What becomes of a log that is to follow another.
enum Follows {
    /// It does.
    Yes,
    /// What it cites is not here yet.
    NotYet,
    /// It is none that could: why.
    No(String),
}

impl Fold {
    /// The log that a member of the charter writes now: the last listed one that has begun, or the first.
    pub fn log(&self, member: &MemberId) -> Option<&Log> {
        self.logs.get(member)?.get(self.current(member))
    }

    /// Every log that some version of the charter lists for a member, in that order, begun or not.
    pub fn logs_of(&self, member: &MemberId) -> &[Log] {
        self.logs.get(member).map_or(&[], Vec::as_slice)
    }

    /// All logs that have begun, by member, one after the other; of who began none the first.
    pub fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.values().flat_map(|listed| begun(listed))
    }

    /// Entries of all logs together.
    pub fn entries_held(&self) -> u64 {
        self.logs.values().flatten().map(Log::size).sum()
    }

    /// The log with this origin, if some version lists it.
    pub fn log_named(&self, origin: &str) -> Option<&Log> {
        self.at(self.by_origin.get(origin)?)
    }

    /// The log with this SHA-256 of its origin.
    pub fn log_by_head(&self, head: &[u8; 32]) -> Option<&Log> {
        self.at(self.by_head.get(head)?)
    }

    /// Whose log has this origin.
    pub fn member_by_origin(&self, origin: &str) -> Option<&MemberId> {
        self.by_origin.get(origin).map(|(member, _)| member)
    }

    /// Whose log has this SHA-256 of its origin.
    pub fn member_by_head(&self, head: &[u8; 32]) -> Option<&MemberId> {
        self.by_head.get(head).map(|(member, _)| member)
    }

    /// Logs that were shown and not taken, by origin, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        let open = self
            .refused
            .iter()
            .filter(|(origin, _)| self.log_named(origin).is_some_and(|log| log.size() == 0));
        open.map(|(origin, why)| (origin.as_str(), why.as_str()))
    }

    /// Up to where a log is waited for that another goes on from: until it is here, that one is not taken.
    pub fn awaited(&self, log: &Log) -> Option<u64> {
        self.awaited.get(&log.origin).copied()
    }

    pub(super) fn at(&self, (member, place): &(MemberId, usize)) -> Option<&Log> {
        self.logs.get(member)?.get(*place)
    }

    /// The place of the log that a member writes now among its logs.
    pub(super) fn current(&self, member: &MemberId) -> usize {
        self.logs_of(member).iter().rposition(|log| log.size() > 0).unwrap_or(0)
    }

    /// The versions that a member put in force, in whichever log, the last first, with where it says so.
    pub fn adopted(&self, member: &MemberId) -> impl Iterator<Item = (Order<'_>, &Adopted)> {
        let logs = self.logs_of(member).iter().rev();
        logs.flat_map(|log| log.adopted.iter().rev().map(|adopted| (log.order(adopted.index), adopted)))
    }

    /// Which log of a member an entry of its own belongs to.
    pub(super) fn place_of(&self, member: &MemberId, bytes: &[u8]) -> Option<usize> {
        let listed = self.logs.get(member)?;
        let current = self.current(member);
        if listed.len() == 1 {
            return Some(current);
        }
        match Entry::parse(bytes) {
            Ok(Entry { body: Body::Genesis { origin, .. }, .. }) => {
                let begins = listed.iter().rposition(|log| log.origin == origin && log.size() == 0);
                Some(begins.unwrap_or(current))
            }
            _ => Some(current),
        }
    }

    /// Says, before a log is folded, what the genesis of one that follows it says: where it ends. For whoever has
    /// both from the start, and keeps no entries to fold again. What is no genesis says nothing.
    pub fn foretell(&mut self, origin: &str, genesis: &[u8]) {
        let Some((member, place)) = self.by_origin.get(origin).cloned() else { return };
        let Ok(Entry { body: Body::Genesis { previous: Some(previous), .. }, .. }) = Entry::parse(genesis)
        else {
            return;
        };
        if let Some(before) = self.before(&member, place, &previous)
            && let Some(log) = self.logs.get_mut(&member).and_then(|listed| listed.get_mut(before))
        {
            log.ends = Some(previous.head.size);
        }
    }

    /// Adds an entry to the log with this origin, and folds it: for whoever is handed logs one by one.
    pub fn append_of(&mut self, origin: &str, bytes: Arc<[u8]>) -> Option<Ref> {
        let (member, place) = self.by_origin.get(origin).cloned()?;
        self.append_to(&member, place, bytes)
    }

    /// Sets the newest signed head of the log with this origin.
    pub fn set_note_named(&mut self, origin: &str, size: u64, note: String) {
        if let Some((member, place)) = self.by_origin.get(origin).cloned() {
            self.set_note_of(&member, place, size, note);
        }
    }

    /// The place of the log that one goes on from: one listed before it, and none between them has begun.
    fn before(&self, member: &MemberId, place: usize, previous: &Previous) -> Option<usize> {
        let listed = self.logs_of(member);
        let before = listed.iter().take(place).position(|log| log.origin == previous.head.origin)?;
        listed[before + 1..place].iter().all(|log| log.size() == 0).then_some(before)
    }

    /// Whether the log at this place goes on from its author's log in the predecessor, as the first that begins here
    /// must (CHARTER.md C15). Of how much that one had spent only its own entries tell, and they are not here: the
    /// members of the predecessor, and whoever is given its logs, check it.
    fn comes_from_before_all(&self, member: &MemberId, place: usize, previous: Option<&Previous>) -> bool {
        let listed = self.logs_of(member);
        let is_first = listed.iter().take(place).all(|log| log.size() == 0);
        let before = listed.get(place).and_then(Log::before_all);
        is_first && before.is_some() && before == previous.map(|previous| previous.head.origin.as_str())
    }

    /// A log begins that goes on from another.
    pub(super) fn begin_after(&mut self, member: &MemberId, place: usize, previous: Box<Previous>) {
        let Some(before) = self.before(member, place, &previous) else {
            if self.comes_from_before_all(member, place, Some(&previous))
                && let Some(log) = self.logs.get_mut(member).and_then(|listed| listed.get_mut(place))
            {
                log.previous = Some(previous);
            }
            return;
        };
        let is_split = self.split_of(&previous.head.origin).is_some();
        let Some(listed) = self.logs.get_mut(member) else { return };
        let last = &mut listed[before];
        // Of one with two histories all that is held of one of them stands.
        let ends = if is_split { last.size() } else { previous.head.size };
        let cut = last.ends.is_none() && last.size() > ends;
        last.ends = last.ends.or(Some(ends));
        listed[place].previous = Some(previous);
        if cut && self.shelf.is_none() {
            self.fold_again();
        }
    }

    /// Folds every log again from its entries: some of them count for nothing any more.
    fn fold_again(&mut self) {
        let mut again = Self::with_chain(self.charters.clone(), std::mem::take(&mut self.vocabularies));
        again.rivals = std::mem::take(&mut self.rivals);
        again.refused = std::mem::take(&mut self.refused);
        again.awaited = std::mem::take(&mut self.awaited);
        again.vouched = std::mem::take(&mut self.vouched);
        again.unknown_versions = self.unknown_versions;
        // It goes on counting: who looked at it before looks at all of it once more.
        again.changes = self.changes;
        again.checked = self.checked.clone();
        for (member, listed) in &self.logs {
            for (place, log) in listed.iter().enumerate() {
                again.logs.get_mut(member).expect("INVARIANT: the same chain lists the same logs")[place]
                    .ends = log.ends;
            }
        }
        for (member, listed) in &self.logs {
            for (place, log) in listed.iter().enumerate() {
                for entry in &log.entries {
                    again.append_to(member, place, Arc::clone(entry));
                }
                if let Some((size, note)) = &log.note {
                    again.set_note_of(member, place, *size, note.clone());
                }
            }
        }
        again.touched = again.rounds.keys().copied().collect();
        *self = again;
    }

    /// A quorum of a log's witnesses cosigned so many entries of it, as they are held here: what its author said there
    /// cannot be a thief's who wrote to few, and no next log leaves it out.
    pub(crate) fn vouch(&mut self, origin: &str, size: u64) {
        let held = self.vouched.entry(origin.to_owned()).or_default();
        *held = size.max(*held);
    }

    /// What of a Ledger the next log of its member carries over.
    pub(crate) fn carried(&self, ledger: &Ledger) -> Ledger {
        ledger.carried(|dataset| self.lists_dataset(dataset))
    }

    /// What of a Ledger it must.
    pub(crate) fn owed(&self, ledger: &Ledger) -> Ledger {
        ledger.owed(|dataset| self.lists_dataset(dataset))
    }

    fn lists_dataset(&self, id: &str) -> bool {
        let lists = |charter: &Arc<Charter>| charter.fields().datasets.iter().any(|dataset| dataset.id == id);
        self.charters.iter().any(lists)
    }

    /// What a member's next log must carry over, by all that is held of the others. As long as none of those grew it
    /// is the same: whoever shows a thousand first entries has it added up once.
    fn owed_by(&mut self, member: &MemberId) -> Ledger {
        let size = self.logs_of(member).iter().map(Log::size).sum();
        if let Some((_, owed)) = self.owed.get(member).filter(|(at, _)| *at == size) {
            return owed.clone();
        }
        let owed = self.owed(standing::replay(self, member).0.ledger());
        self.owed.insert(member.clone(), (size, owed.clone()));
        owed
    }

    /// Whether new entries of a log may be taken: not of one that another goes on from, nor of one that does not
    /// follow as it must.
    pub(super) fn may_take(&mut self, member: &MemberId, place: usize, new: &[Bytes]) -> bool {
        if place < self.current(member) {
            let log = &self.logs_of(member)[place];
            if log.size() == 0 {
                let why = "a later log of its author's has begun, which does not go on from it";
                self.refused.insert(log.origin.clone(), why.to_owned());
            }
            return false;
        }
        let listed = self.logs_of(member);
        let goes_on = |log: &Log| place > 0 || log.before_all().is_some();
        if listed.get(place).is_none_or(|log| log.size() > 0 || !goes_on(log)) {
            return true;
        }
        let genesis = new.first().and_then(|bytes| Entry::parse(&bytes.0).ok());
        let follows = match genesis.map(|entry| entry.body) {
            Some(Body::Genesis { previous, .. }) => {
                let follows = self.follows(member, place, previous.as_deref());
                if let (Follows::NotYet, Some(Previous { head, .. })) = (&follows, previous.as_deref()) {
                    self.awaited.insert(head.origin.clone(), head.size);
                }
                follows
            }
            _ => Follows::No("it does not begin with where the log before it ended".to_owned()),
        };
        let origin = self.logs_of(member)[place].origin.clone();
        match follows {
            Follows::Yes => {
                self.refused.remove(&origin);
                true
            }
            Follows::NotYet => false,
            Follows::No(why) => {
                self.refused.insert(origin, why);
                false
            }
        }
    }

    fn follows(&mut self, member: &MemberId, place: usize, previous: Option<&Previous>) -> Follows {
        if self.comes_from_before_all(member, place, previous) {
            return Follows::Yes;
        }
        let Some(previous) = previous else {
            return match self.logs_of(member).iter().all(|log| log.size() == 0 && log.before_all().is_none())
            {
                true => Follows::Yes,
                false => Follows::No("it begins with a fresh Ledger".to_owned()),
            };
        };
        let Some(before) = self.before(member, place, previous) else {
            return Follows::No(format!(
                "it goes on from `{}`, which is not the last log",
                previous.head.origin
            ));
        };
        let last = &self.logs_of(member)[before];
        let is_split = self.split_of(&last.origin).is_some();
        match last.tree.root_at(previous.head.size) {
            _ if is_split => {}
            None => return Follows::NotYet,
            Some(root) if root == previous.head.root => {}
            Some(_) => {
                return Follows::No(format!(
                    "it goes on from another head of {} entries than `{}` has",
                    previous.head.size, last.origin
                ));
            }
        }
        let vouched = self.vouched.get(&last.origin).copied().unwrap_or(0);
        if vouched > previous.head.size && !is_split {
            return Follows::No(format!(
                "it goes on from {} entries of `{}`, of which its witnesses cosigned {vouched}",
                previous.head.size, last.origin
            ));
        }
        let origin = last.origin.clone();
        match previous.ledger.falls_short(&self.owed_by(member)) {
            None => Follows::Yes,
            Some((account, carried, spent)) => Follows::No(format!(
                "it carries {} of {account} over, and `{origin}` had spent {}",
                carried.nano(),
                spent.nano()
            )),
        }
    }
}

/// Of the logs of one member those that have begun; of who began none the first.
fn begun(listed: &[Log]) -> impl Iterator<Item = &Log> {
    let none = listed.iter().all(|log| log.size() == 0);
    listed.iter().enumerate().filter(move |(at, log)| log.size() > 0 || none && *at == 0).map(|(_, log)| log)
}
