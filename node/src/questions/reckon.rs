//! How sure an answer would be, before anything is spent: how many people each group holds by public
//! facts, and from there the exact noise. Reads no row.
//!
//! Source: DATA section 7, "Answerable?". Public facts are numbers of people and members, and shares
//! from published statistics; whatever is not there is taken as equal shares.

use std::collections::BTreeMap;

use datacoop_policy::PrivacyLoss;
use datacoop_policy::derive::{Answerable, Expected, Forecast, expected};
use datacoop_policy::limits::FLOOR_RHO_QUERY;
use datacoop_policy::query::{Assumptions, Mode, ROSTER_MAX, Terms};
use datacoop_policy::question::{BoundQuestion, Grouping, Source};
use serde::Deserialize;
use serde_json::{Value, json};

use super::named;
use crate::figure::released::key_words;
use crate::loss::points_of;

/// The reference cluster of DATA section 7: schools of a thousand pupils, Years 7 to 11.
pub const REFERENCE_SCHOOLS: usize = 20;
/// Pupils of each.
pub const REFERENCE_PUPILS: u64 = 1_000;
/// People that a charity of a reference cluster works with (DATA section 7, V2: 2,000 in all).
pub const REFERENCE_PEOPLE: u64 = 100;
/// A cure names about so many members: exact to a few.
const MEMBERS_STEP: usize = 3;

/// What is usual of a question, from published figures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    /// The part of all people that it counts, such as those of one year group.
    #[serde(default = "all")]
    pub part: f64,
    /// How people split over the cells of a grouping.
    #[serde(default)]
    pub shares: BTreeMap<String, Vec<f64>>,
}

fn all() -> f64 {
    1.0
}

impl Default for Usual {
    fn default() -> Self {
        Self { part: 1.0, shares: BTreeMap::new() }
    }
}

/// Shares that hold for every question: of pupils of secondary schools in England.
///
/// Source: Department for Education, "Schools, pupils and their characteristics" (Pupil Premium and
/// SEN, rounded as DATA section 7 has them) and key stage 2 to 4 transition matrices 2024 (bands, in
/// thousands). Contains public sector information licensed under the Open Government Licence v3.0.
const SHARES: [(&str, &[(&str, f64)]); 3] = [
    ("pupil_premium", &[("true", 25.0), ("false", 75.0)]),
    ("sen", &[("N", 81.4), ("K", 14.0), ("E", 4.6)]),
    (
        "ks2_band",
        &[
            ("Less than 80", 13.2),
            ("80 - 89.5", 21.9),
            ("90 - 95.5", 41.8),
            ("96 - 99.5", 57.7),
            ("100 - 102", 59.8),
            ("102.5 - 104.5", 80.1),
            ("105 - 107", 88.9),
            ("107.5 - 109.5", 81.1),
            ("110 - 113", 84.1),
            ("113.5 - 116.5", 45.1),
            ("117 - 120", 12.8),
            ("No scaled score", 42.7),
        ],
    ),
];

/// Who would answer.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Members in the Roster.
    pub members: usize,
    /// People of all of them.
    pub people: u64,
    /// Members that a member fact lists, by parameter; half, where it is not known.
    pub listed: BTreeMap<String, usize>,
}

impl Cluster {
    /// The reference cluster for questions about pupils, or about people of charities.
    pub fn reference(dataset: &str) -> Self {
        let each = if dataset == "pupils" { REFERENCE_PUPILS } else { REFERENCE_PEOPLE };
        Self { members: REFERENCE_SCHOOLS, people: each * REFERENCE_SCHOOLS as u64, listed: BTreeMap::new() }
    }

    /// As many members of the same size.
    fn of_members(&self, members: usize) -> Self {
        let each = self.people as f64 / self.members.max(1) as f64;
        Self { members, people: whole(each * members as f64), ..self.clone() }
    }
}

/// What to change so that some figure would answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    /// Which lever: loss, members, people, splits or period.
    pub lever: &'static str,
    /// What to do, for a command line.
    pub text: String,
    /// The same without a command's options.
    pub plain: String,
}

/// How sure an answer would be.
#[derive(Clone, Debug)]
pub struct Reckoned {
    /// Each figure that decides whether the question is worth asking.
    pub figures: Vec<Expected>,
    /// What would make it answerable, when every figure is red.
    pub remedies: Vec<Remedy>,
    /// The groupings, in the order of a figure's key.
    pub by: Vec<String>,
}

