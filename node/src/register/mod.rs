//! The public register as a folder of static files, made from verified logs alone: the same logs, day and
//! publisher give the same bytes. Must not know a node, a clock or a network.
//!
//! Of a purpose whose results are for members only, and of results that are not public yet, it holds the
//! purpose's text and counts. Source: CHARTER.md section 4, UI.md section 3 page 12.

mod decided;
mod feeds;
mod json;
mod pages;
mod result;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, Licence, Purpose};
use datacoop_policy::derive::Status;
use datacoop_policy::{Day, Digest, MemberId};
use datacoop_protocol::audit::Notes;
use datacoop_protocol::certificate::{NotCertified, finish, gather};
use datacoop_protocol::entry::Body;
use datacoop_protocol::fold::{Fold, Log};
use datacoop_protocol::log::cosignature::{cosignatures, quorum, witness_keys};
use datacoop_protocol::log::note::{Checkpoint, split_note};
use datacoop_protocol::rounds::{Ending, Kind, Round};

use crate::folder::{StoreError, at, make_dir};
use crate::view::{Release, release};
use said::{Said, end_of};

/// Names the files of a register, so that a later one replaces them and nothing else.
const MANIFEST: &str = "datacoop-register.txt";
/// First line of the manifest.
const MANIFEST_HEADER: &str = "datacoop register: these files are written by `datacoop register export`";

/// What a register is made from.
pub struct Source<'a> {
    /// Verified logs.
    pub fold: &'a Fold,
    /// The charter as signed.
    pub charter_notes: &'a [String],
    /// Heads of each log with the lines of whoever cosigned them.
    pub heads: &'a Notes,
    /// A Vocabulary's text by its SHA-256.
    pub vocabulary: &'a dyn Fn(&Digest) -> Option<String>,
    /// A blob by its name, if it was handed in: for the texts of reports.
    pub blob: &'a dyn Fn(&Digest) -> Option<Vec<u8>>,
    /// The day as of which results count as public.
    pub as_of: Day,
    /// The member whose node it is made at, if it is made at one.
    pub by: Option<&'a MemberId>,
}

/// What was asked for a purpose, as counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Counts {
    asked: usize,
    /// Answered, public or not.
    answered: usize,
    /// Of the answers: public by now.
    public: usize,
    /// Of the public answers: nothing could be shown.
    null: usize,
    /// Ended without an answer.
    ended: usize,
    /// Not ended yet.
    open: usize,
    /// No question of this charter: nobody answers it.
    invalid: usize,
    /// How often a member refused.
    refusals: usize,
    /// Somebody outside was handed an answer.
    handed: usize,
    /// Of those: they gave a receipt.
    receipts: usize,
}

impl Counts {
    const NAMES: [&'static str; 10] = [
        "questions asked",
        "answered",
        "answers that are public now",
        "public answers in which nothing could be shown",
        "ended without an answer",
        "still running",
        "not valid, so not answered",
        "times an answer was handed to somebody outside",
        "receipts that they gave",
        "times a member refused",
    ];

    fn each(&self) -> [(&'static str, usize); 10] {
        let Self { asked, answered, public, null, ended, open, invalid, refusals, handed, receipts } = *self;
        let values = [asked, answered, public, null, ended, open, invalid, handed, receipts, refusals];
        std::array::from_fn(|at| (Self::NAMES[at], values[at]))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            answered: self.answered + other.answered,
            public: self.public + other.public,
            null: self.null + other.null,
            ended: self.ended + other.ended,
            open: self.open + other.open,
            invalid: self.invalid + other.invalid,
            refusals: self.refusals + other.refusals,
            handed: self.handed + other.handed,
            receipts: self.receipts + other.receipts,
        }
    }
}

/// A result that everybody may see.
struct Public<'a> {
    purpose: &'a Purpose,
    round: &'a Arc<Round>,
    release: Release,
    released: Day,
    since: Day,
    certificate: Result<String, NotCertified>,
}

impl Public<'_> {
    fn page(&self) -> String {
        format!("result-{}.html", self.release.id)
    }

    fn file(&self) -> String {
        format!("certificate-{}.dcert", self.release.id)
    }

    /// Whether nothing could be shown.
    fn is_null(&self) -> bool {
        let mut all = self.release.figures.cells.iter().flat_map(|cell| &cell.figures);
        all.all(|figure| figure.status == Status::Suppressed)
    }
}

