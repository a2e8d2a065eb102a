//! What a node shows of numbers: one [`Figure`] renders to a page, CSV, JSON, a sentence and a terminal,
//! so each rendering carries the same digits. The chart is the table: no number is drawn that is not also
//! written. Must not know a Member, a folder or a socket.
//!
//! Where to start: [`Figure`] and its [`Row`]s; [`scale`] is the one place where a number becomes a
//! position; `html`, `svg`, `terminal`, `data` are the renderings; [`released`] makes figures of a Release.
//!
//! Source: UI section 4.

mod beside;
mod data;
pub mod gallery;
mod html;
mod keys;
pub mod number;
pub mod released;
pub mod scale;
pub mod series;
mod svg;
mod terminal;

use std::sync::Arc;

use crate::own::compare::Comparison;

pub use beside::NOT_SHOWN;
pub use data::{COLUMNS, NUMBERS, csv_of, lines_of};
pub use html::page_of;
pub use number::{Number, Unit};
pub use terminal::Terminal;

/// A number that is shown, or why none is. `noise` and `chance` are 95 % half-widths.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Counted here, or public: no noise in it.
    Exact {
        /// The value.
        value: Number,
        /// Ordinary chance, where the question measures it.
        chance: Option<Number>,
    },
    /// From noisy sums.
    Estimated {
        /// The estimate.
        value: Number,
        /// Lower end of the likely range: noise and chance together.
        low: Number,
        /// Upper end.
        high: Number,
        /// Privacy noise alone.
        noise: Number,
        /// Ordinary chance alone.
        chance: Option<Number>,
    },
    /// Too few people or too wide a range, judged on the noisy value.
    Suppressed,
    /// A member's own rule said no.
    Refused,
    /// Nothing was measured.
    Missing,
}

impl Cell {
    /// The closed code of CSV and JSON.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Exact { .. } => "exact",
            Self::Estimated { .. } => "estimated",
            Self::Suppressed => "suppressed",
            Self::Refused => "refused",
            Self::Missing => "missing",
        }
    }

    /// The number itself, where there is one.
    pub fn value(&self) -> Option<&Number> {
        match self {
            Self::Exact { value, .. } | Self::Estimated { value, .. } => Some(value),
            Self::Suppressed | Self::Refused | Self::Missing => None,
        }
    }

    /// The ends of what noise alone does, never beyond those of the likely range: a range's ends are rounded outwards,
    /// and its middle to the nearest step.
    pub fn noise_ends(&self) -> Option<(f64, f64)> {
        let Self::Estimated { value, low, high, noise, .. } = self else { return None };
        let inside = |end: f64| end.max(low.value()).min(high.value());
        Some((inside(value.value() - noise.value()), inside(value.value() + noise.value())))
    }

    /// The ends of what is drawn: of an exact figure those of ordinary chance.
    pub fn ends(&self) -> Option<(f64, f64)> {
        match self {
            Self::Exact { value, chance } => {
                let half = chance.as_ref().map_or(0.0, Number::value);
                Some((value.value() - half, value.value() + half))
            }
            Self::Estimated { low, high, .. } => Some((low.value(), high.value())),
            Self::Suppressed | Self::Refused | Self::Missing => None,
        }
    }

    /// What stands where a number would.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Exact { .. } | Self::Estimated { .. } => "",
            Self::Suppressed => "Not shown: too few people or too wide a range",
            Self::Refused => "Refused",
            Self::Missing => "Nothing measured",
        }
    }
}

/// Whose figure a row is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// This node's own: exact, and for its owner's eyes.
    Own,
    /// The members counted in a Release.
    Cluster,
    /// Neither: public, or of this node's budget and logs.
    Plain,
}

impl Who {
    /// The closed code of CSV and JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Cluster => "cluster",
            Self::Plain => "plain",
        }
    }
}

/// Which number of which Release a row shows, as programs name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Of {
    /// The Query's id.
    pub release: String,
    /// The Question's name.
    pub question: String,
    /// Such as `2025-09-01..2025-12-19`.
    pub period: String,
    /// The number's name in the Release, such as `rate`.
    pub measure: String,
    /// As the figure's.
    pub certificate: String,
}

