//! An audit: the same fold, run by someone else. Holds no key of ours and sees no row.
//!
//! Source: LOG.md section 7. Built so far: A01, A03, A05 to A11, A13. Not yet: witnesses (A02), earlier
//! checkpoints (A04), clocks against cosignatures (A12), repeats over years (A14).

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId};

use crate::entry::{Body, Ref};
use crate::fold::{Fold, Log};
use crate::log::note::open_checkpoint;
use crate::member::work::{Item, read_verify_blobs, verification};
use crate::rounds::{Ending, Kind, Logged, Plan, Round};
use crate::standing::Standing;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// Recomputed, and the same.
    Pass,
    /// Could not be recomputed from what was given.
    Skip,
    /// Recomputed, and not the same.
    Fail,
}

impl Outcome {
    /// As printed.
    pub fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
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
}

impl LogReport {
    /// The worst outcome: a skipped check changes nothing.
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
    bad: Option<(Option<u64>, String)>,
}

impl Findings {
    fn new(code: &'static str, name: &'static str) -> Self {
        Self { code, name, good: 0, skipped: 0, bad: None }
    }

    fn note(&mut self, entry: Option<u64>, result: Result<(), String>) {
        match result {
            Ok(()) => self.good += 1,
            Err(text) => {
                self.bad.get_or_insert((entry, text));
            }
        }
    }

    fn skip(&mut self) {
        self.skipped += 1;
    }

