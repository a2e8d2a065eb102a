//! What keeps a sum back after every seat has closed, as far as logs can show it.

use datacoop_policy::MemberId;
use datacoop_policy::query::Mode;

use super::{Closed, Kind, Logged, Plan, Round};
use crate::entry::Ref;

/// How somebody keeps back a sum that some seat opened its share of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withholding {
    /// It aborted while there was time to open.
    Abort,
    /// It aborted after `close_by`, as a seat does that slept, or that never saw all closes.
    LateAbort,
    /// Its open is not here.
    Silence,
}

/// Who keeps a sum back, and the entry that shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withheld {
    /// A seat, or the asker.
    pub by: MemberId,
    /// A seat's close; the asker's abort.
    pub subject: Ref,
    /// How.
    pub how: Withholding,
}

impl Round {
    /// The accepted set with the k equal closes, once all stand.
    pub fn closed_by_all(&self) -> Option<Closed> {
        let plan = self.plan().filter(|plan| plan.query.mode == Mode::Secure)?;
        let (verifies, _) = self.verified(plan, &self.frozen(plan)?)?;
        self.closed(plan, &verifies)
    }

    /// Who keeps back a sum that some seat opened its share of, after all had closed with the same set:
    /// the asker if it aborted in time, else each seat that did not open.
    ///
    /// Not a seat that may have heard of another's abort in time: it had to open nothing. What is left may
    /// know the sum and keep it, or its machine may be off, or another round of the question ruled its
    /// accepted set out (its abort says `min_step`, as a liar's may): the entries say what is missing, not
    /// why; and when an open was written is its author's word. Source: ROUND section 2.
    pub fn withheld(&self) -> Vec<Withheld> {
        let Some((plan, closed)) = self.plan().zip(self.closed_by_all()) else { return vec![] };
        let seats = plan.committee.iter().zip(closed.closes);
        let missing: Vec<_> = seats.filter(|(seat, _)| self.said(Kind::Open, seat).is_none()).collect();
        if missing.len() == plan.committee.len() {
            return vec![];
        }
        let asker = &plan.query.asker;
        if let Some(abort) = self.idle_abort(plan, asker).filter(|_| !missing.is_empty()) {
            return vec![Withheld { by: asker.clone(), subject: abort.at.clone(), how: Withholding::Abort }];
        }
        let named = missing.into_iter().filter_map(|(seat, close)| {
            let own = self.said(Kind::Abort, seat);
            let how = match own {
                None => Withholding::Silence,
                Some(_) if self.idle_abort(plan, seat).is_some() => Withholding::Abort,
                Some(_) => Withholding::LateAbort,
            };
            let heard = how != Withholding::Abort && self.aborted_in_time(Some(seat));
            (!heard).then(|| Withheld { by: seat.clone(), subject: close, how })
        });
        named.collect()
    }

    /// An abort in time.
    fn idle_abort(&self, plan: &Plan, by: &MemberId) -> Option<&Logged> {
        let abort = self.said(Kind::Abort, by)?;
        (abort.time < plan.query.close_by).then_some(abort)
    }

    /// Whether somebody entitled, other than `but`, ended the round before its last deadline. An abort
    /// that says it came later counts once that deadline has passed: until then it is a wrong clock, or
    /// a lie that would keep honest seats from opening.
    pub fn aborted_in_time(&self, but: Option<&MemberId>) -> bool {
        let Some(asked) = self.asked() else { return false };
        let entitled =
            |by: &MemberId| *by == asked.asker || self.plan().is_some_and(|plan| plan.seat(by).is_some());
        let mut others = self.all(Kind::Abort).filter(|(by, _)| Some(*by) != but && entitled(by));
        others.any(|(_, abort)| abort.time < asked.body.close_by)
    }
}
