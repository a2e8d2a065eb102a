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
