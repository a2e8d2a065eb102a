//! What is proposed, read from its text: by whoever proposes it and again by everybody who reads the proposal.
//! Must not know who proposes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, CharterDraft, Purpose, class_of};
use datacoop_policy::question::{Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Digest, MemberId, PrivacyLoss};
use datacoop_protocol::acts::Subject;
use datacoop_protocol::charter_text::{
    Amendment, TextError, bare_text, charter_toml, open_amendment, parse_charter, parse_purpose_text,
};
use datacoop_protocol::fold::{question_hash, question_value};
use datacoop_protocol::log::tree::sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::loss::Reading;

/// What kind of thing is proposed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A question that somebody may then ask.
    Question,
    /// A purpose that a next version of the charter may then have.
    Purpose,
    /// The next version of the charter.
    Charter,
}

/// A draft that reads.
pub struct Draft {
    /// What it is, and its id.
    pub subject: Subject,
    /// Names it in the log.
    pub hash: Digest,
    /// Its text, without signatures.
    pub text: String,
    /// Its title.
    pub title: String,
    /// What it comes to, for people, a line each.
    pub lines: Vec<String>,
    /// The same for programs.
    pub json: Value,
    /// Of a purpose, who reviews it.
    pub reviewers: Vec<MemberId>,
}

/// The vocabularies a node knows, by hash.
pub type Vocabularies = BTreeMap<Digest, (String, Arc<Vocabulary>)>;

impl What {
    /// As in an entry.
    pub fn code(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Purpose => "purpose",
            Self::Charter => "charter",
        }
    }

    /// Of what is proposed in an entry.
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Question(_) => Self::Question,
            Subject::Purpose(_) => Self::Purpose,
            Subject::Charter(_) => Self::Charter,
        }
    }
}

impl Draft {
    /// Reads a draft as the command that would use it does; the last version of the chain is the one that it is
    /// proposed under.
    ///
    /// Errors: what is wrong with the text.
    pub fn read(
        what: What,
        text: &str,
        chain: &[Arc<Charter>],
        vocabularies: &Vocabularies,
    ) -> Result<Self, String> {
        match what {
            What::Question => read_question(text, vocabularies),
            What::Purpose => read_purpose(text, chain),
            What::Charter => read_charter(text, chain),
        }
    }
}

fn read_question(text: &str, vocabularies: &Vocabularies) -> Result<Draft, String> {
    let draft = QuestionDraft::from_toml(text).map_err(|error| error.0)?;
    let known = || vocabularies.values().map(|(_, vocabulary)| vocabulary);
    let vocabulary = known().find(|known| known.name() == draft.vocabulary).ok_or_else(|| {
        let names: Vec<&str> = known().map(|known| known.name()).collect();
        format!("this node knows no vocabulary `{}`; it knows {}", draft.vocabulary, names.join(", "))
    })?;
    let value = question_value(&draft)?;
    let question = Question::admit(draft, vocabulary).map_err(|error| error.0)?;
    let draft = question.draft();
    let loss = Reading::of(PrivacyLoss::from_nano(u64::try_from(draft.loss).unwrap_or(0)));
    let measured: Vec<String> =
        draft.measure.iter().map(|measure| format!("{} = {}", measure.name, measure.sql)).collect();
    let by: Vec<&str> = question.groupings().iter().map(|by| by.name.as_str()).collect();
    let mut lines = vec![
        format!("figure     {} of {}", draft.figure.kind, draft.vocabulary),
        format!("measures   {}", measured.join("; ")),
        format!("split by   {}", if by.is_empty() { "nothing".to_owned() } else { by.join(", ") }),
        format!(
            "costs      rho {} unless it is asked at another",
            loss.json()["rho"].as_str().unwrap_or("?")
        ),
    ];
    lines.extend(draft.cannot_tell.iter().map(|limit| format!("not told   {limit}")));
    Ok(Draft {
        hash: question_hash(&value),
        text: text.to_owned(),
        title: draft.title.clone(),
        lines,
        json: json!({ "vocabulary": draft.vocabulary, "figure": draft.figure.kind, "split_by": by,
                      "loss": loss.json() }),
        subject: Subject::Question(draft.id.clone()),
        reviewers: vec![],
    })
}

