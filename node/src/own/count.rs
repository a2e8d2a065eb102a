//! Our own exact Tally of a Release's question, with what only its owner may know beside it: how many
//! people each group has, and how far they lie apart.

use datacoop_policy::MemberId;
use datacoop_policy::question::BoundQuestion;

use super::basis::Basis;
use crate::engine::{EngineError, Sources, each_unit};
use crate::error::CommandError;
use crate::home::Home;

/// Our own exact sums. Secret (S10): neither `Debug` nor `Serialize`.
pub struct Ours {
    width: usize,
    sums: Vec<i64>,
    people: Vec<u64>,
    squares: Vec<f64>,
}

impl Ours {
    /// Nobody.
    pub fn none(question: &BoundQuestion) -> Self {
        let width = question.measures().len();
        let groups = question.cells() / width.max(1);
        Self {
            width,
            sums: vec![0; groups * width],
            people: vec![0; groups],
            squares: vec![0.0; groups * width * width],
        }
    }

    /// Adds a person to a group: one number a measure, in grid steps.
    pub fn add(&mut self, group: usize, steps: &[i64]) {
        self.people[group] += 1;
        for (i, step) in steps.iter().enumerate() {
            let sum = &mut self.sums[group * self.width + i];
            *sum = sum.saturating_add(*step);
            for (j, other) in steps.iter().enumerate() {
                self.squares[(group * self.width + i) * self.width + j] += *step as f64 * *other as f64;
            }
        }
    }

    /// The Tally in grid steps, groups row-major, measures innermost.
    pub fn sums(&self) -> &[i64] {
        &self.sums
    }

    /// How many people each group has.
    pub fn people(&self) -> &[u64] {
        &self.people
    }

    /// Everybody.
    pub fn people_in_all(&self) -> u64 {
        self.people.iter().sum()
    }

    /// Over a group's people, the sum of the product of two measures, in grid steps.
    pub(super) fn product(&self, group: usize, i: usize, j: usize) -> f64 {
        self.squares[(group * self.width + i) * self.width + j]
    }
}

impl Basis {
    /// Counts our own people from this node's newest tables, chosen, clipped and rounded as for the
    /// Release, without noise.
    ///
    /// Errors: a table or list of this node cannot be read.
    pub async fn count(&self, home: &Home) -> Result<Ours, CommandError> {
        let vocabulary = self.question.question().vocabulary();
        let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
        let sources =
            home.sources(vocabulary, &self.purpose, self.asked, None).map_err(|error| failed(&error))?;
        count(&sources, &self.question, &self.me).await.map_err(|error| failed(&error))
    }
}

/// Counts the people of these rows.
pub async fn count(sources: &Sources, question: &BoundQuestion, me: &MemberId) -> Result<Ours, EngineError> {
    let mut ours = Ours::none(question);
    each_unit(sources, question, me, &mut |group, steps| ours.add(group, steps)).await?;
    Ok(ours)
}
