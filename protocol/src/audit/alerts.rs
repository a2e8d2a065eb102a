//! What members say should not be: whether it is so, and what it comes to for the member it is about.

use datacoop_policy::MemberId;

use super::{Check, Findings, Step, counts};
use crate::entry::{Body, Ref};
use crate::fold::{Fold, Log};
use crate::rounds::{Kind, Logged, Round};

/// Every alert of a log names an entry that is what it says; and of a log that alerts are about, what
/// it says since. To keep a share back is no proof of ill will, as machines sleep: it is a warning,
/// which says how many say so; that an open was false is A09's. An open that came late is told as such and held against nobody.
pub(super) fn begin() -> Findings {
    Findings::new("A15", "alerts")
}

/// As `begin` says, at one step of a log.
pub(super) fn check_step(findings: &mut Findings, fold: &Fold, log: &Log, round: &Round, step: &Step<'_>) {
    match step {
        Step::Alert(logged) => {
            let Body::Alert { code, subject, .. } = &logged.body else { return };
            let text =
                || format!("entry {} says `{code}` of an entry that is no such thing", logged.at.index);
            match is_so(round, &log.member, code, subject) {
                // What it is it says itself.
                Some(right) if code == "roster" && fold.resolves(subject) && counts(fold, subject) => {
                    findings.note(Some(logged.at.index), if right { Ok(()) } else { Err(text()) });
                }
                Some(right) => findings.judge(fold, round, logged, right, text),
                None => findings.skip(),
            }
        }
        // What is kept back is said of either.
        Step::Said(Kind::Close | Kind::Abort, logged) if !round.alerts().is_empty() => {
            if let Some((entry, text)) = kept_back(round, log).filter(|(entry, _)| *entry == logged.at.index)
            {
                findings.warn(entry, text);
            }
        }
        Step::Said(..) | Step::Asked(_) | Step::Repeat(_) => {}
    }
}

pub(super) fn finish(mut findings: Findings, fold: &Fold, log: &Log) -> Check {
    for at in fold.false_splits().iter().filter(|at| *at.log == *log.origin) {
        let text = format!("entry {} accuses a member of two histories and proves nothing", at.index);
        findings.note(Some(at.index), Err(text));
    }
    findings.finish("alerts hold")
}

/// Whether an entry is what an alert of this member says of it; `None` for codes of a newer program, and where a seat's
/// log is not here, or not to its end, so that what its author saw does not follow from what is.
fn is_so(round: &Round, by: &MemberId, code: &str, subject: &Ref) -> Option<bool> {
    match code {
        "roster" => {
            let asked = round.asked()?;
            // What is the asker's first Roster here may have been its second in the history that the alert is of; not
            // if the member debited it.
            let own = round.said(Kind::Debit, by).map(|debit| &debit.body);
            let debited = matches!(own, Some(Body::Debit { roster, .. }) if roster == subject);
            let is_first = round.said(Kind::Roster, &asked.asker).is_some_and(|first| first.at == *subject);
            let is_second = round.repeats().iter().any(|(author, logged)| {
                *author == asked.asker && matches!(logged.body, Body::Roster { .. }) && logged.at == *subject
            });
            (is_second || !is_first || debited).then_some(is_second)
        }
        "release" => {
            let plan = round.plan()?;
            round.sums(plan, None)?;
            let release = round.all(Kind::Release).find(|(_, logged)| logged.at == *subject);
            Some(release.is_some_and(|(_, logged)| round.check_release(plan, logged).is_none()))
        }
        // Afterwards the seat may have opened: it is enough that all had closed.
        "withheld" => {
            let closed = round.closed_by_all()?;
            Some(closed.closes.contains(subject) || abort_by_asker(round).is_some_and(|at| at == *subject))
        }
        _ => None,
    }
}

fn abort_by_asker(round: &Round) -> Option<Ref> {
    round.said(Kind::Abort, &round.asked()?.asker).map(|abort| abort.at.clone())
}

/// What alerts say that a member kept back, and what its log says since.
fn kept_back(round: &Round, log: &Log) -> Option<(u64, String)> {
    let mut sayers: Vec<&MemberId> = vec![];
    let mut about = None;
    for (by, logged) in round.alerts() {
        let Body::Alert { code, subject, .. } = &logged.body else { continue };
        let counts = code == "withheld"
            && *subject.log == *log.origin
            && is_so(round, by, code, subject) == Some(true);
        let member = round.plan().is_some_and(|plan| plan.members.contains(by));
        if counts && member && *by != log.member && !sayers.contains(&by) {
            sayers.push(by);
            about = Some(subject.index);
        }
    }
    let (entry, close_by) = (about?, round.query()?.close_by);
    let open = round.said(Kind::Open, &log.member);
    let (plan, closed) = round.plan().zip(round.closed_by_all())?;
    let right = round.opened(plan, &closed, &log.member);
    if right && open.is_some_and(|open| open.time <= close_by) {
        return None; // It was on its way.
    }
    let since = match (open, round.said(Kind::Abort, &log.member)) {
        (Some(Logged { at, .. }), _) if !right => format!("entry {} opens another share", at.index),
        (Some(Logged { at, .. }), _) => format!("its open came after that, at entry {}", at.index),
        (None, Some(Logged { at, .. })) => format!("it aborted at entry {}", at.index),
        (None, None) => "it has not opened".to_owned(),
    };
    let of = round.plan().map_or(0, |plan| plan.members.len());
    let excuse = if open.is_some() && !right { "" } else { "; it may have slept" };
    let text = format!(
        "entry {entry}: {} of {of} members say that a sum was kept back here after others had opened; {since}{excuse}",
        sayers.len()
    );
    Some((entry, text))
}
