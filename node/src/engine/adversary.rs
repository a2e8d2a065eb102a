//! Tables made to push a question as far as it goes, for tests: seeded, small, and of any question.
//!
//! Each person follows a plan: all rows the same, two kinds of rows, one row after another through the
//! cells of columns that vary, or anything at all, values included that no import lets in. Values that the
//! question speaks of are preferred, so that rows pass its filters and reach its cells.

use std::collections::BTreeMap;
use std::path::Path;

use datacoop_policy::question::BoundQuestion;
use datacoop_policy::vocabulary::{Column, Kind, Unit, Vocabulary};
use datacoop_policy::{Day, Period};

use super::TableWriter;
use crate::import::{Cell, kept_columns};

/// What the people of these tables agreed to.
pub(super) const PURPOSE: &str = "learn";
/// Most rows of a person: a year's sessions and some.
const ROWS_MAX: u64 = 400;

/// SplitMix64: of a seed the same numbers everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// A person and their rows, a cell for each kept column.
#[derive(Clone)]
pub(super) struct Person {
    /// `None`: rows of nobody.
    pub(super) id: Option<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// How a person's rows hang together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// All alike, of preferred values.
    Same,
    /// All alike, numbers beyond their bounds.
    Beyond,
    /// Two kinds.
    Two,
    /// Through the cells of columns that vary, otherwise alike.
    Round,
    /// Each its own, of preferred values.
    Mixed,
    /// Anything, and a person's own columns disagree.
    Wild,
}

const PLANS: [Plan; 10] = [
    Plan::Same,
    Plan::Same,
    Plan::Beyond,
    Plan::Beyond,
    Plan::Two,
    Plan::Two,
    Plan::Round,
    Plan::Round,
    Plan::Mixed,
    Plan::Wild,
];

/// Values of a column.
struct Pool {
    column: Column,
    /// That the question speaks of, or that end the column's range.
    preferred: Vec<Cell>,
    /// That no import lets in.
    beyond: Vec<Cell>,
    /// The rest.
    others: Vec<Cell>,
    /// One value for each person.
    is_own: bool,
    /// The cells that a person goes through in turn.
    round: Vec<Cell>,
    /// Whether the question reads it: of others a table holds nothing.
    is_read: bool,
}

impl Pool {
    fn of(column: &Column, question: &BoundQuestion, literals: &Literals) -> Self {
        let mut pool = Self {
            column: column.clone(),
            preferred: vec![],
            beyond: vec![],
            others: vec![Cell::Null],
            is_own: column.of.is_some() || column.group && !column.varies,
            round: vec![],
            is_read: question.columns().contains(&column.name) || literals.names.contains(&column.name),
        };
        match column.kind {
            Kind::Bool => pool.preferred = vec![Cell::Bool(true), Cell::Bool(false)],
            Kind::Text => pool.texts(question, literals),
            Kind::Integer | Kind::Number => pool.numbers(literals),
            Kind::Date => pool.dates(question.period(), literals),
        }
        // Who is outside what the question is narrowed to counts nowhere.
        if let Some(narrowed) = question.narrowed().iter().find(|one| one.column == column.name) {
            pool.preferred = narrowed.values.iter().map(|value| pool.cell_of(value)).collect();
        }
        pool
    }

    fn cell_of(&self, value: &str) -> Cell {
        if self.column.kind == Kind::Bool { Cell::Bool(value == "true") } else { Cell::Text(value.into()) }
    }

