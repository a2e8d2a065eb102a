use super::super::like::like_ours;
use super::super::like::tests::{MEANS, basis, ours};
use super::*;

#[test]
fn a_printed_figure_is_as_fine_as_its_last_decimal() {
    let check = |text: &str, name: &str, value: f64, rounding: f64| {
        let given: Given = text.parse().unwrap();
        assert_eq!(given.name, name);
        assert!(
            (given.value - value).abs() < 1e-12 && (given.rounding - rounding).abs() < 1e-12,
            "{given:?}"
        );
    };
    check("english=9.42", "english", 9.42, 0.005);
    check(" p8 = -0.3 ", "p8", -0.3, 0.05);
    check("a8=46", "a8", 46.0, 0.5);
    check("rate=93.1 %", "rate", 0.931, 0.0005);
    for bad in ["", "english", "=1", "a=", "a=x", "a=1e3", "a=NaN", "a=1.2.3", "a=0.1234567"] {
        assert!(bad.parse::<Given>().unwrap_err().contains("NAME=VALUE"), "{bad}");
    }
}

fn checked(given: &str, ours: f64, like: f64, half: Option<f64>) -> Checked {
    Checked { name: "a".into(), percent: false, given: given.parse().unwrap(), ours, like, half }
}

#[test]
fn our_own_rows_forgive_rounding_alone() {
    assert!(checked("a=9.42", 9.4249, 0.0, None).follows());
    assert!(checked("a=9.42", 9.4151, 0.0, None).follows());
    assert!(!checked("a=9.42", 9.426, 0.0, None).follows());
    assert!(!checked("a=9.42", 9.61, 9.42, Some(1.0)).follows());
}

#[test]
fn people_like_ours_forgive_rounding_noise_and_chance() {
    // 1.96 sqrt(noise^2 + chance^2) = 0.5, and half of the last decimal.
    assert_eq!(checked("a=9.4", 0.0, 9.95, Some(0.5)).is_likely(), Some(true));
    assert_eq!(checked("a=9.4", 0.0, 9.951, Some(0.5)).is_likely(), Some(false));
    assert_eq!(checked("a=9.4", 0.0, 9.0, None).is_likely(), None);
}

#[test]
fn a_figure_is_found_by_its_name_or_how_it_begins() {
    let basis = basis(&MEANS.replace("together = \"both\"", "together = \"a and b\""), &[1000; 12]);
    let ours = ours(&basis.question, &[(0, 20, &[10, 0, 0])]);
    let likes = like_ours(&basis, &ours).ok().unwrap();
    assert_eq!(find(&likes, "a").ok(), Some(0), "the whole name wins over what begins so");
    assert_eq!(find(&likes, "a and").ok(), Some(2));
    for bad in ["", "c", "ab"] {
        assert!(find(&likes, bad).unwrap_err().text.contains("there are a, b, a and b"), "{bad}");
    }
}

#[test]
fn a_finer_grid_changes_nothing_else() {
    let coarse = basis(MEANS, &[0; 12]).question;
    let fine = finer(&coarse);
    assert_eq!(fine.groups(), coarse.groups());
    for (fine, coarse) in fine.measures().iter().zip(coarse.measures()) {
        assert_eq!((fine.resolution.numerator, fine.resolution.denominator), (1, 1000));
        let bound = |steps: i64, denominator: i64| steps * 1000 / denominator;
        let denominator = coarse.resolution.denominator;
        assert_eq!(fine.high_steps, bound(coarse.high_steps, denominator), "{}", fine.name);
    }
}
