//! What a node remembers of imports: which file is in which snapshot (`imports.json`), and what a
//! person said about files with the same headers (`profiles.json`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::Path;

use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest};
use datacoop_protocol::log::tree::sha256;
use serde::{Deserialize, Serialize};

use super::Wish;
use crate::clock;
use crate::folder::{StoreError, at, read_optional, write_durably};
use crate::home::Home;
use crate::import::{Dates, Options, Repair, Report};

/// Bytes of a file that are hashed at once.
const PIECE_BYTES: usize = 1024 * 1024;
/// Imports that are remembered: several years of a daily one.
const RECORDS_MAX: usize = 2_000;

/// One import that is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    vocabulary: String,
    snapshot: u64,
    file: String,
    fingerprint: String,
    rows_read: u64,
    rows_kept: u64,
    rows_refused: u64,
    /// When it was imported; not noted of older ones.
    #[serde(default)]
    day: Option<String>,
    /// First and last days of the stretches it replaced; empty: all there was.
    days: Vec<(String, String)>,
}

impl Record {
    pub(super) fn new(
        wish: &Wish,
        fingerprint: &Digest,
        vocabulary: &str,
        snapshot: u64,
        days: Option<Vec<RangeInclusive<Day>>>,
        report: &Report,
    ) -> Self {
        let name = wish.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let days = days.unwrap_or_default().into_iter();
        Self {
            vocabulary: vocabulary.to_owned(),
            snapshot,
            file: name,
            fingerprint: fingerprint.to_string(),
            rows_read: report.rows_read,
            rows_kept: report.rows_kept,
            rows_refused: report.rows_refused,
            day: Some(clock::now().day().to_string()),
            days: days.map(|days| (days.start().to_string(), days.end().to_string())).collect(),
        }
    }

    /// What it did, as far as it is remembered.
    pub(super) fn report(&self) -> Report {
        Report {
            rows_read: self.rows_read,
            rows_kept: self.rows_kept,
            rows_refused: self.rows_refused,
            ..Report::default()
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let either_all = self.days.is_empty() || other.days.is_empty();
        either_all || self.days.iter().any(|a| other.days.iter().any(|b| a.0 <= b.1 && b.0 <= a.1))
    }
}

/// All imports that are remembered, in their order.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Records(Vec<Record>);

impl Records {
    pub(super) fn read(home: &Home) -> Result<Self, StoreError> {
        let path = home.join("imports.json");
        let Some(bytes) = read_optional(&path)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Wrong(format!("{}: {error}", path.display())))
    }

    pub(super) fn write(&self, home: &Home) -> Result<(), StoreError> {
        let text =
            serde_json::to_vec_pretty(&self.0).map_err(|error| StoreError::Wrong(error.to_string()))?;
        write_durably(&home.join("imports.json"), &text)
    }

    /// The import of exactly this file, if all it brought is still there.
    pub(super) fn holds(&self, vocabulary: &str, fingerprint: &Digest) -> Option<&Record> {
        let fingerprint = fingerprint.to_string();
        let of: Vec<&Record> = self.0.iter().filter(|record| record.vocabulary == vocabulary).collect();
        let at = of.iter().rposition(|record| record.fingerprint == fingerprint)?;
        let gone = of[at + 1..].iter().any(|later| later.overlaps(of[at]));
        (!gone).then(|| of[at])
    }

    pub(super) fn add(&mut self, record: Record) {
        if self.0.len() == RECORDS_MAX {
            self.0.remove(0);
        }
        self.0.push(record);
    }

    /// The file, the day and the rows left out of the import that made a snapshot.
    pub(super) fn of(&self, vocabulary: &str, snapshot: u64) -> Option<(String, Option<String>, u64)> {
        let is = |record: &&Record| record.vocabulary == vocabulary && record.snapshot == snapshot;
        let record = self.0.iter().rfind(is)?;
        Some((record.file.clone(), record.day.clone(), record.rows_refused))
    }

    /// Forgets an import that was taken back. Returns its file's name.
    pub(super) fn remove(&mut self, vocabulary: &str, snapshot: u64) -> Option<String> {
        let is = |record: &Record| record.vocabulary == vocabulary && record.snapshot == snapshot;
        let at = self.0.iter().rposition(is)?;
        Some(self.0.remove(at).file)
    }
}

/// What distinguishes an import: the file's bytes, the vocabulary, what was said about it, and what the
/// node knew of its people.
pub(super) fn fingerprint(
    file: &Path,
    vocabulary: &Digest,
    wish: &Wish,
    options: &Options,
) -> Result<Digest, StoreError> {
    let mut source = File::open(file).map_err(at(file))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut whole = sha256(&[]);
    loop {
        let mut length = 0;
        while length < PIECE_BYTES {
            match source.read(&mut piece[length..]).map_err(at(file))? {
                0 => break,
                more => length += more,
            }
        }
        whole = sha256(&[&whole.0, &piece[..length]]);
        if length < PIECE_BYTES {
            break;
        }
    }
    let said = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        options.columns,
        options.dates,
        options.repair,
        wish.infer_terms,
        wish.replace,
        options.day,
        options.terms
    );
    let context = &options.context;
    let people = context.people.as_ref().map(|people| people.iter().collect::<BTreeMap<_, _>>());
    let activities = context.activities.as_ref().map(|known| known.iter().collect::<BTreeMap<_, _>>());
    let ks2: BTreeSet<_> = context.ks2_halves.iter().collect();
    let absence: BTreeSet<_> = context.prior_absence.iter().collect();
    let knew = format!("{people:?} {activities:?} {ks2:?} {absence:?}");
    Ok(sha256(&[&whole.0, &vocabulary.0, said.as_bytes(), &[0], knew.as_bytes()]))
}

/// What a person said about a kind of file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) columns: BTreeMap<String, String>,
    pub(super) dates: Option<Dates>,
    pub(super) repair: Option<Repair>,
}

/// Files of the same vocabulary with the same headers are of one kind.
pub(super) fn profile_key(vocabulary: &Vocabulary, header: &[String]) -> String {
    sha256(&[format!("{} {header:?}", vocabulary.name()).as_bytes()]).to_string()
}

pub(super) fn profiles(home: &Home) -> Result<BTreeMap<String, Profile>, StoreError> {
    let path = home.join("profiles.json");
    let Some(bytes) = read_optional(&path)? else { return Ok(BTreeMap::new()) };
    serde_json::from_slice(&bytes).map_err(|error| StoreError::Wrong(format!("{}: {error}", path.display())))
}

pub(super) fn write_profiles(home: &Home, profiles: &BTreeMap<String, Profile>) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(profiles).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&home.join("profiles.json"), &text)
}