/// One number with what it is of.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// (what it is split by, which part), in words.
    pub key: Vec<(String, String)>,
    /// Whose.
    pub who: Who,
    /// The number.
    pub cell: Cell,
    /// How ours compares, or why that is not shown, in a sentence; empty where it is not ours.
    pub says: String,
    /// The same for programs; `None` where it is not compared.
    pub compared: Option<Comparison>,
    /// Of which Release; `None` of what is of none.
    pub of: Option<Arc<Of>>,
    /// Its unit, where it is the difference of the two rows before it: such a number stands on no scale of theirs.
    pub gap: Option<Unit>,
}

impl Row {
    /// A row without a comparison.
    pub fn new<K: Into<String>, V: Into<String>>(
        key: impl IntoIterator<Item = (K, V)>,
        who: Who,
        cell: Cell,
    ) -> Self {
        let key = key.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { key, who, cell, says: String::new(), compared: None, of: None, gap: None }
    }

    /// The same, of a Release.
    pub fn of(self, of: &Arc<Of>) -> Self {
        Self { of: Some(Arc::clone(of)), ..self }
    }

    /// The same, as the difference of the two rows before it.
    pub fn as_gap(self, unit: Unit) -> Self {
        Self { gap: Some(unit), ..self }
    }

    /// What distinguishes it from its neighbour.
    pub fn last_part(&self) -> &str {
        self.key.last().map_or("", |(_, value)| value.as_str())
    }

    /// Its parts in one line, such as `Year 7, Friday`.
    pub fn label(&self) -> String {
        let parts: Vec<&str> = self.key.iter().map(|(_, value)| value.as_str()).collect();
        parts.join(", ")
    }
}

/// How a figure is drawn. Each is drawn from the same rows.
#[derive(Clone, PartialEq, Debug)]
pub enum Form {
    /// A table whose rows each have a mark and two bars: groups, gaps, event days, bands.
    IntervalRows,
    /// Two sides and the gap between them, three rows each: the first side, the second, and the first less the
    /// second. Ours follow the cluster's.
    Dumbbell,
    /// The spread of one measure: which part of the people each row's value is not exceeded by, rising, and
    /// what is counted. Own rows come last.
    Strip {
        /// Such as 0.25, one for each cluster row.
        at: Vec<f64>,
        /// Such as `people`.
        counts: String,
    },
    /// Periods in order, key 0 each; a missing one leaves a gap.
    SeriesBand {
        /// Rows before which a definition changed.
        breaks: Vec<usize>,
    },
    /// A small series for each value of key 0, over key 1, on one scale.
    Multiples,
    /// The last key runs across.
    Matrix,
    /// Points used, reserved and left, in this order.
    Meter,
    /// One column a week.
    Ticks,
}

impl Form {
    /// The closed code of JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::IntervalRows => "interval_rows",
            Self::Dumbbell => "dumbbell",
            Self::Strip { .. } => "strip",
            Self::SeriesBand { .. } => "series_band",
            Self::Multiples => "multiples",
            Self::Matrix => "matrix",
            Self::Meter => "meter",
            Self::Ticks => "ticks",
        }
    }
}

/// A figure with everything that must stand beside it; nothing of it may be left out.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// A name for links on a page: letters, digits and `-`.
    pub id: String,
    /// Short and active.
    pub title: String,
    /// Measure, population, period.
    pub subtitle: String,
    /// Of every number.
    pub unit: Unit,
    /// How it is drawn.
    pub form: Form,
    /// Its numbers.
    pub rows: Vec<Row>,
    /// What else is to be known, a sentence each.
    pub notes: Vec<String>,
    /// Where the numbers come from.
    pub source: String,
    /// The Release's certificate, or `not yet witnessed`; empty of what is made of no Release.
    pub certificate: String,
    /// Whether the people are made up.
    pub demo: bool,
}

/// How figures look.
pub const CSS: &str = include_str!("figure.css");
/// On every rendering of a demo's figure.
pub const DEMO_NOTE: &str = "Demo: made-up data";
/// Before what is said once of ours beside the cluster's.
pub(crate) const BESIDE_NOTE: &str = "Ours beside the cluster.";
/// How to read a likely range; once on a page.
pub const RANGE_NOTE: &str =
    "If we could repeat this 100 times, about 95 of the ranges would contain the true figure.";

