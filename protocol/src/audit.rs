//! An audit: the same fold, run by someone else. Holds no key of ours and sees no row.
//!
//! Source: LOG.md section 7. A01 to A14, and A15 (alerts).
//!
//! What a check needs and does not find is skipped, never failed: a log may be absent, or an older
//! copy than those that cite it.
//!
//! **Two histories.** One history is held of each log. An entry that cites another leaf of somebody else's
//! log than stands there is no proof against its author: the log's owner may have shown it another
//! history, and only a head which the owner signed tells a victim from a liar. An honest author holds that
//! head, for it takes no entry without one. Until it is shown, A13 warns and names both; what rests on
//! such a reference cannot be judged. An entry does not name the history that it stands in: the same bytes may
//! stand at the same place in both. So whoever cites one entry of another history and a later one that stands here
//! too has not lied. It has, and fails, if it cites two leaves at one place; if a `head` entry of its own says
//! that it held so many entries as they stand here, and what it cites would be one of them: it holds one history of a
//! log; and if what it cites stands here at another place, for an entry says its place. A reference to an
//! author's own log has no such excuse. What a liar built on nothing counts for nobody.

mod alerts;
mod asking;
mod conduct;
mod founding;
mod history;
pub use history::two_heads;
pub mod opening;
mod repeats;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId};

use crate::cited::references;
use crate::entry::{Body, Ref};
use crate::fold::{Fold, Log};
use crate::log::note::open_checkpoint;
use crate::log::proof::TlogProof;
use crate::member::work::{Item, read_verify_blobs, verification};
use crate::rounds::{Kind, Logged, Plan, Round};

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// Recomputed, and the same.
    Pass,
    /// Could not be recomputed from what was given.
    Skip,
    /// Worth people's attention, and no proof of a wrong.
    Warn,
    /// Recomputed, and not the same.
    Fail,
}

impl Outcome {
    /// As printed.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check of one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Such as `A08`.
    pub code: &'static str,
    /// Such as `ledger`.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found; for a failure, what is wrong.
    pub text: String,
    /// The entry that shows a failure.
    pub entry: Option<u64>,
}

/// All checks of one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReport {
    /// The log.
    pub origin: String,
    /// Its author.
    pub member: MemberId,
    /// Its entries.
    pub entries: u64,
    /// Root of its tree.
    pub root: Digest,
    /// In order of their codes.
    pub checks: Vec<Check>,
    /// Whether every accepted set that it closed with was recomputed, now or, up to where this audit went on
    /// from, earlier.
    pub is_proved: bool,
}

impl LogReport {
    /// Whether nothing failed: what was skipped or warned of changes nothing.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.outcome != Outcome::Fail)
    }
}

/// Gives a blob by its name, if it is there.
pub type BlobSource<'a> = &'a dyn Fn(&Digest) -> Option<Vec<u8>>;

/// Collects what one check finds.
struct Findings {
    code: &'static str,
    name: &'static str,
    good: u64,
    skipped: u64,
    warned: Option<(u64, String)>,
    bad: Option<(Option<u64>, String)>,
}

impl Findings {
    fn new(code: &'static str, name: &'static str) -> Self {
        Self { code, name, good: 0, skipped: 0, warned: None, bad: None }
    }

    fn note(&mut self, entry: Option<u64>, result: Result<(), String>) {
        match result {
            Ok(()) => self.good += 1,
            Err(text) => {
                self.bad.get_or_insert((entry, text));
            }
        }
    }

    /// A claim about an entry that follows from other logs: not right is wrong only if all that the
    /// entry rests on is here.
    fn judge(&mut self, fold: &Fold, round: &Round, logged: &Logged, right: bool, text: impl Fn() -> String) {
        if !right && !rests_on_what_is_here(fold, round, logged) {
            self.skip();
        } else {
            self.note(Some(logged.at.index), if right { Ok(()) } else { Err(text()) });
        }
    }

    fn warn(&mut self, entry: u64, text: String) {
        self.warned.get_or_insert((entry, text));
    }

    fn skip(&mut self) {
        self.skipped += 1;
    }

    fn finish(self, of: &str) -> Check {
        let (outcome, text, entry) = match self.bad {
            Some((entry, text)) => (Outcome::Fail, text, entry),
            None if self.warned.is_some() => {
                let (entry, text) = self.warned.unwrap_or_default();
                (Outcome::Warn, text, Some(entry))
            }
            None if self.good == 0 && self.skipped > 0 => {
                (Outcome::Skip, format!("{} {of} need logs or blobs that are not here", self.skipped), None)
            }
            None if self.skipped > 0 => (
                Outcome::Pass,
                format!("{} {of}; {} more need logs or blobs that are not here", self.good, self.skipped),
                None,
            ),
            None => (Outcome::Pass, format!("{} {of}", self.good), None),
        };
        Check { code: self.code, name: self.name, outcome, text, entry }
    }
}

