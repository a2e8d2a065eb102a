//! The same question over time: figures of several Releases, period by period, as one. A period that nothing was
//! released for is a gap: nothing is drawn across it. And the weeks of one Release, one after the other.

use super::keys::key_words;
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

/// A figure whose rows are weeks of a term, drawn as a line; `None` of any other, and of too many groups.
pub fn over_weeks(figure: &Figure) -> Option<Figure> {
    let (week, _) = key_words("term_week", "");
    let at = figure.rows.first()?.key.iter().position(|(name, _)| *name == week)?;
    let mut rows = vec![];
    let (mut panels, mut weeks): (Vec<String>, Vec<String>) = (vec![], vec![]);
    for row in &figure.rows {
        let mut key = row.key.clone();
        let period =
            (at < key.len()).then(|| key.remove(at)).filter(|(_, value)| !value.contains(" minus "))?;
        let panel = key.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
        for (list, value) in [(&mut panels, &panel), (&mut weeks, &period.1)] {
            if !list.contains(value) {
                list.push(value.clone());
            }
        }
        let key = if panel.is_empty() { vec![period] } else { vec![("Group".to_owned(), panel), period] };
        rows.push(Row { key, ..row.clone() });
    }
    let is_series =
        figure.form == Form::IntervalRows && weeks.len() >= PERIODS_MIN && panels.len() <= PANELS_MAX;
    let form = if rows[0].key.len() == 1 { Form::SeriesBand { breaks: vec![] } } else { Form::Multiples };
    is_series.then(|| Figure {
        id: format!("{}-w", figure.id),
        title: format!("Week by week: {}", figure.title),
        notes: vec![],
        form,
        rows,
        ..figure.clone()
    })
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
    fn weeks_of_one_release_are_a_line_and_groups_of_them_panels() {
        let cell = || Cell::Exact { value: number("2"), chance: None };
        let weeks = |keys: &[&[(&str, &str)]], form: Form| {
            let rows = keys.iter().map(|key| Row::new(key.to_vec(), Who::Cluster, cell())).collect();
            over_weeks(&Figure { rows, form, ..figure("a", &[]) })
        };
        let (one, two) = ([("Week", "Week 1")], [("Week", "Week 2")]);
        let line = weeks(&[&one, &two], Form::IntervalRows).unwrap();
        assert_eq!(line.form, Form::SeriesBand { breaks: vec![] });
        let html = line.html().into_string();
        assert!(html.contains(">Week 1</text>") && html.contains(">Week 2</text>"), "{html}");
        let of = |week: &'static str, year: &'static str| [("Week", week), ("Year group", year)];
        let panels = weeks(
            &[&of("Week 1", "Year 7"), &of("Week 2", "Year 7"), &of("Week 1", "Year 8")],
            Form::IntervalRows,
        )
        .unwrap();
        assert_eq!(panels.form, Form::Multiples);
        assert_eq!(
            panels.rows.iter().map(Row::label).collect::<Vec<_>>(),
            ["Year 7, Week 1", "Year 7, Week 2", "Year 8, Week 1"]
        );
        assert!(weeks(&[&one], Form::IntervalRows).is_none(), "one week is no line");
        assert!(weeks(&[&one, &two], Form::Matrix).is_none());
        assert!(
            weeks(&[&[("Week", "Week: 1 minus 2")], &[("Week", "Week: 2 minus 3")]], Form::IntervalRows)
                .is_none()
        );
        assert!(weeks(&[&[("Year group", "Year 7")]], Form::IntervalRows).is_none());
        let many: Vec<String> = (0..=PANELS_MAX).map(|n| format!("Year {n}")).collect();
        let many: Vec<_> = many
            .iter()
            .flat_map(|year| ["1", "2"].map(|week| [("Week", week), ("Year group", year)]))
            .collect();
        let many: Vec<&[(&str, &str)]> = many.iter().map(<[_; 2]>::as_slice).collect();
        assert!(weeks(&many, Form::IntervalRows).is_none());
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
