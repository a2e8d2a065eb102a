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
mod predecessor;
pub use predecessor::check_predecessor;
mod references;
mod repeats;
mod sweep;
pub use sweep::audit_twice;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::ledger::Ledger;
use datacoop_policy::{Digest, MemberId};

use crate::acts::{Act, Done, check_handover, released};
use crate::cited::references;
use crate::entry::{Body, Ref};
use crate::fold::{Fold, Log};
use crate::log::note::open_checkpoint;
use crate::log::proof::TlogProof;
use crate::member::work::{Item, read_verify_blobs, verification};
use crate::rounds::{Asked, Kind, Logged, Plan, Round};

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
    /// Its Ledger, as its debits and voids add up.
    pub ledger: Ledger,
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
    fold.log(member).map(|log| audit_one_from(fold, log, blobs, notes, 0))
}

/// As `audit_one_with`, of one log of a member, for an auditor that had recomputed the range proofs of all rounds that
/// closed within the first `proved` entries of it, and has seen that they are still the same entries.
pub fn audit_one_from(
    fold: &Fold,
    log: &Log,
    blobs: BlobSource<'_>,
    notes: &Notes,
    proved: u64,
) -> LogReport {
    audit_log(fold, log, blobs, notes, proved)
}

fn audit_log(fold: &Fold, log: &Log, blobs: BlobSource<'_>, notes: &Notes, proved: u64) -> LogReport {
    let logs = fold.logs_of(&log.member);
    // One that never began, or is not here, has none of what follows it.
    let before =
        logs.iter().take_while(|before| before.origin != log.origin).filter(|before| before.size() > 0);
    let mut checks: Option<LogChecks> = None;
    for log in before.chain([log]) {
        let mut next = LogChecks::new(log, proved);
        if let Some(before) = &checks {
            next.go_on_from(before, log);
        }
        take_all(&mut next, fold, log, blobs);
        checks = Some(next);
    }
    checks.expect("INVARIANT: at least of this log").finish(fold, log, blobs, notes)
}

