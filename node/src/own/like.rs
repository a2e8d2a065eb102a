//! How our people compare with people like them in the cluster: the cluster's figures, group by group,
//! weighted by our own mix. The weights are ours and private; nothing more is disclosed.
//!
//! Source: DATA section 12 (pupils like ours) and section 4 (Cluster Progress: the same, of means by
//! starting point; a distance is our own less the expected).

use std::collections::BTreeMap;
use std::fmt;

use datacoop_policy::derive::COUNT_MIN;
use datacoop_policy::question::BoundQuestion;

use super::basis::Basis;
use super::count::Ours;
use super::level::{Level, Levels, levels, step_of};
use super::{HALF_WIDTH, PEOPLE_FEW};

/// Below this many standard errors of noise a denominator bends what it divides, and a coarser group
/// is used (DATA section 8).
const ERROR_PARTS_MAX: f64 = 8.0;

/// What part of our people was compared with a coarser group, because theirs is too small or too noisy.
#[derive(Clone, PartialEq, Debug)]
pub struct FellBack {
    /// The groupings that the coarser group still has; none is the whole cluster.
    pub groupings: Vec<String>,
    /// Part of our own denominator, 0 to 1.
    pub weight: f64,
}

/// What can be said of a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The whole interval lies above nothing.
    Above,
    /// The whole interval lies below.
    Below,
    /// The interval holds nothing: which is not the same as no difference.
    NotToldApart,
    /// Too few people of ours for an interval.
    TooFew,
}

impl Verdict {
    /// The closed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::NotToldApart => "not_told_apart",
            Self::TooFew => "too_few",
        }
    }
}

/// One figure of ours beside what people like ours reach. Secret: no `Debug`.
pub struct Like {
    /// Such as `rate`.
    pub name: String,
    /// Whether it is a part of one, which people read in percent.
    pub percent: bool,
    /// The cluster's figures weighted by our own mix.
    pub expected: f64,
    /// Half-width of the privacy noise in it (95 %).
    pub noise: f64,
    /// Our own figure, exact.
    pub actual: f64,
    /// Half-width of ordinary chance (95 %): our people as draws; `None` with too few of them.
    pub chance: Option<f64>,
    /// Our own people.
    pub people: u64,
    /// Our part of the cluster's denominator, 0 to 1, if our contribution is in it.
    pub part: f64,
    /// What coarser groups stood in for, finest first.
    pub fell_back: Vec<FellBack>,
}

impl Like {
    /// Ours less the expected.
    pub fn difference(&self) -> f64 {
        self.actual - self.expected
    }

    /// Half-width of noise and chance together (95 %).
    pub fn half(&self) -> Option<f64> {
        Some(self.noise.hypot(self.chance?))
    }

    /// What can be said: above or below only if the whole interval is.
    pub fn verdict(&self) -> Verdict {
        match self.half() {
            None => Verdict::TooFew,
            Some(half) if self.difference() > half => Verdict::Above,
            Some(half) if self.difference() < -half => Verdict::Below,
            Some(_) => Verdict::NotToldApart,
        }
    }
}

/// Why there is nothing to compare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoLike {
    /// The Question's figure is no ratio.
    Kind(String),
    /// Nobody of ours is in any group.
    Nobody,
    /// Not even the whole cluster's figure stands above the noise.
    TooNoisy,
}

impl fmt::Display for NoLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(
                f,
                "a figure of kind `{kind}` cannot be weighted by our own mix; ask for a rate, a mean or shares"
            ),
            Self::Nobody => f.write_str("none of our own people are in this question's groups"),
            Self::TooNoisy => f.write_str("this release is too small or too noisy to be weighted"),
        }
    }
}

/// Compares our own people with people like them, for each ratio of the Question.
pub fn like_ours(basis: &Basis, ours: &Ours) -> Result<Vec<Like>, NoLike> {
    let question = &basis.question;
    let kind = || NoLike::Kind(question.question().draft().figure.kind.clone());
    let Levels { levels, axes, percent } = levels(question).ok_or_else(kind)?;
    if ours.people_in_all() == 0 {
        return Err(NoLike::Nobody);
    }
    let strata = Strata::new(question, &axes);
    let cluster = Values::of_cluster(basis);
    let own = Values::of_ours(question, ours);
    let compared: Option<Vec<Like>> =
        levels.iter().map(|level| compare(basis, level, &strata, &cluster, &own, ours)).collect();
    let compared = compared.ok_or(NoLike::TooNoisy)?;
    Ok(compared.into_iter().map(|like| Like { percent, ..like }).collect())
}

