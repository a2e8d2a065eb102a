//! Writes the certificate of a Release from the logs that a node holds.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datacoop_policy::charter::{Charter, Member, NamedKey};
use datacoop_policy::{Digest, MemberId};

use super::check::{check, needed};
use super::summary::summary;
use super::{CERTIFICATE_BYTES_MAX, Certificate, FormError, Proved, place, wrong};
use crate::audit::Outcome;
use crate::entry::Entry;
use crate::fold::{Fold, Log};
use crate::log::cosignature::{cosignatures, policy_text, quorum, witness_keys};
use crate::log::note::{Checkpoint, DASH, NoteError, open_checkpoint, split_note};
use crate::log::proof::TlogProof;
use crate::rounds::Round;

/// Why a Release has no certificate, or not yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotCertified {
    /// The round has no Release.
    NoRelease,
    /// Something that belongs into it is not here.
    Missing(String),
    /// Fewer witnesses than the charter asks for have cosigned a head of this log that holds all of it.
    Unwitnessed {
        /// The log.
        log: String,
        /// Witnesses that have.
        valid: usize,
        /// Witnesses that must.
        needed: usize,
    },
    /// It would be longer than a certificate may be: so many bytes.
    TooLong(usize),
    /// It would not pass: the check that fails, and why.
    Fails(&'static str, String),
}

impl fmt::Display for NotCertified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRelease => f.write_str("the query has no release, so there is nothing to certify"),
            Self::Missing(what) => write!(f, "{what} is not here; ask again when the logs are complete"),
            Self::Unwitnessed { log, valid, needed } => write!(
                f,
                "not yet witnessed: {valid} of the {needed} witnesses that are needed have cosigned `{log}`; ask again when more are awake"
            ),
            Self::TooLong(bytes) => write!(
                f,
                "the certificate would have {bytes} bytes, and at most {CERTIFICATE_BYTES_MAX} are read"
            ),
            Self::Fails(code, text) => write!(f, "the release cannot be certified: {code} fails: {text}"),
        }
    }
}

/// Gathers the certificate of a round's Release: [`finish`] checks it.
///
/// `charter_notes` are its versions' signed notes, the first first; `vocabulary` finds a Vocabulary's text by its SHA-256; `head` gives
/// the head of a log to prove entries by, with the size it covers and its cosignatures.
pub fn gather(
    fold: &Fold,
    round: &Round,
    charter_notes: &[String],
    vocabulary: &dyn Fn(&Digest) -> Option<String>,
    head: &dyn Fn(&Log) -> Option<(u64, String)>,
) -> Result<Certificate, NotCertified> {
    let (release, _) = round.released().ok_or(NotCertified::NoRelease)?;
    let asked = round.asked().ok_or(NotCertified::NoRelease)?;
    let charter = fold.charter_of(&asked.body.charter);
    let needed = needed(round, release).map_err(|error| NotCertified::Missing(error.0))?;
    let (mut entries, mut policies) = (BTreeMap::new(), BTreeMap::new());
    let authors: BTreeSet<&MemberId> = needed.iter().map(|(by, _)| *by).collect();
    for author in authors {
        let missing = |what: &str| NotCertified::Missing(format!("{what} of `{author}`"));
        let log = fold.log(author).ok_or_else(|| missing("the log"))?;
        let (size, note) = head(log).ok_or_else(|| missing("a signed head"))?;
        let note = witnessed(&note, charter, log)?;
        for (_, logged) in needed.iter().filter(|(by, _)| *by == author) {
            let index = logged.at.index;
            let stands = usize::try_from(index).ok().and_then(|index| log.entries().get(index));
            let bytes = stands.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let (bytes, hashes) = bytes
                .zip(log.tree().inclusion_proof(index, size))
                .ok_or_else(|| missing("a signed head over all its entries"))?;
            let entry = Entry::parse(bytes.as_bytes()).map_err(|_| missing("a readable entry"))?;
            let place = place(&entry.body, &entry.by).map_err(|error| NotCertified::Missing(error.0))?;
            let proof = TlogProof { index, hashes, note: note.clone() };
            entries.insert(place, Proved { entry, bytes, proof });
        }
        policies.extend(policy_text(charter, author).map(|text| (author.clone(), text)));
    }
    let missing = |what: &str| NotCertified::Missing(what.to_owned());
    let named = charter.vocabulary(&asked.body.vocabulary);
    let vocabulary =
        named.and_then(|(hash, _)| vocabulary(&hash)).ok_or_else(|| missing("the question's vocabulary"))?;
    Ok(Certificate {
        summary: summary(charter, round).ok_or_else(|| missing("what the release follows from"))?,
        charters: canonical_chain(charter_notes, fold.charters(), charter.version())
            .map_err(|error| NotCertified::Missing(error.0))?,
        policies,
        entries,
        vocabulary,
    })
}

