//! What a query entry means: its Question is read, checked against its vocabulary and bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::ledger::Account;
use datacoop_policy::query::Query;
use datacoop_policy::question::{Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, QueryId, Time};

use crate::acts::delegations::cite;
use crate::entry::QueryBody;
use crate::json::Value;
use crate::log::tree::sha256;

/// Questions that were asked, by the hash of each and that of its vocabulary: one that is asked every term is
/// read and held once.
#[derive(Clone, Default)]
pub(crate) struct Questions(BTreeMap<(Digest, Digest), Arc<Question>>);

impl Questions {
    fn read(
        &mut self,
        name: (Digest, Digest),
        value: &Value,
        vocabulary: &Vocabulary,
    ) -> Result<Arc<Question>, String> {
        if let Some(known) = self.0.get(&name) {
            return Ok(Arc::clone(known));
        }
        let draft = parse_question(value)?;
        let question = Question::admit(draft, vocabulary).map_err(|error| error.to_string())?;
        let question = Arc::new(question);
        self.0.insert(name, Arc::clone(&question));
        Ok(question)
    }
}

/// Makes a Query of a query entry. Errors: a sentence on what in it is not valid.
pub(crate) fn bind(
    charter: &Charter,
    vocabularies: &BTreeMap<Digest, Arc<Vocabulary>>,
    known: &mut Questions,
    body: &QueryBody,
    id: QueryId,
    asker: &MemberId,
    at: Time,
) -> Result<Query, String> {
    let (hash, dataset) = charter
        .vocabulary(&body.vocabulary)
        .ok_or_else(|| format!("the charter has no vocabulary `{}`", body.vocabulary))?;
    let vocabulary = vocabularies
        .get(&hash)
        .ok_or_else(|| format!("this node lacks vocabulary `{}`; import it", body.vocabulary))?;
    if vocabulary.name() != body.vocabulary || vocabulary.dataset() != dataset.id {
        return Err(format!(
            "the charter lists vocabulary `{}` under another name or dataset",
            body.vocabulary
        ));
    }
    let question_hash = question_hash(&body.question);
    let question = known.read((question_hash, hash), &body.question, vocabulary)?;
    let bound = question.bind_shared(&body.params, body.period).map_err(|error| error.to_string())?;
    Ok(Query {
        id,
        asker: asker.clone(),
        at,
        question: bound,
        question_hash,
        account: Account { dataset: dataset.id.clone(), year: body.period.year() },
        purpose: body.purpose.clone(),
        loss: body.loss,
        mode: body.mode,
        assumed: body.assumed,
        min_roster: body.min_roster,
        join_by: body.join_by,
        contribute_by: body.contribute_by,
        close_by: body.close_by,
        charter: body.charter,
        supersedes: body.supersedes.as_ref().map(|old| old.query),
        // At most 256, each of another log.
        cosigners: u32::try_from(body.cosigners.len()).unwrap_or(u32::MAX),
        delegation: body.delegation.as_ref().map(|at| {
            let mut members = charter.members().iter();
            cite(members.find(|member| *member.keys.log.name == *at.log).map(|member| &member.id), at)
        }),
    })
}

/// SHA-256 of a Question's canonical JSON: its content address.
pub fn question_hash(question: &Value) -> Digest {
    sha256(&[&question.to_bytes()])
}

/// Reads a Question from canonical JSON. Errors: not a Question, or not in its only form.
pub fn parse_question(value: &Value) -> Result<QuestionDraft, String> {
    let draft: QuestionDraft =
        serde_json::from_slice(&value.to_bytes()).map_err(|error| format!("not a question: {error}"))?;
    if question_value(&draft)? != *value {
        return Err("the question is not in its canonical form".into());
    }
    Ok(draft)
}

/// A Question as canonical JSON; what is not set is left out.
pub fn question_value(draft: &QuestionDraft) -> Result<Value, String> {
    let json = serde_json::to_value(draft).map_err(|error| error.to_string())?;
    canonical(json)
}

fn canonical(json: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::String(text) => Value::Str(text),
        Json::Bool(flag) => Value::Int(i64::from(flag)),
        Json::Number(number) => {
            Value::Int(number.as_i64().ok_or("a question holds integers and texts only")?)
        }
        Json::Array(items) => Value::Array(items.into_iter().map(canonical).collect::<Result<_, _>>()?),
        Json::Object(map) => {
            let set = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(k, v)| Ok((k, canonical(v)?))).collect::<Result<_, String>>()?)
        }
        Json::Null => return Err("a question holds no null".into()),
    })
}
