use super::*;
use crate::reference::tests::published;

/// `Mathematics 7, Combined Science 5-4` to English, maths, EBacc, open and total in points.
fn check(results: &str, expected: &str) {
    let results = results.split(", ").filter(|text| !text.is_empty()).map(|text| {
        let (subject, value) = text.rsplit_once(' ').unwrap();
        (subject.to_owned(), grade(value).unwrap().halves)
    });
    let a8 = Attainment8::of(&results.collect());
    let points = |halves: u16| f64::from(halves) / 2.0;
    let said = [a8.english, a8.maths, a8.ebacc, a8.open, a8.total()].map(|halves| points(halves).to_string());
    let slots: Vec<String> =
        a8.slots.iter().map(|(subject, slot)| format!("{subject}: {}", slot.name())).collect();
    assert_eq!(format!("{} | {}", said.join(" "), slots.join(", ")), expected);
}

#[test]
fn grades_have_points() {
    for (value, name, halves) in [
        ("9", "9", 18),
        ("1", "1", 2),
        ("u", "U", 0),
        (" X ", "X", 0),
        ("5-4", "4", 9),
        ("99", "9", 18),
        ("1-U", "U", 1),
    ] {
        assert_eq!(grade(value), Some(Grade { name, halves }), "{value}");
    }
    for value in ["", "10", "A*", "5-3", "4.5", "5-5-5", "-"] {
        assert_eq!(grade(value), None, "{value}");
    }
}

#[test]
fn attainment_8_fills_its_slots() {
    check("", "0 0 0 0 0 | ");
    check(
        "English Language 5, English Literature 6, Mathematics 7",
        "12 14 0 5 31 | English Language: open, English Literature: english, Mathematics: maths",
    );
    // One English GCSE is not doubled.
    check("English Language 5, Mathematics 4", "5 8 0 0 13 | English Language: english, Mathematics: maths");
    check("English Literature 9", "9 0 0 0 9 | English Literature: english");
    // Combined Science fills two slots.
    check(
        "Combined Science 6-5, History 7, French 4",
        "0 0 18 4 22 | Combined Science: ebacc, French: open, History: ebacc",
    );
    // Its second half may count among the rest.
    check(
        "Combined Science 5-5, History 7, French 6",
        "0 0 18 5 23 | Combined Science: ebacc, French: ebacc, History: ebacc",
    );
    check(
        "English Language 9, English Literature 9, Mathematics 9, Biology 9, Chemistry 9, Physics 9, \
         History 9, Music 9, Drama 9, Art and Design 9, Latin U",
        "18 18 27 27 90 | Art and Design: open, Biology: ebacc, Chemistry: ebacc, Drama: open, \
         English Language: english, English Literature: open, History: ebacc, Mathematics: maths",
    );
    // Nothing but arts leaves the EBacc slots empty.
    check("Music 8, Drama 7, Dance 6, Engineering 5", "0 0 0 21 21 | Dance: open, Drama: open, Music: open");
}

#[test]
fn basics_need_english_of_either_kind_and_maths() {
    let basics = |results: &[(&str, u16)]| {
        Attainment8::of(&results.iter().map(|(subject, halves)| ((*subject).to_owned(), *halves)).collect())
            .basics
    };
    assert_eq!(basics(&[(LANGUAGE, 6), (LITERATURE, 10), (MATHS, 8)]), Some(8));
    assert_eq!(basics(&[(LANGUAGE, 6), (MATHS, 18)]), Some(6));
    assert_eq!(basics(&[(MATHS, 18)]), None);
}

#[test]
fn the_average_needs_reading_and_maths() {
    assert_eq!(ks2_average(Some(99), Some(100)), Some(199));
    assert_eq!(ks2_average(Some(99), None), None);
    assert_eq!(ks2_average(Some(120), Some(121)), None);
    assert_eq!(ks2_average(Some(59), Some(59)), Some(118));
}

/// Each published estimate comes back for each average of its range, and pupils who reach it have made
/// no progress; ten points more are one grade in each slot.
#[test]
fn progress_8_reproduces_the_published_estimates() {
    let mut groups = vec![];
    for halves in ks2::HALVES {
        let expected = estimate(halves).unwrap();
        groups.push(ks2::group(halves).unwrap());
        let reached = Attainment8 { open: 40, ..Attainment8::default() };
        let progress = progress8(&reached, halves).unwrap();
        assert!((progress.p8 - (20.0 - f64::from(expected.a8) / 100.0) / 10.0).abs() < 1e-12, "{halves}");
        assert!((progress.english + f64::from(expected.english) / 200.0).abs() < 1e-12, "{halves}");
        assert!((progress.open - (20.0 - f64::from(expected.open) / 100.0) / 3.0).abs() < 1e-12, "{halves}");
    }
    groups.dedup();
    assert_eq!(groups, (1..=34).collect::<Vec<_>>());
    assert_eq!((estimate(199).unwrap().a8, estimate(240).unwrap().a8), (3546, 8203));
    assert_eq!(progress8(&Attainment8::default(), 241), None);

    let Some(rows) = published("progress8_2024_estimates") else { return };
    for row in rows.as_array().unwrap() {
        let (low, high) = row["ks2_range"].as_str().unwrap().split_once(" to ").unwrap();
        for text in [low, high] {
            let (whole, half) = text.split_once('.').unwrap_or((text, "0"));
            let halves = 2 * whole.parse::<u16>().unwrap() + u16::from(half == "5");
            let held = estimate(halves).unwrap();
            for (name, hundredths) in [
                ("a8", held.a8),
                ("eng", held.english),
                ("maths", held.maths),
                ("ebacc", held.ebacc),
                ("open", held.open),
            ] {
                let published = row[name].as_f64().unwrap();
                assert!((published - f64::from(hundredths) / 100.0).abs() < 1e-9, "{name} {text}");
            }
        }
    }
}
