//! What is said of ours beside the cluster's: a comparison in words, or why there is none. What may be compared is
//! decided in [`crate::own::compare`].

use datacoop_policy::question::{BoundQuestion, Measured};

use super::{Number, Row};
use crate::own::beside::Beside;
use crate::own::compare::{Comparison, Difference, Kind, compare};

/// How a sentence begins that says why there is no comparison.
pub const NOT_SHOWN: &str = "Not shown: ";

/// Ours with what is said of it; `percent` where the figure is read in percent.
pub(super) fn compared(row: Row, question: &BoundQuestion, percent: bool, one: &Beside) -> Row {
    match compare(one, matters(question, percent, one)) {
        Ok(difference) => Row {
            says: sentence(&difference, Kind::of(&one.cluster.name), percent, decimals(percent, one)),
            compared: Some(difference.comparison),
            ..row
        },
        Err(why) => Row { says: format!("{NOT_SHOWN}{}", why.words()), compared: None, ..row },
    }
}

/// The difference worth noticing in the unit of the figure; `None` where the question states it in another.
fn matters(question: &BoundQuestion, percent: bool, one: &Beside) -> Option<f64> {
    let matters = question.question().matters();
    #[expect(clippy::cast_precision_loss, reason = "a threshold in words, not a sum")]
    let parts = |billionths: i128| billionths as f64 / 1e9;
    let amount = parts(matters.billionths);
    match (matters.measured, percent) {
        (Measured::Points, true) | (Measured::Own, false) => Some(amount),
        // So much of the cluster's own figure.
        (Measured::Percent, _) => Some(amount * parts(one.cluster.unrounded?.value).abs()),
        (Measured::Points, false) | (Measured::Own, true) => None,
    }
}

/// As many decimals as the figure has.
fn decimals(percent: bool, one: &Beside) -> usize {
    let text = &one.cluster.value;
    let number = if percent { Number::parse_percent(text) } else { Number::parse(text) };
    number.map_or(0, |number| number.decimals())
}

fn sentence(difference: &Difference, kind: Kind, percent: bool, digits: usize) -> String {
    let said = difference.comparison.words(kind);
    let ends = [difference.low, difference.high].map(|end| if percent { 100.0 * end } else { end });
    let unit = if percent { " percentage points" } else { "" };
    let directed = match kind {
        Kind::Level => Some(("lower", "higher")),
        Kind::Gap => Some(("smaller", "wider")),
        Kind::Change => Some(("smaller", "larger")),
    };
    // Of two that lie on both sides of zero neither is a part of the other: only how far they are apart can be said.
    let apart = matches!(
        difference.comparison,
        Comparison::OtherWay | Comparison::SmallerOrOther | Comparison::Apart
    );
    let directed = directed.filter(|_| !apart);
    // "More" of a gap below zero is further down.
    let turned = kind != Kind::Level && difference.below_zero;
    let (low, high) = if turned { (-ends[1], -ends[0]) } else { (ends[0], ends[1]) };
    let down = |value: f64| outwards(value, digits, f64::floor);
    let up = |value: f64| outwards(value, digits, f64::ceil);
    let range = match directed {
        None if low >= 0.0 => format!("{} and {}{unit}", down(low), up(high)),
        None => format!("{} and {}{unit}", down(-high), up(-low)),
        Some((_, more)) if low >= 0.0 => format!("{} and {}{unit} {more}", down(low), up(high)),
        Some((less, _)) if high <= 0.0 => format!("{} and {}{unit} {less}", down(-high), up(-low)),
        Some((less, more)) => format!("{}{unit} {less} and {} {more}", up(-low), up(high)),
    };
    format!("{said}: the difference is likely to be between {range}")
}

/// Rounded away from the middle, so that a range is never told narrower than it is.
fn outwards(value: f64, decimals: usize, round: fn(f64) -> f64) -> Number {
    let parts = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    // What arithmetic leaves of a whole step is none: a billionth of one.
    Number::of(round((value * parts * 1e9).round() / 1e9) / parts, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, comparison: Comparison, [low, high]: [f64; 2], below_zero: bool, expected: &str) {
        let difference = Difference { value: (low + high) / 2.0, low, high, below_zero, comparison };
        assert_eq!(sentence(&difference, kind, true, 1), expected);
    }

    #[test]
    fn the_range_of_a_difference_is_said_in_the_words_of_its_kind() {
        check(
            Kind::Level,
            Comparison::Similar,
            [-0.018, 0.028],
            false,
            "Similar to the cluster: the difference is likely to be between 1.8 percentage points lower and 2.8 higher",
        );
        check(
            Kind::Level,
            Comparison::Lower,
            [-0.0571, -0.0179],
            true,
            "Lower than the cluster: the difference is likely to be between 1.7 and 5.8 percentage points lower",
        );
    }

    /// Ours of -2 less the cluster's of -4 is +2: the gap is two points smaller. Of 2 and 4 it is -2, and the same.
    #[test]
    fn a_gap_reads_the_same_on_both_sides_of_zero() {
        let smaller = "A smaller gap than the cluster: the difference is likely to be between 1.0 and 3.0 percentage points smaller";
        check(Kind::Gap, Comparison::Smaller, [0.01, 0.03], true, smaller);
        check(Kind::Gap, Comparison::Smaller, [-0.03, -0.01], false, smaller);
        let wider = "A wider gap than the cluster: the difference is likely to be between 1.0 and 3.0 percentage points wider";
        check(Kind::Gap, Comparison::Wider, [-0.03, -0.01], true, wider);
        check(Kind::Gap, Comparison::Wider, [0.01, 0.03], false, wider);
        let uncertain = "Too uncertain to say: the difference is likely to be between 2.0 percentage points smaller and 4.0 wider";
        check(Kind::Gap, Comparison::TooUncertain, [-0.04, 0.02], true, uncertain);
        check(Kind::Gap, Comparison::TooUncertain, [-0.02, 0.04], false, uncertain);
        let other = "A gap the other way round from the cluster: the difference is likely to be between 3.0 and 5.0 percentage points";
        check(Kind::Gap, Comparison::OtherWay, [0.03, 0.05], true, other);
        check(Kind::Gap, Comparison::OtherWay, [-0.05, -0.03], false, other);
    }
}
