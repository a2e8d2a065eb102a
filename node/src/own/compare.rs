//! How our own figure compares with the cluster's: by the range of the difference, never by two ranges
//! that overlap; and of a gap by which is wider, whichever way it runs. Source: UI section 4, "Comparison".

use std::cmp::Ordering;

use datacoop_policy::derive::{Status, is_difference};

use super::beside::{Beside, plain};

/// What kind of number is compared: it decides what "more" means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A rate, a mean, a share: more is higher.
    Level,
    /// The difference between two groups: more is wider, on either side of zero.
    Gap,
    /// The change that a day or a break made: more is larger, on either side of zero.
    Change,
}

impl Kind {
    /// Of a figure by its name.
    pub fn of(name: &str) -> Self {
        match name {
            "change" => Self::Change,
            name if is_difference(name) => Self::Gap,
            _ => Self::Level,
        }
    }
}

/// In words that claim no more than the range of the difference does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// The whole range lies within what is worth noticing.
    Similar,
    /// Of a level: the whole range lies above zero.
    Higher,
    /// Of a level: the whole range lies below zero.
    Lower,
    /// Of a gap or change: ours is surely nearer to zero.
    Smaller,
    /// Of a gap or change: ours is surely further from zero.
    Wider,
    /// Of a gap or change: ours surely lies on one side of zero and the cluster's on the other.
    OtherWay,
    /// Of a gap or change: the cluster's surely has a side, and ours lies surely less far on that side; whether it lies
    /// as far on the other is not sure.
    SmallerOrOther,
    /// Of a gap or change: they surely differ, and nothing more is sure.
    Apart,
    /// The range holds zero and more than what is worth noticing.
    TooUncertain,
}

impl Comparison {
    /// The words for it.
    pub fn words(self, kind: Kind) -> &'static str {
        let change = kind == Kind::Change;
        match self {
            Self::Similar => "Similar to the cluster",
            Self::Higher => "Higher than the cluster",
            Self::Lower => "Lower than the cluster",
            Self::Smaller if change => "A smaller change than the cluster",
            Self::Smaller => "A smaller gap than the cluster",
            Self::Wider if change => "A larger change than the cluster",
            Self::Wider => "A wider gap than the cluster",
            Self::OtherWay if change => "A change the other way from the cluster",
            Self::OtherWay => "A gap the other way round from the cluster",
            Self::SmallerOrOther if change => "A smaller change than the cluster, or one the other way",
            Self::SmallerOrOther => "A smaller gap than the cluster, or one the other way round",
            Self::Apart if change => {
                "Another change than the cluster; which is larger is too uncertain to say"
            }
            Self::Apart => "Another gap than the cluster; which is wider is too uncertain to say",
            Self::TooUncertain => "Too uncertain to say",
        }
    }

    /// Whether ours surely differs by it.
    pub fn is_sure(self) -> bool {
        match self {
            Self::Higher
            | Self::Lower
            | Self::Smaller
            | Self::Wider
            | Self::OtherWay
            | Self::SmallerOrOther
            | Self::Apart => true,
            Self::Similar | Self::TooUncertain => false,
        }
    }
}

/// Ours minus the cluster's, with the ends of its range (95 %), in the figure's own unit; a share of one
/// where that is percent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Difference {
    /// Ours minus the cluster's.
    pub value: f64,
    /// Lower end of its range.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the cluster's lies below zero: then of gaps and changes "more" is further down.
    pub below_zero: bool,
    /// What may be said of it.
    pub comparison: Comparison,
}

/// Why ours is not compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCompared {
    /// Counts and sums of ours are in the cluster's.
    Part,
    /// The cluster's is too small or too noisy.
    Hidden,
    /// Nobody of ours is in the group, or on one side of a difference.
    Nobody,
    /// Noise alone would make a difference look surer than it is.
    NoChance,
    /// The Question says what is worth noticing in another unit.
    OtherUnit,
}

impl NotCompared {
    /// The reason, to stand after `Not shown`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Part => "ours is a part of the cluster's number",
            Self::Hidden => "the cluster's figure has too few people or too wide a range",
            Self::Nobody => "we have nobody in this group",
            Self::NoChance => {
                "this question measures no ordinary chance, and without it a difference would look surer than it is"
            }
            Self::OtherUnit => {
                "the question does not say how large a difference in this number is worth noticing"
            }
        }
    }
}

