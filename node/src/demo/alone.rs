//! What each school could have said alone about an event day, from its own exact figures.

use datacoop_policy::MemberId;
use datacoop_policy::question::{BoundQuestion, Figure};

use super::PURPOSE;
use crate::error::CommandError;
use crate::pretend::Pretender;
use crate::{clock, engine};

/// What one made-up school could have said alone.
pub struct Alone {
    /// Its name.
    pub name: String,
    /// Whether it held the day.
    pub took_part: bool,
    /// Its own exact gap, in percentage points.
    pub gap: f64,
    /// Ordinary chance around it (95 %), in percentage points.
    pub chance: f64,
}

/// What each school sees in its own exact figures: its gap, and the chance around it.
///
/// Nothing for a question that is not about an event by Pupil Premium: its measures mean something else.
pub(super) async fn alone(cast: &[Pretender], question: &BoundQuestion) -> Result<Vec<Alone>, CommandError> {
    let premium = question.groupings().iter().any(|by| by.name == "pupil_premium");
    if !premium || !matches!(question.figure(), Figure::Event { .. }) {
        return Ok(vec![]);
    }
    let mut alone = vec![];
    for member in cast {
        let id: MemberId = member.founder.id.clone();
        let vocabulary = question.question().vocabulary();
        let sources = member.home.sources(vocabulary, PURPOSE, clock::now().day());
        let sources = sources.map_err(|error| CommandError::failed(error.to_string()))?;
        let tally = engine::tabulate(&sources, question, &id).await;
        let tally = tally.map_err(|error| CommandError::failed(error.to_string()))?;
        let took_part = question.listed_params().is_empty() || question.has_fact("took_part", &id);
        let (gap, chance) = own_gap(question, &tally);
        alone.push(Alone { name: member.founder.name.clone(), took_part, gap, chance });
    }
    Ok(alone)
}

/// Pupil Premium less others, of the mean change, in percentage points; and 1.96 standard errors of
/// who happened to be ill. Own figures, shown only here.
fn own_gap(question: &BoundQuestion, tally: &[i64]) -> (f64, f64) {
    let unit = |at: usize| {
        let resolution = question.measures()[at].resolution;
        resolution.numerator as f64 / resolution.denominator as f64
    };
    let mut by_premium = [[0.0; 3]; 2];
    for (key, sums) in question.groups().iter().zip(tally.chunks(3)) {
        let premium = key.iter().any(|(name, value)| name == "pupil_premium" && value == "true");
        for (at, sum) in sums.iter().enumerate() {
            by_premium[usize::from(!premium)][at] += *sum as f64 * unit(at);
        }
    }
    let [(a, va), (b, vb)] = by_premium.map(|[n, d, q]| {
        let mean = d / n;
        (mean, (q / n - mean * mean).max(0.0) / n)
    });
    ((a - b) * 100.0, 196.0 * (va + vb).sqrt())
}
