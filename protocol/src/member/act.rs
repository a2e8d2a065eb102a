//! What the person here does beside asking: checked as every reader will check it, then written.

use datacoop_policy::Time;
use datacoop_policy::charter::{REVIEWERS, Role};
use datacoop_policy::delegation::Delegation;

use super::port::Event;
use super::{Denial, Member};
use crate::acts::{
    Act, Done, State, Subject, blob_text, check_handover, findings_hash, has_vote, is_ahead, is_entitled,
    is_one_too_many, released,
};
use crate::entry::{Body, QueryBody, Ref};
use crate::log::tree::sha256;

type Check = Result<(), Denial>;

fn no(text: impl Into<String>) -> Check {
    Err(Denial::Refused("act", text.into()))
}

impl Member {
    pub(super) fn on_act(&mut self, command: u64, act: Act, text: Option<Vec<u8>>) {
        match self.try_act(act, text) {
            Ok(at) => self.tell(Event::Acted { command, at }),
            Err(Denial::Refused(rule, text)) => self.tell(Event::Denied { command, rule, text }),
            Err(Denial::Answered(query)) => self.tell(Event::Answered { command, query }),
        }
    }

    fn try_act(&mut self, act: Act, text: Option<Vec<u8>>) -> Result<Ref, Denial> {
        self.may_write()?;
        self.check_text(&act, text.as_deref())?;
        let me = self.settings.me.clone();
        let index = self.own_size();
        let at = Ref {
            log: self.keys.public().log.name.as_str().into(),
            index,
            leaf: datacoop_policy::Digest::default(),
        };
        let done = Done { at, by: me.clone(), time: Time::from_seconds(self.now.seconds()), act };
        self.check_act(&done)?;
        let body = Body::Act(done.act);
        if self.readable(&body).is_none() {
            no(
                "it does not fit one log entry: its ids are letters, digits, `-`, `_`, `.` and `/`, at most 64",
            )?;
        }
        if let (Body::Act(act), Some(text)) = (&body, text)
            && let Some(hash) = act.text()
        {
            self.keep_blob(hash, text.into(), None);
        }
        // Crash here: a blob that no entry names, deleted at the next start.
        self.append(body);
        let at = self.fold.log(&me).and_then(|log| log.reference(index));
        Ok(at.expect("INVARIANT: the entry was just appended"))
    }

    fn check_text(&self, act: &Act, text: Option<&[u8]>) -> Check {
        match (act.text(), text) {
            (None, None) => Ok(()),
            (Some(hash), Some(text)) if sha256(&[text]) == hash => match blob_text(text) {
                Some(said) if !said.trim().is_empty() => Ok(()),
                Some(_) => no("its text says nothing"),
                None => no("its text is longer than 256 KiB, or no UTF-8"),
            },
            (None, Some(_)) | (Some(_), _) => no("it comes with its own text, and with none if it has none"),
        }
    }

