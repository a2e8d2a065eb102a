//! Figures of a Release: one for each measure that it shows, ours beside the cluster's where we ask for
//! it. Digits are the Release's own; only the point of a share moves, because people read percent.

use std::sync::Arc;

use datacoop_policy::derive::{FigureValue, Figures, Status, difference_name};
use datacoop_policy::question::BoundQuestion;

use super::beside::{NOT_SHOWN, compared};
pub use super::keys::key_words;
use super::{Cell, Figure, Form, Number, Of, Row, Unit, Who};
use crate::html::{capital, period_words};
use crate::own::beside::Beside;
use crate::own::people_word;

/// The groups of a row: a split's name and the value.
type Key = Vec<(String, String)>;

/// A Release and what is told beside it.
pub struct Released<'a> {
    /// What was asked.
    pub question: &'a BoundQuestion,
    /// What it shows.
    pub figures: &'a Figures,
    /// How many members are counted.
    pub accepted: usize,
    /// Of how many that took part.
    pub roster: usize,
    /// The Query, as people name it.
    pub query: String,
    /// The certificate, or why there is none.
    pub certificate: String,
    /// Whether the people are made up.
    pub demo: bool,
    /// Our own figures of the same cells; empty where nobody asked for them.
    pub own: &'a [Beside],
}

/// Which number of a cell, and how it is read.
struct Measure<'a> {
    name: &'a str,
    unit: Unit,
    percent: bool,
}

impl<'a> Measure<'a> {
    fn of(question: &BoundQuestion, name: &'a str) -> Self {
        let kind = question.question().draft().figure.kind.as_str();
        let shares = Unit::of_shares(kind, name);
        let percent = shares.is_some();
        let unit = shares.unwrap_or_else(|| match name {
            "count" => Unit::Count(people_word(question).into()),
            _ => Unit::Of(own_unit(&question.question().draft().matters)),
        });
        Self { name, unit, percent }
    }

    fn number(&self, text: &str) -> Option<Number> {
        if self.percent { Number::parse_percent(text) } else { Number::parse(text) }
    }

    fn cluster(&self, figure: &FigureValue) -> Cell {
        let shown = || {
            Some(Cell::Estimated {
                value: self.number(&figure.value)?,
                low: self.number(&figure.low)?,
                high: self.number(&figure.high)?,
                noise: self.number(&figure.noise)?,
                chance: match &figure.chance {
                    Some(chance) => Some(self.number(chance)?),
                    None => None,
                },
            })
        };
        match figure.status {
            Status::Suppressed => Cell::Suppressed,
            Status::Estimated => shown().unwrap_or(Cell::Suppressed),
        }
    }

    /// Ours, with as many digits as the cluster's; where that has none, with two.
    fn ours(&self, one: &Beside, cluster: &Cell) -> Cell {
        let Some(ours) = one.ours else { return Cell::Missing };
        let decimals = cluster.value().map_or(2, Number::decimals);
        let times = if self.percent { 100.0 } else { 1.0 };
        let number = |value: f64| Number::of(value * times, decimals);
        // Rounded up: half a last digit and a bit, so that a range is never told narrower than it is.
        let chance = one.chance.map(|chance| {
            let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
            Number::of((chance * times / step).ceil() * step, decimals)
        });
        Cell::Exact { value: number(ours), chance }
    }

    /// Our row of a cell, with what is said of it beside the cluster's.
    fn our_row(&self, question: &BoundQuestion, row: Row, one: &Beside) -> Row {
        compared(row, question, self.percent, one)
    }

    /// What is measured, in words.
    fn words(&self) -> String {
        match self.name {
            "rate" | "share" | "count" => capital(self.name),
            "rate difference" => "Difference of the rates".into(),
            name if name.starts_with("quantile ") => quantile_words(name),
            name => capital(&name.replace('_', " ")),
        }
    }
}

/// The unit that a question states of itself, such as `points` of `3 points`.
fn own_unit(matters: &str) -> String {
    let unit = matters.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | ' '));
    if unit.is_empty() { "points of the scale".to_owned() } else { unit.to_owned() }
}

/// Such as `A quarter have at most`.
fn quantile_words(name: &str) -> String {
    match name.trim_start_matches("quantile ") {
        "1/10" => "One in ten has at most".into(),
        "1/4" => "A quarter have at most".into(),
        "1/2" => "Half have at most (median)".into(),
        "3/4" => "Three quarters have at most".into(),
        "9/10" => "Nine in ten have at most".into(),
        part => format!("{part} have at most"),
    }
}

