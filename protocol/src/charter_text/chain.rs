//! Versions of a charter with who signed them: opening, walking and signing a chain.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::MemberId;
use datacoop_policy::charter::{
    Change, Charter, Lacking, Member, NamedKey, VERSIONS_MAX, keys_follow, lacking, renewals_reported,
    succeed,
};

use super::{TextError, parse_charter, said, wrong};
use crate::keys::Keys;
use crate::log::note::{open_note, signature_line, split_note};

/// A charter with who signed it.
#[derive(Clone, Debug)]
pub struct OpenedCharter {
    /// The charter.
    pub charter: Charter,
    /// Members whose signature is good.
    pub signed: BTreeSet<MemberId>,
    /// Members whose signature is missing: version 1 needs all.
    pub missing: Vec<MemberId>,
}

/// Opens a charter's note. Errors: no charter, or a member's signature does not fit.
pub fn open_charter(note: &str) -> Result<OpenedCharter, TextError> {
    let charter = parse_charter(split_note(note).map_err(said)?.0)?;
    let signed: BTreeSet<MemberId> =
        signers(note, charter.members())?.into_iter().map(|(_, id)| id).collect();
    let missing = charter.members().iter().map(|member| &member.id).filter(|id| !signed.contains(*id));
    Ok(OpenedCharter { missing: missing.cloned().collect(), signed, charter })
}

/// Whose signatures a note carries, and by which key. Errors: one is nobody's of these, or does not fit.
fn signers<'a>(
    note: &str,
    members: impl IntoIterator<Item = &'a Member>,
) -> Result<Vec<(NamedKey, MemberId)>, TextError> {
    let lines = split_note(note).map_err(said)?.1;
    let ids: BTreeMap<NamedKey, &MemberId> =
        members.into_iter().map(|member| (member.keys.charter.clone(), &member.id)).collect();
    let (keys, ids): (Vec<NamedKey>, Vec<&MemberId>) = ids.into_iter().unzip();
    let stranger =
        lines.iter().find(|line| !keys.iter().any(|key| line.contains(&format!(" {} ", key.name))));
    if let Some(line) = stranger {
        let name = line.split(' ').nth(1).unwrap_or_default();
        return wrong(format!(
            "`{}` signed the charter and is no member's charter key; remove that line (rule C2)",
            name.escape_debug()
        ));
    }
    let signed = open_note(note, &keys)
        .map_err(|error| TextError(format!("the charter's signatures: {error} (rule C2)")))?
        .1;
    if signed.len() != lines.len() {
        return wrong(
            "a signature line stands twice, or is by another key than its name's; remove it (rule C2)",
        );
    }
    Ok(signed.into_iter().map(|at| (keys[at].clone(), ids[at].clone())).collect())
}

/// Opens a charter that founds a co-operative: every founder signed.
pub fn open_signed_charter(note: &str) -> Result<Charter, TextError> {
    let opened = open_charter(note)?;
    if opened.charter.version() != 1 {
        return wrong(format!(
            "this is version {}; a chain begins with version 1 (rule C1)",
            opened.charter.version()
        ));
    }
    if opened.missing.is_empty() {
        return Ok(opened.charter);
    }
    let names: Vec<String> = opened.missing.iter().map(ToString::to_string).collect();
    wrong(format!(
        "the charter lacks signatures of {}; each runs `datacoop charter sign` (rule C2)",
        names.join(", ")
    ))
}

/// A later version with who signed it.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The charter as it would be.
    pub charter: Charter,
    /// What it changes.
    pub changes: Vec<Change>,
    /// Members of either version whose signature is good.
    pub signed: BTreeSet<MemberId>,
    /// What it lacks of the old and the new quorum; empty when it has both.
    pub lacking: Vec<Lacking>,
}

/// Opens the note, or the bare text, of a version that is to follow the last of a chain.
///
/// Errors: no charter, not that one's next version, at odds with an earlier one, or a signature that does not
/// fit; or the chain is empty.
pub fn open_amendment<C: Borrow<Charter>>(text_or_note: &str, chain: &[C]) -> Result<Amendment, TextError> {
    let parent = chain.last().ok_or_else(|| TextError("no version to follow".into()))?.borrow();
    let text = bare_text(text_or_note);
    let charter = parse_charter(text)?;
    let changes = succeed(parent, &charter).map_err(said)?;
    keys_follow(chain.iter().map(Borrow::borrow), &charter).map_err(said)?;
    renewals_reported(chain.iter().map(Borrow::borrow), &charter).map_err(said)?;
    let both = || charter.members().iter().chain(parent.members());
    let signed = match text.len() == text_or_note.len() {
        true => vec![],
        false => signers(text_or_note, both())?,
    };
    // A key that one of the two versions lists speaks for its member in that one alone.
    let of = |version: &Charter| {
        let lists = |(key, id): &&(NamedKey, MemberId)| {
            version.member(id).is_some_and(|member| member.keys.charter == *key)
        };
        signed.iter().filter(lists).map(|(_, id)| id.clone()).collect::<BTreeSet<_>>()
    };
    let lacking = lacking(parent, &charter, &of(parent), &of(&charter));
    let signed = signed.into_iter().map(|(_, id)| id).collect();
    Ok(Amendment { charter, changes, signed, lacking })
}