    /// Whether what it is about is there, and it may be said of it by us, now.
    fn check_act(&self, done: &Done) -> Check {
        if !is_entitled(&self.fold, done) {
            let roles: Vec<&str> = done.act.roles().iter().map(|role| role.code()).collect();
            return no(format!(
                "a {} is for members with one of these roles: {}; `datacoop charter show` lists ours",
                done.act.kind(),
                roles.join(", ")
            ));
        }
        if let Some(cited) = done.act.cites().into_iter().find(|cited| !self.fold.resolves(cited)) {
            return no(format!("there is no entry {} of {} here yet", cited.index, cited.log));
        }
        match &done.act {
            Act::Proposal { subject, draft, .. } => {
                if matches!(subject, Subject::Purpose(_))
                    && let Err(why) = self.fold.acts().reviewers(&self.fold, done)
                {
                    return no(format!("a new purpose is reviewed by two members, and {why}"));
                }
                self.check_twin(draft, done)
            }
            Act::Cosign { proposal } => {
                self.open_proposal(proposal, done)?;
                self.once(proposal, |act| matches!(act, Act::Cosign { .. }), "we support it already")
            }
            Act::Withdrawal { proposal } => self.own_proposal(proposal, done),
            Act::Objection { about, .. } => self.check_objection(about, done),
            Act::Reply { objection, .. } => self.check_reply(objection),
            Act::Review { proposal, .. } => {
                let found = self.open_proposal(proposal, done)?;
                match self.fold.acts().reviewers(&self.fold, found) {
                    Err(why) => return no(format!("nobody reviews it: {why}")),
                    Ok(reviewers) if !reviewers.contains(&self.settings.me) => {
                        let names: Vec<&str> = reviewers.iter().map(|id| id.as_str()).collect();
                        return no(format!("it is reviewed by {}, and not by us", names.join(" and ")));
                    }
                    Ok(_) => {}
                }
                self.once(proposal, |act| matches!(act, Act::Review { .. }), "we reviewed it already")
            }
            Act::Opened { proposal, salt, findings } => {
                // Also once the proposal is over: whoever is bound may say by what.
                let (found, _) = self.proposal_of_another(proposal, done)?;
                let reviews = self.fold.acts().reviews(&self.fold, found);
                let hash = findings_hash(&self.settings.me, proposal, salt, findings);
                let bound = self.fold.acts().on(proposal).filter(|said| said.by == self.settings.me);
                let mut bound = bound.map(|said| &said.act);
                if !bound.any(|said| matches!(said, Act::Review { hash: bound, .. } if *bound == hash)) {
                    return no("it is not the review that we are bound by");
                }
                match reviews.len() >= REVIEWERS {
                    true => Ok(()),
                    false => no("the other reviewer is not bound yet: a review is shown once both are"),
                }
            }
            Act::Report { releases, .. } => {
                let is_release = |at: &&Ref| {
                    let mut rounds = self.fold.rounds().values();
                    rounds.any(|round| round.released().is_some_and(|(logged, _)| logged.at == **at))
                };
                match releases.iter().find(|at| !is_release(at)) {
                    Some(other) => no(format!("entry {} of {} is no release", other.index, other.log)),
                    None => Ok(()),
                }
            }
            Act::Handover { .. } => self.check_handover(done),
            Act::Restriction { target } => self.check_restriction(target, done),
            Act::Delegation { audience, limits, until, charter } => {
                let given = Delegation {
                    by: done.by.clone(),
                    audience: audience.clone(),
                    limits: (**limits).clone(),
                    at: done.time,
                    until: *until,
                    charter: *charter,
                    revoked: false,
                };
                let held = self.fold.charter_at(&done.by, done.time);
                given.check(held).or_else(no)
            }
            Act::Revocation { delegation } => {
                let given = self.fold.acts().get(&delegation.leaf).filter(|given| given.at == *delegation);
                match given {
                    Some(Done { by, act: Act::Delegation { .. }, .. }) if *by == done.by => {}
                    _ => return no("only whoever gave a delegation takes it back"),
                }
                self.once(delegation, |act| matches!(act, Act::Revocation { .. }), "we took it back already")
            }
        }
    }

    /// Under which delegation something is asked, where none is named. A coordinator needs none; whoever is
    /// none takes the one that allows it, else the one whose refusal it is to hear.
    pub fn choose_delegation(&self, body: &mut QueryBody) {
        let me = &self.settings.me;
        let charter = self.fold.charter_at(me, self.now);
        let coordinates = charter.member(me).is_some_and(|member| member.has(Role::Coordinator));
        if body.delegation.is_some() || coordinates {
            return;
        }
        let usable = self.fold.acts().usable(&self.fold, me, Time::from_seconds(self.now.seconds()));
        let usable: Vec<Ref> = usable.into_iter().map(|(at, _)| at.clone()).collect();
        let allows = |at: &&Ref| {
            let asked = QueryBody { delegation: Some((*at).clone()), ..body.clone() };
            let draft = self.fold.bind_draft(&asked, me, self.now);
            draft.is_ok_and(|draft| self.judge(&draft, None).is_ok())
        };
        body.delegation = usable.iter().find(allows).or(usable.first()).cloned();
    }

    /// The same is not proposed twice at a time. But while an objection to it is not answered, whoever has a vote
    /// proposes it too, to answer in place of an author that does not.
    fn check_twin(&self, draft: &datacoop_policy::Digest, done: &Done) -> Check {
        let acts = self.fold.acts();
        let votes = has_vote(&self.fold, done);
        let unanswered = |other: &Done| {
            acts.blocked(&self.fold, other, done.time).is_some_and(|blocked| !blocked.answered)
        };
        let mut open = acts.of_draft(draft);
        let twin = open.find(|other| {
            acts.state(&self.fold, other, done.time) == Some(State::Open)
                && !(votes && other.by != done.by && unanswered(other))
        });
        match twin {
            Some(twin) => no(format!("`{}` proposes the same, as {}", twin.by, twin.at.leaf.short())),
            None => Ok(()),
        }
    }

