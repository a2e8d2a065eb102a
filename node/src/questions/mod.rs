//! The catalogue: questions people really ask, compiled in, with what is to be said about each beside
//! its definition. Decides nothing; the definitions are judged like anybody else's.
//!
//! `catalogue/*.toml` is what is asked and hashed; `catalogue.toml` is what helps a person find it.

pub mod expected;
pub mod filled;
pub mod period;
pub mod reckon;
mod search;

use std::sync::LazyLock;

use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use serde::Deserialize;

use crate::home::shipped;
pub use search::{Found, search};

/// Definitions, in any order.
const DEFINITIONS: [&str; 31] = [
    include_str!("catalogue/absence-spread.toml"),
    include_str!("catalogue/attainment-gap.toml"),
    include_str!("catalogue/attainment-quartiles.toml"),
    include_str!("catalogue/attendance-gap.toml"),
    include_str!("catalogue/attendance-rate.toml"),
    include_str!("catalogue/attendance-sen.toml"),
    include_str!("catalogue/attendance-week.toml"),
    include_str!("catalogue/attendance-weekday.toml"),
    include_str!("catalogue/authorised-absence.toml"),
    include_str!("catalogue/before-the-break.toml"),
    include_str!("catalogue/birthdays.toml"),
    include_str!("catalogue/cluster-progress.toml"),
    include_str!("catalogue/contact-hours.toml"),
    include_str!("catalogue/english-and-maths.toml"),
    include_str!("catalogue/event-day.toml"),
    include_str!("catalogue/ks2-to-gcse.toml"),
    include_str!("catalogue/lateness.toml"),
    include_str!("catalogue/lives-better.toml"),
    include_str!("catalogue/outcome-cost.toml"),
    include_str!("catalogue/people-reached.toml"),
    include_str!("catalogue/persistent-absence.toml"),
    include_str!("catalogue/prior-attainment-slope.toml"),
    include_str!("catalogue/progress-8.toml"),
    include_str!("catalogue/pupils-like-ours.toml"),
    include_str!("catalogue/referral-sources.toml"),
    include_str!("catalogue/referral-wait.toml"),
    include_str!("catalogue/repeat-incidents.toml"),
    include_str!("catalogue/severe-absence.toml"),
    include_str!("catalogue/suspensions.toml"),
    include_str!("catalogue/term-time-holidays.toml"),
    include_str!("catalogue/year-6-to-7.toml"),
];

/// What the catalogue's questions are about, each with a title.
pub const THEMES: [(&str, &str); 4] = [
    ("attendance", "Being in school, and when not"),
    ("attainment", "Results, and progress towards them"),
    ("behaviour", "Incidents and suspensions"),
    ("people", "People that charities work with"),
];

/// What is said of a question beside its definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The question's name.
    pub id: String,
    /// Its short mark in the catalogue's table, such as A1; a question that was added later has none.
    pub code: Option<String>,
    /// One of [`THEMES`].
    pub theme: String,
    /// The problem of the person who asks.
    pub problem: String,
    /// What such a person would say.
    pub phrases: Vec<String>,
    /// What to do with the answer.
    #[serde(rename = "use")]
    pub answer: String,
    /// Names of questions to look at next.
    pub related: Vec<String>,
    /// Where it is not quite what it seems.
    pub note: Option<String>,
    /// What is usual, for a plan.
    pub usual: Option<reckon::Usual>,
}

/// A question of the catalogue.
#[derive(Clone, Debug)]
pub struct Catalogued {
    /// What is said of it.
    pub about: About,
    /// Its definition as shipped.
    pub toml: &'static str,
    /// Its definition, read.
    pub draft: QuestionDraft,
}

#[derive(Deserialize)]
struct Listed {
    question: Vec<About>,
}

static CATALOGUE: LazyLock<Vec<Catalogued>> = LazyLock::new(|| {
    let listed: Listed =
        toml::from_str(include_str!("catalogue.toml")).expect("INVARIANT: the shipped catalogue reads");
    let read = |text: &'static str| {
        let draft = QuestionDraft::from_toml(text).expect("INVARIANT: each shipped question reads");
        (text, draft)
    };
    let mut definitions: Vec<(&str, QuestionDraft)> = DEFINITIONS.into_iter().map(read).collect();
    let join = |about: About| {
        let at = definitions.iter().position(|(_, draft)| draft.id == about.id);
        let at = at.expect("INVARIANT: the catalogue lists shipped questions, each once");
        let (toml, draft) = definitions.swap_remove(at);
        Catalogued { about, toml, draft }
    };
    listed.question.into_iter().map(join).collect()
});

/// Every question of the catalogue, in its order.
pub fn catalogue() -> &'static [Catalogued] {
    &CATALOGUE
}

/// The question of this name, or with this mark in the catalogue's table.
pub fn named(name: &str) -> Option<&'static Catalogued> {
    let marked = |about: &About| about.code.as_deref().is_some_and(|code| code.eq_ignore_ascii_case(name));
    catalogue().iter().find(|question| question.about.id == name || marked(&question.about))
}

/// The shipped vocabulary of this name, such as `attendance/1`.
pub fn shipped_vocabulary(name: &str) -> Option<Vocabulary> {
    let mut all = shipped().iter().map(|(_, (_, vocabulary))| vocabulary.as_ref());
    all.find(|vocabulary| vocabulary.name() == name).cloned()
}
