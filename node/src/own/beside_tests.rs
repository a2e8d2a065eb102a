use super::super::like::tests::{GRADES, MEANS, RATE, basis, bound, ours};
use super::*;

/// (cell, figure, ours, people, place)
type Line<'a> = (&'a str, &'a str, Option<f64>, u64, Option<Place>);

fn check(basis: &Basis, people: &[(usize, u32, &[i64])], expected: &[Line<'_>]) {
    let all = beside(basis, &ours(&basis.question, people));
    let cell = |one: &Beside| one.key.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    let seen: Vec<_> = all
        .iter()
        .map(|one| (cell(one), one.cluster.name.clone(), one.ours, one.people, one.place))
        .collect();
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(expected) {
        let close = match (seen.2, expected.2) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-6,
            (a, b) => a == b,
        };
        let right = (seen.0.as_str(), seen.1.as_str(), seen.3, seen.4)
            == (expected.0, expected.1, expected.3, expected.4);
        assert!(close && right, "{seen:?} is not {expected:?}");
    }
}

#[test]
fn each_rate_of_ours_lies_by_the_clusters_range() {
    use Place::{Above, Below, Inside};
    // .8 and .95 in year 7, .7 and .9 in year 8, each within a point.
    let basis = basis(RATE, &[800, 200, 1900, 100, 700, 300, 1800, 200]);
    check(
        &basis,
        &[(0, 2, &[9, 1]), (1, 12, &[19, 1]), (3, 1, &[1, 3])],
        &[
            ("7 true", "rate", Some(0.9), 2, Some(Above)),
            ("7 false", "rate", Some(0.95), 12, Some(Inside)),
            ("8 true", "rate", None, 0, None),
            ("8 false", "rate", Some(0.25), 1, Some(Below)),
        ],
    );
}

#[test]
fn what_the_cluster_suppresses_has_no_place_and_a_count_is_a_part() {
    let basis = basis(GRADES, &[1000, 3000, 2, 1]);
    check(
        &basis,
        &[(0, 3, &[1]), (1, 1, &[1]), (2, 4, &[1])],
        &[
            ("7 low", "count", Some(3.0), 3, None),
            ("7 low", "share", Some(0.75), 3, Some(Place::Above)),
            ("7 high", "count", Some(1.0), 1, None),
            ("7 high", "share", Some(0.25), 1, Some(Place::Below)),
            ("8 low", "count", Some(4.0), 4, None),
            ("8 low", "share", Some(1.0), 4, None),
            ("8 high", "count", Some(0.0), 0, None),
            ("8 high", "share", Some(0.0), 0, None),
        ],
    );
}

#[test]
fn a_difference_is_of_the_people_on_its_smaller_side() {
    let gap = RATE.replace("kind = \"rate\"", "kind = \"gap\", across = \"premium\"");
    let basis = basis(&gap, &[800, 200, 1900, 100, 700, 300, 1800, 200]);
    let inside = Some(Place::Inside);
    check(
        &basis,
        &[(0, 30, &[8, 2]), (1, 7, &[19, 1])],
        &[
            ("7 true", "rate", Some(0.8), 30, inside),
            ("7 false", "rate", Some(0.95), 7, inside),
            ("8 true", "rate", None, 0, None),
            ("8 false", "rate", None, 0, None),
            ("7 true minus false", "rate difference", Some(-0.15), 7, inside),
            ("8 true minus false", "rate difference", None, 0, None),
        ],
    );
}

#[test]
fn our_own_chance_comes_from_our_own_squares() {
    let square = MEANS
        .replace(
            "of = [\"a\", \"b\"], count = \"n\", together = \"both\"",
            "of = \"b\", count = \"n\", square = \"q\"",
        )
        .replace("]\nby", "  { name = \"q\", sql = \"b * b\", clamp = [0, 2500], resolution = 1 },\n]\nby");
    let basis = basis(&square, &[0; 16]);
    // b of 5 + 1 and 5 + 3, twice each: mean 7, SD 1 of 4 people.
    let ours = ours(&basis.question, &[(0, 2, &[10, 0, 1, 1]), (0, 2, &[10, 0, 3, 9])]);
    let mean = &beside(&basis, &ours)[0];
    assert!((mean.ours.unwrap() - 7.0).abs() < 1e-6);
    assert!((mean.chance.unwrap() - 1.96 * 0.5).abs() < 1e-6);
}

#[test]
fn a_members_own_gap_is_that_of_the_cells_it_is_in() {
    let event = r#"
figure = { kind = "event", count = "n", mean = "d", square = "q", contrast = "took_part" }
param = { took_part = "members" }
measure = [
  { name = "n", sql = "1", clamp = [0, 1], resolution = "1/2" },
  { name = "d", sql = "here", clamp = [-1, 1], resolution = "1/8" },
  { name = "q", sql = "d * d", clamp = [0, 1], resolution = "1/4" },
]
by = [{ column = "premium", cells = ["true", "false"] }, { member = "took_part", cells = ["yes", "no"] }]
"#;
    let question = bound(event, &[("took_part", "A,B")]);
    // Premium: 4 people, two away on the day; others: 8, one away. We took no part: cells 1 and 3.
    let sums = [0, 0, 0, 8, -16, 8, 0, 0, 0, 16, -8, 4];
    let (gap, chance) = own_gap(&question, &sums, "premium").unwrap();
    assert!((gap + 0.5 - 0.125).abs() < 1e-6, "{gap}");
    // (1/2 - 1/4) / 4 and (1/8 - 1/64) / 8
    assert!((chance - 1.96 * (0.0625f64 + 0.109_375 / 8.0).sqrt()).abs() < 1e-6, "{chance}");
    // Nobody of the premium is no gap.
    assert!(own_gap(&question, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 16, -8, 4], "premium").is_none());
    assert!(own_gap(&question, &sums, "year").is_none());
}
