//! The certificate of a Release: one text file from which anybody who knows the charter's fingerprint checks
//! the Release, without a node and without us. Must not know files or sockets.
//!
//! Source: LOG.md section 8. A certificate has one form for its contents: [`Certificate::parse`] writes
//! again what it read and compares, [`check`] works out from the Release what must be in it and nothing
//! else, and what is signed is checked byte by byte, so that any changed byte shows.
//!
//! We differ in this: a Question means nothing without its Vocabulary, so that text is the one blob.

mod check;
mod make;
mod summary;

use std::collections::BTreeMap;
use std::fmt;

use datacoop_policy::charter::VERSIONS_MAX;
use datacoop_policy::{Digest, MemberId};

pub use check::{Checked, SignedHead, check};
pub use make::{NotCertified, finish, gather};
pub use summary::DELTA_TEXT;

use crate::entry::{Body, Entry, Ref};
use crate::log::proof::TlogProof;
use crate::log::tree::{leaf_hash, sha256};

/// First line.
pub const HEADER: &str = "datacoop/certificate/v1\n";
/// Largest certificate (LOG.md section 8). It holds every version of the charter up to the one that its Query names:
/// of five members some 1,000 with 8 MiB left for entries, of 65 some 100, of 200 some 35. Whoever has more has
/// its logs verified instead.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most parts: 200 members' policies, verdicts, debits, contributions and reveals with their proofs come to
/// 1,800, and those of 15 seats to 120; and each version of the charter.
const PARTS_MAX: usize = 2_048 + VERSIONS_MAX;
/// Longest name of a part: a kind and a member id, which has at most 64 bytes.
const NAME_BYTES_MAX: usize = 96;
/// Kinds of entries in the order in which a round writes them.
const KINDS: [&str; 10] =
    ["query", "verdict", "roster", "debit", "contribution", "freeze", "verify", "close", "open", "release"];
/// What no certificate shows, whatever it passes (LOG.md section 7).
pub const NOT_SHOWN: [&str; 7] = [
    "that rows are true, or that a member kept to its range: range proofs need an audit",
    "that a member drew its noise: if not, it is one of those that may collude",
    "that a seat opened its true aggregate share: an audit opening shows it",
    "what a member spent before: its debit says so, and its whole log replays it",
    "that a member wrote nothing else before or since: its whole log says so",
    "other answers: whether this was asked before or since, and what both show together",
    "copies or talk elsewhere, and who read it",
];

/// Why a text is no certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormError(pub String);

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, FormError> {
    Err(FormError(text.into()))
}

/// An entry with the proof that it stands in its author's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Proved {
    pub(crate) entry: Entry,
    /// As it stands in the log.
    pub(crate) bytes: String,
    pub(crate) proof: TlogProof,
}

impl Proved {
    fn leaf(&self) -> Digest {
        leaf_hash(self.bytes.as_bytes())
    }

    /// How others cite it, if its author's log has this origin.
    fn reference(&self, origin: &str) -> Ref {
        Ref { log: origin.into(), index: self.proof.index, leaf: self.leaf() }
    }
}

/// Where an entry stands among the others: a member says each kind once in a round.
type Place = (usize, MemberId);

fn place(body: &Body, by: &MemberId) -> Result<Place, FormError> {
    match KINDS.iter().position(|kind| *kind == body.kind()) {
        Some(rank) => Ok((rank, by.clone())),
        None => wrong(format!("a `{}` entry has no place in a certificate", body.kind())),
    }
}

/// A certificate taken apart: in its one form, and not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    pub(crate) summary: String,
    /// Every version up to the one that the Query names, the first first.
    pub(crate) charters: Vec<String>,
    pub(crate) policies: BTreeMap<MemberId, String>,
    pub(crate) entries: BTreeMap<Place, Proved>,
    pub(crate) vocabulary: String,
}

impl Certificate {
    /// Its parts by name, in their order.
    fn parts(&self) -> Vec<(String, String)> {
        let mut parts = vec![("summary".to_owned(), self.summary.clone())];
        let charters = self.charters.iter().enumerate();
        parts.extend(charters.map(|(at, note)| (format!("charter/{}", at + 1), note.clone())));
        let policies = self.policies.iter();
        parts.extend(policies.map(|(member, text)| (format!("policy/{member}"), text.clone())));
        for ((rank, member), proved) in &self.entries {
            let of = format!("{}/{member}", KINDS[*rank]);
            // As a line, so that who reads the file sees where it ends.
            parts.push((format!("entry/{of}"), format!("{}\n", proved.bytes)));
            parts.push((format!("proof/{of}"), proved.proof.text()));
        }
        let hash = sha256(&[self.vocabulary.as_bytes()]);
        parts.push((format!("blob/{hash}"), self.vocabulary.clone()));
        parts
    }

