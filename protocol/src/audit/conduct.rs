//! A07, A08, A09: what a member did in rounds, replayed from its own log. Must not know blobs.

use std::sync::Arc;

use datacoop_policy::ledger::{Account, Ledger};
use datacoop_policy::limits::Limits;
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::{MemberId, PrivacyLoss};

use super::{Check, Findings, Notes, Step};
use crate::entry::{Body, Previous};
use crate::fold::{Adopted, Fold, Log};
use crate::log::tree::sha256;
use crate::rounds::{Kind, Logged, Plan, Round, commitment};
use crate::standing::{Judged, Standing};

/// A07 and A08, which go by one Standing.
pub(super) struct Conduct {
    standing: Standing,
    verdicts: Findings,
    ledger: Findings,
    /// What had been spent by the end of the log that this one goes on from.
    spent_before: Option<Ledger>,
}

impl Conduct {
    pub(super) fn new(log: &Log) -> Self {
        let mut standing = Standing::for_audit();
        if let Some(previous) = log.previous() {
            standing.carry(&previous.ledger);
        }
        Self {
            standing,
            spent_before: None,
            verdicts: Findings::new("A07", "verdicts"),
            ledger: Findings::new("A08", "ledger"),
        }
    }

    /// The log goes on from one of which that is told: nothing that its author did there is forgotten.
    pub(super) fn go_on_from(&mut self, before: &Self, log: &Log) {
        self.spent_before = Some(before.standing.ledger().clone());
        self.standing = before.standing.clone();
        if let Some(previous) = log.previous() {
            self.standing.carry(&previous.ledger);
        }
    }

    /// A07: every Query is of a member that may ask (F14), and every acceptance and every debit was allowed by
    /// floor and charter when it was written. Refusals are counted only: a veto needs no reason.
    ///
    /// A08: the Ledger from entry 0: every debit continues from the last and stays within the year's limit, every
    /// void is of an unused one.
    pub(super) fn take(&mut self, fold: &Fold, log: &Log, round: &Arc<Round>, step: &Step<'_>) {
        let logged = match step {
            Step::Asked(asked) => {
                return super::asking::check_asking(&mut self.verdicts, fold, log, asked);
            }
            Step::Said(Kind::Close | Kind::Release, logged) => {
                return self.standing.add_up(round, &log.member, logged);
            }
            Step::Said(
                Kind::Verdict | Kind::Roster | Kind::Debit | Kind::Contribution | Kind::Void,
                logged,
            )
            | Step::Repeat(logged) => logged,
            Step::Said(Kind::Freeze | Kind::Verify | Kind::Open | Kind::Abort, _) | Step::Alert(_) => return,
        };
        self.check_verdict(fold, log, round, logged);
        let adds_up = check_sum(fold, &log.member, &self.standing, logged);
        // Always: a debit that is left out makes the next one wrong.
        let applied = self.standing.apply(fold, logged);
        self.check_books(log, round, logged, adds_up, applied);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "it picks a few kinds out of many")]
    fn check_verdict(&mut self, fold: &Fold, log: &Log, round: &Arc<Round>, logged: &Logged) {
        let findings = &mut self.verdicts;
        match &logged.body {
            Body::Accept { .. } => judge_again(findings, &self.standing, fold, log, round, logged, None),
            Body::Debit { roster, .. } => match round.plan() {
                // Of another history of the asker's log: what it was judged with is not here.
                Some(_) if !fold.resolves(roster) || round.is_repeat(roster) => findings.skip(),
                Some(plan) => {
                    judge_again(findings, &self.standing, fold, log, round, logged, Some(&plan.members));
                }
                None => {
                    let text = || format!("entry {} debits for a roster that is not lawful", logged.at.index);
                    // Without the Query itself, and the rules that it names, nothing can be said of its Roster.
                    if round.query().is_some_and(|query| fold.charter_named(&query.charter).is_some()) {
                        findings.judge(fold, round, logged, false, text);
                    } else {
                        findings.skip();
                    }
                }
            },
            _ => {}
        }
    }

    fn check_books(
        &mut self,
        log: &Log,
        round: &Round,
        logged: &Logged,
        adds_up: Result<(), String>,
        applied: Result<(), &'static str>,
    ) {
        let books = matches!(logged.body, Body::Debit { .. } | Body::Void { .. });
        let without_debit = round.said(Kind::Debit, &log.member).is_none();
        let result = match (adds_up, applied) {
            (Err(what), _) => Err(what),
            // What the debit was for is not known here; that it adds up is.
            (Ok(()), Err(_)) if round.query().is_none() && !without_debit => return self.ledger.skip(),
            (Ok(()), Err(what)) => Err(what.to_owned()),
            (Ok(()), Ok(())) if books => Ok(()),
            (Ok(()), Ok(())) => return,
        };
        let at = logged.at.index;
        self.ledger.note(Some(at), result.map_err(|what| format!("entry {at}: {what}")));
    }

    pub(super) fn finish(mut self, fold: &Fold, log: &Log, notes: &Notes) -> (Check, Check, Ledger) {
        if let Some(previous) = log.previous() {
            match &self.spent_before {
                Some(spent) => {
                    // What it began with comes before what follows from that.
                    let mut first = Findings::new("A08", "ledger");
                    check_carried(&mut first, fold, log, (previous, spent), notes);
                    let later = std::mem::replace(&mut self.ledger, first);
                    self.ledger.good += later.good;
                    self.ledger.skipped += later.skipped;
                    self.ledger.warned = self.ledger.warned.take().or(later.warned);
                    self.ledger.bad = self.ledger.bad.take().or(later.bad);
                }
                None => self.ledger.skip(),
            }
        }
        let ledger = self.standing.ledger().clone();
        let verdicts = self.verdicts.finish("queries, acceptances and debits replayed");
        (verdicts, self.ledger.finish("debits and voids add up"), ledger)
    }
}