/// What the register says, before it is pages.
struct Register<'a> {
    source: &'a Source<'a>,
    /// The version that most members went by on the day of the register.
    charter: &'a Charter,
    charters: &'a [Arc<Charter>],
    /// Of that version, then those that questions were asked for and that it does not have any more, each as
    /// it stood last.
    purposes: Vec<&'a Purpose>,
    counts_by_purpose: BTreeMap<&'a str, Counts>,
    /// Questions that name no purpose of the charter.
    stray: Counts,
    refusals_by_rule: BTreeMap<&'a str, usize>,
    /// What was asked in the school year of the register's day, by month, such as `2025-12`.
    months: BTreeMap<String, Counts>,
    /// Newest first.
    results: Vec<Public<'a>>,
    /// Beside questions and answers.
    said: Said<'a>,
}

impl<'a> Register<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        let (charters, charter) = (source.fold.charters(), in_force(source));
        let purposes = purposes(source, charter);
        let counts = purposes.iter().map(|purpose| (purpose.id.as_str(), Counts::default()));
        let mut register = Self {
            source,
            charter,
            charters,
            counts_by_purpose: counts.collect(),
            purposes,
            stray: Counts::default(),
            refusals_by_rule: BTreeMap::new(),
            months: BTreeMap::new(),
            results: vec![],
            said: Said::new(source, charter),
        };
        source.fold.rounds().values().for_each(|round| register.take(round));
        register.results.sort_by_key(|result| std::cmp::Reverse((result.released, result.release.id)));
        register
    }

    fn take(&mut self, round: &'a Arc<Round>) {
        let as_of = self.source.as_of;
        let Some(asked) = round.asked().filter(|asked| asked.time.day() <= as_of) else { return };
        let mut counts = Counts { asked: 1, ..Counts::default() };
        for (_, logged) in round.all(Kind::Verdict).filter(|(_, logged)| logged.time.day() <= as_of) {
            if let Body::Refuse { rule, .. } = &logged.body {
                counts.refusals += 1;
                *self.refusals_by_rule.entry(rule).or_default() += 1;
            }
        }
        let released = round.released().map(|(logged, _)| logged.time.day()).filter(|day| *day <= as_of);
        (counts.handed, counts.receipts) = self.handed(round);
        match (&asked.query, released, round.ending()) {
            (Err(_), _, _) => counts.invalid = 1,
            (Ok(_), Some(_), _) => counts.answered = 1,
            (Ok(_), None, Some(Ending::Aborted(_))) => counts.ended = 1,
            (Ok(_), None, Some(Ending::Released(_)) | None) => counts.open = 1,
        }
        // As the version has it that the question names: what was asked for members stays with them (C10).
        let named = self.source.fold.charter_named(&asked.body.charter);
        let purpose = named.and_then(|charter| charter.purpose(&asked.body.purpose));
        if let Some(result) =
            purpose.zip(released).and_then(|(purpose, day)| self.public(purpose, round, day))
        {
            counts.public = 1;
            counts.null = usize::from(result.is_null());
            self.results.push(result);
        }
        let day = asked.time.day();
        if day.academic_year() == as_of.academic_year() {
            let month = day.to_string();
            let sum = self.months.entry(month.get(..7).unwrap_or(&month).to_owned()).or_default();
            *sum = sum.plus(counts);
        }
        match purpose.and_then(|purpose| self.counts_by_purpose.get_mut(purpose.id.as_str())) {
            Some(sum) => *sum = sum.plus(counts),
            None => self.stray = self.stray.plus(counts),
        }
    }

    /// To how many outside the result of a round was handed by the register's day, and how many gave a receipt.
    fn handed(&self, round: &Round) -> (usize, usize) {
        let Some((release, _)) = round.released() else { return (0, 0) };
        let fold = self.source.fold;
        let all = fold.acts().handed(fold, &release.at, end_of(self.source.as_of));
        (all.len(), all.iter().filter(|one| one.receipt).count())
    }

    /// The result, if its purpose makes it public by the day of the register.
    fn public(&self, purpose: &'a Purpose, round: &'a Arc<Round>, released: Day) -> Option<Public<'a>> {
        let since = purpose.publish.public_from(released).filter(|day| *day <= self.source.as_of)?;
        let release = release(round)?;
        let certificate = certificate(self.source, round);
        Some(Public { purpose, round, release, released, since, certificate })
    }

    fn counts(&self) -> Counts {
        self.counts_by_purpose.values().fold(self.stray, |sum, counts| sum.plus(*counts))
    }
}

/// The newest version that most of its voting members went by at the end of the register's day, as far as
/// their logs are here.
fn in_force<'a>(source: &Source<'a>) -> &'a Arc<Charter> {
    let (fold, end) = (source.fold, Day(source.as_of.0 + 1).start());
    let goes_by = |charter: &&Arc<Charter>| {
        let voting = charter.members().iter().filter(|member| member.votes());
        let here = voting.filter(|member| fold.log(&member.id).is_some_and(|log| log.size() > 0));
        let (they, others): (Vec<_>, Vec<_>) =
            here.partition(|member| fold.charter_at(&member.id, end).version() >= charter.version());
        they.len() > others.len()
    };
    fold.charters().iter().rev().find(goes_by).unwrap_or(&fold.charters()[0])
}