/// Heads of logs as they were signed, with witnesses' lines where there are any: newest and earlier ones.
pub type Notes = BTreeMap<MemberId, Vec<String>>;

/// Audits every log that holds anything.
pub fn audit(fold: &Fold, blobs: BlobSource<'_>) -> Vec<LogReport> {
    audit_with(fold, blobs, &Notes::new())
}

/// As `audit`, with heads to hold the logs against.
pub fn audit_with(fold: &Fold, blobs: BlobSource<'_>, notes: &Notes) -> Vec<LogReport> {
    fold.logs().filter(|log| log.size() > 0).map(|log| audit_log(fold, log, blobs, notes, 0)).collect()
}

/// Audits one member's log, even an empty one: whoever hands it in says that it is a log.
pub fn audit_one(fold: &Fold, member: &MemberId, blobs: BlobSource<'_>) -> Option<LogReport> {
    audit_one_with(fold, member, blobs, &Notes::new())
}

/// As `audit_one`, with heads to hold the log against.
pub fn audit_one_with(
    fold: &Fold,
    member: &MemberId,
    blobs: BlobSource<'_>,
    notes: &Notes,
) -> Option<LogReport> {
    audit_one_from(fold, member, blobs, notes, 0)
}

/// As `audit_one_with`, for an auditor that had recomputed the range proofs of all rounds that closed within
/// the first `proved` entries of the log, and has seen that they are still the same entries.
pub fn audit_one_from(
    fold: &Fold,
    member: &MemberId,
    blobs: BlobSource<'_>,
    notes: &Notes,
    proved: u64,
) -> Option<LogReport> {
    fold.log(member).map(|log| audit_log(fold, log, blobs, notes, proved))
}

fn audit_log(fold: &Fold, log: &Log, blobs: BlobSource<'_>, notes: &Notes, proved: u64) -> LogReport {
    let (proofs, is_proved) = check_proofs(fold, log, blobs, proved);
    let checks = vec![
        check_signature(log),
        history::check_witnesses(fold, log, notes),
        history::check_history(fold, log, notes),
        check_grammar(log),
        founding::check_charter(fold, log, blobs),
        conduct::check_verdicts(fold, log),
        conduct::check_ledger(fold, log),
        conduct::check_rounds(fold, log),
        check_releases(fold, log),
        proofs,
        history::check_clock(fold, log, notes),
        check_references(fold, log),
        repeats::check_repeats(fold, log),
        alerts::check_alerts(fold, log),
    ];
    LogReport {
        origin: log.origin.clone(),
        member: log.member.clone(),
        entries: log.size(),
        root: log.tree().root(),
        checks,
        is_proved,
    }
}

/// A01 and A03: the charter's log key signed exactly these entries.
fn check_signature(log: &Log) -> Check {
    let mut findings = Findings::new("A01", "signature");
    let Some((size, note)) = log.note() else {
        findings.note(None, Err("no signed head".into()));
        return findings.finish("signed heads");
    };
    let opened = open_checkpoint(note, &log.origin, &log.key()).map_err(|error| error.to_string());
    let fits = opened.and_then(|checkpoint| {
        let whole = checkpoint.size == log.size() && size == log.size();
        let right = log.tree().root_at(checkpoint.size) == Some(checkpoint.root);
        if whole && right { Ok(()) } else { Err("the signed head is not the head of these entries".into()) }
    });
    findings.note(log.size().checked_sub(1), fits);
    findings.finish("signed head over all entries")
}

/// A05: every entry is in its only form, numbered, by its author.
fn check_grammar(log: &Log) -> Check {
    let mut findings = Findings::new("A05", "grammar");
    findings.good = log.size();
    if let Some(entry) = log.malformed() {
        let text = format!("entry {entry} is not canonical, or not its author's own at its place");
        findings.note(Some(entry), Err(text));
    }
    if let Some(entry) = log.stopped() {
        let text = format!("entry {entry} is of a newer program; what follows was not read: audit with that");
        findings.note(Some(entry), Err(text));
    }
    findings.finish("entries")
}

/// Whether an entry is read at all: what follows an unreadable one of its log counts for nothing, and
/// nobody else is to blame for that.
fn counts(fold: &Fold, reference: &Ref) -> bool {
    let log = fold.member_by_origin(&reference.log).and_then(|member| fold.log(member));
    log.and_then(Log::stopped).is_none_or(|stopped| reference.index < stopped)
}