/// The version that follows with this purpose in it, and nothing else changed. Where the others leave it no
/// room, what they would have to change is an error for whoever writes that version, and none of the purpose.
///
/// Errors: no charter may have it.
fn with_purpose(
    purpose: &Purpose,
    chain: &[Arc<Charter>],
) -> Result<Result<Amendment, TextError>, TextError> {
    let parent = chain.last().ok_or_else(|| TextError("there is no charter to add it to".into()))?;
    let mut draft = parent.fields().clone();
    (draft.version, draft.prev) = (parent.version() + 1, Some(parent.hash()));
    let alone = CharterDraft { purposes: vec![purpose.clone()], ..draft.clone() };
    parse_charter(&charter_toml(&alone))?;
    match draft.purposes.iter_mut().find(|known| known.id == purpose.id) {
        Some(known) => *known = purpose.clone(),
        None => draft.purposes.push(purpose.clone()),
    }
    Ok(open_amendment(&charter_toml(&draft), chain))
}

fn read_purpose(text: &str, chain: &[Arc<Charter>]) -> Result<Draft, String> {
    let purpose = parse_purpose_text(text).map_err(|error| error.to_string())?;
    let amendment = with_purpose(&purpose, chain).map_err(|error| error.to_string())?;
    let reviewers: Vec<&str> = purpose.reviewers.iter().map(|id| id.as_str()).collect();
    let named = |id: &MemberId| {
        let known = chain.last().and_then(|charter| charter.member(id));
        known.map_or_else(|| id.to_string(), |member| member.name.clone())
    };
    let names: Vec<String> = purpose.reviewers.iter().map(named).collect();
    let mut lines = vec![
        format!("in short   {}", purpose.plain),
        format!("affects    {}", purpose.affected),
        format!("heard      {}", purpose.heard),
        format!("not for    {}", purpose.not_for.join("; ")),
        format!(
            "paid by    {}",
            if purpose.funders.is_empty() {
                "nobody is named".to_owned()
            } else {
                purpose.funders.join("; ")
            }
        ),
        format!("open       {} to {}; report by {}", purpose.starts, purpose.expires, purpose.report_due),
        format!("reviewers  {}", names.join(", ")),
    ];
    lines.extend(purpose.report.map(|report| format!("renewed    by report {}", report.short())));
    let (more, means) = match &amendment {
        Ok(amendment) => (changes(amendment)?, changes_json(amendment)),
        Err(why) => (vec![format!("but first  {why}")], vec![]),
    };
    lines.extend(more);
    Ok(Draft {
        hash: sha256(&[text.as_bytes()]),
        text: text.to_owned(),
        title: purpose.title.clone(),
        lines,
        json: json!({ "plain": purpose.plain, "affected": purpose.affected, "heard": purpose.heard,
                      "not_for": purpose.not_for, "funders": purpose.funders, "starts": purpose.starts.to_string(),
                      "expires": purpose.expires.to_string(), "report_due": purpose.report_due.to_string(),
                      "reviewers": reviewers, "changes": means,
                      "but_first": amendment.err().map(|why| why.to_string()) }),
        subject: Subject::Purpose(purpose.id),
        reviewers: purpose.reviewers,
    })
}

fn read_charter(text: &str, chain: &[Arc<Charter>]) -> Result<Draft, String> {
    let amendment = open_amendment(text, chain).map_err(|error| error.to_string())?;
    let charter = &amendment.charter;
    Ok(Draft {
        subject: Subject::Charter(charter.version().to_string()),
        reviewers: vec![],
        hash: charter.hash(),
        text: bare_text(text).to_owned(),
        title: format!("version {} of the charter of {}", charter.version(), charter.fields().name),
        lines: changes(&amendment)?,
        json: json!({ "version": charter.version(), "class": class_of(&amendment.changes).code(),
                      "changes": changes_json(&amendment) }),
    })
}

fn changes(amendment: &Amendment) -> Result<Vec<String>, String> {
    let lines = amendment.changes.iter();
    let lines: Vec<String> =
        lines.map(|change| format!("{:<10} {}", change.class.code(), change.text)).collect();
    match lines.is_empty() {
        true => Err(format!("it changes nothing of version {}", amendment.charter.version() - 1)),
        false => Ok(lines),
    }
}

fn changes_json(amendment: &Amendment) -> Vec<Value> {
    let changes = amendment.changes.iter();
    changes.map(|change| json!({ "class": change.class.code(), "text": change.text })).collect()
}