fn judge_again(
    findings: &mut Findings,
    standing: &Standing,
    fold: &Fold,
    log: &Log,
    round: &Round,
    logged: &Logged,
    roster: Option<&[MemberId]>,
) {
    let Some(query) = round.query() else { return findings.skip() };
    if fold.condemns(&query.charter) {
        // Asked under one of two rivals, before anybody knew of the other.
        return findings.skip();
    }
    if fold.charter_gone_by(&log.member, logged.time, logged.at.order()).is_none() {
        return match by_another(fold, log, query, logged) {
            Some(text) => findings.note(Some(logged.at.index), Err(text)),
            None => findings.skip(),
        };
    }
    let judged = standing.judge(
        fold,
        &log.member,
        query,
        roster,
        None,
        true,
        Judged::Entry(logged.at.order()),
        logged.time,
    );
    let text = |refusal| format!("entry {} should have been refused: {refusal}", logged.at.index);
    findings.note(Some(logged.at.index), judged.map_err(text));
}

/// What is wrong with an answer to a Query of a version that is here, by a member whose log says that it went by
/// a later one that is not: whatever that one says, it is another than the Query's. `None` where the log shows that
/// there may have been rivals, of which it then followed another.
fn by_another(fold: &Fold, log: &Log, query: &Query, logged: &Logged) -> Option<String> {
    fold.charter_named(&query.charter)?;
    let is_there = |said: &&Adopted| fold.charter_named(&said.hash).is_some() || fold.condemns(&said.hash);
    let in_force = |said: &&Adopted| said.index < logged.at.index && said.from <= logged.time;
    let gone_by = log.adopted().iter().rev().filter(in_force).find(|said| !is_there(said))?;
    let beyond = gone_by.version > fold.charter().version();
    let again =
        log.adopted().iter().any(|said| said.index > gone_by.index && said.version <= gone_by.version);
    (beyond && !again).then(|| {
        format!(
            "entry {} should have been refused: its author goes by version {} of the charter, and the Query names \
             another",
            logged.at.index, gone_by.version
        )
    })
}

