//! Proposals, objections, reviews, reports and restrictions as JSON: what the command line prints, and what
//! pages may. Texts lie in blobs, beside the log: where one has not arrived yet, that is said.

use std::path::Path;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, MemberId, Time};
use datacoop_protocol::acts::{
    Act, Blocked, Done, Objection, PROPOSAL_OPEN, Restriction, Reviewed, State, Subject, blob_text,
};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use serde_json::{Value, json};

use super::draft::{Draft, Vocabularies, What};
use crate::blobs::Blobs;
use crate::follow::clock_text;

/// Everything that members did beside rounds, without the texts.
pub struct Listed {
    json: Value,
    drafts: Vec<Proposed>,
}

/// A proposal's draft, to be read from its blob.
struct Proposed {
    what: What,
    hash: Digest,
    text: Digest,
    /// The versions up to the one that it is made under, or, where that is not held, all.
    chain: Vec<Arc<Charter>>,
    /// As its entry names them.
    reviewers: Vec<MemberId>,
}

pub(crate) fn name(fold: &Fold, id: &MemberId) -> String {
    fold.charter().member(id).map_or_else(|| id.to_string(), |member| member.name.clone())
}

fn by_json(fold: &Fold, done: &Done) -> Value {
    json!({
        "id": done.at.leaf.to_string(),
        "log": done.at.log,
        "index": done.at.index,
        "member": done.by.to_string(),
        "name": name(fold, &done.by),
        "at": done.time.seconds(),
        "time": clock_text(done.time),
    })
}

fn with(mut json: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (json.as_object_mut(), more) {
        fields.extend(more);
    }
    json
}

/// An objection with its answer.
pub(crate) fn objection_json(fold: &Fold, Objection { said, reply }: &Objection<'_>) -> Value {
    let reply = reply.map(|reply| with(by_json(fold, reply), text_json(&reply.act)));
    with(with(by_json(fold, said), text_json(&said.act)), json!({ "reply": reply }))
}

fn text_json(act: &Act) -> Value {
    json!({ "text_hash": act.text().map(|hash| hash.to_string()) })
}

fn review_json(fold: &Fold, review: &Reviewed<'_>, all_shown: bool) -> Value {
    let shown = review.opened.filter(|_| all_shown).map(|(at, findings)| {
        json!({ "id": at.leaf.to_string(), "benefit": findings.benefit.code(), "harm": findings.harm.code(),
                "least_data": findings.least_data.code(), "text_hash": findings.text.to_string() })
    });
    let bound = fold.acts().get(&review.bound.leaf);
    with(
        bound.map_or(Value::Null, |done| by_json(fold, done)),
        json!({ "opened": review.opened.is_some(), "shown": shown }),
    )
}

/// Why nobody's program signs a proposal yet.
pub fn blocked_json(fold: &Fold, blocked: &Blocked) -> Value {
    let made = fold.acts().get(&blocked.objection.leaf).map(|done| done.time);
    json!({ "member": blocked.by.to_string(), "name": name(fold, &blocked.by),
            "objection": blocked.objection.leaf.to_string(), "since": made.map(clock_text),
            "until": clock_text(blocked.until), "answered": blocked.answered,
            "awaits_answer": blocked.awaits_answer })
}

