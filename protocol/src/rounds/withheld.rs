//! What keeps a sum back after every seat has closed, as far as logs can show it.

use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Span, Time};

use super::codes::AbortCode;
use super::{Closed, Kind, Logged, Plan, Round, commitment};
use crate::entry::{Body, Ref};

/// How long after `contribute_by` a debit that is not here may still be on its way: twice the time in which
/// a pull brings what no push did.
pub(crate) const DEBIT_GRACE: Span = Span(2 * crate::bounds::PULL_EVERY.0);

/// How long after `join_by` a Roster, or a verdict in it, that is not here may still be on its way: as long.
pub(crate) const ROSTER_GRACE: Span = DEBIT_GRACE;

/// How somebody keeps back a sum that some seat opened its share of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withholding {
    /// It aborted while there was time to open.
    Abort,
    /// It aborted after `close_by`, as a seat does that slept, or that never saw all closes.
    LateAbort,
    /// Its open is not here.
    Silence,
    /// Its open is not the share that it committed to.
    FalseOpen,
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

    /// Who keeps back a sum that some seat opened its share of, after all had closed with the same set: each
    /// seat that opened something else instead; and the asker if it aborted in time, else each seat that did
    /// not open.
    ///
    /// Not a seat that may have heard of another's abort in time: it had to open nothing. What is left may
    /// know the sum and keep it, or its machine may be off, or another round of the question ruled its
    /// accepted set out (its abort says `min_step`, as a liar's may): the entries say what is missing, not
    /// why; and when an open was written is its author's word. What somebody opened instead is another
    /// matter: it is no share whoever looks. Source: ROUND section 2.
    pub fn withheld(&self) -> Vec<Withheld> {
        let Some((plan, closed)) = self.plan().zip(self.closed_by_all()) else { return vec![] };
        let seats = || plan.committee.iter().zip(&closed.closes);
        let named = |(seat, close): (&MemberId, &Ref), how| Withheld {
            by: seat.clone(),
            subject: close.clone(),
            how,
        };
        let spoke = |seat: &MemberId| self.said(Kind::Open, seat).is_some();
        let opened = |seat: &MemberId| self.opened(plan, &closed, seat);
        let falsely = seats().filter(|(seat, _)| spoke(seat) && !opened(seat));
        let mut withheld: Vec<_> = falsely.map(|place| named(place, Withholding::FalseOpen)).collect();
        if !seats().any(|(seat, _)| opened(seat)) || seats().all(|(seat, _)| spoke(seat)) {
            return withheld;
        }
        let asker = &plan.query.asker;
        if let Some(abort) =
            self.idle_abort(plan, asker).filter(|abort| !self.may_have_missed_lot(plan, abort))
        {
            let (by, subject) = (asker.clone(), abort.at.clone());
            withheld.push(Withheld { by, subject, how: Withholding::Abort });
            return withheld;
        }
        withheld.extend(seats().filter(|(seat, _)| !spoke(seat)).filter_map(|(seat, close)| {
            let how = match self.said(Kind::Abort, seat) {
                None => Withholding::Silence,
                Some(_) if self.idle_abort(plan, seat).is_some() => Withholding::Abort,
                Some(_) => Withholding::LateAbort,
            };
            let heard = how != Withholding::Abort && self.aborted_in_time(Some(seat));
            (!heard).then(|| named((seat, close), how))
        }));
        withheld
    }

    /// Whether a seat opened the share that it had committed to. Which closes it cites is not asked: whoever
    /// shows two histories of its own close would have honest seats named that saw the other one.
    pub(crate) fn opened(&self, plan: &Plan, closed: &Closed, seat: &MemberId) -> bool {
        let Some((open, place)) = self.said(Kind::Open, seat).zip(plan.seat(seat)) else { return false };
        let Body::Open { share, salt, .. } = &open.body else { return false };
        commitment("close", salt, share) == closed.commits[place]
    }

    /// Whether the asker's abort may be of good faith although the lot was drawn: it says `lot`, within the time in
    /// which an asker gives a lot up, and its author took no step that shows that it had seen it.
    ///
    /// A liar can say so too, if it takes no part itself; it stops no seat that has opened.
    fn may_have_missed_lot(&self, plan: &Plan, abort: &Logged) -> bool {
        let Body::Abort { code, .. } = &abort.body else { return false };
        let asker = &plan.query.asker;
        let knew = [Kind::Contribution, Kind::Freeze, Kind::Verify, Kind::Close]
            .into_iter()
            .any(|kind| self.said(kind, asker).is_some());
        let in_time =
            plan.lot_by().seconds() <= abort.time.seconds() && abort.time <= plan.query.contribute_by;
        plan.by_lot() && code == AbortCode::Lot.code() && in_time && !knew
    }

    /// Whether this round of aggregate shares can still give a sum, for all that is here: not once it gave one or was aborted in time,
    /// its last deadline is past, its Roster can come no more, its lot is spoilt, or too few are left to add up. An abort
    /// that claims to be of a later time ends nothing yet: whoever dates one ahead gets no second round.
    pub fn may_give_sum(&self, now: Time) -> bool {
        let Some(query) = self.query() else { return false };
        if self.released().is_some() || self.aborted_in_time(None) || now > query.close_by {
            return false;
        }
        // Or an asker could keep a question from everybody with a Query that it never means to go on with.
        let Some(plan) = self.plan() else { return now <= query.join_by + ROSTER_GRACE };
        let contributed = |member: &MemberId| self.contribution(plan, member).is_some();
        // A debit counts as long as it may still be used, and a while longer: its contribution may be on its way.
        let heard = now > query.contribute_by + DEBIT_GRACE;
        let left = plan.members.iter().filter(|member| match self.said(Kind::Debit, member) {
            None => !heard,
            Some(_) => self.said(Kind::Void, member).is_none() || contributed(member),
        });
        !self.lot_is_spoilt(plan) && left.count() >= self.accepted_min(plan)
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