/// Compares one figure, from what both were rounded from. `matters` is the difference worth noticing, in the
/// same unit as the figure; `None` where it is in no such unit.
///
/// Where we are among those counted, a part of our chance is in the cluster's as well, which would make the
/// range narrower: `half^2 = noise^2 + chance_cluster^2 + (1 - 2 w) chance_own^2`. Our share `w` of the
/// denominator is not always known here, so w is 0: the range is at most wider than it need be. Of the sum of both, by
/// which sides of zero are told apart, it is `1 + 2 w`, and there w is 1, for the same reason. Of a bent interval each
/// side counts by itself (Donner and Zou 2012, MOVER).
pub fn compare(one: &Beside, matters: Option<f64>) -> Result<Difference, NotCompared> {
    if matches!(one.cluster.name.as_str(), "count" | "sum") {
        return Err(NotCompared::Part);
    }
    let cluster = one.cluster.unrounded.filter(|_| one.cluster.status == Status::Estimated);
    let cluster = cluster.ok_or(NotCompared::Hidden)?;
    let ours = one.ours.ok_or(NotCompared::Nobody)?;
    let (Some(_), Some(chance)) = (cluster.chance, one.chance) else { return Err(NotCompared::NoChance) };
    let matters = matters.ok_or(NotCompared::OtherUnit)?;
    let [theirs, low, high] = [cluster.value, cluster.low, cluster.high].map(plain);
    let (below, above) = ((high - theirs).hypot(chance), (theirs - low).hypot(chance));
    let value = ours - theirs;
    // Of the sum of both: whether ours is as far from zero on the other side.
    let shared = 3.0_f64.sqrt() * chance;
    let sum = (ours + theirs - (theirs - low).hypot(shared), ours + theirs + (high - theirs).hypot(shared));
    let mut difference = Difference {
        value,
        low: value - below,
        high: value + above,
        below_zero: theirs < 0.0,
        comparison: Comparison::TooUncertain,
    };
    let sides = Sides { sum, ours: (ours - chance, ours + chance), theirs: (low, high) };
    difference.comparison = comparison(&difference, matters, Kind::of(&one.cluster.name), &sides);
    Ok(difference)
}

/// Ranges by which ours and the cluster's lie on sides of zero.
struct Sides {
    /// Of ours plus the cluster's.
    sum: (f64, f64),
    ours: (f64, f64),
    theirs: (f64, f64),
}

/// Above zero, below it, or neither for sure.
fn side((low, high): (f64, f64)) -> Ordering {
    match (low > 0.0, high < 0.0) {
        (true, _) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => Ordering::Equal,
    }
}

