//! The rules of `behaviour`: no more incidents of a pupil than can be.

use std::collections::HashMap;

use datacoop_policy::Day;

use super::meaning::{Places, complain, day_at, number_at, text_at, whole_parts};
use super::terms::Terms;
use super::{Cell, Complaint, Options, ProblemKind, Report};

/// Incidents of a pupil in a term, suspensions and sessions lost in a school year: more is a mistake of
/// the export, and no one child may weigh so much.
///
/// Source for 90: a school suspends a pupil for at most 45 school days in a year (Education Act 2002,
/// section 51A).
const INCIDENTS_MAX: i64 = 20;
const SUSPENSIONS_MAX: i64 = 5;
const SESSIONS_LOST_MAX: i64 = 90;

/// Goes with one file.
pub(super) struct Behaviour {
    places: Places,
    terms: Terms,
    /// By pupil and the term's or year's number: what there was so far.
    sums: HashMap<(Box<str>, i64, &'static str), i64>,
    pupils: std::collections::HashSet<Box<str>>,
}

impl Behaviour {
    pub(super) fn new(places: &Places, options: &Options) -> Self {
        let (places, terms) = (places.clone(), options.terms.clone());
        Self { places, terms, sums: HashMap::new(), pupils: std::collections::HashSet::new() }
    }

    pub(super) fn complete(&mut self, member: &str, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        let Some(day) = day_at(row, at("date")) else { return Ok(()) };
        let pupil: Box<str> = format!("{member}\n{}", text_at(row, at("pupil_id"))).into();
        let year = day.academic_year().0;
        let suspended = i64::from(text_at(row, at("type")) == "suspension");
        // A whole number, by its column.
        let lost = number_at(row, at("sessions_lost")).map_or(0, |lost| whole_parts(lost, 1.0));
        let term = year * 3 + term(&mut self.terms, day);
        let asked = [
            ("incidents", term, 1, INCIDENTS_MAX, "incidents in this term"),
            ("suspensions", year, suspended, SUSPENSIONS_MAX, "suspensions in this school year"),
            ("sessions_lost", year, lost, SESSIONS_LOST_MAX, "sessions lost in this school year"),
        ];
        for (what, when, more, most, words) in asked {
            let so_far = self.sums.get(&(pupil.clone(), when, what)).copied().unwrap_or(0);
            if more > 0 && so_far + more > most {
                let text = format!("the pupil has more than {most} {words}");
                let column = if what == "sessions_lost" { what } else { "date" };
                return Err(complain(column, ProblemKind::OverCap, text));
            }
        }
        for (what, when, more, ..) in asked {
            *self.sums.entry((pupil.clone(), when, what)).or_default() += more;
        }
        self.pupils.insert(pupil);
        Ok(())
    }

    pub(super) fn finish(self, report: &mut Report) {
        report.people = self.pupils.len() as u64;
    }
}

/// 0 autumn, 1 spring, 2 summer; by the month in holidays.
fn term(terms: &mut Terms, day: Day) -> i64 {
    if let Some(place) = terms.place(day) {
        return i64::from((place.half_term - 1) / 2);
    }
    let (_, month, _) = day.civil();
    match month {
        9..=12 => 0,
        1..=3 => 1,
        _ => 2,
    }
}
