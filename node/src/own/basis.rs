//! What a Release follows from, as every member holds it: the Query's question, the noisy sums and the
//! scale of their noise. Public inside the cluster; no own figure.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use datacoop_policy::derive::derive;
use datacoop_policy::query::NoiseScale;
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::{Day, MemberId, Period};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::certificate::is_witnessed;
use crate::figure::Figure;
use crate::figure::released::Released;
use crate::home::{Home, MemberIdText};
use crate::own::beside::Beside;
use crate::view::release_json;

/// What the running node tells its own command line about a released Query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BasisText {
    schema: String,
    /// Whether the co-operative is a made-up one.
    pub demo: bool,
    me: MemberIdText,
    counts_us: bool,
    question: QuestionDraft,
    vocabulary: String,
    params: BTreeMap<String, String>,
    period: String,
    purpose: String,
    /// The day it was asked on: consent counts as of then.
    asked: String,
    noise_std: NonZeroU32,
    doublings: u32,
    accepted: u32,
    roster: usize,
    certificate: String,
    sums: Vec<i64>,
    /// The Release as programs read it.
    pub release: Value,
}

/// What stands for the certificate of a release that a quorum has not cosigned all of yet.
pub const NOT_WITNESSED: &str = "not yet witnessed";

impl Basis {
    /// Of a round; `None` unless it was released.
    pub fn of(member: &Member, round: &Round) -> Option<Self> {
        let (fold, me) = (member.fold(), member.me());
        let (plan, (_, released)) = (round.plan()?, round.released()?);
        Some(Self {
            me: me.clone(),
            counts_us: released.accepted.contains(me),
            question: plan.query.question.clone(),
            purpose: plan.query.purpose.clone(),
            asked: plan.query.at.day(),
            noise: NoiseScale { noise_std: plan.noise.noise_std, doublings: plan.noise.doublings },
            accepted: u32::try_from(released.accepted.len()).ok()?,
            roster: plan.members.len(),
            query: round.id.to_string(),
            certificate: match is_witnessed(member, round) {
                true => round.id.to_string().get(..16)?.to_owned(),
                false => NOT_WITNESSED.into(),
            },
            demo: fold.charter_of(&plan.query.charter).fields().demo,
            sums: released.sums,
        })
    }

    /// The figures of the Release, and of ours beside it where they are given.
    pub fn figures(&self, own: &[Beside]) -> Vec<Figure> {
        let released = derive(&self.question, &self.noise, self.accepted, &self.sums);
        Released {
            question: &self.question,
            figures: &released,
            accepted: self.accepted as usize,
            roster: self.roster,
            query: self.query.clone(),
            certificate: self.certificate.clone(),
            demo: self.demo,
            own,
        }
        .figures()
    }
}

/// What a Release follows from.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Who we are.
    pub me: MemberId,
    /// Whether our own contribution is in the sums.
    pub counts_us: bool,
    /// The Question with the Query's parameters and period.
    pub question: BoundQuestion,
    /// The charter's purpose.
    pub purpose: String,
    /// The day it was asked on.
    pub asked: Day,
    /// Each accepted member's noise.
    pub noise: NoiseScale,
    /// How many contributions are in the sums.
    pub accepted: u32,
    /// Of how many members that took part.
    pub roster: usize,
    /// The Query.
    pub query: String,
    /// The certificate's name, or that a quorum has not cosigned all of it yet.
    pub certificate: String,
    /// Whether the co-operative is a made-up one.
    pub demo: bool,
    /// Noisy sums in scaled steps, groups row-major, measures innermost.
    pub sums: Vec<i64>,
}

impl BasisText {
    /// Of a round; `None` unless it was released.
    pub fn of(member: &Member, round: &Round) -> Option<Self> {
        let basis = Basis::of(member, round)?;
        let charter = member.fold().charter_of(&round.plan()?.query.charter);
        let question = &basis.question;
        let (vocabulary, _) = charter.vocabulary(question.question().vocabulary().name())?;
        Some(Self {
            schema: "datacoop.basis/1".into(),
            demo: basis.demo,
            me: MemberIdText(basis.me),
            counts_us: basis.counts_us,
            question: question.question().draft().clone(),
            vocabulary: vocabulary.to_string(),
            params: question.params().clone(),
            period: question.period().to_string(),
            purpose: basis.purpose,
            asked: basis.asked.to_string(),
            noise_std: basis.noise.noise_std,
            doublings: basis.noise.doublings,
            accepted: basis.accepted,
            roster: basis.roster,
            certificate: basis.certificate,
            sums: basis.sums,
            release: release_json(member.fold(), round)?,
        })
    }

    /// Reads it again, with the vocabularies of this node.
    ///
    /// Errors: this node no longer knows the vocabulary, or what was told does not fit together.
    pub fn read(&self, home: &Home) -> Result<Basis, String> {
        let vocabularies = home.vocabularies().map_err(|error| error.to_string())?;
        let found = vocabularies.iter().find(|(hash, _)| hash.to_string() == self.vocabulary);
        let (_, (_, vocabulary)) = found.ok_or("this node does not know the question's vocabulary")?;
        let question =
            Question::admit(self.question.clone(), vocabulary).map_err(|error| error.to_string())?;
        let period = Period::parse(&self.period).ok_or_else(|| format!("`{}` is no period", self.period))?;
        let question = question.bind(&self.params, period).map_err(|error| error.to_string())?;
        if question.cells() != self.sums.len() {
            return Err(format!("{} sums for {} cells", self.sums.len(), question.cells()));
        }
        Ok(Basis {
            me: self.me.0.clone(),
            counts_us: self.counts_us,
            question,
            purpose: self.purpose.clone(),
            asked: Day::parse(&self.asked).ok_or_else(|| format!("`{}` is no day", self.asked))?,
            noise: NoiseScale { noise_std: self.noise_std, doublings: self.doublings },
            accepted: self.accepted,
            roster: self.roster,
            query: self.release["query"].as_str().unwrap_or_default().to_owned(),
            certificate: self.certificate.clone(),
            demo: self.demo,
            sums: self.sums.clone(),
        })
    }
}
