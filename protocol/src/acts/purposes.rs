//! Purposes over their lives: who reviews a proposed one, and what report renews one. Source: CHARTER.md
//! section 4.
//!
//! A proposal's entry names the reviewers that its text names: so everybody, also whoever has not the text, knows
//! whose reviews are waited for, and nobody else's review makes one of them show theirs too early.

use std::collections::BTreeSet;

use datacoop_policy::charter::REVIEWERS;
use datacoop_policy::{Digest, MemberId};

use super::{Act, Acts, Done, is_entitled, parse_member};
use crate::entry::text;
use crate::fold::Fold;
use crate::json::{Fields, JsonError, Value};

/// Why a report renews nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoReport {
    /// No log at hand has a report, or anything else that a member did beside rounds, under that id.
    NotHere,
    /// It is another entry, or by whoever may not report; the end of a sentence on it.
    Wrong(String),
}

impl Acts {
    /// Who reviews a proposed purpose: the members that it names, if they vote, and are of other bodies than its
    /// author and than each other.
    ///
    /// Errors: why nobody does, in a sentence.
    pub fn reviewers<'a>(&self, fold: &Fold, proposal: &'a Done) -> Result<&'a [MemberId], String> {
        let Act::Proposal { reviewers, .. } = &proposal.act else {
            return Err("it is no proposal".to_owned());
        };
        let charter = fold.charter_of_entry(&proposal.by, proposal.time, proposal.at.order());
        let author = charter.member(&proposal.by).map(|member| member.body.as_str());
        let mut bodies: BTreeSet<&str> = author.into_iter().collect();
        for reviewer in reviewers {
            let Some(member) = charter.member(reviewer).filter(|member| member.votes()) else {
                return Err(format!("its reviewer `{reviewer}` is no voting member"));
            };
            if author == Some(member.body.as_str()) {
                return Err(format!(
                    "its reviewer `{reviewer}` is of the body that proposes it; members of other bodies review"
                ));
            }
            if !bodies.insert(&member.body) {
                return Err(format!(
                    "its reviewer `{reviewer}` is of the same body as the other; name members of different bodies"
                ));
            }
        }
        match reviewers.len() == REVIEWERS {
            true => Ok(reviewers),
            false => Err("new purposes alone are reviewed".to_owned()),
        }
    }

    /// Whether every reviewer of a proposed purpose has shown what it found.
    pub fn is_reviewed(&self, fold: &Fold, proposal: &Done) -> bool {
        self.reviews(fold, proposal).iter().filter(|review| review.opened.is_some()).count() >= REVIEWERS
    }

    /// The report that renews a purpose: one about it, by whoever may report.
    pub fn report_on(&self, fold: &Fold, purpose: &str, report: &Digest) -> Result<&Done, NoReport> {
        let wrong = |text: String| Err(NoReport::Wrong(text));
        let done = self.get(report).ok_or(NoReport::NotHere)?;
        let Act::Report { purpose: of, .. } = &done.act else {
            return wrong(format!("is a {}, no report", done.act.kind()));
        };
        match is_entitled(fold, done) {
            _ if of != purpose => wrong(format!("is about the purpose `{of}`")),
            false => wrong(format!("is by `{}`, who may not report", done.by)),
            true => Ok(done),
        }
    }
}

pub(super) fn reviewers_value(reviewers: &[MemberId]) -> Value {
    Value::Array(reviewers.iter().map(|reviewer| text(reviewer.as_str())).collect())
}

/// The two reviewers of a purpose.
pub(super) fn parse_reviewers(fields: &mut Fields) -> Result<Vec<MemberId>, JsonError> {
    let named = fields.array("reviewers")?.into_iter().map(|value| match value {
        Value::Str(id) => parse_member(&id, "reviewers"),
        Value::Int(_) | Value::Array(_) | Value::Object(_) => Err(JsonError::new("expected member ids")),
    });
    let reviewers: Vec<MemberId> = named.collect::<Result<_, _>>()?;
    let distinct: BTreeSet<&MemberId> = reviewers.iter().collect();
    match (reviewers.len(), distinct.len()) {
        (REVIEWERS, REVIEWERS) => Ok(reviewers),
        _ => Err(JsonError::new("`reviewers` names two different members")),
    }
}
