//! What our seat may have to show an auditor: kept from the close on, shown only when the round names us,
//! erased as soon as it cannot. Knows no file.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datacoop_policy::{MemberId, QueryId, Span, Time};

use super::Member;
use super::port::Output;
use crate::audit::opening::{Choice, OPENING_KEPT, Opening, SEATS_MIN, choice};
use crate::rounds::{Kind, Plan, Round};

/// How long after `close_by` another seat's close may still be on its way: a machine that lost power, or
/// slept, hears of it within a day. Without it a seat that just came back would take the round for one that
/// nobody can ask about.
const CLOSES_AWAITED: Span = Span::from_seconds(24 * 60 * 60);
const _: () = assert!(CLOSES_AWAITED.0 < OPENING_KEPT.0);

/// Rounds of which the disk keeps an opening of ours.
#[derive(Default)]
pub(super) struct Openings {
    kept: BTreeSet<QueryId>,
    /// Of which something changed since it was last decided whether they stay.
    stirred: BTreeSet<QueryId>,
    /// Ends of times up to here were seen to.
    pub(super) settled_at: Time,
}

impl Openings {
    /// As a start finds them: all are decided about anew.
    pub(super) fn new(kept: BTreeSet<QueryId>) -> Self {
        Self { stirred: kept.clone(), kept, settled_at: Time(0) }
    }

    /// Something changed in a round.
    pub(super) fn stir(&mut self, id: QueryId) {
        if self.kept.contains(&id) {
            self.stirred.insert(id);
        }
    }
}

/// Why our seat shows nothing of a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotShown {
    /// We hold no seat in it.
    NoSeat,
    /// It has so few seats that whoever saw one's shares would need only one more.
    FewSeats(usize),
    /// It is not over for us, or another seat's open may still come.
    UnderWay,
    /// It ended before every seat had closed: there is nothing that a seat could have shifted.
    NotClosed,
    /// Its sums name no seat, as in nine rounds of ten.
    NoneNamed,
    /// It names this member's seat.
    Named(MemberId),
    /// Its sum beside another round's would set apart too few, and our share is what is missing of it.
    Step,
    /// It names us, and what we would show is gone: its time was over, or another folder had it.
    Gone,
}

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeat => f.write_str("this member holds no committee seat in that round"),
            Self::FewSeats(seats) => write!(
                f,
                "that round has {seats} committee seats; below {SEATS_MIN} nothing is shown, because whoever \
                 sees one seat's shares would need only one other's to read every member's figures"
            ),
            Self::UnderWay => f.write_str("that round is still under way; ask again when it is over"),
            Self::NotClosed => f.write_str(
                "that round ended before every committee seat had closed: there is no sum to check",
            ),
            Self::NoneNamed => f.write_str(
                "that round's sums name no seat, as in nine rounds of ten; what was kept of it is erased",
            ),
            Self::Named(seat) => write!(
                f,
                "that round names the seat of `{seat}`, not this member's; of one round two seats never show \
                 their shares"
            ),
            Self::Step => f.write_str(
                "beside another round of the same question that round's sum would set apart too few \
                 organisations, and this seat's shares are what is missing of it",
            ),
            Self::Gone => write!(
                f,
                "that round names this seat, but what it could show is gone: it is erased {} days after the \
                 round's last deadline, and an older copy of the folder may never have had it",
                OPENING_KEPT.0 / 86_400_000
            ),
        }
    }
}

impl Member {
    /// Keeps what our seat may have to show, if there are seats enough that any ever does. On disk before
    /// the close that commits to it.
    pub(super) fn keep_opening(&mut self, id: QueryId, plan: &Arc<Plan>, salt: [u8; 32]) {
        let shares = std::mem::take(&mut self.effort(id).shares);
        if plan.committee.len() < SEATS_MIN {
            return;
        }
        let opening = Opening { query: id, seat: self.settings.me.clone(), shares, salt };
        self.outputs.push_back(Output::KeepOpening(id, opening.to_bytes()));
        self.openings.kept.insert(id);
    }