impl Released<'_> {
    /// One figure for each measure, in the order in which the Release shows them.
    pub fn figures(&self) -> Vec<Figure> {
        let mut names: Vec<&str> = vec![];
        for figure in self.figures.cells.iter().flat_map(|cell| &cell.figures) {
            if !names.contains(&figure.name.as_str()) {
                names.push(&figure.name);
            }
        }
        let (quantiles, others): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.starts_with("quantile "));
        let spread = (!quantiles.is_empty()).then(|| self.spread(&quantiles));
        let is_gap = self.question.question().draft().figure.kind == "gap";
        let gap_of =
            |level: &str| Some(difference_name(level)).filter(|gap| is_gap && others.contains(&gap.as_str()));
        let gaps: Vec<String> = others.iter().filter_map(|name| gap_of(name)).collect();
        // What a dumbbell draws has no figure of its own.
        let drawn = others.iter().filter(|name| gaps.iter().all(|gap| gap != *name));
        let rest = drawn.enumerate().map(|(n, name)| match gap_of(name) {
            Some(gap) => self.dumbbell(n, name, &gap),
            None => self.measure(n, name),
        });
        let mut figures: Vec<Figure> = spread.into_iter().chain(rest).collect();
        // Of the whole Release: said once, below the last.
        if let Some(last) = figures.last_mut() {
            last.notes.extend(self.notes());
        }
        figures
    }

    /// What no figure of the Release can say.
    fn notes(&self) -> Vec<String> {
        let draft = self.question.question().draft();
        let clips = self.question.clips();
        let mut notes = vec![];
        if !clips.is_empty() {
            notes.push(format!(
                "What lies beyond is cut, and in no range: {}.",
                clips.join("; ").replace('_', " ")
            ));
        }
        if !draft.cannot_tell.is_empty() {
            notes.push(format!("It cannot tell {}.", draft.cannot_tell.join("; ")));
        }
        if draft.figure.kind == "event" {
            notes.push(
                "What hits a whole school at once, such as a burst pipe, is not in the range of ordinary chance."
                    .into(),
            );
        }
        notes
    }

    /// A figure without rows.
    fn blank(&self, n: usize, measured: &str, unit: Unit, form: Form) -> Figure {
        let draft = self.question.question().draft();
        let narrowed: Vec<String> = self
            .question
            .narrowed()
            .iter()
            .map(|only| only.values.iter().map(|value| key_words(&only.column, value).1).collect::<Vec<_>>())
            .map(|values| values.join(" or "))
            .collect();
        let who = if narrowed.is_empty() { String::new() } else { format!(", {}", narrowed.join(", ")) };
        Figure {
            id: format!("r-{}-{n}", self.query.get(..8).unwrap_or(&self.query)),
            title: draft.title.clone(),
            subtitle: format!(
                "{measured}{who}, {}, {} of {} members counted; {}",
                period_words(self.question.period()),
                self.accepted,
                self.roster,
                unit.words()
            ),
            unit,
            form,
            rows: vec![],
            notes: vec![],
            source: format!("Release of query {}", self.query.get(..16).unwrap_or(&self.query)),
            certificate: self.certificate.clone(),
            demo: self.demo,
        }
    }

    /// What a measure's rows are of.
    fn of(&self, measure: &str) -> Arc<Of> {
        Arc::new(Of {
            release: self.query.clone(),
            question: self.question.question().id().to_owned(),
            period: self.question.period().to_string(),
            measure: measure.to_owned(),
            certificate: self.certificate.clone(),
        })
    }

    fn key(key: &[(String, String)]) -> Key {
        key.iter().map(|(name, value)| key_words(name, value)).collect()
    }

    /// Ours of the same cell and measure.
    fn ours(&self, key: &[(String, String)], name: &str) -> Option<&Beside> {
        self.own.iter().find(|one| one.key == key && one.cluster.name == name)
    }

    fn measure(&self, n: usize, name: &str) -> Figure {
        let measure = Measure::of(self.question, name);
        let matrix = self.question.question().draft().figure.kind == "transition";
        let form = if matrix { Form::Matrix } else { Form::IntervalRows };
        let mut figure = self.blank(n, &measure.words(), measure.unit.clone(), form);
        let of = self.of(name);
        for cell in &self.figures.cells {
            let Some(value) = cell.figures.iter().find(|figure| figure.name == name) else { continue };
            let cluster = measure.cluster(value);
            let ours = self.ours(&cell.key, name).filter(|_| !matrix).map(|one| {
                let row = Row::new(Self::key(&cell.key), Who::Own, measure.ours(one, &cluster)).of(&of);
                measure.our_row(self.question, row, one)
            });
            figure.rows.push(Row::new(Self::key(&cell.key), Who::Cluster, cluster).of(&of));
            figure.rows.extend(ours);
        }
        if matrix && !self.own.is_empty() {
            figure.notes.push(format!("{NOT_SHOWN}ours, for this table has one number in each place."));
        }
        self.note_few(&mut figure, name);
        figure
    }

    /// A level on both sides of a grouping and the gap between them: for each gap that the Release shows.
    fn dumbbell(&self, n: usize, level: &str, gap: &str) -> Figure {
        let (sides, between) = (Measure::of(self.question, level), Measure::of(self.question, gap));
        let mut figure = self.blank(n, &sides.words(), sides.unit.clone(), Form::Dumbbell);
        let of = [self.of(level), self.of(gap)];
        let found = |key: &[(String, String)], name: &str| {
            let cell = self.figures.cells.iter().find(|cell| cell.key == key)?;
            cell.figures.iter().find(|figure| figure.name == name)
        };
        for cell in &self.figures.cells {
            let Some(value) = cell.figures.iter().find(|figure| figure.name == gap) else { continue };
            let Some((across, [first, second])) = self.sides(&cell.key) else { continue };
            // What the sides differ in stands last.
            let words = |key: &[(String, String)]| {
                let mut words = Self::key(key);
                words[across..].rotate_left(1);
                words
            };
            let parts = [(&first, &sides, level, &of[0]), (&second, &sides, level, &of[0])];
            let parts = parts.into_iter().chain([(&cell.key, &between, gap, &of[1])]);
            let (mut theirs, mut ours) = (vec![], vec![]);
            for (at, (key, measure, name, of)) in parts.enumerate() {
                let is_gap = at == 2;
                let value = if is_gap { Some(value) } else { found(key, name) };
                let cluster = value.map_or(Cell::Missing, |value| measure.cluster(value));
                let as_row = |who: Who, cell: Cell| {
                    let row = Row::new(words(key), who, cell).of(of);
                    if is_gap { row.as_gap(measure.unit.clone()) } else { row }
                };
                if let Some(one) = self.ours(key, name) {
                    // Of a pair the gap is compared: it is what the question is about.
                    let row = as_row(Who::Own, measure.ours(one, &cluster));
                    ours.push(if is_gap { measure.our_row(self.question, row, one) } else { row });
                }
                theirs.push(as_row(Who::Cluster, cluster));
            }
            figure.rows.extend(theirs);
            if ours.len() == 3 {
                figure.rows.extend(ours);
            }
        }
        self.note_few(&mut figure, level);
        figure
    }

    /// Which part of a difference's key is the difference, and the cells on both sides of it.
    fn sides(&self, key: &[(String, String)]) -> Option<(usize, [Key; 2])> {
        let is_cell = |(name, value): &(String, String)| {
            self.question.groupings().iter().any(|by| by.name == *name && by.cells.contains(value))
        };
        let at = key.iter().position(|part| !is_cell(part))?;
        let (first, second) = key[at].1.split_once(" minus ")?;
        let side = |value: &str| {
            let mut side = key.to_vec();
            value.clone_into(&mut side[at].1);
            side
        };
        Some((at, [side(first), side(second)]))
    }

    /// Quantiles stand together: as a spread where there is one group, else as rows.
    fn spread(&self, names: &[&str]) -> Figure {
        let measure = Measure::of(self.question, names[0]);
        let one_group = self.figures.cells.len() == 1;
        let at: Vec<f64> = names.iter().filter_map(|name| part_of(name)).collect();
        let form = match one_group && at.len() == names.len() {
            true => Form::Strip { at, counts: people_word(self.question).into() },
            false => Form::IntervalRows,
        };
        let mut figure = self.blank(0, "Spread", measure.unit.clone(), form);
        for cell in &self.figures.cells {
            for value in cell.figures.iter().filter(|value| names.contains(&value.name.as_str())) {
                let words = Measure::of(self.question, &value.name).words();
                let key = || Self::key(&cell.key).into_iter().chain([("Part".to_owned(), words.clone())]);
                let cluster = measure.cluster(value);
                let of = self.of(&value.name);
                let ours = self.ours(&cell.key, &value.name).map(|one| {
                    let row = Row::new(key(), Who::Own, measure.ours(one, &cluster)).of(&of);
                    measure.our_row(self.question, row, one)
                });
                figure.rows.push(Row::new(key(), Who::Cluster, cluster).of(&of));
                figure.rows.extend(ours);
            }
        }
        figure
    }

    /// Own figures of so few people that they may point at one.
    fn note_few(&self, figure: &mut Figure, name: &str) {
        let few = self.own.iter().filter(|one| one.cluster.name == name && one.is_few()).count();
        if few > 0 {
            figure.notes.push(format!(
                "{few} of our own figures are of fewer than {} people: such a figure may point at one of them.",
                crate::own::PEOPLE_FEW
            ));
        }
    }
}

/// The part that a quantile's name states.
fn part_of(name: &str) -> Option<f64> {
    let (a, b) = name.strip_prefix("quantile ")?.split_once('/')?;
    let (a, b): (f64, f64) = (a.parse().ok()?, b.parse().ok()?);
    Some(a / b)
}
