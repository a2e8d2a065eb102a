//! A02, A04, A12: what witnesses and earlier heads say of a log: who vouches for it, whether it was ever
//! rewritten, and whether its clock can be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::{Charter, NamedKey};
use datacoop_policy::{Digest, Span, Time};

use super::{Check, Findings, Notes};
use crate::fold::{Fold, Log};
use crate::log::cosignature::{cosignatures, quorum, witness_keys};
use crate::log::note::{Checkpoint, NoteError, bare_note, open_checkpoint};
use crate::log::split::Evidence;

/// How far clocks may differ before it is worth a warning: machines that never ask for the time drift by
/// seconds a day.
const CLOCK_TOLERANCE: Span = Span(300_000);

/// A head of a log, and what the witnesses say of it that were to cosign it.
struct Head {
    checkpoint: Checkpoint,
    /// When each did, in order.
    times: Vec<u64>,
    /// How many there are.
    named: usize,
}

impl Head {
    fn is_witnessed(&self) -> bool {
        self.named > 0 && self.times.len() >= quorum(self.named)
    }
}

/// Who was to cosign a head: whom the version names that the log's owner went by when the last of them did.
fn witnesses(fold: &Fold, log: &Log, size: u64, time: Time) -> Vec<NamedKey> {
    let then = fold.charter_of_entry(&log.member, time, log.order(size));
    let lists = |charter: &&Arc<Charter>| {
        charter.member(&log.member).is_some_and(|member| member.keys.log.name == log.origin)
    };
    // Of a log that another goes on from, the last version that listed it.
    let named = Some(then).filter(lists).or_else(|| fold.charters().iter().rev().find(lists));
    let charter = named.or_else(|| fold.charter_of_log(log));
    charter.map(|charter| witness_keys(charter, &log.member)).unwrap_or_default()
}

/// Everybody that any version names as a witness of a log.
fn all_witnesses(fold: &Fold, log: &Log) -> Vec<NamedKey> {
    let named = fold.charters().iter().flat_map(|charter| witness_keys(charter, &log.member));
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What was shown of a log; what is another's of its author's aside.
fn of_log<'a>(fold: &'a Fold, log: &'a Log, notes: &'a Notes) -> impl Iterator<Item = &'a String> {
    let others = move |note: &&String| {
        let origin = note.lines().next().unwrap_or_default();
        origin != log.origin && fold.log_named(origin).is_some_and(|other| other.member == log.member)
    };
    notes.get(&log.member).into_iter().flatten().filter(move |note| !others(note))
}

/// Entries of a log under the largest head that a quorum of its witnesses cosigned: none as far as nothing is shown.
pub(super) fn witnessed_size(fold: &Fold, log: &Log, notes: &Notes) -> u64 {
    let heads = heads(fold, log, notes).unwrap_or_default();
    let witnessed = heads.iter().filter(|head| head.is_witnessed());
    // One that is not of these entries says nothing of them.
    let here =
        witnessed.filter(|head| log.tree().root_at(head.checkpoint.size) == Some(head.checkpoint.root));
    here.map(|head| head.checkpoint.size).max().unwrap_or(0)
}

/// All heads that were shown of a log, smallest first. Errors: one that is none.
fn heads(fold: &Fold, log: &Log, notes: &Notes) -> Result<Vec<Head>, NoteError> {
    let keys = all_witnesses(fold, log);
    let read = of_log(fold, log, notes).map(|note| {
        let checkpoint = open_checkpoint(note, &log.origin, &log.key())?;
        let found = cosignatures(note, &checkpoint, &keys)?;
        let last = found.iter().map(|(_, cosignature)| cosignature.time).max();
        let time = last.map_or(Time(u64::MAX), |last| Time(last.saturating_mul(1_000)));
        let named = witnesses(fold, log, checkpoint.size, time);
        let found = found.iter().filter(|(place, _)| named.contains(&keys[*place]));
        let mut times: Vec<u64> = found.map(|(_, cosignature)| cosignature.time).collect();
        times.sort_unstable();
        Ok(Head { checkpoint, times, named: named.len() })
    });
    let mut heads: Vec<Head> = read.collect::<Result<_, NoteError>>()?;
    heads.sort_by_key(|head| (head.checkpoint.size, head.times.len()));
    Ok(heads)
}

/// A02: how much of the log a quorum of its witnesses vouches for. Too few is no wrong of its author's:
/// witnesses sleep, and a head that is seconds old has none yet.
pub(super) fn check_witnesses(fold: &Fold, log: &Log, notes: &Notes) -> Check {
    let mut findings = Findings::new("A02", "witnesses");
    let newest = log.size().saturating_sub(1);
    if all_witnesses(fold, log).is_empty() {
        findings
            .warn(newest, "the charter names no witnesses: only members that compare heads notice".into());
        return findings.finish("heads");
    }
    if of_log(fold, log, notes).next().is_none() {
        findings.skip();
        return findings.finish("heads");
    }
    let heads = match heads(fold, log, notes) {
        Ok(heads) => heads,
        Err(error) => {
            findings.note(None, Err(format!("a head is not signed as it must be: {error}")));
            return findings.finish("heads");
        }
    };
    match heads.iter().rev().find(|head| head.is_witnessed()) {
        Some(head) => {
            findings.good = 1;
            let (named, k) = (head.named, quorum(head.named));
            let liars = match 2 * k - named {
                0 | 1 => "1 that lies with its author could show two histories".to_owned(),
                liars => format!("{liars} that lie with its author could show two histories"),
            };
            let text = format!(
                "{} of {named} cosigned {} of {} entries, {k} must; {liars}, {} may be away",
                head.times.len(),
                head.checkpoint.size,
                log.size(),
                named - k
            );
            Check { text, ..findings.finish("heads") }
        }
        None => {
            let most = heads.iter().max_by_key(|head| head.times.len());
            let (most, named) = most.map_or((0, 0), |head| (head.times.len(), head.named));
            let k = quorum(named);
            let text = format!("{most} of {named} cosigned a head, {k} must: not yet witnessed");
            findings.warn(newest, text);
            findings.finish("heads")
        }
    }
}

