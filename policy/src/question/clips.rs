//! What is cut off a person, in words: the bias of a clip is in no interval, so the clip is told.
//! Source: DATA section 8.

use super::{BoundQuestion, Measure, Ratio};
use crate::sql::Expr;

impl BoundQuestion {
    /// For each measure that can cut anything, between what it counts for one person; then how many
    /// cells one person is counted in, where that is bounded. Empty when nothing is ever cut.
    pub fn clips(&self) -> Vec<String> {
        let one = self.question().draft().per.as_deref().unwrap_or("person");
        let constant = |measure: &Measure| matches!(measure.expr, Expr::Number(_));
        let cut = self.measures().iter().filter(|measure| !constant(measure));
        let each = cut.map(|measure| {
            let bound = |steps: i64| number(steps, measure.resolution);
            let (low, high) = (bound(measure.low_steps), bound(measure.high_steps));
            let about = match measure.centre.as_slice() {
                [] => String::new(),
                [one] => format!(" about {}", number(1, *one)),
                _ => " about its cell's own centre".to_owned(),
            };
            format!("{} counts from {low} to {high}{about} for one {one}", measure.name)
        });
        let together = self.at_most().into_iter().map(|(names, total)| {
            let of = self.measures().iter().find(|measure| names.contains(&measure.name));
            let total = number(total, of.map_or(Ratio::ZERO, |measure| measure.resolution));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{} count at most {total} together", names.join(" and "))
        });
        let cells = self.cuts_cells().then(|| match self.cells_per_unit() {
            1 => format!("one {one} counts in one cell, the first"),
            most => format!("one {one} counts in at most {most} cells, the first"),
        });
        each.chain(together).chain(cells).collect()
    }
}

/// So many steps as a whole number, or as a decimal of at most six digits.
fn number(steps: i64, step: Ratio) -> String {
    let millionths =
        i128::from(steps) * i128::from(step.numerator) * 1_000_000 / i128::from(step.denominator);
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, part) = (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
    let part = format!("{part:06}");
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}
