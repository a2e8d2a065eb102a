//! Groupings and their values as people name them: no code of a register or a census is shown where its meaning is
//! known.
//!
//! Source: Department for Education, Common Basic Data Set: sex, SEN provision, SEN type, enrolment status, reasons for
//! suspension, shortened.

use crate::html::{MONTHS, capital};

/// Codes by their column, with what they mean.
const CODES: [(&str, &[(&str, &str)]); 8] = [
    ("sex", &[("F", "Female"), ("M", "Male"), ("U", "Sex not stated")]),
    ("sen", &[("N", "No special needs"), ("K", "SEN support"), ("E", "Education, health and care plan")]),
    (
        "sen_need",
        &[
            ("SPLD", "Specific learning difficulty"),
            ("MLD", "Moderate learning difficulty"),
            ("SLD", "Severe learning difficulty"),
            ("PMLD", "Profound and multiple learning difficulty"),
            ("SEMH", "Social, emotional and mental health"),
            ("SLCN", "Speech, language and communication"),
            ("HI", "Hearing impairment"),
            ("VI", "Vision impairment"),
            ("MSI", "Multi-sensory impairment"),
            ("PD", "Physical disability"),
            ("ASD", "Autistic spectrum disorder"),
            ("OTH", "Another difficulty or disability"),
            ("NSA", "SEN support, need not yet assessed"),
            ("DS", "Down syndrome"),
        ],
    ),
    (
        "enrolment_status",
        &[("C", "Current"), ("M", "Current, main of two schools"), ("S", "Current, second of two schools")],
    ),
    (
        "reason",
        &[
            ("PP", "Assault on a pupil"),
            ("PA", "Assault on an adult"),
            ("VP", "Verbal abuse of a pupil"),
            ("VA", "Verbal abuse of an adult"),
            ("OW", "Offensive weapon or prohibited item"),
            ("BU", "Bullying"),
            ("RA", "Racist abuse"),
            ("LG", "Abuse about sexual orientation or gender"),
            ("DS", "Abuse about disability"),
            ("SM", "Sexual misconduct"),
            ("DA", "Drugs or alcohol"),
            ("DM", "Damage"),
            ("TH", "Theft"),
            ("MT", "Misuse of social media or technology"),
            ("PH", "Breach of public health measures"),
            ("DB", "Persistent disruption"),
        ],
    ),
    ("grade", &[("U", "Ungraded"), ("X", "No result")]),
    (
        "stage",
        &[
            ("KS1", "Key stage 1"),
            ("KS2", "Key stage 2"),
            ("Y7", "Year 7"),
            ("Y8", "Year 8"),
            ("Y9", "Year 9"),
            ("Y10", "Year 10"),
            ("KS4", "Key stage 4"),
            ("KS5", "Key stage 5"),
        ],
    ),
    ("slot", &[("AM", "Morning"), ("PM", "Afternoon")]),
];
/// Columns whose names say less than people do.
const COLUMNS: [(&str, &str); 11] = [
    ("nc_year", "Year group"),
    ("sen", "Special needs"),
    ("sen_need", "Kind of special need"),
    ("fsm6", "Free school meals in six years"),
    ("fsm_now", "Free school meals"),
    ("eal", "English as an additional language"),
    ("idaci_decile", "Income deprivation tenth"),
    ("imd_decile", "Deprivation tenth"),
    ("term_week", "Week"),
    ("ks2_band", "Key stage 2 band"),
    ("ks2_group", "Key stage 2 group"),
];

fn found<'a>(list: &[(&str, &'a str)], code: &str) -> Option<&'a str> {
    list.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

/// A grouping and one of its values as people name them.
pub fn key_words(name: &str, value: &str) -> (String, String) {
    let plain = column_words(name);
    let value = match value.split_once(" minus ") {
        Some((left, right)) => {
            format!("{plain}: {} minus {}", bare_words(name, left), bare_words(name, right))
        }
        None => value_words(name, &plain, value),
    };
    (plain, value)
}

fn column_words(name: &str) -> String {
    found(&COLUMNS, name).map_or_else(|| capital(&name.replace('_', " ")), str::to_owned)
}

/// What a code stands for, if that is known.
fn meaning(name: &str, value: &str) -> Option<String> {
    let month = || value.parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?).copied());
    match name {
        "birth_month" => month().map(str::to_owned),
        "nc_year" => match value {
            "N1" => Some("Nursery 1".to_owned()),
            "N2" => Some("Nursery 2".to_owned()),
            "R" => Some("Reception".to_owned()),
            year => Some(format!("Year {year}")),
        },
        _ => CODES
            .iter()
            .find(|(column, _)| *column == name)
            .and_then(|(_, codes)| found(codes, value).map(str::to_owned)),
    }
}

/// A value where its column's name stands beside it already.
fn bare_words(name: &str, value: &str) -> String {
    meaning(name, value).unwrap_or_else(|| match value {
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        other => other.replace('_', " "),
    })
}

fn value_words(name: &str, plain: &str, value: &str) -> String {
    let bare = bare_words(name, value);
    match value {
        "" => bare,
        _ if meaning(name, value).is_some() => bare,
        "true" | "false" | "yes" | "no" => format!("{plain}: {bare}"),
        _ if value.starts_with(|c: char| c.is_ascii_digit()) => format!("{plain} {bare}"),
        _ => capital(&bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::SHIPPED_VOCABULARIES;
    use datacoop_policy::vocabulary::Vocabulary;

    #[test]
    fn codes_are_said_as_words() {
        let value = |name: &str, value: &str| key_words(name, value).1;
        assert_eq!((value("sex", "F"), value("sex", "M")), ("Female".into(), "Male".into()));
        assert_eq!(value("sex", "F minus M"), "Sex: Female minus Male");
        assert_eq!(key_words("nc_year", "7"), ("Year group".into(), "Year 7".into()));
        assert_eq!(
            value("sen", "N minus E"),
            "Special needs: No special needs minus Education, health and care plan"
        );
        assert_eq!(value("pupil_premium", "true"), "Pupil premium: yes");
        assert_eq!(value("pupil_premium", "true minus false"), "Pupil premium: yes minus no");
        assert_eq!(
            (value("term_week", "3"), value("half_term", "2")),
            ("Week 3".into(), "Half term 2".into())
        );
        assert_eq!(
            (value("birth_month", "1"), value("weekday", "Friday")),
            ("January".into(), "Friday".into())
        );
        assert_eq!(value("mark_class", "not_required"), "Not required");
        assert_eq!(value("band", "10-20"), "Band 10-20");
        // A column of somebody else's: what it holds.
        assert_eq!(value("sex", "X"), "X");
    }

    /// Of every shipped vocabulary: what can be grouped by has no value of one or two capitals left.
    #[test]
    fn no_shipped_group_is_shown_by_a_code() {
        let mut seen = 0;
        for text in SHIPPED_VOCABULARIES {
            let vocabulary = Vocabulary::from_toml(text).unwrap();
            // Questionnaires are called so.
            let groups =
                vocabulary.columns().iter().filter(|column| column.group && column.name != "measure");
            for column in groups {
                for value in &column.values {
                    let words = key_words(&column.name, value).1;
                    let code = words.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
                    assert!(!code, "{} of {} is shown as {words}", value, column.name);
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