/// Reckons how sure an answer of this loss would be. `None` when no safe round follows from so few
/// members, or no noise serves.
pub fn reckon(
    question: &BoundQuestion,
    cluster: &Cluster,
    mode: Mode,
    assumed: Assumptions,
    loss: PrivacyLoss,
) -> Option<Reckoned> {
    let forecast = |cluster: &Cluster, loss| {
        let terms = Terms::new(cluster.members, mode, assumed)?;
        expected(question, loss, &terms, &people_of_groups(question, cluster))
    };
    let Forecast { figures, cure } = forecast(cluster, loss)?;
    let mut remedies = vec![];
    if let Some(cure) = cure {
        let serves =
            |cluster: &Cluster, loss| forecast(cluster, loss).is_some_and(|more| more.cure.is_none());
        if let Some(least) = least_loss(loss, |loss| serves(cluster, loss)) {
            let text = format!("the least loss that serves: --rho {}", short(least));
            let points = points_of(least);
            let plain = format!("spend more: {points} points of the privacy budget are the least that serve");
            remedies.push(Remedy { plain, ..remedy("loss", text) });
        }
        let sizes = (cluster.members + 1..=ROSTER_MAX).step_by(MEMBERS_STEP);
        if let Some(members) = sizes.into_iter().find(|members| serves(&cluster.of_members(*members), loss)) {
            let text = format!("{members} members like these instead of {}", cluster.members);
            remedies.push(remedy("members", text));
        }
        if let Some(people) = cure.people {
            remedies.push(remedy("people", format!("a larger group: about {people} people in it")));
        }
        remedies.extend(fewer_splits(question));
        remedies.extend(longer_period(question));
    }
    let by = question.groupings().iter().map(|by| by.name.clone()).collect();
    Some(Reckoned { figures, remedies, by })
}

