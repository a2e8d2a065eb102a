//! A figure of ours that somebody else printed, such as a provisional result: does it follow from our
//! own rows, and could pupils like ours reach it?
//!
//! Source: DATA section 12. Against our rows only rounding is forgiven: what is left is an error in data
//! or in a rule. Against people like ours, rounding and 1.96 sqrt(noise SD^2 + chance SD^2).

use datacoop_policy::question::{BoundQuestion, NumberText, Question};

use super::basis::Basis;
use super::like::{Like, own_figures};
use crate::error::CommandError;
use crate::home::Home;

/// Grid steps tried for an own figure that is to be exact, finest first: a Progress 8 score has three
/// decimals. The bounds that a Question gives its measures must be whole multiples.
const FINE_STEPS: [&str; 3] = ["1/1000", "1/100", "1/10"];
/// What floats and the finest step may be off by.
const EXACT_WITHIN: f64 = 0.000_51;
/// Most decimals that anybody prints.
const DECIMALS_MAX: usize = 6;

/// A figure as it was printed.
#[derive(Clone, PartialEq, Debug)]
pub struct Given {
    /// Which figure: its name, or how it begins.
    pub name: String,
    /// Its value; of a percentage, the part of one.
    pub value: f64,
    /// Half of its last decimal.
    pub rounding: f64,
}

impl std::str::FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no figure; write NAME=VALUE, such as english=9.42 or rate=93.1%",
                text.escape_debug()
            )
        };
        let (name, number) = text.split_once('=').ok_or_else(wrong)?;
        let (digits, parts) = match number.trim().strip_suffix('%') {
            Some(digits) => (digits.trim(), 100.0),
            None => (number.trim(), 1.0),
        };
        let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
        let decimals = digits.split_once('.').map_or(0, |(_, part)| part.len());
        let value: f64 = digits.parse().ok().filter(|_| digits.chars().all(plain)).ok_or_else(wrong)?;
        if name.trim().is_empty() || decimals > DECIMALS_MAX || !value.is_finite() {
            return Err(wrong());
        }
        let rounding = 0.5 * 0.1f64.powi(i32::try_from(decimals).map_err(|_| wrong())?);
        Ok(Self { name: name.trim().to_owned(), value: value / parts, rounding: rounding / parts })
    }
}

/// A given figure beside ours and that of people like ours. Secret: no `Debug`.
pub struct Checked {
    /// The figure's full name.
    pub name: String,
    /// Whether it is a part of one.
    pub percent: bool,
    /// As it was given.
    pub given: Given,
    /// What our own rows give.
    pub ours: f64,
    /// What people like ours reach.
    pub like: f64,
    /// Half-width of noise and chance in it (95 %); `None` with too few people.
    pub half: Option<f64>,
}

impl Checked {
    /// Whether our rows give it, to its last decimal.
    pub fn follows(&self) -> bool {
        (self.given.value - self.ours).abs() <= self.given.rounding + EXACT_WITHIN
    }

    /// Whether people like ours could reach it; `None` with too few people.
    pub fn is_likely(&self) -> Option<bool> {
        Some((self.given.value - self.like).abs() <= self.given.rounding + self.half?)
    }
}

/// Checks given figures against our own rows, read as finely as they are, and against people like ours.
///
/// Errors: a name that no figure, or more than one, begins with; a table that cannot be read.
pub async fn check_given(
    basis: &Basis,
    home: &Home,
    likes: &[Like],
    given: &[Given],
) -> Result<Vec<Checked>, CommandError> {
    let fine = Basis { question: finer(&basis.question), ..basis.clone() };
    let ours = fine.count(home).await?;
    let own = own_figures(&fine.question, &ours);
    let one = |given: &Given| {
        let at = find(likes, &given.name)?;
        let (like, ours) = (&likes[at], own.get(at).map_or(f64::NAN, |(_, value)| *value));
        let (name, percent) = (like.name.clone(), like.percent);
        Ok(Checked { name, percent, given: given.clone(), ours, like: like.expected, half: like.half() })
    };
    given.iter().map(one).collect()
}

/// The figure of this name, or the only one that begins with it.
fn find(likes: &[Like], name: &str) -> Result<usize, CommandError> {
    let found: Vec<usize> = match likes.iter().position(|like| like.name == name) {
        Some(at) => vec![at],
        None => likes
            .iter()
            .enumerate()
            .filter(|(_, like)| like.name.starts_with(name))
            .map(|(at, _)| at)
            .collect(),
    };
    match found.as_slice() {
        [at] => Ok(*at),
        _ => {
            let names: Vec<&str> = likes.iter().map(|like| like.name.as_str()).collect();
            Err(CommandError::usage(format!(
                "`{}` names no one figure of this release; there are {}",
                name.escape_debug(),
                names.join(", ")
            )))
        }
    }
}

/// The same question with the finest grid that its bounds allow; what leaves nobody's home may be exact.
fn finer(question: &BoundQuestion) -> BoundQuestion {
    let with = |step: &str| {
        let mut draft = question.question().draft().clone();
        for measure in &mut draft.measure {
            measure.resolution = NumberText::Text(step.to_owned());
        }
        let fine = Question::admit(draft, question.question().vocabulary()).ok()?;
        fine.bind(question.params(), question.period()).ok()
    };
    FINE_STEPS.iter().find_map(|step| with(step)).unwrap_or_else(|| question.clone())
}

#[cfg(test)]
#[path = "given_tests.rs"]
mod tests;