    fn texts(&mut self, question: &BoundQuestion, literals: &Literals) {
        let text = |text: &String| Cell::Text(text.as_str().into());
        let listed = |value: &&String| self.column.values.is_empty() || self.column.values.contains(value);
        let by = question.groupings().iter().find(|by| by.name == self.column.name);
        let cells: Vec<Cell> = by.into_iter().flat_map(|by| &by.cells).map(text).collect();
        if self.column.varies {
            self.round.clone_from(&cells);
        }
        self.preferred = literals.texts.iter().filter(listed).map(text).chain(cells).collect();
        if self.preferred.is_empty() {
            self.preferred = self.column.values.iter().map(text).collect();
        }
        if self.preferred.is_empty() {
            self.preferred.push(Cell::Text("something".into()));
        }
        self.others.extend(self.column.values.iter().map(text));
        self.others
            .extend(["", "nowhere listed", "Ünïcode '\"\\ 🙂", "true"].map(|text| Cell::Text(text.into())));
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole numbers of a column's range, or cut to its ends"
    )]
    fn numbers(&mut self, literals: &Literals) {
        let (low, high) = (self.column.low.unwrap_or(0), self.column.high.unwrap_or(100));
        let whole = self.column.kind == Kind::Integer;
        let cell = |number: f64| {
            if whole { Cell::Integer(number as i64) } else { Cell::Number(number) }
        };
        let inside = |number: &&f64| (low as f64..=high as f64).contains(*number);
        self.preferred = vec![cell(low as f64), cell(high as f64), cell(0f64.clamp(low as f64, high as f64))];
        self.preferred.extend(literals.numbers.iter().filter(inside).map(|number| cell(*number)));
        self.others.push(cell((low + high) as f64 / 2.0));
        // A byte holds a whole number whose bounds fit one; what does not fit is not written at all.
        let span = (high - low).max(1) as f64 * 3.0;
        self.beyond = vec![cell((low as f64 - span).max(-128.0)), cell((high as f64 + span).min(127.0))];
        if !whole {
            self.beyond = vec![cell(low as f64 - span), cell(high as f64 + span)];
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 5e-324, -0.0, 0.1];
            self.others.extend(odd.map(cell));
        } else if high > 127 || low < -128 {
            self.beyond = vec![cell(low as f64 - span), cell(high as f64 + span)];
            self.others.extend([Cell::Integer(i64::MAX), Cell::Integer(i64::MIN)]);
        }
    }

    fn dates(&mut self, period: Period, literals: &Literals) {
        let cell = |day: Day| Cell::Date(i32::try_from(day.0).unwrap());
        let is_past = self.column.name.ends_with("_from");
        let is_future = self.column.name.ends_with("_to") || self.column.name.ends_with("_expires");
        let named = literals.days.iter().copied();
        self.preferred = match (is_past, is_future) {
            (true, _) => vec![cell(Day(period.first().0 - 90))],
            (_, true) => vec![cell(Day(period.last().0 + 90)), Cell::Null],
            _ => named.chain([period.first(), period.last()]).map(cell).collect(),
        };
        let (first, last) = (period.first().0, period.last().0);
        self.others.extend([first - 1, last + 1, i64::midpoint(first, last), 0].map(|day| cell(Day(day))));
        // The day that lays a row into its year's file stays one that a calendar has.
        if self.column.name != "date" {
            self.others.extend([Cell::Date(i32::MAX), Cell::Date(i32::MIN)]);
        }
    }

    fn draw(&self, plan: Plan, dice: &mut Dice) -> Cell {
        match plan {
            _ if !self.is_read => Cell::Null,
            Plan::Beyond if !self.beyond.is_empty() => dice.pick(&self.beyond),
            Plan::Wild if dice.chance(40) => dice.pick(&self.others),
            Plan::Wild if !self.beyond.is_empty() && dice.chance(20) => dice.pick(&self.beyond),
            Plan::Mixed if dice.chance(10) => dice.pick(&self.others),
            Plan::Same | Plan::Beyond | Plan::Two | Plan::Round | Plan::Mixed | Plan::Wild => {
                dice.pick(&self.preferred)
            }
        }
    }
}

/// What a question's own text speaks of.
#[derive(Default)]
struct Literals {
    texts: Vec<String>,
    numbers: Vec<f64>,
    days: Vec<Day>,
    /// Columns that no question names, and that tell which rows count.
    names: Vec<String>,
}

impl Literals {
    fn of(question: &BoundQuestion) -> Self {
        let draft = question.question().draft();
        let mut sql: Vec<&str> = draft.measure.iter().map(|measure| measure.sql.as_str()).collect();
        sql.extend(draft.filter.as_deref());
        sql.extend(draft.by.iter().filter_map(|by| by.sql.as_deref()));
        let mut found = Self::default();
        for text in sql {
            // Between quotes stands a text, elsewhere numbers do.
            for (at, part) in text.split('\'').enumerate() {
                if at % 2 == 1 {
                    found.texts.push(part.to_owned());
                    continue;
                }
                let words = part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
                found.numbers.extend(words.filter_map(|word| word.parse::<f64>().ok()));
            }
        }
        for value in question.params().values() {
            found.texts.push(value.clone());
            found.days.extend(value.split(',').filter_map(|day| Day::parse(day.trim())));
        }
        let rule = ["enrolment_status", "on_roll_from", "on_roll_to", "consent_purposes", "consent_expires"];
        found.names = rule.map(str::to_owned).to_vec();
        let date = question.question().vocabulary().date_column();
        found.names.extend(date.map(|column| column.name.clone()));
        found.texts.extend(["C".to_owned(), PURPOSE.to_owned()]);
        found
    }
}