/// A08: what a log carries over is no less than its author had spent by the head that it cites. What the last log says
/// beyond that head counts for nothing, unless its witnesses cosigned it: then its author hid it. Whoever stole
/// the old key may go on writing with it, and convicts nobody by that.
fn check_carried(
    findings: &mut Findings,
    fold: &Fold,
    log: &Log,
    (previous, spent): (&Previous, &Ledger),
    notes: &Notes,
) {
    let last = fold.log_named(&previous.head.origin).filter(|last| last.member == log.member);
    let Some(last) = last.filter(|last| last.size() >= previous.head.size) else { return findings.skip() };
    let short = |spent: &Ledger| previous.ledger.falls_short(&fold.owed(spent));
    let text = |(account, carried, spent): (Account, PrivacyLoss, PrivacyLoss)| {
        let (account, origin) = (format!("{}/{}", account.dataset, account.year.0), &last.origin);
        format!(
            "entry 0 carries {} of {account} over, and {origin} had spent {}",
            carried.nano(),
            spent.nano()
        )
    };
    findings.note(Some(0), short(spent).map_or(Ok(()), |short| Err(text(short))));
    let vouched = super::history::witnessed_size(fold, last, notes);
    let mut shown = spent.clone();
    for (_, debit) in last.beyond().iter().filter(|(index, _)| *index < vouched) {
        shown.book(debit);
    }
    if let Some(short) = short(&shown) {
        findings.note(Some(0), Err(format!("{}, as its witnesses saw", text(short))));
    } else if vouched > previous.head.size && fold.split_of(&last.origin).is_none() {
        let (size, origin) = (previous.head.size, &last.origin);
        let text = format!(
            "entry 0 goes on from {size} entries of {origin}, of which its witnesses cosigned {vouched}"
        );
        findings.note(Some(0), Err(text));
    } else if last.size() > previous.head.size && fold.split_of(&last.origin).is_none() {
        let (more, origin) = (last.size() - previous.head.size, &last.origin);
        findings.warn(
            0,
            format!(
                "{origin} goes on for {more} entries after the head that entry 0 cites: they count for nothing; if \
                 its author did not write them, whoever did has its old keys"
            ),
        );
    }
}

/// What a debit says of itself: it needs no other log.
fn check_sum(fold: &Fold, member: &MemberId, standing: &Standing, logged: &Logged) -> Result<(), String> {
    let Body::Debit { debit, .. } = &logged.body else { return Ok(()) };
    if standing.ledger().plan(debit.account.clone(), debit.loss) != *debit {
        return Err("a debit that does not add up".into());
    }
    let floor = Limits::floor().rho_year;
    let charter = fold.charter_gone_by(member, logged.time, logged.at.order());
    let limit = charter.map_or(floor, |charter| floor.min(charter.fields().limits.rho_year));
    if debit.after > limit {
        let account = format!("{}/{}", debit.account.dataset, debit.account.year);
        return Err(format!("{account} after {} limit {}", debit.after.nano(), limit.nano()));
    }
    Ok(())
}

/// A09: a member said each thing once, contributed or voided what it debited, and opened only what it
/// had committed to, after all had closed.
pub(super) fn check_round(findings: &mut Findings, fold: &Fold, log: &Log, round: &Round, step: &Step<'_>) {
    let member = &log.member;
    let (kind, logged) = match step {
        Step::Said(kind, logged) if PART.contains(kind) => (*kind, *logged),
        Step::Repeat(repeat) => {
            let at = repeat.at.index;
            let text = format!("entry {at} says again what its author had said in this round");
            return findings.note(Some(at), Err(text));
        }
        Step::Said(..) | Step::Asked(_) | Step::Alert(_) => return,
    };
    let Some(plan) = round.plan() else {
        // Once for a round.
        let firsts = PART.into_iter().filter_map(|kind| round.said(kind, member));
        if firsts.map(|first| first.at.order()).min() == Some(logged.at.order()) {
            findings.skip();
        }
        return;
    };
    match kind {
        Kind::Debit if is_for_another_history(fold, round, member, logged) => findings.skip(),
        Kind::Debit => findings.note(Some(logged.at.index), check_debit(round, plan, log, logged)),
        Kind::Freeze => findings.note(Some(logged.at.index), check_key_part(plan, member, logged)),
        Kind::Open => check_open(findings, fold, round, plan, log, logged),
        Kind::Verdict
        | Kind::Roster
        | Kind::Contribution
        | Kind::Verify
        | Kind::Close
        | Kind::Release
        | Kind::Abort
        | Kind::Void => {}
    }
}

/// What only those say who take part.
const PART: [Kind; 5] = [Kind::Debit, Kind::Freeze, Kind::Verify, Kind::Close, Kind::Open];

