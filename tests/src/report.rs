//! A measured claim, and the page of them all. What this file does *not* know: how anything is measured.
//!
//! Every figure that a claim rests on is a plain function that returns a [`Figure`]: a test asserts it,
//! and the program `privacy-report` prints it, so that the two cannot drift apart.

use std::fmt;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::{Value, json};

/// What was claimed, what was seen, and what would have been too much.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The claim, in a few words.
    pub claim: String,
    /// How many draws, tables, attacks or crashes the figure rests on.
    pub trials: u64,
    /// What was measured, with its unit if it has one.
    pub figure: String,
    /// What it may be at most, at least, or between.
    pub bound: String,
    /// Whether the figure keeps to the bound.
    pub holds: bool,
}

/// Four significant places, no exponent in the usual range.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e7).contains(&size) => {
            let places = if size >= 1_000.0 { 0 } else { 3 };
            format!("{x:.places$}")
        }
        _ => format!("{x:.2e}"),
    }
}

/// 20000 as 20,000.
fn grouped(count: u64) -> String {
    match count / 1_000 {
        0 => count.to_string(),
        thousands => format!("{},{:03}", grouped(thousands), count % 1_000),
    }
}

impl Figure {
    /// A figure that must not exceed its bound.
    pub fn at_most(claim: impl Into<String>, trials: u64, figure: f64, bound: f64) -> Self {
        let bounded = format!("at most {}", number(bound));
        Self { claim: claim.into(), trials, figure: number(figure), bound: bounded, holds: figure <= bound }
    }

    /// A figure that must reach its bound.
    pub fn at_least(claim: impl Into<String>, trials: u64, figure: f64, bound: f64) -> Self {
        let bounded = format!("at least {}", number(bound));
        Self { claim: claim.into(), trials, figure: number(figure), bound: bounded, holds: figure >= bound }
    }

    /// A figure that must lie between two bounds.
    pub fn between(claim: impl Into<String>, trials: u64, figure: f64, low: f64, high: f64) -> Self {
        let bound = format!("{} to {}", number(low), number(high));
        let holds = low <= figure && figure <= high;
        Self { claim: claim.into(), trials, figure: number(figure), bound, holds }
    }

    /// Something that must never happen, and how often it did. Beside it stands the rule of three: seen
    /// in none of N trials, its probability is below 3/N with 95 % confidence.
    pub fn never(claim: impl Into<String>, trials: u64, seen: u64) -> Self {
        let figure = format!("{seen} (rate < {} if 0)", number(3.0 / trials.max(1) as f64));
        Self { claim: claim.into(), trials, figure, bound: "0".into(), holds: trials > 0 && seen == 0 }
    }

    /// The test of a test: a broken system must turn the figure red.
    pub fn caught(claim: impl Into<String>, broken: &Self) -> Self {
        Self {
            claim: format!("caught: {}", claim.into()),
            trials: broken.trials,
            figure: broken.figure.clone(),
            bound: format!("not: {}", broken.bound),
            holds: !broken.holds,
        }
    }

    /// Fails a test when the claim does not hold.
    pub fn check(&self) {
        assert!(self.holds, "{self}");
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, trials, figure, bound, .. } = self;
        let verdict = if self.holds { "holds" } else { "FAILS" };
        write!(f, "{claim}: {figure} over {trials} trials, bound: {bound}: {verdict}")
    }
}

/// Measures, and once more on fresh randomness if that failed: a false alarm of probability p becomes
/// one of p squared, and a fault that always shows still shows. The measure draws its own randomness.
pub fn again(measure: impl Fn() -> Figure) -> Figure {
    let first = measure();
    if first.holds { first } else { measure() }
}

/// As `again`, of several figures from one measurement: only those that failed are taken anew.
pub fn again_all(measure: impl Fn() -> Vec<Figure>) -> Vec<Figure> {
    let first = measure();
    if first.iter().all(|figure| figure.holds) {
        return first;
    }
    first.into_iter().zip(measure()).map(|(one, two)| if one.holds { one } else { two }).collect()
}

/// Claims that belong together.
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// What was found.
    pub figures: Vec<Figure>,
}

/// The page as people read it.
pub fn page(sections: &[Section]) -> String {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::none().fill('\u{2500}').junction('\u{2500}'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["claim", "trials", "figure", "bound", "verdict"]);
    for Section { title, figures } in sections {
        table.add_row([title.to_uppercase()]);
        for Figure { claim, trials, figure, bound, holds } in figures {
            let verdict = if *holds { "holds" } else { "FAILS" };
            table.add_row([claim, &grouped(*trials), figure, bound, verdict]);
        }
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 1));
    });
    let all: Vec<&Figure> = sections.iter().flat_map(|section| &section.figures).collect();
    let failed = all.iter().filter(|figure| !figure.holds).count();
    format!("{table}\n\n{} claims measured, {failed} failed\n", all.len())
}

/// The page as programs read it.
pub fn json(sections: &[Section]) -> Value {
    let rows = sections.iter().flat_map(|Section { title, figures }| {
        figures.iter().map(move |Figure { claim, trials, figure, bound, holds }| {
            json!({ "section": title, "claim": claim, "trials": trials, "figure": figure, "bound": bound, "holds": holds })
        })
    });
    Value::Array(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_fails_on_the_wrong_side_of_its_bound_and_never_without_trials() {
        assert!(Figure::at_most("x", 1, 1.0, 1.0).holds);
        assert!(!Figure::at_most("x", 1, 1.1, 1.0).holds);
        assert!(!Figure::at_most("x", 1, f64::NAN, 1.0).holds);
        assert!(!Figure::at_least("x", 1, 0.9, 1.0).holds);
        assert!(!Figure::between("x", 1, f64::NAN, 0.0, 1.0).holds);
        assert!(Figure::never("x", 1_000, 0).holds);
        assert!(!Figure::never("x", 1_000, 1).holds);
        assert!(!Figure::never("x", 0, 0).holds);
    }

    #[test]
    fn a_measure_that_always_fails_fails_again_and_one_that_failed_by_chance_does_not() {
        let count = std::cell::Cell::new(0);
        let measure = || {
            count.set(count.get() + 1);
            Figure::at_least("x", 1, f64::from(count.get()), 2.0)
        };
        assert!(again(measure).holds);
        assert!(!again(|| Figure::at_least("x", 1, 0.0, 1.0)).holds);
    }
}