/// One proposal and all that was said of it; `None` of what is none.
fn proposal_json(fold: &Fold, me: &MemberId, done: &Done, now: Time) -> Option<(Value, Proposed)> {
    let Act::Proposal { subject, draft, text, charter, replaces, reviewers } = &done.act else { return None };
    let acts = fold.acts();
    let state = acts.state(fold, done, now)?;
    let parent = fold.charter_named(charter);
    let cosigners: Vec<Value> =
        acts.cosigners(fold, done).into_values().map(|said| by_json(fold, said)).collect();
    let objections = acts.objections(fold, &done.at, &done.by);
    let reviews = acts.reviews(fold, done);
    // Until all are shown, none is.
    let all_shown = acts.is_reviewed(fold, done);
    let blocked = acts.blocked(fold, done, now).filter(|_| state == State::Open);
    let later = acts.on(&done.at).filter(|said| matches!(said.act, Act::Proposal { .. }));
    let later: Vec<String> = later.map(|said| said.at.leaf.to_string()).collect();
    let (what, id) = (What::of(subject), subject.id());
    let open_until = done.time + PROPOSAL_OPEN;
    let json = json!({
        "what": what.code(),
        "names": id,
        "state": state.code(),
        "why_stale": (state == State::Stale).then(|| why_stale(now, open_until)),
        "open_until": clock_text(open_until),
        "charter": { "hash": charter.to_string(), "version": parent.map(|charter| charter.version()) },
        "draft": draft.to_string(),
        "text_hash": text.to_string(),
        "instead_of": replaces.as_ref().map(|old| old.leaf.to_string()),
        "other_wordings": later,
        "cosigners": cosigners,
        "objections": objections.iter().map(|one| objection_json(fold, one)).collect::<Vec<_>>(),
        "reviewers": reviewers.iter().map(|id| json!({ "member": id.to_string(), "name": name(fold, id) })).collect::<Vec<_>>(),
        "unreviewable": acts.reviewers(fold, done).err().filter(|_| what == What::Purpose),
        "reviews": reviews.iter().map(|one| review_json(fold, one, all_shown)).collect::<Vec<_>>(),
        "blocked": blocked.map(|blocked| blocked_json(fold, &blocked)),
        "can": can(fold, me, done, state, now),
    });
    let all = fold.charters();
    let held = all.iter().position(|version| version.hash() == *charter).map_or(all.len(), |place| place + 1);
    let reviewers = reviewers.clone();
    let proposed = Proposed { what, hash: *draft, text: *text, chain: all[..held].to_vec(), reviewers };
    Some((with(by_json(fold, done), json), proposed))
}

fn why_stale(now: Time, open_until: Time) -> &'static str {
    match now > open_until {
        true => "its 60 days are over",
        false => "the charter that it was made under was replaced",
    }
}

/// What our member can do about a proposal now, by command.
fn can(fold: &Fold, me: &MemberId, done: &Done, state: State, now: Time) -> Vec<&'static str> {
    let charter = fold.charter_at(me, now);
    let Some(own) = charter.member(me).filter(|_| state == State::Open) else { return vec![] };
    let may = |act: &Act| act.is_for(own);
    let did = |is: fn(&Act) -> bool| fold.acts().on(&done.at).any(|said| said.by == *me && is(&said.act));
    let at = &done.at;
    let answers = fold.acts().may_reply(fold, at, &done.by, me);
    let open = fold.acts().objections(fold, at, &done.by).iter().any(|one| one.reply.is_none());
    let mut can = vec![(answers && open, "reply")];
    if done.by == *me {
        can.push((true, "withdraw"));
    } else {
        let text = Digest::default();
        let cosign = may(&Act::Cosign { proposal: at.clone() });
        let object = may(&Act::Objection { about: at.clone(), text });
        let review = may(&Act::Review { proposal: at.clone(), hash: text });
        let named = fold.acts().reviewers(fold, done).is_ok_and(|reviewers| reviewers.contains(me));
        can.extend([
            (cosign && !did(|act| matches!(act, Act::Cosign { .. })), "support"),
            (object && !did(|act| matches!(act, Act::Objection { .. })), "object"),
            (review && named && !did(|act| matches!(act, Act::Review { .. })), "review"),
        ]);
    }
    let Act::Proposal { subject, .. } = &done.act else { return vec![] };
    use datacoop_policy::charter::Role;
    let signs = matches!(subject, Subject::Charter(_)) && own.votes();
    let delegated = || !fold.acts().usable(fold, me, now).is_empty();
    let asks = matches!(subject, Subject::Question(_)) && (own.has(Role::Coordinator) || delegated());
    let blocked = fold.acts().blocked(fold, done, now).is_some();
    can.extend([(signs && !blocked, "sign"), (asks, "ask")]);
    can.into_iter().filter(|(may, _)| *may).map(|(_, what)| what).collect()
}