/// Whether a debit cites a Roster that in another history than the one here was its asker's first, and is otherwise what its author
/// promised. Its loss and account are A08's.
fn is_for_another_history(fold: &Fold, round: &Round, member: &MemberId, debit: &Logged) -> bool {
    let Body::Debit { roster, nonce, .. } = &debit.body else { return false };
    let promised = round.said(Kind::Verdict, member).map(|verdict| &verdict.body);
    let opens = matches!(promised, Some(Body::Accept { nonce_hash, .. }) if sha256(&[nonce]) == *nonce_hash);
    opens && (!fold.resolves(roster) || round.is_repeat(roster))
}

fn check_debit(round: &Round, plan: &Plan, log: &Log, debit: &Logged) -> Result<(), String> {
    if round.debit(plan, &log.member).is_none() {
        return Err(format!("entry {} debits another roster, loss or nonce", debit.at.index));
    }
    let settled = round.said(Kind::Contribution, &log.member).or(round.said(Kind::Void, &log.member));
    // Fine while the round is open. Afterwards its author may sleep still: only what it wrote since
    // shows that it woke and left the debit hanging.
    let over = round.ending().is_some() && last_word(log).is_some_and(|time| time > plan.query.close_by);
    if settled.is_none() && over {
        return Err(format!("the debit at entry {} was neither used nor voided", debit.at.index));
    }
    Ok(())
}

/// A seat opens the verify-key part that its verdict promised: another one would end the round unseen.
fn check_key_part(plan: &Plan, member: &MemberId, freeze: &Logged) -> Result<(), String> {
    let (Body::Freeze { vk_part: Some(part), .. }, Some(promised)) = (&freeze.body, plan.parts.get(member))
    else {
        return Ok(());
    };
    let right = sha256(&[part]) == promised.vk_hash;
    if right { Ok(()) } else { Err(format!("entry {} opens another verify-key part", freeze.at.index)) }
}

/// When a log's newest entry was written, as its author says.
fn last_word(log: &Log) -> Option<datacoop_policy::Time> {
    log.time(log.size().checked_sub(1)?)
}

fn check_open(findings: &mut Findings, fold: &Fold, round: &Round, plan: &Plan, log: &Log, open: &Logged) {
    let member = &log.member;
    let at = open.at.index;
    // Of aggregate shares: an asker whose full-noise round got too few vectors revealed its own and aborts.
    if plan.query.mode == Mode::Secure && round.said(Kind::Abort, member).is_some() {
        return findings.note(Some(at), Err(format!("entry {at} opens what its author also aborted")));
    }
    match (&open.body, plan.query.mode) {
        (Body::Open { .. }, Mode::Secure) if plan.seat(member).is_none() => {
            let text = || format!("entry {at} opens without a committee seat");
            findings.judge(fold, round, open, false, text);
        }
        (Body::Open { .. }, Mode::Secure) => {
            if let Err(text) = check_commitment(round, member, open) {
                return findings.note(Some(at), Err(text));
            }
            let text = || format!("entry {at} opens before all seats closed with the same set");
            findings.judge(fold, round, open, cites_equal_closes(round, open), text);
        }
        (Body::Reveal { freeze, .. }, Mode::FullNoise) => {
            let frozen = round.frozen(plan).is_some_and(|frozen| frozen.freezes == [freeze.clone()]);
            let text =
                || format!("entry {at} opens another vector than was committed to, or before the freeze");
            findings.judge(fold, round, open, frozen && round.reveal(plan, member).is_some(), text);
        }
        _ => findings.note(Some(at), Err(format!("entry {at} opens as another mode would"))),
    }
}

/// An open fits its own author's close, which stands before it.
fn check_commitment(round: &Round, member: &MemberId, open: &Logged) -> Result<(), String> {
    let at = open.at.index;
    let Body::Open { share, salt, .. } = &open.body else { return Ok(()) };
    let close = round.said(Kind::Close, member).filter(|close| close.at.order() < open.at.order());
    let Some(Body::Close { commit, .. }) = close.map(|close| &close.body) else {
        return Err(format!("entry {at} opens what its author never closed"));
    };
    let right = commitment("close", salt, share) == *commit;
    if right { Ok(()) } else { Err(format!("entry {at} opens another share than was committed to")) }
}

fn cites_equal_closes(round: &Round, open: &Logged) -> bool {
    let Body::Open { closes: cited, .. } = &open.body else { return false };
    round.closed_by_all().is_some_and(|closed| closed.closes == *cited)
}
