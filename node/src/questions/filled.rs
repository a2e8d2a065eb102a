//! A question with everything that was left out filled in, from the command line or from a page.

use std::collections::BTreeMap;

use datacoop_policy::question::{Question, QuestionDraft, QuestionError, tidy_params};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period};

use super::period::default_period;

/// What somebody chose.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The days; the last whole period of the question's kind, if left out.
    pub period: Option<Period>,
    /// Parameters, as typed.
    pub params: BTreeMap<String, String>,
    /// Optional groupings that are asked for.
    pub by: Vec<String>,
    /// Columns narrowed to some of their values.
    pub narrow: BTreeMap<String, Vec<String>>,
}

/// What is to be asked.
#[derive(Clone, Debug)]
pub struct FilledIn {
    /// The question.
    pub question: Question,
    /// Parameters, choices among them.
    pub params: BTreeMap<String, String>,
    /// The days.
    pub period: Period,
    /// What the period is called that nobody chose.
    pub default_period: Option<String>,
}

/// Fills in what was left out.
///
/// Errors: the question does not fit its vocabulary, or a choice is none that it offers.
pub fn fill_in(
    draft: QuestionDraft,
    vocabulary: &Vocabulary,
    given: Given,
    today: Day,
) -> Result<FilledIn, QuestionError> {
    let question = Question::admit(draft, vocabulary)?;
    let kind = question.draft().period.as_deref().unwrap_or("year");
    let (period, default_period) = match given.period {
        Some(period) => (period, None),
        None => {
            let (period, name) = default_period(kind, vocabulary.date_column().is_some(), today);
            (period, Some(name))
        }
    };
    let mut params = tidy_params(question.draft(), &given.params);
    params.extend(question.choices(&given.by, &given.narrow)?);
    Ok(FilledIn { question, params, period, default_period })
}
