//! A Question as its TOML, or its canonical JSON, states it: nothing here is checked yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::number::NumberText;
use super::{QUESTION_BYTES_MAX, QuestionError};

/// One name, or several.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a name, or a list of names")]
pub enum Names {
    /// Such as `"x"`.
    One(String),
    /// Such as `["x", "y"]`.
    Several(Vec<String>),
}

impl Names {
    /// The names in order.
    pub fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// A closed list written out, or the name of one in [`crate::lists`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of values, or the name of a list")]
pub enum CellsDraft {
    /// Such as `["yes", "no"]`.
    Listed(Vec<String>),
    /// Such as `"ks2_bands"`.
    Named(String),
}

/// What is subtracted from a measure before it is clipped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or a list with one for each cell of the first grouping")]
pub enum CentreDraft {
    /// One number.
    One(NumberText),
    /// One for each cell of the first grouping.
    Each(Vec<NumberText>),
}

/// `figure` of a Question's text. Which fields belong to a kind is [`super::Figure`]'s to say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FigureDraft {
    /// Such as `rate`.
    pub kind: String,
    /// The measure it shows; of a mean perhaps several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Names>,
    /// Of a rate: the other parts, so that the rate is A of A + B, or of A + B + C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Names>,
    /// Of a rate: the whole, so that the rate is A of P.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// The measure that counts people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    /// Of an event or a spread: the measure whose mean it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<String>,
    /// The measure of squares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub square: Option<String>,
    /// Of several means: what their sum is called, if it means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// Of an event: the member fact that says who had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<String>,
    /// The grouping that a gap or a quantile runs across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub across: Option<String>,
    /// Of a transition: the grouping people start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
    /// Of a transition: the grouping people arrive in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// Of a quantile: the edges of its bins, one more than there are bins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<NumberText>>,
    /// Of a quantile: which, such as `"1/2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Vec<NumberText>>,
    /// Of a fit: the measure of what explains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Of a fit: the measure of what is explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Of a fit: the measure of x squared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xx: Option<String>,
    /// Of a fit: the measure of x times y.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xy: Option<String>,
    /// Of a fit: the measure of y squared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yy: Option<String>,
}

/// A measure of a Question's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureDraft {
    /// Its name in the figure and in later measures.
    pub name: String,
    /// What each unit contributes.
    pub sql: String,
    /// Subtracted before the clip, added back to a mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centre: Option<CentreDraft>,
    /// Least and greatest value, after the centre is taken off.
    pub clamp: Vec<NumberText>,
    /// The grid step.
    pub resolution: NumberText,
}

/// A grouping of a Question's text: by a column, a member fact, or a text worked out of a unit's rows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByDraft {
    /// A column of the Vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// A parameter that lists members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What a grouping by `sql` is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A text for each unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// The closed list; of a member fact `["yes", "no"]`.
    pub cells: CellsDraft,
    /// Only if the Query asks for it.
    #[serde(default, skip_serializing_if = "is_off", deserialize_with = "flag")]
    pub optional: bool,
}

/// A narrowing that a Query may choose: only these values of a column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForDraft {
    /// A column that may be grouped by.
    pub column: String,
    /// What it may be narrowed to.
    pub values: CellsDraft,
}

/// Measures whose sum is bounded together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtMostDraft {
    /// Which.
    pub measures: Vec<String>,
    /// Their greatest sum.
    pub total: NumberText,
}

/// A Question as its TOML, or its canonical JSON, states it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionDraft {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// The question in plain words.
    pub title: String,
    /// Such as `attendance/1`.
    pub vocabulary: String,
    /// What the privacy unit is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// The longest period it is made for: day, week, half_term, term, year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Which rows count.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Parameters: name to `date`, `dates`, `members`, `text`, `number` or a list of [`crate::lists`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub param: BTreeMap<String, String>,
    /// What is shown.
    pub figure: FigureDraft,
    /// Default loss, billionths of rho.
    pub loss: i64,
    /// The difference that would matter.
    pub matters: String,
    /// Assumed spread between people, for ordinary chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pupil_sd: Option<String>,
    /// What the answer does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cannot_tell: Vec<String>,
    /// Whether people who count are counted also where they have no row in the period. The view `rows`
    /// then has, besides the rows, one more row for each of them: of its columns the unit, the person's own
    /// (`of` another vocabulary) and the date, which is the period's last day, have values, all others are
    /// empty. So `COUNT(column)` of nobody's rows is 0 and `SUM` is empty: write `COALESCE(SUM(x), 0)`. Where
    /// a member has no table of people, nobody is added.
    #[serde(default, skip_serializing_if = "is_off", deserialize_with = "flag")]
    pub everyone: bool,
    /// A joint bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<AtMostDraft>,
    /// In how many cells one person may count; 1 unless written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells_per_unit: Option<i64>,
    /// What each unit contributes.
    pub measure: Vec<MeasureDraft>,
    /// How results are split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<ByDraft>,
    /// Narrowings that a Query may choose.
    #[serde(default, rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub narrowing: Vec<ForDraft>,
}

impl QuestionDraft {
    /// Reads a Question's TOML. Errors: what is wrong, with its line.
    pub fn from_toml(text: &str) -> Result<Self, QuestionError> {
        if text.len() > QUESTION_BYTES_MAX {
            return Err(QuestionError(format!("{} bytes; at most {QUESTION_BYTES_MAX}", text.len())));
        }
        toml::from_str(text).map_err(|error| QuestionError(format!("not a question: {error}")))
    }
}

// Why by reference: serde calls it so.
fn is_off(flag: &bool) -> bool {
    !flag
}

/// A flag is true or false in TOML, 1 or 0 in canonical JSON, which holds integers and texts only.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "true or false")]
    enum Flag {
        Truth(bool),
        Whole(u8),
    }
    match Flag::deserialize(deserializer)? {
        Flag::Truth(truth) => Ok(truth),
        Flag::Whole(0) => Ok(false),
        Flag::Whole(1) => Ok(true),
        Flag::Whole(_) => Err(serde::de::Error::custom("a flag is true or false")),
    }
}