/// A04: every head that was ever shown is a head of these entries. Else its author signed two histories,
/// or what lies here is not what it signed.
pub(super) fn check_history(fold: &Fold, log: &Log, notes: &Notes) -> Check {
    let mut findings = Findings::new("A04", "history");
    if let Some(evidence) = two_heads(log, notes) {
        let text = format!("it signed two heads of {} entries", evidence.size);
        findings.note(evidence.size.checked_sub(1).filter(|last| *last < log.size()), Err(text));
    }
    if let Some((at, evidence)) = fold.split_of(&log.origin) {
        let text = format!(
            "it signed two histories, which differ within the first {} entries: proven by entry {} of {}",
            evidence.size, at.index, at.log
        );
        findings.note(evidence.size.checked_sub(1), Err(text));
    }
    for note in of_log(fold, log, notes) {
        let head = match open_checkpoint(note, &log.origin, &log.key()) {
            Ok(head) => head,
            // Of the head of these entries A01 says it.
            Err(_) if log.note().is_some_and(|(_, own)| own == bare_note(note, &log.origin, &log.key())) => {
                continue;
            }
            Err(error) => {
                findings.note(None, Err(format!("a head that its key did not sign is no head: {error}")));
                continue;
            }
        };
        match log.tree().root_at(head.size) {
            None => findings.warn(
                log.size().saturating_sub(1),
                format!(
                    "a head of {} entries was signed; only {} are here: this copy is old, or the last {} are kept \
                     back; ask its author for them",
                    head.size,
                    log.size(),
                    head.size - log.size()
                ),
            ),
            Some(root) if root == head.root => findings.note(None, Ok(())),
            Some(_) => findings.note(
                head.size.checked_sub(1),
                Err(format!("it signed another history of its first {} entries", head.size)),
            ),
        }
    }
    check_said(&mut findings, fold, log);
    findings.finish("earlier heads are prefixes")
}

/// What other members' `head` entries say of the log. They are not its author's word, so that they differ is no
/// wrong of its: unless a head that it signed says the same, which is judged by itself.
fn check_said(findings: &mut Findings, fold: &Fold, log: &Log) {
    let said = fold.said_heads();
    findings.good += said.agreed(&log.origin);
    if fold.split_of(&log.origin).is_some() {
        return;
    }
    if let Some(claim) = said.differing(&log.origin).next() {
        let text = format!(
            "entry {} of {} says that the first {} entries here were others: its author made that up, or this log \
             has two histories; ask its author for its copy of this log, and verify both",
            claim.at.index, claim.at.log, claim.size
        );
        findings.warn(claim.size - 1, text);
    }
    if let Some(claim) = said.ahead(&log.origin).last() {
        let text = format!(
            "entry {} of {} says that {} entries were written; only {} are here",
            claim.at.index,
            claim.at.log,
            claim.size,
            log.size()
        );
        findings.warn(log.size().saturating_sub(1), text);
    }
}

/// Two heads of one size that the log's key signed, with two roots: proof without any entry.
pub fn two_heads(log: &Log, notes: &Notes) -> Option<Evidence> {
    let mut seen: BTreeMap<u64, (Digest, String)> = BTreeMap::new();
    for note in notes.get(&log.member).into_iter().flatten() {
        let note = bare_note(note, &log.origin, &log.key());
        let Ok(head) = open_checkpoint(&note, &log.origin, &log.key()) else { continue };
        match seen.get(&head.size) {
            Some((root, other)) if *root != head.root => {
                return Some(Evidence {
                    notes: [other.clone(), note],
                    size: head.size,
                    roots: [*root, head.root],
                    proofs: [vec![], vec![]],
                });
            }
            Some(_) => {}
            None => drop(seen.insert(head.size, (head.root, note))),
        }
    }
    None
}

/// A12: an entry's time lies after the last witnessed head without it and before the first with it, by
/// the middle one of each quorum's clocks.
pub(super) fn check_clock(fold: &Fold, log: &Log, notes: &Notes) -> Check {
    let mut findings = Findings::new("A12", "clock");
    let heads = heads(fold, log, notes).unwrap_or_default();
    let mut from = (0, 0);
    for head in heads.iter().filter(|head| head.is_witnessed() && head.checkpoint.size > 0) {
        let middle = head.times[head.times.len() / 2];
        let tolerance = CLOCK_TOLERANCE.0 / 1_000;
        for index in from.0..head.checkpoint.size.min(log.size()) {
            let Some(at) = log.time(index) else { continue };
            let (at, earliest, latest) = (at.seconds(), from.1, middle);
            findings.good += 1;
            if at + tolerance < earliest || at > latest + tolerance {
                let text = format!("entry {index} says {at}, witnessed between {earliest} and {latest}");
                findings.warn(index, text);
            }
        }
        from = (head.checkpoint.size, middle);
    }
    if findings.good == 0 {
        findings.skip();
    }
    findings.finish("entries between their witnesses' times")
}
