//! The same question over time: figures of several Releases, period by period, as one. A period that nothing was
//! released for is a gap: nothing is drawn across it.

use super::{Cell, Figure, Form, Row, Who};
use crate::html::capital;

/// Groups that are drawn, each in a panel of its own: more are a table and no drawing.
const PANELS_MAX: usize = 12;
/// Fewest periods that make a series.
const PERIODS_MIN: usize = 2;

/// A period, with what was released for it.
pub struct Slot {
    /// Short: it stands under a drawing.
    pub period: String,
    /// The Release's figures, without ours; none where there is no Release.
    pub figures: Vec<Figure>,
    /// Whether the question says something else from here on than before.
    pub redefined: bool,
}

/// One figure for each measure of the last of these periods, in order; none of what is no series.
pub fn over_time(slots: &[Slot]) -> Vec<Figure> {
    let released = slots.iter().filter(|slot| !slot.figures.is_empty()).count();
    let Some(last) = slots.iter().rev().find(|slot| !slot.figures.is_empty()) else { return vec![] };
    if released < PERIODS_MIN {
        return vec![];
    }
    last.figures
        .iter()
        .flat_map(|figure| measures(figure).into_iter().map(move |name| (figure, name)))
        .filter_map(|(figure, measure)| series(slots, figure, &measure))
        .collect()
}

/// The measures that a figure shows. Of what is spread out or crossed over there is no line over time.
fn measures(figure: &Figure) -> Vec<String> {
    if !matches!(figure.form, Form::IntervalRows | Form::Dumbbell) {
        return vec![];
    }
    let mut names: Vec<String> = vec![];
    for of in figure.rows.iter().filter_map(|row| row.of.as_ref()) {
        if !names.contains(&of.measure) {
            names.push(of.measure.clone());
        }
    }
    names
}

fn is_of(row: &Row, measure: &str) -> bool {
    row.who == Who::Cluster && row.of.as_ref().is_some_and(|of| of.measure == measure)
}

