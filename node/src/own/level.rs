//! Figures that are ratios of sums: rates, means and shares. Each is read off the sums of any union of
//! groups, so the same formula serves a group, a coarser one and the whole.

use datacoop_policy::question::{BoundQuestion, Figure, Level as Compared, MeanOf, Measure, RateOf, Whole};

/// A ratio of two weighted sums over the groups of a union: `above` over `below`, each a weight for
/// every group and measure, on values in the measures' own units.
pub(super) struct Level {
    pub(super) name: String,
    pub(super) above: Vec<Vec<f64>>,
    pub(super) below: Vec<Vec<f64>>,
}

/// The ratios of a question, and the groupings that set its strata apart; what is left over are the
/// categories that shares are of.
pub(super) struct Levels {
    pub(super) levels: Vec<Level>,
    pub(super) axes: Vec<usize>,
    /// Whether they are parts of one, which people read in percent.
    pub(super) percent: bool,
}

/// The unit of a measure's step.
pub(super) fn step_of(measure: &Measure) -> f64 {
    measure.resolution.numerator as f64 / measure.resolution.denominator as f64
}

/// The ratios that a question's figure is made of; `None` when it is made of something else.
pub(super) fn levels(question: &BoundQuestion) -> Option<Levels> {
    let all: Vec<usize> = (0..question.groupings().len()).collect();
    let axis = |name: &str| question.groupings().iter().position(|by| by.name == name);
    match question.figure() {
        Figure::Rate(rate) | Figure::Gap { of: Compared::Rate(rate), .. } => {
            Some(Levels { levels: vec![rate_of(question, rate)?], axes: all, percent: true })
        }
        Figure::Mean(mean) | Figure::Gap { of: Compared::Mean(mean), .. } => {
            Some(Levels { levels: means_of(question, mean)?, axes: all, percent: false })
        }
        Figure::Event { count, mean, .. } => {
            let level = mean_of(question, "change", std::slice::from_ref(mean), count)?;
            Some(Levels { levels: vec![level], axes: all, percent: true })
        }
        Figure::Histogram { of, over } | Figure::Share { of, over } => shares_of(question, of, axis(over)?),
        Figure::Transition { of, columns, .. } => shares_of(question, of, axis(columns)?),
        Figure::Count { .. }
        | Figure::Sum { .. }
        | Figure::Quantile { .. }
        | Figure::Spread { .. }
        | Figure::Fit(_) => None,
    }
}

fn at(question: &BoundQuestion, name: &str) -> Option<usize> {
    question.measures().iter().position(|measure| measure.name == name)
}

/// The same weights in every group: 1 for these measures.
fn everywhere(question: &BoundQuestion, measures: &[usize]) -> Vec<Vec<f64>> {
    let one: Vec<f64> = (0..question.measures().len())
        .map(|measure| if measures.contains(&measure) { 1.0 } else { 0.0 })
        .collect();
    vec![one; question.groups().len()]
}

fn rate_of(question: &BoundQuestion, rate: &RateOf) -> Option<Level> {
    let of = at(question, &rate.of)?;
    let below = match &rate.whole {
        Whole::Against(others) => {
            let others = others.iter().map(|other| at(question, other));
            others.chain([Some(of)]).collect::<Option<_>>()?
        }
        Whole::Over(whole) => vec![at(question, whole)?],
    };
    let (above, below) = (everywhere(question, &[of]), everywhere(question, &below));
    Some(Level { name: "rate".into(), above, below })
}

/// Each mean by itself, and their sum if it has a name.
fn means_of(question: &BoundQuestion, mean: &MeanOf) -> Option<Vec<Level>> {
    let name = |of: &String| if mean.of.len() == 1 { "mean".to_owned() } else { of.clone() };
    let each = mean.of.iter().map(|of| mean_of(question, &name(of), std::slice::from_ref(of), &mean.count));
    let together = mean.together.iter().map(|name| mean_of(question, name, &mean.of, &mean.count));
    each.chain(together).collect()
}

/// The mean of a sum of measures, what was taken off each person's value added back.
fn mean_of(question: &BoundQuestion, name: &str, of: &[String], count: &str) -> Option<Level> {
    let of: Vec<usize> = of.iter().map(|name| at(question, name)).collect::<Option<_>>()?;
    let count = at(question, count)?;
    let mut above = everywhere(question, &of);
    for (weights, key) in above.iter_mut().zip(question.groups()) {
        weights[count] +=
            of.iter().map(|of| centre_of(question, &question.measures()[*of], &key)).sum::<f64>();
    }
    Some(Level { name: name.into(), above, below: everywhere(question, &[count]) })
}

/// What was taken off a measure in a group: one number, or one for each cell of the first grouping.
fn centre_of(question: &BoundQuestion, measure: &Measure, key: &[(String, String)]) -> f64 {
    let first = question.groupings().first().zip(key.first());
    let cell = first.and_then(|(by, (_, value))| by.cells.iter().position(|cell| cell == value));
    let centre = match measure.centre.len() {
        0 => return 0.0,
        1 => measure.centre.first(),
        _ => cell.and_then(|cell| measure.centre.get(cell)),
    };
    centre.map_or(0.0, |centre| centre.numerator as f64 / centre.denominator as f64)
}

/// The share of each value of one grouping.
fn shares_of(question: &BoundQuestion, of: &str, across: usize) -> Option<Levels> {
    let of = at(question, of)?;
    let by = question.groupings().get(across)?;
    let axes = (0..question.groupings().len()).filter(|axis| *axis != across).collect();
    let share = |value: &String| {
        let mut above = everywhere(question, &[of]);
        for (weights, key) in above.iter_mut().zip(question.groups()) {
            if key[across].1 != *value {
                weights[of] = 0.0;
            }
        }
        Level { name: value.clone(), above, below: everywhere(question, &[of]) }
    };
    Some(Levels { levels: by.cells.iter().map(share).collect(), axes, percent: true })
}
