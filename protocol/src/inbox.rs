//! What a member says to a Query beside `judge`: its person's word, its standing rules, and what holds a verdict
//! until a person speaks. One place, for the member itself and for whoever looks back at what it decided.

use datacoop_policy::MemberId;
use datacoop_policy::inbox::{InboxRules, Way};
use datacoop_policy::limits::Layer;
use datacoop_policy::query::Query;
use datacoop_policy::refusal::{Refusal, Rule};

use crate::entry::Ref;
use crate::fold::Fold;

/// Why a question that all limits allow waits for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hold {
    /// A standing rule asks us first: which, counted from 0; `None` is the default.
    Rule(Option<usize>),
    /// Somebody objects to it, or to the proposal of its question, and whoever asked or proposed it has not
    /// answered.
    Objection {
        /// Who.
        by: MemberId,
        /// In which entry.
        at: Ref,
    },
}

/// Our person's no, or that a standing rule never answers it. What we ask ourselves waits for nobody, and a rule
/// that never answers it holds there too.
pub(crate) fn refusal(rules: &InboxRules, decided: Option<bool>, query: &Query) -> Option<Refusal> {
    let sentence = match (decided, rules.way(query)) {
        (Some(false), _) => "this member's person declined it".to_owned(),
        (Some(true) | None, (Way::Never, place)) => {
            format!("this member never answers it, as {} says", rule_words(place))
        }
        (Some(true) | None, (Way::Accept | Way::Ask, _)) => return None,
    };
    // A veto needs no reason: the log says only that it is not answered here.
    Some(Refusal { rule: Rule::Questions, layer: Layer::Member, sentence, numbers: None })
}

/// What decides in an `inbox.toml`.
pub fn rule_words(place: Option<usize>) -> String {
    place.map_or_else(
        || "the default of inbox.toml".to_owned(),
        |place| format!("rule {} of inbox.toml", place + 1),
    )
}

/// What holds a verdict that would else be yes. Our own question nobody holds, nor one our person said yes to.
pub(crate) fn hold(
    fold: &Fold,
    me: &MemberId,
    rules: &InboxRules,
    decided: Option<bool>,
    query: &Query,
) -> Option<Hold> {
    if query.asker == *me || decided.is_some() {
        return None;
    }
    if let Some(said) = fold.acts().unanswered(fold, query) {
        return Some(Hold::Objection { by: said.by.clone(), at: said.at.clone() });
    }
    match rules.way(query) {
        (Way::Ask, place) => Some(Hold::Rule(place)),
        (Way::Accept | Way::Never, _) => None,
    }
}
