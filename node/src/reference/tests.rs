use serde_json::Value;

use super::codes::{CODES, Class, IN_FORCE, legacy};
use super::ks2::{BAND_ENDS, GROUP_ENDS, NO_BAND, band, group};
use super::progress8::{ESTIMATES_2024, PUPIL_SD_2024};

/// The published blocks, where they lie beside the repository.
pub(crate) fn published(block: &str) -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/reference.json");
    let text = std::fs::read_to_string(path).ok()?;
    let all: Value = serde_json::from_str(&text).unwrap();
    Some(all["blocks"][block]["values"].clone())
}

/// A score such as `99.5` in halves.
fn halves(text: &str) -> u16 {
    let (whole, half) = text.split_once('.').unwrap_or((text, "0"));
    2 * whole.parse::<u16>().unwrap() + u16::from(half == "5")
}

#[test]
fn codes_are_those_published() {
    assert_eq!(IN_FORCE, datacoop_policy::Day::parse("2024-08-19").unwrap());
    let Some(rows) = published("attendance_codes") else { return };
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), CODES.len());
    for (row, (code, class)) in rows.iter().zip(CODES) {
        assert_eq!(
            (row["code"].as_str(), row["class"].as_str()),
            (Some(code), Some(class.name())),
            "the same codes in the same order"
        );
        assert_eq!(row["possible"] == 1, class.possible(), "{code}");
        assert_eq!(row["attended"] == 1, class.attended(), "{code}");
        assert_eq!(class.absent(), class.possible() && !class.attended(), "{code}");
    }
}

#[test]
fn an_interview_was_present_until_18_august_2024() {
    let before = datacoop_policy::Day(IN_FORCE.0 - 1);
    assert_eq!(
        (legacy("J", before), legacy("J", IN_FORCE)),
        (Some(Class::Activity), Some(Class::Authorised))
    );
    assert_eq!(
        (legacy("Y", before), legacy("H", before)),
        (Some(Class::NotRequired), Some(Class::Authorised))
    );
    assert_eq!(legacy("A", before), None);
}

#[test]
fn estimates_are_those_published() {
    assert!(ESTIMATES_2024.windows(2).all(|pair| pair[0].a8 < pair[1].a8));
    let (Some(rows), Some(sd)) =
        (published("progress8_2024_estimates"), published("progress8_2024_pupil_sd"))
    else {
        return;
    };
    for (at, row) in rows.as_array().unwrap().iter().enumerate() {
        let held = ESTIMATES_2024[at];
        for (name, hundredths) in [
            ("a8", held.a8),
            ("eng", held.english),
            ("maths", held.maths),
            ("ebacc", held.ebacc),
            ("open", held.open),
        ] {
            assert!(
                (row[name].as_f64().unwrap() * 100.0 - f64::from(hundredths)).abs() < 1e-6,
                "{name} {at}"
            );
        }
        let (low, high) = row["ks2_range"].as_str().unwrap().split_once(" to ").unwrap();
        assert_eq!(GROUP_ENDS[at], halves(high));
        assert_eq!((group(halves(low)), group(halves(high))), (Some(at + 1), Some(at + 1)));
    }
    for (name, held) in ["p8", "english", "maths", "ebacc", "open"].iter().zip(PUPIL_SD_2024) {
        assert!((sd[*name].as_f64().unwrap() * 1e6 - f64::from(held)).abs() < 1e-6, "{name}");
    }
}

#[test]
fn every_average_has_one_group_and_one_band() {
    assert_eq!((group(117), group(118), group(240), group(241)), (None, Some(1), Some(34), None));
    assert_eq!(
        (group(199), group(200), band(Some(199)), band(Some(200))),
        (Some(14), Some(14), "96 - 99.5", "100 - 102")
    );
    assert_eq!((band(None), band(Some(300)), band(Some(118))), (NO_BAND, NO_BAND, "Less than 80"));
    let Some(lists) = published("lists") else { return };
    let names: Vec<&str> = BAND_ENDS.iter().map(|(name, _)| *name).chain([NO_BAND]).collect();
    assert_eq!(lists["ks2_bands"], serde_json::json!(names));
    // A band's name says its own ends.
    for (name, end) in &BAND_ENDS[1..] {
        let (low, high) = name.split_once(" - ").unwrap();
        assert_eq!((halves(high), band(Some(halves(low)))), (*end, *name));
    }
}

/// A published percentage or rate in whole parts.
fn parts(value: &Value, factor: f64) -> u32 {
    format!("{:.0}", value.as_f64().unwrap() * factor).parse().unwrap()
}

