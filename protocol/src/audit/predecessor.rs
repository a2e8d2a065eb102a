//! C15: what members of a co-operative that lost its quorum brought into the one that follows it, held against their
//! logs there. Each co-operative is audited by itself; this reads both.

use datacoop_policy::charter::Member;
use datacoop_policy::ledger::Ledger;
use datacoop_policy::{MemberId, PrivacyLoss};

use super::history::witnessed_size;
use super::{Check, Findings, Notes};
use crate::entry::Previous;
use crate::fold::{Fold, Log};
use crate::standing::{replay, replay_until};

/// Whether each member went on from where its log in the predecessor ended, with no less than it had spent: one check
/// a member that was in both.
///
/// `before` is the fold of the predecessor's logs with all their rounds, and `notes` their heads with the witnesses'
/// lines. What that shows beyond the head that was brought convicts only if its witnesses cosigned it: whoever stole
/// the old keys may go on with them.
pub fn check_predecessor(fold: &Fold, before: &Fold, notes: &Notes) -> Vec<(MemberId, Check)> {
    let chain = before.charters();
    let was_in = |member: &&Member| {
        member.goes_on_from.is_some() || chain.iter().any(|charter| charter.member(&member.id).is_some())
    };
    let mut ids: Vec<&MemberId> = vec![];
    for member in fold.charters().iter().flat_map(|charter| charter.members()).filter(was_in) {
        if !ids.contains(&&member.id) {
            ids.push(&member.id);
        }
    }
    let check = |id: &MemberId| {
        let mut findings = Findings::new("C15", "predecessor");
        check_member(&mut findings, fold, before, id, notes);
        (id.clone(), findings.finish("logs go on with what was spent in the predecessor"))
    };
    ids.into_iter().map(check).collect()
}

fn check_member(findings: &mut Findings, fold: &Fold, before: &Fold, id: &MemberId, notes: &Notes) {
    let brings = fold.member(id).and_then(|member| member.goes_on_from.as_ref());
    let last = before.log(id).filter(|log| log.size() > 0);
    let Some(brings) = brings else {
        // Who never wrote a word there, and brought nothing there either, spent nothing.
        let was = before.charters().iter().filter_map(|charter| charter.member(id));
        let brought = was.filter_map(|member| member.goes_on_from.as_ref()).next();
        let result = match (last, brought) {
            (None, None) => Ok(()),
            (Some(log), _) => Err(format!(
                "{id} begins with a fresh Ledger, and {} of the predecessor is its log",
                log.origin
            )),
            (None, Some(log)) => Err(format!(
                "{id} begins with a fresh Ledger, and had gone on from {} in the predecessor, where it never wrote what \
                 that had spent",
                log.name
            )),
        };
        return findings.note(Some(0), result);
    };
    let of_theirs = before.log_named(&brings.name);
    let Some(of_theirs) = of_theirs.filter(|log| log.member == *id && log.key() == brings.key) else {
        return findings.note(Some(0), Err(format!("{} is no log of {id} in the predecessor", brings.name)));
    };
    let first = fold.logs_of(id).iter().find(|log| log.size() > 0);
    let Some(previous) = first.and_then(Log::previous) else {
        // It has not begun here yet, or A06 says what is wrong with how.
        return findings.skip();
    };
    let result = check_head(before, of_theirs, last, previous);
    match result {
        Some(result) => findings.note(Some(0), result),
        None => return findings.skip(),
    }
    let until = |size| replay_until(before, id, of_theirs.order(size)).0.ledger().clone();
    let vouched = witnessed_size(before, of_theirs, notes);
    if let Some(text) = short(previous, &until(previous.head.size)) {
        findings.note(Some(0), Err(text));
    } else if let Some(text) = short(previous, &until(vouched.max(previous.head.size))) {
        findings.note(Some(0), Err(format!("{text}, as its witnesses saw")));
    } else if let Some(text) = short(previous, replay(before, id).0.ledger()) {
        findings.warn(
            0,
            format!("{text} by what was written after the head that entry 0 cites, which no quorum of witnesses saw"),
        );
    }
}

/// Whether the head that a member brought is that of its last log there; `None` where that is not here so far.
fn check_head(
    before: &Fold,
    log: &Log,
    last: Option<&Log>,
    previous: &Previous,
) -> Option<Result<(), String>> {
    if let Some(last) = last.filter(|last| last.origin != log.origin) {
        return Some(Err(format!("it goes on from {}, and had gone on in {}", log.origin, last.origin)));
    }
    match log.tree().root_at(previous.head.size) {
        // Of two histories the other may stand here.
        _ if before.split_of(&log.origin).is_some() => Some(Ok(())),
        Some(root) if root == previous.head.root => Some(Ok(())),
        Some(_) => Some(Err(format!(
            "it goes on from another head of {} entries than {} has",
            previous.head.size, log.origin
        ))),
        None => None,
    }
}

/// What a Ledger that was brought lacks of one that was spent.
fn short(previous: &Previous, spent: &Ledger) -> Option<String> {
    let (account, carried, spent): (_, PrivacyLoss, PrivacyLoss) = previous.ledger.falls_short(spent)?;
    Some(format!(
        "entry 0 carries {} of {account} over, and {} had spent {}",
        carried.nano(),
        previous.head.origin,
        spent.nano()
    ))
}