fn take_all(checks: &mut LogChecks, fold: &Fold, log: &Log, blobs: BlobSource<'_>) {
    let mut all: Vec<(u64, &Arc<Round>, Step<'_>)> = vec![];
    for round in fold.rounds().values() {
        all.extend(steps(round, log).map(|(index, step)| (index, round, step)));
    }
    all.sort_by_key(|(index, ..)| *index);
    for (_, round, step) in &all {
        checks.take(fold, log, blobs, round, step);
    }
    if checks.references.asks_again() {
        all.iter().for_each(|(.., step)| checks.references.look_again(fold, step));
    }
}

/// What a member said in a round: an entry of its own log.
enum Step<'a> {
    /// It asked.
    Asked(&'a Asked),
    /// Its first of a kind.
    Said(Kind, &'a Logged),
    /// A kind that it had said before.
    Repeat(&'a Logged),
    /// What it saw that should not be.
    Alert(&'a Logged),
}

/// A member's steps in a round that stand in this log, each with the entry that it is.
fn steps<'a>(round: &'a Round, log: &'a Log) -> impl Iterator<Item = (u64, Step<'a>)> {
    let (by, is_here) = (&log.member, move |at: &Ref| *at.log == *log.origin);
    let asked = round.asked().filter(move |asked| asked.asker == *by && is_here(&asked.at));
    let asked = asked.map(|asked| (asked.at.index, Step::Asked(asked)));
    let said = round.firsts().filter(move |(_, author, logged)| *author == by && is_here(&logged.at));
    let said = said.map(|(kind, _, logged)| (logged.at.index, Step::Said(kind, logged)));
    let repeats = round.repeats().iter().filter(move |(author, logged)| author == by && is_here(&logged.at));
    let repeats = repeats.map(|(_, logged)| (logged.at.index, Step::Repeat(logged)));
    let alerts = round.alerts().iter().filter(move |(author, logged)| author == by && is_here(&logged.at));
    let alerts = alerts.map(|(_, logged)| (logged.at.index, Step::Alert(logged)));
    asked.into_iter().chain(said).chain(repeats).chain(alerts)
}

/// The checks of one log that go by rounds, as they come to their steps: in the order of its entries, each with
/// its whole round.
struct LogChecks {
    proved: u64,
    conduct: conduct::Conduct,
    rounds: Findings,
    releases: Findings,
    proofs: Findings,
    /// Closes whose proofs an earlier audit recomputed.
    proved_earlier: u64,
    references: references::References,
    repeats: repeats::Repeats,
    alerts: Findings,
}

impl LogChecks {
    /// `proved`: closes before it were seen to.
    fn new(log: &Log, proved: u64) -> Self {
        Self {
            proved,
            conduct: conduct::Conduct::new(log),
            rounds: Findings::new("A09", "rounds"),
            releases: Findings::new("A10", "releases"),
            proofs: Findings::new("A11", "proofs"),
            proved_earlier: 0,
            references: references::References::new(&log.member),
            repeats: repeats::Repeats::new(),
            alerts: alerts::begin(),
        }
    }

    /// The log goes on from another of its author's, of which these are the checks: the Ledger and what repeats go on.
    fn go_on_from(&mut self, before: &Self, log: &Log) {
        self.conduct.go_on_from(&before.conduct, log);
        self.repeats.go_on_from(&before.repeats);
    }

    fn take(&mut self, fold: &Fold, log: &Log, blobs: BlobSource<'_>, round: &Arc<Round>, step: &Step<'_>) {
        self.conduct.take(fold, log, round, step);
        conduct::check_round(&mut self.rounds, fold, log, round, step);
        match step {
            Step::Said(Kind::Release, release) => check_release(&mut self.releases, fold, round, release),
            Step::Said(Kind::Close, close) if close.at.index < self.proved => self.proved_earlier += 1,
            Step::Said(Kind::Close, close) => check_proof(&mut self.proofs, fold, blobs, round, close),
            Step::Said(..) | Step::Asked(_) | Step::Repeat(_) | Step::Alert(_) => {}
        }
        self.references.take(fold, step);
        self.repeats.take(fold, &log.member, round, step);
        alerts::check_step(&mut self.alerts, fold, log, round, step);
    }

    fn finish(mut self, fold: &Fold, log: &Log, blobs: BlobSource<'_>, notes: &Notes) -> LogReport {
        check_handovers(&mut self.releases, fold, log);
        // A11: whether all of them are.
        let is_proved = self.proofs.skipped == 0 && self.proofs.bad.is_none();
        let mut proofs = self.proofs.finish("accepted sets recomputed from range proofs");
        if self.proved_earlier > 0 {
            proofs.text += &format!("; {} more were by an earlier audit", self.proved_earlier);
        }
        let (verdicts, books, ledger) = self.conduct.finish(fold, log, notes);
        let checks = vec![
            check_signature(log),
            history::check_witnesses(fold, log, notes),
            history::check_history(fold, log, notes),
            check_grammar(log),
            founding::check_charter(fold, log, blobs),
            verdicts,
            books,
            self.rounds.finish("debits and opens of rounds taken part in"),
            self.releases.finish("releases recomputed"),
            proofs,
            history::check_clock(fold, log, notes),
            self.references.finish(fold),
            self.repeats.finish(),
            alerts::finish(self.alerts, fold, log),
        ];
        LogReport {
            origin: log.origin.clone(),
            member: log.member.clone(),
            entries: log.size(),
            root: log.tree().root(),
            checks,
            ledger,
            is_proved,
        }
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
    let log = fold.log_named(&reference.log);
    let ends = log.and_then(|log| log.stopped().into_iter().chain(log.ends()).min());
    ends.is_none_or(|ends| reference.index < ends)
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
fn check_release(findings: &mut Findings, fold: &Fold, round: &Round, release: &Logged) {
    let Some(plan) = round.plan() else { return findings.skip() };
    let right = round.check_release(plan, release).is_some();
    let text = || format!("entry {} releases other sums or figures than were opened", release.at.index);
    findings.judge(fold, round, release, right, text);
}

/// A10, of what was handed to somebody outside: it is a Release, under its purpose's licence.
fn check_handovers(findings: &mut Findings, fold: &Fold, log: &Log) {
    let here = |done: &&Done| done.by == log.member && *done.at.log == *log.origin;
    let mut known = None;
    for done in fold.acts().all().filter(here) {
        let Act::Handover { release, licence, .. } = &done.act else { continue };
        let round = known.get_or_insert_with(|| released(fold)).get(release);
        let at = done.at.index;
        match round.and_then(|round| check_handover(fold, round, licence)) {
            Some(result) => {
                findings.note(
                    Some(at),
                    result.map_err(|why| format!("entry {at} hands a release on, and {why}")),
                );
            }
            // An entry of a round that is none here may be its second Release; one of no round is none.
            None => match fold.log_named(&release.log).filter(|_| fold.resolves(release)) {
                Some(cited) if !fold.is_in_round(cited, release.index) => {
                    findings.note(Some(at), Err(format!("entry {at} hands on what is no release")));
                }
                Some(_) | None => findings.skip(),
            },
        }
    }
}

/// A11: the accepted set follows from the verifier shares of all seats and the logged public shares.
fn check_proof(findings: &mut Findings, fold: &Fold, blobs: BlobSource<'_>, round: &Round, close: &Logged) {
    let Some((verifies, accepted)) = accepted_by_proof(round, blobs) else { return findings.skip() };
    let Body::Close { accepted: told, verifies: cited, .. } = &close.body else { return };
    if accepted == *told && verifies != *cited {
        // Of other proofs than are here it is not shown.
        return findings.skip();
    }
    let text = || format!("entry {} accepts another set than the proofs do", close.at.index);
    findings.judge(fold, round, close, accepted == *told, text);
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