/// Our own ratios by name, as [`like_ours`] orders them.
pub(super) fn own_figures(question: &BoundQuestion, ours: &Ours) -> Vec<(String, f64)> {
    let own = Values::of_ours(question, ours);
    let all: Vec<usize> = (0..question.groups().len()).collect();
    let levels = levels(question).map_or_else(Vec::new, |found| found.levels);
    let actual = |level: Level| {
        let ratio = own.total(&all, &level.above) / own.total(&all, &level.below);
        (level.name, ratio)
    };
    levels.into_iter().map(actual).collect()
}

/// Sums in the measures' own units, what a step of each measure is in them, and the standard error
/// that noise gives each.
struct Values {
    sums: Vec<f64>,
    steps: Vec<f64>,
    errors: Vec<f64>,
}

impl Values {
    fn of_cluster(basis: &Basis) -> Self {
        let measures = basis.question.measures();
        let scale = f64::from(basis.noise.doublings).exp2();
        let steps: Vec<f64> = measures.iter().map(|measure| step_of(measure) / scale).collect();
        // s_X = sigma_i sqrt(|A|) x resolution / 2^t (DATA section 8).
        let error = f64::from(basis.noise.noise_std.get()) / 256.0 * f64::from(basis.accepted).sqrt();
        let errors = steps.iter().map(|step| step * error).collect();
        Self { sums: in_units(&basis.sums, &steps), steps, errors }
    }

    fn of_ours(question: &BoundQuestion, ours: &Ours) -> Self {
        let steps: Vec<f64> = question.measures().iter().map(step_of).collect();
        let errors = vec![0.0; steps.len()];
        Self { sums: in_units(ours.sums(), &steps), steps, errors }
    }

    /// A weighted sum over one group.
    fn weighted(&self, group: usize, weights: &[f64]) -> f64 {
        let width = self.steps.len();
        let sums = &self.sums[group * width..][..width];
        sums.iter().zip(weights).map(|(sum, weight)| sum * weight).sum()
    }

    /// A weighted sum over several groups.
    fn total(&self, groups: &[usize], weights: &[Vec<f64>]) -> f64 {
        groups.iter().map(|group| self.weighted(*group, &weights[*group])).sum()
    }

    /// The standard error of noise in such a sum.
    fn error(&self, groups: &[usize], weights: &[Vec<f64>]) -> f64 {
        let square = |group: &usize| -> f64 {
            weights[*group].iter().zip(&self.errors).map(|(weight, error)| (weight * error).powi(2)).sum()
        };
        groups.iter().map(square).sum::<f64>().sqrt()
    }
}

fn in_units(sums: &[i64], steps: &[f64]) -> Vec<f64> {
    sums.iter().zip(steps.iter().cycle()).map(|(sum, step)| *sum as f64 * step).collect()
}

/// The groups that lie in each stratum, at each depth: at depth d the first d axes tell strata apart.
struct Strata {
    /// Names of the axes, in order.
    names: Vec<String>,
    /// `of[d][group]` is the group's stratum at depth d.
    of: Vec<Vec<usize>>,
    /// `groups[d][stratum]`.
    groups: Vec<Vec<Vec<usize>>>,
}

impl Strata {
    fn new(question: &BoundQuestion, axes: &[usize]) -> Self {
        let keys = question.groups();
        let (mut of, mut groups) = (vec![], vec![]);
        for depth in 0..=axes.len() {
            let mut ids: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
            let mut members: Vec<Vec<usize>> = vec![];
            let mut stratum_of = vec![];
            for (group, key) in keys.iter().enumerate() {
                let kept: Vec<&str> = axes[..depth].iter().map(|axis| key[*axis].1.as_str()).collect();
                let id = *ids.entry(kept).or_insert_with(|| {
                    members.push(vec![]);
                    members.len() - 1
                });
                members[id].push(group);
                stratum_of.push(id);
            }
            of.push(stratum_of);
            groups.push(members);
        }
        let names = axes.iter().map(|axis| question.groupings()[*axis].name.clone()).collect();
        Self { names, of, groups }
    }

    fn finest(&self) -> usize {
        self.names.len()
    }
}

/// Which stratum of the cluster stands for a finest stratum of ours, and what it says.
struct Stand {
    depth: usize,
    stratum: usize,
    ratio: f64,
}

/// The finest stratum around a group whose denominator stands above the noise.
fn stand_for(level: &Level, strata: &Strata, cluster: &Values, group: usize) -> Option<Stand> {
    (0..=strata.finest()).rev().find_map(|depth| {
        let stratum = strata.of[depth][group];
        let groups = &strata.groups[depth][stratum];
        let below = cluster.total(groups, &level.below);
        let solid =
            below >= COUNT_MIN as f64 && cluster.error(groups, &level.below) * ERROR_PARTS_MAX <= below;
        solid.then(|| Stand { depth, stratum, ratio: cluster.total(groups, &level.above) / below })
    })
}

