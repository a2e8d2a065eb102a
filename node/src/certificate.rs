//! Certificates of Releases that a node holds: what of its folder belongs into one, and where it is written.

use std::collections::BTreeMap;
use std::path::Path;

use datacoop_policy::Digest;
use datacoop_protocol::certificate::{CERTIFICATE_BYTES_MAX, Certificate, HEADER, NotCertified, gather};
use datacoop_protocol::fold::Log;
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;

use crate::folder::{StoreError, at};
use crate::home::Home;

/// What of a node's folder belongs into its certificates: the same for all.
#[derive(Clone)]
pub struct Shelf {
    charter_notes: Vec<String>,
    texts: BTreeMap<Digest, String>,
}

impl Shelf {
    /// Errors: the folder cannot be read, or its node has joined no charter.
    pub fn read(home: &Home) -> Result<Self, StoreError> {
        let charter_notes: Vec<String> = home.charters()?.into_iter().map(|(note, _)| note).collect();
        if charter_notes.is_empty() {
            return Err(StoreError::Wrong("this node has joined no charter yet".into()));
        }
        let texts = home.vocabularies()?.into_iter().map(|(hash, (text, _))| (hash, text)).collect();
        Ok(Self { charter_notes, texts })
    }

    /// Gathers a round's certificate: quick, so a node may do it between two inputs.
    pub fn gather(&self, member: &Member, round: &Round) -> Result<Certificate, NotCertified> {
        let head = |log: &Log| head(member, round, log);
        gather(member.fold(), round, &self.charter_notes, &|hash| self.texts.get(hash).cloned(), &head)
    }
}

/// Whether a quorum cosigned all that each log says of a round, so that its certificate can be written.
pub fn is_witnessed(member: &Member, round: &Round) -> bool {
    let Some(asked) = round.asked() else { return false };
    let version = member.fold().charter_of(&asked.body.charter).version();
    member.fold().logs().all(|log| {
        let said = round.everything().filter(|(by, _)| **by == log.member).map(|(_, logged)| logged.at.index);
        let witnessed = || member.witnessed().size_under(log, version);
        said.max().is_none_or(|last| witnessed() > last)
    })
}

/// The head that a log's entries are proved by: the largest that a quorum cosigned of the witnesses that the
/// round's version of the charter names, if all that the log says of the round lies under it; else the newest, with the lines of whoever cosigned that.
fn head(member: &Member, round: &Round, log: &Log) -> Option<(u64, String)> {
    let said = round.everything().filter(|(by, _)| **by == log.member).map(|(_, logged)| logged.at.index);
    let last = said.max().unwrap_or(0);
    let version = member.fold().charter_of(&round.asked()?.body.charter).version();
    let witnessed = member.witnessed().note_under(log, version).filter(|(size, _)| *size > last);
    let newest = || Some((log.note()?.0, member.witnessed().newest(log)?));
    witnessed.or_else(newest)
}

/// Writes a certificate. Errors: the file holds something else, or cannot be written.
pub fn write_certificate(file: &Path, text: &str) -> Result<(), StoreError> {
    if file.exists() && !is_certificate(file) {
        let shown = file.display();
        return Err(StoreError::Wrong(format!("{shown} holds something else; name another file")));
    }
    // A copy that a crash cuts short fails its checks, and can be written again.
    std::fs::write(file, text).map_err(at(file))
}

fn is_certificate(file: &Path) -> bool {
    read_certificate(file).is_ok_and(|bytes| bytes.starts_with(HEADER.as_bytes()))
}

/// Reads a file that may be a certificate: one byte more than those may have at most, which is then refused.
pub fn read_certificate(file: &Path) -> Result<Vec<u8>, StoreError> {
    use std::io::Read as _;
    let mut bytes = vec![];
    let opened = std::fs::File::open(file).map_err(at(file))?;
    opened.take(CERTIFICATE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(at(file))?;
    Ok(bytes)
}
