//! The rules of the vocabularies of charities: whose consent there is, hours taken part, and how far a
//! person moved on a scale of outcomes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::context::Context;
use super::meaning::{Places, Settled, complain, day_at, number_at, put, text_at, whole_parts};
use super::outcomes::on_ten;
use super::{Cell, Complaint, ImportError, Options, ProblemKind, Report};

/// Hours of one person in a year: more is a mistake of the export, and no one person may weigh so much.
const HOURS_MAX: f64 = 200.0;
/// Scores of one person on one measure.
const SCORES_MAX: u32 = 12;
/// Weeks between two scores that the vocabulary tells apart.
const WEEKS_MAX: i64 = 104;
/// Codes of need of one person.
const NEEDS_MAX: usize = 3;
/// Where a scale's tenth is counted in whole parts.
const PARTS: f64 = 1_000_000.0;

/// Goes with one file of people.
pub(super) struct Beneficiaries {
    places: Places,
}

impl Beneficiaries {
    /// Errors: nothing says what people agreed to.
    pub(super) fn new(places: &Places, present: &dyn Fn(&str) -> bool) -> Result<Self, ImportError> {
        if !present("consent_purposes") {
            return Err(ImportError(
                "there is no column `consent_purposes`; without it nobody can be counted: write the purposes \
                 each person agreed to, split by semicolons, or nothing"
                    .into(),
            ));
        }
        Ok(Self { places: places.clone() })
    }

    pub(super) fn complete(&mut self, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        let consents = parts(text_at(row, at("consent_purposes"))).join(";");
        put(row, at("consent_purposes"), Cell::Text(consents.into()));
        let needs = parts(text_at(row, at("needs")));
        if needs.len() > NEEDS_MAX {
            let text = format!("it has {} codes; at most {NEEDS_MAX}, split by semicolons", needs.len());
            return Err(complain("needs", ProblemKind::OverCap, text));
        }
        Ok(())
    }
}

