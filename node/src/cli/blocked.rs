//! What keeps this program from signing a next version: an objection to a proposal of it, or of a purpose in it.

use std::collections::BTreeMap;

use datacoop_policy::Time;
use datacoop_policy::charter::Charter;
use datacoop_protocol::acts::{Act, Blocked, Done, Subject, blob_text};
use datacoop_protocol::charter_text::parse_purpose_text;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::sha256;

use super::show::plain;
use super::why::Seen;
use crate::blobs::Blobs;
use crate::error::{CommandError, Exit};
use crate::follow::clock_text;
use crate::home::Home;

/// Refuses a version while an objection that this node's journal holds keeps programs from signing it.
pub(super) fn check(home: &Home, version: &Charter, now: Time) -> Result<(), CommandError> {
    let seen = Seen::read(home, None)?;
    let fold = &seen.fold;
    let blobs = Blobs::kept(&home.join("blobs"));
    let about = fold.acts().proposals().filter(|proposal| is_of(proposal, version, &blobs));
    // Whether or not they were taken back: who objects to this version does so whoever hands it round.
    let mut of: BTreeMap<&str, Vec<&Done>> = BTreeMap::new();
    for proposal in about {
        let Act::Proposal { subject, .. } = &proposal.act else { continue };
        let purpose = if let Subject::Purpose(id) = subject { id.as_str() } else { "" };
        of.entry(purpose).or_default().push(proposal);
    }
    let blocked = of.into_values().filter_map(|same| fold.acts().blocked_by(fold, same.into_iter(), now));
    match blocked.max_by_key(|blocked| (blocked.awaits_answer, blocked.until)) {
        Some(blocked) => Err(refusal(&seen, &blocked)),
        None => Ok(()),
    }
}

/// Whether a proposal is of this version, or of a purpose as this version has it.
fn is_of(proposal: &Done, version: &Charter, blobs: &Blobs) -> bool {
    let Act::Proposal { subject, draft, text, .. } = &proposal.act else { return false };
    match subject {
        Subject::Charter(_) => *draft == version.hash(),
        Subject::Purpose(id) => {
            let blob = blobs.get(text).ok().flatten();
            let text =
                blob.as_deref().and_then(blob_text).filter(|text| sha256(&[text.as_bytes()]) == *draft);
            let read = text.and_then(|text| parse_purpose_text(text).ok());
            read.is_some_and(|purpose| version.purpose(id) == Some(&purpose))
        }
        Subject::Question(_) => false,
    }
}

fn named(fold: &Fold, id: &datacoop_policy::MemberId) -> String {
    fold.charter().member(id).map_or_else(|| id.to_string(), |member| plain(&member.name))
}

fn refusal(seen: &Seen, blocked: &Blocked) -> CommandError {
    let fold = &seen.fold;
    let said = fold.acts().get(&blocked.objection.leaf);
    let proposal = said.and_then(|said| fold.acts().get(&said.act.about()?.leaf));
    let (Some(said), Some(proposal)) = (said, proposal) else {
        unreachable!("INVARIANT: what blocks is an objection to a proposal, and both are here")
    };
    let Act::Proposal { subject, .. } = &proposal.act else {
        unreachable!("INVARIANT: only proposals are looked at")
    };
    let what = match subject {
        Subject::Charter(_) => "this version".to_owned(),
        Subject::Purpose(id) | Subject::Question(id) => format!("its {} `{id}`", subject.code()),
    };
    let (objection, id) = (blocked.objection.leaf.short(), proposal.at.leaf.short());
    let until = clock_text(blocked.until);
    let answer = match (blocked.answered, blocked.awaits_answer) {
        (true, _) => format!("it was answered, and members have until {until} to hear it"),
        (false, true) => {
            format!("it is not answered: nobody's program signs before {until}, nor before it is")
        }
        (false, false) => format!("members have until {until} to hear it"),
    };
    let next = match (blocked.awaits_answer, proposal.by == seen.me) {
        (false, _) => format!("read both: datacoop proposals {id}; sign it after {until}"),
        (true, true) => format!(
            "start this node and answer: datacoop reply {objection} --text TEXT; or propose another wording: --instead-of {id}"
        ),
        (true, false) => format!(
            "start this node and read it: datacoop proposals {id}; {} answers it, or another member with a vote proposes \
             the same and does, or somebody proposes another wording",
            named(fold, &proposal.by)
        ),
    };
    CommandError {
        exit: Exit::Refused,
        text: format!(
            "{} objects to {what} since {} (objection {objection}); {answer}",
            named(fold, &blocked.by),
            clock_text(said.time)
        ),
        hint: Some(next),
    }
}