impl Figure {
    /// What a row is called where all keys are in one column.
    pub(crate) fn row_name(&self, row: &Row) -> String {
        match (row.who, row.key.is_empty()) {
            (Who::Own, true) => "Ours".to_owned(),
            (Who::Own, false) => format!("{}: ours", row.label()),
            (Who::Cluster | Who::Plain, true) => "Cluster".to_owned(),
            (Who::Cluster | Who::Plain, false) => row.label(),
        }
    }

    /// What a row's number is of.
    pub(crate) fn unit_of<'a>(&'a self, row: &'a Row) -> &'a Unit {
        row.gap.as_ref().unwrap_or(&self.unit)
    }

    /// A row's value and what surrounds it, such as `21.1%, likely range 20.3% to 21.9%`.
    pub(crate) fn said(&self, row: &Row) -> String {
        let unit = self.unit_of(row);
        match &row.cell {
            Cell::Exact { value, chance: None } => unit.show(value),
            Cell::Exact { value, chance: Some(chance) } => {
                format!("{}, chance \u{b1}{}", unit.show(value), unit.show(chance))
            }
            Cell::Estimated { value, low, high, .. } => {
                format!("{}, likely range {}", unit.show(value), unit.range(low, high))
            }
            Cell::Suppressed | Cell::Refused | Cell::Missing => row.cell.words().to_lowercase(),
        }
    }

    /// A dumbbell's pairs: both sides and the gap.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Row, &Row, &Row)> {
        self.rows.chunks_exact(3).map(|three| (&three[0], &three[1], &three[2]))
    }

    /// Why ours is compared nowhere in this figure, where that is one reason: it is said once, and not in each row.
    pub(crate) fn says_once(&self) -> Option<&str> {
        let mut said = self.rows.iter().filter(|row| !row.says.is_empty());
        let first = said.next().filter(|row| row.says.starts_with(NOT_SHOWN))?;
        said.all(|row| row.says == first.says).then_some(&first.says)
    }

    /// What is said of ours in a row; nothing where it is said once for all.
    pub(crate) fn says_of<'a>(&self, row: &'a Row) -> &'a str {
        if self.says_once().is_some() { "" } else { &row.says }
    }

    /// The same with its first rows only, for where there is little room.
    pub fn shortened(mut self, rows_max: usize) -> Self {
        match self.form {
            Form::IntervalRows => self.rows.truncate(rows_max),
            // A pair stays whole.
            Form::Dumbbell => self.rows.truncate((rows_max / 3).max(1) * 3),
            Form::Strip { .. }
            | Form::SeriesBand { .. }
            | Form::Multiples
            | Form::Matrix
            | Form::Meter
            | Form::Ticks => {}
        }
        self
    }

    /// The figure in words: its title and, while they are few, each of its numbers.
    pub fn sentence(&self) -> String {
        /// More are a table and no sentence.
        const SAID_MAX: usize = 6;
        let said: Vec<String> = self
            .rows
            .iter()
            .take(SAID_MAX)
            .map(|row| {
                let says = self.says_of(row);
                let says = if says.is_empty() { String::new() } else { format!(" ({says})") };
                format!("{} {}{says}", self.row_name(row), self.said(row))
            })
            .collect();
        let more = match self.rows.len().saturating_sub(SAID_MAX) {
            0 => String::new(),
            more => format!("; and {more} more in the table"),
        };
        let demo = if self.demo { format!(" {DEMO_NOTE}.") } else { String::new() };
        let once = self.says_once().map_or_else(String::new, |once| format!(" {BESIDE_NOTE} {once}."));
        let title = &self.title;
        let stop = if title.ends_with(['.', '?', '!']) { "" } else { "." };
        format!("{title}{stop} {}: {}{more}.{once}{demo}", self.subtitle, said.join("; "))
    }

    /// All numbers that are drawn on the scale of this figure.
    pub(crate) fn scale(&self) -> Option<scale::Scale> {
        let ends = self.rows.iter().filter(|row| row.gap.is_none()).filter_map(|row| row.cell.ends());
        scale::Scale::over(ends.flat_map(|(low, high)| [low, high]), self.unit.begins_at_zero())
    }
}

#[cfg(test)]
mod tests;