/// Whether everything that an entry rests on is here: what it cites in its round, what that cites,
/// and so on. If not, what does not follow from it may follow from what is absent. Who holds a seat by lot
/// rests on every debit of the Roster, though no entry cites them.
///
/// Nor is what stands here and counts for nothing, because its author said something else before: in the history
/// that the citing member saw it may have been its first word.
fn rests_on_what_is_here(fold: &Fold, round: &Round, logged: &Logged) -> bool {
    let by_ref: BTreeMap<&Ref, (&MemberId, &Logged)> =
        round.everything().map(|(by, logged)| (&logged.at, (by, logged))).collect();
    let (mut seen, mut next) = (BTreeSet::new(), vec![logged]);
    while let Some(logged) = next.pop() {
        for reference in references(&logged.body) {
            if !fold.resolves(reference) || !counts(fold, reference) || round.is_repeat(reference) {
                return false;
            }
            let cited = by_ref.get(reference).filter(|_| seen.insert(reference));
            if cited.is_some_and(|(by, cited)| round.is_taken_back(by, cited)) {
                return false;
            }
            next.extend(cited.map(|(_, cited)| *cited));
        }
    }
    // Of a debit that the entry does not rest on, another may have been shown, and the lot drawn.
    let spoilt = |plan: &Plan| round.spoiling_debits(plan).any(|debit| seen.contains(&debit.at));
    round.plan().is_none_or(|plan| !plan.awaits_lot() || spoilt(plan))
}

/// A10: every release says what was opened: sums and figures recomputed.
fn check_releases(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A10", "releases");
    for round in fold.rounds().values() {
        let Some(logged) = round.said(Kind::Release, &log.member) else { continue };
        let Some(plan) = round.plan() else {
            findings.skip();
            continue;
        };
        let right = round.check_release(plan, logged).is_some();
        let text = || format!("entry {} releases other sums or figures than were opened", logged.at.index);
        findings.judge(fold, round, logged, right, text);
    }
    findings.finish("releases recomputed")
}

/// A11: the accepted set follows from the verifier shares of all seats and the logged public shares. Closes
/// before `proved` were seen to. Also returns whether all of them are.
fn check_proofs(fold: &Fold, log: &Log, blobs: BlobSource<'_>, proved: u64) -> (Check, bool) {
    let mut earlier = 0;
    let mut findings = Findings::new("A11", "proofs");
    for round in fold.rounds().values() {
        let Some(close) = round.said(Kind::Close, &log.member) else { continue };
        if close.at.index < proved {
            earlier += 1;
            continue;
        }
        match accepted_by_proof(round, blobs) {
            None => findings.skip(),
            Some((verifies, accepted)) => {
                let Body::Close { accepted: told, verifies: cited, .. } = &close.body else { continue };
                if accepted == *told && verifies != *cited {
                    // Of other proofs than are here it is not shown.
                    findings.skip();
                    continue;
                }
                let text = || format!("entry {} accepts another set than the proofs do", close.at.index);
                findings.judge(fold, round, close, accepted == *told, text);
            }
        }
    }
    let is_proved = findings.skipped == 0 && findings.bad.is_none();
    let mut check = findings.finish("accepted sets recomputed from range proofs");
    if earlier > 0 {
        check.text += &format!("; {earlier} more were by an earlier audit");
    }
    (check, is_proved)
}

/// The verifies here, and the set that follows from them.
fn accepted_by_proof(round: &Round, blobs: BlobSource<'_>) -> Option<(Vec<Ref>, Vec<Ref>)> {
    let plan = round.plan()?;
    let frozen = round.frozen(plan)?;
    let (verifies, hashes) = round.verified(plan, &frozen)?;
    let bytes: Vec<Arc<[u8]>> =
        hashes.iter().map(|hash| blobs(hash).map(Arc::from)).collect::<Option<_>>()?;
    let runs = read_verify_blobs(&bytes, frozen.members.len());
    let items: Vec<Item> =
        frozen.members.iter().map(|member| round.item(plan, member)).collect::<Option<_>>()?;
    let accepted = items.iter().enumerate().filter(|(i, item)| verification(plan, item, *i, &runs).is_some());
    let accepted = accepted.map(|(_, item)| Some(round.contribution(plan, &item.member)?.at.clone()));
    Some((verifies, accepted.collect::<Option<_>>()?))
}

