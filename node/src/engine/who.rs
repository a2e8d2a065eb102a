//! Who counts, as SQL over the table that says who people are. Must not know where tables lie.
//!
//! Source: DATA section 1, "Who counts".

use datacoop_policy::Day;
use datacoop_policy::sql::{identifier, quoted};
use datacoop_policy::vocabulary::{Kind, Vocabulary};

/// Datasets with a rule, and the vocabulary that says who their people are.
const RULED: [(&str, &str); 2] = [("pupils", "pupils/1"), ("people", "vcse_beneficiaries/1")];

/// The rule that a table of people follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WhoCounts {
    /// Whoever is in the table.
    Everyone,
    /// On roll on the period's last day, and not as the second school of two.
    OnRoll,
    /// Whose live consent names the Query's purpose.
    Consenting,
}

impl WhoCounts {
    /// The vocabulary whose table says who the people of a dataset are.
    pub(super) fn vocabulary_of(dataset: &str) -> Option<&'static str> {
        RULED.iter().find(|(ruled, _)| *ruled == dataset).map(|(_, vocabulary)| *vocabulary)
    }

    /// The rule for people whom this vocabulary lists. It lies in the columns, so that a later version
    /// of a vocabulary keeps it.
    pub(super) fn of(vocabulary: &Vocabulary) -> Self {
        let has = |name: &str, kind: Kind| vocabulary.column(name).is_some_and(|column| column.kind == kind);
        let is_roll = has("on_roll_from", Kind::Date) && has("on_roll_to", Kind::Date);
        match vocabulary.dataset() {
            "pupils" if is_roll && has("enrolment_status", Kind::Text) => Self::OnRoll,
            "people" if has("consent_purposes", Kind::Text) && has("consent_expires", Kind::Date) => {
                Self::Consenting
            }
            _ => Self::Everyone,
        }
    }

    /// Whether rows of a dataset count only beside a table of its people: who has not consented is never
    /// counted, and a table that was taken back, or never imported, consents to nothing.
    pub(super) fn needs_people(dataset: &str) -> bool {
        dataset == "people"
    }

    /// Columns that the rule reads: a table keeps them even where no Question may.
    pub(super) fn reads(self) -> &'static [&'static str] {
        match self {
            Self::Everyone => &[],
            Self::OnRoll => &["enrolment_status", "on_roll_from", "on_roll_to"],
            Self::Consenting => &["consent_purposes", "consent_expires"],
        }
    }

    /// The condition that a row of `people` must meet; `None` when all do.
    pub(super) fn sql(self, last: Day, purpose: &str, at: Day) -> Option<String> {
        match self {
            Self::Everyone => None,
            // Two schools' rolls may both hold a pupil: S is the second, whose pupil counts at the first.
            Self::OnRoll => Some(format!(
                "(people.enrolment_status IS NULL OR people.enrolment_status IN ('C', 'M')) \
                 AND people.on_roll_from <= {0} AND (people.on_roll_to IS NULL OR people.on_roll_to >= {0})",
                date(last)
            )),
            Self::Consenting => Some(format!(
                "names_purpose(people.consent_purposes, {}) \
                 AND (people.consent_expires IS NULL OR people.consent_expires >= {})",
                quoted(purpose),
                date(at)
            )),
        }
    }
}

/// Whether a person must attend school on this day: by the dates that their date of birth gave, else
/// as their table says.
pub(super) fn compulsory_age_sql(people: &Vocabulary, day: Day) -> String {
    let has = |name: &str| people.column(name).is_some_and(|column| column.kind == Kind::Date);
    let said = format!("people.{}", identifier("compulsory_age"));
    if !has("compulsory_from") || !has("compulsory_to") {
        return said;
    }
    format!(
        "CASE WHEN people.compulsory_from IS NULL THEN {said} \
         ELSE people.compulsory_from <= {0} AND (people.compulsory_to IS NULL OR people.compulsory_to >= {0}) END",
        date(day)
    )
}

/// Whether a list of purposes, divided by `;` or `,`, names this one.
pub(super) fn names_purpose(list: &str, purpose: &str) -> bool {
    list.split([';', ',']).any(|named| named.trim() == purpose)
}

fn date(day: Day) -> String {
    format!("CAST('{day}' AS DATE)")
}
