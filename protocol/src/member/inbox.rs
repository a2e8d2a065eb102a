//! Questions that wait for a person here: which they are, what the person says, and limits that were narrowed
//! while we run. A yes is in the journal before the verdict it leads to, so a restart goes on with it.

use std::sync::Arc;

use datacoop_policy::QueryId;
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Query;
use datacoop_policy::refusal::Refusal;

use super::port::{Event, Output};
use super::{Denial, Member};
use crate::clocks::{Disagreement, disagreement};
use crate::inbox::{Hold, hold, refusal};
use crate::rounds::{Kind, Round};
use crate::wire::Record;

/// A round that waits for our person, or that our person may still take us out of.
pub struct Waiting<'a> {
    /// The round.
    pub round: &'a Arc<Round>,
    /// What it asks.
    pub query: &'a Arc<Query>,
    /// Why it waits; `None` once we said yes.
    pub hold: Option<Hold>,
}

impl Member {
    /// Whether our clock disagrees with most others': then nothing is answered.
    pub fn clock_off(&self) -> Option<Disagreement> {
        disagreement(&self.fold, &self.witnessed, &self.settings.me, self.now)
    }

    pub(super) fn clock_agrees(&self) -> Result<(), Refusal> {
        self.clock_off().map_or(Ok(()), |off| Err(off.refusal()))
    }

    /// What our person and our standing rules say, whatever the limits.
    pub(super) fn own_word(&self, query: &Query) -> Result<(), Refusal> {
        let decided = self.decided.get(&query.id).copied();
        refusal(&self.settings.inbox, decided, query).map_or(Ok(()), Err)
    }

    /// What we say to a Query, its Roster not known yet, unless something holds it.
    pub(super) fn verdict(&self, query: &Query) -> Result<(), Refusal> {
        self.clock_agrees()?;
        self.judge(query, None)?;
        self.own_word(query)
    }

    /// What holds our verdict.
    pub(super) fn holds(&self, query: &Query) -> Option<Hold> {
        let decided = self.decided.get(&query.id).copied();
        hold(&self.fold, &self.settings.me, &self.settings.inbox, decided, query)
    }

    /// Our person is told once in each life of ours.
    pub(super) fn tell_waits(&mut self, id: QueryId) {
        if !std::mem::replace(&mut self.effort(id).told, true) {
            self.tell(Event::Waits(id));
        }
    }

    /// Questions of which our person decides, those that join first ahead: those that wait for a yes, and those
    /// that we said yes to and that can still be declined.
    pub fn inbox(&self) -> Vec<Waiting<'_>> {
        let open = self.open.iter().filter_map(|id| self.fold.round(id));
        let mut found: Vec<Waiting<'_>> = open.filter_map(|round| self.waiting(round)).collect();
        found.sort_by_key(|one| (one.hold.is_none(), one.query.join_by, one.round.id));
        found
    }

    fn waiting<'a>(&'a self, round: &'a Arc<Round>) -> Option<Waiting<'a>> {
        let query = round.query().filter(|_| !self.left.contains(&round.id))?;
        if !self.wrote(round, Kind::Verdict) {
            let hold = self.hold_of(round).ok().flatten()?;
            return Some(Waiting { round, query, hold: Some(hold) });
        }
        let open = self.may_decline(round).is_ok() && query.asker != self.settings.me;
        open.then_some(Waiting { round, query, hold: None })
    }

    /// What holds a round of which we said nothing yet. Errors: why our person has nothing to decide.
    fn hold_of(&self, round: &Round) -> Result<Option<Hold>, String> {
        let asked = round.asked().ok_or("no query of this id is here")?;
        let query = asked.query.as_ref().map_err(|why| format!("it cannot be read here: {why}"))?;
        self.may_join(round)?;
        self.verdict(query).map_err(|refusal| refusal.to_string())?;
        Ok(self.holds(query))
    }

    /// Whether a verdict of ours would count. Errors: why not.
    fn may_join(&self, round: &Round) -> Result<(), &'static str> {
        let asked = round.asked().ok_or("no query of this id is here")?;
        match () {
            () if asked.body.join_by < self.now => Err("its time to join is over"),
            () if !self.answers(&asked.body.charter).contains(&self.settings.me) => {
                Err("it is not asked of this node")
            }
            () => Ok(()),
        }
    }

    /// Errors: why it is too late.
    fn may_decline(&self, round: &Round) -> Result<(), &'static str> {
        use crate::entry::Body;
        let me = &self.settings.me;
        let refused = |round: &Round| {
            round.said(Kind::Verdict, me).is_some_and(|said| matches!(said.body, Body::Refuse { .. }))
        };
        let outside = round.plan().is_some_and(|plan| !plan.members.contains(me));
        match () {
            () if round.ending().is_some() || !self.open.contains(&round.id) => Err("the round is over"),
            () if self.wrote(round, Kind::Contribution) => {
                Err("our contribution is logged, and can be taken back no more")
            }
            () if refused(round) => Err("this node refused it already"),
            () if outside || self.wrote(round, Kind::Void) => Err("this node takes no part in it"),
            () if self.decided.get(&round.id) == Some(&false) => Err("it was declined already"),
            () if !self.wrote(round, Kind::Verdict) => self.may_join(round),
            () => Ok(()),
        }
    }

    pub(super) fn on_decide(&mut self, command: u64, query: QueryId, yes: bool) {
        match self.try_decide(query, yes) {
            Ok(()) => self.tell(Event::Decided { command }),
            Err(Denial::Refused(rule, text)) => self.tell(Event::Denied { command, rule, text }),
            Err(Denial::Answered(query)) => self.tell(Event::Answered { command, query }),
        }
    }

    fn try_decide(&mut self, id: QueryId, yes: bool) -> Result<(), Denial> {
        self.may_write()?;
        let no = |text: &str| Denial::Refused("inbox", text.to_owned());
        let round = self.fold.round(&id).cloned().ok_or_else(|| no("no query of this id is here"))?;
        match yes {
            true if self.wrote(&round, Kind::Verdict) => {
                return Err(no("this node gave its verdict already"));
            }
            true if self.decided.contains_key(&id) => return Err(no("it was decided already")),
            true => {
                let held = self.hold_of(&round).map_err(|why| no(&why))?;
                held.ok_or_else(|| no("nothing waits for a yes: this node answers it by itself"))?;
            }
            false => self.may_decline(&round).map_err(no)?,
        }
        self.outputs.push_back(Output::Store(Record::Decided { query: id.0, yes }));
        // Crash here: the word is on disk and no verdict is. A restart goes on with it.
        self.decided.insert(id, yes);
        self.stirred.insert(id);
        Ok(())
    }

    /// Our person narrowed our limits: at once for all that is not contributed yet.
    pub(super) fn narrow(&mut self, limits: Option<&Limits>) {
        let nothing = || Limits { purposes: Set::none(), ..Limits::top() };
        self.settings.limits = self.settings.limits.take().map(|own| own.meet(limits.unwrap_or(&nothing())));
        self.stirred.extend(self.open.iter().copied());
    }
}