const PHASES: [&str; 3] = ["Primary", "Secondary", "Special"];

#[test]
fn absence_is_as_published() {
    for row in &super::absence::BANDS_2022_23 {
        let sum: u32 = row.share.iter().sum();
        assert!(sum.abs_diff(100_000) <= 11, "{sum}");
    }
    let Some(bands) = published("absence_bands_2022_23") else { return };
    for row in &super::absence::BANDS_2022_23 {
        let phase = if row.nc_year <= 6 { "State-funded primary" } else { "State-funded secondary" };
        let same = |other: &&Value| {
            other["phase"] == phase
                && other["nc_year"] == row.nc_year
                && other["fsm"] == row.fsm
                && other["sen"] == row.sen
        };
        let found = bands["rows"].as_array().unwrap().iter().find(same).unwrap();
        let shares = found["pct"].as_array().unwrap().iter().map(|share| parts(share, 1e3));
        assert!(shares.eq(row.share), "Year {}", row.nc_year);
    }
    let weekday = published("weekday_multiplier_autumn_2023_wk37_41").unwrap();
    let codes = published("code_per_10k_possible_sessions_2025_26").unwrap();
    let terms = published("absence_by_term_2024_25").unwrap();
    let weeks = published("autumn_2024_weekly_overall_absence_pct").unwrap();
    for (at, phase) in PHASES.into_iter().enumerate() {
        let days = weekday[phase].as_array().unwrap().iter().map(|day| parts(day, 1e3));
        assert!(days.eq(super::absence::WEEKDAY_MULTIPLIER[at]), "{phase}");
        assert_eq!(codes[phase].as_object().unwrap().len(), super::absence::CODES_PER_MILLION.len());
        for (code, by_phase) in super::absence::CODES_PER_MILLION {
            assert_eq!(parts(&codes[phase][code], 1e2), by_phase[at], "{phase} {code}");
        }
        for (term, name) in ["Autumn", "Spring", "Summer"].into_iter().enumerate() {
            let of = &terms[phase][name];
            assert_eq!(parts(&of["overall_absence"], 1e3), super::absence::TERM_ABSENCE[at][term]);
            for (code, by_phase) in super::absence::TERM_REASONS {
                assert_eq!(parts(&of[code], 1e3), by_phase[at][term], "{phase} {name} {code}");
            }
        }
        let Some(by_week) = super::absence::AUTUMN_WEEK_ABSENCE.get(at) else { continue };
        for (week, absence) in super::absence::AUTUMN_WEEKS.into_iter().zip(by_week) {
            assert_eq!(parts(&weeks[phase][format!("Week {week}")], 1e2), *absence, "{phase} {week}");
        }
    }
}

#[test]
fn transitions_are_those_published() {
    use super::transition::{GRADES, KS2_BAND_PUPILS, TRANSITIONS};
    let Some(rows) = published("gcse_transition_2024_counts") else { return };
    let bands: Vec<&str> = BAND_ENDS.iter().map(|(band, _)| *band).chain([NO_BAND]).collect();
    let groups = ["Disadvantaged", "Disadvantaged all other"];
    let pupils = published("ks2_band_pupils_2024").unwrap();
    for (group, counts) in groups.iter().zip(KS2_BAND_PUPILS) {
        assert!(bands.iter().map(|band| parts(&pupils[group][band], 1.0)).eq(counts), "{group}");
    }
    let mut compared = 0;
    for row in rows.as_array().unwrap() {
        let (Some(band), Some(group)) = (
            bands.iter().position(|band| row["ks2"] == *band),
            groups.iter().position(|group| row["group"] == *group),
        ) else {
            continue;
        };
        let table = TRANSITIONS.iter().find(|table| row["subject"] == table.subject).unwrap();
        let counts = if group == 0 { &table.disadvantaged } else { &table.others }[band];
        assert!(GRADES.iter().map(|grade| parts(&row["n"][grade], 1.0)).eq(counts), "{}", table.subject);
        compared += 1;
    }
    assert_eq!(compared, TRANSITIONS.len() * 2 * bands.len());
}

#[test]
fn named_lists_of_questions_are_those_published() {
    let Some(lists) = published("lists") else { return };
    for name in ["ks2_bands", "gcse_grades", "gcse_subjects"] {
        let values = datacoop_policy::lists::named(name).unwrap();
        assert_eq!(lists[name], serde_json::json!(values), "{name}");
    }
}
