//! A07, of Queries: whoever asks may, by its role or by a delegation. Must not know rounds beyond their Query.

use datacoop_policy::charter::Charter;
use datacoop_policy::delegation::{Delegation, Known, check_cited};

use super::Findings;
use crate::acts::delegations::cite;
use crate::entry::Ref;
use crate::fold::{Fold, Log};
use crate::rounds::Asked;

/// Whoever may not ask and writes a Query is told of, whether or not anybody answers: under the charter that the
/// Query names, as a member that gains or loses the right later asked with or without it. What a delegation
/// narrows is for those who answer to keep.
pub(super) fn check_asking(findings: &mut Findings, fold: &Fold, log: &Log, asked: &Asked) {
    let Some(charter) = fold.charter_named(&asked.body.charter) else { return findings.skip() };
    let at = asked.at.index;
    let said = |text: String| Err(format!("entry {at} asks, and {text}"));
    match &asked.body.delegation {
        None => {
            let text = format!("version {} gives its author no right to", charter.version());
            findings.note(Some(at), if charter.may_ask(&log.member) { Ok(()) } else { said(text) });
        }
        Some(cited) => match check_delegated(fold, charter, asked, cited) {
            Said::Lawful => findings.note(Some(at), Ok(())),
            Said::Not(text) => findings.note(Some(at), said(text)),
            Said::Doubtful(text) => findings.warn(at, format!("entry {at} asks, and {text}")),
            Said::Absent => findings.skip(),
        },
    }
}

/// What can be said of a Query under a delegation.
enum Said {
    Lawful,
    Not(String),
    Doubtful(String),
    /// What it cites is not here.
    Absent,
}

fn check_delegated(fold: &Fold, charter: &Charter, asked: &Asked, at: &Ref) -> Said {
    let by = fold.member_by_origin(&at.log);
    let cited = cite(by, at);
    let check = |known| check_cited(charter, (&asked.asker, asked.time), &cited, known, asked.time);
    // Whose log it stands in is enough to say, wherever that log is.
    if let Err(text) = check(Known::Unseen) {
        return Said::Not(text);
    }
    if !fold.resolves(at) {
        let owner = fold.log_named(&at.log);
        return match owner.is_some_and(|log| log.size() > at.index && fold.split_of(&log.origin).is_none()) {
            true => Said::Doubtful(format!(
                "cites entry {} of {} as another than stands here: its author made that up, or that log has two histories",
                at.index, at.log
            )),
            false => Said::Absent,
        };
    }
    let Some(held) = fold.acts().cited(&cited) else {
        return Said::Not("what it cites as a delegation is none".into());
    };
    if let Err(text) = check(Known::Held(&Delegation { revoked: false, ..held })) {
        return Said::Not(text);
    }
    // Whoever saw another history of that log may never have seen what stands in this one: its word counts as far
    // as it says that it held these very entries.
    let is_other = fold.split_of(&at.log).is_some()
        || fold.said_heads().differing(&at.log).any(|claim| claim.by == asked.asker);
    let borne_out = if is_other { 0 } else { fold.said_heads().agreed_to(&asked.asker, &at.log) };
    let heard = asked.held.min(borne_out);
    match fold.acts().revocation(at) {
        // Its own log says that it had heard. What another's log says of a time alone is no proof.
        Some(taken_back) if heard > taken_back.at.index => Said::Not(format!(
            "its author had heard that the delegation was taken back, at entry {} of {}",
            taken_back.at.index, at.log
        )),
        Some(taken_back) if taken_back.time < asked.time => Said::Doubtful(format!(
            "the delegation was taken back before, as entry {} of {} says; its author may not have heard of it",
            taken_back.at.index, at.log
        )),
        Some(_) | None => Said::Lawful,
    }
}
