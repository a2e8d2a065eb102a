//! What each school could have said alone about an event day, from its own exact figures.

use datacoop_policy::MemberId;
use datacoop_policy::question::{BoundQuestion, Figure};

use super::PURPOSE;
use crate::error::CommandError;
use crate::own::beside::own_gap;
use crate::pretend::Pretender;
use crate::{clock, engine};

/// The grouping whose gap is told.
const PREMIUM: &str = "pupil_premium";

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
    let premium = question.groupings().iter().any(|by| by.name == PREMIUM);
    if !premium || !matches!(question.figure(), Figure::Event { .. }) {
        return Ok(vec![]);
    }
    let mut alone = vec![];
    for member in cast {
        let id: MemberId = member.founder.id.clone();
        let vocabulary = question.question().vocabulary();
        let sources = member.home.sources(vocabulary, PURPOSE, clock::now().day(), None);
        let sources = sources.map_err(|error| CommandError::failed(error.to_string()))?;
        let tally = engine::tabulate(&sources, question, &id).await;
        let tally = tally.map_err(|error| CommandError::failed(error.to_string()))?;
        let took_part = question.listed_params().is_empty() || question.has_fact("took_part", &id);
        // A school without pupils on both sides could have said nothing.
        let Some((gap, chance)) = own_gap(question, &tally, PREMIUM) else { continue };
        let (gap, chance) = (gap * 100.0, chance * 100.0);
        alone.push(Alone { name: member.founder.name.clone(), took_part, gap, chance });
    }
    Ok(alone)
}
