//! A figure for programs: JSON, and lines of CSV.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::{Cell, DEMO_NOTE, Figure, Number, Of, Row, Who};
use crate::safe_csv::safe_csv_line;

/// The columns of figures as a table, of CSV and of Parquet. What is added comes last. Source: UI section 8.
pub const COLUMNS: [&str; 18] = [
    "release",
    "question",
    "period",
    "group",
    "measure",
    "estimate",
    "low_95",
    "high_95",
    "noise_95",
    "chance_95",
    "status",
    "note",
    "certificate",
    "whose",
    "unit",
    "says",
    "figure",
    "source",
];
/// Those that hold numbers.
pub const NUMBERS: Range<usize> = 5..10;

/// The numbers of a cell: value, low, high, noise, chance.
fn numbers(cell: &Cell) -> [Option<&Number>; 5] {
    match cell {
        Cell::Exact { value, chance } => [Some(value), None, None, None, chance.as_ref()],
        Cell::Estimated { value, low, high, noise, chance } => {
            [Some(value), Some(low), Some(high), Some(noise), chance.as_ref()]
        }
        Cell::Suppressed | Cell::Refused | Cell::Missing => [None; 5],
    }
}

/// Figures as one CSV under one header.
pub fn csv_of(figures: &[Figure], with_own: bool) -> String {
    let lines = lines_of(figures, with_own);
    let lines = lines.iter().map(|line| safe_csv_line(line.iter().map(String::as_str)));
    [safe_csv_line(COLUMNS)].into_iter().chain(lines).collect()
}

/// Figures as lines under [`COLUMNS`]. Rows of our own are left out unless asked for, and then a note says so.
pub fn lines_of(figures: &[Figure], with_own: bool) -> Vec<Vec<String>> {
    figures.iter().flat_map(|figure| figure.lines(with_own)).collect()
}

impl Figure {
    fn lines(&self, with_own: bool) -> Vec<Vec<String>> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| with_own || row.who != Who::Own).collect();
        let own = rows.iter().any(|row| row.who == Who::Own);
        let demo = self.demo.then_some(DEMO_NOTE);
        let exact = own.then_some("Holds own exact figures: do not publish");
        let note: Vec<&str> = demo.into_iter().chain(exact).collect();
        let note = note.join(". ");
        let line = |row: &&Row| {
            let of = row.of.as_deref();
            let text = |field: fn(&Of) -> &String| of.map_or("", |of| field(of).as_str());
            let label = row.label();
            let [value, low, high, noise, chance] =
                numbers(&row.cell).map(|number| number.map_or("", Number::text));
            let fields: [&str; COLUMNS.len()] = [
                text(|of| &of.release),
                text(|of| &of.question),
                text(|of| &of.period),
                &label,
                text(|of| &of.measure),
                value,
                low,
                high,
                noise,
                chance,
                row.cell.status(),
                &note,
                of.map_or(&self.certificate, |of| &of.certificate),
                row.who.code(),
                self.unit_of(row).words(),
                if with_own { row.says.as_str() } else { "" },
                &self.title,
                &self.source,
            ];
            fields.map(str::to_owned).to_vec()
        };
        rows.iter().map(line).collect()
    }

    /// As JSON, own rows included: for the owner's own programs.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let key: Map<String, Value> =
                row.key.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
            let [value, low, high, noise, chance] = numbers(&row.cell).map(|number| number.map(Number::text));
            let of = row.of.as_deref();
            json!({ "release": of.map(|of| &of.release), "period": of.map(|of| &of.period),
                    "measure": of.map(|of| &of.measure), "key": key, "whose": row.who.code(), "status": row.cell.status(), "value": value, "low": low,
                    "high": high, "noise": noise, "chance": chance,
                    "says": (!row.says.is_empty()).then_some(&row.says), "unit": self.unit_of(row).words() })
        });
        json!({
            "schema": "datacoop.figure/1", "demo": self.demo, "id": self.id, "form": self.form.code(),
            "title": self.title, "subtitle": self.subtitle, "unit": self.unit.words(),
            "rows": rows.collect::<Vec<_>>(), "notes": self.notes, "source": self.source,
            "certificate": self.certificate,
        })
    }
}
