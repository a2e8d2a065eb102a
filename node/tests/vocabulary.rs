//! The shipped vocabularies, and `datacoop vocabulary` as a person meets it.

use datacoop::home::SHIPPED_VOCABULARIES;
use datacoop_policy::vocabulary::{Kind, Unit, Vocabulary};

/// A vocabulary's name, dataset, unit and columns, as the standard lists them.
const STANDARD: [(&str, &str, &str, &str); 8] = [
    (
        "pupils/1",
        "pupils",
        "pupil_id",
        "pupil_id upn urn nc_year dob birth_month compulsory_age sex pupil_premium fsm6 fsm_now looked_after \
         service_child sen sen_need eal ethnic_major enrolment_status on_roll_from on_roll_to tutor_group \
         ks2_band prior_absence_band idaci_decile distance_km",
    ),
    (
        "attendance/1",
        "pupils",
        "pupil_id",
        "pupil_id date session code minutes_late mark_class possible attended absent late holiday weekday \
         term_week half_term days_to_break birthday_offset compulsory_age nc_year pupil_premium",
    ),
    (
        "attainment/1",
        "pupils",
        "pupil_id",
        "pupil_id stage subject qualification assessment_type date scale value grade points a8_slot ks2_avg \
         ks2_group a8 p8 basics4 basics5",
    ),
    ("behaviour/1", "pupils", "pupil_id", "pupil_id date type reason points sessions_lost slot"),
    (
        "vcse_activities/1",
        "activities",
        "activity_id",
        "activity_id org_id programme activity_type start hours mode place_lsoa staff_hours volunteer_hours \
         attendees cost_gbp funder_org_id",
    ),
    (
        "vcse_beneficiaries/1",
        "people",
        "person_id",
        "person_id age_band sex ethnic_major disabled imd_decile referral_source referred_on first_contact \
         last_contact needs consent_purposes consent_expires school_urn",
    ),
    (
        "vcse_participation/1",
        "people",
        "person_id",
        "person_id activity_id date hours programme activity_type mode",
    ),
    (
        "vcse_outcomes/1",
        "people",
        "person_id",
        "person_id domain measure timepoint date score change achieved weeks_between tariff_gbp",
    ),
];

/// Flags of the standard that protect people: losing one by a slip of the pen must fail a test.
const PROTECTED: [(&str, &str, &str); 8] = [
    ("sensitive", "pupils/1", "looked_after sen_need ethnic_major"),
    ("sensitive", "attendance/1", "code"),
    ("sensitive", "behaviour/1", "reason"),
    ("sensitive", "vcse_beneficiaries/1", "ethnic_major disabled needs"),
    ("private", "pupils/1", "dob on_roll_from on_roll_to"),
    ("private", "vcse_beneficiaries/1", "referred_on first_contact last_contact"),
    ("never", "pupils/1", "pupil_id upn urn tutor_group"),
    ("never", "vcse_beneficiaries/1", "person_id consent_purposes consent_expires school_urn"),
];

/// No shipped text is longer: each is part of every program.
const SHIPPED_BYTES_MAX: usize = 8 * 1024;

fn shipped(name: &str) -> Vocabulary {
    let read = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
    read.into_iter().find(|vocabulary| vocabulary.name() == name).unwrap()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut list = words(text);
    list.sort_unstable();
    list
}

#[test]
fn each_shipped_vocabulary_has_the_columns_of_the_standard() {
    assert_eq!(SHIPPED_VOCABULARIES.len(), STANDARD.len());
    for (name, dataset, unit, columns) in STANDARD {
        let vocabulary = shipped(name);
        assert_eq!(vocabulary.dataset(), dataset, "{name}");
        assert_eq!(*vocabulary.unit(), Unit::Column(unit.into()), "{name}");
        let held: Vec<&str> = vocabulary.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(sorted(&held.join(" ")), sorted(columns), "{name}");
        let unit = vocabulary.column(unit).unwrap();
        assert!(unit.never && unit.required, "{name}");
        assert!(!vocabulary.licence().is_empty() && !vocabulary.owner().is_empty(), "{name}");
    }
}

#[test]
fn a_shipped_column_says_what_it_is_and_groups_only_by_closed_lists() {
    for text in SHIPPED_VOCABULARIES {
        assert!(text.len() <= SHIPPED_BYTES_MAX, "{} bytes", text.len());
        let vocabulary = Vocabulary::from_toml(text).unwrap();
        for column in vocabulary.columns() {
            let place = format!("{} {}", vocabulary.name(), column.name);
            assert!(!column.description.is_empty() && !column.description.ends_with('.'), "{place}");
            assert!(!column.group || column.kind == Kind::Bool || !column.values.is_empty(), "{place}");
            let is_number = matches!(column.kind, Kind::Number | Kind::Integer);
            assert_eq!(is_number, column.low.is_some() && column.high.is_some(), "{place}: bounds");
        }
    }
}

#[test]
fn flags_that_protect_people_are_exactly_those_of_the_standard() {
    for (flag, name, columns) in PROTECTED {
        let vocabulary = shipped(name);
        let flagged = vocabulary.columns().iter().filter(|column| match flag {
            "sensitive" => column.sensitive,
            "private" => column.private,
            _ => column.never,
        });
        let flagged: Vec<&str> = flagged.map(|column| column.name.as_str()).collect();
        assert_eq!(flagged, words(columns), "{flag} {name}");
    }
}

/// Import finds a column by its header: two columns that answer to one header would both claim it.
#[test]
fn no_header_means_two_columns_of_one_vocabulary() {
    for text in SHIPPED_VOCABULARIES {
        let vocabulary = Vocabulary::from_toml(text).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for column in vocabulary.columns() {
            for header in column.synonyms.iter().chain([&column.name]) {
                let folded: String =
                    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
                assert!(seen.insert(folded), "{} {}: `{header}`", vocabulary.name(), column.name);
            }
        }
    }
}
