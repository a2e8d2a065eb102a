//! A clock that was ahead and is set right while the member runs. Must not decide what a time means for a round.
//!
//! Time as a member has it goes forward, or a deadline could pass twice. But a clock that was a year ahead would
//! hold it there, and every timer would be due a year later. So it goes back when the step is a large one and others
//! bear the clock out as it is now, as if the member had been started again: more of them than may lie spoke since it
//! was set back, and dated that within an hour before its time (`clocks::bears_out`), and most do not say that it is
//! slow. That others are silent is no reason, nor is what they said before: then it waits for their next words, or for
//! a start, which always follows the clock. To hear them it dials by the clock as it is: by a time that stands still it
//! never would.

use datacoop_policy::verdict::CLOCK_SKEW_MAX;
use datacoop_policy::{Span, Time};

use super::Member;
use crate::bounds::{REDIAL_FIRST, REDIAL_MAX};
use crate::clocks::{bears_out, last_words};

/// A step back by no more than this is waited out. As far off a clock may be and still answer; timers are late by so
/// much at most.
const WAITED_OUT: Span = CLOCK_SKEW_MAX;

impl Member {
    /// Takes the time that an input came with.
    pub(super) fn take_time(&mut self, now: Time) {
        if now < self.clock {
            self.peers.dial_by(now + REDIAL_MAX);
        }
        self.clock = now;
        let me = &self.settings.me;
        if self.now - now <= WAITED_OUT {
            self.before_back = None;
        } else {
            let words = || last_words(&self.fold, &self.witnessed, me, now);
            let before = self.before_back.get_or_insert_with(words);
            if bears_out(&self.fold, &self.witnessed, me, now, before) {
                self.before_back = None;
                self.step_back(now);
            }
        }
        self.now = self.now.max(now);
    }

    /// Goes back to `now`. What happened later than that happened now; what was to be tried later than soon is tried
    /// soon. What was written stays, and rounds that were given up stay so until a start.
    fn step_back(&mut self, now: Time) {
        self.now = now;
        for at in [&mut self.stepped_at, &mut self.openings.settled_at] {
            *at = now.min(*at);
        }
        for effort in self.efforts.values_mut() {
            effort.step_back(now, self.settings.answer_grid);
        }
        for watch in self.watches.values_mut() {
            watch.step_back(now);
        }
        self.blobs.step_back(now);
        self.peers.step_back(now, now + REDIAL_FIRST);
        // Which deadlines are over is another question now.
        self.stirred.extend(self.open.iter().copied());
    }
}