fn restriction_json(fold: &Fold, wanted: &Restriction<'_>, needed: u32) -> Value {
    let (what, id) = wanted.target.parts();
    let body = |done: &Done| {
        let member = fold.charter().member(&done.by);
        json!({ "body": member.map(|member| member.body.clone()) })
    };
    json!({
        "what": what,
        "id": id,
        "in_force": wanted.until.is_some(),
        "until": wanted.until.map(clock_text),
        "bodies": wanted.bodies,
        "needed": needed,
        "by": wanted.by.iter().map(|done| with(by_json(fold, done), body(done))).collect::<Vec<_>>(),
    })
}

fn report_json(fold: &Fold, done: &Done) -> Option<Value> {
    let Act::Report { purpose, releases, outcome, .. } = &done.act else { return None };
    let query = |at: &Ref| {
        let mut rounds = fold.rounds().values();
        let found = rounds.find(|round| round.released().is_some_and(|(logged, _)| logged.at == *at));
        found.map(|round| round.id.to_string())
    };
    let more = json!({ "purpose": purpose, "outcome": outcome.code(),
                       "queries": releases.iter().map(query).collect::<Vec<_>>() });
    Some(with(with(by_json(fold, done), text_json(&done.act)), more))
}

/// Objections to questions that were asked.
fn query_objections(fold: &Fold) -> Vec<Value> {
    let asked = fold.rounds().values().filter_map(|round| round.asked());
    let of = asked.flat_map(|asked| {
        let objections = fold.acts().objections(fold, &asked.at, &asked.asker);
        let title = asked.query.as_ref().ok().map(|query| query.question.question().title().to_owned());
        let about = json!({ "query": asked.at.leaf.to_string(), "title": title,
                            "asker": asked.asker.to_string() });
        objections
            .into_iter()
            .map(move |one| with(objection_json(fold, &one), about.clone()))
            .collect::<Vec<_>>()
    });
    of.collect()
}

/// What waits for a word of ours, for `status`: open proposals of others that we neither support nor object
/// to, objections to ours that we did not answer, and how many restrictions are in force.
pub fn waiting(member: &Member, now: Time) -> Value {
    let (fold, me, acts) = (member.fold(), member.me(), member.fold().acts());
    let open = acts.proposals().filter(|done| acts.state(fold, done, now) == Some(State::Open));
    let (ours, others): (Vec<&Done>, Vec<&Done>) = open.partition(|done| done.by == *me);
    let silent = others.iter().filter(|done| !acts.on(&done.at).any(|said| said.by == *me)).count();
    let objections = ours.iter().flat_map(|done| acts.objections(fold, &done.at, me));
    let restrictions = acts.restrictions(fold, me, now);
    json!({
        "open": ours.len() + others.len(),
        "silent": silent,
        "unanswered": objections.filter(|one| one.reply.is_none()).count(),
        "paused": restrictions.iter().filter(|one| one.until.is_some()).count(),
    })
}

impl Listed {
    /// All proposals, the newest first; the restrictions; the reports; and objections to questions.
    pub fn all(member: &Member, now: Time) -> Self {
        let (fold, me) = (member.fold(), member.me());
        let mut found: Vec<(Time, Value, Proposed)> = vec![];
        for done in fold.acts().proposals() {
            let shown = proposal_json(fold, me, done, now);
            found.extend(shown.map(|(json, draft)| (done.time, json, draft)));
        }
        found.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
        let charter = fold.charter_at(me, now);
        let needed = charter.fields().restrict;
        let wanted = fold.acts().restrictions(fold, me, now);
        let mut reports: Vec<&Done> =
            fold.acts().all().filter(|done| matches!(done.act, Act::Report { .. })).collect();
        reports.sort_by_key(|done| std::cmp::Reverse(done.time));
        let (proposals, drafts): (Vec<Value>, Vec<Proposed>) =
            found.into_iter().map(|(_, json, draft)| (json, draft)).unzip();
        let json = json!({
            "schema": "datacoop.proposals/1",
            "demo": charter.fields().demo,
            "member": me.to_string(),
            "body": charter.member(me).map(|member| member.body.clone()),
            "restrict": needed,
            "proposals": proposals,
            "restrictions": wanted.iter().map(|one| restriction_json(fold, one, needed)).collect::<Vec<_>>(),
            "reports": reports.iter().filter_map(|done| report_json(fold, done)).collect::<Vec<_>>(),
            "objections_to_questions": query_objections(fold),
        });
        Self { json, drafts }
    }

