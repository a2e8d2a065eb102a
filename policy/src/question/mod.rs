//! A Question: what each person contributes, clipped and rounded, and into which cells. It compiles
//! to a vector of bounded integer sums whose sensitivity is exact.
//!
//! `draft` is what people write, `admit`, `grouping`, `everyone` and `figure` check it, `bound` adds a Query's parameters,
//! choices and period, `compile` renders the SQL. Source: DATA section 6.

mod admit;
mod bound;
mod clips;
mod compile;
mod draft;
mod everyone;
mod figure;
mod grouping;
mod number;

use std::collections::BTreeSet;
use std::fmt;

use crate::sql::Expr;
use crate::vocabulary::Vocabulary;

pub use bound::{BoundQuestion, is_choice, tidy_params};
pub use compile::UnitSql;
pub use draft::{
    AtMostDraft, ByDraft, CellsDraft, CentreDraft, FigureDraft, ForDraft, MeasureDraft, Names, QuestionDraft,
};
pub use figure::{Figure, FitOf, Level, MeanOf, RateOf, Whole};
pub use number::{Amount, Measured, NumberText, Ratio};

/// Most cells of a vector: an aggregate share of 16 bytes a cell must fit, base64, in one log entry of
/// 65,535 bytes.
pub const CELLS_MAX: usize = 2_000;
/// Most measures: the richest figure of the catalogue needs six.
pub const MEASURES_MAX: usize = 8;
/// Most dimensions to split by, those that wait for the Query included.
pub const GROUPINGS_MAX: usize = 6;
/// Most narrowings to choose from; a Query's parameters must hold them all.
pub const NARROWINGS_MAX: usize = 6;
/// Most days in one parameter: a year of weeks.
pub const DATES_MAX: usize = 52;
/// Longest title, text or name in bytes.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// Longest Question in bytes: it stands inside a log entry of 65,535.
pub const QUESTION_BYTES_MAX: usize = 32 * 1024;
/// Largest bound of a measure in steps; with a roll of a million people a Tally stays below 2^50.
pub const STEPS_MAX: i64 = 1 << 20;

/// What a period may be called, and the most days of one. A half-term of English schools has at most
/// eight weeks, a term sixteen; both with some days to spare.
pub const PERIODS: [(&str, i64); 5] =
    [("day", 1), ("week", 7), ("half_term", 60), ("term", 120), ("year", 366)];

/// Why a Question cannot be asked, with the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuestionError(pub String);

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, QuestionError> {
    Err(QuestionError(text.into()))
}

/// A measure, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// What each unit contributes, the centre taken off.
    pub expr: Expr,
    /// What was taken off: one number, or one for each cell of the first grouping.
    pub centre: Vec<Ratio>,
    /// Least value in steps.
    pub low_steps: i64,
    /// Greatest value in steps.
    pub high_steps: i64,
    /// The grid step.
    pub resolution: Ratio,
}

impl Measure {
    /// Whether each person adds 0 to 1, so that a sum of it is of at least as many people.
    pub fn counts_people(&self) -> bool {
        let one = self.high_steps.checked_mul(self.resolution.numerator);
        self.low_steps == 0 && one == Some(self.resolution.denominator)
    }
}

/// Where a person's value of a grouping comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// A column, of one value a person.
    Column,
    /// A column that differs between the rows of a person, who then counts in several cells.
    Varying,
    /// A list of members.
    Member,
    /// A text worked out of a unit's rows.
    Sql(Expr),
}

/// One dimension of the cells.
#[derive(Clone, PartialEq, Debug)]
pub struct Grouping {
    /// The column, the member-fact parameter, or the name of the SQL.
    pub name: String,
    /// Where its values come from.
    pub source: Source,
    /// The closed list.
    pub cells: Vec<String>,
    /// Whether only a Query that asks for it has it.
    pub optional: bool,
}

impl Grouping {
    /// Whether it is a member fact.
    pub fn is_member_fact(&self) -> bool {
        self.source == Source::Member
    }
}

/// A narrowing that a Query may choose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Narrowing {
    /// The column.
    pub column: String,
    /// What it may be, or in a bound Question is, narrowed to.
    pub values: Vec<String>,
}

/// A Question, checked against its Vocabulary.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    draft: QuestionDraft,
    vocabulary: Vocabulary,
    filter: Option<Expr>,
    measures: Vec<Measure>,
    groupings: Vec<Grouping>,
    narrowings: Vec<Narrowing>,
    at_most: Option<(BTreeSet<String>, i64)>,
    figure: Figure,
    matters: Amount,
    pupil_sd: Option<Amount>,
    cells_per_unit: usize,
}

impl Question {
    /// The draft it was made of.
    pub fn draft(&self) -> &QuestionDraft {
        &self.draft
    }

    /// Whether people who count are counted also where they have no row: `everyone` of
    /// [`QuestionDraft`].
    pub fn counts_everyone(&self) -> bool {
        self.draft.everyone
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.draft.id
    }

    /// The question in plain words.
    pub fn title(&self) -> &str {
        &self.draft.title
    }

    /// Its Vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Every dimension, those that wait for the Query included.
    pub fn groupings(&self) -> &[Grouping] {
        &self.groupings
    }

    /// The narrowings that a Query may choose.
    pub fn narrowings(&self) -> &[Narrowing] {
        &self.narrowings
    }

    /// The difference that would matter.
    pub fn matters(&self) -> Amount {
        self.matters
    }

    /// The assumed spread between people, for ordinary chance.
    pub fn pupil_sd(&self) -> Option<Amount> {
        self.pupil_sd
    }
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