/// People for a question.
pub(super) struct Adversary {
    pools: Vec<Pool>,
    unit: Option<usize>,
}

impl Adversary {
    pub(super) fn of(question: &BoundQuestion) -> Self {
        let vocabulary = question.question().vocabulary();
        let literals = Literals::of(question);
        let columns = kept_columns(vocabulary);
        let unit = columns.iter().position(|column| *vocabulary.unit() == Unit::Column(column.name.clone()));
        Self { pools: columns.iter().map(|column| Pool::of(column, question, &literals)).collect(), unit }
    }

    fn template(&self, plan: Plan, dice: &mut Dice) -> Vec<Cell> {
        self.pools.iter().map(|pool| pool.draw(plan, dice)).collect()
    }

    /// A person with this id. Where a row is a person of its own, they have one.
    pub(super) fn person(&self, id: Option<String>, dice: &mut Dice) -> Person {
        let plan = dice.pick(&PLANS);
        let most = match (self.unit, dice.below(10)) {
            (None, _) => 1,
            (_, 0..7) => 4,
            (_, 7..9) => 40,
            _ => ROWS_MAX,
        };
        let count = if dice.chance(50) { most } else { 1 + dice.next() % most };
        let templates = [self.template(plan, dice), self.template(plan, dice)];
        let mut rows = vec![];
        for turn in 0..usize::try_from(count).unwrap() {
            let mut row = match plan {
                Plan::Same | Plan::Beyond | Plan::Round => templates[0].clone(),
                Plan::Two => templates[dice.below(2)].clone(),
                Plan::Mixed | Plan::Wild => self.template(plan, dice),
            };
            for (at, pool) in self.pools.iter().enumerate() {
                if pool.is_own && plan != Plan::Wild {
                    row[at] = templates[0][at].clone();
                }
                if plan == Plan::Round && !pool.round.is_empty() {
                    row[at] = pool.round[turn % pool.round.len()].clone();
                }
            }
            if let Some(unit) = self.unit {
                row[unit] = id.as_deref().map_or(Cell::Null, |id| Cell::Text(id.into()));
            }
            rows.push(row);
        }
        Person { id, rows }
    }

    /// So many people, and a few rows of nobody.
    pub(super) fn people(&self, count: usize, dice: &mut Dice) -> Vec<Person> {
        (0..count).map(|n| self.person((n % 500 != 7).then(|| format!("p{n}")), dice)).collect()
    }
}

/// Writes people's rows as a table, in an order that tells nothing.
pub(super) fn write(folder: &Path, vocabulary: &Vocabulary, people: &[Person], dice: &mut Dice) {
    let mut rows: Vec<&Vec<Cell>> = people.iter().flat_map(|person| &person.rows).collect();
    for at in (1..rows.len()).rev() {
        rows.swap(at, dice.below(at + 1));
    }
    let mut writer = TableWriter::create(folder, vocabulary).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    writer.finish().unwrap();
}

/// A period and parameters such as people give, for any question.
pub(super) fn example(
    period: Option<&str>,
    kinds: &BTreeMap<String, String>,
) -> (Period, BTreeMap<String, String>) {
    let period = match period {
        Some("day") => "2025-12-12..2025-12-12",
        Some("week") => "2025-12-08..2025-12-12",
        Some("half_term") => "2025-11-03..2025-12-19",
        Some("term") => "2025-09-01..2025-12-19",
        _ => "2025-09-01..2026-08-31",
    };
    let value = |kind: &str| match kind {
        "date" => "2025-12-12",
        "dates" => "2025-12-08,2025-12-09",
        "members" => "GB-EDU-1",
        "number" => "5",
        "gcse_subjects" => "Mathematics",
        _ => "something",
    };
    let params = kinds.iter().map(|(name, kind)| (name.clone(), value(kind).to_owned()));
    (Period::parse(period).unwrap(), params.collect())
}