/// The least loss up to the floor's own limit that serves, rounded up to three digits that count; more
/// always serves too. `None` when the most that any question may cost does not.
fn least_loss(from: PrivacyLoss, serves: impl Fn(PrivacyLoss) -> bool) -> Option<PrivacyLoss> {
    let most = FLOOR_RHO_QUERY.nano();
    if from.nano() >= most || !serves(FLOOR_RHO_QUERY) {
        return None;
    }
    let (mut low, mut high) = (from.nano(), most);
    while high - low > high / 1_000 {
        let middle = low + (high - low) / 2;
        if serves(PrivacyLoss::from_nano(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let mut step = 1;
    while high / step >= 1_000 {
        step *= 10;
    }
    Some(PrivacyLoss::from_nano((high.div_ceil(step) * step).min(most)))
}

/// As `--rho` takes it.
fn short(loss: PrivacyLoss) -> String {
    loss.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn remedy(lever: &'static str, text: String) -> Remedy {
    Remedy { lever, plain: text.clone(), text }
}

/// A grouping that the figure itself does not need.
fn fewer_splits(question: &BoundQuestion) -> Option<Remedy> {
    let figure = &question.question().draft().figure;
    let named = [&figure.across, &figure.rows, &figure.columns, &figure.contrast];
    let last = question.groupings().iter().rev().find(|by| !by.optional).map(|by| by.name.as_str());
    let over_last = matches!(figure.kind.as_str(), "histogram" | "share");
    let needed = |name: &str| {
        named.iter().any(|found| found.as_deref() == Some(name)) || (over_last && last == Some(name))
    };
    let spare = question.groupings().iter().filter(|by| by.cells.len() > 1 && !needed(&by.name));
    let by = spare.max_by_key(|by| by.cells.len())?;
    let name = key_words(&by.name, "").0.to_lowercase();
    Some(match by.optional {
        true => Remedy {
            plain: format!("fewer splits: without {name}"),
            ..remedy("splits", format!("fewer splits: without --by {}", by.name))
        },
        false => Remedy {
            plain: format!("fewer splits: a question that is not split by {name}"),
            ..remedy("splits", format!("fewer splits: a question that is not split by {}", by.name))
        },
    })
}

fn longer_period(question: &BoundQuestion) -> Option<Remedy> {
    let longer = match question.question().draft().period.as_deref()? {
        "day" => "week",
        "week" => "half-term",
        "half_term" => "term",
        "term" => "year",
        _ => return None,
    };
    Some(remedy("period", format!("a longer period: a question made for a {longer}")))
}

impl Reckoned {
    /// Whether not one figure would answer.
    pub fn is_all_red(&self) -> bool {
        self.figures.iter().all(|figure| figure.answerable == Answerable::Red)
    }

    /// The figures by colour: green, amber, red.
    pub fn counts(&self) -> [usize; 3] {
        [Answerable::Green, Answerable::Amber, Answerable::Red]
            .map(|colour| self.figures.iter().filter(|figure| figure.answerable == colour).count())
    }

    /// For programs. Widths are decimal texts in the figure's own unit.
    pub fn json(&self) -> Value {
        let width = |width: Option<i128>| width.map(Expected::text);
        let figure = |figure: &Expected| {
            let key: serde_json::Map<String, Value> =
                figure.key.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({
                "key": key, "name": figure.name, "noise": width(figure.noise), "chance": width(figure.chance),
                "error": width(figure.error), "matters": Expected::text(figure.matters),
                "colour": figure.answerable.code(),
            })
        };
        let remedies = self
            .remedies
            .iter()
            .map(|cure| json!({ "lever": cure.lever, "text": cure.text, "plain": cure.plain }));
        let [green, amber, red] = self.counts();
        json!({
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
            "by": self.by,
            "green": green, "amber": amber, "red": red, "answerable": !self.is_all_red(),
            "cures": remedies.collect::<Vec<_>>(),
        })
    }
}

/// How many people each group holds, in the order of the question's groups.
pub fn people_of_groups(question: &BoundQuestion, cluster: &Cluster) -> Vec<u64> {
    let usual = named(question.question().id()).and_then(|question| question.about.usual.clone());
    let model = Model { question, cluster, usual: usual.unwrap_or_default() };
    question.groups().iter().map(|key| model.people(key)).collect()
}

struct Model<'a> {
    question: &'a BoundQuestion,
    cluster: &'a Cluster,
    usual: Usual,
}

impl Model<'_> {
    fn people(&self, key: &[(String, String)]) -> u64 {
        let groupings = self.question.groupings().iter().zip(key);
        let shares = groupings.map(|(grouping, (_, cell))| self.share(grouping, cell));
        whole(self.cluster.people as f64 * self.usual.part * self.narrowed() * shares.product::<f64>())
    }

    /// The part of people in a cell of a grouping; whoever may stand in several stands in each.
    fn share(&self, grouping: &Grouping, cell: &str) -> f64 {
        match &grouping.source {
            Source::Varying => return self.varying(grouping),
            Source::Member => {
                let listed = self.cluster.listed.get(&grouping.name).map(|n| *n as f64);
                let yes = listed.map_or(0.5, |listed| listed / self.cluster.members.max(1) as f64);
                return if cell == "yes" { yes } else { 1.0 - yes };
            }
            Source::Column | Source::Sql(_) => {}
        }
        let at = grouping.cells.iter().position(|other| other == cell);
        let own = self.usual.shares.get(&grouping.name).filter(|shares| shares.len() == grouping.cells.len());
        if let (Some(shares), Some(at)) = (own, at) {
            return shares[at] / shares.iter().sum::<f64>();
        }
        let known = SHARES.iter().find(|(name, _)| *name == grouping.name).map(|(_, shares)| *shares);
        let of = |cell: &str| known?.iter().find(|(value, _)| *value == cell).map(|(_, share)| *share);
        let total: Option<f64> = grouping.cells.iter().map(|cell| of(cell)).sum();
        match (of(cell), total) {
            (Some(share), Some(total)) if total > 0.0 => share / total,
            _ => 1.0 / grouping.cells.len() as f64,
        }
    }

    /// The part of people that counts in each cell of what differs between their rows: of several such
    /// groupings the first carries what their cells are in all.
    fn varying(&self, grouping: &Grouping) -> f64 {
        let varying = || self.question.groupings().iter().filter(|by| by.source == Source::Varying);
        if varying().next().is_some_and(|first| first.name != grouping.name) {
            return 1.0;
        }
        let cells: usize = varying().map(|by| by.cells.len()).product();
        self.question.cells_per_unit().min(cells) as f64 / cells.max(1) as f64
    }

    /// The part of people that narrowings leave, their values taken as equal shares. Where results are
    /// split by the same column, its cells' own shares say it already.
    fn narrowed(&self) -> f64 {
        let parts = self.question.narrowed().iter().map(|narrowing| {
            let split = self.question.groupings().iter().any(|by| by.name == narrowing.column);
            let column = self.question.question().vocabulary().column(&narrowing.column);
            let all = column.map_or(1, |column| column.values.len().max(2));
            if split { 1.0 } else { narrowing.values.len() as f64 / all as f64 }
        });
        parts.product()
    }
}

/// Rounded to whole people.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "people are few and not negative"
)]
fn whole(people: f64) -> u64 {
    people.round() as u64
}