fn compare(
    basis: &Basis,
    level: &Level,
    strata: &Strata,
    cluster: &Values,
    own: &Values,
    ours: &Ours,
) -> Option<Like> {
    let all: Vec<usize> = (0..level.below.len()).collect();
    let below = own.total(&all, &level.below);
    if below <= 0.0 {
        return None;
    }
    let actual = own.total(&all, &level.above) / below;
    // Weight of each stratum that stands for people of ours, and its ratio for each group.
    let mut weights: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut ratios = vec![0.0; all.len()];
    let mut expected = 0.0;
    for groups in &strata.groups[strata.finest()] {
        let weight = own.total(groups, &level.below) / below;
        if weight == 0.0 {
            continue;
        }
        let stand = stand_for(level, strata, cluster, groups[0])?;
        expected += weight * stand.ratio;
        *weights.entry((stand.depth, stand.stratum)).or_default() += weight;
        groups.iter().for_each(|group| ratios[*group] = stand.ratio);
    }
    let noise = noise_of(level, strata, cluster, &weights);
    let chance = chance_of(level, own, ours, &ratios, actual - expected, below);
    let whole = cluster.total(&all, &level.below);
    Some(Like {
        name: level.name.clone(),
        percent: false,
        expected,
        noise: HALF_WIDTH * noise,
        actual,
        chance: chance.map(|chance| HALF_WIDTH * chance),
        people: ours.people_in_all(),
        part: if basis.counts_us && whole > 0.0 { (below / whole).min(1.0) } else { 0.0 },
        fell_back: fell_back(strata, &weights),
    })
}

/// The standard error that noise gives the expected figure: each noisy sum once, however many strata,
/// fine and coarse, it is in. Without coarser strata it is sqrt(sum of (weight x SD)^2).
fn noise_of(
    level: &Level,
    strata: &Strata,
    cluster: &Values,
    weights: &BTreeMap<(usize, usize), f64>,
) -> f64 {
    let width = cluster.steps.len();
    let mut slopes = vec![0.0; level.below.len() * width];
    for ((depth, stratum), weight) in weights {
        let groups = &strata.groups[*depth][*stratum];
        let below = cluster.total(groups, &level.below);
        let ratio = cluster.total(groups, &level.above) / below;
        for group in groups {
            let pairs = level.above[*group].iter().zip(&level.below[*group]);
            for (at, (above, under)) in pairs.enumerate() {
                slopes[group * width + at] += weight * (above - ratio * under) / below;
            }
        }
    }
    let squares =
        slopes.iter().zip(cluster.errors.iter().cycle()).map(|(slope, error)| (slope * error).powi(2));
    squares.sum::<f64>().sqrt()
}

/// The standard error of our own figure's distance from the expected, our people as draws: from how
/// far each of them lies from people like them.
fn chance_of(
    level: &Level,
    own: &Values,
    ours: &Ours,
    ratios: &[f64],
    difference: f64,
    below: f64,
) -> Option<f64> {
    let people = ours.people_in_all();
    if people < PEOPLE_FEW {
        return None;
    }
    let mut squares = 0.0;
    for (group, ratio) in ratios.iter().enumerate().filter(|(group, _)| ours.people()[*group] > 0) {
        let pairs = level.above[group].iter().zip(&level.below[group]);
        // A person's own distance is this vector times its steps.
        let away: Vec<f64> = pairs
            .zip(&own.steps)
            .map(|((above, under), step)| (above - (ratio + difference) * under) * step)
            .collect();
        for (i, a) in away.iter().enumerate() {
            for (j, b) in away.iter().enumerate() {
                squares += a * b * ours.product(group, i, j);
            }
        }
    }
    let people = people as f64;
    Some((squares.max(0.0) * people / (people - 1.0)).sqrt() / below)
}

fn fell_back(strata: &Strata, weights: &BTreeMap<(usize, usize), f64>) -> Vec<FellBack> {
    let mut by_depth: BTreeMap<usize, f64> = BTreeMap::new();
    for ((depth, _), weight) in weights {
        *by_depth.entry(*depth).or_default() += weight;
    }
    let coarser = by_depth.into_iter().rev().filter(|(depth, _)| *depth < strata.finest());
    coarser.map(|(depth, weight)| FellBack { groupings: strata.names[..depth].to_vec(), weight }).collect()
}

#[cfg(test)]
#[path = "like_tests.rs"]
pub(super) mod tests;