/// The purposes of a version, then those of earlier ones that questions were asked for.
fn purposes<'a>(source: &Source<'a>, charter: &'a Charter) -> Vec<&'a Purpose> {
    let asked = source.fold.rounds().values().filter_map(|round| round.asked());
    let asked: BTreeSet<&str> = asked
        .filter(|asked| asked.time.day() <= source.as_of)
        .map(|asked| asked.body.purpose.as_str())
        .collect();
    let mut purposes: Vec<&Purpose> = charter.fields().purposes.iter().collect();
    let mut known: BTreeSet<&str> = purposes.iter().map(|purpose| purpose.id.as_str()).collect();
    let others = source.fold.charters().iter().rev().flat_map(|charter| &charter.fields().purposes);
    purposes.extend(others.filter(|purpose| asked.contains(&*purpose.id) && known.insert(&purpose.id)));
    purposes
}

fn certificate(source: &Source<'_>, round: &Round) -> Result<String, NotCertified> {
    let head = |log: &Log| head(source, round, log);
    finish(&gather(source.fold, round, source.charter_notes, source.vocabulary, &head)?)
}

/// The largest head that a quorum cosigned and that covers what the log says of the round; else the last.
fn head(source: &Source<'_>, round: &Round, log: &Log) -> Option<(u64, String)> {
    let said = round.everything().filter(|(by, _)| **by == log.member).map(|(_, logged)| logged.at.index);
    let last = said.max().unwrap_or(0);
    let witnesses = witness_keys(source.fold.charter_of(&round.asked()?.body.charter), &log.member);
    let read = |note: &String| {
        let checkpoint = Checkpoint::parse(split_note(note).ok()?.0).ok()?;
        let valid = cosignatures(note, &checkpoint, &witnesses).ok()?.len();
        // A copy may be older or longer than what was folded.
        let held = checkpoint.size > last && checkpoint.size <= log.size();
        held.then(|| (valid >= quorum(witnesses.len()), checkpoint.size, note.clone()))
    };
    let best = source.heads.get(&log.member)?.iter().filter_map(read).max();
    best.map(|(_, size, note)| (size, note))
}

/// The files of the register: name and text.
pub fn files(source: &Source<'_>) -> BTreeMap<String, String> {
    let register = Register::new(source);
    let mut files: BTreeMap<String, String> = pages::pages(&register);
    files.insert("style.css".into(), format!("{}\n{}", crate::figure::CSS, include_str!("style.css")));
    for (at, note) in source.charter_notes.iter().enumerate() {
        files.insert(format!("charter-{}.note", at + 1), note.clone());
    }
    files.extend(Licence::ALL.map(|licence| (format!("{}.txt", licence.code()), licence.text().to_owned())));
    files.insert("register.csv".into(), feeds::csv(&register));
    files.insert("register.json".into(), json::json(&register));
    files.insert("feed.xml".into(), feeds::atom(&register));
    for result in &register.results {
        files.extend(result.certificate.as_ref().ok().map(|text| (result.file(), text.clone())));
    }
    files
}

/// What kind of file one of the register's is, by its name.
pub(crate) fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/atom+xml; charset=utf-8",
        Some(_) | None => "text/plain; charset=utf-8",
    }
}

/// Writes the files into an empty folder or over an older register, of which nothing stays.
pub fn write(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), StoreError> {
    make_dir(folder)?;
    let manifest = folder.join(MANIFEST);
    let old = std::fs::read_to_string(&manifest).unwrap_or_default();
    let is_ours = old.lines().next() == Some(MANIFEST_HEADER);
    if !is_ours && std::fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        let shown = folder.display();
        return Err(StoreError::Wrong(format!("{shown} holds other files; name an empty folder")));
    }
    for name in old.lines().skip(1).filter(|name| is_plain(name)) {
        let path = folder.join(name);
        if path.is_file() {
            std::fs::remove_file(&path).map_err(at(&path))?;
        }
    }
    // First, so that what a crash leaves is known as ours.
    let names: String = files.keys().map(|name| format!("{name}\n")).collect();
    std::fs::write(&manifest, format!("{MANIFEST_HEADER}\n{names}")).map_err(at(&manifest))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(at(&path))?;
    }
    Ok(())
}

/// A name that we could have written: nothing leads out of the folder.
fn is_plain(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
}
