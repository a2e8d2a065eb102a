//! What a member does with a question of others that every limit allows: answers it, asks its person first,
//! or never answers it. Comes after `judge`, so it can loosen nothing. Public facts of the Query alone decide,
//! never rows (CHARTER.md F8).

use crate::limits::Set;
use crate::loss::PrivacyLoss;
use crate::query::Query;

/// What is done with a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// It is answered: nobody is asked.
    Accept,
    /// It waits for a person's yes until its time to join is over. Silence is never yes.
    Ask,
    /// It is refused.
    Never,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Ask, Self::Never];

    /// As written in a file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Ask => "ask",
            Self::Never => "never",
        }
    }
}

/// What is done with the questions that all its conditions fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxRule {
    /// Purposes.
    pub purposes: Set,
    /// Ids of questions.
    pub questions: Set,
    /// Datasets.
    pub datasets: Set,
    /// Ids of members that ask.
    pub askers: Set,
    /// The most that a question costs which it fits.
    pub rho_query: PrivacyLoss,
    /// What is done with it.
    pub then: Way,
}

impl InboxRule {
    /// A rule that fits every question.
    pub fn any(then: Way) -> Self {
        let (all, rho_query) = (Set::all, PrivacyLoss::from_nano(u64::MAX));
        Self { purposes: all(), questions: all(), datasets: all(), askers: all(), rho_query, then }
    }

    fn fits(&self, query: &Query) -> bool {
        self.purposes.holds(&query.purpose)
            && self.questions.holds(query.question.question().id())
            && self.datasets.holds(&query.account.dataset)
            && self.askers.holds(query.asker.as_str())
            && query.loss <= self.rho_query
    }
}

/// A member's standing rules: the first that fits decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxRules {
    /// In order.
    pub rules: Vec<InboxRule>,
    /// What is done with a question that none of them fits.
    pub default: Way,
}

impl Default for InboxRules {
    /// Accept within limits: what a member does whose person wrote no rules.
    fn default() -> Self {
        Self { rules: vec![], default: Way::Accept }
    }
}

impl InboxRules {
    /// What is done with a question, and by which rule, counted from 0; `None` by the default.
    pub fn way(&self, query: &Query) -> (Way, Option<usize>) {
        let found = self.rules.iter().enumerate().find(|(_, rule)| rule.fits(query));
        found.map_or((self.default, None), |(place, rule)| (rule.then, Some(place)))
    }
}