/// The first that fits.
fn comparison(difference: &Difference, matters: f64, kind: Kind, sides: &Sides) -> Comparison {
    let range = (difference.low, difference.high);
    if range.0 >= -matters && range.1 <= matters {
        return Comparison::Similar;
    }
    let differs = side(range);
    match (kind, differs) {
        (_, Ordering::Equal) => return Comparison::TooUncertain,
        (Kind::Level, Ordering::Greater) => return Comparison::Higher,
        (Kind::Level, Ordering::Less) => return Comparison::Lower,
        (Kind::Gap | Kind::Change, _) => {}
    }
    let (sum, ours, theirs) = (side(sides.sum), side(sides.ours), side(sides.theirs));
    if ours == theirs.reverse() && theirs != Ordering::Equal {
        return Comparison::OtherWay;
    }
    // Further from zero is: difference and sum of one sign, for a^2 - b^2 = (a - b)(a + b).
    if sum == differs {
        Comparison::Wider
    } else if sum == differs.reverse() {
        Comparison::Smaller
    } else if theirs == differs.reverse() {
        Comparison::SmallerOrOther
    } else {
        Comparison::Apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_policy::derive::{FigureValue, Unrounded};

    const NOISE: f64 = 0.003;

    /// The cluster's with a noise of 0.003, its texts coarser than what they were rounded from.
    fn beside(name: &str, ours: f64, own_chance: Option<f64>, value: f64, chance: Option<f64>) -> Beside {
        #[expect(clippy::cast_possible_truncation, reason = "test values are small")]
        let billionths = |value: f64| (value * 1e9).round() as i128;
        let half = NOISE.hypot(chance.unwrap_or(0.0));
        Beside {
            key: vec![],
            cluster: FigureValue {
                name: name.into(),
                value: format!("{value:.1}"),
                low: "0".into(),
                high: "1".into(),
                noise: "0.1".into(),
                chance: chance.map(|_| "0.1".to_owned()),
                chance_assumed: false,
                status: Status::Estimated,
                unrounded: Some(Unrounded {
                    value: billionths(value),
                    low: billionths(value - half),
                    high: billionths(value + half),
                    noise: billionths(NOISE),
                    chance: chance.map(billionths),
                }),
            },
            ours: Some(ours),
            chance: own_chance,
            people: 200,
            place: None,
        }
    }

    #[test]
    fn each_comparison_follows_from_the_range_of_the_difference() {
        let said = |ours, own_chance, matters| {
            let one = beside("rate", ours, Some(own_chance), 0.210, Some(0.004));
            let difference = compare(&one, Some(matters)).unwrap();
            let half = (0.003_f64.powi(2) + 0.004_f64.powi(2) + own_chance * own_chance).sqrt();
            assert!((difference.high - difference.value - half).abs() < 1e-8, "from unrounded numbers");
            assert!((difference.value - (ours - 0.210)).abs() < 1e-8, "from unrounded numbers");
            difference.comparison
        };
        assert_eq!(said(0.212, 0.012, 0.03), Comparison::Similar);
        assert_eq!(said(0.250, 0.012, 0.03), Comparison::Higher);
        assert_eq!(said(0.170, 0.012, 0.03), Comparison::Lower);
        assert_eq!(said(0.215, 0.012, 0.01), Comparison::TooUncertain);
        // Surely above zero and surely not worth noticing: similar comes first.
        assert_eq!(said(0.230, 0.0, 0.03), Comparison::Similar);
    }

    /// The halves are 0.005 and 0.012, together 0.013: a range from 0 is not above it.
    #[test]
    fn at_the_edge_nothing_is_claimed() {
        let at = |ours: f64| {
            compare(&beside("rate", ours, Some(0.012), 0.0, Some(0.004)), Some(0.001)).unwrap().comparison
        };
        assert_eq!(at(0.012_9), Comparison::TooUncertain);
        assert_eq!(at(0.013_1), Comparison::Higher);
        assert_eq!(at(-0.013_1), Comparison::Lower);
    }

    /// Both ways round: a gap of -2 beside one of -4 is higher on an axis and the smaller gap.
    #[test]
    fn a_gap_is_smaller_or_wider_whichever_way_it_runs() {
        for (ours, theirs, expected) in [
            (0.02, 0.04, Comparison::Smaller),
            (0.06, 0.04, Comparison::Wider),
            (0.041, 0.04, Comparison::TooUncertain),
            // Nothing on our side of a wide gap.
            (0.0, 0.04, Comparison::Smaller),
            (-0.04, 0.04, Comparison::OtherWay),
            // Ours may lie on either side of zero, and is nearer to it all the same.
            (-0.005, 0.04, Comparison::Smaller),
            // Of ours it is not sure on which side it lies, nor that it is the nearer.
            (-0.009_5, 0.015, Comparison::SmallerOrOther),
            // Nor here, as ours is a part of the cluster's: what chance does to one it does to both.
            (-0.005, 0.02, Comparison::SmallerOrOther),
            // The cluster's may lie on either side, and so which is wider is not sure.
            (-0.009, 0.004, Comparison::Apart),
        ] {
            for sign in [1.0, -1.0] {
                let one = beside("rate difference", sign * ours, Some(0.01), sign * theirs, Some(0.004));
                let found = compare(&one, Some(0.001)).unwrap().comparison;
                assert_eq!(found, expected, "{ours} beside {theirs}, times {sign}");
            }
        }
        let words = |name: &str, ours: f64, theirs: f64| {
            let found = compare(&beside(name, ours, Some(0.001), theirs, Some(0.001)), Some(0.001)).unwrap();
            found.comparison.words(Kind::of(name))
        };
        assert_eq!(words("difference a8_points", -2.0, -4.0), "A smaller gap than the cluster");
        assert_eq!(words("difference", -6.0, -4.0), "A wider gap than the cluster");
        assert_eq!(words("change", -6.0, -4.0), "A larger change than the cluster");
        assert_eq!(words("mean", -2.0, -4.0), "Higher than the cluster");
    }

    #[test]
    fn what_is_not_compared_has_a_reason() {
        let why = |one: &Beside| compare(one, Some(0.03)).unwrap_err();
        assert_eq!(why(&beside("rate", 0.2, None, 0.21, Some(0.004))), NotCompared::NoChance);
        assert_eq!(why(&beside("rate", 0.2, Some(0.01), 0.21, None)), NotCompared::NoChance);
        assert_eq!(why(&beside("count", 20.0, Some(1.0), 100.0, Some(4.0))), NotCompared::Part);
        let one = beside("rate", 0.2, Some(0.01), 0.21, Some(0.004));
        assert_eq!(why(&Beside { ours: None, ..one.clone() }), NotCompared::Nobody);
        assert_eq!(compare(&one, None), Err(NotCompared::OtherUnit));
        let mut hidden = one;
        (hidden.cluster.status, hidden.cluster.unrounded) = (Status::Suppressed, None);
        assert_eq!(why(&hidden), NotCompared::Hidden);
    }
}