    /// Its text.
    pub fn text(&self) -> String {
        let parts = self.parts().into_iter();
        let parts = parts.map(|(name, text)| format!("--- {name} {}\n{text}", text.len()));
        HEADER.to_owned() + &parts.collect::<String>()
    }

    /// Reads a certificate. Errors: a text that begins as one and is in another form than its only one.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        let (mut found, mut rest) = (Found::default(), text.strip_prefix(HEADER).unwrap_or(text));
        for _ in 0..PARTS_MAX {
            if rest.is_empty() {
                break;
            }
            let (name, part, next) = split_part(rest)?;
            found.take(name, part)?;
            rest = next;
        }
        if !rest.is_empty() {
            return wrong(format!("more than {PARTS_MAX} parts"));
        }
        let certificate = found.finish()?;
        let again = certificate.text();
        if again == text {
            return Ok(certificate);
        }
        let at = again.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
        let name = text.as_bytes()[..at].split(|b| *b == b'\n').rfind(|line| line.starts_with(b"--- "));
        let name = name.map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
        wrong(format!("byte {at}, after `{}`, is not in the one form of these parts", name.escape_debug()))
    }
}

/// The first part of `text`: its name, its contents, and what follows.
fn split_part(text: &str) -> Result<(&str, &str, &str), FormError> {
    let head = text.strip_prefix("--- ").and_then(|rest| rest.split_once('\n'));
    let parsed = head.and_then(|(line, rest)| {
        let (name, length) = line.split_once(' ').filter(|(name, _)| name.len() <= NAME_BYTES_MAX)?;
        let length = length.parse().ok()?;
        Some((name, rest.get(..length)?, rest.get(length..)?))
    });
    parsed.ok_or_else(|| {
        let begin: String = text.chars().take(NAME_BYTES_MAX).collect();
        let begin = begin.lines().next().unwrap_or_default().escape_debug().to_string();
        FormError(format!("`{begin}` does not begin a part: `--- name bytes`, and so many bytes"))
    })
}

/// What was read so far. What stands twice or in another order is found when all is written again.
#[derive(Default)]
struct Found {
    summary: Option<String>,
    charters: Vec<String>,
    policies: BTreeMap<MemberId, String>,
    entries: BTreeMap<Place, Proved>,
    /// An entry whose proof comes next.
    bare: Option<(Place, Entry, String)>,
    vocabulary: Option<String>,
}

impl Found {
    fn take(&mut self, name: &str, part: &str) -> Result<(), FormError> {
        let unknown = || FormError(format!("a part `{}` has no place here", name.escape_debug()));
        let kind = name.split_once('/').map_or(name, |(kind, _)| kind);
        if self.bare.is_some() != (kind == "proof") {
            return Err(unknown());
        }
        match (kind, name.split_once('/').map(|(_, of)| of)) {
            ("summary", None) => self.summary = Some(part.to_owned()),
            ("charter", Some(_)) => self.charters.push(part.to_owned()),
            ("policy", Some(member)) => {
                let member = member.parse().map_err(|_| unknown())?;
                self.policies.insert(member, part.to_owned());
            }
            ("entry", Some(_)) => {
                let line = part.strip_suffix('\n').unwrap_or(part);
                let entry = Entry::parse(line.as_bytes())
                    .map_err(|error| FormError(format!("part `{}`: {error}", name.escape_debug())))?;
                self.bare = Some((place(&entry.body, &entry.by)?, entry, line.to_owned()));
            }
            ("proof", Some(_)) => {
                let proof = TlogProof::parse(part)
                    .map_err(|error| FormError(format!("part `{}`: {error}", name.escape_debug())))?;
                let bare = self.bare.take();
                self.entries
                    .extend(bare.map(|(place, entry, bytes)| (place, Proved { entry, bytes, proof })));
            }
            ("blob", Some(_)) => self.vocabulary = Some(part.to_owned()),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Certificate, FormError> {
        let missing = |name: &str| FormError(format!("there is no `{name}`; the file may be cut short"));
        if self.bare.is_some() {
            return Err(missing("proof"));
        }
        Ok(Certificate {
            summary: self.summary.ok_or_else(|| missing("summary"))?,
            charters: Some(self.charters).filter(|all| !all.is_empty()).ok_or_else(|| missing("charter"))?,
            policies: self.policies,
            entries: self.entries,
            vocabulary: self.vocabulary.ok_or_else(|| missing("blob"))?,
        })
    }
}