/// Parts of a list, split by `;`, `,` or `|`.
fn parts(text: &str) -> Vec<&str> {
    text.split([';', ',', '|']).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Goes with one file of people's activities.
pub(super) struct Participation {
    places: Places,
    context: Arc<Context>,
    hours: HashMap<(Box<str>, i64), f64>,
    unknown: u64,
}

impl Participation {
    pub(super) fn new(places: &Places, options: &Options) -> Self {
        let (places, context) = (places.clone(), options.context.clone());
        Self { places, context, hours: HashMap::new(), unknown: 0 }
    }

    pub(super) fn complete(&mut self, member: &str, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        if let Some(day) = day_at(row, at("date")) {
            let person = format!("{member}\n{}", text_at(row, at("person_id")));
            let so_far = self.hours.entry((person.into(), day.academic_year().0)).or_default();
            let hours = number_at(row, at("hours")).unwrap_or(0.0);
            if *so_far + hours > HOURS_MAX {
                let text = format!("the person has more than {HOURS_MAX} hours in this year");
                return Err(complain("hours", ProblemKind::OverCap, text));
            }
            *so_far += hours;
        }
        let Some(activities) = &self.context.activities else {
            self.unknown += 1;
            return Ok(());
        };
        let Some(said) = activities.get(text_at(row, at("activity_id"))) else {
            self.unknown += 1;
            return Ok(());
        };
        for (column, value) in ["programme", "activity_type", "mode"].iter().zip(said) {
            if let Some(value) = value {
                put(row, at(column), Cell::Text(value.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, report: &mut Report) {
        let people: HashSet<&str> = self.hours.keys().map(|(person, _)| &**person).collect();
        report.people = people.len() as u64;
        if self.unknown > 0 {
            report.notes.push(format!(
                "{} rows are of activities that were not imported: their programme, kind and mode are what the \
                 file says, or empty; import vcse_activities, then this file again",
                self.unknown
            ));
        }
    }
}

/// A member's person, and a measure of one domain.
type Key = (Box<str>, Box<str>);
/// A score on 0 to 10 in millionths, and its day.
type Score = (Option<i64>, i64);

/// A person's first baseline and last end on each measure.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Gathered {
    scores: HashMap<Key, (Option<Score>, Option<Score>)>,
}

/// Goes with one file of scores, which is read twice: an end may stand before its baseline.
pub(super) struct Outcomes {
    places: Places,
    gathered: Gathered,
    settled: bool,
    counts: HashMap<Key, u32>,
    filled: HashSet<Key>,
}

impl Outcomes {
    pub(super) fn new(places: &Places, options: &Options) -> Self {
        let (settled, gathered) = match options.settled.as_deref() {
            Some(Settled::Outcomes(gathered)) => (true, gathered.clone()),
            Some(Settled::Sessions(_) | Settled::Results(_)) | None => (false, Gathered::default()),
        };
        let places = places.clone();
        Self { places, gathered, settled, counts: HashMap::new(), filled: HashSet::new() }
    }

    pub(super) fn complete(&mut self, member: &str, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        let measure = text_at(row, at("measure"));
        let ten = match number_at(row, at("score")).and_then(|score| on_ten(measure, score)) {
            None => None,
            Some(Ok(ten)) => Some(whole_parts(ten, PARTS)),
            Some(Err((low, high))) => {
                let text = format!("it is outside {measure}, which goes from {low} to {high}");
                return Err(complain("score", ProblemKind::BadValue, text));
            }
        };
        let of = format!("{measure}\n{}", text_at(row, at("domain")));
        let key: Key = (format!("{member}\n{}", text_at(row, at("person_id"))).into(), of.into());
        let count = self.counts.entry(key.clone()).or_default();
        if *count == SCORES_MAX {
            let text = format!("the person has more than {SCORES_MAX} scores on this measure");
            return Err(complain("measure", ProblemKind::OverCap, text));
        }
        *count += 1;
        // A score without its day is as late as can be; among those the file's order decides.
        let day = day_at(row, at("date"));
        let score: Score = (ten, day.map_or(i64::MAX, |day| day.0));
        let timepoint = text_at(row, at("timepoint")).to_owned();
        match self.settled {
            false => self.note(key, &timepoint, score),
            true if timepoint == "end" => self.fill(key, score, row),
            true => {}
        }
        Ok(())
    }

    fn note(&mut self, key: Key, timepoint: &str, score: Score) {
        let (baseline, end) = self.gathered.scores.entry(key).or_default();
        match timepoint {
            "baseline" if baseline.is_none_or(|held| score.1 < held.1) => *baseline = Some(score),
            "end" if end.is_none_or(|held| score.1 > held.1) => *end = Some(score),
            _ => {}
        }
    }

    /// Fills the row that is the person's last end on the measure.
    fn fill(&mut self, key: Key, score: Score, row: &mut [Cell]) {
        let at = |name| self.places.get(name);
        let (baseline, end) = self.gathered.scores.get(&key).copied().unwrap_or_default();
        if end != Some(score) || !self.filled.insert(key) {
            return;
        }
        let change = baseline.and_then(|baseline| Some(score.0? - baseline.0?));
        if let Some(change) = change {
            put(row, at("change"), Cell::Number(change as f64 / PARTS));
        }
        let named = text_at(row, at("measure")) == "achieved";
        let said = at("achieved").is_some_and(|at| row[at] != Cell::Null);
        let achieved = if named { score.0.map(|ten| ten > 0) } else { change.map(|change| change > 0) };
        if let (Some(achieved), false) = (achieved, said) {
            put(row, at("achieved"), Cell::Bool(achieved));
        }
        let days = baseline.map(|baseline| (baseline.1, score.1));
        if let Some((from, to)) = days.filter(|(from, to)| from <= to && *to < i64::MAX) {
            put(row, at("weeks_between"), Cell::Integer(((to - from) / 7).min(WEEKS_MAX)));
        }
    }

    /// Errors: never; the signature is that of its siblings.
    pub(super) fn finish(self, report: &mut Report) -> Result<(), ImportError> {
        let people: HashSet<&str> = self.counts.keys().map(|(person, _)| &**person).collect();
        report.people = people.len() as u64;
        if !self.settled {
            report.again = Some(Arc::new(Settled::Outcomes(self.gathered)));
        } else {
            let ends = self.gathered.scores.values();
            let lost = ends.filter(|(baseline, end)| baseline.is_some() && end.is_none()).count();
            if lost > 0 {
                report
                    .notes
                    .push(format!("{lost} baselines have no end score; outcomes go missing for reasons"));
            }
        }
        Ok(())
    }
}