/// A13: every reference to a log that is here resolves; one into another history of somebody else's log is
/// warned of, unless its author contradicts itself.
fn check_references(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A13", "cross-log");
    let rounds = fold.rounds().values().flat_map(|round| round.everything());
    let own: Vec<&Logged> = rounds.filter(|(by, _)| **by == log.member).map(|(_, logged)| logged).collect();
    let claims = Claims::of(fold, &own);
    for logged in own {
        let entry = logged.at.index;
        for reference in references(&logged.body) {
            let held = fold.member_by_origin(&reference.log).and_then(|member| fold.log(member));
            let Some(held) = held else {
                findings.note(Some(entry), Err(format!("entry {entry} cites a log of no member")));
                continue;
            };
            let is_own = held.member == log.member;
            let (index, origin) = (reference.index, &reference.log);
            if fold.resolves(reference) {
                findings.note(Some(entry), Ok(()));
            } else if is_own {
                // No entry can cite what its own log says later, or never said.
                findings.note(Some(entry), Err(format!("entry {entry} cites what is not in {origin}")));
            } else if fold.split(&held.member).is_some() {
                findings.skip(); // Of the history that is not here.
            } else if claims.contradict(reference)
                || fold.said_heads().agreed_to(&log.member, &held.member) > index
            {
                let text = format!(
                    "entry {entry} cites entry {index} of {origin} as what no history can have there that also \
                     has the rest of what its author says of it"
                );
                findings.note(Some(entry), Err(text));
            } else if held.size() <= index {
                findings.skip(); // Absent, or an older copy.
            } else {
                let text = format!(
                    "entry {entry} cites entry {index} of {origin} as another than stands here: its author made \
                     that up, or that log has two histories; ask its author for its copy of that log, and verify both"
                );
                findings.warn(entry, text);
            }
        }
    }
    findings.finish("references resolve")
}

/// What one member cites of each log: a member holds one history of a log, so all of it lies on one.
struct Claims<'a> {
    leaves: BTreeMap<(&'a str, u64), BTreeSet<&'a Digest>>,
    /// Of what does not stand where it is cited, what stands here where it says that it does.
    elsewhere: BTreeSet<(&'a str, &'a Digest)>,
}

impl<'a> Claims<'a> {
    fn of(fold: &'a Fold, own: &[&'a Logged]) -> Self {
        let mut leaves: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut absent = BTreeSet::new();
        for reference in own.iter().flat_map(|logged| references(&logged.body)) {
            leaves.entry((&*reference.log, reference.index)).or_default().insert(&reference.leaf);
            if !fold.resolves(reference) {
                absent.insert((&*reference.log, &reference.leaf));
            }
        }
        let entries = fold.rounds().values().filter(|_| !absent.is_empty()).flat_map(|round| {
            let repeats = round.repeats().iter().map(|(_, logged)| &logged.at);
            let query = round.asked().map(|asked| &asked.at);
            round.everything().map(|(_, logged)| &logged.at).chain(repeats).chain(query)
        });
        let named = entries.map(|at| (&*at.log, &at.leaf));
        let elsewhere = named.filter(|entry| absent.contains(entry)).collect();
        Self { leaves, elsewhere }
    }

    /// Whether what does not stand here cannot lie on one history with all else that is cited.
    fn contradict(&self, reference: &Ref) -> bool {
        let log = &*reference.log;
        self.leaves.get(&(log, reference.index)).is_some_and(|leaves| leaves.len() > 1)
            || self.elsewhere.contains(&(log, &reference.leaf))
    }
}

/// A C2SP tlog-proof of an entry: what a third party checks without us. `None` when the log has no
/// signed head that covers it.
pub fn entry_proof(log: &Log, index: u64) -> Option<String> {
    let (size, note) = log.note()?;
    let hashes = log.tree().inclusion_proof(index, size)?;
    Some(TlogProof { index, hashes, note: note.to_owned() }.text())
}

/// Blobs that an audit, or a reader of an export, needs of a log: verifier shares, and the texts of what its
/// member did beside rounds.
/// Never sealed shares: recorded shares age badly.
pub fn public_blobs(fold: &Fold, member: &MemberId) -> BTreeMap<Digest, &'static str> {
    let mut blobs = BTreeMap::new();
    for round in fold.rounds().values() {
        if let Some(Logged { body: Body::Verify { blob, .. }, .. }) = round.said(Kind::Verify, member) {
            blobs.insert(*blob, "verifier shares");
        }
    }
    let own = fold.acts().all().filter(|done| done.by == *member);
    blobs.extend(own.filter_map(|done| Some((done.act.text()?, "text"))));
    blobs
}