/// One measure over all periods.
fn series(slots: &[Slot], figure: &Figure, measure: &str) -> Option<Figure> {
    let first = figure.rows.iter().find(|row| is_of(row, measure))?;
    let groups: Vec<&Row> = figure.rows.iter().filter(|row| is_of(row, measure)).collect();
    if groups.len() > PANELS_MAX {
        return None;
    }
    let mut rows = vec![];
    for group in &groups {
        for slot in slots {
            let same = |row: &&Row| is_of(row, measure) && row.key == group.key;
            let found = slot.figures.iter().flat_map(|figure| &figure.rows).find(same);
            let period = ("Period".to_owned(), slot.period.clone());
            let key = match groups.len() {
                1 => vec![period],
                _ => vec![("Group".to_owned(), group.label()), period],
            };
            let cell = found.map_or(Cell::Missing, |row| row.cell.clone());
            rows.push(Row { of: found.and_then(|row| row.of.clone()), ..Row::new(key, Who::Cluster, cell) });
        }
    }
    let breaks: Vec<usize> = (1..slots.len()).filter(|at| slots[*at].redefined).collect();
    let mut notes = vec![];
    if slots.iter().any(|slot| slot.figures.is_empty()) {
        notes.push("Where the line is broken, nothing was released for that period.".to_owned());
    }
    if !breaks.is_empty() {
        notes.push("Dashed: from there on the question is defined otherwise.".to_owned());
    }
    let unit = figure.unit_of(first).clone();
    let alone = groups.len() == 1 && !first.key.is_empty();
    let of = if alone { format!("{}, ", first.label()) } else { String::new() };
    Some(Figure {
        id: format!("{}-t{}", figure.id, measure.bytes().map(|b| format!("{b:02x}")).collect::<String>()),
        title: format!("Over time: {}", figure.title),
        subtitle: format!("{}, {of}by period; {}", capital(measure), unit.words()),
        unit,
        form: if groups.len() == 1 { Form::SeriesBand { breaks } } else { Form::Multiples },
        rows,
        notes,
        source: "Releases of the same question, each with its own certificate".into(),
        certificate: "one for each period".into(),
        demo: figure.demo,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Number, Of, Unit};
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    /// A release's figure with these groups and values.
    fn figure(period: &str, values: &[(&str, &str)]) -> Figure {
        let of = Arc::new(Of {
            release: format!("release of {period}"),
            question: "absence".into(),
            period: period.into(),
            measure: "rate".into(),
            certificate: "c".into(),
        });
        let row = |(group, value): &(&str, &str)| {
            let cell = Cell::Estimated {
                value: number(value),
                low: number("1"),
                high: number("9"),
                noise: number("1"),
                chance: None,
            };
            Row::new(if group.is_empty() { vec![] } else { vec![("Year group", *group)] }, Who::Cluster, cell)
                .of(&of)
        };
        Figure {
            id: "r".into(),
            title: "Absence".into(),
            subtitle: String::new(),
            unit: Unit::Percent,
            form: Form::IntervalRows,
            rows: values.iter().map(row).collect(),
            notes: vec![],
            source: String::new(),
            certificate: "c".into(),
            demo: false,
        }
    }

    fn slot(period: &str, values: &[(&str, &str)]) -> Slot {
        let figures = if values.is_empty() { vec![] } else { vec![figure(period, values)] };
        Slot { period: period.into(), figures, redefined: false }
    }

    #[test]
    fn a_period_without_a_release_is_a_gap_and_never_joined() {
        let slots = [
            slot("a", &[("", "2")]),
            slot("b", &[("", "3")]),
            slot("c", &[]),
            slot("d", &[("", "4")]),
            Slot { redefined: true, ..slot("e", &[("", "5")]) },
        ];
        let [series]: [Figure; 1] = over_time(&slots).try_into().unwrap();
        let values: Vec<Option<&str>> =
            series.rows.iter().map(|row| row.cell.value().map(Number::text)).collect();
        assert_eq!(values, [Some("2"), Some("3"), None, Some("4"), Some("5")]);
        assert_eq!(series.rows[2].cell, Cell::Missing);
        assert_eq!(series.form, Form::SeriesBand { breaks: vec![4] });
        assert_eq!(series.rows[3].of.as_ref().unwrap().release, "release of d");
        let html = series.html().into_string();
        let line = html.split("class=\"line\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!((line.matches('M').count(), line.matches('L').count()), (2, 2), "two lines: {line}");
        assert!(
            html.contains("Nothing measured") && html.contains("nothing was released for that period"),
            "{html}"
        );
        assert!(html.contains("class=\"broken\""), "{html}");
    }

    #[test]
    fn groups_are_panels_on_one_scale_and_one_release_is_no_series() {
        let slots = [
            slot("a", &[("Year 7", "2"), ("Year 8", "3")]),
            // A group that was not asked about then.
            slot("b", &[("Year 8", "4")]),
        ];
        assert!(over_time(&slots[..1]).is_empty());
        let [series]: [Figure; 1] = over_time(&slots[..]).try_into().unwrap();
        assert_eq!(series.form, Form::SeriesBand { breaks: vec![] }, "the newest knows one group");
        let turned = [slot("b", &[("Year 8", "4")]), slot("c", &[("Year 7", "2"), ("Year 8", "3")])];
        let [series]: [Figure; 1] = over_time(&turned).try_into().unwrap();
        assert_eq!(series.form, Form::Multiples);
        assert_eq!(series.rows[0].cell, Cell::Missing);
        assert_eq!(
            series.rows.iter().map(Row::label).collect::<Vec<_>>(),
            ["Year 7, b", "Year 7, c", "Year 8, b", "Year 8, c"]
        );
        let many: Vec<(String, &str)> = (0..=PANELS_MAX).map(|n| (format!("Year {n}"), "2")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert!(over_time(&[slot("a", &many), slot("b", &many)]).is_empty());
    }
}
