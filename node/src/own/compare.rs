//! How our own figure compares with the cluster's: by the range of the difference, never by two ranges
//! that overlap. Source: UI section 4, "Comparison".

use datacoop_policy::derive::Status;

use super::beside::Beside;

/// In words that claim no more than the range of the difference does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// The whole range lies within what is worth noticing.
    Similar,
    /// The whole range lies above zero.
    Higher,
    /// The whole range lies below zero.
    Lower,
    /// The range holds zero and more than what is worth noticing.
    TooUncertain,
}

impl Comparison {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Similar => "Similar to the cluster",
            Self::Higher => "Higher than the cluster",
            Self::Lower => "Lower than the cluster",
            Self::TooUncertain => "Too uncertain to say",
        }
    }
}

/// Ours minus the cluster's, with the ends of its range (95 %).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Difference {
    /// Ours minus the cluster's, in the figure's own unit; a share of one where that is percent.
    pub value: f64,
    /// Half-width of its range.
    pub half: f64,
    /// What may be said of it.
    pub comparison: Comparison,
}

/// Compares one figure. `matters` is the difference worth noticing, in the same unit as the figure.
///
/// `None` where one is missing, is a part of the other (counts, sums), or has no chance measured: noise
/// alone would make a difference look surer than it is.
///
/// Where we are among those counted, a part of our chance is in the cluster's as well, which would make the
/// range narrower: `half^2 = noise^2 + chance_cluster^2 + (1 - 2 w) chance_own^2`. Our share `w` of the
/// denominator is not always known here, so w is 0: the range is at most wider than it need be.
pub fn compare(one: &Beside, matters: f64) -> Option<Difference> {
    if matches!(one.cluster.name.as_str(), "count" | "sum") || one.cluster.status == Status::Suppressed {
        return None;
    }
    let number = |text: &str| text.parse::<f64>().ok();
    let value = one.ours? - number(&one.cluster.value)?;
    let noise = number(&one.cluster.noise)?;
    let half = noise.hypot(number(one.cluster.chance.as_deref()?)?).hypot(one.chance?);
    let (low, high) = (value - half, value + half);
    let comparison = if low >= -matters && high <= matters {
        Comparison::Similar
    } else if low > 0.0 {
        Comparison::Higher
    } else if high < 0.0 {
        Comparison::Lower
    } else {
        Comparison::TooUncertain
    };
    Some(Difference { value, half, comparison })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_policy::derive::FigureValue;

    fn beside(ours: f64, own_chance: Option<f64>, value: &str, chance: Option<&str>) -> Beside {
        Beside {
            key: vec![],
            cluster: FigureValue {
                name: "rate".into(),
                value: value.into(),
                low: "0".into(),
                high: "1".into(),
                noise: "0.003".into(),
                chance: chance.map(str::to_owned),
                chance_assumed: false,
                status: Status::Estimated,
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
            let difference =
                compare(&beside(ours, Some(own_chance), "0.210", Some("0.004")), matters).unwrap();
            assert!(
                (difference.half - (0.003_f64.powi(2) + 0.004_f64.powi(2) + own_chance * own_chance).sqrt())
                    .abs()
                    < 1e-12
            );
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
        let at = |ours: f64| compare(&beside(ours, Some(0.012), "0.0", Some("0.004")), 0.001).unwrap();
        assert_eq!(at(0.012_9).comparison, Comparison::TooUncertain);
        assert_eq!(at(0.013_1).comparison, Comparison::Higher);
        assert_eq!(at(-0.013_1).comparison, Comparison::Lower);
    }

    #[test]
    fn nothing_is_said_without_chance_on_both_sides_or_of_a_part() {
        assert!(compare(&beside(0.2, None, "0.21", Some("0.004")), 0.03).is_none());
        assert!(compare(&beside(0.2, Some(0.01), "0.21", None), 0.03).is_none());
        let mut count = beside(20.0, Some(1.0), "100", Some("4"));
        count.cluster.name = "count".into();
        assert!(compare(&count, 5.0).is_none());
    }
}