/// Opens every version of a charter, from the first on: the first signed by all, each later one by the old
/// and the new quorum (C1, C2).
///
/// Errors: no version, too many, or one that does not follow; the text says which.
pub fn open_chain<S: AsRef<str>>(notes: &[S]) -> Result<Vec<Charter>, TextError> {
    let (first, later) = notes.split_first().ok_or_else(|| TextError("no charter".into()))?;
    if notes.len() > VERSIONS_MAX {
        return wrong(format!(
            "{} versions of a charter; at most {VERSIONS_MAX} are walked (rule C1)",
            notes.len()
        ));
    }
    let founding = open_signed_charter(first.as_ref());
    let mut chain = vec![founding.map_err(|error| TextError(format!("version 1: {error}")))?];
    for note in later {
        let version = chain.len() + 1;
        let amendment = open_amendment(note.as_ref(), &chain)
            .map_err(|error| TextError(format!("version {version}: {error}")))?;
        if let Some(lack) = amendment.lacking.first() {
            return wrong(format!("version {version}: {}", lack_text(lack, &MemberId::to_string)));
        }
        chain.push(amendment.charter);
    }
    Ok(chain)
}

/// What a version lacks, in a sentence, with members as `name` calls them.
pub fn lack_text(lack: &Lacking, name: &dyn Fn(&MemberId) -> String) -> String {
    let list = |ids: &[MemberId]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
    match lack {
        Lacking::Quorum { side, signed, needed, missing } => format!(
            "{signed} of the {needed} voting members it needs of the {side} version signed; not yet {} (rule C2)",
            list(missing)
        ),
        Lacking::Sponsors { joins, missing } => format!(
            "{} joins, and {} did not sign as its sponsor (rule C13)",
            name(joins),
            list(missing).replace(", ", " and ")
        ),
        Lacking::Reviewers { needed, missing } => format!(
            "of the {needed} reviewers of its new purposes {} did not sign (CHARTER.md section 4)",
            list(missing).replace(", ", " and ")
        ),
    }
}

/// The text of a charter's note without its signature lines, or the whole of what is none.
pub fn bare_text(text_or_note: &str) -> &str {
    match split_note(text_or_note) {
        Ok((text, lines)) if lines.iter().all(|line| line.starts_with('\u{2014}')) => text,
        _ => text_or_note,
    }
}

/// A charter's note with our signature added; a first signature starts the note. `parent` is the version
/// that it follows, if it founds none.
///
/// Errors: the text is no charter, or neither version holds our key as one that signs.
pub fn sign_charter(text_or_note: &str, parent: Option<&Charter>, keys: &Keys) -> Result<String, TextError> {
    let own = &keys.public().charter;
    let text = bare_text(text_or_note);
    let charter = match parent {
        Some(parent) => open_amendment(text_or_note, &[parent])?.charter,
        None if text.len() == text_or_note.len() => parse_charter(text)?,
        None => open_charter(text_or_note)?.charter,
    };
    let ours = |charter: &Charter| {
        // Founders all sign; of a later version those that vote.
        let mut members = charter.members().iter();
        members.any(|m| m.keys == *keys.public() && (parent.is_none() || m.votes()))
    };
    if !ours(&charter) && !parent.is_some_and(ours) {
        return wrong(match parent {
            None => "the charter holds no member with this node's keys; send your card to whoever writes it",
            Some(_) => "neither the charter in force nor this one has a voting member with this node's keys",
        });
    }
    let rest = text_or_note.get(text.len() + 1..).unwrap_or_default();
    let line = signature_line(text, &own.name, keys.charter());
    if rest.lines().any(|signed| signed == line.trim_end()) {
        return Ok(text_or_note.to_owned());
    }
    Ok(format!("{text}\n{rest}{line}"))
}
