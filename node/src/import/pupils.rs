//! The rules of `pupils`: numbers are checked, and a date of birth is taken apart and dropped.

use std::sync::Arc;

use super::ages::{birthday, compulsory_from, compulsory_to};
use super::context::Context;
use super::meaning::{Places, complain, date_cell, day_at, put, text_at};
use super::upn::{self, Upn};
use super::{Cell, Complaint, Options, ProblemKind, Report};
use crate::reference::ks2;

/// Upper ends of the bands of absence last year in hundredths of a percent, and their names.
const ABSENCE_BANDS: [(u16, &str); 5] =
    [(500, "0-5"), (1_000, "5-10"), (2_000, "10-20"), (5_000, "20-50"), (u16::MAX, "50+")];

/// Goes with one file.
pub(super) struct Pupils {
    places: Places,
    context: Arc<Context>,
    people: u64,
    births: u64,
    temporary: u64,
    welsh: u64,
}

impl Pupils {
    pub(super) fn new(places: &Places, options: &Options) -> Self {
        let (places, context) = (places.clone(), options.context.clone());
        Self { places, context, people: 0, births: 0, temporary: 0, welsh: 0 }
    }

    pub(super) fn complete(&mut self, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        let number = text_at(row, at("upn"));
        if !number.is_empty() {
            match upn::check(number).map_err(|text| complain("upn", ProblemKind::BadUpn, text))? {
                Upn::Permanent | Upn::None => {}
                Upn::Temporary => self.temporary += 1,
                Upn::Welsh => self.welsh += 1,
            }
        }
        let (joined, left) = (day_at(row, at("on_roll_from")), day_at(row, at("on_roll_to")));
        if joined.zip(left).is_some_and(|(joined, left)| left < joined) {
            let text = "it is before the first day on roll; correct one of the two";
            return Err(complain("on_roll_to", ProblemKind::BadDate, text));
        }
        if let Some(birth) = day_at(row, at("dob")) {
            if joined.is_some_and(|joined| joined <= birth) {
                let text = "it is not before the first day on roll; correct one of the two";
                return Err(complain("dob", ProblemKind::BadDate, text));
            }
            let (_, month, _) = birth.civil();
            put(row, at("birth_month"), Cell::Text(month.to_string().into()));
            put(row, at("birthday"), Cell::Text(birthday(birth).into()));
            put(row, at("compulsory_from"), date_cell(compulsory_from(birth)));
            put(row, at("compulsory_to"), date_cell(compulsory_to(birth)));
            // Whatever comes after must not see it.
            put(row, at("dob"), Cell::Null);
            self.births += 1;
        }
        let pupil = text_at(row, at("pupil_id"));
        let band = self.context.ks2_halves.get(pupil).map(|halves| ks2::band(Some(*halves)));
        let absence = self.context.prior_absence.get(pupil).map(|part| absence_band(*part));
        for (column, band) in [("ks2_band", band), ("prior_absence_band", absence)] {
            if let Some(band) = band {
                put(row, at(column), Cell::Text(band.into()));
            }
        }
        self.people += 1;
        Ok(())
    }

    pub(super) fn finish(self, report: &mut Report) {
        report.people = self.people;
        let without = self.people - self.births;
        for (number, text) in [
            (without, "pupils have no date of birth: no birth month, no birthday, no compulsory school age"),
            (self.temporary, "unique pupil numbers are temporary"),
            (
                self.welsh,
                "unique pupil numbers are of an authority in Wales, whose schools keep other registers",
            ),
        ] {
            if number > 0 {
                report.notes.push(format!("{number} {text}"));
            }
        }
    }
}

/// The band of a part of own possible sessions, in hundredths of a percent: 10 % is in `10-20`.
fn absence_band(part: u16) -> &'static str {
    ABSENCE_BANDS.iter().find(|(end, _)| part < *end).map_or("50+", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_last_year_has_a_band() {
        for (part, band) in [
            (0, "0-5"),
            (499, "0-5"),
            (500, "5-10"),
            (999, "5-10"),
            (1_000, "10-20"),
            (4_999, "20-50"),
            (10_000, "50+"),
        ] {
            assert_eq!(absence_band(part), band, "{part}");
        }
    }
}
