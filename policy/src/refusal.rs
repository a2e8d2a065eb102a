//! A Refusal: which rule says no, who set it, and the sentence people read.

use std::fmt;

use crate::limits::Layer;

macro_rules! rules {
    ($($variant:ident = $code:literal, $doc:literal;)+) => {
        /// The closed list of rules, in the order in which `judge` reads them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Rule { $(#[doc = $doc] $variant,)+ }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What it means, in a sentence of its own: for a refusal of which no more is known.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }

            /// The closed code an entry carries.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Reads `code`.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|rule| rule.code() == code)
            }
        }
    };
}

rules! {
    CharterVersion = "charter_version", "The Query was asked under another charter.";
    CharterExpired = "charter_expired", "The charter's time is over.";
    CharterStale = "charter_stale", "Too few members were heard of lately.";
    CharterConflict = "charter_conflict", "Two rival charters exist.";
    Clock = "clock", "Its clock disagrees with most other members' clocks.";
    Asker = "asker", "The asker may not ask.";
    Window = "window", "Deadlines or period make no sense.";
    Attempt = "attempt", "It was answered twice already.";
    Purposes = "purposes", "The purpose is not open.";
    Questions = "questions", "The question is not answered.";
    Datasets = "datasets", "The dataset is not open.";
    Columns = "columns", "A column may not be used.";
    GroupBy = "group_by", "Results may not be split so.";
    NotBefore = "not_before", "Too early.";
    NotAfter = "not_after", "Too late.";
    MaxCells = "max_cells", "Too many cells.";
    FullNoise = "full_noise", "Noised figures of one member would show.";
    Answered = "answered", "There is a Release already.";
    Supersedes = "supersedes", "What it would supersede it may not.";
    MinCosigners = "min_cosigners", "Too few co-signers.";
    RhoQuery = "rho_query", "The Query costs too much.";
    RhoPurpose = "rho_purpose", "The purpose has too little left.";
    RhoYear = "rho_year", "The year has too little left.";
    TwoHistories = "two_histories", "The asker signed two histories of its log, or the member did.";
    NoData = "no_data", "The member declared no such data.";
    MemberFact = "member_fact", "It describes the member wrongly.";
    Roster = "roster", "The Roster is not lawful.";
    MinRoster = "min_roster", "Too few members.";
    MinBodies = "min_bodies", "Too few bodies.";
    BodyShare = "body_share", "One body holds too many places.";
    MinPeople = "min_people", "Too few people.";
    MinStep = "min_step", "Too few bodies would be singled out.";
}

impl Rule {
    /// Whether it depends on what the member holds: an audit counts such refusals, never judges them.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Clock | Self::TwoHistories | Self::NoData | Self::MemberFact)
    }
}

/// Policy says no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The first rule that fails.
    pub rule: Rule,
    /// The first layer that fails it alone.
    pub layer: Layer,
    /// What happened, in a sentence without its full stop; from public facts only.
    pub sentence: String,
    /// What was asked and what is allowed, of a rule that compares two numbers.
    pub numbers: Option<Numbers>,
}

/// What a rule compared: billionths of rho under a rule of loss, else a count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    /// What the Query asks for or its Roster has.
    pub asked: u64,
    /// The most, or the least, that is allowed; of a loss, what is left.
    pub limit: u64,
}

impl Refusal {
    /// For the person who is told: "Refused: {sentence} Set by {layer}."
    pub fn told(&self) -> String {
        told(&self.sentence, &self.layer.to_string())
    }
}

/// A refusal for the person who is told, from a sentence and who set the rule.
pub fn told(sentence: &str, set_by: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut letters = sentence.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("Refused: {first}{}. Set by {set_by}.", letters.as_str())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule {}, set by {})", self.sentence, self.rule.code(), self.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_code(rule.code()), Some(*rule));
        }
        assert_eq!(Rule::from_code("because"), None);
    }
}