    /// One proposal. `None` of what is none.
    pub fn one(member: &Member, at: &Ref, now: Time) -> Option<Self> {
        let (fold, me) = (member.fold(), member.me());
        let done = fold.acts().get(&at.leaf)?;
        let (json, draft) = proposal_json(fold, me, done, now)?;
        let demo = fold.charter().fields().demo;
        let head = json!({ "schema": "datacoop.proposal/1", "demo": demo, "member": me.to_string(), "proposals": [json] });
        Some(Self { json: head, drafts: vec![draft] })
    }

    /// With the titles of the drafts. Reads blobs: not to be done while a node waits.
    pub fn with_titles(mut self, folder: &Path, known: &Vocabularies) -> Value {
        let blobs = Blobs::kept(folder);
        let drafts = std::mem::take(&mut self.drafts);
        for (place, proposed) in drafts.iter().enumerate() {
            let read = read_draft(&blobs, proposed, known);
            let shown = match &read {
                Ok(draft) => json!({ "title": draft.title, "problem": null }),
                Err(why) => json!({ "title": null, "problem": why }),
            };
            if let Some(json) = self.json["proposals"].get_mut(place) {
                *json = with(json.take(), shown);
            }
        }
        self.json
    }

    /// The one proposal with all its texts. Reads blobs.
    pub fn with_texts(mut self, folder: &Path, known: &Vocabularies) -> Value {
        let blobs = Blobs::kept(folder);
        let mut proposal = self.json["proposals"][0].take();
        add_texts(&mut proposal, &blobs);
        let read = self.drafts.first().map(|proposed| read_draft(&blobs, proposed, known));
        let shown = match read {
            Some(Ok(draft)) => json!({ "title": draft.title, "text": draft.text, "lines": draft.lines,
                                       "means": draft.json, "problem": null }),
            Some(Err(why)) => json!({ "title": null, "lines": [], "means": null, "problem": why }),
            None => json!({}),
        };
        let head = json!({ "schema": self.json["schema"], "demo": self.json["demo"] });
        with(with(head, proposal), shown)
    }
}

/// The draft as everybody reads it: what the log names, or why it is not to be read.
fn read_draft(blobs: &Blobs, proposed: &Proposed, known: &Vocabularies) -> Result<Draft, String> {
    let blob = blobs.get(&proposed.text).map_err(|error| error.to_string())?;
    let blob = blob.ok_or("its text has not arrived here yet")?;
    let text = blob_text(&blob).ok_or("its text is no text")?;
    let draft = Draft::read(proposed.what, text, &proposed.chain, known)
        .map_err(|why| format!("its text cannot be read here: {why}"))?;
    match draft.hash == proposed.hash && draft.reviewers == proposed.reviewers {
        true => Ok(draft),
        false => Err("its text is not the draft that its entry names: do not sign or support it".into()),
    }
}

/// Puts its text beside every hash of one; nothing where it has not arrived.
pub(crate) fn add_texts(json: &mut Value, blobs: &Blobs) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| add_texts(item, blobs)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| add_texts(value, blobs));
            let hash = fields.get("text_hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
            let Some(hash) = hash else { return };
            let blob = blobs.get(&hash).ok().flatten();
            let text = blob.as_deref().and_then(blob_text).map(str::to_owned);
            fields.insert("text".into(), json!(text));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