    fn proposal_of_another(&self, at: &Ref, done: &Done) -> Result<(&Done, State), Denial> {
        let acts = self.fold.acts();
        let found = acts.get(&at.leaf).filter(|found| found.at == *at);
        match found.and_then(|found| Some((found, acts.state(&self.fold, found, done.time)?))) {
            None => Err(Denial::Refused("act", "it is about no proposal".into())),
            Some((found, _)) if found.by == self.settings.me => {
                Err(Denial::Refused("act", "the proposal is our own".into()))
            }
            Some(found) => Ok(found),
        }
    }

    fn open_proposal(&self, at: &Ref, done: &Done) -> Result<&Done, Denial> {
        match self.proposal_of_another(at, done)? {
            (found, State::Open) => Ok(found),
            (_, state) => Err(Denial::Refused("act", format!("the proposal is {} already", state.code()))),
        }
    }

    fn own_proposal(&self, at: &Ref, done: &Done) -> Check {
        let acts = self.fold.acts();
        let own = acts.get(&at.leaf).filter(|found| found.at == *at && found.by == self.settings.me);
        match own.and_then(|own| acts.state(&self.fold, own, done.time)) {
            Some(State::Open) => Ok(()),
            Some(state) => no(format!("the proposal is {} already", state.code())),
            None => no("only whoever made a proposal takes it back"),
        }
    }

    fn once(&self, at: &Ref, is: impl Fn(&Act) -> bool, text: &str) -> Check {
        let mut own = self.fold.acts().on(at).filter(|said| said.by == self.settings.me);
        if own.any(|said| is(&said.act)) { no(text) } else { Ok(()) }
    }

    fn check_objection(&self, about: &Ref, done: &Done) -> Check {
        let query = self.fold.round(&about.leaf).and_then(|round| round.asked());
        match query {
            Some(asked) if asked.asker == self.settings.me => return no("the question is our own"),
            Some(_) => {}
            None => drop(self.open_proposal(about, done)?),
        }
        self.once(about, |act| matches!(act, Act::Objection { .. }), "we object to it already")
    }

    fn check_reply(&self, objection: &Ref) -> Check {
        let acts = self.fold.acts();
        let said = acts.get(&objection.leaf).filter(|said| said.at == *objection);
        let Some(Act::Objection { about, .. }) = said.map(|said| &said.act) else {
            return no("it replies to no objection");
        };
        let proposer = acts.get(&about.leaf).map(|done| &done.by);
        let asker = self.fold.round(&about.leaf).and_then(|round| round.asked()).map(|asked| &asked.asker);
        let me = &self.settings.me;
        if !proposer.or(asker).is_some_and(|author| acts.may_reply(&self.fold, about, author, me)) {
            return no(
                "only whoever proposed or asked it replies, or whoever has a vote and proposes the same",
            );
        }
        self.once(objection, |act| matches!(act, Act::Reply { .. }), "we replied to it already")
    }

    /// It is of a Release, under its purpose's licence, and not written down yet.
    fn check_handover(&self, done: &Done) -> Check {
        let Act::Handover { release, licence, to, receipt } = &done.act else { return Ok(()) };
        let round = released(&self.fold).get(release).copied();
        match round.and_then(|round| check_handover(&self.fold, round, licence)) {
            None => {
                return no(format!("entry {} of {} is no release here", release.index, release.log));
            }
            Some(Err(why)) => return no(why),
            Some(Ok(())) => {}
        }
        let same = |said: &Act| {
            matches!(said, Act::Handover { to: other, receipt: had, .. }
                if other == to && (receipt.is_none() || had.is_some()))
        };
        self.once(release, same, "it is written down already")
    }

    fn check_restriction(&self, target: &crate::acts::Target, done: &Done) -> Check {
        use crate::acts::{RESTRICTION_HOLDS, Target};
        let charter = self.fold.charter_at(&self.settings.me, done.time);
        let known = match target {
            Target::Member(id) => charter.member(id).is_some(),
            Target::Purpose(id) => charter.purpose(id).is_some(),
            Target::Dataset(id) => charter.fields().datasets.iter().any(|dataset| dataset.id == *id),
        };
        let (what, id) = target.parts();
        if !known {
            return no(format!("our charter has no {what} `{id}`"));
        }
        let own = self.fold.acts().all().filter(|said| said.by == self.settings.me && said.act == done.act);
        let own: Vec<&Done> = own.collect();
        if is_one_too_many(&own, done) {
            return no("we restricted it twice within a year: change the charter instead");
        }
        // One that is dated later than now holds here alone: others hear it said again.
        let holds = |said: &&&Done| !is_ahead(said, done.time) && done.time < said.time + RESTRICTION_HOLDS;
        match own.iter().any(|said| holds(&said)) {
            true => no("our restriction of it still holds"),
            false => Ok(()),
        }
    }
}
