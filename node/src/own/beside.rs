//! Our own exact figures beside the cluster's, cell by cell: the same sums of the same question, made
//! into the same figures by the same code.

use datacoop_policy::derive::{FigureValue, Status, derive, exact};
use datacoop_policy::question::BoundQuestion;

use super::PEOPLE_FEW;
use super::basis::Basis;
use super::count::Ours;

/// Where our own figure lies by the cluster's likely range (95 %, noise and chance).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// Above its upper end.
    Above,
    /// Inside, ends included.
    Inside,
    /// Below its lower end.
    Below,
}

impl Place {
    /// The closed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Inside => "inside",
            Self::Below => "below",
        }
    }
}

/// One figure of one cell, the cluster's and ours. Secret: no `Debug`.
#[derive(Clone)]
pub struct Beside {
    /// (grouping, value), as the Release has them.
    pub key: Vec<(String, String)>,
    /// The cluster's.
    pub cluster: FigureValue,
    /// Ours, exact; `None` where none of ours are.
    pub ours: Option<f64>,
    /// Half-width of ordinary chance in ours (95 %), where the figure has one.
    pub chance: Option<f64>,
    /// How many people of ours are in the cell; of a difference, on its smaller side.
    pub people: u64,
    /// Where ours lies; `None` where one is missing, or where ours is a part of the cluster's.
    pub place: Option<Place>,
}

impl Beside {
    /// Whether a figure of ours is of so few people that it may point at one.
    pub fn is_few(&self) -> bool {
        self.ours.is_some() && self.people < PEOPLE_FEW
    }
}

/// Sets our own figures beside those of a Release: cells in order, then contrasts.
pub fn beside(basis: &Basis, ours: &Ours) -> Vec<Beside> {
    let question = &basis.question;
    let cluster = derive(question, &basis.noise, basis.accepted, &basis.sums);
    let own = exact(question, ours.sums());
    let mut all = vec![];
    for (cell, mine) in cluster.cells.into_iter().zip(own.cells) {
        let people = people_of(question, &cell.key, ours.people());
        for (cluster, mine) in cell.figures.into_iter().zip(mine.figures) {
            let mine = mine.unrounded.filter(|_| mine.status == Status::Estimated);
            let ours = mine.map(|mine| plain(mine.value));
            let chance = mine.and_then(|mine| mine.chance).map(plain);
            let place = ours.and_then(|ours| place_of(&cluster, ours));
            all.push(Beside { key: cell.key.clone(), cluster, ours, chance, people, place });
        }
    }
    all
}

/// Billionths as a number: what only we see need not be the same on two computers.
#[expect(clippy::cast_precision_loss, reason = "far more digits than are shown")]
pub(super) fn plain(billionths: i128) -> f64 {
    billionths as f64 / 1e9
}

/// Counts and sums of ours are a part of the cluster's, and lie nowhere by its range.
fn place_of(cluster: &FigureValue, ours: f64) -> Option<Place> {
    if matches!(cluster.name.as_str(), "count" | "sum") || cluster.status == Status::Suppressed {
        return None;
    }
    let (low, high): (f64, f64) = (cluster.low.parse().ok()?, cluster.high.parse().ok()?);
    Some(match ours {
        ours if ours > high => Place::Above,
        ours if ours < low => Place::Below,
        _ => Place::Inside,
    })
}

/// Our people in the groups of a cell, which may lack a grouping that its figure runs over; of a
/// difference (`yes minus no`), on the side that has fewer.
fn people_of(question: &BoundQuestion, key: &[(String, String)], people: &[u64]) -> u64 {
    let groups = question.groups();
    let in_side = |minus: bool| -> u64 {
        let holds = |group: &[(String, String)]| {
            key.iter().all(|(name, value)| {
                let sides = value.split_once(" minus ").filter(|_| !is_cell(question, name, value));
                let value = match sides {
                    Some((_, right)) if minus => right,
                    Some((left, _)) => left,
                    None => value,
                };
                group.iter().any(|(other, listed)| other == name && listed == value)
            })
        };
        groups.iter().zip(people).filter(|(group, _)| holds(group)).map(|(_, people)| people).sum()
    };
    in_side(false).min(in_side(true))
}

fn is_cell(question: &BoundQuestion, name: &str, value: &str) -> bool {
    question.groupings().iter().any(|by| by.name == name && by.cells.iter().any(|cell| cell == value))
}

/// What one member can say alone of a gap: its own figure of each cell, where a grouping has its first
/// value less where it has its second, and the half-width of ordinary chance around that (95 %).
///
/// Of the first pair of cells in which it has people: of groups made by member facts it is in one.
/// `None` where it has people on one side only, or the figure has no chance. Own and exact: show it only
/// to its owner.
pub fn own_gap(question: &BoundQuestion, sums: &[i64], across: &str) -> Option<(f64, f64)> {
    let by = question.groupings().iter().find(|by| by.name == across)?;
    let [first, second, ..] = by.cells.as_slice() else { return None };
    let cells = exact(question, sums).cells;
    let level = |key: &[(String, String)]| -> Option<(f64, f64)> {
        let figure = cells.iter().find(|cell| cell.key == key)?.figures.first()?;
        Some((figure.value.parse().ok()?, figure.chance.as_ref()?.parse().ok()?))
    };
    cells.iter().find_map(|cell| {
        let at = cell.key.iter().position(|(name, value)| name == across && value == first)?;
        let mut other = cell.key.clone();
        other[at].1.clone_from(second);
        let ((a, chance_a), (b, chance_b)) = (level(&cell.key)?, level(&other)?);
        Some((a - b, chance_a.hypot(chance_b)))
    })
}

#[cfg(test)]
#[path = "beside_tests.rs"]
mod tests;