    /// Whether our seat may show an auditor what it was sent in a round: only if the round names it, and
    /// no other seat ever can be named.
    ///
    /// Errors: why not.
    pub fn may_show(&self, round: &Round) -> Result<(), NotShown> {
        let plan = round.plan().ok_or(NotShown::NoSeat)?;
        let ours = plan.seat(&self.settings.me).ok_or(NotShown::NoSeat)?;
        let named = |seat: usize| match seat == ours {
            true => Ok(()),
            false => Err(NotShown::Named(plan.committee[seat].clone())),
        };
        match choice(round) {
            Choice::Never => return Err(NotShown::FewSeats(plan.committee.len())),
            Choice::NotClosed if self.is_over_for_us(&round.id) => return Err(NotShown::NotClosed),
            Choice::NotClosed => return Err(NotShown::UnderWay),
            Choice::Decided(seat) => named(seat.ok_or(NotShown::NoneNamed)?)?,
            // INVARIANT: without its secret we never open it, so there will never be sums.
            Choice::Kept(_) if !self.is_over_for_us(&round.id) => return Err(NotShown::UnderWay),
            Choice::Kept(seat) => {
                named(seat)?;
                self.may_be_known(round, plan).then_some(()).ok_or(NotShown::Step)?;
            }
        }
        self.openings.kept.contains(&round.id).then_some(()).ok_or(NotShown::Gone)
    }

    /// Whether we can do nothing more in a round: its secret is gone.
    fn is_over_for_us(&self, id: &QueryId) -> bool {
        !self.open.contains(id) && !self.secrets.contains_key(id)
    }

    /// Whether the sum of a round may be known to somebody: with our shares an auditor has it, if only
    /// ours is missing.
    fn may_be_known(&self, round: &Round, plan: &Plan) -> bool {
        round.closed_by_all().is_some_and(|closed| self.keeps_step(plan, &closed.accepted))
    }

    /// Whether an opening stays: while the round names us, or still may, and for no longer than its time.
    fn keeps_opening(&self, id: &QueryId) -> bool {
        let Some((round, me)) = self.fold.round(id).zip(Some(&self.settings.me)) else { return false };
        let Some((plan, asked)) = round.plan().zip(round.asked()) else { return false };
        let over = self.is_over_for_us(id);
        self.now < asked.body.close_by + OPENING_KEPT
            && match choice(round) {
                Choice::Never => false,
                Choice::NotClosed => !over || self.now < asked.body.close_by + CLOSES_AWAITED,
                Choice::Decided(seat) => seat.is_some_and(|seat| plan.committee[seat] == *me),
                // Ours, unless its sum must not be known; another's, for good once its abort stands.
                Choice::Kept(seat) if plan.committee[seat] == *me => !over || self.may_be_known(round, plan),
                Choice::Kept(seat) => round.said(Kind::Abort, &plan.committee[seat]).is_none(),
            }
    }

    /// Erases the openings that nobody may ask for any more.
    pub(super) fn settle_openings(&mut self) {
        let seen = std::mem::replace(&mut self.openings.settled_at, self.now);
        let due = self.opening_ends().filter(|(_, end)| seen < *end && *end <= self.now);
        let due: Vec<QueryId> = due.map(|(id, _)| id).collect();
        self.openings.stirred.extend(due);
        for id in std::mem::take(&mut self.openings.stirred) {
            if !self.keeps_opening(&id) {
                self.openings.kept.remove(&id);
                self.after.push(Output::EraseOpening(id));
                // Crash here: it is there still, and a restart erases it.
            }
        }
    }

    /// When the time of a kept opening may be over.
    pub(super) fn opening_ends(&self) -> impl Iterator<Item = (QueryId, Time)> {
        let kept = self.openings.kept.iter().filter_map(|id| Some((*id, self.fold.round(id)?.asked()?)));
        kept.flat_map(|(id, asked)| {
            [CLOSES_AWAITED, OPENING_KEPT].map(|span| (id, asked.body.close_by + span))
        })
    }
}