    fn finish(self, of: &str) -> Check {
        let (outcome, text, entry) = match self.bad {
            Some((entry, text)) => (Outcome::Fail, text, entry),
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

/// Audits every log that holds anything.
pub fn audit(fold: &Fold, blobs: BlobSource<'_>) -> Vec<LogReport> {
    fold.logs().filter(|log| log.size() > 0).map(|log| audit_log(fold, log, blobs)).collect()
}

fn audit_log(fold: &Fold, log: &Log, blobs: BlobSource<'_>) -> LogReport {
    let checks = vec![
        check_signature(log),
        check_grammar(log),
        check_charter(fold, log),
        check_verdicts(fold, log),
        check_ledger(fold, log),
        check_rounds(fold, log),
        check_releases(fold, log),
        check_proofs(fold, log, blobs),
        check_references(fold, log),
    ];
    LogReport {
        origin: log.origin.clone(),
        member: log.member.clone(),
        entries: log.size(),
        root: log.tree().root(),
        checks,
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
    if let Some(entry) = log.stopped() {
        findings
            .note(Some(entry), Err(format!("entry {entry} cannot be read; what follows counts for nothing")));
    }
    findings.finish("entries")
}

/// A06: the log was begun under this charter and puts it in force.
fn check_charter(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A06", "charter");
    for (index, bytes) in log.entries().iter().enumerate().take(2) {
        let result = match crate::entry::Entry::parse(bytes).map(|entry| entry.body) {
            Ok(Body::Genesis { origin, charter, .. }) if index == 0 => {
                let right = origin == log.origin && charter == fold.charter().id();
                if right { Ok(()) } else { Err("the log was begun under another charter or name".into()) }
            }
            Ok(Body::Charter { hash, .. }) if index == 1 => {
                if hash == fold.charter().hash() {
                    Ok(())
                } else {
                    Err("another charter was put in force".into())
                }
            }
            _ => Err("a log begins with genesis and charter".to_owned()),
        };
        findings.note(Some(index as u64), result);
    }
    findings.finish("charter entries; all founders signed it")
}

/// What a member wrote in rounds, in the order it wrote it.
fn written<'a>(fold: &'a Fold, member: &'a MemberId) -> Vec<(&'a Arc<Round>, &'a Logged)> {
    let kinds = [Kind::Verdict, Kind::Roster, Kind::Debit, Kind::Contribution, Kind::Void];
    let mut entries: Vec<_> = fold
        .rounds()
        .values()
        .flat_map(|round| {
            let firsts = kinds.into_iter().filter_map(|kind| round.said(kind, member));
            let repeats =
                round.repeats().iter().filter(move |(by, _)| by == member).map(|(_, logged)| logged);
            firsts.chain(repeats).map(move |logged| (round, logged))
        })
        .collect();
    entries.sort_by_key(|(_, logged)| logged.at.index);
    entries
}

/// A07: every acceptance and every debit was allowed by floor and charter when it was written.
/// Refusals are counted only: a veto needs no reason.
#[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
fn check_verdicts(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A07", "verdicts");
    let mut standing = Standing::default();
    for (round, logged) in written(fold, &log.member) {
        let roster = match &logged.body {
            Body::Accept { .. } => Some(None),
            Body::Debit { .. } => Some(round.plan().map(|plan| plan.members.as_slice())),
            _ => None,
        };
        match (roster, round.query()) {
            (None, _) => {}
            (Some(_), None) => findings.skip(),
            (Some(roster), Some(query)) => {
                let judged = standing.judge(fold, &log.member, query, roster, None, true, false, logged.time);
                let text = |refusal| format!("entry {} should have been refused: {refusal}", logged.at.index);
                findings.note(Some(logged.at.index), judged.map_err(text));
            }
        }
        let _bookkeeping_is_a08 = standing.apply(fold, logged);
    }
    findings.finish("acceptances and debits replayed")
}

/// A08: the Ledger from entry 0: every debit continues from the last, every void is of an unused one.
fn check_ledger(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A08", "ledger");
    let mut standing = Standing::default();
    for (round, logged) in written(fold, &log.member) {
        let booked = matches!(logged.body, Body::Debit { .. } | Body::Void { .. });
        if booked && round.query().is_none() {
            findings.skip();
            continue;
        }
        let result = standing.apply(fold, logged);
        if booked || result.is_err() {
            let text = |what| format!("entry {}: {what}", logged.at.index);
            findings.note(Some(logged.at.index), result.map_err(text));
        }
    }
    findings.finish("debits and voids add up")
}

/// A09: a member said each thing once, contributed or voided what it debited, and opened what it
/// had committed to.
fn check_rounds(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A09", "rounds");
    for round in fold.rounds().values() {
        for (_, repeat) in round.repeats().iter().filter(|(by, _)| *by == log.member) {
            let text = format!("entry {} says again what its author had said in this round", repeat.at.index);
            findings.note(Some(repeat.at.index), Err(text));
        }
        let Some(debit) = round.said(Kind::Debit, &log.member) else { continue };
        let Some(plan) = round.plan() else {
            findings.skip();
            continue;
        };
        findings.note(Some(debit.at.index), check_part(round, plan, log, debit));
    }
    findings.finish("rounds taken part in")
}

fn check_part(round: &Round, plan: &Plan, log: &Log, debit: &Logged) -> Result<(), String> {
    let member = &log.member;
    if round.debit(plan, member).is_none() {
        return Err(format!("entry {} debits another roster, loss or nonce", debit.at.index));
    }
    let settled = round.said(Kind::Contribution, member).or(round.said(Kind::Void, member));
    if settled.is_none() && matches!(round.ending(), Some(Ending::Released(_))) {
        return Err(format!("the debit at entry {} was neither used nor voided", debit.at.index));
    }
    if let Some(open) = round.said(Kind::Open, member) {
        if round.said(Kind::Abort, member).is_some() {
            return Err(format!("entry {} opens what its author also aborted", open.at.index));
        }
        let seat_or_reveal = plan.query.mode == Mode::FullNoise || plan.seat(member).is_some();
        if !seat_or_reveal {
            return Err(format!("entry {} opens without a committee seat", open.at.index));
        }
    }
    Ok(())
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
        let Body::Release { opens, .. } = &logged.body else { continue };
        if !opens.iter().all(|open| fold.resolves(open)) {
            findings.skip();
            continue;
        }
        let right = round.check_release(plan, logged).map(|_| ());
        let text = || format!("entry {} releases other sums or figures than were opened", logged.at.index);
        findings.note(Some(logged.at.index), right.ok_or_else(text));
    }
    findings.finish("releases recomputed")
}

/// A11: the accepted set follows from the verifier shares of all seats and the logged public shares.
fn check_proofs(fold: &Fold, log: &Log, blobs: BlobSource<'_>) -> Check {
    let mut findings = Findings::new("A11", "proofs");
    for round in fold.rounds().values() {
        let Some(close) = round.said(Kind::Close, &log.member) else { continue };
        match accepted_by_proof(round, blobs) {
            None => findings.skip(),
            Some(accepted) => {
                let Body::Close { accepted: told, .. } = &close.body else { continue };
                let text = || format!("entry {} accepts another set than the proofs do", close.at.index);
                findings.note(Some(close.at.index), if accepted == *told { Ok(()) } else { Err(text()) });
            }
        }
    }
    findings.finish("accepted sets recomputed from range proofs")
}

fn accepted_by_proof(round: &Round, blobs: BlobSource<'_>) -> Option<Vec<Ref>> {
    let plan = round.plan()?;
    let frozen = round.frozen(plan)?;
    let (_, hashes) = round.verified(plan, &frozen)?;
    let bytes: Vec<Arc<[u8]>> =
        hashes.iter().map(|hash| blobs(hash).map(Arc::from)).collect::<Option<_>>()?;
    let runs = read_verify_blobs(&bytes, frozen.members.len());
    let items: Vec<Item> =
        frozen.members.iter().map(|member| round.item(plan, member)).collect::<Option<_>>()?;
    let accepted = items.iter().enumerate().filter(|(i, item)| verification(plan, item, *i, &runs).is_some());
    accepted.map(|(_, item)| Some(round.contribution(plan, &item.member)?.at.clone())).collect()
}

/// A13: every reference to a log that is here resolves.
fn check_references(fold: &Fold, log: &Log) -> Check {
    let mut findings = Findings::new("A13", "cross-log");
    for round in fold.rounds().values() {
        let own = round.everything().filter(|(by, _)| **by == log.member);
        for (_, logged) in own {
            for reference in references(&logged.body) {
                let held = fold.member_by_origin(&reference.log).and_then(|member| fold.log(member));
                match held {
                    None => findings.note(
                        Some(logged.at.index),
                        Err(format!("entry {} cites a log of no member", logged.at.index)),
                    ),
                    Some(held) if held.size() == 0 => findings.skip(),
                    Some(_) => {
                        let text =
                            || format!("entry {} cites what is not in {}", logged.at.index, reference.log);
                        findings.note(
                            Some(logged.at.index),
                            if fold.resolves(reference) { Ok(()) } else { Err(text()) },
                        );
                    }
                }
            }
        }
    }
    findings.finish("references resolve")
}

fn references(body: &Body) -> Vec<&Ref> {
    match body {
        Body::Genesis { .. }
        | Body::Charter { .. }
        | Body::Query(_)
        | Body::Accept { .. }
        | Body::Refuse { .. }
        | Body::Abort { .. } => vec![],
        Body::Roster { verdicts, .. } => verdicts.iter().collect(),
        Body::Debit { roster, .. } => vec![roster],
        Body::Contribution { debit, .. } | Body::Commit { debit, .. } | Body::Void { debit, .. } => {
            vec![debit]
        }
        Body::Freeze { roster, contributions, .. } => std::iter::once(roster).chain(contributions).collect(),
        Body::Verify { freezes, .. } => freezes.iter().collect(),
        Body::Close { verifies, accepted, .. } => verifies.iter().chain(accepted).collect(),
        Body::Open { closes, .. } => closes.iter().collect(),
        Body::Reveal { freeze, .. } => vec![freeze],
        Body::Release { opens, .. } => opens.iter().collect(),
        Body::Alert { subject, .. } => vec![subject],
    }
}

/// A C2SP tlog-proof of an entry: what a third party checks without us. `None` when the log has no
/// signed head that covers it.
pub fn entry_proof(log: &Log, index: u64) -> Option<String> {
    use base64::Engine as _;
    let (size, note) = log.note()?;
    let proof = log.tree().inclusion_proof(index, size)?;
    let hashes = proof.iter().map(|hash| base64::engine::general_purpose::STANDARD.encode(hash.0) + "\n");
    Some(format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n{note}", hashes.collect::<String>()))
}

/// Blobs that an audit, or a reader of an export, needs of a log: verifier shares and charter notes.
/// Never sealed shares: recorded shares age badly.
pub fn public_blobs(fold: &Fold, member: &MemberId) -> BTreeMap<Digest, &'static str> {
    let mut blobs = BTreeMap::new();
    for round in fold.rounds().values() {
        if let Some(Logged { body: Body::Verify { blob, .. }, .. }) = round.said(Kind::Verify, member) {
            blobs.insert(*blob, "verifier shares");
        }
    }
    blobs
}
