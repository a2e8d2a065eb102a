//! What keeps this program from signing a next version: an objection to a proposal of it, or of a purpose in it.

use datacoop_policy::Time;
use datacoop_policy::charter::Charter;
use datacoop_protocol::acts::{Act, Blocked, Done, State, Subject, blob_text};
use datacoop_protocol::charter_text::parse_purpose_text;
use datacoop_protocol::fold::Fold;

use super::show::plain;
use super::why::Seen;
use crate::blobs::Blobs;
use crate::error::{CommandError, Exit};
use crate::follow::clock_text;
use crate::home::Home;

/// Refuses a version while an objection that this node's journal holds keeps programs from signing it.
pub(super) fn check(home: &Home, seen: &Seen, version: &Charter, now: Time) -> Result<(), CommandError> {
    let fold = &seen.fold;
    let blobs = Blobs::kept(&home.join("blobs"));
    let about = fold.acts().proposals().filter(|proposal| is_of(proposal, version, &blobs));
    let open = about.filter(|proposal| fold.acts().state(fold, proposal, now) == Some(State::Open));
    let blocked = open.filter_map(|proposal| Some((proposal, fold.acts().blocked(fold, proposal, now)?)));
    match blocked.max_by_key(|(_, blocked)| (!blocked.answered, blocked.until)) {
        Some((proposal, blocked)) => Err(refusal(seen, proposal, &blocked)),
        None => Ok(()),
    }
}

/// Whether a proposal is of this version, or of a purpose as this version has it.
pub(super) fn is_of(proposal: &Done, version: &Charter, blobs: &Blobs) -> bool {
    let Act::Proposal { subject, draft, text, .. } = &proposal.act else { return false };
    match subject {
        Subject::Charter(_) => *draft == version.hash(),
        Subject::Purpose(id) => {
            let blob = blobs.get(text).ok().flatten();
            let read = blob.as_deref().and_then(blob_text).and_then(|text| parse_purpose_text(text).ok());
            read.is_some_and(|purpose| version.purpose(id) == Some(&purpose))
        }
        Subject::Question(_) => false,
    }
}

pub(super) fn named(fold: &Fold, id: &datacoop_policy::MemberId) -> String {
    fold.charter().member(id).map_or_else(|| id.to_string(), |member| plain(&member.name))
}

fn refusal(seen: &Seen, proposal: &Done, blocked: &Blocked) -> CommandError {
    let fold = &seen.fold;
    let Act::Proposal { subject, .. } = &proposal.act else {
        unreachable!("INVARIANT: only proposals are looked at")
    };
    let what = match subject {
        Subject::Charter(_) => "this version".to_owned(),
        Subject::Purpose(id) | Subject::Question(id) => format!("its {} `{id}`", subject.code()),
    };
    let since = fold.acts().get(&blocked.objection.leaf).map_or(blocked.until, |said| said.time);
    let (objection, id) = (blocked.objection.leaf.short(), proposal.at.leaf.short());
    let until = clock_text(blocked.until);
    let answer = match blocked.answered {
        true => format!("it was answered, and members have until {until} to hear it"),
        false => format!("it is not answered: nobody's program signs before {until}, nor before it is"),
    };
    let next = match (blocked.answered, proposal.by == seen.me) {
        (true, _) => format!("read both: datacoop proposals {id}; sign it after {until}"),
        (false, true) => format!(
            "start this node and answer: datacoop reply {objection} --text TEXT; or propose another wording: --instead-of {id}"
        ),
        (false, false) => format!(
            "start this node and read it: datacoop proposals {id}; {} answers it, or somebody proposes another wording",
            named(fold, &proposal.by)
        ),
    };
    CommandError {
        exit: Exit::Refused,
        text: format!(
            "{} objects to {what} since {} (objection {objection}); {answer}",
            named(fold, &blocked.by),
            clock_text(since)
        ),
        hint: Some(next),
    }
}
