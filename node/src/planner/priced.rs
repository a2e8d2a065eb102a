//! What each question of the catalogue would show, and what it would cost to show it within a width.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::derive::{Expected, expected};
use datacoop_policy::limits::FLOOR_RHO_QUERY;
use datacoop_policy::query::{Assumptions, Mode, Terms};
use datacoop_policy::question::{Amount, BoundQuestion, Measured, Question};
use datacoop_policy::{Day, Period};
use datacoop_sim::plan::mode;

use super::Wish;
use crate::questions::period::{default_period, example_params};
use crate::questions::reckon::{Cluster, REFERENCE_PEOPLE, Remedy, people_of_groups, reckon};
use crate::questions::{Catalogued, shipped_vocabulary};

/// A day in whose year questions are planned: which one does not matter, only how long its periods are.
const TODAY: &str = "2026-11-25";
/// A price is found to within a thousandth.
const PRICE_PARTS: u64 = 1_000;

/// A width that is wished for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Width {
    /// How much.
    pub amount: Amount,
    /// Of what, as typed: `pp`, `%`, `points`, or nothing.
    pub unit: String,
}

impl Width {
    /// Reads `2pp`, `50` or `0.2`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self { amount: Amount::parse(text)?, unit: unit_of(text).to_owned() })
    }

    /// As a number of people, where it is one.
    pub fn people(&self) -> Option<u32> {
        let is_count =
            self.amount.measured == Measured::Own && matches!(self.unit.as_str(), "" | "people" | "pupils");
        let whole = self.amount.billionths / 1_000_000_000;
        u32::try_from(whole).ok().filter(|people| is_count && *people > 0)
    }
}

/// The unit of an amount as written.
fn unit_of(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | ' ')).trim()
}

/// What it costs to know a question's figures within a width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Within {
    /// So that its surest figure is; none if chance alone is wider, or no question may cost as much.
    pub surest: Option<PrivacyLoss>,
    /// So that every figure is.
    pub every: Option<PrivacyLoss>,
}

/// A question with what it would show.
#[derive(Clone, Debug)]
pub struct Priced {
    /// Its name.
    pub id: String,
    /// What it asks.
    pub title: String,
    /// Whose records it is about: `pupils`, `people` or `activities`.
    pub dataset: String,
    /// What it costs, unless an asker says otherwise.
    pub loss: PrivacyLoss,
    /// What would matter.
    pub matters: String,
    /// What its figures are of.
    pub measured: Measured,
    /// Figures that are clear, rough, not answerable.
    pub counts: [usize; 3],
    /// Half-widths (95 %) of the surest and the least sure figure, billionths of its unit.
    pub errors: Option<(i128, i128)>,
    /// Figures that would be suppressed: too few people.
    pub hidden: usize,
    /// Where no figure answers: what would help, the cheapest first.
    pub cures: Vec<Remedy>,
    /// What the wished width costs, where it is of the same kind.
    pub within: Option<Within>,
}

impl Priced {
    /// Of these members; `None` if no safe round follows from so few.
    pub fn of(question: &Catalogued, wish: &Wish) -> Option<Self> {
        let vocabulary = shipped_vocabulary(&question.draft.vocabulary)?;
        let admitted = Question::admit(question.draft.clone(), &vocabulary).ok()?;
        let kind = question.draft.period.as_deref().unwrap_or("year");
        let (period, _): (Period, _) =
            default_period(kind, vocabulary.date_column().is_some(), Day::parse(TODAY)?);
        let bound = admitted.bind(&example_params(&admitted, period), period).ok()?;
        let dataset = vocabulary.dataset().to_owned();
        let members = wish.members as usize;
        let each = if dataset == "pupils" { wish.people } else { REFERENCE_PEOPLE };
        let cluster = Cluster { people: each * members as u64, members, ..Cluster::reference(&dataset) };
        let loss = PrivacyLoss::from_nano(u64::try_from(question.draft.loss).ok()?);
        let reckoned = reckon(&bound, &cluster, mode(wish.members), Assumptions::FLOOR, loss)?;
        let errors = || reckoned.figures.iter().filter_map(|figure| figure.error);
        let mut cures = reckoned.remedies.clone();
        cures.sort_by_key(|cure| CHEAPEST.iter().position(|lever| *lever == cure.lever));
        Some(Self {
            id: question.about.id.clone(),
            title: question.draft.title.clone(),
            dataset,
            loss,
            matters: question.draft.matters.clone(),
            measured: admitted.matters().measured,
            counts: reckoned.counts(),
            errors: errors().min().zip(errors().max()),
            hidden: reckoned.figures.iter().filter(|figure| figure.error.is_none()).count(),
            cures,
            within: wish
                .within
                .as_ref()
                .and_then(|width| within(&bound, &cluster, mode(wish.members), width)),
        })
    }

    /// A half-width with its unit.
    pub fn shown(&self, width: i128) -> String {
        let text =
            Expected::text(if self.measured == Measured::Points { width.saturating_mul(100) } else { width });
        let unit = if self.measured == Measured::Points { " pp" } else { "" };
        format!("\u{b1}{text}{unit}")
    }

    /// Whether any figure would answer.
    pub fn answers(&self) -> bool {
        self.counts[0] + self.counts[1] > 0
    }

    /// What can be said of it in a word or two.
    pub fn verdict(&self) -> &'static str {
        match self.counts {
            [0, 0, _] => "not answerable",
            [0, _, _] => "rough",
            [_, 0, 0] => "clear",
            _ => "clear in part",
        }
    }
}

/// Levers by what they cost: fewer splits and a longer period spend nothing more, then points are spent, then others
/// must be won over.
const CHEAPEST: [&str; 5] = ["splits", "period", "loss", "members", "people"];

/// What it costs that the surest figure, and that every figure, is within this width. `None` for a question whose
/// figures are of another kind.
fn within(question: &BoundQuestion, cluster: &Cluster, mode: Mode, width: &Width) -> Option<Within> {
    let matters = question.question().matters();
    (matters.measured == width.amount.measured
        && unit_of(&question.question().draft().matters) == width.unit)
        .then_some(())?;
    let terms = Terms::new(cluster.members, mode, Assumptions::FLOOR)?;
    let people = people_of_groups(question, cluster);
    let all = |loss: u64| expected(question, PrivacyLoss::from_nano(loss), &terms, &people);
    // A percentage is of the people at hand, and so is what matters then.
    let most = |figure: &Expected| match matters.measured {
        Measured::Percent => {
            width.amount.billionths.saturating_mul(figure.matters) / matters.billionths.max(1)
        }
        Measured::Own | Measured::Points => width.amount.billionths,
    };
    let is_in = |figure: &Expected| figure.error.is_some_and(|error| error <= most(figure));
    Some(Within {
        surest: least(|loss| all(loss).is_some_and(|all| all.figures.iter().any(is_in))),
        every: least(|loss| all(loss).is_some_and(|all| all.figures.iter().all(is_in))),
    })
}

/// The least loss that serves, up to what any question may cost.
fn least(serves: impl Fn(u64) -> bool) -> Option<PrivacyLoss> {
    let most = FLOOR_RHO_QUERY.nano();
    serves(most).then_some(())?;
    let (mut low, mut high) = (1, most);
    while high - low > high.div_ceil(PRICE_PARTS) {
        let middle = low + (high - low) / 2;
        if serves(middle) { high = middle } else { low = middle }
    }
    // Three digits that count, rounded up: more serves too.
    let mut step = 1;
    while high / step >= PRICE_PARTS {
        step *= 10;
    }
    Some(PrivacyLoss::from_nano((high.div_ceil(step) * step).min(most)))
}