/// A certificate's text, if whoever checks it will find it right.
pub fn finish(certificate: &Certificate) -> Result<String, NotCertified> {
    let text = certificate.text();
    if text.len() > CERTIFICATE_BYTES_MAX {
        return Err(NotCertified::TooLong(text.len()));
    }
    let checked = check(text.as_bytes()).map_err(|error| NotCertified::Fails("C01", error.0))?;
    match checked.checks.iter().find(|check| !matches!(check.outcome, Outcome::Pass | Outcome::Warn)) {
        Some(check) => Err(NotCertified::Fails(check.code, check.text.clone())),
        None => Ok(text),
    }
}

fn witnessed(note: &str, charter: &Charter, log: &Log) -> Result<String, NotCertified> {
    let witnesses = witness_keys(charter, &log.member);
    let head = CanonicalHead::read(note, &log.origin, &log.key(), &witnesses)
        .map_err(|error| NotCertified::Missing(format!("a good head of `{}` ({error})", log.origin)))?;
    let needed = quorum(witnesses.len());
    if head.witnesses.len() < needed {
        let (log, valid) = (log.origin.clone(), head.witnesses.len());
        return Err(NotCertified::Unwitnessed { log, valid, needed });
    }
    Ok(head.note)
}

/// A log's head with the signature lines that count, in their one order: the log's, then those of witnesses
/// in the charter's order.
pub(super) struct CanonicalHead {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: String,
    /// Places of the witnesses that cosigned it.
    pub(super) witnesses: Vec<usize>,
}

impl CanonicalHead {
    /// Errors: no head that the log's key signed, or a known witness's line that does not hold.
    pub(super) fn read(
        note: &str,
        origin: &str,
        key: &[u8; 32],
        witnesses: &[NamedKey],
    ) -> Result<Self, NoteError> {
        let (text, lines) = split_note(note)?;
        let begin = format!("{DASH}{origin} ");
        let alone = lines.into_iter().filter(|line| line.starts_with(&begin));
        let mut signed = Err(NoteError(format!("`{origin}` did not sign it")));
        for alone in alone.map(|line| format!("{text}\n{line}\n")) {
            signed = open_checkpoint(&alone, origin, key).map(|checkpoint| (checkpoint, alone));
            if signed.is_ok() {
                break;
            }
        }
        let (checkpoint, mut note_again) = signed?;
        let found = cosignatures(note, &checkpoint, witnesses)?;
        for (place, cosignature) in &found {
            note_again += &cosignature.line(&witnesses[*place]);
        }
        let witnesses = found.into_iter().map(|(place, _)| place).collect();
        Ok(Self { checkpoint, note: note_again, witnesses })
    }
}

/// The notes of a chain up to a version, each with its signature lines in one order: of the first those of
/// all members, of a later one those of its own members, then of members that it drops.
pub(super) fn canonical_chain<C: Borrow<Charter>>(
    notes: &[String],
    chain: &[C],
    version: u32,
) -> Result<Vec<String>, FormError> {
    let wanted = chain.iter().take_while(|charter| (*charter).borrow().version() <= version).count();
    if notes.len() < wanted {
        return wrong(format!("the charter's version {}", notes.len() + 1));
    }
    let later = notes.iter().zip(chain).take(wanted).enumerate();
    later
        .map(|(at, (note, charter))| {
            let before = at.checked_sub(1).map(|before| chain[before].borrow());
            canonical_charter(note, charter.borrow(), before)
        })
        .collect()
}

fn canonical_charter(note: &str, charter: &Charter, before: Option<&Charter>) -> Result<String, FormError> {
    let (text, lines) = split_note(note).map_err(|error| FormError(error.to_string()))?;
    let mut again = format!("{text}\n");
    // Who left, or signed with a key that this version replaces.
    let gone = before.into_iter().flat_map(|before| before.members());
    let stays = |member: &Member| charter.members().iter().any(|now| now.keys.charter == member.keys.charter);
    let gone = gone.filter(|member| !stays(member));
    for member in charter.members().iter().chain(gone) {
        let begin = format!("{DASH}{} ", member.keys.charter.name);
        match lines.iter().find(|line| line.starts_with(&begin)) {
            Some(line) => again += &format!("{line}\n"),
            None if before.is_none() => return wrong(format!("the charter's signature by `{}`", member.id)),
            None => {}
        }
    }
    Ok(again)
}
